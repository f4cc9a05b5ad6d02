/*
 * Which learning rate, and how should it change?
 *
 * First the rate rises from step to step, from far too small to far too large, and the loss tells where it lies in between. Then
 * the same network is trained from the same first weights with that rate and six ways of changing it. Each training is one call of
 * train_fit(): here the loop is not the lesson. mnist_mlp.c has it written out.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "autograd/autograd.h"
#include "data/data.h"
#include "nn/nn.h"
#include "optim/lr_finder.h"
#include "optim/optim.h"
#include "train/train.h"

#include "common/digits.h"
#include "common/evaluate.h"
#include "common/files.h"
#include "common/options.h"
#include "common/plot.h"
#include "common/record.h"
#include "common/report.h"
#include "common/saving.h"

enum { HIDDEN = 128, EPOCHS_MAX = 200 };
enum way { CONSTANT, STEP, EXPONENTIAL, COSINE, ONE_CYCLE, PLATEAU, WAYS };

static const char *const names[WAYS] = { "constant", "step", "exponential", "warm-up, cosine", "one cycle", "on plateau" };
static const char *const keys[WAYS] = { "constant", "step", "exponential", "cosine", "one-cycle", "plateau" };

struct lesson {
    const struct options *options;
    data_set *train, *validation;
    struct plot_output out;
    json_t *record;
    int epochs;
    double rate; /* what the finder says */
};

/* ---- what all trainings have in common ----------------------------------------------------------------------------------- */

struct training {
    nn_module *net;
    optim *opt;
    data_loader *train, *validation;
};

static struct training training_begin(const struct lesson *l, double rate)
{
    ag_rng rng = ag_rng_seed((uint64_t)l->options->seed); /* the same first weights and orders each time */
    struct training t;
    data_loader_config batches = data_loader_defaults();
    batches.batch = l->options->batch;
    batches.shuffle = true;
    t.train = data_loader_new(data_set_share(l->train), batches, &rng);
    t.validation = evaluate_loader(data_set_share(l->validation));
    t.net = nn_sequential(nn_flatten(), nn_linear(DIGIT_PIXELS, HIDDEN), nn_relu(), nn_linear(HIDDEN, DIGIT_CLASSES));
    nn_init(t.net, &rng);
    optim_sgd_config sgd = optim_sgd_defaults();
    sgd.lr = rate;
    sgd.momentum = 0.9;
    t.opt = optim_sgd(nn_parameters(t.net), sgd);
    return t;
}

static void training_end(struct training *t)
{
    optim_free(t->opt);
    nn_free(t->net);
    data_loader_free(t->validation);
    data_loader_free(t->train);
}

/* ---- 1. Finding a rate --------------------------------------------------------------------------------------------------- */

/* The loss of the next batch: all that the finder wants to know. */
static ag_tensor next_loss(void *user)
{
    struct training *t = user;
    data_batch batch;
    if (!data_loader_next(t->train, &batch)) {
        data_loader_rewind(t->train);
        data_loader_next(t->train, &batch);
    }
    return ag_cross_entropy(nn_forward(t->net, batch.x), batch.y);
}

static bool find_rate(struct lesson *l)
{
    struct training t = training_begin(l, 0.1);
    optim_lr_finder_config config = optim_lr_finder_defaults();
    config.start_lr = 1e-4;
    config.smoothing = 0.9;
    optim_lr_curve curve = optim_lr_finder_run(t.opt, next_loss, &t, config);
    training_end(&t);
    if (ag_exit_status() != 0) {
        return false;
    }
    printf("1. The rate rises from %g to %g in %lld steps%s\n\n", config.start_lr, config.end_lr, (long long)config.steps,
           curve.diverged ? "; the loss ran away before the end" : "");
    struct plot *p = plot_new("The rate rises, and the loss tells");
    struct plot_panel *panel = plot_panel(p, "", "learning rate", "loss of the batch");
    panel->x.log = panel->y.log = true;
    panel->width = 560;
    plot_points(panel, "each step", curve.count, curve.lr, curve.loss)->size = 1.8;
    plot_line(panel, "smoothed", curve.count, curve.lr, curve.smoothed);
    plot_mark(panel, "steepest", curve.steepest, NAN);
    plot_mark(panel, "lowest", curve.minimum, NAN);
    plot_print(p, stdout);
    printf("\n   the loss falls fastest at %.2g, and is lowest at %.2g, when it is nearly too late\n", curve.steepest, curve.minimum);
    bool good = plot_save(&l->out, p, "finder");
    plot_free(p);
    json_object_set_new(l->record, "steepest", record_number(curve.steepest));
    json_object_set_new(l->record, "minimum", record_number(curve.minimum));
    l->rate = curve.steepest;
    if (isnan(l->rate)) {
        fprintf(stderr, "%s: the loss falls nowhere: there is nothing to learn here\n", l->options->program);
        good = false;
    }
    optim_lr_curve_free(&curve);
    return good;
}

