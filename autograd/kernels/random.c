/*
 * Random numbers from one key: element i is a function of the key and i alone, so any cut of the work gives the same bits.
 * Raw numbers only.
 */
#include <math.h>

#include "autograd/kernels/kernels.h"
#include "autograd/parallel.h"
#include "autograd/philox.h"

enum {
    STREAM = 1,  /* apart from the generator's own draws */
    BLOCKS = 64, /* of four words each, made at a time */
    WORDS = 4 * BLOCKS,
    WORTH_A_THREAD = 16384
};

/* BLOCKS blocks of philox() side by side, so that a round is vector code; word j of block i stands at j BLOCKS + i. */
AG_MULTIVERSION static void fill_words(uint64_t key, uint64_t first, uint32_t *word)
{
    uint32_t *c0 = word, *c1 = c0 + BLOCKS, *c2 = c1 + BLOCKS, *c3 = c2 + BLOCKS;
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int i = 0; i < BLOCKS; i++) {
        c0[i] = (uint32_t)(first + (uint64_t)i);
        c1[i] = (uint32_t)((first + (uint64_t)i) >> 32);
        c2[i] = STREAM;
        c3[i] = 0;
    }
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        for (int i = 0; i < BLOCKS; i++) {
            philox_round(&c0[i], &c1[i], &c2[i], &c3[i], k0, k1);
        }
        k0 += PHILOX_STEP_0;
        k1 += PHILOX_STEP_1;
    }
}

static uint64_t long_word(const uint32_t *word, int64_t i)
{
    return (uint64_t)word[2 * i] << 32 | word[2 * i + 1];
}

/* What the runs of one call share: each run is WORDS words, and so many elements as they make. */
struct runs {
    ag_dtype dtype;
    uint64_t key;
    int64_t n, length;
    double a, b;
    int64_t low, high;
    void *out;
};

/* The first element of a run, and how many it has; its words are filled. */
static int64_t begin_run(const struct runs *t, int64_t run, uint32_t *word, int64_t *count)
{
    int64_t begin = run * t->length;
    *count = t->n - begin < t->length ? t->n - begin : t->length;
    fill_words(t->key, (uint64_t)run * BLOCKS, word);
    return begin;
}

static void run_all(int threads, ag_turn *turn, const struct runs *t)
{
    ag_parallel(t->n > WORTH_A_THREAD ? threads : 1, (t->n + t->length - 1) / t->length, turn, t);
}

/* low + (high - low) u may round up to high, which is not in the interval. */
static void uniform_f32(int64_t n, const uint32_t *word, double low, double high, float *out)
{
    for (int64_t i = 0; i < n; i++) {
        float v = (float)(low + (high - low) * ((double)(word[i] >> 8) * 0x1p-24));
        out[i] = v >= (float)high && high > low ? nextafterf((float)high, (float)low) : v;
    }
}

static void uniform_f64(int64_t n, const uint32_t *word, double low, double high, double *out)
{
    for (int64_t i = 0; i < n; i++) {
        double v = low + (high - low) * ((double)(long_word(word, i) >> 11) * 0x1p-53);
        out[i] = v >= high && high > low ? nextafter(high, low) : v;
    }
}

static void uniform_run(const void *task, int64_t run)
{
    const struct runs *t = task;
    uint32_t word[WORDS];
    int64_t count, begin = begin_run(t, run, word, &count);
    if (t->dtype == AG_FLOAT32) {
        uniform_f32(count, word, t->a, t->b, (float *)t->out + begin);
    } else {
        uniform_f64(count, word, t->a, t->b, (double *)t->out + begin);
    }
}

void k_random_uniform(ag_dtype dtype, int threads, int64_t n, uint64_t key, double low, double high, void *out)
{
    int64_t length = dtype == AG_FLOAT32 ? WORDS : WORDS / 2;
    struct runs task = { .dtype = dtype, .key = key, .n = n, .length = length, .a = low, .b = high, .out = out };
    run_all(threads, uniform_run, &task);
}

/* Box-Muller: two uniform numbers make two normal ones. */
static void normal_f32(int64_t n, const uint32_t *word, double mean, double std, float *out)
{
    for (int64_t i = 0; i < n; i += 2) {
        float u = ((float)(word[i] >> 8) + 1.0f) * 0x1p-24f; /* (0, 1]: the logarithm exists */
        float angle = (float)(word[i + 1] >> 8) * (0x1p-24f * 6.28318530717958648f);
        float radius = sqrtf(-2.0f * logf(u));
        out[i] = (float)(mean + std * (double)(radius * cosf(angle)));
        if (i + 1 < n) {
            out[i + 1] = (float)(mean + std * (double)(radius * sinf(angle)));
        }
    }
}

