/*
 * The raw kernels against plain loops in float64, in both element types and with every register
 * tile this processor runs; the same bits for any number of threads; nothing written beside the
 * results.
 */
#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/kernels/kernels.h"
#include "autograd/kernels/tile.h"
#include "autograd/kernels/vector.h"

/* ---- numbers --------------------------------------------------------------------------------- */

static uint64_t state = 1;

static int64_t pick(int64_t low, int64_t high)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return low + (int64_t)((state >> 33) % (uint64_t)(high - low + 1));
}

/* ck_assert_msg notes every call, which is slow for millions of numbers. */
#define CHECK(condition, ...)          \
    do {                               \
        if (!(condition)) {            \
            ck_abort_msg(__VA_ARGS__); \
        }                              \
    } while (0)

/* The buffers' contract: 64-byte aligned, 64 bytes of slack that may be read but not written. */
typedef struct buffer {
    ag_dtype dtype;
    int64_t n;
    char *bytes;
} buffer;

enum {
    SLACK = 64,
};

static buffer buffer_bytes(size_t n)
{
    buffer b = { AG_UINT8, (int64_t)n, aligned_alloc(64, (n + SLACK + 63) / 64 * 64) };
    ck_assert_ptr_nonnull(b.bytes);
    memset(b.bytes, 0xff, n + SLACK);
    return b;
}

static buffer buffer_new(ag_dtype dtype, int64_t n)
{
    buffer b = buffer_bytes((size_t)n * ag_dtype_size(dtype));
    b.dtype = dtype;
    b.n = n;
    return b;
}

static void buffer_check(const buffer *b)
{
    size_t n = (size_t)b->n * (b->dtype == AG_UINT8 ? 1 : ag_dtype_size(b->dtype));
    for (size_t i = 0; i < SLACK; i++) {
        CHECK((unsigned char)b->bytes[n + i] == 0xff, "byte %zu behind a buffer was written", i);
    }
}

static void buffer_free(buffer *b)
{
    buffer_check(b);
    free(b->bytes);
}

static double get(const buffer *b, int64_t i)
{
    return b->dtype == AG_FLOAT64 ? ((double *)b->bytes)[i] : (double)((float *)b->bytes)[i];
}

static void set(buffer *b, int64_t i, double v)
{
    if (b->dtype == AG_FLOAT64) {
        ((double *)b->bytes)[i] = v;
    } else {
        ((float *)b->bytes)[i] = (float)v;
    }
}

/* Multiples of 1/16, so that many ties occur and float32 holds them exactly. */
static buffer buffer_random(ag_dtype dtype, int64_t n)
{
    buffer b = buffer_new(dtype, n);
    for (int64_t i = 0; i < n; i++) {
        set(&b, i, (double)pick(-16, 16) / 16);
    }
    return b;
}

static void check_close(const buffer *got, const double *want, const char *what)
{
    double tolerance = got->dtype == AG_FLOAT64 ? 1e-12 : 3e-5;
    for (int64_t i = 0; i < got->n; i++) {
        double g = get(got, i);
        CHECK(fabs(g - want[i]) <= tolerance * (1 + fabs(want[i])),
              "%s [%lld]: %.9g, expected %.9g", what, (long long)i, g, want[i]);
    }
    buffer_check(got);
}

static const ag_dtype types[] = { AG_FLOAT32, AG_FLOAT64 };
static const char *const tiles[] = { "avx512", "avx2", "plain" };

enum {
    TILES = 3,
    MOST_THREADS = 3,
    MANY = 9, /* more than panels */
};

/* ---- products -------------------------------------------------------------------------------- */

typedef struct matrix {
    int64_t rows, columns, rs, cs, n;
} matrix;

static matrix matrix_strided(int64_t rows, int64_t columns, int64_t kind)
{
    int64_t gap = pick(0, 3);
    matrix m = { rows, columns, columns + gap, 1, 0 };
    if (kind == 1) {
        m.rs = 1;
        m.cs = rows + gap;
    } else if (kind == 2) {
        m.rs = 2 * columns + 1;
        m.cs = 2;
    }
    m.n = rows > 0 && columns > 0 ? (rows - 1) * m.rs + (columns - 1) * m.cs + 1 : 1;
    return m;
}

