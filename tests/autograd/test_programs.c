/*
 * Random programs, as PyTorch ran them (golden/make_programs.py): operations of all kinds on one another's results, views, changes in
 * place, hooks, checkpoints, gradients up to the third order. Every value and every gradient is compared, and a gradient that PyTorch
 * refuses because a saved value was changed is refused. With a file as argument ("-": standard input), its programs are run instead.
 */
#include <math.h>
#include <stdio.h>

#include "common.h"

#define SLOTS 128
#define WORDS 1024
#define LENGTH 8192 /* of a line */

struct program {
    char line[LENGTH];          /* the one at hand, cut into words */
    char *word[WORDS];
    int words, at;
    long number;
    ag_tensor slot[SLOTS];
    bool leaf[SLOTS];           /* to be dropped */
    bool higher;                /* gradients of gradients are computed */
    int failures;
};

static int refused_by_both, refused_by_one;

static double weight(int64_t k)
{
    return cos(1 + 0.7 * (double)k);
}

static ag_tensor weights_like(ag_tensor t)
{
    int64_t n = ag_numel(t);
    double *w = calloc((size_t)n + 1, sizeof(double));
    for (int64_t k = 0; k < n; k++) {
        w[k] = weight(k);
    }
    ag_tensor result = ag_from(ag_shape_of(t), AG_FLOAT64, w);
    free(w);
    return result;
}

/* ---- words --------------------------------------------------------------------------------------------------------------- */

static bool cut(struct program *p, const char *line)
{
    p->words = p->at = 0;
    snprintf(p->line, sizeof(p->line), "%s", line);
    for (char *word = strtok(p->line, " \n"); word != NULL && p->words < WORDS; word = strtok(NULL, " \n")) {
        p->word[p->words++] = word;
    }
    return p->words > 0;
}

static const char *next(struct program *p)
{
    if (p->at == p->words) {
        fprintf(stderr, "program %ld: a line is too short\n", p->number);
        exit(2);
    }
    return p->word[p->at++];
}

static int64_t next_int(struct program *p)
{
    return strtoll(next(p), NULL, 10);
}

static double next_double(struct program *p)
{
    return strtod(next(p), NULL);
}

static ag_tensor *next_slot(struct program *p)
{
    int64_t k = next_int(p);
    if (k < 0 || k >= SLOTS) {
        fprintf(stderr, "program %ld: there is no value %lld\n", p->number, (long long)k);
        exit(2);
    }
    return &p->slot[k];
}

static ag_shape next_shape(struct program *p)
{
    ag_shape shape = {.ndim = (int)next_int(p)};
    for (int d = 0; d < shape.ndim; d++) {
        shape.size[d] = next_int(p);
    }
    return shape;
}

/* ---- operations ---------------------------------------------------------------------------------------------------------- */

struct arguments {
    ag_tensor x[8];
    int n, ints, doubles;
    int64_t i[16];
    double d[4];
};

static ag_shape shape_from(const struct arguments *a, int first)
{
    ag_shape shape = {.ndim = a->ints - first};
    for (int k = 0; k < shape.ndim; k++) {
        shape.size[k] = a->i[first + k];
    }
    return shape;
}

static ag_dims dims_from(const struct arguments *a, int first)
{
    ag_dims dims = {.count = a->ints - first};
    for (int k = 0; k < dims.count; k++) {
        dims.dim[k] = (int)a->i[first + k];
    }
    return dims;
}

static ag_tensor sine_and_product(const ag_tensor *x, int n, void *user)
{
    (void)n;
    (void)user;
    return ag_add(ag_tanh(ag_mul(x[0], x[1])), x[0]);
}

static ag_tensor framed(const struct arguments *a)
{
    ag_frame frame = ag_frame_begin();
    ag_tensor sine = ag_sin(a->x[0]);
    return ag_frame_end(frame, ag_mul(sine, a->x[1]));
}

