#!/usr/bin/python3
"""Makes generation.txt: probabilities of the next token after temperature, top-k and top-p, as PyTorch computes them in float64, and the
sequences that beam search and exhaustive search find in a small model. Run with a Python that has torch 1.13:

    tests/golden/make_generation.py > tests/golden/generation.txt

    probabilities <temperature> <k> <p> <rows> <vocabulary> <scores…> <probabilities…>
    beam <name> <seed> <vocabulary> <stop> <length> <width> <count> <alpha> <found>
    sequence <ended> <log probability> <score> <tokens>         one line for each that is found

The small model has seven states and begins in state 0; a token moves it from s to (3 s + token + 1) mod 7, and the scores of the next token
are a row of a table (7,vocabulary) with numbers from the 31-bit linear congruential generator of make_nn.py, in -2..2."""

import itertools
import math

import torch

torch.set_default_dtype(torch.float64)


class Draws:
    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state * 1103515245 + 12345) % 2**31
        return self.state / 2**30 - 1


# ---- one token ---------------------------------------------------------------------------------------------------------------


def warp(scores, temperature, k, p):
    if temperature == 0:
        y = torch.zeros_like(scores)
        for i, row in enumerate(scores.tolist()):
            y[i, row.index(max(row))] = 1
        return y
    scores = (scores - scores.max(-1, keepdim=True).values) / temperature
    if k > 0:
        least = scores.topk(min(k, scores.shape[-1])).values[:, -1:]
        scores = scores.masked_fill(scores < least, -math.inf)
    if p < 1:
        ranked, order = scores.sort(dim=-1, descending=True, stable=True)
        shares = ranked.softmax(-1)
        out = shares.cumsum(-1) - shares >= p  # what came before it is enough
        scores = scores.masked_fill(torch.zeros_like(out).scatter(-1, order, out), -math.inf)
    return scores.softmax(-1)


def numbers(values):
    return " ".join("%.17g" % v for v in values)


def probabilities():
    draws = Draws(5)
    for rows, vocabulary, rounded in (3, 7, False), (2, 12, True), (1, 1, False), (2, 40, False):
        scores = torch.tensor([[3 * draws.next() for _ in range(vocabulary)] for _ in range(rows)])
        if rounded:  # many equals
            scores = scores.round()
        if vocabulary == 7:
            scores[1, 2] = scores[1, 5] = -math.inf
        for temperature, k, p in ((1, 0, 1), (0, 0, 1), (0, 3, 0.5), (0.5, 0, 1), (2, 0, 1), (1e-3, 0, 1), (1e-300, 0, 1), (1e6, 0, 1),
                                  (1, 1, 1), (1, 3, 1), (1, vocabulary, 1), (1, vocabulary + 5, 1), (0.7, 5, 1), (1, 0, 0.9),
                                  (1, 0, 0.5), (1, 0, 1e-9), (1, 0, 0.999999), (1.5, 6, 0.8), (0.8, 2, 0.6), (1, 3, 0.95)):
            y = warp(scores, temperature, k, p)
            print("probabilities %r %d %r %d %d %s %s" % (temperature, k, p, rows, vocabulary, numbers(scores.flatten().tolist()),
                                                          numbers(y.flatten().tolist())))


# ---- beams -------------------------------------------------------------------------------------------------------------------


class Model:
    def __init__(self, seed, vocabulary):
        draws = Draws(seed)
        self.table = torch.tensor([[2 * draws.next() for _ in range(vocabulary)] for _ in range(7)]).log_softmax(-1).tolist()

    def log_probabilities(self, tokens):
        s = 0
        for token in tokens:
            s = (3 * s + token + 1) % 7
        return self.table[s]

    def log_probability(self, prompt, tokens):
        return sum(self.log_probabilities(prompt + tokens[:i])[token] for i, token in enumerate(tokens))


def exhaustive(model, prompt, vocabulary, stop, length, alpha):
    found = []
    for n in range(1, length + 1):
        for tokens in itertools.product(range(vocabulary), repeat=n):
            ended = tokens[-1] == stop
            if stop in tokens[:-1] or (n < length and not ended):
                continue
            total = model.log_probability(prompt, list(tokens))
            found.append((total / n**alpha, total, ended, list(tokens)))
    return sorted(found, key=lambda f: -f[0])


def beam(model, prompt, vocabulary, stop, length, width, alpha, lenient=False):
    """To the limit, without stopping early. lenient: whatever ends and is more probable than one that is followed is a result."""
    live, found = [(0.0, [])], []
    for n in range(1, length + 1):
        ranked = [(total + p, tokens + [token])
                  for total, tokens in live for token, p in enumerate(model.log_probabilities(prompt + tokens))]
        ranked.sort(key=lambda r: -r[0])
        live = [r for r in ranked if r[1][-1] != stop][:width]
        counted = ranked[:ranked.index(live[-1])] if lenient else ranked[:width]
        found += [(total / n**alpha, total, True, tokens) for total, tokens in counted if tokens[-1] == stop]
    found += [(total / length**alpha, total, False, tokens) for total, tokens in live]
    return sorted(found, key=lambda f: -f[0])


def show(name, seed, vocabulary, stop, length, width, count, alpha, found):
    found = found[:count]
    print("beam %s %d %d %d %d %d %d %r %d" % (name, seed, vocabulary, stop, length, width, count, alpha, len(found)))
    for score, total, ended, tokens in found:
        print("sequence %d %.17g %.17g %s" % (ended, total, score, " ".join(map(str, tokens))))


def beams():
    prompt = [1, 0]
    differ = 0
    for seed, vocabulary, stop, length in (1, 3, -1, 5), (2, 4, -1, 4), (3, 3, 2, 6), (4, 4, 0, 5), (5, 5, 4, 4):
        for alpha in 0, 0.7, 1, 2:
            best = exhaustive(Model(seed, vocabulary), prompt, vocabulary, stop, length, alpha)
            show("exhaustive", seed, vocabulary, stop, length, vocabulary**(length - 1), 5, alpha, best)
            for width in 1, 2, 3, 7:
                found = beam(Model(seed, vocabulary), prompt, vocabulary, stop, length, width, alpha)
                show("beam", seed, vocabulary, stop, length, width, min(width, 3), alpha, found)
                differ += found[0][3] != best[0][3]
    shown = 0
    for seed in range(10, 2000):
        for width in 2, 3, 4:
            strict, lenient = (beam(Model(seed, 4), prompt, 4, 1, 5, width, 0.7, way) for way in (False, True))
            if shown < 4 and [f[3] for f in strict[:width]] != [f[3] for f in lenient[:width]]:
                show("beam", seed, 4, 1, 5, width, width, 0.7, strict)
                shown += 1
    assert shown == 4
    assert differ > 5  # narrow beams miss the best now and then, else the cases would show little


print("# Made by make_generation.py with PyTorch", torch.__version__)
probabilities()
beams()
