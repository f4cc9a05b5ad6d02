/*
 * A variational autoencoder: a network that learns to write digits by reading them.
 *
 * The encoder says of each picture where in a small space of numbers it belongs, and how sure it is: a normal distribution. A
 * point is drawn from it, and the decoder must paint the picture again from that point alone. A second term of the loss, the
 * divergence, pulls all those distributions towards N(0, 1), so that in the end any point drawn from N(0, 1) decodes to a digit.
 * Drawing is part of the graph: z = mean + deviation · noise, and gradients flow through mean and deviation.
 * Kingma & Welling 2014; beta: Higgins et al. 2017
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

enum { DENSE, CONV, EPOCHS_OF_SMALL_SETS = 30, EPOCHS_OF_LARGE_SETS = 10, EPOCHS_MAX = 1000 };

static const char *const nets[] = { "dense", "conv", NULL };

/* ---- the network --------------------------------------------------------------------------------------------------------- */

struct vae {
    nn_module base;
    nn_module *encoder, *mean, *logvar, *decoder;
};

static void vae_visit(nn_module *m, nn_visitor *v)
{
    struct vae *self = (struct vae *)m;
    nn_visit_child(v, "encoder", &self->encoder);
    nn_visit_child(v, "mean", &self->mean);
    nn_visit_child(v, "logvar", &self->logvar);
    nn_visit_child(v, "decoder", &self->decoder);
}

static const nn_module_type vae_type = {
    .size = sizeof(nn_module_type),
    .name = "VAE",
    .instance_size = sizeof(struct vae),
    .visit = vae_visit,
};

/* Halves the sides of a picture, or doubles them. */
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

static struct vae *vae_new(const struct options *o)
{
    struct vae *vae = (struct vae *)nn_module_new(&vae_type);
    int64_t features;
    if (o->net == CONV) {
        features = 64 * 7 * 7;
        vae->encoder = nn_sequential(half(1, 32), nn_relu(),   /* (32,14,14) */
                                     half(32, 64), nn_relu(),  /* (64,7,7) */
                                     nn_flatten());            /* (3136) */
        vae->decoder = nn_sequential(nn_linear(o->latent, features), nn_relu(),
                                     nn_unflatten(1, AG_SHAPE(64, 7, 7)),
                                     twice(64, 32), nn_relu(), /* (32,14,14) */
                                     twice(32, 1));            /* (1,28,28) */
    } else {
        features = 400;
        vae->encoder = nn_sequential(nn_flatten(), nn_linear(DIGIT_PIXELS, features), nn_relu());
        vae->decoder = nn_sequential(nn_linear(o->latent, features), nn_relu(),
                                     nn_linear(features, DIGIT_PIXELS),
                                     nn_unflatten(1, AG_SHAPE(1, DIGIT_SIDE, DIGIT_SIDE)));
    }
    vae->mean = nn_linear(features, o->latent);
    vae->logvar = nn_linear(features, o->latent);
    return vae;
}

struct terms {
    ag_tensor reconstruction, divergence; /* nats a picture */
};

/* How well the pictures are painted again, and how far the encoder's distributions are from N(0, 1). `through`: gradients flow
 * through the draw; without it the encoder never learns what the decoder needs. */
static struct terms vae_terms(struct vae *vae, ag_tensor x, bool through, ag_rng *rng)
{
    ag_tensor features = nn_forward(vae->encoder, x);
    ag_tensor mean = nn_forward(vae->mean, features), logvar = nn_forward(vae->logvar, features);
    nn_normal q = nn_normal_of_logvar(mean, logvar);
    ag_tensor z = through ? nn_normal_rsample(q, rng)  /* mean + deviation · noise */
                          : nn_normal_sample(q, rng);  /* the same numbers, without a history */
    ag_tensor logits = nn_forward(vae->decoder, z);
    double share = 1.0 / (double)ag_size(x, 0);
    return (struct terms){
        ag_mul_scalar(ag_bce_with_logits_with(logits, x, AG_REDUCE_SUM), share),
        ag_mul_scalar(ag_sum(nn_normal_kl_standard(mean, logvar)), share),
    };
}

/* ---- training ------------------------------------------------------------------------------------------------------------ */

