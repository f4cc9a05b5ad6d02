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
    float p = 1.98412698e-4f;
    p = p * r + 1.38888889e-3f;
    p = p * r + 8.33333333e-3f;
    p = p * r + 4.16666667e-2f;
    p = p * r + 1.66666667e-1f;
    p = p * r + 0.5f;
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

/* e^(t^2) erfc(t) for t >= 0, within 3e-7 of itself: falls from 1 to 0 as s = 1 / (1 + 0.3 t) does, and over s is a polynomial in s
 * (fitted to the least largest relative error, 2e-8, over t from 0 to 11). */
static AG_ALWAYS_INLINE float k_erfcx_f32(float t)
{
    float s = 1.0f / (1.0f + 0.3f * t);
    float p = -0.12955585374742207f;
    p = p * s + 0.4857361181307553f;
    p = p * s - 0.5126670539818744f;
    p = p * s + 0.548209202225773f;
    p = p * s - 0.09502631448776085f;
    p = p * s + 0.21510605714587785f;
    p = p * s + 0.14828667130939135f;
    p = p * s + 0.1707237341646598f;
    p = p * s + 0.1691874196031448f;
    return p * s;
}

/* erf within about two units in the last place. Below 0.9, where 1 - erfc would cancel, a polynomial fitted as above, within 3e-10;
 * NaN stays NaN. */
static AG_ALWAYS_INLINE float k_erf_f32(float x)
{
    float a = fabsf(x), q = x * x;
    float large = copysignf(1.0f - k_exp_falling_f32(-q) * k_erfcx_f32(a), x);
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

/* phi(x) = e^(-x^2/2) / sqrt(2 pi) and Phi(x), the area below phi left of x, from one exponential. */
static AG_ALWAYS_INLINE float k_normal_area_f32(float x, float *density)
{
    float e = k_exp_falling_f32(-0.5f * x * x), tail = 0.5f * e * k_erfcx_f32(fabsf(x) * 0.70710678f);
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
