/*
 * Dropout: the only layer with a generator of its own.
 */
#include <stdio.h>

#include "internal.h"
#include "layers.h"

/* Training: y = x mask / (1 - p), mask 0 with probability p. Evaluation, or p = 0: y is x
 * itself. */
struct nn_dropout {
    nn_module base;
    double p;
    ag_rng rng;
};

static void dropout_visit(nn_module *m, nn_visitor *v)
{
    nn_visit_rng(v, "rng", &((struct nn_dropout *)m)->rng);
}

static ag_tensor dropout_forward(nn_module *m, ag_tensor x)
{
    struct nn_dropout *self = (struct nn_dropout *)m;
    return m->training && self->p > 0 ? ag_dropout(x, self->p, &self->rng) : x;
}

static void dropout_describe(const nn_module *m, char *text, size_t bytes)
{
    snprintf(text, bytes, "p=%g", ((const struct nn_dropout *)m)->p);
}

static const nn_module_type dropout_type = {
    .size = sizeof(nn_module_type),
    .name = "Dropout",
    .instance_size = sizeof(struct nn_dropout),
    .visit = dropout_visit,
    .forward = dropout_forward,
    .describe = dropout_describe,
};

nn_module *nn_dropout(double p)
{
    if (!(p >= 0 && p <= 1)) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE,
                       "nn_dropout: the probability must be between 0 and 1, got %g", p);
        return nn_module_nil(&dropout_type);
    }
    nn_module *m = nn_module_new(&dropout_type);
    ((struct nn_dropout *)m)->p = p;
    return m;
}
