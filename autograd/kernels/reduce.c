/*
 * Sums, maxima and minima over any set of dimensions of strided arrays, with the same bits for any number of threads.
 * Sums of float32 are accumulated in double: a mean over a million pixels must not lose its digits.
 */
#include "reduce.h"

#include <math.h>

#include "../parallel.h"

enum { WORTH_A_THREAD = 16384 };

struct reduction {
    int kept, reduced;
    int64_t kept_size[AG_MAX_DIMS], kept_stride[AG_MAX_DIMS];
    int64_t reduced_size[AG_MAX_DIMS], reduced_stride[AG_MAX_DIMS];
    int64_t kept_total, reduced_total, total;
    bool inner_reduced;
};

/* The offset of the i-th element in row-major order over `ndim` dimensions. */
static inline int64_t offset_of(int64_t ndim, const int64_t *size, const int64_t *stride, int64_t i)
{
    int64_t offset = 0;
    for (int64_t d = ndim - 1; d > 0; d--) {
        offset += i % size[d] * stride[d];
        i /= size[d];
    }
    return ndim > 0 ? offset + i * stride[0] : 0;
}

/* Appends a dimension, or lengthens the one before it where both step as one. */
static void append(int *n, int64_t *size, int64_t *stride, int64_t s, int64_t t)
{
    if (s == 1) {
        return;
    }
    if (*n > 0 && stride[*n - 1] == t * s) {
        size[*n - 1] *= s;
        stride[*n - 1] = t;
        return;
    }
    size[*n] = s;
    stride[(*n)++] = t;
}

/* Longest steps first, so that reduced elements are met in memory order; the order of a sum may change, as its result is
 * one number. Results keep their order. */
static void sort_reduced(const ag_array *x, const bool *reduced, struct reduction *r)
{
    int order[AG_MAX_DIMS], n = 0;
    for (int d = 0; d < x->ndim; d++) {
        if (!reduced[d]) {
            continue;
        }
        int at = n++;
        while (at > 0 && x->stride[order[at - 1]] < x->stride[d]) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = d;
    }
    for (int i = 0; i < n; i++) {
        append(&r->reduced, r->reduced_size, r->reduced_stride, x->size[order[i]], x->stride[order[i]]);
    }
}

static struct reduction plan(const ag_array *x, const bool *reduced)
{
    struct reduction r = {.kept_total = 1, .reduced_total = 1};
    for (int d = 0; d < x->ndim; d++) {
        if (reduced[d]) {
            r.reduced_total *= x->size[d];
        } else {
            r.kept_total *= x->size[d];
            append(&r.kept, r.kept_size, r.kept_stride, x->size[d], x->stride[d]);
        }
    }
    sort_reduced(x, reduced, &r);
    r.total = r.kept_total * r.reduced_total;
    int64_t inner_kept = r.kept > 0 ? r.kept_stride[r.kept - 1] : INT64_MAX;
    int64_t inner_reduced = r.reduced > 0 ? r.reduced_stride[r.reduced - 1] : INT64_MAX;
    r.inner_reduced = r.reduced > 0 && (inner_reduced <= inner_kept || r.kept == 0);
    return r;
}

#define ADD(a, b) ((a) + (b))
#define LARGER(a, b) ((b) > (a) || (b) != (b) ? (b) : (a))
#define SMALLER(a, b) ((b) < (a) || (b) != (b) ? (b) : (a))
#define SCALED_FLOAT(a, s) ((float)((a) * (s)))
#define SCALED_DOUBLE(a, s) ((a) * (s))
#define PLAIN(a, s) ((void)(s), (a))

#define T float
#define Y float
#define A double
#define NAME sum_f32
#define START 0
#define STEP ADD
#define FINISH SCALED_FLOAT
#include "reduce_template.h"

#define T double
#define Y double
#define A double
#define NAME sum_f64
#define START 0
#define STEP ADD
#define FINISH SCALED_DOUBLE
#include "reduce_template.h"

/* Unsigned, because overflow wraps as it does in NumPy. */
#define T int64_t
#define Y int64_t
#define A uint64_t
#define NAME sum_i64
#define START 0
#define STEP ADD
#define FINISH PLAIN
#include "reduce_template.h"

