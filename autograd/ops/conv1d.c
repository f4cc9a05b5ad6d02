/*
 * Convolution in one dimension: that in two, of images of one row.
 */
#include "../samples.h"
#include "common.h"
#include "conv.h"
#include "look.h"
#include "ops.h"

ag_conv1d_config ag_conv1d_defaults(void)
{
    return (ag_conv1d_config){.made_by_defaults = OPS_MADE_BY_DEFAULTS, .stride = 1, .dilation = 1, .groups = 1,
                              .padding_mode = AG_PADDING_NUMBERS};
}

/* Refuses in the name of the function in one dimension what the one in two would refuse in its own. */
static bool conv1d_ok(ag_place where, ag_tensor x, ag_tensor weight, ag_tensor bias, const ag_conv1d_config *c)
{
    const ag_value *v = look(where, "ag_conv1d", x), *w = look(where, "ag_conv1d", weight);
    const ag_value *b = ag_is_none(bias) ? NULL : look(where, "ag_conv1d", bias);
    char tx[AG_SHAPE_TEXT], tw[AG_SHAPE_TEXT];
    if (v == NULL || w == NULL || ag_error_code() != AG_OK) {
        return false;
    }
    look_text(v, tx);
    look_text(w, tw);
    if (c->made_by_defaults != OPS_MADE_BY_DEFAULTS) {
        ag_error_raise(where, AG_ERROR_VALUE, "ag_conv1d: the config must come from ag_conv1d_defaults()");
    } else if (!ag_dtype_is_float((ag_dtype)v->dtype) || w->dtype != v->dtype || (b != NULL && b->dtype != v->dtype)) {
        ag_error_raise(where, AG_ERROR_DTYPE, "ag_conv1d: needs one floating type throughout, got %s and %s",
                       ag_dtype_name((ag_dtype)v->dtype), ag_dtype_name((ag_dtype)w->dtype));
    } else if (c->stride < 1 || c->dilation < 1 || c->groups < 1 || c->padding < 0 || c->stride > 1 << 30 ||
               c->dilation > 1 << 30 || c->padding > 1 << 30 || (unsigned)c->padding_mode > AG_PADDING_SAME) {
        ag_error_raise(where, AG_ERROR_VALUE, "ag_conv1d: stride %lld, dilation %lld and groups %lld must be at least 1, padding %lld "
                       "not negative", (long long)c->stride, (long long)c->dilation, (long long)c->groups, (long long)c->padding);
    } else if (c->padding_mode == AG_PADDING_SAME && c->stride != 1) {
        ag_error_raise(where, AG_ERROR_VALUE, "ag_conv1d: padding \"same\" needs stride 1, got %lld", (long long)c->stride);
    } else if (v->ndim != 3) {
        ag_error_raise(where, AG_ERROR_SHAPE, "ag_conv1d: input %s must be (N,C,L)", tx);
    } else if (w->ndim != 3 || w->numel == 0) {
        ag_error_raise(where, AG_ERROR_SHAPE, "ag_conv1d: weight %s must be (O,C/groups,K), none of them 0", tw);
    } else if (v->size[1] != w->size[1] * c->groups || w->size[0] % c->groups != 0) {
        ag_error_raise(where, AG_ERROR_SHAPE, "ag_conv1d: input %s and weight %s do not fit %lld groups", tx, tw,
                       (long long)c->groups);
    } else if (b != NULL && (b->ndim != 1 || b->size[0] != w->size[0])) {
        ag_error_raise(where, AG_ERROR_SHAPE, "ag_conv1d: weight %s needs a bias of (%lld)", tw, (long long)w->size[0]);
    } else {
        int64_t reach = c->dilation * (w->size[2] - 1) + 1;
        int64_t padding = c->padding_mode == AG_PADDING_NUMBERS ? 2 * c->padding : c->padding_mode == AG_PADDING_SAME ? reach - 1 : 0;
        if (v->size[2] + padding < reach) {
            ag_error_raise(where, AG_ERROR_SHAPE, "ag_conv1d: input %s and weight %s: the kernel is longer than the padded input", tx,
                           tw);
        }
    }
    return ag_error_code() == AG_OK;
}

ag_tensor ag_conv1d_at(ag_place where, ag_tensor x, ag_tensor weight, ag_tensor bias, ag_conv1d_config config)
{
    if (!conv1d_ok(where, x, weight, bias, &config)) {
        return AG_NIL;
    }
    ag_conv2d_config c = ag_conv2d_defaults();
    c.stride[1] = config.stride;
    c.padding[1] = config.padding;
    c.dilation[1] = config.dilation;
    c.groups = config.groups;
    c.padding_mode = config.padding_mode;
    ag_frame frame = ag_frame_begin();
    ag_tensor y = ag_conv2d_at(where, ag_unsqueeze_at(where, x, 2), ag_unsqueeze_at(where, weight, 2), bias, c);
    return ag_frame_end(frame, ag_squeeze_at(where, y, 2));
}

