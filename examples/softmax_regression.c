/*
 * Softmax regression: the simplest classifier that knows more than two classes.
 *
 * Each class has one weight for each input. The sum of weight times input is the class's score, and the softmax makes
 * probabilities of the scores. On digits the weights are pictures and can be looked at; and with so little in the way, it can be
 * seen what the choice of the loss does.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/autograd.h"
#include "data/data.h"
#include "nn/nn.h"
#include "optim/optim.h"

#include "common/charts.h"
#include "common/digits.h"
#include "common/evaluate.h"
#include "common/files.h"
#include "common/history.h"
#include "common/options.h"
#include "common/plot.h"
#include "common/progress.h"
#include "common/record.h"
#include "common/report.h"
#include "common/saving.h"

struct lesson {
    const struct options *options;
    struct digits digits;
    struct plot_output out;
    json_t *record;
};

/* ---- 1. Digits ----------------------------------------------------------------------------------------------------------- */

/* scores = x W^T + b     x (n, 784)   W (10, 784)   b (10) */
static nn_module *new_network(void)
{
    return nn_sequential(nn_flatten(), nn_linear(DIGIT_PIXELS, DIGIT_CLASSES));
}

/* All weights 0. A network with hidden layers must not begin so, because all its units would stay alike; but here the loss is a
 * convex function of the weights: there is one valley, and any start will do. */
static void begin_at_zero(nn_module *net)
{
    ag_list *parameters = nn_parameters(net);
    for (int64_t i = 0; i < ag_list_count(parameters); i++) {
        nn_init_zeros(ag_list_tensor(parameters, i));
    }
    ag_list_free(parameters);
}

/* A number from -1 to 1 as a colour: blue, white, vermilion. */
static void tint(double value, float *rgb)
{
    static const double cold[3] = { 0.0, 0.35, 0.65 }, warm[3] = { 0.80, 0.30, 0.0 };
    double strength = fmin(fabs(value), 1);
    for (int c = 0; c < 3; c++) {
        rgb[c] = (float)(1 - strength * (1 - (value < 0 ? cold[c] : warm[c])));
    }
}

/* The ten rows of W as pictures of 28 x 28. */
static bool draw_weights(struct lesson *l, nn_module *net)
{
    static float weights[DIGIT_CLASSES][DIGIT_PIXELS], colours[DIGIT_CLASSES][3 * DIGIT_PIXELS];
    struct plot_image images[DIGIT_CLASSES];
    ag_list *parameters = nn_parameters(net);
    ag_read(ag_list_find(parameters, "1.weight"), weights, DIGIT_CLASSES * DIGIT_PIXELS);
    ag_list_free(parameters);
    double most = 1e-30;
    for (int i = 0; i < DIGIT_CLASSES * DIGIT_PIXELS; i++) {
        most = fmax(most, fabs((double)weights[i / DIGIT_PIXELS][i % DIGIT_PIXELS]));
    }
    for (int class = 0; class < DIGIT_CLASSES; class ++) {
        for (int i = 0; i < DIGIT_PIXELS; i++) {
            float rgb[3];
            tint((double)weights[class][i] / (0.7 * most), rgb);
            for (int c = 0; c < 3; c++) {
                colours[class][c * DIGIT_PIXELS + i] = rgb[c];
            }
        }
        images[class] = (struct plot_image){
            .height = DIGIT_SIDE, .width = DIGIT_SIDE, .channels = 3, .pixels = colours[class]
        };
        snprintf(images[class].left, PLOT_TEXT, "%d", class);
    }
    struct plot *p = plot_new("What speaks for each digit, and what against it");
    snprintf(p->note, sizeof p->note,
             "vermilion: ink here adds to the score;  blue: ink here takes from it");
    plot_images(plot_panel(p, "", "", ""), DIGIT_CLASSES, images, 5, 140);
    bool good = plot_save(&l->out, p, "weights");
    plot_free(p);
    return good;
}

