/*
 * What can be read off the tape, for the files of this folder. Internal: not installed.
 */
#ifndef WENGERT_AUTOGRAD_INSPECT_SURVEY_H
#define WENGERT_AUTOGRAD_INSPECT_SURVEY_H

#include <stdio.h>

#include "../internal.h"

/* What a tensor's numbers are like. */
struct ag_survey {
    bool there; /* false: the bytes are released */
    int64_t count, nans, infinities, zeros;
    double min, max, norm; /* of the finite ones; min > max if there are none */
};

struct ag_survey ag_survey_of(const ag_value *v);
/* Whether the numbers can still be looked at. */
static inline bool ag_value_there(const ag_value *v)
{
    return v != NULL && v->storage != NULL;
}
/* All elements, row-major, as doubles; NULL after raising. The caller frees them. */
double *ag_value_doubles(ag_place where, const char *function, const ag_value *v);
/* The gradient that arrived at the node's output, if it waits there, was kept or was retained; else NULL. */
const ag_value *ag_node_gradient(const ag_node *node, int output);
/* The gradient in a leaf; NULL if there is none. */
const ag_value *ag_leaf_gradient_now(const ag_value *leaf);

/* "#3" for the result of node 3, "#3.1" for its second result, a name, or "leaf(2)". A name stands for what the tensor is now: what
 * was read before a change in place is called by its node. */
const char *ag_input_text(const struct ag_node_input *input, char *text, size_t bytes);
/* "x0,y": what the node keeps for backward. */
const char *ag_saved_text(const ag_node *node, char *text, size_t bytes);
/* "c = 2, d = 3" after `before`: the numbers of the formula; "" if there are none. */
const char *ag_numbers_text(const ag_node *node, const char *before, char *text, size_t bytes);
/* "train.c:41" without the folders. */
const char *ag_place_text(ag_place where, char *text, size_t bytes);
/* Appends `more`, after `between` if there is something already. */
void ag_text_append(char *text, size_t bytes, const char *more, const char *between);

/* Marks, in one flag for each node, what `output` depends on (NULL: everything). NULL after raising; the caller frees it. */
bool *ag_tape_cone(ag_place where, const char *function, const ag_context *ctx, const ag_value *output);
/* Nodes, bytes and times by operation, part of the model and line (print.c). False after raising. */
bool ag_totals_print(ag_place where, const char *function, FILE *stream, const ag_context *ctx, const bool *wanted);
/* Raises for a NULL stream; and, afterwards, for one that could not be written to. */
bool ag_stream_given(ag_place where, const char *function, FILE *stream);
ag_error ag_stream_result(ag_place where, const char *function, FILE *stream);

/* Holds a value beyond its frame; lets it go. */
void ag_held_set(ag_value **slot, ag_value *v);
void ag_held_drop(ag_value **slot);
/* One line: `what`, then the numbers of v if they are few, else what they are like; `nothing` if v is NULL. */
void ag_value_print(FILE *stream, const char *what, const ag_value *v, const char *nothing);
/* A copy that belongs to the innermost scope and has no history. */
ag_tensor ag_value_copy_out(ag_place where, const char *function, const ag_value *v);

#endif
