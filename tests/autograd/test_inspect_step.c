/* Backward node by node and forward again: the same bits as the whole, and what is seen at each stop, against values by hand. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdio.h>

#include "networks.h"

static ag_scope scope;

static ag_tensor leaf_of(double value, const char *name)
{
    return ag_set_name(leaf64(AG_SHAPE_SCALAR, value), name);
}

static double number(ag_tensor t)
{
    return ag_is_none(t) ? NAN : ag_item(t);
}

/* loss = (a b + a)^2 with a = 3, b = -2: nodes 0 mul, 1 add, 2 square; loss = 9, dloss/da = 6, dloss/db = -18. */
START_TEST(each_stop_shows_what_arrives_and_what_flows_on)
{
    ag_tensor a = leaf_of(3, "a"), b = leaf_of(-2, "b");
    ag_begin(&scope);
    ag_tensor loss = ag_square(ag_add(ag_mul(a, b), a));
    ag_stepper *s = ag_stepper_new(loss, ag_backward_defaults());
    ck_assert_int_eq(ag_stepper_node(s), 2);
    ck_assert_str_eq(ag_stepper_op(s)->name, "square");
    ck_assert_double_eq(number(ag_stepper_grad(s, 0)), 1);
    ck_assert_double_eq(number(ag_stepper_contribution(s, 0)), 2 * (3 * -2 + 3));
    ck_assert(ag_is_none(ag_stepper_accumulated(s, 0)));
    ck_assert_int_eq(ag_stepper_step(s), 1);
    ck_assert_double_eq(number(ag_stepper_grad(s, 0)), -6);
    ck_assert_double_eq(number(ag_stepper_contribution(s, 0)), -6);
    ck_assert_double_eq(number(ag_stepper_contribution(s, 1)), -6);
    ck_assert_int_eq(ag_stepper_step(s), 0);
    ck_assert_double_eq(number(ag_stepper_contribution(s, 0)), -6 * -2);
    ck_assert_double_eq(number(ag_stepper_contribution(s, 1)), -6 * 3);
    ck_assert_double_eq(number(ag_stepper_accumulated(s, 0)), -6); /* from the sum */
    ck_assert(ag_is_none(ag_stepper_accumulated(s, 1)));
    ck_assert_double_eq(number(ag_grad_of(a)), -6);                /* asking changed nothing */
    ck_assert_int_eq(ag_stepper_step(s), -1);
    ck_assert_double_eq(number(ag_grad_of(a)), 6);
    ck_assert_double_eq(number(ag_grad_of(b)), -18);
    ck_assert_int_eq(ag_stepper_step(s), -1);
    ck_assert_ptr_null(ag_stepper_op(s));
    ag_stepper_free(s);
    assert_no_error();
    ck_assert_int_eq(ag_backward(loss), AG_ERROR_GRAD);
    assert_error(AG_ERROR_GRAD, "the graph was freed");
    ag_end(&scope);
    ag_drop(&a);
    ag_drop(&b);
}
END_TEST

static void hash_gradients(nn_module *net, uint64_t *hash)
{
    ag_list *list = nn_parameters(net);
    for (int64_t i = 0; i < ag_list_count(list); i++) {
        ag_tensor g = ag_grad_of(ag_list_tensor(list, i));
        hash[i] = ag_is_none(g) ? 0 : ag_hash(g);
    }
    ag_list_free(list);
}

