/*
 * Pooling of channels-last images; every inner loop runs along the channels. Must not know tensors.
 *
 * Forward work is shared among the threads by output rows. The input gradients scatter, so they are shared by images; the
 * order of the sums is the order of the output positions in either case.
 */
#include <math.h>
#include <omp.h>
#include <string.h>

#include "autograd/kernels/kernels.h"

enum {
    CHANNELS = 64, /* whose running maxima and winners are kept at once */
};

/* Below so many numbers touched a second thread costs more than it brings. */
static int team_for(int threads, const k_pool *p)
{
    int64_t work = p->n * p->c * (p->oh * p->ow * p->kernel[0] * p->kernel[1] + p->h * p->w);
    return threads < 2 || work < 65536 || omp_in_parallel() ? 1 : threads;
}

/* The part of a window that lies in the image: cells [low, high) of its length in dimension d. */
static inline void window_cells(const k_pool *p, int d, int64_t position, int64_t *low, int64_t *high)
{
    int64_t start = position * p->stride[d] - p->padding[d], length = d == 0 ? p->h : p->w;
    *low = start < 0 ? -start : 0;
    *high = length - start < p->kernel[d] ? length - start : p->kernel[d];
}

/* What the sum over a window is divided by: the cells in the image, or those in the padded image. */
static inline int64_t window_divisor(const k_pool *p, int64_t oy, int64_t ox)
{
    int64_t low[2], high[2], cells = 1, at[2] = {oy, ox}, length[2] = {p->h, p->w};
    for (int d = 0; d < 2; d++) {
        window_cells(p, d, at[d], &low[d], &high[d]);
        if (p->count_include_pad) {
            int64_t start = at[d] * p->stride[d] - p->padding[d], stop = start + p->kernel[d];
            int64_t edge = length[d] + p->padding[d];
            cells *= (stop < edge ? stop : edge) - start;
        } else {
            cells *= high[d] - low[d];
        }
    }
    return cells;
}