/* Nats a picture after each epoch, of the training digits (while the weights moved) and of the test digits. */
struct course {
    int64_t epochs, counts[3];
    double reconstruction[EPOCHS_MAX], divergence[EPOCHS_MAX], test_reconstruction[EPOCHS_MAX], test_divergence[EPOCHS_MAX];
    double sum[2]; /* of the epoch that is running */
};

static void course_visit(void *object, ag_state_visitor *v)
{
    struct course *self = object;
    ag_state_series(v, "reconstruction", self->reconstruction, AG_FLOAT64, &self->epochs, EPOCHS_MAX);
    ag_state_series(v, "divergence", self->divergence, AG_FLOAT64, &self->counts[0], EPOCHS_MAX);
    ag_state_series(v, "test_reconstruction", self->test_reconstruction, AG_FLOAT64, &self->counts[1], EPOCHS_MAX);
    ag_state_series(v, "test_divergence", self->test_divergence, AG_FLOAT64, &self->counts[2], EPOCHS_MAX);
    ag_state_array(v, "sum", self->sum, AG_FLOAT64, AG_SHAPE(2));
}

static const ag_stateful_type course_type = { sizeof(ag_stateful_type), "course", course_visit };

/* The terms over a whole set, without recording. The noise is the same each time, so that epochs can be compared. */
static void judge(struct vae *vae, data_loader *loader, const struct options *o, double *reconstruction, double *divergence)
{
    ag_rng rng = ag_rng_seed((uint64_t)o->seed + 1000);
    ag_scope scope = { 0 };
    data_batch batch;
    double sum[2] = { 0, 0 };
    nn_eval(&vae->base);
    data_loader_rewind(loader);
    while (data_loader_next(loader, &batch)) {
        ag_begin_no_grad(&scope);
        struct terms t = vae_terms(vae, batch.x, true, &rng);
        sum[0] += ag_item(t.reconstruction) * (double)batch.n;
        sum[1] += ag_item(t.divergence) * (double)batch.n;
    }
    ag_end(&scope);
    nn_train(&vae->base);
    *reconstruction = sum[0] / (double)data_loader_samples(loader);
    *divergence = sum[1] / (double)data_loader_samples(loader);
}

static optim *new_optimizer(const struct options *o, struct vae *vae)
{
    optim_adam_config adam = optim_adam_defaults();
    adam.lr = o->lr;
    return optim_adam(nn_parameters(&vae->base), adam);
}

static bool finite(const struct options *o, double loss, int64_t epoch, int64_t step)
{
    if (!isfinite(loss)) {
        report_not_finite(o, loss, (int)epoch, step);
        return false;
    }
    return true;
}

static bool train(struct vae *vae, const struct options *o, int epochs, data_loader *digits, data_loader *test, ag_rng *rng,
                  struct course *course)
{
    optim *opt = new_optimizer(o, vae);
    int64_t samples = data_loader_samples(digits);
    struct saving saving;
    bool good = saving_begin(&saving, o);
    saving_add(&saving, "model", nn_stateful(&vae->base));
    saving_add(&saving, "optimizer", optim_stateful(opt));
    saving_add(&saving, "digits", data_loader_stateful(digits));
    saving_add(&saving, "noise", ag_stateful_rng(rng));
    saving_add(&saving, "course", ag_stateful_make(&course_type, course));
    good = good && saving_resume(&saving);
    if (good && o->from_saved && !saving.resumed) {
        fprintf(stderr, "%s: --from-saved: there is no checkpoint in %s\n", o->program, o->save);
        good = false;
    }
    epochs = o->from_saved ? 0 : epochs;
    if (good && epochs > 0) {
        printf("epoch   reconstruction   divergence   both, on test digits   (nats a picture)\n");
    }
    ag_scope step = { 0 };
    while (good && course->epochs < epochs) {
        data_batch batch;
        double begun = progress_clock();
        data_loader_rewind(digits);
        while (good && data_loader_next(digits, &batch)) {
            ag_begin(&step);
            struct terms t = vae_terms(vae, batch.x, true, rng);
            ag_tensor loss = ag_add(t.reconstruction, ag_mul_scalar(t.divergence, o->beta));
            optim_zero_grad(opt);
            ag_backward(loss);
            optim_step(opt);
            course->sum[0] += ag_item(t.reconstruction) * (double)batch.n;
            course->sum[1] += ag_item(t.divergence) * (double)batch.n;
            good = finite(o, ag_item(loss), course->epochs + 1, batch.index + 1) && !saving_step(&saving);
        }
        ag_end(&step);
        if (good && ag_exit_status() == 0) {
            int64_t e = course->epochs;
            course->reconstruction[e] = course->sum[0] / (double)samples;
            course->divergence[e] = course->sum[1] / (double)samples;
            judge(vae, test, o, &course->test_reconstruction[e], &course->test_divergence[e]);
            printf("%5lld   %14.2f   %10.2f   %8.2f + %6.2f = %7.2f   %.1f s\n", (long long)e + 1, course->reconstruction[e],
                   course->divergence[e], course->test_reconstruction[e], course->test_divergence[e],
                   course->test_reconstruction[e] + course->test_divergence[e], progress_clock() - begun);
            fflush(stdout);
            course->sum[0] = course->sum[1] = 0;
            course->epochs++;
            course->counts[0] = course->counts[1] = course->counts[2] = course->epochs;
            good = !saving_epoch(&saving);
        }
        good = good && ag_exit_status() == 0;
    }
    saving_end(&saving);
    optim_free(opt);
    return good && ag_exit_status() == 0;
}

