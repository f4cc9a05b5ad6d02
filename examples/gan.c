/*
 * Two networks that train each other: a generator makes pictures out of random numbers, and a discriminator is shown pictures and
 * says which are real.
 *
 * In each step the discriminator learns first, from real digits and from the generator's, which are detached: that lesson is not
 * the generator's. Then the generator learns, and never from a real digit: its pictures go through the discriminator, and the
 * gradient that comes back says how they would have to change to be taken for real.
 * Goodfellow et al. 2014; Radford, Metz & Chintala 2016; Mao et al. 2017; Gulrajani et al. 2017
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/autograd.h"
#include "data/data.h"
#include "nn/nn.h"
#include "optim/optim.h"

#include "common/digits.h"
#include "common/evaluate.h"
#include "common/files.h"
#include "common/options.h"
#include "common/plot.h"
#include "common/progress.h"
#include "common/record.h"
#include "common/report.h"
#include "common/saving.h"

enum { DCGAN, MLP, EPOCHS_DCGAN = 12, EPOCHS_MLP = 60, EPOCHS_MAX = 1000, SHOWN = 64, FEATURES = 64 * 7 * 7,
       STRONG_ROUNDS = 5 };
enum { NON_SATURATING, LEAST_SQUARES, HINGE, WASSERSTEIN };

static const char *const nets[] = { "dcgan", "mlp", NULL };
static const char *const losses[] = { "non-saturating", "least-squares", "hinge", "wasserstein", NULL };

/* ---- the networks -------------------------------------------------------------------------------------------------------- */

static nn_module *half(int64_t in, int64_t out)
{
    nn_conv2d_config c = nn_conv2d_defaults(in, out, 4);
    c.conv.stride[0] = c.conv.stride[1] = 2;
    c.conv.padding[0] = c.conv.padding[1] = 1;
    return nn_conv2d_with(c);
}

static nn_module *twice(int64_t in, int64_t out)
{
    nn_conv_transpose2d_config c = nn_conv_transpose2d_defaults(in, out, 4);
    c.conv.stride[0] = c.conv.stride[1] = 2;
    c.conv.padding[0] = c.conv.padding[1] = 1;
    return nn_conv_transpose2d_with(c);
}

/* (n, latent) -> (n,1,28,28), from -1 (paper) to 1 (ink). A class that is given stands behind the random numbers. */
static nn_module *new_generator(const struct options *o)
{
    int64_t in = o->latent + (o->conditional ? DIGIT_CLASSES : 0);
    if (o->net == MLP) {
        return nn_sequential(nn_linear(in, 256), nn_leaky_relu(0.2), nn_linear(256, 512), nn_leaky_relu(0.2),
                             nn_linear(512, DIGIT_PIXELS), nn_tanh(), nn_unflatten(1, AG_SHAPE(1, DIGIT_SIDE, DIGIT_SIDE)));
    }
    return nn_sequential(nn_linear(in, FEATURES), nn_unflatten(1, AG_SHAPE(64, 7, 7)), nn_batch_norm2d(64), nn_relu(),
                         twice(64, 32), nn_batch_norm2d(32), nn_relu(), /* (32,14,14) */
                         twice(32, 1), nn_tanh());                      /* (1,28,28) */
}

/* (n, channels, 28, 28) -> (n, 1): high for real. A class that is given is ten more channels, one of them full of ones. The
 * gradient penalty is of each picture for itself, so that no layer may mix the batch. */
static nn_module *new_discriminator(const struct options *o)
{
    int64_t channels = 1 + (o->conditional ? DIGIT_CLASSES : 0);
    if (o->net == MLP) {
        return nn_sequential(nn_flatten(), nn_linear(channels * DIGIT_PIXELS, 512), nn_leaky_relu(0.2), nn_linear(512, 256),
                             nn_leaky_relu(0.2), nn_linear(256, 1));
    }
    return nn_sequential(half(channels, 32), nn_leaky_relu(0.2), half(32, 64),
                         o->loss == WASSERSTEIN ? nn_identity() : nn_batch_norm2d(64), nn_leaky_relu(0.2), nn_flatten(),
                         nn_linear(FEATURES, 1));
}

