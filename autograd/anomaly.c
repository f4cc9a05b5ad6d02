/*
 * Anomaly mode: the first NaN or infinity, forward or backward, with the operation, the user's line and the inputs.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "backward.h"
#include "call.h"

struct survey {
    int64_t nans, infinities, first; /* row-major position of the first of either */
    double low, high;                /* of the finite ones */
};

static double element(const ag_array *a, const int64_t *index)
{
    int64_t at = 0;
    for (int d = 0; d < a->ndim; d++) {
        at += index[d] * a->stride[d];
    }
    return a->dtype == AG_FLOAT32 ? (double)((const float *)a->data)[at] : ((const double *)a->data)[at];
}

static struct survey look(const ag_array *a)
{
    struct survey s = {0, 0, -1, INFINITY, -INFINITY};
    int64_t index[AG_MAX_DIMS] = {0};
    for (int64_t k = 0; k < a->numel; k++) {
        double x = element(a, index);
        if (isfinite(x)) {
            s.low = fmin(s.low, x);
            s.high = fmax(s.high, x);
        } else {
            s.nans += isnan(x) != 0;
            s.infinities += isinf(x) != 0;
            s.first = s.first < 0 ? k : s.first;
        }
        for (int d = a->ndim - 1; d >= 0 && ++index[d] == a->size[d]; d--) {
            index[d] = 0;
        }
    }
    return s;
}

static bool floating(const ag_value *v)
{
    return v != NULL && v->storage != NULL && ag_dtype_is_float((ag_dtype)v->dtype);
}

/* "; input 0 (2,3): from -1 to 2, 1 NaN" behind what is in text already. */
static void describe(char *text, size_t bytes, int i, const ag_value *v)
{
    char shape[AG_SHAPE_TEXT];
    size_t used = strlen(text);
    ag_array a = ag_value_array(v);
    struct survey s = look(&a);
    used += (size_t)snprintf(text + used, bytes - used, "; input %d%s%s %s:", i, v->name != NULL ? ", " : "",
                             v->name != NULL ? v->name : "", ag_shape_format(ag_value_shape_of(v), shape, sizeof(shape)));
    if (used < bytes && s.low <= s.high) {
        used += (size_t)snprintf(text + used, bytes - used, " from %g to %g", s.low, s.high);
    }
    if (used < bytes && (s.nans > 0 || s.infinities > 0)) {
        used += (size_t)snprintf(text + used, bytes - used, "%s %lld NaN, %lld infinite", s.low <= s.high ? "," : "",
                                 (long long)s.nans, (long long)s.infinities);
    }
    if (used < bytes && v->numel == 0) {
        snprintf(text + used, bytes - used, " empty");
    }
}

bool ag_anomaly_check_call(ag_call *call)
{
    if (call->ctx->in_backward > call->ctx->replaying) {
        return true; /* a rule's own steps: what it contributes is looked at */
    }
    for (int i = 0; i < call->op->outputs; i++) {
        if (!floating(call->out[i])) {
            continue;
        }
        struct survey y = look(&call->out_array[i]);
        bool known = call->op->chosen;
        for (int k = 0; k < call->n && y.nans == 0 && !known; k++) {
            if (floating(call->in[k])) {
                known = look(&call->in_array[k]).infinities > 0;
            }
        }
        if (y.nans == 0 && (y.infinities == 0 || known)) {
            continue;
        }
        char inputs[512] = "", shape[AG_SHAPE_TEXT];
        for (int k = 0; k < call->n && k < AG_OP_MAX_INPUTS; k++) {
            if (floating(call->in[k])) {
                describe(inputs, sizeof(inputs), k, call->in[k]);
            }
        }
        return ag_call_fail(call, AG_ERROR_NUMBER, "anomaly: %lld NaN and %lld infinities in the result %s, the first at "
                            "element %lld%s", (long long)y.nans, (long long)y.infinities,
                            ag_shape_format(ag_value_shape_of(call->out[i]), shape, sizeof(shape)), (long long)y.first,
                            inputs);
    }
    return true;
}

bool ag_anomaly_check_gradient(const ag_node *node, int i, const ag_value *g)
{
    if (!floating(g)) {
        return true;
    }
    ag_array a = ag_value_array(g);
    struct survey s = look(&a);
    if (s.nans == 0 && s.infinities == 0) {
        return true;
    }
    char inputs[512] = "", shape[AG_SHAPE_TEXT];
    for (int k = 0; k < node->inputs && k < AG_OP_MAX_INPUTS; k++) {
        if (floating(node->input[k].value)) {
            describe(inputs, sizeof(inputs), k, node->input[k].value);
        }
    }
    ag_error_raise(node->where, AG_ERROR_NUMBER,
                   "backward of ag_%s%s%s: anomaly: %lld NaN and %lld infinities in the gradient %s of input %d, the first at "
                   "element %lld%s", node->op->name, node->label->path[0] != '\0' ? ", in " : "", node->label->path,
                   (long long)s.nans, (long long)s.infinities, ag_shape_format(ag_value_shape_of(g), shape, sizeof(shape)), i,
                   (long long)s.first, inputs);
    return false;
}

void ag_detect_anomaly(bool on)
{
    ag_context *ctx = ag_context_get();
    if (ctx != NULL) {
        ctx->anomaly = on;
    }
}

bool ag_anomaly_enabled(void)
{
    return ag_current != NULL && ag_current->anomaly;
}
