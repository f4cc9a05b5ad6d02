/*
 * The end of a run: what is printed and written when the test digits have been read.
 */
#ifndef EXAMPLES_COMMON_REPORT_H
#define EXAMPLES_COMMON_REPORT_H

#include "evaluate.h"
#include "history.h"
#include "options.h"

/* Whether everything that the options ask to be written can be, said before training begins; prints
 * errors. */
bool report_possible(const struct options *o);
/* Prints curves, confusion matrix and test accuracy, and writes JSON and pictures. False after an
 * error, which has been printed. */
bool report(const struct options *o, const struct history *h, const struct results *r);
/* Says that training went astray, and where. */
void report_not_finite(const struct options *o, double loss, int epoch, int64_t step);

#endif
