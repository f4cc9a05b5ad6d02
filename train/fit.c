/*
 * The loop over epochs and batches, written once. Everything that decides something is in the other files.
 */
#include "fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../autograd/platform.h"

#define FIT_CONFIG 0x66697431u
enum { MOST_METRICS = 16 };
static const char *const name = "train_fit";

struct fit {
    ag_place where;
    nn_module *net;
    optim *o;
    data_loader *batches;
    train_loss loss;
    void *user;
    train_fit_config c;
    const char *monitor;
    train_history *history;
    train_early_stopping *stopping; /* NULL: none */
    train_progress progress;
    int64_t epoch, step;
    bool monitored; /* the monitored value is new in this epoch */
    bool best;
    double best_value; /* of the monitored ones */
    train_end end;
    bool over;
};

train_fit_config train_fit_defaults(void)
{
    return (train_fit_config){
        .made_by_defaults = FIT_CONFIG, .epochs = 10, .validate_every = 1, .mode = OPTIM_MIN, .restore_best = true
    };
}

/* ---- before the run ----------------------------------------------------------------------------------------------------- */

static bool check(const struct fit *f)
{
    const train_fit_config *c = &f->c;
    const char *wrong = NULL;
    if (c->made_by_defaults != FIT_CONFIG) {
        wrong = "the config was not made by train_fit_defaults()";
    } else if (f->loss == NULL) {
        wrong = "the loss function is NULL";
    } else if (c->epochs < 1 || c->validate_every < 1) {
        wrong = "epochs and validate_every must be at least 1";
    } else if (c->metrics < 0 || c->metrics > MOST_METRICS || (c->metrics > 0 && c->metric_names == NULL)) {
        wrong = "metrics must be from 0 to 16, and have names";
    } else if (c->patience < 0) {
        wrong = "patience must be at least 0";
    } else if (!(c->clip_grad_norm >= 0)) {
        wrong = "clip_grad_norm must be at least 0";
    } else if (c->callback_count < 0 || (c->callback_count > 0 && c->callbacks == NULL)) {
        wrong = "the callbacks are NULL or their number is negative";
    } else if (c->mode != OPTIM_MIN && c->mode != OPTIM_MAX) {
        wrong = "mode is neither OPTIM_MIN nor OPTIM_MAX";
    }
    for (int i = 0; wrong == NULL && i < c->callback_count; i++) {
        wrong = c->callbacks[i].call == NULL ? "a callback is NULL" : NULL;
    }
    if (wrong != NULL) {
        ag_error_raise(f->where, AG_ERROR_VALUE, "%s: %s", name, wrong);
    }
    return wrong == NULL;
}

static train_history *make_history(const struct fit *f)
{
    enum { MOST = 2 * (MOST_METRICS + 1) + 2, LONGEST = 80 };
    char validated[MOST_METRICS + 1][LONGEST];
    const char *names[MOST];
    int count = 0;
    names[count++] = "loss";
    for (int i = 0; i < f->c.metrics; i++) {
        names[count++] = f->c.metric_names[i];
    }
    for (int i = 0, own = count; f->c.validation != NULL && i < own; i++) {
        const char *plain = names[i] == NULL ? "" : names[i];
        if (strlen(plain) > LONGEST - sizeof("validation_")) {
            ag_error_raise(f->where, AG_ERROR_VALUE, "%s: the name of metric %d is too long", name, i - 1);
            return train_history_new_at(f->where, 1, 0, NULL);
        }
        snprintf(validated[i], LONGEST, "validation_%s", plain);
        names[count++] = validated[i];
    }
    names[count++] = "lr";
    names[count++] = "seconds";
    return train_history_new_at(f->where, f->c.epochs, count, names);
}

static bool prepare(struct fit *f)
{
    f->history = make_history(f);
    f->monitor = f->c.monitor != NULL ? f->c.monitor : f->c.validation != NULL ? "validation_loss" : "loss";
    if (ag_error_code() == AG_OK && !train_history_has(f->history, f->monitor)) {
        ag_error_raise(f->where, AG_ERROR_VALUE, "%s: monitor is \"%s\", which is not measured", name, f->monitor);
    }
    if (ag_error_code() == AG_OK && f->c.patience > 0) {
        train_early_stopping_config c = train_early_stopping_defaults();
        c.mode = f->c.mode;
        c.patience = f->c.patience;
        c.min_delta = f->c.min_delta;
        f->stopping = train_early_stopping_new_at(f->where, f->net, c);
    }
    return ag_error_code() == AG_OK;
}