static void check_product(ag_dtype dtype, int64_t m, int64_t n, int64_t k)
{
    matrix am = matrix_strided(m, k, pick(0, 2)), bm = matrix_strided(k, n, pick(0, 2));
    matrix cm = matrix_strided(m, n, pick(0, 5) / 2);
    buffer a = buffer_random(dtype, am.n), b = buffer_random(dtype, bm.n),
           start = buffer_random(dtype, cm.n);
    bool accumulate = pick(0, 1) == 1;
    double *want = malloc((size_t)cm.n * sizeof *want);
    for (int64_t i = 0; i < cm.n; i++) {
        want[i] = get(&start, i);
    }
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < n; j++) {
            int64_t at = i * cm.rs + j * cm.cs;
            double sum = accumulate ? want[at] : 0;
            for (int64_t l = 0; l < k; l++) {
                sum += get(&a, i * am.rs + l * am.cs) * get(&b, l * bm.rs + j * bm.cs);
            }
            want[at] = sum;
            if (!accumulate) {
                set(&start, at, NAN); /* must not be read */
            }
        }
    }
    buffer first = buffer_new(dtype, cm.n);
    for (int threads = 1; threads <= MANY; threads += threads == MOST_THREADS ? MANY - MOST_THREADS : 1) {
        buffer c = buffer_new(dtype, cm.n);
        memcpy(c.bytes, start.bytes, (size_t)cm.n * ag_dtype_size(dtype));
        k_gemm(dtype, threads, m, n, k, a.bytes, am.rs, am.cs, b.bytes, bm.rs, bm.cs, accumulate,
               c.bytes, cm.rs, cm.cs);
        if (threads == 1) {
            char what[100];
            snprintf(what, sizeof what, "product (%d,%d,%d)", (int)m, (int)n, (int)k);
            check_close(&c, want, what);
            memcpy(first.bytes, c.bytes, (size_t)cm.n * ag_dtype_size(dtype));
        }
        CHECK(memcmp(first.bytes, c.bytes, (size_t)cm.n * ag_dtype_size(dtype)) == 0,
              "product (%d,%d,%d): %d threads give other bits", (int)m, (int)n, (int)k, threads);
        buffer_free(&c);
    }
    buffer_free(&first);
    buffer_free(&start);
    buffer_free(&b);
    buffer_free(&a);
    free(want);
}

/* Each row of C starts with the bias. */
static void check_biased(ag_dtype dtype, int64_t m, int64_t n, int64_t k)
{
    matrix am = matrix_strided(m, k, pick(0, 2)), bm = matrix_strided(k, n, pick(0, 2));
    int64_t row = n + pick(0, 3), count = m * row;
    buffer a = buffer_random(dtype, am.n), b = buffer_random(dtype, bm.n), bias = buffer_random(dtype, n),
           start = buffer_random(dtype, count);
    double *want = malloc((size_t)count * sizeof *want);
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < row; j++) {
            want[i * row + j] = get(j < n ? &bias : &start, j < n ? j : i * row + j); /* gaps stay as they are */
            for (int64_t l = 0; j < n && l < k; l++) {
                want[i * row + j] += get(&a, i * am.rs + l * am.cs) * get(&b, l * bm.rs + j * bm.cs);
            }
        }
    }
    buffer first = buffer_new(dtype, count);
    for (int threads = 1; threads <= MANY; threads += threads == MOST_THREADS ? MANY - MOST_THREADS : 1) {
        buffer c = buffer_new(dtype, count);
        memcpy(c.bytes, start.bytes, (size_t)count * ag_dtype_size(dtype));
        k_gemm_bias(dtype, threads, m, n, k, a.bytes, am.rs, am.cs, b.bytes, bm.rs, bm.cs, bias.bytes, c.bytes, row);
        if (threads == 1) {
            char what[100];
            snprintf(what, sizeof what, "product with bias (%d,%d,%d)", (int)m, (int)n, (int)k);
            check_close(&c, want, what);
            memcpy(first.bytes, c.bytes, (size_t)count * ag_dtype_size(dtype));
        }
        CHECK(memcmp(first.bytes, c.bytes, (size_t)count * ag_dtype_size(dtype)) == 0,
              "product with bias (%d,%d,%d): %d threads give other bits", (int)m, (int)n, (int)k, threads);
        buffer_free(&c);
    }
    buffer_free(&first);
    buffer_free(&start);
    buffer_free(&bias);
    buffer_free(&b);
    buffer_free(&a);
    free(want);
}

