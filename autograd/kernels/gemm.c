/*
 * Matrix products. Three ways: plain loops for vectors and tiny products, our register tile where the processor has
 * AVX-512 (BLIS's kernels for it are slower on the shapes of training), and BLIS for the rest. The only file that knows
 * BLIS; must not know tensors.
 *
 * Note [Products and threads]: a product is cut into stripes of rows or columns that do not depend on the number of
 * threads. Within a stripe each element of C is summed over k in one order, so any number of threads gives the same bits.
 */
/* blis.h speaks of POSIX barriers. */
#if !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L
#endif

#include <omp.h>
#include <string.h>

#include <blis.h>

#include "autograd/kernels/kernels.h"
#include "autograd/kernels/tile.h"

/* Below so many multiply-adds a second thread costs more than it brings. */
#define WORTH_THREADS 250000
/* Sizes of a block of the tile's product: B's packed panel (DEPTH x width) lives in L1, A's rows in L2. */
#define DEPTH 192
#define HEIGHT 256
#define WIDEST 64

static int threads_for(int threads, int64_t work)
{
    return threads < 2 || work < WORTH_THREADS || omp_in_parallel() ? 1 : threads;
}

static inline bool mul_small(int64_t m, int64_t n, int64_t k, int64_t limit)
{
    return m * n <= limit && m * n * k <= limit;
}

/* ---- plain loops ---------------------------------------------------------------------------------------------------- */

#define GEMM_PLAIN(T, name)                                                                                                \
    /* One element after the other, any strides. */                                                                       \
    static void tiny_##name(int64_t m, int64_t n, int64_t k, const T *a, int64_t ars, int64_t acs, const T *b,             \
                            int64_t brs, int64_t bcs, T beta, T *c, int64_t crs, int64_t ccs)                              \
    {                                                                                                                      \
        for (int64_t i = 0; i < m; i++) {                                                                                  \
            for (int64_t j = 0; j < n; j++) {                                                                              \
                T sum = 0;                                                                                                 \
                for (int64_t l = 0; l < k; l++) {                                                                          \
                    sum += a[i * ars + l * acs] * b[l * brs + j * bcs];                                                    \
                }                                                                                                          \
                T *to = c + i * crs + j * ccs;                                                                             \
                *to = beta == 0 ? sum : beta * *to + sum;                                                                  \
            }                                                                                                              \
        }                                                                                                                  \
    }                                                                                                                      \
                                                                                                                           \
    /* C = beta C. */                                                                                                     \
    static void scale_##name(int64_t m, int64_t n, T beta, T *c, int64_t crs, int64_t ccs)                                 \
    {                                                                                                                      \
        for (int64_t i = 0; i < m && beta != 1; i++) {                                                                     \
            for (int64_t j = 0; j < n; j++) {                                                                              \
                T *to = c + i * crs + j * ccs;                                                                             \
                *to = beta == 0 ? 0 : beta * *to;                                                                          \
            }                                                                                                              \
        }                                                                                                                  \
    }                                                                                                                      \
                                                                                                                           \
    /* y[j] = beta y[j] + sum of x[l] b[l brs + j], j < n: rows of B are added up, four at a time. */                      \
    AG_MULTIVERSION static void rows_##name(int64_t n, int64_t k, const T *restrict x, int64_t xs, const T *restrict b,    \
                                            int64_t brs, T beta, T *restrict y)                                            \
    {                                                                                                                      \
        for (int64_t j = 0; j < n && beta != 1; j++) {                                                                     \
            y[j] = beta == 0 ? 0 : beta * y[j];                                                                            \
        }                                                                                                                  \
        int64_t l = 0;                                                                                                     \
        for (; l + 4 <= k; l += 4) {                                                                                       \
            T x0 = x[l * xs], x1 = x[(l + 1) * xs], x2 = x[(l + 2) * xs], x3 = x[(l + 3) * xs];                            \
            const T *b0 = b + l * brs, *b1 = b0 + brs, *b2 = b1 + brs, *b3 = b2 + brs;                                     \
            for (int64_t j = 0; j < n; j++) {                                                                              \
                y[j] += (x0 * b0[j] + x1 * b1[j]) + (x2 * b2[j] + x3 * b3[j]);                                             \
            }                                                                                                              \
        }                                                                                                                  \
        for (; l < k; l++) {                                                                                               \
            for (int64_t j = 0; j < n; j++) {                                                                              \
                y[j] += x[l * xs] * b[l * brs + j];                                                                        \
            }                                                                                                              \
        }                                                                                                                  \
    }                                                                                                                      \
                                                                                                                           \
    /* y[j ys] = beta y[j ys] + sum of x[l] b[j bcs + l], j < n: one dot product a column, in sixteen partial sums. */     \
    AG_MULTIVERSION static void dots_##name(int64_t n, int64_t k, const T *restrict x, const T *restrict b, int64_t bcs,   \
                                            T beta, T *restrict y, int64_t ys)                                             \
    {                                                                                                                      \
        for (int64_t j = 0; j < n; j++) {                                                                                  \
            const T *column = b + j * bcs;                                                                                 \
            T sum[32] = {0}, rest = 0;                                                                                     \
            int64_t l = 0;                                                                                                 \
            for (; l + 32 <= k; l += 32) {                                                                                 \
                for (int q = 0; q < 32; q++) {                                                                             \
                    sum[q] += x[l + q] * column[l + q];                                                                    \
                }                                                                                                          \
            }                                                                                                              \
            for (; l < k; l++) {                                                                                           \
                rest += x[l] * column[l];                                                                                  \
            }                                                                                                              \
            for (int half = 16; half > 0; half /= 2) {                                                                     \
                for (int q = 0; q < half; q++) {                                                                           \
                    sum[q] += sum[q + half];                                                                               \
                }                                                                                                          \
            }                                                                                                              \
            T *to = y + j * ys;                                                                                            \
            *to = (beta == 0 ? 0 : beta * *to) + (sum[0] + rest);                                                          \
        }                                                                                                                  \
    }                                                                                                                      \
                                                                                                                           \
    /* One row of C; true if it knew how. Stripes of columns are shared among the threads. */                             \
    static bool vector_##name(int threads, int64_t n, int64_t k, const T *x, int64_t xs, const T *b, int64_t brs,          \
                              int64_t bcs, T beta, T *y, int64_t ys)                                                       \
    {                                                                                                                      \
        bool by_rows = bcs == 1 && ys == 1, by_columns = brs == 1 && xs == 1;                                              \
        if (!by_rows && !by_columns) {                                                                                     \
            return false;                                                                                                  \
        }                                                                                                                  \
        int64_t stripe = by_rows ? 1024 : 64, stripes = (n + stripe - 1) / stripe;                                         \
        int team = threads_for(threads, n * k);                                                                            \
        _Pragma("omp parallel for schedule(static) num_threads(team) if (team > 1)")                                       \
        for (int64_t s = 0; s < stripes; s++) {                                                                            \
            int64_t j = s * stripe, now = n - j < stripe ? n - j : stripe;                                                 \
            if (by_rows) {                                                                                                 \
                rows_##name(now, k, x, xs, b + j, brs, beta, y + j);                                                       \
            } else {                                                                                                       \
                dots_##name(now, k, x, b + j * bcs, bcs, beta, y + j * ys, ys);                                            \
            }                                                                                                              \
        }                                                                                                                  \
        return true;                                                                                                       \
    }

