/*
 * One sweep under way. Internal: not installed.
 */
#ifndef WENGERT_AUTOGRAD_SWEEP_H
#define WENGERT_AUTOGRAD_SWEEP_H

#include "internal.h"
#include "kernels/kernels.h"

struct ag_sweep {
    ag_context *ctx;
    ag_node *node;
    ag_place where;
    bool accumulate; /* into leaves (ag_backward); else only what leads to the chosen inputs (ag_grad) */
    bool create, retain;
    bool probe;   /* a rule is only asked what it would contribute: nothing goes on to other nodes */
    bool opaque;  /* of a probe: the rule sends gradients on itself, so that this cannot be said */
    bool grad;    /* what recording was before the sweep */
    int64_t start, at; /* the first node, and the one from which down the sweep goes on */
    int64_t remaining; /* nodes with a pending gradient */
    void (*see)(ag_node *node, void *user); /* is shown each node before it is visited, or NULL */
    void *see_user;
    ag_value **collected; /* what the running rule gave to each input, while a hook is to see it; else NULL */
};

/* What a rule has multiplied and is not computed yet: see Note [Products wait] in products.c. */
struct ag_products {
    int count;
    ag_dtype dtype;
    k_product product[K_PRODUCTS];
    ag_value *factor[K_PRODUCTS][2];
};

/* Computes it; after an error it is only let go. */
void ag_products_compute(ag_context *ctx);
/* ag_sweep_target() without that. */
bool ag_sweep_target_beside(ag_sweep *s, int i, ag_array *target, bool *accumulate);

/* Where a gradient is going: to an output of a node, or to a leaf. */
struct ag_edge {
    ag_node *producer; /* NULL: a leaf */
    int output;
    ag_value *value;
};

static inline struct ag_edge ag_edge_of_input(const struct ag_node_input *input)
{
    struct ag_edge e = {input->producer, input->output, input->value};
    return e;
}

static inline struct ag_edge ag_edge_of_value(ag_value *v)
{
    struct ag_edge e = {v->producer, v->output, v};
    return e;
}

static inline ag_value **ag_edge_slot(struct ag_edge e)
{
    return e.producer != NULL ? &e.producer->pending_grad[e.output] : &e.value->pending;
}

/* Whether ag_grad() was asked for the gradient there. */
static inline bool ag_edge_is_target(struct ag_edge e)
{
    return e.producer != NULL ? (e.producer->targets >> e.output & 1) != 0 : e.value->target;
}

/* Replaces or drops what waits in a slot. */
void ag_pending_set(ag_value **slot, ag_value *g);
void ag_pending_drop(ag_value **slot);

/* Adds g to what waits at the edge, and notes that its node is to be visited. */
void ag_sweep_contribute(ag_sweep *s, struct ag_edge e, ag_value *g);
/* Adds g to a leaf's gradient, or makes it that. */
void ag_add_to_leaf(const ag_sweep *s, ag_value *leaf, const ag_value *g);
/* Marks the nodes that lie between the chosen inputs and the output, from index first up to last. */
void ag_sweep_mark_needed(ag_context *ctx, int64_t first, int64_t last);
void ag_sweep_give_back(ag_node *node); /* what was made readable for the rule */
void ag_graph_was_freed(ag_place where, const char *function, const ag_node *node);

/* Note [One sweep]
 * Every backward is these calls, whether it runs through or is taken node by node:
 *     ag_sweep_begin, { ag_sweep_resume, { ag_sweep_next, ag_sweep_visit }…, ag_sweep_pause }…, ag_sweep_finish
 * Between pause and resume the program may do what it likes, except begin another sweep. */

/* Starts at `output` with the configured cotangent; into leaves. False after raising (backward.c). */
bool ag_sweep_begin(ag_sweep *s, ag_place where, const char *function, ag_tensor output, const ag_backward_config *config);
/* ag_grad(), with a function that is shown each node before it is visited; may be NULL (backward.c). */
ag_error ag_grad_seen(ag_place where, ag_tensor output, int n, const ag_tensor *inputs, ag_tensor *gradients,
                      ag_backward_config config, void (*see)(ag_node *node, void *user), void *user);
void ag_sweep_resume(ag_sweep *s);
void ag_sweep_pause(ag_sweep *s);
/* The next node that a gradient has reached, not below index `last`; NULL if there is none. */
ag_node *ag_sweep_next(ag_sweep *s, int64_t last);
/* Whether anything but zeros has arrived at a node that is to be visited. */
bool ag_node_has_gradient(const ag_node *node);
/* Runs the node's rule on what has arrived. */
void ag_sweep_visit(ag_sweep *s, ag_node *node);
/* The end of a sweep that was resumed: all is visited, or an error came, or it is given up: then `abandoned`, and the gradients
 * that it touched count as half-done. */
void ag_sweep_finish(ag_sweep *s, bool abandoned);
/* What the node's rule would contribute to each input for the gradients `dy` of its outputs (NULL: none), as collected[i], which the
 * caller lets go with ag_pending_drop(); NULL where nothing goes. Changes nothing else. False if it cannot be said: after raising,
 * or because the rule sends its gradients on itself. */
bool ag_sweep_probe(ag_context *ctx, ag_node *node, ag_value *const *dy, ag_value **collected);

/* Runs a tensor's hooks on the gradient in *slot; whether a node has hooks of its own; its rule with these (hooks.c). */
void ag_hooks_run(ag_hook_entry *hooks, int output, ag_value **slot, ag_place where);
bool ag_hooks_of_node(const ag_node *node);
void ag_hooks_backward(ag_sweep *s, ag_node *node);

#endif
