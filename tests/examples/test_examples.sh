#!/usr/bin/env bash
# Runs the example programs for a moment on a few digits: exit status, messages, files, and the same weights for any number of
# threads. What they learn from all the digits is not looked at here.
#
#     test_examples.sh FOLDER-OF-THE-PROGRAMS FOLDER-OF-THE-SAMPLE
set -euo pipefail

programs=$(cd -- "$1" && pwd)
sample=$(cd -- "$2" && pwd)
# shellcheck source=tests/examples/helpers.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/helpers.sh"

cut_digits digits 200 50
brief=(--data digits --epochs 2 --batch 50)

# damaged NAME: a copy of the digits in the folder NAME, to be damaged.
damaged() {
    rm -rf "$1"
    cp -r digits "$1"
}

# ---- training ----------------------------------------------------------------------------------------------------------

for name in mnist_mlp mnist_cnn; do
    program=$programs/$name
    expect 0 "test accuracy" "$program" "${brief[@]}" --threads 1 --json one.json --pictures charts
    has output "Confusion matrix" "Learning curves" "epoch  2/2" "weights hash" "190 digits to train on, 10 for validation"
    has one.json '"seed": 1' '"epochs": [' '"train_loss"' '"train_accuracy"' '"validation_loss"' '"validation_accuracy"' \
        '"seconds"' '"test_accuracy"' '"confusion"' '"parameters"' '"weights_hash"' '"test_samples": 50'
    if ! grep -q 'built without cairo' output; then
        is_png "charts/$name-learning-curve.png" "charts/$name-confusion.png" "charts/$name-mistakes.png"
        expect 0 "replaced charts/$name-mistakes.png" "$program" "${brief[@]}" --pictures charts
    fi
    expect 0 "replaced one.json" "$program" "${brief[@]}" --no-pictures --json one.json
    expect 0 "test accuracy" "$program" "${brief[@]}" --threads 2 --no-pictures --json two.json
    expect 0 "test accuracy" "$program" "${brief[@]}" --threads 2 --no-pictures --json other.json --seed 2
    hash_one=$(grep '"weights_hash"' one.json)
    if [[ $hash_one == $(grep '"weights_hash"' two.json) ]]; then
        good
    else
        bad "$name: the weights depend on the number of threads"
    fi
    if [[ $hash_one != $(grep '"weights_hash"' other.json) ]]; then
        good
    else
        bad "$name: another seed gave the same weights"
    fi
