/*
 * A figure made of characters, at most 80 columns wide. It must not know where the numbers come from.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plot_internal.h"

enum { SHEET_COLUMNS = 80, LABEL_COLUMNS = 8, MOST_ROWS = 30 };

/* A part of the page; each cell holds one character of UTF-8. */
struct page {
    int rows, columns;
    char cell[MOST_ROWS][SHEET_COLUMNS][5];
};

/* A panel while it is printed: where its axes are on the page. */
struct text_panel {
    struct page *page;
    const struct plot_panel *panel;
    int left, top, columns, rows;
    struct plot_ticks x, y;
};

static bool has_unicode(void)
{
    static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
    for (int i = 0; i < 3; i++) {
        const char *value = getenv(names[i]);
        if (value != NULL && value[0] != '\0') {
            return strstr(value, "UTF-8") != NULL || strstr(value, "utf8") != NULL ||
                   strstr(value, "utf-8") != NULL;
        }
    }
    return false;
}

/* From empty to full, t from 0 to 1. */
static const char *shade(double t)
{
    static const char *const plain[] = { " ", ".", ":", "-", "=", "+", "*", "#", "%", "@" };
    static const char *const blocks[] = { " ", "░", "▒", "▓", "█" };
    t = isnan(t) ? 0 : fmin(fmax(t, 0), 1);
    return has_unicode() ? blocks[(int)(t * 4.999)] : plain[(int)(t * 9.999)];
}

static const char marks[] = "ox+#%@&~";

/* Bytes of the character at `at`, never past the text's end. */
static size_t utf8_length(const char *at)
{
    size_t n = *at != '\0';
    while (n > 0 && n < 4 && ((unsigned char)at[n] & 0xc0) == 0x80) {
        n++;
    }
    return n;
}

static int columns_of(const char *words)
{
    int n = 0;
    for (; *words != '\0'; words += utf8_length(words)) {
        n++;
    }
    return n;
}

static void put(struct page *p, int row, int column, const char *words)
{
    for (; *words != '\0'; column++) {
        size_t length = utf8_length(words);
        if (row >= 0 && row < p->rows && column >= 0 && column < p->columns) {
            memcpy(p->cell[row][column], words, length);
            p->cell[row][column][length] = '\0';
        }
        words += length;
    }
}

static void clear(struct page *p, int rows, int columns)
{
    p->rows = rows;
    p->columns = columns;
    for (int row = 0; row < rows; row++) {
        for (int column = 0; column < columns; column++) {
            strcpy(p->cell[row][column], " ");
        }
    }
}

/* ---- curves and points --------------------------------------------------------------------- */

static int column_of(const struct text_panel *t, double x)
{
    double share = plot_share(&t->panel->x, t->x.low, t->x.high, x);
    return !(share > -0.01 && share < 1.01) ? -1 : t->left + (int)lround(share * (t->columns - 1));
}

static int row_of(const struct text_panel *t, double y)
{
    double share = plot_share(&t->panel->y, t->y.low, t->y.high, y);
    return !(share > -0.01 && share < 1.01)
               ? -1
               : t->top + t->rows - 1 - (int)lround(share * (t->rows - 1));
}

/* Points, joined by dots where there is room. '*' where two curves meet. */
static void print_curve(const struct text_panel *t, const struct plot_series *s, char mark,
                        bool on_grid)
{
    char word[2] = { mark, '\0' };
    for (int64_t i = 0; s->line && i + 1 < s->n; i++) {
        int first = column_of(t, s->x[i]), last = column_of(t, s->x[i + 1]);
        int from = row_of(t, s->y[i]), to = row_of(t, s->y[i + 1]);
        for (int column = first + 1; first >= 0 && from >= 0 && to >= 0 && column < last;
             column++) {
            double share = (double)(column - first) / (last - first);
            int row = (int)lround(from + share * (to - from));
            if (strcmp(t->page->cell[row][column], " ") == 0) {
                put(t->page, row, column, s->n > t->columns / 2 ? word : ".");
            }
        }
    }
    for (int64_t i = 0; i < s->n; i++) {
        int column = column_of(t, s->x[i]), row = row_of(t, s->y[i]);
        if (column < 0 || row < 0) {
            continue;
        }
        const char *there = t->page->cell[row][column];
        bool free_cell = on_grid || !s->line || strchr(" .", there[0]) != NULL || there[0] == mark;
        put(t->page, row, column, free_cell ? word : "*");
    }
}

