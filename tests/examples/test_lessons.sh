#!/usr/bin/env bash
# Runs the lessons for a moment on a few digits, and looks whether what each of them claims can be seen in what it prints.
#
#     test_lessons.sh FOLDER-OF-THE-PROGRAMS FOLDER-OF-THE-SAMPLE
#
# The programs for awk stand in single quotes: the dollars in them are awk's.
# shellcheck disable=SC2016
set -euo pipefail

programs=$(cd -- "$1" && pwd)
sample=$(cd -- "$2" && pwd)
# shellcheck source=tests/examples/helpers.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/helpers.sh"

cut_digits digits 1000 200
small=(--data digits --no-pictures)

# ---- softmax_regression --------------------------------------------------------------------------------------------------

expect 0 "test accuracy" "$programs/softmax_regression" --data digits --epochs 6 --pictures pictures --json softmax.json
drawn softmax_regression learning-curve confusion mistakes weights losses iris
has softmax.json '"pulls"' '"losses"' '"confusion"' '"weights_hash"' '"iris_confusion"'
holds "irises: 92 % by five folds, and each flower stands once in the confusion matrix" output '
    /^irises: 5-fold accuracy/ { accuracy = $4 }
    /^ *setosa +[0-9.]/ || /^versicolor +[0-9.]/ || /^ *virginica +[0-9.]/ { row = 0; for (i = 2; i <= 4; i++) row += $i; if (row == 50) rows++; right += $(++n + 1) }
    END { d = right / 1.5 - accuracy; exit !(accuracy >= 92 && rows == 3 && d < 0.06 && d > -0.06) }'
holds "two measurements tell most of them apart" output '/^with petal length, petal width alone/ { exit !($7 >= 90) }'
holds "softmax regression reads 70 % after 1000 digits" output '/^test accuracy/ { exit !($3 > 70) }'
# With two classes in the race, q = 1 / (1 + e^lead) is the probability of the right one: cross-entropy pulls with 1 - q, the
# squared error of probabilities with 4 q (1 - q)^2, which vanishes when it is needed most.
holds "the pulls of cross-entropy and of the squared error are those of the formula" output '
    function near(a, b) { return a - b < 6e-5 && b - a < 6e-5 }
    /^ +-5 +0 +2 +5/ { for (i = 1; i <= 6; i++) lead[i] = $i }
    /^  cross-entropy .*[01]\.[0-9]+$/ && !seen { seen = 1; for (i = 1; i <= 6; i++) if (!near($(i + 1), 1 - 1 / (1 + exp(lead[i])))) wrong++ }
    /^  squared error of probabilities .*[01]\.[0-9]+$/ { checked = 1
        for (i = 1; i <= 6; i++) { q = 1 / (1 + exp(lead[i])); if (!near($(i + 4), 4 * q * (1 - q) ^ 2)) wrong++ } }
    END { exit !(seen && checked && !wrong) }'
same_without_threads softmax_regression weights_hash "${small[@]}" --epochs 1

# ---- shuffling -----------------------------------------------------------------------------------------------------------

expect 0 "at the end" "$programs/shuffling" --data digits --epochs 7 --pictures pictures --json shuffling.json
drawn shuffling order noise batch
has shuffling.json '"sorted"' '"shuffled"' '"noise"' '"steps_to_goal"' '"validation_loss"'
holds "sorted digits end far below shuffled ones" output '/^at the end/ { exit !($5 + 15 < $8) }'
holds "after the 9s, the 9s are read and most of the rest is not" output '
    /^  after the 9s/ { for (i = 4; i <= 12; i++) rest += $i / 9; exit !($13 >= 90 && rest < 50) }'
holds "the noise of a batch falls with the root of its size" output '
    /distance x root/ { table = 1; next }
    table && NF == 3 { n++; if (n == 1) first = $3; if ($3 < 0.8 * first || $3 > 1.25 * first) wrong++ }
    /^3\./ { exit !(n >= 3 && !wrong) }'
holds "small batches take more steps, large ones more epochs" output '
    /^  batch +steps/ { table = 1; next }
    table && $1 == 8 { steps8 = $2; epochs8 = $3 }
    table && $1 == 1 { steps1 = $2; epochs1 = $3 }
    table && $1 == 64 { epochs64 = $3 }
    END { exit !(steps1 > 1.5 * steps8 && epochs8 > epochs1 && epochs64 > 2 * epochs8) }'
same_without_threads shuffling accuracy "${small[@]}" --epochs 1 --batch 200
expect 1 "the loss became" "$programs/shuffling" "${small[@]}" --epochs 1 --lr 1e30 --json no.json
absent no.json

