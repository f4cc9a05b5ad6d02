/*
 * Loaders: which samples come in which batch, who may write where, and what becomes of errors on
 * the loader's thread.
 */
#define _POSIX_C_SOURCE 200809L

#include "files.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

/* ---- counting calls of the allocator --------------------------------------------------------- */

#ifdef __has_feature
#define FEATURE(x) __has_feature(x)
#else
#define FEATURE(x) 0
#endif
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !FEATURE(address_sanitizer) && !FEATURE(thread_sanitizer) && !FEATURE(memory_sanitizer)
static atomic_llong allocations;

static int64_t allocation_calls(void)
{
    return atomic_load(&allocations);
}

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

void *malloc(size_t n)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_realloc(p, n);
}
#else
static int64_t allocation_calls(void)
{
    return 0; /* the allocator belongs to the sanitizer */
}
#endif

/* ---- a set that can be slow and can fail ----------------------------------------------------- */

struct source {
    int64_t bad;      /* this sample cannot be read; -1: all can */
    long nanoseconds; /* that a sample takes */
    atomic_long reads;
    atomic_int released;
    _Atomic(pthread_t) reader; /* who read last */
};

static ag_error source_read(void *state, int64_t i, void *x, void *y)
{
    struct source *self = state;
    atomic_fetch_add(&self->reads, 1);
    atomic_store(&self->reader, pthread_self());
    if (self->nanoseconds > 0) {
        nanosleep(&(struct timespec){ 0, self->nanoseconds }, NULL);
    }
    if (i == self->bad) {
        return ag_error_raise(AG_HERE, AG_ERROR_FORMAT, "source: cannot decode");
    }
    float *out = x;
    out[0] = (float)i;
    out[1] = -(float)i;
    *(int64_t *)y = i;
    return AG_OK;
}

static void source_release(void *state)
{
    atomic_fetch_add(&((struct source *)state)->released, 1);
}

static const data_set_type source_type = {
    .size = sizeof(data_set_type), .name = "source", .read = source_read, .release = source_release
};

static data_set *source_set(struct source *source, int64_t n)
{
    return data_set_new(&source_type, source, n, AG_SHAPE(2), AG_FLOAT32, AG_SHAPE_SCALAR,
                        AG_INT64);
}

/* Samples whose target is their index. */
static data_set *counting(int64_t n)
{
    static struct source source = { .bad = -1 };
    return source_set(&source, n);
}

/* A thread that prepares `prefetch` batches ahead; 0: none. */
static data_loader_config config(int64_t batch, bool shuffle, bool drop_last, int prefetch)
{
    data_loader_config c = data_loader_defaults();
    c.batch = batch;
    c.shuffle = shuffle;
    c.drop_last = drop_last;
    c.workers = prefetch > 0 ? 1 : 0;
    c.prefetch = prefetch != 0 ? prefetch : 1;
    return c;
}

static const int prefetches[] = { 0, 1, 2, 7, 1000 };
enum { PREFETCHES = sizeof prefetches / sizeof prefetches[0] };

/* The targets of an epoch, in the order in which they come; checks every batch on the way. */
static int64_t epoch(data_loader *loader, int64_t batch, int64_t *order)
{
    data_batch b;
    int64_t n = 0, index = 0;
    while (data_loader_next(loader, &b)) {
        ck_assert_int_eq(b.index, index++);
        ck_assert_int_ge(b.n, 1);
        ck_assert_int_le(b.n, batch);
        ck_assert(ag_shape_equal(ag_shape_of(b.x), AG_SHAPE(b.n, 2)));
        ck_assert(ag_shape_equal(ag_shape_of(b.y), AG_SHAPE(b.n)));
        ck_assert_int_eq(ag_dtype_of(b.x), AG_FLOAT32);
        ck_assert_int_eq(ag_dtype_of(b.y), AG_INT64);
        ck_assert(!ag_requires_grad(b.x) && ag_is_leaf(b.x));
        ck_assert_int_eq(ag_read(b.y, order + n, b.n), AG_OK);
        const float *x = ag_data(b.x);
        for (int64_t i = 0; i < b.n; i++) {
            ck_assert(x[2 * i] == (float)order[n + i] && x[2 * i + 1] == -(float)order[n + i]);
        }
        n += b.n;
    }
    ck_assert_int_eq(index, data_loader_batches(loader));
    ck_assert_int_eq(n, data_loader_samples(loader));
    ck_assert(ag_is_nil(b.x) && ag_is_nil(b.y) && b.n == 0);
    ck_assert(!data_loader_next(loader, &b)); /* and so it stays */
    ck_assert_int_eq(ag_error_code(), AG_OK);
    return n;
}