static ag_tensor without_graph(const struct arguments *a)
{
    ag_tensor kept = AG_NONE;
    ag_scope inner = {0};
    ag_begin_no_grad(&inner);
    ag_keep(&kept, ag_tanh(a->x[0]));
    ag_end(&inner);
    return kept;
}

static ag_tensor chunk(const struct arguments *a)
{
    ag_tensor parts[8];
    ag_chunk(a->x[0], (int)a->i[0], (int)a->i[1], parts);
    return parts[a->i[2]];
}

static ag_tensor batch_norm(const struct arguments *a)
{
    ag_batch_norm_config config = ag_batch_norm_defaults();
    config.training = true;
    return ag_batch_norm(a->x[0], AG_NONE, AG_NONE, AG_NONE, AG_NONE, config);
}

static ag_tensor image(const char *name, const struct arguments *a)
{
    if (strcmp(name, "conv2d") == 0) {
        ag_conv2d_config c = ag_conv2d_defaults();
        c.stride[0] = c.stride[1] = a->i[0];
        c.padding[0] = c.padding[1] = a->i[1];
        c.dilation[0] = c.dilation[1] = a->i[2];
        return ag_conv2d(a->x[0], a->x[1], AG_NONE, c);
    }
    if (strcmp(name, "conv_transpose2d") == 0) {
        ag_conv_transpose2d_config c = ag_conv_transpose2d_defaults();
        c.stride[0] = c.stride[1] = a->i[0];
        c.padding[0] = c.padding[1] = a->i[1];
        return ag_conv_transpose2d(a->x[0], a->x[1], AG_NONE, c);
    }
    if (strcmp(name, "conv1d") == 0) {
        ag_conv1d_config c = ag_conv1d_defaults();
        c.stride = a->i[0];
        c.padding = a->i[1];
        c.dilation = a->i[2];
        return ag_conv1d(a->x[0], a->x[1], AG_NONE, c);
    }
    if (strcmp(name, "max_pool1d") == 0) {
        ag_pool1d_config c = ag_pool1d_defaults(a->i[0]);
        c.stride = a->i[1];
        return ag_max_pool1d(a->x[0], c);
    }
    if (strcmp(name, "unfold") == 0) {
        ag_unfold_config c = ag_unfold_defaults(a->i[0]);
        c.stride[0] = c.stride[1] = a->i[1];
        return ag_unfold(a->x[0], c);
    }
    ag_pool2d_config c = ag_pool2d_defaults(a->i[0]);
    c.stride[0] = c.stride[1] = a->i[1];
    c.padding[0] = c.padding[1] = a->i[2];
    return strcmp(name, "max_pool2d") == 0 ? ag_max_pool2d(a->x[0], c) : ag_avg_pool2d(a->x[0], c);
}

