#!/usr/bin/env bash
# Every exported function is described by a comment in its public header, and a manual page can be made of it.
# tests/reference.py says what counts as a description.
# Usage: test_documented.sh SOURCE_ROOT BUILD_ROOT
set -euo pipefail

root=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! command -v python3 >/dev/null; then
    printf 'python3 is missing\n'
    exit 77
fi
python3 "$root/tests/reference.py" "$root" --check

# The check sees what is missing.
mkdir -p "$work/copy/tests"
cp -r "$root"/{autograd,nn,optim,data,train} "$work/copy"
cp "$root/tests/symbols.txt" "$work/copy/tests"
printf 'AG_API int ag_nobody_knows(int x);\n' >>"$work/copy/autograd/tape.h"
printf 'ag_nobody_knows\n' >>"$work/copy/tests/symbols.txt"
if python3 "$root/tests/reference.py" "$work/copy" --check >"$work/found" || ! grep -q 'ag_nobody_knows has no' "$work/found"; then
    printf 'a function without a description was not found\n' >&2
    exit 1
fi

# A page for each, none of them empty, and none that troff stumbles over.
python3 "$root/tests/reference.py" "$root" "$work"
empty=$(awk '
    function settle() { if (page != "" && !text) print page }
    FNR == 1 { settle(); page = FILENAME; text = inside = 0 }
    /^\.SH / { inside = ($2 == "DESCRIPTION"); next }
    inside && !/^\.(PP|nf|fi)$/ { text = 1 }
    END { settle() }
' "$work"/man3/*.3)
if [[ -n $empty ]]; then
    printf 'pages without a description:\n%s\n' "$empty" >&2
    exit 1
fi
if command -v groff >/dev/null; then
    warnings=$(groff -man -Tutf8 -ww -z "$work"/man3/*.3 2>&1 | grep -v 'cannot \(adjust\|break\)' || true)
    if [[ -n $warnings ]]; then
        printf '%s\n' "$warnings" | head -n 20 >&2
        exit 1
    fi
fi
