/*
 * Training benchmarks: one full step (zero_grad, forward, backward, optimizer step) of each workload, the same networks, options
 * and JSON keys as the PyTorch side.
 *
 *     bench_train --list
 *     bench_train [--threads T] [--seconds S] [NAME …]      one JSON line a workload
 *
 * float32. Every step takes the next of four input batches, so that nothing computed from an input may be kept from one step to
 * the next. The median over repeats is reported.
 */
#define _POSIX_C_SOURCE 200809L
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <wengert/wengert.h>

#include "autograd/kernels/kernels.h"

#define BATCHES 4
#define REPEATS 7

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double peak_mib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

struct workload {
    const char *name;
    int64_t batch;
    nn_module *(*network)(void);
    ag_shape x;        /* of a batch */
    int64_t classes;   /* 0: regression on one number */
    bool sgd;
};

/* 2-8-1 tanh */
static nn_module *xor_mlp(void)
{
    return nn_sequential(nn_linear(2, 8), nn_tanh(), nn_linear(8, 1));
}

/* 784-128-10 */
static nn_module *mnist_mlp(void)
{
    return nn_sequential(nn_linear(784, 128), nn_relu(), nn_linear(128, 10));
}

/* 784-512-512-10 */
static nn_module *mlp_wide(void)
{
    return nn_sequential(nn_linear(784, 512), nn_relu(), nn_linear(512, 512), nn_relu(), nn_linear(512, 10));
}

/* conv 6@5x5 pad 2, pool 2, conv 16@5x5, pool 2, 400-120-84-10 */
static nn_module *lenet5(void)
{
    nn_conv2d_config first = nn_conv2d_defaults(1, 6, 5);
    first.conv.padding[0] = first.conv.padding[1] = 2;
    return nn_sequential(nn_conv2d_with(first), nn_relu(), nn_max_pool2d(2), nn_conv2d(6, 16, 5), nn_relu(),
                         nn_max_pool2d(2), nn_flatten(), nn_linear(400, 120), nn_relu(), nn_linear(120, 84), nn_relu(),
                         nn_linear(84, 10));
}

/* conv 32@3x3, pool 2, conv 64@3x3, pool 2, conv 128@3x3, 1152-10 */
static nn_module *cnn_keras(void)
{
    return nn_sequential(nn_conv2d(1, 32, 3), nn_relu(), nn_max_pool2d(2), nn_conv2d(32, 64, 3), nn_relu(),
                         nn_max_pool2d(2), nn_conv2d(64, 128, 3), nn_relu(), nn_flatten(), nn_linear(1152, 10));
}

static const struct workload *workloads(int *count)
{
    static struct workload table[5];
    struct workload all[] = {
        {"xor_mlp", 4, xor_mlp, AG_SHAPE(4, 2), 0, true},
        {"mnist_mlp", 64, mnist_mlp, AG_SHAPE(64, 784), 10, false},
        {"mlp_wide", 64, mlp_wide, AG_SHAPE(64, 784), 10, false},
        {"lenet5", 64, lenet5, AG_SHAPE(64, 1, 28, 28), 10, false},
        {"cnn_keras", 64, cnn_keras, AG_SHAPE(64, 1, 28, 28), 10, false},
    };
    *count = (int)(sizeof(all) / sizeof(all[0]));
    memcpy(table, all, sizeof(all));
    return table;
}

struct trainer {
    const struct workload *w;
    nn_module *net;
    optim *opt;
    ag_tensor x[BATCHES], y[BATCHES];
    int next;
    ag_scope scope;
};

static void trainer_open(struct trainer *t, const struct workload *w)
{
    ag_rng rng = ag_rng_seed(0);
    memset(t, 0, sizeof(*t));
    t->w = w;
    t->net = w->network();
    nn_init(t->net, &rng);
    if (w->sgd) {
        optim_sgd_config sgd = optim_sgd_defaults();
        sgd.lr = 0.1;
        t->opt = optim_sgd(nn_parameters(t->net), sgd);
    } else {
        t->opt = optim_adam(nn_parameters(t->net), optim_adam_defaults());
    }
    ag_scope scope = {0};
    ag_begin_no_grad(&scope);
    for (int i = 0; i < BATCHES; i++) {
        ag_keep(&t->x[i], ag_uniform(w->x, 0, 1, AG_FLOAT32, &rng));
        ag_keep(&t->y[i], w->classes > 0 ? ag_randint(AG_SHAPE(w->batch), 0, w->classes, &rng)
                                         : ag_uniform(AG_SHAPE(w->batch, 1), 0, 1, AG_FLOAT32, &rng));
    }
    ag_end(&scope);
}

