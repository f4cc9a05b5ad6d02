/*
 * Pooling, and the layers that only reshape or pass on.
 */
#include <stdio.h>

#include "internal.h"
#include "layers.h"

/* ---- max and average over windows ------------------------------------------------------------ */

struct nn_pool2d {
    nn_module base;
    ag_pool2d_config config;
};

static ag_tensor max_pool2d_forward(nn_module *m, ag_tensor x)
{
    return ag_max_pool2d(x, ((const struct nn_pool2d *)m)->config);
}

static ag_tensor avg_pool2d_forward(nn_module *m, ag_tensor x)
{
    return ag_avg_pool2d(x, ((const struct nn_pool2d *)m)->config);
}

static void pool2d_describe(const nn_module *m, char *text, size_t bytes)
{
    const ag_pool2d_config *c = &((const struct nn_pool2d *)m)->config;
    int64_t down = c->stride[0] != 0 ? c->stride[0] : c->kernel[0];
    int64_t right = c->stride[1] != 0 ? c->stride[1] : c->kernel[1];
    snprintf(text, bytes, "kernel_size=(%lld, %lld), stride=(%lld, %lld), padding=(%lld, %lld)%s",
             (long long)c->kernel[0], (long long)c->kernel[1], (long long)down, (long long)right,
             (long long)c->padding[0], (long long)c->padding[1],
             c->ceil_mode ? ", ceil_mode=True" : "");
}

static const nn_module_type max_pool2d_type = {
    .size = sizeof(nn_module_type),
    .name = "MaxPool2d",
    .instance_size = sizeof(struct nn_pool2d),
    .forward = max_pool2d_forward,
    .describe = pool2d_describe,
};

static const nn_module_type avg_pool2d_type = {
    .size = sizeof(nn_module_type),
    .name = "AvgPool2d",
    .instance_size = sizeof(struct nn_pool2d),
    .forward = avg_pool2d_forward,
    .describe = pool2d_describe,
};

static const char *config_problem(const ag_pool2d_config *c)
{
    if (c->made_by_defaults != ag_pool2d_defaults(1).made_by_defaults) {
        return "the config did not come from ag_pool2d_defaults()";
    }
    if (c->kernel[0] < 1 || c->kernel[1] < 1) {
        return "the kernel must be at least 1";
    }
    if (c->stride[0] < 0 || c->stride[1] < 0) {
        return "the stride must be at least 1 (0: the kernel)";
    }
    if (c->padding[0] < 0 || c->padding[1] < 0 || c->padding[0] > c->kernel[0] / 2 ||
        c->padding[1] > c->kernel[1] / 2) {
        return "the padding must be between 0 and half the kernel";
    }
    return NULL;
}

static nn_module *pool2d_new(const char *function, const nn_module_type *type,
                             ag_pool2d_config config)
{
    const char *problem = config_problem(&config);
    if (problem != NULL) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE,
                       "%s: %s (kernel=(%lld, %lld), stride=(%lld, %lld), padding=(%lld, %lld))",
                       function, problem, (long long)config.kernel[0], (long long)config.kernel[1],
                       (long long)config.stride[0], (long long)config.stride[1],
                       (long long)config.padding[0], (long long)config.padding[1]);
        return nn_module_nil(type);
    }
    nn_module *m = nn_module_new(type);
    ((struct nn_pool2d *)m)->config = config;
    return m;
}

nn_module *nn_max_pool2d(int64_t kernel)
{
    return pool2d_new("nn_max_pool2d", &max_pool2d_type, ag_pool2d_defaults(kernel));
}

nn_module *nn_max_pool2d_with(ag_pool2d_config config)
{
    return pool2d_new("nn_max_pool2d_with", &max_pool2d_type, config);
}

nn_module *nn_avg_pool2d(int64_t kernel)
{
    return pool2d_new("nn_avg_pool2d", &avg_pool2d_type, ag_pool2d_defaults(kernel));
}

