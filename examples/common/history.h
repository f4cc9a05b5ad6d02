/*
 * What happened in each epoch, which one was the best, and all of it as JSON.
 */
#ifndef EXAMPLES_COMMON_HISTORY_H
#define EXAMPLES_COMMON_HISTORY_H

#include "evaluate.h"
#include "options.h"

struct history_epoch {
    double train_loss, train_accuracy; /* running averages while the weights still moved */
    double validation_loss, validation_accuracy; /* NaN without a validation set */
    double seconds;                              /* of training and validation */
};

struct history {
    struct history_epoch *epoch; /* [count] */
    int count, room;
    int best;       /* index of the best epoch, -1 before the first */
    int asked;      /* the number of epochs that were to be run */
    bool stopped;   /* early */
    bool validated; /* there is a validation set */
    int64_t training_samples, validation_samples;
};

/* Room for `epochs` epochs; false without memory. */
bool history_begin(struct history *h, int epochs, int64_t training_samples,
                   int64_t validation_samples);
/* Adds an epoch. True if it is the best so far: the highest validation accuracy, among equals the
 * lowest validation loss; without a validation set the latest epoch counts as the best. */
bool history_add(struct history *h, struct history_epoch e);
/* Prints the latest epoch as one line. */
void history_print_last(const struct history *h);
/* How many epochs have passed since the best. */
int history_since_best(const struct history *h);
void history_free(struct history *h);
/* For --save: the epochs so far, the best of them, whether training has stopped. */
ag_stateful history_stateful(struct history *h);

/* What the end of a run adds to its history. */
struct results {
    const struct evaluation *test;
    int64_t parameters;
    uint64_t weights_hash;
    const char *data_folder;
};

/* Writes everything as JSON to o->json, whole or not at all; false after an error, which has been
 * printed. */
bool history_write_json(const struct history *h, const struct options *o, const struct results *r);

#endif
