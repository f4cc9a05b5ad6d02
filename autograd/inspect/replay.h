/*
 * Forward again, for the files of this folder. Internal: not installed.
 */
#ifndef WENGERT_AUTOGRAD_INSPECT_REPLAY_H
#define WENGERT_AUTOGRAD_INSPECT_REPLAY_H

#include "../sweep.h"
#include "step.h"

struct ag_replay {
    ag_context *ctx;
    uint64_t scope; /* the serial of the scope whose end ends the tape */
    int64_t first, next, last;
    bool wide;      /* floating-point numbers are taken in float64 */
    bool *wanted;   /* for each node: whether it is computed */
    ag_value **value; /* AG_OP_MAX_OUTPUTS for each node: what was computed */
    struct ag_replay_set {
        struct ag_edge edge; /* a leaf, or an output of a node */
        ag_value *leaf, *value; /* held */
    } *set; /* what stands in the place of others */
    int sets;
    bool nil;
};

/* Computes node k from what was computed and from leaves; false after raising. */
bool ag_replay_compute(ag_replay *r, int64_t k);
/* Puts a value in an edge's place; false after raising. */
bool ag_replay_put(ag_replay *r, struct ag_edge e, ag_value *value);
/* Another header for v's numbers in float64, or v, held by the slot; false after raising. */
bool ag_replay_take(const ag_replay *r, ag_value **slot, ag_value *v);

#endif
