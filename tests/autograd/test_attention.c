/*
 * The kernel of attention against plain loops in float64: sizes on both sides of its blocks and strips, every way its numbers may
 * lie, both element types and every register tile; the same bits for any number of threads; nothing written beside results and
 * working memory.
 */
#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/kernels/attention.h"
#include "autograd/kernels/tile.h"

enum { ROUNDS = 40, SLICES = 6, SLACK = 64 };

#define LARGE 100000 /* products of numbers in a slice */

static const char *const tiles[] = { "avx512", "avx2", "plain" };
enum { TILES = sizeof(tiles) / sizeof(tiles[0]) };

static uint64_t state;

static int64_t pick(int64_t low, int64_t high)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return low + (int64_t)((state >> 33) % (uint64_t)(high - low + 1));
}

/* Small ones, and what lies about a vector, a strip, a block and the depth of a product. */
static int64_t pick_size(void)
{
    static const int64_t sizes[] = { 0, 1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 48, 63, 64, 65, 80, 127, 128, 129, 145 };
    return pick(0, 3) == 0 ? pick(1, 40) : sizes[pick(0, (int64_t)(sizeof(sizes) / sizeof(sizes[0])) - 1)];
}

/* ---- matrices ------------------------------------------------------------------------------------------------------------ */

/* Rows and columns of each slice, somewhere in `elements` elements; all bytes that are none of theirs are 0xff. */
struct matrix {
    k_matrix m;
    ag_dtype dtype;
    int64_t offset[SLICES], slices, rows, columns, elements;
};

static size_t bytes_of(const struct matrix *a)
{
    return (size_t)a->elements * ag_dtype_size(a->dtype);
}

static int64_t place(const struct matrix *a, int64_t slice, int64_t row, int64_t column)
{
    return a->offset[slice] + row * a->m.rs + column * a->m.cs;
}

static double get(const struct matrix *a, int64_t slice, int64_t row, int64_t column)
{
    const int64_t at = place(a, slice, row, column);
    return a->dtype == AG_FLOAT64   ? ((const double *)a->m.data)[at]
           : a->dtype == AG_FLOAT32 ? (double)((const float *)a->m.data)[at]
                                    : ((const uint8_t *)a->m.data)[at];
}

static void set(struct matrix *a, int64_t slice, int64_t row, int64_t column, double x)
{
    const int64_t at = place(a, slice, row, column);
    if (a->dtype == AG_FLOAT64) {
        ((double *)a->m.data)[at] = x;
    } else if (a->dtype == AG_FLOAT32) {
        ((float *)a->m.data)[at] = (float)x;
    } else {
        ((uint8_t *)a->m.data)[at] = (uint8_t)x;
    }
}

/* `spread` false: slices, rows or columns may be one and the same. */
static void matrix_new(struct matrix *a, ag_dtype dtype, int64_t slices, int64_t rows, int64_t columns, bool spread)
{
    *a = (struct matrix){ .dtype = dtype, .slices = slices, .rows = rows, .columns = columns };
    int64_t gap = pick(0, 1) * pick(1, 3), slice = 0;
    switch (pick(0, 3)) {
    case 0: /* heads side by side */
        slice = columns + gap;
        a->m.rs = slices * slice;
        a->m.cs = 1;
        break;
    case 1: /* turned */
        a->m.rs = 1;
        a->m.cs = rows + gap;
        slice = columns * a->m.cs;
        break;
    case 2:
        a->m.cs = pick(2, 3);
        a->m.rs = columns * a->m.cs + gap;
        slice = rows * a->m.rs;
        break;
    default:
        a->m.cs = 1;
        a->m.rs = columns + gap;
        slice = rows * a->m.rs + gap;
    }
    if (!spread) {
        a->m.rs *= pick(0, 1);
        a->m.cs *= pick(0, 1);
        slice *= pick(0, 1);
    }
    const int64_t start = pick(0, 3), turn = pick(0, slices - 1);
    for (int64_t i = 0; i < slices; i++) {
        a->offset[i] = start + (i + turn) % slices * slice;
        if (rows > 0 && columns > 0 && place(a, i, rows - 1, columns - 1) >= a->elements) {
            a->elements = place(a, i, rows - 1, columns - 1) + 1;
        }
    }
    a->m.data = aligned_alloc(64, (bytes_of(a) + SLACK + 63) / 64 * 64);
    ck_assert_ptr_nonnull(a->m.data);
    memset(a->m.data, 0xff, bytes_of(a) + SLACK);
}

