#!/usr/bin/env bash
# Runs the lessons on house prices, and looks whether what each of them claims can be seen in what it prints.
#
#     test_houses.sh FOLDER-OF-THE-PROGRAMS FOLDER-OF-THE-TABLES
#
# The programs for awk stand in single quotes: the dollars in them are awk's.
# shellcheck disable=SC2016
set -euo pipefail

programs=$(cd -- "$1" && pwd)
tables=$(cd -- "$2" && pwd)
sample=$tables
# shellcheck source=tests/examples/helpers.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/helpers.sh"

houses=$tables/boston_house_prices.csv

# ---- linear_regression -----------------------------------------------------------------------------------------------------
# The reference values are NumPy's: lstsq for weights and errors, eigvalsh of the Hessian for curvatures.

expect 0 "13 features, each scaled to mean 0 and variance 1" "$programs/linear_regression" --pictures pictures --json linear.json
drawn linear_regression line batches rates bowl outliers
has output "price = 9.1021 x rooms -34.6706" "off by 6.603 (root mean square)" "off by 4.679 (root mean square), 74.1 %" \
    "crawls" "converges" "oscillates" "diverges"
holds "closed form and descent agree to 1e-6, for one feature and for all" output '
    /^  closed form and descent agree to/ { n++; if (!($7 + 0 >= 0 && $7 + 0 <= 1e-6)) wrong++ }
    END { exit !(n == 2 && !wrong) }'
holds "every weight is the one of the reference, by both ways" output '
    function near(a, b) { return a - b < 2e-6 && b - a < 2e-6 }
    BEGIN { split("CRIM -0.108011 ZN 0.046420 INDUS 0.020559 CHAS 2.686734 NOX -17.766611 RM 3.809865 AGE 0.000692 " \
                  "DIS -1.475567 RAD 0.306049 TAX -0.012335 PTRATIO -0.952747 B 0.009312 LSTAT -0.524758 b 36.459488", list)
            for (i = 1; i in list; i += 2) reference[list[i]] = list[i + 1] }
    NF == 5 && $1 in reference { n++; if (!near($5, reference[$1]) || !($4 + 0 <= 1e-6)) wrong++ }
    END { exit !(n == 14 && !wrong) }'
holds "the largest curvature is the largest eigenvalue" output '
    /^The largest curvature is/ { d = $5 - 12.253697652891397; exit !(d < 1e-7 && d > -1e-7) }'
holds "along the steepest direction a step does what was predicted" output '
    /^       rate  x critical/ { table = 1; next }
    table && NF == 6 { n++; d = $3 - $4; if (!(d < 1e-5 && d > -1e-5)) wrong++; d = $3 - (1 - $1 * 12.2536977)
                       if (!(d < 1e-4 && d > -1e-4)) wrong++ }
    /^Really/ { exit !(n == 5 && !wrong) }'
holds "just below the critical rate it converges, just above it diverges" linear.json '
    { sub(",", "", $2) } /"just_below"/ { below = $2 + 0 } /"just_above"/ { above = $2 + 0 }
    END { exit !(below > 0 && below < 1e-4 && above > 1e4) }'
holds "the shapes of the bowls are those of the reference" output '
    function near(a, b) { return a < 1.01 * b && b < 1.01 * a }
    /^4\. / { part = 4 } /^All features/ { part = 5 } /^5\. / { part = 6 } /^  with the wrong/ { part = 7 }
    part == 4 && $1 == "raw" { n++; if (!near($4, 3408.07)) wrong++ }
    part == 5 && $1 == "raw" { n++; if (!near($4, 2.284e8) || $6 != "not") wrong++ }
    part == 5 && $1 == "min-max" { n++; if (!near($4, 964.04)) wrong++; minmax = $6 }
    part == 5 && $1 == "standardised" { n++; if (!near($4, 96.472)) wrong++; if (!(2 * $6 < minmax)) wrong++ }
    part == 5 && $1 == "robust" { n++; if (!near($4, 1973.9)) wrong++ }
    part == 6 && $1 == "min-max" { n++; if (!near($6, 90.048) || !near($8, 9.1021) || !near($9, 6.6094)) wrong++; wide = $4 - $2 }
    part == 7 && $1 == "min-max" { n++; if (!near($6, 510.99) || !($8 < 0.01) || !near($9, 9.1932)) wrong++
                                   if (!($4 - $2 < wide / 50)) wrong++ }
    part == 7 && $1 == "standardised" { n++; if (!near($6, 1) || !($4 - $2 < 0.05)) wrong++ }
    part == 7 && $1 == "robust" { n++; if (!near($6, 1524.9) || !near($5, 877.16) || !near($4 - $2, 1)) wrong++ }
    part == 7 && $1 == "robust," { n++; if (!near($7, 1.285) || !near($9, 9.1448) || !near($10, 6.5594)) wrong++ }
    END { exit !(n == 10 && !wrong) }'