static void print_grid(const struct text_panel *t, const struct plot_series *s)
{
    static const char *const tints[] = { " ", ".", ":", "-", "=", "'", "," };
    struct plot_range r = plot_range_of(s->rows * s->columns, s->z);
    r.low = isnan(s->low) ? r.low : s->low;
    r.high = isnan(s->high) ? r.high : s->high;
    for (int row = 0; row < t->rows; row++) {
        for (int column = 0; column < t->columns; column++) {
            double x = t->x.low + (t->x.high - t->x.low) * column / (t->columns - 1);
            double y = t->y.high - (t->y.high - t->y.low) * row / (t->rows - 1);
            double z = plot_height_at(s, x, y);
            const char *word = " ";
            if (s->kind == PLOT_KIND_REGIONS) {
                word = isnan(z) ? " " : tints[(int)fmax(lround(z), 0) % 7];
            } else if (s->kind == PLOT_KIND_CONTOURS) {
                word = isnan(z)
                           ? " "
                           : shade((double)plot_band_of(s, z) / (s->levels > 0 ? s->levels : 1));
            } else if (r.high > r.low) {
                word = shade((z - r.low) / (r.high - r.low));
            }
            put(t->page, t->top + row, t->left + column, word);
        }
    }
}

static bool is_grid(const struct plot_series *s)
{
    return s->kind == PLOT_KIND_HEAT || s->kind == PLOT_KIND_REGIONS ||
           s->kind == PLOT_KIND_CONTOURS;
}

static void print_series(const struct text_panel *t)
{
    int turn = 0;
    bool on_grid = false;
    for (int i = 0; i < t->panel->count; i++) {
        const struct plot_series *s = t->panel->series[i];
        if (s->kind == PLOT_KIND_LINE) {
            print_curve(t, s, marks[turn++ % 8], on_grid);
        } else if (is_grid(s) && s->z != NULL && (s->kind != PLOT_KIND_CONTOURS || s->fill)) {
            print_grid(t, s);
            on_grid = true;
        } else if (s->kind == PLOT_KIND_MARK) {
            int column = column_of(t, s->x[0]), row = row_of(t, s->y[0]);
            for (int k = 0; column >= 0 && k < t->rows; k++) {
                if (strcmp(t->page->cell[t->top + k][column], " ") == 0) {
                    put(t->page, t->top + k, column, ":");
                }
            }
            for (int k = 0; row >= 0 && k < t->columns; k += 2) {
                if (strcmp(t->page->cell[row][t->left + k], " ") == 0) {
                    put(t->page, row, t->left + k, "-");
                }
            }
        }
    }
}

/* ---- axes ---------------------------------------------------------------------------------- */

static void print_axes(const struct text_panel *t)
{
    struct page *p = t->page;
    const struct plot_panel *panel = t->panel;
    int bottom = t->top + t->rows;
    put(p, t->top - 1, t->left - 1, panel->title);
    if (panel->title[0] == '\0') {
        put(p, t->top - 1, t->left - 1, panel->y.label);
    } else if (panel->y.label[0] != '\0' &&
               columns_of(panel->title) + columns_of(panel->y.label) + 3 < t->columns) {
        put(p, t->top - 1, t->left + t->columns - columns_of(panel->y.label), panel->y.label);
    }
    for (int row = 0; row < t->rows; row++) {
        put(p, t->top + row, t->left - 1, "|");
    }
    for (int i = 0; i < t->y.count; i++) {
        int row = row_of(t, t->y.at[i]), length = columns_of(t->y.text[i]);
        if (row >= 0) {
            put(p, row, t->left - 2 - length, t->y.text[i]);
            put(p, row, t->left - 1, "+");
        }
    }
    put(p, bottom, t->left - 1, "+");
    for (int column = 0; column < t->columns; column++) {
        put(p, bottom, t->left + column, "-");
    }
    int end = -1;
    for (int i = 0; i < t->x.count; i++) {
        int length = columns_of(t->x.text[i]);
        int at = column_of(t, t->x.at[i]), from = at - length / 2;
        from = from + length > t->left + t->columns ? t->left + t->columns - length : from;
        if (at >= 0 && from > end + 1) {
            put(p, bottom + 1, from, t->x.text[i]);
            end = from + length;
        }
    }
    put(p, bottom + 2, t->left + (t->columns - columns_of(panel->x.label)) / 2, panel->x.label);
}

