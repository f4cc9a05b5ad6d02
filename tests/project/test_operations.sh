#!/usr/bin/env bash
# The table in autograd/ops/README.md is what the table of operations says.
# Usage: test_operations.sh SOURCE_ROOT TEST_SAMPLES [--update]
set -euo pipefail

page=$1/autograd/ops/README.md
program=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

begin='<!-- operations: bash tests/run.sh --update-operations -->'
end='<!-- end of operations -->'
if ! grep -qxF "$begin" "$page" || ! grep -qxF "$end" "$page"; then
    printf '%s has not both the lines "%s" and "%s"\n' "$page" "$begin" "$end" >&2
    exit 1
fi
"$program" --table >"$work/table"
awk -v begin="$begin" -v end="$end" -v table="$work/table" '
    $0 == end { inside = 0 }
    !inside { print }
    $0 == begin {
        inside = 1
        while ((getline line < table) > 0) print line
        print ""
    }
' "$page" >"$work/page"

operations=$(grep -c '^| [a-z]' "$work/table")
if [[ ${3:-} == --update ]]; then
    cp "$work/page" "$page"
    printf '%d operations\n' "$operations"
    exit 0
fi
if ! diff -u --label committed --label generated "$page" "$work/page"; then
    printf 'The operations changed. If that is meant: bash tests/run.sh --update-operations\n' >&2
    exit 1
fi
printf '%d operations\n' "$operations"
