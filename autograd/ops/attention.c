/*
 * Scaled dot-product attention as one operation. Knows shapes; the blocks of queries are in kernels/attention.c.
 *
 * Note [Attention's ways back]
 * A backward that is not recorded applies attention_input, which computes the scores of a block of queries at a time again. One
 * that is recorded composes the attention anew of the library's operations and sweeps through these; they hold all scores.
 */
#include "attention.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../internal.h"
#include "../kernels/attention.h"
#include "../kernels/kernels.h"
#include "../samples.h"
#include "attention_parts.h"
#include "common.h"
#include "ops.h"

enum { Q, K, V, MASK, DY };

struct attention_params {
    struct ops_attention attention;
    bool wants[3]; /* for attention_input: dq, dk, dv */
};

ag_attention_config ag_attention_defaults(void)
{
    return (ag_attention_config){ .made_by_defaults = OPS_MADE_BY_DEFAULTS, .scale = NAN };
}

/* ---- composed ----------------------------------------------------------------------------------------------------------- */

/* -infinity is added where `seen` is 0, as in PyTorch: written in place of a score it would stop the NaN of a query that sees
 * nothing on its way back to the keys. */
static ag_tensor hide(ag_tensor scores, ag_tensor seen)
{
    ag_tensor bias = ag_zeros(ag_shape_of(seen), ag_dtype_of(scores));
    return ag_add(scores, ag_masked_fill(bias, ag_logical_not(seen), -INFINITY));
}

ag_tensor ops_attention_weights(ag_tensor q, ag_tensor k, ag_tensor mask, const struct ops_attention *p)
{
    ag_tensor scores = ag_matmul(ag_mul_scalar(q, p->scale), ag_transpose(k, -2, -1));
    if (!ag_is_none(mask)) {
        scores = ag_dtype_of(mask) == AG_UINT8 ? hide(scores, mask) : ag_add(scores, mask);
    }
    if (p->causal) {
        scores = hide(scores, ag_tril(ag_ones(AG_SHAPE(ag_size(q, -2), ag_size(k, -2)), ag_dtype_of(q)), p->shift));
    }
    return ag_softmax(scores, -1);
}

/* ---- shapes ------------------------------------------------------------------------------------------------------------- */

static bool leading_equal(const ag_array *a, const ag_array *b)
{
    bool equal = a->ndim == b->ndim;
    for (int d = 0; equal && d < a->ndim - 2; d++) {
        equal = a->size[d] == b->size[d];
    }
    return equal;
}

/* The shape (…,rows,columns) with the leading dimensions of `a`. */
static ag_shape with_last(const ag_array *a, int64_t rows, int64_t columns)
{
    ag_shape s = ops_shape(a);
    s.size[s.ndim - 2] = rows;
    s.size[s.ndim - 1] = columns;
    return s;
}

ag_error ops_attention_mask_error(const struct ops_kind *mask, const struct ops_kind *scores, char *text)
{
    char tm[AG_SHAPE_TEXT], ts[AG_SHAPE_TEXT];
    if (mask->dtype != AG_UINT8 && mask->dtype != scores->dtype) {
        snprintf(text, OPS_ATTENTION_TEXT, "the mask is %s, it must be uint8 or %s", ag_dtype_name(mask->dtype),
                 ag_dtype_name(scores->dtype));
        return AG_ERROR_DTYPE;
    }
    int before = scores->shape.ndim - mask->shape.ndim;
    bool fits = before >= 0;
    for (int d = 0; fits && d < mask->shape.ndim; d++) {
        fits = mask->shape.size[d] == 1 || mask->shape.size[d] == scores->shape.size[before + d];
    }
    if (!fits) {
        snprintf(text, OPS_ATTENTION_TEXT, "the mask %s does not broadcast to the scores %s",
                 ag_shape_format(mask->shape, tm, sizeof(tm)), ag_shape_format(scores->shape, ts, sizeof(ts)));
    }
    return fits ? AG_OK : AG_ERROR_SHAPE;
}

