/*
 * Convolution of channels-last images on the register tile: no im2col. Must not know tensors.
 *
 * Note [Convolution by steps]: the tile finds A[i][k] at row i's pointer plus step k. For a convolution row i is an output
 * position, its pointer the corner of its window, and step k the way from the corner to the k-th number of the window, the
 * same for every position. So the product reads the images where they lie; only images that need zeros around them are
 * copied, band by band, into working memory that stays in the cache. The three products are
 *
 *   forward         y[position][o]  = sum over k = (c, kh, kw)   of x[corner(position) + step(k)] weight[o][k]
 *   input gradient  dx[position][c] = sum over k = (o, tap)      of dy[corner(position) + step(k)] weight[o][c][tap]
 *   weight gradient dw[k][o]        = sum over positions         of x[corner(position) + step(k)] dy[position][o]
 *
 * With a stride s, the input positions fall into s x s phases, each reached by its own taps: the input gradient is one
 * product with stride 1 for each phase, and nothing is multiplied by a zero that the stride inserted.
 *
 * Note [Bands]: the work is cut into bands, some images or some rows of one image, by the shape alone, so that any number
 * of threads gives the same bits.
 */
#include <omp.h>
#include <string.h>

#include "autograd/kernels/depthwise.h"
#include "autograd/kernels/kernels.h"
#include "autograd/kernels/tile.h"

enum {
    POSITIONS = 256, /* of a band, about; row pointers at once */
    DEPTH = 192,     /* k at once, in float32: a packed panel of so many rows lies in L1 */
    SWEEP = 128,     /* positions that the weight gradient sums at once */
};

/* ---- plan ----------------------------------------------------------------------------------------------------------- */

/* The positions t of one phase: destination t * spread + first, source corner t * stride. */
typedef struct phase {
    int64_t first[2], count[2];
    int64_t k;     /* numbers of a window, in one group */
    int64_t *step; /* [k] */
    char *packed;  /* [group][panel][k][width] */
    int64_t taps;  /* of the kernel's, those that reach this phase */
    int64_t *tap;  /* [taps]: kh KW + kw */
} phase;

/* A convolution as the notes above see it: `from` is read through windows, `to` has a number for each position. */
typedef struct plan {
    const k_tile_kernel *kernel;
    size_t size;
    int64_t n, groups;
    int64_t h, w, c, cg; /* from; cg channels of a group */
    int64_t oh, ow, o, og; /* to */
    int64_t stride[2], spread[2];
    int64_t before[2], padded[2]; /* zeros before; lengths with the zeros */
    int64_t reach[2];             /* extent of a window */
    int64_t positions[2];         /* of the largest phase */
    bool copies;                  /* bands are copied with zeros around them */
    /* A band: `images` whole images, or `rows` rows of positions of one image. */
    int64_t images, rows, bands_down, bands;
    size_t scratch; /* bytes of a copied band */
} plan;

static int64_t at_least(int64_t x, int64_t low)
{
    return x > low ? x : low;
}

static int64_t at_most(int64_t x, int64_t high)
{
    return x < high ? x : high;
}

static int64_t divide_up(int64_t x, int64_t y)
{
    return (x + y - 1) / y;
}

static int64_t divide_down(int64_t x, int64_t y)
{
    return x >= 0 ? x / y : -divide_up(-x, y);
}

