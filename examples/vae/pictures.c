/*
 * What is drawn: the latent space from several sides.
 */
#include "vae.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/evaluate.h"
#include "common/generative.h"

enum { GRID = 20, GRID_ALL = GRID * GRID, SAMPLES = 100, SHOWN = 10, BETWEEN = 10, PAIRS = 5, SCATTERED = 3000 };

static void decode(struct vae *vae, ag_tensor z, float *pixels)
{
    ag_read(vae_decode(vae, z), pixels, ag_size(z, 0) * DIGIT_PIXELS);
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

/* What is painted at each place of the plane, more closely where N(0, 1) is denser. */
static struct plot *plot_plane(struct vae *vae, const struct options *o, const char *title)
{
    static float pixels[GRID_ALL * DIGIT_PIXELS], z[GRID_ALL][2];
    for (int i = 0; i < GRID_ALL; i++) {
        z[i][0] = (float)normal_quantile((i % GRID + 0.5) / GRID);
        z[i][1] = (float)normal_quantile(1 - (i / GRID + 0.5) / GRID);
    }
    decode(vae, ag_from(AG_SHAPE(GRID_ALL, 2), AG_FLOAT32, z), pixels);
    return generative_plot(o->program, title, pixels, GRID_ALL, GRID, 28,
                           "z1 grows to the right, z2 upwards; steps of equal probability under N(0, 1)");
}

ag_tensor vae_samples(struct vae *vae, const struct options *o, int64_t first, int64_t n)
{
    ag_tensor *rows = malloc((size_t)n * sizeof *rows);
    if (rows == NULL) {
        return AG_NIL;
    }
    for (int64_t i = 0; i < n; i++) { /* each has random numbers of its own, so that many in pieces are the same as at once */
        ag_rng rng = ag_rng_seed((uint64_t)o->seed + 2000 + (uint64_t)(first + i));
        rows[i] = ag_normal(AG_SHAPE(1, o->latent), 0, 1, AG_FLOAT32, &rng);
    }
    ag_tensor y = vae_decode(vae, ag_cat((int)n, rows, 0));
    free(rows);
    return y;
}

static struct plot *plot_samples(struct vae *vae, const struct options *o, const char *title)
{
    static float pixels[SAMPLES * DIGIT_PIXELS];
    ag_read(vae_samples(vae, o, 0, SAMPLES), pixels, SAMPLES * DIGIT_PIXELS);
    return generative_plot(o->program, title, pixels, SAMPLES, 10, 40, "decoded from points drawn from N(0, 1)");
}

struct plot *plot_decoded(struct vae *vae, const struct options *o, const char *title)
{
    return o->latent == 2 ? plot_plane(vae, o, title) : plot_samples(vae, o, title);
}

/* Where the encoder puts the test pictures. */
static bool draw_scatter(struct vae *vae, bool clothes, ag_tensor x, ag_tensor y, struct plot_output *out)
{
    int64_t n = ag_size(x, 0) < SCATTERED ? ag_size(x, 0) : SCATTERED;
    double *at = malloc((size_t)n * 4 * sizeof *at);
    if (at == NULL) {
        fprintf(stderr, "%s: out of memory\n", out->program);
        return false;
    }
    ag_read_doubles(vae_encode(vae, ag_narrow(x, 0, 0, n)), at, 2 * n);
    const int64_t *label = ag_data(y);
    struct plot *p = plot_new("Where the encoder puts the test pictures");
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
        struct plot_series *s = plot_points(panel, generative_class(clothes, class), count, sx, sy);
        s->size = 2.2;
    }
    bool good = plot_save(out, p, "scatter");
    plot_free(p);
    free(at);
    return good;
}

/* Rows of a picture and what became of it. */
static bool draw_reconstructions(struct vae *vae, ag_tensor x, struct plot_output *out)
{
    static float pixels[2 * SHOWN * DIGIT_PIXELS];
    ag_tensor first = ag_contiguous(ag_narrow(x, 0, 0, SHOWN));
    ag_read(first, pixels, SHOWN * DIGIT_PIXELS);
    decode(vae, vae_encode(vae, first), pixels + SHOWN * DIGIT_PIXELS);
    return generative_save(out, "Test pictures, and what comes out", "reconstructions", pixels, 2 * SHOWN, SHOWN, 56,
                           "above: what the encoder reads; below: what the decoder paints from the latent vector");
}

