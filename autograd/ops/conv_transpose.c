/*
 * Transposed convolution: the operation that sends a convolution's gradient back to its input (conv2d_input), applied forward.
 * So its derivatives are a convolution and a weight's gradient, of any order.
 */
#include "../samples.h"
#include "common.h"
#include "conv_parts.h"
#include "look.h"
#include "ops.h"

ag_conv_transpose2d_config ag_conv_transpose2d_defaults(void)
{
    return (ag_conv_transpose2d_config){.made_by_defaults = OPS_MADE_BY_DEFAULTS, .stride = {1, 1}, .dilation = {1, 1}, .groups = 1};
}

ag_conv_transpose1d_config ag_conv_transpose1d_defaults(void)
{
    return (ag_conv_transpose1d_config){.made_by_defaults = OPS_MADE_BY_DEFAULTS, .stride = 1, .dilation = 1, .groups = 1};
}

#define LARGEST ((int64_t)1 << 30)

/* Checks everything in the function's name; x and weight have `dims` dimensions besides the first two. Dimension d of them is d of
 * the config, from `first` on. */
static bool transpose_ok(ag_place where, const char *function, ag_tensor x, ag_tensor weight, ag_tensor bias,
                         const ag_conv_transpose2d_config *c, int dims)
{
    const ag_value *v = look(where, function, x), *w = look(where, function, weight);
    const ag_value *b = ag_is_none(bias) ? NULL : look(where, function, bias);
    char tx[AG_SHAPE_TEXT], tw[AG_SHAPE_TEXT];
    if (v == NULL || w == NULL || ag_error_code() != AG_OK) {
        return false;
    }
    look_text(v, tx);
    look_text(w, tw);
    if (c->made_by_defaults != OPS_MADE_BY_DEFAULTS) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the config must come from %s_defaults()", function, function);
    } else if (!ag_dtype_is_float((ag_dtype)v->dtype) || w->dtype != v->dtype || (b != NULL && b->dtype != v->dtype)) {
        ag_error_raise(where, AG_ERROR_DTYPE, "%s: needs one floating type throughout, got %s and %s", function,
                       ag_dtype_name((ag_dtype)v->dtype), ag_dtype_name((ag_dtype)w->dtype));
    } else if (v->ndim != dims + 2) {
        ag_error_raise(where, AG_ERROR_SHAPE, "%s: input %s must be %s", function, tx, dims == 2 ? "(N,C,H,W)" : "(N,C,L)");
    } else if (w->ndim != dims + 2 || w->numel == 0) {
        ag_error_raise(where, AG_ERROR_SHAPE, "%s: weight %s must be %s, none of them 0", function, tw,
                       dims == 2 ? "(C,O/groups,KH,KW)" : "(C,O/groups,K)");
    } else if (c->groups < 1 || v->size[1] != w->size[0] || w->size[0] % c->groups != 0) {
        ag_error_raise(where, AG_ERROR_SHAPE, "%s: input %s and weight %s do not fit %lld groups", function, tx, tw,
                       (long long)c->groups);
    } else if (b != NULL && (b->ndim != 1 || b->size[0] != w->size[1] * c->groups)) {
        ag_error_raise(where, AG_ERROR_SHAPE, "%s: weight %s and %lld groups need a bias of (%lld)", function, tw,
                       (long long)c->groups, (long long)(w->size[1] * c->groups));
    }
    for (int k = 0; k < dims && ag_error_code() == AG_OK; k++) {
        int d = k + 2 - dims;
        int64_t s = c->stride[d], l = c->dilation[d], p = c->padding[d], o = c->output_padding[d], n = v->size[k + 2];
        if (s < 1 || s > LARGEST || l < 1 || l > LARGEST || p < 0 || p > LARGEST || o < 0 || n > LARGEST) {
            ag_error_raise(where, AG_ERROR_VALUE, "%s: stride %lld and dilation %lld must be at least 1, padding %lld and "
                           "output_padding %lld not negative", function, (long long)s, (long long)l, (long long)p, (long long)o);
        } else if (o >= s && o >= l) {
            ag_error_raise(where, AG_ERROR_VALUE, "%s: output_padding %lld must be less than stride %lld or dilation %lld", function,
                           (long long)o, (long long)s, (long long)l);
        } else if (n == 0 || (n - 1) * s - 2 * p + l * (w->size[k + 2] - 1) + o + 1 < 1) {
            ag_error_raise(where, AG_ERROR_SHAPE, "%s: input %s and weight %s: the result would have no elements", function, tx, tw);
        }
    }
    return ag_error_code() == AG_OK;
}

