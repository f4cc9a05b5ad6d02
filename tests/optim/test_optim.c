/*
 * Optimizers against PyTorch's numbers (golden/optim.txt, made by golden/make_optim.py), and what
 * PyTorch cannot tell: the independence of threads, padding, memory.
 */
#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/leaf.h"
#include "optim/optim.h"
#include "tests/optim/common.h"

#ifndef TESTS_GOLDEN
#define TESTS_GOLDEN "tests/golden"
#endif

#define PARAMETERS 4
#define MOST_ELEMENTS 24

/* ---- parameters and their gradients -------------------------------------------------------- */

enum layout {
    ADJACENT, /* made by one ag_leaves(): one run */
    APART     /* four leaves of their own */
};

/* The generator of make_optim.py. */
struct draws {
    uint32_t state;
};

static double draw(struct draws *d)
{
    d->state = (uint32_t)(((uint64_t)d->state * 1103515245u + 12345u) % 2147483648u);
    return (double)d->state / 1073741824.0 - 1;
}

static ag_shape shape_of(int parameter)
{
    switch (parameter) {
    case 0:
        return AG_SHAPE(3, 5);
    case 1:
        return AG_SHAPE(7);
    case 2:
        return AG_SHAPE_SCALAR;
    default:
        return AG_SHAPE(2, 3, 4);
    }
}

static int64_t count_of(int parameter)
{
    return ag_shape_numel(shape_of(parameter));
}

static void make_parameters(ag_tensor *w, enum layout layout, ag_dtype dtype)
{
    if (layout == ADJACENT) {
        ag_shape shapes[PARAMETERS];
        for (int i = 0; i < PARAMETERS; i++) {
            shapes[i] = shape_of(i);
        }
        ck_assert_int_eq(ag_leaves(PARAMETERS, shapes, dtype, w), AG_OK);
        return;
    }
    for (int i = 0; i < PARAMETERS; i++) {
        w[i] = ag_leaf(shape_of(i), dtype, true);
    }
}

/* Writes doubles into a leaf of either type. */
static void write_doubles(ag_tensor t, const double *x, int64_t n)
{
    float narrow[MOST_ELEMENTS];
    for (int64_t i = 0; i < n; i++) {
        narrow[i] = (float)x[i];
    }
    ag_write(t, ag_dtype_of(t) == AG_FLOAT32 ? (const void *)narrow : x, n);
}

static void draw_numbers(struct draws *d, double *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        x[i] = draw(d);
    }
}

/* ---- the golden file ----------------------------------------------------------------------- */

#define MOST_SHOWN 4

struct golden {
    char name[32], kind[32];
    union any_config config[2];
    double clip_norm, clip_value; /* -1: none */
    bool schedule;
    int shown;
    struct {
        int step;
        double norm;
        double x[PARAMETERS][MOST_ELEMENTS];
        int64_t count[PARAMETERS];
    } at[MOST_SHOWN];
};

static FILE *open_golden(void)
{
    FILE *f = fopen(TESTS_GOLDEN "/optim.txt", "r");
    ck_assert_msg(f != NULL, "%s cannot be read", TESTS_GOLDEN "/optim.txt");
    return f;
}

/* Reads the numbers of one line. */
static int64_t read_numbers(char *text, double *x)
{
    int64_t n = 0;
    for (char *word = strtok(text, " \n"); word != NULL; word = strtok(NULL, " \n")) {
        ck_assert_int_lt(n, MOST_ELEMENTS);
        x[n++] = strtod(word, NULL);
    }
    return n;
}

