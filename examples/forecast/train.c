/*
 * One training: small steps on the years to learn from; after each epoch a look at the year to choose by, and the best weights
 * are kept. The year that is held out is forecast when nothing can be changed any more.
 */
#include "forecast.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/progress.h"
#include "common/report.h"

/* What the network says of all windows of a part, back in °C: (count, AHEAD) changes. */
static ag_tensor changes(nn_module *net, const struct weather *w, ag_tensor x)
{
    return data_transform_invert(w->scale_y, nn_forward(net, x));
}

/* Mean absolute error in °C over the windows of a part and the days ahead. The temperature today and what is usual are known, so
 * a change that is wrong by a degree is a temperature that is wrong by a degree. */
static double error_of(nn_module *net, const struct weather *w, const struct windows *part)
{
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    nn_eval(net);
    double error = ag_item(ag_l1_loss(changes(net, w, part->x), data_transform_invert(w->scale_y, part->y)));
    nn_train(net);
    ag_end(&scope);
    return error;
}

static bool forecast(nn_module *net, const struct weather *w, double *out)
{
    const struct windows *test = &w->part[TEST];
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    nn_eval(net);
    ag_read_doubles(changes(net, w, test->x), out, test->count * AHEAD);
    nn_train(net);
    ag_end(&scope);
    for (int64_t i = 0; i < test->count; i++) {
        for (int k = 1; k <= AHEAD; k++) {
            double *at = &out[i * AHEAD + k - 1];
            *at = weather_temperature(w, test->today[i], k, *at);
        }
    }
    return ag_exit_status() == 0;
}

static bool learn(const struct options *o, const struct weather *w, nn_module *net, const char *name, ag_rng *rng,
                  train_history *history)
{
    /* ---- What the loop changes: weights, the optimizer, the order of the windows, the best weights so far, the history. */
    data_loader_config batches = data_loader_defaults();
    batches.batch = o->batch;
    batches.shuffle = true;
    data_loader *windows = data_loader_new(data_set_share(w->part[LEARN].set), batches, rng);
    optim_adam_config adam = optim_adamw_defaults();
    adam.lr = o->lr;
    optim *opt = optim_adamw(nn_parameters(net), adam);
    train_early_stopping_config patience = train_early_stopping_defaults();
    patience.patience = o->patience;
    train_early_stopping *stop = train_early_stopping_new(net, patience);
    struct saving saving;
    bool good = saving_begin_part(&saving, o, name);
    saving.quiet = o->seeds > 1; /* one line for each would be many */
    saving_add(&saving, "model", nn_stateful(net));
    saving_add(&saving, "optimizer", optim_stateful(opt));
    saving_add(&saving, "windows", data_loader_stateful(windows));
    saving_add(&saving, "stop", train_early_stopping_stateful(stop));
    saving_add(&saving, "history", train_history_stateful(history));
    good = good && saving_resume(&saving);

    ag_scope step = { 0 };
    data_batch batch;
    while (good && train_history_count(history) < o->epochs && train_early_stopping_since(stop) < o->patience) {
        double begun = progress_clock(), loss_now = 0;
        data_loader_rewind(windows);
        while (good && data_loader_next(windows, &batch)) {
            ag_begin(&step);
            ag_tensor loss = ag_smooth_l1_loss(nn_forward(net, batch.x), batch.y);
            optim_zero_grad(opt);
            ag_backward(loss);
            optim_step(opt);
            loss_now = ag_item(loss);
            if (!isfinite(loss_now)) {
                report_not_finite(o, loss_now, (int)train_history_count(history) + 1, batch.index + 1);
            }
            good = isfinite(loss_now) && !saving_step(&saving);
        }
        ag_end(&step);
        if (good && ag_exit_status() == 0) {
            double row[] = { error_of(net, w, &w->part[LEARN]), error_of(net, w, &w->part[CHOOSE]), 0 };
            row[2] = progress_clock() - begun;
            train_history_add(history, row);
            train_early_stopping_add(stop, row[1]);
            good = !saving_epoch(&saving);
        }
        good = good && ag_exit_status() == 0;
    }
    saving_end(&saving);
    train_early_stopping_restore(stop);
    train_early_stopping_free(stop);
    optim_free(opt);
    data_loader_free(windows);
    return good && ag_exit_status() == 0;
}

bool train(const struct options *o, const struct weather *w, enum net net, int64_t seed, struct outcome *out)
{
    static const char *const names[] = { "learn_error", "choose_error", "seconds" };
    *out = (struct outcome){ .net = net, .seed = seed };
    ag_rng rng = ag_rng_seed((uint64_t)seed);
    nn_module *model = new_network(net, w->window, w->features);
    nn_init(model, &rng);
    train_history *history = train_history_new(o->epochs, 3, names);
    char part[64];
    snprintf(part, sizeof part, "%s-seed-%lld", net_keys[net + 1], (long long)seed);
    bool good = ag_exit_status() == 0 && learn(o, w, model, part, &rng, history);
    if (good) {
        out->epochs = train_history_count(history);
        out->best = train_history_best(history, "choose_error", OPTIM_MIN) + 1;
        out->parameters = nn_count_parameters(model, false);
        out->hash = nn_hash(model);
        out->learn_error = malloc((size_t)out->epochs * sizeof *out->learn_error);
        out->choose_error = malloc((size_t)out->epochs * sizeof *out->choose_error);
        out->forecast = malloc((size_t)(w->part[TEST].count * AHEAD) * sizeof *out->forecast);
        good = out->learn_error != NULL && out->choose_error != NULL && out->forecast != NULL;
        if (!good) {
            fprintf(stderr, "%s: out of memory\n", o->program);
        }
    }
    for (int64_t e = 0; good && e < out->epochs; e++) {
        out->learn_error[e] = train_history_value(history, e, "learn_error");
        out->choose_error[e] = train_history_value(history, e, "choose_error");
        out->seconds += train_history_value(history, e, "seconds");
    }
    good = good && forecast(model, w, out->forecast);
    train_history_free(history);
    nn_free(model);
    return good;
}

void outcome_free(struct outcome *out)
{
    free(out->learn_error);
    free(out->choose_error);
    free(out->forecast);
    *out = (struct outcome){ 0 };
}
