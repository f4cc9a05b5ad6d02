/*
 * Elements chosen by an index along one dimension.
 */
#include "index.h"

#include "../parallel.h"

enum { WORTH_A_THREAD = 16384 };

/* One row of positions along the last dimension: n of them, with the steps of x, its chosen dimension, index and y. */
struct row {
    int64_t n, x_step, x_chosen, i_step, y_step;
};

#define ROWS(T, suffix)                                                                                           \
    static void gather_##suffix(struct row r, const void *xv, const int64_t *index, void *yv)                     \
    {                                                                                                             \
        const T *x = xv;                                                                                          \
        T *y = yv;                                                                                                \
        for (int64_t k = 0; k < r.n; k++) {                                                                       \
            y[k * r.y_step] = x[k * r.x_step + index[k * r.i_step] * r.x_chosen];                                 \
        }                                                                                                         \
    }                                                                                                             \
    static void scatter_##suffix(struct row r, void *xv, const int64_t *index, const void *yv)                    \
    {                                                                                                             \
        T *x = xv;                                                                                                \
        const T *y = yv;                                                                                          \
        for (int64_t k = 0; k < r.n; k++) {                                                                       \
            x[k * r.x_step + index[k * r.i_step] * r.x_chosen] = y[k * r.y_step];                                 \
        }                                                                                                         \
    }                                                                                                             \
    static void scatter_add_##suffix(struct row r, void *xv, const int64_t *index, const void *yv)                \
    {                                                                                                             \
        T *x = xv;                                                                                                \
        const T *y = yv;                                                                                          \
        for (int64_t k = 0; k < r.n; k++) {                                                                       \
            T *at = &x[k * r.x_step + index[k * r.i_step] * r.x_chosen];                                          \
            *at = (T)(*at + y[k * r.y_step]);                                                                     \
        }                                                                                                         \
    }

ROWS(float, f32)
ROWS(double, f64)
ROWS(uint64_t, i64) /* sums of int64 wrap */
ROWS(uint8_t, u8)

typedef void (*gather_row)(struct row r, const void *x, const int64_t *index, void *y);
typedef void (*scatter_row)(struct row r, void *x, const int64_t *index, const void *y);

/* The steps along the last dimension, and how many rows of it there are. */
static int64_t rows_of(const ag_array *x, const ag_array *index, const ag_array *y, int dim, struct row *r)
{
    int last = index->ndim - 1;
    r->n = last < 0 ? 1 : index->size[last];
    r->x_step = last < 0 || dim == last ? 0 : x->stride[last];
    r->x_chosen = last < 0 ? 0 : x->stride[dim];
    r->i_step = last < 0 ? 0 : index->stride[last];
    r->y_step = last < 0 ? 0 : y->stride[last];
    return r->n == 0 ? 0 : index->numel / r->n;
}

/* Where row k begins in x, index and y, in elements. */
static void row_at(int64_t k, const ag_array *x, const ag_array *index, const ag_array *y, int dim, int64_t *at)
{
    at[0] = at[1] = at[2] = 0;
    for (int d = index->ndim - 2; d >= 0; d--) {
        int64_t i = k % index->size[d];
        k /= index->size[d];
        at[0] += d == dim ? 0 : i * x->stride[d];
        at[1] += i * index->stride[d];
        at[2] += i * y->stride[d];
    }
}

/* What the rows of one call share. */
struct gathering {
    const ag_array *x, *index, *y;
    int dim;
    struct row row;
};

static void gather_one_row(const void *task, int64_t k)
{
    static const gather_row by_type[4] = {[AG_FLOAT32] = gather_f32, [AG_FLOAT64] = gather_f64, [AG_INT64] = gather_i64,
                                          [AG_UINT8] = gather_u8};
    const struct gathering *t = task;
    int64_t at[3], item = (int64_t)ag_dtype_size(t->x->dtype);
    row_at(k, t->x, t->index, t->y, t->dim, at);
    by_type[t->x->dtype](t->row, (const char *)t->x->data + at[0] * item, (const int64_t *)t->index->data + at[1],
                         (char *)t->y->data + at[2] * item);
}

void k_gather(int threads, const ag_array *x, const ag_array *index, const ag_array *y, int dim)
{
    struct gathering task = { .x = x, .index = index, .y = y, .dim = dim };
    int64_t rows = rows_of(x, index, y, dim, &task.row);
    ag_parallel(index->numel < WORTH_A_THREAD ? 1 : threads, rows, gather_one_row, &task);
}

static void scatter(const scatter_row *by_type, const ag_array *x, const ag_array *index, const ag_array *y, int dim)
{
    struct row r;
    int64_t rows = rows_of(x, index, y, dim, &r), item = (int64_t)ag_dtype_size(x->dtype);
    for (int64_t k = 0; k < rows; k++) {
        int64_t at[3];
        row_at(k, x, index, y, dim, at);
        by_type[x->dtype](r, (char *)x->data + at[0] * item, (const int64_t *)index->data + at[1],
                          (const char *)y->data + at[2] * item);
    }
}

void k_scatter(const ag_array *x, const ag_array *index, const ag_array *y, int dim)
{
    static const scatter_row by_type[4] = {[AG_FLOAT32] = scatter_f32, [AG_FLOAT64] = scatter_f64, [AG_INT64] = scatter_i64,
                                           [AG_UINT8] = scatter_u8};
    scatter(by_type, x, index, y, dim);
}

void k_scatter_add(const ag_array *x, const ag_array *index, const ag_array *y, int dim)
{
    static const scatter_row by_type[4] = {[AG_FLOAT32] = scatter_add_f32, [AG_FLOAT64] = scatter_add_f64,
                                           [AG_INT64] = scatter_add_i64, [AG_UINT8] = scatter_add_u8};
    scatter(by_type, x, index, y, dim);
}

int64_t k_index_outside(const ag_array *index, int64_t n, int64_t *found)
{
    int64_t position[AG_MAX_DIMS] = {0}, at = 0;
    const int64_t *data = index->data;
    for (int64_t k = 0; k < index->numel; k++) {
        if (data[at] < 0 || data[at] >= n) {
            *found = data[at];
            return k;
        }
        for (int d = index->ndim - 1; d >= 0; d--) {
            at += index->stride[d];
            if (++position[d] < index->size[d]) {
                break;
            }
            at -= index->size[d] * index->stride[d];
            position[d] = 0;
        }
    }
    return -1;
}
