/*
 * Part 3: irises. 150 flowers are too few for a test set of their own; five folds let each be judged once by a model that has not
 * seen it. With two measurements the boundaries can be drawn.
 */
#include "softmax.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/judge.h"
#include "common/landscape.h"
#include "common/report.h"
#include "common/tables.h"

enum { KINDS_MAX = 8, FOLDS = 5, EPOCHS_TIMES = 20, RATE_TIMES = 30, SIDE = 140 };
static const char measurements[] = "petal length, petal width";

/* There are few flowers: more epochs than for digits, and longer steps. */
static int epochs_of(const struct options *o)
{
    return EPOCHS_TIMES * (o->epochs > 0 ? o->epochs : 10);
}

static data_set *open_irises(const struct options *o, const char *columns)
{
    char path[TABLES_PATH];
    if (!tables_find(o, "iris.csv", path)) {
        return NULL;
    }
    data_table_config config = data_table_defaults();
    config.x = columns;
    config.y = "species";
    config.classes = true;
    return data_csv(path, config);
}

static bool train(const struct lesson *l, nn_module *net, data_set *set, ag_rng *rng)
{
    const struct options *o = l->options;
    data_loader_config batches = data_loader_defaults();
    batches.batch = o->batch;
    batches.shuffle = true;
    data_loader *loader = data_loader_new(data_set_share(set), batches, rng);
    optim_adam_config adam = optim_adam_defaults();
    adam.lr = RATE_TIMES * o->lr;
    optim *opt = optim_adam(nn_parameters(net), adam);
    ag_scope step = { 0 };
    bool good = true;
    for (int epoch = 1; good && epoch <= epochs_of(o); epoch++) {
        data_batch batch;
        data_loader_rewind(loader);
        while (good && data_loader_next(loader, &batch)) {
            ag_begin(&step);
            ag_tensor loss = ag_cross_entropy(nn_forward(net, batch.x), batch.y);
            optim_zero_grad(opt);
            ag_backward(loss);
            optim_step(opt);
            if (!isfinite(ag_item(loss)) && ag_exit_status() == 0) {
                report_not_finite(o, ag_item(loss), epoch, batch.index + 1);
                good = false;
            }
        }
    }
    ag_end(&step);
    optim_free(opt);
    data_loader_free(loader);
    return good && ag_exit_status() == 0;
}

/* scores = x W^T + b     W (kinds, measurements) */
static nn_module *new_classifier(data_set *set)
{
    nn_module *net = nn_linear(ag_shape_numel(data_set_x_shape(set)), data_set_classes(set));
    ag_rng rng = ag_rng_seed(0);
    nn_init(net, &rng);
    begin_at_zero(net);
    return net;
}

/* Adds to counts[truth][guess]; wrong[i] (NULL: not wanted) says of sample i whether it was. */
static int64_t count_answers(nn_module *net, data_set *set, int64_t *counts, bool *wrong)
{
    ag_tensor x = AG_NONE, y = AG_NONE;
    ag_scope scope = { 0 };
    int64_t n = data_set_size(set), kinds = data_set_classes(set), right = 0;
    int64_t *guess = malloc(((size_t)n + 1) * sizeof *guess), *truth = malloc(((size_t)n + 1) * sizeof *truth);
    ag_begin_no_grad(&scope);
    if (guess != NULL && truth != NULL && data_set_tensors(set, &x, &y) == AG_OK &&
        ag_read(ag_argmax(nn_forward(net, x), 1, false), guess, n) == AG_OK &&
        ag_read(y, truth, n) == AG_OK) {
        for (int64_t i = 0; i < n; i++) {
            counts[truth[i] * kinds + guess[i]]++;
            right += truth[i] == guess[i];
            if (wrong != NULL) {
                wrong[i] = truth[i] != guess[i];
            }
        }
    }
    ag_end(&scope);
    ag_drop(&x);
    ag_drop(&y);
    free(truth);
    free(guess);
    return right;
}

/* ---- all measurements, five folds ---------------------------------------------------------------------------------------------- */

static bool judge(struct lesson *l, data_set *irises, ag_rng *rng, int64_t *counts)
{
    data_set *train_part[FOLDS], *test_part[FOLDS];
    if (data_k_fold_stratified(irises, FOLDS, rng, train_part, test_part) != AG_OK) {
        return false;
    }
    double accuracy[FOLDS];
    bool good = true;
    printf("  fold accuracies:");
    for (int k = 0; k < FOLDS; k++) {
        data_transform *scale = data_standard_scaler(train_part[k], data_scaler_defaults());
        data_set *learn = data_transform_x(train_part[k], scale),
                 *test = data_transform_x(test_part[k], scale);
        nn_module *net = new_classifier(irises);
        good = good && train(l, net, learn, rng);
        if (good) {
            accuracy[k] = (double)count_answers(net, test, counts, NULL) / (double)data_set_size(test);
            printf(" %.1f %%", 100 * accuracy[k]);
        }
        nn_free(net);
        data_set_free(test);
        data_set_free(learn);
        data_transform_free(scale);
        data_set_free(train_part[k]);
        data_set_free(test_part[k]);
    }
    if (good) {
        printf("\n\nirises: 5-fold accuracy %.1f %% (standard deviation of the folds %.1f %%)\n\n",
               100 * judge_mean(FOLDS, accuracy), 100 * judge_deviation(FOLDS, accuracy));
        json_object_set_new(l->record, "iris_accuracy", record_number(judge_mean(FOLDS, accuracy)));
        json_object_set_new(l->record, "iris_fold_accuracy", record_numbers(FOLDS, accuracy));
    }
    return good && ag_exit_status() == 0;
}

