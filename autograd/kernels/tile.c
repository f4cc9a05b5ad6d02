/*
 * The register tile in every instruction set this build knows, and the choice among them. Must not
 * know what is multiplied.
 */
#include "autograd/kernels/tile.h"

#include <stdatomic.h>
#include <string.h>

#include "autograd/compiler.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(__clang__)
#define AG_UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define AG_UNROLL _Pragma("GCC unroll 16")
#endif

/* Keeps a pointer in a register of its own: compilers would rather add the common offset again for
 * every k. */
#define AG_OPAQUE(pointer) __asm__("" : "+r"(pointer))

/* Rows that are asked for before they are packed. */
#define AG_TILE_AHEAD 8

/* ---- AVX-512 --------------------------------------------------------------------------------- */

#if defined(__x86_64__)

#define AVX512_TARGET __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")))

/* 16 rows of 16 to 16 columns of 16, in four rounds of exchanges. */
AVX512_TARGET static inline void transpose_f32x16(const float *x, int64_t ld, float *y,
                                                  int64_t ldto)
{
    __m512 r[16], t[16];
    AG_UNROLL
    for (int i = 0; i < 16; i++) {
        r[i] = _mm512_loadu_ps(x + i * ld);
    }
    AG_UNROLL
    for (int i = 0; i < 8; i++) {
        t[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    AG_UNROLL
    for (int i = 0; i < 4; i++) {
        r[4 * i + 0] = _mm512_castpd_ps(
            _mm512_unpacklo_pd(_mm512_castps_pd(t[4 * i]), _mm512_castps_pd(t[4 * i + 2])));
        r[4 * i + 1] = _mm512_castpd_ps(
            _mm512_unpackhi_pd(_mm512_castps_pd(t[4 * i]), _mm512_castps_pd(t[4 * i + 2])));
        r[4 * i + 2] = _mm512_castpd_ps(
            _mm512_unpacklo_pd(_mm512_castps_pd(t[4 * i + 1]), _mm512_castps_pd(t[4 * i + 3])));
        r[4 * i + 3] = _mm512_castpd_ps(
            _mm512_unpackhi_pd(_mm512_castps_pd(t[4 * i + 1]), _mm512_castps_pd(t[4 * i + 3])));
    }
    /* r[4 i + j] holds, in its quarter q, column 4 q + j of rows 4 i … 4 i + 3. */
    AG_UNROLL
    for (int j = 0; j < 4; j++) {
        t[j] = _mm512_shuffle_f32x4(r[j], r[4 + j], 0x88);
        t[4 + j] = _mm512_shuffle_f32x4(r[j], r[4 + j], 0xdd);
        t[8 + j] = _mm512_shuffle_f32x4(r[8 + j], r[12 + j], 0x88);
        t[12 + j] = _mm512_shuffle_f32x4(r[8 + j], r[12 + j], 0xdd);
    }
    AG_UNROLL
    for (int j = 0; j < 4; j++) {
        _mm512_storeu_ps(y + (0 + j) * ldto, _mm512_shuffle_f32x4(t[j], t[8 + j], 0x88));
        _mm512_storeu_ps(y + (8 + j) * ldto, _mm512_shuffle_f32x4(t[j], t[8 + j], 0xdd));
        _mm512_storeu_ps(y + (4 + j) * ldto, _mm512_shuffle_f32x4(t[4 + j], t[12 + j], 0x88));
        _mm512_storeu_ps(y + (12 + j) * ldto, _mm512_shuffle_f32x4(t[4 + j], t[12 + j], 0xdd));
    }
}

#define TILE(name) avx512_f32_##name
#define TILE_TARGET AVX512_TARGET
#define TILE_NAME "avx512"
#define T float
#define VECTOR __m512
#define LANES 16
#define ROWS 8
#define VECTORS 3
#define LOAD(p) _mm512_loadu_ps(p)
#define STORE(p, v) _mm512_storeu_ps(p, v)
#define SET(x) _mm512_set1_ps(x)
#define FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define LOAD_PART(p, count) _mm512_maskz_loadu_ps((__mmask16)((1u << (count)) - 1), p)
#define STORE_PART(p, v, count) _mm512_mask_storeu_ps(p, (__mmask16)((1u << (count)) - 1), v)
#define TRANSPOSE transpose_f32x16
#include "autograd/kernels/tile_template.h"

#define TILE(name) avx512_f64_##name
#define TILE_TARGET AVX512_TARGET
#define TILE_NAME "avx512"
#define T double
#define VECTOR __m512d
#define LANES 8
#define ROWS 8
#define VECTORS 3
#define LOAD(p) _mm512_loadu_pd(p)
#define STORE(p, v) _mm512_storeu_pd(p, v)
#define SET(x) _mm512_set1_pd(x)
#define FMA(a, b, c) _mm512_fmadd_pd(a, b, c)
#define LOAD_PART(p, count) _mm512_maskz_loadu_pd((__mmask8)((1u << (count)) - 1), p)
#define STORE_PART(p, v, count) _mm512_mask_storeu_pd(p, (__mmask8)((1u << (count)) - 1), v)
#include "autograd/kernels/tile_template.h"

/* ---- AVX2 and FMA ---------------------------------------------------------------------------- */

#define AVX2_TARGET __attribute__((target("avx2,fma")))

AVX2_TARGET static inline __m256i mask_of_8(int64_t count)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

AVX2_TARGET static inline __m256i mask_of_4(int64_t count)
{
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(count), _mm256_setr_epi64x(0, 1, 2, 3));
}

#define TILE(name) avx2_f32_##name
#define TILE_TARGET AVX2_TARGET
#define TILE_NAME "avx2"
#define T float
#define VECTOR __m256
#define LANES 8
#define ROWS 6
#define VECTORS 2
#define LOAD(p) _mm256_loadu_ps(p)
#define STORE(p, v) _mm256_storeu_ps(p, v)
#define SET(x) _mm256_set1_ps(x)
#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define LOAD_PART(p, count) _mm256_maskload_ps(p, mask_of_8(count))
#define STORE_PART(p, v, count) _mm256_maskstore_ps(p, mask_of_8(count), v)
#include "autograd/kernels/tile_template.h"

#define TILE(name) avx2_f64_##name
#define TILE_TARGET AVX2_TARGET
#define TILE_NAME "avx2"
#define T double
#define VECTOR __m256d
#define LANES 4
#define ROWS 6
#define VECTORS 2
#define LOAD(p) _mm256_loadu_pd(p)
#define STORE(p, v) _mm256_storeu_pd(p, v)
#define SET(x) _mm256_set1_pd(x)
#define FMA(a, b, c) _mm256_fmadd_pd(a, b, c)
#define LOAD_PART(p, count) _mm256_maskload_pd(p, mask_of_4(count))
#define STORE_PART(p, v, count) _mm256_maskstore_pd(p, mask_of_4(count), v)
#include "autograd/kernels/tile_template.h"

#endif

/* ---- vectors of 16 bytes, which every processor has ------------------------------------------ */

typedef float f32x4 __attribute__((vector_size(16)));
typedef double f64x2 __attribute__((vector_size(16)));

static inline f32x4 load_f32x4(const float *p, int64_t count)
{
    f32x4 v = { 0, 0, 0, 0 };
    memcpy(&v, p, (size_t)count * sizeof *p);
    return v;
}

static inline f64x2 load_f64x2(const double *p, int64_t count)
{
    f64x2 v = { 0, 0 };
    memcpy(&v, p, (size_t)count * sizeof *p);
    return v;
}

#if defined(__aarch64__)
#define PLAIN_ROWS 8
#define PLAIN_VECTORS 3
#define PLAIN_FMA_F32(a, b, c) \
    ((f32x4)vfmaq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b)))
