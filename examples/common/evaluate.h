/*
 * How good a classifier of digits is on a set: loss, accuracy, confusion matrix, and its most
 * confident mistakes.
 */
#ifndef EXAMPLES_COMMON_EVALUATE_H
#define EXAMPLES_COMMON_EVALUATE_H

#include "data/data.h"
#include "nn/nn.h"

enum {
    DIGIT_CLASSES = 10,
    DIGIT_SIDE = 28,
    DIGIT_PIXELS = DIGIT_SIDE * DIGIT_SIDE,
    MISTAKES_KEPT = 40
};

struct mistake {
    float pixels[DIGIT_PIXELS]; /* 0 paper, 1 ink */
    int truth, guess;
    double confidence; /* the probability that the network gave to its guess */
};

struct evaluation {
    int64_t samples, right;
    double loss;                                     /* mean cross-entropy */
    double accuracy;                                 /* right / samples */
    int64_t confusion[DIGIT_CLASSES][DIGIT_CLASSES]; /* [truth][guess] */
    int mistakes;                                    /* how many are kept */
    struct mistake worst[MISTAKES_KEPT];             /* the most confident first */
};

/* Runs the network in eval mode over one epoch of the loader, without recording, and puts it back
 * into training mode. */
void evaluate(nn_module *net, data_loader *loader, struct evaluation *result);

/* A loader in the set's own order for evaluate(); takes the set. */
data_loader *evaluate_loader(data_set *set);

#endif