/* x, weight and config are right. */
static ag_tensor transposed(ag_place where, ag_tensor x, ag_tensor weight, ag_tensor bias, const ag_conv_transpose2d_config *c)
{
    ag_shape sx = ag_shape_of_at(where, x), sw = ag_shape_of_at(where, weight);
    ag_conv2d_config config = ag_conv2d_defaults();
    int64_t size[2], rest[2];
    config.groups = c->groups;
    for (int d = 0; d < 2; d++) {
        config.stride[d] = c->stride[d];
        config.padding[d] = c->padding[d];
        config.dilation[d] = c->dilation[d];
        /* A convolution of an image longer by a stride would have another result: what is added behind that is padding alone. */
        int64_t within = c->output_padding[d] < c->stride[d] ? c->output_padding[d] : c->stride[d] - 1;
        rest[d] = c->output_padding[d] - within;
        size[d] = (sx.size[d + 2] - 1) * c->stride[d] - 2 * c->padding[d] + c->dilation[d] * (sw.size[d + 2] - 1) + within + 1;
    }
    ag_tensor y = ops_conv2d_input(where, x, weight, config, size[0], size[1]);
    if (rest[0] > 0 || rest[1] > 0) {
        y = ag_pad_at(where, y, 4, (const int64_t[]){0, rest[1], 0, rest[0]}, AG_PAD_CONSTANT, 0);
    }
    if (!ag_is_none(bias)) {
        y = ag_add_at(where, y, ag_reshape_at(where, bias, AG_SHAPE(-1, 1, 1)));
    }
    return y;
}

ag_tensor ag_conv_transpose2d_at(ag_place where, ag_tensor x, ag_tensor weight, ag_tensor bias, ag_conv_transpose2d_config config)
{
    if (!transpose_ok(where, "ag_conv_transpose2d", x, weight, bias, &config, 2)) {
        return AG_NIL;
    }
    ag_frame frame = ag_frame_begin();
    return ag_frame_end(frame, transposed(where, x, weight, bias, &config));
}

ag_tensor ag_conv_transpose1d_at(ag_place where, ag_tensor x, ag_tensor weight, ag_tensor bias, ag_conv_transpose1d_config config)
{
    ag_conv_transpose2d_config c = {config.made_by_defaults, {1, config.stride}, {0, config.padding}, {0, config.output_padding},
                                    {1, config.dilation}, config.groups};
    if (!transpose_ok(where, "ag_conv_transpose1d", x, weight, bias, &c, 1)) {
        return AG_NIL;
    }
    ag_frame frame = ag_frame_begin();
    ag_tensor y = transposed(where, ag_unsqueeze_at(where, x, 2), ag_unsqueeze_at(where, weight, 2), bias, &c);
    return ag_frame_end(frame, ag_squeeze_at(where, y, 2));
}

#ifdef WENGERT_SAMPLES
static void transpose_sample(ag_samples *s, ag_shape x, ag_shape w, bool bias, ag_conv_transpose2d_config c)
{
    ag_tensor b = bias ? sample_float(s, "b", AG_SHAPE(w.size[1] * c.groups)) : AG_NONE;
    sample_result(s, ag_conv_transpose2d(sample_float(s, "x", x), sample_float(s, "w", w), b, c));
}

