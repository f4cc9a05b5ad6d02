/*
 * What the parts of the lesson on house prices share.
 */
#ifndef EXAMPLES_HOUSE_PRICES_H
#define EXAMPLES_HOUSE_PRICES_H

#include <stdbool.h>
#include <stdint.h>

#include "autograd/autograd.h"
#include "data/data.h"
#include "nn/nn.h"
#include "optim/optim.h"

#include "common/options.h"
#include "common/plot.h"
#include "common/record.h"
#include "common/saving.h"

enum { FOLDS = 4, HIDDEN = 64 };

struct lesson {
    const struct options *options;
    data_table *table;
    data_set *houses; /* features and price in thousand dollars, as they are in the table */
    int64_t n;        /* districts */
    double *prices;   /* [n] */
    struct plot_output out;
    json_t *record;
};

/* ---- One training (train.c) ------------------------------------------------------------------------------------------------ */

struct plan {
    data_set *train; /* lent, raw: the scalers are part of the model */
    data_set *
        watch; /* lent: the houses by which the best epoch is chosen; NULL: the last one is taken */
    data_set *
        scale_on; /* lent: the houses that the scaler of the features is fitted on; NULL: `train` */
    bool hidden;  /* 13-64-64-1, else 13-1: a line */
    int epochs, patience;
    uint64_t seed;
    const char *name; /* of its folder within --save; NULL: it is not saved */
    bool quiet;       /* resuming says nothing */
};

/* What came of it. */
struct model {
    nn_module *net; /* the best one */
    data_transform *scale_x, *scale_y;
    int64_t epochs; /* that were run */
    int64_t best;   /* the best of them, from 1 */
    double *train_error,
        *watch_error; /* [epochs] mean absolute error in thousand dollars after each epoch */
};

/* Trains. False after an error, which has been printed, and if a signal stopped it. model_free() it in any case. */
bool train(const struct options *o, const struct plan *plan, struct model *m);
void model_free(struct model *m);
/* The guesses for all houses of a set, in thousand dollars. */
bool model_guess(const struct model *m, data_set *set, double *guess);
/* Mean absolute error in thousand dollars; NaN after an error. */
double model_error(const struct model *m, data_set *set);

/* ---- Numbers --------------------------------------------------------------------------------------------------------------- */

struct mean {
    double mean, se; /* standard error of the mean: spread / root of n; NaN for a single number */
};
struct mean mean_of(int64_t n, const double *x);

/* ---- The parts. False after an error, which has been printed. ---------------------------------------------------------------- */

bool folds_part(struct lesson *l);
bool repeats_part(struct lesson *l);
bool leaks_part(struct lesson *l);

#endif
