/*
 * Part 5: when no line will do. Of three kinds of iris, versicolor lies between the two others, so no line cuts it off. A hidden
 * layer bends the plane until one does: the last layer is still a logistic regression, but of what the hidden layer made of the
 * measurements. With two hidden units that can be looked at.
 */
#include "logistic.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/landscape.h"

enum { SIDE = 90, MESH = 13, FRAMES = 40, EPOCHS_TIMES = 8, RATE_TIMES = 2 };
static const char measurements[] = "petal length, petal width";
static const char asked[] = "versicolor";

struct flowers {
    data_table *table;
    data_set *kinds; /* three classes, for the colours */
    data_set *asked; /* two: versicolor or not */
    data_transform *scale;
    struct landscape_points points;
};

/* The same flowers with the question "versicolor?" as their class. */
static data_set *ask(data_set *kinds)
{
    int64_t n = data_set_size(kinds);
    float *x = malloc((size_t)n * 2 * sizeof *x);
    int64_t *y = malloc((size_t)n * sizeof *y);
    data_set *set = NULL;
    for (int64_t i = 0; x != NULL && y != NULL && i < n; i++) {
        int64_t kind = 0;
        data_set_read(kinds, i, x + 2 * i, &kind);
        y[i] = strcmp(data_set_class_name(kinds, kind), asked) == 0;
    }
    if (x != NULL && y != NULL) {
        set = data_arrays(n, x, AG_SHAPE(2), AG_FLOAT32, y, AG_SHAPE_SCALAR, AG_INT64);
    }
    free(x);
    free(y);
    return set;
}

static bool open_flowers(struct flowers *f, const struct options *o)
{
    char path[TABLES_PATH];
    *f = (struct flowers){ 0 };
    struct options embedded = *o;
    embedded.data = NULL; /* --data names a table of cells */
    if (!tables_find(&embedded, "iris.csv", path)) {
        return false;
    }
    data_table_config columns = data_table_defaults();
    columns.x = measurements;
    columns.y = "species";
    columns.classes = true;
    f->table = data_csv_read(path, data_csv_defaults());
    f->kinds = data_table_to_set(f->table, columns);
    f->asked = ask(f->kinds);
    if (f->asked == NULL || !landscape_points(&f->points, f->kinds)) {
        fprintf(stderr, "%s: out of memory\n", o->program);
        return false;
    }
    f->scale = data_standard_scaler(f->kinds, data_scaler_defaults());
    return ag_exit_status() == 0;
}

static void close_flowers(struct flowers *f)
{
    landscape_points_free(&f->points);
    data_transform_free(f->scale);
    data_set_free(f->asked);
    data_set_free(f->kinds);
    data_table_free(f->table);
}

/* Eight units to bend with, two to be looked at; then a logistic regression of these two. */
static nn_module *new_network(ag_rng *rng)
{
    nn_module *hidden = nn_sequential(nn_linear(2, 8), nn_tanh(), nn_linear(8, 2), nn_tanh());
    nn_module *net = nn_sequential(hidden, nn_linear(2, 1));
    nn_init(net, rng);
    return net;
}

static struct training hidden_training(const struct options *o, ag_rng *rng, const char *part)
{
    struct training t = training_of(o, rng, part);
    t.epochs *= EPOCHS_TIMES;
    t.lr *= RATE_TIMES;
    t.decay = 0.01;
    return t;
}

/* ---- an honest judgement of both -------------------------------------------------------------------------------------------- */

static bool judge_both(struct lesson *l, const struct flowers *f, double accuracy[2])
{
    ag_rng rng = ag_rng_seed((uint64_t)l->options->seed + 3);
    data_set *train_part[FOLDS], *test_part[FOLDS];
    if (data_k_fold_stratified(f->asked, FOLDS, &rng, train_part, test_part) != AG_OK) {
        return false;
    }
    struct answers model[2] = { { 0 } };
    bool good = answers_new(&model[0], l->options, data_set_size(f->asked)) &&
                answers_new(&model[1], l->options, data_set_size(f->asked));
    for (int k = 0; good && k < FOLDS; k++) {
        data_transform *scale = data_standard_scaler(train_part[k], data_scaler_defaults());
        data_set *learn = data_transform_x(train_part[k], scale),
                 *test = data_transform_x(test_part[k], scale);
        nn_module *net[2] = { new_line(2), new_network(&rng) };
        for (int m = 0; good && m < 2; m++) {
            char part[32];
            snprintf(part, sizeof part, "hidden-%d-%s", k + 1, m == 0 ? "line" : "network");
            good = train(l, net[m], learn, hidden_training(l->options, &rng, part));
            answers_add(&model[m], net[m], test);
        }
        nn_free(net[0]);
        nn_free(net[1]);
        data_set_free(test);
        data_set_free(learn);
        data_transform_free(scale);
    }
    for (int m = 0; m < 2; m++) {
        accuracy[m] = good ? judge_accuracy(model[m].n, model[m].p, model[m].truth) : NAN;
        answers_free(&model[m]);
    }
    for (int k = 0; k < FOLDS; k++) {
        data_set_free(train_part[k]);
        data_set_free(test_part[k]);
    }
    return good && ag_exit_status() == 0;
}

