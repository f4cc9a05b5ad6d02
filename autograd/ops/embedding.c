/*
 * Rows of a table, and the sum of gradients back into rows.
 */
#include <string.h>

#include "../kernels/index.h"
#include "../samples.h"
#include "common.h"
#include "look.h"
#include "ops.h"

struct embedding_params {
    int64_t padding; /* a row that gets no gradient; -1: none */
    bool blank;      /* reads zeros instead of that row: the way back of the way back */
    int64_t rows;    /* of the table, for the way back */
};

static bool index_ok(ag_call *call, const ag_array *index, int64_t rows)
{
    int64_t found, at = k_index_outside(index, rows, &found);
    return at < 0 || ag_call_fail(call, AG_ERROR_INDEX, "index %lld at position %lld is outside 0..%lld", (long long)found,
                                  (long long)at, (long long)rows - 1);
}

/* Adds row i of g to row index[i] of `table`, both row-major. */
static void add_rows(ag_dtype dtype, int64_t n, int64_t width, const int64_t *index, const void *g, void *table, int64_t padding)
{
    for (int64_t i = 0; i < n; i++) {
        if (index[i] == padding) {
            continue;
        }
        if (dtype == AG_FLOAT32) {
            float *restrict to = (float *)table + index[i] * width;
            const float *restrict from = (const float *)g + i * width;
            for (int64_t k = 0; k < width; k++) {
                to[k] += from[k];
            }
        } else {
            double *restrict to = (double *)table + index[i] * width;
            const double *restrict from = (const double *)g + i * width;
            for (int64_t k = 0; k < width; k++) {
                to[k] += from[k];
            }
        }
    }
}

/* ---- embedding ----------------------------------------------------------------------------------------------------------------------
 * y[…, :] = w[index[…], :]
 * dw[index[…], :] += dy[…, :] */

static bool embedding_shape(ag_call *call)
{
    const struct embedding_params *p = ag_call_params(call);
    const ag_array *w = ag_call_input(call, 0), *index = ag_call_input(call, 1);
    char tw[AG_SHAPE_TEXT];
    if (!ops_need_float(call, w)) {
        return false;
    }
    if (w->ndim != 2) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "the weight must be (rows, width), got %s", ops_text(w, tw));
    }
    if (index->dtype != AG_INT64 || index->ndim == AG_MAX_DIMS) {
        return ag_call_fail(call, AG_ERROR_DTYPE, "the index must be int64 of at most 7 dimensions, got %s %s",
                            ag_dtype_name(index->dtype), ag_call_shape_text(call, 1));
    }
    if (p->padding >= w->size[0]) {
        return ag_call_fail(call, AG_ERROR_INDEX, "padding index %lld is outside of the %lld rows", (long long)p->padding,
                            (long long)w->size[0]);
    }
    ag_shape shape = ag_call_shape(call, 1);
    shape.size[shape.ndim++] = w->size[1];
    return ag_call_output(call, 0, w->dtype, shape);
}

static bool embedding_forward(ag_call *call)
{
    const struct embedding_params *p = ag_call_params(call);
    const ag_array *w = ag_call_input(call, 0), *y = ag_call_result(call, 0);
    const int64_t *index = ops_row_major(call, ag_call_input(call, 1));
    const char *table = ops_row_major(call, w);
    if (index == NULL || table == NULL || !index_ok(call, ag_call_input(call, 1), w->size[0])) {
        return false;
    }
    size_t bytes = (size_t)w->size[1] * ag_dtype_size(w->dtype);
    int64_t n = ag_call_input(call, 1)->numel;
    for (int64_t i = 0; i < n && bytes > 0; i++) {
        char *to = (char *)y->data + (size_t)i * bytes;
        if (p->blank && index[i] == p->padding) {
            memset(to, 0, bytes);
        } else {
            memcpy(to, table + (size_t)index[i] * bytes, bytes);
        }
    }
    return true;
}

static ag_tensor embedding_rows(ag_tensor g, ag_tensor index, struct embedding_params p);

