#!/usr/bin/env bash
# Runs the lesson on descent, and looks whether what it claims can be seen in what it prints.
#
#     test_descent.sh FOLDER-OF-THE-PROGRAMS FOLDER-OF-THE-SAMPLE
#
# The programs for awk stand in single quotes: the dollars in them are awk's.
# shellcheck disable=SC2016
set -euo pipefail

programs=$(cd -- "$1" && pwd)
sample=$(cd -- "$2" && pwd)
# shellcheck source=tests/examples/helpers.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/helpers.sh"

expect 0 "wrote    descent.json" "$programs/descent" --pictures pictures --json descent.json
drawn descent starts saddle momentum race race-heights race-film
holds "every start leads into one of the four valleys, about as many into each" output '
    /^  \(.*%$/ { n++; share = $(NF - 1); if (share < 20 || share > 30) wrong++; sum += share } /^  nowhere/ { lost = $(NF - 1) }
    END { exit !(n == 4 && !wrong && lost < 0.1 && sum > 99.7) }'
has output "4 valleys, 4 saddles, 1 peak"
# Computed by hand from the formula, with a difference quotient: heights, and slopes of 0.
holds "the flat places are flat, and as high as they are said to be" output '
    function f(x, y) { return (x * x + y - 11) ^ 2 + (x + y * y - 7) ^ 2 }
    function slope(x, y) { return (f(x + 1e-4, y) - f(x - 1e-4, y)) ^ 2 + (f(x, y + 1e-4) - f(x, y - 1e-4)) ^ 2 }
    /^2\./ { part = 2 } /^A saddle/ { part = 0 }
    part == 2 && /^  \(/ { gsub(/[(),]/, " "); n++; d = f($1, $2) - $3; if (d > 1e-3 || d < -1e-3 || slope($1, $2) > 1e-7) wrong++ }
    END { exit !(n == 9 && !wrong) }'
# The distance from the ridge grows by 1.1 a step: ln 10^4 / ln 1.1 = 96.6 steps for a ten-thousandth of the nudge.
holds "a saddle is left as the formula says; from the ridge itself never" output '
    /beside the ridge  / { table = 1; next } /^3\./ { table = 0 }
    table && $1 == "SGD" { sgd = ($2 == "never" && $3 - $4 >= 95 && $3 - $4 <= 98); slow = $4 }
    table && $1 == "momentum" { fast = $4 }
    END { exit !(sgd && fast < 0.5 * slow) }'
# Without momentum a step leaves (kappa - 1) / (kappa + 1) of the distance, and the height starts at 1.
holds "steps in a ravine are those of the formula, and grow with the root of kappa only with momentum" output '
    /^  without momentum/ { for (i = 1; i <= 3; i++) { k = 10 ^ i; r = log((k - 1) / (k + 1)); want = log(1e-6) / (2 * r)
        if ($(i + 2) < want - 1 || $(i + 2) > want + 2) wrong++ } slow = $5 / $4 }
    /^  with momentum/ { fast = $5 / $4 }
    END { exit !(!wrong && slow > 9.5 && slow < 10.5 && fast > 2.8 && fast < 4.2) }'
holds "turning the ravine changes nothing for SGD and momentum, and much for AdaGrad" output '
    { gsub(/\([^)]*\)/, "") }
    /^  ravine / { for (i = 2; i <= 7; i++) straight[i] = $i }
    /^  turned ravine / { for (i = 2; i <= 7; i++) turned[i] = $(i + 1) }
    END { exit !(straight[2] == turned[2] && straight[3] == turned[3] && straight[4] == turned[4] && turned[5] > 5 * straight[5]) }'
expect 0 "4. The race" "$programs/descent" --no-pictures --parts 4 --steps 3 --rates 1000
has output "ravine               - (  1000)"
expect 0 "wrote    other.json" "$programs/descent" --no-pictures --parts 1,3 --json other.json --threads 3
for value in 0 -1 nan 1,,2; do
    expect 2 "--rates needs 1 to 32 numbers above 0" "$programs/descent" "--rates=$value"
done
expect 2 "--steps needs a whole number" "$programs/descent" --steps 0

expect 0 "Usage: descent" "$programs/descent" --help
expect 2 "unknown option '--colour' (see --help)" "$programs/descent" --colour
expect 2 "unexpected argument 'digits'" "$programs/descent" digits
expect 1 "nowhere" "$programs/descent" --json nowhere/x.json
absent nowhere
tally
