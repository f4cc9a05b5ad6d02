#!/usr/bin/env bash
# Makes the tables in this folder, comma-separated files with a header, from those of scikit-learn.
# Usage: make_tables.sh FOLDER   (sklearn/datasets/data of Debian's python3-sklearn 1.2.1)
set -euo pipefail

if [[ $# -ne 1 || $1 == --help ]]; then
    sed -n '2,3s/^# //p' "${BASH_SOURCE[0]}"
    if [[ ${1-} == --help ]]; then exit 0; else exit 2; fi
fi
full=$1
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

# labelled FILE TABLE ROWS HEADER CLASS…: the first line, which counts rows and columns, becomes the header; the number in the
# last column becomes the name of a class.
labelled() {
    local file=$1 table=$2 rows=$3 header=$4
    shift 4
    {
        printf '%s\n' "$header"
        tail -n +2 "$full/$file" | tr -d '\r' | awk -F, -v OFS=, -v names="$*" \
            'BEGIN { split(names, name, " ") } { $NF = name[$NF + 1]; print }'
    } >"$here/$table"
    check "$table" "$rows"
}

check() {
    local lines
    lines=$(wc -l <"$here/$1")
    if [[ $lines -ne $(($2 + 1)) ]]; then
        printf 'make_tables.sh: %s has %d lines, expected %d\n' "$1" "$lines" "$(($2 + 1))" >&2
        exit 1
    fi
}

# Its second line is the header already, in quotes.
tail -n +2 "$full/boston_house_prices.csv" | tr -d '\r"' >"$here/boston_house_prices.csv"
check boston_house_prices.csv 506

labelled iris.csv iris.csv 150 'sepal length,sepal width,petal length,petal width,species' setosa versicolor virginica

labelled wine_data.csv wine.csv 178 "alcohol,malic acid,ash,alcalinity of ash,magnesium,total phenols,flavanoids,\
nonflavanoid phenols,proanthocyanins,color intensity,hue,od280/od315 of diluted wines,proline,cultivar" \
    class_0 class_1 class_2

kinds='radius texture perimeter area smoothness compactness concavity concave_points symmetry fractal_dimension'
header=
for statistic in 'mean %s' '%s error' 'worst %s'; do
    for kind in $kinds; do
        # shellcheck disable=SC2059
        printf -v name "$statistic" "${kind//_/ }"
        header+=$name,
    done
done
labelled breast_cancer.csv breast_cancer.csv 569 "${header}diagnosis" malignant benign
