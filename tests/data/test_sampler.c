/*
 * Samplers: which samples an epoch has, how often and in which order; that it is drawn again after a resume; what is refused.
 */
#include "files.h"

#include <math.h>

enum { N = 40, ROOM = 40000 };

/* Samples whose target is their index. */
static data_set *counting(int64_t n)
{
    float *x = calloc((size_t)n, sizeof *x);
    int64_t *y = malloc((size_t)n * sizeof *y);
    for (int64_t i = 0; i < n; i++) {
        y[i] = i;
    }
    data_set *set = data_arrays(n, x, AG_SHAPE_SCALAR, AG_FLOAT32, y, AG_SHAPE_SCALAR, AG_INT64);
    free(x);
    free(y);
    return set;
}

static data_loader *loader_of(int64_t n, data_sampler *sampler, int64_t batch, bool drop_last,
                              uint64_t seed)
{
    ag_rng rng = ag_rng_seed(seed);
    data_loader_config config = data_loader_defaults();
    config.batch = batch;
    config.sampler = sampler;
    config.drop_last = drop_last;
    return data_loader_new(counting(n), config, &rng);
}

/* What is left of an epoch. */
static int64_t rest(data_loader *loader, int64_t *order)
{
    data_batch b;
    int64_t n = 0;
    while (data_loader_next(loader, &b)) {
        ck_assert_int_le(n + b.n, ROOM);
        ck_assert_int_eq(ag_read(b.y, order + n, b.n), AG_OK);
        n += b.n;
    }
    ck_assert_msg(ag_error_code() == AG_OK, "%s", ag_error_message());
    return n;
}

static int64_t epoch(data_loader *loader, int64_t *order)
{
    data_loader_rewind(loader);
    return rest(loader, order);
}

static void assert_permutation(const int64_t *order, int64_t n)
{
    bool *seen = calloc((size_t)n, sizeof *seen);
    for (int64_t i = 0; i < n; i++) {
        ck_assert(order[i] >= 0 && order[i] < n && !seen[order[i]]);
        seen[order[i]] = true;
    }
    free(seen);
}

/* ---- in order, at random, a list ------------------------------------------------------------- */

START_TEST(a_sequential_sampler_keeps_the_order_of_the_set)
{
    int64_t order[N];
    data_loader *loader = loader_of(N, data_sampler_sequential(), 7, false, 1);
    for (int e = 0; e < 2; e++) {
        ck_assert_int_eq(epoch(loader, order), N);
        for (int64_t i = 0; i < N; i++) {
            ck_assert_int_eq(order[i], i);
        }
    }
    data_loader_free(loader);
}
END_TEST

START_TEST(a_random_sampler_draws_permutations_as_shuffle_does)
{
    int64_t order[2][3 * N], shuffled[N];
    ag_rng rng = ag_rng_seed(4);
    data_loader_config config = data_loader_defaults();
    config.batch = 8;
    config.shuffle = true;
    data_loader *plain = data_loader_new(counting(N), config, &rng);
    data_loader *loader = loader_of(N, data_sampler_random(false, 0), 8, false, 4);
    for (int e = 0; e < 2; e++) {
        ck_assert_int_eq(epoch(loader, order[e]), N);
        ck_assert_int_eq(epoch(plain, shuffled), N);
        ck_assert_mem_eq(order[e], shuffled, sizeof shuffled);
        assert_permutation(order[e], N);
    }
    ck_assert(memcmp(order[0], order[1], sizeof shuffled) != 0);
    data_loader_free(plain);
    data_loader_free(loader);

    /* More than the set has: one permutation after the other; fewer: a part of one. */
    loader = loader_of(N, data_sampler_random(false, 2 * N + 5), 8, false, 4);
    ck_assert_int_eq(data_loader_samples(loader), 2 * N + 5);
    ck_assert_int_eq(epoch(loader, order[0]), 2 * N + 5);
    assert_permutation(order[0], N);
    assert_permutation(order[0] + N, N);
    for (int i = 0; i < 5; i++) {
        for (int j = 0; j < i; j++) {
            ck_assert_int_ne(order[0][2 * N + i], order[0][2 * N + j]);
        }
    }
    data_loader_free(loader);
    loader = loader_of(N, data_sampler_random(false, 6), 8, false, 4);
    ck_assert_int_eq(epoch(loader, order[0]), 6);
    data_loader_free(loader);
}
END_TEST