static bool digits_lesson(struct lesson *l, data_set *train_digits, data_set *validation_digits,
                          ag_rng *rng)
{
    const struct options *o = l->options;
    data_loader_config batches = data_loader_defaults();
    batches.batch = o->batch;
    batches.shuffle = true;
    data_loader *train = data_loader_new(data_set_share(train_digits), batches, rng);
    data_loader *validation = evaluate_loader(data_set_share(validation_digits));
    nn_module *net = new_network();
    nn_init(net, rng);
    begin_at_zero(net);
    optim_adam_config adam = optim_adam_defaults();
    adam.lr = o->lr;
    optim *opt = optim_adam(nn_parameters(net), adam);
    nn_module *best = nn_clone(net);

    int64_t samples = data_loader_samples(train);
    int epochs = o->epochs > 0 ? o->epochs : digits_usual_epochs(samples);
    struct history history;
    struct progress progress;
    static struct evaluation evaluation;
    ag_scope step = { 0 };
    bool good = history_begin(&history, epochs, samples, data_loader_samples(validation));
    if (!good) {
        fprintf(stderr, "%s: out of memory\n", o->program);
    }
    printf("1. Digits: %lld to train on, %lld for validation, from %s\n   at most %d epochs, "
           "batches of %lld, Adam with rate %g\n\n",
           (long long)samples, (long long)data_loader_samples(validation), l->digits.folder, epochs,
           (long long)o->batch, o->lr);
    int64_t epoch = 1;
    struct saving saving = { 0 };
    progress_clear(&progress);
    good = good && saving_begin_part(&saving, o, "digits");
    saving_add(&saving, "model", nn_stateful(net));
    saving_add(&saving, "best", nn_stateful(best));
    saving_add(&saving, "optimizer", optim_stateful(opt));
    saving_add(&saving, "digits", data_loader_stateful(train));
    saving_add(&saving, "epoch", ag_stateful_int64(&epoch));
    saving_add(&saving, "progress", progress_stateful(&progress));
    saving_add(&saving, "history", history_stateful(&history));
    good = good && saving_resume(&saving);
    while (good && epoch <= epochs && !history.stopped) {
        progress_begin(&progress, (int)epoch, epochs, samples);
        data_batch batch;
        data_loader_rewind(train);
        while (good && data_loader_next(train, &batch)) {
            ag_begin(&step);
            ag_tensor scores = nn_forward(net, batch.x); /* (n, 10) */
            ag_tensor loss =
                ag_cross_entropy(scores, batch.y); /* softmax and -log of the right one, in one */
            optim_zero_grad(opt);
            ag_backward(loss);
            optim_step(opt);
            double loss_now = ag_item(loss);
            ag_tensor right = ag_eq(ag_argmax(scores, 1, false), batch.y);
            progress_add(&progress, batch.n, loss_now, (int64_t)ag_item(ag_sum(right)));
            if (!isfinite(loss_now)) {
                progress_end(&progress);
                report_not_finite(o, loss_now, (int)epoch, batch.index + 1);
                good = false;
            }
            good = good && !saving_step(&saving);
        }
        ag_end(&step);
        if (!good || ag_exit_status() != 0) {
            break;
        }
        evaluate(net, validation, &evaluation);
        struct history_epoch now = { .train_loss = progress_loss(&progress),
                                     .train_accuracy = progress_accuracy(&progress),
                                     .validation_loss = evaluation.loss,
                                     .validation_accuracy = evaluation.accuracy,
                                     .seconds = progress_seconds(&progress) };
        progress_end(&progress);
        if (history_add(&history, now)) {
            nn_copy_state(best, net);
        }
        history_print_last(&history);
        if (history_since_best(&history) >= o->patience && epoch < epochs) {
            history.stopped = true;
            printf("no better validation for %d epochs: stopped early\n", o->patience);
        }
        epoch++;
        good = !saving_epoch(&saving);
    }
    saving_end(&saving);

    data_set *test_digits = good && ag_exit_status() == 0 ? digits_test(&l->digits) : NULL;
    good = test_digits != NULL;
    if (good) {
        data_loader *test = evaluate_loader(test_digits);
        evaluate(best, test, &evaluation);
        data_loader_free(test);
        struct results results = { &evaluation, nn_count_parameters(best, false), nn_hash(best),
                                   l->digits.folder };
        charts_print(o, &history, &evaluation);
        printf("\ntest accuracy %.2f %% (%lld of %lld digits), loss %.4f\n\n",
               100 * evaluation.accuracy, (long long)evaluation.right,
               (long long)evaluation.samples, evaluation.loss);
        l->record = history_to_json(&history, o, &results);
        good =
            (o->pictures == NULL || charts_save(o, &history, &evaluation)) && draw_weights(l, best);
    }
    history_free(&history);
    nn_free(best);
    optim_free(opt);
    nn_free(net);
    data_loader_free(validation);
    data_loader_free(train);
    return good && ag_exit_status() == 0;
}

/* ---- 2. Which loss? ------------------------------------------------------------------------------------------------------ */

enum { LOSSES = 4, GAPS = 6, LOSS_EPOCHS_MAX = 64 };
static const char *const loss_names[LOSSES] = { "cross-entropy", "squared error of probabilities",
                                                "squared error of scores", "hinge" };
static const char *const loss_keys[LOSSES] = { "cross_entropy", "brier", "least_squares", "hinge" };

