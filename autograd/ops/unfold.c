/*
 * Patches of an image as columns, and columns added up to an image: each is the other's derivative.
 */
#include <string.h>

#include "../samples.h"
#include "common.h"
#include "look.h"
#include "ops.h"

struct unfold_params {
    ag_unfold_config config;
    int64_t image[2]; /* of fold: the result's rows and columns */
};

ag_unfold_config ag_unfold_defaults(int64_t kernel)
{
    return (ag_unfold_config){.made_by_defaults = OPS_MADE_BY_DEFAULTS, .kernel = {kernel, kernel}, .dilation = {1, 1},
                              .stride = {1, 1}};
}

/* Rows and columns of patches in an image; false after raising. */
static bool patches(ag_call *call, const ag_unfold_config *c, int64_t h, int64_t w, int64_t *count)
{
    const int64_t image[2] = {h, w};
    const int64_t most = 1 << 30;
    if (c->made_by_defaults != OPS_MADE_BY_DEFAULTS) {
        return ag_call_fail(call, AG_ERROR_VALUE, "the config must come from ag_unfold_defaults()");
    }
    for (int d = 0; d < 2; d++) {
        if (c->kernel[d] < 1 || c->dilation[d] < 1 || c->stride[d] < 1 || c->padding[d] < 0 || c->kernel[d] > most ||
            c->dilation[d] > most || c->stride[d] > most || c->padding[d] > most || image[d] < 0 || image[d] > most) {
            return ag_call_fail(call, AG_ERROR_VALUE, "kernel %lld, dilation %lld and stride %lld must be at least 1, padding %lld not "
                                "negative", (long long)c->kernel[d], (long long)c->dilation[d], (long long)c->stride[d],
                                (long long)c->padding[d]);
        }
        int64_t room = image[d] + 2 * c->padding[d] - c->dilation[d] * (c->kernel[d] - 1) - 1;
        if (room < 0) {
            return ag_call_fail(call, AG_ERROR_SHAPE, "the kernel is larger than the padded image of %lld x %lld", (long long)h,
                                (long long)w);
        }
        count[d] = room / c->stride[d] + 1;
    }
    return true;
}

/* Copies the patches of one image, both row-major, or adds them back. Row by row of a patch's element, over all patches. */
#define WALK(T, suffix)                                                                                             \
    static void walk_##suffix(const ag_unfold_config *c, int64_t channels, int64_t h, int64_t w, const int64_t *count, \
                              T *image, T *columns, bool fold)                                                      \
    {                                                                                                               \
        for (int64_t row = 0; row < channels * c->kernel[0] * c->kernel[1]; row++) {                                \
            int64_t k = row / c->kernel[1] % c->kernel[0], l = row % c->kernel[1];                                  \
            T *plane = image + row / (c->kernel[0] * c->kernel[1]) * h * w;                                         \
            for (int64_t i = 0; i < count[0]; i++) {                                                                \
                int64_t y = i * c->stride[0] + k * c->dilation[0] - c->padding[0];                                  \
                T *column = columns + (row * count[0] + i) * count[1];                                              \
                if (y < 0 || y >= h) {                                                                              \
                    memset(column, 0, fold ? 0 : (size_t)count[1] * sizeof(T));                                     \
                    continue;                                                                                       \
                }                                                                                                   \
                for (int64_t j = 0; j < count[1]; j++) {                                                            \
                    int64_t x = j * c->stride[1] + l * c->dilation[1] - c->padding[1];                              \
                    bool inside = x >= 0 && x < w;                                                                  \
                    if (!fold) {                                                                                    \
                        column[j] = inside ? plane[y * w + x] : 0;                                                  \
                    } else if (inside) {                                                                            \
                        plane[y * w + x] += column[j];                                                              \
                    }                                                                                               \
                }                                                                                                   \
            }                                                                                                       \
        }                                                                                                           \
    }
