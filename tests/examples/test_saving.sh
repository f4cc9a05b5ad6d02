#!/usr/bin/env bash
# Stops the example programs while they train, with a signal or by force, and lets them go on: what they find must be what a run
# that nobody stopped finds. Also what --save and --resume refuse.
#
#     test_saving.sh FOLDER-OF-THE-PROGRAMS FOLDER-OF-THE-SAMPLE
set -euo pipefail

programs=$(cd -- "$1" && pwd)
sample=$(cd -- "$2" && pwd)
# shellcheck source=tests/examples/helpers.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/helpers.sh"

cut_digits digits 600 100
digits=(--data digits)

# newer: whether a checkpoint was written after the file `stamp`.
newer() {
    [[ -d run && -n $(find run -name 'checkpoint-*.safetensors' -newer stamp -print -quit) ]]
}

# stop SIGNAL COMMAND…: starts the command, and sends the signal a moment after its first checkpoint; the exit status is in
# $status.
stop() {
    local signal=$1 pid
    shift
    touch stamp
    "$@" >output 2>&1 </dev/null &
    pid=$!
    until newer || ! kill -0 "$pid" 2>/dev/null; do
        sleep 0.01
    done
    sleep 0.05
    kill -s "$signal" "$pid" 2>/dev/null || true
    status=0
    wait "$pid" 2>/dev/null || status=$?
}

# says_saved NAME SIGNAL: the program said so; between two trainings everything is saved already, and any signal will do.
says_saved() {
    if grep -qF -e "$1: stopped by $2, saved as run/" -e "$1: stopped; what was trained is saved in run;" output; then
        good
    else
        bad "$1 did not say that $2 stopped it"
    fi
}

# found_by NAME: what a run found: its JSON file without times and threads, or the last lines that it printed.
found_by() {
    if [[ -f $1.json ]]; then
        awk '/"(seconds|threads|bytes)[^"]*":/ { skip = /\[$/; next } skip { skip = !/\]/; next } { print }' "$1.json"
    else
        tail -n 3 "$1"
    fi
}

# same_as_whole NAME WORDS
same_as_whole() {
    if cmp -s <(found_by whole) <(found_by "$1") && [[ $(found_by whole | wc -l) -ge 3 ]]; then
        good
    else
        diff <(found_by whole) <(found_by "$1") >output || true
        bad "$2: what it found differs"
    fi
}

