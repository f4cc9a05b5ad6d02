/*
 * Part 5: one wrong entry. In one district the decimal point of the rooms has slipped, 6.575 became 657.5; what do the scalers
 * make of it, and of the other houses? And what does it do to the line, which no affine scaling can change?
 */
#include "regression.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCALINGS = 4 };
static const char *const scaling_names[SCALINGS] = { "min-max", "standardised", "robust",
                                                     "robust, clipped" };
static const char *const scaling_keys[SCALINGS] = { "min_max", "standard", "robust", "clipped" };
static const double clip_at = 3; /* times the distance between the quartiles, from the median */

/* ---- a transform of our own: what lies beyond ±3 is moved to ±3 ------------------------------------------------------------ */

/* Of float64, as all samples are here. */
static ag_error clip(void *state, data_form form, const void *in, void *out, ag_rng *rng)
{
    const double *x = in;
    double *y = out;
    (void)state;
    (void)rng;
    for (int64_t i = 0; i < ag_shape_numel(form.shape); i++) {
        y[i] = fmin(fmax(x[i], -clip_at), clip_at);
    }
    return AG_OK;
}

static data_transform *new_clip(void)
{
    static const data_transform_type type = { .size = sizeof type, .name = "clip", .apply = clip };
    return data_transform_new(&type, NULL, NULL);
}

static data_transform *new_scaling(int how, data_set *set)
{
    data_scaler_config config = data_scaler_defaults();
    if (how == 0) {
        return data_min_max_scaler(set, config);
    }
    if (how == 1) {
        return data_standard_scaler(set, config);
    }
    data_transform *robust = data_robust_scaler(set, config);
    if (how == 2) {
        return robust;
    }
    data_transform *parts[2] = { robust, new_clip() };
    data_transform *both = data_compose(2, parts);
    data_transform_free(parts[0]);
    data_transform_free(parts[1]);
    return both;
}

/* ---- what comes of it ------------------------------------------------------------------------------------------------------ */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* One scaling of the rooms, with the wrong entry or without. */
struct outcome {
    double *x;          /* [n] the scaled rooms */
    double quartile[2]; /* the middle half of all houses lies between */
    double entry;       /* where the wrong (or right) entry lies */
    double slope;       /* of the best line: thousand dollars a room */
    double rms;         /* of the best line, on the other houses */
    double condition;   /* of the bowl over (w, b) */
    double steps;       /* of descent, to 1 % above the least loss; NaN: not within --steps */
};

static bool judge(const struct lesson *l, const double *rooms, const double *prices, int64_t n,
                  int64_t wrong, int how, struct outcome *out)
{
    struct problem p;
    double best[WEIGHTS_MAX] = { 0 };
    data_set *set = data_arrays(n, rooms, AG_SHAPE(1), AG_FLOAT64, prices, AG_SHAPE(1), AG_FLOAT64);
    data_transform *scaling = new_scaling(how, set);
    bool good = problem_open(&p, l->options, data_transform_x(set, scaling));
    double *sorted = malloc((size_t)n * sizeof *sorted);
    out->x = malloc((size_t)n * sizeof *out->x);
    if (good && (sorted == NULL || out->x == NULL)) {
        fprintf(stderr, "%s: out of memory\n", l->options->program);
        good = false;
    }
    good = good && solve_closed_form(&p, best);
    if (good) {
        memcpy(out->x, p.xs, (size_t)n * sizeof *out->x);
        memcpy(sorted, p.xs, (size_t)n * sizeof *sorted);
        qsort(sorted, (size_t)n, sizeof *sorted, ascending);
        out->quartile[0] = sorted[n / 4];
        out->quartile[1] = sorted[3 * n / 4];
        out->entry = p.xs[wrong];
        /* A room more, in the middle of the houses, in scaled units: clipping is not affine, but there it is. */
        int64_t low = 0, high = 0;
        for (int64_t i = 0; i < n; i++) {
            low = i != wrong && p.xs[i] == out->quartile[0] ? i : low;
            high = i != wrong && p.xs[i] == out->quartile[1] ? i : high;
        }
        out->slope = best[0] * (out->quartile[1] - out->quartile[0]) / (rooms[high] - rooms[low]);
        double sum = 0;
        for (int64_t i = 0; i < n; i++) {
            double error = best[0] * p.xs[i] + best[1] - p.ys[i];
            sum += i == wrong ? 0 : error * error;
        }
        out->rms = sqrt(sum / (double)(n - 1));
        double steep = largest_curvature(&p, NULL, NULL), flat = solve_least_curvature(&p);
        out->condition = steep / flat;
        struct descent d = { .rate = 2 / (steep + flat),
                             .steps = l->options->steps,
                             .loss_goal = 1.01 * solve_loss(&p, best) };
        descend(&p, &d);
        out->steps = d.reached ? (double)d.done : NAN;
    }
    free(sorted);
    problem_close(&p);
    data_transform_free(scaling);
    data_set_free(set);
    return good && ag_exit_status() == 0;
}

