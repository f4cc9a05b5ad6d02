#!/usr/bin/env bash
# Runs the lesson on logistic regression, and looks whether what it claims can be seen in what it prints.
#
#     test_logistic.sh FOLDER-OF-THE-PROGRAMS FOLDER-OF-THE-SAMPLE
#
# The programs for awk stand in single quotes: the dollars in them are awk's.
# shellcheck disable=SC2016
set -euo pipefail

programs=$(cd -- "$1" && pwd)
sample=$(cd -- "$2" && pwd)
# shellcheck source=tests/examples/helpers.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/helpers.sh"

expect 0 "5-fold accuracy" "$programs/logistic_regression" --pictures pictures --json logistic.json
drawn logistic_regression judgement boundary calibration losses hidden bending
holds "logistic regression calls 96 % of the cells right" output '/^5-fold accuracy/ { exit !($3 >= 96) }'
holds "which is far above the share of the more frequent class" output '
    /^5-fold/ { mine = $3; sub(".*class: ", ""); base = $1 + 0 }
    END { exit !(base == 62.74 && mine > base + 30) }'
holds "the lower the threshold, the fewer are missed and the more are warned in vain" output '
    /^The threshold/ { table = 1 } table && $2 == "%" { if (n++ && !($3 <= missed && $4 >= alarms)) wrong++; missed = $3; alarms = $4 }
    END { exit !(n == 5 && !wrong && missed < 4) }'
# By counting pairs, without a curve.
holds "the area below the ROC curve is the share of pairs in the right order" logistic.json '
    /"p": \[/ { into = 1; next } /"truth": \[/ { into = 2; next } /\]/ { into = 0 }
    into { gsub(/[ ,]/, ""); if (into == 1) p[++n] = $0 + 0; else t[++m] = $0 + 0 }
    /"area"/ { sub(",", "", $2); area = $2 + 0 }
    END { for (i = 1; i <= n; i++) if (t[i]) for (j = 1; j <= n; j++) if (!t[j]) { pairs++; right += p[i] > p[j] ? 1 : p[i] == p[j] ? 0.5 : 0 }
        d = right / pairs - area; exit !(n == 569 && m == 569 && d < 1e-9 && d > -1e-9) }'
holds "temperature makes the network less sure, changes no decision and lowers the log loss" output '
    /^  network, no decay/ { right = $4; sure = $6; loss = $10 }
    /^  the same, with temperature/ { done = ($5 == right && $7 < sure && $11 < 0.6 * loss) }
    END { exit !done }'
# The pull upwards at log-odds z is 1 - p for cross-entropy and 2 p (1 - p)^2 for the squared error.
holds "the pulls are those of the formulas" output '
    function near(a, b) { return a - b < 0.06 * b + 1e-12 && b - a < 0.06 * b + 1e-12 }
    /^  log-odds now/ { for (i = 1; i <= 7; i++) z[i] = $(i + 2) }
    /^  cross-entropy .*[0-9]$/ && !one { one = 1; for (i = 1; i <= 7; i++) { p = 1 / (1 + exp(-z[i])); if (!near($(i + 1), 1 - p)) wrong++ } }
    /^  squared error .*[0-9]$/ && !two { two = 1; for (i = 1; i <= 7; i++) { p = 1 / (1 + exp(-z[i])); if (!near($(i + 2), 2 * p * (1 - p) ^ 2)) wrong++ } }
    END { exit !(one && two && !wrong) }'
holds "sure and wrong: cross-entropy turns round in a hundred steps, the squared error does not" output '
    /^  cross-entropy .*%$/ { cross = $6 } /^  squared error .*%$/ { squared = $7 }
    END { exit !(cross > 95 && squared < 50) }'
holds "a hidden layer tells what no line can tell" output '
    /5-fold accuracy of a line/ { line = $6; hidden = $16 } END { exit !(line < 75 && hidden > 92) }'
same_without_threads logistic_regression area --no-pictures --parts 1 --epochs 3
expect 0 "2. The boundary" "$programs/logistic_regression" --no-pictures --parts 2
expect 2 "--parts needs 1 to 32 whole numbers from 1 to 5" "$programs/logistic_regression" --parts 6
tables=$sample/../tables
refused=(--json no.json --pictures none)
head -n 200 "$tables/breast_cancer.csv" | grep -v benign >bad.csv
expect 1 "bad.csv" "$programs/logistic_regression" "${refused[@]}" --data bad.csv
sed 's/benign/unknown/;n' "$tables/breast_cancer.csv" >bad.csv
expect 1 "must tell two classes apart, it has 3" "$programs/logistic_regression" "${refused[@]}" --data bad.csv
sed '7s/,/,much,/2' "$tables/breast_cancer.csv" >bad.csv
expect 1 "bad.csv" "$programs/logistic_regression" "${refused[@]}" --data bad.csv
awk -F, -v OFS=, 'NR > 1 { $3 = 1 } 1' "$tables/breast_cancer.csv" >bad.csv
expect 1 "mean perimeter" "$programs/logistic_regression" "${refused[@]}" --data bad.csv
: >bad.csv
expect 1 "bad.csv" "$programs/logistic_regression" "${refused[@]}" --data bad.csv
{ head -n 1 "$tables/breast_cancer.csv"; grep -m 1 benign "$tables/breast_cancer.csv"; grep -m 2 malignant "$tables/breast_cancer.csv"; } >bad.csv
expect 1 "k" "$programs/logistic_regression" "${refused[@]}" --data bad.csv
expect 1 "nowhere.csv" "$programs/logistic_regression" "${refused[@]}" --data nowhere.csv
expect 1 "the loss became" "$programs/logistic_regression" "${refused[@]}" --lr 1e30
absent no.json none

expect 2 "--epochs needs a whole number" "$programs/logistic_regression" --epochs 0
expect 0 "Usage: logistic_regression" "$programs/logistic_regression" --help
expect 2 "unknown option '--colour' (see --help)" "$programs/logistic_regression" --colour
expect 2 "unexpected argument 'digits'" "$programs/logistic_regression" digits
expect 1 "nowhere" "$programs/logistic_regression" --json nowhere/x.json
absent nowhere
tally
