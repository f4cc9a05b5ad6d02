/*
 * A debugger for backward: commands like gdb's on a stream, on top of step.h and explain.h.
 */
#ifndef WENGERT_AUTOGRAD_INSPECT_DEBUG_H
#define WENGERT_AUTOGRAD_INSPECT_DEBUG_H

#include <stdio.h>

#include "../backward.h"

AG_EXTERN_C_BEGIN

/* ag_backward(loss), by hand: reads commands from `in`, one a line, and answers on `out`, until "quit" or the end of the input; what
 * is left of the backward is run then, so that the program goes on as after ag_backward(), unless a gradient could not be computed.
 * "help" lists the commands. A mistake in a command is answered and changes nothing. Retain the tape (ag_retain_tape) before anything
 * is recorded to see all values. Returns the thread's error. */
AG_API ag_error ag_debug_at(ag_place where, ag_tensor loss, FILE *in, FILE *out);
#define ag_debug(...) ag_debug_at(AG_HERE, __VA_ARGS__)

/* The same with the lines in the program's hands: for editing, completion and history. */
typedef struct ag_debugger ag_debugger;

/* Begins no backward yet. `out` is borrowed. Never NULL. */
AG_API ag_debugger *ag_debugger_new_at(ag_place where, ag_tensor loss, FILE *out);
#define ag_debugger_new(...) ag_debugger_new_at(AG_HERE, __VA_ARGS__)
/* Runs one line; an empty one repeats the last command. False after "quit". */
AG_API bool ag_debugger_command(ag_debugger *d, const char *line);
/* How the last word of the line may go on: commands, then names, operations and the like. The k-th possibility, a whole word, into
 * `text`; false if there are no more. */
AG_API bool ag_debugger_complete(ag_debugger *d, const char *line, int k, char *text, size_t bytes);
/* Runs what is left of the backward, as said above, and frees. Returns the thread's error. */
AG_API ag_error ag_debugger_free(ag_debugger *d);

AG_EXTERN_C_END

#endif
