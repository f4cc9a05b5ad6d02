/*
 * The learning-rate range test. Smith 2015, section 3.3. It moves the weights like any training, so it begins by copying
 * everything that it will put back. Must not know what the loss is made of.
 */
#include "lr_finder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../autograd/error_internal.h"
#include "internal.h"

#define FINDER_CONFIG 0x66696e64u

static const char *const name = "optim_lr_finder_run";

optim_lr_finder_config optim_lr_finder_defaults(void)
{
    return (optim_lr_finder_config){
        .made_by_defaults = FINDER_CONFIG, .start_lr = 1e-7, .end_lr = 10, .steps = 100, .smoothing = 0.98, .divergence = 4
    };
}

void optim_lr_curve_free(optim_lr_curve *curve)
{
    free(curve->lr); /* one block */
    *curve = (optim_lr_curve){ .steepest = NAN, .minimum = NAN };
}

static bool check(ag_place where, const optim *o, optim_loss loss, const optim_lr_finder_config *c)
{
    if (!optim_usable(where, name, o)) {
        return false;
    }
    if (c->made_by_defaults != FINDER_CONFIG) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the config was not made by optim_lr_finder_defaults()", name);
    } else if (loss == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the loss function is NULL", name);
    } else if (!(c->start_lr > 0 && c->end_lr > c->start_lr && isfinite(c->end_lr))) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the rates go from %g to %g, they must rise and be above 0", name, c->start_lr,
                       c->end_lr);
    } else if (c->steps < 2) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: steps is %lld, it must be at least 2", name, (long long)c->steps);
    } else if (!(c->divergence > 1)) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: divergence is %g, it must be above 1", name, c->divergence);
    } else if (c->restore_count < 0 || (c->restore_count > 0 && c->restore == NULL)) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: restore is %s", name, c->restore == NULL ? "NULL" : "of negative length");
    } else {
        return optim_check(where, name, "smoothing", c->smoothing, OPTIM_FRACTION);
    }
    return false;
}

/* ---- what is put back -------------------------------------------------------------------------------------------------- */

struct before {
    ag_state **extra; /* [restore_count] of the caller's objects */
    char *bytes;      /* of each parameter its numbers, then of each group its state */
    int64_t *steps;   /* of each parameter */
    double *lr;       /* of each group */
};

static void before_free(struct before *b, const optim_lr_finder_config *c)
{
    for (int i = 0; b->extra != NULL && i < c->restore_count; i++) {
        ag_state_free(b->extra[i]);
    }
    free(b->extra);
    free(b->bytes);
    free(b->steps);
    free(b->lr);
}

static size_t numbers_bytes(const struct optim_parameter *p)
{
    return (size_t)p->raw.numel * ag_dtype_size(p->raw.dtype);
}

/* Copies to b, or back from it. */
static void copy(const struct before *b, optim *o, bool back)
{
    size_t at = 0, number = 0;
    for (int k = 0; k < o->group_count; k++) {
        struct optim_group *group = &o->groups[k];
        for (int64_t i = 0; i < group->count; i++, number++) {
            struct optim_parameter *p = &group->parameters[i];
            size_t bytes = numbers_bytes(p);
            if (back) {
                memcpy(p->raw.data, b->bytes + at, bytes);
                ag_leaf_changed(p->tensor);
                p->steps = b->steps[number];
            } else {
                memcpy(b->bytes + at, p->raw.data, bytes);
                b->steps[number] = p->steps;
            }
            at += bytes;
        }
        size_t bytes = group->state_bytes * (size_t)group->states;
        if (bytes > 0) {
            memcpy(back ? group->state : b->bytes + at, back ? b->bytes + at : group->state, bytes);
        }
        at += bytes;
        if (back) {
            *optim_group_lr(o, k) = b->lr[k];
        } else {
            b->lr[k] = *optim_group_lr(o, k);
        }
    }
}

static bool take(ag_place where, optim *o, const optim_lr_finder_config *c, struct before *b)
{
    if (!optim_fetch(where, o)) {
        return false;
    }
    size_t bytes = 1, count = 1;
    for (int k = 0; k < o->group_count; k++) {
        const struct optim_group *group = &o->groups[k];
        for (int64_t i = 0; i < group->count; i++) {
            bytes += numbers_bytes(&group->parameters[i]);
        }
        bytes += group->state_bytes * (size_t)group->states;
        count += (size_t)group->count;
    }
    b->bytes = malloc(bytes);
    b->steps = malloc(count * sizeof(*b->steps));
    b->lr = malloc((size_t)o->group_count * sizeof(*b->lr));
    b->extra = calloc((size_t)c->restore_count + 1, sizeof(*b->extra));
    if (b->bytes == NULL || b->steps == NULL || b->lr == NULL || b->extra == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: no memory for a copy of %zu bytes", name, bytes);
        return false;
    }
    copy(b, o, false);
    for (int i = 0; i < c->restore_count; i++) {
        b->extra[i] = ag_state_take_at(where, c->restore[i]);
    }
    return ag_error_code() == AG_OK;
}

