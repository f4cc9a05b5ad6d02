/*
 * Attention of a few queries, as in generation, for one element type: scores as (query,key), products by k_gemm(). Included once per
 * type, before attention_template.h, with T, EXP and NAME(x) defined.
 */
#include "lanes_template.h"

static T *NAME(at)(const k_matrix *m, int64_t slice, int64_t row)
{
    return (T *)m->data + m->offset[slice] + row * m->rs;
}

/* How many keys a block of queries sees at most. With a mask all are looked at: where it hides all that a query would see, the NaN
 * reaches every key. */
static int64_t NAME(keys_of)(const k_attention *p, int64_t first, int64_t rows)
{
    int64_t seen = first + rows + p->shift;
    return p->causal && p->mask.data == NULL && seen < p->s ? seen : p->s;
}

/* How many of `keys` query i sees, and the same filled up to whole vectors, which is what is computed with. */
static int64_t NAME(seen_by)(const k_attention *p, int64_t i, int64_t keys)
{
    int64_t seen = i + p->shift + 1;
    return !p->causal || seen > keys ? keys : seen;
}

static int64_t NAME(looked_at)(const k_attention *p, int64_t i, int64_t keys)
{
    int64_t whole = (NAME(seen_by)(p, i, keys) + LANES - 1) / LANES * LANES;
    return whole < keys ? whole : keys;
}

AG_MULTIVERSION static void NAME(times)(int64_t n, T *restrict x, T factor)
{
    for (int64_t j = 0; j < n; j++) {
        x[j] *= factor;
    }
}

AG_MULTIVERSION static void NAME(masked)(int64_t n, T *restrict x, T factor, const T *restrict mask, int64_t stride)
{
    for (int64_t j = 0; j < n && stride == 1; j++) {
        x[j] = x[j] * factor + mask[j];
    }
    for (int64_t j = 0; j < n && stride != 1; j++) {
        x[j] = x[j] * factor + mask[j * stride];
    }
}

/* -infinity is added, not written in place of a score, as for blocks of queries: a NaN that is hidden stays one. */
AG_MULTIVERSION static void NAME(seen)(int64_t n, T *restrict x, T factor, const uint8_t *restrict mask, int64_t stride)
{
    for (int64_t j = 0; j < n && stride == 1; j++) {
        x[j] = x[j] * factor + (mask[j] != 0 ? 0 : -(T)INFINITY);
    }
    for (int64_t j = 0; j < n && stride != 1; j++) {
        x[j] = x[j] * factor + (mask[j * stride] != 0 ? 0 : -(T)INFINITY);
    }
}

/* scores (rows,keys) = scale q k^T + mask, -infinity for what a query looks at but does not see; the rest is left as it is. */
static void NAME(scores)(const k_attention *p, int64_t slice, int64_t first, int64_t rows, int64_t keys, T *scores)
{
    NAME(k_gemm)(1, rows, keys, p->e, NAME(at)(&p->q, slice, first), p->q.rs, p->q.cs, NAME(at)(&p->k, slice, 0), p->k.cs,
                 p->k.rs, 0, scores, keys, 1);
    const T scale = (T)p->scale;
    for (int64_t i = 0; i < rows; i++) {
        T *row = scores + i * keys;
        int64_t n = NAME(looked_at)(p, first + i, keys);
        if (p->mask.data == NULL) {
            NAME(times)(n, row, scale);
        } else if (p->mask_bytes) {
            const uint8_t *mask = (const uint8_t *)p->mask.data + p->mask.offset[slice] + (first + i) * p->mask.rs;
            NAME(seen)(n, row, scale, mask, p->mask.cs);
        } else {
            NAME(masked)(n, row, scale, NAME(at)(&p->mask, slice, first + i), p->mask.cs);
        }
        for (int64_t j = NAME(seen_by)(p, first + i, keys); j < n; j++) {
            row[j] = -(T)INFINITY;
        }
    }
}

AG_MULTIVERSION static T NAME(largest)(int64_t n, const T *restrict x)
{
    T lane[LANES], max = -(T)INFINITY;
    for (int i = 0; i < LANES; i++) {
        lane[i] = max;
    }
    int64_t j = 0;
    for (; j + LANES <= n; j += LANES) {
        for (int i = 0; i < LANES; i++) {
            lane[i] = x[j + i] > lane[i] ? x[j + i] : lane[i];
        }
    }
    for (; j < n; j++) {
        max = x[j] > max ? x[j] : max;
    }
    for (int half = LANES / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; i++) {
            lane[i] = lane[i + half] > lane[i] ? lane[i + half] : lane[i];
        }
    }
    return lane[0] > max ? lane[0] : max;
}

AG_MULTIVERSION static void NAME(exponentials)(int64_t n, T *restrict x, T less)
{
    for (int64_t j = 0; j < n; j++) {
        x[j] = EXP(x[j] - less);
    }
}

/* Sums in lanes, so that the order is fixed and the loop is vector code. */
AG_MULTIVERSION static T NAME(total)(int64_t n, const T *restrict x)
{
    T lane[LANES] = { 0 }, sum = 0;
    int64_t j = 0;
    for (; j + LANES <= n; j += LANES) {
        for (int i = 0; i < LANES; i++) {
            lane[i] += x[j + i];
        }
    }
    for (; j < n; j++) {
        sum += x[j];
    }
    return NAME(lanes_joined)(lane) + sum;
}

/* The softmax of the scores of a block of queries: 0 for what is not seen, and NaN where a mask hides all that would be. */
static void NAME(few_shares)(const k_attention *p, int64_t slice, int64_t first, int64_t rows, int64_t keys, T *scores)
{
    NAME(scores)(p, slice, first, rows, keys, scores);
    T of_row[FEW]; /* each step for all rows: a row alone would wait for its own largest and its own sum */
    for (int64_t i = 0; i < rows; i++) {
        of_row[i] = NAME(largest)(NAME(looked_at)(p, first + i, keys), scores + i * keys);
    }
    for (int64_t i = 0; i < rows; i++) {
        NAME(exponentials)(NAME(looked_at)(p, first + i, keys), scores + i * keys, of_row[i]);
    }
    for (int64_t i = 0; i < rows; i++) {
        of_row[i] = 1 / NAME(total)(NAME(looked_at)(p, first + i, keys), scores + i * keys);
    }
    for (int64_t i = 0; i < rows; i++) {
        T *row = scores + i * keys;
        int64_t n = NAME(looked_at)(p, first + i, keys);
        NAME(times)(n, row, of_row[i]);
        for (int64_t j = n; j < keys; j++) {
            row[j] = row[0] == row[0] ? 0 : (T)NAN;
        }
    }
}

/* All queries of a slice, FEW at most. */
static void NAME(forward_few)(const k_attention *p, int64_t slice, T *scores)
{
    const int64_t first = 0, rows = p->l, keys = NAME(keys_of)(p, first, rows);
    NAME(few_shares)(p, slice, first, rows, keys, scores);
    NAME(k_gemm)(1, rows, p->ev, keys, scores, keys, 1, NAME(at)(&p->v, slice, 0), p->v.rs, p->v.cs, 0,
                 NAME(at)(&p->y, slice, first), p->y.rs, p->y.cs);
}
