/*
 * Products of one element type; included by gemm.c only, once for each, with GEMM(name) for the
 * names, T for the element, DTYPE for its name and BLIS_GEMM for BLIS's function.
 */

/* ---- plain loops ----------------------------------------------------------------------------- */

/* One element after the other, any strides. */
static void GEMM(tiny)(int64_t m, int64_t n, int64_t k, const T *a, int64_t ars, int64_t acs,
                       const T *b, int64_t brs, int64_t bcs, T beta, T *c, int64_t crs, int64_t ccs)
{
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < n; j++) {
            T sum = 0;
            for (int64_t l = 0; l < k; l++) {
                sum += a[i * ars + l * acs] * b[l * brs + j * bcs];
            }
            T *to = c + i * crs + j * ccs;
            *to = beta == 0 ? sum : beta * *to + sum;
        }
    }
}

/* C = beta C. */
static void GEMM(scale)(int64_t m, int64_t n, T beta, T *c, int64_t crs, int64_t ccs)
{
    for (int64_t i = 0; i < m && beta != 1; i++) {
        for (int64_t j = 0; j < n; j++) {
            T *to = c + i * crs + j * ccs;
            *to = beta == 0 ? 0 : beta * *to;
        }
    }
}

/* y[j] = beta y[j] + sum of x[l] b[l brs + j], j < n: rows of B are added up, four at a time. */
AG_MULTIVERSION static void GEMM(rows)(int64_t n, int64_t k, const T *restrict x, int64_t xs,
                                       const T *restrict b, int64_t brs, T beta, T *restrict y)
{
    for (int64_t j = 0; j < n && beta != 1; j++) {
        y[j] = beta == 0 ? 0 : beta * y[j];
    }
    int64_t l = 0;
    for (; l + 4 <= k; l += 4) {
        T x0 = x[l * xs], x1 = x[(l + 1) * xs], x2 = x[(l + 2) * xs], x3 = x[(l + 3) * xs];
        const T *b0 = b + l * brs, *b1 = b0 + brs, *b2 = b1 + brs, *b3 = b2 + brs;
        for (int64_t j = 0; j < n; j++) {
            y[j] += (x0 * b0[j] + x1 * b1[j]) + (x2 * b2[j] + x3 * b3[j]);
        }
    }
    for (; l < k; l++) {
        for (int64_t j = 0; j < n; j++) {
            y[j] += x[l * xs] * b[l * brs + j];
        }
    }
}

/* y[j ys] = beta y[j ys] + sum of x[l] b[j bcs + l], j < n: one dot product a column, in 32
 * partial sums. */
AG_MULTIVERSION static void GEMM(dots)(int64_t n, int64_t k, const T *restrict x,
                                       const T *restrict b, int64_t bcs, T beta, T *restrict y,
                                       int64_t ys)
{
    for (int64_t j = 0; j < n; j++) {
        const T *column = b + j * bcs;
        T sum[32] = { 0 }, rest = 0;
        int64_t l = 0;
        for (; l + 32 <= k; l += 32) {
            for (int q = 0; q < 32; q++) {
                sum[q] += x[l + q] * column[l + q];
            }
        }
        for (; l < k; l++) {
            rest += x[l] * column[l];
        }
        for (int half = 16; half > 0; half /= 2) {
            for (int q = 0; q < half; q++) {
                sum[q] += sum[q + half];
            }
        }
        T *to = y + j * ys;
        *to = (beta == 0 ? 0 : beta * *to) + (sum[0] + rest);
    }
}

struct GEMM(vector_task) {
    int64_t n, k, stripe;
    const T *x, *b;
    int64_t xs, brs, bcs, ys;
    T beta, *y;
    bool by_rows;
};

static void GEMM(vector_stripe)(const void *task, int64_t s)
{
    const struct GEMM(vector_task) *t = task;
    int64_t j = s * t->stripe, now = t->n - j < t->stripe ? t->n - j : t->stripe;
    if (t->by_rows) {
        GEMM(rows)(now, t->k, t->x, t->xs, t->b + j, t->brs, t->beta, t->y + j);
    } else {
        GEMM(dots)(now, t->k, t->x, t->b + j * t->bcs, t->bcs, t->beta, t->y + j * t->ys, t->ys);
    }
}

