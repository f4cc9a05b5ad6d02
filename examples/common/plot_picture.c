/*
 * A figure as a picture: layout, axes, legends, and files. Without cairo only one line is said.
 *
 * Lengths are points; a PNG has two pixels to a point, so that it stays crisp.
 */
#include "plot.h"

#include <stdlib.h>
#include <string.h>

#ifndef EXAMPLES_CAIRO

bool plot_save(struct plot_output *out, struct plot *p, const char *name)
{
    (void)p;
    (void)name;
    if (out->folder != NULL && !out->told) {
        printf("%s was built without cairo: no pictures are drawn\n", out->program);
        out->told = true;
    }
    return true;
}

bool plot_write(struct plot *p, const char *program, const char *path)
{
    (void)p;
    (void)path;
    printf("%s was built without cairo: no pictures are drawn\n", program);
    return true;
}

bool plot_animation_begin(struct plot_animation *a, struct plot_output *out, const char *name,
                          int milliseconds)
{
    (void)milliseconds;
    *a = (struct plot_animation){ .out = out };
    return plot_save(out, NULL, name);
}

bool plot_animation_add(struct plot_animation *a, struct plot *p, double scale)
{
    (void)a;
    (void)p;
    (void)scale;
    return true;
}

bool plot_animation_end(struct plot_animation *a, int milliseconds)
{
    (void)a;
    (void)milliseconds;
    return true;
}

#else

#include <cairo-svg.h>
#include <math.h>

#include "autograd/autograd.h"
#include "data/image.h"
#include "files.h"
#include "plot_draw.h"

enum { LEGEND_ROW = 19, PIXELS_A_POINT = 2 };

/* ---- legends ------------------------------------------------------------------------------- */

static void draw_sample(cairo_t *cr, const struct plot_series *s, double x, double y)
{
    struct rgb c = plot_rgb(s->colour);
    if (s->kind == PLOT_KIND_BARS || s->kind == PLOT_KIND_BAND) {
        cairo_set_source_rgba(cr, c.r, c.g, c.b, s->kind == PLOT_KIND_BAND ? 0.25 : 1);
        cairo_rectangle(cr, x + 5, y - 9, 12, 10);
        cairo_fill(cr);
        return;
    }
    if (s->line) {
        const double dashes[] = { 3 * s->width, 2 * s->width };
        cairo_set_dash(cr, dashes, s->dashed ? 2 : 0, 0);
        cairo_set_line_width(cr, s->width);
        draw_use(cr, c);
        cairo_move_to(cr, x, y - 4);
        cairo_line_to(cr, x + 22, y - 4);
        cairo_stroke(cr);
        cairo_set_dash(cr, NULL, 0, 0);
    }
    if (s->points) {
        draw_mark(cr, s->mark, fmin(s->size, 4), x + 11, y - 4, c);
    }
}

/* The legend of a panel in rows between x and x + width, its first baseline at y; draws nothing if cr has to be measured only.
 * Returns the number of rows. */
static int legend(cairo_t *cr, const struct plot_panel *panel, double x, double y, double width,
                  bool draw)
{
    int rows = 0;
    double at = width + 1;
    for (int i = 0; i < panel->count; i++) {
        const struct plot_series *s = panel->series[i];
        if (!plot_in_legend(s)) {
            continue;
        }
        double wide = 28 + draw_text_width(cr, 11.5, s->label) + 18;
        if (at + wide - 18 > width) {
            rows++;
            at = 0;
        }
        if (draw) {
            double base = y + LEGEND_ROW * (rows - 1);
            draw_sample(cr, s, x + at, base);
            draw_text(cr, x + at + 28, base, 0, 11.5, plot_ink, s->label);
        }
        at += wide;
    }
    return rows;
}

static double legend_width(cairo_t *cr, const struct plot_panel *panel)
{
    double width = -18;
    for (int i = 0; i < panel->count; i++) {
        if (plot_in_legend(panel->series[i])) {
            width += 28 + draw_text_width(cr, 11.5, panel->series[i]->label) + 18;
        }
    }
    return width;
}

