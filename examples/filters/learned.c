/*
 * Part 4: a network learns its filters from digits.
 */
#include "filters.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/progress.h"
#include "common/report.h"
#include "common/saving.h"

/* The network in two halves: what it sees, and what it makes of it. The second half is a mean over all places and one linear
 * layer, so that the score of a digit is a sum over places: that is what makes the maps below possible. */
static nn_module *new_network(void)
{
    nn_conv2d_config first = nn_conv2d_defaults(1, MAPS_1, KERNEL_1),
                     second = nn_conv2d_defaults(MAPS_1, MAPS_2, 3),
                     third = nn_conv2d_defaults(MAPS_2, MAPS_3, 3);
    first.conv.padding_mode = second.conv.padding_mode = third.conv.padding_mode = AG_PADDING_SAME;
    nn_module *features =
        nn_sequential(nn_conv2d_with(first), nn_batch_norm2d(MAPS_1), nn_relu(),  /* (16, 28, 28) */
                      nn_max_pool2d(2),                                           /* (16, 14, 14) */
                      nn_conv2d_with(second), nn_batch_norm2d(MAPS_2), nn_relu(), /* (32, 14, 14) */
                      nn_max_pool2d(2),                                           /* (32,  7,  7) */
                      nn_conv2d_with(third), nn_batch_norm2d(MAPS_3), nn_relu()); /* (64,  7,  7) */
    nn_module *head = nn_sequential(nn_adaptive_avg_pool2d(1, 1),                 /* (64,  1,  1) */
                                    nn_flatten(),                                 /* (64)         */
                                    nn_linear(MAPS_3, DIGIT_CLASSES));            /* (10)         */
    return nn_sequential(features, head);
}

