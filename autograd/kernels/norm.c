/*
 * The sums and passes of batch normalisation, channels last or first. Raw numbers only.
 */
#include "autograd/kernels/kernels.h"
#include "autograd/kernels/parallel.h"

enum {
    ROWS = 64,  /* of a chunk, channels last */
    BLOCK = 64, /* channels whose sums are held at a time */
    LANES = 64, /* sums of a plane: short inner loops would be unrolled into scalar code */
    WORTH_A_THREAD = 32768
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

static bool worth(const k_norm *p, int threads)
{
    return threads > 1 && p->n * p->c * p->l > WORTH_A_THREAD;
}

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

void k_norm_stats(ag_dtype dtype, int threads, const k_norm *p, const void *x, double *mean, double *var, void *work)
{
    int64_t chunks = chunks_of(p), all = p->channels_last ? chunks * p->c : chunks;
    double *part_mean = work, *part_m2 = part_mean + all;
    K_PARALLEL_FOR(worth(p, threads) ? threads : 1, (int64_t i = 0; i < chunks; i++), {
        if (dtype == AG_FLOAT32) {
            stats_chunk_f32(p, i, x, part_mean, part_m2);
        } else {
            stats_chunk_f64(p, i, x, part_mean, part_m2);
        }
    });
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

void k_norm_apply(ag_dtype dtype, int threads, const k_norm *p, const void *x, const void *mean, const void *scale,
                  const void *shift, void *y)
{
    int64_t chunks = chunks_of(p);
    K_PARALLEL_FOR(worth(p, threads) ? threads : 1, (int64_t i = 0; i < chunks; i++), {
        if (dtype == AG_FLOAT32) {
            apply_chunk_f32(p, i, x, mean, scale, shift, y);
        } else {
            apply_chunk_f64(p, i, x, mean, scale, shift, y);
        }
    });
}

void k_norm_sums(ag_dtype dtype, int threads, const k_norm *p, const void *dy, const void *x, const void *mean, double *sum,
                 double *product, void *work)
{
    int64_t chunks = chunks_of(p), all = p->channels_last ? chunks * p->c : chunks;
    double *part_sum = work, *part_product = part_sum + all;
    K_PARALLEL_FOR(worth(p, threads) ? threads : 1, (int64_t i = 0; i < chunks; i++), {
        if (dtype == AG_FLOAT32) {
            sums_chunk_f32(p, i, dy, x, mean, part_sum, part_product);
        } else {
            sums_chunk_f64(p, i, dy, x, mean, part_sum, part_product);
        }
    });
    for (int64_t c = 0; c < p->c; c++) {
        struct parts parts = parts_of(p, c);
        sum[c] = product[c] = 0;
        for (int64_t i = 0; i < parts.count; i++) {
            sum[c] += part_sum[parts.first + i * parts.step];
            product[c] += part_product[parts.first + i * parts.step];
        }
    }
}

void k_norm_input(ag_dtype dtype, int threads, const k_norm *p, const void *dy, const void *x, const void *mean,
                  const void *by_dy, const void *by_x, const void *shift, void *dx)
{
    int64_t chunks = chunks_of(p);
    K_PARALLEL_FOR(worth(p, threads) ? threads : 1, (int64_t i = 0; i < chunks; i++), {
        if (dtype == AG_FLOAT32) {
            input_chunk_f32(p, i, dy, x, mean, by_dy, by_x, shift, dx);
        } else {
            input_chunk_f64(p, i, dy, x, mean, by_dy, by_x, shift, dx);
        }
    });
}
