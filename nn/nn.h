/* Layers, modules and initialisation. */
#ifndef WENGERT_NN_NN_H
#define WENGERT_NN_NN_H

#include "module.h"
#include "init.h"
#include "layers.h"
#include "load.h"
#include "recurrent.h"
#include "transformer.h"
#include "distribution.h"
#include "generate.h"

#endif