/* The sums of A's columns come with the product, or do not; old values are added to, or not read. */
static void check_summed(ag_dtype dtype, int64_t m, int64_t n, int64_t k, bool add, bool summed)
{
    int64_t wide = m + pick(0, 3), deep = n + pick(0, 3), row = n + pick(0, 3), count = m * row;
    if (summed && !k_gemm_sums_fit(dtype, m, n, k, 1, wide)) {
        return;
    }
    buffer a = buffer_random(dtype, k * wide), b = buffer_random(dtype, k * deep), start = buffer_random(dtype, count),
           old = buffer_random(dtype, m);
    double *want = malloc((size_t)(count + m) * sizeof *want), *sums = want + count;
    for (int64_t i = 0; i < m; i++) {
        sums[i] = add ? get(&old, i) : 0;
        for (int64_t l = 0; l < k; l++) {
            sums[i] += get(&a, l * wide + i);
        }
        for (int64_t j = 0; j < row; j++) {
            want[i * row + j] = j >= n || add ? get(&start, i * row + j) : 0;
            for (int64_t l = 0; j < n && l < k; l++) {
                want[i * row + j] += get(&a, l * wide + i) * get(&b, l * deep + j);
            }
            if (j < n && !add) {
                set(&start, i * row + j, NAN);
            }
        }
        if (!add) {
            set(&old, i, NAN);
        }
    }
    size_t bytes = (size_t)count * ag_dtype_size(dtype), sum_bytes = (size_t)m * ag_dtype_size(dtype);
    buffer first = buffer_new(dtype, count), first_sums = buffer_new(dtype, m);
    for (int threads = 1; threads <= MANY; threads += threads == MOST_THREADS ? MANY - MOST_THREADS : 1) {
        buffer c = buffer_new(dtype, count), s = buffer_new(dtype, m);
        memcpy(c.bytes, start.bytes, bytes);
        memcpy(s.bytes, old.bytes, sum_bytes);
        k_product product = { m, n, k, a.bytes, b.bytes, 1, wide, deep, 1, c.bytes, row, add, summed ? s.bytes : NULL, add };
        buffer work = buffer_bytes(k_gemm_several_bytes(dtype, 1, &product));
        k_gemm_several(dtype, threads, 1, &product, work.bytes);
        buffer_free(&work);
        if (threads == 1) {
            char what[100];
            snprintf(what, sizeof what, "product with sums (%d,%d,%d)", (int)m, (int)n, (int)k);
            check_close(&c, want, what);
            if (summed) {
                check_close(&s, sums, what);
            }
            memcpy(first.bytes, c.bytes, bytes);
            memcpy(first_sums.bytes, s.bytes, sum_bytes);
        }
        CHECK(memcmp(first.bytes, c.bytes, bytes) == 0 && memcmp(first_sums.bytes, s.bytes, sum_bytes) == 0,
              "product with sums (%d,%d,%d): %d threads give other bits", (int)m, (int)n, (int)k, threads);
        buffer_free(&s);
        buffer_free(&c);
    }
    buffer_free(&first_sums);
    buffer_free(&first);
    buffer_free(&old);
    buffer_free(&start);
    buffer_free(&b);
    buffer_free(&a);
    free(want);
}

START_TEST(products_with_sums_match_the_definition)
{
    if (!k_tile_choose(tiles[_i])) {
        return;
    }
    /* Vectors of 64 bytes: elsewhere BLIS multiplies, and packs for itself. */
    CHECK(_i > 0 || (k_gemm_sums_fit(AG_FLOAT32, 64, 32, 100, 1, 64) && k_gemm_sums_fit(AG_FLOAT64, 64, 32, 100, 1, 64)),
          "products of this processor pack, and do not sum");
    CHECK(!k_gemm_sums_fit(AG_FLOAT32, 64, 32, 100, 2, 128), "sums of columns that are not contiguous");
    for (int type = 0; type < 2; type++) {
        for (int i = 0; i < 30; i++) {
            check_summed(types[type], pick(1, 80), pick(1, 100), pick(1, 150), i % 2 == 0, true);
        }
        check_summed(types[type], 65, 128, 300, false, true);
        check_summed(types[type], 300, 40, 257, true, true);
        check_summed(types[type], 520, 150, 130, false, true);
    }
}
END_TEST

/* Their sums are cut in parts; whatever k is, all of it counts, once. */
START_TEST(long_products_match_the_definition)
{
    if (!k_tile_choose(tiles[_i])) {
        return;
    }
    k_product product = { .m = 64, .n = 64, .k = 2048, .ars = 1, .acs = 64, .brs = 64, .bcs = 1, .crs = 64 };
    CHECK(_i > 0 || k_gemm_several_bytes(AG_FLOAT32, 1, &product) > 0, "no sum is cut in parts");
    for (int type = 0; type < 2; type++) {
        for (int i = 0; i < 8; i++) {
            check_summed(types[type], pick(17, 80), pick(17, 100), pick(1000, 1500), i % 2 == 0, i % 4 < 2);
        }
        check_summed(types[type], 20, 20, 1023, true, true);
        check_summed(types[type], 20, 20, 1024, false, true);
        check_summed(types[type], 33, 70, 2049, true, false);
        check_summed(types[type], 300, 40, 1100, false, true);
    }
}
END_TEST