/* The sum of (seen - expected)^2 / expected, which has the mean `n - 1`, and the variance twice that. */
static double chi_square(const int64_t *count, const double *share, int n, int64_t draws)
{
    double sum = 0;
    for (int i = 0; i < n; i++) {
        double expected = share[i] * (double)draws;
        if (expected == 0) {
            ck_assert_int_eq(count[i], 0);
        } else {
            sum += ((double)count[i] - expected) * ((double)count[i] - expected) / expected;
        }
    }
    return sum;
}

START_TEST(draws_with_replacement_are_uniform)
{
    static int64_t order[ROOM];
    int64_t count[10] = { 0 };
    double share[10];
    data_loader *loader = loader_of(10, data_sampler_random(true, 30000), 100, false, 2);
    ck_assert_int_eq(epoch(loader, order), 30000);
    for (int i = 0; i < 30000; i++) {
        count[order[i]]++;
    }
    for (int i = 0; i < 10; i++) {
        share[i] = 0.1;
    }
    ck_assert_double_lt(chi_square(count, share, 10, 30000), 9 + 4 * sqrt(18));
    int repeated = 0;
    for (int i = 1; i < 30000; i++) {
        repeated += order[i] == order[i - 1];
    }
    ck_assert_double_lt(fabs(repeated - 3000.), 4 * sqrt(30000 * 0.09)); /* independent */
    data_loader_free(loader);
}
END_TEST

START_TEST(a_subset_is_its_list_in_order_or_shuffled)
{
    static const int64_t list[] = { 7, 3, 3, 39, 0 };
    int64_t order[5], sum = 0;
    data_loader *loader = loader_of(N, data_sampler_subset(5, list, false), 2, false, 1);
    ck_assert_int_eq(data_loader_batches(loader), 3);
    ck_assert_int_eq(epoch(loader, order), 5);
    ck_assert_mem_eq(order, list, sizeof list);
    data_loader_free(loader);
    int different = 0;
    loader = loader_of(N, data_sampler_subset(5, list, true), 2, false, 1);
    for (int e = 0; e < 10; e++) {
        ck_assert_int_eq(epoch(loader, order), 5);
        different += memcmp(order, list, sizeof list) != 0;
        sum = 0;
        for (int i = 0; i < 5; i++) {
            sum += order[i] * order[i];
        }
        ck_assert_int_eq(sum, 49 + 9 + 9 + 39 * 39);
    }
    ck_assert_int_ge(different, 5);
    data_loader_free(loader);
}
END_TEST

/* ---- by weight ------------------------------------------------------------------------------- */

START_TEST(weights_are_shares_of_draws_with_replacement)
{
    static int64_t order[ROOM];
    static const double weight[] = { 0, 1, 2, 0, 5, 1e-300, 2, 0 };
    double share[8];
    int64_t count[8] = { 0 };
    for (int i = 0; i < 8; i++) {
        share[i] = weight[i] > 1e-9 ? weight[i] / 10 : 0;
    }
    data_loader *loader = loader_of(8, data_sampler_weighted(8, weight, ROOM, true), 100, false, 3);
    ck_assert_int_eq(epoch(loader, order), ROOM);
    for (int i = 0; i < ROOM; i++) {
        count[order[i]]++;
    }
    ck_assert_double_lt(chi_square(count, share, 8, ROOM), 3 + 4 * sqrt(6));
    data_loader_free(loader);
}
END_TEST

/* The chance that the first draws are i, then j: w_i / W times w_j / (W - w_i). */
START_TEST(weights_decide_what_comes_first_without_replacement)
{
    static const double weight[] = { 3, 0, 1, 6e300 / 1e300, 2 };
    enum { EPOCHS = 20000 };
    int64_t count[25] = { 0 };
    double share[25] = { 0 };
    for (int i = 0; i < 5; i++) {
        for (int j = 0; j < 5; j++) {
            share[5 * i + j] = i == j ? 0 : weight[i] / 12 * weight[j] / (12 - weight[i]);
        }
    }
    data_loader *loader = loader_of(5, data_sampler_weighted(5, weight, 4, false), 4, false, 5);
    for (int e = 0; e < EPOCHS; e++) {
        int64_t order[4];
        ck_assert_int_eq(epoch(loader, order), 4);
        bool seen[5] = { false };
        for (int i = 0; i < 4; i++) {
            ck_assert(!seen[order[i]]);
            seen[order[i]] = true;
        }
        count[5 * order[0] + order[1]]++;
    }
    ck_assert_double_lt(chi_square(count, share, 25, EPOCHS), 11 + 4 * sqrt(22));
    data_loader_free(loader);

    static const double tiny[] = { 5e-324, 0, 5e-324, 1e295 };
    int64_t order[3];
    loader = loader_of(4, data_sampler_weighted(4, tiny, 3, false), 4, false, 5);
    for (int e = 0; e < 50; e++) {
        ck_assert_int_eq(epoch(loader, order), 3);
        ck_assert_int_eq(order[0], 3);
        ck_assert_int_eq(order[1] + order[2], 2);
    }
    data_loader_free(loader);
}
END_TEST

