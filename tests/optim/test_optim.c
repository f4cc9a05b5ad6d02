/*
 * Optimizers against PyTorch's numbers (golden/optim.txt, made by golden/make_optim.py), and what PyTorch cannot tell:
 * messages, the independence of threads, steps that must do nothing.
 */
#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/leaf.h"
#include "optim/optim.h"

#ifndef TESTS_GOLDEN
#define TESTS_GOLDEN "tests/golden"
#endif

#define PARAMETERS 4
#define MOST_ELEMENTS 24

/* ---- parameters and their gradients ------------------------------------------------------------------------------------ */

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

static void drop_all(ag_tensor *w, int n)
{
    for (int i = 0; i < n; i++) {
        ag_drop(&w[i]);
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

/* sum(w * x): its gradient by w is x. */
static ag_tensor toward(ag_tensor w, const double *x)
{
    ag_tensor g = ag_from(ag_shape_of(w), AG_FLOAT64, x);
    return ag_sum(ag_mul(w, ag_cast(g, ag_dtype_of(w))));
}

static ag_list *list_of(const ag_tensor *w, int first, int end)
{
    ag_list *list = ag_list_new();
    for (int i = first; i < end; i++) {
        char name[16];
        snprintf(name, sizeof(name), "w%d", i);
        ag_list_add(list, name, w[i]);
    }
    return list;
}

/* ---- the golden file --------------------------------------------------------------------------------------------------- */

union any_config {
    uint32_t made_by_defaults;
    optim_sgd_config sgd;
    optim_adam_config adam;
    optim_rmsprop_config rmsprop;
    optim_adagrad_config adagrad;
};

static union any_config defaults(const char *kind)
{
    union any_config c = { 0 };
    if (strcmp(kind, "optim_sgd") == 0) {
        c.sgd = optim_sgd_defaults();
    } else if (strcmp(kind, "optim_adam") == 0) {
        c.adam = optim_adam_defaults();
    } else if (strcmp(kind, "optim_adamw") == 0) {
        c.adam = optim_adamw_defaults();
    } else if (strcmp(kind, "optim_rmsprop") == 0) {
        c.rmsprop = optim_rmsprop_defaults();
    } else if (strcmp(kind, "optim_adagrad") == 0) {
        c.adagrad = optim_adagrad_defaults();
    } else {
        ck_abort_msg("unknown optimizer %s", kind);
    }
    return c;
}

static optim *make(const char *kind, ag_list *list, union any_config c)
{
    if (strcmp(kind, "optim_sgd") == 0) {
        return optim_sgd(list, c.sgd);
    }
    if (strcmp(kind, "optim_adam") == 0) {
        return optim_adam(list, c.adam);
    }
    if (strcmp(kind, "optim_adamw") == 0) {
        return optim_adamw(list, c.adam);
    }
    if (strcmp(kind, "optim_rmsprop") == 0) {
        return optim_rmsprop(list, c.rmsprop);
    }
    return optim_adagrad(list, c.adagrad);
}

static void set(const char *kind, union any_config *c, const char *key, double value)
{
    const struct {
        const char *kind, *key;
        double *number;
        bool *flag;
    } fields[] = {
        { "optim_sgd", "lr", &c->sgd.lr, NULL },
        { "optim_sgd", "momentum", &c->sgd.momentum, NULL },
        { "optim_sgd", "dampening", &c->sgd.dampening, NULL },
        { "optim_sgd", "weight_decay", &c->sgd.weight_decay, NULL },
        { "optim_sgd", "nesterov", NULL, &c->sgd.nesterov },
        { "optim_adam", "lr", &c->adam.lr, NULL },
        { "optim_adam", "beta1", &c->adam.beta1, NULL },
        { "optim_adam", "beta2", &c->adam.beta2, NULL },
        { "optim_adam", "eps", &c->adam.eps, NULL },
        { "optim_adam", "weight_decay", &c->adam.weight_decay, NULL },
        { "optim_rmsprop", "lr", &c->rmsprop.lr, NULL },
        { "optim_rmsprop", "alpha", &c->rmsprop.alpha, NULL },
        { "optim_rmsprop", "eps", &c->rmsprop.eps, NULL },
        { "optim_rmsprop", "weight_decay", &c->rmsprop.weight_decay, NULL },
        { "optim_rmsprop", "momentum", &c->rmsprop.momentum, NULL },
        { "optim_rmsprop", "centered", NULL, &c->rmsprop.centered },
        { "optim_adagrad", "lr", &c->adagrad.lr, NULL },
        { "optim_adagrad", "lr_decay", &c->adagrad.lr_decay, NULL },
        { "optim_adagrad", "weight_decay", &c->adagrad.weight_decay, NULL },
        { "optim_adagrad", "initial_accumulator_value", &c->adagrad.initial_accumulator_value,
          NULL },
        { "optim_adagrad", "eps", &c->adagrad.eps, NULL },
    };
    const char *family = strcmp(kind, "optim_adamw") == 0 ? "optim_adam" : kind;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (strcmp(family, fields[i].kind) == 0 && strcmp(key, fields[i].key) == 0) {
            if (fields[i].flag != NULL) {
                *fields[i].flag = value != 0;
            } else {
                *fields[i].number = value;
            }
            return;
        }
    }
    ck_abort_msg("%s has no setting %s", kind, key);
}

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

/* Records the loss whose gradients are the drawn numbers, for those parameters that have a gradient now. */
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

/* ---- long runs ---------------------------------------------------------------------------------------------------------- */

#define LONG 300007

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

/* ---- errors --------------------------------------------------------------------------------------------------------------- */

static void quiet(ag_error code, const char *message, void *user)
{
    (void)code;
    (void)message;
    (void)user;
}

/* Holds the sticky error to a beginning of its message, and clears it. */
static void expect(ag_error code, const char *message)
{
    ck_assert_str_eq(ag_error_name(ag_error_code()), ag_error_name(code));
    ck_assert_msg(strncmp(ag_error_message(), message, strlen(message)) == 0,
                  "\"%s\" should begin with \"%s\"", ag_error_message(), message);
    ck_assert_msg(strstr(ag_error_message(), "test_optim.c:") != NULL ||
                      strstr(message, "optim_lr") != NULL ||
                      strstr(message, "optim_set_lr") != NULL ||
                      strstr(message, "optim_clip") != NULL,
                  "\"%s\" should name the line", ag_error_message());
    ag_error_clear();
}

static void refuse(const char *kind, const char *key, double value, const char *message)
{
    ag_tensor w = ag_leaf(AG_SHAPE(2), AG_FLOAT32, true);
    union any_config c = defaults(kind);
    set(kind, &c, key, value);
    optim *o = make(kind, list_of(&w, 0, 1), c);
    ck_assert_ptr_nonnull(o);
    expect(AG_ERROR_VALUE, message);
    optim_free(o);
    ag_drop(&w);
}

START_TEST(refuses_values_out_of_range)
{
    ag_error_set_handler(quiet, NULL);
    refuse("optim_sgd", "lr", -0.1, "optim_sgd: lr is -0.1, it must be finite and at least 0");
    refuse("optim_sgd", "lr", NAN, "optim_sgd: lr is nan, it must be finite and at least 0");
    refuse("optim_sgd", "momentum", -1,
           "optim_sgd: momentum is -1, it must be finite and at least 0");
    refuse("optim_sgd", "dampening", INFINITY, "optim_sgd: dampening is inf, it must be finite");
    refuse("optim_sgd", "weight_decay", -1,
           "optim_sgd: weight_decay is -1, it must be finite and at least 0");
    refuse("optim_sgd", "nesterov", 1,
           "optim_sgd: nesterov needs momentum above 0 and dampening 0, got momentum 0 and "
           "dampening 0");
    refuse("optim_adam", "lr", INFINITY, "optim_adam: lr is inf, it must be finite and at least 0");
    refuse("optim_adam", "beta1", 1, "optim_adam: beta1 is 1, it must be at least 0 and below 1");
    refuse("optim_adam", "beta2", -0.5,
           "optim_adam: beta2 is -0.5, it must be at least 0 and below 1");
    refuse("optim_adamw", "beta2", NAN,
           "optim_adamw: beta2 is nan, it must be at least 0 and below 1");
    refuse("optim_adamw", "eps", -1e-8,
           "optim_adamw: eps is -1e-08, it must be finite and at least 0");
    refuse("optim_rmsprop", "alpha", 1.5,
           "optim_rmsprop: alpha is 1.5, it must be at least 0 and below 1");
    refuse("optim_rmsprop", "momentum", NAN,
           "optim_rmsprop: momentum is nan, it must be finite and at least 0");
    refuse("optim_adagrad", "lr_decay", -1,
           "optim_adagrad: lr_decay is -1, it must be finite and at least 0");
    refuse("optim_adagrad", "initial_accumulator_value", -1,
           "optim_adagrad: initial_accumulator_value is -1, it must be finite and at least 0");
}
END_TEST

START_TEST(refuses_a_config_that_is_not_from_its_defaults)
{
    ag_error_set_handler(quiet, NULL);
    ag_tensor w = ag_leaf(AG_SHAPE(2), AG_FLOAT32, true);
    optim_sgd_config zero = { 0 };
    optim_free(optim_sgd(list_of(&w, 0, 1), zero));
    expect(AG_ERROR_VALUE, "optim_sgd: the config was not made by optim_sgd_defaults()");
    optim_free(optim_adamw(list_of(&w, 0, 1), optim_adam_defaults()));
    expect(AG_ERROR_VALUE, "optim_adamw: the config was not made by optim_adamw_defaults()");
    optim *o = optim_sgd(list_of(&w, 0, 1), optim_sgd_defaults());
    optim_adam_config adam = optim_adam_defaults();
    ck_assert_int_eq(optim_add_group(o, ag_list_new(), &adam), -1);
    expect(AG_ERROR_VALUE, "optim_add_group: the config was not made by optim_sgd_defaults()");
    ck_assert_int_eq(optim_add_group(o, ag_list_new(), NULL), -1);
    expect(AG_ERROR_VALUE, "optim_add_group: the config was not made by optim_sgd_defaults()");
    ck_assert_int_eq(optim_group_count(o), 1);
    optim_free(o);
    ag_drop(&w);
}
END_TEST

START_TEST(refuses_lists_that_cannot_be_optimized)
{
    ag_error_set_handler(quiet, NULL);
    optim_sgd_config config = optim_sgd_defaults();
    ag_tensor w[2] = { ag_leaf(AG_SHAPE(2), AG_FLOAT32, true),
                       ag_leaf(AG_SHAPE(2), AG_INT64, false) };
    ag_scope scope = { 0 };
    ag_begin(&scope);
    ag_tensor y = ag_mul(w[0], w[0]), bad[2] = { w[0], y };

    optim_free(optim_sgd(NULL, config));
    expect(AG_ERROR_VALUE, "optim_sgd: the list of parameters is NULL");
    optim_free(optim_sgd(ag_list_new(), config));
    expect(AG_ERROR_VALUE, "optim_sgd: the list of parameters is empty");
    optim_free(optim_sgd(list_of(bad, 0, 2), config));
    expect(AG_ERROR_VALUE, "optim_sgd: parameter 1 \"w1\" is the result of an operation; only "
                           "leaves can be optimized");
    optim_free(optim_sgd(list_of(w, 0, 2), config));
    expect(AG_ERROR_DTYPE,
           "optim_sgd: parameter 1 \"w1\" is int64; only float32 and float64 can be optimized");
    bad[1] = w[0];
    optim_free(optim_sgd(list_of(bad, 0, 2), config));
    expect(AG_ERROR_VALUE, "optim_sgd: parameter 1 \"w1\" is already in this optimizer");
    bad[0] = AG_NONE;
    optim_free(optim_sgd(list_of(bad, 0, 2), config));
    expect(AG_ERROR_LIFETIME, "optim_sgd: parameter 0 \"w0\" is none");
    ag_end(&scope);
    bad[0] = y;
    optim_free(optim_sgd(list_of(bad, 0, 2), config));
    expect(AG_ERROR_LIFETIME, "optim_sgd: parameter 0 \"w0\" is a tensor that is gone");

    optim *o = optim_sgd(list_of(w, 0, 1), config);
    ck_assert_int_eq(optim_add_group(o, list_of(w, 0, 1), &config), -1);
    expect(AG_ERROR_VALUE, "optim_add_group: parameter 0 \"w0\" is already in this optimizer");
    ck_assert_int_eq(optim_add_group(o, NULL, &config), -1);
    expect(AG_ERROR_VALUE, "optim_add_group: the list of parameters is NULL");
    ck_assert_int_eq(optim_group_count(o), 1);
    ck_assert_int_eq(optim_add_group(o, ag_list_new(), &config), 1);
    ck_assert_int_eq(optim_step(o), AG_OK);
    optim_free(o);
    drop_all(w, 2);
}
END_TEST

START_TEST(learning_rates_belong_to_groups)
{
    ag_error_set_handler(quiet, NULL);
    ag_tensor w[2] = { ag_leaf(AG_SHAPE(2), AG_FLOAT32, true),
                       ag_leaf(AG_SHAPE(2), AG_FLOAT32, true) };
    optim_sgd_config config = optim_sgd_defaults();
    optim *o = optim_sgd(list_of(w, 0, 1), config);
    config.lr = 0.5;
    ck_assert_int_eq(optim_add_group(o, list_of(w, 1, 2), &config), 1);
    ck_assert_int_eq(optim_group_count(o), 2);
    ck_assert_double_eq(optim_lr(o, 0), 1e-3);
    optim_set_lr(o, 0, 0.25);
    ck_assert_double_eq(optim_lr(o, 0), 0.25);
    ck_assert_double_eq(optim_lr(o, 1), 0.5);
    optim_set_lr(o, 1, -1);
    expect(AG_ERROR_VALUE, "optim_set_lr: lr is -1, it must be finite and at least 0");
    ck_assert_double_eq(optim_lr(o, 1), 0.5);
    ck_assert_double_nan(optim_lr(o, 2));
    expect(AG_ERROR_INDEX, "optim_lr: group 2 of an optimizer with 2 groups");
    ck_assert_double_nan(optim_clip_grad_norm(o, NAN));
    expect(AG_ERROR_VALUE, "optim_clip_grad_norm: max_norm is nan, it must be at least 0");
    optim_clip_grad_value(o, -1);
    expect(AG_ERROR_VALUE, "optim_clip_grad_value: max is -1, it must be at least 0");
    optim_free(o);
    drop_all(w, 2);
}
END_TEST

START_TEST(the_nil_optimizer_says_so)
{
    ag_error_set_handler(quiet, NULL);
    optim *o = optim_sgd(ag_list_new(), optim_sgd_defaults());
    ck_assert_int_eq(optim_step(o), AG_ERROR_VALUE); /* the first error stays */
    optim_zero_grad(o);
    expect(AG_ERROR_VALUE, "optim_sgd: the list of parameters is empty");
    ck_assert_int_eq(optim_step(o), AG_ERROR_STATE);
    expect(AG_ERROR_STATE, "optim_step: the optimizer is nil: making it failed");
    ck_assert_int_eq(optim_step(NULL), AG_ERROR_STATE);
    expect(AG_ERROR_STATE, "optim_step: the optimizer is NULL");
    ck_assert_int_eq(optim_group_count(o), 0);
    optim_free(o);
    optim_free(NULL);
}
END_TEST

START_TEST(a_step_after_an_error_does_nothing)
{
    ag_error_set_handler(quiet, NULL);
    ag_tensor w = ag_leaf(AG_SHAPE(2), AG_FLOAT64, true);
    optim *o = optim_adam(list_of(&w, 0, 1), optim_adam_defaults());
    ag_scope scope = { 0 };
    ag_begin(&scope);
    double x[] = { 1, 2 }, got[2];
    ag_backward(toward(w, x));
    ag_error_raise(AG_HERE, AG_ERROR_VALUE, "something else");
    ck_assert_int_eq(optim_step(o), AG_ERROR_VALUE);
    ag_error_clear();
    ag_read_doubles(w, got, 2);
    ck_assert_double_eq(got[0], 0);
    ck_assert_int_eq(optim_step(o), AG_OK);
    ag_read_doubles(w, got, 2);
    ck_assert_double_eq_tol(got[0], -1e-3,
                            1e-10); /* its first step: the skipped one did not count */
    ag_end(&scope);
    optim_free(o);
    ag_drop(&w);
}
END_TEST

/* A value that backward needs is overwritten, so backward fails after it has reached one of two parameters. */
START_TEST(a_step_after_a_failed_backward_changes_no_parameter)
{
    ag_error_set_handler(quiet, NULL);
    ag_tensor w[2] = { ag_leaf(AG_SHAPE(2), AG_FLOAT64, true),
                       ag_leaf(AG_SHAPE(2), AG_FLOAT64, true) };
    optim *o = optim_sgd(list_of(w, 0, 2), optim_sgd_defaults());
    ag_scope scope = { 0 };
    ag_begin(&scope);
    double x[] = { 1, 2 }, got[2];
    ag_tensor square = ag_sum(ag_square(w[0]));
    ag_tensor loss = ag_add(square, toward(w[1], x));
    ag_write(w[0], x, 2);
    ck_assert_int_ne(ag_backward(loss), AG_OK);
    ag_error_clear();
    ck_assert_int_ne(optim_step(o), AG_OK);
    ag_error_clear();
    ck_assert_double_nan(optim_clip_grad_norm(o, 1));
    ag_error_clear();
    ag_read_doubles(w[0], got, 2);
    ck_assert_double_eq(got[1], 2);
    ag_read_doubles(w[1], got, 2);
    ck_assert_double_eq(got[1], 0);
    optim_zero_grad(o);
    ck_assert_int_eq(ag_backward(toward(w[1], x)), AG_OK);
    ck_assert_int_eq(optim_step(o), AG_OK);
    ag_read_doubles(w[1], got, 2);
    ck_assert_double_eq_tol(got[1], -2e-3, 1e-15);
    ag_end(&scope);
    optim_free(o);
    drop_all(w, 2);
}
END_TEST

START_TEST(a_step_is_an_in_place_change_that_backward_sees)
{
    ag_error_set_handler(quiet, NULL);
    ag_tensor w = ag_leaf(AG_SHAPE(2), AG_FLOAT64, true);
    optim *o = optim_sgd(list_of(&w, 0, 1), optim_sgd_defaults());
    ag_scope scope = { 0 };
    ag_begin(&scope);
    double x[] = { 1, 2 };
    ag_tensor late = ag_sum(ag_square(w));
    ag_backward(toward(w, x));
    ck_assert_int_eq(optim_step(o), AG_OK);
    ck_assert_int_ne(ag_backward(late), AG_OK);
    ag_error_clear();
    ag_end(&scope);
    optim_free(o);
    ag_drop(&w);
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
    TCase *errors = tcase_create("errors");
    tcase_add_test(errors, refuses_values_out_of_range);
    tcase_add_test(errors, refuses_a_config_that_is_not_from_its_defaults);
    tcase_add_test(errors, refuses_lists_that_cannot_be_optimized);
    tcase_add_test(errors, learning_rates_belong_to_groups);
    tcase_add_test(errors, the_nil_optimizer_says_so);
    tcase_add_test(errors, a_step_after_an_error_does_nothing);
    tcase_add_test(errors, a_step_after_a_failed_backward_changes_no_parameter);
    tcase_add_test(errors, a_step_is_an_in_place_change_that_backward_sees);
    suite_add_tcase(suite, errors);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
