/*
 * Transforms: scalers and imputers against numbers worked out by hand, fitted on one set and applied to another; composing,
 * inverting, a program's own; what cannot be fitted.
 */
#include "files.h"

#include <math.h>

/* 5 samples of 2 features. The first: mean 4, variance 10, median 3, quartiles 2 and 5, NaN left out. */
static data_set *five(double missing)
{
    double x[] = { 1, 10, 2, 20, 3, 30, 5, 40, 9, missing };
    double y[] = { 1, 2, 3, 4, 5 };
    if (missing == missing) {
        return data_arrays(5, x, AG_SHAPE(2), AG_FLOAT64, y, AG_SHAPE_SCALAR, AG_FLOAT64);
    }
    FILE *file = fopen(test_path("five.csv"), "w");
    fprintf(file, "a,b,y\n1,10,1\n2,20,2\n3,30,3\n5,40,4\n9,,5\n");
    fclose(file);
    data_table_config config = data_table_defaults();
    config.y = "y";
    config.dtype = AG_FLOAT64;
    config.missing = DATA_MISSING_KEEP;
    return data_csv(test_path("five.csv"), config);
}

static void assert_x(data_set *set, int64_t i, double a, double b)
{
    double x[2];
    ck_assert_int_eq(data_set_read(set, i, x, NULL), AG_OK);
    ck_assert_msg(fabs(x[0] - a) < 1e-14, "%.17g instead of %.17g", x[0], a);
    ck_assert_msg(fabs(x[1] - b) < 1e-14 || (b != b && x[1] != x[1]), "%.17g instead of %.17g",
                  x[1], b);
}

START_TEST(scalers_are_fitted_on_one_set_and_applied_to_others)
{
    data_set *train = five(50), *set;
    double x[] = { 13, -10 }, y = 0;
    data_set *test = data_arrays(1, x, AG_SHAPE(2), AG_FLOAT64, &y, AG_SHAPE_SCALAR, AG_FLOAT64);
    data_scaler_config config = data_scaler_defaults();
    struct {
        data_transform *t;
        double a0, b0, a_test, b_test;
    } const cases[] = {
        { data_min_max_scaler(train, config), 0, 0, 1.5, -0.5 },
        { data_standard_scaler(train, config), -3 / sqrt(8), -20 / sqrt(200), 9 / sqrt(8),
          -40 / sqrt(200) },
        { data_robust_scaler(train, config), -2. / 3, -1, 10. / 3, -2 },
    };
    for (int k = 0; k < 3; k++) {
        ck_assert_int_eq(data_scaler_features(cases[k].t), 2);
        set = data_transform_x(train, cases[k].t);
        assert_x(set, 0, cases[k].a0, cases[k].b0);
        data_set_free(set);
        set = data_transform_x(test, cases[k].t);
        assert_x(set, 0, cases[k].a_test, cases[k].b_test);
        data_set_free(set);
        /* and back */
        ag_scope scope = { 0 };
        ag_begin(&scope);
        ag_tensor batch = ag_from(AG_SHAPE(1, 2), AG_FLOAT64, x);
        ag_tensor back = data_transform_invert(cases[k].t, data_transform_apply(cases[k].t, batch));
        const double *b = ag_data(back);
        ck_assert(fabs(b[0] - 13) < 1e-13 && fabs(b[1] + 10) < 1e-13);
        ag_end(&scope);
        data_transform_free(cases[k].t);
    }
    ck_assert_int_eq(ag_error_code(), AG_OK);
    data_set_free(train);
    data_set_free(test);
}
END_TEST

START_TEST(an_outlier_moves_min_max_but_not_the_robust_scaler)
{
    data_set *plain = five(50), *far = five(5000);
    data_transform *a = data_robust_scaler(plain, data_scaler_defaults()),
                   *b = data_robust_scaler(far, data_scaler_defaults());
    ck_assert(data_scaler_shift(a, 1) == 30 && data_scaler_shift(b, 1) == 30);
    ck_assert(data_scaler_scale(a, 1) == 20 && data_scaler_scale(b, 1) == 20);
    data_transform_free(a);
    data_transform_free(b);
    b = data_min_max_scaler(far, data_scaler_defaults());
    ck_assert(data_scaler_scale(b, 1) == 4990);
    data_transform_free(b);
    data_set_free(plain);
    data_set_free(far);
}
END_TEST

START_TEST(missing_values_are_filled_by_what_was_fitted)
{
    data_set *set = five((double)NAN);
    for (int median = 0; median < 2; median++) {
        data_scaler_config config = data_scaler_defaults();
        data_transform *both[] = { data_imputer(set, median, config),
                                   data_standard_scaler(set, config) };
        data_transform *all = data_compose(2, both);
        data_set *filled = data_transform_x(set, both[0]), *scaled = data_transform_x(set, all),
                 *kept = data_transform_x(set, both[1]);
        assert_x(filled, 4, 9, 25);
        assert_x(filled, 3, 5, 40);
        assert_x(scaled, 4, 5 / sqrt(8), 0);
        assert_x(kept, 4, 5 / sqrt(8), (double)NAN);
        ck_assert_str_eq(data_set_x_name(scaled, 1), "b");
        data_set_free(filled);
        data_set_free(scaled);
        data_set_free(kept);
        data_transform_free(all);
        data_transform_free(both[0]);
        data_transform_free(both[1]);
    }
    data_set_free(set);
}
END_TEST

