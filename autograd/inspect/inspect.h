/*
 * Looking at the tape: as a table and as a drawing.
 */
#ifndef WENGERT_AUTOGRAD_INSPECT_H
#define WENGERT_AUTOGRAD_INSPECT_H

#include <stdio.h>

#include "../tape.h"

AG_EXTERN_C_BEGIN

/* Prints the calling thread's tape, one line a recorded operation: index, operation, inputs (by index or name), output
 * shape and type, bytes, what is saved for backward, the part of the model, and the user's line. */
AG_API ag_error ag_tape_print(FILE *stream);

/* Writes the part of the tape that `output` depends on as a Graphviz digraph (AG_NONE: the whole tape). Leaves are
 * ellipses, operations boxes, edges carry shapes. Render it with `dot -Tsvg`. */
AG_API ag_error ag_tape_dot_at(ag_place where, FILE *stream, ag_tensor output);
#define ag_tape_dot(...) ag_tape_dot_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
