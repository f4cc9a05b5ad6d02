/*
 * Losses that compare two arrays element by element, in one pass each way. Raw numbers only.
 */
#include <math.h>

#include "autograd/kernels/kernels.h"
#include "autograd/kernels/parallel.h"
#include "autograd/kernels/vector.h"

/* Elements in a chunk: a chunk's sum is formed in lanes, the chunks' sums are added one after the other. */
enum { CHUNK = 4096, LANES = 16, WORTH_A_THREAD = 32768 };

#define ABS(x) ((x) < 0 ? -(x) : (x))
#define SIGN(d) ((d) > 0 ? 1 : (d) < 0 ? -1 : (d)) /* NaN stays NaN */

/* For one type and one loss: the value at (x, y), and its derivatives by x and y. */
#define LOSS(T, name, VALUE, BY_X, BY_Y)                                                                             \
    AG_MULTIVERSION static void values_##name(int64_t n, const T *px, const T *py, T *out)                           \
    {                                                                                                                \
        for (int64_t i = 0; i < n; i++) {                                                                            \
            T x = px[i], y = py[i];                                                                                  \
            out[i] = VALUE;                                                                                          \
        }                                                                                                            \
    }                                                                                                                \
                                                                                                                     \
    AG_MULTIVERSION static double sum_##name(int64_t n, const T *px, const T *py)                                    \
    {                                                                                                                \
        T lane[LANES] = { 0 };                                                                                       \
        double sum = 0;                                                                                              \
        int64_t i = 0;                                                                                               \
        for (; i + LANES <= n; i += LANES) {                                                                         \
            for (int j = 0; j < LANES; j++) {                                                                        \
                T x = px[i + j], y = py[i + j];                                                                      \
                lane[j] += VALUE;                                                                                    \
            }                                                                                                        \
        }                                                                                                            \
        for (; i < n; i++) {                                                                                         \
            T x = px[i], y = py[i];                                                                                  \
            sum += (double)(VALUE);                                                                                  \
        }                                                                                                            \
        for (int j = 0; j < LANES; j++) {                                                                            \
            sum += (double)lane[j];                                                                                  \
        }                                                                                                            \
        return sum;                                                                                                  \
    }                                                                                                                \
                                                                                                                     \
    AG_MULTIVERSION static void by_x_##name(int64_t n, const T *px, const T *py, const T *g, int64_t step, T scale,  \
                                            T *out)                                                                  \
    {                                                                                                                \
        for (int64_t i = 0; i < n; i++) {                                                                            \
            T x = px[i], y = py[i];                                                                                  \
            out[i] = (BY_X) * (g[i * step] * scale);                                                                 \
        }                                                                                                            \
    }                                                                                                                \
                                                                                                                     \
    AG_MULTIVERSION static void by_y_##name(int64_t n, const T *px, const T *py, const T *g, int64_t step, T scale,  \
                                            T *out)                                                                  \
    {                                                                                                                \
        for (int64_t i = 0; i < n; i++) {                                                                            \
            T x = px[i], y = py[i];                                                                                  \
            (void)y;                                                                                                 \
            out[i] = (BY_Y) * (g[i * step] * scale);                                                                 \
        }                                                                                                            \
    }

LOSS(float, mse_f32, (x - y) * (x - y), 2 * (x - y), -2 * (x - y))
LOSS(double, mse_f64, (x - y) * (x - y), 2 * (x - y), -2 * (x - y))
LOSS(float, l1_f32, ABS(x - y), SIGN(x - y), -SIGN(x - y))
LOSS(double, l1_f64, ABS(x - y), SIGN(x - y), -SIGN(x - y))
/* max(x, 0) - x y, so that an infinite x does not meet another infinity. */
LOSS(float, bce_f32, (x > 0 ? x * (1 - y) : -x * y) + k_log1p_unit_f32(k_exp_f32(-ABS(x))), k_sigmoid_f32(x) - y, -x)
LOSS(double, bce_f64, (x > 0 ? x * (1 - y) : -x * y) + k_log1p_unit_f64(k_exp_f64(-ABS(x))), k_sigmoid_f64(x) - y, -x)

