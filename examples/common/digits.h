/*
 * Where the digits come from: finding the folder, splitting off a validation set, permuting labels
 * on request. Also clothes, which are stored as digits are.
 */
#ifndef EXAMPLES_COMMON_DIGITS_H
#define EXAMPLES_COMMON_DIGITS_H

#include "data/data.h"
#include "options.h"

enum { DIGITS_PATH = 4096 };

struct digits {
    const char *program;      /* for messages */
    char folder[DIGITS_PATH]; /* with MNIST's four files */
    data_set *train;          /* loaders take these two; digits_close() frees what was not taken */
    data_set *validation;     /* NULL: none was wanted */
};

/* Finds the folder and reads the training files; the validation part is drawn at random from rng.
 * False after an error, which has been printed. */
bool digits_open(struct digits *d, const struct options *o, ag_rng *rng);
/* The same for Fashion-MNIST: from the folder that --data names, else from the sample. A program that reads both has --digits for
 * the digits. */
bool clothes_open(struct digits *d, const struct options *o, ag_rng *rng);
/* The default number of epochs: 5, as usual for the full 60 000 digits, but 10 when there are fewer
 * than 20 000, because each epoch then has so few steps. */
int digits_usual_epochs(int64_t training_samples);

/* Hands out a set to a loader. */
data_set *digits_take(data_set **set);
/* Reads the test files; NULL after an error, which has been printed. */
data_set *digits_test(const struct digits *d);
void digits_close(struct digits *d);

#endif
