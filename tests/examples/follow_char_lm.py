#!/usr/bin/python3
"""Trains the network of char_lm in PyTorch, from the first weights and with the batches that follow_char_lm left in a folder, and
compares the loss on the last 5 % of the text. Run by hand, with a Python that has torch 1.13; both may run at the same time:

    mkdir lstm gpt
    build/tests/follow_char_lm lstm 2000 0.002 lstm; tests/examples/follow_char_lm.py lstm 0.002 lstm
    build/tests/follow_char_lm gpt 2000 0.001 gpt; tests/examples/follow_char_lm.py gpt 0.001 gpt

Exit status 0 if the two losses are within 1 %."""

import json
import os
import struct
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

WINDOW, BATCH = 64, 32


def tensors(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            assert entry["dtype"] == "F32"
            yield name, torch.frombuffer(bytearray(data[begin:end]), dtype=torch.float32).reshape(entry["shape"])


def tokens(path):
    with open(path, "rb") as file:
        rows = torch.frombuffer(bytearray(file.read()), dtype=torch.uint8).reshape(-1, WINDOW + 1).long()
    return rows[:, :-1], rows[:, 1:].reshape(-1, WINDOW)


class Lstm(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.tok, self.lstm, self.out = nn.Embedding(vocabulary, 64), nn.LSTM(64, 128, batch_first=True), nn.Linear(128, vocabulary)

    def forward(self, x):
        return self.out(self.lstm(self.tok(x))[0])


class Gpt(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.tok, self.pos = nn.Embedding(vocabulary, 128), nn.Embedding(WINDOW, 128)
        self.layers = nn.ModuleList([nn.TransformerEncoderLayer(128, 4, 512, 0.0, activation="gelu", batch_first=True, norm_first=True)
                                     for _ in range(4)])
        self.norm, self.out = nn.LayerNorm(128), nn.Linear(128, vocabulary)
        self.later = torch.triu(torch.full((WINDOW, WINDOW), float("-inf")), 1)

    def forward(self, x):
        h = self.tok(x) + self.pos.weight
        for layer in self.layers:
            h = layer(h, self.later)
        return self.out(self.norm(h))


def main():
    kind, rate, folder = sys.argv[1], float(sys.argv[2]), sys.argv[3]
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    first = {name.replace("blocks.", ""): t for name, t in tensors(folder + "/first.safetensors")}
    net = (Gpt if kind == "gpt" else Lstm)(len(first["tok.weight"]))
    net.load_state_dict(first)
    optimizer = (torch.optim.AdamW if kind == "gpt" else torch.optim.Adam)(net.parameters(), lr=rate)
    x, y = tokens(folder + "/batches.bin")
    losses = []
    begun = time.time()
    for step in range(0, len(x), BATCH):
        loss = F.cross_entropy(net(x[step:step + BATCH]).flatten(0, 1), y[step:step + BATCH].reshape(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if step // BATCH % 100 == 0:
            print("step %d: %.4f, %.0f s" % (step // BATCH, losses[-1], time.time() - begun), file=sys.stderr, flush=True)
    x, y = tokens(folder + "/judge.bin")
    net.train()  # no dropout: the same numbers, without the fused path of inference
    with torch.no_grad():
        theirs = sum(F.cross_entropy(net(x[i:i + BATCH]).flatten(0, 1), y[i:i + BATCH].reshape(-1), reduction="sum").item()
                     for i in range(0, len(x), BATCH)) / x.numel()
    with open(folder + "/pytorch.txt", "w") as file:
        file.writelines("%.9g\n" % v for v in losses + [theirs])
    while True:
        with open(folder + "/losses.txt") as file:
            ours = [float(line) for line in file]
        if len(ours) > len(losses):
            break
        time.sleep(2)  # the other side is not done yet
    print("%s after %d steps, nats a character on the last 5 %%: %.5f, PyTorch %.5f, difference %.2f %%; the first %d steps of training "
          "agree to 1e-4" % (kind, len(losses), ours[-1], theirs, 100 * (ours[-1] / theirs - 1),
                            next((i for i, (a, b) in enumerate(zip(ours, losses)) if abs(a - b) > 1e-4), len(losses))))
    sys.exit(abs(ours[-1] / theirs - 1) > 0.01)


if __name__ == "__main__":
    main()