/* ---- without reparameterisation ------------------------------------------------------------------------------------------ */

/* The gradient that the reconstruction alone sends into the encoder. */
static double encoder_gradient(struct vae *vae, ag_tensor x, bool through)
{
    ag_rng rng = ag_rng_seed(1);
    ag_scope scope = { 0 };
    double square = 0;
    ag_begin(&scope);
    ag_backward(vae_terms(vae, x, through, &rng).reconstruction);
    ag_list *parameters = nn_parameters(vae->encoder);
    for (int64_t i = 0; i < ag_list_count(parameters); i++) {
        ag_tensor g = ag_grad_of(ag_list_tensor(parameters, i));
        square += ag_is_none(g) ? 0 : ag_item(ag_sum(ag_square(g)));
    }
    ag_list_free(parameters);
    ag_list *all = nn_parameters(&vae->base);
    for (int64_t i = 0; i < ag_list_count(all); i++) {
        ag_zero_grad(ag_list_tensor(all, i));
    }
    ag_list_free(all);
    ag_end(&scope);
    return sqrt(square);
}

/* The same network, trained for a moment with the draw cut out of the graph. */
static bool cut_lesson(const struct options *o, data_set *digits, data_loader *test, json_t *record)
{
    double reconstruction[2], divergence[2], gradient[2];
    int64_t steps = 150;
    printf("\nThe same network, the first %lld steps, with and without gradients through the draw:\n\n", (long long)steps);
    printf("                         gradient in the encoder   reconstruction   divergence\n");
    for (int through = 1; through >= 0; through--) {
        ag_rng rng = ag_rng_seed((uint64_t)o->seed);
        struct vae *vae = vae_new(o);
        nn_init(&vae->base, &rng);
        data_loader_config batches = data_loader_defaults();
        batches.batch = o->batch;
        batches.shuffle = true;
        data_loader *loader = data_loader_new(data_set_share(digits), batches, &rng);
        optim *opt = new_optimizer(o, vae);
        ag_scope step = { 0 };
        data_batch batch;
        for (int64_t i = 0; i < steps && ag_exit_status() == 0; i++) {
            if (!data_loader_next(loader, &batch)) {
                data_loader_rewind(loader);
                continue;
            }
            if (i == 0) {
                gradient[through] = encoder_gradient(vae, batch.x, through != 0);
            }
            ag_begin(&step);
            struct terms t = vae_terms(vae, batch.x, through != 0, &rng);
            optim_zero_grad(opt);
            ag_backward(ag_add(t.reconstruction, ag_mul_scalar(t.divergence, o->beta)));
            optim_step(opt);
        }
        ag_end(&step);
        judge(vae, test, o, &reconstruction[through], &divergence[through]);
        printf("  %-22s %24.3g   %14.2f   %10.2f\n", through ? "through the draw" : "draw cut from the graph", gradient[through],
               reconstruction[through], divergence[through]);
        optim_free(opt);
        data_loader_free(loader);
        nn_free(&vae->base);
    }
    printf("\nCut off, the encoder hears of the divergence alone and makes all pictures alike: the decoder gets noise, and paints\n"
           "the average of all digits.\n");
    json_object_set_new(record, "gradient_through_draw", record_number(gradient[1]));
    json_object_set_new(record, "gradient_without", record_number(gradient[0]));
    json_object_set_new(record, "reconstruction_through_draw", record_number(reconstruction[1]));
    json_object_set_new(record, "reconstruction_without", record_number(reconstruction[0]));
    return ag_exit_status() == 0;
}

