/* What the debugger prints of a tape. Internal: not installed. */
#ifndef WENGERT_AUTOGRAD_INSPECT_DEBUG_SHOW_H
#define WENGERT_AUTOGRAD_INSPECT_DEBUG_SHOW_H

#include <stdio.h>

#include "../internal.h"

/* A tensor of the tape: an output of a node, or a leaf. */
struct debug_tensor {
    ag_node *node; /* NULL: a leaf */
    int output;
    ag_value *value;
};

/* "#5", "#5.1" or a name, among what is wanted of the tape; false if there is none, with the reason in `why`. */
bool debug_find(const ag_context *ctx, const bool *wanted, const char *text, struct debug_tensor *t, char *why, size_t bytes);
/* "#5 tanh", or the leaf's name. */
const char *debug_name(struct debug_tensor t, char *text, size_t bytes);
/* A line of the list, with a mark if it is where backward stands. */
void debug_row(FILE *out, const ag_node *node, bool here);
/* All about one tensor; `all`: every number of it. */
void debug_tensor_print(FILE *out, const ag_context *ctx, const bool *wanted, struct debug_tensor t, bool all);
/* What it was computed from, as a tree. */
void debug_tree(FILE *out, const ag_context *ctx, struct debug_tensor t, int depth);

#endif
