#!/usr/bin/env bash
# The house rules: who may include whom, who may talk to the platform, and that the library neither prints nor exits.
# Usage: test_includes.sh SOURCE_ROOT
set -euo pipefail

cd "$1"
failures=0

refuse() {
    printf '%s\n' "$@" >&2
    failures=$((failures + 1))
}

# Files as `path: line` without comments, for rules about code.
code_of() {
    local file
    for file in "$@"; do
        sed -e 's|//.*||' -e 's|/\*.*\*/||g' -e '/\/\*/,/\*\//d' "$file" | sed "s|^|$file: |"
    done
}

files_under() {
    find "$@" -name '*.[ch]' | sort
}

# A floor includes itself and what is below it. Siblings (nn, optim, data) are not below each other.
declare -A may_include=(
    [autograd]='autograd'
    [nn]='nn autograd'
    [optim]='optim autograd'
    [data]='data autograd'
    [train]='train nn optim data autograd'
)
for folder in "${!may_include[@]}"; do
    while read -r file; do
        while read -r name; do
            # An include is found beside the file, or from the source root.
            if [[ -e $(dirname "$file")/$name ]]; then
                target=$(realpath --relative-to=. "$(dirname "$file")/$name")
            else
                target=$name
            fi
            if [[ " ${may_include[$folder]} " != *" ${target%%/*} "* ]]; then
                refuse "$file includes \"$name\": $folder may include ${may_include[$folder]} only"
            elif [[ ! -e $target ]]; then
                refuse "$file includes \"$name\", which is not there"
            fi
        done < <(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p' "$file")
    done < <(files_under "$folder")
done

# Inside autograd there are floors too: a header includes only what is below it.
declare -A floor=(
    [compiler]=0 [error]=1 [error_internal]=1 [platform]=1 [parallel]=2 [shape]=2 [storage]=3 [rng]=4 [philox]=4 [kernels]=5
    [tensor]=6 [leaf]=6 [entries]=6 [tape]=7 [op]=8 [samples]=9 [ops]=9 [backward]=10 [functional]=11 [gradcheck]=11 [inspect]=12
)
while read -r file; do
    own=$(basename "$file" .h)
    while read -r name; do
        other=$(basename "$name" .h)
        if [[ -n ${floor[$own]:-} && -n ${floor[$other]:-} && ${floor[$other]} -gt ${floor[$own]} ]]; then
            refuse "$file includes $name, which stands above it"
        fi
    done < <(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p' "$file")
done < <(find autograd -name '*.h' | sort)

# Kernels are loops over raw numbers: no tensors, no tape. (op.h says what a loop is.)
while read -r line; do
    refuse "a kernel must not know tensors or the tape: $line"
done < <(grep -HnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*".*(tensor|tape|ops|leaf|internal|backward|autograd)\.h"' \
    autograd/kernels/*.[ch] | grep -v 'error_internal\.h' || true)
while read -r line; do
    refuse "a kernel must not know tensors or the tape: $line"
done < <(code_of autograd/kernels/*.[ch] | grep -E '\bag_(tensor|tape|scope|sweep|frame)\b' || true)

# One file knows BLIS.
while read -r line; do
    refuse "only autograd/kernels/gemm.c includes BLIS: $line"
done < <(grep -rnE '#[[:space:]]*include[[:space:]]*[<"](blis/)?c?bl(is|as)\.h' --include='*.[ch]' \
    autograd nn optim data train examples | grep -v '^autograd/kernels/gemm\.c:' || true)

# One file talks to the platform. Loaders have threads of their own: POSIX ones, since not every C library has C11's.
while read -r line; do
    refuse "only autograd/platform.c talks to the platform: $line"
done < <(grep -rnE '#[[:space:]]*include[[:space:]]*<((sys|linux|mach)/.*|unistd|pthread|sched|dlfcn|windows|termios|dirent|fcntl|signal|poll)\.?h?>' \
    --include='*.[ch]' autograd nn optim data train | grep -vE '^(autograd/platform\.c|data/loader_internal\.h:[0-9]+:#include <pthread\.h>)' || true)
mapfile -t library < <(files_under autograd nn optim data train)
while read -r line; do
    refuse "only autograd/platform.c talks to the platform: $line"
done < <(code_of "${library[@]}" | grep -E '\b(clock_gettime|sysconf|isatty|usleep|nanosleep|getpid|popen|system) *\(' |
    grep -v '^autograd/platform\.c:' || true)

# The library never prints and never exits; the default error handler does, and it stands in one file.
while read -r line; do
    refuse "the library does not print or exit: $line"
done < <(code_of "${library[@]}" |
    grep -E '\b(printf|puts|putchar|perror|exit|_Exit|quick_exit|abort|atexit|signal) *\(|\b(stderr|stdout)\b' |
    grep -v '^autograd/error\.c:' || true)

printf '%d files, %d failures\n' "${#library[@]}" "$failures"
[[ $failures -eq 0 ]]
