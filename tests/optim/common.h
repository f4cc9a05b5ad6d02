/*
 * What the tests of optimizers share: losses with given gradients, and optimizers by name.
 */
#ifndef WENGERT_TESTS_OPTIM_COMMON_H
#define WENGERT_TESTS_OPTIM_COMMON_H

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "optim/optim.h"

/* sum(w * x): its gradient by w is x. */
static inline ag_tensor toward(ag_tensor w, const double *x)
{
    ag_tensor g = ag_from(ag_shape_of(w), AG_FLOAT64, x);
    return ag_sum(ag_mul(w, ag_cast(g, ag_dtype_of(w))));
}

static inline ag_list *list_of(const ag_tensor *w, int first, int end)
{
    ag_list *list = ag_list_new();
    for (int i = first; i < end; i++) {
        char name[16];
        snprintf(name, sizeof(name), "w%d", i);
        ag_list_add(list, name, w[i]);
    }
    return list;
}

static inline void drop_all(ag_tensor *w, int n)
{
    for (int i = 0; i < n; i++) {
        ag_drop(&w[i]);
    }
}

union any_config {
    uint32_t made_by_defaults;
    optim_sgd_config sgd;
    optim_adam_config adam;
    optim_rmsprop_config rmsprop;
    optim_adagrad_config adagrad;
};

static inline union any_config defaults(const char *kind)
{
    union any_config c = { 0 };
    if (strcmp(kind, "optim_sgd") == 0) {
        c.sgd = optim_sgd_defaults();
    } else if (strcmp(kind, "optim_adam") == 0) {
        c.adam = optim_adam_defaults();
    } else if (strcmp(kind, "optim_adamw") == 0) {
        c.adam = optim_adamw_defaults();
    } else if (strcmp(kind, "optim_rmsprop") == 0) {
        c.rmsprop = optim_rmsprop_defaults();
    } else if (strcmp(kind, "optim_adagrad") == 0) {
        c.adagrad = optim_adagrad_defaults();
    } else {
        ck_abort_msg("unknown optimizer %s", kind);
    }
    return c;
}

static inline optim *make(const char *kind, ag_list *list, union any_config c)
{
    if (strcmp(kind, "optim_sgd") == 0) {
        return optim_sgd(list, c.sgd);
    }
    if (strcmp(kind, "optim_adam") == 0) {
        return optim_adam(list, c.adam);
    }
    if (strcmp(kind, "optim_adamw") == 0) {
        return optim_adamw(list, c.adam);
    }
    if (strcmp(kind, "optim_rmsprop") == 0) {
        return optim_rmsprop(list, c.rmsprop);
    }
    return optim_adagrad(list, c.adagrad);
}

static inline void set(const char *kind, union any_config *c, const char *key, double value)
{
    const struct {
        const char *kind, *key;
        double *number;
        bool *flag;
    } fields[] = {
        { "optim_sgd", "lr", &c->sgd.lr, NULL },
        { "optim_sgd", "momentum", &c->sgd.momentum, NULL },
        { "optim_sgd", "dampening", &c->sgd.dampening, NULL },
        { "optim_sgd", "weight_decay", &c->sgd.weight_decay, NULL },
        { "optim_sgd", "nesterov", NULL, &c->sgd.nesterov },
        { "optim_adam", "lr", &c->adam.lr, NULL },
        { "optim_adam", "beta1", &c->adam.beta1, NULL },
        { "optim_adam", "beta2", &c->adam.beta2, NULL },
        { "optim_adam", "eps", &c->adam.eps, NULL },
        { "optim_adam", "weight_decay", &c->adam.weight_decay, NULL },
        { "optim_rmsprop", "lr", &c->rmsprop.lr, NULL },
        { "optim_rmsprop", "alpha", &c->rmsprop.alpha, NULL },
        { "optim_rmsprop", "eps", &c->rmsprop.eps, NULL },
        { "optim_rmsprop", "weight_decay", &c->rmsprop.weight_decay, NULL },
        { "optim_rmsprop", "momentum", &c->rmsprop.momentum, NULL },
        { "optim_rmsprop", "centered", NULL, &c->rmsprop.centered },
        { "optim_adagrad", "lr", &c->adagrad.lr, NULL },
        { "optim_adagrad", "lr_decay", &c->adagrad.lr_decay, NULL },
        { "optim_adagrad", "weight_decay", &c->adagrad.weight_decay, NULL },
        { "optim_adagrad", "initial_accumulator_value", &c->adagrad.initial_accumulator_value,
          NULL },
        { "optim_adagrad", "eps", &c->adagrad.eps, NULL },
    };
    const char *family = strcmp(kind, "optim_adamw") == 0 ? "optim_adam" : kind;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (strcmp(family, fields[i].kind) == 0 && strcmp(key, fields[i].key) == 0) {
            if (fields[i].flag != NULL) {
                *fields[i].flag = value != 0;
            } else {
                *fields[i].number = value;
            }
            return;
        }
    }
    ck_abort_msg("%s has no setting %s", kind, key);
}

#endif
