/*
 * Part 1: digits. The weights are pictures, and can be looked at.
 */
#include "softmax.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/charts.h"
#include "common/history.h"
#include "common/progress.h"
#include "common/report.h"
#include "common/saving.h"
#include "common/tiles.h"

nn_module *new_network(void)
{
    return nn_sequential(nn_flatten(), nn_linear(DIGIT_PIXELS, DIGIT_CLASSES));
}

void begin_at_zero(nn_module *net)
{
    ag_list *parameters = nn_parameters(net);
    for (int64_t i = 0; i < ag_list_count(parameters); i++) {
        nn_init_zeros(ag_list_tensor(parameters, i));
    }
    ag_list_free(parameters);
}

/* The ten rows of W as pictures of 28 x 28. */
static bool draw_weights(struct lesson *l, nn_module *net)
{
    static float weights[DIGIT_CLASSES][DIGIT_PIXELS];
    ag_list *parameters = nn_parameters(net);
    ag_read(ag_list_find(parameters, "1.weight"), weights, DIGIT_CLASSES * DIGIT_PIXELS);
    ag_list_free(parameters);
    double most = 1e-30;
    for (int i = 0; i < DIGIT_CLASSES * DIGIT_PIXELS; i++) {
        most = fmax(most, fabs((double)weights[i / DIGIT_PIXELS][i % DIGIT_PIXELS]));
    }
    struct plot *p = plot_new("What speaks for each digit, and what against it");
    snprintf(p->note, sizeof p->note,
             "vermilion: ink here adds to the score;  blue: ink here takes from it");
    struct tiles tiles = { 0 };
    for (int class = 0; class < DIGIT_CLASSES; class ++) {
        tiles_add_signed(&tiles, DIGIT_SIDE, DIGIT_SIDE, weights[class], 0.7 * most);
        snprintf(tiles_last(&tiles)->left, PLOT_TEXT, "%d", class);
    }
    tiles_put(&tiles, p, "", 5, 140);
    bool good = plot_save(&l->out, p, "weights");
    plot_free(p);
    return good;
}

bool digits_lesson(struct lesson *l, data_set *train_digits, data_set *validation_digits,
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
