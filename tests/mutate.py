"""Plants faults in the rules of backward, one at a time, and runs the tests on each. Started by tests/mutate.sh, which has
built the tests in a folder of their own.

A fault changes one file. That file alone is compiled anew, without optimisation, and linked with the other objects of the
test of samples: there, the operations compiled with their samples stand for those in the library, so one object is enough.
The samples of the operation run first, then all samples, then the other programs that look at backward; the first failure
settles it.

What is planted is found in the text: rules are functions called *_backward, and functions of the same file that are called
by rules only. Slopes are element-wise loops called *_slope. Comments, strings and samples are left alone.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

OTHER_TESTS = ["autograd_test_backward", "autograd_test_op", "autograd_test_stateful", "autograd_test_inplace",
               "autograd_test_products", "autograd_test_programs"]
SECONDS = 120  # a program that takes longer hangs

Fault = collections.namedtuple("Fault", "file function line kind start end new before after")

# The sweep itself: what reduces broadcast operands, adds up, and hands over. Patterns and what takes their place.
CONTRIBUTE = [
    ("sum_to", "missing reduction", r"dims\.dim\[dims\.count\+\+\] = d;", ";"),
    ("sum_to", "missing reduction", r"d < extra \|\| \(", "("),
    ("sum_to", "missing reduction", r"d < extra \|\| \(.*\)\)", "d < extra)"),
    ("sum_to", "missing reduction", r"shape\.size\[d - extra\] == 1", "shape.size[d - extra] != 1"),
    ("sum_to", "missing reduction", r"from\.size\[d\] != 1", "from.size[d] == 1"),
    ("sum_to", "keepdim", r"ag_sum_dims\(g, dims, true\)", "ag_sum_dims(g, dims, false)"),
    ("sum_to", "missing reduction", r"ag_sum_dims\(g, dims, true\)", "ag_amax(g, dims, true)"),
    ("sum_to", "missing reduction", r"ag_sum_dims\(g, dims, true\)", "ag_mean_dims(g, dims, true)"),
    ("sum_to", "keepdim", r"extra > 0 \? ag_reshape\(g, shape\) : g", "g"),
    ("ag_sweep_add", "missing reduction", r"g = sum_to\(g, from, shape\);", ";"),
    ("ag_sweep_add", "dropped", r"ag_sweep_contribute\([^;]*;", ";"),
    ("ag_sweep_contribute", "order", r"ag_products_compute\([^;]*;", ";"),
    ("ag_sweep_contribute", "accumulation", r"ag_array_accumulate\([^;]*;", ";"),
    ("ag_sweep_contribute", "accumulation", r"sum\([^;]*, g\)", "g"),
    ("ag_sweep_contribute", "accumulation", r"!s->create && exclusive\(", "exclusive("),
    ("ag_sweep_contribute", "accumulation", r"!s->create && exclusive\([^)]*\)", "!s->create"),
    ("ag_add_to_leaf", "accumulation", r"if \(accumulate\) \{", "if (!accumulate) {"),
    ("ag_add_to_leaf", "accumulation", r"if \(accumulate\) \{", "if (false) {"),
    ("ag_sweep_target_beside", "accumulation", r"\*accumulate = (\S+) != NULL;", r"*accumulate = \1 == NULL;"),
    ("ag_sweep_target_beside", "accumulation", r"\*accumulate = (\S+) != NULL;", "*accumulate = false;"),
    ("ag_sweep_add_at", "dropped", r"ag_array_accumulate\([^;]*;", ";"),
    ("ag_sweep_add_at", "accumulation", r"if \(!accumulate\) \{", "if (true) {"),
    ("ag_sweep_add_at", "wrong place", r"offset \+= start\[d\] \* target\.stride\[d\];", ";"),
    ("ag_sweep_add_at", "wrong place", r"stride\[d\] = step\[d\] \* target", "stride[d] = target"),
    ("ag_sweep_wants", "wants", r"s->accumulate \|\| \S+ \|\|", "s->accumulate ||"),
    ("ag_sweep_wants", "wants", r"(\S*)producer->needed\)", r"!\1producer->needed)"),
]
PRODUCTS = [
    ("product_target", "accumulation", r"\.accumulate = accumulate", ".accumulate = !accumulate"),
    ("product_target", "accumulation", r"\.accumulate = accumulate", ".accumulate = false"),
    ("ag_sweep_product", "swapped", r"ag_matmul\(.*, b\)", "ag_matmul(b, a)"),
    ("ag_sweep_product", "missing reshape", r"s->node->\S+ > 2 \? ag_reshape\([^;]*\) : g", "g"),
    ("ag_sweep_product_and_sum", "dropped", r"ag_sweep_add\(s, j, a\);", ";"),
    ("multiply", "dropped", r"w->product\[w->count\+\+\] = ", "w->product[w->count] = "),
    ("multiply", "not held", r"ag_value_save\([^;]*;", ";"),
]
SWEEP = [("ag_sweep_mark_needed", "wants", r"ag_edge_is_target\(\S* \|\| ", "")]
BACKWARD = [("cotangent", "factor", r"ag_ones_at\(", "ag_zeros_at(")]

# A function instead of another.
OTHER = {
    "ag_add": "ag_sub", "ag_sub": "ag_add", "ag_mul": "ag_div", "ag_div": "ag_mul", "ag_sin": "ag_cos", "ag_cos": "ag_sin",
    "ag_sinh": "ag_cosh", "ag_cosh": "ag_sinh", "ag_maximum": "ag_minimum", "ag_minimum": "ag_maximum", "ag_amax": "ag_amin",
    "ag_amin": "ag_amax", "ag_tril": "ag_triu", "ag_triu": "ag_tril", "ag_sum_dims": "ag_mean_dims",
    "ag_gt": "ag_lt", "ag_lt": "ag_gt", "ag_ge": "ag_le", "ag_le": "ag_ge", "ag_eq": "ag_ne", "ag_ne": "ag_eq",
    "ag_logical_and": "ag_logical_or", "ag_logical_or": "ag_logical_and",
}
MASKS = {"ag_gt", "ag_lt", "ag_ge", "ag_le", "ag_eq", "ag_ne", "ag_logical_and", "ag_logical_or"}
# A function left out: its first argument stays.
LEFT_OUT = {
    "ag_neg", "ag_square", "ag_sqrt", "ag_rsqrt", "ag_reciprocal", "ag_exp", "ag_log", "ag_abs", "ag_sign", "ag_sin", "ag_cos",
    "ag_tanh", "ag_sigmoid", "ag_pow_scalar", "ag_add_scalar", "ag_mul_scalar", "ag_transpose", "ag_flip", "ag_roll",
    "ag_tril", "ag_triu", "ag_logical_not", "ag_clamp", "ag_cumsum", "ag_permute",
}
# Numbers in the arguments of these are changed.
NUMBERS = {"ag_add_scalar", "ag_mul_scalar", "ag_pow_scalar", "ag_scalar", "ag_full", "ag_clamp", "AG_DIMS"}
NUMBER = re.compile(r"(?<![\w.\[])(\d+\.\d*(?:e-?\d+)?|\d+)(?![\w.\]])")


def masked(text):
    """The text with comments, strings and samples blanked; positions stay."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    text = re.sub(r"/\*.*?\*/|//[^\n]*", blank, text, flags=re.S)
    text = re.sub(r'"(?:[^"\\\n]|\\.)*"', lambda m: '"' + " " * (len(m.group(0)) - 2) + '"', text)
    return re.sub(r"^#ifdef WENGERT_SAMPLES.*?^#endif", blank, text, flags=re.S | re.M)