/* ---- batches and order ----------------------------------------------------------------------- */

START_TEST(batches_come_in_order_and_the_last_may_be_short)
{
    for (int p = 0; p < PREFETCHES; p++) {
        data_loader *loader =
            data_loader_new(counting(10), config(4, false, false, prefetches[p]), NULL);
        ck_assert_int_eq(data_loader_batches(loader), 3);
        for (int e = 0; e < 3; e++) {
            int64_t order[10];
            data_loader_rewind(loader);
            ck_assert_int_eq(epoch(loader, 4, order), 10);
            for (int64_t i = 0; i < 10; i++) {
                ck_assert_int_eq(order[i], i);
            }
        }
        data_loader_free(loader);
    }
}
END_TEST

START_TEST(drop_last_leaves_out_what_does_not_fill_a_batch)
{
    for (int p = 0; p < PREFETCHES; p++) {
        int64_t order[12];
        data_loader *loader =
            data_loader_new(counting(11), config(4, false, true, prefetches[p]), NULL);
        ck_assert_int_eq(data_loader_batches(loader), 2);
        ck_assert_int_eq(epoch(loader, 4, order), 8);
        data_loader_free(loader);
        loader = data_loader_new(counting(12), config(4, false, true, prefetches[p]), NULL);
        ck_assert_int_eq(epoch(loader, 4, order), 12);
        data_loader_free(loader);
    }
}
END_TEST

START_TEST(batches_larger_than_the_set_hold_all_of_it)
{
    static const int64_t batch[] = { 3, 4, INT64_MAX };
    for (int p = 0; p < PREFETCHES; p++) {
        for (int i = 0; i < 3; i++) {
            int64_t order[3];
            data_loader *loader =
                data_loader_new(counting(3), config(batch[i], false, false, prefetches[p]), NULL);
            ck_assert_int_eq(data_loader_batches(loader), 1);
            ck_assert_int_eq(epoch(loader, batch[i], order), 3);
            data_loader_rewind(loader);
            ck_assert_int_eq(epoch(loader, batch[i], order), 3);
            data_loader_free(loader);
        }
    }
}
END_TEST

START_TEST(defaults_are_single_samples_in_order)
{
    int64_t order[5];
    data_loader *loader = data_loader_new(counting(5), data_loader_defaults(), NULL);
    ck_assert_int_eq(data_loader_batches(loader), 5);
    ck_assert_int_eq(epoch(loader, 1, order), 5);
    ck_assert_int_eq(order[4], 4);
    data_loader_free(loader);
}
END_TEST

enum { N = 997, EPOCHS = 3 };

static void shuffled_epochs(int prefetch, uint64_t seed, int64_t order[EPOCHS][N])
{
    ag_rng rng = ag_rng_seed(seed);
    data_loader *loader = data_loader_new(counting(N), config(10, true, false, prefetch), &rng);
    ck_assert_int_eq(rng.counter, 1);
    rng.key = 0; /* the loader has a generator of its own */
    for (int e = 0; e < EPOCHS; e++) {
        data_loader_rewind(loader);
        data_loader_rewind(loader); /* at the beginning of an epoch nothing happens */
        epoch(loader, 10, order[e]);
    }
    data_loader_free(loader);
}

static int same_places(const int64_t *a, const int64_t *b)
{
    int same = 0;
    for (int i = 0; i < N; i++) {
        same += a[i] == b[i];
    }
    return same;
}

