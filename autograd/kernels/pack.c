/*
 * Copies between memory layouts. Raw numbers only; elements are moved, never computed with.
 */
#include "autograd/kernels/kernels.h"
#include "autograd/parallel.h"

#include <string.h>

enum { MAX_DIMS = AG_MAX_DIMS, TILE = 16, WORTH_A_THREAD = 16384 };

struct copy {
    int ndim; /* 1 or more, outermost first, by falling stride of the destination */
    int64_t size[MAX_DIMS], from[MAX_DIMS], to[MAX_DIMS];
};

/* Drops lengths of 1, orders the rest by the destination and joins neighbours that both sides walk in one stride. */
static struct copy copy_plan(int ndim, const int64_t *size, const int64_t *from, const int64_t *to)
{
    struct copy p = { 0 };
    for (int d = 0; d < ndim; d++) {
        if (size[d] == 1) {
            continue;
        }
        int i = p.ndim++;
        for (; i > 0 && p.to[i - 1] < to[d]; i--) {
            p.size[i] = p.size[i - 1];
            p.from[i] = p.from[i - 1];
            p.to[i] = p.to[i - 1];
        }
        p.size[i] = size[d];
        p.from[i] = from[d];
        p.to[i] = to[d];
    }
    int n = 0;
    for (int d = 1; d < p.ndim; d++) {
        if (p.from[n] == p.from[d] * p.size[d] && p.to[n] == p.to[d] * p.size[d]) {
            p.size[n] *= p.size[d];
            p.from[n] = p.from[d];
            p.to[n] = p.to[d];
        } else {
            n++;
            p.size[n] = p.size[d];
            p.from[n] = p.from[d];
            p.to[n] = p.to[d];
        }
    }
    p.ndim = p.ndim == 0 ? 0 : n + 1;
    if (p.ndim == 0) {
        p.size[0] = p.from[0] = p.to[0] = p.ndim = 1;
    }
    if (p.ndim == 1) { /* one row */
        p.size[1] = p.size[0];
        p.from[1] = p.from[0];
        p.to[1] = p.to[0];
        p.size[0] = 1;
        p.from[0] = p.from[1] * p.size[1];
        p.to[0] = p.to[1] * p.size[1];
        p.ndim = 2;
    }
    return p;
}

/* Four elements of 4 bytes: vectors of 16 bytes, which every processor has. */
typedef uint32_t quad __attribute__((vector_size(16)));

#if defined(__clang__)
#define SHUFFLE(x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
#else
#define SHUFFLE(x, y, ...) __builtin_shuffle(x, y, (quad){ __VA_ARGS__ })
#endif

/* to[i][k] = from[k][i] for i, k < 4: copied one by one the elements would cost several times as much. */
static AG_ALWAYS_INLINE void turn_quads(const uint32_t *from, int64_t from_step, uint32_t *to, int64_t to_step)
{
    quad a, b, c, d;
    memcpy(&a, from, sizeof(a));
    memcpy(&b, from + from_step, sizeof(b));
    memcpy(&c, from + 2 * from_step, sizeof(c));
    memcpy(&d, from + 3 * from_step, sizeof(d));
    quad ab = SHUFFLE(a, b, 0, 4, 1, 5), cd = SHUFFLE(c, d, 0, 4, 1, 5);
    quad ab_high = SHUFFLE(a, b, 2, 6, 3, 7), cd_high = SHUFFLE(c, d, 2, 6, 3, 7);
    a = SHUFFLE(ab, cd, 0, 1, 4, 5);
    b = SHUFFLE(ab, cd, 2, 3, 6, 7);
    c = SHUFFLE(ab_high, cd_high, 0, 1, 4, 5);
    d = SHUFFLE(ab_high, cd_high, 2, 3, 6, 7);
    memcpy(to, &a, sizeof(a));
    memcpy(to + to_step, &b, sizeof(b));
    memcpy(to + 2 * to_step, &c, sizeof(c));
    memcpy(to + 3 * to_step, &d, sizeof(d));
}

/* to[r][c] = from[c][r], in tiles, within which whole cache lines of `to` are written one after the other. */
static void turn_plane(int64_t rows, int64_t columns, const uint32_t *from, int64_t from_step, uint32_t *to, int64_t to_step)
{
    int64_t whole_rows = rows / 4 * 4, whole_columns = columns / 4 * 4;
    for (int64_t r0 = 0; r0 < whole_rows; r0 += TILE) {
        int64_t r1 = r0 + TILE < whole_rows ? r0 + TILE : whole_rows;
        for (int64_t c0 = 0; c0 < whole_columns; c0 += TILE) {
            int64_t c1 = c0 + TILE < whole_columns ? c0 + TILE : whole_columns;
            for (int64_t r = r0; r < r1; r += 4) {
                for (int64_t c = c0; c < c1; c += 4) {
                    turn_quads(from + c * from_step + r, from_step, to + r * to_step + c, to_step);
                }
            }
        }
    }
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t c = r < whole_rows ? whole_columns : 0; c < columns; c++) {
            to[r * to_step + c] = from[c * from_step + r];
        }
    }
}

