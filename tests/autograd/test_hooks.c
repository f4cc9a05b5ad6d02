/* Hooks on tensors and on operations: what they see, what they may change, how long they live. */
#include "common.h"

static ag_scope scope;

struct seen {
    int calls;
    double values[4];
    double factor; /* 0: the gradient goes on as it is */
    int order, *next;
};

static ag_tensor watch(ag_tensor grad, void *user)
{
    struct seen *s = user;
    s->calls++;
    if (s->next != NULL) {
        s->order = (*s->next)++;
    }
    ag_read_doubles(grad, s->values, ag_numel(grad));
    return s->factor == 0 ? AG_NONE : ag_mul_scalar(grad, s->factor);
}

START_TEST(a_leafs_hook_sees_the_whole_gradient_once)
{
    ag_tensor w = leaf64(AG_SHAPE(2), 3, 5);
    struct seen s = {0};
    ag_register_hook(w, watch, &s);
    ag_begin(&scope);
    ag_backward(ag_sum(ag_add(ag_square(w), ag_mul_scalar(w, 4)))); /* 2 w + 4 */
    ck_assert_int_eq(s.calls, 1);
    ck_assert(s.values[0] == 10 && s.values[1] == 14);
    assert_values(ag_grad_of(w), 10, 14);
    ag_begin(&scope);
    ag_backward(ag_sum(w)); /* the hook sees this backward's, the leaf adds up */
    ck_assert(s.calls == 2 && s.values[0] == 1);
    assert_values(ag_grad_of(w), 11, 15);
    ag_end(&scope);
    ag_drop(&w);
    assert_no_error();
}
END_TEST

START_TEST(hooks_replace_gradients_in_the_order_of_registration)
{
    ag_tensor w = leaf64(AG_SHAPE(2), 3, 5);
    int next = 0;
    struct seen first = {.factor = 10, .next = &next}, second = {.factor = 2, .next = &next}, leaf = {.factor = -1};
    ag_register_hook(w, watch, &leaf);
    ag_begin(&scope);
    ag_tensor h = ag_square(w), y = ag_mul_scalar(h, 7);
    ag_register_hook(h, watch, &first);
    ag_register_hook(h, watch, &second);
    ag_retain_grad(h);
    ag_backward(ag_sum(y));
    ck_assert(first.order == 0 && first.values[0] == 7);
    ck_assert(second.order == 1 && second.values[0] == 70);
    assert_values(ag_grad_of(h), 140, 140); /* what the hooks made of it */
    ck_assert(leaf.values[0] == 140 * 6 && leaf.values[1] == 140 * 10);
    assert_values(ag_grad_of(w), -840, -1400);
    ag_end(&scope);
    ag_drop(&w);
    assert_no_error();
}
END_TEST

START_TEST(ag_grad_returns_what_hooks_made)
{
    ag_tensor w = leaf64(AG_SHAPE(1), 3), g[2];
    struct seen on_leaf = {.factor = 2}, on_result = {.factor = 5};
    ag_register_hook(w, watch, &on_leaf);
    ag_begin(&scope);
    ag_tensor h = ag_square(w), y = ag_mul_scalar(h, 7), in[2] = {h, w};
    ag_register_hook(h, watch, &on_result);
    ag_backward_config config = ag_backward_defaults();
    config.retain_graph = true;
    ag_grad(y, 2, in, g, config);
    assert_values(g[0], 35);
    assert_values(g[1], 35 * 6 * 2);
    ag_grad(y, 1, in, g, config); /* its node is not visited now */
    assert_values(g[0], 35);
    ck_assert_int_eq(on_result.calls, 2);
    ck_assert(ag_is_none(ag_grad_of(w)));
    ag_end(&scope);
    ag_drop(&w);
    assert_no_error();
}
END_TEST

static ag_tensor squared(ag_tensor grad, void *user)
{
    (void)user;
    return ag_square(grad);
}

