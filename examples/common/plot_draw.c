/*
 * The parts that lie between a panel's axes, drawn with cairo: curves, points, bars, grids, contours.
 */
#include "plot.h"

#ifdef EXAMPLES_CAIRO

#include "plot_draw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const struct rgb plot_white = { 1, 1, 1 }, plot_ink = { 0.13, 0.15, 0.18 },
                 plot_faint = { 0.40, 0.43, 0.47 }, plot_pale = { 0.89, 0.90, 0.92 };

void draw_use(cairo_t *cr, struct rgb c)
{
    cairo_set_source_rgb(cr, c.r, c.g, c.b);
}

void draw_bold(cairo_t *cr, bool on)
{
    cairo_select_font_face(cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           on ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
}

double draw_text_width(cairo_t *cr, double size, const char *words)
{
    cairo_text_extents_t box;
    cairo_set_font_size(cr, size);
    cairo_text_extents(cr, words, &box);
    return box.x_advance;
}

void draw_text(cairo_t *cr, double x, double y, double align, double size, struct rgb c,
               const char *words)
{
    double width = draw_text_width(cr, size, words);
    draw_use(cr, c);
    cairo_move_to(cr, x - align * width, y);
    cairo_show_text(cr, words);
    cairo_new_path(cr); /* the text's end must not become the beginning of a line */
}

/* Text on whatever lies below: with a pale edge. */
static void draw_text_on(cairo_t *cr, double x, double y, double align, double size, struct rgb c,
                         const char *words)
{
    double width = draw_text_width(cr, size, words);
    cairo_move_to(cr, x - align * width, y);
    cairo_text_path(cr, words);
    cairo_set_source_rgba(cr, 1, 1, 1, 0.85);
    cairo_set_line_width(cr, 3);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    cairo_stroke(cr);
    draw_text(cr, x, y, align, size, c, words);
}

void draw_mark(cairo_t *cr, int mark, double size, double x, double y, struct rgb c)
{
    double r = size;
    cairo_new_path(cr);
    switch (mark % 6) {
    case 1:
        cairo_rectangle(cr, x - 0.88 * r, y - 0.88 * r, 1.76 * r, 1.76 * r);
        break;
    case 2:
        cairo_move_to(cr, x, y - 1.2 * r);
        cairo_line_to(cr, x + 1.1 * r, y + 0.8 * r);
        cairo_line_to(cr, x - 1.1 * r, y + 0.8 * r);
        cairo_close_path(cr);
        break;
    case 3:
        cairo_move_to(cr, x, y - 1.25 * r);
        cairo_line_to(cr, x + 1.25 * r, y);
        cairo_line_to(cr, x, y + 1.25 * r);
        cairo_line_to(cr, x - 1.25 * r, y);
        cairo_close_path(cr);
        break;
    case 5:
        cairo_move_to(cr, x - r, y - r);
        cairo_line_to(cr, x + r, y + r);
        cairo_move_to(cr, x - r, y + r);
        cairo_line_to(cr, x + r, y - r);
        draw_use(cr, c);
        cairo_set_line_width(cr, 1.8);
        cairo_stroke(cr);
        return;
    default:
        cairo_arc(cr, x, y, r, 0, 6.2832);
        break;
    }
    draw_use(cr, mark % 6 == 4 ? plot_white : c);
    cairo_fill_preserve(cr);
    /* An edge keeps points apart that lie on one another. */
    draw_use(cr, mark % 6 == 4 ? c : plot_white);
    cairo_set_line_width(cr, mark % 6 == 4 ? 1.6 : 0.6);
    cairo_stroke(cr);
}

/* Beyond this cairo's coordinates would overflow. */
static double near(double from, double length, double share)
{
    return isnan(share) ? NAN : from + length * fmin(fmax(share, -20), 20);
}

double canvas_x(const struct canvas *c, double value)
{
    return near(c->left, c->width, plot_share(&c->panel->x, c->x.low, c->x.high, value));
}

double canvas_y(const struct canvas *c, double value)
{
    return near(c->top + c->height, -c->height,
                plot_share(&c->panel->y, c->y.low, c->y.high, value));
}

/* ---- curves and points --------------------------------------------------------------------- */

static void clip(const struct canvas *c, double margin)
{
    cairo_rectangle(c->cr, c->left - margin, c->top - margin, c->width + 2 * margin,
                    c->height + 2 * margin);
    cairo_clip(c->cr);
}

static void stroke_curve(const struct canvas *c, const struct plot_series *s)
{
    cairo_t *cr = c->cr;
    cairo_new_path(cr);
    bool pen = false;
    for (int64_t i = 0; i < s->n; i++) {
        double x = canvas_x(c, s->x[i]), y = canvas_y(c, s->y[i]);
        if (isnan(x) || isnan(y)) {
            pen = false;
        } else if (pen) {
            cairo_line_to(cr, x, y);
        } else {
            cairo_move_to(cr, x, y);
            pen = true;
        }
    }
    const double dashes[] = { 3 * s->width, 2 * s->width };
    cairo_set_dash(cr, dashes, s->dashed ? 2 : 0, 0);
    cairo_set_line_width(cr, s->width);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    draw_use(cr, plot_rgb(s->colour));
    cairo_stroke(cr);
    cairo_set_dash(cr, NULL, 0, 0);
}

static void draw_curve(const struct canvas *c, const struct plot_series *s)
{
    cairo_save(c->cr);
    clip(c, s->points ? s->size + 1 : s->width / 2);
    if (s->line) {
        stroke_curve(c, s);
    }
    for (int64_t i = 0; s->points && i < s->n; i++) {
        double x = canvas_x(c, s->x[i]), y = canvas_y(c, s->y[i]);
        if (!isnan(x) && !isnan(y)) {
            draw_mark(c->cr, s->mark, s->size, x, y, plot_rgb(s->colour));
        }
    }
    for (int end = 0; s->ends && end < 2 && s->n > 0; end++) {
        int64_t i = end == 0 ? 0 : s->n - 1;
        double x = canvas_x(c, s->x[i]), y = canvas_y(c, s->y[i]);
        if (!isnan(x) && !isnan(y)) {
            draw_mark(c->cr, end == 0 ? 4 : 0, 1.4 * s->size, x, y, plot_rgb(s->colour));
        }
    }
    cairo_restore(c->cr);
}

static void draw_band(const struct canvas *c, const struct plot_series *s)
{
    cairo_save(c->cr);
    clip(c, 0);
    for (int64_t i = 0; i < 2 * s->n; i++) {
        int64_t k = i < s->n ? i : 2 * s->n - 1 - i;
        double x = canvas_x(c, s->x[k]), y = canvas_y(c, i < s->n ? s->y[k] : s->z[k]);
        if (!isnan(x) && !isnan(y)) {
            cairo_line_to(c->cr, x, y);
        }
    }
    struct rgb colour = plot_rgb(s->colour);
    cairo_set_source_rgba(c->cr, colour.r, colour.g, colour.b, 0.22);
    cairo_fill(c->cr);
    cairo_restore(c->cr);
}

static void draw_bars(const struct canvas *c, const struct plot_series *s, int group)
{
    int groups = plot_bar_groups(c->panel);
    double each = 0.76 / groups;
    cairo_save(c->cr);
    clip(c, 0);
    for (int64_t i = 0; i < s->n; i++) {
        double at = (double)i - 0.38 + each * group;
        double left = canvas_x(c, at), right = canvas_x(c, at + 0.94 * each);
        double base =
            c->panel->y.log ? c->top + c->height : canvas_y(c, fmin(fmax(0, c->y.low), c->y.high));
        double top = canvas_y(c, s->y[i]);
        if (!isnan(top)) {
            cairo_rectangle(c->cr, left, fmin(top, base), right - left, fabs(base - top));
            draw_use(c->cr, plot_rgb(s->colour));
            cairo_fill(c->cr);
        }
    }
    cairo_restore(c->cr);
    for (int64_t i = 0; s->values && i < s->n; i++) {
        char text[PLOT_TEXT];
        snprintf(text, sizeof text, s->format, s->y[i]);
        double y = canvas_y(c, s->y[i]);
        if (!isnan(y)) {
            draw_text_on(c->cr, canvas_x(c, (double)i - 0.38 + each * (group + 0.47)),
                         fmax(y, c->top + 8) - 4, 0.5, 10, plot_ink, text);
        }
    }
}

/* ---- grids --------------------------------------------------------------------------------- */

struct plot_range series_colours(const struct plot_series *s)
{
    struct plot_range r = plot_range_of(s->rows * s->columns, s->z);
    if (s->map == PLOT_MAP_DIVERGING) {
        r.high = fmax(fabs(r.low), fabs(r.high));
        r.low = -r.high;
    }
    r.low = isnan(s->low) ? r.low : s->low;
    r.high = isnan(s->high) ? r.high : s->high;
    return r;
}

static struct rgb cell_colour(const struct plot_series *s, struct plot_range r, int64_t i)
{
    if (s->kind == PLOT_KIND_REGIONS) {
        double sure = s->y != NULL ? fmin(fmax(s->y[i], 0), 1) : 1;
        return plot_mix(plot_white, plot_rgb((int)s->z[i]), 0.06 + 0.26 * sure);
    }
    return plot_map_rgb(s->map, r.high > r.low   ? (s->z[i] - r.low) / (r.high - r.low)
                                : isnan(s->z[i]) ? NAN
                                                 : 0.5);
}

/* A raster whose pixel (row, column) is `colour`, over the rectangle from (x1, y1) to (x2, y2), row 0 at y1. */
static void paint_raster(cairo_t *cr, int64_t rows, int64_t columns, double x1, double y1,
                         double x2, double y2,
                         struct rgb (*colour)(const void *user, int64_t row, int64_t column),
                         const void *user)
{
    cairo_surface_t *raster =
        cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)columns, (int)rows);
    unsigned char *bytes = cairo_image_surface_get_data(raster);
    if (bytes == NULL) {
        cairo_surface_destroy(raster);
        return;
    }
    int stride = cairo_image_surface_get_stride(raster);
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t column = 0; column < columns; column++) {
            struct rgb c = colour(user, row, column);
            uint32_t pixel = (uint32_t)lround(255 * c.r) << 16 | (uint32_t)lround(255 * c.g) << 8 |
                             (uint32_t)lround(255 * c.b);
            memcpy(bytes + row * stride + 4 * column, &pixel, sizeof pixel);
        }
    }
    cairo_surface_mark_dirty(raster);
    cairo_save(cr);
    cairo_translate(cr, x1, y1);
    cairo_scale(cr, (x2 - x1) / (double)columns, (y2 - y1) / (double)rows);
    cairo_set_source_surface(cr, raster, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(cr), CAIRO_FILTER_NEAREST);
    cairo_rectangle(cr, 0, 0, (double)columns, (double)rows);
    cairo_fill(cr);
    cairo_restore(cr);
    cairo_surface_destroy(raster);
}

