/*
 * Pooling in one dimension: that in two, of images of one row.
 */
#include "../samples.h"
#include "common.h"
#include "look.h"
#include "ops.h"

ag_pool1d_config ag_pool1d_defaults(int64_t kernel)
{
    return (ag_pool1d_config){.made_by_defaults = OPS_MADE_BY_DEFAULTS, .kernel = kernel, .count_include_pad = true};
}

/* Whether x is (N,C,L) of a floating type. */
static bool row_ok(ag_place where, const char *function, ag_tensor x)
{
    const ag_value *v = look(where, function, x);
    char text[AG_SHAPE_TEXT];
    if (v == NULL) {
        return false;
    }
    if (!ag_dtype_is_float((ag_dtype)v->dtype)) {
        ag_error_raise(where, AG_ERROR_DTYPE, "%s: needs a floating type, got %s", function, ag_dtype_name((ag_dtype)v->dtype));
    } else if (v->ndim != 3) {
        ag_error_raise(where, AG_ERROR_SHAPE, "%s: input %s must be (N,C,L)", function, look_text(v, text));
    }
    return ag_error_code() == AG_OK;
}

static bool window_ok(ag_place where, const char *function, ag_tensor x, const ag_pool1d_config *c)
{
    char text[AG_SHAPE_TEXT];
    if (!row_ok(where, function, x)) {
        return false;
    }
    const ag_value *v = look(where, function, x);
    if (c->made_by_defaults != OPS_MADE_BY_DEFAULTS) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the config must come from ag_pool1d_defaults()", function);
    } else if (c->kernel < 1 || c->kernel > 1 << 30 || c->stride < 0 || c->stride > 1 << 30 || c->padding < 0 ||
               c->padding > c->kernel / 2) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: kernel %lld and stride %lld must be at least 1, padding %lld from 0 to half the "
                       "kernel", function, (long long)c->kernel, (long long)c->stride, (long long)c->padding);
    } else if (v->size[2] + 2 * c->padding < c->kernel && !c->ceil_mode) {
        ag_error_raise(where, AG_ERROR_SHAPE, "%s: the kernel %lld is longer than the padded input %s", function,
                       (long long)c->kernel, look_text(v, text));
    }
    return ag_error_code() == AG_OK;
}

static ag_tensor pool1d(ag_place where, ag_tensor x, const ag_pool1d_config *c, bool max)
{
    ag_pool2d_config config = ag_pool2d_defaults(1);
    config.kernel[1] = c->kernel;
    config.stride[0] = 1;
    config.stride[1] = c->stride == 0 ? c->kernel : c->stride;
    config.padding[1] = c->padding;
    config.ceil_mode = c->ceil_mode;
    config.count_include_pad = c->count_include_pad;
    ag_frame frame = ag_frame_begin();
    x = ag_unsqueeze_at(where, x, 2);
    x = max ? ag_max_pool2d_at(where, x, config) : ag_avg_pool2d_at(where, x, config);
    return ag_frame_end(frame, ag_squeeze_at(where, x, 2));
}

ag_tensor ag_max_pool1d_at(ag_place where, ag_tensor x, ag_pool1d_config config)
{
    return window_ok(where, "ag_max_pool1d", x, &config) ? pool1d(where, x, &config, true) : AG_NIL;
}

ag_tensor ag_avg_pool1d_at(ag_place where, ag_tensor x, ag_pool1d_config config)
{
    return window_ok(where, "ag_avg_pool1d", x, &config) ? pool1d(where, x, &config, false) : AG_NIL;
}

static bool cells_ok(ag_place where, const char *function, ag_tensor x, int64_t n)
{
    char text[AG_SHAPE_TEXT];
    if (!row_ok(where, function, x)) {
        return false;
    }
    const ag_value *v = look(where, function, x);
    if (n < 0 || n > 1 << 30 || (v->size[2] == 0 && n > 0)) {
        ag_error_raise(where, AG_ERROR_SHAPE, "%s: %lld cells cannot cover %s", function, (long long)n, look_text(v, text));
        return false;
    }
    return true;
}

ag_tensor ag_adaptive_avg_pool1d_at(ag_place where, ag_tensor x, int64_t n)
{
    if (!cells_ok(where, "ag_adaptive_avg_pool1d", x, n)) {
        return AG_NIL;
    }
    ag_frame frame = ag_frame_begin();
    x = ag_adaptive_avg_pool2d_at(where, ag_unsqueeze_at(where, x, 2), 1, n);
    return ag_frame_end(frame, ag_squeeze_at(where, x, 2));
}

