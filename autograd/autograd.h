/* The engine's public headers, from the ground up. */
#ifndef WENGERT_AUTOGRAD_AUTOGRAD_H
#define WENGERT_AUTOGRAD_AUTOGRAD_H

#include "compiler.h"
#include "error.h"
#include "shape.h"
#include "storage.h"
#include "machine.h"
#include "rng.h"
#include "tensor.h"
#include "entries.h"
#include "state.h"
#include "tape.h"
#include "op.h"
#include "ops/ops.h"
#include "backward.h"
#include "functional.h"
#include "gradcheck.h"
#include "inspect/debug.h"
#include "inspect/explain.h"
#include "inspect/inspect.h"
#include "inspect/monitor.h"
#include "inspect/step.h"

#endif
