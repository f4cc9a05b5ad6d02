#!/usr/bin/python3
"""Makes tests/golden/programs.txt: random programs of tensor operations with what PyTorch makes of them.

    make_programs.py                               the committed ones
    make_programs.py --seed 7 --count 2000 -       others, to standard output: make_programs.py … - | autograd_test_programs -

A program is a list of lines, which tests/autograd/test_programs.c runs as well: operations on earlier values, views of them, changes
in place, hooks, checkpoints, values computed without a graph; then one way of differentiating a weighted sum of some of its values,
up to the third order. Of each value and gradient the file has sum x[k] cos(1 + 0.7 k) and sum |x[k]|. A gradient that PyTorch refuses
because a saved value was changed in place is there as "refused", with differences ("about") in its
place where they make sense: the library saves less, and may have it. Programs whose gradients depend on rounding (a kink, a tie, a root of
nearly zero), found by disturbing the inputs by 1e-12, are left out."""
import argparse
import math
import os
import random
import sys

import torch

sys.dont_write_bytecode = True
from program_operations import ALONG, BINARY, IMAGES, LAID_OUT, POSITIVE, REDUCTIONS, UNARY, apply  # noqa: E402

BLIND = {"detach", "no_grad_tanh", "floor"}  # gradients are not those of the values
LARGEST = 30.0  # elements of a value
torch.set_num_threads(1)


class Skip(Exception):
    """The operation does not fit, or the program is no use."""


class Refused(Exception):
    """PyTorch refuses to differentiate: a saved value was changed in place."""


def weights(t):
    k = torch.arange(t.numel(), dtype=torch.float64)
    return torch.cos(1 + 0.7 * k).reshape(t.shape)


# ---- running a program ---------------------------------------------------------------------------------------------------------

class World:
    """The values of a program while it runs."""

    def __init__(self, disturbed):
        self.value, self.disturbed = {}, disturbed
        self.rng = random.Random(5)

    def step(self, line):
        kind = line[0]
        if kind == "leaf":
            _, k, grad, shape, values = line
            if self.disturbed:
                values = [v * (1 + self.disturbed * self.rng.uniform(-1, 1)) for v in values]
            self.value[k] = torch.tensor(values, dtype=torch.float64).reshape(shape).clone().requires_grad_(grad)
        elif kind == "int":
            _, k, shape, values = line
            self.value[k] = torch.tensor(values, dtype=torch.int64).reshape(shape)
        elif kind == "op":
            _, name, k, inputs, i, d = line
            self.value[k] = apply(name, [self.value[n] for n in inputs], i, d)
        elif kind == "hook":
            factor = line[2]
            self.value[line[1]].register_hook(lambda g: g * factor)
        elif kind == "retain":
            t = self.value[line[1]]
            t.grad_fn  # of a view whose base changed it must exist: PyTorch 1.13 crashes otherwise
            t.retain_grad()
        elif kind == "release":
            del self.value[line[1]]


def summary(t):
    return float((t.detach() * weights(t)).sum()), float(t.detach().abs().sum())


def differentiate(world, mode, objective, inputs, retained):
    """[(id, gradient or None)] in the mode's way."""
    values = [world.value[k] for k in objective]
    leaves = [world.value[k] for k in inputs]
    total = sum((v * weights(v)).sum() for v in values)
    if not total.requires_grad:
        raise Skip
    try:
        if mode == "grad":
            grads = torch.autograd.grad(total, leaves, allow_unused=True)
        elif mode in ("backward", "twice", "cotangent"):
            if mode == "cotangent":
                if not values[0].requires_grad:
                    raise Skip
                values[0].backward(weights(values[0]))
            else:
                total.backward(retain_graph=mode == "twice")
                if mode == "twice":
                    total.backward()
            grads = [t.grad for t in leaves]
        else:
            for _ in range({"double": 1, "triple": 2}[mode]):
                grads = torch.autograd.grad(total, leaves, create_graph=True, allow_unused=True)
                total = sum((g * g * weights(g)).sum() for g in grads if g is not None)
                if not torch.is_tensor(total) or not total.requires_grad:
                    raise Skip
            total.backward()
            grads = [t.grad for t in leaves]
    except RuntimeError as error:
        if "modified by an inplace operation" in str(error):
            raise Refused
        raise Skip
    return list(zip(inputs, grads)) + [(k, world.value[k].grad) for k in retained]


# ---- making one ------------------------------------------------------------------------------------------------------------------