/* ---- by length ------------------------------------------------------------------------------- */

enum { LONG = 103 };

static void lengths_make(int64_t *length)
{
    ag_rng rng = ag_rng_seed(8);
    for (int i = 0; i < LONG; i++) {
        length[i] = 1 + ag_rng_below(&rng, 50);
    }
}

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

START_TEST(buckets_of_the_whole_set_waste_as_little_as_can_be)
{
    int64_t length[LONG], order[LONG], first[LONG], batch_first[25];
    lengths_make(length);
    data_loader *loader = loader_of(LONG, data_sampler_bucketed(LONG, length, 0), 4, false, 2);
    int same = 0, order_same = 0;
    for (int e = 0; e < 5; e++) {
        ck_assert_int_eq(epoch(loader, order), LONG);
        assert_permutation(order, LONG);
        /* Without the last batch, batches are runs of the sorted lengths. */
        int64_t sorted[100], smallest[25];
        for (int i = 0; i < 100; i++) {
            sorted[i] = length[order[i]];
        }
        for (int k = 0; k < 25; k++) {
            int64_t *in = sorted + 4 * k;
            qsort(in, 4, sizeof *in, ascending);
            smallest[k] = in[0] * 100 + in[3];
        }
        qsort(smallest, 25, sizeof *smallest, ascending);
        for (int k = 1; k < 25; k++) {
            ck_assert_int_ge(smallest[k] / 100, smallest[k - 1] % 100);
        }
        for (int k = 0; k < 25; k++) {
            int64_t now = length[order[4 * k]];
            same += e > 0 && now == batch_first[k];
            batch_first[k] = now;
        }
        order_same += e > 0 && memcmp(first, order, sizeof first) == 0;
        memcpy(first, order, sizeof first);
    }
    ck_assert_int_lt(same, 30); /* of 100: batches come in a new order each time */
    ck_assert_int_eq(order_same, 0);
    data_loader_free(loader);
}
END_TEST

static int64_t wasted(const int64_t *length, const int64_t *order, int64_t n, int64_t batch)
{
    int64_t waste = 0;
    for (int64_t begin = 0; begin < n; begin += batch) {
        int64_t end = begin + batch < n ? begin + batch : n, longest = 0;
        for (int64_t i = begin; i < end; i++) {
            longest = length[order[i]] > longest ? length[order[i]] : longest;
        }
        for (int64_t i = begin; i < end; i++) {
            waste += longest - length[order[i]];
        }
    }
    return waste;
}

START_TEST(pools_mix_more_and_waste_more)
{
    int64_t length[LONG], order[LONG], waste[4] = { 0 };
    static const int64_t pool[] = { 1, 5, 0, INT64_MAX };
    lengths_make(length);
    for (int p = 0; p < 4; p++) {
        data_loader *loader =
            loader_of(LONG, data_sampler_bucketed(LONG, length, pool[p]), 4, p == 1, 6);
        for (int e = 0; e < 10; e++) {
            int64_t n = epoch(loader, order);
            ck_assert_int_eq(n, p == 1 ? 100 : LONG);
            waste[p] += wasted(length, order, 100, 4);
        }
        data_loader_free(loader);
    }
    ck_assert_int_gt(waste[0], 3 * waste[1]);
    ck_assert_int_gt(waste[1], 2 * waste[2]);
    ck_assert_int_eq(waste[2], waste[3]);
}
END_TEST

/* ---- a sampler of the program's own ---------------------------------------------------------- */

/* Epoch e has sample e, then what the last one was asked to remember. */
struct learner {
    int64_t told, bad, released;
    ag_error error;
};

static ag_error learner_draw(void *state, const data_draw *what, ag_rng *rng, int64_t *order)
{
    struct learner *self = state;
    ck_assert_int_eq(what->batch, 2);
    ck_assert_int_eq(data_set_size(what->set), N);
    for (int64_t i = 0; i < what->count; i++) {
        order[i] = i == 0 ? what->epoch : i == 1 ? self->told : ag_rng_below(rng, N);
    }
    order[what->count - 1] = self->bad != 0 ? self->bad : order[what->count - 1];
    return self->error;
}

