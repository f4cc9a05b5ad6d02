/*
 * Pictures of a finished run. It must not know where the numbers come from.
 *
 * Each picture is a function that draws on a cairo context in points; write_picture() gives it a
 * sheet of its size, with two pixels to a point so that it stays crisp, and puts the PNG in place.
 */
#include "pictures.h"

#include <stdio.h>

#ifndef EXAMPLES_CAIRO

bool pictures_write(const struct options *o, const struct history *h, const struct evaluation *test)
{
    (void)h;
    (void)test;
    printf("%s was built without cairo: no pictures are drawn\n", o->program);
    return true;
}

#else

#include <cairo.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "charts.h"
#include "files.h"

struct colour {
    double r, g, b;
};
static const struct colour white = { 1, 1, 1 }, ink = { 0.13, 0.15, 0.18 },
                           faint = { 0.45, 0.48, 0.52 }, grid = { 0.89, 0.90, 0.92 },
                           blue = { 0.11, 0.38, 0.66 }, orange = { 0.85, 0.37, 0.05 };

struct picture {
    const struct options *options;
    const struct history *history;
    const struct evaluation *test;
};

static void use(cairo_t *cr, struct colour c)
{
    cairo_set_source_rgb(cr, c.r, c.g, c.b);
}

static struct colour mix(struct colour a, struct colour b, double share)
{
    return (struct colour){ a.r + share * (b.r - a.r), a.g + share * (b.g - a.g),
                            a.b + share * (b.b - a.b) };
}

/* Text whose left end (align 0), middle (0.5) or right end (1) is at x on the baseline y. */
static void text(cairo_t *cr, double x, double y, double align, double size, struct colour c,
                 const char *words)
{
    cairo_text_extents_t box;
    cairo_set_font_size(cr, size);
    cairo_text_extents(cr, words, &box);
    use(cr, c);
    cairo_move_to(cr, x - align * box.x_advance, y);
    cairo_show_text(cr, words);
    cairo_new_path(cr); /* the text's end must not become the beginning of a line */
}

static void bold(cairo_t *cr, bool on)
{
    cairo_select_font_face(cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           on ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
}

static void title(cairo_t *cr, double x, double y, const char *words)
{
    bold(cr, true);
    text(cr, x, y, 0, 15, ink, words);
    bold(cr, false);
}

/* ---- learning curve -------------------------------------------------------------------------- */

enum { CURVE_WIDTH = 860, CURVE_HEIGHT = 350, POINTS_SHOWN = 40 };

struct plot {
    double x, y, width, height;
    struct axis axis;
    int epochs;
};

static double plot_x(const struct plot *p, int i)
{
    return p->epochs < 2 ? p->x + p->width / 2 : p->x + p->width * i / (p->epochs - 1);
}

static double plot_y(const struct plot *p, double value)
{
    return p->y + p->height * (1 - (value - p->axis.low) / (p->axis.high - p->axis.low));
}

static void draw_line(cairo_t *cr, const struct plot *p, const struct history *h, double scale,
                      double (*value)(const struct history_epoch *e), struct colour c)
{
    use(cr, c);
    cairo_set_line_width(cr, 2);
    for (int i = 0; i < h->count; i++) {
        cairo_line_to(cr, plot_x(p, i), plot_y(p, scale * value(&h->epoch[i])));
    }
    cairo_stroke(cr);
    if (h->count > POINTS_SHOWN) {
        return;
    }
    for (int i = 0; i < h->count; i++) {
        cairo_arc(cr, plot_x(p, i), plot_y(p, scale * value(&h->epoch[i])), 3.2, 0, 6.2832);
        cairo_fill(cr);
    }
}

static void draw_axes(cairo_t *cr, const struct plot *p, const char *name)
{
    char words[64];
    bold(cr, true);
    text(cr, p->x, p->y - 12, 0, 12, ink, name);
    bold(cr, false);
    cairo_set_line_width(cr, 1);
    int decimals = p->axis.tick >= 1 ? 0 : p->axis.tick >= 0.1 ? 1 : p->axis.tick >= 0.01 ? 2 : 4;
    for (double y = p->axis.low; y <= p->axis.high + 1e-9 * p->axis.tick; y += p->axis.tick) {
        double at = floor(plot_y(p, y)) + 0.5;
        use(cr, grid);
        cairo_move_to(cr, p->x, at);
        cairo_line_to(cr, p->x + p->width, at);
        cairo_stroke(cr);
        snprintf(words, sizeof words, "%.*f", decimals, y);
        text(cr, p->x - 8, at + 4, 1, 11, faint, words);
    }
    static const int steps[] = { 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000 };
    int step = steps[0];
    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && p->epochs / step > 12; i++) {
        step = steps[i];
    }
    for (int epoch = 1; epoch <= p->epochs; epoch++) {
        if (epoch % step == 0 || (epoch == 1 && step > 2)) {
            snprintf(words, sizeof words, "%d", epoch);
            text(cr, plot_x(p, epoch - 1), p->y + p->height + 18, 0.5, 11, faint, words);
        }
    }
    text(cr, p->x + p->width / 2, p->y + p->height + 36, 0.5, 11, faint, "epoch");
}

