/*
 * A finished run of a classifier of digits for the eye: learning curves, confusion matrix, mistakes.
 */
#ifndef EXAMPLES_COMMON_CHARTS_H
#define EXAMPLES_COMMON_CHARTS_H

#include "evaluate.h"
#include "history.h"
#include "options.h"
#include "plot.h"

/* Figures, each to be freed. */
struct plot *charts_curves(const struct options *o, const struct history *h);
struct plot *charts_confusion(const struct options *o, const struct evaluation *test);
struct plot *charts_mistakes(const struct options *o, const struct evaluation *test);

/* Prints curves and confusion matrix. */
void charts_print(const struct options *o, const struct history *h, const struct evaluation *test);
/* Writes <program>-learning-curve, <program>-confusion and <program>-mistakes into the folder o->pictures and says so; without
 * cairo one line says that pictures are off. False after an error, which has been printed. */
bool charts_save(const struct options *o, const struct history *h, const struct evaluation *test);

#endif
