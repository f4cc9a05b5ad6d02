/*
 * Two networks that train each other: a generator makes pictures out of random numbers, and a discriminator is shown pictures and
 * says which are real.
 *
 * In each step the discriminator learns first, from real digits and from the generator's, which are detached: that lesson is not
 * the generator's. Then the generator learns, and never from a real digit: its pictures go through the discriminator, and the
 * gradient that comes back says how they would have to change to be taken for real. Each part is a file under gan/:
 *
 *     networks.c      the two players
 *     losses.c        what each of them wants
 *     step.c          one step of both
 *     watch.c         how the game goes, and what is going wrong
 *     pictures.c      the pictures of the same random numbers, again and again
 *
 * Goodfellow et al. 2014; Radford, Metz & Chintala 2016
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "gan/gan.h"

#include "common/critique.h"
#include "common/files.h"
#include "common/generative.h"
#include "common/options.h"
#include "common/progress.h"
#include "common/record.h"
#include "common/report.h"
#include "common/saving.h"

/* An epoch of the sample of digits takes a DCGAN five seconds. In a small set it is few steps, and about 1000 are needed. */
enum { EPOCHS_DCGAN = 20, EPOCHS_OF_SMALL_SETS = 36, EPOCHS_OF_LARGE_SETS = 10, EPOCHS_MLP = 60, EPOCHS_TOO_STRONG = 6 };
enum { COMPARED = 4000, SMALL = 5000, LARGE = 20000 };

static const char *const nets[] = { "dcgan", "mlp", NULL };
static const char *const losses[] = { "non-saturating", "least-squares", "hinge", "wasserstein", NULL };

/* What the options say that only this program has. */
static struct {
    bool clothes, spectral;
    const char *pngs; /* a folder; NULL: none */
    const char *samples; /* NULL: none are written */
    int64_t count;
    int64_t judged; /* -1: the default */
} own = { .count = 10000, .judged = -1 };

static const struct own_option own_options[] = {
    { .name = "clothes", .kind = OWN_SWITCH, .value = &own.clothes, .same = true,
      .help = "Fashion-MNIST in place of digits: --data names its folder\n(default: the sample that comes with the source)" },
    { .name = "pngs", .argument = "DIR", .kind = OWN_TEXT, .value = &own.pngs, .same = true, .help = DIGITS_PNGS_HELP },
    { .name = "spectral", .kind = OWN_SWITCH, .value = &own.spectral, .same = true,
      .help = "spectral normalisation in the discriminator, in place of\nbatch normalisation" },
    { .name = "samples", .argument = "FILE", .kind = OWN_TEXT, .value = &own.samples,
      .help = "write pictures that the generator makes as a .npy file:\nbytes (n,28,28), 0 paper, 255 ink" },
    { .name = "n", .argument = "N", .kind = OWN_WHOLE, .value = &own.count, .low = 1, .high = 1000000,
      .help = "how many --samples (default @)" },
    { .name = "judge", .argument = "N", .kind = OWN_WHOLE, .value = &own.judged, .low = 0, .high = 100000,
      .help = "how many are judged by number, as judge_pictures does:\nnone, or two and more (default 1000; 0 with --pngs)" },
    { 0 },
};

/* What the pictures are, in a word. */
static const char *what_it_is(void)
{
    return own.clothes ? "clothes" : own.pngs != NULL ? "pictures" : "digits";
}

/* ---- training ------------------------------------------------------------------------------------------------------------ */

/* All that a run has. */
struct run {
    const struct options *o;
    struct game game;
    struct course course;
    struct looks looks;
    struct nearest real; /* to see what the pictures look like */
    ag_rng rng;          /* of noise */
};

static ag_tensor to_tanh(ag_tensor x)
{
    return ag_add_scalar(ag_mul_scalar(x, 2), -1); /* 0..1 -> -1..1 */
}