/* ---- pictures ---------------------------------------------------------------------------------------------------------------- */

/* Which side of its boundary a network with one output puts each place. */
static bool draw_sides(struct plot_panel *panel, nn_module *net, data_transform *scale,
                       struct plot_grid grid)
{
    static const double boundary[1] = { 0 };
    double *logit = landscape_answers(net, scale, grid, 1);
    double *class = malloc((size_t)(grid.rows * grid.columns) * sizeof *class),
           *sure = malloc((size_t)(grid.rows * grid.columns) * sizeof *sure);
    bool good = logit != NULL && class != NULL && sure != NULL;
    for (int64_t i = 0; good && i < grid.rows * grid.columns; i++) {
        double p = 1 / (1 + exp(-logit[i]));
        class[i] = p >= 0.5 ? PLOT_VERMILION : PLOT_GREY;
        sure[i] = fabs(2 * p - 1);
    }
    if (good) {
        grid.values = class;
        plot_regions(panel, grid, sure);
        grid.values = logit;
        struct plot_series *line = plot_contours(panel, grid, 1, boundary);
        line->fill = false;
        line->colour = PLOT_INK;
    }
    free(sure);
    free(class);
    free(logit);
    return good;
}

static bool draw_plane(struct plot *p, const char *title, const struct flowers *f, nn_module *net)
{
    struct plot_panel *panel =
        plot_panel(p, title, data_set_x_name(f->kinds, 0), data_set_x_name(f->kinds, 1));
    panel->width = 400;
    panel->height = 360;
    bool good = draw_sides(panel, net, f->scale, landscape_grid(&f->points, SIDE, SIDE));
    landscape_draw_points(panel, &f->points, f->kinds, NULL);
    return good;
}

/* Squared paper laid over the measurements, as the hidden layer sees it. */
static bool draw_mesh(struct plot_panel *panel, const struct flowers *f, nn_module *hidden)
{
    enum { STEPS = 8, FINE = STEPS * (MESH - 1) + 1 };
    struct plot_grid grid = landscape_grid(&f->points, FINE, FINE);
    double *at = landscape_answers(hidden, f->scale, grid, 2), x[FINE], y[FINE];
    for (int line = 0; at != NULL && line < FINE; line += STEPS) {
        for (int turned = 0; turned < 2; turned++) {
            for (int i = 0; i < FINE; i++) {
                int64_t place = turned ? (int64_t)i * FINE + line : (int64_t)line * FINE + i;
                x[i] = at[2 * place];
                y[i] = at[2 * place + 1];
            }
            struct plot_series *s = plot_line(panel, "", FINE, x, y);
            s->colour = PLOT_GREY;
            s->width = 0.4;
        }
    }
    free(at);
    return at != NULL;
}

