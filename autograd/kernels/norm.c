/*
 * The sums and passes of batch normalisation, channels last or first. Raw numbers only.
 */
#include "autograd/kernels/kernels.h"
#include "autograd/parallel.h"

enum {
    ROWS = 64,  /* of a chunk, channels last */
    BLOCK = 64, /* channels whose sums are held at a time */
    LANES = 64, /* sums of a plane: short inner loops would be unrolled into scalar code */
    WORTH_A_THREAD = 16384
};

static int64_t chunks_of(const k_norm *p)
{
    return p->channels_last ? (p->n * p->l + ROWS - 1) / ROWS : p->n * p->c;
}

/* The first element of a chunk. */
static int64_t chunk_begin(const k_norm *p, int64_t chunk)
{
    return p->channels_last ? chunk * ROWS * p->c : chunk * p->l;
}

static int64_t chunk_rows(const k_norm *p, int64_t chunk)
{
    int64_t left = p->n * p->l - chunk * ROWS;
    return left < ROWS ? left : ROWS;
}

#define T float
#define NAME(x) x##_f32
#include "autograd/kernels/norm_template.h"

#define T double
#define NAME(x) x##_f64
#include "autograd/kernels/norm_template.h"

static int team(const k_norm *p, int threads)
{
    return p->n * p->c * p->l > WORTH_A_THREAD ? threads : 1;
}

/* What the chunks of one call share. */
struct norm_task {
    ag_dtype dtype;
    const k_norm *p;
    const void *dy, *x, *mean, *scale, *shift, *by_dy, *by_x;
    void *out;
    double *part, *other_part; /* of each chunk */
};

size_t k_norm_bytes(const k_norm *p)
{
    int64_t parts = p->channels_last ? chunks_of(p) * p->c : chunks_of(p);
    return (size_t)parts * 2 * sizeof(double);
}

/* Where the parts of channel `channel` stand in an array of parts: the first, the step, and how many there are. */
struct parts {
    int64_t first, step, count;
};

static struct parts parts_of(const k_norm *p, int64_t channel)
{
    struct parts parts = { channel, p->c, p->channels_last ? chunks_of(p) : p->n };
    return parts;
}

static void stats_chunk(const void *task, int64_t i)
{
    const struct norm_task *t = task;
    if (t->dtype == AG_FLOAT32) {
        stats_chunk_f32(t->p, i, t->x, t->part, t->other_part);
    } else {
        stats_chunk_f64(t->p, i, t->x, t->part, t->other_part);
    }
}

void k_norm_stats(ag_dtype dtype, int threads, const k_norm *p, const void *x, double *mean, double *var, void *work)
{
    int64_t chunks = chunks_of(p), all = p->channels_last ? chunks * p->c : chunks;
    double *part_mean = work, *part_m2 = part_mean + all;
    struct norm_task task = { .dtype = dtype, .p = p, .x = x, .part = part_mean, .other_part = part_m2 };
    ag_parallel(team(p, threads), chunks, stats_chunk, &task);
    for (int64_t c = 0; c < p->c; c++) {
        struct parts parts = parts_of(p, c);
        double count = 0, m = 0, m2 = 0;
        for (int64_t i = 0; i < parts.count; i++) {
            int64_t at = parts.first + i * parts.step;
            double more = (double)(p->channels_last ? chunk_rows(p, i) : p->l), total = count + more;
            double d = part_mean[at] - m;
            m += d * (more / total);
            m2 += part_m2[at] + d * d * (count * more / total);
            count = total;
        }
        mean[c] = m;
        var[c] = m2 / count;
    }
}

static void apply_chunk(const void *task, int64_t i)
{
    const struct norm_task *t = task;
    if (t->dtype == AG_FLOAT32) {
        apply_chunk_f32(t->p, i, t->x, t->mean, t->scale, t->shift, t->out);
    } else {
        apply_chunk_f64(t->p, i, t->x, t->mean, t->scale, t->shift, t->out);
    }
}

void k_norm_apply(ag_dtype dtype, int threads, const k_norm *p, const void *x, const void *mean, const void *scale,
                  const void *shift, void *y)
{
    struct norm_task task = { .dtype = dtype, .p = p, .x = x, .mean = mean, .scale = scale, .shift = shift, .out = y };
    ag_parallel(team(p, threads), chunks_of(p), apply_chunk, &task);
}

static void sums_chunk(const void *task, int64_t i)
{
    const struct norm_task *t = task;
    if (t->dtype == AG_FLOAT32) {
        sums_chunk_f32(t->p, i, t->dy, t->x, t->mean, t->part, t->other_part);
    } else {
        sums_chunk_f64(t->p, i, t->dy, t->x, t->mean, t->part, t->other_part);
    }
}

void k_norm_sums(ag_dtype dtype, int threads, const k_norm *p, const void *dy, const void *x, const void *mean, double *sum,
                 double *product, void *work)
{
    int64_t chunks = chunks_of(p), all = p->channels_last ? chunks * p->c : chunks;
    double *part_sum = work, *part_product = part_sum + all;
    struct norm_task task = {
        .dtype = dtype,
        .p = p,
        .dy = dy,
        .x = x,
        .mean = mean,
        .part = part_sum,
        .other_part = part_product,
    };
    ag_parallel(team(p, threads), chunks, sums_chunk, &task);
    for (int64_t c = 0; c < p->c; c++) {
        struct parts parts = parts_of(p, c);
        sum[c] = product[c] = 0;
        for (int64_t i = 0; i < parts.count; i++) {
            sum[c] += part_sum[parts.first + i * parts.step];
            product[c] += part_product[parts.first + i * parts.step];
        }
    }
}

static void input_chunk(const void *task, int64_t i)
{
    const struct norm_task *t = task;
    if (t->dtype == AG_FLOAT32) {
        input_chunk_f32(t->p, i, t->dy, t->x, t->mean, t->by_dy, t->by_x, t->shift, t->out);
    } else {
        input_chunk_f64(t->p, i, t->dy, t->x, t->mean, t->by_dy, t->by_x, t->shift, t->out);
    }
}

void k_norm_input(ag_dtype dtype, int threads, const k_norm *p, const void *dy, const void *x, const void *mean,
                  const void *by_dy, const void *by_x, const void *shift, void *dx)
{
    struct norm_task task = {
        .dtype = dtype,
        .p = p,
        .dy = dy,
        .x = x,
        .mean = mean,
        .by_dy = by_dy,
        .by_x = by_x,
        .shift = shift,
        .out = dx,
    };
    ag_parallel(team(p, threads), chunks_of(p), input_chunk, &task);
}
