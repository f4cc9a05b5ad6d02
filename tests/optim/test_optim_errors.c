/*
 * What optimizers refuse, and with which words; steps that must do nothing.
 */
#include <check.h>
#include <math.h>
#include <string.h>

#include "tests/optim/common.h"

static void quiet(ag_error code, const char *message, void *user)
{
    (void)code;
    (void)message;
    (void)user;
}

/* Holds the sticky error to a beginning of its message, and clears it. */
static void expect(ag_error code, const char *message)
{
    ck_assert_str_eq(ag_error_name(ag_error_code()), ag_error_name(code));
    ck_assert_msg(strncmp(ag_error_message(), message, strlen(message)) == 0,
                  "\"%s\" should begin with \"%s\"", ag_error_message(), message);
    ag_error_clear();
}

static void refuse(const char *kind, const char *key, double value, const char *message)
{
    ag_tensor w = ag_leaf(AG_SHAPE(2), AG_FLOAT32, true);
    union any_config c = defaults(kind);
    set(kind, &c, key, value);
    optim *o = make(kind, list_of(&w, 0, 1), c);
    ck_assert_ptr_nonnull(o);
    ck_assert_ptr_nonnull(strstr(ag_error_message(), "common.h:"));
    expect(AG_ERROR_VALUE, message);
    optim_free(o);
    ag_drop(&w);
}

START_TEST(refuses_values_out_of_range)
{
    ag_error_set_handler(quiet, NULL);
    refuse("optim_sgd", "lr", -0.1, "optim_sgd: lr is -0.1, it must be finite and at least 0");
    refuse("optim_sgd", "lr", NAN, "optim_sgd: lr is nan, it must be finite and at least 0");
    refuse("optim_sgd", "momentum", -1,
           "optim_sgd: momentum is -1, it must be finite and at least 0");
    refuse("optim_sgd", "dampening", INFINITY, "optim_sgd: dampening is inf, it must be finite");
    refuse("optim_sgd", "weight_decay", -1,
           "optim_sgd: weight_decay is -1, it must be finite and at least 0");
    refuse("optim_sgd", "nesterov", 1,
           "optim_sgd: nesterov needs momentum above 0 and dampening 0, got momentum 0 and "
           "dampening 0");
    refuse("optim_adam", "lr", INFINITY, "optim_adam: lr is inf, it must be finite and at least 0");
    refuse("optim_adam", "beta1", 1, "optim_adam: beta1 is 1, it must be at least 0 and below 1");
    refuse("optim_adam", "beta2", -0.5,
           "optim_adam: beta2 is -0.5, it must be at least 0 and below 1");
    refuse("optim_adamw", "beta2", NAN,
           "optim_adamw: beta2 is nan, it must be at least 0 and below 1");
    refuse("optim_adamw", "eps", -1e-8,
           "optim_adamw: eps is -1e-08, it must be finite and at least 0");
    refuse("optim_rmsprop", "alpha", 1.5,
           "optim_rmsprop: alpha is 1.5, it must be at least 0 and below 1");
    refuse("optim_rmsprop", "momentum", NAN,
           "optim_rmsprop: momentum is nan, it must be finite and at least 0");
    refuse("optim_adagrad", "lr_decay", -1,
           "optim_adagrad: lr_decay is -1, it must be finite and at least 0");
    refuse("optim_adagrad", "initial_accumulator_value", -1,
           "optim_adagrad: initial_accumulator_value is -1, it must be finite and at least 0");
}
END_TEST

