#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2015
# Entity A as a process: m2m through all seven frameworks against gate, MAF, MEF and BSF as processes, and
# against OpenSSL as a foreign Entity B; what it keeps, what it refuses, what it tells.
set -u
src=$(cd "${top_srcdir:-.}" && pwd) build=$(cd "${top_builddir:-.}" && pwd)
bin=$build/onem2m-binding m2m=$build/onem2m-binding/m2m
command -v openssl >/dev/null || exit 77
work=$(mktemp -d) && cd "$work" || exit 99
pids=() n=0 bad=0
trap 'for p in "${pids[@]}"; do kill "$p" 2>/dev/null; done; wait 2>/dev/null; rm -rf "$work"' EXIT
unset M2M_STATE M2M_KEY_FILE M2M_CA GBA_USIM GBA_BSF GBA_BSF_DOMAIN GBA_STATE GBA_KEY_FILE
export HOME=$work XDG_STATE_HOME=
ok() { # NAME COMMAND...
    local name=$1
    shift
    n=$((n + 1))
    if "$@"; then
        echo "ok $n $name"
    else
        bad=$((bad + 1))
        echo "FAILED: $n $name"
        { cat out err; tail -n 3 gate.log maf.log mef.log; } 2>/dev/null | cut -c 1-300 | sed 's/^/    /' | head -n 40
    fi
}
run() { # CODE NAME COMMAND...
    local want=$1 name=$2 got
    shift 2
    timeout 60 "$@" >out 2>err </dev/null
    got=$?
    ok "$name (exit $got, want $want)" [ "$got" -eq "$want" ]
}
out() { grep -qE -- "$1" out; }
err() { grep -qE -- "$1" err; }
not() { ! "$@"; }
logged() { # LOG PATTERN: within a second or two
    local i
    for i in $(seq 20); do
        grep -qE -- "$2" "$1.log" && return 0
        sleep 0.1
    done
    return 1
}
value() { sed -nE "s/.*\"$1\": ?\"?([^\",}]*).*/\1/p" out | head -n 1; }
port_of() { # LOG PATTERN
    local i p
    for i in $(seq 150); do
        p=$(sed -nE "s/.*$2.*port[= ]([0-9]+).*/\1/p" "$1.log" 2>/dev/null | head -n 1)
        [ -n "$p" ] && echo "$p" && return
        sleep 0.1
    done
    echo "FAILED: $1 did not start" >&2
    cat "$1.log" >&2
    exit 1
}
start() { # LOG COMMAND...
    local log=$1
    shift
    "$@" >"$log.log" 2>&1 &
    pids+=($!)
}
must() { "$@" >must.out 2>&1 || { echo "FAILED: $*"; cat must.out; exit 99; }; }

sh "$src/tests/m2m_certs.sh" "$work" || exit 99
issue() { # FILE SAN: under the good CA
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr" 2>/dev/null
    printf 'keyUsage=critical,digitalSignature\nsubjectAltName=%s\n' "$2" >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA m2m-ca.pem -CAkey m2m-ca.key -CAcreateserial -days 2 -extfile "$1.ext" -out "$1.pem" 2>/dev/null
}
issue gate DNS:in.sp.example.com
issue aecert URI://sp.example.com/in/Cae
issue other URI://sp.example.com/in/Cother
B=//sp.example.com/in
KPSA=$(openssl rand -hex 32) KM=$(openssl rand -hex 32) KPM=$(openssl rand -hex 16) KGATE=$(openssl rand -hex 32)
KPMG=$(openssl rand -hex 32) KPMM=$(openssl rand -hex 32) K=$(openssl rand -hex 16) OPC=$(openssl rand -hex 16)
for f in KPSA KM KPM KGATE KPMG KPMM; do (umask 077 && echo "${!f}" >$f); done
IMPI=001010000000001@ims.mnc001.mcc001.3gppnetwork.org

# ---- BSF ----
cat >bsf.yaml <<Y
bsf: {domain: bsf.example.com}
ub: {listen: "127.0.0.1:0"}
zn: {listen: "127.0.0.1:0", cert: bsf.pem, key: bsf.key, client_ca: m2m-ca.pem}
store: {url: "sqlite:bsf.db"}
seal: {key_file: bsf.seal}
admin: {listen: "127.0.0.1:0"}
limits: {impi_challenges: 100}
Y
bsfctl() { must "$build/bsf/gba-bsfctl" --config bsf.yaml "$@"; }
bsfctl seal create-key
bsfctl subscriber add "$IMPI" --k "$K" --opc "$OPC"
bsfctl naf allow in.sp.example.com --fqdn in.sp.example.com --ua 010001 --impi
bsfctl naf allow maf.example.com --fqdn maf.example.com --ua 010001 --impi
must "$build/ue/gba" usim create usim --impi "$IMPI" --k "$K" --opc "$OPC"
start bsf "$build/bsf/gba-bsfd" --config bsf.yaml
UB=$(port_of bsf 'listening on=ub') ZN=$(port_of bsf 'listening on=zn')

