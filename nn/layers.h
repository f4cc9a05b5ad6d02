/*
 * Layers, with PyTorch's defaults, parameter names and weight layouts.
 */
#ifndef WENGERT_NN_LAYERS_H
#define WENGERT_NN_LAYERS_H

#include "module.h"

AG_EXTERN_C_BEGIN

/* y = x W^T + b     x (…,in)   weight (out,in)   bias (out)   y (…,out). Both start as U(-1/sqrt(in), 1/sqrt(in)). */
AG_API nn_module *nn_linear(int64_t in, int64_t out);
AG_API nn_module *nn_linear_no_bias(int64_t in, int64_t out);

/* x (N,in,H,W)   weight (out,in/groups,kh,kw)   bias (out). Both start as U(-1/sqrt(fan_in), 1/sqrt(fan_in)). */
AG_API nn_module *nn_conv2d(int64_t in, int64_t out, int64_t kernel);

typedef struct nn_conv2d_config {
    uint32_t made_by_defaults;
    int64_t in, out;
    int64_t kernel[2];
    bool bias;               /* default true */
    ag_conv2d_config conv;   /* stride, padding, dilation, groups */
} nn_conv2d_config;

AG_API nn_conv2d_config nn_conv2d_defaults(int64_t in, int64_t out, int64_t kernel);
/* nn_conv2d() with a configuration. */
AG_API nn_module *nn_conv2d_with(nn_conv2d_config config);

/* The same along a line: x (N,in,L)   weight (out,in/groups,k)   bias (out)   y (N,out,OL),
 * OL = floor((L + 2 padding - dilation (k - 1) - 1) / stride) + 1. A sequence (N,T,features) is turned with ag_transpose(x, 1, 2). */
AG_API nn_module *nn_conv1d(int64_t in, int64_t out, int64_t kernel);

typedef struct nn_conv1d_config {
    uint32_t made_by_defaults;
    int64_t in, out, kernel;
    bool bias;             /* default true */
    ag_conv1d_config conv; /* stride, padding, dilation, groups */
} nn_conv1d_config;

AG_API nn_conv1d_config nn_conv1d_defaults(int64_t in, int64_t out, int64_t kernel);
/* nn_conv1d() with a configuration. */
AG_API nn_module *nn_conv1d_with(nn_conv1d_config config);

/* ag_conv_transpose2d() as a layer: x (N,in,H,W)   weight (in,out/groups,kh,kw)   bias (out)   y (N,out,OH,OW),
 * OH = (H - 1) stride - 2 padding + dilation (kh - 1) + output_padding + 1. Both start as U(-b, b), b = 1/sqrt(out/groups kh kw). */
AG_API nn_module *nn_conv_transpose2d(int64_t in, int64_t out, int64_t kernel);

typedef struct nn_conv_transpose2d_config {
    uint32_t made_by_defaults;
    int64_t in, out;
    int64_t kernel[2];
    bool bias;                       /* default true */
    ag_conv_transpose2d_config conv; /* stride, paddings, dilation, groups */
} nn_conv_transpose2d_config;

AG_API nn_conv_transpose2d_config nn_conv_transpose2d_defaults(int64_t in, int64_t out, int64_t kernel);
/* nn_conv_transpose2d() with a configuration. */
AG_API nn_module *nn_conv_transpose2d_with(nn_conv_transpose2d_config config);

/* ag_max_pool2d(), ag_avg_pool2d() and ag_adaptive_avg_pool2d() as layers; a square kernel, moved by its own length. */
AG_API nn_module *nn_max_pool2d(int64_t kernel);
AG_API nn_module *nn_max_pool2d_with(ag_pool2d_config config);
AG_API nn_module *nn_avg_pool2d(int64_t kernel);
AG_API nn_module *nn_avg_pool2d_with(ag_pool2d_config config);
AG_API nn_module *nn_adaptive_avg_pool2d(int64_t h, int64_t w);
/* The same along a line: x (N,C,L)   y (N,C,OL). */
AG_API nn_module *nn_max_pool1d(int64_t kernel);
AG_API nn_module *nn_max_pool1d_with(ag_pool1d_config config);
AG_API nn_module *nn_avg_pool1d(int64_t kernel);
AG_API nn_module *nn_avg_pool1d_with(ag_pool1d_config config);
AG_API nn_module *nn_adaptive_avg_pool1d(int64_t cells);