static bool mask_fits(ag_call *call, const ag_array *q, const ag_array *k)
{
    const ag_array *mask = ag_call_input(call, MASK);
    char text[OPS_ATTENTION_TEXT];
    if (mask == NULL) {
        return true;
    }
    const struct ops_kind kind = { mask->dtype, ops_shape(mask) };
    const struct ops_kind scores = { q->dtype, with_last(q, q->size[q->ndim - 2], k->size[k->ndim - 2]) };
    ag_error error = ops_attention_mask_error(&kind, &scores, text);
    return error == AG_OK || ag_call_fail(call, error, "%s", text);
}

static bool inputs_fit(ag_call *call)
{
    const ag_array *q = ag_call_input(call, Q), *k = ag_call_input(call, K), *v = ag_call_input(call, V);
    char tq[AG_SHAPE_TEXT], tk[AG_SHAPE_TEXT], tv[AG_SHAPE_TEXT];
    if (!ops_need_float(call, q) || !ops_need_same_dtype(call, q, k) || !ops_need_same_dtype(call, q, v)) {
        return false;
    }
    bool fits = q->ndim >= 2 && leading_equal(q, k) && leading_equal(q, v) && q->size[q->ndim - 1] == k->size[k->ndim - 1] &&
                k->size[k->ndim - 2] == v->size[v->ndim - 2];
    if (!fits) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "query %s, key %s and value %s are not (…,l,e), (…,s,e) and (…,s,ev)",
                            ops_text(q, tq), ops_text(k, tk), ops_text(v, tv));
    }
    return mask_fits(call, q, k);
}

static bool attention_shape(ag_call *call)
{
    if (!inputs_fit(call)) {
        return false;
    }
    const ag_array *q = ag_call_input(call, Q), *v = ag_call_input(call, V);
    return ag_call_output_like(call, 0, q->dtype, with_last(q, q->size[q->ndim - 2], v->size[v->ndim - 1]), Q);
}

/* ---- what the kernel needs to know -------------------------------------------------------------------------------------- */

static int64_t slices_of(const ag_array *q)
{
    int64_t n = 1;
    for (int d = 0; d < q->ndim - 2; d++) {
        n *= q->size[d];
    }
    return n;
}

/* `a` as a matrix for each slice of `q`; missing dimensions and those of length 1 are the same for all. Fills `offset`. */
static k_matrix matrix_of(const ag_array *a, const ag_array *q, int64_t *offset)
{
    if (a == NULL || a->numel == 0) {
        memset(offset, 0, (size_t)slices_of(q) * sizeof(*offset));
        return (k_matrix){ .data = a == NULL ? NULL : a->data, .offset = offset };
    }
    int64_t stride[AG_MAX_DIMS], n = slices_of(q);
    for (int d = 0; d < q->ndim; d++) {
        int own = d - (q->ndim - a->ndim);
        stride[d] = own < 0 || a->size[own] == 1 ? 0 : a->stride[own];
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = i;
        offset[i] = 0;
        for (int d = q->ndim - 3; d >= 0; d--) {
            offset[i] += rest % q->size[d] * stride[d];
            rest /= q->size[d];
        }
    }
    return (k_matrix){ .data = a->data, .offset = offset, .rs = stride[q->ndim - 2], .cs = stride[q->ndim - 1] };
}

/* The offsets go to `offset`, which has room for nine numbers a slice. */
static k_attention problem_of(const struct ops_attention *p, const ag_array *const *in, int64_t *offset)
{
    const ag_array *q = in[Q], *k = in[K], *v = in[V], *mask = in[MASK];
    int64_t n = slices_of(q);
    return (k_attention){
        .slices = n,
        .l = q->size[q->ndim - 2],
        .s = k->size[k->ndim - 2],
        .e = q->size[q->ndim - 1],
        .ev = v->size[v->ndim - 1],
        .scale = p->scale,
        .causal = p->causal,
        .shift = p->shift,
        .mask_bytes = mask != NULL && mask->dtype == AG_UINT8,
        .q = matrix_of(q, q, offset),
        .k = matrix_of(k, q, offset + n),
        .v = matrix_of(v, q, offset + 2 * n),
        .mask = matrix_of(mask, q, offset + 3 * n),
    };
}