static void learner_visit(void *state, ag_state_visitor *v)
{
    ag_state_int64(v, "told", &((struct learner *)state)->told);
}

static void learner_release(void *state)
{
    ((struct learner *)state)->released++;
}

static const data_sampler_type learner_type = { .size = sizeof(data_sampler_type),
                                                .name = "learner",
                                                .random = true,
                                                .draw = learner_draw,
                                                .visit = learner_visit,
                                                .release = learner_release };

START_TEST(a_sampler_of_the_programs_own_decides_and_remembers)
{
    struct learner a = { .told = 11 }, b = { .told = 30 };
    data_loader *loader = loader_of(N, data_sampler_new(&learner_type, &a, 6), 2, false, 9);
    data_loader *other = loader_of(N, data_sampler_new(&learner_type, &b, 6), 2, false, 900);
    int64_t order[6], resumed[6];
    data_batch batch;
    ck_assert_int_eq(epoch(loader, order), 6);
    ck_assert(order[0] == 0 && order[1] == 11);
    data_loader_rewind(loader);
    ck_assert(data_loader_next(loader, &batch));
    a.told = 22; /* after the order of this epoch was drawn */
    ag_state *saved = ag_state_take(data_loader_stateful(loader));
    ck_assert_int_eq(ag_state_restore(saved, data_loader_stateful(other)), AG_OK);
    ck_assert_int_eq(b.told, 22);
    data_loader_rewind(other); /* does nothing in the epoch that was resumed */
    for (int e = 1; e < 4; e++) {
        int64_t n = e == 1 ? 4 : 6;
        ck_assert_int_eq(rest(loader, order), n);
        ck_assert_int_eq(rest(other, resumed), n);
        ck_assert_mem_eq(order, resumed, (size_t)n * sizeof *order);
        ck_assert(e == 1 || (order[0] == e && order[1] == 22));
        data_loader_rewind(loader);
        data_loader_rewind(other);
    }
    ag_state_free(saved);
    data_loader_free(loader);
    data_loader_free(other);
    ck_assert_int_eq(a.released, 1);
    ck_assert_int_eq(b.released, 1);
}
END_TEST

START_TEST(what_a_sampler_draws_is_not_believed)
{
    struct learner a = { .bad = N };
    data_loader_free(loader_of(N, data_sampler_new(&learner_type, &a, 6), 2, false, 9));
    test_expect(AG_ERROR_INDEX, "data_loader_new: the sampler learner gave sample 40 in place 5, "
                                "but the set has 40 samples (");
    ck_assert_int_eq(a.released, 1);
    a = (struct learner){ .error = AG_ERROR_VALUE };
    data_loader_free(loader_of(N, data_sampler_new(&learner_type, &a, 6), 2, false, 9));
    test_expect(AG_ERROR_VALUE,
                "data_loader_new: the sampler learner gave AG_ERROR_VALUE without a message (");
    ck_assert_int_eq(a.released, 1);

    /* In a later epoch: the loader ends, and goes on when the sampler does. */
    a = (struct learner){ .told = 1 };
    data_loader *loader = loader_of(N, data_sampler_new(&learner_type, &a, 6), 2, false, 9);
    int64_t order[6];
    data_batch b;
    epoch(loader, order);
    a.bad = -1;
    data_loader_rewind(loader);
    int line = __LINE__ - 1;
    char place[64];
    snprintf(place, sizeof place, "test_sampler.c:%d)", line);
    ck_assert_ptr_nonnull(strstr(ag_error_message(), place));
    ck_assert(!data_loader_next(loader, &b));
    test_expect(AG_ERROR_INDEX,
                "data_loader_rewind: the sampler learner gave sample -1 in place 5");
    ck_assert(!data_loader_next(loader, &b));
    ck_assert_int_eq(ag_error_code(), AG_OK);
    a.bad = 0;
    ck_assert_int_eq(epoch(loader, order), 6);
    ck_assert_int_eq(order[0], 1);
    data_loader_free(loader);
}
END_TEST

/* ---- resuming -------------------------------------------------------------------------------- */

