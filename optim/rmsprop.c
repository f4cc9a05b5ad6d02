/*
 * RMSprop. Tieleman & Hinton 2012, lecture 6e; centered as in Graves 2013. As in PyTorch eps is
 * outside the root, and the learning rate outside the momentum.
 */
#include "internal.h"

#include <tgmath.h>

#define RMSPROP_CONFIG 0x726d7370u

/* d = g + decay w;  v = alpha v + (1 - alpha) d^2;  centered: a = alpha a + (1 - alpha) d
 * b = momentum b + d / (sqrt(v - a^2) + eps);  w -= lr b
 * The state is v, then a if centered, then b if there is momentum; the loop is compiled for each of
 * the four cases. */
#define RMSPROP_UPDATE(name, real)                                                       \
    static AG_ALWAYS_INLINE void name##_loop(const struct optim_run *run, bool centered, \
                                             bool has_momentum)                          \
    {                                                                                    \
        const optim_rmsprop_config *c = run->config;                                     \
        const real lr = (real)c->lr, decay = (real)c->weight_decay, eps = (real)c->eps;  \
        const real alpha = (real)c->alpha, rest = (real)(1 - c->alpha),                  \
                   momentum = (real)c->momentum;                                         \
        const int64_t n = run->n;                                                        \
        const real *restrict g = run->g;                                                 \
        real *restrict w = run->w, *restrict v = run->state[0];                          \
        real *restrict a = run->state[1], *restrict b = run->state[centered ? 2 : 1];    \
        for (int64_t i = 0; i < n; i++) {                                                \
            real d = g[i] + decay * w[i];                                                \
            v[i] = alpha * v[i] + rest * d * d;                                          \
            real variance = v[i];                                                        \
            if (centered) {                                                              \
                a[i] = alpha * a[i] + rest * d;                                          \
                variance -= a[i] * a[i];                                                 \
            }                                                                            \
            real step = d / (sqrt(variance) + eps);                                      \
            if (has_momentum) {                                                          \
                b[i] = momentum * b[i] + step;                                           \
                step = b[i];                                                             \
            }                                                                            \
            w[i] -= lr * step;                                                           \
        }                                                                                \
    }                                                                                    \
                                                                                         \
    AG_MULTIVERSION static void name(const struct optim_run *run)                        \
    {                                                                                    \
        const optim_rmsprop_config *c = run->config;                                     \
        if (c->centered && c->momentum > 0) {                                            \
            name##_loop(run, true, true);                                                \
        } else if (c->centered) {                                                        \
            name##_loop(run, true, false);                                               \
        } else if (c->momentum > 0) {                                                    \
            name##_loop(run, false, true);                                               \
        } else {                                                                         \
            name##_loop(run, false, false);                                              \
        }                                                                                \
    }

RMSPROP_UPDATE(rmsprop_float, float)
RMSPROP_UPDATE(rmsprop_double, double)

static bool rmsprop_check(ag_place where, const char *function, const void *config)
{
    const optim_rmsprop_config *c = config;
    return optim_check(where, function, "lr", c->lr, OPTIM_NOT_NEGATIVE) &&
           optim_check(where, function, "alpha", c->alpha, OPTIM_FRACTION) &&
           optim_check(where, function, "eps", c->eps, OPTIM_NOT_NEGATIVE) &&
           optim_check(where, function, "weight_decay", c->weight_decay, OPTIM_NOT_NEGATIVE) &&
           optim_check(where, function, "momentum", c->momentum, OPTIM_NOT_NEGATIVE);
}

static void rmsprop_settings(void *config, ag_state_visitor *v)
{
    optim_rmsprop_config *c = config;
    optim_visit(v, "lr", &c->lr, OPTIM_NOT_NEGATIVE);
    optim_visit(v, "alpha", &c->alpha, OPTIM_FRACTION);
    optim_visit(v, "eps", &c->eps, OPTIM_NOT_NEGATIVE);
    optim_visit(v, "weight_decay", &c->weight_decay, OPTIM_NOT_NEGATIVE);
    optim_visit(v, "momentum", &c->momentum, OPTIM_NOT_NEGATIVE);
    ag_state_bool(v, "centered", &c->centered);
}

static int rmsprop_states(const void *config)
{
    const optim_rmsprop_config *c = config;
    return 1 + (c->centered ? 1 : 0) + (c->momentum > 0 ? 1 : 0);
}

static const char *rmsprop_state_name(const void *config, int k)
{
    const optim_rmsprop_config *c = config;
    return k == 0 ? "square_avg" : k == 1 && c->centered ? "grad_avg" : "momentum_buffer";
}

static const struct optim_rule rmsprop = {
    .name = "optim_rmsprop",
    .made_by_defaults = RMSPROP_CONFIG,
    .config_bytes = sizeof(optim_rmsprop_config),
    .lr_offset = offsetof(optim_rmsprop_config, lr),
    .momentum_offset = offsetof(optim_rmsprop_config, momentum),
    .momentum_range = OPTIM_NOT_NEGATIVE,
    .check = rmsprop_check,
    .settings = rmsprop_settings,
    .states = rmsprop_states,
    .state_name = rmsprop_state_name,
    .update_float = rmsprop_float,
    .update_double = rmsprop_double,
};

optim_rmsprop_config optim_rmsprop_defaults(void)
{
    return (optim_rmsprop_config){
        .made_by_defaults = RMSPROP_CONFIG, .lr = 1e-2, .alpha = 0.99, .eps = 1e-8
    };
}

optim *optim_rmsprop_at(ag_place where, ag_list *parameters, optim_rmsprop_config config)
{
    return optim_make(where, &rmsprop, parameters, &config);
}
