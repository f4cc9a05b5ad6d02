/*
 * RNN, LSTM and GRU over whole sequences: layers on top of one another, in one or both directions. The steps are one operation
 * for each layer and direction.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "init.h"
#include "recurrent_parts.h"

/* Slots in PyTorch's order: of each layer, of each direction, w_ih, w_hh, b_ih, b_hh. */
enum { W_IH, W_HH, B_IH, B_HH, SLOTS };

struct nn_rnn {
    nn_module base;
    nn_rnn_config config;
    ag_tensor *slot;
    ag_rng rng; /* of dropout */
};

static const nn_module_type rnn_type, lstm_type, gru_type;

static bool is_recurrent(const nn_module *m)
{
    return m->type == &rnn_type || m->type == &lstm_type || m->type == &gru_type;
}

static nn_rnn_kind kind_of(const nn_module *m)
{
    return m->type == &lstm_type ? NN_LSTM : m->type == &gru_type ? NN_GRU : NN_RNN;
}

bool nn_rnn_steps_first(const nn_module *m)
{
    return is_recurrent(m) && !((const struct nn_rnn *)m)->config.batch_first;
}

static int64_t directions(const struct nn_rnn *self)
{
    return self->config.bidirectional ? 2 : 1;
}

/* ---- what it owns --------------------------------------------------------------------------------------------------- */

void nn_rnn_fill(ag_tensor w, ag_rng *rng, int64_t hidden)
{
    double bound = 1 / sqrt((double)hidden);
    nn_init_uniform(w, -bound, bound, rng);
}

static void fill(ag_tensor w, ag_rng *rng, const nn_module *owner)
{
    nn_rnn_fill(w, rng, ((const struct nn_rnn *)owner)->config.hidden);
}

static void rnn_visit(nn_module *m, nn_visitor *v)
{
    struct nn_rnn *self = (struct nn_rnn *)m;
    static const char *const names[] = {"weight_ih", "weight_hh", "bias_ih", "bias_hh"};
    const nn_rnn_config *c = &self->config;
    int64_t rows = nn_rnn_gates(kind_of(m)) * c->hidden, d = directions(self);
    for (int64_t i = 0; self->slot != NULL && i < c->layers * d; i++) {
        for (int k = 0; k < (c->bias ? SLOTS : B_IH); k++) {
            char name[64];
            snprintf(name, sizeof(name), "%s_l%lld%s", names[k], (long long)(i / d), i % d == 1 ? "_reverse" : "");
            ag_shape shape = k == W_IH   ? AG_SHAPE(rows, i < d ? c->in : d * c->hidden)
                             : k == W_HH ? AG_SHAPE(rows, c->hidden)
                                         : AG_SHAPE(rows);
            nn_visit_parameter(v, name, &self->slot[i * SLOTS + k], shape, fill);
        }
    }
    nn_visit_rng(v, "rng", &self->rng);
}

static void rnn_release(nn_module *m)
{
    free(((struct nn_rnn *)m)->slot);
}

static size_t slot_bytes(const nn_rnn_config *c)
{
    return (size_t)(c->layers * (c->bidirectional ? 2 : 1) * SLOTS) * sizeof(ag_tensor);
}

static bool rnn_copy(nn_module *to, const nn_module *from)
{
    struct nn_rnn *self = (struct nn_rnn *)to;
    const struct nn_rnn *original = (const struct nn_rnn *)from;
    size_t bytes = slot_bytes(&original->config);
    self->slot = malloc(bytes);
    if (self->slot != NULL) {
        memcpy(self->slot, original->slot, bytes);
    }
    return self->slot != NULL;
}

static void rnn_describe(const nn_module *m, char *text, size_t bytes)
{
    const nn_rnn_config *c = &((const struct nn_rnn *)m)->config;
    char layers[32] = "", dropout[32] = "";
    if (c->layers != 1) {
        snprintf(layers, sizeof(layers), ", num_layers=%lld", (long long)c->layers);
    }
    if (c->dropout > 0) {
        snprintf(dropout, sizeof(dropout), ", dropout=%g", c->dropout);
    }
    snprintf(text, bytes, "%lld, %lld%s%s%s%s%s", (long long)c->in, (long long)c->hidden, layers,
             c->bias ? "" : ", bias=False", c->batch_first ? ", batch_first=True" : "", dropout,
             c->bidirectional ? ", bidirectional=True" : "");
}

