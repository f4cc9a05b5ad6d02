/*
 * RNN, LSTM and GRU over whole sequences: one product for the inputs of all steps, then one product and one pass a step. Knows
 * shapes; the steps are in kernels/recurrent.c.
 *
 * Note [Recurrent ways back]
 * A backward that is not recorded takes the activated gates that forward kept, and makes the gradients before the activations of
 * all steps (recurrent_back); every weight's gradient is then one product over all steps. One that is recorded computes the layer anew
 * from the library's operations (recurrent_composed) and sweeps through these.
 */
#include <string.h>

#include "../internal.h"
#include "../kernels/kernels.h"
#include "../samples.h"
#include "common.h"
#include "ops.h"
#include "recurrent_parts.h"

ag_recurrent_config ag_recurrent_defaults(void)
{
    return (ag_recurrent_config){.made_by_defaults = OPS_MADE_BY_DEFAULTS};
}

/* ---- shapes --------------------------------------------------------------------------------------------------------- */

k_recurrent recurrent_sizes(ag_call *call, const struct recurrent_params *p, const ag_array *rows, int64_t hidden,
                            const ag_array *batch_sizes)
{
    k_recurrent k = {.kind = p->kind, .reverse = p->reverse, .steps = 1, .hidden = hidden, .total = 1};
    for (int d = 0; d < rows->ndim - 1; d++) {
        k.total *= rows->size[d];
    }
    if (batch_sizes != NULL) {
        k.rows = ops_row_major(call, batch_sizes);
        k.steps = batch_sizes->numel;
        k.batch = k.rows != NULL && k.steps > 0 ? k.rows[0] : 0;
    } else if (rows->ndim == 3) {
        k.steps = rows->size[0];
        k.batch = rows->size[1];
    } else {
        k.batch = k.total;
    }
    return k;
}

static bool batch_sizes_fit(ag_call *call, const ag_array *b, int64_t total)
{
    if (b->dtype != AG_INT64 || b->ndim != 1 || b->numel == 0) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "batch sizes must be int64 (steps), got %s %s", ag_dtype_name(b->dtype),
                            ag_call_shape_text(call, R_BATCH_SIZES));
    }
    const int64_t *rows = b->data;
    int64_t sum = 0, before = total;
    for (int64_t t = 0; t < b->numel; t++) {
        int64_t now = rows[t * b->stride[0]];
        if (now < 1 || now > before) {
            return ag_call_fail(call, AG_ERROR_VALUE,
                                "batch sizes must be at least 1 and never grow: step %lld has %lld after %lld", (long long)t,
                                (long long)now, (long long)before);
        }
        sum += now;
        before = now;
    }
    return sum == total || ag_call_fail(call, AG_ERROR_SHAPE, "batch sizes add up to %lld, the input has %lld rows",
                                        (long long)sum, (long long)total);
}

static bool weights_fit(ag_call *call, k_recurrent_kind kind)
{
    const ag_array *x = ag_call_input(call, R_X), *wi = ag_call_input(call, R_W_IH), *wh = ag_call_input(call, R_W_HH);
    int64_t gates = recurrent_gates(kind);
    if (!ops_need_same_dtype(call, x, wi) || !ops_need_same_dtype(call, x, wh)) {
        return false;
    }
    if (wi->ndim != 2 || wh->ndim != 2 || wh->size[1] < 1 || wh->size[0] != gates * wh->size[1] ||
        wi->size[0] != wh->size[0]) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "w_ih %s and w_hh %s must be (%lld h,in) and (%lld h,h)",
                            ag_call_shape_text(call, R_W_IH), ag_call_shape_text(call, R_W_HH), (long long)gates,
                            (long long)gates);
    }
    if (x->size[x->ndim - 1] != wi->size[1]) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "input %s and w_ih %s: the last dimension of the input must be %lld",
                            ag_call_shape_text(call, R_X), ag_call_shape_text(call, R_W_IH), (long long)wi->size[1]);
    }
    for (int i = R_B_IH; i <= R_B_HH; i++) {
        const ag_array *b = ag_call_input(call, i);
        if (b != NULL && (!ops_need_same_dtype(call, x, b))) {
            return false;
        }
        if (b != NULL && (b->ndim != 1 || b->size[0] != wi->size[0])) {
            return ag_call_fail(call, AG_ERROR_SHAPE, "%s %s must be (%lld)", i == R_B_IH ? "b_ih" : "b_hh",
                                ag_call_shape_text(call, i), (long long)wi->size[0]);
        }
    }
    return true;
}