/* Ten pictures on a straight line in the latent space, from test picture `first` to test picture `second`. */
static void between(struct vae *vae, ag_tensor x, int64_t first, int64_t second, float *pixels)
{
    ag_tensor ends = ag_cat(2, ((ag_tensor[]){ ag_narrow(x, 0, first, 1), ag_narrow(x, 0, second, 1) }), 0);
    float share[BETWEEN][2];
    for (int i = 0; i < BETWEEN; i++) {
        share[i][1] = (float)i / (BETWEEN - 1);
        share[i][0] = 1 - share[i][1];
    }
    decode(vae, ag_matmul(ag_from(AG_SHAPE(BETWEEN, 2), AG_FLOAT32, share), vae_encode(vae, ends)), pixels);
}

/* Pairs of test pictures of different classes, or the two that were asked for, in between the pictures themselves. */
static bool draw_interpolation(struct vae *vae, struct wishes w, ag_tensor x, ag_tensor y, struct plot_output *out)
{
    static float pixels[PAIRS * BETWEEN * DIGIT_PIXELS], given[(BETWEEN + 2) * DIGIT_PIXELS];
    const int64_t *label = ag_data(y);
    int64_t n = ag_size(x, 0);
    if (w.from >= 0) {
        ag_read(ag_contiguous(ag_narrow(x, 0, w.from, 1)), given, DIGIT_PIXELS);
        between(vae, x, w.from, w.to, given + DIGIT_PIXELS);
        ag_read(ag_contiguous(ag_narrow(x, 0, w.to, 1)), given + (BETWEEN + 1) * DIGIT_PIXELS, DIGIT_PIXELS);
        char title[96];
        snprintf(title, sizeof title, "From test picture %lld (%s) to %lld (%s)", (long long)w.from,
                 generative_class(w.clothes, label[w.from]), (long long)w.to, generative_class(w.clothes, label[w.to]));
        printf("%s\n", title);
        return generative_save(out, title, "interpolation", given, BETWEEN + 2, BETWEEN + 2, 56,
                               "the pictures themselves at both ends; between them, what is decoded on a straight line");
    }
    for (int row = 0; row < PAIRS; row++) {
        int64_t first = row % n, second = (first + 1) % n;
        while (label[second] == label[first] && second != first) {
            second = (second + 1) % n;
        }
        between(vae, x, first, second, pixels + row * BETWEEN * DIGIT_PIXELS);
    }
    return generative_save(out, "From one picture to another", "interpolation", pixels, PAIRS * BETWEEN, BETWEEN, 56,
                           "in a straight line between two latent vectors; the ends are test pictures, painted again");
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
    plot_line(left, "training pictures", c->epochs, x, c->reconstruction);
    plot_line(left, "test pictures", c->epochs, x, c->test_reconstruction)->dashed = true;
    plot_line(right, "training pictures", c->epochs, x, c->divergence);
    plot_line(right, "test pictures", c->epochs, x, c->test_divergence)->dashed = true;
    plot_print(p, stdout);
    bool good = plot_save(out, p, "curves");
    plot_free(p);
    return good;
}

static bool save(struct plot_output *out, struct plot *p, const char *name)
{
    bool good = p != NULL && plot_save(out, p, name);
    plot_free(p);
    return good;
}

bool draw_all(struct vae *vae, const struct options *o, struct wishes w, const struct course *course, data_set *test,
              struct plot_output *out)
{
    ag_scope scope = { 0 };
    ag_tensor x, y;
    nn_eval(&vae->base);
    if (data_set_tensors(test, &x, &y) != AG_OK) {
        return false;
    }
    const char *title = w.clothes ? "Clothes that nobody wore" : w.pngs ? "Pictures that nobody made" : "Digits that nobody wrote";
    ag_begin_no_grad(&scope);
    bool good = draw_curves(course, out) && (ag_size(x, 0) < SHOWN || draw_reconstructions(vae, x, out)) &&
                save(out, plot_samples(vae, o, title), "samples") &&
                (ag_size(x, 0) < 2 || draw_interpolation(vae, w, x, y, out)) &&
                (o->latent != 2 ||
                 (save(out, plot_plane(vae, o, "The latent plane"), "plane") && draw_scatter(vae, w.clothes, x, y, out)));
    ag_end(&scope);
    ag_drop(&x);
    ag_drop(&y);
    nn_train(&vae->base);
    return good && ag_exit_status() == 0;
}