/* ---- forward --------------------------------------------------------------------------------------------------------- */

ag_tensor nn_rnn_apply(nn_rnn_kind kind, ag_tensor x, nn_rnn_state before, ag_recurrent_weights w, ag_recurrent_config config,
                       ag_tensor *cells)
{
    *cells = AG_NONE;
    switch (kind) {
    case NN_LSTM:
        return ag_lstm(x, before.h, before.c, w, config, cells);
    case NN_GRU:
        return ag_gru(x, before.h, w, config);
    case NN_RNN:
        return ag_rnn(x, before.h, w, config);
    }
    return AG_NIL;
}

/* Of one sequence, or a packed batch of them: what one run through the layers is given. */
struct run {
    ag_tensor batch_sizes, last; /* last: the rows where sequences end; AG_NONE: not packed */
    int64_t batch;
    nn_rnn_state before; /* AG_NONE, or all layers' */
    bool wants_state;
};

/* The state after the last step, from those of all steps. */
static ag_tensor state_after(const struct run *r, ag_tensor states, bool reverse)
{
    if (ag_is_none(r->last)) {
        return ag_select(states, 0, reverse ? 0 : -1);
    }
    return reverse ? ag_narrow(states, 0, 0, r->batch) : ag_index_select(states, 0, r->last);
}

static ag_tensor part_of_state(ag_tensor all, int64_t i)
{
    return ag_is_none(all) ? AG_NONE : ag_select(all, 0, i);
}

/* One direction of one layer, number i of all; its last states into after[i]. */
static ag_tensor one_direction(struct nn_rnn *self, const struct run *r, int64_t i, ag_tensor x, nn_rnn_state *after)
{
    const ag_tensor *slot = &self->slot[i * SLOTS];
    ag_recurrent_weights w = {slot[W_IH], slot[W_HH], slot[B_IH], slot[B_HH]};
    ag_recurrent_config config = ag_recurrent_defaults();
    config.batch_sizes = r->batch_sizes;
    config.relu = self->config.relu;
    config.reverse = i % directions(self) == 1;
    nn_rnn_state before = {part_of_state(r->before.h, i), part_of_state(r->before.c, i)};
    ag_tensor cells, y = nn_rnn_apply(kind_of(&self->base), x, before, w, config, &cells);
    if (r->wants_state) {
        after->h = state_after(r, y, config.reverse);
        after->c = ag_is_none(cells) ? AG_NONE : state_after(r, cells, config.reverse);
    }
    return y;
}

enum { MOST = 512 }; /* layers times directions */

static ag_tensor all_layers(struct nn_rnn *self, const struct run *r, ag_tensor x, nn_rnn_state *after)
{
    int64_t d = directions(self), count = self->config.layers * d;
    ag_tensor h[MOST], c[MOST];
    for (int64_t i = 0; i < count; i += d) {
        nn_rnn_state last[2];
        ag_tensor y[2];
        for (int64_t k = 0; k < d; k++) {
            y[k] = one_direction(self, r, i + k, x, &last[k]);
            h[i + k] = r->wants_state ? last[k].h : AG_NONE;
            c[i + k] = r->wants_state ? last[k].c : AG_NONE;
        }
        x = d == 2 ? ag_cat(2, y, -1) : y[0];
        if (i + d < count && self->base.training && self->config.dropout > 0) {
            x = ag_dropout(x, self->config.dropout, &self->rng);
        }
    }
    if (r->wants_state) {
        after->h = ag_stack((int)count, h, 0);
        after->c = kind_of(&self->base) == NN_LSTM ? ag_stack((int)count, c, 0) : AG_NONE;
    }
    return x;
}

