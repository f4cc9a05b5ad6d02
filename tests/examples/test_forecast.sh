#!/usr/bin/env bash
# Runs the forecasts, and looks whether they are as good as they must be, and whether anything could have seen the year that is
# held out.
#
#     test_forecast.sh FOLDER-OF-THE-PROGRAMS FOLDER-OF-THE-TABLES
#
# The programs for awk stand in single quotes: the dollars in them are awk's.
# shellcheck disable=SC2016
set -euo pipefail

programs=$(cd -- "$1" && pwd)
tables=$(cd -- "$2" && pwd)
sample=$tables
# shellcheck source=tests/examples/helpers.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/helpers.sh"

weather=$tables/weather.csv
forecast=$programs/forecast

# ---- how good they are -------------------------------------------------------------------------------------------------------

if thorough; then
    long=()
else
    long=(--seeds 1 --epochs 3)
fi
expect 0 "Best in 2014" "$forecast" "${long[@]}" --pictures pictures --json forecast.json
drawn forecast truth errors curves
has output "2922 days" "1430 of 2012 to 2013" "726 of 2014" "726" "of 2015 held out"
# The reference: the table itself, by another program. All days of 2015 but the first two, since one and two days ahead must lie
# in that year, too.
persistence() {
    awk -F, -v city="$1" '$1 == city { n++; t[n] = $4; if (substr($2, 1, 4) == 2015 && ++days > 2) {
        d = t[n] - t[n - 3]; sum += d < 0 ? -d : d; count++ } } END { printf "%.2f", sum / count }' "$weather"
}
holds "persistence is what the table says, 3.5 °C in Seattle and 3.8 °C in New York" output '
    /^  persistence/ && !n++ { exit !($2 == '"$(persistence Seattle)"' && $4 == '"$(persistence 'New York')"' &&
                                      $2 >= 3.45 && $2 < 3.55 && $4 >= 3.75 && $4 < 3.85) }'
if thorough; then
    holds "with each of five seeds, each network is at most 0.95 of persistence, and the best at most 0.86" forecast.json '
        { sub(",", "", $2) } /"seed":/ && into { seed = $2 } /"networks":/ { into = 1 }
        /"share_of_persistence":/ { n++; if (!($2 > 0 && $2 <= 0.95)) wrong++; if (!(seed in best) || $2 < best[seed]) best[seed] = $2 }
        END { for (s = 1; s <= 5; s++) if (!(best[s] > 0 && best[s] <= 0.86)) wrong++; exit !(n == 30 && !wrong) }'
    holds "so is each of them in each city, on average" output '
        /^  (linear autoregression|dense|convolution|LSTM with dropout|GRU, 2 deep|LSTM, both ways) .* [0-9]+\.[0-9] .*[0-9]$/ && NF >= 9 {
            n++; if (!($(NF - 5) <= 0.95 && $(NF - 3) <= 0.95 && $(NF - 1) <= 0.95)) wrong++ }
        END { exit !(n == 6 && !wrong) }'
fi

# ---- no leak -----------------------------------------------------------------------------------------------------------------

# Nonsense in the year that is held out changes neither weights nor the epoch that is chosen; in the year to learn from it does.
awk -F, -v OFS=, 'NR > 1 && $2 >= "2015" { $4 = 99; $5 = -99; $3 = 500; $6 = 77 } 1' "$weather" >later.csv
awk -F, -v OFS=, '$2 >= "2013-06" && $2 < "2013-07" { $4 = 30 } 1' "$weather" >earlier.csv
few=(--net gru --seeds 1 --epochs 2 --no-pictures)
expect 0 "held out" "$forecast" "${few[@]}" --json plain.json
expect 0 "held out" "$forecast" "${few[@]}" --json later.json --data later.csv
expect 0 "held out" "$forecast" "${few[@]}" --json earlier.json --data earlier.csv
learned() {
    awk '/"(learn_error|choose_error)":/ { into = 1 } into || /"weights_hash":/ { print } /\]/ { into = 0 }' "$1"
}
if [[ $(learned plain.json | wc -l) -ge 9 && $(learned plain.json) == "$(learned later.json)" ]]; then
    good
