/*
 * The nearest real picture.
 */
#include "nearest.h"

#include <stdlib.h>

bool nearest_open(struct nearest *r, data_set *set, int64_t most)
{
    int64_t n = data_set_size(set) < most ? data_set_size(set) : most;
    *r = (struct nearest){ .n = n,
                           .pixels = malloc((size_t)n * DIGIT_PIXELS * sizeof(float)),
                           .labels = malloc((size_t)n * sizeof(int64_t)) };
    bool good = r->pixels != NULL && r->labels != NULL;
    for (int64_t i = 0; good && i < n; i++) {
        good = data_set_read(set, i, r->pixels + i * DIGIT_PIXELS, &r->labels[i]) == AG_OK;
    }
    return good;
}

void nearest_close(struct nearest *r)
{
    free(r->pixels);
    free(r->labels);
    *r = (struct nearest){ 0 };
}

/* |x - r|^2 = |x|^2 - 2 x r + |r|^2, and |x|^2 is the same for all r. */
void nearest_classes(const struct nearest *r, ag_tensor pictures, int64_t *labels)
{
    int64_t n = ag_size(pictures, 0);
    ag_tensor real = ag_from(AG_SHAPE(r->n, DIGIT_PIXELS), AG_FLOAT32, r->pixels);
    ag_tensor length = ag_sum_dims(ag_square(real), AG_DIMS(1), false);
    ag_tensor products = ag_matmul(ag_flatten(pictures, 1, -1), ag_transpose(real, 0, 1));
    ag_tensor nearest = ag_argmin(ag_sub(length, ag_mul_scalar(products, 2)), 1, false);
    if (ag_read(nearest, labels, n) == AG_OK) {
        for (int64_t i = 0; i < n; i++) {
            labels[i] = r->labels[labels[i]];
        }
    }
}