struct shading {
    const struct canvas *canvas;
    const struct plot_series *series;
    struct plot_range range;
    double per_point;
};

static struct rgb grid_colour(const void *user, int64_t row, int64_t column)
{
    const struct shading *f = user;
    return cell_colour(f->series, f->range, row * f->series->columns + column);
}

/* Few cells are rectangles, which stay sharp in any viewer of SVG. */
static void draw_cells(const struct canvas *c, const struct plot_series *s, struct plot_range r,
                       double x1, double y1, double dx, double dy)
{
    cairo_set_antialias(c->cr, CAIRO_ANTIALIAS_NONE);
    for (int64_t i = 0; i < s->rows * s->columns; i++) {
        draw_use(c->cr, cell_colour(s, r, i));
        cairo_rectangle(c->cr, x1 + dx * (double)(i % s->columns),
                        y1 + dy * (double)(i / s->columns), dx, dy);
        cairo_fill(c->cr);
    }
    cairo_set_antialias(c->cr, CAIRO_ANTIALIAS_DEFAULT);
    for (int64_t i = 0; s->values && i < s->rows * s->columns; i++) {
        char text[PLOT_TEXT];
        snprintf(text, sizeof text, s->format, s->z[i]);
        struct rgb colour = cell_colour(s, r, i);
        bool dark = 0.3 * colour.r + 0.59 * colour.g + 0.11 * colour.b < 0.5;
        double size = 11.5;
        double width = draw_text_width(c->cr, size, text);
        if (width > 0.9 * fabs(dx)) {
            size *= 0.9 * fabs(dx) / width;
        }
        if (!isnan(s->z[i]) && size > 5) {
            draw_text(c->cr, x1 + dx * ((double)(i % s->columns) + 0.5),
                      y1 + dy * ((double)(i / s->columns) + 0.5) + 0.36 * size, 0.5, size,
                      dark ? plot_white : plot_ink, text);
        }
    }
}

