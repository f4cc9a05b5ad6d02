/*
 * Why the digits are shuffled, and how many of them should make a batch.
 *
 * Three experiments with one small network, each a file under shuffling/:
 *
 *     order.c      1. digits in sorted order against shuffled
 *     noise.c      2. how noisy the gradient of a batch is
 *     batch.c      3. batches of 1 to all, over steps, over epochs and over time
 */
#include <stdio.h>
#include <stdlib.h>

#include "shuffling/shuffling.h"

#include "common/digits.h"
#include "common/files.h"
#include "common/report.h"
#include "common/saving.h"

enum { HIDDEN = 64 };

nn_module *new_network(const struct options *o)
{
    ag_rng rng = ag_rng_seed((uint64_t)o->seed);
    nn_module *net = nn_sequential(nn_flatten(), nn_linear(DIGIT_PIXELS, HIDDEN), nn_relu(),
                                   nn_linear(HIDDEN, DIGIT_CLASSES));
    nn_init(net, &rng);
    return net;
}

optim *new_optimizer(const struct options *o, nn_module *net)
{
    optim_sgd_config sgd = optim_sgd_defaults();
    sgd.lr = o->lr;
    return optim_sgd(nn_parameters(net), sgd);
}

double train_step(ag_scope *step, nn_module *net, optim *opt, const data_batch *batch)
{
    ag_begin(step);
    ag_tensor loss = ag_cross_entropy(nn_forward(net, batch->x), batch->y);
    optim_zero_grad(opt);
    ag_backward(loss);
    optim_step(opt);
    return ag_item(loss);
}

void look(const struct lesson *l, nn_module *net, struct evaluation *result)
{
    data_loader *validation = evaluate_loader(data_set_share(l->validation));
    evaluate(net, validation, result);
    data_loader_free(validation);
}

int main(int argc, char **argv)
{
    struct options options = {
        .program = "shuffling",
        .purpose = "Shows why digits are shuffled, and what the size of a batch does, over steps, "
                   "epochs and time.",
        .accepts = OPTION_SEED | OPTION_THREADS | OPTION_EPOCHS | OPTION_BATCH | OPTION_LR |
                   OPTION_DATA | OPTION_JSON | OPTION_PICTURES | OPTION_SAVE,
        .epochs = 3,
        .lr = 0.05,
        .validation = 0.2,
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
    ag_rng rng = ag_rng_seed((uint64_t)options.seed);
    struct digits digits;
    if (!digits_open(&digits, &options, &rng)) {
        return EXIT_FAILURE;
    }
    struct lesson lesson = {
        .options = &options,
        .train = digits.train,
        .validation = digits.validation,
        .samples = data_set_size(digits.train),
        .out = { .program = options.program, .folder = options.pictures, .svg = options.svg },
        .record = record_begin(&options)
    };
    status = EXIT_FAILURE;
    if (order_lesson(&lesson) && noise_lesson(&lesson) && batch_lesson(&lesson)) {
        status = record_write(&options, json_incref(lesson.record)) ? EXIT_SUCCESS : EXIT_FAILURE;
    } else {
        status = saving_exit_status(false);
    }
    json_decref(lesson.record);
    digits_close(&digits);
    return output_standard_flush(options.program) ? status : EXIT_FAILURE;
}
