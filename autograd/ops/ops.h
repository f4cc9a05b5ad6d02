/*
 * The operations. Each is a macro over a real function that also takes the place of the call, so that every node of the
 * tape knows the user's line; the plain functions stay callable from other languages.
 *
 * Conventions. Inputs are borrowed; results belong to the innermost open scope. Element-wise operations broadcast as
 * NumPy does; both operands have the same element type (ag_cast converts). Unless said otherwise operations take float32
 * and float64, and negative dimensions count from the end. Errors name the operation, the shapes and the line.
 */
#ifndef WENGERT_AUTOGRAD_OPS_H
#define WENGERT_AUTOGRAD_OPS_H

#include "elementwise.h"
#include "activation.h"
#include "reduce.h"
#include "reshape.h"
#include "index.h"
#include "product.h"
#include "recurrent.h"
#include "attention.h"
#include "conv.h"
#include "pool.h"
#include "image.h"
#include "norm.h"
#include "loss.h"
#include "random.h"
#include "in_place.h"

#endif
