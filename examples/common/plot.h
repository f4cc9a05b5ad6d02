/*
 * Plots: a figure is a title and some panels; a panel is a pair of axes with what was put on them. The same figure can be
 * written as a picture (PNG or SVG, with cairo) and printed with characters. It knows numbers and words, nothing of training.
 *
 *     struct plot *p = plot_new("Descent on a bowl");
 *     struct plot_panel *left = plot_panel(p, "loss", "step", "");
 *     left->y.log = true;
 *     plot_line(left, "momentum", n, NULL, losses)->dashed = true;      NULL: x is 0, 1, 2, …
 *     plot_line(left, "Adam", n, NULL, others);
 *     plot_print(p, stdout);
 *     good = plot_save(&out, p, "descent");                             out.folder/PROGRAM-descent.png
 *     plot_free(p);
 *
 * What was put on a panel is drawn in that order. Everything given is copied. The structs that the functions return have
 * fields to be changed after the call; they belong to the figure. Memory that runs out is reported when the figure is
 * written or printed, so no result needs to be checked before; no function returns NULL.
 */
#ifndef EXAMPLES_COMMON_PLOT_H
#define EXAMPLES_COMMON_PLOT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { PLOT_TEXT = 128 };

/* Seven colours that the colour-blind can tell apart (Okabe & Ito 2008), in the order in which series get them. Higher
 * numbers begin again; a scatter's marks differ as well. */
enum plot_colour {
    PLOT_BLUE,
    PLOT_VERMILION,
    PLOT_GREEN,
    PLOT_PURPLE,
    PLOT_AMBER,
    PLOT_SKY,
    PLOT_GREY,
    PLOT_COLOURS,
    PLOT_INK = 1000 /* nearly black */
};

/* How a heat map's numbers become colours. */
enum plot_map {
    PLOT_MAP_VIRIDIS,   /* dark blue, green, yellow */
    PLOT_MAP_LIGHT,     /* white to blue: leaves room for dark numbers and lines on it */
    PLOT_MAP_DIVERGING, /* blue, white, vermilion; white is zero */
    PLOT_MAP_GREY       /* black to white */
};

/* One axis. `low` and `high` are NaN at first: chosen from what is on the panel. */
struct plot_axis {
    char label[PLOT_TEXT];
    double low, high;
    bool log;    /* what is not above zero is left out */
    bool hidden; /* no ticks, no numbers */
    bool whole;  /* ticks at whole numbers only: epochs */
    int names;   /* above 0: the values 0, 1, … have names instead of numbers */
    char (*name)[PLOT_TEXT];
};

struct plot_series;
struct plot_panel {
    char title[PLOT_TEXT];
    char note[PLOT_TEXT]; /* a line under the panel, in small letters */
    struct plot_axis x, y;
    double width, height; /* in points, with everything around the axes; at first 420 x 320 */
    bool equal;           /* a unit is as long on x as on y */
    bool no_legend;
    /* the figure's */
    struct plot *figure;
    struct plot_series **series;
    int count;
};

/* A figure. Panels are laid out from left to right, `columns` to a row (0: up to three). */
struct plot {
    char title[PLOT_TEXT];
    char note[2 * PLOT_TEXT]; /* a line under everything */
    int columns;
    bool failed; /* out of memory */
    struct plot_panel **panel;
    int count;
};

struct plot *plot_new(const char *title);
struct plot_panel *plot_panel(struct plot *p, const char *title, const char *x_label,
                              const char *y_label);
/* Gives the axis names at 0, 1, …, n - 1: classes, kinds. */
void plot_axis_names(struct plot_panel *panel, struct plot_axis *axis, int n,
                     const char *const *names);
void plot_free(struct plot *p); /* NULL is fine */

/* ---- what can be put on a panel ------------------------------------------------------------------------------------------ */

enum plot_kind {
    PLOT_KIND_LINE,
    PLOT_KIND_BAND,
    PLOT_KIND_BARS,
    PLOT_KIND_HEAT,
    PLOT_KIND_REGIONS,
    PLOT_KIND_CONTOURS,
    PLOT_KIND_MARK,
    PLOT_KIND_WORDS,
    PLOT_KIND_CONFUSION,
    PLOT_KIND_IMAGES
};

struct plot_series {
    enum plot_kind kind;
    char label[PLOT_TEXT]; /* in the legend; "": not there */
    int colour;            /* enum plot_colour; given in turn */
    double width;          /* of lines, in points; 2 */
    bool line;             /* the points are joined */
    bool points;           /* the points are marked; the mark follows from `mark` */
    int mark;    /* 0 disc, 1 square, 2 triangle, 3 diamond, 4 ring, 5 cross; given in turn */
    double size; /* of a mark, in points; 3.2 */
    bool dashed;
    bool ends; /* marks the first point with a ring and the last with a disc: paths */
    /* heat maps, contours */
    enum plot_map map;
    bool values;        /* the numbers stand in the cells */
    const char *format; /* of these: a printf format for a double, "%.2f"; a literal */
    bool bar;           /* a colour bar stands beside it */
    bool fill;          /* contours: the bands between them are filled */
    bool lines;         /* contours: the lines are drawn */
    double low, high;   /* the range of colours; NaN: from the data */
    /* the figure's: the copied data */
    int64_t n, rows, columns;
    double *x, *y, *z;
    double x_low, x_high, y_low, y_high;
    int *class_of;
    int levels;
    double *level;
    struct plot_tile *tile;
};

