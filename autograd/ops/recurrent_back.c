/*
 * The way back of the recurrent operations, and the states that came before each step. Applied by rules only.
 */
#include <string.h>

#include "autograd/autograd.h"
#include "autograd/ops/common.h"
#include "autograd/ops/recurrent_parts.h"
#include "autograd/samples.h"

/* ---- recurrent_back: gradients before the activations; see Note [Recurrent ways back] ----------------------------------- */

enum { STATES, GATES, INITIAL, W_HH, DY, DCELLS, SIZES };

static bool recurrent_back_shape(ag_call *call)
{
    const struct recurrent_params *p = ag_call_params(call);
    const ag_array *states = ag_call_input(call, STATES), *w = ag_call_input(call, W_HH);
    k_recurrent k = recurrent_sizes(call, p, states, w->size[w->ndim - 1], ag_call_input(call, SIZES));
    int64_t gates = recurrent_gates(p->kind) * k.hidden;
    ag_shape initial = AG_SHAPE(k.batch, k.hidden), kept = AG_SHAPE(k.total, k_recurrent_width(p->kind) * k.hidden);
    return ops_need_shape(call, W_HH, AG_SHAPE(gates, k.hidden)) &&
           (!ag_call_has(call, GATES) || ops_need_shape(call, GATES, kept)) &&
           (!ag_call_has(call, INITIAL) || ops_need_shape(call, INITIAL, initial)) &&
           (!ag_call_has(call, DY) || ops_need_shape(call, DY, ops_shape(states))) &&
           (!ag_call_has(call, DCELLS) || ops_need_shape(call, DCELLS, ops_shape(states))) &&
           ag_call_output(call, 0, w->dtype, AG_SHAPE(k.total, gates)) &&
           ag_call_output(call, 1, w->dtype, AG_SHAPE(p->kind == K_GRU ? k.total : 0, gates)) &&
           ag_call_output(call, 2, w->dtype, initial) && ag_call_output(call, 3, w->dtype, initial);
}

static bool recurrent_back_forward(ag_call *call)
{
    const struct recurrent_params *p = ag_call_params(call);
    const ag_array *w = ag_call_input(call, W_HH);
    k_recurrent k = recurrent_sizes(call, p, ag_call_input(call, STATES), w->size[1], ag_call_input(call, SIZES));
    const void *in[DCELLS + 1];
    for (int i = STATES; i <= DCELLS; i++) {
        in[i] = ag_call_has(call, i) ? ops_row_major(call, ag_call_input(call, i)) : NULL;
        if (in[i] == NULL && ag_call_has(call, i)) {
            return false;
        }
    }
    void *zero = ag_call_work(call, (size_t)k.hidden * ag_dtype_size(w->dtype));
    if (zero == NULL || (ag_call_has(call, SIZES) && k.rows == NULL)) {
        return false;
    }
    k_recurrent_back_arguments a = {
        .states = in[STATES], .gates = in[GATES], .initial = in[INITIAL], .w = in[W_HH], .dy = in[DY], .dcells = in[DCELLS],
        .dgates = ag_call_result(call, 0)->data, .dhidden = ag_call_result(call, 1)->data,
        .dh = ag_call_result(call, 2)->data, .dc = ag_call_result(call, 3)->data,
    };
    if (k.total > 0) {
        k_recurrent_back(w->dtype, ag_call_threads(call), &k, &a, zero);
    }
    return true;
}

AG_OP(recurrent_back){
    .size = sizeof(struct ag_op),
    .name = "recurrent_back",
    .formula = "gradients before the activations of rnn, lstm or gru, and of the first states",
    .inputs = 7,
    .outputs = 4,
    .optional = AG_OPTIONAL(GATES) | AG_OPTIONAL(INITIAL) | AG_OPTIONAL(DY) | AG_OPTIONAL(DCELLS) | AG_OPTIONAL(SIZES),
    .params = sizeof(struct recurrent_params),
    .shape = recurrent_back_shape,
    .forward = recurrent_back_forward,
};