static bool state_fits(ag_call *call, int i, const char *name, int64_t batch, int64_t hidden)
{
    const ag_array *h = i < ag_call_count(call) ? ag_call_input(call, i) : NULL;
    if (h == NULL) {
        return true;
    }
    if (!ops_need_same_dtype(call, ag_call_input(call, R_X), h)) {
        return false;
    }
    return (h->ndim == 2 && h->size[0] == batch && h->size[1] == hidden) ||
           ag_call_fail(call, AG_ERROR_SHAPE, "the state %s is %s and must be (%lld,%lld): batch and hidden size", name,
                        ag_call_shape_text(call, i), (long long)batch, (long long)hidden);
}

static bool recurrent_shape(ag_call *call)
{
    const struct recurrent_params *p = ag_call_params(call);
    const ag_array *x = ag_call_input(call, R_X), *sizes = ag_call_input(call, R_BATCH_SIZES);
    if (!ops_need_float(call, x)) {
        return false;
    }
    if (sizes != NULL ? x->ndim != 2 : x->ndim != 2 && x->ndim != 3) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "the input must be %s, got %s",
                            sizes != NULL ? "(rows,in) with batch sizes" : "(steps,batch,in), or (batch,in) for one step",
                            ag_call_shape_text(call, R_X));
    }
    if (!weights_fit(call, p->kind)) {
        return false;
    }
    if (x->ndim == 3 && x->size[0] == 0) {
        return ag_call_fail(call, AG_ERROR_SHAPE, "the input %s has no steps", ag_call_shape_text(call, R_X));
    }
    if (sizes != NULL && !batch_sizes_fit(call, sizes, x->size[0])) {
        return false;
    }
    int64_t hidden = ag_call_input(call, R_W_HH)->size[1];
    k_recurrent k = recurrent_sizes(call, p, x, hidden, sizes);
    if (!state_fits(call, R_H, "h", k.batch, hidden) || !state_fits(call, R_C, "c", k.batch, hidden)) {
        return false;
    }
    ag_shape y = ops_shape(x);
    y.size[y.ndim - 1] = hidden;
    bool gates = p->kind == K_LSTM || p->kind == K_GRU;
    ag_shape kept = AG_SHAPE(ag_call_recording(call) ? k.total : 0, k_recurrent_width(p->kind) * hidden);
    return ag_call_output(call, 0, x->dtype, y) && (!gates || ag_call_output(call, 1, x->dtype, kept)) &&
           (p->kind != K_LSTM || ag_call_output(call, 2, x->dtype, y));
}

/* ---- forward ------------------------------------------------------------------------------------------------------------ */

/* row[at…] = b_ih + b_hh, or one of them. */
static void bias_part(ag_dtype dtype, int64_t n, const void *a, int64_t a_at, const void *b, int64_t b_at, void *row,
                      int64_t at)
{
    for (int64_t j = 0; j < n; j++) {
        if (dtype == AG_FLOAT32) {
            ((float *)row)[at + j] = (a != NULL ? ((const float *)a)[a_at + j] : 0) +
                                     (b != NULL ? ((const float *)b)[b_at + j] : 0);
        } else {
            ((double *)row)[at + j] = (a != NULL ? ((const double *)a)[a_at + j] : 0) +
                                      (b != NULL ? ((const double *)b)[b_at + j] : 0);
        }
    }
}

/* An input in row-major order; NULL with *failed if that is no missing one. */
static const void *row_major(ag_call *call, int i, bool *failed)
{
    const ag_array *a = i < ag_call_count(call) ? ag_call_input(call, i) : NULL;
    const void *data = a != NULL ? ops_row_major(call, a) : NULL;
    *failed = *failed || (a != NULL && data == NULL);
    return data;
}

