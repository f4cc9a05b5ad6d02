#!/usr/bin/python3
"""Makes tests/golden/training.txt: PyTorch's losses over 100 training steps of the two MNIST networks, in float64 and in float32.

    make_training.py examples/mnist_sample > tests/golden/training.txt

The weights are what torch.manual_seed(0) and the layers' own initialisation give (float32; the float64 run starts from the same numbers). Step k
trains on digits 64 k … 64 k + 63 of the sample, pixels divided by 255, with Adam at 1e-3."""
import gzip
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))


def cnn():
    return nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Conv2d(64, 128, 3), nn.ReLU(), nn.Flatten(), nn.Linear(1152, 10))


def losses(network, dtype, images, labels):
    torch.manual_seed(0)
    net = network().to(dtype)
    opt = torch.optim.Adam(net.parameters(), lr=1e-3)
    result = []
    for k in range(100):
        x = images[64 * k : 64 * k + 64].to(dtype) / 255
        loss = F.cross_entropy(net(x), labels[64 * k : 64 * k + 64])
        opt.zero_grad(set_to_none=True)
        loss.backward()
        opt.step()
        result.append(loss.item())
    return result


def main():
    folder = sys.argv[1]
    images = gzip.open(folder + "/train-images-idx3-ubyte.gz").read()[16:]
    labels = gzip.open(folder + "/train-labels-idx1-ubyte.gz").read()[8:]
    images = torch.frombuffer(bytearray(images), dtype=torch.uint8).reshape(-1, 1, 28, 28)
    labels = torch.frombuffer(bytearray(labels), dtype=torch.uint8).to(torch.int64)
    torch.set_num_threads(1)
    print("# Made by make_training.py with PyTorch " + torch.__version__)
    for network in (mlp, cnn):
        torch.manual_seed(0)
        first = next(network().parameters()).flatten()[:4].tolist()
        print("%s weights %s" % (network.__name__, " ".join("%.9g" % x for x in first)))
        for dtype in (torch.float64, torch.float32):
            values = losses(network, dtype, images, labels)
            print("%s %s %s" % (network.__name__, str(dtype)[6:], " ".join("%.17g" % x for x in values)))


if __name__ == "__main__":
    main()