static size_t line_up(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* Threads that the work is worth, counted in multiply-adds. */
static int team_for(int threads, const k_conv *p, int64_t tasks)
{
    int64_t work = p->n * p->oh * p->ow * p->o * (p->c / p->groups) * p->kh * p->kw;
    return threads < 2 || work < 250000 || omp_in_parallel() ? 1 : (int)at_most(threads, at_least(tasks, 1));
}

static void plan_bands(plan *g)
{
    int64_t each = at_least(g->positions[0] * g->positions[1], 1);
    int64_t target = at_most(at_least(g->n * each / 16, 32), POSITIONS);
    g->images = at_least(at_most(target / each, g->n), 1);
    g->bands_down = at_most(at_least(each / target, 1), at_least(g->positions[0], 1));
    g->rows = divide_up(g->positions[0], g->bands_down);
    g->bands_down = g->rows > 0 ? divide_up(g->positions[0], g->rows) : 0;
    g->bands = divide_up(g->n, g->images) * g->bands_down;
    int64_t high = at_least(g->rows - 1, 0) * g->stride[0] + g->reach[0];
    g->scratch = g->copies ? line_up((size_t)(g->images * high * g->padded[1] * g->c) * g->size) + 64 : 0;
}

/* y = conv(x): the windows of x, one phase. */
static plan plan_forward(ag_dtype dtype, const k_conv *p)
{
    plan g = {
        .kernel = k_tile_for(dtype), .size = ag_dtype_size(dtype), .n = p->n, .groups = p->groups,
        .h = p->h, .w = p->w, .c = p->c, .cg = p->c / p->groups,
        .oh = p->oh, .ow = p->ow, .o = p->o, .og = p->o / p->groups,
        .stride = {p->stride[0], p->stride[1]}, .spread = {1, 1},
        .before = {p->pad_top, p->pad_left},
        .reach = {(p->kh - 1) * p->dilation[0] + 1, (p->kw - 1) * p->dilation[1] + 1},
        .positions = {p->oh, p->ow},
    };
    int64_t length[2] = {p->h, p->w};
    for (int d = 0; d < 2; d++) {
        int64_t used = (g.positions[d] - 1) * g.stride[d] + g.reach[d];
        g.padded[d] = at_least(used, g.before[d] + length[d]);
        g.copies = g.copies || g.padded[d] != length[d];
    }
    plan_bands(&g);
    return g;
}

/* Whether tap k of a dimension reaches the phase that starts at `first`, and the position of dy, relative to t, it reads. */
static bool tap_reaches(const k_conv *p, int d, int64_t first, int64_t k, int64_t *shift)
{
    int64_t way = first + (d == 0 ? p->pad_top : p->pad_left) - k * p->dilation[d];
    *shift = divide_down(way, p->stride[d]);
    return *shift * p->stride[d] == way;
}

/* dx: the windows of dy; a phase for each residue of the stride. */
static plan plan_input(ag_dtype dtype, const k_conv *p)
{
    plan g = {
        .kernel = k_tile_for(dtype), .size = ag_dtype_size(dtype), .n = p->n, .groups = p->groups,
        .h = p->oh, .w = p->ow, .c = p->o, .cg = p->o / p->groups,
        .oh = p->h, .ow = p->w, .o = p->c, .og = p->c / p->groups,
        .stride = {1, 1}, .spread = {p->stride[0], p->stride[1]},
        .positions = {divide_up(p->h, p->stride[0]), divide_up(p->w, p->stride[1])},
    };
    int64_t length[2] = {p->oh, p->ow}, taps[2] = {p->kh, p->kw};
    for (int d = 0; d < 2; d++) {
        int64_t low = 0, high = 0, shift;
        for (int64_t first = 0; first < p->stride[d]; first++) {
            for (int64_t k = 0; k < taps[d]; k++) {
                if (tap_reaches(p, d, first, k, &shift)) {
                    low = at_most(low, shift);
                    high = at_least(high, shift);
                }
            }
        }
        g.before[d] = -low;
        g.reach[d] = high - low + 1;
        g.padded[d] = at_least(g.positions[d] - 1 + g.reach[d], g.before[d] + length[d]);
        g.copies = g.copies || g.padded[d] != length[d];
    }
    plan_bands(&g);
    return g;
}

/* One band: its images, its rows of positions, and where its images lie, copied if need be. */
typedef struct band {
    int64_t image, images, row, rows;
    const char *from; /* the corner of (image, row) */
    int64_t high;     /* rows of `from` between images */
} band;

static band band_at(const plan *g, int64_t index, const char *x, char *scratch)
{
    band b = {.image = index / g->bands_down * g->images, .row = index % g->bands_down * g->rows};
    b.images = at_most(g->images, g->n - b.image);
    b.rows = at_most(g->rows, g->positions[0] - b.row);
    int64_t corner = b.row * g->stride[0];
    size_t line = (size_t)(g->w * g->c) * g->size;
    if (!g->copies) {
        b.high = g->h;
        b.from = x + (size_t)(b.image * g->h + corner) * line;
        return b;
    }
    b.high = (b.rows - 1) * g->stride[0] + g->reach[0];
    b.from = scratch;
    size_t left = (size_t)(g->before[1] * g->c) * g->size, wide = (size_t)(g->padded[1] * g->c) * g->size;
    for (int64_t i = 0; i < b.images; i++) {
        for (int64_t r = 0; r < b.high; r++, scratch += wide) {
            int64_t y = corner + r - g->before[0];
            if (y < 0 || y >= g->h) {
                memset(scratch, 0, wide);
            } else {
                memset(scratch, 0, left);
                memcpy(scratch + left, x + (size_t)((b.image + i) * g->h + y) * line, line);
                memset(scratch + left + line, 0, wide - left - line);
            }
        }
    }
    return b;
}

/* Counts through the positions of a band in memory order. */
typedef struct walk {
    int64_t image, row, column;
} walk;

static inline void walk_on(walk *at, int64_t rows, int64_t columns)
{
    if (++at->column == columns) {
        at->column = 0;
        if (++at->row == rows) {
            at->row = 0;
            at->image++;
        }
    }
}

/* ---- windows times packed weights: forward and input gradient ----------------------------------------------------- */

static void run_phase(const plan *g, const phase *f, const band *b, const char *bias, char *to)
{
    int64_t rows = at_most(b->rows, f->count[0] - b->row), columns = f->count[1];
    int64_t total = rows > 0 ? b->images * rows * columns : 0;
    int64_t depth = DEPTH * (int64_t)sizeof(float) / (int64_t)g->size, panels = k_panel_count(g->kernel, g->og);
    int64_t across = k_panel_columns(g->kernel, g->og);
    const void *a[POSITIONS];
    void *c[POSITIONS];
    walk at = {0, 0, 0};
    while (total > 0) {
        int64_t now = at_most(total, POSITIONS);
        total -= now;
        for (int64_t i = 0; i < now; i++) {
            int64_t source = (at.image * b->high + at.row * g->stride[0]) * g->padded[1] + at.column * g->stride[1];
            int64_t y = (b->row + at.row) * g->spread[0] + f->first[0], x = at.column * g->spread[1] + f->first[1];
            a[i] = b->from + (size_t)(source * g->c) * g->size;
            c[i] = to + (size_t)((((b->image + at.image) * g->oh + y) * g->ow + x) * g->o) * g->size;
            walk_on(&at, rows, columns);
        }
        for (int64_t q = 0; q < g->groups; q++) {
            for (int64_t j = 0; j < panels; j++) {
                k_panel panel = k_panel_at(g->kernel, g->og, j);
                const char *packed = f->packed + (size_t)(f->k * (q * across + panel.start)) * g->size;
                int64_t column = q * g->og + panel.start, l = 0;
                do {
                    k_tile t = {
                        .m = now, .n = panel.n, .k = at_most(f->k - l, depth),
                        .a = a, .a_offset = q * g->cg, .step = f->step + l,
                        .b = packed + (size_t)(l * panel.width) * g->size, .ldb = panel.width,
                        .c = c, .c_offset = column,
                        .bias = bias == NULL ? NULL : bias + (size_t)column * g->size,
                        .accumulate = l > 0,
                    };
                    g->kernel->run(&t);
                    l += depth;
                } while (l < f->k);
            }
        }
    }
}

/* Working memory: phases, their steps and taps, packed weights, then a copied band for each thread. */
typedef struct layout {
    size_t steps, packed, scratch, total;
} layout;

static layout layout_windows(const plan *g, const k_conv *p, int threads)
{
    int64_t taps = p->kh * p->kw;
    layout l;
    l.steps = line_up((size_t)(g->spread[0] * g->spread[1]) * sizeof(phase));
    l.packed = l.steps + line_up((size_t)(taps * (g->cg + 1)) * sizeof(int64_t));
    l.scratch = l.packed + line_up((size_t)(g->groups * taps * g->cg * k_panel_columns(g->kernel, g->og)) * g->size);
    l.total = l.scratch + (size_t)at_least(threads, 1) * g->scratch;
    return l;
}

/* Rows (c, kh, kw) and columns o of the weight, which already lies in that order for each o. */
static void pack_forward(const plan *g, const phase *f, const char *weight, int64_t q, k_panel panel, char *to)
{
    const char *from = weight + (size_t)((q * g->og + panel.start) * f->k) * g->size;
    g->kernel->transpose(f->k, panel.n, from, f->k, to, panel.width);
}

/* Rows (o, tap) and columns c, where only the phase's own taps count. */
#define PACK_INPUT(T, name)                                                                                                \
    static void pack_input_##name(const plan *g, const phase *f, int64_t all, const T *weight, int64_t q, k_panel panel,   \
                                  T *to)                                                                                   \
    {                                                                                                                      \
        for (int64_t o = 0; o < g->cg; o++) {                                                                              \
            const T *from = weight + ((q * g->cg + o) * g->og + panel.start) * all;                                        \
            for (int64_t i = 0; i < f->taps; i++, to += panel.width) {                                                     \
                int64_t tap = f->tap[i];                                                                                   \
                for (int64_t c = 0; c < panel.n; c++) {                                                                    \
                    to[c] = from[c * all + tap];                                                                           \
                }                                                                                                          \
                for (int64_t c = panel.n; c < panel.width; c++) {                                                          \
                    to[c] = 0;                                                                                             \
                }                                                                                                          \
            }                                                                                                              \
        }                                                                                                                  \
    }