static void normal_f64(int64_t n, const uint32_t *word, double mean, double std, double *out)
{
    for (int64_t i = 0; i < n; i += 2) {
        double u = ((double)(long_word(word, i) >> 11) + 1.0) * 0x1p-53;
        double angle = (double)(long_word(word, i + 1) >> 11) * (0x1p-53 * 6.28318530717958647692);
        double radius = sqrt(-2.0 * log(u));
        out[i] = mean + std * (radius * cos(angle));
        if (i + 1 < n) {
            out[i + 1] = mean + std * (radius * sin(angle));
        }
    }
}

static void normal_run(const void *task, int64_t run)
{
    const struct runs *t = task;
    uint32_t word[WORDS];
    int64_t count, begin = begin_run(t, run, word, &count);
    if (t->dtype == AG_FLOAT32) {
        normal_f32(count, word, t->a, t->b, (float *)t->out + begin);
    } else {
        normal_f64(count, word, t->a, t->b, (double *)t->out + begin);
    }
}

void k_random_normal(ag_dtype dtype, int threads, int64_t n, uint64_t key, double mean, double std, void *out)
{
    int64_t length = dtype == AG_FLOAT32 ? WORDS : WORDS / 2;
    struct runs task = { .dtype = dtype, .key = key, .n = n, .length = length, .a = mean, .b = std, .out = out };
    run_all(threads, normal_run, &task);
}

static void bernoulli_run(const void *task, int64_t run)
{
    const struct runs *t = task;
    uint64_t below = (uint64_t)(t->a * 0x1p32); /* 2^32 for p = 1: every word is below */
    uint32_t word[WORDS];
    int64_t count, begin = begin_run(t, run, word, &count);
    uint8_t *out = (uint8_t *)t->out + begin;
    for (int64_t i = 0; i < count; i++) {
        out[i] = word[i] < below;
    }
}

void k_random_bernoulli(int threads, int64_t n, uint64_t key, double p, uint8_t *out)
{
    struct runs task = { .key = key, .n = n, .length = WORDS, .a = p, .out = out };
    run_all(threads, bernoulli_run, &task);
}

/* The upper half of a 64 x 64-bit product. */
static uint64_t high_product(uint64_t a, uint64_t b)
{
    uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    uint64_t middle = a1 * b0 + (a0 * b0 >> 32), other = a0 * b1 + (uint32_t)middle;
    return a1 * b1 + (middle >> 32) + (other >> 32);
}

/* A 64-bit fraction of the range: the bias is below range / 2^64. */
static void integers_run(const void *task, int64_t run)
{
    const struct runs *t = task;
    uint64_t range = (uint64_t)t->high - (uint64_t)t->low;
    uint32_t word[WORDS];
    int64_t count, begin = begin_run(t, run, word, &count), *out = (int64_t *)t->out + begin;
    for (int64_t i = 0; i < count; i++) {
        out[i] = (int64_t)((uint64_t)t->low + high_product(long_word(word, i), range));
    }
}

void k_random_integers(int threads, int64_t n, uint64_t key, int64_t low, int64_t high, int64_t *out)
{
    struct runs task = { .key = key, .n = n, .length = WORDS / 2, .low = low, .high = high, .out = out };
    run_all(threads, integers_run, &task);
}

#define MASK(T, name)                                                                                                \
    AG_MULTIVERSION static void name(int64_t n, const T *restrict x, const uint8_t *restrict keep, T scale,          \
                                     T *restrict y)                                                                  \
    {                                                                                                                \
        for (int64_t i = 0; i < n; i++) {                                                                            \
            y[i] = x[i] * (keep[i] ? scale : 0);                                                                     \
        }                                                                                                            \
    }

MASK(float, mask_f32)
MASK(double, mask_f64)

struct masking {
    ag_dtype dtype;
    int64_t n;
    const void *x;
    const uint8_t *keep;
    double scale;
    void *y;
};

static void mask_part(const void *task, int64_t i)
{
    const struct masking *t = task;
    int64_t at = i * WORTH_A_THREAD, count = t->n - at < WORTH_A_THREAD ? t->n - at : WORTH_A_THREAD;
    if (t->dtype == AG_FLOAT32) {
        mask_f32(count, (const float *)t->x + at, t->keep + at, (float)t->scale, (float *)t->y + at);
    } else {
        mask_f64(count, (const double *)t->x + at, t->keep + at, t->scale, (double *)t->y + at);
    }
}

void k_mask(ag_dtype dtype, int threads, int64_t n, const void *x, const uint8_t *keep, double scale, void *y)
{
    int64_t parts = (n + WORTH_A_THREAD - 1) / WORTH_A_THREAD;
    struct masking task = { dtype, n, x, keep, scale, y };
    ag_parallel(parts > 2 ? threads : 1, parts, mask_part, &task);
}
