/*
 * Convolution of channels-last images and the gradient of its weight on the register tile: no
 * im2col. Must not know tensors.
 *
 * Note [Convolution by steps]: the tile finds A[i][k] at row i's pointer plus step k. For a
 * convolution row i is an output position, its pointer the corner of its window, and step k the way
 * from the corner to the k-th number of the window, the same for every position. So the product
 * reads the images where they lie; only images that need zeros around them are copied, band by
 * band, into working memory that stays in the cache. The two products are
 *
 *   forward          y[position][o] = sum over k of x[corner(position) + step(k)] weight[o][k]
 *   weight gradient  dw[k][o] = sum over positions of x[corner(position) + step(k)] dy[position][o]
 *
 * Note [Bands]: the work is cut into bands, some images or some rows of one image, by the shape
 * alone, so that any number of threads gives the same bits.
 */
#include <string.h>

#include "autograd/kernels/conv.h"
#include "autograd/kernels/depthwise.h"
#include "autograd/kernels/kernels.h"
#include "autograd/kernels/tile.h"

enum {
    POSITIONS = 256, /* of a band, about; row pointers at once */
    DEPTH = 192,     /* k at once, in float32: a packed panel of so many rows lies in L1 */
    SWEEP = 192,     /* positions that the weight gradient sums at once */
};

/* ---- plan ------------------------------------------------------------------------------------ */

typedef struct plan {
    const k_conv *p;
    const k_tile_kernel *kernel;
    size_t size;
    int64_t cg, og, k; /* channels of a group, in and out; numbers of a window, cg kh kw */
    int64_t reach[2],
        padded[2]; /* extent of a window; lengths of an image with the zeros around it */
    bool copies;   /* bands are copied with zeros around them */
    /* A band: `images` whole images, or `rows` rows of positions of one image. */
    int64_t images, rows, bands_down, bands;
    size_t scratch; /* bytes of a copied band */
} plan;

static plan plan_make(ag_dtype dtype, const k_conv *p)
{
    plan g = { .p = p,
               .kernel = k_tile_for(dtype),
               .size = ag_dtype_size(dtype),
               .cg = p->c / p->groups,
               .og = p->o / p->groups };
    int64_t length[2] = { p->h, p->w }, before[2] = { p->pad_top, p->pad_left },
            taps[2] = { p->kh, p->kw };
    int64_t count[2] = { p->oh, p->ow };
    g.k = g.cg * p->kh * p->kw;
    for (int d = 0; d < 2; d++) {
        g.reach[d] = (taps[d] - 1) * p->dilation[d] + 1;
        g.padded[d] = at_least((count[d] - 1) * p->stride[d] + g.reach[d], before[d] + length[d]);
        g.copies = g.copies || g.padded[d] != length[d];
    }
    int64_t each = at_least(p->oh * p->ow, 1);
    int64_t target = at_most(at_least(p->n * each / 16, 32), POSITIONS);
    g.images = at_least(at_most(target / each, p->n), 1);
    g.bands_down = at_most(at_least(each / target, 1), at_least(p->oh, 1));
    g.rows = divide_up(p->oh, g.bands_down);
    g.bands_down = g.rows > 0 ? divide_up(p->oh, g.rows) : 0;
    g.bands = divide_up(p->n, g.images) * g.bands_down;
    int64_t high = at_least(g.rows - 1, 0) * p->stride[0] + g.reach[0];
    g.scratch =
        g.copies ? line_up((size_t)(g.images * high * g.padded[1] * p->c) * g.size) + 64 : 0;
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
    const k_conv *p = g->p;
    band b = { .image = index / g->bands_down * g->images, .row = index % g->bands_down * g->rows };
    b.images = at_most(g->images, p->n - b.image);
    b.rows = at_most(g->rows, p->oh - b.row);
    int64_t corner = b.row * p->stride[0];
    size_t line = (size_t)(p->w * p->c) * g->size;
    if (!g->copies) {
        b.high = p->h;
        b.from = x + (size_t)(b.image * p->h + corner) * line;
        return b;
    }
    b.high = (b.rows - 1) * p->stride[0] + g->reach[0];
    b.from = scratch;
    size_t left = (size_t)(p->pad_left * p->c) * g->size,
           wide = (size_t)(g->padded[1] * p->c) * g->size;
    for (int64_t i = 0; i < b.images; i++) {
        for (int64_t r = 0; r < b.high; r++, scratch += wide) {
            int64_t y = corner + r - p->pad_top;
            if (y < 0 || y >= p->h) {
                memset(scratch, 0, wide);
            } else {
                memset(scratch, 0, left);
                memcpy(scratch + left, x + (size_t)((b.image + i) * p->h + y) * line, line);
                memset(scratch + left + line, 0, wide - left - line);
            }
        }
    }
    return b;
}

