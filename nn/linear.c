/*
 * The linear layer. Also the initialisers that several layers share.
 */
#include <math.h>
#include <stdio.h>

#include "init.h"
#include "internal.h"
#include "layers.h"

void nn_fill_zeros(ag_tensor w, ag_rng *rng, const nn_module *owner)
{
    (void)rng, (void)owner;
    nn_init_zeros(w);
}

void nn_fill_ones(ag_tensor w, ag_rng *rng, const nn_module *owner)
{
    (void)rng, (void)owner;
    nn_init_ones(w);
}

void nn_fill_fan_in(ag_tensor w, ag_rng *rng, const nn_module *owner)
{
    (void)owner;
    nn_init_kaiming_uniform(w, 0.57735026918962576 /* sqrt(1/3): the bound is 1 / sqrt(fan_in) */,
                            NN_FAN_IN, rng);
}

/* y = x W^T + b        x (…,in)   W (out,in)   b (out)   y (…,out) */
struct nn_linear {
    nn_module base;
    int64_t in, out;
    bool has_bias;
    ag_tensor weight, bias;
};

static void bias_init(ag_tensor bias, ag_rng *rng, const nn_module *owner)
{
    double bound = 1 / sqrt((double)((const struct nn_linear *)owner)->in);
    nn_init_uniform(bias, -bound, bound, rng);
}

static void linear_visit(nn_module *m, nn_visitor *v)
{
    struct nn_linear *self = (struct nn_linear *)m;
    nn_visit_parameter(v, "weight", &self->weight, AG_SHAPE(self->out, self->in), nn_fill_fan_in);
    if (self->has_bias) {
        nn_visit_parameter(v, "bias", &self->bias, AG_SHAPE(self->out), bias_init);
    }
}

static ag_tensor linear_forward(nn_module *m, ag_tensor x)
{
    const struct nn_linear *self = (const struct nn_linear *)m;
    return ag_linear(x, self->weight, self->bias);
}

static void linear_describe(const nn_module *m, char *text, size_t bytes)
{
    const struct nn_linear *self = (const struct nn_linear *)m;
    snprintf(text, bytes, "in_features=%lld, out_features=%lld, bias=%s", (long long)self->in,
             (long long)self->out, self->has_bias ? "True" : "False");
}

static const nn_module_type linear_type = {
    .size = sizeof(nn_module_type),
    .name = "Linear",
    .instance_size = sizeof(struct nn_linear),
    .visit = linear_visit,
    .forward = linear_forward,
    .describe = linear_describe,
};

static nn_module *linear_new(const char *function, int64_t in, int64_t out, bool bias)
{
    if (in < 1 || out < 1) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE,
                       "%s: needs at least 1 input and 1 output, got in=%lld, out=%lld", function,
                       (long long)in, (long long)out);
        return nn_module_nil(&linear_type);
    }
    nn_module *m = nn_module_new(&linear_type);
    struct nn_linear *self = (struct nn_linear *)m;
    self->in = in;
    self->out = out;
    self->has_bias = bias;
    return m;
}

nn_module *nn_linear(int64_t in, int64_t out)
{
    return linear_new("nn_linear", in, out, true);
}

nn_module *nn_linear_no_bias(int64_t in, int64_t out)
{
    return linear_new("nn_linear_no_bias", in, out, false);
}