struct gan {
    const struct options *o;
    nn_module *generator, *discriminator;
    optim *g_opt, *d_opt;
    ag_rng rng; /* of noise */
};

static optim *new_optimizer(const struct options *o, nn_module *net)
{
    optim_adam_config adam = optim_adam_defaults();
    adam.lr = o->lr;
    adam.beta1 = o->loss == WASSERSTEIN ? 0 : 0.5;
    adam.beta2 = o->loss == WASSERSTEIN ? 0.9 : 0.999;
    return optim_adam(nn_parameters(net), adam);
}

/* (n) labels as (n, 10): 1 at the class. */
static ag_tensor one_hot(ag_tensor labels)
{
    return ag_one_hot(labels, DIGIT_CLASSES, AG_FLOAT32);
}

static ag_tensor generate(const struct gan *gan, ag_tensor noise, ag_tensor labels)
{
    return nn_forward(gan->generator,
                      gan->o->conditional ? ag_cat(2, ((ag_tensor[]){ noise, one_hot(labels) }), 1) : noise);
}

static ag_tensor score(const struct gan *gan, ag_tensor pictures, ag_tensor labels)
{
    if (!gan->o->conditional) {
        return nn_forward(gan->discriminator, pictures);
    }
    int64_t n = ag_size(pictures, 0);
    ag_tensor planes = ag_expand(ag_reshape(one_hot(labels), AG_SHAPE(n, DIGIT_CLASSES, 1, 1)),
                                 AG_SHAPE(n, DIGIT_CLASSES, DIGIT_SIDE, DIGIT_SIDE));
    return nn_forward(gan->discriminator, ag_cat(2, ((ag_tensor[]){ pictures, planes }), 1));
}

/* ---- the losses ---------------------------------------------------------------------------------------------------------- */

/* What the discriminator should say: `value`, or its opposite for a share of the pictures. */
static ag_tensor targets(struct gan *gan, ag_tensor scores, double value, double opposite)
{
    ag_tensor t = ag_full(ag_shape_of(scores), value, AG_FLOAT32);
    if (gan->o->label_noise > 0) {
        ag_tensor turned = ag_bernoulli(ag_shape_of(scores), gan->o->label_noise, AG_FLOAT32, &gan->rng);
        t = ag_lerp(t, ag_full(ag_shape_of(scores), opposite, AG_FLOAT32), turned);
    }
    return t;
}

static ag_tensor discriminator_loss(struct gan *gan, ag_tensor real, ag_tensor fake)
{
    double yes = 1 - gan->o->label_smoothing;
    switch (gan->o->loss) {
    case LEAST_SQUARES:
        return ag_add(ag_mse_loss(real, targets(gan, real, yes, 0)), ag_mse_loss(fake, targets(gan, fake, 0, yes)));
    case HINGE: /* max(0, 1 - real) + max(0, 1 + fake) */
        return ag_add(ag_mean(ag_relu(ag_add_scalar(ag_neg(real), 1))), ag_mean(ag_relu(ag_add_scalar(fake, 1))));
    case WASSERSTEIN:
        return ag_sub(ag_mean(fake), ag_mean(real));
    default:
        return ag_add(ag_bce_with_logits(real, targets(gan, real, yes, 0)),
                      ag_bce_with_logits(fake, targets(gan, fake, 0, yes)));
    }
}