static void draw_grid(const struct canvas *c, const struct plot_series *s)
{
    double half_x = s->columns > 1 ? (s->x_high - s->x_low) / (double)(s->columns - 1) / 2 : 0.5;
    double half_y = s->rows > 1 ? (s->y_high - s->y_low) / (double)(s->rows - 1) / 2 : 0.5;
    double x1 = canvas_x(c, s->x_low - half_x), x2 = canvas_x(c, s->x_high + half_x);
    double y1 = canvas_y(c, s->y_low - half_y), y2 = canvas_y(c, s->y_high + half_y);
    struct shading f = { .series = s, .range = series_colours(s) };
    cairo_save(c->cr);
    clip(c, 0);
    if (s->rows * s->columns <= 1600) {
        draw_cells(c, s, f.range, x1, y1, (x2 - x1) / (double)s->columns,
                   (y2 - y1) / (double)s->rows);
    } else {
        paint_raster(c->cr, s->rows, s->columns, x1, y1, x2, y2, grid_colour, &f);
    }
    cairo_restore(c->cr);
}

void draw_colour_bar(const struct canvas *c, const struct plot_series *s)
{
    enum { STEPS = 64 };
    struct plot_range r = series_colours(s);
    struct plot_axis axis = { .low = r.low, .high = r.high };
    struct plot_ticks t;
    plot_ticks(&t, &axis, r.low, r.high, 5, false);
    double x = c->left + c->width + 14, w = 12;
    cairo_set_antialias(c->cr, CAIRO_ANTIALIAS_NONE);
    for (int i = 0; i < STEPS; i++) {
        draw_use(c->cr, plot_map_rgb(s->map, (i + 0.5) / STEPS));
        cairo_rectangle(c->cr, x, c->top + c->height * (1 - (i + 1.0) / STEPS), w,
                        c->height / STEPS + 0.5);
        cairo_fill(c->cr);
    }
    cairo_set_antialias(c->cr, CAIRO_ANTIALIAS_DEFAULT);
    for (int i = 0; i < t.count; i++) {
        double y = c->top + c->height * (1 - plot_share(&axis, t.low, t.high, t.at[i]));
        draw_text(c->cr, x + w + 6, y + 4, 0, 10.5, plot_faint, t.text[i]);
    }
}