/* Long products, a short one and a vector in one call: each finds its own room, however its factors lie. */
START_TEST(products_together_match_the_definition)
{
    static const int64_t sizes[K_PRODUCTS][3] = { { 40, 50, 1300 }, { 64, 30, 90 }, { 30, 20, 1030 }, { 1, 17, 5 } };
    static const int64_t strides[K_PRODUCTS][4] = { { 1, 40, 1, 1303 }, { 1, 64, 30, 1 }, { 2, 61, 43, 2 }, { 1, 1, 17, 1 } };
    if (!k_tile_choose(tiles[_i])) {
        return;
    }
    for (int type = 0; type < 2; type++) {
        buffer a[K_PRODUCTS], b[K_PRODUCTS], first[K_PRODUCTS];
        for (int threads = 1; threads <= MANY; threads += 4) {
            k_product product[K_PRODUCTS];
            buffer c[K_PRODUCTS];
            for (int i = 0; i < K_PRODUCTS; i++) {
                int64_t m = sizes[i][0], n = sizes[i][1], k = sizes[i][2];
                const int64_t *s = strides[i];
                if (threads == 1) {
                    a[i] = buffer_random(types[type], (m - 1) * s[0] + (k - 1) * s[1] + 1);
                    b[i] = buffer_random(types[type], (k - 1) * s[2] + (n - 1) * s[3] + 1);
                    first[i] = buffer_new(types[type], m * n);
                }
                c[i] = buffer_new(types[type], m * n);
                product[i] = (k_product){ m, n, k, a[i].bytes, b[i].bytes, s[0], s[1], s[2], s[3], .c = c[i].bytes, .crs = n };
            }
            buffer work = buffer_bytes(k_gemm_several_bytes(types[type], K_PRODUCTS, product));
            k_gemm_several(types[type], threads, K_PRODUCTS, product, work.bytes);
            buffer_free(&work);
            for (int i = 0; i < K_PRODUCTS; i++) {
                int64_t m = sizes[i][0], n = sizes[i][1], k = sizes[i][2];
                size_t bytes = (size_t)(m * n) * ag_dtype_size(types[type]);
                if (threads == 1) {
                    const int64_t *s = strides[i];
                    double *want = calloc((size_t)(m * n), sizeof *want);
                    for (int64_t l = 0; l < k; l++) {
                        for (int64_t at = 0; at < m * n; at++) {
                            want[at] += get(&a[i], at / n * s[0] + l * s[1]) * get(&b[i], l * s[2] + at % n * s[3]);
                        }
                    }
                    check_close(&c[i], want, "one of several products");
                    memcpy(first[i].bytes, c[i].bytes, bytes);
                    free(want);
                }
                CHECK(memcmp(first[i].bytes, c[i].bytes, bytes) == 0, "product %d of several: %d threads give other bits", i, threads);
                buffer_free(&c[i]);
            }
        }
        for (int i = 0; i < K_PRODUCTS; i++) {
            buffer_free(&a[i]);
            buffer_free(&b[i]);
            buffer_free(&first[i]);
        }
    }
}
END_TEST

START_TEST(products_match_the_definition)
{
    if (!k_tile_choose(tiles[_i])) {
        return;
    }
    for (int type = 0; type < 2; type++) {
        for (int i = 0; i < 150; i++) {
            check_product(types[type], pick(0, 20), pick(0, 40), pick(0, 20));
        }
        for (int i = 0; i < 20; i++) {
            check_product(types[type], 1, pick(1, 300), pick(1, 200));
            check_product(types[type], pick(1, 300), 1, pick(1, 200));
        }
        check_product(types[type], 300, 70, 20);
        check_product(types[type], 9, 100, 500);
        check_product(types[type], 128, 129, 33);
        check_product(types[type], 64, 128, 196);
        check_product(types[type], 1, 1100, 400);
        check_product(types[type], 600, 1, 600);
        for (int i = 0; i < 6; i++) { /* all layouts come by: cut by rows, by columns, and by columns with packed rows */
            check_product(types[type], 620, pick(20, 100), pick(100, 300));
            check_product(types[type], pick(20, 130), pick(200, 600), pick(40, 160));
            check_product(types[type], pick(17, 60), pick(1, 100), pick(300, 500));
        }
        for (int i = 0; i < 60; i++) {
            check_biased(types[type], pick(1, 20), pick(1, 40), pick(0, 20));
        }
        for (int i = 0; i < 6; i++) {
            check_biased(types[type], pick(1, 600), pick(1, 100), pick(1, 150));
            check_biased(types[type], pick(1, 100), pick(100, 600), pick(1, 150));
        }
    }
}
END_TEST

START_TEST(products_scale_the_old_values)
{
    float a[18] = { 1, 2, 3, 4 }, b[18] = { 5, 6, 7, 8 }, c[18] = { 10, 20, 30, 40 };
    k_gemm_f32(1, 2, 2, 2, a, 2, 1, b, 2, 1, 0.5f, c, 2, 1);
    ck_assert_float_eq(c[0], 5 + 19);
    ck_assert_float_eq(c[1], 10 + 22);
    ck_assert_float_eq(c[2], 15 + 43);
    ck_assert_float_eq(c[3], 20 + 50);
    double n[1 + 8] = { NAN };
    k_gemm_f64(1, 1, 1, 0, n, 1, 1, n, 1, 1, 0, n, 1, 1);
    ck_assert_double_eq(n[0], 0);
}
END_TEST

/* ---- convolution ----------------------------------------------------------------------------- */

static int64_t x_at(const k_conv *p, int64_t n, int64_t y, int64_t x, int64_t c)
{
    return ((n * p->h + y) * p->w + x) * p->c + c;
}

