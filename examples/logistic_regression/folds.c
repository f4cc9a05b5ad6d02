/*
 * Part 1: an honest judgement. Every sample is judged once, by a model that has not seen it.
 */
#include "logistic.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { STRONGEST = 8 };

struct fold_results {
    double accuracy[FOLDS], area[FOLDS];
};

/* One fold. The scaler, too, is fitted on the training part alone: means that know the test part are a leak. */
static bool judge_fold(const struct lesson *l, int fold, data_set *train_part, data_set *test_part,
                       ag_rng *rng, struct answers *all, double *accuracy, double *area,
                       double *weights)
{
    data_transform *scale = data_standard_scaler(train_part, data_scaler_defaults());
    data_set *train_scaled = data_transform_x(train_part, scale);
    data_set *test_scaled = data_transform_x(test_part, scale);
    nn_module *line = new_line(l->features);
    char part[32];
    snprintf(part, sizeof part, "fold-%d", fold);
    bool good = train(l, line, train_scaled, training_of(l->options, rng, part));
    struct judge_roc roc = { 0 };
    if (good) {
        int64_t before = all->n;
        answers_add(all, line, test_scaled);
        *accuracy = judge_accuracy(all->n - before, all->p + before, all->truth + before);
        good = judge_roc(&roc, all->n - before, all->p + before, all->truth + before);
        *area = roc.area;
        ag_list *parameters = nn_parameters(line);
        double *w = malloc((size_t)l->features * sizeof *w);
        if (w != NULL && ag_read_doubles(ag_list_find(parameters, "weight"), w, l->features) == AG_OK) {
            for (int64_t j = 0; j < l->features; j++) {
                weights[j] += w[j] / FOLDS;
            }
        }
        free(w);
        ag_list_free(parameters);
    }
    judge_roc_free(&roc);
    nn_free(line);
    data_set_free(test_scaled);
    data_set_free(train_scaled);
    data_transform_free(scale);
    return good;
}

static void print_confusion(const struct lesson *l, int64_t counts[2][2])
{
    const char *first = data_set_class_name(l->cells, 0), *second = data_set_class_name(l->cells, 1);
    printf("\n                       called %-10s called %-10s\n", first, second);
    for (int truth = 0; truth < 2; truth++) {
        printf("  truly %-12s %13lld %17lld\n", truth == 0 ? first : second,
               (long long)counts[truth][0], (long long)counts[truth][1]);
    }
}

/* Whoever is warned in vain is examined once more; whoever is missed is not. The threshold need not be one half. */
static void print_thresholds(struct lesson *l, const struct answers *a)
{
    enum { THRESHOLDS = 5 };
    static const double threshold[THRESHOLDS] = { 0.9, 0.5, 0.2, 0.1, 0.05 };
    int64_t missed[THRESHOLDS], alarms[THRESHOLDS];
    printf("\nThe threshold is a choice:\n\n"
           "  called %s from   missed   false alarms\n",
           data_set_class_name(l->cells, 1));
    for (int k = 0; k < THRESHOLDS; k++) {
        int64_t counts[2][2];
        judge_confusion(a->n, a->p, a->truth, threshold[k], counts);
        missed[k] = counts[1][0];
        alarms[k] = counts[0][1];
        printf("  %20.0f %% %8lld %14lld\n", 100 * threshold[k], (long long)missed[k],
               (long long)alarms[k]);
    }
    json_object_set_new(l->record, "threshold", record_numbers(THRESHOLDS, threshold));
    json_object_set_new(l->record, "missed", record_counts(THRESHOLDS, missed));
    json_object_set_new(l->record, "false_alarms", record_counts(THRESHOLDS, alarms));
}

/* The measurements whose weights are largest, in standard deviations. */
static void draw_weights(const struct lesson *l, struct plot *p, const double *weights)
{
    int64_t order[STRONGEST];
    int count = 0;
    const char *names[STRONGEST];
    double heights[STRONGEST];
    while (count < STRONGEST && count < l->features) {
        int64_t best = -1;
        for (int64_t j = 0; j < l->features; j++) {
            bool taken = false;
            for (int k = 0; k < count; k++) {
                taken = taken || order[k] == j;
            }
            if (!taken && (best < 0 || fabs(weights[j]) > fabs(weights[best]))) {
                best = j;
            }
        }
        order[count] = best;
        names[count] = data_set_x_name(l->cells, best);
        heights[count++] = weights[best];
    }
    struct plot_panel *panel =
        plot_panel(p, "the strongest weights", "", "log-odds per standard deviation");
    plot_bars(panel, "", count, heights);
    plot_axis_names(panel, &panel->x, count, names);
    panel->width = 460;
}