static int64_t *offsets_for(ag_call *call, const ag_array *q)
{
    return ag_call_work(call, (size_t)(9 * slices_of(q) + 1) * sizeof(int64_t));
}

bool ops_attention_forward(ag_call *call, const struct ops_attention *p, const ag_array *const *in, const ag_array *y)
{
    const ag_array *q = in[Q];
    int threads = ag_call_threads(call);
    int64_t *offset = offsets_for(call, q);
    if (offset == NULL) {
        return false;
    }
    k_attention problem = problem_of(p, in, offset);
    problem.y = matrix_of(y, q, offset + 4 * problem.slices);
    void *work = ag_call_work(call, k_attention_bytes(q->dtype, threads, &problem, false));
    if (work != NULL) {
        k_attention_forward(q->dtype, threads, &problem, work);
    }
    return work != NULL;
}

bool ops_attention_back(ag_call *call, const struct ops_attention *p, const ag_array *const *in, const ag_array *dy,
                        const ag_array *const *gradients)
{
    const ag_array *q = in[Q];
    int threads = ag_call_threads(call);
    int64_t *offset = offsets_for(call, q);
    if (offset == NULL) {
        return false;
    }
    k_attention problem = problem_of(p, in, offset);
    k_matrix *const matrices[] = { &problem.dq, &problem.dk, &problem.dv };
    problem.dy = matrix_of(dy, q, offset + 5 * problem.slices);
    for (int i = 0; i < 3; i++) {
        if (gradients[i] != NULL && gradients[i]->numel > 0) {
            *matrices[i] = matrix_of(gradients[i], q, offset + (6 + i) * problem.slices);
        }
    }
    void *work = ag_call_work(call, k_attention_bytes(q->dtype, threads, &problem, true));
    if (work != NULL) {
        k_attention_back(q->dtype, threads, &problem, work);
    }
    return work != NULL;
}

static void inputs_of(ag_call *call, const ag_array **in)
{
    for (int i = 0; i < OPS_ATTENTION_INPUTS; i++) {
        in[i] = ag_call_input(call, i);
    }
}

static bool attention_forward(ag_call *call)
{
    const struct attention_params *p = ag_call_params(call);
    const ag_array *in[OPS_ATTENTION_INPUTS];
    inputs_of(call, in);
    return ops_attention_forward(call, &p->attention, in, ag_call_result(call, 0));
}

/* ---- backward ----------------------------------------------------------------------------------------------------------- */

static void attention_input(ag_sweep *s);

static void attention_backward(ag_sweep *s)
{
    if (!ag_sweep_recording(s)) {
        attention_input(s);
        return;
    }
    const struct attention_params *p = ag_sweep_params(s);
    ag_tensor q = ag_sweep_input(s, Q), k = ag_sweep_input(s, K), v = ag_sweep_input(s, V), dy = ag_sweep_grad(s, 0);
    int64_t mark = ag_context_get()->nodes;
    ag_tensor y = ag_matmul(ops_attention_weights(q, k, ag_sweep_input(s, MASK), &p->attention), v);
    if (ag_error_code() == AG_OK) {
        ag_sweep_through(s, y, dy, mark);
    }
}

/* y = softmax(scale q k^T + mask) v;  with w the softmax and dw = dy v^T, ds = w (dw - sum of w dw):
 *     dq = scale ds k          dk = scale ds^T q          dv = w^T dy */
AG_OP(scaled_dot_product_attention) {
    .size = sizeof(struct ag_op),
    .name = "scaled_dot_product_attention",
    .formula = "y = w v,  w = softmax(scale q k^T + mask)",
    .derivative = "dq = scale ds k;  dk = scale ds^T q;  dv = w^T dy;  ds = w (dy v^T - sum of w dy v^T)",
    .inputs = 4,
    .outputs = 1,
    .optional = AG_OPTIONAL(MASK),
    .saves = AG_SAVE_INPUT(Q) | AG_SAVE_INPUT(K) | AG_SAVE_INPUT(V) | AG_SAVE_INPUT(MASK),
    .params = sizeof(struct attention_params),
    .orders = AG_ORDERS_ANY,
    .shape = attention_shape,
    .forward = attention_forward,
    .backward = attention_backward,
};