/* Points (x, y), joined. x NULL: 0, 1, 2, …; what is not finite leaves a gap. */
struct plot_series *plot_line(struct plot_panel *panel, const char *label, int64_t n,
                              const double *x, const double *y);
/* Points (x, y), not joined: a scatter. */
struct plot_series *plot_points(struct plot_panel *panel, const char *label, int64_t n,
                                const double *x, const double *y);
/* The area between two curves: lowest and highest of several runs. */
struct plot_series *plot_band(struct plot_panel *panel, const char *label, int64_t n,
                              const double *x, const double *low, const double *high);
/* Bars at 0, 1, …, n - 1, named by plot_axis_names(panel, &panel->x, …). Several series stand side by side. */
struct plot_series *plot_bars(struct plot_panel *panel, const char *label, int64_t n,
                              const double *heights);
/* A dashed line across the panel, at x or at y (the other one NaN), with a word beside it. */
struct plot_series *plot_mark(struct plot_panel *panel, const char *label, double x, double y);
/* Words whose middle is at (x, y). */
struct plot_series *plot_words(struct plot_panel *panel, const char *words, double x, double y);

/* A grid's numbers, row by row, over a rectangle: row 0 lies at y_low, column 0 at x_low; the samples are at the ends of the
 * ranges and evenly between them. */
struct plot_grid {
    int64_t rows, columns;
    const double *values;
    double x_low, x_high, y_low, y_high;
};
/* The grid's cells as colours, values high up in the range bright or dark as the map says. */
struct plot_series *plot_heat(struct plot_panel *panel, struct plot_grid grid);
/* A table as colours, row 0 at the top, a unit for each cell: the axes can be named. `values` is set. */
struct plot_series *plot_table(struct plot_panel *panel, int64_t rows, int64_t columns,
                               const double *values);
/* Which class a classifier would give each place: the values are the classes 0, 1, …, filled with a light tint of the
 * colours PLOT_BLUE + class. `sureness` (NULL: 1 everywhere) from 0 to 1 makes it fainter. */
struct plot_series *plot_regions(struct plot_panel *panel, struct plot_grid grid,
                                 const double *sureness);
/* Lines of equal height. levels NULL: n of them, closer together towards the lowest value, so that a parabola's are evenly
 * spaced. Filled bands get lighter towards the lowest. */
struct plot_series *plot_contours(struct plot_panel *panel, struct plot_grid grid, int n,
                                  const double *levels);

/* How often class `truth` (row) was taken for class `guess` (column): counts[truth * classes + guess]. Right answers are
 * shaded by their share of the row, mistakes by their number; a column at the right has the share that is right. The panel
 * has nothing else on it. */
struct plot_series *plot_confusion(struct plot_panel *panel, int classes, const int64_t *counts,
                                   const char *const *names);

/* A picture with words under it: two on the first line, at the left and at the right, and one in the middle of the second. */
struct plot_image {
    int height, width,
        channels; /* 1 grey, 3 red, green, blue; then planes one after the other, as in a tensor (C, H, W) */
    const float *pixels; /* 0 black to 1 white */
    char left[PLOT_TEXT], right[PLOT_TEXT], below[PLOT_TEXT];
    bool negative; /* 0 white to 1 black: ink */
};
/* Pictures in a grid, `columns` to a row. `side`: how wide each is drawn, in points; the panel's size follows. It has nothing
 * else on it. */
struct plot_series *plot_images(struct plot_panel *panel, int64_t n,
                                const struct plot_image *images, int columns, double side);

/* ---- out ------------------------------------------------------------------------------------------------------------------ */

/* Where a program's pictures go. Without cairo the first save says in one line that pictures are off, and nothing is written. */
struct plot_output {
    const char *program; /* for messages and file names */
    const char *folder;  /* NULL: no pictures are wanted; made if need be */
    bool svg;            /* the files are SVG, else PNG */
    bool told;           /* that there is no cairo; at first false */
};
/* Writes folder/PROGRAM-name.png or .svg and says so; true if nothing was to be written, too. False after an error, which has
 * been printed; no half-written file is left. */
bool plot_save(struct plot_output *out, struct plot *p, const char *name);
/* Writes the figure to a path, as its ending says: .png or .svg. */
bool plot_write(struct plot *p, const char *program, const char *path);
/* Prints the figure with characters, at most 80 columns wide; Unicode where the locale has it. */
void plot_print(struct plot *p, FILE *stream);

/* An animation: figures of one size, one after the other, as folder/PROGRAM-name.png (an animated PNG, which browsers play;
 * other viewers show the first frame). */
struct plot_animation {
    struct plot_output *out;
    char *path;
    struct data_animation *file;
    int64_t width, height;
    bool failed, replaces;
};
/* Each frame is shown for `milliseconds`; the animation begins again at its end. scale: pixels a point. */
bool plot_animation_begin(struct plot_animation *a, struct plot_output *out, const char *name,
                          int milliseconds);
bool plot_animation_add(struct plot_animation *a, struct plot *p, double scale);
/* Shows the last frame for longer. */
bool plot_animation_end(struct plot_animation *a, int milliseconds);

/* ---- numbers for axes: used by the parts of the plot, and by tables ------------------------------------------------------- */

/* Samples f over a grid: values[row * columns + column] = f(x, y). The caller frees values; NULL without memory. */
double *plot_sample(struct plot_grid *grid, double (*f)(double x, double y, void *user),
                    void *user);

#endif
