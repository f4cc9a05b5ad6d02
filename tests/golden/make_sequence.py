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
    for each in recurrent():
        run(*each)