#define POOL(T, name, lowest)                                                                                              \
    /* One row of y. Comparing with `>` keeps the first of equals; a NaN beats all that is not NaN, and stays. */         \
    AG_MULTIVERSION static void max_row_##name(const k_pool *p, const T *restrict x, T *restrict y,                        \
                                               uint16_t *restrict index, int64_t oy)                                       \
    {                                                                                                                      \
        int64_t top, bottom, left, right;                                                                                  \
        window_cells(p, 0, oy, &top, &bottom);                                                                             \
        for (int64_t ox = 0; ox < p->ow; ox++) {                                                                           \
            window_cells(p, 1, ox, &left, &right);                                                                         \
            int64_t iy = oy * p->stride[0] - p->padding[0], ix = ox * p->stride[1] - p->padding[1];                        \
            for (int64_t c0 = 0; c0 < p->c; c0 += CHANNELS) {                                                              \
                int64_t now = p->c - c0 < CHANNELS ? p->c - c0 : CHANNELS;                                                 \
                T best[CHANNELS];                                                                                          \
                name##_count winner[CHANNELS];                                                                             \
                for (int64_t c = 0; c < now; c++) {                                                                        \
                    best[c] = lowest;                                                                                      \
                    winner[c] = (name##_count)(top * p->kernel[1] + left);                                                 \
                }                                                                                                          \
                for (int64_t i = top; i < bottom; i++) {                                                                   \
                    for (int64_t j = left; j < right; j++) {                                                               \
                        const T *from = x + ((iy + i) * p->w + ix + j) * p->c + c0;                                        \
                        name##_count cell = (name##_count)(i * p->kernel[1] + j);                                          \
                        for (int64_t c = 0; c < now; c++) {                                                                \
                            T v = from[c];                                                                                 \
                            bool wins = v > best[c] || (v != v && best[c] == best[c]);                                     \
                            best[c] = wins ? v : best[c];                                                                  \
                            winner[c] = wins ? cell : winner[c];                                                           \
                        }                                                                                                  \
                    }                                                                                                      \
                }                                                                                                          \
                T *to = y + (oy * p->ow + ox) * p->c + c0;                                                                 \
                for (int64_t c = 0; c < now; c++) {                                                                        \
                    to[c] = best[c];                                                                                       \
                }                                                                                                          \
                if (index != NULL) {                                                                                       \
                    uint16_t *at = index + (oy * p->ow + ox) * p->c + c0;                                                  \
                    for (int64_t c = 0; c < now; c++) {                                                                    \
                        at[c] = (uint16_t)winner[c];                                                                       \
                    }                                                                                                      \
                }                                                                                                          \
            }                                                                                                              \
        }                                                                                                                  \
    }                                                                                                                      \
                                                                                                                           \
    /* Windows that do not overlap and lie in the image: each cell is written once, the winner's with dy. */             \
    AG_MULTIVERSION static void max_spread_row_##name(const k_pool *p, const T *restrict dy,                               \
                                                      const uint16_t *restrict index, T *restrict dx, int64_t oy)          \
    {                                                                                                                      \
        for (int64_t ox = 0; ox < p->ow; ox++) {                                                                           \
            const T *from = dy + (oy * p->ow + ox) * p->c;                                                                 \
            const uint16_t *at = index + (oy * p->ow + ox) * p->c;                                                         \
            for (int64_t i = 0; i < p->kernel[0]; i++) {                                                                   \
                for (int64_t j = 0; j < p->kernel[1]; j++) {                                                               \
                    uint16_t cell = (uint16_t)(i * p->kernel[1] + j);                                                      \
                    T *to = dx + ((oy * p->stride[0] + i) * p->w + ox * p->stride[1] + j) * p->c;                          \
                    for (int64_t c = 0; c < p->c; c++) {                                                                   \
                        to[c] = at[c] == cell ? from[c] : 0;                                                               \
                    }                                                                                                      \
                }                                                                                                          \
            }                                                                                                              \
        }                                                                                                                  \
    }                                                                                                                      \
                                                                                                                           \
    static void max_scatter_##name(const k_pool *p, const T *dy, const uint16_t *index, T *dx)                             \
    {                                                                                                                      \
        memset(dx, 0, (size_t)(p->h * p->w * p->c) * sizeof(T));                                                           \
        for (int64_t oy = 0; oy < p->oh; oy++) {                                                                           \
            for (int64_t ox = 0; ox < p->ow; ox++) {                                                                       \
                int64_t iy = oy * p->stride[0] - p->padding[0], ix = ox * p->stride[1] - p->padding[1];                    \
                for (int64_t c = 0; c < p->c; c++) {                                                                       \
                    int64_t i = (oy * p->ow + ox) * p->c + c, row = iy + index[i] / p->kernel[1];                          \
                    dx[(row * p->w + ix + index[i] % p->kernel[1]) * p->c + c] += dy[i];                                   \
                }                                                                                                          \
            }                                                                                                              \
        }                                                                                                                  \
    }                                                                                                                      \
                                                                                                                           \
    static void max_gather_row_##name(const k_pool *p, const T *restrict x, const uint16_t *restrict index,                \
                                      T *restrict y, int64_t oy)                                                           \
    {                                                                                                                      \
        for (int64_t ox = 0; ox < p->ow; ox++) {                                                                           \
            int64_t iy = oy * p->stride[0] - p->padding[0], ix = ox * p->stride[1] - p->padding[1];                        \
            for (int64_t c = 0; c < p->c; c++) {                                                                           \
                int64_t i = (oy * p->ow + ox) * p->c + c, row = iy + index[i] / p->kernel[1];                              \
                y[i] = x[(row * p->w + ix + index[i] % p->kernel[1]) * p->c + c];                                          \
            }                                                                                                              \
        }                                                                                                                  \
    }                                                                                                                      \
                                                                                                                           \
    AG_MULTIVERSION static void avg_row_##name(const k_pool *p, const T *restrict x, T *restrict y, int64_t oy)            \
    {                                                                                                                      \
        int64_t top, bottom, left, right;                                                                                  \
        window_cells(p, 0, oy, &top, &bottom);                                                                             \
        for (int64_t ox = 0; ox < p->ow; ox++) {                                                                           \
            window_cells(p, 1, ox, &left, &right);                                                                         \
            int64_t iy = oy * p->stride[0] - p->padding[0], ix = ox * p->stride[1] - p->padding[1];                        \
            T divisor = (T)window_divisor(p, oy, ox), *to = y + (oy * p->ow + ox) * p->c;                                  \
            for (int64_t c0 = 0; c0 < p->c; c0 += CHANNELS) {                                                              \
                int64_t now = p->c - c0 < CHANNELS ? p->c - c0 : CHANNELS;                                                 \
                T sum[CHANNELS] = {0};                                                                                     \
                for (int64_t i = top; i < bottom; i++) {                                                                   \
                    for (int64_t j = left; j < right; j++) {                                                               \
                        const T *from = x + ((iy + i) * p->w + ix + j) * p->c + c0;                                        \
                        for (int64_t c = 0; c < now; c++) {                                                                \
                            sum[c] += from[c];                                                                             \
                        }                                                                                                  \
                    }                                                                                                      \
                }                                                                                                          \
                for (int64_t c = 0; c < now; c++) {                                                                        \
                    to[c0 + c] = sum[c] / divisor;                                                                         \
                }                                                                                                          \
            }                                                                                                              \
        }                                                                                                                  \
    }                                                                                                                      \
                                                                                                                           \
    AG_MULTIVERSION static void avg_scatter_##name(const k_pool *p, const T *restrict dy, T *restrict dx)                  \
    {                                                                                                                      \
        memset(dx, 0, (size_t)(p->h * p->w * p->c) * sizeof(T));                                                           \
        for (int64_t oy = 0; oy < p->oh; oy++) {                                                                           \
            int64_t top, bottom, left, right;                                                                              \
            window_cells(p, 0, oy, &top, &bottom);                                                                         \
            for (int64_t ox = 0; ox < p->ow; ox++) {                                                                       \
                window_cells(p, 1, ox, &left, &right);                                                                     \
                int64_t iy = oy * p->stride[0] - p->padding[0], ix = ox * p->stride[1] - p->padding[1];                    \
                T divisor = (T)window_divisor(p, oy, ox);                                                                  \
                const T *from = dy + (oy * p->ow + ox) * p->c;                                                             \
                for (int64_t i = top; i < bottom; i++) {                                                                   \
                    for (int64_t j = left; j < right; j++) {                                                               \
                        T *to = dx + ((iy + i) * p->w + ix + j) * p->c;                                                    \
                        for (int64_t c = 0; c < p->c; c++) {                                                               \
                            to[c] += from[c] / divisor;                                                                    \
                        }                                                                                                  \
                    }                                                                                                      \
                }                                                                                                          \
            }                                                                                                              \
        }                                                                                                                  \
    }

