#!/usr/bin/env bash
# Runs the three networks of `glance` for a few steps: each shows what it is there to show.
#
#     test_glance.sh FOLDER-OF-THE-PROGRAMS FOLDER-OF-THE-SAMPLE
# shellcheck disable=SC2016
set -euo pipefail

programs=$(cd -- "$1" && pwd)
sample=$(cd -- "$2" && pwd)
# shellcheck source=tests/examples/helpers.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/helpers.sh"

glance=("$programs/glance" --data "$sample" --threads 1 --pictures pictures)

# A line of the print ends, after three courses, with three numbers; 3 of 5 columns between blanks hold the norms.
# gradient LAYER: the norm of that layer's gradient in `output`.
norm_of_gradient() {
    awk -v layer="$1.weight" '$1 == layer { print $5 }' output
}

expect 0 "60 steps of 64 digits" "${glance[@]}" --steps 60
holds "a healthy network has learned something after 60 steps, and all its weights move" output '
    /steps of/ { loss = $8 + 0 }
    /hardly moves|gradient 0|not finite|no gradient/ { wrong++ }
    END { exit !(loss > 0 && loss < 1 && !wrong) }'

expect 0 "hardly moves" "${glance[@]}" --net sigmoids --steps 20
first=$(norm_of_gradient 1)
last=$(norm_of_gradient 15)
if awk -v first="$first" -v last="$last" 'BEGIN { exit !(first > 0 && last > 10000 * first) }'; then
    good
else
    bad "the last layer's gradient, $last, is not 10000 times the first one's, $first"
fi

expect 0 "units that pass nothing on" "${glance[@]}" --net hot --steps 40
holds "steps that are too large kill units" output '/^[24] relu/ { if ($(NF - 1) >= 80) dead++ } END { exit dead < 2 }'
has output "gradient 0"

expect 0 "steps of" "${glance[@]}" --steps 24
hash=$(grep -o 'weights [0-9a-f]\{16\}' output)
expect 0 "11 steps" "${glance[@]}" --steps 11 --save run
expect 0 "$hash" "${glance[@]}" --steps 24 --save run --resume
has output "watched from step 12 on"
expect 0 "nothing was watched" "${glance[@]}" --steps 24 --save run --resume
expect 1 "net" "${glance[@]}" --net hot --steps 24 --save run --resume

expect 2 "healthy, sigmoids or hot" "${glance[@]}" --net warm
printf '%d passed, %d failed\n' "$passed" "$failed"
[[ $failed -eq 0 ]]
