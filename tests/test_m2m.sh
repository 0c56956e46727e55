#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2015,SC2034,SC2206
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
bsfctl naf allow in.sp.example.com --fqdn in.sp.example.com --ua 010001 --impi --service 7
bsfctl naf allow maf.example.com --fqdn maf.example.com --ua 010001 --impi --service 7
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
start_mef() {
    rm -f mef.log
    start mef "$bin/m2m-mefd" --config mef.yaml
    MEF_PID=${pids[-1]} MEF=$(port_of mef 'listening on=mef')
    mef=(--mef "https://127.0.0.1:$MEF" --mef-fqdn mef.example.com)
}
start_mef
conf_maf() {
cat >maf.yaml <<Y
maf: {fqdn: maf.example.com, listen: "127.0.0.1:0", cert: maf.pem, key: maf.key, client_ca: m2m-ca.pem, crl: m2m.crl}
store: {url: "sqlite:maf.db"}
seal: {key_file: maf.seal}
admin: {listen: "127.0.0.1:0"}
bsfs:
  - {domain: bsf.example.com, url: "https://localhost:$ZN"}
zn: {ca: m2m-ca.pem, cert: maf.pem, key: maf.key, services: [7]}
mefs:
  - {fqdn: mef.example.com, address: "127.0.0.1:$MEF", psk_id: maf@mef.example.com, psk_file: KPMM}
Y
}
conf_maf
mafctl() { must "$bin/m2m-mafctl" --config maf.yaml "$@"; }
mafctl credential add --ae-id $B/Cmaf --km-id Km-A@maf.example.com --key-file KM
mafctl credential add --cse-id $B --km-id gate@maf.example.com --key-file KGATE
mafctl credential add --ae-id $B/Cgba --impi "$IMPI"
start_maf() { # on any free port, each time
    conf_maf
    rm -f maf.log
    start maf "$bin/m2m-mafd" --config maf.yaml
    MAF_PID=${pids[-1]} MAF=$(port_of maf 'listening on=maf')
    maf=(--maf "https://127.0.0.1:$MAF" --maf-fqdn maf.example.com)
}
start_maf

# ---- CSE and gate ----
start cse "$build/examples/cse_small" --port 0 --cse-id $B
CSE=$(port_of cse listening)
conf_gate() {
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
zn: {services: [7]}
store: {url: "sqlite:gate.db"}
seal: {key_file: gate.seal}
keys: {wait_ms: 5000, unknown_ttl: 1}
admin: {listen: "127.0.0.1:0"}
Y
}
conf_gate
gatectl() { must "$bin/m2m-gatectl" --config gate.yaml "$@"; }
gatectl seal create-key
gatectl credential add --kpsa-id dev1@sp.example.com --key-file KPSA --ae-id $B/Cdev1
gatectl credential add --kpsa-id new1@sp.example.com --key-file KPSA
openssl ecparam -name prime256v1 -genkey -noout -out raw.key 2>/dev/null
openssl pkey -in raw.key -pubout -out raw.pub
gatectl credential add --public-key raw.pub --ae-id $B/Craw
start_gate() {
    conf_gate
    rm -f gate.log
    start gate "$bin/m2m-gate" --config gate.yaml
    GATE_PID=${pids[-1]} GATE=$(port_of gate gate.listening)
    url=https://127.0.0.1:$GATE
}
start_gate
sni=(--sni in.sp.example.com)
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
key_id() { openssl pkey -in "$1" -pubout -outform DER | openssl dgst -sha256 -r | cut -c 1-64; }
raw=(--framework cert --key raw.key --ae-id $B/Craw)
run 0 "SAEF 2: a raw public key" "$m2m" connect "$url" "${sni[@]}" "${raw[@]}" --ca m2m-ca.pem
run 0 "SAEF 2: raw public keys on both sides" "$m2m" connect "$url" "${sni[@]}" "${raw[@]}" --server-key "$(key_id gate.key)"
run 4 "SAEF 2: Entity B shows another raw key" "$m2m" connect "$url" "${sni[@]}" "${raw[@]}" --server-key "$(key_id raw.key)"
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

