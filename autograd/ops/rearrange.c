/*
 * Elements in other places: repeating, splitting, flipping, rolling. What can be composed of views and joins is.
 */
#include <string.h>

#include "../samples.h"
#include "look.h"
#include "ops.h"

/* ---- repeat, tile, repeat_interleave: through a view that is expanded ------------------------------------------------------------ */

/* x with dimension d repeated as a whole, or element by element: (outer, n inner) or (outer n, inner) is expanded. The result is
 * a copy also where it could be seen in x's elements: what repeats may be changed in place. */
static ag_tensor repeat_dim(ag_place where, ag_tensor x, int d, int64_t times, bool elements)
{
    ag_shape shape = ag_shape_of(x);
    int64_t outer = 1, inner = 1;
    for (int i = 0; i < shape.ndim; i++) {
        *(i < d ? &outer : &inner) *= i == d ? 1 : shape.size[i];
    }
    int64_t n = shape.size[d];
    shape.size[d] = n * times;
    int64_t before = elements ? outer * n : outer, after = elements ? inner : n * inner;
    x = ag_reshape_at(where, x, AG_SHAPE(before, 1, after));
    x = ag_expand_at(where, x, AG_SHAPE(before, times, after));
    return ag_reshape_at(where, times == 1 ? x : ag_contiguous_at(where, x), shape);
}

/* A row-major copy, whatever x is. */
static ag_tensor copied(ag_place where, ag_tensor x)
{
    return ag_is_contiguous_at(where, x) ? ag_clone_at(where, x) : ag_contiguous_at(where, x);
}

static ag_tensor repeat(ag_place where, const char *function, ag_tensor x, ag_shape repeats)
{
    char a[AG_SHAPE_TEXT], b[AG_SHAPE_TEXT];
    const ag_value *v = look(where, function, x);
    if (v == NULL) {
        return AG_NIL;
    }
    int extra = repeats.ndim - v->ndim;
    ag_shape shape = {.ndim = repeats.ndim};
    bool good = extra >= 0 && repeats.ndim <= AG_MAX_DIMS, large = false;
    for (int d = 0; good && d < repeats.ndim; d++) {
        int64_t n = d < extra ? 1 : v->size[d - extra];
        good = repeats.size[d] >= 0;
        large = large || (n > 0 && repeats.size[d] > INT64_MAX / n);
        shape.size[d] = good && !large ? n * repeats.size[d] : 0;
    }
    if (!good || large || ag_shape_numel(shape) < 0) {
        ag_error_raise(where, AG_ERROR_SHAPE, good ? "%s: %s repeated %s times has more elements than memory can hold" :
                       "%s: %s cannot be repeated %s times", function, look_text(v, a), ag_shape_format(repeats, b, sizeof(b)));
        return AG_NIL;
    }
    ag_frame frame = ag_frame_begin();
    ag_shape full = {.ndim = repeats.ndim};
    for (int d = 0; d < repeats.ndim; d++) {
        full.size[d] = d < extra ? 1 : v->size[d - extra];
    }
    x = extra > 0 ? ag_reshape_at(where, x, full) : copied(where, x);
    for (int d = repeats.ndim - 1; d >= 0 && ag_error_code() == AG_OK; d--) {
        x = repeats.size[d] == 1 ? x : repeat_dim(where, x, d, repeats.size[d], false);
    }
    x = extra > 0 && (ag_shape_equal(full, shape) || ag_shape_numel(shape) == 0) ? copied(where, x) : x;
    return ag_frame_end(frame, x);
}

ag_tensor ag_repeat_at(ag_place where, ag_tensor x, ag_shape repeats)
{
    return repeat(where, "ag_repeat", x, repeats);
}

ag_tensor ag_tile_at(ag_place where, ag_tensor x, ag_shape repeats)
{
    const ag_value *v = look(where, "ag_tile", x);
    int missing = v == NULL ? 0 : v->ndim - repeats.ndim;
    if (missing > 0) {
        ag_shape longer = {.ndim = v->ndim};
        for (int d = 0; d < v->ndim; d++) {
            longer.size[d] = d < missing ? 1 : repeats.size[d - missing];
        }
        repeats = longer;
    }
    return v == NULL ? AG_NIL : repeat(where, "ag_tile", x, repeats);
}

