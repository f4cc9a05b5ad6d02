/* Several threads: each its own tape, models of their own at once, frozen weights shared, and the same bits for any number. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "networks.h"

enum { THREADS = 4, STEPS = 40 };

struct job {
    uint64_t seed;
    uint64_t hash;
    double loss;
    bool leave_open;
    ag_error error;
    char message[256];
};

static void finish(struct job *job)
{
    job->error = ag_error_code();
    snprintf(job->message, sizeof(job->message), "%s", ag_error_message());
}

static void *train(void *argument)
{
    struct job *job = argument;
    struct trainer t;
    ag_set_threads(1);
    trainer_open(&t, small_net(), AG_SHAPE(16, 6), 3, job->seed);
    for (int step = 0; step < STEPS; step++) {
        job->loss = trainer_step(&t);
    }
    job->hash = nn_hash(t.net);
    finish(job);
    trainer_close(&t);
    ag_scope left = { 0 };
    if (job->leave_open) { /* the thread ends in the middle of a step */
        ag_begin(&left);
        ag_label_push("left");
        ag_tensor w = ag_leaf(AG_SHAPE(10), AG_FLOAT32, true);
        ag_sum(ag_exp(w));
        ag_drop(&w);
    }
    return NULL;
}

static void run_all(struct job *jobs, void *(*work)(void *))
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &jobs[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_msg(jobs[i].error == AG_OK, "thread %d: %s", i, jobs[i].message);
    }
}

/* Two models in four threads, at once and one after the other, and again in threads that reuse the contexts. */
START_TEST(threads_train_models_of_their_own)
{
    struct job alone[2] = { { .seed = 1 }, { .seed = 2 } };
    train(&alone[0]);
    train(&alone[1]);
    ag_memory_trim();
    ck_assert_uint_ne(alone[0].hash, alone[1].hash);
    for (int round = 0; round < 5; round++) {
        struct job jobs[THREADS];
        for (int i = 0; i < THREADS; i++) {
            jobs[i] = (struct job){ .seed = 1 + (uint64_t)i % 2, .leave_open = round % 2 == 0 };
        }
        run_all(jobs, train);
        for (int i = 0; i < THREADS; i++) {
            ck_assert_uint_eq(jobs[i].hash, alone[i % 2].hash);
        }
        ck_assert_int_eq(ag_memory().live_buffers, 0);
        ck_assert_int_eq(ag_memory().pool_bytes, 0); /* ended threads gave it back */
    }
}
END_TEST

/* A context that is used again knows nothing of the thread that had it before. */
static void *look_around(void *argument)
{
    struct job *job = argument;
    ag_scope scope = { 0 };
    job->hash = (uint64_t)(ag_scope_depth() + ag_tape_length()) + (ag_grad_enabled() ? 1 : 0);
    ag_begin(&scope);
    ag_tensor x = ag_ones(AG_SHAPE(2, 3), AG_FLOAT32);
    ag_matmul(x, x);
    job->hash += strstr(ag_error_message(), ", in ") != NULL;
    ag_error_clear();
    ag_end(&scope);
    return NULL;
}

static void *leave_a_mess(void *argument)
{
    (void)argument;
    ag_label_push("outside of any scope");
    static _Thread_local ag_scope outer, inner;
    ag_begin(&outer);
    ag_begin_no_grad(&inner);
    ag_ones(AG_SHAPE(1000), AG_FLOAT32);
    ag_error_raise(AG_HERE, AG_ERROR_VALUE, "left behind");
    return NULL;
}

START_TEST(contexts_are_clean_when_used_again)
{
    for (int round = 0; round < 20; round++) {
        pthread_t thread;
        struct job job = { 0 };
        pthread_create(&thread, NULL, leave_a_mess, NULL);
        pthread_join(thread, NULL);
        pthread_create(&thread, NULL, look_around, &job);
        pthread_join(thread, NULL);
        ck_assert_uint_eq(job.hash, 0);
        ck_assert_int_eq(ag_memory().live_buffers, 0);
    }
}
END_TEST

/* ---- leaves that several threads see -------------------------------------------------------------------------------------------- */

static ag_tensor shared;
static pthread_barrier_t barrier;

