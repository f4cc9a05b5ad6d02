/*
 * Initialisation: fills leaves in place. Knows no modules; random numbers come from the engine's
 * random tensors, so that a leaf gets the same bits as ag_uniform() or ag_normal() with the same
 * generator.
 */
#include <math.h>
#include <string.h>

#include "init.h"

static void fill(ag_tensor w, double value)
{
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    ag_tensor values = ag_full(ag_shape_of(w), value, ag_dtype_of(w));
    ag_write(w, ag_data(values), ag_numel(w));
    ag_end(&scope);
}

/* Whether w can hold random numbers; raises if not. An error is sticky or the handle is nil:
 * silent. */
static bool randomisable(const char *function, ag_tensor w, const ag_rng *rng)
{
    if (ag_error_code() != AG_OK || ag_is_nil(w)) {
        return false;
    }
    if (rng == NULL) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "%s: the generator is NULL", function);
        return false;
    }
    ag_dtype dtype = ag_dtype_of(w);
    if (ag_error_code() == AG_OK && !ag_dtype_is_float(dtype)) {
        ag_error_raise(AG_HERE, AG_ERROR_DTYPE, "%s: needs a floating type, got %s", function,
                       ag_dtype_name(dtype));
    }
    return ag_error_code() == AG_OK;
}

static void fill_uniform(const char *function, ag_tensor w, double low, double high, ag_rng *rng)
{
    if (!randomisable(function, w, rng)) {
        return;
    }
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    ag_tensor values = ag_uniform(ag_shape_of(w), low, high, ag_dtype_of(w), rng);
    ag_write(w, ag_data(values), ag_numel(w));
    ag_end(&scope);
}

static void fill_normal(const char *function, ag_tensor w, double mean, double std, ag_rng *rng)
{
    if (!randomisable(function, w, rng)) {
        return;
    }
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    ag_tensor values = ag_normal(ag_shape_of(w), mean, std, ag_dtype_of(w), rng);
    ag_write(w, ag_data(values), ag_numel(w));
    ag_end(&scope);
}

void nn_init_constant(ag_tensor w, double value)
{
    if (ag_error_code() == AG_OK && !ag_is_nil(w)) {
        fill(w, value);
    }
}

void nn_init_zeros(ag_tensor w)
{
    nn_init_constant(w, 0);
}

void nn_init_ones(ag_tensor w)
{
    nn_init_constant(w, 1);
}

void nn_init_uniform(ag_tensor w, double low, double high, ag_rng *rng)
{
    if (!(low <= high) && ag_error_code() == AG_OK) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "nn_init_uniform: the range %g to %g is empty", low,
                       high);
    }
    fill_uniform("nn_init_uniform", w, low, high, rng);
}

void nn_init_normal(ag_tensor w, double mean, double std, ag_rng *rng)
{
    if (!(std >= 0) && ag_error_code() == AG_OK) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE,
                       "nn_init_normal: the standard deviation %g is negative", std);
    }
    fill_normal("nn_init_normal", w, mean, std, rng);
}

/* ---- by fan ---------------------------------------------------------------------------------- */

/* Inputs and outputs of one unit of a (out, in, …) weight. False after raising. */
static bool fans(const char *function, ag_tensor w, double *in, double *out)
{
    if (ag_error_code() != AG_OK || ag_is_nil(w)) {
        return false;
    }
    ag_shape shape = ag_shape_of(w);
    if (ag_error_code() != AG_OK) {
        return false;
    }
    if (shape.ndim < 2) {
        char text[AG_SHAPE_TEXT];
        ag_error_raise(AG_HERE, AG_ERROR_SHAPE,
                       "%s: %s has no fans: a weight has at least 2 dimensions (out, in, …)",
                       function, ag_shape_format(shape, text, sizeof(text)));
        return false;
    }
    double field = 1;
    for (int d = 2; d < shape.ndim; d++) {
        field *= (double)shape.size[d];
    }
    *in = (double)shape.size[1] * field;
    *out = (double)shape.size[0] * field;
    return true;
}

/* sqrt(top / fan), 0 for a weight without elements. */
static double root_over(double top, double fan)
{
    return fan > 0 ? sqrt(top / fan) : 0;
}

void nn_init_xavier_uniform(ag_tensor w, double gain, ag_rng *rng)
{
    double in, out;
    if (fans("nn_init_xavier_uniform", w, &in, &out)) {
        double a = fabs(gain) * root_over(6, in + out);
        fill_uniform("nn_init_xavier_uniform", w, -a, a, rng);
    }
}

void nn_init_xavier_normal(ag_tensor w, double gain, ag_rng *rng)
{
    double in, out;
    if (fans("nn_init_xavier_normal", w, &in, &out)) {
        fill_normal("nn_init_xavier_normal", w, 0, fabs(gain) * root_over(2, in + out), rng);
    }
}

void nn_init_kaiming_uniform(ag_tensor w, double gain, nn_fan fan, ag_rng *rng)
{
    double in, out;
    if (fans("nn_init_kaiming_uniform", w, &in, &out)) {
        double b = fabs(gain) * root_over(3, fan == NN_FAN_IN ? in : out);
        fill_uniform("nn_init_kaiming_uniform", w, -b, b, rng);
    }
}

void nn_init_kaiming_normal(ag_tensor w, double gain, nn_fan fan, ag_rng *rng)
{
    double in, out;
    if (fans("nn_init_kaiming_normal", w, &in, &out)) {
        fill_normal("nn_init_kaiming_normal", w, 0,
                    fabs(gain) * root_over(1, fan == NN_FAN_IN ? in : out), rng);
    }
}

double nn_init_gain(const char *nonlinearity, double param)
{
    static const struct {
        const char *name;
        double gain;
    } gains[] = {
        { "linear", 1 },  { "sigmoid", 1 }, { "tanh", 5.0 / 3 }, { "relu", 1.4142135623730951 },
        { "selu", 0.75 },
    };
    if (nonlinearity != NULL && strcmp(nonlinearity, "leaky_relu") == 0) {
        return sqrt(2 / (1 + param * param));
    }
    for (size_t i = 0; i < sizeof(gains) / sizeof(gains[0]); i++) {
        if (nonlinearity != NULL && strcmp(nonlinearity, gains[i].name) == 0) {
            return gains[i].gain;
        }
    }
    ag_error_raise(AG_HERE, AG_ERROR_VALUE,
                   "nn_init_gain: unknown nonlinearity \"%s\": linear, sigmoid, tanh, relu, "
                   "leaky_relu and selu are known",
                   nonlinearity != NULL ? nonlinearity : "NULL");
    return 1;
}
