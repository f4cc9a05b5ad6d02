/*
 * Running sums and products along one dimension. Rows are added as they lie, so that the work is along the fast dimension.
 */
#include "scan.h"

#include "parallel.h"

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

void k_scan(ag_dtype dtype, int threads, bool product, int64_t outer, int64_t n, int64_t inner, const void *x, void *y)
{
    size_t bytes = (size_t)(n * inner) * ag_dtype_size(dtype);
    int team = outer * n * inner < WORTH_A_THREAD ? 1 : threads;
    K_PARALLEL_FOR(team, (int64_t o = 0; o < outer; o++), {
        const char *from = (const char *)x + (size_t)o * bytes;
        char *to = (char *)y + (size_t)o * bytes;
        if (dtype == AG_FLOAT32) {
            scan_f32(product, n, inner, from, to);
        } else if (dtype == AG_FLOAT64) {
            scan_f64(product, n, inner, from, to);
        } else {
            scan_i64(product, n, inner, from, to);
        }
    });
}

void k_product(ag_dtype dtype, int threads, int64_t outer, int64_t n, int64_t inner, const void *x, void *y)
{
    size_t item = ag_dtype_size(dtype);
    int team = outer * n * inner < WORTH_A_THREAD ? 1 : threads;
    K_PARALLEL_FOR(team, (int64_t o = 0; o < outer; o++), {
        const char *from = (const char *)x + (size_t)(o * n * inner) * item;
        char *to = (char *)y + (size_t)(o * inner) * item;
        if (dtype == AG_FLOAT32) {
            product_f32(n, inner, from, to);
        } else if (dtype == AG_FLOAT64) {
            product_f64(n, inner, from, to);
        } else {
            product_i64(n, inner, from, to);
        }
    });
}
