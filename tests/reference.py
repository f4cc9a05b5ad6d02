"""The reference: a manual page in section 3 for each public function, from the comment in its header.

    reference.py SOURCE_ROOT OUTPUT      writes OUTPUT/man3/ag_matmul.3 and so on
    reference.py SOURCE_ROOT --check     lists the functions of tests/symbols.txt that no comment describes

What counts as the description of a declaration:
  - a comment on the lines of the declaration, behind it;
  - a comment directly above it, without an empty line between;
  - a comment above a group: declarations that follow one another without anything between them. At most GROUP declarations,
    so that a comment says something about each;
  - for the function that makes a config with its defaults: the comments on the fields of the struct.
Lines that divide a header into sections describe nothing.
"""

import os
import re
import sys

GROUP = 8

PUBLIC = ["autograd", "autograd/ops", "autograd/inspect", "nn", "optim", "data", "train"]


class Function:
    def __init__(self, symbol, prototype, header, section, line):
        self.symbol, self.prototype, self.header, self.section, self.line = symbol, prototype, header, section, line
        self.name, self.macro = symbol, None  # what programs call, and how it is defined
        self.above, self.behind, self.group = "", "", []
        self.struct = None  # the config it takes or makes

    def described(self):
        text = " ".join(t for t in (self.above, self.behind) if t)
        if self.symbol.endswith("_defaults") and not text and self.struct:
            text = "The defaults of %s." % self.struct[0]
        return text


def comment_text(raw):
    """Lines of a comment without its marks."""
    raw = re.sub(r"^\s*/\*+|\*+/\s*$", "", raw.strip())
    return "\n".join(re.sub(r"^\s*\*? ?", "", line).rstrip() for line in raw.split("\n")).strip()


def parse(root, header):
    """The functions of one header, in order."""
    lines = open(os.path.join(root, header), encoding="utf-8").read().split("\n")
    functions, group, above, section = [], [], "", ""
    macros, structs = {}, {}
    last_struct = None
    i = 0
    while i < len(lines):
        line, start = lines[i], i
        if re.match(r"\s*/\*", line):
            while "*/" not in lines[i]:
                i += 1
            text = comment_text("\n".join(lines[start:i + 1]))
            if re.match(r"-{3,}.*-{3,}$", text, flags=re.S):
                section, text = text.strip("- \n"), ""
            above, group = text, []
        elif line.startswith("AG_API"):
            while not re.search(r";\s*(/\*|$)", lines[i]):
                i += 1
            rest = lines[i][lines[i].split("/*")[0].rindex(";") + 1:]
            code_end = i
            while "/*" in rest and "*/" not in rest:
                i += 1
                rest += "\n" + lines[i]
            code = " ".join(l.strip() for l in lines[start:code_end + 1])
            prototype = re.sub(r"\s*/\*.*", "", code)[len("AG_API "):]
            prototype = re.sub(r"\s*AG_[A-Z]+\(\d[^)]*\)(?=;)", "", prototype).rstrip(";")
            symbol = re.search(r"(\w+)\s*\(", prototype).group(1)
            f = Function(symbol, prototype, header, section, start + 1)
            f.above, f.behind = above, comment_text(rest) if "/*" in rest else ""
            if symbol.endswith("_defaults") and last_struct and last_struct[0] in prototype:
                f.struct = last_struct
            group.append(f)
            f.group = group
            functions.append(f)
        elif line.startswith("typedef struct") and line.rstrip().endswith("{"):
            while not lines[i].startswith("}"):
                i += 1
            name = re.match(r"}\s*(\w+)", lines[i]).group(1)
            last_struct = structs[name] = (name, "\n".join(lines[start:i + 1]))
            above, group = "", []
        else:
            macro = re.match(r"#define (\w+)\([^)]*\) +(?:AG_NOTING\()?(\w+_at)\(", line)
            if macro:
                macros[macro.group(2)] = (macro.group(1), line)
            if not line.strip() or re.match(r"#define \w+\(|#(if|endif|include)", line):
                above, group = "", []
        i += 1
    for f in functions:
        if f.symbol in macros:
            f.name, f.macro = macros[f.symbol]
        config = re.search(r"\b(\w+_config)\b", f.prototype)
        if config and config.group(1) in structs:
            f.struct = structs[config.group(1)]
        # The group's comment stands for all of it, or for the first alone if there are too many.
        if len(f.group) > GROUP and f is not f.group[0] and not f.behind:
            f.above = ""
    return functions


def all_functions(root):
    found = []
    for folder in PUBLIC:
        for name in sorted(os.listdir(os.path.join(root, folder))):
            if name.endswith(".h"):
                found += parse(root, folder + "/" + name)
    return found