static void print_panel(struct page *page, const struct plot_panel *panel, int left, int columns,
                        int rows)
{
    struct text_panel t = {
        .page = page, .panel = panel, .left = left + LABEL_COLUMNS + 1, .top = 1
    };
    t.columns = columns - LABEL_COLUMNS - 2;
    t.rows = rows;
    struct plot_range x = plot_range_x(panel), y = plot_range_y(panel);
    plot_ticks(&t.x, &panel->x, x.low, x.high, columns / 10, false);
    plot_ticks(&t.y, &panel->y, y.low, y.high, 5, !y.tight);
    print_series(&t);
    print_axes(&t);
}

static void print_page(FILE *stream, const struct page *p)
{
    for (int row = 0; row < p->rows; row++) {
        int end = p->columns;
        while (end > 0 && strcmp(p->cell[row][end - 1], " ") == 0) {
            end--;
        }
        for (int column = 0; column < end; column++) {
            fputs(p->cell[row][column], stream);
        }
        fputc('\n', stream);
    }
}

static void print_legend(FILE *stream, const struct plot_panel *panel)
{
    int turn = 0, used = 0, lines = 0;
    for (int i = 0; i < panel->count; i++) {
        const struct plot_series *s = panel->series[i];
        char mark = s->kind == PLOT_KIND_LINE ? marks[turn++ % 8] : '\0';
        lines += s->kind == PLOT_KIND_LINE && s->line;
        if (mark == '\0' || s->label[0] == '\0' || panel->no_legend) {
            continue;
        }
        int length = columns_of(s->label) + 5;
        if (used > 0 && used + length > SHEET_COLUMNS - 2) {
            fputc('\n', stream);
            used = 0;
        }
        fprintf(stream, "%s%c %s", used > 0 ? ",  " : "", mark, s->label);
        used += length;
    }
    if (used > 0) {
        fputs(lines > 1 ? "  (* where curves meet)\n" : "\n", stream);
    }
}

/* ---- what is a list rather than a plot ----------------------------------------------------- */

static int name_columns(const struct plot_axis *axis, int64_t n)
{
    int widest = n >= 100 ? 3 : 2;
    for (int i = 0; i < axis->names; i++) {
        int length = columns_of(axis->name[i]);
        widest = length > widest ? length : widest;
    }
    return widest;
}

static void print_name(FILE *stream, const struct plot_axis *axis, int64_t i, int columns)
{
    char number[32];
    snprintf(number, sizeof number, "%lld", (long long)i);
    const char *name = i < axis->names ? axis->name[i] : axis->names == 0 ? number : "";
    fprintf(stream, "%*s%s", columns - columns_of(name), "", name);
}

