/*
 * What the parts of the lesson on logistic regression share.
 */
#ifndef EXAMPLES_LOGISTIC_REGRESSION_H
#define EXAMPLES_LOGISTIC_REGRESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "autograd/autograd.h"
#include "data/data.h"
#include "nn/nn.h"
#include "optim/optim.h"

#include "common/judge.h"
#include "common/options.h"
#include "common/plot.h"
#include "common/record.h"
#include "common/tables.h"

enum { FOLDS = 5 };

struct lesson {
    const struct options *options;
    data_table *table;
    data_set *cells; /* all measurements; class 1 is the one whose probability is asked for: malignant */
    int64_t features;
    struct plot_output out;
    json_t *record;
};

/* The table as a set of these columns (NULL: all) and the diagnosis. */
data_set *cells_of(const struct lesson *l, const char *columns);

/* ---- Training (train.c) --------------------------------------------------------------------------------------------------- */

/* log-odds = x w^T + b     x (n, features)   w (1, features)   b (1). All weights 0: the loss is convex, any start will do. */
nn_module *new_line(int64_t features);

struct training {
    const char *part; /* its folder within --save; NULL: it is not saved, because it is over in a moment or is watched */
    int epochs;
    int64_t batch;
    double lr;
    double decay; /* of the weights, decoupled */
    ag_rng *rng;  /* for the order of the samples */
    /* Called before the first epoch and after each, if not NULL; false: stop. */
    bool (*watch)(void *user, int epoch);
    void *user;
};
/* What the options say, and a little decay. `part` is not copied. */
struct training training_of(const struct options *o, ag_rng *rng, const char *part);
/* Trains a network with one output on cross-entropy with AdamW. False after an error, which has been printed. */
bool train(const struct lesson *l, nn_module *net, data_set *set, struct training t);

/* Answers for a whole set, in its order; they must have room for it. */
struct answers {
    int64_t n;
    double *logit, *p; /* log-odds and probability of class 1 */
    int64_t *truth;
};
bool answers_new(struct answers *a, const struct options *o, int64_t room); /* false (and a message) without memory */
void answers_free(struct answers *a);
/* Appends the network's answers for a set. */
void answers_add(struct answers *a, nn_module *net, data_set *set);

/* ---- The parts. False after an error, which has been printed. -------------------------------------------------------------- */

bool folds_part(struct lesson *l);
bool boundary_part(struct lesson *l);
bool calibration_part(struct lesson *l);
bool losses_part(struct lesson *l);
bool hidden_part(struct lesson *l);

#endif