static bool draw_judgement(struct lesson *l, const struct answers *a, const struct judge_roc *roc,
                           int64_t counts[2][2], const double *weights)
{
    const char *names[2] = { data_set_class_name(l->cells, 0), data_set_class_name(l->cells, 1) };
    struct plot *p = plot_new("Logistic regression, each sample judged by a model that had not seen it");
    struct plot_panel *panel = plot_panel(p, "confusion matrix", "called", "truly");
    plot_confusion(panel, 2, &counts[0][0], names);

    char title[PLOT_TEXT];
    snprintf(title, sizeof title, "ROC curve: area %.4f", roc->area);
    panel = plot_panel(p, title, "false alarms, share of all benign", "found, share of all malignant");
    plot_line(panel, "all thresholds", roc->points, roc->false_share, roc->true_share);
    static const double diagonal[2] = { 0, 1 };
    struct plot_series *chance = plot_line(panel, "chance", 2, diagonal, diagonal);
    chance->dashed = true;
    chance->colour = PLOT_GREY;
    static const double shown[3] = { 0.5, 0.1, 0.02 };
    for (int k = 0; k < 3; k++) {
        int64_t at[2][2];
        judge_confusion(a->n, a->p, a->truth, shown[k], at);
        double x = (double)at[0][1] / (double)(at[0][0] + at[0][1]),
               y = (double)at[1][1] / (double)(at[1][0] + at[1][1]);
        char label[PLOT_TEXT];
        snprintf(label, sizeof label, "called malignant from %.0f %%", 100 * shown[k]);
        struct plot_series *point = plot_points(panel, label, 1, &x, &y);
        point->colour = PLOT_VERMILION + k;
        point->size = 5;
    }
    panel->x.low = panel->y.low = 0;
    panel->x.high = panel->y.high = 1;
    panel->height = 400;
    draw_weights(l, p, weights);
    bool good = plot_save(&l->out, p, "judgement");
    plot_free(p);
    return good;
}

static bool judge_all(struct lesson *l, struct answers *a, data_set **train_part,
                      data_set **test_part, ag_rng *rng)
{
    struct fold_results r;
    double *weights = calloc((size_t)l->features, sizeof *weights);
    bool good = weights != NULL;
    printf("  fold   to train   to test   accuracy   area below ROC\n");
    for (int k = 0; good && k < FOLDS; k++) {
        good = judge_fold(l, k + 1, train_part[k], test_part[k], rng, a, &r.accuracy[k], &r.area[k],
                          weights);
        if (good) {
            printf("  %4d %10lld %9lld %8.2f %% %16.4f\n", k + 1,
                   (long long)data_set_size(train_part[k]), (long long)data_set_size(test_part[k]),
                   100 * r.accuracy[k], r.area[k]);
            fflush(stdout);
        }
    }
    if (!good) {
        free(weights);
        return false;
    }
    int64_t counts[2][2], most = 0;
    judge_confusion(a->n, a->p, a->truth, 0.5, counts);
    for (int c = 0; c < 2; c++) {
        int64_t size = counts[c][0] + counts[c][1];
        most = size > most ? size : most;
    }
    double accuracy = judge_mean(FOLDS, r.accuracy);
    printf("\n5-fold accuracy %.2f %% (standard deviation of the folds %.2f %%); always the more "
           "frequent class: %.2f %%\n",
           100 * accuracy, 100 * judge_deviation(FOLDS, r.accuracy),
           100 * (double)most / (double)a->n);
    struct judge_roc roc;
    good = judge_roc(&roc, a->n, a->p, a->truth);
    if (good) {
        printf("area below the ROC curve of all: %.4f\n", roc.area);
        print_confusion(l, counts);
        print_thresholds(l, a);
        json_object_set_new(l->record, "fold_accuracy", record_numbers(FOLDS, r.accuracy));
        json_object_set_new(l->record, "accuracy", record_number(accuracy));
        json_object_set_new(l->record, "area", record_number(roc.area));
        json_object_set_new(l->record, "confusion", record_count_table(2, 2, &counts[0][0]));
        json_object_set_new(l->record, "p", record_numbers(a->n, a->p));
        json_object_set_new(l->record, "truth", record_counts(a->n, a->truth));
        good = draw_judgement(l, a, &roc, counts, weights);
    } else {
        fprintf(stderr, "%s: out of memory\n", l->options->program);
    }
    judge_roc_free(&roc);
    free(weights);
    return good;
}

bool folds_part(struct lesson *l)
{
    const struct options *o = l->options;
    int64_t n = data_set_size(l->cells);
    printf("1. %lld samples of cells, %lld measurements each; %d folds, each class spread evenly; %d "
           "epochs, batches of %lld, AdamW with rate %g\n\n",
           (long long)n, (long long)l->features, FOLDS, o->epochs, (long long)o->batch, o->lr);
    ag_rng rng = ag_rng_seed((uint64_t)o->seed);
    data_set *train_part[FOLDS], *test_part[FOLDS];
    if (data_k_fold_stratified(l->cells, FOLDS, &rng, train_part, test_part) != AG_OK) {
        return false;
    }
    struct answers answers;
    bool good = answers_new(&answers, o, n) && judge_all(l, &answers, train_part, test_part, &rng);
    answers_free(&answers);
    for (int k = 0; k < FOLDS; k++) {
        data_set_free(train_part[k]);
        data_set_free(test_part[k]);
    }
    return good;
}
