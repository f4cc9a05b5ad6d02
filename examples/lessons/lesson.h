/*
 * What the short lessons share: the command line, an open scope, and claims that are looked at while the program runs.
 */
#ifndef EXAMPLES_LESSONS_LESSON_H
#define EXAMPLES_LESSONS_LESSON_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "autograd/autograd.h"

#include "common/options.h"

struct lesson {
    struct options options;
    ag_rng rng;
    ag_scope scope; /* open, with a tape that is kept for looking at */
    int claims, wrong;
};

/* A status to return from main(), or below 0: go on. */
int lesson_begin(struct lesson *l, int argc, char **argv, const char *name, const char *idea);
/* A heading. */
void lesson_part(const char *text);
/* Prints what is claimed, and whether it holds. */
void lesson_claim(struct lesson *l, bool holds, const char *format, ...) AG_PRINTF(3, 4);
/* With --html FILE, the page of this loss's tape; the first call of a program counts. */
void lesson_page(struct lesson *l, ag_tensor loss);
/* The end: 0 if every claim held. */
int lesson_end(struct lesson *l);

/* A leaf that lives as long as the scope. */
static inline ag_tensor lesson_leaf(const char *name, ag_tensor value)
{
    return ag_set_requires_grad(ag_set_name(value, name), true);
}
/* The gradient of a leaf that is a single number; 0 if it has none. */
static inline double lesson_gradient(ag_tensor leaf)
{
    ag_tensor g = ag_grad_of(leaf);
    return ag_is_none(g) ? 0 : ag_item(g);
}
/* ‖t‖ over all elements; 0 of AG_NONE. */
double lesson_norm(ag_tensor t);

#endif
