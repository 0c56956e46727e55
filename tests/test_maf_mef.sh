#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2034
# MAF and MEF as processes: OpenSSL as a foreign client with TLS_PSK_WITH_AES_128_CBC_SHA256 and
# TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, its exporter against ours; enrolment with the MEF, then the
# MAF by KeID and by the KmID it assigned, then the key at its target; and the refusals.
set -u
src=$(cd "${top_srcdir:-.}" && pwd) build=$(cd "${top_builddir:-.}" && pwd)
bin=$build/onem2m-binding
command -v openssl >/dev/null || exit 77
work=$(mktemp -d) && cd "$work" || exit 99
pids=() checks=0
trap 'for p in "${pids[@]}"; do kill "$p" 2>/dev/null; wait "$p" 2>/dev/null; done; rm -rf "$work"' EXIT
fail() {
    printf 'FAILED: %s\n' "$*"
    tail -n 25 maf.log mef.log 2>/dev/null
    exit 1
}
# has TEXT PATTERN WHAT, hasnt
has() {
    checks=$((checks + 1))
    grep -qE -- "$2" <<<"$1" || fail "$3: no '$2' in: $1"
}
lit() { # the same of a text that is no pattern
    checks=$((checks + 1))
    grep -qF -- "$2" <<<"$1" || fail "$3: no '$2' in: $1"
}
hasnt() {
    checks=$((checks + 1))
    ! grep -qE -- "$2" <<<"$1" || fail "$3: '$2' in: $1"
}

sh "$src/tests/m2m_certs.sh" "$work" || exit 99
for s in maf mef; do
    printf 'k1 %s\n' "$(openssl rand -hex 32)" >$s.seal
    chmod 600 $s.seal
done
KM=$(openssl rand -hex 32) KM_B=$(openssl rand -hex 32) KPM=$(openssl rand -hex 16) KPM_MAF=$(openssl rand -hex 32)
echo "$KPM_MAF" >kpm-maf.key
cat >mef.yaml <<Y
mef: {fqdn: mef.example.com, listen: "127.0.0.1:0", cert: mef.pem, key: mef.key, client_ca: m2m-ca.pem, crl: m2m.crl}
store: {url: "sqlite:mef.db"}
seal: {key_file: mef.seal}
admin: {listen: "127.0.0.1:0"}
Y
port_of() { # NAME LOG
    local i
    for i in $(seq 300); do
        sed -n "s/.*listening .*on=$1 .*port=\([0-9]*\).*/\1/p" "${2:-$1}.log" 2>/dev/null | grep . && return
        sleep 0.1
    done
    fail "$1 did not start"
}
start() { # NAME PROGRAM
    "$bin/$2" --config "$1.yaml" 2>"$1.log" &
    pids+=($!)
}
ctl() { # PROGRAM YAML ARGS...
    local p=$1 y=$2
    shift 2
    "$bin/$p" --config "$y" "$@" || fail "$p $*"
}

# ---- credentials ----
ctl m2m-mefctl mef.yaml credential add --fqdn maf.example.com --kpm-id maf@mef.example.com --key-file - <kpm-maf.key >/dev/null
ctl m2m-mefctl mef.yaml credential add --ae-id //sp.example.com/in/Cdev --kpm-id Dev1@mef.example.com --key-file - \
    --enrol maf.example.com,21 <<<"$KPM" >/dev/null
ctl m2m-mefctl mef.yaml credential add --ae-id //sp.example.com/in/Cae --cert-uri //sp.example.com/in/Cae \
    --enrol maf.example.com,21 >/dev/null
out=$(ctl m2m-mefctl mef.yaml --json credential list)
has "$out" '"credential": "dev1@mef.example.com"' "list"
hasnt "$out" "$KPM" "the list shows no key"
"$bin/m2m-mefctl" --config mef.yaml credential add --fqdn maf.example.com --kpm-id maf@mef.example.com --key-file kpm-maf.key \
    2>err && fail "a credential was overwritten"
