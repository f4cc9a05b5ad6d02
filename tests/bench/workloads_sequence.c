/* The language models: 65 characters, next-character loss over all positions. */
#include <stdio.h>

#include "workloads.h"

#define VOCABULARY 65
#define EMBEDDING 64
#define HEADS 4
#define MOST_LAYERS 64
#define MOST_STEPS 1024

static void open_language_model(struct run *r, nn_module *net, bool weight_decay)
{
    int64_t batch = r->size.batch, steps = r->size.steps;
    keep_network(r, 0, net, 1e-3, 0.9, weight_decay);
    for (int i = 0; i < BATCHES; i++) {
        ag_tensor x = r->labels(r, AG_SHAPE(batch, steps), VOCABULARY);
        keep_batch(r, i, x, r->labels(r, AG_SHAPE(batch * steps), VOCABULARY));
    }
}

/* The modules' forward gives scores (batch steps, VOCABULARY). */
static ag_tensor characters_loss(struct run *r, ag_tensor x, ag_tensor y)
{
    return ag_cross_entropy(nn_forward(r->net[0], x), y);
}

/* ---- char_lstm: embedding 65x64, LSTM 64->128 over 64 steps, linear 128-65; lstm_cell: a cell call a step ------------ */

struct recurrent {
    nn_module base;
    nn_module *emb, *lstm, *out;
    int64_t hidden;
};

static void recurrent_visit(nn_module *m, nn_visitor *v);

static ag_tensor layer_forward(nn_module *m, ag_tensor x)
{
    struct recurrent *self = (struct recurrent *)m;
    ag_tensor h = nn_forward(self->lstm, nn_forward(self->emb, x));
    return ag_reshape(nn_forward(self->out, h), AG_SHAPE(-1, VOCABULARY));
}

static ag_tensor cell_forward(nn_module *m, ag_tensor x)
{
    struct recurrent *self = (struct recurrent *)m;
    int64_t batch = ag_size(x, 0), steps = ag_size(x, 1);
    ag_tensor e = nn_forward(self->emb, x), zeros = ag_zeros(AG_SHAPE(batch, self->hidden), AG_FLOAT32), h[MOST_STEPS];
    nn_rnn_state s = { zeros, zeros };
    for (int64_t t = 0; t < steps; t++) {
        h[t] = nn_cell_forward(self->lstm, ag_select(e, 1, t), &s);
    }
    return ag_reshape(nn_forward(self->out, ag_stack((int)steps, h, 1)), AG_SHAPE(-1, VOCABULARY));
}

static const nn_module_type layer_type = { .size = sizeof(nn_module_type),
                                           .name = "CharLSTM",
                                           .instance_size = sizeof(struct recurrent),
                                           .visit = recurrent_visit,
                                           .forward = layer_forward };
static const nn_module_type cell_type = { .size = sizeof(nn_module_type),
                                          .name = "CharLSTMCell",
                                          .instance_size = sizeof(struct recurrent),
                                          .visit = recurrent_visit,
                                          .forward = cell_forward };

static void recurrent_visit(nn_module *m, nn_visitor *v)
{
    struct recurrent *self = (struct recurrent *)m;
    nn_visit_child(v, "emb", &self->emb);
    nn_visit_child(v, m->type == &cell_type ? "cell" : "lstm", &self->lstm);
    nn_visit_child(v, "out", &self->out);
}

static void open_recurrent(struct run *r, const nn_module_type *type)
{
    struct recurrent *net = (struct recurrent *)nn_module_new(type);
    nn_rnn_config c = nn_rnn_defaults(EMBEDDING, r->size.width);
    c.batch_first = type == &layer_type;
    net->hidden = r->size.width;
    net->emb = nn_embedding(VOCABULARY, EMBEDDING);
    net->lstm = type == &cell_type ? nn_lstm_cell_with(c) : nn_lstm_with(c);
    net->out = nn_linear(r->size.width, VOCABULARY);
    open_language_model(r, &net->base, false);
}

static void char_lstm(struct run *r)
{
    open_recurrent(r, &layer_type);
}

static void lstm_cell(struct run *r)
{
    open_recurrent(r, &cell_type);
}

/* ---- gpt_small: pre-norm decoder, width 128, 4 heads, 4 layers, feed-forward 512 GELU, learned positions, causal ----- */

struct gpt {
    nn_module base;
    nn_module *tok, *pos, *norm, *out, *block[MOST_LAYERS];
    int64_t layers;
    bool checkpoint; /* blocks keep only what goes in */
};

static void gpt_visit(nn_module *m, nn_visitor *v)
{
    struct gpt *self = (struct gpt *)m;
    nn_visit_child(v, "tok", &self->tok);
    nn_visit_child(v, "pos", &self->pos);
    for (int64_t i = 0; i < self->layers; i++) {
        char name[32];
        snprintf(name, sizeof(name), "blocks.%d", (int)i);
        nn_visit_child(v, name, &self->block[i]);
    }
    nn_visit_child(v, "norm", &self->norm);
    nn_visit_child(v, "out", &self->out);
}

static ag_tensor block_forward(const ag_tensor *x, int n, void *block)
{
    const nn_attention_options causal = { .causal = true };
    (void)n;
    return nn_encoder_forward(block, x[0], &causal);
}

static ag_tensor gpt_forward(nn_module *m, ag_tensor x)
{
    struct gpt *self = (struct gpt *)m;
    ag_tensor h = nn_forward(self->pos, nn_forward(self->tok, x));
    for (int64_t i = 0; i < self->layers; i++) {
        h = self->checkpoint ? ag_checkpoint(block_forward, self->block[i], 1, &h) : block_forward(&h, 1, self->block[i]);
    }
    return ag_reshape(nn_forward(self->out, nn_forward(self->norm, h)), AG_SHAPE(-1, VOCABULARY));
}

static const nn_module_type gpt_type = {
    .size = sizeof(nn_module_type), .name = "GPT", .instance_size = sizeof(struct gpt), .visit = gpt_visit, .forward = gpt_forward
};

static void gpt_small(struct run *r)
{
    struct gpt *net = (struct gpt *)nn_module_new(&gpt_type);
    nn_transformer_config c = nn_transformer_defaults(r->size.width, HEADS);
    c.feedforward = 4 * r->size.width;
    c.dropout = 0;
    c.gelu = c.batch_first = c.norm_first = true;
    net->layers = r->size.depth;
    net->checkpoint = r->checkpoint;
    net->tok = nn_embedding(VOCABULARY, r->size.width);
    net->pos = nn_position_learned(r->size.steps, r->size.width);
    for (int64_t i = 0; i < net->layers; i++) {
        net->block[i] = nn_transformer_encoder_layer(c);
    }
    net->norm = nn_layer_norm(r->size.width);
    net->out = nn_linear(r->size.width, VOCABULARY);
    open_language_model(r, &net->base, true);
}

const struct workload sequence_workloads[] = {
    /* name, items of an example, parameters, FLOP and bytes of a step, functions, { batch, width, steps, depth } */
    { "char_lstm", 64, 111873, 1310e6, 3.132e6, char_lstm, train_step, characters_loss, { 32, 128, 64, 0 }, false },
    { "lstm_cell", 64, 111873, 1310e6, 3.132e6, lstm_cell, train_step, characters_loss, { 32, 128, 64, 0 }, false },
    { "gpt_small", 64, 818241, 10174e6, 22.91e6, gpt_small, train_step, characters_loss, { 32, 128, 64, 4 }, true },
    { 0 },
};