/* Reads the next case into *c; `line` holds the line that follows it. False at the end. */
static bool next_case(FILE *f, char *line, int bytes, struct golden *c)
{
    memset(c, 0, sizeof(*c));
    c->clip_norm = c->clip_value = -1;
    while (strncmp(line, "case ", 5) != 0) {
        if (fgets(line, bytes, f) == NULL) {
            return false;
        }
    }
    ck_assert_int_eq(sscanf(line, "case %31s %31s", c->name, c->kind), 2);
    bool optimizes = strcmp(c->kind, "none") != 0;
    if (optimizes) {
        c->config[0] = c->config[1] = defaults(c->kind);
    }
    while (fgets(line, bytes, f) != NULL && strncmp(line, "case ", 5) != 0) {
        char key[64];
        int number, used;
        double value;
        if (sscanf(line, "set %d %63s %lf", &number, key, &value) == 3) {
            set(c->kind, &c->config[number], key, value);
        } else if (sscanf(line, "clip_norm %lf", &value) == 1) {
            c->clip_norm = value;
        } else if (sscanf(line, "clip_value %lf", &value) == 1) {
            c->clip_value = value;
        } else if (strncmp(line, "schedule", 8) == 0) {
            c->schedule = true;
        } else if (sscanf(line, "step %d %lf", &number, &value) == 2) {
            ck_assert_int_lt(c->shown, MOST_SHOWN);
            c->at[c->shown].step = number;
            c->at[c->shown++].norm = value;
        } else if (sscanf(line, "%*1[wg] %d%n", &number, &used) == 1) {
            c->at[c->shown - 1].count[number] =
                read_numbers(line + used, c->at[c->shown - 1].x[number]);
        }
    }
    return true;
}

static bool has_gradient(int parameter, int step)
{
    switch (parameter) {
    case 1:
        return step % 4 != 0;
    case 2:
        return step >= 5;
    default:
        return true; /* parameter 3 is frozen at times instead */
    }
}

static double lr_of(const struct golden *c, int group)
{
    return strcmp(c->kind, "optim_sgd") == 0 ? c->config[group].sgd.lr : c->config[group].adam.lr;
}

static void assert_near(const struct golden *c, const char *what, int step, double got,
                        double expected, double tolerance)
{
    ck_assert_msg(fabs(got - expected) <=
                      tolerance * (fabs(expected) > 1e-3 ? fabs(expected) : 1e-3),
                  "%s, step %d, %s: %.17g, PyTorch has %.17g", c->name, step, what, got, expected);
}

/* Records the loss whose gradients are the drawn numbers, for those parameters that have a gradient
 * now. */
static void give_gradients(ag_tensor *w, struct draws *d, int step)
{
    ag_tensor loss = AG_NONE;
    for (int i = 0; i < PARAMETERS; i++) {
        double x[MOST_ELEMENTS];
        draw_numbers(d, x, count_of(i));
        if (has_gradient(i, step)) {
            ag_tensor part = toward(w[i], x);
            loss = ag_is_none(loss) ? part : ag_add(loss, part);
        }
    }
    ck_assert_int_eq(ag_backward(loss), AG_OK);
}

static void follow(const struct golden *c, enum layout layout, ag_dtype dtype, double tolerance)
{
    ag_tensor w[PARAMETERS];
    make_parameters(w, layout, dtype);
    struct draws d = { 1 };
    for (int i = 0; i < PARAMETERS; i++) {
        double x[MOST_ELEMENTS];
        draw_numbers(&d, x, count_of(i));
        write_doubles(w[i], x, count_of(i));
    }
    optim *o = make(c->kind, list_of(w, 0, 2), c->config[0]);
    ck_assert_int_eq(optim_add_group(o, list_of(w, 2, PARAMETERS), &c->config[1]), 1);
    int shown = 0;
    ag_scope scope = { 0 };
    for (int step = 1; step <= 100; step++) {
        ag_begin(&scope);
        ag_set_requires_grad(w[3], step < 30 || step >= 40);
        optim_zero_grad(o);
        give_gradients(w, &d, step);
        for (int group = 0; c->schedule && group < 2; group++) {
            optim_set_lr(o, group, lr_of(c, group) / (1 + step / 20));
        }
        double norm = c->clip_norm >= 0 ? optim_clip_grad_norm(o, c->clip_norm) : 0;
        if (c->clip_value >= 0) {
            optim_clip_grad_value(o, c->clip_value);
        }
        ck_assert_int_eq(optim_step(o), AG_OK);
        if (step != c->at[shown].step) {
            continue;
        }
        assert_near(c, "norm", step, norm, c->at[shown].norm, tolerance);
        for (int i = 0; i < PARAMETERS; i++) {
            double x[MOST_ELEMENTS];
            ck_assert_int_eq(c->at[shown].count[i], count_of(i));
            ag_read_doubles(w[i], x, count_of(i));
            for (int64_t k = 0; k < count_of(i); k++) {
                assert_near(c, "weight", step, x[k], c->at[shown].x[i][k], tolerance);
            }
        }
        shown++;
    }
    ck_assert_int_eq(shown, c->shown);
    ag_end(&scope);
    optim_free(o);
    drop_all(w, PARAMETERS);
}