/* Goes through the positions of a band in memory order, a block at a time. */
typedef struct walk {
    int64_t image, row, column;
} walk;

/* The corners of the next positions, at most `most`, in elements from the band's; returns how many
 * there were. */
static int64_t walk_corners(const plan *g, const band *b, walk *at, int64_t most, int64_t *corner)
{
    const k_conv *p = g->p;
    int64_t now = 0, apart = p->stride[1] * p->c;
    while (now < most && at->image < b->images) {
        int64_t room = at_most(p->ow - at->column, most - now);
        int64_t start = (at->image * b->high + at->row * p->stride[0]) * g->padded[1] * p->c +
                        at->column * apart;
        for (int64_t i = 0; i < room; i++) {
            corner[now + i] = start + i * apart;
        }
        now += room;
        at->column += room;
        if (at->column == p->ow) {
            at->column = 0;
            if (++at->row == b->rows) {
                at->row = 0;
                at->image++;
            }
        }
    }
    return now;
}

/* Steps through a window of x: in the order (c, kh, kw) of the weight, or (kh, kw, c) as the image
 * lies. */
static void steps_make(const plan *g, bool as_image, int64_t *step)
{
    const k_conv *p = g->p;
    int64_t taps = p->kh * p->kw;
    for (int64_t c = 0; c < g->cg; c++) {
        for (int64_t tap = 0; tap < taps; tap++) {
            int64_t down = tap / p->kw * p->dilation[0], across = tap % p->kw * p->dilation[1];
            step[as_image ? tap * g->cg + c : c * taps + tap] =
                (down * g->padded[1] + across) * p->c + c;
        }
    }
}

/* ---- forward --------------------------------------------------------------------------------- */

/* [group][panel][k][width] */
static size_t packed_at(const plan *g, int64_t q, int64_t column)
{
    return (size_t)(g->k * (q * k_panel_columns(g->kernel, g->og) + column)) * g->size;
}

static void forward_band(const plan *g, const band *b, const int64_t *step, const char *packed,
                         const char *bias, char *y)
{
    const k_conv *p = g->p;
    int64_t depth = DEPTH * (int64_t)sizeof(float) / (int64_t)g->size,
            panels = k_panel_count(g->kernel, g->og);
    size_t pixel = (size_t)p->o * g->size;
    char *to = y + (size_t)((b->image * p->oh + b->row) * p->ow) * pixel;
    int64_t corner[POSITIONS], now;
    const void *a[POSITIONS];
    void *c[POSITIONS];
    walk at = { 0, 0, 0 };
    while ((now = walk_corners(g, b, &at, POSITIONS, corner)) > 0) {
        for (int64_t i = 0; i < now; i++) {
            a[i] = b->from + corner[i] * (int64_t)g->size;
            c[i] = to + (size_t)i * pixel;
        }
        to += (size_t)now * pixel;
        for (int64_t q = 0; q < p->groups; q++) {
            for (int64_t j = 0; j < panels; j++) {
                k_panel panel = k_panel_at(g->kernel, g->og, j);
                const char *w = packed + packed_at(g, q, panel.start);
                int64_t column = q * g->og + panel.start, l = 0;
                do {
                    k_tile t = {
                        .m = now,
                        .n = panel.n,
                        .k = at_most(g->k - l, depth),
                        .a = a,
                        .a_offset = q * g->cg,
                        .step = step + l,
                        .b = w + (size_t)(l * panel.width) * g->size,
                        .ldb = panel.width,
                        .c = c,
                        .c_offset = column,
                        .bias = bias == NULL ? NULL : bias + (size_t)column * g->size,
                        .accumulate = l > 0,
                    };
                    g->kernel->run(&t);
                    l += depth;
                } while (l < g->k);
            }
        }
    }
}

/* Working memory: steps, packed weights, then a copied band for each thread. */
typedef struct layout {
    size_t packed, scratch, total;
} layout;

static layout layout_forward(const plan *g, int threads)
{
    layout l;
    l.packed = line_up((size_t)g->k * sizeof(int64_t));
    l.scratch = l.packed + line_up(packed_at(g, g->p->groups, 0));
    l.total = l.scratch + (size_t)at_least(threads, 1) * g->scratch;
    return l;
}

size_t k_conv_forward_bytes(ag_dtype dtype, const k_conv *p, int threads)
{
    if (conv_is_depthwise(p)) {
        return k_depthwise_bytes(dtype, p);
    }
    plan g = plan_make(dtype, p);
    return layout_forward(&g, threads).total;
}

struct forward {
    plan g;
    const char *x, *weight, *bias;
    const int64_t *step;
    char *packed, *scratch, *y;
};

