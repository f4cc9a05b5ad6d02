#!/usr/bin/python3
"""Makes sequence_memory.txt: how many bytes PyTorch holds for recurrent loops, a character LSTM and a small GPT. Run with a Python that has
torch 1.13:

    tests/golden/make_sequence_memory.py > tests/golden/sequence_memory.txt

A line gives, for one forward and backward pass, in bytes:

    held      after forward: the storages, each counted once, of the tensors that the graph has saved
              (torch.autograd.graph.saved_tensors_hooks) and of those that the program itself still holds; without parameters and inputs
    allocator the peak above the start of what PyTorch's allocator gave out and did not get back, by the profiler's memory events
    resident  the peak of the process's resident memory above the start; a pass before has loaded what is loaded on first use

Each is measured in a process of its own: hooks and profiler hold tensors, too."""

import os
import subprocess
import sys

LOOP = dict(steps=600, batch=32, embedding=64, hidden=128)
MODEL = dict(vocabulary=65, batch=32, steps=64)
NAMES = ("lstm_cell", "lstm_operations", "gru_cell", "rnn_cell", "char_lstm", "gpt_small")


def loop(torch, name):
    """A loop over 600 steps that a user writes; the loss is the mean square of h over all steps."""
    nn, F = torch.nn, torch.nn.functional
    T, B, E, H = LOOP["steps"], LOOP["batch"], LOOP["embedding"], LOOP["hidden"]
    x = torch.randn(T, B, E)
    cell = {"gru_cell": nn.GRUCell, "rnn_cell": nn.RNNCell}.get(name, nn.LSTMCell)(E, H)

    def forward(keep):
        h = c = torch.zeros(B, H)
        outputs = []
        for t in range(T):
            if name == "lstm_cell":
                h, c = cell(x[t], (h, c))
            elif name == "lstm_operations":
                gates = F.linear(x[t], cell.weight_ih, cell.bias_ih) + F.linear(h, cell.weight_hh, cell.bias_hh)
                i, f, g, o = gates.chunk(4, 1)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                h = torch.sigmoid(o) * torch.tanh(c)
            else:
                h = cell(x[t], h)
            outputs.append(h)
        loss = torch.stack(outputs).square().mean()
        keep += outputs + [h, c, loss]
        return loss

    return forward, [x] + list(cell.parameters())


def model(torch, name):
    """The networks of the benchmark of these names; the loss is the cross-entropy over all positions."""
    nn, F = torch.nn, torch.nn.functional
    V, B, T, E, H, C = MODEL["vocabulary"], MODEL["batch"], MODEL["steps"], LOOP["embedding"], LOOP["hidden"], 128
    x, y = torch.randint(V, (B, T)), torch.randint(V, (B * T,))
    if name == "char_lstm":
        parts = nn.ModuleList([nn.Embedding(V, E), nn.LSTM(E, H, batch_first=True), nn.Linear(H, V)])
        scores = lambda: parts[2](parts[1](parts[0](x))[0])
    else:
        blocks = [nn.TransformerEncoderLayer(C, 4, 4 * C, 0.0, activation="gelu", batch_first=True, norm_first=True)
                  for _ in range(4)]
        parts = nn.ModuleList([nn.Embedding(V, C), nn.Embedding(T, C), *blocks, nn.LayerNorm(C), nn.Linear(C, V)])
        mask = torch.triu(torch.full((T, T), float("-inf")), 1)

        def scores():
            h = parts[0](x) + parts[1](torch.arange(T))
            for block in blocks:
                h = block(h, mask)
            return parts[-1](parts[-2](h))

    def forward(keep):
        s = scores().reshape(-1, V)
        loss = F.cross_entropy(s, y)
        keep += [s, loss]
        return loss

    return forward, [x, y] + list(parts.parameters())


def held(torch, forward, given):
    storages, keep = {}, []

    def note(t):
        storages[t.storage().data_ptr()] = t.storage().nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(note, lambda t: t):
        loss = forward(keep)
    for t in keep:
        note(t)
    for t in given:
        storages.pop(t.storage().data_ptr(), None)
    del loss
    return sum(storages.values())


def allocator(torch, forward, given):
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        keep = []
        loss = forward(keep)
        loss.backward()
    now = most = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            most = max(most, now)
    return most


def status(key):
    for line in open("/proc/self/status"):
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    raise SystemExit("make_sequence_memory.py: /proc/self/status has no " + key)


def resident(torch, forward, given):
    small = torch.nn.LSTM(2, 2)
    (small(torch.randn(2, 2, 2))[0] @ torch.randn(2, 2)).square().mean().backward()
    with open("/proc/self/clear_refs", "w") as f:
        f.write("5")
    start = status("VmRSS")
    keep = []
    forward(keep).backward()
    return status("VmHWM") - start


def measure(name, what):
    import torch

    torch.manual_seed(1)
    torch.set_num_threads(1)
    forward, given = (loop if name in NAMES[:4] else model)(torch, name)
    print({"held": held, "allocator": allocator, "resident": resident}[what](torch, forward, given))


def main():
    import torch

    print("# Made by make_sequence_memory.py with PyTorch %s" % torch.__version__)
    for name in NAMES:
        row = [name]
        for what in ("held", "allocator", "resident"):
            out = subprocess.run([sys.executable, os.path.abspath(__file__), name, what], check=True, capture_output=True, text=True)
            row.append("%s %s" % (what, out.stdout.strip()))
        print(" ".join(row), flush=True)


if __name__ == "__main__":
    measure(*sys.argv[1:]) if len(sys.argv) == 3 else main()
