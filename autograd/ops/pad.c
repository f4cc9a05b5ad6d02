/*
 * Padding: with a constant, or with elements of the tensor, which are then chosen by index.
 */
#include <math.h>
#include <string.h>

#include "../samples.h"
#include "look.h"
#include "ops.h"

/* ---- pad, constant -----------------------------------------------------------------------------------------------------------------
 * y = x inside, c around it
 * dx = dy inside */

struct pad_params {
    int64_t before[AG_MAX_DIMS], behind[AG_MAX_DIMS];
    double value;
};

static bool pad_shape(ag_call *call)
{
    const struct pad_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0);
    ag_shape shape = ag_call_shape(call, 0);
    for (int d = 0; d < x->ndim; d++) {
        int64_t before = p->before[d], behind = p->behind[d], limit = INT64_MAX / 4;
        if (before > limit || behind > limit || before < -limit || behind < -limit || x->size[d] + before + behind < 0) {
            return ag_call_fail(call, AG_ERROR_SHAPE, "%lld and %lld elements cannot be added to dimension %d of %s",
                                (long long)before, (long long)behind, d, ag_call_shape_text(call, 0));
        }
        shape.size[d] += before + behind;
    }
    return ag_call_output(call, 0, x->dtype, shape);
}

static bool pad_forward(ag_call *call)
{
    const struct pad_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0), *y = ag_call_result(call, 0);
    int64_t size[AG_MAX_DIMS], from = 0, to = 0, numel = 1;
    ag_array_fill(*y, p->value);
    for (int d = 0; d < x->ndim; d++) { /* what is in both */
        int64_t first = p->before[d] < 0 ? -p->before[d] : 0, last = p->behind[d] < 0 ? x->size[d] + p->behind[d] : x->size[d];
        size[d] = last > first ? last - first : 0;
        from += first * x->stride[d];
        to += (p->before[d] > 0 ? p->before[d] : 0) * y->stride[d];
        numel *= size[d];
    }
    if (numel > 0) {
        int64_t item = (int64_t)ag_dtype_size(x->dtype);
        ag_array source = {(char *)x->data + from * item, x->dtype, x->ndim, numel, size, x->stride};
        ag_array target = {(char *)y->data + to * item, y->dtype, y->ndim, numel, size, y->stride};
        ag_array_copy(target, source);
    }
    return true;
}

static ag_tensor pad_constant(ag_place where, ag_tensor x, const struct pad_params *p);

static void pad_backward(ag_sweep *s)
{
    struct pad_params p = *(const struct pad_params *)ag_sweep_params(s);
    for (int d = 0; d < AG_MAX_DIMS; d++) {
        p.before[d] = -p.before[d];
        p.behind[d] = -p.behind[d];
    }
    p.value = 0;
    ag_sweep_add(s, 0, pad_constant(AG_HERE, ag_sweep_grad(s, 0), &p));
}

AG_OP(pad){.size = sizeof(struct ag_op), .name = "pad", .formula = "y = x inside, c around it", .derivative = "dx = dy inside",
           .inputs = 1, .outputs = 1, .params = sizeof(struct pad_params), .orders = AG_ORDERS_ANY, .chosen = true,
           .shape = pad_shape, .forward = pad_forward, .backward = pad_backward};

static ag_tensor pad_constant(ag_place where, ag_tensor x, const struct pad_params *p)
{
    return ag_apply(where, &op_pad, 1, &x, p, NULL);
}

/* ---- the other modes --------------------------------------------------------------------------------------------------------------- */

/* Which element of n stands at position i, which may lie outside. */
static int64_t source_of(int64_t i, int64_t n, ag_pad_mode mode)
{
    switch (mode) {
    case AG_PAD_REFLECT:
        i = i < 0 ? -i : i;
        return i >= n ? 2 * (n - 1) - i : i;
    case AG_PAD_REPLICATE:
        return i < 0 ? 0 : i >= n ? n - 1 : i;
    default:
        return (i % n + n) % n;
    }
}

