#!/usr/bin/env bash
# Runs the programs that make pictures up for a moment on a few digits, and looks whether what each of them claims can be seen in
# what it prints.
#
#     test_generative.sh FOLDER-OF-THE-PROGRAMS FOLDER-OF-THE-SAMPLE
#
# The programs for awk stand in single quotes: the dollars in them are awk's.
# shellcheck disable=SC2016
set -euo pipefail

programs=$(cd -- "$1" && pwd)
sample=$(cd -- "$2" && pwd)
helpers=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)/helpers.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
unset WENGERT_DATA WENGERT_ABORT
export WENGERT_NUM_THREADS=1

# shellcheck source=tests/examples/helpers.sh
. "$helpers"

cut_digits digits 1000 200

# ---- vae -----------------------------------------------------------------------------------------------------------------

vae=$programs/vae
expect 0 "test loss" "$vae" --data digits --latent 2 --epochs 10 --save run --pictures pictures --json vae.json
if ! grep -q 'built without cairo' output; then
    is_png pictures/vae-{curves,reconstructions,samples,interpolation,plane,scatter}.png
fi
has vae.json '"reconstruction"' '"divergence"' '"test_reconstruction"' '"weights_hash"' '"gradient_without"'
holds "the test loss falls" output '/^ +1  / { first = $8 } /^ +10  / { last = $8 } END { exit !(first > 0 && last < first - 20) }'
holds "the printed loss is the sum of its terms" output '
    /^ +[0-9]+ .* = .* s$/ { n++; d = $4 + $6 - $8; if (d > 0.011 || d < -0.011) wrong++ } END { exit !(n == 10 && !wrong) }'
holds "no gradient passes a draw that was cut from the graph" output '
    /^  through the draw/ { through = $4; painted = $5 } /^  draw cut from the graph/ { cut = $6; grey = $7; kl = $8 }
    END { exit !(through > 0 && cut == 0 && painted < grey && kl < 0.5) }'
hash=$(grep -o 'weights [0-9a-f]*' output)
expect 0 "$hash" "$vae" --data digits --latent 2 --from-saved --save run --no-pictures
expect 0 "$hash" "$vae" --data digits --latent 2 --epochs 10 --threads 3 --no-pictures
expect 1 "latent" "$vae" --data digits --latent 3 --from-saved --save run --no-pictures
expect 1 "there is no checkpoint in empty" "$vae" --data digits --from-saved --save empty --no-pictures
cut_digits few 320 50
expect 0 "test loss" "$vae" --data few --net conv --batch 16 --epochs 1 --no-pictures
expect 2 "--net needs dense or conv, got 'lstm'" "$vae" --net lstm
expect 2 "--latent needs a whole number from 1 to 1000, got '0'" "$vae" --latent 0
expect 2 "--beta needs a number from 0 to 1e6, got '-1'" "$vae" --beta -1
expect 2 "--from-saved needs --save" "$vae" --from-saved
expect 1 "try a smaller --lr" "$vae" --data digits --lr 1e9 --epochs 3 --no-pictures

# ---- gan -----------------------------------------------------------------------------------------------------------------

gan=$programs/gan
expect 0 "variety" "$gan" --data few --net mlp --epochs 3 --save two --pictures drawn --json gan.json
if ! grep -q 'built without cairo' output; then
    is_png drawn/gan-{growing,samples,balance}.png
    has drawn/gan-growing.png acTL
fi
has gan.json '"d_loss"' '"g_loss"' '"real_right"' '"fake_right"' '"variety"' '"weights_hash"'
hash=$(grep -o 'generator [0-9a-f]\{16\}' output)
expect 0 "$hash" "$gan" --data few --net mlp --from-saved --save two --no-pictures
expect 0 "$hash" "$gan" --data few --net mlp --epochs 3 --threads 3 --no-pictures
rm -r two
expect 0 "variety" "$gan" --data few --net mlp --epochs 2 --save two --no-pictures
expect 0 "$hash" "$gan" --data few --net mlp --epochs 3 --save two --resume --no-pictures
expect 1 "conditional" "$gan" --data few --net mlp --epochs 3 --save two --resume --conditional --no-pictures
for loss in least-squares hinge wasserstein; do
    expect 0 "$loss loss" "$gan" --data few --net mlp --loss "$loss" --epochs 1 --no-pictures
done
expect 0 "dcgan, wasserstein loss, conditional" "$gan" --data few --loss wasserstein --conditional --epochs 1 --no-pictures
expect 0 "variety" "$gan" --data few --label-smoothing 0.1 --label-noise 0.05 --epochs 1 --no-pictures
# A discriminator that learns five times as often, and the loss of the first paper: nothing comes back to the generator.
if thorough; then
    expect 0 "the generator's gradient has vanished" "$gan" --data digits --net mlp --too-strong --epochs 16 --no-pictures
else
    expect 0 "minimax loss" "$gan" --data few --net mlp --too-strong --epochs 1 --no-pictures
fi
expect 1 "no batch is left: drop_last, batches of 1000, a set of 320 samples" "$gan" --data few --batch 1000
expect 2 "--loss hinge has no labels" "$gan" --loss hinge --label-noise 0.1
expect 2 "--too-strong" "$gan" --loss hinge --too-strong
expect 2 "--loss needs non-saturating, least-squares, hinge or wasserstein, got 'best'" "$gan" --loss best
expect 2 "--label-noise needs a number from 0 to 0.5, got '0.7'" "$gan" --label-noise 0.7

tally