/* Calls `visit` with the places of every product x[i] weight[j] that belongs to y[k]. */
static void each_product(const k_conv *p,
                         void (*visit)(void *data, int64_t i, int64_t j, int64_t k), void *data)
{
    int64_t cg = p->c / p->groups, og = p->o / p->groups;
    for (int64_t n = 0; n < p->n; n++) {
        for (int64_t oy = 0; oy < p->oh; oy++) {
            for (int64_t ox = 0; ox < p->ow; ox++) {
                for (int64_t o = 0; o < p->o; o++) {
                    int64_t k = ((n * p->oh + oy) * p->ow + ox) * p->o + o;
                    for (int64_t kh = 0; kh < p->kh; kh++) {
                        for (int64_t kw = 0; kw < p->kw; kw++) {
                            int64_t y = oy * p->stride[0] + kh * p->dilation[0] - p->pad_top;
                            int64_t x = ox * p->stride[1] + kw * p->dilation[1] - p->pad_left;
                            for (int64_t c = 0; c < cg && y >= 0 && y < p->h && x >= 0 && x < p->w;
                                 c++) {
                                visit(data, x_at(p, n, y, x, o / og * cg + c),
                                      ((o * cg + c) * p->kh + kh) * p->kw + kw, k);
                            }
                        }
                    }
                }
            }
        }
    }
}

typedef struct trial {
    buffer x, weight, bias, dy;
    double *y, *dx, *dweight;
} trial;

static void visit_product(void *data, int64_t i, int64_t j, int64_t k)
{
    trial *t = data;
    t->y[k] += get(&t->x, i) * get(&t->weight, j);
    t->dx[i] += get(&t->dy, k) * get(&t->weight, j);
    t->dweight[j] += get(&t->dy, k) * get(&t->x, i);
}

static void same_bits(buffer *first, buffer *now, int threads, const char *what)
{
    size_t n = (size_t)now->n * ag_dtype_size(now->dtype);
    if (threads == 1) {
        memcpy(first->bytes, now->bytes, n);
    }
    CHECK(memcmp(first->bytes, now->bytes, n) == 0, "%s: %d threads give other bits", what,
          threads);
    buffer_free(now);
}

static void check_conv(ag_dtype dtype, const k_conv *p, bool with_bias)
{
    char what[200];
    snprintf(what, sizeof what,
             "conv n%d %dx%dx%d -> %dx%dx%d kernel %dx%d stride %d,%d dilation %d,%d pad %d,%d "
             "groups %d",
             (int)p->n, (int)p->h, (int)p->w, (int)p->c, (int)p->oh, (int)p->ow, (int)p->o,
             (int)p->kh, (int)p->kw, (int)p->stride[0], (int)p->stride[1], (int)p->dilation[0],
             (int)p->dilation[1], (int)p->pad_top, (int)p->pad_left, (int)p->groups);
    int64_t nx = p->n * p->h * p->w * p->c, ny = p->n * p->oh * p->ow * p->o,
            nw = p->o * p->c / p->groups * p->kh * p->kw;
    trial t = { buffer_random(dtype, nx),
                buffer_random(dtype, nw),
                buffer_random(dtype, p->o),
                buffer_random(dtype, ny),
                calloc((size_t)ny + 1, sizeof(double)),
                calloc((size_t)nx + 1, sizeof(double)),
                calloc((size_t)nw + 1, sizeof(double)) };
    for (int64_t i = 0; i < ny && with_bias; i++) {
        t.y[i] = get(&t.bias, i % p->o);
    }
    each_product(p, visit_product, &t);

    buffer y1 = buffer_new(dtype, ny), dx1 = buffer_new(dtype, nx), dw1 = buffer_new(dtype, nw);
    for (int threads = 1; threads <= MOST_THREADS; threads++) {
        buffer y = buffer_new(dtype, ny), dx = buffer_new(dtype, nx), dw = buffer_new(dtype, nw);
        buffer work = buffer_bytes(k_conv_forward_bytes(dtype, p, threads));
        k_conv_forward(dtype, threads, p, t.x.bytes, t.weight.bytes,
                       with_bias ? t.bias.bytes : NULL, y.bytes, work.bytes);
        buffer_free(&work);
        check_close(&y, t.y, what);
        same_bits(&y1, &y, threads, what);

        work = buffer_bytes(k_conv_input_bytes(dtype, p, threads));
        k_conv_input(dtype, threads, p, t.dy.bytes, t.weight.bytes, dx.bytes, work.bytes);
        buffer_free(&work);
        check_close(&dx, t.dx, what);
        same_bits(&dx1, &dx, threads, what);

        work = buffer_bytes(k_conv_weight_bytes(dtype, p, threads));
        k_conv_weight(dtype, threads, p, t.x.bytes, t.dy.bytes, false, dw.bytes, work.bytes);
        check_close(&dw, t.dweight, what);
        if (threads == 1) {
            /* Twice the gradient, by accumulating it. */
            buffer twice = buffer_new(dtype, nw);
            memcpy(twice.bytes, dw.bytes, (size_t)nw * ag_dtype_size(dtype));
            k_conv_weight(dtype, threads, p, t.x.bytes, t.dy.bytes, true, twice.bytes, work.bytes);
            for (int64_t i = 0; i < nw; i++) {
                CHECK(get(&twice, i) == 2 * get(&dw, i), "%s: accumulated weight gradient", what);
            }
            buffer_free(&twice);
        }
        buffer_free(&work);
        same_bits(&dw1, &dw, threads, what);
    }
    buffer_free(&y1);
    buffer_free(&dx1);
    buffer_free(&dw1);
    buffer_free(&t.x);
    buffer_free(&t.weight);
    buffer_free(&t.bias);
    buffer_free(&t.dy);
    free(t.y);
    free(t.dx);
    free(t.dweight);
}

