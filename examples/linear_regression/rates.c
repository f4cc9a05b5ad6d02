/*
 * Part 3: learning rates that crawl, converge, oscillate and diverge. The limit between them is known beforehand: along a
 * direction of curvature h each step multiplies the distance from the bottom by 1 - rate h, so all directions shrink if
 * rate < 2 / h for the steepest one.
 */
#include "regression.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { COURSE_STEPS = 100, POINTS = COURSE_STEPS + 1, LONG_STEPS = 5000, SWINGS = 24 };

/* One training: the loss above the least possible one, and the distance from the bottom along the steepest direction. */
struct course {
    double rate;
    double above[POINTS], along[POINTS];
    int points;
    double factor;    /* |along| is multiplied by this at every step: measured */
    double predicted; /* 1 - rate x curvature */
    const char *verdict;
    /* while it runs */
    const double *direction, *best;
    double least;
    int weights;
};

static bool look(void *user, int64_t step, double loss, const double *weights)
{
    struct course *c = user;
    double along = 0;
    for (int j = 0; j < c->weights; j++) {
        along += c->direction[j] * (weights[j] - c->best[j]);
    }
    c->above[step] = loss - c->least;
    c->along[step] = along;
    c->points = (int)step + 1;
    return false;
}

/* What can be seen of a training, from its numbers alone. */
static const char *verdict_of(const struct course *c)
{
    double last = c->above[c->points - 1];
    if (!(last < c->above[0])) {
        return "diverges";
    }
    if (c->factor < 0) {
        return c->factor < -0.8 ? "oscillates"
                                : "converges"; /* the swings die out in a few steps */
    }
    return last > 0.1 * c->above[0] ? "crawls" : "converges";
}

/* How many times the loss above the least is what it was at first, after many steps. */
static double change_after(const struct problem *p, double rate, double least)
{
    struct descent d = { .rate = rate, .steps = LONG_STEPS };
    descend(p, &d);
    return (d.loss - least) / (problem_spread(p) - least);
}

static bool draw(struct lesson *l, const struct course *courses, int count, double critical)
{
    struct plot *p = plot_new("Learning rates beside the critical one");
    struct plot_panel *losses =
        plot_panel(p, "loss above the least possible", "step", "squared thousand dollars");
    struct plot_panel *along =
        plot_panel(p, "distance from the bottom along the steepest direction", "step", "");
    losses->y.log = true;
    losses->width = along->width = 480;
    losses->height = along->height = 360;
    losses->y.low = 1e-3;
    losses->y.high = 1e6;
    double steps[POINTS];
    for (int i = 0; i < POINTS; i++) {
        steps[i] = i;
    }
    double most = 0;
    for (int k = 0; k < count; k++) {
        const struct course *c = &courses[k];
        char label[96];
        snprintf(label, sizeof label, "%.3g x critical: %s", c->rate / critical, c->verdict);
        plot_line(losses, label, c->points, steps, c->above)->width = 1.8;
        /* The swings are seen best over the first steps. */
        int points = c->points < SWINGS + 1 ? c->points : SWINGS + 1;
        plot_line(along, label, points, steps, c->along)->width = 1.8;
        most = fmax(most, fabs(c->along[0]));
    }
    along->y.low = -2.5 * most;
    along->y.high = 2.5 * most;
    snprintf(p->note, sizeof p->note, "critical rate 2 / largest curvature = %.6f", critical);
    bool good = plot_save(&l->out, p, "rates");
    plot_free(p);
    return good;
}

static bool run(struct lesson *l, const struct problem *p, const double *best)
{
    static const double usual[] = { 0.002, 0.1, 0.5, 0.98, 1.02 };
    static struct course courses[LIST_MAX];
    const struct options *o = l->options;
    double direction[WEIGHTS_MAX], least = solve_loss(p, best);
    int products = 0, count = o->rates.count;
    double steep = largest_curvature(p, direction, &products), critical = 2 / steep;
    printf("3. Learning rates: %d features, all houses in every step\n\n"
           "The largest curvature is %.9f, after %d products of the Hessian with a vector.\n"
           "No rate above 2 / %.6f = %.9f can converge.\n\n"
           "                          distance along the steepest direction, x per step\n"
           "       rate  x critical        predicted     measured      loss after %d steps   "
           "verdict\n",
           p->f, steep, products, steep, critical, COURSE_STEPS);
    if (count == 0) {
        count = (int)(sizeof usual / sizeof usual[0]);
    }
    json_t *list = json_array();
    for (int k = 0; k < count; k++) {
        struct course *c = &courses[k];
        *c = (struct course){ .rate = o->rates.count > 0 ? o->rates.value[k] : usual[k] * critical,
                              .direction = direction,
                              .best = best,
                              .least = least,
                              .weights = p->f + 1 };
        struct descent d = { .rate = c->rate, .steps = COURSE_STEPS, .look = look, .user = c };
        descend(p, &d);
        if (ag_exit_status() != 0) {
            json_decref(list);
            return false;
        }
        c->predicted = 1 - c->rate * steep;
        c->factor = c->points > 1 ? c->along[1] / c->along[0] : NAN;
        c->factor = fabs(c->factor) < 5e-7 ? 0 : c->factor; /* not "-0.000000" */
        c->verdict = verdict_of(c);
        printf("  %9.6f %11.4f %16.6f %12.6f %24.6g   %s\n", c->rate, c->rate / critical,
               c->predicted, c->factor, c->above[c->points - 1] + least, c->verdict);
        json_t *item = json_object();
        json_object_set_new(item, "rate", record_number(c->rate));
        json_object_set_new(item, "predicted", record_number(c->predicted));
        json_object_set_new(item, "measured", record_number(c->factor));
        json_object_set_new(item, "above", record_numbers(c->points, c->above));
        json_object_set_new(item, "verdict", json_string(c->verdict));
        json_array_append_new(list, item);
    }
    static const double near[2] = { 0.999, 1.001 };
    double change[2];
    for (int k = 0; k < 2; k++) {
        change[k] = change_after(p, near[k] * critical, least);
    }
    printf("\nReally? After %d steps at %g x critical the loss above the least is %.3g times what "
           "it was; at %g x critical, %.3g times.\n",
           LONG_STEPS, near[0], change[0], near[1], change[1]);
    json_object_set_new(l->record, "largest_curvature", record_number(steep));
    json_object_set_new(l->record, "critical_rate", record_number(critical));
    json_object_set_new(l->record, "products", json_integer(products));
    json_object_set_new(l->record, "rates", list);
    json_object_set_new(l->record, "just_below", record_number(change[0]));
    json_object_set_new(l->record, "just_above", record_number(change[1]));
    return ag_exit_status() == 0 && draw(l, courses, count, critical);
}

bool rates_part(struct lesson *l)
{
    data_transform *scaler = data_standard_scaler(l->houses, data_scaler_defaults());
    struct problem p;
    double best[WEIGHTS_MAX];
    bool good = problem_open(&p, l->options, data_transform_x(l->houses, scaler));
    if (good && !solve_closed_form(&p, best)) {
        fprintf(stderr, "%s: the features depend on one another: leave some out with --without\n",
                l->options->program);
        good = false;
    }
    good = good && run(l, &p, best);
    problem_close(&p);
    data_transform_free(scaler);
    return good;
}
