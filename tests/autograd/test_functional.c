/* Jacobians, Hessians and products with vectors: against PyTorch, and against derivatives in closed form. */
#include <math.h>
#include <stdio.h>

#include "common.h"

static ag_scope scope;

static void assert_near(ag_tensor t, int64_t n, const double *expected, const char *what)
{
    ck_assert_msg(ag_error_code() == AG_OK, "%s: %s", what, ag_error_message());
    ck_assert_msg(ag_numel(t) == n, "%s: %lld elements instead of %lld", what, (long long)ag_numel(t), (long long)n);
    double *got = calloc((size_t)n + 1, sizeof(double)), scale = 0;
    ag_read_doubles(t, got, n);
    for (int64_t i = 0; i < n; i++) {
        scale = fmax(scale, fabs(expected[i]));
    }
    for (int64_t i = 0; i < n; i++) {
        ck_assert_msg(fabs(got[i] - expected[i]) <= 1e-12 * scale, "%s, element %d: %.17g, expected %.17g", what, (int)i,
                      got[i], expected[i]);
    }
    free(got);
}

#define assert_shape(t, ...) ck_assert(ag_shape_equal(ag_shape_of(t), __VA_ARGS__))

/* ---- PyTorch's values -------------------------------------------------------------------------------------------------------- */

/* The same functions are in golden/make_functional.py. */
static ag_tensor affine(const ag_tensor *x, int n, void *user)
{
    (void)n, (void)user;
    return ag_mul(ag_tanh(ag_matmul(x[0], x[1])), ag_sum(ag_sin(x[0])));
}

static ag_tensor mixed(const ag_tensor *x, int n, void *user)
{
    (void)n, (void)user;
    return ag_add(ag_exp(ag_mul(x[0], x[2])), ag_mul(ag_mul(x[1], x[1]), x[0]));
}

static ag_tensor scalar(const ag_tensor *x, int n, void *user)
{
    (void)n, (void)user;
    return ag_sum(ag_mul(ag_exp(ag_mul(ag_sin(x[1]), x[0])), ag_sum(ag_mul(x[0], x[0]))));
}

static ag_tensor unused(const ag_tensor *x, int n, void *user)
{
    (void)n, (void)user;
    return ag_sum(ag_mul(ag_mul(x[0], x[0]), x[0]));
}

static ag_tensor single(const ag_tensor *x, int n, void *user)
{
    (void)n, (void)user;
    return ag_exp(ag_mul(x[0], x[0]));
}

struct function {
    const char *name;
    ag_function f;
    int n;
    ag_shape shape[3];
    ag_shape out;
};

static struct function function_of(int i)
{
    const struct function functions[] = {
        { "affine", affine, 2, { AG_SHAPE(2, 3), AG_SHAPE(3, 2) }, AG_SHAPE(2, 2) },
        { "mixed", mixed, 3, { AG_SHAPE(3), AG_SHAPE(2, 1), AG_SHAPE_SCALAR }, AG_SHAPE(2, 3) },
        { "scalar", scalar, 2, { AG_SHAPE(3), AG_SHAPE(2, 3) }, AG_SHAPE_SCALAR },
        { "unused", unused, 2, { AG_SHAPE(2), AG_SHAPE(3) }, AG_SHAPE_SCALAR },
        { "single", single, 1, { AG_SHAPE_SCALAR }, AG_SHAPE_SCALAR },
    };
    return functions[i];
}
#define FUNCTIONS 5

static ag_tensor drawn(uint64_t *state, ag_shape shape)
{
    double values[64];
    for (int64_t i = 0; i < ag_shape_numel(shape); i++) {
        *state = (*state * 1103515245 + 12345) % (UINT64_C(1) << 31);
        values[i] = (double)*state / (1 << 30) - 1;
    }
    return ag_from(shape, AG_FLOAT64, values);
}

