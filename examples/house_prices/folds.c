/*
 * Parts 1 and 2: four-fold cross-validation, and how far its result can be trusted.
 *
 * In each fold a quarter of the districts is set aside. Of the other three quarters a fifth is watched while the network trains on
 * the rest: the epoch that does best there is kept. The quarter itself is read once, when nothing can be changed any more.
 */
#include "houses.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORST = 3, SEEDS_MAX = 100 };

/* One fold: the courses of training, and the error on the quarter. */
struct fold {
    struct model m;
    int64_t train, watch, test; /* districts */
    double error;
};

struct validation {
    struct fold fold[FOLDS];
    double *
        guess; /* [n] each district guessed by the network that had not seen it; by number of the row */
    double error; /* mean of the folds */
};

static void validation_free(struct validation *v)
{
    for (int k = 0; k < FOLDS; k++) {
        model_free(&v->fold[k].m);
    }
    free(v->guess);
    *v = (struct validation){ 0 };
}

/* The rows of the table as a set whose target is the row's number: what a split of it has, can be looked up. */
static data_set *row_numbers(int64_t n)
{
    int64_t *rows = malloc((size_t)n * sizeof *rows);
    data_set *set = NULL;
    for (int64_t i = 0; rows != NULL && i < n; i++) {
        rows[i] = i;
    }
    if (rows != NULL) {
        set = data_arrays(n, rows, AG_SHAPE(1), AG_INT64, rows, AG_SHAPE(1), AG_INT64);
    }
    free(rows);
    return set;
}

static bool cross_validate(const struct lesson *l, uint64_t seed, bool hidden, const char *name,
                           bool quiet, struct validation *v)
{
    static const double shares[2] = { 0.8, 0.2 };
    const struct options *o = l->options;
    data_set *others[FOLDS], *quarter[FOLDS], *other_rows[FOLDS], *quarter_rows[FOLDS];
    *v = (struct validation){ 0 };
    v->guess = malloc((size_t)l->n * sizeof *v->guess);
    double *guess = malloc((size_t)l->n * sizeof *guess);
    data_set *rows = row_numbers(l->n);
    bool good = v->guess != NULL && guess != NULL && rows != NULL;
    if (!good) {
        fprintf(stderr, "%s: out of memory\n", o->program);
    }
    ag_rng rng = ag_rng_seed(seed), again = ag_rng_seed(seed);
    if (good && data_k_fold(l->houses, FOLDS, &rng, others, quarter) == AG_OK &&
        data_k_fold(rows, FOLDS, &again, other_rows, quarter_rows) == AG_OK) {
        for (int k = 0; k < FOLDS; k++) {
            struct fold *f = &v->fold[k];
            data_set *parts[2];
            char part[64];
            snprintf(part, sizeof part, "%s-seed-%llu-fold-%d", name, (unsigned long long)seed,
                     k + 1);
            good = good && data_split_shares(others[k], 2, shares, &rng, parts) == AG_OK;
            if (good) {
                struct plan plan = { .train = parts[0],
                                     .watch = parts[1],
                                     .hidden = hidden,
                                     .epochs = o->epochs,
                                     .patience = o->patience,
                                     .seed = seed * FOLDS + (uint64_t)k,
                                     .name = part,
                                     .quiet = quiet };
                f->train = data_set_size(parts[0]);
                f->watch = data_set_size(parts[1]);
                f->test = data_set_size(quarter[k]);
                good = train(o, &plan, &f->m) && model_guess(&f->m, quarter[k], guess);
                double sum = 0;
                for (int64_t i = 0; good && i < f->test; i++) {
                    int64_t row;
                    good = data_set_read(quarter_rows[k], i, NULL, &row) == AG_OK;
                    v->guess[row] = guess[i];
                    sum += fabs(guess[i] - l->prices[row]);
                }
                f->error = sum / (double)f->test;
                v->error += f->error / FOLDS;
                data_set_free(parts[0]);
                data_set_free(parts[1]);
            }
            data_set_free(others[k]);
            data_set_free(quarter[k]);
            data_set_free(other_rows[k]);
            data_set_free(quarter_rows[k]);
        }
    }
    data_set_free(rows);
    free(guess);
    return good && ag_exit_status() == 0;
}

/* ---- 1. One cross-validation, looked at closely ---------------------------------------------------------------------------- */

