/*
 * Two networks that guess the next character, and how they go on from what they have read. They know tokens, not letters.
 */
#ifndef EXAMPLES_CHAR_LM_NET_H
#define EXAMPLES_CHAR_LM_NET_H

#include "autograd/autograd.h"
#include "nn/nn.h"
#include "optim/optim.h"

enum { NET_LSTM, NET_GPT, NET_WINDOW = 64, NET_LAYERS = 4 };

struct net {
    nn_module base;
    int kind;
    int64_t vocabulary;
    nn_module *tok, *out;         /* both: tokens to vectors, and back to scores */
    nn_module *lstm;              /* LSTM: reads the vectors one by one and remembers */
    nn_module *pos, *blocks;      /* GPT: where each token stands; blocks in which each looks back at all before it */
};

/* NET_LSTM: embedding 64, LSTM 128. NET_GPT: width 128, 4 heads, 4 layers with norms first, feed-forward 512 with GELU. */
struct net *net_new(int kind, int64_t vocabulary);
/* x int64 (n,t), t at most NET_WINDOW for the GPT. Scores (n t,vocabulary) of the tokens that follow. */
ag_tensor net_scores(struct net *net, ag_tensor x);
/* Adam for the LSTM; AdamW, with its weight decay of 0.01, for the GPT. */
optim *net_optimizer(struct net *net, double lr);

/* What a network remembers of the sequences that it writes. {.net = net} at first. */
struct memory {
    struct net *net;
    nn_rnn_state state;             /* LSTM */
    nn_kv_cache cache[NET_LAYERS];  /* GPT: keys and values of the tokens that it looks back at */
    int64_t rows, held;             /* GPT: those tokens, (rows,NET_WINDOW), of which `held` are there */
    int64_t *token;
};
/* The network as generation sees it; begins anew. */
nn_token_model memory_begin(struct memory *m);
void memory_end(struct memory *m);

#endif
