/*
 * Softmax, its logarithm, and cross-entropy on labels, forwards and backwards. Raw numbers only.
 */
#include <math.h>

#include "autograd/kernels/kernels.h"
#include "autograd/parallel.h"
#include "autograd/kernels/vector.h"

/* Rows of up to so many elements are computed side by side. */
enum { SHORT = 24 };

#define T float
#define LANES 16
#define EXP k_exp_f32
#define LOG logf
#define NAME(x) x##_f32
#include "autograd/kernels/softmax_template.h"

#define T double
#define LANES 4
#define EXP k_exp_f64
#define LOG log
#define NAME(x) x##_f64
#include "autograd/kernels/softmax_template.h"

/* So many exponentials are worth a thread. */
enum { GRAIN = 4096 };

/* Rows a thread takes at a time; each row is computed alone, so the cut changes nothing. */
static int64_t rows_at_a_time(int64_t d)
{
    return d >= GRAIN ? 1 : GRAIN / (d > 0 ? d : 1);
}

static int64_t parts_of(int64_t rows, int64_t step)
{
    return (rows + step - 1) / step;
}

/* What the parts of one call share: `step` rows each, of `all`. */
struct rows {
    ag_dtype dtype;
    int64_t all, step, d, inner;
    const void *x, *y, *dy, *g, *stats;
    const int64_t *label;
    const k_labels *p;
    void *out, *out_stats;
    bool logarithm, g_per_row;
    double scale;
};

static int64_t rows_of(const struct rows *t, int64_t first)
{
    return t->all - first < t->step ? t->all - first : t->step;
}

static void run(int threads, int64_t numbers, ag_turn *turn, const struct rows *t)
{
    ag_parallel(numbers >= 2 * GRAIN ? threads : 1, parts_of(t->all, t->step), turn, t);
}

static void softmax_part(const void *task, int64_t i)
{
    const struct rows *t = task;
    int64_t first = i * t->step, rows = rows_of(t, first), at = first * t->d * t->inner;
    if (t->dtype == AG_FLOAT32 && t->inner == 1) {
        softmax_rows_f32(rows, t->d, (const float *)t->x + at, (float *)t->out + at, t->logarithm);
    } else if (t->dtype == AG_FLOAT32) {
        softmax_columns_f32(t->d, t->inner, (const float *)t->x + at, (float *)t->out + at, t->logarithm);
    } else if (t->inner == 1) {
        softmax_rows_f64(rows, t->d, (const double *)t->x + at, (double *)t->out + at, t->logarithm);
    } else {
        softmax_columns_f64(t->d, t->inner, (const double *)t->x + at, (double *)t->out + at, t->logarithm);
    }
}

void k_softmax(ag_dtype dtype, int threads, int64_t outer, int64_t d, int64_t inner, const void *x, void *y, bool logarithm)
{
    struct rows task = {
        .dtype = dtype,
        .all = outer,
        .step = inner == 1 ? rows_at_a_time(d) : 1,
        .d = d,
        .inner = inner,
        .x = x,
        .out = y,
        .logarithm = logarithm,
    };
    run(threads, outer * d * inner, softmax_part, &task);
}

static void softmax_input_part(const void *task, int64_t i)
{
    const struct rows *t = task;
    int64_t first = i * t->step, rows = rows_of(t, first), at = first * t->d * t->inner;
    if (t->dtype == AG_FLOAT32) {
        const float *dy = (const float *)t->dy + at, *y = (const float *)t->y + at;
        float *dx = (float *)t->out + at;
        if (t->inner == 1) {
            softmax_rows_back_f32(rows, t->d, dy, y, dx, t->logarithm);
        } else {
            softmax_back_f32(t->d, t->inner, dy, y, dx, t->logarithm);
        }
    } else {
        const double *dy = (const double *)t->dy + at, *y = (const double *)t->y + at;
        double *dx = (double *)t->out + at;
        if (t->inner == 1) {
            softmax_rows_back_f64(rows, t->d, dy, y, dx, t->logarithm);
        } else {
            softmax_back_f64(t->d, t->inner, dy, y, dx, t->logarithm);
        }
    }
}

void k_softmax_input(ag_dtype dtype, int threads, int64_t outer, int64_t d, int64_t inner, const void *dy, const void *y,
                     void *dx, bool logarithm)
{
    struct rows task = {
        .dtype = dtype,
        .all = outer,
        .step = inner == 1 ? rows_at_a_time(d) : 1,
        .d = d,
        .inner = inner,
        .dy = dy,
        .y = y,
        .out = dx,
        .logarithm = logarithm,
    };
    run(threads, outer * d * inner, softmax_input_part, &task);
}

