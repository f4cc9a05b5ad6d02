#!/usr/bin/env bash
# Makes the sample in this folder: the first 10 000 training and the first 2 000 test digits of MNIST, in MNIST's own format.
# Usage: make_sample.sh FOLDER   (the folder of the full MNIST; examples/fetch_data.sh gets it into examples/data/mnist)
#        make_sample.sh FOLDER INTO TRAIN TEST   (another set in MNIST's format, another folder, other numbers)
set -euo pipefail

if [[ ($# -ne 1 && $# -ne 4) || $1 == --help ]]; then
    sed -n '2,4s/^# //p' "${BASH_SOURCE[0]}"
    if [[ ${1-} == --help ]]; then exit 0; else exit 2; fi
fi
full=$1
here=${2-$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)}
train=${3-10000}
test=${4-2000}

# An IDX file's bytes, whether it is compressed or not.
content() {
    if [[ -f $full/$1.gz ]]; then gzip -cd "$full/$1.gz"; else cat "$full/$1"; fi
}

# A number as four bytes, the highest first.
number() {
    local hex
    hex=$(printf '%08x' "$1")
    printf '%b' "\\x${hex:0:2}\\x${hex:2:2}\\x${hex:4:2}\\x${hex:6:2}"
}

part=$(mktemp "$here/.sample.XXXXXX")
trap 'rm -f -- "$part" "$part.gz"' EXIT

# sample NAME COUNT HEADER BYTES: the first COUNT elements of BYTES bytes each; the number of elements stands in bytes 4 to 7.
sample() {
    local name=$1 count=$2 header=$3 bytes=$4
    local size=$((header + count * bytes))
    content "$name" >"$part"
    if [[ $(wc -c <"$part") -lt $size ]]; then
        printf 'make_sample.sh: %s/%s is too short for %d elements\n' "$full" "$name" "$count" >&2
        exit 1
    fi
    {
        head -c 4 "$part"
        number "$count"
        head -c "$size" "$part" | tail -c +9
    } | gzip -9n >"$part.gz"
    chmod 644 "$part.gz"
    mv "$part.gz" "$here/$name.gz"
}

sample train-images-idx3-ubyte "$train" 16 784
sample train-labels-idx1-ubyte "$train" 8 1
sample t10k-images-idx3-ubyte "$test" 16 784
sample t10k-labels-idx1-ubyte "$test" 8 1
