/*
 * A variational autoencoder: a network that learns to write digits by reading them.
 *
 * The encoder says of each picture where in a small space of numbers it belongs, and how sure it is: a normal distribution. A
 * point is drawn from it, and the decoder must paint the picture again from that point alone. A second term of the loss, the
 * divergence, pulls all those distributions towards N(0, 1), so that in the end any point drawn from N(0, 1) decodes to a digit.
 * Drawing is part of the graph: z = mean + deviation · noise, and gradients flow through mean and deviation. Each part is a file
 * under vae/:
 *
 *     network.c       encoder, draw and decoder, and the two terms of the loss
 *     train.c         the training loop
 *     cut.c           what happens when the draw is no part of the graph
 *     pictures.c      the latent space from several sides
 *
 * Kingma & Welling 2014; beta: Higgins et al. 2017
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "vae/vae.h"

#include "common/evaluate.h"
#include "common/critique.h"
#include "common/files.h"
#include "common/generative.h"
#include "common/report.h"
#include "common/saving.h"

enum { EPOCHS_OF_SMALL_SETS = 30, EPOCHS_OF_LARGE_SETS = 10 };

static const char *const nets[] = { "dense", "conv", NULL };

/* What the options say that only this program has. */
static struct {
    bool clothes;
    const char *pngs; /* a folder; NULL: none */
    int64_t from, to;
    const char *samples; /* NULL: none are written */
    int64_t count;
    int64_t judged; /* -1: the default */
} own = { .from = -1, .to = -1, .count = 10000, .judged = -1 };

static const struct own_option own_options[] = {
    { .name = "clothes", .kind = OWN_SWITCH, .value = &own.clothes, .same = true,
      .help = "Fashion-MNIST in place of digits: --data names its folder\n(default: the sample that comes with the source)" },
    { .name = "from", .argument = "I", .kind = OWN_WHOLE, .value = &own.from, .low = 0, .high = 1e9,
      .help = "go from test picture I, the first is 0, …" },
    { .name = "to", .argument = "J", .kind = OWN_WHOLE, .value = &own.to, .low = 0, .high = 1e9,
      .help = "… to test picture J (default: five pairs)" },
    { .name = "pngs", .argument = "DIR", .kind = OWN_TEXT, .value = &own.pngs, .same = true, .help = DIGITS_PNGS_HELP },
    { .name = "samples", .argument = "FILE", .kind = OWN_TEXT, .value = &own.samples,
      .help = "write pictures decoded from N(0, 1) as a .npy file:\nbytes (n,28,28), 0 paper, 255 ink" },
    { .name = "n", .argument = "N", .kind = OWN_WHOLE, .value = &own.count, .low = 1, .high = 1000000,
      .help = "how many --samples (default @)" },
    { .name = "judge", .argument = "N", .kind = OWN_WHOLE, .value = &own.judged, .low = 0, .high = 100000,
      .help = "how many are judged by number, as judge_pictures does:\nnone, or two and more (default 1000; 0 with --pngs)" },
    { 0 },
};

struct maker {
    struct vae *vae;
    const struct options *o;
};

static ag_tensor make(void *user, int64_t first, int64_t n)
{
    const struct maker *m = user;
    return vae_samples(m->vae, m->o, first, n);
}

static bool write_samples(struct vae *vae, const struct options *o, data_set *pictures, data_set *test, json_t *record)
{
    struct maker m = { vae, o };
    nn_eval(&vae->base);
    bool good = (own.samples == NULL || generative_write(o, own.samples, own.count, make, &m)) &&
                critique_made_up(o, pictures, test, own.judged, make, &m, record);
    nn_train(&vae->base);
    return good;
}

static void results(struct vae *vae, const struct course *c, json_t *record)
{
    int64_t last = c->epochs - 1;
    printf("\ntest loss %.2f nats a picture: reconstruction %.2f, divergence %.2f (what the divergence costs is what the\n"
           "latent vector carries: %.1f bits); weights %016llx\n",
           c->test_reconstruction[last] + c->test_divergence[last], c->test_reconstruction[last], c->test_divergence[last],
           c->test_divergence[last] / log(2), (unsigned long long)nn_hash(&vae->base));
    json_object_set_new(record, "reconstruction", record_numbers(c->epochs, c->reconstruction));
    json_object_set_new(record, "divergence", record_numbers(c->epochs, c->divergence));
    json_object_set_new(record, "test_reconstruction", record_numbers(c->epochs, c->test_reconstruction));
    json_object_set_new(record, "test_divergence", record_numbers(c->epochs, c->test_divergence));
    json_object_set_new(record, "weights_hash", record_hash(nn_hash(&vae->base)));
}

/* The two pictures that --from and --to name must be there. */
static bool ends_possible(const struct options *o, const struct digits *digits, const data_set *test)
{
    int64_t n = data_set_size(test), worst = own.from > own.to ? own.from : own.to;
    if (worst < n) {
        return true;
    }
    fprintf(stderr, "%s: --%s %lld: the test files in %s hold %lld pictures, from 0 to %lld\n", o->program,
            own.from > own.to ? "from" : "to", (long long)worst, digits->folder, (long long)n, (long long)n - 1);
    return false;
}

