/*
 * Charts made of characters. It must not know where the numbers come from.
 */
#include "charts.h"

#include <math.h>
#include <string.h>

static double train_loss(const struct history_epoch *e)
{
    return e->train_loss;
}
static double validation_loss(const struct history_epoch *e)
{
    return e->validation_loss;
}
static double train_accuracy(const struct history_epoch *e)
{
    return e->train_accuracy;
}
static double validation_accuracy(const struct history_epoch *e)
{
    return e->validation_accuracy;
}

const struct curve curve_loss = { "loss", 1, train_loss, validation_loss };
const struct curve curve_accuracy = { "accuracy in %", 100, train_accuracy, validation_accuracy };

/* The smallest of 1, 2, 5 times a power of ten that is not below x. */
static double round_up(double x)
{
    double power = pow(10, floor(log10(x)));
    double steps[] = { 1, 2, 5, 10 };
    for (int i = 0; i < 4; i++) {
        if (steps[i] * power >= x * (1 - 1e-9)) {
            return steps[i] * power;
        }
    }
    return 10 * power;
}

struct axis curve_axis(const struct curve *c, const struct history *h, int ticks)
{
    double low = INFINITY, high = -INFINITY;
    for (int i = 0; i < h->count; i++) {
        const struct history_epoch *e = &h->epoch[i];
        double values[2] = { c->scale * c->training(e), c->scale * c->validation(e) };
        for (int k = 0; k < 1 + h->validated; k++) {
            low = fmin(low, values[k]);
            high = fmax(high, values[k]);
        }
    }
    if (!(high > low)) { /* one value only */
        low -= 0.01 * c->scale;
        high += 0.01 * c->scale;
    }
    struct axis a = { .tick = round_up((high - low) / ticks) };
    a.low = a.tick * floor(low / a.tick + 1e-9);
    a.high = a.tick * ceil(high / a.tick - 1e-9);
    a.low = fmax(a.low, 0);
    if (c->scale == 100) {
        a.high = fmin(a.high, 100);
    }
    return a;
}

/* ---- curves ---------------------------------------------------------------------------------- */

enum {
    PLOT_ROWS = 11,
    PLOT_COLUMNS = 30,
    LABEL_COLUMNS = 8,
    PANEL_ROWS = PLOT_ROWS + 3,
    PANEL_COLUMNS = 40
};

struct panel {
    char row[PANEL_ROWS][PANEL_COLUMNS + 1];
};

static void put(struct panel *p, int row, int column, const char *text)
{
    for (int i = 0; text[i] != '\0' && column + i < PANEL_COLUMNS; i++) {
        p->row[row][column + i] = text[i];
    }
}

static int column_of(const struct history *h, double epoch)
{
    return h->count < 2 ? PLOT_COLUMNS / 2
                        : (int)lround(epoch / (h->count - 1) * (PLOT_COLUMNS - 1));
}

static int row_of(struct axis a, double value)
{
    return PLOT_ROWS - 1 - (int)lround((value - a.low) / (a.high - a.low) * (PLOT_ROWS - 1));
}

/* Points at the epochs, joined by dots where there is room. '*' where two curves
 * meet. */
static void draw_curve(struct panel *p, const struct history *h, struct axis a, double scale,
                       double (*value)(const struct history_epoch *e), char mark)
{
    const int left = LABEL_COLUMNS + 1, top = 1;
    for (int i = 0; i + 1 < h->count; i++) {
        double from = scale * value(&h->epoch[i]), to = scale * value(&h->epoch[i + 1]);
        int first = column_of(h, i), last = column_of(h, i + 1);
        for (int column = first + 1; column < last; column++) {
            double share = (double)(column - first) / (last - first);
            char *at = &p->row[top + row_of(a, from + share * (to - from))][left + column];
            if (*at == ' ') {
                *at = '.';
            }
        }
    }
    for (int i = 0; i < h->count; i++) {
        char *at = &p->row[top + row_of(a, scale * value(&h->epoch[i]))][left + column_of(h, i)];
        *at = *at == ' ' || *at == '.' || *at == mark ? mark : '*';
    }
}

