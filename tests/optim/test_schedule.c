/*
 * Schedules against PyTorch's numbers (golden/schedule.txt, made by golden/make_schedule.py), resumed schedules, and what is
 * refused.
 */
#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "optim/schedule.h"
#include "tests/optim/common.h"

#ifndef TESTS_GOLDEN
#define TESTS_GOLDEN "tests/golden"
#endif

enum { STEPS = 200, GROUPS = 2 };
static const int64_t sizes[GROUPS] = { 3, 2 };

/* ---- the cases of make_schedule.py ------------------------------------------------------------------------------------- */

static double power_or_share(int64_t e, int group, void *user)
{
    (void)user;
    return group == 0 ? pow(0.95, (double)e) : 1 / (1 + (double)e);
}

static double half_and_epoch(int64_t e, int group, void *user)
{
    (void)group, (void)user;
    return 0.5 + (double)e;
}

static optim_schedule *sequence(optim *o)
{
    optim_schedule *parts[] = { optim_constant_lr(o, 0.25, 10), optim_exponential_lr(o, 0.98), optim_step_lr(o, 7, 0.5),
                                optim_polynomial_lr(o, 60, 2) };
    return optim_sequential_lr(o, 4, parts, ((int64_t[]){ 15, 80, 110 }));
}

static optim_schedule *sequence_of_lambda(optim *o)
{
    optim_schedule *parts[] = { optim_lambda_lr(o, half_and_epoch, NULL),
                                optim_multi_step_lr(o, 2, ((int64_t[]){ 3, 9 }), 0.3), optim_linear_lr(o, 0.2, 0.7, 40) };
    return optim_sequential_lr(o, 3, parts, ((int64_t[]){ 4, 50 }));
}

static const char *const cycles[] = { "one_cycle",      "one_cycle_linear",      "one_cycle_three", "one_cycle_three_linear",
                                      "one_cycle_adam", "one_cycle_no_momentum", "one_cycle_pct_0", "one_cycle_pct_1" };

static optim_schedule *make_cycle(const char *name, optim *o)
{
    static const double three[] = { 0.02, 0.01 }, two[] = { 0.02, 0.003 }, light[] = { 0.8, 0.5 }, heavy[] = { 0.9, 0.99 };
    optim_one_cycle_lr_config c = optim_one_cycle_lr_defaults();
    c.max_lr = 0.3;
    c.total_steps = STEPS + 1;
    if (strcmp(name, "one_cycle_linear") == 0) {
        c.total_steps = 210;
        c.anneal_strategy = OPTIM_ANNEAL_LINEAR;
    } else if (strcmp(name, "one_cycle_three") == 0) {
        c.total_steps = 250;
        c.three_phase = true;
        c.pct_start = 0.4;
    } else if (strcmp(name, "one_cycle_three_linear") == 0) {
        c.max_lrs = three;
        c.three_phase = true;
        c.pct_start = 0.25;
        c.anneal_strategy = OPTIM_ANNEAL_LINEAR;
        c.div_factor = 5;
        c.final_div_factor = 50;
    } else if (strcmp(name, "one_cycle_adam") == 0) {
        c.max_lrs = two;
        c.total_steps = 220;
        c.base_momentums = light;
        c.max_momentums = heavy;
    } else if (strcmp(name, "one_cycle_no_momentum") == 0) {
        c.total_steps = 300;
        c.cycle_momentum = false;
    } else if (strcmp(name, "one_cycle_pct_0") == 0) {
        c.max_lr = 1e-3;
        c.pct_start = 0;
    } else if (strcmp(name, "one_cycle_pct_1") == 0) {
        c.max_lr = 1e-2;
        c.pct_start = 1;
    }
    return optim_one_cycle_lr(o, c);
}

static const char *const plateaus[] = { "plateau",         "plateau_patience_0", "plateau_max", "plateau_abs",
                                        "plateau_max_abs", "plateau_eps",        "plateau_nan" };

