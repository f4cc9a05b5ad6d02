/*
 * Ready tapes. Each function is a program's forward pass, as one would write it; leaves have names, so that they can be asked for.
 */
#include "graphs.h"

#include <math.h>
#include <stdio.h>

static ag_tensor number(const char *name, double value)
{
    return ag_set_requires_grad(ag_set_name(ag_scalar(value, AG_FLOAT64), name), true);
}

static ag_tensor weight(const char *name, ag_shape shape, double std, ag_rng *rng)
{
    return ag_set_requires_grad(ag_set_name(ag_normal(shape, 0, std, AG_FLOAT32, rng), name), true);
}

static ag_tensor input(const char *name, ag_shape shape, ag_rng *rng)
{
    return ag_set_name(ag_normal(shape, 0, 1, AG_FLOAT32, rng), name);
}

/* loss = tanh(a b + c) */
static ag_tensor scalar(ag_rng *rng)
{
    (void)rng;
    ag_tensor a = number("a", 0.5), b = number("b", -3), c = number("c", 2);
    ag_tensor product = ag_mul(a, b);
    ag_tensor sum = ag_add(product, c);
    return ag_tanh(sum);
}

/* x is used on two ways that meet again: what comes back along them is added up. */
static ag_tensor twice(ag_rng *rng)
{
    (void)rng;
    ag_tensor x = number("x", 1.5);
    ag_tensor up = ag_square(x);
    ag_tensor down = ag_sin(x);
    ag_tensor both = ag_mul(up, down);
    return ag_add(both, x);
}

/* One neuron on three inputs, and its squared error. */
static ag_tensor neuron(ag_rng *rng)
{
    (void)rng;
    ag_tensor w = ag_set_name(ag_from(AG_SHAPE(3), AG_FLOAT64, (double[]){ 0.4, -1.2, 0.7 }), "w");
    ag_tensor x = ag_set_name(ag_from(AG_SHAPE(3), AG_FLOAT64, (double[]){ 1, 2, -1 }), "x");
    ag_tensor b = number("b", 0.3), target = ag_set_name(ag_scalar(1, AG_FLOAT64), "target");
    ag_set_requires_grad(w, true);
    ag_tensor z = ag_add(ag_sum(ag_mul(w, x)), b);
    ag_tensor y = ag_sigmoid(z);
    return ag_square(ag_sub(y, target));
}

/* The 2-8-1 network on the exclusive or. */
static ag_tensor exclusive_or(ag_rng *rng)
{
    ag_tensor x = ag_set_name(ag_from(AG_SHAPE(4, 2), AG_FLOAT32, (float[]){ 0, 0, 0, 1, 1, 0, 1, 1 }), "x");
    ag_tensor y = ag_set_name(ag_from(AG_SHAPE(4, 1), AG_FLOAT32, (float[]){ 0, 1, 1, 0 }), "y");
    ag_tensor w1 = weight("w1", AG_SHAPE(8, 2), 0.7, rng), b1 = weight("b1", AG_SHAPE(8), 0.3, rng);
    ag_tensor w2 = weight("w2", AG_SHAPE(1, 8), 0.4, rng), b2 = weight("b2", AG_SHAPE(1), 0.3, rng);
    ag_label_push("hidden");
    ag_tensor h = ag_tanh(ag_linear(x, w1, b1));
    ag_label_pop();
    ag_label_push("output");
    ag_tensor answer = ag_linear(h, w2, b2);
    ag_label_pop();
    return ag_mse_loss(answer, y);
}

/* Six units, five of which a bias keeps below zero: nothing comes back through them. */
static ag_tensor dead(ag_rng *rng)
{
    ag_tensor x = input("x", AG_SHAPE(16, 4), rng), w = weight("w", AG_SHAPE(6, 4), 0.5, rng), v = weight("v", AG_SHAPE(1, 6), 0.5, rng);
    ag_tensor b = ag_set_name(ag_from(AG_SHAPE(6), AG_FLOAT32, (float[]){ -9, -9, 0.5f, -9, -9, -9 }), "b");
    ag_set_requires_grad(b, true);
    ag_tensor h = ag_relu(ag_linear(x, w, b));
    return ag_mean(ag_square(ag_linear(h, v, AG_NONE)));
}

/* The logarithm of a probability that has become 0. */
static ag_tensor not_a_number(ag_rng *rng)
{
    (void)rng;
    ag_tensor x = ag_set_name(ag_from(AG_SHAPE(3), AG_FLOAT32, (float[]){ 0, -40, -200 }), "x");
    ag_set_requires_grad(x, true);
    ag_tensor p = ag_sigmoid(x);
    ag_tensor entropy = ag_mul(p, ag_log(p));
    return ag_neg(ag_sum(entropy));
}

struct cell {
    ag_tensor w_ih, w_hh, b;
};

