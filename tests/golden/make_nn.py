#!/usr/bin/python3
"""Makes nn.txt: what PyTorch's layers compute in float64, what their state is called, and from which
distributions they start. Run with a Python that has torch 1.13:

    tests/golden/make_nn.py > tests/golden/nn.txt

Weights, inputs and cotangents are not written out: both sides draw them from the same 31-bit linear
congruential generator, whose numbers are exact in float64. State tensors are drawn in the order of
state_dict(), tied ones once, running variances made positive, counters left alone; then the input; then
the cotangent of the output. A model is run once in training mode, differentiated, and once more in
evaluation mode.

    model <name> <number of state tensors>
    state <name> <ndim> <sizes…>
    train <count> <numbers…>             output in training mode
    grad <parameter> <count> <numbers…>  of <output, cotangent>
    dx <count> <numbers…>                the same for the input
    buffer <name> <count> <numbers…>     afterwards
    eval <count> <numbers…>              output in evaluation mode
    gain <nonlinearity> <param> <gain>
    fill <name> <gain> <ndim> <sizes…> <kind> <a> <b>   uniform in a..b, or normal of mean a and deviation b
    start <layer> <parameter> <a> <b>    uniform in a..b
"""

import torch
from torch import nn
from torch.nn.utils import spectral_norm

torch.set_default_dtype(torch.float64)


class Draws:
    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state * 1103515245 + 12345) % 2**31
        return self.state / 2**30 - 1

    def tensor(self, shape):
        count = 1
        for n in shape:
            count *= n
        return torch.tensor([self.next() for _ in range(count)]).reshape(shape)


