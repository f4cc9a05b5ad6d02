#!/usr/bin/python3
"""Makes tests/golden/bench.txt: the names of the parameters and the first losses of the benchmarks' workloads, by PyTorch.

    make_bench.py PYTORCH_WORKLOADS.py > tests/golden/bench.txt

PYTORCH_WORKLOADS.py is the script that the benchmarks compare with: its networks and steps run here as they are. Only numbers come from elsewhere,
so that both sides have the same: torch.rand, randint, randn and randn_like draw from one linear congruential generator, and the parameters from
another. Each workload has a line with its parameters ("name:elements"), and the losses of six steps in float64 and in float32.

The parameters' seed is the first with which float32 is steady: runs that begin from weights a unit in the last place away stay as near to
float64 as the test asks. Else a ReLU's input lies so near to 0 that rounding alone decides on which side. Where no seed of a few is, the first
is taken: there PyTorch's own float32 is as far away."""
import importlib.util
import sys

import torch

STEPS = 6
SEEDS = range(2, 6)
SHAKEN = 6


class Draw:
    def __init__(self, seed):
        self.state = seed

    def __call__(self):
        self.state = (self.state * 1103515245 + 12345) % 2147483648
        return self.state

    def fill(self, shape, number, dtype=None):
        count = 1
        for n in shape:
            count *= n
        return torch.tensor([number(self()) for _ in range(count)], dtype=dtype or torch.get_default_dtype()).reshape(shape)


def shape_of(arguments):
    return tuple(arguments[0]) if len(arguments) == 1 and not isinstance(arguments[0], int) else tuple(arguments)


# All of them are whole numbers over powers of two that float32 has, so that float64 runs begin from the same.
def numbers(draw):
    torch.rand = lambda *shape: draw.fill(shape_of(shape), lambda k: (k // 128) / 16777216)
    torch.randint = lambda low, high, shape: draw.fill(shape, lambda k: low + k // 65536 % (high - low), torch.int64)
    torch.randn = lambda *shape: draw.fill(shape_of(shape), lambda k: ((k // 128) / 8388608 - 1) * 1.75)
    torch.randn_like = lambda t: torch.randn(*t.shape)


def networks(step):
    """The modules that a step function holds: of a training step "net", of two in turn "G" and "D"."""
    held = dict(zip(step.__code__.co_freevars, (c.cell_contents for c in step.__closure__)))
    return [held[name] for name in ("net", "G", "D") if name in held] or [held["loss_of"]]


def fill(nets, seed):
    draw = Draw(seed)
    for net in nets:
        for name, w in net.named_parameters():
            scale = (w.numel() / w.shape[0]) ** -0.5 if w.dim() > 1 else 0.125
            one = 1 if w.dim() == 1 and name.split(".")[-1] == "weight" else 0
            values = draw.fill(w.shape, lambda k: ((k // 128) / 8388608 - 1) * scale + one, torch.float64)
            with torch.no_grad():
                w.copy_(values.to(torch.float32))


def shake(nets, generator):
    for net in nets:
        for w in net.parameters():
            with torch.no_grad():
                w.mul_(1 + 1.2e-7 * torch.empty_like(w).normal_(generator=generator))


def losses(reference, name, dtype, seed, shaken=None):
    """What the first steps cost; and how many examples a step has, and the parameters."""
    torch.set_default_dtype(dtype)
    numbers(Draw(1))
    step, items = reference.workloads(torch, False)[name]()
    nets = networks(step)
    fill(nets, seed)
    if shaken is not None:
        shake(nets, torch.Generator().manual_seed(shaken))
    parameters = " ".join("%s:%d" % (n, w.numel()) for net in nets for n, w in net.named_parameters())
    return [step().item() for _ in range(STEPS)], items, parameters


def furthest(a, b):
    return max(abs(x - y) / abs(y) for x, y in zip(a, b))


def steady(reference, name, seed):
    exact = losses(reference, name, torch.float64, seed)[0]
    most = 1e-6 + 3 * furthest(losses(reference, name, torch.float32, seed)[0], exact)
    return all(furthest(losses(reference, name, torch.float32, seed, k)[0], exact) <= most for k in range(SHAKEN))


def main():
    spec = importlib.util.spec_from_file_location("reference", sys.argv[1])
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    torch.set_num_threads(1)
    print("# Made by make_bench.py with PyTorch " + torch.__version__)
    for name in reference.workloads(torch, False):
        seed = next((k for k in SEEDS if steady(reference, name, k)), SEEDS[0])
        exact, items, parameters = losses(reference, name, torch.float64, seed)
        print("%s items %d\n%s parameters %s\n%s seed %d" % (name, items, name, parameters, name, seed))
        for kind, values in ("float64", exact), ("float32", losses(reference, name, torch.float32, seed)[0]):
            print("%s %s %s" % (name, kind, " ".join("%.9g" % v for v in values)), flush=True)


if __name__ == "__main__":
    main()