else
    bad "what is learned depends on the year that is held out"
fi
if [[ $(learned plain.json) != "$(learned earlier.json)" ]]; then
    good
else
    bad "what is learned does not depend on the years to learn from"
fi
# Two cities side by side learn other things than one: but the windows of one are not mixed with those of the other.
awk -F, 'NR == 1 || $1 == "Seattle"' "$weather" >one.csv
expect 0 "715 of 2012 to 2013" "$forecast" "${few[@]}" --data one.csv
expect 0 "1402 of 2012 to 2013" "$forecast" "${few[@]}" --window 28

# ---- the options -------------------------------------------------------------------------------------------------------------

same_without_threads forecast weights_hash "${few[@]}"
for net in linear dense conv lstm gru bidirectional; do
    expect 0 "held out" "$forecast" --net "$net" --seeds 2 --epochs 1 --no-pictures --save saved
    expect 0 "Best in 2014" "$forecast" --net "$net" --seeds 2 --epochs 1 --no-pictures --save saved --resume
done
# What was trained one by one is put back when all are wanted.
expect 0 "average of these" "$forecast" --seeds 2 --epochs 1 --no-pictures --save saved --resume
expect 1 "window" "$forecast" --net gru --seeds 2 --epochs 1 --no-pictures --save saved --resume --window 7
expect 1 "try a smaller --lr" "$forecast" --net dense --lr 1e30 --no-pictures --json no.json
expect 2 "--net needs all, linear, dense, conv, lstm, gru or bidirectional, got 'rnn'" "$forecast" --net rnn
for value in 4 91 x; do
    expect 2 "--window needs a whole number from 5 to 90, got '$value'" "$forecast" --window "$value"
done
expect 0 "Usage: forecast" "$forecast" --help
expect 2 "unexpected argument 'rain'" "$forecast" rain

# ---- wrong tables --------------------------------------------------------------------------------------------------------------

# refused TEXT AWK-PROGRAM: the table, changed so, is refused with these words.
refused() {
    awk -F, -v OFS=, "$2" "$weather" >wrong.csv
    expect 1 "$1" "$forecast" "${few[@]}" --data wrong.csv --json no.json
}
refused 'wrong.csv: line 9, column "temp_max": the value is missing' 'NR == 9 { $4 = "" } 1'
refused 'wrong.csv: line 9, column "wind": "calm" is not a number' 'NR == 9 { $6 = "calm" } 1'
refused 'wrong.csv: line 9: a number is infinite' 'NR == 9 { $4 = "inf" } 1'
refused 'wrong.csv: line 9: precipitation is below 0' 'NR == 9 { $3 = -1 } 1'
refused 'wrong.csv: line 9: "2012/01/08" is not a date: YYYY-MM-DD' 'NR == 9 { gsub("-", "/", $2) } 1'
refused 'wrong.csv: line 9: "2013-02-29" is not a date' 'NR == 9 { $2 = "2013-02-29" } 1'
refused 'wrong.csv: line 9: 2012-01-09 comes after 2012-01-07' 'NR != 9'
refused 'wrong.csv: line 1464: Seattle again' 'NR == 1464 { $1 = "Seattle" } 1'
refused 'wrong.csv: line 9: location ""' 'NR == 9 { $1 = "" } 1'
refused 'there is no column "location"' '{ print $2, $3, $4, $5, $6 }'
refused 'there is no column "temp_min"' '{ print $1, $2, $3, $4 }'
refused 'wrong.csv: Seattle has too few days' 'NR == 1 || $2 >= "2014"'
refused 'wrong.csv: New York has too few days' 'NR < 2000'
refused 'there is no row below the header' 'NR == 1'
expect 1 "nowhere.csv: no such file" "$forecast" --data nowhere.csv --json no.json --no-pictures
expect 1 "nowhere" "$forecast" --json nowhere/x.json
absent no.json nowhere
tally
