#!/usr/bin/env bash
# Lets char_lm learn and write for a moment: what is saved writes the same again, what is likeliest does not depend on how it is asked
# for, and texts, checkpoints and options that cannot be used are told apart.
#
#     test_char_lm.sh FOLDER-OF-THE-PROGRAMS FOLDER-OF-THE-TEXT
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

char_lm=$programs/char_lm
gzip -dc "$sample/gospels_and_acts.txt.gz" >whole.txt
head -c 20000 whole.txt >small.txt
small=(--data small.txt --no-pictures --length 100)
lstm=("${small[@]}" --net lstm --batch 8)
gpt=("${small[@]}" --net gpt --batch 4)

# written KEY FILE: a text out of a JSON file.
written() {
    grep -o "\"$1\": \"[^\"]*\"" "$2" | cut -d '"' -f 4
}

# same WORDS A B: two texts that are there and equal.
same() {
    if [[ -n $2 && $2 == "$3" ]]; then
        good
    else
        bad "$1: '$2' and '$3'"
    fi
}

# ---- learning ----------------------------------------------------------------------------------------------------------------

# Each network knows more than what counting pairs of letters tells.
if thorough; then
    expect 0 "566127 characters of 64 kinds" "$char_lm" --steps 500 --batch 16 --length 200 --pictures pictures --json whole.json
    drawn char_lm lstm-curve
    has whole.json '"train_bits"' '"validation_bits"' '"weights_hash"' '"temperature_0.8"'
    holds "after 500 steps the LSTM needs fewer bits than pairs of letters" output '
        /^last 5 %/ { pairs = $0; sub(".*pairs of letters: ", "", pairs)
            exit !($4 > 1.8 && $4 < pairs - 0.5 && pairs + 0 > 3.2 && pairs + 0 < 3.4) }'
    holds "the loss falls" output '/^ *250 / { first = $3 } /^ *500 / { last = $3 } END { exit !(last > 0 && last < first) }'
    expect 0 "last 5 %" "$char_lm" "${small[@]}" --net gpt --steps 250 --batch 8 --json gpt.json
    holds "after 250 steps the GPT needs fewer bits than single letters" output '
        /^last 5 %/ { letters = $0; sub(".*counting letters: ", "", letters); exit !($4 > 1.8 && $4 < letters - 0.5) }'
fi

# ---- saving and writing again --------------------------------------------------------------------------------------------

expect 0 "last 5 %" "$char_lm" "${lstm[@]}" --steps 20 --save lstm --json a.json
hash=$(grep -o 'weights [0-9a-f]*' output)
holds "prompt and text are printed at four temperatures" output '/^--- temperature (0|0.5|0.8|1)$/ { n++; getline; if (/^And Jesus said/) m++ }
    END { exit !(n == 4 && m == 4) }'
expect 0 "$hash" "$char_lm" "${lstm[@]}" --from-saved --save lstm --json b.json
same "the saved network writes the same" "$(written temperature_0.8 a.json)" "$(written temperature_0.8 b.json)"
expect 0 "$hash" "$char_lm" "${lstm[@]}" --steps 20 --threads 3
expect 0 "last 5 %" "$char_lm" "${lstm[@]}" --steps 12 --save parts
expect 0 "$hash" "$char_lm" "${lstm[@]}" --steps 20 --save parts --resume
# The likeliest text, asked for in five ways.
greedy=$(written temperature_0 a.json)
for way in "--temperature 0" "--top-k 1 --temperature 1" "--top-p 0.001 --temperature 1" "--temperature 0 --seed 1"; do
    # shellcheck disable=SC2086
    expect 0 "last 5 %" "$char_lm" "${lstm[@]}" --from-saved --save lstm --json c.json $way
    same "char_lm $way writes the likeliest" "$greedy" "$(written 'temperature_[01]' c.json)"
done
expect 0 "beam search finds with 1 beams" "$char_lm" "${lstm[@]}" --from-saved --save lstm --json c.json --beam 1
same "a single beam writes the likeliest" "$greedy" "$(written beam c.json)"
expect 0 "with 4 beams" "$char_lm" "${lstm[@]}" --from-saved --save lstm --beam 4