static ag_tensor generator_loss(const struct gan *gan, ag_tensor fake)
{
    if (gan->o->too_strong) { /* log(1 - D): the game as it was first written down. Flat where D is sure that a picture is false */
        return ag_neg(ag_bce_with_logits(fake, ag_zeros_like(fake)));
    }
    switch (gan->o->loss) {
    case LEAST_SQUARES:
        return ag_mse_loss(fake, ag_ones_like(fake));
    case HINGE:
    case WASSERSTEIN:
        return ag_neg(ag_mean(fake));
    default:
        return ag_bce_with_logits(fake, ag_ones_like(fake));
    }
}

/* The mean of (|gradient of the score| - 1)^2 at random places between real and false pictures. The gradient is computed as a
 * part of the graph, because the discriminator's weights must learn from it: a gradient of a gradient. */
static ag_tensor gradient_penalty(struct gan *gan, ag_tensor real, ag_tensor fake, ag_tensor labels)
{
    int64_t n = ag_size(real, 0);
    ag_tensor share = ag_uniform(AG_SHAPE(n, 1, 1, 1), 0, 1, AG_FLOAT32, &gan->rng);
    ag_tensor between = ag_set_requires_grad(ag_detach(ag_lerp(real, fake, share)), true);
    ag_tensor scores = ag_sum(score(gan, between, labels)), gradient;
    ag_backward_config config = ag_backward_defaults();
    config.create_graph = true;
    ag_grad(scores, 1, &between, &gradient, config);
    ag_tensor length = ag_norm(ag_flatten(gradient, 1, -1), 2, AG_DIMS(1), false);
    return ag_mean(ag_square(ag_add_scalar(length, -1)));
}

/* ---- training ------------------------------------------------------------------------------------------------------------ */

enum measure { D_LOSS, G_LOSS, REAL_RIGHT, FAKE_RIGHT, GRADIENT, MEASURES };

/* Means over each epoch; and how different the shown pictures are from one another, as a share of how different real ones are. */
struct course {
    int64_t epochs, counts[MEASURES];
    double value[MEASURES][EPOCHS_MAX], variety[EPOCHS_MAX];
    double sum[MEASURES], real_variety, first_gradient;
    int64_t steps;
};

static void course_visit(void *object, ag_state_visitor *v)
{
    static const char *const names[MEASURES] = { "d_loss", "g_loss", "real_right", "fake_right", "gradient" };
    struct course *self = object;
    for (int i = 0; i < MEASURES; i++) {
        ag_state_series(v, names[i], self->value[i], AG_FLOAT64, &self->counts[i], EPOCHS_MAX);
    }
    ag_state_series(v, "variety", self->variety, AG_FLOAT64, &self->epochs, EPOCHS_MAX);
    ag_state_array(v, "sum", self->sum, AG_FLOAT64, AG_SHAPE(MEASURES));
    ag_state_double(v, "real_variety", &self->real_variety);
    ag_state_double(v, "first_gradient", &self->first_gradient);
    ag_state_int64(v, "steps", &self->steps);
}

static const ag_stateful_type course_type = { sizeof(ag_stateful_type), "course", course_visit };

/* The share of scores on the right side of the border between real and false. */
static double share_right(const struct gan *gan, ag_tensor scores, bool real)
{
    ag_tensor border = ag_full(ag_shape_of(scores), gan->o->loss == LEAST_SQUARES ? 0.5 : 0, AG_FLOAT32);
    ag_tensor right = real ? ag_gt(scores, border) : ag_lt(scores, border);
    return ag_item(ag_sum(right)) / (double)ag_numel(scores);
}

/* The length of the gradient that has arrived at a network's weights. */
static double gradient_length(nn_module *net)
{
    double square = 0;
    ag_list *parameters = nn_parameters(net);
    for (int64_t i = 0; i < ag_list_count(parameters); i++) {
        double length = ag_item(ag_norm(ag_grad_of(ag_list_tensor(parameters, i)), 2, (ag_dims){ 0 }, false));
        square += length * length;
    }
    ag_list_free(parameters);
    return sqrt(square);
}

