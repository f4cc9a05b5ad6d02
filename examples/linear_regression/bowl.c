/*
 * Part 4: raw against scaled features: the loss as a bowl, and its shape. The ratio of the largest and the smallest curvature, the
 * condition number, is what descent has to pay for: the steepest wall sets the rate, the flattest has to be walked with it.
 */
#include "regression.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { PATH_STEPS = 60, PATH_POINTS = PATH_STEPS + 1, SCALINGS = 4, GRID = 121 };
static const char *const scaling_names[SCALINGS] = { "raw", "min-max", "standardised", "robust" };
static const char *const scaling_keys[SCALINGS] = { "raw", "min_max", "standard", "robust" };

/* The set as it is, or scaled. `scaler` is NULL for raw features. */
static data_set *scaled(data_set *set, int how, data_transform **scaler)
{
    data_scaler_config config = data_scaler_defaults();
    *scaler = NULL;
    switch (how) {
    case 0:
        return data_set_share(set);
    case 1:
        *scaler = data_min_max_scaler(set, config);
        break;
    case 2:
        *scaler = data_standard_scaler(set, config);
        break;
    default:
        /* A feature whose middle half has one value only (most districts have no river, no large lots) has no such scale. */
        config.allow_constant = true;
        *scaler = data_robust_scaler(set, config);
    }
    return data_transform_x(set, *scaler);
}

/* ---- two weights: a bowl that can be drawn -------------------------------------------------------------------------------- */

struct path {
    double w[PATH_POINTS], b[PATH_POINTS], above[PATH_POINTS]; /* the least loss */
    int points;
    double least;
};

static bool look(void *user, int64_t step, double loss, const double *weights)
{
    struct path *path = user;
    path->w[step] = weights[0];
    path->b[step] = weights[1];
    path->above[step] = loss - path->least;
    path->points = (int)step + 1;
    return false;
}

static double height(double w, double b, void *user)
{
    double weights[2] = { w, b };
    return solve_loss(user, weights);
}

/* The bowl of one feature over (w, b), from the start to the bottom and as far beyond it, with the path of descent on it. */
static void draw_bowl(struct plot *p, const struct problem *problem, const struct path *path,
                      const double *best, const char *title, const char *x_label)
{
    struct plot_panel *panel = plot_panel(p, title, x_label, "b");
    panel->height = 400;
    panel->no_legend = true;
    panel->equal = true;
    double high = 1.3 * fmax(fabs(best[0]), fabs(best[1])), wide = 1.06 * high; /* as the panel */
    struct plot_grid grid = { .rows = GRID,
                              .columns = GRID,
                              .x_low = best[0] - wide,
                              .x_high = best[0] + wide,
                              .y_low = best[1] - high,
                              .y_high = best[1] + high };
    double *values = plot_sample(&grid, height, (void *)(uintptr_t)problem);
    if (values == NULL) {
        p->failed = true;
        return;
    }
    struct plot_series *contours = plot_contours(panel, grid, 14, NULL);
    contours->fill = true;
    free(values);
    struct plot_series *line = plot_line(panel, "descent", path->points, path->w, path->b);
    line->colour = PLOT_VERMILION;
    line->points = true;
    line->ends = true;
    line->size = 2.4;
    line->width = 1.4;
    struct plot_series *bottom = plot_points(panel, "bottom", 1, &best[0], &best[1]);
    bottom->colour = PLOT_INK;
    bottom->mark = 5;
    bottom->size = 6;
}

