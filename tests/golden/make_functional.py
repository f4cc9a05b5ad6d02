#!/usr/bin/python3
"""Makes functional.txt: what torch.autograd.functional computes in float64. Run with a Python that has torch 1.13:

    tests/golden/make_functional.py > tests/golden/functional.txt

Inputs and vectors are not written out: both sides draw them from the same 31-bit linear congruential generator, whose
numbers are exact in float64. First all inputs in order, then the vector of vjp (of the output's shape), then the vectors
of jvp, vhp and hvp (of the inputs' shapes).

    <function> <what> <index> <count> <numbers…>
"""

import torch
from torch.autograd import functional as AF

torch.set_default_dtype(torch.float64)


class Draws:
    def __init__(self, seed):
        self.state = seed

    def tensor(self, shape):
        count = 1
        for n in shape:
            count *= n
        numbers = []
        for _ in range(count):
            self.state = (self.state * 1103515245 + 12345) % 2**31
            numbers.append(self.state / 2**30 - 1)
        return torch.tensor(numbers).reshape(shape)


# The same functions are in tests/autograd/test_functional.c.
FUNCTIONS = {
    "affine": ([(2, 3), (3, 2)], lambda x, w: torch.tanh(x @ w) * torch.sum(torch.sin(x))),
    "mixed": ([(3,), (2, 1), ()], lambda a, b, c: torch.exp(a * c) + b * b * a),
    "scalar": ([(3,), (2, 3)], lambda a, b: torch.sum(torch.exp(torch.sin(b) * a) * torch.sum(a * a))),
    "unused": ([(2,), (3,)], lambda a, b: torch.sum(a * a * a)),
    "single": ([()], lambda a: torch.exp(a * a)),
}


def line(name, what, index, t):
    print(name, what, index, t.numel(), *("%.17g" % v for v in t.reshape(-1).tolist()))


def one(x):
    return x if isinstance(x, tuple) else (x,)


for name, (shapes, f) in FUNCTIONS.items():
    draws = Draws(7)
    inputs = tuple(draws.tensor(s) for s in shapes)
    out = f(*inputs)
    v = draws.tensor(tuple(out.shape))
    vectors = tuple(draws.tensor(s) for s in shapes)
    for i, j in enumerate(one(AF.jacobian(f, inputs))):
        line(name, "jacobian", i, j)
    value, products = AF.vjp(f, inputs, v)
    line(name, "value", 0, value)
    for i, p in enumerate(one(products)):
        line(name, "vjp", i, p)
    line(name, "jvp", 0, AF.jvp(f, inputs, vectors)[1])
    if out.numel() == 1:
        for i, row in enumerate(AF.hessian(f, inputs)):
            for j, block in enumerate(row):
                line(name, "hessian", i * len(inputs) + j, block)
        for i, p in enumerate(AF.vhp(f, inputs, vectors)[1]):
            line(name, "vhp", i, p)
        for i, p in enumerate(AF.hvp(f, inputs, vectors)[1]):
            line(name, "hvp", i, p)
