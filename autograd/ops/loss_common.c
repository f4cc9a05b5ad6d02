/*
 * What all losses share. Knows reductions, types and shapes, no particular loss.
 */
#include <math.h>

#include "autograd/autograd.h"
#include "autograd/internal.h"
#include "autograd/ops/loss_common.h"

/* ---- inside an operation ------------------------------------------------------------------------------------------ */

bool loss_reduction_is_right(ag_call *call, ag_reduction reduction)
{
    if ((unsigned)reduction > AG_REDUCE_NONE) {
        return ag_call_fail(call, AG_ERROR_VALUE, "reduction %d is unknown", (int)reduction);
    }
    return true;
}

double loss_reduction_scale(ag_reduction reduction, int64_t n)
{
    return reduction == AG_REDUCE_MEAN ? 1.0 / (double)n : 1.0;
}

void loss_store(const ag_array *a, double value)
{
    if (a->dtype == AG_FLOAT32) {
        *(float *)a->data = (float)value;
    } else {
        *(double *)a->data = value;
    }
}

double loss_sum_of(ag_dtype dtype, int64_t n, const void *data)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += dtype == AG_FLOAT32 ? (double)((const float *)data)[i] : ((const double *)data)[i];
    }
    return sum;
}

/* ---- in a function composed of operations ------------------------------------------------------------------------- */

loss_composed loss_begin(ag_place where)
{
    loss_composed c = { .caller = ag_caller_set(where), .frame = ag_frame_begin() };
    return c;
}

ag_tensor loss_end(loss_composed c, ag_tensor result)
{
    result = ag_frame_end(c.frame, result);
    ag_caller_set(c.caller);
    return result;
}

bool loss_accepts(ag_place where, const char *function, int n, const ag_tensor *inputs, ag_shape *shape)
{
    char ta[AG_SHAPE_TEXT], tb[AG_SHAPE_TEXT];
    ag_dtype dtype = AG_FLOAT32;
    for (int i = 0; i < n; i++) {
        const ag_value *v = ag_error_code() != AG_OK ? NULL : ag_resolve(where, function, inputs[i]);
        if (v == NULL) {
            return false;
        }
        ag_dtype type = (ag_dtype)v->dtype;
        if (!ag_dtype_is_float(type)) {
            ag_error_raise(where, AG_ERROR_DTYPE, "%s: needs a floating type, got %s", function, ag_dtype_name(type));
            return false;
        }
        ag_shape own = ag_value_shape_of(v), both = own;
        if (i == 0) {
            dtype = type;
            *shape = own;
        }
        if (type != dtype) {
            ag_error_raise(where, AG_ERROR_DTYPE, "%s: element types %s and %s differ", function, ag_dtype_name(dtype),
                           ag_dtype_name(type));
            return false;
        }
        if (i > 0 && !ag_shape_broadcast(*shape, own, &both)) {
            ag_error_raise(where, AG_ERROR_SHAPE, "%s: %s and %s: the shapes do not broadcast", function,
                           ag_shape_format(*shape, ta, sizeof(ta)), ag_shape_format(own, tb, sizeof(tb)));
            return false;
        }
        *shape = both;
    }
    return true;
}

bool loss_number(ag_place where, const char *function, const char *name, double value, double low, bool above)
{
    if (above ? value > low : value >= low) {
        return true;
    }
    ag_error_raise(where, AG_ERROR_VALUE, "%s: %s is %g and must be %s %g", function, name, value,
                   above ? "above" : "at least", low);
    return false;
}

bool loss_reduction(ag_place where, const char *function, ag_reduction reduction)
{
    if ((unsigned)reduction <= AG_REDUCE_NONE) {
        return true;
    }
    ag_error_raise(where, AG_ERROR_VALUE, "%s: reduction %d is unknown", function, (int)reduction);
    return false;
}

ag_tensor loss_target(ag_place where, ag_tensor target, ag_tensor x)
{
    if (!ag_is_alive(target) || !ag_is_alive(x)) {
        return target;
    }
    ag_dtype type = ag_dtype_of(x);
    return ag_dtype_is_float(ag_dtype_of(target)) || !ag_dtype_is_float(type) ? target : ag_cast_at(where, target, type);
}

ag_tensor loss_reduced(ag_tensor values, ag_reduction reduction)
{
    return reduction == AG_REDUCE_NONE ? values : reduction == AG_REDUCE_SUM ? ag_sum(values) : ag_mean(values);
}

ag_tensor loss_raised_to(ag_tensor x, double low)
{
    ag_tensor constant = ag_detach(x);
    return ag_add(x, ag_sub(ag_clamp(constant, low, INFINITY), constant));
}

ag_tensor loss_at_least(ag_tensor x, double low)
{
    return ag_clamp(x, low, INFINITY);
}
