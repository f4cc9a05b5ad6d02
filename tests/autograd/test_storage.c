/* The pool: alignment, waste, reuse, trimming, what it counts, and what threads leave behind. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

/* Leaves of zeros are written through, so that a sanitizer sees a buffer that is too small. */
START_TEST(buffers_are_aligned_and_waste_an_eighth)
{
    for (int64_t n = 1; n < 3000000; n += 1 + n / 7) {
        int64_t before = ag_memory().live_bytes;
        ag_tensor t = ag_leaf(AG_SHAPE(n), AG_UINT8, false);
        unsigned char *data = ag_data_mut(t);
        ck_assert_uint_eq((uintptr_t)data % 64, 0);
        memset(data, 1, (size_t)n);
        int64_t used = ag_memory().live_bytes - before;
        ck_assert_int_ge(used, n);
        ck_assert_msg(used <= n + n / 8 || used <= (n + 63) / 64 * 64, "%d bytes take %d", (int)n, (int)used);
        ag_drop(&t);
    }
    ck_assert_int_eq(ag_memory().live_bytes, 0);
}
END_TEST

START_TEST(freed_buffers_are_used_again)
{
    ag_tensor t = ag_leaf(AG_SHAPE(1000), AG_FLOAT32, false);
    const void *data = ag_data(t);
    int64_t bytes = ag_memory().live_bytes;
    ag_drop(&t);
    ag_memory_stats free_now = ag_memory();
    ck_assert_int_eq(free_now.pool_bytes, bytes);
    ck_assert_int_eq(free_now.live_buffers, 0);
    t = ag_leaf(AG_SHAPE(10, 99), AG_FLOAT32, false); /* of the same class */
    ck_assert_ptr_eq(ag_data(t), data);
    ag_memory_stats again = ag_memory();
    ck_assert_int_eq(again.system_allocs, free_now.system_allocs);
    ck_assert_int_eq(again.pool_bytes, 0);
    ck_assert_int_eq(again.live_buffers, 1);
    ag_drop(&t);
    ag_memory_trim();
    ck_assert_int_eq(ag_memory().pool_bytes, 0);
}
END_TEST

START_TEST(peak_is_the_most_at_a_time)
{
    ag_memory_reset_peak();
    ag_scope scope = { 0 };
    ag_begin(&scope);
    for (int i = 0; i < 10; i++) {
        ag_tensor t = ag_zeros(AG_SHAPE(1 << 16), AG_UINT8);
        if (i % 2 == 1) {
            ag_release(t);
        }
    }
    ck_assert_int_eq(ag_memory().live_bytes, 5 << 16);
    ck_assert_int_eq(ag_memory().peak_bytes, 6 << 16);
    ag_end(&scope);
    ck_assert_int_eq(ag_memory().live_bytes, 0);
    ck_assert_int_eq(ag_memory().peak_bytes, 6 << 16);
    ag_memory_reset_peak();
    ck_assert_int_eq(ag_memory().peak_bytes, 0);
}
END_TEST

/* What one big step needed is not held for ever; a steady loop keeps what it needs. */
START_TEST(the_pool_follows_the_recent_peak)
{
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_zeros(AG_SHAPE(1 << 24), AG_UINT8);
    for (int step = 0; step < 100; step++) {
        ag_begin(&scope);
        ag_zeros(AG_SHAPE(1 << 12), AG_UINT8);
    }
    ck_assert_int_lt(ag_memory().pool_bytes, 1 << 16);
    int64_t allocs = ag_memory().system_allocs;
    for (int step = 0; step < 1000; step++) {
        ag_begin(&scope);
        ag_zeros(AG_SHAPE(1 << 12), AG_UINT8);
    }
    ck_assert_int_eq(ag_memory().system_allocs, allocs);
    ag_end(&scope);
}
END_TEST

/* What comes every fifty steps is given back once, and then kept. */
START_TEST(what_comes_rarely_is_kept_when_it_was_missed)
{
    ag_scope scope = { 0 };
    int64_t allocs = 0;
    for (int step = 0; step < 500; step++) {
        ag_begin(&scope);
        ag_zeros(AG_SHAPE(1 << 12), AG_UINT8);
        if (step % 50 == 49) {
            ag_zeros(AG_SHAPE(1 << 20), AG_UINT8);
        }
        if (step == 100) {
            allocs = ag_memory().system_allocs;
            ck_assert_int_eq(allocs, 3); /* the small one, and the large one twice */
        }
    }
    ck_assert_int_eq(ag_memory().system_allocs, allocs);
    ag_end(&scope);
}
END_TEST