/* One row of C; true if it knew how. Stripes of columns are shared among the threads. */
static bool GEMM(vector)(int threads, int64_t n, int64_t k, const T *x, int64_t xs, const T *b,
                         int64_t brs, int64_t bcs, T beta, T *y, int64_t ys)
{
    bool by_rows = bcs == 1 && ys == 1, by_columns = brs == 1 && xs == 1;
    if (!by_rows && !by_columns) {
        return false;
    }
    int64_t stripe = by_rows ? 1024 : 64;
    struct GEMM(vector_task) task = { n, k, stripe, x, b, xs, brs, bcs, ys, beta, y, by_rows };
    ag_parallel(threads_for(threads, n * k), (n + stripe - 1) / stripe, GEMM(vector_stripe), &task);
    return true;
}

/* ---- BLIS ------------------------------------------------------------------------------------ */

/* Note [BLIS and threads]: the column stripes are ours, each one a call with one thread, because
 * BLIS would cut by the number of threads, and edges take other kernels that round differently. */
struct GEMM(blis_task) {
    int64_t m, n, k, stripe;
    bool by_rows;
    const T *a, *b;
    int64_t ars, acs, brs, bcs, crs, ccs;
    T beta, *c;
};

static void GEMM(blis_stripe)(const void *task, int64_t s)
{
    const struct GEMM(blis_task) *t = task;
    int64_t at = s * t->stripe, rest = (t->by_rows ? t->m : t->n) - at, now = rest < t->stripe ? rest : t->stripe;
    rntm_t rntm = BLIS_RNTM_INITIALIZER; /* bli_rntm_init() is another function since BLIS 1.0 */
    bli_rntm_set_num_threads(1, &rntm);
    T one = 1, factor = t->beta;
    T *a = (T *)(uintptr_t)t->a, *b = (T *)(uintptr_t)t->b; /* not written; BLIS 0.9 does not say so */
    if (t->by_rows) {
        BLIS_GEMM(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, now, t->n, t->k, &one, a + at * t->ars, t->ars, t->acs, b, t->brs,
                  t->bcs, &factor, t->c + at * t->crs, t->crs, t->ccs, NULL, &rntm);
    } else {
        BLIS_GEMM(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, t->m, now, t->k, &one, a, t->ars, t->acs, b + at * t->bcs, t->brs,
                  t->bcs, &factor, t->c + at * t->ccs, t->crs, t->ccs, NULL, &rntm);
    }
}

static void GEMM(blis)(int threads, int64_t m, int64_t n, int64_t k, const T *a, int64_t ars,
                       int64_t acs, const T *b, int64_t brs, int64_t bcs, T beta, T *c, int64_t crs,
                       int64_t ccs)
{
    bool by_rows = m > n;
    int64_t extent = by_rows ? m : n, stripe = (extent + 3) / 4;
    stripe = (stripe + 47) / 48 * 48;
    if (m * n * k < WORTH_STRIPES) {
        stripe = extent;
    }
    int64_t stripes = (extent + stripe - 1) / stripe;
    struct GEMM(blis_task) task = { m, n, k, stripe, by_rows, a, b, ars, acs, brs, bcs, crs, ccs, beta, c };
    ag_parallel(threads_for(threads, m * n * k), stripes, GEMM(blis_stripe), &task);
}

/* ---- the choice ------------------------------------------------------------------------------ */

/* For the tile: C's rows are contiguous, and its old numbers are lost. */
static product GEMM(product)(int64_t m, int64_t n, int64_t k, const T *a, int64_t ars, int64_t acs,
                             const T *b, int64_t brs, int64_t bcs, T *c, int64_t crs)
{
    return (product){
        .size = sizeof(T),
        .m = m,
        .n = n,
        .k = k,
        .a = (const char *)a,
        .ars = ars,
        .acs = acs,
        .b = (const char *)b,
        .brs = brs,
        .bcs = bcs,
        .c = (char *)c,
        .crs = crs,
    };
}

