#define _POSIX_C_SOURCE 200809L
#include "measure.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define REPEATS 7
#define MOST_THREADS 1024

double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- memory ---------------------------------------------------------------------------------------------------------- */

/* A line of /proc/self/status in kilobytes. */
static int64_t status_bytes(const char *key)
{
    char line[256];
    int64_t found = -1;
    FILE *f = fopen("/proc/self/status", "r");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        long long kilobytes;
        if (strncmp(line, key, strlen(key)) == 0 && sscanf(line + strlen(key), "%lld", &kilobytes) == 1) {
            found = kilobytes * 1024;
        }
    }
    if (f != NULL) {
        fclose(f);
    }
    return found;
}

int64_t resident_bytes(void)
{
    return status_bytes("VmRSS:");
}

int64_t resident_peak_bytes(void)
{
    return status_bytes("VmHWM:");
}

void resident_peak_reset(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (f != NULL) {
        fputs("5", f);
        fclose(f);
    }
}

/* ---- several threads at once ----------------------------------------------------------------------------------------- */

struct crew {
    int threads;
    double (*work)(void *one); /* a number that nobody needs, so that the work is not thought away */
    void *one[MOST_THREADS];
    pthread_barrier_t together;
    double best; /* seconds that all took together */
};

struct hand {
    struct crew *crew;
    int number;
    double sink;
};

static void *labour(void *argument)
{
    struct hand *h = argument;
    struct crew *c = h->crew;
    for (int run = 0; run < 12; run++) {
        pthread_barrier_wait(&c->together);
        double start = seconds_now();
        h->sink += c->work(c->one[h->number]);
        pthread_barrier_wait(&c->together);
        double took = seconds_now() - start;
        if (h->number == 0 && took < c->best) {
            c->best = took;
        }
    }
    return NULL;
}

/* The best time of several in which all have done their work once. */
static double together(struct crew *c)
{
    pthread_t id[MOST_THREADS];
    struct hand hand[MOST_THREADS];
    c->best = 1e9;
    if (pthread_barrier_init(&c->together, NULL, (unsigned)c->threads) != 0) {
        return c->best;
    }
    for (int i = 0; i < c->threads; i++) {
        hand[i] = (struct hand){ c, i, 0 };
        if (i > 0 && pthread_create(&id[i], NULL, labour, &hand[i]) != 0) {
            perror("pthread_create");
            exit(1);
        }
    }
    labour(&hand[0]);
    for (int i = 1; i < c->threads; i++) {
        pthread_join(id[i], NULL);
    }
    pthread_barrier_destroy(&c->together);
    return c->best;
}

/* ---- multiply-adds --------------------------------------------------------------------------------------------------- */

#define TURNS 400000

/* So many sums that none waits for its own last result: two instructions can start at once and each takes four or five cycles. */
#define SUMS 12

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <immintrin.h>

/* Written out, as the compiler keeps no array in registers. The empty assembly makes every turn count. */
#define ALL(X) X(s0) X(s1) X(s2) X(s3) X(s4) X(s5) X(s6) X(s7) X(s8) X(s9) X(s10) X(s11)

__attribute__((target("avx512f"))) static double fma_avx512(void *unused)
{
    __m512 a = _mm512_set1_ps(0.999f), b = _mm512_set1_ps(1e-3f), sum = _mm512_setzero_ps();
    (void)unused;
#define START(s) __m512 s = b;
#define TURN(s)                   \
    s = _mm512_fmadd_ps(s, a, b); \
    __asm__ volatile("" : "+v"(s));
#define ADD(s) sum = _mm512_add_ps(sum, s);
    ALL(START)
    for (int64_t t = 0; t < TURNS; t++) {
        ALL(TURN)
    }
    ALL(ADD)
#undef START
#undef TURN
#undef ADD
    return (double)_mm512_reduce_add_ps(sum);
}

__attribute__((target("avx2,fma"))) static double fma_avx2(void *unused)
{
    __m256 a = _mm256_set1_ps(0.999f), b = _mm256_set1_ps(1e-3f), sum = _mm256_setzero_ps();
    (void)unused;
#define START(s) __m256 s = b;
#define TURN(s)                   \
    s = _mm256_fmadd_ps(s, a, b); \
    __asm__ volatile("" : "+x"(s));
#define ADD(s) sum = _mm256_add_ps(sum, s);
    ALL(START)
    for (int64_t t = 0; t < TURNS; t++) {
        ALL(TURN)
    }
    ALL(ADD)
#undef START
#undef TURN
#undef ADD
    return (double)_mm256_cvtss_f32(sum);
}
#endif

/* What the compiler makes of plain arrays: vectors of whatever the build allows, multiply and add as one where that exists. */
static double fma_portable(void *unused)
{
    float s[SUMS * 4], sum = 0;
    volatile float a = 0.999f, b = 1e-3f;
    float x = a, y = b;
    (void)unused;
    for (int i = 0; i < SUMS * 4; i++) {
        s[i] = (float)i;
    }
    for (int64_t t = 0; t < TURNS; t++) {
        for (int i = 0; i < SUMS * 4; i++) {
            s[i] = s[i] * x + y;
        }
    }
    for (int i = 0; i < SUMS * 4; i++) {
        sum += s[i];
    }
    return (double)sum;
}

