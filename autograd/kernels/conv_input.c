/*
 * The gradient of a convolution's input, tap by tap. Must not know tensors.
 *
 * Note [Scattering taps]: every tap (kh, kw) of the kernel sends position (oy, ox) of dy to the
 * pixel (oy s + kh d - pad, ox s + kw d - pad) of dx, if there is one. No zeros are multiplied,
 * neither those around an image nor those that a stride would insert. There are two ways:
 *
 *   many channels: for one tap all pixels differ, so the tile adds dy[position] W[tap] into dx
 *                  where it lies;
 *   few channels:  the columns of all taps together fill the vectors: Z[position] =
 *                  dy[position] W for a block of positions in the cache, whose rows are then
 *                  added into dx, a run of KW C numbers for each kh.
 */
#include <string.h>

#include "autograd/kernels/conv.h"
#include "autograd/kernels/depthwise.h"
#include "autograd/kernels/kernels.h"
#include "autograd/kernels/tile.h"

enum {
    POSITIONS = 256, /* row pointers at once */
    DEPTH = 192,     /* k at once, in float32 */
    BLOCK = 32768,   /* numbers of Z at once, about */
};

typedef struct plan {
    const k_conv *p;
    const k_tile_kernel *kernel;
    size_t size;
    int64_t cg, og, taps;
    bool few;        /* few channels */
    int64_t columns; /* that the tile makes at once: cg, or those of all taps */
    int64_t depth;   /* DEPTH for this type */
    /* A band: `images` whole images or, with many channels, `rows` rows of one image. */
    int64_t images, rows, bands_down, bands;
    int64_t block; /* rows of Z */
    size_t packed, scratch, total;
    size_t own; /* bytes of Z for each thread */
} plan;

static plan plan_input(ag_dtype dtype, const k_conv *p, int threads)
{
    plan g = { .p = p,
               .kernel = k_tile_for(dtype),
               .size = ag_dtype_size(dtype),
               .cg = p->c / p->groups,
               .og = p->o / p->groups,
               .taps = p->kh * p->kw };
    g.few = g.cg < g.kernel->lanes && g.taps > 1;
    g.columns = g.few ? g.taps * g.cg : g.cg;
    g.depth = DEPTH * (int64_t)sizeof(float) / (int64_t)g.size;
    int64_t each = at_least(p->h * p->w, 1);
    int64_t target = at_most(at_least(p->n * each / 16, 32), POSITIONS);
    g.images = at_least(at_most(target / each, p->n), 1);
    g.bands_down = g.few ? 1 : at_most(at_least(each / target, 1), at_least(p->h, 1));
    g.rows = divide_up(p->h, g.bands_down);
    g.bands_down = g.rows > 0 ? divide_up(p->h, g.rows) : 0;
    g.bands = divide_up(p->n, g.images) * g.bands_down;

    g.packed = line_up((size_t)at_least(g.og, 1) * sizeof(int64_t));
    size_t weights = (size_t)(p->groups * g.og * k_panel_columns(g.kernel, g.columns)) * g.size;
    g.scratch = g.packed + line_up(weights * (size_t)(g.few ? 1 : g.taps));
    g.block = at_most(at_least(BLOCK / at_least(g.columns, 1), 8), POSITIONS);
    g.own = g.few ? line_up((size_t)(g.block * g.columns) * g.size) : 0;
    g.total = g.scratch + (size_t)at_least(threads, 1) * g.own;
    return g;
}

/* The positions [first, last) of dy that tap k sends to the places [low, high) of dimension d. */
static void senders(const k_conv *p, int d, int64_t k, int64_t low, int64_t high, int64_t *first,
                    int64_t *last)
{
    int64_t shift = k * p->dilation[d] - (d == 0 ? p->pad_top : p->pad_left),
            length = d == 0 ? p->oh : p->ow;
    *first = low > shift ? divide_up(low - shift, p->stride[d]) : 0;
    *last = high > shift ? at_most(divide_up(high - shift, p->stride[d]), length) : 0;
}

/* ---- many channels --------------------------------------------------------------------------- */

/* [tap][group][panel][o][width] */
static size_t packed_at(const plan *g, int64_t tap, int64_t q, int64_t column)
{
    return (size_t)((tap * g->p->groups + q) * k_panel_columns(g->kernel, g->cg) + column) *
           (size_t)g->og * g->size;
}

static void pack_many(const plan *g, const char *weight, int64_t q, int64_t o, char *packed)
{
    int64_t apart = g->p->groups * k_panel_columns(g->kernel, g->cg) * g->og;
    for (int64_t j = 0; j < k_panel_count(g->kernel, g->cg); j++) {
        k_panel panel = k_panel_at(g->kernel, g->cg, j);
        const char *from =
            weight + (size_t)(((q * g->og + o) * g->cg + panel.start) * g->taps) * g->size;
        char *to = packed + packed_at(g, 0, q, panel.start) + (size_t)(o * panel.width) * g->size;
        g->kernel->transpose(g->taps, panel.n, from, g->taps, to, apart);
    }
}

