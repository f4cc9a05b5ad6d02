/*
 * Part 1: sorted against shuffled digits.
 */
#include "shuffling.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/report.h"
#include "common/saving.h"

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

bool order_lesson(struct lesson *l)
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
