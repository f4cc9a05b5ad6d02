/*
 * Early stopping with the best weights. Must not know where the watched value comes from.
 */
#include "early_stopping.h"

#include <math.h>
#include <stdlib.h>

#define EARLY_STOPPING_CONFIG 0x73746f70u

struct train_early_stopping {
    nn_module *net;  /* the caller's */
    nn_module *best; /* a copy of it when its value was best */
    train_early_stopping_config config;
    int64_t count, best_index;
    double best_value;
};

static struct train_early_stopping nil = { .best_index = -1 };

train_early_stopping_config train_early_stopping_defaults(void)
{
    return (train_early_stopping_config){ .made_by_defaults = EARLY_STOPPING_CONFIG, .mode = OPTIM_MIN, .patience = 10 };
}

static bool check(ag_place where, const train_early_stopping_config *c)
{
    const char *name = "train_early_stopping_new";
    if (c->made_by_defaults != EARLY_STOPPING_CONFIG) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the config was not made by train_early_stopping_defaults()", name);
    } else if (c->mode != OPTIM_MIN && c->mode != OPTIM_MAX) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: mode is %d, which is none", name, (int)c->mode);
    } else if (c->patience < 1) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: patience is %lld, it must be at least 1", name, (long long)c->patience);
    } else if (!(c->min_delta >= 0 && isfinite(c->min_delta))) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: min_delta is %g, it must be finite and at least 0", name, c->min_delta);
    }
    return ag_error_code() == AG_OK;
}

train_early_stopping *train_early_stopping_new_at(ag_place where, nn_module *net, train_early_stopping_config config)
{
    if (ag_error_code() != AG_OK || !check(where, &config)) {
        return &nil;
    }
    ag_place before = ag_caller_set(where);
    nn_module *best = nn_clone(net);
    train_early_stopping *s = ag_error_code() == AG_OK ? malloc(sizeof(*s)) : NULL;
    if (s == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "train_early_stopping_new: no memory");
        nn_free(best);
        s = &nil;
    } else {
        *s = (train_early_stopping){ .net = net, .best = best, .config = config, .best_index = -1 };
    }
    ag_caller_set(before);
    return s;
}

void train_early_stopping_free(train_early_stopping *s)
{
    if (s != NULL && s != &nil) {
        nn_free(s->best);
        free(s);
    }
}

static bool usable(ag_place where, const char *function, const train_early_stopping *s)
{
    if (ag_error_code() == AG_OK && (s == NULL || s == &nil)) {
        ag_error_raise(where, AG_ERROR_STATE, "%s: the object is %s", function, s == NULL ? "NULL" : "nil: making it failed");
    }
    return ag_error_code() == AG_OK;
}

static bool improves(const train_early_stopping *s, double value)
{
    if (isnan(value) || s->best_index < 0) {
        return !isnan(value);
    }
    const double delta = s->config.min_delta;
    return s->config.mode == OPTIM_MIN ? value < s->best_value - delta : value > s->best_value + delta;
}

bool train_early_stopping_add_at(ag_place where, train_early_stopping *s, double value)
{
    if (!usable(where, "train_early_stopping_add", s)) {
        return true;
    }
    ag_place before = ag_caller_set(where);
    if (improves(s, value)) {
        nn_copy_state(s->best, s->net);
        s->best_value = value;
        s->best_index = s->count;
    }
    s->count++;
    ag_caller_set(before);
    return ag_error_code() != AG_OK || train_early_stopping_since(s) >= s->config.patience;
}

ag_error train_early_stopping_restore_at(ag_place where, train_early_stopping *s)
{
    ag_place before = ag_caller_set(where);
    if (usable(where, "train_early_stopping_restore", s) && s->best_index >= 0) {
        nn_copy_state(s->net, s->best);
    }
    ag_caller_set(before);
    return ag_error_code();
}

int64_t train_early_stopping_best(const train_early_stopping *s)
{
    return s == NULL ? -1 : s->best_index;
}

double train_early_stopping_value(const train_early_stopping *s)
{
    return s == NULL || s->best_index < 0 ? NAN : s->best_value;
}

int64_t train_early_stopping_since(const train_early_stopping *s)
{
    return s == NULL ? 0 : s->count - 1 - s->best_index;
}

static void visit(void *object, ag_state_visitor *v)
{
    train_early_stopping *s = object;
    if (!usable(ag_caller(), "train_early_stopping_stateful", s)) {
        return;
    }
    ag_state_int64_in(v, "count", &s->count, 0, INT64_MAX - 1);
    ag_state_int64_in(v, "best_index", &s->best_index, -1, INT64_MAX - 1);
    ag_state_double(v, "best_value", &s->best_value);
    ag_state_child(v, "best", nn_stateful(s->best));
}

ag_stateful train_early_stopping_stateful(train_early_stopping *s)
{
    static const ag_stateful_type type = { sizeof(ag_stateful_type), "early stopping", visit };
    return ag_stateful_make(&type, s);
}
