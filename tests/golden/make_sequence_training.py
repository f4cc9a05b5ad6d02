#!/usr/bin/python3
"""Makes sequence_training.txt: PyTorch's losses over 100 training steps of a character LSTM and of a small GPT, in float64 and in
float32. Run with a Python that has torch 1.13:

    tests/golden/make_sequence_training.py > tests/golden/sequence_training.txt

Weights and tokens are drawn on both sides from the same 31-bit linear congruential generator, whose numbers are exact in float64;
the float32 run starts from the same numbers, rounded."""

import torch
import torch.nn as nn
import torch.nn.functional as F

VOCABULARY, BATCH, STEPS, WIDTH, HEADS = 11, 8, 24, 32, 4
SEEDS = (1, 2, 3, 4, 17)  # 17 magnifies rounding most of the first forty


class Draws:
    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state * 1103515245 + 12345) % 2**31
        return self.state


def fill(modules, draws, dtype):
    for module in modules:
        for name, p in module.state_dict().items():
            values = [0.3 * (draws.next() / 2**30 - 1) for _ in range(p.numel())]
            one = 1.0 if "norm" in name and name.endswith("weight") else 0.0
            p.copy_((torch.tensor(values, dtype=torch.float64) + one).reshape(p.shape).to(dtype))


def batch(draws):
    """The next token is twice the one before plus 0, 1 or 2."""
    rows = []
    for _ in range(BATCH):
        row = [draws.next() // 2**16 % VOCABULARY]
        for _ in range(STEPS):
            row.append((2 * row[-1] + draws.next() // 2**16 % 3) % VOCABULARY)
        rows.append(row)
    tokens = torch.tensor(rows)
    return tokens[:, :-1], tokens[:, 1:]


def lstm(dtype):
    embed, layer, head = nn.Embedding(VOCABULARY, WIDTH), nn.LSTM(WIDTH, WIDTH, 2, batch_first=True), nn.Linear(WIDTH, VOCABULARY)
    return [m.to(dtype) for m in (embed, layer, head)], lambda x: head(layer(embed(x))[0])


def gpt(dtype):
    embed, place = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(STEPS, WIDTH)
    block = nn.TransformerEncoderLayer(WIDTH, HEADS, 64, 0.0, "gelu", batch_first=True, norm_first=True)
    body = nn.TransformerEncoder(block, 2, nn.LayerNorm(WIDTH))
    head = nn.Linear(WIDTH, VOCABULARY)
    later = torch.full((STEPS, STEPS), float("-inf"), dtype=dtype).triu(1)
    return [m.to(dtype) for m in (embed, place, body, head)], lambda x: head(body(embed(x) + place.weight, later))


def losses(network, dtype, seed):
    modules, forward = network(dtype)
    draws = Draws(seed)
    fill(modules, draws, dtype)
    optimizer = torch.optim.Adam([p for m in modules for p in m.parameters()], lr=3e-3)
    for _ in range(100):
        x, y = batch(draws)
        loss = F.cross_entropy(forward(x).reshape(-1, VOCABULARY), y.reshape(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        yield loss.item()


def main():
    torch.set_num_threads(1)
    print("# Made by make_sequence_training.py with PyTorch", torch.__version__)
    for network in (lstm, gpt):
        for seed in SEEDS:
            for dtype in (torch.float64, torch.float32):
                values = " ".join("%.17g" % x for x in losses(network, dtype, seed))
                print("%s.%d" % (network.__name__, seed), str(dtype)[6:], values)


if __name__ == "__main__":
    main()
