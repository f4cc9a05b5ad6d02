#!/usr/bin/env bash
# Plants faults in the rules of backward, one at a time, and shows that the tests catch each: a wrong sign, a wrong factor, a
# term dropped, inputs swapped, a mask turned round, a saved tensor forgotten, a broadcast operand not summed back.
#
#     bash tests/mutate.sh                     every fault, on all processors
#     bash tests/mutate.sh --sample 40         that many of them, by chance; --seed N for others
#     bash tests/mutate.sh --file math         those in autograd/ops/math.c; may be given several times
#     bash tests/mutate.sh --list              says what would be planted, and plants nothing
#
# tests/mutate_known.txt lists changes that are no faults. The last line counts; the exit status is 1 if fewer than 99 % were
# caught. Needs Python 3 besides what the tests need. WENGERT_BUILD names another folder than build/.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
build=${WENGERT_BUILD:-$root/build}/tests/mutate

if ! command -v python3 >/dev/null; then
    printf 'tests/mutate.sh needs python3\n' >&2
    exit 77
fi
if [[ " $* " == *' --list '* ]]; then
    exec python3 "$root/tests/mutate.py" "$root" "$build" "$@"
fi

mkdir -p "$build"
log=$build/build.log
if [[ ! -f $build/build.ninja ]]; then
    meson setup "$build" "$root" -Dtests=enabled -Dexamples=disabled -Doptimization=1 -Dmultiversion=disabled >"$log" 2>&1 || {
        cat "$log" >&2
        exit 1
    }
fi
ninja -C "$build" tests/autograd_test_samples tests/autograd_test_op tests/autograd_test_backward \
    tests/autograd_test_stateful tests/autograd_test_inplace \
    tests/autograd_test_products tests/autograd_test_programs >"$log" 2>&1 || {
    cat "$log" >&2
    exit 1
}
exec python3 "$root/tests/mutate.py" "$root" "$build" "$@"