static bool state_fits(const char *function, const nn_module *m, const char *name, ag_tensor s, ag_shape wanted)
{
    char text[NN_TEXT], given[AG_SHAPE_TEXT], needed[AG_SHAPE_TEXT];
    if (ag_is_none(s) || ag_error_code() != AG_OK || ag_shape_equal(ag_shape_of(s), wanted)) {
        return ag_error_code() == AG_OK;
    }
    ag_shape_format(ag_shape_of(s), given, sizeof(given));
    ag_shape_format(wanted, needed, sizeof(needed));
    if (ag_error_code() == AG_OK) {
        ag_error_raise(AG_HERE, AG_ERROR_SHAPE, "%s: %s: the state %s is %s and must be %s: %shidden size", function,
                       nn_module_text(m, text, sizeof(text)), name, given, needed,
                       wanted.ndim == 3 ? "layers times directions, batch, " : "layers times directions, ");
    }
    return false;
}

static bool states_fit(const char *function, const struct nn_rnn *self, const nn_rnn_state *s, ag_shape wanted)
{
    char text[NN_TEXT];
    if (s == NULL) {
        return true;
    }
    if (kind_of(&self->base) != NN_LSTM && !ag_is_none(s->c)) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "%s: %s has no state c", function,
                       nn_module_text(&self->base, text, sizeof(text)));
        return false;
    }
    return state_fits(function, &self->base, "h", s->h, wanted) && state_fits(function, &self->base, "c", s->c, wanted);
}

static bool input_fits(const struct nn_rnn *self, ag_tensor x)
{
    char text[NN_TEXT], shape[AG_SHAPE_TEXT];
    if (ag_is_nil(x) || ag_error_code() != AG_OK) {
        return false;
    }
    ag_shape s = ag_shape_of(x);
    if (ag_error_code() != AG_OK) {
        return false;
    }
    bool fits = (s.ndim == 3 || s.ndim == 2) && s.size[s.ndim - 1] == self->config.in;
    int64_t steps = s.ndim == 3 ? s.size[self->config.batch_first] : s.size[0];
    if (!fits || steps == 0) {
        ag_error_raise(AG_HERE, AG_ERROR_SHAPE, "nn_rnn_forward: %s needs %s, or (steps,%lld) without a batch, got %s%s",
                       nn_module_text(&self->base, text, sizeof(text)),
                       self->config.batch_first ? "(batch,steps,in)" : "(steps,batch,in)", (long long)self->config.in,
                       ag_shape_format(s, shape, sizeof(shape)), fits ? ": there are no steps" : "");
        return false;
    }
    return true;
}

static ag_tensor rnn_run(struct nn_rnn *self, ag_tensor x, nn_rnn_state *state)
{
    if (!input_fits(self, x)) {
        return AG_NIL;
    }
    bool batched = ag_ndim(x) == 3, swapped = batched && self->config.batch_first;
    int64_t count = self->config.layers * directions(self), hidden = self->config.hidden;
    x = !batched ? ag_unsqueeze(x, 1) : swapped ? ag_transpose(x, 0, 1) : x;
    int64_t batch = ag_size(x, 1);
    if (!states_fit("nn_rnn_forward", self, state, batched ? AG_SHAPE(count, batch, hidden) : AG_SHAPE(count, hidden))) {
        return AG_NIL;
    }
    struct run r = {.batch = batch, .wants_state = state != NULL};
    nn_rnn_state after = {AG_NONE, AG_NONE};
    if (state != NULL) {
        r.before = *state;
        if (!batched) {
            r.before.h = ag_is_none(state->h) ? AG_NONE : ag_unsqueeze(state->h, 1);
            r.before.c = ag_is_none(state->c) ? AG_NONE : ag_unsqueeze(state->c, 1);
        }
    }
    ag_tensor y = all_layers(self, &r, x, &after);
    if (!batched && state != NULL) {
        after.h = ag_squeeze(after.h, 1);
        after.c = ag_is_none(after.c) ? AG_NONE : ag_squeeze(after.c, 1);
    }
    if (state != NULL) {
        *state = after;
    }
    return !batched ? ag_squeeze(y, 1) : swapped ? ag_transpose(y, 0, 1) : y;
}

static ag_tensor rnn_forward(nn_module *m, ag_tensor x)
{
    return rnn_run((struct nn_rnn *)m, x, NULL);
}

