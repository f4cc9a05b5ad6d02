/*
 * Convolution along a line: of the steps of a sequence, with its features as channels.
 */
#include <math.h>
#include <stdio.h>

#include "init.h"
#include "internal.h"
#include "layers.h"

/* y = x * W + b        x (N,in,L)   W (out,in/groups,k)   b (out)   y (N,out,OL) */
struct nn_conv1d {
    nn_module base;
    nn_conv1d_config config;
    ag_tensor weight, bias;
};

static void bias_init(ag_tensor bias, ag_rng *rng, const nn_module *owner)
{
    const nn_conv1d_config *c = &((const struct nn_conv1d *)owner)->config;
    double bound = 1 / sqrt((double)(c->in / c->conv.groups * c->kernel));
    nn_init_uniform(bias, -bound, bound, rng);
}

static void conv1d_visit(nn_module *m, nn_visitor *v)
{
    struct nn_conv1d *self = (struct nn_conv1d *)m;
    const nn_conv1d_config *c = &self->config;
    nn_visit_parameter(v, "weight", &self->weight, AG_SHAPE(c->out, c->in / c->conv.groups, c->kernel), nn_fill_fan_in);
    if (c->bias) {
        nn_visit_parameter(v, "bias", &self->bias, AG_SHAPE(c->out), bias_init);
    }
}

static ag_tensor conv1d_forward(nn_module *m, ag_tensor x)
{
    const struct nn_conv1d *self = (const struct nn_conv1d *)m;
    return ag_conv1d(x, self->weight, self->bias, self->config.conv);
}

static void conv1d_describe(const nn_module *m, char *text, size_t bytes)
{
    const nn_conv1d_config *c = &((const struct nn_conv1d *)m)->config;
    char padding[64] = "", groups[64] = "", dilation[64] = "";
    if (c->conv.padding_mode == AG_PADDING_SAME) {
        snprintf(padding, sizeof(padding), ", padding=same");
    } else if (c->conv.padding_mode == AG_PADDING_NUMBERS && c->conv.padding != 0) {
        snprintf(padding, sizeof(padding), ", padding=%lld", (long long)c->conv.padding);
    }
    if (c->conv.dilation != 1) {
        snprintf(dilation, sizeof(dilation), ", dilation=%lld", (long long)c->conv.dilation);
    }
    if (c->conv.groups != 1) {
        snprintf(groups, sizeof(groups), ", groups=%lld", (long long)c->conv.groups);
    }
    snprintf(text, bytes, "%lld, %lld, kernel_size=%lld, stride=%lld%s%s%s%s", (long long)c->in, (long long)c->out,
             (long long)c->kernel, (long long)c->conv.stride, padding, dilation, groups, c->bias ? "" : ", bias=False");
}

static const nn_module_type conv1d_type = {
    .size = sizeof(nn_module_type),
    .name = "Conv1d",
    .instance_size = sizeof(struct nn_conv1d),
    .visit = conv1d_visit,
    .forward = conv1d_forward,
    .describe = conv1d_describe,
};

nn_conv1d_config nn_conv1d_defaults(int64_t in, int64_t out, int64_t kernel)
{
    return (nn_conv1d_config){
        .made_by_defaults = NN_MADE_BY_DEFAULTS,
        .in = in,
        .out = out,
        .kernel = kernel,
        .bias = true,
        .conv = ag_conv1d_defaults(),
    };
}

/* NULL if the configuration is sound. */
static const char *config_problem(const nn_conv1d_config *c)
{
    const ag_conv1d_config *conv = &c->conv;
    if (c->made_by_defaults != NN_MADE_BY_DEFAULTS || conv->made_by_defaults != ag_conv1d_defaults().made_by_defaults) {
        return "the config did not come from nn_conv1d_defaults()";
    }
    if (c->in < 1 || c->out < 1) {
        return "needs at least 1 input and 1 output channel";
    }
    if (c->kernel < 1) {
        return "the kernel must be at least 1";
    }
    if (conv->stride < 1) {
        return "the stride must be at least 1";
    }
    if (conv->padding < 0) {
        return "the padding must not be negative";
    }
    if (conv->dilation < 1) {
        return "the dilation must be at least 1";
    }
    if (conv->groups < 1 || c->in % conv->groups != 0 || c->out % conv->groups != 0) {
        return "the groups must divide the channels";
    }
    if (conv->padding_mode == AG_PADDING_SAME && conv->stride != 1) {
        return "padding \"same\" needs stride 1";
    }
    return NULL;
}

static nn_module *conv1d_new(const char *function, nn_conv1d_config config)
{
    const char *problem = config_problem(&config);
    if (problem != NULL) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "%s: %s (in=%lld, out=%lld, kernel=%lld, groups=%lld)", function, problem,
                       (long long)config.in, (long long)config.out, (long long)config.kernel, (long long)config.conv.groups);
        return nn_module_nil(&conv1d_type);
    }
    nn_module *m = nn_module_new(&conv1d_type);
    ((struct nn_conv1d *)m)->config = config;
    return m;
}

nn_module *nn_conv1d(int64_t in, int64_t out, int64_t kernel)
{
    return conv1d_new("nn_conv1d", nn_conv1d_defaults(in, out, kernel));
}

nn_module *nn_conv1d_with(nn_conv1d_config config)
{
    return conv1d_new("nn_conv1d_with", config);
}
