#!/usr/bin/env bash
# Installs what is missing, builds Wengert and trains a convolutional network on the digits under examples/mnist_sample.
# Arguments are handed on to the program: bash examples/quickstart.sh --help
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=examples/packages.sh
. "$root/examples/packages.sh"

require_packages build

build=${WENGERT_BUILD:-$root/build}/release
log=$(mktemp)
trap 'rm -f "$log"' EXIT

if [[ ! -f $build/build.ninja ]]; then
    printf 'configuring %s\n' "$build"
    if ! meson setup "$build" "$root" -Dtests=disabled >"$log" 2>&1; then
        cat "$log" >&2
        exit 1
    fi
    sed -n '/as asked$/!s/^Message: //p' "$log"
fi
printf 'building\n'
if ! ninja -C "$build" examples/mnist_cnn >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
fi

"$build/examples/mnist_cnn" "$@"
