#!/usr/bin/python3
"""Makes optim.txt: what PyTorch's optimizers do in a hundred float64 steps. Run with a Python that has torch 1.13:

    python3 tests/golden/make_optim.py > tests/golden/optim.txt

Weights and gradients are not written out: both sides draw them from the same 31-bit linear congruential generator, whose
numbers are exact in float64. Four parameters in two groups; the second group has its own learning rate. Parameter 1 gets
no gradient in every fourth step, parameter 2 none before step 5, parameter 3 none in steps 30 to 39.
"""

import sys

import torch

SHAPES = [(3, 5), (7,), (), (2, 3, 4)]
STEPS = 100
SHOWN = [1, 2, 10, 100]

# name, optimizer, settings, what differs in the second group
CASES = [
    ("sgd", "SGD", dict(lr=0.1), dict(lr=0.01)),
    ("sgd_decay", "SGD", dict(lr=0.1, weight_decay=0.05), dict(lr=0.01, weight_decay=0.2)),
    ("sgd_momentum", "SGD", dict(lr=0.05, momentum=0.9), dict(lr=0.01)),
    ("sgd_dampening", "SGD", dict(lr=0.05, momentum=0.9, dampening=0.3, weight_decay=0.01), dict(momentum=0.5)),
    ("sgd_nesterov", "SGD", dict(lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01), dict(lr=0.02)),
    ("sgd_mixed", "SGD", dict(lr=0.05), dict(momentum=0.8)),
    ("adam", "Adam", dict(lr=1e-3), dict(lr=1e-2)),
    ("adam_decay", "Adam", dict(lr=1e-2, weight_decay=0.1, beta1=0.8, beta2=0.95, eps=1e-6), dict(lr=1e-3)),
    ("adam_beta0", "Adam", dict(lr=1e-2, beta1=0.0), dict(beta2=0.0)),
    ("adamw", "AdamW", dict(lr=1e-3, weight_decay=0.01), dict(lr=1e-2)),
    ("adamw_decay", "AdamW", dict(lr=1e-2, weight_decay=0.5, beta1=0.7, eps=1e-4), dict(weight_decay=0.0)),
    ("rmsprop", "RMSprop", dict(lr=1e-2), dict(lr=1e-3)),
    ("rmsprop_momentum", "RMSprop", dict(lr=1e-3, momentum=0.9, weight_decay=0.1), dict(momentum=0.0)),
    ("rmsprop_centered", "RMSprop", dict(lr=1e-3, centered=True, alpha=0.9), dict(lr=1e-2)),
    ("rmsprop_all", "RMSprop", dict(lr=1e-3, centered=True, momentum=0.8, weight_decay=0.1, eps=1e-5),
     dict(centered=False)),
    ("adagrad", "Adagrad", dict(lr=1e-2), dict(lr=1e-1)),
    ("adagrad_all", "Adagrad", dict(lr=1e-1, lr_decay=0.02, weight_decay=0.1, initial_accumulator_value=0.3, eps=1e-6),
     dict(lr_decay=0.0)),
]
SCHEDULED = [
    ("sgd_schedule", "SGD", dict(lr=0.05, momentum=0.9), dict(lr=0.01)),
    ("adam_schedule", "Adam", dict(lr=1e-2), dict(lr=1e-3)),
    ("adamw_schedule", "AdamW", dict(lr=1e-2, weight_decay=0.1), dict(lr=1e-3)),
]
CLIPPED = [
    ("sgd_clip_norm", "SGD", dict(lr=0.1, momentum=0.9), dict(lr=0.01), "norm", 2.0),
    ("adam_clip_value", "Adam", dict(lr=1e-2), dict(lr=1e-3), "value", 0.25),
]


class Draws:
    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state * 1103515245 + 12345) % 2**31
        return self.state / 2**30 - 1

    def tensor(self, shape):
        count = 1
        for length in shape:
            count *= length
        return torch.tensor([self.next() for _ in range(count)], dtype=torch.float64).reshape(shape)


def has_gradient(parameter, step):
    if parameter == 1:
        return step % 4 != 0
    if parameter == 2:
        return step >= 5
    if parameter == 3:
        return not 30 <= step < 40
    return True


def torch_settings(settings):
    settings = dict(settings)
    if "beta1" in settings or "beta2" in settings:
        settings["betas"] = (settings.pop("beta1", 0.9), settings.pop("beta2", 0.999))
    return settings


def text(value):
    return "%.17g" % float(value)


def show(tag, tensors):
    for i, t in enumerate(tensors):
        print(tag, i, *(text(x) for x in t.detach().reshape(-1)))


def run(name, kind, settings, second, clip=None, limit=0.0, schedule=False):
    print("case", name, "optim_" + kind.lower())
    both = [settings, {**settings, **second}]
    for group, values in enumerate(both):
        for key, value in values.items():
            print("set", group, key, text(value))
    if clip:
        print("clip_" + clip, text(limit))
    if schedule:
        print("schedule 1")
    draws = Draws(1)
    weights = [draws.tensor(shape).requires_grad_() for shape in SHAPES]
    groups = [{"params": weights[:2], **torch_settings(both[0])}, {"params": weights[2:], **torch_settings(both[1])}]
    # Adagrad takes its initial accumulator from the constructor, whatever the groups say.
    optimizer = getattr(torch.optim, kind)(groups, **torch_settings(settings))
    for step in range(1, STEPS + 1):
        optimizer.zero_grad(set_to_none=True)
        for i, w in enumerate(weights):
            gradient = draws.tensor(SHAPES[i])
            if has_gradient(i, step):
                w.grad = gradient.clone()
        if schedule:
            for group, values in zip(optimizer.param_groups, both):
                group["lr"] = values["lr"] / (1 + step // 20)
        norm = 0
        if clip == "norm":
            norm = torch.nn.utils.clip_grad_norm_(weights, limit)
        elif clip == "value":
            torch.nn.utils.clip_grad_value_(weights, limit)
        optimizer.step()
        if step in SHOWN:
            print("step", step, text(norm))
            show("w", weights)


def clip(name, kind, limit):
    print("case", name, "none")
    print("clip_" + kind, text(limit))
    draws = Draws(7)
    weights = [torch.zeros(shape, dtype=torch.float64, requires_grad=True) for shape in SHAPES]
    for i, w in enumerate(weights):
        gradient = draws.tensor(SHAPES[i])
        if i != 1:
            w.grad = gradient
    norm = 0
    if kind == "norm":
        norm = torch.nn.utils.clip_grad_norm_(weights, limit)
    else:
        torch.nn.utils.clip_grad_value_(weights, limit)
    print("step 1", text(norm))
    show("g", [torch.zeros(0) if w.grad is None else w.grad for w in weights])


def main():
    print("# made by make_optim.py with torch", torch.__version__)
    for case in CASES:
        run(*case)
    for case in SCHEDULED:
        run(*case, schedule=True)
    for case in CLIPPED:
        run(*case)
    clip("clip_norm_below", "norm", 0.5)
    clip("clip_norm_above", "norm", 1000.0)
    clip("clip_norm_zero", "norm", 0.0)
    clip("clip_value", "value", 0.3)
    print("end")


if __name__ == "__main__":
    sys.exit(main())
