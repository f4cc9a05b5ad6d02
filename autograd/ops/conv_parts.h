/*
 * What the convolutions know of one another. Internal to ops/.
 */
#ifndef WENGERT_OPS_CONV_PARTS_H
#define WENGERT_OPS_CONV_PARTS_H

#include "conv.h"

/* The image (N, C, h, w) whose convolution's gradient g is: conv2d_input of conv.c. */
ag_tensor ops_conv2d_input(ag_place where, ag_tensor g, ag_tensor weight, ag_conv2d_config config, int64_t h, int64_t w);

#endif