/* ---- axes ---------------------------------------------------------------------------------- */

static const struct plot_series *sheet_of(const struct plot_panel *panel)
{
    bool sheet = panel->count > 0 && (panel->series[0]->kind == PLOT_KIND_CONFUSION ||
                                      panel->series[0]->kind == PLOT_KIND_IMAGES);
    return sheet ? panel->series[0] : NULL;
}

static const struct plot_series *colour_bar_of(const struct plot_panel *panel)
{
    for (int i = 0; i < panel->count; i++) {
        if (panel->series[i]->kind == PLOT_KIND_HEAT && panel->series[i]->bar) {
            return panel->series[i];
        }
    }
    return NULL;
}

static double widest_tick(cairo_t *cr, const struct plot_ticks *t)
{
    double widest = 0;
    for (int i = 0; i < t->count; i++) {
        widest = fmax(widest, draw_text_width(cr, 11, t->text[i]));
    }
    return widest;
}

/* Whether the x axis' words stand in one another's way. */
static bool crowded(cairo_t *cr, const struct canvas *c)
{
    double end = -INFINITY;
    for (int i = 0; i < c->x.count; i++) {
        double half = draw_text_width(cr, 11, c->x.text[i]) / 2, at = canvas_x(c, c->x.at[i]);
        if (at - half < end + 6) {
            return true;
        }
        end = at + half;
    }
    return false;
}

/* Room at the sides of curves and points; none at those of a grid. */
static void find_range(struct canvas *c, int x_ticks, int y_ticks)
{
    const struct plot_panel *panel = c->panel;
    struct plot_range x = plot_range_x(panel), y = plot_range_y(panel);
    bool scatter = false;
    for (int i = 0; i < panel->count; i++) {
        scatter = scatter || (panel->series[i]->kind == PLOT_KIND_LINE && !panel->series[i]->line);
    }
    if (scatter && !x.tight && !panel->x.log) {
        double room = 0.03 * (x.high - x.low);
        x.low -= room;
        x.high += room;
    }
    plot_ticks(&c->x, &panel->x, x.low, x.high, x_ticks, false);
    plot_ticks(&c->y, &panel->y, y.low, y.high, y_ticks, !y.tight || plot_bar_groups(panel) > 0);
}

/* A unit as long on x as on y: the range that is too narrow is widened. */
static void make_equal(struct canvas *c, int x_ticks, int y_ticks)
{
    double x_unit = c->width / (c->x.high - c->x.low), y_unit = c->height / (c->y.high - c->y.low);
    struct plot_axis fixed = c->panel->x;
    struct plot_ticks *t = x_unit > y_unit ? &c->x : &c->y;
    double middle = (t->low + t->high) / 2;
    double half = (x_unit > y_unit ? c->width / y_unit : c->height / x_unit) / 2;
    fixed.low = middle - half;
    fixed.high = middle + half;
    plot_ticks(t, &fixed, fixed.low, fixed.high, x_unit > y_unit ? x_ticks : y_ticks, false);
}

