/*
 * The operations. Each is a macro over a real function that also takes the place of the call, so that every node of the
 * tape knows the user's line; the plain functions stay callable from other languages.
 *
 * Conventions. Inputs are borrowed; results belong to the innermost open scope. Element-wise operations broadcast as
 * NumPy does; both operands have the same element type (ag_cast converts). Unless said otherwise operations take float32
 * and float64, and negative dimensions count from the end. Errors name the operation, the shapes and the line.
 */
#ifndef WENGERT_AUTOGRAD_OPS_H
#define WENGERT_AUTOGRAD_OPS_H

#include "../tensor.h"

AG_EXTERN_C_BEGIN

/* ---- element-wise, two operands ------------------------------------------------------------------------------------ */

AG_API ag_tensor ag_add_at(ag_place where, ag_tensor a, ag_tensor b); /* a + b; all types */
AG_API ag_tensor ag_sub_at(ag_place where, ag_tensor a, ag_tensor b); /* a - b; all types */
AG_API ag_tensor ag_mul_at(ag_place where, ag_tensor a, ag_tensor b); /* a * b; all types */
AG_API ag_tensor ag_div_at(ag_place where, ag_tensor a, ag_tensor b); /* a / b */
AG_API ag_tensor ag_pow_at(ag_place where, ag_tensor a, ag_tensor b); /* a^b; the gradient of b is 0 where a = 0 and b >= 0 */
/* The larger and the smaller; where equal, the gradient is shared half and half, as in PyTorch. NaN wins. */
AG_API ag_tensor ag_maximum_at(ag_place where, ag_tensor a, ag_tensor b);
AG_API ag_tensor ag_minimum_at(ag_place where, ag_tensor a, ag_tensor b);
/* Comparisons of any type give uint8 0 or 1; not differentiable. */
AG_API ag_tensor ag_eq_at(ag_place where, ag_tensor a, ag_tensor b);
AG_API ag_tensor ag_ne_at(ag_place where, ag_tensor a, ag_tensor b);
AG_API ag_tensor ag_lt_at(ag_place where, ag_tensor a, ag_tensor b);
AG_API ag_tensor ag_le_at(ag_place where, ag_tensor a, ag_tensor b);
AG_API ag_tensor ag_gt_at(ag_place where, ag_tensor a, ag_tensor b);
AG_API ag_tensor ag_ge_at(ag_place where, ag_tensor a, ag_tensor b);
/* condition (uint8) ? a : b. */
AG_API ag_tensor ag_where_at(ag_place where, ag_tensor condition, ag_tensor a, ag_tensor b);
#define ag_add(...) ag_add_at(AG_HERE, __VA_ARGS__)
#define ag_sub(...) ag_sub_at(AG_HERE, __VA_ARGS__)
#define ag_mul(...) ag_mul_at(AG_HERE, __VA_ARGS__)
#define ag_div(...) ag_div_at(AG_HERE, __VA_ARGS__)
#define ag_pow(...) ag_pow_at(AG_HERE, __VA_ARGS__)
#define ag_maximum(...) ag_maximum_at(AG_HERE, __VA_ARGS__)
#define ag_minimum(...) ag_minimum_at(AG_HERE, __VA_ARGS__)
#define ag_eq(...) ag_eq_at(AG_HERE, __VA_ARGS__)
#define ag_ne(...) ag_ne_at(AG_HERE, __VA_ARGS__)
#define ag_lt(...) ag_lt_at(AG_HERE, __VA_ARGS__)
#define ag_le(...) ag_le_at(AG_HERE, __VA_ARGS__)
#define ag_gt(...) ag_gt_at(AG_HERE, __VA_ARGS__)
#define ag_ge(...) ag_ge_at(AG_HERE, __VA_ARGS__)
#define ag_where(...) ag_where_at(AG_HERE, __VA_ARGS__)

/* ---- element-wise, a tensor and a number --------------------------------------------------------------------------- */

