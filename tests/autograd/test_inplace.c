/* Operations in place: PyTorch's gradients for views and bases, and what is refused. */
#include <math.h>

#include "common.h"

static ag_scope scope;

static void assert_says(const char *text)
{
    ck_assert_msg(strstr(ag_error_message(), text) != NULL, "\"%s\" is not in \"%s\"", text, ag_error_message());
    ag_error_clear();
}

/* ---- the same programs as in make_inplace.py ---------------------------------------------------------------------------------- */

struct inputs {
    ag_tensor a, c, d, w;
};

static ag_tensor rows(ag_tensor x, int64_t start, int64_t stop)
{
    return ag_slice(x, 0, start, stop, 1);
}

static ag_tensor weighted(ag_tensor x, ag_tensor w)
{
    return ag_sum(ag_mul(x, w));
}

static ag_tensor add_to_a_slice(const struct inputs *in)
{
    ag_tensor b = ag_mul_scalar(in->a, 2);
    ag_add_(rows(b, 1, 3), in->c);
    return weighted(b, in->w);
}

static ag_tensor base_changes_under_a_view(const struct inputs *in)
{
    ag_tensor b = ag_mul_scalar(in->a, 2), v = ag_select(b, 0, 0);
    ag_mul_(b, in->c);
    return ag_add(weighted(v, ag_select(in->w, 0, 0)), weighted(v, v));
}

static ag_tensor view_of_a_view(const struct inputs *in)
{
    ag_tensor b = ag_mul_scalar(in->a, 2);
    ag_tensor u = ag_select(ag_transpose(ag_reshape(b, AG_SHAPE(4, 3)), 0, 1), 0, 1);
    ag_mul_(u, in->c);
    return ag_add(weighted(ag_square(b), in->w), weighted(u, in->c));
}

static ag_tensor rows_of_a_constant(const struct inputs *in)
{
    ag_tensor out = ag_zeros(AG_SHAPE(3, 4), AG_FLOAT64), h = in->c;
    for (int t = 0; t < 3; t++) {
        h = ag_tanh(ag_add(ag_mul(h, ag_select(in->d, 0, t)), ag_select(in->a, 0, t)));
        ag_copy_(ag_select(out, 0, t), h);
    }
    return ag_add(weighted(out, in->w), weighted(ag_select(out, 0, 1), ag_select(out, 0, 2)));
}

static ag_tensor product_needs_what_was(const struct inputs *in)
{
    ag_tensor b = ag_mul_scalar(in->a, 3);
    ag_mul_(b, in->c);
    ag_div_(b, in->d);
    ag_sub_(b, in->c);
    return weighted(ag_square(b), in->w);
}

static ag_tensor functions(const struct inputs *in)
{
    ag_tensor b = ag_sigmoid_(ag_mul_scalar(in->a, 1.5));
    b = ag_exp_(ag_mul_scalar(ag_sqrt_(ag_mul_scalar(b, 1)), 1));
    ag_tensor e = ag_tanh_(ag_mul_scalar(in->a, 0.7)), f = ag_relu_(ag_mul_scalar(in->a, 2));
    ag_tensor g = ag_clamp_(ag_mul_scalar(in->a, 2), -0.5, 0.9), h = ag_neg_(ag_square_(ag_mul_scalar(in->a, 2)));
    return weighted(ag_add(ag_sub(ag_add(ag_mul(b, e), f), g), h), in->w);
}

static ag_tensor expanded_view_of_what_changes(const struct inputs *in)
{
    ag_tensor b = ag_mul_scalar(in->d, 2), e = ag_expand(b, AG_SHAPE(3, 4));
    ag_add_(b, ag_sum_dims(in->a, AG_DIMS(1), true));
    return weighted(ag_mul(e, e), in->w);
}

static ag_tensor overlapping_views(const struct inputs *in)
{
    ag_tensor b = ag_mul_scalar(in->a, 1), v = rows(b, 0, 2), u = rows(b, 1, 3);
    ag_mul_(v, rows(in->d, 0, 2));
    ag_mul_(u, in->c);
    ag_add_scalar_(v, 1);
    return ag_add(ag_add(weighted(v, rows(in->w, 0, 2)), weighted(u, u)), weighted(b, in->w));
}