START_TEST(shuffling_gives_every_sample_once_in_a_new_order_every_epoch)
{
    static int64_t order[EPOCHS][N], other[EPOCHS][N], sorted[N];
    shuffled_epochs(2, 1, order);
    shuffled_epochs(2, 2, other);
    for (int64_t i = 0; i < N; i++) {
        sorted[i] = i;
    }
    for (int e = 0; e < EPOCHS; e++) {
        bool seen[N] = { false };
        for (int i = 0; i < N; i++) {
            ck_assert(order[e][i] >= 0 && order[e][i] < N && !seen[order[e][i]]);
            seen[order[e][i]] = true;
        }
        /* Independent permutations agree in one place on average. */
        ck_assert_int_lt(same_places(order[e], sorted), 10);
        ck_assert_int_lt(same_places(order[e], order[(e + 1) % EPOCHS]), 10);
        ck_assert_int_lt(same_places(order[e], other[e]), 10);
    }
}
END_TEST

START_TEST(prefetching_does_not_change_the_order)
{
    static int64_t expected[EPOCHS][N], order[EPOCHS][N];
    shuffled_epochs(0, 5, expected);
    for (int p = 0; p < PREFETCHES; p++) {
        shuffled_epochs(prefetches[p], 5, order);
        ck_assert_mem_eq(order, expected, sizeof order);
    }
}
END_TEST

START_TEST(rewinding_in_the_middle_begins_a_new_epoch)
{
    static int64_t all[2][2][100];
    for (int p = 0; p < 2; p++) { /* 0: without a thread */
        struct source source = { .bad = -1, .nanoseconds = 20000 };
        ag_rng rng = ag_rng_seed(3);
        data_loader *loader =
            data_loader_new(source_set(&source, 100), config(7, true, false, 3 * p), &rng);
        data_batch b;
        for (int batches = 1; batches < 20; batches++) {
            for (int i = 0; i < batches % 15; i++) {
                ck_assert(data_loader_next(loader, &b));
            }
            data_loader_rewind(loader);
            ck_assert(!ag_is_alive(b.x)); /* what was lent is past */
            if (batches % 9 == 0) {
                epoch(loader, 7, all[p][batches / 9 - 1]);
                data_loader_rewind(loader);
            }
        }
        data_loader_free(loader);
        ck_assert_int_eq(source.released, 1);
    }
    ck_assert_mem_eq(all[0], all[1], sizeof all[0]);
}
END_TEST

START_TEST(small_batches_of_arrays_are_what_they_are_without_a_thread)
{
    float x[20];
    int64_t y[10];
    for (int i = 0; i < 10; i++) {
        x[2 * i] = (float)i;
        x[2 * i + 1] = (float)-i;
        y[i] = i;
    }
    for (int p = 0; p < PREFETCHES; p++) {
        data_set *set = data_arrays(10, x, AG_SHAPE(2), AG_FLOAT32, y, AG_SHAPE_SCALAR, AG_INT64);
        data_set *part = data_subset(set, 9, y + 1);
        data_set_free(set);
        data_loader *loader = data_loader_new(part, config(4, false, false, prefetches[p]), NULL);
        for (int e = 0; e < 3; e++) {
            int64_t order[9];
            ck_assert_int_eq(epoch(loader, 4, order), 9);
            ck_assert_mem_eq(order, y + 1, sizeof order);
            data_loader_rewind(loader);
        }
        data_loader_free(loader);
    }
}
END_TEST

START_TEST(the_thread_works_ahead_as_far_as_asked)
{
    struct source source = { .bad = -1 };
    data_loader *loader =
        data_loader_new(source_set(&source, 1000), config(10, false, false, 3), NULL);
    data_batch b;
    ck_assert(data_loader_next(loader, &b));
    /* The lent batch and three more, not one beyond, however long it may take. */
    for (int wait = 0; wait < 20000 && atomic_load(&source.reads) < 40; wait++) {
        nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
    }
    nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
    ck_assert_int_eq(atomic_load(&source.reads), 40);
    ck_assert(!pthread_equal(atomic_load(&source.reader), pthread_self()));
    data_loader_free(loader);
}
END_TEST

