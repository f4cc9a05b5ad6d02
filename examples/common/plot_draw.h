/*
 * What the drawing files of the plot share, with cairo. Lengths are points.
 */
#ifndef EXAMPLES_COMMON_PLOT_DRAW_H
#define EXAMPLES_COMMON_PLOT_DRAW_H

#include <cairo.h>

#include "plot_internal.h"

/* A panel while it is drawn: where its axes are, and what range they show. */
struct canvas {
    cairo_t *cr;
    const struct plot_panel *panel;
    double left, top, width, height; /* of the axes */
    struct plot_ticks x, y;
};

extern const struct rgb plot_white, plot_ink, plot_faint, plot_pale;

void draw_use(cairo_t *cr, struct rgb c);
void draw_bold(cairo_t *cr, bool on);
/* Text whose left end (align 0), middle (0.5) or right end (1) is at x on the baseline y. */
void draw_text(cairo_t *cr, double x, double y, double align, double size, struct rgb c,
               const char *words);
double draw_text_width(cairo_t *cr, double size, const char *words);
/* A mark of a scatter around (x, y). */
void draw_mark(cairo_t *cr, int mark, double size, double x, double y, struct rgb c);

/* Where a value lies on the sheet; kept near the axes, NaN if it is nowhere. */
double canvas_x(const struct canvas *c, double value);
double canvas_y(const struct canvas *c, double value);

/* What was put on a panel, between its axes. */
void draw_series(const struct canvas *c, const struct plot_series *s, int bar_group);
/* The colour bar at the right of the axes. */
void draw_colour_bar(const struct canvas *c, const struct plot_series *s);
/* The range of colours of a heat map. */
struct plot_range series_colours(const struct plot_series *s);

/* Panels without axes: their size, and themselves with their left top corner at (x, y). */
void sheet_size(const struct plot_panel *panel, const struct plot_series *s, double *width,
                double *height);
void draw_sheet(cairo_t *cr, const struct plot_panel *panel, const struct plot_series *s, double x,
                double y);

#endif