static optim_schedule *make_plateau(const char *name, optim *o)
{
    static const double floors[] = { 1e-3, 4e-3 };
    optim_reduce_lr_on_plateau_config c = optim_reduce_lr_on_plateau_defaults();
    if (strcmp(name, "plateau_patience_0") == 0) {
        c.patience = 0;
        c.factor = 0.9;
    } else if (strcmp(name, "plateau_max") == 0) {
        c.mode = OPTIM_MAX;
        c.factor = 0.5;
        c.patience = 3;
        c.threshold = 0.1;
        c.cooldown = 5;
    } else if (strcmp(name, "plateau_abs") == 0) {
        c.threshold_mode = OPTIM_THRESHOLD_ABS;
        c.threshold = 0.05;
        c.patience = 2;
        c.factor = 0.3;
        c.min_lrs = floors;
    } else if (strcmp(name, "plateau_max_abs") == 0) {
        c.mode = OPTIM_MAX;
        c.threshold_mode = OPTIM_THRESHOLD_ABS;
        c.threshold = 0.2;
        c.patience = 1;
        c.factor = 0.7;
        c.cooldown = 2;
        c.min_lr = 1e-4;
    } else if (strcmp(name, "plateau_eps") == 0) {
        c.patience = 0;
        c.factor = 0.5;
        c.eps = 1e-3;
    } else if (strcmp(name, "plateau_nan") == 0) {
        c.patience = 4;
        c.factor = 0.5;
    }
    return optim_reduce_lr_on_plateau(o, c);
}

static bool is_plateau(const char *name)
{
    return strncmp(name, "plateau", 7) == 0;
}

/* Two of them for "chained". */
static optim_schedule *make_schedule(const char *name, optim *o, optim_schedule **second)
{
    const int64_t far[] = { 30, 80, 199 }, twice[] = { 1, 50, 50, 51 };
#define CASE(text, made)            \
    if (strcmp(name, text) == 0) {  \
        return made;                \
    }
    CASE("step_30", optim_step_lr(o, 30, 0.1))
    CASE("step_7", optim_step_lr(o, 7, 0.9))
    CASE("step_1", optim_step_lr(o, 1, 1.01))
    CASE("multi_step", optim_multi_step_lr(o, 3, far, 0.1))
    CASE("multi_step_twice", optim_multi_step_lr(o, 4, twice, 0.5))
    CASE("multi_step_none", optim_multi_step_lr(o, 0, NULL, 0.1))
    CASE("exponential", optim_exponential_lr(o, 0.97))
    CASE("exponential_one", optim_exponential_lr(o, 1))
    CASE("cosine_200", optim_cosine_annealing_lr(o, 200, 0))
    CASE("cosine_50_low", optim_cosine_annealing_lr(o, 50, 1e-3))
    CASE("cosine_7", optim_cosine_annealing_lr(o, 7, 0))
    CASE("cosine_1", optim_cosine_annealing_lr(o, 1, 0.02))
    CASE("constant", optim_constant_lr(o, 1.0 / 3, 5))
    CASE("constant_long", optim_constant_lr(o, 0.7, 120))
    CASE("linear", optim_linear_lr(o, 1.0 / 3, 1, 5))
    CASE("linear_down", optim_linear_lr(o, 1, 0.1, 150))
    CASE("linear_to_zero", optim_linear_lr(o, 0.5, 0, 30))
    CASE("polynomial", optim_polynomial_lr(o, 5, 1))
    CASE("polynomial_2", optim_polynomial_lr(o, 180, 2))
    CASE("polynomial_half", optim_polynomial_lr(o, 200, 0.5))
    CASE("lambda", optim_lambda_lr(o, power_or_share, NULL))
    CASE("warmup_cosine_20", optim_warmup_cosine_lr(o, 20, 200, 0.01, 0))
    CASE("warmup_cosine_1", optim_warmup_cosine_lr(o, 1, 150, 0.5, 1e-4))
    CASE("sequence", sequence(o))
    CASE("sequence_of_lambda", sequence_of_lambda(o))
#undef CASE
    if (strcmp(name, "chained") == 0) {
        optim_schedule *first = optim_constant_lr(o, 0.1, 20);
        *second = optim_exponential_lr(o, 0.99);
        return first;
    }
    for (size_t i = 0; i < sizeof(cycles) / sizeof(cycles[0]); i++) {
        if (strcmp(name, cycles[i]) == 0) {
            return make_cycle(name, o);
        }
    }
    for (size_t i = 0; i < sizeof(plateaus) / sizeof(plateaus[0]); i++) {
        if (strcmp(name, plateaus[i]) == 0) {
            return make_plateau(name, o);
        }
    }
    ck_abort_msg("no schedule for the case %s", name);
    return NULL;
}

/* ---- a run of 200 steps ------------------------------------------------------------------------------------------------ */

struct draws {
    uint32_t state;
};

