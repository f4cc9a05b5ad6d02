#!/usr/bin/python3
"""Makes distribution.txt: what torch.distributions computes in float64. Run with a Python that has torch 1.13:

    tests/golden/make_distribution.py > tests/golden/distribution.txt

Parameters and questions are not written out: both sides draw them from the 31-bit linear congruential generator of
make_nn.py, in -1..1. Seed 7; every case draws, in this order, what it says below, and the gradients are those of the sum of
cosines of what comes out.

    case <name> <count> <numbers…>
    grad <index of the parameter> <count> <numbers…>
"""

import torch
from torch.distributions import Bernoulli, Categorical, Normal, kl_divergence

torch.set_default_dtype(torch.float64)


class Draws:
    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state * 1103515245 + 12345) % 2**31
        return self.state / 2**30 - 1

    def tensor(self, *shape):
        count = 1
        for n in shape:
            count *= n
        return torch.tensor([self.next() for _ in range(count)]).reshape(shape)


draws = Draws(7)


def numbers(t):
    return "%d %s" % (t.numel(), " ".join("%.17g" % v for v in t.detach().reshape(-1).tolist()))


def case(name, compute, *parameters):
    leaves = [p.clone().requires_grad_() for p in parameters]
    y = compute(*leaves)
    print("case", name, numbers(y))
    torch.cos(y).sum().backward()
    for i, leaf in enumerate(leaves):
        gradient = leaf.grad if leaf.grad is not None else torch.zeros_like(leaf)
        print("grad", i, numbers(gradient))


A, B, C, D = draws.tensor(3, 4), draws.tensor(4), draws.tensor(3, 4), draws.tensor(3, 4)
X = draws.tensor(3, 4)
LABELS = torch.tensor([[0, 3], [1, 1], [2, 0]])
L, M = draws.tensor(3, 2, 4) * 3, draws.tensor(3, 2, 4) * 3

# scale = e^…: A (3,4) the mean, B (4) broadcast against it
case("normal_log_prob", lambda a, b, x: Normal(a, b.exp()).log_prob(x), A, B, X)
case("normal_entropy", lambda a, b: Normal(a, b.exp()).entropy(), A, B)
case("normal_kl", lambda a, b, c, d: kl_divergence(Normal(a, b.exp()), Normal(c, d.exp())), A, B, C, D)
case("normal_kl_standard", lambda a, b: kl_divergence(Normal(a, (b / 2).exp()), Normal(0.0, 1.0)), A, C)
case("bernoulli_log_prob", lambda a: Bernoulli(logits=5 * a, validate_args=False).log_prob(X.abs()), A)
case("bernoulli_entropy", lambda a: Bernoulli(logits=5 * a).entropy(), A)
case("bernoulli_kl", lambda a, c: kl_divergence(Bernoulli(logits=5 * a), Bernoulli(logits=5 * c)), A, C)
case("categorical_log_prob", lambda l: Categorical(logits=l).log_prob(LABELS), L)
case("categorical_entropy", lambda l: Categorical(logits=l).entropy(), L)
case("categorical_kl", lambda l, m: kl_divergence(Categorical(logits=l), Categorical(logits=m)), L, M)
