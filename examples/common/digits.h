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
    data_set *test;           /* NULL: in the folder's own files; digits_test() knows */
};

/* Finds the folder and reads the training files; the validation part is drawn at random from rng.
 * False after an error, which has been printed. */
bool digits_open(struct digits *d, const struct options *o, ag_rng *rng);
/* The same for Fashion-MNIST: from the folder that --data names, else from the sample. A program that reads both has --digits for
 * the digits. */
bool clothes_open(struct digits *d, const struct options *o, ag_rng *rng);
/* The same with the PNG files of a folder (data_png_folder()) in place of MNIST's: made grey and 28 x 28, dark being ink; a tenth of
 * them, drawn from rng, is for the test. At most ten classes. NULL is no folder: as digits_open(). */
#define DIGITS_PNGS_HELP                                                              \
    "real pictures: a folder of PNG files with a folder in it for\n"                  \
    "each class, or none; they become grey and 28 x 28 pixels,\n"                     \
    "dark being ink (default: see --data)"
bool digits_open_pngs(struct digits *d, const struct options *o, const char *folder, ag_rng *rng);
/* The default number of epochs: 5, as usual for the full 60 000 digits, but 10 when there are fewer
 * than 20 000, because each epoch then has so few steps. */
int digits_usual_epochs(int64_t training_samples);

/* Hands out a set to a loader. */
data_set *digits_take(data_set **set);
/* Reads the test files; NULL after an error, which has been printed. */
data_set *digits_test(const struct digits *d);
void digits_close(struct digits *d);

#endif