static data_sampler *sampler_of_kind(int kind)
{
    static const int64_t list[] = { 5, 6, 7, 8, 9, 10, 11 };
    int64_t length[N];
    double weight[N];
    for (int i = 0; i < N; i++) {
        length[i] = 1 + i * 7 % 13;
        weight[i] = i % 5;
    }
    switch (kind) {
    case 0:
        return data_sampler_sequential();
    case 1:
        return data_sampler_random(false, 0);
    case 2:
        return data_sampler_random(true, 31);
    case 3:
        return data_sampler_weighted(N, weight, 50, true);
    case 4:
        return data_sampler_weighted(N, weight, 20, false);
    case 5:
        return data_sampler_bucketed(N, length, 3);
    default:
        return data_sampler_subset(7, list, true);
    }
}
enum { KINDS = 7 };

START_TEST(a_resumed_loader_draws_what_would_have_come)
{
    int64_t order[200], resumed[200], after[200];
    for (int64_t stop = 0; stop <= 10; stop++) { /* also behind the end of the shorter ones */
        data_loader *loader = loader_of(N, sampler_of_kind(_i), 6, false, 1);
        data_loader *other = loader_of(N, sampler_of_kind(_i), 6, false, 77);
        data_batch b;
        epoch(loader, order);
        data_loader_rewind(loader);
        for (int64_t k = 0; k < stop; k++) {
            data_loader_next(loader, &b);
        }
        ag_state *saved = ag_state_take(data_loader_stateful(loader));
        ck_assert_int_eq(ag_state_restore(saved, data_loader_stateful(other)), AG_OK);
        int64_t left = rest(loader, order);
        ck_assert_int_eq(rest(other, resumed), left);
        ck_assert_mem_eq(order, resumed, (size_t)left * sizeof *order);
        left = epoch(loader, order);
        ck_assert_int_eq(epoch(other, after), left);
        ck_assert_mem_eq(order, after, (size_t)left * sizeof *order);
        ag_state_free(saved);
        data_loader_free(loader);
        data_loader_free(other);
    }
}
END_TEST

START_TEST(a_state_of_another_sampler_is_refused)
{
    data_loader *loader = loader_of(N, sampler_of_kind(1), 6, false, 1);
    data_loader *other = loader_of(N, sampler_of_kind(5), 6, false, 1);
    ag_state *saved = ag_state_take(data_loader_stateful(loader));
    ck_assert_int_ne(ag_state_restore(saved, data_loader_stateful(other)), AG_OK);
    ck_assert_ptr_nonnull(strstr(ag_error_message(), "bucketed"));
    ag_error_clear();
    ag_state_free(saved);
    data_loader_free(loader);
    data_loader_free(other);
}
END_TEST

/* ---- bad input ------------------------------------------------------------------------------- */

static void refuse(data_sampler *sampler, ag_error code, const char *message)
{
    ck_assert_ptr_nonnull(sampler);
    test_expect(code, message);
    data_sampler_free(sampler);
}

/* The sampler can be made, but not used with these samples. */
static void refuse_set(data_sampler *sampler, const char *message)
{
    data_loader *loader = loader_of(N, sampler, 6, false, 1);
    test_expect(AG_ERROR_VALUE, message);
    data_loader_free(loader);
}

