#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2034,SC2154
# m2m_kit.sh - sourced by the gate's process tests, which have set $dir: checks, logs, certificates.
. "${top_srcdir:-.}/tests/cert_kit.sh"
n=0 bad=0
fail() { echo "FAILED: $1"; bad=$((bad + 1)); }
check() { # NAME COMMAND...
    n=$((n + 1)); what=$1; shift
    "$@" >/dev/null 2>&1 && echo "ok $n $what" || { fail "$n $what"; [ -s "$dir/answer" ] && sed 's/^/    /' "$dir/answer" | head -12; }
}
has() { grep -q -- "$1" "$dir/answer"; }
no_line() { ! grep -q -- "$1" "$2"; } # PATTERN FILE
hasnt() { ! grep -q -- "$1" "$dir/answer"; }
logged() { for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do grep -- "$1" "$dir/gate.log" | grep -q -- "$2" && return 0; sleep 0.2; done; return 1; }
until_line() { i=0; until grep -q -- "$1" "$2" 2>/dev/null; do i=$((i + 1)); [ $i -gt 150 ] && return 1; sleep 0.1; done; }
port_of() { sed -n "s/.*$1.*port[= ]\([0-9]*\).*/\1/p" "$2" | head -1; }
key() { openssl ecparam -name prime256v1 -genkey -noout -out "$dir/$1.key" 2>/dev/null; }
# root NAME EXTENSION: a CA that signed itself
root() { key "$1"; openssl req -x509 -new -key "$dir/$1.key" -subj "/CN=$1" -days 2 -out "$dir/$1.pem" -addext keyUsage=critical,keyCertSign,cRLSign ${2:+-addext "$2"} 2>/dev/null; }
# early, past NAME CA: the same request again, its certificate valid from 2040 on, or until 2021
past() { cert_between "$dir" "$1" "$2" 20200101000000Z 20210101000000Z 2>/dev/null; }
early() { cert_between "$dir" "$1" "$2" 20400101000000Z 20410101000000Z 2>/dev/null; }
cert() { # NAME CA SAN DAYS [EXTENSION]
    key "$1"
    openssl req -new -key "$dir/$1.key" -subj "/CN=$1" -out "$dir/$1.csr" 2>/dev/null
    { [ -n "$3" ] && printf 'keyUsage=digitalSignature\nsubjectAltName=%s\n' "$3"; printf '%s\n' "${5-}"; } >"$dir/$1.ext"
    openssl x509 -req -in "$dir/$1.csr" -CA "$dir/$2.pem" -CAkey "$dir/$2.key" -CAcreateserial -days "$4" -extfile "$dir/$1.ext" -out "$dir/$1.pem" 2>/dev/null
}