/* What a network's parameters get in one backward: whole, or step by step with everything looked at. */
static int64_t gradients(nn_module *net, ag_tensor x, ag_tensor y, int way, uint64_t *hash)
{
    ag_list *list = nn_parameters(net);
    int64_t steps = 0;
    for (int64_t i = 0; i < ag_list_count(list); i++) {
        ag_zero_grad(ag_list_tensor(list, i));
    }
    ag_begin(&scope);
    if (way == 2) {
        ag_retain_tape(true);
    }
    ag_tensor first = nn_forward(net, x), second = nn_forward(net, x); /* each weight is used twice */
    ag_tensor loss = ag_add(ag_cross_entropy(first, y), ag_mul_scalar(ag_cross_entropy(ag_mul(second, first), y), 0.5));
    if (way == 0) {
        ag_backward(loss);
    } else {
        FILE *null = fopen("/dev/null", "w");
        ag_stepper *s = ag_stepper_new(loss, ag_backward_defaults());
        for (; ag_stepper_node(s) >= 0; steps++) {
            ag_stepper_print(s, null);
            for (int i = 0; i < ag_stepper_op(s)->inputs; i++) {
                ag_stepper_contribution(s, i);
                ag_stepper_accumulated(s, i);
            }
            ag_exp(ag_stepper_grad(s, 0)); /* the program goes on with its own things */
            ag_stepper_step(s);
        }
        ag_stepper_free(s);
        fclose(null);
    }
    assert_no_error();
    hash_gradients(net, hash);
    ag_list_free(list);
    ag_end(&scope);
    return steps;
}

static void assert_same_bits(nn_module *net, ag_shape shape)
{
    ag_rng rng = ag_rng_seed(5);
    ag_tensor x = AG_NONE, y = AG_NONE;
    uint64_t whole[16], stepped[16], retained[16];
    nn_init(net, &rng);
    ag_begin_no_grad(&scope);
    ag_keep(&x, ag_uniform(shape, -1, 1, AG_FLOAT32, &rng));
    ag_keep(&y, ag_randint(AG_SHAPE(shape.size[0]), 0, 10, &rng));
    ag_end(&scope);
    ag_list *list = nn_parameters(net);
    int64_t n = ag_list_count(list);
    ag_list_free(list);
    ck_assert_int_eq(gradients(net, x, y, 0, whole), 0);
    ck_assert_int_ge(gradients(net, x, y, 1, stepped), 8);
    gradients(net, x, y, 2, retained);
    for (int64_t i = 0; i < n; i++) {
        ck_assert_uint_ne(whole[i], 0);
        ck_assert_uint_eq(whole[i], stepped[i]);
        ck_assert_uint_eq(whole[i], retained[i]);
    }
    ag_drop(&x);
    ag_drop(&y);
    nn_free(net);
}

START_TEST(stepping_gives_the_bits_of_backward)
{
    assert_same_bits(nn_sequential(nn_linear(96, 300), nn_relu(), nn_linear(300, 64), nn_tanh(), nn_linear(64, 10)), AG_SHAPE(33, 96));
    assert_same_bits(cnn(), AG_SHAPE(2, 1, 28, 28));
}
END_TEST

START_TEST(it_runs_to_a_node_an_operation_a_tensor_or_another_line)
{
    ag_tensor a = leaf_of(0.5, "a"), b = leaf_of(2, "b");
    ag_begin(&scope);
    ag_tensor h = ag_tanh(ag_mul(a, b)), u = ag_add(ag_exp(h), ag_mul(h, a)); /* 0 mul 1 tanh 2, 3 exp and mul 4 add */
    ag_tensor loss = ag_sum(ag_square(u));
    ag_backward_config retain = ag_backward_defaults();
    retain.retain_graph = true;
    ag_stepper *s = ag_stepper_new(loss, retain);
    ck_assert_int_eq(ag_stepper_node(s), 6);
    ck_assert_int_eq(ag_stepper_to_node(s, 4), 4);
    ck_assert_int_eq(ag_stepper_to_op(s, "tanh"), 1);
    ck_assert_int_eq(ag_stepper_to_op(s, "no such"), -1);
    ag_stepper_free(s);
    ag_zero_grad(a);
    ag_zero_grad(b);
    s = ag_stepper_new(loss, retain);
    ck_assert_int_eq(ag_stepper_out(s), 4);
    ck_assert_int_eq(ag_stepper_to(s, h), 1); /* all that uses h was visited */
    double t = tanh(1.0), u0 = exp(t) + 0.5 * t;
    ck_assert_double_eq_tol(number(ag_stepper_grad(s, 0)), 2 * u0 * (exp(t) + 0.5), 1e-14);
    ck_assert_int_eq(ag_stepper_to(s, a), -1); /* the last use of a is the first node */
    ag_stepper_free(s);
    s = ag_stepper_new(loss, retain);
    ag_stepper_out(s);
    ck_assert_int_eq(ag_stepper_out(s), -1); /* one line made all that is left */
    ag_stepper_free(s);
    assert_no_error();
    ag_end(&scope);
    ag_drop(&a);
    ag_drop(&b);
}
END_TEST