/* dx[c] += dy[a] W[tap] for `now` positions. */
static void add_tap(const plan *g, int64_t tap, int64_t now, const void *const *a, void *const *c,
                    const int64_t *step, const char *packed)
{
    for (int64_t q = 0; q < g->p->groups; q++) {
        for (int64_t j = 0; j < k_panel_count(g->kernel, g->cg); j++) {
            k_panel panel = k_panel_at(g->kernel, g->cg, j);
            const char *b = packed + packed_at(g, tap, q, panel.start);
            for (int64_t l = 0; l < g->og; l += g->depth) {
                k_tile t = {
                    .m = now,
                    .n = panel.n,
                    .k = at_most(g->og - l, g->depth),
                    .a = a,
                    .a_offset = q * g->og + l,
                    .step = step,
                    .b = b + (size_t)(l * panel.width) * g->size,
                    .ldb = panel.width,
                    .c = c,
                    .c_offset = q * g->cg + panel.start,
                    .accumulate = true,
                };
                g->kernel->run(&t);
            }
        }
    }
}

static void band_many(const plan *g, int64_t band, const char *dy, const int64_t *step,
                      const char *packed, char *dx)
{
    const k_conv *p = g->p;
    int64_t image = band / g->bands_down * g->images, end = at_most(image + g->images, p->n);
    int64_t low = band % g->bands_down * g->rows, high = at_most(low + g->rows, p->h);
    size_t line = (size_t)(p->w * p->c) * g->size, from = (size_t)p->o * g->size;
    size_t to = (size_t)(p->stride[1] * p->c) * g->size;
    const void *a[POSITIONS];
    void *c[POSITIONS];
    for (int64_t i = image; i < end; i++) {
        memset(dx + (size_t)(i * p->h + low) * line, 0, (size_t)(high - low) * line);
    }
    for (int64_t tap = 0; tap < g->taps; tap++) {
        int64_t kh = tap / p->kw, kw = tap % p->kw, top, bottom, left, right, now = 0;
        senders(p, 0, kh, low, high, &top, &bottom);
        senders(p, 1, kw, 0, p->w, &left, &right);
        for (int64_t i = image; i < end; i++) {
            for (int64_t oy = top; oy < bottom; oy++) {
                int64_t y = oy * p->stride[0] + kh * p->dilation[0] - p->pad_top;
                int64_t x = left * p->stride[1] + kw * p->dilation[1] - p->pad_left;
                const char *source = dy + (size_t)((i * p->oh + oy) * p->ow + left) * from;
                char *target = dx + (size_t)(i * p->h + y) * line + (size_t)(x * p->c) * g->size;
                for (int64_t ox = left; ox < right;) {
                    int64_t room = at_most(right - ox, POSITIONS - now);
                    for (int64_t r = 0; r < room; r++, source += from, target += to) {
                        a[now + r] = source;
                        c[now + r] = target;
                    }
                    ox += room;
                    now += room;
                    if (now == POSITIONS) {
                        add_tap(g, tap, now, a, c, step, packed);
                        now = 0;
                    }
                }
            }
        }
        if (now > 0) {
            add_tap(g, tap, now, a, c, step, packed);
        }
    }
}

/* ---- few channels ---------------------------------------------------------------------------- */

/* Z's columns are (kh, kw, c). [group][panel][o][width] */
#define FEW(T, name)                                                                             \
    static void pack_few_##name(const plan *g, const T *weight, int64_t q, int64_t o, T *packed) \
    {                                                                                            \
        const T *from = weight + (q * g->og + o) * g->columns;                                   \
        packed += q * g->og * k_panel_columns(g->kernel, g->columns);                            \
        for (int64_t j = 0; j < k_panel_count(g->kernel, g->columns); j++) {                     \
            k_panel panel = k_panel_at(g->kernel, g->columns, j);                                \
            T *to = packed + panel.start * g->og + o * panel.width;                              \
            for (int64_t i = 0; i < panel.width; i++) {                                          \
                int64_t column = panel.start + i, tap = column / g->cg, c = column % g->cg;      \
                to[i] = column < g->columns ? from[c * g->taps + tap] : 0;                       \
            }                                                                                    \
        }                                                                                        \
    }                                                                                            \
                                                                                                 \
    /* Adds the row of Z that belongs to position (oy, ox) into one image of dx, group q. */     \
    AG_MULTIVERSION static void add_row_##name(const plan *g, int64_t q, int64_t oy, int64_t ox, \
                                               const T *restrict z, T *restrict dx)              \
    {                                                                                            \
        const k_conv *p = g->p;                                                                  \
        int64_t x = ox * p->stride[1] - p->pad_left, cg = g->cg;                                 \
        bool together = p->dilation[1] == 1 && p->groups == 1;                                   \
        int64_t first = x < 0 ? -x : 0, last = at_most(p->kw, p->w - x);                         \
        for (int64_t kh = 0; kh < p->kh; kh++) {                                                 \
            int64_t y = oy * p->stride[0] + kh * p->dilation[0] - p->pad_top;                    \
            if (y < 0 || y >= p->h) {                                                            \
                continue;                                                                        \
            }                                                                                    \
            const T *from = z + kh * p->kw * cg;                                                 \
            if (together) {                                                                      \
                T *to = dx + (y * p->w + x) * cg;                                                \
                for (int64_t i = first * cg; i < last * cg; i++) {                               \
                    to[i] += from[i];                                                            \
                }                                                                                \
                continue;                                                                        \
            }                                                                                    \
            for (int64_t kw = 0; kw < p->kw; kw++) {                                             \
                int64_t at = x + kw * p->dilation[1];                                            \
                for (int64_t c = 0; c < cg && at >= 0 && at < p->w; c++) {                       \
                    dx[(y * p->w + at) * p->c + q * cg + c] += from[kw * cg + c];                \
                }                                                                                \
            }                                                                                    \
        }                                                                                        \
    }

