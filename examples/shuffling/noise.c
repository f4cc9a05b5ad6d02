/*
 * Part 2: how noisy is the gradient of a batch?
 */
#include "shuffling.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Copies all gradients, one after the other. */
static void read_gradient(ag_list *parameters, double *g)
{
    for (int64_t i = 0; i < ag_list_count(parameters); i++) {
        ag_tensor w = ag_list_tensor(parameters, i);
        ag_read_doubles(ag_grad_of(w), g, ag_numel(w));
        g += ag_numel(w);
    }
}

static void forget_gradient(ag_list *parameters)
{
    for (int64_t i = 0; i < ag_list_count(parameters); i++) {
        ag_zero_grad(ag_list_tensor(parameters, i));
    }
}

enum { NOISE_SIZES = 5, NOISE_DRAWS = 30 };
static const int64_t noise_batch[NOISE_SIZES] = { 1, 4, 16, 64, 256 };

/* |gradient of a batch - gradient of all| / |gradient of all|, the root of the mean square over some batches; NaN for a batch
 * that is more than a twentieth of the data: it would be no sample of it any more. */
static bool measure_noise(const struct lesson *l, double *noise)
{
    nn_module *net = new_network(l->options);
    ag_list *parameters = nn_parameters(net);
    int64_t weights = nn_count_parameters(net, true);
    double *all = calloc((size_t)weights, sizeof *all),
           *one = malloc((size_t)weights * sizeof *one);
    bool good = all != NULL && one != NULL;
    ag_rng rng = ag_rng_seed((uint64_t)l->options->seed + 1);
    ag_scope step = { 0 };
    data_batch batch;

    /* The gradient of all digits is the mean over its parts: backward adds up. */
    data_loader *loader = evaluate_loader(data_set_share(l->train));
    while (good && data_loader_next(loader, &batch)) {
        ag_begin(&step);
        ag_tensor loss = ag_cross_entropy(nn_forward(net, batch.x), batch.y);
        ag_backward(ag_mul_scalar(loss, (double)batch.n / (double)l->samples));
    }
    data_loader_free(loader);
    double length = 0;
    if (good) {
        read_gradient(parameters, all);
        for (int64_t i = 0; i < weights; i++) {
            length += all[i] * all[i];
        }
    }

    for (int k = 0; good && k < NOISE_SIZES; k++) {
        noise[k] = NAN;
        if (20 * noise_batch[k] > l->samples) {
            continue;
        }
        data_loader_config config = data_loader_defaults();
        config.batch = noise_batch[k];
        config.shuffle = true;
        config.drop_last = true;
        loader = data_loader_new(data_set_share(l->train), config, &rng);
        double sum = 0;
        int draws = 0;
        while (draws < NOISE_DRAWS && data_loader_next(loader, &batch)) {
            ag_begin(&step);
            forget_gradient(parameters);
            ag_backward(ag_cross_entropy(nn_forward(net, batch.x), batch.y));
            read_gradient(parameters, one);
            for (int64_t i = 0; i < weights; i++) {
                sum += (one[i] - all[i]) * (one[i] - all[i]);
            }
            draws++;
        }
        noise[k] = sqrt(sum / draws / length);
        data_loader_free(loader);
    }
    ag_end(&step);
    free(all);
    free(one);
    ag_list_free(parameters);
    nn_free(net);
    if (!good) {
        fprintf(stderr, "%s: out of memory\n", l->options->program);
    }
    return good && ag_exit_status() == 0;
}

bool noise_lesson(struct lesson *l)
{
    double noise[NOISE_SIZES], sizes[NOISE_SIZES], expected[NOISE_SIZES];
    if (!measure_noise(l, noise)) {
        return false;
    }
    printf("\n2. How far the gradient of a batch is from that of all digits, in lengths of the "
           "latter, at the first weights\n\n"
           "  digits in the batch   distance   distance x root of the size\n");
    int measured = 0;
    for (int k = 0; k < NOISE_SIZES && !isnan(noise[k]); k++, measured++) {
        sizes[k] = (double)noise_batch[k];
        expected[k] = noise[0] / sqrt(sizes[k]);
        printf("  %19lld   %8.3f   %8.2f\n", (long long)noise_batch[k], noise[k],
               noise[k] * sqrt(sizes[k]));
    }
    printf("\nThe last column hardly changes: four times the digits, and the work, halve the "
           "noise.\n");
    json_object_set_new(l->record, "noise_batch", record_counts(measured, noise_batch));
    json_object_set_new(l->record, "noise", record_numbers(measured, noise));

    struct plot *p = plot_new("How noisy is the gradient of a batch?");
    struct plot_panel *panel = plot_panel(p, "distance from the gradient of all digits",
                                          "digits in the batch", "relative distance");
    panel->x.log = panel->y.log = true;
    struct plot_series *line = plot_line(panel, "measured", measured, sizes, noise);
    line->points = true;
    line = plot_line(panel, "1 / root of the size", measured, sizes, expected);
    line->dashed = true;
    bool good = plot_save(&l->out, p, "noise");
    plot_free(p);
    return good;
}
