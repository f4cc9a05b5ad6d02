#!/usr/bin/env bash
# Each public header compiles on its own, as C11 and as C++17, without a warning.
# Usage: test_headers.sh SOURCE_ROOT BUILD_ROOT
set -euo pipefail

root=$1
build=$2
failures=0

compilers=()
for pair in "cc c++" "gcc g++" "clang clang++"; do
    if command -v "${pair% *}" >/dev/null && command -v "${pair#* }" >/dev/null; then
        compilers+=("$pair")
    fi
done

# What is installed is what is public; Meson knows.
mapfile -t headers < <(meson introspect --installed "$build" |
    tr ',' '\n' | sed -n 's/^[ {]*"\([^"]*\.h\)": .*/\1/p')
if [[ ${#headers[@]} -lt 15 ]]; then
    printf 'only %d headers are installed\n' "${#headers[@]}" >&2
    exit 1
fi

strict=(-Wall -Wextra -Wpedantic -Werror -fsyntax-only "-I$root" "-I$build/.include")
for header in "${headers[@]}"; do
    for pair in "${compilers[@]}"; do
        # A constant after the include, so that the file is never an empty translation unit.
        program=$(printf '#include "%s"\nextern const int here;\nconst int here = 1;\n' "$header")
        if ! "${pair% *}" -std=c11 "${strict[@]}" -x c - <<<"$program"; then
            printf '%s does not compile alone as C11 (%s)\n' "$header" "${pair% *}" >&2
            failures=$((failures + 1))
        fi
        if ! "${pair#* }" -std=c++17 "${strict[@]}" -x c++ - <<<"$program"; then
            printf '%s does not compile alone as C++17 (%s)\n' "$header" "${pair#* }" >&2
            failures=$((failures + 1))
        fi
    done
done
printf '%d headers, %d failures\n' "${#headers[@]}" "$failures"
[[ $failures -eq 0 ]]
