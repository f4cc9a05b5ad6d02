#!/usr/bin/python3
"""Makes critique.txt: what is said of made-up pictures, computed with NumPy and torch in float64. Run with torch 1.13:

    tests/golden/make_critique.py > tests/golden/critique.txt

Points are drawn as in make_nn.py, from the 31-bit linear congruential generator, in -1..1: n1 of them with seed 3, n2 with seed 4, each
times the scale of its cloud, the coordinates of a point in turn; for `mixed` coordinate j has then half of coordinate j - 1 added, from
the last to the second.

    frechet <name> <d> <n1> <scale1> <n2> <scale2> <mixed> <distance> <mean1[0]> <covariance1[0,1]>

The trace of the root of the product of the covariances A'A and B'B (A, B: centred points, divided by the root of n - 1) is the sum of the
singular values of A B': no covariance and no root of a matrix is computed. The fourth case has fewer points than coordinates.

    eigen <d> <eigenvalues of the covariance of the mixed points of seed 3, d + 5 of them, ascending>
    variance <ratio>           points as features (d = 3): 40 made up, seed 5; 50 real, seed 6; class i % 4, but made up never 3
    nearest <4 distances>      of 4 points (d = 6) of seed 7, as float32, to 9 of seed 8
    pictures <n> <share 0..9> <confidence> <variance> <frechet> <nearest> <accuracy>

The last is the whole way: the critic's weights, evaluated by torch in float64; the n pictures are the means of neighbours among the
sample's training pictures, (i, i + 1) for i below n, in float32; its test pictures are the real ones. Distances are those of
numpy.linalg.norm to every training picture.
"""

import gzip
import json
import os

import numpy as np
import torch

here = os.path.dirname(os.path.abspath(__file__))
sample = os.path.join(here, "../../examples/mnist_sample")
weights = os.path.join(here, "../../examples/judge/mnist.safetensors")


def draws(seed, *shape):
    values, state = np.empty(int(np.prod(shape))), seed
    for i in range(values.size):
        state = (state * 1103515245 + 12345) % 2**31
        values[i] = state / 2**30 - 1
    return values.reshape(shape)


def mix(x):
    for j in range(x.shape[1] - 1, 0, -1):
        x[:, j] += 0.5 * x[:, j - 1]
    return x


def frechet(a, b):
    apart = a.mean(0) - b.mean(0)
    a, b = ((x - x.mean(0)) / np.sqrt(len(x) - 1) for x in (a, b))
    return apart @ apart + (a**2).sum() + (b**2).sum() - 2 * np.linalg.svd(a @ b.T, compute_uv=False).sum()


def variance(made, made_class, real, real_class):
    ratios = []
    for k in range(10):
        r, m = real[real_class == k], made[made_class == k]
        if len(r) >= 2 and r.var(0).sum() > 0:
            ratios.append(m.var(0, ddof=1).sum() / r.var(0, ddof=1).sum() if len(m) >= 2 else 0.0)
    return np.mean(ratios)


def line(*words):
    print(*("%.17g" % w if isinstance(w, float) else str(w) for w in words))


def frechet_case(name, d, n1, scale1, n2, scale2, mixed):
    a, b = draws(3, n1, d) * scale1, draws(4, n2, d) * scale2
    if mixed:
        a, b = mix(a), mix(b)
    line("frechet", name, d, n1, float(scale1), n2, float(scale2), int(mixed), float(frechet(a, b)), float(a.mean(0)[0]),
         float(np.cov(a.T)[0, 1]))


frechet_case("plain", 4, 30, 1, 50, 1, False)
frechet_case("scaled", 7, 200, 3, 100, 0.25, False)
frechet_case("mixed", 12, 60, 2, 80, 1, True)
frechet_case("few", 20, 12, 1, 40, 1, True)
frechet_case("large", 64, 300, 5, 200, 4, True)
line("eigen", 9, *(float(v) for v in np.linalg.eigvalsh(np.cov(mix(draws(3, 14, 9)).T))))
made_class = np.arange(40) % 4
made_class[made_class == 3] = 0
line("variance", float(variance(draws(5, 40, 3), made_class, draws(6, 50, 3), np.arange(50) % 4)))
a, b = draws(7, 4, 6).astype(np.float32).astype(float), draws(8, 9, 6).astype(np.float32).astype(float)
line("nearest", *(float(np.linalg.norm(b - p, axis=1).min()) for p in a))


def idx(name, skip):
    with gzip.open(os.path.join(sample, name)) as file:
        return np.frombuffer(file.read(), np.uint8, offset=skip)


def state():
    with open(weights, "rb") as file:
        data = file.read()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            numbers = np.frombuffer(data[8 + length + begin : 8 + length + end], np.float32).reshape(entry["shape"])
            tensors[name] = torch.from_numpy(numbers.astype(float))
    return tensors


def look(pictures):
    w, f = state(), torch.nn.functional
    x = torch.from_numpy(pictures.astype(np.float32)).double().reshape(-1, 1, 28, 28)
    x = f.max_pool2d(f.relu(f.conv2d(x, w["0.0.weight"], w["0.0.bias"])), 2)
    x = f.max_pool2d(f.relu(f.conv2d(x, w["0.3.weight"], w["0.3.bias"])), 2)
    x = f.relu(f.conv2d(x, w["0.6.weight"], w["0.6.bias"])).flatten(1)
    x = f.relu(f.linear(x, w["0.9.weight"], w["0.9.bias"]))
    p = f.softmax(f.linear(x, w["1.weight"], w["1.bias"]), 1)
    return x.numpy(), p.argmax(1).numpy(), p.max(1).values.numpy()


train = (idx("train-images-idx3-ubyte.gz", 16).reshape(-1, 784) / 255).astype(np.float32)
test = (idx("t10k-images-idx3-ubyte.gz", 16).reshape(-1, 784) / 255).astype(np.float32)
n = 300
made = (train[:n] + train[1 : n + 1]) / np.float32(2)
made_features, made_class, confidence = look(made)
real_features, real_class, _ = look(test)


def median_nearest(pictures):
    return np.median([np.linalg.norm(train.astype(float) - p, axis=1).min() for p in pictures.astype(float)])


line("pictures", n, *(float((made_class == k).mean()) for k in range(10)), float(confidence.mean()),
     float(variance(made_features, made_class, real_features, real_class)), float(frechet(made_features, real_features)),
     float(median_nearest(made) / median_nearest(test[:n])), float((real_class == idx("t10k-labels-idx1-ubyte.gz", 8)).mean()))