# ---- MEF, MAF ----
for s in maf mef; do
    (umask 077 && printf 'k1 %s\n' "$(openssl rand -hex 32)" >$s.seal)
done
cat >mef.yaml <<Y
mef: {fqdn: mef.example.com, listen: "127.0.0.1:0", cert: mef.pem, key: mef.key, client_ca: m2m-ca.pem, crl: m2m.crl}
store: {url: "sqlite:mef.db"}
seal: {key_file: mef.seal}
admin: {listen: "127.0.0.1:0"}
Y
mefctl() { must "$bin/m2m-mefctl" --config mef.yaml "$@"; }
mefctl credential add --fqdn maf.example.com --kpm-id maf@mef.example.com --key-file KPMM
mefctl credential add --cse-id $B --kpm-id gate@mef.example.com --key-file KPMG
mefctl credential add --ae-id $B/Cdev --kpm-id Dev1@mef.example.com --key-file KPM --enrol maf.example.com,21 --enrol $B,22
mefctl credential add --ae-id $B/Cae --cert-uri $B/Cae --enrol maf.example.com,21 --enrol $B,22
printf '{"cmdClassID":3,"cmdArgs":{"MONodeCmdArgs":{"objectPath":"x","objectTypeID":1,"objectTypeSpecifcArgs":{}}}}' >command
mefctl credential add --ae-id $B/Cshort --kpm-id short@mef.example.com --key-file KPM \
    --enrol "maf.example.com,21,$(date -u -d '+12 seconds' +%Y%m%dT%H%M%S)" --enrol "$B,22,$(date -u -d '+12 seconds' +%Y%m%dT%H%M%S)" --command command
SHORT=$(($(date +%s) + 12))
start mef "$bin/m2m-mefd" --config mef.yaml
MEF=$(port_of mef 'listening on=mef')
cat >maf.yaml <<Y
maf: {fqdn: maf.example.com, listen: "127.0.0.1:0", cert: maf.pem, key: maf.key, client_ca: m2m-ca.pem, crl: m2m.crl}
store: {url: "sqlite:maf.db"}
seal: {key_file: maf.seal}
admin: {listen: "127.0.0.1:0"}
bsfs:
  - {domain: bsf.example.com, url: "https://localhost:$ZN"}
zn: {ca: m2m-ca.pem, cert: maf.pem, key: maf.key}
mefs:
  - {fqdn: mef.example.com, address: "127.0.0.1:$MEF", psk_id: maf@mef.example.com, psk_file: KPMM}
Y
mafctl() { must "$bin/m2m-mafctl" --config maf.yaml "$@"; }
mafctl credential add --ae-id $B/Cmaf --km-id Km-A@maf.example.com --key-file KM
mafctl credential add --cse-id $B --km-id gate@maf.example.com --key-file KGATE
mafctl credential add --ae-id $B/Cgba --impi "$IMPI"
start maf "$bin/m2m-mafd" --config maf.yaml
MAF=$(port_of maf 'listening on=maf')

# ---- CSE and gate ----
start cse "$build/examples/cse_small" --port 0 --cse-id $B
CSE=$(port_of cse listening)
cat >gate.yaml <<Y
listen: 127.0.0.1:0
egress: 127.0.0.1:0
cse_id: $B
cert: gate.pem
key: gate.key
ca: m2m-ca.pem
crl: m2m.crl
upstream: http://127.0.0.1:$CSE
bsf:
  - {domain: bsf.example.com, zn_url: "https://localhost:$ZN"}
maf:
  - {fqdn: maf.example.com, url: "https://127.0.0.1:$MAF", psk_id: gate@maf.example.com, psk_file: KGATE}
mef:
  - {fqdn: mef.example.com, url: "https://127.0.0.1:$MEF", psk_id: gate@mef.example.com, psk_file: KPMG}