GEMM_PLAIN(float, f32)
GEMM_PLAIN(double, f64)

/* ---- the register tile ---------------------------------------------------------------------------------------------- */

typedef struct product {
    ag_dtype dtype;
    size_t size;
    int64_t m, n, k;
    const char *a, *b;
    char *c;
    int64_t ars, acs, brs, bcs, crs;
    bool accumulate;
} product;

/* B's rows l0 … l0 + depth in the panel's columns, packed; `from` points at the panel's first column. */
static void pack_panel(const k_tile_kernel *kernel, const product *p, const char *from, int64_t depth, k_panel panel, void *to)
{
    if (p->brs == 1) {
        kernel->transpose(depth, panel.n, from, p->bcs, to, panel.width);
        return;
    }
    for (int64_t l = 0; l < depth; l++) {
        char *row = (char *)to + (size_t)(l * panel.width) * p->size;
        const char *source = from + (size_t)(l * p->brs) * p->size;
        if (p->bcs == 1) {
            memcpy(row, source, (size_t)panel.n * p->size);
        } else {
            for (int64_t j = 0; j < panel.n; j++) {
                memcpy(row + (size_t)j * p->size, source + (size_t)(j * p->bcs) * p->size, p->size);
            }
        }
        memset(row + (size_t)panel.n * p->size, 0, (size_t)(panel.width - panel.n) * p->size);
    }
}