AG_API ag_tensor ag_add_scalar_at(ag_place where, ag_tensor x, double c); /* x + c; all types (c is cast) */
AG_API ag_tensor ag_mul_scalar_at(ag_place where, ag_tensor x, double c); /* c x; all types (c is cast) */
AG_API ag_tensor ag_pow_scalar_at(ag_place where, ag_tensor x, double p); /* x^p */
AG_API ag_tensor ag_clamp_at(ag_place where, ag_tensor x, double low, double high); /* min(max(x, low), high) */
#define ag_add_scalar(...) ag_add_scalar_at(AG_HERE, __VA_ARGS__)
#define ag_mul_scalar(...) ag_mul_scalar_at(AG_HERE, __VA_ARGS__)
#define ag_pow_scalar(...) ag_pow_scalar_at(AG_HERE, __VA_ARGS__)
#define ag_clamp(...) ag_clamp_at(AG_HERE, __VA_ARGS__)

/* ---- element-wise, one operand ------------------------------------------------------------------------------------- */

AG_API ag_tensor ag_neg_at(ag_place where, ag_tensor x);        /* -x; float and int64 */
AG_API ag_tensor ag_reciprocal_at(ag_place where, ag_tensor x); /* 1 / x */
AG_API ag_tensor ag_square_at(ag_place where, ag_tensor x);     /* x^2 */
AG_API ag_tensor ag_sqrt_at(ag_place where, ag_tensor x);
AG_API ag_tensor ag_rsqrt_at(ag_place where, ag_tensor x); /* 1 / sqrt(x) */
AG_API ag_tensor ag_exp_at(ag_place where, ag_tensor x);
AG_API ag_tensor ag_log_at(ag_place where, ag_tensor x); /* natural */
AG_API ag_tensor ag_sin_at(ag_place where, ag_tensor x);
AG_API ag_tensor ag_cos_at(ag_place where, ag_tensor x);
AG_API ag_tensor ag_erf_at(ag_place where, ag_tensor x);
AG_API ag_tensor ag_abs_at(ag_place where, ag_tensor x);  /* float and int64; derivative 0 at 0 */
AG_API ag_tensor ag_sign_at(ag_place where, ag_tensor x); /* -1, 0, 1; derivative 0 */
AG_API ag_tensor ag_tanh_at(ag_place where, ag_tensor x);
AG_API ag_tensor ag_sigmoid_at(ag_place where, ag_tensor x);                 /* 1 / (1 + e^-x) */
AG_API ag_tensor ag_relu_at(ag_place where, ag_tensor x);                    /* max(x, 0); derivative 0 at 0 */
AG_API ag_tensor ag_leaky_relu_at(ag_place where, ag_tensor x, double slope); /* x > 0 ? x : slope x (PyTorch: 0.01) */
AG_API ag_tensor ag_elu_at(ag_place where, ag_tensor x, double alpha);        /* x > 0 ? x : alpha (e^x - 1) */
AG_API ag_tensor ag_softplus_at(ag_place where, ag_tensor x);                /* log(1 + e^x) */
AG_API ag_tensor ag_silu_at(ag_place where, ag_tensor x);                    /* x sigmoid(x) */
AG_API ag_tensor ag_gelu_at(ag_place where, ag_tensor x);                    /* x Phi(x), exact */
AG_API ag_tensor ag_gelu_tanh_at(ag_place where, ag_tensor x); /* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
/* Converts the element type; differentiable between floating types. Returns x itself if it has the type already. */
AG_API ag_tensor ag_cast_at(ag_place where, ag_tensor x, ag_dtype dtype);
#define ag_neg(...) ag_neg_at(AG_HERE, __VA_ARGS__)
#define ag_reciprocal(...) ag_reciprocal_at(AG_HERE, __VA_ARGS__)
#define ag_square(...) ag_square_at(AG_HERE, __VA_ARGS__)
#define ag_sqrt(...) ag_sqrt_at(AG_HERE, __VA_ARGS__)
#define ag_rsqrt(...) ag_rsqrt_at(AG_HERE, __VA_ARGS__)
#define ag_exp(...) ag_exp_at(AG_HERE, __VA_ARGS__)
#define ag_log(...) ag_log_at(AG_HERE, __VA_ARGS__)
#define ag_sin(...) ag_sin_at(AG_HERE, __VA_ARGS__)
#define ag_cos(...) ag_cos_at(AG_HERE, __VA_ARGS__)
#define ag_erf(...) ag_erf_at(AG_HERE, __VA_ARGS__)
#define ag_abs(...) ag_abs_at(AG_HERE, __VA_ARGS__)
#define ag_sign(...) ag_sign_at(AG_HERE, __VA_ARGS__)
#define ag_tanh(...) ag_tanh_at(AG_HERE, __VA_ARGS__)
#define ag_sigmoid(...) ag_sigmoid_at(AG_HERE, __VA_ARGS__)
#define ag_relu(...) ag_relu_at(AG_HERE, __VA_ARGS__)
#define ag_leaky_relu(...) ag_leaky_relu_at(AG_HERE, __VA_ARGS__)
#define ag_elu(...) ag_elu_at(AG_HERE, __VA_ARGS__)
#define ag_softplus(...) ag_softplus_at(AG_HERE, __VA_ARGS__)
#define ag_silu(...) ag_silu_at(AG_HERE, __VA_ARGS__)
#define ag_gelu(...) ag_gelu_at(AG_HERE, __VA_ARGS__)
#define ag_gelu_tanh(...) ag_gelu_tanh_at(AG_HERE, __VA_ARGS__)
#define ag_cast(...) ag_cast_at(AG_HERE, __VA_ARGS__)