/* The matrix with offsets where it lies now. */
static k_matrix as_given(const struct matrix *a)
{
    k_matrix m = a->m;
    m.offset = a->offset;
    return m;
}

static void fill(struct matrix *a, double size)
{
    for (int64_t i = 0; i < a->slices * a->rows * a->columns; i++) {
        const int64_t slice = i / (a->rows * a->columns), row = i / a->columns % a->rows;
        double x = a->dtype == AG_UINT8 ? (double)pick(0, 3) * (double)pick(0, 80) : size * (double)pick(-16, 16) / 16;
        set(a, slice, row, i % a->columns, x);
    }
}

/* A few numbers become what is none. */
static void spoil(struct matrix *a)
{
    const double odd[] = { NAN, INFINITY, -INFINITY };
    for (int64_t i = a->rows > 0 && a->columns > 0 ? pick(0, 2) : 0; i > 0; i--) {
        set(a, pick(0, a->slices - 1), pick(0, a->rows - 1), pick(0, a->columns - 1), odd[pick(0, 2)]);
    }
}

/* Once the elements are 0xff as well, all is, if nothing else was written. */
static void check_and_free(struct matrix *a, const char *what)
{
    for (int64_t i = 0; i < a->slices * a->rows * a->columns; i++) {
        memset(a->m.data + (size_t)place(a, i / (a->rows * a->columns), i / a->columns % a->rows, i % a->columns) *
                               ag_dtype_size(a->dtype),
               0xff, ag_dtype_size(a->dtype));
    }
    for (size_t i = 0; i < bytes_of(a) + SLACK; i++) {
        if ((unsigned char)a->m.data[i] != 0xff) {
            ck_abort_msg("%s: byte %zu of %zu, beside the elements, was written", what, i, bytes_of(a));
        }
    }
    free(a->m.data);
}

/* ---- the definition ------------------------------------------------------------------------------------------------------ */

enum { Q, K, V, MASK, DY, Y, DQ, DK, DV, MATRICES };

struct problem {
    k_attention p;
    ag_dtype dtype;
    struct matrix m[MATRICES];
    bool has[MATRICES];
    double *want[MATRICES]; /* of results, (slices,rows,columns) */
};

static double *wanted(const struct problem *t, int which, int64_t slice, int64_t row)
{
    const struct matrix *a = &t->m[which];
    return t->want[which] + (slice * a->rows + row) * a->columns;
}

static double dot(const struct matrix *a, int64_t i, const struct matrix *b, int64_t j, int64_t slice)
{
    double sum = 0;
    for (int64_t k = 0; k < a->columns; k++) {
        sum += get(a, slice, i, k) * get(b, slice, j, k);
    }
    return sum;
}

/* The shares of query i, and with them all that it gives. */
static void define_query(const struct problem *t, int64_t slice, int64_t i, double *w, double *dw)
{
    const k_attention *p = &t->p;
    double most = -INFINITY, sum = 0, mean = 0;
    for (int64_t j = 0; j < p->s; j++) {
        w[j] = p->scale * dot(&t->m[Q], i, &t->m[K], j, slice);
        double mask = t->has[MASK] ? get(&t->m[MASK], slice, i, j) : 0;
        w[j] += !p->mask_bytes ? mask : mask != 0 ? 0 : -INFINITY;
        w[j] = p->causal && j > i + p->shift ? -INFINITY : w[j];
        most = fmax(most, w[j]);
    }
    for (int64_t j = 0; j < p->s; j++) {
        w[j] = exp(w[j] - most);
        sum += w[j];
    }
    for (int64_t j = 0; j < p->s; j++) {
        w[j] /= sum;
        dw[j] = dot(&t->m[DY], i, &t->m[V], j, slice);
        mean += w[j] * dw[j];
    }
    for (int64_t j = 0; j < p->s; j++) {
        const double ds = w[j] * (dw[j] - mean) * p->scale;
        for (int64_t k = 0; k < p->ev; k++) {
            wanted(t, Y, slice, i)[k] += w[j] * get(&t->m[V], slice, j, k);
            wanted(t, DV, slice, j)[k] += w[j] * get(&t->m[DY], slice, i, k);
        }
        for (int64_t k = 0; k < p->e; k++) {
            wanted(t, DQ, slice, i)[k] += ds * get(&t->m[K], slice, j, k);
            wanted(t, DK, slice, j)[k] += ds * get(&t->m[Q], slice, i, k);
        }
    }
}

