#!/usr/bin/python3
"""compare.py's medians, means, table and chart from two sides that print known numbers, and its refusals. Needs no PyTorch.

    test_compare.py COMPARE.py FOLDER"""
import json
import os
import subprocess
import sys

OURS = """#!/bin/sh
if [ "$1" = --list ]; then echo alpha; echo xor_mlp; exit; fi
n=$(cat "$0.count" 2>/dev/null || echo 0); echo $((n + 1)) >"$0.count"
for name; do :; done
case $name in alpha) ms=$((2 + n / CONFIGURATIONS)).0;; *) ms=0.5;; esac
echo "{\\"workload\\": \\"$name\\", \\"framework\\": \\"wengert\\", \\"blas\\": \\"kind\\", \\"threads\\": 1, \\"ms_per_step\\": $ms, \\"processor_ms\\": $ms, \\"bound_ms\\": 1,\\
 \\"bound_fraction\\": 0.25, \\"peak_mib\\": 3.5, \\"library_peak_mib\\": 2.5}"
"""
THEIRS = """import json, os, sys
BLAS_FOLDERS = {"openblas-x": "/nowhere"}
def environment(threads, blas): return dict(os.environ)
def workloads(torch, channels_last): return {}
if __name__ == "__main__":
    print(json.dumps({"workload": sys.argv[-1], "framework": "pytorch", "blas": "openblas-x", "threads": 1, "channels_last": False, "ms_per_step": 12.0}))
"""
MEMORY = """import json, sys
print(json.dumps({"workload": sys.argv[-1], "peak_mib": 7.0}))
"""
failures = 0


def expect(what, good):
    global failures
    failures += not good
    print("%s: %s" % ("ok" if good else "FAILED", what))


def main():
    compare, folder = os.path.abspath(sys.argv[1]), os.path.join(sys.argv[2], "test_compare")
    os.makedirs(folder, exist_ok=True)
    path = lambda name: os.path.join(folder, name)
    configurations = 2 if os.cpu_count() > 1 else 1  # one thread, and all
    for name, text in (("ours", OURS.replace("CONFIGURATIONS", str(configurations))), ("theirs.py", THEIRS), ("torch_side.py", MEMORY),
                       ("compare.py", open(compare).read().replace('"/usr/bin/python3"', repr(sys.executable))),
                       ("compare_chart.py", open(os.path.join(os.path.dirname(compare), "compare_chart.py")).read())):
        with open(path(name), "w") as f:
            f.write(text)
    os.chmod(path("ours"), 0o755)
    if os.path.exists(path("ours.count")):
        os.remove(path("ours.count"))

    def run(*options):
        return subprocess.run([sys.executable, path("compare.py"), path("ours"), path("theirs.py"), *options], capture_output=True, text=True)

    # alpha takes 2, 3, 4 ms in rounds 0, 1, 2: ratios 6, 4, 3.
    out = run("--only", "alpha", "--rounds", "3", "--json", path("table.json"), "--chart", path("table.svg"))
    expect("runs: " + out.stderr.strip().split("\n")[-1], out.returncode == 0)
    row = json.load(open(path("table.json")))["table"][0]
    expect("the ratio is the median of the rounds'", row["ratio"] == 4 and row["ratios"] == [6, 4, 3])
    expect("both memories are there", row["ours_mib"] == 3.5 and row["theirs_mib"] == 7 and row["library_mib"] == 2.5)
    expect("the table has the row", "| alpha | 3 | 12 | 4.00 | 0.25 | 3.5 | 7.0 |" in out.stdout)
    svg = open(path("table.svg")).read()
    expect("the chart has the name, the ratio and both memories", all(">%s<" % t in svg for t in ("alpha", "4.00", "3.5", "7.0")))
    os.remove(path("ours.count"))
    out = run("--rounds", "1", "--json", path("table.json"))
    means = json.load(open(path("table.json")))["means"]
    expect("means with and without the tiny one: " + str(means), [round(m, 9) for m in means.values()] == [12.0, 6.0])
    for options, message in ((["--only", "beta"], 'there is no workload "beta"; there are alpha, xor_mlp'), (["--rounds", "0"], "--rounds wants 1 or more"),
                             (["--seconds", "-1"], "--seconds more than 0"), (["--chart", "x.png"], "a name that ends with .svg")):
        out = run(*options)
        expect(" ".join(options) + " is refused", out.returncode == 2 and message in out.stderr)
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
