# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2120
# shellcheck shell=bash disable=SC2034,SC2154
# nafd_kit.sh - a stage for tests of gba-nafd: certificates, a BSF of fake_bsf, an upstream. Sourced.
set -u
build=$(cd "${top_builddir:-.}" && pwd)
src=$(cd "${top_srcdir:-.}" && pwd)
demo=$(mktemp -d) || exit 1
# shellcheck source=tests/demo.sh
. "$src/tests/demo.sh"
# shellcheck source=tests/kit.sh
. "$src/tests/kit.sh"
nafd_pid='' other_pid='' kit_show=$demo/out
kit_cleanup() {
    [ -z "$nafd_pid" ] || kill "$nafd_pid" 2>/dev/null
    [ -z "$other_pid" ] || kill "$other_pid" 2>/dev/null
    exec 7>&- 8>&- 2>/dev/null
    wait 2>/dev/null
    rm -rf "$demo"
}
trap kit_cleanup EXIT
head_has() { grep -qi "$1" "$demo/head"; }
out_has() { grep -qi "$1" "$demo/out"; }
start_bsf() { # start_bsf PORT
    rm -f "$demo/bsf-port"
    "$build/tests/fake_bsf" "$1" "$demo/zn-server.pem" "$demo/zn-server.key" "$demo/zn-ca.pem" \
        <"$demo/bsf-in" >"$demo/bsf-port" 2>"$demo/bsf.log" 8>&- &
    bsf_pid=$!
    exec 7>"$demo/bsf-in"
    for _ in $(seq 300); do [ -s "$demo/bsf-port" ] && break || sleep 0.1; done
    bsf_port=$(cat "$demo/bsf-port")
}
stop_bsf() {
    exec 7>&-
    wait "$bsf_pid"
}
start_upstream() { # on $up_port
    "$build/tests/fake_upstream" "$@" <"$demo/up-in" >"$demo/up-port" 7>&- &
    up_pid=$!
    exec 8>"$demo/up-in"
    for _ in $(seq 300); do [ -s "$demo/up-port" ] && break || sleep 0.1; done
    up_port=$(cat "$demo/up-port")
}
stop_upstream() {
    exec 8>&-
    wait "$up_pid"
    rm -f "$demo/up-port"
}
kit_stage() {
    demo_ca zn && demo_ca naf || exit 1
    demo_cert zn zn-server localhost
    demo_cert zn zn-naf naf.operator.test
    demo_cert naf naf localhost
    mkfifo "$demo/bsf-in" "$demo/up-in"
    start_bsf 0
    start_upstream
    demo_free_port && plain=$demo_port
    demo_free_port && admin=$demo_port
    demo_free_port && nobody=$demo_port
    demo_free_port && decision=$demo_port
}
config() { # config: more of naf.yaml comes on standard input
    { cat <<CONF
naf:
  fqdns: [localhost, naf2.localhost]
  bsfs:
    - domain: bsf.test
      zn_url: https://localhost:$bsf_port
    - domain: gone.test
      zn_url: https://localhost:$nobody
zn:
  cert: zn-naf.pem
  key: zn-naf.key
  ca: zn-ca.pem
  timeout_ms: 3000
admin:
  listen: 127.0.0.1:$admin
log:
  level: debug
  access: true
CONF
        cat; } >"$demo/naf.yaml"
}
start_nafd() {
    "$build/naf/gba-nafd" --config "$demo/naf.yaml" >>"$demo/nafd.log" 2>&1 7>&- 8>&- </dev/null &
    nafd_pid=$!
    for _ in $(seq 300); do
        kill -0 "$nafd_pid" 2>/dev/null || break
        demo_http "http://127.0.0.1:$admin/readyz" && return
        sleep 0.1
    done
    tail "$demo/nafd.log" >&2
    echo "$me: gba-nafd did not start" >&2
    exit 1
}
stop_nafd() {
    kill "$nafd_pid"
    wait "$nafd_pid"
    is "SIGTERM ends it cleanly" 0 $?
    nafd_pid=
}
pw() { "$build/tests/fake_bsf" password "$1" "${3:-localhost}" "${2:-0100000002}"; }
fetch() { curl -s -m 30 --noproxy '*' --cacert "$demo/naf-ca.pem" -D "$demo/head" -o "$demo/out" -w '%{http_code}' "$@"; }
get() { # get BTID UA_ID CURL-OPTIONS...: the status; head in $demo/head, body in $demo/out
    local btid=$1 ua=$2
    shift 2
    fetch --digest -u "$btid:$(pw "$btid" "$ua")" "$@"
}
# Digest by coreutils, SHA-256. sha TEXT; sign BTID UA_ID METHOD URI QOP [BODY-FILE]: an Authorization value
# for the challenge in $demo/head, and what is needed to check its answer.
sha() { printf %s "$1" | sha256sum | cut -d' ' -f1; }
sign() {
    local nonce a2
    nonce=$(sed -n 's/.*nonce="\([^"]*\)".*SHA-256.*/\1/p' "$demo/head" | head -1)
    [ -n "$nonce" ] || nonce=$(sed -n 's/.*nonce="\([^"]*\)".*/\1/p' "$demo/head" | head -1)
    a2="$3:$4"
    [ "$5" = auth ] || a2="$a2:$(sha256sum <"${6:-/dev/null}" | cut -d' ' -f1)"
    ha1=$(sha "$1:3GPP-bootstrapping@localhost:$(pw "$1" "$2")") mid="$nonce:00000001:abc:$5"
    printf 'Digest username="%s", realm="3GPP-bootstrapping@localhost", nonce="%s", uri="%s", algorithm=SHA-256, qop=%s, nc=00000001, cnonce="abc", response="%s"' \
        "$1" "$nonce" "$4" "$5" "$(sha "$ha1:$mid:$(sha "$a2")")"
}
# rspauth_is AUTHORIZATION BTID UA_ID auth|auth-int: does the answer in $demo/head and $demo/out prove itself?
rspauth_is() {
    local nonce uri a2 want
    nonce=$(sed 's/.* nonce="\([^"]*\)".*/\1/' <<<"$1") uri=$(sed 's/.*uri="\([^"]*\)".*/\1/' <<<"$1")
    a2=":$uri"
    [ "$4" = auth ] || a2="$a2:$(sha256sum <"$demo/out" | cut -d' ' -f1)"
    want=$(sha "$(sha "$2:3GPP-bootstrapping@localhost:$(pw "$2" "$3")"):$nonce:00000001:abc:$4:$(sha "$a2")")
    grep -i '^authentication-info:' "$demo/head" | grep -q "rspauth=\"$want\"" &&
        grep -i '^authentication-info:' "$demo/head" | grep -qE "qop=\"?$4\"?[,[:space:]]"
}
B=I1U8vpY3qJ0hiuZNrke/NQ==@bsf.test
