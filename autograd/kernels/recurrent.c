/*
 * Recurrent networks: one product and one element-wise pass a step, each way. Raw numbers only.
 */
#include "autograd/kernels/recurrent.h"

#include <string.h>

#include "autograd/kernels/kernels.h"
#include "autograd/kernels/tile.h"
#include "autograd/kernels/vector.h"
#include "autograd/parallel.h"

enum {
    BLOCK = 16,            /* rows of the batch that go through time together */
    WORTH_THREADS = 131072 /* multiply-adds of the whole sequence */
};

static int64_t gate_count(k_recurrent_kind kind)
{
    return kind == K_LSTM ? 4 : kind == K_GRU ? 3 : 1;
}

int64_t k_recurrent_width(k_recurrent_kind kind)
{
    return kind == K_LSTM || kind == K_GRU ? 4 : 1;
}

/* All gates, filled up to whole vectors of any processor. */
static int64_t transposed_columns(const k_recurrent *p)
{
    return (gate_count(p->kind) * p->hidden + 15) / 16 * 16;
}

int64_t k_recurrent_work(const k_recurrent *p)
{
    return 2 * p->batch * p->hidden + (p->steps > 1 ? transposed_columns(p) * p->hidden : 0);
}

static inline int64_t rows_of(const k_recurrent *p, int64_t t)
{
    return p->rows == NULL ? p->batch : p->rows[t];
}

static int team(const k_recurrent *p, int threads)
{
    return p->batch > BLOCK && p->total * p->hidden * p->hidden > WORTH_THREADS ? threads : 1;
}

static void copy_or_zero(void *to, const void *from, int64_t bytes)
{
    if (bytes > 0 && from != NULL) {
        memcpy(to, from, (size_t)bytes);
    } else if (bytes > 0) {
        memset(to, 0, (size_t)bytes);
    }
}

#define T float
#define NAME(x) x##_f32
#define DTYPE AG_FLOAT32
#include "autograd/kernels/recurrent_template.h"

#define T double
#define NAME(x) x##_f64
#define DTYPE AG_FLOAT64
#include "autograd/kernels/recurrent_template.h"

void k_recurrent_forward(ag_dtype dtype, int threads, const k_recurrent *p, const void *h, const void *c, const void *w,
                         void *gates, void *y, void *cells, void *work)
{
    if (dtype == AG_FLOAT32) {
        forward_f32(threads, p, h, c, w, gates, y, cells, work);
    } else {
        forward_f64(threads, p, h, c, w, gates, y, cells, work);
    }
}

void k_recurrent_back(ag_dtype dtype, int threads, const k_recurrent *p, const k_recurrent_back_arguments *a, void *work)
{
    if (dtype == AG_FLOAT32) {
        back_f32(threads, p, a, work);
    } else {
        back_f64(threads, p, a, work);
    }
}

void k_recurrent_previous(ag_dtype dtype, const k_recurrent *p, const void *x, const void *initial, void *y)
{
    size_t row = (size_t)p->hidden * ag_dtype_size(dtype);
    int64_t at = 0;
    for (int64_t t = 0; t < p->steps; t++) {
        int64_t rows = rows_of(p, t), other = p->reverse ? t + 1 : t - 1, known = 0;
        if (other >= 0 && other < p->steps) {
            known = rows_of(p, other) < rows ? rows_of(p, other) : rows;
            int64_t from = p->reverse ? at + rows : at - rows_of(p, other);
            memcpy((char *)y + (size_t)at * row, (const char *)x + (size_t)from * row, (size_t)known * row);
        }
        const char *rest = initial == NULL ? NULL : (const char *)initial + (size_t)known * row;
        copy_or_zero((char *)y + (size_t)(at + known) * row, rest, (rows - known) * (int64_t)row);
        at += rows;
    }
}
