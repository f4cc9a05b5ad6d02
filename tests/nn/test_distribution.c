/*
 * Distributions against torch.distributions (golden/distribution.txt): values and gradients; what is drawn, by its moments; the
 * moving average of weights.
 */
#include "tests/nn/common.h"

/* ---- the generator of make_distribution.py ------------------------------------------------------------------------------- */

static double draw(uint32_t *state)
{
    *state = (uint32_t)(((uint64_t)*state * 1103515245u + 12345u) % 2147483648u);
    return (double)*state / 1073741824.0 - 1;
}

static ag_tensor draw_leaf(uint32_t *state, ag_shape shape, double factor)
{
    double values[24];
    int64_t n = ag_shape_numel(shape);
    for (int64_t i = 0; i < n; i++) {
        values[i] = factor * draw(state);
    }
    ag_tensor t = ag_leaf(shape, AG_FLOAT64, true);
    ag_write(t, values, n);
    return t;
}

/* ---- the cases, as the script has them ----------------------------------------------------------------------------------- */

enum { A, B, C, D, X, L, M, LEAVES };

static ag_tensor five(ag_tensor t)
{
    return ag_mul_scalar(t, 5);
}

static nn_normal normal(ag_tensor loc, ag_tensor log_scale)
{
    return (nn_normal){loc, ag_exp(log_scale)};
}

/* The case's value; `which` gets the leaves in the order of the script's gradients. */
static ag_tensor compute(const char *name, const ag_tensor *leaf, int which[4])
{
    const ag_tensor *v = leaf;
    ag_tensor labels = ag_from(AG_SHAPE(3, 2), AG_INT64, ((int64_t[]){0, 3, 1, 1, 2, 0}));
    struct {
        const char *name;
        ag_tensor value;
        int which[4];
    } all[] = {
        {"normal_log_prob", nn_normal_log_prob(normal(v[A], v[B]), v[X]), {A, B, X, -1}},
        {"normal_entropy", nn_normal_entropy(normal(v[A], v[B])), {A, B, -1, -1}},
        {"normal_kl", nn_normal_kl(normal(v[A], v[B]), normal(v[C], v[D])), {A, B, C, D}},
        {"normal_kl_standard", nn_normal_kl_standard(v[A], v[C]), {A, C, -1, -1}},
        {"bernoulli_log_prob", nn_bernoulli_log_prob((nn_bernoulli){five(v[A])}, ag_abs(v[X])), {A, -1, -1, -1}},
        {"bernoulli_entropy", nn_bernoulli_entropy((nn_bernoulli){five(v[A])}), {A, -1, -1, -1}},
        {"bernoulli_kl", nn_bernoulli_kl((nn_bernoulli){five(v[A])}, (nn_bernoulli){five(v[C])}), {A, C, -1, -1}},
        {"categorical_log_prob", nn_categorical_log_prob((nn_categorical){v[L]}, labels), {L, -1, -1, -1}},
        {"categorical_entropy", nn_categorical_entropy((nn_categorical){v[L]}), {L, -1, -1, -1}},
        {"categorical_kl", nn_categorical_kl((nn_categorical){v[L]}, (nn_categorical){v[M]}), {L, M, -1, -1}},
    };
    ag_tensor found = AG_NONE;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (strcmp(all[i].name, name) == 0) {
            found = all[i].value;
            memcpy(which, all[i].which, sizeof(all[i].which));
        }
    }
    ck_assert_msg(!ag_is_none(found), "no case is called %s", name);
    ck_no_error();
    return found;
}

/* ---- comparing ----------------------------------------------------------------------------------------------------------- */

