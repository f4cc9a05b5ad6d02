/*
 * Pooling of channels-last images; every inner loop runs along the channels. Must not know tensors.
 *
 * The forward work is shared among the threads by output rows. The input gradients scatter, so they
 * are shared by images; the order of the sums is the order of the output positions in either case.
 */
#include <math.h>
#include <string.h>

#include "autograd/kernels/kernels.h"
#include "autograd/parallel.h"

/* Below so many numbers touched a second thread costs more than it brings. */
static int team_for(int threads, const k_pool *p)
{
    int64_t work = p->n * p->c * (p->oh * p->ow * p->kernel[0] * p->kernel[1] + p->h * p->w);
    return threads < 2 || work < 32768 || ag_parallel_inside() ? 1 : threads;
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

/* What the turns of one call share; a turn is a row of the output, or for the gradients of the input an image. */
struct pooling {
    ag_dtype dtype;
    const k_pool *p;
    const void *from;
    const uint16_t *winner;
    void *to;
    uint16_t *index;
    int64_t in, out; /* elements of an image */
    bool once;
};

static struct pooling pooling_of(ag_dtype dtype, const k_pool *p, const void *from, void *to)
{
    return (struct pooling){
        .dtype = dtype,
        .p = p,
        .from = from,
        .to = to,
        .in = p->h * p->w * p->c,
        .out = p->oh * p->ow * p->c,
        .once = windows_tile(p),
    };
}

static void max_row(const void *task, int64_t r)
{
    const struct pooling *t = task;
    int64_t i = r / t->p->oh, oy = r % t->p->oh;
    uint16_t *at = t->index == NULL ? NULL : t->index + i * t->out;
    if (t->dtype == AG_FLOAT64) {
        max_row_f64(t->p, (const double *)t->from + i * t->in, (double *)t->to + i * t->out, at, oy);
    } else {
        max_row_f32(t->p, (const float *)t->from + i * t->in, (float *)t->to + i * t->out, at, oy);
    }
}

void k_max_pool(ag_dtype dtype, int threads, const k_pool *p, const void *x, void *y,
                uint16_t *index)
{
    struct pooling task = pooling_of(dtype, p, x, y);
    task.index = index;
    ag_parallel(team_for(threads, p), p->n * p->oh, max_row, &task);
}

static void max_input_image(const void *task, int64_t i)
{
    const struct pooling *t = task;
    const uint16_t *winner = t->winner + i * t->out;
    if (t->dtype == AG_FLOAT64) {
        (t->once ? max_spread_f64 : max_scatter_f64)(t->p, (const double *)t->from + i * t->out,
                                                     winner, (double *)t->to + i * t->in);
    } else {
        (t->once ? max_spread_f32 : max_scatter_f32)(t->p, (const float *)t->from + i * t->out,
                                                     winner, (float *)t->to + i * t->in);
    }
}

void k_max_pool_input(ag_dtype dtype, int threads, const k_pool *p, const void *dy,
                      const uint16_t *index, void *dx)
{
    struct pooling task = pooling_of(dtype, p, dy, dx);
    task.winner = index;
    ag_parallel(team_for(threads, p), p->n, max_input_image, &task);
}

static void gather_row(const void *task, int64_t r)
{
    const struct pooling *t = task;
    int64_t i = r / t->p->oh, oy = r % t->p->oh;
    const uint16_t *winner = t->winner + i * t->out;
    if (t->dtype == AG_FLOAT64) {
        gather_row_f64(t->p, (const double *)t->from + i * t->in, winner,
                       (double *)t->to + i * t->out, oy);
    } else {
        gather_row_f32(t->p, (const float *)t->from + i * t->in, winner,
                       (float *)t->to + i * t->out, oy);
    }
}

void k_max_pool_gather(ag_dtype dtype, int threads, const k_pool *p, const void *x,
                       const uint16_t *index, void *y)
{
    struct pooling task = pooling_of(dtype, p, x, y);
    task.winner = index;
    ag_parallel(team_for(threads, p), p->n * p->oh, gather_row, &task);
}

static void avg_row(const void *task, int64_t r)
{
    const struct pooling *t = task;
    int64_t i = r / t->p->oh, oy = r % t->p->oh;
    if (t->dtype == AG_FLOAT64) {
        avg_row_f64(t->p, (const double *)t->from + i * t->in, (double *)t->to + i * t->out, oy);
    } else {
        avg_row_f32(t->p, (const float *)t->from + i * t->in, (float *)t->to + i * t->out, oy);
    }
}

void k_avg_pool(ag_dtype dtype, int threads, const k_pool *p, const void *x, void *y)
{
    struct pooling task = pooling_of(dtype, p, x, y);
    ag_parallel(team_for(threads, p), p->n * p->oh, avg_row, &task);
}

static void avg_input_image(const void *task, int64_t i)
{
    const struct pooling *t = task;
    if (t->dtype == AG_FLOAT64) {
        avg_scatter_f64(t->p, (const double *)t->from + i * t->out, (double *)t->to + i * t->in);
    } else {
        avg_scatter_f32(t->p, (const float *)t->from + i * t->out, (float *)t->to + i * t->in);
    }
}

void k_avg_pool_input(ag_dtype dtype, int threads, const k_pool *p, const void *dy, void *dx)
{
    struct pooling task = pooling_of(dtype, p, dy, dx);
    ag_parallel(team_for(threads, p), p->n, avg_input_image, &task);
}
