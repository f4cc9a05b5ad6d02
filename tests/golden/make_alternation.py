#!/usr/bin/python3
"""Makes tests/golden/alternation.txt: PyTorch's losses over 50 alternation steps of the example gan, in float64 and in float32.

    make_alternation.py examples/mnist_sample > tests/golden/alternation.txt

The weights are what torch.manual_seed(seed) and the layers' own initialisation give, the generator's first. Step k trains on digits
8 k … 8 k + 7 of the sample, from -1 to 1. The noise of step k, (8,64), is uniform with variance 1, and after it, for the penalty,
comes the share of the false pictures, (8,1,1,1): torch.rand in float32 after torch.manual_seed(1000 + seed). A line holds the
discriminator's loss of each step, then the generator's of the steps in which it learns (with the penalty each fifth)."""
import gzip
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

STEPS, BATCH = 50, 8
# How many starts, with the seeds from 1 on. In some of them rounding takes a number over the kink of a leaky ReLU, in PyTorch's float32
# as in any other (mlp with least squares: in 4 of 14); there are enough for that to happen on both sides, or on neither.
STARTS = {"dcgan": {"non-saturating": 3, "least-squares": 3, "hinge": 12, "wasserstein": 10},
          "mlp": {"non-saturating": 14, "least-squares": 14, "hinge": 3, "wasserstein": 5}}


def mlp(loss):
    generator = nn.Sequential(nn.Linear(64, 256), nn.LeakyReLU(0.2), nn.Linear(256, 512), nn.LeakyReLU(0.2), nn.Linear(512, 784),
                              nn.Tanh(), nn.Unflatten(1, (1, 28, 28)))
    discriminator = nn.Sequential(nn.Flatten(), nn.Linear(784, 512), nn.LeakyReLU(0.2), nn.Linear(512, 256), nn.LeakyReLU(0.2),
                                  nn.Linear(256, 1))
    return generator, discriminator


def dcgan(loss):
    generator = nn.Sequential(nn.Linear(64, 64 * 49), nn.Unflatten(1, (64, 7, 7)), nn.BatchNorm2d(64), nn.ReLU(),
                              nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.BatchNorm2d(32), nn.ReLU(), nn.ConvTranspose2d(32, 1, 4, 2, 1),
                              nn.Tanh())
    discriminator = nn.Sequential(nn.Conv2d(1, 32, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(32, 64, 4, 2, 1),
                                  nn.Identity() if loss == "wasserstein" else nn.BatchNorm2d(64), nn.LeakyReLU(0.2), nn.Flatten(),
                                  nn.Linear(64 * 49, 128), nn.LeakyReLU(0.2), nn.Linear(128, 1))
    return generator, discriminator


def discriminator_loss(loss, real, fake):
    if loss == "non-saturating":
        return (F.binary_cross_entropy_with_logits(real, torch.ones_like(real)) +
                F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake)))
    if loss == "least-squares":
        return F.mse_loss(real, torch.ones_like(real)) + F.mse_loss(fake, torch.zeros_like(fake))
    if loss == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    return fake.mean() - real.mean()


def generator_loss(loss, fake):
    if loss == "non-saturating":
        return F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))
    if loss == "least-squares":
        return F.mse_loss(fake, torch.ones_like(fake))
    return -fake.mean()


def penalty(discriminator, real, fake, share):
    between = (real + share * (fake - real)).requires_grad_()
    gradient, = torch.autograd.grad(discriminator(between).sum(), between, create_graph=True)
    return ((gradient.flatten(1).norm(2, 1) - 1) ** 2).mean()


def run(networks, loss, seed, dtype, images):
    wasserstein = loss == "wasserstein"
    torch.manual_seed(seed)
    generator, discriminator = (net.to(dtype) for net in networks(loss))
    adam = {"lr": 2e-4, "betas": (0, 0.9) if wasserstein else (0.5, 0.999)}
    g_opt = torch.optim.Adam(generator.parameters(), **adam)
    d_opt = torch.optim.Adam(discriminator.parameters(), **adam)
    torch.manual_seed(1000 + seed)
    d_losses, g_losses = [], []
    for k in range(STEPS):
        real = images[BATCH * k:BATCH * (k + 1)].to(dtype) / 255 * 2 - 1
        noise = (torch.rand(BATCH, 64).to(dtype) - 0.5) * 12 ** 0.5
        share = torch.rand(BATCH, 1, 1, 1).to(dtype) if wasserstein else None
        fake = generator(noise)
        d_loss = discriminator_loss(loss, discriminator(real), discriminator(fake.detach()))
        if wasserstein:
            d_loss = d_loss + 10 * penalty(discriminator, real, fake.detach(), share)
        d_opt.zero_grad(set_to_none=True)
        d_loss.backward()
        d_opt.step()
        d_losses.append(d_loss.item())
        if not wasserstein or k % 5 == 0:
            g_loss = generator_loss(loss, discriminator(fake))
            g_opt.zero_grad(set_to_none=True)
            g_loss.backward()
            g_opt.step()
            g_losses.append(g_loss.item())
    return d_losses + g_losses


def main():
    images = gzip.open(sys.argv[1] + "/train-images-idx3-ubyte.gz").read()[16:]
    images = torch.frombuffer(bytearray(images), dtype=torch.uint8).reshape(-1, 1, 28, 28)
    torch.set_num_threads(1)
    print("# Made by make_alternation.py with PyTorch " + torch.__version__)
    for networks in (dcgan, mlp):
        for loss, starts in STARTS[networks.__name__].items():
            for seed in range(1, starts + 1):
                for dtype in (torch.float64, torch.float32):
                    values = run(networks, loss, seed, dtype, images)
                    print(networks.__name__, loss, seed, str(dtype)[6:], " ".join("%.14g" % x for x in values), flush=True)


if __name__ == "__main__":
    main()