ag_tensor ag_repeat_interleave_at(ag_place where, ag_tensor x, int64_t repeats, int dim)
{
    char text[AG_SHAPE_TEXT];
    const ag_value *v = look(where, "ag_repeat_interleave", x);
    if (v == NULL || !look_dim(where, "ag_repeat_interleave", v, &dim, false)) {
        return AG_NIL;
    }
    if (repeats < 0 || (v->numel > 0 && repeats > INT64_MAX / 8 / v->numel)) {
        ag_error_raise(where, AG_ERROR_SHAPE, "ag_repeat_interleave: %s cannot be repeated %lld times", look_text(v, text),
                       (long long)repeats);
        return AG_NIL;
    }
    ag_frame frame = ag_frame_begin();
    ag_tensor y = repeat_dim(where, x, dim, repeats, true);
    return ag_frame_end(frame, repeats <= 1 || v->numel == 0 ? copied(where, y) : y);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES_OF_FUNCTION(repeat)
{
    SAMPLE("a.repeat(2, 3)") {
        sample_result(s, ag_repeat(sample_float(s, "a", AG_SHAPE(2, 3)), AG_SHAPE(2, 3)));
    }
    SAMPLE("a.repeat(2, 1, 3, 2)") {
        sample_result(s, ag_repeat(sample_float(s, "a", AG_SHAPE(2, 3)), AG_SHAPE(2, 1, 3, 2)));
    }
    SAMPLE("a.repeat(4)") {
        sample_result(s, ag_repeat(sample_float(s, "a", AG_SHAPE_SCALAR), AG_SHAPE(4)));
    }
    SAMPLE("a.repeat(1, 1, 1)  # a copy") {
        sample_result(s, ag_repeat(sample_float(s, "a", AG_SHAPE(2, 3)), AG_SHAPE(1, 1, 1)));
    }
    SAMPLE("a.repeat(0, 2)") {
        sample_result(s, ag_repeat(sample_float(s, "a", AG_SHAPE(2, 3)), AG_SHAPE(0, 2)));
    }
    SAMPLE("torch.tile(a, (2,))") {
        sample_result(s, ag_tile(sample_float(s, "a", AG_SHAPE(2, 3)), AG_SHAPE(2)));
    }
    SAMPLE("torch.tile(a, (2, 1, 2))") {
        sample_result(s, ag_tile(sample_float(s, "a", AG_SHAPE(3)), AG_SHAPE(2, 1, 2)));
    }
    SAMPLE("torch.repeat_interleave(a, 3, 1)") {
        sample_result(s, ag_repeat_interleave(sample_float(s, "a", AG_SHAPE(2, 3)), 3, -1));
    }
    SAMPLE("torch.repeat_interleave(a, 2, 0)") {
        sample_result(s, ag_repeat_interleave(sample_float(s, "a", AG_SHAPE(2, 3)), 2, 0));
    }
    REFUSES("ag_repeat: (2,3) cannot be repeated (2) times") {
        ag_repeat(sample_float(s, "a", AG_SHAPE(2, 3)), AG_SHAPE(2));
    }
    REFUSES("ag_repeat: (2,3) cannot be repeated (2,-1) times") {
        ag_repeat(sample_float(s, "a", AG_SHAPE(2, 3)), AG_SHAPE(2, -1));
    }
    REFUSES("ag_tile: (3) repeated (4611686018427387904) times has more elements than memory can hold") {
        ag_tile(sample_float(s, "a", AG_SHAPE(3)), AG_SHAPE((int64_t)1 << 62));
    }
    REFUSES("ag_repeat_interleave: (2,3) cannot be repeated -1 times") {
        ag_repeat_interleave(sample_float(s, "a", AG_SHAPE(2, 3)), -1, 0);
    }
    REFUSES("ag_repeat_interleave: dimension 2 is out of range for (2,3)") {
        ag_repeat_interleave(sample_float(s, "a", AG_SHAPE(2, 3)), 1, 2);
    }
}
#endif

/* ---- split, chunk: views ------------------------------------------------------------------------------------------------------- */

int ag_split_at(ag_place where, ag_tensor x, int64_t size, int dim, int capacity, ag_tensor *parts)
{
    const ag_value *v = look(where, "ag_split", x);
    if (v == NULL || !look_dim(where, "ag_split", v, &dim, false)) {
        return 0;
    }
    int64_t n = v->size[dim], count = size > 0 && n > 0 ? (n - 1) / size + 1 : 1;
    if (size < 0 || (size == 0 && n > 0)) {
        ag_error_raise(where, AG_ERROR_VALUE, "ag_split: parts of %lld elements", (long long)size);
        return 0;
    }
    if (count > capacity) {
        ag_error_raise(where, AG_ERROR_VALUE, "ag_split: there are %lld parts, and room for %d", (long long)count, capacity);
        return 0;
    }
    for (int64_t i = 0; i < count; i++) {
        parts[i] = ag_narrow_at(where, x, dim, i * size, n - i * size < size ? n - i * size : size);
    }
    return ag_error_code() == AG_OK ? (int)count : 0;
}

int ag_split_sizes_at(ag_place where, ag_tensor x, int n, const int64_t *sizes, int dim, ag_tensor *parts)
{
    const ag_value *v = look(where, "ag_split_sizes", x);
    if (v == NULL || !look_dim(where, "ag_split_sizes", v, &dim, false)) {
        return 0;
    }
    int64_t total = 0;
    for (int i = 0; i < n; i++) {
        if (sizes[i] < 0 || sizes[i] > v->size[dim] - total) {
            total = -1;
            break;
        }
        total += sizes[i];
    }
    if (total != v->size[dim]) {
        ag_error_raise(where, AG_ERROR_SHAPE, "ag_split_sizes: the sizes do not add up to the %lld elements of dimension %d",
                       (long long)v->size[dim], dim);
        return 0;
    }
    int64_t start = 0;
    for (int i = 0; i < n; i++) {
        parts[i] = ag_narrow_at(where, x, dim, start, sizes[i]);
        start += sizes[i];
    }
    return ag_error_code() == AG_OK ? n : 0;
}

int ag_chunk_at(ag_place where, ag_tensor x, int chunks, int dim, ag_tensor *parts)
{
    const ag_value *v = look(where, "ag_chunk", x);
    if (v == NULL || !look_dim(where, "ag_chunk", v, &dim, false)) {
        return 0;
    }
    if (chunks < 1) {
        ag_error_raise(where, AG_ERROR_VALUE, "ag_chunk: %d chunks", chunks);
        return 0;
    }
    int64_t n = v->size[dim], size = n == 0 ? 0 : (n - 1) / chunks + 1;
    if (n == 0) { /* as many empty ones as were asked for */
        for (int i = 0; i < chunks; i++) {
            parts[i] = ag_narrow_at(where, x, dim, 0, 0);
        }
        return ag_error_code() == AG_OK ? chunks : 0;
    }
    return ag_split_at(where, x, size, dim, chunks, parts);
}

#ifdef WENGERT_SAMPLES
static void several(ag_samples *s, int n, const ag_tensor *parts)
{
    for (int i = 0; i < n; i++) {
        sample_result(s, parts[i]);
    }
}

AG_SAMPLES_OF_FUNCTION(split)
{
    ag_tensor parts[8];
    SAMPLE("torch.split(a, 2, 1)") {
        several(s, ag_split(sample_float(s, "a", AG_SHAPE(2, 5)), 2, 1, 8, parts), parts);
    }
    SAMPLE("torch.split(a, [1, 0, 4], -1)") {
        several(s, ag_split_sizes(sample_float(s, "a", AG_SHAPE(2, 5)), 3, (const int64_t[]){1, 0, 4}, -1, parts), parts);
    }
    SAMPLE("torch.chunk(a, 3, 0)") {
        several(s, ag_chunk(sample_float(s, "a", AG_SHAPE(7, 2)), 3, 0, parts), parts);
    }
    SAMPLE("torch.chunk(a, 4)  # gives three") {
        several(s, ag_chunk(sample_float(s, "a", AG_SHAPE(6)), 4, 0, parts), parts);
    }
    SAMPLE("torch.chunk(a, 2, 1)  # of nothing") {
        several(s, ag_chunk(sample_float(s, "a", AG_SHAPE(2, 0)), 2, 1, parts), parts);
    }
    REFUSES("ag_split: there are 3 parts, and room for 2") {
        ag_split(sample_float(s, "a", AG_SHAPE(2, 5)), 2, 1, 2, parts);
    }
    REFUSES("ag_split: parts of 0 elements") {
        ag_split(sample_float(s, "a", AG_SHAPE(2, 5)), 0, 1, 2, parts);
    }
    REFUSES("ag_split_sizes: the sizes do not add up to the 5 elements of dimension 1") {
        ag_split_sizes(sample_float(s, "a", AG_SHAPE(2, 5)), 2, (const int64_t[]){1, 3}, 1, parts);
    }
    REFUSES("ag_chunk: 0 chunks") {
        ag_chunk(sample_float(s, "a", AG_SHAPE(2, 5)), 0, 1, parts);
    }
    REFUSES("ag_chunk: dimension 2 is out of range for (2,5)") {
        ag_chunk(sample_float(s, "a", AG_SHAPE(2, 5)), 2, 2, parts);
    }
}
#endif

/* ---- flip ----------------------------------------------------------------------------------------------------------------------
 * y[i] = x[n - 1 - i] along dims
 * dx = dy flipped */

struct flip_params {
    ag_dims dims;
};

static bool flip_shape(ag_call *call)
{
    const struct flip_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0);
    bool seen[AG_MAX_DIMS] = {false};
    for (int i = 0; i < p->dims.count; i++) {
        int d = p->dims.dim[i];
        if (d < -x->ndim || d >= x->ndim) {
            return ag_call_fail(call, AG_ERROR_INDEX, "dimension %d is out of range for %s", d, ag_call_shape_text(call, 0));
        }
        d += d < 0 ? x->ndim : 0;
        if (seen[d]) {
            return ag_call_fail(call, AG_ERROR_INDEX, "dimension %d is named twice", d);
        }
        seen[d] = true;
    }
    return ag_call_output(call, 0, x->dtype, ag_call_shape(call, 0));
}

