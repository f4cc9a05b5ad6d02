/*
 * Part 2: a step with all houses, with some, or with one: over steps, over epochs and over wall time.
 */
#include "regression.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/progress.h"

enum { COURSES = 4, LOOKS = 240, LONGER = 10 /* epochs that are a single step */, TURNS = 3 };

/* How far the loss is above the least possible one, as training goes on. */
struct course {
    const char *name, *key;
    int64_t batch;
    int epochs;
    double rate;
    int looks;
    double steps[LOOKS], passes[LOOKS], seconds[LOOKS], above[LOOKS];
    double seconds_a_step; /* in the fastest epoch */
    double floor;          /* mean over the last fifth of all steps: where it stays */
    int64_t reached;       /* the first step seen at which it was at most the goal; -1: never */
    double reached_epochs, reached_seconds;
};

static const double goal = 1; /* above the least loss, in squared thousand dollars */

static bool train_with(const struct lesson *l, data_set *set, const struct problem *p, double least,
                       struct course *c)
{
    const struct options *o = l->options;
    ag_rng rng = ag_rng_seed((uint64_t)o->seed);
    data_loader_config config = data_loader_defaults();
    config.batch = c->batch;
    config.shuffle = true;
    data_loader *houses = data_loader_new(data_set_share(set), config, &rng);
    nn_module *line = line_new(p->f);
    optim_sgd_config sgd = optim_sgd_defaults();
    sgd.lr = c->rate;
    optim *opt = optim_sgd(nn_parameters(line), sgd);
    ag_scope step = { 0 };
    double seconds = 0, next = 1, weights[WEIGHTS_MAX], floor_sum = 0;
    int64_t steps = 0, all = data_loader_batches(houses) * c->epochs, floors = 0;
    bool good = true;
    c->looks = 0;
    c->reached = -1;
    c->reached_epochs = c->reached_seconds = NAN;
    c->seconds_a_step = INFINITY;
    for (int epoch = 0; good && epoch < c->epochs; epoch++) {
        data_batch batch;
        data_loader_rewind(houses);
        double begun = progress_clock(), before = seconds;
        while (data_loader_next(houses, &batch)) {
            ag_begin(&step);
            ag_tensor loss = line_loss(line, batch.x, batch.y);
            optim_zero_grad(opt);
            ag_backward(loss);
            optim_step(opt);
            steps++;
            /* Looking is not part of training: the clock stands still. Looks are evenly spaced on a logarithmic axis; in the
             * last fifth there are more, because a mean over them is wanted. */
            bool late = 5 * steps > 4 * all && steps % (all / 200 + 1) == 0;
            if ((double)steps < next && !late) {
                continue;
            }
            seconds += progress_clock() - begun;
            line_read(line, p->f, weights);
            double above = solve_loss(p, weights) - least;
            double epochs = (double)steps * (double)c->batch / (double)p->n;
            if (!isfinite(above)) {
                good = false;
                break;
            }
            if (late) {
                floor_sum += above;
                floors++;
            }
            if (above <= goal && c->reached < 0) {
                c->reached = steps;
                c->reached_epochs = epochs;
                c->reached_seconds = seconds;
            }
            if ((double)steps >= next && c->looks < LOOKS) {
                next = fmax(next + 1, next * 1.06);
                c->steps[c->looks] = (double)steps;
                c->passes[c->looks] = epochs;
                c->seconds[c->looks] = seconds;
                c->above[c->looks++] = above;
            }
            begun = progress_clock();
        }
        seconds += progress_clock() - begun;
        c->seconds_a_step =
            fmin(c->seconds_a_step, (seconds - before) / (double)data_loader_batches(houses));
    }
    c->floor = floors > 0 ? floor_sum / (double)floors : c->above[c->looks - 1];
    ag_end(&step);
    optim_free(opt);
    nn_free(line);
    data_loader_free(houses);
    if (!good) {
        fflush(stdout);
        fprintf(stderr, "%s: batches of %lld: the loss grows without bound at rate %g\n",
                o->program, (long long)c->batch, c->rate);
    }
    return good && ag_exit_status() == 0;
}

/* Three times the same training, bit for bit; only the clock differs. The shortest time to each look is the one that was least
 * disturbed by whatever else the machine does. */
static bool train_undisturbed(const struct lesson *l, data_set *set, const struct problem *p,
                              double least, struct course *c)
{
    static struct course again;
    again = *c;
    if (!train_with(l, set, p, least, c)) {
        return false;
    }
    for (int turn = 1; turn < TURNS; turn++) {
        if (!train_with(l, set, p, least, &again)) {
            return false;
        }
        for (int i = 0; i < c->looks; i++) {
            c->seconds[i] = fmin(c->seconds[i], again.seconds[i]);
        }
        c->reached_seconds = fmin(c->reached_seconds, again.reached_seconds);
        c->seconds_a_step = fmin(c->seconds_a_step, again.seconds_a_step);
    }
    return true;
}