START_TEST(refuses_a_config_that_is_not_from_its_defaults)
{
    ag_error_set_handler(quiet, NULL);
    ag_tensor w = ag_leaf(AG_SHAPE(2), AG_FLOAT32, true);
    optim_sgd_config zero = { 0 };
    optim_free(optim_sgd(list_of(&w, 0, 1), zero));
    expect(AG_ERROR_VALUE, "optim_sgd: the config was not made by optim_sgd_defaults()");
    optim_free(optim_adamw(list_of(&w, 0, 1), optim_adam_defaults()));
    expect(AG_ERROR_VALUE, "optim_adamw: the config was not made by optim_adamw_defaults()");
    optim *o = optim_sgd(list_of(&w, 0, 1), optim_sgd_defaults());
    optim_adam_config adam = optim_adam_defaults();
    ck_assert_int_eq(optim_add_group(o, ag_list_new(), &adam), -1);
    expect(AG_ERROR_VALUE, "optim_add_group: the config was not made by optim_sgd_defaults()");
    ck_assert_int_eq(optim_add_group(o, ag_list_new(), NULL), -1);
    expect(AG_ERROR_VALUE, "optim_add_group: the config was not made by optim_sgd_defaults()");
    ck_assert_int_eq(optim_group_count(o), 1);
    optim_free(o);
    ag_drop(&w);
}
END_TEST

START_TEST(refuses_lists_that_cannot_be_optimized)
{
    ag_error_set_handler(quiet, NULL);
    optim_sgd_config config = optim_sgd_defaults();
    ag_tensor w[2] = { ag_leaf(AG_SHAPE(2), AG_FLOAT32, true),
                       ag_leaf(AG_SHAPE(2), AG_INT64, false) };
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_tensor y = ag_mul(w[0], w[0]), bad[2] = { w[0], y };

    optim_free(optim_sgd(NULL, config));
    expect(AG_ERROR_VALUE, "optim_sgd: the list of parameters is NULL");
    optim_free(optim_sgd(ag_list_new(), config));
    expect(AG_ERROR_VALUE, "optim_sgd: the list of parameters is empty");
    optim_free(optim_sgd(list_of(bad, 0, 2), config));
    expect(AG_ERROR_VALUE, "optim_sgd: parameter 1 \"w1\" is the result of an operation; only "
                           "leaves can be optimized");
    optim_free(optim_sgd(list_of(w, 0, 2), config));
    expect(AG_ERROR_DTYPE,
           "optim_sgd: parameter 1 \"w1\" is int64; only float32 and float64 can be optimized");
    bad[1] = w[0];
    optim_free(optim_sgd(list_of(bad, 0, 2), config));
    expect(AG_ERROR_VALUE, "optim_sgd: parameter 1 \"w1\" is already in this optimizer");
    ag_tensor matrix = ag_leaf(AG_SHAPE(2, 3), AG_FLOAT32, true);
    bad[1] = ag_detach(ag_transpose(matrix, 0, 1));
    optim_free(optim_sgd(list_of(bad, 0, 2), config));
    expect(AG_ERROR_VALUE, "optim_sgd: parameter 1 \"w1\" is not row-major in memory");
    ag_drop(&matrix);
    bad[0] = AG_NONE;
    optim_free(optim_sgd(list_of(bad, 0, 2), config));
    expect(AG_ERROR_LIFETIME, "optim_sgd: parameter 0 \"w0\" is none");
    ag_end(&scope);
    bad[0] = y;
    optim_free(optim_sgd(list_of(bad, 0, 2), config));
    expect(AG_ERROR_LIFETIME, "optim_sgd: parameter 0 \"w0\" is a tensor that is gone");

    optim *o = optim_sgd(list_of(w, 0, 1), config);
    ck_assert_int_eq(optim_add_group(o, list_of(w, 0, 1), &config), -1);
    expect(AG_ERROR_VALUE, "optim_add_group: parameter 0 \"w0\" is already in this optimizer");
    ck_assert_int_eq(optim_add_group(o, NULL, &config), -1);
    expect(AG_ERROR_VALUE, "optim_add_group: the list of parameters is NULL");
    ck_assert_int_eq(optim_group_count(o), 1);
    ck_assert_int_eq(optim_add_group(o, ag_list_new(), &config), 1);
    ck_assert_int_eq(optim_step(o), AG_OK);
    optim_free(o);
    drop_all(w, 2);
}
END_TEST

