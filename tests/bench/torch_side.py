#!/usr/bin/python3
"""What PyTorch's side does not print itself: the peak of its memory above its own start, and the processor's time.

    torch_side.py PYTORCH_WORKLOADS.py [--threads T] [--seconds S] [--channels-last] [--blas FOLDER] NAME ...      one JSON line a workload

The start is after `import torch` and one small step of training, so that what PyTorch loads and starts on its first use is not counted. Each
workload runs in a process of its own."""
import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time


def module_of(path):
    spec = importlib.util.spec_from_file_location("pytorch_workloads", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def status(key):
    for line in open("/proc/self/status"):
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    raise SystemExit("torch_side.py: /proc/self/status has no " + key)


def small_step(torch):
    net = torch.nn.Linear(2, 2)
    opt = torch.optim.Adam(net.parameters())
    net(torch.rand(2, 2)).sum().backward()
    opt.step()


def measure(reference, a, name):
    import torch

    torch.set_num_threads(a.threads)
    small_step(torch)
    table = reference.workloads(torch, a.channels_last)
    if name not in table:
        raise SystemExit('torch_side.py: %s has no workload "%s"' % (a.reference, name))
    with open("/proc/self/clear_refs", "w") as f:
        f.write("5")
    start = status("VmRSS")
    step, _ = table[name]()
    for _ in range(8):
        step()
    steps, begin = 0, time.process_time()
    while steps < 2 or time.process_time() - begin < a.seconds:
        step()
        steps += 1
    processor = (time.process_time() - begin) / steps
    row = {"workload": name, "framework": "pytorch " + torch.__version__, "threads": a.threads, "channels_last": a.channels_last,
           "processor_ms": round(processor * 1e3, 4), "peak_mib": round((status("VmHWM") - start) / 2**20, 2)}
    print(json.dumps(row), flush=True)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("reference")
    ap.add_argument("names", nargs="+")
    ap.add_argument("--threads", type=int, default=1)
    ap.add_argument("--seconds", type=float, default=1.0)
    ap.add_argument("--channels-last", action="store_true")
    ap.add_argument("--blas", help="one of the folders that the reference script finds")
    ap.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    a = ap.parse_args()
    reference = module_of(a.reference)
    if a.here:
        return measure(reference, a, a.names[0])
    if not reference.BLAS_FOLDERS:
        sys.exit("torch_side.py: no OpenBLAS found: apt-get install libopenblas0-pthread libopenblas0-openmp")
    env = reference.environment(a.threads, a.blas or list(reference.BLAS_FOLDERS)[-1])
    layout = ["--channels-last"] if a.channels_last else []
    for name in a.names:
        code = subprocess.run([sys.executable, __file__, a.reference, name, "--here", "--threads", str(a.threads), "--seconds", str(a.seconds)] + layout,
                              env=env).returncode
        if code != 0:
            sys.exit(code)


if __name__ == "__main__":
    main()
