/*
 * A convolutional network learns to read handwritten digits.
 *
 * This file is a lesson: the network, the training loop, early stopping and the final test are all
 * here, from top to bottom. The helpers in common/ find the data, show progress and draw charts;
 * none of them trains anything.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "autograd/autograd.h"
#include "data/data.h"
#include "nn/nn.h"
#include "optim/optim.h"

#include "common/digits.h"
#include "common/evaluate.h"
#include "common/history.h"
#include "common/options.h"
#include "common/progress.h"
#include "common/report.h"
#include "common/saving.h"

static int train_and_test(const struct options *options)
{
    /* All randomness comes from this one generator: the split, the first weights, the order of the
     * digits. */
    ag_rng rng = ag_rng_seed((uint64_t)options->seed);

    /* ---- Data. A part of the training digits is set aside: the network never learns from it, and
     * we look at it after every epoch to see whether it learns to read or just to recite. */
    struct digits digits;
    if (!digits_open(&digits, options, &rng)) {
        return EXIT_FAILURE;
    }
    data_loader_config batches = data_loader_defaults();
    batches.batch = options->batch;
    batches.shuffle = true; /* a new order every epoch */
    data_loader *train = data_loader_new(digits_take(&digits.train), batches, &rng);
    data_loader *validation =
        digits.validation ? evaluate_loader(digits_take(&digits.validation)) : NULL;
    int64_t training_digits = data_loader_samples(train);
    int64_t validation_digits = validation ? data_loader_samples(validation) : 0;

    /* ---- The network. An image is (1, 28, 28); the comments say what comes out of each line. */
    nn_module *net = nn_sequential(nn_conv2d(1, 32, 3), nn_relu(),   /* ( 32, 26, 26) */
                                   nn_max_pool2d(2),                 /* ( 32, 13, 13) */
                                   nn_conv2d(32, 64, 3), nn_relu(),  /* ( 64, 11, 11) */
                                   nn_max_pool2d(2),                 /* ( 64,  5,  5) */
                                   nn_conv2d(64, 128, 3), nn_relu(), /* (128,  3,  3) */
                                   nn_flatten(),                     /* (1152)        */
                                   nn_linear(1152, 10));             /* (10), a score a digit */
    nn_init(net, &rng);
    nn_summary(net, AG_SHAPE(1, 1, 28, 28), stdout);

    optim_adam_config adam = optim_adam_defaults();
    adam.lr = options->lr;
    optim *opt = optim_adam(nn_parameters(net), adam);

    /* ---- Training. `best` keeps a copy of the weights that did best on the validation digits. */
    nn_module *best = nn_clone(net);
    int epochs = options->epochs > 0 ? options->epochs : digits_usual_epochs(training_digits);
    struct history history;
    struct progress progress;
    struct evaluation evaluation = { 0 };
    ag_scope step = { 0 };
    int status = EXIT_FAILURE;
    struct saving saving = { 0 };
    if (!history_begin(&history, epochs, training_digits, validation_digits)) {
        fprintf(stderr, "%s: out of memory\n", options->program);
        goto cleanup;
    }
    printf("\n%s: %lld digits to train on, %lld for validation, from %s\n", options->program,
           (long long)training_digits, (long long)validation_digits, digits.folder);
    printf("at most %d epochs, batches of %lld, Adam with rate %g, seed %lld, %d threads\n\n",
           epochs, (long long)options->batch, options->lr, (long long)options->seed, ag_threads());

    /* ---- What --save writes and --resume reads: all that changes while the network learns. */
    int64_t epoch = 1;
    progress_clear(&progress);
    if (!saving_begin(&saving, options)) {
        goto cleanup;
    }
    saving_add(&saving, "model", nn_stateful(net));
    saving_add(&saving, "best", nn_stateful(best));
    saving_add(&saving, "optimizer", optim_stateful(opt));
    saving_add(&saving, "digits", data_loader_stateful(train));
    saving_add(&saving, "epoch", ag_stateful_int64(&epoch));
    saving_add(&saving, "progress", progress_stateful(&progress));
    saving_add(&saving, "history", history_stateful(&history));
    if (!saving_resume(&saving)) {
        goto cleanup;
    }

    while (epoch <= epochs && !history.stopped) {
        progress_begin(&progress, (int)epoch, epochs, training_digits);
        data_batch batch;
        data_loader_rewind(train);
        while (data_loader_next(train, &batch)) {
            ag_begin(&step);                                    /* forget the last step */
            ag_tensor scores = nn_forward(net, batch.x);        /* (n, 10) */
            ag_tensor loss = ag_cross_entropy(scores, batch.y); /* how far from the truth */
            optim_zero_grad(opt);
            ag_backward(loss); /* how each weight is to blame */
            optim_step(opt);   /* a small step downhill */

            double loss_now = ag_item(loss);
            if (!isfinite(loss_now)) {
                progress_end(&progress);
                report_not_finite(options, loss_now, (int)epoch, batch.index + 1);
                goto cleanup;
            }
            /* (n): 1 where the best score is the right one */
            ag_tensor right = ag_eq(ag_argmax(scores, 1, false), batch.y);
            progress_add(&progress, batch.n, loss_now, (int64_t)ag_item(ag_sum(right)));
            if (saving_step(&saving)) {
                status = saving_exit_status(false);
                goto cleanup;
            }
        }
        ag_end(&step);

        struct history_epoch now = { .train_loss = progress_loss(&progress),
                                     .train_accuracy = progress_accuracy(&progress),
                                     .validation_loss = NAN,
                                     .validation_accuracy = NAN };
        if (validation != NULL) {
            evaluate(net, validation, &evaluation);
            if (!isfinite(evaluation.loss)) {
                progress_end(&progress);
                report_not_finite(options, evaluation.loss, (int)epoch, data_loader_batches(train));
                goto cleanup;
            }
            now.validation_loss = evaluation.loss;
            now.validation_accuracy = evaluation.accuracy;
        }
        now.seconds = progress_seconds(&progress);
        progress_end(&progress);

        if (history_add(&history, now)) {
            nn_copy_state(best, net);
        }
        history_print_last(&history);
        if (validation != NULL && history_since_best(&history) >= options->patience &&
            epoch < epochs) {
            history.stopped = true;
            printf("no better validation for %d epochs: stopped early\n", options->patience);
        }
        epoch++;
        if (saving_epoch(&saving)) {
            status = saving_exit_status(false);
            goto cleanup;
        }
    }
    saving_end(&saving);
    nn_copy_state(net, best);
    if (validation != NULL) {
        printf("the weights of epoch %d were kept\n", history.best + 1);
    }

    /* ---- The test. These digits are read now, once, when nothing can be changed any more. */
    data_set *test_digits = digits_test(&digits);
    if (test_digits == NULL) {
        goto cleanup;
    }
    data_loader *test = evaluate_loader(test_digits);
    evaluate(net, test, &evaluation);
    data_loader_free(test);
    struct results results = { &evaluation, nn_count_parameters(net, false), nn_hash(net),
                               digits.folder };
    if (ag_exit_status() == 0 && report(options, &history, &results)) {
        status = EXIT_SUCCESS;
    }

cleanup:
    ag_end(&step);
    saving_end(&saving);
    history_free(&history);
    nn_free(best);
    optim_free(opt);
    nn_free(net);
    data_loader_free(validation);
    data_loader_free(train);
    digits_close(&digits);
    return status;
}

int main(int argc, char **argv)
{
    struct options options = {
        .program = "mnist_cnn",
        .purpose = "Trains a convolutional network (32-64-128) to read handwritten digits.",
        .accepts = OPTIONS_CLASSIFIER,
    };
    int status = options_parse(&options, argc, argv);
    if (status >= 0) {
        return status;
    }
    if (options.threads > 0) {
        ag_set_threads(options.threads);
    }
    if (!report_possible(&options)) {
        return EXIT_FAILURE;
    }
    return train_and_test(&options);
}