/* Runs every case of the golden file; returns how many there were. */
static int follow_all(enum layout layout, ag_dtype dtype, double tolerance)
{
    static char line[4096];
    struct golden c;
    int cases = 0;
    FILE *f = open_golden();
    line[0] = '\0';
    while (next_case(f, line, sizeof(line), &c)) {
        if (strcmp(c.kind, "none") != 0) {
            follow(&c, layout, dtype, tolerance);
            cases++;
        }
    }
    fclose(f);
    return cases;
}

START_TEST(follows_pytorch_over_100_steps_with_adjacent_parameters)
{
    ck_assert_int_ge(follow_all(ADJACENT, AG_FLOAT64, 1e-12), 20);
}
END_TEST

START_TEST(follows_pytorch_over_100_steps_with_lone_parameters)
{
    ck_assert_int_ge(follow_all(APART, AG_FLOAT64, 1e-12), 20);
}
END_TEST

START_TEST(float32_stays_near_float64)
{
    ck_assert_int_ge(follow_all(ADJACENT, AG_FLOAT32, 2e-3), 20);
}
END_TEST

START_TEST(clips_as_pytorch)
{
    static char line[4096];
    struct golden c;
    int cases = 0;
    FILE *f = open_golden();
    line[0] = '\0';
    while (next_case(f, line, sizeof(line), &c)) {
        if (strcmp(c.kind, "none") != 0) {
            continue;
        }
        ag_tensor w[PARAMETERS];
        make_parameters(w, cases % 2 == 0 ? ADJACENT : APART, AG_FLOAT64);
        optim *o = optim_sgd(list_of(w, 0, PARAMETERS), optim_sgd_defaults());
        ag_scope scope = { 0 };
        ag_begin(&scope);
        struct draws d = { 7 };
        give_gradients(w, &d, 8); /* the step in which parameter 1 has none */
        double norm = c.clip_norm >= 0 ? optim_clip_grad_norm(o, c.clip_norm) : 0;
        if (c.clip_value >= 0) {
            optim_clip_grad_value(o, c.clip_value);
        }
        assert_near(&c, "norm", 1, norm, c.at[0].norm, 1e-14);
        for (int i = 0; i < PARAMETERS; i++) {
            double x[MOST_ELEMENTS];
            ag_tensor g = ag_grad_of(w[i]);
            ck_assert_int_eq(c.at[0].count[i], ag_is_none(g) ? 0 : count_of(i));
            for (int64_t k = 0; k < c.at[0].count[i]; k++) {
                ag_read_doubles(g, x, count_of(i));
                assert_near(&c, "gradient", 1, x[k], c.at[0].x[i][k], 1e-14);
            }
        }
        ag_end(&scope);
        optim_free(o);
        drop_all(w, PARAMETERS);
        cases++;
    }
    fclose(f);
    ck_assert_int_eq(cases, 4);
}
END_TEST

/* Twice the same gradient, from one operation: clipping one must not reach the other. */
START_TEST(gradients_of_a_sum_are_clipped_once)
{
    ag_tensor w[2] = { ag_leaf(AG_SHAPE(3), AG_FLOAT64, true),
                       ag_leaf(AG_SHAPE(3), AG_FLOAT64, true) };
    optim *o = optim_sgd(list_of(w, 0, 2), optim_sgd_defaults());
    ag_scope scope = { 0 };
    ag_begin(&scope);
    double x[] = { 3, 4, 12 }, got[3];
    ag_tensor g = ag_from(AG_SHAPE(3), AG_FLOAT64, x);
    ag_backward(ag_sum(ag_mul(ag_add(w[0], w[1]), g)));
    double norm = optim_clip_grad_norm(o, 1);
    ck_assert_double_eq_tol(norm, 13 * sqrt(2), 1e-13);
    for (int i = 0; i < 2; i++) {
        ag_read_doubles(ag_grad_of(w[i]), got, 3);
        for (int k = 0; k < 3; k++) {
            ck_assert_double_eq_tol(got[k], x[k] / (norm + 1e-6), 1e-14);
        }
    }
    ag_end(&scope);
    optim_free(o);
    drop_all(w, 2);
}
END_TEST

