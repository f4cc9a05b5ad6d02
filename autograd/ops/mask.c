/*
 * Elements chosen by a mask.
 */
#include <math.h>
#include <string.h>

#include "../inplace.h"
#include "../kernels/loop.h"
#include "../samples.h"
#include "common.h"
#include "look.h"
#include "ops.h"

static bool mask_is_uint8(ag_call *call)
{
    const ag_array *m = ag_call_input(call, 1);
    return m->dtype == AG_UINT8 || ag_call_fail(call, AG_ERROR_DTYPE, "the mask must be uint8, got %s", ag_dtype_name(m->dtype));
}

/* ---- masked_fill ------------------------------------------------------------------------------------------------------------------------
 * y = mask ? c : x
 * dx = mask ? 0 : dy */

struct masked_fill_params {
    double value;
};

#define MASKED_FILL_LOOP(name, T)                                                                            \
    AG_MULTIVERSION static void name(int64_t n, char *const *p, const int64_t *stride, const void *params)    \
    {                                                                                                        \
        T c;                                                                                                 \
        memcpy(&c, params, sizeof(c));                                                                       \
        for (int64_t i = 0; i < n; i++) {                                                                    \
            T x = *(const T *)(p[1] + i * stride[1]);                                                        \
            *(T *)(p[0] + i * stride[0]) = *(const uint8_t *)(p[2] + i * stride[2]) != 0 ? c : x;            \
        }                                                                                                    \
    }

MASKED_FILL_LOOP(masked_fill_4, float)
MASKED_FILL_LOOP(masked_fill_8, double)
MASKED_FILL_LOOP(masked_fill_i64, int64_t)
MASKED_FILL_LOOP(masked_fill_u8, uint8_t)

static bool masked_fill_shape(ag_call *call)
{
    ag_shape shape;
    if (!mask_is_uint8(call)) {
        return false;
    }
    if (!ag_shape_broadcast(ag_call_shape(call, 0), ag_call_shape(call, 1), &shape)) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "shapes %s and %s do not broadcast", ag_call_shape_text(call, 0),
                            ag_call_shape_text(call, 1));
    }
    return ag_call_output(call, 0, ag_call_input(call, 0)->dtype, shape);
}

static void broadcast_strides(const ag_array *x, const ag_array *y, int64_t *stride)
{
    int missing = y->ndim - x->ndim;
    for (int d = 0; d < y->ndim; d++) {
        stride[d] = d < missing || x->size[d - missing] == 1 ? 0 : x->stride[d - missing];
    }
}

static bool masked_fill_forward(ag_call *call)
{
    static const ag_loop loops[4] = {[AG_FLOAT32] = masked_fill_4, [AG_FLOAT64] = masked_fill_8, [AG_INT64] = masked_fill_i64,
                                     [AG_UINT8] = masked_fill_u8};
    static const int64_t nowhere[AG_MAX_DIMS];
    const struct masked_fill_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0), *m = ag_call_input(call, 1), *y = ag_call_result(call, 0);
    int64_t sx[AG_MAX_DIMS], sm[AG_MAX_DIMS];
    const int64_t *stride[3] = {y->stride, sx, sm};
    void *data[3] = {y->data, x->data, m->data};
    size_t item[3] = {ag_dtype_size(y->dtype), ag_dtype_size(x->dtype), 1};
    double number;
    ag_array one = {&number, x->dtype, 0, 1, nowhere, nowhere}; /* c in x's type */
    ag_array_fill(one, p->value);
    broadcast_strides(x, y, sx);
    broadcast_strides(m, y, sm);
    k_loop(ag_call_threads(call), loops[x->dtype], &number, y->ndim, y->size, 3, data, stride, item);
    return true;
}

static void masked_fill_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, ag_masked_fill(ag_sweep_grad(s, 0), ag_sweep_input(s, 1), 0));
}

AG_OP(masked_fill){.size = sizeof(struct ag_op), .name = "masked_fill", .numbers = "c", .formula = "y = mask ? c : x",
                   .derivative = "dx = mask ? 0 : dy", .inputs = 2, .outputs = 1, .saves = AG_SAVE_INPUT(1),
                   .params = sizeof(struct masked_fill_params), .orders = AG_ORDERS_ANY, .chosen = true,
                   .shape = masked_fill_shape, .forward = masked_fill_forward, .backward = masked_fill_backward};

ag_tensor ag_masked_fill_at(ag_place where, ag_tensor x, ag_tensor mask, double value)
{
    ag_tensor in[2] = {x, mask};
    struct masked_fill_params p = {value};
    return ag_apply(where, &op_masked_fill, 2, in, &p, NULL);
}

ag_tensor ag_masked_fill_in_place_at(ag_place where, ag_tensor x, ag_tensor mask, double value)
{
    ag_tensor in[2] = {x, mask};
    struct masked_fill_params p = {value};
    return ag_apply_in_place(where, &op_masked_fill, 2, in, &p);
}

