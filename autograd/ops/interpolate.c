/*
 * Images at other sizes, and channels shuffled into pixels: elements chosen by index along each dimension, and mixed in
 * linear interpolation. Which element and how much of it is PyTorch's rule.
 */
#include <math.h>

#include "../samples.h"
#include "common.h"
#include "look.h"
#include "ops.h"

ag_interpolate_config ag_interpolate_defaults(void)
{
    return (ag_interpolate_config){.made_by_defaults = OPS_MADE_BY_DEFAULTS, .mode = AG_NEAREST};
}

/* The step in the input for one step in the result. */
static double step_of(const ag_interpolate_config *c, int d, int64_t from, int64_t to)
{
    if (c->mode == AG_LINEAR && c->align_corners) {
        return to > 1 ? (double)(from - 1) / (double)(to - 1) : 0;
    }
    return c->scale[d] > 0 && !c->recompute_scale_factor ? 1 / c->scale[d] : (double)from / (double)to;
}

/* Which elements position i of the result lies between, and the share of the second. */
static double place(const ag_interpolate_config *c, double step, int64_t i, int64_t n, int64_t *low, int64_t *high)
{
    if (c->mode == AG_NEAREST) {
        int64_t at = (int64_t)floorf((float)i * (float)step); /* in float32 for every type, as PyTorch has it */
        *low = *high = at < n - 1 ? at : n - 1;
        return 0;
    }
    double at = c->align_corners ? step * (double)i : fmax(step * ((double)i + 0.5) - 0.5, 0);
    *low = (int64_t)at < n - 1 ? (int64_t)at : n - 1;
    *high = *low + (*low < n - 1);
    return fmin(fmax(at - (double)*low, 0), 1);
}

static ag_tensor resize(ag_place where, ag_tensor x, int dim, int64_t to, const ag_interpolate_config *c, int d)
{
    int64_t from = ag_size_at(where, x, dim);
    ag_dtype dtype = ag_dtype_of_at(where, x);
    double step = step_of(c, d, from, to);
    ag_tensor low = ag_zeros_at(where, AG_SHAPE(to), AG_INT64), high = ag_zeros_at(where, AG_SHAPE(to), AG_INT64);
    ag_shape shape = {.ndim = ag_ndim_at(where, x)};
    for (int k = 0; k < shape.ndim; k++) {
        shape.size[k] = k == dim ? to : 1;
    }
    ag_tensor share = ag_zeros_at(where, shape, AG_FLOAT64);
    int64_t *l = ag_data_mut(low), *h = ag_data_mut(high);
    double *w = ag_data_mut(share);
    for (int64_t i = 0; i < to && w != NULL; i++) {
        w[i] = place(c, step, i, from, &l[i], &h[i]);
    }
    ag_tensor a = ag_index_select_at(where, x, dim, low);
    if (c->mode == AG_NEAREST) {
        return a;
    }
    ag_tensor b = ag_index_select_at(where, x, dim, high), t = ag_cast_at(where, share, dtype);
    ag_tensor rest = ag_add_scalar_at(where, ag_neg_at(where, t), 1);
    return ag_add_at(where, ag_mul_at(where, a, rest), ag_mul_at(where, b, t));
}