/* Rows [i0, i1) of panels [j0, j1). */
static void tile_block(const k_tile_kernel *kernel, const product *p, int64_t i0, int64_t i1, int64_t j0, int64_t j1)
{
    _Alignas(64) char packed[DEPTH * WIDEST * sizeof(float)];
    const void *a[HEIGHT];
    void *c[HEIGHT];
    int64_t step[DEPTH];
    int64_t most = DEPTH * (int64_t)sizeof(float) / (int64_t)p->size;
    for (int64_t l = 0; l < most; l++) {
        step[l] = l * p->acs;
    }
    for (int64_t i = i0; i < i1; i += HEIGHT) {
        int64_t rows = i1 - i < HEIGHT ? i1 - i : HEIGHT;
        for (int64_t r = 0; r < rows; r++) {
            a[r] = p->a + (size_t)((i + r) * p->ars) * p->size;
            c[r] = p->c + (size_t)((i + r) * p->crs) * p->size;
        }
        for (int64_t j = j0; j < j1; j++) {
            k_panel panel = k_panel_at(kernel, p->n, j);
            for (int64_t l = 0; l < p->k; l += most) {
                int64_t depth = p->k - l < most ? p->k - l : most;
                const char *b = p->b + (size_t)(l * p->brs + panel.start * p->bcs) * p->size;
                k_tile t = {
                    .m = rows, .n = panel.n, .k = depth, .a = a, .a_offset = l * p->acs, .step = step,
                    .b = b, .ldb = p->brs, .c = c, .c_offset = panel.start, .accumulate = l > 0 || p->accumulate,
                };
                if (p->bcs != 1 || panel.n != panel.width || rows > 2 * kernel->rows) {
                    pack_panel(kernel, p, b, depth, panel, packed);
                    t.b = packed;
                    t.ldb = panel.width;
                }
                kernel->run(&t);
            }
        }
    }
}

/* C's rows are contiguous. The grid of stripes depends on the shape alone. */
static void tile_product(const k_tile_kernel *kernel, int threads, const product *p)
{
    int team = threads_for(threads, p->m * p->n * p->k);
    if (team == 1) {
        tile_block(kernel, p, 0, p->m, 0, k_panel_count(kernel, p->n));
        return;
    }
    int64_t panels = k_panel_count(kernel, p->n), across = panels < 8 ? panels : 8;
    int64_t down = 16 / across, tall = (p->m + 31) / 32;
    down = down > tall ? tall : down;
    _Pragma("omp parallel for schedule(dynamic) num_threads(team)")
    for (int64_t task = 0; task < across * down; task++) {
        int64_t i = task / across, j = task % across;
        int64_t rows = p->m;
        tile_block(kernel, p, rows * i / down / 8 * 8, i + 1 == down ? rows : rows * (i + 1) / down / 8 * 8,
                   panels * j / across, panels * (j + 1) / across);
    }
}

/* ---- BLIS ----------------------------------------------------------------------------------------------------------- */

/* Note [BLIS and threads]: the column stripes are ours, each one a call with one thread, because BLIS would cut by the
 * number of threads, and edges take other kernels that round differently. */
#define GEMM_BLIS(T, name, call)                                                                                           \
    static void blis_##name(int threads, int64_t m, int64_t n, int64_t k, const T *a, int64_t ars, int64_t acs,            \
                            const T *b, int64_t brs, int64_t bcs, T beta, T *c, int64_t crs, int64_t ccs)                  \
    {                                                                                                                      \
        bool by_rows = m > n;                                                                                              \
        int64_t extent = by_rows ? m : n, stripe = (extent + 3) / 4;                                                       \
        stripe = (stripe + 47) / 48 * 48;                                                                                  \
        if (m * n * k < WORTH_THREADS) {                                                                                   \
            stripe = extent;                                                                                               \
        }                                                                                                                  \
        int64_t stripes = (extent + stripe - 1) / stripe;                                                                  \
        int team = stripes < 2 ? 1 : threads_for(threads, m * n * k);                                                      \
        _Pragma("omp parallel for schedule(dynamic) num_threads(team) if (team > 1)")                                      \
        for (int64_t s = 0; s < stripes; s++) {                                                                            \
            int64_t at = s * stripe, now = extent - at < stripe ? extent - at : stripe;                                    \
            rntm_t rntm;                                                                                                   \
            bli_rntm_init(&rntm);                                                                                          \
            bli_rntm_set_num_threads(1, &rntm);                                                                            \
            T one = 1, factor = beta;                                                                                      \
            if (by_rows) {                                                                                                 \
                call(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, now, n, k, &one, (T *)(uintptr_t)(a + at * ars), ars, acs,       \
                     (T *)(uintptr_t)b, brs, bcs, &factor, c + at * crs, crs, ccs, NULL, &rntm);                           \
            } else {                                                                                                       \
                call(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, m, now, k, &one, (T *)(uintptr_t)a, ars, acs,                   \
                     (T *)(uintptr_t)(b + at * bcs), brs, bcs, &factor, c + at * ccs, crs, ccs, NULL, &rntm);              \
            }                                                                                                              \
        }                                                                                                                  \
    }