static double draw(struct draws *d)
{
    d->state = (uint32_t)(((uint64_t)d->state * 1103515245u + 12345u) % 2147483648u);
    return (double)d->state / 1073741824.0 - 1;
}

/* A loss that falls, then stays, with noise. */
static double watched(const char *name, int step, struct draws *d)
{
    double value = 2 / (1 + (step < 60 ? step : 60) / 10.0) + 0.1 * draw(d);
    return strcmp(name, "plateau_nan") == 0 && step >= 5 ? NAN : value;
}

struct run {
    const char *name, *kind;
    ag_tensor w[GROUPS];
    optim *o;
    optim_schedule *schedule, *second;
    struct draws draws;
};

static struct run run_begin(const char *name, const char *kind)
{
    struct run r = { .name = name, .kind = kind, .draws = { 11 } };
    union any_config c[GROUPS] = { defaults(kind), defaults(kind) };
    for (int k = 0; k < GROUPS; k++) {
        double x[3];
        for (int64_t i = 0; i < sizes[k]; i++) {
            x[i] = draw(&r.draws);
        }
        r.w[k] = ag_leaf(AG_SHAPE(sizes[k]), AG_FLOAT64, true);
        ag_write(r.w[k], x, sizes[k]);
        set(kind, &c[k], "lr", k == 0 ? 0.1 : 0.01);
    }
    r.o = make(kind, list_of(r.w, 0, 1), c[0]);
    ck_assert_int_eq(optim_add_group(r.o, list_of(r.w, 1, 2), &c[1]), 1);
    r.schedule = make_schedule(name, r.o, &r.second);
    return r;
}

static void run_step(struct run *r, int step)
{
    ag_scope scope = { 0 };
    ag_begin(&scope);
    optim_zero_grad(r->o);
    for (int k = 0; k < GROUPS; k++) {
        double x[3];
        for (int64_t i = 0; i < sizes[k]; i++) {
            x[i] = draw(&r->draws);
        }
        ag_backward(toward(r->w[k], x));
    }
    optim_step(r->o);
    if (is_plateau(r->name)) {
        optim_schedule_step_metric(r->schedule, watched(r->name, step, &r->draws));
    } else {
        optim_schedule_step(r->schedule);
    }
    if (r->second != NULL) {
        optim_schedule_step(r->second);
    }
    ag_end(&scope);
    ck_assert_int_eq(ag_error_code(), AG_OK);
}

static void run_end(struct run *r)
{
    optim_schedule_free(r->schedule);
    optim_schedule_free(r->second);
    optim_free(r->o);
    drop_all(r->w, GROUPS);
}

/* ---- against PyTorch --------------------------------------------------------------------------------------------------- */

struct golden {
    char name[32], kind[32];
    int64_t rates[GROUPS], momentums[GROUPS], weights[GROUPS];
    double lr[GROUPS][STEPS + 1], momentum[GROUPS][STEPS + 1], w[GROUPS][STEPS + 1];
};

/* "0.1*3 0.2" is 0.1 0.1 0.1 0.2. */
static int64_t read_numbers(char *text, double *x)
{
    int64_t n = 0;
    for (char *word = strtok(text, " \n"); word != NULL; word = strtok(NULL, " \n")) {
        char *end;
        double value = strtod(word, &end);
        int64_t times = *end == '*' ? strtol(end + 1, NULL, 10) : 1;
        ck_assert_int_le(n + times, STEPS + 1);
        for (int64_t i = 0; i < times; i++) {
            x[n++] = value;
        }
    }
    return n;
}

static bool next_case(FILE *f, char *line, int bytes, struct golden *c)
{
    memset(c, 0, sizeof(*c));
    while (strncmp(line, "case ", 5) != 0) {
        if (fgets(line, bytes, f) == NULL) {
            return false;
        }
    }
    ck_assert_int_eq(sscanf(line, "case %31s %31s", c->name, c->kind), 2);
    while (fgets(line, bytes, f) != NULL && strncmp(line, "case ", 5) != 0) {
        int k, used;
        if (sscanf(line, "lr %d%n", &k, &used) == 1) {
            c->rates[k] = read_numbers(line + used, c->lr[k]);
        } else if (sscanf(line, "momentum %d%n", &k, &used) == 1) {
            c->momentums[k] = read_numbers(line + used, c->momentum[k]);
        } else if (sscanf(line, "w %d%n", &k, &used) == 1) {
            c->weights[k] = read_numbers(line + used, c->w[k]);
        }
    }
    return true;
}