static ag_tensor pad_dim(ag_place where, ag_tensor x, int dim, int64_t before, int64_t behind, ag_pad_mode mode)
{
    int64_t n = ag_size(x, dim), length = n + before + behind;
    ag_tensor index = ag_zeros_at(where, AG_SHAPE(length), AG_INT64);
    int64_t *at = ag_data_mut(index);
    for (int64_t i = 0; at != NULL && i < length; i++) {
        at[i] = source_of(i - before, n, mode);
    }
    return ag_index_select_at(where, x, dim, index);
}

ag_tensor ag_pad_at(ag_place where, ag_tensor x, int n, const int64_t *pad, ag_pad_mode mode, double value)
{
    static const char *const names[] = {"constant", "reflect", "replicate", "circular"};
    char text[AG_SHAPE_TEXT];
    const ag_value *v = look(where, "ag_pad", x);
    if (v == NULL) {
        return AG_NIL;
    }
    if ((unsigned)mode > AG_PAD_CIRCULAR || (n > 0 && pad == NULL)) {
        ag_error_raise(where, AG_ERROR_VALUE, pad == NULL ? "ag_pad: the numbers are NULL" : "ag_pad: mode %d is unknown", (int)mode);
        return AG_NIL;
    }
    bool constant = mode == AG_PAD_CONSTANT;
    if (n < 0 || n % 2 != 0 || n / 2 > v->ndim || (!constant && (n > 6 || n == 0 || v->ndim > n / 2 + 2 || v->ndim == n / 2))) {
        ag_error_raise(where, AG_ERROR_SHAPE, "ag_pad: %d numbers do not fit %s in mode %s", n, look_text(v, text), names[mode]);
        return AG_NIL;
    }
    struct pad_params p = {.value = value};
    for (int i = 0; i < n / 2; i++) {
        p.before[v->ndim - 1 - i] = pad[2 * i];
        p.behind[v->ndim - 1 - i] = pad[2 * i + 1];
    }
    if (constant) {
        return pad_constant(where, x, &p);
    }
    for (int d = v->ndim - n / 2; d < v->ndim; d++) {
        int64_t most = mode == AG_PAD_REFLECT ? v->size[d] - 1 : mode == AG_PAD_CIRCULAR ? v->size[d] : INT64_MAX / 4;
        if (p.before[d] < 0 || p.behind[d] < 0 || p.before[d] > most || p.behind[d] > most || v->size[d] == 0) {
            ag_error_raise(where, AG_ERROR_VALUE, "ag_pad: %lld and %lld elements cannot be added to dimension %d of %s in mode %s",
                           (long long)p.before[d], (long long)p.behind[d], d, look_text(v, text), names[mode]);
            return AG_NIL;
        }
    }
    ag_frame frame = ag_frame_begin();
    int ndim = v->ndim;
    ag_tensor y = x;
    for (int d = ndim - n / 2; d < ndim && ag_error_code() == AG_OK; d++) {
        y = pad_dim(where, y, d, p.before[d], p.behind[d], mode);
    }
    return ag_frame_end(frame, y);
}

#ifdef WENGERT_SAMPLES
#define PADDING(...) (int)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]){__VA_ARGS__}

