# shellcheck shell=bash
# What has to be installed, in one place for all scripts. To be sourced; defines require_packages.

packages_build=(gcc libc6-dev meson ninja-build pkg-config libblis-serial-dev zlib1g-dev libpng-dev libjansson-dev libzip-dev
    libcairo2-dev libedit-dev)
packages_tests=(check g++ clang shellcheck)
# Without these some tests say that they skip; installed where the system has them.
packages_tests_wished=(chromium)

# The same on a system without apt: commands and pkg-config names to look for.
probes_build=("command cc" "command meson" "command ninja" "command pkg-config" "header blis.h" "library zlib"
    "library libpng" "library jansson")
probes_tests=("library check" "command c++" "command clang")

packages_lacking() {
    local package
    for package in "$@"; do
        if ! dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed; then
            printf '%s\n' "$package"
        fi
    done
}

packages_apt() {
    local as_root=() log
    if [[ $(id -u) -ne 0 ]]; then
        if ! command -v sudo >/dev/null; then
            printf 'These packages are missing; install them as root: %s\n' "$*" >&2
            return 1
        fi
        as_root=(sudo)
    fi
    printf 'installing %s\n' "$*"
    log=$(mktemp)
    if ! { "${as_root[@]}" apt-get update &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; } \
        >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        printf 'apt-get failed; these packages are needed: %s\n' "$*" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

packages_wish() {
    local lacking
    mapfile -t lacking < <(packages_lacking "${packages_tests_wished[@]}")
    if [[ ${#lacking[@]} -gt 0 ]] && ! packages_apt "${lacking[@]}"; then
        printf 'going on without %s\n' "${lacking[*]}"
    fi
}

packages_probe() {
    local kind=$1 name=$2
    case $kind in
    command) command -v "$name" >/dev/null ;;
    library) pkg-config --exists "$name" 2>/dev/null ;;
    header)
        printf '#include <%s>\n' "$name" |
            cc -I/usr/include/blis -I/usr/local/include/blis -fsyntax-only -x c - 2>/dev/null ||
            pkg-config --exists blis 2>/dev/null
        ;;
    esac
}

# require_packages build|tests: installs what is missing on Debian and Ubuntu. Elsewhere it looks for what is needed, and
# fails with the list of what was not found.
require_packages() {
    local wanted=("${packages_build[@]}") probes=("${probes_build[@]}") lacking=() probe
    if [[ $1 == tests ]]; then
        wanted+=("${packages_tests[@]}")
        probes+=("${probes_tests[@]}")
    fi
    if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
        mapfile -t lacking < <(packages_lacking "${wanted[@]}")
        if [[ ${#lacking[@]} -gt 0 ]]; then
            packages_apt "${lacking[@]}"
        fi
        if [[ $1 == tests ]]; then
            packages_wish
        fi
        return
    fi
    for probe in "${probes[@]}"; do
        if ! packages_probe "${probe%% *}" "${probe#* }"; then
            lacking+=("$probe")
        fi
    done
    if [[ ${#lacking[@]} -gt 0 ]]; then
        {
            printf 'Not found:\n'
            printf '    %s\n' "${lacking[@]}"
            printf 'Please install what Debian and Ubuntu call: %s\n' "${wanted[*]}"
        } >&2
        return 1
    fi
}
