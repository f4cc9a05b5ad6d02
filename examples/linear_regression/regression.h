/*
 * What the parts of the lesson on linear regression share.
 */
#ifndef EXAMPLES_LINEAR_REGRESSION_H
#define EXAMPLES_LINEAR_REGRESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "autograd/autograd.h"
#include "data/data.h"
#include "nn/nn.h"
#include "optim/optim.h"

#include "common/options.h"
#include "common/plot.h"
#include "common/record.h"
#include "common/saving.h"

enum { FEATURES_MAX = 64, WEIGHTS_MAX = FEATURES_MAX + 1 };

struct lesson {
    const struct options *options;
    data_table *table;
    data_set *houses; /* all features, as they are in the table */
    data_set *rooms;  /* only the number of rooms */
    struct plot_output out;
    json_t *record;
};

/* A set as two tensors, and as plain arrays for what is done without the library. */
struct problem {
    int64_t n;      /* rows */
    int f;          /* features */
    ag_tensor x, y; /* (n, f) and (n, 1), float64 */
    double *xs;     /* [n][f] */
    double *ys;     /* [n] */
};
/* Takes the set. False without memory or after an error; a message was printed. */
bool problem_open(struct problem *p, const struct options *o, data_set *set);
void problem_close(struct problem *p);
double problem_spread(
    const struct problem *p); /* sum of (y - mean)^2 / n: the loss of one price for all houses */

/* ---- Without descent (solve.c). Weights are w_1 … w_f and b. ------------------------------------------------------------- */

/* The weights with the least mean squared error. False if features depend on one another, so that there is no single answer. */
bool solve_closed_form(const struct problem *p, double *weights);
/* Mean squared error of weights. */
double solve_loss(const struct problem *p, const double *weights);
/* The smallest curvature of the loss, by inverse iteration; NaN if it is 0. */
double solve_least_curvature(const struct problem *p);

/* ---- With descent (descent.c) -------------------------------------------------------------------------------------------- */

/* y = x W^T + b in float64, all weights 0: the loss is convex, any start will do. */
nn_module *line_new(int features);
/* w_1 … w_f and b. */
void line_read(nn_module *line, int features, double *weights);
ag_tensor line_loss(nn_module *line, ag_tensor x, ag_tensor y);

struct descent {
    double rate;
    int64_t steps;    /* at most */
    double loss_goal; /* stops when the loss is at most this; 0: does not look */
    /* called before each step with the loss and the weights, if not NULL; true: stop */
    bool (*look)(void *user, int64_t step, double loss, const double *weights);
    void *user;
    /* what came of it */
    int64_t done; /* steps */
    double loss;  /* before the last step */
    bool reached; /* the goal */
    double weights[WEIGHTS_MAX];
};
/* Full-batch gradient descent from 0. Ends early when the loss is not finite any more. */
void descend(const struct problem *p, struct descent *d);

/* The largest curvature of the loss, by power iteration with Hessian–vector products: the largest eigenvalue of the Hessian. Its
 * direction goes to direction[f + 1] (w, then b), the number of products to *products; both may be NULL. */
double largest_curvature(const struct problem *p, double *direction, int *products);

/* ---- The parts. False after an error, which has been printed. ------------------------------------------------------------- */

bool line_part(struct lesson *l);
bool batches_part(struct lesson *l);
bool rates_part(struct lesson *l);
bool bowl_part(struct lesson *l);
bool outliers_part(struct lesson *l);

#endif
