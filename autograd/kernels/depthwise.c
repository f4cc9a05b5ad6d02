/*
 * Depthwise convolution of channels-last images. The weight (c,kh,kw) is turned to (kh,kw,c) first;
 * every loop then runs along the channels. Must not know tensors.
 */
#include "autograd/kernels/depthwise.h"
#include "autograd/parallel.h"

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
    return threads < 2 || work < 100000 || ag_parallel_inside() ? 1 : threads;
}

#define DEPTHWISE(name) name##_f32
#define T float
#include "autograd/kernels/depthwise_template.h"

#define DEPTHWISE(name) name##_f64
#define T double
#include "autograd/kernels/depthwise_template.h"

void k_depthwise_forward(ag_dtype dtype, int threads, const k_conv *p, const void *x,
                         const void *weight, const void *bias, void *y, void *work)
{
    if (dtype == AG_FLOAT64) {
        forward_rows_f64(threads, p, x, weight, bias, y, work);
    } else {
        forward_rows_f32(threads, p, x, weight, bias, y, work);
    }
}

void k_depthwise_input(ag_dtype dtype, int threads, const k_conv *p, const void *dy,
                       const void *weight, void *dx, void *work)
{
    if (dtype == AG_FLOAT64) {
        input_rows_f64(threads, p, dy, weight, dx, work);
    } else {
        input_rows_f32(threads, p, dy, weight, dx, work);
    }
}

void k_depthwise_weight(ag_dtype dtype, int threads, const k_conv *p, const void *x, const void *dy,
                        bool accumulate, void *dweight, void *work)
{
    if (dtype == AG_FLOAT64) {
        weight_rows_f64(threads, p, x, dy, accumulate, dweight, work);
    } else {
        weight_rows_f32(threads, p, x, dy, accumulate, dweight, work);
    }
}