PACK_INPUT(float, f32)
PACK_INPUT(double, f64)

/* Packs the weights and runs all bands, in one parallel region. `taps` is the kernel's size for the input gradient, 0 for
 * the forward product. */
static void run_windows(const plan *g, const k_conv *p, int threads, phase *phases, int64_t taps, const char *x, const char *weight,
                        const char *bias, char *y, char *scratch)
{
    int64_t count = g->spread[0] * g->spread[1], panels = k_panel_count(g->kernel, g->og);
    int team = team_for(threads, p, g->bands);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        char *own = scratch + (size_t)omp_get_thread_num() * g->scratch;
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < count * g->groups * panels; i++) {
            const phase *f = &phases[i / panels / g->groups];
            int64_t q = i / panels % g->groups;
            k_panel panel = k_panel_at(g->kernel, g->og, i % panels);
            char *to = f->packed + (size_t)(f->k * (q * k_panel_columns(g->kernel, g->og) + panel.start)) * g->size;
            if (taps == 0) {
                pack_forward(g, f, weight, q, panel, to);
            } else if (g->size == sizeof(float)) {
                pack_input_f32(g, f, taps, (const float *)weight, q, panel, (float *)to);
            } else {
                pack_input_f64(g, f, taps, (const double *)weight, q, panel, (double *)to);
            }
        }
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < g->bands; i++) {
            band b = band_at(g, i, x, own);
            for (int64_t f = 0; f < count; f++) {
                run_phase(g, &phases[f], &b, bias, y);
            }
        }
    }
}

