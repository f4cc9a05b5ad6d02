/* Local derivatives of element-wise operations, for the files of this folder. Internal: not installed. */
#ifndef WENGERT_AUTOGRAD_INSPECT_LOCAL_H
#define WENGERT_AUTOGRAD_INSPECT_LOCAL_H

#include "../internal.h"

/* dy/dx of each element of a unary element-wise operation, row-major, that backward has not freed; NULL if the node is none, or
 * after raising. The caller frees it. */
double *ag_local_derivative(ag_place where, ag_context *ctx, ag_node *node);

#endif
