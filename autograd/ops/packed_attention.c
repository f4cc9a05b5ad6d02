/*
 * Attention of a packed tensor to itself: query, key and value side by side, as one product of a layer makes them. Knows how the
 * parts lie; the attention is attention.c's, with its ways back (there: Note [Attention's ways back]).
 */
#include <math.h>
#include <stdio.h>

#include "../internal.h"
#include "../samples.h"
#include "attention_parts.h"
#include "common.h"
#include "ops.h"

enum { QKV, MASK, DY };

struct packed_params {
    struct ops_attention attention;
    int64_t heads;
};

/* ---- shapes ------------------------------------------------------------------------------------------------------------- */

/* AG_OK, or what is wrong, said in text (OPS_ATTENTION_TEXT bytes). mask NULL: there is none. */
static ag_error misfit(const struct ops_kind *qkv, int64_t heads, const struct ops_kind *mask, char *text)
{
    const ag_shape s = qkv->shape;
    char shape[AG_SHAPE_TEXT];
    if (heads < 1) {
        snprintf(text, OPS_ATTENTION_TEXT, "heads is %lld, it must be at least 1", (long long)heads);
        return AG_ERROR_VALUE;
    }
    if (s.ndim != 3 || s.size[2] % 3 != 0 || s.size[2] / 3 % heads != 0) {
        snprintf(text, OPS_ATTENTION_TEXT, "qkv %s is not (batch,steps,width) with a width that is a multiple of 3 * %lld heads",
                 ag_shape_format(s, shape, sizeof(shape)), (long long)heads);
        return AG_ERROR_SHAPE;
    }
    const struct ops_kind scores = { qkv->dtype, AG_SHAPE(s.size[0], heads, s.size[1], s.size[1]) };
    return mask == NULL ? AG_OK : ops_attention_mask_error(mask, &scores, text);
}

static bool inputs_fit(ag_call *call)
{
    const struct packed_params *p = ag_call_params(call);
    const ag_array *qkv = ag_call_input(call, QKV), *mask = ag_call_input(call, MASK);
    struct ops_kind kind = { qkv->dtype, ops_shape(qkv) }, of_mask = { 0 };
    char text[OPS_ATTENTION_TEXT];
    if (mask != NULL) {
        of_mask = (struct ops_kind){ mask->dtype, ops_shape(mask) };
    }
    if (!ops_need_float(call, qkv)) {
        return false;
    }
    ag_error error = misfit(&kind, p->heads, mask != NULL ? &of_mask : NULL, text);
    return error == AG_OK || ag_call_fail(call, error, "%s", text);
}

/* Of the heads side by side. */
static ag_shape result_shape(const ag_array *qkv)
{
    return AG_SHAPE(qkv->size[0], qkv->size[1], qkv->size[2] / 3);
}

static bool packed_shape(ag_call *call)
{
    const ag_array *qkv = ag_call_input(call, QKV);
    return inputs_fit(call) && ag_call_output(call, 0, qkv->dtype, result_shape(qkv));
}

/* ---- how the parts lie -------------------------------------------------------------------------------------------------- */

/* Part i of the `parts` in (batch,steps,width), as (batch,heads,steps,head). */
struct part {
    ag_array array;
    int64_t size[4], stride[4];
};

static const ag_array *part_of(struct part *part, const ag_array *a, int64_t heads, int parts, int i)
{
    const int64_t width = a->size[2] / parts, head = width / heads;
    *part = (struct part){
        .array = { .data = (char *)a->data + (size_t)(i * width * a->stride[2]) * ag_dtype_size(a->dtype),
                   .dtype = a->dtype,
                   .ndim = 4,
                   .numel = a->numel / parts },
        .size = { a->size[0], heads, a->size[1], head },
        .stride = { a->stride[0], head * a->stride[2], a->stride[1], a->stride[2] },
    };
    part->array.size = part->size;
    part->array.stride = part->stride;
    return &part->array;
}

