/*
 * Several threads that prepare batches: the same bits for any number of them, errors in the order of the batches and on the thread
 * that asked, stopping and going on at any moment.
 */
#include "files.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

enum { N = 61, BATCH = 4, EPOCHS = 3 };

/* Samples that depend on the epoch, take their time, and may be bad. */
struct source {
    int64_t bad, worse; /* these samples cannot be read; -1: none */
    long nanoseconds;   /* the longest that one takes */
    atomic_long reads;
    atomic_int released, now, most; /* reading now, and at most at a time */
    int together; /* nobody reads on before so many have read at the same time, or ten seconds are over */
};

static ag_error source_read(void *state, int64_t epoch, int64_t i, void *x, void *y)
{
    struct source *self = state;
    int now = atomic_fetch_add(&self->now, 1) + 1;
    for (int most = atomic_load(&self->most);
         most < now && !atomic_compare_exchange_weak(&self->most, &most, now);) {
    }
    for (int wait = 0; wait < 10000 && atomic_load(&self->most) < self->together; wait++) {
        nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
    }
    long turn = atomic_fetch_add(&self->reads, 1);
    if (self->nanoseconds > 0) {
        nanosleep(&(struct timespec){ 0, (turn * 7919 + i) % self->nanoseconds }, NULL);
    }
    ag_rng rng = ag_rng_seed((uint64_t)(epoch * 1000 + i));
    ((float *)x)[0] = (float)ag_rng_uniform(&rng);
    ((float *)x)[1] = (float)epoch;
    *(int64_t *)y = i;
    atomic_fetch_sub(&self->now, 1);
    if (i == self->bad || i == self->worse) {
        return ag_error_raise(AG_HERE, AG_ERROR_FORMAT, "source: %s",
                              i == self->bad ? "bad" : "worse");
    }
    return AG_OK;
}

static void source_release(void *state)
{
    atomic_fetch_add(&((struct source *)state)->released, 1);
}

static const data_set_type source_type = { .size = sizeof(data_set_type),
                                           .name = "source",
                                           .read_epoch = source_read,
                                           .release = source_release };

static data_loader *loader_of(struct source *source, int workers, int prefetch, bool shuffle,
                              uint64_t seed)
{
    ag_rng rng = ag_rng_seed(seed);
    data_loader_config config = data_loader_defaults();
    config.batch = BATCH;
    config.shuffle = shuffle;
    config.workers = workers;
    config.prefetch = prefetch;
    return data_loader_new(
        data_set_new(&source_type, source, N, AG_SHAPE(2), AG_FLOAT32, AG_SHAPE_SCALAR, AG_INT64),
        config, &rng);
}

struct seen {
    float x[2 * N];
    int64_t y[N];
};

/* What is left of an epoch; returns how many samples. */
static int64_t rest(data_loader *loader, struct seen *seen)
{
    data_batch b;
    int64_t n = 0;
    while (data_loader_next(loader, &b)) {
        ck_assert_int_eq(ag_read(b.x, seen->x + 2 * n, 2 * b.n), AG_OK);
        ck_assert_int_eq(ag_read(b.y, seen->y + n, b.n), AG_OK);
        n += b.n;
    }
    return n;
}

/* workers, prefetch */
static const int crews[][2] = { { 1, 1 }, { 1, 5 }, { 2, 1 },  { 2, 2 },
                                { 3, 1 }, { 5, 3 }, { 16, 4 }, { 256, 16 } };
enum { CREWS = sizeof crews / sizeof crews[0] };

