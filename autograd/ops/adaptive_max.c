/*
 * The largest elements of cells that cover an image: their positions are found, and gather fetches them, whose derivative
 * sends gradients there.
 */
#include <math.h>

#include "../samples.h"
#include "common.h"
#include "look.h"
#include "ops.h"

/* ---- adaptive_max_positions ----------------------------------------------------------------------------------------------------------
 * y[n,c,i,j] = the position, counted along rows, of the first largest x in cell (i, j); NaN is largest
 * Cell i covers floor(i H / h) up to ceil((i + 1) H / h). */

struct grid {
    int64_t h, w;
};

static bool positions_shape(ag_call *call)
{
    const struct grid *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0);
    if (!ops_need_float(call, x)) {
        return false;
    }
    if (x->ndim != 4) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "input %s must be (N,C,H,W)", ag_call_shape_text(call, 0));
    }
    if (p->h < 0 || p->w < 0 || p->h > 1 << 30 || p->w > 1 << 30 || (x->size[2] * x->size[3] == 0 && p->h * p->w > 0)) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "%lld x %lld cells cannot cover %s", (long long)p->h, (long long)p->w,
                            ag_call_shape_text(call, 0));
    }
    return ag_call_output(call, 0, AG_INT64, AG_SHAPE(x->size[0], x->size[1], p->h, p->w));
}

static double number(const ag_array *x, int64_t at)
{
    return x->dtype == AG_FLOAT32 ? (double)((const float *)x->data)[at] : ((const double *)x->data)[at];
}

static bool positions_forward(ag_call *call)
{
    const struct grid *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0), *y = ag_call_result(call, 0);
    int64_t height = x->size[2], width = x->size[3], *out = y->data;
    for (int64_t plane = 0; plane < x->size[0] * x->size[1]; plane++) {
        int64_t first = plane / x->size[1] * x->stride[0] + plane % x->size[1] * x->stride[1];
        for (int64_t cell = 0; cell < p->h * p->w; cell++) {
            int64_t i = cell / p->w, j = cell % p->w, best = -1;
            double most = 0;
            for (int64_t r = i * height / p->h; r < ((i + 1) * height + p->h - 1) / p->h; r++) {
                for (int64_t c = j * width / p->w; c < ((j + 1) * width + p->w - 1) / p->w; c++) {
                    double value = number(x, first + r * x->stride[2] + c * x->stride[3]);
                    if (best < 0 || value > most || (isnan(value) && !isnan(most))) {
                        best = r * width + c;
                        most = value;
                    }
                }
            }
            *out++ = best;
        }
    }
    return true;
}

AG_OP(adaptive_max_pool2d){.size = sizeof(struct ag_op), .name = "adaptive_max_pool2d",
                           .formula = "y = position of the largest x in each cell", .inputs = 1, .outputs = 1,
                           .params = sizeof(struct grid), .shape = positions_shape, .forward = positions_forward};

ag_tensor ag_adaptive_max_pool2d_at(ag_place where, ag_tensor x, int64_t h, int64_t w, ag_tensor *indices)
{
    struct grid p = {h, w};
    ag_frame frame = ag_frame_begin();
    ag_tensor out[2] = {AG_NIL, ag_apply(where, &op_adaptive_max_pool2d, 1, &x, &p, NULL)};
    if (!ag_is_nil(out[1])) {
        ag_shape s = ag_shape_of_at(where, x);
        ag_tensor planes = ag_reshape_at(where, x, AG_SHAPE(s.size[0], s.size[1], s.size[2] * s.size[3]));
        ag_tensor cells = ag_reshape_at(where, out[1], AG_SHAPE(s.size[0], s.size[1], h * w));
        out[0] = ag_reshape_at(where, ag_gather_at(where, planes, 2, cells), AG_SHAPE(s.size[0], s.size[1], h, w));
    }
    ag_frame_end_n(frame, 2, out);
    if (indices != NULL) {
        *indices = out[1];
    }
    return out[0];
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(adaptive_max_pool2d)
{
    ag_tensor indices;
    SAMPLE("F.adaptive_max_pool2d(x, 1)") {
        sample_result(s, ag_adaptive_max_pool2d(sample_float(s, "x", AG_SHAPE(2, 3, 3, 4)), 1, 1, NULL));
    }
    SAMPLE("F.adaptive_max_pool2d(x, (2, 3), return_indices=True)") {
        sample_result(s, ag_adaptive_max_pool2d(sample_float(s, "x", AG_SHAPE(1, 2, 5, 7)), 2, 3, &indices));
        sample_result(s, indices);
    }
    SAMPLE("F.adaptive_max_pool2d(x, (4, 3)) ** 2  # more cells than rows") {
        sample_result(s, ag_square(ag_adaptive_max_pool2d(sample_float(s, "x", AG_SHAPE(2, 1, 3, 3)), 4, 3, NULL)));
    }
    REFUSES("ag_adaptive_max_pool2d: input (3,4,5) must be (N,C,H,W)") {
        ag_adaptive_max_pool2d(sample_float(s, "x", AG_SHAPE(3, 4, 5)), 2, 2, NULL);
    }
    REFUSES("ag_adaptive_max_pool2d: 2 x -1 cells cannot cover (1,3,4,5)") {
        ag_adaptive_max_pool2d(sample_float(s, "x", AG_SHAPE(1, 3, 4, 5)), 2, -1, NULL);
    }
    REFUSES("ag_adaptive_max_pool2d: needs a floating type, got int64") {
        ag_adaptive_max_pool2d(sample_int(s, "k", AG_SHAPE(1, 3, 4, 5), 0, 4), 2, 2, NULL);
    }
}
#endif
