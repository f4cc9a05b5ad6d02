/*
 * The networks. Each reads a window of days, (N, window, features), and says by how much the temperature's distance from what is
 * usual will have changed in one, two and three days, (N, 3). They differ in what they take the days for: numbers without an
 * order, a line on which neighbours belong together, or one day after the other.
 */
#include "forecast.h"

const char *const net_keys[NETS + 2] = { "all", "linear", "dense", "conv", "lstm", "gru", "bidirectional", NULL };
const char *const net_names[NETS] = { "linear autoregression", "dense",       "convolution",
                                      "LSTM with dropout",     "GRU, 2 deep", "LSTM, both ways" };

enum { DENSE_WIDTH = 32, CHANNELS = 16, KERNEL = 3, HIDDEN = 24 };

/* ---- a body that reads the window, and a head that says the three numbers ---------------------------------------------------- */

struct network {
    nn_module base;
    enum net net;
    nn_module *body, *head;
};

static void network_visit(nn_module *m, nn_visitor *v)
{
    struct network *self = (struct network *)m;
    nn_visit_child(v, "body", &self->body);
    nn_visit_child(v, "head", &self->head);
}

/* What a recurrent body knows when it has read all days: (N, directions · HIDDEN). From the end backwards, that is the state of
 * the first day, so the last output would not do. */
static ag_tensor state_after(nn_module *body, ag_tensor x, int directions)
{
    nn_rnn_state state = { AG_NONE, AG_NONE };
    nn_rnn_forward(body, x, &state); /* state.h (layers · directions, N, HIDDEN) */
    ag_tensor top = ag_narrow(state.h, 0, ag_size(state.h, 0) - directions, directions);
    return ag_flatten(ag_transpose(top, 0, 1), 1, 2);
}

static ag_tensor network_forward(nn_module *m, ag_tensor x)
{
    struct network *self = (struct network *)m;
    ag_tensor read;
    switch (self->net) {
    case LSTM:
    case GRU:
        read = state_after(self->body, x, 1);
        break;
    case BIDIRECTIONAL:
        read = state_after(self->body, x, 2);
        break;
    case CONV: /* features are channels */
        read = nn_forward(self->body, ag_transpose(x, 1, 2));
        break;
    default:
        read = nn_forward(self->body, x);
    }
    return nn_forward(self->head, read);
}

static const nn_module_type network_type = {
    .size = sizeof(nn_module_type),
    .name = "Forecaster",
    .instance_size = sizeof(struct network),
    .visit = network_visit,
    .forward = network_forward,
};

nn_module *new_network(enum net net, int64_t window, int64_t features)
{
    struct network *self = (struct network *)nn_module_new(&network_type);
    nn_rnn_config layers = nn_rnn_defaults(features, HIDDEN);
    layers.batch_first = true;
    self->net = net;
    switch (net) {
    case LINEAR: /* each number of the window has a weight */
        self->body = nn_flatten();
        self->head = nn_linear(window * features, AHEAD);
        break;
    case DENSE:
        self->body = nn_sequential(nn_flatten(), nn_linear(window * features, DENSE_WIDTH), nn_relu(), nn_dropout(0.3),
                                   nn_linear(DENSE_WIDTH, DENSE_WIDTH), nn_relu());
        self->head = nn_linear(DENSE_WIDTH, AHEAD);
        break;
    case CONV: /* the same weights for every three days in a row, then for every five */
        self->body = nn_sequential(nn_conv1d(features, CHANNELS, KERNEL), nn_relu(), nn_conv1d(CHANNELS, CHANNELS, KERNEL),
                                   nn_relu(), nn_flatten(), nn_dropout(0.3));
        self->head = nn_linear(CHANNELS * (window - 2 * (KERNEL - 1)), AHEAD);
        break;
    case GRU:
        layers.layers = 2;
        layers.dropout = 0.2;
        self->body = nn_gru_with(layers);
        self->head = nn_sequential(nn_dropout(0.2), nn_linear(HIDDEN, AHEAD));
        break;
    default: /* LSTM, BIDIRECTIONAL */
        layers.bidirectional = net == BIDIRECTIONAL;
        self->body = nn_lstm_with(layers);
        self->head = nn_sequential(nn_dropout(0.3), nn_linear(HIDDEN * (net == BIDIRECTIONAL ? 2 : 1), AHEAD));
        break;
    }
    return &self->base;
}