static ag_tensor part(ag_tensor gates, int64_t i, int64_t hidden)
{
    return ag_slice(gates, 1, i * hidden, (i + 1) * hidden, 1);
}

/* One step of an LSTM, operation by operation: h and c become those after it. */
static void lstm_step(const struct cell *m, ag_tensor x, ag_tensor *h, ag_tensor *c)
{
    int64_t hidden = ag_size(*h, 1);
    ag_label_push("cell");
    ag_tensor gates = ag_add(ag_linear(x, m->w_ih, m->b), ag_linear(*h, m->w_hh, AG_NONE));
    ag_tensor i = ag_sigmoid(part(gates, 0, hidden));
    ag_tensor f = ag_sigmoid(part(gates, 1, hidden));
    ag_tensor g = ag_tanh(part(gates, 2, hidden));
    ag_tensor o = ag_sigmoid(part(gates, 3, hidden));
    *c = ag_add(ag_mul(f, *c), ag_mul(i, g));
    *h = ag_mul(o, ag_tanh(*c));
    ag_label_pop();
}

static ag_tensor lstm_over(ag_rng *rng, int steps, int64_t batch, int64_t in, int64_t hidden)
{
    double std = 1 / sqrt((double)hidden);
    struct cell m = { weight("w_ih", AG_SHAPE(4 * hidden, in), std, rng), weight("w_hh", AG_SHAPE(4 * hidden, hidden), std, rng),
                      weight("b", AG_SHAPE(4 * hidden), std, rng) };
    ag_tensor w = weight("w_out", AG_SHAPE(1, hidden), std, rng);
    ag_tensor h = ag_set_name(ag_zeros(AG_SHAPE(batch, hidden), AG_FLOAT32), "h0");
    ag_tensor c = ag_set_name(ag_zeros(AG_SHAPE(batch, hidden), AG_FLOAT32), "c0");
    for (int t = 0; t < steps; t++) {
        char name[16];
        snprintf(name, sizeof(name), "x%d", t);
        lstm_step(&m, input(name, AG_SHAPE(batch, in), rng), &h, &c);
    }
    return ag_mean(ag_square(ag_linear(h, w, AG_NONE)));
}

static ag_tensor cell(ag_rng *rng)
{
    return lstm_over(rng, 1, 2, 3, 4);
}

static ag_tensor lstm(ag_rng *rng)
{
    return lstm_over(rng, 20, 8, 12, 24);
}

/* One head over five places, a residual, a norm, two layers. */
static ag_tensor attention(ag_rng *rng)
{
    const int64_t places = 5, width = 8;
    double std = 1 / sqrt((double)width);
    ag_tensor x = input("x", AG_SHAPE(places, width), rng);
    ag_label_push("attention");
    ag_tensor q = ag_matmul(x, weight("w_q", AG_SHAPE(width, width), std, rng));
    ag_tensor k = ag_matmul(x, weight("w_k", AG_SHAPE(width, width), std, rng));
    ag_tensor v = ag_matmul(x, weight("w_v", AG_SHAPE(width, width), std, rng));
    ag_tensor scores = ag_mul_scalar(ag_matmul(q, ag_transpose(k, 0, 1)), std);
    ag_tensor looked = ag_matmul(ag_softmax(scores, 1), v);
    ag_tensor y = ag_add(x, ag_matmul(looked, weight("w_o", AG_SHAPE(width, width), std, rng)));
    ag_label_pop();
    ag_label_push("norm");
    y = ag_layer_norm(y, AG_SHAPE(width), ag_set_requires_grad(ag_set_name(ag_ones(AG_SHAPE(width), AG_FLOAT32), "gain"), true),
                      ag_set_requires_grad(ag_set_name(ag_zeros(AG_SHAPE(width), AG_FLOAT32), "shift"), true), 1e-5);
    ag_label_pop();
    ag_label_push("feed_forward");
    ag_tensor h = ag_gelu(ag_matmul(y, weight("w_up", AG_SHAPE(width, 2 * width), std, rng)));
    y = ag_add(y, ag_matmul(h, weight("w_down", AG_SHAPE(2 * width, width), std, rng)));
    ag_label_pop();
    return ag_mse_loss(y, input("target", AG_SHAPE(places, width), rng));
}

const struct graph graphs[] = {
    { "scalar", "tanh(a b + c) of three numbers", scalar },
    { "twice", "a number that is used three times: gradients add up", twice },
    { "neuron", "one neuron and its squared error", neuron },
    { "xor", "a network on the exclusive or", exclusive_or },
    { "dead", "units that a bias keeps below zero: explain b", dead },
    { "nan", "the logarithm of 0: run to nonfinite", not_a_number },
    { "cell", "one step of an LSTM", cell },
    { "lstm", "an LSTM over 20 steps", lstm },
    { "attention", "a block with attention, norm and feed-forward layers", attention },
};
const int graph_count = (int)(sizeof(graphs) / sizeof(graphs[0]));