/* gates = x w_ih^T + biases; of GRU the part of n that comes from h, the last one, holds its bias. */
static bool input_part(ag_call *call, const k_recurrent *k, void *gates)
{
    const ag_array *x = ag_call_input(call, R_X), *w = ag_call_input(call, R_W_IH);
    int64_t H = k->hidden, width = k_recurrent_width(k->kind) * H, in = w->size[1];
    size_t bytes = (size_t)width * ag_dtype_size(x->dtype);
    bool failed = false;
    const void *bi = row_major(call, R_B_IH, &failed), *bh = row_major(call, R_B_HH, &failed);
    const void *data = row_major(call, R_X, &failed);
    void *row = ag_call_work(call, bytes);
    if (failed || row == NULL) {
        return false;
    }
    if (k->kind == K_GRU) {
        bias_part(x->dtype, 2 * H, bi, 0, bh, 0, row, 0);
        bias_part(x->dtype, H, bi, 2 * H, NULL, 0, row, 2 * H);
        bias_part(x->dtype, H, NULL, 0, bh, 2 * H, row, 3 * H);
    } else {
        bias_part(x->dtype, width, bi, 0, bh, 0, row, 0);
    }
    int64_t columns = recurrent_gates(k->kind) * H;
    for (int64_t r = 0; columns < width && r < k->total; r++) {
        size_t at = (size_t)columns * ag_dtype_size(x->dtype);
        memcpy((char *)gates + (size_t)r * bytes + at, (char *)row + at, bytes - at);
    }
    k_gemm_bias(x->dtype, ag_call_threads(call), k->total, columns, in, data, in, 1, w->data, w->stride[1], w->stride[0], row,
                gates, width);
    return true;
}

static bool recurrent_forward(ag_call *call)
{
    const struct recurrent_params *p = ag_call_params(call);
    const ag_array *y = ag_call_result(call, 0), *x = ag_call_input(call, R_X);
    int64_t hidden = y->size[y->ndim - 1];
    k_recurrent k = recurrent_sizes(call, p, x, hidden, ag_call_input(call, R_BATCH_SIZES));
    size_t item = ag_dtype_size(y->dtype);
    bool failed = false;
    const void *h = row_major(call, R_H, &failed), *c = row_major(call, R_C, &failed), *w = row_major(call, R_W_HH, &failed);
    void *work = ag_call_work(call, (size_t)k_recurrent_work(&k) * item), *gates = y->data;
    if (k_recurrent_width(k.kind) > 1) {
        gates = ag_call_recording(call) ? ag_call_result(call, 1)->data
                                        : ag_call_work(call, (size_t)(k.total * k_recurrent_width(k.kind) * hidden) * item);
    }
    if (failed || work == NULL || gates == NULL || (ag_call_has(call, R_BATCH_SIZES) && k.rows == NULL)) {
        return false;
    }
    if (k.total == 0) {
        return true;
    }
    if (!input_part(call, &k, gates)) {
        return false;
    }
    k_recurrent_forward(y->dtype, ag_call_threads(call), &k, h, c, w, gates, y->data,
                        k.kind == K_LSTM ? ag_call_result(call, 2)->data : NULL, work);
    return true;
}

/* ---- backward ----------------------------------------------------------------------------------------------------------- */

static ag_tensor flat(ag_tensor x)
{
    return ag_reshape(x, AG_SHAPE(-1));
}

/* See Note [Recurrent ways back]. */
static void sweep_composed(ag_sweep *s, struct recurrent_params p)
{
    ag_tensor in[8] = {AG_NONE}, y, cells, dy = ag_sweep_grad(s, 0), dc = p.kind == K_LSTM ? ag_sweep_grad(s, 2) : AG_NONE;
    for (int i = 0; i < ag_sweep_count(s); i++) {
        in[i] = ag_sweep_input(s, i);
    }
    int64_t mark = ag_context_get()->nodes;
    recurrent_composed(p, in, &y, &cells);
    if (p.kind == K_LSTM) {
        ag_tensor both[] = {flat(y), flat(cells)};
        ag_tensor gradients[] = {flat(ag_is_none(dy) ? ag_zeros_like(y) : dy), flat(ag_is_none(dc) ? ag_zeros_like(y) : dc)};
        y = ag_cat(2, both, 0);
        dy = ag_cat(2, gradients, 0);
    } else {
        y = ag_reshape(y, ag_shape_of(dy));
    }
    if (ag_error_code() == AG_OK) {
        ag_sweep_through(s, y, dy, mark);
    }
}