static void cross_entropy_part(const void *task, int64_t i)
{
    const struct rows *t = task;
    int64_t first = i * t->step, rows = rows_of(t, first), c = t->d;
    if (t->dtype == AG_FLOAT32) {
        cross_entropy_rows_f32(rows, c, (const float *)t->x + first * c, t->label + first, (float *)t->out + first,
                               (float *)t->out_stats + 2 * first);
    } else {
        cross_entropy_rows_f64(rows, c, (const double *)t->x + first * c, t->label + first, (double *)t->out + first,
                               (double *)t->out_stats + 2 * first);
    }
}

void k_cross_entropy(ag_dtype dtype, int threads, int64_t n, int64_t c, const void *x, const int64_t *label, void *loss,
                     void *stats)
{
    struct rows task = {
        .dtype = dtype,
        .all = n,
        .step = rows_at_a_time(c),
        .d = c,
        .x = x,
        .label = label,
        .out = loss,
        .out_stats = stats,
    };
    run(threads, n * c, cross_entropy_part, &task);
}

static void cross_entropy_input_part(const void *task, int64_t i)
{
    const struct rows *t = task;
    int64_t first = i * t->step, rows = rows_of(t, first), c = t->d, g_at = t->g_per_row ? first : 0;
    if (t->dtype == AG_FLOAT32) {
        cross_entropy_back_f32(rows, c, (const float *)t->x + first * c, t->label + first,
                               (const float *)t->stats + 2 * first, (const float *)t->g + g_at, t->g_per_row,
                               (float)t->scale, (float *)t->out + first * c);
    } else {
        cross_entropy_back_f64(rows, c, (const double *)t->x + first * c, t->label + first,
                               (const double *)t->stats + 2 * first, (const double *)t->g + g_at, t->g_per_row, t->scale,
                               (double *)t->out + first * c);
    }
}

void k_cross_entropy_input(ag_dtype dtype, int threads, int64_t n, int64_t c, const void *x, const int64_t *label,
                           const void *stats, const void *g, bool g_per_row, double scale, void *dx)
{
    struct rows task = {
        .dtype = dtype,
        .all = n,
        .step = rows_at_a_time(c),
        .d = c,
        .x = x,
        .label = label,
        .stats = stats,
        .g = g,
        .g_per_row = g_per_row,
        .scale = scale,
        .out = dx,
    };
    run(threads, n * c, cross_entropy_input_part, &task);
}

static struct rows label_task(ag_dtype dtype, const k_labels *p, const void *x)
{
    return (struct rows){ .dtype = dtype, .all = p->n, .step = p->l == 1 ? rows_at_a_time(p->c) : 1, .p = p, .x = x };
}

static void label_part(const void *task, int64_t i)
{
    const struct rows *t = task;
    int64_t first = i * t->step, rows = rows_of(t, first);
    if (t->dtype == AG_FLOAT32 && t->p->l == 1) {
        label_rows_f32(t->p, first, rows, t->x, t->out, t->out_stats);
    } else if (t->dtype == AG_FLOAT32) {
        label_columns_f32(t->p, i, t->x, t->out, t->out_stats);
    } else if (t->p->l == 1) {
        label_rows_f64(t->p, first, rows, t->x, t->out, t->out_stats);
    } else {
        label_columns_f64(t->p, i, t->x, t->out, t->out_stats);
    }
}

void k_label_loss(ag_dtype dtype, int threads, const k_labels *p, const void *x, void *loss, void *stats)
{
    struct rows task = label_task(dtype, p, x);
    task.out = loss;
    task.out_stats = stats;
    run(threads, p->n * p->c * p->l, label_part, &task);
}

static void label_input_part(const void *task, int64_t i)
{
    const struct rows *t = task;
    int64_t first = i * t->step, rows = rows_of(t, first);
    if (t->dtype == AG_FLOAT32 && t->p->l == 1) {
        label_rows_back_f32(t->p, first, rows, t->x, t->stats, t->g, t->g_per_row, (float)t->scale, t->out);
    } else if (t->dtype == AG_FLOAT32) {
        label_columns_back_f32(t->p, i, t->x, t->stats, t->g, t->g_per_row, (float)t->scale, t->out);
    } else if (t->p->l == 1) {
        label_rows_back_f64(t->p, first, rows, t->x, t->stats, t->g, t->g_per_row, t->scale, t->out);
    } else {
        label_columns_back_f64(t->p, i, t->x, t->stats, t->g, t->g_per_row, t->scale, t->out);
    }
}

void k_label_loss_input(ag_dtype dtype, int threads, const k_labels *p, const void *x, const void *stats, const void *g,
                        bool g_per_row, double scale, void *dx)
{
    struct rows task = label_task(dtype, p, x);
    task.stats = stats;
    task.g = g;
    task.g_per_row = g_per_row;
    task.scale = scale;
    task.out = dx;
    run(threads, p->n * p->c * p->l, label_input_part, &task);
}
