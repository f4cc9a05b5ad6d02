#!/usr/bin/python3
"""How the cost of a training step grows with batch, width, length, depth and threads.

    sweep.py BENCH_TRAIN [--only NAME ...] [--seconds S] [--json FILE] [--chart FILE.svg] [--quick]

Each line is one workload with one of its sizes changed. "growth" is by what power of the size the time grew since the line before: 1 is in
proportion, below 1 is where a step's fixed cost or idle vector lanes still count, 2 is with the square. For threads "gain" is over one thread."""
import argparse
import json
import math
import os
import subprocess
import sys

CORES = os.cpu_count()
SWEEPS = [
    ("mlp_wide", "batch", [1, 4, 16, 64, 256, 1024]),
    ("mlp_wide", "width", [32, 128, 512, 2048]),
    ("mlp_wide", "depth", [1, 2, 4, 8, 16]),
    ("cnn_keras", "batch", [1, 4, 16, 64, 256]),
    ("cnn_keras", "width", [8, 16, 32, 64]),
    ("char_lstm", "steps", [8, 16, 32, 64, 128, 256]),
    ("char_lstm", "width", [32, 64, 128, 256, 512]),
    ("lstm_cell", "steps", [8, 16, 32, 64, 128]),
    ("gpt_small", "steps", [16, 32, 64, 128, 256]),
    ("gpt_small", "width", [32, 64, 128, 256]),
    ("gpt_small", "depth", [1, 2, 4, 8]),
    ("vae", "batch", [8, 32, 128, 512]),
    ("dcgan", "batch", [4, 16, 64]),
]


def measure(a, name, threads, option=None, value=None):
    command = [a.bench, "--threads", str(threads), "--seconds", str(a.seconds), name] + (["--" + option, str(value)] if option else [])
    out = subprocess.run(command, capture_output=True, text=True)
    if out.returncode != 0:
        sys.exit("sweep.py: %s: %s" % (" ".join(command), out.stderr.strip()))
    return json.loads(out.stdout)


def sweep(a, name, option, values):
    points = []
    for v in values:
        row = measure(a, name, 1, option, v)
        ms = row["processor_ms"]
        point = {"value": v, "ms": ms, "us_per_item": 1e3 * ms / (row["batch"] * max(row["steps"], 1)), "library_peak_mib": row["library_peak_mib"]}
        if points:
            point["growth"] = math.log(ms / points[-1]["ms"]) / math.log(v / points[-1]["value"])
        points.append(point)
        print("| %s | %s | %d | %.4g | %.4g | %s | %.1f |" % (name, option, v, ms, point["us_per_item"], "%.2f" % point["growth"] if len(points) > 1 else "",
                                                            point["library_peak_mib"]), flush=True)
    return {"workload": name, "size": option, "points": points}


def threads(a, name):
    counts = sorted({1, 2, CORES // 2, CORES} - {0})
    points = []
    for t in counts if CORES > 1 else [1]:
        ms = measure(a, name, t)["ms_per_step"]
        points.append({"value": t, "ms": ms, "gain": points[0]["ms"] / ms if points else 1.0})
        print("| %s | %d | %.4g | %.2f |" % (name, t, ms, points[-1]["gain"]), flush=True)
    return {"workload": name, "size": "threads", "points": points}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("bench")
    ap.add_argument("--only", nargs="+", default=[], metavar="NAME", help="workloads")
    ap.add_argument("--seconds", type=float, default=0.5)
    ap.add_argument("--quick", action="store_true", help="the two smallest sizes of each, for a moment")
    ap.add_argument("--json", metavar="FILE")
    ap.add_argument("--chart", metavar="FILE.svg")
    a = ap.parse_args()
    if not os.path.exists(a.bench):
        ap.error("there is no file %s" % a.bench)
    if not 0 < a.seconds <= 600:
        ap.error("--seconds wants more than 0 and at most 600")
    if a.chart and not a.chart.endswith(".svg"):
        ap.error("--chart wants a name that ends with .svg")
    known = subprocess.run([a.bench, "--list"], capture_output=True, text=True, check=True).stdout.split()
    for name in a.only:
        if name not in known:
            ap.error('there is no workload "%s"; there are %s' % (name, ", ".join(known)))
    if a.quick:
        a.seconds = 0.02
    print("One thread, the processor's time.\n\n| workload | size | value | ms | us an item | growth | library MiB |\n|---|---|---|---|---|---|---|")
    done = [sweep(a, n, o, v[:2] if a.quick else v) for n, o, v in SWEEPS if not a.only or n in a.only]
    print("\n| workload | threads | ms | gain |\n|---|---|---|---|")
    done += [threads(a, n) for n in (known[:2] if a.quick and not a.only else a.only or known)]
    if a.json:
        with open(a.json, "w") as f:
            json.dump(done, f, indent=1)
    if a.chart:
        from compare_chart import curves

        with open(a.chart, "w") as f:
            f.write(curves([s for s in done if s["size"] != "threads"]))


if __name__ == "__main__":
    main()
