/* Training at a glance: the norms are those computed by hand, dead units are counted as units, and what looks wrong is said. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdio.h>

#include "networks.h"

static ag_scope scope;

static char *printed(const ag_monitor *m)
{
    static char *text; /* static, as the compiler does not see the stream's hold of it */
    static size_t bytes;
    FILE *stream = open_memstream(&text, &bytes);
    ck_assert_int_eq(ag_monitor_print(m, stream), AG_OK);
    fclose(stream);
    return text;
}

/* w = (3, 4), loss = w w / 2, so that dw = w; steps of -0.1 dw: ‖w‖ = 5 0.9^k, the update a tenth of it. */
START_TEST(norms_are_those_by_hand)
{
    const double start[] = { 3, 4 };
    ag_tensor w = filled_leaf(AG_FLOAT64, AG_SHAPE(2), 2, start, true), frozen = filled_leaf(AG_FLOAT64, AG_SHAPE(2), 2, start, true);
    ag_list *list = ag_list_new();
    ag_list_add(list, "w", w);
    ag_list_add(list, "unused", frozen);
    ag_monitor *m = ag_monitor_new(list);
    ag_list_free(list);
    ck_assert_int_eq(ag_monitor_count(m), 2);
    ck_assert_str_eq(ag_monitor_name(m, 1), "unused");
    for (int step = 0; step < 150; step++) { /* more than it has room for at first */
        ag_begin(&scope);
        ag_zero_grad(w);
        ag_backward(ag_mul_scalar(ag_sum(ag_square(w)), 0.5));
        ag_monitor_gradients(m);
        double x[2];
        ag_read_doubles(w, x, 2);
        ag_write(w, (double[]){ 0.9 * x[0], 0.9 * x[1] }, 2);
        ag_monitor_updates(m);
    }
    ag_end(&scope);
    ck_assert_int_eq(ag_monitor_steps(m), 150);
    for (int step = 0; step < 150; step += 49) {
        double norm = 5 * pow(0.9, step);
        ck_assert(fabs(ag_monitor_value(m, step, 0, AG_MONITOR_WEIGHT) - norm) < 1e-12 * norm);
        ck_assert(fabs(ag_monitor_value(m, step, 0, AG_MONITOR_GRADIENT) - norm) < 1e-12 * norm);
        ck_assert(fabs(ag_monitor_value(m, step, 0, AG_MONITOR_UPDATE) - norm / 10) < 1e-12 * norm);
        ck_assert(fabs(ag_monitor_value(m, step, 0, AG_MONITOR_RATIO) - 0.1) < 1e-12);
        ck_assert(isnan(ag_monitor_value(m, step, 1, AG_MONITOR_GRADIENT)));
        ck_assert_double_eq(ag_monitor_value(m, step, 1, AG_MONITOR_UPDATE), 0);
    }
    ck_assert(isnan(ag_monitor_value(m, 150, 0, AG_MONITOR_WEIGHT)));
    ck_assert(isnan(ag_monitor_value(m, -1, 0, AG_MONITOR_WEIGHT)));
    ck_assert(isnan(ag_monitor_value(m, 0, 2, AG_MONITOR_WEIGHT)));
    char *text = printed(m);
    const char *line = strstr(text, "\nw "), *next = strstr(text, "\nunused");
    ck_assert(strncmp(text, "150 steps\n", 10) == 0 && line != NULL && next != NULL);
    ck_assert_ptr_nonnull(strstr(line, "███▇▇▆▆▆▅▅▄▄▃▃▃▂▂▁▁▁"));
    ck_assert_ptr_nonnull(strstr(line, " 0.1 "));
    ck_assert_ptr_nonnull(strstr(line, "large steps"));
    ck_assert_ptr_nonnull(strstr(next, "no gradient"));
    free(text);
    ag_monitor_free(m);
    ag_drop(&w);
    ag_drop(&frozen);
    assert_no_error();
}
END_TEST

