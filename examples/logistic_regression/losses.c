/*
 * Part 4: squared error against cross-entropy. Both are least for the same answers; but the slope of the squared error has the
 * sigmoid's own slope as a factor, and that is nearly 0 where the model is sure, also where it is sure and wrong.
 */
#include "logistic.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { LOSSES = 2, LOGITS = 7, STEPS = 1000, CURVE = 121 };
static const char *const loss_names[LOSSES] = { "cross-entropy", "squared error" };
static const char *const loss_keys[LOSSES] = { "cross_entropy", "squared_error" };

/* Mean over the samples. logits (n, 1), truth (n, 1): 0 or 1 */
static ag_tensor loss_of(int which, ag_tensor logits, ag_tensor truth)
{
    return which == 0 ? ag_bce_with_logits(logits, truth)          /* -log of the right one's p */
                      : ag_mse_loss(ag_sigmoid(logits), truth);    /* (p - truth)^2 */
}

/* The loss of one malignant sample, and how hard it pulls the log-odds upwards: -d loss / d logit. */
static void pull_at(int which, double logit, double *loss, double *pull)
{
    ag_scope scope = { 0 };
    ag_begin(&scope);
    float z = (float)logit;
    const float malignant = 1;
    ag_tensor x = ag_set_requires_grad(ag_from(AG_SHAPE(1, 1), AG_FLOAT32, &z), true);
    ag_tensor l = loss_of(which, x, ag_from(AG_SHAPE(1, 1), AG_FLOAT32, &malignant));
    ag_backward(l);
    *loss = ag_item(l);
    *pull = -ag_item(ag_grad_of(x));
    ag_end(&scope);
}

static void print_pulls(struct lesson *l)
{
    static const double logits[LOGITS] = { 5, 2, 0, -2, -5, -10, -20 };
    double pulls[LOSSES][LOGITS], unused;
    printf("4. Which loss? How hard each pulls at the log-odds of a %s sample, by what it is "
           "called now\n\n"
           "  log-odds now    ",
           data_set_class_name(l->cells, 1));
    for (int k = 0; k < LOGITS; k++) {
        printf("%10g", logits[k]);
    }
    printf("\n  probability     ");
    for (int k = 0; k < LOGITS; k++) {
        printf("%10.2g", 1 / (1 + exp(-logits[k])));
    }
    printf("\n");
    for (int which = 0; which < LOSSES; which++) {
        printf("  %-16s", loss_names[which]);
        for (int k = 0; k < LOGITS; k++) {
            pull_at(which, logits[k], &unused, &pulls[which][k]);
            printf("%10.2g", pulls[which][k]);
        }
        printf("\n");
    }
    json_object_set_new(l->record, "logits", record_numbers(LOGITS, logits));
    json_object_set_new(l->record, "pulls", record_table(LOSSES, LOGITS, &pulls[0][0]));
}

/* A start that is sure and wrong: the weights of a trained line, turned round and three times as large. */
static bool turn_round(nn_module *to, nn_module *trained)
{
    ag_list *from = nn_parameters(trained), *into = nn_parameters(to);
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    for (int64_t i = 0; i < ag_list_count(from); i++) {
        ag_tensor turned = ag_contiguous(ag_mul_scalar(ag_list_tensor(from, i), -3));
        ag_write(ag_list_tensor(into, i), ag_data(turned), ag_numel(turned));
    }
    ag_end(&scope);
    ag_list_free(from);
    ag_list_free(into);
    return ag_exit_status() == 0;
}

/* Plain descent on all samples at once, so that nothing but the loss differs. accuracy[STEPS + 1] on the samples, in %. */
static bool descend(const struct lesson *l, nn_module *line, int which, ag_tensor x, ag_tensor truth,
                    double *accuracy)
{
    optim_sgd_config sgd = optim_sgd_defaults();
    sgd.lr = 1;
    optim *opt = optim_sgd(nn_parameters(line), sgd);
    ag_scope step = { 0 };
    (void)l;
    for (int i = 0; i <= STEPS; i++) {
        ag_begin(&step);
        ag_tensor logits = nn_forward(line, x);
        ag_tensor right = ag_eq(ag_cast(ag_gt_scalar(logits, 0), AG_FLOAT32), truth);
        accuracy[i] = 100 * ag_item(ag_mean(ag_cast(right, AG_FLOAT32)));
        optim_zero_grad(opt);
        ag_backward(loss_of(which, logits, truth));
        optim_step(opt);
    }
    ag_end(&step);
    optim_free(opt);
    return ag_exit_status() == 0;
}

