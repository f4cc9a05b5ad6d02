#!/usr/bin/python3
"""Our training steps and PyTorch's in turn, with the ratios, both memories, a table and a chart.

    compare.py BENCH_TRAIN PYTORCH_WORKLOADS.py [--only NAME ...] [--rounds N] [--seconds S] [--json FILE] [--chart FILE.svg]
    compare.py … --quick        one short round
    compare.py … --processor    one thread each, the processor's time: for a machine that is busy with other things

PYTORCH_WORKLOADS.py is the reference side: a script that takes --best --seconds S NAME … and prints one JSON line a workload with the fastest of
PyTorch's configurations (threads, BLAS, wait policy, memory format). Ours is tried with one thread and with all. In every round
both sides run one after the other, workload by workload; the ratio is taken within the round, and the median over the rounds is reported. Memory is
the peak above each process's own start."""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"  # Debian's, which has torch
TINY = "xor_mlp"  # so far ahead that a second mean leaves it out


def rows(command):
    out = subprocess.run(command, capture_output=True, text=True)
    if out.returncode != 0:
        sys.exit("compare.py: %s: %s" % (" ".join(command), out.stderr.strip() or "status %d" % out.returncode))
    return {r["workload"]: r for r in map(json.loads, out.stdout.splitlines())}


def our_side(a, name):
    seconds = ["--seconds", str(a.seconds)]
    if a.processor:
        row = rows([a.bench, "--threads", "1"] + seconds + [name])[name]
        return dict(row, ms=row["processor_ms"], bound_fraction=round(row["bound_ms"] / row["processor_ms"], 3))
    cores = os.cpu_count()
    tried = [rows([a.bench, "--threads", str(t)] + seconds + [name])[name] for t in sorted({1, cores})]
    best = min(tried, key=lambda r: r["ms_per_step"])
    one = tried[0]["ms_per_step"]
    return dict(best, ms=best["ms_per_step"], one_thread_ms=one, all_threads_gain=round(one / min(r["ms_per_step"] for r in tried[1:] or tried), 2))


def their_side(a, name):
    if a.processor:
        row = rows([PYTHON, HERE + "/torch_side.py", a.reference, "--seconds", str(a.seconds), name])[name]
        return dict(row, ms=row["processor_ms"])
    row = rows([PYTHON, a.reference, "--best", "--seconds", str(a.seconds), name])[name]
    memory = [PYTHON, HERE + "/torch_side.py", a.reference, "--seconds", "0", "--threads", str(row["threads"]), "--blas", row["blas"], name]
    layout = ["--channels-last"] if row["channels_last"] else []
    return dict(row, ms=row["ms_per_step"], peak_mib=rows(memory + layout)[name]["peak_mib"])


def summary(name, rounds):
    middle = lambda side, key: statistics.median(r[side][key] for r in rounds)
    ours, theirs = rounds[-1]["ours"], rounds[-1]["theirs"]
    return {"workload": name, "ratio": statistics.median(r["theirs"]["ms"] / r["ours"]["ms"] for r in rounds), "ours_ms": middle("ours", "ms"),
            "theirs_ms": middle("theirs", "ms"), "bound_fraction": middle("ours", "bound_fraction"), "ours_mib": middle("ours", "peak_mib"),
            "library_mib": middle("ours", "library_peak_mib"), "theirs_mib": middle("theirs", "peak_mib"), "ours_threads": ours["threads"],
            "theirs_threads": theirs["threads"], "all_threads_gain": middle("ours", "all_threads_gain") if "all_threads_gain" in ours else None,
            "ratios": [round(r["theirs"]["ms"] / r["ours"]["ms"], 3) for r in rounds]}


