/*
 * How good made-up pictures are, by number: held against real ones by the features of a critic (critic.h), and by their pixels.
 *
 *     struct critique_bench *bench = critique_open(options, NULL, training_digits, test_digits);
 *     struct critique found;
 *     if (bench != NULL && critique_judge(bench, n, pixels, &found)) {
 *         critique_print(bench, &found);
 *     }
 *     critique_close(bench);
 *
 * No single number is enough: a generator that paints one perfect digit has all confidence, one that copies the training pictures
 * has the best Fréchet distance of all.
 */
#ifndef EXAMPLES_COMMON_CRITIQUE_H
#define EXAMPLES_COMMON_CRITIQUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "data/data.h"

#include "evaluate.h"
#include "options.h"

struct critique {
    int64_t pictures; /* how many were judged */
    double share[DIGIT_CLASSES]; /* of the pictures that the critic takes for each class */
    double confidence; /* mean probability of the class that the critic takes a picture for */
    double variance;   /* within a class, as a share of that of real pictures: critique_variance() */
    double frechet;    /* distance of the features from those of real pictures: frechet_distance() */
    /* Median Euclidean distance to the nearest training picture, divided by that of real test pictures. Near 0: copies; far above
     * 1: like no picture at all. */
    double nearest;
};

/* ---- pictures ------------------------------------------------------------------------------------------------------------ */

struct critique_bench;

/* Reads all training and all test pictures (borrowed sets, as digits_open() makes them), and the critic from `weights` (NULL: that
 * of examples/judge which reads more of the test pictures). The test pictures are what is compared with. NULL after an error, which
 * has been printed; a critic that reads less than half of the test pictures right is one. */
struct critique_bench *critique_open(const struct options *o, const char *weights, data_set *training, data_set *test);
/* NULL is fine. */
void critique_close(struct critique_bench *bench);
/* The share of the test pictures whose class the critic says right. */
double critique_accuracy(const struct critique_bench *bench);

/* Judges n pictures, 28 rows of 28 pixels each, from 0 (paper) to 1 (ink). False after an error, which has been printed: fewer than
 * two pictures, pixels that are not finite or not from 0 to 1 (a hundredth beyond is forgiven, and cut off). */
bool critique_judge(struct critique_bench *bench, int64_t n, const float *pixels, struct critique *found);
/* The same measures of the first n training pictures, or all if there are fewer, to know what real ones have; `nearest` is 1. */
bool critique_judge_real(struct critique_bench *bench, int64_t n, struct critique *found);

/* A table of what was found beside what as many real pictures have. False after an error, which has been printed. */
bool critique_print(struct critique_bench *bench, const struct critique *found);
/* The same as a JSON object. */
json_t *critique_record(const struct critique *found);

/* All of it at the end of a program that makes pictures up: judges n of them by real ones, prints, and adds "judgement" to `record`.
 * `make` gives n pictures, (n,1,28,28) from 0 (paper) to 1 (ink), of which `first` were made before; it is called under no_grad. n 0:
 * nothing happens. False after an error, which has been printed. */
bool critique_made_up(const struct options *o, data_set *training, data_set *test, int64_t n,
                      ag_tensor (*make)(void *user, int64_t first, int64_t n), void *user, json_t *record);

/* ---- the measures, on plain numbers -------------------------------------------------------------------------------------- */

/* The mean over the classes of tr Cov(made up) / tr Cov(real), each of the features (n,d) of one class. A class of which there are
 * fewer than two made up counts 0; one of which there are fewer than two real ones, or all equal, does not count. NaN if none does,
 * and without memory. */
double critique_variance(int64_t d, int64_t n, const double *features, const int64_t *classes, int64_t real_n,
                         const double *real_features, const int64_t *real_classes);
/* The Euclidean distance of each of n pictures (n,d) to the nearest of m others (m,d). False after an error. */
bool critique_nearest(int64_t d, int64_t n, const float *pictures, int64_t m, const float *others, double *distance);
/* The median; x is sorted. NaN if n is 0. */
double critique_median(int64_t n, double *x);

#endif