/* ---- attention_input: see Note [Attention's ways back] ------------------------------------------------------------------ */

static bool attention_input_shape(ag_call *call)
{
    const struct attention_params *p = ag_call_params(call);
    if (!inputs_fit(call)) {
        return false;
    }
    const ag_array *q = ag_call_input(call, Q), *v = ag_call_input(call, V);
    ag_shape y = with_last(q, q->size[q->ndim - 2], v->size[v->ndim - 1]);
    if (!ops_need_shape(call, DY, y)) {
        return false;
    }
    for (int i = 0; i < 3; i++) {
        const ag_array *a = ag_call_input(call, i);
        bool declared = p->wants[i] ? ag_call_output_like(call, i, a->dtype, ops_shape(a), i)
                                    : ag_call_output(call, i, a->dtype, AG_SHAPE(0));
        if (!declared) {
            return false;
        }
    }
    return true;
}

static bool attention_input_forward(ag_call *call)
{
    const struct attention_params *p = ag_call_params(call);
    const ag_array *in[OPS_ATTENTION_INPUTS], *gradients[3];
    inputs_of(call, in);
    for (int i = 0; i < 3; i++) {
        const ag_array *a = ag_call_result(call, i);
        gradients[i] = p->wants[i] ? a : NULL;
        if (a->numel > 0 && in[Q]->numel == 0) { /* no queries, or none of any width */
            memset(a->data, 0, (size_t)a->numel * ag_dtype_size(a->dtype));
        }
    }
    return ops_attention_back(call, &p->attention, in, ag_call_input(call, DY), gradients);
}

AG_OP(attention_input) {
    .size = sizeof(struct ag_op),
    .name = "attention_input",
    .formula = "dq, dk, dv of scaled_dot_product_attention",
    .inputs = 5,
    .outputs = 3,
    .optional = AG_OPTIONAL(MASK),
    .params = sizeof(struct attention_params),
    .shape = attention_input_shape,
    .forward = attention_input_forward,
};

static void attention_input(ag_sweep *s)
{
    struct attention_params p = *(const struct attention_params *)ag_sweep_params(s);
    ag_tensor in[5], out[3];
    for (int i = 0; i < 4; i++) {
        in[i] = ag_sweep_input(s, i);
    }
    for (int i = 0; i < 3; i++) {
        p.wants[i] = ag_sweep_wants(s, i);
    }
    in[DY] = ag_sweep_grad(s, 0);
    ag_apply(ag_caller(), &op_attention_input, 5, in, &p, out);
    for (int i = 0; i < 3; i++) {
        if (p.wants[i]) {
            ag_sweep_add(s, i, out[i]);
        }
    }
}

/* ---- the function ------------------------------------------------------------------------------------------------------- */

bool ops_attention_config_good(ag_place where, const char *name, const ag_attention_config *c)
{
    if (c->made_by_defaults != OPS_MADE_BY_DEFAULTS) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the config was not made by ag_attention_defaults()", name);
    } else if (c->causal_shift < 0) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: causal_shift is %lld, it must be at least 0", name,
                       (long long)c->causal_shift);
    } else if (!(c->dropout >= 0 && c->dropout <= 1)) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: dropout is %g, it must be from 0 to 1", name, c->dropout);
    } else if (c->dropout > 0 && c->rng == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: dropout needs a generator, and rng is NULL", name);
    } else if (isinf(c->scale)) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: scale is %g", name, c->scale);
    }
    return ag_error_code() == AG_OK;
}

struct ops_attention ops_attention_of(const ag_attention_config *c, int64_t e)
{
    return (struct ops_attention){
        .scale = isnan(c->scale) ? 1 / sqrt((double)(e > 0 ? e : 1)) : c->scale,
        .causal = c->causal,
        .shift = c->causal_shift < INT32_MAX ? c->causal_shift : INT32_MAX,
    };
}