START_TEST(it_stops_before_the_first_gradient_that_is_not_finite)
{
    ag_tensor x = ag_set_name(leaf64(AG_SHAPE(3), 4, 0, 1), "x");
    ag_begin(&scope);
    ag_tensor loss = ag_sum(ag_sqrt(ag_mul_scalar(x, 2))); /* 0 mul_scalar 1 sqrt 2 sum; the slope at 0 is infinite */
    ag_stepper *s = ag_stepper_new(loss, ag_backward_defaults());
    ck_assert_int_eq(ag_stepper_to_nonfinite(s), 1);
    ck_assert_str_eq(ag_stepper_op(s)->name, "sqrt");
    double g[3];
    ag_read(ag_stepper_contribution(s, 0), g, 3);
    ck_assert_double_eq_tol(g[0], 0.5 / sqrt(8), 1e-15);
    ck_assert(isinf(g[1]));
    ck_assert_int_eq(ag_stepper_step(s), 0);
    ck_assert_int_eq(ag_stepper_to_nonfinite(s), 0); /* it has arrived */
    ck_assert_int_eq(ag_stepper_finish(s), AG_OK);
    ag_stepper_free(s);
    loss = ag_sum(ag_square(x));
    s = ag_stepper_new(loss, ag_backward_defaults());
    ck_assert_int_eq(ag_stepper_to_nonfinite(s), -1);
    ag_stepper_free(s);
    assert_no_error();
    ag_end(&scope);
    ag_drop(&x);
}
END_TEST

START_TEST(a_backward_that_is_given_up_leaves_half_done_gradients)
{
    ag_tensor a = leaf_of(3, "a"), b = leaf_of(-2, "b");
    ag_begin(&scope);
    ag_tensor loss = ag_square(ag_add(ag_mul(a, b), a));
    ag_stepper *s = ag_stepper_new(loss, ag_backward_defaults());
    ag_backward(loss);
    assert_error(AG_ERROR_STATE, "ag_backward: a backward is being stepped through");
    ag_stepper *other = ag_stepper_new(loss, ag_backward_defaults());
    assert_error(AG_ERROR_STATE, "ag_stepper_new: a backward is being stepped through");
    ck_assert_int_eq(ag_stepper_node(other), -1);
    ck_assert_int_eq(ag_stepper_step(other), -1);
    ag_stepper_free(other);
    ag_stepper_grad(s, 1);
    assert_error(AG_ERROR_INDEX, "ag_stepper_grad: output 1 of ag_square, which has 1");
    ag_stepper_step(s);
    ag_stepper_step(s);
    ag_end(&scope); /* with the tape goes the backward */
    ck_assert_int_eq(ag_stepper_node(s), -1);
    ag_stepper_grad(s, 0);
    assert_error(AG_ERROR_STATE, "its scope has ended");
    ag_grad_of(a);
    assert_error(AG_ERROR_GRAD, "a backward failed half-way");
    ag_stepper_free(s);
    ag_zero_grad(a);
    ag_begin(&scope);
    loss = ag_square(ag_add(ag_mul(a, b), a));
    s = ag_stepper_new(loss, ag_backward_defaults());
    ag_stepper_step(s);
    ag_stepper_step(s);
    ag_stepper_free(s);
    ag_grad_of(a);
    assert_error(AG_ERROR_GRAD, "a backward failed half-way");
    ag_zero_grad(a);
    loss = ag_square(ag_add(ag_mul(a, b), a));
    ck_assert_int_eq(ag_backward(loss), AG_OK);
    ck_assert_double_eq(number(ag_grad_of(a)), 6);
    ag_stepper_free(ag_stepper_new(AG_NIL, ag_backward_defaults()));
    assert_error(AG_ERROR_LIFETIME, "ag_stepper_new");
    ag_end(&scope);
    ag_drop(&a);
    ag_drop(&b);
}
END_TEST

