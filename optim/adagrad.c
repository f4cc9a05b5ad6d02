/*
 * Adagrad, the diagonal form. Duchi, Hazan & Singer 2011. As in PyTorch eps is outside the root.
 */
#include "internal.h"

#include <tgmath.h>

#define ADAGRAD_CONFIG 0x61646772u

/* d = g + decay w;  s = s + d^2;  w -= lr / (1 + (t - 1) lr_decay) d / (sqrt(s) + eps) */
#define ADAGRAD_UPDATE(name, real)                                                     \
    AG_MULTIVERSION static void name(const struct optim_run *run)                      \
    {                                                                                  \
        const optim_adagrad_config *c = run->config;                                   \
        const real rate = (real)(c->lr / (1 + (double)(run->step - 1) * c->lr_decay)); \
        const real decay = (real)c->weight_decay, eps = (real)c->eps;                  \
        const int64_t n = run->n;                                                      \
        const real *restrict g = run->g;                                               \
        real *restrict w = run->w, *restrict s = run->state[0];                        \
        for (int64_t i = 0; i < n; i++) {                                              \
            real d = g[i] + decay * w[i];                                              \
            s[i] += d * d;                                                             \
            w[i] -= rate * d / (sqrt(s[i]) + eps);                                     \
        }                                                                              \
    }

ADAGRAD_UPDATE(adagrad_float, float)
ADAGRAD_UPDATE(adagrad_double, double)

static bool adagrad_check(ag_place where, const char *function, const void *config)
{
    const optim_adagrad_config *c = config;
    return optim_check(where, function, "lr", c->lr, OPTIM_NOT_NEGATIVE) &&
           optim_check(where, function, "lr_decay", c->lr_decay, OPTIM_NOT_NEGATIVE) &&
           optim_check(where, function, "weight_decay", c->weight_decay, OPTIM_NOT_NEGATIVE) &&
           optim_check(where, function, "initial_accumulator_value", c->initial_accumulator_value,
                       OPTIM_NOT_NEGATIVE) &&
           optim_check(where, function, "eps", c->eps, OPTIM_NOT_NEGATIVE);
}

static void adagrad_settings(void *config, ag_state_visitor *v)
{
    optim_adagrad_config *c = config;
    optim_visit(v, "lr", &c->lr, OPTIM_NOT_NEGATIVE);
    optim_visit(v, "lr_decay", &c->lr_decay, OPTIM_NOT_NEGATIVE);
    optim_visit(v, "weight_decay", &c->weight_decay, OPTIM_NOT_NEGATIVE);
    optim_visit(v, "initial_accumulator_value", &c->initial_accumulator_value, OPTIM_NOT_NEGATIVE);
    optim_visit(v, "eps", &c->eps, OPTIM_NOT_NEGATIVE);
}

static int adagrad_states(const void *config)
{
    (void)config;
    return 1;
}

static double adagrad_initial_state(const void *config)
{
    const optim_adagrad_config *c = config;
    return c->initial_accumulator_value;
}

static const char *adagrad_state_name(const void *config, int k)
{
    (void)config, (void)k;
    return "sum";
}

static const struct optim_rule adagrad = {
    .name = "optim_adagrad",
    .made_by_defaults = ADAGRAD_CONFIG,
    .config_bytes = sizeof(optim_adagrad_config),
    .lr_offset = offsetof(optim_adagrad_config, lr),
    .check = adagrad_check,
    .settings = adagrad_settings,
    .states = adagrad_states,
    .state_name = adagrad_state_name,
    .initial_state = adagrad_initial_state,
    .update_float = adagrad_float,
    .update_double = adagrad_double,
};

optim_adagrad_config optim_adagrad_defaults(void)
{
    return (optim_adagrad_config){ .made_by_defaults = ADAGRAD_CONFIG, .lr = 1e-2, .eps = 1e-10 };
}

optim *optim_adagrad_at(ag_place where, ag_list *parameters, optim_adagrad_config config)
{
    return optim_make(where, &adagrad, parameters, &config);
}
