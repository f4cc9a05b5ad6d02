/*
 * Clipping of gradients, over all groups of an optimizer. Works on the parameters that a step would
 * move, and only on their elements: the padding between them stays zero whatever the scale is. Must
 * not know any update rule.
 */
#include "internal.h"

#include <math.h>

#include "../autograd/parallel.h"

/* Squares are summed in double for both types: in lanes, so that additions need not wait for one
 * another, and in pieces whose sums are added in order. */
#define CLIP_LANES 32

#define CLIP_LOOPS(real)                                                                \
    AG_MULTIVERSION static double sum_squares_##real(int64_t n, const real *restrict g) \
    {                                                                                   \
        double lane[CLIP_LANES] = { 0 }, sum = 0;                                       \
        int64_t i = 0;                                                                  \
        for (; i + CLIP_LANES <= n; i += CLIP_LANES) {                                  \
            for (int k = 0; k < CLIP_LANES; k++) {                                      \
                lane[k] += (double)g[i + k] * (double)g[i + k];                         \
            }                                                                           \
        }                                                                               \
        for (int k = 0; k < CLIP_LANES; k++) {                                          \
            sum += lane[k];                                                             \
        }                                                                               \
        for (; i < n; i++) {                                                            \
            sum += (double)g[i] * (double)g[i];                                         \
        }                                                                               \
        return sum;                                                                     \
    }                                                                                   \
                                                                                        \
    AG_MULTIVERSION static void scale_##real(int64_t n, real *restrict g, real factor)  \
    {                                                                                   \
        for (int64_t i = 0; i < n; i++) {                                               \
            g[i] *= factor;                                                             \
        }                                                                               \
    }                                                                                   \
                                                                                        \
    /* The comparisons leave NaN as it is. */                                           \
    AG_MULTIVERSION static void clamp_##real(int64_t n, real *restrict g, real max)     \
    {                                                                                   \
        for (int64_t i = 0; i < n; i++) {                                               \
            real x = g[i] > max ? max : g[i];                                           \
            g[i] = x < -max ? -max : x;                                                 \
        }                                                                               \
    }

CLIP_LOOPS(float)
CLIP_LOOPS(double)

static double sum_squares(ag_dtype dtype, int64_t n, const void *g)
{
    return dtype == AG_FLOAT32 ? sum_squares_float(n, g) : sum_squares_double(n, g);
}

static void scale(ag_dtype dtype, int64_t n, void *g, double factor)
{
    if (dtype == AG_FLOAT32) {
        scale_float(n, g, (float)factor);
    } else {
        scale_double(n, g, factor);
    }
}

static void clamp(ag_dtype dtype, int64_t n, void *g, double max)
{
    if (dtype == AG_FLOAT32) {
        clamp_float(n, g, (float)max);
    } else {
        clamp_double(n, g, max);
    }
}

/* Piece i of a gradient, and its number of elements. */
static void *piece(const ag_leaf_raw *raw, int64_t i, int64_t *n)
{
    int64_t rest = raw->numel - i * OPTIM_PIECE;
    *n = rest < OPTIM_PIECE ? rest : OPTIM_PIECE;
    return (char *)raw->grad + (size_t)i * OPTIM_PIECE * ag_dtype_size(raw->dtype);
}

static int64_t pieces_of(const ag_leaf_raw *raw)
{
    return (raw->numel + OPTIM_PIECE - 1) / OPTIM_PIECE;
}

static int team(const ag_leaf_raw *raw)
{
    return raw->numel > OPTIM_PARALLEL ? ag_threads() : 1;
}

/* Partial sums are on the stack, a batch of them at a time: clipping allocates nothing. */
#define CLIP_BATCH 256

struct squares {
    const ag_leaf_raw *raw;
    int64_t first; /* piece */
    double *partial;
};

static void squares_of_piece(const void *task, int64_t i)
{
    const struct squares *t = task;
    int64_t n;
    const void *g = piece(t->raw, t->first + i, &n);
    t->partial[i] = sum_squares(t->raw->dtype, n, g);
}

static double gradient_sum_squares(const ag_leaf_raw *raw)
{
    if (raw->numel <= OPTIM_PIECE) {
        return sum_squares(raw->dtype, raw->numel, raw->grad);
    }
    double total = 0;
    int64_t pieces = pieces_of(raw);
    for (int64_t first = 0; first < pieces; first += CLIP_BATCH) {
        double partial[CLIP_BATCH];
        int64_t now = pieces - first < CLIP_BATCH ? pieces - first : CLIP_BATCH;
        struct squares task = { raw, first, partial };
        ag_parallel(team(raw), now, squares_of_piece, &task);
        for (int64_t i = 0; i < now; i++) {
            total += partial[i];
        }
    }
    return total;
}

typedef void (*gradient_loop)(ag_dtype dtype, int64_t n, void *g, double value);

struct change {
    const ag_leaf_raw *raw;
    gradient_loop loop;
    double value;
};

static void change_piece(const void *task, int64_t i)
{
    const struct change *t = task;
    int64_t n;
    void *g = piece(t->raw, i, &n);
    t->loop(t->raw->dtype, n, g, t->value);
}

static void apply(optim *o, gradient_loop loop, double value)
{
    for (int k = 0; k < o->group_count; k++) {
        for (int64_t p = 0; p < o->groups[k].count; p++) {
            const struct optim_parameter *parameter = &o->groups[k].parameters[p];
            const ag_leaf_raw *raw = &parameter->raw;
            if (!optim_moves(parameter)) {
                continue;
            }
            struct change task = { raw, loop, value };
            ag_parallel(team(raw), pieces_of(raw), change_piece, &task);
            ag_leaf_changed(ag_grad_of(parameter->tensor));
        }
    }
}

/* Validates a limit and fetches the gradients; a limit may be infinite. */
static bool begin(const char *function, optim *o, const char *argument, double max)
{
    if (!optim_usable(ag_caller(), function, o)) {
        return false;
    }
    if (!(max >= 0)) {
        ag_error_raise(ag_caller(), AG_ERROR_VALUE, "%s: %s is %g, it must be at least 0", function,
                       argument, max);
        return false;
    }
    return optim_fetch(ag_caller(), o);
}

double optim_clip_grad_norm(optim *o, double max_norm)
{
    if (!begin("optim_clip_grad_norm", o, "max_norm", max_norm)) {
        return NAN;
    }
    double sum = 0;
    for (int k = 0; k < o->group_count; k++) {
        for (int64_t p = 0; p < o->groups[k].count; p++) {
            if (optim_moves(&o->groups[k].parameters[p])) {
                sum += gradient_sum_squares(&o->groups[k].parameters[p].raw);
            }
        }
    }
    double norm = sqrt(sum);
    /* A NaN in any gradient spreads to all, as in PyTorch: better seen now than a step later. */
    double factor = max_norm / (norm + 1e-6);
    if (!(factor >= 1) && !isinf(max_norm)) {
        apply(o, scale, factor);
    }
    return norm;
}

void optim_clip_grad_value(optim *o, double max)
{
    if (begin("optim_clip_grad_value", o, "max", max)) {
        apply(o, clamp, max);
    }
}
