/*
 * Element-wise combinations of three tensors, composed of two-operand operations.
 */
#include "../samples.h"
#include "look.h"
#include "ops.h"

/* Raises in the function's name what its parts would raise in theirs. */
static bool fits(ag_place where, const char *function, int n, const ag_tensor *t)
{
    char a[AG_SHAPE_TEXT], b[AG_SHAPE_TEXT];
    ag_shape shape = AG_SHAPE_SCALAR;
    const ag_value *first = NULL;
    for (int i = 0; i < n; i++) {
        const ag_value *v = look(where, function, t[i]);
        if (v == NULL) {
            return false;
        }
        first = first == NULL ? v : first;
        if (!ag_dtype_is_float((ag_dtype)v->dtype) || v->dtype != first->dtype) {
            ag_error_raise(where, AG_ERROR_DTYPE, "%s: needs float32 or float64 throughout, got %s and %s", function,
                           ag_dtype_name((ag_dtype)first->dtype), ag_dtype_name((ag_dtype)v->dtype));
            return false;
        }
        if (!ag_shape_broadcast(shape, ag_value_shape_of(v), &shape)) {
            ag_error_raise(where, AG_ERROR_SHAPE, "%s: shapes %s and %s do not broadcast", function,
                           ag_shape_format(shape, a, sizeof(a)), look_text(v, b));
            return false;
        }
    }
    return true;
}

/* y = a + w (b - a) */
ag_tensor ag_lerp_at(ag_place where, ag_tensor a, ag_tensor b, ag_tensor weight)
{
    if (!fits(where, "ag_lerp", 3, (const ag_tensor[]){a, b, weight})) {
        return AG_NIL;
    }
    ag_frame frame = ag_frame_begin();
    return ag_frame_end(frame, ag_add_at(where, a, ag_mul_at(where, weight, ag_sub_at(where, b, a))));
}

ag_tensor ag_lerp_scalar_at(ag_place where, ag_tensor a, ag_tensor b, double weight)
{
    if (!fits(where, "ag_lerp_scalar", 2, (const ag_tensor[]){a, b})) {
        return AG_NIL;
    }
    ag_frame frame = ag_frame_begin();
    return ag_frame_end(frame, ag_add_at(where, a, ag_mul_scalar_at(where, ag_sub_at(where, b, a), weight)));
}

/* y = x + c a b */
ag_tensor ag_addcmul_at(ag_place where, ag_tensor x, ag_tensor a, ag_tensor b, double value)
{
    if (!fits(where, "ag_addcmul", 3, (const ag_tensor[]){x, a, b})) {
        return AG_NIL;
    }
    ag_frame frame = ag_frame_begin();
    return ag_frame_end(frame, ag_add_at(where, x, ag_mul_scalar_at(where, ag_mul_at(where, a, b), value)));
}

/* y = x + c a / b */
ag_tensor ag_addcdiv_at(ag_place where, ag_tensor x, ag_tensor a, ag_tensor b, double value)
{
    if (!fits(where, "ag_addcdiv", 3, (const ag_tensor[]){x, a, b})) {
        return AG_NIL;
    }
    ag_frame frame = ag_frame_begin();
    return ag_frame_end(frame, ag_add_at(where, x, ag_mul_scalar_at(where, ag_div_at(where, a, b), value)));
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES_OF_FUNCTION(lerp)
{
    SAMPLE("torch.lerp(a, b, w)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE(3, 4)), b = sample_float(s, "b", AG_SHAPE(4));
        sample_result(s, ag_lerp(a, b, sample_range(s, "w", AG_SHAPE(3, 1), 0.1, 0.9)));
    }
    SAMPLE("torch.lerp(a, b, 0.3)") {
        ag_tensor a = sample_float(s, "a", AG_SHAPE_SCALAR), b = sample_float(s, "b", AG_SHAPE(4));
        sample_result(s, ag_lerp_scalar(a, b, 0.3));
    }
    REFUSES("ag_lerp: shapes (3) and (4) do not broadcast") {
        ag_lerp(sample_float(s, "a", AG_SHAPE(3)), sample_float(s, "b", AG_SHAPE(4)), sample_float(s, "w", AG_SHAPE(1)));
    }
    REFUSES("ag_lerp_scalar: needs float32 or float64 throughout, got int64 and int64") {
        ag_lerp_scalar(sample_int(s, "k", AG_SHAPE(3), 0, 2), AG_NONE, 1);
    }
}
AG_SAMPLES_OF_FUNCTION(addcmul)
{
    SAMPLE("torch.addcmul(x, a, b, value=-2)") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 4)), a = sample_float(s, "a", AG_SHAPE(3, 1));
        sample_result(s, ag_addcmul(x, a, sample_float(s, "b", AG_SHAPE(4)), -2));
    }
    SAMPLE("torch.addcdiv(x, a, b, value=0.5)") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 4)), a = sample_float(s, "a", AG_SHAPE(3, 1));
        sample_result(s, ag_addcdiv(x, a, sample_range(s, "b", AG_SHAPE(4), 0.5, 2), 0.5));
    }
    REFUSES("ag_addcmul: shapes (3) and (4) do not broadcast") {
        ag_addcmul(sample_float(s, "x", AG_SHAPE(3)), sample_float(s, "a", AG_SHAPE(4)), sample_float(s, "b", AG_SHAPE(4)), 1);
    }
    REFUSES("ag_addcdiv: a tensor is needed, got none") {
        ag_addcdiv(AG_NONE, AG_NONE, AG_NONE, 1);
    }
}
#endif
