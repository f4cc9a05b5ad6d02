/*
 * Part 3: batches of 1 to all, by three clocks.
 */
#include "shuffling.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/progress.h"
#include "common/report.h"
#include "common/saving.h"

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

bool batch_lesson(struct lesson *l)
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