def closing(text, start):
    """The position of the bracket that closes the one at `start`; -1 if there is none."""
    depth = 0
    for i in range(start, len(text)):
        if text[i] in "([{":
            depth += 1
        elif text[i] in ")]}":
            depth -= 1
            if depth == 0:
                return i
    return -1


def arguments(text, start):
    """The spans of the arguments of a call whose bracket opens at `start`, and where it closes."""
    end, depth, spans, begin = closing(text, start), 0, [], start + 1
    for i in range(start + 1, end):
        if text[i] in "([{":
            depth += 1
        elif text[i] in ")]}":
            depth -= 1
        elif text[i] == "," and depth == 0:
            spans.append((begin, i))
            begin = i + 1
    spans.append((begin, end))
    trimmed = []
    for a, b in spans:
        while a < b and text[a] in " \t\n\\":
            a += 1
        while b > a and text[b - 1] in " \t\n\\":
            b -= 1
        trimmed.append((a, b))
    return trimmed, end


def functions(text):
    """name → (start of the body, end) of the functions defined at the beginning of a line."""
    found = {}
    for match in re.finditer(r"^[A-Za-z_][\w \t*]*?\b(\w+)\(", text, flags=re.M):
        end = closing(text, match.end() - 1)
        body = re.compile(r"\s*\{").match(text, end + 1) if end > 0 else None
        if body:
            found[match.group(1)] = (body.end() - 1, closing(text, body.end() - 1))
    return found


