/*
 * Functions of one float written so that compilers turn loops over them into vector code: no branches, no tables, no calls.
 * The double versions are libm's. Internal.
 */
#ifndef WENGERT_KERNELS_VECTOR_H
#define WENGERT_KERNELS_VECTOR_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "../compiler.h"

static AG_ALWAYS_INLINE float k_float_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

static AG_ALWAYS_INLINE uint32_t k_bits_of_float(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

/* e^r as a polynomial, and 2^n as the bits that n takes in the exponent of a float: e^x = e^r 2^n, |r| <= ln 2 / 2, for x within the
 * range of 2^n. */
static AG_ALWAYS_INLINE float k_exp_parts_f32(float x, uint32_t *n)
{
    const float round = 12582912.0f; /* 1.5 2^23: adding it rounds to an integer, which stands in the low bits */
    float shifted = x * 1.44269504088896341f + round;
    float whole = shifted - round;
    float r = x - whole * 0.693145751953125f; /* ln 2 in two parts, the first exact in a whole of 8 bits */
    r = r - whole * 1.42860682030941723e-6f;
    float p = 1.38146131e-3f; /* fitted to the least largest error, 3e-9 */
    p = p * r + 8.36870983e-3f;
    p = p * r + 4.16683874e-2f;
    p = p * r + 1.66665207e-1f;
    p = p * r + 4.99999935e-1f;
    p = p * (r * r) + r;
    *n = k_bits_of_float(shifted) - k_bits_of_float(round); /* as two's complement */
    return p + 1.0f;
}

/* e^x within about one unit in the last place; overflows to infinity, underflows through the subnormals to 0, NaN stays NaN. 2^n in
 * two factors, so that neither leaves the range. */
static AG_ALWAYS_INLINE float k_exp_f32(float x)
{
    float clipped = x > 90.0f ? 90.0f : x;
    clipped = clipped < -105.0f ? -105.0f : clipped;
    uint32_t n;
    float p = k_exp_parts_f32(clipped, &n);
    uint32_t half = (uint32_t)((int32_t)n >> 1);
    return p * k_float_of_bits((half + 127u) << 23) * k_float_of_bits((n - half + 127u) << 23);
}

/* The same of an x that is at most 0, and 0 below -86.6, a little before e^x leaves the normal numbers. */
static AG_ALWAYS_INLINE float k_exp_falling_f32(float x)
{
    uint32_t n;
    float clipped = x < -86.6f ? -86.6f : x;
    float p = k_exp_parts_f32(clipped, &n);
    p = p * k_float_of_bits((n + 127u) << 23);
    return x < -86.6f ? 0 : p;
}

/* log(1 + t) for 0 <= t <= 1: 2 artanh(z) with z = t / (2 + t) <= 1/3. */
static AG_ALWAYS_INLINE float k_log1p_unit_f32(float t)
{
    float z = t / (2.0f + t), q = z * z;
    float p = 1.0f / 15.0f;
    p = p * q + 1.0f / 13.0f;
    p = p * q + 1.0f / 11.0f;
    p = p * q + 1.0f / 9.0f;
    p = p * q + 1.0f / 7.0f;
    p = p * q + 1.0f / 5.0f;
    p = p * q + 1.0f / 3.0f;
    return 2.0f * (z + z * q * p);
}

static AG_ALWAYS_INLINE double k_exp_f64(double x)
{
    return exp(x);
}

static AG_ALWAYS_INLINE double k_exp_falling_f64(double x)
{
    return exp(x);
}

static AG_ALWAYS_INLINE double k_log1p_unit_f64(double t)
{
    return log1p(t);
}

static AG_ALWAYS_INLINE float k_sigmoid_f32(float x)
{
    return 1.0f / (1.0f + k_exp_f32(-x));
}

static AG_ALWAYS_INLINE double k_sigmoid_f64(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

/* tanh within about two units in the last place: its series below 1/4, where 1 - e^-2|x| would cancel; NaN stays NaN. */
static AG_ALWAYS_INLINE float k_tanh_f32(float x)
{
    float a = fabsf(x), e = k_exp_falling_f32(-2.0f * a), q = x * x;
    float large = (1.0f - e) / (1.0f + e);
    float p = 2.18694885e-2f;
    p = p * q - 5.39682540e-2f;
    p = p * q + 1.33333333e-1f;
    p = p * q - 3.33333333e-1f;
    float small = a + a * q * p;
    return copysignf(a < 0.25f ? small : large, x);
}

static AG_ALWAYS_INLINE double k_tanh_f64(double x)
{
    return tanh(x);
}

/* e^(t^2) erfc(t) / 2 for t >= 0, within 6e-7 of itself, given 0.3 t: falls from 1/2 to 0 as s = 1 / (1 + 0.3 t) does, and over s is a
 * polynomial in s (fitted to the least largest relative error, 2e-8, over t from 0 to 11). */
static AG_ALWAYS_INLINE float k_half_erfcx_f32(float t3)
{
    float s = 1.0f / (1.0f + t3);
    float p = -0.0647779269f;
    p = p * s + 0.242868059f;
    p = p * s - 0.256333527f;
    p = p * s + 0.274104601f;
    p = p * s - 0.0475131572f;
    p = p * s + 0.107553029f;
    p = p * s + 0.0741433357f;
    p = p * s + 0.0853618671f;
    p = p * s + 0.0845937098f;
    return p * s;
}

/* erf within about two units in the last place. Below 0.9, where 1 - erfc would cancel, a polynomial fitted as above, within 3e-10;
 * NaN stays NaN. */
static AG_ALWAYS_INLINE float k_erf_f32(float x)
{
    float a = fabsf(x), q = x * x;
    float large = copysignf(1.0f - 2.0f * k_exp_falling_f32(-q) * k_half_erfcx_f32(0.3f * a), x);
    float p = 8.51310142e-5f;
    p = p * q - 8.17563865e-4f;
    p = p * q + 5.2038591e-3f;
    p = p * q - 2.68605084e-2f;
    p = p * q + 1.1283715e-1f;
    p = p * q - 3.7612635e-1f;
    p = p * q + 1.28379167e-1f;
    float small = x + x * p;
    return a < 0.9f ? small : a > 10.0f ? copysignf(1.0f, x) : large;
}

static AG_ALWAYS_INLINE double k_erf_f64(double x)
{
    return erf(x);
}

/* phi(x) = e^(-x^2/2) / sqrt(2 pi) and Phi(x), the area below phi left of x, from one power of 2: e^(-x^2/2) = 2^(-h x^2), of which what
 * is left beside a whole number stays exact where products and sums are fused. Far out, where Phi leaves the normal numbers, both are 0. */
static AG_ALWAYS_INLINE float k_normal_area_f32(float x, float *density)
{
    const float round = 12582912.0f, far = 12.94f, h = 0.721347520f;
    float a = fabsf(x), near = a > far ? far : a, q = near * near;
    float shifted = round - h * q, whole = shifted - round, r = -(h * q) - whole;
    float p = 1.53533618e-4f; /* 2^r, fitted to the least largest error, 2e-9 */
    p = p * r + 1.33988744e-3f;
    p = p * r + 9.61843736e-3f;
    p = p * r + 5.55033247e-2f;
    p = p * r + 2.40226479e-1f;
    p = p * r + 6.93147203e-1f;
    p = p * r + 1.0f;
    float e = a > far ? 0 : k_float_of_bits(k_bits_of_float(p) + (k_bits_of_float(shifted) << 23));
    float tail = e * k_half_erfcx_f32(0.212132034f * a);
    *density = e * 0.39894228f;
    return x < 0 ? tail : 1.0f - tail;
}

static AG_ALWAYS_INLINE double k_normal_area_f64(double x, double *density)
{
    *density = exp(-0.5 * x * x) * 0.39894228040143267794;
    return 0.5 * (1 + erf(x * 0.70710678118654752440));
}

/* x Phi(x) and its derivative Phi(x) + x phi(x). */
#define K_GELU(T, S)                                        \
    static AG_ALWAYS_INLINE T k_gelu_##S(T x)               \
    {                                                       \
        T density;                                          \
        return x * k_normal_area_##S(x, &density);          \
    }                                                       \
    static AG_ALWAYS_INLINE T k_gelu_slope_##S(T x)         \
    {                                                       \
        T density, area = k_normal_area_##S(x, &density);   \
        return area + x * density;                          \
    }
K_GELU(float, f32)
K_GELU(double, f64)
#undef K_GELU

#endif
