/*
 * Matrix products. Three ways: plain loops for vectors and tiny products, our register tile where
 * the processor has AVX-512 (BLIS's kernels for it are slower on the shapes of training), and BLIS
 * for the rest. The only file that knows BLIS; must not know tensors.
 *
 * Note [Products and threads]: each element of C is summed over k in one order, in whichever block of
 * C it lies (but for panels of one vector, which no number of threads makes or unmakes), so that the
 * tile's products may be cut as suits the threads, and any number of them gives the same bits.
 * BLIS's may not: see Note [BLIS and threads].
 *
 * Note [Long sums in parts]: the gradient of a weight is a sum over all rows of a batch, and half of those rows lie in the caches of
 * the other processor, which wrote them; and what both have read is slow to write again. So a long sum of a product of several
 * (k_gemm_several) is cut in PARTS, whatever the number of threads, so that a member of the team mostly reads rows which were its
 * share in the loops before, too. The first part is summed in C, the others in working memory, and added when all are there.
 */
/* blis.h speaks of POSIX barriers. */
#if !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L
#endif

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <blis.h>

#include "autograd/kernels/kernels.h"
#include "autograd/kernels/loop.h"
#include "autograd/parallel.h"
#include "autograd/kernels/tile.h"

/* Below so many multiply-adds a second thread costs more than it brings. */
#define WORTH_THREADS 100000
/* Below so many BLIS gets a product whole, with any number of threads. */
#define WORTH_STRIPES 250000

enum {
    DEPTH = 128,  /* k at once, in float32: a packed panel of B lives in L1 */
    HEIGHT = 256, /* rows at once: packed, they live in L2 */
    TALL = 2048,  /* and unpacked */
    WIDEST = 64,  /* columns of a panel, at most */
    APART = 64,   /* bytes between strips of packed rows: a line */
    STRIPS = 128, /* of them at most, in HEIGHT rows */
    ROWS_OF_BLOCK = 96, /* at least: what is packed for fewer is not worth it */
    BLOCKS_EACH = 2,    /* of a thread: one that is held up shares the rest */
    PARTS = 2,          /* of a sum of at least LONG: see the note */
    LONG = 1024,
    ROOM = 1 << 20,     /* elements of C, at most: more working memory than that is not worth it */
    WORTH_ADDING = 16384, /* elements of C, to be shared out */
};

static int threads_for(int threads, int64_t work)
{
    return threads < 2 || work < WORTH_THREADS || ag_parallel_inside() ? 1 : threads;
}

static inline bool is_small(int64_t m, int64_t n, int64_t k, int64_t limit)
{
    return m * n <= limit && m * n * k <= limit;
}

/* ---- the register tile ----------------------------------------------------------------------- */

typedef struct product {
    size_t size; /* of an element */
    int64_t m, n, k;
    const char *a, *b;
    char *c;
    int64_t ars, acs, brs, bcs, crs;
    bool accumulate;
    const char *bias; /* of columns; NULL: none, else C starts with it */
    char *sums; /* NULL, or sums[i] = [sums[i] +] sum over l of A[i][l]; then ars is 1 */
    bool add_sums;
} product;

/* B's rows l0 … l0 + depth in the panel's columns, packed; `from` points at the panel's first
 * column. */
static void pack_panel(const k_tile_kernel *kernel, const product *p, const char *from,
                       int64_t depth, k_panel panel, char *to)
{
    if (p->brs == 1) {
        kernel->transpose(depth, panel.n, from, p->bcs, to, panel.width);
        return;
    }
    if (p->bcs == 1) {
        kernel->pack(depth, panel.n, from, p->brs, to, panel.width, kernel->lanes, NULL);
        return;
    }
    for (int64_t l = 0; l < depth; l++) {
        char *row = to + (size_t)(l * panel.width) * p->size;
        const char *source = from + (size_t)(l * p->brs) * p->size;
        for (int64_t j = 0; j < panel.n; j++) {
            memcpy(row + (size_t)j * p->size, source + (size_t)(j * p->bcs) * p->size, p->size);
        }
        memset(row + (size_t)panel.n * p->size, 0, (size_t)(panel.width - panel.n) * p->size);
    }
}