/* ---- pictures ------------------------------------------------------------------------------------------------------------ */

enum { GRID = 20, GRID_ALL = GRID * GRID, SHOWN = 10, BETWEEN = 10, SCATTERED = 3000 };

/* What the decoder paints for each row of z, into pixels of 0 to 1. */
static void decode(struct vae *vae, ag_tensor z, float *pixels)
{
    ag_tensor y = ag_sigmoid(nn_forward(vae->decoder, z));
    ag_read(y, pixels, ag_numel(y));
}

/* Pictures side by side, `columns` to a row. */
static bool save_images(struct plot_output *out, const char *title, const char *name, const float *pixels, int n, int columns,
                        double side, const char *note)
{
    struct plot_image *images = calloc((size_t)n, sizeof *images);
    if (images == NULL) {
        fprintf(stderr, "%s: out of memory\n", out->program);
        return false;
    }
    for (int i = 0; i < n; i++) {
        images[i] = (struct plot_image){ .height = DIGIT_SIDE, .width = DIGIT_SIDE, .channels = 1,
                                         .pixels = pixels + (size_t)i * DIGIT_PIXELS, .negative = true };
    }
    struct plot *p = plot_new(title);
    snprintf(p->note, sizeof p->note, "%s", note);
    plot_images(plot_panel(p, "", "", ""), n, images, columns, side);
    bool good = plot_save(out, p, name);
    plot_free(p);
    free(images);
    return good;
}

/* The numbers that cut a normal distribution into pieces of equal probability: the middle of piece i of n. Bisection. */
static double normal_quantile(double p)
{
    double low = -10, high = 10;
    for (int i = 0; i < 60; i++) {
        double x = (low + high) / 2;
        *(0.5 * erfc(-x / sqrt(2)) < p ? &low : &high) = x;
    }
    return (low + high) / 2;
}

/* The latent plane: what is painted at each of its places, more closely where N(0, 1) is denser. */
static bool draw_plane(struct vae *vae, struct plot_output *out)
{
    static float pixels[GRID_ALL * DIGIT_PIXELS], z[GRID_ALL][2];
    for (int i = 0; i < GRID_ALL; i++) {
        z[i][0] = (float)normal_quantile((i % GRID + 0.5) / GRID);
        z[i][1] = (float)normal_quantile(1 - (i / GRID + 0.5) / GRID);
    }
    decode(vae, ag_from(AG_SHAPE(GRID_ALL, 2), AG_FLOAT32, z), pixels);
    return save_images(out, "The latent plane", "plane", pixels, GRID_ALL, GRID, 28,
                       "z1 grows to the right, z2 upwards; steps of equal probability under N(0, 1)");
}

/* Where the encoder puts the test digits. */
static bool draw_scatter(struct vae *vae, data_set *test, struct plot_output *out)
{
    ag_tensor x, y;
    int64_t n = data_set_size(test) < SCATTERED ? data_set_size(test) : SCATTERED;
    double *at = malloc((size_t)n * 4 * sizeof *at);
    if (at == NULL || data_set_tensors(test, &x, &y) != AG_OK) {
        free(at);
        return false;
    }
    ag_tensor mean = nn_forward(vae->mean, nn_forward(vae->encoder, ag_narrow(x, 0, 0, n)));
    ag_read_doubles(mean, at, 2 * n);
    const int64_t *label = ag_data(y);
    struct plot *p = plot_new("Where the encoder puts the test digits");
    struct plot_panel *panel = plot_panel(p, "", "z1", "z2");
    panel->width = panel->height = 560;
    panel->equal = true;
    for (int class = 0; class < DIGIT_CLASSES; class ++) {
        double *sx = at + 2 * n, *sy = at + 3 * n;
        int64_t count = 0;
        for (int64_t i = 0; i < n; i++) {
            if (label[i] == class) {
                sx[count] = at[2 * i];
                sy[count++] = at[2 * i + 1];
            }
        }
        char name[16];
        snprintf(name, sizeof name, "%d", class);
        struct plot_series *s = plot_points(panel, name, count, sx, sy);
        s->size = 2.2;
    }
    bool good = plot_save(out, p, "scatter");
    plot_free(p);
    free(at);
    ag_drop(&x);
    ag_drop(&y);
    return good;
}