static bool draw_folds(struct lesson *l, const struct validation *v)
{
    double *epochs = malloc((size_t)l->options->epochs * sizeof *epochs);
    if (epochs == NULL) {
        fprintf(stderr, "%s: out of memory\n", l->options->program);
        return false;
    }
    for (int i = 0; i < l->options->epochs; i++) {
        epochs[i] = i + 1;
    }
    struct plot *p = plot_new("Four folds: mean absolute error, thousand dollars");
    p->columns = FOLDS;
    for (int k = 0; k < FOLDS; k++) {
        const struct fold *f = &v->fold[k];
        char title[PLOT_TEXT];
        snprintf(title, sizeof title, "fold %d: %.2f on the test quarter", k + 1, f->error);
        struct plot_panel *panel = plot_panel(p, title, "epoch", k == 0 ? "error" : "");
        panel->width = k == 0 ? 330 : 300;
        panel->y.low = 0;
        panel->y.high = 5;
        panel->x.whole = true;
        panel->x.low = 1;
        plot_line(panel, "districts to train on", f->m.epochs, epochs, f->m.train_error)->width =
            1.6;
        plot_line(panel, "districts watched", f->m.epochs, epochs, f->m.watch_error)->width = 1.6;
        plot_mark(panel, "kept", (double)f->m.best, NAN);
    }
    free(epochs);
    bool good = plot_save(&l->out, p, "folds");
    plot_free(p);

    p = plot_new("Every district, guessed by a network that had not seen it");
    struct plot_panel *panel =
        plot_panel(p, "", "price, thousand dollars", "guess, thousand dollars");
    panel->width = 480;
    panel->height = 460;
    double low = INFINITY, high = -INFINITY;
    for (int64_t i = 0; i < l->n; i++) {
        low = fmin(low, l->prices[i]);
        high = fmax(high, l->prices[i]);
    }
    double ends[2] = { low, high };
    struct plot_series *line = plot_line(panel, "guess = price", 2, ends, ends);
    line->colour = PLOT_GREY;
    line->dashed = true;
    struct plot_series *dots = plot_points(panel, "a district", l->n, l->prices, v->guess);
    dots->colour = PLOT_BLUE;
    dots->mark = 0;
    dots->size = 2.2;
    good = plot_save(&l->out, p, "guesses") && good;
    plot_free(p);
    return good;
}

/* The districts that were guessed worst: looking at them is worth more than another layer. */
static void print_worst(const struct lesson *l, const struct validation *v)
{
    int64_t shown[WORST];
    printf("\nFarthest off:");
    for (int w = 0; w < WORST && w < l->n; w++) {
        int64_t worst = -1;
        for (int64_t i = 0; i < l->n; i++) {
            bool before = false;
            for (int k = 0; k < w; k++) {
                before = before || shown[k] == i;
            }
            if (!before && (worst < 0 || fabs(v->guess[i] - l->prices[i]) >
                                             fabs(v->guess[worst] - l->prices[worst]))) {
                worst = i;
            }
        }
        shown[w] = worst;
        printf("%s line %lld: %.1f, guessed %.1f", w == 0 ? "" : ";",
               (long long)data_table_line(l->table, worst), l->prices[worst], v->guess[worst]);
    }
    printf("\n");
}

bool folds_part(struct lesson *l)
{
    const struct options *o = l->options;
    struct validation v;
    printf("1. Four-fold cross-validation: a network %lld-%d-%d-1, at most %d epochs, batches of "
           "%lld, AdamW with rate %g\n\n"
           "  fold   train   watch    test   epochs   kept   error: train    watch     test\n",
           (long long)ag_shape_numel(data_set_x_shape(l->houses)), HIDDEN, HIDDEN, o->epochs,
           (long long)o->batch, o->lr);
    fflush(stdout);
    bool good = cross_validate(l, (uint64_t)o->seed, true, "network", false, &v);
    double error[FOLDS];
    json_t *list = json_array();
    for (int k = 0; good && k < FOLDS; k++) {
        const struct fold *f = &v.fold[k];
        int64_t best = f->m.best - 1;
        error[k] = f->error;
        printf("  %4d %7lld %7lld %7lld %8lld %6lld %14.3f %8.3f %8.3f\n", k + 1,
               (long long)f->train, (long long)f->watch, (long long)f->test, (long long)f->m.epochs,
               (long long)f->m.best, f->m.train_error[best], f->m.watch_error[best], f->error);
        json_t *item = json_object();
        json_object_set_new(item, "train_error", record_numbers(f->m.epochs, f->m.train_error));
        json_object_set_new(item, "watch_error", record_numbers(f->m.epochs, f->m.watch_error));
        json_object_set_new(item, "best_epoch", json_integer(f->m.best));
        json_object_set_new(item, "test_error", record_number(f->error));
        json_object_set_new(item, "weights_hash", record_hash(nn_hash(f->m.net)));
        json_array_append_new(list, item);
    }
    json_object_set_new(l->record, "folds", list);
    if (good) {
        struct mean m = mean_of(FOLDS, error);
        printf(
            "\nmean absolute error of 4 folds: %.3f thousand dollars (± %.3f from fold to fold)\n",
            m.mean, m.se);
        print_worst(l, &v);
        json_object_set_new(l->record, "error", record_number(m.mean));
        good = draw_folds(l, &v);
    }
    validation_free(&v);
    return good && ag_exit_status() == 0;
}

/* ---- 2. The same with other deals, and beside other models ------------------------------------------------------------------ */