/* Packs A's columns l … l + depth in strips of `lanes` rows, [strip][l][lanes], and points a[] at
 * them. Steps along a column of a wide A would otherwise each take a cache line, of few sets, and a
 * page; and strips begin in different sets. */
static void pack_rows(const k_tile_kernel *kernel, const product *p, int64_t i, int64_t rows, int64_t l,
                      int64_t depth, char *to, const void **a, void *sums)
{
    int64_t lanes = kernel->lanes, apart = depth * lanes + APART / (int64_t)p->size;
    const char *from = p->a + (size_t)(i * p->ars + l * p->acs) * p->size;
    for (int64_t r = 0; r < rows; r++) {
        a[r] = to + (size_t)(r / lanes * apart + r % lanes) * p->size;
    }
    if (p->ars == 1) {
        kernel->pack(depth, rows, from, p->acs, to, lanes, apart, sums);
        return;
    }
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t q = 0; q < depth; q++) {
            memcpy((char *)(uintptr_t)a[r] + (size_t)(q * lanes) * p->size,
                   from + (size_t)(r * p->ars + q * p->acs) * p->size, p->size);
        }
    }
}

/* Whether A is packed for that many rows. */
static bool packs_rows(const k_tile_kernel *kernel, const product *p, int64_t rows)
{
    return p->acs != 1 && rows > 2 * kernel->rows && p->n > kernel->lanes;
}

/* to[i] += from[i] */
static void add_up(size_t size, int64_t n, const void *from, void *to)
{
    char *data[2] = { to, (char *)(uintptr_t)from };
    const int64_t stride[2] = { (int64_t)size, (int64_t)size };
    k_accumulate_loops[size == sizeof(float) ? AG_FLOAT32 : AG_FLOAT64](n, data, stride, NULL);
}

/* Adds up A's columns l … l + depth of few rows, which are not packed: in the order of packing. */
static void sum_columns(const product *p, int64_t i, int64_t rows, int64_t l, int64_t depth, void *sums)
{
    for (int64_t q = l; q < l + depth; q++) {
        add_up(p->size, rows, p->a + (i + q * p->acs) * (int64_t)p->size, sums);
    }
}

/* What comes after panel j of rows l … l + most of B, and after these columns of A, for the tile to ask for. */
static void foresee(const k_tile_kernel *kernel, const product *p, int64_t i, int64_t rows, int64_t l, int64_t most,
                    int64_t panels, int64_t j, int64_t j0, int64_t j1, k_coming coming[2])
{
    bool last = j + 1 == j1;
    int64_t size = (int64_t)p->size, l_of_b = last ? l + most : l;
    if (p->ars == 1 && j == j0 && l + 2 * most <= p->k) {
        coming[0] = (k_coming){ (uintptr_t)(p->a + (i + (l + most) * p->acs) * size), p->acs * size,
                                (rows * size + K_LINE - 1) / K_LINE };
    }
    if (p->bcs == 1 && l_of_b + most <= p->k) {
        k_panel next = k_panel_of(kernel, p->n, panels, last ? j0 : j + 1);
        coming[1] = (k_coming){ (uintptr_t)(p->b + (l_of_b * p->brs + next.start) * size), p->brs * size,
                                next.width * size / K_LINE };
    }
}