static void assert_near(const struct golden *c, const char *what, int step, double got, double expected)
{
    double scale = fabs(expected) > 1e-12 ? fabs(expected) : 1e-12;
    ck_assert_msg(fabs(got - expected) <= 1e-11 * scale, "%s, step %d, %s: %.17g, PyTorch has %.17g", c->name, step, what, got,
                  expected);
}

static void compare_rates(const struct golden *c, const struct run *r, int step)
{
    for (int k = 0; k < GROUPS; k++) {
        assert_near(c, "lr", step, optim_lr(r->o, k), c->lr[k][step]);
        if (c->momentums[k] > 0) {
            assert_near(c, "momentum", step, optim_momentum(r->o, k), c->momentum[k][step]);
        }
    }
}

START_TEST(follows_pytorch_over_200_steps)
{
    static char line[16384];
    static struct golden c;
    FILE *f = fopen(TESTS_GOLDEN "/schedule.txt", "r");
    ck_assert_msg(f != NULL, "%s cannot be read", TESTS_GOLDEN "/schedule.txt");
    int cases = 0, with_momentum = 0;
    while (next_case(f, line, sizeof(line), &c)) {
        struct run r = run_begin(c.name, c.kind);
        ck_assert_int_eq(c.rates[0], STEPS + 1);
        ck_assert_int_eq(c.rates[1], STEPS + 1);
        compare_rates(&c, &r, 0);
        for (int step = 1; step <= STEPS; step++) {
            run_step(&r, step);
            compare_rates(&c, &r, step);
        }
        ck_assert_int_eq(optim_schedule_epoch(r.schedule), STEPS);
        for (int k = 0; k < GROUPS; k++) {
            double x[3];
            ck_assert_int_eq(c.weights[k], sizes[k]);
            ag_read(r.w[k], x, sizes[k]);
            for (int64_t i = 0; i < sizes[k]; i++) {
                assert_near(&c, "weight", STEPS, x[i], c.w[k][i]);
            }
        }
        run_end(&r);
        cases++;
        with_momentum += c.momentums[0] > 0;
    }
    fclose(f);
    ck_assert_int_eq(cases, 41);
    ck_assert_int_eq(with_momentum, 7);
}
END_TEST

/* ---- resumed ----------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name, *kind;
} resumed[] = {
    { "step_7", "optim_sgd" },           { "multi_step_twice", "optim_sgd" },       { "exponential", "optim_adam" },
    { "cosine_50_low", "optim_sgd" },    { "constant_long", "optim_sgd" },          { "linear_down", "optim_sgd" },
    { "polynomial_2", "optim_sgd" },     { "lambda", "optim_sgd" },                 { "warmup_cosine_20", "optim_adamw" },
    { "sequence", "optim_sgd" },         { "sequence_of_lambda", "optim_rmsprop" }, { "one_cycle", "optim_sgd" },
    { "one_cycle_adam", "optim_adam" },  { "one_cycle_pct_0", "optim_rmsprop" },    { "plateau_abs", "optim_sgd" },
    { "plateau_max_abs", "optim_sgd" },
};

/* Stops at `stop`, goes on in new objects, and must end at the same bits as without a stop. */
static void resume(const char *name, const char *kind, int stop)
{
    struct run whole = run_begin(name, kind), first = run_begin(name, kind);
    for (int step = 1; step <= stop; step++) {
        run_step(&first, step);
    }
    ag_state *optimizer = ag_state_take(optim_stateful(first.o));
    ag_state *schedule = ag_state_take(optim_schedule_stateful(first.schedule));
    struct run second = run_begin(name, kind);
    ck_assert_int_eq(ag_state_restore(schedule, optim_schedule_stateful(second.schedule)), AG_OK);
    ck_assert_int_eq(ag_state_restore(optimizer, optim_stateful(second.o)), AG_OK);
    for (int k = 0; k < GROUPS; k++) {
        double x[3];
        ag_read(first.w[k], x, sizes[k]);
        ag_write(second.w[k], x, sizes[k]);
    }
    second.draws = first.draws;
    ag_state_free(optimizer);
    ag_state_free(schedule);
    run_end(&first);
    for (int step = 1; step <= STEPS; step++) {
        run_step(&whole, step);
        if (step > stop) {
            run_step(&second, step);
            ck_assert_msg(optim_lr(whole.o, 0) == optim_lr(second.o, 0) && optim_lr(whole.o, 1) == optim_lr(second.o, 1),
                          "%s resumed at %d: other rates at step %d", name, stop, step);
        }
    }
    ck_assert_int_eq(optim_schedule_epoch(second.schedule), STEPS);
    for (int k = 0; k < GROUPS; k++) {
        ck_assert_msg(ag_hash(whole.w[k]) == ag_hash(second.w[k]), "%s resumed at %d: other weights", name, stop);
    }
    run_end(&whole);
    run_end(&second);
}