static ag_tensor fill_and_zero(const struct inputs *in)
{
    ag_tensor b = ag_mul(in->a, in->c);
    ag_fill_(ag_select(b, 0, 0), 2.5);
    ag_zero_(ag_slice(rows(b, 1, 3), 1, 1, 3, 1));
    ag_copy_(ag_select(b, 0, 2), ag_select(in->d, 0, 0));
    return weighted(ag_mul(b, b), in->w);
}

static ag_tensor with_itself(const struct inputs *in)
{
    ag_tensor b = ag_mul_scalar(in->a, 2);
    ag_add_(b, b);
    ag_sub_(b, in->c);
    return weighted(ag_mul(b, in->w), in->a);
}

static ag_tensor strided_view_twice(const struct inputs *in)
{
    ag_tensor b = ag_mul_scalar(in->a, 2), s = ag_slice(ag_reshape(b, AG_SHAPE(-1)), 0, 0, 12, 3);
    ag_add_(s, in->c);
    ag_mul_(s, in->c);
    return ag_add(weighted(ag_pow_scalar(b, 3), in->w), ag_sum(s));
}

static ag_tensor transposed_base(const struct inputs *in)
{
    ag_tensor b = ag_contiguous(ag_transpose(ag_mul_scalar(in->a, 2), 0, 1)), v = ag_transpose(b, 0, 1);
    ag_mul_(v, in->d);
    ag_add_(ag_select(b, 0, 1), ag_reshape(in->d, AG_SHAPE(3)));
    return ag_add(weighted(ag_square(b), ag_transpose(in->w, 0, 1)), weighted(v, in->w));
}

static ag_tensor second_order(const struct inputs *in)
{
    ag_tensor b = ag_mul(in->a, in->a), g;
    ag_mul_(rows(b, 0, 2), in->c);
    ag_tanh_(b);
    ag_backward_config config = ag_backward_defaults();
    config.create_graph = true;
    ag_grad(weighted(b, in->w), 1, &in->a, &g, config);
    return weighted(ag_mul(g, g), in->w);
}

static ag_tensor view_used_before_and_after(const struct inputs *in)
{
    ag_tensor b = ag_mul_scalar(in->a, 2), v = ag_select(b, 0, 1), x = ag_mul_scalar(v, 3);
    ag_add_(v, in->c);
    ag_tensor y = ag_mul_scalar(v, 5);
    return ag_add(ag_add(weighted(x, ag_select(in->w, 0, 0)), weighted(y, ag_select(in->w, 0, 1))), weighted(b, in->w));
}

static ag_tensor detached_alias(const struct inputs *in)
{
    ag_tensor b = ag_mul_scalar(in->a, 2), e = ag_detach(b);
    ag_add_scalar_(e, 1);
    ag_tensor f = ag_mul(e, in->c);
    return ag_add(weighted(b, in->w), weighted(f, in->w));
}

static ag_tensor no_grad_in_place(const struct inputs *in)
{
    ag_tensor b = ag_mul_scalar(in->a, 2);
    ag_scope quiet = {0};
    ag_begin_no_grad(&quiet);
    ag_mul_scalar_(b, 3);
    ag_end(&quiet);
    return weighted(ag_mul(b, b), in->w);
}

#define SCENARIO(name) {#name, name}
static const struct {
    const char *name;
    ag_tensor (*run)(const struct inputs *in);
} scenarios[] = {
    SCENARIO(add_to_a_slice), SCENARIO(base_changes_under_a_view), SCENARIO(view_of_a_view), SCENARIO(rows_of_a_constant),
    SCENARIO(product_needs_what_was), SCENARIO(functions), SCENARIO(expanded_view_of_what_changes),
    SCENARIO(overlapping_views), SCENARIO(fill_and_zero), SCENARIO(with_itself), SCENARIO(strided_view_twice),
    SCENARIO(transposed_base), SCENARIO(second_order), SCENARIO(view_used_before_and_after), SCENARIO(detached_alias),
    SCENARIO(no_grad_in_place),
};
#define SCENARIOS ((int)(sizeof(scenarios) / sizeof(scenarios[0])))