/* The weight lies in the order (c, kh, kw) for each o; columns are wanted. */
static void pack_weight_panel(const void *task, int64_t i)
{
    const struct forward *t = task;
    const plan *g = &t->g;
    int64_t panels = k_panel_count(g->kernel, g->og), q = i / panels;
    k_panel panel = k_panel_at(g->kernel, g->og, i % panels);
    const char *from = t->weight + (size_t)((q * g->og + panel.start) * g->k) * g->size;
    g->kernel->transpose(g->k, panel.n, from, g->k, t->packed + packed_at(g, q, panel.start),
                         panel.width);
}

static void forward_turn(const void *task, int64_t i)
{
    const struct forward *t = task;
    band b = band_at(&t->g, i, t->x, t->scratch + (size_t)ag_parallel_member() * t->g.scratch);
    forward_band(&t->g, &b, t->step, t->packed, t->bias, t->y);
}

void k_conv_forward(ag_dtype dtype, int threads, const k_conv *p, const void *x, const void *weight,
                    const void *bias, void *y, void *work)
{
    if (conv_is_depthwise(p)) {
        k_depthwise_forward(dtype, threads, p, x, weight, bias, y, work);
        return;
    }
    struct forward t = { .g = plan_make(dtype, p), .x = x, .weight = weight, .bias = bias, .step = work, .y = y };
    layout l = layout_forward(&t.g, threads);
    t.packed = (char *)work + l.packed;
    t.scratch = (char *)work + l.scratch;
    steps_make(&t.g, false, work);
    int team = conv_team(threads, p, t.g.bands);
    ag_parallel(team, p->groups * k_panel_count(t.g.kernel, t.g.og), pack_weight_panel, &t);
    ag_parallel(team, t.g.bands, forward_turn, &t);
}

/* ---- weight gradient ------------------------------------------------------------------------- */

/* The bands are dealt to `parts`, each with a sum of its own, and k to `slices`. */
typedef struct split {
    int64_t parts, slices;
    size_t part; /* bytes of one sum [group][k][og] */
    size_t sums, scratch, total;
} split;

static split split_weight(const plan *g, int threads)
{
    int64_t numbers = g->p->groups * g->k * g->og;
    split s;
    s.slices = numbers <= 8192 ? 1 : at_most(at_least(g->k / 48, 1), 2);
    s.parts = at_least(at_most(8 / s.slices, g->bands), 1);
    s.part = line_up((size_t)numbers * g->size);
    s.sums = line_up((size_t)g->k * sizeof(int64_t));
    s.scratch = s.sums + (size_t)s.parts * s.part;
    s.total = s.scratch + (size_t)at_least(threads, 1) * g->scratch;
    return s;
}

/* Adds one band to a sum [group][k][og], for the window's numbers [k0, k1). */
static void sweep_band(const plan *g, const band *b, const int64_t *step, int64_t k0, int64_t k1,
                       const char *dy, char *sum, bool accumulate)
{
    const k_conv *p = g->p;
    int64_t size = (int64_t)g->size, panels = k_panel_count(g->kernel, g->og), corner[SWEEP], now;
    const char *right = dy + (b->image * p->oh + b->row) * p->ow * p->o * size;
    const void *a[POSITIONS];
    void *c[POSITIONS];
    walk at = { 0, 0, 0 };
    while ((now = walk_corners(g, b, &at, SWEEP, corner)) > 0) {
        for (int64_t q = 0; q < p->groups; q++) {
            for (int64_t i = k0; i < k1; i += POSITIONS) {
                int64_t rows = at_most(k1 - i, POSITIONS);
                for (int64_t r = 0; r < rows; r++) {
                    a[r] = b->from + (step[i + r] + q * g->cg) * size;
                    c[r] = sum + (q * g->k + i + r) * g->og * size;
                }
                for (int64_t j = 0; j < panels; j++) {
                    k_panel panel = k_panel_at(g->kernel, g->og, j);
                    k_tile t = {
                        .m = rows,
                        .n = panel.n,
                        .k = now,
                        .a = a,
                        .step = corner,
                        .b = right + (q * g->og + panel.start) * size,
                        .ldb = p->o,
                        .c = c,
                        .c_offset = panel.start,
                        .accumulate = accumulate,
                    };
                    g->kernel->run(&t);
                }
            }
        }
        right += now * p->o * size;
        accumulate = true;
    }
}

enum {
    LINE = 16,  /* outputs that are finished at once */
    BLOCK = 64, /* and their numbers k */
};

/* dweight[o][c][tap] = (accumulate ? itself : 0) + the parts' sums[tap][c][o], for the outputs [o0,
 * o1) of group q. */
