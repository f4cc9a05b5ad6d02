/*
 * Figures, panels and what was put on them: making, copying, freeing. It must not know how they are drawn.
 */
#include "plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plot_internal.h"

/* What is handed out without memory: fields may be set, nobody reads them. */
static struct plot nil_plot;
static struct plot_panel nil_panel;
static struct plot_series nil_series;

static void copy_text(char *to, size_t room, const char *from)
{
    snprintf(to, room, "%s", from == NULL ? "" : from);
}

struct plot *plot_new(const char *title)
{
    struct plot *p = calloc(1, sizeof *p);
    if (p == NULL) {
        nil_plot = (struct plot){ .failed = true };
        return &nil_plot;
    }
    copy_text(p->title, sizeof p->title, title);
    return p;
}

/* One more place in an array of pointers, with a zeroed struct of `size` in it. */
static void *append(void *array, int *count, size_t size)
{
    void ***list = array;
    void **longer = realloc(*list, ((size_t)*count + 1) * sizeof *longer);
    if (longer == NULL) {
        return NULL;
    }
    *list = longer;
    void *item = calloc(1, size);
    if (item != NULL) {
        longer[(*count)++] = item;
    }
    return item;
}

struct plot_panel *plot_panel(struct plot *p, const char *title, const char *x_label,
                              const char *y_label)
{
    struct plot_panel *panel = p == &nil_plot ? NULL : append(&p->panel, &p->count, sizeof *panel);
    if (panel == NULL) {
        p->failed = true;
        nil_panel = (struct plot_panel){ .figure = p };
        return &nil_panel;
    }
    panel->figure = p;
    copy_text(panel->title, PLOT_TEXT, title);
    copy_text(panel->x.label, PLOT_TEXT, x_label);
    copy_text(panel->y.label, PLOT_TEXT, y_label);
    panel->x.low = panel->x.high = panel->y.low = panel->y.high = NAN;
    panel->width = 420;
    panel->height = 320;
    return panel;
}

void plot_axis_names(struct plot_panel *panel, struct plot_axis *axis, int n,
                     const char *const *names)
{
    if (panel == &nil_panel) {
        return;
    }
    free(axis->name);
    axis->names = 0;
    axis->name = calloc((size_t)n + 1, sizeof *axis->name);
    if (axis->name == NULL) {
        panel->figure->failed = true;
        return;
    }
    axis->names = n;
    for (int i = 0; i < n; i++) {
        copy_text(axis->name[i], PLOT_TEXT, names[i]);
    }
}

static void free_series(struct plot_series *s)
{
    free(s->x);
    free(s->y);
    free(s->z);
    free(s->class_of);
    free(s->level);
    for (int64_t i = 0; s->tile != NULL && i < s->n; i++) {
        free((void *)s->tile[i].image.pixels);
    }
    free(s->tile);
    free(s);
}

void plot_free(struct plot *p)
{
    if (p == NULL || p == &nil_plot) {
        return;
    }
    for (int i = 0; i < p->count; i++) {
        struct plot_panel *panel = p->panel[i];
        for (int k = 0; k < panel->count; k++) {
            free_series(panel->series[k]);
        }
        free(panel->series);
        free(panel->x.name);
        free(panel->y.name);
        free(panel);
    }
    free(p->panel);
    free(p);
}

/* ---- series -------------------------------------------------------------------------------- */

static bool takes_a_colour(enum plot_kind kind)
{
    return kind == PLOT_KIND_LINE || kind == PLOT_KIND_BARS;
}

static struct plot_series *add(struct plot_panel *panel, enum plot_kind kind, const char *label)
{
    int turn = 0;
    for (int i = 0; i < panel->count; i++) {
        turn += takes_a_colour(panel->series[i]->kind);
    }
    struct plot_series *s =
        panel == &nil_panel ? NULL : append(&panel->series, &panel->count, sizeof *s);
    if (s == NULL) {
        panel->figure->failed = true;
        nil_series = (struct plot_series){ 0 };
        return &nil_series;
    }
    s->kind = kind;
    copy_text(s->label, PLOT_TEXT, label);
    s->colour = turn;
    s->mark = turn;
    s->width = 2;
    s->size = 3.2;
    s->format = "%.3g";
    s->low = s->high = NAN;
    return s;
}

static double *copy_doubles(struct plot_panel *panel, int64_t n, const double *values)
{
    double *copy = malloc((size_t)(n > 0 ? n : 1) * sizeof *copy);
    if (copy == NULL) {
        panel->figure->failed = true;
    } else if (values != NULL) {
        memcpy(copy, values, (size_t)n * sizeof *copy);
    } else {
        for (int64_t i = 0; i < n; i++) {
            copy[i] = (double)i;
        }
    }
    return copy;
}