static int64_t positions(int64_t length, int64_t before, int64_t after, int64_t kernel,
                         int64_t stride, int64_t dilation)
{
    int64_t room = length + before + after - (kernel - 1) * dilation - 1;
    return room < 0 ? 0 : room / stride + 1;
}

static k_conv conv_random(int64_t groups, int64_t cg, int64_t og)
{
    k_conv p = {
        .n = pick(1, 4),
        .h = pick(1, 12),
        .w = pick(1, 12),
        .c = groups * cg,
        .o = groups * og,
        .kh = pick(1, 4),
        .kw = pick(1, 4),
        .groups = groups,
        .stride = { pick(1, 3), pick(1, 3) },
        .dilation = { pick(1, 2), pick(1, 2) },
        .pad_top = pick(0, 3),
        .pad_left = pick(0, 3),
    };
    p.oh = positions(p.h, p.pad_top, pick(0, 3), p.kh, p.stride[0], p.dilation[0]);
    p.ow = positions(p.w, p.pad_left, pick(0, 3), p.kw, p.stride[1], p.dilation[1]);
    return p;
}

static k_conv conv_square(int64_t n, int64_t size, int64_t c, int64_t o, int64_t kernel,
                          int64_t stride, int64_t pad)
{
    int64_t out = positions(size, pad, pad, kernel, stride, 1);
    return (k_conv){
        .n = n,
        .h = size,
        .w = size,
        .c = c,
        .o = o,
        .kh = kernel,
        .kw = kernel,
        .groups = 1,
        .oh = out,
        .ow = out,
        .stride = { stride, stride },
        .dilation = { 1, 1 },
        .pad_top = pad,
        .pad_left = pad,
    };
}

START_TEST(convolutions_match_the_definition)
{
    if (!k_tile_choose(tiles[_i])) {
        return;
    }
    for (int i = 0; i < 120; i++) {
        k_conv p = conv_random(1, pick(1, 5), pick(1, 20));
        if (i % 4 == 1) {
            p = conv_random(pick(2, 3), pick(1, 3), pick(1, 3));
        } else if (i % 4 == 2) {
            p = conv_random(pick(2, 9), 1, 1);
        }
        check_conv(types[i % 2], &p, i % 3 == 0);
    }
}
END_TEST

START_TEST(convolutions_of_every_size_class)
{
    if (!k_tile_choose(tiles[_i])) {
        return;
    }
    const k_conv shapes[] = {
        conv_square(0, 5, 2, 3, 3, 1, 0),    /* no image */
        conv_square(3, 2, 2, 3, 5, 1, 0),    /* no position */
        conv_square(2, 3, 2, 3, 7, 1, 2),    /* kernel larger than the image */
        conv_square(1, 40, 1, 6, 5, 1, 2),   /* one image in several bands, copied */
        conv_square(1, 37, 3, 33, 3, 1, 0),  /* and not copied; more than two vectors */
        conv_square(8, 6, 33, 70, 3, 1, 1),  /* deep: k in several pieces */
        conv_square(16, 3, 16, 50, 3, 1, 0), /* one position an image */
        conv_square(4, 14, 6, 16, 4, 2, 1),  /* stride with phases */
        conv_square(2, 7, 3, 5, 1, 3, 0),    /* stride larger than the kernel */
        conv_square(2, 3, 2, 4, 2, 4, 1),    /* stride larger than the image */
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        check_conv(types[i % 2], &shapes[i], true);
        check_conv(types[(i + 1) % 2], &shapes[i], false);
    }
    k_conv wide =
        conv_square(2, 5, 70, 70, 3, 1, 1); /* depthwise, more channels than are kept at once */
    wide.groups = 70;
    check_conv(AG_FLOAT32, &wide, true);
    check_conv(AG_FLOAT64, &wide, false);
}
END_TEST

/* ---- pooling --------------------------------------------------------------------------------- */