static bool run(const struct options *o)
{
    ag_rng rng = ag_rng_seed((uint64_t)o->seed);
    struct digits digits;
    struct generative_source source = { .clothes = own.clothes, .pngs = own.pngs, .to_order = false };
    if (!generative_open(&digits, o, source, &rng)) {
        return false;
    }
    data_set *test_pictures = digits_test(&digits), *pictures = digits_take(&digits.train);
    if (test_pictures == NULL || !ends_possible(o, &digits, test_pictures)) {
        data_set_free(test_pictures);
        data_set_free(pictures);
        digits_close(&digits);
        return false;
    }
    data_loader_config batches = data_loader_defaults();
    batches.batch = o->batch;
    batches.shuffle = true;
    data_loader *loader = data_loader_new(data_set_share(pictures), batches, &rng);
    data_loader *test = evaluate_loader(data_set_share(test_pictures));
    struct vae *vae = vae_new(o);
    nn_init(&vae->base, &rng);
    static struct course course;
    struct plot_output out = { .program = o->program, .folder = o->pictures, .svg = o->svg };
    json_t *record = record_begin(o);
    int64_t samples = data_loader_samples(loader);
    const char *what = own.clothes ? "clothes" : own.pngs != NULL ? "pictures" : "digits";
    int epochs = o->epochs > 0 ? o->epochs : samples < 20000 ? EPOCHS_OF_SMALL_SETS : EPOCHS_OF_LARGE_SETS;
    printf("%s: %lld %s from %s; %s network, %lld parameters, %lld latent numbers\n"
           "%d epochs, batches of %lld, Adam with rate %g, beta %g, seed %lld, %d threads\n\n",
           o->program, (long long)samples, what, digits.folder, nets[o->net],
           (long long)nn_count_parameters(&vae->base, false), (long long)o->latent, epochs, (long long)o->batch, o->lr, o->beta,
           (long long)o->seed, ag_threads());
    bool good = vae_train(vae, o, o->from_saved ? 0 : epochs, loader, test, &rng, &course, &out) &&
                generative_has_learned(o, course.epochs);
    if (good && course.epochs > 0) {
        struct wishes wishes = { .clothes = own.clothes, .pngs = own.pngs != NULL, .from = own.from, .to = own.to };
        results(vae, &course, record);
        good = (o->from_saved || cut_lesson(o, pictures, test, record)) &&
               draw_all(vae, o, wishes, &course, test_pictures, &out) && write_samples(vae, o, pictures, test_pictures, record);
    }
    good = record_write(o, record) && good;
    nn_free(&vae->base);
    data_loader_free(test);
    data_loader_free(loader);
    data_set_free(test_pictures);
    data_set_free(pictures);
    digits_close(&digits);
    return good && ag_exit_status() == 0;
}

int main(int argc, char **argv)
{
    struct options options = {
        .program = "vae",
        .purpose = "Trains a variational autoencoder on handwritten digits, or on whatever else has MNIST's format, and lets it\n"
                   "write digits of its own. With --latent 2 the whole latent plane can be seen.",
        .accepts = OPTION_SEED | OPTION_THREADS | OPTION_EPOCHS | OPTION_BATCH | OPTION_LR | OPTION_DATA | OPTION_JSON |
                   OPTION_PICTURES | OPTION_SAVE | OPTION_NET | OPTION_LATENT | OPTION_BETA | OPTION_FROM_SAVED,
        .batch = 128,
        .usual_epochs = "10;\n30 when there are fewer than 20000 pictures to train on",
        .nets = nets,
        .own = own_options,
    };
    int status = options_parse(&options, argc, argv);
    if (status >= 0) {
        return status;
    }
    own.judged = own.judged >= 0 ? own.judged : own.pngs != NULL ? 0 : 1000;
    options.validation = 0;
    if (options.threads > 0) {
        ag_set_threads(options.threads);
    }
    if (options.epochs > EPOCHS_MAX) {
        fprintf(stderr, "%s: --epochs must be at most %d (see --help)\n", options.program, EPOCHS_MAX);
        return 2;
    }
    if (!generative_judging_possible(&options, own.judged)) {
        return 2;
    }
    if (own.clothes && own.pngs != NULL) {
        fprintf(stderr, "%s: --pngs names the pictures, and --clothes others: one of them (see --help)\n", options.program);
        return 2;
    }
    if ((own.from < 0) != (own.to < 0)) {
        fprintf(stderr, "%s: --from and --to name the two ends together (see --help)\n", options.program);
        return 2;
    }
    if (!report_possible(&options) || !generative_possible(&options, own.samples)) {
        return EXIT_FAILURE;
    }
    return saving_exit_status(run(&options));
}
