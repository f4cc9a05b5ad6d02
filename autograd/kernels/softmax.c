/*
 * Softmax, its logarithm, and cross-entropy on labels, forwards and backwards. Raw numbers only.
 */
#include <math.h>

#include "autograd/kernels/kernels.h"
#include "autograd/kernels/parallel.h"
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
enum { GRAIN = 8192 };

/* Rows a thread takes at a time; each row is computed alone, so the cut changes nothing. */
static int64_t rows_at_a_time(int64_t d)
{
    return d >= GRAIN ? 1 : GRAIN / (d > 0 ? d : 1);
}

static int64_t parts_of(int64_t rows, int64_t step)
{
    return (rows + step - 1) / step;
}

void k_softmax(ag_dtype dtype, int threads, int64_t outer, int64_t d, int64_t inner, const void *x, void *y, bool logarithm)
{
    int64_t step = inner == 1 ? rows_at_a_time(d) : 1, parts = parts_of(outer, step);
    bool split = threads > 1 && parts > 1 && outer * d * inner >= 2 * GRAIN;
    K_PARALLEL_FOR(split ? threads : 1, (int64_t i = 0; i < parts; i++), {
        int64_t first = i * step, rows = outer - first < step ? outer - first : step, at = first * d * inner;
        if (dtype == AG_FLOAT32 && inner == 1) {
            softmax_rows_f32(rows, d, (const float *)x + at, (float *)y + at, logarithm);
        } else if (dtype == AG_FLOAT32) {
            softmax_columns_f32(d, inner, (const float *)x + at, (float *)y + at, logarithm);
        } else if (inner == 1) {
            softmax_rows_f64(rows, d, (const double *)x + at, (double *)y + at, logarithm);
        } else {
            softmax_columns_f64(d, inner, (const double *)x + at, (double *)y + at, logarithm);
        }
    });
}

void k_softmax_input(ag_dtype dtype, int threads, int64_t outer, int64_t d, int64_t inner, const void *dy, const void *y,
                     void *dx, bool logarithm)
{
    int64_t step = inner == 1 ? rows_at_a_time(d) : 1, parts = parts_of(outer, step);
    bool split = threads > 1 && parts > 1 && outer * d * inner >= 2 * GRAIN;
    K_PARALLEL_FOR(split ? threads : 1, (int64_t i = 0; i < parts; i++), {
        int64_t first = i * step, rows = outer - first < step ? outer - first : step, at = first * d * inner;
        if (dtype == AG_FLOAT32 && inner == 1) {
            softmax_rows_back_f32(rows, d, (const float *)dy + at, (const float *)y + at, (float *)dx + at, logarithm);
        } else if (dtype == AG_FLOAT32) {
            softmax_back_f32(d, inner, (const float *)dy + at, (const float *)y + at, (float *)dx + at, logarithm);
        } else if (inner == 1) {
            softmax_rows_back_f64(rows, d, (const double *)dy + at, (const double *)y + at, (double *)dx + at, logarithm);
        } else {
            softmax_back_f64(d, inner, (const double *)dy + at, (const double *)y + at, (double *)dx + at, logarithm);
        }
    });
}

void k_cross_entropy(ag_dtype dtype, int threads, int64_t n, int64_t c, const void *x, const int64_t *label, void *loss,
                     void *stats)
{
    int64_t step = rows_at_a_time(c), parts = parts_of(n, step);
    bool split = threads > 1 && parts > 1;
    K_PARALLEL_FOR(split ? threads : 1, (int64_t i = 0; i < parts; i++), {
        int64_t first = i * step, rows = n - first < step ? n - first : step;
        if (dtype == AG_FLOAT32) {
            cross_entropy_rows_f32(rows, c, (const float *)x + first * c, label + first, (float *)loss + first,
                                   (float *)stats + 2 * first);
        } else {
            cross_entropy_rows_f64(rows, c, (const double *)x + first * c, label + first, (double *)loss + first,
                                   (double *)stats + 2 * first);
        }
    });
}

void k_cross_entropy_input(ag_dtype dtype, int threads, int64_t n, int64_t c, const void *x, const int64_t *label,
                           const void *stats, const void *g, bool g_per_row, double scale, void *dx)
{
    int64_t step = rows_at_a_time(c), parts = parts_of(n, step);
    bool split = threads > 1 && parts > 1;
    K_PARALLEL_FOR(split ? threads : 1, (int64_t i = 0; i < parts; i++), {
        int64_t first = i * step, rows = n - first < step ? n - first : step, g_at = g_per_row ? first : 0;
        if (dtype == AG_FLOAT32) {
            cross_entropy_back_f32(rows, c, (const float *)x + first * c, label + first, (const float *)stats + 2 * first,
                                   (const float *)g + g_at, g_per_row, (float)scale, (float *)dx + first * c);
        } else {
            cross_entropy_back_f64(rows, c, (const double *)x + first * c, label + first,
                                   (const double *)stats + 2 * first, (const double *)g + g_at, g_per_row, scale,
                                   (double *)dx + first * c);
        }
    });
}

void k_label_loss(ag_dtype dtype, int threads, const k_labels *p, const void *x, void *loss, void *stats)
{
    int64_t step = p->l == 1 ? rows_at_a_time(p->c) : 1, parts = parts_of(p->n, step);
    bool split = threads > 1 && parts > 1 && p->n * p->c * p->l >= 2 * GRAIN;
    K_PARALLEL_FOR(split ? threads : 1, (int64_t i = 0; i < parts; i++), {
        int64_t first = i * step, rows = p->n - first < step ? p->n - first : step;
        if (dtype == AG_FLOAT32 && p->l == 1) {
            label_rows_f32(p, first, rows, x, loss, stats);
        } else if (dtype == AG_FLOAT32) {
            label_columns_f32(p, i, x, loss, stats);
        } else if (p->l == 1) {
            label_rows_f64(p, first, rows, x, loss, stats);
        } else {
            label_columns_f64(p, i, x, loss, stats);
        }
    });
}

void k_label_loss_input(ag_dtype dtype, int threads, const k_labels *p, const void *x, const void *stats, const void *g,
                        bool g_per_row, double scale, void *dx)
{
    int64_t step = p->l == 1 ? rows_at_a_time(p->c) : 1, parts = parts_of(p->n, step);
    bool split = threads > 1 && parts > 1 && p->n * p->c * p->l >= 2 * GRAIN;
    K_PARALLEL_FOR(split ? threads : 1, (int64_t i = 0; i < parts; i++), {
        int64_t first = i * step, rows = p->n - first < step ? p->n - first : step;
        if (dtype == AG_FLOAT32 && p->l == 1) {
            label_rows_back_f32(p, first, rows, x, stats, g, g_per_row, (float)scale, dx);
        } else if (dtype == AG_FLOAT32) {
            label_columns_back_f32(p, i, x, stats, g, g_per_row, (float)scale, dx);
        } else if (p->l == 1) {
            label_rows_back_f64(p, first, rows, x, stats, g, g_per_row, scale, dx);
        } else {
            label_columns_back_f64(p, i, x, stats, g, g_per_row, scale, dx);
        }
    });
}
