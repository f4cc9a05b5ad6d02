/*
 * The register tile: the innermost loop of products and convolutions, in AVX-512, AVX2 or plain
 * vectors, chosen when first used. Internal to the kernels; knows nothing of images or matrices,
 * only of rows that are found through pointers.
 *
 * Every element of C is summed over k in an order that depends on the panel's width alone, whatever
 * tile the element lies in: how the caller cuts m does not change a bit of the result.
 */
#ifndef WENGERT_KERNELS_TILE_H
#define WENGERT_KERNELS_TILE_H

#include <stdbool.h>
#include <stdint.h>

#include "../shape.h"

enum {
    K_LINE = 64 /* bytes of a cache line */
};

/* Memory that will be read soon: `lines` cache lines from at + l step, l < k. Each register tile asks for one line of each, the
 * second's after the first's; where there are fewer tiles, the last lines are not asked for. */
typedef struct k_coming {
    uintptr_t at; /* a number: the last step leads behind the memory */
    int64_t step; /* bytes */
    int64_t lines;
} k_coming;

/* C[i][j] = start + sum over k of A[i][k] B[k][j],   i < m, j < n
 *
 * where A[i][k] = a[i][a_offset + step[k]], B[k][j] = b[k ldb + j], C[i][j] = c[i][c_offset + j],
 * in elements, and start is C itself (accumulate), else bias[j], else 0. Columns of B are read up
 * to the next whole vector; C and bias are not. */
typedef struct k_tile {
    int64_t m, n, k;
    const void *const *a;
    int64_t a_offset;
    const int64_t *step;
    const void *b;
    int64_t ldb;
    void *const *c;
    int64_t c_offset;
    const void *bias; /* NULL: none */
    bool accumulate;
    bool asks; /* each register tile asks for the next one's rows of A, which nothing has read before */
    k_coming coming[2];
} k_tile;

typedef struct k_tile_kernel {
    const char *name;
    int64_t lanes; /* elements of one vector */
    int64_t width; /* the widest n: a few vectors */
    int64_t rows;  /* rows of one register tile */
    void (*run)(const k_tile *t);
    /* to[k][j] = from[j ld + k],   k < rows, j < n; columns n up to the next whole vector become 0.
     */
    void (*transpose)(int64_t rows, int64_t n, const void *from, int64_t ld, void *to,
                      int64_t ldto);
    /* Vector v of row k of from, k < rows, goes to to + k ldto + v apart; columns n up to the next
     * whole vector become 0. sums[j] += from[k][j], row after row, if sums is not NULL; whole vectors of
     * it are written. Rows that lie far apart are asked for in time: no processor foresees such steps. */
    void (*pack)(int64_t rows, int64_t n, const void *from, int64_t ld, void *to, int64_t ldto,
                 int64_t apart, void *sums);
} k_tile_kernel;

/* The kernel for a floating type on this processor. */
const k_tile_kernel *k_tile_for(ag_dtype dtype);
/* For tests: "avx512", "avx2" or "plain" from now on; false if this processor or build has none of
 * that name. */
bool k_tile_choose(const char *name);

/* n columns are cut into panels of nearly equal width, each a whole number of vectors (the last one
 * filled up). */
typedef struct k_panel {
    int64_t start; /* first column: also the sum of the padded widths before it */
    int64_t n;     /* columns that exist */
    int64_t width; /* n, filled up to whole vectors */
} k_panel;

static inline int64_t k_panel_count(const k_tile_kernel *kernel, int64_t n)
{
    return (n + kernel->width - 1) / kernel->width;
}

static inline int64_t k_panel_columns(const k_tile_kernel *kernel, int64_t n)
{
    return (n + kernel->lanes - 1) / kernel->lanes * kernel->lanes;
}

/* Panel i of `panels`, which are no more than there are vectors and at least k_panel_count(). */
static inline k_panel k_panel_of(const k_tile_kernel *kernel, int64_t n, int64_t panels, int64_t i)
{
    int64_t vectors = k_panel_columns(kernel, n) / kernel->lanes;
    k_panel p;
    p.start = i * vectors / panels * kernel->lanes;
    int64_t stop = (i + 1) * vectors / panels * kernel->lanes;
    p.width = stop - p.start;
    p.n = (stop < n ? stop : n) - p.start;
    return p;
}

static inline k_panel k_panel_at(const k_tile_kernel *kernel, int64_t n, int64_t i)
{
    return k_panel_of(kernel, n, k_panel_count(kernel, n), i);
}

#endif