#ifdef WENGERT_SAMPLES
static void conv1d_sample(ag_samples *s, ag_shape x, ag_shape w, bool bias, ag_conv1d_config c)
{
    ag_tensor b = bias ? sample_float(s, "b", AG_SHAPE(w.size[0])) : AG_NONE;
    sample_result(s, ag_conv1d(sample_float(s, "x", x), sample_float(s, "w", w), b, c));
}

AG_SAMPLES_OF_FUNCTION(conv1d)
{
    ag_conv1d_config c = ag_conv1d_defaults();
    SAMPLE("F.conv1d(x, w, b)") {
        conv1d_sample(s, AG_SHAPE(2, 3, 7), AG_SHAPE(4, 3, 3), true, c);
    }
    SAMPLE("F.conv1d(x, w, stride=2, padding=1, dilation=2)") {
        c.stride = c.dilation = 2;
        c.padding = 1;
        conv1d_sample(s, AG_SHAPE(1, 2, 8), AG_SHAPE(2, 2, 3), false, c);
    }
    SAMPLE("F.conv1d(x, w, b, padding='same')") {
        c.padding_mode = AG_PADDING_SAME;
        conv1d_sample(s, AG_SHAPE(2, 2, 5), AG_SHAPE(3, 2, 4), true, c);
    }
    SAMPLE("F.conv1d(x, w, b, padding='valid', groups=2)") {
        c.padding_mode = AG_PADDING_VALID;
        c.groups = 2;
        conv1d_sample(s, AG_SHAPE(2, 4, 5), AG_SHAPE(4, 2, 2), true, c);
    }
    SAMPLE("F.conv1d(x, w, b, groups=3, padding=2)  # depthwise") {
        c.groups = 3;
        c.padding = 2;
        conv1d_sample(s, AG_SHAPE(2, 3, 5), AG_SHAPE(3, 1, 3), true, c);
    }
    SAMPLE("F.conv1d(x, w, b)  # nothing") {
        conv1d_sample(s, AG_SHAPE(0, 2, 4), AG_SHAPE(3, 2, 2), true, c);
    }
    REFUSES("ag_conv1d: input (2,3) must be (N,C,L)") {
        conv1d_sample(s, AG_SHAPE(2, 3), AG_SHAPE(4, 3, 3), true, c);
    }
    REFUSES("ag_conv1d: weight (4,3) must be (O,C/groups,K), none of them 0") {
        conv1d_sample(s, AG_SHAPE(2, 3, 5), AG_SHAPE(4, 3), false, c);
    }
    REFUSES("ag_conv1d: input (2,3,5) and weight (4,2,3) do not fit 1 groups") {
        conv1d_sample(s, AG_SHAPE(2, 3, 5), AG_SHAPE(4, 2, 3), true, c);
    }
    REFUSES("ag_conv1d: input (2,3,2) and weight (4,3,3): the kernel is longer than the padded input") {
        conv1d_sample(s, AG_SHAPE(2, 3, 2), AG_SHAPE(4, 3, 3), true, c);
    }
    REFUSES("ag_conv1d: stride 0, dilation 1 and groups 1 must be at least 1, padding 0 not negative") {
        c.stride = 0;
        conv1d_sample(s, AG_SHAPE(2, 3, 5), AG_SHAPE(4, 3, 3), true, c);
    }
    REFUSES("ag_conv1d: padding \"same\" needs stride 1, got 2") {
        c.stride = 2;
        c.padding_mode = AG_PADDING_SAME;
        conv1d_sample(s, AG_SHAPE(2, 3, 5), AG_SHAPE(4, 3, 3), true, c);
    }
    REFUSES("ag_conv1d: weight (4,3,3) needs a bias of (4)") {
        ag_conv1d(sample_float(s, "x", AG_SHAPE(2, 3, 5)), sample_float(s, "w", AG_SHAPE(4, 3, 3)),
                  sample_float(s, "b", AG_SHAPE(3)), c);
    }
    REFUSES("ag_conv1d: needs one floating type throughout, got int64 and") {
        ag_conv1d(sample_int(s, "x", AG_SHAPE(2, 3, 5), 0, 2), sample_float(s, "w", AG_SHAPE(4, 3, 3)), AG_NONE, c);
    }
    REFUSES("ag_conv1d: the config must come from ag_conv1d_defaults()") {
        conv1d_sample(s, AG_SHAPE(2, 3, 5), AG_SHAPE(4, 3, 3), true, (ag_conv1d_config){0});
    }
}
#endif