/* dw = d^T x and db, the sum of d's rows. */
static void product_and_sum(ag_sweep *s, int w, int b, ag_tensor d, ag_tensor x)
{
    if (ag_sweep_wants(s, w) && ag_sweep_wants(s, b)) {
        ag_sweep_product_and_sum(s, w, b, d, x);
    } else {
        ag_sweep_product(s, w, d, true, x);
        ag_sweep_add(s, b, d);
    }
}

static void recurrent_backward(ag_sweep *s)
{
    struct recurrent_params p = *(const struct recurrent_params *)ag_sweep_params(s);
    if (ag_sweep_recording(s)) {
        sweep_composed(s, p);
        return;
    }
    bool lstm = p.kind == K_LSTM;
    ag_tensor x = ag_sweep_input(s, R_X), h = ag_sweep_input(s, R_H), sizes = ag_sweep_input(s, R_BATCH_SIZES);
    ag_tensor y = ag_sweep_output(s, 0), w_ih = ag_sweep_input(s, R_W_IH), w_hh = ag_sweep_input(s, R_W_HH);
    ag_shape shape = ag_sweep_shape(s, R_X);
    ag_tensor rows = ag_reshape(x, AG_SHAPE(-1, shape.size[shape.ndim - 1]));
    struct recurrent_gradients d = recurrent_back(
        p, lstm ? ag_sweep_output(s, 2) : y, lstm || p.kind == K_GRU ? ag_sweep_output(s, 1) : AG_NONE,
        lstm            ? ag_sweep_input(s, R_C)
        : p.kind == K_GRU ? h
                          : AG_NONE,
        w_hh, ag_sweep_grad(s, 0), lstm ? ag_sweep_grad(s, 2) : AG_NONE, sizes);
    ag_sweep_matmul(s, R_X, d.gates, w_ih);
    product_and_sum(s, R_W_IH, R_B_IH, d.gates, rows);
    if (ag_sweep_wants(s, R_W_HH)) {
        bool one_step = shape.ndim == 2 && ag_is_none(sizes) && !ag_is_none(h);
        product_and_sum(s, R_W_HH, R_B_HH, d.hidden, one_step ? h : recurrent_previous(p, y, h, sizes));
    } else {
        ag_sweep_add(s, R_B_HH, d.hidden);
    }
    if (ag_sweep_wants(s, R_H)) {
        ag_sweep_add(s, R_H, d.h);
    }
    if (lstm && ag_sweep_wants(s, R_C)) {
        ag_sweep_add(s, R_C, d.c);
    }
}

/* ---- the operations --------------------------------------------------------------------------------------------------- */

#define RECURRENT_OPTIONAL \
    (AG_OPTIONAL(R_H) | AG_OPTIONAL(R_B_IH) | AG_OPTIONAL(R_B_HH) | AG_OPTIONAL(R_BATCH_SIZES) | AG_OPTIONAL(R_C))
#define RECURRENT(kind_inputs, kind_outputs, saved)                                                            \
    .size = sizeof(struct ag_op), .inputs = kind_inputs, .outputs = kind_outputs, .optional = RECURRENT_OPTIONAL, \
    .saves = ((1u << (kind_inputs)) - 1) | AG_SAVE_OUTPUT(0) | (saved), .params = sizeof(struct recurrent_params), \
    .orders = AG_ORDERS_ANY, .shape = recurrent_shape, .forward = recurrent_forward, .backward = recurrent_backward

/* False after raising. */
static bool config_is_good(ag_place where, const char *function, ag_recurrent_config config)
{
    if (config.made_by_defaults != OPS_MADE_BY_DEFAULTS) {
        ag_error_raise(where, AG_ERROR_VALUE, "%s: the config did not come from ag_recurrent_defaults()", function);
        return false;
    }
    return true;
}

