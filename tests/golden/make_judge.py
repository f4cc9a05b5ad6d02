#!/usr/bin/python3
"""Makes judge.txt: what is said of the probabilities of a classifier, computed with torch in float64. Run with torch 1.13:

    tests/golden/make_judge.py > tests/golden/judge.txt

Neither probabilities nor classes are written out: both sides draw them from the 31-bit linear congruential generator of
make_nn.py, in -1..1, seed 11, in turn x and u for each of the n samples. p is (x + 1) / 2, in the second case rounded to twentieths,
so that many are equal; the class is 1 where u < x.

    case <name> <n> <area> <calibration error> <log loss> <Brier> <true negatives> <false positives> <false negatives> <true positives>

The area is the share of pairs of one sample of each class in which class 1 has the higher p; it knows nothing of curves.
"""

import torch

torch.set_default_dtype(torch.float64)


class Draws:
    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state * 1103515245 + 12345) % 2**31
        return self.state / 2**30 - 1


def case(name, n, rounded):
    draws = Draws(11)
    pairs = [(draws.next(), draws.next()) for _ in range(n)]
    x = torch.tensor([a for a, _ in pairs])
    truth = torch.tensor([float(u < a) for a, u in pairs])
    p = (x + 1) / 2
    if rounded:
        p = torch.floor(p * 20 + 0.5) / 20
    above = p[truth == 1][:, None] - p[truth == 0][None, :]
    area = ((above > 0).double() + 0.5 * (above == 0).double()).mean()
    edges = torch.arange(1, 10) / 10
    bins = torch.bucketize(p, edges, right=True)
    error = 0.0
    for k in range(10):
        chosen = bins == k
        if chosen.any():
            error += (p[chosen].mean() - truth[chosen].mean()).abs().item() * chosen.double().mean().item()
    kept = p.clamp(1e-15, 1)
    log_loss = -torch.where(truth == 1, kept.log(), (1 - p).clamp(1e-15, 1).log()).mean()
    brier = torch.nn.functional.mse_loss(p, truth)
    guess = p >= 0.5
    table = [int(((truth == t) & (guess == bool(g))).sum()) for t in (0, 1) for g in (0, 1)]
    print("case", name, n, *("%.17g" % v for v in (area, error, log_loss, brier)), *table)


case("distinct", 500, False)
case("equal", 500, True)
