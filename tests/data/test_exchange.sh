#!/usr/bin/env bash
# What the library writes, NumPy and PyTorch read. Skipped with a line that says so if no Python here has both.
# Usage: test_exchange.sh PROGRAM GOLDEN
set -euo pipefail

program=$1
golden=$2
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$program" "$work"
for python in python3 /usr/bin/python3; do
    if command -v "$python" >/dev/null && "$python" -c 'import numpy, torch' 2>/dev/null; then
        "$python" "$here/exchange.py" "$work" "$golden"
        exit
    fi
done
printf 'not compared with Python: no Python 3 here has NumPy and PyTorch (Debian and Ubuntu: python3-torch)\n'
exit 77
