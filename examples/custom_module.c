/*
 * A module of the program's own: a residual block, and a network of such blocks that learns to read
 * digits.
 *
 * A module is a struct with nn_module first. It says once what it owns (visit) and how its output
 * comes about (forward); names, initialisation, counting, cloning, train and eval mode follow from
 * that.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "autograd/autograd.h"
#include "data/data.h"
#include "nn/nn.h"
#include "optim/optim.h"

#include "common/digits.h"
#include "common/evaluate.h"
#include "common/files.h"
#include "common/options.h"
#include "common/saving.h"

/* ---- y = x + scale * second(relu(first(x)))        x, y (N, width)    scale (width)
 * With scale 0 the block begins as the identity, so that a deep stack of them trains from the first
 * step on. The two layers are children, the scale is a parameter of the block itself. */

struct residual {
    nn_module base;
    int64_t width;
    nn_module *first, *second;
    ag_tensor scale;
};

static void start_at_zero(ag_tensor w, ag_rng *rng, const nn_module *owner)
{
    (void)rng;
    (void)owner;
    nn_init_zeros(w);
}

static void residual_visit(nn_module *m, nn_visitor *v)
{
    struct residual *self = (struct residual *)m;
    nn_visit_child(v, "first", &self->first);
    nn_visit_child(v, "second", &self->second);
    nn_visit_parameter(v, "scale", &self->scale, AG_SHAPE(self->width), start_at_zero);
}

static ag_tensor residual_forward(nn_module *m, ag_tensor x)
{
    struct residual *self = (struct residual *)m;
    ag_tensor correction = nn_forward(self->second, ag_relu(nn_forward(self->first, x)));
    return ag_add(x, ag_mul(self->scale, correction));
}

static void residual_describe(const nn_module *m, char *text, size_t bytes)
{
    const struct residual *self = (const struct residual *)m;
    snprintf(text, bytes, "width=%lld", (long long)self->width);
}

static const nn_module_type residual_type = {
    .size = sizeof(nn_module_type),
    .name = "Residual",
    .instance_size = sizeof(struct residual),
    .visit = residual_visit,
    .forward = residual_forward,
    .describe = residual_describe,
};

static nn_module *residual(int64_t width)
{
    nn_module *m = nn_module_new(&residual_type);
    struct residual *self = (struct residual *)m;
    self->width = width;
    self->first = nn_linear(width, width);
    self->second = nn_linear(width, width);
    return m;
}

/* ---- training it ----------------------------------------------------------------------------- */

static int train_and_test(const struct options *options)
{
    ag_rng rng = ag_rng_seed((uint64_t)options->seed);
    struct digits digits;
    if (!digits_open(&digits, options, &rng)) {
        return EXIT_FAILURE;
    }
    data_loader_config batches = data_loader_defaults();
    batches.batch = options->batch;
    batches.shuffle = true;
    data_loader *train = data_loader_new(digits_take(&digits.train), batches, &rng);

    /* A module of one's own stands wherever the library's do. */
    nn_module *net = nn_sequential(nn_flatten(), nn_linear(DIGIT_PIXELS, 128), residual(128),
                                   residual(128), residual(128), nn_linear(128, DIGIT_CLASSES));
    nn_init(net, &rng);
    nn_summary(net, AG_SHAPE(1, 1, 28, 28), stdout);

    ag_list *parameters = nn_parameters(net);
    printf("\nIts parameters:\n");
    for (int64_t i = 0; i < ag_list_count(parameters); i++) {
        char shape[AG_SHAPE_TEXT];
        printf("  %-18s %s\n", ag_list_name(parameters, i),
               ag_shape_format(ag_shape_of(ag_list_tensor(parameters, i)), shape, sizeof shape));
    }
    printf("\n");
    optim_adam_config adam = optim_adam_defaults();
    adam.lr = options->lr;
    optim *opt = optim_adam(parameters, adam);

    ag_scope scope = { 0 };
    data_batch batch;
    int status = EXIT_FAILURE;
    int64_t done = 0; /* steps */
    struct saving saving;
    if (!saving_begin(&saving, options)) {
        goto cleanup;
    }
    saving_add(&saving, "model", nn_stateful(net));
    saving_add(&saving, "optimizer", optim_stateful(opt));
    saving_add(&saving, "digits", data_loader_stateful(train));
    saving_add(&saving, "done", ag_stateful_int64(&done));
    if (!saving_resume(&saving)) {
        goto cleanup;
    }
    while (done < options->steps) {
        if (!data_loader_next(train, &batch)) { /* the epoch is over: begin the next */
            data_loader_rewind(train);
            if (!data_loader_next(train, &batch)) {
                break;
            }
        }
        ag_begin(&scope);
        ag_tensor loss = ag_cross_entropy(nn_forward(net, batch.x), batch.y);
        optim_zero_grad(opt);
        ag_backward(loss);
        optim_step(opt);
        done++;
        if (done == 1 || done % 100 == 0 || done == options->steps) {
            printf("step %4lld  loss %.4f\n", (long long)done, ag_item(loss));
        }
        if (saving_step(&saving)) {
            status = saving_exit_status(false);
            goto cleanup;
        }
    }
    ag_end(&scope);
    if (saving_epoch(&saving)) { /* the end, so that a longer run can go on from here */
        status = saving_exit_status(false);
        goto cleanup;
    }
    saving_end(&saving);

    data_set *test_digits = digits_test(&digits);
    if (test_digits != NULL) {
        struct evaluation evaluation;
        data_loader *test = evaluate_loader(test_digits);
        evaluate(net, test, &evaluation);
        data_loader_free(test);
        printf("\ntest accuracy %.2f %% (%lld of %lld digits)\n", 100 * evaluation.accuracy,
               (long long)evaluation.right, (long long)evaluation.samples);
        printf("weights hash  %016" PRIx64 "\n", nn_hash(net));
        status = ag_exit_status();
    }

cleanup:
    ag_end(&scope);
    saving_end(&saving);
    optim_free(opt);
    nn_free(net);
    data_loader_free(train);
    digits_close(&digits);
    return status;
}

int main(int argc, char **argv)
{
    struct options options = {
        .program = "custom_module",
        .purpose = "Trains a network of user-written residual blocks to read handwritten digits.",
        .accepts = OPTION_SEED | OPTION_THREADS | OPTION_STEPS | OPTION_BATCH | OPTION_LR |
                   OPTION_DATA | OPTION_SAVE
    };
    int status = options_parse(&options, argc, argv);
    if (status >= 0) {
        return status;
    }
    if (options.threads > 0) {
        ag_set_threads(options.threads);
    }
    status = train_and_test(&options);
    return output_standard_flush(options.program) ? status : EXIT_FAILURE;
}