/* What attention.c takes: query, key, value and the mask. */
static void inputs_of(ag_call *call, struct part *parts, const ag_array **in)
{
    const struct packed_params *p = ag_call_params(call);
    for (int i = 0; i < 3; i++) {
        in[i] = part_of(&parts[i], ag_call_input(call, QKV), p->heads, 3, i);
    }
    in[3] = ag_call_input(call, MASK);
}

static bool packed_forward(ag_call *call)
{
    const struct packed_params *p = ag_call_params(call);
    const ag_array *y = ag_call_result(call, 0), *in[OPS_ATTENTION_INPUTS];
    struct part parts[3], merged;
    if (y->numel == 0) {
        return true;
    }
    inputs_of(call, parts, in);
    return ops_attention_forward(call, &p->attention, in, part_of(&merged, y, p->heads, 1, 0));
}

/* ---- composed ----------------------------------------------------------------------------------------------------------- */

/* The same parts as views. */
static void split(ag_tensor qkv, int64_t heads, ag_tensor *parts)
{
    const ag_shape s = ag_shape_of(qkv);
    const int64_t width = s.size[2] / 3;
    for (int i = 0; i < 3; i++) {
        ag_tensor part = ag_narrow(qkv, 2, i * width, width);
        parts[i] = ag_transpose(ag_reshape(part, AG_SHAPE(s.size[0], s.size[1], heads, width / heads)), 1, 2);
    }
}

/* (batch,heads,steps,head) as (batch,steps,heads*head). */
static ag_tensor merge(ag_tensor y)
{
    const ag_shape s = ag_shape_of(y);
    return ag_reshape(ag_transpose(y, 1, 2), AG_SHAPE(s.size[0], s.size[2], s.size[1] * s.size[3]));
}

/* ---- backward ----------------------------------------------------------------------------------------------------------- */

static void packed_attention_input(ag_sweep *s);

static void packed_backward(ag_sweep *s)
{
    if (!ag_sweep_recording(s)) {
        packed_attention_input(s);
        return;
    }
    const struct packed_params *p = ag_sweep_params(s);
    ag_tensor qkv = ag_sweep_input(s, QKV), mask = ag_sweep_input(s, MASK), dy = ag_sweep_grad(s, 0), part[3];
    int64_t mark = ag_context_get()->nodes;
    split(qkv, p->heads, part);
    ag_tensor y = merge(ag_matmul(ops_attention_weights(part[0], part[1], mask, &p->attention), part[2]));
    if (ag_error_code() == AG_OK) {
        ag_sweep_through(s, y, dy, mark);
    }
}

/* With q, k, v the parts of qkv for a head, y = softmax(scale q k^T + mask) v. The gradients of the parts lie as the parts do. */
AG_OP(packed_attention) {
    .size = sizeof(struct ag_op),
    .name = "packed_attention",
    .formula = "y = w v,  w = softmax(scale q k^T + mask),  q, k, v = qkv",
    .derivative = "dqkv = dq, dk, dv of scaled_dot_product_attention",
    .inputs = 2,
    .outputs = 1,
    .optional = AG_OPTIONAL(MASK),
    .saves = AG_SAVE_INPUT(QKV) | AG_SAVE_INPUT(MASK),
    .params = sizeof(struct packed_params),
    .orders = AG_ORDERS_ANY,
    .shape = packed_shape,
    .forward = packed_forward,
    .backward = packed_backward,
};

/* ---- packed_attention_input --------------------------------------------------------------------------------------------- */

static bool packed_input_shape(ag_call *call)
{
    const ag_array *qkv = ag_call_input(call, QKV);
    return inputs_fit(call) && ops_need_shape(call, DY, result_shape(qkv)) &&
           ag_call_output(call, 0, qkv->dtype, ops_shape(qkv));
}