# ---- SAEF 3: Km by hand, Kc from the MAF ----
km_options() { km=(--framework maf "${maf[@]}" --psk-id Km-A@maf.example.com --psk-file KM --ae-id $B/Cmaf --state s3); }
km_options
run 0 "SAEF 3" "$m2m" connect "$url" "${sni[@]}" "${km[@]}" --json --explain
ok "SAEF 3: Kc, KcID, answer" out '"framework":"SAEF 3".*"identifier":"[0-9A-F]{32}@maf.example.com","identifier_name":"KcID".*"key":"Kc","key_from":"MAF".*"rsc":2000'
ok "SAEF 3, --explain: MAF Handshake" err 'MAF Handshake +Entity A -> MAF maf.example.com'
ok "SAEF 3, --explain: KmID" err 'Entity A authenticated by KmID Km-A@maf.example.com'
ok "SAEF 3, --explain: Kc by export" err 'key: Kc, KcID [0-9A-F]{32}@maf.example.com, by TLS export EXPORTER-oneM2M-Connection'
ok "SAEF 3, --explain --json: steps" out '"phase":"MAF Key Registration"'
ok "SAEF 3: the MAF told the gate" logged maf 'op=key_retrieve rsc=2000 why=released'
kc=$(value identifier)
run 0 "SAEF 3 again" "$m2m" connect "$url" "${sni[@]}" "${km[@]}" --json
ok "SAEF 3 again: the same Kc while it lives" out "\"identifier\":\"$kc\""
run 0 "SAEF 3, --fresh" "$m2m" connect "$url" "${sni[@]}" "${km[@]}" --json --fresh
ok "SAEF 3, --fresh: another Kc" not out "$kc"
run 0 "credentials" "$m2m" credentials --state s3 --json
ok "credentials: Kc with its target and until when" out '"key":"Kc".*"target":"//sp.example.com/in".*"until":"20'
run 4 "SAEF 3: From of another" "$m2m" connect "$url" "${sni[@]}" "${km[@]}" --from Cdev1 --json
ok "SAEF 3: 4106" out '"rsc":4106'
run 4 "SAEF 3: an unknown KmID" "$m2m" connect "$url" "${sni[@]}" "${km[@]}" --psk-id nobody@maf.example.com --state s3b
run 4 "SAEF 3: a wrong Km" "$m2m" connect "$url" "${sni[@]}" "${km[@]}" --psk-file KPSA --state s3b
run 4 "SAEF 3: an identity that is not Km's" "$m2m" connect "$url" "${sni[@]}" "${km[@]}" --ae-id $B/Cother --state s3b
ok "SAEF 3: the MAF's 4106" err '4106 ORIGINATOR_NOT_AUTHENTICATED'
run 4 "SAEF 3: Kc for another target" "$m2m" connect "$url" "${sni[@]}" "${km[@]}" --target //sp.example.com/elsewhere --state s3b
run 2 "SAEF 3: no identity" "$m2m" connect "$url" "${sni[@]}" --framework maf "${maf[@]}" --psk-id Km-A@maf.example.com --psk-file KM --state s3b
# the MAF forgets Kc: the gate refuses it, A makes a new one by itself
kill "$MAF_PID" && wait "$MAF_PID"
rm -f maf.db*
mafctl credential add --ae-id $B/Cmaf --km-id Km-A@maf.example.com --key-file KM
mafctl credential add --cse-id $B --km-id gate@maf.example.com --key-file KGATE
mafctl credential add --ae-id $B/Cgba --impi "$IMPI"
kill "$GATE_PID" && wait "$GATE_PID"
start_maf
start_gate
km_options
run 0 "SAEF 3: a Kc that the MAF has forgotten" "$m2m" connect "$url" "${sni[@]}" "${km[@]}" --json --explain
ok "SAEF 3: a new Kc, by itself" err 'the key is over, a new one is made'
run 0 "SAEF 3 with a certificate" "$m2m" connect "$url" "${sni[@]}" --framework maf "${maf[@]}" --cert aecert.pem --key aecert.key --ca m2m-ca.pem --ae-id $B/Cae --state s3c --json
ok "SAEF 3 with a certificate: Kc" out '"key":"Kc".*"rsc":2000'

