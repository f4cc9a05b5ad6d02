/*
 * Sorting. Values are differentiable: their gradients go where they came from.
 */
#include <math.h>
#include <string.h>

#include "../samples.h"
#include "common.h"
#include "look.h"
#include "ops.h"

/* ---- sort --------------------------------------------------------------------------------------------------------------------------------
 * y[k] = x[order[k]] along a dimension; equal elements stay in order, NaN is larger than any number
 * dx[order[k]] = dy[k] */

struct sort_params {
    int dim;
    bool descending;
};

struct entry {
    union {
        double real;
        int64_t whole;
    } key;
    int64_t index;
};

/* Whether b must stand before a, which comes first now. */
static bool swapped(const struct entry *a, const struct entry *b, bool floating, bool descending)
{
    if (!floating) {
        return descending ? b->key.whole > a->key.whole : b->key.whole < a->key.whole;
    }
    double x = a->key.real, y = b->key.real;
    if (isnan(x) || isnan(y)) {
        return descending ? isnan(y) && !isnan(x) : isnan(x) && !isnan(y);
    }
    return descending ? y > x : y < x;
}

/* A merge sort: stable, no worse than n log n, with room for as many entries in `spare`. The result is in `e`. */
static void sort_entries(struct entry *e, struct entry *spare, int64_t n, bool floating, bool descending)
{
    struct entry *from = e, *to = spare;
    for (int64_t width = 1; width < n; width *= 2) {
        for (int64_t left = 0; left < n; left += 2 * width) {
            int64_t middle = left + width < n ? left + width : n, right = middle + width < n ? middle + width : n;
            int64_t a = left, b = middle;
            for (int64_t k = left; k < right; k++) {
                bool second = a == middle || (b < right && swapped(&from[a], &from[b], floating, descending));
                to[k] = second ? from[b++] : from[a++];
            }
        }
        struct entry *other = from;
        from = to;
        to = other;
    }
    if (from != e) {
        memcpy(e, from, (size_t)n * sizeof(*e));
    }
}

static bool sort_shape(ag_call *call)
{
    int dim = ((const struct sort_params *)ag_call_params(call))->dim;
    const ag_array *x = ag_call_input(call, 0);
    return ops_need_dim(call, x, &dim) && ag_call_output(call, 0, x->dtype, ag_call_shape(call, 0)) &&
           ag_call_output(call, 1, AG_INT64, ag_call_shape(call, 0));
}

static bool sort_forward(ag_call *call)
{
    const struct sort_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0), *y = ag_call_result(call, 0), *order = ag_call_result(call, 1);
    int dim = p->dim < 0 ? p->dim + (x->ndim > 0 ? x->ndim : 1) : p->dim;
    int64_t n = x->ndim == 0 ? 1 : x->size[dim], inner = 1;
    for (int d = dim + 1; d < x->ndim; d++) {
        inner *= x->size[d];
    }
    const char *data = ops_row_major(call, x);
    struct entry *e = ag_call_work(call, (size_t)n * sizeof(*e) * 2 + sizeof(*e));
    if (data == NULL || e == NULL) {
        return false;
    }
    for (int64_t line = 0; n > 0 && line < x->numel / n; line++) {
        int64_t first = line / inner * n * inner + line % inner;
        for (int64_t k = 0; k < n; k++) {
            int64_t at = first + k * inner;
            e[k].index = k;
            switch (x->dtype) {
            case AG_FLOAT32:
                e[k].key.real = ((const float *)(const void *)data)[at];
                break;
            case AG_FLOAT64:
                e[k].key.real = ((const double *)(const void *)data)[at];
                break;
            case AG_INT64:
                e[k].key.whole = ((const int64_t *)(const void *)data)[at];
                break;
            case AG_UINT8:
                e[k].key.whole = ((const uint8_t *)data)[at];
                break;
            }
        }
        sort_entries(e, e + n, n, ag_dtype_is_float(x->dtype), p->descending);
        for (int64_t k = 0; k < n; k++) {
            int64_t at = first + k * inner;
            ((int64_t *)order->data)[at] = e[k].index;
            switch (x->dtype) {
            case AG_FLOAT32:
                ((float *)y->data)[at] = (float)e[k].key.real;
                break;
            case AG_FLOAT64:
                ((double *)y->data)[at] = e[k].key.real;
                break;
            case AG_INT64:
                ((int64_t *)y->data)[at] = e[k].key.whole;
                break;
            case AG_UINT8:
                ((uint8_t *)y->data)[at] = (uint8_t)e[k].key.whole;
                break;
            }
        }
    }
    return true;
}

