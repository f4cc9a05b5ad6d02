/*
 * Initialisation: bounds and deviations against PyTorch's (golden/nn.txt), moments of what was
 * drawn, and mistakes.
 */
#include "tests/nn/common.h"

static double *read_all(ag_tensor t, int64_t *n)
{
    *n = ag_numel(t);
    double *values = malloc((size_t)*n * sizeof(double));
    ck_assert_int_eq(ag_read_doubles(t, values, *n), AG_OK);
    return values;
}

/* Mean, deviation and fourth moment as expected within five standard errors; uniform ones in range
 * and reaching its ends. */
static void check_moments(const char *what, ag_tensor t, bool uniform, double a, double b)
{
    int64_t n;
    double *values = read_all(t, &n);
    double low = INFINITY, high = -INFINITY, sum = 0, square = 0, fourth = 0;
    double mean = uniform ? (a + b) / 2 : a, deviation = uniform ? (b - a) / sqrt(12) : b;
    for (int64_t i = 0; i < n; i++) {
        double z = (values[i] - mean) / deviation;
        low = fmin(low, values[i]);
        high = fmax(high, values[i]);
        sum += z;
        square += z * z;
        fourth += z * z * z * z;
    }
    free(values);
    double count = (double)n, kurtosis = uniform ? 1.8 : 3, eighth = uniform ? 9 : 105;
    ck_assert_msg(fabs(sum / count) < 5 / sqrt(count), "%s: mean %g", what, sum / count);
    ck_assert_msg(fabs(square / count - 1) < 5 * sqrt((kurtosis - 1) / count), "%s: variance %g",
                  what, square / count);
    ck_assert_msg(fabs(fourth / count - kurtosis) <
                      5 * sqrt((eighth - kurtosis * kurtosis) / count),
                  "%s: kurtosis %g", what, fourth / count);
    if (uniform) {
        double slack = (b - a) * 1e-6, reach = (b - a) * 12 / count;
        ck_assert_msg(low >= a - slack && high <= b + slack, "%s: %g to %g", what, low, high);
        ck_assert_msg(low < a + reach && high > b - reach, "%s: only %g to %g", what, low, high);
    }
}

static void fill(const char *name, ag_tensor w, double gain, ag_rng *rng)
{
    if (strcmp(name, "xavier_uniform") == 0) {
        nn_init_xavier_uniform(w, gain, rng);
    } else if (strcmp(name, "xavier_normal") == 0) {
        nn_init_xavier_normal(w, gain, rng);
    } else if (strcmp(name, "kaiming_uniform_fan_in") == 0) {
        nn_init_kaiming_uniform(w, gain, NN_FAN_IN, rng);
    } else if (strcmp(name, "kaiming_uniform_fan_out") == 0) {
        nn_init_kaiming_uniform(w, gain, NN_FAN_OUT, rng);
    } else if (strcmp(name, "kaiming_normal_fan_in") == 0) {
        nn_init_kaiming_normal(w, gain, NN_FAN_IN, rng);
    } else if (strcmp(name, "kaiming_normal_fan_out") == 0) {
        nn_init_kaiming_normal(w, gain, NN_FAN_OUT, rng);
    } else {
        ck_abort_msg("unknown initialisation %s", name);
    }
}

/* Calls `check` with the rest of each line of golden/nn.txt that begins with `key`. */
static int each_line(const char *key, void (*check)(const char *rest))
{
    FILE *file = fopen(TESTS_GOLDEN "/nn.txt", "r");
    ck_assert_msg(file != NULL, "%s/nn.txt cannot be read", TESTS_GOLDEN);
    static char line[1 << 16];
    int found = 0;
    while (fgets(line, sizeof(line), file) != NULL) {
        size_t length = strlen(key);
        if (strncmp(line, key, length) == 0 && line[length] == ' ') {
            check(line + length + 1);
            found++;
        }
    }
    fclose(file);
    return found;
}

static void check_fill(const char *rest)
{
    char name[64], kind[16];
    double gain, a, b;
    int ndim, used;
    ck_assert_int_eq(sscanf(rest, "%63s %lf %d%n", name, &gain, &ndim, &used), 3);
    ag_shape shape = { .ndim = ndim };
    for (int d = 0; d < ndim; d++) {
        long long size;
        int more;
        ck_assert_int_eq(sscanf(rest + used, "%lld%n", &size, &more), 1);
        shape.size[d] = size;
        used += more;
    }
    ck_assert_int_eq(sscanf(rest + used, "%15s %lf %lf", kind, &a, &b), 3);
    ag_rng rng = ag_rng_seed(11);
    for (int i = 0; i < 2; i++) {
        ag_tensor w = ag_leaf(shape, i == 0 ? AG_FLOAT32 : AG_FLOAT64, true);
        fill(name, w, gain, &rng);
        ck_no_error();
        check_moments(name, w, strcmp(kind, "uniform") == 0, a, b);
        ag_drop(&w);
    }
}

START_TEST(named_initialisations_have_pytorchs_range_and_deviation)
{
    ck_assert_int_eq(each_line("fill", check_fill), 24);
}
END_TEST

static void check_gain(const char *rest)
{
    char name[64];
    double param, gain;
    ck_assert_int_eq(sscanf(rest, "%63s %lf %lf", name, &param, &gain), 3);
    ck_assert_double_eq_tol(nn_init_gain(name, param), gain, 1e-15);
}

START_TEST(gains_are_pytorchs)
{
    ck_assert_int_eq(each_line("gain", check_gain), 7);
    nn_init_gain("swish", 0);
    ck_error(AG_ERROR_VALUE, "nn_init_gain: unknown nonlinearity \"swish\"");
}
END_TEST

