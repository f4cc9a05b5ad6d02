/*
 * Pooling along a line.
 */
#include <stdio.h>

#include "internal.h"
#include "layers.h"

/* ---- max and average over windows ------------------------------------------------------------ */

struct nn_pool1d {
    nn_module base;
    ag_pool1d_config config;
};

static ag_tensor max_pool1d_forward(nn_module *m, ag_tensor x)
{
    return ag_max_pool1d(x, ((const struct nn_pool1d *)m)->config);
}

static ag_tensor avg_pool1d_forward(nn_module *m, ag_tensor x)
{
    return ag_avg_pool1d(x, ((const struct nn_pool1d *)m)->config);
}

static void pool1d_describe(const nn_module *m, char *text, size_t bytes)
{
    const ag_pool1d_config *c = &((const struct nn_pool1d *)m)->config;
    snprintf(text, bytes, "kernel_size=%lld, stride=%lld, padding=%lld%s", (long long)c->kernel,
             (long long)(c->stride != 0 ? c->stride : c->kernel), (long long)c->padding, c->ceil_mode ? ", ceil_mode=True" : "");
}

static const nn_module_type max_pool1d_type = {
    .size = sizeof(nn_module_type),
    .name = "MaxPool1d",
    .instance_size = sizeof(struct nn_pool1d),
    .forward = max_pool1d_forward,
    .describe = pool1d_describe,
};

static const nn_module_type avg_pool1d_type = {
    .size = sizeof(nn_module_type),
    .name = "AvgPool1d",
    .instance_size = sizeof(struct nn_pool1d),
    .forward = avg_pool1d_forward,
    .describe = pool1d_describe,
};

static const char *config_problem(const ag_pool1d_config *c)
{
    if (c->made_by_defaults != ag_pool1d_defaults(1).made_by_defaults) {
        return "the config did not come from ag_pool1d_defaults()";
    }
    if (c->kernel < 1) {
        return "the kernel must be at least 1";
    }
    if (c->stride < 0) {
        return "the stride must be at least 1 (0: the kernel)";
    }
    if (c->padding < 0 || c->padding > c->kernel / 2) {
        return "the padding must be between 0 and half the kernel";
    }
    return NULL;
}

static nn_module *pool1d_new(const char *function, const nn_module_type *type, ag_pool1d_config config)
{
    const char *problem = config_problem(&config);
    if (problem != NULL) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "%s: %s (kernel=%lld, stride=%lld, padding=%lld)", function, problem,
                       (long long)config.kernel, (long long)config.stride, (long long)config.padding);
        return nn_module_nil(type);
    }
    nn_module *m = nn_module_new(type);
    ((struct nn_pool1d *)m)->config = config;
    return m;
}

nn_module *nn_max_pool1d(int64_t kernel)
{
    return pool1d_new("nn_max_pool1d", &max_pool1d_type, ag_pool1d_defaults(kernel));
}

nn_module *nn_max_pool1d_with(ag_pool1d_config config)
{
    return pool1d_new("nn_max_pool1d_with", &max_pool1d_type, config);
}

nn_module *nn_avg_pool1d(int64_t kernel)
{
    return pool1d_new("nn_avg_pool1d", &avg_pool1d_type, ag_pool1d_defaults(kernel));
}

nn_module *nn_avg_pool1d_with(ag_pool1d_config config)
{
    return pool1d_new("nn_avg_pool1d_with", &avg_pool1d_type, config);
}

/* ---- average over a given number of cells ---------------------------------------------------- */

struct nn_adaptive_pool1d {
    nn_module base;
    int64_t cells;
};

static ag_tensor adaptive_forward(nn_module *m, ag_tensor x)
{
    return ag_adaptive_avg_pool1d(x, ((const struct nn_adaptive_pool1d *)m)->cells);
}

static void adaptive_describe(const nn_module *m, char *text, size_t bytes)
{
    snprintf(text, bytes, "output_size=%lld", (long long)((const struct nn_adaptive_pool1d *)m)->cells);
}

static const nn_module_type adaptive_type = {
    .size = sizeof(nn_module_type),
    .name = "AdaptiveAvgPool1d",
    .instance_size = sizeof(struct nn_adaptive_pool1d),
    .forward = adaptive_forward,
    .describe = adaptive_describe,
};

nn_module *nn_adaptive_avg_pool1d(int64_t cells)
{
    if (cells < 1) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "nn_adaptive_avg_pool1d: needs at least 1 cell, got %lld", (long long)cells);
        return nn_module_nil(&adaptive_type);
    }
    nn_module *m = nn_module_new(&adaptive_type);
    ((struct nn_adaptive_pool1d *)m)->cells = cells;
    return m;
}
