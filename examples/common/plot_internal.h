/*
 * What the files of the plot share: colours, ticks, ranges, contours. Nothing here draws.
 */
#ifndef EXAMPLES_COMMON_PLOT_INTERNAL_H
#define EXAMPLES_COMMON_PLOT_INTERNAL_H

#include "plot.h"

struct rgb {
    double r, g, b;
};
struct rgb plot_rgb(int colour);
struct rgb plot_mix(struct rgb a, struct rgb b, double share);
/* t from 0 to 1 along a map. */
struct rgb plot_map_rgb(enum plot_map map, double t);

struct plot_tile {
    struct plot_image image; /* its pixels are the tile's own */
};

/* ---- ticks --------------------------------------------------------------------------------- */

enum { PLOT_TICKS = 24 };
struct plot_ticks {
    double low, high; /* the range, perhaps widened to round ends */
    int count;
    double at[PLOT_TICKS];
    char text[PLOT_TICKS][PLOT_TEXT];
};
/* Ticks for an axis whose data lies in [low, high], about `wanted` of them. `widen`: the range is widened to
 * round ends where the axis does not fix them. */
void plot_ticks(struct plot_ticks *t, const struct plot_axis *axis, double low, double high,
                int wanted, bool widen);
/* Where a value lies: 0 at the low end, 1 at the high one; NaN if it is nowhere. */
double plot_share(const struct plot_axis *axis, double low, double high, double value);
/* A number without superfluous digits. */
void plot_number(char text[PLOT_TEXT], double value);

/* The range of all data on a panel, along x or y; [0, 1] if there is none. */
struct plot_range {
    double low, high;
    bool tight; /* a grid lies there: no room is to be left at its sides */
    bool filled;
};
struct plot_range plot_range_x(const struct plot_panel *panel);
struct plot_range plot_range_y(const struct plot_panel *panel);
/* The lowest and highest finite of n numbers. */
struct plot_range plot_range_of(int64_t n, const double *values);
int plot_bar_groups(const struct plot_panel *panel);

/* The figure's legend: the labelled series of all panels, if the panels agree; else NULL, and each panel has its own. */
const struct plot_panel *plot_common_legend(const struct plot *p);
bool plot_in_legend(const struct plot_series *s);
int plot_columns(const struct plot *p);

/* ---- contours ------------------------------------------------------------------------------ */

/* Calls `segment` for each piece of the line of height `level`, in the grid's coordinates. */
void plot_contour_lines(const struct plot_series *s, double level,
                        void (*segment)(void *user, double x1, double y1, double x2, double y2),
                        void *user);
/* The height between the samples; NaN outside. */
double plot_height_at(const struct plot_series *s, double x, double y);
/* How many levels lie below the value. */
int plot_band_of(const struct plot_series *s, double value);

#endif
