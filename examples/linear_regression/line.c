/*
 * Part 1: the best line, solved for in one go and walked to step by step; with one feature and with all of them.
 */
#include "regression.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { PATH_MAX_POINTS = 400, FOLDS = 4 };

/* Features of mean 0 and variance 1; the scaler is returned, too. */
static data_set *standardised(data_set *set, data_transform **scaler)
{
    *scaler = data_standard_scaler(set, data_scaler_defaults());
    return data_transform_x(set, *scaler);
}

/* What descent found, and how far it is from the closed form. */
struct comparison {
    double closed[WEIGHTS_MAX], walked[WEIGHTS_MAX];
    double difference; /* largest, over all weights */
    double bound;      /* on the distance, from the last gradient alone */
    double rms;        /* root of the mean squared error, in thousand dollars */
    double explained;  /* R^2: share of the variance */
    int64_t steps;
    bool arrived;
    /* the first steps, for the picture; w and b */
    int64_t points;
    double w[PATH_MAX_POINTS], b[PATH_MAX_POINTS];
};

static void comparison_visit(void *object, ag_state_visitor *v)
{
    struct comparison *self = object;
    int64_t points = self->points;
    ag_state_int64(v, "steps", &self->steps);
    ag_state_series(v, "w", self->w, AG_FLOAT64, &self->points, PATH_MAX_POINTS);
    ag_state_series(v, "b", self->b, AG_FLOAT64, &points, PATH_MAX_POINTS);
}

static const ag_stateful_type comparison_type = { sizeof(ag_stateful_type), "comparison",
                                                  comparison_visit };

/* Walks downhill until the gradient says that the bottom is near. Near the bottom, gradient = H (weights - best weights), so the
 * distance is at most |gradient| / smallest curvature: descent knows when it has arrived without knowing the answer. */
static bool walk(const struct lesson *l, const struct problem *p, const char *name,
                 double tolerance, struct comparison *c)
{
    const struct options *o = l->options;
    double least = solve_least_curvature(p);
    nn_module *line = line_new(p->f);
    ag_list *parameters = nn_parameters(line);
    optim_sgd_config sgd = optim_sgd_defaults();
    sgd.lr = o->lr;
    optim *opt = optim_sgd(nn_parameters(line), sgd);
    ag_scope step = { 0 };
    c->points = 0;
    c->steps = 0;
    c->arrived = false;
    struct saving saving;
    bool good = saving_begin_part(&saving, o, name);
    saving_add(&saving, "line", nn_stateful(line));
    saving_add(&saving, "optimizer", optim_stateful(opt));
    saving_add(&saving, "path", ag_stateful_make(&comparison_type, c));
    good = good && saving_resume(&saving);
    while (good) {
        ag_begin(&step);
        ag_tensor loss = line_loss(line, p->x, p->y);
        optim_zero_grad(opt);
        ag_backward(loss);
        double squares = 0;
        for (int64_t i = 0; i < ag_list_count(parameters); i++) {
            ag_tensor gradient = ag_grad_of(ag_list_tensor(parameters, i));
            squares += ag_item(ag_sum(ag_square(gradient)));
        }
        c->bound = sqrt(squares) / least;
        line_read(line, p->f, c->walked);
        if (c->points == c->steps && c->points < PATH_MAX_POINTS) {
            c->w[c->points] = c->walked[0];
            c->b[c->points++] = c->walked[p->f];
        }
        if (!isfinite(ag_item(loss))) {
            fflush(stdout);
            fprintf(stderr,
                    "%s: the loss became infinite at step %lld: try a smaller --lr (it is %g)\n",
                    o->program, (long long)c->steps, o->lr);
            good = false;
            break;
        }
        if (c->bound <= tolerance) {
            c->arrived = true;
            break;
        }
        if (c->steps >= o->steps) {
            break;
        }
        optim_step(opt);
        c->steps++;
        good = !saving_step(&saving);
    }
    good = good && !saving_epoch(&saving);
    saving_end(&saving);
    ag_end(&step);
    optim_free(opt);
    ag_list_free(parameters);
    nn_free(line);
    return good && ag_exit_status() == 0;
}

