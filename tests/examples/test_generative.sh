#!/usr/bin/env bash
# Runs the programs that make pictures up for a moment on a few digits, and looks whether what each of them claims can be seen in
# what it prints.
#
#     test_generative.sh FOLDER-OF-THE-PROGRAMS FOLDER-OF-THE-SAMPLE png_digits
#
# The programs for awk stand in single quotes: the dollars in them are awk's.
# shellcheck disable=SC2016
set -euo pipefail

programs=$(cd -- "$1" && pwd)
sample=$(cd -- "$2" && pwd)
png_digits=$(realpath -- "$3")
# shellcheck source=tests/examples/helpers.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/helpers.sh"
# Other tests run at the same time.
export WENGERT_NUM_THREADS=1

cut_digits digits 1000 200
cut_digits few 320 50

# one_class FOLDER: the digits of `few`, all labelled 7.
one_class() {
    local part
    cp -r few "$1"
    for part in train t10k; do
        head -c 8 "few/$part-labels-idx1-ubyte" >"$1/$part-labels-idx1-ubyte"
        tail -c +9 "few/$part-labels-idx1-ubyte" | tr '\000-\377' '\007' >>"$1/$part-labels-idx1-ubyte"
    done
}
one_class sevens

# is_samples FILE N: NumPy's file of N pictures: a header of 128 bytes that says so, then their bytes, and not all of them paper.
is_samples() {
    if [[ -f $1 && $(wc -c <"$1") -eq $((128 + $2 * 784)) ]] && head -c 128 "$1" | grep -qF "'|u1'" &&
        head -c 128 "$1" | grep -qF "($2, 28, 28)" && [[ -n $(tail -c +129 "$1" | tr -d '\000' | head -c 1) ]]; then
        good
    else
        bad "$1 does not hold $2 pictures"
    fi
}

# same FILE FILE
same() {
    if cmp -s "$1" "$2"; then good; else bad "$1 and $2 differ"; fi
}

# ---- vae -----------------------------------------------------------------------------------------------------------------

# What the judge says is looked at once: it reads all test digits each time.
vae() {
    "$programs/vae" --judge 0 "$@"
}
expect 0 "test loss" vae --data digits --latent 2 --epochs 10 --save run --pictures pictures --json vae.json --samples made.npy --n 20
is_samples made.npy 20
if ! grep -q 'built without cairo' output; then
    is_png pictures/vae-{curves,reconstructions,samples,interpolation,plane,scatter,growing}.png
    has pictures/vae-growing.png acTL
fi
has vae.json '"reconstruction"' '"divergence"' '"test_reconstruction"' '"weights_hash"' '"gradient_without"'
holds "the test loss falls" output '/^ +1  / { first = $8 } /^ +10  / { last = $8 } END { exit !(first > 0 && last < first - 20) }'
holds "the printed loss is the sum of its terms" output '
    /^ +[0-9]+ .* = .* s$/ { n++; d = $4 + $6 - $8; if (d > 0.011 || d < -0.011) wrong++ } END { exit !(n == 10 && !wrong) }'
holds "no gradient passes a draw that was cut from the graph" output '
    /^  through the draw/ { through = $4; painted = $5 } /^  draw cut from the graph/ { cut = $6; grey = $7; kl = $8 }
    END { exit !(through > 0 && cut == 0 && painted < grey && kl < 0.5) }'
hash=$(grep -o 'weights [0-9a-f]*' output)
# The first test digits of MNIST are 7 2 1 0 4.
expect 0 "From test picture 3 (0) to 2 (1)" vae --data digits --latent 2 --from-saved --save run --pictures again \
    --from 3 --to 2 --samples again.npy --n 20
same made.npy again.npy
if [[ -f pictures/vae-plane.png ]]; then
    same pictures/vae-plane.png again/vae-plane.png
fi
expect 0 "$hash" vae --data digits --latent 2 --from-saved --save run --no-pictures
if thorough; then
    expect 0 "$hash" vae --data digits --latent 2 --epochs 10 --threads 3 --no-pictures