static void sort_backward(ag_sweep *s)
{
    const struct sort_params *p = ag_sweep_params(s);
    ag_tensor zeros = ag_zeros(ag_sweep_shape(s, 0), ag_sweep_dtype(s, 0));
    ag_sweep_add(s, 0, ag_scatter_add(zeros, p->dim, ag_sweep_output(s, 1), ag_sweep_grad(s, 0)));
}

AG_OP(sort){.size = sizeof(struct ag_op), .name = "sort", .formula = "y[k] = x[order[k]]", .derivative = "dx[order[k]] = dy[k]",
            .inputs = 1, .outputs = 2, .saves = AG_SAVE_OUTPUT(1), .params = sizeof(struct sort_params), .orders = AG_ORDERS_ANY,
            .shape = sort_shape, .forward = sort_forward, .backward = sort_backward};

ag_tensor ag_sort_at(ag_place where, ag_tensor x, int dim, bool descending, ag_tensor *indices)
{
    struct sort_params p = {dim, descending};
    ag_tensor out[2];
    ag_apply(where, &op_sort, 1, &x, &p, out);
    if (indices != NULL) {
        *indices = out[1];
    } else if (!ag_is_nil(out[1])) {
        ag_release(out[1]);
    }
    return out[0];
}

ag_tensor ag_argsort_at(ag_place where, ag_tensor x, int dim, bool descending)
{
    const ag_value *v = look(where, "ag_argsort", x);
    if (v == NULL || !look_dim(where, "ag_argsort", v, &dim, true)) {
        return AG_NIL;
    }
    ag_tensor indices, values = ag_sort_at(where, x, dim, descending, &indices);
    if (!ag_is_nil(values)) {
        ag_release(values);
    }
    return indices;
}

/* ---- topk: the first of those sorted -------------------------------------------------------------------------------------------------------- */