def means(table):
    ratios = {r["workload"]: r["ratio"] for r in table}
    result = {"geometric mean of %d" % len(ratios): statistics.geometric_mean(ratios.values())}
    others = [x for n, x in ratios.items() if n != TINY]
    if TINY in ratios and others:
        result["geometric mean of %d, without %s" % (len(others), TINY)] = statistics.geometric_mean(others)
    return result


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    return "%s, %d processors, Linux %s, load %.1f" % (model, os.cpu_count(), platform.release(), os.getloadavg()[0])


def print_table(table, mean, about):
    print("\n%s\n" % about)
    print("| workload | wengert ms | pytorch ms | ratio | bound_fraction | wengert MiB | pytorch MiB | threads | two threads |")
    print("|---|---|---|---|---|---|---|---|---|")
    for r in table:
        gain = "%.2f" % r["all_threads_gain"] if r["all_threads_gain"] else ""
        print("| %s | %.4g | %.4g | %.2f | %.2f | %.1f | %.1f | %d, %d | %s |" % (r["workload"], r["ours_ms"], r["theirs_ms"], r["ratio"], r["bound_fraction"],
                                                                       r["ours_mib"], r["theirs_mib"], r["ours_threads"], r["theirs_threads"], gain))
    for name, value in mean.items():
        print("| %s | | | **%.2f** | | | | | |" % (name, value))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("bench")
    ap.add_argument("reference")
    ap.add_argument("--only", nargs="+", default=[], metavar="NAME")
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--seconds", type=float, default=1.0, help="of measuring, for each configuration of each side")
    ap.add_argument("--quick", action="store_true")
    ap.add_argument("--processor", action="store_true")
    ap.add_argument("--json", metavar="FILE")
    ap.add_argument("--chart", metavar="FILE.svg")
    a = ap.parse_args()
    if a.quick:
        a.rounds, a.seconds = 1, min(a.seconds, 0.2)
    if a.rounds < 1 or not 0 < a.seconds <= 600:
        ap.error("--rounds wants 1 or more, --seconds more than 0 and at most 600")
    if a.chart and not a.chart.endswith(".svg"):
        ap.error("--chart wants a name that ends with .svg")
    for path in (a.bench, a.reference):
        if not os.path.exists(path):
            ap.error("there is no file %s" % path)
    known = subprocess.run([a.bench, "--list"], capture_output=True, text=True, check=True).stdout.split()
    for name in a.only:
        if name not in known:
            ap.error('there is no workload "%s"; there are %s' % (name, ", ".join(known)))
    names = [n for n in known if n in a.only] or known
    before = machine()
    seen = {n: [] for n in names}
    for k in range(a.rounds):
        for name in names:  # in turn, one workload at a time, so that both sides meet the same machine
            pair = {"ours": our_side(a, name), "theirs": their_side(a, name)}
            seen[name].append(pair)
            trip = ", round trip %.0f ns" % pair["ours"]["round_trip_ns"] if "round_trip_ns" in pair["ours"] else ""
            print("round %d of %d: %-10s %10.4f ms, pytorch %10.4f ms, ratio %6.2f%s" % (k + 1, a.rounds, name, pair["ours"]["ms"], pair["theirs"]["ms"],
                                                                                         pair["theirs"]["ms"] / pair["ours"]["ms"], trip), file=sys.stderr, flush=True)
    table = [summary(n, seen[n]) for n in names]
    mean = means(table)
    first = seen[names[0]][0]
    about = "%s; %s, %s kernels; %s; %d rounds of %g s%s" % (before, first["ours"]["framework"], first["ours"]["blas"], first["theirs"]["framework"], a.rounds,
                                                            a.seconds, ", processor's time, one thread each" if a.processor else "")
    print_table(table, mean, about)
    if a.json:
        with open(a.json, "w") as f:
            json.dump({"about": about, "table": table, "means": mean, "rounds": seen}, f, indent=1)
    if a.chart:
        from compare_chart import chart

        with open(a.chart, "w") as f:
            f.write(chart(table, mean, about))


if __name__ == "__main__":
    main()