static void embedding_backward(ag_sweep *s)
{
    struct embedding_params p = *(const struct embedding_params *)ag_sweep_params(s);
    ag_tensor dy = ag_sweep_grad(s, 0), index = ag_sweep_input(s, 1);
    ag_array target;
    bool accumulate;
    if (ag_error_code() == AG_OK && ag_is_contiguous(dy) && ag_is_contiguous(index) &&
        ag_sweep_target(s, 0, &target, &accumulate)) { /* straight into the rows that were read */
        if (!accumulate) {
            memset(target.data, 0, (size_t)target.numel * ag_dtype_size(target.dtype));
        }
        add_rows(target.dtype, ag_numel(index), target.size[1], ag_data(index), ag_data(dy), target.data, p.padding);
        return;
    }
    p.rows = ag_sweep_shape(s, 0).size[0];
    ag_sweep_add(s, 0, embedding_rows(dy, index, p));
}

AG_OP(embedding){.size = sizeof(struct ag_op), .name = "embedding", .formula = "y = w[index]", .derivative = "dw[index] += dy",
                 .inputs = 2, .outputs = 1, .saves = AG_SAVE_INPUT(1), .params = sizeof(struct embedding_params),
                 .orders = AG_ORDERS_ANY, .shape = embedding_shape, .forward = embedding_forward,
                 .backward = embedding_backward};

static ag_tensor embedding(ag_place where, ag_tensor weight, ag_tensor index, struct embedding_params p)
{
    ag_tensor in[2] = {weight, index};
    return ag_apply(where, &op_embedding, 2, in, &p, NULL);
}

ag_tensor ag_embedding_at(ag_place where, ag_tensor weight, ag_tensor index)
{
    return embedding(where, weight, index, (struct embedding_params){.padding = -1});
}

ag_tensor ag_embedding_padded_at(ag_place where, ag_tensor weight, ag_tensor index, int64_t padding)
{
    const ag_value *w = look(where, "ag_embedding_padded", weight);
    if (w == NULL) {
        return AG_NIL;
    }
    int64_t rows = w->ndim > 0 ? w->size[0] : 0, at = padding < 0 ? padding + rows : padding;
    if (at < 0 || at >= rows) {
        ag_error_raise(where, AG_ERROR_INDEX, "ag_embedding_padded: padding index %lld is outside of the %lld rows",
                       (long long)padding, (long long)rows);
        return AG_NIL;
    }
    return embedding(where, weight, index, (struct embedding_params){.padding = at});
}

/* ---- embedding_rows: the way back -----------------------------------------------------------------------------------------------------
 * w = zeros, w[index[…], :] += g[…, :], except the padding row
 * dg[…, :] = dw[index[…], :], 0 for the padding row */

static bool embedding_rows_shape(ag_call *call)
{
    const struct embedding_params *p = ag_call_params(call);
    const ag_array *g = ag_call_input(call, 0), *index = ag_call_input(call, 1);
    ag_shape rows = ag_call_shape(call, 1);
    if (g->ndim == 0 || rows.ndim == AG_MAX_DIMS) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "the gradient is %s", ag_call_shape_text(call, 0));
    }
    rows.size[rows.ndim++] = g->size[g->ndim - 1];
    return ops_need_shape(call, 0, rows) && index->dtype == AG_INT64 &&
           ag_call_output(call, 0, g->dtype, AG_SHAPE(p->rows, g->size[g->ndim - 1]));
}

static bool embedding_rows_forward(ag_call *call)
{
    const struct embedding_params *p = ag_call_params(call);
    const ag_array *w = ag_call_result(call, 0);
    const int64_t *index = ops_row_major(call, ag_call_input(call, 1));
    const void *g = ops_row_major(call, ag_call_input(call, 0));
    if (index == NULL || g == NULL || !index_ok(call, ag_call_input(call, 1), p->rows)) {
        return false;
    }
    memset(w->data, 0, (size_t)w->numel * ag_dtype_size(w->dtype));
    add_rows(w->dtype, ag_call_input(call, 1)->numel, w->size[1], index, g, w->data, p->padding);
    return true;
}

static void embedding_rows_backward(ag_sweep *s)
{
    struct embedding_params p = *(const struct embedding_params *)ag_sweep_params(s);
    p.blank = p.padding >= 0;
    ag_sweep_add(s, 0, embedding(AG_HERE, ag_sweep_grad(s, 0), ag_sweep_input(s, 1), p));
}