/* The first thread records the leaf, then the second tries. */
static void *record_first(void *argument)
{
    struct job *job = argument;
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_square(shared);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    ag_end(&scope);
    pthread_barrier_wait(&barrier);
    finish(job);
    return NULL;
}

START_TEST(a_trainable_leaf_is_recorded_by_one_thread)
{
    shared = leaf32(AG_SHAPE(2), 1, 2);
    ag_set_name(shared, "shared");
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_t thread;
    struct job job;
    pthread_create(&thread, NULL, record_first, &job);
    pthread_barrier_wait(&barrier);
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ck_assert(ag_is_nil(ag_neg(shared)));
    assert_error(AG_ERROR_STATE, "ag_neg: the trainable leaf shared is being recorded by another thread; freeze it or clone "
                                 "the model");
    ag_scope inner = { 0 };
    ag_begin_no_grad(&inner); /* using it without recording is fine */
    ck_assert(!ag_is_nil(ag_neg(shared)));
    ag_end(&inner);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    ck_assert(!ag_is_nil(ag_neg(shared))); /* the other has ended its scope */
    ag_end(&scope);
    pthread_join(thread, NULL);
    ck_assert_msg(job.error == AG_OK, "%s", job.message);
    ag_drop(&shared);
    assert_no_error();
}
END_TEST

static ag_tensor result_of_main;

static void *use_anothers_result(void *argument)
{
    struct job *job = argument;
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_neg(result_of_main);
    finish(job);
    ag_end(&scope);
    return NULL;
}

START_TEST(results_do_not_cross_threads)
{
    ag_scope scope = { 0 };
    ag_begin(&scope);
    result_of_main = ag_ones(AG_SHAPE(2), AG_FLOAT32);
    struct job job;
    pthread_t thread;
    pthread_create(&thread, NULL, use_anothers_result, &job);
    pthread_join(thread, NULL);
    ck_assert_int_eq(job.error, AG_ERROR_STATE);
    ck_assert_ptr_nonnull(strstr(job.message, "ag_neg: input 0 is a result of another thread; pass it with ag_keep()"));
    ag_end(&scope);
}
END_TEST

/* A scope that another thread opened is nobody else's to end. */
static ag_scope scope_of_main;

static void *end_anothers_scope(void *argument)
{
    struct job *job = argument;
    ag_scope mine = { 0 };
    ag_begin(&mine);
    ag_tensor t = ag_ones(AG_SHAPE(1), AG_FLOAT32);
    ag_scope copy = scope_of_main;
    ag_end(&copy);
    job->hash = ag_is_alive(t) && ag_scope_depth() == 1;
    ag_end(&mine);
    finish(job);
    return NULL;
}

START_TEST(scopes_do_not_cross_threads)
{
    ag_begin(&scope_of_main);
    struct job job;
    pthread_t thread;
    pthread_create(&thread, NULL, end_anothers_scope, &job);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(job.hash, 1);
    ck_assert_int_eq(ag_scope_depth(), 1);
    ag_end(&scope_of_main);
}
END_TEST

/* Frozen weights in four graphs at once: saved, read by rules, dropped, thousands of times. */
static ag_tensor frozen[2];

static void *use_frozen(void *argument)
{
    struct job *job = argument;
    ag_tensor x = leaf32(AG_SHAPE(4), 1, 2, 3, 4);
    ag_scope scope = { 0 };
    for (int i = 0; i < 5000 && ag_error_code() == AG_OK; i++) {
        ag_begin(&scope);
        ag_zero_grad(x);
        ag_tensor y = ag_mul(ag_mul(x, frozen[0]), frozen[1]);
        ag_backward(ag_sum(ag_mul(y, frozen[0])));
        float g[4];
        ag_read(ag_grad_of(x), g, 4);
        for (int k = 0; k < 4; k++) {
            if (g[k] != 4.0f * 3) {
                ag_error_raise(AG_HERE, AG_ERROR_VALUE, "step %d: gradient %g", i, g[k]);
            }
        }
    }
    finish(job);
    ag_end(&scope);
    ag_drop(&x);
    return NULL;
}