/* ---- the run ------------------------------------------------------------------------------------------------------------ */

static void finish(struct fit *f, train_end end)
{
    if (!f->over) {
        f->over = true;
        f->end = end;
    }
}

static void tell(struct fit *f, train_event_kind kind, double loss)
{
    const train_event event = { .kind = kind,
                                .epoch = f->epoch,
                                .step = f->step,
                                .loss = loss,
                                .best = f->best && (kind == TRAIN_VALIDATION || kind == TRAIN_EPOCH_END),
                                .net = f->net,
                                .o = f->o,
                                .history = f->history };
    for (int i = 0; i < f->c.callback_count && ag_error_code() == AG_OK; i++) {
        if (!f->c.callbacks[i].call(&event, f->c.callbacks[i].user)) {
            finish(f, TRAIN_END_CALLBACK);
        }
    }
}

/* The loss of a batch and its metrics; *value is NaN after an error. */
static ag_tensor loss_of(struct fit *f, const data_batch *batch, double *metrics, double *value)
{
    memset(metrics, 0, MOST_METRICS * sizeof(*metrics));
    ag_tensor loss = f->loss(f->net, batch, metrics, f->user);
    *value = NAN;
    if (ag_error_code() == AG_OK && !ag_is_alive(loss)) {
        ag_error_raise(f->where, AG_ERROR_VALUE, "%s: the loss function returned no tensor", name);
    }
    if (ag_error_code() == AG_OK) {
        *value = ag_item(loss);
    }
    return loss;
}

/* Sums over the samples of an epoch. */
struct sums {
    int64_t samples;
    double loss, metrics[MOST_METRICS];
};

static void sums_add(struct sums *s, int64_t n, double loss, const double *metrics)
{
    s->samples += n;
    s->loss += loss * (double)n;
    for (int i = 0; i < MOST_METRICS; i++) {
        s->metrics[i] += metrics[i] * (double)n;
    }
}

/* The means, as the history has them. */
static int sums_put(const struct sums *s, int metrics, double *row)
{
    const double n = (double)s->samples;
    row[0] = s->samples > 0 ? s->loss / n : NAN;
    for (int i = 0; i < metrics; i++) {
        row[i + 1] = s->samples > 0 ? s->metrics[i] / n : NAN;
    }
    return metrics + 1;
}

static bool is_plateau(const struct fit *f)
{
    return f->c.schedule != NULL && optim_schedule_watches(f->c.schedule);
}

static void train_epoch(struct fit *f, struct sums *sums)
{
    ag_scope scope = { 0 };
    data_batch batch;
    data_loader_rewind(f->batches);
    while (!f->over && data_loader_next(f->batches, &batch)) {
        double value, metrics[MOST_METRICS];
        ag_begin(&scope);
        ag_tensor loss = loss_of(f, &batch, metrics, &value);
        if (ag_error_code() != AG_OK) {
            break;
        }
        if (!isfinite(value)) {
            finish(f, TRAIN_END_NOT_FINITE);
            break;
        }
        optim_zero_grad(f->o);
        ag_backward(loss);
        if (f->c.clip_grad_norm > 0) {
            optim_clip_grad_norm(f->o, f->c.clip_grad_norm);
        }
        if (optim_step(f->o) != AG_OK) {
            break;
        }
        f->step++;
        if (f->c.schedule_every_step && f->c.schedule != NULL && !is_plateau(f)) {
            optim_schedule_step(f->c.schedule);
        }
        sums_add(sums, batch.n, value, metrics);
        train_progress_add(&f->progress, batch.n, value);
        tell(f, TRAIN_STEP, value);
    }
    ag_end(&scope);
}

static void validate(struct fit *f, struct sums *sums)
{
    ag_scope scope = { 0 };
    data_batch batch;
    nn_eval(f->net);
    data_loader_rewind(f->c.validation);
    while (data_loader_next(f->c.validation, &batch)) {
        double value, metrics[MOST_METRICS];
        ag_begin_no_grad(&scope);
        loss_of(f, &batch, metrics, &value);
        if (ag_error_code() != AG_OK) {
            break;
        }
        sums_add(sums, batch.n, value, metrics);
    }
    ag_end(&scope);
    nn_train(f->net);
}

