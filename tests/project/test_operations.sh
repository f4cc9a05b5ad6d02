#!/usr/bin/env bash
# The tables in autograd/ops/README.md are what the table of operations and the headers say, and every public function has samples,
# refusals and samples of the smallest shapes. tests/functions.py says how they are counted.
# Usage: test_operations.sh SOURCE_ROOT TEST_SAMPLES [--update]
set -euo pipefail

root=$1
page=$root/autograd/ops/README.md
program=$2
build=$(cd -- "$(dirname -- "$program")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# replaced NAME FILE: the page with what is in the file between NAME's two lines.
replaced() {
    local begin="<!-- $1: bash tests/run.sh --update-operations -->" end="<!-- end of $1 -->"
    if ! grep -qxF "$begin" "$work/page" || ! grep -qxF "$end" "$work/page"; then
        printf '%s has not both the lines "%s" and "%s"\n' "$page" "$begin" "$end" >&2
        exit 1
    fi
    awk -v begin="$begin" -v end="$end" -v table="$2" '
        $0 == end { inside = 0 }
        !inside { print }
        $0 == begin {
            inside = 1
            while ((getline line < table) > 0) print line
            print ""
        }
    ' "$work/page" >"$work/next"
    mv "$work/next" "$work/page"
}

cp "$page" "$work/page"
"$program" --table >"$work/table"
replaced operations "$work/table"
functions=
if command -v python3 >/dev/null; then
    python3 "$root/tests/functions.py" "$root" "$build" --check
    python3 "$root/tests/functions.py" "$root" "$build" >"$work/functions"
    replaced functions "$work/functions"
    functions=", $(grep -c '^| ag_' "$work/functions") functions"
else
    printf 'python3 is missing: the table of functions was not looked at\n'
fi

operations=$(grep -c '^| [a-z]' "$work/table")
if [[ ${3:-} == --update ]]; then
    cp "$work/page" "$page"
elif ! diff -u --label committed --label generated "$page" "$work/page"; then
    printf 'The operations changed. If that is meant: bash tests/run.sh --update-operations\n' >&2
    exit 1
fi
printf '%d operations%s\n' "$operations" "$functions"
