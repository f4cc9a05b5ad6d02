/*
 * Sequences of several lengths, packed row by row and padded again. All of it is choosing rows, so gradients go back to where
 * values came from.
 */
#include <stdio.h>

#include "recurrent_parts.h"

static const nn_packed packed_nil = {{UINT64_MAX}, {UINT64_MAX}, {UINT64_MAX}, {UINT64_MAX}};

/* Whether x has sequences and lengths fit them. */
static bool lengths_fit(ag_place where, ag_tensor x, ag_tensor lengths, bool batch_first)
{
    char text[AG_SHAPE_TEXT], other[AG_SHAPE_TEXT];
    if (ag_is_nil(x) || ag_is_nil(lengths) || ag_error_code() != AG_OK) {
        return false;
    }
    ag_shape s = ag_shape_of(x), l = ag_shape_of(lengths);
    if (ag_error_code() != AG_OK) {
        return false;
    }
    if (s.ndim < 2 || s.size[0] < 1 || s.size[1] < 1) {
        ag_error_raise(where, AG_ERROR_SHAPE, "nn_pack_padded: needs %s, got %s",
                       batch_first ? "(batch,steps,…)" : "(steps,batch,…)", ag_shape_format(s, text, sizeof(text)));
        return false;
    }
    int64_t batch = s.size[!batch_first], steps = s.size[batch_first];
    if (ag_dtype_of(lengths) != AG_INT64 || l.ndim != 1 || l.size[0] != batch) {
        ag_error_raise(where, AG_ERROR_SHAPE, "nn_pack_padded: the lengths must be int64 (%lld), got %s %s", (long long)batch,
                       ag_dtype_name(ag_dtype_of(lengths)), ag_shape_format(l, other, sizeof(other)));
        return false;
    }
    const int64_t *length = ag_data(lengths);
    for (int64_t n = 0; length != NULL && n < batch; n++) {
        if (length[n] < 1 || length[n] > steps) {
            ag_error_raise(where, AG_ERROR_VALUE, "nn_pack_padded: sequence %lld has length %lld and must have 1 to %lld",
                           (long long)n, (long long)length[n], (long long)steps);
            return false;
        }
    }
    return length != NULL;
}

/* unsorted[sorted[i]] = i */
static ag_tensor inverse(ag_tensor sorted)
{
    int64_t n = ag_numel(sorted);
    ag_tensor y = ag_zeros(AG_SHAPE(n), AG_INT64);
    const int64_t *from = ag_data(sorted);
    int64_t *to = ag_data_mut(y);
    for (int64_t i = 0; from != NULL && to != NULL && i < n; i++) {
        to[from[i]] = i;
    }
    return y;
}

/* How many sequences have step t; the longest stands first in `sorted`. */
static ag_tensor count_steps(ag_tensor lengths, ag_tensor sorted)
{
    const int64_t *length = ag_data(lengths), *order = ag_data(sorted);
    int64_t batch = ag_numel(lengths);
    if (length == NULL || order == NULL) {
        return AG_NIL;
    }
    ag_tensor y = ag_zeros(AG_SHAPE(length[order[0]]), AG_INT64);
    int64_t *rows = ag_data_mut(y);
    for (int64_t n = 0; rows != NULL && n < batch; n++) {
        for (int64_t t = 0; t < length[n]; t++) {
            rows[t]++;
        }
    }
    return y;
}

nn_packed nn_pack_padded_at(ag_place where, ag_tensor x, ag_tensor lengths, bool batch_first)
{
    ag_place before = ag_caller_set(where);
    ag_frame frame = ag_frame_begin();
    nn_packed p = packed_nil;
    lengths = ag_is_alive(lengths) ? ag_contiguous(lengths) : lengths;
    if (lengths_fit(where, x, lengths, batch_first)) {
        ag_shape s = ag_shape_of(x), rows = s;
        int64_t batch = s.size[!batch_first], steps = s.size[batch_first];
        p.sorted = ag_argsort(lengths, 0, true);
        p.unsorted = inverse(p.sorted);
        p.batch_sizes = count_steps(lengths, p.sorted);
        const int64_t *order = ag_data(p.sorted), *count = ag_data(p.batch_sizes);
        ag_tensor index = ag_zeros(AG_SHAPE((int64_t)ag_item(ag_sum(p.batch_sizes))), AG_INT64);
        int64_t *at = ag_data_mut(index), longest = ag_numel(p.batch_sizes);
        for (int64_t t = 0; at != NULL && order != NULL && count != NULL && t < longest; t++) {
            for (int64_t n = 0; n < count[t]; n++) {
                *at++ = batch_first ? order[n] * steps + t : t * batch + order[n];
            }
        }
        rows.ndim--;
        rows.size[0] = batch * steps;
        for (int d = 1; d < rows.ndim; d++) {
            rows.size[d] = s.size[d + 1];
        }
        p.data = ag_index_select(ag_reshape(x, rows), 0, index);
    }
    p = ag_error_code() == AG_OK ? p : packed_nil;
    ag_frame_end_n(frame, 4, (ag_tensor[]){p.data, p.batch_sizes, p.sorted, p.unsorted});
    ag_caller_set(before);
    return p;
}

static bool int64_vector(ag_tensor t)
{
    return ag_is_alive(t) && ag_dtype_of(t) == AG_INT64 && ag_ndim(t) == 1;
}