static ag_tensor apply(const char *name, const struct arguments *a)
{
    static const struct {
        const char *name;
        ag_tensor (*function)(ag_place where, ag_tensor x);
    } unary[] = {{"tanh", ag_tanh_at}, {"sigmoid", ag_sigmoid_at}, {"relu", ag_relu_at}, {"sin", ag_sin_at}, {"cos", ag_cos_at},
                 {"square", ag_square_at}, {"abs", ag_abs_at}, {"neg", ag_neg_at}, {"softplus", ag_softplus_at},
                 {"gelu", ag_gelu_at}, {"silu", ag_silu_at}, {"erf", ag_erf_at}, {"atan", ag_atan_at}, {"exp", ag_exp_at},
                 {"expm1", ag_expm1_at}, {"softsign", ag_softsign_at}, {"mish", ag_mish_at}, {"selu", ag_selu_at},
                 {"hardswish", ag_hardswish_at}, {"logsigmoid", ag_logsigmoid_at}, {"floor", ag_floor_at},
                 {"clone", ag_clone_at}, {"sinh", ag_sinh_at}, {"contiguous", ag_contiguous_at}, {"detach", ag_detach_at},
                 {"sum", ag_sum_at}, {"mean", ag_mean_at}, {"prod", ag_prod_at}, {"max", ag_max_at},
                 {"squeeze_all", ag_squeeze_all_at}, {"log", ag_log_at}, {"sqrt", ag_sqrt_at}, {"rsqrt", ag_rsqrt_at},
                 {"reciprocal", ag_reciprocal_at}, {"log2", ag_log2_at}, {"zero_", ag_zero_in_place_at},
                 {"relu_", ag_relu_in_place_at}, {"tanh_", ag_tanh_in_place_at}, {"sigmoid_", ag_sigmoid_in_place_at},
                 {"exp_", ag_exp_in_place_at}, {"square_", ag_square_in_place_at}, {"neg_", ag_neg_in_place_at}};
    static const struct {
        const char *name;
        ag_tensor (*function)(ag_place where, ag_tensor a, ag_tensor b);
    } binary[] = {{"add", ag_add_at}, {"sub", ag_sub_at}, {"mul", ag_mul_at}, {"div", ag_div_at}, {"pow", ag_pow_at},
                  {"maximum", ag_maximum_at}, {"minimum", ag_minimum_at}, {"mse_loss", ag_mse_loss_at},
                  {"smooth_l1_loss", ag_smooth_l1_loss_at}, {"matmul", ag_matmul_at}, {"outer", ag_outer_at},
                  {"bce_with_logits", ag_bce_with_logits_at}, {"gt", ag_gt_at}, {"masked_select", ag_masked_select_at},
                  {"cross_entropy", ag_cross_entropy_at}, {"add_", ag_add_in_place_at}, {"sub_", ag_sub_in_place_at},
                  {"mul_", ag_mul_in_place_at}, {"div_", ag_div_in_place_at}, {"copy_", ag_copy_in_place_at}};
    static const struct {
        const char *name;
        ag_tensor (*function)(ag_place where, ag_tensor x, ag_dims dims, bool keepdim);
    } reduction[] = {{"sum_dims", ag_sum_dims_at}, {"mean_dims", ag_mean_dims_at}, {"amax", ag_amax_at}, {"amin", ag_amin_at},
                     {"logsumexp", ag_logsumexp_at}};
    static const struct {
        const char *name;
        ag_tensor (*function)(ag_place where, ag_tensor x, int dim);
    } along[] = {{"softmax", ag_softmax_at}, {"log_softmax", ag_log_softmax_at}, {"cumsum", ag_cumsum_at},
                 {"cumprod", ag_cumprod_at}, {"unsqueeze", ag_unsqueeze_at}, {"squeeze", ag_squeeze_at}, {"glu", ag_glu_at}};
    for (size_t k = 0; k < sizeof(unary) / sizeof(unary[0]); k++) {
        if (strcmp(name, unary[k].name) == 0) {
            return unary[k].function(AG_HERE, a->x[0]);
        }
    }
    for (size_t k = 0; k < sizeof(binary) / sizeof(binary[0]); k++) {
        if (strcmp(name, binary[k].name) == 0) {
            return binary[k].function(AG_HERE, a->x[0], a->x[1]);
        }
    }
    for (size_t k = 0; k < sizeof(reduction) / sizeof(reduction[0]); k++) {
        if (strcmp(name, reduction[k].name) == 0) {
            return reduction[k].function(AG_HERE, a->x[0], dims_from(a, 1), a->i[0] != 0);
        }
    }
    for (size_t k = 0; k < sizeof(along) / sizeof(along[0]); k++) {
        if (strcmp(name, along[k].name) == 0) {
            return along[k].function(AG_HERE, a->x[0], (int)a->i[0]);
        }
    }
    ag_tensor x = a->x[0];
    int dim = (int)a->i[0];
#define IS(text) strcmp(name, text) == 0
    return IS("linear") ? ag_linear(x, a->x[1], AG_NONE)
           : IS("einsum_ij_kj") ? ag_einsum("ij,kj->ik", 2, a->x)
           : IS("einsum_i_ij") ? ag_einsum("...i,ij->...j", 2, a->x)
           : IS("checkpoint") ? ag_checkpoint(sine_and_product, NULL, 2, a->x)
           : IS("framed") ? framed(a)
           : IS("no_grad_tanh") ? without_graph(a)
           : IS("var") ? ag_var(x, dims_from(a, 1), 1, a->i[0] != 0)
           : IS("std") ? ag_std(x, dims_from(a, 1), 1, a->i[0] != 0)
           : IS("norm") ? ag_norm(x, 2, dims_from(a, 1), a->i[0] != 0)
           : IS("normalize") ? ag_normalize(x, 2, dim, 1e-12)
           : IS("sort") ? ag_sort(x, dim, false, NULL)
           : IS("add_scalar") ? ag_add_scalar(x, a->d[0])
           : IS("mul_scalar") ? ag_mul_scalar(x, a->d[0])
           : IS("pow_scalar") ? ag_pow_scalar(x, a->d[0])
           : IS("clamp") ? ag_clamp(x, a->d[0], a->d[1])
           : IS("elu") ? ag_elu(x, a->d[0])
           : IS("lerp_scalar") ? ag_lerp_scalar(x, a->x[1], a->d[0])
           : IS("addcmul") ? ag_addcmul(x, a->x[1], a->x[2], a->d[0])
           : IS("where") ? ag_where(x, a->x[1], a->x[2])
           : IS("masked_fill") ? ag_masked_fill(x, a->x[1], a->d[0])
           : IS("reshape") ? ag_reshape(x, shape_from(a, 0))
           : IS("view") ? ag_view(x, shape_from(a, 0))
           : IS("flatten") ? ag_flatten(x, dim, (int)a->i[1])
           : IS("unflatten") ? ag_unflatten(x, dim, shape_from(a, 1))
           : IS("permute") ? ag_permute(x, dims_from(a, 0))
           : IS("transpose") ? ag_transpose(x, dim, (int)a->i[1])
           : IS("expand") ? ag_expand(x, shape_from(a, 0))
           : IS("slice") ? ag_slice(x, dim, a->i[1], a->i[2], a->i[3])
           : IS("narrow") ? ag_narrow(x, dim, a->i[1], a->i[2])
           : IS("select") ? ag_select(x, dim, a->i[1])
           : IS("diagonal") ? ag_diagonal(x, a->i[0], (int)a->i[1], (int)a->i[2])
           : IS("chunk") ? chunk(a)
           : IS("cat") ? ag_cat(a->n, a->x, dim)
           : IS("stack") ? ag_stack(a->n, a->x, dim)
           : IS("flip") ? ag_flip(x, dims_from(a, 0))
           : IS("roll") ? ag_roll(x, a->i[0], (int)a->i[1])
           : IS("repeat") ? ag_repeat(x, shape_from(a, 0))
           : IS("repeat_interleave") ? ag_repeat_interleave(x, a->i[0], (int)a->i[1])
           : IS("tril") ? ag_tril(x, a->i[0])
           : IS("triu") ? ag_triu(x, a->i[0])
           : IS("pad") ? ag_pad(x, a->ints - 1, a->i + 1, (ag_pad_mode)a->i[0], a->d[0])
           : IS("index_select") ? ag_index_select(x, dim, a->x[1])
           : IS("gather") ? ag_gather(x, dim, a->x[1])
           : IS("scatter") ? ag_scatter(x, dim, a->x[1], a->x[2])
           : IS("scatter_add") ? ag_scatter_add(x, dim, a->x[1], a->x[2])
           : IS("index_add") ? ag_index_add(x, dim, a->x[1], a->x[2])
           : IS("embedding") ? ag_embedding(a->x[1], x)
           : IS("layer_norm") ? ag_layer_norm(x, AG_SHAPE(ag_size(x, -1)), AG_NONE, AG_NONE, 1e-5)
           : IS("group_norm") ? ag_group_norm(x, a->i[0], AG_NONE, AG_NONE, 1e-5)
           : IS("batch_norm") ? batch_norm(a)
           : IS("adaptive_avg_pool2d") ? ag_adaptive_avg_pool2d(x, a->i[0], a->i[1])
           : IS("pixel_shuffle") ? ag_pixel_shuffle(x, a->i[0])
           : IS("add_scalar_") ? ag_add_scalar_(x, a->d[0])
           : IS("mul_scalar_") ? ag_mul_scalar_(x, a->d[0])
           : IS("clamp_") ? ag_clamp_(x, a->d[0], a->d[1])
           : IS("fill_") ? ag_fill_(x, a->d[0])
           : IS("masked_fill_") ? ag_masked_fill_(x, a->x[1], a->d[0])
                                : image(name, a);
#undef IS
}

