/*
 * Numerical checks of gradients by central differences. Uses only the public interface: a check must not share code with what
 * it checks.
 */
#include "gradcheck.h"

#include <math.h>
#include <stdlib.h>

#include "ops/ops.h"

#define DEFAULTS 0x67636b31u

ag_gradcheck_config ag_gradcheck_defaults(void)
{
    ag_gradcheck_config config = {DEFAULTS, 0, 0, 1, 0, false};
    return config;
}

struct check {
    ag_function function;
    void *user;
    int n;
    const ag_tensor *inputs;
    int order;
    uint64_t seed;
    bool recorded;
};

/* A random tensor of the other's shape, the same at every call. */
static ag_tensor random_like(ag_tensor t, ag_rng *rng)
{
    int64_t count = ag_numel(t);
    ag_tensor r = ag_zeros(ag_shape_of(t), AG_FLOAT64);
    double *values = ag_data_mut(r);
    for (int64_t i = 0; values != NULL && i < count; i++) {
        values[i] = ag_rng_uniform(rng) * 2 - 1;
    }
    return r;
}

/* <f(inputs), random>, and for the second order the sum of <gradient, random> over the inputs. */
static ag_tensor objective(const struct check *c)
{
    ag_rng rng = ag_rng_seed(c->seed + 0x5eed);
    ag_tensor y = c->function(c->inputs, c->n, c->user);
    if (ag_error_code() != AG_OK) {
        return AG_NIL;
    }
    ag_tensor value = ag_sum(ag_mul(y, random_like(y, &rng)));
    if (c->order == 1 || ag_error_code() != AG_OK) {
        return value;
    }
    ag_backward_config config = ag_backward_defaults();
    config.create_graph = config.allow_unused = true;
    ag_tensor total = AG_NONE;
    for (int i = 0; i < c->n; i++) {
        ag_tensor g, x = c->inputs[i];
        if (!ag_requires_grad(x)) {
            continue;
        }
        if (ag_grad(value, 1, &x, &g, config) != AG_OK) {
            return AG_NIL;
        }
        if (!ag_is_none(g)) {
            ag_tensor part = ag_sum(ag_mul(g, random_like(g, &rng)));
            total = ag_is_none(total) ? part : ag_add(total, part);
        }
    }
    return total;
}

/* The objective at the inputs as they are; recorded only when it has to be differentiated on the way. */
static double evaluate(const struct check *c)
{
    ag_scope scope = {0};
    if (c->order == 1 && !c->recorded) {
        ag_begin_no_grad(&scope);
    } else {
        ag_begin(&scope);
    }
    ag_tensor value = objective(c);
    double result = ag_is_none(value) || ag_is_nil(value) ? 0 : ag_item(value);
    ag_end(&scope);
    return result;
}

/* d objective / d inputs[i] by the tape. */
static void analytic_gradient(const struct check *c, int i, double *gradient, int64_t count)
{
    for (int64_t k = 0; k < count; k++) {
        gradient[k] = 0;
    }
    ag_scope scope = {0};
    ag_begin(&scope);
    ag_tensor value = objective(c), g = AG_NONE;
    if (ag_error_code() == AG_OK && !ag_is_none(value) && ag_requires_grad(value)) {
        ag_backward_config config = ag_backward_defaults();
        config.allow_unused = true;
        ag_grad(value, 1, &c->inputs[i], &g, config);
    }
    if (ag_error_code() == AG_OK && !ag_is_none(g)) {
        ag_read(g, gradient, count);
    }
    ag_end(&scope);
}

/* The same by central differences of two widths, extrapolated (Richardson): the error falls with the fourth power of the
 * step, so that the step can be wide enough for rounding not to matter. */
static void numeric_gradient(const struct check *c, ag_tensor x, double step, double *gradient, int64_t count)
{
    double *values = ag_data_mut(x); /* also to be restored when f raises an error, after which ag_write() does nothing */
    for (int64_t k = 0; k < count && values != NULL && ag_error_code() == AG_OK; k++) {
        double centre = values[k], h = step * fmax(1, fabs(centre)), slope[2];
        for (int width = 0; width < 2; width++) {
            double d = width == 0 ? h : 2 * h;
            values[k] = centre + d;
            double above = evaluate(c);
            values[k] = centre - d;
            slope[width] = (above - evaluate(c)) / (2 * d);
        }
        values[k] = centre;
        gradient[k] = (4 * slope[0] - slope[1]) / 3;
    }
}

ag_gradcheck_report ag_gradcheck_at(ag_place where, ag_function f, void *user, int n, const ag_tensor *inputs,
                                    ag_gradcheck_config config)
{
    ag_gradcheck_report report = {.passed = false};
    if (config.made_by_defaults != DEFAULTS) {
        ag_error_raise(where, AG_ERROR_STATE, "ag_gradcheck: the config does not come from ag_gradcheck_defaults()");
        return report;
    }
    if (config.order != 1 && config.order != 2) {
        ag_error_raise(where, AG_ERROR_VALUE, "ag_gradcheck: order %d; 1 and 2 are possible", config.order);
        return report;
    }
    if (f == NULL || inputs == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "ag_gradcheck: the %s NULL", f == NULL ? "function is" : "inputs are");
        return report;
    }
    ag_place caller = ag_caller_set(where);
    double step = config.step > 0 ? config.step : 1e-3;
    double tolerance = config.tolerance > 0 ? config.tolerance : config.order == 1 ? 1e-7 : 1e-5;
    struct check c = {f, user, n, inputs, config.order, config.seed, config.recorded};
    bool any = false;
    for (int i = 0; i < n && ag_error_code() == AG_OK; i++) {
        if (!ag_requires_grad(inputs[i])) {
            continue;
        }
        if (ag_dtype_of(inputs[i]) != AG_FLOAT64 || !ag_is_leaf(inputs[i]) || !ag_is_contiguous(inputs[i])) {
            ag_error_raise(where, AG_ERROR_DTYPE, "ag_gradcheck: input %d must be a row-major leaf of float64", i);
            break;
        }
        int64_t count = ag_numel(inputs[i]);
        double *analytic = calloc((size_t)count * 2 + 1, sizeof(double));
        if (analytic == NULL) {
            ag_error_raise(where, AG_ERROR_MEMORY, "ag_gradcheck: out of memory");
            break;
        }
        double *numeric = analytic + count;
        any = true;
        analytic_gradient(&c, i, analytic, count);
        numeric_gradient(&c, inputs[i], step, numeric, count);
        double scale = 0;
        for (int64_t k = 0; k < count; k++) {
            scale = fmax(scale, fabs(numeric[k]));
        }
        for (int64_t k = 0; k < count; k++) {
            double difference = fabs(analytic[k] - numeric[k]);
            double error = difference == 0 ? 0 : scale > 0 ? difference / scale : INFINITY;
            if (!(error <= report.worst)) { /* a NaN must not pass */
                report.worst = error != error ? INFINITY : error;
                report.input = i;
                report.element = k;
                report.analytic = analytic[k];
                report.numeric = numeric[k];
                report.scale = scale;
            }
        }
        free(analytic);
    }
    ag_caller_set(caller);
    report.passed = any && ag_error_code() == AG_OK && report.worst <= tolerance;
    return report;
}
