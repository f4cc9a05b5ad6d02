/*
 * Memory seen from outside the library: an interposed malloc family counts the calls of training steps or has nothing to give, the
 * system says how much memory is resident, and every step holds as much as the one before.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "networks.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

/* ---- the interposed family ----------------------------------------------------------------------------------------------------- */

#ifndef SANITIZED

static atomic_bool counting;
static atomic_long calls;

static void count_call(void)
{
    if (atomic_load_explicit(&counting, memory_order_relaxed)) {
        atomic_fetch_add(&calls, 1);
    }
}

/* While this is not negative: so many more blocks are given out, then none. */
static atomic_long blocks_left = -1;
static atomic_bool refused;

static bool refuse(void)
{
    long left = atomic_load_explicit(&blocks_left, memory_order_relaxed);
    if (left > 0) {
        atomic_store(&blocks_left, left - 1);
    } else if (left == 0) {
        atomic_store(&refused, true);
    }
    return left == 0;
}

/* dlsym() itself may want memory before the real functions are known: a little, which is never given back. */
static char early[4096];
static size_t early_used;

static void *take_early(size_t bytes)
{
    size_t start = (early_used + 63) / 64 * 64;
    if (start + bytes > sizeof(early)) {
        return NULL;
    }
    early_used = start + bytes;
    return early + start;
}

static bool is_early(const void *block)
{
    return (const char *)block >= early && (const char *)block < early + sizeof(early);
}