START_TEST(a_nan_gradient_is_not_hidden_by_clipping)
{
    ag_tensor w = ag_leaf(AG_SHAPE(3), AG_FLOAT64, true);
    optim *o = optim_sgd(list_of(&w, 0, 1), optim_sgd_defaults());
    ag_scope scope = { 0 };
    ag_begin(&scope);
    double x[] = { 3, NAN, -9 }, got[3];
    ag_backward(toward(w, x));
    optim_clip_grad_value(o, 2);
    ag_read_doubles(ag_grad_of(w), got, 3);
    ck_assert_double_eq(got[0], 2);
    ck_assert_double_nan(got[1]);
    ck_assert_double_eq(got[2], -2);
    ck_assert_double_nan(optim_clip_grad_norm(o, 1));
    ag_read_doubles(ag_grad_of(w), got, 3);
    ck_assert_double_nan(got[0]);
    ag_end(&scope);
    optim_free(o);
    ag_drop(&w);
}
END_TEST

/* ---- long runs ----------------------------------------------------------------------------- */

#define LONG 100003

static uint64_t hash_after_long_run(const char *kind, ag_dtype dtype, int threads)
{
    ag_set_threads(threads);
    ag_tensor w[3];
    ag_shape shapes[] = { AG_SHAPE(5), AG_SHAPE(LONG), AG_SHAPE(3, 7) };
    ck_assert_int_eq(ag_leaves(3, shapes, dtype, w), AG_OK);
    union any_config c = defaults(kind);
    if (strcmp(kind, "optim_sgd") == 0) {
        c.sgd.momentum = 0.9;
    }
    optim *o = make(kind, list_of(w, 0, 3), c);
    double *x = malloc(LONG * sizeof(*x));
    ag_scope scope = { 0 };
    struct draws d = { 3 };
    for (int step = 0; step < 3; step++) {
        ag_begin(&scope);
        optim_zero_grad(o);
        ag_tensor loss = ag_scalar(0, dtype);
        for (int i = 0; i < 3; i++) {
            draw_numbers(&d, x, ag_numel(w[i]));
            loss = ag_add(loss, toward(w[i], x));
        }
        ag_backward(loss);
        optim_clip_grad_norm(o, 10);
        ck_assert_int_eq(optim_step(o), AG_OK);
    }
    uint64_t hash = ag_hash(w[0]) ^ (3 * ag_hash(w[1])) ^ (5 * ag_hash(w[2]));
    ag_end(&scope);
    free(x);
    optim_free(o);
    drop_all(w, 3);
    return hash;
}

START_TEST(bits_do_not_depend_on_threads)
{
    const char *const kinds[] = { "optim_sgd", "optim_adam", "optim_rmsprop", "optim_adagrad" };
    int before = ag_threads();
    for (int k = 0; k < 4; k++) {
        ag_dtype dtype = k % 2 == 0 ? AG_FLOAT32 : AG_FLOAT64;
        uint64_t one = hash_after_long_run(kinds[k], dtype, 1);
        for (int threads = 2; threads <= 4; threads++) {
            ck_assert_msg(hash_after_long_run(kinds[k], dtype, threads) == one,
                          "%s with %d threads", kinds[k], threads);
        }
    }
    ag_set_threads(before);
}
END_TEST

