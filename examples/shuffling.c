/*
 * Why the digits are shuffled, and how many of them should make a batch.
 *
 * Three experiments with one small network: digits in sorted order against shuffled; how noisy the gradient of a batch is;
 * batches of 1 to all, over steps, over epochs and over time.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/autograd.h"
#include "data/data.h"
#include "nn/nn.h"
#include "optim/optim.h"

#include "common/digits.h"
#include "common/evaluate.h"
#include "common/files.h"
#include "common/options.h"
#include "common/plot.h"
#include "common/progress.h"
#include "common/record.h"
#include "common/report.h"
#include "common/saving.h"

enum { HIDDEN = 64 };

struct lesson {
    const struct options *options;
    data_set *train, *validation;
    int64_t samples; /* to train on */
    struct plot_output out;
    json_t *record;
};

static nn_module *new_network(const struct options *o)
{
    /* The same first weights in every experiment: what differs is only the order, or the batch. */
    ag_rng rng = ag_rng_seed((uint64_t)o->seed);
    nn_module *net = nn_sequential(nn_flatten(), nn_linear(DIGIT_PIXELS, HIDDEN), nn_relu(),
                                   nn_linear(HIDDEN, DIGIT_CLASSES));
    nn_init(net, &rng);
    return net;
}

static optim *new_optimizer(const struct options *o, nn_module *net)
{
    optim_sgd_config sgd = optim_sgd_defaults();
    sgd.lr = o->lr;
    return optim_sgd(nn_parameters(net), sgd);
}

/* One step downhill; the loss of the batch before it. */
static double train_step(ag_scope *step, nn_module *net, optim *opt, const data_batch *batch)
{
    ag_begin(step);
    ag_tensor loss = ag_cross_entropy(nn_forward(net, batch->x), batch->y);
    optim_zero_grad(opt);
    ag_backward(loss);
    optim_step(opt);
    return ag_item(loss);
}

static void look(const struct lesson *l, nn_module *net, struct evaluation *result)
{
    data_loader *validation = evaluate_loader(data_set_share(l->validation));
    evaluate(net, validation, result);
    data_loader_free(validation);
}

/* The share of each class that is read correctly. */
static void by_class(const struct evaluation *e, double *share)
{
    for (int truth = 0; truth < DIGIT_CLASSES; truth++) {
        int64_t total = 0;
        for (int guess = 0; guess < DIGIT_CLASSES; guess++) {
            total += e->confusion[truth][guess];
        }
        share[truth] = total > 0 ? (double)e->confusion[truth][truth] / (double)total : NAN;
    }
}

/* ---- 1. Sorted against shuffled ------------------------------------------------------------------------------------------ */

/* All zeros first, then all ones, … The order within a class stays; ends[c] is where class c ends. */
static data_set *sort_by_label(data_set *set, int64_t *ends)
{
    int64_t n = data_set_size(set), filled = 0;
    int64_t *order = malloc((size_t)n * sizeof *order), *label = malloc((size_t)n * sizeof *label);
    if (order == NULL || label == NULL) {
        free(order);
        free(label);
        return NULL;
    }
    for (int64_t i = 0; i < n; i++) {
        data_set_read(set, i, NULL, &label[i]);
    }
    for (int c = 0; c < DIGIT_CLASSES; c++) {
        for (int64_t i = 0; i < n; i++) {
            if (label[i] == c) {
                order[filled++] = i;
            }
        }
        ends[c] = filled;
    }
    data_set *sorted = data_subset(set, n, order);
    free(order);
    free(label);
    return sorted;
}

struct run {
    int64_t steps, room;
    double *loss; /* [room], so far [steps], each before its step */
    /* accuracy by class [class looked at] after every tenth of the last epoch; sorted, that is after every class */
    double after[DIGIT_CLASSES][DIGIT_CLASSES];
    struct evaluation end;
};

static void run_visit(void *object, ag_state_visitor *v)
{
    struct run *self = object;
    ag_state_series(v, "loss", self->loss, AG_FLOAT64, &self->steps, self->room);
    ag_state_array(v, "after", self->after, AG_FLOAT64, AG_SHAPE(DIGIT_CLASSES, DIGIT_CLASSES));
    ag_state_double(v, "accuracy", &self->end.accuracy);
    ag_state_int64(v, "samples", &self->end.samples);
}

static const ag_stateful_type run_type = { sizeof(ag_stateful_type), "run", run_visit };

/* Where the training is in an epoch. */
struct place {
    int64_t epoch, seen; /* digits of this epoch */
    int class;           /* the next to be looked at */
};

