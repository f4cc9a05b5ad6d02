/*
 * Local derivatives: what an element-wise operation's rule makes of a gradient of ones.
 */
#include "local.h"

#include "../sweep.h"
#include "survey.h"

double *ag_local_derivative(ag_place where, ag_context *ctx, ag_node *node)
{
    const struct ag_op *op = node->op;
    if (op->inputs != 1 || op->outputs != 1 || op->forward != NULL || op->view || op->backward == NULL || node->output[0] == NULL ||
        node->output[0]->numel == 0) {
        return NULL;
    }
    ag_frame frame = ag_frame_begin();
    ag_tensor ones = ag_ones_at(where, ag_value_shape_of(node->output[0]), (ag_dtype)node->output[0]->dtype);
    ag_value *dy = ag_is_nil(ones) ? NULL : ag_peek(ones), *local = NULL;
    double *numbers = dy != NULL && ag_sweep_probe(ctx, node, &dy, &local) && local != NULL ? ag_value_doubles(where, "ag_local", local) : NULL;
    ag_pending_drop(&local);
    ag_frame_end_n(frame, 0, NULL);
    return numbers;
}