holds "one house at a time needs the fewest epochs and stays away from the bottom" output '
    /^2\. / { part = 2 } /^3\. / { part = 3 }
    part == 2 && $1 == 1 { one = $5; one_end = $8 }
    part == 2 && $2 == "houses" && NF == 8 { some = $5; some_end = $8 }
    part == 2 && $1 == "all" { all = $4; all_steps = $3 }
    part == 2 && $1 == "all," { fast_steps = $6; fast_end = $10 }
    END { exit !(one > 0 && one < some && some < all && fast_steps < all_steps && one_end > some_end && fast_end < 1e-6) }'
same_without_threads linear_regression steps_to_goal --no-pictures --epochs 3 --parts 2
expect 0 "has not arrived after 3 steps" "$programs/linear_regression" --no-pictures --steps 3 --parts 1
expect 0 "12 features" "$programs/linear_regression" --no-pictures --parts 1 --without B
expect 0 "diverges" "$programs/linear_regression" --no-pictures --parts 3 --rates 0.2
expect 1 "the loss became infinite" "$programs/linear_regression" --lr 1 --json no.json --no-pictures
for value in '' 0 6 1,x; do
    expect 2 "--parts needs 1 to 32 whole numbers from 1 to 5, separated by commas, got '$value'" \
        "$programs/linear_regression" --parts "$value"
done
awk -F, -v OFS=, 'NR > 1 { $5 = 2 * $3 } 1' "$houses" >dependent.csv
for part in 1 2 3 4; do
    expect 1 "the features depend on one another" "$programs/linear_regression" --data dependent.csv --parts $part \
        --json no.json --no-pictures
done
absent no.json

# ---- house_prices ------------------------------------------------------------------------------------------------------------

expect 0 "mean absolute error of 4 folds" "$programs/house_prices" --seeds 5 --pictures pictures --json houses.json
drawn house_prices folds guesses repeats leaks
holds "the mean absolute error of four folds is at most 2.6 thousand dollars" output '
    /^  fold +train/ { table = 1; next }
    table && NF == 9 { n++; rows += $4; sum += $9 / 4; if ($2 + $3 + $4 != 506) wrong++ }
    /^mean absolute error of 4 folds:/ { d = $7 - sum; exit !(n == 4 && rows == 506 && !wrong && d < 1e-3 && d > -1e-3 && $7 <= 2.6) }'