/* Steps through a window of x, in the order (c, kh, kw) of the weight. */
static void steps_forward(const plan *g, const k_conv *p, int64_t *step)
{
    for (int64_t c = 0; c < g->cg; c++) {
        for (int64_t i = 0; i < p->kh; i++) {
            for (int64_t j = 0; j < p->kw; j++) {
                *step++ = (i * p->dilation[0] * g->padded[1] + j * p->dilation[1]) * g->c + c;
            }
        }
    }
}

static bool is_depthwise(const k_conv *p)
{
    return p->groups > 1 && p->groups == p->c && p->o == p->c;
}

size_t k_conv_forward_bytes(ag_dtype dtype, const k_conv *p, int threads)
{
    if (is_depthwise(p)) {
        return k_depthwise_bytes(dtype, p);
    }
    plan g = plan_forward(dtype, p);
    return layout_windows(&g, p, threads).total;
}

void k_conv_forward(ag_dtype dtype, int threads, const k_conv *p, const void *x, const void *weight, const void *bias,
                    void *y, void *work)
{
    if (is_depthwise(p)) {
        k_depthwise_forward(dtype, threads, p, x, weight, bias, y, work);
        return;
    }
    plan g = plan_forward(dtype, p);
    layout l = layout_windows(&g, p, threads);
    phase *f = work;
    *f = (phase){
        .count = {p->oh, p->ow}, .k = g.cg * p->kh * p->kw,
        .step = (int64_t *)((char *)work + l.steps), .packed = (char *)work + l.packed,
    };
    steps_forward(&g, p, f->step);
    run_windows(&g, p, threads, f, 0, x, weight, bias, y, (char *)work + l.scratch);
}

size_t k_conv_input_bytes(ag_dtype dtype, const k_conv *p, int threads)
{
    if (is_depthwise(p)) {
        return k_depthwise_bytes(dtype, p);
    }
    plan g = plan_input(dtype, p);
    return layout_windows(&g, p, threads).total;
}

