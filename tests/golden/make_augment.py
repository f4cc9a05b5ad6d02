#!/usr/bin/python3
"""Makes augment.txt: images turned by PyTorch's affine_grid and grid_sample (bilinear, zeros, align_corners=False) in float64, which is
what torchvision's rotate does. Run with torch 1.13:

    tests/golden/make_augment.py > tests/golden/augment.txt

Images are not written out: both sides draw them from the 31-bit linear congruential generator of make_nn.py, in -1..1, seed 11,
row-major. What lies outside has the value of the filling: it is taken off before and put back afterwards.

    rotation <channels> <height> <width> <degrees> <fill>
    <channels * height * width numbers>
"""

import math

import torch

torch.set_default_dtype(torch.float64)


def image(*shape):
    state, numbers = 11, []
    for _ in range(math.prod(shape)):
        state = (state * 1103515245 + 12345) % 2**31
        numbers.append(state / 2**30 - 1)
    return torch.tensor(numbers).reshape(1, *shape)


def rotation(c, h, w, degrees, fill):
    # Output to input, x to the right and y down, in pixels; then in units of half the width and half the height.
    a = math.radians(degrees)
    theta = torch.tensor([[math.cos(a), -math.sin(a) * h / w, 0], [math.sin(a) * w / h, math.cos(a), 0]])
    grid = torch.nn.functional.affine_grid(theta[None], (1, c, h, w), align_corners=False)
    turned = torch.nn.functional.grid_sample(image(c, h, w) - fill, grid, align_corners=False) + fill
    print("rotation", c, h, w, degrees, fill)
    print(" ".join(f"{v:.17g}" for v in turned.flatten().tolist()))


rotation(1, 9, 9, 0, 0)
rotation(1, 9, 9, 30, 0)
rotation(1, 8, 8, -17.5, 0)
rotation(3, 5, 7, 45, 0.25)
rotation(2, 6, 3, 133, -2)
rotation(1, 1, 5, 60, 0)
rotation(1, 7, 7, 359, 0)
