/*
 * The figures of a finished run. It must not know how figures are drawn.
 */
#include "charts.h"

#include <math.h>
#include <stdlib.h>

/* ---- learning curves ----------------------------------------------------------------------- */

struct curve {
    const char *title;
    double scale; /* 100 for percent */
    double (*training)(const struct history_epoch *e);
    double (*validation)(const struct history_epoch *e);
};

static double train_loss(const struct history_epoch *e)
{
    return e->train_loss;
}
static double validation_loss(const struct history_epoch *e)
{
    return e->validation_loss;
}
static double train_accuracy(const struct history_epoch *e)
{
    return e->train_accuracy;
}
static double validation_accuracy(const struct history_epoch *e)
{
    return e->validation_accuracy;
}

static const struct curve curve_loss = { "loss", 1, train_loss, validation_loss };
static const struct curve curve_accuracy = { "accuracy in %", 100, train_accuracy,
                                             validation_accuracy };

enum { POINTS_SHOWN = 40 };

static void add_line(struct plot_panel *panel, const char *label, const struct history *h,
                     double scale, double (*value)(const struct history_epoch *e))
{
    double *epoch = calloc((size_t)h->count + 1, sizeof *epoch),
           *values = calloc((size_t)h->count + 1, sizeof *values);
    for (int i = 0; epoch != NULL && values != NULL && i < h->count; i++) {
        epoch[i] = i + 1;
        values[i] = scale * value(&h->epoch[i]);
    }
    if (epoch != NULL && values != NULL) {
        plot_line(panel, label, h->count, epoch, values)->points = h->count <= POINTS_SHOWN;
    } else {
        panel->figure->failed = true;
    }
    free(epoch);
    free(values);
}

static void add_curve(struct plot *p, const struct curve *c, const struct history *h)
{
    struct plot_panel *panel = plot_panel(p, c->title, "epoch", "");
    if (h->validated && h->best >= 0) {
        plot_mark(panel, "", h->best + 1, NAN);
    }
    add_line(panel, "training", h, c->scale, c->training);
    if (h->validated) {
        add_line(panel, "validation", h, c->scale, c->validation);
    }
    panel->height = 270;
    panel->x.whole = true;
    if (h->count < 2) { /* one point has its place in the middle */
        panel->x.low = 0;
        panel->x.high = 2;
    }
}

struct plot *charts_curves(const struct options *o, const struct history *h)
{
    char title[PLOT_TEXT];
    snprintf(title, sizeof title, "%s: learning curves, seed %lld", o->program, (long long)o->seed);
    struct plot *p = plot_new(title);
    add_curve(p, &curve_loss, h);
    add_curve(p, &curve_accuracy, h);
    if (h->validated) {
        snprintf(p->note, sizeof p->note, "dashed: epoch %d, whose weights were kept", h->best + 1);
    }
    return p;
}

/* ---- confusion matrix ---------------------------------------------------------------------- */

struct plot *charts_confusion(const struct options *o, const struct evaluation *test)
{
    static const char *const digits[DIGIT_CLASSES] = { "0", "1", "2", "3", "4",
                                                       "5", "6", "7", "8", "9" };
    char title[PLOT_TEXT];
    snprintf(title, sizeof title, "%s: test accuracy %.2f %%", o->program, 100 * test->accuracy);
    struct plot *p = plot_new(title);
    struct plot_panel *panel =
        plot_panel(p, "Confusion matrix of the test digits", "read as", "true digit");
    plot_confusion(panel, DIGIT_CLASSES, &test->confusion[0][0], digits);
    return p;
}

/* ---- mistakes ------------------------------------------------------------------------------ */

struct plot *charts_mistakes(const struct options *o, const struct evaluation *test)
{
    enum { COLUMNS = 8, SIDE = 84 };
    long long wrong = (long long)(test->samples - test->right);
    char title[PLOT_TEXT];
    snprintf(title, sizeof title, "%s: wrongly classified digits", o->program);
    struct plot *p = plot_new(title);
    struct plot_panel *panel = plot_panel(p, "", "", "");
    if (wrong == 0) {
        snprintf(panel->title, PLOT_TEXT, "none in %lld test digits", (long long)test->samples);
    } else if (wrong > test->mistakes) {
        snprintf(panel->title, PLOT_TEXT, "the %d surest of %lld mistakes in %lld test digits",
                 test->mistakes, wrong, (long long)test->samples);
    } else {
        snprintf(panel->title, PLOT_TEXT, "all %lld mistakes in %lld test digits, the surest first",
                 wrong, (long long)test->samples);
    }
    struct plot_image images[MISTAKES_KEPT] = { { 0 } };
    for (int i = 0; i < test->mistakes; i++) {
        const struct mistake *m = &test->worst[i];
        images[i] = (struct plot_image){ .height = DIGIT_SIDE,
                                         .width = DIGIT_SIDE,
                                         .channels = 1,
                                         .pixels = m->pixels,
                                         .negative = true };
        snprintf(images[i].left, PLOT_TEXT, "true %d", m->truth);
        snprintf(images[i].right, PLOT_TEXT, "read %d", m->guess);
        snprintf(images[i].below, PLOT_TEXT, "%.1f %% sure", 100 * m->confidence);
    }
    plot_images(panel, test->mistakes, images, COLUMNS, SIDE);
    return p;
}

/* ---- out ----------------------------------------------------------------------------------- */

void charts_print(const struct options *o, const struct history *h, const struct evaluation *test)
{
    if (h->count > 0) {
        struct plot *curves = charts_curves(o, h);
        snprintf(curves->title, PLOT_TEXT, "Learning curves");
        plot_print(curves, stdout);
        plot_free(curves);
    }
    struct plot *confusion = charts_confusion(o, test);
    confusion->title[0] = '\0';
    plot_print(confusion, stdout);
    plot_free(confusion);
}

static bool save(struct plot_output *out, struct plot *p, const char *name)
{
    bool good = plot_save(out, p, name);
    plot_free(p);
    return good;
}

bool charts_save(const struct options *o, const struct history *h, const struct evaluation *test)
{
    struct plot_output out = { .program = o->program, .folder = o->pictures, .svg = o->svg };
    return save(&out, charts_curves(o, h), "learning-curve") &&
           save(&out, charts_confusion(o, test), "confusion") &&
           save(&out, charts_mistakes(o, test), "mistakes");
}