/* Compares t with the line "<name> <what> <index> …". */
static void assert_golden(const char *name, const char *what, int index, ag_tensor t)
{
    char key[64], found[64];
    double values[64];
    FILE *f = fopen(TESTS_GOLDEN "/functional.txt", "r");
    ck_assert(f != NULL);
    snprintf(key, sizeof(key), "%s %s %d", name, what, index);
    char a[32], b[32];
    int i, n;
    while (fscanf(f, "%31s %31s %d %d", a, b, &i, &n) == 4) {
        ck_assert_int_le(n, 64);
        for (int k = 0; k < n; k++) {
            ck_assert_int_eq(fscanf(f, "%lf", &values[k]), 1);
        }
        snprintf(found, sizeof(found), "%.20s %.20s %d", a, b, i);
        if (strcmp(found, key) == 0) {
            fclose(f);
            assert_near(t, n, values, key);
            return;
        }
    }
    ck_abort_msg("functional.txt has no %s", key);
}

/* Every function, with create_graph and without, of inputs that are constants, leaves that require gradients, and results. */
START_TEST(values_are_pytorchs)
{
    struct function fn = function_of(_i % FUNCTIONS);
    int kind = _i / FUNCTIONS % 3;
    ag_functional_config config = ag_functional_defaults();
    config.create_graph = _i / FUNCTIONS / 3 == 1;
    ag_begin(&scope);
    uint64_t state = 7;
    ag_tensor x[3], vectors[3], r[9];
    for (int i = 0; i < fn.n; i++) {
        x[i] = drawn(&state, fn.shape[i]);
        if (kind > 0) {
            ag_set_requires_grad(x[i], true);
        }
        if (kind == 2) {
            x[i] = ag_neg(ag_neg(x[i]));
        }
    }
    ag_tensor v = drawn(&state, fn.out), y;
    for (int i = 0; i < fn.n; i++) {
        vectors[i] = drawn(&state, fn.shape[i]);
    }
    ck_assert_int_eq(ag_jacobian(fn.f, NULL, fn.n, x, r, config), AG_OK);
    for (int i = 0; i < fn.n; i++) {
        assert_golden(fn.name, "jacobian", i, r[i]);
        ck_assert_int_eq(ag_ndim(r[i]), fn.out.ndim + fn.shape[i].ndim);
        for (int d = 0; d < ag_ndim(r[i]); d++) {
            ck_assert_int_eq(ag_size(r[i], d), d < fn.out.ndim ? fn.out.size[d] : fn.shape[i].size[d - fn.out.ndim]);
        }
    }
    y = ag_vjp(fn.f, NULL, fn.n, x, v, r, config);
    assert_golden(fn.name, "value", 0, y);
    for (int i = 0; i < fn.n; i++) {
        assert_golden(fn.name, "vjp", i, r[i]);
        assert_shape(r[i], fn.shape[i]);
    }
    y = ag_jvp(fn.f, NULL, fn.n, x, vectors, r, config);
    assert_golden(fn.name, "value", 0, y);
    assert_golden(fn.name, "jvp", 0, r[0]);
    assert_shape(r[0], fn.out);
    if (fn.out.ndim == 0) {
        ck_assert_int_eq(ag_hessian(fn.f, NULL, fn.n, x, r, config), AG_OK);
        for (int i = 0; i < fn.n * fn.n; i++) {
            assert_golden(fn.name, "hessian", i, r[i]);
        }
        y = ag_vhp(fn.f, NULL, fn.n, x, vectors, r, config);
        assert_golden(fn.name, "value", 0, y);
        for (int i = 0; i < fn.n; i++) {
            assert_golden(fn.name, "vhp", i, r[i]);
        }
        y = ag_hvp(fn.f, NULL, fn.n, x, vectors, r, config);
        assert_golden(fn.name, "value", 0, y);
        for (int i = 0; i < fn.n; i++) {
            assert_golden(fn.name, "hvp", i, r[i]);
        }
    }
    ag_end(&scope);
    assert_no_error();
}
END_TEST

/* ---- closed forms ------------------------------------------------------------------------------------------------------------ */

/* x^T A x, A in user. */
static ag_tensor quadratic(const ag_tensor *x, int n, void *user)
{
    (void)n;
    return ag_sum(ag_mul(x[0], ag_matmul(*(ag_tensor *)user, x[0])));
}