enum { NETWORK, LINE, MEDIAN, MODELS };
static const char *const model_names[MODELS] = { "network", "line", "median price for all" };
static const char *const model_keys[MODELS] = { "network", "line", "median" };

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The mean distance from the median: what can be had without any feature. The folds hardly change it. */
static double median_error(const struct lesson *l, double *sorted)
{
    double sum = 0;
    memcpy(sorted, l->prices, (size_t)l->n * sizeof *sorted);
    qsort(sorted, (size_t)l->n, sizeof *sorted, ascending);
    for (int64_t i = 0; i < l->n; i++) {
        sum += fabs(l->prices[i] - sorted[l->n / 2]);
    }
    return sum / (double)l->n;
}

static bool draw_repeats(struct lesson *l, int seeds, double fold[2][SEEDS_MAX * FOLDS],
                         double error[2][SEEDS_MAX])
{
    struct plot *p = plot_new("How far can one number be trusted?");
    struct plot_panel *panel =
        plot_panel(p, "mean absolute error by deal of the districts", "seed", "thousand dollars");
    panel->width = 640;
    panel->height = 360;
    panel->x.whole = true;
    double x[SEEDS_MAX], x_fold[SEEDS_MAX * FOLDS];
    for (int s = 0; s < seeds; s++) {
        x[s] = (double)(l->options->seed + s);
        for (int k = 0; k < FOLDS; k++) {
            x_fold[s * FOLDS + k] = x[s];
        }
    }
    for (int model = 0; model < 2; model++) {
        int colour = model == NETWORK ? PLOT_BLUE : PLOT_VERMILION;
        char label[64];
        snprintf(label, sizeof label, "%s: a fold", model_names[model]);
        struct plot_series *dots =
            plot_points(panel, label, (int64_t)seeds * FOLDS, x_fold, fold[model]);
        dots->colour = colour;
        dots->mark = 4;
        snprintf(label, sizeof label, "%s: mean of four", model_names[model]);
        struct plot_series *line = plot_line(panel, label, seeds, x, error[model]);
        line->colour = colour;
        line->points = true;
    }
    bool good = plot_save(&l->out, p, "repeats");
    plot_free(p);
    return good;
}

bool repeats_part(struct lesson *l)
{
    static double fold[2][SEEDS_MAX * FOLDS], error[2][SEEDS_MAX], better[SEEDS_MAX];
    const struct options *o = l->options;
    int seeds = o->seeds;
    bool good = true;
    printf("2. How sure is that? The same with %d deals of the districts\n\n"
           "                             mean of     one cross-validation       one fold\n"
           "                          all errors     lowest … highest       lowest … highest\n",
           seeds);
    fflush(stdout);
    json_t *record = json_object();
    for (int model = 0; good && model < 2; model++) {
        struct mean m;
        for (int s = 0; good && s < seeds; s++) {
            struct validation v;
            good = cross_validate(l, (uint64_t)(o->seed + s), model == NETWORK,
                                  model == NETWORK ? "again-network" : "again-line", true, &v);
            for (int k = 0; k < FOLDS; k++) {
                fold[model][s * FOLDS + k] = v.fold[k].error;
            }
            error[model][s] = v.error;
            validation_free(&v);
        }
        if (!good) {
            break;
        }
        m = mean_of(seeds, error[model]);
        double ends[2][2] = { { INFINITY, -INFINITY }, { INFINITY, -INFINITY } };
        for (int i = 0; i < seeds * FOLDS; i++) {
            ends[1][0] = fmin(ends[1][0], fold[model][i]);
            ends[1][1] = fmax(ends[1][1], fold[model][i]);
            ends[0][0] = fmin(ends[0][0], error[model][i / FOLDS]);
            ends[0][1] = fmax(ends[0][1], error[model][i / FOLDS]);
        }
        printf("  %-20s %13.3f %12.3f … %-7.3f %13.3f … %.3f\n", model_names[model], m.mean,
               ends[0][0], ends[0][1], ends[1][0], ends[1][1]);
        fflush(stdout);
        json_object_set_new(record, model_keys[model], record_numbers(seeds, error[model]));
    }
    double *sorted = malloc((size_t)l->n * sizeof *sorted);
    if (good && sorted != NULL) {
        double median = median_error(l, sorted);
        printf("  %-20s %13.3f\n", model_names[MEDIAN], median);
        json_object_set_new(record, model_keys[MEDIAN], record_number(median));
        for (int s = 0; s < seeds; s++) {
            better[s] = error[LINE][s] - error[NETWORK][s];
        }
        struct mean m = mean_of(seeds, better);
        printf("\nDeal by deal the network is better than the line by %.3f", m.mean);
        if (isfinite(m.se)) {
            printf(" ± %.3f", m.se);
        }
        printf("\n");
    }
    free(sorted);
    json_object_set_new(l->record, "repeats", record);
    return good && ag_exit_status() == 0 && draw_repeats(l, seeds, fold, error);
}