/* Against the numbers that come next in the file; AG_NONE counts as zeros. */
static void compare(FILE *file, const char *name, const char *what, ag_tensor t)
{
    long long count;
    double values[24] = {0}, worst = 0, scale = 0;
    ck_assert_int_eq(fscanf(file, "%lld", &count), 1);
    ck_assert_int_le(count, 24);
    if (!ag_is_none(t)) {
        ck_assert_int_eq(ag_numel(t), count);
        ck_assert_int_eq(ag_read_doubles(t, values, count), AG_OK);
    }
    for (long long i = 0; i < count; i++) {
        double expected;
        ck_assert_int_eq(fscanf(file, "%lf", &expected), 1);
        worst = fmax(worst, fabs(values[i] - expected));
        scale = fmax(scale, fabs(expected));
    }
    ck_assert_msg(worst <= 1e-12 * fmax(scale, 1), "%s: %s: off by %g of %g", name, what, worst, scale);
}

START_TEST(distributions_are_those_of_pytorch)
{
    FILE *file = fopen(TESTS_GOLDEN "/distribution.txt", "r");
    ck_assert_msg(file != NULL, "%s/distribution.txt cannot be read", TESTS_GOLDEN);
    uint32_t state = 7;
    ag_tensor leaf[LEAVES];
    const ag_shape shapes[LEAVES] = {AG_SHAPE(3, 4), AG_SHAPE(4),       AG_SHAPE(3, 4),   AG_SHAPE(3, 4),
                                     AG_SHAPE(3, 4), AG_SHAPE(3, 2, 4), AG_SHAPE(3, 2, 4)};
    for (int i = 0; i < LEAVES; i++) {
        leaf[i] = draw_leaf(&state, shapes[i], i >= L ? 3 : 1);
    }
    char word[16], name[64];
    int cases = 0;
    while (fscanf(file, "%15s %63s", word, name) == 2) {
        ck_assert_str_eq(word, "case");
        ag_scope scope = {0};
        int which[4];
        ag_begin(&scope);
        ag_tensor y = compute(name, leaf, which);
        compare(file, name, "value", y);
        ag_backward(ag_sum(ag_cos(y)));
        for (int i = 0; i < 4 && which[i] >= 0; i++) {
            int index;
            ck_assert_int_eq(fscanf(file, " grad %d", &index), 1);
            ck_assert_int_eq(index, i);
            compare(file, name, "gradient", ag_grad_of(leaf[which[i]]));
        }
        for (int i = 0; i < LEAVES; i++) {
            ag_zero_grad(leaf[i]);
        }
        ag_end(&scope);
        cases++;
    }
    ck_assert_int_eq(cases, 10);
    fclose(file);
    for (int i = 0; i < LEAVES; i++) {
        ag_drop(&leaf[i]);
    }
    ck_no_error();
}
END_TEST

/* ---- what is drawn ------------------------------------------------------------------------------------------------------- */

enum { MANY = 40000 };

static void moments(ag_tensor t, double *mean, double *deviation)
{
    *mean = ag_item(ag_mean(t));
    *deviation = sqrt(ag_item(ag_var_all(t, 1)));
}

START_TEST(samples_have_the_moments_of_their_distribution)
{
    ag_scope scope = {0};
    ag_begin(&scope);
    ag_rng rng = ag_rng_seed(3);
    double mean, deviation;
    nn_normal d = nn_normal_of_logvar(ag_full(AG_SHAPE(MANY), 2, AG_FLOAT64), ag_full(AG_SHAPE(1), log(9), AG_FLOAT64));
    moments(nn_normal_sample(d, &rng), &mean, &deviation);
    ck_assert_double_eq_tol(mean, 2, 5 * 3 / sqrt(MANY));
    ck_assert_double_eq_tol(deviation, 3, 5 * 3 / sqrt(2.0 * MANY));
    nn_bernoulli coin = {ag_full(AG_SHAPE(MANY), log(0.3 / 0.7), AG_FLOAT64)};
    moments(nn_bernoulli_sample(coin, &rng), &mean, &deviation);
    ck_assert_double_eq_tol(mean, 0.3, 5 * sqrt(0.21 / MANY));
    ag_tensor row = ag_from(AG_SHAPE(3), AG_FLOAT64, ((double[]){log(0.5), log(0.2), log(0.3)}));
    nn_categorical die = {ag_expand(row, AG_SHAPE(2, MANY / 2, 3))};
    ag_tensor drawn = nn_categorical_sample(die, &rng);
    ck_assert(ag_shape_equal(ag_shape_of(drawn), AG_SHAPE(2, MANY / 2)));
    const int64_t *label = ag_data(drawn);
    int count[3] = {0};
    for (int64_t i = 0; i < MANY; i++) {
        count[label[i]]++;
    }
    ck_assert_double_eq_tol((double)count[0] / MANY, 0.5, 5 * sqrt(0.25 / MANY));
    ck_assert_double_eq_tol((double)count[1] / MANY, 0.2, 5 * sqrt(0.16 / MANY));
    ag_end(&scope);
    ck_no_error();
}
END_TEST

