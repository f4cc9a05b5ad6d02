/*
 * Recurrent cells: one step a call. And states that are carried on from scope to scope.
 */
#include <stdio.h>

#include "recurrent_parts.h"

struct nn_cell {
    nn_module base;
    nn_rnn_config config;
    ag_tensor weight_ih, weight_hh, bias_ih, bias_hh;
};

static const nn_module_type rnn_cell_type, lstm_cell_type, gru_cell_type;

static nn_rnn_kind kind_of(const nn_module *m)
{
    return m->type == &lstm_cell_type ? NN_LSTM : m->type == &gru_cell_type ? NN_GRU : NN_RNN;
}

static void fill(ag_tensor w, ag_rng *rng, const nn_module *owner)
{
    nn_rnn_fill(w, rng, ((const struct nn_cell *)owner)->config.hidden);
}

static void cell_visit(nn_module *m, nn_visitor *v)
{
    struct nn_cell *self = (struct nn_cell *)m;
    int64_t rows = nn_rnn_gates(kind_of(m)) * self->config.hidden;
    nn_visit_parameter(v, "weight_ih", &self->weight_ih, AG_SHAPE(rows, self->config.in), fill);
    nn_visit_parameter(v, "weight_hh", &self->weight_hh, AG_SHAPE(rows, self->config.hidden), fill);
    if (self->config.bias) {
        nn_visit_parameter(v, "bias_ih", &self->bias_ih, AG_SHAPE(rows), fill);
        nn_visit_parameter(v, "bias_hh", &self->bias_hh, AG_SHAPE(rows), fill);
    }
}

static void cell_describe(const nn_module *m, char *text, size_t bytes)
{
    const nn_rnn_config *c = &((const struct nn_cell *)m)->config;
    snprintf(text, bytes, "%lld, %lld%s%s", (long long)c->in, (long long)c->hidden, c->bias ? "" : ", bias=False",
             c->relu ? ", nonlinearity=relu" : "");
}

static ag_tensor batched(ag_tensor x, bool alone)
{
    return alone && !ag_is_none(x) ? ag_unsqueeze(x, 0) : x;
}

static bool input_fits(const struct nn_cell *self, ag_tensor x)
{
    char text[NN_TEXT], shape[AG_SHAPE_TEXT];
    if (ag_is_nil(x) || ag_error_code() != AG_OK) {
        return false;
    }
    ag_shape s = ag_shape_of(x);
    if (ag_error_code() == AG_OK && ((s.ndim != 1 && s.ndim != 2) || s.size[s.ndim - 1] != self->config.in)) {
        ag_error_raise(AG_HERE, AG_ERROR_SHAPE, "nn_cell_forward: %s needs (batch,%lld) or (%lld), got %s",
                       nn_module_text(&self->base, text, sizeof(text)), (long long)self->config.in,
                       (long long)self->config.in, ag_shape_format(s, shape, sizeof(shape)));
    }
    return ag_error_code() == AG_OK;
}

/* One step from *state, which becomes the state after it. */
static ag_tensor cell_step(struct nn_cell *self, ag_tensor x, nn_rnn_state *state)
{
    char text[NN_TEXT];
    if (!input_fits(self, x)) {
        return AG_NIL;
    }
    nn_rnn_kind kind = kind_of(&self->base);
    if (kind != NN_LSTM && !ag_is_none(state->c)) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "nn_cell_forward: %s has no state c",
                       nn_module_text(&self->base, text, sizeof(text)));
        return AG_NIL;
    }
    bool alone = ag_ndim(x) == 1;
    ag_recurrent_weights w = {self->weight_ih, self->weight_hh, self->bias_ih, self->bias_hh};
    ag_recurrent_config config = ag_recurrent_defaults();
    config.relu = self->config.relu;
    nn_rnn_state before = {batched(state->h, alone), batched(state->c, alone)};
    ag_tensor c, h = nn_rnn_apply(kind, batched(x, alone), before, w, config, &c);
    state->h = alone ? ag_squeeze(h, 0) : h;
    state->c = alone && kind == NN_LSTM ? ag_squeeze(c, 0) : c;
    return state->h;
}

static ag_tensor cell_forward(nn_module *m, ag_tensor x)
{
    nn_rnn_state zeros = {AG_NONE, AG_NONE};
    return cell_step((struct nn_cell *)m, x, &zeros);
}

