/* Explanations and checks on the spot, against derivatives by hand; and the table's numbers, filters and totals. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdio.h>

#include "common.h"

static ag_scope scope;
static char *text;
static size_t text_bytes;

static FILE *open_text(void)
{
    free(text);
    text = NULL;
    return open_memstream(&text, &text_bytes);
}

static void assert_has(const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "\"%s\" is not in\n%s", part, text);
}

static void assert_has_not(const char *part)
{
    ck_assert_msg(strstr(text, part) == NULL, "\"%s\" is in\n%s", part, text);
}

static ag_explanation explained(ag_tensor loss, ag_tensor x)
{
    FILE *stream = open_text();
    ag_explanation e = ag_explain(stream, loss, x, ag_explain_defaults());
    fclose(stream);
    return e;
}

/* loss = (a b + a)^2 with a = 3, b = -2: by a b 2*(-3)*(-2) = 12, by the sum 2*(-3) = -6, together 6. */
START_TEST(the_chain_rule_along_every_path)
{
    ag_tensor a = ag_set_name(leaf64(AG_SHAPE_SCALAR, 3), "a"), b = ag_set_name(leaf64(AG_SHAPE_SCALAR, -2), "b");
    ag_begin(&scope);
    ag_tensor loss = ag_square(ag_add(ag_mul(a, b), a));
    ag_explanation e = explained(loss, a);
    assert_no_error();
    ck_assert(e.reached);
    ck_assert_double_eq(e.norm, 6);
    ck_assert_double_eq(e.paths, 2);
    ck_assert_int_eq(e.followed, 2);
    ck_assert_int_eq(e.uses, 2);
    ck_assert_double_eq(e.residual, 0);
    ck_assert_int_eq((int)e.dies_at, -1);
    assert_has("d loss / d a: 2 paths");
    assert_has("dloss/d#1 * d#1/da\n    = -6 * 1\n    = -6\n");
    assert_has("dloss/d#1 * d#1/d#0 * d#0/da\n    = -6 * 1 * -2\n    = 12\n");
    assert_has("contributes 12, 200 % of the gradient");
    ck_assert(ag_is_none(ag_grad_of(a))); /* nothing was accumulated */
    ag_backward(loss);                    /* and nothing was freed */
    assert_no_error();
    ag_end(&scope);
    ag_drop(&a);
    ag_drop(&b);
}
END_TEST

START_TEST(many_paths_are_counted_and_some_followed)
{
    ag_tensor a = ag_set_name(leaf64(AG_SHAPE(2), 0.9, 1.1), "a");
    ag_begin(&scope);
    ag_tensor h = a;
    for (int i = 0; i < 40; i++) {
        h = ag_add(h, ag_mul_scalar(h, 0.1)); /* two ways each time */
    }
    ag_tensor loss = ag_sum(h);
    ag_explanation e = explained(loss, a);
    ck_assert_double_eq(e.paths, ldexp(1, 40));
    ck_assert_int_eq(e.followed, 8);
    ck_assert_int_eq(e.uses, 2);
    ck_assert_double_eq_tol(e.norm, sqrt(2) * pow(1.1, 40), 1e-10);
    ck_assert_double_gt(e.residual, 0.9);
    ck_assert_double_ge(e.followed_norm, sqrt(2)); /* the straight way contributes 1 */
    assert_has("8 of the paths were followed");
    ag_end(&scope);
    ag_drop(&a);
}
END_TEST

START_TEST(it_is_said_where_a_gradient_dies)
{
    ag_tensor x = ag_set_name(leaf32(AG_SHAPE(4), -1, -2, -3, -4), "x"), y = ag_set_name(leaf32(AG_SHAPE(4), -9, 9, 0, 1), "y");
    ag_begin(&scope);
    ag_explanation e = explained(ag_sum(ag_relu(x)), x);
    ck_assert(e.reached);
    ck_assert_double_eq(e.norm, 0);
    ck_assert_double_eq(e.dead, 1);
    ck_assert_int_eq((int)e.dies_at, 0);
    assert_has("the gradient ends at #0 relu");
    assert_has("local derivative 0 for 100 %");
    e = explained(ag_sum(ag_sigmoid(y)), y); /* s(1 - s) at ±9 is 1.2e-4 */
    ck_assert_double_eq(e.saturated, 0.5);
    ck_assert_double_eq(e.dead, 0);
    assert_has("below 0.01 for 50 %");
    ag_end(&scope);
    ag_drop(&x);
    ag_drop(&y);
}
END_TEST