static bool draw(struct lesson *l, const struct course *courses)
{
    static const char *const clocks[] = { "step", "epoch", "second" };
    struct plot *p =
        plot_new("One house, some or all in a step: the same trainings by three clocks");
    for (int clock = 0; clock < 3; clock++) {
        struct plot_panel *panel =
            plot_panel(p,
                       clock == 0   ? "over steps"
                       : clock == 1 ? "over epochs"
                                    : "over wall time",
                       clocks[clock], clock == 0 ? "loss above the least possible" : "");
        panel->x.log = panel->y.log = true;
        panel->width = 360;
        panel->y.low = 1e-4;
        panel->y.high = 1000;
        for (int k = 0; k < COURSES; k++) {
            const struct course *c = &courses[k];
            struct plot_series *line = plot_line(panel, c->name, c->looks,
                                                 clock == 0   ? c->steps
                                                 : clock == 1 ? c->passes
                                                              : c->seconds,
                                                 c->above);
            line->dashed = k == COURSES - 1;
            line->width = 1.6;
        }
    }
    bool good = plot_save(&l->out, p, "batches");
    plot_free(p);
    return good;
}

static json_t *to_json(const struct course *c)
{
    json_t *item = json_object();
    json_object_set_new(item, "batch", json_integer(c->batch));
    json_object_set_new(item, "rate", record_number(c->rate));
    json_object_set_new(item, "steps", record_numbers(c->looks, c->steps));
    json_object_set_new(item, "epochs", record_numbers(c->looks, c->passes));
    json_object_set_new(item, "seconds", record_numbers(c->looks, c->seconds));
    json_object_set_new(item, "above", record_numbers(c->looks, c->above));
    json_object_set_new(item, "floor", record_number(c->floor));
    json_object_set_new(item, "steps_to_goal",
                        record_number(c->reached < 0 ? NAN : (double)c->reached));
    json_object_set_new(item, "epochs_to_goal", record_number(c->reached_epochs));
    return item;
}

bool batches_part(struct lesson *l)
{
    const struct options *o = l->options;
    data_transform *scaler = data_standard_scaler(l->houses, data_scaler_defaults());
    data_set *set = data_transform_x(l->houses, scaler);
    struct problem p;
    double best[WEIGHTS_MAX];
    bool good = problem_open(&p, o, data_set_share(set));
    if (good && !solve_closed_form(&p, best)) {
        fprintf(stderr, "%s: the features depend on one another: leave some out with --without\n",
                o->program);
        good = false;
    }
    if (good) {
        double least = solve_loss(&p, best);
        double steep = largest_curvature(&p, NULL, NULL), flat = solve_least_curvature(&p);
        /* A single house is a valley of its own, as steep as 2 (|x|^2 + 1): the houses far from the mean set the rate. */
        double farthest = 0;
        for (int64_t i = 0; i < p.n; i++) {
            double squares = 1;
            for (int j = 0; j < p.f; j++) {
                squares += p.xs[i * p.f + j] * p.xs[i * p.f + j];
            }
            farthest = fmax(farthest, squares);
        }
        double careful = 0.5 / farthest;
        int64_t some = o->batch < p.n ? o->batch : p.n;
        char name[64];
        snprintf(name, sizeof name, "%lld houses", (long long)some);
        static struct course courses[COURSES], warm;
        courses[0] = (struct course){
            .name = "1 house", .key = "one", .batch = 1, .epochs = o->epochs, .rate = careful
        };
        courses[1] = (struct course){
            .name = name, .key = "some", .batch = some, .epochs = o->epochs, .rate = careful
        };
        courses[2] = (struct course){
            .name = "all", .key = "all", .batch = p.n, .epochs = LONGER * o->epochs, .rate = careful
        };
        courses[3] = (struct course){ .name = "all, largest sensible rate",
                                      .key = "all_fast",
                                      .batch = p.n,
                                      .epochs = LONGER * o->epochs,
                                      .rate = 2 / (steep + flat) };
        printf("2. One house, some, or all in a step: %d epochs of %lld houses (all: %d), %d "
               "features\n\n"
               "                                          until the loss is within %g of the "
               "least\n"
               "  a step with                    rate     steps    epochs   seconds   µs a step   "
               "above in the end\n",
               o->epochs, (long long)p.n, LONGER * o->epochs, p.f, goal);
        json_t *record = json_object();
        warm = courses[2]; /* whoever comes first fills the caches for the others */
        warm.epochs = 20;
        good = train_with(l, set, &p, least, &warm);
        for (int k = 0; good && k < COURSES; k++) {
            struct course *c = &courses[k];
            good = train_undisturbed(l, set, &p, least, c);
            if (good && c->reached >= 0) {
                printf("  %-26s %8.4f %9lld %9.2f %9.4f %11.2f %16.1e\n", c->name, c->rate,
                       (long long)c->reached, c->reached_epochs, c->reached_seconds,
                       1e6 * c->seconds_a_step, c->floor);
            } else if (good) {
                printf("  %-26s %8.4f     never     never     never %11.2f %16.1e\n", c->name,
                       c->rate, 1e6 * c->seconds_a_step, c->floor);
            }
            json_object_set_new(record, c->key, to_json(c));
        }
        json_object_set_new(l->record, "batches", record);
        good = good && draw(l, courses);
    }
    problem_close(&p);
    data_set_free(set);
    data_transform_free(scaler);
    return good;
}