static bool packed_input_forward(ag_call *call)
{
    const struct packed_params *p = ag_call_params(call);
    const ag_array *dqkv = ag_call_result(call, 0), *in[OPS_ATTENTION_INPUTS], *gradients[3];
    struct part parts[3], of_gradients[3], dy;
    if (dqkv->numel == 0) {
        return true;
    }
    inputs_of(call, parts, in);
    for (int i = 0; i < 3; i++) {
        gradients[i] = part_of(&of_gradients[i], dqkv, p->heads, 3, i);
    }
    return ops_attention_back(call, &p->attention, in, part_of(&dy, ag_call_input(call, DY), p->heads, 1, 0), gradients);
}

AG_OP(packed_attention_input) {
    .size = sizeof(struct ag_op),
    .name = "packed_attention_input",
    .formula = "dqkv of packed_attention",
    .inputs = 3,
    .outputs = 1,
    .optional = AG_OPTIONAL(MASK),
    .params = sizeof(struct packed_params),
    .shape = packed_input_shape,
    .forward = packed_input_forward,
};

static void packed_attention_input(ag_sweep *s)
{
    ag_tensor in[] = { ag_sweep_input(s, QKV), ag_sweep_input(s, MASK), ag_sweep_grad(s, 0) }, out[1];
    ag_sweep_add(s, QKV, ag_apply(ag_caller(), &op_packed_attention_input, 3, in, ag_sweep_params(s), out));
}

/* ---- the function ------------------------------------------------------------------------------------------------------- */

/* Whether dropout or a mask's gradient needs all the scores. What does not fit is left to the operation, which says why. */
static bool needs_scores(ag_tensor qkv, int64_t heads, ag_tensor mask, const ag_attention_config *c)
{
    bool masked = ag_is_alive(mask);
    if (!(c->dropout > 0 || (masked && ag_requires_grad(mask))) || !ag_is_alive(qkv) || (!masked && !ag_is_none(mask))) {
        return false;
    }
    struct ops_kind kind = { ag_dtype_of(qkv), ag_shape_of(qkv) }, of_mask = { 0 };
    char text[OPS_ATTENTION_TEXT];
    if (masked) {
        of_mask = (struct ops_kind){ ag_dtype_of(mask), ag_shape_of(mask) };
    }
    return ag_dtype_is_float(kind.dtype) && misfit(&kind, heads, masked ? &of_mask : NULL, text) == AG_OK;
}

ag_tensor ag_packed_attention_at(ag_place where, ag_tensor qkv, int64_t heads, ag_tensor mask, ag_attention_config config)
{
    ag_tensor in[] = { qkv, mask }, out[1] = { AG_NIL };
    if (ag_error_code() != AG_OK || !ops_attention_config_good(where, "ag_packed_attention", &config)) {
        return AG_NIL;
    }
    ag_place before = ag_caller_set(where);
    if (needs_scores(qkv, heads, mask, &config)) {
        ag_frame frame = ag_frame_begin();
        ag_tensor part[3];
        split(qkv, heads, part);
        out[0] = ag_frame_end(frame, merge(ag_scaled_dot_product_attention(part[0], part[1], part[2], mask, config, NULL)));
    } else {
        ag_shape shape = ag_is_alive(qkv) ? ag_shape_of(qkv) : AG_SHAPE_SCALAR;
        int64_t width = shape.ndim > 0 ? shape.size[shape.ndim - 1] / 3 : 1;
        struct packed_params p = { ops_attention_of(&config, heads > 0 ? width / heads : 1), heads };
        ag_apply(where, &op_packed_attention, 2, in, &p, out);
    }
    ag_caller_set(before);
    return out[0];
}

#ifdef WENGERT_SAMPLES
static ag_tensor attend(ag_tensor qkv, int64_t heads, ag_tensor mask, bool causal, int64_t shift)
{
    ag_attention_config c = ag_attention_defaults();
    c.causal = causal;
    c.causal_shift = shift;
    c.scale = 0.5;
    return ag_packed_attention(qkv, heads, mask, c);
}