static bool draw(struct lesson *l, int64_t n, const double *prices,
                 struct outcome outcome[SCALINGS][2])
{
    static const char *const titles[2] = { "as it was", "with one slipped decimal point" };
    struct plot *p = plot_new("One wrong entry, and where the other houses are then");
    p->columns = SCALINGS;
    for (int how = 0; how < SCALINGS; how++) {
        struct plot_panel *panel = plot_panel(p, scaling_names[how], "rooms, scaled",
                                              how == 0 ? "price, thousand dollars" : "");
        panel->width = how == 0 ? 320 : 290;
        panel->x.low = how == 0 ? -0.05 : -5;
        panel->x.high = how == 0 ? 1.05 : 5;
        for (int after = 0; after < 2; after++) {
            struct plot_series *dots =
                plot_points(panel, titles[after], n, outcome[how][after].x, prices);
            dots->mark = after == 0 ? 4 : 0;
            dots->size = after == 0 ? 2 : 1.8;
            dots->colour = after == 0 ? PLOT_SKY : PLOT_VERMILION;
        }
        snprintf(panel->note, sizeof panel->note, "the wrong entry is at %.4g",
                 outcome[how][1].entry);
    }
    bool good = plot_save(&l->out, p, "outliers");
    plot_free(p);
    return good;
}

static json_t *to_json(const struct outcome *o)
{
    json_t *item = json_object();
    json_object_set_new(item, "middle_half", record_number(o->quartile[1] - o->quartile[0]));
    json_object_set_new(item, "entry", record_number(o->entry));
    json_object_set_new(item, "slope", record_number(o->slope));
    json_object_set_new(item, "rmse_of_others", record_number(o->rms));
    json_object_set_new(item, "condition", record_number(o->condition));
    json_object_set_new(item, "steps", record_number(o->steps));
    return item;
}

static void print_outcome(const char *name, const struct outcome *o)
{
    char steps[32] = "never";
    if (!isnan(o->steps)) {
        snprintf(steps, sizeof steps, "%.0f", o->steps);
    }
    printf("  %-17s %7.4f to %7.4f %10.4g %10.4g %9s %10.3f %9.3f\n", name, o->quartile[0],
           o->quartile[1], o->entry, o->condition, steps, o->slope, o->rms);
}

bool outliers_part(struct lesson *l)
{
    static struct outcome outcome[SCALINGS][2];
    struct problem raw;
    bool good = problem_open(&raw, l->options, data_set_share(l->rooms));
    int64_t n = raw.n, wrong = 0;
    double *slipped = good ? malloc((size_t)n * sizeof *slipped) : NULL;
    memset(outcome, 0, sizeof outcome);
    if (good && slipped == NULL) {
        fprintf(stderr, "%s: out of memory\n", l->options->program);
        good = false;
    }
    if (good) {
        memcpy(slipped, raw.xs, (size_t)n * sizeof *slipped);
        slipped[wrong] *= 100;
        printf(
            "5. One wrong entry: %g rooms became %g\n\n"
            "                    the middle half    the entry                       a room      "
            "off "
            "by on\n"
            "                     lies from … to    itself at  condition     steps   is worth    "
            "the others\n",
            raw.xs[wrong], slipped[wrong]);
    }
    json_t *list = json_object();
    for (int after = 0; good && after < 2; after++) {
        printf("  %s\n", after == 0 ? "as it was" : "with the wrong entry");
        for (int how = 0; good && how < SCALINGS; how++) {
            good = judge(l, after == 0 ? raw.xs : slipped, raw.ys, n, wrong, how,
                         &outcome[how][after]);
            if (good) {
                print_outcome(scaling_names[how], &outcome[how][after]);
                char key[64];
                snprintf(key, sizeof key, "%s_%s", scaling_keys[how],
                         after == 0 ? "before" : "after");
                json_object_set_new(list, key, to_json(&outcome[how][after]));
            }
        }
    }
    json_object_set_new(l->record, "outliers", list);
    good = good && draw(l, n, raw.ys, outcome);
    for (int how = 0; how < SCALINGS; how++) {
        free(outcome[how][0].x);
        free(outcome[how][1].x);
    }
    free(slipped);
    problem_close(&raw);
    return good;
}