START_TEST(the_hessian_of_a_quadratic_form_is_a_plus_its_transpose)
{
    ag_dtype dtype = _i == 0 ? AG_FLOAT32 : AG_FLOAT64;
    ag_begin(&scope);
    const double numbers[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
    ag_tensor a = ag_cast(ag_from(AG_SHAPE(3, 3), AG_FLOAT64, numbers), dtype), x = ag_arange(3, dtype), h, p;
    ag_functional_config config = ag_functional_defaults();
    ck_assert_int_eq(ag_hessian(quadratic, &a, 1, &x, &h, config), AG_OK);
    assert_values(h, 2, 6, 10, 6, 10, 14, 10, 14, 18);
    ck_assert_int_eq(ag_dtype_of(h), dtype);
    ag_tensor v = ag_ones(AG_SHAPE(3), dtype);
    ck_assert(ag_item(ag_vhp(quadratic, &a, 1, &x, &v, &p, config)) == 5 + 2 * (6 + 8) + 4 * 9);
    assert_values(p, 18, 30, 42);
    ag_hvp(quadratic, &a, 1, &x, &v, &p, config);
    assert_values(p, 18, 30, 42);
    ag_jacobian(quadratic, &a, 1, &x, &p, config);
    assert_values(p, 6 * 1 + 10 * 2, 10 * 1 + 14 * 2, 14 * 1 + 18 * 2);
    ag_end(&scope);
    assert_no_error();
}
END_TEST

/* Inputs of two types: each derivative is of its input's. */
static ag_tensor two_types(const ag_tensor *x, int n, void *user)
{
    (void)n, (void)user;
    return ag_sum(ag_mul(ag_square(ag_cast(x[0], AG_FLOAT64)), x[1]));
}

START_TEST(types_are_those_of_the_inputs)
{
    ag_begin(&scope);
    const float three = 3;
    const double five = 5;
    ag_tensor x[] = { ag_from(AG_SHAPE(1), AG_FLOAT32, &three), ag_from(AG_SHAPE(1), AG_FLOAT64, &five) };
    ag_tensor r[4];
    ag_functional_config config = ag_functional_defaults();
    ag_hessian(two_types, NULL, 2, x, r, config);
    assert_values(r[0], 10);
    assert_values(r[1], 6);
    assert_values(r[2], 6);
    assert_values(r[3], 0);
    ck_assert_int_eq(ag_dtype_of(r[2]), AG_FLOAT32);
    ck_assert_int_eq(ag_dtype_of(r[1]), AG_FLOAT64);
    ag_jvp(two_types, NULL, 2, x, x, r, config);
    ck_assert_int_eq(ag_dtype_of(r[0]), AG_FLOAT64);
    assert_values(r[0], 30 * 3 + 9 * 5);
    ag_vhp(two_types, NULL, 2, x, x, r, config);
    assert_values(r[0], 10 * 3 + 6 * 5);
    ck_assert_int_eq(ag_dtype_of(r[0]), AG_FLOAT32);
    ag_end(&scope);
    assert_no_error();
}
END_TEST

static ag_tensor power4(const ag_tensor *x, int n, void *user)
{
    (void)n, (void)user;
    return ag_sum(ag_square(ag_square(x[0])));
}

/* The Hessian of power4 in user's way, summed: a function to be differentiated again. */
static ag_tensor sum_of_hessian(const ag_tensor *x, int n, void *user)
{
    (void)user;
    ag_tensor h;
    ag_functional_config config = ag_functional_defaults();
    config.create_graph = true;
    ag_hessian(power4, NULL, n, x, &h, config);
    return ag_sum(h);
}

START_TEST(third_and_fourth_derivatives_through_create_graph)
{
    ag_tensor x = leaf64(AG_SHAPE(2), 2, -3);
    ag_functional_config config = ag_functional_defaults();
    ag_begin(&scope);
    ag_tensor j, h;
    ag_jacobian(sum_of_hessian, NULL, 1, &x, &j, config); /* sum of 12 x^2: 24 x */
    assert_values(j, 48, -72);
    ag_hessian(sum_of_hessian, NULL, 1, &x, &h, config);
    assert_values(h, 24, 0, 0, 24);
    ck_assert(!ag_requires_grad(h));

    /* The recorded derivatives lead back to the leaf itself. */
    config.create_graph = true;
    ag_hessian(power4, NULL, 1, &x, &h, config);
    assert_values(h, 12 * 4, 0, 0, 12 * 9);
    ck_assert(ag_requires_grad(h));
    ag_backward(ag_sum(h));
    assert_values(ag_grad_of(x), 48, -72);

    ag_begin(&scope);
    ag_zero_grad(x);
    ag_tensor v = ag_set_requires_grad(ag_ones(AG_SHAPE(2), AG_FLOAT64), true), p, y;
    y = ag_vhp(power4, NULL, 1, &x, &v, &p, config); /* 12 x^2 v */
    assert_values(y, 16 + 81);
    ag_backward(ag_sum(p));
    assert_values(ag_grad_of(x), 48, -72);
    assert_values(ag_grad_of(v), 48, 108);

    ag_begin(&scope);
    ag_zero_grad(x);
    v = ag_set_requires_grad(ag_ones(AG_SHAPE(2), AG_FLOAT64), true);
    ag_hvp(power4, NULL, 1, &x, &v, &p, config);
    ag_backward(ag_sum(p));
    assert_values(ag_grad_of(x), 48, -72);
    assert_values(ag_grad_of(v), 48, 108);

    ag_begin(&scope);
    ag_zero_grad(x);
    v = ag_set_requires_grad(ag_ones(AG_SHAPE(2), AG_FLOAT64), true);
    ag_jvp(power4, NULL, 1, &x, &v, &p, config); /* <4 x^3, v> */
    assert_values(p, 4 * 8 - 4 * 27);
    ag_backward(p);
    assert_values(ag_grad_of(x), 48, 108);
    assert_values(ag_grad_of(v), 32, -108);

    ag_begin(&scope);
    ag_zero_grad(x);
    y = ag_vjp(power4, NULL, 1, &x, AG_NONE, &p, config);
    ag_backward(ag_add(ag_sum(p), y)); /* the value has a history, too */
    assert_values(ag_grad_of(x), 48 + 32, 108 - 108);
    ag_end(&scope);
    ag_drop(&x);
    assert_no_error();
}
END_TEST

static ag_tensor product(const ag_tensor *x, int n, void *user)
{
    (void)n, (void)user;
    return ag_mul(x[0], x[1]);
}

static ag_tensor constant(const ag_tensor *x, int n, void *user)
{
    (void)n, (void)user;
    return ag_full(ag_shape_of(x[0]), 3, AG_FLOAT64);
}

static ag_tensor itself(const ag_tensor *x, int n, void *user)
{
    (void)n, (void)user;
    return x[0];
}

/* One tensor given twice is two variables. */
START_TEST(the_same_tensor_twice_is_two_inputs)
{
    ag_tensor x = leaf64(AG_SHAPE(2), 3, 5);
    for (int create = 0; create < 2; create++) {
        ag_functional_config config = ag_functional_defaults();
        config.create_graph = create;
        ag_begin(&scope);
        ag_tensor both[] = { x, x }, r[2];
        ag_jacobian(product, NULL, 2, both, r, config);
        assert_values(r[0], 3, 0, 0, 5);
        assert_values(r[1], 3, 0, 0, 5);
        ag_end(&scope);
        ck_assert(ag_is_none(ag_grad_of(x)));
    }
    ag_drop(&x);
    assert_no_error();
}
END_TEST

START_TEST(what_has_no_influence_has_derivative_zero)
{
    ag_begin(&scope);
    ag_tensor x[] = { ag_arange(2, AG_FLOAT64), ag_ones(AG_SHAPE(3), AG_FLOAT64) }, r[4];
    ag_functional_config config = ag_functional_defaults();
    ck_assert_int_eq(ag_jacobian(constant, NULL, 2, x, r, config), AG_OK);
    assert_values(r[0], 0, 0, 0, 0);
    assert_shape(r[1], AG_SHAPE(2, 3));
    assert_values(r[1], 0, 0, 0, 0, 0, 0);
    assert_values(ag_vjp(constant, NULL, 2, x, x[0], r, config), 3, 3);
    assert_values(r[1], 0, 0, 0);
    ag_jvp(constant, NULL, 2, x, x, r, config);
    assert_values(r[0], 0, 0);
    ag_hessian(unused, NULL, 2, x, r, config);
    assert_values(r[0], 0, 0, 0, 6);
    assert_values(r[3], 0, 0, 0, 0, 0, 0, 0, 0, 0);
    ag_jacobian(itself, NULL, 1, x, r, config);
    assert_values(r[0], 1, 0, 0, 1);
    ag_tensor y = ag_vjp(itself, NULL, 1, x, x[0], r, config);
    assert_values(y, 0, 1);
    assert_values(r[0], 0, 1);
    ag_end(&scope);
    assert_no_error();
}
END_TEST

START_TEST(empty_and_transposed_inputs)
{
    ag_begin(&scope);
    ag_functional_config config = ag_functional_defaults();
    ag_tensor none = ag_zeros(AG_SHAPE(0, 2), AG_FLOAT64), r, y;
    ag_jacobian(itself, NULL, 1, &none, &r, config);
    assert_shape(r, AG_SHAPE(0, 2, 0, 2));
    ag_hessian(power4, NULL, 1, &none, &r, config);
    assert_shape(r, AG_SHAPE(0, 2, 0, 2));
    ag_tensor t = ag_transpose(ag_reshape(ag_arange(6, AG_FLOAT64), AG_SHAPE(2, 3)), 0, 1);
    y = ag_vjp(power4, NULL, 1, &t, AG_NONE, &r, config);
    ck_assert(ag_item(y) == 1 + 16 + 81 + 256 + 625);
    assert_values(r, 0, 108, 4, 256, 32, 500);
    ag_jacobian(itself, NULL, 1, &t, &r, config);
    for (int i = 0; i < 36; i++) {
        double wanted = i % 7 == 0;
        ag_tensor flat = ag_reshape(r, AG_SHAPE(36));
        ck_assert(ag_item(ag_select(flat, 0, i)) == wanted);
    }
    ag_end(&scope);
    assert_no_error();
}
END_TEST

/* ---- scopes and memory --------------------------------------------------------------------------------------------------------- */

START_TEST(a_scope_that_does_not_record_will_do)
{
    ag_begin_no_grad(&scope);
    ag_tensor x = ag_arange(3, AG_FLOAT64), h;
    ag_functional_config config = ag_functional_defaults();
    ag_hessian(power4, NULL, 1, &x, &h, config);
    assert_values(h, 0, 0, 0, 0, 12, 0, 0, 0, 48);
    ck_assert(!ag_grad_enabled());
    config.create_graph = true;
    ag_hessian(power4, NULL, 1, &x, &h, config);
    assert_error(AG_ERROR_STATE, "ag_hessian: create_graph needs a scope that records");
    ck_assert(ag_is_nil(h));
    ag_end(&scope);
}
END_TEST

START_TEST(only_results_stay)
{
    ag_tensor x = leaf64(AG_SHAPE(3), 1, 2, 3);
    ag_begin(&scope);
    ag_functional_config config = ag_functional_defaults();
    ag_tensor h, v = ag_ones(AG_SHAPE(3), AG_FLOAT64), p, y;
    int64_t before = ag_memory().live_buffers, length = ag_tape_length();
    ag_hessian(power4, NULL, 1, &x, &h, config);
    ck_assert_int_eq(ag_memory().live_buffers, before + 1);
    ag_jacobian(product, NULL, 2, (ag_tensor[]){ x, x }, (ag_tensor[2]){ AG_NONE }, config);
    ck_assert_int_eq(ag_memory().live_buffers, before + 3);
    y = ag_vhp(power4, NULL, 1, &x, &v, &p, config);
    ck_assert_int_eq(ag_memory().live_buffers, before + 5);
    ck_assert_int_eq(ag_tape_length(), length);
    ck_assert_int_eq(ag_scope_depth(), 1);
    ck_assert(ag_is_alive(h) && ag_is_alive(p) && ag_is_alive(y));
    ag_release(p);
    ag_release(y);
    ag_release(h);
    ck_assert_int_eq(ag_memory().live_buffers, before + 2);
    ag_end(&scope);
    ck_assert(!ag_is_alive(h));

    /* Step after step, recorded or not, the same is held. */
    int64_t held[2] = { 0, 0 };
    for (int step = 0; step < 40; step++) {
        config.create_graph = step % 2 == 1;
        ag_begin(&scope);
        ag_hessian(power4, NULL, 1, &x, &h, config);
        ag_hvp(power4, NULL, 1, &x, &v, &p, config); /* v is gone: an error */
        assert_error(AG_ERROR_LIFETIME, "ag_hvp: the tensor is gone");
        ck_assert(ag_is_nil(p));
        if (config.create_graph) {
            ag_backward(ag_sum(h));
            ag_zero_grad(x);
        }
        int64_t now = ag_memory().live_buffers;
        ck_assert_int_eq(now, step < 4 ? now : held[step % 2]); /* the leaf keeps its buffer for gradients */
        held[step % 2] = now;
    }
    ag_end(&scope);
    ag_drop(&x);
    ck_assert_int_eq(ag_memory().live_buffers, 0);
    assert_no_error();
}
END_TEST

/* ---- errors -------------------------------------------------------------------------------------------------------------------- */

static ag_tensor whole_numbers(const ag_tensor *x, int n, void *user)
{
    (void)n, (void)user;
    return ag_cast(x[0], AG_INT64);
}

static ag_tensor wrong(const ag_tensor *x, int n, void *user)
{
    (void)n, (void)user;
    return ag_matmul(x[0], ag_scalar(1, AG_FLOAT64));
}

static ag_tensor ends_scope(const ag_tensor *x, int n, void *user)
{
    (void)n, (void)user;
    ag_end(&scope);
    return x[0];
}

START_TEST(errors_are_named)
{
    ag_begin(&scope);
    ag_functional_config config = ag_functional_defaults(), zero = { 0 };
    ag_tensor x = ag_arange(2, AG_FLOAT64), k = ag_arange(2, AG_INT64), r, f = ag_ones(AG_SHAPE(2), AG_FLOAT32),
              m = ag_zeros(AG_SHAPE(2, 2, 2, 2, 2), AG_FLOAT64), nil = AG_NIL;

    ck_assert_int_eq(ag_jacobian(itself, NULL, 1, &x, &r, zero), AG_ERROR_STATE);
    ck_assert(ag_is_nil(r));
    assert_error(AG_ERROR_STATE, "ag_jacobian: the config does not come from ag_functional_defaults()");
    ag_jacobian(NULL, NULL, 1, &x, &r, config);
    assert_error(AG_ERROR_VALUE, "ag_jacobian: the function is NULL");
    ag_hessian(power4, NULL, 1, NULL, &r, config);
    assert_error(AG_ERROR_VALUE, "ag_hessian: the inputs are NULL");
    ag_vjp(power4, NULL, 1, &x, AG_NONE, NULL, config);
    assert_error(AG_ERROR_VALUE, "ag_vjp: the place for results is NULL");
    ag_jacobian(itself, NULL, 0, &x, &r, config);
    assert_error(AG_ERROR_VALUE, "ag_jacobian: 0 inputs; at least one is needed");
    ag_jacobian(itself, NULL, -1, &x, &r, config);
    assert_error(AG_ERROR_VALUE, "ag_jacobian: -1 inputs; at least one is needed");
    ag_jacobian(itself, NULL, 1, &k, &r, config);
    assert_error(AG_ERROR_DTYPE, "ag_jacobian: input 0 is int64; derivatives need float32 or float64");
    ag_jacobian(itself, NULL, 1, &nil, &r, config);
    assert_error(AG_ERROR_LIFETIME, "ag_jacobian: the tensor is nil");
    ag_jacobian(whole_numbers, NULL, 1, &x, &r, config);
    assert_error(AG_ERROR_DTYPE, "ag_jacobian: the function's result is int64; derivatives need float32 or float64");
    ag_jacobian(wrong, NULL, 1, &x, &r, config);
    assert_error(AG_ERROR_SHAPE, "ag_matmul: ");
    ck_assert(ag_is_nil(r));
    ag_jacobian(itself, NULL, 1, &m, &r, config);
    assert_error(AG_ERROR_SHAPE, "ag_jacobian: the derivative of (2,2,2,2,2) by input 0, (2,2,2,2,2), has 10 dimensions; at most 8 "
                                 "are possible");
    config.create_graph = true;
    ag_jacobian(itself, NULL, 1, &m, &r, config);
    assert_error(AG_ERROR_SHAPE, "ag_jacobian: the derivative of (2,2,2,2,2) by input 0, (2,2,2,2,2), has 10 dimensions; at most 8 "
                                 "are possible");
    config.create_graph = false;
    ag_hessian(itself, NULL, 1, &x, &r, config);
    assert_error(AG_ERROR_SHAPE, "ag_hessian: the function's result has shape (2); it must have one element");
    ck_assert(ag_is_nil(ag_vjp(itself, NULL, 1, &x, AG_NONE, &r, config)));
    assert_error(AG_ERROR_SHAPE, "ag_vjp: the function's result has shape (2); it must have one element");
    ag_vjp(itself, NULL, 1, &x, ag_ones(AG_SHAPE(3), AG_FLOAT64), &r, config);
    assert_error(AG_ERROR_SHAPE, "ag_vjp: v is float64 (3), the function's result is float64 (2)");
    ag_vjp(itself, NULL, 1, &x, f, &r, config);
    assert_error(AG_ERROR_DTYPE, "ag_vjp: v is float32 (2), the function's result is float64 (2)");
    ag_jvp(itself, NULL, 1, &x, &m, &r, config);
    assert_error(AG_ERROR_SHAPE, "ag_jvp: v[0] is float64 (2,2,2,2,2), input 0 is float64 (2)");
    ag_jvp(itself, NULL, 1, &x, NULL, &r, config);
    assert_error(AG_ERROR_VALUE, "ag_jvp: v is NULL, which stands for 1 only with one input of one element");
    ag_hvp(itself, NULL, 1, &x, &x, &r, config);
    assert_error(AG_ERROR_SHAPE, "ag_hvp: the function's result has shape (2); it must have one element");
    ag_vhp(itself, NULL, 1, &x, &x, &r, config);
    assert_error(AG_ERROR_SHAPE, "ag_vhp: the function's result has shape (2); it must have one element");
    ck_assert_int_eq(ag_scope_depth(), 1);
    ag_jacobian(ends_scope, NULL, 1, &x, &r, config);
    assert_error(AG_ERROR_STATE, "ag_jacobian: the function ended a scope that it had not opened");
    ck_assert(ag_is_nil(r));

    x = leaf64(AG_SHAPE(2), 1, 2);
    ag_jacobian(itself, NULL, 1, &x, &r, config);
    assert_error(AG_ERROR_STATE, "ag_jacobian: no scope is open");
    ag_drop(&x);
}
END_TEST

static void add(TCase *tests)
{
    tcase_add_loop_test(tests, values_are_pytorchs, 0, FUNCTIONS * 3 * 2);
    tcase_add_loop_test(tests, the_hessian_of_a_quadratic_form_is_a_plus_its_transpose, 0, 2);
    tcase_add_test(tests, types_are_those_of_the_inputs);
    tcase_add_test(tests, third_and_fourth_derivatives_through_create_graph);
    tcase_add_test(tests, the_same_tensor_twice_is_two_inputs);
    tcase_add_test(tests, what_has_no_influence_has_derivative_zero);
    tcase_add_test(tests, empty_and_transposed_inputs);
    tcase_add_test(tests, a_scope_that_does_not_record_will_do);
    tcase_add_test(tests, only_results_stay);
    tcase_add_test(tests, errors_are_named);
}

int main(void)
{
    return run_tests("functional", add, 60);
}
