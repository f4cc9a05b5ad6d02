/*
 * Elements chosen by index or by mask.
 */
#ifndef WENGERT_AUTOGRAD_OPS_INDEX_H
#define WENGERT_AUTOGRAD_OPS_INDEX_H

#include "../tensor.h"

AG_EXTERN_C_BEGIN

/* Rows of x along dim, in the order of the int64 indices (one dimension). */
AG_API ag_tensor ag_index_select_at(ag_place where, ag_tensor x, int dim, ag_tensor index);
#define ag_index_select(...) ag_index_select_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
