/*
 * What tests of raw kernels share: numbers by chance, and buffers that notice what is written beside the results.
 */
#ifndef WENGERT_TESTS_KERNELS_H
#define WENGERT_TESTS_KERNELS_H

#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/kernels/kernels.h"
#include "autograd/kernels/tile.h"

static uint64_t state = 1; /* each program counts for itself */

static inline int64_t pick(int64_t low, int64_t high)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return low + (int64_t)((state >> 33) % (uint64_t)(high - low + 1));
}

/* ck_assert_msg notes every call, which is slow for millions of numbers. */
#define CHECK(condition, ...)          \
    do {                               \
        if (!(condition)) {            \
            ck_abort_msg(__VA_ARGS__); \
        }                              \
    } while (0)

/* The buffers' contract: 64-byte aligned, 64 bytes of slack that may be read but not written. */
typedef struct buffer {
    ag_dtype dtype;
    int64_t n;
    char *bytes;
} buffer;

enum {
    SLACK = 64,
};

static inline buffer buffer_bytes(size_t n)
{
    buffer b = { AG_UINT8, (int64_t)n, aligned_alloc(64, (n + SLACK + 63) / 64 * 64) };
    ck_assert_ptr_nonnull(b.bytes);
    memset(b.bytes, 0xff, n + SLACK);
    return b;
}

static inline buffer buffer_new(ag_dtype dtype, int64_t n)
{
    buffer b = buffer_bytes((size_t)n * ag_dtype_size(dtype));
    b.dtype = dtype;
    b.n = n;
    return b;
}

static inline void buffer_check(const buffer *b)
{
    size_t n = (size_t)b->n * (b->dtype == AG_UINT8 ? 1 : ag_dtype_size(b->dtype));
    for (size_t i = 0; i < SLACK; i++) {
        CHECK((unsigned char)b->bytes[n + i] == 0xff, "byte %zu behind a buffer was written", i);
    }
}

static inline void buffer_free(buffer *b)
{
    buffer_check(b);
    free(b->bytes);
}

static inline double get(const buffer *b, int64_t i)
{
    return b->dtype == AG_FLOAT64 ? ((double *)b->bytes)[i] : (double)((float *)b->bytes)[i];
}

static inline void set(buffer *b, int64_t i, double v)
{
    if (b->dtype == AG_FLOAT64) {
        ((double *)b->bytes)[i] = v;
    } else {
        ((float *)b->bytes)[i] = (float)v;
    }
}

/* Multiples of 1/16, so that many ties occur and float32 holds them exactly. */
static inline buffer buffer_random(ag_dtype dtype, int64_t n)
{
    buffer b = buffer_new(dtype, n);
    for (int64_t i = 0; i < n; i++) {
        set(&b, i, (double)pick(-16, 16) / 16);
    }
    return b;
}

static inline void check_close(const buffer *got, const double *want, const char *what)
{
    double tolerance = got->dtype == AG_FLOAT64 ? 1e-12 : 3e-5;
    for (int64_t i = 0; i < got->n; i++) {
        double g = get(got, i);
        CHECK(fabs(g - want[i]) <= tolerance * (1 + fabs(want[i])),
              "%s [%lld]: %.9g, expected %.9g", what, (long long)i, g, want[i]);
    }
    buffer_check(got);
}

static const ag_dtype types[] = { AG_FLOAT32, AG_FLOAT64 };
static const char *const tiles[] = { "avx512", "avx2", "plain" };

enum {
    TILES = 3,
    MOST_THREADS = 3,
};

#endif