static void place_axes(struct canvas *c, double x, double y, double *tilt, bool own_legend)
{
    const struct plot_panel *panel = c->panel;
    cairo_t *cr = c->cr;
    double top = panel->title[0] != '\0' ? 26 : 10;
    int y_ticks = (int)fmax(3, (panel->height - 90) / 42);
    find_range(c, 6, y_ticks);
    double left =
        (panel->y.label[0] != '\0' ? 22 : 4) + (panel->y.hidden ? 4 : widest_tick(cr, &c->y) + 12);
    double right = colour_bar_of(panel) != NULL ? 76 : 18;
    c->left = x + left;
    c->width = panel->width - left - right;
    if (own_legend) {
        top += LEGEND_ROW * legend(cr, panel, 0, 0, c->width, false) + 4;
    }
    double bottom = (panel->x.label[0] != '\0' ? 22 : 6) + (panel->x.hidden ? 2 : 20) +
                    (panel->note[0] != '\0' ? 18 : 0);
    *tilt = 0;
    for (int ticks = 9; ticks >= 3; ticks--) {
        find_range(c, ticks, y_ticks);
        if (!crowded(cr, c)) {
            break;
        }
        if (panel->x.names > 0) {
            *tilt = -0.6;
            bottom += 0.565 * widest_tick(cr, &c->x);
            break;
        }
    }
    c->top = y + top;
    c->height = panel->height - top - bottom;
    if (panel->equal) {
        make_equal(c, 6, y_ticks);
    }
}

/* Lines at the ticks, below everything that is drawn. */
static void draw_rules(const struct canvas *c)
{
    cairo_t *cr = c->cr;
    cairo_set_line_width(cr, 1);
    draw_use(cr, plot_pale);
    for (int i = 0; i < c->y.count && !c->panel->y.hidden; i++) {
        double at = floor(canvas_y(c, c->y.at[i])) + 0.5;
        cairo_move_to(cr, c->left, at);
        cairo_line_to(cr, c->left + c->width, at);
    }
    for (int i = 0; i < c->x.count && !c->panel->x.hidden && c->panel->x.names == 0; i++) {
        double at = floor(canvas_x(c, c->x.at[i])) + 0.5;
        cairo_move_to(cr, at, c->top);
        cairo_line_to(cr, at, c->top + c->height);
    }
    cairo_stroke(cr);
}

static void draw_frame(const struct canvas *c)
{
    cairo_t *cr = c->cr;
    draw_use(cr, (struct rgb){ 0.70, 0.72, 0.75 });
    cairo_set_line_width(cr, 1);
    cairo_rectangle(cr, floor(c->left) + 0.5, floor(c->top) + 0.5, floor(c->width),
                    floor(c->height));
    cairo_stroke(cr);
}

static void draw_axes(const struct canvas *c, double x, double y, double tilt)
{
    cairo_t *cr = c->cr;
    const struct plot_panel *panel = c->panel;
    double bottom = c->top + c->height;
    for (int i = 0; i < c->x.count && !panel->x.hidden; i++) {
        cairo_save(cr);
        cairo_translate(cr, canvas_x(c, c->x.at[i]), bottom + (tilt != 0 ? 14 : 17));
        cairo_rotate(cr, tilt);
        draw_text(cr, tilt != 0 ? 4 : 0, 0, tilt != 0 ? 1 : 0.5, 11, plot_faint, c->x.text[i]);
        cairo_restore(cr);
    }
    for (int i = 0; i < c->y.count && !panel->y.hidden; i++) {
        draw_text(cr, c->left - 8, canvas_y(c, c->y.at[i]) + 4, 1, 11, plot_faint, c->y.text[i]);
    }
    double end = y + panel->height - (panel->note[0] != '\0' ? 18 : 0);
    draw_text(cr, c->left + c->width / 2, end - 8, 0.5, 11.5, plot_faint, panel->x.label);
    draw_text(cr, c->left + c->width, y + panel->height - 6, 1, 10.5, plot_faint, panel->note);
    cairo_save(cr);
    cairo_translate(cr, x + 14, c->top + c->height / 2);
    cairo_rotate(cr, -1.5707963);
    draw_text(cr, 0, 0, 0.5, 11.5, plot_faint, panel->y.label);
    cairo_restore(cr);
}