START_TEST(samplers_that_make_no_sense_are_refused)
{
    double w[3] = { 1, -0.5, 1 };
    int64_t list[3] = { 1, -2, 3 };
    refuse(data_sampler_weighted(3, w, 3, true), AG_ERROR_VALUE,
           "data_sampler_weighted: the weight of sample 1 is -0.5: weights are 0 or more, and "
           "finite (");
    w[1] = NAN;
    refuse(data_sampler_weighted(3, w, 3, true), AG_ERROR_VALUE,
           "data_sampler_weighted: the weight of sample 1 is ");
    w[1] = INFINITY;
    refuse(data_sampler_weighted(3, w, 3, false), AG_ERROR_VALUE,
           "data_sampler_weighted: the weight of sample 1 is inf");
    w[1] = 1e308;
    refuse(data_sampler_weighted(3, w, 3, false), AG_ERROR_VALUE,
           "data_sampler_weighted: weights up to 1e+308 are too large to be summed (");
    w[0] = w[1] = w[2] = 0;
    refuse(data_sampler_weighted(3, w, 3, true), AG_ERROR_VALUE,
           "data_sampler_weighted: all 3 weights are 0: nothing can be drawn (");
    w[0] = 1;
    refuse(data_sampler_weighted(3, w, 2, false), AG_ERROR_VALUE,
           "data_sampler_weighted: 2 draws without replacement, but only 1 weights are above 0 (");
    refuse(data_sampler_weighted(3, w, 0, true), AG_ERROR_VALUE,
           "data_sampler_weighted: an epoch cannot have 0 samples (");
    refuse(data_sampler_weighted(0, w, 1, true), AG_ERROR_VALUE,
           "data_sampler_weighted: 0 weights (");
    refuse(data_sampler_weighted(3, NULL, 1, true), AG_ERROR_VALUE,
           "data_sampler_weighted: 3 weights, and the array is NULL (");
    refuse(data_sampler_random(true, -1), AG_ERROR_VALUE,
           "data_sampler_random: an epoch cannot have -1 samples (");
    refuse(data_sampler_bucketed(3, list, 1), AG_ERROR_VALUE,
           "data_sampler_bucketed: the length of sample 1 is -2 (");
    refuse(data_sampler_bucketed(0, NULL, -1), AG_ERROR_VALUE,
           "data_sampler_bucketed: a pool cannot have -1 batches (");
    refuse(data_sampler_subset(0, list, true), AG_ERROR_VALUE, "data_sampler_subset: 0 indices (");
    refuse(data_sampler_new(NULL, NULL, 0), AG_ERROR_VALUE,
           "data_sampler_new: the type needs size = ");
    struct learner learner = { 0 };
    refuse(data_sampler_new(&learner_type, &learner, -3), AG_ERROR_VALUE,
           "data_sampler_new: an epoch cannot have -3 samples (");
    ck_assert_int_eq(learner.released, 1);

    w[1] = w[2] = 1;
    list[1] = 2;
    refuse_set(data_sampler_weighted(3, w, 3, true),
               "data_sampler_weighted: 3 weights for a set of 40 samples (");
    refuse_set(data_sampler_bucketed(3, list, 1),
               "data_sampler_bucketed: 3 lengths for a set of 40 samples (");
    refuse_set(data_sampler_bucketed(0, NULL, 1),
               "data_sampler_bucketed: the inputs of the set have no lengths of their own, and "
               "none were given (");
    list[1] = N;
    data_loader_free(loader_of(N, data_sampler_subset(3, list, false), 6, false, 1));
    test_expect(AG_ERROR_INDEX, "data_sampler_subset: index 1 is 40, but the set has 40 samples (");
    data_loader_free(loader_of(N, data_sampler_random(false, 5), 6, true, 1));
    test_expect(AG_ERROR_VALUE,
                "data_loader_new: no batch is left: drop_last, batches of 6, a set of 5 samples (");

    data_loader_config config = data_loader_defaults();
    config.sampler = data_sampler_random(false, 0);
    data_loader_free(data_loader_new(counting(3), config, NULL));
    test_expect(AG_ERROR_VALUE, "data_loader_new: the sampler needs a generator, but it is NULL (");
    config.sampler = data_sampler_sequential();
    config.shuffle = true;
    ag_rng rng = ag_rng_seed(1);
    data_loader_free(data_loader_new(counting(3), config, &rng));
    test_expect(
        AG_ERROR_VALUE,
        "data_loader_new: the order comes from a sampler or from shuffling, not from both (");
    data_sampler_free(NULL);
    data_sampler_free(data_sampler_sequential()); /* one that no loader took */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sampler");
    TCase *tests = tcase_create("sampler");
    tcase_add_checked_fixture(tests, test_begin, test_end);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_sequential_sampler_keeps_the_order_of_the_set);
    tcase_add_test(tests, a_random_sampler_draws_permutations_as_shuffle_does);
    tcase_add_test(tests, draws_with_replacement_are_uniform);
    tcase_add_test(tests, a_subset_is_its_list_in_order_or_shuffled);
    tcase_add_test(tests, weights_are_shares_of_draws_with_replacement);
    tcase_add_test(tests, weights_decide_what_comes_first_without_replacement);
    tcase_add_test(tests, buckets_of_the_whole_set_waste_as_little_as_can_be);
    tcase_add_test(tests, pools_mix_more_and_waste_more);
    tcase_add_test(tests, a_sampler_of_the_programs_own_decides_and_remembers);
    tcase_add_test(tests, what_a_sampler_draws_is_not_believed);
    tcase_add_loop_test(tests, a_resumed_loader_draws_what_would_have_come, 0, KINDS);
    tcase_add_test(tests, a_state_of_another_sampler_is_refused);
    tcase_add_test(tests, samplers_that_make_no_sense_are_refused);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
