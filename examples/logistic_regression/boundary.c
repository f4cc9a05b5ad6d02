/*
 * Part 2: the boundary. With two measurements everything can be seen: the model is a slope on the plane, and the boundary is a
 * straight line across it.
 */
#include "logistic.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/landscape.h"

static const char measurements[] = "worst radius, worst concave points";

/* Where the weights, which belong to scaled measurements, put the line on the plane of the measurements themselves:
 * c0 + c1 x1 + c2 x2 = 0. */
static void unscale(nn_module *line, const data_transform *scale, double c[3])
{
    double w[2], b;
    ag_list *parameters = nn_parameters(line);
    ag_read_doubles(ag_list_find(parameters, "weight"), w, 2);
    b = ag_item(ag_list_find(parameters, "bias"));
    ag_list_free(parameters);
    c[0] = b;
    for (int j = 0; j < 2; j++) {
        c[j + 1] = w[j] / data_scaler_scale(scale, j);
        c[0] -= c[j + 1] * data_scaler_shift(scale, j);
    }
}

static bool draw_boundary(struct lesson *l, nn_module *line, data_transform *scale, data_set *test,
                          const struct answers *a)
{
    enum { SIDE = 120 };
    struct landscape_points points;
    bool good = landscape_points(&points, test);
    bool *wrong = calloc((size_t)a->n + 1, sizeof *wrong);
    struct plot_grid grid = landscape_grid(&points, SIDE, SIDE);
    double *logit = good ? landscape_answers(line, scale, grid, 1) : NULL;
    double *p = calloc(SIDE * SIDE, sizeof *p), *class = calloc(SIDE * SIDE, sizeof *class),
           *sure = calloc(SIDE * SIDE, sizeof *sure);
    good = good && wrong != NULL && logit != NULL && p != NULL && class != NULL && sure != NULL;
    if (good) {
        for (int i = 0; i < SIDE * SIDE; i++) {
            p[i] = 1 / (1 + exp(-logit[i]));
            class[i] = p[i] >= 0.5;
            sure[i] = fabs(2 * p[i] - 1);
        }
        for (int64_t i = 0; i < a->n; i++) {
            wrong[i] = (a->p[i] >= 0.5) != (a->truth[i] == 1);
        }
        static const double levels[5] = { 0.01, 0.1, 0.5, 0.9, 0.99 };
        struct plot *figure = plot_new("Two measurements, and the line between two diagnoses");
        struct plot_panel *panel = plot_panel(figure, "test samples", data_set_x_name(test, 0),
                                              data_set_x_name(test, 1));
        panel->width = 560;
        panel->height = 440;
        grid.values = class;
        plot_regions(panel, grid, sure);
        grid.values = p;
        struct plot_series *contours = plot_contours(panel, grid, 5, levels);
        contours->fill = false;
        contours->colour = PLOT_INK;
        contours->width = 0.8;
        landscape_draw_points(panel, &points, l->cells, wrong);
        snprintf(figure->note, sizeof figure->note,
                 "lines: probability of %s 1, 10, 50, 90 and 99 %%", data_set_class_name(l->cells, 1));
        good = plot_save(&l->out, figure, "boundary");
        plot_print(figure, stdout);
        plot_free(figure);
    } else if (ag_exit_status() == 0) {
        fprintf(stderr, "%s: out of memory\n", l->options->program);
    }
    free(sure);
    free(class);
    free(p);
    free(logit);
    free(wrong);
    landscape_points_free(&points);
    return good;
}

bool boundary_part(struct lesson *l)
{
    const struct options *o = l->options;
    static const double shares[2] = { 0.7, 0.3 };
    ag_rng rng = ag_rng_seed((uint64_t)o->seed);
    data_set *two = cells_of(l, measurements), *part[2];
    if (data_split_stratified(two, 2, shares, &rng, part) != AG_OK) {
        return false;
    }
    data_transform *scale = data_standard_scaler(part[0], data_scaler_defaults());
    data_set *train_scaled = data_transform_x(part[0], scale),
             *test_scaled = data_transform_x(part[1], scale);
    nn_module *line = new_line(2);
    struct answers answers = { 0 };
    bool good = answers_new(&answers, o, data_set_size(part[1])) &&
                train(l, line, train_scaled, training_of(o, &rng, "boundary"));
    if (good) {
        double c[3];
        answers_add(&answers, line, test_scaled);
        unscale(line, scale, c);
        double accuracy = judge_accuracy(answers.n, answers.p, answers.truth);
        printf("2. The boundary, with two of the measurements: %s\n\n"
               "log-odds of %s = %.3f %s + %.2f %s %+.2f\n"
               "where that is 0, both are equally probable: a straight line. Test accuracy %.2f %% "
               "of %lld\n\n",
               measurements, data_set_class_name(l->cells, 1), c[1], data_set_x_name(two, 0), c[2],
               data_set_x_name(two, 1), c[0], 100 * accuracy, (long long)answers.n);
        json_object_set_new(l->record, "boundary", record_numbers(3, c));
        json_object_set_new(l->record, "boundary_accuracy", record_number(accuracy));
        good = draw_boundary(l, line, scale, part[1], &answers);
    }
    answers_free(&answers);
    nn_free(line);
    data_set_free(test_scaled);
    data_set_free(train_scaled);
    data_transform_free(scale);
    data_set_free(part[0]);
    data_set_free(part[1]);
    data_set_free(two);
    return good;
}
