/*
 * A judge of pictures: a small classifier by whose features made-up pictures are compared with real ones (judge_pictures).
 *
 * A judge must not be fooled by where a digit stands or how it leans, so that each picture is shifted and turned a little, anew in
 * every epoch; and the rate falls in a line to zero, so that the last steps settle. The weights go to a safetensors file with the
 * accuracy on the test pictures beside them.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "autograd/autograd.h"
#include "data/data.h"
#include "nn/nn.h"
#include "optim/optim.h"

#include "common/critic.h"
#include "common/digits.h"
#include "common/evaluate.h"
#include "common/files.h"
#include "common/options.h"
#include "common/progress.h"
#include "common/record.h"
#include "common/report.h"
#include "common/saving.h"

enum { SHIFT = 2, TURN = 10, EPOCHS = 12 };

static const char *weights = "judge.safetensors", *pngs;
static bool upright;

static const struct own_option own[] = {
    { .name = "weights", .argument = "FILE", .help = "where the weights go, a safetensors file (default @)", .kind = OWN_TEXT,
      .value = &weights },
    { .name = "upright", .help = "pictures are shifted, but not turned", .kind = OWN_SWITCH, .value = &upright, .same = true },
    { .name = "pngs", .argument = "DIR", .kind = OWN_TEXT, .value = &pngs, .same = true, .help = DIGITS_PNGS_HELP },
    { .name = NULL },
};

/* The pictures, each a little elsewhere whenever it is read. Takes the set. */
static data_set *moved(data_set *pictures, ag_rng *rng)
{
    data_transform *shift = data_random_shift(SHIFT, SHIFT, 0, rng), *turn = data_random_rotation(-TURN, TURN, 0, rng);
    data_transform *both = data_compose(2, (data_transform *[]){ shift, turn });
    data_set *set = data_transform_x(pictures, upright ? shift : both);
    data_transform_free(both);
    data_transform_free(turn);
    data_transform_free(shift);
    data_set_free(pictures);
    return set;
}

static bool train(const struct options *o, nn_module *net, data_loader *pictures, ag_rng *rng)
{
    int64_t steps = (int64_t)o->epochs * data_loader_batches(pictures), step = 0;
    nn_init(net, rng);
    optim_adam_config adam = optim_adam_defaults();
    adam.lr = o->lr;
    optim *opt = optim_adam(nn_parameters(net), adam);
    struct progress progress;
    progress_clear(&progress);
    struct saving saving;
    bool good = saving_begin(&saving, o);
    saving_add(&saving, "model", nn_stateful(net));
    saving_add(&saving, "optimizer", optim_stateful(opt));
    saving_add(&saving, "pictures", data_loader_stateful(pictures));
    saving_add(&saving, "step", ag_stateful_int64(&step));
    saving_add(&saving, "progress", progress_stateful(&progress));
    good = good && saving_resume(&saving);

    ag_scope scope = { 0 };
    while (good && step < steps) {
        int epoch = (int)(step / data_loader_batches(pictures)) + 1;
        progress_begin(&progress, epoch, o->epochs, data_loader_samples(pictures));
        data_batch batch;
        data_loader_rewind(pictures);
        while (good && data_loader_next(pictures, &batch)) {
            optim_set_lr(opt, 0, o->lr * (1 - (double)step / (double)steps));
            ag_begin(&scope);
            ag_tensor scores = nn_forward(net, batch.x);
            ag_tensor loss = ag_cross_entropy(scores, batch.y);
            optim_zero_grad(opt);
            ag_backward(loss);
            optim_step(opt);
            step++;
            double loss_now = ag_item(loss);
            progress_add(&progress, batch.n, loss_now, (int64_t)ag_item(ag_sum(ag_eq(ag_argmax(scores, 1, false), batch.y))));
            if (!isfinite(loss_now)) {
                progress_end(&progress);
                report_not_finite(o, loss_now, epoch, batch.index + 1);
                good = false;
            }
            good = good && !saving_step(&saving);
        }
        ag_end(&scope);
        progress_end(&progress);
        good = good && ag_exit_status() == 0;
        if (good) {
            printf("epoch %2d  loss %.4f  right %.2f %%  %.1f s\n", epoch, progress_loss(&progress),
                   100 * progress_accuracy(&progress), progress_seconds(&progress));
            fflush(stdout);
            good = !saving_epoch(&saving);
        }
    }
    ag_end(&scope);
    saving_end(&saving);
    optim_free(opt);
    return good && ag_exit_status() == 0;
}

