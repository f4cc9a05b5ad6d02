/*
 * Single operations and layers, forward and backward, over sizes.
 *
 *     bench_ops --list                              "name size size …", a line each
 *     bench_ops [--threads T] [--seconds S] [NAME …]   one JSON line for each size of the operations named, of all without names
 *
 * float32, inputs and weights need gradients. Forward is the call with what the step before left to be cleared away, as it is on
 * the PyTorch side (torch_ops.py), which reads this list; backward begins with ones. Medians over all turns.
 */
#define _POSIX_C_SOURCE 200809L
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/wengert.h>

#include "measure.h"

#define INPUTS 3
#define SIZES 8   /* of an operation, at most */
#define LENGTHS 7 /* that make a size */
#define MOST_TURNS 20000

struct subject {
    int64_t d[LENGTHS];
    ag_tensor in[INPUTS];
    nn_module *net;
    optim *opt;
    ag_rng rng;
    ag_scope scope;
};

struct operation {
    const char *name;
    void (*open)(struct subject *s);
    ag_tensor (*run)(struct subject *s);
    int64_t sizes[SIZES][LENGTHS];
};

/* ---- inputs ----------------------------------------------------------------------------------------------------------- */

/* Numbers of -1..1 that need a gradient. */
static void input(struct subject *s, int i, ag_shape shape)
{
    s->in[i] = ag_leaf(shape, AG_FLOAT32, true);
    nn_init_uniform(s->in[i], -1, 1, &s->rng);
}

static void whole_numbers(struct subject *s, int i, ag_shape shape, int64_t below)
{
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    ag_keep(&s->in[i], ag_randint(shape, 0, below, &s->rng));
    ag_end(&scope);
}

static void network(struct subject *s, nn_module *net)
{
    s->net = net;
    nn_init(net, &s->rng);
}

static void one(struct subject *s)
{
    input(s, 0, AG_SHAPE(s->d[0]));
}

static void two(struct subject *s)
{
    one(s);
    input(s, 1, AG_SHAPE(s->d[0]));
}

static void table(struct subject *s)
{
    input(s, 0, AG_SHAPE(s->d[0], s->d[1]));
}

static void table_and_row(struct subject *s)
{
    table(s);
    input(s, 1, AG_SHAPE(s->d[1]));
}

static ag_tensor layer(struct subject *s)
{
    return nn_forward(s->net, s->in[0]);
}

/* ---- element by element, sums, losses ----------------------------------------------------------------------------------- */

#define OF_ONE(name)                               \
    static ag_tensor run_##name(struct subject *s) \
    {                                              \
        return ag_##name(s->in[0]);                \
    }
#define OF_TWO(name)                               \
    static ag_tensor run_##name(struct subject *s) \
    {                                              \
        return ag_##name(s->in[0], s->in[1]);      \
    }
OF_ONE(relu)
OF_ONE(tanh)
OF_ONE(sigmoid)
OF_ONE(gelu)
OF_ONE(exp)
OF_ONE(sum)
OF_TWO(add)
OF_TWO(mul)
OF_TWO(mse_loss)
OF_TWO(cross_entropy)
OF_TWO(matmul)
OF_TWO(embedding)

static ag_tensor run_leaky_relu(struct subject *s)
{
    return ag_leaky_relu(s->in[0], 0.2);
}

static ag_tensor run_sum_rows(struct subject *s)
{
    return ag_sum_dims(s->in[0], AG_DIMS(0), false);
}

static ag_tensor run_softmax(struct subject *s)
{
    return ag_softmax(s->in[0], 1);
}

static ag_tensor run_log_softmax(struct subject *s)
{
    return ag_log_softmax(s->in[0], 1);
}

static ag_tensor run_transpose(struct subject *s)
{
    return ag_contiguous(ag_transpose(s->in[0], 0, 1));
}

static ag_tensor run_cat(struct subject *s)
{
    return ag_cat(2, s->in, 0);
}

static void logits(struct subject *s)
{
    table(s);
    whole_numbers(s, 1, AG_SHAPE(s->d[0]), s->d[1]);
}