START_TEST(it_is_said_why_there_is_no_gradient)
{
    ag_tensor w = ag_set_name(leaf32(AG_SHAPE(2), 1, 2), "w"), v = ag_set_name(leaf32(AG_SHAPE(2), 3, 4), "v");
    ag_tensor frozen = ag_set_name(frozen32(AG_SHAPE(2), 3, 4), "frozen"), unused = ag_set_name(leaf32(AG_SHAPE(2), 1), "unused");
    ag_scope inner = { 0 };
    char line[160];
    ag_begin(&scope);
    ag_tensor h = ag_exp(w);
    ag_tensor loss = ag_sum(ag_mul(ag_detach(h), v));
    snprintf(line, sizeof(line), "a way ends at #1 mul, input 0: it was detached or kept at test_inspect_explain.c:%d; it has the "
             "numbers of #0 exp", __LINE__ - 2);
    ag_explanation e = explained(loss, w);
    ck_assert(!e.reached);
    assert_has("w gets no gradient from this loss");
    assert_has(line);
    assert_has("#0 exp, test_inspect_explain.c:");
    assert_has("uses it, but the loss does not depend on that");
    explained(loss, frozen);
    assert_has("it does not require one: it is a constant, or a frozen leaf");
    explained(loss, unused);
    assert_has("no operation on the tape reads it");
    ag_begin_no_grad(&inner);
    snprintf(line, sizeof(line), "it was computed in the no_grad scope opened at test_inspect_explain.c:%d", __LINE__ - 1);
    ag_tensor kept = ag_exp(w);
    ag_tensor made = AG_NONE;
    ag_keep(&made, kept);
    ag_end(&inner);
    ag_begin_no_grad(&inner);
    ag_tensor fixed = ag_exp(w);
    ag_tensor stops = ag_exp(ag_sum(fixed));
    ag_explanation n = ag_explain(NULL, stops, w, ag_explain_defaults());
    ck_assert(!n.reached);
    ag_end(&inner);
    loss = ag_sum(ag_mul(made, v));
    explained(loss, w);
    assert_has("it was detached or kept at");
    (void)line;
    assert_no_error();
    ag_explain(NULL, v, w, ag_explain_defaults());
    assert_error(AG_ERROR_SHAPE, "ag_explain: the loss has shape (2)");
    ag_end(&scope);
    ag_drop(&w);
    ag_drop(&v);
    ag_drop(&frozen);
    ag_drop(&unused);
    ag_drop(&made);
}
END_TEST

/* A rule that is wrong in its third element. */
static bool wrong_shape(ag_call *call)
{
    return ag_call_output(call, 0, ag_call_input(call, 0)->dtype, ag_call_shape(call, 0));
}

static bool wrong_forward(ag_call *call)
{
    const ag_array *x = ag_call_input(call, 0), *y = ag_call_result(call, 0);
    for (int64_t i = 0; i < x->numel; i++) {
        if (x->dtype == AG_FLOAT32) {
            ((float *)y->data)[i] = 3 * ((const float *)x->data)[i];
        } else {
            ((double *)y->data)[i] = 3 * ((const double *)x->data)[i];
        }
    }
    return true;
}

static void wrong_backward(ag_sweep *s)
{
    const float factor[4] = { 3, 3, 4, 3 };
    ag_sweep_add(s, 0, ag_mul(ag_sweep_grad(s, 0), ag_from(AG_SHAPE(4), AG_FLOAT32, factor)));
}