START_TEST(frozen_weights_are_shared)
{
    frozen[0] = frozen32(AG_SHAPE(4), 2);
    frozen[1] = frozen32(AG_SHAPE(4), 3);
    struct job jobs[THREADS] = { { 0 } };
    run_all(jobs, use_frozen);
    assert_values(frozen[0], 2, 2, 2, 2);
    ag_drop(&frozen[0]);
    ag_drop(&frozen[1]);
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

/* ---- the same seed, the same bits -------------------------------------------------------------------------------------------------- */

enum { STEPS_OF_CNN = 3 };

/* With so many threads in each step. */
static uint64_t train_cnn(const int *threads, double *last)
{
    struct trainer t;
    nn_module *net = nn_sequential(nn_conv2d(1, 32, 3), nn_batch_norm2d(32), nn_relu(), nn_max_pool2d(2), nn_conv2d(32, 64, 3),
                                   nn_relu(), nn_max_pool2d(2), nn_conv2d(64, 128, 3), nn_relu(), nn_dropout(0.25),
                                   nn_flatten(), nn_linear(1152, 10));
    trainer_open(&t, net, AG_SHAPE(16, 1, 28, 28), 10, 7);
    for (int step = 0; step < STEPS_OF_CNN; step++) {
        ag_set_threads(threads[step]);
        *last = trainer_step(&t);
    }
    uint64_t hash = nn_hash(t.net);
    trainer_close(&t);
    return hash;
}

START_TEST(the_same_bits_for_any_number_of_threads)
{
    static const int counts[][STEPS_OF_CNN] = { { 2, 2, 2 }, { 3, 3, 3 }, { 7, 7, 7 }, { 3, 1, 2 }, { 1, 7, 1 } };
    double first_loss, loss;
    uint64_t first = train_cnn((const int[]){ 1, 1, 1 }, &first_loss);
    assert_no_error();
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        ck_assert_uint_eq(train_cnn(counts[i], &loss), first);
        ck_assert(loss == first_loss);
    }
    assert_no_error();
}
END_TEST

/* Two threads train at once, and both want the workers: one of them goes on alone meanwhile. */
static void *train_cnn_with_two(void *argument)
{
    struct job *job = argument;
    job->hash = train_cnn((const int[]){ 2, 3, 2 }, &job->loss);
    finish(job);
    return NULL;
}

START_TEST(threads_that_train_at_once_share_the_workers)
{
    double loss;
    uint64_t alone = train_cnn((const int[]){ 1, 1, 1 }, &loss);
    struct job jobs[THREADS] = { { 0 } };
    run_all(jobs, train_cnn_with_two);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_uint_eq(jobs[i].hash, alone);
        ck_assert(jobs[i].loss == loss);
    }
}
END_TEST

/* A child that was forked in the middle of training goes on where its parent does. */
START_TEST(a_forked_child_trains_on)
{
    struct trainer t;
    ag_set_threads(2);
    trainer_open(&t, nn_sequential(nn_conv2d(1, 32, 3), nn_relu(), nn_flatten(), nn_linear(21632, 10)), AG_SHAPE(16, 1, 28, 28),
                 10, 7);
    trainer_step(&t);
    int result[2];
    ck_assert_int_eq(pipe(result), 0);
    pid_t child = fork();
    if (child == 0) {
        alarm(30);
        trainer_step(&t);
        uint64_t hash = nn_hash(t.net);
        _exit(write(result[1], &hash, sizeof(hash)) == sizeof(hash) ? 0 : 1);
    }
    trainer_step(&t);
    uint64_t hash = 0;
    int status = 0;
    waitpid(child, &status, 0);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(read(result[0], &hash, sizeof(hash)), (int)sizeof(hash));
    ck_assert_uint_eq(hash, nn_hash(t.net));
    close(result[0]);
    close(result[1]);
    trainer_close(&t);
}
END_TEST

/* Each works on enough elements for several threads; x is (64,16,16,16). */
static ag_tensor by_gather(ag_tensor x, ag_rng *rng)
{
    return ag_gather(x, 1, ag_randint(ag_shape_of(x), 0, 16, rng));
}

static ag_tensor by_scan(ag_tensor x, ag_rng *rng)
{
    (void)rng;
    return ag_add(ag_cumsum(x, 1), ag_cumprod(ag_mul_scalar(x, 1.5), 2));
}

static ag_tensor by_reduction(ag_tensor x, ag_rng *rng)
{
    (void)rng;
    return ag_add(ag_prod_dims(ag_add_scalar(x, 0.5), AG_DIMS(3), true), ag_std(x, AG_DIMS(0, 2), 1, true));
}

