/*
 * A finished run as PNG pictures, drawn with cairo where the program was built with it.
 */
#ifndef EXAMPLES_COMMON_PICTURES_H
#define EXAMPLES_COMMON_PICTURES_H

#include "evaluate.h"
#include "history.h"
#include "options.h"

/* Writes <program>-learning-curve.png, <program>-confusion.png and <program>-mistakes.png into the
 * folder o->pictures and says so; without cairo one line says that pictures are off. False after an
 * error, which has been printed. */
bool pictures_write(const struct options *o, const struct history *h,
                    const struct evaluation *test);

#endif
