#!/usr/bin/env bash
# Scripts are clean for shellcheck, say what they are for, and stop at the first error.
# Usage: test_scripts.sh SOURCE_ROOT
set -euo pipefail

cd "$1"
mapfile -t scripts < <(find examples tests .ci -name '*.sh' -o -path .ci/run | sort)
for script in "${scripts[@]}"; do
    if [[ $script != examples/packages.sh ]] && ! grep -q '^set -euo pipefail$' "$script"; then
        printf '%s goes on after errors\n' "$script" >&2
        exit 1
    fi
done
if ! command -v shellcheck >/dev/null; then
    printf 'shellcheck is missing\n'
    exit 77
fi
shellcheck -x "${scripts[@]}"
printf '%d scripts\n' "${#scripts[@]}"
