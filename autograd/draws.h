/*
 * What a thread's generators give out, written down and given out again: a checkpointed block that is computed anew draws the
 * numbers of the first time. Internal: not installed.
 */
#ifndef WENGERT_AUTOGRAD_DRAWS_H
#define WENGERT_AUTOGRAD_DRAWS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct ag_draws {
    uint64_t *draw;
    int64_t count, capacity; /* capacity is the reader's, who has no room to grow */
    int64_t next;            /* when replaying */
    bool replay;
    bool failed;             /* out of memory, or the replay drew more than there was */
    struct ag_draws *outer;
} ag_draws;

/* Begins and ends; between, every number that a generator of this thread gives out is one of `draws`. */
void ag_draws_begin(ag_draws *draws);
void ag_draws_end(ag_draws *draws);

#endif