/* Bars lie: a line each, the longest as wide as the page allows. */
static void print_bars(FILE *stream, const struct plot_panel *panel)
{
    double most = 0;
    int64_t n = 0;
    for (int i = 0; i < panel->count; i++) {
        const struct plot_series *s = panel->series[i];
        n = s->kind == PLOT_KIND_BARS && s->n > n ? s->n : n;
        for (int64_t k = 0; s->kind == PLOT_KIND_BARS && k < s->n; k++) {
            most = isfinite(s->y[k]) ? fmax(most, fabs(s->y[k])) : most;
        }
    }
    int columns = name_columns(&panel->x, n);
    double room = SHEET_COLUMNS - columns - 16;
    for (int64_t k = 0; k < n; k++) {
        int turn = 0;
        for (int i = 0; i < panel->count; i++) {
            const struct plot_series *s = panel->series[i];
            if (s->kind != PLOT_KIND_BARS || k >= s->n) {
                continue;
            }
            if (turn == 0) {
                print_name(stream, &panel->x, k, columns);
            } else {
                fprintf(stream, "%*s", columns, "");
            }
            fputs(" |", stream);
            for (int c = 0;
                 isfinite(s->y[k]) && most > 0 && c < (int)lround(room * fabs(s->y[k]) / most);
                 c++) {
                fputc(turn == 0 ? '#' : "=+-"[turn % 3], stream);
            }
            fprintf(stream, " %.4g %s\n", s->y[k], plot_bar_groups(panel) > 1 ? s->label : "");
            turn++;
        }
    }
}

static void print_table(FILE *stream, const struct plot_panel *panel, const struct plot_series *s)
{
    int columns = name_columns(&panel->y, s->rows), wide = 7;
    for (int i = 0; i < panel->x.names; i++) {
        wide = columns_of(panel->x.name[i]) + 2 > wide ? columns_of(panel->x.name[i]) + 2 : wide;
    }
    int most = (SHEET_COLUMNS - columns) / wide;
    fprintf(stream, "%*s", columns, "");
    for (int64_t c = 0; c < s->columns && c < most; c++) {
        print_name(stream, &panel->x, c, wide);
    }
    fputc('\n', stream);
    for (int64_t r = 0; r < s->rows; r++) {
        print_name(stream, &panel->y, r, columns);
        for (int64_t c = 0; c < s->columns && c < most; c++) {
            char text[PLOT_TEXT];
            snprintf(text, sizeof text, s->format, s->z[r * s->columns + c]);
            fprintf(stream, "%*s", wide, text);
        }
        fputs(s->columns > most ? " …\n" : "\n", stream);
    }
}

static void print_confusion(FILE *stream, const struct plot_panel *panel,
                            const struct plot_series *s)
{
    int columns = name_columns(&panel->y, s->rows), wide = s->rows > 10 ? 5 : 6;
    for (int i = 0; i < panel->x.names; i++) {
        wide = columns_of(panel->x.name[i]) + 2 > wide ? columns_of(panel->x.name[i]) + 2 : wide;
    }
    columns = columns < 6 ? 6 : columns;
    fprintf(stream, "(rows: %s; columns: %s)\n\n%*s", panel->y.label, panel->x.label, columns, "");
    for (int64_t c = 0; c < s->columns; c++) {
        print_name(stream, &panel->x, c, wide);
    }
    fprintf(stream, "    right\n");
    for (int64_t r = 0; r < s->rows; r++) {
        double total = 0;
        print_name(stream, &panel->y, r, columns);
        for (int64_t c = 0; c < s->columns; c++) {
            double n = s->z[r * s->columns + c];
            total += n;
            if (n > 0) {
                fprintf(stream, "%*.0f", wide, n);
            } else {
                fprintf(stream, "%*s", wide, ".");
            }
        }
        if (total > 0) {
            fprintf(stream, "  %5.1f %%\n", 100 * s->z[r * s->columns + r] / total);
        } else {
            fprintf(stream, "     none\n");
        }
    }
}

