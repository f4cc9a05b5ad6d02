/*
 * The learning-rate finder against the same run worked out by hand on a parabola, and that it leaves nothing behind.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "optim/lr_finder.h"
#include "tests/optim/common.h"

enum { DIMS = 2 };
static const double curvature[DIMS] = { 1, 4 };
static const double start[DIMS] = { 3, -2 };

/* sum(a w^2) / 2 over both parameters, plus 1; counts its calls and goes wrong when it is told to. */
struct problem {
    ag_tensor w[DIMS];
    int64_t calls, fail_at, nan_at;
    double added;
};

static ag_tensor loss_of(void *user)
{
    struct problem *p = user;
    p->calls++;
    if (p->calls == p->fail_at) {
        return ag_matmul(p->w[0], ag_zeros(AG_SHAPE(3, 3), AG_FLOAT64));
    }
    ag_tensor sum = ag_scalar(p->calls == p->nan_at ? NAN : p->added, AG_FLOAT64);
    for (int k = 0; k < DIMS; k++) {
        ag_tensor half = ag_mul_scalar(ag_sum(ag_square(p->w[k])), curvature[k] / 2);
        sum = ag_add(sum, half);
    }
    return sum;
}

static struct problem problem_begin(void)
{
    struct problem p = { .added = 1 };
    for (int k = 0; k < DIMS; k++) {
        p.w[k] = ag_leaf(AG_SHAPE(1), AG_FLOAT64, true);
        ag_write(p.w[k], &start[k], 1);
    }
    return p;
}

/* Plain descent on the parabola with rising rates; the second parameter goes at `ratio` times the rate. */
static int64_t by_hand(const optim_lr_finder_config *c, double ratio, double *lr, double *loss, double *smoothed)
{
    double w[DIMS] = { start[0], start[1] }, mean = 0, lowest = INFINITY;
    int64_t i = 0;
    while (i < c->steps) {
        lr[i] = exp(log(c->start_lr) + (log(c->end_lr) - log(c->start_lr)) * (double)i / (double)(c->steps - 1));
        loss[i] = 1 + (curvature[0] * w[0] * w[0] + curvature[1] * w[1] * w[1]) / 2;
        mean = c->smoothing * mean + (1 - c->smoothing) * loss[i];
        smoothed[i] = mean / (1 - pow(c->smoothing, (double)(i + 1)));
        lowest = fmin(lowest, smoothed[i]);
        if (smoothed[i++] > c->divergence * lowest) {
            break;
        }
        w[0] -= lr[i - 1] * curvature[0] * w[0];
        w[1] -= ratio * lr[i - 1] * curvature[1] * w[1];
    }
    return i;
}

static optim *make_groups(const struct problem *p, double first, double second)
{
    optim_sgd_config a = optim_sgd_defaults(), b = a;
    a.lr = first;
    b.lr = second;
    optim *o = optim_sgd(list_of(p->w, 0, 1), a);
    optim_add_group(o, list_of(p->w, 1, 2), &b);
    return o;
}

static void compare(double first, double second, optim_lr_finder_config c, bool diverges)
{
    struct problem p = problem_begin();
    optim *o = make_groups(&p, first, second);
    double lr[200], loss[200], smoothed[200];
    int64_t count = by_hand(&c, first > 0 ? second / first : 1, lr, loss, smoothed);
    optim_lr_curve curve = optim_lr_finder_run(o, loss_of, &p, c);
    ck_assert_int_eq(curve.count, count);
    ck_assert_int_eq(curve.diverged, diverges);
    int64_t steepest = -1, lowest = 0;
    for (int64_t i = 0; i < count; i++) {
        ck_assert_double_eq_tol(curve.lr[i] / lr[i], 1, 1e-12);
        ck_assert_double_eq_tol(curve.loss[i] / loss[i], 1, 1e-9);
        ck_assert_double_eq_tol(curve.smoothed[i] / smoothed[i], 1, 1e-9);
        lowest = smoothed[i] < smoothed[lowest] ? i : lowest;
        bool eligible = i >= c.steps / 10 && i + 1 < count - 5 && smoothed[i + 1] < smoothed[i];
        if (eligible && (steepest < 0 || smoothed[i + 1] - smoothed[i] < smoothed[steepest + 1] - smoothed[steepest])) {
            steepest = i;
        }
    }
    ck_assert_int_ge(steepest, 0);
    ck_assert_double_eq(curve.steepest, curve.lr[steepest]);
    ck_assert_double_eq(curve.minimum, curve.lr[lowest]);
    optim_lr_curve_free(&curve);
    ck_assert_ptr_null(curve.lr);
    optim_free(o);
    drop_all(p.w, DIMS);
}

START_TEST(tries_the_rates_that_it_says)
{
    optim_lr_finder_config c = optim_lr_finder_defaults();
    compare(0.1, 0.1, c, true);
    c.smoothing = 0;
    compare(0.5, 0.1, c, false);
    c.end_lr = 1e4;
    compare(0.5, 0.1, c, true);
    c.start_lr = 1e-3;
    c.end_lr = 0.4;
    c.steps = 37;
    c.smoothing = 0.9;
    compare(0, 0.3, c, false);
    c.end_lr = 2;
    c.divergence = INFINITY;
    compare(1, 1, c, false);
}
END_TEST

/* ---- nothing is left behind -------------------------------------------------------------------------------------------- */

static uint64_t hash_all(const struct problem *p)
{
    return ag_hash(p->w[0]) ^ (3 * ag_hash(p->w[1]));
}

/* Adam after some steps: weights, averages, step counts and rates must all come back, so that the next step is the same. */
static void next_steps(struct problem *p, optim *o, uint64_t *hash)
{
    for (int i = 0; i < 3; i++) {
        ag_scope scope = { 0 };
        ag_begin(&scope);
        optim_zero_grad(o);
        ag_backward(loss_of(p));
        optim_step(o);
        ag_end(&scope);
    }
    *hash = hash_all(p);
}

