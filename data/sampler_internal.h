/*
 * What the loader knows of samplers. Internal: not installed.
 */
#ifndef WENGERT_DATA_SAMPLER_INTERNAL_H
#define WENGERT_DATA_SAMPLER_INTERNAL_H

#include "data/sampler.h"

struct data_sampler {
    data_sampler_type type;
    void *state;
    int64_t count; /* samples an epoch; 0: as many as the set has */
    bool in_order; /* the set's own order: it need not be written down */
    bool fixed;    /* not on the heap */
};

/* What loaders without a sampler use. */
data_sampler *data_sampler_plain(bool shuffle);
bool data_sampler_is_nil(const data_sampler *sampler);

#endif