/* Rows [i0, i1) of panels [j0, j1), of as many as `panels`. */
static void tile_block(const k_tile_kernel *kernel, const product *p, int64_t i0, int64_t i1,
                       int64_t panels, int64_t j0, int64_t j1)
{
    _Alignas(64) char right[DEPTH * WIDEST * sizeof(float)], left[DEPTH * HEIGHT * sizeof(float) + STRIPS * APART];
    _Alignas(64) char sums[HEIGHT * sizeof(double)]; /* of a panel's depth */
    const void *a[TALL];
    void *c[TALL];
    int64_t step[DEPTH];
    int64_t most = DEPTH * (int64_t)sizeof(float) / (int64_t)p->size;
    bool packs = packs_rows(kernel, p, i1 - i0);
    for (int64_t l = 0; l < most && l < p->k; l++) {
        step[l] = packs ? l * kernel->lanes : l * p->acs;
    }
    /* With A packed, B's panels are packed again for every HEIGHT rows; otherwise for many more. */
    bool sums_up = p->sums != NULL && j0 == 0;
    int64_t tall = packs || sums_up ? HEIGHT : TALL;
    for (int64_t i = i0; i < i1; i += tall) {
        int64_t rows = i1 - i < tall ? i1 - i : tall;
        for (int64_t r = 0; r < rows; r++) {
            c[r] = p->c + (size_t)((i + r) * p->crs) * p->size;
        }
        for (int64_t l = 0; l < p->k; l += most) {
            int64_t depth = p->k - l < most ? p->k - l : most;
            if (sums_up) {
                memset(sums, 0, sizeof(sums));
            }
            if (packs) {
                pack_rows(kernel, p, i, rows, l, depth, left, a, sums_up ? sums : NULL);
            }
            if (sums_up) {
                if (!packs) {
                    sum_columns(p, i, rows, l, depth, sums);
                }
                char *to = p->sums + i * (int64_t)p->size;
                if (l == 0 && !p->add_sums) {
                    memset(to, 0, (size_t)rows * p->size);
                }
                add_up(p->size, rows, sums, to);
            }
            for (int64_t r = 0; !packs && r < rows; r++) {
                a[r] = p->a + (size_t)((i + r) * p->ars + l * p->acs) * p->size;
            }
            for (int64_t j = j0; j < j1; j++) {
                k_panel panel = k_panel_of(kernel, p->n, panels, j);
                const char *b = p->b + (size_t)(l * p->brs + panel.start * p->bcs) * p->size;
                k_tile t = {
                    .m = rows,
                    .n = panel.n,
                    .k = depth,
                    .a = a,
                    .step = step,
                    .b = b,
                    .ldb = p->brs,
                    .c = c,
                    .c_offset = panel.start,
                    .accumulate = l > 0 || p->accumulate,
                    .asks = p->acs == 1,
                    .bias = p->bias == NULL ? NULL : p->bias + (size_t)panel.start * p->size,
                };
                if (p->bcs != 1 || panel.n != panel.width || rows > 2 * kernel->rows) {
                    pack_panel(kernel, p, b, depth, panel, right);
                    t.b = right;
                    t.ldb = panel.width;
                }
                if (packs) {
                    foresee(kernel, p, i, rows, l, most, panels, j, j0, j1, t.coming);
                }
                kernel->run(&t);
            }
        }
    }
}

/* A grid of blocks of C, once for each part of the sum. */
struct grid {
    const k_tile_kernel *kernel;
    const product *part;
    int64_t panels, down, across, parts;
};

static int64_t blocks_of(const struct grid *g)
{
    return g->parts * g->down * g->across;
}

static void tile_block_at(const struct grid *g, int64_t at)
{
    const product *p = &g->part[at / (g->down * g->across)];
    int64_t i = at / g->across % g->down, j = at % g->across, m = p->m;
    int64_t strip = g->kernel->lanes;
    int64_t top = m * i / g->down / strip * strip;
    int64_t bottom = i + 1 == g->down ? m : m * (i + 1) / g->down / strip * strip;
    tile_block(g->kernel, p, top, bottom, g->panels, g->panels * j / g->across, g->panels * (j + 1) / g->across);
}

/* See Note [Products and threads]. Each block packs its part of B anew, and of A if that is packed: where there are enough rows,
 * blocks are whole rows, else whole columns. Parts of a sum share the team. */
static struct grid grid_for(const k_tile_kernel *kernel, int all, const product *p, int parts)
{
    int team = (all + parts - 1) / parts;
    struct grid g = { kernel, p, k_panel_count(kernel, p->n), 1, 1, parts };
    int64_t vectors = k_panel_columns(kernel, p->n) / kernel->lanes, few = 2 * team;
    int64_t most = p->m / ROWS_OF_BLOCK / team, even = (g.panels + team - 1) / team * team;
    if (team == 1) {
        return g;
    }
    if (most > 0 || g.panels < 2) {
        g.down = (most > BLOCKS_EACH ? BLOCKS_EACH : most > 0 ? most : 1) * team;
        return g;
    }
    /* Sums are the same in panels of any width but one vector. */
    if (2 * even <= vectors) {
        g.panels = even;
    }
    g.across = g.panels;
    if (g.panels < team) { /* and each column in pieces */
        int64_t pieces = (few + g.panels - 1) / g.panels, strips = p->m / kernel->lanes;
        g.down = pieces < strips ? pieces : strips > 0 ? strips : 1;
    } else if (g.panels > few && packs_rows(kernel, p, p->m)) {
        g.across = few;
    }
    return g;
}