ag_tensor nn_cell_forward_at(ag_place where, nn_module *m, ag_tensor x, nn_rnn_state *state)
{
    nn_call call;
    if (m != NULL && m->type != NULL && !nn_is_nil(m) && m->type->forward != cell_forward) {
        nn_call_wrong_type(where, "nn_cell_forward", "an RNNCell, LSTMCell or GRUCell", m);
        return AG_NIL;
    }
    if (state == NULL) {
        ag_error_raise(where, AG_ERROR_VALUE, "nn_cell_forward: the state is NULL; {0} starts from zeros");
        return AG_NIL;
    }
    if (!nn_call_begin(&call, where, "nn_cell_forward", m)) {
        return AG_NIL;
    }
    ag_tensor h = cell_step((struct nn_cell *)m, x, state);
    nn_call_end(&call, 1 + !ag_is_none(state->c), (ag_tensor[]){h, state->c});
    return h;
}

/* ---- states that are kept ----------------------------------------------------------------------------------------------- */

void nn_rnn_state_keep_at(ag_place where, nn_rnn_state *kept, nn_rnn_state s)
{
    ag_keep_at(where, &kept->h, s.h);
    if (ag_is_none(s.c)) {
        ag_drop(&kept->c);
    } else {
        ag_keep_at(where, &kept->c, s.c);
    }
}

void nn_rnn_state_drop(nn_rnn_state *kept)
{
    ag_drop(&kept->h);
    ag_drop(&kept->c);
}

/* The batch is the last dimension but one: (layers directions,batch,hidden), or a cell's (batch,hidden). */
static void state_select(ag_place where, ag_tensor *kept, ag_tensor from)
{
    if (!ag_is_none(*kept)) {
        ag_frame frame = ag_frame_begin();
        ag_keep_at(where, kept, ag_index_select_at(where, *kept, -2, from));
        ag_frame_end_n(frame, 0, NULL);
    }
}

void nn_rnn_state_select_at(ag_place where, nn_rnn_state *kept, ag_tensor from)
{
    state_select(where, &kept->h, from);
    state_select(where, &kept->c, from);
}

/* ---- construction ------------------------------------------------------------------------------------------------------ */

#define CELL_TYPE(label)                                                                                                \
    {                                                                                                                   \
        .size = sizeof(nn_module_type), .name = label, .instance_size = sizeof(struct nn_cell), .visit = cell_visit,    \
        .forward = cell_forward, .describe = cell_describe,                                                             \
    }
static const nn_module_type rnn_cell_type = CELL_TYPE("RNNCell");
static const nn_module_type lstm_cell_type = CELL_TYPE("LSTMCell");
static const nn_module_type gru_cell_type = CELL_TYPE("GRUCell");

static nn_module *cell_new(const char *function, const nn_module_type *type, nn_rnn_config config)
{
    if (!nn_rnn_config_good(function, &config)) {
        return nn_module_nil(type);
    }
    if (config.layers != 1 || config.bidirectional || config.batch_first || config.dropout > 0) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE,
                       "%s: a cell is one step of one layer: layers, bidirectional, batch_first and dropout are not for it",
                       function);
        return nn_module_nil(type);
    }
    nn_module *m = nn_module_new(type);
    ((struct nn_cell *)m)->config = config;
    return m;
}

nn_module *nn_rnn_cell_with(nn_rnn_config config)
{
    return cell_new("nn_rnn_cell_with", &rnn_cell_type, config);
}

nn_module *nn_rnn_cell(int64_t in, int64_t hidden)
{
    return cell_new("nn_rnn_cell", &rnn_cell_type, nn_rnn_defaults(in, hidden));
}

nn_module *nn_lstm_cell_with(nn_rnn_config config)
{
    return cell_new("nn_lstm_cell_with", &lstm_cell_type, config);
}

nn_module *nn_lstm_cell(int64_t in, int64_t hidden)
{
    return cell_new("nn_lstm_cell", &lstm_cell_type, nn_rnn_defaults(in, hidden));
}

nn_module *nn_gru_cell_with(nn_rnn_config config)
{
    return cell_new("nn_gru_cell_with", &gru_cell_type, config);
}

nn_module *nn_gru_cell(int64_t in, int64_t hidden)
{
    return cell_new("nn_gru_cell", &gru_cell_type, nn_rnn_defaults(in, hidden));
}