/* The next definition of a function after this program's. */
#define REAL(result, name, ...)                                   \
    static result (*real_##name)(__VA_ARGS__);                    \
    if (real_##name == NULL) {                                    \
        static _Thread_local bool looking;                        \
        if (!looking) {                                           \
            looking = true;                                       \
            *(void **)&real_##name = dlsym(RTLD_NEXT, #name);     \
            looking = false;                                      \
        }                                                         \
    }

void *malloc(size_t bytes)
{
    REAL(void *, malloc, size_t)
    count_call();
    if (refuse()) {
        return NULL;
    }
    return real_malloc == NULL ? take_early(bytes) : real_malloc(bytes);
}

void *calloc(size_t n, size_t bytes)
{
    REAL(void *, calloc, size_t, size_t)
    count_call();
    if (refuse()) {
        return NULL;
    }
    return real_calloc == NULL ? take_early(n * bytes) : real_calloc(n, bytes);
}

void *realloc(void *block, size_t bytes)
{
    REAL(void *, realloc, void *, size_t)
    count_call();
    if (real_realloc == NULL || is_early(block)) {
        void *moved = malloc(bytes);
        if (moved != NULL && block != NULL) {
            memcpy(moved, block, bytes < (size_t)(early + sizeof(early) - (char *)block) ? bytes : 0);
        }
        return moved;
    }
    return refuse() ? NULL : real_realloc(block, bytes);
}

void free(void *block)
{
    REAL(void, free, void *)
    if (block == NULL || is_early(block)) {
        return;
    }
    count_call();
    if (real_free != NULL) {
        real_free(block);
    }
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    REAL(void *, aligned_alloc, size_t, size_t)
    count_call();
    return real_aligned_alloc(alignment, bytes);
}

void *memalign(size_t alignment, size_t bytes)
{
    REAL(void *, memalign, size_t, size_t)
    count_call();
    return real_memalign(alignment, bytes);
}

int posix_memalign(void **block, size_t alignment, size_t bytes)
{
    REAL(int, posix_memalign, void **, size_t, size_t)
    count_call();
    return refuse() ? ENOMEM : real_posix_memalign(block, alignment, bytes);
}

START_TEST(the_counter_counts)
{
    atomic_store(&counting, true);
    void *volatile a = malloc(100), *volatile b = calloc(10, 10), *volatile c = aligned_alloc(64, 128);
    a = realloc(a, 200);
    free(a);
    free(b);
    free(c);
    free(NULL);
    atomic_store(&counting, false);
    ck_assert_int_eq(atomic_load(&calls), 7);
    /* And it sees what the library does. */
    atomic_store(&calls, 0);
    atomic_store(&counting, true);
    ag_tensor t = ag_leaf(AG_SHAPE(1000), AG_FLOAT32, false);
    atomic_store(&counting, false);
    ck_assert_int_ge(atomic_load(&calls), 1);
    ag_drop(&t);
}
END_TEST

enum { MOST_THREADS = 3 };

/* Calls in steps 20 to 120. */
static long calls_of_steady_steps(struct trainer *t, int threads, void (*between)(struct trainer *, int))
{
    ag_set_threads(threads);
    for (int step = 0; step < 120; step++) {
        if (step == 20) {
            atomic_store(&calls, 0);
            atomic_store(&counting, true);
        }
        trainer_step(t);
        if (between != NULL) {
            between(t, step);
        }
    }
    atomic_store(&counting, false);
    assert_no_error();
    return atomic_load(&calls);
}

START_TEST(steady_steps_of_the_mlp_call_no_malloc)
{
    struct trainer t;
    trainer_open(&t, mlp(), AG_SHAPE(64, 784), 10, 1);
    ck_assert_int_eq(calls_of_steady_steps(&t, _i, NULL), 0);
    trainer_close(&t);
}
END_TEST

START_TEST(steady_steps_of_the_cnn_call_no_malloc)
{
    struct trainer t;
    trainer_open(&t, cnn(), AG_SHAPE(8, 1, 28, 28), 10, 1);
    ck_assert_int_eq(calls_of_steady_steps(&t, _i, NULL), 0);
    trainer_close(&t);
}
END_TEST

/* Sums over a long batch are cut, and want working memory. */
START_TEST(steady_steps_of_a_long_batch_call_no_malloc)
{
    struct trainer t;
    trainer_open(&t, nn_sequential(nn_linear(40, 40), nn_layer_norm(40), nn_linear(40, 40)), AG_SHAPE(1100, 40), 10, 1);
    ck_assert_int_eq(calls_of_steady_steps(&t, _i, NULL), 0);
    trainer_close(&t);
}
END_TEST

static ag_tensor best = { 0 };

/* What programs do besides: validation without a graph, the last good loss, gradients of gradients, clipping, a step that is
 * left early, a name that was known before. */
static void validate_keep_and_clip(struct trainer *t, int step)
{
    ag_scope inner = { 0 };
    ag_begin_no_grad(&inner);
    nn_eval(t->net);
    ag_tensor out = nn_forward(t->net, t->x[0]);
    ag_keep(&best, ag_mean(out));
    nn_train(t->net);
    ag_end(&inner);
    optim_clip_grad_norm(t->opt, 1);
    ag_begin(&t->scope);
    ag_label_push("penalty");
    ag_tensor x = ag_set_requires_grad(ag_detach(t->x[1]), true), g;
    ag_backward_config config = ag_backward_defaults();
    config.create_graph = true;
    ag_grad(ag_sum(ag_square(nn_forward(t->net, x))), 1, &x, &g, config);
    if (step % 3 == 0) {
        ag_backward(ag_mean(ag_square(g)));
    }
}

START_TEST(steady_steps_with_everything_call_no_malloc)
{
    struct trainer t;
    nn_module *net = nn_sequential(nn_linear(6, 20), nn_tanh(), nn_dropout(0.2), nn_linear(20, 3));
    trainer_open(&t, net, AG_SHAPE(16, 6), 3, 1);
    ck_assert_int_eq(calls_of_steady_steps(&t, _i, validate_keep_and_clip), 0);
    trainer_close(&t);
    ag_drop(&best);
}
END_TEST

/* ---- no memory -------------------------------------------------------------------------------------------------------------------- */

enum { LONG = 1100, WIDE = 40, LEAVES = 3 };

/* Backward of a residual round a norm between products of sums so long that they are cut, with only so many blocks to be had. */
static ag_error backward_with_blocks(const ag_tensor *leaf, long blocks)
{
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_tensor h = ag_linear(leaf[0], leaf[1], leaf[2]);
    ag_tensor y = ag_add(ag_linear(ag_layer_norm(h, AG_SHAPE(WIDE), leaf[2], leaf[2], 1e-5), leaf[1], leaf[2]), h);
    ag_tensor loss = ag_sum(ag_mul(y, y));
    assert_no_error();
    ag_memory_trim();
    atomic_store(&refused, false);
    atomic_store(&blocks_left, blocks);
    ag_error error = ag_backward(loss);
    atomic_store(&blocks_left, -1);
    if (error != AG_OK) {
        assert_error(AG_ERROR_MEMORY, "out of memory");
    }
    ag_end(&scope);
    return error;
}

static void take_hashes(const ag_tensor *leaf, uint64_t *hash)
{
    for (int i = 0; i < LEAVES; i++) {
        hash[i] = ag_hash(ag_grad_of(leaf[i]));
        ag_zero_grad(leaf[i]);
    }
    assert_no_error();
}

START_TEST(a_backward_without_memory_fails_alone)
{
    const double value[] = { 0.3, -0.7, 0.2, 0.5, -0.1, 0.9, -0.4 };
    ag_tensor leaf[LEAVES] = { filled_leaf(AG_FLOAT32, AG_SHAPE(LONG, WIDE), 7, value, true),
                               filled_leaf(AG_FLOAT32, AG_SHAPE(WIDE, WIDE), 7, value, true),
                               filled_leaf(AG_FLOAT32, AG_SHAPE(WIDE), 7, value, true) };
    uint64_t right[LEAVES], hash[LEAVES];
    int failures = 0;
    ag_set_threads(_i);
    ck_assert_int_eq(backward_with_blocks(leaf, -1), AG_OK);
    take_hashes(leaf, right);
    ag_memory_stats first = ag_memory();
    for (long blocks = 0;; blocks++) {
        ag_error error = backward_with_blocks(leaf, blocks);
        bool enough = !atomic_load(&refused);
        failures += error != AG_OK;
        if (error != AG_OK) {
            for (int i = 0; i < LEAVES; i++) {
                ag_zero_grad(leaf[i]);
            }
            ck_assert_int_eq(backward_with_blocks(leaf, -1), AG_OK);
        }
        take_hashes(leaf, hash);
        ck_assert_msg(memcmp(hash, right, sizeof hash) == 0, "other gradients when %ld blocks were left", blocks);
        ck_assert_int_eq(ag_memory().live_bytes, first.live_bytes);
        ck_assert_int_eq(ag_memory().live_buffers, first.live_buffers);
        if (enough) {
            break;
        }
    }
    ck_assert_int_ge(failures, 5);
    for (int i = 0; i < LEAVES; i++) {
        ag_drop(&leaf[i]);
    }
}
END_TEST

/* ---- resident memory ------------------------------------------------------------------------------------------------------------ */

static long resident_pages(void)
{
    long total = 0, resident = 0, shared = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL) {
        return 0;
    }
    ck_assert_int_eq(fscanf(file, "%ld %ld %ld", &total, &resident, &shared), 3);
    fclose(file);
    return resident - shared; /* without the pages of program files, which appear when their code first runs */
}