done
rm -r charts ./*.json

cnn=$programs/mnist_cnn
mlp=$programs/mnist_mlp
expect 0 '"validation_loss": null' sh -c '"$@" && cat novalidation.json' sh \
    "$mlp" "${brief[@]}" --validation 0 --no-pictures --json novalidation.json
expect 0 '"shuffle_labels": true' sh -c '"$@" && cat shuffled.json' sh \
    "$mlp" "${brief[@]}" --shuffle-labels --no-pictures --json shuffled.json
expect 0 "stopped early" "$mlp" --data digits --epochs 60 --patience 1 --no-pictures
expect 0 "the weights of epoch" "$mlp" --data digits --epochs 3 --no-pictures
if command -v script >/dev/null; then
    expect 0 "[=" env TERM=xterm script -qec "'$mlp' --data digits --epochs 1 --no-pictures" /dev/null
    has output " left  loss "
fi

expect 0 "1 xor 0 =" "$programs/xor" --steps 300 --dot tape.dot
has tape.dot digraph
expect 0 "test accuracy" "$programs/custom_module" --data digits --steps 5 --batch 20
has output Residual scale

# ---- wrong options -------------------------------------------------------------------------------------------------------

expect 0 "--shuffle-labels" "$cnn" --help
expect 0 "--dot FILE" "$programs/xor" --help
expect 0 "--steps N" "$programs/custom_module" --help
expect 2 "unknown option '--colour' (see --help)" "$cnn" --colour
expect 2 "unknown option '-v'" "$cnn" -v
expect 2 "unknown option '--json'" "$programs/xor" --json x.json
expect 2 "unexpected argument 'digits'" "$cnn" digits
expect 2 "option '--seed' needs a value" "$cnn" --seed
expect 2 "option '--no-pictures' takes no value" "$cnn" --no-pictures=1
for value in 3x -1 '' ' 3' 1e3 99999999999999999999 nan; do
    expect 2 "--seed needs a whole number from 0 to" "$cnn" "--seed=$value"
done
for value in 0 1.5 0x10 100001; do
    expect 2 "--epochs needs a whole number from 1 to 100000, got '$value'" "$cnn" --epochs "$value"
done
for value in 0 -0.1 nan inf 1e999 0x1 0.1.2 1e; do
    expect 2 "--lr needs a number above 0, got '$value'" "$cnn" --lr "$value"
done
for value in 1 -0.1 nan; do
    expect 2 "--validation needs a number from 0 to below 1, got '$value'" "$cnn" --validation "$value"
done
expect 2 "--threads needs a whole number from 1 to 1024, got '0'" "$cnn" --threads 0
expect 2 "--batch needs a whole number" "$cnn" --batch 0
expect 2 "--patience needs a whole number" "$cnn" --patience 0

# ---- bad data, bad places to write ----------------------------------------------------------------------------------------

refused=(--epochs 1 --batch 50 --json no.json --pictures no-charts)

expect 1 "--data nowhere: there is no train-images-idx3-ubyte" "$cnn" "${refused[@]}" --data nowhere
expect 1 "WENGERT_DATA nowhere: there is no train-images-idx3-ubyte" env WENGERT_DATA=nowhere "$cnn" "${refused[@]}"
damaged broken
rm broken/t10k-labels-idx1-ubyte
expect 1 "there is no t10k-labels-idx1-ubyte" "$cnn" "${refused[@]}" --data broken
damaged broken
head -c 1000 digits/train-images-idx3-ubyte >broken/train-images-idx3-ubyte
expect 1 "broken/train-images-idx3-ubyte" "$cnn" "${refused[@]}" --data broken
damaged broken
printf 'x' >>broken/train-labels-idx1-ubyte
expect 1 "broken/train-labels-idx1-ubyte" "$cnn" "${refused[@]}" --data broken
damaged broken
printf '\x0a' | dd of=broken/train-labels-idx1-ubyte bs=1 seek=20 conv=notrunc status=none
expect 1 "broken/train-labels-idx1-ubyte" "$cnn" "${refused[@]}" --data broken
has output "10"
damaged broken
gzip -f broken/train-images-idx3-ubyte
printf 'spoilt' | dd of=broken/train-images-idx3-ubyte.gz bs=1 seek=5000 conv=notrunc status=none
expect 1 "broken/train-images-idx3-ubyte.gz" "$cnn" "${refused[@]}" --data broken
damaged broken # a test file is only read at the end
head -c 20 digits/t10k-labels-idx1-ubyte >broken/t10k-labels-idx1-ubyte
expect 1 "broken/t10k-labels-idx1-ubyte" "$mlp" "${refused[@]}" --data broken
damaged broken
printf '\x00\x00\x00\x38\x00\x00\x00\x0e' | dd of=broken/train-images-idx3-ubyte bs=1 seek=8 conv=notrunc status=none
expect 1 "the images in the training files are (1,56,14), but digits are (1,28,28)" "$cnn" "${refused[@]}" --data broken
damaged broken
printf '\x00\x00\x00\x00' | dd of=broken/train-labels-idx1-ubyte bs=1 seek=4 conv=notrunc status=none
truncate -s 8 broken/train-labels-idx1-ubyte
expect 1 "broken/train-labels-idx1-ubyte" "$cnn" "${refused[@]}" --data broken
expect 1 "the loss became" "$mlp" "${refused[@]}" --data digits --epochs 5 --lr 1e30
has output "epoch " "step " "try a smaller --lr"
absent no.json no-charts

expect 1 "nowhere" "$cnn" --data digits --json nowhere/x.json
expect 1 "exists and is not a regular file" "$cnn" --data digits --json digits
touch plain
expect 1 "plain is not a folder" "$cnn" --data digits --pictures plain
if [[ -w /dev/full ]]; then
    expect 1 "standard output: cannot be written" sh -c '"$@" >/dev/full' sh "$mlp" "${brief[@]}" --no-pictures
fi

tally
