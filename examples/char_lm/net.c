/*
 * The networks. The LSTM has read everything before, and remembers what fits into 2 x 128 numbers. The GPT looks back at the last
 * 64 characters, at each of them as closely as it likes.
 */
#include "net.h"

#include <stdlib.h>
#include <string.h>

enum { EMBEDDING = 64, HIDDEN = 128, WIDTH = 128, HEADS = 4, FEEDFORWARD = 512 };

static void net_visit(nn_module *m, nn_visitor *v)
{
    struct net *self = (struct net *)m;
    nn_visit_child(v, "tok", &self->tok);
    if (self->kind == NET_LSTM) {
        nn_visit_child(v, "lstm", &self->lstm);
    } else {
        nn_visit_child(v, "pos", &self->pos);
        nn_visit_child(v, "blocks", &self->blocks);
    }
    nn_visit_child(v, "out", &self->out);
}

static const nn_module_type net_type = {
    .size = sizeof(nn_module_type),
    .name = "CharLM",
    .instance_size = sizeof(struct net),
    .visit = net_visit,
};

struct net *net_new(int kind, int64_t vocabulary)
{
    struct net *net = (struct net *)nn_module_new(&net_type);
    net->kind = kind;
    net->vocabulary = vocabulary;
    if (kind == NET_LSTM) {
        nn_rnn_config lstm = nn_rnn_defaults(EMBEDDING, HIDDEN);
        lstm.batch_first = true;
        net->tok = nn_embedding(vocabulary, EMBEDDING);
        net->lstm = nn_lstm_with(lstm);
        net->out = nn_linear(HIDDEN, vocabulary);
    } else {
        nn_transformer_config block = nn_transformer_defaults(WIDTH, HEADS);
        block.feedforward = FEEDFORWARD;
        block.dropout = 0;
        block.gelu = block.batch_first = block.norm_first = block.final_norm = true;
        block.layers = NET_LAYERS;
        net->tok = nn_embedding(vocabulary, WIDTH);
        net->pos = nn_position_learned(NET_WINDOW, WIDTH);
        net->blocks = nn_transformer_encoder(block);
        net->out = nn_linear(WIDTH, vocabulary);
    }
    return net;
}

ag_tensor net_scores(struct net *net, ag_tensor x)
{
    ag_tensor h = nn_forward(net->tok, x);
    if (net->kind == NET_LSTM) {
        h = nn_forward(net->lstm, h);
    } else {
        const nn_attention_options back = { .causal = true };
        h = nn_encoder_forward(net->blocks, nn_forward(net->pos, h), &back);
    }
    return ag_reshape(nn_forward(net->out, h), AG_SHAPE(-1, net->vocabulary));
}

optim *net_optimizer(struct net *net, double lr)
{
    if (net->kind == NET_LSTM) {
        optim_adam_config adam = optim_adam_defaults();
        adam.lr = lr;
        return optim_adam(nn_parameters(&net->base), adam);
    }
    optim_adam_config adamw = optim_adamw_defaults();
    adamw.lr = lr;
    return optim_adamw(nn_parameters(&net->base), adamw);
}

/* ---- going on ------------------------------------------------------------------------------------------------------------ */

static void forget(struct memory *m)
{
    nn_rnn_state_drop(&m->state);
    for (int i = 0; i < NET_LAYERS; i++) {
        nn_kv_cache_drop(&m->cache[i]);
    }
}

static ag_tensor lstm_next(void *object, ag_tensor tokens)
{
    struct memory *m = object;
    nn_rnn_state s = m->state;
    ag_tensor h = nn_rnn_forward(m->net->lstm, nn_forward(m->net->tok, tokens), &s); /* (n,t,hidden) */
    nn_rnn_state_keep(&m->state, s);
    return nn_forward(m->net->out, ag_select(h, 1, -1));
}