struct fma {
    const char *name;
    int lanes;
    double (*run)(void *unused);
    bool usable;
};

static struct fma best_fma;

double measure_fma_peak(int threads)
{
    struct fma kinds[3];
    int count = 0;
    double best = 0;
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
    kinds[count++] = (struct fma){ "avx512", 16, fma_avx512, __builtin_cpu_supports("avx512f") };
    kinds[count++] = (struct fma){ "avx2", 8, fma_avx2, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") };
#endif
    kinds[count++] = (struct fma){ "portable", 4, fma_portable, true };
    for (int i = 0; i < count; i++) {
        struct crew crew = { .threads = threads, .work = kinds[i].run };
        if (!kinds[i].usable) {
            continue;
        }
        double rate = 2.0 * TURNS * SUMS * kinds[i].lanes * threads / together(&crew);
        if (rate > best) {
            best = rate;
            best_fma = kinds[i];
        }
    }
    return best;
}

const char *measure_fma_kind(void)
{
    return best_fma.name != NULL ? best_fma.name : "none";
}

/* ---- bandwidth ------------------------------------------------------------------------------------------------------- */

struct stream {
    int64_t n;
    int passes;
    float *w, *g, *m, *v;
};

static double stream(void *argument)
{
    const struct stream *s = argument;
    for (int pass = 0; pass < s->passes; pass++) {
        float *restrict w = s->w, *restrict g = s->g, *restrict m = s->m, *restrict v = s->v;
        for (int64_t i = 0; i < s->n; i++) {
            m[i] = 0.9f * m[i] + g[i];
            v[i] = 0.9f * v[i] + g[i];
            w[i] = w[i] - 1e-3f * m[i] * v[i];
        }
    }
    return (double)s->w[0];
}

#define STREAMED 28.0 /* bytes a place: four read, three written */

double measure_bandwidth(int threads, double bytes)
{
    int64_t n = (int64_t)(bytes / STREAMED / threads) + 1024;
    int passes = (int)(16e6 / (STREAMED * (double)n * threads)) + 1;
    struct stream part[MOST_THREADS];
    struct crew crew = { .threads = threads, .work = stream };
    for (int i = 0; i < threads; i++) {
        float *memory = malloc(4 * (size_t)n * sizeof(float));
        if (memory == NULL) {
            perror("malloc");
            exit(1);
        }
        for (int64_t k = 0; k < 4 * n; k++) {
            memory[k] = 1e-3f;
        }
        part[i] = (struct stream){ n, passes, memory, memory + n, memory + 2 * n, memory + 3 * n };
        crew.one[i] = &part[i];
    }
    double rate = STREAMED * (double)n * passes * threads / together(&crew);
    for (int i = 0; i < threads; i++) {
        free(part[i].w);
    }
    return rate;
}

/* ---- from one processor to another --------------------------------------------------------------------------------------- */

#define TRIPS 2000
#define LOOKS 4096 /* before the other thread is let on: it may have to share the processor */

struct player {
    _Alignas(128) atomic_int ball;
    int last; /* ball that it has had */
    struct player *other;
    bool serves;
};

static double play(void *argument)
{
    struct player *me = argument;
    int looks = 0;
    for (int i = 0; i < TRIPS; i++) {
        int ball = ++me->last;
        if (me->serves) {
            atomic_store_explicit(&me->other->ball, ball, memory_order_release);
        }
        while (atomic_load_explicit(&me->ball, memory_order_acquire) != ball) {
            if (++looks % LOOKS == 0) {
                sched_yield();
            }
        }
        if (!me->serves) {
            atomic_store_explicit(&me->other->ball, ball, memory_order_release);
        }
    }
    return (double)looks;
}

double measure_round_trip(void)
{
    static struct player player[2];
    struct crew crew = { .threads = 2, .work = play };
    for (int i = 0; i < 2; i++) {
        atomic_init(&player[i].ball, 0);
        player[i].last = 0;
        player[i].other = &player[1 - i];
        player[i].serves = i == 0;
        crew.one[i] = &player[i];
    }
    return together(&crew) / TRIPS;
}

/* ---- time ------------------------------------------------------------------------------------------------------------ */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof(values[0]), ascending);
    return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static double processor_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct timing measure_steps(void (*step)(void *object), void *object, int warm, double seconds)
{
    double times[REPEATS], processor = 0;
    int64_t steps = 0;
    for (int i = 0; i < warm; i++) {
        step(object);
    }
    for (int r = 0; r < REPEATS; r++) {
        int64_t n = 0;
        double before = processor_seconds(), start = seconds_now(), now = start;
        while (n < 1 || now - start < seconds / REPEATS) {
            step(object);
            n++;
            now = seconds_now();
        }
        times[r] = (now - start) / (double)n;
        processor += processor_seconds() - before;
        steps += n;
    }
    return (struct timing){ median(times, REPEATS), processor / (double)steps };
}