static void check_pool(ag_dtype dtype, const k_pool *p, bool with_nan)
{
    int64_t nx = p->n * p->h * p->w * p->c, ny = p->n * p->oh * p->ow * p->c;
    buffer x = buffer_random(dtype, nx), dy = buffer_random(dtype, ny);
    for (int64_t i = 0; i < nx && with_nan; i += 5) {
        set(&x, i, i % 2 == 0 ? (double)NAN : -(double)INFINITY);
    }
    double *most = calloc((size_t)ny + 1, sizeof *most),
           *mean = calloc((size_t)ny + 1, sizeof *mean);
    double *dmost = calloc((size_t)nx + 1, sizeof *dmost),
           *dmean = calloc((size_t)nx + 1, sizeof *dmean);
    int64_t *winner = calloc((size_t)ny + 1, sizeof *winner);
    for (int64_t i = 0; i < ny; i++) {
        int64_t c = i % p->c, ox = i / p->c % p->ow, oy = i / p->c / p->ow % p->oh,
                n = i / p->c / p->ow / p->oh;
        int64_t cells = 0, found = -1, places[64];
        double sum = 0;
        for (int64_t kh = 0; kh < p->kernel[0]; kh++) {
            for (int64_t kw = 0; kw < p->kernel[1]; kw++) {
                int64_t iy = oy * p->stride[0] + kh - p->padding[0],
                        ix = ox * p->stride[1] + kw - p->padding[1];
                if (iy < 0 || iy >= p->h || ix < 0 || ix >= p->w) {
                    /* Zeros count up to the padding, but not beyond it. */
                    cells += p->count_include_pad && iy < p->h + p->padding[0] &&
                             ix < p->w + p->padding[1];
                    places[kh * p->kernel[1] + kw] = -1;
                    continue;
                }
                cells++;
                int64_t at = ((n * p->h + iy) * p->w + ix) * p->c + c;
                places[kh * p->kernel[1] + kw] = at;
                double v = get(&x, at);
                sum += v;
                if (found < 0 || v > most[i] || (isnan(v) && !isnan(most[i]))) {
                    found = at;
                    most[i] = v;
                    winner[i] = kh * p->kernel[1] + kw;
                }
            }
        }
        mean[i] = sum / (double)cells;
        dmost[found] += get(&dy, i);
        for (int64_t q = 0; q < p->kernel[0] * p->kernel[1]; q++) {
            if (places[q] >= 0) {
                dmean[places[q]] += get(&dy, i) / (double)cells;
            }
        }
    }
    for (int threads = 1; threads <= MOST_THREADS; threads++) {
        buffer y = buffer_new(dtype, ny), dx = buffer_new(dtype, nx), again = buffer_new(dtype, ny);
        buffer index = buffer_bytes((size_t)ny * sizeof(uint16_t));
        k_max_pool(dtype, threads, p, x.bytes, y.bytes, (uint16_t *)index.bytes);
        k_max_pool(dtype, threads, p, x.bytes, again.bytes, NULL);
        for (int64_t i = 0; i < ny; i++) {
            CHECK(((uint16_t *)index.bytes)[i] == winner[i], "winner of window %d", (int)i);
            CHECK(get(&y, i) == most[i] || (isnan(get(&y, i)) && isnan(most[i])), "maximum %d",
                  (int)i);
        }
        ck_assert_mem_eq(y.bytes, again.bytes, (size_t)ny * ag_dtype_size(dtype));
        k_max_pool_gather(dtype, threads, p, x.bytes, (uint16_t *)index.bytes, again.bytes);
        ck_assert_mem_eq(y.bytes, again.bytes, (size_t)ny * ag_dtype_size(dtype));
        k_max_pool_input(dtype, threads, p, dy.bytes, (uint16_t *)index.bytes, dx.bytes);
        check_close(&dx, dmost, "gradient of max pooling");
        if (!with_nan) {
            k_avg_pool(dtype, threads, p, x.bytes, y.bytes);
            check_close(&y, mean, "average pooling");
            k_avg_pool_input(dtype, threads, p, dy.bytes, dx.bytes);
            check_close(&dx, dmean, "gradient of average pooling");
        }
        buffer_free(&index);
        buffer_free(&again);
        buffer_free(&dx);
        buffer_free(&y);
    }
    buffer_free(&dy);
    buffer_free(&x);
    free(most);
    free(mean);
    free(dmost);
    free(dmean);
    free(winner);
}

START_TEST(pooling_matches_the_definition)
{
    for (int i = 0; i < 200; i++) {
        k_pool p = { .n = pick(0, 3),
                     .h = pick(3, 12),
                     .w = pick(3, 12),
                     .c = pick(1, i % 20 == 0 ? 150 : 20),
                     .kernel = { pick(1, 3), pick(1, 3) },
                     .stride = { pick(1, 4), pick(1, 4) },
                     .count_include_pad = i % 3 == 0 };
        for (int d = 0; d < 2; d++) {
            p.padding[d] = pick(0, p.kernel[d] / 2);
            if (i % 4 == 0) { /* windows side by side */
                p.stride[d] = p.kernel[d];
                p.padding[d] = 0;
            }
        }
        p.oh = positions(p.h, p.padding[0], p.padding[0], p.kernel[0], p.stride[0], 1);
        p.ow = positions(p.w, p.padding[1], p.padding[1], p.kernel[1], p.stride[1], 1);
        check_pool(types[i % 2], &p, i % 5 == 0);
    }
    k_pool large = { .n = 6,
                     .h = 24,
                     .w = 24,
                     .c = 32,
                     .oh = 12,
                     .ow = 12,
                     .kernel = { 2, 2 },
                     .stride = { 2, 2 } };
    check_pool(AG_FLOAT32, &large, false);
    large.kernel[0] = 3; /* windows that overlap, and end outside the image */
    check_pool(AG_FLOAT64, &large, false);
}
END_TEST