/* Copies a plane of rows x columns in tiles, so that a transposition reads and writes whole cache lines. */
#define COPY_PLANE(name, T)                                                                                       \
    static void name(int64_t rows, int64_t columns, const T *from, int64_t from_row, int64_t from_column, T *to,  \
                     int64_t to_row, int64_t to_column)                                                           \
    {                                                                                                             \
        if (from_column == 1 && to_column == 1) {                                                                 \
            for (int64_t r = 0; r < rows; r++) {                                                                  \
                memcpy(to + r * to_row, from + r * from_row, (size_t)columns * sizeof(T));                        \
            }                                                                                                     \
            return;                                                                                               \
        }                                                                                                         \
        for (int64_t r0 = 0; r0 < rows; r0 += TILE) {                                                             \
            int64_t r1 = r0 + TILE < rows ? r0 + TILE : rows;                                                     \
            for (int64_t c0 = 0; c0 < columns; c0 += TILE) {                                                      \
                int64_t c1 = c0 + TILE < columns ? c0 + TILE : columns;                                           \
                for (int64_t r = r0; r < r1; r++) {                                                               \
                    for (int64_t c = c0; c < c1; c++) {                                                           \
                        memcpy(to + r * to_row + c * to_column, from + r * from_row + c * from_column, sizeof(T)); \
                    }                                                                                             \
                }                                                                                                 \
            }                                                                                                     \
        }                                                                                                         \
    }

COPY_PLANE(copy_plane_1, uint8_t)
COPY_PLANE(copy_plane_4, uint32_t)
COPY_PLANE(copy_plane_8, uint64_t)

/* What the planes of one copy share. */
struct planes {
    struct copy p;
    int row, column; /* dimensions of a plane */
    size_t bytes;    /* of an element */
    const void *src;
    void *dst;
};

static void pack_plane(const void *task, int64_t i)
{
    const struct planes *t = task;
    const struct copy *p = &t->p;
    int row = t->row, column = t->column;
    int64_t from = 0, to = 0;
    for (int d = column - 1; d >= 0; d--) {
        if (d != row) {
            int64_t at = i % p->size[d];
            i /= p->size[d];
            from += at * p->from[d];
            to += at * p->to[d];
        }
    }
    if (t->bytes == 1) {
        copy_plane_1(p->size[row], p->size[column], (const uint8_t *)t->src + from, p->from[row], p->from[column],
                     (uint8_t *)t->dst + to, p->to[row], p->to[column]);
    } else if (t->bytes == 4 && p->from[row] == 1 && p->to[column] == 1 && row != column) {
        turn_plane(p->size[row], p->size[column], (const uint32_t *)t->src + from, p->from[column], (uint32_t *)t->dst + to,
                   p->to[row]);
    } else if (t->bytes == 4) {
        copy_plane_4(p->size[row], p->size[column], (const uint32_t *)t->src + from, p->from[row], p->from[column],
                     (uint32_t *)t->dst + to, p->to[row], p->to[column]);
    } else {
        copy_plane_8(p->size[row], p->size[column], (const uint64_t *)t->src + from, p->from[row], p->from[column],
                     (uint64_t *)t->dst + to, p->to[row], p->to[column]);
    }
}

void k_pack(int threads, size_t bytes, int ndim, const int64_t *size, const void *src, const int64_t *src_stride, void *dst,
            const int64_t *dst_stride)
{
    int64_t numel = 1;
    for (int d = 0; d < ndim; d++) {
        numel *= size[d];
    }
    if (numel == 0) {
        return;
    }
    struct planes task = { .p = copy_plan(ndim, size, src_stride, dst_stride), .bytes = bytes, .src = src, .dst = dst };
    const struct copy *p = &task.p;
    task.column = p->ndim - 1;
    task.row = task.column - 1;
    for (int d = 0; d < task.column; d++) {
        if (p->from[d] < p->from[task.row]) {
            task.row = d;
        }
    }
    int64_t planes = numel / (p->size[task.row] * p->size[task.column]);
    ag_parallel(numel > WORTH_A_THREAD ? threads : 1, planes, pack_plane, &task);
}
