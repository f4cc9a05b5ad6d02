/*
 * Depthwise convolution of channels-last images. The weight (c,kh,kw) is turned to (kh,kw,c) first; every loop then runs
 * along the channels. Must not know tensors.
 */
#include "autograd/kernels/depthwise.h"

#include <omp.h>

enum {
    CHANNELS = 64, /* sums kept at once */
    PARTS = 8,     /* sums of the weight gradient, each over some of the rows */
};

size_t k_depthwise_bytes(ag_dtype dtype, const k_conv *p)
{
    return (size_t)(PARTS * p->c * p->kh * p->kw) * ag_dtype_size(dtype);
}

static int team_for(int threads, int64_t work)
{
    return threads < 2 || work < 100000 || omp_in_parallel() ? 1 : threads;
}

#define DEPTHWISE(T, name)                                                                                                 \
    static void turn_##name(int64_t taps, int64_t channels, const T *weight, T *w)                                         \
    {                                                                                                                      \
        for (int64_t i = 0; i < taps; i++) {                                                                               \
            for (int64_t c = 0; c < channels; c++) {                                                                       \
                w[i * channels + c] = weight[c * taps + i];                                                                \
            }                                                                                                              \
        }                                                                                                                  \
    }                                                                                                                      \
                                                                                                                           \
    /* One row of y. */                                                                                                    \
    AG_MULTIVERSION static void forward_##name(const k_conv *p, const T *restrict x, const T *restrict w,                  \
                                               const T *restrict bias, T *restrict y, int64_t n, int64_t oy)               \
    {                                                                                                                      \
        for (int64_t ox = 0; ox < p->ow; ox++) {                                                                           \
            for (int64_t c0 = 0; c0 < p->c; c0 += CHANNELS) {                                                              \
                int64_t now = p->c - c0 < CHANNELS ? p->c - c0 : CHANNELS;                                                 \
                T sum[CHANNELS];                                                                                           \
                for (int64_t c = 0; c < now; c++) {                                                                        \
                    sum[c] = bias == NULL ? 0 : bias[c0 + c];                                                              \
                }                                                                                                          \
                for (int64_t i = 0; i < p->kh; i++) {                                                                      \
                    int64_t iy = oy * p->stride[0] + i * p->dilation[0] - p->pad_top;                                      \
                    for (int64_t j = 0; j < p->kw && iy >= 0 && iy < p->h; j++) {                                          \
                        int64_t ix = ox * p->stride[1] + j * p->dilation[1] - p->pad_left;                                 \
                        if (ix >= 0 && ix < p->w) {                                                                        \
                            const T *from = x + ((n * p->h + iy) * p->w + ix) * p->c + c0;                                 \
                            const T *v = w + (i * p->kw + j) * p->c + c0;                                                  \
                            for (int64_t c = 0; c < now; c++) {                                                            \
                                sum[c] += from[c] * v[c];                                                                  \
                            }                                                                                              \
                        }                                                                                                  \
                    }                                                                                                      \
                }                                                                                                          \
                T *to = y + ((n * p->oh + oy) * p->ow + ox) * p->c + c0;                                                   \
                for (int64_t c = 0; c < now; c++) {                                                                        \
                    to[c] = sum[c];                                                                                        \
                }                                                                                                          \
            }                                                                                                              \
        }                                                                                                                  \
    }                                                                                                                      \
                                                                                                                           \
    /* One row of dx: the outputs whose windows hold it. */                                                                \
    AG_MULTIVERSION static void input_##name(const k_conv *p, const T *restrict dy, const T *restrict w, T *restrict dx,   \
                                             int64_t n, int64_t iy)                                                        \
    {                                                                                                                      \
        for (int64_t ix = 0; ix < p->w; ix++) {                                                                            \
            for (int64_t c0 = 0; c0 < p->c; c0 += CHANNELS) {                                                              \
                int64_t now = p->c - c0 < CHANNELS ? p->c - c0 : CHANNELS;                                                 \
                T sum[CHANNELS] = {0};                                                                                     \
                for (int64_t i = 0; i < p->kh; i++) {                                                                      \
                    int64_t down = iy + p->pad_top - i * p->dilation[0], oy = down / p->stride[0];                         \
                    if (down < 0 || oy * p->stride[0] != down || oy >= p->oh) {                                            \
                        continue;                                                                                          \
                    }                                                                                                      \
                    for (int64_t j = 0; j < p->kw; j++) {                                                                  \
                        int64_t right = ix + p->pad_left - j * p->dilation[1], ox = right / p->stride[1];                  \
                        if (right < 0 || ox * p->stride[1] != right || ox >= p->ow) {                                      \
                            continue;                                                                                      \
                        }                                                                                                  \
                        const T *from = dy + ((n * p->oh + oy) * p->ow + ox) * p->c + c0;                                  \
                        const T *v = w + (i * p->kw + j) * p->c + c0;                                                      \
                        for (int64_t c = 0; c < now; c++) {                                                                \
                            sum[c] += from[c] * v[c];                                                                      \
                        }                                                                                                  \
                    }                                                                                                      \
                }                                                                                                          \
                T *to = dx + ((n * p->h + iy) * p->w + ix) * p->c + c0;                                                    \
                for (int64_t c = 0; c < now; c++) {                                                                        \
                    to[c] = sum[c];                                                                                        \
                }                                                                                                          \
            }                                                                                                              \
        }                                                                                                                  \
    }                                                                                                                      \
                                                                                                                           \
    /* sum[tap][c] += what one row of dy gives. */                                                                         \
    AG_MULTIVERSION static void weight_##name(const k_conv *p, const T *restrict x, const T *restrict dy, T *restrict sum, \
                                              int64_t n, int64_t oy)                                                       \
    {                                                                                                                      \
        for (int64_t i = 0; i < p->kh; i++) {                                                                              \
            int64_t iy = oy * p->stride[0] + i * p->dilation[0] - p->pad_top;                                              \
            for (int64_t j = 0; j < p->kw && iy >= 0 && iy < p->h; j++) {                                                  \
                T *to = sum + (i * p->kw + j) * p->c;                                                                      \
                for (int64_t ox = 0; ox < p->ow; ox++) {                                                                   \
                    int64_t ix = ox * p->stride[1] + j * p->dilation[1] - p->pad_left;                                     \
                    if (ix >= 0 && ix < p->w) {                                                                            \
                        const T *a = x + ((n * p->h + iy) * p->w + ix) * p->c;                                             \
                        const T *b = dy + ((n * p->oh + oy) * p->ow + ox) * p->c;                                          \
                        for (int64_t c = 0; c < p->c; c++) {                                                               \
                            to[c] += a[c] * b[c];                                                                          \
                        }                                                                                                  \
                    }                                                                                                      \
                }                                                                                                          \
            }                                                                                                              \
        }                                                                                                                  \
    }                                                                                                                      \
                                                                                                                           \
    static void forward_rows_##name(int threads, const k_conv *p, const T *x, const T *weight, const T *bias, T *y,        \
                                    T *work)                                                                               \
    {                                                                                                                      \
        turn_##name(p->kh * p->kw, p->c, weight, work);                                                                    \
        int team = team_for(threads, p->n * p->oh * p->ow * p->c * p->kh * p->kw);                                         \
        _Pragma("omp parallel for schedule(static) num_threads(team) if (team > 1)")                                       \
        for (int64_t r = 0; r < p->n * p->oh; r++) {                                                                       \
            forward_##name(p, x, work, bias, y, r / p->oh, r % p->oh);                                                     \
        }                                                                                                                  \
    }                                                                                                                      \
                                                                                                                           \
    static void input_rows_##name(int threads, const k_conv *p, const T *dy, const T *weight, T *dx, T *work)              \
    {                                                                                                                      \
        turn_##name(p->kh * p->kw, p->c, weight, work);                                                                    \
        int team = team_for(threads, p->n * p->oh * p->ow * p->c * p->kh * p->kw);                                         \
        _Pragma("omp parallel for schedule(static) num_threads(team) if (team > 1)")                                       \
        for (int64_t r = 0; r < p->n * p->h; r++) {                                                                        \
            input_##name(p, dy, work, dx, r / p->h, r % p->h);                                                             \
        }                                                                                                                  \
    }                                                                                                                      \
                                                                                                                           \
    static void weight_rows_##name(int threads, const k_conv *p, const T *x, const T *dy, bool accumulate, T *dweight,     \
                                   T *work)                                                                                \
    {                                                                                                                      \
        int64_t taps = p->kh * p->kw, numbers = taps * p->c, rows = p->n * p->oh;                                          \
        int team = team_for(threads, rows * p->ow * numbers);                                                              \
        _Pragma("omp parallel for schedule(static) num_threads(team) if (team > 1)")                                       \
        for (int64_t part = 0; part < PARTS; part++) {                                                                     \
            T *sum = work + part * numbers;                                                                                \
            for (int64_t i = 0; i < numbers; i++) {                                                                        \
                sum[i] = 0;                                                                                                \
            }                                                                                                              \
            for (int64_t r = rows * part / PARTS; r < rows * (part + 1) / PARTS; r++) {                                    \
                weight_##name(p, x, dy, sum, r / p->oh, r % p->oh);                                                        \
            }                                                                                                              \
        }                                                                                                                  \
        for (int64_t c = 0; c < p->c; c++) {                                                                               \
            for (int64_t i = 0; i < taps; i++) {                                                                           \
                T sum = 0;                                                                                                 \
                for (int64_t part = 0; part < PARTS; part++) {                                                             \
                    sum += work[part * numbers + i * p->c + c];                                                            \
                }                                                                                                          \
                T *to = dweight + c * taps + i;                                                                            \
                *to = (accumulate ? *to : 0) + sum;                                                                        \
            }                                                                                                              \
        }                                                                                                                  \
    }

DEPTHWISE(float, f32)
DEPTHWISE(double, f64)

void k_depthwise_forward(ag_dtype dtype, int threads, const k_conv *p, const void *x, const void *weight, const void *bias,
                         void *y, void *work)
{
    if (dtype == AG_FLOAT64) {
        forward_rows_f64(threads, p, x, weight, bias, y, work);
    } else {
        forward_rows_f32(threads, p, x, weight, bias, y, work);
    }
}

void k_depthwise_input(ag_dtype dtype, int threads, const k_conv *p, const void *dy, const void *weight, void *dx,
                       void *work)
{
    if (dtype == AG_FLOAT64) {
        input_rows_f64(threads, p, dy, weight, dx, work);
    } else {
        input_rows_f32(threads, p, dy, weight, dx, work);
    }
}

void k_depthwise_weight(ag_dtype dtype, int threads, const k_conv *p, const void *x, const void *dy, bool accumulate,
                        void *dweight, void *work)
{
    if (dtype == AG_FLOAT64) {
        weight_rows_f64(threads, p, x, dy, accumulate, dweight, work);
    } else {
        weight_rows_f32(threads, p, x, dy, accumulate, dweight, work);
    }
}
