#!/usr/bin/env bash
# Installs into an empty folder; then programs outside the tree are built with nothing but pkg-config, and run.
# Usage: test_install.sh SOURCE_ROOT BUILD_ROOT
set -euo pipefail

root=$1
build=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cc=${CC:-cc}
cxx=${CXX:-c++}

DESTDIR=$work/root meson install -C "$build" --no-rebuild --quiet
pc=$(find "$work/root" -name wengert.pc)
prefix=$work/root$(sed -n 's/^prefix=//p' "$pc")
library=$(dirname "$(dirname "$pc")")
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH

# Prints the flags, one a line. The folder stands in for the prefix.
flags() {
    pkg-config "--define-variable=prefix=$prefix" "$@" wengert | xargs -n1
}

version=$(sed -n "s/^ *version: '\(.*\)',/\1/p" "$root/meson.build" | head -n1)
if [[ $(pkg-config --modversion wengert) != "$version" ]]; then
    printf 'wengert.pc has version %s, not %s\n' "$(pkg-config --modversion wengert)" "$version" >&2
    exit 1
fi

# Nothing internal is installed.
if internal=$(find "$prefix/include" -name '*internal*' -o -name leaf.h -o -name samples.h -o -name philox.h \
    -o -path '*kernels*' | grep .); then
    printf 'installed, but internal:\n%s\n' "$internal" >&2
    exit 1
fi

cat >"$work/program.c" <<'END'
#include <stdio.h>
#include <wengert/wengert.h>

int main(void)
{
    double values[3] = { 1, 2, 3 };
    ag_tensor x = ag_leaf(AG_SHAPE(3), AG_FLOAT64, true);
    ag_write(x, values, 3);
    ag_scope step = { 0 };
    ag_begin(&step);
    ag_backward(ag_sum(ag_square(x)));
    double grad[3];
    ag_read(ag_grad_of(x), grad, 3);
    ag_end(&step);
    ag_drop(&x);
    printf("%s %g %g %g\n", WENGERT_VERSION, grad[0], grad[1], grad[2]);
    return ag_exit_status();
}
END
cat >"$work/program.cpp" <<'END'
#include <cstdio>
#include <wengert/wengert.h>

int main()
{
    std::printf("%s %s\n", WENGERT_VERSION, ag_error_name(AG_OK));
    return ag_exit_status();
}
END

# expect PROGRAM OUTPUT: runs it.
expect() {
    local output
    output=$("$1")
    if [[ $output != "$2" ]]; then
        printf '%s printed "%s" instead of "%s"\n' "$1" "$output" "$2" >&2
        exit 1
    fi
}

strict=(-Wall -Wextra -Wpedantic -Werror)
cd "$work"
mapfile -t shared < <(flags --cflags --libs)
"$cc" -std=c11 "${strict[@]}" program.c "${shared[@]}" -o shared_c
"$cxx" -std=c++17 "${strict[@]}" program.cpp "${shared[@]}" -o shared_cpp
export LD_LIBRARY_PATH=$library
expect ./shared_c "$version 2 4 6"
expect ./shared_cpp "$version AG_OK"
# Not "… | grep -q": it may end before the first command has written all, which then fails.
if ! grep -q 'NEEDED.*\[libwengert\.so\.0\]' <<<"$(readelf -d shared_c)"; then
    printf 'the program does not ask for libwengert.so.0\n' >&2
    exit 1
fi
# On Debian the plain libblis.so.4 may be any build of BLIS; ours has to be found.
if [[ -n $(find /usr/lib -path '*/blis-serial/libblis.so' -print -quit) ]] &&
    ! grep -q '/blis-serial/libblis\.so' <<<"$(ldd shared_c)"; then
    printf 'not the serial build of BLIS: %s\n' "$(ldd shared_c | grep blis)" >&2
    exit 1
fi

# Without the shared library the linker takes the static one.
rm "$library"/libwengert.so*
unset LD_LIBRARY_PATH
mapfile -t static < <(flags --static --cflags --libs)
"$cc" -std=c11 "${strict[@]}" program.c "${static[@]}" -o static_c
"$cxx" -std=c++17 "${strict[@]}" program.cpp "${static[@]}" -o static_cpp
expect ./static_c "$version 2 4 6"
expect ./static_cpp "$version AG_OK"
if ldd static_c | grep libwengert; then
    printf 'the program was not linked statically\n' >&2
    exit 1
fi
printf 'shared and static, C and C++: version %s\n' "$version"