has "$(cat err)" 'is there already' "no silent overwrite"
"$bin/m2m-mefctl" --config mef.yaml credential add --cse-id /in --kpm-id x@mef.example.com --key-file kpm-maf.key 2>err && fail "a relative CSE-ID"
has "$(cat err)" 'no absolute identifier' "a relative CSE-ID"
"$bin/m2m-mefctl" --config mef.yaml credential add --cse-id //a.b/in --kpm-id x@other.example.com --key-file kpm-maf.key 2>err && fail "a foreign domain"
has "$(cat err)" "must be this server's name" "a foreign domain"

start mef m2m-mefd
MEF=$(port_of mef)
mkfifo bsf.in
"$build/tests/fake_bsf" 0 bsf.pem bsf.key m2m-ca.pem <bsf.in >bsf.out 2>&1 &
pids+=($!)
exec 7>bsf.in
for i in $(seq 300); do [ -s bsf.out ] && break || sleep 0.1; done
BSF=$(head -n 1 bsf.out)
cat >maf.yaml <<Y
maf: {fqdn: maf.example.com, listen: "127.0.0.1:0", cert: maf.pem, key: maf.key, client_ca: m2m-ca.pem, crl: m2m.crl}
store: {url: "sqlite:maf.db"}
seal: {key_file: maf.seal}
admin: {listen: "127.0.0.1:0"}
limits: {fetch_timeout: 2s}
bsfs:
  - {domain: bsf.example.com, url: "https://localhost:$BSF"}
zn: {ca: m2m-ca.pem, cert: maf.pem, key: maf.key}
mefs:
  - {fqdn: mef.example.com, address: "127.0.0.1:$MEF", psk_id: maf@mef.example.com, psk_file: kpm-maf.key}
Y
"$bin/m2m-mafd" --config maf.yaml --check || fail "--check"
sed '/mef.example.com/{p;s/mef.example.com,/mef2.example.com,/}' maf.yaml >two.yaml
out=$("$bin/m2m-mafd" --config two.yaml --check 2>&1) && fail "two MEFs without identities"
has "$out" 'mefs\[1\].identities.*is missing.*mef2.example.com' "two MEFs without identities"
out=$(sed 's/maf.example.com, l/maf.com, l/' maf.yaml >two.yaml; "$bin/m2m-mafd" --config two.yaml --check 2>&1) && fail "a MAF without a domain"
has "$out" 'mefs\[0\].identities.*is missing: whom may mef.example.com name' "a MAF without a domain"
# E7: neither a check nor a start takes another's certificate, or no seal file
e7() { # MAF|MEF SED-COMMAND TEXT
    local said check
    sed "$2" "$1.yaml" >other.yaml
    for check in --check ''; do
        said=$(timeout 10 "$bin/m2m-${1}d" --config other.yaml $check 2>&1 </dev/null)
        [ $? -eq 78 ] || fail "E7: m2m-${1}d ${check:-started}"
        lit "$said" "$3" "E7: m2m-${1}d ${check:-started}"
    done
}
for d in maf mef; do
    e7 $d "s/cert: $d.pem, key: $d.key, client/cert: cse.pem, key: cse.key, client/" "cse.pem: is the certificate of mn1.sp.example.com, not of $d.example.com"
    e7 $d "s/$d.seal/gone.seal/" "gone.seal: is not there: restore it, or, for a new store, make it: gba-bsfctl seal create-key"
done
ctl m2m-mafctl maf.yaml credential add --cse-id //sp.example.com/mn1 --km-id Km-A@maf.example.com --key-file - <<<"$KM" >/dev/null
ctl m2m-mafctl maf.yaml credential add --cse-id //sp.example.com/in --km-id Km-B@maf.example.com --key-file - <<<"$KM_B" >/dev/null
ctl m2m-mafctl maf.yaml credential add --cse-id //sp.example.com/mn7 --cert-dns device-7.example.net >/dev/null
ctl m2m-mafctl maf.yaml credential add --ae-id //sp.example.com/in/Cgba --impi user@home1.net >/dev/null
start maf m2m-mafd
MAF=$(port_of maf)
client=$build/tests/m2m_client
CONN=EXPORTER-oneM2M-Connection BOOT=EXPORTER-oneM2M-Bootstrap
far=$(date -u -d '+10 days' +%Y%m%dT%H%M%S)
macr="{\"sec:macr\":{\"et\":\"$far\",\"adfq\":\"adm.example.com\"}}"
skr="{\"sec:skr\":{\"et\":\"$far\",\"adfq\":\"adm.example.com\",\"suid\":32,\"tgis\":[\"//sp.example.com/in\"]}}"
A=//sp.example.com/mn1 B=//sp.example.com/in
maf_a() { "$client" "$MAF" maf.example.com psk Km-A@maf.example.com "$KM" $CONN $A "$@"; }
maf_b() { "$client" "$MAF" maf.example.com psk km-b@MAF.example.com "$KM_B" $CONN $B "$@"; }

