/*
 * Layer normalisation for one element type: included once per type with T and NAME(x) defined. Rows lie one after the
 * other; sums run in LANES lanes of T and are added up in double, so that every order is fixed.
 */

#include "lanes_template.h"

/* The mean of a row, and the mean of (x - center)^2, with the mean, or 0 if it is not to be subtracted, as center. What
 * rounding the mean to T left over is put right in double. */
static AG_ALWAYS_INLINE void NAME(row_stats)(int64_t d, const T *x, bool centred, double *mean, double *square)
{
    T center = 0;
    int64_t i = 0;
    *mean = 0;
    if (centred) {
        T lane[LANES] = { 0 }, rest = 0;
        for (; i + LANES <= d; i += LANES) {
            for (int j = 0; j < LANES; j++) {
                lane[j] += x[i + j];
            }
        }
        for (; i < d; i++) {
            rest += x[i];
        }
        *mean = (NAME(lanes_sum)(lane) + (double)rest) / (double)d;
        center = (T)*mean;
    }
    T lane[LANES] = { 0 }, left[LANES] = { 0 }, rest = 0, left_rest = 0;
    for (i = 0; i + LANES <= d; i += LANES) {
        for (int j = 0; j < LANES; j++) {
            T v = x[i + j] - center;
            lane[j] += v * v;
            left[j] += v;
        }
    }
    for (; i < d; i++) {
        T v = x[i] - center;
        rest += v * v;
        left_rest += v;
    }
    double off = centred ? (NAME(lanes_sum)(left) + (double)left_rest) / (double)d : 0;
    *square = (NAME(lanes_sum)(lane) + (double)rest) / (double)d - off * off;
    *mean = centred ? (double)center + off : 0;
}

AG_MULTIVERSION static void NAME(rows_norm)(const k_layer_norm *p, int64_t first, int64_t rows, const T *restrict x,
                                            const T *restrict w, const T *restrict b, T *restrict y, T *mean, T *rstd)
{
    const int64_t d = p->d;
    for (int64_t r = first; r < first + rows; r++) {
        const T *row = x + r * d;
        T *out = y + r * d;
        double exact, square;
        NAME(row_stats)(d, row, p->centred, &exact, &square);
        T m = (T)exact, s = (T)(1 / sqrt((square > 0 || square != square ? square : 0) + p->eps));
        T shift = (T)(((double)m - exact) * (double)s); /* the mean is rounded before it is subtracted */
        if (p->centred) {
            mean[r] = m;
        }
        rstd[r] = s;
        if (w == NULL && b == NULL) {
            for (int64_t i = 0; i < d; i++) {
                out[i] = (row[i] - m) * s + shift;
            }
        } else if (b == NULL) {
            for (int64_t i = 0; i < d; i++) {
                out[i] = ((row[i] - m) * s + shift) * w[i];
            }
        } else if (w == NULL) {
            for (int64_t i = 0; i < d; i++) {
                out[i] = (row[i] - m) * s + shift + b[i];
            }
        } else {
            for (int64_t i = 0; i < d; i++) {
                out[i] = ((row[i] - m) * s + shift) * w[i] + b[i];
            }
        }
    }
}

/* The sums over a row of w dy and of w dy h, h = (x - mean) rstd. */
static AG_ALWAYS_INLINE void NAME(row_sums)(int64_t d, const T *dy, const T *x, const T *w, T mean, T rstd, T *sum,
                                            T *product)
{
    T s[LANES] = { 0 }, q[LANES] = { 0 }, s_rest = 0, q_rest = 0;
    int64_t i = 0;
    for (; i + LANES <= d; i += LANES) {
        for (int j = 0; j < LANES; j++) {
            T g = w == NULL ? dy[i + j] : dy[i + j] * w[i + j];
            s[j] += g;
            q[j] += g * ((x[i + j] - mean) * rstd);
        }
    }
    for (; i < d; i++) {
        T g = w == NULL ? dy[i] : dy[i] * w[i];
        s_rest += g;
        q_rest += g * ((x[i] - mean) * rstd);
    }
    *sum = (T)(NAME(lanes_sum)(s) + (double)s_rest);
    *product = (T)(NAME(lanes_sum)(q) + (double)q_rest);
}

/* out = [out +] the row's dx; w may be NULL. */
static AG_ALWAYS_INLINE void NAME(row_back)(int64_t d, const T *restrict g, const T *restrict x, const T *restrict w, T mean, T rstd,
                                            T even, T along, bool adds, T *restrict out)
{
    for (int64_t i = 0; i < d; i++) {
        T dx = ((w == NULL ? g[i] : g[i] * w[i]) - even - (x[i] - mean) * rstd * along) * rstd;
        out[i] = adds ? out[i] + dx : dx;
    }
}

/* dx, if it is not NULL, added to what is there or written, and the sums over these rows of dy h in dw and of dy in db, if they are
 * not NULL: written. Rows of dx are asked for in time: who wrote them last may have been another processor. */
AG_MULTIVERSION static void NAME(rows_back)(const k_layer_norm *p, int64_t first, int64_t rows, const T *restrict dy,
                                            const T *restrict x, const T *restrict w, const T *restrict mean,
                                            const T *restrict rstd, T *restrict dx, bool adds, T *restrict dw, T *restrict db)
{
    const int64_t d = p->d, ahead = (AHEAD / (int64_t)sizeof(T) + d - 1) / (d > 0 ? d : 1);
    for (int64_t i = 0; i < d && dw != NULL; i++) {
        dw[i] = db[i] = 0;
    }
    for (int64_t r = first; r < first + rows; r++) {
        const T *g = dy + r * d, *row = x + r * d;
        T m = p->centred ? mean[r] : 0, s = rstd[r], sum, product;
        if (dw != NULL) {
            for (int64_t i = 0; i < d; i++) {
                dw[i] += g[i] * ((row[i] - m) * s);
                db[i] += g[i];
            }
        }
        if (dx == NULL) {
            continue;
        }
        T *out = dx + r * d;
        for (int64_t i = 0; r + ahead < first + rows && i < d; i += K_LINE / (int64_t)sizeof(T)) {
            __builtin_prefetch(out + ahead * d + i, 1);
        }
        if (w == NULL) {
            NAME(row_sums)(d, g, row, NULL, m, s, &sum, &product);
        } else {
            NAME(row_sums)(d, g, row, w, m, s, &sum, &product);
        }
        T even = p->centred ? sum / (T)d : 0, along = product / (T)d;
        if (adds && w != NULL) {
            NAME(row_back)(d, g, row, w, m, s, even, along, true, out);
        } else if (adds) {
            NAME(row_back)(d, g, row, NULL, m, s, even, along, true, out);
        } else if (w != NULL) {
            NAME(row_back)(d, g, row, w, m, s, even, along, false, out);
        } else {
            NAME(row_back)(d, g, row, NULL, m, s, even, along, false, out);
        }
    }
}

#undef T
#undef NAME
