#!/usr/bin/env bash
# Lets add and names learn for a moment: sums that were never seen are right, at twice the length as well; names are made up as the
# options say; and what is saved goes on as if nothing had happened.
#
#     test_sequences.sh FOLDER-OF-THE-PROGRAMS FOLDER-OF-THE-NAMES
#
# The programs for awk stand in single quotes: the dollars in them are awk's.
# shellcheck disable=SC2016
set -euo pipefail

programs=$(cd -- "$1" && pwd)
sample=$(cd -- "$2" && pwd)
# shellcheck source=tests/examples/helpers.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/helpers.sh"
# Other tests run at the same time.
export WENGERT_NUM_THREADS=1

# ---- add -----------------------------------------------------------------------------------------------------------------

add=$programs/add
if thorough; then
    for seed in 1 40 44 67; do
        expect 0 "10000 sums of 16 bits that it has not seen: 0 of 170000 bits wrong" "$add" --seed "$seed" --pictures pictures
        has output "10000 sums of 32 bits that it has not seen: 0 of 330000 bits wrong"
    done
    drawn add carry
    holds "a hidden unit is the carry" output '/^Hidden unit/ { exit !($6 >= 99) }'
fi
# The printed sum is one.
expect 0 "sum, as read" "$add" --steps 400 --no-pictures --save run
holds "the bits of the example add up" output '
    /^  carry/ { for (i = 2; i <= 18; i++) carry[i] = $i }
    /^  one number/ { for (i = 3; i <= 19; i++) one[i - 1] = $i }
    /^  the other/ { for (i = 3; i <= 19; i++) other[i - 1] = $i }
    END {
        for (i = 18; i >= 2; i--) { wrong += carry[i] != over; over = one[i] + other[i] + carry[i] >= 2; ones += one[i] + other[i] }
        exit !(ones > 0 && !wrong)
    }'
expect 0 "bits wrong" "$add" --steps 20 --no-pictures
holds "a network that has learned little gets bits wrong" output '/not seen/ { n++; wrong += $(NF - 4) } END { exit !(n == 2 && wrong > 1000) }'
expect 0 "step   800" "$add" --steps 800 --no-pictures
sed -n '/not seen/,$p' output >whole
expect 0 "step   800" "$add" --steps 800 --no-pictures --save run --resume
if sed -n '/not seen/,$p' output | cmp -s whole - && [[ -s whole ]]; then
    good
else
    bad "add: a run that was resumed ends otherwise"
fi
expect 2 "--steps needs" "$add" --steps none
expect 2 "unknown option '--widths'" "$add" --widths 3

# ---- names ---------------------------------------------------------------------------------------------------------------

names=$programs/names
mkdir few
awk 'NR % 40 == 0' "$sample/female.txt" >few/female.txt
awk 'NR % 40 == 0' "$sample/male.txt" >few/male.txt
few=(--data few --no-pictures --batch 16 --count 5 --tries 0)
if thorough; then
    expect 0 "bits a letter after epoch" "$names" --epochs 4 --pictures pictures --json whole.json --count 10
    drawn names learning-curve temperature
    has whole.json '"train_bits"' '"held_out_bits"' '"weights_hash"' '"female"' '"male"' '"new"'
    holds "the network needs fewer bits than pairs of letters" output '
        /^held out: / { pairs = $0; sub(".*pairs of letters: ", "", pairs); exit !($3 > 2 && $3 < pairs - 0.3) }'
    holds "the warmer, the more names are new" output '
        /^ +0.25 / { cold = $6 } /^ +1.50 / { warm = $6 } END { exit !(cold > 0 && warm > cold + 20) }'
fi
expect 0 "$(cat few/*.txt | wc -l) names from few" "$names" "${few[@]}" --epochs 2 --save run-names --json few.json
hash=$(grep -o 'weights [0-9a-f]*' output)
expect 0 "$hash" "$names" "${few[@]}" --epochs 2 --from-saved --save run-names
expect 0 "$hash" "$names" "${few[@]}" --epochs 2 --threads 3
expect 0 "weights" "$names" "${few[@]}" --epochs 4
hash=$(grep -o 'weights [0-9a-f]*' output)
expect 0 "$hash" "$names" "${few[@]}" --epochs 4 --save run-names --resume
expect 0 "male, at temperature 0.5:" "$names" "${few[@]}" --epochs 4 --from-saved --save run-names --sex male --starts Bar \
    --temperature 0.5
holds "only names of men, and all begin as told" output '
    /^female/ { wrong++ }
    /^male/ { sub(".*:", ""); n = split($0, name, ","); for (i = 1; i <= n; i++) wrong += name[i] !~ /^ Bar/ }
    END { exit !(n == 5 && !wrong) }'
# At temperature 0 there is one name, the likeliest.
expect 0 "at temperature 0:" "$names" "${few[@]}" --epochs 4 --from-saved --save run-names --sex female --temperature 0
holds "the likeliest name is always the same" output '
    /^female/ { sub(".*: ", ""); gsub("[*+]", ""); n = split($0, name, ", "); for (i = 2; i <= n; i++) wrong += name[i] != name[1] }
    END { exit !(n == 5 && !wrong) }'
expect 1 "--from-saved: there is no checkpoint in nowhere" "$names" "${few[@]}" --from-saved --save nowhere
# Another list has other letters: its weights would mean others.
mkdir others
printf 'Zoë\nAnaïs\n%s\n' "$(head -n 60 few/female.txt)" >others/female.txt
cp few/male.txt others
expect 1 "letters" "$names" "${few[@]/#few/others}" --epochs 4 --save run-names --resume
expect 1 "the character '1' (U+0031) is none of the" "$names" "${few[@]}" --epochs 1 --starts '12'
expect 1 "others-not/female.txt" "$names" --data others-not
printf '\n\n' >others/male.txt
expect 1 "others/male.txt has no names" "$names" --data others
printf 'Tom\n%s\n' "$(printf 'x%.0s' {1..41})" >others/male.txt
expect 1 "others/male.txt, line 2: a name has at most 40 letters" "$names" --data others
printf 'Tom\nR\xe9my\n' >others/male.txt
expect 1 "others/male.txt" "$names" --data others
printf 'A\n' >others/male.txt
printf 'A\n' >others/female.txt
expect 1 "there are too few names in others" "$names" --data others
expect 2 "--sex needs both, female or male, got 'cat'" "$names" --sex cat
expect 2 "--temperature needs a number from 0 to 100, got '-1'" "$names" --temperature -1
expect 2 "--starts has more than 40 letters" "$names" --starts "$(printf 'x%.0s' {1..41})"

tally