ag_tensor ag_topk_at(ag_place where, ag_tensor x, int64_t k, int dim, bool largest, ag_tensor *indices)
{
    const ag_value *v = look(where, "ag_topk", x);
    char text[AG_SHAPE_TEXT];
    if (indices != NULL) {
        *indices = AG_NIL;
    }
    if (v == NULL || !look_dim(where, "ag_topk", v, &dim, true)) {
        return AG_NIL;
    }
    if (k < 0 || k > (v->ndim == 0 ? 1 : v->size[dim])) {
        ag_error_raise(where, AG_ERROR_INDEX, "ag_topk: there are no %lld elements along dimension %d of %s", (long long)k, dim,
                       look_text(v, text));
        return AG_NIL;
    }
    if (v->ndim == 0) {
        return ag_sort_at(where, x, 0, largest, indices);
    }
    ag_frame frame = ag_frame_begin();
    ag_tensor order, values = ag_sort_at(where, x, dim, largest, &order);
    ag_tensor out[2] = {ag_narrow_at(where, values, dim, 0, k), ag_narrow_at(where, order, dim, 0, k)};
    ag_frame_end_n(frame, 2, out);
    if (indices != NULL && ag_error_code() == AG_OK) {
        *indices = out[1];
    }
    return out[0];
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(sort)
{
    ag_tensor indices;
    SAMPLE("torch.sort(a, 1)") {
        sample_result(s, ag_sort(sample_float(s, "a", AG_SHAPE(3, 7)), 1, false, &indices));
        sample_result(s, indices);
    }
    SAMPLE("torch.sort(a, -2, descending=True)[0] ** 2") {
        sample_result(s, ag_square(ag_sort(sample_float(s, "a", AG_SHAPE(2, 5, 3)), -2, true, NULL)));
    }
    SAMPLE("torch.sort(k, dim=0, stable=True)") {
        sample_result(s, ag_sort(sample_int(s, "k", AG_SHAPE(20), 0, 5), 0, false, &indices));
        sample_result(s, indices);
    }
    SAMPLE("torch.sort(m, dim=0, stable=True, descending=True)") {
        sample_result(s, ag_sort(sample_mask(s, "m", AG_SHAPE(5, 2)), 0, true, &indices));
        sample_result(s, indices);
    }
    SAMPLE("torch.sort(a, 0)  # NaN, infinities") {
        const double values[] = {1, NAN, -INFINITY, 0.5, INFINITY, -2};
        sample_result(s, ag_sort(sample_values(s, "a", AG_SHAPE(6), values), 0, false, &indices));
        sample_result(s, indices);
        sample_no_differences(s);
    }
    SAMPLE("torch.sort(a, 0, descending=True)  # NaN, infinities") {
        const double values[] = {1, NAN, -INFINITY, 0.5, INFINITY, -2};
        sample_result(s, ag_sort(sample_values(s, "a", AG_SHAPE(6), values), 0, true, &indices));
        sample_result(s, indices);
        sample_no_differences(s);
    }
    SAMPLE("torch.argsort(a, 1, descending=True)") {
        sample_result(s, ag_argsort(sample_float(s, "a", AG_SHAPE(2, 5)), 1, true));
    }
    SAMPLE("torch.sort(a, 0)  # one number") {
        sample_result(s, ag_sort(sample_float(s, "a", AG_SHAPE_SCALAR), 0, false, &indices));
        sample_result(s, indices);
    }
    SAMPLE("torch.sort(a, 1)  # nothing") {
        sample_result(s, ag_sort(sample_float(s, "a", AG_SHAPE(2, 0)), 1, false, &indices));
        sample_result(s, indices);
    }
    REFUSES("ag_argsort: dimension 2 is out of range for (2,3)") {
        ag_argsort(sample_float(s, "a", AG_SHAPE(2, 3)), 2, false);
    }
    REFUSES("ag_sort: dimension 2 is out of range for (2,3)") {
        ag_sort(sample_float(s, "a", AG_SHAPE(2, 3)), 2, false, NULL);
    }
}
AG_SAMPLES_OF_FUNCTION(topk)
{
    ag_tensor indices;
    SAMPLE("torch.topk(a, 3, 1)") {
        sample_result(s, ag_topk(sample_float(s, "a", AG_SHAPE(2, 6)), 3, 1, true, &indices));
        sample_result(s, indices);
    }
    SAMPLE("torch.topk(a, 2, 0, largest=False)") {
        sample_result(s, ag_topk(sample_float(s, "a", AG_SHAPE(5, 3)), 2, -2, false, &indices));
        sample_result(s, indices);
    }
    SAMPLE("torch.topk(a, 0, 1)[0]") {
        sample_result(s, ag_topk(sample_float(s, "a", AG_SHAPE(2, 3)), 0, 1, true, NULL));
    }
    REFUSES("ag_topk: there are no 4 elements along dimension 1 of (2,3)") {
        ag_topk(sample_float(s, "a", AG_SHAPE(2, 3)), 4, 1, true, NULL);
    }
    REFUSES("ag_topk: dimension 2 is out of range for (2,3)") {
        ag_topk(sample_float(s, "a", AG_SHAPE(2, 3)), 1, 2, true, NULL);
    }
}
#endif