/* ---- 2. Changing it ------------------------------------------------------------------------------------------------------ */

/* NULL: the rate stays. *every_step: it changes after every step, not after every epoch. */
static optim_schedule *new_schedule(const struct lesson *l, enum way way, struct training *t, bool *every_step)
{
    int64_t steps = l->epochs * data_loader_batches(t->train);
    *every_step = way == COSINE || way == ONE_CYCLE;
    switch (way) {
    case STEP: /* a tenth, twice */
        return optim_step_lr(t->opt, l->epochs / 3 + 1, 0.1);
    case EXPONENTIAL: /* a hundredth in the end */
        return optim_exponential_lr(t->opt, pow(0.01, 1.0 / l->epochs));
    case COSINE:
        return optim_warmup_cosine_lr(t->opt, steps / 10, steps, 0.01, 0);
    case ONE_CYCLE: { /* up to three times the rate, and down to nearly nothing */
        optim_one_cycle_lr_config config = optim_one_cycle_lr_defaults();
        config.max_lr = 3 * l->rate;
        config.total_steps = steps;
        return optim_one_cycle_lr(t->opt, config);
    }
    case PLATEAU: { /* a tenth as soon as an epoch brings nothing */
        optim_reduce_lr_on_plateau_config config = optim_reduce_lr_on_plateau_defaults();
        config.patience = 0;
        return optim_reduce_lr_on_plateau(t->opt, config);
    }
    default:
        return NULL;
    }
}

static ag_tensor loss_of(nn_module *net, const data_batch *batch, double *metrics, void *user)
{
    (void)user;
    ag_tensor scores = nn_forward(net, batch->x);
    metrics[0] = ag_item(ag_sum(ag_eq(ag_argmax(scores, 1, false), batch->y))) / (double)batch->n;
    return ag_cross_entropy(scores, batch->y);
}

/* What is left of a training: the course of the rate and of the validation. */
struct course {
    int64_t epochs, counts[2];
    double lr[EPOCHS_MAX], loss[EPOCHS_MAX], accuracy[EPOCHS_MAX];
    int64_t best; /* the epoch with the lowest loss, whose weights are kept */
    uint64_t hash;
};

static void course_visit(void *object, ag_state_visitor *v)
{
    struct course *self = object;
    ag_state_series(v, "lr", self->lr, AG_FLOAT64, &self->epochs, EPOCHS_MAX);
    ag_state_series(v, "loss", self->loss, AG_FLOAT64, &self->counts[0], EPOCHS_MAX);
    ag_state_series(v, "accuracy", self->accuracy, AG_FLOAT64, &self->counts[1], EPOCHS_MAX);
    ag_state_int64(v, "best", &self->best);
    ag_state_uint64(v, "hash", &self->hash);
}

static const ag_stateful_type course_type = { sizeof(ag_stateful_type), "course", course_visit };

/* A signal ends the training that is running; it begins anew with --resume, while those that were over are put back. */
static bool unless_stopping(const train_event *event, void *user)
{
    (void)event, (void)user;
    return !saving_stopping();
}

static bool train_once(const struct lesson *l, enum way way, struct course *course)
{
    struct training t = training_begin(l, l->rate);
    bool every_step;
    optim_schedule *schedule = new_schedule(l, way, &t, &every_step);
    static const char *const metrics[] = { "accuracy" };
    train_callback callback = { unless_stopping, NULL };
    train_fit_config config = train_fit_defaults();
    config.epochs = l->epochs;
    config.metrics = 1;
    config.metric_names = metrics;
    config.validation = t.validation;
    config.patience = l->epochs; /* nothing is stopped early, but the best weights are kept */
    config.schedule = schedule;
    config.schedule_every_step = every_step;
    config.callbacks = &callback;
    config.callback_count = 1;
    train_end end = TRAIN_END_ERROR;
    config.end = &end;
    train_history *history = train_fit(t.net, t.opt, t.train, loss_of, NULL, config);
    int64_t n = train_history_count(history);
    bool good = ag_exit_status() == 0 && !saving_stopping();
    if (good && end == TRAIN_END_NOT_FINITE) {
        report_not_finite(l->options, NAN, (int)n + 1, 1);
        good = false;
    }
    for (int64_t e = 0; good && e < n; e++) {
        course->lr[e] = train_history_value(history, e, "lr");
        course->loss[e] = train_history_value(history, e, "validation_loss");
        course->accuracy[e] = 100 * train_history_value(history, e, "validation_accuracy");
    }
    if (good) {
        course->epochs = course->counts[0] = course->counts[1] = n;
        course->best = train_history_best(history, "validation_loss", OPTIM_MIN);
        course->hash = nn_hash(t.net);
    }
    train_history_free(history);
    optim_schedule_free(schedule);
    training_end(&t);
    return good;
}