/* One pass over the digits. False if a loss is no number, after an error, and if the run was stopped. */
static bool train_epoch(struct run *run, data_loader *digits, struct saving *saving)
{
    struct game *game = &run->game;
    struct course *course = &run->course;
    ag_scope step = { 0 };
    data_batch batch;
    bool good = true;
    data_loader_rewind(digits);
    while (good && data_loader_next(digits, &batch)) {
        ag_begin(&step);
        double measured[MEASURES];
        ag_tensor real = to_tanh(batch.x);
        ag_tensor noise = ag_normal(AG_SHAPE(batch.n, game->latent), 0, 1, AG_FLOAT32, &run->rng);
        ag_tensor share = game->loss == WASSERSTEIN ? ag_uniform(AG_SHAPE(batch.n, 1, 1, 1), 0, 1, AG_FLOAT32, &run->rng)
                                                    : (ag_tensor){ 0 };
        bool learned = game_step(game, real, batch.y, noise, share, course->steps, measured);
        if (ag_exit_status() != 0) {
            break;
        }
        int64_t epoch = course->epochs + 1, index = batch.index + 1;
        good = learned || (generative_finite(saving, "discriminator", measured[D_LOSS], measured[D_GRADIENT], epoch, index) &&
                           generative_finite(saving, "generator", measured[G_LOSS], measured[GRADIENT], epoch, index));
        if (good && course->steps == 0) {
            course->real_variety = variety(real);
        }
        course_step(course, measured);
        good = good && !saving_step(saving);
    }
    ag_end(&step);
    return good && ag_exit_status() == 0;
}

/* What the pictures of the fixed noise look like now. */
static struct looks look(struct run *run)
{
    ag_scope scope = { 0 };
    int64_t ordered[WATCHED];
    for (int i = 0; i < WATCHED; i++) {
        ordered[i] = ordered_class(&run->game, i);
    }
    ag_begin_no_grad(&scope);
    ag_tensor pictures = shown(&run->game, (uint64_t)run->o->seed, 0, WATCHED);
    struct looks looks = looks_of(&run->real, pictures, ordered, run->course.real_variety);
    ag_end(&scope);
    return looks;
}

/* A line of the table, and what is going wrong. */
static void end_epoch(struct run *run, double seconds)
{
    struct course *c = &run->course;
    int64_t e = c->epochs++;
    for (int i = 0; i < MEASURES; i++) {
        c->value[i][e] = c->taken[i] > 0 ? c->sum[i] / c->taken[i] : NAN;
        c->sum[i] = c->taken[i] = 0;
    }
    game_settle(&run->game, (uint64_t)run->o->seed);
    run->looks = look(run);
    c->variety[e] = run->looks.variety;
    c->classes[e] = run->looks.classes;
    for (int i = 0; i < MEASURES + 2; i++) {
        c->counts[i] = c->epochs;
    }
    char text[256];
    const char *words = diagnosis(&run->game, c, &run->looks, text);
    printf("%5lld   %4.2f   %13.3f   %8.3f   %4.2f   %8.2g   %7.2f   %7d   %.1f s\n", (long long)e + 1, c->value[D_LOSS][e],
           c->value[REAL_RIGHT][e], c->value[FAKE_RIGHT][e], c->value[G_LOSS][e], c->value[GRADIENT][e], c->variety[e],
           run->looks.classes, seconds);
    if (words[0] != '\0') {
        printf("        %s\n", words);
    }
    fflush(stdout);
}

static bool add_frame(struct run *run, struct plot_animation *animation)
{
    char title[64];
    snprintf(title, sizeof title, "After %lld epoch%s", (long long)run->course.epochs, run->course.epochs == 1 ? "" : "s");
    struct plot *p = plot_shown(&run->game, run->o->program, (uint64_t)run->o->seed, title);
    bool good = p != NULL && plot_animation_add(animation, p, 1);
    plot_free(p);
    return good;
}

static bool train(struct run *run, int epochs, data_loader *digits, struct plot_output *out)
{
    struct saving saving;
    bool good = saving_begin(&saving, run->o);
    saving_add(&saving, "generator", nn_stateful(run->game.generator));
    saving_add(&saving, "discriminator", nn_stateful(run->game.discriminator));
    saving_add(&saving, "average", nn_stateful(run->game.average));
    saving_add(&saving, "learned", ag_stateful_int64(&run->game.learned));
    saving_add(&saving, "generator-optimizer", optim_stateful(run->game.g_opt));
    saving_add(&saving, "discriminator-optimizer", optim_stateful(run->game.d_opt));
    saving_add(&saving, "digits", data_loader_stateful(digits));
    saving_add(&saving, "noise", ag_stateful_rng(&run->rng));
    saving_add(&saving, "label-noise", ag_stateful_rng(&run->game.rng));
    saving_add(&saving, "course", course_stateful(&run->course));
    good = good && generative_resume(&saving);
    struct plot_animation animation = { 0 };
    bool trains = good && run->course.epochs < epochs;
    if (trains) {
        good = plot_animation_begin(&animation, out, "growing", 400);
        printf("        discriminator            generator\n"
               "epoch   loss   right on real   on false   loss   gradient   variety   classes\n");
    } else if (good) {
        run->looks = look(run);
    }
    while (good && run->course.epochs < epochs) {
        double begun = progress_clock();
        good = train_epoch(run, digits, &saving);
        if (good) {
            end_epoch(run, progress_clock() - begun);
            good = add_frame(run, &animation) && !saving_epoch(&saving);
        }
    }
    saving_end(&saving);
    bool written = animation.out == NULL || plot_animation_end(&animation, 3000);
    return good && written && ag_exit_status() == 0;
}