def rules(text):
    """The bodies in which faults are planted: name → (start, end)."""
    all_functions = functions(text)
    chosen = {n: span for n, span in all_functions.items() if n.endswith("_backward")}
    # Rules that a macro writes.
    for match in re.finditer(r"^[ \t]*#[ \t]*define[ \t]+(\w+)(?:[^\n]*\\\n)*[^\n]*\n", text, flags=re.M):
        if re.search(r"\w*_backward\s*\(\s*ag_sweep", match.group(0)):
            chosen[match.group(1)] = (match.start(), match.end())
    changed = True
    while changed:
        changed = False
        for name, span in all_functions.items():
            if name in chosen or not re.search(r"\b(ag_tensor|ag_sweep)\b", text[text.rfind("\n", 0, span[0] - 1):span[0]]):
                continue
            used = [m.start() for m in re.finditer(r"\b%s\b" % name, text)]
            inside = [p for p in used if any(a <= p < b for a, b in chosen.values())]
            # Otherwise: its own body, its definition and declarations, which stand at the beginning of a line.
            others = [p for p in used if p not in inside and not span[0] <= p < span[1] and
                      not re.match(r"static\b", text[text.rfind("\n", 0, p) + 1:p])]
            if inside and not others:
                chosen[name] = span
                changed = True
    return chosen


def calls(text, start, end):
    """(name, position, spans of the arguments, position of the closing bracket) of calls in text[start:end]."""
    for match in re.finditer(r"\b(\w+)\s*\(", text[start:end]):
        opening = start + match.end() - 1
        spans, last = arguments(text, opening)
        if last > 0:
            yield match.group(1), start + match.start(), spans, last


def other_number(text):
    value = float(text)
    if value == 0:
        return "1"
    return text + " + 1" if "." not in text else "(%s * 2)" % text


def faults_of_rule(text, code, name, start, end):
    """(kind, start, end, new) of the faults in one body. `code` is the masked text."""
    for call, at, spans, last in calls(code, start, end):
        get = [text[a:b] for a, b in spans]
        if call in ("ag_sweep_add", "ag_sweep_add_at", "ag_sweep_matmul") and len(spans) >= 3:
            a, b = spans[2] if call == "ag_sweep_matmul" else spans[-1]
            yield "sign", a, b, "ag_neg(%s)" % text[a:b]
            yield "factor", a, b, "ag_mul_scalar(%s, 2)" % text[a:b]
            yield "factor", a, b, "ag_mul_scalar(%s, 0.5)" % text[a:b]
            yield "dropped", at, last + 1, "(void)0" + "\\\n" * text.count("\\\n", at, last)
            if get[1] in ("0", "1"):
                yield "swapped", *spans[1], "10"[int(get[1])]
        elif call in ("ag_sweep_input", "ag_sweep_output", "ag_sweep_wants") and len(spans) == 2 and get[1].isdigit():
            kind = "wants" if call == "ag_sweep_wants" else "swapped"
            yield kind, *spans[1], "0" if get[1] != "0" else "1"
            if call == "ag_sweep_wants":
                yield kind, at, last + 1, "false"
        elif call == "ag_where" and len(spans) == 3:
            yield "mask", spans[1][0], spans[2][1], "%s, %s" % (get[2], get[1])
        if call in ("ag_add", "ag_sub") and len(spans) == 2:
            yield "dropped", at, last + 1, get[0]
            yield "dropped", at, last + 1, get[1] if call == "ag_add" else "ag_neg(%s)" % get[1]
        if call in OTHER:
            if call == "ag_sum_dims" and len(spans) == 3 and get[2] in ("true", "false"):
                yield "keepdim", *spans[2], "false" if get[2] == "true" else "true"
            yield "mask" if call in MASKS else "function", at, at + len(call), OTHER[call]
        if call in LEFT_OUT:
            yield "sign" if call == "ag_neg" else "function", at, last + 1, get[0]
        if call in NUMBERS:
            for a, b in spans if call == "AG_DIMS" else spans[-1:] if "scalar" in call and call != "ag_scalar" else spans[:2]:
                if NUMBER.fullmatch(text[a:b].lstrip("-")):
                    sign = "-" if text[a] == "-" else ""
                    yield "number", a, b, sign + "(" * bool(sign) + other_number(text[a:b].lstrip("-")) + ")" * bool(sign)


