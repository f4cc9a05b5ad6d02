#!/usr/bin/python3
"""Makes tests/golden/inplace.txt: PyTorch's gradients after operations in place, for tests/autograd/test_inplace.c.

    make_inplace.py > inplace.txt

Each scenario is the same program in both languages. Element i of a is sin(1 + i), of c cos(2 + 3 i), of d 1.5 + sin(i / 2), and of
the weights w cos(1 + 0.7 i); a and w are (3,4), c is (4), d is (3,1)."""
import math

import torch


def leaves():
    f = torch.float64
    a = torch.tensor([math.sin(1 + i) for i in range(12)], dtype=f).reshape(3, 4).requires_grad_()
    c = torch.tensor([math.cos(2 + 3 * i) for i in range(4)], dtype=f).requires_grad_()
    d = torch.tensor([1.5 + math.sin(i / 2) for i in range(3)], dtype=f).reshape(3, 1).requires_grad_()
    w = torch.tensor([math.cos(1 + 0.7 * i) for i in range(12)], dtype=f).reshape(3, 4)
    return a, c, d, w


def add_to_a_slice(a, c, d, w):
    b = a * 2
    b[1:3].add_(c)
    return (b * w).sum()


def base_changes_under_a_view(a, c, d, w):
    b = a * 2
    v = b[0]
    b.mul_(c)
    return (v * w[0]).sum() + (v * v).sum()


def view_of_a_view(a, c, d, w):
    b = a * 2
    u = b.reshape(4, 3).t()[1]
    u.mul_(c)
    return (b * b * w).sum() + (u * c).sum()


def rows_of_a_constant(a, c, d, w):
    out = torch.zeros(3, 4, dtype=torch.float64)
    h = c
    for t in range(3):
        h = torch.tanh(h * d[t] + a[t])
        out[t].copy_(h)
    return (out * w).sum() + (out[1] * out[2]).sum()


def product_needs_what_was(a, c, d, w):
    b = a * 3
    b.mul_(c)
    b.div_(d)
    b.sub_(c)
    return (b * b * w).sum()


def functions(a, c, d, w):
    b = (a * 1.5).sigmoid_()
    b = ((b * 1).sqrt_() * 1).exp_()
    e = (a * 0.7).tanh_()
    f = (a * 2).relu_()
    g = (a * 2).clamp_(-0.5, 0.9)
    h = (a * 2).square_().neg_()
    return ((b * e + f - g + h) * w).sum()


def expanded_view_of_what_changes(a, c, d, w):
    b = d * 2
    e = b.expand(3, 4)
    b.add_(a.sum(1, keepdim=True))
    return (e * e * w).sum()


def overlapping_views(a, c, d, w):
    b = a * 1
    v, u = b[0:2], b[1:3]
    v.mul_(d[:2])
    u.mul_(c)
    v.add_(1)
    return (v * w[:2]).sum() + (u * u).sum() + (b * w).sum()


def fill_and_zero(a, c, d, w):
    b = a * c
    b[0].fill_(2.5)
    b[1:, 1:3].zero_()
    b[2].copy_(d[0])
    return (b * b * w).sum()


def with_itself(a, c, d, w):
    b = a * 2
    b.add_(b)
    b.sub_(c)
    return (b * w * a).sum()


def strided_view_twice(a, c, d, w):
    b = a * 2
    s = b.reshape(-1)[::3]
    s.add_(c)
    s.mul_(c)
    return (b ** 3 * w).sum() + s.sum()


def transposed_base(a, c, d, w):
    b = (a * 2).t().contiguous()
    v = b.t()
    v.mul_(d)
    b[1].add_(d.reshape(3))
    return (b * b * w.t()).sum() + (v * w).sum()


def second_order(a, c, d, w):
    b = a * a
    b[0:2].mul_(c)
    b.tanh_()
    (g,) = torch.autograd.grad((b * w).sum(), a, create_graph=True)
    return (g * g * w).sum()


def view_used_before_and_after(a, c, d, w):
    b = a * 2
    v = b[1]
    x = v * 3
    v.add_(c)
    y = v * 5
    return (x * w[0]).sum() + (y * w[1]).sum() + (b * w).sum()


def detached_alias(a, c, d, w):
    b = a * 2
    e = b.detach()
    e.add_(1)
    f = e * c
    return (b * w).sum() + (f * w).sum()


def no_grad_in_place(a, c, d, w):
    b = a * 2
    with torch.no_grad():
        b.mul_(3)
    return (b * b * w).sum()


def main():
    print("# Made by make_inplace.py with PyTorch " + torch.__version__)
    for f in [add_to_a_slice, base_changes_under_a_view, view_of_a_view, rows_of_a_constant, product_needs_what_was, functions,
              expanded_view_of_what_changes, overlapping_views, fill_and_zero, with_itself, strided_view_twice, transposed_base,
              second_order, view_used_before_and_after, detached_alias, no_grad_in_place]:
        a, c, d, w = leaves()
        y = f(a, c, d, w)
        g = torch.autograd.grad(y, [a, c, d], allow_unused=True)
        values = [y.item()]
        for x, v in zip([a, c, d], g):
            values += (torch.zeros_like(x) if v is None else v).flatten().tolist()
        print(f.__name__, " ".join("%.17g" % v for v in values))


if __name__ == "__main__":
    main()