/* The mean distance between pictures, of a batch (n,1,28,28). */
static double variety(ag_tensor pictures)
{
    int64_t n = ag_size(pictures, 0);
    ag_tensor rows = ag_flatten(pictures, 1, -1);
    double sum = 0;
    for (int64_t shift = 1; shift < n; shift++) {
        sum += ag_item(ag_mean(ag_norm(ag_sub(rows, ag_roll(rows, shift, 0)), 2, AG_DIMS(1), false)));
    }
    return n > 1 ? sum / (double)(n - 1) : 0;
}

/* One step of both. */
static void train_step(struct gan *gan, ag_scope *step, const data_batch *batch, int64_t index, double measured[MEASURES])
{
    const struct options *o = gan->o;
    ag_begin(step);
    ag_tensor real = ag_add_scalar(ag_mul_scalar(batch->x, 2), -1); /* 0..1 -> -1..1 */
    ag_tensor noise = ag_normal(AG_SHAPE(batch->n, o->latent), 0, 1, AG_FLOAT32, &gan->rng);
    ag_tensor fake = generate(gan, noise, batch->y);

    /* The discriminator, on detached pictures; if it shall become too strong, several times on the same ones. */
    for (int round = 0; round < (o->too_strong ? STRONG_ROUNDS : 1); round++) {
        ag_tensor real_scores = score(gan, real, batch->y), fake_scores = score(gan, ag_detach(fake), batch->y);
        ag_tensor d_loss = discriminator_loss(gan, real_scores, fake_scores);
        if (o->loss == WASSERSTEIN) {
            ag_tensor penalty = gradient_penalty(gan, real, ag_detach(fake), batch->y);
            d_loss = ag_add(d_loss, ag_mul_scalar(penalty, 10));
        }
        optim_zero_grad(gan->d_opt);
        ag_backward(d_loss);
        optim_step(gan->d_opt);
        measured[D_LOSS] = ag_item(d_loss);
        measured[REAL_RIGHT] = share_right(gan, real_scores, true);
        measured[FAKE_RIGHT] = share_right(gan, fake_scores, false);
    }

    /* The generator, through the discriminator; with the Wasserstein loss that one learns five times as often. */
    if (o->loss == WASSERSTEIN && index % 5 != 0) {
        measured[G_LOSS] = measured[GRADIENT] = NAN;
        return;
    }
    ag_tensor g_loss = generator_loss(gan, score(gan, fake, batch->y));
    optim_zero_grad(gan->g_opt);
    ag_backward(g_loss);
    optim_step(gan->g_opt);
    measured[G_LOSS] = ag_item(g_loss);
    measured[GRADIENT] = gradient_length(gan->generator);
}

/* The pictures of the fixed noise, (64,1,28,28); classes in turn. */
static ag_tensor shown(struct gan *gan)
{
    ag_rng rng = ag_rng_seed((uint64_t)gan->o->seed + 2000);
    ag_tensor noise = ag_normal(AG_SHAPE(SHOWN, gan->o->latent), 0, 1, AG_FLOAT32, &rng);
    int64_t labels[SHOWN];
    for (int i = 0; i < SHOWN; i++) {
        labels[i] = i % 8;
    }
    nn_eval(gan->generator);
    ag_tensor y = generate(gan, noise, ag_from(AG_SHAPE(SHOWN), AG_INT64, labels));
    nn_train(gan->generator);
    return y;
}

static struct plot *plot_shown(struct gan *gan, const char *title)
{
    static float pixels[SHOWN * DIGIT_PIXELS];
    struct plot_image images[SHOWN];
    ag_scope scope = { 0 };
    ag_begin_no_grad(&scope);
    ag_tensor y = ag_mul_scalar(ag_add_scalar(shown(gan), 1), 0.5);
    ag_read(y, pixels, SHOWN * DIGIT_PIXELS);
    ag_end(&scope);
    for (int i = 0; i < SHOWN; i++) {
        images[i] = (struct plot_image){ .height = DIGIT_SIDE, .width = DIGIT_SIDE, .channels = 1,
                                         .pixels = pixels + (size_t)i * DIGIT_PIXELS, .negative = true };
    }
    struct plot *p = plot_new(title);
    plot_images(plot_panel(p, "", "", ""), SHOWN, images, 8, 40);
    return p;
}

