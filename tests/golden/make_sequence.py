#!/usr/bin/python3
"""Makes sequence.txt: what PyTorch's layers for sequences compute in float64, and their gradients. Run with a Python that has
torch 1.13:

    tests/golden/make_sequence.py > tests/golden/sequence.txt

Weights, inputs and cotangents are not written out: both sides draw them from the same 31-bit linear congruential generator, whose
numbers are exact in float64: state tensors in the order of state_dict(), then the inputs, then a cotangent for each output.

    case <name> <number of state tensors>
    state <name> <ndim> <sizes...>
    output <count> <numbers...>
    grad <parameter> <count> <numbers...>     of the sum of <output, cotangent>
    din <count> <numbers...>                  the same for an input
    end
"""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

torch.set_default_dtype(torch.float64)


class Draws:
    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state * 1103515245 + 12345) % 2**31
        return self.state / 2**30 - 1

    def tensor(self, shape):
        count = 1
        for n in shape:
            count *= n
        return torch.tensor([self.next() for _ in range(count)]).reshape(shape)


def numbers(t):
    return "%d %s" % (t.numel(), " ".join("%.17g" % v for v in t.detach().reshape(-1).tolist()))


def plain(m, x):
    return m(x)[0]


def with_state(m, x, h, c=None):
    y, s = m(x, h if c is None else (h, c))
    return (y, s) if c is None else (y, *s)


LENGTHS = torch.tensor([2, 4, 1])


def with_lengths(m, x, h, c=None):
    p = pack_padded_sequence(x, LENGTHS, batch_first=m.batch_first, enforce_sorted=False)
    y, s = m(p, h if c is None else (h, c))
    y, _ = pad_packed_sequence(y, batch_first=m.batch_first)
    return (y, s) if c is None else (y, *s)


def cell_loop(m, x, h, c=None):
    ys = []
    for t in range(x.shape[0]):
        if c is None:
            h = m(x[t], h)
        else:
            h, c = m(x[t], (h, c))
        ys.append(h)
    return (torch.stack(ys), h) if c is None else (torch.stack(ys), h, c)


def recurrent():
    for name, kind, lstm in [("rnn", nn.RNN, 0), ("lstm", nn.LSTM, 1), ("gru", nn.GRU, 0)]:
        states = lambda d, n=3, h=5: [(d, n, h)] * (1 + lstm)
        yield name + "_plain", kind(3, 5), [(4, 3, 3)], plain
        yield name + "_no_bias", kind(3, 5, bias=False), [(4, 3, 3)] + states(1), with_state
        yield name + "_deep", kind(3, 5, num_layers=3, batch_first=True), [(3, 4, 3)] + states(3), with_state
        yield name + "_both", kind(3, 5, num_layers=2, bidirectional=True), [(4, 3, 3)] + states(4), with_state
        yield name + "_packed", kind(3, 5, num_layers=2, bidirectional=True), [(4, 3, 3)] + states(4), with_lengths
        yield name + "_packed_first", kind(3, 5, batch_first=True), [(3, 4, 3)] + states(1), with_lengths
        yield name + "_alone", kind(3, 5, bidirectional=True), [(4, 3)] + [(2, 5)] * (1 + lstm), with_state
    relu = nn.RNN(3, 5, num_layers=2, nonlinearity="relu", bidirectional=True)
    yield "rnn_relu", relu, [(4, 3, 3), (4, 3, 5)], with_lengths
    yield "rnn_cell", nn.RNNCell(3, 5), [(4, 2, 3), (2, 5)], cell_loop
    yield "rnn_cell_relu", nn.RNNCell(3, 5, bias=False, nonlinearity="relu"), [(4, 3), (5,)], cell_loop
    yield "lstm_cell", nn.LSTMCell(3, 5), [(4, 2, 3), (2, 5), (2, 5)], cell_loop
    yield "gru_cell", nn.GRUCell(3, 5), [(4, 2, 3), (2, 5)], cell_loop


E, H = 6, 2
HIDDEN = torch.tensor([[0, 1, 0, 0, 1], [0, 0, 0, 1, 0], [1, 0, 0, 0, 0]], dtype=torch.bool)  # (3,5)
PADDING = torch.tensor([[0, 0, 0, 0, 1], [0, 0, 0, 1, 1]], dtype=torch.bool)  # (2,5)
OWN_PADDING = torch.tensor([[0, 0, 1], [0, 0, 0]], dtype=torch.bool)  # (2,3)
ADDED = torch.arange(15.0).reshape(3, 5) / 7 - 1
LATER = torch.triu(torch.ones(3, 3), 1).bool()


def attend(weights=True, **options):
    def call(m, q, v, k=None):
        y, w = m(q, v if k is None else k, v, need_weights=weights, **options)
        return (y, w) if weights else y

    return call


def of_itself(m, x):
    return m(x, x, x, need_weights=False)[0]


def of_itself_causal(m, x):
    return m(x, x, x, need_weights=False, attn_mask=LATER)[0]