/* Products in one task. A member of the team begins with its share of each: so the shares are equal, whatever the products are. */
struct grids {
    int count, team;
    struct grid grid[K_PRODUCTS];
};

static void tile_block_of(const void *task, int64_t at)
{
    const struct grids *g = task;
    for (int64_t member = 0; member < g->team; member++) {
        for (int i = 0; i < g->count; i++) {
            int64_t blocks = blocks_of(&g->grid[i]), first = blocks * member / g->team;
            int64_t own = blocks * (member + 1) / g->team - first;
            if (at < own) {
                tile_block_at(&g->grid[i], first + at);
                return;
            }
            at -= own;
        }
    }
}

/* ---- long sums ------------------------------------------------------------------------------- */

static int parts_of(const k_tile_kernel *kernel, const product *p)
{
    return p->k >= LONG && p->m * p->n <= ROOM && packs_rows(kernel, p, p->m) ? PARTS : 1;
}

static size_t lines(int64_t n, size_t size)
{
    return ((size_t)n * size + K_LINE - 1) / K_LINE * K_LINE;
}

/* Bytes that one part of the sum needs. */
static size_t part_bytes(const product *p)
{
    return lines(p->m * p->n, p->size) + (p->sums != NULL ? lines(p->m, p->size) : 0);
}

/* The parts of p, of which all but the first have room in `work`. */
static void cut(const product *p, int parts, char *work, product *part)
{
    for (int i = 0; i < parts; i++) {
        int64_t first = p->k * i / parts / DEPTH * DEPTH, end = i + 1 == parts ? p->k : p->k * (i + 1) / parts / DEPTH * DEPTH;
        part[i] = *p;
        part[i].k = end - first;
        part[i].a += first * p->acs * (int64_t)p->size;
        part[i].b += first * p->brs * (int64_t)p->size;
        if (i > 0) {
            part[i].c = work;
            part[i].crs = p->n;
            part[i].accumulate = part[i].add_sums = false;
            part[i].sums = p->sums != NULL ? work + lines(p->m * p->n, p->size) : NULL;
            work += part_bytes(p);
        }
    }
}

/* Row i of the parts that have room elsewhere is added to C. */
static void add_row(const void *task, int64_t i)
{
    const struct grid *g = task;
    const product *first = g->part;
    int64_t size = (int64_t)first->size;
    for (const product *p = first + 1; p < first + g->parts; p++) {
        add_up(p->size, p->n, p->c + i * p->crs * size, first->c + i * first->crs * size);
    }
}

static void add_parts(int team, const struct grid *g)
{
    const product *first = g->part;
    if (g->parts == 1) {
        return;
    }
    ag_parallel(first->m * first->n < WORTH_ADDING ? 1 : team, first->m, add_row, g);
    for (const product *p = first + 1; first->sums != NULL && p < first + g->parts; p++) {
        add_up(p->size, p->m, p->sums, first->sums);
    }
}

/* C's rows are contiguous. Without room to work in, sums are not cut. */
static void tile_products(const k_tile_kernel *kernel, int threads, int count, const product *p, char *work)
{
    int64_t size = 0, blocks = 0;
    for (int i = 0; i < count; i++) {
        size += p[i].m * p[i].n * p[i].k;
    }
    int team = threads_for(threads, size);
    struct grids grids = { .count = count, .team = team };
    product part[K_PRODUCTS][PARTS];
    for (int i = 0; i < count; i++) {
        int parts = work != NULL ? parts_of(kernel, &p[i]) : 1;
        cut(&p[i], parts, work, part[i]);
        if (parts > 1) {
            work += (size_t)(parts - 1) * part_bytes(&p[i]);
        }
        grids.grid[i] = grid_for(kernel, team, part[i], parts);
        blocks += blocks_of(&grids.grid[i]);
    }
    ag_parallel(team, blocks, tile_block_of, &grids);
    for (int i = 0; i < count; i++) {
        add_parts(team, &grids.grid[i]);
    }
}