/* What a look at the epoch's numbers says. */
static const char *diagnosis(const struct options *o, const struct course *c)
{
    int64_t e = c->epochs - 1;
    bool tells_apart = c->value[REAL_RIGHT][e] > 0.98 && c->value[FAKE_RIGHT][e] > 0.98 && o->loss != WASSERSTEIN;
    if (c->value[GRADIENT][e] < 0.02 * c->first_gradient) {
        return "the generator's gradient has vanished: it is told that all is wrong, but not how to become better";
    }
    if (c->variety[e] < 0.35) {
        return "the pictures are nearly alike: the generator has collapsed to a few that pass";
    }
    if (tells_apart) {
        return "the discriminator is too strong: it tells nearly all pictures apart";
    }
    return "";
}

static bool train(struct gan *gan, int epochs, data_loader *digits, struct course *course, struct plot_output *out)
{
    const struct options *o = gan->o;
    struct saving saving;
    bool good = saving_begin(&saving, o);
    saving_add(&saving, "generator", nn_stateful(gan->generator));
    saving_add(&saving, "discriminator", nn_stateful(gan->discriminator));
    saving_add(&saving, "generator-optimizer", optim_stateful(gan->g_opt));
    saving_add(&saving, "discriminator-optimizer", optim_stateful(gan->d_opt));
    saving_add(&saving, "digits", data_loader_stateful(digits));
    saving_add(&saving, "noise", ag_stateful_rng(&gan->rng));
    saving_add(&saving, "course", ag_stateful_make(&course_type, course));
    good = good && saving_resume(&saving);
    if (good && o->from_saved && !saving.resumed) {
        fprintf(stderr, "%s: --from-saved: there is no checkpoint in %s\n", o->program, o->save);
        good = false;
    }
    epochs = o->from_saved ? 0 : epochs;
    struct plot_animation animation = { 0 };
    good = good && (epochs == 0 || plot_animation_begin(&animation, out, "growing", 400));
    if (good && epochs > 0) {
        printf("        discriminator            generator\n"
               "epoch   loss   right on real   on false   loss   gradient   variety\n");
    }
    ag_scope step = { 0 };
    while (good && course->epochs < epochs) {
        data_batch batch;
        double begun = progress_clock();
        data_loader_rewind(digits);
        while (good && data_loader_next(digits, &batch)) {
            double now[MEASURES];
            train_step(gan, &step, &batch, course->steps, now);
            if (course->steps == 0) {
                course->first_gradient = now[GRADIENT];
                course->real_variety = variety(ag_add_scalar(ag_mul_scalar(batch.x, 2), -1));
            }
            course->steps++;
            for (int i = 0; i < MEASURES; i++) {
                course->sum[i] += isnan(now[i]) ? 0 : now[i];
            }
            if (!isfinite(now[D_LOSS]) || (!isfinite(now[G_LOSS]) && o->loss != WASSERSTEIN)) {
                report_not_finite(o, isfinite(now[D_LOSS]) ? now[G_LOSS] : now[D_LOSS], (int)course->epochs + 1, batch.index + 1);
                good = false;
            }
            good = good && ag_exit_status() == 0 && !saving_step(&saving);
        }
        ag_end(&step);
        if (!good || ag_exit_status() != 0) {
            good = false;
            break;
        }
        int64_t e = course->epochs++, batches = data_loader_batches(digits);
        for (int i = 0; i < MEASURES; i++) {
            bool seldom = o->loss == WASSERSTEIN && (i == G_LOSS || i == GRADIENT);
            course->value[i][e] = course->sum[i] / ((double)batches / (seldom ? 5 : 1));
            course->sum[i] = 0;
            course->counts[i] = course->epochs;
        }
        ag_begin_no_grad(&step);
        course->variety[e] = variety(shown(gan)) / course->real_variety;
        ag_end(&step);
        const char *words = diagnosis(o, course);
        printf("%5lld   %4.2f   %13.3f   %8.3f   %4.2f   %8.2g   %7.2f   %.1f s\n", (long long)e + 1, course->value[D_LOSS][e],
               course->value[REAL_RIGHT][e], course->value[FAKE_RIGHT][e], course->value[G_LOSS][e], course->value[GRADIENT][e],
               course->variety[e], progress_clock() - begun);
        if (words[0] != '\0') {
            printf("        %s\n", words);
        }
        fflush(stdout);
        char title[64];
        snprintf(title, sizeof title, "After %lld epochs", (long long)course->epochs);
        struct plot *p = plot_shown(gan, title);
        good = plot_animation_add(&animation, p, 1) && !saving_epoch(&saving);
        plot_free(p);
    }
    saving_end(&saving);
    bool written = epochs == 0 || animation.out == NULL || plot_animation_end(&animation, 3000);
    return good && written && ag_exit_status() == 0;
}