# ---- SAEF 4 ----
gba=(--framework gba "${usim[@]}" --state s4)
run 0 "SAEF 4: the AE registers" "$m2m" connect "$url" "${sni[@]}" "${gba[@]}" ae --name gba --json --explain
ok "SAEF 4: B-TID, Ks_NAF" out '"framework":"SAEF 4".*"identifier":"[^"]*@bsf.example.com","identifier_name":"B-TID".*"key_from":"BSF".*"rsc":2001'
ok "SAEF 4, --explain: Ub" err 'Bootstrapping +Entity A -> BSF bsf.example.com: Ub'
ok "SAEF 4, --explain: AKA both ways" err 'BSF bsf.example.com authenticated by AUTN'
btid=$(value identifier) aei=$(value ae_id)
run 0 "SAEF 4 again" "$m2m" connect "$url" "${sni[@]}" "${gba[@]}" --ae-id "$B/$aei" --json --explain
ok "SAEF 4 again: the session serves" err 'a session that is still valid'
run 4 "SAEF 4: From of another" "$m2m" connect "$url" "${sni[@]}" "${gba[@]}" --from Cdev1 --json
ok "SAEF 4: 4106" out '"rsc":4106'
bsfctl session revoke "$btid"
kill "$GATE_PID" && wait "$GATE_PID" # its keys are warm
start_gate
run 0 "SAEF 4: the BSF has revoked the session" "$m2m" connect "$url" "${sni[@]}" "${gba[@]}" ae --name gba2 --json --explain
ok "SAEF 4: one new bootstrap, by itself" err 'the key is over, a new one is made'
run 2 "SAEF 4: no USIM" "$m2m" connect "$url" "${sni[@]}" --framework gba --state s4
bsfctl subscriber block "$IMPI"
run 4 "SAEF 4: a subscriber that the BSF refuses" "$m2m" connect "$url" "${sni[@]}" "${gba[@]}" --state s4b
bsfctl subscriber unblock "$IMPI"