static void tile_product(const k_tile_kernel *kernel, int threads, const product *p)
{
    tile_products(kernel, threads, 1, p, NULL);
}

/* ---- the choice ------------------------------------------------------------------------------ */

/* BLIS's name for the processor. Asked before BLIS is initialised, it aborts where BLIS_ARCH_TYPE is set. */
static arch_t blis_arch(void)
{
    static atomic_int known = -1; /* threads that find it so ask, and find the same */
    int arch = atomic_load_explicit(&known, memory_order_relaxed);
    if (AG_UNLIKELY(arch < 0)) {
        bli_init();
        arch = (int)bli_arch_query_id();
        atomic_store_explicit(&known, arch, memory_order_relaxed);
    }
    return (arch_t)arch;
}

/* BLIS has good AVX2 kernels of its own; its AVX-512 ones lose to the tile, and so do the plain
 * ones it falls back to on a processor that it does not know. */
static inline bool tile_is_best(const k_tile_kernel *kernel, size_t size)
{
    return (size_t)kernel->lanes * size == 64 ||
           AG_UNLIKELY(blis_arch() == BLIS_ARCH_GENERIC && kernel->lanes * size > 16);
}

#define GEMM(name) name##_f32
#define T float
#define DTYPE AG_FLOAT32
#define BLIS_GEMM bli_sgemm_ex
#include "autograd/kernels/gemm_template.h"

#define GEMM(name) name##_f64
#define T double
#define DTYPE AG_FLOAT64
#define BLIS_GEMM bli_dgemm_ex
#include "autograd/kernels/gemm_template.h"

void k_gemm(ag_dtype dtype, int threads, int64_t m, int64_t n, int64_t k, const void *a,
            int64_t ars, int64_t acs, const void *b, int64_t brs, int64_t bcs, bool accumulate,
            void *c, int64_t crs, int64_t ccs)
{
    if (dtype == AG_FLOAT64) {
        k_gemm_f64(threads, m, n, k, a, ars, acs, b, brs, bcs, accumulate, c, crs, ccs);
    } else {
        k_gemm_f32(threads, m, n, k, a, ars, acs, b, brs, bcs, accumulate, c, crs, ccs);
    }
}

void k_gemm_bias(ag_dtype dtype, int threads, int64_t m, int64_t n, int64_t k, const void *a, int64_t ars, int64_t acs,
                 const void *b, int64_t brs, int64_t bcs, const void *bias, void *c, int64_t crs)
{
    if (dtype == AG_FLOAT64) {
        k_gemm_bias_f64(threads, m, n, k, a, ars, acs, b, brs, bcs, bias, c, crs);
    } else {
        k_gemm_bias_f32(threads, m, n, k, a, ars, acs, b, brs, bcs, bias, c, crs);
    }
}

bool k_gemm_sums_fit(ag_dtype dtype, int64_t m, int64_t n, int64_t k, int64_t ars, int64_t acs)
{
    return dtype == AG_FLOAT64 ? sums_fit_f64(m, n, k, ars, acs) : sums_fit_f32(m, n, k, ars, acs);
}

size_t k_gemm_several_bytes(ag_dtype dtype, int count, const k_product *products)
{
    return dtype == AG_FLOAT64 ? several_bytes_f64(count, products) : several_bytes_f32(count, products);
}

void k_gemm_several(ag_dtype dtype, int threads, int count, const k_product *products, void *work)
{
    if (dtype == AG_FLOAT64) {
        several_f64(threads, count, products, work);
    } else {
        several_f32(threads, count, products, work);
    }
}

static bool tile_is_chosen(void)
{
    return tile_is_best(k_tile_for(AG_FLOAT32), sizeof(float));
}

const char *k_gemm_arch(void)
{
    return tile_is_chosen() ? k_tile_for(AG_FLOAT32)->name : bli_arch_string(blis_arch());
}

void k_gemm_text(char *text, size_t size)
{
    if (tile_is_chosen()) {
        snprintf(text, size, "own %s", k_gemm_arch());
    } else {
        snprintf(text, size, "BLIS %s %s", bli_info_get_version_str(), k_gemm_arch());
    }
}

bool k_gemm_is_generic(void)
{
    return !tile_is_chosen() && blis_arch() == BLIS_ARCH_GENERIC;
}