/* The mean over the batch of one of four losses. scores (n, 10), labels (n) */
static ag_tensor loss_of(int which, ag_tensor scores, ag_tensor labels)
{
    ag_tensor truth =
        ag_one_hot(labels, DIGIT_CLASSES, AG_FLOAT32); /* (n, 10): 1 for the right class */
    switch (which) {
    case 0: /* -log p of the right class */
        return ag_cross_entropy(scores, labels);
    case 1: /* sum over the classes of (p - truth)^2: Brier 1950 */
        return ag_mul_scalar(ag_mse_loss(ag_softmax(scores, 1), truth), DIGIT_CLASSES);
    case 2: /* sum over the classes of (score - truth)^2: linear regression on 0 and 1 */
        return ag_mul_scalar(ag_mse_loss(scores, truth), DIGIT_CLASSES);
    default: /* sum over the wrong classes of max(0, 1 - (score of the right one - theirs)): Crammer & Singer 2001 */
        return ag_mul_scalar(ag_multi_margin_loss(scores, labels), DIGIT_CLASSES);
    }
}

/* How hard each loss pulls at the score of the right class when another class leads by `gap`. */
static void print_pulls(struct lesson *l)
{
    static const double gaps[GAPS] = { -5, 0, 2, 5, 10, 20 };
    double pulls[LOSSES][GAPS];
    ag_scope scope = { 0 };
    printf("\n2. Which loss? How hard it pulls the right class's score upwards (-d loss / d score) "
           "when a wrong class leads by\n\n"
           "                                ");
    for (int k = 0; k < GAPS; k++) {
        printf("%8g", gaps[k]);
    }
    printf("\n");
    for (int which = 0; which < LOSSES; which++) {
        printf("  %-30s", loss_names[which]);
        for (int k = 0; k < GAPS; k++) {
            ag_begin(&scope);
            float lead[DIGIT_CLASSES];
            for (int c = 0; c < DIGIT_CLASSES; c++) {
                lead[c] = -1000; /* far behind: it is between classes 0 and 1 */
            }
            lead[0] = -(float)gaps[k] / 2; /* the right one */
            lead[1] = (float)gaps[k] / 2;  /* the other one */
            const int64_t right = 0;
            ag_tensor scores =
                ag_set_requires_grad(ag_from(AG_SHAPE(1, DIGIT_CLASSES), AG_FLOAT32, lead), true);
            ag_backward(loss_of(which, scores, ag_from(AG_SHAPE(1), AG_INT64, &right)));
            double slope[DIGIT_CLASSES];
            ag_read_doubles(ag_grad_of(scores), slope, DIGIT_CLASSES);
            pulls[which][k] = -slope[0];
            printf("%8.4f", pulls[which][k] + 0.0);
        }
        printf("\n");
    }
    ag_end(&scope);
    json_object_set_new(l->record, "gaps", record_numbers(GAPS, gaps));
    json_object_set_new(l->record, "pulls", record_table(LOSSES, GAPS, &pulls[0][0]));
}

/* Accuracy on the validation digits after each epoch so far. */
struct course {
    int64_t epochs;
    double accuracy[LOSS_EPOCHS_MAX]; /* in % */
};

static void course_visit(void *object, ag_state_visitor *v)
{
    struct course *self = object;
    ag_state_series(v, "accuracy", self->accuracy, AG_FLOAT64, &self->epochs, LOSS_EPOCHS_MAX);
}

static const ag_stateful_type course_type = { sizeof(ag_stateful_type), "course", course_visit };

/* Trains from weights of N(0, spread^2). */
static bool train_with(const struct lesson *l, int which, double spread, int epochs,
                       data_set *train_digits, data_set *validation_digits, struct course *course)
{
    const struct options *o = l->options;
    ag_rng rng = ag_rng_seed((uint64_t)o->seed + 1);
    data_loader_config batches = data_loader_defaults();
    batches.batch = o->batch;
    batches.shuffle = true;
    data_loader *train = data_loader_new(data_set_share(train_digits), batches, &rng);
    data_loader *validation = evaluate_loader(data_set_share(validation_digits));
    nn_module *net = new_network();
    nn_init(net, &rng);
    ag_list *parameters = nn_parameters(net);
    for (int64_t i = 0; i < ag_list_count(parameters); i++) {
        nn_init_normal(ag_list_tensor(parameters, i), 0, spread, &rng);
    }
    optim_adam_config adam = optim_adam_defaults();
    adam.lr = o->lr;
    optim *opt = optim_adam(parameters, adam);
    static struct evaluation evaluation;
    ag_scope step = { 0 };
    struct saving saving;
    char part[64];
    snprintf(part, sizeof part, "%s-from-%g", loss_keys[which], spread);
    bool good = saving_begin_part(&saving, o, part);
    saving_add(&saving, "model", nn_stateful(net));
    saving_add(&saving, "optimizer", optim_stateful(opt));
    saving_add(&saving, "digits", data_loader_stateful(train));
    saving_add(&saving, "course", ag_stateful_make(&course_type, course));
    good = good && saving_resume(&saving);
    while (good && course->epochs < epochs) {
        data_batch batch;
        data_loader_rewind(train);
        while (good && data_loader_next(train, &batch)) {
            ag_begin(&step);
            ag_tensor loss = loss_of(which, nn_forward(net, batch.x), batch.y);
            optim_zero_grad(opt);
            ag_backward(loss);
            optim_step(opt);
            good = !saving_step(&saving);
        }
        ag_end(&step);
        if (good) {
            evaluate(net, validation, &evaluation);
            course->accuracy[course->epochs++] = 100 * evaluation.accuracy;
            good = !saving_epoch(&saving);
        }
    }
    saving_end(&saving);
    optim_free(opt);
    nn_free(net);
    data_loader_free(validation);
    data_loader_free(train);
    return good && ag_exit_status() == 0;
}