void GEMM(k_gemm)(int threads, int64_t m, int64_t n, int64_t k, const T *a, int64_t ars,
                  int64_t acs, const T *b, int64_t brs, int64_t bcs, T beta, T *c, int64_t crs,
                  int64_t ccs)
{
    if (m <= 0 || n <= 0) {
        return;
    }
    if (k <= 0) {
        GEMM(scale)(m, n, beta, c, crs, ccs);
        return;
    }
    /* The stride of a dimension of length 1 means nothing; 1 opens the fast ways. */
    acs = k == 1 ? 1 : acs;
    ccs = n == 1 ? 1 : ccs;
    bcs = n == 1 ? 1 : bcs;
    if (is_small(m, n, k, 64)) {
        GEMM(tiny)(m, n, k, a, ars, acs, b, brs, bcs, beta, c, crs, ccs);
        return;
    }
    if (m == 1 && GEMM(vector)(threads, n, k, a, acs, b, brs, bcs, beta, c, ccs)) {
        return;
    }
    if (n == 1 && GEMM(vector)(threads, m, k, b, brs, a, acs, ars, beta, c, crs)) {
        return;
    }
    const k_tile_kernel *kernel = k_tile_for(DTYPE);
    bool whole = ccs == 1 || crs == 1;
    if (whole && (beta == 0 || beta == 1) &&
        (tile_is_best(kernel, sizeof(T)) || is_small(m, n, k, 16 * 16 * 16))) {
        product p = ccs == 1 ? GEMM(product)(m, n, k, a, ars, acs, b, brs, bcs, c, crs)
                             : GEMM(product)(n, m, k, b, bcs, brs, a, acs, ars, c, ccs); /* C^T = B^T A^T */
        p.accumulate = beta == 1;
        tile_product(kernel, threads, &p);
        return;
    }
    GEMM(blis)(threads, m, n, k, a, ars, acs, b, brs, bcs, beta, c, crs, ccs);
}

void GEMM(k_gemm_bias)(int threads, int64_t m, int64_t n, int64_t k, const T *a, int64_t ars,
                       int64_t acs, const T *b, int64_t brs, int64_t bcs, const T *bias, T *c,
                       int64_t crs)
{
    const k_tile_kernel *kernel = k_tile_for(DTYPE);
    if (m > 1 && n > 1 && k > 0 && !is_small(m, n, k, 64) && tile_is_best(kernel, sizeof(T))) {
        product p = GEMM(product)(m, n, k, a, ars, k == 1 ? 1 : acs, b, brs, bcs, c, crs);
        p.bias = (const char *)bias;
        tile_product(kernel, threads, &p);
        return;
    }
    for (int64_t i = 0; i < m; i++) {
        memcpy(c + i * crs, bias, (size_t)n * sizeof(T));
    }
    GEMM(k_gemm)(threads, m, n, k, a, ars, acs, b, brs, bcs, 1, c, crs, 1);
}

static bool GEMM(sums_fit)(int64_t m, int64_t n, int64_t k, int64_t ars, int64_t acs)
{
    const k_tile_kernel *kernel = k_tile_for(DTYPE);
    product p = GEMM(product)(m, n, k, NULL, ars, acs, NULL, 0, 0, NULL, 0);
    return k > 1 && n > 1 && ars == 1 && packs_rows(kernel, &p, m) && tile_is_best(kernel, sizeof(T));
}

/* Whether the tile computes it; then as a product for the tile. */
static bool GEMM(tiled)(const k_tile_kernel *kernel, const k_product *q, product *p)
{
    if (q->m <= 1 || q->n <= 1 || q->k <= 0 || is_small(q->m, q->n, q->k, 64) || !tile_is_best(kernel, sizeof(T))) {
        return false;
    }
    *p = GEMM(product)(q->m, q->n, q->k, q->a, q->ars, q->k == 1 ? 1 : q->acs, q->b, q->brs, q->bcs, q->c, q->crs);
    p->accumulate = q->accumulate;
    p->sums = q->sums;
    p->add_sums = q->add_sums;
    return true;
}

static size_t GEMM(several_bytes)(int count, const k_product *products)
{
    const k_tile_kernel *kernel = k_tile_for(DTYPE);
    size_t bytes = 0;
    product p;
    for (int i = 0; i < count; i++) {
        if (GEMM(tiled)(kernel, &products[i], &p)) {
            bytes += (size_t)(parts_of(kernel, &p) - 1) * part_bytes(&p);
        }
    }
    return bytes;
}

static void GEMM(several)(int threads, int count, const k_product *products, void *work)
{
    const k_tile_kernel *kernel = k_tile_for(DTYPE);
    product tiled[K_PRODUCTS];
    int n = 0;
    for (int i = 0; i < count; i++) {
        const k_product *q = &products[i];
        if (GEMM(tiled)(kernel, q, &tiled[n])) {
            n++;
        } else {
            GEMM(k_gemm)(threads, q->m, q->n, q->k, q->a, q->ars, q->acs, q->b, q->brs, q->bcs, q->accumulate, q->c, q->crs, 1);
        }
    }
    tile_products(kernel, threads, n, tiled, work);
}

#undef GEMM
#undef T
#undef DTYPE
#undef BLIS_GEMM
