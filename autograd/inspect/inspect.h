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

/* Values and gradients in the calls below: a retained tape shows those of its last backward; one whose backward has not run
 * yet, those that a sweep of its own finds, if `output` has one element, without changing anything. Hooks of the program see that
 * sweep. What was let go is "released", what was changed in place since, "changed". */

/* Writes the part of the tape that `output` depends on (AG_NONE: the whole tape) as a Graphviz digraph: a box of boxes for the
 * parts of the model, in these one for each line of the program. Leaves are ellipses, operations boxes with the values and
 * gradients of small tensors, edges carry shapes. Render it with `dot -Tsvg`. */
AG_API ag_error ag_tape_dot_at(ag_place where, FILE *stream, ag_tensor output);
#define ag_tape_dot(...) ag_tape_dot_at(AG_HERE, __VA_ARGS__)

/* Writes the same as JSON, on one line:
 *     {"format": "wengert tape 1", "loss": {"node", "output"} or null, "digits", "nodes": […], "leaves": […]}
 *     a node    {"node": its index, "operation", "in_place", "formula", "derivative", "numbers": {"c": 2}, "layer", "line",
 *                "state": "there" or "freed", "inputs": […], "outputs": [tensor…], "saves": [outputs], "forward", "backward": seconds}
 *     an input  null, or {"node", "output"} or {"leaf": its place in leaves}, "name", "shape", "saved", "wants", and
 *               "contribution": content of what the rule gives to its gradient
 *     a leaf    a tensor with "kind": "leaf" or "constant", "because" and "line": why it has no history, "computed": by an operation
 *               that is not on the tape, "changed": since it was used
 *     a tensor  {"shape", "type", "bytes", "view", "name", "value": content, "gradient": content}
 *     content   "none", "released", "changed", "half-done", or {"norm", "zeros", "nan", "infinite", "min", "max", "mean"} with
 *               either "numbers", row-major, or a "map" {"rows", "columns", "cells"} of means, in which a letter of
 *               A-Za-z0-9+/ is a level from -max|x| to max|x| and ! is not finite, and a "histogram" of 24 counts from min to max
 * What JSON has no number for is written as "NaN", "Infinity" and "-Infinity". */
AG_API ag_error ag_tape_json_at(ag_place where, FILE *stream, ag_tensor output);
#define ag_tape_json(...) ag_tape_json_at(AG_HERE, __VA_ARGS__)

/* Writes the same as one page for a browser, which needs no network: the graph, zoomable and folded by layer, line or time step; a
 * slider that plays forward, then backward; values and gradients as numbers, maps and histograms; formula and derivative of the
 * chosen operation; search; light and dark; keys (press ?); a list; paper. If all of it is element by element, or small sums and
 * products of matrices, numbers can be changed in the page and both passes are computed anew. The file appears whole or not at all
 * and replaces one of that name. To see values and gradients of all results, retain the tape before anything is recorded:
 *     ag_begin(&scope); ag_retain_tape(true); loss = …; ag_tape_html("tape.html", loss); */
AG_API ag_error ag_tape_html_at(ag_place where, const char *path, ag_tensor output);
#define ag_tape_html(...) ag_tape_html_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