/* Both ways to one problem. */
static bool compare(const struct lesson *l, const struct problem *p, const char *name,
                    struct comparison *c)
{
    if (!solve_closed_form(p, c->closed)) {
        fprintf(stderr,
                "%s: the features depend on one another (%lld rows, %d features): there is no "
                "single best line; leave some out with --without\n",
                l->options->program, (long long)p->n, p->f);
        return false;
    }
    if (!walk(l, p, name, 1e-8, c)) {
        return false;
    }
    c->difference = 0;
    for (int j = 0; j <= p->f; j++) {
        c->difference = fmax(c->difference, fabs(c->closed[j] - c->walked[j]));
    }
    double loss = solve_loss(p, c->closed);
    c->rms = sqrt(loss);
    c->explained = 1 - loss / problem_spread(p);
    return true;
}

static void print_arrival(const struct lesson *l, const struct comparison *c)
{
    if (c->arrived) {
        printf("  closed form and descent agree to %.1e after %lld steps (the gradient promised "
               "%.1e)\n",
               c->difference, (long long)c->steps, c->bound);
    } else {
        printf("  descent has not arrived after %lld steps: it is still %.1e away; more --steps "
               "or a larger --lr (it is %g)\n",
               (long long)c->steps, c->difference, l->options->lr);
    }
}

/* The weights for the features as they are in the table: dollars a room, not dollars a standard deviation. */
static void in_table_units(const data_transform *scaler, int features, const double *scaled,
                           double *weights)
{
    weights[features] = scaled[features];
    for (int j = 0; j < features; j++) {
        weights[j] = scaled[j] / data_scaler_scale(scaler, j);
        weights[features] -= weights[j] * data_scaler_shift(scaler, j);
    }
}

/* The mean absolute error on houses that were not used to fit, over four folds. Everything that is fitted, the scaler too, is
 * fitted on the other three. */
static double honest_error(const struct lesson *l, data_set *set)
{
    data_set *train[FOLDS], *test[FOLDS];
    ag_rng rng = ag_rng_seed((uint64_t)l->options->seed);
    double sum = 0;
    int64_t n = 0;
    if (data_k_fold(set, FOLDS, &rng, train, test) != AG_OK) {
        return NAN;
    }
    for (int k = 0; k < FOLDS; k++) {
        data_scaler_config config = data_scaler_defaults();
        config.allow_constant = true; /* a rare 1 may be missing in three folds */
        data_transform *scaler = data_standard_scaler(train[k], config);
        struct problem fit, judge;
        double weights[WEIGHTS_MAX];
        bool good = problem_open(&fit, l->options, data_transform_x(train[k], scaler));
        good = problem_open(&judge, l->options, data_transform_x(test[k], scaler)) && good;
        if (good && solve_closed_form(&fit, weights)) {
            for (int64_t i = 0; i < judge.n; i++) {
                double guess = weights[judge.f];
                for (int j = 0; j < judge.f; j++) {
                    guess += weights[j] * judge.xs[i * judge.f + j];
                }
                sum += fabs(guess - judge.ys[i]);
                n++;
            }
        }
        problem_close(&judge);
        problem_close(&fit);
        data_transform_free(scaler);
        data_set_free(train[k]);
        data_set_free(test[k]);
    }
    return n > 0 ? sum / (double)n : NAN;
}

struct valley {
    const struct problem *p;
};

static double height(double w, double b, void *user)
{
    const struct valley *v = user;
    double weights[2] = { w, b };
    return solve_loss(v->p, weights);
}

