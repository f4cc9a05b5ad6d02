/*
 * What one epoch shows while it runs: a bar with rate, remaining time and mean loss on a terminal, plain lines elsewhere. It
 * writes to the stream that it is given and to no other.
 *
 *     train_progress progress = { 0 };
 *     train_progress_begin(&progress, stdout, "digits", epoch, epochs, samples);
 *     …   train_progress_add(&progress, batch.n, ag_item(loss));
 *     train_progress_end(&progress);
 */
#ifndef WENGERT_TRAIN_PROGRESS_H
#define WENGERT_TRAIN_PROGRESS_H

#include <stdio.h>

#include "../autograd/autograd.h"

AG_EXTERN_C_BEGIN

typedef struct train_progress {
    FILE *out;           /* NULL: nothing is shown */
    const char *what;    /* what is counted: "digits" */
    int64_t epoch, epochs;
    int64_t total, done; /* samples */
    double loss_sum;     /* over those done */
    double begun, shown; /* seconds of the clock */
    bool terminal;       /* a bar is drawn */
    bool open;           /* between begin and end */
    bool resumed;        /* in the middle of an epoch: begin goes on with its sums */
} train_progress;

/* Begins epoch `epoch` of `epochs`, from 1, with `samples` samples. `what` is borrowed. */
AG_API void train_progress_begin(train_progress *p, FILE *out, const char *what, int64_t epoch, int64_t epochs, int64_t samples);
AG_API void train_progress_add(train_progress *p, int64_t n, double loss); /* a batch of n samples was done, with that mean loss */
AG_API void train_progress_end(train_progress *p);                         /* takes the bar away */
AG_API double train_progress_loss(const train_progress *p);                /* mean over the samples so far; 0 without any */
AG_API double train_progress_seconds(const train_progress *p);             /* since it began */
AG_API ag_stateful train_progress_stateful(train_progress *p);             /* the sums of the epoch that is running */

AG_EXTERN_C_END

#endif
