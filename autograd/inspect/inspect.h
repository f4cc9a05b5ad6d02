/*
 * Looking at the tape: as a table and as a drawing. How to step through it is in step.h, what it explains in explain.h.
 *
 * What was released is said to be so; ag_retain_tape() (tape.h) keeps all of it until the scope ends.
 */
#ifndef WENGERT_AUTOGRAD_INSPECT_H
#define WENGERT_AUTOGRAD_INSPECT_H

#include <stdio.h>

#include "../tape.h"

AG_EXTERN_C_BEGIN

/* Prints the calling thread's tape, one line a recorded operation: index, operation, inputs (by index or name), output
 * shape and type, bytes, what is saved for backward, the part of the model, and the user's line. */
AG_API ag_error ag_tape_print(FILE *stream);

typedef struct ag_print_config {
    uint32_t made_by_defaults;
    ag_tensor loss;        /* only what it depends on; default AG_NONE: the whole tape */
    const char *operation; /* only this one, such as "mul"; default NULL: all */
    const char *name;      /* only where an input, a result or the part of the model has this in its name; default NULL */
    const char *file;      /* only lines of this file, with or without its folders; default NULL */
    int line;              /* only this line; default 0: all */
    bool numbers;          /* norm, least and largest of each value and gradient, of results and of leaves; default false */
    bool totals;           /* nodes, bytes, bytes saved for backward, and, of a retained tape, time, by operation, by part of the
                              model and by line; default false */
} ag_print_config;

AG_API ag_print_config ag_print_defaults(void);
/* ag_tape_print() of a part of the tape, with more. */
AG_API ag_error ag_tape_print_with_at(ag_place where, FILE *stream, ag_print_config config);
#define ag_tape_print_with(...) ag_tape_print_with_at(AG_HERE, __VA_ARGS__)

/* Writes the part of the tape that `output` depends on as a Graphviz digraph (AG_NONE: the whole tape). Leaves are
 * ellipses, operations boxes, edges carry shapes. Render it with `dot -Tsvg`. */
AG_API ag_error ag_tape_dot_at(ag_place where, FILE *stream, ag_tensor output);
#define ag_tape_dot(...) ag_tape_dot_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
