/*
 * Averages over the cells of a grid that covers a channels-last image, and their transpose. Raw numbers only.
 */
#include "autograd/kernels/kernels.h"
#include "autograd/parallel.h"

#include <string.h>

/* Cell i of `cells` over `size` elements; neighbours overlap where the division leaves a rest. */
static int64_t cell_begin(int64_t i, int64_t size, int64_t cells)
{
    return i * size / cells;
}

static int64_t cell_end(int64_t i, int64_t size, int64_t cells)
{
    return ((i + 1) * size + cells - 1) / cells;
}

#define ADAPTIVE(T, suffix)                                                                                          \
    static void average_##suffix(int64_t h, int64_t w, int64_t c, int64_t oh, int64_t ow, const T *x, T *y)          \
    {                                                                                                                \
        for (int64_t i = 0; i < oh; i++) {                                                                           \
            int64_t r0 = cell_begin(i, h, oh), r1 = cell_end(i, h, oh);                                              \
            for (int64_t j = 0; j < ow; j++, y += c) {                                                               \
                int64_t c0 = cell_begin(j, w, ow), c1 = cell_end(j, w, ow);                                          \
                memset(y, 0, (size_t)c * sizeof(T));                                                                 \
                for (int64_t r = r0; r < r1; r++) {                                                                  \
                    for (int64_t k = c0; k < c1; k++) {                                                              \
                        const T *pixel = x + (r * w + k) * c;                                                        \
                        for (int64_t channel = 0; channel < c; channel++) {                                          \
                            y[channel] += pixel[channel];                                                            \
                        }                                                                                            \
                    }                                                                                                \
                }                                                                                                    \
                T scale = (T)1 / (T)((r1 - r0) * (c1 - c0));                                                         \
                for (int64_t channel = 0; channel < c; channel++) {                                                  \
                    y[channel] *= scale;                                                                             \
                }                                                                                                    \
            }                                                                                                        \
        }                                                                                                            \
    }                                                                                                                \
                                                                                                                     \
    static void spread_##suffix(int64_t h, int64_t w, int64_t c, int64_t oh, int64_t ow, const T *dy, T *dx)         \
    {                                                                                                                \
        memset(dx, 0, (size_t)(h * w * c) * sizeof(T));                                                              \
        for (int64_t i = 0; i < oh; i++) {                                                                           \
            int64_t r0 = cell_begin(i, h, oh), r1 = cell_end(i, h, oh);                                              \
            for (int64_t j = 0; j < ow; j++, dy += c) {                                                              \
                int64_t c0 = cell_begin(j, w, ow), c1 = cell_end(j, w, ow);                                          \
                T scale = (T)1 / (T)((r1 - r0) * (c1 - c0));                                                         \
                for (int64_t r = r0; r < r1; r++) {                                                                  \
                    for (int64_t k = c0; k < c1; k++) {                                                              \
                        T *pixel = dx + (r * w + k) * c;                                                             \
                        for (int64_t channel = 0; channel < c; channel++) {                                          \
                            pixel[channel] += scale * dy[channel];                                                   \
                        }                                                                                            \
                    }                                                                                                \
                }                                                                                                    \
            }                                                                                                        \
        }                                                                                                            \
    }

ADAPTIVE(float, f32)
ADAPTIVE(double, f64)

enum { WORTH_A_THREAD = 32768 };

/* What the images of one call share. */
struct grid {
    ag_dtype dtype;
    int64_t h, w, c, oh, ow;
    const void *from;
    void *to;
};

static int team(int threads, int64_t n, const struct grid *g)
{
    return n * g->h * g->w * g->c > WORTH_A_THREAD ? threads : 1;
}

static void average_image(const void *task, int64_t i)
{
    const struct grid *g = task;
    int64_t from = i * g->h * g->w * g->c, to = i * g->oh * g->ow * g->c;
    if (g->dtype == AG_FLOAT32) {
        average_f32(g->h, g->w, g->c, g->oh, g->ow, (const float *)g->from + from, (float *)g->to + to);
    } else {
        average_f64(g->h, g->w, g->c, g->oh, g->ow, (const double *)g->from + from, (double *)g->to + to);
    }
}

void k_adaptive_avg_pool(ag_dtype dtype, int threads, int64_t n, int64_t h, int64_t w, int64_t c, int64_t oh, int64_t ow,
                         const void *x, void *y)
{
    struct grid g = { dtype, h, w, c, oh, ow, x, y };
    ag_parallel(team(threads, n, &g), n, average_image, &g);
}

static void spread_image(const void *task, int64_t i)
{
    const struct grid *g = task;
    int64_t from = i * g->oh * g->ow * g->c, to = i * g->h * g->w * g->c;
    if (g->dtype == AG_FLOAT32) {
        spread_f32(g->h, g->w, g->c, g->oh, g->ow, (const float *)g->from + from, (float *)g->to + to);
    } else {
        spread_f64(g->h, g->w, g->c, g->oh, g->ow, (const double *)g->from + from, (double *)g->to + to);
    }
}

void k_adaptive_avg_pool_input(ag_dtype dtype, int threads, int64_t n, int64_t h, int64_t w, int64_t c, int64_t oh,
                               int64_t ow, const void *dy, void *dx)
{
    struct grid g = { dtype, h, w, c, oh, ow, dy, dx };
    ag_parallel(team(threads, n, &g), n, spread_image, &g);
}