/* d rsample / d loc is 1, and / d logvar (z - loc) / 2; a sample has no history. */
START_TEST(gradients_flow_through_rsample_alone)
{
    ag_scope scope = {0};
    ag_tensor loc = ag_leaf(AG_SHAPE(2, 3), AG_FLOAT64, true), logvar = ag_leaf(AG_SHAPE(3), AG_FLOAT64, true);
    ag_write(loc, ((double[]){1, 2, 3, 4, 5, 6}), 6);
    ag_write(logvar, ((double[]){-1, 0, 1}), 3);
    ag_begin(&scope);
    ag_rng rng = ag_rng_seed(5), again = rng;
    nn_normal d = nn_normal_of_logvar(loc, logvar);
    ag_tensor z = nn_normal_rsample(d, &rng), s = nn_normal_sample(d, &again);
    double a[6], b[6], g[6], v[3];
    ag_read_doubles(z, a, 6);
    ag_read_doubles(s, b, 6);
    ck_assert_mem_eq(a, b, sizeof(a));
    ck_assert(!ag_requires_grad(s));
    ag_backward(ag_sum(z));
    ag_read_doubles(ag_grad_of(loc), g, 6);
    ag_read_doubles(ag_grad_of(logvar), v, 3);
    for (int j = 0; j < 3; j++) {
        double mean[2] = {1 + j, 4 + j};
        ck_assert_double_eq_tol(v[j], (a[j] - mean[0] + a[3 + j] - mean[1]) / 2, 1e-14);
        ck_assert_double_eq(g[j], 1);
    }
    ag_end(&scope);
    ag_drop(&loc);
    ag_drop(&logvar);
    ck_no_error();
}
END_TEST

/* A masked class has no probability and adds nothing: no NaN, neither in the value nor in the gradient. */
START_TEST(impossible_classes_add_nothing)
{
    ag_scope scope = {0};
    ag_tensor leaf = ag_leaf(AG_SHAPE(1, 3), AG_FLOAT64, true);
    ag_write(leaf, ((double[]){0, 0, -INFINITY}), 3);
    ag_begin(&scope);
    nn_categorical d = {leaf};
    ag_tensor entropy = ag_sum(nn_categorical_entropy(d));
    ck_assert_double_eq_tol(ag_item(entropy), log(2), 1e-15);
    ck_assert_double_eq_tol(ag_item(ag_sum(nn_categorical_kl(d, d))), 0, 1e-15);
    ag_backward(ag_add(entropy, ag_sum(nn_categorical_kl(d, d))));
    double g[3];
    ag_read_doubles(ag_grad_of(leaf), g, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_double_eq_tol(g[i], 0, 1e-15);
    }
    ag_end(&scope);
    ag_drop(&leaf);
    ck_no_error();
}
END_TEST