/* With eps = 0 an update of the padding would divide zero by zero. */
START_TEST(padding_stays_zero)
{
    const char *const kinds[] = { "optim_sgd", "optim_adam", "optim_adamw", "optim_rmsprop",
                                  "optim_adagrad" };
    for (int k = 0; k < 5; k++) {
        ag_tensor w[PARAMETERS];
        make_parameters(w, ADJACENT, AG_FLOAT32);
        union any_config c = defaults(kinds[k]);
        if (k > 0) {
            set(kinds[k], &c, "eps", 0);
        }
        optim *o = make(kinds[k], list_of(w, 0, PARAMETERS), c);
        ag_scope scope = { 0 };
        struct draws d = { 5 };
        for (int step = 5; step < 8; step++) {
            ag_begin(&scope);
            optim_zero_grad(o);
            give_gradients(w, &d, step);
            optim_clip_grad_norm(o, 0.1);
            ck_assert_int_eq(optim_step(o), AG_OK);
        }
        for (int i = 0; i < PARAMETERS; i++) {
            ag_leaf_raw raw;
            ck_assert(ag_leaf_raw_get(AG_HERE, w[i], &raw));
            for (size_t at = (size_t)raw.numel; at < raw.padded_bytes / sizeof(float); at++) {
                ck_assert_float_eq(((float *)raw.data)[at], 0);
                ck_assert_float_eq(((float *)raw.grad)[at], 0);
            }
            for (int64_t at = 0; at < raw.numel; at++) {
                ck_assert(isfinite(((float *)raw.data)[at]) && ((float *)raw.data)[at] != 0);
            }
        }
        ag_end(&scope);
        optim_free(o);
        drop_all(w, PARAMETERS);
    }
}
END_TEST

START_TEST(float32_and_float64_parameters_in_one_group)
{
    ag_tensor w[2] = { ag_leaf(AG_SHAPE(3), AG_FLOAT32, true),
                       ag_leaf(AG_SHAPE(3), AG_FLOAT64, true) };
    optim_adagrad_config config = optim_adagrad_defaults();
    config.lr = 1;
    config.initial_accumulator_value = 3;
    optim *o = optim_adagrad(list_of(w, 0, 2), config);
    ag_scope scope = { 0 };
    ag_begin(&scope);
    double x[] = { 1, 1, 1 }, got[3];
    ag_backward(toward(w[0], x));
    ag_backward(toward(w[1], x));
    ck_assert_double_eq_tol(optim_clip_grad_norm(o, INFINITY), sqrt(6), 1e-15);
    ck_assert_int_eq(optim_step(o), AG_OK);
    for (int i = 0; i < 2; i++) {
        ag_read_doubles(w[i], got, 3);
        ck_assert_double_eq_tol(got[2], -0.5, 1e-7);
    }
    ag_end(&scope);
    optim_free(o);
    drop_all(w, 2);
}
END_TEST

START_TEST(a_step_allocates_no_tensor_memory)
{
    ag_tensor w[PARAMETERS];
    make_parameters(w, APART, AG_FLOAT64);
    optim *o = optim_adam(list_of(w, 0, PARAMETERS), optim_adam_defaults());
    ag_scope scope = { 0 };
    ag_begin(&scope);
    struct draws d = { 5 };
    give_gradients(w, &d, 5);
    ag_memory_stats before = ag_memory();
    optim_clip_grad_norm(o, 1);
    optim_step(o);
    ag_memory_stats after = ag_memory();
    ck_assert_int_eq(before.system_allocs, after.system_allocs);
    ck_assert_int_eq(before.live_buffers, after.live_buffers);
    ag_end(&scope);
    optim_free(o);
    drop_all(w, PARAMETERS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("optim");
    TCase *numbers = tcase_create("numbers");
    tcase_set_timeout(numbers, 60);
    tcase_add_test(numbers, follows_pytorch_over_100_steps_with_adjacent_parameters);
    tcase_add_test(numbers, follows_pytorch_over_100_steps_with_lone_parameters);
    tcase_add_test(numbers, float32_stays_near_float64);
    tcase_add_test(numbers, clips_as_pytorch);
    tcase_add_test(numbers, gradients_of_a_sum_are_clipped_once);
    tcase_add_test(numbers, a_nan_gradient_is_not_hidden_by_clipping);
    tcase_add_test(numbers, bits_do_not_depend_on_threads);
    tcase_add_test(numbers, padding_stays_zero);
    tcase_add_test(numbers, float32_and_float64_parameters_in_one_group);
    tcase_add_test(numbers, a_step_allocates_no_tensor_memory);
    suite_add_tcase(suite, numbers);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