/* ---- contours ------------------------------------------------------------------------------ */

static struct rgb band_colour(const void *user, int64_t row, int64_t column)
{
    const struct shading *f = user;
    const struct canvas *c = f->canvas;
    double u = ((double)column + 0.5) / (c->width * f->per_point),
           v = ((double)row + 0.5) / (c->height * f->per_point);
    double z = plot_height_at(f->series, c->x.low + u * (c->x.high - c->x.low),
                              c->y.high - v * (c->y.high - c->y.low));
    if (isnan(z)) {
        return plot_white;
    }
    return plot_map_rgb(f->series->map, (double)plot_band_of(f->series, z) /
                                            (f->series->levels > 0 ? f->series->levels : 1));
}

static void contour_segment(void *user, double x1, double y1, double x2, double y2)
{
    const struct canvas *c = user;
    cairo_move_to(c->cr, canvas_x(c, x1), canvas_y(c, y1));
    cairo_line_to(c->cr, canvas_x(c, x2), canvas_y(c, y2));
}

static void draw_contours(const struct canvas *c, const struct plot_series *s)
{
    cairo_save(c->cr);
    clip(c, 0);
    if (s->fill) {
        struct shading f = { .canvas = c, .series = s, .per_point = 2 };
        paint_raster(c->cr, (int64_t)(f.per_point * c->height), (int64_t)(f.per_point * c->width),
                     c->left, c->top, c->left + c->width, c->top + c->height, band_colour, &f);
    }
    struct rgb line =
        s->colour == PLOT_INK || !s->fill ? plot_rgb(s->colour) : (struct rgb){ 0.38, 0.50, 0.62 };
    for (int i = 0; s->lines && i < s->levels; i++) {
        struct canvas copy = *c;
        cairo_new_path(c->cr);
        plot_contour_lines(s, s->level[i], contour_segment, &copy);
        draw_use(c->cr, line);
        cairo_set_line_cap(c->cr, CAIRO_LINE_CAP_ROUND);
        cairo_set_line_width(c->cr, s->width);
        cairo_stroke(c->cr);
    }
    cairo_restore(c->cr);
}