static bool write_weights(const struct options *o, nn_module *net, const struct evaluation *e)
{
    char text[64];
    snprintf(text, sizeof text, "%lld of %lld", (long long)e->right, (long long)e->samples);
    ag_list *state = nn_state(net);
    data_tensors_writer *file = data_tensors_writer_new();
    data_tensors_writer_add_list(file, "", state);
    data_tensors_writer_text(file, "made_by", o->program);
    data_tensors_writer_text(file, "test_pictures_right", text);
    bool good = data_tensors_writer_save(file, weights) == AG_OK;
    data_tensors_writer_free(file);
    ag_list_free(state);
    if (good) {
        printf("the weights are in %s\n", weights);
    }
    return good;
}

static bool run(const struct options *o)
{
    ag_rng rng = ag_rng_seed((uint64_t)o->seed);
    struct digits digits;
    if (!digits_open_pngs(&digits, o, pngs, &rng)) {
        return false;
    }
    if (data_set_classes(digits.train) < 2) {
        fprintf(stderr, "%s: %s: a judge tells classes apart: there must be a folder for each of two or more\n", o->program,
                digits.folder);
        digits_close(&digits);
        return false;
    }
    data_loader_config batches = data_loader_defaults();
    batches.batch = o->batch;
    batches.shuffle = true;
    data_loader *pictures = data_loader_new(moved(digits_take(&digits.train), &rng), batches, &rng);
    nn_module *net = critic_new();
    printf("%s: %lld parameters, %lld pictures from %s\n%d epochs, batches of %lld, Adam with rate %g, seed %lld, %d threads\n\n",
           o->program, (long long)nn_count_parameters(net, false), (long long)data_loader_samples(pictures), digits.folder,
           o->epochs, (long long)o->batch, o->lr, (long long)o->seed, ag_threads());
    bool good = ag_exit_status() == 0 && train(o, net, pictures, &rng);
    data_set *test = good ? digits_test(&digits) : NULL;
    good = test != NULL;
    if (good) {
        static struct evaluation evaluation;
        data_loader *loader = evaluate_loader(test);
        evaluate(net, loader, &evaluation);
        data_loader_free(loader);
        printf("\ntest accuracy %.2f %% (%lld of %lld), loss %.4f; weights %016llx\n", 100 * evaluation.accuracy,
               (long long)evaluation.right, (long long)evaluation.samples, evaluation.loss, (unsigned long long)nn_hash(net));
        json_t *record = record_begin(o);
        json_object_set_new(record, "test_accuracy", record_number(evaluation.accuracy));
        json_object_set_new(record, "test_loss", record_number(evaluation.loss));
        json_object_set_new(record, "weights_hash", record_hash(nn_hash(net)));
        good = ag_exit_status() == 0 && write_weights(o, net, &evaluation);
        good = good ? record_write(o, record) : (json_decref(record), false);
    }
    nn_free(net);
    data_loader_free(pictures);
    digits_close(&digits);
    return good && ag_exit_status() == 0;
}

int main(int argc, char **argv)
{
    struct options options = {
        .program = "train_judge",
        .purpose = "Trains the small network by whose features judge_pictures compares pictures.",
        .accepts = OPTION_SEED | OPTION_THREADS | OPTION_EPOCHS | OPTION_BATCH | OPTION_LR | OPTION_DATA | OPTION_JSON |
                   OPTION_SAVE,
        .own = own,
        .epochs = EPOCHS,
    };
    int status = options_parse(&options, argc, argv);
    if (status >= 0) {
        return status;
    }
    options.validation = 0;
    if (options.threads > 0) {
        ag_set_threads(options.threads);
    }
    if (!report_possible(&options) || !output_file_possible(options.program, "weights", weights)) {
        return EXIT_FAILURE;
    }
    return saving_exit_status(run(&options));
}
