/*
 * What the parts of the lesson on softmax regression share.
 */
#ifndef EXAMPLES_SOFTMAX_REGRESSION_H
#define EXAMPLES_SOFTMAX_REGRESSION_H

#include <stdbool.h>

#include "autograd/autograd.h"
#include "data/data.h"
#include "nn/nn.h"
#include "optim/optim.h"

#include "common/digits.h"
#include "common/evaluate.h"
#include "common/options.h"
#include "common/plot.h"
#include "common/record.h"

struct lesson {
    const struct options *options;
    struct digits digits;
    struct plot_output out;
    json_t *record;
};

/* scores = x W^T + b     x (n, 784)   W (10, 784)   b (10) */
nn_module *new_network(void);
/* All weights 0. A network with hidden layers must not begin so, because all its units would stay alike; but here the loss is a
 * convex function of the weights: there is one valley, and any start will do. */
void begin_at_zero(nn_module *net);

/* ---- The parts. False after an error, which has been printed. -------------------------------------------------------------- */

bool digits_lesson(struct lesson *l, data_set *train_digits, data_set *validation_digits,
                   ag_rng *rng);
bool losses_lesson(struct lesson *l, data_set *train_digits, data_set *validation_digits);
bool iris_lesson(struct lesson *l);

#endif