holds "so is that of every other deal, and a line is worse on each" houses.json '
    { key = $1; gsub(/[",:]/, "", key) }
    key == "network" || key == "line" { into = key; next }
    /\]/ { into = "" }
    into != "" { sub(",", "", $1); value[into, ++count[into]] = $1 + 0 }
    END { for (i = 1; i <= 5; i++) if (!(value["network", i] <= 2.6 && value["line", i] > value["network", i] + 0.5)) wrong++
          exit !(count["network"] == 5 && count["line"] == 5 && !wrong) }'
# The reference: the mean distance from the median, by another program.
median=$(tail -n +2 "$houses" | cut -d, -f14 | sort -g | awk '{ x[NR] = $1 } END { m = x[int(NR / 2) + 1]
    for (i = 1; i <= NR; i++) sum += x[i] > m ? x[i] - m : m - x[i]; printf "%.3f", sum / NR }')
has output "median price for all $(printf '%13s' "$median")"
holds "a scaler that sees the test part changes nothing that matters; prices that are seen do" houses.json '
    { key = $1; gsub(/[":]/, "", key); sub(",", "", $2) }
    key ~ /^(scaler|scaler_few|stopping|town|choice)$/ { kind = key }
    key == "gap" && last == "apart" { gap = $2 + 0 } key == "se" && last == "apart" { if (gap > 4 * $2 || gap < -4 * $2) wrong++ }
    key == "apart" || key == "leak" { if ($2 == "{") last = key; else leak[kind] = $2 + 0 }
    key == "leak_se" { se[kind] = $2 + 0; n++ }
    END { exit !(n == 5 && !wrong && leak["scaler"] < 0.12 && leak["scaler"] > -0.12 && leak["scaler_few"] < 0.25 &&
                 leak["stopping"] > 2 * se["stopping"] && leak["town"] > 3 * se["town"] && leak["town"] > 0.1 &&
                 leak["choice"] > 3 * se["choice"] && leak["choice"] > 0.5) }'
same_without_threads house_prices weights_hash --no-pictures --parts 1 --epochs 3
expect 0 "mean absolute error of 4 folds" "$programs/house_prices" --no-pictures --parts 1,2 --epochs 1 --seeds 1 --save saved
expect 0 "12 features" "$programs/house_prices" --no-pictures --parts 1 --epochs 2 --without B
awk -F, 'NR == 1 || NR % 8 == 0' "$houses" >short.csv
expect 0 "districts are too few to be dealt into three parts" "$programs/house_prices" --no-pictures --data short.csv --epochs 2 --seeds 1
head -n 4 "$houses" | cut -d, -f1,6,14 >tiny.csv
expect 1 "data_k_fold: " "$programs/house_prices" --no-pictures --data tiny.csv
cut -d, -f6,14 "$houses" >two.csv
expect 0 "the table has no columns that tell towns apart" "$programs/house_prices" --no-pictures --data two.csv --parts 3 --epochs 1 --seeds 1
expect 1 "the error became infinite" "$programs/house_prices" --lr 1e30 --json no.json --pictures none
for value in '' 0 4 1,x; do
    expect 2 "--parts needs 1 to 32 whole numbers from 1 to 3, separated by commas, got '$value'" \
        "$programs/house_prices" --parts "$value"
done
expect 2 "--seeds needs a whole number from 1 to 100" "$programs/house_prices" --seeds 101
absent no.json none

# ---- wrong options, wrong tables ---------------------------------------------------------------------------------------------

awk -F, -v OFS=, 'NR == 9 { $6 = "" } 1' "$houses" >missing.csv
awk -F, -v OFS=, 'NR == 9 { $6 = "many" } 1' "$houses" >words.csv
awk -F, -v OFS=, 'NR > 1 { $5 = 1 } 1' "$houses" >constant.csv
(head -n 5 "$houses" && echo 1,2,3) >ragged.csv
head -n 1 "$houses" >header.csv
cut -d, -f1-3 "$houses" >narrow.csv
for name in linear_regression house_prices; do
    refused=("$programs/$name" --json no.json --pictures none)
    expect 0 "Usage: $name" "$programs/$name" --help
    expect 2 "unknown option '--colour' (see --help)" "$programs/$name" --colour
    expect 2 "unexpected argument 'houses'" "$programs/$name" houses
    expect 2 "--epochs needs a whole number" "$programs/$name" --epochs 0
    expect 1 "nowhere" "$programs/$name" --json nowhere/x.json
    expect 1 "nowhere.csv: no such file" "${refused[@]}" --data nowhere.csv
    expect 1 'missing.csv: line 9, column "RM": the value is missing' "${refused[@]}" --data missing.csv
    expect 1 'words.csv: line 9, column "RM": "many" is not a number' "${refused[@]}" --data words.csv
    expect 1 '("NOX") is 1 in every sample' "$programs/$name" --no-pictures --json no.json --data constant.csv
    expect 1 "ragged.csv: line 6: 3 fields, but the header has 14" "${refused[@]}" --data ragged.csv
    expect 1 "header.csv: there is no row below the header" "${refused[@]}" --data header.csv
    expect 1 'narrow.csv: y: there is no column "MEDV"' "${refused[@]}" --data narrow.csv
    expect 1 'there is no column "GARDEN"' "${refused[@]}" --without GARDEN
    expect 1 "no feature is left out" "${refused[@]}" --without MEDV
    absent no.json none nowhere
done
tally