static void operation(struct program *p)
{
    struct arguments a = {.n = 0};
    const char *name = next(p);
    int64_t k = next_int(p);
    a.n = (int)next_int(p);
    for (int j = 0; j < a.n; j++) {
        a.x[j] = *next_slot(p);
    }
    a.ints = (int)next_int(p);
    for (int j = 0; j < a.ints; j++) {
        a.i[j] = next_int(p);
    }
    a.doubles = (int)next_int(p);
    for (int j = 0; j < a.doubles; j++) {
        a.d[j] = next_double(p);
    }
    p->slot[k] = apply(name, &a);
    p->leaf[k] = strcmp(name, "no_grad_tanh") == 0;
}

/* ---- a program ------------------------------------------------------------------------------------------------------------ */

static void wrong(struct program *p, const char *what, int64_t k, double got, double expected)
{
    p->failures++;
    printf("program %ld: %s %lld: %.17g, PyTorch has %.17g\n", p->number, what, (long long)k, got, expected);
}

/* Compares sum x[k] cos(1 + 0.7 k) with the line's numbers. */
static void compare(struct program *p, const char *what, int64_t k, ag_tensor t, double tolerance)
{
    double expected = next_double(p), scale = next_double(p), sum = 0;
    int64_t n = ag_numel(t);
    double *x = calloc((size_t)n + 1, sizeof(double));
    ag_read_doubles(t, x, n);
    for (int64_t j = 0; j < n; j++) {
        sum += x[j] * weight(j);
    }
    free(x);
    if (!(fabs(sum - expected) <= tolerance * (scale + 1e-3))) {
        wrong(p, what, k, sum, expected);
    }
}