def check(root):
    functions = {f.symbol: f for f in all_functions(root)}
    failures = 0
    for symbol in open(os.path.join(root, "tests/symbols.txt")).read().split():
        f = functions.get(symbol)
        if f is None:
            print("%s is exported, but declared in no header" % symbol)
        elif not f.described():
            print("%s:%d: %s has no description" % (f.header, f.line, symbol))
        else:
            continue
        failures += 1
    print("%d functions, %d without a description" % (len(functions), failures))
    return 1 if failures else 0


# ---- pages -------------------------------------------------------------------------------------------------------------

def escaped(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("^", "\\(ha").replace("~", "\\(ti")
    text = re.sub(r"[^\x00-\x7f]", lambda m: "\\[u%04X]" % ord(m.group(0)), text)
    return "\n".join("\\&" + line if line.startswith((".", "\\(aq")) else line for line in text.split("\n"))


def user_prototype(f):
    """As a program writes the call: without the place, which the macro adds."""
    text = f.prototype.replace(f.symbol + "(", f.name + "(", 1)
    return re.sub(r"\(ag_place where(, |(?=\)))", "(", text) if f.macro else text


def short(text):
    """The first sentence, for the page's NAME and for apropos."""
    sentence = re.split(r"(?<=[.;])\s|\n\n|  +", text.strip())[0].rstrip(".;")
    return re.sub(r"\s+", " ", sentence).replace(" \\- ", " ")


def folder_of(header):
    return header.replace("data/", "wengert/data/") if header.startswith("data/") else "wengert/" + header


def page(f, functions, version):
    near = [g for g in functions if g.header == f.header and g.section == f.section and g.name != f.name]
    near.sort(key=lambda g: abs(g.line - f.line))
    out = ['.TH %s 3 "" "Wengert %s" "Wengert"' % (f.name.upper(), version), ".ad l", ".nh", ".SH NAME",
           "%s \\- %s" % (f.name, escaped(short(f.described()))), ".SH SYNOPSIS", ".nf",
           ".B #include <wengert/wengert.h>", ".PP", ".BI \"%s;\"" % escaped(user_prototype(f)).replace('"', '""')]
    if f.macro:
        out += [".PP", ".B \"%s\"" % escaped(re.sub(r"\s+", " ", f.prototype) + ";"),
                ".B \"%s\"" % escaped(re.sub(r"\s+", " ", f.macro))]
    out += [".fi", ".SH DESCRIPTION"]
    # One comment may stand for several: then its lines are all of theirs.
    together = [g.name for g in f.group if g is not f and g.above and g.above == f.above]
    for text in (f.above, f.behind) if f.above or f.behind else (f.described(),):
        if text:
            # A line with columns or an indented one is kept as it is.
            kept = re.search(r"\S   +\S", text) is not None
            out += [".nf" if kept else ".PP", escaped(text), *([".fi"] if kept else [])]
            if text is f.above and together:
                out += [".PP", "This is said of %s together." % ", ".join(escaped(n) for n in [f.name] + together)]
    before = [g for g in functions if g.header == f.header and g.line < f.line and g.name not in together]
    if re.match(r"The same\b", f.described()) and before:
        out += [".PP", "The same as %s(3):" % before[-1].name, ".RS", escaped(before[-1].described()), ".RE"]
    if f.macro:
        out += [".PP", "%s is a macro that adds the line of the call, which messages of errors name." % escaped(f.name)]
    if f.struct:
        out += [".SH CONFIGURATION", ".nf", escaped(f.struct[1]), ".fi"]
    out += [".SH HEADER", escaped("<%s>, included by <wengert/wengert.h>" % folder_of(f.header))]
    if near:
        names = sorted({g.name + "(3)" for g in near[:8]})
        out += [".SH SEE ALSO", ",\n".join(names)]
    return "\n".join(out) + "\n"


def write(root, output):
    functions = all_functions(root)
    version = re.search(r"^\s*version: '([^']*)'", open(os.path.join(root, "meson.build")).read(), flags=re.M).group(1)
    folder = os.path.join(output, "man3")
    os.makedirs(folder, exist_ok=True)
    for old in os.listdir(folder):
        os.remove(os.path.join(folder, old))
    empty = 0
    for f in functions:
        if not f.described():
            print("%s:%d: the page of %s is empty" % (f.header, f.line, f.name))
            empty += 1
        with open(os.path.join(folder, f.name + ".3"), "w", encoding="utf-8") as file:
            file.write(page(f, functions, version))
    print("%d pages in %s" % (len(functions), folder))
    return 1 if empty else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(check(sys.argv[1]) if sys.argv[2] == "--check" else write(sys.argv[1], sys.argv[2]))