# ---- our client: registration, key registration, retrieval by the target ----
out=$(maf_a POST /MAFBase 'application/json;ty=60003' "$macr")
has "$out" '^201 2001 /MAFBase/R' "client registration"
out=$(maf_a POST /MAFBase 'application/json;ty=60005' "$skr" POST /MAFBase 'application/json;ty=60005' "$skr")
has "$out" '^201 2001 /MAFBase/[0-9A-F]{32}' "key registration"
has "$out" '^409 4105 ' "the same export in one session"
hasnt "$out" '"kv"' "the key is not returned"
exported=$(sed -n '1s/.* //p' <<<"$out")
kc_id=${exported:0:32} kc=${exported:32}
has "$out" "/MAFBase/${kc_id^^}" "KcID is the export's first half"
out=$(maf_b GET "/MAFBase/${kc_id^^}" - -)
lit "$out" "\"kv\":\"$(xxd -r -p <<<"$kc" | base64 -w0)\"" "the target gets Kc"
out=$(maf_a POST /MAFBase 'application/json;ty=60005' "$skr")
hasnt "$out" "$kc_id" "a fresh Kc in a new session"
out=$("$client" "$MAF" maf.example.com psk Km-A@maf.example.com "$KM" $CONN $B GET /MAFBase - -)
has "$out" '^403 4106 ' "another originator"

