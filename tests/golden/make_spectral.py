#!/usr/bin/python3
"""Makes spectral.txt and formats/spectral*.safetensors: a discriminator with spectral normalisation, trained for some steps by PyTorch in
float64. Run with torch 1.13:

    tests/golden/make_spectral.py tests/golden

Numbers come from the 31-bit linear congruential generator of make_nn.py, seed 21: the state in the order of state_dict(), u and v among
it as they come; then for each step 4 real and 4 false pictures. Each step has two forwards, so that u and v move between the two and
one backward goes through both; then Adam with rate 0.01.

    loss <step> <hinge loss>
    state <name> <count> <numbers…>      after the last step
    eval <count> <numbers…>              of the last real pictures, afterwards

formats/spectral.safetensors is the state after the last step, formats/spectral_new.safetensors the same under the names of
torch.nn.utils.parametrizations.spectral_norm().
"""

import sys
from pathlib import Path

import torch
from make_formats import write
from torch import nn
from torch.nn.utils import parametrizations, spectral_norm

torch.set_default_dtype(torch.float64)
STEPS = 8


class Draws:
    def __init__(self, seed):
        self.state = seed

    def tensor(self, shape):
        values = []
        for _ in range(shape.numel()):
            self.state = (self.state * 1103515245 + 12345) % 2**31
            values.append(self.state / 2**30 - 1)
        return torch.tensor(values).reshape(shape)


def net(norm):
    return nn.Sequential(norm(nn.Conv2d(1, 3, 3, stride=2, padding=1)), nn.LeakyReLU(0.2), norm(nn.ConvTranspose2d(3, 2, 3)), nn.Tanh(),
                         nn.Flatten(), norm(nn.Linear(50, 1)))


def numbers(t):
    return "%d %s" % (t.numel(), " ".join("%.17g" % v for v in t.detach().reshape(-1).tolist()))


def main():
    folder = Path(sys.argv[1])
    draws, d = Draws(21), net(spectral_norm)
    for value in d.state_dict().values():
        value.copy_(draws.tensor(value.shape))
    optimizer = torch.optim.Adam(d.parameters(), lr=0.01)
    with open(folder / "spectral.txt", "w") as file:
        for step in range(STEPS):
            real, fake = draws.tensor(torch.Size([4, 1, 6, 6])), draws.tensor(torch.Size([4, 1, 6, 6]))
            loss = torch.relu(1 - d(real)).mean() + torch.relu(1 + d(fake)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            print("loss", step, "%.17g" % loss.item(), file=file)
        for name, value in d.state_dict().items():
            print("state", name, numbers(value), file=file)
        d.eval()
        print("eval", numbers(d(real)), file=file)
    state = d.state_dict()
    write(folder / "formats" / "spectral.safetensors", state)
    new = net(parametrizations.spectral_norm)
    names = {"weight_orig": "parametrizations.weight.original", "weight_u": "parametrizations.weight.0._u",
             "weight_v": "parametrizations.weight.0._v", "bias": "bias"}
    renamed = {key.split(".")[0] + "." + names[key.split(".")[1]]: value for key, value in state.items()}
    new.load_state_dict(renamed)
    assert torch.equal(new.eval()(real), d(real))
    write(folder / "formats" / "spectral_new.safetensors", new.state_dict())


main()
