/*
 * Iterating over strided arrays, and the loops that every floor needs: copy, convert, accumulate.
 */
#include "loop.h"

#include "../parallel.h"

#include <stdbool.h>

struct plan {
    int ndim, args;
    int64_t size[AG_MAX_DIMS];
    int64_t stride[K_LOOP_MAX][AG_MAX_DIMS]; /* bytes */
};

/* Whether dimension d can be joined with the one inside it: every argument steps over both as over one. */
static bool joins(const struct plan *p, int outer, int inner)
{
    for (int a = 0; a < p->args; a++) {
        if (p->stride[a][outer] != p->stride[a][inner] * p->size[inner]) {
            return false;
        }
    }
    return true;
}

static int64_t magnitude(int64_t x)
{
    return x < 0 ? -x : x;
}

/* Outermost first by the output's strides (ties by the first input's), length-1 dimensions dropped, neighbours joined. */
static void make_plan(struct plan *p, int ndim, const int64_t *size, int args, const int64_t *const *stride,
                      const size_t *item)
{
    p->args = args;
    p->ndim = 0;
    for (int d = 0; d < ndim; d++) {
        if (size[d] == 1) {
            continue;
        }
        int64_t first = magnitude(stride[0][d]);
        int at = p->ndim++;
        while (at > 0) {
            int64_t before = magnitude(p->stride[0][at - 1]) / (int64_t)item[0];
            bool swap = before < first ||
                        (before == first && args > 1 && magnitude(p->stride[1][at - 1]) <
                                                            magnitude(stride[1][d]) * (int64_t)item[1]);
            if (!swap) {
                break;
            }
            p->size[at] = p->size[at - 1];
            for (int a = 0; a < args; a++) {
                p->stride[a][at] = p->stride[a][at - 1];
            }
            at--;
        }
        p->size[at] = size[d];
        for (int a = 0; a < args; a++) {
            p->stride[a][at] = stride[a][d] * (int64_t)item[a];
        }
    }
    for (int d = p->ndim - 1; d > 0; d--) {
        if (joins(p, d - 1, d)) {
            p->size[d - 1] *= p->size[d];
            for (int a = 0; a < args; a++) {
                p->stride[a][d - 1] = p->stride[a][d];
            }
            for (int e = d; e + 1 < p->ndim; e++) {
                p->size[e] = p->size[e + 1];
                for (int a = 0; a < args; a++) {
                    p->stride[a][e] = p->stride[a][e + 1];
                }
            }
            p->ndim--;
        }
    }
    if (p->ndim == 0) {
        p->ndim = 1;
        p->size[0] = 1;
        for (int a = 0; a < args; a++) {
            p->stride[a][0] = (int64_t)item[a];
        }
    }
}

/* Elements [begin, end) of dimension 0, all of the others. */
static void run(const struct plan *p, ag_loop loop, const void *params, char *const *data, int64_t begin, int64_t end)
{
    char *at[K_LOOP_MAX];
    int64_t inner[K_LOOP_MAX];
    int last = p->ndim - 1;
    for (int a = 0; a < p->args; a++) {
        at[a] = data[a] + begin * p->stride[a][0];
        inner[a] = p->stride[a][last];
    }
    if (last == 0) {
        loop(end - begin, at, inner, params);
        return;
    }
    int64_t index[AG_MAX_DIMS] = {0}, limit[AG_MAX_DIMS];
    for (int d = 0; d < last; d++) {
        limit[d] = p->size[d];
    }
    limit[0] = end - begin;
    for (;;) {
        loop(p->size[last], at, inner, params);
        int d = last - 1;
        for (; d >= 0; d--) {
            for (int a = 0; a < p->args; a++) {
                at[a] += p->stride[a][d];
            }
            if (++index[d] < limit[d]) {
                break;
            }
            for (int a = 0; a < p->args; a++) {
                at[a] -= p->stride[a][d] * limit[d];
            }
            index[d] = 0;
        }
        if (d < 0) {
            return;
        }
    }
}

/* What the parts of one loop share. */
struct parts {
    const struct plan *p;
    ag_loop loop;
    const void *params;
    char *const *data;
    int64_t count;
};

static void run_part(const void *task, int64_t part)
{
    const struct parts *t = task;
    int64_t n = t->p->size[0];
    run(t->p, t->loop, t->params, t->data, n * part / t->count, n * (part + 1) / t->count);
}