static bool draw_losses(struct lesson *l, double accuracy[LOSSES][STEPS + 1])
{
    static double logit[CURVE], loss[LOSSES][CURVE], pull[LOSSES][CURVE], steps[STEPS + 1];
    for (int i = 0; i < CURVE; i++) {
        logit[i] = -10 + i * (15.0 / (CURVE - 1));
        for (int which = 0; which < LOSSES; which++) {
            pull_at(which, logit[i], &loss[which][i], &pull[which][i]);
        }
    }
    for (int i = 0; i <= STEPS; i++) {
        steps[i] = i + 1;
    }
    struct plot *p = plot_new("Sure and wrong: what the loss does about it");
    struct plot_panel *panel[3];
    char label[PLOT_TEXT];
    snprintf(label, sizeof label, "log-odds given to a %s sample", data_set_class_name(l->cells, 1));
    panel[0] = plot_panel(p, "the loss", label, "");
    panel[1] = plot_panel(p, "its slope: how hard it pulls", label, "");
    panel[2] = plot_panel(p, "descent from a start that is sure and wrong", "step",
                          "accuracy, %");
    for (int which = 0; which < LOSSES; which++) {
        plot_line(panel[0], loss_names[which], CURVE, logit, loss[which]);
        plot_line(panel[1], loss_names[which], CURVE, logit, pull[which]);
        plot_line(panel[2], loss_names[which], STEPS + 1, steps, accuracy[which]);
    }
    panel[2]->x.log = true;
    panel[2]->y.low = 0;
    panel[2]->y.high = 100;
    for (int k = 0; k < 3; k++) {
        panel[k]->width = 380;
    }
    bool good = plot_save(&l->out, p, "losses");
    plot_free(p);
    return good;
}

bool losses_part(struct lesson *l)
{
    static double accuracy[LOSSES][STEPS + 1];
    ag_rng rng = ag_rng_seed((uint64_t)l->options->seed + 2);
    print_pulls(l);
    data_transform *scale = data_standard_scaler(l->cells, data_scaler_defaults());
    data_set *scaled = data_transform_x(l->cells, scale);
    nn_module *trained = new_line(l->features);
    ag_tensor x = AG_NONE, y = AG_NONE, truth = AG_NONE;
    bool good = train(l, trained, scaled, training_of(l->options, &rng, "turned-round")) &&
                data_set_tensors(scaled, &x, &y) == AG_OK;
    if (good) {
        ag_scope scope = { 0 };
        ag_begin_no_grad(&scope);
        ag_keep(&truth, ag_reshape(ag_cast(y, AG_FLOAT32), AG_SHAPE(ag_numel(y), 1)));
        ag_end(&scope);
        printf("\nDescent on all samples at once, rate 1, from a good line turned round: sure and "
               "wrong\n\n"
               "  accuracy after      0 steps     10     100    1000\n");
        json_t *ends = json_object();
        for (int which = 0; good && which < LOSSES; which++) {
            nn_module *line = new_line(l->features);
            good = turn_round(line, trained) && descend(l, line, which, x, truth, accuracy[which]);
            nn_free(line);
            const double *a = accuracy[which];
            printf("  %-16s %6.1f %% %7.1f %% %5.1f %% %5.1f %%\n", loss_names[which], a[0], a[10],
                   a[100], a[STEPS]);
            json_object_set_new(ends, loss_keys[which], record_numbers(STEPS + 1, a));
        }
        json_object_set_new(l->record, "sure_and_wrong", ends);
        good = good && draw_losses(l, accuracy);
    }
    ag_drop(&truth);
    ag_drop(&x);
    ag_drop(&y);
    nn_free(trained);
    data_set_free(scaled);
    data_transform_free(scale);
    return good;
}
