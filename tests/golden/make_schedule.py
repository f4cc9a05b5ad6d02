#!/usr/bin/python3
"""Makes schedule.txt: the learning rates and momentums of PyTorch's schedules over 200 steps, and the weights that come out. Run
with a Python that has torch 1.13:

    tests/golden/make_schedule.py > tests/golden/schedule.txt

Two groups of one parameter each, (3) and (2) in float64, with rates 0.1 and 0.01. Weights, gradients and watched values are not
written out: both sides draw them from the same 31-bit linear congruential generator, whose numbers are exact in float64.

    case <name> <optimizer>
    lr <group> <numbers...>          after making the schedule, then after each step; "x*n" is x, n times
    momentum <group> <numbers...>    SGD's momentum or Adam's beta1, if the schedule moves it
    w <group> <numbers...>           at the end
"""

import itertools
import math

import torch
from torch.optim import lr_scheduler as L

STEPS = 200
SHAPES = [3, 2]


def warmup_cosine(o, warmup, total, start, low):
    parts = [L.LinearLR(o, start, 1.0, warmup), L.CosineAnnealingLR(o, total - warmup, low)]
    return L.SequentialLR(o, parts, [warmup])


def sequence(o):
    parts = [L.ConstantLR(o, 0.25, 10), L.ExponentialLR(o, 0.98), L.StepLR(o, 7, 0.5), L.PolynomialLR(o, 60, 2.0)]
    return L.SequentialLR(o, parts, [15, 80, 110])


def sequence_of_lambda(o):
    parts = [L.LambdaLR(o, lambda e: 0.5 + e), L.MultiStepLR(o, [3, 9], 0.3), L.LinearLR(o, 0.2, 0.7, 40)]
    return L.SequentialLR(o, parts, [4, 50])


def plateau(**settings):
    return lambda o: L.ReduceLROnPlateau(o, **settings)


class Chained:
    """Two schedules of one optimizer, stepped in turn."""

    def __init__(self, *parts):
        self.parts = parts

    def step(self):
        for part in self.parts:
            part.step()