static void with_target(struct subject *s)
{
    ag_scope scope = { 0 };
    one(s);
    ag_begin_no_grad(&scope);
    ag_keep(&s->in[1], ag_uniform(AG_SHAPE(s->d[0]), 0, 1, AG_FLOAT32, &s->rng));
    ag_end(&scope);
}

static ag_tensor run_bce(struct subject *s)
{
    return ag_bce_with_logits(s->in[0], s->in[1]);
}

static void rows_of_table(struct subject *s)
{
    table(s);
    whole_numbers(s, 1, AG_SHAPE(s->d[2]), s->d[0]);
}

/* ---- products and layers ------------------------------------------------------------------------------------------------- */

static void factors(struct subject *s)
{
    input(s, 0, AG_SHAPE(s->d[0], s->d[1]));
    input(s, 1, AG_SHAPE(s->d[1], s->d[2]));
}

static void linear(struct subject *s)
{
    table(s);
    network(s, nn_linear(s->d[1], s->d[2]));
}

static void images(struct subject *s)
{
    input(s, 0, AG_SHAPE(s->d[0], s->d[1], s->d[2], s->d[2]));
}

/* batch, channels, side, channels after, kernel, stride, padding */
static void conv2d(struct subject *s)
{
    nn_conv2d_config c = nn_conv2d_defaults(s->d[1], s->d[3], s->d[4]);
    c.conv.stride[0] = c.conv.stride[1] = s->d[5];
    c.conv.padding[0] = c.conv.padding[1] = s->d[6];
    images(s);
    network(s, nn_conv2d_with(c));
}

static void conv_transpose2d(struct subject *s)
{
    nn_conv_transpose2d_config c = nn_conv_transpose2d_defaults(s->d[1], s->d[3], s->d[4]);
    c.conv.stride[0] = c.conv.stride[1] = s->d[5];
    c.conv.padding[0] = c.conv.padding[1] = s->d[6];
    images(s);
    network(s, nn_conv_transpose2d_with(c));
}

static void max_pool2d(struct subject *s)
{
    images(s);
    network(s, nn_max_pool2d(s->d[3]));
}

static void batch_norm2d(struct subject *s)
{
    images(s);
    network(s, nn_batch_norm2d(s->d[1]));
}

static void layer_norm(struct subject *s)
{
    table(s);
    network(s, nn_layer_norm(s->d[1]));
}

/* steps, batch, in, hidden */
static void lstm(struct subject *s)
{
    input(s, 0, AG_SHAPE(s->d[0], s->d[1], s->d[2]));
    network(s, nn_lstm(s->d[2], s->d[3]));
}

static void gru(struct subject *s)
{
    input(s, 0, AG_SHAPE(s->d[0], s->d[1], s->d[2]));
    network(s, nn_gru(s->d[2], s->d[3]));
}

/* heads of all examples, steps, width of a head; causal */
static void attention(struct subject *s)
{
    for (int i = 0; i < 3; i++) {
        input(s, i, AG_SHAPE(s->d[0], s->d[1], s->d[2]));
    }
}

static ag_tensor run_attention(struct subject *s)
{
    ag_attention_config c = ag_attention_defaults();
    c.causal = true;
    return ag_scaled_dot_product_attention(s->in[0], s->in[1], s->in[2], AG_NONE, c, NULL);
}

/* ---- optimizers: the step is what is measured as forward ------------------------------------------------------------------ */

static void optimizer_input(struct subject *s)
{
    ag_scope scope = { 0 };
    one(s);
    ag_begin(&scope);
    ag_backward(ag_sum(ag_square(s->in[0])));
    ag_end(&scope);
}

static ag_list *only_input(struct subject *s)
{
    ag_list *list = ag_list_new();
    ag_list_add(list, "w", s->in[0]);
    return list;
}

static void adam(struct subject *s)
{
    optimizer_input(s);
    s->opt = optim_adam(only_input(s), optim_adam_defaults());
}

static void sgd(struct subject *s)
{
    optimizer_input(s);
    s->opt = optim_sgd(only_input(s), optim_sgd_defaults());
}

static ag_tensor run_optimizer(struct subject *s)
{
    optim_step(s->opt);
    return AG_NONE;
}

/* ---- the list ------------------------------------------------------------------------------------------------------------ */

