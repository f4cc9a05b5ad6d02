/*
 * Which class a made-up picture looks like: that of the real picture nearest to it, pixel by pixel. There is nothing to train, and
 * it needs no weights; of real test digits it is right in nine of ten with 4000 digits to compare with. A picture that is far from
 * all of them looks like nothing. It must not know where the pictures come from.
 */
#ifndef EXAMPLES_COMMON_NEAREST_H
#define EXAMPLES_COMMON_NEAREST_H

#include "data/data.h"
#include "evaluate.h"

struct nearest {
    int64_t n;       /* real pictures */
    float *pixels;   /* (n, 784) */
    int64_t *labels; /* (n) */
    double distance; /* of a real picture from the nearest other one: the mean */
};

/* Keeps the first `most` pictures of a set, or all. False without memory, and after an error of the library. */
bool nearest_open(struct nearest *r, data_set *set, int64_t most);
void nearest_close(struct nearest *r);
/* The classes of pictures (n,1,28,28), 0 to 1, written to labels[0..n-1]. Returns their mean distance from the nearest real picture.
 * Called within a scope that does not record. */
double nearest_classes(const struct nearest *r, ag_tensor pictures, int64_t *labels);

#endif