static void place_visit(void *object, ag_state_visitor *v)
{
    struct place *self = object;
    ag_state_int64(v, "epoch", &self->epoch);
    ag_state_int64(v, "seen", &self->seen);
    ag_state_int(v, "class", &self->class);
}

static const ag_stateful_type place_type = { sizeof(ag_stateful_type), "place", place_visit };

/* Trains over the loader's order. False without memory, and if the program is to stop. */
static bool train_in_order(const struct lesson *l, data_loader *train, const int64_t *ends,
                           const char *part, struct run *run)
{
    const struct options *o = l->options;
    nn_module *net = new_network(o);
    optim *opt = new_optimizer(o, net);
    run->steps = 0;
    run->room = data_loader_batches(train) * o->epochs;
    run->loss = malloc((size_t)run->room * sizeof *run->loss);
    if (run->loss == NULL) {
        fprintf(stderr, "%s: out of memory\n", o->program);
    }
    ag_scope step = { 0 };
    struct place now = { .epoch = 1 };
    struct saving saving = { 0 };
    bool good = run->loss != NULL && saving_begin_part(&saving, o, part);
    saving_add(&saving, "model", nn_stateful(net));
    saving_add(&saving, "optimizer", optim_stateful(opt));
    saving_add(&saving, "digits", data_loader_stateful(train));
    saving_add(&saving, "run", ag_stateful_make(&run_type, run));
    saving_add(&saving, "now", ag_stateful_make(&place_type, &now));
    good = good && saving_resume(&saving);
    while (good && now.epoch <= o->epochs) {
        data_batch batch;
        data_loader_rewind(train);
        while (good && data_loader_next(train, &batch)) {
            double loss = train_step(&step, net, opt, &batch);
            run->loss[run->steps++] = loss;
            if (!isfinite(loss)) {
                report_not_finite(o, loss, (int)now.epoch, batch.index + 1);
                good = false;
                break;
            }
            now.seen += batch.n;
            for (; now.class < DIGIT_CLASSES && now.seen >= ends[now.class]; now.class ++) {
                if (now.epoch == o->epochs) {
                    look(l, net, &run->end);
                    by_class(&run->end, run->after[now.class]);
                }
            }
            good = !saving_step(&saving);
        }
        if (good) {
            now = (struct place){ .epoch = now.epoch + 1 };
            good = !saving_epoch(&saving);
        }
    }
    saving_end(&saving);
    ag_end(&step);
    optim_free(opt);
    nn_free(net);
    return good;
}

static void print_by_class(const struct run *sorted, const struct run *shuffled)
{
    printf("\nAccuracy by class in the last epoch, in %%. Sorted: after the network has seen all "
           "the 0s, all the 1s, …\n\n"
           "   digit read:");
    for (int c = 0; c < DIGIT_CLASSES; c++) {
        printf("%5d", c);
    }
    printf("\n");
    for (int after = 0; after <= DIGIT_CLASSES; after++) {
        const double *row =
            after < DIGIT_CLASSES ? sorted->after[after] : shuffled->after[DIGIT_CLASSES - 1];
        if (after < DIGIT_CLASSES) {
            printf("  after the %ds", after);
        } else {
            printf("  shuffled   ");
        }
        printf(" ");
        for (int c = 0; c < DIGIT_CLASSES; c++) {
            if (isnan(row[c])) {
                printf("    -");
            } else if (row[c] == 0) {
                printf("    .");
            } else {
                printf("%5.0f", 100 * row[c]);
            }
        }
        printf("\n");
    }
}