/* 64 TiB are refused in one place, what the system refuses in another. */
START_TEST(huge_buffers_are_refused)
{
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ck_assert(ag_is_nil(ag_zeros(AG_SHAPE(INT64_C(1) << 50), AG_FLOAT64)));
    assert_error(AG_ERROR_MEMORY, "out of memory: a buffer of 9007199254740992 bytes");
    ck_assert(ag_is_nil(ag_zeros(AG_SHAPE(INT64_C(1) << 42), AG_FLOAT64)));
    assert_error(AG_ERROR_MEMORY, "test_storage.c:");
    ck_assert(ag_is_nil(ag_leaf(AG_SHAPE(INT64_C(1) << 42), AG_FLOAT64, true)));
    assert_error(AG_ERROR_MEMORY, "test_storage.c:");
    ag_tensor many[8];
    ag_shape shapes[8];
    for (int i = 0; i < 8; i++) {
        shapes[i] = AG_SHAPE(INT64_C(1) << 58); /* 2^61 bytes each, 2^64 together: 0 in 64 bits */
    }
    ck_assert_int_eq(ag_leaves(8, shapes, AG_FLOAT64, many), AG_ERROR_MEMORY);
    assert_error(AG_ERROR_MEMORY, "test_storage.c:");
    for (int i = 0; i < 8; i++) {
        ck_assert(ag_is_nil(many[i]));
    }
    ag_tensor a = ag_ones(AG_SHAPE(1 << 22, 1), AG_FLOAT32), b = ag_ones(AG_SHAPE(1, 1 << 22), AG_FLOAT32);
    ck_assert(ag_is_nil(ag_add(a, b)));
    assert_error(AG_ERROR_MEMORY, "test_storage.c:");
    ck_assert(ag_is_nil(ag_matmul(a, b)));
    assert_error(AG_ERROR_MEMORY, "test_storage.c:");
    ck_assert(ag_is_alive(ag_ones(AG_SHAPE(10), AG_FLOAT32)));
    ag_end(&scope);
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

/* A leaf whose memory was refused may have been the first of the process: no tensor must not become readable by that. */
START_TEST(no_tensor_stays_unreadable)
{
    ck_assert(ag_is_nil(ag_leaf(AG_SHAPE(INT64_C(1) << 50), AG_FLOAT64, true)));
    assert_error(AG_ERROR_MEMORY, "");
    ag_item(AG_NONE);
    assert_error(AG_ERROR_LIFETIME, "ag_item: a tensor is needed, got none");
    ag_tensor zero = { 0 };
    ck_assert(!ag_is_alive(zero));
    ag_drop(&zero);
    ag_release(zero);
    assert_no_error();
}
END_TEST

static void *make_leaves(void *slots)
{
    for (int i = 0; i < 100; i++) {
        ((ag_tensor *)slots)[i] = ag_leaf(AG_SHAPE(1 << 16), AG_UINT8, false);
    }
    return NULL;
}

START_TEST(what_another_thread_frees_is_counted_off)
{
    ag_tensor slots[100];
    ag_tensor mine = ag_leaf(AG_SHAPE(1), AG_FLOAT32, false);
    ag_memory_stats before = ag_memory();
    for (int round = 0; round < 5; round++) {
        pthread_t thread;
        pthread_create(&thread, NULL, make_leaves, slots);
        pthread_join(thread, NULL);
        ck_assert_int_eq(ag_memory().live_buffers, before.live_buffers + 100);
        for (int i = 0; i < 100; i++) {
            ag_drop(&slots[i]);
        }
        ag_memory_stats after = ag_memory();
        ck_assert_int_eq(after.live_bytes, before.live_bytes);
        ck_assert_int_eq(after.live_buffers, before.live_buffers);
        ck_assert_int_eq(after.pool_bytes, before.pool_bytes); /* nothing piles up with the one who frees */
        ck_assert_int_le(after.peak_bytes, before.peak_bytes + (100 << 16));
    }
    ag_drop(&mine);
}
END_TEST

static void *drop_leaf(void *slot)
{
    ag_tensor other = ag_leaf(AG_SHAPE(5000), AG_FLOAT32, false);
    ag_drop(&other);
    ag_drop(slot);
    return NULL;
}

/* A thread that only ever drops has no tape, but it has a pool. */
START_TEST(ended_threads_give_their_memory_back)
{
    for (int round = 0; round < 50; round++) {
        ag_tensor slot = ag_leaf(AG_SHAPE(1 << 10), AG_FLOAT32, false);
        pthread_t thread;
        pthread_create(&thread, NULL, drop_leaf, &slot);
        pthread_join(thread, NULL);
        ck_assert(ag_is_none(slot));
        ck_assert_int_eq(ag_memory().pool_bytes, 0);
    }
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

/* A thread's count where it is right, else 255 if the error says so. */
static void *first_call_of_a_thread(void *text)
{
    char wanted[200];
    snprintf(wanted, sizeof(wanted), "WENGERT_NUM_THREADS is \"%s\": 1 to 1024 threads are possible", (const char *)text);
    int n = ag_threads();
    if (ag_error_code() == AG_OK) {
        return (void *)(intptr_t)n;
    }
    bool said = ag_error_code() == AG_ERROR_VALUE && strncmp(ag_error_message(), wanted, strlen(wanted)) == 0;
    return (void *)(intptr_t)(said ? 255 : 254);
}

/* What ag_threads() starts with in a process of its own; -1: with the error that is due. */
static int threads_with(const char *text)
{
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread;
        void *result;
        if (text == NULL) {
            unsetenv("WENGERT_NUM_THREADS");
        } else {
            setenv("WENGERT_NUM_THREADS", text, 1);
        }
        pthread_create(&thread, NULL, first_call_of_a_thread, (void *)(uintptr_t)text);
        pthread_join(thread, &result);
        _exit((int)(intptr_t)result);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status) == 255 ? -1 : WEXITSTATUS(status);
}

START_TEST(the_environment_says_how_many_threads)
{
    ck_assert_int_eq(threads_with("3"), 3);
    ck_assert_int_eq(threads_with("200"), 200);
    ck_assert_int_ge(threads_with(NULL), 1);
    ck_assert_int_eq(threads_with(""), threads_with(NULL));
    const char *wrong[] = { "0", "-2", "1025", "99999999999999999999", "none", "2 or 3", "1.5" };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        ck_assert_msg(threads_with(wrong[i]) == -1, "WENGERT_NUM_THREADS=%s", wrong[i]);
    }
}
END_TEST

