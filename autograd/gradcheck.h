/*
 * Numerical checks of gradients, in float64, by central differences (two widths, extrapolated).
 *
 * The relative error is ‖analytic − numeric‖∞ / ‖numeric‖∞ over all elements of one input.
 */
#ifndef WENGERT_AUTOGRAD_GRADCHECK_H
#define WENGERT_AUTOGRAD_GRADCHECK_H

#include "backward.h"

AG_EXTERN_C_BEGIN

typedef struct ag_gradcheck_config {
    uint32_t made_by_defaults;
    double step;      /* of the differences, times max(1, |x|); default 0: 1e-3 */
    double tolerance; /* of the relative error; default 0: 1e-7 for order 1, 1e-5 for order 2 */
    int order;        /* 1: gradients; 2: gradients of <gradient, random>; default 1 */
    uint64_t seed;    /* of the random cotangents; default 0 */
    bool recorded;    /* f is recorded for the differences, too, as it must be if it calls ag_grad() itself; default false */
} ag_gradcheck_config;

typedef struct ag_gradcheck_report {
    bool passed;
    double worst;      /* the largest relative error of any input */
    int input;         /* where it was found */
    int64_t element;   /* and at which row-major element */
    double analytic;   /* there */
    double numeric;    /* there */
    double scale;      /* ‖numeric‖∞ of that input */
} ag_gradcheck_report;

AG_API ag_gradcheck_config ag_gradcheck_defaults(void);
/* Checks `f`, which returns float64, at `inputs`: those that require gradients, at least one, must be row-major leaves of
 * float64; others are passed through. The values are changed during the check and restored. An error in f is raised and gives
 * passed = false. */
AG_API ag_gradcheck_report ag_gradcheck_at(ag_place where, ag_function f, void *user, int n, const ag_tensor *inputs,
                                           ag_gradcheck_config config);
#define ag_gradcheck(...) ag_gradcheck_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
