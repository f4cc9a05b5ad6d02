/*
 * Adam (Kingma & Ba 2015, algorithm 1) and AdamW (Loshchilov & Hutter 2019, algorithm 2). They
 * differ in where the weight decay enters: Adam adds it to the gradient, AdamW shrinks the weights.
 * eps is outside the root, as in PyTorch.
 */
#include "internal.h"

#include <tgmath.h>

#define ADAM_CONFIG 0x6164616du
#define ADAMW_CONFIG 0x61646177u

/* d = g + decay w;  m = beta1 m + (1 - beta1) d;  v = beta2 v + (1 - beta2) d^2
 * w = keep w - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps) */
#define ADAM_UPDATE(name, real)                                                              \
    AG_MULTIVERSION static void name(const struct optim_run *run)                            \
    {                                                                                        \
        const optim_adam_config *c = run->config;                                            \
        const double t = (double)run->step;                                                  \
        const bool decoupled = c->made_by_defaults == ADAMW_CONFIG;                          \
        const real decay = decoupled ? 0 : (real)c->weight_decay;                            \
        const real keep = decoupled ? (real)(1 - c->lr * c->weight_decay) : 1;               \
        const real beta1 = (real)c->beta1, rest1 = (real)(1 - c->beta1);                     \
        const real beta2 = (real)c->beta2, rest2 = (real)(1 - c->beta2);                     \
        const real rate = (real)(c->lr / (1 - pow(c->beta1, t)));                            \
        const real scale = (real)(1 / sqrt(1 - pow(c->beta2, t)));                           \
        const real eps = (real)c->eps;                                                       \
        const int64_t n = run->n;                                                            \
        const real *restrict g = run->g;                                                     \
        real *restrict w = run->w, *restrict m = run->state[0], *restrict v = run->state[1]; \
        for (int64_t i = 0; i < n; i++) {                                                    \
            real d = g[i] + decay * w[i];                                                    \
            m[i] = beta1 * m[i] + rest1 * d;                                                 \
            v[i] = beta2 * v[i] + rest2 * d * d;                                             \
            w[i] = keep * w[i] - rate * m[i] / (sqrt(v[i]) * scale + eps);                   \
        }                                                                                    \
    }

ADAM_UPDATE(adam_float, float)
ADAM_UPDATE(adam_double, double)

static bool adam_check(ag_place where, const char *function, const void *config)
{
    const optim_adam_config *c = config;
    return optim_check(where, function, "lr", c->lr, OPTIM_NOT_NEGATIVE) &&
           optim_check(where, function, "beta1", c->beta1, OPTIM_FRACTION) &&
           optim_check(where, function, "beta2", c->beta2, OPTIM_FRACTION) &&
           optim_check(where, function, "eps", c->eps, OPTIM_NOT_NEGATIVE) &&
           optim_check(where, function, "weight_decay", c->weight_decay, OPTIM_NOT_NEGATIVE);
}

static void adam_settings(void *config, ag_state_visitor *v)
{
    optim_adam_config *c = config;
    optim_visit(v, "lr", &c->lr, OPTIM_NOT_NEGATIVE);
    optim_visit(v, "beta1", &c->beta1, OPTIM_FRACTION);
    optim_visit(v, "beta2", &c->beta2, OPTIM_FRACTION);
    optim_visit(v, "eps", &c->eps, OPTIM_NOT_NEGATIVE);
    optim_visit(v, "weight_decay", &c->weight_decay, OPTIM_NOT_NEGATIVE);
}

static int adam_states(const void *config)
{
    (void)config;
    return 2;
}

static const char *adam_state_name(const void *config, int k)
{
    (void)config;
    return k == 0 ? "exp_avg" : "exp_avg_sq";
}

static const struct optim_rule adam = {
    .name = "optim_adam",
    .made_by_defaults = ADAM_CONFIG,
    .config_bytes = sizeof(optim_adam_config),
    .lr_offset = offsetof(optim_adam_config, lr),
    .momentum_offset = offsetof(optim_adam_config, beta1),
    .momentum_range = OPTIM_FRACTION,
    .check = adam_check,
    .settings = adam_settings,
    .states = adam_states,
    .state_name = adam_state_name,
    .update_float = adam_float,
    .update_double = adam_double,
};

static const struct optim_rule adamw = {
    .name = "optim_adamw",
    .made_by_defaults = ADAMW_CONFIG,
    .config_bytes = sizeof(optim_adam_config),
    .lr_offset = offsetof(optim_adam_config, lr),
    .momentum_offset = offsetof(optim_adam_config, beta1),
    .momentum_range = OPTIM_FRACTION,
    .check = adam_check,
    .settings = adam_settings,
    .states = adam_states,
    .state_name = adam_state_name,
    .update_float = adam_float,
    .update_double = adam_double,
};

optim_adam_config optim_adam_defaults(void)
{
    return (optim_adam_config){
        .made_by_defaults = ADAM_CONFIG,
        .lr = 1e-3,
        .beta1 = 0.9,
        .beta2 = 0.999,
        .eps = 1e-8,
    };
}

optim_adam_config optim_adamw_defaults(void)
{
    optim_adam_config config = optim_adam_defaults();
    config.made_by_defaults = ADAMW_CONFIG;
    config.weight_decay = 0.01;
    return config;
}

optim *optim_adam_at(ag_place where, ag_list *parameters, optim_adam_config config)
{
    return optim_make(where, &adam, parameters, &config);
}

optim *optim_adamw_at(ag_place where, ag_list *parameters, optim_adam_config config)
{
    return optim_make(where, &adamw, parameters, &config);
}