ag_tensor ag_adaptive_max_pool1d_at(ag_place where, ag_tensor x, int64_t n, ag_tensor *indices)
{
    ag_tensor out[2];
    if (indices != NULL) {
        *indices = AG_NIL;
    }
    if (!cells_ok(where, "ag_adaptive_max_pool1d", x, n)) {
        return AG_NIL;
    }
    ag_frame frame = ag_frame_begin();
    out[0] = ag_adaptive_max_pool2d_at(where, ag_unsqueeze_at(where, x, 2), 1, n, &out[1]);
    for (int i = 0; i < 2; i++) {
        out[i] = ag_squeeze_at(where, out[i], 2);
    }
    ag_frame_end_n(frame, 2, out);
    if (indices != NULL) {
        *indices = out[1];
    }
    return out[0];
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES_OF_FUNCTION(pool1d)
{
    ag_pool1d_config c = ag_pool1d_defaults(3);
    ag_tensor indices;
    SAMPLE("F.max_pool1d(x, 3)") {
        sample_result(s, ag_max_pool1d(sample_float(s, "x", AG_SHAPE(2, 3, 8)), c));
    }
    SAMPLE("F.max_pool1d(x, 3, stride=2, padding=1, ceil_mode=True)") {
        c.stride = 2;
        c.padding = 1;
        c.ceil_mode = true;
        sample_result(s, ag_max_pool1d(sample_float(s, "x", AG_SHAPE(1, 2, 8)), c));
    }
    SAMPLE("F.avg_pool1d(x, 3, 1, 1)") {
        c.stride = c.padding = 1;
        sample_result(s, ag_avg_pool1d(sample_float(s, "x", AG_SHAPE(2, 2, 5)), c));
    }
    SAMPLE("F.avg_pool1d(x, 3, 2, 1, False, False)") {
        c.stride = 2;
        c.padding = 1;
        c.count_include_pad = false;
        sample_result(s, ag_avg_pool1d(sample_float(s, "x", AG_SHAPE(2, 2, 6)), c));
    }
    SAMPLE("F.adaptive_avg_pool1d(x, 3)") {
        sample_result(s, ag_adaptive_avg_pool1d(sample_float(s, "x", AG_SHAPE(2, 2, 7)), 3));
    }
    SAMPLE("F.adaptive_max_pool1d(x, 3, return_indices=True)") {
        sample_result(s, ag_adaptive_max_pool1d(sample_float(s, "x", AG_SHAPE(2, 2, 7)), 3, &indices));
        sample_result(s, indices);
    }
    REFUSES("ag_max_pool1d: input (2,3) must be (N,C,L)") {
        ag_max_pool1d(sample_float(s, "x", AG_SHAPE(2, 3)), c);
    }
    REFUSES("ag_avg_pool1d: kernel 0 and stride 0 must be at least 1") {
        ag_avg_pool1d(sample_float(s, "x", AG_SHAPE(2, 3, 4)), ag_pool1d_defaults(0));
    }
    REFUSES("ag_max_pool1d: the kernel 3 is longer than the padded input (2,3,2)") {
        ag_max_pool1d(sample_float(s, "x", AG_SHAPE(2, 3, 2)), c);
    }
    REFUSES("ag_max_pool1d: the config must come from ag_pool1d_defaults()") {
        ag_max_pool1d(sample_float(s, "x", AG_SHAPE(2, 3, 2)), (ag_pool1d_config){0});
    }
    REFUSES("ag_avg_pool1d: needs a floating type, got int64") {
        ag_avg_pool1d(sample_int(s, "k", AG_SHAPE(2, 3, 4), 0, 2), c);
    }
    REFUSES("ag_adaptive_avg_pool1d: -1 cells cannot cover (2,3,4)") {
        ag_adaptive_avg_pool1d(sample_float(s, "x", AG_SHAPE(2, 3, 4)), -1);
    }
    REFUSES("ag_adaptive_max_pool1d: 2 cells cannot cover (2,3,0)") {
        ag_adaptive_max_pool1d(sample_float(s, "x", AG_SHAPE(2, 3, 0)), 2, NULL);
    }
}
#endif
