/*
 * A finished run for the eye: learning curves and confusion matrix in the terminal.
 */
#ifndef EXAMPLES_COMMON_CHARTS_H
#define EXAMPLES_COMMON_CHARTS_H

#include <stdio.h>

#include "evaluate.h"
#include "history.h"

/* One of the curves of a history, for charts.c and pictures.c. */
struct curve {
    const char *title; /* "loss" */
    double scale;      /* 100 for percent */
    double (*training)(const struct history_epoch *e);
    double (*validation)(const struct history_epoch *e);
};
extern const struct curve curve_loss, curve_accuracy;

/* A range of numbers that contains the curve, with round ends, and the distance of its ticks. */
struct axis {
    double low, high, tick;
};
struct axis curve_axis(const struct curve *c, const struct history *h, int ticks);

void charts_print_curves(FILE *stream, const struct history *h);
void charts_print_confusion(FILE *stream, const struct evaluation *e);

#endif
