#!/usr/bin/env bash
# Runs the short lessons on backpropagation: the claims of each hold, for several seeds, in time, and the numbers that it prints are
# those that awk computes.
#
#     test_backpropagation.sh FOLDER-OF-THE-PROGRAMS
# The programs for awk stand in single quotes: the dollars in them are awk's.
# shellcheck disable=SC2016
set -euo pipefail

programs=$(cd -- "$1" && pwd)
# shellcheck disable=SC2034
sample=$programs
# shellcheck source=tests/examples/helpers.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/helpers.sh"

# lesson NAME CLAIMS: all of its claims hold, whatever the seed; with the first seed, its page is written, too.
lesson() {
    local name=$1 claims=$2 seed begin=$SECONDS
    for seed in 3 2 1; do
        expect 0 "$claims of $claims claims hold" "$programs/lesson_$name" --seed "$seed"
        if grep -q '^  NO:' output; then bad "$name, seed $seed: a claim does not hold"; else good; fi
    done
    # Ten seconds each are allowed; a machine that is busy may take them all for three.
    if [[ $((SECONDS - begin)) -le 30 ]]; then good; else bad "$name took $((SECONDS - begin)) s for three runs"; fi
}

page() {
    expect 0 "wrote $1.html" "$programs/lesson_$1" --html "$1.html"
    has "$1.html" "<!DOCTYPE html>"
}

lesson chain_rule 5
holds "the gradients are those of the formula" output '
    BEGIN { y = 1 / (1 + exp(-0.7)); dz = 2 * (y - 1) * y * (1 - y) }
    function near(a, b) { return a - b < 1e-6 && b - a < 1e-6 }
    /d loss \/ d w/ { w = $9 } /d loss \/ d b/ { b = $9 }
    END { exit !(near(w, 2 * dz) && near(b, dz)) }'
lesson twice 2
holds "2 x + cos x at 1.5" output '/the tape has/ { d = $5 - (3 + cos(1.5)); found = d < 1e-6 && d > -1e-6 } END { exit !found }'
lesson order 3
has output "x ends with 36, not 24" "x has 24"
lesson zero_grad 4
has output "4, then 8"
lesson in_place 4
has output "was changed in place at" "dy/dx = 1.648721"
lesson detach 4
has output "it was detached or kept at detach.c:" "of the generator's 0.000000"
lesson reparameterise 3
has output "no operation on the tape reads it"
lesson hundred_steps 7
holds "a rotation keeps the norm: sqrt(16)" output '/orthogonal weights/ { for (i = 1; i < NF; i++) if ($i == "h_0") exit !($(i + 1) == 4) }'
lesson saturated 4
holds "the slopes at -12 are those of the formulas" output '
    $1 == -12 { y = 1 / (1 + exp(12)); a = $3 / (2 * (y - 1) * y * (1 - y)); b = $4 / (y - 1); found = a > 0.999 && a < 1.001 && b > 0.999 && b < 1.001 }
    END { exit !found }'
lesson starved 3
lesson attention_scale 4
lesson tiny_update 5
has output "float32: 1.000000000" "float64: 1.002000"

for name in chain_rule twice order zero_grad in_place detach reparameterise saturated; do
    page "$name"
done
expect 2 "nonsense" "$programs/lesson_twice" --nonsense
expect 1 "/nowhere/x.html" "$programs/lesson_twice" --html /nowhere/x.html

printf '%d passed, %d failed\n' "$passed" "$failed"
[[ $failed -eq 0 ]]