START_TEST(a_resumed_run_is_the_uninterrupted_one)
{
    const int stops[] = { 0, 4, 61, 140 };
    for (size_t i = 0; i < sizeof(resumed) / sizeof(resumed[0]); i++) {
        for (int k = 0; k < 4; k++) {
            resume(resumed[i].name, resumed[i].kind, stops[k]);
        }
    }
}
END_TEST

/* ---- by hand ----------------------------------------------------------------------------------------------------------- */

static ag_tensor w[GROUPS];

static optim *make_sgd(double lr)
{
    w[0] = ag_leaf(AG_SHAPE(2), AG_FLOAT64, true);
    optim_sgd_config c = optim_sgd_defaults();
    c.lr = lr;
    return optim_sgd(list_of(w, 0, 1), c);
}

START_TEST(a_rate_set_by_hand_is_kept)
{
    optim *o = make_sgd(1);
    optim_schedule *s = optim_exponential_lr(o, 0.5);
    optim_schedule_step(s);
    optim_set_lr(o, 0, 8);
    optim_schedule_step(s);
    ck_assert_double_eq(optim_lr(o, 0), 4);
    optim_schedule_free(s);
    optim_free(o);
    drop_all(w, 1);
}
END_TEST

START_TEST(a_cycle_ends_at_its_lowest_rate)
{
    optim *o = make_sgd(1);
    optim_one_cycle_lr_config c = optim_one_cycle_lr_defaults();
    c.max_lr = 1;
    c.total_steps = 10;
    c.anneal_strategy = OPTIM_ANNEAL_LINEAR;
    optim_schedule *s = optim_one_cycle_lr(o, c);
    for (int i = 0; i < 9; i++) {
        optim_schedule_step(s);
    }
    double last = optim_lr(o, 0);
    ck_assert_double_eq_tol(last, 1 / 25.0 / 1e4, 1e-15);
    optim_schedule_step(s); /* after the last step of training */
    ck_assert_double_eq(optim_lr(o, 0), last);
    ck_assert_double_eq_tol(optim_momentum(o, 0), 0.95, 1e-15);
    optim_schedule_free(s);
    optim_free(o);
    drop_all(w, 1);
}
END_TEST

START_TEST(a_warmup_of_no_steps_is_a_cosine)
{
    optim *o = make_sgd(1);
    optim_schedule *s = optim_warmup_cosine_lr(o, 0, 4, 0.1, 0);
    ck_assert_double_eq(optim_lr(o, 0), 1);
    optim_schedule_step(s);
    optim_schedule_step(s);
    ck_assert_double_eq_tol(optim_lr(o, 0), 0.5, 1e-15);
    optim_schedule_free(s);
    optim_free(o);
    drop_all(w, 1);
}
END_TEST

/* ---- what is refused --------------------------------------------------------------------------------------------------- */

static void quiet(ag_error code, const char *message, void *user)
{
    (void)code, (void)message, (void)user;
}

/* Holds the error to its message, and to having left the rate and the place of the call in peace. */
static void expect(const optim *o, ag_error code, const char *message)
{
    ck_assert_str_eq(ag_error_name(ag_error_code()), ag_error_name(code));
    ck_assert_msg(strncmp(ag_error_message(), message, strlen(message)) == 0, "\"%s\" should begin with \"%s\"",
                  ag_error_message(), message);
    ck_assert_ptr_nonnull(strstr(ag_error_message(), "test_schedule.c:"));
    ag_error_clear();
    ck_assert_double_eq(optim_lr(o, 0), 1);
}

static void refuse(const optim *o, optim_schedule *s, const char *message)
{
    ck_assert_ptr_nonnull(s);
    expect(o, AG_ERROR_VALUE, message);
    ck_assert_int_eq(optim_schedule_epoch(s), -1);
    optim_schedule_free(s);
}