AG_SAMPLES_OF_FUNCTION(conv_transpose2d)
{
    ag_conv_transpose2d_config c = ag_conv_transpose2d_defaults();
    SAMPLE("F.conv_transpose2d(x, w, b)") {
        transpose_sample(s, AG_SHAPE(2, 3, 3, 4), AG_SHAPE(3, 2, 2, 3), true, c);
    }
    SAMPLE("F.conv_transpose2d(x, w, b, stride=2, padding=1)") {
        c.stride[0] = c.stride[1] = 2;
        c.padding[0] = c.padding[1] = 1;
        transpose_sample(s, AG_SHAPE(1, 2, 3, 3), AG_SHAPE(2, 2, 4, 4), true, c);
    }
    SAMPLE("F.conv_transpose2d(x, w, stride=(3, 2), output_padding=(2, 1), padding=(1, 0))") {
        c.stride[0] = 3;
        c.stride[1] = 2;
        c.output_padding[0] = 2;
        c.output_padding[1] = 1;
        c.padding[0] = 1;
        transpose_sample(s, AG_SHAPE(1, 2, 2, 3), AG_SHAPE(2, 1, 3, 2), false, c);
    }
    SAMPLE("F.conv_transpose2d(x, w, b, dilation=3, output_padding=2, stride=2)") {
        c.dilation[0] = c.dilation[1] = 3;
        c.output_padding[0] = c.output_padding[1] = 2;
        c.stride[0] = c.stride[1] = 2;
        transpose_sample(s, AG_SHAPE(1, 1, 2, 2), AG_SHAPE(1, 2, 2, 2), true, c);
    }
    SAMPLE("F.conv_transpose2d(x, w, b, groups=2, stride=2)") {
        c.groups = 2;
        c.stride[0] = c.stride[1] = 2;
        transpose_sample(s, AG_SHAPE(2, 4, 2, 2), AG_SHAPE(4, 3, 2, 2), true, c);
    }
    SAMPLE("F.conv_transpose2d(x, w, b, groups=3)  # depthwise") {
        c.groups = 3;
        transpose_sample(s, AG_SHAPE(1, 3, 2, 3), AG_SHAPE(3, 1, 3, 3), true, c);
    }
    SAMPLE("F.conv_transpose2d(x, w, b)  # no images") {
        transpose_sample(s, AG_SHAPE(0, 2, 2, 2), AG_SHAPE(2, 2, 2, 2), true, c);
    }
    REFUSES("ag_conv_transpose2d: output_padding 2 must be less than stride 2 or dilation 1") {
        c.stride[0] = c.output_padding[0] = 2;
        transpose_sample(s, AG_SHAPE(1, 2, 3, 3), AG_SHAPE(2, 2, 2, 2), true, c);
    }
    REFUSES("ag_conv_transpose2d: input (1,2,3,3) and weight (3,2,2,2) do not fit 1 groups") {
        transpose_sample(s, AG_SHAPE(1, 2, 3, 3), AG_SHAPE(3, 2, 2, 2), true, c);
    }
    REFUSES("ag_conv_transpose2d: input (2,3,3) must be (N,C,H,W)") {
        transpose_sample(s, AG_SHAPE(2, 3, 3), AG_SHAPE(3, 2, 2, 2), true, c);
    }
    REFUSES("ag_conv_transpose2d: weight (2,2,2) must be (C,O/groups,KH,KW), none of them 0") {
        transpose_sample(s, AG_SHAPE(1, 2, 3, 3), AG_SHAPE(2, 2, 2), true, c);
    }
    REFUSES("ag_conv_transpose2d: input (1,2,1,1) and weight (2,2,2,2): the result would have no elements") {
        c.padding[0] = 1;
        transpose_sample(s, AG_SHAPE(1, 2, 1, 1), AG_SHAPE(2, 2, 2, 2), true, c);
    }
    REFUSES("ag_conv_transpose2d: stride 0 and dilation 1 must be at least 1") {
        c.stride[1] = 0;
        transpose_sample(s, AG_SHAPE(1, 2, 1, 1), AG_SHAPE(2, 2, 2, 2), true, c);
    }
    REFUSES("ag_conv_transpose2d: the config must come from ag_conv_transpose2d_defaults()") {
        transpose_sample(s, AG_SHAPE(1, 2, 1, 1), AG_SHAPE(2, 2, 2, 2), true, (ag_conv_transpose2d_config){.groups = 1});
    }
    REFUSES("ag_conv_transpose2d: weight (2,2,2,2) and 1 groups need a bias of (2)") {
        ag_conv_transpose2d(sample_float(s, "x", AG_SHAPE(1, 2, 3, 3)), sample_float(s, "w", AG_SHAPE(2, 2, 2, 2)),
                            sample_float(s, "b", AG_SHAPE(3)), c);
    }
    REFUSES("ag_conv_transpose2d: needs one floating type throughout, got int64 and") {
        ag_conv_transpose2d(sample_int(s, "x", AG_SHAPE(1, 2, 3, 3), 0, 2), sample_float(s, "w", AG_SHAPE(2, 2, 2, 2)), AG_NONE, c);
    }
}
AG_SAMPLES_OF_FUNCTION(conv_transpose1d)
{
    ag_conv_transpose1d_config c = ag_conv_transpose1d_defaults();
    SAMPLE("F.conv_transpose1d(x, w, b)") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 3, 4)), w = sample_float(s, "w", AG_SHAPE(3, 2, 3));
        sample_result(s, ag_conv_transpose1d(x, w, sample_float(s, "b", AG_SHAPE(2)), c));
    }
    SAMPLE("F.conv_transpose1d(x, w, stride=2, padding=1, output_padding=1, groups=2, dilation=2)") {
        c.stride = c.groups = c.dilation = 2;
        c.padding = c.output_padding = 1;
        ag_tensor x = sample_float(s, "x", AG_SHAPE(1, 2, 3)), w = sample_float(s, "w", AG_SHAPE(2, 2, 3));
        sample_result(s, ag_conv_transpose1d(x, w, AG_NONE, c));
    }
    REFUSES("ag_conv_transpose1d: input (2,3) must be (N,C,L)") {
        ag_conv_transpose1d(sample_float(s, "x", AG_SHAPE(2, 3)), sample_float(s, "w", AG_SHAPE(2, 2, 3)), AG_NONE, c);
    }
    REFUSES("ag_conv_transpose1d: the config must come from ag_conv_transpose1d_defaults()") {
        ag_conv_transpose1d(sample_float(s, "x", AG_SHAPE(1, 2, 3)), sample_float(s, "w", AG_SHAPE(2, 2, 3)), AG_NONE,
                            (ag_conv_transpose1d_config){0});
    }
}
#endif