/* ---- lending --------------------------------------------------------------------------------- */

START_TEST(a_batch_is_lent_until_the_next_call)
{
    for (int p = 0; p < PREFETCHES; p++) {
        data_loader *loader =
            data_loader_new(counting(20), config(4, false, false, prefetches[p]), NULL);
        data_batch first, second;
        ck_assert(data_loader_next(loader, &first));
        ck_assert(ag_is_alive(first.x));
        ck_assert(data_loader_next(loader, &second));
        ck_assert(!ag_is_alive(first.x) && !ag_is_alive(first.y));
        ag_numel(first.x);
        ck_assert_int_eq(ag_error_code(), AG_ERROR_LIFETIME);
        ag_error_clear();
        data_loader_free(loader);
        ck_assert(!ag_is_alive(second.x));
    }
}
END_TEST

START_TEST(a_batch_that_is_still_held_is_not_overwritten)
{
    for (int p = 0; p < PREFETCHES; p++) {
        data_loader *loader =
            data_loader_new(counting(22), config(4, false, false, prefetches[p]), NULL);
        ag_scope scope = { 0 };
        ag_begin(&scope);
        data_batch b;
        ag_tensor x[6], y[6];
        int64_t n = 0;
        while (data_loader_next(loader, &b)) {
            x[n] = ag_detach(b.x);
            y[n++] = ag_detach(b.y);
        }
        ck_assert_int_eq(n, 6);
        for (int round = 0; round < 2;
             round++) { /* nor by the next epoch, nor when the loader is gone */
            for (int64_t k = 0; k < n; k++) {
                const float *numbers = ag_data(x[k]);
                const int64_t *targets = ag_data(y[k]);
                for (int64_t i = 0; i < (k < 5 ? 4 : 2); i++) {
                    ck_assert(numbers[2 * i] == (float)(4 * k + i));
                    ck_assert_int_eq(targets[i], 4 * k + i);
                }
            }
            if (round == 0) {
                int64_t order[22];
                data_loader_rewind(loader);
                epoch(loader, 4, order);
                data_loader_free(loader);
            }
        }
        ag_end(&scope);
    }
}
END_TEST

START_TEST(what_backward_needs_is_not_overwritten)
{
    for (int p = 0; p < PREFETCHES; p++) {
        data_loader *loader =
            data_loader_new(counting(16), config(4, false, false, prefetches[p]), NULL);
        ag_tensor w = ag_leaf(AG_SHAPE(4, 2), AG_FLOAT32, true);
        ag_scope step = { 0 };
        data_batch b;
        for (int e = 0; e < 2; e++) {
            ag_begin(&step);
            ag_tensor total = AG_NONE;
            while (data_loader_next(loader, &b)) { /* all batches of an epoch in one graph */
                ag_tensor loss = ag_sum(ag_mul(b.x, w));
                total = ag_is_none(total) ? loss : ag_add(total, loss);
            }
            ag_zero_grad(w);
            ck_assert_int_eq(ag_backward(total), AG_OK);
            const float *g = ag_data(ag_grad_of(w));
            for (int i = 0; i < 4; i++) { /* i + (i + 4) + (i + 8) + (i + 12) */
                ck_assert(g[2 * i] == (float)(4 * i + 24) && g[2 * i + 1] == -(float)(4 * i + 24));
            }
            data_loader_rewind(loader);
        }
        ag_end(&step);
        ag_drop(&w);
        data_loader_free(loader);
    }
}
END_TEST

START_TEST(what_the_user_did_to_a_batch_does_not_come_back)
{
    data_loader *loader = data_loader_new(counting(8), config(4, false, false, 0), NULL);
    data_batch b;
    ck_assert(data_loader_next(loader, &b));
    ag_set_requires_grad(b.x, true);
    ((float *)ag_data_mut(b.x))[0] = 99;
    ck_assert(data_loader_next(loader, &b));
    ck_assert(!ag_requires_grad(b.x));
    ck_assert(((const float *)ag_data(b.x))[0] == 4);
    data_loader_free(loader);
}
END_TEST