START_TEST(refuses_bad_settings)
{
    ag_error_set_handler(quiet, NULL);
    optim *o = make_sgd(1);
    const int64_t falling[] = { 3, 2 }, zero[] = { 0 };
    refuse(o, optim_step_lr(o, 0, 0.1), "optim_step_lr: step_size is 0, it must be at least 1");
    refuse(o, optim_step_lr(o, 1, -1), "optim_step_lr: gamma is -1, it must be finite and at least 0");
    refuse(o, optim_multi_step_lr(o, 2, falling, 0.1), "optim_multi_step_lr: milestone 1 is 2, it must be at least 3");
    refuse(o, optim_multi_step_lr(o, 1, zero, 0.1), "optim_multi_step_lr: milestone 0 is 0, it must be at least 1");
    refuse(o, optim_multi_step_lr(o, 1, NULL, 0.1), "optim_multi_step_lr: the milestones are NULL");
    refuse(o, optim_multi_step_lr(o, -1, zero, 0.1), "optim_multi_step_lr: the number of milestones is negative");
    refuse(o, optim_exponential_lr(o, NAN), "optim_exponential_lr: gamma is nan");
    refuse(o, optim_cosine_annealing_lr(o, 0, 0), "optim_cosine_annealing_lr: T_max is 0, it must be at least 1");
    refuse(o, optim_cosine_annealing_lr(o, 5, -1), "optim_cosine_annealing_lr: eta_min is -1");
    refuse(o, optim_constant_lr(o, 1.5, 5), "optim_constant_lr: factor is 1.5, it must be from 0 to 1");
    refuse(o, optim_constant_lr(o, 0.5, 0), "optim_constant_lr: total_iters is 0, it must be at least 1");
    refuse(o, optim_linear_lr(o, 0, 1, 5), "optim_linear_lr: start_factor is 0, it must be above 0 and at most 1");
    refuse(o, optim_linear_lr(o, 0.5, 2, 5), "optim_linear_lr: end_factor is 2, it must be from 0 to 1");
    refuse(o, optim_linear_lr(o, 0.5, 1, 0), "optim_linear_lr: total_iters is 0");
    refuse(o, optim_polynomial_lr(o, 0, 1), "optim_polynomial_lr: total_iters is 0");
    refuse(o, optim_polynomial_lr(o, 5, -1), "optim_polynomial_lr: power is -1");
    refuse(o, optim_lambda_lr(o, NULL, NULL), "optim_lambda_lr: the factor function is NULL");
    refuse(o, optim_warmup_cosine_lr(o, -1, 5, 0.1, 0), "optim_warmup_cosine_lr: warmup is -1, it must be at least 0");
    refuse(o, optim_warmup_cosine_lr(o, 5, 5, 0.1, 0),
           "optim_warmup_cosine_lr: total is 5, it must be more than warmup, which is 5");
    refuse(o, optim_warmup_cosine_lr(o, 5, 9, 0, 0), "optim_linear_lr: start_factor is 0");
    optim_free(o);
    drop_all(w, 1);
}
END_TEST

