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

/* ---- hooks ----------------------------------------------------------------------------------------------------------- */

typedef uint64_t ag_hook_id; /* 0: none */

/* Sees the complete gradient of a tensor whenever a backward reaches it; returns another tensor of the same shape and type to go
 * on in its place, or AG_NONE. It must not change `grad` in place. With create_graph its operations are recorded. */
typedef ag_tensor (*ag_hook)(ag_tensor grad, void *user);
/* Registers a hook on a leaf or a result that requires a gradient; several run in the order in which they were registered. A
 * leaf's hook lives as long as the leaf, a result's as long as its part of the graph. What a result's hook returns is what the
 * operation that made the tensor sees, and what ag_retain_grad() keeps. A change of the tensor in place leaves the hook with the
 * value before. Returns 0 after an error. */
AG_API ag_hook_id ag_register_hook_at(ag_place where, ag_tensor t, ag_hook hook, void *user);
#define ag_register_hook(...) ag_register_hook_at(AG_HERE, __VA_ARGS__)

/* Sees what one operation's rule made: grad_inputs[i] is the gradient for input i (AG_NONE where none is wanted), which the hook
 * may replace by another of the same shape and type; grad_outputs[k] are the gradients that arrived. */
typedef void (*ag_node_hook)(int n, ag_tensor *grad_inputs, int m, const ag_tensor *grad_outputs, void *user);
/* Registers a hook on the operation that made t. It lives as long as that part of the graph. Returns 0 after an error. */
AG_API ag_hook_id ag_register_node_hook_at(ag_place where, ag_tensor t, ag_node_hook hook, void *user);
#define ag_register_node_hook(...) ag_register_node_hook_at(AG_HERE, __VA_ARGS__)

/* Removes a hook from the tensor it was registered on; one that is gone already is no error. Not while a backward runs. */
AG_API void ag_remove_hook_at(ag_place where, ag_tensor t, ag_hook_id hook);
#define ag_remove_hook(...) ag_remove_hook_at(AG_HERE, __VA_ARGS__)

/* ---- checkpointing --------------------------------------------------------------------------------------------------- */

/* A function of tensors: reads `inputs`, returns one tensor of any shape. May be called many times; must compute the same each
 * time. */
typedef ag_tensor (*ag_function)(const ag_tensor *inputs, int n, void *user);

/* y = function(inputs), without keeping its intermediate results for backward: backward computes them anew, which costs one more
 * forward and saves their memory. What the function uses besides (weights) takes part as if there were no checkpoint; random
 * operations draw the same numbers again, running statistics move once. The function must compute the same each time, and
 * `user` must be valid until the backward. Its scopes must be closed when it returns. Chen et al. 2016. */
AG_API ag_tensor ag_checkpoint_at(ag_place where, ag_function function, void *user, int n, const ag_tensor *inputs);
#define ag_checkpoint(...) ag_checkpoint_at(AG_HERE, __VA_ARGS__)
/* Whether a checkpointed function is being computed anew: for functions that count how often they are called. */
AG_API bool ag_is_replaying(void);

/* ---- anomaly mode ---------------------------------------------------------------------------------------------------- */

/* Looks, until the innermost open scope ends (none open: in all scopes opened later), at every result and every gradient, and
 * raises at the first NaN or infinity with the operation, its line and its inputs. An infinity that was among the inputs, or that
 * the program asked for (fill, pad, masked_fill), is none. Slow: for finding a fault. PyTorch's detect_anomaly. */
AG_API void ag_detect_anomaly(bool on);
AG_API bool ag_anomaly_enabled(void); /* whether that is so now */

AG_EXTERN_C_END

#endif