static void trainer_step(struct trainer *t)
{
    ag_tensor x = t->x[t->next], y = t->y[t->next];
    t->next = (t->next + 1) % BATCHES;
    ag_begin(&t->scope);
    optim_zero_grad(t->opt);
    ag_tensor out = nn_forward(t->net, x);
    ag_tensor loss = t->w->classes > 0 ? ag_cross_entropy(out, y) : ag_mse_loss(out, y);
    ag_backward(loss);
    optim_step(t->opt);
}

static void trainer_close(struct trainer *t)
{
    ag_end(&t->scope);
    for (int i = 0; i < BATCHES; i++) {
        ag_drop(&t->x[i]);
        ag_drop(&t->y[i]);
    }
    optim_free(t->opt);
    nn_free(t->net);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const struct workload *w, double seconds)
{
    double before = peak_mib(), times[REPEATS];
    struct trainer t;
    trainer_open(&t, w);
    for (int i = 0; i < 4; i++) {
        trainer_step(&t);
    }
    for (int r = 0; r < REPEATS; r++) {
        int64_t n = 0;
        double start = now();
        while (n < 1 || now() - start < seconds / REPEATS) {
            trainer_step(&t);
            n++;
        }
        times[r] = (now() - start) / (double)n;
    }
    trainer_close(&t);
    qsort(times, REPEATS, sizeof(times[0]), ascending);
    double s = times[REPEATS / 2];
    printf("{\"workload\": \"%s\", \"framework\": \"wengert %s\", \"blas\": \"%s\", \"threads\": %d, "
           "\"channels_last\": true, \"ms_per_step\": %.4f, \"items_per_s\": %.1f, \"peak_mib\": %.1f}\n",
           w->name, WENGERT_VERSION, k_gemm_arch(), ag_threads(), s * 1e3, (double)w->batch / s, peak_mib() - before);
    fflush(stdout);
}

static void usage(FILE *stream)
{
    fprintf(stream, "usage: bench_train [--list] [--threads T] [--seconds S] [NAME ...]\n");
}

/* The number in `text`, or a usage error. */
static double number(const char *option, const char *text, double low, double high)
{
    char *end;
    double x = strtod(text, &end);
    if (end == text || *end != '\0' || !(x >= low && x <= high)) {
        fprintf(stderr, "bench_train: %s wants a number from %g to %g, got \"%s\"\n", option, low, high, text);
        exit(2);
    }
    return x;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"list", no_argument, NULL, 'l'},
                                            {"threads", required_argument, NULL, 't'},
                                            {"seconds", required_argument, NULL, 's'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    double seconds = 2;
    int count, option;
    const struct workload *table = workloads(&count);
    ag_set_threads(1);
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 'l':
            for (int i = 0; i < count; i++) {
                printf("%s\n", table[i].name);
            }
            return 0;
        case 't':
            ag_set_threads((int)number("--threads", optarg, 1, 1024));
            break;
        case 's':
            seconds = number("--seconds", optarg, 0, 1e6);
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
        for (int i = 0; i < count; i++) {
            known = known || strcmp(argv[a], table[i].name) == 0;
        }
        if (!known) {
            fprintf(stderr, "bench_train: there is no workload \"%s\"; --list shows them\n", argv[a]);
            return 2;
        }
    }
    for (int i = 0; i < count; i++) {
        bool wanted = optind == argc;
        for (int a = optind; a < argc; a++) {
            wanted = wanted || strcmp(argv[a], table[i].name) == 0;
        }
        if (wanted) {
            measure(&table[i], seconds);
        }
    }
    return ag_exit_status();
}