static void draw_plot(cairo_t *cr, const struct curve *c, const struct history *h, double x)
{
    struct plot p = { x, 84, 340, 200, curve_axis(c, h, 5), h->count };
    draw_axes(cr, &p, c->title);
    if (h->validated && h->best >= 0) {
        const double dashes[] = { 4, 4 };
        use(cr, faint);
        cairo_set_line_width(cr, 1);
        cairo_set_dash(cr, dashes, 2, 0);
        cairo_move_to(cr, plot_x(&p, h->best), p.y);
        cairo_line_to(cr, plot_x(&p, h->best), p.y + p.height);
        cairo_stroke(cr);
        cairo_set_dash(cr, NULL, 0, 0);
    }
    draw_line(cr, &p, h, c->scale, c->training, blue);
    if (h->validated) {
        draw_line(cr, &p, h, c->scale, c->validation, orange);
    }
}

static void legend(cairo_t *cr, double x, double y, struct colour c, const char *words)
{
    use(cr, c);
    cairo_set_line_width(cr, 2);
    cairo_move_to(cr, x, y - 4);
    cairo_line_to(cr, x + 22, y - 4);
    cairo_stroke(cr);
    cairo_arc(cr, x + 11, y - 4, 3.2, 0, 6.2832);
    cairo_fill(cr);
    text(cr, x + 28, y, 0, 12, ink, words);
}

static void draw_learning_curve(cairo_t *cr, const struct picture *p)
{
    char words[160];
    const struct history *h = p->history;
    snprintf(words, sizeof words, "%s: learning curve, seed %lld", p->options->program,
             (long long)p->options->seed);
    title(cr, 24, 32, words);
    legend(cr, 620, 32, blue, "training");
    if (h->validated) {
        legend(cr, 722, 32, orange, "validation");
        snprintf(words, sizeof words, "dashed: epoch %d, whose weights were kept", h->best + 1);
        text(cr, CURVE_WIDTH - 30, CURVE_HEIGHT - 12, 1, 11, faint, words);
    }
    draw_plot(cr, &curve_loss, h, 60);
    draw_plot(cr, &curve_accuracy, h, 490);
}

/* ---- confusion matrix ------------------------------------------------------------------------ */

enum { CELL = 46, MATRIX_LEFT = 74, MATRIX_TOP = 96, MATRIX_WIDTH = 640, MATRIX_HEIGHT = 596 };

static void draw_cell(cairo_t *cr, const struct evaluation *e, int truth, int guess, int64_t total,
                      int64_t most_wrong)
{
    int64_t n = e->confusion[truth][guess];
    double x = MATRIX_LEFT + guess * CELL, y = MATRIX_TOP + truth * CELL;
    /* Right answers are shaded by their share of the row, mistakes by their square root against the
     * commonest one: otherwise a good network's mistakes would all look white. */
    double share = truth == guess ? (total > 0 ? (double)n / (double)total : 0)
                                  : (most_wrong > 0 ? sqrt((double)n / (double)most_wrong) : 0);
    struct colour c = n == 0 ? (struct colour){ 0.975, 0.977, 0.98 }
                             : mix(white, truth == guess ? blue : orange,
                                   truth == guess ? share : 0.1 + 0.75 * share);
    use(cr, c);
    cairo_rectangle(cr, x + 1, y + 1, CELL - 2, CELL - 2);
    cairo_fill(cr);
    if (n > 0) {
        char words[32];
        snprintf(words, sizeof words, "%lld", (long long)n);
        bool dark = share > (truth == guess ? 0.55 : 0.8);
        text(cr, x + CELL / 2.0, y + CELL / 2.0 + 5, 0.5, n < 1000 ? 13 : 12, dark ? white : ink,
             words);
    }
}