static void quiet(ag_error code, const char *message, void *user)
{
    (void)code, (void)message;
    ++*(int *)user;
}

static void leaves_nothing(int64_t fail_at, int64_t nan_at)
{
    uint64_t expected = 0, got = 0;
    for (int with = 0; with < 2; with++) {
        struct problem p = problem_begin();
        optim *o = optim_adam(list_of(p.w, 0, DIMS), optim_adam_defaults());
        next_steps(&p, o, &got);
        uint64_t before = hash_all(&p);
        if (with == 1) {
            optim_lr_finder_config c = optim_lr_finder_defaults();
            ag_stateful calls = ag_stateful_int64(&p.calls);
            c.restore = &calls;
            c.restore_count = 1;
            p.fail_at = fail_at;
            p.nan_at = nan_at;
            optim_lr_curve curve = optim_lr_finder_run(o, loss_of, &p, c);
            ck_assert_int_eq(ag_error_code(), fail_at > 0 ? AG_ERROR_SHAPE : AG_OK);
            ck_assert(fail_at == 0 || strstr(ag_error_message(), "ag_matmul") != NULL);
            ag_error_clear();
            ck_assert_int_eq(curve.count, fail_at > 0 ? 0 : nan_at > 0 ? nan_at - 4 : 100);
            ck_assert_int_eq(curve.diverged, nan_at > 0);
            ck_assert_int_eq(p.calls, 3);
            ck_assert(hash_all(&p) == before);
            ck_assert_double_eq(optim_lr(o, 0), 1e-3);
            ag_scope scope = { 0 };
            ag_begin(&scope);
            ck_assert(ag_is_none(ag_grad_of(p.w[0])));
            ag_end(&scope);
            optim_lr_curve_free(&curve);
            p.fail_at = p.nan_at = 0;
        }
        next_steps(&p, o, with == 0 ? &expected : &got);
        ck_assert_int_eq(p.calls, 6);
        optim_free(o);
        drop_all(p.w, DIMS);
    }
    ck_assert(got == expected);
}

START_TEST(puts_everything_back)
{
    int errors = 0;
    ag_error_set_handler(quiet, &errors);
    leaves_nothing(0, 0);
    leaves_nothing(0, 20);
    ck_assert_int_eq(errors, 0);
    leaves_nothing(20, 0);
    ck_assert_int_eq(errors, 1);
}
END_TEST

/* ---- what is refused ---------------------------------------------------------------------------------------------------- */

static ag_tensor no_loss(void *user)
{
    (void)user;
    return AG_NONE;
}

static ag_tensor no_scalar(void *user)
{
    return ag_mul_scalar(ag_expand(((struct problem *)user)->w[0], AG_SHAPE(3)), 2);
}

static void refuse(optim *o, optim_loss loss, struct problem *p, optim_lr_finder_config c, const char *message)
{
    optim_lr_curve curve = optim_lr_finder_run(o, loss, p, c);
    ck_assert_msg(strstr(ag_error_message(), message) != NULL, "\"%s\" should contain \"%s\"", ag_error_message(), message);
    ck_assert_ptr_nonnull(strstr(ag_error_message(), "test_lr_finder.c:"));
    ck_assert_int_eq(curve.count, 0);
    ck_assert_ptr_null(curve.lr);
    ag_error_clear();
    ck_assert_double_eq(optim_lr(o, 0), 0.1);
}

START_TEST(refuses_what_makes_no_sense)
{
    int errors = 0;
    ag_error_set_handler(quiet, &errors);
    struct problem p = problem_begin();
    optim *o = make_groups(&p, 0.1, 0.1);
    const optim_lr_finder_config good = optim_lr_finder_defaults();
    optim_lr_finder_config c = { 0 };
    refuse(o, loss_of, &p, c, "optim_lr_finder_run: the config was not made by optim_lr_finder_defaults()");
    refuse(o, NULL, &p, good, "optim_lr_finder_run: the loss function is NULL");
    c = good;
    c.end_lr = 1e-8;
    refuse(o, loss_of, &p, c, "optim_lr_finder_run: the rates go from 1e-07 to 1e-08, they must rise and be above 0");
    c = good;
    c.start_lr = 0;
    refuse(o, loss_of, &p, c, "optim_lr_finder_run: the rates go from 0 to 10");
    c = good;
    c.steps = 1;
    refuse(o, loss_of, &p, c, "optim_lr_finder_run: steps is 1, it must be at least 2");
    c.steps = INT64_MAX;
    refuse(o, loss_of, &p, c, "optim_lr_finder_run: no memory for 9223372036854775807 steps");
    c = good;
    c.smoothing = 1;
    refuse(o, loss_of, &p, c, "optim_lr_finder_run: smoothing is 1, it must be at least 0 and below 1");
    c = good;
    c.divergence = 1;
    refuse(o, loss_of, &p, c, "optim_lr_finder_run: divergence is 1, it must be above 1");
    c = good;
    c.restore_count = 1;
    refuse(o, loss_of, &p, c, "optim_lr_finder_run: restore is NULL");
    refuse(o, no_loss, &p, good, "optim_lr_finder_run: the loss function returned no tensor");
    refuse(o, no_scalar, &p, good, "(3)");
    optim_free(o);
    drop_all(p.w, DIMS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lr finder");
    TCase *tests = tcase_create("lr finder");
    tcase_add_test(tests, tries_the_rates_that_it_says);
    tcase_add_test(tests, puts_everything_back);
    tcase_add_test(tests, refuses_what_makes_no_sense);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
