/* Scopes, frames and labels, used well and badly: nothing leaks, nothing stale is read. */
#include "common.h"

static ag_scope scope;

static ag_tensor weights;

static void make_weights(void)
{
    weights = leaf32(AG_SHAPE(8, 8), 0);
}

/* One step's worth of recorded operations. */
static ag_tensor some_work(void)
{
    ag_tensor x = ag_ones(AG_SHAPE(4, 8), AG_FLOAT32);
    return ag_mean(ag_square(ag_tanh(ag_matmul(x, weights))));
}

/* A loop in which every step ends in another way. */
static int leave_steps_early(ag_scope *step, int leave_at)
{
    for (int i = 0; i < 10; i++) {
        ag_begin(step);
        ag_tensor loss = some_work();
        if (i % 3 == 0) {
            continue;
        }
        if (i == leave_at) {
            return i;
        }
        ag_backward(loss);
        if (i == leave_at + 1) {
            break;
        }
    }
    ag_end(step);
    return -1;
}

START_TEST(a_step_may_be_left_anywhere)
{
    make_weights();
    for (int round = 0; round < 30; round++) {
        leave_steps_early(&scope, round % 10);
        ag_end(&scope);
        ck_assert_int_eq(ag_scope_depth(), 0);
        ck_assert_int_eq(ag_tape_length(), 0);
        ck_assert_int_le(ag_memory().live_buffers, 2); /* the weights and their gradient */
    }
    assert_no_error();
    ag_drop(&weights);
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

static ag_tensor forgets_its_scope(void)
{
    ag_scope local = { 0 };
    ag_begin_no_grad(&local);
    return ag_ones(AG_SHAPE(100), AG_FLOAT32);
}

/* A function that returns from the middle of its scope: the next call ends what the last one left. */
START_TEST(a_scope_on_a_stack_that_is_gone_is_ended)
{
    ag_begin(&scope);
    int64_t before = ag_memory().live_buffers;
    ag_tensor t[20];
    for (int i = 0; i < 20; i++) {
        t[i] = forgets_its_scope();
        ck_assert_int_eq(ag_scope_depth(), 2);
        ck_assert_int_eq(ag_memory().live_buffers, before + 1);
        ck_assert(i == 0 || !ag_is_alive(t[i - 1]));
    }
    ag_end(&scope);
    ck_assert_int_eq(ag_scope_depth(), 0);
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

START_TEST(beginning_an_open_scope_ends_it)
{
    ag_begin(&scope);
    ag_tensor first = ag_ones(AG_SHAPE(1), AG_FLOAT32);
    ag_scope inner = { 0 };
    ag_begin(&inner);
    ag_tensor second = ag_ones(AG_SHAPE(1), AG_FLOAT32);
    ck_assert_int_eq(ag_scope_depth(), 2);
    ag_begin(&scope);
    ck_assert_int_eq(ag_scope_depth(), 1);
    ck_assert(!ag_is_alive(first) && !ag_is_alive(second));
    ag_end(&inner); /* closed with the outer one */
    ck_assert_int_eq(ag_scope_depth(), 1);
    ag_end(&scope);
    ag_end(&scope);
    ck_assert_int_eq(ag_scope_depth(), 0);
    assert_no_error();
}
END_TEST

START_TEST(an_outer_scope_closes_forgotten_inner_ones)
{
    ag_scope outer = { 0 }, middle = { 0 }, inner = { 0 };
    ag_begin(&outer);
    ag_tensor a = ag_ones(AG_SHAPE(1), AG_FLOAT32);
    ag_begin_no_grad(&middle);
    ag_tensor b = ag_ones(AG_SHAPE(1), AG_FLOAT32);
    ag_begin(&inner);
    ag_place where = ag_scope_where();
    int line = __LINE__ - 2;
    ck_assert_int_eq(where.line, line);
    ck_assert_ptr_nonnull(strstr(where.file, "test_tape.c"));
    ag_end(&middle);
    ck_assert_int_eq(ag_scope_depth(), 1);
    ck_assert(ag_is_alive(a) && !ag_is_alive(b));
    ag_begin(&inner);
    ag_end(&outer);
    ck_assert_int_eq(ag_scope_depth(), 0);
    ck_assert_ptr_null(ag_scope_where().file);
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

START_TEST(results_belong_to_the_innermost_scope)
{
    ag_scope outer = { 0 }, inner = { 0 };
    make_weights();
    ag_begin(&outer);
    ag_tensor x = some_work();
    int64_t nodes = ag_tape_length();
    ag_begin(&inner);
    ag_tensor y = ag_mul(x, x);
    ck_assert_int_eq(ag_tape_length(), nodes + 1);
    ag_end(&inner);
    ck_assert_int_eq(ag_tape_length(), nodes);
    ck_assert(ag_is_alive(x) && !ag_is_alive(y));
    ck_assert_int_eq(ag_backward(x), AG_OK);
    ag_end(&outer);
    ag_drop(&weights);
    assert_no_error();
}
END_TEST

START_TEST(recording_belongs_to_the_scope)
{
    ag_tensor w = leaf32(AG_SHAPE(2), 1, 2);
    ag_scope outer = { 0 }, inner = { 0 }, innermost = { 0 };
    ck_assert(!ag_grad_enabled());
    ag_begin(&outer);
    ck_assert(ag_grad_enabled());
    ck_assert(ag_requires_grad(ag_neg(w)));
    ag_begin_no_grad(&inner);
    ck_assert(!ag_grad_enabled());
    ck_assert(!ag_requires_grad(ag_neg(w)));
    ag_begin(&innermost);
    ck_assert(ag_grad_enabled());
    ag_tensor y = ag_sum(ag_square(w));
    ck_assert_int_eq(ag_backward(y), AG_OK);
    ag_end(&innermost);
    ck_assert(!ag_grad_enabled());
    ag_end(&inner);
    ck_assert(ag_grad_enabled());
    ck_assert_int_eq(ag_tape_length(), 1);
    ag_end(&outer);
    ck_assert(!ag_grad_enabled());
    assert_values(ag_grad_of(w), 2, 4);

    ag_begin_no_grad(&outer);
    ag_begin(&inner);
    ag_begin(&outer); /* begins anew as another kind */
    ck_assert(ag_grad_enabled());
    ag_end(&outer);
    ag_drop(&w);
    assert_no_error();
}
END_TEST

/* A backward may cross marks: the loss of an outer scope from within an inner one. */
START_TEST(backward_crosses_scopes)
{
    ag_tensor w = leaf32(AG_SHAPE(2), 3, 4);
    ag_scope outer = { 0 }, inner = { 0 };
    ag_begin(&outer);
    ag_tensor x = ag_square(w);
    for (int mode = 0; mode < 2; mode++) {
        if (mode == 0) {
            ag_begin_no_grad(&inner);
        } else {
            ag_begin(&inner);
        }
        ag_backward_config config = ag_backward_defaults();
        config.cotangent = ag_ones(AG_SHAPE(2), AG_FLOAT32);
        config.retain_graph = true;
        ck_assert_int_eq(ag_backward_with(x, config), AG_OK);
        ag_end(&inner);
    }
    ck_assert(ag_is_alive(x));
    ag_begin(&inner);
    ag_tensor loss = ag_sum(x);
    ck_assert_int_eq(ag_backward(loss), AG_OK);
    ag_end(&inner);
    assert_values(ag_grad_of(w), 18, 24);
    ag_end(&outer);
    ag_drop(&w);
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

/* ---- frames --------------------------------------------------------------------------------------------------------------- */

START_TEST(a_frame_lets_go_of_what_it_does_not_return)
{
    make_weights();
    ag_begin(&scope);
    ag_tensor before = ag_ones(AG_SHAPE(3), AG_FLOAT32);
    ag_frame frame = ag_frame_begin();
    ag_tensor a = ag_add(weights, weights), b = ag_exp(a), c = ag_sum(b);
    ck_assert_uint_eq(ag_frame_end(frame, c).id, c.id);
    ck_assert(ag_is_alive(before) && ag_is_alive(c) && ag_is_alive(weights));
    ck_assert(!ag_is_alive(a) && !ag_is_alive(b));
    ck_assert_int_eq(ag_memory().live_buffers, 4); /* the weights, `before`, c, and b, which exp saved; not a */
    ag_neg(b); /* saved or not, it cannot be read */
    assert_error(AG_ERROR_LIFETIME, "ag_neg: the tensor made at");
    ck_assert_int_eq(ag_backward(c), AG_OK);
    ag_end(&scope);
    ag_drop(&weights);
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

START_TEST(frames_nest_and_return_several)
{
    ag_begin_no_grad(&scope);
    ag_frame outer = ag_frame_begin();
    ag_tensor t[6], kept[2];
    for (int i = 0; i < 6; i++) {
        t[i] = ag_full(AG_SHAPE(1), i, AG_FLOAT32);
    }
    ag_frame inner = ag_frame_begin();
    ag_tensor x = ag_add(t[0], t[5]), y = ag_mul(x, x);
    kept[0] = y;
    kept[1] = t[2]; /* of the outer frame: returning it changes nothing */
    ag_frame_end_n(inner, 2, kept);
    ck_assert(ag_is_alive(y) && !ag_is_alive(x));
    kept[0] = t[3];
    kept[1] = y;
    ag_frame_end_n(outer, 2, kept);
    for (int i = 0; i < 6; i++) {
        ck_assert(ag_is_alive(t[i]) == (i == 3));
    }
    ck_assert_double_eq(ag_item(y), 25);
    ck_assert_int_eq(ag_memory().live_buffers, 2);
    ag_frame_end_n(inner, 0, NULL); /* twice, and after the outer one */
    ag_frame_end_n(inner, 0, NULL);
    ck_assert(ag_is_alive(t[3]));
    ag_end(&scope);
    ck_assert_int_eq(ag_memory().live_buffers, 0);
    assert_no_error();
}
END_TEST

/* Frames that do not match the scopes: they end nothing that is not theirs. */
START_TEST(crossed_frames_do_nothing)
{
    ag_scope inner = { 0 };
    ag_frame none = ag_frame_begin(); /* no scope is open */
    ag_begin(&scope);
    ag_frame frame = ag_frame_begin();
    ag_tensor a = ag_ones(AG_SHAPE(1), AG_FLOAT32);
    ag_begin(&inner);
    ag_tensor b = ag_ones(AG_SHAPE(1), AG_FLOAT32);
    ag_frame_end(none, b);
    ag_frame_end_n(frame, 0, NULL);
    ck_assert(ag_is_alive(a) && ag_is_alive(b));
    ag_end(&inner);
    ag_begin(&scope);
    ag_tensor c = ag_ones(AG_SHAPE(1), AG_FLOAT32);
    ag_frame_end_n(frame, 0, NULL); /* of the scope's last life */
    ck_assert(ag_is_alive(c));
    ag_frame late = ag_frame_begin();
    ag_release(c);
    ck_assert(ag_is_nil(ag_frame_end(late, AG_NIL)));
    ck_assert(ag_is_none(ag_frame_end(late, AG_NONE)));
    ag_end(&scope);
    assert_no_error();
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

/* Under no_grad, frames free headers, too: a long evaluation takes no more of them. */
START_TEST(frames_keep_long_loops_small)
{
    make_weights();
    ag_begin_no_grad(&scope);
    uint32_t highest = 0;
    for (int i = 0; i < 10000; i++) {
        ag_frame frame = ag_frame_begin();
        ag_tensor y = some_work();
        uint32_t slot = (uint32_t)y.id & 0x3fffff;
        highest = slot > highest ? slot : highest;
        ag_frame_end_n(frame, 0, NULL);
    }
    ck_assert_uint_lt(highest, 16);
    ck_assert_int_eq(ag_memory().live_buffers, 1);
    ag_end(&scope);
    ag_drop(&weights);
}
END_TEST

/* ---- labels, length --------------------------------------------------------------------------------------------------------- */

START_TEST(labels_are_in_messages_and_end_with_the_scope)
{
    ag_begin(&scope);
    ag_label_push("features");
    ag_label_push("0");
    ag_tensor t = ag_ones(AG_SHAPE(2, 3), AG_FLOAT32);
    ag_matmul(t, t);
    assert_error(AG_ERROR_SHAPE, ", in features.0 (");
    ag_label_pop();
    ag_matmul(t, t);
    assert_error(AG_ERROR_SHAPE, ", in features (");
    ag_scope inner = { 0 };
    ag_begin(&inner);
    ag_label_push("forgotten");
    ag_end(&inner);
    ag_matmul(t, t);
    assert_error(AG_ERROR_SHAPE, ", in features (");
    ag_end(&scope);
    ag_begin(&scope);
    t = ag_ones(AG_SHAPE(2, 3), AG_FLOAT32);
    ag_label_pop(); /* more often than pushed */
    ag_matmul(t, t);
    ck_assert_ptr_null(strstr(ag_error_message(), ", in "));
    ag_error_clear();
    ag_end(&scope);
}
END_TEST

START_TEST(only_what_can_be_differentiated_is_recorded)
{
    make_weights();
    ck_assert_int_eq(ag_tape_length(), 0);
    ag_begin(&scope);
    ag_tensor x = ag_ones(AG_SHAPE(8), AG_FLOAT32);
    ag_exp(x);
    ag_argmax(weights, 0, false);
    ag_gt(weights, weights);
    ck_assert_int_eq(ag_tape_length(), 0);
    ag_add(x, weights);
    ck_assert_int_eq(ag_tape_length(), 1);
    ag_set_requires_grad(weights, false);
    ag_add(x, weights);
    ck_assert_int_eq(ag_tape_length(), 1);
    ag_end(&scope);
    ag_drop(&weights);
}
END_TEST

/* A tape of many nodes, with nodes larger than the pieces of memory they lie in. */
START_TEST(long_tapes_and_wide_nodes)
{
    enum { WIDE = 3000, LONG = 50000 };
    ag_tensor w = leaf64(AG_SHAPE(1), 2), *parts = malloc(WIDE * sizeof(*parts));
    for (int round = 0; round < 3; round++) {
        ag_begin(&scope);
        ag_zero_grad(w);
        for (int i = 0; i < WIDE; i++) {
            parts[i] = ag_mul_scalar(w, i);
        }
        ck_assert_int_eq(ag_backward(ag_sum(ag_cat(WIDE, parts, 0))), AG_OK);
        assert_values(ag_grad_of(w), WIDE * (WIDE - 1) / 2);
        ag_tensor x = w;
        for (int i = 0; i < LONG; i++) {
            x = ag_add_scalar(x, 1);
        }
        ck_assert_double_eq(ag_item(x), 2 + LONG);
        ck_assert_int_eq(ag_backward(x), AG_OK); /* no recursion that could use up the stack */
        assert_values(ag_grad_of(w), WIDE * (WIDE - 1) / 2 + 1);
    }
    ag_end(&scope);
    ag_drop(&w);
    free(parts);
    assert_no_error();
    ck_assert_int_eq(ag_memory().live_buffers, 0);
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_test(tests, a_step_may_be_left_anywhere);
    tcase_add_test(tests, a_scope_on_a_stack_that_is_gone_is_ended);
    tcase_add_test(tests, beginning_an_open_scope_ends_it);
    tcase_add_test(tests, an_outer_scope_closes_forgotten_inner_ones);
    tcase_add_test(tests, results_belong_to_the_innermost_scope);
    tcase_add_test(tests, recording_belongs_to_the_scope);
    tcase_add_test(tests, backward_crosses_scopes);
    tcase_add_test(tests, a_frame_lets_go_of_what_it_does_not_return);
    tcase_add_test(tests, frames_nest_and_return_several);
    tcase_add_test(tests, crossed_frames_do_nothing);
    tcase_add_test(tests, frames_keep_long_loops_small);
    tcase_add_test(tests, labels_are_in_messages_and_end_with_the_scope);
    tcase_add_test(tests, only_what_can_be_differentiated_is_recorded);
    tcase_add_test(tests, long_tapes_and_wide_nodes);
}

int main(void)
{
    return run_tests("tape", add, 60);
}