#define FINISH(T, name)                                                                        \
    static void finish_##name(const plan *g, const split *s, const char *sums, int64_t q,      \
                              int64_t o0, int64_t o1, bool accumulate, T *dweight)             \
    {                                                                                          \
        T sum[BLOCK * LINE], turned[LINE * BLOCK];                                             \
        int64_t wide = o1 - o0, taps = g->p->kh * g->p->kw;                                    \
        for (int64_t k0 = 0; k0 < g->k; k0 += BLOCK) {                                         \
            int64_t high = at_most(g->k - k0, BLOCK);                                          \
            for (int64_t part = 0; part < s->parts; part++) {                                  \
                const T *from =                                                                \
                    (const T *)(sums + (size_t)part * s->part) + (q * g->k + k0) * g->og + o0; \
                for (int64_t k = 0; k < high; k++) {                                           \
                    for (int64_t o = 0; o < wide; o++) {                                       \
                        sum[k * LINE + o] =                                                    \
                            (part > 0 ? sum[k * LINE + o] : 0) + from[k * g->og + o];          \
                    }                                                                          \
                }                                                                              \
            }                                                                                  \
            g->kernel->transpose(wide, high, sum, LINE, turned, BLOCK);                        \
            for (int64_t o = 0; o < wide; o++) {                                               \
                T *to = dweight + (q * g->og + o0 + o) * g->k;                                 \
                int64_t tap = k0 / g->cg, c = k0 % g->cg;                                      \
                for (int64_t k = 0; k < high; k++) {                                           \
                    int64_t at = c * taps + tap;                                               \
                    to[at] = (accumulate ? to[at] : 0) + turned[o * BLOCK + k];                \
                    if (++c == g->cg) {                                                        \
                        c = 0;                                                                 \
                        tap++;                                                                 \
                    }                                                                          \
                }                                                                              \
            }                                                                                  \
        }                                                                                      \
    }

FINISH(float, f32)
FINISH(double, f64)

size_t k_conv_weight_bytes(ag_dtype dtype, const k_conv *p, int threads)
{
    if (conv_is_depthwise(p)) {
        return k_depthwise_bytes(dtype, p);
    }
    plan g = plan_make(dtype, p);
    return split_weight(&g, threads).total;
}

struct weight {
    ag_dtype dtype;
    plan g;
    split s;
    const char *x, *dy;
    const int64_t *step;
    char *sums, *scratch;
    bool accumulate;
    void *dweight;
};

static void sweep_turn(const void *task, int64_t turn)
{
    const struct weight *t = task;
    const plan *g = &t->g;
    char *own = t->scratch + (size_t)ag_parallel_member() * g->scratch;
    int64_t part = turn / t->s.slices, slice = turn % t->s.slices;
    int64_t first = g->bands * part / t->s.parts, last = g->bands * (part + 1) / t->s.parts;
    for (int64_t i = first; i < last; i++) {
        band b = band_at(g, i, t->x, own);
        sweep_band(g, &b, t->step, g->k * slice / t->s.slices, g->k * (slice + 1) / t->s.slices,
                   t->dy, t->sums + (size_t)part * t->s.part, i > first);
    }
}

static void finish_turn(const void *task, int64_t i)
{
    const struct weight *t = task;
    int64_t lines = divide_up(t->g.og, LINE), q = i / lines;
    int64_t o0 = i % lines * LINE, o1 = at_most(o0 + LINE, t->g.og);
    if (t->dtype == AG_FLOAT64) {
        finish_f64(&t->g, &t->s, t->sums, q, o0, o1, t->accumulate, t->dweight);
    } else {
        finish_f32(&t->g, &t->s, t->sums, q, o0, o1, t->accumulate, t->dweight);
    }
}

void k_conv_weight(ag_dtype dtype, int threads, const k_conv *p, const void *x, const void *dy,
                   bool accumulate, void *dweight, void *work)
{
    int64_t positions = p->n * p->oh * p->ow;
    if (positions == 0) {
        if (!accumulate) {
            memset(dweight, 0,
                   (size_t)(p->o * (p->c / p->groups) * p->kh * p->kw) * ag_dtype_size(dtype));
        }
        return;
    }
    if (conv_is_depthwise(p)) {
        k_depthwise_weight(dtype, threads, p, x, dy, accumulate, dweight, work);
        return;
    }
    int64_t *step = work;
    struct weight t = {
        .dtype = dtype,
        .g = plan_make(dtype, p),
        .x = x,
        .dy = dy,
        .step = step,
        .accumulate = accumulate,
        .dweight = dweight,
    };
    t.s = split_weight(&t.g, threads);
    t.sums = (char *)work + t.s.sums;
    t.scratch = (char *)work + t.s.scratch;
    steps_make(&t.g, true, step);
    int team = conv_team(threads, p, t.s.parts * t.s.slices);
    ag_parallel(team, t.s.parts * t.s.slices, sweep_turn, &t);
    ag_parallel(team, p->groups * divide_up(t.g.og, LINE), finish_turn, &t);
}
