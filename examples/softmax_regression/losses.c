/*
 * Part 2: which loss? Four that have been used for this classifier, from two starts.
 */
#include "softmax.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/saving.h"

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

bool losses_lesson(struct lesson *l, data_set *train_digits, data_set *validation_digits)
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
