/*
 * Backward taken one node at a time, and forward taken again.
 *
 *     ag_stepper *s = ag_stepper_new(loss, ag_backward_defaults());
 *     while (ag_stepper_node(s) >= 0) {
 *         … ag_stepper_grad(s, 0), ag_stepper_contribution(s, 0) …     what has arrived, and what will flow on
 *         ag_stepper_step(s);
 *     }
 *     ag_stepper_free(s);
 *
 * The steps are those of ag_backward(), in its order and by its code: the gradients that the leaves end up with are the same bits.
 */
#ifndef WENGERT_AUTOGRAD_INSPECT_STEP_H
#define WENGERT_AUTOGRAD_INSPECT_STEP_H

#include <stdio.h>

#include "../backward.h"
#include "../op.h"

AG_EXTERN_C_BEGIN

/* ---- backward ---------------------------------------------------------------------------------------------------------- */

typedef struct ag_stepper ag_stepper;

/* Begins the backward that ag_backward_with() would run, and stops at the first node. Until the stepper is at the end or freed, no
 * other backward can begin on this thread; operations may run. One that is freed before its end, or whose scope ends, leaves the
 * gradients that it touched half-done, as a failed backward does, until they are zeroed. Never NULL: a nil stepper stands at no
 * node. */
AG_API ag_stepper *ag_stepper_new_at(ag_place where, ag_tensor loss, ag_backward_config config);
#define ag_stepper_new(...) ag_stepper_new_at(AG_HERE, __VA_ARGS__)
AG_API void ag_stepper_free(ag_stepper *s); /* gives up what is left, as said above; never fails */

/* The index of the node that is visited next, as ag_tape_print() numbers it; -1 at the end. */
AG_API int64_t ag_stepper_node(const ag_stepper *s);
/* Its operation, with formula and derivative, its line and its part of the model; NULL, {NULL, 0} and "" at the end. */
AG_API const struct ag_op *ag_stepper_op(const ag_stepper *s);
AG_API ag_place ag_stepper_line(const ag_stepper *s);
AG_API const char *ag_stepper_part(const ag_stepper *s);

/* All of them are copies that belong to the innermost scope. */
/* The gradient that has arrived at output i, which is complete; AG_NONE if none did. */
AG_API ag_tensor ag_stepper_grad_at(ag_place where, ag_stepper *s, int i);
/* What the rule will contribute to input i: the local derivative times what has arrived, before hooks. The rule is asked without
 * anything being changed, so a rule of a program's own is called twice. AG_NONE if the input wants none, or if that cannot be said
 * of the rule: a checkpointed block sends its gradients on itself. */
AG_API ag_tensor ag_stepper_contribution_at(ag_place where, ag_stepper *s, int i);
/* What has been added up so far for the tensor that is input i, by the nodes visited; AG_NONE if nothing. */
AG_API ag_tensor ag_stepper_accumulated_at(ag_place where, ag_stepper *s, int i);
#define ag_stepper_grad(...) ag_stepper_grad_at(AG_HERE, __VA_ARGS__)
#define ag_stepper_contribution(...) ag_stepper_contribution_at(AG_HERE, __VA_ARGS__)
#define ag_stepper_accumulated(...) ag_stepper_accumulated_at(AG_HERE, __VA_ARGS__)

/* Each goes on and returns the node it stops at, -1 at the end. */
AG_API int64_t ag_stepper_step(ag_stepper *s);       /* one node */
AG_API int64_t ag_stepper_out(ag_stepper *s);        /* until another line of the program */
AG_API int64_t ag_stepper_to_node(ag_stepper *s, int64_t node); /* until that node or one below it is next */
AG_API int64_t ag_stepper_to_op(ag_stepper *s, const char *operation); /* at least one step, until such an operation is next */
/* Until t's gradient is complete: the node that made it is next, or, of a leaf, the last node that uses it has been visited. */
AG_API int64_t ag_stepper_to_at(ag_place where, ag_stepper *s, ag_tensor t);
#define ag_stepper_to(...) ag_stepper_to_at(AG_HERE, __VA_ARGS__)
/* Until the next node's rule would contribute the first NaN or infinity, or one has arrived at it. */
AG_API int64_t ag_stepper_to_nonfinite(ag_stepper *s);
AG_API ag_error ag_stepper_finish(ag_stepper *s);    /* to the end; returns the thread's error */

/* Prints the stop: operation, line, the rule in symbols, what has arrived, and for each input what the rule contributes and what
 * has been added up so far; numbers up to 8 elements, else norm, least and largest. */
AG_API ag_error ag_stepper_print(ag_stepper *s, FILE *stream);

/* ---- forward ----------------------------------------------------------------------------------------------------------- */

typedef struct ag_replay ag_replay;

/* Prepares to compute again what `output` depends on, node by node, from the leaves and constants as they are now. Nothing is
 * recorded, no random number is drawn anew, no running statistics move. Needs the nodes' inputs: the tape before its backward, or a
 * retained one. Never NULL. */
AG_API ag_replay *ag_replay_new_at(ag_place where, ag_tensor output);
#define ag_replay_new(...) ag_replay_new_at(AG_HERE, __VA_ARGS__)
AG_API void ag_replay_free(ag_replay *r); /* with what was computed; the tape stays */
/* Puts `value`, of the same shape and type, in the place of a leaf, constant or result, from now on. */
AG_API ag_error ag_replay_set_at(ag_place where, ag_replay *r, ag_tensor t, ag_tensor value);
#define ag_replay_set(...) ag_replay_set_at(AG_HERE, __VA_ARGS__)
AG_API int64_t ag_replay_node(const ag_replay *r); /* the node that is computed next; -1 at the end */
AG_API int64_t ag_replay_step(ag_replay *r);       /* computes it, and returns the next */
AG_API ag_error ag_replay_finish(ag_replay *r);    /* computes all that is left */
/* What the node's output i was computed to be, as a copy of the innermost scope; AG_NONE if it was not computed yet. */
AG_API ag_tensor ag_replay_value_at(ag_place where, ag_replay *r, int64_t node, int i);
#define ag_replay_value(...) ag_replay_value_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