START_TEST(learning_rates_belong_to_groups)
{
    ag_error_set_handler(quiet, NULL);
    ag_tensor w[2] = { ag_leaf(AG_SHAPE(2), AG_FLOAT32, true),
                       ag_leaf(AG_SHAPE(2), AG_FLOAT32, true) };
    optim_sgd_config config = optim_sgd_defaults();
    optim *o = optim_sgd(list_of(w, 0, 1), config);
    config.lr = 0.5;
    ck_assert_int_eq(optim_add_group(o, list_of(w, 1, 2), &config), 1);
    ck_assert_int_eq(optim_group_count(o), 2);
    ck_assert_double_eq(optim_lr(o, 0), 1e-3);
    optim_set_lr(o, 0, 0.25);
    ck_assert_double_eq(optim_lr(o, 0), 0.25);
    ck_assert_double_eq(optim_lr(o, 1), 0.5);
    optim_set_lr(o, 1, -1);
    expect(AG_ERROR_VALUE, "optim_set_lr: lr is -1, it must be finite and at least 0");
    ck_assert_double_eq(optim_lr(o, 1), 0.5);
    ck_assert_double_nan(optim_lr(o, 2));
    expect(AG_ERROR_INDEX, "optim_lr: group 2 of an optimizer with 2 groups");
    ck_assert_double_nan(optim_clip_grad_norm(o, NAN));
    expect(AG_ERROR_VALUE, "optim_clip_grad_norm: max_norm is nan, it must be at least 0");
    optim_clip_grad_value(o, -1);
    expect(AG_ERROR_VALUE, "optim_clip_grad_value: max is -1, it must be at least 0");
    optim_free(o);
    drop_all(w, 2);
}
END_TEST

START_TEST(the_nil_optimizer_says_so)
{
    ag_error_set_handler(quiet, NULL);
    optim *o = optim_sgd(ag_list_new(), optim_sgd_defaults());
    ck_assert_int_eq(optim_step(o), AG_ERROR_VALUE); /* the first error stays */
    optim_zero_grad(o);
    expect(AG_ERROR_VALUE, "optim_sgd: the list of parameters is empty");
    ck_assert_int_eq(optim_step(o), AG_ERROR_STATE);
    expect(AG_ERROR_STATE, "optim_step: the optimizer is nil: making it failed");
    ck_assert_int_eq(optim_step(NULL), AG_ERROR_STATE);
    expect(AG_ERROR_STATE, "optim_step: the optimizer is NULL");
    ck_assert_int_eq(optim_group_count(o), 0);
    optim_free(o);
    optim_free(NULL);
}
END_TEST

START_TEST(a_step_after_an_error_does_nothing)
{
    ag_error_set_handler(quiet, NULL);
    ag_tensor w = ag_leaf(AG_SHAPE(2), AG_FLOAT64, true);
    optim *o = optim_adam(list_of(&w, 0, 1), optim_adam_defaults());
    ag_scope scope = { 0 };
    ag_begin(&scope);
    double x[] = { 1, 2 }, got[2];
    ag_backward(toward(w, x));
    ag_error_raise(AG_HERE, AG_ERROR_VALUE, "something else");
    ck_assert_int_eq(optim_step(o), AG_ERROR_VALUE);
    ag_error_clear();
    ag_read_doubles(w, got, 2);
    ck_assert_double_eq(got[0], 0);
    ck_assert_int_eq(optim_step(o), AG_OK);
    ag_read_doubles(w, got, 2);
    ck_assert_double_eq_tol(got[0], -1e-3,
                            1e-10); /* its first step: the skipped one did not count */
    ag_end(&scope);
    optim_free(o);
    ag_drop(&w);
}
END_TEST

/* A value that backward needs is overwritten, so backward fails after it has reached one of two
 * parameters. */
