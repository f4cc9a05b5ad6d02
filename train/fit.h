/*
 * A whole training run in one call, for when the loop itself is not the point: validation every few epochs, early stopping with
 * the best weights, a schedule, callbacks, a progress bar, a history. It does what a loop written out does; write it out as soon
 * as something else is wanted.
 *
 *     static ag_tensor loss_of(nn_module *net, const data_batch *batch, double *metrics, void *user)
 *     {
 *         ag_tensor scores = nn_forward(net, batch->x);
 *         metrics[0] = ag_item(ag_mean(ag_cast(ag_eq(ag_argmax(scores, 1, false), batch->y), AG_FLOAT32)));
 *         return ag_cross_entropy(scores, batch->y);
 *     }
 *     …
 *     static const char *const names[] = { "accuracy" };
 *     train_fit_config config = train_fit_defaults();
 *     config.metrics = 1;
 *     config.metric_names = names;
 *     config.validation = validation;
 *     config.patience = 3;
 *     config.progress = stdout;
 *     train_history *history = train_fit(net, opt, train, loss_of, NULL, config);
 */
#ifndef WENGERT_TRAIN_FIT_H
#define WENGERT_TRAIN_FIT_H

#include "../data/data.h"
#include "../nn/nn.h"
#include "../optim/optim.h"
#include "../optim/schedule.h"
#include "early_stopping.h"
#include "history.h"
#include "progress.h"

AG_EXTERN_C_BEGIN

/* The mean loss of a batch, a scalar; metrics[i], 0 before, becomes the batch's mean of metric i. It is called in an open scope:
 * recording while training, without a graph and in eval mode while validating. */
typedef ag_tensor (*train_loss)(nn_module *net, const data_batch *batch, double *metrics, void *user);

typedef enum train_event_kind {
    TRAIN_BEGIN,
    TRAIN_EPOCH_BEGIN,
    TRAIN_STEP,       /* after a step of the optimizer and of the schedule */
    TRAIN_VALIDATION, /* after a validation */
    TRAIN_EPOCH_END,  /* the epoch is in the history */
    TRAIN_END         /* the best weights have been put back */
} train_event_kind;

typedef struct train_event {
    train_event_kind kind;
    int64_t epoch;   /* from 0 */
    int64_t step;    /* steps so far, over all epochs */
    double loss;     /* of the batch, of the validation set, or of the epoch; NaN at the beginnings */
    bool best;       /* TRAIN_VALIDATION, TRAIN_EPOCH_END: the monitored value was the best so far */
    nn_module *net;
    optim *o;
    const train_history *history;
} train_event;
/* Called at every event. False: end the run with this event; the best weights are still put back. */
typedef struct train_callback {
    bool (*call)(const train_event *event, void *user);
    void *user;
} train_callback;

typedef enum train_end {
    TRAIN_END_EPOCHS,     /* all epochs were run */
    TRAIN_END_PATIENCE,   /* stopped early */
    TRAIN_END_CALLBACK,   /* a callback said so */
    TRAIN_END_NOT_FINITE, /* the training loss became NaN or infinite; no step was taken with it */
    TRAIN_END_ERROR
} train_end;

typedef struct train_fit_config {
    uint32_t made_by_defaults;
    int64_t epochs;                  /* default 10, >= 1 */
    int metrics;                     /* default 0 */
    const char *const *metric_names; /* [metrics] */
    data_loader *validation;         /* default NULL: none. Borrowed */
    int64_t validate_every;          /* default 1: epochs between validations; the last epoch always has one */
    const char *monitor;             /* default NULL: "validation_loss", or "loss" without validation. What is best is judged by it */
    optim_mode mode;                 /* default OPTIM_MIN */
    int64_t patience;                /* default 0: no early stopping; else as train_early_stopping_config, counted in validations */
    double min_delta;                /* default 0 */
    bool restore_best;               /* default true: with patience, ends with the best weights */
    double clip_grad_norm;           /* default 0: no clipping */
    optim_schedule *schedule;        /* default NULL. Borrowed. One on a plateau is stepped with every new value of the monitor */
    bool schedule_every_step;        /* default false: once an epoch */
    int callback_count;              /* default 0 */
    const train_callback *callbacks; /* called in this order */
    FILE *progress;                  /* default NULL: nothing is shown */
    train_end *end;                  /* default NULL: where to write why the run ended */
} train_fit_config;
AG_API train_fit_config train_fit_defaults(void);

/* Trains `net` with the batches of the loader. The history has the columns "loss", the metrics (means while the weights moved),
 * with a validation set "validation_loss" and "validation_<metric>", then "lr" (of the first group, in the epoch's first step)
 * and "seconds". Never NULL; nil if the run could not begin. After an error it holds the epochs before. */
AG_API train_history *train_fit_at(ag_place where, nn_module *net, optim *o, data_loader *batches, train_loss loss, void *user,
                                   train_fit_config config);
#define train_fit(...) train_fit_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