void k_conv_input(ag_dtype dtype, int threads, const k_conv *p, const void *dy, const void *weight, void *dx, void *work)
{
    if (is_depthwise(p)) {
        k_depthwise_input(dtype, threads, p, dy, weight, dx, work);
        return;
    }
    plan g = plan_input(dtype, p);
    layout l = layout_windows(&g, p, threads);
    phase *phases = work, *f = phases;
    int64_t *table = (int64_t *)((char *)work + l.steps);
    char *packed = (char *)work + l.packed;
    for (int64_t i = 0; i < p->stride[0]; i++) {
        for (int64_t j = 0; j < p->stride[1]; j++, f++) {
            *f = (phase){
                .first = {i, j},
                .count = {divide_up(p->h - i, p->stride[0]), divide_up(p->w - j, p->stride[1])},
                .tap = table,
            };
            int64_t down, across;
            for (int64_t tap = 0; tap < p->kh * p->kw; tap++) {
                if (tap_reaches(p, 0, i, tap / p->kw, &down) && tap_reaches(p, 1, j, tap % p->kw, &across)) {
                    f->tap[f->taps++] = tap;
                }
            }
            f->k = f->taps * g.cg;
            f->step = table + f->taps;
            f->packed = packed;
            for (int64_t o = 0; o < g.cg; o++) {
                for (int64_t q = 0; q < f->taps; q++) {
                    tap_reaches(p, 0, i, f->tap[q] / p->kw, &down);
                    tap_reaches(p, 1, j, f->tap[q] % p->kw, &across);
                    f->step[o * f->taps + q] =
                        ((down + g.before[0]) * g.padded[1] + across + g.before[1]) * g.c + o;
                }
            }
            table += f->taps + f->k;
            packed += (size_t)(f->k * g.groups * k_panel_columns(g.kernel, g.og)) * g.size;
        }
    }
    run_windows(&g, p, threads, phases, p->kh * p->kw, dy, weight, NULL, dx, (char *)work + l.scratch);
}

/* ---- weight gradient ------------------------------------------------------------------------------------------------ */

/* The bands are dealt to `parts`, each with a sum of its own, and k to `slices`. */
typedef struct split {
    int64_t parts, slices;
    size_t part; /* bytes of one sum [group][k][og] */
    size_t sums, scratch, total;
} split;

static split split_weight(const plan *g, const k_conv *p, int threads)
{
    int64_t k = g->cg * p->kh * p->kw, numbers = g->groups * k * g->og;
    split s;
    s.slices = numbers <= 8192 ? 1 : at_most(at_least(k / 48, 1), 4);
    s.parts = at_least(at_most(8 / s.slices, g->bands), 1);
    s.part = line_up((size_t)numbers * g->size);
    s.sums = line_up((size_t)k * sizeof(int64_t));
    s.scratch = s.sums + (size_t)s.parts * s.part;
    s.total = s.scratch + (size_t)at_least(threads, 1) * g->scratch;
    return s;
}

/* Adds one band to a sum [group][all][og], for the window's numbers [k0, k1). */
static void sweep_band(const plan *g, const band *b, const int64_t *step, int64_t all, int64_t k0, int64_t k1,
                       const char *dy, char *sum, bool accumulate)
{
    int64_t total = b->images * b->rows * g->ow, size = (int64_t)g->size;
    int64_t position = (b->image * g->oh + b->row) * g->ow, panels = k_panel_count(g->kernel, g->og);
    int64_t corner[SWEEP];
    const void *a[POSITIONS];
    void *c[POSITIONS];
    walk at = {0, 0, 0};
    while (total > 0) {
        int64_t now = at_most(total, SWEEP);
        total -= now;
        for (int64_t i = 0; i < now; i++) {
            corner[i] =
                ((at.image * b->high + at.row * g->stride[0]) * g->padded[1] + at.column * g->stride[1]) * g->c;
            walk_on(&at, b->rows, g->ow);
        }
        for (int64_t q = 0; q < g->groups; q++) {
            for (int64_t i = k0; i < k1; i += POSITIONS) {
                int64_t rows = at_most(k1 - i, POSITIONS);
                for (int64_t r = 0; r < rows; r++) {
                    a[r] = b->from + (step[i + r] + q * g->cg) * size;
                    c[r] = sum + (q * all + i + r) * g->og * size;
                }
                for (int64_t j = 0; j < panels; j++) {
                    k_panel panel = k_panel_at(g->kernel, g->og, j);
                    k_tile t = {
                        .m = rows, .n = panel.n, .k = now, .a = a, .step = corner,
                        .b = dy + (position * g->o + q * g->og + panel.start) * size, .ldb = g->o,
                        .c = c, .c_offset = panel.start, .accumulate = accumulate,
                    };
                    g->kernel->run(&t);
                }
            }
        }
        position += now;
        accumulate = true;
    }
}