/* An error of the run must not keep the weights from being put back; it is still there afterwards. */
static void put_back(ag_place where, optim *o, const optim_lr_finder_config *c, const struct before *b)
{
    ag_error code = ag_error_code();
    char message[2048];
    strncpy(message, ag_error_message(), sizeof(message) - 1);
    message[sizeof(message) - 1] = '\0';
    ag_error_clear();
    optim_zero_grad(o);
    if (optim_fetch(where, o)) {
        copy(b, o, true);
    }
    for (int i = 0; i < c->restore_count; i++) {
        ag_state_restore_at(where, b->extra[i], c->restore[i]);
    }
    if (code != AG_OK) {
        bool captured = ag_error_capture(true);
        ag_error_clear();
        ag_error_hand_over(code, message);
        ag_error_capture(captured);
    }
}

/* ---- the run ----------------------------------------------------------------------------------------------------------- */

static bool curve_make(ag_place where, int64_t steps, optim_lr_curve *curve)
{
    *curve = (optim_lr_curve){ .steepest = NAN, .minimum = NAN };
    if ((uint64_t)steps <= SIZE_MAX / (3 * sizeof(double))) {
        curve->lr = malloc(3 * (size_t)steps * sizeof(double));
    }
    if (curve->lr == NULL) {
        ag_error_raise(where, AG_ERROR_MEMORY, "%s: no memory for %lld steps", name, (long long)steps);
        return false;
    }
    curve->loss = curve->lr + steps;
    curve->smoothed = curve->loss + steps;
    return true;
}

/* One step at a rate; the loss before it in *value. False after an error or when the loss is not finite. */
static bool step(ag_place where, optim *o, optim_loss loss, void *user, double *value)
{
    ag_tensor t = loss(user);
    if (ag_error_code() != AG_OK) {
        return false;
    }
    if (!ag_is_alive(t)) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the loss function returned no tensor", name);
        return false;
    }
    *value = ag_item_at(where, t);
    if (ag_error_code() != AG_OK || !isfinite(*value)) {
        return false;
    }
    optim_zero_grad(o);
    ag_backward_at(where, t);
    return optim_step_at(where, o) == AG_OK;
}

static void run(ag_place where, optim *o, optim_loss loss, void *user, const optim_lr_finder_config *c, const double *first,
                optim_lr_curve *curve)
{
    double mean = 0, weight = 1, lowest = INFINITY;
    ag_scope scope = { 0 };
    for (int64_t i = 0; i < c->steps && !curve->diverged; i++) {
        double lr = c->start_lr * pow(c->end_lr / c->start_lr, (double)i / (double)(c->steps - 1)), value;
        for (int k = 0; k < o->group_count; k++) {
            *optim_group_lr(o, k) = first[0] > 0 ? lr * (first[k] / first[0]) : lr;
        }
        ag_begin_at(where, &scope);
        if (!step(where, o, loss, user, &value)) {
            curve->diverged = true;
            break;
        }
        mean = c->smoothing * mean + (1 - c->smoothing) * value;
        weight *= c->smoothing;
        double smoothed = mean / (1 - weight);
        curve->lr[i] = lr;
        curve->loss[i] = value;
        curve->smoothed[i] = smoothed;
        curve->count = i + 1;
        lowest = smoothed < lowest ? smoothed : lowest;
        curve->diverged = smoothed > c->divergence * lowest;
    }
    ag_end(&scope);
}

static void suggest(const optim_lr_finder_config *c, optim_lr_curve *curve)
{
    double lowest = INFINITY, steepest = 0;
    for (int64_t i = 0; i < curve->count; i++) {
        if (curve->smoothed[i] < lowest) {
            lowest = curve->smoothed[i];
            curve->minimum = curve->lr[i];
        }
    }
    /* The rates rise evenly in their logarithm, so the fall from one step to the next is the slope. */
    for (int64_t i = c->steps / 10; i + 1 < curve->count - 5; i++) {
        double slope = curve->smoothed[i + 1] - curve->smoothed[i];
        if (slope < steepest) {
            steepest = slope;
            curve->steepest = curve->lr[i];
        }
    }
}

optim_lr_curve optim_lr_finder_run_at(ag_place where, optim *o, optim_loss loss, void *user, optim_lr_finder_config config)
{
    optim_lr_curve curve = { .steepest = NAN, .minimum = NAN };
    ag_place before = ag_caller_set(where);
    struct before saved = { 0 };
    if (check(where, o, loss, &config) && curve_make(where, config.steps, &curve) && take(where, o, &config, &saved)) {
        run(where, o, loss, user, &config, saved.lr, &curve);
        put_back(where, o, &config, &saved);
    }
    before_free(&saved, &config);
    if (ag_error_code() != AG_OK) {
        optim_lr_curve_free(&curve);
    } else {
        suggest(&config, &curve);
    }
    ag_caller_set(before);
    return curve;
}
