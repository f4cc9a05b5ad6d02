/* Backward and ag_grad: gradients worked out by hand, and every way of asking for one that cannot be had. */
#include <math.h>

#include "autograd/leaf.h"
#include "common.h"

static ag_scope scope;

/* "test_backward.c:LINE" is in the error's message. */
static void assert_names_line(int line)
{
    char text[64];
    snprintf(text, sizeof(text), "test_backward.c:%d", line);
    ck_assert_msg(strstr(ag_error_message(), text) != NULL, "\"%s\" is not in \"%s\"", text, ag_error_message());
}

/* ---- accumulation ----------------------------------------------------------------------------------------------------------- */

START_TEST(gradients_accumulate_until_zeroed)
{
    ag_tensor w = leaf64(AG_SHAPE(2), 3, -1);
    for (int i = 1; i <= 3; i++) {
        ag_begin(&scope);
        ck_assert_int_eq(ag_backward(ag_sum(ag_square(w))), AG_OK);
        assert_values(ag_grad_of(w), 6 * i, -2 * i);
    }
    ag_zero_grad(w);
    ck_assert(ag_is_none(ag_grad_of(w)));
    ag_begin(&scope);
    ag_backward(ag_sum(w)); /* the first contribution overwrites what is left in the buffer */
    assert_values(ag_grad_of(w), 1, 1);
    ag_end(&scope);
    ag_drop(&w);
    assert_no_error();
}
END_TEST

START_TEST(two_losses_add_up)
{
    ag_tensor a = leaf64(AG_SHAPE(1), 2), b = leaf64(AG_SHAPE(1), 5);
    ag_begin(&scope);
    ag_tensor first = ag_mul(a, b), second = ag_mul(ag_square(a), b);
    ck_assert_int_eq(ag_backward(first), AG_OK);
    ck_assert_int_eq(ag_backward(second), AG_OK);
    assert_values(ag_grad_of(a), 5 + 2 * 2 * 5);
    assert_values(ag_grad_of(b), 2 + 4);
    ag_end(&scope);
    ag_drop(&a);
    ag_drop(&b);
}
END_TEST

START_TEST(a_value_used_often_gets_the_sum)
{
    ag_tensor x = leaf64(AG_SHAPE(2), 2, 3);
    ag_begin(&scope);
    ag_tensor h = ag_mul_scalar(x, 2);
    ag_tensor y = ag_add(ag_add(ag_mul(h, h), h), ag_mul(h, x)); /* 4x^2 + 2x + 2x^2, derivative 12x + 2 */
    ck_assert_int_eq(ag_backward(ag_sum(y)), AG_OK);
    assert_values(ag_grad_of(x), 26, 38);
    /* One tensor as all operands. */
    ag_zero_grad(x);
    ag_backward(ag_matmul(x, x));
    assert_values(ag_grad_of(x), 4, 6);
    ag_end(&scope);
    ag_drop(&x);
}
END_TEST

/* What an operation makes of an expanded tensor has room for each element, so that gradients can be added into it. */
START_TEST(results_of_expanded_tensors_are_whole)
{
    ag_begin(&scope);
    ag_tensor x = ag_expand(ag_reshape(ag_arange(2, AG_FLOAT64), AG_SHAPE(2, 1)), AG_SHAPE(2, 3));
    ag_tensor results[] = { ag_neg(x), ag_mul_scalar(x, 2), ag_add(x, x), ag_clone(x), ag_contiguous(x), ag_zeros_like(x),
                            ag_cast(x, AG_FLOAT32), ag_where(ag_gt(x, x), x, x) };
    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
        ck_assert_int_eq(ag_stride(results[i], 0), 3);
        ck_assert_int_eq(ag_stride(results[i], 1), 1);
    }
    assert_values(results[0], 0, 0, 0, -1, -1, -1);
    ag_end(&scope);
}
END_TEST

/* A gradient that passes through unchanged is shared by both branches; adding to one must not change the other. */
START_TEST(shared_gradients_are_not_added_into)
{
    ag_tensor a = leaf64(AG_SHAPE(2), 1, 2), b = leaf64(AG_SHAPE(2), 3, 4);
    ag_begin(&scope);
    ag_tensor p = ag_mul_scalar(a, 1), q = ag_mul_scalar(b, 1);
    ag_tensor s = ag_add(p, q);                          /* dp and dq are one buffer … */
    ag_tensor loss = ag_sum(ag_add(s, ag_mul_scalar(p, 10))); /* … but dp gets ten more */
    ck_assert_int_eq(ag_backward(loss), AG_OK);
    assert_values(ag_grad_of(a), 11, 11);
    assert_values(ag_grad_of(b), 1, 1);
    ag_end(&scope);

    /* The same with the contributions in the other order, views in between, and the loss's own cotangent. */
    ag_zero_grad(a);
    ag_zero_grad(b);
    ag_begin(&scope);
    p = ag_mul_scalar(a, 1);
    q = ag_mul_scalar(b, 1);
    ag_tensor tens = ag_mul_scalar(p, 10);
    s = ag_add(tens, ag_add(ag_reshape(p, AG_SHAPE(2)), ag_reshape(q, AG_SHAPE(2))));
    ag_backward_config config = ag_backward_defaults();
    config.cotangent = ag_ones(AG_SHAPE(2), AG_FLOAT64);
    ck_assert_int_eq(ag_backward_with(s, config), AG_OK);
    assert_values(ag_grad_of(a), 11, 11);
    assert_values(ag_grad_of(b), 1, 1);
    assert_values(config.cotangent, 1, 1);
    ag_end(&scope);
    ag_drop(&a);
    ag_drop(&b);
}
END_TEST