AG_API nn_module *nn_flatten(void); /* (N,…) -> (N, the rest) */
/* ag_unflatten() as a layer: dimension `dim` (of x, batch included) takes the shape `sizes`; one of them may be -1. */
AG_API nn_module *nn_unflatten(int dim, ag_shape sizes);
AG_API nn_module *nn_identity(void); /* y = x */
AG_API nn_module *nn_dropout(double p); /* in training, 0 with probability p, else x / (1 - p) */

/* Batch normalisation over (N,C) or (N,C,L) and over (N,C,H,W). weight 1, bias 0, running_mean 0, running_var 1,
 * num_batches_tracked int64. eps 1e-5, momentum 0.1. */
AG_API nn_module *nn_batch_norm1d(int64_t channels);
AG_API nn_module *nn_batch_norm2d(int64_t channels);

AG_API nn_module *nn_relu(void); /* max(x, 0) */
AG_API nn_module *nn_leaky_relu(double slope); /* x where x > 0, else slope x */
AG_API nn_module *nn_elu(double alpha); /* x where x > 0, else alpha (e^x - 1) */
AG_API nn_module *nn_gelu(void); /* x Phi(x), exact */
AG_API nn_module *nn_silu(void); /* x sigmoid(x) */
AG_API nn_module *nn_sigmoid(void); /* 1 / (1 + e^-x) */
AG_API nn_module *nn_tanh(void); /* hyperbolic tangent */
AG_API nn_module *nn_softplus(void); /* log(1 + e^x) */
AG_API nn_module *nn_softmax(int dim); /* e^x over its sum along dim */
AG_API nn_module *nn_log_softmax(int dim); /* log of nn_softmax(), in one pass */

/* Children in turn, named "0", "1", …; takes ownership of them. Each child's output is let go once the next has consumed it. */
#define nn_sequential(...) nn_sequential_from(__VA_ARGS__, NN_END)
/* The same; the list ends with NN_END. nn_sequential_from(NN_END) is an empty one, which returns its input. */
AG_API nn_module *nn_sequential_from(nn_module *first, ...);
#define NN_END ((nn_module *)(intptr_t)-1)
/* Appends a child, which the sequence then owns; only before nn_init(). */
AG_API void nn_sequential_append(nn_module *sequential, nn_module *child);
AG_API int64_t nn_sequential_count(const nn_module *sequential);
AG_API nn_module *nn_sequential_child(nn_module *sequential, int64_t i); /* borrowed */

/* A layer over every step: y[n][t] = inner(x[n][t]), with one call of the layer for all steps.
 * x (N,T,…)   y (N,T,…), inner from (N T,…) to (N T,…). Steps first, (T,N,…), is as good. Batch normalisation takes its statistics over
 * all samples and steps. Parameters have the names that they have in `inner`, so that a layer's weights fit before and after. Takes
 * ownership of `inner`, whose inputs begin with the batch: recurrent layers and attention need batch_first. For packed sequences no
 * wrapper is needed: nn_forward(layer, packed.data). Keras' TimeDistributed. */
AG_API nn_module *nn_time_distributed(nn_module *inner);

/* Spectral normalisation: y = inner(x) with the weight W / sigma, sigma = u^T W v an estimate of the largest singular value of W, seen
 * as a matrix with a row for each output. In training each forward first improves u and v by power iteration; in eval mode they stay.
 * Gradients flow through W / sigma with u and v constant. Takes ownership of `inner`, a layer with a weight of two or more
 * dimensions (linear, convolution, transposed convolution), which may not be initialised yet. Names, their order and numbers are those
 * of torch.nn.utils.spectral_norm(): bias, weight_orig (the parameters), weight_u (outputs), weight_v (all else), both random
 * directions at first; weights out of torch.nn.utils.parametrizations.spectral_norm() load with the renames
 * { "0.parametrizations.weight.original", "0.weight_orig" }, { "0.parametrizations.weight.0._u", "0.weight_u" }, and _v likewise.
 * Miyato, Kataoka, Koyama & Yoshida 2018. */
AG_API nn_module *nn_spectral_norm(nn_module *inner);

typedef struct nn_spectral_norm_config {
    uint32_t made_by_defaults;
    int64_t iterations; /* of the power method in each forward of training; default 1 */
    double eps;         /* lengths below it count as it; default 1e-12 */
    int dim;            /* of the weight: the outputs; default -1: 1 of a transposed convolution, 0 of others */
} nn_spectral_norm_config;