store: {url: "sqlite:gate.db"}
seal: {key_file: gate.seal}
keys: {wait_ms: 5000, unknown_ttl: 1}
admin: {listen: "127.0.0.1:0"}
Y
gatectl() { must "$bin/m2m-gatectl" --config gate.yaml "$@"; }
gatectl seal create-key
gatectl credential add --kpsa-id dev1@sp.example.com --key-file KPSA --ae-id $B/Cdev1
gatectl credential add --kpsa-id new1@sp.example.com --key-file KPSA
start gate "$bin/m2m-gate" --config gate.yaml
GATE=$(port_of gate gate.listening)
url=https://127.0.0.1:$GATE sni=(--sni in.sp.example.com)
maf=(--maf "https://127.0.0.1:$MAF" --maf-fqdn maf.example.com) mef=(--mef "https://127.0.0.1:$MEF" --mef-fqdn mef.example.com)
usim=(--usim usim --bsf "http://127.0.0.1:$UB/" --bsf-domain bsf.example.com)

# ---- the command line ----
run 0 "--help" "$m2m" --help
ok "--help names each framework" out 'SAEF 4'
run 2 "no command" "$m2m"
run 2 "no framework" "$m2m" connect "$url"
ok "no framework: the way out" err 'psk, cert, maf or gba'
run 2 "http" "$m2m" connect http://x --framework psk
run 2 "a key without its name" "$m2m" connect "$url" --framework psk --psk-file KPSA
run 2 "no key" "$m2m" connect "$url" --framework psk --psk-id x@y --psk-file m2m.crl
run 2 "an AE-ID that is relative" "$m2m" connect "$url" --framework psk --ae-id Cdev1
run 2 "no SNI" "$m2m" connect "$url" --framework psk --psk-id dev1@sp.example.com --psk-file KPSA --ae-id $B/Cdev1
ok "no SNI: the way out" err 'SNI'

# ---- SAEF 1 ----
psk=(--framework psk --psk-id dev1@sp.example.com --psk-file KPSA --ae-id $B/Cdev1)
run 0 "SAEF 1" "$m2m" connect "$url" "${sni[@]}" "${psk[@]}"
ok "SAEF 1: the CSEBase" out 'm2m:cb'
ok "SAEF 1: one line of summary" err 'SAEF 1 .*KpsaID dev1@sp.example.com, TLS_ECDHE_PSK_.*2000 OK'
run 0 "SAEF 1, --json" "$m2m" connect "$url" "${sni[@]}" "${psk[@]}" --json
ok "SAEF 1, --json: framework, identifier, key, answer" out '"framework":"SAEF 1".*"identifier":"dev1@sp.example.com".*"key":"Kpsa".*"rsc":2000'
run 0 "SAEF 1, 00AE" "$m2m" connect "$url" "${sni[@]}" "${psk[@]}" --json \
    --priority 'NONE:+VERS-TLS1.2:+PSK:+AES-128-CBC:+SHA256:+SIGN-ALL:+GROUP-ALL:+COMP-NULL:+CTYPE-X509'
ok "SAEF 1, 00AE: the suite" out 'TLS_PSK_WITH_AES_128_CBC_SHA256'
run 0 "SAEF 1, --explain" "$m2m" connect "$url" "${sni[@]}" "${psk[@]}" --explain
ok "--explain: who authenticated whom" err 'Association Security Handshake'
ok "--explain: by which identifier" err 'Entity A authenticated by KpsaID dev1@sp.example.com'
ok "--explain: no key" not err "$KPSA"
run 0 "container" "$m2m" connect "$url" "${sni[@]}" "${psk[@]}" container --name data
run 0 "content instance" "$m2m" connect "$url" "${sni[@]}" "${psk[@]}" instance in/data --content 21.5 --name first
run 0 "retrieve it" "$m2m" connect "$url" "${sni[@]}" "${psk[@]}" retrieve in/data/first
ok "retrieve it: the content" out '21\.5'
run 0 "create, as a whole" "$m2m" connect "$url" "${sni[@]}" "${psk[@]}" create in --type 3 --data '{"m2m:cnt":{"rn":"more"}}'
run 0 "delete" "$m2m" connect "$url" "${sni[@]}" "${psk[@]}" delete in/more
run 4 "the originator of another" "$m2m" connect "$url" "${sni[@]}" "${psk[@]}" --from Cother --json
ok "the originator of another: 4106" out '"rsc":4106'
run 0 "an AE registers" "$m2m" connect "$url" "${sni[@]}" --framework psk --psk-id new1@sp.example.com --psk-file KPSA ae --name new --json
aei=$(value ae_id)
ok "an AE registers: its AE-ID" [ -n "$aei" ]
run 0 "an AE with its AE-ID" "$m2m" connect "$url" "${sni[@]}" --framework psk --psk-id new1@sp.example.com --psk-file KPSA --ae-id "$B/$aei"
run 4 "an unknown KpsaID" "$m2m" connect "$url" "${sni[@]}" --framework psk --psk-id nobody@sp.example.com --psk-file KPSA --ae-id $B/Cdev1
ok "an unknown KpsaID: the gate's audit line" logged gate 'handshake_refused.*nobody@sp.example.com.*why=unknown_identity'
run 4 "a wrong key" "$m2m" connect "$url" "${sni[@]}" --framework psk --psk-id dev1@sp.example.com --psk-file KM --ae-id $B/Cdev1
run 4 "another SNI" "$m2m" connect "$url" --sni other.example.com "${psk[@]}"
run 1 "priorities that are none" "$m2m" connect "$url" "${sni[@]}" "${psk[@]}" --priority NONE
run 3 "nobody listens" "$m2m" connect https://127.0.0.1:1 "${sni[@]}" "${psk[@]}"
run 5 "nothing provisioned, nothing enrolled" "$m2m" connect "$url" "${sni[@]}" --framework psk
ok "nothing enrolled: the way out" err 'enrol'

