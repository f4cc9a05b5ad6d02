/*
 * Lines from the person at the keyboard, with editing, completion and history where libedit is there, or from a file or pipe.
 */
#ifndef EXAMPLES_TAPE_DEBUGGER_LINES_H
#define EXAMPLES_TAPE_DEBUGGER_LINES_H

#include <stdbool.h>

#include "autograd/autograd.h"

struct lines {
    bool edited; /* at a terminal, by libedit */
    char *line;
    char room[512];
};

void lines_begin(struct lines *l, ag_debugger *debugger);
/* The next line, valid until the next call; "quit" at the end of the input. */
const char *lines_next(struct lines *l);
void lines_end(struct lines *l);

#endif
