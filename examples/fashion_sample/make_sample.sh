#!/usr/bin/env bash
# Makes the sample in this folder: the first 2 000 training and the first 1 000 test pictures of Fashion-MNIST.
# Usage: make_sample.sh [FOLDER]   (the folder of the full set; default: where the Debian package dataset-fashion-mnist puts it)
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
bash "$here/../mnist_sample/make_sample.sh" "${1-/usr/share/datasets/fashion-mnist}" "$here" 2000 1000