/* ---- two measurements, drawn ---------------------------------------------------------------------------------------------------- */

/* The class of the highest score at each place, and how far its probability is above chance. */
static bool draw_regions(struct plot_panel *panel, nn_module *net, data_transform *scale,
                         struct plot_grid grid, int64_t kinds)
{
    int64_t places = grid.rows * grid.columns;
    double *scores = landscape_answers(net, scale, grid, kinds);
    double *class = malloc((size_t)places * sizeof *class), *sure = malloc((size_t)places * sizeof *sure);
    bool good = scores != NULL && class != NULL && sure != NULL;
    for (int64_t i = 0; good && i < places; i++) {
        const double *s = scores + i * kinds;
        int64_t best = 0;
        double sum = 0;
        for (int64_t k = 1; k < kinds; k++) {
            best = s[k] > s[best] ? k : best;
        }
        for (int64_t k = 0; k < kinds; k++) {
            sum += exp(s[k] - s[best]);
        }
        class[i] = (double)best;
        sure[i] = (1 / sum - 1 / (double)kinds) / (1 - 1 / (double)kinds);
    }
    if (good) {
        grid.values = class;
        plot_regions(panel, grid, sure);
    }
    free(sure);
    free(class);
    free(scores);
    return good;
}

static bool draw_irises(struct lesson *l, data_set *irises, const int64_t *counts, nn_module *net,
                        data_transform *scale, data_set *test, const bool *wrong)
{
    struct landscape_points points;
    const char *names[KINDS_MAX];
    int kinds = (int)data_set_classes(irises);
    for (int k = 0; k < kinds; k++) {
        names[k] = data_set_class_name(irises, k);
    }
    struct plot *p = plot_new("Three kinds of iris");
    struct plot_panel *panel =
        plot_panel(p, "two measurements: boundaries, and flowers not trained on",
                   data_set_x_name(test, 0), data_set_x_name(test, 1));
    panel->width = 520;
    panel->height = 400;
    bool good = landscape_points(&points, test) &&
                draw_regions(panel, net, scale, landscape_grid(&points, SIDE, SIDE), kinds);
    landscape_draw_points(panel, &points, irises, wrong);
    panel = plot_panel(p, "all four: each judged by a model that had not seen it", "called", "truly");
    plot_confusion(panel, kinds, counts, names);
    snprintf(p->note, sizeof p->note, "the paler, the less sure");
    good = good && plot_save(&l->out, p, "iris");
    p->title[0] = '\0';
    plot_print(p, stdout);
    plot_free(p);
    landscape_points_free(&points);
    return good;
}

static bool draw_boundaries(struct lesson *l, data_set *irises, const int64_t *counts, ag_rng *rng)
{
    static const double shares[2] = { 0.7, 0.3 };
    data_set *two = open_irises(l->options, measurements), *part[2];
    if (two == NULL || data_split_stratified(two, 2, shares, rng, part) != AG_OK) {
        data_set_free(two);
        return false;
    }
    data_transform *scale = data_standard_scaler(part[0], data_scaler_defaults());
    data_set *learn = data_transform_x(part[0], scale), *test = data_transform_x(part[1], scale);
    nn_module *net = new_classifier(two);
    int64_t table[KINDS_MAX * KINDS_MAX] = { 0 }, n = data_set_size(test);
    bool *wrong = calloc((size_t)n + 1, sizeof *wrong);
    bool good = wrong != NULL && train(l, net, learn, rng);
    if (good) {
        double share = (double)count_answers(net, test, table, wrong) / (double)n;
        printf("with %s alone: %.1f %% of %lld flowers that were not trained on\n\n", measurements,
               100 * share, (long long)n);
        json_object_set_new(l->record, "iris_two_accuracy", record_number(share));
        good = draw_irises(l, irises, counts, net, scale, part[1], wrong);
    }
    free(wrong);
    nn_free(net);
    data_set_free(test);
    data_set_free(learn);
    data_transform_free(scale);
    data_set_free(part[0]);
    data_set_free(part[1]);
    data_set_free(two);
    return good && ag_exit_status() == 0;
}

bool iris_lesson(struct lesson *l)
{
    ag_rng rng = ag_rng_seed((uint64_t)l->options->seed + 2);
    data_set *irises = open_irises(l->options, NULL);
    int64_t counts[KINDS_MAX * KINDS_MAX] = { 0 };
    bool good = irises != NULL && ag_exit_status() == 0;
    if (good && data_set_classes(irises) > KINDS_MAX) {
        fprintf(stderr, "%s: iris.csv: more than %d species\n", l->options->program, KINDS_MAX);
        good = false;
    }
    if (good) {
        printf("\n3. Irises: %lld flowers, %lld measurements, %lld kinds; %d epochs, Adam with rate %g\n\n",
               (long long)data_set_size(irises), (long long)ag_shape_numel(data_set_x_shape(irises)),
               (long long)data_set_classes(irises), epochs_of(l->options),
               RATE_TIMES * l->options->lr);
        good = judge(l, irises, &rng, counts) && draw_boundaries(l, irises, counts, &rng);
    }
    if (good) {
        json_object_set_new(l->record, "iris_confusion",
                            record_count_table(data_set_classes(irises), data_set_classes(irises), counts));
    }
    data_set_free(irises);
    return good;
}
