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

/* One fold: the courses of training, and the error on the quarter. */
struct fold {
    struct model m;
    int64_t train, watch, test; /* districts */
    double error;
};

struct validation {
    struct fold fold[FOLDS];
    double *guess; /* [n] each district guessed by the network that had not seen it; by number of the row */
    double error;  /* mean of the folds */
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
                           struct validation *v)
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
                                     .quiet = true };
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

bool folds_part(struct lesson *l)
{
    struct validation v;
    bool good = cross_validate(l, (uint64_t)l->options->seed, true, "network", &v);
    for (int k = 0; good && k < FOLDS; k++) {
        printf("fold %d: best %lld of %lld, train %.3f, watch %.3f, test %.3f\n", k+1, (long long)v.fold[k].m.best, (long long)v.fold[k].m.epochs, v.fold[k].m.train_error[v.fold[k].m.best-1], v.fold[k].m.watch_error[v.fold[k].m.best-1], v.fold[k].error);
    }
    printf("mean %.3f\n", v.error);
    validation_free(&v);
    return good;
}

bool repeats_part(struct lesson *l)
{
    double e[100];
    for (int s = 0; s < l->options->seeds; s++) {
        struct validation v;
        if (!cross_validate(l, (uint64_t)(l->options->seed + s), true, "network", &v)) return false;
        e[s] = v.error; validation_free(&v);
    }
    struct mean m = mean_of(l->options->seeds, e);
    printf("network %.3f ± %.3f\n", m.mean, m.se);
    return true;
}
