/*
 * What an application of an operation knows while it runs. Internal: for op.c and its neighbours.
 */
#ifndef WENGERT_AUTOGRAD_CALL_H
#define WENGERT_AUTOGRAD_CALL_H

#include "internal.h"

#define AG_CALL_WORKS 12
#define AG_CALL_TEXTS 6

/* One application of an operation. */
struct ag_call {
    ag_context *ctx;
    const struct ag_op *op;
    ag_place where;
    const void *params;
    int n;
    ag_value *const *in;
    ag_array *in_array;
    bool any_requires, recording, in_place;
    ag_storage *many; /* room for more inputs than usual */
    ag_place caller;
    ag_value *out[AG_OP_MAX_OUTPUTS];
    ag_array out_array[AG_OP_MAX_OUTPUTS];
    int works, texts;
    double started; /* when it began, if the tape is retained */
    ag_storage *work[AG_CALL_WORKS];
    char text[AG_CALL_TEXTS][AG_SHAPE_TEXT];
};

/* Checks op, handles and scope and fills the call, of which in_place is set, and which ends with ag_call_end(). `in` and `arrays` have room for
 * AG_OP_MAX_INPUTS. False after raising; the call must be ended then, too. */
bool ag_call_begin(ag_call *call, ag_place where, const struct ag_op *op, int n, const ag_tensor *inputs, const void *params,
                   ag_value **in, ag_array *arrays);
/* Shape rule and forward: the outputs exist and have their numbers. False after raising. */
bool ag_call_compute(ag_call *call);
/* Appends the node. Output i is `outputs[i]`; `in` may be other values than the call's, of the same shapes. NULL after raising. */
ag_node *ag_call_record(ag_call *call, ag_value *const *in, ag_value *const *outputs);
/* Which inputs and outputs the node saves: what its operation does, without what no gradient reads. */
unsigned ag_call_saves(const ag_call *call);
void ag_call_end(ag_call *call);
/* Raises if a result is the first with NaN or infinities; false then. */
bool ag_anomaly_check_call(ag_call *call);
/* Computes an element-wise operation by its loops. */
bool ag_call_loops(ag_call *call);

#endif