fi
expect 1 "latent" vae --data digits --latent 3 --from-saved --save run --no-pictures
expect 1 "net" vae --data digits --latent 2 --net conv --from-saved --save run --no-pictures
expect 0 "$hash" vae --data digits --latent 2 --from-saved --save run --no-pictures
expect 1 "there is no checkpoint in empty" vae --data digits --from-saved --save empty --no-pictures
expect 0 "2000 clothes from" vae --clothes --epochs 1 --no-pictures
expect 0 "test loss" vae --data few --net conv --batch 16 --epochs 1 --no-pictures
expect 2 "--net needs dense or conv, got 'lstm'" vae --net lstm
expect 2 "--latent needs a whole number from 1 to 1000, got '0'" vae --latent 0
expect 2 "--beta needs a number from 0 to 1e6, got '-1'" vae --beta -1
expect 2 "--from-saved needs --save" vae --from-saved
expect 2 "--judge 1: one picture has no variance" vae --judge 1
expect 2 "--from and --to name the two ends together" vae --from 3
expect 1 "--to 50: the test files in few hold 50 pictures, from 0 to 49" vae --data few --from 3 --to 50 --no-pictures
expect 1 "--samples made.png: the name must end with .npy" vae --data few --samples made.png
expect 1 "sevens: all 320 training pictures are of class 7 (7)" vae --data sevens --no-pictures
# A step that is no number is not made, and what was saved before is kept: it can be resumed, and the same happens again.
expect 1 "try a smaller --lr" vae --data few --batch 32 --lr 1e9 --epochs 3 --no-pictures --save astray --save-every 1
has output "that step was not made" "the last good checkpoint is kept: astray/"
kept=$(grep -o 'astray/[^;]*safetensors' output || true)
if [[ -n $kept && -f $kept && $(find astray -name '*.safetensors' | sort | tail -n 1) == "$kept" ]]; then
    good
else
    bad "the last good checkpoint, $kept, is not the last one in astray"
fi
expect 1 "that step was not made" vae --data few --batch 32 --lr 1e9 --epochs 3 --no-pictures --save astray --resume
has output "resumed from $kept"
expect 1 "the run in astray was saved before its first epoch was over" vae --data few --batch 32 --lr 1e9 --from-saved --save astray \
    --no-pictures
# Too long steps of which each is a number, and weights that are worth nothing.
expect 1 "the loss on the test pictures is nan after epoch 1: the steps were too long" vae --data few --lr 1e3 --epochs 1 --no-pictures

# ---- gan -----------------------------------------------------------------------------------------------------------------

gan() {
    "$programs/gan" --judge 0 "$@"
}
expect 0 "variety" gan --data few --net mlp --epochs 3 --save two --pictures drawn --json gan.json --samples first.npy --n 30 \
    --judge 30
has output "30 pictures judged by a network that reads"
is_samples first.npy 30
holds "the shares of the classes make 100 %" output '
    /they look like/ { n = gsub(/ %/, "&"); sub(/.*they look like/, ""); split($0, part, ", ")
        for (i in part) { split(part[i], word, " "); sum += word[2] } } END { exit !(n == 10 && sum > 94 && sum < 106) }'
if ! grep -q 'built without cairo' output; then
    is_png drawn/gan-{growing,samples,balance}.png
    has drawn/gan-growing.png acTL
fi
has gan.json '"d_loss"' '"g_loss"' '"real_right"' '"fake_right"' '"variety"' '"classes"' '"judgement"' '"weights_hash"'
hash=$(grep -o 'generator [0-9a-f]\{16\}' output)
expect 0 "$hash" gan --data few --net mlp --from-saved --save two --no-pictures --samples second.npy --n 30
same first.npy second.npy
expect 1 "net" gan --data few --net dcgan --from-saved --save two --no-pictures
has output "resume with what it was saved with, or begin in another folder"
expect 1 "latent" gan --data few --net mlp --latent 32 --from-saved --save two --no-pictures
expect 0 "$hash" gan --data few --net mlp --epochs 3 --threads 3 --no-pictures
rm -r two
expect 0 "variety" gan --data few --net mlp --epochs 2 --save two --no-pictures
expect 0 "$hash" gan --data few --net mlp --epochs 3 --save two --resume --no-pictures
expect 1 "conditional" gan --data few --net mlp --epochs 3 --save two --resume --conditional --no-pictures
for loss in least-squares hinge wasserstein; do
    thorough || break # test_alternation takes a step with each
    expect 0 "$loss loss" gan --data few --net mlp --loss "$loss" --epochs 1 --no-pictures
