"""The functions that programs call, as the second table of autograd/ops/README.md: what the header says of each, and its proof.

    functions.py SOURCE_ROOT BUILD_ROOT            writes the table to standard output
    functions.py SOURCE_ROOT BUILD_ROOT --check    lists the functions without a sample, without a refusal, or without
                                                   samples or refusals of the smallest shapes

The samples beside the operations are preprocessed as for the tests, so that what macros write counts: a sample belongs to every
function that it calls, itself or through helpers of the same file. A refusal belongs to the function that its message names, and to the one that it calls if that only
adds _with or _configured to the name. Programs are those of tests/golden/programs.txt that call the
function, and the scenarios of tests/autograd/test_inplace.c."""

import collections
import json
import os
import re
import shlex
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from reference import all_functions, short  # noqa: E402

Proof = collections.namedtuple("Proof", "samples refusals programs shapes")
SHAPES = ((1, "dimension of length 0"), (2, "dimension of length 1"), (4, "scalar"))


def closing(text, start):
    """The position behind the brace that closes the one at `start`; brackets in strings do not count."""
    depth = 0
    for match in re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)\'|[{}]').finditer(text, start):
        depth += {"{": 1, "}": -1}.get(match.group(0), 0)
        if depth == 0:
            return match.end()
    raise SystemExit("a brace is not closed")


def preprocessed(root, build):
    """path → text of the operations with their samples, without what they include."""
    with open(os.path.join(build, "compile_commands.json")) as f:
        entries = [e for e in json.load(f) if "libwengert_samples" in e["output"]]
    for entry in entries:
        words = shlex.split(entry["command"])
        words = [w for w in words if w != "-c"]
        for option in "-o", "-MF", "-MQ":
            if option in words:
                at = words.index(option)
                del words[at:at + 2]
        words = [w for w in words if w not in ("-MD", "-MMD") and not w.startswith("-Werror")]
        text = subprocess.run(words + ["-E"], cwd=entry["directory"], check=True, capture_output=True, text=True).stdout
        name, own, keep = os.path.basename(entry["file"]), [], False
        for line in text.split("\n"):
            mark = re.match(r'# \d+ "([^"]*)"', line)
            if mark:
                keep = os.path.basename(mark.group(1)) == name
            elif keep:
                own.append(line)
        yield name, "\n".join(own)


def count(root, build):
    """symbol → number of samples, symbol → number of refusals, symbol → shapes that it meets, accepted or refused."""
    samples, refusals, met = collections.Counter(), collections.Counter(), collections.Counter()
    lines = subprocess.run([os.path.join(build, "tests/autograd_test_samples"), "--shapes"], check=True, capture_output=True, text=True)
    shapes = {}
    for line in lines.stdout.splitlines():
        name, flags, text = line.split(" ", 2)
        shapes["samples_of_" + name, text] = int(flags)
    for _, text in preprocessed(root, build):
        bodies = {}
        for match in re.finditer(r"\b(?!if\b|for\b|while\b|switch\b)(\w+)\s*\([^;{}()]*\)\s*\{", text):
            bodies[match.group(1)] = text[match.end() - 1:closing(text, match.end() - 1)]

        def called(code, seen):
            found = set()
            for name in re.findall(r"\b(\w+)\s*\(", code):
                if name.startswith("ag_"):
                    found.add(name)
                elif name in bodies and name not in seen and not name.startswith("samples_of_"):
                    found |= called(bodies[name], seen | {name})
            return found

        for name, body in bodies.items():
            if not name.startswith("samples_of_"):
                continue
            for match in re.finditer(r"if\s*\(ag_sample_enter\(s,\s*((?:\"(?:[^\"\\]|\\.)*\"\s*)+),\s*([01]|true|false)\s*\)\)\s*\{", body):
                block = body[match.end() - 1:closing(body, match.end() - 1)]
                message = json.loads('"%s"' % "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', match.group(1))))
                for function in called(block, set()):
                    met[function] |= shapes[name, message[:255]]
                if match.group(2) in ("1", "true"):
                    named = re.sub("_$", "_in_place", message.split(":")[0].split(" ")[-1])
                    more = {f for f in called(block, set()) if re.match(re.escape(named) + "_(with|configured)_at$", f)}
                    refusals.update(more | {named + "_at"})
                else:
                    samples.update(called(block, set()))
    return samples, refusals, met


def programs(root):
    """name of a function → number of programs and scenarios that call it."""
    found = collections.Counter()
    path = os.path.join(root, "tests/golden/programs.txt")
    for text in open(path, encoding="utf-8").read().split("\nend\n"):
        found.update({"ag_" + name for name in re.findall(r"^op (\w+) ", text, flags=re.M)})
    text = open(os.path.join(root, "tests/autograd/test_inplace.c"), encoding="utf-8").read()
    for match in re.finditer(r"^static ag_tensor \w+\(const struct inputs \*in\)\s*\{", text, flags=re.M):
        found.update(set(re.findall(r"\b(ag_\w+_)\(", text[match.end() - 1:closing(text, match.end() - 1)])))
    return found


def table(root, build):
    """[(function, Proof)] of the public functions of autograd/ops that compute something."""
    samples, refusals, met = count(root, build)
    run = programs(root)
    functions = [f for f in all_functions(root) if f.header.startswith("autograd/ops/") and not f.symbol.endswith("_defaults")]
    return [(f, Proof(samples[f.symbol], refusals[f.symbol], run[f.name], met[f.symbol])) for f in functions]


def check(rows):
    failures = 0
    for f, proof in rows:
        if proof.samples == 0 and not (f.name.endswith("_") and proof.programs > 0):
            print("%s:%d: %s has no sample" % (f.header, f.line, f.name))
            failures += 1
        if proof.refusals == 0:
            print("%s:%d: %s has no refusal" % (f.header, f.line, f.name))
            failures += 1
        for bit, shape in SHAPES:
            if not proof.shapes & bit and re.search(r"\(.*ag_tensor", f.prototype):
                print("%s:%d: no sample and no refusal of %s has a %s" % (f.header, f.line, f.name, shape))
                failures += 1
    return 1 if failures else 0


def main():
    rows = table(*sys.argv[1:3])
    if sys.argv[3:] == ["--check"]:
        return check(rows)
    header = None
    for f, proof in rows:
        if f.header != header:
            header = f.header
            print("\n### %s\n\n| function | in words | samples | refusals | programs |\n|---|---|---|---|---|" % os.path.basename(header))
        words = short(f.behind or f.described()).replace("|", "\\|")
        print("| %s | %s | %d | %d | %d |" % (f.name, words, *proof[:3]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
