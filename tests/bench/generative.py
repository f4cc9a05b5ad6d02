#!/usr/bin/python3
"""The networks of examples/vae and examples/gan in PyTorch, trained as those programs train them, to compare what comes out.

    generative.py vae FOLDER [--epochs 10] [--seed 1] [--latent 20]               prints the test loss after each epoch
    generative.py dcgan FOLDER SAMPLES.npy [--epochs 10] [--seed 1] [--n 10000] [--last]   writes what the generator makes, with the
                                                        mean of its weights as gan takes it, or with the last ones

FOLDER holds MNIST's four files, plain or .gz (examples/fetch_data.sh gets them). SAMPLES.npy: bytes (n,28,28), 0 paper, 255 ink.
Needs PyTorch and an OpenBLAS (compare.py says why); one thread. The same of Wengert's:

    vae --data FOLDER
    gan --data FOLDER --samples SAMPLES.npy
"""
import argparse
import glob
import gzip
import os
import sys
import time


def find_openblas():
    """Begins anew with OpenBLAS in place of the reference BLAS."""
    folders = sorted(glob.glob("/usr/lib/*/openblas-*"))
    if folders and "GENERATIVE_BLAS" not in os.environ:
        env = dict(os.environ, GENERATIVE_BLAS=folders[-1], OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
        env["LD_LIBRARY_PATH"] = folders[-1] + ":" + env.get("LD_LIBRARY_PATH", "")
        os.execve(sys.executable, [sys.executable, *sys.argv], env)


def images(folder, part):
    import torch
    path = os.path.join(folder, part + "-images-idx3-ubyte")
    data = open(path, "rb").read() if os.path.exists(path) else gzip.open(path + ".gz").read()
    return torch.frombuffer(bytearray(data[16:]), dtype=torch.uint8).reshape(-1, 1, 28, 28)


def vae(a):
    import torch
    import torch.nn as nn
    import torch.nn.functional as F

    class Vae(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 400), nn.ReLU())
            self.mean, self.logvar = nn.Linear(400, a.latent), nn.Linear(400, a.latent)
            self.decoder = nn.Sequential(nn.Linear(a.latent, 400), nn.ReLU(), nn.Linear(400, 784), nn.Unflatten(1, (1, 28, 28)))

        def terms(self, x):
            h = self.encoder(x)
            mean, logvar = self.mean(h), self.logvar(h)
            z = mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)
            reconstruction = F.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="sum")
            divergence = 0.5 * torch.sum(mean.pow(2) + logvar.exp() - 1 - logvar)
            return reconstruction / len(x), divergence / len(x)

    net = Vae()
    opt = torch.optim.Adam(net.parameters(), lr=1e-3)
    train, test = images(a.folder, "train"), images(a.folder, "t10k")
    for epoch in range(a.epochs):
        begun = time.time()
        for at in torch.randperm(len(train)).split(128):
            reconstruction, divergence = net.terms(train[at].float() / 255)
            opt.zero_grad(set_to_none=True)
            (reconstruction + divergence).backward()
            opt.step()
        sums = [0, 0]
        with torch.no_grad():
            for x in test.split(128):
                for i, term in enumerate(net.terms(x.float() / 255)):
                    sums[i] += term.item() * len(x)
        r, d = (s / len(test) for s in sums)
        print("%5d   %8.2f + %6.2f = %7.2f   %.1f s" % (epoch + 1, r, d, r + d, time.time() - begun), flush=True)


def dcgan(a):
    import copy
    import numpy
    import torch
    import torch.nn as nn
    import torch.nn.functional as F

    generator = nn.Sequential(nn.Linear(64, 64 * 49), nn.Unflatten(1, (64, 7, 7)), nn.BatchNorm2d(64), nn.ReLU(),
                              nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.BatchNorm2d(32), nn.ReLU(), nn.ConvTranspose2d(32, 1, 4, 2, 1),
                              nn.Tanh())
    discriminator = nn.Sequential(nn.Conv2d(1, 32, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(32, 64, 4, 2, 1), nn.BatchNorm2d(64),
                                  nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(64 * 49, 128), nn.LeakyReLU(0.2), nn.Linear(128, 1))
    average = copy.deepcopy(generator)
    g_opt = torch.optim.Adam(generator.parameters(), 1e-3, (0.5, 0.999))
    d_opt = torch.optim.Adam(discriminator.parameters(), 1e-3, (0.5, 0.999))
    learned = 0
    train = images(a.folder, "train")
    yes, no = torch.ones(64, 1), torch.zeros(64, 1)
    bce = F.binary_cross_entropy_with_logits
    for epoch in range(a.epochs):
        begun, sums = time.time(), [0, 0, 0, 0]
        batches = torch.randperm(len(train))[: len(train) // 64 * 64].split(64)
        for at in batches:
            real = train[at].float() / 255 * 2 - 1
            fake = generator(torch.randn(64, 64))
            on_real, on_fake = discriminator(real), discriminator(fake.detach())
            d_loss = bce(on_real, yes) + bce(on_fake, no)
            d_opt.zero_grad(set_to_none=True)
            d_loss.backward()
            d_opt.step()
            g_loss = bce(discriminator(fake), yes)
            g_opt.zero_grad(set_to_none=True)
            g_loss.backward()
            g_opt.step()
            learned += 1
            with torch.no_grad():
                for mean, now in zip(average.parameters(), generator.parameters()):
                    mean.lerp_(now, 1 - min(0.999, learned / (learned + 10)))
            for i, x in enumerate((d_loss, (on_real > 0).float().mean(), (on_fake < 0).float().mean(), g_loss)):
                sums[i] += x.item()
        print("%5d   %4.2f   %13.3f   %8.3f   %4.2f   %.1f s" % (epoch + 1, *(s / len(batches) for s in sums), time.time() - begun),
              flush=True)
        with torch.no_grad():  # the mean weights lead to other means and variances in batch norm
            for mean, now in zip(average.buffers(), generator.buffers()):
                mean.copy_(now)
            for _ in range(50):
                average(torch.randn(64, 64))
    torch.manual_seed(a.seed + 5000)
    painter = (generator if a.last else average).eval()
    with torch.no_grad():
        made = torch.cat([painter(noise) for noise in torch.randn(a.n, 64).split(500)])
    numpy.save(a.samples, ((made[:, 0] + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=["vae", "dcgan"])
    parser.add_argument("folder")
    parser.add_argument("samples", nargs="?")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--latent", type=int, default=20)
    parser.add_argument("--n", type=int, default=10000)
    parser.add_argument("--last", action="store_true")
    a = parser.parse_args()
    if a.model == "dcgan" and a.samples is None:
        parser.error("dcgan needs SAMPLES.npy")
    find_openblas()
    import torch
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    (vae if a.model == "vae" else dcgan)(a)


if __name__ == "__main__":
    main()
