/*
 * What the parts of the lesson on descent share.
 */
#ifndef EXAMPLES_DESCENT_H
#define EXAMPLES_DESCENT_H

#include <stdbool.h>
#include <stdint.h>

#include "autograd/autograd.h"
#include "optim/optim.h"

#include "common/options.h"
#include "common/plot.h"
#include "common/record.h"

struct lesson {
    const struct options *options;
    struct plot_output out;
    json_t *record;
};

/* ---- Surfaces (surfaces.c) ------------------------------------------------------------------------------------------------- */

struct surface {
    const char *name, *key;
    /* Heights at n places at once. x, y (n), float64; result (n) */
    ag_tensor (*height)(const struct surface *s, ag_tensor x, ag_tensor y);
    double lowest;   /* the least height */
    double start[2]; /* of the race */
    double x_low, x_high, y_low, y_high; /* what the pictures show */
    double steep;                        /* of the ravines: the curvature across, where that along is 1 */
};

enum { RAVINE, TURNED, SADDLE, PLATEAU, HOLLOWS, HIMMELBLAU, BEALE, ROSENBROCK, SURFACES };
extern const struct surface surfaces[SURFACES];
/* The height of the ravine, for others that are more or less steep. */
ag_tensor ravine(const struct surface *s, ag_tensor x, ag_tensor y);
/* The four lowest places of Himmelblau's function. */
extern const double himmelblau_minima[4][2];

/* The height of one place. */
double surface_height(const struct surface *s, double x, double y);
/* Hill and dale as a panel, for paths to be drawn on. False without memory. */
bool surface_draw(struct plot_panel *panel, const struct surface *s);

/* ---- Walking (walk.c) ------------------------------------------------------------------------------------------------------ */

enum { SGD, MOMENTUM, NESTEROV, ADAGRAD, RMSPROP, ADAM, WALKERS };
extern const char *const walker_names[WALKERS];

struct walk {
    const struct surface *surface;
    int walker;
    double rate, momentum;
    double start[2];
    int steps;   /* at most */
    double goal; /* stops at a height of at most this; -INFINITY: never */
    /* What came of it. The path is the caller's: steps + 1 places each; NULL: not kept. */
    double *x, *y, *height;
    int done;     /* steps taken */
    bool reached; /* the goal */
    double end[2];
};
/* With momentum 0.9 where the walker has one. */
struct walk walk_of(const struct surface *s, int walker, double rate, int steps);
/* Walks. Ends early at the goal, and when the height is no number any more or far above the start: the rate was too large. */
void walk(struct walk *w);

/* ---- The parts. False after an error, which has been printed. -------------------------------------------------------------- */

bool starts_part(struct lesson *l);
bool critical_part(struct lesson *l);
bool momentum_part(struct lesson *l);
bool race_part(struct lesson *l);

#endif