void k_loop(int threads, ag_loop loop, const void *params, int ndim, const int64_t *size, int args, void *const *data,
            const int64_t *const *stride, const size_t *item)
{
    int64_t n = 1;
    for (int d = 0; d < ndim; d++) {
        n *= size[d];
    }
    if (n == 0) {
        return;
    }
    struct plan p;
    make_plan(&p, ndim, size, args, stride, item);
    char *base[K_LOOP_MAX];
    for (int a = 0; a < args; a++) {
        base[a] = data[a];
    }
    int64_t parts = n / K_LOOP_GRAIN;
    parts -= threads > 1 && parts > threads ? parts % threads : 0; /* as many for each */
    if (parts > p.size[0]) {
        parts = p.size[0];
    }
    if (threads <= 1 || parts < 2) {
        run(&p, loop, params, base, 0, p.size[0]);
        return;
    }
    struct parts task = { &p, loop, params, base, parts };
    ag_parallel(threads, parts, run_part, &task);
}

/* ---- copy and convert ---------------------------------------------------------------------------------------------------- */

#define CAST_LOOP(name, to, from, expression)                                                             \
    AG_MULTIVERSION static void name(int64_t n, char *const *p, const int64_t *stride, const void *params) \
    {                                                                                                     \
        (void)params;                                                                                     \
        if (stride[0] == (int64_t)sizeof(to) && stride[1] == (int64_t)sizeof(from)) {                     \
            to *restrict y = (to *)p[0];                                                                  \
            const from *restrict v = (const from *)p[1];                                                  \
            for (int64_t i = 0; i < n; i++) {                                                             \
                from x = v[i];                                                                            \
                y[i] = (to)(expression);                                                                  \
            }                                                                                             \
            return;                                                                                       \
        }                                                                                                 \
        for (int64_t i = 0; i < n; i++) {                                                                 \
            from x = *(const from *)(p[1] + i * stride[1]);                                               \
            *(to *)(p[0] + i * stride[0]) = (to)(expression);                                             \
        }                                                                                                 \
    }

/* A float that does not fit an integer type is not a defined conversion in C: NaN becomes 0, the rest saturates. */
static inline int64_t int64_of(double x)
{
    return x != x ? 0 : x >= 9223372036854775807.0 ? INT64_MAX : x <= -9223372036854775808.0 ? INT64_MIN : (int64_t)x;
}

static inline uint8_t uint8_of(double x)
{
    return x != x ? 0 : x >= 255 ? 255 : x <= 0 ? 0 : (uint8_t)x;
}

CAST_LOOP(f32_f32, float, float, x)
CAST_LOOP(f32_f64, float, double, x)
CAST_LOOP(f32_i64, float, int64_t, x)
CAST_LOOP(f32_u8, float, uint8_t, x)
CAST_LOOP(f64_f32, double, float, x)
CAST_LOOP(f64_f64, double, double, x)
CAST_LOOP(f64_i64, double, int64_t, x)
CAST_LOOP(f64_u8, double, uint8_t, x)
CAST_LOOP(i64_f32, int64_t, float, int64_of((double)x))
CAST_LOOP(i64_f64, int64_t, double, int64_of(x))
CAST_LOOP(i64_i64, int64_t, int64_t, x)
CAST_LOOP(i64_u8, int64_t, uint8_t, x)
CAST_LOOP(u8_f32, uint8_t, float, uint8_of((double)x))
CAST_LOOP(u8_f64, uint8_t, double, uint8_of(x))
CAST_LOOP(u8_i64, uint8_t, int64_t, x)
CAST_LOOP(u8_u8, uint8_t, uint8_t, x)

const ag_loop k_cast_loops[4][4] = {
    {f32_f32, f32_f64, f32_i64, f32_u8},
    {f64_f32, f64_f64, f64_i64, f64_u8},
    {i64_f32, i64_f64, i64_i64, i64_u8},
    {u8_f32, u8_f64, u8_i64, u8_u8},
};

#define ACCUMULATE_LOOP(name, T)                                                                          \
    AG_MULTIVERSION static void name(int64_t n, char *const *p, const int64_t *stride, const void *params) \
    {                                                                                                     \
        (void)params;                                                                                     \
        if (stride[0] == (int64_t)sizeof(T) && stride[1] == (int64_t)sizeof(T)) {                         \
            T *y = (T *)p[0];                                                                             \
            const T *x = (const T *)p[1];                                                                 \
            for (int64_t i = 0; i < n; i++) {                                                             \
                y[i] = (T)(y[i] + x[i]);                                                                  \
            }                                                                                             \
            return;                                                                                       \
        }                                                                                                 \
        for (int64_t i = 0; i < n; i++) {                                                                 \
            T *y = (T *)(p[0] + i * stride[0]);                                                           \
            *y = (T)(*y + *(const T *)(p[1] + i * stride[1]));                                            \
        }                                                                                                 \
    }

ACCUMULATE_LOOP(accumulate_f32, float)
ACCUMULATE_LOOP(accumulate_f64, double)
ACCUMULATE_LOOP(accumulate_i64, int64_t)
ACCUMULATE_LOOP(accumulate_u8, uint8_t)

const ag_loop k_accumulate_loops[4] = {accumulate_f32, accumulate_f64, accumulate_i64, accumulate_u8};
