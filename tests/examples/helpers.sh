#!/usr/bin/env bash
# What the tests of the example programs share: a folder to work in, which goes at the end, checks that are counted, and a few digits
# cut from the sample. To be sourced by a script that has set $programs and $sample, their folders; afterwards it is in $work.
set -euo pipefail

: "${programs:?the folder of the programs}" "${sample:?the folder of the sample}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
unset WENGERT_DATA WENGERT_ABORT
passed=0
failed=0

# Under sanitizers (WENGERT_TESTS_BRIEF, set by tests/run.sh) programs that learn for long run for a moment, and what takes them
# long to show is not looked for: the optimised build has shown it.
thorough() {
    [[ -z ${WENGERT_TESTS_BRIEF-} ]]
}

good() {
    passed=$((passed + 1))
}

bad() {
    failed=$((failed + 1))
    printf 'FAILED: %s\n' "$1"
    if [[ -f output ]]; then
        sed 's/^/    /' output | tail -n 30
    fi
}

# expect STATUS TEXT COMMAND…: the command ends with that status and says the text, a fixed string, somewhere.
expect() {
    local status=$1 text=$2 got=0
    shift 2
    "$@" >output 2>&1 </dev/null || got=$?
    if [[ $got -ne $status ]]; then
        bad "$* ended with status $got, not $status"
    elif ! grep -qF -- "$text" output; then
        bad "$* did not say: $text"
    else
        good
    fi
}

# has FILE TEXT…: the file contains each text.
has() {
    local file=$1 text
    shift
    for text in "$@"; do
        if [[ -f $file ]] && grep -qF -- "$text" "$file"; then
            good
        else
            bad "$file does not contain: $text"
        fi
    done
}

# absent PATH…: none of them exists.
absent() {
    local path
    for path in "$@"; do
        if [[ -e $path ]]; then
            bad "$path was left behind"
        else
            good
        fi
    done
}

# holds WORDS FILE AWK-PROGRAM: the program, run over the file, ends with exit status 0 (`exit !(…)`).
holds() {
    if awk "$3" "$2"; then
        good
    else
        bad "$1"
    fi
}

# cut_idx NAME COUNT MAGIC SIDES BYTES-EACH INTO: the first COUNT entries of an IDX file of the folder $sample.
cut_idx() {
    local name=$1 count=$2 magic=$3 rest=$4 each=$5 into=$6 header=8 whole written
    whole=$(mktemp)
    [[ -z $rest ]] || header=16
    if [[ -f $sample/$name.gz ]]; then
        gzip -dc "$sample/$name.gz" >"$whole"
    else
        cp "$sample/$name" "$whole"
    fi
    printf -v written '\\x%02x' $((count >> 24 & 255)) $((count >> 16 & 255)) $((count >> 8 & 255)) $((count & 255))
    # The formats are the bytes of the header, not texts.
    # shellcheck disable=SC2059
    {
        printf "$magic"
        printf "$written"
        printf "$rest"
        head -c $((header + count * each)) "$whole" | tail -c +$((header + 1))
    } >"$into/$name"
    rm "$whole"
}

# cut_digits FOLDER TRAIN TEST: a folder with that many of the sample's digits.
cut_digits() {
    local folder=$1 train=$2 test=$3
    local images='\x00\x00\x08\x03' labels='\x00\x00\x08\x01' sides='\x00\x00\x00\x1c\x00\x00\x00\x1c'
    mkdir "$folder"
    cut_idx train-images-idx3-ubyte "$train" "$images" "$sides" 784 "$folder"
    cut_idx train-labels-idx1-ubyte "$train" "$labels" '' 1 "$folder"
    cut_idx t10k-images-idx3-ubyte "$test" "$images" "$sides" 784 "$folder"
    cut_idx t10k-labels-idx1-ubyte "$test" "$labels" '' 1 "$folder"
}

# is_png FILE…: each begins as a PNG file does.
is_png() {
    local file
    for file in "$@"; do
        if head -c 8 "$file" | cmp -s - <(printf '\x89PNG\r\n\x1a\n'); then
            good
        else
            bad "$file is no PNG file"
        fi
    done
}

# drawn PROGRAM NAME…: the last output says that these pictures were written, and they are there.
drawn() {
    local program=$1 name
    shift
    if grep -q 'built without cairo' output; then
        return
    fi
    for name in "$@"; do
        is_png "pictures/$program-$name.png"
    done
}

# same_without_threads PROGRAM KEY ARGUMENTS…: what the JSON file says under KEY does not depend on the number of threads,
# but on the seed.
same_without_threads() {
    local program=$programs/$1 key=$2
    shift 2
    expect 0 "one.json" "$program" "$@" --threads 1 --json one.json
    expect 0 "two.json" "$program" "$@" --threads 3 --json two.json
    expect 0 "other.json" "$program" "$@" --threads 3 --seed 5 --json other.json
    if grep -q "\"$key\"" one.json && [[ $(grep "\"$key\"" one.json) == $(grep "\"$key\"" two.json) ]]; then
        good
    else
        bad "$program: $key depends on the number of threads"
    fi
    if [[ $(grep "\"$key\"" one.json) != $(grep "\"$key\"" other.json) ]]; then
        good
    else
        bad "$program: another seed gave the same $key"
    fi
}

# The last lines of a test.
tally() {
    if compgen -G '*.part-*' >/dev/null || compgen -G '*/*.part-*' >/dev/null; then
        bad "a half-written file was left behind"
    else
        good
    fi
    printf '%d passed, %d failed\n' "$passed" "$failed"
    [[ $failed -eq 0 ]]
}