/* Calls do_<kind>_<type> on a chunk that begins at element `at`. */
#define BY_KIND(dtype, kind, DO)                                                                                     \
    switch (kind) {                                                                                                  \
    case K_LOSS_MSE:                                                                                                 \
        if ((dtype) == AG_FLOAT32) { DO(mse_f32, float) } else { DO(mse_f64, double) }                               \
        break;                                                                                                       \
    case K_LOSS_L1:                                                                                                  \
        if ((dtype) == AG_FLOAT32) { DO(l1_f32, float) } else { DO(l1_f64, double) }                                 \
        break;                                                                                                       \
    case K_LOSS_BCE:                                                                                                 \
        if ((dtype) == AG_FLOAT32) { DO(bce_f32, float) } else { DO(bce_f64, double) }                               \
        break;                                                                                                       \
    }

static int64_t chunks_of(int64_t n)
{
    return (n + CHUNK - 1) / CHUNK;
}

size_t k_loss_sum_bytes(int64_t n)
{
    return (size_t)chunks_of(n) * sizeof(double);
}

double k_loss_sum(ag_dtype dtype, int threads, k_loss_kind kind, int64_t n, const void *x, const void *y, void *work)
{
    int64_t chunks = chunks_of(n);
    double *part = work, sum = 0;
#define DO_SUM(name, T) part[c] = sum_##name(count, (const T *)x + at, (const T *)y + at);
    K_PARALLEL_FOR(threads > 1 && n > WORTH_A_THREAD ? threads : 1, (int64_t c = 0; c < chunks; c++), {
        int64_t at = c * CHUNK, count = n - at < CHUNK ? n - at : CHUNK;
        BY_KIND(dtype, kind, DO_SUM)
    });
    for (int64_t c = 0; c < chunks; c++) {
        sum += part[c];
    }
    return sum;
}

void k_loss_values(ag_dtype dtype, int threads, k_loss_kind kind, int64_t n, const void *x, const void *y, void *out)
{
    int64_t chunks = chunks_of(n);
#define DO_VALUES(name, T) values_##name(count, (const T *)x + at, (const T *)y + at, (T *)out + at);
    K_PARALLEL_FOR(threads > 1 && n > WORTH_A_THREAD ? threads : 1, (int64_t c = 0; c < chunks; c++), {
        int64_t at = c * CHUNK, count = n - at < CHUNK ? n - at : CHUNK;
        BY_KIND(dtype, kind, DO_VALUES)
    });
}

void k_loss_input(ag_dtype dtype, int threads, k_loss_kind kind, int64_t n, const void *x, const void *y, const void *g,
                  bool g_per_element, double scale, void *dx, void *dy)
{
    int64_t chunks = chunks_of(n);
#define DO_INPUT(name, T)                                                                                            \
    if (dx != NULL) {                                                                                                \
        by_x_##name(count, (const T *)x + at, (const T *)y + at, (const T *)g + g_at, g_per_element, (T)scale,       \
                    (T *)dx + at);                                                                                   \
    }                                                                                                                \
    if (dy != NULL) {                                                                                                \
        by_y_##name(count, (const T *)x + at, (const T *)y + at, (const T *)g + g_at, g_per_element, (T)scale,       \
                    (T *)dy + at);                                                                                   \
    }
    K_PARALLEL_FOR(threads > 1 && n > WORTH_A_THREAD ? threads : 1, (int64_t c = 0; c < chunks; c++), {
        int64_t at = c * CHUNK, count = n - at < CHUNK ? n - at : CHUNK, g_at = g_per_element ? at : 0;
        BY_KIND(dtype, kind, DO_INPUT)
    });
}