static struct plot_series *add_points(struct plot_panel *panel, enum plot_kind kind,
                                      const char *label, int64_t n, const double *x,
                                      const double *y)
{
    struct plot_series *s = add(panel, kind, label);
    if (s == &nil_series) {
        return s;
    }
    s->x = copy_doubles(panel, n, x);
    s->y = copy_doubles(panel, n, y);
    s->n = s->x != NULL && s->y != NULL ? n : 0;
    return s;
}

struct plot_series *plot_line(struct plot_panel *panel, const char *label, int64_t n,
                              const double *x, const double *y)
{
    struct plot_series *s = add_points(panel, PLOT_KIND_LINE, label, n, x, y);
    s->line = true;
    return s;
}

struct plot_series *plot_points(struct plot_panel *panel, const char *label, int64_t n,
                                const double *x, const double *y)
{
    struct plot_series *s = add_points(panel, PLOT_KIND_LINE, label, n, x, y);
    s->points = true;
    return s;
}

struct plot_series *plot_band(struct plot_panel *panel, const char *label, int64_t n,
                              const double *x, const double *low, const double *high)
{
    struct plot_series *s = add_points(panel, PLOT_KIND_BAND, label, n, x, low);
    if (s != &nil_series) {
        s->z = copy_doubles(panel, n, high);
        s->n = s->z != NULL ? s->n : 0;
    }
    return s;
}

struct plot_series *plot_bars(struct plot_panel *panel, const char *label, int64_t n,
                              const double *heights)
{
    return add_points(panel, PLOT_KIND_BARS, label, n, NULL, heights);
}

struct plot_series *plot_mark(struct plot_panel *panel, const char *label, double x, double y)
{
    struct plot_series *s = add_points(panel, PLOT_KIND_MARK, label, 1, &x, &y);
    s->colour = PLOT_INK;
    s->width = 1;
    return s;
}

struct plot_series *plot_words(struct plot_panel *panel, const char *words, double x, double y)
{
    struct plot_series *s = add_points(panel, PLOT_KIND_WORDS, words, 1, &x, &y);
    s->colour = PLOT_INK;
    return s;
}

static struct plot_series *add_grid(struct plot_panel *panel, enum plot_kind kind,
                                    struct plot_grid grid)
{
    struct plot_series *s = add(panel, kind, "");
    if (s == &nil_series || grid.rows < 1 || grid.columns < 1) {
        return s;
    }
    s->z = copy_doubles(panel, grid.rows * grid.columns, grid.values);
    if (s->z == NULL) {
        return s;
    }
    s->rows = grid.rows;
    s->columns = grid.columns;
    s->x_low = grid.x_low;
    s->x_high = grid.x_high;
    s->y_low = grid.y_low;
    s->y_high = grid.y_high;
    return s;
}

struct plot_series *plot_heat(struct plot_panel *panel, struct plot_grid grid)
{
    struct plot_series *s = add_grid(panel, PLOT_KIND_HEAT, grid);
    s->bar = true;
    return s;
}

struct plot_series *plot_table(struct plot_panel *panel, int64_t rows, int64_t columns,
                               const double *values)
{
    struct plot_grid grid = {
        rows, columns, values, 0, (double)(columns - 1), 0, (double)(rows - 1)
    };
    struct plot_series *s = add_grid(panel, PLOT_KIND_HEAT, grid);
    s->map = PLOT_MAP_LIGHT;
    s->values = true;
    panel->y.low = (double)rows - 0.5; /* row 0 at the top */
    panel->y.high = -0.5;
    return s;
}

struct plot_series *plot_regions(struct plot_panel *panel, struct plot_grid grid,
                                 const double *sureness)
{
    struct plot_series *s = add_grid(panel, PLOT_KIND_REGIONS, grid);
    if (s != &nil_series && sureness != NULL) {
        s->y = copy_doubles(panel, grid.rows * grid.columns, sureness);
    }
    return s;
}

struct plot_series *plot_contours(struct plot_panel *panel, struct plot_grid grid, int n,
                                  const double *levels)
{
    struct plot_series *s = add_grid(panel, PLOT_KIND_CONTOURS, grid);
    if (s == &nil_series || s->z == NULL) {
        return s;
    }
    s->fill = s->lines = true;
    s->map = PLOT_MAP_LIGHT;
    s->width = 0.7;
    s->level = copy_doubles(panel, n, levels);
    if (s->level == NULL) {
        return s;
    }
    s->levels = n;
    if (levels == NULL) {
        struct plot_range r = plot_range_of(s->rows * s->columns, s->z);
        for (int i = 0; i < n; i++) {
            double t = (i + 1.0) / (n + 1);
            s->level[i] = r.low + (r.high - r.low) * t * t;
        }
    }
    return s;
}