static ag_tensor scaled(ag_tensor grad, void *user)
{
    return ag_mul_scalar(grad, *(const double *)user);
}

static ag_tensor sum_of(int n, const ag_tensor *x, bool squares)
{
    ag_tensor total = ag_scalar(0, AG_FLOAT64);
    for (int i = 0; i < n; i++) {
        if (!ag_is_none(x[i])) {
            total = ag_add(total, ag_sum(ag_mul(squares ? ag_mul(x[i], x[i]) : x[i], weights_like(x[i]))));
        }
    }
    return total;
}

/* Differentiates in the way that the line asks for; grads of the inputs. */
static void differentiate(struct program *p, int *count, int64_t *ids, ag_tensor *grads)
{
    const char *mode = next(p);
    ag_tensor outputs[SLOTS], inputs[SLOTS];
    int n = (int)next_int(p);
    for (int i = 0; i < n; i++) {
        outputs[i] = *next_slot(p);
    }
    *count = (int)next_int(p);
    for (int i = 0; i < *count; i++) {
        ids[i] = next_int(p);
        inputs[i] = p->slot[ids[i]];
    }
    ag_backward_config config = ag_backward_defaults();
    ag_tensor total = sum_of(n, outputs, false);
    config.allow_unused = true;
    if (strcmp(mode, "grad") == 0) {
        ag_grad(total, *count, inputs, grads, config);
        return;
    }
    if (strcmp(mode, "cotangent") == 0) {
        config.cotangent = weights_like(outputs[0]);
        ag_backward_with(outputs[0], config);
    } else if (strcmp(mode, "twice") == 0) {
        config.retain_graph = true;
        ag_backward_with(total, config);
        ag_backward(total);
    } else {
        config.create_graph = true;
        for (int order = strcmp(mode, "double") == 0 ? 1 : strcmp(mode, "triple") == 0 ? 2 : 0; order > 0; order--) {
            if (ag_grad(total, *count, inputs, grads, config) != AG_OK) {
                return;
            }
            total = sum_of(*count, grads, true);
            p->higher = true;
        }
        if (p->higher && !ag_requires_grad(total)) { /* the gradient is linear: what comes next is zero */
            for (int i = 0; i < *count; i++) {
                grads[i] = AG_NONE;
            }
            return;
        }
        ag_backward(total);
    }
    for (int i = 0; i < *count && ag_error_code() == AG_OK; i++) {
        grads[i] = ag_grad_of(inputs[i]);
    }
}

