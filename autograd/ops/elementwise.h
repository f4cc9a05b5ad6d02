/*
 * Operations on each element: arithmetic, functions, comparisons.
 */
#ifndef WENGERT_AUTOGRAD_OPS_ELEMENTWISE_H
#define WENGERT_AUTOGRAD_OPS_ELEMENTWISE_H

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
AG_API ag_tensor ag_sqrt_at(ag_place where, ag_tensor x); /* square root */
AG_API ag_tensor ag_rsqrt_at(ag_place where, ag_tensor x); /* 1 / sqrt(x) */
AG_API ag_tensor ag_exp_at(ag_place where, ag_tensor x); /* e to the power x */
AG_API ag_tensor ag_log_at(ag_place where, ag_tensor x); /* natural */
AG_API ag_tensor ag_sin_at(ag_place where, ag_tensor x); /* sine of x in radians */
AG_API ag_tensor ag_cos_at(ag_place where, ag_tensor x); /* cosine of x in radians */
AG_API ag_tensor ag_erf_at(ag_place where, ag_tensor x); /* 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x */
AG_API ag_tensor ag_abs_at(ag_place where, ag_tensor x);  /* float and int64; derivative 0 at 0 */
AG_API ag_tensor ag_sign_at(ag_place where, ag_tensor x); /* -1, 0, 1; derivative 0 */
AG_API ag_tensor ag_expm1_at(ag_place where, ag_tensor x); /* e^x - 1, exact for small x */
AG_API ag_tensor ag_log1p_at(ag_place where, ag_tensor x); /* log(1 + x), exact for small x */
AG_API ag_tensor ag_log2_at(ag_place where, ag_tensor x);  /* to base 2 */
AG_API ag_tensor ag_log10_at(ag_place where, ag_tensor x); /* to base 10 */
AG_API ag_tensor ag_tan_at(ag_place where, ag_tensor x);   /* sin x / cos x; angles are in radians */
AG_API ag_tensor ag_asin_at(ag_place where, ag_tensor x);  /* sin y = x, y in [-pi/2, pi/2] */
AG_API ag_tensor ag_acos_at(ag_place where, ag_tensor x);  /* cos y = x, y in [0, pi] */
AG_API ag_tensor ag_atan_at(ag_place where, ag_tensor x);  /* tan y = x, y in (-pi/2, pi/2) */
AG_API ag_tensor ag_sinh_at(ag_place where, ag_tensor x);  /* (e^x - e^-x) / 2 */
AG_API ag_tensor ag_cosh_at(ag_place where, ag_tensor x);  /* (e^x + e^-x) / 2 */
AG_API ag_tensor ag_asinh_at(ag_place where, ag_tensor x); /* sinh y = x */
AG_API ag_tensor ag_acosh_at(ag_place where, ag_tensor x); /* cosh y = x, y >= 0 */
AG_API ag_tensor ag_atanh_at(ag_place where, ag_tensor x); /* tanh y = x */
/* Whole numbers next to x; their derivative is 0. round takes halves to the even one, as PyTorch does. */
AG_API ag_tensor ag_floor_at(ag_place where, ag_tensor x); /* the largest not above x */
AG_API ag_tensor ag_ceil_at(ag_place where, ag_tensor x);  /* the smallest not below x */
AG_API ag_tensor ag_round_at(ag_place where, ag_tensor x); /* the nearest */
AG_API ag_tensor ag_trunc_at(ag_place where, ag_tensor x); /* the nearest towards 0 */
/* Questions and logic: any type, uint8 1 or 0; every number but 0 is true, NaN too. Not differentiable. */
AG_API ag_tensor ag_isnan_at(ag_place where, ag_tensor x);    /* x is NaN */
AG_API ag_tensor ag_isinf_at(ag_place where, ag_tensor x);    /* x is plus or minus infinity */
AG_API ag_tensor ag_isfinite_at(ag_place where, ag_tensor x); /* neither of the two */
AG_API ag_tensor ag_logical_not_at(ag_place where, ag_tensor x);              /* x is 0 */
AG_API ag_tensor ag_logical_and_at(ag_place where, ag_tensor a, ag_tensor b); /* both are true */
AG_API ag_tensor ag_logical_or_at(ag_place where, ag_tensor a, ag_tensor b);  /* at least one is true */
AG_API ag_tensor ag_logical_xor_at(ag_place where, ag_tensor a, ag_tensor b); /* exactly one is true */
/* Comparisons with a number: any type, uint8 1 or 0. */
AG_API ag_tensor ag_eq_scalar_at(ag_place where, ag_tensor x, double c); /* x = c */
AG_API ag_tensor ag_ne_scalar_at(ag_place where, ag_tensor x, double c); /* x != c */
AG_API ag_tensor ag_lt_scalar_at(ag_place where, ag_tensor x, double c); /* x < c */
AG_API ag_tensor ag_le_scalar_at(ag_place where, ag_tensor x, double c); /* x <= c */
AG_API ag_tensor ag_gt_scalar_at(ag_place where, ag_tensor x, double c); /* x > c */
AG_API ag_tensor ag_ge_scalar_at(ag_place where, ag_tensor x, double c); /* x >= c */
AG_API ag_tensor ag_lerp_at(ag_place where, ag_tensor a, ag_tensor b, ag_tensor weight); /* a + weight (b - a) */
AG_API ag_tensor ag_lerp_scalar_at(ag_place where, ag_tensor a, ag_tensor b, double weight); /* a + weight (b - a) */
AG_API ag_tensor ag_addcmul_at(ag_place where, ag_tensor x, ag_tensor a, ag_tensor b, double value); /* x + value a b (PyTorch: 1) */
AG_API ag_tensor ag_addcdiv_at(ag_place where, ag_tensor x, ag_tensor a, ag_tensor b, double value); /* x + value a / b (1) */
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
#define ag_cast(...) ag_cast_at(AG_HERE, __VA_ARGS__)
#define ag_expm1(...) ag_expm1_at(AG_HERE, __VA_ARGS__)
#define ag_log1p(...) ag_log1p_at(AG_HERE, __VA_ARGS__)
#define ag_log2(...) ag_log2_at(AG_HERE, __VA_ARGS__)
#define ag_log10(...) ag_log10_at(AG_HERE, __VA_ARGS__)
#define ag_tan(...) ag_tan_at(AG_HERE, __VA_ARGS__)
#define ag_asin(...) ag_asin_at(AG_HERE, __VA_ARGS__)
#define ag_acos(...) ag_acos_at(AG_HERE, __VA_ARGS__)
#define ag_atan(...) ag_atan_at(AG_HERE, __VA_ARGS__)
#define ag_sinh(...) ag_sinh_at(AG_HERE, __VA_ARGS__)
#define ag_cosh(...) ag_cosh_at(AG_HERE, __VA_ARGS__)
#define ag_asinh(...) ag_asinh_at(AG_HERE, __VA_ARGS__)
#define ag_acosh(...) ag_acosh_at(AG_HERE, __VA_ARGS__)
#define ag_atanh(...) ag_atanh_at(AG_HERE, __VA_ARGS__)
#define ag_floor(...) ag_floor_at(AG_HERE, __VA_ARGS__)
#define ag_ceil(...) ag_ceil_at(AG_HERE, __VA_ARGS__)
#define ag_round(...) ag_round_at(AG_HERE, __VA_ARGS__)
#define ag_trunc(...) ag_trunc_at(AG_HERE, __VA_ARGS__)
#define ag_isnan(...) ag_isnan_at(AG_HERE, __VA_ARGS__)
#define ag_isinf(...) ag_isinf_at(AG_HERE, __VA_ARGS__)
#define ag_isfinite(...) ag_isfinite_at(AG_HERE, __VA_ARGS__)
#define ag_logical_not(...) ag_logical_not_at(AG_HERE, __VA_ARGS__)
#define ag_logical_and(...) ag_logical_and_at(AG_HERE, __VA_ARGS__)
#define ag_logical_or(...) ag_logical_or_at(AG_HERE, __VA_ARGS__)
#define ag_logical_xor(...) ag_logical_xor_at(AG_HERE, __VA_ARGS__)
#define ag_eq_scalar(...) ag_eq_scalar_at(AG_HERE, __VA_ARGS__)
#define ag_ne_scalar(...) ag_ne_scalar_at(AG_HERE, __VA_ARGS__)
#define ag_lt_scalar(...) ag_lt_scalar_at(AG_HERE, __VA_ARGS__)
#define ag_le_scalar(...) ag_le_scalar_at(AG_HERE, __VA_ARGS__)
#define ag_gt_scalar(...) ag_gt_scalar_at(AG_HERE, __VA_ARGS__)
#define ag_ge_scalar(...) ag_ge_scalar_at(AG_HERE, __VA_ARGS__)
#define ag_lerp(...) ag_lerp_at(AG_HERE, __VA_ARGS__)
#define ag_lerp_scalar(...) ag_lerp_scalar_at(AG_HERE, __VA_ARGS__)
#define ag_addcmul(...) ag_addcmul_at(AG_HERE, __VA_ARGS__)
#define ag_addcdiv(...) ag_addcdiv_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