static ag_tensor leaf_of(ag_shape shape, double (*element)(int i))
{
    double values[12];
    ag_tensor t = ag_leaf(shape, AG_FLOAT64, true);
    for (int i = 0; i < ag_shape_numel(shape); i++) {
        values[i] = element(i);
    }
    ag_write(t, values, ag_shape_numel(shape));
    return t;
}

static double element_a(int i)
{
    return sin(1.0 + i);
}

static double element_c(int i)
{
    return cos(2.0 + 3 * i);
}

static double element_d(int i)
{
    return 1.5 + sin(i / 2.0);
}

static double element_w(int i)
{
    return cos(1 + 0.7 * i);
}

/* The value and the gradients of a, c and d: 1 + 12 + 4 + 3 numbers. */
static void expected(const char *name, double *values)
{
    char line[2048];
    FILE *f = fopen(TESTS_GOLDEN "/inplace.txt", "r");
    ck_assert(f != NULL);
    size_t length = strlen(name);
    bool found = false;
    while (!found && fgets(line, sizeof(line), f) != NULL) {
        found = strncmp(line, name, length) == 0 && line[length] == ' ';
    }
    fclose(f);
    ck_assert_msg(found, "%s has no values", name);
    char *at = line + length;
    for (int i = 0; i < 20; i++) {
        values[i] = strtod(at, &at);
    }
}

START_TEST(gradients_are_pytorchs)
{
    struct inputs in = {leaf_of(AG_SHAPE(3, 4), element_a), leaf_of(AG_SHAPE(4), element_c),
                        leaf_of(AG_SHAPE(3, 1), element_d), leaf_of(AG_SHAPE(3, 4), element_w)};
    ag_set_requires_grad(in.w, false);
    double want[20], got[20] = {0};
    expected(scenarios[_i].name, want);
    int64_t live = ag_memory().live_buffers;
    for (int recorded = 0; recorded < 2; recorded++) { /* the fast rules and the recorded ones */
        ag_begin(&scope);
        ag_tensor y = scenarios[_i].run(&in), leaf[3] = {in.a, in.c, in.d}, g[3];
        ag_backward_config config = ag_backward_defaults();
        config.allow_unused = true;
        config.create_graph = recorded == 1;
        assert_no_error();
        got[0] = ag_item(y);
        ag_grad(y, 3, leaf, g, config);
        assert_no_error();
        int at = 1;
        for (int i = 0; i < 3; i++) {
            int64_t n = ag_numel(leaf[i]);
            memset(got + at, 0, (size_t)n * sizeof(double));
            if (!ag_is_none(g[i])) {
                ag_read(g[i], got + at, n);
            }
            at += (int)n;
        }
        for (int i = 0; i < 20; i++) {
            ck_assert_msg(fabs(got[i] - want[i]) <= 1e-12 * fmax(1, fabs(want[i])), "%s, number %d: %.17g, PyTorch's %.17g",
                          scenarios[_i].name, i, got[i], want[i]);
        }
    }
    ag_end(&scope);
    ck_assert_int_eq(ag_memory().live_buffers, live);
    ag_drop(&in.a);
    ag_drop(&in.c);
    ag_drop(&in.d);
    ag_drop(&in.w);
}
END_TEST

/* ---- what stays and what moves -------------------------------------------------------------------------------------------------- */

START_TEST(the_handle_stays_and_the_numbers_move)
{
    ag_begin(&scope);
    ag_tensor x = ag_full(AG_SHAPE(2), 3, AG_FLOAT64), v = ag_select(x, 0, 1);
    const void *data = ag_data(x);
    ag_tensor y = ag_mul_scalar_(x, 2);
    ck_assert_uint_eq(y.id, x.id);
    ck_assert_ptr_eq(ag_data(x), data);
    assert_values(x, 6, 6);
    assert_values(v, 6);
    ck_assert(!ag_requires_grad(x));
    ag_end(&scope);
}
END_TEST

