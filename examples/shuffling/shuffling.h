/*
 * What the parts of the lesson on shuffling share.
 */
#ifndef EXAMPLES_SHUFFLING_H
#define EXAMPLES_SHUFFLING_H

#include <stdbool.h>
#include <stdint.h>

#include "autograd/autograd.h"
#include "data/data.h"
#include "nn/nn.h"
#include "optim/optim.h"

#include "common/evaluate.h"
#include "common/options.h"
#include "common/plot.h"
#include "common/record.h"

struct lesson {
    const struct options *options;
    data_set *train, *validation;
    int64_t samples; /* to train on */
    struct plot_output out;
    json_t *record;
};

/* The same first weights in every experiment: what differs is only the order, or the batch. */
nn_module *new_network(const struct options *o);
optim *new_optimizer(const struct options *o, nn_module *net);
/* One step downhill; the loss of the batch before it. */
double train_step(ag_scope *step, nn_module *net, optim *opt, const data_batch *batch);
/* How good the network is on the validation digits. */
void look(const struct lesson *l, nn_module *net, struct evaluation *result);

/* ---- The parts. False after an error, which has been printed. -------------------------------------------------------------- */

bool order_lesson(struct lesson *l);
bool noise_lesson(struct lesson *l);
bool batch_lesson(struct lesson *l);

#endif