static bool losses_lesson(struct lesson *l, data_set *train_digits, data_set *validation_digits)
{
    static const double spreads[2] = { 0.01, 1 };
    static const char *const starts[2] = { "a start near 0", "a start that is sure and wrong" };
    const struct options *o = l->options;
    int epochs = o->epochs > 0 ? o->epochs : digits_usual_epochs(data_set_size(train_digits));
    epochs = epochs < LOSS_EPOCHS_MAX ? epochs : LOSS_EPOCHS_MAX;
    struct course courses[2][LOSSES] = { 0 };
    double x[LOSS_EPOCHS_MAX];
    for (int epoch = 0; epoch < epochs; epoch++) {
        x[epoch] = epoch + 1;
    }
    print_pulls(l);
    printf("\nValidation accuracy after %d epochs, weights at first N(0, 0.01²), or N(0, 1): sure "
           "of itself, and wrong\n\n"
           "                                 near 0   sure and wrong\n",
           epochs);
    json_t *ends = json_object();
    for (int which = 0; which < LOSSES; which++) {
        for (int start = 0; start < 2; start++) {
            if (!train_with(l, which, spreads[start], epochs, train_digits, validation_digits,
                            &courses[start][which])) {
                json_decref(ends);
                return false;
            }
        }
        double end[2] = { courses[0][which].accuracy[epochs - 1],
                          courses[1][which].accuracy[epochs - 1] };
        printf("  %-30s %6.1f %% %11.1f %%\n", loss_names[which], end[0], end[1]);
        fflush(stdout);
        json_object_set_new(ends, loss_keys[which], record_numbers(2, end));
    }
    json_object_set_new(l->record, "losses", ends);
    struct plot *p = plot_new("Four losses for the same classifier");
    for (int start = 0; start < 2; start++) {
        struct plot_panel *panel =
            plot_panel(p, starts[start], "epoch", start == 0 ? "validation accuracy, %" : "");

        for (int which = 0; which < LOSSES; which++) {
            plot_line(panel, loss_names[which], epochs, x, courses[start][which].accuracy)->points =
                true;
        }
    }
    printf("\n");
    bool good = plot_save(&l->out, p, "losses");
    plot_free(p);
    return good;
}

/* ---- from top to bottom -------------------------------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
    struct options options = {
        .program = "softmax_regression",
        .purpose = "One linear layer and a softmax read digits, and tell irises apart.",
        .accepts = OPTION_SEED | OPTION_THREADS | OPTION_EPOCHS | OPTION_BATCH | OPTION_LR |
                   OPTION_DATA | OPTION_JSON | OPTION_PICTURES | OPTION_PATIENCE | OPTION_SAVE,
    };
    int status = options_parse(&options, argc, argv);
    if (status >= 0) {
        return status;
    }
    options.validation = 0.1;
    if (options.threads > 0) {
        ag_set_threads(options.threads);
    }
    if (!report_possible(&options)) {
        return EXIT_FAILURE;
    }
    ag_rng rng = ag_rng_seed((uint64_t)options.seed);
    struct lesson lesson = {
        .options = &options,
        .out = { .program = options.program, .folder = options.pictures, .svg = options.svg }
    };
    if (!digits_open(&lesson.digits, &options, &rng)) {
        return EXIT_FAILURE;
    }
    data_set *train = lesson.digits.train, *validation = lesson.digits.validation;
    bool good = digits_lesson(&lesson, train, validation, &rng) &&
                losses_lesson(&lesson, train, validation) &&
                record_write(&options, json_incref(lesson.record));
    json_decref(lesson.record);
    digits_close(&lesson.digits);
    return output_standard_flush(options.program) ? saving_exit_status(good) : EXIT_FAILURE;
}