#define LONG                         \
    {                                \
        { 64 }, { 4096 }, { 65536 }, \
        {                            \
            1048576                  \
        }                            \
    }
#define WIDE                                     \
    {                                            \
        { 64, 10 }, { 2048, 65 }, { 2048, 512 }, \
        {                                        \
            256, 8192                            \
        }                                        \
    }

static const struct operation operations[] = {
    { "add", two, run_add, LONG },
    { "mul", two, run_mul, LONG },
    { "add_row", table_and_row, run_add, WIDE },
    { "relu", one, run_relu, LONG },
    { "leaky_relu", one, run_leaky_relu, LONG },
    { "tanh", one, run_tanh, LONG },
    { "sigmoid", one, run_sigmoid, LONG },
    { "gelu", one, run_gelu, LONG },
    { "exp", one, run_exp, LONG },
    { "sum", one, run_sum, LONG },
    { "sum_rows", table, run_sum_rows, WIDE },
    { "softmax", table, run_softmax, WIDE },
    { "log_softmax", table, run_log_softmax, WIDE },
    { "cross_entropy", logits, run_cross_entropy, WIDE },
    { "mse_loss", with_target, run_mse_loss, LONG },
    { "bce_with_logits", with_target, run_bce, LONG },
    { "transpose", table, run_transpose, WIDE },
    { "cat", two, run_cat, LONG },
    { "embedding", rows_of_table, run_embedding, { { 65, 64, 2048 }, { 10000, 128, 2048 } } },
    { "matmul", factors, run_matmul, { { 8, 8, 8 }, { 64, 64, 64 }, { 256, 256, 256 }, { 512, 512, 512 }, { 1024, 1024, 1024 } } },
    { "linear", linear, layer, { { 4, 2, 8 }, { 64, 784, 128 }, { 64, 512, 512 }, { 2048, 128, 512 }, { 2048, 512, 128 } } },
    { "conv2d",
      conv2d,
      layer,
      { { 64, 1, 28, 32, 3, 1, 0 }, { 64, 32, 13, 64, 3, 1, 0 }, { 64, 32, 14, 64, 4, 2, 1 }, { 16, 64, 28, 64, 3, 1, 1 } } },
    { "conv_transpose2d", conv_transpose2d, layer, { { 64, 64, 7, 32, 4, 2, 1 }, { 64, 32, 14, 1, 4, 2, 1 } } },
    { "max_pool2d", max_pool2d, layer, { { 64, 6, 28, 2 }, { 64, 32, 26, 2 } } },
    { "batch_norm2d", batch_norm2d, layer, { { 64, 64, 7 }, { 64, 32, 14 }, { 16, 64, 56 } } },
    { "layer_norm", layer_norm, layer, { { 32, 128 }, { 2048, 128 }, { 2048, 768 } } },
    { "lstm", lstm, layer, { { 64, 32, 64, 128 }, { 64, 1, 64, 128 }, { 16, 64, 128, 256 } } },
    { "gru", gru, layer, { { 64, 32, 64, 128 }, { 64, 1, 64, 128 }, { 16, 64, 128, 256 } } },
    { "attention", attention, run_attention, { { 128, 64, 32 }, { 16, 256, 64 }, { 8, 1024, 64 } } },
    { "sgd", sgd, run_optimizer, LONG },
    { "adam", adam, run_optimizer, LONG },
};

enum {
    OPERATIONS = sizeof(operations) / sizeof(operations[0]),
};

static bool has_size(const struct operation *o, int i)
{
    return i < SIZES && o->sizes[i][0] > 0;
}

static void print_size(const int64_t *d, const char *between)
{
    for (int k = 0; k < LENGTHS && (d[k] > 0 || (k == LENGTHS - 1 && d[k - 1] > 0)); k++) {
        printf("%s%" PRId64, k > 0 ? between : "", d[k]);
    }
}