START_TEST(steady_epochs_allocate_nothing)
{
    for (int p = 0; p < PREFETCHES; p++) {
        ag_rng rng = ag_rng_seed(1);
        data_loader *loader =
            data_loader_new(counting(1003), config(10, true, false, prefetches[p]), &rng);
        ag_scope step = { 0 };
        int64_t calls = 0, buffers = 0;
        for (int e = 0; e < 6; e++) {
            if (e == 2) {
                calls = allocation_calls();
                buffers = ag_memory().system_allocs;
            }
            data_batch b;
            data_loader_rewind(loader);
            while (data_loader_next(loader, &b)) {
                /* A view that lives until the next step makes the loader take another buffer. */
                ag_begin(&step);
                ag_detach(b.x);
            }
        }
        calls = allocation_calls() - calls; /* before Check, which allocates */
        ck_assert_int_eq(calls, 0);
        ck_assert_int_eq(ag_memory().system_allocs, buffers);
        ag_end(&step);
        data_loader_free(loader);
    }
}
END_TEST

START_TEST(memory_comes_back)
{
    int64_t before = ag_memory().live_bytes;
    for (int p = 0; p < PREFETCHES; p++) {
        struct source source = { .bad = -1 };
        data_loader *loader =
            data_loader_new(source_set(&source, 50), config(8, false, false, prefetches[p]), NULL);
        data_batch b;
        ck_assert(data_loader_next(loader, &b));
        ck_assert_int_gt(ag_memory().live_bytes, before);
        data_loader_free(loader);
        ck_assert_int_eq(ag_memory().live_bytes, before);
        ck_assert_int_eq(source.released, 1);
    }
    data_loader_free(NULL);
    data_batch b;
    ck_assert(!data_loader_next(NULL, &b));
    test_expect(AG_ERROR_VALUE, "data_loader_next: the loader is NULL (");
    data_loader_rewind(NULL);
    test_expect(AG_ERROR_VALUE, "data_loader_rewind: the loader is NULL");
    data_loader *loader = data_loader_new(counting(2), data_loader_defaults(), NULL);
    ck_assert(!data_loader_next(loader, NULL));
    test_expect(AG_ERROR_VALUE, "data_loader_next: the batch is NULL (");
    data_loader_free(loader);
}
END_TEST

START_TEST(freeing_in_the_middle_does_not_wait_for_the_batch)
{
    for (int i = 0; i < 30; i++) {
        struct source source = { .bad = -1, .nanoseconds = 200000 };
        data_set *set = source_set(&source, 100000);
        data_loader *loader =
            data_loader_new(data_set_share(set), config(50000, false, false, 2), NULL);
        data_loader_free(loader); /* a whole batch would take ten seconds */
        ck_assert_int_eq(source.released, 0);
        data_set_free(set);
        ck_assert_int_eq(source.released, 1);
    }
}
END_TEST

/* ---- errors ---------------------------------------------------------------------------------- */

static pthread_t user_thread;
static atomic_int handled, handled_elsewhere;

static void watching_handler(ag_error code, const char *message, void *user)
{
    (void)code;
    (void)message;
    (void)user;
    atomic_fetch_add(pthread_equal(user_thread, pthread_self()) ? &handled : &handled_elsewhere, 1);
}

