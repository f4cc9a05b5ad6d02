/*
 * What a network with two inputs answers at each place of a plane, for pictures of decision boundaries; and the points of a set
 * on it, class by class.
 */
#ifndef EXAMPLES_COMMON_LANDSCAPE_H
#define EXAMPLES_COMMON_LANDSCAPE_H

#include "data/data.h"
#include "nn/nn.h"
#include "plot.h"

/* Runs the network over the grid's rows x columns places, each after the scaler (NULL: as it is), in one batch and without
 * recording. answers[(row * columns + column) * outputs + k] is its k-th output; the caller frees it, NULL after an error. The
 * grid's values are not looked at. */
double *landscape_answers(nn_module *net, data_transform *scale, struct plot_grid grid,
                          int64_t outputs);

/* A set of two inputs and a class, as plain numbers. */
struct landscape_points {
    int64_t n;
    double *x, *y;  /* [n] */
    int64_t *class; /* [n] */
    double x_low, x_high, y_low, y_high;
};
/* False without memory or after an error. Free with landscape_points_free(), also then. */
bool landscape_points(struct landscape_points *p, data_set *set);
void landscape_points_free(struct landscape_points *p);
/* A grid over the points and a little around them. */
struct plot_grid landscape_grid(const struct landscape_points *p, int64_t rows, int64_t columns);
/* The points of each class in that class's colour and mark, under its name in the set. `wrong` (NULL: none) are ringed. */
void landscape_draw_points(struct plot_panel *panel, const struct landscape_points *p,
                           data_set *named, const bool *wrong);

#endif
