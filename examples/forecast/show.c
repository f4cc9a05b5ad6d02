/*
 * What came out: tables, pictures, JSON. Nothing here trains anything, or chooses by the year that was held out.
 */
#include "forecast.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAIVE = 2, ROW_NAME = 64 };

/* A line of the tables: one way to forecast, with one seed or the mean over several. */
struct row {
    char name[ROW_NAME];
    double error[CITIES_MAX + 1][AHEAD]; /* of each city, then of all */
    const struct outcome *first;         /* NULL: nothing was trained */
    double seconds, worst;               /* mean over the seeds; the highest error three days ahead among them */
};

double forecast_error(const struct weather *w, const double *forecast, int city, int ahead)
{
    const struct windows *test = &w->part[TEST];
    double sum = 0;
    int64_t n = 0;
    for (int64_t i = 0; i < test->count; i++) {
        if (city < 0 || test->city[i] == city) {
            sum += fabs(forecast[i * AHEAD + ahead - 1] - w->highest[test->today[i] + ahead]);
            n++;
        }
    }
    return sum / (double)n;
}

static void judge(const struct weather *w, const double *forecast, double error[CITIES_MAX + 1][AHEAD])
{
    for (int c = 0; c <= w->cities; c++) {
        for (int k = 1; k <= AHEAD; k++) {
            error[c][k - 1] = forecast_error(w, forecast, c < w->cities ? c : -1, k);
        }
    }
}

/* It stays as it is today; or it becomes what is usual. */
static void naive(const struct weather *w, bool season, double *forecast)
{
    const struct windows *test = &w->part[TEST];
    for (int64_t i = 0; i < test->count; i++) {
        for (int k = 1; k <= AHEAD; k++) {
            forecast[i * AHEAD + k - 1] = season ? w->normal[test->today[i] + k] : w->highest[test->today[i]];
        }
    }
}

static struct row row_of(const struct contest *r, int first)
{
    const struct weather *w = r->weather;
    struct row row = { .first = &r->outcome[first] };
    snprintf(row.name, sizeof row.name, "%s", net_names[row.first->net]);
    for (int s = 0; s < r->seeds; s++) {
        const struct outcome *one = &r->outcome[first + s];
        double error[CITIES_MAX + 1][AHEAD];
        judge(w, one->forecast, error);
        for (int c = 0; c <= w->cities; c++) {
            for (int k = 0; k < AHEAD; k++) {
                row.error[c][k] += error[c][k] / r->seeds;
            }
        }
        row.seconds += one->seconds / r->seeds;
        row.worst = fmax(row.worst, error[w->cities][AHEAD - 1]);
    }
    return row;
}

/* The rows of the table: the naive ways, the networks, and their average. 0 after an error. */
static int make_rows(const struct contest *r, struct row *rows)
{
    const struct weather *w = r->weather;
    size_t numbers = (size_t)w->part[TEST].count * AHEAD;
    double *forecast = malloc(numbers * sizeof *forecast);
    int count = 0;
    if (forecast == NULL) {
        fprintf(stderr, "%s: out of memory\n", r->options->program);
        return 0;
    }
    for (int season = 0; season < NAIVE; season++) {
        naive(w, season != 0, forecast);
        snprintf(rows[count].name, ROW_NAME, "%s", season ? "season alone" : "persistence");
        judge(w, forecast, rows[count++].error);
    }
    for (int first = 0; first < r->count; first += r->seeds) {
        rows[count++] = row_of(r, first);
    }
    if (r->count > 1) {
        for (size_t i = 0; i < numbers; i++) {
            forecast[i] = 0;
            for (int j = 0; j < r->count; j++) {
                forecast[i] += r->outcome[j].forecast[i] / r->count;
            }
        }
        snprintf(rows[count].name, ROW_NAME, "average of these");
        judge(w, forecast, rows[count++].error);
    }
    free(forecast);
    return count;
}

/* ---- tables ------------------------------------------------------------------------------------------------------------------ */

static void print_rows(const struct contest *r, int count, const struct row *rows)
{
    const struct weather *w = r->weather;
    printf("Mean absolute error %d days ahead in °C, and how many times that of persistence", AHEAD);
    if (r->seeds > 1) {
        printf("; means of %d seeds", r->seeds);
    }
    printf("\n\n  %-21s parameters     best epoch   seconds", "");
    for (int c = 0; c <= w->cities; c++) {
        printf("   %12.12s", c < w->cities ? w->city[c].name : "all");
    }
    printf("%s\n", r->seeds > 1 ? "   worst seed" : "");
    for (int i = 0; i < count; i++) {
        const struct row *row = &rows[i];
        printf("  %-21s ", row->name);
        if (row->first == NULL) {
            printf("%37s", "");
        } else {
            char epochs[48] = "";
            if (r->seeds == 1) {
                snprintf(epochs, sizeof epochs, "%lld of %lld", (long long)row->first->best, (long long)row->first->epochs);
            }
            printf("%10lld %14s   %7.1f", (long long)row->first->parameters, epochs, row->seconds);
        }
        for (int c = 0; c <= w->cities; c++) {
            double error = row->error[c][AHEAD - 1];
            printf("   %5.2f  %5.3f", error, error / rows[0].error[c][AHEAD - 1]);
        }
        if (r->seeds > 1 && row->first != NULL) {
            printf("   %10.3f", row->worst / rows[0].error[w->cities][AHEAD - 1]);
        }
        printf("\n");
    }
    printf("\nThe same by how many days ahead, all cities\n\n  %-21s", "");
    for (int k = 1; k <= AHEAD; k++) {
        printf("   %12d", k);
    }
    printf("\n");
    for (int i = 0; i < count; i++) {
        printf("  %-21s", rows[i].name);
        for (int k = 0; k < AHEAD; k++) {
            double error = rows[i].error[w->cities][k];
            printf("   %5.2f  %5.3f", error, error / rows[0].error[w->cities][k]);
        }
        printf("\n");
    }
    printf("\n");
}