START_TEST(errors_of_the_thread_are_raised_where_the_batch_is_asked_for)
{
    user_thread = pthread_self();
    ag_error_set_handler(watching_handler, NULL);
    for (int p = 0; p < PREFETCHES; p++) {
        struct source source = { .bad = 9 };
        data_loader *loader =
            data_loader_new(source_set(&source, 20), config(4, false, false, prefetches[p]), NULL);
        data_batch b;
        atomic_store(&handled, 0);
        nanosleep(&(struct timespec){ 0, 5000000 },
                  NULL); /* the thread has met it by now; nobody must know */
        ck_assert(data_loader_next(loader, &b));
        ck_assert(data_loader_next(loader, &b));
        ck_assert_int_eq(ag_error_code(), AG_OK);
        int64_t y[4];
        ck_assert_int_eq(ag_read(b.y, y, 4), AG_OK);
        ck_assert_int_eq(y[3], 7);
        ck_assert(!data_loader_next(loader, &b));
        int line = __LINE__ - 1;
        ck_assert(ag_is_nil(b.x));
        ck_assert_int_eq(atomic_load(&handled), 1);
        char place[64];
        snprintf(place, sizeof place, "test_loader.c:%d)", line);
        ck_assert_ptr_nonnull(strstr(ag_error_message(), place));
        ck_assert(!data_loader_next(loader, &b)); /* the first error stays */
        data_loader_rewind(loader);
        ck_assert_int_eq(atomic_load(&handled), 1);
        test_expect(AG_ERROR_FORMAT,
                    "data_loader_next: batch 2, sample 9: source: cannot decode (");
        ck_assert(!data_loader_next(loader, &b)); /* forgetting it does not mend the sample */
        test_expect(AG_ERROR_FORMAT,
                    "data_loader_next: batch 2, sample 9: source: cannot decode (");

        source.bad = -1;
        data_loader_rewind(loader);
        int64_t order[20];
        ck_assert_int_eq(epoch(loader, 4, order), 20);
        data_loader_free(loader);
    }
    ck_assert_int_eq(atomic_load(&handled_elsewhere), 0);
}
END_TEST

START_TEST(an_error_in_the_first_batch_can_be_rewound)
{
    for (int p = 0; p < PREFETCHES; p++) {
        struct source source = { .bad = 0 };
        data_loader *loader =
            data_loader_new(source_set(&source, 8), config(4, false, false, prefetches[p]), NULL);
        data_batch b;
        ck_assert(!data_loader_next(loader, &b));
        test_expect(AG_ERROR_FORMAT,
                    "data_loader_next: batch 0, sample 0: source: cannot decode (");
        source.bad = -1;
        data_loader_rewind(loader);
        int64_t order[8];
        ck_assert_int_eq(epoch(loader, 4, order), 8);
        data_loader_free(loader);
    }
}
END_TEST

START_TEST(an_error_that_nobody_asked_for_goes_with_its_loader)
{
    struct source source = { .bad = 9 };
    data_loader *loader =
        data_loader_new(source_set(&source, 20), config(4, false, false, 4), NULL);
    data_batch b;
    ck_assert(data_loader_next(loader, &b));
    nanosleep(&(struct timespec){ 0, 5000000 }, NULL);
    data_loader_free(loader);
    ck_assert_int_eq(ag_error_code(), AG_OK);
    ck_assert_int_eq(test_errors, 0);
}
END_TEST

/* The loader took the set, also when it could not be made. */
static void refuse(data_loader_config c, int64_t n, ag_rng *rng, ag_error code, const char *message)
{
    struct source source = { .bad = -1 };
    data_loader *loader = data_loader_new(source_set(&source, n), c, rng);
    ck_assert_ptr_nonnull(loader);
    test_expect(code, message);
    ck_assert_int_eq(source.released, 1);
    data_batch b;
    ck_assert(!data_loader_next(loader, &b));
    ck_assert(ag_is_nil(b.x));
    data_loader_rewind(loader);
    ck_assert_int_eq(data_loader_batches(loader), 0);
    ck_assert_int_eq(data_loader_samples(loader), 0);
    ck_assert_int_eq(ag_error_code(), AG_OK);
    data_loader_free(loader);
}

START_TEST(loaders_that_make_no_sense_are_refused)
{
    refuse((data_loader_config){ .batch = 4 }, 10, NULL, AG_ERROR_VALUE,
           "data_loader_new: the config did not come from data_loader_defaults() (");
    refuse(config(0, false, false, 0), 10, NULL, AG_ERROR_VALUE,
           "data_loader_new: batches cannot have 0 samples (");
    refuse(config(4, false, false, -1), 10, NULL, AG_ERROR_VALUE,
           "data_loader_new: prefetch must be 1 to 1024, not -1 (");
    refuse(config(4, true, false, 0), 10, NULL, AG_ERROR_VALUE,
           "data_loader_new: shuffling needs a generator, but it is NULL (");
    refuse(config(4, false, false, 0), 0, NULL, AG_ERROR_VALUE,
           "data_loader_new: the set has no samples (");
    refuse(config(11, false, true, 0), 10, NULL, AG_ERROR_VALUE,
           "data_loader_new: no batch is left: drop_last, batches of 11, a set of 10 samples (");
    data_loader_free(data_loader_new(NULL, data_loader_defaults(), NULL));
    test_expect(AG_ERROR_VALUE, "data_loader_new: there is no set (");
}
END_TEST