def faults_of_slope(text, code, start, end):
    for match in re.finditer(r" (<=|>=|<|>|==|!=) ", code[start:end]):
        new = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "!=", "!=": "=="}[match.group(1)]
        yield "mask", start + match.start(1), start + match.end(1), new
    for match in NUMBER.finditer(code[start:end]):
        yield "number", start + match.start(), start + match.end(), "(%s)" % other_number(match.group(0))
    for match in re.finditer(r" ([-+]) ", code[start:end]):
        yield "sign", start + match.start(1), start + match.end(1), {"+": "-", "-": "+"}[match.group(1)]


def one_line(text):
    return " ".join(text.replace("\\\n", " ").split())


def fault_at(path, text, function, kind, start, end, new):
    head = text[text.rfind("\n", 0, start) + 1:start]
    stop = text.find("\n", end)
    old, tail = text[start:end], text[end:stop]
    return Fault(path, function, text.count("\n", 0, start) + 1, kind, start, end, new, one_line(head + old + tail),
                 one_line(head + new + tail))


def faults_of_file(root, path):
    text = open(os.path.join(root, path)).read()
    code = masked(text)
    found = []

    def put(function, kind, start, end, new):
        if text[start:end] != new:
            found.append(fault_at(path, text, function, kind, start, end, new))

    for name, (start, end) in rules(code).items():
        for fault in faults_of_rule(text, code, name, start, end):
            put(name, *fault)
    for match in re.finditer(r"^(?:UNARY|BINARY)_\w+\((\w*_slope\w*),", code, flags=re.M):
        for fault in faults_of_slope(text, code, match.end(), closing(code, text.index("(", match.start()))):
            put(match.group(1), *fault)
    # What is saved, in the table.
    for match in re.finditer(r"AG_SAVE_(?:INPUT|OUTPUT)\(\d\)", code):
        ops = re.findall(r"\bAG_OP\((\w+)\)", code[:match.start()])
        if ops and not re.match(r"[ \t]*#[ \t]*define", code[code.rfind("\n", 0, match.start()) + 1:]):
            reads = ".reads" in code[code.rfind(".saves", 0, match.start()):match.start()].split("}")[0]
            put(ops[-1], "saves", match.start(), match.end(), "AG_READ_NOTHING" if reads else "AG_SAVE_NOTHING")
    unique = {}  # a fault may be found in two ways
    for fault in found:
        unique.setdefault((fault.start, fault.end, fault.new), fault)
    return sorted(unique.values(), key=lambda f: (f.start, f.kind))


def faults_by_patterns(root, path, patterns):
    text = open(os.path.join(root, path)).read()
    bodies = functions(masked(text))
    found, missing = [], []
    for function, kind, pattern, new in patterns:
        start, end = bodies.get(function, (0, 0))
        match = re.compile(pattern).search(text, start, end)
        if not match:
            missing.append("%s: nothing in %s is like %s" % (path, function, pattern))
            continue
        found.append(fault_at(path, text, function, kind, match.start(), match.end(), match.expand(new)))
    return found, missing