GEMM_BLIS(float, f32, bli_sgemm_ex)
GEMM_BLIS(double, f64, bli_dgemm_ex)

/* ---- the choice ----------------------------------------------------------------------------------------------------- */

/* BLIS has good AVX2 kernels of its own; its AVX-512 ones lose to the tile. */
static inline bool tile_is_best(const k_tile_kernel *kernel, size_t size)
{
    return (size_t)kernel->lanes * size == 64;
}

#define GEMM(T, name, type)                                                                                                \
    void k_gemm_##name(int threads, int64_t m, int64_t n, int64_t k, const T *a, int64_t ars, int64_t acs, const T *b,     \
                       int64_t brs, int64_t bcs, T beta, T *c, int64_t crs, int64_t ccs)                                   \
    {                                                                                                                      \
        if (m <= 0 || n <= 0) {                                                                                            \
            return;                                                                                                        \
        }                                                                                                                  \
        if (k <= 0) {                                                                                                      \
            scale_##name(m, n, beta, c, crs, ccs);                                                                         \
            return;                                                                                                        \
        }                                                                                                                  \
        /* The stride of a dimension of length 1 means nothing; 1 opens the fast ways. */                                 \
        acs = k == 1 ? 1 : acs;                                                                                            \
        ccs = n == 1 ? 1 : ccs;                                                                                            \
        bcs = n == 1 ? 1 : bcs;                                                                                            \
        if (mul_small(m, n, k, 64)) {                                                                                      \
            tiny_##name(m, n, k, a, ars, acs, b, brs, bcs, beta, c, crs, ccs);                                             \
            return;                                                                                                        \
        }                                                                                                                  \
        if (m == 1 && vector_##name(threads, n, k, a, acs, b, brs, bcs, beta, c, ccs)) {                                   \
            return;                                                                                                        \
        }                                                                                                                  \
        if (n == 1 && vector_##name(threads, m, k, b, brs, a, acs, ars, beta, c, crs)) {                                   \
            return;                                                                                                        \
        }                                                                                                                  \
        const k_tile_kernel *kernel = k_tile_for(type);                                                                    \
        bool whole = ccs == 1 || crs == 1;                                                                                 \
        if (whole && (beta == 0 || beta == 1) && (tile_is_best(kernel, sizeof(T)) || mul_small(m, n, k, 16 * 16 * 16))) {  \
            product p = {type, sizeof(T), m, n, k, (const char *)a, (const char *)b, (char *)c, ars, acs, brs, bcs, crs,   \
                         beta == 1};                                                                                       \
            if (ccs != 1) { /* C^T = B^T A^T */                                                                            \
                p = (product){type, sizeof(T), n, m, k, (const char *)b, (const char *)a, (char *)c, bcs, brs, acs, ars,   \
                              ccs, beta == 1};                                                                             \
            }                                                                                                              \
            tile_product(kernel, threads, &p);                                                                             \
            return;                                                                                                        \
        }                                                                                                                  \
        blis_##name(threads, m, n, k, a, ars, acs, b, brs, bcs, beta, c, crs, ccs);                                        \
    }

GEMM(float, f32, AG_FLOAT32)
GEMM(double, f64, AG_FLOAT64)

void k_gemm(ag_dtype dtype, int threads, int64_t m, int64_t n, int64_t k, const void *a, int64_t ars, int64_t acs,
            const void *b, int64_t brs, int64_t bcs, bool accumulate, void *c, int64_t crs, int64_t ccs)
{
    if (dtype == AG_FLOAT64) {
        k_gemm_f64(threads, m, n, k, a, ars, acs, b, brs, bcs, accumulate, c, crs, ccs);
    } else {
        k_gemm_f32(threads, m, n, k, a, ars, acs, b, brs, bcs, accumulate, c, crs, ccs);
    }
}

const char *k_gemm_arch(void)
{
    const k_tile_kernel *kernel = k_tile_for(AG_FLOAT32);
    return tile_is_best(kernel, sizeof(float)) ? kernel->name : bli_arch_string(bli_arch_query_id());
}
