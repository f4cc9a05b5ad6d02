#!/usr/bin/python3
"""PyTorch's side of bench_ops: reads "name size size …" lines and prints one JSON line each.

    bench_ops --list | torch_ops.py [--threads T] [--seconds S]

Images are tried row-major and with channels last; the faster is reported. Run with OpenBLAS (compare_ops.py sees to that)."""
import argparse
import json
import statistics
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


def number(*shape):
    return (torch.rand(*shape) * 2 - 1).requires_grad_()


def of_one(f):
    return lambda n: (f, [number(n)], [])


def of_two(f):
    return lambda n: (f, [number(n), number(n)], [])


def of_target(f):
    target = lambda n: torch.rand(n)
    return lambda n: (f, [number(n), target(n)], [])


def of_table(f):
    return lambda r, c: (f, [number(r, c)], [])


def of_layer(make, shape):
    def op(*size):
        layer = make(*size)
        return layer, [number(*shape(*size))], [layer]
    return op


def causal_attention(q, k, v):
    # 1.13 has no public function of its own for it
    scores = torch.baddbmm(causal_attention.mask[: q.shape[1], : q.shape[1]], q, k.transpose(1, 2), alpha=q.shape[2] ** -0.5)
    return torch.bmm(torch.softmax(scores, -1), v)


causal_attention.mask = torch.triu(torch.full((1024, 1024), float("-inf")), 1)


def first(layer):
    return lambda x: layer(x)[0]


def recurrent(kind):
    def op(steps, batch, width, hidden):
        layer = kind(width, hidden)
        return first(layer), [number(steps, batch, width)], [layer]
    return op


def optimizer(kind):
    def op(n):
        w = number(n)
        w.grad = torch.rand(n)
        return kind([w]).step, [], None
    return op


image = lambda n, c, side, *rest: (n, c, side, side)
OPERATIONS = {
    "add": of_two(torch.add),
    "mul": of_two(torch.mul),
    "add_row": lambda r, c: (torch.add, [number(r, c), number(c)], []),
    "relu": of_one(torch.relu),
    "leaky_relu": of_one(lambda x: F.leaky_relu(x, 0.2)),
    "tanh": of_one(torch.tanh),
    "sigmoid": of_one(torch.sigmoid),
    "gelu": of_one(F.gelu),
    "exp": of_one(torch.exp),
    "sum": of_one(torch.sum),
    "sum_rows": of_table(lambda x: x.sum(0)),
    "softmax": of_table(lambda x: torch.softmax(x, 1)),
    "log_softmax": of_table(lambda x: torch.log_softmax(x, 1)),
    "cross_entropy": lambda r, c: (F.cross_entropy, [number(r, c), torch.randint(0, c, (r,))], []),
    "mse_loss": of_target(F.mse_loss),
    "bce_with_logits": of_target(F.binary_cross_entropy_with_logits),
    "transpose": of_table(lambda x: x.t().contiguous()),
    "cat": of_two(lambda a, b: torch.cat([a, b])),
    "embedding": lambda r, c, n: (lambda w, i: F.embedding(i, w), [number(r, c), torch.randint(0, r, (n,))], []),
    "matmul": lambda m, k, n: (torch.matmul, [number(m, k), number(k, n)], []),
    "linear": of_layer(lambda b, i, o: nn.Linear(i, o), lambda b, i, o: (b, i)),
    "conv2d": of_layer(lambda n, c, s, o, k, stride, pad: nn.Conv2d(c, o, k, stride, pad), image),
    "conv_transpose2d": of_layer(lambda n, c, s, o, k, stride, pad: nn.ConvTranspose2d(c, o, k, stride, pad), image),
    "max_pool2d": of_layer(lambda n, c, s, k: nn.MaxPool2d(k), image),
    "batch_norm2d": of_layer(lambda n, c, s: nn.BatchNorm2d(c), image),
    "layer_norm": of_layer(lambda r, c: nn.LayerNorm(c), lambda r, c: (r, c)),
    "lstm": recurrent(nn.LSTM),
    "gru": recurrent(nn.GRU),
    "attention": lambda h, t, e: (causal_attention, [number(h, t, e) for _ in range(3)], []),
    "sgd": optimizer(lambda w: torch.optim.SGD(w, lr=1e-3)),
    "adam": optimizer(torch.optim.Adam),
}


def measure(f, inputs, layers, seconds):
    forward, backward, ones, y = [], [], None, None
    held = inputs + [w for layer in layers or [] for w in layer.parameters()]
    end = time.perf_counter() + seconds
    while len(forward) < 8 or (len(forward) < 20000 and time.perf_counter() < end):
        for t in held:
            t.grad = None
        start = time.perf_counter()
        y = f(*inputs)
        middle = time.perf_counter()
        if layers is not None:
            ones = torch.ones_like(y) if ones is None else ones
            middle2 = time.perf_counter()
            y.backward(ones)
            backward.append(time.perf_counter() - middle2)
        forward.append(middle - start)
    return statistics.median(forward[3:]), statistics.median(backward[3:]) if backward else 0.0


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--threads", type=int, default=1)
    ap.add_argument("--seconds", type=float, default=0.3)
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    for line in sys.stdin:
        name, *size = line.split()
        size = [int(x) for x in size]
        f, inputs, layers = OPERATIONS[name](*size)
        took = measure(f, inputs, layers, a.seconds)
        if inputs and inputs[0].dim() == 4:
            inputs[0] = inputs[0].detach().to(memory_format=torch.channels_last).requires_grad_()
            layers[0].to(memory_format=torch.channels_last)
            took = min(took, measure(f, inputs, layers, a.seconds), key=sum)
        row = {"op": name, "size": "x".join(map(str, size)), "threads": a.threads, "forward_us": round(took[0] * 1e6, 3), "backward_us": round(took[1] * 1e6, 3)}
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
