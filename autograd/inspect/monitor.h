/*
 * Training at a glance: how large weights, gradients and updates are over time, and which units pass nothing on.
 *
 *     ag_monitor *m = ag_monitor_new(parameters);
 *     for (…) {
 *         … loss = …;
 *         ag_monitor_forward(m, loss);             optional: dead units
 *         ag_backward(loss);
 *         ag_monitor_gradients(m);                 before the optimizer's step
 *         optim_step(opt);
 *         ag_monitor_updates(m);                   after it
 *     }
 *     ag_monitor_print(m, stdout);
 *     ag_monitor_free(m);
 */
#ifndef WENGERT_AUTOGRAD_INSPECT_MONITOR_H
#define WENGERT_AUTOGRAD_INSPECT_MONITOR_H

#include <stdio.h>

#include "../tape.h"

AG_EXTERN_C_BEGIN

typedef struct ag_monitor ag_monitor;

/* Watches these leaves, which must live as long as it; names are copied, the list may go. Never NULL: a nil monitor, after an error,
 * watches nothing. Keeps a copy of the weights (float64) and four numbers a step and parameter. */
AG_API ag_monitor *ag_monitor_new_at(ag_place where, const ag_list *parameters);
#define ag_monitor_new(...) ag_monitor_new_at(AG_HERE, __VA_ARGS__)
AG_API void ag_monitor_free(ag_monitor *m); /* with what was noted */

/* Notes, before backward, the share of dead units of each unary element-wise operation that `loss` depends on: units whose local
 * derivative is 0 for the whole batch. A unit is a channel, dimension 1, of four dimensions, else a place of the last one. */
AG_API ag_error ag_monitor_forward_at(ag_place where, ag_monitor *m, ag_tensor loss);
#define ag_monitor_forward(...) ag_monitor_forward_at(AG_HERE, __VA_ARGS__)
/* Notes, after backward and before the optimizer's step, the norms ‖w‖ and ‖dw‖. */
AG_API ag_error ag_monitor_gradients(ag_monitor *m);
/* Notes, after the optimizer's step, ‖w after - w before‖, and ends the step. */
AG_API ag_error ag_monitor_updates(ag_monitor *m);

typedef enum ag_monitor_what {
    AG_MONITOR_WEIGHT,   /* ‖w‖ before the step */
    AG_MONITOR_GRADIENT, /* ‖dw‖; NaN: it had none; infinite: it had a NaN or infinity */
    AG_MONITOR_UPDATE,   /* ‖w after - w before‖ */
    AG_MONITOR_RATIO     /* ‖update‖ / ‖w‖; NaN where ‖w‖ is 0. About 1e-3 is usual. */
} ag_monitor_what;

AG_API int64_t ag_monitor_steps(const ag_monitor *m);                   /* complete ones */
AG_API int ag_monitor_count(const ag_monitor *m);                       /* parameters */
AG_API const char *ag_monitor_name(const ag_monitor *m, int parameter); /* "" out of range */
/* What was noted; NaN out of range. */
AG_API double ag_monitor_value(const ag_monitor *m, int64_t step, int parameter, ag_monitor_what what);
AG_API int ag_monitor_activations(const ag_monitor *m); /* operations of which dead units were noted */
AG_API const char *ag_monitor_activation_name(const ag_monitor *m, int activation); /* "features.1 relu" */
/* The share of dead units from 0 to 1; NaN out of range, or if it did not run in that step. */
AG_API double ag_monitor_dead(const ag_monitor *m, int64_t step, int activation);

/* Prints a line for each parameter: the course of the three norms, each from its least to its largest on a logarithmic scale, with
 * the mean of the last tenth, and a word if something looks wrong; then a line for each operation that has had dead units. UTF-8. */
AG_API ag_error ag_monitor_print(const ag_monitor *m, FILE *stream);

AG_EXTERN_C_END

#endif