# ---- SBF 1: Km for the MAF, Kpsa for the CSE ----
kpm_options() { kpm=(--framework psk "${mef[@]}" --psk-id Dev1@mef.example.com --psk-file KPM --ae-id $B/Cdev --state b1); }
kpm_options
run 5 "before the enrolment" "$m2m" connect "$url" "${sni[@]}" --framework maf "${maf[@]}" --state b1
run 0 "SBF 1: Km" "$m2m" enrol "${kpm[@]}" --target maf.example.com "${maf[@]}" --json --explain
ok "SBF 1: KeID, until when" out '"enrolled":true.*"key":"Km","identifier":"[0-9A-F]{32}@mef.example.com".*"framework":"SBF 1".*"until":"20'
ok "SBF 1, --explain: MEF Handshake" err 'MEF Handshake +Entity A -> MEF mef.example.com'
ok "SBF 1, --explain: Ke by export" err 'key: Ke, KeID [0-9A-F]{32}@mef.example.com, by TLS export EXPORTER-oneM2M-Bootstrap'
keid=$(value identifier)
run 0 "SAEF 3 by the enrolment, no further step" "$m2m" connect "$url" "${sni[@]}" --framework maf --state b1 --json --explain
ok "SAEF 3 by the enrolment: KeID at the MAF" err "Entity A authenticated by KeID $keid"
ok "SAEF 3 by the enrolment: KmID assigned" err 'key: Km, KmID Km-[0-9A-F]{24}@maf.example.com, by the MAF.s assignment'
ok "SAEF 3 by the enrolment: answer" out '"framework":"SAEF 3".*"from":"Cdev".*"rsc":2000'
run 0 "SAEF 3 by the assigned KmID" "$m2m" connect "$url" "${sni[@]}" --framework maf --state b1 --fresh --json --explain
ok "SAEF 3 by the assigned KmID: it is presented" err 'Entity A authenticated by KmID Km-[0-9A-F]{24}@maf.example.com'
run 0 "SBF 1: Kpsa" "$m2m" enrol "${kpm[@]}" --target $B --json
run 0 "SAEF 1 by the enrolment" "$m2m" connect "$url" --framework psk --state b1 --json --explain
ok "SAEF 1 by the enrolment: KeID, B asks the MEF" err 'Entity B asks the MEF'
ok "SAEF 1 by the enrolment: answer" out '"framework":"SAEF 1".*"key":"Kpsa","key_from":"SBF 1".*"from":"Cdev".*"rsc":2000'
run 0 "re-enrolment" "$m2m" enrol "${kpm[@]}" --target maf.example.com --json
ok "re-enrolment: a new KeID" not out "$keid"
run 0 "SAEF 3 after it" "$m2m" connect "$url" "${sni[@]}" --framework maf --state b1 --fresh --json --explain
ok "SAEF 3 after it: a new KmID of the registration" err 'there already'
run 0 "--if-needed" "$m2m" enrol "${kpm[@]}" --target maf.example.com --if-needed --json
ok "--if-needed: nothing to do" out '"enrolled":false'
run 0 "credentials" "$m2m" credentials --state b1
ok "credentials: Km, Kpsa, Kc" [ "$(grep -cE '^(Km|Kpsa|Kc) ' out)" -eq 3 ]
run 4 "SBF 1: an unknown KpmID" "$m2m" enrol "${kpm[@]}" --psk-id nobody@mef.example.com --target maf.example.com
run 4 "SBF 1: a wrong Kpm" "$m2m" enrol "${kpm[@]}" --psk-file KPSA --target maf.example.com
run 4 "SBF 1: a target without instruction" "$m2m" enrol "${kpm[@]}" --target //sp.example.com/elsewhere
ok "SBF 1: the MEF's answer" err '4103 ORIGINATOR_HAS_NO_PRIVILEGE'
run 4 "SBF 1: the identity of another" "$m2m" enrol "${kpm[@]}" --ae-id $B/Cother --target maf.example.com
run 2 "SBF 1: no target" "$m2m" enrol "${kpm[@]}"
for f in b1/m2m-*.gba; do ok "sealed: mode of $f" [ "$(stat -c %a "$f")" = 600 ]; done
# a key of the KDF of 2014 is none of today's MEF
run 0 "SBF 1, --kdf 2014" "$m2m" enrol "${kpm[@]}" --target $B --kdf 2014 --state b1o
run 4 "SBF 1, --kdf 2014 at a MEF of today" "$m2m" connect "$url" --framework psk --state b1o

ok "SBF 1, --kdf 2014: the way out" err 'enrol again'

# ---- SBF 2 ----
mc=(--framework cert "${mef[@]}" --cert aecert.pem --key aecert.key --ca m2m-ca.pem --ae-id $B/Cae --state b2)
run 0 "SBF 2: Kpsa" "$m2m" enrol "${mc[@]}" --target $B --json
ok "SBF 2: framework" out '"framework":"SBF 2"'
run 0 "SAEF 1 after SBF 2" "$m2m" connect "$url" --framework psk --state b2 --json
ok "SAEF 1 after SBF 2: answer" out '"key_from":"SBF 2".*"rsc":2000'
run 0 "SBF 2: Km" "$m2m" enrol "${mc[@]}" --target maf.example.com --json
run 0 "SAEF 3 after SBF 2" "$m2m" connect "$url" "${sni[@]}" --framework maf "${maf[@]}" --state b2 --json
ok "SAEF 3 after SBF 2: answer" out '"framework":"SAEF 3".*"rsc":2000'
run 4 "SBF 2: the certificate of another" "$m2m" enrol "${mc[@]}" --cert other.pem --key other.key --target $B
run 4 "SBF 2: a MEF under another name" "$m2m" enrol "${mc[@]}" --mef-fqdn other.example.com --target $B
run 4 "SBF 2: a MEF of another CA" "$m2m" enrol "${mc[@]}" --ca other-ca.pem --target $B

