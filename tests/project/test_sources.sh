#!/usr/bin/env bash
# Every C file in the tree is compiled by some target: none was forgotten in a list.
# Usage: test_sources.sh SOURCE_ROOT BUILD_ROOT
set -euo pipefail

root=$1
build=$2
failures=0
compiled=$(meson introspect --targets "$build" | grep -o '"[^"]*\.c"' | tr -d '"' | sort -u)
while read -r file; do
    if ! grep -qxF "$file" <<<"$compiled"; then
        printf '%s is in no source list\n' "${file#"$root/"}" >&2
        failures=$((failures + 1))
    fi
done < <(find "$root"/{autograd,nn,optim,data,train,examples,tests} -name '*.c')
printf '%d files, %d failures\n' "$(wc -l <<<"$compiled")" "$failures"
[[ $failures -eq 0 ]]