/* Rows of a picture and what became of it. */
static bool draw_reconstructions(struct vae *vae, ag_tensor x, struct plot_output *out)
{
    static float pixels[2 * SHOWN * DIGIT_PIXELS];
    ag_read(ag_contiguous(ag_narrow(x, 0, 0, SHOWN)), pixels, SHOWN * DIGIT_PIXELS);
    ag_tensor mean = nn_forward(vae->mean, nn_forward(vae->encoder, ag_narrow(x, 0, 0, SHOWN)));
    decode(vae, mean, pixels + SHOWN * DIGIT_PIXELS);
    return save_images(out, "Test digits, and what comes out", "reconstructions", pixels, 2 * SHOWN, SHOWN, 56,
                       "above: what the encoder reads; below: what the decoder paints from the latent vector");
}

/* From one digit to another along a straight line in the latent space: each row a pair of test digits of different classes. */
static bool draw_interpolation(struct vae *vae, ag_tensor x, ag_tensor y, struct plot_output *out)
{
    enum { ROWS = 5 };
    static float pixels[ROWS * BETWEEN * DIGIT_PIXELS];
    const int64_t *label = ag_data(y);
    int64_t n = ag_size(x, 0), second = 0;
    for (int row = 0; row < ROWS; row++) {
        int64_t first = row % n;
        second = (first + 1) % n;
        while (label[second] == label[first] && second != first) {
            second = (second + 1) % n;
        }
        ag_tensor ends = ag_cat(2, ((ag_tensor[]){ ag_narrow(x, 0, first, 1), ag_narrow(x, 0, second, 1) }), 0);
        ag_tensor mean = nn_forward(vae->mean, nn_forward(vae->encoder, ends)); /* (2, latent) */
        float share[BETWEEN][2];
        for (int i = 0; i < BETWEEN; i++) {
            share[i][1] = (float)i / (BETWEEN - 1);
            share[i][0] = 1 - share[i][1];
        }
        decode(vae, ag_matmul(ag_from(AG_SHAPE(BETWEEN, 2), AG_FLOAT32, share), mean), pixels + row * BETWEEN * DIGIT_PIXELS);
    }
    return save_images(out, "From one digit to another", "interpolation", pixels, ROWS * BETWEEN, BETWEEN, 56,
                       "in a straight line between two latent vectors; the ends are test digits, painted again");
}

static bool draw_samples(struct vae *vae, const struct options *o, struct plot_output *out)
{
    enum { N = 100 };
    static float pixels[N * DIGIT_PIXELS];
    ag_rng rng = ag_rng_seed((uint64_t)o->seed + 2000);
    decode(vae, ag_normal(AG_SHAPE(N, o->latent), 0, 1, AG_FLOAT32, &rng), pixels);
    return save_images(out, "Digits that nobody wrote", "samples", pixels, N, 10, 56, "decoded from points drawn from N(0, 1)");
}

static bool draw_curves(const struct course *c, struct plot_output *out)
{
    struct plot *p = plot_new("What the loss is made of");
    double x[EPOCHS_MAX];
    for (int64_t e = 0; e < c->epochs; e++) {
        x[e] = (double)e + 1;
    }
    struct plot_panel *left = plot_panel(p, "reconstruction", "epoch", "nats a picture");
    struct plot_panel *right = plot_panel(p, "divergence", "epoch", "");
    left->x.whole = right->x.whole = true;
    plot_line(left, "training digits", c->epochs, x, c->reconstruction);
    plot_line(left, "test digits", c->epochs, x, c->test_reconstruction)->dashed = true;
    plot_line(right, "training digits", c->epochs, x, c->divergence);
    plot_line(right, "test digits", c->epochs, x, c->test_divergence)->dashed = true;
    plot_print(p, stdout);
    bool good = plot_save(out, p, "curves");
    plot_free(p);
    return good;
}