ag_tensor ag_interpolate_at(ag_place where, ag_tensor x, ag_interpolate_config config)
{
    const ag_value *v = look(where, "ag_interpolate", x);
    char text[AG_SHAPE_TEXT];
    if (v == NULL) {
        return AG_NIL;
    }
    if (config.made_by_defaults != OPS_MADE_BY_DEFAULTS) {
        ag_error_raise(where, AG_ERROR_VALUE, "ag_interpolate: the config must come from ag_interpolate_defaults()");
    } else if (!ag_dtype_is_float((ag_dtype)v->dtype)) {
        ag_error_raise(where, AG_ERROR_DTYPE, "ag_interpolate: needs a floating type, got %s", ag_dtype_name((ag_dtype)v->dtype));
    } else if ((v->ndim != 3 && v->ndim != 4) || v->size[2] == 0 || (v->ndim == 4 && v->size[3] == 0)) {
        ag_error_raise(where, AG_ERROR_SHAPE, "ag_interpolate: input %s must be (N,C,L) or (N,C,H,W), with elements in each channel",
                       look_text(v, text));
    } else if ((unsigned)config.mode > AG_LINEAR || (config.mode == AG_NEAREST && config.align_corners)) {
        ag_error_raise(where, AG_ERROR_VALUE, config.mode == AG_NEAREST ? "ag_interpolate: align_corners is for the linear mode" :
                       "ag_interpolate: the mode is unknown");
    }
    int64_t to[2];
    for (int d = 0; d < v->ndim - 2 && ag_error_code() == AG_OK; d++) {
        bool sized = config.size[d] != 0, scaled = config.scale[d] != 0;
        double length = (double)v->size[d + 2] * config.scale[d];
        if (sized == scaled || config.size[d] < 0 || !(config.scale[d] >= 0) || length >= 0x1p40 || (scaled && length < 1)) {
            ag_error_raise(where, AG_ERROR_VALUE, "ag_interpolate: size %lld and scale %g for %lld elements: one of the two must be "
                           "given, and the result have elements", (long long)config.size[d], config.scale[d],
                           (long long)v->size[d + 2]);
            break;
        }
        to[d] = sized ? config.size[d] : (int64_t)floor(length);
    }
    if (ag_error_code() != AG_OK) {
        return AG_NIL;
    }
    int dims = v->ndim - 2;
    ag_frame frame = ag_frame_begin();
    for (int d = 0; d < dims && ag_error_code() == AG_OK; d++) {
        x = resize(where, x, d + 2, to[d], &config, d);
    }
    return ag_frame_end(frame, x);
}

/* ---- pixel_shuffle ------------------------------------------------------------------------------------------------------------------ */

static const ag_value *shuffled(ag_place where, const char *function, ag_tensor x, int64_t r, bool un)
{
    const ag_value *v = look(where, function, x);
    char text[AG_SHAPE_TEXT];
    if (v == NULL) {
        return NULL;
    }
    if (v->ndim != 4 || r < 1 || r > 1 << 15 || (un ? v->size[2] % r != 0 || v->size[3] % r != 0 : v->size[1] % (r * r) != 0)) {
        ag_error_raise(where, AG_ERROR_SHAPE, "%s: %s cannot be shuffled by %lld", function, look_text(v, text), (long long)r);
        return NULL;
    }
    return v;
}

ag_tensor ag_pixel_shuffle_at(ag_place where, ag_tensor x, int64_t r)
{
    const ag_value *v = shuffled(where, "ag_pixel_shuffle", x, r, false);
    if (v == NULL) {
        return AG_NIL;
    }
    int64_t n = v->size[0], c = v->size[1] / (r * r), h = v->size[2], w = v->size[3];
    ag_frame frame = ag_frame_begin();
    x = ag_permute_at(where, ag_reshape_at(where, x, AG_SHAPE(n, c, r, r, h, w)), AG_DIMS(0, 1, 4, 2, 5, 3));
    return ag_frame_end(frame, ag_reshape_at(where, x, AG_SHAPE(n, c, h * r, w * r)));
}