/* ---- marks and words ----------------------------------------------------------------------- */

static void draw_line_across(const struct canvas *c, const struct plot_series *s)
{
    bool upright = !isnan(s->x[0]);
    double at = upright ? canvas_x(c, s->x[0]) : canvas_y(c, s->y[0]);
    double low = upright ? c->left : c->top, high = low + (upright ? c->width : c->height);
    if (!(at >= low - 0.5 && at <= high + 0.5)) {
        return;
    }
    const double dashes[] = { 4, 4 };
    cairo_set_dash(c->cr, dashes, 2, 0);
    cairo_set_line_width(c->cr, s->width);
    draw_use(c->cr, plot_rgb(s->colour));
    cairo_move_to(c->cr, upright ? at : c->left, upright ? c->top : at);
    cairo_line_to(c->cr, upright ? at : c->left + c->width, upright ? c->top + c->height : at);
    cairo_stroke(c->cr);
    cairo_set_dash(c->cr, NULL, 0, 0);
    if (upright) {
        bool left = at > c->left + 0.6 * c->width;
        draw_text_on(c->cr, at + (left ? -5 : 5), c->top + 13, left ? 1 : 0, 10.5,
                     plot_rgb(s->colour), s->label);
    } else {
        draw_text_on(c->cr, c->left + c->width - 5, at + (at < c->top + 20 ? 13 : -5), 1, 10.5,
                     plot_rgb(s->colour), s->label);
    }
}

void draw_series(const struct canvas *c, const struct plot_series *s, int bar_group)
{
    switch (s->kind) {
    case PLOT_KIND_LINE:
        draw_curve(c, s);
        break;
    case PLOT_KIND_BAND:
        draw_band(c, s);
        break;
    case PLOT_KIND_BARS:
        draw_bars(c, s, bar_group);
        break;
    case PLOT_KIND_HEAT:
    case PLOT_KIND_REGIONS:
        draw_grid(c, s);
        break;
    case PLOT_KIND_CONTOURS:
        draw_contours(c, s);
        break;
    case PLOT_KIND_MARK:
        draw_line_across(c, s);
        break;
    case PLOT_KIND_WORDS:
        draw_text_on(c->cr, canvas_x(c, s->x[0]), canvas_y(c, s->y[0]) + 4, 0.5, 10.5,
                     plot_rgb(s->colour), s->label);
        break;
    case PLOT_KIND_CONFUSION:
    case PLOT_KIND_IMAGES:
        break; /* panels of their own */
    }
}

#endif
