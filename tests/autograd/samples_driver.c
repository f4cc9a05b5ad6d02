#include "samples_driver.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ag_sample_set *first;
static const struct ag_op *ops[512];
static int op_count;

void ag_sample_register(ag_sample_set *set)
{
    ag_sample_set **at = &first;
    while (*at != NULL && strcmp((*at)->name, set->name) < 0) {
        at = &(*at)->next;
    }
    set->next = *at;
    *at = set;
}

void ag_sample_register_op(const struct ag_op *op)
{
    if (op_count < (int)(sizeof(ops) / sizeof(ops[0]))) {
        ops[op_count++] = op;
    }
}

int samples_sets(const ag_sample_set **sets, int capacity)
{
    int n = 0;
    for (const ag_sample_set *set = first; set != NULL && n < capacity; set = set->next) {
        sets[n++] = set;
    }
    return n;
}

int samples_ops(const struct ag_op **out, int capacity)
{
    int n = op_count < capacity ? op_count : capacity;
    memcpy(out, ops, (size_t)n * sizeof(*out));
    return n;
}

bool ag_sample_enter(ag_samples *s, const char *text, bool refuses)
{
    int here = s->seen++;
    if (s->listing || here != s->wanted) {
        return false;
    }
    snprintf(s->text, sizeof(s->text), "%s", text);
    s->refuses = refuses;
    return true;
}

int samples_count(const ag_sample_set *set)
{
    ag_samples s = {.set = set, .listing = true};
    set->run(&s);
    return s.seen;
}

void samples_open(ag_samples *s, const ag_sample_set *set, int i, ag_dtype dtype, enum sample_layout layout)
{
    memset(s, 0, sizeof(*s));
    s->set = set;
    s->wanted = i;
    s->dtype = dtype;
    s->layout = layout;
}

void samples_run(ag_samples *s)
{
    s->seen = 0;
    s->results = 0;
    s->set->run(s);
}

void samples_close(ag_samples *s)
{
    for (int i = 0; i < s->inputs; i++) {
        ag_drop(&s->input[i].leaf);
    }
}

/* ---- inputs ---------------------------------------------------------------------------------------------------------------- */

static uint64_t hash(uint64_t h, const char *text)
{
    for (; *text != '\0'; text++) {
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    }
    return h;
}

static ag_rng generator(const ag_samples *s, const char *name)
{
    return ag_rng_seed(hash(hash(hash(0xcbf29ce484222325u, s->set->name), s->text), name));
}

ag_tensor samples_view(const ag_samples *s, int i)
{
    const struct sample_input *in = &s->input[i];
    if (!in->laid_out) {
        return in->leaf;
    }
    if (s->layout == LAYOUT_TRANSPOSED) {
        ag_dims reverse = {.count = in->shape.ndim};
        for (int d = 0; d < reverse.count; d++) {
            reverse.dim[d] = reverse.count - 1 - d;
        }
        return ag_permute(in->leaf, reverse);
    }
    if (s->layout == LAYOUT_STRIDED) {
        return ag_slice(in->leaf, -1, 0, INT64_MAX, 2);
    }
    ag_tensor expanded = ag_expand(in->leaf, in->shape);
    return s->layout == LAYOUT_COPIED ? ag_contiguous(expanded) : expanded;
}

/* Where row-major element k of the sample's shape lies in the leaf. */
static int64_t in_leaf(const ag_samples *s, const struct sample_input *in, int64_t k)
{
    if (!in->laid_out) {
        return k;
    }
    if (s->layout == LAYOUT_STRIDED) {
        return 2 * k;
    }
    if (s->layout != LAYOUT_TRANSPOSED) {
        return k % (ag_shape_numel(in->shape) / in->shape.size[0]);
    }
    int64_t at = 0, step = 1, index[AG_MAX_DIMS];
    for (int d = in->shape.ndim - 1; d >= 0; d--) {
        index[d] = k % in->shape.size[d];
        k /= in->shape.size[d];
    }
    for (int d = 0; d < in->shape.ndim; d++) { /* the last dimension of the leaf is the first of the shape */
        at += index[d] * step;
        step *= in->shape.size[d];
    }
    return at;
}

static ag_tensor input(ag_samples *s, const char *name, ag_shape shape, ag_dtype dtype, bool differentiable,
                       const double *values)
{
    for (int i = 0; i < s->inputs; i++) {
        if (strcmp(s->input[i].name, name) == 0) {
            return samples_view(s, i);
        }
    }
    if (s->inputs == SAMPLE_INPUTS) {
        abort();
    }
    struct sample_input *in = &s->input[s->inputs];
    snprintf(in->name, sizeof(in->name), "%s", name);
    in->shape = shape;
    in->floating = ag_dtype_is_float(dtype);
    in->differentiable = differentiable;
    in->laid_out = s->layout != LAYOUT_ROW_MAJOR && shape.ndim > 0 && !s->refuses;
    ag_shape leaf = shape;
    if (in->laid_out && s->layout == LAYOUT_TRANSPOSED) {
        for (int d = 0; d < shape.ndim; d++) {
            leaf.size[d] = shape.size[shape.ndim - 1 - d];
        }
    } else if (in->laid_out && s->layout == LAYOUT_STRIDED) {
        leaf.size[shape.ndim - 1] *= 2;
    } else if (in->laid_out) {
        leaf.size[0] = shape.size[0] > 1 ? 1 : shape.size[0];
    }
    s->met |= shape.ndim == 0 ? MET_SCALAR : 0;
    for (int d = 0; d < shape.ndim; d++) {
        s->met |= shape.size[d] == 0 ? MET_EMPTY : shape.size[d] == 1 ? MET_ONE : 0;
    }
    in->leaf = ag_leaf(leaf, dtype, differentiable);
    int64_t n = ag_shape_numel(shape), total = ag_shape_numel(leaf);
    double *doubles = calloc((size_t)total + 1, sizeof(double));
    void *raw = calloc((size_t)total + 1, 8);
    for (int64_t k = n - 1; k >= 0; k--) { /* the first row is what an expanded leaf keeps */
        doubles[in_leaf(s, in, k)] = values[k];
    }
    for (int64_t k = 0; k < total; k++) {
        switch (dtype) {
        case AG_FLOAT32:
            ((float *)raw)[k] = (float)doubles[k];
            break;
        case AG_FLOAT64:
            ((double *)raw)[k] = doubles[k];
            break;
        case AG_INT64:
            ((int64_t *)raw)[k] = (int64_t)doubles[k];
            break;
        case AG_UINT8:
            ((uint8_t *)raw)[k] = (uint8_t)doubles[k];
            break;
        }
    }
    if (total > 0) {
        ag_write(in->leaf, raw, total);
    }
    free(doubles);
    free(raw);
    return samples_view(s, s->inputs++);
}