ag_tensor ag_pixel_unshuffle_at(ag_place where, ag_tensor x, int64_t r)
{
    const ag_value *v = shuffled(where, "ag_pixel_unshuffle", x, r, true);
    if (v == NULL) {
        return AG_NIL;
    }
    int64_t n = v->size[0], c = v->size[1], h = v->size[2] / r, w = v->size[3] / r;
    ag_frame frame = ag_frame_begin();
    x = ag_permute_at(where, ag_reshape_at(where, x, AG_SHAPE(n, c, h, r, w, r)), AG_DIMS(0, 1, 3, 5, 2, 4));
    return ag_frame_end(frame, ag_reshape_at(where, x, AG_SHAPE(n, c * r * r, h, w)));
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES_OF_FUNCTION(interpolate)
{
    ag_interpolate_config c = ag_interpolate_defaults();
    SAMPLE("F.interpolate(x, scale_factor=2)") {
        c.scale[0] = c.scale[1] = 2;
        sample_result(s, ag_interpolate(sample_float(s, "x", AG_SHAPE(2, 2, 3, 2)), c));
    }
    SAMPLE("F.interpolate(x, size=(4, 3))") {
        c.size[0] = 4;
        c.size[1] = 3;
        sample_result(s, ag_interpolate(sample_float(s, "x", AG_SHAPE(1, 2, 6, 5)), c));
    }
    SAMPLE("F.interpolate(x, scale_factor=(1.7, 0.6))") {
        c.scale[0] = 1.7;
        c.scale[1] = 0.6;
        sample_result(s, ag_interpolate(sample_float(s, "x", AG_SHAPE(1, 2, 3, 7)), c));
    }
    SAMPLE("F.interpolate(x, scale_factor=1.7, mode='linear', recompute_scale_factor=True)") {
        c.scale[0] = 1.7;
        c.mode = AG_LINEAR;
        c.recompute_scale_factor = true;
        sample_result(s, ag_interpolate(sample_float(s, "x", AG_SHAPE(2, 2, 4)), c));
    }
    SAMPLE("F.interpolate(x, scale_factor=1.7, mode='linear')") {
        c.scale[0] = 1.7;
        c.mode = AG_LINEAR;
        sample_result(s, ag_interpolate(sample_float(s, "x", AG_SHAPE(2, 2, 4)), c));
    }
    SAMPLE("F.interpolate(x, size=7)") {
        c.size[0] = 7;
        sample_result(s, ag_interpolate(sample_float(s, "x", AG_SHAPE(2, 2, 4)), c));
    }
    SAMPLE("F.interpolate(x, scale_factor=2, mode='bilinear')") {
        c.scale[0] = c.scale[1] = 2;
        c.mode = AG_LINEAR;
        sample_result(s, ag_interpolate(sample_float(s, "x", AG_SHAPE(1, 2, 3, 2)), c));
    }
    SAMPLE("F.interpolate(x, size=(3, 5), mode='bilinear', align_corners=True)") {
        c.size[0] = 3;
        c.size[1] = 5;
        c.mode = AG_LINEAR;
        c.align_corners = true;
        sample_result(s, ag_interpolate(sample_float(s, "x", AG_SHAPE(1, 2, 4, 3)), c));
    }
    SAMPLE("F.interpolate(x, size=(1, 2), mode='bilinear', align_corners=True)") {
        c.size[0] = 1;
        c.size[1] = 2;
        c.mode = AG_LINEAR;
        c.align_corners = true;
        sample_result(s, ag_interpolate(sample_float(s, "x", AG_SHAPE(1, 2, 4, 3)), c));
    }
    REFUSES("ag_interpolate: size 0 and scale 0 for 4 elements: one of the two must be given") {
        ag_interpolate(sample_float(s, "x", AG_SHAPE(1, 2, 4, 3)), c);
    }
    REFUSES("ag_interpolate: size 0 and scale 0.1 for 4 elements") {
        c.scale[0] = c.scale[1] = 0.1;
        ag_interpolate(sample_float(s, "x", AG_SHAPE(1, 2, 4, 3)), c);
    }
    REFUSES("ag_interpolate: input (4,3) must be (N,C,L) or (N,C,H,W)") {
        ag_interpolate(sample_float(s, "x", AG_SHAPE(4, 3)), c);
    }
    REFUSES("ag_interpolate: align_corners is for the linear mode") {
        c.align_corners = true;
        ag_interpolate(sample_float(s, "x", AG_SHAPE(1, 2, 4, 3)), c);
    }
    REFUSES("ag_interpolate: the config must come from ag_interpolate_defaults()") {
        ag_interpolate(sample_float(s, "x", AG_SHAPE(1, 2, 4, 3)), (ag_interpolate_config){0});
    }
    REFUSES("ag_interpolate: needs a floating type, got uint8") {
        ag_interpolate(sample_mask(s, "m", AG_SHAPE(1, 2, 4, 3)), c);
    }
}
AG_SAMPLES_OF_FUNCTION(pixel_shuffle)
{
    SAMPLE("F.pixel_shuffle(x, 2)") {
        sample_result(s, ag_pixel_shuffle(sample_float(s, "x", AG_SHAPE(2, 8, 3, 2)), 2));
    }
    SAMPLE("F.pixel_unshuffle(x, 3)") {
        sample_result(s, ag_pixel_unshuffle(sample_float(s, "x", AG_SHAPE(1, 2, 6, 3)), 3));
    }
    REFUSES("ag_pixel_shuffle: (2,6,3,2) cannot be shuffled by 2") {
        ag_pixel_shuffle(sample_float(s, "x", AG_SHAPE(2, 6, 3, 2)), 2);
    }
    REFUSES("ag_pixel_unshuffle: (1,2,6,4) cannot be shuffled by 3") {
        ag_pixel_unshuffle(sample_float(s, "x", AG_SHAPE(1, 2, 6, 4)), 3);
    }
}
#endif