START_TEST(batches_do_not_depend_on_the_number_of_threads)
{
    static struct seen alone[EPOCHS], seen;
    struct source source = { .bad = -1, .worse = -1 };
    data_loader *loader = loader_of(&source, 0, 2, true, 5);
    for (int e = 0; e < EPOCHS; e++) {
        data_loader_rewind(loader);
        ck_assert_int_eq(rest(loader, &alone[e]), N);
        for (int i = 0; i < N; i++) { /* the epoch reaches the samples */
            ck_assert(alone[e].x[2 * i + 1] == (float)e);
        }
    }
    data_loader_free(loader);
    for (int c = 0; c < CREWS; c++) {
        source.nanoseconds = c % 2 == 0 ? 100000 : 0;
        loader = loader_of(&source, crews[c][0], crews[c][1], true, 5);
        for (int e = 0; e < EPOCHS; e++) {
            data_loader_rewind(loader);
            ck_assert_int_eq(rest(loader, &seen), N);
            ck_assert_mem_eq(&seen, &alone[e], sizeof seen);
        }
        data_loader_free(loader);
    }
    ck_assert_int_eq(atomic_load(&source.released), 1 + CREWS);
}
END_TEST

START_TEST(threads_read_at_the_same_time_and_as_far_ahead_as_asked)
{
    struct source source = { .bad = -1, .worse = -1, .nanoseconds = 900000, .together = 3 };
    data_loader *loader = loader_of(&source, 3, 2, false, 1);
    data_batch b;
    ck_assert(data_loader_next(loader, &b));
    /* The lent batch and 3 times 2 more, however long it may take. */
    for (int wait = 0; wait < 20000 && atomic_load(&source.reads) < 7 * BATCH; wait++) {
        nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
    }
    nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
    ck_assert_int_eq(atomic_load(&source.reads), 7 * BATCH);
    ck_assert_int_ge(atomic_load(&source.most),
                     3); /* and the loop's own, if it finds a batch that none has begun */
    ck_assert_int_le(atomic_load(&source.most), 4);
    data_loader_free(loader);
}
END_TEST

START_TEST(of_several_errors_the_first_batch_s_is_told_where_it_was_asked_for)
{
    for (int c = -1; c < CREWS; c++) {
        struct source source = { .bad = 22, .worse = 9, .nanoseconds = c % 2 == 0 ? 0 : 50000 };
        data_loader *loader =
            loader_of(&source, c < 0 ? 0 : crews[c][0], c < 0 ? 1 : crews[c][1], false, 1);
        data_batch b;
        test_errors = 0;
        ck_assert(data_loader_next(loader, &b) && data_loader_next(loader, &b));
        nanosleep(&(struct timespec){ 0, 3000000 }, NULL);
        ck_assert_int_eq(test_errors, 0);
        ck_assert(!data_loader_next(loader, &b));
        int line = __LINE__ - 1;
        char place[64];
        snprintf(place, sizeof place, "test_workers.c:%d)", line);
        ck_assert_ptr_nonnull(strstr(ag_error_message(), place));
        ck_assert_int_eq(test_errors, 1);
        test_expect(AG_ERROR_FORMAT, "data_loader_next: batch 2, sample 9: source: worse (");
        ck_assert(!data_loader_next(loader, &b));
        test_expect(AG_ERROR_FORMAT, "data_loader_next: batch 2, sample 9: source: worse (");
        source.worse = -1;
        data_loader_rewind(loader);
        for (int k = 0; k < 5; k++) {
            ck_assert(data_loader_next(loader, &b));
        }
        ck_assert(!data_loader_next(loader, &b));
        test_expect(AG_ERROR_FORMAT, "data_loader_next: batch 5, sample 22: source: bad (");
        source.bad = -1;
        struct seen seen;
        data_loader_rewind(loader);
        ck_assert_int_eq(rest(loader, &seen), N);
        ck_assert_int_eq(ag_error_code(), AG_OK);
        data_loader_free(loader);
    }
}
END_TEST

START_TEST(threads_can_be_stopped_at_any_moment)
{
    for (int round = 0; round < 120; round++) {
        struct source source = { .bad = round % 7 == 0 ? 30 : -1,
                                 .worse = -1,
                                 .nanoseconds = 30000 };
        data_loader *loader =
            loader_of(&source, 1 + round % 5, 1 + round % 3, true, (uint64_t)round);
        data_batch b;
        for (int k = 0; k < round % 9; k++) {
            if (!data_loader_next(loader, &b)) {
                ag_error_clear();
            }
            if (k % 4 == 3) {
                data_loader_rewind(loader);
            }
        }
        data_loader_free(loader);
        ck_assert_int_eq(atomic_load(&source.released), 1);
        ck_assert_int_eq(atomic_load(&source.now), 0);
    }
}
END_TEST