/* ---- results ------------------------------------------------------------------------------------------------------------- */

static ag_tensor make(void *user, int64_t first, int64_t n)
{
    struct run *run = user;
    return ag_mul_scalar(ag_add_scalar(shown(&run->game, (uint64_t)run->o->seed, first, n), 1), 0.5);
}

static bool results(struct run *run, data_set *pictures, data_set *test, struct plot_output *out, json_t *record)
{
    static const char *const keys[MEASURES] = { "d_loss", "g_loss", "real_right", "fake_right", "discriminator_gradient",
                                                "generator_gradient" };
    const struct course *c = &run->course;
    const struct options *o = run->o;
    printf("\nvariety %.2f of that of real pictures; by the real picture that is nearest, they look like", run->looks.variety);
    for (int class = 0; class < run->game.classes; class++) {
        printf("%s %s %.0f %%", class > 0 ? "," : "", generative_class(own.clothes, class), 100 * run->looks.share[class]);
    }
    if (run->game.conditional) {
        printf("\nmade to order: %.0f %% look like the class that was ordered", 100 * run->looks.as_ordered);
    }
    printf("\nweights of the generator %016llx\n", (unsigned long long)nn_hash(run->game.average));
    for (int i = 0; i < MEASURES; i++) {
        json_object_set_new(record, keys[i], record_numbers(c->epochs, c->value[i]));
    }
    json_object_set_new(record, "variety", record_numbers(c->epochs, c->variety));
    json_object_set_new(record, "classes", record_numbers(c->epochs, c->classes));
    json_object_set_new(record, "class_shares", record_numbers(DIGIT_CLASSES, run->looks.share));
    if (run->game.conditional) {
        json_object_set_new(record, "as_ordered", record_number(run->looks.as_ordered));
    }
    json_object_set_new(record, "weights_hash", record_hash(nn_hash(run->game.average)));
    struct plot *p = plot_shown(&run->game, o->program, (uint64_t)o->seed,
                                own.clothes        ? "Clothes that nobody wore"
                                : own.pngs != NULL ? "Pictures that nobody made"
                                                   : "Digits that nobody wrote");
    bool good = p != NULL && plot_save(out, p, "samples") && draw_balance(c, out) &&
                (own.samples == NULL || generative_write(o, own.samples, own.count, make, run)) &&
                critique_made_up(o, pictures, test, own.judged, make, run, record);
    plot_free(p);
    return good;
}

/* ---- the program --------------------------------------------------------------------------------------------------------- */