/* Applies op; what only backward needs is hidden. */
static ag_tensor apply(ag_place where, const struct ag_op *op, ag_tensor x, ag_tensor h, ag_tensor c, ag_recurrent_weights w,
                       ag_recurrent_config config, struct recurrent_params p, ag_tensor *out)
{
    ag_tensor in[] = {x, h, w.w_ih, w.w_hh, w.b_ih, w.b_hh, config.batch_sizes, c};
    p.reverse = config.reverse;
    ag_apply(where, op, op->inputs, in, &p, out);
    if (op->outputs > 1 && !ag_is_nil(out[1])) {
        ag_release(out[1]);
    }
    return out[0];
}

AG_OP(rnn){RECURRENT(7, 1, 0), .name = "rnn", .formula = "h' = tanh(x w_ih^T + b_ih + h w_hh^T + b_hh), step by step",
           .derivative = "da = (dy + da' w_hh) (1 - y^2) from the last step to the first;  dx = da w_ih;  dw_ih = da^T x;  "
                         "dw_hh = da^T h"};

ag_tensor ag_rnn_at(ag_place where, ag_tensor x, ag_tensor h, ag_recurrent_weights w, ag_recurrent_config config)
{
    ag_tensor out[1];
    struct recurrent_params p = {.kind = config.relu ? K_RNN_RELU : K_RNN_TANH};
    return config_is_good(where, "ag_rnn", config) ? apply(where, &op_rnn, x, h, AG_NONE, w, config, p, out) : AG_NIL;
}

AG_OP(gru){RECURRENT(7, 2, AG_SAVE_OUTPUT(1)), .name = "gru", .formula = "h' = (1 - z) n + z h, step by step",
           .derivative = "da of r, z, n from the last step to the first;  dx = da w_ih;  dw_ih = da^T x;  dw_hh = da^T h"};

ag_tensor ag_gru_at(ag_place where, ag_tensor x, ag_tensor h, ag_recurrent_weights w, ag_recurrent_config config)
{
    ag_tensor out[2];
    struct recurrent_params p = {.kind = K_GRU};
    return config_is_good(where, "ag_gru", config) ? apply(where, &op_gru, x, h, AG_NONE, w, config, p, out) : AG_NIL;
}

AG_OP(lstm){RECURRENT(8, 3, AG_SAVE_OUTPUT(1) | AG_SAVE_OUTPUT(2)), .name = "lstm",
            .formula = "c' = f c + i g, h' = o tanh(c'), step by step",
            .derivative = "da of i, f, g, o from the last step to the first;  dx = da w_ih;  dw_ih = da^T x;  dw_hh = da^T h"};

ag_tensor ag_lstm_at(ag_place where, ag_tensor x, ag_tensor h, ag_tensor c, ag_recurrent_weights w, ag_recurrent_config config,
                     ag_tensor *cells)
{
    ag_tensor out[3] = {AG_NIL, AG_NIL, AG_NIL};
    struct recurrent_params p = {.kind = K_LSTM};
    if (config_is_good(where, "ag_lstm", config)) {
        apply(where, &op_lstm, x, h, c, w, config, p, out);
    }
    if (cells != NULL) {
        *cells = out[2];
    } else if (!ag_is_nil(out[2])) {
        ag_release(out[2]);
    }
    return out[0];
}

#ifdef WENGERT_SAMPLES

static ag_recurrent_weights weights(ag_samples *s, int64_t gates, int64_t in, int64_t hidden, bool bias)
{
    ag_recurrent_weights w = {.w_ih = sample_float(s, "wi", AG_SHAPE(gates * hidden, in)),
                              .w_hh = sample_float(s, "wh", AG_SHAPE(gates * hidden, hidden))};
    if (bias) {
        w.b_ih = sample_float(s, "bi", AG_SHAPE(gates * hidden));
        w.b_hh = sample_float(s, "bh", AG_SHAPE(gates * hidden));
    }
    return w;
}

/* Batch sizes 3, 2, 2, 1. */
static ag_recurrent_config packed(bool reverse)
{
    ag_recurrent_config config = ag_recurrent_defaults();
    config.batch_sizes = ag_from(AG_SHAPE(4), AG_INT64, (const int64_t[]){3, 2, 2, 1});
    config.reverse = reverse;
    return config;
}