/* As many pictures as fit beside one another, two characters high for each pixel's width. */
static void print_images(FILE *stream, const struct plot_series *s)
{
    struct page page;
    int side = s->n > 0 && s->tile[0].image.width <= 28 ? 26 : 39, shown = 0;
    int tall = 0;
    clear(&page, MOST_ROWS, SHEET_COLUMNS);
    for (int64_t i = 0; i < s->n && (shown + 1) * side <= SHEET_COLUMNS && i < s->columns; i++) {
        const struct plot_image *m = &s->tile[i].image;
        if (m->pixels == NULL || m->width < 1) {
            continue;
        }
        int columns = m->width < side - 2 ? m->width : side - 2;
        int rows = columns * m->height / (2 * m->width);
        rows = rows < 1 ? 1 : rows > MOST_ROWS - 3 ? MOST_ROWS - 3 : rows;
        for (int row = 0; row < rows; row++) {
            for (int column = 0; column < columns; column++) {
                int y = (2 * row + 1) * m->height / (2 * rows),
                    x = (2 * column + 1) * m->width / (2 * columns);
                double value = m->pixels[y * m->width + x];
                put(&page, row, shown * side + column, shade(value));
            }
        }
        put(&page, rows, shown * side, m->left);
        put(&page, rows, shown * side + columns - columns_of(m->right), m->right);
        put(&page, rows + 1, shown * side, m->below);
        tall = rows + 2 > tall ? rows + 2 : tall;
        shown++;
    }
    page.rows = tall;
    print_page(stream, &page);
    if (s->n > shown) {
        fprintf(stream, "and %lld more\n", (long long)(s->n - shown));
    }
}

static bool is_list(const struct plot_panel *panel)
{
    const struct plot_series *first = panel->count > 0 ? panel->series[0] : NULL;
    return first == NULL || plot_bar_groups(panel) > 0 || first->kind == PLOT_KIND_CONFUSION ||
           first->kind == PLOT_KIND_IMAGES || (first->kind == PLOT_KIND_HEAT && first->values);
}

static void print_list(FILE *stream, const struct plot_panel *panel)
{
    const struct plot_series *first = panel->count > 0 ? panel->series[0] : NULL;
    fprintf(stream, "%s%s", panel->title, panel->title[0] != '\0' ? "\n" : "");
    if (first == NULL) {
        return;
    }
    if (plot_bar_groups(panel) > 0) {
        print_bars(stream, panel);
    } else if (first->kind == PLOT_KIND_CONFUSION) {
        print_confusion(stream, panel, first);
    } else if (first->kind == PLOT_KIND_IMAGES) {
        print_images(stream, first);
    } else {
        print_table(stream, panel, first);
    }
}

/* ---- the figure ---------------------------------------------------------------------------- */

void plot_print(struct plot *p, FILE *stream)
{
    if (p->failed) {
        fprintf(stderr, "%s: out of memory\n", p->title);
        return;
    }
    struct page *page = malloc(sizeof *page);
    if (page == NULL) {
        fprintf(stderr, "%s: out of memory\n", p->title);
        return;
    }
    const struct plot_panel *common = plot_common_legend(p);
    fprintf(stream, "\n%s%s", p->title, p->title[0] != '\0' ? "\n" : "");
    if (common != NULL) {
        print_legend(stream, common);
    }
    for (int i = 0; i < p->count; i++) {
        if (is_list(p->panel[i])) {
            fputc('\n', stream);
            print_list(stream, p->panel[i]);
            continue;
        }
        bool two = plot_columns(p) > 1 && i + 1 < p->count && !is_list(p->panel[i + 1]);
        int rows = two || p->count > 2 ? 11 : 16,
            columns = two ? SHEET_COLUMNS / 2 : SHEET_COLUMNS - 4;
        clear(page, rows + (p->panel[i]->x.label[0] != '\0' ? 4 : 3), SHEET_COLUMNS);
        print_panel(page, p->panel[i], 0, columns, rows);
        if (common == NULL) {
            fputc('\n', stream);
            print_legend(stream, p->panel[i]);
        }
        if (two) {
            i++;
            print_panel(page, p->panel[i], columns, columns, rows);
            if (common == NULL && !p->panel[i]->no_legend) {
                print_legend(stream, p->panel[i]);
            }
        }
        fputc('\n', stream);
        print_page(stream, page);
    }
    if (p->note[0] != '\0') {
        fprintf(stream, "%s\n", p->note);
    }
    free(page);
}