/* The epoch, the order and the position come back; how many threads read before and after does not matter. */
START_TEST(a_loader_resumed_in_an_epoch_goes_on_with_any_number_of_threads)
{
    static struct seen whole, resumed, next[2];
    struct source source = { .bad = -1, .worse = -1, .nanoseconds = 5000 };
    int64_t batches = (N + BATCH - 1) / BATCH;
    for (int64_t stop = 0; stop <= batches; stop += 3) {
        for (int c = 0; c < CREWS - 1; c++) {
            data_loader *loader = loader_of(&source, crews[c][0], crews[c][1], true, 11);
            data_loader *other = loader_of(&source, crews[CREWS - 2 - c][0], 2, true, 1100);
            data_batch b;
            rest(loader, &whole);
            data_loader_rewind(loader); /* the second epoch */
            for (int64_t k = 0; k < stop; k++) {
                ck_assert(data_loader_next(loader, &b));
            }
            data_loader_next(other, &b);
            ag_state *saved = ag_state_take(data_loader_stateful(loader));
            ck_assert_int_eq(ag_state_restore(saved, data_loader_stateful(other)), AG_OK);
            data_loader_rewind(other);
            memset(&whole, 0, sizeof whole);
            memset(&resumed, 0, sizeof resumed);
            int64_t left = rest(loader, &whole);
            ck_assert_int_eq(left, stop < batches ? N - stop * BATCH : 0);
            ck_assert_int_eq(rest(other, &resumed), left);
            ck_assert_mem_eq(&whole, &resumed, sizeof whole);
            ck_assert(left == 0 || resumed.x[1] == 1);
            data_loader_rewind(loader);
            data_loader_rewind(other);
            ck_assert_int_eq(rest(loader, &next[0]), N);
            ck_assert_int_eq(rest(other, &next[1]), N);
            ck_assert_mem_eq(&next[0], &next[1], sizeof next[0]);
            ck_assert(next[1].x[1] == 2);
            ag_state_free(saved);
            data_loader_free(loader);
            data_loader_free(other);
        }
    }
    ck_assert_msg(ag_error_code() == AG_OK, "%s", ag_error_message());
}
END_TEST

static void refuse(int workers, int prefetch, const char *message)
{
    struct source source = { .bad = -1, .worse = -1 };
    data_loader *loader = loader_of(&source, workers, prefetch, false, 1);
    test_expect(AG_ERROR_VALUE, message);
    ck_assert_int_eq(atomic_load(&source.released), 1);
    data_loader_free(loader);
}

START_TEST(absurd_numbers_of_threads_are_refused)
{
    refuse(-1, 2, "data_loader_new: workers must be 0 to 256, not -1 (");
    refuse(257, 2, "data_loader_new: workers must be 0 to 256, not 257 (");
    refuse(INT32_MAX, 1, "data_loader_new: workers must be 0 to 256, not 2147483647 (");
    refuse(1, 0, "data_loader_new: prefetch must be 1 to 1024, not 0 (");
    refuse(200, 1000,
           "data_loader_new: 200 workers with a prefetch of 1000 would prepare 200000 batches "
           "ahead; at most 4096 are (");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("workers");
    TCase *tests = tcase_create("workers");
    tcase_add_checked_fixture(tests, test_begin, test_end);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, batches_do_not_depend_on_the_number_of_threads);
    tcase_add_test(tests, threads_read_at_the_same_time_and_as_far_ahead_as_asked);
    tcase_add_test(tests, of_several_errors_the_first_batch_s_is_told_where_it_was_asked_for);
    tcase_add_test(tests, threads_can_be_stopped_at_any_moment);
    tcase_add_test(tests, a_loader_resumed_in_an_epoch_goes_on_with_any_number_of_threads);
    tcase_add_test(tests, absurd_numbers_of_threads_are_refused);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