nn_module *nn_avg_pool2d_with(ag_pool2d_config config)
{
    return pool2d_new("nn_avg_pool2d_with", &avg_pool2d_type, config);
}

/* ---- average over a given number of cells ---------------------------------------------------- */

struct nn_adaptive_pool2d {
    nn_module base;
    int64_t h, w;
};

static ag_tensor adaptive_forward(nn_module *m, ag_tensor x)
{
    const struct nn_adaptive_pool2d *self = (const struct nn_adaptive_pool2d *)m;
    return ag_adaptive_avg_pool2d(x, self->h, self->w);
}

static void adaptive_describe(const nn_module *m, char *text, size_t bytes)
{
    const struct nn_adaptive_pool2d *self = (const struct nn_adaptive_pool2d *)m;
    snprintf(text, bytes, "output_size=(%lld, %lld)", (long long)self->h, (long long)self->w);
}

static const nn_module_type adaptive_type = {
    .size = sizeof(nn_module_type),
    .name = "AdaptiveAvgPool2d",
    .instance_size = sizeof(struct nn_adaptive_pool2d),
    .forward = adaptive_forward,
    .describe = adaptive_describe,
};

nn_module *nn_adaptive_avg_pool2d(int64_t h, int64_t w)
{
    if (h < 1 || w < 1) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE,
                       "nn_adaptive_avg_pool2d: needs at least 1 x 1 cells, got %lld x %lld",
                       (long long)h, (long long)w);
        return nn_module_nil(&adaptive_type);
    }
    nn_module *m = nn_module_new(&adaptive_type);
    struct nn_adaptive_pool2d *self = (struct nn_adaptive_pool2d *)m;
    self->h = h;
    self->w = w;
    return m;
}

/* ---- flatten, unflatten and identity -------------------------------------------------------------------- */

static ag_tensor flatten_forward(nn_module *m, ag_tensor x)
{
    (void)m;
    return ag_flatten(x, 1, -1);
}

static const nn_module_type flatten_type = {
    .size = sizeof(nn_module_type),
    .name = "Flatten",
    .instance_size = sizeof(nn_module),
    .forward = flatten_forward,
};

nn_module *nn_flatten(void)
{
    return nn_module_new(&flatten_type);
}

struct nn_unflatten {
    nn_module base;
    int dim;
    ag_shape sizes;
};

static ag_tensor unflatten_forward(nn_module *m, ag_tensor x)
{
    const struct nn_unflatten *self = (const struct nn_unflatten *)m;
    return ag_unflatten(x, self->dim, self->sizes);
}

static void unflatten_describe(const nn_module *m, char *text, size_t bytes)
{
    const struct nn_unflatten *self = (const struct nn_unflatten *)m;
    char sizes[AG_SHAPE_TEXT];
    snprintf(text, bytes, "dim=%d, unflattened_size=%s", self->dim, ag_shape_format(self->sizes, sizes, sizeof(sizes)));
}

static const nn_module_type unflatten_type = {
    .size = sizeof(nn_module_type),
    .name = "Unflatten",
    .instance_size = sizeof(struct nn_unflatten),
    .forward = unflatten_forward,
    .describe = unflatten_describe,
};

nn_module *nn_unflatten(int dim, ag_shape sizes)
{
    nn_module *m = nn_module_new(&unflatten_type);
    ((struct nn_unflatten *)m)->dim = dim;
    ((struct nn_unflatten *)m)->sizes = sizes;
    return m;
}

static ag_tensor identity_forward(nn_module *m, ag_tensor x)
{
    (void)m;
    return x;
}

static const nn_module_type identity_type = {
    .size = sizeof(nn_module_type),
    .name = "Identity",
    .instance_size = sizeof(nn_module),
    .forward = identity_forward,
};

nn_module *nn_identity(void)
{
    return nn_module_new(&identity_type);
}