/* ---- pictures ------------------------------------------------------------------------------------------------------------ */

static bool draw_balance(const struct course *c, struct plot_output *out)
{
    struct plot *p = plot_new("The balance of the two");
    double x[EPOCHS_MAX];
    for (int64_t e = 0; e < c->epochs; e++) {
        x[e] = (double)e + 1;
    }
    struct plot_panel *panel[3] = { plot_panel(p, "losses", "epoch", ""), plot_panel(p, "share that the discriminator gets right", "epoch", ""),
                                    plot_panel(p, "gradient in the generator", "epoch", "") };
    plot_line(panel[0], "discriminator", c->epochs, x, c->value[D_LOSS]);
    plot_line(panel[0], "generator", c->epochs, x, c->value[G_LOSS])->dashed = true;
    plot_line(panel[1], "real", c->epochs, x, c->value[REAL_RIGHT]);
    plot_line(panel[1], "false", c->epochs, x, c->value[FAKE_RIGHT])->dashed = true;
    panel[1]->y.low = 0;
    panel[1]->y.high = 1.02;
    plot_line(panel[2], "", c->epochs, x, c->value[GRADIENT]);
    panel[2]->y.log = true;
    for (int i = 0; i < 3; i++) {
        panel[i]->x.whole = true;
    }
    bool good = plot_save(out, p, "balance");
    plot_free(p);
    return good;
}

/* ---- the program --------------------------------------------------------------------------------------------------------- */

static void record_course(json_t *record, const struct course *c, const struct gan *gan)
{
    static const char *const keys[MEASURES] = { "d_loss", "g_loss", "real_right", "fake_right", "generator_gradient" };
    for (int i = 0; i < MEASURES; i++) {
        json_object_set_new(record, keys[i], record_numbers(c->epochs, c->value[i]));
    }
    json_object_set_new(record, "variety", record_numbers(c->epochs, c->variety));
    json_object_set_new(record, "weights_hash", record_hash(nn_hash(gan->generator)));
}

