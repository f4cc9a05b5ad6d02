/*
 * Pooling of channels-last images; every inner loop runs along the channels. Must not know tensors.
 *
 * The forward work is shared among the threads by output rows. The input gradients scatter, so they
 * are shared by images; the order of the sums is the order of the output positions in either case.
 */
#include <math.h>
#include <omp.h>
#include <string.h>

#include "autograd/kernels/kernels.h"
#include "autograd/kernels/parallel.h"

/* Below so many numbers touched a second thread costs more than it brings. */
static int team_for(int threads, const k_pool *p)
{
    int64_t work = p->n * p->c * (p->oh * p->ow * p->kernel[0] * p->kernel[1] + p->h * p->w);
    return threads < 2 || work < 65536 || omp_in_parallel() ? 1 : threads;
}

/* One dimension of a window: its first cell's place in the image, which of its cells [low, high)
 * lie in the image, and how many cells a mean counts: those in the image, or those in the padded
 * image. */
typedef struct window {
    int64_t start, low, high, cells;
} window;

static inline window window_at(const k_pool *p, int d, int64_t position)
{
    int64_t length = d == 0 ? p->h : p->w;
    window w = { .start = position * p->stride[d] - p->padding[d] };
    int64_t room = length - w.start, padded = room + p->padding[d];
    w.low = w.start < 0 ? -w.start : 0;
    w.high = room < p->kernel[d] ? room : p->kernel[d];
    w.cells =
        p->count_include_pad ? (padded < p->kernel[d] ? padded : p->kernel[d]) : w.high - w.low;
    return w;
}

#define POOL(name) name##_f32
#define T float
#define BITS uint32_t
#include "autograd/kernels/pool_template.h"

#define POOL(name) name##_f64
#define T double
#define BITS uint64_t
#include "autograd/kernels/pool_template.h"

/* Whether no cell of the image lies in two windows, and every window lies in the image, side by
 * side. */
static bool windows_tile(const k_pool *p)
{
    return p->padding[0] == 0 && p->padding[1] == 0 && p->kernel[0] == p->stride[0] &&
           p->kernel[1] == p->stride[1] && p->oh * p->stride[0] <= p->h &&
           p->ow * p->stride[1] <= p->w;
}

void k_max_pool(ag_dtype dtype, int threads, const k_pool *p, const void *x, void *y,
                uint16_t *index)
{
    int64_t in = p->h * p->w * p->c, out = p->oh * p->ow * p->c;
    int team = team_for(threads, p);
    K_PARALLEL_FOR(team, (int64_t r = 0; r < p->n * p->oh; r++), {
        int64_t i = r / p->oh, oy = r % p->oh;
        uint16_t *at = index == NULL ? NULL : index + i * out;
        if (dtype == AG_FLOAT64) {
            max_row_f64(p, (const double *)x + i * in, (double *)y + i * out, at, oy);
        } else {
            max_row_f32(p, (const float *)x + i * in, (float *)y + i * out, at, oy);
        }
    });
}

void k_max_pool_input(ag_dtype dtype, int threads, const k_pool *p, const void *dy,
                      const uint16_t *index, void *dx)
{
    int64_t in = p->h * p->w * p->c, out = p->oh * p->ow * p->c;
    int team = team_for(threads, p);
    bool once = windows_tile(p);
    K_PARALLEL_FOR(team, (int64_t i = 0; i < p->n; i++), {
        if (dtype == AG_FLOAT64) {
            (once ? max_spread_f64 : max_scatter_f64)(p, (const double *)dy + i * out,
                                                      index + i * out, (double *)dx + i * in);
        } else {
            (once ? max_spread_f32 : max_scatter_f32)(p, (const float *)dy + i * out,
                                                      index + i * out, (float *)dx + i * in);
        }
    });
}

void k_max_pool_gather(ag_dtype dtype, int threads, const k_pool *p, const void *x,
                       const uint16_t *index, void *y)
{
    int64_t in = p->h * p->w * p->c, out = p->oh * p->ow * p->c;
    int team = team_for(threads, p);
    K_PARALLEL_FOR(team, (int64_t r = 0; r < p->n * p->oh; r++), {
        int64_t i = r / p->oh, oy = r % p->oh;
        if (dtype == AG_FLOAT64) {
            gather_row_f64(p, (const double *)x + i * in, index + i * out, (double *)y + i * out,
                           oy);
        } else {
            gather_row_f32(p, (const float *)x + i * in, index + i * out, (float *)y + i * out, oy);
        }
    });
}

void k_avg_pool(ag_dtype dtype, int threads, const k_pool *p, const void *x, void *y)
{
    int64_t in = p->h * p->w * p->c, out = p->oh * p->ow * p->c;
    int team = team_for(threads, p);
    K_PARALLEL_FOR(team, (int64_t r = 0; r < p->n * p->oh; r++), {
        int64_t i = r / p->oh, oy = r % p->oh;
        if (dtype == AG_FLOAT64) {
            avg_row_f64(p, (const double *)x + i * in, (double *)y + i * out, oy);
        } else {
            avg_row_f32(p, (const float *)x + i * in, (float *)y + i * out, oy);
        }
    });
}

void k_avg_pool_input(ag_dtype dtype, int threads, const k_pool *p, const void *dy, void *dx)
{
    int64_t in = p->h * p->w * p->c, out = p->oh * p->ow * p->c;
    int team = team_for(threads, p);
    K_PARALLEL_FOR(team, (int64_t i = 0; i < p->n; i++), {
        if (dtype == AG_FLOAT64) {
            avg_scatter_f64(p, (const double *)dy + i * out, (double *)dx + i * in);
        } else {
            avg_scatter_f32(p, (const float *)dy + i * out, (float *)dx + i * in);
        }
    });
}