START_TEST(broadcast_operands_get_sums)
{
    ag_tensor m = leaf64(AG_SHAPE(2, 3), 1, 2, 3, 4, 5, 6), row = leaf64(AG_SHAPE(3), 1, 1, 1),
              column = leaf64(AG_SHAPE(2, 1), 2, 3), scalar = leaf64(AG_SHAPE_SCALAR, 10);
    ag_begin(&scope);
    ag_tensor y = ag_mul(ag_mul(m, ag_add(row, column)), scalar);
    ck_assert_int_eq(ag_backward(ag_sum(y)), AG_OK);
    assert_values(ag_grad_of(m), 30, 30, 30, 40, 40, 40);
    assert_values(ag_grad_of(row), 50, 70, 90);
    assert_values(ag_grad_of(column), 60, 150);
    assert_values(ag_grad_of(scalar), 3 * 6 + 4 * 15);
    ag_end(&scope);
    ag_drop(&m);
    ag_drop(&row);
    ag_drop(&column);
    ag_drop(&scalar);
}
END_TEST

/* A gradient that is a constant must not be added into where the other is recorded: the sum has to be, too. */
START_TEST(constant_and_recorded_gradients_join)
{
    ag_tensor x = leaf64(AG_SHAPE(2), 2, 3), g, h;
    ag_begin(&scope);
    ag_tensor square = ag_square(x), y = ag_add(square, ag_mul_scalar(x, 5));
    ag_backward_config config = ag_backward_defaults();
    config.create_graph = true;
    config.cotangent = ag_ones(AG_SHAPE(2), AG_FLOAT64);
    ck_assert_int_eq(ag_grad(y, 1, &x, &g, config), AG_OK);
    assert_values(g, 9, 11);
    ck_assert_int_eq(ag_grad(g, 1, &x, &h, config), AG_OK);
    assert_values(h, 2, 2);
    ag_end(&scope);
    ag_drop(&x);
    assert_no_error();
}
END_TEST

/* Where a function is flat, the gradient is 0; it is not missing. */
START_TEST(flat_functions_give_zeros)
{
    ag_tensor x = leaf64(AG_SHAPE(2), 2, -3);
    ag_begin(&scope);
    ag_backward(ag_sum(ag_sign(x)));
    assert_values(ag_grad_of(x), 0, 0);
    ag_zero_grad(x);
    ag_backward(ag_sum(ag_pow_scalar(x, 0)));
    assert_values(ag_grad_of(x), 0, 0);
    ag_end(&scope);
    ag_drop(&x);
    assert_no_error();
}
END_TEST

/* ---- freezing ------------------------------------------------------------------------------------------------------------------ */

START_TEST(requires_grad_is_read_when_recording)
{
    ag_tensor a = leaf64(AG_SHAPE(1), 2), b = leaf64(AG_SHAPE(1), 5);
    ag_begin(&scope);
    ag_set_requires_grad(b, false);
    ag_tensor y = ag_mul(a, b);
    ag_set_requires_grad(b, true); /* too late for y */
    ck_assert_int_eq(ag_backward(y), AG_OK);
    assert_values(ag_grad_of(a), 5);
    ck_assert(ag_is_none(ag_grad_of(b)));
    ag_begin(&scope);
    y = ag_mul(a, b);
    ag_set_requires_grad(b, false);
    ck_assert_int_eq(ag_backward(y), AG_OK);
    assert_values(ag_grad_of(b), 2);
    ag_set_requires_grad(a, false);
    ag_mul(a, b);
    ck_assert_int_eq(ag_tape_length(), 1); /* nothing new to record */
    ag_end(&scope);
    ag_drop(&a);
    ag_drop(&b);
}
END_TEST

/* ---- what backward leaves behind ----------------------------------------------------------------------------------------------- */