static ag_tensor by_sort(ag_tensor x, ag_rng *rng)
{
    (void)rng;
    return ag_mul(ag_sort(x, 3, true, NULL), x);
}

static ag_tensor by_norms(ag_tensor x, ag_rng *rng)
{
    (void)rng;
    ag_tensor y = ag_layer_norm(x, AG_SHAPE(16, 16), AG_NONE, AG_NONE, 1e-5);
    return ag_group_norm(y, 4, AG_NONE, AG_NONE, 1e-5);
}

static ag_tensor by_losses(ag_tensor x, ag_rng *rng)
{
    ag_cross_entropy_config config = ag_cross_entropy_defaults();
    config.label_smoothing = 0.1;
    ag_tensor labels = ag_randint(AG_SHAPE(64, 16, 16), 0, 16, rng), p = ag_sigmoid(x);
    return ag_add(ag_cross_entropy_configured(x, labels, config), ag_add(ag_bce(p, ag_detach(p)), ag_smooth_l1_loss(x, p)));
}

static ag_tensor by_transposed_convolution(ag_tensor x, ag_rng *rng)
{
    ag_conv_transpose2d_config config = ag_conv_transpose2d_defaults();
    config.stride[0] = config.stride[1] = 2;
    ag_tensor y = ag_conv_transpose2d(x, ag_normal(AG_SHAPE(16, 8, 3, 3), 0, 0.1, AG_FLOAT32, rng), AG_NONE, config);
    return ag_masked_fill(y, ag_gt_scalar(y, 1), 1);
}

static ag_tensor by_embedding(ag_tensor x, ag_rng *rng)
{
    ag_tensor table = ag_reshape(x, AG_SHAPE(4096, 64));
    return ag_gelu(ag_embedding(table, ag_randint(AG_SHAPE(64, 100), 0, 4096, rng)));
}

static ag_tensor by_dropout(ag_tensor x, ag_rng *rng)
{
    return ag_einsum("nchw,ndhw->ncd", 2, (const ag_tensor[]){ag_dropout2d(x, 0.5, rng), ag_dropout(x, 0.5, rng)});
}

START_TEST(operations_give_the_same_bits_for_any_number_of_threads)
{
    static ag_tensor (*const work[])(ag_tensor, ag_rng *) = {by_gather, by_scan, by_reduction, by_sort, by_norms, by_losses,
                                                             by_transposed_convolution, by_embedding, by_dropout};
    ag_rng start = ag_rng_seed(5);
    ag_tensor x = AG_NONE;
    ag_scope scope = {0};
    ag_begin(&scope);
    ag_keep(&x, ag_normal(AG_SHAPE(64, 16, 16, 16), 0, 1, AG_FLOAT32, &start));
    ag_set_requires_grad(x, true);
    uint64_t value = 0, gradient = 0;
    static const int counts[] = { 1, 2, 3, 7 };
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        ag_rng rng = ag_rng_seed(6);
        ag_set_threads(counts[i]);
        ag_begin(&scope);
        ag_tensor y = work[_i](x, &rng);
        ag_zero_grad(x);
        ag_backward(ag_sum(ag_square(y)));
        assert_no_error();
        if (i == 0) {
            value = ag_hash(y);
            gradient = ag_hash(ag_grad_of(x));
        }
        ck_assert_uint_eq(ag_hash(y), value);
        ck_assert_uint_eq(ag_hash(ag_grad_of(x)), gradient);
    }
    ag_end(&scope);
    ag_drop(&x);
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, threads_train_models_of_their_own);
    tcase_add_test(tests, contexts_are_clean_when_used_again);
    tcase_add_test(tests, a_trainable_leaf_is_recorded_by_one_thread);
    tcase_add_test(tests, results_do_not_cross_threads);
    tcase_add_test(tests, scopes_do_not_cross_threads);
    tcase_add_test(tests, frozen_weights_are_shared);
    tcase_add_test(tests, the_same_bits_for_any_number_of_threads);
    tcase_add_test(tests, threads_that_train_at_once_share_the_workers);
    tcase_add_test(tests, a_forked_child_trains_on);
    tcase_add_loop_test(tests, operations_give_the_same_bits_for_any_number_of_threads, 0, 9);
}

int main(void)
{
    return run_tests("threads", add, 120);
}