/* ---- masked_select ------------------------------------------------------------------------------------------------------------------------
 * y = the x where mask, in row-major order
 * dx = the dy where mask, 0 elsewhere */

/* Runs over the elements in row-major order: their number where the mask is set, and copies between x's places and a list. */
static int64_t selected(const ag_array *x, const ag_array *mask, char *list, bool place)
{
    int64_t position[AG_MAX_DIMS] = {0}, at = 0, m = 0, n = 0;
    size_t item = ag_dtype_size(x->dtype);
    for (int64_t k = 0; k < mask->numel; k++) {
        if (((const uint8_t *)mask->data)[m] != 0) {
            char *element = list == NULL ? NULL : (char *)x->data + (size_t)at * item, *entry = list + (size_t)n * item;
            if (list != NULL) {
                memcpy(place ? element : entry, place ? entry : element, item);
            }
            n++;
        }
        for (int d = mask->ndim - 1; d >= 0; d--) {
            at += x->stride[d];
            m += mask->stride[d];
            if (++position[d] < mask->size[d]) {
                break;
            }
            at -= mask->size[d] * x->stride[d];
            m -= mask->size[d] * mask->stride[d];
            position[d] = 0;
        }
    }
    return n;
}

static bool masked_select_shape(ag_call *call)
{
    const ag_array *x = ag_call_input(call, 0), *mask = ag_call_input(call, 1);
    if (!mask_is_uint8(call) || !ops_need_shape(call, 1, ag_call_shape(call, 0))) {
        return false;
    }
    return ag_call_output(call, 0, x->dtype, AG_SHAPE(selected(x, mask, NULL, false)));
}

static bool masked_select_forward(ag_call *call)
{
    selected(ag_call_input(call, 0), ag_call_input(call, 1), ag_call_result(call, 0)->data, false);
    return true;
}

static ag_tensor masked_place(ag_tensor g, ag_tensor mask);

static void masked_select_backward(ag_sweep *s)
{
    ag_sweep_add(s, 0, masked_place(ag_sweep_grad(s, 0), ag_sweep_input(s, 1)));
}

AG_OP(masked_select){.size = sizeof(struct ag_op), .name = "masked_select", .formula = "y = the x where mask",
                     .derivative = "dx = dy where mask, else 0", .inputs = 2, .outputs = 1, .saves = AG_SAVE_INPUT(1),
                     .orders = AG_ORDERS_ANY, .shape = masked_select_shape, .forward = masked_select_forward,
                     .backward = masked_select_backward};

ag_tensor ag_masked_select_at(ag_place where, ag_tensor x, ag_tensor mask)
{
    const ag_value *v = look(where, "ag_masked_select", x), *m = look(where, "ag_masked_select", mask);
    char a[AG_SHAPE_TEXT], b[AG_SHAPE_TEXT];
    ag_shape shape;
    if (v == NULL || m == NULL) {
        return AG_NIL;
    }
    if (!ag_shape_broadcast(ag_value_shape_of(v), ag_value_shape_of(m), &shape)) {
        ag_error_raise(where, AG_ERROR_SHAPE, "ag_masked_select: shapes %s and %s do not broadcast", look_text(v, a),
                       look_text(m, b));
        return AG_NIL;
    }
    ag_frame frame = ag_frame_begin();
    ag_tensor in[2] = {ag_expand_at(where, x, shape), ag_expand_at(where, mask, shape)};
    return ag_frame_end(frame, ag_apply(where, &op_masked_select, 2, in, NULL, NULL));
}

static bool masked_place_shape(ag_call *call)
{
    const ag_array *mask = ag_call_input(call, 1);
    static const int64_t none[AG_MAX_DIMS];
    ag_array nothing = {NULL, AG_UINT8, mask->ndim, mask->numel, mask->size, none};
    return ops_need_shape(call, 0, AG_SHAPE(selected(&nothing, mask, NULL, false))) &&
           ag_call_output(call, 0, ag_call_input(call, 0)->dtype, ag_call_shape(call, 1));
}

static bool masked_place_forward(ag_call *call)
{
    const ag_array *y = ag_call_result(call, 0);
    char *list = (char *)(uintptr_t)ops_row_major(call, ag_call_input(call, 0));
    memset(y->data, 0, (size_t)y->numel * ag_dtype_size(y->dtype));
    return list != NULL && (selected(y, ag_call_input(call, 1), list, true), true);
}

static void masked_place_backward(ag_sweep *s)
{
    ag_tensor in[2] = {ag_sweep_grad(s, 0), ag_sweep_input(s, 1)};
    ag_sweep_add(s, 0, ag_apply(AG_HERE, &op_masked_select, 2, in, NULL, NULL));
}

/* y = the g, one after the other, where mask, else 0;  dg = the dy where mask */
AG_OP(masked_place){.size = sizeof(struct ag_op), .name = "masked_place", .formula = "y = the g where mask, else 0",
                    .derivative = "dg = the dy where mask", .inputs = 2, .outputs = 1, .saves = AG_SAVE_INPUT(1),
                    .orders = AG_ORDERS_ANY, .shape = masked_place_shape, .forward = masked_place_forward,
                    .backward = masked_place_backward};