static void draw_confusion(cairo_t *cr, const struct picture *p)
{
    const struct evaluation *e = p->test;
    char words[160];
    snprintf(words, sizeof words, "%s: %.2f %% of %lld test digits read correctly",
             p->options->program, 100 * e->accuracy, (long long)e->samples);
    title(cr, 24, 32, words);
    int64_t most_wrong = 0;
    for (int truth = 0; truth < DIGIT_CLASSES; truth++) {
        for (int guess = 0; guess < DIGIT_CLASSES; guess++) {
            if (truth != guess && e->confusion[truth][guess] > most_wrong) {
                most_wrong = e->confusion[truth][guess];
            }
        }
    }
    double middle = MATRIX_LEFT + DIGIT_CLASSES * CELL / 2.0;
    text(cr, middle, MATRIX_TOP - 32, 0.5, 12, faint, "read as");
    cairo_save(cr);
    cairo_translate(cr, 34, MATRIX_TOP + DIGIT_CLASSES * CELL / 2.0);
    cairo_rotate(cr, -1.5707963);
    text(cr, 0, 0, 0.5, 12, faint, "true digit");
    cairo_restore(cr);
    text(cr, MATRIX_LEFT + DIGIT_CLASSES * CELL + 52, MATRIX_TOP - 10, 0.5, 12, faint, "right");
    for (int truth = 0; truth < DIGIT_CLASSES; truth++) {
        int64_t total = 0;
        for (int guess = 0; guess < DIGIT_CLASSES; guess++) {
            total += e->confusion[truth][guess];
        }
        double y = MATRIX_TOP + truth * CELL + CELL / 2.0 + 5;
        snprintf(words, sizeof words, "%d", truth);
        bold(cr, true);
        text(cr, MATRIX_LEFT - 16, y, 0.5, 13, ink, words);
        text(cr, MATRIX_LEFT + truth * CELL + CELL / 2.0, MATRIX_TOP - 10, 0.5, 13, ink, words);
        bold(cr, false);
        for (int guess = 0; guess < DIGIT_CLASSES; guess++) {
            draw_cell(cr, e, truth, guess, total, most_wrong);
        }
        if (total > 0) {
            snprintf(words, sizeof words, "%.1f %%",
                     100 * (double)e->confusion[truth][truth] / (double)total);
            text(cr, MATRIX_LEFT + DIGIT_CLASSES * CELL + 76, y, 1, 12, ink, words);
        }
    }
    text(cr, MATRIX_LEFT, MATRIX_TOP + DIGIT_CLASSES * CELL + 24, 0, 11, faint,
         "blue: share of the row;  orange: mistakes, darkest for the commonest one");
}

/* ---- mistakes -------------------------------------------------------------------------------- */

enum { MISTAKE_COLUMNS = 8, TILE = 84, TILE_WIDTH = 104, TILE_HEIGHT = 132, SHEET_TOP = 70 };

static void draw_digit(cairo_t *cr, const struct mistake *m, double x, double y)
{
    int stride = cairo_format_stride_for_width(CAIRO_FORMAT_RGB24, DIGIT_SIDE);
    unsigned char *bytes = calloc((size_t)stride, DIGIT_SIDE);
    if (bytes == NULL) {
        return;
    }
    for (int row = 0; row < DIGIT_SIDE; row++) {
        for (int column = 0; column < DIGIT_SIDE; column++) {
            uint32_t grey = (uint32_t)lround(
                255 * (1 - fmin(fmax(m->pixels[row * DIGIT_SIDE + column], 0), 1)));
            uint32_t pixel = grey << 16 | grey << 8 | grey;
            memcpy(bytes + row * stride + 4 * column, &pixel, sizeof pixel);
        }
    }
    cairo_surface_t *digit = cairo_image_surface_create_for_data(bytes, CAIRO_FORMAT_RGB24,
                                                                 DIGIT_SIDE, DIGIT_SIDE, stride);
    cairo_save(cr);
    cairo_translate(cr, x, y);
    cairo_scale(cr, (double)TILE / DIGIT_SIDE, (double)TILE / DIGIT_SIDE);
    cairo_set_source_surface(cr, digit, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(cr), CAIRO_FILTER_NEAREST);
    cairo_rectangle(cr, 0, 0, DIGIT_SIDE, DIGIT_SIDE);
    cairo_fill(cr);
    cairo_restore(cr);
    cairo_surface_destroy(digit);
    free(bytes);
    use(cr, grid);
    cairo_set_line_width(cr, 1);
    cairo_rectangle(cr, x - 0.5, y - 0.5, TILE + 1, TILE + 1);
    cairo_stroke(cr);
}

static int mistake_rows(const struct evaluation *e)
{
    return e->mistakes == 0 ? 1 : (e->mistakes + MISTAKE_COLUMNS - 1) / MISTAKE_COLUMNS;
}