# ---- sweep ---------------------------------------------------------------------------------------------------------------

expect 0 "12 of 12 runs gave the same weights, bit for bit" "$programs/sweep" --data digits --rates 0.03,0.3,1e30 --widths 8,32 \
    --seeds 2 --threads 4 --pictures pictures --json sweep.json
drawn sweep accuracy
has output diverged "best setting: width 32, rate 0.3"
holds "the hashes in the file are equal, and differ from run to run" sweep.json '
    { sub(",", "", $2) } /"lr"/ { rate = $2 + 0 } /"weights_hash"/ { hash = $2 }
    /"weights_hash_alone"/ { if ($2 != hash) wrong++; if (rate < 1 && hash in seen) same++; seen[hash] = 1; n++ }
    END { exit !(n == 12 && !wrong && !same) }'
same_without_threads sweep weights_hash "${small[@]}" --epochs 1 --rates 0.1,0.3 --widths 8 --seeds 2
# Nothing that is drawn or printed may need more than one rate, width or seed.
expect 0 "1 of 1 runs" "$programs/sweep" --data digits --epochs 1 --rates 0.1 --widths 8 --seeds 1 --pictures pictures
expect 0 "every setting diverged" "$programs/sweep" "${small[@]}" --epochs 1 --rates 1e30 --widths 8 --seeds 1
for value in '' ',' '0.1,' 0 -1 nan 0.1,x 1e39; do
    expect 2 "--rates needs 1 to 32 numbers above 0, up to 1e+38, separated by commas, got '$value'" "$programs/sweep" \
        "--rates=$value"
done
expect 2 "--widths needs 1 to 32 whole numbers" "$programs/sweep" --widths 2.5
expect 2 "--seeds needs a whole number" "$programs/sweep" --seeds 0

# ---- rates ---------------------------------------------------------------------------------------------------------------

expect 0 "on plateau" "$programs/rates" --data digits --epochs 6 --pictures pictures --json rates.json
drawn rates finder schedules
has rates.json '"steepest"' '"one-cycle"' '"validation_loss"'
holds "the steepest fall lies below the lowest loss" output '/falls fastest/ { exit !($6 > 0.001 && $6 < $11 + 0 && $11 < 10) }'
# After 5 of 6 epochs: a tenth for each third begun, a hundredth to the power 5/6; the constant one stays.
holds "the rates follow their schedules" output '
    function near(a, b) { return a - b < 0.01 * b && b - a < 0.01 * b }
    /^   constant/ { base = $2; if ($2 != $3) wrong++ }
    /^   step/ { n++; if (!near($3, base / 10)) wrong++ }
    /^   exponential/ { n++; if (!near($3, base * 0.01 ^ (5 / 6))) wrong++ }
    /^   warm-up/ { n++; if (!near($3, 0.01 * base)) wrong++ }
    /^   one cycle/ { n++; if (!near($3, 3 * base / 25)) wrong++ }
    END { exit !(n == 4 && !wrong) }'
grep '^   ' output | grep '%' >whole
expect 0 "on plateau" "$programs/rates" --data digits --epochs 6 --no-pictures --save rates-run
expect 0 "on plateau" "$programs/rates" --data digits --epochs 6 --no-pictures --save rates-run --resume
if diff <(grep '^   ' output | grep '%') whole >/dev/null; then
    good
else
    bad "what was saved is not what was found"
fi
expect 2 "--validation 0 leaves nothing" "$programs/rates" --validation 0

# ---- filters -------------------------------------------------------------------------------------------------------------

expect 0 "still read correctly" "$programs/filters" --data digits --epochs 4 --pictures pictures --json filters.json
drawn filters by-hand padding stride-and-pooling learned activation
has output "k=3  26x26    28x28    28x28    30x30" "k=4  25x25    29x29    28x28    31x31" \
    "k=5  24x24    28x28    28x28    32x32"
holds "what was computed in two ways agrees" filters.json '
    /"(by_hand|sharpen_is_difference|twice_is_wider|moves_along|average_is_convolution|cam_difference|sum_difference)"/ {
            sub(",", "", $2); n++; if (!($2 + 0 >= 0 && $2 + 0 < 1e-5)) wrong++ }
    END { exit !(n == 7 && !wrong) }'
holds "pooling makes a shift matter less" filters.json '
    { sub(",", "", $2) } /"change_unpooled"/ { plain = $2 + 0 } /"change_pooled"/ { pooled = $2 + 0 }
    END { exit !(pooled > 0 && pooled < 0.8 * plain) }'
