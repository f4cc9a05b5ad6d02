/*
 * The smallest complete program: a 2-8-1 network learns the exclusive or.
 *
 * It prints the tape of its first step, the list of everything that was computed, and, with --dot
 * FILE, draws it; --html FILE makes a page that plays forward and backward in a browser.
 */
#include <stdio.h>
#include <stdlib.h>

#include "autograd/autograd.h"
#include "nn/nn.h"
#include "optim/optim.h"

#include "common/files.h"
#include "common/options.h"
#include "common/saving.h"

static const float inputs[4][2] = { { 0, 0 }, { 0, 1 }, { 1, 0 }, { 1, 1 } };
static const float targets[4][1] = { { 0 }, { 1 }, { 1 }, { 0 } };

/* Writes the recorded step as a Graphviz drawing. */
static bool draw_tape(const struct options *options, ag_tensor loss)
{
    struct output_file file;
    if (!output_file_open(&file, options->program, options->dot)) {
        return false;
    }
    bool drawn = ag_tape_dot(file.stream, loss) == AG_OK;
    if (!output_file_close(&file, options->program, drawn)) {
        return false;
    }
    printf("\nwrote %s: render it with  dot -Tsvg %s -o xor.svg\n", options->dot, options->dot);
    return true;
}

int main(int argc, char **argv)
{
    struct options options = {
        .program = "xor",
        .purpose =
            "Trains a 2-8-1 network on the exclusive or and shows the tape of its first step.",
        .accepts = OPTION_SEED | OPTION_STEPS | OPTION_DOT | OPTION_HTML | OPTION_SAVE
    };
    int status = options_parse(&options, argc, argv);
    if (status >= 0) {
        return status;
    }
    status = EXIT_SUCCESS;

    ag_rng rng = ag_rng_seed((uint64_t)options.seed);
    nn_module *net = nn_sequential(nn_linear(2, 8), nn_tanh(), nn_linear(8, 1));
    nn_init(net, &rng);
    optim_sgd_config sgd = optim_sgd_defaults();
    sgd.lr = 0.05;
    sgd.momentum = 0.9;
    optim *opt = optim_sgd(nn_parameters(net), sgd);

    ag_scope scope = { 0 };
    int64_t step = 0; /* the last one that was done */
    struct saving saving;
    if (!saving_begin(&saving, &options)) {
        status = EXIT_FAILURE;
        goto cleanup;
    }
    saving_add(&saving, "model", nn_stateful(net));
    saving_add(&saving, "optimizer", optim_stateful(opt));
    saving_add(&saving, "step", ag_stateful_int64(&step));
    if (!saving_resume(&saving)) {
        status = EXIT_FAILURE;
        goto cleanup;
    }
    while (step < options.steps) {
        step++;
        ag_begin(&scope);
        ag_retain_tape(step == 1 && options.html != NULL); /* the page shows all values */
        ag_tensor x = ag_set_name(ag_from(AG_SHAPE(4, 2), AG_FLOAT32, inputs), "x");
        ag_tensor y = ag_set_name(ag_from(AG_SHAPE(4, 1), AG_FLOAT32, targets), "y");
        ag_tensor loss = ag_mse_loss(nn_forward(net, x), y);
        if (step == 1) {
            printf("The tape of the first step, before backward:\n\n");
            ag_tape_print(stdout);
            if (options.dot != NULL && !draw_tape(&options, loss)) {
                status = EXIT_FAILURE;
                goto cleanup;
            }
            if (options.html != NULL) {
                if (ag_tape_html(options.html, loss) != AG_OK) {
                    status = EXIT_FAILURE;
                    goto cleanup;
                }
                printf("\nwrote %s: open it in a browser\n", options.html);
            }
            printf("\n");
        }
        optim_zero_grad(opt);
        ag_backward(loss);
        optim_step(opt);
        if (step == 1 || step % 100 == 0 || step == options.steps) {
            printf("step %5lld  loss %.2e\n", (long long)step, ag_item(loss));
        }
        if (saving_step(&saving)) {
            status = saving_exit_status(false);
            goto cleanup;
        }
    }
    if (saving_epoch(&saving)) { /* the end, so that a longer run can go on from here */
        status = saving_exit_status(false);
        goto cleanup;
    }

    ag_begin_no_grad(&scope);
    float answers[4];
    ag_read(nn_forward(net, ag_from(AG_SHAPE(4, 2), AG_FLOAT32, inputs)), answers, 4);
    printf("\n");
    for (int i = 0; i < 4; i++) {
        printf("%g xor %g = %6.3f\n", (double)inputs[i][0], (double)inputs[i][1],
               (double)answers[i]);
    }

cleanup:
    ag_end(&scope);
    saving_end(&saving);
    optim_free(opt);
    nn_free(net);
    return output_standard_flush(options.program) ? status : EXIT_FAILURE;
}