/* A forward that failed leaves no state. */
static void finish(nn_call *call, ag_tensor y, nn_rnn_state *state)
{
    ag_tensor results[3] = {y, AG_NONE, AG_NONE};
    int n = 1;
    if (state != NULL && ag_is_nil(y)) {
        state->h = state->c = AG_NIL;
    } else if (state != NULL) {
        results[n++] = state->h;
        n += !ag_is_none(state->c);
        results[2] = state->c;
    }
    nn_call_end(call, n, results);
}

static bool begin(nn_call *call, ag_place where, const char *function, nn_module *m)
{
    if (m != NULL && m->type != NULL && !nn_is_nil(m) && !is_recurrent(m)) {
        nn_call_wrong_type(where, function, "an RNN, LSTM or GRU", m);
        return false;
    }
    return nn_call_begin(call, where, function, m);
}

ag_tensor nn_rnn_forward_at(ag_place where, nn_module *m, ag_tensor x, nn_rnn_state *state)
{
    nn_call call;
    if (!begin(&call, where, "nn_rnn_forward", m)) {
        return AG_NIL;
    }
    ag_tensor y = rnn_run((struct nn_rnn *)m, x, state);
    finish(&call, y, state);
    return y;
}

/* ---- packed sequences -------------------------------------------------------------------------------------------------- */

/* The row of each sequence's last step, by place. */
static ag_tensor last_rows(ag_tensor batch_sizes)
{
    int64_t steps = ag_numel(batch_sizes);
    const int64_t *rows = ag_data(batch_sizes);
    if (rows == NULL || steps == 0) {
        return AG_NIL;
    }
    ag_tensor last = ag_zeros(AG_SHAPE(rows[0]), AG_INT64);
    int64_t *out = ag_data_mut(last), at = 0;
    for (int64_t t = 0; out != NULL && t < steps; t++) {
        for (int64_t n = t + 1 < steps ? rows[t + 1] : 0; n < rows[t] && n >= 0 && rows[t] <= rows[0]; n++) {
            out[n] = at + n;
        }
        at += rows[t];
    }
    return last;
}

static ag_tensor reordered(ag_tensor state, ag_tensor order)
{
    return ag_is_none(state) ? state : ag_index_select(state, 1, order);
}

static nn_packed packed_run(const char *function, struct nn_rnn *self, nn_packed x, nn_rnn_state *state)
{
    nn_packed y = {AG_NIL, x.batch_sizes, x.sorted, x.unsorted};
    if (!nn_packed_good(AG_HERE, function, x)) {
        return y;
    }
    ag_tensor sizes = ag_contiguous(x.batch_sizes);
    struct run r = {.batch_sizes = sizes, .wants_state = state != NULL, .last = last_rows(sizes)};
    if (ag_error_code() != AG_OK) {
        return y;
    }
    r.batch = ag_numel(r.last);
    if (!states_fit(function, self, state, AG_SHAPE(self->config.layers * directions(self), r.batch, self->config.hidden))) {
        return y;
    }
    if (state != NULL) {
        r.before = (nn_rnn_state){reordered(state->h, x.sorted), reordered(state->c, x.sorted)};
    }
    nn_rnn_state after = {AG_NONE, AG_NONE};
    y.data = all_layers(self, &r, x.data, &after);
    if (state != NULL) {
        *state = (nn_rnn_state){reordered(after.h, x.unsorted), reordered(after.c, x.unsorted)};
    }
    return y;
}

nn_packed nn_rnn_forward_packed_at(ag_place where, nn_module *m, nn_packed x, nn_rnn_state *state)
{
    nn_call call;
    nn_packed y = {AG_NIL, AG_NIL, AG_NIL, AG_NIL};
    if (begin(&call, where, "nn_rnn_forward_packed", m)) {
        y = packed_run("nn_rnn_forward_packed", (struct nn_rnn *)m, x, state);
        finish(&call, y.data, state);
    }
    return y;
}

