/*
 * A layer over every step of a sequence: steps become samples of one long batch, and are put back in their order afterwards.
 */
#include <stdio.h>

#include "internal.h"
#include "layers.h"
#include "recurrent_parts.h"
#include "transformer_parts.h"

struct nn_time_distributed {
    nn_module base;
    nn_module *inner;
};

static void time_visit(nn_module *m, nn_visitor *v)
{
    nn_visit_child(v, nn_nameless, &((struct nn_time_distributed *)m)->inner);
}

static void time_describe(const nn_module *m, char *text, size_t bytes)
{
    nn_kind_text(((const struct nn_time_distributed *)m)->inner, text, bytes);
}

/* (N,T,…) as (N T,…) */
static ag_shape joined(ag_shape s)
{
    ag_shape rows = s;
    rows.ndim--;
    rows.size[0] = s.size[0] * s.size[1];
    for (int d = 1; d < rows.ndim; d++) {
        rows.size[d] = s.size[d + 1];
    }
    return rows;
}

static ag_tensor refused(const nn_module *m, const char *problem, ag_shape s)
{
    char text[NN_TEXT], shape[AG_SHAPE_TEXT];
    ag_error_raise(AG_HERE, AG_ERROR_SHAPE, "nn_forward: %s %s %s", nn_module_text(m, text, sizeof(text)), problem,
                   ag_shape_format(s, shape, sizeof(shape)));
    return AG_NIL;
}

static ag_tensor time_forward(nn_module *m, ag_tensor x)
{
    if (ag_is_nil(x) || ag_error_code() != AG_OK) {
        return AG_NIL;
    }
    ag_shape s = ag_shape_of(x);
    if (ag_error_code() != AG_OK) {
        return AG_NIL;
    }
    if (s.ndim < 2) {
        return refused(m, "needs (N,T,…), got", s);
    }
    if (s.size[0] * s.size[1] == 0) {
        return refused(m, "has no steps to work on, got", s);
    }
    ag_tensor y = nn_forward(((struct nn_time_distributed *)m)->inner, ag_reshape(x, joined(s)));
    if (ag_is_nil(y) || ag_error_code() != AG_OK) {
        return AG_NIL;
    }
    ag_shape rows = ag_shape_of(y), result = rows;
    char problem[96];
    if (rows.ndim < 1 || rows.size[0] != s.size[0] * s.size[1] || rows.ndim == AG_MAX_DIMS) {
        snprintf(problem, sizeof(problem), "needs a layer that gives (%lld,…) for its %lld steps in all, and it gave",
                 (long long)(s.size[0] * s.size[1]), (long long)(s.size[0] * s.size[1]));
        return refused(m, problem, rows);
    }
    result.ndim++;
    result.size[0] = s.size[0];
    result.size[1] = s.size[1];
    for (int d = 2; d < result.ndim; d++) {
        result.size[d] = rows.size[d - 1];
    }
    return ag_reshape(y, result);
}

static const nn_module_type time_distributed_type = {
    .size = sizeof(nn_module_type),
    .name = "TimeDistributed",
    .instance_size = sizeof(struct nn_time_distributed),
    .visit = time_visit,
    .forward = time_forward,
    .describe = time_describe,
};

/* Whether a layer can be given samples one after the other; raises if not. */
static bool takes_samples(nn_module *inner)
{
    const char *function = "nn_time_distributed";
    char text[NN_TEXT];
    if (inner == NULL) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "%s: the layer is NULL", function);
        return false;
    }
    if (!nn_usable(AG_HERE, function, inner)) {
        return false;
    }
    if (inner->type->forward == NULL) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "%s: %s has a forward of its own, which takes more than one tensor", function,
                       nn_module_text(inner, text, sizeof(text)));
        return false;
    }
    if (nn_rnn_steps_first(inner) || nn_attention_steps_first(inner) || nn_transformer_steps_first(inner)) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "%s: %s would take samples for steps: it needs batch_first", function,
                       nn_module_text(inner, text, sizeof(text)));
        return false;
    }
    return true;
}

/* The layer that was handed over goes with a wrapper that cannot be made. */
nn_module *nn_time_distributed(nn_module *inner)
{
    bool good = takes_samples(inner);
    nn_module *m = good ? nn_module_new(&time_distributed_type) : NULL;
    if (good && !nn_is_nil(m) && nn_adopt(AG_HERE, m, nn_nameless, inner)) {
        ((struct nn_time_distributed *)m)->inner = inner;
        return m;
    }
    nn_free(m);
    if (inner != NULL && inner->priv != NULL && nn_private_of(inner)->parent == NULL) {
        nn_free(inner);
    }
    return nn_module_nil(&time_distributed_type);
}