static void draw_panel(struct panel *p, const struct curve *c, const struct history *h)
{
    for (int row = 0; row < PANEL_ROWS; row++) {
        memset(p->row[row], ' ', PANEL_COLUMNS);
        p->row[row][PANEL_COLUMNS] = '\0';
    }
    struct axis a = curve_axis(c, h, 5);
    char text[64];
    put(p, 0, LABEL_COLUMNS, c->title);
    for (int row = 0; row < PLOT_ROWS; row++) {
        put(p, 1 + row, LABEL_COLUMNS, "|");
    }
    for (double y = a.low; y <= a.high + 1e-9 * a.tick; y += a.tick) {
        snprintf(text, sizeof text, "%7.*f",
                 a.tick >= 1      ? 0
                 : a.tick >= 0.1  ? 1
                 : a.tick >= 0.01 ? 2
                                  : 4,
                 y);
        put(p, 1 + row_of(a, y), 0, text);
        put(p, 1 + row_of(a, y), LABEL_COLUMNS, "+");
    }
    put(p, 1 + PLOT_ROWS, LABEL_COLUMNS, "+------------------------------");
    snprintf(text, sizeof text, "%d", 1);
    put(p, 2 + PLOT_ROWS, LABEL_COLUMNS + 1 + column_of(h, 0), text);
    put(p, 2 + PLOT_ROWS, LABEL_COLUMNS + PLOT_COLUMNS / 2 - (h->count < 2 ? 5 : 2), "epoch");
    if (h->count > 1) {
        int length = snprintf(text, sizeof text, "%d", h->count);
        put(p, 2 + PLOT_ROWS, LABEL_COLUMNS + 1 + PLOT_COLUMNS - length, text);
    }
    draw_curve(p, h, a, c->scale, c->training, 'o');
    if (h->validated) {
        draw_curve(p, h, a, c->scale, c->validation, 'x');
    }
}

void charts_print_curves(FILE *stream, const struct history *h)
{
    if (h->count == 0) {
        return;
    }
    struct panel loss, accuracy;
    draw_panel(&loss, &curve_loss, h);
    draw_panel(&accuracy, &curve_accuracy, h);
    fprintf(stream, "\nLearning curves: o training%s\n\n",
            h->validated ? ", x validation, * both" : "");
    for (int row = 0; row < PANEL_ROWS; row++) {
        char line[2 * PANEL_COLUMNS + 1];
        snprintf(line, sizeof line, "%s%s", loss.row[row], accuracy.row[row]);
        for (size_t n = strlen(line); n > 0 && line[n - 1] == ' '; n--) {
            line[n - 1] = '\0';
        }
        fprintf(stream, "%s\n", line);
    }
}

/* ---- confusion matrix ------------------------------------------------------------------------ */

void charts_print_confusion(FILE *stream, const struct evaluation *e)
{
    fprintf(stream, "\nConfusion matrix of the test digits (rows: what it is; columns: what it was "
                    "read as)\n\n      ");
    for (int guess = 0; guess < DIGIT_CLASSES; guess++) {
        fprintf(stream, "%6d", guess);
    }
    fprintf(stream, "    right\n");
    for (int truth = 0; truth < DIGIT_CLASSES; truth++) {
        int64_t total = 0;
        fprintf(stream, "%6d", truth);
        for (int guess = 0; guess < DIGIT_CLASSES; guess++) {
            int64_t n = e->confusion[truth][guess];
            total += n;
            if (n > 0) {
                fprintf(stream, "%6lld", (long long)n);
            } else {
                fprintf(stream, "     .");
            }
        }
        if (total > 0) {
            fprintf(stream, "  %5.1f %%\n",
                    100 * (double)e->confusion[truth][truth] / (double)total);
        } else {
            fprintf(stream, "     none\n");
        }
    }
}
