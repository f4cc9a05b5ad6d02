/*
 * What one epoch of training shows while it runs, and its running averages: a bar with rate and
 * remaining time on a terminal, plain lines elsewhere.
 */
#ifndef EXAMPLES_COMMON_PROGRESS_H
#define EXAMPLES_COMMON_PROGRESS_H

#include <stdint.h>

#include "train/progress.h"

struct progress {
    train_progress bar;
    int64_t right; /* of those done, classified correctly */
};

/* Seconds since some fixed moment. */
double progress_clock(void);

/* Nothing was begun yet. */
void progress_clear(struct progress *p);
/* For --save: the sums of the epoch that is running. */
ag_stateful progress_stateful(struct progress *p);
/* Begins epoch `epoch` of `epochs`, with `samples` samples. */
void progress_begin(struct progress *p, int epoch, int epochs, int64_t samples);
/* A batch of n samples was done, with the given mean loss, `right` of them classified correctly. */
void progress_add(struct progress *p, int64_t n, double loss, int64_t right);
/* Takes the bar away. */
void progress_end(struct progress *p);

double progress_loss(const struct progress *p);     /* mean over the samples so far */
double progress_accuracy(const struct progress *p); /* share of those classified correctly */
double progress_seconds(const struct progress *p);  /* since progress_begin() */

#endif
