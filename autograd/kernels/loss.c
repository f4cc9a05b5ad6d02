/*
 * Losses that compare two arrays element by element, in one pass each way. Raw numbers only.
 */
#include <math.h>

#include "autograd/kernels/kernels.h"
#include "autograd/parallel.h"
#include "autograd/kernels/vector.h"

/* Elements in a chunk: a chunk's sum is formed in lanes, the chunks' sums are added one after the other. */
enum { CHUNK = 4096, LANES = 16, WORTH_A_THREAD = 8192 };

#define ABS(x) ((x) < 0 ? -(x) : (x))
#define SIGN(d) ((d) > 0 ? 1 : (d) < 0 ? -1 : (d)) /* NaN stays NaN */

/* For one type and one loss: the value at (x, y), and its derivatives by x and y; c is where smooth_l1 and huber bend. */
#define LOSS(T, name, VALUE, BY_X, BY_Y)                                                                             \
    AG_MULTIVERSION static void values_##name(int64_t n, const T *px, const T *py, T c, T *out)                      \
    {                                                                                                                \
        (void)c;                                                                                                     \
        for (int64_t i = 0; i < n; i++) {                                                                            \
            T x = px[i], y = py[i];                                                                                  \
            out[i] = VALUE;                                                                                          \
        }                                                                                                            \
    }                                                                                                                \
                                                                                                                     \
    AG_MULTIVERSION static double sum_##name(int64_t n, const T *px, const T *py, T c)                               \
    {                                                                                                                \
        (void)c;                                                                                                     \
        T lane[LANES] = { 0 };                                                                                       \
        double sum = 0;                                                                                              \
        int64_t i = 0;                                                                                               \
        for (; i + LANES <= n; i += LANES) {                                                                         \
            for (int j = 0; j < LANES; j++) {                                                                        \
                T x = px[i + j], y = py[i + j];                                                                      \
                lane[j] += VALUE;                                                                                    \
            }                                                                                                        \
        }                                                                                                            \
        for (; i < n; i++) {                                                                                         \
            T x = px[i], y = py[i];                                                                                  \
            sum += (double)(VALUE);                                                                                  \
        }                                                                                                            \
        for (int j = 0; j < LANES; j++) {                                                                            \
            sum += (double)lane[j];                                                                                  \
        }                                                                                                            \
        return sum;                                                                                                  \
    }                                                                                                                \
                                                                                                                     \
    AG_MULTIVERSION static void by_x_##name(int64_t n, const T *px, const T *py, const T *g, int64_t step, T scale,  \
                                            T c, T *out)                                                             \
    {                                                                                                                \
        (void)c;                                                                                                     \
        for (int64_t i = 0; i < n; i++) {                                                                            \
            T x = px[i], y = py[i];                                                                                  \
            (void)x;                                                                                                 \
            (void)y;                                                                                                 \
            out[i] = (BY_X) * (g[i * step] * scale);                                                                 \
        }                                                                                                            \
    }                                                                                                                \
                                                                                                                     \
    AG_MULTIVERSION static void by_y_##name(int64_t n, const T *px, const T *py, const T *g, int64_t step, T scale,  \
                                            T c, T *out)                                                             \
    {                                                                                                                \
        (void)c;                                                                                                     \
        for (int64_t i = 0; i < n; i++) {                                                                            \
            T x = px[i], y = py[i];                                                                                  \
            (void)x;                                                                                                 \
            (void)y;                                                                                                 \
            out[i] = (BY_Y) * (g[i * step] * scale);                                                                 \
        }                                                                                                            \
    }

