/*
 * Convolution. Images are N, C, H, W; results have channels last in memory.
 */
#ifndef WENGERT_AUTOGRAD_OPS_CONV_H
#define WENGERT_AUTOGRAD_OPS_CONV_H

#include "../tensor.h"

AG_EXTERN_C_BEGIN

typedef enum ag_padding_mode {
    AG_PADDING_NUMBERS, /* padding[] zeros on both sides */
    AG_PADDING_VALID,   /* none */
    AG_PADDING_SAME     /* output as large as the input; stride 1; the odd zero at the end, as in PyTorch */
} ag_padding_mode;

typedef struct ag_conv2d_config {
    uint32_t made_by_defaults;
    int64_t stride[2];   /* rows, columns; default 1 */
    int64_t padding[2];  /* default 0 */
    int64_t dilation[2]; /* default 1 */
    int64_t groups;      /* default 1 */
    ag_padding_mode padding_mode;
} ag_conv2d_config;

AG_API ag_conv2d_config ag_conv2d_defaults(void);
/* Cross-correlation, as in PyTorch.  x (N,C,H,W)   weight (O,C/groups,KH,KW)   bias (O), optional   y (N,O,OH,OW)
 * OH = floor((H + 2 padding - dilation (KH - 1) - 1) / stride) + 1 */
AG_API ag_tensor ag_conv2d_at(ag_place where, ag_tensor x, ag_tensor weight, ag_tensor bias, ag_conv2d_config config);
typedef struct ag_conv1d_config {
    uint32_t made_by_defaults;
    int64_t stride;   /* default 1 */
    int64_t padding;  /* default 0 */
    int64_t dilation; /* default 1 */
    int64_t groups;   /* default 1 */
    ag_padding_mode padding_mode;
} ag_conv1d_config;

AG_API ag_conv1d_config ag_conv1d_defaults(void); /* stride 1, no padding, dilation 1, one group */
/* The same in one dimension.  x (N,C,L)   weight (O,C/groups,K)   bias (O), optional   y (N,O,OL) */
AG_API ag_tensor ag_conv1d_at(ag_place where, ag_tensor x, ag_tensor weight, ag_tensor bias, ag_conv1d_config config);

typedef struct ag_conv_transpose2d_config {
    uint32_t made_by_defaults;
    int64_t stride[2];         /* rows, columns; default 1 */
    int64_t padding[2];        /* taken away from the result on both sides; default 0 */
    int64_t output_padding[2]; /* added to the result behind; default 0; less than stride or dilation */
    int64_t dilation[2];       /* default 1 */
    int64_t groups;            /* default 1 */
} ag_conv_transpose2d_config;

AG_API ag_conv_transpose2d_config ag_conv_transpose2d_defaults(void); /* stride 1, no paddings, dilation 1, one group */
/* The transpose of convolution as a linear map: what sends a convolution's gradient back to its input.
 * x (N,C,H,W)   weight (C,O/groups,KH,KW)   bias (O), optional   y (N,O,OH,OW)
 * OH = (H - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1          Zeiler, Krishnan, Taylor & Fergus 2010 */
AG_API ag_tensor ag_conv_transpose2d_at(ag_place where, ag_tensor x, ag_tensor weight, ag_tensor bias,
                                        ag_conv_transpose2d_config config);

typedef struct ag_conv_transpose1d_config {
    uint32_t made_by_defaults;
    int64_t stride, padding, output_padding, dilation, groups; /* as in two dimensions */
} ag_conv_transpose1d_config;

AG_API ag_conv_transpose1d_config ag_conv_transpose1d_defaults(void); /* stride 1, no paddings, dilation 1, one group */
/* The same in one dimension.  x (N,C,L)   weight (C,O/groups,K)   bias (O), optional   y (N,O,OL) */
AG_API ag_tensor ag_conv_transpose1d_at(ag_place where, ag_tensor x, ag_tensor weight, ag_tensor bias,
                                        ag_conv_transpose1d_config config);
#define ag_conv2d(...) ag_conv2d_at(AG_HERE, __VA_ARGS__)
#define ag_conv1d(...) ag_conv1d_at(AG_HERE, __VA_ARGS__)
#define ag_conv_transpose2d(...) ag_conv_transpose2d_at(AG_HERE, __VA_ARGS__)
#define ag_conv_transpose1d(...) ag_conv_transpose1d_at(AG_HERE, __VA_ARGS__)

AG_EXTERN_C_END

#endif