START_TEST(a_step_after_a_failed_backward_changes_no_parameter)
{
    ag_error_set_handler(quiet, NULL);
    ag_tensor w[2] = { ag_leaf(AG_SHAPE(2), AG_FLOAT64, true),
                       ag_leaf(AG_SHAPE(2), AG_FLOAT64, true) };
    optim *o = optim_sgd(list_of(w, 0, 2), optim_sgd_defaults());
    ag_scope scope = { 0 };
    ag_begin(&scope);
    double x[] = { 1, 2 }, got[2];
    ag_tensor square = ag_sum(ag_square(w[0]));
    ag_tensor loss = ag_add(square, toward(w[1], x));
    ag_write(w[0], x, 2);
    ck_assert_int_ne(ag_backward(loss), AG_OK);
    ag_error_clear();
    ck_assert_int_ne(optim_step(o), AG_OK);
    ag_error_clear();
    ck_assert_double_nan(optim_clip_grad_norm(o, 1));
    ag_error_clear();
    ag_read_doubles(w[0], got, 2);
    ck_assert_double_eq(got[1], 2);
    ag_read_doubles(w[1], got, 2);
    ck_assert_double_eq(got[1], 0);
    optim_zero_grad(o);
    ck_assert_int_eq(ag_backward(toward(w[1], x)), AG_OK);
    ck_assert_int_eq(optim_step(o), AG_OK);
    ag_read_doubles(w[1], got, 2);
    ck_assert_double_eq_tol(got[1], -2e-3, 1e-15);
    ag_end(&scope);
    optim_free(o);
    drop_all(w, 2);
}
END_TEST

START_TEST(a_step_is_an_in_place_change_that_backward_sees)
{
    ag_error_set_handler(quiet, NULL);
    ag_tensor w = ag_leaf(AG_SHAPE(2), AG_FLOAT64, true);
    optim *o = optim_sgd(list_of(&w, 0, 1), optim_sgd_defaults());
    ag_scope scope = { 0 };
    ag_begin(&scope);
    double x[] = { 1, 2 };
    ag_tensor late = ag_sum(ag_square(w));
    ag_backward(toward(w, x));
    ck_assert_int_eq(optim_step(o), AG_OK);
    ck_assert_int_ne(ag_backward(late), AG_OK);
    ag_error_clear();
    ag_end(&scope);
    optim_free(o);
    ag_drop(&w);
}
END_TEST

START_TEST(clipping_is_an_in_place_change_that_backward_sees)
{
    ag_error_set_handler(quiet, NULL);
    ag_tensor w[2] = { ag_leaf(AG_SHAPE(2), AG_FLOAT64, true),
                       ag_leaf(AG_SHAPE(2), AG_FLOAT64, true) };
    optim *o = optim_sgd(list_of(w, 0, 2), optim_sgd_defaults());
    ag_scope scope = { 0 };
    ag_begin(&scope);
    double x[] = { 1, 2 };
    ck_assert_int_eq(ag_backward(toward(w[0], x)), AG_OK);
    ag_tensor late = ag_sum(ag_mul(w[1], ag_grad_of(w[0])));
    optim_clip_grad_value(o, 1);
    ck_assert_int_ne(ag_backward(late), AG_OK);
    ag_error_clear();
    ag_end(&scope);
    optim_free(o);
    drop_all(w, 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("optim errors");
    TCase *errors = tcase_create("errors");
    tcase_add_test(errors, refuses_values_out_of_range);
    tcase_add_test(errors, refuses_a_config_that_is_not_from_its_defaults);
    tcase_add_test(errors, refuses_lists_that_cannot_be_optimized);
    tcase_add_test(errors, learning_rates_belong_to_groups);
    tcase_add_test(errors, the_nil_optimizer_says_so);
    tcase_add_test(errors, a_step_after_an_error_does_nothing);
    tcase_add_test(errors, a_step_after_a_failed_backward_changes_no_parameter);
    tcase_add_test(errors, a_step_is_an_in_place_change_that_backward_sees);
    tcase_add_test(errors, clipping_is_an_in_place_change_that_backward_sees);
    suite_add_tcase(suite, errors);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