static bool flip_forward(ag_call *call)
{
    const struct flip_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, 0);
    if (x->numel == 0) {
        return true;
    }
    int64_t stride[AG_MAX_DIMS], last = 0;
    memcpy(stride, x->stride, sizeof(*stride) * (size_t)x->ndim);
    for (int i = 0; i < p->dims.count; i++) {
        int d = p->dims.dim[i] < 0 ? p->dims.dim[i] + x->ndim : p->dims.dim[i];
        last += (x->size[d] - 1) * x->stride[d];
        stride[d] = -x->stride[d];
    }
    ag_array backwards = {(char *)x->data + last * (int64_t)ag_dtype_size(x->dtype), x->dtype, x->ndim, x->numel, x->size, stride};
    ag_array_copy(*ag_call_result(call, 0), backwards);
    return true;
}

static void flip_backward(ag_sweep *s)
{
    const struct flip_params *p = ag_sweep_params(s);
    ag_sweep_add(s, 0, ag_flip(ag_sweep_grad(s, 0), p->dims));
}

AG_OP(flip){.size = sizeof(struct ag_op), .name = "flip", .formula = "y[i] = x[n - 1 - i]", .derivative = "dx[n - 1 - i] = dy[i]",
            .inputs = 1, .outputs = 1, .params = sizeof(struct flip_params), .orders = AG_ORDERS_ANY, .shape = flip_shape,
            .forward = flip_forward, .backward = flip_backward};