static void leaf(struct program *p)
{
    double x[512];
    int64_t k = next_int(p);
    bool grad = next_int(p) != 0;
    ag_shape shape = next_shape(p);
    for (int64_t j = 0; j < ag_shape_numel(shape); j++) {
        x[j] = next_double(p);
    }
    if (grad) {
        p->slot[k] = ag_leaf(shape, AG_FLOAT64, true);
        p->leaf[k] = true;
        ag_write(p->slot[k], x, ag_shape_numel(shape));
    } else {
        p->slot[k] = ag_from(shape, AG_FLOAT64, x);
    }
}

static void whole(struct program *p)
{
    int64_t x[512], k = next_int(p);
    ag_shape shape = next_shape(p);
    for (int64_t j = 0; j < ag_shape_numel(shape); j++) {
        x[j] = next_int(p);
    }
    p->slot[k] = ag_from(shape, AG_INT64, x);
}

/* Compares one gradient; of higher orders, one that is zero may be missing, and of those by differences. */
static void gradient(struct program *p, int count, const int64_t *ids, const ag_tensor *grads, bool about)
{
    int64_t k = next_int(p);
    int j = 0;
    while (j < count && ids[j] != k) {
        j++;
    }
    ag_tensor g = j < count ? grads[j] : ag_grad_of(p->slot[k]);
    bool none = strcmp(p->word[p->at], "none") == 0, zero = !none && strtod(p->word[p->at + 1], NULL) == 0;
    if (none ? !ag_is_none(g) : ag_is_none(g) && !(zero && (p->higher || about))) {
        p->failures++;
        printf("program %ld: gradient %lld: there is %s\n", p->number, (long long)k, none ? "one" : "none");
    } else if (!ag_is_none(g)) {
        compare(p, "gradient", k, g, about ? 1e-5 : 1e-9);
    }
}

