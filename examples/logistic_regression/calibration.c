/*
 * Part 3: are 90 % right when it says 90 %? A network that has learned its training part by heart is far too sure of itself; one
 * number, learned on samples that it was not trained on, puts that right.
 */
#include "logistic.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MODELS = 3, LINE = 0, NETWORK = 1, COOLED = 2, INNER_FOLDS = 4, FEWEST = 5, HIDDEN = 64, EPOCHS_TIMES = 4 };
static const char *const model_names[MODELS] = { "logistic regression", "network, no decay",
                                                 "the same, with temperature" };
static const char *const model_keys[MODELS] = { "line", "network", "temperature" };

/* Temperature scaling (Guo, Pleiss, Sun & Weinberger 2017): the probability is sigmoid(logit / T), and T is what makes the log
 * loss least. It changes no decision, only how sure the model is. log T is what is learned, so that T stays above 0. */
static double fit_temperature(const struct answers *a)
{
    enum { STEPS = 300 };
    float *truth = malloc((size_t)a->n * sizeof *truth), *logit = malloc((size_t)a->n * sizeof *logit);
    ag_tensor log_t = ag_leaf(AG_SHAPE_SCALAR, AG_FLOAT32, true);
    ag_list *list = ag_list_new();
    ag_list_add(list, "log T", log_t);
    optim_adam_config adam = optim_adam_defaults();
    adam.lr = 0.05;
    optim *opt = optim_adam(list, adam);
    ag_scope step = { 0 };
    for (int64_t i = 0; truth != NULL && logit != NULL && i < a->n; i++) {
        truth[i] = (float)a->truth[i];
        logit[i] = (float)a->logit[i];
    }
    for (int i = 0; truth != NULL && logit != NULL && i < STEPS; i++) {
        ag_begin(&step);
        ag_tensor z = ag_from(AG_SHAPE(a->n), AG_FLOAT32, logit),
                  y = ag_from(AG_SHAPE(a->n), AG_FLOAT32, truth);
        ag_tensor loss = ag_bce_with_logits(ag_mul(z, ag_exp(ag_neg(log_t))), y);
        optim_zero_grad(opt);
        ag_backward(loss);
        optim_step(opt);
    }
    ag_end(&step);
    double t = exp(ag_item(log_t));
    optim_free(opt);
    ag_drop(&log_t);
    free(truth);
    free(logit);
    return t;
}

static nn_module *new_network(int64_t features, ag_rng *rng)
{
    nn_module *net = nn_sequential(nn_linear(features, HIDDEN), nn_relu(), nn_linear(HIDDEN, HIDDEN),
                                   nn_relu(), nn_linear(HIDDEN, 1));
    nn_init(net, rng);
    return net;
}

/* Trains both models on a part, and appends what they answer for another part; of_line NULL: only the network. */
static bool answer(const struct lesson *l, const char *part, data_set *train_part,
                   data_set *test_part, ag_rng *rng, struct answers *of_line,
                   struct answers *of_network)
{
    data_transform *scale = data_standard_scaler(train_part, data_scaler_defaults());
    data_set *learn = data_transform_x(train_part, scale), *test = data_transform_x(test_part, scale);
    char line_part[64], network_part[64];
    snprintf(line_part, sizeof line_part, "calibration-%s-line", part);
    snprintf(network_part, sizeof network_part, "calibration-%s-network", part);
    struct training gentle = training_of(l->options, rng, line_part),
                    greedy = training_of(l->options, rng, network_part);
    greedy.decay = 0;
    greedy.epochs *= EPOCHS_TIMES;
    bool good = true;
    if (of_line != NULL) {
        nn_module *line = new_line(l->features);
        good = train(l, line, learn, gentle);
        answers_add(of_line, line, test);
        nn_free(line);
    }
    if (good) {
        nn_module *net = new_network(l->features, rng);
        good = train(l, net, learn, greedy);
        answers_add(of_network, net, test);
        nn_free(net);
    }
    data_set_free(test);
    data_set_free(learn);
    data_transform_free(scale);
    return good && ag_exit_status() == 0;
}