/* Winners are counted in an integer as wide as T, so that both fit the same vectors. */
typedef uint32_t f32_count;
typedef uint64_t f64_count;

POOL(float, f32, -INFINITY)
POOL(double, f64, -(double)INFINITY)

/* Whether every cell of the image lies in exactly one window. */
static bool windows_tile(const k_pool *p)
{
    return p->padding[0] == 0 && p->padding[1] == 0 && p->kernel[0] == p->stride[0] && p->kernel[1] == p->stride[1] &&
           p->oh * p->stride[0] <= p->h && p->ow * p->stride[1] <= p->w;
}

void k_max_pool(ag_dtype dtype, int threads, const k_pool *p, const void *x, void *y, uint16_t *index)
{
    int64_t in = p->h * p->w * p->c, out = p->oh * p->ow * p->c;
    int team = team_for(threads, p);
#pragma omp parallel for schedule(static) num_threads(team) if (team > 1)
    for (int64_t r = 0; r < p->n * p->oh; r++) {
        int64_t i = r / p->oh, oy = r % p->oh;
        uint16_t *at = index == NULL ? NULL : index + i * out;
        if (dtype == AG_FLOAT64) {
            max_row_f64(p, (const double *)x + i * in, (double *)y + i * out, at, oy);
        } else {
            max_row_f32(p, (const float *)x + i * in, (float *)y + i * out, at, oy);
        }
    }
}

