/*
 * What the parts of the lesson on filters share.
 */
#ifndef EXAMPLES_FILTERS_H
#define EXAMPLES_FILTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "autograd/autograd.h"
#include "data/data.h"
#include "nn/nn.h"
#include "optim/optim.h"

#include "common/digits.h"
#include "common/evaluate.h"
#include "common/options.h"
#include "common/photo.h"
#include "common/plot.h"
#include "common/record.h"
#include "common/tiles.h"

struct lesson {
    const struct options *options;
    struct plot_output out;
    json_t *record;
};

/* The largest difference between two tensors of one shape. */
double difference(ag_tensor a, ag_tensor b);
/* Prints how far two ways to one result are apart, and writes it down under a key. */
void claim(struct lesson *l, const char *key, const char *words, double value);

/* ---- Filters made by hand (hand.c) ------------------------------------------------------------------------------------------- */

enum { FILTERS = 8, GAUSSIAN = 2, SHARPEN = 3, SOBEL_ACROSS = 4, SOBEL_DOWN = 5, LAPLACIAN = 6 };

/* All filters as one weight (8, 1, 3, 3): a convolution with eight output channels applies them in one call. */
ag_tensor filter_weights(void);
ag_tensor photo_tensor(const struct photo *photo); /* (1, 1, height, width) */

/* ---- Learned filters (learned.c) --------------------------------------------------------------------------------------------- */

enum { MAPS_1 = 16, MAPS_2 = 32, MAPS_3 = 64, KERNEL_1 = 5, CAM_SIDE = 7 };

/* ---- Where it looked (activation.c) ------------------------------------------------------------------------------------------ */

/* Of some test digits that are read correctly; the figures are those of the lesson's part 5. `e` has the surest mistakes. */
bool look_at_test_digits(struct lesson *l, nn_module *net, data_set *test, const struct evaluation *e);

/* ---- The parts. False after an error, which has been printed. -------------------------------------------------------------- */

bool hand_lesson(struct lesson *l, const struct photo *photo);
bool padding_lesson(struct lesson *l, const float *digit);
bool pooling_lesson(struct lesson *l, const struct photo *photo);
bool learned_lesson(struct lesson *l, struct digits *digits, data_set *test);

#endif