static bool draw_all(struct vae *vae, const struct options *o, const struct course *course, data_set *test, struct plot_output *out)
{
    ag_scope scope = { 0 };
    ag_tensor x, y;
    nn_eval(&vae->base);
    if (data_set_tensors(test, &x, &y) != AG_OK) {
        return false;
    }
    ag_begin_no_grad(&scope);
    bool good = draw_curves(course, out) && (ag_size(x, 0) < SHOWN || draw_reconstructions(vae, x, out)) &&
                draw_samples(vae, o, out) && (ag_size(x, 0) < 2 || draw_interpolation(vae, x, y, out)) &&
                (o->latent != 2 || (draw_plane(vae, out) && draw_scatter(vae, test, out)));
    ag_end(&scope);
    ag_drop(&x);
    ag_drop(&y);
    nn_train(&vae->base);
    return good && ag_exit_status() == 0;
}

/* ---- the program --------------------------------------------------------------------------------------------------------- */

static bool run(const struct options *o)
{
    ag_rng rng = ag_rng_seed((uint64_t)o->seed);
    struct digits digits;
    if (!digits_open(&digits, o, &rng)) {
        return false;
    }
    data_set *test_digits = digits_test(&digits), *train_digits = digits_take(&digits.train);
    if (test_digits == NULL) {
        data_set_free(train_digits);
        digits_close(&digits);
        return false;
    }
    data_loader_config batches = data_loader_defaults();
    batches.batch = o->batch;
    batches.shuffle = true;
    data_loader *loader = data_loader_new(data_set_share(train_digits), batches, &rng);
    data_loader *test = evaluate_loader(data_set_share(test_digits));
    struct vae *vae = vae_new(o);
    nn_init(&vae->base, &rng);
    static struct course course;
    struct plot_output out = { .program = o->program, .folder = o->pictures, .svg = o->svg };
    json_t *record = record_begin(o);
    int64_t samples = data_loader_samples(loader);
    int epochs = o->epochs > 0 ? o->epochs : samples < 20000 ? EPOCHS_OF_SMALL_SETS : EPOCHS_OF_LARGE_SETS;
    printf("%s: %lld digits from %s; %s network, %lld parameters, %lld latent numbers\n"
           "%d epochs, batches of %lld, Adam with rate %g, beta %g, seed %lld, %d threads\n\n",
           o->program, (long long)samples, digits.folder, nets[o->net],
           (long long)nn_count_parameters(&vae->base, false), (long long)o->latent, epochs, (long long)o->batch, o->lr, o->beta,
           (long long)o->seed, ag_threads());
    bool good = train(vae, o, epochs, loader, test, &rng, &course);
    if (good && course.epochs > 0) {
        int64_t last = course.epochs - 1;
        double both = course.test_reconstruction[last] + course.test_divergence[last];
        printf("\ntest loss %.2f nats a picture: reconstruction %.2f, divergence %.2f (what the divergence costs is what the\n"
               "latent vector carries: %.1f bits); weights %016llx\n",
               both, course.test_reconstruction[last], course.test_divergence[last], course.test_divergence[last] / log(2),
               (unsigned long long)nn_hash(&vae->base));
        json_object_set_new(record, "reconstruction", record_numbers(course.epochs, course.reconstruction));
        json_object_set_new(record, "divergence", record_numbers(course.epochs, course.divergence));
        json_object_set_new(record, "test_reconstruction", record_numbers(course.epochs, course.test_reconstruction));
        json_object_set_new(record, "test_divergence", record_numbers(course.epochs, course.test_divergence));
        json_object_set_new(record, "weights_hash", record_hash(nn_hash(&vae->base)));
        good = (o->from_saved || cut_lesson(o, train_digits, test, record)) && draw_all(vae, o, &course, test_digits, &out);
    }
    good = record_write(o, record) && good;
    nn_free(&vae->base);
    data_loader_free(test);
    data_loader_free(loader);
    data_set_free(test_digits);
    data_set_free(train_digits);
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
        .usual_epochs = "10;\n30 when there are fewer than 20000 digits to train on",
        .nets = nets,
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
    if (!report_possible(&options)) {
        return EXIT_FAILURE;
    }
    return saving_exit_status(run(&options));
}