LOSS(float, mse_f32, (x - y) * (x - y), 2 * (x - y), -2 * (x - y))
LOSS(double, mse_f64, (x - y) * (x - y), 2 * (x - y), -2 * (x - y))
LOSS(float, l1_f32, ABS(x - y), SIGN(x - y), -SIGN(x - y))
LOSS(double, l1_f64, ABS(x - y), SIGN(x - y), -SIGN(x - y))
/* The square up to c, then a line; of smooth_l1 divided by c, so that the line's slope is 1 (c = 0: the line alone). */
#define BEND(x, y, c) (ABS((x) - (y)) < (c))
#define SMOOTH_L1(x, y, c) (BEND(x, y, c) ? ((x) - (y)) * ((x) - (y)) / (2 * (c)) : ABS((x) - (y)) - (c) / 2)
#define SMOOTH_L1_BY_X(x, y, c) (BEND(x, y, c) ? ((x) - (y)) / (c) : SIGN((x) - (y)))
LOSS(float, smooth_l1_f32, SMOOTH_L1(x, y, c), SMOOTH_L1_BY_X(x, y, c), -SMOOTH_L1_BY_X(x, y, c))
LOSS(double, smooth_l1_f64, SMOOTH_L1(x, y, c), SMOOTH_L1_BY_X(x, y, c), -SMOOTH_L1_BY_X(x, y, c))
#define HUBER(x, y, c) (BEND(x, y, c) ? ((x) - (y)) * ((x) - (y)) / 2 : (c) * (ABS((x) - (y)) - (c) / 2))
#define HUBER_BY_X(x, y, c) (BEND(x, y, c) ? (x) - (y) : (c) * SIGN((x) - (y)))
LOSS(float, huber_f32, HUBER(x, y, c), HUBER_BY_X(x, y, c), -HUBER_BY_X(x, y, c))
LOSS(double, huber_f64, HUBER(x, y, c), HUBER_BY_X(x, y, c), -HUBER_BY_X(x, y, c))
/* max(x, 0) - x y, so that an infinite x does not meet another infinity. */
LOSS(float, bce_logits_f32, (x > 0 ? x * (1 - y) : -x * y) + k_log1p_unit_f32(k_exp_f32(-ABS(x))), k_sigmoid_f32(x) - y,
     -x)
LOSS(double, bce_logits_f64, (x > 0 ? x * (1 - y) : -x * y) + k_log1p_unit_f64(k_exp_f64(-ABS(x))), k_sigmoid_f64(x) - y,
     -x)
/* Logarithms end at -100, so that a certain answer that is wrong costs 100 and not infinity. */
#define AT_LEAST(x, low) ((x) < (low) ? (low) : (x))
LOSS(float, bce_f32, (y - 1) * AT_LEAST(log1pf(-x), -100) - y * AT_LEAST(logf(x), -100),
     (x - y) / AT_LEAST((1 - x) * x, 1e-12f), log1pf(-x) - logf(x))
LOSS(double, bce_f64, (y - 1) * AT_LEAST(log1p(-x), -100) - y * AT_LEAST(log(x), -100),
     (x - y) / AT_LEAST((1 - x) * x, (double)1e-12f), log1p(-x) - log(x))
/* y log y is 0 at 0 and NaN below. */
LOSS(float, kl_f32, (y != 0 ? y * logf(y) : 0) - y * x, -y, logf(y) + 1 - x)
LOSS(double, kl_f64, (y != 0 ? y * log(y) : 0) - y * x, -y, log(y) + 1 - x)
LOSS(float, kl_log_f32, k_exp_f32(y) * (y - x), -k_exp_f32(y), k_exp_f32(y) * (y - x + 1))
LOSS(double, kl_log_f64, k_exp_f64(y) * (y - x), -k_exp_f64(y), k_exp_f64(y) * (y - x + 1))

/* Calls do_<kind>_<type> on a chunk that begins at element `at`. */
#define BY_KIND(dtype, kind, DO)                                                                                     \
    switch (kind) {                                                                                                  \
    case K_LOSS_MSE:                                                                                                 \
        if ((dtype) == AG_FLOAT32) { DO(mse_f32, float) } else { DO(mse_f64, double) }                               \
        break;                                                                                                       \
    case K_LOSS_L1:                                                                                                  \
        if ((dtype) == AG_FLOAT32) { DO(l1_f32, float) } else { DO(l1_f64, double) }                                 \
        break;                                                                                                       \
    case K_LOSS_SMOOTH_L1:                                                                                           \
        if ((dtype) == AG_FLOAT32) { DO(smooth_l1_f32, float) } else { DO(smooth_l1_f64, double) }                   \
        break;                                                                                                       \
    case K_LOSS_HUBER:                                                                                               \
        if ((dtype) == AG_FLOAT32) { DO(huber_f32, float) } else { DO(huber_f64, double) }                           \
        break;                                                                                                       \
    case K_LOSS_BCE_LOGITS:                                                                                          \
        if ((dtype) == AG_FLOAT32) { DO(bce_logits_f32, float) } else { DO(bce_logits_f64, double) }                 \
        break;                                                                                                       \
    case K_LOSS_BCE:                                                                                                 \
        if ((dtype) == AG_FLOAT32) { DO(bce_f32, float) } else { DO(bce_f64, double) }                               \
        break;                                                                                                       \
    case K_LOSS_KL:                                                                                                  \
        if ((dtype) == AG_FLOAT32) { DO(kl_f32, float) } else { DO(kl_f64, double) }                                 \
        break;                                                                                                       \
    case K_LOSS_KL_LOG:                                                                                              \
        if ((dtype) == AG_FLOAT32) { DO(kl_log_f32, float) } else { DO(kl_log_f64, double) }                         \
        break;                                                                                                       \
    }