enum {
    LINE = 16,  /* outputs that are finished at once */
    BLOCK = 64, /* and their numbers k */
};

/* dweight[o][k] = (accumulate ? itself : 0) + the parts' sums[k][o], for the outputs [o0, o1) of group q. */
#define FINISH(T, name)                                                                                                    \
    static void finish_##name(const plan *g, const split *s, int64_t all, const char *sums, int64_t q, int64_t o0,         \
                              int64_t o1, bool accumulate, T *dweight)                                                     \
    {                                                                                                                      \
        T sum[BLOCK * LINE], turned[LINE * BLOCK];                                                                         \
        int64_t wide = o1 - o0;                                                                                            \
        for (int64_t k0 = 0; k0 < all; k0 += BLOCK) {                                                                      \
            int64_t high = at_most(all - k0, BLOCK);                                                                       \
            for (int64_t part = 0; part < s->parts; part++) {                                                              \
                const T *from = (const T *)(sums + (size_t)part * s->part) + (q * all + k0) * g->og + o0;                  \
                for (int64_t k = 0; k < high; k++) {                                                                       \
                    for (int64_t o = 0; o < wide; o++) {                                                                   \
                        sum[k * LINE + o] = (part > 0 ? sum[k * LINE + o] : 0) + from[k * g->og + o];                      \
                    }                                                                                                      \
                }                                                                                                          \
            }                                                                                                              \
            g->kernel->transpose(wide, high, sum, LINE, turned, BLOCK);                                                    \
            for (int64_t o = 0; o < wide; o++) {                                                                           \
                T *to = dweight + (q * g->og + o0 + o) * all + k0;                                                         \
                for (int64_t k = 0; k < high; k++) {                                                                       \
                    to[k] = (accumulate ? to[k] : 0) + turned[o * BLOCK + k];                                              \
                }                                                                                                          \
            }                                                                                                              \
        }                                                                                                                  \
    }

FINISH(float, f32)
FINISH(double, f64)

size_t k_conv_weight_bytes(ag_dtype dtype, const k_conv *p, int threads)
{
    if (is_depthwise(p)) {
        return k_depthwise_bytes(dtype, p);
    }
    plan g = plan_forward(dtype, p);
    return split_weight(&g, p, threads).total;
}

void k_conv_weight(ag_dtype dtype, int threads, const k_conv *p, const void *x, const void *dy, bool accumulate,
                   void *dweight, void *work)
{
    int64_t all = p->c / p->groups * p->kh * p->kw, positions = p->n * p->oh * p->ow;
    if (positions == 0) {
        if (!accumulate) {
            memset(dweight, 0, (size_t)(p->o * all) * ag_dtype_size(dtype));
        }
        return;
    }
    if (is_depthwise(p)) {
        k_depthwise_weight(dtype, threads, p, x, dy, accumulate, dweight, work);
        return;
    }
    plan g = plan_forward(dtype, p);
    split s = split_weight(&g, p, threads);
    int64_t *step = work;
    steps_forward(&g, p, step);
    char *sums = (char *)work + s.sums;
    int64_t lines = divide_up(g.og, LINE);
    int team = team_for(threads, p, s.parts * s.slices);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        char *own = (char *)work + s.scratch + (size_t)omp_get_thread_num() * g.scratch;
#pragma omp for schedule(dynamic)
        for (int64_t task = 0; task < s.parts * s.slices; task++) {
            int64_t part = task / s.slices, slice = task % s.slices;
            int64_t first = g.bands * part / s.parts, last = g.bands * (part + 1) / s.parts;
            for (int64_t i = first; i < last; i++) {
                band b = band_at(&g, i, x, own);
                sweep_band(&g, &b, step, all, all * slice / s.slices, all * (slice + 1) / s.slices, dy,
                           sums + (size_t)part * s.part, i > first);
            }
        }
#pragma omp for schedule(static)
        for (int64_t i = 0; i < g.groups * lines; i++) {
            int64_t o0 = i % lines * LINE, o1 = at_most(o0 + LINE, g.og);
            if (dtype == AG_FLOAT64) {
                finish_f64(&g, &s, all, sums, i / lines, o0, o1, accumulate, dweight);
            } else {
                finish_f32(&g, &s, all, sums, i / lines, o0, o1, accumulate, dweight);
            }
        }
    }
}