/* The one that was best in the year to choose by. */
static const struct outcome *chosen(const struct contest *r)
{
    const struct outcome *best = &r->outcome[0];
    for (int i = 1; i < r->count; i++) {
        const struct outcome *one = &r->outcome[i];
        if (one->choose_error[one->best - 1] < best->choose_error[best->best - 1]) {
            best = one;
        }
    }
    return best;
}

/* ---- pictures ---------------------------------------------------------------------------------------------------------------- */

/* Forecasts of three days before, over what came. */
static bool draw_forecast(const struct contest *r, struct plot_output *out)
{
    const struct weather *w = r->weather;
    const struct outcome *best = chosen(r);
    const struct windows *test = &w->part[TEST];
    double *numbers = malloc((size_t)test->count * 4 * sizeof *numbers);
    char title[PLOT_TEXT];
    if (numbers == NULL) {
        fprintf(stderr, "%s: out of memory\n", r->options->program);
        return false;
    }
    double low = INFINITY, high = -INFINITY;
    for (int64_t i = 0; i < w->days; i++) {
        low = w->year[i] == w->last_year ? fmin(low, w->highest[i]) : low;
        high = w->year[i] == w->last_year ? fmax(high, w->highest[i]) : high;
    }
    double *day = numbers, *truth = day + test->count, *usual = truth + test->count, *said = usual + test->count;
    snprintf(title, sizeof title, "The highest temperature of each day of %d, as forecast three days before", w->last_year);
    struct plot *p = plot_new(title);
    snprintf(p->note, sizeof p->note, "%s, which was best in %d", net_names[best->net], w->last_year - 1);
    p->columns = 1;
    for (int c = 0; c < w->cities; c++) {
        struct plot_panel *panel = plot_panel(p, w->city[c].name, "day of the year", "°C");
        int64_t n = 0, first = w->city[c].first;
        while (w->year[first] != w->last_year) {
            first++;
        }
        for (int64_t i = 0; i < test->count; i++) {
            if (test->city[i] == c) {
                int64_t row = test->today[i] + AHEAD;
                day[n] = (double)(row - first + 1);
                truth[n] = w->highest[row];
                usual[n] = w->normal[row];
                said[n++] = best->forecast[i * AHEAD + AHEAD - 1];
            }
        }
        panel->width = 980;
        panel->height = 310;
        panel->y.low = floor(low - 1);
        panel->y.high = ceil(high + 1);
        panel->x.low = 1;
        panel->x.high = 365;
        struct plot_series *s = plot_line(panel, "usual", n, day, usual);
        s->colour = PLOT_GREY;
        s->dashed = true;
        s = plot_line(panel, "truth", n, day, truth);
        s->colour = PLOT_BLUE;
        s->width = 1.2;
        s = plot_line(panel, "forecast", n, day, said);
        s->colour = PLOT_VERMILION;
    }
    bool good = plot_save(out, p, "truth");
    plot_free(p);
    free(numbers);
    return good;
}

static bool draw_errors(const struct contest *r, struct plot_output *out, int count, const struct row *rows)
{
    const struct weather *w = r->weather;
    const double ahead[AHEAD] = { 1, 2, 3 };
    double low = INFINITY, high = 0;
    for (int i = 0; i < count; i++) {
        for (int c = 0; c < w->cities; c++) {
            for (int k = 0; k < AHEAD; k++) {
                low = fmin(low, rows[i].error[c][k]);
                high = fmax(high, rows[i].error[c][k]);
            }
        }
    }
    struct plot *p = plot_new("Mean absolute error by how many days ahead");
    for (int c = 0; c < w->cities; c++) {
        struct plot_panel *panel = plot_panel(p, w->city[c].name, "days ahead", c == 0 ? "°C" : "");
        panel->x.whole = true;
        panel->height = 400;
        panel->y.low = low - 0.05 * (high - low);
        panel->y.high = high + 0.05 * (high - low);
        for (int i = 0; i < count; i++) {
            struct plot_series *s = plot_line(panel, rows[i].name, AHEAD, ahead, rows[i].error[c]);
            s->points = true;
            if (rows[i].first == NULL) { /* the naive ways, and the average */
                s->colour = i < NAIVE ? PLOT_GREY : PLOT_INK;
                s->dashed = i < NAIVE;
            } else {
                s->colour = i - NAIVE;
            }
        }
    }
    bool good = plot_save(out, p, "errors");
    plot_free(p);
    return good;
}