/* ---- reductions ---------------------------------------------------------------------------------------------------- */

AG_API ag_tensor ag_sum_at(ag_place where, ag_tensor x); /* over all elements; float, int64; uint8 sums to int64 */
AG_API ag_tensor ag_mean_at(ag_place where, ag_tensor x);
AG_API ag_tensor ag_max_at(ag_place where, ag_tensor x); /* the gradient is shared evenly among equal maxima */
AG_API ag_tensor ag_min_at(ag_place where, ag_tensor x);
/* Over the given dimensions; keepdim leaves them as length 1. */
AG_API ag_tensor ag_sum_dims_at(ag_place where, ag_tensor x, ag_dims dims, bool keepdim);
AG_API ag_tensor ag_mean_dims_at(ag_place where, ag_tensor x, ag_dims dims, bool keepdim);
AG_API ag_tensor ag_amax_at(ag_place where, ag_tensor x, ag_dims dims, bool keepdim); /* gradient shared among ties */
AG_API ag_tensor ag_amin_at(ag_place where, ag_tensor x, ag_dims dims, bool keepdim);
/* Variance with divisor n - correction (PyTorch: 1). */
AG_API ag_tensor ag_var_at(ag_place where, ag_tensor x, ag_dims dims, int correction, bool keepdim);
/* Position of the first maximum (minimum) along a dimension, int64; not differentiable. */
AG_API ag_tensor ag_argmax_at(ag_place where, ag_tensor x, int dim, bool keepdim);
AG_API ag_tensor ag_argmin_at(ag_place where, ag_tensor x, int dim, bool keepdim);
/* log of the sum of e^x along dims, computed without overflow. */
AG_API ag_tensor ag_logsumexp_at(ag_place where, ag_tensor x, ag_dims dims, bool keepdim);
#define ag_sum(...) ag_sum_at(AG_HERE, __VA_ARGS__)
#define ag_mean(...) ag_mean_at(AG_HERE, __VA_ARGS__)
#define ag_max(...) ag_max_at(AG_HERE, __VA_ARGS__)
#define ag_min(...) ag_min_at(AG_HERE, __VA_ARGS__)
#define ag_sum_dims(...) ag_sum_dims_at(AG_HERE, __VA_ARGS__)
#define ag_mean_dims(...) ag_mean_dims_at(AG_HERE, __VA_ARGS__)
#define ag_amax(...) ag_amax_at(AG_HERE, __VA_ARGS__)
#define ag_amin(...) ag_amin_at(AG_HERE, __VA_ARGS__)
#define ag_var(...) ag_var_at(AG_HERE, __VA_ARGS__)
#define ag_argmax(...) ag_argmax_at(AG_HERE, __VA_ARGS__)
#define ag_argmin(...) ag_argmin_at(AG_HERE, __VA_ARGS__)
#define ag_logsumexp(...) ag_logsumexp_at(AG_HERE, __VA_ARGS__)

/* ---- shape and index; views share memory with x -------------------------------------------------------------------- */

