#!/usr/bin/env bash
# Runs scripts through tape_debugger on each of its tapes, and looks at the answers.
#
#     test_debugger.sh FOLDER-OF-THE-PROGRAMS
set -euo pipefail

programs=$(cd -- "$1" && pwd)
# shellcheck disable=SC2034
sample=$programs
# shellcheck source=tests/examples/helpers.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/helpers.sh"

debugger=$programs/tape_debugger

# session STATUS-TEXT… is read from standard input: a script; the answers go to `output`.
session() {
    if "$debugger" "$@" >output 2>&1; then good; else bad "tape_debugger $* failed"; fi
}

expect 0 "attention" "$debugger" --help
expect 2 "scalar, twice, neuron" "$debugger" --graph nothing
expect 2 "nothing" "$debugger" nothing

# Every tape, with every kind of command; each ends with all its gradients in the leaves.
for graph in scalar twice neuron xor dead nan cell lstm attention; do
    printf 'list all\ngraph\ntotals\nstep\nstep 2\nout\nrun\nprint loss\nreplay\njson %s.json\ndot %s.dot\n' "$graph" "$graph" |
        session --graph "$graph"
    has output "backward is at its end" "derivative" "recorded" "wrote $graph.json" "wrote $graph.dot"
    session --graph "$graph" --html "$graph.html" </dev/null
    has "$graph.html" "<!DOCTYPE html>" '"format":"wengert tape 1"'
done

# By hand: y = x^2 sin x + x at 1.5, so that dy/dx = 2 x sin x + x^2 cos x + 1 = 4.1516...
printf 'explain x\nrun\nprint x\ncheck x\n' | session --graph twice
has output "d loss / d x: 3 paths" "gradient                 4.15164" "agrees" "used by"

# Five of six units are dead: the explanation says so, and the other one's bias alone has a gradient.
printf 'explain b\nrun\nprint b\n' | session --graph dead
has output "local derivative 0 for" "gradient                 (6) 0 0 "

printf 'run to nonfinite\nprint\n' | session --graph nan
has output "log" "NaN"

# A gate's weight, checked on the spot; the loop's steps are on the tape.
printf 'check w_hh\ncheck w_ih\nlist op sigmoid\n' | session --graph lstm
has output "agrees" "sigmoid"
if grep -q DIFFERS output; then bad "a gradient of the LSTM differs"; else good; fi

# An empty line does it again; a script may have remarks; what cannot be written is said.
printf '# a remark\nstep\n\n\nhtml /nowhere/x.html\nquit\nstep\n' | session --graph scalar
has output "#2 tanh" "#1 add" "#0 mul" "/nowhere/x.html: No such file or directory"
expect 1 "/nowhere/x.html: No such file or directory" "$debugger" --html /nowhere/x.html

printf '%d passed, %d failed\n' "$passed" "$failed"
[[ $failed -eq 0 ]]