static bool two_weights(struct lesson *l)
{
    static struct path path[2];
    static const int scaling[2] = { 0, 2 };
    struct plot *p = plot_new("The same question, the same loss, another bowl");
    json_t *list = json_object();
    bool good = true;
    printf("4. Raw against scaled features: the shape of the bowl\n\n"
           "One feature, two weights (w for the rooms, b), %d steps at 0.9 of the critical rate, "
           "from 0\n\n"
           "                 largest   smallest              critical      loss after   least\n"
           "               curvature  curvature      ratio       rate       the steps    loss\n",
           PATH_STEPS);
    for (int k = 0; good && k < 2; k++) {
        struct problem problem;
        data_transform *scaler;
        double best[WEIGHTS_MAX];
        good = problem_open(&problem, l->options, scaled(l->rooms, scaling[k], &scaler)) &&
               solve_closed_form(&problem, best);
        if (good) {
            double steep = largest_curvature(&problem, NULL, NULL),
                   flat = solve_least_curvature(&problem), least = solve_loss(&problem, best);
            path[k].least = least;
            struct descent d = {
                .rate = 0.9 * 2 / steep, .steps = PATH_STEPS, .look = look, .user = &path[k]
            };
            descend(&problem, &d);
            printf("  %-12s %9.4g  %9.4g  %9.4g  %9.4g   %13.3f %7.3f\n", scaling_names[scaling[k]],
                   steep, flat, steep / flat, 2 / steep, d.loss, least);
            json_t *item = json_object();
            json_object_set_new(item, "condition", record_number(steep / flat));
            json_object_set_new(item, "above", record_numbers(path[k].points, path[k].above));
            json_object_set_new(item, "least", record_number(least));
            json_object_set_new(list, scaling_keys[scaling[k]], item);
            char title[PLOT_TEXT];
            snprintf(title, sizeof title, "%s: curvatures %.3g and %.3g", scaling_names[scaling[k]],
                     steep, flat);
            draw_bowl(p, &problem, &path[k], best, title,
                      k == 0 ? "w, for a room" : "w, for a standard deviation of rooms");
        }
        problem_close(&problem);
        data_transform_free(scaler);
    }
    if (good) {
        struct plot_panel *losses = plot_panel(p, "loss above the least possible", "step", "");
        losses->height = 400;
        losses->y.log = true;
        losses->y.low = 1e-6;
        plot_line(losses, "raw", path[0].points, NULL, path[0].above);
        plot_line(losses, "standardised", path[1].points, NULL, path[1].above);
        snprintf(p->note, sizeof p->note,
                 "vermilion: %d steps of descent from the ring to the disc; the cross is the "
                 "bottom; the rate is 0.9 of the critical one for each",
                 PATH_STEPS);
        good = ag_exit_status() == 0 && plot_save(&l->out, p, "bowl");
    }
    plot_free(p);
    json_object_set_new(l->record, "bowl_of_two", list);
    return good;
}

/* ---- all features --------------------------------------------------------------------------------------------------------- */

static bool all_weights(struct lesson *l)
{
    const struct options *o = l->options;
    json_t *list = json_object();
    bool good = true;
    printf(
        "\nAll features, each at the best rate for its bowl, 2 / (largest + smallest curvature), "
        "until the loss is within 1 %% of the least\n\n"
        "                 largest   smallest                  best\n"
        "               curvature  curvature      ratio       rate      steps\n");
    for (int how = 0; good && how < SCALINGS; how++) {
        struct problem problem;
        data_transform *scaler;
        double best[WEIGHTS_MAX];
        good = problem_open(&problem, o, scaled(l->houses, how, &scaler));
        if (good && !solve_closed_form(&problem, best)) {
            fprintf(stderr,
                    "%s: the features depend on one another: leave some out with --without\n",
                    o->program);
            good = false;
        }
        if (good) {
            double steep = largest_curvature(&problem, NULL, NULL),
                   flat = solve_least_curvature(&problem), least = solve_loss(&problem, best);
            struct descent d = { .rate = 2 / (steep + flat),
                                 .steps = o->steps,
                                 .loss_goal = 1.01 * least };
            descend(&problem, &d);
            printf("  %-12s %9.4g  %9.4g  %9.3g  %9.3g  ", scaling_names[how], steep, flat,
                   steep / flat, d.rate);
            if (d.reached) {
                printf("%9lld\n", (long long)d.done);
            } else {
                printf("not within %lld: the loss is %.1f, the least is %.1f\n", (long long)d.done,
                       d.loss, least);
            }
            fflush(stdout);
            json_t *item = json_object();
            json_object_set_new(item, "condition", record_number(steep / flat));
            json_object_set_new(item, "steps", record_number(d.reached ? (double)d.done : NAN));
            json_object_set_new(item, "loss", record_number(d.loss));
            json_object_set_new(list, scaling_keys[how], item);
        }
        problem_close(&problem);
        data_transform_free(scaler);
    }
    json_object_set_new(l->record, "bowl_of_all", list);
    return good && ag_exit_status() == 0;
}

bool bowl_part(struct lesson *l)
{
    return two_weights(l) && all_weights(l);
}
