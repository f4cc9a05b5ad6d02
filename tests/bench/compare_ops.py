#!/usr/bin/python3
"""Single operations, ours and PyTorch's in turn, forward and backward over sizes.

    compare_ops.py BENCH_OPS PYTORCH_WORKLOADS.py [--only NAME ...] [--rounds N] [--seconds S] [--threads T] [--json FILE] [--quick]

Of PYTORCH_WORKLOADS.py only the environment with OpenBLAS is used. Ratios are PyTorch's time over ours, within a round; medians over the rounds."""
import argparse
import json
import os
import statistics
import subprocess
import sys

from compare import PYTHON, machine
from torch_side import module_of

HERE = os.path.dirname(os.path.abspath(__file__))


def run(command, env, text=None):
    out = subprocess.run(command, input=text, capture_output=True, text=True, env=env)
    if out.returncode != 0:
        sys.exit("compare_ops.py: %s: %s" % (" ".join(command), out.stderr.strip()))
    return {(r["op"], r["size"]): r for r in map(json.loads, out.stdout.splitlines())}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("bench")
    ap.add_argument("reference")
    ap.add_argument("--only", nargs="+", default=[], metavar="NAME")
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--seconds", type=float, default=0.3, help="for each size on each side")
    ap.add_argument("--threads", type=int, default=1)
    ap.add_argument("--quick", action="store_true", help="one round of 0.05 seconds")
    ap.add_argument("--json", metavar="FILE")
    a = ap.parse_args()
    if a.quick:
        a.rounds, a.seconds = 1, 0.05
    if a.rounds < 1 or a.threads < 1 or not 0 < a.seconds <= 600:
        ap.error("--rounds and --threads want 1 or more, --seconds more than 0 and at most 600")
    for path in (a.bench, a.reference):
        if not os.path.exists(path):
            ap.error("there is no file %s" % path)
    listed = subprocess.run([a.bench, "--list"], capture_output=True, text=True, check=True).stdout.splitlines()
    known = list(dict.fromkeys(line.split()[0] for line in listed))
    for name in a.only:
        if name not in known:
            ap.error('there is no operation "%s"; there are %s' % (name, ", ".join(known)))
    reference = module_of(a.reference)
    if not reference.BLAS_FOLDERS:
        sys.exit("compare_ops.py: no OpenBLAS found: apt-get install libopenblas0-pthread libopenblas0-openmp")
    env = reference.environment(a.threads, list(reference.BLAS_FOLDERS)[-1], "passive" if a.threads == 1 else "active")
    options = ["--threads", str(a.threads), "--seconds", str(a.seconds)]
    about, pairs = machine(), {}
    for name in a.only or known:
        text = "\n".join(line for line in listed if line.split()[0] == name)
        for _ in range(a.rounds):
            ours = run([a.bench] + options + [name], env)
            theirs = run([PYTHON, HERE + "/torch_ops.py"] + options, env, text)
            for key in ours:
                pairs.setdefault(key, []).append((ours[key], theirs[key]))
    print("%s; %d threads, %d rounds of %g s\n" % (about, a.threads, a.rounds, a.seconds))
    print("| operation | size | forward us | pytorch | ratio | backward us | pytorch | ratio |\n|---|---|---|---|---|---|---|---|")
    table = []
    for (name, size), rounds in pairs.items():
        row = {"op": name, "size": size}
        for way in ("forward_us", "backward_us"):
            row["ours_" + way] = statistics.median(o[way] for o, _ in rounds)
            row["theirs_" + way] = statistics.median(t[way] for _, t in rounds)
            row["ratio_" + way] = statistics.median(t[way] / o[way] if o[way] else 0 for o, t in rounds)
        table.append(row)
        cells = ["%.4g | %.4g | %.2f" % (row["ours_" + w], row["theirs_" + w], row["ratio_" + w]) if row["ours_" + w] else " | | " for w in ("forward_us", "backward_us")]
        print("| %s | %s | %s |" % (name, size, " | ".join(cells)))
    if a.json:
        with open(a.json, "w") as f:
            json.dump({"about": about, "table": table}, f, indent=1)


if __name__ == "__main__":
    main()