struct plot_series *plot_confusion(struct plot_panel *panel, int classes, const int64_t *counts,
                                   const char *const *names)
{
    struct plot_series *s = add(panel, PLOT_KIND_CONFUSION, "");
    if (s == &nil_series) {
        return s;
    }
    s->z = calloc((size_t)classes * (size_t)classes, sizeof *s->z);
    if (s->z == NULL) {
        panel->figure->failed = true;
        return s;
    }
    s->rows = s->columns = classes;
    for (int i = 0; i < classes * classes; i++) {
        s->z[i] = (double)counts[i];
    }
    plot_axis_names(panel, &panel->x, classes, names);
    plot_axis_names(panel, &panel->y, classes, names);
    return s;
}

struct plot_series *plot_images(struct plot_panel *panel, int64_t n,
                                const struct plot_image *images, int columns, double side)
{
    struct plot_series *s = add(panel, PLOT_KIND_IMAGES, "");
    if (s == &nil_series) {
        return s;
    }
    s->columns = columns > 0 ? columns : 1;
    s->size = side;
    s->tile = calloc((size_t)n + 1, sizeof *s->tile);
    for (int64_t i = 0; s->tile != NULL && i < n; i++) {
        struct plot_image *image = &s->tile[i].image;
        *image = images[i];
        size_t bytes = (size_t)(image->channels * image->height * image->width) * sizeof(float);
        float *pixels = malloc(bytes > 0 ? bytes : 1);
        if (pixels != NULL) {
            memcpy(pixels, images[i].pixels, bytes);
        }
        image->pixels = pixels;
        s->n = i + 1;
        panel->figure->failed = panel->figure->failed || pixels == NULL;
    }
    panel->figure->failed = panel->figure->failed || s->tile == NULL;
    return s;
}

double *plot_sample(struct plot_grid *grid, double (*f)(double x, double y, void *user), void *user)
{
    double *values = malloc((size_t)(grid->rows * grid->columns) * sizeof *values);
    grid->values = values;
    for (int64_t i = 0; values != NULL && i < grid->rows * grid->columns; i++) {
        double column = (double)(i % grid->columns) / (double)(grid->columns - 1);
        double row = (double)(i / grid->columns) / (double)(grid->rows - 1);
        values[i] = f(grid->x_low + column * (grid->x_high - grid->x_low),
                      grid->y_low + row * (grid->y_high - grid->y_low), user);
    }
    return values;
}

/* ---- legends ------------------------------------------------------------------------------- */

bool plot_in_legend(const struct plot_series *s)
{
    return s->label[0] != '\0' &&
           (s->kind == PLOT_KIND_LINE || s->kind == PLOT_KIND_BAND || s->kind == PLOT_KIND_BARS);
}

static int next_labelled(const struct plot_panel *panel, int i)
{
    while (i < panel->count && !plot_in_legend(panel->series[i])) {
        i++;
    }
    return i;
}

static bool same_legend(const struct plot_panel *a, const struct plot_panel *b)
{
    int i = next_labelled(a, 0), k = next_labelled(b, 0);
    while (i < a->count && k < b->count) {
        const struct plot_series *s = a->series[i], *t = b->series[k];
        if (strcmp(s->label, t->label) != 0 || s->colour != t->colour || s->line != t->line ||
            s->dashed != t->dashed) {
            return false;
        }
        i = next_labelled(a, i + 1);
        k = next_labelled(b, k + 1);
    }
    return i >= a->count && k >= b->count;
}

const struct plot_panel *plot_common_legend(const struct plot *p)
{
    const struct plot_panel *first = NULL;
    int with = 0;
    for (int i = 0; i < p->count; i++) {
        const struct plot_panel *panel = p->panel[i];
        if (panel->no_legend || next_labelled(panel, 0) >= panel->count) {
            continue;
        }
        if (first != NULL && !same_legend(first, panel)) {
            return NULL;
        }
        first = first == NULL ? panel : first;
        with++;
    }
    return with > 1 ? first : NULL;
}

int plot_columns(const struct plot *p)
{
    int columns = p->columns > 0 ? p->columns : p->count < 3 ? p->count : p->count == 4 ? 2 : 3;
    return columns > 0 ? columns : 1;
}