START_TEST(one_mistake_is_told_once)
{
    /* A set that cannot be made, handed straight to a loader, handed to a loop. */
    data_loader *loader =
        data_loader_new(data_mnist("none", "train"), data_loader_defaults(), NULL);
    data_batch b;
    ck_assert(!data_loader_next(loader, &b));
    data_loader_free(loader);
    ck_assert_int_eq(test_errors, 1);
    test_expect(AG_ERROR_FILE, "data_mnist: none/train-images-idx3-ubyte: no such file");
}
END_TEST

static void *two_epochs(void *argument)
{
    struct source source = { .bad = -1 };
    ag_rng rng = ag_rng_seed((uint64_t)(uintptr_t)argument);
    data_loader *loader =
        data_loader_new(source_set(&source, 500), config(8, true, false, 2), &rng);
    int64_t sum = 0, order[500];
    for (int e = 0; e < 2; e++) {
        data_loader_rewind(loader);
        epoch(loader, 8, order);
        for (int i = 0; i < 500; i++) {
            sum += order[i];
        }
    }
    data_loader_free(loader);
    return (void *)(intptr_t)(sum - 2 * 500 * 499 / 2);
}

START_TEST(threads_have_loaders_of_their_own)
{
    pthread_t thread[4];
    for (uintptr_t t = 0; t < 4; t++) {
        ck_assert_int_eq(pthread_create(&thread[t], NULL, two_epochs, (void *)t), 0);
    }
    for (int t = 0; t < 4; t++) {
        void *difference = NULL;
        ck_assert_int_eq(pthread_join(thread[t], &difference), 0);
        ck_assert_ptr_null(difference);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loader");
    TCase *tests = tcase_create("loader");
    tcase_add_checked_fixture(tests, test_begin, test_end);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, batches_come_in_order_and_the_last_may_be_short);
    tcase_add_test(tests, drop_last_leaves_out_what_does_not_fill_a_batch);
    tcase_add_test(tests, batches_larger_than_the_set_hold_all_of_it);
    tcase_add_test(tests, defaults_are_single_samples_in_order);
    tcase_add_test(tests, shuffling_gives_every_sample_once_in_a_new_order_every_epoch);
    tcase_add_test(tests, prefetching_does_not_change_the_order);
    tcase_add_test(tests, rewinding_in_the_middle_begins_a_new_epoch);
    tcase_add_test(tests, small_batches_of_arrays_are_what_they_are_without_a_thread);
    tcase_add_test(tests, the_thread_works_ahead_as_far_as_asked);
    tcase_add_test(tests, a_batch_is_lent_until_the_next_call);
    tcase_add_test(tests, a_batch_that_is_still_held_is_not_overwritten);
    tcase_add_test(tests, what_backward_needs_is_not_overwritten);
    tcase_add_test(tests, what_the_user_did_to_a_batch_does_not_come_back);
    tcase_add_test(tests, steady_epochs_allocate_nothing);
    tcase_add_test(tests, memory_comes_back);
    tcase_add_test(tests, freeing_in_the_middle_does_not_wait_for_the_batch);
    tcase_add_test(tests, errors_of_the_thread_are_raised_where_the_batch_is_asked_for);
    tcase_add_test(tests, an_error_in_the_first_batch_can_be_rewound);
    tcase_add_test(tests, an_error_that_nobody_asked_for_goes_with_its_loader);
    tcase_add_test(tests, loaders_that_make_no_sense_are_refused);
    tcase_add_test(tests, one_mistake_is_told_once);
    tcase_add_test(tests, threads_have_loaders_of_their_own);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