START_TEST(ten_thousand_steps_hold_what_a_hundred_did)
{
    struct trainer t;
    trainer_open(&t, small_net(), AG_SHAPE(16, 6), 3, 1);
    long early_pages = resident_pages(); /* asking takes some, too, the first time */
    for (int step = 1; step <= 10000; step++) {
        trainer_step(&t);
        if (step == 100) {
            early_pages = resident_pages();
        }
    }
    long late_pages = resident_pages();
    ck_assert_msg(late_pages * 100 <= early_pages * 101, "%ld pages after 100 steps, %ld after 10000", early_pages, late_pages);
    trainer_close(&t);
    assert_no_error();
}
END_TEST

#endif

/* ---- the library's own counts ------------------------------------------------------------------------------------------------------ */

START_TEST(every_step_holds_the_same)
{
    struct trainer t;
    if (_i == 0) {
        trainer_open(&t, small_net(), AG_SHAPE(16, 6), 3, 1);
    } else {
        trainer_open(&t, cnn(), AG_SHAPE(2, 1, 28, 28), 10, 1);
    }
    trainer_step(&t);
    trainer_step(&t);
    ag_memory_stats first = ag_memory();
    for (int step = 0; step < 50; step++) {
        trainer_step(&t);
        ag_memory_stats now = ag_memory();
        ck_assert_int_eq(now.live_bytes, first.live_bytes);
        ck_assert_int_eq(now.live_buffers, first.live_buffers);
        ck_assert_int_eq(now.system_allocs, first.system_allocs);
    }
    trainer_close(&t);
    assert_no_error();
    ck_assert_int_eq(ag_memory().live_bytes, 0);
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

/* Errors in the middle of steps, one after the other in every place, leave nothing behind. */
START_TEST(steps_that_fail_leak_nothing)
{
    struct trainer t;
    trainer_open(&t, small_net(), AG_SHAPE(16, 6), 3, 1);
    trainer_step(&t);
    trainer_step(&t);
    ag_begin(&t.scope);
    ag_memory_stats first = ag_memory();
    for (int round = 0; round < 60; round++) {
        ag_begin(&t.scope);
        ag_scope inner = { 0 };
        switch (round % 6) {
        case 0: /* a wrong input */
            ag_backward(ag_cross_entropy(nn_forward(t.net, t.y[0]), t.y[0]));
            break;
        case 1: /* a wrong label shape */
            ag_backward(ag_cross_entropy(nn_forward(t.net, t.x[0]), t.x[0]));
            break;
        case 2: /* a loss that is no number */
            ag_backward(nn_forward(t.net, t.x[0]));
            break;
        case 3: /* an inner scope that is never ended */
            ag_begin_no_grad(&inner);
            ag_backward(ag_sum(nn_forward(t.net, t.x[0])));
            break;
        case 4: { /* an in-place change between the two */
            ag_tensor out = nn_forward(t.net, t.x[0]);
            ag_list *parameters = nn_parameters(t.net);
            ag_tensor weight = ag_list_tensor(parameters, 0), last = ag_list_tensor(parameters, 4);
            ag_data_mut(weight);
            ag_data_mut(last);
            ag_backward(ag_cross_entropy(out, t.y[0]));
            ag_list_free(parameters);
            break;
        }
        case 5: /* two backwards */
            ag_backward(ag_add(ag_cross_entropy(nn_forward(t.net, t.x[0]), t.y[0]), ag_ones(AG_SHAPE(3), AG_FLOAT32)));
            break;
        }
        ck_assert_msg(ag_error_code() != AG_OK, "round %d", round);
        optim_step(t.opt);
        ag_error_clear();
        optim_zero_grad(t.opt);
        ag_begin(&t.scope);
        ag_memory_stats now = ag_memory();
        ck_assert_int_eq(now.live_bytes, first.live_bytes);
        ck_assert_int_eq(now.live_buffers, first.live_buffers);
        ck_assert_int_eq(ag_scope_depth(), 1);
    }
    double loss = trainer_step(&t);
    ck_assert(loss > 0 && loss < 10);
    trainer_close(&t);
    assert_no_error();
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

static void add(TCase *tests)
{
#ifndef SANITIZED
    tcase_add_test(tests, the_counter_counts);
    tcase_add_loop_test(tests, steady_steps_of_the_mlp_call_no_malloc, 1, MOST_THREADS + 1);
    tcase_add_loop_test(tests, steady_steps_of_the_cnn_call_no_malloc, 1, MOST_THREADS + 1);
    tcase_add_loop_test(tests, steady_steps_with_everything_call_no_malloc, 1, MOST_THREADS + 1);
    tcase_add_loop_test(tests, steady_steps_of_a_long_batch_call_no_malloc, 1, MOST_THREADS + 1);
    tcase_add_loop_test(tests, a_backward_without_memory_fails_alone, 1, MOST_THREADS + 1);
    tcase_add_test(tests, ten_thousand_steps_hold_what_a_hundred_did);
#endif
    tcase_add_loop_test(tests, every_step_holds_the_same, 0, 2);
    tcase_add_test(tests, steps_that_fail_leak_nothing);
}

int main(void)
{
    return run_tests("memory", add, 120);
}