static bool draw_order(struct lesson *l, const struct run *sorted, const struct run *shuffled)
{
    struct plot *p = plot_new("Sorted against shuffled digits");
    struct plot_panel *losses = plot_panel(p, "loss of each batch", "step", "cross-entropy");
    losses->width = 520;
    struct plot_series *line = plot_line(losses, "sorted", sorted->steps, NULL, sorted->loss);
    line->width = 1;
    line->colour = PLOT_VERMILION;
    line = plot_line(losses, "shuffled", shuffled->steps, NULL, shuffled->loss);
    line->width = 1;
    line->colour = PLOT_BLUE;
    double percent[DIGIT_CLASSES + 1][DIGIT_CLASSES];
    const char *rows[DIGIT_CLASSES + 1];
    static char text[DIGIT_CLASSES][PLOT_TEXT];
    static const char *const columns[] = { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" };
    for (int after = 0; after <= DIGIT_CLASSES; after++) {
        if (after < DIGIT_CLASSES) {
            snprintf(text[after], sizeof text[after], "the %ds", after);
        }
        rows[after] = after < DIGIT_CLASSES ? text[after] : "shuffled";
        for (int c = 0; c < DIGIT_CLASSES; c++) {
            percent[after][c] =
                100 * (after < DIGIT_CLASSES ? sorted->after[after][c]
                                             : shuffled->after[DIGIT_CLASSES - 1][c]);
        }
    }
    struct plot_panel *table = plot_panel(p, "accuracy by class, in %", "digit read", "last seen");
    struct plot_series *cells = plot_table(table, DIGIT_CLASSES + 1, DIGIT_CLASSES, &percent[0][0]);
    cells->format = "%.0f";
    plot_axis_names(table, &table->x, DIGIT_CLASSES, columns);
    plot_axis_names(table, &table->y, DIGIT_CLASSES + 1, rows);
    bool good = plot_save(&l->out, p, "order");
    plot_free(p);
    return good;
}

static json_t *run_to_json(const struct run *run)
{
    json_t *item = json_object();
    json_object_set_new(item, "loss", record_numbers(run->steps, run->loss));
    json_object_set_new(item, "accuracy_by_class",
                        record_table(DIGIT_CLASSES, DIGIT_CLASSES, &run->after[0][0]));
    json_object_set_new(item, "accuracy", record_number(run->end.accuracy));
    return item;
}

static bool order_lesson(struct lesson *l)
{
    const struct options *o = l->options;
    printf("1. Sorted against shuffled: %lld digits, %d epochs, batches of %lld\n",
           (long long)l->samples, o->epochs, (long long)o->batch);
    fflush(stdout);
    int64_t ends[DIGIT_CLASSES], tenths[DIGIT_CLASSES];
    for (int i = 0; i < DIGIT_CLASSES; i++) {
        tenths[i] = l->samples * (i + 1) / DIGIT_CLASSES;
    }
    data_set *sorted_digits = sort_by_label(l->train, ends);
    if (sorted_digits == NULL) {
        fprintf(stderr, "%s: out of memory\n", o->program);
        return false;
    }
    ag_rng rng = ag_rng_seed((uint64_t)o->seed);
    data_loader_config config = data_loader_defaults();
    config.batch = o->batch;
    data_loader *in_order = data_loader_new(sorted_digits, config, NULL);
    config.shuffle = true; /* this line is all the difference */
    data_loader *in_any_order = data_loader_new(data_set_share(l->train), config, &rng);

    static struct run sorted, shuffled;
    bool good = train_in_order(l, in_order, ends, "sorted", &sorted) &&
                train_in_order(l, in_any_order, tenths, "shuffled", &shuffled);
    if (good && ag_exit_status() == 0) {
        print_by_class(&sorted, &shuffled);
        printf("\nat the end: sorted %.1f %%, shuffled %.1f %% of %lld validation digits\n",
               100 * sorted.end.accuracy, 100 * shuffled.end.accuracy,
               (long long)shuffled.end.samples);
        json_object_set_new(l->record, "sorted", run_to_json(&sorted));
        json_object_set_new(l->record, "shuffled", run_to_json(&shuffled));
        good = draw_order(l, &sorted, &shuffled);
    }
    data_loader_free(in_any_order);
    data_loader_free(in_order);
    free(sorted.loss);
    free(shuffled.loss);
    return good && ag_exit_status() == 0;
}

/* ---- 2. How noisy is the gradient of a batch? ---------------------------------------------------------------------------- */

/* Copies all gradients, one after the other. */
static void read_gradient(ag_list *parameters, double *g)
{
    for (int64_t i = 0; i < ag_list_count(parameters); i++) {
        ag_tensor w = ag_list_tensor(parameters, i);
        ag_read_doubles(ag_grad_of(w), g, ag_numel(w));
        g += ag_numel(w);
    }
}

static void forget_gradient(ag_list *parameters)
{
    for (int64_t i = 0; i < ag_list_count(parameters); i++) {
        ag_zero_grad(ag_list_tensor(parameters, i));
    }
}

enum { NOISE_SIZES = 5, NOISE_DRAWS = 30 };
static const int64_t noise_batch[NOISE_SIZES] = { 1, 4, 16, 64, 256 };

/* |gradient of a batch - gradient of all| / |gradient of all|, the root of the mean square over some batches; NaN for a batch
 * that is more than a twentieth of the data: it would be no sample of it any more. */
static bool measure_noise(const struct lesson *l, double *noise)
{
    nn_module *net = new_network(l->options);
    ag_list *parameters = nn_parameters(net);
    int64_t weights = nn_count_parameters(net, true);
    double *all = calloc((size_t)weights, sizeof *all),
           *one = malloc((size_t)weights * sizeof *one);
    bool good = all != NULL && one != NULL;
    ag_rng rng = ag_rng_seed((uint64_t)l->options->seed + 1);
    ag_scope step = { 0 };
    data_batch batch;

    /* The gradient of all digits is the mean over its parts: backward adds up. */
    data_loader *loader = evaluate_loader(data_set_share(l->train));
    while (good && data_loader_next(loader, &batch)) {
        ag_begin(&step);
        ag_tensor loss = ag_cross_entropy(nn_forward(net, batch.x), batch.y);
        ag_backward(ag_mul_scalar(loss, (double)batch.n / (double)l->samples));
    }
    data_loader_free(loader);
    double length = 0;
    if (good) {
        read_gradient(parameters, all);
        for (int64_t i = 0; i < weights; i++) {
            length += all[i] * all[i];
        }
    }

    for (int k = 0; good && k < NOISE_SIZES; k++) {
        noise[k] = NAN;
        if (20 * noise_batch[k] > l->samples) {
            continue;
        }
        data_loader_config config = data_loader_defaults();
        config.batch = noise_batch[k];
        config.shuffle = true;
        config.drop_last = true;
        loader = data_loader_new(data_set_share(l->train), config, &rng);
        double sum = 0;
        int draws = 0;
        while (draws < NOISE_DRAWS && data_loader_next(loader, &batch)) {
            ag_begin(&step);
            forget_gradient(parameters);
            ag_backward(ag_cross_entropy(nn_forward(net, batch.x), batch.y));
            read_gradient(parameters, one);
            for (int64_t i = 0; i < weights; i++) {
                sum += (one[i] - all[i]) * (one[i] - all[i]);
            }
            draws++;
        }
        noise[k] = sqrt(sum / draws / length);
        data_loader_free(loader);
    }
    ag_end(&step);
    free(all);
    free(one);
    ag_list_free(parameters);
    nn_free(net);
    if (!good) {
        fprintf(stderr, "%s: out of memory\n", l->options->program);
    }
    return good && ag_exit_status() == 0;
}

static bool noise_lesson(struct lesson *l)
{
    double noise[NOISE_SIZES], sizes[NOISE_SIZES], expected[NOISE_SIZES];
    if (!measure_noise(l, noise)) {
        return false;
    }
    printf("\n2. How far the gradient of a batch is from that of all digits, in lengths of the "
           "latter, at the first weights\n\n"
           "  digits in the batch   distance   distance x root of the size\n");
    int measured = 0;
    for (int k = 0; k < NOISE_SIZES && !isnan(noise[k]); k++, measured++) {
        sizes[k] = (double)noise_batch[k];
        expected[k] = noise[0] / sqrt(sizes[k]);
        printf("  %19lld   %8.3f   %8.2f\n", (long long)noise_batch[k], noise[k],
               noise[k] * sqrt(sizes[k]));
    }
    printf("\nThe last column hardly changes: four times the digits, and the work, halve the "
           "noise.\n");
    json_object_set_new(l->record, "noise_batch", record_counts(measured, noise_batch));
    json_object_set_new(l->record, "noise", record_numbers(measured, noise));

    struct plot *p = plot_new("How noisy is the gradient of a batch?");
    struct plot_panel *panel = plot_panel(p, "distance from the gradient of all digits",
                                          "digits in the batch", "relative distance");
    panel->x.log = panel->y.log = true;
    struct plot_series *line = plot_line(panel, "measured", measured, sizes, noise);
    line->points = true;
    line = plot_line(panel, "1 / root of the size", measured, sizes, expected);
    line->dashed = true;
    bool good = plot_save(&l->out, p, "noise");
    plot_free(p);
    return good;
}

/* ---- 3. Batches of 1 to all ---------------------------------------------------------------------------------------------- */

enum { SIZES = 5, LOOKS = 160 };

/* How a training with one size of batch went: the validation loss after so many steps, epochs, seconds. */
struct course {
    int64_t batch;
    int looks;
    double steps[LOOKS], epochs[LOOKS], seconds[LOOKS], loss[LOOKS];
    int reached;            /* the first look at which the loss was at most the goal; -1: never */
    int64_t taken, samples; /* steps so far, and digits in them */
    int epoch;
    double trained, next_look; /* seconds; looks are evenly spaced on a logarithmic axis */
};

static void course_visit(void *object, ag_state_visitor *v)
{
    struct course *self = object;
    ag_state_int(v, "looks", &self->looks);
    ag_state_array(v, "steps", self->steps, AG_FLOAT64, AG_SHAPE(LOOKS));
    ag_state_array(v, "epochs", self->epochs, AG_FLOAT64, AG_SHAPE(LOOKS));
    ag_state_array(v, "seconds", self->seconds, AG_FLOAT64, AG_SHAPE(LOOKS));
    ag_state_array(v, "loss", self->loss, AG_FLOAT64, AG_SHAPE(LOOKS));
    ag_state_int(v, "reached", &self->reached);
    ag_state_int64(v, "taken", &self->taken);
    ag_state_int64(v, "samples", &self->samples);
    ag_state_int(v, "epoch", &self->epoch);
    ag_state_double(v, "trained", &self->trained);
    ag_state_double(v, "next_look", &self->next_look);
}

static const ag_stateful_type course_type = { sizeof(ag_stateful_type), "course", course_visit };

/* Each size has an allowance of epochs (large batches need more of them) and ends early at the goal. */
static bool train_with_batch(const struct lesson *l, double goal, int allowance, struct course *c)
{
    const struct options *o = l->options;
    ag_rng rng = ag_rng_seed((uint64_t)o->seed + 2);
    data_loader_config config = data_loader_defaults();
    config.batch = c->batch;
    config.shuffle = true;
    data_loader *train = data_loader_new(data_set_share(l->train), config, &rng);
    nn_module *net = new_network(o);
    optim *opt = new_optimizer(o, net);
    static struct evaluation now;
    ag_scope step = { 0 };
    data_batch batch;
    c->next_look = 1;
    c->reached = -1;
    struct saving saving;
    char part[64];
    snprintf(part, sizeof part, "batch-%lld", (long long)c->batch);
    bool good = saving_begin_part(&saving, o, part);
    saving_add(&saving, "model", nn_stateful(net));
    saving_add(&saving, "optimizer", optim_stateful(opt));
    saving_add(&saving, "digits", data_loader_stateful(train));
    saving_add(&saving, "course", ag_stateful_make(&course_type, c));
    good = good && saving_resume(&saving);
    while (good && c->epoch < allowance && c->reached < 0) {
        data_loader_rewind(train);
        double begun = progress_clock();
        while (good && c->reached < 0 && data_loader_next(train, &batch)) {
            double loss = train_step(&step, net, opt, &batch);
            if (!isfinite(loss)) {
                report_not_finite(o, loss, c->epoch + 1, batch.index + 1);
                good = false;
                break;
            }
            c->taken++;
            c->samples += batch.n;
            if ((double)c->taken >= c->next_look && c->looks < LOOKS) {
                c->next_look = fmax(c->next_look + 1, c->next_look * 1.15);
                c->trained += progress_clock() - begun; /* looking is not part of training */
                look(l, net, &now);
                c->steps[c->looks] = (double)c->taken;
                c->epochs[c->looks] = (double)c->samples / (double)l->samples;
                c->seconds[c->looks] = c->trained;
                c->loss[c->looks] = now.loss;
                if (now.loss <= goal) {
                    c->reached = c->looks;
                }
                c->looks++;
                begun = progress_clock();
            }
            good = !saving_step(&saving);
        }
        c->trained += progress_clock() - begun;
        if (good) {
            c->epoch++;
            good = !saving_epoch(&saving);
        }
    }
    saving_end(&saving);
    ag_end(&step);
    optim_free(opt);
    nn_free(net);
    data_loader_free(train);
    return good && ag_exit_status() == 0;
}

static bool draw_courses(struct lesson *l, const struct course *courses, int count, double goal)
{
    struct plot *p = plot_new("Batches of 1, 8, 64, … digits: the same trainings by three clocks");
    static const char *const clocks[] = { "steps", "epochs", "seconds" };
    for (int clock = 0; clock < 3; clock++) {
        struct plot_panel *panel = plot_panel(p,
                                              clock == 0   ? "over steps"
                                              : clock == 1 ? "over epochs"
                                                           : "over time",
                                              clocks[clock], clock == 0 ? "validation loss" : "");
        panel->x.log = true;
        panel->y.log = true;
        panel->width = 340;

        for (int k = 0; k < count; k++) {
            const struct course *c = &courses[k];
            char label[64];
            snprintf(label, sizeof label, c->batch == l->samples ? "all" : "%lld",
                     (long long)c->batch);
            plot_line(panel, label, c->looks,
                      clock == 0   ? c->steps
                      : clock == 1 ? c->epochs
                                   : c->seconds,
                      c->loss)
                ->colour = k;
        }
        plot_mark(panel, "goal", NAN, goal);
    }
    bool good = plot_save(&l->out, p, "batch");
    plot_free(p);
    return good;
}

static json_t *courses_to_json(const struct course *courses, int count)
{
    json_t *array = json_array();
    for (int k = 0; k < count; k++) {
        const struct course *c = &courses[k];
        json_t *item = json_object();
        json_object_set_new(item, "batch", json_integer(c->batch));
        json_object_set_new(item, "steps", record_numbers(c->looks, c->steps));
        json_object_set_new(item, "epochs", record_numbers(c->looks, c->epochs));
        json_object_set_new(item, "seconds", record_numbers(c->looks, c->seconds));
        json_object_set_new(item, "validation_loss", record_numbers(c->looks, c->loss));
        json_object_set_new(item, "steps_to_goal",
                            record_number(c->reached < 0 ? NAN : c->steps[c->reached]));
        json_object_set_new(item, "epochs_to_goal",
                            record_number(c->reached < 0 ? NAN : c->epochs[c->reached]));
        json_object_set_new(item, "seconds_to_goal",
                            record_number(c->reached < 0 ? NAN : c->seconds[c->reached]));
        json_array_append_new(array, item);
    }
    return array;
}

static bool batch_lesson(struct lesson *l)
{
    const double goal = 0.5;
    const int64_t sizes[SIZES] = { 1, 8, 64, 512, l->samples };
    /* in passes of `--epochs`: enough for the goal with the default rate */
    const int allowance[SIZES] = { 1, 1, 3, 12, 100 };
    static struct course courses[SIZES];
    int count = 0;
    printf("\n3. Batches of 1 to all: until the validation loss is %g, rate %g for each\n\n"
           "  batch      steps     epochs    seconds   seconds a step\n",
           goal, l->options->lr);
    for (int k = 0; k < SIZES; k++) {
        if (sizes[k] > l->samples || (k > 0 && sizes[k] == sizes[k - 1])) {
            continue;
        }
        struct course *c = &courses[count++];
        c->batch = sizes[k];
        if (!train_with_batch(l, goal, allowance[k] * l->options->epochs, c)) {
            return false;
        }
        int last = c->looks - 1;
        if (c->reached >= 0) {
            printf("  %5lld %10.0f %10.2f %10.3f %16.6f\n", (long long)c->batch, c->steps[last],
                   c->epochs[last], c->seconds[last], c->seconds[last] / c->steps[last]);
        } else {
            printf("  %5lld   not within %.0f steps, %.2f epochs, %.3f s: loss %.3f\n",
                   (long long)c->batch, c->steps[last], c->epochs[last], c->seconds[last],
                   c->loss[last]);
        }
        fflush(stdout);
    }
    json_object_set_new(l->record, "goal", record_number(goal));
    json_object_set_new(l->record, "batches", courses_to_json(courses, count));
    return draw_courses(l, courses, count, goal);
}

int main(int argc, char **argv)
{
    struct options options = {
        .program = "shuffling",
        .purpose = "Shows why digits are shuffled, and what the size of a batch does, over steps, "
                   "epochs and time.",
        .accepts = OPTION_SEED | OPTION_THREADS | OPTION_EPOCHS | OPTION_BATCH | OPTION_LR |
                   OPTION_DATA | OPTION_JSON | OPTION_PICTURES | OPTION_SAVE,
        .epochs = 3,
        .lr = 0.05,
        .validation = 0.2,
    };
    int status = options_parse(&options, argc, argv);
    if (status >= 0) {
        return status;
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
        .samples = data_set_size(digits.train),
        .out = { .program = options.program, .folder = options.pictures, .svg = options.svg },
        .record = record_begin(&options)
    };
    status = EXIT_FAILURE;
    if (order_lesson(&lesson) && noise_lesson(&lesson) && batch_lesson(&lesson)) {
        status = record_write(&options, json_incref(lesson.record)) ? EXIT_SUCCESS : EXIT_FAILURE;
    } else {
        status = saving_exit_status(false);
    }
    json_decref(lesson.record);
    digits_close(&digits);
    return output_standard_flush(options.program) ? status : EXIT_FAILURE;
}