AG_SAMPLES(packed_attention)
{
    SAMPLE("(lambda q, k, v: F.softmax(0.5 * q @ k.transpose(-2, -1), -1) @ v)(*x.chunk(3, -1))") {
        sample_result(s, attend(sample_float(s, "x", AG_SHAPE(2, 3, 6)), 1, AG_NONE, false, 0));
    }
    SAMPLE("(lambda q, k, v: F.softmax(q @ k.transpose(-2, -1) / 2, -1) @ v)(*x.reshape(2, 3, 3, 2, 4).permute(2, 0, 3, 1, 4))"
           ".transpose(1, 2).reshape(2, 3, 8)  # heads") {
        sample_result(s, ag_packed_attention(sample_float(s, "x", AG_SHAPE(2, 3, 24)), 2, AG_NONE, ag_attention_defaults()));
    }
    SAMPLE("(lambda q, k, v: F.softmax(0.5 * q @ k.transpose(-2, -1) + torch.full((4, 4), -math.inf).triu(1).to(q.dtype), -1) @ v)"
           "(*x.reshape(2, 4, 3, 2, 2).permute(2, 0, 3, 1, 4)).transpose(1, 2).reshape(2, 4, 4)") {
        sample_result(s, attend(sample_float(s, "x", AG_SHAPE(2, 4, 12)), 2, AG_NONE, true, 0));
    }
    SAMPLE("(lambda q, k, v: F.softmax(0.5 * q @ k.transpose(-2, -1) + torch.full((4, 4), -math.inf).triu(3).to(q.dtype), -1) @ v)"
           "(*x.reshape(2, 4, 3, 2, 2).permute(2, 0, 3, 1, 4)).transpose(1, 2).reshape(2, 4, 4)") {
        sample_result(s, attend(sample_float(s, "x", AG_SHAPE(2, 4, 12)), 2, AG_NONE, true, 2));
    }
    SAMPLE("(lambda q, k, v: F.softmax(0.5 * q @ k.transpose(-2, -1) + m, -1) @ v)"
           "(*x.reshape(2, 3, 3, 2, 2).permute(2, 0, 3, 1, 4)).transpose(1, 2).reshape(2, 3, 4)") {
        ag_tensor m = sample_constant(s, "m", AG_SHAPE(2, 2, 1, 3), -2, 2);
        sample_result(s, attend(sample_float(s, "x", AG_SHAPE(2, 3, 12)), 2, m, false, 0));
    }
    SAMPLE("(lambda q, k, v: F.softmax((0.5 * q @ k.transpose(-2, -1)).masked_fill(torch.tensor([[1, 0, 0], [0, 1, 1], [1, 1, 0]])"
           " == 0, -math.inf), -1) @ v)(*x.reshape(2, 3, 3, 2, 2).permute(2, 0, 3, 1, 4)).transpose(1, 2).reshape(2, 3, 4)") {
        ag_tensor m = ag_from(AG_SHAPE(3, 3), AG_UINT8, (const uint8_t[]){ 1, 0, 0, 0, 1, 1, 1, 1, 0 });
        sample_result(s, attend(sample_float(s, "x", AG_SHAPE(2, 3, 12)), 2, m, false, 0));
    }
    SAMPLE("(lambda q, k, v: F.softmax(0.5 * q @ k.transpose(-2, -1), -1) @ v)(*x.chunk(3, -1))  # several blocks") {
        sample_result(s, attend(sample_float(s, "x", AG_SHAPE(1, 67, 3)), 1, AG_NONE, false, 0));
    }
    SAMPLE("(lambda q, k, v: F.softmax(0.5 * q @ k.transpose(-2, -1) + torch.full((35, 35), -math.inf).triu(2).to(q.dtype), -1)"
           " @ v)(*x.chunk(3, -1))  # three blocks") {
        sample_result(s, attend(sample_float(s, "x", AG_SHAPE(1, 35, 3)), 1, AG_NONE, true, 1));
    }
    SAMPLE("(lambda q, k, v: F.softmax(0.5 * q @ k.transpose(-2, -1), -1) @ v)(*x.transpose(0, 1)[:, 1:, 1:13:2]"
           ".reshape(2, 3, 3, 2, 1).permute(2, 0, 3, 1, 4)).transpose(1, 2).reshape(2, 3, 2)  # strided") {
        ag_tensor x = ag_narrow(ag_transpose(sample_float(s, "x", AG_SHAPE(4, 2, 14)), 0, 1), 1, 1, 3);
        sample_result(s, attend(ag_slice(x, 2, 1, 13, 2), 2, AG_NONE, false, 0));
    }
    SAMPLE("x.chunk(3, -1)[2] * 1 + 0 * x.sum()  # one step") {
        sample_result(s, attend(sample_float(s, "x", AG_SHAPE(2, 1, 6)), 1, AG_NONE, false, 0));
    }
    SAMPLE("x.chunk(3, -1)[2] * 1 + 0 * x.sum()  # no steps") {
        sample_result(s, attend(sample_float(s, "x", AG_SHAPE(2, 0, 12)), 2, AG_NONE, true, 0));
    }
    SAMPLE("x.chunk(3, -1)[2] * 1 + 0 * x.sum()  # no batch") {
        sample_result(s, attend(sample_float(s, "x", AG_SHAPE(0, 3, 12)), 2, AG_NONE, false, 0));
    }
    SAMPLE("x.chunk(3, -1)[2] * 1 + 0 * x.sum()  # no width") {
        sample_result(s, ag_packed_attention(sample_float(s, "x", AG_SHAPE(2, 3, 0)), 2, AG_NONE, ag_attention_defaults()));
    }
    REFUSES("ag_packed_attention: qkv () is not (batch,steps,width) with a width that is a multiple of 3 * 1 heads") {
        attend(sample_float(s, "x", AG_SHAPE_SCALAR), 1, AG_NONE, false, 0);
    }
    REFUSES("ag_packed_attention: qkv (3,6) is not (batch,steps,width) with a width that is a multiple of 3 * 2 heads") {
        attend(sample_float(s, "x", AG_SHAPE(3, 6)), 2, AG_NONE, false, 0);
    }
    REFUSES("ag_packed_attention: qkv (2,3,8) is not (batch,steps,width) with a width that is a multiple of 3 * 1 heads") {
        attend(sample_float(s, "x", AG_SHAPE(2, 3, 8)), 1, AG_NONE, false, 0);
    }
    REFUSES("ag_packed_attention: qkv (2,3,9) is not (batch,steps,width) with a width that is a multiple of 3 * 2 heads") {
        attend(sample_float(s, "x", AG_SHAPE(2, 3, 9)), 2, AG_NONE, false, 0);
    }
    REFUSES("ag_packed_attention: heads is 0, it must be at least 1") {
        attend(sample_float(s, "x", AG_SHAPE(2, 3, 6)), 0, AG_NONE, false, 0);
    }
    REFUSES("ag_packed_attention: the mask (4,3,3) does not broadcast to the scores (4,2,3,3)") {
        attend(sample_float(s, "x", AG_SHAPE(4, 3, 6)), 2, sample_mask(s, "m", AG_SHAPE(4, 3, 3)), false, 0);
    }
    REFUSES("ag_packed_attention: the mask (3,2) does not broadcast to the scores (4,1,3,3)") { /* one that learns */
        attend(sample_float(s, "x", AG_SHAPE(4, 3, 6)), 1, sample_float(s, "m", AG_SHAPE(3, 2)), false, 0);
    }
    REFUSES("ag_packed_attention: the mask is int64, it must be uint8 or float64") {
        attend(ag_ones(AG_SHAPE(2, 3, 6), AG_FLOAT64), 1, ag_zeros(AG_SHAPE(3, 3), AG_INT64), false, 0);
    }
    REFUSES("ag_packed_attention: causal_shift is -1, it must be at least 0") {
        attend(sample_float(s, "x", AG_SHAPE(2, 3, 6)), 1, AG_NONE, true, -1);
    }
    REFUSES("ag_packed_attention: dropout is 2, it must be from 0 to 1") {
        ag_attention_config c = ag_attention_defaults();
        c.dropout = 2;
        ag_packed_attention(sample_float(s, "x", AG_SHAPE(2, 3, 6)), 1, AG_NONE, c);
    }
    REFUSES("ag_packed_attention: dropout needs a generator, and rng is NULL") {
        ag_attention_config c = ag_attention_defaults();
        c.dropout = 0.5;
        ag_packed_attention(sample_float(s, "x", AG_SHAPE(2, 3, 6)), 1, AG_NONE, c);
    }
    REFUSES("ag_packed_attention: qkv (2,3) is not (batch,steps,width) with a width that is a multiple of 3 * 1 heads") {
        ag_rng rng = ag_rng_seed(1);
        ag_attention_config c = ag_attention_defaults();
        c.dropout = 0.5;
        c.rng = &rng;
        ag_packed_attention(sample_float(s, "x", AG_SHAPE(2, 3)), 1, AG_NONE, c);
    }
    REFUSES("ag_packed_attention: scale is inf") {
        ag_attention_config c = ag_attention_defaults();
        c.scale = INFINITY;
        ag_packed_attention(sample_float(s, "x", AG_SHAPE(2, 3, 6)), 1, AG_NONE, c);
    }
    REFUSES("ag_packed_attention: the config was not made by ag_attention_defaults()") {
        ag_packed_attention(sample_float(s, "x", AG_SHAPE(2, 3, 6)), 1, AG_NONE, (ag_attention_config){ .scale = 1 });
    }
    REFUSES("ag_packed_attention: needs a floating type, got int64") {
        attend(sample_int(s, "x", AG_SHAPE(2, 3, 6), 0, 3), 1, AG_NONE, false, 0);
    }
    REFUSES("ag_packed_attention: a tensor is needed, got none") {
        attend(AG_NONE, 1, AG_NONE, false, 0);
    }
}