ag_tensor nn_rnn_forward_lengths_at(ag_place where, nn_module *m, ag_tensor x, ag_tensor lengths, nn_rnn_state *state)
{
    nn_call call;
    if (!begin(&call, where, "nn_rnn_forward_lengths", m)) {
        return AG_NIL;
    }
    struct nn_rnn *self = (struct nn_rnn *)m;
    nn_packed y = packed_run("nn_rnn_forward_lengths", self, nn_pack_padded(x, lengths, self->config.batch_first), state);
    ag_tensor padded = nn_pad_packed(y, self->config.batch_first, 0, NULL);
    finish(&call, padded, state);
    return padded;
}

/* ---- construction ---------------------------------------------------------------------------------------------------- */

nn_rnn_config nn_rnn_defaults(int64_t in, int64_t hidden)
{
    return (nn_rnn_config){
        .made_by_defaults = NN_MADE_BY_DEFAULTS, .in = in, .hidden = hidden, .layers = 1, .bias = true};
}

bool nn_rnn_config_good(const char *function, const nn_rnn_config *c)
{
    if (c->made_by_defaults != NN_MADE_BY_DEFAULTS) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "%s: the config did not come from nn_rnn_defaults()", function);
        return false;
    }
    if (c->in < 1 || c->hidden < 1 || c->layers < 1 || c->layers * (c->bidirectional ? 2 : 1) > MOST) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE,
                       "%s: needs at least 1 input, 1 hidden and 1 to %d layers, got in=%lld, hidden=%lld, layers=%lld", function,
                       MOST / (c->bidirectional ? 2 : 1), (long long)c->in, (long long)c->hidden, (long long)c->layers);
        return false;
    }
    if (!(c->dropout >= 0 && c->dropout <= 1)) {
        ag_error_raise(AG_HERE, AG_ERROR_VALUE, "%s: the probability must be between 0 and 1, got %g", function, c->dropout);
        return false;
    }
    return true;
}

#define RECURRENT_TYPE(label)                                                                                           \
    {                                                                                                                   \
        .size = sizeof(nn_module_type), .name = label, .instance_size = sizeof(struct nn_rnn), .visit = rnn_visit,      \
        .forward = rnn_forward, .describe = rnn_describe, .release = rnn_release, .copy = rnn_copy,                     \
    }
static const nn_module_type rnn_type = RECURRENT_TYPE("RNN");
static const nn_module_type lstm_type = RECURRENT_TYPE("LSTM");
static const nn_module_type gru_type = RECURRENT_TYPE("GRU");

static nn_module *recurrent_new(const char *function, const nn_module_type *type, nn_rnn_config config)
{
    if (!nn_rnn_config_good(function, &config)) {
        return nn_module_nil(type);
    }
    ag_tensor *slot = calloc(1, slot_bytes(&config));
    if (slot == NULL) {
        ag_error_raise(AG_HERE, AG_ERROR_MEMORY, "%s: no memory for %lld layers", function, (long long)config.layers);
        return nn_module_nil(type);
    }
    nn_module *m = nn_module_new(type);
    if (nn_is_nil(m)) {
        free(slot);
        return m;
    }
    struct nn_rnn *self = (struct nn_rnn *)m;
    self->config = config;
    self->slot = slot;
    return m;
}

nn_module *nn_rnn_with(nn_rnn_config config)
{
    return recurrent_new("nn_rnn_with", &rnn_type, config);
}

nn_module *nn_rnn(int64_t in, int64_t hidden)
{
    return recurrent_new("nn_rnn", &rnn_type, nn_rnn_defaults(in, hidden));
}

nn_module *nn_lstm_with(nn_rnn_config config)
{
    return recurrent_new("nn_lstm_with", &lstm_type, config);
}

nn_module *nn_lstm(int64_t in, int64_t hidden)
{
    return recurrent_new("nn_lstm", &lstm_type, nn_rnn_defaults(in, hidden));
}

nn_module *nn_gru_with(nn_rnn_config config)
{
    return recurrent_new("nn_gru_with", &gru_type, config);
}

nn_module *nn_gru(int64_t in, int64_t hidden)
{
    return recurrent_new("nn_gru", &gru_type, nn_rnn_defaults(in, hidden));
}
