/*
 * Activations: layers without parameters of their own, each one operation.
 */
#include <stdio.h>

#include "internal.h"
#include "layers.h"

/* ---- without a setting ----------------------------------------------------------------------- */

/* nn_relu() is a layer called ReLU that computes ag_relu(x). */
#define ACTIVATION(function, title)                                \
    static ag_tensor function##_forward(nn_module *m, ag_tensor x) \
    {                                                              \
        (void)m;                                                   \
        return ag_##function(x);                                   \
    }                                                              \
    static const nn_module_type function##_type = {                \
        .size = sizeof(nn_module_type),                            \
        .name = title,                                             \
        .instance_size = sizeof(nn_module),                        \
        .forward = function##_forward,                             \
    };                                                             \
    nn_module *nn_##function(void)                                 \
    {                                                              \
        return nn_module_new(&function##_type);                    \
    }

ACTIVATION(relu, "ReLU")
ACTIVATION(gelu, "GELU")
ACTIVATION(silu, "SiLU")
ACTIVATION(sigmoid, "Sigmoid")
ACTIVATION(tanh, "Tanh")
ACTIVATION(softplus, "Softplus")

/* ---- with a number --------------------------------------------------------------------------- */

struct nn_activation {
    nn_module base;
    double number; /* slope, alpha */
    int dim;
};

/* nn_elu(alpha) is a layer called ELU that computes ag_elu(x, alpha). */
#define ACTIVATION_NUMBER(function, title, setting)                                      \
    static ag_tensor function##_forward(nn_module *m, ag_tensor x)                       \
    {                                                                                    \
        return ag_##function(x, ((const struct nn_activation *)m)->number);              \
    }                                                                                    \
    static void function##_describe(const nn_module *m, char *text, size_t bytes)        \
    {                                                                                    \
        snprintf(text, bytes, setting "=%g", ((const struct nn_activation *)m)->number); \
    }                                                                                    \
    static const nn_module_type function##_type = {                                      \
        .size = sizeof(nn_module_type),                                                  \
        .name = title,                                                                   \
        .instance_size = sizeof(struct nn_activation),                                   \
        .forward = function##_forward,                                                   \
        .describe = function##_describe,                                                 \
    };                                                                                   \
    nn_module *nn_##function(double number)                                              \
    {                                                                                    \
        nn_module *m = nn_module_new(&function##_type);                                  \
        ((struct nn_activation *)m)->number = number;                                    \
        return m;                                                                        \
    }

ACTIVATION_NUMBER(leaky_relu, "LeakyReLU", "negative_slope")
ACTIVATION_NUMBER(elu, "ELU", "alpha")

/* ---- along a dimension ----------------------------------------------------------------------- */

#define ACTIVATION_DIM(function, title)                                           \
    static ag_tensor function##_forward(nn_module *m, ag_tensor x)                \
    {                                                                             \
        return ag_##function(x, ((const struct nn_activation *)m)->dim);          \
    }                                                                             \
    static void function##_describe(const nn_module *m, char *text, size_t bytes) \
    {                                                                             \
        snprintf(text, bytes, "dim=%d", ((const struct nn_activation *)m)->dim);  \
    }                                                                             \
    static const nn_module_type function##_type = {                               \
        .size = sizeof(nn_module_type),                                           \
        .name = title,                                                            \
        .instance_size = sizeof(struct nn_activation),                            \
        .forward = function##_forward,                                            \
        .describe = function##_describe,                                          \
    };                                                                            \
    nn_module *nn_##function(int dim)                                             \
    {                                                                             \
        nn_module *m = nn_module_new(&function##_type);                           \
        ((struct nn_activation *)m)->dim = dim;                                   \
        return m;                                                                 \
    }

ACTIVATION_DIM(softmax, "Softmax")
ACTIVATION_DIM(log_softmax, "LogSoftmax")