START_TEST(columns_channels_and_targets_can_be_chosen)
{
    data_set *set = five((double)NAN);
    data_scaler_config config = data_scaler_defaults();
    config.columns = "b";
    config.low = -1;
    data_transform *t = data_min_max_scaler(set, config);
    data_set *scaled = data_transform_x(set, t);
    assert_x(scaled, 0, 1, -1);
    assert_x(scaled, 3, 5, 1);
    data_set_free(scaled);
    data_transform_free(t);
    config = data_scaler_defaults();
    config.targets = true;
    t = data_min_max_scaler(set, config);
    scaled = data_transform_y(set, t);
    double y;
    ck_assert_int_eq(data_set_read(scaled, 2, NULL, &y), AG_OK);
    ck_assert(y == 0.5);
    data_set_free(scaled);
    data_transform_free(t);
    data_set_free(set);

    float x[] = { 0, 2, 10, 30, 4, 6, 50, 70 };
    double z[2] = { 0 };
    set = data_arrays(2, x, AG_SHAPE(2, 1, 2), AG_FLOAT32, z, AG_SHAPE_SCALAR, AG_FLOAT64);
    config = data_scaler_defaults();
    config.channels = true;
    t = data_standard_scaler(set, config);
    ck_assert_int_eq(data_scaler_features(t), 2);
    ck_assert(data_scaler_shift(t, 0) == 3 && data_scaler_shift(t, 1) == 40);
    ck_assert(fabs(data_scaler_scale(t, 1) - sqrt(500)) < 1e-12);
    data_transform_free(t);
    data_set_free(set);
}
END_TEST

START_TEST(what_cannot_be_fitted_is_refused)
{
    double x[] = { 1, 7, 2, 7, 3, 7 }, y[3] = { 0 };
    data_set *set = data_arrays(3, x, AG_SHAPE(2), AG_FLOAT64, y, AG_SHAPE_SCALAR, AG_FLOAT64);
    data_scaler_config config = data_scaler_defaults();
    data_standard_scaler(set, config);
    test_expect(AG_ERROR_VALUE, "data_standard_scaler: feature 1 is 7 in every sample of the set "
                                "it is fitted on: it cannot be scaled "
                                "(allow_constant gives it the scale 1) (");
    data_min_max_scaler(set, config);
    test_expect(AG_ERROR_VALUE, "data_min_max_scaler: feature 1 is 7 in every sample");
    data_robust_scaler(set, config);
    test_expect(AG_ERROR_VALUE, "data_robust_scaler: feature 1 is 7 in every sample");
    config.allow_constant = true;
    data_transform *t = data_standard_scaler(set, config);
    ck_assert(data_scaler_scale(t, 1) == 1 && data_scaler_shift(t, 1) == 7);
    double wide[3] = { 0 };
    data_set *other = data_arrays(1, wide, AG_SHAPE(3), AG_FLOAT64, y, AG_SHAPE_SCALAR, AG_FLOAT64);
    data_set_free(data_transform_x(other, t));
    test_expect(AG_ERROR_SHAPE, "a scaler of 2 features does not fit samples of shape (3) (");
    data_transform_free(t);
    data_set_free(other);
    config = data_scaler_defaults();
    config.columns = "c";
    data_standard_scaler(set, config);
    test_expect(AG_ERROR_VALUE, "data_standard_scaler: the set has no input called \"c\" (");
    config = data_scaler_defaults();
    config.low = 1;
    data_min_max_scaler(set, config);
    test_expect(AG_ERROR_VALUE, "data_min_max_scaler: low 1 and high 1, quantiles 25 and 75: the "
                                "first of each must be less (");
    data_set_free(set);

    x[3] = INFINITY;
    set = data_arrays(3, x, AG_SHAPE(2), AG_FLOAT64, y, AG_SHAPE_SCALAR, AG_FLOAT64);
    data_standard_scaler(set, data_scaler_defaults());
    test_expect(
        AG_ERROR_VALUE,
        "data_standard_scaler: feature 1 has an infinite value in the set it is fitted on (");
    data_set_free(set);
    data_set *empty = data_arrays(0, x, AG_SHAPE(2), AG_FLOAT64, y, AG_SHAPE_SCALAR, AG_FLOAT64);
    data_standard_scaler(empty, data_scaler_defaults());
    test_expect(AG_ERROR_VALUE, "data_standard_scaler: the set to be fitted on has no samples (");
    data_set_free(empty);
    static const double zero[] = { 0 };
    data_normalize(1, zero, zero);
    test_expect(AG_ERROR_VALUE, "data_normalize: for each of 1 channels a finite shift and a scale "
                                "that is not 0 are needed (");
    data_compose(0, NULL);
    test_expect(AG_ERROR_VALUE, "data_compose: 0 transforms, and the array is NULL (");
    data_transform_new(NULL, NULL, NULL);
    test_expect(AG_ERROR_VALUE, "data_transform_new: the type needs size = ");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transform");
    TCase *tests = tcase_create("transform");
    tcase_add_checked_fixture(tests, test_begin, test_end);
    tcase_add_test(tests, scalers_are_fitted_on_one_set_and_applied_to_others);
    tcase_add_test(tests, an_outlier_moves_min_max_but_not_the_robust_scaler);
    tcase_add_test(tests, missing_values_are_filled_by_what_was_fitted);
    tcase_add_test(tests, columns_channels_and_targets_can_be_chosen);
    tcase_add_test(tests, what_cannot_be_fitted_is_refused);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