def described(fault):
    """What is printed, and what mutate_known.txt lists: the lines before and after, without their number, which moves."""
    return "%s %s: %s => %s" % (fault.file, fault.function, fault.before, fault.after)


class Bench:
    """Compiles, links and runs."""

    def __init__(self, root, build):
        self.root, self.build = root, build
        with open(os.path.join(build, "compile_commands.json")) as f:
            self.commands = json.load(f)
        self.links = {}
        for test in ["autograd_test_samples"] + OTHER_TESTS:
            text = subprocess.run(["ninja", "-C", build, "-t", "commands", "tests/" + test], check=True, text=True,
                                  capture_output=True).stdout
            self.links[test] = shlex.split(text.strip().splitlines()[-1])
        samples = os.path.join(build, "tests", "libwengert_samples.a.p")
        self.objects = sorted(os.path.join(samples, o) for o in os.listdir(samples) if o.endswith(".o"))
        driver = [w for w in self.links["autograd_test_samples"] if w.endswith("samples_driver.c.o")]
        self.driver = [os.path.join(build, w) for w in driver]
        self.environment = dict(os.environ, WENGERT_NUM_THREADS="1", CK_VERBOSITY="silent",
                                CK_DEFAULT_TIMEOUT="60")

    def command_of(self, path):
        """How the file is compiled; operations with their samples."""
        wanted = "libwengert_samples.a.p" if path.startswith("autograd/ops/") else "libwengert"
        source = os.path.realpath(os.path.join(self.root, path))
        for entry in self.commands:
            if os.path.realpath(os.path.join(entry["directory"], entry["file"])) == source and wanted in entry["output"]:
                return entry, shlex.split(entry["command"])
        raise SystemExit("%s is not compiled" % path)

    def compile(self, path, text, folder):
        entry, words = self.command_of(path)
        source, target = os.path.join(folder, os.path.basename(path)), os.path.join(folder, "mutant.o")
        with open(source, "w") as f:
            f.write(text)
        words = [source if w == entry["file"] else target if w == entry["output"] else w for w in words]
        words += ["-O0", "-w", "-iquote", os.path.join(self.root, os.path.dirname(path))]
        ok = subprocess.run(words, cwd=self.build, capture_output=True).returncode == 0
        return target if ok else None

    def link(self, test, path, mutant, folder):
        """The test with the operations' objects in it, one of them changed."""
        replaced = path.replace("/", "_") + ".o" if path.startswith("autograd/ops/") else None
        objects = [o for o in self.objects if replaced is None or not o.endswith(replaced)] + [mutant]
        words, result = [], os.path.join(folder, test)
        for word in self.links[test]:
            if word == "tests/" + test:
                word = result
            elif word == "tests/libwengert_samples.a" or "whole-archive" in word:
                continue
            words.append(word)
            if word == result:
                words += objects + (self.driver if test != "autograd_test_samples" else [])
        subprocess.run(words, cwd=self.build, check=True, capture_output=True)
        return result

    def run(self, program, *names):
        """Whether it succeeds, in time, and if not why."""
        try:
            status = subprocess.run([program, *names], env=self.environment, cwd=self.build, timeout=SECONDS,
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
        except subprocess.TimeoutExpired:
            return False
        return status == 0

    def survives(self, path, text, operation):
        """'invalid', 'caught' or 'survived'."""
        folder = tempfile.mkdtemp(prefix="mutant", dir=self.build)
        try:
            mutant = self.compile(path, text, folder)
            if mutant is None:
                return "invalid"
            program = self.link("autograd_test_samples", path, mutant, folder)
            family = os.path.basename(path)[:-2]
            if not self.run(program, operation) or not self.run(program, family) or not self.run(program, "--all"):
                return "caught"
            for test in OTHER_TESTS:
                if not self.run(self.link(test, path, mutant, folder)):
                    return "caught"
            return "survived"
        finally:
            shutil.rmtree(folder)


def known(root):
    """Changes that are no faults: description → reason."""
    entries = {}
    path = os.path.join(root, "tests", "mutate_known.txt")
    for line in open(path) if os.path.exists(path) else []:
        if line.strip() and not line.startswith("#"):
            description, _, reason = line.rstrip("\n").partition("  # ")
            entries[description.strip()] = reason
    return entries


def main():
    parser = argparse.ArgumentParser(prog="tests/mutate.sh")
    parser.add_argument("root")
    parser.add_argument("build")
    parser.add_argument("--file", action="append", metavar="F", help="a file of autograd/ops, or sweep")
    parser.add_argument("--sample", type=int, metavar="N", help="only N faults, by chance")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()

    files = sorted("autograd/ops/" + f for f in os.listdir(os.path.join(options.root, "autograd/ops")) if f.endswith(".c"))
    faults = [fault for path in files for fault in faults_of_file(options.root, path)]
    missing = []
    for path, patterns in ("autograd/contribute.c", CONTRIBUTE), ("autograd/products.c", PRODUCTS), ("autograd/sweep.c", SWEEP), ("autograd/backward.c", BACKWARD):
        more, unlike = faults_by_patterns(options.root, path, patterns)
        faults += more
        missing += unlike
    if options.file:
        names = {os.path.basename(f).removesuffix(".c") for f in options.file}
        faults = [f for f in faults if os.path.basename(f.file)[:-2] in names]
    explained = known(options.root)
    there = {described(f) for f in faults}
    stale = [] if options.file else [d for d in explained if d not in there]
    faults = [f for f in faults if described(f) not in explained]
    if options.sample is not None and options.sample < len(faults):
        faults = sorted(random.Random(options.seed).sample(faults, options.sample), key=lambda f: (f.file, f.start))
    if options.list:
        for fault in faults:
            print("%s:%d: %s, %s" % (fault.file, fault.line, fault.kind, described(fault).split(" ", 1)[1]))
        print("%d faults" % len(faults))
        return 0

    bench = Bench(os.path.realpath(options.root), options.build)
    texts = {path: open(os.path.join(options.root, path)).read() for path in {f.file for f in faults}}
    begin = time.time()
    for path in sorted(texts)[:1]:  # nothing is learnt from tests that fail anyway
        if bench.survives(path, texts[path], "add") != "survived":
            print("the tests fail without a fault")
            return 1

    def settle(fault):
        text = texts[fault.file]
        operation = re.sub(r"(_backward|_(f32|f64))$", "", fault.function)
        return bench.survives(fault.file, text[:fault.start] + fault.new + text[fault.end:], operation)

    counts = collections.defaultdict(collections.Counter)
    survivors, invalid = [], []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for fault, result in zip(faults, pool.map(settle, faults)):
            counts[fault.file][result] += 1
            if result != "caught":
                (survivors if result == "survived" else invalid).append(fault)

    print("%-36s %8s %8s %8s %8s" % ("", "planted", "caught", "invalid", "survived"))
    total = collections.Counter()
    for path in sorted(counts):
        c = counts[path]
        total.update(c)
        print("%-36s %8d %8d %8d %8d" % (path, sum(c.values()), c["caught"], c["invalid"], c["survived"]))
    for title, some in ("survived", survivors), ("did not compile", invalid):
        for fault in some:
            print("%s: line %d, %s: %s" % (title, fault.line, fault.kind, described(fault)))
    for text in missing:
        print("no longer fits: %s" % text)
    for text in stale:
        print("tests/mutate_known.txt lists what is not there: %s" % text)
    planted = total["caught"] + total["survived"]
    share = 100 * total["caught"] / planted if planted else 100
    print("%d known to be no faults; %.0f seconds" % (len(explained) - len(stale), time.time() - begin))
    print("%d faults planted, %d caught (%.1f %%), %d survived, %d did not compile" %
          (sum(total.values()), total["caught"], share, total["survived"], total["invalid"]))
    return 1 if share < 99 or missing or stale else 0


sys.exit(main())