static bool run_all(const struct options *o)
{
    static struct run run;
    run = (struct run){ .o = o, .rng = ag_rng_seed((uint64_t)o->seed) };
    run.game = (struct game){ .net = o->net, .loss = o->loss, .latent = o->latent, .conditional = o->conditional,
                              .too_strong = o->too_strong, .spectral = own.spectral, .label_smoothing = o->label_smoothing,
                              .label_noise = o->label_noise, .lr = o->lr };
    struct digits digits;
    struct generative_source source = { .clothes = own.clothes, .pngs = own.pngs, .to_order = o->conditional };
    if (!generative_open(&digits, o, source, &run.rng)) {
        return false;
    }
    data_set *pictures = digits_take(&digits.train), *test = digits_test(&digits);
    if (test == NULL || !nearest_open(&run.real, pictures, COMPARED)) {
        data_set_free(pictures);
        data_set_free(test);
        nearest_close(&run.real);
        digits_close(&digits);
        return false;
    }
    for (int64_t i = 0; i < run.real.n; i++) {
        int64_t class = run.real.labels[i];
        run.game.classes = class >= run.game.classes && class < DIGIT_CLASSES ? class + 1 : run.game.classes;
    }
    data_loader_config batches = data_loader_defaults();
    batches.batch = o->batch;
    batches.shuffle = true;
    batches.drop_last = true; /* both see batches of one size, as batch norm likes it */
    data_loader *loader = data_loader_new(data_set_share(pictures), batches, &run.rng);
    run.game.rng = ag_rng_split(&run.rng);
    game_begin(&run.game, &run.rng, AG_FLOAT32);
    struct plot_output out = { .program = o->program, .folder = o->pictures, .svg = o->svg };
    json_t *record = record_begin(o);
    int usual = o->too_strong                            ? EPOCHS_TOO_STRONG
                : data_loader_samples(loader) >= LARGE ? EPOCHS_OF_LARGE_SETS
                : o->net == MLP                          ? EPOCHS_MLP
                : data_loader_samples(loader) < SMALL  ? EPOCHS_OF_SMALL_SETS
                                                         : EPOCHS_DCGAN;
    int epochs = o->epochs > 0 ? o->epochs : usual;
    printf("%s: %s, %s loss%s%s; generator %lld parameters, discriminator %lld; %s from %s\n"
           "%d epochs, batches of %lld, Adam with rate %g, seed %lld, %d threads\n\n",
           o->program, nets[o->net], o->too_strong ? "minimax" : losses[o->loss], o->conditional ? ", conditional" : "",
           own.spectral ? ", spectral normalisation" : "",
           (long long)nn_count_parameters(run.game.generator, false), (long long)nn_count_parameters(run.game.discriminator, false),
           what_it_is(), digits.folder, epochs, (long long)o->batch, o->lr, (long long)o->seed, ag_threads());
    bool good = ag_exit_status() == 0 && train(&run, o->from_saved ? 0 : epochs, loader, &out) &&
           generative_has_learned(o, run.course.epochs) &&
           (run.course.epochs == 0 || results(&run, pictures, test, &out, record));
    good = (good ? record_write(o, record) : (json_decref(record), false));
    game_end(&run.game);
    nearest_close(&run.real);
    data_loader_free(loader);
    data_set_free(pictures);
    data_set_free(test);
    digits_close(&digits);
    return good && ag_exit_status() == 0;
}

/* Options that contradict one another. */
static bool sensible(const struct options *o)
{
    bool labels = o->loss == NON_SATURATING || o->loss == LEAST_SQUARES;
    if (o->epochs > EPOCHS_MAX) {
        fprintf(stderr, "%s: --epochs must be at most %d (see --help)\n", o->program, EPOCHS_MAX);
        return false;
    }
    if (!generative_judging_possible(o, own.judged)) {
        return false;
    }
    if (own.clothes && own.pngs != NULL) {
        fprintf(stderr, "%s: --pngs names the pictures, and --clothes others: one of them (see --help)\n", o->program);
        return false;
    }
    if (!labels && (o->label_smoothing > 0 || o->label_noise > 0)) {
        fprintf(stderr, "%s: --loss %s has no labels to smooth or to turn round (see --help)\n", o->program, losses[o->loss]);
        return false;
    }
    if (o->too_strong && o->loss != NON_SATURATING) {
        fprintf(stderr, "%s: --too-strong shows what the first loss of all did, and takes no --loss (see --help)\n", o->program);
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct options options = {
        .program = "gan",
        .purpose = "Trains two networks against each other, until one of them writes digits that the other takes for real.",
        .accepts = OPTION_SEED | OPTION_THREADS | OPTION_EPOCHS | OPTION_BATCH | OPTION_LR | OPTION_DATA | OPTION_JSON |
                   OPTION_PICTURES | OPTION_SAVE | OPTION_NET | OPTION_LOSS | OPTION_ADVERSARY | OPTION_LATENT | OPTION_FROM_SAVED,
        .usual_lr = "0.001 for dcgan; 0.0002 for\nmlp, with the Wasserstein loss, and with --too-strong",
        .usual_epochs = "20;\n60 of mlp; 10 when there are 20000 pictures to train on, or\nmore, 36 when there are fewer than 5000 "
                        "(not of mlp);\n6 with --too-strong",
        .latent = 64,
        .nets = nets,
        .losses = losses,
        .own = own_options,
    };
    int status = options_parse(&options, argc, argv);
    if (status >= 0) {
        return status;
    }
    if (options.lr == 0) { /* batch norm stands the larger rate, and is ahead by as much */
        options.lr = options.net == DCGAN && options.loss != WASSERSTEIN && !options.too_strong ? 1e-3 : 2e-4;
    }
    own.judged = own.judged >= 0 ? own.judged : own.pngs != NULL ? 0 : 1000;
    options.validation = 0;
    if (options.threads > 0) {
        ag_set_threads(options.threads);
    }
    if (!sensible(&options)) {
        return 2;
    }
    if (!report_possible(&options) || !generative_possible(&options, own.samples)) {
        return EXIT_FAILURE;
    }
    return saving_exit_status(run_all(&options));
}