# goes_on NAME ARGUMENTS…: the program, stopped by SIGTERM, then killed, then stopped by SIGINT, finds what it finds at one go.
goes_on() {
    local name=$1 program=$programs/$1 one=() two=() json=() says="resumed from run/" state
    shift
    "$program" --help >help
    if grep -q -e --threads help; then
        one=(--threads 1)
        two=(--threads 2)
    fi
    if grep -q -e --json help; then
        json=(--json whole.json)
    fi
    case $name in
    sweep) says="some runs were put back" ;;
    finetune) says="resumed from run/digits/" ;;
    esac
    rm -rf run ./*.json
    expect 0 "" "$program" "$@" "${one[@]}" "${json[@]}"
    mv output whole
    stop TERM "$program" "$@" "${one[@]}" --save run --save-every 1
    says_saved "$name" SIGTERM
    state=$status
    stop KILL "$program" "$@" "${two[@]}" --save run --resume --save-every 1
    state+=" $status"
    stop INT "$program" "$@" "${one[@]}" --save run --resume --save-every 1
    says_saved "$name" SIGINT
    state+=" $status"
    if [[ $state == '143 137 130' ]]; then
        good
    else
        bad "$name: the signals ended it with status $state"
    fi
    expect 0 "$says" "$program" "$@" "${two[@]}" --save run --resume "${json[@]/whole/resumed}"
    mv output resumed
    same_as_whole resumed "$name, stopped and resumed"
    # What was over is put back, and gives the same answers.
    expect 0 "$says" "$program" "$@" --save run --resume "${json[@]/whole/again}"
    mv output again
    same_as_whole again "$name, resumed at its end"
    expect 1 "the folder holds the checkpoints of another run; --resume continues it" "$program" "$@" --save run
    rm -rf run ./*.json
}

goes_on xor --steps 2000
goes_on custom_module "${digits[@]}" --steps 300
goes_on linear_regression --no-pictures --parts 1 --lr 0.02
goes_on house_prices --no-pictures --parts 1 --epochs 8
goes_on forecast --no-pictures --net dense --seeds 1 --epochs 8
for _ in {1..60}; do printf 'In the beginning was the Word, and the Word was with God.\n'; done >text.txt
goes_on char_lm --data text.txt --no-pictures --steps 200 --batch 4 --prompt In --length 20
goes_on logistic_regression --no-pictures --parts 1,2 --epochs 4
goes_on mnist_mlp "${digits[@]}" --no-pictures --epochs 6 --batch 20
goes_on mnist_cnn "${digits[@]}" --no-pictures --epochs 3 --batch 20
goes_on softmax_regression "${digits[@]}" --no-pictures --epochs 3
goes_on shuffling "${digits[@]}" --no-pictures --epochs 2
goes_on sweep "${digits[@]}" --no-pictures --rates 0.03,0.3 --widths 8,16 --seeds 2
goes_on filters "${digits[@]}" --no-pictures --epochs 3 --batch 20
goes_on finetune --digits digits --no-pictures --labels 20,60 --seeds 2 --steps 30

# ---- a second signal -----------------------------------------------------------------------------------------------------

# Both arrive while the program stands still: the first would let it finish its step, the second ends it.
touch stamp
"$programs/mnist_mlp" "${digits[@]}" --no-pictures --epochs 1000 --save run --save-every 1 >output 2>&1 </dev/null &
pid=$!
until newer; do
    sleep 0.01
done
kill -STOP "$pid"
kill -INT "$pid"
kill -TERM "$pid"
kill -CONT "$pid"
status=0
wait "$pid" 2>/dev/null || status=$?
# Which of them comes first depends on the threads that are handed them.
if [[ $status -eq 143 || $status -eq 130 ]] && ! grep -q 'stopped by' output; then
    good
else
    bad "a second signal ended it with status $status"
fi
expect 0 "resumed from run/" "$programs/mnist_mlp" "${digits[@]}" --no-pictures --epochs 1 --save run --resume

# ---- what is refused -----------------------------------------------------------------------------------------------------

mlp=("$programs/mnist_mlp" "${digits[@]}" --no-pictures --epochs 1)
cnn=("$programs/mnist_cnn" "${digits[@]}" --no-pictures --epochs 1)
expect 2 "--resume needs --save" "${mlp[@]}" --resume
expect 2 "--save-every needs --save" "${mlp[@]}" --save-every 3
expect 2 "--save needs a path" "${mlp[@]}" --save ''
rm -rf run
expect 0 "nothing to resume in run: a new run begins" "${mlp[@]}" --save run --resume
expect 1 "does not fit, and nothing was changed" "${cnn[@]}" --save run --resume
has output 'options.program: saved as mnist_mlp, here it is mnist_cnn' "run/checkpoint-0" "model."
expect 1 "options.seed: saved as 1, here it is 7" "${mlp[@]}" --save run --resume --seed 7
expect 1 "1 difference: options.lr: saved as 0.001" "${mlp[@]}" --save run --resume --lr 0.5
expect 0 "resumed from run/" "${mlp[@]}" --save run --resume --epochs 2
cp -r run before
for file in run/*; do
    head -c 1000 "$file" >beginning
    cp beginning "$file"
done
expect 1 "no checkpoint in run is whole" "${mlp[@]}" --save run --resume
has output "is damaged"
cp before/* run/
newest=$(printf '%s\n' run/checkpoint-* | tail -n 1)
printf 'x' | dd of="$newest" bs=1 seek=5000 conv=notrunc status=none
expect 0 "passed over: $newest: is damaged" "${mlp[@]}" --epochs 2 --save run --resume
has output "resumed from run/checkpoint-00000001.safetensors" "epoch  2/2"
touch plain
expect 1 "--save plain: plain is not a folder" "${mlp[@]}" --save plain
expect 1 "--save plain/run: " "${mlp[@]}" --save plain/run
if [[ $EUID -ne 0 ]]; then
    mkdir closed
    chmod 555 closed
    expect 1 "--save closed: the folder closed cannot be written: Permission denied" "${mlp[@]}" --save closed
fi
# A disk that is full after 2 MB; what is there stays.
expect 0 "" "${cnn[@]}" --save full
sum=$(cat full/* | cksum)
expect 1 "cannot be written: File too large" bash -c 'trap "" XFSZ; ulimit -f 500; exec "$@"' bash "${cnn[@]}" --epochs 2 \
    --save full --resume
if [[ $(cat full/* | cksum) == "$sum" ]]; then
    good
else
    bad "a save onto a full disk changed what was there"
fi
tally