/* The first seed of each network. */
static bool draw_curves(const struct contest *r, struct plot_output *out)
{
    const struct weather *w = r->weather;
    char chosen_by[PLOT_TEXT];
    double *epoch = malloc((size_t)r->options->epochs * sizeof *epoch), low = INFINITY, high = 0;
    if (epoch == NULL) {
        fprintf(stderr, "%s: out of memory\n", r->options->program);
        return false;
    }
    for (int e = 0; e < r->options->epochs; e++) {
        epoch[e] = e + 1;
    }
    for (int i = 0; i < r->count; i += r->seeds) {
        for (int64_t e = 0; e < r->outcome[i].epochs; e++) {
            low = fmin(low, fmin(r->outcome[i].learn_error[e], r->outcome[i].choose_error[e]));
            high = fmax(high, fmax(r->outcome[i].learn_error[e], r->outcome[i].choose_error[e]));
        }
    }
    snprintf(chosen_by, sizeof chosen_by, "%d, to choose by", w->last_year - 1);
    struct plot *p = plot_new("Mean absolute error by epoch, all days ahead");
    for (int i = 0; i < r->count; i += r->seeds) {
        const struct outcome *one = &r->outcome[i];
        struct plot_panel *panel = plot_panel(p, net_names[one->net], "epoch", "°C");
        panel->width = 340;
        panel->height = 260;
        panel->x.whole = true;
        panel->y.low = low - 0.05 * (high - low);
        panel->y.high = high + 0.05 * (high - low);
        plot_line(panel, "learned years", one->epochs, epoch, one->learn_error);
        plot_line(panel, chosen_by, one->epochs, epoch, one->choose_error);
        plot_mark(panel, "kept", (double)one->best, NAN);
    }
    bool good = plot_save(out, p, "curves");
    plot_free(p);
    free(epoch);
    return good;
}

/* ---- JSON -------------------------------------------------------------------------------------------------------------------- */

static json_t *errors_to_json(const struct weather *w, double error[CITIES_MAX + 1][AHEAD])
{
    json_t *all = json_object();
    for (int c = 0; c <= w->cities; c++) {
        json_object_set_new(all, c < w->cities ? w->city[c].name : "all", record_numbers(AHEAD, error[c]));
    }
    return all;
}

static void record_results(const struct contest *r, int count, struct row *rows, json_t *record)
{
    const struct weather *w = r->weather;
    json_object_set_new(record, "window", json_integer(w->window));
    for (int i = 0; i < count; i++) {
        if (rows[i].first == NULL) {
            static const char *const keys[] = { "persistence", "season", "average" };
            json_object_set_new(record, keys[i < NAIVE ? i : NAIVE], errors_to_json(w, rows[i].error));
        }
    }
    json_t *all = json_array();
    for (int i = 0; i < r->count; i++) {
        const struct outcome *one = &r->outcome[i];
        double error[CITIES_MAX + 1][AHEAD];
        judge(w, one->forecast, error);
        json_t *item = json_object();
        json_object_set_new(item, "net", json_string(net_keys[one->net + 1]));
        json_object_set_new(item, "seed", json_integer(one->seed));
        json_object_set_new(item, "parameters", json_integer(one->parameters));
        json_object_set_new(item, "best_epoch", json_integer(one->best));
        json_object_set_new(item, "seconds", record_number(one->seconds));
        json_object_set_new(item, "error", errors_to_json(w, error));
        json_object_set_new(item, "share_of_persistence",
                            record_number(error[w->cities][AHEAD - 1] / rows[0].error[w->cities][AHEAD - 1]));
        json_object_set_new(item, "learn_error", record_numbers(one->epochs, one->learn_error));
        json_object_set_new(item, "choose_error", record_numbers(one->epochs, one->choose_error));
        json_object_set_new(item, "weights_hash", record_hash(one->hash));
        json_array_append_new(all, item);
    }
    json_object_set_new(record, "networks", all);
}

bool show(const struct contest *r, struct plot_output *out, json_t *record)
{
    struct row rows[NAIVE + NETS + 1] = { 0 };
    int count = make_rows(r, rows);
    if (count == 0) {
        return false;
    }
    print_rows(r, count, rows);
    const struct outcome *best = chosen(r);
    printf("Best in %d: %s, seed %lld; in %d it is off by %.2f °C, %.3f times persistence\n", r->weather->last_year - 1,
           net_names[best->net], (long long)best->seed, r->weather->last_year, forecast_error(r->weather, best->forecast, -1, AHEAD),
           forecast_error(r->weather, best->forecast, -1, AHEAD) / rows[0].error[r->weather->cities][AHEAD - 1]);
    record_results(r, count, rows, record);
    return draw_forecast(r, out) && draw_errors(r, out, count, rows) && draw_curves(r, out);
}