static void draw_panel(cairo_t *cr, const struct plot_panel *panel, double x, double y,
                       bool own_legend)
{
    const struct plot_series *sheet = sheet_of(panel);
    if (sheet != NULL) {
        double top = panel->title[0] != '\0' ? 26 : 0;
        draw_bold(cr, true);
        draw_text(cr, x + 24, y + 14, 0, 12, plot_ink, panel->title);
        draw_bold(cr, false);
        draw_sheet(cr, panel, sheet, x, y + top);
        return;
    }
    struct canvas c = { .cr = cr, .panel = panel };
    double tilt;
    own_legend = own_legend && !panel->no_legend;
    place_axes(&c, x, y, &tilt, own_legend);
    draw_bold(cr, true);
    draw_text(cr, c.left, y + 14, 0, 12, plot_ink, panel->title);
    draw_bold(cr, false);
    if (own_legend) {
        legend(cr, panel, c.left, y + (panel->title[0] != '\0' ? 36 : 18), c.width, true);
    }
    bool covered = plot_range_x(panel).tight; /* what fills the panel would hide a frame below it */
    draw_rules(&c);
    if (!covered) {
        draw_frame(&c);
    }
    int bars = 0;
    for (int i = 0; i < panel->count; i++) {
        draw_series(&c, panel->series[i], bars);
        bars += panel->series[i]->kind == PLOT_KIND_BARS;
    }
    if (colour_bar_of(panel) != NULL) {
        draw_colour_bar(&c, colour_bar_of(panel));
    }
    if (covered) {
        draw_frame(&c);
    }
    draw_axes(&c, x, y, tilt);
}

/* ---- the figure ---------------------------------------------------------------------------- */

enum { MOST_COLUMNS = 64, EDGE = 12 };

struct layout {
    double width, height, top; /* `top`: where the panels begin */
    double column[MOST_COLUMNS + 1];
    bool legend_below; /* a common legend that does not fit beside the title */
};

static void panel_size(const struct plot_panel *panel, double *width, double *height)
{
    *width = panel->width;
    *height = panel->height;
    if (sheet_of(panel) != NULL) {
        sheet_size(panel, sheet_of(panel), width, height);
        *height += panel->title[0] != '\0' ? 26 : 0;
    }
}

static double row_height(const struct plot *p, int row)
{
    int columns = plot_columns(p);
    double tallest = 0;
    for (int i = row * columns; i < p->count && i < (row + 1) * columns; i++) {
        double width, height;
        panel_size(p->panel[i], &width, &height);
        tallest = fmax(tallest, height);
    }
    return tallest;
}

static struct layout lay_out(cairo_t *cr, const struct plot *p)
{
    int columns = plot_columns(p);
    struct layout l = { .column = { EDGE } };
    for (int k = 0; k < columns && k < MOST_COLUMNS; k++) {
        double widest = 0;
        for (int i = k; i < p->count; i += columns) {
            double width, height;
            panel_size(p->panel[i], &width, &height);
            widest = fmax(widest, width);
        }
        l.column[k + 1] = l.column[k] + widest + (k + 1 < columns ? 14 : 0);
        l.width = l.column[k + 1] + EDGE;
    }
    draw_bold(cr, true);
    double title = draw_text_width(cr, 15, p->title);
    draw_bold(cr, false);
    double note = draw_text_width(cr, 11, p->note);
    l.width = fmax(l.width, fmax(title, note) + 48);
    l.top = p->title[0] != '\0' ? 50 : EDGE;
    const struct plot_panel *common = plot_common_legend(p);
    if (common != NULL) {
        l.legend_below = p->title[0] == '\0' || title + legend_width(cr, common) + 90 > l.width;
        if (l.legend_below) {
            l.top += LEGEND_ROW * legend(cr, common, 0, 0, l.width - 48, false) + 4;
        }
    }
    l.height = l.top + (p->note[0] != '\0' ? 24 : 0) + EDGE / 2;
    for (int row = 0; row * columns < p->count; row++) {
        l.height += row_height(p, row) + 6;
    }
    l.width = ceil(l.width);
    l.height = ceil(l.height);
    return l;
}