#define T uint8_t
#define Y int64_t
#define A uint64_t
#define NAME sum_u8
#define START 0
#define STEP ADD
#define FINISH PLAIN
#include "reduce_template.h"

#define T float
#define Y float
#define A float
#define NAME max_f32
#define START (-INFINITY)
#define STEP LARGER
#define FINISH PLAIN
#include "reduce_template.h"

#define T double
#define Y double
#define A double
#define NAME max_f64
#define START (-INFINITY)
#define STEP LARGER
#define FINISH PLAIN
#include "reduce_template.h"

#define T int64_t
#define Y int64_t
#define A int64_t
#define NAME max_i64
#define START INT64_MIN
#define STEP LARGER
#define FINISH PLAIN
#include "reduce_template.h"

#define T float
#define Y float
#define A float
#define NAME min_f32
#define START INFINITY
#define STEP SMALLER
#define FINISH PLAIN
#include "reduce_template.h"

#define T double
#define Y double
#define A double
#define NAME min_f64
#define START INFINITY
#define STEP SMALLER
#define FINISH PLAIN
#include "reduce_template.h"

#define T int64_t
#define Y int64_t
#define A int64_t
#define NAME min_i64
#define START INT64_MAX
#define STEP SMALLER
#define FINISH PLAIN
#include "reduce_template.h"

typedef void (*reducer)(int threads, const struct reduction *r, const void *x, void *y, double scale);

void k_reduce(k_reduction kind, int threads, const ag_array *x, const bool *reduced, double scale, void *y)
{
    static const reducer table[3][4] = {
        {sum_f32, sum_f64, sum_i64, sum_u8},
        {max_f32, max_f64, max_i64, NULL},
        {min_f32, min_f64, min_i64, NULL},
    };
    struct reduction r = plan(x, reduced);
    if (r.kept_total > 0) {
        table[kind][x->dtype](threads, &r, x->data, y, scale);
    }
}

/* ---- argmax -------------------------------------------------------------------------------------------------------------- */

#define ARGMAX(name, T)                                                                            \
    static int64_t name(const T *x, int64_t n, int64_t stride, int sign)                           \
    {                                                                                              \
        int64_t best = 0;                                                                          \
        T top = x[0];                                                                              \
        for (int64_t i = 1; i < n && top == top; i++) {                                            \
            T v = x[i * stride];                                                                   \
            if (v != v || (sign > 0 ? v > top : v < top)) {                                        \
                top = v;                                                                           \
                best = i;                                                                          \
            }                                                                                      \
        }                                                                                          \
        return best;                                                                               \
    }

ARGMAX(argmax_f32, float)
ARGMAX(argmax_f64, double)
ARGMAX(argmax_i64, int64_t)
ARGMAX(argmax_u8, uint8_t)

struct search {
    const struct reduction *r;
    const ag_array *x;
    int64_t n, stride;
    int sign;
    int64_t *y;
};

static void argmax_row(const void *task, int64_t k)
{
    const struct search *t = task;
    int64_t offset = offset_of(t->r->kept, t->r->kept_size, t->r->kept_stride, k);
    switch (t->x->dtype) {
    case AG_FLOAT32:
        t->y[k] = argmax_f32((const float *)t->x->data + offset, t->n, t->stride, t->sign);
        break;
    case AG_FLOAT64:
        t->y[k] = argmax_f64((const double *)t->x->data + offset, t->n, t->stride, t->sign);
        break;
    case AG_INT64:
        t->y[k] = argmax_i64((const int64_t *)t->x->data + offset, t->n, t->stride, t->sign);
        break;
    case AG_UINT8:
        t->y[k] = argmax_u8((const uint8_t *)t->x->data + offset, t->n, t->stride, t->sign);
        break;
    }
}

void k_argmax(int threads, const ag_array *x, int dim, int sign, int64_t *y)
{
    bool reduced[AG_MAX_DIMS] = {false};
    reduced[dim] = true;
    struct reduction r = plan(x, reduced);
    struct search task = { &r, x, x->size[dim], x->stride[dim], sign, y };
    ag_parallel(r.total < WORTH_A_THREAD ? 1 : threads, r.kept_total, argmax_row, &task);
}