AG_SAMPLES(pad)
{
    SAMPLE("F.pad(a, (1, 2), value=3.5)") {
        sample_result(s, ag_pad(sample_float(s, "a", AG_SHAPE(2, 3)), PADDING(1, 2), AG_PAD_CONSTANT, 3.5));
    }
    SAMPLE("F.pad(a, (1, 0, 0, 2, 1, 1)) ** 2") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(2, 3, 2));
        sample_result(s, ag_square(ag_pad(a, PADDING(1, 0, 0, 2, 1, 1), AG_PAD_CONSTANT, 0)));
    }
    SAMPLE("F.pad(a, (-1, 2, 1, -2), value=-1.)") {
        sample_result(s, ag_pad(sample_float(s, "a", AG_SHAPE(3, 4)), PADDING(-1, 2, 1, -2), AG_PAD_CONSTANT, -1));
    }
    SAMPLE("F.pad(a, (2, 1), value=1.)  # nothing") {
        sample_result(s, ag_pad(sample_float(s, "a", AG_SHAPE(2, 0)), PADDING(2, 1), AG_PAD_CONSTANT, 1));
    }
    SAMPLE("F.pad(k, (1, 1), value=7)") {
        sample_result(s, ag_pad(sample_int(s, "k", AG_SHAPE(3), 0, 5), PADDING(1, 1), AG_PAD_CONSTANT, 7));
    }
    SAMPLE("F.pad(a, (1, 2), mode='reflect')") {
        sample_result(s, ag_pad(sample_float(s, "a", AG_SHAPE(2, 3)), PADDING(1, 2), AG_PAD_REFLECT, 0));
    }
    SAMPLE("F.pad(a, (1, 2, 2, 0), mode='reflect') ** 2") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(1, 2, 3, 4));
        sample_result(s, ag_square(ag_pad(a, PADDING(1, 2, 2, 0), AG_PAD_REFLECT, 0)));
    }
    SAMPLE("F.pad(a, (1, 4), mode='replicate')") {
        sample_result(s, ag_pad(sample_float(s, "a", AG_SHAPE(2, 1, 3)), PADDING(1, 4), AG_PAD_REPLICATE, 0));
    }
    SAMPLE("F.pad(a, (1, 1, 0, 2, 1, 0), mode='replicate')") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(1, 2, 2, 2, 2));
        sample_result(s, ag_pad(a, PADDING(1, 1, 0, 2, 1, 0), AG_PAD_REPLICATE, 0));
    }
    SAMPLE("F.pad(a, (3, 2), mode='circular')") {
        sample_result(s, ag_pad(sample_float(s, "a", AG_SHAPE(2, 2, 3)), PADDING(3, 2), AG_PAD_CIRCULAR, 0));
    }
    SAMPLE("F.pad(a, (1, 0, 2, 1), mode='circular')") {
        sample_result(s, ag_pad(sample_float(s, "a", AG_SHAPE(1, 2, 3, 2)), PADDING(1, 0, 2, 1), AG_PAD_CIRCULAR, 0));
    }
    REFUSES("ag_pad: 3 numbers do not fit (2,3) in mode constant") {
        ag_pad(sample_float(s, "a", AG_SHAPE(2, 3)), PADDING(1, 2, 3), AG_PAD_CONSTANT, 0);
    }
    REFUSES("ag_pad: 6 numbers do not fit (2,3) in mode constant") {
        ag_pad(sample_float(s, "a", AG_SHAPE(2, 3)), PADDING(1, 2, 3, 1, 1, 1), AG_PAD_CONSTANT, 0);
    }
    REFUSES("ag_pad: -2 and -2 elements cannot be added to dimension 1 of (2,3)") {
        ag_pad(sample_float(s, "a", AG_SHAPE(2, 3)), PADDING(-2, -2), AG_PAD_CONSTANT, 0);
    }
    REFUSES("ag_pad: 3 and 0 elements cannot be added to dimension 1 of (2,3) in mode reflect") {
        ag_pad(sample_float(s, "a", AG_SHAPE(2, 3)), PADDING(3, 0), AG_PAD_REFLECT, 0);
    }
    REFUSES("ag_pad: 0 and 4 elements cannot be added to dimension 2 of (2,2,3) in mode circular") {
        ag_pad(sample_float(s, "a", AG_SHAPE(2, 2, 3)), PADDING(0, 4), AG_PAD_CIRCULAR, 0);
    }
    REFUSES("ag_pad: -1 and 0 elements cannot be added to dimension 2 of (2,2,3) in mode replicate") {
        ag_pad(sample_float(s, "a", AG_SHAPE(2, 2, 3)), PADDING(-1, 0), AG_PAD_REPLICATE, 0);
    }
    REFUSES("ag_pad: mode 9 is unknown") {
        ag_pad(sample_float(s, "a", AG_SHAPE(2, 3)), PADDING(1, 1), (ag_pad_mode)9, 0);
    }
    REFUSES("ag_pad: the numbers are NULL") {
        ag_pad(sample_float(s, "a", AG_SHAPE(2, 3)), 2, NULL, AG_PAD_CONSTANT, 0);
    }
}
#endif