class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.world = World(0)
        self.lines, self.next, self.used, self.images = [], 0, 0, False
        self.leaves, self.constants, self.retained, self.frozen = [], [], [], set()  # frozen: not to be changed in place

    def add(self, *line):
        self.world.step(line)
        self.lines.append(line)

    def new(self):
        self.next += 1
        return self.next - 1

    def leaf(self, shape, grad=True, low=-1.5, high=1.5):
        k, n = self.new(), math.prod(shape)
        self.add("leaf", k, grad, list(shape), [round(self.r.uniform(low, high), 3) for _ in range(n)])
        (self.leaves if grad else self.constants).append(k)
        return k

    def whole(self, shape, high):
        if high <= 0:
            raise Skip
        k = self.new()
        self.add("int", k, list(shape), [self.r.randrange(high) for _ in range(math.prod(shape))])
        return k

    def of(self, dtype):
        return [k for k, t in self.world.value.items() if t.dtype == dtype]

    def float(self, fits=lambda t: True):
        found = [k for k in self.of(torch.float64) if fits(self.world.value[k])]
        if not found:
            raise Skip
        late = found[len(found) // 2:]
        return self.r.choice(late if self.r.random() < 0.6 else found)

    def second(self, fits):
        """A value for which fits(t) does not raise."""
        def ok(t):
            try:
                fits(t)
                return True
            except (RuntimeError, IndexError, TypeError):
                return False
        return self.float(ok)

    def operation(self):
        """A name, inputs and parameters by chance."""
        r, v = self.r, self.world.value
        kind = r.choice(["unary"] * 4 + ["binary"] * 5 + ["reduce"] * 2 + ["along"] * 2 + ["view"] * 6 + ["copy"] * 4 +
                        ["number"] * 2 + ["index"] * 2 + ["mask"] * 2 + ["image"] * 2 + ["place"] * 7)
        number = round(r.choice([r.uniform(-1.5, 1.5), 0.5, 2.0, -1.0]), 3)
        a = self.float()
        t = v[a]
        axis = r.randrange(t.dim()) if t.dim() else 0
        if kind == "unary":
            if r.random() < 0.2 and t.numel() and t.min() > 0.2:
                return r.choice(list(POSITIVE)), [a], [], []
            return r.choice(list(UNARY)), [a], [], []
        if kind == "binary":
            name = r.choice(["add", "mul", "mul"] + list(BINARY) + ["div", "pow", "lerp_scalar", "addcmul", "checkpoint"])
            if name == "div":
                return name, [a, self.second(lambda b: (b.abs() + 0 * t).min() > 0.3 or b.view(-7))], [], []
            if name == "pow":
                a = self.float(lambda x: x.numel() and x.min() > 0.2)
                return name, [a, self.second(lambda b: v[a] + b)], [], []
            b = self.second(lambda b: apply(name if name in BINARY else "add", [t.detach(), b.detach()], [], []))
            if name == "addcmul":
                return name, [a, b, self.second(lambda c: t + v[b] + c)], [], [number]
            return name, [a, b], [], [number] if name == "lerp_scalar" else []
        if kind == "reduce":
            chosen = sorted(r.sample(range(t.dim()), r.randint(min(1, t.dim()), t.dim())))
            if not chosen:
                raise Skip
            return r.choice(list(REDUCTIONS)), [a], [int(r.random() < 0.5)] + [c - t.dim() * r.randint(0, 1) for c in chosen], []
        if kind == "along":
            name = r.choice(list(ALONG))
            if name == "sort" and len(set(t.flatten().tolist())) < t.numel():
                raise Skip
            return name, [a], [axis], []
        if kind == "number":
            name = r.choice(["add_scalar", "mul_scalar", "clamp", "pow_scalar", "elu"])
            if name == "pow_scalar":
                number = r.choice([2.0, 3.0, 1.0, 0.0] + ([0.5, -1.5] if t.numel() and t.min() > 0.2 else []))
            if name == "elu":
                number = abs(number)
            return name, [a], [], [-0.7, 0.9] if name == "clamp" else [number]
        if kind == "view":
            name = r.choice(["reshape", "view", "flatten", "unflatten", "permute", "transpose", "transpose", "expand", "slice", "slice",
                             "narrow", "select", "select", "diagonal", "chunk"])
            if name in ("reshape", "view", "flatten", "unflatten") and self.images:
                raise Skip  # images have channels last: what is a view in PyTorch is a copy
            if name in ("reshape", "view"):
                left, shape = t.numel(), []
                for _ in range(r.randint(0, 3)):
                    n = r.choice([n for n in range(1, left + 1) if left % n == 0] or [1])
                    shape.append(n)
                    left //= max(n, 1)
                return name, [a], shape + [left] if left != 1 or r.random() < 0.5 else shape, []
            if name == "expand":
                if t.numel() > 30:
                    raise Skip
                shape = [r.choice([1, 2, 3]) if n == 1 and r.random() < 0.7 else n for n in t.shape]
                return name, [a], r.choice([[], [2], [1]]) + shape, []
            if name == "flatten":
                b = r.randrange(axis, t.dim()) if t.dim() else 0
                return name, [a], [axis, b], []
            if t.dim() == 0:
                raise Skip
            n = t.shape[axis]
            if name == "unflatten":
                f = r.choice([f for f in range(1, n + 1) if n % f == 0] or [1])
                return name, [a], [axis, f, n // f], []
            if name == "permute":
                return name, [a], r.sample(range(t.dim()), t.dim()), []
            if name == "transpose":
                return name, [a], [axis, r.randrange(t.dim()) - t.dim()], []
            if name == "slice":
                return name, [a], [axis, r.randint(-n, n), r.randint(-1, n + 2), r.randint(1, 2)], []
            if name == "narrow":
                start = r.randint(0, n)
                return name, [a], [axis, start, r.randint(0, n - start)], []
            if name == "select":
                if n == 0:
                    raise Skip
                return name, [a], [axis, r.randrange(-n, n)], []
            if name == "diagonal":
                if t.dim() < 2:
                    raise Skip
                return name, [a], [r.randint(-1, 1)] + r.sample(range(t.dim()), 2), []
            parts = r.randint(1, 3)
            return name, [a], [parts, axis, r.randrange(len(torch.chunk(t, parts, axis)))], []
        if kind == "copy":
            name = r.choice(["cat", "stack", "flip", "roll", "repeat", "repeat_interleave", "tril", "triu", "pad", "pad", "layer_norm"])
            if name in ("tril", "triu") and t.dim() < 2 or name == "cat" and t.shape == (0,):
                raise Skip
            if name in ("cat", "stack"):
                others = [self.second(lambda b: torch.cat([t, b if b.shape != (0,) else None], axis) if name == "cat" else torch.stack([t, b], axis))
                          for _ in range(r.randint(1, 2))]
                parts = [a] + others
                r.shuffle(parts)
                return name, parts, [axis], []
            if name == "flip":
                return name, [a], r.sample(range(t.dim()), r.randint(0, t.dim())), []
            if name == "repeat":
                return name, [a], r.choice([[], [2]]) + [r.choice([1, 1, 2]) for _ in t.shape], []
            if name in ("roll", "repeat_interleave"):
                return name, [a], [r.randint(-3, 3) if name == "roll" else r.randint(0, 2), axis], []
            if name == "pad":
                mode = r.choice([0, 0, 1, 2, 3]) if t.numel() else 0
                n = r.randint(1, max(t.dim(), 1)) if mode == 0 else min(max(t.dim() - 1, 1), 2)
                low = -1 if mode == 0 else 0
                return name, [a], [mode] + [r.randint(low, 2) for _ in range(2 * n)], [number]
            if name == "layer_norm" and t.dim() == 0:
                raise Skip
            return name, [a], [] if name == "layer_norm" else [r.randint(-1, 1)], []
        if kind == "index":
            name = r.choice(["index_select", "gather", "scatter", "scatter_add", "index_add", "embedding", "cross_entropy"])
            if t.dim() == 0 or t.shape[axis] == 0:
                raise Skip
            n = t.shape[axis]
            if name == "embedding":
                a = self.float(lambda x: x.dim() == 2 and x.shape[0] > 0)
                return name, [self.whole(r.choice([[3], [2, 2], []]), v[a].shape[0]), a], [], []
            if name == "cross_entropy":
                a = self.float(lambda x: x.dim() == 2 and x.numel() > 0)
                return name, [a, self.whole([v[a].shape[0]], v[a].shape[1])], [], []
            if name == "index_select":
                return name, [a, self.whole([r.randint(0, 4)], n)], [axis], []
            if name == "gather":
                shape = list(t.shape)
                shape[axis] = r.randint(0, 4)
                return name, [a, self.whole(shape, n)], [axis], []
            if name == "index_add":
                b = self.float(lambda x: x.dim() == t.dim() and all(p == q or k == axis for k, (p, q) in enumerate(zip(x.shape, t.shape))))
                return name, [a, self.whole([v[b].shape[axis]], n), b], [axis], []
            b = self.float(lambda x: x.dim() == t.dim() and all(p <= q or k == axis for k, (p, q) in enumerate(zip(x.shape, t.shape))))
            if name == "scatter" and v[b].shape[axis] > 1:
                raise Skip  # several for one place: which wins is not defined
            return name, [a, self.whole(v[b].shape, n), b], [axis], []
        if kind == "mask":
            masks = self.of(torch.uint8)
            name = r.choice(["gt", "where", "masked_fill", "masked_select"]) if masks else "gt"
            if name == "gt":
                return name, [a, self.second(lambda b: t + b)], [], []
            m = r.choice(masks)
            if name == "where":
                return name, [m, a, self.second(lambda b: v[m] + t + b)], [], []
            (v[m] + t)
            if name == "masked_fill" and (v[m] + t).shape != t.shape:
                raise Skip
            return name, [a, m], [], [number] if name == "masked_fill" else []
        if kind == "image":
            name = r.choice(list(IMAGES) + ["max_pool2d", "avg_pool2d", "max_pool1d", "adaptive_avg_pool2d", "pixel_shuffle", "unfold",
                                            "batch_norm", "group_norm"])
            three = name in ("conv1d", "max_pool1d")
            a = self.float(lambda x: x.dim() == (3 if three else 4) and x.numel() > 0 and min(x.shape) > 0)
            t = v[a]
            if name in IMAGES:
                c, o, k = t.shape[1], r.randint(1, 2), r.randint(1, 3)
                shape = [c, o] if name == "conv_transpose2d" else [o, c]
                i = [r.randint(1, 2), r.randint(0, 1)] + ([r.randint(1, 2)] if name != "conv_transpose2d" else [])
                return name, [a, self.leaf(shape + [k] * (t.dim() - 2), r.random() < 0.8)], i, []
            if name in ("max_pool2d", "avg_pool2d"):
                k = r.randint(1, 3)
                return name, [a], [k, r.randint(1, 2), r.randint(0, k // 2)], []
            if name == "max_pool1d":
                return name, [a], [r.randint(1, min(3, t.shape[2])), r.randint(1, 2)], []
            if name == "adaptive_avg_pool2d":
                return name, [a], [r.randint(1, 3), r.randint(1, 3)], []
            if name == "unfold":
                return name, [a], [r.randint(1, 2), r.randint(1, 2)], []
            if name == "group_norm":
                groups = [g for g in (1, 2, 3) if t.shape[1] % g == 0 and t[0].numel() > g]
                if not groups:
                    raise Skip
                return name, [a], [r.choice(groups)], []
            return name, [a], [2] if name == "pixel_shuffle" else [], []
        # in place; what lives elsewhere than in the scope is no target
        a = self.float(lambda x: True)
        t = v[a]
        if any(n > 1 and step == 0 for n, step in zip(t.shape, t.stride())):
            raise Skip  # expanded: PyTorch refuses with few exceptions
        if a in self.frozen or t.is_leaf and t.requires_grad or any(self.shares(a, b) for b in self.frozen):
            raise Skip
        name = r.choice(["add_", "sub_", "mul_", "mul_", "div_", "copy_", "copy_", "add_scalar_", "mul_scalar_", "clamp_", "fill_", "zero_",
                         "masked_fill_", "relu_", "tanh_", "sigmoid_", "exp_", "square_", "neg_"])
        if name in ("add_", "sub_", "mul_", "div_", "copy_"):
            def fits(b):
                if (t + b).shape != t.shape or name == "div_" and (b.numel() == 0 or b.abs().min() < 0.3):
                    raise RuntimeError
            return name, [a, self.second(fits)], [], []
        if name == "masked_fill_":
            masks = [m for m in self.of(torch.uint8) if v[m].dim() <= t.dim() and (v[m].shape == t.shape or v[m].numel() == 1)]
            if not masks:
                raise Skip
            return name, [a, r.choice(masks)], [], [number]
        return name, [a], [], {"add_scalar_": [number], "mul_scalar_": [number], "fill_": [number], "clamp_": [-0.7, 0.9]}.get(name, [])

    def shares(self, a, b):
        a, b = self.world.value.get(a), self.world.value.get(b)
        return a is not None and b is not None and a.storage().data_ptr() == b.storage().data_ptr() != 0

    def put(self):
        name, inputs, i, d = self.operation()
        v, in_place = self.world.value, name.endswith("_")
        # Tried apart first: what fails or grows leaves nothing behind.
        copies = [v[k].detach().clone(memory_format=torch.preserve_format) for k in inputs]
        if in_place:
            out = apply(name, [copies[0]] + [c if k != inputs[0] else c.clone() for c, k in zip(copies[1:], inputs[1:])], i, d)
        else:
            detached = [v[k].detach() for k in inputs]
            out = apply(name, detached, i, d)
            if out is detached[0]:
                raise Skip  # the tensor itself
        if out.numel() > 150 or out.dim() > 5:
            raise Skip
        if out.dtype == torch.float64 and not (torch.isfinite(out).all() and (out.numel() == 0 or out.abs().max() < LARGEST)):
            raise Skip
        if name in ("cross_entropy", "checkpoint"):
            self.frozen.update(inputs)  # the library saves these, PyTorch logarithms, and only what a gradient will read
        if name == "checkpoint" and not any(v[k].requires_grad for k in inputs):
            raise Skip
        self.images = self.images or name in LAID_OUT
        k = inputs[0] if in_place else self.new()
        self.add("op", name, k, inputs, i, d)
        if not in_place and name in ("no_grad_tanh",):
            self.frozen.add(k)

    def extra(self):
        """A hook, a gradient retained, a value released, a value without history."""
        r, v = self.r, self.world.value
        results = [k for k in self.of(torch.float64) if v[k].requires_grad]
        hookable = [k for k in results if k not in self.retained]  # which of the two comes first, versions of PyTorch see differently
        what = r.choice(["hook", "hook", "retain", "release", "no_grad"])
        if what == "no_grad":
            a = self.float()
            k = self.new()
            self.add("op", "no_grad_tanh", k, [a], [], [])
            self.frozen.add(k)
        elif what == "hook" and hookable:
            k = r.choice(hookable)
            self.add("hook", k, r.choice([0.5, -2.0, 1.5]))
            self.frozen.add(k)
        elif what == "retain":
            results = [k for k in results if not v[k].is_leaf and k not in self.retained]
            if results:
                k = r.choice(results)
                self.add("retain", k)
                self.retained.append(k)
                self.frozen.add(k)
        elif what == "release":
            results = [k for k in v if not v[k].is_leaf and k not in self.retained and k not in self.frozen]
            if len(results) > 3:
                self.add("release", r.choice(results))

    def make(self):
        r = self.r
        shapes = [[3, 4], [2, 3, 4], [4], [], [1, 3], [2, 1, 3], [3, 3], [1], [2, 2, 3, 3], [1, 4, 4, 4], [2, 3, 6], [3, 1]]
        empty = [[0], [0, 3], [2, 0], [2, 0, 3]]
        for _ in range(r.randint(2, 4)):
            self.leaf(r.choice(empty if r.random() < 0.06 else shapes), r.random() < 0.8)
        if not self.leaves:
            self.leaf([3, 4])
        want, tries = r.randint(3, 18), 0
        while self.used < want and tries < 200:
            tries += 1
            saved = len(self.lines), self.next, len(self.leaves), len(self.constants)
            try:
                if r.random() < 0.12:
                    self.extra()
                else:
                    self.put()
                    self.used += 1
            except (Skip, RuntimeError, IndexError, ValueError, NotImplementedError):
                # Leaves and whole numbers that were made for nothing go again.
                for line in self.lines[saved[0]:]:
                    if line[0] in ("leaf", "int"):
                        self.world.value.pop(line[1], None)
                del self.lines[saved[0]:], self.leaves[saved[2]:], self.constants[saved[3]:]
                self.next = saved[1]
        v = self.world.value
        results = [k for k in self.of(torch.float64) if v[k].requires_grad and not v[k].is_leaf]
        if not results:
            raise Skip
        objective = sorted(set([results[-1]] + r.sample(results, min(len(results), r.randint(0, 3)))))
        mode = r.choice(["backward", "backward", "twice", "grad", "cotangent", "double", "double", "triple"])
        retained = self.retained if mode in ("backward", "cotangent") else []
        inputs = list(self.leaves)
        if mode == "grad" and r.random() < 0.7:
            inputs = sorted(set(inputs + r.sample(results, min(len(results), 2))))
        # What PyTorch 1.13 does with hooks of tensors that are asked for, later versions do otherwise; and how the second derivative
        # of a function with a hook inside is written is nobody's promise.
        hooked = [line[1] for line in self.lines if line[0] == "hook"]
        if mode == "grad" and any(k in self.retained + hooked for k in inputs) or mode in ("double", "triple") and hooked:
            raise Skip
        return mode, objective, inputs, retained


def outcome(lines, mode, objective, inputs, retained, disturbed):
    world = World(disturbed)
    for line in lines:
        world.step(line)
    values = {k: t.detach().clone() for k, t in world.value.items() if t.dtype == torch.float64}
    try:
        return values, differentiate(world, mode, objective, inputs, retained)
    except Refused:
        return values, None


def by_differences(lines, mode, objective, step):
    """The gradients of the leaves by central differences, for programs that PyTorch refuses; None where that makes no sense."""
    if mode in ("double", "triple") or any(l[0] == "hook" or l[0] == "op" and l[1] in BLIND for l in lines):
        return None

    def total():
        world = World(0)
        for line in moved:
            world.step(line)
        values = [world.value[k] for k in (objective[:1] if mode == "cotangent" else objective)]
        return (2 if mode == "twice" else 1) * float(sum((v.detach() * weights(v)).sum() for v in values))

    found = []
    for at, line in enumerate(lines):
        if line[0] == "leaf" and line[2]:
            g = []
            for k, x in enumerate(line[4]):
                two = []
                for sign in (1, -1):
                    values = list(line[4])
                    values[k] = x + sign * step
                    moved = lines[:at] + [line[:4] + (values,)] + lines[at + 1:]
                    two.append(total())
                g.append((two[0] - two[1]) / (2 * step))
            found.append((line[1], torch.tensor(g, dtype=torch.float64).reshape(line[3])))
    return found


def close(a, b, tolerance):
    if a is None or b is None:
        return a is b
    return (a - b).abs().max() <= tolerance * (1e-3 + b.abs().max()) if b.numel() else True


def program(seed):
    """The text of a program; Skip if it is no use."""
    maker = Maker(seed)
    how = maker.make()
    lines = maker.lines
    values, grads = outcome(lines, *how, 0)
    other, disturbed = outcome(lines, *how, 1e-12)
    if (grads is None) != (disturbed is None):
        raise Skip
    if not all(close(values[k], other[k], 1e-10) for k in values):
        raise Skip
    for (_, g), (_, h) in zip(grads or [], disturbed or []):
        if (g is None) != (h is None) or g is not None and not (torch.isfinite(g).all() and (g.abs().sum() < 1e6) and close(g, h, 1e-9)):
            raise Skip
    out = ["program %d" % seed]
    for line in lines:
        if line[0] == "leaf":
            out.append("leaf %d %d %d %s" % (line[1], line[2], len(line[3]), " ".join("%g" % x for x in line[3] + line[4])))
        elif line[0] == "int":
            out.append("int %d %d %s" % (line[1], len(line[2]), " ".join("%d" % x for x in line[2] + line[3])))
        elif line[0] == "op":
            _, name, k, ins, i, d = line
            out.append("op %s %d %d %s" % (name, k, len(ins), " ".join(map(str, [*ins, len(i), *i, len(d), *d]))))
        else:
            out.append(" ".join(map(str, line)))
    for k in sorted(values):
        out.append("value %d %.17g %.17g" % (k, *summary(values[k])))
    mode, objective, inputs, retained = how
    out.append("%s %d %s" % (mode, len(objective), " ".join(map(str, [*objective, len(inputs), *inputs]))))
    if grads is None:
        out.append("refused")
        rough, fine = (by_differences(lines, mode, objective, step) for step in (4e-6, 2e-6))
        if rough and all(close(g, h, 1e-6) for (_, g), (_, h) in zip(rough, fine)):
            out += ["about %d %.9g %.9g" % (k, *summary(g)) for k, g in fine]
    for k, g in grads or []:
        out.append("gradient %d %s" % (k, "none" if g is None else "%.17g %.17g" % summary(g)))
    out.append("end")
    return "\n".join(line.rstrip() for line in out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("file", nargs="?", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs.txt"))
    options = parser.parse_args()
    found, seed = 0, options.seed * 1000000
    with sys.stdout if options.file == "-" else open(options.file, "w") as out:
        out.write("# Made by make_programs.py with PyTorch %s\n" % torch.__version__)
        while found < options.count:
            seed += 1
            try:
                out.write(program(seed) + "\n")
                found += 1
            except (Skip, RuntimeError):  # PyTorch refuses to look at some views after their base was changed
                pass


if __name__ == "__main__":
    main()
