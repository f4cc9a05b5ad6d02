/*
 * Running sums and products along one dimension. Rows are added as they lie, so that the work is along the fast dimension.
 */
#include "scan.h"

#include "../parallel.h"

#define SCANS(T, suffix)                                                                        \
    static void scan_##suffix(bool product, int64_t n, int64_t inner, const void *xv, void *yv) \
    {                                                                                           \
        const T *x = xv;                                                                        \
        T *y = yv;                                                                              \
        for (int64_t i = 0; i < inner && n > 0; i++) {                                          \
            y[i] = x[i];                                                                        \
        }                                                                                       \
        for (int64_t k = 1; k < n; k++) {                                                       \
            const T *before = y + (k - 1) * inner, *row = x + k * inner;                        \
            T *to = y + k * inner;                                                              \
            for (int64_t i = 0; i < inner; i++) {                                               \
                to[i] = product ? before[i] * row[i] : before[i] + row[i];                      \
            }                                                                                   \
        }                                                                                       \
    }                                                                                           \
    static void product_##suffix(int64_t n, int64_t inner, const void *xv, void *yv)            \
    {                                                                                           \
        const T *x = xv;                                                                        \
        T *y = yv;                                                                              \
        for (int64_t i = 0; i < inner; i++) {                                                   \
            y[i] = 1;                                                                           \
        }                                                                                       \
        for (int64_t k = 0; k < n; k++) {                                                       \
            for (int64_t i = 0; i < inner; i++) {                                               \
                y[i] *= x[k * inner + i];                                                       \
            }                                                                                   \
        }                                                                                       \
    }

SCANS(float, f32)
SCANS(double, f64)
SCANS(uint64_t, i64) /* int64 wraps */

#define WORTH_A_THREAD 65536

/* What the rows of one call share. */
struct rows {
    ag_dtype dtype;
    bool product;
    int64_t n, inner;
    const void *x;
    void *y;
};

static int team(int threads, int64_t outer, const struct rows *t)
{
    return outer * t->n * t->inner < WORTH_A_THREAD ? 1 : threads;
}

static void scan_row(const void *task, int64_t o)
{
    const struct rows *t = task;
    size_t at = (size_t)(o * t->n * t->inner) * ag_dtype_size(t->dtype);
    const char *from = (const char *)t->x + at;
    char *to = (char *)t->y + at;
    if (t->dtype == AG_FLOAT32) {
        scan_f32(t->product, t->n, t->inner, from, to);
    } else if (t->dtype == AG_FLOAT64) {
        scan_f64(t->product, t->n, t->inner, from, to);
    } else {
        scan_i64(t->product, t->n, t->inner, from, to);
    }
}

void k_scan(ag_dtype dtype, int threads, bool product, int64_t outer, int64_t n, int64_t inner, const void *x, void *y)
{
    struct rows task = { dtype, product, n, inner, x, y };
    ag_parallel(team(threads, outer, &task), outer, scan_row, &task);
}

static void product_row(const void *task, int64_t o)
{
    const struct rows *t = task;
    size_t item = ag_dtype_size(t->dtype);
    const char *from = (const char *)t->x + (size_t)(o * t->n * t->inner) * item;
    char *to = (char *)t->y + (size_t)(o * t->inner) * item;
    if (t->dtype == AG_FLOAT32) {
        product_f32(t->n, t->inner, from, to);
    } else if (t->dtype == AG_FLOAT64) {
        product_f64(t->n, t->inner, from, to);
    } else {
        product_i64(t->n, t->inner, from, to);
    }
}

void k_product(ag_dtype dtype, int threads, int64_t outer, int64_t n, int64_t inner, const void *x, void *y)
{
    struct rows task = { dtype, true, n, inner, x, y };
    ag_parallel(team(threads, outer, &task), outer, product_row, &task);
}