FEW(float, f32)
FEW(double, f64)

static void band_few(const plan *g, int64_t band, const char *dy, const int64_t *step,
                     const char *packed, char *dx, char *z)
{
    const k_conv *p = g->p;
    int64_t image = band * g->images, end = at_most(image + g->images, p->n), each = p->oh * p->ow;
    size_t pixels = (size_t)(p->h * p->w * p->c) * g->size;
    const void *a[POSITIONS];
    void *c[POSITIONS];
    memset(dx + (size_t)image * pixels, 0, (size_t)(end - image) * pixels);
    for (int64_t i = image * each; i < end * each; i += g->block) {
        int64_t now = at_most(end * each - i, g->block);
        for (int64_t r = 0; r < now; r++) {
            a[r] = dy + (size_t)((i + r) * p->o) * g->size;
            c[r] = z + (size_t)(r * g->columns) * g->size;
        }
        for (int64_t q = 0; q < p->groups; q++) {
            const char *group =
                packed + (size_t)(q * g->og * k_panel_columns(g->kernel, g->columns)) * g->size;
            for (int64_t j = 0; j < k_panel_count(g->kernel, g->columns); j++) {
                k_panel panel = k_panel_at(g->kernel, g->columns, j);
                for (int64_t l = 0; l < g->og; l += g->depth) {
                    k_tile t = {
                        .m = now,
                        .n = panel.n,
                        .k = at_most(g->og - l, g->depth),
                        .a = a,
                        .a_offset = q * g->og + l,
                        .step = step,
                        .b = group + (size_t)(panel.start * g->og + l * panel.width) * g->size,
                        .ldb = panel.width,
                        .c = c,
                        .c_offset = panel.start,
                        .accumulate = l > 0,
                    };
                    g->kernel->run(&t);
                }
            }
            for (int64_t r = 0; r < now; r++) {
                int64_t position = i + r, oy = position / p->ow % p->oh, ox = position % p->ow;
                char *to = dx + (size_t)(position / each) * pixels;
                if (g->size == sizeof(float)) {
                    add_row_f32(g, q, oy, ox, c[r], (float *)to);
                } else {
                    add_row_f64(g, q, oy, ox, c[r], (double *)to);
                }
            }
        }
    }
}

/* ---- the two ways ---------------------------------------------------------------------------- */

size_t k_conv_input_bytes(ag_dtype dtype, const k_conv *p, int threads)
{
    return conv_is_depthwise(p) ? k_depthwise_bytes(dtype, p) : plan_input(dtype, p, threads).total;
}

struct input {
    ag_dtype dtype;
    plan g;
    const int64_t *step;
    const char *dy, *weight;
    char *packed, *scratch, *dx;
};

static void pack_output(const void *task, int64_t o)
{
    const struct input *t = task;
    const plan *g = &t->g;
    if (!g->few) {
        pack_many(g, t->weight, o / g->og, o % g->og, t->packed);
    } else if (t->dtype == AG_FLOAT64) {
        pack_few_f64(g, (const void *)t->weight, o / g->og, o % g->og, (void *)t->packed);
    } else {
        pack_few_f32(g, (const void *)t->weight, o / g->og, o % g->og, (void *)t->packed);
    }
}

static void input_band(const void *task, int64_t i)
{
    const struct input *t = task;
    if (t->g.few) {
        char *z = t->scratch + (size_t)ag_parallel_member() * t->g.own;
        band_few(&t->g, i, t->dy, t->step, t->packed, t->dx, z);
    } else {
        band_many(&t->g, i, t->dy, t->step, t->packed, t->dx);
    }
}

void k_conv_input(ag_dtype dtype, int threads, const k_conv *p, const void *dy, const void *weight,
                  void *dx, void *work)
{
    if (conv_is_depthwise(p)) {
        k_depthwise_input(dtype, threads, p, dy, weight, dx, work);
        return;
    }
    int64_t *step = work;
    struct input t = {
        .dtype = dtype,
        .g = plan_input(dtype, p, threads),
        .step = step,
        .dy = dy,
        .weight = weight,
        .dx = dx,
    };
    t.packed = (char *)work + t.g.packed;
    t.scratch = (char *)work + t.g.scratch;
    for (int64_t i = 0; i < t.g.og; i++) {
        step[i] = i;
    }
    int team = conv_team(threads, p, t.g.bands);
    ag_parallel(team, p->o, pack_output, &t);
    ag_parallel(team, t.g.bands, input_band, &t);
}