/* What PyTorch copies is no view here either, although the elements would permit it. */
START_TEST(repeated_elements_are_copies)
{
    ag_tensor x = leaf64(AG_SHAPE(1, 2), 3, 4);
    ag_begin(&scope);
    ag_tensor a = ag_clone(x);
    ag_tensor copies[] = { ag_repeat(a, AG_SHAPE(2, 1)),           ag_repeat(a, AG_SHAPE(1, 1)),
                           ag_repeat(a, AG_SHAPE(2, 1, 1)),        ag_tile(a, AG_SHAPE(2, 1)),
                           ag_repeat_interleave(a, 2, 0),          ag_repeat_interleave(a, 1, 1),
                           ag_repeat_interleave(ag_reshape(a, AG_SHAPE(2, 1)), 2, 1) };
    ag_zero_(a);
    for (int i = 0; i < 7; i++) {
        ck_assert(ag_item(ag_max(copies[i])) == 4);
        ag_add_scalar_(copies[i], 1);
        ck_assert(ag_item(ag_max(copies[i])) == 5);
    }
    ag_backward(ag_sum(ag_mul(copies[0], copies[0])));
    assert_values(ag_grad_of(x), 16, 20);
    ag_end(&scope);
    ag_drop(&x);
    assert_no_error();
}
END_TEST

START_TEST(a_view_of_a_constant_learns_that_it_requires_a_gradient)
{
    ag_tensor w = leaf64(AG_SHAPE(2), 3, 4);
    ag_begin(&scope);
    ag_tensor x = ag_zeros(AG_SHAPE(2, 2), AG_FLOAT64), before = ag_select(x, 0, 1), other = ag_select(x, 0, 0);
    ag_copy_(ag_select(x, 0, 1), w);
    ck_assert(ag_requires_grad(x));
    ck_assert(ag_requires_grad(before));
    ck_assert(!ag_is_leaf(before));
    ag_backward(ag_sum(ag_square(before)));
    assert_values(ag_grad_of(w), 6, 8);
    ck_assert(ag_requires_grad(other)); /* as PyTorch has it: zeros arrive */
    ag_end(&scope);
    ag_drop(&w);
    assert_no_error();
}
END_TEST

START_TEST(leaves_change_in_no_grad_scopes)
{
    ag_tensor w = leaf64(AG_SHAPE(2), 3, 4);
    ag_begin_no_grad(&scope);
    ag_sub_(w, ag_full(AG_SHAPE(2), 1, AG_FLOAT64));
    ag_mul_scalar_(ag_select(w, 0, 0), 10);
    ag_end(&scope);
    assert_values(w, 20, 3);
    ag_drop(&w);
    assert_no_error();
}
END_TEST

START_TEST(gradients_can_be_scaled_by_hand)
{
    ag_tensor w = leaf64(AG_SHAPE(2), 3, 4);
    ag_begin(&scope);
    ag_backward(ag_sum(ag_square(w)));
    ag_begin_no_grad(&scope);
    ag_mul_scalar_(ag_grad_of(w), 0.5);
    ag_end(&scope);
    assert_values(ag_grad_of(w), 3, 4);
    ag_drop(&w);
    assert_no_error();
}
END_TEST

START_TEST(memory_stays_flat_over_rows_in_a_loop)
{
    ag_tensor w = leaf64(AG_SHAPE(4), 1, 2, 3, 4);
    int64_t live = 0;
    for (int step = 0; step < 20; step++) {
        ag_begin(&scope);
        ag_tensor out = ag_zeros(AG_SHAPE(30, 4), AG_FLOAT64), h = w;
        for (int t = 0; t < 30; t++) {
            h = ag_tanh(ag_mul(h, w));
            ag_copy_(ag_select(out, 0, t), h);
        }
        ag_backward(ag_sum(out));
        ag_end(&scope);
        ag_zero_grad(w);
        if (step == 3) {
            live = ag_memory().live_buffers;
        }
    }
    assert_no_error();
    ck_assert_int_eq(ag_memory().live_buffers, live);
    ag_drop(&w);
}
END_TEST

/* ---- refusals -------------------------------------------------------------------------------------------------------------------- */

