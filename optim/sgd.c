/*
 * Stochastic gradient descent with momentum. Polyak 1964; Nesterov's variant as in Sutskever et al.
 * 2013. As in PyTorch the learning rate is outside the momentum, and the first gradient enters it
 * undamped.
 */
#include "internal.h"

#define SGD_CONFIG 0x73676401u

/* d = g + decay w;  b = momentum b + (1 - dampening) d;  w -= lr (nesterov ? d + momentum b : b) */
#define SGD_UPDATE(name, real)                                                                     \
    AG_MULTIVERSION static void name##_plain(int64_t n, real lr, real decay, real *restrict w,     \
                                             const real *restrict g)                               \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                          \
            w[i] -= lr * (g[i] + decay * w[i]);                                                    \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    /* `now` and `ahead`: how much of the gradient and of the momentum enter the step. */          \
    AG_MULTIVERSION static void name##_momentum(int64_t n, real lr, real decay, real momentum,     \
                                                real rest, real now, real ahead, real *restrict w, \
                                                const real *restrict g, real *restrict b)          \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                          \
            real d = g[i] + decay * w[i];                                                          \
            b[i] = momentum * b[i] + rest * d;                                                     \
            w[i] -= lr * (now * d + ahead * b[i]);                                                 \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    static void name(const struct optim_run *run)                                                  \
    {                                                                                              \
        const optim_sgd_config *c = run->config;                                                   \
        real lr = (real)c->lr, decay = (real)c->weight_decay, momentum = (real)c->momentum;        \
        real rest = run->step == 1 ? 1 : (real)(1 - c->dampening);                                 \
        if (c->momentum == 0) {                                                                    \
            name##_plain(run->n, lr, decay, run->w, run->g);                                       \
        } else {                                                                                   \
            name##_momentum(run->n, lr, decay, momentum, rest, c->nesterov ? 1 : 0,                \
                            c->nesterov ? momentum : 1, run->w, run->g, run->state[0]);            \
        }                                                                                          \
    }

SGD_UPDATE(sgd_float, float)
SGD_UPDATE(sgd_double, double)

static bool sgd_check(ag_place where, const char *function, const void *config)
{
    const optim_sgd_config *c = config;
    if (!optim_check(where, function, "lr", c->lr, OPTIM_NOT_NEGATIVE) ||
        !optim_check(where, function, "momentum", c->momentum, OPTIM_NOT_NEGATIVE) ||
        !optim_check(where, function, "dampening", c->dampening, OPTIM_FINITE) ||
        !optim_check(where, function, "weight_decay", c->weight_decay, OPTIM_NOT_NEGATIVE)) {
        return false;
    }
    if (c->nesterov && (c->momentum == 0 || c->dampening != 0)) {
        ag_error_raise(
            where, AG_ERROR_VALUE,
            "%s: nesterov needs momentum above 0 and dampening 0, got momentum %g and dampening %g",
            function, c->momentum, c->dampening);
        return false;
    }
    return true;
}

static void sgd_settings(void *config, ag_state_visitor *v)
{
    optim_sgd_config *c = config;
    optim_visit(v, "lr", &c->lr, OPTIM_NOT_NEGATIVE);
    optim_visit(v, "momentum", &c->momentum, OPTIM_NOT_NEGATIVE);
    optim_visit(v, "dampening", &c->dampening, OPTIM_FINITE);
    optim_visit(v, "weight_decay", &c->weight_decay, OPTIM_NOT_NEGATIVE);
    ag_state_bool(v, "nesterov", &c->nesterov);
}

static int sgd_states(const void *config)
{
    const optim_sgd_config *c = config;
    return c->momentum == 0 ? 0 : 1;
}

static const char *sgd_state_name(const void *config, int k)
{
    (void)config, (void)k;
    return "momentum_buffer";
}

static const struct optim_rule sgd = {
    .name = "optim_sgd",
    .made_by_defaults = SGD_CONFIG,
    .config_bytes = sizeof(optim_sgd_config),
    .lr_offset = offsetof(optim_sgd_config, lr),
    .momentum_offset = offsetof(optim_sgd_config, momentum),
    .momentum_range = OPTIM_NOT_NEGATIVE,
    .check = sgd_check,
    .settings = sgd_settings,
    .states = sgd_states,
    .state_name = sgd_state_name,
    .update_float = sgd_float,
    .update_double = sgd_double,
};

optim_sgd_config optim_sgd_defaults(void)
{
    return (optim_sgd_config){ .made_by_defaults = SGD_CONFIG, .lr = 1e-3 };
}

optim *optim_sgd_at(ag_place where, ag_list *parameters, optim_sgd_config config)
{
    return optim_make(where, &sgd, parameters, &config);
}