/* The houses with the line, and the loss over (w, b) with the path on it. */
static bool draw_line(struct lesson *l, const struct problem *scaled, const struct comparison *c,
                      const double *table_weights)
{
    struct problem raw;
    if (!problem_open(&raw, l->options, data_set_share(l->rooms))) {
        problem_close(&raw);
        return false;
    }
    double low = INFINITY, high = -INFINITY;
    for (int64_t i = 0; i < raw.n; i++) {
        low = fmin(low, raw.xs[i]);
        high = fmax(high, raw.xs[i]);
    }
    double x[2] = { low, high }, y[2] = { table_weights[0] * low + table_weights[1],
                                          table_weights[0] * high + table_weights[1] };
    struct plot *p = plot_new("A line through 506 prices, and the way to it");
    snprintf(p->title, sizeof p->title, "A line through %lld prices, and the way to it",
             (long long)raw.n);
    struct plot_panel *houses =
        plot_panel(p, "price by number of rooms", "rooms", "price, thousand dollars");
    houses->width = 460;
    houses->height = 380;
    houses->y.low = 0;
    struct plot_series *dots = plot_points(houses, "a district", raw.n, raw.xs, raw.ys);
    dots->size = 2;
    dots->mark = 0;
    char label[64];
    snprintf(label, sizeof label, "%.2f x rooms %+.2f", table_weights[0], table_weights[1]);
    plot_line(houses, label, 2, x, y);
    problem_close(&raw);

    struct plot_panel *surface = plot_panel(p, "mean squared error, and the path of descent",
                                            "weight of the scaled rooms", "b");
    surface->height = 380;
    double reach = 1.35 * fmax(fabs(c->closed[0]), fabs(c->closed[1]));
    struct plot_grid grid = { .rows = 81,
                              .columns = 81,
                              .x_low = c->closed[0] - 1.23 * reach, /* as wide as the panel */
                              .x_high = c->closed[0] + 1.23 * reach,
                              .y_low = c->closed[1] - reach,
                              .y_high = c->closed[1] + reach };
    struct valley valley = { scaled };
    double *values = plot_sample(&grid, height, &valley);
    if (values != NULL) {
        struct plot_series *contours = plot_contours(surface, grid, 12, NULL);
        contours->fill = true;
        surface->equal = true;
        struct plot_series *path = plot_line(surface, "descent", c->points, c->w, c->b);
        path->points = true;
        path->ends = true;
        path->colour = PLOT_VERMILION;
        struct plot_series *best =
            plot_points(surface, "closed form", 1, &c->closed[0], &c->closed[1]);
        best->colour = PLOT_INK;
        best->mark = 5;
        best->size = 6;
    }
    free(values);
    bool good = plot_save(&l->out, p, "line");
    plot_free(p);
    return good;
}

static json_t *to_json(const struct comparison *c, int features, const double *table_weights,
                       double honest)
{
    json_t *item = json_object();
    json_object_set_new(item, "closed_form", record_numbers(features + 1, c->closed));
    json_object_set_new(item, "descent", record_numbers(features + 1, c->walked));
    json_object_set_new(item, "difference", record_number(c->difference));
    json_object_set_new(item, "steps", json_integer(c->steps));
    json_object_set_new(item, "in_table_units", record_numbers(features + 1, table_weights));
    json_object_set_new(item, "rmse", record_number(c->rms));
    json_object_set_new(item, "r2", record_number(c->explained));
    json_object_set_new(item, "four_fold_mae", record_number(honest));
    return item;
}

/* One feature, or all: both ways, and what they found. */
static bool one_problem(struct lesson *l, data_set *set, const char *key)
{
    static struct comparison c;
    data_transform *scaler;
    struct problem p;
    double weights[WEIGHTS_MAX];
    bool good = problem_open(&p, l->options, standardised(set, &scaler)) && compare(l, &p, key, &c);
    if (good && p.f == 1) {
        in_table_units(scaler, 1, c.walked, weights);
        printf("\nOne feature: price = %.4f x rooms %+.4f\n", weights[0], weights[1]);
    } else if (good) {
        in_table_units(scaler, p.f, c.walked, weights);
        printf("\n%d features, each scaled to mean 0 and variance 1\n\n"
               "  feature        closed form        descent   difference   as in the table\n",
               p.f);
        for (int j = 0; j <= p.f; j++) {
            printf("  %-10s %15.9f %14.9f   %10.1e   %15.6f\n",
                   j < p.f ? data_set_x_name(set, j) : "b", c.closed[j], c.walked[j],
                   fabs(c.closed[j] - c.walked[j]), weights[j]);
        }
        printf("\n");
    }
    if (good) {
        print_arrival(l, &c);
        double honest = honest_error(l, set);
        printf("  off by %.3f (root mean square), %.1f %% of the variance explained; %.3f on "
               "average on houses not used to fit\n",
               c.rms, 100 * c.explained, honest);
        fflush(stdout);
        json_object_set_new(l->record, key, to_json(&c, p.f, weights, honest));
        good = ag_exit_status() == 0 && (p.f > 1 || draw_line(l, &p, &c, weights));
    }
    problem_close(&p);
    data_transform_free(scaler);
    return good;
}

bool line_part(struct lesson *l)
{
    printf("1. The best line: solved for (normal equations), and walked to (gradient descent, rate "
           "%g)\n   Prices are in thousand dollars.\n",
           l->options->lr);
    return one_problem(l, l->rooms, "one_feature") && one_problem(l, l->houses, "all_features");
}