static void draw_figure(cairo_t *cr, const struct plot *p, const struct layout *l)
{
    int columns = plot_columns(p);
    draw_use(cr, plot_white);
    cairo_paint(cr);
    draw_bold(cr, true);
    draw_text(cr, 24, 32, 0, 15, plot_ink, p->title);
    draw_bold(cr, false);
    const struct plot_panel *common = plot_common_legend(p);
    if (common != NULL && l->legend_below) {
        legend(cr, common, 24, (p->title[0] != '\0' ? 56 : 22), l->width - 48, true);
    } else if (common != NULL) {
        double width = legend_width(cr, common);
        legend(cr, common, l->width - 24 - width, 32, width + 1, true);
    }
    double y = l->top;
    for (int i = 0; i < p->count; i++) {
        draw_panel(cr, p->panel[i], l->column[i % columns], y, common == NULL);
        if (i % columns == columns - 1) {
            y += row_height(p, i / columns) + 6;
        }
    }
    draw_text(cr, 24, l->height - 12, 0, 11, plot_faint, p->note);
}

static struct layout measure(const struct plot *p)
{
    cairo_surface_t *nothing = cairo_image_surface_create(CAIRO_FORMAT_RGB24, 1, 1);
    cairo_t *cr = cairo_create(nothing);
    draw_bold(cr, false);
    struct layout l = lay_out(cr, p);
    cairo_destroy(cr);
    cairo_surface_destroy(nothing);
    return l;
}

/* The figure on an image surface, to be destroyed. */
static cairo_surface_t *rasterise(const struct plot *p, double scale)
{
    struct layout l = measure(p);
    cairo_surface_t *sheet = cairo_image_surface_create(
        CAIRO_FORMAT_RGB24, (int)ceil(scale * l.width), (int)ceil(scale * l.height));
    cairo_t *cr = cairo_create(sheet);
    cairo_scale(cr, scale, scale);
    draw_figure(cr, p, &l);
    cairo_destroy(cr);
    cairo_surface_flush(sheet);
    return sheet;
}

/* ---- files --------------------------------------------------------------------------------- */

static cairo_status_t to_stream(void *stream, const unsigned char *bytes, unsigned int length)
{
    return fwrite(bytes, 1, length, stream) == length ? CAIRO_STATUS_SUCCESS
                                                      : CAIRO_STATUS_WRITE_ERROR;
}

static cairo_status_t write_png(const struct plot *p, FILE *stream)
{
    cairo_surface_t *sheet = rasterise(p, PIXELS_A_POINT);
    cairo_status_t status = cairo_surface_status(sheet);
    if (status == CAIRO_STATUS_SUCCESS) {
        status = cairo_surface_write_to_png_stream(sheet, to_stream, stream);
    }
    cairo_surface_destroy(sheet);
    return status;
}

static cairo_status_t write_svg(const struct plot *p, FILE *stream)
{
    struct layout l = measure(p);
    cairo_surface_t *sheet =
        cairo_svg_surface_create_for_stream(to_stream, stream, l.width, l.height);
    cairo_t *cr = cairo_create(sheet);
    draw_figure(cr, p, &l);
    cairo_destroy(cr);
    cairo_surface_finish(sheet);
    cairo_status_t status = cairo_surface_status(sheet);
    cairo_surface_destroy(sheet);
    return status;
}

bool plot_write(struct plot *p, const char *program, const char *path)
{
    const char *ending = strrchr(path, '.');
    bool svg = ending != NULL && strcmp(ending, ".svg") == 0;
    if (p->failed) {
        fprintf(stderr, "%s: %s: out of memory\n", program, path);
        return false;
    }
    if (!svg && (ending == NULL || strcmp(ending, ".png") != 0)) {
        fprintf(stderr, "%s: %s: pictures are .png or .svg\n", program, path);
        return false;
    }
    struct output_file file = { 0 };
    if (!output_file_open(&file, program, path)) {
        return false;
    }
    bool replaces = file.replaces;
    cairo_status_t status = svg ? write_svg(p, file.stream) : write_png(p, file.stream);
    bool good = output_file_close(&file, program, status == CAIRO_STATUS_SUCCESS);
    if (status != CAIRO_STATUS_SUCCESS) {
        fprintf(stderr, "%s: %s: %s\n", program, path, cairo_status_to_string(status));
    }
    /* cairo and its font library keep caches for the life of the process; a leak checker should see them returned. */
    cairo_debug_reset_static_data();
    if (good) {
        printf("%s %s\n", replaces ? "replaced" : "wrote   ", path);
    }
    return good;
}