START_TEST(what_cannot_be_changed_is_refused)
{
    ag_tensor w = leaf64(AG_SHAPE(2, 2), 1, 2, 3, 4), kept = AG_NONE;
    ag_set_name(w, "weight");
    ag_begin(&scope);
    ag_mul_scalar_(w, 2);
    assert_says("ag_mul_scalar_: a leaf weight that requires a gradient is changed in place while the tape records");
    ag_zero_(ag_select(w, 0, 1));
    assert_says("ag_zero_: a view of a leaf weight that requires a gradient is changed in place while the tape records");
    ag_keep(&kept, w);
    ag_add_(kept, w);
    assert_says("ag_add_: a leaf or kept value cannot take the history of another tensor");
    ag_tensor x = ag_mul_scalar(w, 2);
    ag_add_(ag_expand(ag_select(x, 0, 0), AG_SHAPE(3, 2)), w);
    assert_says("ag_add_: the tensor (3,2) was expanded: several of its elements are one number");
    ag_add_(ag_select(x, 0, 0), w);
    assert_says("ag_add_: the result is (2,2) and cannot be written over (2)");
    ag_add_(x, ag_zeros(AG_SHAPE(3), AG_FLOAT64));
    assert_says("ag_add_: shapes (2,2) and (3) do not broadcast");
    ag_add_(x, ag_zeros(AG_SHAPE(2), AG_FLOAT32));
    assert_says("ag_add_: float64 and float32");
    ag_scope inner = {0};
    ag_begin(&inner);
    ag_mul_scalar_(x, 2);
    assert_says("ag_mul_scalar_: the tensor belongs to an outer scope, and its new history would end with the scope opened at");
    ag_end(&inner);
    assert_values(x, 2, 4, 6, 8); /* nothing was changed */
    ag_end(&scope);
    ag_drop(&kept);
    ag_drop(&w);
}
END_TEST

START_TEST(a_saved_value_that_changed_names_both_lines)
{
    ag_tensor w = leaf64(AG_SHAPE(2), 1, 2);
    char place[512];
    ag_begin(&scope);
    ag_tensor x = ag_mul_scalar(w, 2);
    int saved = __LINE__ + 1;
    ag_tensor y = ag_square(x);
    int changed = __LINE__ + 1;
    ag_add_scalar_(x, 1);
    ag_backward(ag_sum(y));
    snprintf(place, sizeof(place), "changed in place at %s:%d", __FILE__, changed);
    ck_assert_msg(strstr(ag_error_message(), place) != NULL, "%s", ag_error_message());
    snprintf(place, sizeof(place), "test_inplace.c:%d)", saved);
    ck_assert_msg(strstr(ag_error_message(), place) != NULL, "%s", ag_error_message());
    assert_says("backward of ag_square: input 0 was changed in place");
    ag_end(&scope);
    ag_drop(&w);
}
END_TEST

START_TEST(a_factor_that_is_the_tensor_itself_is_refused_in_backward)
{
    ag_tensor w = leaf64(AG_SHAPE(2), 1, 2);
    ag_begin(&scope);
    ag_tensor x = ag_mul_scalar(w, 2);
    ag_mul_(x, x);
    assert_values(x, 4, 16);
    ag_backward(ag_sum(x));
    assert_says("backward of ag_mul: input 1 was changed in place");
    ag_end(&scope);
    ag_drop(&w);
}
END_TEST

START_TEST(a_view_is_good_again_in_an_inner_scope_and_after_it)
{
    ag_tensor w = leaf64(AG_SHAPE(2), 3, 5);
    ag_begin(&scope);
    ag_tensor x = ag_mul_scalar(w, 1), v = ag_select(x, 0, 1);
    ag_mul_(x, w);
    ag_scope inner = {0};
    for (int i = 0; i < 3; i++) {
        ag_begin(&inner);
        ag_tensor g, y = ag_square(v); /* w^4, derivative 4 w^3 */
        ag_backward_config config = ag_backward_defaults();
        config.retain_graph = true;
        ag_grad(y, 1, &w, &g, config);
        assert_values(g, 0, 500);
        ag_end(&inner);
    }
    ag_backward(v); /* 2 w */
    assert_values(ag_grad_of(w), 0, 10);
    ag_end(&scope);
    ag_drop(&w);
    assert_no_error();
}
END_TEST