static const struct ag_op op_wrong = { .size = sizeof(struct ag_op), .name = "wrong", .inputs = 1, .outputs = 1,
                                       .shape = wrong_shape, .forward = wrong_forward, .backward = wrong_backward };

START_TEST(a_gradient_is_checked_on_the_spot)
{
    ag_tensor w = leaf32(AG_SHAPE(3, 4), 0.3, -0.7, 1.1, 0.2, -0.4), x = leaf32(AG_SHAPE(4), 0.5, -0.25, 0.75, 1);
    ag_begin(&scope);
    ag_tensor h = ag_tanh(ag_matmul(w, ag_reshape(x, AG_SHAPE(4, 1)))), loss = ag_sum(ag_square(h));
    ag_check_report good = ag_check_gradient(loss, w, ag_check_defaults());
    assert_no_error();
    ck_assert(good.passed);
    ck_assert_int_eq((int)good.checked, 12);
    ck_assert_double_lt(good.worst, 1e-5);
    good = ag_check_gradient(loss, h, ag_check_defaults());
    ck_assert(good.passed);
    ck_assert_int_eq((int)good.checked, 3);
    good = ag_check_gradient(loss, loss, ag_check_defaults());
    ck_assert(good.passed);
    ag_check_config few = ag_check_defaults();
    few.elements = 5;
    ck_assert_int_eq((int)ag_check_gradient(loss, w, few).checked, 5);
    ck_assert(ag_is_none(ag_grad_of(w)));
    ag_tensor y;
    ag_apply(AG_HERE, &op_wrong, 1, &x, NULL, &y);
    ag_check_report bad = ag_check_gradient(ag_sum(y), x, ag_check_defaults());
    assert_no_error();
    ck_assert(!bad.passed);
    ck_assert_int_eq((int)bad.element, 2);
    ck_assert_double_eq(bad.analytic, 4);
    ck_assert_double_eq_tol(bad.numeric, 3, 1e-9);
    ck_assert_double_eq_tol(bad.worst, 1.0 / 3, 1e-9);
    ag_check_gradient(h, w, ag_check_defaults());
    assert_error(AG_ERROR_SHAPE, "ag_check_gradient: the loss must have one element");
    ag_end(&scope);
    ag_begin(&scope); /* a retained tape can be checked after its backward, and a stop on the way */
    ag_retain_tape(true);
    h = ag_tanh(ag_matmul(w, ag_reshape(x, AG_SHAPE(4, 1))));
    loss = ag_sum(ag_square(h));
    ag_stepper *s = ag_stepper_new(loss, ag_backward_defaults());
    ag_stepper_to(s, h);
    ck_assert(ag_check_gradient(loss, h, ag_check_defaults()).passed);
    ag_check_gradient(loss, w, ag_check_defaults());
    assert_error(AG_ERROR_STATE, "is not complete yet");
    ag_stepper_finish(s);
    ag_stepper_free(s);
    ck_assert(ag_check_gradient(loss, w, ag_check_defaults()).passed);
    ag_explanation e = ag_explain(NULL, loss, w, ag_explain_defaults());
    ck_assert_double_eq(e.paths, 1);
    ck_assert_double_eq(e.residual, 0);
    ag_backward(loss);
    assert_error(AG_ERROR_GRAD, "the graph was freed");
    ag_end(&scope);
    ag_drop(&w);
    ag_drop(&x);
}
END_TEST

static int lines_of(const char *t)
{
    int n = 0;
    for (; *t != '\0'; t++) {
        n += *t == '\n';
    }
    return n;
}

static void print_with(ag_print_config c)
{
    FILE *stream = open_text();
    ck_assert_int_eq(ag_tape_print_with(stream, c), AG_OK);
    fclose(stream);
}