# ---- the GPT, further than its window --------------------------------------------------------------------------------------

expect 0 "last 5 %" "$char_lm" "${gpt[@]}" --steps 3 --save gpt --json a.json --length 150
hash=$(grep -o 'weights [0-9a-f]*' output)
expect 0 "$hash" "$char_lm" "${gpt[@]}" --from-saved --save gpt --json b.json --beam 1 --length 150
same "beams and draws go on alike when the window is full" "$(written temperature_0 a.json)" "$(written beam b.json)"
expect 0 "with 3 beams" "$char_lm" "${gpt[@]}" --from-saved --save gpt --beam 3 --length 70
long="And it came to pass, that, as they went in the way, a certain man said unto him, Lord, I will follow thee whithersoever thou goest"
expect 0 "$long" "$char_lm" "${gpt[@]}" --from-saved --save gpt --prompt "$long" --temperature 1

# ---- letters of more than a byte ---------------------------------------------------------------------------------------------

for _ in {1..90}; do printf 'Ἐν ἀρχῇ ἦν ὁ λόγος, καὶ ὁ λόγος ἦν πρὸς τὸν θεόν.\n'; done >greek.txt
expect 0 "Ἐν ἀρχῇ" "$char_lm" --data greek.txt --no-pictures --steps 5 --batch 4 --prompt "Ἐν ἀρχῇ" --length 30 --save greek
expect 1 "the character 'A' (U+0041) is none of the" "$char_lm" --data greek.txt --no-pictures --prompt "And"

# ---- what cannot be used -------------------------------------------------------------------------------------------------

expect 1 "nowhere.txt: no such file, with or without .gz" "$char_lm" --data nowhere.txt --no-pictures
: >empty.txt
expect 1 "empty.txt: the file is empty" "$char_lm" --data empty.txt --no-pictures
head -c 1000 small.txt >short.txt
expect 1 "short.txt has 1000 characters; 1300 are needed" "$char_lm" --data short.txt --no-pictures
head -c 100000 "$sample/gospels_and_acts.txt.gz" >cut.gz
expect 1 "cut.gz: truncated: the compressed data ends in the middle, at byte 100000" "$char_lm" --data cut.gz --no-pictures
{ head -c 3000 small.txt; printf 'a\xffb'; } >wrong.txt
expect 1 "wrong.txt: byte 3001 (0xff, line" "$char_lm" --data wrong.txt --no-pictures
head -c 44 greek.txt >half.txt
expect 1 "half.txt: byte 43 (0xe1, line 1): the text ends in the middle of a character" "$char_lm" --data half.txt --no-pictures
expect 1 "the character 'é' (U+00E9) is none of the" "$char_lm" "${lstm[@]}" --prompt "Andé"
expect 1 "characters" "$char_lm" --data greek.txt --no-pictures --batch 8 --from-saved --save lstm --prompt "Ἐν"
expect 1 "net" "$char_lm" "${small[@]}" --batch 8 --net gpt --from-saved --save lstm
expect 1 "there is no checkpoint in nothing" "$char_lm" "${lstm[@]}" --from-saved --save nothing
expect 1 "try a smaller --lr" "$char_lm" "${gpt[@]}" --lr 1e9 --steps 20
expect 2 "--from-saved needs --save" "$char_lm" --from-saved
expect 2 "--net needs lstm or gpt, got 'rnn'" "$char_lm" --net rnn
expect 2 "--temperature needs a number from 0 to 100, got '-1'" "$char_lm" --temperature -1
expect 2 "--top-p needs a number from 0.001 to 1, got '0'" "$char_lm" --top-p 0
expect 2 "--top-k needs a whole number from 0 to 1000000, got 'many'" "$char_lm" --top-k many
expect 2 "--length needs a whole number from 1 to 1000000, got '0'" "$char_lm" --length 0
expect 2 "--beam needs a whole number from 0 to 256, got '1000'" "$char_lm" --beam 1000
expect 2 "--beam leaves nothing to chance" "$char_lm" --beam 3 --temperature 1
expect 2 "--prompt needs" "$char_lm" --prompt ""
absent empty.txt.part wengert-out

tally