WALK(float, f32)
WALK(double, f64)

static void walk(ag_dtype dtype, const ag_unfold_config *c, int64_t n, int64_t channels, int64_t h, int64_t w, const int64_t *count,
                 const void *image, const void *columns, bool fold)
{
    int64_t per_image = channels * h * w, per_columns = channels * c->kernel[0] * c->kernel[1] * count[0] * count[1];
    for (int64_t i = 0; i < n; i++) {
        if (dtype == AG_FLOAT32) {
            walk_f32(c, channels, h, w, count, (float *)(uintptr_t)image + i * per_image,
                     (float *)(uintptr_t)columns + i * per_columns, fold);
        } else {
            walk_f64(c, channels, h, w, count, (double *)(uintptr_t)image + i * per_image,
                     (double *)(uintptr_t)columns + i * per_columns, fold);
        }
    }
}

/* ---- unfold ------------------------------------------------------------------------------------------------------------------------
 * y[n, (c,k,l), (i,j)] = x[n, c, i stride + k dilation - padding, …], 0 outside
 * dx = fold(dy) */

static bool unfold_shape(ag_call *call)
{
    const struct unfold_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0);
    int64_t count[2];
    if (!ops_need_float(call, x)) {
        return false;
    }
    if (x->ndim != 4) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "input %s must be (N,C,H,W)", ag_call_shape_text(call, 0));
    }
    return patches(call, &p->config, x->size[2], x->size[3], count) &&
           ag_call_output(call, 0, x->dtype, AG_SHAPE(x->size[0], x->size[1] * p->config.kernel[0] * p->config.kernel[1],
                                                      count[0] * count[1]));
}

static bool unfold_forward(ag_call *call)
{
    const struct unfold_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0), *y = ag_call_result(call, 0);
    const void *image = ops_row_major(call, x);
    int64_t count[2];
    if (image == NULL || !patches(call, &p->config, x->size[2], x->size[3], count)) {
        return false;
    }
    if (y->numel > 0) {
        walk(x->dtype, &p->config, x->size[0], x->size[1], x->size[2], x->size[3], count, image, y->data, false);
    }
    return true;
}

static void unfold_backward(ag_sweep *s)
{
    const struct unfold_params *p = ag_sweep_params(s);
    ag_shape x = ag_sweep_shape(s, 0);
    ag_sweep_add(s, 0, ag_fold(ag_sweep_grad(s, 0), x.size[2], x.size[3], p->config));
}

AG_OP(unfold){.size = sizeof(struct ag_op), .name = "unfold", .formula = "y = the patches of x as columns", .derivative = "dx = fold(dy)",
              .inputs = 1, .outputs = 1, .params = sizeof(struct unfold_params), .orders = AG_ORDERS_ANY, .shape = unfold_shape,
              .forward = unfold_forward, .backward = unfold_backward};

ag_tensor ag_unfold_at(ag_place where, ag_tensor x, ag_unfold_config config)
{
    struct unfold_params p = {.config = config};
    return ag_apply(where, &op_unfold, 1, &x, &p, NULL);
}

/* ---- fold --------------------------------------------------------------------------------------------------------------------------
 * y = columns added up where their patches lie
 * dx = unfold(dy) */

static bool fold_shape(ag_call *call)
{
    const struct unfold_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0);
    int64_t count[2];
    if (!ops_need_float(call, x) || !patches(call, &p->config, p->image[0], p->image[1], count)) {
        return false;
    }
    int64_t area = p->config.kernel[0] * p->config.kernel[1];
    if (x->ndim != 3 || x->size[1] % area != 0 || x->size[2] != count[0] * count[1]) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "input %s must be (N, C %lld, %lld)", ag_call_shape_text(call, 0), (long long)area,
                            (long long)(count[0] * count[1]));
    }
    return ag_call_output(call, 0, x->dtype, AG_SHAPE(x->size[0], x->size[1] / area, p->image[0], p->image[1]));
}