# ---- SBF 3 ----
bg=(--framework gba "${usim[@]}" --ae-id $B/Cgba --state b3)
run 0 "SBF 3: Km" "$m2m" enrol "${bg[@]}" --target maf.example.com "${maf[@]}" --json --explain
ok "SBF 3: KmID is the B-TID" out '"key":"Km","identifier":"[^"]*@bsf.example.com","identifier_name":"KmID = B-TID".*"framework":"SBF 3"'
ok "SBF 3, --explain: Ke = Ks" err 'key: Ke = Ks, KeID = B-TID'
run 0 "SAEF 3 after SBF 3, without the USIM" "$m2m" connect "$url" "${sni[@]}" --framework maf --state b3 --json
ok "SAEF 3 after SBF 3: answer" out '"framework":"SAEF 3".*"rsc":2000'
run 0 "SBF 3: Kpsa" "$m2m" enrol "${bg[@]}" --target $B --json
run 0 "SAEF 1 after SBF 3, without the USIM" "$m2m" connect "$url" --framework psk --state b3 --from C ae --name gba3 --json
ok "SAEF 1 after SBF 3: answer" out '"framework":"SAEF 1".*"key_from":"SBF 3".*"rsc":2001'

# ---- the subscriber's user security settings name the entity ----
cat >guss.xml <<X
<guss id="$IMPI" xmlns="urn:3gpp:gba:GBAGUSSSchema-R9:2010-02"><ussList><uss id="7" type="7"><uids><uid>$B/Cuss</uid><uid>$B/Cuss2</uid></uids></uss></ussList></guss>
X
bsfctl guss set "$IMPI" --file guss.xml
run 0 "SAEF 4: AE-IDs of the GUSS" "$m2m" connect "$url" "${sni[@]}" "${gba[@]}" --state s4u --ae-id $B/Cuss2 --json
run 4 "SAEF 4: another than those of the GUSS" "$m2m" connect "$url" "${sni[@]}" "${gba[@]}" --state s4u --ae-id $B/Cuss3 --json
ok "SAEF 4, GUSS: 4106" out '"rsc":4106'
run 0 "SBF 3: the MAF's client by the GUSS" "$m2m" enrol --framework gba "${usim[@]}" --ae-id $B/Cuss --state s4u --target maf.example.com "${maf[@]}"
run 0 "SAEF 3 after it" "$m2m" connect "$url" "${sni[@]}" --framework maf --state s4u --json

# ---- identities of other domains ----
run 4 "a KeID of another MEF at the MAF" "$m2m" connect "$url" "${sni[@]}" "${km[@]}" --psk-id 00112233445566778899AABBCCDDEEFF@mef2.example.com --state s9
ok "a KeID of another MEF: the MAF asks nobody" logged maf 'handshake .*reason=forbidden'
run 4 "a KeID of another MEF at the CSE" "$m2m" connect "$url" "${sni[@]}" "${psk[@]}" --psk-id 00112233445566778899AABBCCDDEEFF@mef2.example.com
run 4 "an unknown KeID at the CSE" "$m2m" connect "$url" "${sni[@]}" "${psk[@]}" --psk-id 00112233445566778899AABBCCDDEEFF@mef.example.com
run 4 "a KcID of another MAF at the CSE" "$m2m" connect "$url" "${sni[@]}" "${psk[@]}" --psk-id 00112233445566778899AABBCCDDEEFF@maf2.example.com

# ---- a command of the MEF; the ends of an enrolment and of a Kc ----
printf '{"cmdClassID":3,"cmdArgs":{"MONodeCmdArgs":{"objectPath":"x","objectTypeID":1,"objectTypeSpecifcArgs":{}}}}' >cmd.json
for seconds in 8 60; do # the second for a machine that is very slow
    end=$(($(date +%s) + seconds))
    mefctl credential add --replace --ae-id $B/Cshort --kpm-id short@mef.example.com --key-file KPM \
        --enrol "$B,22,$(date -u -d "@$end" +%Y%m%dT%H%M%S)" --command cmd.json
    "$m2m" enrol --framework psk "${mef[@]}" --psk-id short@mef.example.com --psk-file KPM --ae-id $B/Cshort --state bs --target $B \
        --json --explain >out 2>err && break