/* Runs the lines of one program; watched: in anomaly mode and with the tape retained, which change nothing. */
static int run(long number, int lines, char **line, bool watched)
{
    static double factors[64];
    static struct program p;
    memset(&p, 0, sizeof(p));
    p.number = number;
    ag_scope scope = {0};
    ag_tensor grads[SLOTS];
    int64_t ids[SLOTS];
    int count = 0, hooks = 0;
    bool stopped = false;
    ag_begin(&scope);
    ag_detect_anomaly(watched);
    ag_retain_tape(watched);
    for (int i = 0; i < lines && !stopped; i++) {
        if (!cut(&p, line[i])) {
            continue;
        }
        const char *kind = next(&p);
        if (strcmp(kind, "leaf") == 0) {
            leaf(&p);
        } else if (strcmp(kind, "int") == 0) {
            whole(&p);
        } else if (strcmp(kind, "op") == 0) {
            operation(&p);
        } else if (strcmp(kind, "hook") == 0) {
            ag_tensor t = *next_slot(&p);
            factors[hooks] = next_double(&p);
            ag_register_hook(t, scaled, &factors[hooks++]);
        } else if (strcmp(kind, "retain") == 0) {
            ag_retain_grad(*next_slot(&p));
        } else if (strcmp(kind, "release") == 0) {
            ag_release(*next_slot(&p));
        } else if (strcmp(kind, "value") == 0) {
            int64_t k = next_int(&p);
            compare(&p, "value", k, p.slot[k], 1e-9);
        } else if (strcmp(kind, "gradient") == 0 || strcmp(kind, "about") == 0) {
            gradient(&p, count, ids, grads, strcmp(kind, "about") == 0);
        } else if (strcmp(kind, "refused") == 0) {
            stopped = ag_error_code() != AG_OK;
            *(stopped ? &refused_by_both : &refused_by_one) += 1;
            ag_error_clear();
            continue;
        } else if (strcmp(kind, "end") != 0) {
            p.at = 0;
            differentiate(&p, &count, ids, grads);
            stopped = ag_error_code() != AG_OK && i + 1 < lines && strncmp(line[i + 1], "refused", 7) != 0;
            continue;
        }
        stopped = ag_error_code() != AG_OK;
    }
    if (ag_error_code() != AG_OK) {
        p.failures++;
        printf("program %ld: %s\n", number, ag_error_message());
        ag_error_clear();
    }
    ag_end(&scope);
    for (int k = 0; k < SLOTS; k++) {
        if (p.leaf[k]) {
            ag_drop(&p.slot[k]);
        }
    }
    if (ag_memory().live_buffers != 0) {
        p.failures++;
        printf("program %ld: %lld buffers leaked\n", number, (long long)ag_memory().live_buffers);
    }
    return p.failures;
}

/* Runs all programs of a file; returns how many fail. */
static int run_file(FILE *f, int *programs)
{
    enum { LINES = 256 };
    static char text[LINES][LENGTH];
    char *line[LINES];
    int n = 0, failures = 0;
    long number = 0;
    *programs = 0;
    while (fgets(text[n], LENGTH, f) != NULL) {
        if (sscanf(text[n], "program %ld", &number) == 1) {
            n = 0;
            continue;
        }
        line[n] = text[n];
        if (strcmp(text[n], "end\n") == 0) {
            failures += run(number, n, line, false) + run(number, n, line, true) > 0;
            ++*programs;
            n = 0;
        } else if (text[n][0] != '#') {
            n += n < LINES - 1;
        }
    }
    return failures;
}

START_TEST(programs_compute_what_pytorch_computes)
{
    FILE *f = fopen(TESTS_GOLDEN "/programs.txt", "r");
    ck_assert_msg(f != NULL, "cannot read %s/programs.txt", TESTS_GOLDEN);
    int programs, failures = run_file(f, &programs);
    fclose(f);
    ck_assert_int_gt(programs, 100);
    ck_assert_msg(failures == 0, "%d of %d programs differ from PyTorch's", failures, programs);
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, programs_compute_what_pytorch_computes);
}

int main(int argc, char **argv)
{
    if (argc == 1) {
        return run_tests("programs", add, 120);
    }
    FILE *f = strcmp(argv[1], "-") == 0 ? stdin : fopen(argv[1], "r");
    if (f == NULL) {
        perror(argv[1]);
        return 2;
    }
    catch_errors();
    int programs, failures = run_file(f, &programs);
    fclose(f);
    printf("%d programs, %d differ; %d refused by both, %d by PyTorch alone\n", programs, failures, refused_by_both / 2,
           refused_by_one / 2);
    return failures > 0;
}