static void measure(const struct operation *o, const int64_t *size, double seconds)
{
    static double forward[MOST_TURNS], backward[MOST_TURNS];
    struct subject s = { .rng = ag_rng_seed(0) };
    ag_backward_config from_ones = ag_backward_defaults();
    ag_tensor ones = AG_NONE;
    int turns = 0;
    memcpy(s.d, size, sizeof(s.d));
    o->open(&s);
    double end = seconds_now() + seconds;
    for (int warm = 3; turns < 5 || (turns < MOST_TURNS && seconds_now() < end); warm -= warm > 0) {
        for (int i = 0; i < INPUTS && s.opt == NULL; i++) {
            if (ag_is_alive(s.in[i]) && ag_requires_grad(s.in[i])) {
                ag_zero_grad(s.in[i]);
            }
        }
        if (s.net != NULL) {
            ag_list *list = nn_parameters(s.net);
            for (int64_t i = 0; i < ag_list_count(list); i++) {
                ag_zero_grad(ag_list_tensor(list, i));
            }
            ag_list_free(list);
        }
        double start = seconds_now();
        ag_begin(&s.scope);
        ag_tensor y = o->run(&s);
        double middle = seconds_now();
        if (s.opt == NULL) {
            if (!ag_is_alive(ones)) {
                ag_keep(&ones, ag_ones_like(y));
            }
            from_ones.cotangent = ones;
            middle = seconds_now();
            ag_backward_with(y, from_ones);
        }
        double stop = seconds_now();
        if (warm == 0) {
            forward[turns] = middle - start;
            backward[turns++] = stop - middle;
        }
    }
    ag_end(&s.scope);
    printf("{\"op\": \"%s\", \"size\": \"", o->name);
    print_size(size, "x");
    printf("\", \"threads\": %d, \"forward_us\": %.3f, \"backward_us\": %.3f}\n", ag_threads(), median(forward, turns) * 1e6,
           s.opt == NULL ? median(backward, turns) * 1e6 : 0);
    fflush(stdout);
    ag_drop(&ones);
    optim_free(s.opt);
    nn_free(s.net);
    for (int i = 0; i < INPUTS; i++) {
        ag_drop(&s.in[i]);
    }
}

static void usage(FILE *stream)
{
    fprintf(stream, "usage: bench_ops [--list] [--threads T] [--seconds S] [NAME ...]\n");
}

/* The number in `text`, or a usage error. */
static double number(const char *option, const char *text, double low, double high)
{
    char *end;
    double x = strtod(text, &end);
    if (end == text || *end != '\0' || !(x >= low && x <= high)) {
        fprintf(stderr, "bench_ops: %s wants a number from %g to %g, got \"%s\"\n", option, low, high, text);
        exit(2);
    }
    return x;
}

static bool named(const struct operation *o, int count, char **names)
{
    bool wanted = count == 0;
    for (int a = 0; a < count; a++) {
        wanted = wanted || strcmp(names[a], o->name) == 0;
    }
    return wanted;
}

int main(int argc, char **argv)
{
    static const struct option options[] = { { "list", no_argument, NULL, 'l' },
                                             { "threads", required_argument, NULL, 't' },
                                             { "seconds", required_argument, NULL, 's' },
                                             { "help", no_argument, NULL, 'h' },
                                             { NULL, 0, NULL, 0 } };
    double seconds = 0.3;
    int option;
    bool list = false;
    ag_set_threads(1);
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 'l':
            list = true;
            break;
        case 't':
            ag_set_threads((int)number("--threads", optarg, 1, 1024));
            break;
        case 's':
            seconds = number("--seconds", optarg, 0, 1e4);
            break;
        case 'h':
            usage(stdout);
            return 0;
        default:
            usage(stderr);
            return 2;
        }
    }
    for (int a = optind; a < argc; a++) {
        bool known = false;
        for (int i = 0; i < OPERATIONS; i++) {
            known = known || strcmp(argv[a], operations[i].name) == 0;
        }
        if (!known) {
            fprintf(stderr, "bench_ops: there is no operation \"%s\"; --list shows them\n", argv[a]);
            return 2;
        }
    }
    for (int i = 0; i < OPERATIONS; i++) {
        for (int k = 0; named(&operations[i], argc - optind, argv + optind) && has_size(&operations[i], k); k++) {
            if (list) {
                printf("%s ", operations[i].name);
                print_size(operations[i].sizes[k], " ");
                printf("\n");
            } else {
                measure(&operations[i], operations[i].sizes[k], seconds);
            }
        }
    }
    return ag_exit_status();
}
