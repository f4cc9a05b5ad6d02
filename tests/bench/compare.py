#!/usr/bin/python3
"""Runs bench_train and PyTorch's side in turn and prints the ratios.

    compare.py BENCH_TRAIN PYTORCH_WORKLOADS.py [--rounds N] [--seconds S] [NAME ...]

PYTORCH_WORKLOADS.py is the reference side: a script that takes --best --seconds S NAME … and prints one JSON line a workload with the
fastest of PyTorch's configurations. Ours is tried with one thread and with all, spinning and passive. In every round both sides run one
after the other; the ratio is taken within the round, and the median over rounds is reported."""
import argparse
import json
import os
import statistics
import subprocess
import sys


def rows(command, policy=None):
    env = dict(os.environ, OMP_WAIT_POLICY=policy) if policy else None
    out = subprocess.run(command, capture_output=True, text=True, env=env)
    if out.returncode != 0:
        sys.exit("%s: %s" % (" ".join(command), out.stderr.strip()))
    return {r["workload"]: r for r in map(json.loads, out.stdout.splitlines())}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("bench")
    ap.add_argument("reference")
    ap.add_argument("names", nargs="*")
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--seconds", type=float, default=1.0)
    a = ap.parse_args()
    names = a.names or subprocess.run([a.bench, "--list"], capture_output=True, text=True, check=True).stdout.split()
    seen = {n: [] for n in names}
    for _ in range(a.rounds):
        for name in names:  # in turn, one workload at a time, so that both sides meet the same machine
            choices = [(1, "active")] + [(os.cpu_count(), policy) for policy in ("active", "passive") if os.cpu_count() > 1]
            ours = [rows([a.bench, "--threads", str(t), "--seconds", str(a.seconds), name], policy)[name] for t, policy in choices]
            best = min(ours, key=lambda r: r["ms_per_step"])
            theirs = rows(["/usr/bin/python3", a.reference, "--best", "--seconds", str(a.seconds), name])[name]
            seen[name].append((best["ms_per_step"], theirs["ms_per_step"], best["threads"], theirs["threads"]))
    print("%-12s %12s %12s %8s   %s" % ("workload", "wengert ms", "pytorch ms", "ratio", "threads (ours, theirs, last round)"))
    ratios = []
    for name in names:
        ratio = statistics.median(t / o for o, t, _, _ in seen[name])
        ratios.append(ratio)
        print("%-12s %12.4f %12.4f %8.2f   %d, %d" % (name, statistics.median(o for o, _, _, _ in seen[name]),
                                                       statistics.median(t for _, t, _, _ in seen[name]), ratio, seen[name][-1][2], seen[name][-1][3]))
    print("%-12s %12s %12s %8.2f" % ("geometric mean", "", "", statistics.geometric_mean(ratios)))


if __name__ == "__main__":
    main()
