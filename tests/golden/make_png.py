#!/usr/bin/python3
"""Makes png.txt and the files in png/: PNG files of the kinds that the library does not write, and pictures of another size, as Pillow
makes them. Run with Pillow 9.4 and NumPy:

    tests/golden/make_png.py tests/golden

    file <name> <height> <width> <colour> <height x width x 3 bytes>     over white
    resize <height> <width> <channels> <to height> <to width> <bytes…>   BILINEAR; the source is drawn

Bytes are drawn from the 31-bit linear congruential generator of make_nn.py: its bits 16 to 23, seed 5 for files and 6 for resizing.
Opaque and fully transparent pixels alternate in `alpha` and `grey_alpha`; 16-bit numbers are 257 times the drawn byte.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

SHAPE = (3, 5)


def draws(seed, *shape):
    values, state = np.empty(int(np.prod(shape)), np.uint8), seed
    for i in range(values.size):
        state = (state * 1103515245 + 12345) % 2**31
        values[i] = state >> 16 & 255
    return values.reshape(shape)


def line(*words):
    return " ".join(str(w) for w in words) + "\n"


def main():
    folder = Path(sys.argv[1])
    grey, colour = draws(5, *SHAPE), draws(5, *SHAPE, 3)
    opaque = (np.arange(15).reshape(SHAPE) % 2 == 0).astype(np.uint8) * 255
    white = np.where(opaque[..., None] == 255, colour, 255)
    palette = Image.fromarray(colour // 64 * 85).convert("P", palette=Image.Palette.ADAPTIVE)
    repeated = np.repeat(grey[..., None], 3, 2)
    files = [
        ("palette", palette, 1, np.asarray(palette.convert("RGB"))),
        ("alpha", Image.fromarray(np.dstack([colour, opaque])), 1, white),
        ("grey_alpha", Image.fromarray(np.dstack([grey, opaque])), 0, np.where(opaque[..., None] == 255, repeated, 255)),
        ("grey16", Image.fromarray(grey.astype(np.uint16) * 257), 0, repeated),
        ("bit1", Image.fromarray(grey > 127), 0, np.where(repeated > 127, 255, 0)),
    ]
    with open(folder / "png.txt", "w") as text:
        for name, image, has_colour, wanted in files:
            image.save(folder / "png" / f"{name}.png")
            text.write(line("file", name, *SHAPE, has_colour, *wanted.reshape(-1)))
        for h, w, c, to_h, to_w in [(13, 9, 1, 5, 7), (4, 3, 1, 9, 10), (20, 11, 3, 7, 11), (5, 40, 3, 12, 3), (64, 64, 1, 28, 28)]:
            source = draws(6, h, w, c)
            image = Image.fromarray(source[..., 0] if c == 1 else source)
            to = np.asarray(image.resize((to_w, to_h), Image.Resampling.BILINEAR))
            text.write(line("resize", h, w, c, to_h, to_w, *to.reshape(-1)))


main()