# ---- OpenSSL: 00AE, and its exporter ----
ossl() { # PORT SNI ID KEY LABEL SUITE OPTION...; request on stdin
    timeout 20 openssl s_client -connect "127.0.0.1:$1" -servername "$2" -psk_identity "$3" -psk "$4" -tls1_2 -cipher "$6" \
        -keymatexport "$5" -keymatexportlen 48 -ign_eof "${@:7}" 2>&1
}
request() { # METHOD TARGET ORIGIN TYPE BODY
    local type="Content-Type: $4\r\n"
    [ "$4" != - ] || type=
    printf "%s %s HTTP/1.1\r\nHost: x\r\nX-M2M-Origin: %s\r\nX-M2M-RI: r1\r\nX-M2M-RVI: 3\r\n${type}Content-Length: %d\r\nConnection: close\r\n\r\n%s" \
        "$1" "$2" "$3" ${#5} "$5"
}
out=$(request POST /MAFBase $A 'application/json;ty=60005' "$skr" |
    ossl "$MAF" maf.example.com Km-A@maf.example.com "$KM" $CONN PSK-AES128-CBC-SHA256)
has "$out" 'Cipher is PSK-AES128-CBC-SHA256' "00AE"
has "$out" 'HTTP/1.1 201' "OpenSSL registers a key"
mat=$(sed -n 's/.*Keying material: //p' <<<"$out" | head -n 1)
[ ${#mat} -eq 96 ] || fail "OpenSSL exports nothing: $out"
has "$out" "\"rn\": *\"${mat:0:32}\"" "KcID is what OpenSSL exports"
out=$(maf_b GET "/MAFBase/${mat:0:32}" - -)
lit "$out" "\"kv\":\"$(xxd -r -p <<<"${mat:32}" | base64 -w0)\"" "Kc is what OpenSSL exports"
out=$(request GET /MAFBase $A - '' | ossl "$MAF" maf.example.com Km-A@maf.example.com "$KM" $CONN ECDHE-PSK-CHACHA20-POLY1305)
has "$out" 'HTTP/1.1 200' "an ECDHE-PSK suite"
# C023 with a CSE-ID and an AE-ID certificate
oscert() { # PORT SNI CERT OPTION...
    local sni=(-servername "$2")
    [ -n "$2" ] || sni=(-noservername)
    timeout 20 openssl s_client -connect "127.0.0.1:$1" "${sni[@]}" -CAfile m2m-ca.pem -verify_return_error -cert "$3.pem" \
        -key "$3.key" -tls1_2 -cipher ECDHE-ECDSA-AES128-SHA256 -ign_eof "${@:4}" 2>&1
}
out=$(request GET /MAFBase $A - '' | oscert "$MAF" maf.example.com cse)
has "$out" 'Cipher is ECDHE-ECDSA-AES128-SHA256' "C023"
has "$out" 'HTTP/1.1 200' "a CSE-ID certificate"
out=$(request GET /MAFBase //sp.example.com/in/Cae - '' | oscert "$MAF" maf.example.com ae)
has "$out" 'HTTP/1.1 200' "an AE-ID certificate"
out=$(request GET /MAFBase //sp.example.com/in/Cother - '' | oscert "$MAF" maf.example.com ae)
has "$out" 'X-M2M-RSC: 4106' "an AE-ID that is not the certificate's"
out=$(request GET /MAFBase //sp.example.com/mn7 - '' | oscert "$MAF" maf.example.com named)
has "$out" 'HTTP/1.1 200' "a certificate that a record names"
out=$(request GET /MAFBase $A - '' | oscert "$MAF" other.example.com cse)
has "$out" 'X-M2M-RSC: 4107' "another SNI"
has "$(tail -n 1 maf.log)" 'why=other_sni' "another SNI: audit line"
out=$(request GET /MAFBase $A - '' | oscert "$MAF" '' cse)
has "$out" 'X-M2M-RSC: 4107' "no SNI"
has "$(tail -n 1 maf.log)" 'why=no_sni' "no SNI: audit line"
out=$(request GET /MAFBase $A - '' | oscert "$MAF" maf.example.com nameless)
has "$out" 'X-M2M-RSC: 4106' "a certificate without names"
for c in expired unborn foreign revoked; do
    out=$(request GET /MAFBase $A - '' | oscert "$MAF" maf.example.com $c)
    hasnt "$out" 'HTTP/1.1' "a client certificate that is $c"
    has "$(grep maf.handshake maf.log | tail -n 1)" "form=certificate .*mn1.sp.example.com.*reason=$(case $c in foreign) echo issuer ;; unborn) echo not_yet_valid ;; *) echo "$c" ;; esac) " "$c: audit line"
done
out=$("$client" "$MAF" maf.example.com cert m2m-ca.pem - $CONN $A GET /MAFBase - -)
has "$out" '^403 4107 ' "no client certificate"
out=$("$client" "$MAF" mef.example.com cert m2m-ca.pem - $CONN $A GET /MAFBase - -)
has "$out" '^refused auth' "a server under another name"
out=$("$client" "$MAF" maf.example.com cert other-ca.pem - $CONN $A GET /MAFBase - -)
has "$out" '^refused auth' "a server of another CA"

# ---- a session that is resumed brings out no key: its export would be the first one's again ----
reg=$(request POST /MAFBase $A 'application/json;ty=60003' "$macr")
key=$(request POST /MAFBase $A 'application/json;ty=60005' "$skr")
oscert "$MAF" maf.example.com cse -sess_out cert.sess <<<"$reg" >/dev/null
out=$(oscert "$MAF" maf.example.com cse -sess_in cert.sess <<<"$key")
has "$out" 'Reused, TLSv1.2' "a certificate's session is resumed"
has "$out" 'X-M2M-RSC: 4107' "and no key is registered in it"
has "$(tail -n 1 maf.log)" 'op=key_register .*why=no_export' "its audit line"
ossl "$MAF" maf.example.com Km-B@maf.example.com "$KM_B" $CONN PSK-AES128-CBC-SHA256 -sess_out psk.sess <<<"$reg" >/dev/null
out=$(ossl "$MAF" maf.example.com Km-B@maf.example.com "$KM_B" $CONN PSK-AES128-CBC-SHA256 -sess_in psk.sess <<<"$key")
has "$out" '^New, TLSv1' "a session of a Km is never resumed"

printf 'openssl_conf = o\n[o]\nssl_conf = s\n[s]\nsystem_default = d\n[d]\nOptions = -ExtendedMasterSecret\n' >no-ems.cnf
out=$(OPENSSL_CONF=$PWD/no-ems.cnf ossl "$MAF" maf.example.com Km-A@maf.example.com "$KM" $CONN PSK-AES128-CBC-SHA256 <<<"$key")
has "$out" 'Extended master secret: no' "OpenSSL without the extended master secret"
has "$out" 'X-M2M-RSC: 4107' "no key without the extended master secret"
has "$(tail -n 1 maf.log)" 'op=key_register .*why=no_export' "its audit line"

# ---- SBF 1: MEF, then the MAF by KeID, then by the KmID it assigns ----
D=//sp.example.com/in/Cdev
mecr="{\"sec:mecr\":{\"et\":\"$far\",\"adfq\":\"adm.example.com\"}}"
ke="{\"sec:skr\":{\"et\":\"$far\",\"adfq\":\"adm.example.com\",\"suid\":21,\"tgis\":[\"maf.example.com\"]}}"
out=$("$client" "$MEF" mef.example.com psk dev1@mef.example.com "$KPM" $BOOT $D POST /MEFBase 'application/json;ty=60004' "$mecr" \
    POST /MEFBase 'application/json;ty=60005' "$ke")
has "$out" '^201 2001 /MEFBase/[0-9A-F]{32}' "enrolment by Kpm"
exported=$(sed -n '1s/.* //p' <<<"$out")
ke_id=${exported:0:32}@mef.example.com
out=$(request POST /MEFBase $D 'application/json;ty=60005' "$ke" |
    ossl "$MEF" mef.example.com dev1@mef.example.com "$KPM" $BOOT PSK-AES128-CBC-SHA256)
mat=$(sed -n 's/.*Keying material: //p' <<<"$out" | head -n 1)
has "$out" "\"rn\": *\"${mat:0:32}\"" "KeID is what OpenSSL exports"
km=$({ printf 'oneM2M Enrolment Key to Usage-Constrained Symmetric Key derivation21maf.example.com'; } |
    openssl dgst -sha256 -mac HMAC -macopt "hexkey:${exported:32}" | sed 's/.* //')
out=$("$client" "$MAF" maf.example.com psk "$ke_id" "$km" $CONN $D POST /MAFBase 'application/json;ty=60003' "$macr")
has "$out" '"aski":"Km-[0-9A-F]{24}@maf.example.com"' "KeID at the MAF gives a KmID"
km_id=$(sed -n 's/.*"aski":"\([^"]*\)".*/\1/p' <<<"$out")
out=$("$client" "$MAF" maf.example.com psk "$km_id" "$km" $CONN $D POST /MAFBase 'application/json;ty=60005' "$skr")
has "$out" '^201 2001 /MAFBase/[0-9A-F]{32}' "the assigned KmID"
# ---- SBF 2: the same by certificate ----
out=$("$client" "$MEF" mef.example.com cert m2m-ca.pem ae.pem ae.key $BOOT //sp.example.com/in/Cae POST /MEFBase \
    'application/json;ty=60004' "$mecr" POST /MEFBase 'application/json;ty=60005' "$ke")
has "$out" '^201 2001 /MEFBase/[0-9A-F]{32}' "enrolment by certificate"
exported=$(sed -n '1s/.* //p' <<<"$out")
km2=$({ printf 'oneM2M Enrolment Key to Usage-Constrained Symmetric Key derivation21maf.example.com'; } |
    openssl dgst -sha256 -mac HMAC -macopt "hexkey:${exported:32}" | sed 's/.* //')
out=$("$client" "$MAF" maf.example.com psk "${exported:0:32}@mef.example.com" "$km2" $CONN //sp.example.com/in/Cae POST /MAFBase \
    'application/json;ty=60003' "$macr")
has "$out" '"aski"' "KeID of a certificate enrolment"

# ---- SBF 3: the MAF is a NAF, KmID is the B-TID, with and without its prefix ----
btid=ussMAF1@bsf.example.com
naf_key=$("$build/tests/fake_bsf" password "$btid" maf.example.com 01000100AE | base64 -d | xxd -p -c 64)
for id in "3GPP-bootstrapping;$btid" "$btid"; do
    out=$(request GET /MAFBase //sp.example.com/in/Cgba - '' | ossl "$MAF" maf.example.com "$id" "$naf_key" $CONN PSK-AES128-CBC-SHA256)
    has "$out" 'HTTP/1.1 200' "a B-TID at the MAF"
done
has "$(tail -n 1 maf.log)" "credential=12-$btid" "Credential-ID of a B-TID"
out=$(request GET /MAFBase $A - '' | ossl "$MAF" maf.example.com "$btid" "$naf_key" $CONN PSK-AES128-CBC-SHA256)
has "$out" 'X-M2M-RSC: 4106' "a GBA user as another"

# ---- zn.services of both: the USS asked for says who the subscriber is; of another service it is not told ----
for s in maf mef; do
    for gsid in 1000009 1000007; do
        { sed "s/sqlite:$s.db/sqlite:$s-gsid.db/" $s.yaml | grep -v '^zn:\|^bsfs:\|domain: '
            printf 'bsfs:\n  - {domain: bsf.example.com, url: "https://localhost:%d"}\n' "$BSF"
            printf 'zn: {ca: m2m-ca.pem, cert: %s.pem, key: %s.key, services: [1000008, %d]}\n' $s $s $gsid; } >$s-$gsid.yaml
        start $s-$gsid m2m-${s}d
        at=$(port_of $s $s-$gsid)
        naf_key=$("$build/tests/fake_bsf" password asked1@bsf.example.com $s.example.com 01000100AE | base64 -d | xxd -p -c 64)
        out=$(request GET /${s^^}Base //sp.example.com/in/Casked - '' |
            ossl "$at" $s.example.com asked1@bsf.example.com "$naf_key" $CONN PSK-AES128-CBC-SHA256)
        case $gsid in
        1000007) has "$out" 'HTTP/1.1 200' "$s: its BSF is asked for the service, and the UID is the client" ;;
        *) hasnt "$out" 'HTTP/1.1' "$s: nobody without the service's settings"
            has "$(grep "$s.handshake" $s-$gsid.log)" 'form=b_tid .*reason=unknown' "$s: its audit line" ;;
        esac
        kill "${pids[-1]}" && wait "${pids[-1]}"
        unset 'pids[-1]'
    done
done

# ---- refused in the handshake, each with its audit line ----
refused() { # WHAT REASON SNI ID KEY
    local out
    out=$("$client" "$MAF" "$3" psk "$4" "$5" $CONN $A GET /MAFBase - -)
    has "$out" '^refused (auth|io)' "$1"
    has "$(grep maf.handshake maf.log | tail -n 1)" "$2" "$1: audit line"
}
refused "an unknown KmID" 'form=km_id .*reason=unknown' maf.example.com nobody@maf.example.com "$KM"
refused "a KeID of another MEF" 'reason=forbidden' maf.example.com "${ke_id%@*}@mef2.example.com" "$km"
refused "an unknown KeID" 'form=ke_id .*reason=unknown' maf.example.com "00000000000000000000000000000000@mef.example.com" "$km"
refused "a B-TID that its BSF does not know" 'form=b_tid .*reason=unknown' maf.example.com "unknown1@bsf.example.com" "$km"
refused "a B-TID that its BSF withholds" 'form=b_tid .*reason=forbidden' maf.example.com "forbidden1@bsf.example.com" "$km"
refused "a B-TID of no BSF" 'reason=forbidden' maf.example.com "3GPP-bootstrapping;YWJj@bsf2.example.com" "$km"
refused "another name" 'reason=sni' other.example.com Km-A@maf.example.com "$KM"
refused "no domain" 'reason=syntax' maf.example.com nothing "$KM"
out=$("$client" "$MAF" maf.example.com psk Km-A@maf.example.com "$KM_B" $CONN $A GET /MAFBase - -)
has "$out" '^refused' "a wrong key"
for _ in $(seq 50); do grep -q key_not_proved maf.log && break || sleep 0.1; done
has "$(grep key_not_proved maf.log)" 'form=km_id .*identity=Km-A@maf.example.com' "a wrong key: audit line"
# ---- SBF 1 and SAEF 3 with a raw public key (RFC 7250) ----
openssl ecparam -name prime256v1 -genkey -noout -out raw.key
raw=$(openssl ec -in raw.key -pubout -outform DER 2>/dev/null | sha256sum | cut -d' ' -f1)
own=$(openssl ec -in maf.key -pubout -outform DER 2>/dev/null | sha256sum | cut -d' ' -f1)
rawly() { "$client" "$MAF" maf.example.com raw "$1" raw.key $CONN //sp.example.com/mn9 GET /MAFBase - -; }
has "$(rawly m2m-ca.pem)" '^refused' "a raw key that nobody named"
has "$(grep maf.handshake maf.log | tail -n 1)" "identity=$raw reason=unknown_key" "its audit line"
ctl m2m-mafctl maf.yaml credential add --cse-id //sp.example.com/mn9 --cert-key "$raw" >/dev/null
has "$(rawly m2m-ca.pem)" '^200 2000 ' "a raw key with a record"
has "$(rawly "$own")" '^200 2000 ' "raw keys on both sides"
has "$(rawly "$raw")" '^refused auth .*raw public key' "a server with another raw key"
has "$(tail -n 1 maf.log)" 'credential=30-' "Credential-ID of a raw key"
# a removed credential ends at once, also where the certificate's names could speak for themselves
ctl m2m-mafctl maf.yaml credential add --cse-id $A --cert-dns mn1.sp.example.com --enrol //sp.example.com/in,33 >/dev/null
out=$(request POST /MAFBase $A 'application/json;ty=60005' "$skr" | oscert "$MAF" maf.example.com cse)
has "$out" 'X-M2M-RSC: 4103' "a certificate's limits"
ctl m2m-mafctl maf.yaml credential remove --cert-dns mn1.sp.example.com >/dev/null
out=$(request POST /MAFBase $A 'application/json;ty=60005' "$skr" | oscert "$MAF" maf.example.com cse)
has "$out" 'X-M2M-RSC: 4106' "a removed certificate"
has "$(tail -n 1 maf.log)" 'why=credential_removed' "a removed certificate: audit line"
has "$(ctl m2m-mafctl maf.yaml credential list)" 'dns:mn1.sp.example.com +removed' "a removed certificate is listed"
ctl m2m-mefctl mef.yaml credential remove --cert-uri //sp.example.com/in/Cae >/dev/null
out=$(request GET /MEFBase //sp.example.com/in/Cae - '' | oscert "$MEF" mef.example.com ae)
has "$out" 'X-M2M-RSC: 4106' "a removed certificate at the MEF"
ctl m2m-mafctl maf.yaml credential remove --km-id Km-A@maf.example.com >/dev/null
refused "a removed KmID" 'reason=unknown' maf.example.com Km-A@maf.example.com "$KM"
# ---- the MEF is dead: a clear failure within the deadline, and the others are served ----
kill -STOP "${pids[0]}" # the MEF
t0=$(date +%s%N)
"$client" "$MAF" maf.example.com psk "$ke_id" "$km" $CONN $D GET /MAFBase - - >dead.out &
dead=$!
out=$(maf_b GET /MAFBase - -)
has "$out" '^200 2000 ' "another client meanwhile"
t1=$(date +%s%N)
wait $dead
t2=$(date +%s%N)
kill -CONT "${pids[0]}"
has "$(cat dead.out)" '^refused' "a MEF that hangs"
[ $(((t1 - t0) / 1000000)) -lt $(((t2 - t0) / 1000000)) ] || fail "the other client had to wait"
[ $(((t2 - t0) / 1000000)) -lt 8000 ] || fail "the deadline was not kept"
has "$(cat maf.log)" 'maf.mef_unreachable' "the MEF's alarm"
has "$(cat maf.log)" 'audit maf.request .*op=key_register .*rsc=2001' "audit line of a registration"
hasnt "$(cat maf.log mef.log)" "$KM|$KM_B|$KPM|$kc|$km" "no key in the log"
for k in "$KM" "$KM_B" "$KPM" "$kc"; do
    ! cat maf.db* mef.db* | xxd -p | tr -d '\n' | grep -q "$k" || fail "a key stands open in a store"
done
# ---- both stop on SIGTERM ----
exec 7>&-
for p in "${pids[0]}" "${pids[2]}"; do
    kill "$p"
    wait "$p" || fail "exit code $? after SIGTERM"
done
printf 'maf_mef: %d checks passed\n' $checks
