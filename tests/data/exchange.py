"""Reads what exchange.c wrote, as NumPy and PyTorch read it: exchange.py FOLDER GOLDEN. The safetensors files are read by the
published format, with none of the library's code. Exit status 77: PyTorch or NumPy is not installed."""

import json
import struct
import sys
from pathlib import Path

try:
    import numpy as np
    import torch
    from torch import nn
except ImportError as missing:
    print(f"not compared with Python: {missing}")
    sys.exit(77)

TYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}
checks = 0


def check(what, condition):
    global checks
    checks += 1
    if not condition:
        sys.exit(f"{what}: differs")


def read(path):
    """Tensors and texts of a file, which must keep to the format: dense, aligned, nothing behind the last."""
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    data = data[8 + length:]
    check(f"{path}: alignment of the data", length % 8 == 0)
    texts = header.pop("__metadata__", {})
    tensors, end = {}, 0
    for name, item in sorted(header.items(), key=lambda pair: pair[1]["data_offsets"]):
        begin, stop = item["data_offsets"]
        check(f"{path}: {name} begins where the one before it ends", begin == end)
        end = stop
        dtype = TYPES[item["dtype"]]
        check(f"{path}: {name} is aligned", begin % torch.empty(0, dtype=dtype).element_size() == 0)
        raw = bytearray(data[begin:stop])
        tensors[name] = torch.frombuffer(raw, dtype=dtype).reshape(item["shape"]) if raw else torch.empty(item["shape"], dtype=dtype)
    check(f"{path}: its length", end == len(data))
    return tensors, texts


def numbers():
    i = np.arange(24).reshape(2, 3, 4)
    return {
        "f32": ((i - 5) / 7).astype(np.float32), "f64": (i - 5) / 7, "i64": i - 5, "u8": i.astype(np.uint8),
        "turned": ((i - 5) / 7).astype(np.float32).transpose(2, 1, 0), "scalar": np.float32(2.5), "empty": np.zeros((0, 3)),
    }


def same(what, got, want):
    got, want = np.asarray(got), np.asarray(want)
    check(what, got.dtype == want.dtype and got.shape == want.shape and got.tobytes() == np.ascontiguousarray(want).tobytes())


def raw(t):
    return t.contiguous().view(torch.uint8 if t.element_size() == 1 else torch.int16 if t.element_size() == 2 else t.dtype).numpy().tobytes()


def model(folder, name, net):
    tensors, texts = read(folder / f"{name}.safetensors")
    check(f"{name}: its text", texts == {"format": "pt"})
    state = {k[len("model."):]: v for k, v in tensors.items() if k.startswith("model.")}
    net.load_state_dict(state)  # strict
    with torch.no_grad():
        got = net.eval()(tensors["input"])
    check(f"{name}: the output in PyTorch", torch.allclose(got, tensors["output"], rtol=1e-5, atol=1e-6))


class Sequence(nn.Sequential):
    def forward(self, x):
        return self[1](self[0](x)[0])


def main():
    folder, golden = Path(sys.argv[1]), Path(sys.argv[2])
    want = numbers()
    tensors, _ = read(folder / "types.safetensors")
    for name in sorted(path.name for path in folder.glob("*.npz")):  # none, if the library was built without libzip
        with np.load(folder / name) as archive:
            check(f"{name}: its names", sorted(archive.files) == sorted(want))
            for key, value in want.items():
                same(f"{name}: {key}", archive[key], value)
    for key, value in want.items():
        same(f"types.safetensors: {key}", tensors[key].numpy(), value)
    same("turned.npy", np.load(folder / "turned.npy"), want["turned"])
    copied, original = read(folder / "copied.safetensors")[0], {}
    data = (golden / "formats" / "types.safetensors").read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    original = json.loads(data[8:8 + length])
    for name, t in copied.items():
        begin, end = original[name]["data_offsets"]
        check(f"copied: {name}", raw(t) == data[8 + length + begin:8 + length + end] if t.numel() else begin == end)
    model(folder, "mlp", nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3)))
    model(folder, "cnn", nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3)))
    model(folder, "lstm", Sequence(nn.LSTM(3, 4, num_layers=2, bidirectional=True), nn.Linear(8, 2)))
    print(f"NumPy {np.__version__} and PyTorch {torch.__version__} read everything: {checks} comparisons")


main()