static void lstm_select(void *object, ag_tensor from)
{
    struct memory *m = object;
    nn_rnn_state_select(&m->state, from);
}

/* The last tokens of each row, behind those that are held. When the window is full only its younger half stays, and is read
 * anew: tokens stand in other places then, so that nothing that was computed of them holds. Returns how many are to be read. */
static int64_t append(struct memory *m, ag_tensor tokens)
{
    int64_t rows = ag_size(tokens, 0), fresh = ag_size(tokens, 1), all = m->held + fresh, read = fresh;
    int64_t *added = malloc((size_t)(rows * fresh) * sizeof *added), *line = malloc((size_t)all * sizeof *line);
    int64_t *grown = realloc(m->token, (size_t)(rows * NET_WINDOW) * sizeof *grown);
    m->token = grown != NULL ? grown : m->token;
    if (added == NULL || line == NULL || grown == NULL || ag_read(tokens, added, rows * fresh) != AG_OK) {
        ag_error_raise(AG_HERE, AG_ERROR_MEMORY, "out of memory for %lld tokens", (long long)(rows * all));
        read = 0;
    }
    int64_t kept = all;
    if (all > NET_WINDOW) {
        forget(m);
        kept = read = NET_WINDOW / 2;
    }
    for (int64_t i = 0; read > 0 && i < rows; i++) {
        int64_t *row = m->token + i * NET_WINDOW;
        memcpy(line, row, (size_t)m->held * sizeof *line);
        memcpy(line + m->held, added + i * fresh, (size_t)fresh * sizeof *line);
        memcpy(row, line + (all - kept), (size_t)kept * sizeof *line);
    }
    free(added);
    free(line);
    m->rows = rows;
    m->held = kept;
    return read;
}

static ag_tensor gpt_next(void *object, ag_tensor tokens)
{
    struct memory *m = object;
    int64_t read = append(m, tokens);
    if (read == 0) {
        return AG_NIL;
    }
    ag_tensor window = ag_from(AG_SHAPE(m->rows, NET_WINDOW), AG_INT64, m->token);
    ag_tensor x = ag_narrow(window, 1, m->held - read, read);
    const nn_attention_options back = { .causal = true, .cache = m->cache };
    ag_tensor h = nn_position_forward(m->net->pos, nn_forward(m->net->tok, x), m->cache[0].length);
    h = nn_encoder_forward(m->net->blocks, h, &back);
    return nn_forward(m->net->out, ag_select(h, 1, -1));
}

static void gpt_select(void *object, ag_tensor from)
{
    struct memory *m = object;
    int64_t rows = ag_numel(from);
    int64_t *index = malloc((size_t)rows * sizeof *index), *token = malloc((size_t)(rows * NET_WINDOW) * sizeof *token);
    if (index == NULL || token == NULL) {
        ag_error_raise(AG_HERE, AG_ERROR_MEMORY, "out of memory for %lld sequences", (long long)rows);
    } else if (ag_read(from, index, rows) == AG_OK) {
        for (int64_t i = 0; i < rows; i++) {
            memcpy(token + i * NET_WINDOW, m->token + index[i] * NET_WINDOW, NET_WINDOW * sizeof *token);
        }
        free(m->token);
        m->token = token;
        m->rows = rows;
        token = NULL;
        for (int i = 0; i < NET_LAYERS; i++) {
            nn_kv_cache_select(&m->cache[i], from);
        }
    }
    free(index);
    free(token);
}

nn_token_model memory_begin(struct memory *m)
{
    forget(m);
    m->rows = m->held = 0;
    bool lstm = m->net->kind == NET_LSTM;
    return (nn_token_model){ .size = sizeof(nn_token_model),
                             .next = lstm ? lstm_next : gpt_next,
                             .select = lstm ? lstm_select : gpt_select,
                             .state = m };
}

void memory_end(struct memory *m)
{
    forget(m);
    free(m->token);
    m->token = NULL;
}