/* Distinct values, evenly spread over (low, high) but not within `gap` of 0, in random order: no ties, no kinks. */
static double *spread(ag_rng *rng, int64_t n, double low, double high, double gap)
{
    double *values = calloc((size_t)n + 1, sizeof(double));
    int64_t *order = calloc((size_t)n + 1, sizeof(int64_t));
    ag_rng_permutation(rng, n, order);
    bool around = low < 0 && high > 0;
    double length = high - low - (around ? 2 * gap : 0);
    for (int64_t k = 0; k < n; k++) {
        double x = low + length * ((double)order[k] + 0.25 + 0.5 * ag_rng_uniform(rng)) / (double)n;
        values[k] = around && x > -gap ? x + 2 * gap : x;
    }
    free(order);
    return values;
}

static ag_tensor floating(ag_samples *s, const char *name, ag_shape shape, double low, double high, bool grad)
{
    ag_rng rng = generator(s, name);
    double *values = spread(&rng, ag_shape_numel(shape), low, high, 0.1);
    ag_tensor t = input(s, name, shape, s->dtype, grad, values);
    free(values);
    return t;
}

ag_tensor sample_float(ag_samples *s, const char *name, ag_shape shape)
{
    return floating(s, name, shape, -2, 2, true);
}

ag_tensor sample_range(ag_samples *s, const char *name, ag_shape shape, double low, double high)
{
    return floating(s, name, shape, low, high, true);
}

ag_tensor sample_constant(ag_samples *s, const char *name, ag_shape shape, double low, double high)
{
    return floating(s, name, shape, low, high, false);
}

ag_tensor sample_values(ag_samples *s, const char *name, ag_shape shape, const double *values)
{
    return input(s, name, shape, s->dtype, true, values);
}

static ag_tensor whole_numbers(ag_samples *s, const char *name, ag_shape shape, int64_t low, int64_t high,
                               ag_dtype dtype)
{
    ag_rng rng = generator(s, name);
    int64_t n = ag_shape_numel(shape);
    double *values = calloc((size_t)n + 1, sizeof(double));
    for (int64_t k = 0; k < n; k++) {
        values[k] = (double)(low + ag_rng_below(&rng, high - low));
    }
    ag_tensor t = input(s, name, shape, dtype, false, values);
    free(values);
    return t;
}

ag_tensor sample_int(ag_samples *s, const char *name, ag_shape shape, int64_t low, int64_t high)
{
    return whole_numbers(s, name, shape, low, high, AG_INT64);
}

ag_tensor sample_mask(ag_samples *s, const char *name, ag_shape shape)
{
    return whole_numbers(s, name, shape, 0, 2, AG_UINT8);
}

ag_dtype sample_dtype(ag_samples *s)
{
    return s->dtype;
}

void sample_first_order_only(ag_samples *s)
{
    s->first_order_only = true;
}

void sample_no_differences(ag_samples *s)
{
    s->no_differences = true;
}

void sample_looser(ag_samples *s, double float64, double float32, const char *reason)
{
    s->looser64 = float64;
    s->looser32 = float32;
    s->reason = reason;
}

void sample_result(ag_samples *s, ag_tensor y)
{
    if (s->results == SAMPLE_RESULTS) {
        abort();
    }
    s->result[s->results++] = y;
}

double samples_weight(int64_t i)
{
    return cos(1 + 0.7 * (double)i);
}

ag_tensor samples_objective(ag_samples *s)
{
    ag_tensor total = AG_NONE;
    int64_t at = 0;
    for (int r = 0; r < s->results && ag_error_code() == AG_OK; r++) {
        ag_tensor y = s->result[r];
        if (!ag_dtype_is_float(ag_dtype_of(y))) {
            continue;
        }
        int64_t n = ag_numel(y);
        double *weights = calloc((size_t)n + 1, sizeof(double));
        for (int64_t k = 0; k < n; k++) {
            weights[k] = samples_weight(at++);
        }
        ag_tensor w = ag_cast(ag_from(ag_shape_of(y), AG_FLOAT64, weights), ag_dtype_of(y));
        free(weights);
        ag_tensor part = ag_sum(ag_mul(y, w));
        if (ag_dtype_of(part) != AG_FLOAT64 && r > 0 && ag_dtype_of(total) == AG_FLOAT64) {
            part = ag_cast(part, AG_FLOAT64);
        }
        total = ag_is_none(total) ? part : ag_add(total, part);
    }
    return total;
}