static void define(struct problem *t)
{
    double *w = malloc((size_t)(2 * t->p.s + 1) * sizeof(double));
    for (int i = Y; i < MATRICES; i++) {
        t->want[i] = calloc((size_t)(t->m[i].slices * t->m[i].rows * t->m[i].columns + 1), sizeof(double));
    }
    for (int64_t i = 0; i < t->p.slices * t->p.l; i++) {
        define_query(t, i / t->p.l, i % t->p.l, w, w + t->p.s);
    }
    free(w);
}

/* ---- comparison ---------------------------------------------------------------------------------------------------------- */

static void say(const struct problem *t, char *text, size_t size)
{
    const k_attention *p = &t->p;
    snprintf(text, size, "%s of %lld slices, l %lld, s %lld, e %lld, ev %lld, scale %g, %s %lld, mask %d%s",
             t->dtype == AG_FLOAT32 ? "float32" : "float64", (long long)p->slices, (long long)p->l, (long long)p->s,
             (long long)p->e, (long long)p->ev, p->scale, p->causal ? "causal" : "all", (long long)p->shift, t->has[MASK],
             p->mask_bytes ? " of bytes" : "");
}

static void check(const struct problem *t, int which, const char *name)
{
    const struct matrix *a = &t->m[which];
    const double tolerance = t->dtype == AG_FLOAT64 ? 1e-12 : 3e-5;
    char text[256];
    for (int64_t i = 0; i < a->slices * a->rows * a->columns; i++) {
        const int64_t slice = i / (a->rows * a->columns), row = i / a->columns % a->rows, column = i % a->columns;
        double got = get(a, slice, row, column), want = t->want[which][i];
        if (isnan(want) ? !isnan(got) : !(fabs(got - want) <= tolerance * (1 + fabs(want)) || got == want)) {
            say(t, text, sizeof(text));
            ck_abort_msg("%s: %s [%lld][%lld][%lld] is %.9g, expected %.9g", text, name, (long long)slice, (long long)row,
                         (long long)column, got, want);
        }
    }
}

/* Working memory of just the size that is asked for. */
static void run(const struct problem *t, int threads, bool back)
{
    size_t bytes = k_attention_bytes(t->dtype, threads, &t->p, back);
    char *work = aligned_alloc(64, (bytes + SLACK + 63) / 64 * 64);
    ck_assert_ptr_nonnull(work);
    memset(work, 0xff, bytes + SLACK);
    (back ? k_attention_back : k_attention_forward)(t->dtype, threads, &t->p, work);
    for (size_t i = bytes; i < bytes + SLACK; i++) {
        if ((unsigned char)work[i] != 0xff) {
            ck_abort_msg("byte %zu of the working memory, of %zu, was written", i, bytes);
        }
    }
    free(work);
}

static const struct {
    int which;
    const char *name;
} results[] = { { Y, "y" }, { DQ, "dq" }, { DK, "dk" }, { DV, "dv" } };
enum { RESULTS = sizeof(results) / sizeof(results[0]) };

