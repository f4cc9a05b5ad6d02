#!/usr/bin/env bash
# The names that the shared library exports are those of tests/symbols.txt.
# Usage: test_symbols.sh SOURCE_ROOT LIBRARY [--update]
set -euo pipefail
export LC_ALL=C

root=$1
library=$2
list=$root/tests/symbols.txt
exported=$(nm -D --defined-only --format=posix "$library" | cut -d' ' -f1 | sort)

if [[ ${3:-} == --update ]]; then
    printf '%s\n' "$exported" >"$list"
    printf '%d names\n' "$(wc -l <"$list")"
    exit 0
fi
if strange=$(grep -vE '^(ag|nn|optim|data)_[a-z]' <<<"$exported"); then
    printf 'exported without a prefix of the house:\n%s\n' "$strange" >&2
    exit 1
fi
if ! diff -u --label committed --label exported "$list" - <<<"$exported"; then
    printf 'The exported names changed. If that is meant: bash tests/run.sh --update-symbols\n' >&2
    exit 1
fi