static bool fold_forward(ag_call *call)
{
    const struct unfold_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0), *y = ag_call_result(call, 0);
    const void *columns = ops_row_major(call, x);
    int64_t count[2];
    if (columns == NULL || !patches(call, &p->config, p->image[0], p->image[1], count)) {
        return false;
    }
    memset(y->data, 0, (size_t)y->numel * ag_dtype_size(y->dtype));
    if (y->numel > 0) {
        walk(x->dtype, &p->config, y->size[0], y->size[1], y->size[2], y->size[3], count, y->data, columns, true);
    }
    return true;
}

static void fold_backward(ag_sweep *s)
{
    const struct unfold_params *p = ag_sweep_params(s);
    ag_sweep_add(s, 0, ag_unfold(ag_sweep_grad(s, 0), p->config));
}

AG_OP(fold){.size = sizeof(struct ag_op), .name = "fold", .formula = "y = columns added up where their patches lie",
            .derivative = "dx = unfold(dy)", .inputs = 1, .outputs = 1, .params = sizeof(struct unfold_params),
            .orders = AG_ORDERS_ANY, .shape = fold_shape, .forward = fold_forward, .backward = fold_backward};

ag_tensor ag_fold_at(ag_place where, ag_tensor x, int64_t h, int64_t w, ag_unfold_config config)
{
    struct unfold_params p = {config, {h, w}};
    return ag_apply(where, &op_fold, 1, &x, &p, NULL);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(unfold)
{
    ag_unfold_config c = ag_unfold_defaults(2);
    SAMPLE("F.unfold(x, 2)") {
        sample_result(s, ag_unfold(sample_float(s, "x", AG_SHAPE(2, 2, 3, 4)), c));
    }
    SAMPLE("F.unfold(x, (2, 3), dilation=(2, 1), padding=(1, 2), stride=(2, 1))") {
        c.kernel[1] = 3;
        c.dilation[0] = c.stride[0] = c.padding[1] = 2;
        c.padding[0] = 1;
        sample_result(s, ag_unfold(sample_float(s, "x", AG_SHAPE(1, 2, 5, 4)), c));
    }
    REFUSES("ag_unfold: input (3,4,5) must be (N,C,H,W)") {
        ag_unfold(sample_float(s, "x", AG_SHAPE(3, 4, 5)), c);
    }
    REFUSES("ag_unfold: the kernel is larger than the padded image of 1 x 5") {
        ag_unfold(sample_float(s, "x", AG_SHAPE(1, 1, 1, 5)), c);
    }
    REFUSES("ag_unfold: kernel 2, dilation 1 and stride 0 must be at least 1") {
        c.stride[1] = 0;
        ag_unfold(sample_float(s, "x", AG_SHAPE(1, 1, 3, 5)), c);
    }
    REFUSES("ag_unfold: the config must come from ag_unfold_defaults()") {
        ag_unfold(sample_float(s, "x", AG_SHAPE(1, 1, 3, 5)), (ag_unfold_config){0});
    }
}
AG_SAMPLES(fold)
{
    ag_unfold_config c = ag_unfold_defaults(2);
    SAMPLE("F.fold(x, (3, 4), 2)") {
        sample_result(s, ag_fold(sample_float(s, "x", AG_SHAPE(2, 8, 6)), 3, 4, c));
    }
    SAMPLE("F.fold(x, (4, 3), 2, padding=1, stride=2)") {
        c.stride[0] = c.stride[1] = 2;
        c.padding[0] = c.padding[1] = 1;
        sample_result(s, ag_fold(sample_float(s, "x", AG_SHAPE(1, 4, 6)), 4, 3, c));
    }
    REFUSES("ag_fold: input (2,8,5) must be (N, C 4, 6)") {
        ag_fold(sample_float(s, "x", AG_SHAPE(2, 8, 5)), 3, 4, c);
    }
}
#endif
