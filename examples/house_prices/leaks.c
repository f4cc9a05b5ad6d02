/*
 * Part 3: what goes wrong when something that is fitted sees the test part.
 *
 * Districts are dealt at random into three: to train on, for the test, and a third part that nobody looks at until the end: the
 * houses that come later. The test promises an error, the later houses deliver one. If everything was kept apart, both agree but
 * for chance; what the promise is too good by is the leak. Each leak is tried on many deals, with and without, from the same first
 * weights.
 */
#include "houses.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SHORT_EPOCHS = 60,
    DEALS = 4, /* for each of --seeds */
    DEALS_MAX = 400,
    FEW = 20,
    NOISE = 500, /* columns, of which */
    CHOSEN = 20,
    LEAST_DISTRICTS = 100
};

enum kind { SCALER, SCALER_FEW, STOPPING, TOWN, CHOICE, KINDS };

static const struct {
    const char *what, *key, *saw;
} kinds[KINDS] = {
    { "mean and spread of each feature, 40 % to train on", "scaler", "scaler" },
    { "the same, 20 districts to train on", "scaler_few", "scaler, few rows" },
    { "the epoch at which training is stopped", "stopping", "early stopping" },
    { "the mean price of the town, as a feature", "town", "town's mean price" },
    { "20 of 500 columns of noise, chosen by correlation", "choice", "chosen features" },
};

/* One deal of the districts: order[0 … train) to train on, then `test` for the test, then those that come later. */
struct deal {
    int64_t n, train, test;
    int64_t *order; /* [n] */
    uint64_t seed;
};

/* ---- features that are made from prices ------------------------------------------------------------------------------------- */

/* Districts of one town have these columns in common. */
static const char *const town_columns[] = { "INDUS", "RAD", "TAX", "PTRATIO" };
enum { TOWN_COLUMNS = 4 };

/* The first district of the town that a district lies in, as the town's number. False if the table lacks a column for it. */
static bool find_towns(const struct lesson *l, int64_t *town)
{
    const double *column[TOWN_COLUMNS];
    for (int c = 0; c < TOWN_COLUMNS; c++) {
        column[c] = data_table_numbers(l->table, data_table_find(l->table, town_columns[c]));
        if (column[c] == NULL) {
            return false;
        }
    }
    for (int64_t i = 0; i < l->n; i++) {
        for (town[i] = 0; town[i] < i; town[i]++) {
            int equal = 0;
            for (int c = 0; c < TOWN_COLUMNS; c++) {
                equal += column[c][i] == column[c][town[i]];
            }
            if (equal == TOWN_COLUMNS) {
                break;
            }
        }
    }
    return true;
}

/* All features, and one more: the mean price in the district's town, over the first `seen` of the deal; over all of these for a
 * town that is not among them. x (n, f + 1) */
static void add_town(const struct lesson *l, const struct deal *d, int64_t seen,
                     const int64_t *town, const float *features, int64_t f, float *x)
{
    double everywhere = 0;
    for (int64_t k = 0; k < seen; k++) {
        everywhere += l->prices[d->order[k]] / (double)seen;
    }
    for (int64_t i = 0; i < d->n; i++) {
        double sum = 0;
        int64_t count = 0;
        for (int64_t k = 0; k < seen; k++) {
            if (town[i] == town[d->order[k]]) {
                sum += l->prices[d->order[k]];
                count++;
            }
        }
        memcpy(&x[i * (f + 1)], &features[i * f], (size_t)f * sizeof *x);
        x[i * (f + 1) + f] = (float)(count > 0 ? sum / (double)count : everywhere);
    }
}