START_TEST(a_hook_is_part_of_the_graph_of_the_gradient)
{
    ag_tensor w = leaf64(AG_SHAPE(1), 3), g, gg;
    ag_begin(&scope);
    ag_tensor h = ag_mul_scalar(w, 1);
    ag_register_hook(h, squared, NULL);
    ag_backward_config config = ag_backward_defaults();
    config.create_graph = true;
    ag_grad(ag_pow_scalar(h, 3), 1, &w, &g, config); /* (3 w^2)^2 = 9 w^4 */
    assert_values(g, 9 * 81);
    ag_grad(g, 1, &w, &gg, ag_backward_defaults()); /* 36 w^3, and the hook squares what passes h */
    ck_assert_int_eq(ag_error_code(), AG_OK);
    ag_end(&scope);
    ag_drop(&w);
}
END_TEST

START_TEST(a_removed_hook_is_silent)
{
    ag_tensor w = leaf64(AG_SHAPE(1), 3);
    struct seen a = {0}, b = {0}, c = {0};
    ag_hook_id id = ag_register_hook(w, watch, &a);
    ag_register_hook(w, watch, &b);
    ag_begin(&scope);
    ag_tensor h = ag_square(w);
    ag_hook_id other = ag_register_hook(h, watch, &c);
    ag_add_scalar_(h, 1); /* the hook stays with the value before */
    ag_remove_hook(w, id);
    ag_remove_hook(h, other);
    ag_remove_hook(h, other);
    ag_remove_hook(AG_NONE, 0);
    ag_backward(h);
    ck_assert(a.calls == 0 && b.calls == 1 && c.calls == 0);
    ag_end(&scope);
    ag_drop(&w);
    assert_no_error();
}
END_TEST

START_TEST(a_hook_before_a_change_in_place_sees_the_gradient_before_it)
{
    ag_tensor w = leaf64(AG_SHAPE(1), 3);
    struct seen before = {0}, after = {0};
    ag_begin(&scope);
    ag_tensor h = ag_square(w);
    ag_register_hook(h, watch, &before);
    ag_mul_scalar_(h, 10);
    ag_register_hook(h, watch, &after);
    ag_backward(h);
    ck_assert(before.calls == 1 && before.values[0] == 10);
    ck_assert(after.calls == 1 && after.values[0] == 1);
    ag_end(&scope);
    ag_drop(&w);
    assert_no_error();
}
END_TEST

/* ---- operations -------------------------------------------------------------------------------------------------------------------- */

struct rule_seen {
    int calls, n, m;
    double in[2], out;
    bool none[2];
    bool replace;
};

static void watch_rule(int n, ag_tensor *grad_inputs, int m, const ag_tensor *grad_outputs, void *user)
{
    struct rule_seen *s = user;
    s->calls++;
    s->n = n;
    s->m = m;
    for (int i = 0; i < n && i < 2; i++) {
        s->none[i] = ag_is_none(grad_inputs[i]);
        s->in[i] = s->none[i] ? 0 : ag_item(grad_inputs[i]);
    }
    s->out = ag_item(grad_outputs[0]);
    if (s->replace) {
        grad_inputs[0] = ag_mul_scalar(grad_inputs[0], 100);
    }
}

START_TEST(a_node_hook_sees_and_replaces_what_the_rule_made)
{
    ag_tensor a = leaf64(AG_SHAPE(1), 3), b = leaf64(AG_SHAPE(1), 5), k = leaf64(AG_SHAPE(1), 2);
    ag_set_requires_grad(k, false);
    struct rule_seen product = {.replace = true}, half = {0};
    ag_begin(&scope);
    ag_tensor y = ag_mul(a, b), z = ag_mul(k, y);
    ag_register_node_hook(y, watch_rule, &product);
    ag_register_node_hook(z, watch_rule, &half);
    ag_backward(z);
    ck_assert(half.calls == 1 && half.none[0] && half.in[1] == 2 && half.out == 1);
    ck_assert(product.calls == 1 && product.n == 2 && product.m == 1 && product.in[0] == 10 && product.in[1] == 6 && product.out == 2);
    assert_values(ag_grad_of(a), 1000);
    assert_values(ag_grad_of(b), 6);
    ag_end(&scope);
    ag_drop(&a);
    ag_drop(&b);
    ag_drop(&k);
    assert_no_error();
}
END_TEST