START_TEST(the_table_is_filtered_and_has_numbers_and_totals)
{
    ag_tensor w = ag_set_name(leaf32(AG_SHAPE(2), 3, -4), "head.w"), b = ag_set_name(leaf32(AG_SHAPE(2), 1, 1), "b");
    ag_begin(&scope);
    ag_retain_tape(true);
    ag_label_push("body");
    ag_tensor h = ag_mul(w, w); /* 9, 16 */
    int line = __LINE__ - 1;
    ag_label_pop();
    ag_tensor other = ag_exp(b);
    ag_tensor loss = ag_sum(ag_mul(h, b));
    ag_backward(loss); /* dw = 2 w = 6, -8 */
    ag_print_config c = ag_print_defaults();
    print_with(c);
    ck_assert_int_eq(lines_of(text), 5);
    c.operation = "mul";
    print_with(c);
    ck_assert_int_eq(lines_of(text), 3);
    c = ag_print_defaults();
    c.name = "head";
    print_with(c);
    ck_assert_int_eq(lines_of(text), 2);
    c.name = "body";
    print_with(c);
    ck_assert_int_eq(lines_of(text), 2);
    c = ag_print_defaults();
    c.line = line;
    c.file = "test_inspect_explain.c";
    print_with(c);
    ck_assert_int_eq(lines_of(text), 2);
    c.file = "explain.c";
    print_with(c);
    ck_assert_int_eq(lines_of(text), 1);
    c = ag_print_defaults();
    c.loss = loss;
    print_with(c);
    ck_assert_int_eq(lines_of(text), 4);
    assert_has_not(" exp ");
    c.numbers = c.totals = true;
    print_with(c);
    assert_has("      18.36          9         16      1.414          1          1\n"); /* h, and its gradient */
    assert_has("head.w");
    assert_has("          5         -4          3         10         -8          6\n"); /* w, and its gradient */
    assert_has("mul                                 2           16           32"); /* two products, four inputs saved */
    assert_has("body                                1            8           16");
    assert_has("test_inspect_explain.c:");
    assert_has(" us");
    c.made_by_defaults = 0;
    ag_tape_print_with(stdout, c);
    assert_error(AG_ERROR_STATE, "ag_tape_print_with: the config does not come from ag_print_defaults()");
    c = ag_print_defaults();
    c.loss = other;
    print_with(c);
    ck_assert_int_eq(lines_of(text), 2);
    ag_end(&scope);
    c.loss = loss;
    ag_tape_print_with(stdout, c);
    assert_error(AG_ERROR_LIFETIME, "ag_tape_print_with: the tensor is gone: its scope ended");
    ag_drop(&w);
    ag_drop(&b);
}
END_TEST

START_TEST(numbers_that_are_released_or_no_numbers_are_said_so)
{
    ag_tensor w = ag_set_name(leaf32(AG_SHAPE(2), 0, 1), "w");
    ag_begin(&scope);
    ag_tensor h = ag_exp(w), bad = ag_div(w, w), loss = ag_sum(ag_add(ag_add(h, ag_neg(bad)), bad));
    ag_frame frame = ag_frame_begin();
    ag_neg(h); /* nobody holds it when the frame is over */
    ag_frame_end(frame, AG_NONE);
    ag_print_config c = ag_print_defaults();
    c.numbers = true;
    print_with(c);
    assert_has("released");
    assert_has("(1 NaN, 0 inf)");
    assert_has("no gradient yet");
    ag_backward(loss);
    print_with(c);
    assert_has("(freed by backward)");
    ag_end(&scope);
    ag_drop(&w);
}
END_TEST

static void finish(void)
{
    free(text);
    text = NULL;
}

static void add(TCase *tests)
{
    tcase_add_checked_fixture(tests, NULL, finish);
    tcase_add_test(tests, the_chain_rule_along_every_path);
    tcase_add_test(tests, many_paths_are_counted_and_some_followed);
    tcase_add_test(tests, it_is_said_where_a_gradient_dies);
    tcase_add_test(tests, it_is_said_why_there_is_no_gradient);
    tcase_add_test(tests, a_gradient_is_checked_on_the_spot);
    tcase_add_test(tests, the_table_is_filtered_and_has_numbers_and_totals);
    tcase_add_test(tests, numbers_that_are_released_or_no_numbers_are_said_so);
}

int main(void)
{
    return run_tests("inspect_explain", add, 60);
}