struct recurrent_gradients recurrent_back(struct recurrent_params p, ag_tensor states, ag_tensor gates, ag_tensor initial,
                                          ag_tensor w_hh, ag_tensor dy, ag_tensor dcells, ag_tensor batch_sizes)
{
    ag_tensor in[] = {states, gates, initial, w_hh, dy, dcells, batch_sizes}, out[4];
    ag_apply(ag_caller(), &op_recurrent_back, 7, in, &p, out);
    return (struct recurrent_gradients){out[0], p.kind == K_GRU ? out[1] : out[0], out[2], out[3]};
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(recurrent_back)
{
    SAMPLE("(g[1] * (1 - y[1] ** 2), (g[1] * (1 - y[1] ** 2)) @ w)  # one step of an rnn") {
        struct recurrent_params p = {.kind = K_RNN_TANH};
        ag_tensor y = ag_narrow(sample_constant(s, "y", AG_SHAPE(2, 3, 2), -1, 1), 0, 1, 1);
        ag_tensor g = ag_narrow(sample_constant(s, "g", AG_SHAPE(2, 3, 2), -1, 1), 0, 1, 1);
        ag_tensor w = sample_constant(s, "w", AG_SHAPE(2, 2), -1, 1);
        struct recurrent_gradients d = recurrent_back(p, y, AG_NONE, AG_NONE, w, g, AG_NONE, AG_NONE);
        sample_result(s, d.gates);
        sample_result(s, d.h);
    }
    REFUSES("ag_recurrent_back: input 4 is (1,2,2) and must be (1,3,2)") {
        struct recurrent_params p = {.kind = K_RNN_TANH};
        recurrent_back(p, sample_float(s, "y", AG_SHAPE(1, 3, 2)), AG_NONE, AG_NONE, sample_float(s, "w", AG_SHAPE(2, 2)),
                       sample_float(s, "g", AG_SHAPE(1, 2, 2)), AG_NONE, AG_NONE);
    }
}
#endif

/* ---- recurrent_previous: rows moved by one step --------------------------------------------------------------------------- */

static bool recurrent_previous_shape(ag_call *call)
{
    const struct recurrent_params *p = ag_call_params(call);
    const ag_array *y = ag_call_input(call, 0);
    int64_t hidden = y->size[y->ndim - 1];
    k_recurrent k = recurrent_sizes(call, p, y, hidden, ag_call_input(call, 2));
    return (!ag_call_has(call, 1) || ops_need_shape(call, 1, AG_SHAPE(k.batch, hidden))) &&
           ag_call_output(call, 0, y->dtype, AG_SHAPE(k.total, hidden));
}

static bool recurrent_previous_forward(ag_call *call)
{
    const struct recurrent_params *p = ag_call_params(call);
    const ag_array *y = ag_call_input(call, 0), *h = ag_call_input(call, 1);
    k_recurrent k = recurrent_sizes(call, p, y, y->size[y->ndim - 1], ag_call_input(call, 2));
    const void *data = ops_row_major(call, y), *initial = h != NULL ? ops_row_major(call, h) : NULL;
    if (data == NULL || (h != NULL && initial == NULL) || (ag_call_has(call, 2) && k.rows == NULL)) {
        return false;
    }
    k_recurrent_previous(y->dtype, &k, data, initial, ag_call_result(call, 0)->data);
    return true;
}

AG_OP(recurrent_previous){
    .size = sizeof(struct ag_op),
    .name = "recurrent_previous",
    .formula = "y[t] = x[t - 1], y[0] = h",
    .inputs = 3,
    .outputs = 1,
    .optional = AG_OPTIONAL(1) | AG_OPTIONAL(2),
    .params = sizeof(struct recurrent_params),
    .shape = recurrent_previous_shape,
    .forward = recurrent_previous_forward,
};

ag_tensor recurrent_previous(struct recurrent_params p, ag_tensor y, ag_tensor initial, ag_tensor batch_sizes)
{
    ag_tensor in[] = {y, initial, batch_sizes}, out[1];
    return ag_apply(ag_caller(), &op_recurrent_previous, 3, in, &p, out);
}

#ifdef WENGERT_SAMPLES
AG_SAMPLES(recurrent_previous)
{
    SAMPLE("torch.cat([h, y[0], y[1]])") {
        ag_tensor y = sample_constant(s, "y", AG_SHAPE(3, 2, 2), -1, 1), h = sample_constant(s, "h", AG_SHAPE(2, 2), -1, 1);
        sample_result(s, recurrent_previous((struct recurrent_params){.kind = K_GRU}, y, h, AG_NONE));
    }
    SAMPLE("torch.cat([y[1], y[2], y[0] * 0])") {
        ag_tensor y = sample_constant(s, "y", AG_SHAPE(3, 2, 2), -1, 1);
        sample_result(s, recurrent_previous((struct recurrent_params){.kind = K_GRU, .reverse = true}, y, AG_NONE, AG_NONE));
    }
    REFUSES("ag_recurrent_previous: input 1 is (3,2) and must be (2,2)") {
        recurrent_previous((struct recurrent_params){.kind = K_GRU}, sample_float(s, "y", AG_SHAPE(3, 2, 2)),
                           sample_float(s, "h", AG_SHAPE(3, 2)), AG_NONE);
    }
}
#endif
