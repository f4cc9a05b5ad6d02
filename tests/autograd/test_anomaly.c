/* Anomaly mode: the first number that is not finite, where it came from, and what is no accident. */
#include <math.h>

#include "common.h"

static ag_scope scope;

START_TEST(forward_names_operation_line_and_inputs)
{
    char place[64];
    ag_tensor w = leaf64(AG_SHAPE(2, 2), 3, -1, 2, 5);
    ag_set_name(w, "weight");
    ag_begin(&scope);
    ag_detect_anomaly(true);
    ag_tensor x = ag_add_scalar(w, 1); /* 4 0 3 6 */
    snprintf(place, sizeof(place), "test_anomaly.c:%d)", __LINE__ + 1);
    ag_tensor y = ag_log(x);
    ck_assert(ag_is_nil(y));
    ck_assert_msg(strstr(ag_error_message(), place) != NULL, "%s", ag_error_message());
    assert_error(AG_ERROR_NUMBER, "ag_log: anomaly: 0 NaN and 1 infinities in the result (2,2), the first at element 1; "
                                  "input 0 (2,2): from 0 to 6");
    ag_sqrt(w);
    assert_error(AG_ERROR_NUMBER, "ag_sqrt: anomaly: 1 NaN and 0 infinities in the result (2,2), the first at element 1; "
                                  "input 0, weight (2,2): from -1 to 5");
    ag_end(&scope);
    ag_drop(&w);
}
END_TEST

START_TEST(backward_names_operation_line_and_inputs)
{
    char place[64];
    ag_tensor w = leaf64(AG_SHAPE(2), 4, 0);
    ag_begin(&scope);
    ag_detect_anomaly(true);
    snprintf(place, sizeof(place), "test_anomaly.c:%d)", __LINE__ + 1);
    ag_tensor y = ag_sqrt(w);
    ag_backward(ag_sum(y));
    ck_assert_msg(strstr(ag_error_message(), place) != NULL, "%s", ag_error_message());
    assert_error(AG_ERROR_NUMBER, "backward of ag_sqrt: anomaly: 0 NaN and 1 infinities in the gradient (2) of input 0, the first "
                                  "at element 1");
    ag_end(&scope);
    ag_zero_grad(w);
    ag_drop(&w);
}
END_TEST

START_TEST(infinities_on_purpose_are_none)
{
    ag_begin(&scope);
    ag_detect_anomaly(true);
    ag_tensor x = ag_full(AG_SHAPE(2), -INFINITY, AG_FLOAT64); /* the program's own */
    ag_tensor y = ag_add(x, ag_ones(AG_SHAPE(2), AG_FLOAT64));
    ag_fill_(ag_mul_scalar(ag_ones(AG_SHAPE(2), AG_FLOAT64), 1), (double)INFINITY);
    assert_values(ag_exp(y), 0, 0);
    assert_no_error();
    ag_sub(x, x); /* but this is NaN */
    assert_error(AG_ERROR_NUMBER, "ag_sub: anomaly: 2 NaN and 0 infinities");
    ag_end(&scope);
}
END_TEST

START_TEST(it_ends_with_its_scope)
{
    ag_scope inner = {0};
    ag_begin(&scope);
    ag_begin(&inner);
    ag_detect_anomaly(true);
    ck_assert(ag_anomaly_enabled());
    ag_end(&inner);
    ck_assert(!ag_anomaly_enabled());
    ag_log(ag_zeros(AG_SHAPE(1), AG_FLOAT64));
    assert_no_error();
    ag_end(&scope);
    ag_detect_anomaly(true); /* from here on, for all scopes */
    ag_begin(&scope);
    ag_log(ag_zeros(AG_SHAPE(1), AG_FLOAT32));
    assert_error(AG_ERROR_NUMBER, "ag_log: anomaly");
    ag_end(&scope);
    ag_detect_anomaly(false);
    ag_begin(&scope);
    ag_log(ag_zeros(AG_SHAPE(1), AG_FLOAT32));
    assert_no_error();
    ag_end(&scope);
}
END_TEST

START_TEST(gradients_are_the_same_with_it)
{
    ag_tensor w = leaf64(AG_SHAPE(2, 2), 1, 2, 3, 4);
    double plain[4], looked[4];
    for (int on = 0; on < 2; on++) {
        ag_begin(&scope);
        ag_detect_anomaly(on == 1);
        ag_backward(ag_sum(ag_tanh(ag_matmul(w, ag_slice(w, 0, 0, 2, 1)))));
        ag_read(ag_grad_of(w), on == 1 ? looked : plain, 4);
        ag_zero_grad(w);
        ag_end(&scope);
    }
    assert_no_error();
    ck_assert(memcmp(plain, looked, sizeof(plain)) == 0);
    ag_drop(&w);
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, forward_names_operation_line_and_inputs);
    tcase_add_test(tests, backward_names_operation_line_and_inputs);
    tcase_add_test(tests, infinities_on_purpose_are_none);
    tcase_add_test(tests, it_ends_with_its_scope);
    tcase_add_test(tests, gradients_are_the_same_with_it);
}

int main(void)
{
    return run_tests("anomaly", add, 60);
}
