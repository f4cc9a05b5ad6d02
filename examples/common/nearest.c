/*
 * The nearest real picture.
 */
#include "nearest.h"

#include <stdlib.h>

/* Squared distances of pictures (m, 784) from all real ones, (m, n): |x - r|^2 = |x|^2 - 2 x r + |r|^2. */
static ag_tensor squares(const struct nearest *r, ag_tensor rows)
{
    ag_tensor real = ag_from(AG_SHAPE(r->n, DIGIT_PIXELS), AG_FLOAT32, r->pixels);
    ag_tensor length = ag_sum_dims(ag_square(real), AG_DIMS(1), false);
    ag_tensor products = ag_mul_scalar(ag_matmul(rows, ag_transpose(real, 0, 1)), 2);
    return ag_add(ag_sub(length, products), ag_sum_dims(ag_square(rows), AG_DIMS(1), true));
}

/* The mean of the roots of the smallest in each row; rounding may leave less than 0. */
static double mean_root(ag_tensor smallest)
{
    return ag_item(ag_mean(ag_sqrt(ag_relu(smallest))));
}

bool nearest_open(struct nearest *r, data_set *set, int64_t most)
{
    enum { ASKED = 200 };
    int64_t n = data_set_size(set) < most ? data_set_size(set) : most, asked = n < ASKED ? n : ASKED;
    *r = (struct nearest){ .n = n,
                           .pixels = malloc((size_t)n * DIGIT_PIXELS * sizeof(float)),
                           .labels = malloc((size_t)n * sizeof(int64_t)) };
    bool good = r->pixels != NULL && r->labels != NULL;
    for (int64_t i = 0; good && i < n; i++) {
        good = data_set_read(set, i, r->pixels + i * DIGIT_PIXELS, &r->labels[i]) == AG_OK;
    }
    if (good && n > 1) { /* the nearest to each is itself: the second */
        ag_scope scope = { 0 };
        ag_begin_no_grad(&scope);
        ag_tensor all = squares(r, ag_from(AG_SHAPE(asked, DIGIT_PIXELS), AG_FLOAT32, r->pixels));
        r->distance = mean_root(ag_narrow(ag_topk(all, 2, 1, false, NULL), 1, 1, 1));
        ag_end(&scope);
    }
    return good && ag_exit_status() == 0;
}

void nearest_close(struct nearest *r)
{
    free(r->pixels);
    free(r->labels);
    *r = (struct nearest){ 0 };
}

double nearest_classes(const struct nearest *r, ag_tensor pictures, int64_t *labels)
{
    int64_t n = ag_size(pictures, 0);
    ag_tensor nearest, smallest = ag_min_dim(squares(r, ag_flatten(pictures, 1, -1)), 1, false, &nearest);
    if (ag_read(nearest, labels, n) != AG_OK) {
        return 0;
    }
    for (int64_t i = 0; i < n; i++) {
        labels[i] = r->labels[labels[i]];
    }
    return mean_root(smallest);
}
