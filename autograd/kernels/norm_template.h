/*
 * Batch normalisation for one element type: included once per type with T and NAME(x) defined.
 *
 * A chunk is a run of rows (channels last) or one plane of one channel. Inside a chunk sums are formed in T, in lanes or one a
 * channel; between chunks in double, one after the other. Variances are formed around the chunk's own mean and combined by the
 * formula of Chan, Golub & LeVeque (1983), so that one pass over memory suffices and nothing cancels. What rounding a chunk's
 * mean to T left over is added up beside the squares and put right in double.
 */

/* ---- channels last: rows of c channels ------------------------------------------------------------------------------------ */

AG_MULTIVERSION static void NAME(rows_stats)(int64_t rows, int64_t c, const T *x, double *mean, double *m2)
{
    for (int64_t c0 = 0; c0 < c; c0 += BLOCK) {
        int64_t width = c - c0 < BLOCK ? c - c0 : BLOCK;
        T sum[BLOCK] = { 0 }, square[BLOCK] = { 0 }, left[BLOCK] = { 0 };
        for (int64_t r = 0; r < rows; r++) {
            const T *at = x + r * c + c0;
            for (int64_t j = 0; j < width; j++) {
                sum[j] += at[j];
            }
        }
        for (int64_t j = 0; j < width; j++) {
            sum[j] /= (T)rows;
        }
        for (int64_t r = 0; r < rows; r++) {
            const T *at = x + r * c + c0;
            for (int64_t j = 0; j < width; j++) {
                T d = at[j] - sum[j];
                square[j] += d * d;
                left[j] += d;
            }
        }
        for (int64_t j = 0; j < width; j++) {
            double rest = (double)left[j];
            mean[c0 + j] = (double)sum[j] + rest / (double)rows;
            m2[c0 + j] = (double)square[j] - rest * rest / (double)rows;
        }
    }
}

AG_MULTIVERSION static void NAME(rows_apply)(int64_t rows, int64_t c, const T *restrict x, const T *restrict mean,
                                             const T *restrict scale, const T *restrict shift, T *restrict y)
{
    for (int64_t r = 0; r < rows; r++, x += c, y += c) {
        for (int64_t j = 0; j < c; j++) {
            y[j] = (x[j] - mean[j]) * scale[j] + shift[j];
        }
    }
}

AG_MULTIVERSION static void NAME(rows_sums)(int64_t rows, int64_t c, const T *dy, const T *x, const T *mean, double *sum,
                                            double *product)
{
    for (int64_t c0 = 0; c0 < c; c0 += BLOCK) {
        int64_t width = c - c0 < BLOCK ? c - c0 : BLOCK;
        T s[BLOCK] = { 0 }, p[BLOCK] = { 0 };
        const T *m = mean + c0;
        for (int64_t r = 0; r < rows; r++) {
            const T *g = dy + r * c + c0, *v = x + r * c + c0;
            for (int64_t j = 0; j < width; j++) {
                s[j] += g[j];
                p[j] += g[j] * (v[j] - m[j]);
            }
        }
        for (int64_t j = 0; j < width; j++) {
            sum[c0 + j] = (double)s[j];
            product[c0 + j] = (double)p[j];
        }
    }
}

AG_MULTIVERSION static void NAME(rows_input)(int64_t rows, int64_t c, const T *restrict dy, const T *restrict x,
                                             const T *restrict mean, const T *restrict by_dy, const T *restrict by_x,
                                             const T *restrict shift, T *restrict dx)
{
    for (int64_t r = 0; r < rows; r++, dy += c, x += c, dx += c) {
        for (int64_t j = 0; j < c; j++) {
            dx[j] = by_dy[j] * dy[j] + by_x[j] * (x[j] - mean[j]) + shift[j];
        }
    }
}

/* ---- channels first: planes of l elements ---------------------------------------------------------------------------------- */

#include "lanes_template.h"

AG_MULTIVERSION static void NAME(plane_stats)(int64_t l, const T *x, double *mean, double *m2)
{
    T lane[LANES] = { 0 }, rest = 0;
    int64_t i = 0;
    for (; i + LANES <= l; i += LANES) {
        for (int j = 0; j < LANES; j++) {
            lane[j] += x[i + j];
        }
    }
    for (; i < l; i++) {
        rest += x[i];
    }
    *mean = (NAME(lanes_sum)(lane) + (double)rest) / (double)l;
    T center = (T)*mean;
    *mean = (double)center;
    T square[LANES] = { 0 }, left[LANES] = { 0 }, square_rest = 0, left_rest = 0;
    for (i = 0; i + LANES <= l; i += LANES) {
        for (int j = 0; j < LANES; j++) {
            T d = x[i + j] - center;
            square[j] += d * d;
            left[j] += d;
        }
    }
    for (; i < l; i++) {
        T d = x[i] - center;
        square_rest += d * d;
        left_rest += d;
    }
    double all_left = NAME(lanes_sum)(left) + (double)left_rest;
    *m2 = NAME(lanes_sum)(square) + (double)square_rest - all_left * all_left / (double)l;
    *mean += all_left / (double)l;
}

