/*
 * Backward: one reverse sweep over the tape.
 */
#ifndef WENGERT_AUTOGRAD_BACKWARD_H
#define WENGERT_AUTOGRAD_BACKWARD_H

#include "tape.h"

AG_EXTERN_C_BEGIN

/* Accumulates d loss / d leaf into every leaf that requires a gradient and that `loss` depends on. `loss` has one element.
 * The visited part of the graph is freed: a second backward through it is an error. Raises if nothing is reached, saying
 * why; returns the thread's error. A failed backward marks the gradients that it touched until they are zeroed. */
AG_API ag_error ag_backward_at(ag_place where, ag_tensor loss);
#define ag_backward(...) ag_backward_at(AG_HERE, __VA_ARGS__)

typedef struct ag_backward_config {
    uint32_t made_by_defaults;
    ag_tensor cotangent; /* gradient of the output, of its shape; AG_NONE: 1, and the output must have one element */
    bool retain_graph;   /* keep the graph for another backward; default false */
    bool create_graph;   /* ag_grad only: record the backward itself, so that gradients can be differentiated; default
                            false; implies retain_graph */
    bool allow_unused;   /* ag_grad only: an input that the output does not depend on yields AG_NONE instead of an
                            error; default false */
} ag_backward_config;

AG_API ag_backward_config ag_backward_defaults(void);
/* ag_backward with a configuration. */
AG_API ag_error ag_backward_with_at(ag_place where, ag_tensor output, ag_backward_config config);
#define ag_backward_with(...) ag_backward_with_at(AG_HERE, __VA_ARGS__)

/* d output / d inputs[i] into gradients[i] (results of the innermost scope); accumulates nothing into leaves. Inputs may be
 * leaves or results. The visited part of the graph is freed as by ag_backward(); that the way to an input was freed before is
 * an error, allow_unused or not. On an error every gradients[i] is AG_NIL. */
AG_API ag_error ag_grad_at(ag_place where, ag_tensor output, int n, const ag_tensor *inputs, ag_tensor *gradients,
                           ag_backward_config config);
#define ag_grad(...) ag_grad_at(AG_HERE, __VA_ARGS__)

/* A function to be differentiated or checked: reads `inputs`, returns one tensor of any shape. May be called many times; must be
 * pure. */
typedef ag_tensor (*ag_function)(const ag_tensor *inputs, int n, void *user);

AG_EXTERN_C_END

#endif