static bool draw_hidden(struct plot *p, const struct flowers *f, nn_module *net)
{
    nn_module *hidden = nn_sequential_child(net, 0), *last = nn_sequential_child(net, 1);
    struct plot_panel *panel =
        plot_panel(p, "the same plane as the hidden layer sees it", "hidden unit 1", "hidden unit 2");
    panel->width = 400;
    panel->height = 360;
    panel->x.low = panel->y.low = -1.1;
    panel->x.high = panel->y.high = 1.1;
    struct plot_grid all = { .rows = SIDE, .columns = SIDE, .x_low = -1.1, .x_high = 1.1, .y_low = -1.1, .y_high = 1.1 };
    bool good = draw_sides(panel, last, NULL, all) && draw_mesh(panel, f, hidden);

    struct landscape_points moved = f->points;
    float *place = malloc((size_t)moved.n * 2 * sizeof *place);
    double *at = malloc((size_t)moved.n * 2 * sizeof *at), *x = malloc((size_t)moved.n * sizeof *x),
           *y = malloc((size_t)moved.n * sizeof *y);
    good = good && place != NULL && at != NULL && x != NULL && y != NULL;
    if (good) {
        for (int64_t i = 0; i < moved.n; i++) {
            place[2 * i] = (float)moved.x[i];
            place[2 * i + 1] = (float)moved.y[i];
        }
        ag_scope scope = { 0 };
        ag_begin_no_grad(&scope);
        ag_tensor scaled =
            data_transform_apply(f->scale, ag_from(AG_SHAPE(moved.n, 2), AG_FLOAT32, place));
        ag_read_doubles(nn_forward(hidden, scaled), at, 2 * moved.n);
        ag_end(&scope);
        for (int64_t i = 0; i < moved.n; i++) {
            x[i] = at[2 * i];
            y[i] = at[2 * i + 1];
        }
        moved.x = x;
        moved.y = y;
        landscape_draw_points(panel, &moved, f->kinds, NULL);
    }
    free(y);
    free(x);
    free(at);
    free(place);
    return good;
}

/* ---- training, watched --------------------------------------------------------------------------------------------------------- */

struct film {
    struct lesson *lesson;
    const struct flowers *flowers;
    nn_module *net;
    struct plot_animation animation;
    bool drawing;
    int epochs, shown;
};

/* Frames are close together at the beginning, where most happens. */
static bool watch(void *user, int epoch)
{
    struct film *film = user;
    double share = (double)film->shown / (FRAMES - 1);
    if (!film->drawing || epoch < (int)(film->epochs * share * share)) {
        return true;
    }
    film->shown++;
    struct plot *p = plot_new("A hidden layer bends the plane");
    bool good = draw_plane(p, "the measurements", film->flowers, film->net) &&
                draw_hidden(p, film->flowers, film->net);
    snprintf(p->note, sizeof p->note, "epoch %d of %d", epoch, film->epochs);
    good = good && plot_animation_add(&film->animation, p, 1.25);
    plot_free(p);
    return good;
}

static bool draw_all(struct lesson *l, const struct flowers *f)
{
    ag_rng rng = ag_rng_seed((uint64_t)l->options->seed + 4);
    data_set *scaled = data_transform_x(f->asked, f->scale);
    nn_module *line = new_line(2), *net = new_network(&rng);
    struct training t = hidden_training(l->options, &rng, NULL);
    struct film film = { .lesson = l,
                         .flowers = f,
                         .net = net,
                         .drawing = l->out.folder != NULL,
                         .epochs = t.epochs };
    bool good = train(l, line, scaled, t);
    if (good && film.drawing) {
        good = plot_animation_begin(&film.animation, &l->out, "bending", 120);
    }
    t.watch = watch;
    t.user = &film;
    good = good && train(l, net, scaled, t);
    if (film.drawing) {
        good = plot_animation_end(&film.animation, 3000) && good;
    }
    if (good) {
        struct plot *p = plot_new("Is it versicolor? No line will do; a hidden layer makes one do");
        good = draw_plane(p, "logistic regression", f, line) &&
               draw_plane(p, "with a hidden layer", f, net) && draw_hidden(p, f, net) &&
               plot_save(&l->out, p, "hidden");
        plot_free(p);
        json_object_set_new(l->record, "hidden_hash", record_hash(nn_hash(net)));
    }
    nn_free(net);
    nn_free(line);
    data_set_free(scaled);
    return good;
}

bool hidden_part(struct lesson *l)
{
    struct flowers f;
    double accuracy[2];
    printf("5. When no line will do: is an iris versicolor? By %s it lies between the two others\n\n",
           measurements);
    fflush(stdout);
    bool good = open_flowers(&f, l->options) && judge_both(l, &f, accuracy);
    if (good) {
        printf("  5-fold accuracy of a line %.1f %%, with hidden layers of 8 and 2 units %.1f %%; "
               "always no: 66.7 %%\n\n",
               100 * accuracy[0], 100 * accuracy[1]);
        json_object_set_new(l->record, "line_accuracy", record_number(accuracy[0]));
        json_object_set_new(l->record, "hidden_accuracy", record_number(accuracy[1]));
        good = draw_all(l, &f);
    }
    close_flowers(&f);
    return good;
}
