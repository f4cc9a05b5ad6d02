/*
 * Ready tapes to look at, from three operations to an attention block.
 */
#ifndef EXAMPLES_TAPE_DEBUGGER_GRAPHS_H
#define EXAMPLES_TAPE_DEBUGGER_GRAPHS_H

#include "autograd/autograd.h"

struct graph {
    const char *name, *text; /* what is to be seen there */
    ag_tensor (*record)(ag_rng *rng); /* in an open scope; returns the loss */
};

extern const struct graph graphs[];
extern const int graph_count;

#endif
