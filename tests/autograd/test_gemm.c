/*
 * Matrix products against plain loops in float64, in both element types and with every register tile this processor runs; the same
 * bits for any number of threads; nothing written beside the results.
 */
#include "kernels.h"

enum {
    MANY = 9 /* threads: more than panels */
};

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

int main(void)
{
    Suite *suite = suite_create("gemm");
    TCase *tests = tcase_create("gemm");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, products_with_sums_match_the_definition, 0, TILES);
    tcase_add_loop_test(tests, long_products_match_the_definition, 0, TILES);
    tcase_add_loop_test(tests, products_together_match_the_definition, 0, TILES);
    tcase_add_loop_test(tests, products_match_the_definition, 0, TILES);
    tcase_add_test(tests, products_scale_the_old_values);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
