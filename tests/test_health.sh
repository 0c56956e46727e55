#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2154
# /healthz and /readyz of each daemon that needs no Diameter (those are e2e_diameter.sh's), on the admin listener and on
# health.listen, which answers nothing else; and what makes them not ready.
set -u
src=$(cd "${top_srcdir:-.}" && pwd) build=$(cd "${top_builddir:-.}" && pwd)
. "$src/tests/kit.sh"
demo=$(mktemp -d)/demo
. "$src/tests/demo.sh"
pids=()
trap 'for p in "${pids[@]}"; do kill "$p"; wait "$p"; done 2>/dev/null; rm -rf "${demo%/demo}"' EXIT

get() { # ADDRESS TARGET: the answer, its head and body
    exec 8<>"/dev/tcp/${1%:*}/${1#*:}" || return 1
    printf 'GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' "$2" >&8
    tr -d '\r' <&8
    exec 8>&-
}
status() { get "$1" "$2" | sed -n '1s/^HTTP[^ ]* \([0-9]*\).*/\1/p'; }
body() { get "$1" "$2" | sed '1,/^$/d'; }
until_is() { # WANT COMMAND...: within 10 s
    local want=$1 got=''
    shift
    for _ in $(seq 100); do
        got=$("$@")
        [ "$got" = "$want" ] && return 0
        sleep 0.1
    done
    echo "     $* gave: $got"
    return 1
}
# start NAME PROGRAM: its two listeners in $admin and $health
start() {
    "$build/$2" --config "$demo/$1.yaml" >"$demo/$1.log" 2>&1 &
    pid=$!
    pids+=("$pid")
    for _ in $(seq 300); do
        grep -q daemon.started "$demo/$1.log" && break
        kill -0 $pid 2>/dev/null || break
        sleep 0.1
    done
    admin=$(sed -n 's/.*daemon.started.* admin=\([0-9.:]*\).*/\1/p' "$demo/$1.log")
    health=$(sed -n 's/.*daemon.started.* health=\([0-9.:]*\).*/\1/p' "$demo/$1.log")
    kit_show=$demo/$1.log
    ok "$1 starts" test -n "$admin" -a -n "$health"
}
# pages NAME: alive and ready at both, and nothing else at the second
pages() {
    local at page
    for at in "$admin" "$health"; do
        for page in /healthz /readyz; do
            ok "$1 $page is 200" until_is 200 status "$at" $page
            is "$1 $page says ok" ok "$(body "$at" $page)"
        done
    done
    for page in /metrics / /healthz/ '/readyz?' /admin; do
        is "$1 health.listen does not know $page" 404 "$(status "$health" "$page")"
        is "$1 health.listen says nothing of $page" '' "$(body "$health" "$page")"
    done
    is "$1 admin.listen has metrics" 200 "$(status "$admin" /metrics)"
}
# unready NAME REASON: it lives, and both say why nobody is served
unready() {
    local at
    for at in "$admin" "$health"; do
        ok "$1 /readyz is 503" until_is 503 status "$at" /readyz
        ok "$1 /readyz says $2" until_is "$2" body "$at" /readyz
        is "$1 lives" 200 "$(status "$at" /healthz)"
    done
}

demo_prepare
for name in bsf naf; do printf 'health.listen: 127.0.0.1:0\n' >>"$demo/$name.yaml"; done
start bsf bsf/gba-bsfd
pages bsf
is "two realms have no metric where none is configured" '' "$(body "$admin" /metrics | grep '^gba_av_up')"

# ---- gba-nafd: nothing but upstreams, and all of them down ----
cat >>"$demo/naf.yaml" <<Y
resource: {enabled: false}
upstreams: [{path: /, url: "http://127.0.0.1:9"}]
proxy: {failures: 1, down_max: 60}
Y
start naf naf/gba-nafd
pages naf
demo_provision
demo_gba get --ca "$NAF_CA" "$NAF_URL" >/dev/null 2>&1
ok "naf: the upstream was found down" until_is 1 grep -c proxy.upstream_down "$demo/naf.log"
is "naf /readyz says so" "upstream http://127.0.0.1:9 is down" "$(body "$health" /readyz)"
ok "naf comes back by itself, for somebody must try" until_is 200 status "$health" /readyz

# ---- m2m-gate: the CSE ----
demo_cert naf cse1 cse1.sp.example.com
cp "$demo/naf-ca.pem" "$demo/m2m-ca.pem"
demo_free_port && cse=$demo_port
cat >"$demo/gate.yaml" <<Y
listen: 127.0.0.1:0
cse_id: //sp.example.com/cse1
cert: cse1.pem
key: cse1.key
ca: m2m-ca.pem
upstream: http://127.0.0.1:$cse
store: {url: "sqlite:gate.db"}
seal: {key_file: gate.seal}
admin: {listen: "127.0.0.1:0"}
health: {listen: "127.0.0.1:0"}
Y
"$build/onem2m-binding/m2m-gatectl" --config "$demo/gate.yaml" seal create-key >/dev/null
start gate onem2m-binding/m2m-gate
unready gate "the CSE at http://127.0.0.1:$cse takes no connection"
"$build/examples/cse_small" --port "$cse" --cse-id //sp.example.com/cse1 >"$demo/cse.log" 2>&1 &
pids+=($!)
pages gate
kill "${pids[-1]}" && wait "${pids[-1]}" 2>/dev/null
unready gate "the CSE at http://127.0.0.1:$cse takes no connection"

# ---- MAF and MEF ----
for kind in maf mef; do
    demo_cert naf $kind $kind.example.com
    cat >"$demo/$kind.yaml" <<Y
$kind: {fqdn: $kind.example.com, listen: "127.0.0.1:0", cert: $kind.pem, key: $kind.key, client_ca: m2m-ca.pem}
store: {url: "sqlite:$kind.db"}
seal: {key_file: gate.seal}
admin: {listen: "127.0.0.1:0"}
health: {listen: "127.0.0.1:0"}
Y
    start $kind onem2m-binding/m2m-${kind}d
    pages $kind
done

# ---- a stop: no place to go any more, and then nobody ----
kill -TERM "$pid"
wait "$pid"
is "mef ends" 0 $?
is "and its health listener with it" '' "$(status "$health" /healthz 2>/dev/null)"
kit_end