AG_SAMPLES_OF_FUNCTION(packed_attention_composed)
{
    SAMPLE("(lambda q, k, v: F.softmax(0.5 * q @ k.transpose(-2, -1) + m, -1) @ v)(*x.chunk(3, -1))  # a mask that learns") {
        ag_tensor m = sample_float(s, "m", AG_SHAPE(1, 3));
        sample_result(s, attend(sample_float(s, "x", AG_SHAPE(2, 3, 6)), 1, m, false, 0));
    }
    SAMPLE("torch.zeros(2, 3, 4) + 0 * x.sum()  # all weights dropped") {
        ag_rng rng = ag_rng_seed(1);
        ag_attention_config c = ag_attention_defaults();
        c.dropout = 1;
        c.rng = &rng;
        sample_result(s, ag_packed_attention(sample_float(s, "x", AG_SHAPE(2, 3, 12)), 2, AG_NONE, c));
    }
}

static void packed_input_sample(ag_samples *s, int64_t steps)
{
    struct packed_params p = { .attention.scale = 0.5, .heads = 2 };
    ag_tensor in[] = { sample_constant(s, "x", AG_SHAPE(2, 3, 12), -2, 2), AG_NONE,
                       sample_constant(s, "g", AG_SHAPE(2, steps, 4), -2, 2) };
    ag_tensor out[1];
    sample_result(s, ag_apply(ag_caller(), &op_packed_attention_input, 3, in, &p, out));
}

AG_SAMPLES(packed_attention_input)
{
    SAMPLE("(lambda x: torch.autograd.grad((lambda q, k, v: F.softmax(0.5 * q @ k.transpose(-2, -1), -1) @ v)"
           "(*x.reshape(2, 3, 3, 2, 2).permute(2, 0, 3, 1, 4)).transpose(1, 2).reshape(2, 3, 4), x, g)[0])"
           "(x.detach().requires_grad_()).detach()") {
        packed_input_sample(s, 3);
    }
    REFUSES("ag_packed_attention_input: input 2 is (2,2,4) and must be (2,3,4)") {
        packed_input_sample(s, 2);
    }
}
#endif