/* Whether each sequence has one place: sorted is a permutation whose inverse is unsorted. */
static bool is_order(ag_tensor sorted, ag_tensor unsorted)
{
    const int64_t *place = ag_data(sorted), *back = ag_data(unsorted);
    int64_t n = ag_numel(sorted);
    bool fits = place != NULL && back != NULL && ag_numel(unsorted) == n;
    for (int64_t i = 0; fits && i < n; i++) {
        fits = place[i] >= 0 && place[i] < n && back[place[i]] == i;
    }
    return fits;
}

bool nn_packed_good(ag_place where, const char *function, nn_packed p)
{
    const char *problem = NULL;
    char text[AG_SHAPE_TEXT + 128];
    if (ag_is_nil(p.data) || ag_is_nil(p.batch_sizes) || ag_error_code() != AG_OK) {
        return false;
    }
    if (!ag_is_alive(p.data) || !int64_vector(p.batch_sizes) || !int64_vector(p.sorted) || !int64_vector(p.unsorted)) {
        ag_error_raise(where, AG_ERROR_VALUE,
                       "%s: the sequences are not packed: they need data, and int64 batch_sizes, sorted and unsorted, as "
                       "nn_pack_padded() makes them", function);
        return false;
    }
    ag_tensor sizes = ag_contiguous(p.batch_sizes), sorted = ag_contiguous(p.sorted), unsorted = ag_contiguous(p.unsorted);
    const int64_t *rows = ag_data(sizes);
    int64_t steps = ag_numel(sizes), batch = ag_numel(sorted), all = 0;
    for (int64_t t = 0; rows != NULL && problem == NULL && t < steps; all += rows[t++]) {
        if (rows[t] < 1 || rows[t] > (t > 0 ? rows[t - 1] : batch)) {
            snprintf(text, sizeof(text), "step %lld has %lld sequences after %lld", (long long)t, (long long)rows[t],
                     (long long)(t > 0 ? rows[t - 1] : batch));
            problem = text;
        }
    }
    if (problem == NULL && (steps == 0 || rows[0] != batch)) {
        problem = "the first step must have all sequences";
    } else if (problem == NULL && !is_order(sorted, unsorted)) {
        problem = "sorted and unsorted must be an order of the sequences and its inverse";
    } else if (problem == NULL && (ag_ndim(p.data) < 1 || ag_size(p.data, 0) != all)) {
        char shape[AG_SHAPE_TEXT];
        snprintf(text, sizeof(text), "batch_sizes add up to %lld rows, and data is %s", (long long)all,
                 ag_shape_format(ag_shape_of(p.data), shape, sizeof(shape)));
        problem = text;
    }
    if (problem != NULL && ag_error_code() == AG_OK) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the packed sequences do not fit together: %s", function, problem);
    }
    return ag_error_code() == AG_OK;
}

/* Where each place of the padded result comes from: a row of the packed data, or the row of padding behind them. */
static ag_tensor places(nn_packed p, bool batch_first, int64_t total, ag_tensor *lengths)
{
    const int64_t *count = ag_data(p.batch_sizes), *order = ag_data(p.sorted);
    int64_t steps = ag_numel(p.batch_sizes), batch = ag_numel(p.sorted);
    ag_tensor index = ag_zeros(AG_SHAPE(steps * batch), AG_INT64), ends = ag_zeros(AG_SHAPE(batch), AG_INT64);
    int64_t *to = ag_data_mut(index), *length = ag_data_mut(ends), row = 0;
    for (int64_t t = 0; ag_error_code() == AG_OK && t < steps; t++) {
        for (int64_t n = 0; n < batch; n++) {
            bool there = n < count[t];
            to[batch_first ? order[n] * steps + t : t * batch + order[n]] = there ? row++ : total;
            length[order[n]] += there;
        }
    }
    *lengths = ends;
    return index;
}

ag_tensor nn_pad_packed_at(ag_place where, nn_packed packed, bool batch_first, double padding, ag_tensor *lengths)
{
    ag_place before = ag_caller_set(where);
    ag_frame frame = ag_frame_begin();
    ag_tensor y = AG_NIL, ends = AG_NIL;
    if (nn_packed_good(where, "nn_pad_packed", packed)) {
        packed.batch_sizes = ag_contiguous(packed.batch_sizes);
        packed.sorted = ag_contiguous(packed.sorted);
        ag_shape s = ag_shape_of(packed.data), last = s, shape = s;
        last.size[0] = 1;
        ag_tensor index = places(packed, batch_first, s.size[0], &ends);
        ag_tensor parts[] = {packed.data, ag_full(last, padding, ag_dtype_of(packed.data))};
        int64_t steps = ag_numel(packed.batch_sizes), batch = ag_numel(packed.sorted);
        shape.ndim++;
        shape.size[0] = batch_first ? batch : steps;
        shape.size[1] = batch_first ? steps : batch;
        for (int d = 2; d < shape.ndim; d++) {
            shape.size[d] = s.size[d - 1];
        }
        y = ag_reshape(ag_index_select(ag_cat(2, parts, 0), 0, index), shape);
    }
    ag_frame_end_n(frame, 2, (ag_tensor[]){y, ends});
    if (lengths != NULL) {
        *lengths = ends;
    }
    ag_caller_set(before);
    return y;
}