ag_tensor ag_flip_at(ag_place where, ag_tensor x, ag_dims dims)
{
    struct flip_params p = {dims};
    return ag_apply(where, &op_flip, 1, &x, &p, NULL);
}

/* ---- roll: two slices change places ----------------------------------------------------------------------------------------------- */

ag_tensor ag_roll_at(ag_place where, ag_tensor x, int64_t shift, int dim)
{
    const ag_value *v = look(where, "ag_roll", x);
    if (v == NULL || !look_dim(where, "ag_roll", v, &dim, false)) {
        return AG_NIL;
    }
    int64_t n = v->size[dim], by = n == 0 ? 0 : (shift % n + n) % n;
    ag_frame frame = ag_frame_begin();
    if (by == 0) {
        return ag_frame_end(frame, ag_clone_at(where, x));
    }
    ag_tensor parts[2] = {ag_narrow_at(where, x, dim, n - by, by), ag_narrow_at(where, x, dim, 0, n - by)};
    return ag_frame_end(frame, ag_cat_at(where, 2, parts, dim));
}

ag_tensor ag_roll_all_at(ag_place where, ag_tensor x, int64_t shift)
{
    const ag_value *v = look(where, "ag_roll_all", x);
    if (v == NULL) {
        return AG_NIL;
    }
    ag_shape shape = ag_value_shape_of(v);
    ag_frame frame = ag_frame_begin();
    ag_tensor flat = ag_roll_at(where, ag_reshape_at(where, x, AG_SHAPE(v->numel)), shift, 0);
    return ag_frame_end(frame, ag_reshape_at(where, flat, shape));
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(flip)
{
    SAMPLE("torch.flip(a, (0,))") {
        sample_result(s, ag_flip(sample_float(s, "a", AG_SHAPE(3, 4)), AG_DIMS(0)));
    }
    SAMPLE("torch.flip(a, (0, 2))") {
        sample_result(s, ag_flip(sample_float(s, "a", AG_SHAPE(3, 2, 4)), AG_DIMS(-1, 0)));
    }
    SAMPLE("torch.flip(a, (0, 1))  # nothing") {
        sample_result(s, ag_flip(sample_float(s, "a", AG_SHAPE(3, 0)), AG_DIMS(0, 1)));
    }
    SAMPLE("torch.flip(k, (1,))") {
        sample_result(s, ag_flip(sample_int(s, "k", AG_SHAPE(2, 3), 0, 9), AG_DIMS(1)));
    }
    REFUSES("ag_flip: dimension 2 is out of range for (3,4)") {
        ag_flip(sample_float(s, "a", AG_SHAPE(3, 4)), AG_DIMS(2));
    }
    REFUSES("ag_flip: dimension 1 is named twice") {
        ag_flip(sample_float(s, "a", AG_SHAPE(3, 4)), AG_DIMS(1, -1));
    }
}
AG_SAMPLES_OF_FUNCTION(roll)
{
    SAMPLE("torch.roll(a, 1, 0)") {
        sample_result(s, ag_roll(sample_float(s, "a", AG_SHAPE(3, 4)), 1, 0));
    }
    SAMPLE("torch.roll(a, -6, 1)") {
        sample_result(s, ag_roll(sample_float(s, "a", AG_SHAPE(3, 4)), -6, -1));
    }
    SAMPLE("torch.roll(a, 4, 1)  # all round") {
        sample_result(s, ag_roll(sample_float(s, "a", AG_SHAPE(3, 4)), 4, 1));
    }
    SAMPLE("torch.roll(a, 5)") {
        sample_result(s, ag_roll_all(sample_float(s, "a", AG_SHAPE(3, 4)), 5));
    }
    SAMPLE("torch.roll(a, 2, 0)  # nothing") {
        sample_result(s, ag_roll(sample_float(s, "a", AG_SHAPE(0, 4)), 2, 0));
    }
    REFUSES("ag_roll: dimension 2 is out of range for (3,4)") {
        ag_roll(sample_float(s, "a", AG_SHAPE(3, 4)), 1, 2);
    }
    REFUSES("ag_roll_all: a tensor is needed, got none") {
        ag_roll_all(AG_NONE, 1);
    }
}
#endif