START_TEST(values_stay_readable_and_the_graph_goes)
{
    ag_tensor w = ag_leaf(AG_SHAPE(100), AG_FLOAT64, true);
    ag_begin(&scope);
    ag_tensor y = ag_exp(w), loss = ag_sum(y);
    ag_release(y);
    int64_t held = ag_memory().live_buffers;
    int backward_line = __LINE__ + 1;
    ck_assert_int_eq(ag_backward(loss), AG_OK);
    ck_assert_int_eq(ag_memory().live_buffers, held); /* the saved y went, the gradient came */
    ck_assert_double_eq_tol(ag_item(loss), 99 + 1, 1e-12);
    int again_line = __LINE__ + 1;
    ck_assert_int_eq(ag_backward(loss), AG_ERROR_GRAD);
    assert_names_line(backward_line);
    assert_names_line(again_line);
    assert_error(AG_ERROR_GRAD, "ag_backward: the graph was freed: sum, recorded at");
    ag_end(&scope);
    ag_drop(&w);
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

START_TEST(retain_graph_allows_another)
{
    ag_tensor w = leaf64(AG_SHAPE(1), 3);
    ag_begin(&scope);
    ag_tensor loss = ag_mul(ag_square(w), w);
    ag_backward_config config = ag_backward_defaults();
    config.retain_graph = true;
    for (int i = 1; i <= 3; i++) {
        ck_assert_int_eq(ag_backward_with(loss, config), AG_OK);
        assert_values(ag_grad_of(w), 27 * i);
    }
    ck_assert_int_eq(ag_backward(loss), AG_OK);
    ck_assert_int_eq(ag_backward(loss), AG_ERROR_GRAD);
    assert_error(AG_ERROR_GRAD, "the graph was freed");
    ag_end(&scope);
    ag_drop(&w);
}
END_TEST

/* Only visited nodes are freed: a generator's graph survives the discriminator's backward, and a shared part does not. */
START_TEST(only_what_was_visited_is_freed)
{
    ag_tensor g = leaf64(AG_SHAPE(1), 2), d = leaf64(AG_SHAPE(1), 3);
    ag_begin(&scope);
    ag_tensor fake = ag_square(g), judged_detached = ag_mul(ag_detach(fake), d), judged = ag_mul(fake, d);
    ck_assert_int_eq(ag_backward(judged_detached), AG_OK);
    assert_values(ag_grad_of(d), 4);
    ck_assert(ag_is_none(ag_grad_of(g)));
    ck_assert_int_eq(ag_backward(judged), AG_OK);
    assert_values(ag_grad_of(g), 3 * 4);
    ag_tensor late = ag_mul(fake, d);
    ck_assert_int_eq(ag_backward(late), AG_ERROR_GRAD);
    assert_error(AG_ERROR_GRAD, "the graph was freed: square, recorded at");
    ag_end(&scope);
    ag_drop(&g);
    ag_drop(&d);
}
END_TEST

START_TEST(a_dropped_leaf_serves_the_graph)
{
    ag_tensor x = leaf64(AG_SHAPE(2), 2, 3), w = leaf64(AG_SHAPE(2), 5, 7);
    ag_begin(&scope);
    ag_tensor loss = ag_sum(ag_mul(ag_add(x, w), w)); /* w is saved, x is not */
    ag_drop(&x);
    ag_tensor dropped = w;
    ag_drop(&w);
    ck_assert(!ag_is_alive(dropped));
    ck_assert_int_eq(ag_backward(loss), AG_OK);
    ag_end(&scope);
    assert_no_error();
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

START_TEST(gradients_of_results_are_kept_when_asked)
{
    ag_tensor x = leaf64(AG_SHAPE(2), 1, 2);
    ag_begin(&scope);
    ag_tensor h = ag_square(x), unused = ag_square(x), loss = ag_sum(ag_mul_scalar(h, 3));
    ag_retain_grad(h);
    ag_retain_grad(unused);
    ag_retain_grad(loss);
    ag_retain_grad(x); /* leaves keep theirs anyway */
    ck_assert(ag_is_none(ag_grad_of(h)));
    ag_backward_config config = ag_backward_defaults();
    config.retain_graph = true;
    ck_assert_int_eq(ag_backward_with(loss, config), AG_OK);
    assert_values(ag_grad_of(h), 3, 3);
    assert_values(ag_grad_of(loss), 1);
    ck_assert(ag_is_none(ag_grad_of(unused)));
    ck_assert_int_eq(ag_backward(loss), AG_OK);
    assert_values(ag_grad_of(h), 6, 6); /* accumulates as a leaf's does */
    assert_values(ag_grad_of(x), 12, 24);
    ag_zero_grad(h);
    ck_assert(ag_is_none(ag_grad_of(h)));
    ag_end(&scope);
    ag_drop(&x);
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

START_TEST(a_leaf_is_its_own_loss)
{
    ag_tensor x = leaf64(AG_SHAPE_SCALAR, 4);
    ag_begin(&scope);
    ck_assert_int_eq(ag_backward(x), AG_OK);
    assert_values(ag_grad_of(x), 1);
    ag_end(&scope);
    ag_drop(&x);
}
END_TEST

/* ---- cotangents ------------------------------------------------------------------------------------------------------------------ */

START_TEST(a_cotangent_weighs_the_output)
{
    ag_tensor x = leaf64(AG_SHAPE(3), 1, 2, 3);
    ag_begin(&scope);
    ag_tensor y = ag_square(x);
    ck_assert_int_eq(ag_backward(y), AG_ERROR_SHAPE);
    assert_error(AG_ERROR_SHAPE, "ag_backward: the tensor has shape (3); without a cotangent it must have one element");
    ag_backward_config config = ag_backward_defaults();
    config.cotangent = ag_ones(AG_SHAPE(3), AG_FLOAT32);
    ck_assert_int_eq(ag_backward_with(y, config), AG_ERROR_SHAPE);
    assert_error(AG_ERROR_SHAPE, "ag_backward: the cotangent is float32 (3), the output float64 (3)");
    config.cotangent = ag_ones(AG_SHAPE(1), AG_FLOAT64);
    ag_backward_with(y, config);
    assert_error(AG_ERROR_SHAPE, "ag_backward: the cotangent is float64 (1), the output float64 (3)");
    config.cotangent = AG_NIL;
    ag_backward_with(y, config);
    assert_error(AG_ERROR_LIFETIME, "ag_backward: the tensor is nil");
    ck_assert(ag_is_none(ag_grad_of(x)));
    config.cotangent = ag_from(AG_SHAPE(3), AG_FLOAT64, (const double[]){ 1, 10, 100 });
    ck_assert_int_eq(ag_backward_with(y, config), AG_OK);
    assert_values(ag_grad_of(x), 2, 40, 600);
    ag_end(&scope);
    ag_drop(&x);
}
END_TEST

/* ---- a backward that reaches nothing says why -------------------------------------------------------------------------------------- */

START_TEST(a_backward_that_reaches_nothing_says_why)
{
    ag_tensor w = leaf64(AG_SHAPE(2), 1, 2), kept = AG_NONE;
    ag_scope inner = { 0 };
    ag_begin(&scope);

    ag_backward(ag_sum(ag_ones(AG_SHAPE(2), AG_FLOAT64)));
    assert_error(AG_ERROR_GRAD, "ag_backward: the tensor does not require a gradient: nothing it was computed from requires "
                                "a gradient (");
    ag_begin_no_grad(&inner);
    int line = __LINE__ - 1;
    ag_tensor y = ag_sum(ag_square(w));
    ag_backward(y);
    assert_names_line(line);
    assert_error(AG_ERROR_GRAD, "it was computed in the no_grad scope opened at ");
    ag_keep(&kept, y);
    ag_end(&inner);

    ag_tensor d = ag_detach(ag_square(w));
    line = __LINE__ - 1;
    ag_backward(ag_sum(ag_mul_scalar(ag_add_scalar(d, 1), 2)));
    assert_names_line(line);
    assert_error(AG_ERROR_GRAD, "it comes from a tensor that was detached or kept at ");
    ag_backward(ag_neg(kept));
    assert_error(AG_ERROR_GRAD, "it comes from a tensor that was detached or kept at ");

    ag_tensor which = ag_cast(ag_argmax(w, 0, false), AG_FLOAT64);
    line = __LINE__ - 1;
    ag_backward(which);
    assert_names_line(line);
    assert_error(AG_ERROR_GRAD, "it comes from an operation that is not differentiable at ");

    ag_set_requires_grad(w, false);
    ag_backward(ag_sum(w));
    assert_error(AG_ERROR_GRAD, "nothing it was computed from requires a gradient");
    ag_end(&scope);

    ag_set_requires_grad(w, true);
    ag_backward(w);
    assert_error(AG_ERROR_STATE, "ag_backward: no scope is open");
    ag_backward(AG_NONE);
    assert_error(AG_ERROR_LIFETIME, "ag_backward: a tensor is needed, got none");
    ag_backward(y);
    assert_error(AG_ERROR_LIFETIME, "ag_backward: the tensor is gone");
    ag_drop(&kept);
    ag_drop(&w);
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

/* ---- in-place changes ----------------------------------------------------------------------------------------------------------- */

START_TEST(a_change_after_saving_names_both_lines)
{
    ag_tensor x = leaf64(AG_SHAPE(2), 1, 2), w = leaf64(AG_SHAPE(2), 3, 4);
    ag_set_name(w, "w");
    const double ones[] = { 1, 1 };
    ag_begin(&scope);
    ag_tensor y = ag_mul(x, w);
    int saved_line = __LINE__ - 1;
    ag_write(w, ones, 2);
    int changed_line = __LINE__ - 1;
    ck_assert_int_eq(ag_backward(ag_sum(y)), AG_ERROR_GRAD);
    assert_names_line(saved_line);
    assert_names_line(changed_line);
    assert_error(AG_ERROR_GRAD, "backward of ag_mul: input 1, w was changed in place at ");
    ag_zero_grad(x);
    ag_zero_grad(w);

    /* What is not needed may change: the sum saved nothing. */
    ag_begin(&scope);
    y = ag_add(x, w);
    ag_write(w, ones, 2);
    ck_assert_int_eq(ag_backward(ag_sum(y)), AG_OK);
    assert_values(ag_grad_of(w), 1, 1);

    /* Through a detached alias, and of a saved result. */
    ag_begin(&scope);
    y = ag_exp(x);
    ag_tensor loss = ag_sum(y);
    ag_write(ag_detach(y), ones, 2);
    changed_line = __LINE__ - 1;
    ck_assert_int_eq(ag_backward(loss), AG_ERROR_GRAD);
    assert_names_line(changed_line);
    assert_error(AG_ERROR_GRAD, "backward of ag_exp: output 0 was changed in place at ");
    ag_zero_grad(x);
    ag_zero_grad(w);

    /* An optimizer's step between recording and backward. */
    ag_begin(&scope);
    y = ag_sum(ag_square(x));
    ag_caller_set(AG_HERE);
    ag_leaf_changed(x);
    ag_caller_set(ag_place_make(NULL, 0));
    ck_assert_int_eq(ag_backward(y), AG_ERROR_GRAD);
    assert_error(AG_ERROR_GRAD, "backward of ag_square: input 0 was changed in place at ");

    /* A gradient that is used as a number changes with the next backward. */
    ag_zero_grad(x);
    ag_begin(&scope);
    ag_backward(ag_sum(w));
    ag_tensor penalty = ag_sum(ag_mul(ag_grad_of(w), x));
    ag_backward(ag_sum(w));
    changed_line = __LINE__ - 1;
    ck_assert_int_eq(ag_backward(penalty), AG_ERROR_GRAD);
    assert_names_line(changed_line);
    assert_error(AG_ERROR_GRAD, "backward of ag_mul: input 0 was changed in place at ");
    ag_end(&scope);
    ag_drop(&x);
    ag_drop(&w);
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

/* ---- ag_grad ------------------------------------------------------------------------------------------------------------------------ */

START_TEST(grad_returns_and_accumulates_nothing)
{
    ag_tensor x = leaf64(AG_SHAPE(2), 1, 2), w = leaf64(AG_SHAPE(2), 3, 4), g[3];
    ag_begin(&scope);
    ag_tensor h = ag_mul(x, w), loss = ag_sum(ag_square(h));
    ag_retain_grad(h);
    ag_tensor inputs[] = { x, h, w };
    ag_backward_config config = ag_backward_defaults();
    config.retain_graph = true;
    ck_assert_int_eq(ag_grad(loss, 3, inputs, g, config), AG_OK);
    assert_values(g[0], 18, 64);
    assert_values(g[1], 6, 16);
    assert_values(g[2], 6, 32);
    ck_assert(!ag_requires_grad(g[0]));
    ck_assert(ag_is_none(ag_grad_of(x)) && ag_is_none(ag_grad_of(w)) && ag_is_none(ag_grad_of(h)));
    /* Backward afterwards is not disturbed by it. */
    ck_assert_int_eq(ag_backward(loss), AG_OK);
    assert_values(ag_grad_of(x), 18, 64);
    assert_values(ag_grad_of(h), 6, 16);
    assert_values(g[0], 18, 64);
    ag_end(&scope);
    ag_drop(&x);
    ag_drop(&w);
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

START_TEST(grad_of_the_same_input_twice_and_of_the_output)
{
    ag_tensor x = leaf64(AG_SHAPE(1), 3), g[4];
    ag_begin(&scope);
    ag_tensor y = ag_square(x);
    ag_tensor inputs[] = { x, y, x, y };
    ck_assert_int_eq(ag_grad(y, 4, inputs, g, ag_backward_defaults()), AG_OK);
    for (int i = 0; i < 4; i++) {
        assert_values(g[i], i % 2 == 0 ? 6 : 1);
    }
    /* The leaf itself as output and input. */
    ck_assert_int_eq(ag_grad(x, 1, &x, g, ag_backward_defaults()), AG_OK);
    assert_values(g[0], 1);
    ag_tensor c = ag_full(AG_SHAPE(1), 7, AG_FLOAT64);
    ag_backward_config config = ag_backward_defaults();
    config.cotangent = c;
    ck_assert_int_eq(ag_grad(x, 1, &x, g, config), AG_OK);
    assert_values(g[0], 7);
    ag_tensor kept = frozen64(AG_SHAPE(1), 8);
    config.cotangent = kept;
    ck_assert_int_eq(ag_grad(x, 1, &x, g, config), AG_OK);
    assert_values(g[0], 8);
    ag_end(&scope);
    assert_values(kept, 8);
    ck_assert_int_eq(ag_grad(x, 0, NULL, NULL, ag_backward_defaults()), AG_ERROR_STATE);
    assert_error(AG_ERROR_STATE, "ag_grad: no scope is open");
    ag_drop(&kept);
    ag_drop(&x);
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

START_TEST(unused_inputs_are_errors_unless_allowed)
{
    ag_tensor x = leaf64(AG_SHAPE(1), 3), other = leaf64(AG_SHAPE(1), 4), g[2];
    ag_set_name(other, "other");
    ag_begin(&scope);
    ag_tensor y = ag_square(x);
    ag_tensor inputs[] = { x, other };
    ag_backward_config config = ag_backward_defaults();
    config.retain_graph = true;
    ck_assert_int_eq(ag_grad(y, 2, inputs, g, config), AG_ERROR_GRAD);
    assert_error(AG_ERROR_GRAD, "ag_grad: input 1, other was not used to compute the output; allow_unused permits that");
    ck_assert(ag_is_nil(g[0]) && ag_is_nil(g[1]));
    config.allow_unused = true;
    ck_assert_int_eq(ag_grad(y, 2, inputs, g, config), AG_OK);
    assert_values(g[0], 6);
    ck_assert(ag_is_none(g[1]));
    ag_set_requires_grad(other, false);
    ck_assert_int_eq(ag_grad(y, 2, inputs, g, config), AG_ERROR_GRAD);
    assert_error(AG_ERROR_GRAD, "ag_grad: the tensor does not require a gradient");
    ck_assert(ag_is_nil(g[0]) && ag_is_nil(g[1]));
    inputs[1] = AG_NONE;
    ag_grad(y, 2, inputs, g, config);
    assert_error(AG_ERROR_LIFETIME, "ag_grad: a tensor is needed, got none");
    ag_end(&scope);
    ag_drop(&x);
    ag_drop(&other);
}
END_TEST

/* Where a backward has freed the way to an input, "not used" would be wrong. */
START_TEST(grad_through_a_freed_part_says_so)
{
    ag_tensor a = leaf64(AG_SHAPE(1), 2), b = leaf64(AG_SHAPE(1), 3), g[2];
    ag_begin(&scope);
    ag_tensor trunk = ag_square(a), first = ag_sum(trunk), second = ag_mul(trunk, b);
    int line = __LINE__ + 1;
    ck_assert_int_eq(ag_backward(first), AG_OK);
    int64_t buffers = ag_memory().live_buffers;
    ag_tensor inputs[] = { b, a };
    ag_backward_config config = ag_backward_defaults();
    config.retain_graph = true;
    for (int i = 0; i < 2; i++) {
        config.allow_unused = i == 1;
        ck_assert_int_eq(ag_grad(second, 2, inputs, g, config), AG_ERROR_GRAD);
        assert_names_line(line);
        assert_error(AG_ERROR_GRAD, "ag_grad: the graph was freed: square, recorded at ");
    }
    ck_assert_int_eq(ag_grad(first, 1, &a, g, config), AG_ERROR_GRAD);
    assert_error(AG_ERROR_GRAD, "ag_grad: the graph was freed: sum, recorded at ");
    ck_assert_int_eq(ag_memory().live_buffers, buffers);
    /* The way to b is whole. */
    ck_assert_int_eq(ag_grad(second, 1, &b, g, ag_backward_defaults()), AG_OK);
    assert_values(g[0], 4);
    ag_end(&scope);
    ag_drop(&a);
    ag_drop(&b);
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

START_TEST(gradients_of_gradients)
{
    ag_tensor x = leaf64(AG_SHAPE(1), 2), g = AG_NONE;
    ag_begin(&scope);
    ag_tensor y = ag_pow_scalar(x, 5);
    ag_backward_config config = ag_backward_defaults();
    config.create_graph = true;
    const double expected[] = { 5 * 16, 20 * 8, 60 * 4, 120 * 2, 120 };
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(ag_grad(y, 1, &x, &g, config), AG_OK);
        ck_assert(ag_requires_grad(g));
        ck_assert_double_eq_tol(ag_item(g), expected[i], 1e-12 * expected[i]);
        y = g;
    }
    /* A gradient penalty: d/dx (x^3 + (d x^3/dx)^2) = 3 x^2 + 36 x^3 */
    ag_tensor cube = ag_mul(ag_square(x), x);
    ck_assert_int_eq(ag_grad(cube, 1, &x, &g, config), AG_OK);
    ck_assert_int_eq(ag_backward(ag_add(cube, ag_square(g))), AG_OK);
    ck_assert_double_eq_tol(ag_item(ag_grad_of(x)), 12 + 36 * 8, 1e-10);
    /* In a scope without recording, asked for explicitly. */
    ag_scope inner = { 0 };
    ag_begin(&scope);
    cube = ag_mul(ag_square(x), x);
    ag_begin_no_grad(&inner);
    ck_assert_int_eq(ag_grad(cube, 1, &x, &g, config), AG_OK);
    ck_assert(!ag_grad_enabled());
    ag_end(&inner);
    ag_end(&scope);
    ag_drop(&x);
    ck_assert_int_eq(ag_memory().live_buffers, 0);
    assert_no_error();
}
END_TEST

START_TEST(configs_come_from_their_defaults)
{
    ag_tensor x = leaf64(AG_SHAPE(1), 2), g;
    ag_begin(&scope);
    ag_backward_config made_up = { 0 };
    ag_tensor y = ag_square(x);
    ag_backward_with(y, made_up);
    assert_error(AG_ERROR_STATE, "ag_backward: the config does not come from ag_backward_defaults()");
    ag_grad(y, 1, &x, &g, made_up);
    assert_error(AG_ERROR_STATE, "ag_grad: the config does not come from ag_backward_defaults()");
    ag_backward_config config = ag_backward_defaults();
    config.create_graph = true;
    ag_backward_with(y, config);
    assert_error(AG_ERROR_STATE, "ag_backward: create_graph is for ag_grad(), which returns the gradients");
    ag_end(&scope);
    ag_drop(&x);
}
END_TEST

/* ---- shapes of graphs ------------------------------------------------------------------------------------------------------------------ */

/* Truncated backpropagation through time: the state crosses steps without its history. */
START_TEST(states_cross_steps_by_keep)
{
    ag_tensor w = leaf64(AG_SHAPE(1), 0.5), state = frozen64(AG_SHAPE(1), 1);
    double s = 1;
    for (int step = 0; step < 20; step++) {
        ag_begin(&scope);
        ag_tensor next = ag_add_scalar(ag_mul(state, w), 1);
        ag_zero_grad(w);
        ck_assert_int_eq(ag_backward(next), AG_OK);
        ck_assert_double_eq(ag_item(ag_grad_of(w)), s);
        s = s * 0.5 + 1;
        ag_keep(&state, next);
        ck_assert_double_eq(ag_item(state), s);
    }
    ag_end(&scope);
    ag_drop(&state);
    ag_drop(&w);
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

/* select over T steps: the gradient of each is added where it belongs. */
START_TEST(parts_add_up_to_the_whole)
{
    enum { T = 200, N = 3 };
    ag_tensor x = ag_leaf(AG_SHAPE(T, N), AG_FLOAT64, true);
    ag_begin(&scope);
    ag_tensor h = ag_mul_scalar(x, 1), total = ag_scalar(0, AG_FLOAT64);
    for (int t = 0; t < T; t++) {
        total = ag_add(total, ag_mul_scalar(ag_sum(ag_select(h, 0, t)), t));
    }
    ck_assert_int_eq(ag_backward(ag_add(total, ag_sum(h))), AG_OK);
    const double *g = ag_data(ag_grad_of(x));
    for (int i = 0; i < T * N; i++) {
        ck_assert_double_eq(g[i], i / N + 1);
    }
    ag_end(&scope);
    ag_drop(&x);
}
END_TEST

/* Whatever the layout of a leaf, its gradient has its shape. */
START_TEST(a_strided_leaf_has_a_gradient_of_its_shape)
{
    ag_begin(&scope);
    ag_tensor base = ag_reshape(ag_arange(6, AG_FLOAT64), AG_SHAPE(2, 3));
    ag_tensor x = ag_set_requires_grad(ag_detach(ag_transpose(base, 0, 1)), true);
    ag_tensor w = ag_from(AG_SHAPE(3, 2), AG_FLOAT64, (const double[]){ 1, 2, 3, 4, 5, 6 });
    ck_assert_int_eq(ag_backward(ag_sum(ag_mul(x, w))), AG_OK);
    assert_values(ag_grad_of(x), 1, 2, 3, 4, 5, 6);
    ag_zero_grad(x);
    ck_assert_int_eq(ag_backward(ag_sum(ag_matmul(ag_transpose(w, 0, 1), x))), AG_OK);
    assert_values(ag_grad_of(x), 3, 3, 7, 7, 11, 11);
    ag_end(&scope);
    assert_no_error();
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

/* A step's derivative is 0, which is a gradient: not the absence of one. */
START_TEST(a_zero_derivative_is_zeros)
{
    ag_tensor x = leaf64(AG_SHAPE(2), 0.5, -1.5), g;
    ag_begin(&scope);
    ag_tensor steps[] = {ag_floor(x), ag_round(x), ag_sign(x), ag_fill_(ag_mul_scalar(x, 1), 3), ag_pow_scalar(x, 0)};
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(ag_grad(ag_sum(steps[i]), 1, &x, &g, ag_backward_defaults()), AG_OK);
        assert_values(g, 0, 0);
    }
    ag_tensor row = ag_mul_scalar(x, 1);
    ag_copy_(row, ag_ones(AG_SHAPE(2), AG_FLOAT64));
    ck_assert_int_eq(ag_grad(ag_sum(row), 1, &x, &g, ag_backward_defaults()), AG_OK);
    assert_values(g, 0, 0);
    ag_end(&scope);
    ag_drop(&x);
    assert_no_error();
}
END_TEST

static ag_tensor twice(ag_tensor g, void *user)
{
    ag_keep((ag_tensor *)user, g);
    return ag_mul_scalar(g, 2);
}

/* The slope of relu does not move with its input: second derivatives are zeros, all the way down, as PyTorch's are. */
START_TEST(zeros_go_through_the_graph)
{
    ag_tensor w = leaf64(AG_SHAPE(2), 0.5, -1.5), b = leaf64(AG_SHAPE(2), 1, 2), x = leaf64(AG_SHAPE(2), 3, 4), g[2], seen = AG_NONE;
    ag_begin(&scope);
    ag_tensor h = ag_tanh(ag_add(ag_mul(w, x), b));
    ag_tensor y = ag_leaky_relu(ag_relu(h), 0.1);
    ag_backward_config config = ag_backward_defaults();
    config.create_graph = true;
    ck_assert_int_eq(ag_grad(ag_sum(y), 1, &h, g, config), AG_OK);
    assert_values(g[0], 1, 0);
    ck_assert(ag_requires_grad(g[0]));
    ag_tensor slope = ag_sum(g[0]), both[] = {b, h};
    config.create_graph = false;
    config.retain_graph = true;
    ck_assert_int_eq(ag_grad(slope, 2, both, g, config), AG_OK);
    assert_values(g[0], 0, 0);
    assert_values(g[1], 0, 0);
    ag_register_hook(h, twice, &seen);
    ag_backward_with(slope, config);
    assert_values(ag_grad_of(w), 0, 0);
    assert_values(ag_grad_of(b), 0, 0);
    assert_values(seen, 0, 0);
    /* Zeros and a gradient make the gradient. */
    ag_zero_grad(b);
    ag_backward(ag_add(slope, ag_sum(ag_mul_scalar(b, 3))));
    assert_values(ag_grad_of(b), 3, 3);
    assert_no_error();
    ag_end(&scope);
    ag_drop(&seen);
    ag_drop(&w);
    ag_drop(&b);
    ag_drop(&x);
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, zeros_go_through_the_graph);
    tcase_add_test(tests, gradients_accumulate_until_zeroed);
    tcase_add_test(tests, two_losses_add_up);
    tcase_add_test(tests, a_value_used_often_gets_the_sum);
    tcase_add_test(tests, results_of_expanded_tensors_are_whole);
    tcase_add_test(tests, shared_gradients_are_not_added_into);
    tcase_add_test(tests, broadcast_operands_get_sums);
    tcase_add_test(tests, constant_and_recorded_gradients_join);
    tcase_add_test(tests, flat_functions_give_zeros);
    tcase_add_test(tests, requires_grad_is_read_when_recording);
    tcase_add_test(tests, values_stay_readable_and_the_graph_goes);
    tcase_add_test(tests, retain_graph_allows_another);
    tcase_add_test(tests, only_what_was_visited_is_freed);
    tcase_add_test(tests, a_dropped_leaf_serves_the_graph);
    tcase_add_test(tests, gradients_of_results_are_kept_when_asked);
    tcase_add_test(tests, a_leaf_is_its_own_loss);
    tcase_add_test(tests, a_cotangent_weighs_the_output);
    tcase_add_test(tests, a_backward_that_reaches_nothing_says_why);
    tcase_add_test(tests, a_change_after_saving_names_both_lines);
    tcase_add_test(tests, grad_returns_and_accumulates_nothing);
    tcase_add_test(tests, grad_of_the_same_input_twice_and_of_the_output);
    tcase_add_test(tests, unused_inputs_are_errors_unless_allowed);
    tcase_add_test(tests, grad_through_a_freed_part_says_so);
    tcase_add_test(tests, gradients_of_gradients);
    tcase_add_test(tests, configs_come_from_their_defaults);
    tcase_add_test(tests, states_cross_steps_by_keep);
    tcase_add_test(tests, parts_add_up_to_the_whole);
    tcase_add_test(tests, a_zero_derivative_is_zeros);
    tcase_add_test(tests, a_strided_leaf_has_a_gradient_of_its_shape);
}

int main(void)
{
    return run_tests("backward", add, 60);
}