# ---- SAEF 2 ----
cert=(--framework cert --cert aecert.pem --key aecert.key --ca m2m-ca.pem --ae-id $B/Cae)
run 0 "SAEF 2" "$m2m" connect "$url" "${sni[@]}" "${cert[@]}" --json
ok "SAEF 2: suite and answer" out '"framework":"SAEF 2".*TLS_ECDHE_ECDSA_.*"rsc":2000'
run 4 "SAEF 2: the originator of another" "$m2m" connect "$url" "${sni[@]}" "${cert[@]}" --from Cother --json
ok "SAEF 2: 4106" out '"rsc":4106'
run 4 "SAEF 2: Entity B under another name" "$m2m" connect "$url" --sni other.example.com "${cert[@]}"
run 4 "SAEF 2: Entity B of another CA" "$m2m" connect "$url" "${sni[@]}" "${cert[@]}" --ca other-ca.pem
run 2 "SAEF 2: no CA" "$m2m" connect "$url" "${sni[@]}" --framework cert --cert aecert.pem --key aecert.key
for c in expired foreign revoked; do
    timeout 60 "$m2m" connect "$url" "${sni[@]}" --framework cert --cert $c.pem --key $c.key --ca m2m-ca.pem --cse-id //sp.example.com/mn1 >out 2>err
    got=$?
    ok "SAEF 2: a certificate that is $c (exit $got)" [ $got -eq 3 -o $got -eq 4 ]
    ok "SAEF 2: a certificate that is $c: no answer" not out m2m:cb
done

# ---- OpenSSL as Entity B ----
serve() { # NAME ARGS: one connection; its port in $port
    local name=$1
    shift
    { sleep 30 & sleep_pid=$!; wait $sleep_pid; } | timeout 30 openssl s_server -accept 127.0.0.1:0 -tls1_2 -www "$@" >"$name.log" 2>&1 &
    pids+=($!)
    for _ in $(seq 100); do
        port=$(sed -nE 's/^ACCEPT .*:([0-9]+)$/\1/p' "$name.log")
        [ -n "$port" ] && return
        sleep 0.1
    done
}
serve foreign1 -nocert -psk "$KPSA" -psk_identity dev1@sp.example.com -cipher PSK-AES128-CBC-SHA256
timeout 60 "$m2m" connect "https://127.0.0.1:$port" "${sni[@]}" "${psk[@]}" --explain >out 2>err </dev/null
ok "OpenSSL as B: SAEF 1 with 00AE" err 'TLS_PSK_WITH_AES_128_CBC_SHA256'
serve foreign2 -cert gate.pem -key gate.key -CAfile m2m-ca.pem -Verify 2 -verify_return_error -cipher ECDHE-ECDSA-AES128-SHA256
timeout 60 "$m2m" connect "https://127.0.0.1:$port" "${sni[@]}" "${cert[@]}" --explain >out 2>err </dev/null
ok "OpenSSL as B: SAEF 2 with C023" err 'TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256'
timeout 60 "$m2m" connect "https://127.0.0.1:$port" --sni other.example.com "${cert[@]}" --explain >out 2>err </dev/null
ok "OpenSSL as B under another name (exit $?)" [ $? -eq 4 ]

echo "$n checks, $bad failed"
[ $bad -eq 0 ]