AG_MULTIVERSION static void NAME(plane_apply)(int64_t l, const T *restrict x, T mean, T scale, T shift, T *restrict y)
{
    for (int64_t i = 0; i < l; i++) {
        y[i] = (x[i] - mean) * scale + shift;
    }
}

AG_MULTIVERSION static void NAME(plane_sums)(int64_t l, const T *dy, const T *x, T mean, double *sum, double *product)
{
    T s[LANES] = { 0 }, p[LANES] = { 0 }, s_rest = 0, p_rest = 0;
    int64_t i = 0;
    for (; i + LANES <= l; i += LANES) {
        for (int j = 0; j < LANES; j++) {
            s[j] += dy[i + j];
            p[j] += dy[i + j] * (x[i + j] - mean);
        }
    }
    for (; i < l; i++) {
        s_rest += dy[i];
        p_rest += dy[i] * (x[i] - mean);
    }
    *sum = NAME(lanes_sum)(s) + (double)s_rest;
    *product = NAME(lanes_sum)(p) + (double)p_rest;
}

AG_MULTIVERSION static void NAME(plane_input)(int64_t l, const T *restrict dy, const T *restrict x, T mean, T by_dy, T by_x,
                                              T shift, T *restrict dx)
{
    for (int64_t i = 0; i < l; i++) {
        dx[i] = by_dy * dy[i] + by_x * (x[i] - mean) + shift;
    }
}

/* ---- all chunks --------------------------------------------------------------------------------------------------------------- */

static void NAME(stats_chunk)(const k_norm *p, int64_t chunk, const void *x, double *mean, double *m2)
{
    const T *from = (const T *)x + chunk_begin(p, chunk);
    if (p->channels_last) {
        NAME(rows_stats)(chunk_rows(p, chunk), p->c, from, mean + chunk * p->c, m2 + chunk * p->c);
    } else {
        NAME(plane_stats)(p->l, from, mean + chunk, m2 + chunk);
    }
}

static void NAME(apply_chunk)(const k_norm *p, int64_t chunk, const void *x, const void *mean, const void *scale,
                              const void *shift, void *y)
{
    int64_t at = chunk_begin(p, chunk), channel = chunk % p->c;
    const T *m = mean, *a = scale, *b = shift;
    if (p->channels_last) {
        NAME(rows_apply)(chunk_rows(p, chunk), p->c, (const T *)x + at, m, a, b, (T *)y + at);
    } else {
        NAME(plane_apply)(p->l, (const T *)x + at, m[channel], a[channel], b[channel], (T *)y + at);
    }
}

static void NAME(sums_chunk)(const k_norm *p, int64_t chunk, const void *dy, const void *x, const void *mean, double *sum,
                             double *product)
{
    int64_t at = chunk_begin(p, chunk);
    const T *m = mean;
    if (p->channels_last) {
        NAME(rows_sums)(chunk_rows(p, chunk), p->c, (const T *)dy + at, (const T *)x + at, m, sum + chunk * p->c,
                        product + chunk * p->c);
    } else {
        NAME(plane_sums)(p->l, (const T *)dy + at, (const T *)x + at, m[chunk % p->c], sum + chunk, product + chunk);
    }
}

static void NAME(input_chunk)(const k_norm *p, int64_t chunk, const void *dy, const void *x, const void *mean,
                              const void *by_dy, const void *by_x, const void *shift, void *dx)
{
    int64_t at = chunk_begin(p, chunk), channel = chunk % p->c;
    const T *m = mean, *a = by_dy, *b = by_x, *d = shift;
    if (p->channels_last) {
        NAME(rows_input)(chunk_rows(p, chunk), p->c, (const T *)dy + at, (const T *)x + at, m, a, b, d, (T *)dx + at);
    } else {
        NAME(plane_input)(p->l, (const T *)dy + at, (const T *)x + at, m[channel], a[channel], b[channel], d[channel],
                          (T *)dx + at);
    }
}

#undef T
#undef NAME