/* What a new value of the monitor means for the best weights, for the schedule, and for the rest of the run. */
static void judge(struct fit *f, double value)
{
    bool better = f->c.mode == OPTIM_MIN ? value < f->best_value : value > f->best_value;
    f->best = !isnan(value) && (isnan(f->best_value) || better);
    if (f->best) {
        f->best_value = value;
    }
    if (f->stopping != NULL && train_early_stopping_add(f->stopping, value)) {
        finish(f, TRAIN_END_PATIENCE);
    }
    if (is_plateau(f)) {
        optim_schedule_step_metric(f->c.schedule, value);
    }
}

static double monitored_value(const struct fit *f, const double *row)
{
    for (int i = 0; i < train_history_columns(f->history); i++) {
        if (strcmp(train_history_name(f->history, i), f->monitor) == 0) {
            return row[i];
        }
    }
    return NAN;
}

static void run_epoch(struct fit *f)
{
    double row[2 * (MOST_METRICS + 1) + 2], begun = platform_seconds();
    struct sums training = { 0 }, validation = { 0 };
    double lr = optim_lr(f->o, 0);
    f->best = false;
    train_progress_begin(&f->progress, f->c.progress, "samples", f->epoch + 1, f->c.epochs, data_loader_samples(f->batches));
    tell(f, TRAIN_EPOCH_BEGIN, NAN);
    if (!f->over) {
        train_epoch(f, &training);
    }
    if (ag_error_code() == AG_OK && !f->over && training.samples == 0) {
        ag_error_raise(f->where, AG_ERROR_VALUE, "%s: the loader has no batches", name);
    }
    if (ag_error_code() != AG_OK || (f->over && f->end == TRAIN_END_NOT_FINITE) || training.samples == 0) {
        train_progress_end(&f->progress);
        return; /* there is no whole epoch to write down */
    }
    int columns = sums_put(&training, f->c.metrics, row);
    bool last = f->epoch + 1 == f->c.epochs;
    bool validates = f->c.validation != NULL && (last || f->over || (f->epoch + 1) % f->c.validate_every == 0);
    if (validates) {
        validate(f, &validation);
    }
    train_progress_end(&f->progress);
    if (f->c.validation != NULL) {
        columns += sums_put(&validation, f->c.metrics, row + columns);
    }
    row[columns] = lr;
    row[columns + 1] = platform_seconds() - begun;
    if (validates || strncmp(f->monitor, "validation_", 11) != 0) {
        judge(f, monitored_value(f, row));
    }
    if (validates) {
        tell(f, TRAIN_VALIDATION, row[f->c.metrics + 1]);
    }
    if (f->c.schedule != NULL && !f->c.schedule_every_step && !is_plateau(f)) {
        optim_schedule_step(f->c.schedule);
    }
    train_history_add_at(f->where, f->history, row);
    tell(f, TRAIN_EPOCH_END, row[0]);
}

train_history *train_fit_at(ag_place where, nn_module *net, optim *o, data_loader *batches, train_loss loss, void *user,
                            train_fit_config config)
{
    struct fit f = { .where = where, .net = net, .o = o, .batches = batches, .loss = loss, .user = user, .c = config };
    f.best_value = NAN;
    ag_place before = ag_caller_set(where);
    if (ag_error_code() == AG_OK && check(&f) && prepare(&f)) {
        nn_train(net);
        tell(&f, TRAIN_BEGIN, NAN);
        while (!f.over && ag_error_code() == AG_OK && f.epoch < config.epochs) {
            run_epoch(&f);
            f.epoch++;
        }
        f.epoch -= f.epoch > 0;
        if (f.stopping != NULL && config.restore_best) {
            train_early_stopping_restore(f.stopping);
        }
        tell(&f, TRAIN_END, NAN);
    } else if (f.history == NULL) {
        f.history = train_history_new_at(where, 1, 0, NULL); /* nil: the error has been raised */
    }
    train_early_stopping_free(f.stopping);
    if (config.made_by_defaults == FIT_CONFIG && config.end != NULL) {
        *config.end = ag_error_code() != AG_OK ? TRAIN_END_ERROR : f.end;
    }
    ag_caller_set(before);
    return f.history;
}