/* What only the gradient of a constant would read is not saved: it may be changed. */
START_TEST(what_no_gradient_reads_may_be_changed)
{
    ag_tensor w = leaf64(AG_SHAPE(1, 1, 2, 2), 1, 2, 3, 4), frozen = frozen64(AG_SHAPE(1, 1, 2, 2), 5, 6, 7, 8);
    for (int way = 0; way < 5; way++) {
        ag_begin(&scope);
        ag_tensor x = ag_mul_scalar(w, 1), c = ag_from(AG_SHAPE(2, 2), AG_FLOAT64, (const double[]){5, 6, 7, 8}), y;
        ag_tensor rows = ag_clone(ag_reshape(x, AG_SHAPE(2, 2)));
        switch (way) {
        case 0:
            y = ag_mul(rows, c);
            break;
        case 1:
            y = ag_div(rows, ag_reciprocal(c));
            break;
        case 2:
            y = ag_matmul(rows, c);
            break;
        case 3:
            y = ag_linear(rows, ag_transpose(c, 0, 1), AG_NONE);
            break;
        default:
            y = ag_conv2d(x, frozen, AG_NONE, ag_conv2d_defaults());
            rows = x;
        }
        ag_zero_(rows);
        ag_backward(ag_sum(y));
        assert_no_error();
        if (way < 2 || way == 4) {
            assert_values(ag_grad_of(w), 5, 6, 7, 8);
        } else {
            assert_values(ag_grad_of(w), 11, 15, 11, 15);
        }
        ag_zero_grad(w);
    }
    ag_end(&scope);
    ag_drop(&w);
    ag_drop(&frozen);
}
END_TEST

START_TEST(what_is_repeated_no_more_than_once_is_a_copy)
{
    ag_tensor w = leaf64(AG_SHAPE(2, 3), 1, 2, 3, 4, 5, 6), empty = ag_leaf(AG_SHAPE(2, 0), AG_FLOAT64, true);
    ag_begin(&scope);
    ag_tensor turned = ag_transpose(w, 0, 1);
    ag_tensor copies[] = {ag_repeat(turned, AG_SHAPE(1, 1)), ag_repeat(turned, AG_SHAPE(1, 1, 1)),
                          ag_repeat_interleave(turned, 1, 0), ag_repeat_interleave(turned, 0, 1),
                          ag_repeat(empty, AG_SHAPE(3, 2, 1)), ag_repeat_interleave(empty, 2, 0)};
    for (size_t i = 0; i < sizeof(copies) / sizeof(copies[0]); i++) {
        ck_assert(ag_is_contiguous(copies[i]));
        ag_relu_(copies[i]); /* of a view of a leaf this is refused */
        assert_no_error();
    }
    ag_end(&scope);
    ag_drop(&w);
    ag_drop(&empty);
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_loop_test(tests, gradients_are_pytorchs, 0, SCENARIOS);
    tcase_add_test(tests, the_handle_stays_and_the_numbers_move);
    tcase_add_test(tests, repeated_elements_are_copies);
    tcase_add_test(tests, a_view_of_a_constant_learns_that_it_requires_a_gradient);
    tcase_add_test(tests, leaves_change_in_no_grad_scopes);
    tcase_add_test(tests, gradients_can_be_scaled_by_hand);
    tcase_add_test(tests, memory_stays_flat_over_rows_in_a_loop);
    tcase_add_test(tests, what_cannot_be_changed_is_refused);
    tcase_add_test(tests, a_saved_value_that_changed_names_both_lines);
    tcase_add_test(tests, a_factor_that_is_the_tensor_itself_is_refused_in_backward);
    tcase_add_test(tests, a_view_is_good_again_in_an_inner_scope_and_after_it);
    tcase_add_test(tests, what_no_gradient_reads_may_be_changed);
    tcase_add_test(tests, what_is_repeated_no_more_than_once_is_a_copy);
}

int main(void)
{
    return run_tests("inplace", add, 60);
}