static void *threads_of_a_thread(void *argument)
{
    (void)argument;
    return (void *)(intptr_t)ag_threads();
}

START_TEST(threads_are_set_for_the_calling_thread)
{
    int at_start = ag_threads();
    ag_set_threads(at_start + 1);
    ck_assert_int_eq(ag_threads(), at_start + 1);
    void *result;
    pthread_t thread;
    pthread_create(&thread, NULL, threads_of_a_thread, NULL);
    pthread_join(thread, &result);
    ck_assert_int_eq((int)(intptr_t)result, at_start);
    ag_set_threads(0);
    assert_error(AG_ERROR_VALUE, "ag_set_threads: 0 threads; 1 to 1024 are possible");
    ag_set_threads(5000);
    assert_error(AG_ERROR_VALUE, "5000 threads");
    ck_assert_int_eq(ag_threads(), at_start + 1);
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, buffers_are_aligned_and_waste_an_eighth);
    tcase_add_test(tests, freed_buffers_are_used_again);
    tcase_add_test(tests, peak_is_the_most_at_a_time);
    tcase_add_test(tests, the_pool_follows_the_recent_peak);
    tcase_add_test(tests, what_comes_rarely_is_kept_when_it_was_missed);
    tcase_add_test(tests, huge_buffers_are_refused);
    tcase_add_test(tests, no_tensor_stays_unreadable);
    tcase_add_test(tests, what_another_thread_frees_is_counted_off);
    tcase_add_test(tests, ended_threads_give_their_memory_back);
    tcase_add_test(tests, the_environment_says_how_many_threads);
    tcase_add_test(tests, threads_are_set_for_the_calling_thread);
}

int main(void)
{
    return run_tests("storage", add, 60);
}