holds "ink matters more where the map is hot" filters.json '
    { sub(",", "", $2) } /"hottest"/ { hot = $2 + 0 } /"coldest"/ { cold = $2 + 0 }
    END { exit !(hot + 0.1 < cold) }'
same_without_threads filters weights_hash "${small[@]}" --epochs 1
has output "1. Filters made by hand" "camera.png"
if compgen -G 'pictures/*.png' >/dev/null; then
    # A picture of one's own: this one is wide, and has colours.
    expect 0 "sweep-accuracy.png" "$programs/filters" "${small[@]}" --epochs 1 --image pictures/sweep-accuracy.png
fi
refused=(--data digits --epochs 1 --json no.json --pictures none)
expect 1 "nowhere.png: No such file or directory" "$programs/filters" "${refused[@]}" --image nowhere.png
printf 'no picture' >broken.png
expect 1 "broken.png: " "$programs/filters" "${refused[@]}" --image broken.png
head -c 300 "$sample/../photo/camera.png" >broken.png
expect 1 "broken.png: " "$programs/filters" "${refused[@]}" --image broken.png
expect 1 "digits: " "$programs/filters" "${refused[@]}" --image digits
expect 1 "the loss became" "$programs/filters" --data digits --no-pictures --epochs 1 --lr 1e30 --json no.json
absent no.json none

# ---- finetune ------------------------------------------------------------------------------------------------------------

if thorough; then
    tuned=(--labels '20,1000' --seeds 3)
else
    tuned=(--digits digits --labels '20,60' --seeds 1 --steps 5)
fi
expect 0 "What a step costs" "$programs/finetune" "${tuned[@]}" --pictures pictures --json finetune.json
drawn finetune labels
has finetune.json '"digits_accuracy"' '"trainings"' '"bytes"' '"weights_hash"'
if thorough; then
    holds "the network reads digits before it is shown clothes" output '/it reads/ { exit !($3 > 95) }'
    holds "a frozen trunk costs less than two thirds of the memory, and has 10 x 577 weights to train" output '
        /^   from scratch +[0-9]/ { memory = $6 }
        /^   frozen +[0-9]/ { seen = $2 == 5770 && $5 < memory * 2 / 3 }
        /^   fine-tuned +[0-9]/ { whole = $2 == 29290 && $5 == memory }
        END { exit !(seen && whole) }'
    holds "what digits are worth falls as the labels become more" output '
        /points above/ { table = 1; next }
        table && $1 == 20 { few = $2 }
        table && $1 == 1000 { many = $2 }
        END { exit !(few > many + 2 && many < -1) }'
    holds "with many labels fine-tuning is better than a frozen trunk" output '
        /^   +1000 / && !seen { seen = 1; sub("±", "", $0); exit !($6 > $4 + 1) }'
fi
same_without_threads finetune weights_hash --digits digits --labels 30 --seeds 1 --steps 5 --no-pictures
expect 1 "--labels 3000: there are only 2000 training pictures" "$programs/finetune" --labels 3000 --json no.json --pictures none
expect 1 "--data nowhere: there is no train-images-idx3-ubyte and no train-images-idx3-ubyte.gz (examples/fetch_data.sh gets Fashion" \
    "$programs/finetune" --data nowhere --json no.json --pictures none
expect 1 "--digits nowhere: there is no" "$programs/finetune" --digits nowhere --json no.json --pictures none
expect 1 "the loss became" "$programs/finetune" --digits digits --lr 1e30 --json no.json --no-pictures
expect 2 "--labels needs 1 to 32 whole numbers" "$programs/finetune" --labels 0
absent no.json none

# ---- wrong options -------------------------------------------------------------------------------------------------------

for name in softmax_regression shuffling sweep filters; do
    expect 0 "Usage: $name" "$programs/$name" --help
    expect 2 "unknown option '--colour' (see --help)" "$programs/$name" --colour
    expect 2 "unexpected argument 'digits'" "$programs/$name" digits
    expect 1 "nowhere" "$programs/$name" --json nowhere/x.json
    absent nowhere
done
for name in softmax_regression shuffling sweep filters; do
    expect 2 "--epochs needs a whole number" "$programs/$name" --epochs 0
done
for name in softmax_regression shuffling sweep filters; do
    expect 1 "--data nowhere: there is no" "$programs/$name" --data nowhere --json no.json --pictures none
    absent no.json none
done
if [[ -w /dev/full ]]; then
    expect 1 "standard output: cannot be written" sh -c '"$@" >/dev/full' sh "$programs/softmax_regression" "${small[@]}" \
        --epochs 1
fi
tally