static void draw_mistakes(cairo_t *cr, const struct picture *p)
{
    const struct evaluation *e = p->test;
    long long wrong = (long long)(e->samples - e->right);
    char words[200];
    snprintf(words, sizeof words, "%s: wrongly classified digits", p->options->program);
    title(cr, 24, 32, words);
    if (wrong == 0) {
        snprintf(words, sizeof words, "none in %lld test digits", (long long)e->samples);
    } else if (wrong > e->mistakes) {
        snprintf(words, sizeof words, "the %d surest of %lld mistakes in %lld test digits",
                 e->mistakes, wrong, (long long)e->samples);
    } else {
        snprintf(words, sizeof words, "all %lld mistakes in %lld test digits, the surest first",
                 wrong, (long long)e->samples);
    }
    text(cr, 24, 52, 0, 12, faint, words);
    for (int i = 0; i < e->mistakes; i++) {
        const struct mistake *m = &e->worst[i];
        double x = 24 + i % MISTAKE_COLUMNS * TILE_WIDTH,
               y = SHEET_TOP + i / MISTAKE_COLUMNS * TILE_HEIGHT;
        draw_digit(cr, m, x, y);
        snprintf(words, sizeof words, "true %d", m->truth);
        text(cr, x, y + TILE + 16, 0, 11.5, blue, words);
        snprintf(words, sizeof words, "read %d", m->guess);
        bold(cr, true);
        text(cr, x + TILE, y + TILE + 16, 1, 11.5, orange, words);
        bold(cr, false);
        snprintf(words, sizeof words, "%.1f %% sure", 100 * m->confidence);
        text(cr, x + TILE / 2.0, y + TILE + 31, 0.5, 10.5, faint, words);
    }
}

/* ---- files ----------------------------------------------------------------------------------- */

static cairo_status_t to_stream(void *stream, const unsigned char *bytes, unsigned int length)
{
    return fwrite(bytes, 1, length, stream) == length ? CAIRO_STATUS_SUCCESS
                                                      : CAIRO_STATUS_WRITE_ERROR;
}

static bool write_picture(const struct picture *p, const char *name, int width, int height,
                          void (*draw)(cairo_t *cr, const struct picture *p))
{
    const char *program = p->options->program;
    char file_name[256];
    snprintf(file_name, sizeof file_name, "%s-%s.png", program, name);
    char *path = output_path_join(program, p->options->pictures, file_name);
    if (path == NULL) {
        return false;
    }
    enum { PIXELS_A_POINT = 2 };
    cairo_surface_t *sheet = cairo_image_surface_create(CAIRO_FORMAT_RGB24, PIXELS_A_POINT * width,
                                                        PIXELS_A_POINT * height);
    cairo_t *cr = cairo_create(sheet);
    cairo_scale(cr, PIXELS_A_POINT, PIXELS_A_POINT);
    use(cr, white);
    cairo_paint(cr);
    bold(cr, false);
    draw(cr, p);
    cairo_status_t status = cairo_status(cr);
    cairo_destroy(cr);

    struct output_file file = { 0 };
    bool good = output_file_open(&file, program, path);
    bool replaces = file.replaces;
    if (good) {
        if (status == CAIRO_STATUS_SUCCESS) {
            status = cairo_surface_write_to_png_stream(sheet, to_stream, file.stream);
        }
        good = output_file_close(&file, program, status == CAIRO_STATUS_SUCCESS);
        if (status != CAIRO_STATUS_SUCCESS) {
            fprintf(stderr, "%s: %s: %s\n", program, path, cairo_status_to_string(status));
        }
    }
    cairo_surface_destroy(sheet);
    if (good) {
        printf("%s %s\n", replaces ? "replaced" : "wrote   ", path);
    }
    free(path);
    return good;
}

bool pictures_write(const struct options *o, const struct history *h, const struct evaluation *test)
{
    struct picture p = { o, h, test };
    bool good =
        output_folder_make(o->program, o->pictures) &&
        write_picture(&p, "learning-curve", CURVE_WIDTH, CURVE_HEIGHT, draw_learning_curve) &&
        write_picture(&p, "confusion", MATRIX_WIDTH, MATRIX_HEIGHT, draw_confusion) &&
        write_picture(&p, "mistakes", 24 + MISTAKE_COLUMNS * TILE_WIDTH + 4,
                      SHEET_TOP + mistake_rows(test) * TILE_HEIGHT + 8, draw_mistakes);
    /* cairo and its font library keep caches for the life of the process; a leak checker should see
     * them returned. */
    cairo_debug_reset_static_data();
    return good;
}

#endif
