/*
 * Rows normalised by their own mean and variance (layer normalisation) or by their root mean square. Raw numbers only.
 */
#include <math.h>

#include "autograd/kernels/kernels.h"
#include "autograd/kernels/tile.h"
#include "autograd/parallel.h"

enum {
    LANES = 64, /* sums of a row: short inner loops would be unrolled into scalar code */
    WORTH_A_THREAD = 8192,
    CHUNK = 8192,  /* elements that a thread takes at a time */
    AHEAD = 4096,  /* bytes of dx that are asked for */
    PARTS = 16     /* at most so many partial sums of a weight's gradient */
};

#define T float
#define NAME(x) x##_f32
#include "autograd/kernels/layer_norm_template.h"

#define T double
#define NAME(x) x##_f64
#include "autograd/kernels/layer_norm_template.h"

static int team(const k_layer_norm *p, int threads)
{
    return p->rows * p->d > WORTH_A_THREAD ? threads : 1;
}

static int64_t rows_at_a_time(const k_layer_norm *p)
{
    return p->d >= CHUNK ? 1 : CHUNK / (p->d > 0 ? p->d : 1);
}

struct forward {
    ag_dtype dtype;
    const k_layer_norm *p;
    const void *x, *w, *b;
    void *y, *mean, *rstd;
    int64_t step; /* rows of a chunk */
};

static void forward_chunk(const void *task, int64_t i)
{
    const struct forward *t = task;
    int64_t first = i * t->step, rows = t->p->rows - first < t->step ? t->p->rows - first : t->step;
    if (t->dtype == AG_FLOAT32) {
        rows_norm_f32(t->p, first, rows, t->x, t->w, t->b, t->y, t->mean, t->rstd);
    } else {
        rows_norm_f64(t->p, first, rows, t->x, t->w, t->b, t->y, t->mean, t->rstd);
    }
}

void k_layer_norm_forward(ag_dtype dtype, int threads, const k_layer_norm *p, const void *x, const void *w, const void *b,
                          void *y, void *mean, void *rstd)
{
    int64_t step = rows_at_a_time(p);
    struct forward task = { dtype, p, x, w, b, y, mean, rstd, step };
    ag_parallel(team(p, threads), (p->rows + step - 1) / step, forward_chunk, &task);
}

/* Rows of one part of the weights' gradients: many enough that adding the parts up costs little. */
static int64_t part_rows(const k_layer_norm *p)
{
    int64_t rows = (p->rows + PARTS - 1) / PARTS;
    return rows < 64 ? 64 : rows;
}

static int64_t parts_of(const k_layer_norm *p)
{
    return (p->rows + part_rows(p) - 1) / part_rows(p);
}

size_t k_layer_norm_bytes(ag_dtype dtype, const k_layer_norm *p)
{
    return (size_t)(parts_of(p) * 2 * p->d) * ag_dtype_size(dtype);
}

struct back {
    ag_dtype dtype;
    const k_layer_norm *p;
    const void *dy, *x, *w, *mean, *rstd;
    void *dx;
    bool adds;
    void *sums; /* of dw and db, for each part; NULL: not wanted */
};

static void back_part(const void *task, int64_t i)
{
    const struct back *t = task;
    int64_t step = part_rows(t->p), d = t->p->d, first = i * step;
    int64_t rows = t->p->rows - first < step ? t->p->rows - first : step;
    if (t->dtype == AG_FLOAT32) {
        float *dw = t->sums != NULL ? (float *)t->sums + i * 2 * d : NULL;
        rows_back_f32(t->p, first, rows, t->dy, t->x, t->w, t->mean, t->rstd, t->dx, t->adds, dw, dw != NULL ? dw + d : NULL);
    } else {
        double *dw = t->sums != NULL ? (double *)t->sums + i * 2 * d : NULL;
        rows_back_f64(t->p, first, rows, t->dy, t->x, t->w, t->mean, t->rstd, t->dx, t->adds, dw, dw != NULL ? dw + d : NULL);
    }
}

void k_layer_norm_back(ag_dtype dtype, int threads, const k_layer_norm *p, const void *dy, const void *x, const void *w,
                       const void *mean, const void *rstd, void *dx, bool adds, void *dw, void *db, void *work)
{
    int64_t parts = parts_of(p), d = p->d;
    struct back task = { dtype, p, dy, x, w, mean, rstd, dx, adds, dw != NULL ? work : NULL };
    ag_parallel(team(p, threads), parts, back_part, &task);
    for (int64_t j = 0; j < d && dw != NULL; j++) {
        double sum_w = 0, sum_b = 0;
        for (int64_t i = 0; i < parts; i++) {
            int64_t at = i * 2 * d + j;
            sum_w += dtype == AG_FLOAT32 ? (double)((const float *)work)[at] : ((const double *)work)[at];
            sum_b += dtype == AG_FLOAT32 ? (double)((const float *)work)[at + d] : ((const double *)work)[at + d];
        }
        if (dtype == AG_FLOAT32) {
            ((float *)dw)[j] = (float)sum_w;
            ((float *)db)[j] = (float)sum_b;
        } else {
            ((double *)dw)[j] = sum_w;
            ((double *)db)[j] = sum_b;
        }
    }
}