static ag_tensor block(const ag_tensor *in, int n, void *user)
{
    (void)n, (void)user;
    return ag_tanh(ag_mul(in[0], in[1]));
}

static ag_tensor doubled(ag_tensor g, void *user)
{
    (void)user;
    return ag_mul_scalar(g, 2);
}

START_TEST(hooks_run_and_checkpointed_blocks_send_their_gradients_on)
{
    ag_tensor in[2] = { leaf_of(0.5, "a"), leaf_of(2, "b") };
    ag_begin(&scope);
    ag_tensor y = ag_checkpoint(block, NULL, 2, in);
    ag_register_hook(in[0], doubled, NULL);
    ag_stepper *s = ag_stepper_new(ag_square(y), ag_backward_defaults());
    ag_stepper_step(s);
    ck_assert(ag_is_none(ag_stepper_contribution(s, 0)));
    ag_stepper_step(s);
    ag_stepper_free(s);
    double t = tanh(1.0);
    ck_assert_double_eq_tol(number(ag_grad_of(in[0])), 2 * 2 * t * (1 - t * t) * 2, 1e-14);
    ck_assert_double_eq_tol(number(ag_grad_of(in[1])), 2 * t * (1 - t * t) * 0.5, 1e-14);
    assert_no_error();
    ag_end(&scope);
    ag_drop(&in[0]);
    ag_drop(&in[1]);
}
END_TEST

START_TEST(a_stop_is_printed)
{
    ag_tensor a = leaf_of(3, "a"), b = leaf_of(-2, "b");
    char *text = NULL;
    size_t bytes = 0;
    ag_begin(&scope);
    ag_label_push("head");
    ag_tensor loss = ag_pow_scalar(ag_mul(a, b), 2);
    ag_label_pop();
    FILE *stream = open_memstream(&text, &bytes);
    ag_stepper *s = ag_stepper_new(loss, ag_backward_defaults());
    ag_stepper_print(s, stream);
    ag_stepper_step(s);
    ag_stepper_print(s, stream);
    ag_stepper_finish(s);
    ag_stepper_print(s, stream);
    ag_stepper_free(s);
    fclose(stream);
    const char *const parts[] = { "#1 pow_scalar  test_inspect_step.c:", "  in head\n", "y = x^p   with p = 2\n", "dx = dy p x^(p-1)\n",
                                  "result                   36\n", "gradient arrived         1\n", "input 0, #0              -6\n",
                                  "contribution           -12\n", "added up before        nothing\n", "input 1, b               -2\n",
                                  "contribution           -36\n", "backward is at its end\n" };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        ck_assert_msg(strstr(text, parts[i]) != NULL, "\"%s\" is not in\n%s", parts[i], text);
    }
    free(text);
    ag_end(&scope);
    ag_drop(&a);
    ag_drop(&b);
}
END_TEST