#define WITH(config, field, value)            \
    do {                                      \
        (config) = (made_##config);           \
        (config).field = (value);             \
    } while (0)

START_TEST(refuses_bad_cycles_and_plateaus)
{
    ag_error_set_handler(quiet, NULL);
    optim *o = make_sgd(1);
    optim_one_cycle_lr_config c = { 0 }, made_c = optim_one_cycle_lr_defaults();
    refuse(o, optim_one_cycle_lr(o, c), "optim_one_cycle_lr: the config was not made by optim_one_cycle_lr_defaults()");
    refuse(o, optim_one_cycle_lr(o, made_c), "optim_one_cycle_lr: total_steps is 0, it must be at least 1");
    made_c.total_steps = 10;
    refuse(o, optim_one_cycle_lr(o, made_c), "optim_one_cycle_lr: max_lr is 0, it must be finite and above 0");
    made_c.max_lr = 1;
    WITH(c, pct_start, 1.1);
    refuse(o, optim_one_cycle_lr(o, c), "optim_one_cycle_lr: pct_start is 1.1, it must be from 0 to 1");
    WITH(c, div_factor, 0);
    refuse(o, optim_one_cycle_lr(o, c), "optim_one_cycle_lr: div_factor is 0, it must be finite and above 0");
    WITH(c, final_div_factor, INFINITY);
    refuse(o, optim_one_cycle_lr(o, c), "optim_one_cycle_lr: final_div_factor is inf");
    WITH(c, anneal_strategy, (optim_anneal)7);
    refuse(o, optim_one_cycle_lr(o, c), "optim_one_cycle_lr: anneal_strategy is 7");
    WITH(c, base_momentum, -0.5);
    refuse(o, optim_one_cycle_lr(o, c), "optim_one_cycle_lr: base_momentum is -0.5");

    optim_reduce_lr_on_plateau_config p = { 0 }, made_p = optim_reduce_lr_on_plateau_defaults();
    refuse(o, optim_reduce_lr_on_plateau(o, p), "optim_reduce_lr_on_plateau: the config was not made by");
    WITH(p, factor, 1);
    refuse(o, optim_reduce_lr_on_plateau(o, p), "optim_reduce_lr_on_plateau: factor is 1, it must be above 0 and below 1");
    WITH(p, mode, (optim_mode)3);
    refuse(o, optim_reduce_lr_on_plateau(o, p), "optim_reduce_lr_on_plateau: mode is 3");
    WITH(p, patience, -1);
    refuse(o, optim_reduce_lr_on_plateau(o, p), "optim_reduce_lr_on_plateau: patience is -1, it must be at least 0");
    WITH(p, cooldown, -1);
    refuse(o, optim_reduce_lr_on_plateau(o, p), "optim_reduce_lr_on_plateau: cooldown is -1");
    WITH(p, threshold, NAN);
    refuse(o, optim_reduce_lr_on_plateau(o, p), "optim_reduce_lr_on_plateau: threshold is nan");
    WITH(p, min_lr, -1);
    refuse(o, optim_reduce_lr_on_plateau(o, p), "optim_reduce_lr_on_plateau: min_lr is -1");
    WITH(p, eps, -1);
    refuse(o, optim_reduce_lr_on_plateau(o, p), "optim_reduce_lr_on_plateau: eps is -1");
    optim_free(o);

    optim_adagrad_config adagrad = optim_adagrad_defaults();
    adagrad.lr = 1;
    o = optim_adagrad(list_of(w, 0, 1), adagrad);
    refuse(o, optim_one_cycle_lr(o, made_c),
           "optim_one_cycle_lr: optim_adagrad has no momentum; set cycle_momentum to false");
    optim_momentum(o, 0);
    expect(o, AG_ERROR_STATE, "optim_momentum: optim_adagrad has no momentum");
    optim_free(o);
    optim_adam_config adam = optim_adam_defaults();
    adam.lr = 1;
    o = optim_adam(list_of(w, 0, 1), adam);
    WITH(c, max_momentum, 1);
    refuse(o, optim_one_cycle_lr(o, c), "optim_one_cycle_lr: max_momentum is 1, it must be at least 0 and below 1");
    optim_set_momentum(o, 0, 1);
    expect(o, AG_ERROR_VALUE, "optim_set_momentum: momentum is 1, it must be at least 0 and below 1");
    optim_free(o);
    drop_all(w, 1);
}
END_TEST

START_TEST(refuses_sequences_that_cannot_be)
{
    ag_error_set_handler(quiet, NULL);
    optim *o = make_sgd(1), *other = optim_sgd(list_of(w, 0, 1), optim_sgd_defaults());
    const int64_t milestone[] = { 5 }, falling[] = { 5, 5 };
    optim_schedule *parts[3] = { optim_exponential_lr(o, 0.5), optim_exponential_lr(other, 0.5) };
    refuse(o, optim_sequential_lr(o, 2, parts, milestone), "optim_sequential_lr: schedule 1 belongs to another optimizer");
    parts[0] = optim_exponential_lr(o, 0.5);
    parts[1] = NULL;
    refuse(o, optim_sequential_lr(o, 2, parts, milestone), "optim_sequential_lr: schedule 1 is NULL");
    parts[0] = parts[1] = optim_exponential_lr(o, 0.5);
    refuse(o, optim_sequential_lr(o, 2, parts, milestone), "optim_sequential_lr: schedules 0 and 1 are the same");
    parts[0] = optim_exponential_lr(o, 0.5);
    parts[1] = optim_reduce_lr_on_plateau(o, optim_reduce_lr_on_plateau_defaults());
    refuse(o, optim_sequential_lr(o, 2, parts, milestone), "optim_sequential_lr: schedule 1 watches a value");
    for (int i = 0; i < 3; i++) {
        parts[i] = optim_exponential_lr(o, 0.5);
    }
    refuse(o, optim_sequential_lr(o, 3, parts, falling), "optim_sequential_lr: milestone 1 is 5, it must be at least 6");
    parts[0] = optim_exponential_lr(o, 0.5);
    refuse(o, optim_sequential_lr(o, 1, (optim_schedule *[]){ optim_sequential_lr(o, 1, parts, NULL) }, NULL),
           "optim_sequential_lr: schedule 0 is a sequence itself");
    refuse(o, optim_sequential_lr(o, 0, parts, NULL), "optim_sequential_lr: no schedules");
    optim_free(other);
    optim_free(o);
    drop_all(w, 1);
}
END_TEST

static double bad_for_the_second_group(int64_t epoch, int group, void *user)
{
    (void)user;
    return group == 1 && epoch == 1 ? -1 : 1;
}

START_TEST(a_step_that_fails_changes_nothing)
{
    ag_error_set_handler(quiet, NULL);
    optim *o = make_sgd(1);
    optim_schedule *early = optim_exponential_lr(o, 0.5);
    optim_schedule *plateau = optim_reduce_lr_on_plateau(o, optim_reduce_lr_on_plateau_defaults());
    optim_schedule_step(plateau);
    expect(o, AG_ERROR_STATE, "optim_schedule_step: a schedule of optim_reduce_lr_on_plateau needs the value that it watches");
    optim_schedule_step_metric(early, 1);
    expect(o, AG_ERROR_STATE, "optim_schedule_step_metric: a schedule of optim_exponential_lr watches no value");
    optim_schedule_step(NULL);
    expect(o, AG_ERROR_STATE, "optim_schedule_step: the schedule is NULL");

    w[1] = ag_leaf(AG_SHAPE(2), AG_FLOAT64, true);
    optim_sgd_config second = optim_sgd_defaults();
    optim_add_group(o, list_of(w, 1, 2), &second);
    optim_schedule_step(early);
    expect(o, AG_ERROR_STATE, "optim_schedule_step: the optimizer has 2 groups now, and had 1 when optim_exponential_lr made");
    optim_schedule *bad = optim_lambda_lr(o, bad_for_the_second_group, NULL);
    ck_assert_int_eq(optim_schedule_step(bad), AG_ERROR_VALUE);
    ck_assert_int_eq(optim_schedule_step(bad), AG_ERROR_VALUE); /* sticky: nothing happens */
    expect(o, AG_ERROR_VALUE, "optim_lambda_lr: the new lr is -0.001, it must be finite and at least 0");
    ck_assert_int_eq(optim_schedule_epoch(bad), 0);

    optim_one_cycle_lr_config c = optim_one_cycle_lr_defaults();
    c.total_steps = 2;
    c.max_lr = c.div_factor = 1;
    c.final_div_factor = 1;
    optim_schedule *cycle = optim_one_cycle_lr(o, c);
    optim_schedule_step(cycle);
    optim_schedule_step(cycle);
    optim_schedule_step(cycle);
    expect(o, AG_ERROR_STATE, "optim_one_cycle_lr: step 3 of a cycle of 2 steps");

    ag_state *state = ag_state_take(optim_schedule_stateful(bad));
    ck_assert_int_ne(ag_state_restore(state, optim_schedule_stateful(cycle)), AG_OK);
    ck_assert_ptr_nonnull(strstr(ag_error_message(), "optim_lambda_lr"));
    ag_error_clear();
    ag_state_free(state);
    optim_schedule_free(cycle);
    optim_schedule_free(bad);
    optim_schedule_free(plateau);
    optim_schedule_free(early);
    optim_free(o);
    drop_all(w, GROUPS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schedule");
    TCase *tests = tcase_create("schedule");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, follows_pytorch_over_200_steps);
    tcase_add_test(tests, a_resumed_run_is_the_uninterrupted_one);
    tcase_add_test(tests, a_rate_set_by_hand_is_kept);
    tcase_add_test(tests, a_cycle_ends_at_its_lowest_rate);
    tcase_add_test(tests, a_warmup_of_no_steps_is_a_cosine);
    tcase_add_test(tests, refuses_bad_settings);
    tcase_add_test(tests, refuses_bad_cycles_and_plateaus);
    tcase_add_test(tests, refuses_sequences_that_cannot_be);
    tcase_add_test(tests, a_step_that_fails_changes_nothing);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