def attention():
    mha = nn.MultiheadAttention
    yield "mha_self", mha(E, H), [(3, 2, E)], of_itself
    yield "mha_causal", mha(E, H, batch_first=True), [(2, 3, E)], of_itself_causal
    yield "mha_plain", mha(E, H), [(3, 2, E), (5, 2, E)], attend()
    yield "mha_no_bias", mha(E, H, bias=False, batch_first=True), [(2, 3, E), (2, 5, E)], attend(weights=False)
    yield "mha_key", mha(E, 3), [(3, 2, E), (5, 2, E), (5, 2, E)], attend(weights=False)
    yield "mha_widths", mha(E, H, kdim=4, vdim=3), [(3, 2, E), (5, 2, 3), (5, 2, 4)], attend()
    yield "mha_mask", mha(E, H), [(3, 2, E), (5, 2, E)], attend(attn_mask=HIDDEN)
    yield "mha_padding", mha(E, H), [(3, 2, E), (5, 2, E)], attend(weights=False, key_padding_mask=PADDING)
    yield "mha_both", mha(E, H), [(3, 2, E), (5, 2, E)], attend(weights=False, attn_mask=HIDDEN, key_padding_mask=PADDING)
    yield "mha_added", mha(E, H), [(3, 2, E), (5, 2, E)], attend(weights=False, attn_mask=ADDED, key_padding_mask=PADDING)
    each = torch.stack([HIDDEN, HIDDEN.flip(1), ~HIDDEN, HIDDEN.roll(1, 1)])
    yield "mha_mask_by_head", mha(E, H), [(3, 2, E), (5, 2, E)], attend(average_attn_weights=False, attn_mask=each)
    yield "mha_alone", mha(E, H), [(3, E), (5, E)], attend(key_padding_mask=PADDING[0])


def encode(**options):
    return lambda m, x: m(x, **options)


def decode(**options):
    return lambda m, x, memory: m(x, memory, **options)


def transformer():
    settings = dict(d_model=E, nhead=H, dim_feedforward=8, dropout=0.0)
    encoder, decoder = nn.TransformerEncoderLayer, nn.TransformerDecoderLayer
    yield "encoder_layer", encoder(**settings), [(3, 2, E)], encode()
    first = dict(settings, norm_first=True, batch_first=True, activation="gelu", layer_norm_eps=1e-3)
    yield "encoder_layer_first", encoder(**first), [(2, 3, E)], encode(src_mask=LATER, src_key_padding_mask=OWN_PADDING)
    yield "encoder", nn.TransformerEncoder(encoder(**first), 2, nn.LayerNorm(E, eps=1e-3)), [(2, 3, E)], encode(mask=LATER)
    yield "encoder_bare", nn.TransformerEncoder(encoder(**settings), 3), [(3, E)], encode()
    yield "decoder_layer", decoder(**settings), [(3, 2, E), (5, 2, E)], decode()
    yield "decoder_layer_first", decoder(**first), [(2, 3, E), (2, 5, E)], decode(
        tgt_mask=LATER, memory_mask=HIDDEN, tgt_key_padding_mask=OWN_PADDING, memory_key_padding_mask=PADDING)
    yield "decoder", nn.TransformerDecoder(decoder(**settings), 2, nn.LayerNorm(E)), [(3, 2, E), (5, 2, E)], decode(
        tgt_mask=LATER)


TOKENS = torch.tensor([[3, 0, 2], [1, 3, 4]])


def embed(m, scale):
    return m(TOKENS) * scale


def embedding():
    yield "embedding", nn.Embedding(5, 4), [(2, 3, 4)], embed
    yield "embedding_padded", nn.Embedding(5, 4, padding_idx=-2), [(2, 3, 4)], embed
    yield "layer_norm", nn.LayerNorm(4), [(2, 3, 4)], lambda m, x: m(x)
    yield "layer_norm_with", nn.LayerNorm((3, 4), eps=0.1), [(2, 3, 4)], lambda m, x: m(x)


def each_step(m, x):
    return torch.stack([m(x[:, t]) for t in range(x.shape[1])], 1)


def all_steps(m, x):
    return m(x.flatten(0, 1)).unflatten(0, x.shape[:2])


def time_distributed():
    yield "time_linear", nn.Linear(4, 3), [(2, 3, 4)], each_step
    yield "time_conv", nn.Conv2d(2, 3, (3, 3)), [(2, 3, 2, 5, 4)], each_step
    yield "time_batch_norm", nn.BatchNorm1d(4), [(3, 2, 4)], all_steps
    net = nn.Sequential(nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(18, 2))
    yield "time_sequential", net, [(2, 3, 2, 3, 4)], all_steps
    yield "time_gru", nn.GRU(3, 5, batch_first=True), [(2, 3, 4, 3)], lambda m, x: each_step(lambda one: m(one)[0], x)


def run(name, model, shapes, function):
    draws = Draws(len(name) + 100)
    state = model.state_dict()
    print("case", name, len(state))
    for key, value in state.items():
        print("state", key, value.dim(), *value.shape)
        value.copy_(draws.tensor(value.shape))
    inputs = [draws.tensor(s).requires_grad_() for s in shapes]
    outputs = function(model, *inputs)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    total = 0
    for y in outputs:
        print("output", numbers(y))
        total = total + (y * draws.tensor(y.shape)).sum()
    total.backward()
    for key, parameter in model.named_parameters():
        print("grad", key, numbers(parameter.grad))
    for x in inputs:
        print("din", numbers(x.grad))
    print("end")


if __name__ == "__main__":
    for cases in (recurrent, attention, transformer, embedding, time_distributed):
        for each in cases():
            run(*each)