/* dx of one image, whose windows touch each cell at most once; cells that no window touches become 0. */
#define SPREAD(T, name)                                                                                                    \
    static void max_spread_##name(const k_pool *p, const T *dy, const uint16_t *index, T *dx)                              \
    {                                                                                                                      \
        int64_t used = p->ow * p->stride[1], rest = (p->w - used) * p->c;                                                  \
        for (int64_t oy = 0; oy < p->oh; oy++) {                                                                           \
            max_spread_row_##name(p, dy, index, dx, oy);                                                                   \
            for (int64_t i = 0; i < p->stride[0] && rest > 0; i++) {                                                       \
                memset(dx + ((oy * p->stride[0] + i) * p->w + used) * p->c, 0, (size_t)rest * sizeof(T));                  \
            }                                                                                                              \
        }                                                                                                                  \
        int64_t covered = p->oh * p->stride[0];                                                                            \
        memset(dx + covered * p->w * p->c, 0, (size_t)((p->h - covered) * p->w * p->c) * sizeof(T));                       \
    }

SPREAD(float, f32)
SPREAD(double, f64)

void k_max_pool_input(ag_dtype dtype, int threads, const k_pool *p, const void *dy, const uint16_t *index, void *dx)
{
    int64_t in = p->h * p->w * p->c, out = p->oh * p->ow * p->c;
    int team = team_for(threads, p);
    bool once = windows_tile(p);
#pragma omp parallel for schedule(static) num_threads(team) if (team > 1)
    for (int64_t i = 0; i < p->n; i++) {
        if (dtype == AG_FLOAT64) {
            (once ? max_spread_f64 : max_scatter_f64)(p, (const double *)dy + i * out, index + i * out,
                                                      (double *)dx + i * in);
        } else {
            (once ? max_spread_f32 : max_scatter_f32)(p, (const float *)dy + i * out, index + i * out,
                                                      (float *)dx + i * in);
        }
    }
}

void k_max_pool_gather(ag_dtype dtype, int threads, const k_pool *p, const void *x, const uint16_t *index, void *y)
{
    int64_t in = p->h * p->w * p->c, out = p->oh * p->ow * p->c;
    int team = team_for(threads, p);
#pragma omp parallel for schedule(static) num_threads(team) if (team > 1)
    for (int64_t r = 0; r < p->n * p->oh; r++) {
        int64_t i = r / p->oh, oy = r % p->oh;
        if (dtype == AG_FLOAT64) {
            max_gather_row_f64(p, (const double *)x + i * in, index + i * out, (double *)y + i * out, oy);
        } else {
            max_gather_row_f32(p, (const float *)x + i * in, index + i * out, (float *)y + i * out, oy);
        }
    }
}

void k_avg_pool(ag_dtype dtype, int threads, const k_pool *p, const void *x, void *y)
{
    int64_t in = p->h * p->w * p->c, out = p->oh * p->ow * p->c;
    int team = team_for(threads, p);
#pragma omp parallel for schedule(static) num_threads(team) if (team > 1)
    for (int64_t r = 0; r < p->n * p->oh; r++) {
        int64_t i = r / p->oh, oy = r % p->oh;
        if (dtype == AG_FLOAT64) {
            avg_row_f64(p, (const double *)x + i * in, (double *)y + i * out, oy);
        } else {
            avg_row_f32(p, (const float *)x + i * in, (float *)y + i * out, oy);
        }
    }
}

void k_avg_pool_input(ag_dtype dtype, int threads, const k_pool *p, const void *dy, void *dx)
{
    int64_t in = p->h * p->w * p->c, out = p->oh * p->ow * p->c;
    int team = team_for(threads, p);
#pragma omp parallel for schedule(static) num_threads(team) if (team > 1)
    for (int64_t i = 0; i < p->n; i++) {
        if (dtype == AG_FLOAT64) {
            avg_scatter_f64(p, (const double *)dy + i * out, (double *)dx + i * in);
        } else {
            avg_scatter_f32(p, (const float *)dy + i * out, (float *)dx + i * in);
        }
    }
}