/* Same elements in row-major order, another shape; one length may be -1. A view where strides allow, else a copy. */
AG_API ag_tensor ag_reshape_at(ag_place where, ag_tensor x, ag_shape shape);
AG_API ag_tensor ag_flatten_at(ag_place where, ag_tensor x, int start_dim, int end_dim); /* joins dims start..end */
AG_API ag_tensor ag_squeeze_at(ag_place where, ag_tensor x, int dim);   /* view; drops dim if its length is 1 */
AG_API ag_tensor ag_unsqueeze_at(ag_place where, ag_tensor x, int dim); /* view; inserts a length 1 before dim */
AG_API ag_tensor ag_permute_at(ag_place where, ag_tensor x, ag_dims dims);  /* view; y.size[i] = x.size[dims[i]] */
AG_API ag_tensor ag_transpose_at(ag_place where, ag_tensor x, int a, int b); /* view */
AG_API ag_tensor ag_expand_at(ag_place where, ag_tensor x, ag_shape shape);  /* view; broadcasts; -1 keeps a length */
/* View of x[…, start:stop:step, …]; start and stop as in Python (negative from the end, clipped), step >= 1. */
AG_API ag_tensor ag_slice_at(ag_place where, ag_tensor x, int dim, int64_t start, int64_t stop, int64_t step);
AG_API ag_tensor ag_narrow_at(ag_place where, ag_tensor x, int dim, int64_t start, int64_t length); /* view */
AG_API ag_tensor ag_select_at(ag_place where, ag_tensor x, int dim, int64_t index); /* view; dim is dropped */
AG_API ag_tensor ag_contiguous_at(ag_place where, ag_tensor x); /* x itself if it is row-major, else a row-major copy */
AG_API ag_tensor ag_clone_at(ag_place where, ag_tensor x);      /* a copy in x's memory order */
/* Joins n tensors along dim (cat) or along a new dim (stack). */
AG_API ag_tensor ag_cat_at(ag_place where, int n, const ag_tensor *tensors, int dim);
AG_API ag_tensor ag_stack_at(ag_place where, int n, const ag_tensor *tensors, int dim);
/* Rows of x along dim, in the order of the int64 indices (one dimension). */
AG_API ag_tensor ag_index_select_at(ag_place where, ag_tensor x, int dim, ag_tensor index);
#define ag_reshape(...) ag_reshape_at(AG_HERE, __VA_ARGS__)
#define ag_flatten(...) ag_flatten_at(AG_HERE, __VA_ARGS__)
#define ag_squeeze(...) ag_squeeze_at(AG_HERE, __VA_ARGS__)
#define ag_unsqueeze(...) ag_unsqueeze_at(AG_HERE, __VA_ARGS__)
#define ag_permute(...) ag_permute_at(AG_HERE, __VA_ARGS__)
#define ag_transpose(...) ag_transpose_at(AG_HERE, __VA_ARGS__)
#define ag_expand(...) ag_expand_at(AG_HERE, __VA_ARGS__)
#define ag_slice(...) ag_slice_at(AG_HERE, __VA_ARGS__)
#define ag_narrow(...) ag_narrow_at(AG_HERE, __VA_ARGS__)
#define ag_select(...) ag_select_at(AG_HERE, __VA_ARGS__)
#define ag_contiguous(...) ag_contiguous_at(AG_HERE, __VA_ARGS__)
#define ag_clone(...) ag_clone_at(AG_HERE, __VA_ARGS__)
#define ag_cat(...) ag_cat_at(AG_HERE, __VA_ARGS__)
#define ag_stack(...) ag_stack_at(AG_HERE, __VA_ARGS__)
#define ag_index_select(...) ag_index_select_at(AG_HERE, __VA_ARGS__)

/* ---- products ------------------------------------------------------------------------------------------------------ */

/* a b. (n)(n) -> (); (m,k)(k) -> (m); (k)(k,n) -> (n); (…,m,k)(…,k,n) -> (…,m,n) with leading dimensions broadcast. */
AG_API ag_tensor ag_matmul_at(ag_place where, ag_tensor a, ag_tensor b);
/* y = x w^T + b     x (…,in)   w (out,in)   b (out), optional   y (…,out) */
AG_API ag_tensor ag_linear_at(ag_place where, ag_tensor x, ag_tensor weight, ag_tensor bias);
#define ag_matmul(...) ag_matmul_at(AG_HERE, __VA_ARGS__)
#define ag_linear(...) ag_linear_at(AG_HERE, __VA_ARGS__)