AG_API nn_spectral_norm_config nn_spectral_norm_defaults(void);
/* nn_spectral_norm() with a configuration. */
AG_API nn_module *nn_spectral_norm_with(nn_module *inner, nn_spectral_norm_config config);

/* Errors of the functions that take no place name the line of the call, too. */
#ifndef WENGERT_INTERNAL
#define nn_linear(...) AG_NOTING(nn_linear(__VA_ARGS__))
#define nn_linear_no_bias(...) AG_NOTING(nn_linear_no_bias(__VA_ARGS__))
#define nn_conv2d(...) AG_NOTING(nn_conv2d(__VA_ARGS__))
#define nn_conv2d_with(...) AG_NOTING(nn_conv2d_with(__VA_ARGS__))
#define nn_conv1d(...) AG_NOTING(nn_conv1d(__VA_ARGS__))
#define nn_conv1d_with(...) AG_NOTING(nn_conv1d_with(__VA_ARGS__))
#define nn_conv_transpose2d(...) AG_NOTING(nn_conv_transpose2d(__VA_ARGS__))
#define nn_conv_transpose2d_with(...) AG_NOTING(nn_conv_transpose2d_with(__VA_ARGS__))
#define nn_max_pool2d(...) AG_NOTING(nn_max_pool2d(__VA_ARGS__))
#define nn_max_pool2d_with(...) AG_NOTING(nn_max_pool2d_with(__VA_ARGS__))
#define nn_avg_pool2d(...) AG_NOTING(nn_avg_pool2d(__VA_ARGS__))
#define nn_avg_pool2d_with(...) AG_NOTING(nn_avg_pool2d_with(__VA_ARGS__))
#define nn_adaptive_avg_pool2d(...) AG_NOTING(nn_adaptive_avg_pool2d(__VA_ARGS__))
#define nn_max_pool1d(...) AG_NOTING(nn_max_pool1d(__VA_ARGS__))
#define nn_max_pool1d_with(...) AG_NOTING(nn_max_pool1d_with(__VA_ARGS__))
#define nn_avg_pool1d(...) AG_NOTING(nn_avg_pool1d(__VA_ARGS__))
#define nn_avg_pool1d_with(...) AG_NOTING(nn_avg_pool1d_with(__VA_ARGS__))
#define nn_adaptive_avg_pool1d(...) AG_NOTING(nn_adaptive_avg_pool1d(__VA_ARGS__))
#define nn_flatten() AG_NOTING(nn_flatten())
#define nn_unflatten(...) AG_NOTING(nn_unflatten(__VA_ARGS__))
#define nn_identity() AG_NOTING(nn_identity())
#define nn_dropout(...) AG_NOTING(nn_dropout(__VA_ARGS__))
#define nn_batch_norm1d(...) AG_NOTING(nn_batch_norm1d(__VA_ARGS__))
#define nn_batch_norm2d(...) AG_NOTING(nn_batch_norm2d(__VA_ARGS__))
#define nn_relu() AG_NOTING(nn_relu())
#define nn_leaky_relu(...) AG_NOTING(nn_leaky_relu(__VA_ARGS__))
#define nn_elu(...) AG_NOTING(nn_elu(__VA_ARGS__))
#define nn_gelu() AG_NOTING(nn_gelu())
#define nn_silu() AG_NOTING(nn_silu())
#define nn_sigmoid() AG_NOTING(nn_sigmoid())
#define nn_tanh() AG_NOTING(nn_tanh())
#define nn_softplus() AG_NOTING(nn_softplus())
#define nn_softmax(...) AG_NOTING(nn_softmax(__VA_ARGS__))
#define nn_log_softmax(...) AG_NOTING(nn_log_softmax(__VA_ARGS__))
#define nn_sequential_from(...) AG_NOTING(nn_sequential_from(__VA_ARGS__))
#define nn_sequential_append(...) AG_NOTING(nn_sequential_append(__VA_ARGS__))
#define nn_time_distributed(...) AG_NOTING(nn_time_distributed(__VA_ARGS__))
#define nn_spectral_norm(...) AG_NOTING(nn_spectral_norm(__VA_ARGS__))
#define nn_spectral_norm_with(...) AG_NOTING(nn_spectral_norm_with(__VA_ARGS__))
#define nn_sequential_child(...) AG_NOTING(nn_sequential_child(__VA_ARGS__))
#endif

AG_EXTERN_C_END

#endif