/* |correlation| of a column with the price, over the first `seen` of the deal. */
static double correlation(const struct lesson *l, const struct deal *d, int64_t seen,
                          const double *column)
{
    double mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
    for (int64_t k = 0; k < seen; k++) {
        mx += column[d->order[k]] / (double)seen;
        my += l->prices[d->order[k]] / (double)seen;
    }
    for (int64_t k = 0; k < seen; k++) {
        double dx = column[d->order[k]] - mx, dy = l->prices[d->order[k]] - my;
        xx += dx * dx;
        yy += dy * dy;
        xy += dx * dy;
    }
    return fabs(xy) / sqrt(xx * yy);
}

/* Nothing but noise: of NOISE columns the CHOSEN that seem to have most to do with the price. x (n, CHOSEN); noise (NOISE, n) */
static void choose_noise(const struct lesson *l, const struct deal *d, int64_t seen, double *noise,
                         float *x)
{
    double score[NOISE];
    ag_rng rng = ag_rng_seed(d->seed);
    for (int64_t i = 0; i < NOISE * d->n; i++) {
        noise[i] = ag_rng_normal(&rng);
    }
    for (int c = 0; c < NOISE; c++) {
        score[c] = correlation(l, d, seen, &noise[c * d->n]);
    }
    for (int taken = 0; taken < CHOSEN; taken++) {
        int best = 0;
        for (int c = 1; c < NOISE; c++) {
            best = score[c] > score[best] ? c : best;
        }
        for (int64_t i = 0; i < d->n; i++) {
            x[i * CHOSEN + taken] = (float)noise[best * d->n + i];
        }
        score[best] = -1;
    }
}

/* ---- one trial --------------------------------------------------------------------------------------------------------------- */

/* What all trials share. */
struct bench {
    const struct lesson *l;
    float *features; /* [n][f] as in the table */
    float *prices;   /* [n] */
    int64_t *town;   /* [n] */
    int64_t f;
    float *x; /* room for features that are made */
    double *noise;
};

static data_set *features_of(const struct bench *b, enum kind kind, const struct deal *d,
                             int64_t seen)
{
    int64_t columns = kind == TOWN ? b->f + 1 : CHOSEN;
    if (kind == TOWN) {
        add_town(b->l, d, seen, b->town, b->features, b->f, b->x);
    } else if (kind == CHOICE) {
        choose_noise(b->l, d, seen, b->noise, b->x);
    } else {
        return data_set_share(b->l->houses);
    }
    return data_arrays(d->n, b->x, AG_SHAPE(columns), AG_FLOAT32, b->prices, AG_SHAPE(1),
                       AG_FLOAT32);
}

/* Trains once; the errors on the test part and on the later houses. `leak`: what is fitted sees the test part, too. */
static bool try_once(const struct bench *b, enum kind kind, const struct deal *d, bool leak,
                     double *promised, double *delivered)
{
    const struct options *o = b->l->options;
    int64_t seen = leak ? d->train + d->test : d->train;
    data_set *all = features_of(b, kind, d, seen);
    data_set *fit_on = data_subset(all, d->train, d->order);
    data_set *test = data_subset(all, d->test, d->order + d->train);
    data_set *later = data_subset(all, d->n - d->train - d->test, d->order + d->train + d->test);
    data_set *scale_on = data_subset(all, seen, d->order);
    struct plan plan = { .train = fit_on,
                         .hidden = true,
                         .epochs = o->epochs < SHORT_EPOCHS ? o->epochs : SHORT_EPOCHS,
                         .patience = SHORT_EPOCHS,
                         .seed = d->seed };
    data_set *parts[2] = { NULL, NULL };
    if (kind == SCALER || kind == SCALER_FEW) {
        plan.scale_on = scale_on;
    }
    if (kind == STOPPING) { /* on a fifth of the districts to train on, or on the test part */
        static const double shares[2] = { 0.8, 0.2 };
        ag_rng rng = ag_rng_seed(d->seed);
        data_split_shares(fit_on, 2, shares, &rng, parts);
        plan.train = parts[0];
        plan.watch = leak ? test : parts[1];
    }
    struct model m;
    bool good = ag_exit_status() == 0 && train(o, &plan, &m);
    if (good) {
        *promised = model_error(&m, test);
        *delivered = model_error(&m, later);
        model_free(&m);
    }
    data_set_free(parts[0]);
    data_set_free(parts[1]);
    data_set_free(scale_on);
    data_set_free(later);
    data_set_free(test);
    data_set_free(fit_on);
    data_set_free(all);
    return good && ag_exit_status() == 0;
}

