/*
 * Numbers as pictures: tables of weights, maps, digits, collected and then drawn side by side in a panel.
 */
#ifndef EXAMPLES_COMMON_TILES_H
#define EXAMPLES_COMMON_TILES_H

#include "autograd/autograd.h"
#include "plot.h"

enum { TILES_MAX = 64 };

/* Pictures for one panel, with memory of their own for their pixels. Begin with { 0 }. */
struct tiles {
    int count;
    struct plot_image image[TILES_MAX];
};

/* One more picture, all 0: its pixels, to be filled; NULL without memory, and above TILES_MAX. */
float *tiles_add(struct tiles *t, int64_t height, int64_t width, int channels);
/* One plane (height, width) of a tensor as a grey picture: `black` becomes black and `white` white. */
void tiles_add_plane(struct tiles *t, ag_tensor plane, double black, double white);
/* Numbers of both signs: blue, white, vermilion; from -most to most. */
void tiles_add_signed(struct tiles *t, int64_t height, int64_t width, const float *values,
                      double most);
/* The last one added, for words under it. */
struct plot_image *tiles_last(struct tiles *t);
/* Draws all in one more panel of the figure, `columns` to a row, each `side` points wide, and empties the collection. */
void tiles_put(struct tiles *t, struct plot *p, const char *title, int columns, double side);

/* A number from -1 to 1 as a colour: blue, white, vermilion. */
void tiles_tint(double value, float rgb[3]);

#endif