static int64_t chunks_of(int64_t n)
{
    return (n + CHUNK - 1) / CHUNK;
}

size_t k_loss_sum_bytes(int64_t n)
{
    return (size_t)chunks_of(n) * sizeof(double);
}

/* What the chunks of one call share. */
struct loss_task {
    ag_dtype dtype;
    k_loss_kind kind;
    double bend, scale;
    int64_t n;
    const void *x, *y, *g;
    bool g_per_element;
    void *out, *dx, *dy;
    double *part; /* a sum for each chunk */
};

static int team(int threads, int64_t n)
{
    return n > WORTH_A_THREAD ? threads : 1;
}

static int64_t chunk_length(int64_t n, int64_t at)
{
    return n - at < CHUNK ? n - at : CHUNK;
}

static void sum_chunk(const void *task, int64_t i)
{
    const struct loss_task *t = task;
    int64_t at = i * CHUNK, count = chunk_length(t->n, at);
#define DO_SUM(name, T) t->part[i] = sum_##name(count, (const T *)t->x + at, (const T *)t->y + at, (T)t->bend);
    BY_KIND(t->dtype, t->kind, DO_SUM)
}

double k_loss_sum(ag_dtype dtype, int threads, k_loss_kind kind, double bend, int64_t n, const void *x, const void *y,
                  void *work)
{
    struct loss_task task = { .dtype = dtype, .kind = kind, .bend = bend, .n = n, .x = x, .y = y, .part = work };
    int64_t chunks = chunks_of(n);
    ag_parallel(team(threads, n), chunks, sum_chunk, &task);
    double sum = 0;
    for (int64_t i = 0; i < chunks; i++) {
        sum += task.part[i];
    }
    return sum;
}

static void values_chunk(const void *task, int64_t i)
{
    const struct loss_task *t = task;
    int64_t at = i * CHUNK, count = chunk_length(t->n, at);
#define DO_VALUES(name, T)                                                                                           \
    values_##name(count, (const T *)t->x + at, (const T *)t->y + at, (T)t->bend, (T *)t->out + at);
    BY_KIND(t->dtype, t->kind, DO_VALUES)
}

void k_loss_values(ag_dtype dtype, int threads, k_loss_kind kind, double bend, int64_t n, const void *x, const void *y,
                   void *out)
{
    struct loss_task task = { .dtype = dtype, .kind = kind, .bend = bend, .n = n, .x = x, .y = y, .out = out };
    ag_parallel(team(threads, n), chunks_of(n), values_chunk, &task);
}

static void input_chunk(const void *task, int64_t i)
{
    const struct loss_task *t = task;
    int64_t at = i * CHUNK, count = chunk_length(t->n, at), g_at = t->g_per_element ? at : 0;
#define DO_INPUT(name, T)                                                                                            \
    if (t->dx != NULL) {                                                                                             \
        by_x_##name(count, (const T *)t->x + at, (const T *)t->y + at, (const T *)t->g + g_at, t->g_per_element,     \
                    (T)t->scale, (T)t->bend, (T *)t->dx + at);                                                       \
    }                                                                                                                \
    if (t->dy != NULL) {                                                                                             \
        by_y_##name(count, (const T *)t->x + at, (const T *)t->y + at, (const T *)t->g + g_at, t->g_per_element,     \
                    (T)t->scale, (T)t->bend, (T *)t->dy + at);                                                       \
    }
    BY_KIND(t->dtype, t->kind, DO_INPUT)
}

void k_loss_input(ag_dtype dtype, int threads, k_loss_kind kind, double bend, int64_t n, const void *x, const void *y,
                  const void *g, bool g_per_element, double scale, void *dx, void *dy)
{
    struct loss_task task = {
        .dtype = dtype,
        .kind = kind,
        .bend = bend,
        .scale = scale,
        .n = n,
        .x = x,
        .y = y,
        .g = g,
        .g_per_element = g_per_element,
        .dx = dx,
        .dy = dy,
    };
    ag_parallel(team(threads, n), chunks_of(n), input_chunk, &task);
}

int64_t k_loss_outside_unit(ag_dtype dtype, int64_t n, const void *x)
{
    for (int64_t i = 0; i < n; i++) {
        double v = dtype == AG_FLOAT32 ? (double)((const float *)x)[i] : ((const double *)x)[i];
        if (!(v >= 0 && v <= 1)) {
            return i;
        }
    }
    return -1;
}