static void problem_new(struct problem *t, ag_dtype dtype, bool odd)
{
    static const int64_t shifts[] = { 0, 0, 1, 5, 16, 100 };
    const int64_t l = pick_size(), s = pick_size(), e = pick_size(), ev = pick_size();
    const int64_t slices = pick(1, l * s * (e + ev) > LARGE ? 2 : SLICES);
    const int64_t rows[MATRICES] = { l, s, s, l, l, l, l, s, s }, columns[MATRICES] = { e, e, ev, s, ev, ev, e, e, ev };
    *t = (struct problem){ .dtype = dtype, .p = { .slices = slices, .l = l, .s = s, .e = e, .ev = ev } };
    t->p.causal = pick(0, 1);
    t->p.shift = shifts[pick(0, 5)];
    t->p.scale = (double)pick(-1, 4) / sqrt((double)e + 1);
    const int64_t mask = odd && t->p.causal ? pick(1, 2) : pick(0, 2); /* what is left out is not spoiled */
    t->p.mask_bytes = mask == 2;
    for (int i = 0; i < MATRICES; i++) {
        t->has[i] = i == MASK ? mask > 0 : i < DQ || pick(0, 3) > 0;
        matrix_new(&t->m[i], i == MASK && mask == 2 ? AG_UINT8 : dtype, slices, rows[i], columns[i], i != MASK);
        if (i <= DY) {
            fill(&t->m[i], i == MASK ? 3 : 1);
        }
        if (odd && i <= DY && t->m[i].dtype == dtype && pick(0, 2) == 0) {
            spoil(&t->m[i]);
        }
    }
    k_matrix *const given[MATRICES] = { &t->p.q,  &t->p.k, &t->p.v,  &t->p.mask, &t->p.dy,
                                        &t->p.y, &t->p.dq, &t->p.dk, &t->p.dv };
    for (int i = 0; i < MATRICES; i++) {
        *given[i] = t->has[i] ? as_given(&t->m[i]) : (k_matrix){ .data = NULL };
    }
    define(t);
}

static void problem_free(struct problem *t)
{
    static const char *const names[MATRICES] = { "q", "k", "v", "mask", "dy", "y", "dq", "dk", "dv" };
    for (int i = 0; i < MATRICES; i++) {
        check_and_free(&t->m[i], names[i]);
        free(t->want[i]);
    }
}

/* With one thread and with several. */
static void solve(struct problem *t)
{
    char *first[RESULTS];
    for (int pass = 0; pass < 2; pass++) {
        const int threads = pass == 0 ? 1 : (int)pick(2, 16);
        for (int i = 0; i < RESULTS; i++) {
            struct matrix *a = &t->m[results[i].which];
            memset(a->m.data, 0xff, bytes_of(a));
        }
        run(t, threads, false);
        run(t, threads, true);
        for (int i = 0; i < RESULTS; i++) {
            const int which = results[i].which;
            const struct matrix *a = &t->m[which];
            if (pass == 0) {
                first[i] = malloc(bytes_of(a) + 1);
                memcpy(first[i], a->m.data, bytes_of(a));
                if (t->has[which] && (which == Y || t->p.l > 0)) {
                    check(t, which, results[i].name);
                }
            } else {
                ck_assert_msg(memcmp(first[i], a->m.data, bytes_of(a)) == 0, "%s: other bits with %d threads", results[i].name,
                              threads);
                free(first[i]);
            }
        }
    }
}

static bool choose(int tile)
{
    return k_tile_choose(tiles[tile]); /* else this processor has none of that name */
}

START_TEST(attention_matches_the_definition)
{
    state = (uint64_t)_i + 1;
    for (int round = 0; choose(_i) && round < ROUNDS; round++) {
        struct problem t;
        problem_new(&t, round % 2 == 0 ? AG_FLOAT32 : AG_FLOAT64, false);
        solve(&t);
        problem_free(&t);
    }
}
END_TEST

/* NaN and infinities, also where a mask hides them, reach what they reach in the definition: a mask is added. */
START_TEST(what_is_no_number_goes_where_the_definition_sends_it)
{
    state = (uint64_t)_i + 100;
    for (int round = 0; choose(_i) && round < ROUNDS / 2; round++) {
        struct problem t;
        problem_new(&t, round % 2 == 0 ? AG_FLOAT32 : AG_FLOAT64, true);
        solve(&t);
        problem_free(&t);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("attention");
    TCase *tests = tcase_create("attention");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, attention_matches_the_definition, 0, TILES);
    tcase_add_loop_test(tests, what_is_no_number_goes_where_the_definition_sends_it, 0, TILES);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
