/* What the files of the debugger know of one another. Internal: not installed. */
#ifndef WENGERT_AUTOGRAD_INSPECT_DEBUG_INTERNAL_H
#define WENGERT_AUTOGRAD_INSPECT_DEBUG_INTERNAL_H

#include "debug.h"
#include "debug_show.h"
#include "step.h"

#define DEBUG_LINE 512

struct ag_debugger {
    ag_context *ctx;
    ag_place where;
    FILE *out;
    ag_tensor loss;
    int64_t end;       /* the loss's node */
    uint64_t scope;    /* of the tape; its serial */
    bool *wanted;
    ag_stepper *stepper; /* NULL: backward has not begun */
    bool finished;
    ag_replay *replay;   /* NULL: not begun */
    struct change {
        ag_value *tensor, *value; /* held */
        ag_node *node;
        int output;
    } *change;
    int64_t changes, change_capacity;
    char last[DEBUG_LINE];
    bool nil;
};

/* A command, and which words may follow it: n: names, c: commands, r: where to run, l: how to list, 0: none. */
struct debug_command {
    const char *name, *usage, *text;
    bool (*run)(ag_debugger *d, int n, char **word); /* false: the session ends */
    char after;
};
extern const struct debug_command debug_commands[];
extern const int debug_command_count;
/* The command of this name, or that begins so; NULL if there is none. One letter is the first of its kind. */
const struct debug_command *debug_command_of(const char *word, bool *several);

/* Whether the scope whose operations are looked at is open still. */
bool debug_alive(const ag_debugger *d);
/* Prints a line; returns true: the session goes on. */
bool debug_say(ag_debugger *d, const char *text);
bool debug_whole_number(const char *text, int64_t *number);
/* The tensor that a word names; says so if there is none. */
bool debug_word(ag_debugger *d, const char *word, struct debug_tensor *t);

/* Forward again (debug_replay.c). */
bool debug_replay(ag_debugger *d, int n, char **word);
bool debug_set(ag_debugger *d, int n, char **word);
void debug_replay_forget(ag_debugger *d);

#endif