#define PLAIN_FMA_F64(a, b, c) \
    ((f64x2)vfmaq_f64((float64x2_t)(c), (float64x2_t)(a), (float64x2_t)(b)))
#else
#define PLAIN_ROWS 4
#define PLAIN_VECTORS 2
#define PLAIN_FMA_F32(a, b, c) ((a) * (b) + (c))
#define PLAIN_FMA_F64(a, b, c) ((a) * (b) + (c))
#endif

#define TILE(name) plain_f32_##name
#define TILE_TARGET
#define TILE_NAME "plain"
#define T float
#define VECTOR f32x4
#define LANES 4
#define ROWS PLAIN_ROWS
#define VECTORS PLAIN_VECTORS
#define LOAD(p) load_f32x4(p, 4)
#define STORE(p, v) memcpy(p, &(v), 16)
#define SET(x) ((f32x4){ x, x, x, x })
#define FMA(a, b, c) PLAIN_FMA_F32(a, b, c)
#define LOAD_PART(p, count) load_f32x4(p, count)
#define STORE_PART(p, v, count) memcpy(p, &(v), (size_t)(count) * sizeof(float))
#include "autograd/kernels/tile_template.h"

#define TILE(name) plain_f64_##name
#define TILE_TARGET
#define TILE_NAME "plain"
#define T double
#define VECTOR f64x2
#define LANES 2
#define ROWS PLAIN_ROWS
#define VECTORS PLAIN_VECTORS
#define LOAD(p) load_f64x2(p, 2)
#define STORE(p, v) memcpy(p, &(v), 16)
#define SET(x) ((f64x2){ x, x })
#define FMA(a, b, c) PLAIN_FMA_F64(a, b, c)
#define LOAD_PART(p, count) load_f64x2(p, count)
#define STORE_PART(p, v, count) memcpy(p, &(v), (size_t)(count) * sizeof(double))
#include "autograd/kernels/tile_template.h"

/* ---- the choice ------------------------------------------------------------------------------ */

static const k_tile_kernel *const kernels_f32[] = {
#if defined(__x86_64__)
    &avx512_f32_kernel,
    &avx2_f32_kernel,
#endif
    &plain_f32_kernel,
};

static const k_tile_kernel *const kernels_f64[] = {
#if defined(__x86_64__)
    &avx512_f64_kernel,
    &avx2_f64_kernel,
#endif
    &plain_f64_kernel,
};

enum {
    KERNELS = sizeof kernels_f32 / sizeof kernels_f32[0],
};

static bool processor_runs(const char *name)
{
#if defined(__x86_64__)
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (strcmp(name, "avx512") == 0) {
        return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
    }
    if (strcmp(name, "avx2") == 0) {
        return avx2;
    }
#endif
    return strcmp(name, "plain") == 0;
}

static int best_kernel(void)
{
    int i = 0;
    while (!processor_runs(kernels_f32[i]->name)) {
        i++;
    }
    return i;
}

static atomic_int chosen = -1;

const k_tile_kernel *k_tile_for(ag_dtype dtype)
{
    int i = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (AG_UNLIKELY(i < 0)) {
        i = best_kernel();
        atomic_store_explicit(&chosen, i, memory_order_relaxed);
    }
    return dtype == AG_FLOAT64 ? kernels_f64[i] : kernels_f32[i];
}

bool k_tile_choose(const char *name)
{
    for (int i = 0; i < KERNELS; i++) {
        if (strcmp(kernels_f32[i]->name, name) == 0 && processor_runs(name)) {
            atomic_store_explicit(&chosen, i, memory_order_relaxed);
            return true;
        }
    }
    return false;
}
