#!/usr/bin/python3
"""Makes the files in formats/: what PyTorch and NumPy write, for the readers. Run with a Python that has torch 1.13 and NumPy:

    tests/golden/make_formats.py tests/golden/formats

The safetensors files are written here by hand, by the published format, from the raw bytes of PyTorch's tensors: none of the
library's code takes part.

    mlp, cnn, lstm   state_dict() of a model after a few training steps, and <name>.io: an input and the output in evaluation mode
    double           mlp in float64; half, bfloat16: mlp's floating tensors in 16 bits, with the outputs of the widened weights
    parallel         mlp as DataParallel names it: module.0.weight
    types            a tensor of every type that can be read
    *.npy, *.npz     the same numbers in NumPy's formats; what is to be refused is called bad-*
"""

import json
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

TYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}


def raw(t):
    t = t.detach().contiguous()
    if t.dtype == torch.bfloat16:
        t = t.view(torch.int16)
    return t.numpy().tobytes()


def write(path, tensors, metadata=None):
    """The format: header length, JSON, the bytes. In the order given: the numbers need not be aligned."""
    header = {"__metadata__": metadata} if metadata else {}
    data = b""
    for name, t in tensors.items():
        piece = raw(t)
        header[name] = {"dtype": TYPES[t.dtype], "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(piece)]}
        data += piece
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


class Sequence(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 4, num_layers=2, bidirectional=True)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.lstm(x)[0])


def mlp():
    return nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3))


def cnn():
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3))


def train(model, shape):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(7):
        loss = model(torch.randn(shape) * 2 + 1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def save(folder, name, model, shape, dtype=torch.float32):
    x = torch.randn(shape, dtype=dtype)
    write(folder / f"{name}.safetensors", model.state_dict(), {"format": "pt"})
    write(folder / f"{name}.io.safetensors", {"input": x, "output": model(x)})


def narrow(folder, name, state, dtype):
    """The state in 16 bits, and what the model computes with it in float32."""
    small = {k: v.to(dtype) if v.is_floating_point() else v for k, v in state.items()}
    model = mlp().eval()
    model.load_state_dict(small)
    x = torch.randn(4, 5)
    write(folder / f"{name}.safetensors", small, {"format": "pt"})
    write(folder / f"{name}.io.safetensors", {"input": x, "output": model(x)})


def types(folder):
    edge = torch.tensor([0.0, -0.0, 1.5, -2.25, float("inf"), float("nan"), 2.0**-24, 65504.0])
    tensors = {
        "bool": torch.tensor([True, False, True]),
        "f16": edge.half(), "bf16": edge.bfloat16(), "f32": edge, "f64": edge.double() / 3,
        "i8": torch.tensor([[-128, 127], [0, -1]], dtype=torch.int8),
        "i16": torch.tensor([-32768, 32767, -2], dtype=torch.int16),
        "i32": torch.tensor([-2**31, 2**31 - 1, -3], dtype=torch.int32),
        "i64": torch.tensor([-2**63, 2**63 - 1, -4]),
        "u8": torch.tensor([0, 255], dtype=torch.uint8),
        "scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3, dtype=torch.float64),
    }
    write(folder / "types.safetensors", tensors, {"made by": "PyTorch", "größe": "klein"})


def arrays():
    a = np.arange(24).reshape(2, 3, 4)
    return {
        "f4": (a / 7).astype("<f4"), "f8": a / 7, "f2": (a / 7).astype("<f2"), "i8": a - 12, "i4": (a - 12).astype("<i4"),
        "i2": (a - 12).astype("<i2"), "i1": (a - 12).astype("i1"), "u1": a.astype("u1"), "u2": (a + 65000).astype("<u2"),
        "u4": (a + 2**32 - 30).astype("<u4"), "b1": a % 3 == 0, "scalar": np.float32(2.5), "empty": np.zeros((0, 3)),
        "fortran": np.asfortranarray(a / 7), "fortran2": np.asfortranarray(a[:, :, 1].astype("<i2")),
    }


def numpy_files(folder):
    every = arrays()
    for name, value in every.items():
        np.save(folder / f"{name}.npy", value)
    for version in ((2, 0), (3, 0)):
        with open(folder / f"version{version[0]}.npy", "wb") as file:
            np.lib.format.write_array(file, every["f4"], version=version)
    np.save(folder / "bad-swapped.npy", every["f4"].astype(">f4"))
    np.save(folder / "bad-object.npy", np.array([1, None], dtype=object), allow_pickle=True)
    np.save(folder / "bad-record.npy", np.zeros(2, dtype=[("a", "<f4"), ("b", "<i4")]))
    np.save(folder / "bad-text.npy", np.array(["one", "two"]))
    np.save(folder / "bad-complex.npy", np.zeros(2, dtype="<c8"))
    np.savez(folder / "plain.npz", **every)
    np.savez_compressed(folder / "compressed.npz", **every, large=np.zeros((100, 1000)))
    with zipfile.ZipFile(folder / "bad-member.npz", "w") as archive:
        archive.writestr("readme.txt", "not an array")


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    torch.manual_seed(7)
    model = train(mlp(), (16, 5))
    save(folder, "mlp", model, (4, 5))
    write(folder / "parallel.safetensors", {"module." + k: v for k, v in model.state_dict().items()})
    for name, dtype in (("half", torch.float16), ("bfloat16", torch.bfloat16)):
        narrow(folder, name, model.state_dict(), dtype)
    save(folder, "double", model.double(), (4, 5), torch.float64)
    save(folder, "cnn", train(cnn(), (8, 2, 8, 8)), (2, 2, 8, 8))
    save(folder, "lstm", train(Sequence(), (6, 3, 3)), (5, 2, 3))
    types(folder)
    numpy_files(folder)


if __name__ == "__main__":
    main()
