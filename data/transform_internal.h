/*
 * What the files about transforms share. Internal: not installed.
 */
#ifndef WENGERT_DATA_TRANSFORM_INTERNAL_H
#define WENGERT_DATA_TRANSFORM_INTERNAL_H

#include <stdatomic.h>

#include "data/transform.h"

struct data_transform {
    atomic_int holders;
    data_transform_type type; /* of one that is not composed */
    void *state;
    uint64_t key; /* the seed of a random one */
    int n_inner;  /* more than 0: composed of these, none of which is composed */
    data_transform *inner[];
};

data_transform *data_transform_nil(void);
/* A transform of the library's own, in the name of the function that the user called. Takes `state`:
 * released on an error too. */
data_transform *data_transform_make(ag_place where, const char *function,
                                    const data_transform_type *type, void *state, ag_rng *rng);

#endif
