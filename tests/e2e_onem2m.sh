#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2034
# e2e_onem2m.sh - the world of ./quickstart --onem2m: a real BSF, MAF, MEF, gate and CSE as processes, the m2m command
# and OpenSSL as Entity A. All seven frameworks, and what must not come through, each with its audit line.
set -u
build=$(cd "${top_builddir:-.}" && pwd) # before the next line: both may be relative
cd "${top_srcdir:-.}" || exit 99
top=$PWD
command -v openssl >/dev/null && command -v curl >/dev/null || exit 77
demo=$(mktemp -d) || exit 99
. "$top/tests/demo.sh"
demo=$demo/demo # demo_prepare makes it anew
m2m_gate_more=$'keys:\n  wait_ms: 3000\n  unknown_ttl: 1'
. "$top/tests/demo_onem2m.sh"
unset M2M_STATE M2M_KEY_FILE M2M_CA GBA_USIM GBA_BSF GBA_BSF_DOMAIN GBA_STATE GBA_KEY_FILE
export HOME=${demo%/demo} XDG_STATE_HOME=
checks=0 bad=0 others=()
trap 'for p in "${others[@]}"; do kill "$p" 2>/dev/null; done; demo_stop quiet; rm -rf "${demo%/demo}"' EXIT
ok() { # NAME COMMAND...
    local name=$1
    shift
    checks=$((checks + 1))
    if "$@"; then
        echo "ok $checks $name"
    else
        bad=$((bad + 1))
        echo "FAILED: $checks $name"
        { cat "$demo/answer"; tail -n 4 "$demo"/m2m-gate.log "$demo"/m2m-mafd.log; } 2>/dev/null | cut -c 1-300 | sed 's/^/    /'
    fi
}
not() { ! "$@"; }
has() { grep -qE -- "$1" "$demo/answer"; }
logged() { # LOG PATTERN: within some seconds
    local i
    for i in $(seq 50); do
        grep -qE -- "$2" "$demo/$1.log" && return 0
        sleep 0.1
    done
    return 1
}
ask() { # ORIGIN METHOD PATH FIELDS BODY, then s_client's arguments: OpenSSL as Entity A
    local from=$1 method=$2 path=$3 fields=$4 body=$5
    shift 5
    printf '%s %s HTTP/1.1\r\nHost: %s\r\nX-M2M-Origin: %s\r\nX-M2M-RI: r1\r\nX-M2M-RVI: 3\r\nConnection: close\r\n%bContent-Length: %d\r\n\r\n%s' \
        "$method" "$path" "$GATE_SNI" "$from" "$fields" ${#body} "$body" |
        timeout 30 openssl s_client -connect "127.0.0.1:$p_gate" -servername "$GATE_SNI" -tls1_2 -ign_eof "$@" >"${answer:-$demo/answer}" 2>&1
}
psk() { # ORIGIN IDENTITY KEY: the CSEBase
    ask "$1" GET /cse1 '' '' -psk_identity "$2" -psk "$3" -cipher PSK-AES128-CBC-SHA256
}
client() { "$build/tests/m2m_client" "$@" >"$demo/answer" 2>&1; }
far=$(date -u -d '+10 days' +%Y%m%dT%H%M%S)
# kc ORIGIN TARGET UNTIL: registers a key with the MAF; kc_id, kc.
kc() {
    client "$p_maf" "$MAF_FQDN" psk "$KM_ID" "$KM" EXPORTER-oneM2M-Connection "$1" POST /MAFBase 'application/json;ty=60005' \
        "{\"sec:skr\":{\"et\":\"$3\",\"adfq\":\"$SP\",\"suid\":32,\"tgis\":[\"$2\"]}}"
    local exported
    exported=$(sed -n '1s/.* //p' "$demo/answer")
    kc_id=${exported:0:32} kc=${exported:32}
    kc_id=${kc_id^^}@$MAF_FQDN
}

demo_prepare
m2m_prepare
demo_start_bsf
demo_provision
m2m_provision
m2m_start

# ---- all seven ----
m2m_rows >"$demo/rows"
ok "seven frameworks hold" [ $? -eq 0 ]
sed 's/^/    /' "$demo/rows"
for row in 'SAEF 1' 'SAEF 2' 'SAEF 3' 'SAEF 4' 'SBF 1' 'SBF 2' 'SBF 3'; do
    ok "a row of $row" [ "$(grep -c "^$row .*2000 OK" "$demo/rows")" -eq 1 ]
done
ok "each SBF's keys serve SAEF 3 and SAEF 1" [ "$(grep -c '^  *then SAEF [13] with K.*: 2000 OK$' "$demo/rows")" -eq 6 ]
for n in 1 2 3 4; do ok "the gate names SAEF $n" logged m2m-gate "gate.allowed.*SAEF $n"; done
m2m_env
for v in GATE_URL GATE_SNI GATE_CONFIG GATE_PID MAF_URL MAF_FQDN MEF_URL MEF_FQDN CSE_UPSTREAM CSE_ID M2M_CA KPSA_ID KPSA KM_ID KM \
    KPM_ID KPM A_CERT A_KEY AE_ID AE_ID_OTHER; do
    grep -qE "^$v=." "$demo/env" || ok "env has $v" false
done

# ---- OpenSSL as Entity A, and another's AE-ID ----
psk "$AE_ID" "$KPSA_ID" "$KPSA"
ok "SAEF 1, 00AE" has 'X-M2M-RSC: 2000'
psk "$AE_ID_OTHER" "$KPSA_ID" "$KPSA"
ok "SAEF 1: From of another, 4106" has 'X-M2M-RSC: 4106'
ask "$AE_ID" GET /cse1 '' '' -cert "$A_CERT" -key "$A_KEY" -CAfile "$M2M_CA" -cipher ECDHE-ECDSA-AES128-SHA256
ok "SAEF 2, C023" has 'X-M2M-RSC: 2000'
kc "$AE_ID" "$CSE_ID" "$far"
ok "SAEF 3: OpenSSL's peer registers a key, speaking by its stem" has '^201 2001 '
psk "$AE_ID" "$kc_id" "$kc"
ok "SAEF 3, 00AE" has 'X-M2M-RSC: 2000'
psk "$AE_ID_OTHER" "$kc_id" "$kc"
ok "SAEF 3: From of another, 4106" has 'X-M2M-RSC: 4106'
key=$(demo_gba key "$GATE_SNI" --ua 01000100AE --json 2>"$demo/answer")
btid=$(sed -nE 's/.*"btid": ?"([^"]*)".*/\1/p' <<<"$key") ks_naf=$(sed -nE 's/.*"(key|ks_naf)": ?"([0-9a-fA-F]{64})".*/\2/p' <<<"$key")
ok "gba gives a B-TID and Ks_NAF" [ -n "$btid" -a -n "$ks_naf" ]
for id in "3GPP-bootstrapping;$btid" "$btid"; do
    psk "$AE_ID" "$id" "$ks_naf"
    ok "SAEF 4, 00AE, identity ${id%%@*}: the AE-ID of its settings" has 'X-M2M-RSC: 2000'
done
psk "$AE_ID_OTHER" "$btid" "$ks_naf"
ok "SAEF 4: From of another, 4106" has 'X-M2M-RSC: 4106'
ok "SAEF 4: its audit line" logged m2m-gate "gate.refused.*SAEF 4.*why=other_ae"

# ---- identifiers of nobody, of others; wrong keys ----
refused() { # NAME IDENTITY KEY WHY
    psk "$AE_ID" "$2" "$3"
    ok "$1: no answer" not has 'HTTP/1.1'
    ok "$1: why=$4" logged m2m-gate "gate.handshake_refused.*identity=\"?${2//[+;]/.}.*why=($4)"
}
refused "an unknown KpsaID" "nobody@$SP" "$KPSA" unknown_identity
refused "an unknown KcID" "00000000000000000000000000000001@$MAF_FQDN" "$KPSA" server_does_not_know
refused "an unknown KeID" "00000000000000000000000000000002@$MEF_FQDN" "$KPSA" 'server_does_not_know|server_refuses'
refused "a KeID of another MEF" "00000000000000000000000000000003@mef.elsewhere.test" "$KPSA" unknown_identity
refused "an unknown B-TID" "AAAAAAAAAAAAAAAAAAAAAA==@$BSF_DOMAIN" "$KPSA" unknown_btid
refused "a B-TID of another BSF" "3GPP-bootstrapping;AAAAAAAAAAAAAAAAAAAAAA==@bsf.elsewhere.test" "$KPSA" foreign_domain
psk "$AE_ID" "$KPSA_ID" "$KM"
ok "a wrong key: no answer" not has 'HTTP/1.1'
kc "$AE_ID" //sp.example.test/cse2 "$far"
refused "a Kc whose targetIDs name another CSE" "$kc_id" "$kc" 'server_refuses|server_does_not_know'

# ---- keys run out ----
soon=$(date -u -d '+4 seconds' +%Y%m%dT%H%M%S)
kc "$AE_ID" "$CSE_ID" "$soon"
psk "$AE_ID" "$kc_id" "$kc"
ok "a Kc of four seconds lives" has 'X-M2M-RSC: 2000'
m2m_gatectl credential add --kpsa-id short@$SP --key-file "$demo/kpsa.key" --ae-id $AE_ID --expires "$soon" >/dev/null
until [ "$(date -u +%Y%m%dT%H%M%S)" '>' "$soon" ]; do sleep 0.5; done
refused "a Kc that is over" "$kc_id" "$kc" 'server_does_not_know|expired'
refused "a Kpsa that is over" "short@$SP" "$KPSA" 'expired|unknown_identity'

# ---- the same Kc twice ----
skr="{\"sec:skr\":{\"et\":\"$far\",\"adfq\":\"$SP\",\"suid\":32,\"tgis\":[\"$CSE_ID\"]}}"
maf() { # ARGUMENT...: OpenSSL registers a key
    printf 'POST /MAFBase HTTP/1.1\r\nHost: x\r\nX-M2M-Origin: %s\r\nX-M2M-RI: r1\r\nX-M2M-RVI: 3\r\nContent-Type: application/json;ty=60005\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s' \
        "$CSE_ID/$AE_ID" ${#skr} "$skr" |
        timeout 30 openssl s_client -connect "127.0.0.1:$p_maf" -servername "$MAF_FQDN" -psk_identity "$KM_ID" -psk "$KM" -tls1_2 \
            -cipher PSK-AES128-CBC-SHA256 -ign_eof "$@" >"$demo/answer" 2>&1
}
maf -sess_out "$demo/session"
ok "OpenSSL registers a Kc" has 'X-M2M-RSC: 2001'
first=$(grep -oE '"rn": ?"[0-9A-F]{32}"' "$demo/answer")
if [ -s "$demo/session" ]; then
    maf -sess_in "$demo/session"
    ok "a resumed session does not give the same Kc" not has "$first"
    ok "a resumed session gives none at all" eval 'not has "^Reused" || not has "X-M2M-RSC: 2001"'
fi

# ---- SA2: a notification goes out with the key of SA1 ----
kc "$AE_ID" "$CSE_ID" "$far"
own=(-psk_identity "$kc_id" -psk "$kc" -cipher PSK-AES128-CBC-SHA256)
ask "$AE_ID" POST /cse1 'Content-Type: application/json;ty=2\r\n' \
    "{\"m2m:ae\":{\"rn\":\"dev\",\"api\":\"Norg.example.dev\",\"rr\":true,\"srv\":[\"3\"],\"poa\":[\"https://127.0.0.1:$p_ae\"]}}" "${own[@]}"
ok "the AE registers with its point of access" has 'X-M2M-RSC: 2001'
ok "and gets the AE-ID that it is bound to" has "\"aei\": ?\"$AE_ID\""
ask "$AE_ID" POST /cse1 'Content-Type: application/json;ty=2\r\n' '{"m2m:ae":{"rn":"dev2","api":"Nx","rr":false,"srv":["3"]}}' "${own[@]}"
ok "not twice: 4117" has 'X-M2M-RSC: 4117'
ask "$AE_ID" POST /cse1 'Content-Type: application/json;ty=3\r\n' '{"m2m:cnt":{"rn":"data"}}' "${own[@]}"
ask "$AE_ID" POST /cse1/data 'Content-Type: application/json;ty=23\r\n' \
    "{\"m2m:sub\":{\"rn\":\"sub\",\"nu\":[\"$EGRESS_URL/_/$SP/cse1/$AE_ID/told\"]}}" "${own[@]}"
ok "a subscription" has 'X-M2M-RSC: 2001'
mkfifo "$demo/say"
(
    exec 8<>"$demo/say"
    printf 'HTTP/1.1 200 OK\r\nX-M2M-RSC: 2000\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' >&8
    exec timeout 60 openssl s_server -accept "127.0.0.1:$p_ae" -tls1_2 -quiet -naccept 1 -nocert -psk_identity "$kc_id" -psk "$kc" \
        -cipher PSK-AES128-CBC-SHA256 <&8 >"$demo/told" 2>"$demo/told.err"
) &
others+=($!)
for _ in $(seq 100); do
    grep -qi ":$(printf %04X "$p_ae") 0\{8\}:0000 0A" /proc/net/tcp && break
    sleep 0.1
done
ask "$AE_ID" POST /cse1/data 'Content-Type: application/json;ty=4\r\n' '{"m2m:cin":{"con":"21.5"}}' "${own[@]}"
ok "a content instance" has 'X-M2M-RSC: 2001'
ok "SA2: the gate took it out with Kc" logged m2m-gate "gate.sent.*with=\"?$kc_id"
ok "SA2: it came to the AE's path" grep -qa '^POST /told ' "$demo/told"
ok "SA2: it is the notification" grep -qa 'm2m:sgn.*21\.5' "$demo/told"
# our own device there, by each framework whose key somebody else told the gate
heard() { # NAME WITH STATE FRAMEWORK MORE...
    local name=$1 with=$2 state=$3 ear i
    shift 3
    : >"$demo/heard" # before anybody looks whether it has said something
    timeout 60 "$build/onem2m-binding/m2m" connect "$GATE_URL" --sni "$GATE_SNI" --target "$CSE_ID" --state "$demo/$state" --ae-id "$CSE_ID/$AE_ID" \
        --framework "$@" --json --listen "127.0.0.1:$p_ae" --count 1 >"$demo/heard" 2>"$demo/answer" </dev/null &
    ear=$!
    others+=("$ear")
    for i in $(seq 200); do
        [ -s "$demo/heard" ] && break # SA1 and its request
        sleep 0.1
    done
    [ -z "${restart:-}" ] || gate_anew
    curl -s -i --max-time 20 -X POST -H 'X-M2M-Origin: /cse1' -H 'X-M2M-RI: v1' -H 'X-M2M-RVI: 3' -H 'Content-Type: application/json' \
        -d '{"m2m:sgn":{"vrq":true,"sur":"cse1/data/sub"}}' "$EGRESS_URL/_/$SP/cse1/$AE_ID/told" >>"$demo/answer"
    ok "SA2, m2m --listen, $name: 2000" has 'X-M2M-RSC: 2000'
    wait $ear
    ok "SA2, $name: m2m ends well" [ $? -eq 0 ]
    cp "$demo/heard" "$demo/answer"
    ok "SA2, $name: the verification" has '"operation":"notify","to":"/told".*"verification":true'
    ok "SA2, $name: with the key of SA1" logged m2m-gate "gate.sent.*with=\"?[^ ]*$with"
}
gate_anew() { # as after a crash
    kill -9 "$GATE_PID"
    wait "$GATE_PID" 2>/dev/null
    cat "$demo/m2m-gate.log" >>"$demo/m2m-gate-before.log"
    : >"$demo/m2m-gate.log"
    m2m_start_gate
}
heard "SAEF 3" "@$MAF_FQDN" a3 maf --maf "$MAF_URL" --maf-fqdn "$MAF_FQDN" --psk-id "$KM_ID" --psk-file "$demo/km.key"
heard "SAEF 4" "@$BSF_DOMAIN" a4 gba --usim "$USIM" --bsf "$BSF_UB_URL" --bsf-domain "$BSF_DOMAIN"
heard "SAEF 1 after SBF 1" "@$MEF_FQDN" b1 psk
# E6: the gate begins anew in between, and MAF, BSF and MEF tell it the key of SA1 once more
restart=1
heard "SAEF 3, the gate restarted" "@$MAF_FQDN" a3 maf --maf "$MAF_URL" --maf-fqdn "$MAF_FQDN" --psk-id "$KM_ID" --psk-file "$demo/km.key"
heard "SAEF 4, the gate restarted" "@$BSF_DOMAIN" a4 gba --usim "$USIM" --bsf "$BSF_UB_URL" --bsf-domain "$BSF_DOMAIN"
heard "SAEF 1 after SBF 1, the gate restarted" "@$MEF_FQDN" b1 psk
heard "SAEF 1, the gate restarted" "$KPSA_ID" a1 psk --psk-id "$KPSA_ID" --psk-file "$demo/kpsa.key"
restart=
curl -s -i --max-time 10 -X POST -H 'Content-Type: application/json' -d '{}' "$EGRESS_URL/_/$SP/cse1/Cnobody" >"$demo/answer"
ok "to nobody: 5103" has 'X-M2M-RSC: 5103'

# ---- the same CSE with the guard inside ----
"$build/examples/cse_small" --port 0 --cse-id "$CSE_ID" --tls --psk-id "$KPSA_ID" --psk-file "$demo/kpsa.key" --ae-id "$CSE_ID/$AE_ID" \
    >"$demo/inside.log" 2>&1 &
others+=($!)
logged inside listening
p_behind=$p_gate p_gate=$(sed -n 's/.*listening on port //p' "$demo/inside.log")
psk "$AE_ID" "$KPSA_ID" "$KPSA"
ok "guard inside: as behind the gate" has 'X-M2M-RSC: 2000'
psk "$AE_ID_OTHER" "$KPSA_ID" "$KPSA"
ok "guard inside: From of another, 4106" has 'X-M2M-RSC: 4106'
p_gate=$p_behind

# ---- a party dies in the middle of a handshake ----
dead() { # NAME PID IDENTITY
    local waiting
    kill -STOP "$2"
    (answer=$demo/answer2 && psk "$AE_ID" "$3" "$KPSA") &
    waiting=$!
    psk "$AE_ID" "$KPSA_ID" "$KPSA"
    ok "$1 hangs: the others are served" has 'X-M2M-RSC: 2000'
    wait $waiting
    kill -CONT "$2"
    ok "$1 hangs: its own handshake ends" logged m2m-gate "gate.handshake_refused.*identity=\"?${3//[+;]/.}.*why=(server_timeout|server_unreachable|bsf_unreachable)"
}
dead MAF "$MAF_PID" "10000000000000000000000000000001@$MAF_FQDN"
dead MEF "$MEF_PID" "10000000000000000000000000000002@$MEF_FQDN"
dead BSF "$BSF_PID" "BAAAAAAAAAAAAAAAAAAAAA==@$BSF_DOMAIN"
psk "$AE_ID" "$kc_id" "$kc" # which the gate holds from here on
kill "$MAF_PID"
for _ in $(seq 100); do kill -0 "$MAF_PID" 2>/dev/null || break; sleep 0.1; done
psk "$AE_ID" "10000000000000000000000000000003@$MAF_FQDN" "$KPSA"
ok "no MAF: its audit line" logged m2m-gate "gate.handshake_refused.*10000000000000000000000000000003@.*why=server_unreachable"
psk "$AE_ID" "$kc_id" "$kc"
ok "no MAF: a Kc that the gate holds still serves" has 'X-M2M-RSC: 2000'

ok "no key in the logs" eval '! cat "$demo"/*.log | grep -qiE "$KPSA|$KM|$KPM|$ks_naf|$kc"'
echo "$checks checks, $bad failed"
[ $bad -eq 0 ]
