#!/usr/bin/python3
"""Makes tests/golden/samples/<family>.txt: PyTorch's values and gradients for every sample of every operation. <family> is the
name of the file in autograd/ops that has the samples.

    test_samples --dump | make_samples.py                   all families
    test_samples --dump loss norm | make_samples.py         these

The samples come from the C side with their inputs; the text of each is the same computation in PyTorch's words. Everything is float64.
The gradients are those of the sum of all floating results, element i weighted by cos(1 + 0.7 i)."""
import io
import math
import os
import sys

import torch
import torch.nn.functional as F

DTYPES = {"float64": torch.float64, "int64": torch.int64, "uint8": torch.uint8}


def numbers(t):
    return " ".join("%.17g" % x for x in t.detach().to(torch.float64).flatten().tolist())


def evaluate(out, name, text, inputs):
    torch.manual_seed(0)
    scope = {"torch": torch, "F": F, "math": math}
    scope.update(inputs)
    results = eval(text, scope)
    if not isinstance(results, (tuple, list)):
        results = (results,)
    out.write("sample %s %s\n" % (name, text))
    for i, r in enumerate(results):
        out.write("result %d %d %s\n" % (i, r.numel(), numbers(r)))
    total, at = None, 0
    for r in results:
        if r.is_floating_point():
            w = torch.tensor([math.cos(1 + 0.7 * (at + k)) for k in range(r.numel())], dtype=r.dtype).reshape(r.shape)
            at += r.numel()
            total = (r * w).sum() if total is None else total + (r * w).sum()
    if total is not None and total.requires_grad:
        leaves = {k: v for k, v in inputs.items() if v.requires_grad}
        grads = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
        for (k, v), g in zip(leaves.items(), grads):
            out.write("grad %s none\n" % k if g is None else "grad %s %d %s\n" % (k, g.numel(), numbers(g)))
    out.write("end\n")


def main():
    name = text = None
    inputs, out = {}, {}
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "samples")
    os.makedirs(folder, exist_ok=True)
    family = None
    failures = 0
    for line in sys.stdin:
        word, _, rest = line.rstrip("\n").partition(" ")
        if word == "family":
            family = rest
            if family not in out:
                out[family] = io.StringIO()
                out[family].write("# Made by make_samples.py with PyTorch %s\n" % torch.__version__)
        elif word == "sample":
            name, _, text = rest.partition(" ")
            inputs = {}
        elif word == "input":
            key, dtype, grad, ndim, *values = rest.split()
            shape = [int(x) for x in values[: int(ndim)]]
            t = torch.tensor([float(x) for x in values[int(ndim):]], dtype=torch.float64).to(DTYPES[dtype]).reshape(shape)
            inputs[key] = t.requires_grad_(grad == "1")
        elif word == "end":
            try:
                evaluate(out[family], name, text, inputs)
            except Exception as error:
                sys.stderr.write("%s: %s: %s\n" % (name, text, error))
                failures += 1
    for family, text in out.items():
        with open(os.path.join(folder, family + ".txt"), "w") as f:
            f.write(text.getvalue())
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