/* Of a layer of five units, biases keep two below zero for the whole batch; of a convolution's four channels, one. */
START_TEST(dead_units_are_counted_as_units)
{
    const double weight[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 }, bias[] = { 0, -9, 0.5, -9, 1 }, batch[] = { 1, 2, -3, 1, 0.5, 0.25 };
    ag_tensor w = filled_leaf(AG_FLOAT32, AG_SHAPE(5, 2), 10, weight, true), b = filled_leaf(AG_FLOAT32, AG_SHAPE(5), 5, bias, true);
    const double shift[] = { 1, -50, 1, 1 };
    ag_tensor c = filled_leaf(AG_FLOAT32, AG_SHAPE(4, 1, 1), 4, shift, true);
    ag_list *list = ag_list_new();
    ag_list_add(list, "w", w);
    ag_monitor *m = ag_monitor_new(list);
    ag_list_free(list);
    for (int step = 0; step < 3; step++) {
        ag_begin(&scope);
        ag_tensor x = ag_zeros(AG_SHAPE(3, 2), AG_FLOAT32);
        for (int i = 0; i < 6; i++) {
            ((float *)ag_data_mut(x))[i] = (float)batch[i];
        }
        ag_label_push("hidden");
        ag_tensor h = ag_relu(ag_linear(x, w, b));
        ag_label_pop();
        ag_tensor image = ag_relu(ag_add(ag_ones(AG_SHAPE(2, 4, 3, 3), AG_FLOAT32), c)), t = ag_tanh(h);
        ag_tensor loss = ag_add(ag_add(ag_sum(ag_relu(t)), ag_sum(image)), step < 2 ? ag_sum(ag_relu(h)) : ag_sum(h));
        ag_monitor_forward(m, loss);
        ag_backward(loss);
        ag_monitor_gradients(m);
        ag_monitor_updates(m);
    }
    ag_end(&scope);
    int found = 0;
    for (int i = 0; i < ag_monitor_activations(m); i++) {
        const char *name = ag_monitor_activation_name(m, i);
        if (strcmp(name, "hidden relu") == 0) {
            ck_assert_double_eq(ag_monitor_dead(m, 0, i), 0.4);
            ck_assert_double_eq(ag_monitor_dead(m, 2, i), 0.4);
            found |= 1;
        } else if (strstr(name, " tanh") != NULL) {
            ck_assert_double_eq(ag_monitor_dead(m, 1, i), 0);
            found |= 2;
        } else if (strstr(name, "test_inspect_monitor.c:") != NULL && ag_monitor_dead(m, 0, i) == 0.25) {
            found |= 4; /* the channel */
        } else if (strstr(name, "relu (2)") != NULL) {
            ck_assert_double_eq(ag_monitor_dead(m, 1, i), 0.4);
            ck_assert(isnan(ag_monitor_dead(m, 2, i))); /* it did not run then */
            found |= 8;
        }
    }
    ck_assert_int_eq(found, 15);
    char *text = printed(m);
    ck_assert_ptr_nonnull(strstr(text, "units that pass nothing on"));
    ck_assert_ptr_nonnull(strstr(strstr(text, "hidden relu"), "40 %"));
    ck_assert_ptr_null(strstr(text, "tanh"));
    free(text);
    ag_monitor_free(m);
    ag_drop(&w);
    ag_drop(&b);
    ag_drop(&c);
    assert_no_error();
}
END_TEST

START_TEST(watching_changes_nothing)
{
    uint64_t hash[2];
    for (int watched = 0; watched < 2; watched++) {
        struct trainer t;
        trainer_open(&t, small_net(), AG_SHAPE(16, 6), 3, 1);
        ag_list *list = nn_parameters(t.net);
        ag_monitor *m = ag_monitor_new(list);
        for (int step = 0; step < 8; step++) {
            ag_begin(&t.scope);
            optim_zero_grad(t.opt);
            ag_tensor loss = ag_cross_entropy(nn_forward(t.net, t.x[step % BATCHES]), t.y[step % BATCHES]);
            if (watched) {
                ag_monitor_forward(m, loss);
            }
            ag_backward(loss);
            if (watched) {
                ag_monitor_gradients(m);
            }
            optim_step(t.opt);
            if (watched) {
                ag_monitor_updates(m);
            }
        }
        hash[watched] = 0;
        for (int64_t i = 0; i < ag_list_count(list); i++) {
            hash[watched] = hash[watched] * 31 + ag_hash(ag_list_tensor(list, i));
        }
        ag_list_free(list);
        ag_monitor_free(m);
        trainer_close(&t);
    }
    ck_assert_uint_eq(hash[0], hash[1]);
    assert_no_error();
}
END_TEST

START_TEST(what_looks_wrong_is_said)
{
    const double start[] = { 1, 1 };
    ag_tensor still = filled_leaf(AG_FLOAT32, AG_SHAPE(2), 2, start, true), spoiled = filled_leaf(AG_FLOAT32, AG_SHAPE(2), 2, start, true);
    ag_list *list = ag_list_new();
    ag_list_add(list, "still", still);
    ag_list_add(list, "spoiled", spoiled);
    ag_monitor *m = ag_monitor_new(list);
    ag_list_free(list);
    ag_begin(&scope);
    ag_backward(ag_sum(ag_add(ag_mul_scalar(still, 1), ag_log(ag_mul_scalar(spoiled, 0)))));
    ag_monitor_gradients(m);
    ag_monitor_updates(m);
    ag_end(&scope);
    ck_assert(isinf(ag_monitor_value(m, 0, 1, AG_MONITOR_GRADIENT)));
    char *text = printed(m);
    ck_assert_ptr_nonnull(strstr(strstr(text, "\nstill"), "hardly moves\nspoiled"));
    ck_assert_ptr_nonnull(strstr(strstr(text, "\nspoiled"), "not finite"));
    free(text);
    ag_monitor_updates(m);
    assert_error(AG_ERROR_STATE, "ag_monitor_gradients() has to come before");
    ag_monitor_print(m, NULL);
    assert_error(AG_ERROR_VALUE, "ag_monitor_print: the stream is NULL");
    ag_monitor_forward(m, AG_NIL);
    assert_error(AG_ERROR_LIFETIME, "ag_monitor_forward: the tensor is nil");
    ag_drop(&still);
    ag_monitor_gradients(m);
    assert_error(AG_ERROR_LIFETIME, "");
    ag_monitor_free(m);
    list = ag_list_new();
    ag_list_add(list, "gone", AG_NIL);
    m = ag_monitor_new(list);
    assert_error(AG_ERROR_LIFETIME, "ag_monitor_new: the tensor is nil");
    ag_monitor_gradients(m);
    ck_assert_int_eq(ag_monitor_steps(m), 0);
    ag_monitor_free(m);
    ag_list_free(list);
    ag_drop(&spoiled);
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, norms_are_those_by_hand);
    tcase_add_test(tests, dead_units_are_counted_as_units);
    tcase_add_test(tests, watching_changes_nothing);
    tcase_add_test(tests, what_looks_wrong_is_said);
}

int main(void)
{
    return run_tests("inspect_monitor", add, 60);
}
