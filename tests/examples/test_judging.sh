#!/usr/bin/env bash
# Runs the programs that judge pictures by number, and those that learn from folders of PNG files, on a few digits.
#
#     test_judging.sh FOLDER-OF-THE-PROGRAMS FOLDER-OF-THE-SAMPLE PNG_DIGITS
#
# The last is the program that writes digits as PNG files.
set -euo pipefail

programs=$(cd -- "$1" && pwd)
sample=$(cd -- "$2" && pwd)
png_digits=$(cd -- "$(dirname -- "$3")" && pwd)/${3##*/}
# shellcheck source=tests/examples/helpers.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/helpers.sh"
# Other tests run at the same time.
export WENGERT_NUM_THREADS=1

cut_digits digits 1000 200
cut_digits few 320 50

# ---- train_judge and judge_pictures ----------------------------------------------------------------------------------------

# npy FILE TYPE SHAPE: NumPy's file of the bytes that come in.
npy() {
    local header
    printf -v header "%-117s" "{'descr': '$2', 'fortran_order': False, 'shape': $3, }"
    # The format are the bytes of the header, not a text.
    # shellcheck disable=SC2059
    printf '\x93NUMPY\x01\x00\x76\x00' >"$1"
    printf '%s\n' "$header" >>"$1"
    cat >>"$1"
}

judge=$programs/judge_pictures
expect 0 "pictures judged by a network that reads 99" "$judge" --data digits --json judged.json
has judged.json '"share"' '"confidence"' '"variance"' '"frechet"' '"nearest": 1.0'
expect 0 "200 pictures judged" "$judge" --data digits --threads 3 --json threads.json
if diff <(grep -v -e file -e threads judged.json) <(grep -v -e file -e threads threads.json) >output; then
    good
else
    bad "a judgement depends on the number of threads"
fi
tail -c +17 digits/t10k-images-idx3-ubyte | npy real.npy '|u1' '(200, 28, 28)'
expect 0 "200 pictures judged" "$judge" --data digits --file real.npy --json again.json
if diff <(grep -v file judged.json) <(grep -v file again.json) >output; then
    good
else
    bad "pictures out of a file are judged otherwise than out of a set"
fi
# A mask is the picture whose ink is as dark as can be.
tail -c +17 digits/t10k-images-idx3-ubyte | LC_ALL=C tr '\000-\377' '[\000*128][\377*128]' | npy dark.npy '|u1' '(200, 28, 28)'
tail -c +17 digits/t10k-images-idx3-ubyte | LC_ALL=C tr '\000-\377' '[\000*128][\001*128]' | npy mask.npy '|b1' '(200, 28, 28)'
expect 0 "200 pictures judged" "$judge" --data digits --file dark.npy
cp output dark
expect 0 "200 pictures judged" "$judge" --data digits --file mask.npy
if cmp -s dark output; then good; else bad "a mask is judged otherwise than the same picture in bytes"; fi
head -c 784 /dev/zero | npy one.npy '|u1' '(1, 28, 28)'
expect 1 "there must be two or more pictures, not 1" "$judge" --data digits --file one.npy
head -c 7840 /dev/zero | npy narrow.npy '|u1' '(10, 28, 14, 2)'
expect 1 "narrow.npy: the shape is (10,28,14,2), but pictures are (n,28,28), (n,1,28,28) or (n,784)" "$judge" --data digits --file narrow.npy
head -c 7840 /dev/zero | npy whole.npy '<i8' '(980,)'
expect 1 "whole.npy: the numbers are I64, but pictures are floats" "$judge" --data digits --file whole.npy
head -c 7840 /dev/zero | tr '\0' '\300' | npy wild.npy '<f4' '(2, 980)'
expect 1 "wild.npy: the shape is (2,980)" "$judge" --data digits --file wild.npy
head -c 6272 /dev/zero | tr '\0' '\300' | npy wild.npy '<f4' '(2, 784)'
expect 1 "picture 0, row 0, column 0: the pixel is -6.02353, but must be from 0 (paper) to 1 (ink)" "$judge" --data digits --file wild.npy
head -c 500 real.npy >short.npy
expect 1 "short.npy" "$judge" --data digits --file short.npy
expect 1 "nowhere.npy" "$judge" --data digits --file nowhere.npy
expect 2 "--file needs some text" "$judge" --file ''
trainer=$programs/train_judge
expect 0 "the weights are in own.safetensors" "$trainer" --data few --epochs 1 --weights own.safetensors --json trained.json
has trained.json '"test_accuracy"' '"weights_hash"'
expect 1 "it has learned others" "$judge" --data digits --weights own.safetensors
printf '\x40\0\0\0\0\0\0\0{"1.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}%3s\0\0\0\0' '' >other.safetensors
expect 1 "does not fit Sequential" "$judge" --data digits --weights other.safetensors
expect 1 "--weights nowhere/own.safetensors" "$trainer" --data few --weights nowhere/own.safetensors
expect 1 "try a smaller --lr" "$trainer" --data few --lr 1e9 --epochs 3 --weights lost.safetensors
absent lost.safetensors

# ---- PNG files ---------------------------------------------------------------------------------------------------------------

"$png_digits" digits pngs 300
expect 0 "30 pictures judged by a network that reads" "$judge" --pngs pngs
expect 0 "the weights are in drawn.safetensors" "$trainer" --pngs pngs --epochs 1 --weights drawn.safetensors
mkdir many many/{a,b,c,d,e,f,g,h,i,j,k}
for class in many/*; do
    cp pngs/0/*.png "$class"
done
expect 1 "many: 11 folders are as many classes; at most 10 can be told apart here" "$judge" --pngs many
expect 1 "pngs/0: a judge tells classes apart" "$trainer" --pngs pngs/0
mkdir mixed mixed/0 mixed/1 none
cp pngs/0/*.png mixed/0
expect 1 "mixed/1: the folder of this class holds no PNG file" "$judge" --pngs mixed
expect 1 "none: the folder holds no PNG file (0 others)" "$judge" --pngs none
expect 1 "nowhere: the folder cannot be read: No such file or directory" "$judge" --pngs nowhere
cut=(mixed/0/*.png)
head -c 100 "${cut[1]}" >mixed/1/short.png
expect 1 "mixed/1/short.png: the data is damaged or ends too early" "$judge" --pngs mixed
mkdir two
cp "${cut[0]}" "${cut[1]}" two
expect 1 "two: 2 pictures are too few: a tenth of them is for the test" "$judge" --pngs two

# ---- made-up pictures -----------------------------------------------------------------------------------------------------------

gan=$programs/gan
vae=$programs/vae
expect 0 "30 pictures judged by a network that reads" "$gan" --pngs pngs --net mlp --epochs 1 --judge 30 --no-pictures --json gan.json
has gan.json '"judgement"' '"frechet"'
expect 1 "none: the folder holds no PNG file" "$vae" --pngs none
if thorough; then
    expect 0 "20 pictures judged by a network that reads" "$vae" --pngs pngs --epochs 1 --judge 20 --no-pictures --json vae.json
    has vae.json '"judgement"' '"nearest"'
    # Noughts as ones, and ones as noughts: no judge reads that.
    mkdir wrong wrong/0 wrong/1
    cp pngs/0/*.png wrong/1
    cp pngs/1/*.png wrong/0
    expect 1 "it has learned others" "$gan" --pngs wrong --net mlp --batch 8 --epochs 1 --judge 20 --no-pictures
    # Spectral normalisation.
    expect 0 "dcgan, hinge loss, spectral normalisation" "$gan" --data few --loss hinge --spectral --epochs 2 --save bounded --judge 0 --no-pictures
    hash=$(grep -o 'generator [0-9a-f]\{16\}' output)
    expect 0 "$hash" "$gan" --data few --loss hinge --spectral --from-saved --save bounded --judge 10 --no-pictures
    expect 1 "spectral" "$gan" --data few --loss hinge --from-saved --save bounded --no-pictures
    expect 0 "mlp, wasserstein loss, conditional, spectral" "$gan" --data few --net mlp --loss wasserstein --conditional --spectral --epochs 1 --no-pictures
fi

tally