/* ---- what came of it --------------------------------------------------------------------------------------------------------- */

static const double small_error = 0.05; /* fifty dollars, where errors are thousands */

/* Of one kind, without (0) and with (1) the leak. */
struct outcome {
    struct mean promised[2], delivered[2], gap[2]; /* delivered - promised */
    struct mean leak;                              /* gap with - gap without, on the same deal */
    bool done;
};

static bool try_kind(const struct bench *b, enum kind kind, struct outcome *out)
{
    static double promised[2][DEALS_MAX], delivered[2][DEALS_MAX], gap[2][DEALS_MAX],
        more[DEALS_MAX];
    const struct options *o = b->l->options;
    int64_t n = b->l->n;
    int deals = DEALS * o->seeds < DEALS_MAX ? DEALS * o->seeds : DEALS_MAX;
    struct deal d = { .n = n, .train = kind == SCALER_FEW ? FEW : 2 * n / 5, .test = n / 5 };
    d.order = malloc((size_t)n * sizeof *d.order);
    if (d.order == NULL) {
        fprintf(stderr, "%s: out of memory\n", o->program);
        return false;
    }
    bool good = true;
    for (int i = 0; good && i < deals; i++) {
        d.seed = (uint64_t)o->seed * DEALS_MAX + (uint64_t)i;
        ag_rng rng = ag_rng_seed(d.seed);
        ag_rng_permutation(&rng, n, d.order);
        for (int leak = 0; good && leak < 2; leak++) {
            good = try_once(b, kind, &d, leak == 1, &promised[leak][i], &delivered[leak][i]);
            gap[leak][i] = delivered[leak][i] - promised[leak][i];
        }
        more[i] = gap[1][i] - gap[0][i];
    }
    free(d.order);
    for (int leak = 0; leak < 2; leak++) {
        out->promised[leak] = mean_of(deals, promised[leak]);
        out->delivered[leak] = mean_of(deals, delivered[leak]);
        out->gap[leak] = mean_of(deals, gap[leak]);
    }
    out->leak = mean_of(deals, more);
    out->done = good;
    return good;
}

static void print_outcome(enum kind kind, const struct outcome *out)
{
    static const char *const who[2] = { "kept apart", "saw the test" };
    printf("  %s\n", kinds[kind].what);
    for (int leak = 0; leak < 2; leak++) {
        printf("    %-14s %8.3f   %9.3f    %+6.3f ± %.3f\n", who[leak], out->promised[leak].mean,
               out->delivered[leak].mean, out->gap[leak].mean, out->gap[leak].se);
    }
    printf("    the leak, deal by deal                  %+6.3f ± %.3f   %s\n", out->leak.mean,
           out->leak.se,
           fabs(out->leak.mean) < 3 * out->leak.se ? "not to be told from chance"
           : fabs(out->leak.mean) < small_error    ? "real, and too small to matter"
                                                   : "");
    fflush(stdout);
}

static bool draw(struct lesson *l, const struct outcome *outcome, int deals)
{
    const char *names[KINDS];
    double gap[2][KINDS];
    int count = 0;
    for (int kind = 0; kind < KINDS; kind++) {
        if (outcome[kind].done) {
            names[count] = kinds[kind].saw;
            gap[0][count] = outcome[kind].gap[0].mean;
            gap[1][count++] = outcome[kind].gap[1].mean;
        }
    }
    struct plot *p = plot_new("What the test promised too much");
    struct plot_panel *panel = plot_panel(p, "error on later houses minus error on the test part",
                                          "what was fitted", "thousand dollars");
    panel->width = 800;
    panel->height = 340;
    plot_bars(panel, "kept apart", count, gap[0])->colour = PLOT_SKY;
    plot_bars(panel, "saw the test part", count, gap[1])->colour = PLOT_VERMILION;
    plot_axis_names(panel, &panel->x, count, names);
    snprintf(panel->note, sizeof panel->note, "means over %d deals of the districts", deals);
    bool good = plot_save(&l->out, p, "leaks");
    plot_free(p);
    return good;
}

