/*
 * What the adder is, and the picture of what it carries.
 */
#ifndef EXAMPLES_ADD_ADD_H
#define EXAMPLES_ADD_ADD_H

#include "autograd/autograd.h"
#include "nn/nn.h"
#include "optim/optim.h"

#include "common/options.h"

enum { HIDDEN = 8, TRAINED = 16, STEPS = 2 * TRAINED + 1 };

/* A cell for one step, and a bit read off its state. */
struct adder {
    nn_module base;
    nn_module *cell, *out;
};
struct adder *adder_new(void);

/* Bits of two numbers x (steps, n, 2), and of their sum y (steps, n, 1). */
struct sums {
    int steps;
    ag_tensor x, y;
};

/* The hidden unit that tells most often whether something is carried. */
struct carry_unit {
    int index;
    int sign;     /* 1: high with a carry, -1: low */
    double share; /* of the steps, in which it is on the right side */
};
/* hidden (steps, n, HIDDEN): the states that these sums led to. */
struct carry_unit carry_find(struct sums s, ag_tensor hidden);
/* Prints and draws one sum of TRAINED bits, with that unit beside the carry. */
bool carry_show(const struct options *o, struct sums one, ag_tensor said, ag_tensor hidden, struct carry_unit unit);

#endif
