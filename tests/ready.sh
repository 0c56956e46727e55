# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# ready.sh - sourced by ./quickstart, ./run-tests and .ci/run: packages and the build.

BUILD_PACKAGES="gcc make autoconf automake libtool autoconf-archive pkg-config libc6-dev
nettle-dev libexpat1-dev libunistring-dev libgnutls28-dev libcurl4-gnutls-dev libmicrohttpd-dev
libyaml-dev libfreediameter-dev libsqlite3-dev libjansson-dev libsystemd-dev libcunit1-dev openssl ca-certificates"
TEST_PACKAGES="curl jq xxd sqlite3 gnutls-bin libosmocore-utils procps iproute2 mandoc valgrind tshark libssl-dev nginx-light python3"

say() { printf '%s\n' "$*"; }
die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# need_packages NAME...: installs what is missing, or says which command would.
need_packages() {
    local missing=() p sudo=()
    if ! command -v dpkg-query >/dev/null; then
        say "This is not a Debian system: packages are not checked (wanted: $*)."
        return 0
    fi
    for p in "$@"; do
        dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null | grep -q '^installed' || missing+=("$p")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    say "Installing ${#missing[@]} Debian packages: ${missing[*]}"
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null ||
            die "packages are missing and neither root nor sudo is here; as root: apt-get install ${missing[*]}"
        sudo=(sudo)
    fi
    "${sudo[@]}" apt-get update -qq >/dev/null || die "apt-get update failed: check /etc/apt/sources.list and the network"
    DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" \
        >/dev/null 2>&1 </dev/null ||
        die "could not install: try apt-get install ${missing[*]}"
}

# build_in DIR [CONFIGURE-ARGUMENT...]: bootstrap, configure (again when other arguments are given), make.
build_in() {
    local dir=$1 log
    shift
    mkdir -p "$dir" || die "cannot create $dir"
    log=$dir/build.log
    [ -x configure ] && [ configure -nt configure.ac ] || ./bootstrap >"$log" 2>&1 ||
        die "./bootstrap failed: see $log"
    if [ ! -f "$dir/Makefile" ] || { [ $# -gt 0 ] && [ "$(cat "$dir/.arguments" 2>/dev/null)" != "$*" ]; }; then
        (cd "$dir" && "$top/configure" "$@") >"$log" 2>&1 || {
            tail -5 "$log" >&2
            die "configure failed: see $log"
        }
        printf '%s' "$*" >"$dir/.arguments"
    fi
    make -C "$dir" -j"$(nproc)" >>"$log" 2>&1 || {
        grep -m5 -E 'error|Error' "$log" >&2
        die "the build failed: see $log"
    }
}