AG_OP(embedding_rows){.size = sizeof(struct ag_op), .name = "embedding_rows", .formula = "w[index] += g, else 0",
                      .derivative = "dg = dw[index]", .inputs = 2, .outputs = 1, .saves = AG_SAVE_INPUT(1),
                      .params = sizeof(struct embedding_params), .orders = AG_ORDERS_ANY, .shape = embedding_rows_shape,
                      .forward = embedding_rows_forward, .backward = embedding_rows_backward};

static ag_tensor embedding_rows(ag_tensor g, ag_tensor index, struct embedding_params p)
{
    ag_tensor in[2] = {g, index};
    return ag_apply(AG_HERE, &op_embedding_rows, 2, in, &p, NULL);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(embedding)
{
    SAMPLE("F.embedding(k, w)") {
        sample_result(s, ag_embedding(sample_float(s, "w", AG_SHAPE(5, 3)), sample_int(s, "k", AG_SHAPE(2, 4), 0, 5)));
    }
    SAMPLE("F.embedding(k, w) ** 2  # twice the same table") {
        ag_tensor w = sample_float(s, "w", AG_SHAPE(4, 3));
        sample_result(s, ag_square(ag_embedding(w, sample_int(s, "k", AG_SHAPE_SCALAR, 0, 4))));
    }
    SAMPLE("F.embedding(k, w, padding_idx=1) ** 2") {
        ag_tensor w = sample_float(s, "w", AG_SHAPE(3, 2));
        sample_result(s, ag_square(ag_embedding_padded(w, sample_int(s, "k", AG_SHAPE(7), 0, 3), 1)));
        sample_no_differences(s); /* which see the padding row move */
    }
    SAMPLE("F.embedding(k, w, padding_idx=-1)") {
        ag_tensor w = sample_float(s, "w", AG_SHAPE(3, 2));
        sample_result(s, ag_embedding_padded(w, sample_int(s, "k", AG_SHAPE(7), 0, 2), -1));
    }
    SAMPLE("F.embedding(k, w)  # nothing") {
        sample_result(s, ag_embedding(sample_float(s, "w", AG_SHAPE(5, 3)), sample_int(s, "k", AG_SHAPE(0), 0, 5)));
    }
    REFUSES("ag_embedding: index 5 at position 0 is outside 0..4") {
        ag_embedding(sample_float(s, "w", AG_SHAPE(5, 3)), sample_int(s, "k", AG_SHAPE(2), 5, 6));
    }
    REFUSES("ag_embedding: the weight must be (rows, width), got (5)") {
        ag_embedding(sample_float(s, "w", AG_SHAPE(5)), sample_int(s, "k", AG_SHAPE(2), 0, 5));
    }
    REFUSES("ag_embedding: the index must be int64 of at most 7 dimensions, got uint8 (2)") {
        ag_embedding(sample_float(s, "w", AG_SHAPE(5, 3)), sample_mask(s, "m", AG_SHAPE(2)));
    }
    REFUSES("ag_embedding_padded: padding index 5 is outside of the 5 rows") {
        ag_embedding_padded(sample_float(s, "w", AG_SHAPE(5, 3)), sample_int(s, "k", AG_SHAPE(2), 0, 5), 5);
    }
}
AG_SAMPLES(embedding_rows)
{
    SAMPLE("torch.zeros(4, 2, dtype=g.dtype).index_add(0, k, g)") {
        ag_tensor g = sample_float(s, "g", AG_SHAPE(6, 2)), k = sample_int(s, "k", AG_SHAPE(6), 0, 4);
        sample_result(s, embedding_rows(g, k, (struct embedding_params){.padding = -1, .rows = 4}));
    }
    SAMPLE("torch.zeros(4, 2, dtype=g.dtype).index_add(0, k, g * (k != 1)[:, None])") {
        ag_tensor g = sample_float(s, "g", AG_SHAPE(6, 2)), k = sample_int(s, "k", AG_SHAPE(6), 0, 4);
        sample_result(s, embedding_rows(g, k, (struct embedding_params){.padding = 1, .rows = 4}));
    }
    REFUSES("ag_embedding_rows: input 0 is (2,2) and must be (3,2)") {
        ag_tensor g = sample_float(s, "g", AG_SHAPE(2, 2)), k = sample_int(s, "k", AG_SHAPE(3), 0, 4);
        embedding_rows(g, k, (struct embedding_params){.padding = -1, .rows = 4});
    }
}
#endif