static bool train(const struct options *o, nn_module *net, data_loader *batches)
{
    optim_adam_config adam = optim_adam_defaults();
    adam.lr = o->lr;
    optim *opt = optim_adam(nn_parameters(net), adam);
    ag_scope step = { 0 };
    struct progress progress;
    double epoch_steps = (double)data_loader_batches(batches);
    int64_t epoch = 1;
    struct saving saving;
    progress_clear(&progress);
    bool good = saving_begin(&saving, o);
    saving_add(&saving, "model", nn_stateful(net));
    saving_add(&saving, "optimizer", optim_stateful(opt));
    saving_add(&saving, "digits", data_loader_stateful(batches));
    saving_add(&saving, "epoch", ag_stateful_int64(&epoch));
    saving_add(&saving, "progress", progress_stateful(&progress));
    good = good && saving_resume(&saving);
    while (good && epoch <= o->epochs) {
        progress_begin(&progress, (int)epoch, o->epochs, data_loader_samples(batches));
        data_batch batch;
        data_loader_rewind(batches);
        while (good && data_loader_next(batches, &batch)) {
            /* The rate falls in a line to zero: the last steps settle, so that what batch normalisation remembers fits. */
            double done = ((double)batch.index + epoch_steps * (double)(epoch - 1)) /
                          (epoch_steps * o->epochs);
            optim_set_lr(opt, 0, o->lr * (1 - done));
            ag_begin(&step);
            ag_tensor scores = nn_forward(net, batch.x);
            ag_tensor loss = ag_cross_entropy(scores, batch.y);
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
        if (good) {
            double seconds = progress_seconds(&progress);
            progress_end(&progress);
            printf("  epoch %d/%d  loss %.4f, %.2f %%   %.1f s\n", (int)epoch, o->epochs,
                   progress_loss(&progress), 100 * progress_accuracy(&progress), seconds);
            fflush(stdout);
            epoch++;
            good = !saving_epoch(&saving);
        }
    }
    ag_end(&step);
    saving_end(&saving);
    optim_free(opt);
    return good && ag_exit_status() == 0;
}

static bool draw_filters_and_maps(struct lesson *l, nn_module *net, const float *digit)
{
    struct plot *p = plot_new("Learned filters, and what they answer to one digit");
    struct tiles tiles = { 0 };
    nn_module *features = nn_sequential_child(net, 0);
    ag_list *parameters = nn_parameters(net);
    static float weights[MAPS_1][KERNEL_1 * KERNEL_1];
    ag_read(ag_list_find(parameters, "0.0.weight"), weights, MAPS_1 * KERNEL_1 * KERNEL_1);
    ag_list_free(parameters);
    for (int f = 0; f < MAPS_1; f++) {
        double most = 1e-30;
        for (int i = 0; i < KERNEL_1 * KERNEL_1; i++) {
            most = fmax(most, fabs((double)weights[f][i]));
        }
        tiles_add_signed(&tiles, KERNEL_1, KERNEL_1, weights[f], most);
    }
    tiles_put(&tiles, p, "first layer: 16 filters of 5 x 5", 4, 64);

    /* What comes out of the ReLU after each of the three convolutions: children 2, 6 and 10 of the features. */
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    ag_tensor x = ag_from(AG_SHAPE(1, 1, DIGIT_SIDE, DIGIT_SIDE), AG_FLOAT32, digit);
    static const char *const titles[] = { "first layer: 16 maps of 28 x 28",
                                          "second layer: 32 maps of 14 x 14",
                                          "third layer: 64 maps of 7 x 7" };
    static const int columns[] = { 4, 8, 16 };
    static const double sides[] = { 64, 40, 25 };
    int layer = 0;
    for (int64_t i = 0; i < nn_sequential_count(features); i++) {
        x = nn_forward(nn_sequential_child(features, i), x);
        if (i % 4 != 2) {
            continue;
        }
        double most = ag_item(ag_max(x));
        int64_t maps = ag_size(x, 1);
        for (int64_t m = 0; m < maps; m++) {
            tiles_add_plane(&tiles, ag_select(ag_select(x, 0, 0), 0, m), most > 0 ? most : 1, 0);
        }
        tiles_put(&tiles, p, titles[layer], columns[layer], sides[layer]);
        layer++;
    }
    ag_end(&scope);
    p->columns = 2;
    snprintf(
        p->note, sizeof p->note,
        "filters: vermilion adds, blue takes away;  maps: the darker, the stronger the answer");
    bool good = ag_exit_status() == 0 && plot_save(&l->out, p, "learned");
    plot_free(p);
    return good;
}

bool learned_lesson(struct lesson *l, struct digits *digits, data_set *test)
{
    const struct options *o = l->options;
    ag_rng rng = ag_rng_seed((uint64_t)o->seed);
    data_loader_config config = data_loader_defaults();
    config.batch = o->batch;
    config.shuffle = true;
    data_loader *batches = data_loader_new(digits_take(&digits->train), config, &rng);
    nn_module *net = new_network();
    nn_init(net, &rng);
    printf("\n4. Learned filters: %lld digits, Adam with rate %g, %lld weights\n\n",
           (long long)data_loader_samples(batches), o->lr,
           (long long)nn_count_parameters(net, true));
    static struct evaluation evaluation;
    bool good = train(o, net, batches);
    if (good) {
        data_loader *loader = evaluate_loader(data_set_share(test));
        evaluate(net, loader, &evaluation);
        data_loader_free(loader);
        nn_eval(net); /* batch normalisation: from now on with its running statistics */
        printf("\n  test accuracy %.2f %% of %lld digits\n", 100 * evaluation.accuracy,
               (long long)evaluation.samples);
        json_object_set_new(l->record, "test_accuracy", record_number(evaluation.accuracy));
        json_object_set_new(l->record, "weights_hash", record_hash(nn_hash(net)));
        static float digit[DIGIT_PIXELS];
        data_set_read(test, 0, digit, NULL); /* any digit will do for the maps of the layers */
        good = draw_filters_and_maps(l, net, digit) &&
               look_at_test_digits(l, net, test, &evaluation);
    }
    nn_free(net);
    data_loader_free(batches);
    return good;
}