static bool draw_ways(struct lesson *l, const struct course *courses)
{
    double x[EPOCHS_MAX];
    for (int e = 0; e < l->epochs; e++) {
        x[e] = e + 1;
    }
    struct plot *p = plot_new("Six ways to change the rate");
    struct plot_panel *rates = plot_panel(p, "rate at the beginning of each epoch", "epoch", "learning rate");
    struct plot_panel *losses = plot_panel(p, "loss on the validation digits", "epoch", "");
    rates->x.whole = losses->x.whole = true;
    rates->y.log = true;
    losses->no_legend = true;
    for (int way = 0; way < WAYS; way++) {
        plot_line(rates, names[way], courses[way].epochs, x, courses[way].lr);
        plot_line(losses, names[way], courses[way].epochs, x, courses[way].loss);
    }
    bool good = plot_save(&l->out, p, "schedules");
    plot_free(p);
    return good;
}

static bool change_rate(struct lesson *l)
{
    static struct course courses[WAYS];
    json_t *all = json_object();
    bool good = true;
    printf("\n2. %d epochs with the rate %.3g, in batches of %lld, SGD with momentum 0.9\n\n"
           "                      rate                  lowest validation loss    accuracy\n"
           "                      first       last      at epoch                  there    weights\n",
           l->epochs, l->rate, (long long)l->options->batch);
    for (int way = 0; good && way < WAYS; way++) {
        struct course *c = &courses[way];
        struct saving saving;
        good = saving_begin_part(&saving, l->options, keys[way]);
        saving.quiet = true;
        saving_add(&saving, "course", ag_stateful_make(&course_type, c));
        good = good && saving_resume(&saving);
        if (good && c->epochs < l->epochs) {
            good = train_once(l, (enum way)way, c) && !saving_epoch(&saving);
        }
        saving_end(&saving);
        if (good) {
            printf("   %-16s   %-9.3g   %-9.3g   %5lld   %.4f           %6.2f %%   %016llx\n", names[way], c->lr[0],
                   c->lr[l->epochs - 1], (long long)c->best + 1, c->loss[c->best], c->accuracy[c->best],
                   (unsigned long long)c->hash);
            fflush(stdout);
            json_t *one = json_object();
            json_object_set_new(one, "lr", record_numbers(c->epochs, c->lr));
            json_object_set_new(one, "validation_loss", record_numbers(c->epochs, c->loss));
            json_object_set_new(one, "validation_accuracy", record_numbers(c->epochs, c->accuracy));
            json_object_set_new(one, "weights_hash", record_hash(c->hash));
            json_object_set_new(all, keys[way], one);
        }
    }
    json_object_set_new(l->record, "schedules", all);
    return good && draw_ways(l, courses);
}

/* ---- the program --------------------------------------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
    struct options options = {
        .program = "rates",
        .purpose = "Finds a learning rate for a small network that reads handwritten digits, and compares six ways of\n"
                   "changing it while the network learns.",
        .accepts = OPTION_SEED | OPTION_THREADS | OPTION_EPOCHS | OPTION_BATCH | OPTION_DATA | OPTION_JSON | OPTION_PICTURES |
                   OPTION_VALIDATION | OPTION_SAVE,
        .epochs = 12,
        .validation = 0.2,
    };
    int status = options_parse(&options, argc, argv);
    if (status >= 0) {
        return status;
    }
    if (options.epochs > EPOCHS_MAX || options.validation == 0) {
        fprintf(stderr, "%s: %s (see --help)\n", options.program,
                options.validation == 0 ? "--validation 0 leaves nothing to compare the ways with" : "--epochs must be at most 200");
        return 2;
    }
    if (options.threads > 0) {
        ag_set_threads(options.threads);
    }
    if (!report_possible(&options)) {
        return EXIT_FAILURE;
    }
    ag_rng rng = ag_rng_seed((uint64_t)options.seed);
    struct digits digits;
    if (!digits_open(&digits, &options, &rng)) {
        return EXIT_FAILURE;
    }
    struct lesson lesson = {
        .options = &options,
        .train = digits.train,
        .validation = digits.validation,
        .out = { .program = options.program, .folder = options.pictures, .svg = options.svg },
        .record = record_begin(&options),
        .epochs = options.epochs,
    };
    bool good = find_rate(&lesson) && change_rate(&lesson);
    good = good ? record_write(&options, lesson.record) : (json_decref(lesson.record), false);
    digits_close(&digits);
    return saving_exit_status(good && output_standard_flush(options.program));
}
