/*
 * How good the probabilities of a classifier with two classes are. Plain numbers; it knows nothing of networks.
 *
 * Everywhere p[i] is the probability, from 0 to 1, that was given to class 1, and truth[i] is 0 or 1.
 */
#ifndef EXAMPLES_COMMON_JUDGE_H
#define EXAMPLES_COMMON_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

/* The receiver operating characteristic: for each threshold from high to low, which share of class 0 is called class 1 (false
 * alarms) and which share of class 1 is (found). It begins at (0, 0) and ends at (1, 1); equal probabilities are one step. */
struct judge_roc {
    int64_t points;
    double *false_share, *true_share; /* [points] */
    double *threshold;                /* [points]; p >= threshold is called class 1; infinite at the first */
    /* The area below: the probability that a random sample of class 1 has a higher p than one of class 0, equal ones counting
     * half (Hanley & McNeil 1982). NaN if one class is missing. */
    double area;
};
/* False without memory. Free with judge_roc_free(), also then. */
bool judge_roc(struct judge_roc *roc, int64_t n, const double *p, const int64_t *truth);
void judge_roc_free(struct judge_roc *roc);

enum { JUDGE_BINS = 10 };

/* A reliability diagram: samples in ten bins by p, [0, 0.1), …, [0.9, 1]. Where a bin's share of class 1 is its mean p, the
 * probabilities can be taken at their word. */
struct judge_reliability {
    int64_t count[JUDGE_BINS];
    double mean[JUDGE_BINS];  /* of p; NaN in an empty bin */
    double share[JUDGE_BINS]; /* of class 1 */
    /* Mean of |share - mean| over the samples: the expected calibration error (Naeini, Cooper & Hauskrecht 2015). */
    double error;
};
void judge_reliability(struct judge_reliability *r, int64_t n, const double *p, const int64_t *truth);

/* Mean of -log of the probability of the true class. A p that is sure and wrong costs infinitely much; it is taken as 1e-15. */
double judge_log_loss(int64_t n, const double *p, const int64_t *truth);
/* Mean of (p - truth)^2. Brier 1950. */
double judge_brier(int64_t n, const double *p, const int64_t *truth);
/* counts[truth][guess], where p >= threshold is a guess at class 1. */
void judge_confusion(int64_t n, const double *p, const int64_t *truth, double threshold,
                     int64_t counts[2][2]);
/* Share of guesses at threshold 1/2 that are right. */
double judge_accuracy(int64_t n, const double *p, const int64_t *truth);

/* Mean, and standard deviation of a sample (divided by n - 1; NaN for one number). */
double judge_mean(int64_t n, const double *x);
double judge_deviation(int64_t n, const double *x);

#endif