/* The temperature is fitted without the test part: on what networks trained on three quarters of the training part answer for the
 * fourth, in turn. */
static bool choose_temperature(const struct lesson *l, int fold, data_set *train_part, ag_rng *rng,
                               double *temperature)
{
    data_set *inner_train[INNER_FOLDS], *inner_test[INNER_FOLDS];
    struct answers kept;
    if (!answers_new(&kept, l->options, data_set_size(train_part))) {
        return false;
    }
    bool good = data_k_fold_stratified(train_part, INNER_FOLDS, rng, inner_train, inner_test) == AG_OK;
    for (int k = 0; k < INNER_FOLDS; k++) {
        char part[32];
        snprintf(part, sizeof part, "%d-%d", fold, k + 1);
        good = good && answer(l, part, inner_train[k], inner_test[k], rng, NULL, &kept);
        data_set_free(inner_train[k]);
        data_set_free(inner_test[k]);
    }
    if (good) {
        *temperature = fit_temperature(&kept);
    }
    answers_free(&kept);
    return good && ag_exit_status() == 0;
}

static bool answer_fold(const struct lesson *l, int fold, data_set *train_part,
                        data_set *test_part, ag_rng *rng, struct answers model[MODELS],
                        double *temperature)
{
    char part[32];
    snprintf(part, sizeof part, "%d", fold);
    int64_t from = model[NETWORK].n;
    if (!choose_temperature(l, fold, train_part, rng, temperature) ||
        !answer(l, part, train_part, test_part, rng, &model[LINE], &model[NETWORK])) {
        return false;
    }
    for (int64_t i = from; i < model[NETWORK].n; i++) {
        model[COOLED].logit[i] = model[NETWORK].logit[i] / *temperature;
        model[COOLED].p[i] = 1 / (1 + exp(-model[COOLED].logit[i]));
        model[COOLED].truth[i] = model[NETWORK].truth[i];
    }
    model[COOLED].n = model[NETWORK].n;
    return true;
}

/* How sure the model is on the whole: the mean probability of what it decides. */
static double sureness(const struct answers *a)
{
    double sum = 0;
    for (int64_t i = 0; i < a->n; i++) {
        sum += fmax(a->p[i], 1 - a->p[i]);
    }
    return sum / (double)a->n;
}

static void print_models(struct lesson *l, const struct answers model[MODELS],
                         const struct judge_reliability reliability[MODELS])
{
    json_t *models = json_object();
    printf("                                right    is sure of   calibration error   log loss    "
           "Brier\n");
    for (int m = 0; m < MODELS; m++) {
        const struct answers *a = &model[m];
        double numbers[5] = { judge_accuracy(a->n, a->p, a->truth), sureness(a),
                              reliability[m].error, judge_log_loss(a->n, a->p, a->truth),
                              judge_brier(a->n, a->p, a->truth) };
        printf("  %-28s %6.2f %%    %6.2f %%            %6.2f %% %10.4f %8.4f\n", model_names[m],
               100 * numbers[0], 100 * numbers[1], 100 * numbers[2], numbers[3], numbers[4]);
        static const char *const keys[5] = { "accuracy", "sureness", "calibration_error", "log_loss",
                                             "brier" };
        json_t *item = json_object();
        for (int k = 0; k < 5; k++) {
            json_object_set_new(item, keys[k], record_number(numbers[k]));
        }
        json_object_set_new(item, "bin_count", record_counts(JUDGE_BINS, reliability[m].count));
        json_object_set_new(item, "bin_mean", record_numbers(JUDGE_BINS, reliability[m].mean));
        json_object_set_new(item, "bin_share", record_numbers(JUDGE_BINS, reliability[m].share));
        json_object_set_new(models, model_keys[m], item);
    }
    json_object_set_new(l->record, "calibration", models);
}

