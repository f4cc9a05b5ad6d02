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
if strange=$(grep -vE '^(ag|nn|optim|data|train)_[a-z]' <<<"$exported"); then
    printf 'exported without a prefix of the house:\n%s\n' "$strange" >&2
    exit 1
fi

# What the headers promise is there: each AG_API function, multi-line prototypes included.
declared=$(cd "$root" && sed -e 's|/\*.*\*/||' -e '/^ \* /d' autograd/*.h autograd/ops/*.h autograd/inspect/*.h nn/*.h optim/*.h \
    data/*.h train/*.h | grep -oE '^AG_API [^(;]*\(' | sed -E 's/.*[ *]([A-Za-z0-9_]+)\($/\1/' | sort -u)
if missing=$(comm -23 <(printf '%s\n' "$declared") <(printf '%s\n' "$exported") | grep .); then
    printf 'declared in a header, but not in the library:\n%s\n' "$missing" >&2
    exit 1
fi
if ! diff -u --label committed --label exported "$list" - <<<"$exported"; then
    printf 'The exported names changed. If that is meant: bash tests/run.sh --update-symbols\n' >&2
    exit 1
fi