static void check_start(const char *rest)
{
    char layer[64], parameter[64];
    double a, b;
    ck_assert_int_eq(sscanf(rest, "%63s %63s %lf %lf", layer, parameter, &a, &b), 4);
    nn_conv2d_config c = nn_conv2d_defaults(6, 40, 3);
    c.kernel[1] = 5;
    c.conv.groups = 2;
    nn_conv1d_config l = nn_conv1d_defaults(6, 40, 15);
    l.conv.groups = 2;
    nn_conv_transpose2d_config d = nn_conv_transpose2d_defaults(6, 40, 3);
    d.kernel[1] = 5;
    d.conv.groups = 2;
    /* A bias alone has too few numbers to judge: those of fifty layers are joined. */
    enum { LAYERS = 50 };
    ag_rng rng = ag_rng_seed(5);
    double all[LAYERS * 70 * 50];
    int64_t count = 0;
    for (int i = 0; i < (strcmp(parameter, "bias") == 0 ? LAYERS : 1); i++) {
        nn_module *m = strcmp(layer, "linear") == 0   ? nn_linear(50, 70)
                       : strcmp(layer, "line") == 0   ? nn_conv1d_with(l)
                       : strcmp(layer, "deconv") == 0 ? nn_conv_transpose2d_with(d)
                                                      : nn_conv2d_with(c);
        nn_init(m, &rng);
        ag_list *list = nn_parameters(m);
        ag_tensor t = ag_list_find(list, parameter);
        ag_read_doubles(t, all + count, ag_numel(t));
        count += ag_numel(t);
        ag_list_free(list);
        nn_free(m);
    }
    ag_tensor joined = ag_leaf(AG_SHAPE(count), AG_FLOAT64, false);
    ag_write(joined, all, count);
    check_moments(rest, joined, true, a, b);
    ag_drop(&joined);
}

START_TEST(layers_start_where_pytorchs_do)
{
    ck_assert_int_eq(each_line("start", check_start), 8);
}
END_TEST

START_TEST(constants_fill_every_type)
{
    for (int dtype = AG_FLOAT32; dtype <= AG_UINT8; dtype++) {
        ag_tensor w = ag_leaf(AG_SHAPE(2, 3), (ag_dtype)dtype, false);
        nn_init_constant(w, 7);
        double values[6];
        ag_read_doubles(w, values, 6);
        for (int i = 0; i < 6; i++) {
            ck_assert_double_eq(values[i], 7);
        }
        nn_init_zeros(w);
        nn_init_ones(w);
        ag_read_doubles(w, values, 6);
        ck_assert_double_eq(values[5], 1);
        ag_drop(&w);
    }
    ck_no_error();
}
END_TEST

START_TEST(each_initialisation_draws_once_and_repeats)
{
    ag_rng one = ag_rng_seed(9), two = ag_rng_seed(9), other = ag_rng_seed(9);
    ag_tensor a = ag_leaf(AG_SHAPE(100), AG_FLOAT32, true),
              b = ag_leaf(AG_SHAPE(7), AG_FLOAT32, true);
    nn_init_uniform(a, -1, 1, &one);
    nn_init_normal(b, 0, 1, &two);
    ag_rng_next(&other);
    ck_assert(one.key == other.key && one.counter == other.counter);
    ck_assert(two.key == other.key && two.counter == other.counter);
    uint64_t first = ag_hash(a);
    nn_init_uniform(a, -1, 1, &one);
    ck_assert(ag_hash(a) != first);
    one = ag_rng_seed(9);
    nn_init_uniform(a, -1, 1, &one);
    ck_assert(ag_hash(a) == first);
    ag_drop(&a);
    ag_drop(&b);
}
END_TEST

START_TEST(mistakes_are_refused)
{
    ag_rng rng = ag_rng_seed(1);
    ag_tensor w = ag_leaf(AG_SHAPE(4), AG_FLOAT32, true),
              labels = ag_leaf(AG_SHAPE(4), AG_INT64, false);
    nn_init_kaiming_uniform(w, 1, NN_FAN_IN, &rng);
    ck_error(AG_ERROR_SHAPE, "nn_init_kaiming_uniform: (4) has no fans");
    nn_init_xavier_normal(w, 1, &rng);
    ck_error(AG_ERROR_SHAPE, "nn_init_xavier_normal: (4) has no fans");
    nn_init_uniform(labels, 0, 1, &rng);
    ck_error(AG_ERROR_DTYPE, "nn_init_uniform: needs a floating type, got int64");
    nn_init_normal(w, 0, 1, NULL);
    ck_error(AG_ERROR_VALUE, "nn_init_normal: the generator is NULL");
    nn_init_uniform(w, 1, -1, &rng);
    ck_error(AG_ERROR_VALUE, "nn_init_uniform: the range 1 to -1 is empty");
    nn_init_normal(w, 0, -1, &rng);
    ck_error(AG_ERROR_VALUE, "nn_init_normal: the standard deviation -1 is negative");
    ag_tensor gone = w;
    ag_drop(&w);
    nn_init_ones(gone);
    ck_error(AG_ERROR_LIFETIME, "");
    nn_init_ones(AG_NIL);
    ck_no_error();
    ag_drop(&labels);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("init");
    TCase *tests = tcase_create("init");
    tcase_add_checked_fixture(tests, catch_errors, ag_error_clear);
    tcase_add_test(tests, named_initialisations_have_pytorchs_range_and_deviation);
    tcase_add_test(tests, gains_are_pytorchs);
    tcase_add_test(tests, layers_start_where_pytorchs_do);
    tcase_add_test(tests, constants_fill_every_type);
    tcase_add_test(tests, each_initialisation_draws_once_and_repeats);
    tcase_add_test(tests, mistakes_are_refused);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