static bool run(const struct options *o)
{
    struct gan gan = { .o = o, .rng = ag_rng_seed((uint64_t)o->seed) };
    struct digits digits;
    if (!digits_open(&digits, o, &gan.rng)) {
        return false;
    }
    data_loader_config batches = data_loader_defaults();
    batches.batch = o->batch;
    batches.shuffle = true;
    batches.drop_last = true; /* both see batches of one size, as batch norm likes it */
    data_loader *loader = data_loader_new(digits_take(&digits.train), batches, &gan.rng);
    gan.generator = new_generator(o);
    gan.discriminator = new_discriminator(o);
    nn_init(gan.generator, &gan.rng);
    nn_init(gan.discriminator, &gan.rng);
    gan.g_opt = new_optimizer(o, gan.generator);
    gan.d_opt = new_optimizer(o, gan.discriminator);
    static struct course course;
    struct plot_output out = { .program = o->program, .folder = o->pictures, .svg = o->svg };
    json_t *record = record_begin(o);
    int epochs = o->epochs > 0 ? o->epochs : o->too_strong ? 6 : o->net == MLP ? EPOCHS_MLP : EPOCHS_DCGAN;
    printf("%s: %s, %s loss%s; generator %lld parameters, discriminator %lld; digits from %s\n"
           "%d epochs, batches of %lld, Adam with rate %g, seed %lld, %d threads\n\n",
           o->program, nets[o->net], o->too_strong ? "minimax" : losses[o->loss], o->conditional ? ", conditional" : "",
           (long long)nn_count_parameters(gan.generator, false), (long long)nn_count_parameters(gan.discriminator, false),
           digits.folder, epochs, (long long)o->batch, o->lr, (long long)o->seed, ag_threads());
    bool good = ag_exit_status() == 0 && train(&gan, epochs, loader, &course, &out);
    if (good && course.epochs > 0) {
        printf("\nvariety %.2f of that of real digits; weights of the generator %016llx\n", course.variety[course.epochs - 1],
               (unsigned long long)nn_hash(gan.generator));
        record_course(record, &course, &gan);
        struct plot *p = plot_shown(&gan, o->conditional ? "Digits to order: 0 to 7 in each row" : "Digits that nobody wrote");
        good = plot_save(&out, p, "samples") && draw_balance(&course, &out);
        plot_free(p);
    }
    good = (good ? record_write(o, record) : (json_decref(record), false));
    optim_free(gan.g_opt);
    optim_free(gan.d_opt);
    nn_free(gan.generator);
    nn_free(gan.discriminator);
    data_loader_free(loader);
    digits_close(&digits);
    return good && ag_exit_status() == 0;
}

int main(int argc, char **argv)
{
    struct options options = {
        .program = "gan",
        .purpose = "Trains two networks against each other, until one of them writes digits that the other takes for real.",
        .accepts = OPTION_SEED | OPTION_THREADS | OPTION_EPOCHS | OPTION_BATCH | OPTION_LR | OPTION_DATA | OPTION_JSON |
                   OPTION_PICTURES | OPTION_SAVE | OPTION_NET | OPTION_LOSS | OPTION_ADVERSARY | OPTION_LATENT | OPTION_FROM_SAVED,
        .lr = 2e-4,
        .usual_epochs = "12;\n60 of mlp, 6 with --too-strong",
        .latent = 64,
        .nets = nets,
        .losses = losses,
    };
    int status = options_parse(&options, argc, argv);
    if (status >= 0) {
        return status;
    }
    options.validation = 0;
    if (options.threads > 0) {
        ag_set_threads(options.threads);
    }
    if (options.epochs > EPOCHS_MAX) {
        fprintf(stderr, "%s: --epochs must be at most %d (see --help)\n", options.program, EPOCHS_MAX);
        return 2;
    }
    bool labels = options.loss == NON_SATURATING || options.loss == LEAST_SQUARES;
    if (!labels && (options.label_smoothing > 0 || options.label_noise > 0)) {
        fprintf(stderr, "%s: --loss %s has no labels to smooth or to turn round (see --help)\n", options.program,
                losses[options.loss]);
        return 2;
    }
    if (options.too_strong && options.loss != NON_SATURATING) {
        fprintf(stderr, "%s: --too-strong shows what the first loss of all did, and takes no --loss (see --help)\n",
                options.program);
        return 2;
    }
    if (!report_possible(&options)) {
        return EXIT_FAILURE;
    }
    return saving_exit_status(run(&options));
}