done
expect 0 "dcgan, wasserstein loss, conditional" gan --data few --loss wasserstein --conditional --epochs 1 --no-pictures
expect 0 "variety" gan --data few --label-smoothing 0.1 --label-noise 0.05 --epochs 1 --no-pictures
# A discriminator that learns five times as often, and the loss of the first paper: nothing comes back to the generator.
if thorough; then
    expect 0 "the generator's gradient has vanished" gan --data digits --net mlp --too-strong --epochs 16 --no-pictures
else
    expect 0 "minimax loss" gan --data few --net mlp --too-strong --epochs 1 --no-pictures
fi
# Digits made to order: what the nearest real digit says they are is what was ordered, of which chance would have a tenth.
if thorough; then
    expect 0 "made to order" gan --data digits --net mlp --conditional --lr 1e-3 --epochs 25 --no-pictures --judge 0
    holds "digits look as they were ordered" output '/^made to order/ { share = $4 } END { exit !(share >= 40) }'
fi
if thorough; then
    expect 0 "clothes from" gan --clothes --net mlp --epochs 1 --no-pictures
fi
expect 1 "sevens: all 320 training pictures are of class 7 (7)" gan --data sevens --no-pictures
expect 1 "became" gan --data few --net mlp --lr 1e10 --epochs 2 --no-pictures --save lost --save-every 1
has output "that step was not made" "the last good checkpoint is kept: lost/" "try a smaller --lr"
expect 1 "no batch is left: drop_last, batches of 1000, a set of 320 samples" gan --data few --batch 1000
expect 2 "--loss hinge has no labels" gan --loss hinge --label-noise 0.1
expect 2 "--too-strong" gan --loss hinge --too-strong
expect 2 "--judge 1: one picture has no variance" gan --judge 1
expect 2 "--loss needs non-saturating, least-squares, hinge or wasserstein, got 'best'" gan --loss best
expect 2 "--label-noise needs a number from 0 to 0.5, got '0.7'" gan --label-noise 0.7

# ---- PNG files ---------------------------------------------------------------------------------------------------------------

"$png_digits" digits pngs 300
expect 0 "vae: 270 pictures from pngs" vae --pngs pngs --epochs 1 --no-pictures
expect 0 "pictures from pngs" gan --pngs pngs --net mlp --epochs 1 --no-pictures
# One class is all there is, and nobody asks for a class.
expect 0 "pictures from pngs/7" vae --pngs pngs/7 --batch 8 --epochs 1 --no-pictures
expect 1 "pngs/7: all 27 training pictures are of one class, and --conditional needs two or more" \
    gan --pngs pngs/7 --conditional --no-pictures
# Of two classes, no third one is ordered.
mkdir pair
cp -r pngs/0 pngs/1 pair
expect 0 "made to order" gan --pngs pair --net mlp --conditional --batch 4 --epochs 1 --no-pictures
holds "two classes are told apart, not ten" output '/they look like 0 [0-9]+ %, 1 [0-9]+ %$/ { found = 1 } END { exit !found }'
damaged=(pngs/3/*.png)
head -c 100 "${damaged[0]}" >damaged && mv damaged "${damaged[0]}"
expect 1 "${damaged[0]}: the data is damaged or ends too early" gan --pngs pngs --net mlp --epochs 1 --no-pictures
expect 2 "--pngs names the pictures, and --clothes others" vae --pngs pngs --clothes

tally