START_TEST(forward_again_gives_the_same_bits)
{
    ag_rng rng = ag_rng_seed(3);
    nn_module *net = small_net();
    nn_init(net, &rng);
    ag_begin(&scope);
    ag_tensor x = ag_uniform(AG_SHAPE(5, 6), -1, 1, AG_FLOAT32, &rng);
    ag_tensor logits = nn_forward(net, x);
    ag_tensor w = ag_detach(x);
    ag_mul_(logits, ag_scalar(3, AG_FLOAT32)); /* in place: read again from what it was before */
    ag_tensor part = ag_slice(logits, 0, 1, 4, 1), loss = ag_sum(ag_square(part));
    ag_list *buffers = nn_state(net);
    uint64_t before = ag_hash(ag_list_find(buffers, "1.running_mean"));
    ag_replay *r = ag_replay_new(loss);
    int64_t steps = 0;
    while (ag_replay_node(r) >= 0) {
        ag_replay_step(r);
        steps++;
    }
    assert_no_error();
    ck_assert_int_eq(steps, ag_tape_length());
    ck_assert_uint_eq(ag_hash(ag_replay_value(r, ag_tape_length() - 1, 0)), ag_hash(loss));
    ck_assert_uint_eq(ag_hash(ag_replay_value(r, ag_tape_length() - 3, 0)), ag_hash(part));
    ck_assert_uint_eq(ag_hash(ag_list_find(buffers, "1.running_mean")), before); /* running statistics stay */
    ag_replay_free(r);
    (void)w;
    ag_list_free(buffers);
    ag_end(&scope);
    nn_free(net);
}
END_TEST

START_TEST(other_numbers_can_be_put_in)
{
    ag_tensor a = leaf_of(3, "a"), b = leaf_of(-2, "b");
    ag_begin(&scope);
    ag_tensor product = ag_mul(a, b), loss = ag_square(ag_add(product, a));
    ag_replay *r = ag_replay_new(loss);
    ag_replay_set(r, a, ag_scalar(1, AG_FLOAT64));
    ag_replay_set(r, b, ag_scalar(5, AG_FLOAT64));
    ck_assert(ag_is_none(ag_replay_value(r, 2, 0)));
    ck_assert_int_eq(ag_replay_finish(r), AG_OK);
    ck_assert_double_eq(number(ag_replay_value(r, 2, 0)), 36); /* (1*5 + 1)^2 */
    ag_replay_free(r);
    r = ag_replay_new(loss);
    ag_replay_set(r, product, ag_scalar(10, AG_FLOAT64));
    ag_replay_finish(r);
    ck_assert_double_eq(number(ag_replay_value(r, 2, 0)), 169);
    ag_replay_set(r, a, ag_scalar(1, AG_FLOAT32));
    assert_error(AG_ERROR_SHAPE, "ag_replay_set: float32 () in the place of float64 ()");
    ag_replay_value(r, 7, 0);
    assert_error(AG_ERROR_INDEX, "there are nodes 0 to 2");
    ag_replay_free(r);
    ag_backward(loss);
    r = ag_replay_new(loss);
    ag_replay_finish(r);
    assert_error(AG_ERROR_STATE, "was freed by a backward; ag_retain_tape() keeps it");
    ag_replay_free(r);
    ag_end(&scope);
    ag_drop(&a);
    ag_drop(&b);
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, each_stop_shows_what_arrives_and_what_flows_on);
    tcase_add_test(tests, stepping_gives_the_bits_of_backward);
    tcase_add_test(tests, it_runs_to_a_node_an_operation_a_tensor_or_another_line);
    tcase_add_test(tests, it_stops_before_the_first_gradient_that_is_not_finite);
    tcase_add_test(tests, a_backward_that_is_given_up_leaves_half_done_gradients);
    tcase_add_test(tests, hooks_run_and_checkpointed_blocks_send_their_gradients_on);
    tcase_add_test(tests, a_stop_is_printed);
    tcase_add_test(tests, forward_again_gives_the_same_bits);
    tcase_add_test(tests, other_numbers_can_be_put_in);
}

int main(void)
{
    return run_tests("inspect_step", add, 120);
}
