/*
 * Where a gradient comes from, why it is zero or missing, and whether it is right.
 */
#ifndef WENGERT_AUTOGRAD_INSPECT_EXPLAIN_H
#define WENGERT_AUTOGRAD_INSPECT_EXPLAIN_H

#include <stdio.h>

#include "../backward.h"

AG_EXTERN_C_BEGIN

/* ---- explain ----------------------------------------------------------------------------------------------------------- */

typedef struct ag_explain_config {
    uint32_t made_by_defaults;
    int paths;          /* how many paths are followed at most; default 8 */
    double saturated;   /* a local derivative below this, but not 0, counts as saturated; default 0.01 */
} ag_explain_config;

typedef struct ag_explanation {
    bool reached;       /* whether the loss leads to the tensor */
    double norm;        /* of the gradient */
    double paths;       /* how many there are (a double: they may be astronomically many) */
    int followed;       /* how many of them were followed: all, or those of the largest contributions at each fork */
    double followed_norm; /* of what they contribute together */
    double residual;    /* ‖gradient - what they contribute‖ / ‖gradient‖: 0 up to rounding if all were followed */
    int uses;           /* how many operations read the tensor */
    double dead, saturated; /* the largest share of an element-wise operation's local derivatives, on the way, that are 0, or small */
    int64_t dies_at;    /* the first node, in backward's order, that gets a gradient and passes nothing but zeros on; -1: none */
} ag_explanation;

AG_API ag_explain_config ag_explain_defaults(void);
/* Prints (stream may be NULL: only the result) the chain rule from `loss` to x along every path, in symbols and with the numbers of
 * this run where they are single numbers, else with shapes and norms; what each use of x contributes; which operations pass little
 * or nothing on; and, if x gets no gradient, why: detached at a line, a no_grad scope at a line, an operation that is not
 * differentiable, no use of it. `loss` has one element; x is a leaf or a result. Needs the tape before its backward, or a retained
 * one; changes no gradient. */
AG_API ag_explanation ag_explain_at(ag_place where, FILE *stream, ag_tensor loss, ag_tensor x, ag_explain_config config);
#define ag_explain(...) ag_explain_at(AG_HERE, __VA_ARGS__)

/* ---- check on the spot ------------------------------------------------------------------------------------------------- */

typedef struct ag_check_config {
    uint32_t made_by_defaults;
    double step;        /* of the differences, times max(1, |x|); default 1e-3 */
    double tolerance;   /* of the relative error; default 0: 1e-4 where the tape is float32, 1e-7 where it is float64 */
    int64_t elements;   /* how many elements are checked, spread evenly; 0: all; default 64 */
} ag_check_config;

typedef struct ag_check_report {
    bool passed;
    double worst;       /* the largest |analytic - numeric| / max |numeric| */
    int64_t element;    /* where it was found, row-major */
    double analytic, numeric, scale; /* there; and max |numeric| of the elements checked */
    int64_t checked;    /* how many elements */
} ag_check_report;

AG_API ag_check_config ag_check_defaults(void);
/* Compares d loss / dx of the current tape with differences: the part of the tape that depends on x is computed again, in float64,
 * with one element of x changed a little (two widths, extrapolated). x is a leaf or a result; nothing is changed. While a
 * backward is being stepped through, x must be a result whose gradient is complete. Needs the tape before its backward, or a
 * retained one. */
AG_API ag_check_report ag_check_gradient_at(ag_place where, ag_tensor loss, ag_tensor x, ag_check_config config);
#define ag_check_gradient(...) ag_check_gradient_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