static ag_recurrent_config reversed(void)
{
    ag_recurrent_config config = ag_recurrent_defaults();
    config.reverse = true;
    return config;
}

#define PACKED "torch.tensor([3, 2, 2, 1])"

AG_SAMPLES(lstm)
{
#define LSTM_BOTH(result, config)                                                                                              \
    ag_tensor h = sample_float(s, "h", AG_SHAPE(3, 2)), c = sample_float(s, "c", AG_SHAPE(3, 2)), cells;                       \
    ag_tensor y = ag_lstm(x, h, c, weights(s, 4, 2, 2, true), config, &cells);                                                 \
    sample_result(s, y);                                                                                                       \
    sample_result(s, result);
    SAMPLE("(lambda r: (r[0], r[2][0]))(torch.lstm(x, (h[None], c[None]), [wi, wh, bi, bh], True, 1, 0., False, False, False))") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(4, 3, 2));
        LSTM_BOTH(ag_select(cells, 0, 3), ag_recurrent_defaults())
    }
    SAMPLE("torch.lstm(x, (h[None], c[None]), [wi, wh, bi, bh], True, 1, 0., False, False, False)[2][0]  # of c alone") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(2, 3, 2)), cells;
        ag_tensor h = sample_float(s, "h", AG_SHAPE(3, 2)), c = sample_float(s, "c", AG_SHAPE(3, 2));
        ag_lstm(x, h, c, weights(s, 4, 2, 2, true), ag_recurrent_defaults(), &cells);
        sample_result(s, ag_select(cells, 0, 1));
    }
    SAMPLE("torch.lstm(x, tuple(torch.zeros(2, 1, 2, 3, dtype=x.dtype)), [wi, wh], False, 1, 0., False, False, False)[0]") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 2, 4));
        sample_result(s, ag_lstm(x, AG_NONE, AG_NONE, weights(s, 4, 4, 3, false), ag_recurrent_defaults(), NULL));
    }
    SAMPLE("torch.lstm(x.flip(0), (h[None], c[None]), [wi, wh, bi, bh], True, 1, 0., False, False, False)[0].flip(0)") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(4, 3, 2)), c = sample_float(s, "c", AG_SHAPE(3, 2));
        ag_tensor h = sample_float(s, "h", AG_SHAPE(3, 2));
        sample_result(s, ag_lstm(x, h, c, weights(s, 4, 2, 2, true), reversed(), NULL));
    }
    SAMPLE("torch.lstm_cell(x, (h, c), wi, wh, bi, bh)") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 2));
        LSTM_BOTH(cells, ag_recurrent_defaults())
    }
    SAMPLE("torch.lstm_cell(x, (torch.zeros_like(c), c), wi, wh, bi, bh)[0]  # without h") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 2)), c = sample_float(s, "c", AG_SHAPE(3, 2));
        sample_result(s, ag_lstm(x, AG_NONE, c, weights(s, 4, 2, 2, true), ag_recurrent_defaults(), NULL));
    }
    SAMPLE("torch.lstm(x, " PACKED ", (h[None], c[None]), [wi, wh, bi, bh], True, 1, 0., False, False)[0]") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(8, 2)), c = sample_float(s, "c", AG_SHAPE(3, 2));
        ag_tensor h = sample_float(s, "h", AG_SHAPE(3, 2));
        sample_result(s, ag_lstm(x, h, c, weights(s, 4, 2, 2, true), packed(false), NULL));
    }
    SAMPLE("torch.lstm(x, " PACKED ", (h.expand(2, 3, 2), c.expand(2, 3, 2)), [wi, wh, bi, bh] * 2, True, 1, 0., False, "
           "True)[0][:, 2:]") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(8, 2)), c = sample_float(s, "c", AG_SHAPE(3, 2));
        ag_tensor h = sample_float(s, "h", AG_SHAPE(3, 2));
        sample_result(s, ag_lstm(x, h, c, weights(s, 4, 2, 2, true), packed(true), NULL));
    }
    SAMPLE("torch.lstm(x, tuple(torch.zeros(2, 1, 0, 2, dtype=x.dtype)), [wi, wh], False, 1, 0., False, False, False)[0]  # no rows") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 0, 2));
        sample_result(s, ag_lstm(x, AG_NONE, AG_NONE, weights(s, 4, 2, 2, false), ag_recurrent_defaults(), NULL));
    }
    REFUSES("ag_lstm: the state c is (2,2) and must be (3,2): batch and hidden size") {
        ag_lstm(sample_float(s, "x", AG_SHAPE(4, 3, 2)), AG_NONE, sample_float(s, "c", AG_SHAPE(2, 2)),
                weights(s, 4, 2, 2, true), ag_recurrent_defaults(), NULL);
    }
    REFUSES("ag_lstm: w_ih (6,2) and w_hh (6,2) must be (4 h,in) and (4 h,h)") {
        ag_lstm(sample_float(s, "x", AG_SHAPE(4, 3, 2)), AG_NONE, AG_NONE, weights(s, 3, 2, 2, true), ag_recurrent_defaults(),
                NULL);
    }
}