/* ---- convolution and pooling: images are N, C, H, W; results have channels last in memory ------------------------------ */

typedef enum ag_padding_mode {
    AG_PADDING_NUMBERS, /* padding[] zeros on both sides */
    AG_PADDING_VALID,   /* none */
    AG_PADDING_SAME     /* output as large as the input; stride 1; the odd zero at the end, as in PyTorch */
} ag_padding_mode;

typedef struct ag_conv2d_config {
    uint32_t made_by_defaults;
    int64_t stride[2];   /* rows, columns; default 1 */
    int64_t padding[2];  /* default 0 */
    int64_t dilation[2]; /* default 1 */
    int64_t groups;      /* default 1 */
    ag_padding_mode padding_mode;
} ag_conv2d_config;

AG_API ag_conv2d_config ag_conv2d_defaults(void);
/* Cross-correlation, as in PyTorch.  x (N,C,H,W)   weight (O,C/groups,KH,KW)   bias (O), optional   y (N,O,OH,OW)
 * OH = floor((H + 2 padding - dilation (KH - 1) - 1) / stride) + 1 */
AG_API ag_tensor ag_conv2d_at(ag_place where, ag_tensor x, ag_tensor weight, ag_tensor bias, ag_conv2d_config config);

typedef struct ag_pool2d_config {
    uint32_t made_by_defaults;
    int64_t kernel[2];  /* required */
    int64_t stride[2];  /* default: the kernel (0 means so) */
    int64_t padding[2]; /* default 0; at most half the kernel */
    bool ceil_mode;         /* default false */
    bool count_include_pad; /* average only; default true */
} ag_pool2d_config;

AG_API ag_pool2d_config ag_pool2d_defaults(int64_t kernel);
AG_API ag_tensor ag_max_pool2d_at(ag_place where, ag_tensor x, ag_pool2d_config config);
AG_API ag_tensor ag_avg_pool2d_at(ag_place where, ag_tensor x, ag_pool2d_config config);
/* Averages over h x w cells that cover the image. */
AG_API ag_tensor ag_adaptive_avg_pool2d_at(ag_place where, ag_tensor x, int64_t h, int64_t w);
#define ag_conv2d(...) ag_conv2d_at(AG_HERE, __VA_ARGS__)
#define ag_max_pool2d(...) ag_max_pool2d_at(AG_HERE, __VA_ARGS__)
#define ag_avg_pool2d(...) ag_avg_pool2d_at(AG_HERE, __VA_ARGS__)
#define ag_adaptive_avg_pool2d(...) ag_adaptive_avg_pool2d_at(AG_HERE, __VA_ARGS__)

/* ---- normalisation and dropout --------------------------------------------------------------------------------------- */

typedef struct ag_batch_norm_config {
    uint32_t made_by_defaults;
    bool training;   /* default true: batch statistics, and the running ones move; false: the running ones are used */
    double momentum; /* default 0.1: running = (1 - momentum) running + momentum batch */
    double eps;      /* default 1e-5 */
} ag_batch_norm_config;

AG_API ag_batch_norm_config ag_batch_norm_defaults(void);
/* y = (x - mean) / sqrt(var + eps) weight + bias, per channel.  x (N,C) or (N,C,…)   weight, bias (C), optional
 * running_mean, running_var (C) leaves without gradient, optional in training, changed in place (unbiased variance).
 * Ioffe & Szegedy 2015. */
AG_API ag_tensor ag_batch_norm_at(ag_place where, ag_tensor x, ag_tensor weight, ag_tensor bias, ag_tensor running_mean,
                                  ag_tensor running_var, ag_batch_norm_config config);
/* Zeroes each element with probability p and scales the others by 1 / (1 - p); draws one key from rng. 0 <= p <= 1. */
AG_API ag_tensor ag_dropout_at(ag_place where, ag_tensor x, double p, ag_rng *rng);
#define ag_batch_norm(...) ag_batch_norm_at(AG_HERE, __VA_ARGS__)
#define ag_dropout(...) ag_dropout_at(AG_HERE, __VA_ARGS__)

