#!/usr/bin/env bash
# Installs what is missing, builds Wengert and runs every test: the optimised build, the same under AddressSanitizer and
# UndefinedBehaviorSanitizer, the same built by clang, the quick start and what README.md promises.
#
#     bash tests/run.sh                        everything
#     bash tests/run.sh --update-symbols       writes tests/symbols.txt anew
#     bash tests/run.sh --update-operations    writes the table in autograd/ops/README.md anew
#
# Logs are kept under build/tests/log. The last line says how many checks passed and failed; the exit status is 0 if none
# failed. WENGERT_BUILD names another folder than build/.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=examples/packages.sh
. "$root/examples/packages.sh"

build=${WENGERT_BUILD:-$root/build}/tests
log=$build/log
passed=0
failed=0

# report NAME PASSED FAILED SECONDS LOG: one line a step, and the log if something failed.
report() {
    passed=$((passed + $2))
    failed=$((failed + $3))
    if [[ $3 -eq 0 ]]; then
        printf '%-44s ok      %5d passed  %4d s\n' "$1" "$2" "$4"
    else
        printf '%-44s FAILED  %5d passed, %d failed  %d s\n' "$1" "$2" "$3" "$4"
        tail -n 150 "$5" | sed 's/^/    /'
    fi
}

# step NAME LOG COMMAND…: counts as one check.
step() {
    local name=$1 file=$log/$2.log begin=$SECONDS
    shift 2
    if "$@" >"$file" 2>&1 </dev/null; then
        report "$name" 1 0 $((SECONDS - begin)) "$file"
    else
        report "$name" 0 1 $((SECONDS - begin)) "$file"
        return 1
    fi
}

# configured FOLDER OPTIONS…: sets a build folder up, anew if the options are others than last time.
configured() {
    local folder=$1
    shift
    if [[ ! -f $folder/build.ninja || $(cat "$folder/options" 2>/dev/null) != "$*" ]]; then
        rm -rf "$folder"
        meson setup "$folder" "$root" "$@"
        printf '%s' "$*" >"$folder/options"
    fi
    ninja -C "$folder"
}

# built NAME LOG FOLDER OPTIONS…: as a step, with warnings as errors; but a warning does not keep the tests from running.
built() {
    local name=$1 file=$2 folder=$3
    shift 3
    if ! step "$name" "$file" configured "$folder" "$@" -Dwerror=true; then
        # Next time, the warning is to be seen again.
        rm -f "$folder/options"
        { meson configure "$folder" -Dwerror=false && ninja -C "$folder"; } >"$log/$file-again.log" 2>&1 </dev/null
    fi
}

# Checks of a run of `meson test`: a program with Check counts as what it says, any other as one.
count() {
    awk '
        function settle() {
            if (result == "")
                return
            if (checks == 0 && bad == 0) {
                if (result ~ /^OK|^EXPECTEDFAIL/) good_sum++
                else if (result !~ /^SKIP/) bad_sum++
            } else {
                good_sum += checks - bad
                bad_sum += bad
                if (bad == 0 && result !~ /^OK/) bad_sum++
            }
        }
        /^=+ [0-9]+\/[0-9]+ =+$/ { settle(); checks = bad = 0; result = "" }
        /^result: / { result = /exit status 0/ ? "OK" : /exit status 77/ ? "SKIP" : "FAIL" }
        match($0, /Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+/) {
            split(substr($0, RSTART, RLENGTH), part, /[^0-9]+/)
            checks += part[2]
            bad += part[3] + part[4]
        }
        match($0, /^[0-9]+ passed, [0-9]+ failed$/) {
            checks += $1 + $3
            bad += $3
        }
        END { settle(); print good_sum + 0, bad_sum + 0 }
    ' "$1"
}

# tests NAME LOG FOLDER OPTIONS…: runs the tests of a build folder.
tests() {
    local name=$1 file=$log/$2.log folder=$3 begin=$SECONDS status=0 good=0 bad=0
    shift 3
    rm -f "$folder/meson-logs/testlog.txt"
    meson test -C "$folder" --no-rebuild --print-errorlogs "$@" >"$file" 2>&1 </dev/null || status=$?
    if [[ -f $folder/meson-logs/testlog.txt ]]; then
        read -r good bad < <(count "$folder/meson-logs/testlog.txt")
    fi
    if [[ $status -ne 0 && $bad -eq 0 ]]; then
        bad=1
    fi
    report "$name" "$good" "$bad" $((SECONDS - begin)) "$file"
    grep -E ' SKIP ' "$file" || true
}

# From another folder than the tree's, where its pictures go.
quickstart() {
    mkdir -p "$build/elsewhere"
    cd "$build/elsewhere"
    WENGERT_BUILD=$build bash "$root/examples/quickstart.sh"
}

require_packages tests
mkdir -p "$log"

if [[ ${1:-} == --update-symbols || ${1:-} == --update-operations ]]; then
    CC=gcc configured "$build/gcc" -Dtests=enabled -Dwerror=true >"$log/gcc.log" 2>&1 || {
        cat "$log/gcc.log" >&2
        exit 1
    }
    if [[ $1 == --update-symbols ]]; then
        exec bash "$root/tests/project/test_symbols.sh" "$root" "$build/gcc/libwengert.so" --update
    fi
    exec bash "$root/tests/project/test_operations.sh" "$root" "$build/gcc/tests/autograd_test_samples" --update
elif [[ $# -gt 0 ]]; then
    printf 'usage: bash tests/run.sh [--update-symbols | --update-operations]\n' >&2
    exit 2
fi

if CC=gcc built 'gcc, optimised, warnings are errors' gcc "$build/gcc" -Dtests=enabled; then
    tests 'tests, optimised' gcc-tests "$build/gcc"
fi
if CC=gcc built 'gcc, sanitizers' sanitize "$build/sanitize" -Dtests=enabled \
    -Ddebug=true -Doptimization=1 -Db_sanitize=address,undefined -Dmultiversion=disabled \
    "-Dc_args=-fno-sanitize-recover=all -fno-omit-frame-pointer"; then
    # What the examples claim is checked above; here they run for a moment.
    WENGERT_TESTS_BRIEF=1 CK_TIMEOUT_MULTIPLIER=5 tests 'tests, addresses, leaks, undefined behaviour' sanitize-tests "$build/sanitize" --no-suite project \
        --timeout-multiplier 5
fi
if CC=clang built 'clang, warnings are errors' clang "$build/clang" -Dtests=enabled; then
    tests 'tests, clang' clang-tests "$build/clang" --no-suite project
fi
step 'examples/quickstart.sh' quickstart quickstart || true

printf '%d passed, %d failed\n' "$passed" "$failed"
[[ $failed -eq 0 ]]