AG_SAMPLES(gru)
{
    SAMPLE("torch.gru(x, h[None], [wi, wh, bi, bh], True, 1, 0., False, False, False)[0]") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(4, 3, 2)), h = sample_float(s, "h", AG_SHAPE(3, 2));
        sample_result(s, ag_gru(x, h, weights(s, 3, 2, 2, true), ag_recurrent_defaults()));
    }
    SAMPLE("torch.gru(x, torch.zeros(1, 2, 3, dtype=x.dtype), [wi, wh], False, 1, 0., False, False, False)[0]") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 2, 4));
        sample_result(s, ag_gru(x, AG_NONE, weights(s, 3, 4, 3, false), ag_recurrent_defaults()));
    }
    SAMPLE("torch.gru_cell(x, h, wi, wh, bi, bh)") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 4)), h = sample_float(s, "h", AG_SHAPE(3, 2));
        sample_result(s, ag_gru(x, h, weights(s, 3, 4, 2, true), ag_recurrent_defaults()));
    }
    SAMPLE("torch.gru(x, " PACKED ", h[None], [wi, wh, bi, bh], True, 1, 0., False, False)[0]") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(8, 2)), h = sample_float(s, "h", AG_SHAPE(3, 2));
        sample_result(s, ag_gru(x, h, weights(s, 3, 2, 2, true), packed(false)));
    }
    SAMPLE("torch.gru(x, " PACKED ", h.expand(2, 3, 2), [wi, wh, bi, bh] * 2, True, 1, 0., False, True)[0][:, 2:]") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(8, 2)), h = sample_float(s, "h", AG_SHAPE(3, 2));
        sample_result(s, ag_gru(x, h, weights(s, 3, 2, 2, true), packed(true)));
    }
    REFUSES("ag_gru: b_hh (5) must be (6)") {
        ag_recurrent_weights w = weights(s, 3, 2, 2, true);
        w.b_hh = sample_float(s, "b", AG_SHAPE(5));
        ag_gru(sample_float(s, "x", AG_SHAPE(4, 3, 2)), AG_NONE, w, ag_recurrent_defaults());
    }
}