class Residual(nn.Module):
    """y = scale * (out(relu(body(x))) + x + shift): parameters of its own before its children."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6))
        self.out = nn.Linear(6, 4)
        self.scale = nn.Parameter(torch.ones(4))
        self.register_buffer("shift", torch.zeros(4))

    def forward(self, x):
        return self.scale * (self.out(torch.relu(self.body(x))) + x + self.shift)


def tied():
    shared = nn.Linear(4, 4)
    return nn.Sequential(shared, nn.Tanh(), shared)


MODELS = [
    ("mlp", nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3, bias=False)), (5, 4)),
    ("linear_3d", nn.Linear(4, 3), (2, 3, 4)),
    ("cnn", nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.LeakyReLU(0.2), nn.MaxPool2d(2),
        nn.Conv2d(4, 6, (3, 2), stride=(1, 2), padding=(1, 0), dilation=(1, 2), groups=2, bias=False),
        nn.AdaptiveAvgPool2d((2, 1)), nn.Flatten(), nn.Linear(12, 3)), (3, 2, 12, 11)),
    ("deconv", nn.Sequential(
        nn.Linear(3, 24), nn.Unflatten(1, (4, 2, 3)), nn.BatchNorm2d(4), nn.ReLU(), nn.ConvTranspose2d(4, 6, 4, 2, 1), nn.Tanh(),
        nn.ConvTranspose2d(6, 4, (3, 2), stride=(2, 3), padding=(1, 0), output_padding=(1, 2), dilation=(1, 2), groups=2,
                           bias=False)), (3, 3)),
    ("spectral_linear", nn.Sequential(spectral_norm(nn.Linear(4, 5)), nn.Tanh(), spectral_norm(nn.Linear(5, 2, bias=False))), (3, 4)),
    ("spectral_conv", spectral_norm(nn.Conv2d(4, 6, (3, 2), stride=(1, 2), groups=2)), (2, 4, 5, 5)),
    ("spectral_deconv", spectral_norm(nn.ConvTranspose2d(3, 4, 3, stride=2)), (2, 3, 3, 2)),
    ("spectral_more", spectral_norm(nn.Linear(4, 3), n_power_iterations=3, eps=1e-6, dim=1), (2, 4)),
    ("conv_same", nn.Conv2d(1, 2, 4, padding="same"), (2, 1, 5, 6)),
    ("conv_valid", nn.Conv2d(1, 2, 3, padding="valid"), (2, 1, 5, 6)),
    ("line", nn.Sequential(
        nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4), nn.ReLU(), nn.MaxPool1d(2),
        nn.Conv1d(4, 6, 2, stride=2, padding=1, dilation=3, groups=2, bias=False), nn.AdaptiveAvgPool1d(3), nn.Flatten(),
        nn.Linear(18, 3)), (3, 2, 23)),
    ("line_same", nn.Conv1d(2, 3, 4, padding="same"), (2, 2, 6)),
    ("line_valid", nn.Conv1d(2, 3, 3, padding="valid"), (2, 2, 6)),
    ("line_depthwise", nn.Conv1d(3, 6, 3, padding=2, groups=3), (2, 3, 7)),
    ("line_pools", nn.Sequential(
        nn.AvgPool1d(2), nn.AvgPool1d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False),
        nn.MaxPool1d(2, stride=1, padding=1)), (2, 3, 22)),
    ("pools", nn.Sequential(
        nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False),
        nn.MaxPool2d((2, 3), stride=1, padding=(1, 1))), (2, 3, 8, 9)),
    ("batch_norm1d", nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)), (6, 4)),
    ("batch_norm1d_length", nn.BatchNorm1d(3), (4, 3, 5)),
    ("activations", nn.Sequential(
        nn.Linear(5, 5), nn.ELU(0.7), nn.Linear(5, 5), nn.GELU(), nn.Linear(5, 5), nn.SiLU(),
        nn.Linear(5, 5), nn.Sigmoid(), nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 5), nn.Softplus(),
        nn.Identity(), nn.Linear(5, 5), nn.Softmax(-1)), (4, 5)),
    ("log_softmax", nn.LogSoftmax(1), (4, 5)),
    ("dropout_none", nn.Sequential(nn.Linear(4, 3), nn.Dropout(0)), (2, 4)),
    ("dropout_all", nn.Sequential(nn.Linear(4, 3), nn.Dropout(1)), (2, 4)),
    ("residual", Residual(), (5, 4)),
    ("tied", tied(), (3, 4)),
]


def numbers(t):
    return "%d %s" % (t.numel(), " ".join("%.17g" % v for v in t.detach().reshape(-1).tolist()))


def run(name, model, shape):
    draws = Draws(len(name) + 100)
    state = model.state_dict()
    print("model", name, len(state))
    filled = set()
    for key, value in state.items():
        print("state", key, value.dim(), *value.shape)
        if value.is_floating_point() and value.data_ptr() not in filled:
            filled.add(value.data_ptr())
            drawn = draws.tensor(value.shape)
            value.copy_(drawn.abs() + 0.5 if key.endswith("running_var") else drawn)
    x = draws.tensor(shape).requires_grad_()
    y = model(x)
    print("train", numbers(y))
    cotangent = draws.tensor(y.shape)
    (y * cotangent).sum().backward()
    for key, parameter in model.named_parameters():
        print("grad", key, numbers(parameter.grad))
    print("dx", numbers(x.grad))
    for key, buffer in model.named_buffers():
        print("buffer", key, numbers(buffer.double()))
    model.eval()
    print("eval", numbers(model(x)))


spied = []


def spy(kind):
    def call(tensor, a=0, b=1):
        spied.append((kind, a, b))
        return tensor

    return call


def initialisers():
    for name, param in [("linear", 0), ("sigmoid", 0), ("tanh", 0), ("relu", 0), ("leaky_relu", 0.01),
                        ("leaky_relu", 0.2), ("selu", 0)]:
        print("gain", name, param, "%.17g" % nn.init.calculate_gain(name, param))
    torch.Tensor.uniform_ = spy("uniform")
    torch.Tensor.normal_ = spy("normal")
    for shape in [(40, 60), (20, 10, 3, 5)]:
        w = torch.empty(shape)
        for gain in [1, 5 / 3]:
            slope = (2 / gain**2 - 1) ** 0.5 if gain < 2**0.5 else None
            nn.init.xavier_uniform_(w, gain)
            show_fill("xavier_uniform", gain, shape)
            nn.init.xavier_normal_(w, gain)
            show_fill("xavier_normal", gain, shape)
            for mode in ["fan_in", "fan_out"]:
                function = "leaky_relu" if slope is not None else "tanh"
                nn.init.kaiming_uniform_(w, slope or 0, mode, function)
                show_fill("kaiming_uniform_" + mode, gain, shape)
                nn.init.kaiming_normal_(w, slope or 0, mode, function)
                show_fill("kaiming_normal_" + mode, gain, shape)
    for name, make in [("linear", lambda: nn.Linear(50, 70)), ("conv", lambda: nn.Conv2d(6, 40, (3, 5), groups=2)),
                       ("line", lambda: nn.Conv1d(6, 40, 15, groups=2)),
                       ("deconv", lambda: nn.ConvTranspose2d(6, 40, (3, 5), groups=2))]:
        spied.clear()
        make()
        for parameter, (_, a, b) in zip(["weight", "bias"], spied):
            print("start", name, parameter, "%.17g %.17g" % (a, b))


def show_fill(name, gain, shape):
    kind, a, b = spied.pop()
    print("fill", name, "%.17g" % gain, len(shape), *shape, kind, "%.17g %.17g" % (a, b))


for each in MODELS:
    run(*each)
initialisers()