ag_tensor ag_scaled_dot_product_attention_at(ag_place where, ag_tensor q, ag_tensor k, ag_tensor v, ag_tensor mask,
                                             ag_attention_config config, ag_tensor *weights)
{
    ag_tensor in[] = { q, k, v, mask }, out[2] = { AG_NIL, AG_NIL };
    if (weights != NULL) {
        *weights = AG_NIL;
    }
    if (ag_error_code() != AG_OK || !ops_attention_config_good(where, "ag_scaled_dot_product_attention", &config)) {
        return AG_NIL;
    }
    ag_place before = ag_caller_set(where);
    ag_shape shape = ag_is_alive(q) ? ag_shape_of(q) : AG_SHAPE_SCALAR;
    int64_t e = shape.ndim > 0 ? shape.size[shape.ndim - 1] : 1;
    struct attention_params p = { .attention = ops_attention_of(&config, e) };
    bool whole = weights != NULL || config.dropout > 0 || (ag_is_alive(mask) && ag_requires_grad(mask));
    if (!whole) {
        ag_apply(where, &op_scaled_dot_product_attention, 4, in, &p, out);
    } else {
        ag_frame frame = ag_frame_begin();
        ag_tensor w = ops_attention_weights(q, k, mask, &p.attention);
        if (config.dropout > 0) {
            w = ag_dropout(w, config.dropout, config.rng);
        }
        out[0] = ag_matmul(w, v);
        out[1] = w;
        ag_frame_end_n(frame, weights != NULL ? 2 : 1, out);
        if (weights != NULL) {
            *weights = out[1];
        }
    }
    ag_caller_set(before);
    return out[0];
}

#ifdef WENGERT_SAMPLES
static ag_tensor attend(ag_samples *s, ag_shape q, ag_shape k, ag_shape v, ag_tensor mask, bool causal, int64_t shift,
                        ag_tensor *weights)
{
    ag_attention_config c = ag_attention_defaults();
    c.causal = causal;
    c.causal_shift = shift;
    c.scale = 0.5;
    ag_tensor tq = sample_float(s, "q", q), tk = sample_float(s, "k", k);
    return ag_scaled_dot_product_attention(tq, tk, sample_float(s, "v", v), mask, c, weights);
}