/* ---- functions of one float ------------------------------------------------------------------ */

static double units(float y, double truth)
{
    int exponent;
    frexp(truth, &exponent);
    return fabs((double)y - truth) / ldexp(1, exponent - 24);
}

static void note_worst(double *worst, double now)
{
    *worst = now > *worst ? now : *worst;
}

/* Every 997th float from 2^-20 to 16, both signs, against libm's double functions. */
START_TEST(functions_are_as_exact_as_they_say)
{
    double exp_ = 0, tanh_ = 0, erf_ = 0, area = 0, gelu = 0, slope = 0;
    for (uint32_t bits = k_bits_of_float(0x1p-20f); bits < k_bits_of_float(16); bits += 997) {
        for (int sign = 0; sign < 2; sign++) {
            float f = sign ? -k_float_of_bits(bits) : k_float_of_bits(bits), density;
            double x = f, phi = exp(-0.5 * x * x) / sqrt(2 * acos(-1.0)), Phi = 0.5 * erfc(-x * sqrt(0.5));
            note_worst(&exp_, units(k_exp_f32(f), exp(x)));
            if (x <= 0) {
                note_worst(&exp_, units(k_exp_falling_f32(4 * f), exp(4 * x)));
            }
            note_worst(&tanh_, units(k_tanh_f32(f), tanh(x)));
            note_worst(&erf_, units(k_erf_f32(f), erf(x)));
            if (fabs(x) < 8) {
                note_worst(&area, fabs((double)k_normal_area_f32(f, &density) - Phi) / Phi);
                note_worst(&area, fabs((double)density - phi) / phi);
                note_worst(&gelu, fabs((double)k_gelu_f32(f) - x * Phi) / fabs(x * Phi));
            }
            note_worst(&slope, fabs((double)k_gelu_slope_f32(f) - (Phi + x * phi)));
        }
    }
    CHECK(exp_ < 1.5 && tanh_ < 3 && erf_ < 2.5, "units in the last place: exp %g, tanh %g, erf %g", exp_, tanh_, erf_);
    CHECK(area < 3e-6 && gelu < 3e-6 && slope < 5e-7, "relative: area %g, gelu %g; absolute: slope of gelu %g", area, gelu, slope);
    CHECK(k_erf_f32(INFINITY) == 1 && k_erf_f32(-INFINITY) == -1 && isnan(k_erf_f32(NAN)) && isnan(k_gelu_f32(NAN)),
          "infinities and NaN");
    CHECK(k_gelu_f32(INFINITY) == INFINITY && k_gelu_slope_f32(1e37f) == 1 && k_gelu_slope_f32(-1e37f) == 0 && k_gelu_f32(-13) == 0 &&
              k_gelu_f32(-12.9f) < 0,
          "gelu far out");
    float odd = k_float_of_bits(0x7fc12345);
    CHECK(isnan(k_exp_falling_f32(odd)) && isnan(k_exp_falling_f32(-odd)) && isnan(k_tanh_f32(odd)), "NaN of any bits");
    CHECK(signbit(k_tanh_f32(-0.0f)) && signbit(k_erf_f32(-0.0f)) && signbit(k_gelu_f32(-0.0f)), "-0 of what keeps the sign");
    CHECK(k_exp_falling_f32(-INFINITY) == 0 && k_exp_falling_f32(-87) == 0 && k_exp_falling_f32(-0.0f) == 1 &&
              k_exp_falling_f32(-86.6f) > 0x1p-126f,
          "the end of the range");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernels");
    TCase *tests = tcase_create("kernels");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, products_with_sums_match_the_definition, 0, TILES);
    tcase_add_loop_test(tests, long_products_match_the_definition, 0, TILES);
    tcase_add_loop_test(tests, products_together_match_the_definition, 0, TILES);
    tcase_add_loop_test(tests, products_match_the_definition, 0, TILES);
    tcase_add_test(tests, products_scale_the_old_values);
    tcase_add_loop_test(tests, convolutions_match_the_definition, 0, TILES);
    tcase_add_loop_test(tests, convolutions_of_every_size_class, 0, TILES);
    tcase_add_test(tests, pooling_matches_the_definition);
    tcase_add_test(tests, functions_are_as_exact_as_they_say);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
