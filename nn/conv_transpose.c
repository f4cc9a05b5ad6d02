/*
 * Transposed convolution: the way back to larger pictures.
 */
#include <math.h>
#include <stdio.h>

#include "init.h"
#include "internal.h"
#include "layers.h"

/* x (N,in,H,W)   weight (in,out/groups,kh,kw)   bias (out)   y (N,out,OH,OW) */
struct nn_conv_transpose2d {
    nn_module base;
    nn_conv_transpose2d_config config;
    ag_tensor weight, bias;
};

/* As PyTorch counts it: along the weight's second dimension. */
static int64_t fan_in(const nn_conv_transpose2d_config *c)
{
    return c->out / c->conv.groups * c->kernel[0] * c->kernel[1];
}

static void bias_init(ag_tensor bias, ag_rng *rng, const nn_module *owner)
{
    double bound = 1 / sqrt((double)fan_in(&((const struct nn_conv_transpose2d *)owner)->config));
    nn_init_uniform(bias, -bound, bound, rng);
}

static void transpose_visit(nn_module *m, nn_visitor *v)
{
    struct nn_conv_transpose2d *self = (struct nn_conv_transpose2d *)m;
    const nn_conv_transpose2d_config *c = &self->config;
    nn_visit_parameter(v, "weight", &self->weight, AG_SHAPE(c->in, c->out / c->conv.groups, c->kernel[0], c->kernel[1]),
                       nn_fill_fan_in);
    if (c->bias) {
        nn_visit_parameter(v, "bias", &self->bias, AG_SHAPE(c->out), bias_init);
    }
}

static ag_tensor transpose_forward(nn_module *m, ag_tensor x)
{
    const struct nn_conv_transpose2d *self = (const struct nn_conv_transpose2d *)m;
    return ag_conv_transpose2d(x, self->weight, self->bias, self->config.conv);
}

static void transpose_describe(const nn_module *m, char *text, size_t bytes)
{
    const nn_conv_transpose2d_config *c = &((const struct nn_conv_transpose2d *)m)->config;
    snprintf(text, bytes, "%lld, %lld, kernel_size=(%lld, %lld), stride=(%lld, %lld), padding=(%lld, %lld)%s", (long long)c->in,
             (long long)c->out, (long long)c->kernel[0], (long long)c->kernel[1], (long long)c->conv.stride[0],
             (long long)c->conv.stride[1], (long long)c->conv.padding[0], (long long)c->conv.padding[1],
             c->bias ? "" : ", bias=False");
}

static const nn_module_type transpose_type = {
    .size = sizeof(nn_module_type),
    .name = "ConvTranspose2d",
    .instance_size = sizeof(struct nn_conv_transpose2d),
    .visit = transpose_visit,
    .forward = transpose_forward,
    .describe = transpose_describe,
};

bool nn_is_transposed(const nn_module *m)
{
    return m->type == &transpose_type;
}

nn_conv_transpose2d_config nn_conv_transpose2d_defaults(int64_t in, int64_t out, int64_t kernel)
{
    return (nn_conv_transpose2d_config){
        .made_by_defaults = NN_MADE_BY_DEFAULTS,
        .in = in,
        .out = out,
        .kernel = {kernel, kernel},
        .bias = true,
        .conv = ag_conv_transpose2d_defaults(),
    };
}

/* NULL if the configuration is sound. */
static const char *config_problem(const nn_conv_transpose2d_config *c)
{
    const ag_conv_transpose2d_config *conv = &c->conv;
    if (c->made_by_defaults != NN_MADE_BY_DEFAULTS ||
        conv->made_by_defaults != ag_conv_transpose2d_defaults().made_by_defaults) {
        return "the config did not come from nn_conv_transpose2d_defaults()";
    }
    if (c->in < 1 || c->out < 1) {
        return "needs at least 1 input and 1 output channel";
    }
    if (conv->groups < 1 || c->in % conv->groups != 0 || c->out % conv->groups != 0) {
        return "the groups must divide the channels";
    }
    for (int d = 0; d < 2; d++) {
        if (c->kernel[d] < 1) {
            return "the kernel must be at least 1";
        }
        if (conv->stride[d] < 1 || conv->dilation[d] < 1) {
            return "stride and dilation must be at least 1";
        }
        if (conv->padding[d] < 0 || conv->output_padding[d] < 0) {
            return "the paddings must not be negative";
        }
        if (conv->output_padding[d] >= conv->stride[d] && conv->output_padding[d] >= conv->dilation[d]) {
            return "the output padding must be less than the stride or the dilation";
        }
    }
    return NULL;
}

static nn_module *transpose_new(const char *function, nn_conv_transpose2d_config config)
{
    const char *problem = config_problem(&config);
    if (problem != NULL) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "%s: %s (in=%lld, out=%lld, kernel=(%lld, %lld), groups=%lld)", function, problem,
                       (long long)config.in, (long long)config.out, (long long)config.kernel[0], (long long)config.kernel[1],
                       (long long)config.conv.groups);
        return nn_module_nil(&transpose_type);
    }
    nn_module *m = nn_module_new(&transpose_type);
    ((struct nn_conv_transpose2d *)m)->config = config;
    return m;
}

nn_module *nn_conv_transpose2d(int64_t in, int64_t out, int64_t kernel)
{
    return transpose_new("nn_conv_transpose2d", nn_conv_transpose2d_defaults(in, out, kernel));
}

nn_module *nn_conv_transpose2d_with(nn_conv_transpose2d_config config)
{
    return transpose_new("nn_conv_transpose2d_with", config);
}