/* ---- random tensors; each draws one key from rng ---------------------------------------------------------------------- */

AG_API ag_tensor ag_uniform_at(ag_place where, ag_shape shape, double low, double high, ag_dtype dtype, ag_rng *rng);
AG_API ag_tensor ag_normal_at(ag_place where, ag_shape shape, double mean, double std, ag_dtype dtype, ag_rng *rng);
AG_API ag_tensor ag_bernoulli_at(ag_place where, ag_shape shape, double p, ag_dtype dtype, ag_rng *rng); /* 0 or 1 */
AG_API ag_tensor ag_randint_at(ag_place where, ag_shape shape, int64_t low, int64_t high, ag_rng *rng); /* low..high-1 */
#define ag_uniform(...) ag_uniform_at(AG_HERE, __VA_ARGS__)
#define ag_normal(...) ag_normal_at(AG_HERE, __VA_ARGS__)
#define ag_bernoulli(...) ag_bernoulli_at(AG_HERE, __VA_ARGS__)
#define ag_randint(...) ag_randint_at(AG_HERE, __VA_ARGS__)

/* ---- softmax and losses ----------------------------------------------------------------------------------------------- */

AG_API ag_tensor ag_softmax_at(ag_place where, ag_tensor x, int dim);
AG_API ag_tensor ag_log_softmax_at(ag_place where, ag_tensor x, int dim);

typedef enum ag_reduction {
    AG_REDUCE_MEAN, /* PyTorch's default */
    AG_REDUCE_SUM,
    AG_REDUCE_NONE
} ag_reduction;

/* Mean over the batch of -log softmax(logits)[label].  logits (N,C)   labels int64 (N), each in 0..C-1 */
AG_API ag_tensor ag_cross_entropy_at(ag_place where, ag_tensor logits, ag_tensor labels);
AG_API ag_tensor ag_cross_entropy_with_at(ag_place where, ag_tensor logits, ag_tensor labels, ag_reduction reduction);
/* (x - y)^2, |x - y|, and -(y log s(x) + (1 - y) log(1 - s(x))) with s the sigmoid; x and y have the same shape. The first
 * of each pair is the mean. */
AG_API ag_tensor ag_mse_loss_at(ag_place where, ag_tensor x, ag_tensor y);
AG_API ag_tensor ag_mse_loss_with_at(ag_place where, ag_tensor x, ag_tensor y, ag_reduction reduction);
AG_API ag_tensor ag_l1_loss_at(ag_place where, ag_tensor x, ag_tensor y);
AG_API ag_tensor ag_l1_loss_with_at(ag_place where, ag_tensor x, ag_tensor y, ag_reduction reduction);
AG_API ag_tensor ag_bce_with_logits_at(ag_place where, ag_tensor x, ag_tensor y);
AG_API ag_tensor ag_bce_with_logits_with_at(ag_place where, ag_tensor x, ag_tensor y, ag_reduction reduction);
#define ag_softmax(...) ag_softmax_at(AG_HERE, __VA_ARGS__)
#define ag_log_softmax(...) ag_log_softmax_at(AG_HERE, __VA_ARGS__)
#define ag_cross_entropy(...) ag_cross_entropy_at(AG_HERE, __VA_ARGS__)
#define ag_cross_entropy_with(...) ag_cross_entropy_with_at(AG_HERE, __VA_ARGS__)
#define ag_mse_loss(...) ag_mse_loss_at(AG_HERE, __VA_ARGS__)
#define ag_mse_loss_with(...) ag_mse_loss_with_at(AG_HERE, __VA_ARGS__)
#define ag_l1_loss(...) ag_l1_loss_at(AG_HERE, __VA_ARGS__)
#define ag_l1_loss_with(...) ag_l1_loss_with_at(AG_HERE, __VA_ARGS__)
#define ag_bce_with_logits(...) ag_bce_with_logits_at(AG_HERE, __VA_ARGS__)
#define ag_bce_with_logits_with(...) ag_bce_with_logits_with_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
