/*
 * Convolution.
 */
#include <math.h>
#include <stdio.h>

#include "init.h"
#include "internal.h"
#include "layers.h"

#define MADE_BY_DEFAULTS 0x6e6e6332u

/* y = x * W + b        x (N,in,H,W)   W (out,in/groups,kh,kw)   b (out)   y (N,out,OH,OW) */
struct nn_conv2d {
    nn_module base;
    nn_conv2d_config config;
    ag_tensor weight, bias;
};

static int64_t fan_in(const nn_conv2d_config *c)
{
    return c->in / c->conv.groups * c->kernel[0] * c->kernel[1];
}

static void bias_init(ag_tensor bias, ag_rng *rng, const nn_module *owner)
{
    double bound = 1 / sqrt((double)fan_in(&((const struct nn_conv2d *)owner)->config));
    nn_init_uniform(bias, -bound, bound, rng);
}

static void conv2d_visit(nn_module *m, nn_visitor *v)
{
    struct nn_conv2d *self = (struct nn_conv2d *)m;
    const nn_conv2d_config *c = &self->config;
    nn_visit_parameter(v, "weight", &self->weight,
                       AG_SHAPE(c->out, c->in / c->conv.groups, c->kernel[0], c->kernel[1]),
                       nn_fill_fan_in);
    if (c->bias) {
        nn_visit_parameter(v, "bias", &self->bias, AG_SHAPE(c->out), bias_init);
    }
}

static ag_tensor conv2d_forward(nn_module *m, ag_tensor x)
{
    const struct nn_conv2d *self = (const struct nn_conv2d *)m;
    return ag_conv2d(x, self->weight, self->bias, self->config.conv);
}

static void conv2d_describe(const nn_module *m, char *text, size_t bytes)
{
    const nn_conv2d_config *c = &((const struct nn_conv2d *)m)->config;
    char padding[64] = "";
    if (c->conv.padding_mode == AG_PADDING_SAME) {
        snprintf(padding, sizeof(padding), ", padding=same");
    } else if (c->conv.padding_mode == AG_PADDING_NUMBERS &&
               (c->conv.padding[0] != 0 || c->conv.padding[1] != 0)) {
        snprintf(padding, sizeof(padding), ", padding=(%lld, %lld)", (long long)c->conv.padding[0],
                 (long long)c->conv.padding[1]);
    }
    snprintf(text, bytes, "%lld, %lld, kernel_size=(%lld, %lld), stride=(%lld, %lld)%s%s",
             (long long)c->in, (long long)c->out, (long long)c->kernel[0], (long long)c->kernel[1],
             (long long)c->conv.stride[0], (long long)c->conv.stride[1], padding,
             c->bias ? "" : ", bias=False");
}

static const nn_module_type conv2d_type = {
    .size = sizeof(nn_module_type),
    .name = "Conv2d",
    .instance_size = sizeof(struct nn_conv2d),
    .visit = conv2d_visit,
    .forward = conv2d_forward,
    .describe = conv2d_describe,
};

nn_conv2d_config nn_conv2d_defaults(int64_t in, int64_t out, int64_t kernel)
{
    return (nn_conv2d_config){
        .made_by_defaults = MADE_BY_DEFAULTS,
        .in = in,
        .out = out,
        .kernel = { kernel, kernel },
        .bias = true,
        .conv = ag_conv2d_defaults(),
    };
}

/* NULL if the configuration is sound. */
static const char *config_problem(const nn_conv2d_config *c)
{
    const ag_conv2d_config *conv = &c->conv;
    if (c->made_by_defaults != MADE_BY_DEFAULTS ||
        conv->made_by_defaults != ag_conv2d_defaults().made_by_defaults) {
        return "the config did not come from nn_conv2d_defaults()";
    }
    if (c->in < 1 || c->out < 1) {
        return "needs at least 1 input and 1 output channel";
    }
    if (c->kernel[0] < 1 || c->kernel[1] < 1) {
        return "the kernel must be at least 1";
    }
    if (conv->stride[0] < 1 || conv->stride[1] < 1) {
        return "the stride must be at least 1";
    }
    if (conv->padding[0] < 0 || conv->padding[1] < 0) {
        return "the padding must not be negative";
    }
    if (conv->dilation[0] < 1 || conv->dilation[1] < 1) {
        return "the dilation must be at least 1";
    }
    if (conv->groups < 1 || c->in % conv->groups != 0 || c->out % conv->groups != 0) {
        return "the groups must divide the channels";
    }
    if (conv->padding_mode == AG_PADDING_SAME && (conv->stride[0] != 1 || conv->stride[1] != 1)) {
        return "padding \"same\" needs stride 1";
    }
    return NULL;
}

static nn_module *conv2d_new(const char *function, nn_conv2d_config config)
{
    const char *problem = config_problem(&config);
    if (problem != NULL) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE,
                       "%s: %s (in=%lld, out=%lld, kernel=(%lld, %lld), groups=%lld)", function,
                       problem, (long long)config.in, (long long)config.out,
                       (long long)config.kernel[0], (long long)config.kernel[1],
                       (long long)config.conv.groups);
        return nn_module_nil(&conv2d_type);
    }
    nn_module *m = nn_module_new(&conv2d_type);
    ((struct nn_conv2d *)m)->config = config;
    return m;
}

nn_module *nn_conv2d(int64_t in, int64_t out, int64_t kernel)
{
    return conv2d_new("nn_conv2d", nn_conv2d_defaults(in, out, kernel));
}

nn_module *nn_conv2d_with(nn_conv2d_config config)
{
    return conv2d_new("nn_conv2d_with", config);
}