AG_SAMPLES(rnn)
{
    ag_recurrent_config relu = ag_recurrent_defaults();
    relu.relu = true;
    SAMPLE("torch.rnn_tanh(x, h[None], [wi, wh, bi, bh], True, 1, 0., False, False, False)[0]") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(4, 3, 2)), h = sample_float(s, "h", AG_SHAPE(3, 2));
        sample_result(s, ag_rnn(x, h, weights(s, 1, 2, 2, true), ag_recurrent_defaults()));
    }
    SAMPLE("torch.rnn_relu(x, h[None], [wi, wh, bi, bh], True, 1, 0., False, False, False)[0]") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(4, 3, 2)), h = sample_float(s, "h", AG_SHAPE(3, 2));
        sample_result(s, ag_rnn(x, h, weights(s, 1, 2, 2, true), relu));
    }
    SAMPLE("torch.rnn_relu_cell(x, h, wi, wh)") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(3, 2)), h = sample_float(s, "h", AG_SHAPE(3, 4));
        sample_result(s, ag_rnn(x, h, weights(s, 1, 2, 4, false), relu));
    }
    SAMPLE("torch.rnn_tanh(x, " PACKED ", h.expand(2, 3, 2), [wi, wh, bi, bh] * 2, True, 1, 0., False, True)[0][:, 2:]") {
        ag_tensor x = sample_float(s, "x", AG_SHAPE(8, 2)), h = sample_float(s, "h", AG_SHAPE(3, 2));
        sample_result(s, ag_rnn(x, h, weights(s, 1, 2, 2, true), packed(true)));
    }
    REFUSES("ag_rnn: the input must be (steps,batch,in), or (batch,in) for one step, got (2)") {
        ag_rnn(sample_float(s, "x", AG_SHAPE(2)), AG_NONE, weights(s, 1, 2, 2, true), ag_recurrent_defaults());
    }
    REFUSES("ag_rnn: the input must be (rows,in) with batch sizes, got (4,2,2)") {
        ag_rnn(sample_float(s, "x", AG_SHAPE(4, 2, 2)), AG_NONE, weights(s, 1, 2, 2, true), packed(false));
    }
    REFUSES("ag_rnn: the input (0,3,2) has no steps") {
        ag_rnn(sample_float(s, "x", AG_SHAPE(0, 3, 2)), AG_NONE, weights(s, 1, 2, 2, true), ag_recurrent_defaults());
    }
    REFUSES("ag_rnn: input (4,3,5) and w_ih (2,2): the last dimension of the input must be 2") {
        ag_rnn(sample_float(s, "x", AG_SHAPE(4, 3, 5)), AG_NONE, weights(s, 1, 2, 2, true), ag_recurrent_defaults());
    }
    REFUSES("ag_rnn: the state h is (3) and must be (3,2): batch and hidden size") {
        ag_rnn(sample_float(s, "x", AG_SHAPE(4, 3, 2)), sample_float(s, "h", AG_SHAPE(3)), weights(s, 1, 2, 2, true),
               ag_recurrent_defaults());
    }
    REFUSES("ag_rnn: batch sizes add up to 8, the input has 9 rows") {
        ag_rnn(sample_float(s, "x", AG_SHAPE(9, 2)), AG_NONE, weights(s, 1, 2, 2, true), packed(false));
    }
    REFUSES("ag_rnn: batch sizes must be at least 1 and never grow: step 1 has 3 after 2") {
        ag_recurrent_config config = ag_recurrent_defaults();
        config.batch_sizes = ag_from(AG_SHAPE(2), AG_INT64, (const int64_t[]){2, 3});
        ag_rnn(sample_float(s, "x", AG_SHAPE(5, 2)), AG_NONE, weights(s, 1, 2, 2, true), config);
    }
    REFUSES("ag_rnn: batch sizes must be int64 (steps), got uint8 (3)") {
        ag_recurrent_config config = ag_recurrent_defaults();
        config.batch_sizes = sample_mask(s, "m", AG_SHAPE(3));
        ag_rnn(sample_float(s, "x", AG_SHAPE(5, 2)), AG_NONE, weights(s, 1, 2, 2, true), config);
    }
    REFUSES("ag_rnn: the config did not come from ag_recurrent_defaults()") {
        ag_rnn(sample_float(s, "x", AG_SHAPE(4, 3, 2)), AG_NONE, weights(s, 1, 2, 2, true), (ag_recurrent_config){0});
    }
    REFUSES("ag_rnn: needs a floating type, got int64") {
        ag_rnn(sample_int(s, "x", AG_SHAPE(4, 3, 2), 0, 3), AG_NONE, weights(s, 1, 2, 2, true), ag_recurrent_defaults());
    }
    REFUSES("ag_rnn: element types float32 and float64 differ") {
        ag_recurrent_weights w = {.w_ih = ag_ones(AG_SHAPE(2, 2), AG_FLOAT64), .w_hh = ag_ones(AG_SHAPE(2, 2), AG_FLOAT64)};
        ag_rnn(ag_ones(AG_SHAPE(1, 2, 2), AG_FLOAT32), AG_NONE, w, ag_recurrent_defaults());
    }
}
#endif
