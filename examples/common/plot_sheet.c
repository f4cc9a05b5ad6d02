/*
 * Panels without axes, drawn with cairo: confusion matrices and grids of pictures.
 */
#include "plot.h"

#ifdef EXAMPLES_CAIRO

#include <math.h>
#include <string.h>

#include "plot_draw.h"

/* ---- confusion matrices -------------------------------------------------------------------- */

enum { MATRIX_TOP = 48, RIGHT_COLUMN = 80 };

static double cell_side(const struct plot_series *s)
{
    return s->rows <= 4 ? 64 : s->rows <= 12 ? 46 : 552.0 / (double)s->rows;
}

/* Names are measured roughly: the size is wanted before there is a context. */
static double name_width(const struct plot_panel *panel)
{
    double widest = 0;
    for (int i = 0; i < panel->y.names; i++) {
        widest = fmax(widest, 7.5 * (double)strlen(panel->y.name[i]));
    }
    return fmax(widest, 10) + 36;
}

static void draw_cell(cairo_t *cr, const struct plot_series *s, int64_t truth, int64_t guess,
                      double x, double y, double total, double most_wrong)
{
    double side = cell_side(s), n = s->z[truth * s->columns + guess];
    /* Right answers are shaded by their share of the row, mistakes by their square root against the commonest one: otherwise a
     * good classifier's mistakes would all look white. */
    double share =
        truth == guess ? (total > 0 ? n / total : 0) : (most_wrong > 0 ? sqrt(n / most_wrong) : 0);
    struct rgb c = n == 0
                       ? (struct rgb){ 0.965, 0.968, 0.972 }
                       : plot_mix(plot_white, plot_rgb(truth == guess ? PLOT_BLUE : PLOT_VERMILION),
                                  truth == guess ? share : 0.1 + 0.75 * share);
    draw_use(cr, c);
    cairo_rectangle(cr, x + 1, y + 1, side - 2, side - 2);
    cairo_fill(cr);
    if (n > 0) {
        char words[32];
        snprintf(words, sizeof words, "%.0f", n);
        bool dark = share > (truth == guess ? 0.55 : 0.8);
        draw_text(cr, x + side / 2, y + side / 2 + 5, 0.5, n < 1000 ? 13 : 12,
                  dark ? plot_white : plot_ink, words);
    }
}

static void draw_matrix(cairo_t *cr, const struct plot_panel *panel, const struct plot_series *s,
                        double x, double y)
{
    double side = cell_side(s), most_wrong = 0;
    for (int64_t i = 0; i < s->rows * s->columns; i++) {
        most_wrong = i / s->columns != i % s->columns ? fmax(most_wrong, s->z[i]) : most_wrong;
    }
    double left = x + name_width(panel), top = y + MATRIX_TOP,
           end = left + (double)s->columns * side;
    draw_text(cr, (left + end) / 2, top - 30, 0.5, 12, plot_faint, panel->x.label);
    cairo_save(cr);
    cairo_translate(cr, x + 16, top + (double)s->rows * side / 2);
    cairo_rotate(cr, -1.5707963);
    draw_text(cr, 0, 0, 0.5, 12, plot_faint, panel->y.label);
    cairo_restore(cr);
    draw_text(cr, end + RIGHT_COLUMN - 8, top - 10, 1, 12, plot_faint, "right");
    draw_bold(cr, true);
    double size = 12.5;
    for (int64_t i = 0; i < s->columns; i++) {
        size =
            fmin(size, 12.5 * 0.92 * side / fmax(draw_text_width(cr, 12.5, panel->x.name[i]), 1));
    }
    for (int64_t truth = 0; truth < s->rows; truth++) {
        double total = 0, at = top + (double)truth * side;
        for (int64_t guess = 0; guess < s->columns; guess++) {
            total += s->z[truth * s->columns + guess];
        }
        draw_bold(cr, true);
        draw_text(cr, left - 8, at + side / 2 + 5, 1, 12.5, plot_ink, panel->y.name[truth]);
        draw_text(cr, left + ((double)truth + 0.5) * side, top - 10, 0.5, size, plot_ink,
                  panel->x.name[truth]);
        draw_bold(cr, false);
        for (int64_t guess = 0; guess < s->columns; guess++) {
            draw_cell(cr, s, truth, guess, left + (double)guess * side, at, total, most_wrong);
        }
        if (total > 0) {
            char words[32];
            snprintf(words, sizeof words, "%.1f %%",
                     100 * s->z[truth * s->columns + truth] / total);
            draw_text(cr, end + RIGHT_COLUMN - 8, at + side / 2 + 5, 1, 12, plot_ink, words);
        }
    }
    draw_text(cr, x + 24, top + (double)s->rows * side + 24, 0, 11, plot_faint,
              s->rows < 5
                  ? "blue: share of the row;  orange: mistakes"
                  : "blue: share of the row;  orange: mistakes, darkest for the commonest one");
}

/* ---- pictures ------------------------------------------------------------------------------ */