static json_t *to_json(const struct outcome *out)
{
    static const char *const keys[2] = { "apart", "leak" };
    json_t *item = json_object();
    for (int leak = 0; leak < 2; leak++) {
        json_t *one = json_object();
        json_object_set_new(one, "promised", record_number(out->promised[leak].mean));
        json_object_set_new(one, "delivered", record_number(out->delivered[leak].mean));
        json_object_set_new(one, "gap", record_number(out->gap[leak].mean));
        json_object_set_new(one, "se", record_number(out->gap[leak].se));
        json_object_set_new(item, keys[leak], one);
    }
    json_object_set_new(item, "leak", record_number(out->leak.mean));
    json_object_set_new(item, "leak_se", record_number(out->leak.se));
    return item;
}

bool leaks_part(struct lesson *l)
{
    const struct options *o = l->options;
    static struct outcome outcome[KINDS];
    struct bench b = { .l = l, .f = ag_shape_numel(data_set_x_shape(l->houses)) };
    if (l->n < LEAST_DISTRICTS) {
        printf("3. Leaks: left out, %lld districts are too few to be dealt into three parts\n",
               (long long)l->n);
        return true;
    }
    int64_t columns = b.f + 1 > CHOSEN ? b.f + 1 : CHOSEN;
    b.features = malloc((size_t)(l->n * b.f) * sizeof *b.features);
    b.town = malloc((size_t)l->n * sizeof *b.town);
    b.prices = malloc((size_t)l->n * sizeof *b.prices);
    b.x = malloc((size_t)(l->n * columns) * sizeof *b.x);
    b.noise = malloc((size_t)(l->n * NOISE) * sizeof *b.noise);
    ag_tensor x = AG_NONE, y = AG_NONE;
    bool good =
        b.features != NULL && b.prices != NULL && b.town != NULL && b.x != NULL && b.noise != NULL;
    if (!good) {
        fprintf(stderr, "%s: out of memory\n", o->program);
    }
    good = good && data_set_tensors(l->houses, &x, &y) == AG_OK &&
           ag_read(x, b.features, l->n * b.f) == AG_OK && ag_read(y, b.prices, l->n) == AG_OK;
    ag_drop(&x);
    ag_drop(&y);
    int deals = DEALS * o->seeds < DEALS_MAX ? DEALS * o->seeds : DEALS_MAX;
    printf("3. When something that is fitted sees the test part: %d deals of the districts\n\n"
           "                    the test   later houses   too good by\n"
           "                    promised        deliver   (± standard error)\n",
           deals);
    bool towns = good && find_towns(l, b.town);
    json_t *list = json_object();
    for (int kind = 0; good && kind < KINDS; kind++) {
        outcome[kind].done = false;
        if (kind == TOWN && !towns) {
            printf("  %s: left out, the table has no columns that tell towns apart\n",
                   kinds[kind].what);
            continue;
        }
        good = try_kind(&b, (enum kind)kind, &outcome[kind]);
        if (good) {
            print_outcome((enum kind)kind, &outcome[kind]);
            json_object_set_new(list, kinds[kind].key, to_json(&outcome[kind]));
        }
    }
    json_object_set_new(l->record, "leaks", list);
    free(b.features);
    free(b.prices);
    free(b.town);
    free(b.x);
    free(b.noise);
    return good && ag_exit_status() == 0 && draw(l, outcome, deals);
}
