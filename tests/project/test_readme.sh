#!/usr/bin/env bash
# What README.md tells the reader to type works. Each ```sh block is run in a fresh copy of the tree, in order, except
# commands that the suite itself stands for, those that need the network, and blocks after a line `<!-- not run: why -->`.
# A ```c block with a main() is compiled, linked with the library as built, and run.
# Usage: test_readme.sh SOURCE_ROOT BUILD_ROOT
set -euo pipefail

root=$1
build=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [[ ! -f $root/README.md ]]; then
    printf 'there is no README.md\n' >&2
    exit 1
fi

# Block after block into files: 01.sh, 02.c, …
awk -v folder="$work" '
    /^<!-- not run: / { skip = 1; next }
    /^```/ && inside { inside = 0; close(file); next }
    /^```/ {
        inside = 1
        kind = substr($0, 4)
        file = (skip || (kind != "sh" && kind != "c")) ? "/dev/null" : sprintf("%s/%02d.%s", folder, ++n, kind)
        skip = 0
        next
    }
    inside { print >file; next }
    NF { skip = 0 }
' "$root/README.md"

copy=$work/copy
mkdir "$copy"
if git -C "$root" rev-parse --git-dir >/dev/null 2>&1; then
    (cd "$root" && git ls-files -z | xargs -0 ls -d 2>/dev/null | tar -cf - -T -) | tar -xf - -C "$copy"
else
    (cd "$root" && tar --exclude=./build --exclude=./.git -cf - .) | tar -xf - -C "$copy"
fi

# What the quick start builds: the same programs.
mkdir -p "$copy/build"
ln -s "$build" "$copy/build/release"

run=0
for block in "$work"/*.sh; do
    [[ -e $block ]] || continue
    while IFS= read -r line; do
        case $line in
        '' | '#'*) continue ;;
        # Run by tests/run.sh, which is what runs this.
        'bash tests/run.sh'*) continue ;;
        'bash examples/quickstart.sh') continue ;;
        'ninja -C build/release'*) continue ;;
        # These need the network or change the machine.
        git\ clone* | cd\ wengert* | *apt-get* | *fetch_data.sh*) continue ;;
        esac
        printf '%s\n' "$line" >>"$block.run"
        run=$((run + 1))
    done <"$block"
    if [[ -e $block.run ]] && ! (cd "$copy" && bash -euo pipefail "$block.run") >"$block.log" 2>&1 </dev/null; then
        printf 'this block of README.md fails:\n' >&2
        cat "$block" "$block.log" >&2
        exit 1
    fi
done

compiled=0
for block in "$work"/*.c; do
    [[ -e $block ]] || continue
    if grep -q 'int main(' "$block"; then
        "${CC:-cc}" -std=c11 -Wall -Wextra -Wpedantic -Werror "-I$root" "-I$build/.include" "$block" \
            -o "$block.out" "-L$build" "-Wl,-rpath,$build" -lwengert
        if ! (cd "$copy" && "$block.out") >"$block.log" 2>&1 </dev/null; then
            printf 'this program of README.md fails:\n' >&2
            cat "$block" "$block.log" >&2
            exit 1
        fi
        compiled=$((compiled + 1))
    fi
done
# Links to files lead somewhere, in the README of every folder.
while read -r page; do
    while read -r link; do
        if [[ $link != *://* && ! -e $root/$(dirname "$page")/$link ]]; then
            printf '%s links to %s, which is not there\n' "$page" "$link" >&2
            exit 1
        fi
    done < <(grep -oE '\]\([^)#]+' "$root/$page" | cut -c3-)
done < <(cd "$root" && find . -name README.md -not -path './build/*')
printf '%d commands run, %d programs compiled and run\n' "$run" "$compiled"