done
ok "a short enrolment" out '"enrolled":true'
ok "MEF Client Command: answered" err 'MEF Client Command .*MO_NODE: answered with CLASS_NOT_SUPPORTED'
ok "MEF Client Command: to the end" err 'MEF Client Command .*NO_MORE_COMMANDS'
run 0 "a Kc of ten seconds" "$m2m" connect "$url" "${sni[@]}" "${km[@]}" --state s6 --lifetime 10 --json
kc=$(value identifier) end2=$(($(date +%s) + 11))
while [ "$(date +%s)" -le "$end" ] || [ "$(date +%s)" -le "$end2" ]; do sleep 0.5; done
run 5 "the enrolment is over" "$m2m" connect "$url" --framework psk --state bs
ok "the enrolment is over: the way out" err 'ran out at .*: enrol again'
run 0 "credentials" "$m2m" credentials --state bs --json
ok "credentials: expired" out '"expired":true'
run 4 "the MEF's instruction is over, too" "$m2m" enrol --framework psk "${mef[@]}" --psk-id short@mef.example.com --psk-file KPM \
    --ae-id $B/Cshort --state bs --target $B
run 0 "forget what is over" "$m2m" credentials forget --expired --state bs --json
ok "forget what is over: one" out '"forgotten": ?1'
run 0 "Kc is over: a new one" "$m2m" connect "$url" "${sni[@]}" "${km[@]}" --state s6 --json
ok "Kc is over: another identifier" not out "$kc"

# ---- both generations of the KDF ----
kill "$MEF_PID" && wait "$MEF_PID"
sed -i 's/127.0.0.1:0", cert: mef/127.0.0.1:0", kdf: "2014", cert: mef/' mef.yaml
kill "$MAF_PID" "$GATE_PID" && wait "$MAF_PID" "$GATE_PID"
start_mef
start_maf
start_gate
kpm_options
run 0 "KDF of 2014 at a MEF of 2014: Kpsa" "$m2m" enrol "${kpm[@]}" --target $B --kdf 2014 --state b14
run 0 "KDF of 2014: SAEF 1" "$m2m" connect "$url" --framework psk --state b14 --json
run 0 "KDF of 2014: Km" "$m2m" enrol "${kpm[@]}" --target maf.example.com --kdf 2014 --state b14
run 0 "KDF of 2014: SAEF 3" "$m2m" connect "$url" "${sni[@]}" --framework maf "${maf[@]}" --state b14 --json

# ---- revocation ----
mefctl credential remove --kpm-id Dev1@mef.example.com
run 4 "a KpmID that was removed" "$m2m" enrol "${kpm[@]}" --target $B
mafctl credential remove --km-id Km-A@maf.example.com
run 4 "a KmID that was removed" "$m2m" connect "$url" "${sni[@]}" "${km[@]}" --maf "https://127.0.0.1:$MAF" --state s6 --fresh
gatectl credential remove --kpsa-id dev1@sp.example.com
for _ in $(seq 50); do # the gate looks again within a second
    "$m2m" connect "$url" "${sni[@]}" "${psk[@]}" >out 2>err || break
    sleep 0.2
done
run 4 "a KpsaID that was removed" "$m2m" connect "$url" "${sni[@]}" "${psk[@]}"
kill "$MEF_PID" && wait "$MEF_PID"
run 3 "the MEF is down" "$m2m" enrol "${kpm[@]}" --target $B --timeout 3

# ---- what is held ----
"$m2m" credentials --state b1 --json >out 2>err
run 0 "forget" "$m2m" credentials forget "$(value identifier)" --state b1 --quiet
run 1 "forget what is not there" "$m2m" credentials forget nothing@x --state b1
run 2 "forget nothing" "$m2m" credentials forget --state b1
held=(b2/m2m-*.gba)
printf x >>"${held[0]}"
run 1 "a damaged file" "$m2m" credentials --state b2
ok "a damaged file: said so" err 'damaged'
for k in "$KPSA" "$KM" "$KPM"; do
    ok "no key in state, log or output" not grep -rqi "$k" s3 b1 b2 b3 maf.log mef.log gate.log out err
done

echo "$n checks, $bad failed"
[ $bad -eq 0 ]