START_TEST(a_node_hook_sees_products_and_slices_that_write_straight_into_buffers)
{
    ag_tensor w = leaf64(AG_SHAPE(2, 2), 1, 2, 3, 4), x = leaf64(AG_SHAPE(1, 2), 5, 6);
    struct rule_seen product = {0}, slice = {.replace = true};
    ag_begin(&scope);
    ag_tensor row = ag_slice(ag_slice(w, 0, 1, 2, 1), 1, 0, 1, 1); /* 3 */
    ag_register_node_hook(row, watch_rule, &slice);
    ag_tensor y = ag_matmul(ag_slice(x, 1, 0, 1, 1), row);
    ag_register_node_hook(y, watch_rule, &product);
    ag_backward(ag_sum(y));
    ck_assert(product.calls == 1 && product.in[0] == 3 && product.in[1] == 5);
    ck_assert_int_eq(ag_error_code(), AG_ERROR_SHAPE); /* ag_item of a gradient of two elements, in the hook */
    ag_error_clear();
    ag_end(&scope);
    ag_drop(&w);
    ag_drop(&x);
}
END_TEST

/* ---- refusals ---------------------------------------------------------------------------------------------------------------------- */

static ag_tensor wrong_shape(ag_tensor grad, void *user)
{
    (void)grad, (void)user;
    return ag_zeros(AG_SHAPE(3), AG_FLOAT64);
}

static ag_tensor in_place(ag_tensor grad, void *user)
{
    (void)user;
    ag_mul_scalar_(grad, 2);
    return AG_NONE;
}

START_TEST(misuse_is_refused)
{
    ag_tensor w = leaf64(AG_SHAPE(2), 3, 5), k = ag_leaf(AG_SHAPE(2), AG_FLOAT64, false);
    ag_begin(&scope);
    ck_assert_uint_eq(ag_register_hook(k, watch, NULL), 0);
    assert_error(AG_ERROR_GRAD, "ag_register_hook: the tensor does not require a gradient");
    ag_register_hook(w, NULL, NULL);
    assert_error(AG_ERROR_VALUE, "ag_register_hook: the function is NULL");
    ag_register_node_hook(w, watch_rule, NULL);
    assert_error(AG_ERROR_GRAD, "ag_register_node_hook: the tensor is a leaf");
    ag_tensor y = ag_square(w);
    ag_register_hook(y, wrong_shape, NULL);
    ag_backward(ag_sum(y));
    assert_error(AG_ERROR_SHAPE, "a hook returned float64 (3) for a gradient that is float64 (2)");
    ag_begin(&scope);
    y = ag_square(w);
    ag_register_hook(y, in_place, NULL);
    ag_backward(ag_sum(ag_square(y)));
    assert_error(AG_ERROR_GRAD, "a hook changed the gradient in place");
    ag_begin(&scope);
    y = ag_square(w);
    ag_backward(ag_sum(y));
    ag_register_hook(y, watch, NULL);
    assert_error(AG_ERROR_GRAD, "ag_register_hook: the graph of the tensor was freed");
    ag_end(&scope);
    ag_drop(&w);
    ag_drop(&k);
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, a_leafs_hook_sees_the_whole_gradient_once);
    tcase_add_test(tests, hooks_replace_gradients_in_the_order_of_registration);
    tcase_add_test(tests, ag_grad_returns_what_hooks_made);
    tcase_add_test(tests, a_hook_is_part_of_the_graph_of_the_gradient);
    tcase_add_test(tests, a_removed_hook_is_silent);
    tcase_add_test(tests, a_hook_before_a_change_in_place_sees_the_gradient_before_it);
    tcase_add_test(tests, a_node_hook_sees_and_replaces_what_the_rule_made);
    tcase_add_test(tests, a_node_hook_sees_products_and_slices_that_write_straight_into_buffers);
    tcase_add_test(tests, misuse_is_refused);
}

int main(void)
{
    return run_tests("hooks", add, 60);
}