CASES = [
    ("step_30", "SGD", lambda o: L.StepLR(o, 30)),
    ("step_7", "SGD", lambda o: L.StepLR(o, 7, 0.9)),
    ("step_1", "SGD", lambda o: L.StepLR(o, 1, 1.01)),
    ("multi_step", "SGD", lambda o: L.MultiStepLR(o, [30, 80, 199])),
    ("multi_step_twice", "SGD", lambda o: L.MultiStepLR(o, [1, 50, 50, 51], 0.5)),
    ("multi_step_none", "SGD", lambda o: L.MultiStepLR(o, [])),
    ("exponential", "SGD", lambda o: L.ExponentialLR(o, 0.97)),
    ("exponential_one", "SGD", lambda o: L.ExponentialLR(o, 1.0)),
    ("cosine_200", "SGD", lambda o: L.CosineAnnealingLR(o, 200)),
    ("cosine_50_low", "SGD", lambda o: L.CosineAnnealingLR(o, 50, 1e-3)),
    ("cosine_7", "SGD", lambda o: L.CosineAnnealingLR(o, 7)),
    ("cosine_1", "SGD", lambda o: L.CosineAnnealingLR(o, 1, 0.02)),
    ("constant", "SGD", lambda o: L.ConstantLR(o)),
    ("constant_long", "SGD", lambda o: L.ConstantLR(o, 0.7, 120)),
    ("linear", "SGD", lambda o: L.LinearLR(o)),
    ("linear_down", "SGD", lambda o: L.LinearLR(o, 1.0, 0.1, 150)),
    ("linear_to_zero", "SGD", lambda o: L.LinearLR(o, 0.5, 0.0, 30)),
    ("polynomial", "SGD", lambda o: L.PolynomialLR(o)),
    ("polynomial_2", "SGD", lambda o: L.PolynomialLR(o, 180, 2.0)),
    ("polynomial_half", "SGD", lambda o: L.PolynomialLR(o, 200, 0.5)),
    ("lambda", "SGD", lambda o: L.LambdaLR(o, [lambda e: 0.95**e, lambda e: 1 / (1 + e)])),
    ("warmup_cosine_20", "SGD", lambda o: warmup_cosine(o, 20, 200, 0.01, 0)),
    ("warmup_cosine_1", "Adam", lambda o: warmup_cosine(o, 1, 150, 0.5, 1e-4)),
    ("sequence", "SGD", sequence),
    ("sequence_of_lambda", "SGD", sequence_of_lambda),
    ("chained", "SGD", lambda o: Chained(L.ConstantLR(o, 0.1, 20), L.ExponentialLR(o, 0.99))),
    ("one_cycle", "SGD", lambda o: L.OneCycleLR(o, 0.3, total_steps=STEPS + 1)),
    ("one_cycle_linear", "SGD", lambda o: L.OneCycleLR(o, 0.3, total_steps=210, anneal_strategy="linear")),
    ("one_cycle_three", "SGD", lambda o: L.OneCycleLR(o, 0.3, total_steps=250, three_phase=True, pct_start=0.4)),
    ("one_cycle_three_linear", "Adam", lambda o: L.OneCycleLR(
        o, [0.02, 0.01], total_steps=201, three_phase=True, pct_start=0.25, anneal_strategy="linear", div_factor=5.0,
        final_div_factor=50.0)),
    ("one_cycle_adam", "Adam", lambda o: L.OneCycleLR(
        o, [0.02, 0.003], total_steps=220, base_momentum=[0.8, 0.5], max_momentum=[0.9, 0.99])),
    ("one_cycle_no_momentum", "Adagrad", lambda o: L.OneCycleLR(o, 0.3, total_steps=300, cycle_momentum=False)),
    ("one_cycle_pct_0", "RMSprop", lambda o: L.OneCycleLR(o, 1e-3, total_steps=201, pct_start=0.0)),
    ("one_cycle_pct_1", "SGD", lambda o: L.OneCycleLR(o, 1e-2, total_steps=201, pct_start=1.0)),
    ("plateau", "SGD", plateau()),
    ("plateau_patience_0", "SGD", plateau(patience=0, factor=0.9)),
    ("plateau_max", "SGD", plateau(mode="max", factor=0.5, patience=3, threshold=0.1, cooldown=5)),
    ("plateau_abs", "SGD", plateau(threshold_mode="abs", threshold=0.05, patience=2, factor=0.3, min_lr=[1e-3, 4e-3])),
    ("plateau_max_abs", "SGD", plateau(mode="max", threshold_mode="abs", threshold=0.2, patience=1, factor=0.7, cooldown=2,
                                       min_lr=1e-4)),
    ("plateau_eps", "SGD", plateau(patience=0, factor=0.5, eps=1e-3)),
    ("plateau_nan", "SGD", plateau(patience=4, factor=0.5)),
]


class Draws:
    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state * 1103515245 + 12345) % 2**31
        return self.state / 2**30 - 1

    def tensor(self, n):
        return torch.tensor([self.next() for _ in range(n)], dtype=torch.float64)


def text(values):
    runs = [("%.17g" % value, len(list(same))) for value, same in itertools.groupby(values)]
    return " ".join(value if count == 1 else "%s*%d" % (value, count) for value, count in runs)


def watched(name, step, draws):
    """A loss that falls, then stays, with noise."""
    value = 2 / (1 + min(step, 60) / 10) + 0.1 * draws.next()
    return math.nan if name == "plateau_nan" and step >= 5 else value


def run(name, kind, make):
    print("case", name, "optim_" + kind.lower())
    draws = Draws(11)
    weights = [draws.tensor(n).requires_grad_() for n in SHAPES]
    groups = [{"params": weights[:1], "lr": 0.1}, {"params": weights[1:], "lr": 0.01}]
    optimizer = getattr(torch.optim, kind)(groups, lr=0.1)
    schedule = make(optimizer)
    rates, momentums = ([], []), ([], [])

    def note():
        for k, group in enumerate(optimizer.param_groups):
            rates[k].append(group["lr"])
            momentums[k].append(group["betas"][0] if "betas" in group else group.get("momentum", 0.0))

    note()
    for step in range(1, STEPS + 1):
        for n, w in zip(SHAPES, weights):
            w.grad = draws.tensor(n)
        optimizer.step()
        if name.startswith("plateau"):
            schedule.step(watched(name, step, draws))
        else:
            schedule.step()
        note()
    for k in range(2):
        print("lr", k, text(rates[k]))
    for k in range(2):
        if len(set(momentums[k])) > 1:
            print("momentum", k, text(momentums[k]))
    for k in range(2):
        print("w", k, text(weights[k].tolist()))


def main():
    print("# made by make_schedule.py with torch", torch.__version__)
    for case in CASES:
        run(*case)
    print("end")


if __name__ == "__main__":
    main()