enum { TILE_GAP = 20 };

static double words_height(const struct plot_series *s)
{
    bool first = false, second = false;
    for (int64_t i = 0; i < s->n; i++) {
        const struct plot_image *m = &s->tile[i].image;
        first = first || m->left[0] != '\0' || m->right[0] != '\0';
        second = second || m->below[0] != '\0';
    }
    return (first ? 16 : 0) + (second ? 15 : 0) + (first || second ? 16 : 8);
}

static double tile_height(const struct plot_series *s)
{
    double tallest = 0;
    for (int64_t i = 0; i < s->n; i++) {
        const struct plot_image *m = &s->tile[i].image;
        tallest = fmax(tallest, s->size * m->height / (m->width > 0 ? m->width : 1));
    }
    return tallest;
}

static double tile_gap(const struct plot_series *s)
{
    return words_height(s) > 8 ? TILE_GAP : 6;
}

static void draw_image(cairo_t *cr, const struct plot_image *m, double x, double y, double side)
{
    cairo_surface_t *picture = cairo_image_surface_create(CAIRO_FORMAT_RGB24, m->width, m->height);
    unsigned char *bytes = cairo_image_surface_get_data(picture);
    int64_t plane = (int64_t)m->height * m->width;
    for (int64_t i = 0; bytes != NULL && i < plane; i++) {
        uint32_t pixel = 0;
        for (int channel = 0; channel < 3; channel++) {
            double value =
                fmin(fmax(m->pixels[(m->channels >= 3 ? channel : 0) * plane + i], 0), 1);
            pixel = pixel << 8 | (uint32_t)lround(255 * (m->negative ? 1 - value : value));
        }
        memcpy(bytes + i / m->width * cairo_image_surface_get_stride(picture) + 4 * (i % m->width),
               &pixel, sizeof pixel);
    }
    cairo_surface_mark_dirty(picture);
    double height = side * m->height / m->width;
    cairo_save(cr);
    cairo_translate(cr, x, y);
    cairo_scale(cr, side / m->width, side / m->width);
    cairo_set_source_surface(cr, picture, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(cr), CAIRO_FILTER_NEAREST);
    cairo_rectangle(cr, 0, 0, m->width, m->height);
    cairo_fill(cr);
    cairo_restore(cr);
    cairo_surface_destroy(picture);
    draw_use(cr, plot_pale);
    cairo_set_line_width(cr, 1);
    cairo_rectangle(cr, x - 0.5, y - 0.5, side + 1, height + 1);
    cairo_stroke(cr);
}

static void draw_images(cairo_t *cr, const struct plot_series *s, double x, double y)
{
    double height = tile_height(s) + words_height(s);
    for (int64_t i = 0; i < s->n; i++) {
        const struct plot_image *m = &s->tile[i].image;
        double left = x + 24 + (double)(i % s->columns) * (s->size + tile_gap(s));
        double top = y + (double)(i / s->columns) * height, under = top + tile_height(s);
        if (m->pixels == NULL || m->width < 1 || m->height < 1) {
            continue;
        }
        draw_image(cr, m, left, top, s->size);
        bool both = m->left[0] != '\0' && m->right[0] != '\0';
        double room = draw_text_width(cr, 11.5, m->left) +
                      draw_text_width(cr, 11.5, m->right) * 1.1 + (both ? 6 : 0);
        double size = 11.5 * fmin(1, (s->size + tile_gap(s) - 6) / (room > 0 ? room : 1));
        draw_text(cr, left, under + 16, 0, size, both ? plot_rgb(PLOT_BLUE) : plot_ink, m->left);
        draw_bold(cr, true);
        draw_text(cr, left + s->size, under + 16, 1, size, plot_rgb(PLOT_VERMILION), m->right);
        draw_bold(cr, false);
        double second = under + (words_height(s) > 40 ? 31 : 16);
        draw_text(cr, left + s->size / 2, second, 0.5, 10.5, plot_faint, m->below);
    }
}

/* ---- both ---------------------------------------------------------------------------------- */

void sheet_size(const struct plot_panel *panel, const struct plot_series *s, double *width,
                double *height)
{
    if (s->kind == PLOT_KIND_CONFUSION) {
        *width = name_width(panel) + (double)s->columns * cell_side(s) + RIGHT_COLUMN + 16;
        *height = MATRIX_TOP + (double)s->rows * cell_side(s) + 32;
        return;
    }
    double rows = (double)((s->n + s->columns - 1) / s->columns);
    rows = rows < 1 ? 1 : rows;
    *width = 24 + (double)s->columns * (s->size + tile_gap(s)) + 8;
    *height = rows * (tile_height(s) + words_height(s)) + 4;
}

void draw_sheet(cairo_t *cr, const struct plot_panel *panel, const struct plot_series *s, double x,
                double y)
{
    if (s->kind == PLOT_KIND_CONFUSION) {
        draw_matrix(cr, panel, s, x, y);
    } else {
        draw_images(cr, s, x, y);
    }
}

#endif