AG_SAMPLES(scaled_dot_product_attention)
{
    SAMPLE("F.softmax(0.5 * q @ k.transpose(-2, -1), -1) @ v") {
        sample_result(s, attend(s, AG_SHAPE(2, 3), AG_SHAPE(4, 3), AG_SHAPE(4, 2), AG_NONE, false, 0, NULL));
    }
    SAMPLE("F.softmax(q @ k.transpose(-2, -1) / 2, -1) @ v  # heads") {
        ag_tensor q = sample_float(s, "q", AG_SHAPE(2, 2, 3, 4)), k = sample_float(s, "k", AG_SHAPE(2, 2, 2, 4));
        ag_tensor v = sample_float(s, "v", AG_SHAPE(2, 2, 2, 3));
        sample_result(s, ag_scaled_dot_product_attention(q, k, v, AG_NONE, ag_attention_defaults(), NULL));
    }
    SAMPLE("F.softmax(0.5 * q @ k.transpose(-2, -1) + torch.full((3, 3), -float('inf')).triu(1).to(q.dtype), -1) @ v") {
        sample_result(s, attend(s, AG_SHAPE(2, 3, 2), AG_SHAPE(2, 3, 2), AG_SHAPE(2, 3, 2), AG_NONE, true, 0, NULL));
    }
    SAMPLE("F.softmax(0.5 * q @ k.transpose(-2, -1) + torch.full((2, 5), -float('inf')).triu(3).to(q.dtype), -1) @ v") {
        sample_result(s, attend(s, AG_SHAPE(2, 3), AG_SHAPE(5, 3), AG_SHAPE(5, 2), AG_NONE, true, 2, NULL));
    }
    SAMPLE("F.softmax(0.5 * q @ k.transpose(-2, -1) + m, -1) @ v") {
        ag_tensor m = sample_constant(s, "m", AG_SHAPE(2, 1, 4), -2, 2);
        sample_result(s, attend(s, AG_SHAPE(2, 3, 2), AG_SHAPE(2, 4, 2), AG_SHAPE(2, 4, 3), m, false, 0, NULL));
    }
    SAMPLE("F.softmax((0.5 * q @ k.transpose(-2, -1)).masked_fill(torch.tensor([[1, 0, 0, 1], [0, 1, 1, 1], [1, 1, 0, 0]]) == 0, "
           "-math.inf), -1) @ v") {
        ag_tensor m = ag_from(AG_SHAPE(3, 4), AG_UINT8, (const uint8_t[]){ 1, 0, 0, 1, 0, 1, 1, 1, 1, 1, 0, 0 });
        sample_result(s, attend(s, AG_SHAPE(2, 3, 2), AG_SHAPE(2, 4, 2), AG_SHAPE(2, 4, 3), m, false, 0, NULL));
    }
    SAMPLE("F.softmax(0.5 * q @ k.transpose(-2, -1), -1) @ v  # several blocks") {
        sample_result(s, attend(s, AG_SHAPE(67, 1), AG_SHAPE(3, 1), AG_SHAPE(3, 1), AG_NONE, false, 0, NULL));
    }
    SAMPLE("F.softmax(0.5 * q @ k.transpose(-2, -1) + torch.full((35, 37), -float('inf')).triu(2).to(q.dtype), -1) @ v  # three blocks") {
        sample_result(s, attend(s, AG_SHAPE(35, 1), AG_SHAPE(37, 1), AG_SHAPE(37, 1), AG_NONE, true, 1, NULL));
    }
    SAMPLE("F.softmax(0.5 * q @ k.transpose(-2, -1) + torch.full((18, 18), -float('inf')).triu(1).to(q.dtype) + "
           "torch.cat([torch.full((1, 18), -math.inf), torch.zeros(17, 18)]).to(q.dtype), -1) @ v  # a mask hides a query's key") {
        uint8_t bytes[18 * 18];
        for (int i = 0; i < 18 * 18; i++) {
            bytes[i] = i >= 18;
        }
        ag_tensor m = ag_from(AG_SHAPE(18, 18), AG_UINT8, bytes);
        sample_result(s, attend(s, AG_SHAPE(18, 1), AG_SHAPE(18, 1), AG_SHAPE(18, 1), m, true, 0, NULL));
        sample_no_differences(s);
    }
    SAMPLE("F.softmax(0.5 * q @ k.transpose(-2, -1), -1) @ v  # no keys") {
        sample_result(s, attend(s, AG_SHAPE(2, 3, 2), AG_SHAPE(2, 0, 2), AG_SHAPE(2, 0, 2), AG_NONE, false, 0, NULL));
    }
    SAMPLE("F.softmax(0.5 * q @ k.transpose(-2, -1), -1) @ v  # no queries") {
        sample_result(s, attend(s, AG_SHAPE(0, 2), AG_SHAPE(3, 2), AG_SHAPE(3, 2), AG_NONE, false, 0, NULL));
    }
    REFUSES("ag_scaled_dot_product_attention: query (2,3), key (4,2) and value (4,2) are not (…,l,e), (…,s,e) and (…,s,ev)") {
        attend(s, AG_SHAPE(2, 3), AG_SHAPE(4, 2), AG_SHAPE(4, 2), AG_NONE, false, 0, NULL);
    }
    REFUSES("ag_scaled_dot_product_attention: query (), key (4,2) and value (4,2) are not") {
        attend(s, AG_SHAPE_SCALAR, AG_SHAPE(4, 2), AG_SHAPE(4, 2), AG_NONE, false, 0, NULL);
    }
    REFUSES("ag_scaled_dot_product_attention: query (2,2,3), key (1,4,3) and value (2,4,3) are not") {
        attend(s, AG_SHAPE(2, 2, 3), AG_SHAPE(1, 4, 3), AG_SHAPE(2, 4, 3), AG_NONE, false, 0, NULL);
    }
    REFUSES("ag_scaled_dot_product_attention: the mask (4,2) does not broadcast to the scores (2,4)") {
        ag_tensor m = sample_mask(s, "m", AG_SHAPE(4, 2));
        attend(s, AG_SHAPE(2, 3), AG_SHAPE(4, 3), AG_SHAPE(4, 2), m, false, 0, NULL);
    }
    REFUSES("ag_scaled_dot_product_attention: the mask is int64, it must be uint8 or float64") {
        ag_tensor m = ag_zeros(AG_SHAPE(2, 4), AG_INT64), q = ag_ones(AG_SHAPE(2, 3), AG_FLOAT64);
        ag_tensor k = ag_ones(AG_SHAPE(4, 3), AG_FLOAT64);
        ag_scaled_dot_product_attention(q, k, k, m, ag_attention_defaults(), NULL);
    }
    REFUSES("ag_scaled_dot_product_attention: causal_shift is -1, it must be at least 0") {
        attend(s, AG_SHAPE(2, 3), AG_SHAPE(4, 3), AG_SHAPE(4, 2), AG_NONE, true, -1, NULL);
    }
    REFUSES("ag_scaled_dot_product_attention: dropout needs a generator, and rng is NULL") {
        ag_attention_config c = ag_attention_defaults();
        c.dropout = 0.5;
        ag_tensor q = sample_float(s, "q", AG_SHAPE(2, 2));
        ag_scaled_dot_product_attention(q, q, q, AG_NONE, c, NULL);
    }
    REFUSES("ag_scaled_dot_product_attention: needs a floating type, got int64") {
        ag_tensor q = sample_int(s, "q", AG_SHAPE(2, 2), 0, 3);
        ag_scaled_dot_product_attention(q, q, q, AG_NONE, ag_attention_defaults(), NULL);
    }
}