static ag_tensor masked_place(ag_tensor g, ag_tensor mask)
{
    ag_tensor in[2] = {g, mask};
    return ag_apply(AG_HERE, &op_masked_place, 2, in, NULL, NULL);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(masked_fill)
{
    SAMPLE("a.masked_fill(m != 0, 2.5)") {
        sample_result(s, ag_masked_fill(sample_float(s, "a", AG_SHAPE(3, 4)), sample_mask(s, "m", AG_SHAPE(3, 4)), 2.5));
    }
    SAMPLE("torch.masked_fill(a, m != 0, 1.) * a") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(2, 3, 4));
        sample_result(s, ag_mul(ag_masked_fill(a, sample_mask(s, "m", AG_SHAPE(3, 1)), 1), a));
    }
    SAMPLE("torch.where(m != 0, torch.tensor(1., dtype=a.dtype), a)") {
        sample_result(s, ag_masked_fill(sample_float(s, "a", AG_SHAPE(4)), sample_mask(s, "m", AG_SHAPE(3, 4)), 1));
    }
    SAMPLE("torch.softmax(a.masked_fill(m != 0, -math.inf), 1)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 6)), m = sample_mask(s, "m", AG_SHAPE(1, 6));
        sample_result(s, ag_softmax(ag_masked_fill(a, m, -(double)INFINITY), 1));
    }
    SAMPLE("k.masked_fill(m != 0, 7)") {
        sample_result(s, ag_masked_fill(sample_int(s, "k", AG_SHAPE(3), 0, 5), sample_mask(s, "m", AG_SHAPE(3)), 7));
    }
    SAMPLE("(a * 2).masked_fill_(m != 0, 0.) * a") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4)), m = sample_mask(s, "m", AG_SHAPE(4));
        sample_result(s, ag_mul(ag_masked_fill_(ag_mul_scalar(a, 2), m, 0), a));
    }
    REFUSES("ag_masked_fill: the mask must be uint8, got int64") {
        ag_masked_fill(sample_float(s, "a", AG_SHAPE(3)), sample_int(s, "k", AG_SHAPE(3), 0, 2), 1);
    }
    REFUSES("ag_masked_fill: shapes (3) and (2) do not broadcast") {
        ag_masked_fill(sample_float(s, "a", AG_SHAPE(3)), sample_mask(s, "m", AG_SHAPE(2)), 1);
    }
    REFUSES("ag_masked_fill_: the result is (2,3) and cannot be written over (3)") {
        ag_masked_fill_(ag_mul_scalar(sample_float(s, "a", AG_SHAPE(3)), 1), sample_mask(s, "m", AG_SHAPE(2, 1)), 1);
    }
}
AG_SAMPLES(masked_select)
{
    SAMPLE("torch.masked_select(a, m != 0)") {
        sample_result(s, ag_masked_select(sample_float(s, "a", AG_SHAPE(3, 4)), sample_mask(s, "m", AG_SHAPE(3, 4))));
    }
    SAMPLE("torch.masked_select(a, m != 0) ** 2") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 1));
        sample_result(s, ag_square(ag_masked_select(a, sample_mask(s, "m", AG_SHAPE(2, 1, 4)))));
    }
    SAMPLE("torch.masked_select(a, m != 0)  # one number") {
        sample_result(s, ag_masked_select(sample_float(s, "a", AG_SHAPE_SCALAR), sample_mask(s, "m", AG_SHAPE(3))));
    }
    SAMPLE("torch.masked_select(a, m != 0)  # nothing") {
        sample_result(s, ag_masked_select(sample_float(s, "a", AG_SHAPE(2, 0)), sample_mask(s, "m", AG_SHAPE(2, 0))));
    }
    REFUSES("ag_masked_select: the mask must be uint8, got int64") {
        ag_masked_select(sample_float(s, "a", AG_SHAPE(3)), sample_int(s, "k", AG_SHAPE(3), 0, 2));
    }
    REFUSES("ag_masked_select: shapes (3) and (2) do not broadcast") {
        ag_masked_select(sample_float(s, "a", AG_SHAPE(3)), sample_mask(s, "m", AG_SHAPE(2)));
    }
}
AG_SAMPLES(masked_place)
{
    SAMPLE("torch.zeros(2, 3, dtype=a.dtype).masked_scatter(torch.tensor([[True, False, True], [False, True, False]]), a)") {
        ag_tensor mask = ag_from(AG_SHAPE(2, 3), AG_UINT8, (const uint8_t[]){1, 0, 1, 0, 7, 0});
        sample_result(s, masked_place(sample_float(s, "a", AG_SHAPE(3)), mask));
    }
    REFUSES("ag_masked_place: input 0 is (3) and must be (1)") {
        masked_place(sample_float(s, "a", AG_SHAPE(3)), ag_from(AG_SHAPE(2), AG_UINT8, (const uint8_t[]){1, 0}));
    }
}
#endif