/* The band: what the share in a bin may be by chance alone if the probabilities are right, two standard deviations. */
static bool draw_reliability(struct lesson *l, const struct judge_reliability reliability[MODELS])
{
    struct plot *p = plot_new("Are 90 % right when it says 90 %?");
    char label[PLOT_TEXT];
    snprintf(label, sizeof label, "said: probability of %s", data_set_class_name(l->cells, 1));
    for (int m = 0; m < MODELS; m++) {
        const struct judge_reliability *r = &reliability[m];
        struct plot_panel *panel =
            plot_panel(p, model_names[m], label, m == 0 ? "was: share of the samples" : "");
        static const double diagonal[2] = { 0, 1 };
        double x[JUDGE_BINS], y[JUDGE_BINS], low[JUDGE_BINS], high[JUDGE_BINS];
        int bins = 0;
        for (int bin = 0; bin < JUDGE_BINS; bin++) {
            if (r->count[bin] >= FEWEST) {
                double spread =
                    2 * sqrt(r->mean[bin] * (1 - r->mean[bin]) / (double)r->count[bin]);
                x[bins] = r->mean[bin];
                y[bins] = r->share[bin];
                low[bins] = fmax(r->mean[bin] - spread, 0);
                high[bins++] = fmin(r->mean[bin] + spread, 1);
            }
        }
        struct plot_series *s = plot_band(panel, "chance explains this", bins, x, low, high);
        s->colour = PLOT_GREY;
        s = plot_line(panel, "as said", 2, diagonal, diagonal);
        s->dashed = true;
        s->colour = PLOT_GREY;
        s = plot_line(panel, "as it was", bins, x, y);
        s->points = true;
        s->colour = PLOT_VERMILION;
        panel->x.low = panel->y.low = 0;
        panel->x.high = panel->y.high = 1;
        panel->width = 340;
        snprintf(panel->note, sizeof panel->note, "calibration error %.2f %%", 100 * r->error);
    }
    snprintf(p->note, sizeof p->note, "bins with fewer than %d samples are left out", FEWEST);
    bool good = plot_save(&l->out, p, "calibration");
    plot_free(p);
    return good;
}

bool calibration_part(struct lesson *l)
{
    const struct options *o = l->options;
    ag_rng rng = ag_rng_seed((uint64_t)o->seed + 1);
    data_set *train_part[FOLDS], *test_part[FOLDS];
    if (data_k_fold_stratified(l->cells, FOLDS, &rng, train_part, test_part) != AG_OK) {
        return false;
    }
    printf("3. What the probabilities are worth: the line, and a network of %d-%d units trained %d "
           "times as long without decay\n\n",
           HIDDEN, HIDDEN, EPOCHS_TIMES);
    struct answers model[MODELS] = { { 0 } };
    double temperature[FOLDS];
    bool good = true;
    for (int m = 0; good && m < MODELS; m++) {
        good = answers_new(&model[m], o, data_set_size(l->cells));
    }
    for (int k = 0; good && k < FOLDS; k++) {
        good = answer_fold(l, k + 1, train_part[k], test_part[k], &rng, model, &temperature[k]);
    }
    if (good) {
        struct judge_reliability reliability[MODELS];
        for (int m = 0; m < MODELS; m++) {
            judge_reliability(&reliability[m], model[m].n, model[m].p, model[m].truth);
        }
        print_models(l, model, reliability);
        printf("\ntemperatures of the folds:");
        for (int k = 0; k < FOLDS; k++) {
            printf(" %.2f", temperature[k]);
        }
        printf(". No decision changes; the log loss does.\n");
        json_object_set_new(l->record, "temperatures", record_numbers(FOLDS, temperature));
        good = draw_reliability(l, reliability);
    }
    for (int m = 0; m < MODELS; m++) {
        answers_free(&model[m]);
    }
    for (int k = 0; k < FOLDS; k++) {
        data_set_free(train_part[k]);
        data_set_free(test_part[k]);
    }
    return good;
}