START_TEST(shapes_that_do_not_fit_are_refused)
{
    catch_errors();
    ag_scope scope = {0};
    ag_begin(&scope);
    ag_rng rng = ag_rng_seed(1);
    ag_tensor two = ag_zeros(AG_SHAPE(2), AG_FLOAT32), three = ag_ones(AG_SHAPE(3), AG_FLOAT32);
    ck_assert(ag_is_nil(nn_normal_rsample((nn_normal){two, three}, &rng)));
    ck_error(AG_ERROR_SHAPE, "nn_normal_rsample: loc (2) and scale (3) cannot be broadcast");
    ck_assert(ag_is_nil(nn_normal_entropy((nn_normal){two, three})));
    ck_error(AG_ERROR_SHAPE, "nn_normal_entropy: loc (2) and scale (3) cannot be broadcast");
    ck_assert(ag_is_nil(nn_categorical_sample((nn_categorical){ag_zeros(AG_SHAPE_SCALAR, AG_FLOAT32)}, &rng)));
    ck_error(AG_ERROR_SHAPE, "nn_categorical_sample: logits must be (…,classes), got ()");
    ck_assert(ag_is_nil(nn_categorical_kl((nn_categorical){two}, (nn_categorical){ag_zeros(AG_SHAPE(0), AG_FLOAT32)})));
    ck_error(AG_ERROR_SHAPE, "nn_categorical_kl: logits must be (…,classes), got (0)");
    ag_end(&scope);
}
END_TEST

/* ---- the moving average -------------------------------------------------------------------------------------------------- */

START_TEST(the_average_moves_as_it_should)
{
    ag_rng rng = ag_rng_seed(1);
    nn_module *shared = nn_linear(4, 4);
    nn_module *net = nn_sequential(shared, nn_batch_norm1d(4), shared);
    nn_init_dtype(net, &rng, AG_FLOAT64);
    nn_module *average = nn_clone(net);
    ag_list *from = nn_state(net), *to = nn_state(average);
    double expected[16], values[16], now[16];
    ag_read_doubles(ag_list_find(to, "0.weight"), expected, 16);
    for (int step = 0; step < 3; step++) {
        for (int i = 0; i < 16; i++) {
            now[i] = step + 0.25 * i;
            expected[i] = 0.9 * expected[i] + 0.1 * now[i];
        }
        ag_write(ag_list_find(from, "0.weight"), now, 16);
        ag_write(ag_list_find(from, "1.running_mean"), now, 4);
        ck_assert_int_eq(nn_average(average, net, 0.9), AG_OK);
        ag_read_doubles(ag_list_find(to, "2.weight"), values, 16);
        for (int i = 0; i < 16; i++) {
            ck_assert_double_eq_tol(values[i], expected[i], 1e-14);
        }
        ag_read_doubles(ag_list_find(to, "1.running_mean"), values, 4);
        ck_assert_mem_eq(values, now, 4 * sizeof(double));
    }
    catch_errors();
    nn_module *other = nn_linear(4, 4);
    nn_init_dtype(other, &rng, AG_FLOAT64);
    nn_average(average, other, 0.9);
    ck_error(AG_ERROR_VALUE, "nn_average: \"0.weight\" is missing in the source");
    nn_average(average, net, 1.5);
    ck_error(AG_ERROR_VALUE, "nn_average: the decay must be between 0 and 1, got 1.5");
    nn_average(net, net, 0.9);
    ck_error(AG_ERROR_VALUE, "nn_average: the average must be a module of its own");
    ag_list_free(from);
    ag_list_free(to);
    nn_free(other);
    nn_free(average);
    nn_free(net);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("distribution");
    TCase *tests = tcase_create("distribution");
    tcase_add_test(tests, distributions_are_those_of_pytorch);
    tcase_add_test(tests, samples_have_the_moments_of_their_distribution);
    tcase_add_test(tests, gradients_flow_through_rsample_alone);
    tcase_add_test(tests, impossible_classes_add_nothing);
    tcase_add_test(tests, shapes_that_do_not_fit_are_refused);
    tcase_add_test(tests, the_average_moves_as_it_should);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