/* FOLDER/PROGRAM-name.ending, to be freed; NULL after an error, which has been printed. */
static char *picture_path(const struct plot_output *out, const char *name, const char *ending)
{
    char file[256];
    snprintf(file, sizeof file, "%s-%s%s", out->program, name, ending);
    return output_folder_make(out->program, out->folder)
               ? output_path_join(out->program, out->folder, file)
               : NULL;
}

bool plot_save(struct plot_output *out, struct plot *p, const char *name)
{
    if (out->folder == NULL) {
        return true;
    }
    char *path = picture_path(out, name, out->svg ? ".svg" : ".png");
    bool good = path != NULL && plot_write(p, out->program, path);
    free(path);
    return good;
}

/* ---- animations ---------------------------------------------------------------------------- */

bool plot_animation_begin(struct plot_animation *a, struct plot_output *out, const char *name,
                          int milliseconds)
{
    *a = (struct plot_animation){ .out = out };
    if (out->folder == NULL) {
        return true;
    }
    a->path = picture_path(out, name, ".png");
    a->failed = a->path == NULL;
    if (!a->failed) {
        FILE *there = fopen(a->path, "rb");
        a->replaces = there != NULL;
        if (there != NULL) {
            fclose(there);
        }
        a->file = data_animation_new(a->path, milliseconds);
        a->failed = ag_error_code() != AG_OK;
    }
    return !a->failed;
}

bool plot_animation_add(struct plot_animation *a, struct plot *p, double scale)
{
    if (a->path == NULL || a->failed) {
        return !a->failed;
    }
    cairo_surface_t *sheet = rasterise(p, scale);
    const unsigned char *bytes = cairo_image_surface_get_data(sheet);
    int width = cairo_image_surface_get_width(sheet),
        height = cairo_image_surface_get_height(sheet);
    uint8_t *pixels =
        bytes == NULL || p->failed ? NULL : malloc(3 * (size_t)width * (size_t)height);
    a->failed = pixels == NULL;
    for (int64_t i = 0; pixels != NULL && i < (int64_t)width * height; i++) {
        uint32_t pixel;
        memcpy(&pixel, bytes + i / width * cairo_image_surface_get_stride(sheet) + 4 * (i % width),
               sizeof pixel);
        pixels[3 * i] = (uint8_t)(pixel >> 16);
        pixels[3 * i + 1] = (uint8_t)(pixel >> 8);
        pixels[3 * i + 2] = (uint8_t)pixel;
    }
    cairo_surface_destroy(sheet);
    if (a->failed) {
        fprintf(stderr, "%s: %s: out of memory\n", a->out->program, a->path);
    } else {
        a->failed = data_animation_add(a->file, pixels, height, width, 3) != AG_OK;
    }
    free(pixels);
    return !a->failed;
}

bool plot_animation_end(struct plot_animation *a, int milliseconds)
{
    if (a->path == NULL) {
        return !a->failed;
    }
    if (!a->failed) {
        data_animation_hold(a->file, milliseconds);
        a->failed = data_animation_end(a->file) != AG_OK;
    } else {
        data_animation_free(a->file);
    }
    if (!a->failed) {
        printf("%s %s\n", a->replaces ? "replaced" : "wrote   ", a->path);
    }
    free(a->path);
    a->path = NULL;
    cairo_debug_reset_static_data();
    return !a->failed;
}

#endif