AG_SAMPLES_OF_FUNCTION(attention_weights)
{
    SAMPLE("(lambda w: (w @ v, w))(F.softmax(0.5 * q @ k.transpose(-2, -1), -1))") {
        ag_tensor w, y = attend(s, AG_SHAPE(2, 2, 3), AG_SHAPE(2, 4, 3), AG_SHAPE(2, 4, 2), AG_NONE, false, 0, &w);
        sample_result(s, y);
        sample_result(s, w);
    }
    SAMPLE("F.softmax(0.5 * q @ k.transpose(-2, -1) + m, -1) @ v  # a mask that learns") {
        ag_tensor m = sample_float(s, "m", AG_SHAPE(1, 4));
        sample_result(s, attend(s, AG_SHAPE(2, 3), AG_SHAPE(4, 3), AG_SHAPE(4, 2), m, false, 0, NULL));
    }
}

static void attention_input_sample(ag_samples *s, int64_t rows)
{
    struct attention_params p = { .attention.scale = 1, .wants = { true, true, true } };
    ag_tensor in[] = { sample_constant(s, "q", AG_SHAPE(3, 2), -2, 2), sample_constant(s, "k", AG_SHAPE(4, 2), -2, 2),
                       sample_constant(s, "v", AG_SHAPE(4, 3), -2, 2), AG_NONE,
                       sample_constant(s, "g", AG_SHAPE(rows, 3), -2, 2) };
    ag_tensor out[3];
    ag_apply(ag_caller(), &op_attention_input, 5, in, &p, out);
    for (int i = 0; i < 3; i++) {
        sample_result(s, out[i]);
    }
}

AG_SAMPLES(attention_input)
{
    SAMPLE("(lambda w: (lambda d: (d @ k, d.T @ q, w.T @ g))(w * (g @ v.T - (w * (g @ v.T)).sum(1, True))))"
           "(torch.softmax(q @ k.T, 1))") {
        attention_input_sample(s, 3);
    }
    REFUSES("ag_attention_input: input 4 is (2,3) and must be (3,3)") {
        attention_input_sample(s, 2);
    }
}
#endif
