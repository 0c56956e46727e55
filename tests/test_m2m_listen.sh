#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154
# test_m2m_listen.sh - SA2: `m2m connect --listen` behind m2m-gate's egress by Kpsa, certificate and raw public key, and
# OpenSSL as a foreign registrar: notifications, verifications, and whom a device does not let in.
set -u
bin=${top_builddir:-.}
gate=$bin/onem2m-binding/m2m-gate ctl=$bin/onem2m-binding/m2m-gatectl cse=$bin/examples/cse_small m2m=$bin/onem2m-binding/m2m
command -v openssl >/dev/null && command -v curl >/dev/null || exit 77
dir=$(mktemp -d) pids=''
trap 'for p in $pids; do kill $p 2>/dev/null; done; wait 2>/dev/null; rm -rf "$dir"' EXIT
. "${top_srcdir:-.}/tests/m2m_kit.sh"
unset M2M_STATE M2M_KEY_FILE M2M_CA GBA_USIM GBA_BSF GBA_BSF_DOMAIN
export HOME="$dir" XDG_STATE_HOME=

root ca; root otherca
cert server ca DNS:cse1.sp.example.com 2
cert ae ca URI://sp.example.com/cse1/Ccert 2
cert other ca DNS:cse2.sp.example.com 2
cert foreign otherca DNS:cse1.sp.example.com 2
key raw
openssl ec -in "$dir/raw.key" -pubout -out "$dir/raw.pub" 2>/dev/null
kpsa=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
echo $kpsa >"$dir/kpsa"

"$cse" --port 0 --cse-id //sp.example.com/cse1 >"$dir/cse.log" 2>&1 & pids="$pids $!"
until_line listening "$dir/cse.log" || { echo "the CSE does not start"; cat "$dir/cse.log"; exit 1; }
cat >"$dir/gate.yaml" <<END
listen: 127.0.0.1:0
egress: 127.0.0.1:0
cse_id: //sp.example.com/cse1
cert: server.pem
key: server.key
ca: ca.pem
upstream: http://127.0.0.1:$(port_of listening "$dir/cse.log")
store: {url: "sqlite:gate.db"}
seal: {key_file: seal.key}
admin: {listen: "127.0.0.1:0"}
END
"$ctl" --config "$dir/gate.yaml" seal create-key >/dev/null
"$gate" --config "$dir/gate.yaml" >"$dir/gate.out" 2>"$dir/gate.log" & gatepid=$!; pids="$pids $gatepid"
until_line egress.listening "$dir/gate.log" || { echo "the gate does not start"; cat "$dir/gate.log"; exit 1; }
port=$(port_of gate.listening "$dir/gate.log") egress=$(port_of egress.listening "$dir/gate.log")
"$ctl" --config "$dir/gate.yaml" credential add --kpsa-id dev@sp.example.com --key-file "$dir/kpsa" --ae-id //sp.example.com/cse1/Cdev >/dev/null
"$ctl" --config "$dir/gate.yaml" credential add --public-key "$dir/raw.pub" --ae-id //sp.example.com/cse1/Craw >/dev/null

connect() { a=$1; shift; "$m2m" connect "https://127.0.0.1:$port" --sni cse1.sp.example.com --ae-id "//sp.example.com/cse1/$a" "$@" --timeout 10; }
listen() { # AE OUT COUNT CREDENTIALS: in the background; its port in $reach
    a=$1 out=$2 c=$3; shift 3
    timeout 90 "$m2m" connect "https://127.0.0.1:$port" --sni cse1.sp.example.com --ae-id "//sp.example.com/cse1/$a" "$@" --json --listen 127.0.0.1:0 --count "$c" >"$out" 2>"$out.err" & ear=$!; pids="$pids $ear"
    until_line 'listening on port' "$out.err" || cat "$out.err"
    reach=$(sed -n 's/.*listening on port \([0-9]*\).*/\1/p' "$out.err" | head -1)
}
tell() { # TARGET METHOD BODY [FIELD]: the CSE's own request, through the egress
    curl -s -i --max-time 20 -X "$2" -H 'X-M2M-Origin: /cse1' -H 'X-M2M-RI: n1' -H 'X-M2M-RVI: 3' -H "${4:-Content-Type: application/json}" \
        ${3:+-d "$3"} "http://127.0.0.1:$egress/_/sp.example.com/cse1/$1" >"$dir/answer" 2>&1
}
sub() { printf '{"m2m:sub":{"rn":"sub%s","nu":["http://127.0.0.1:%s/_/sp.example.com/cse1/%s/told"]}}' "$1" "$egress" "$1"; }

# ---- each credential of SA1 serves SA2 ----
connect Cdev --framework psk --psk-id dev@sp.example.com --psk-file "$dir/kpsa" container --name data >"$dir/answer" 2>&1
for a in Cdev,psk,KpsaID Ccert,cert,certificate Craw,cert,certificate; do
    ae=${a%%,*}; by=${a##*,}
    case $ae in
    Cdev) set -- --framework psk --psk-id dev@sp.example.com --psk-file "$dir/kpsa" ;;
    Ccert) set -- --framework cert --cert "$dir/ae.pem" --key "$dir/ae.key" --ca "$dir/ca.pem" ;;
    *) set -- --framework cert --key "$dir/raw.key" --ca "$dir/ca.pem" ;;
    esac
    listen $ae "$dir/$ae.out" 4 "$@" # the subscription itself is the first new child
    check "$ae listens" grep -q "for Entity B cse1.sp.example.com by $by" "$dir/$ae.out.err"
    connect $ae "$@" ae --name "n$ae" --poa "https://127.0.0.1:$reach" >"$dir/answer" 2>&1
    check "$ae registers with its point of access" has "\"aei\": *\"$ae\""
    connect $ae "$@" create /cse1/data --type 23 --data "$(sub $ae)" >"$dir/answer" 2>&1
    check "$ae subscribes" has m2m:sub
    connect $ae "$@" instance /cse1/data --content "21.5 $ae" >"$dir/answer" 2>&1
    check "$ae makes a content instance" has m2m:cin
    until_line "21.5 $ae" "$dir/$ae.out"
    cp "$dir/$ae.out" "$dir/answer"
    check "$ae: the notification arrives" has "\"operation\":\"notify\",\"to\":\"/told\".*m2m:sgn.*21.5 $ae"
    check "$ae: at the gate it is SA2" logged gate.sent "peer=//sp.example.com/cse1/$ae.*rsc=2000"
    tell $ae POST '{"m2m:sgn":{"vrq":true,"sur":"/cse1/data/sub"}}'
    check "$ae: a verification is answered 2000" has 'X-M2M-RSC: 2000'
    check "$ae: with its request identifier" has 'X-M2M-RI: n1'
    tell $ae GET ''
    check "$ae: nothing can be retrieved there: 4005" has 'X-M2M-RSC: 4005'
    tell $ae POST '{"m2m:sgn":'
    check "$ae: malformed JSON: 4000" has 'X-M2M-RSC: 4000'
    tell $ae POST '<x/>' 'Content-Type: application/xml'
    check "$ae: XML: 4015" has 'X-M2M-RSC: 4015'
    tell $ae POST '{"m2m:rqp":{"op":4}}' 'Content-Type: application/vnd.onem2m-preq+json'
    check "$ae: a primitive within a primitive: 4015" has 'X-M2M-RSC: 4015'
    tell $ae POST '{"m2m:sgn":{"sud":true}}'
    check "$ae: a notification of its end" has 'X-M2M-RSC: 2000'
    wait $ear
    check "$ae ends after the fourth" [ $? -eq 0 ]
    cp "$dir/$ae.out" "$dir/answer"
    check "$ae: the verification is shown as one" has '"verification":true'
    check "$ae: four in all" [ "$(grep -c '"operation":"notify"' "$dir/$ae.out")" -eq 4 ]
    tell $ae POST '{"m2m:sgn":{}}'
    check "$ae is gone: 5103" has 'X-M2M-RSC: 5103'
    connect $ae "$@" delete "/cse1/data/sub$ae" >/dev/null 2>&1
done

# ---- a foreign registrar ----
ri=o1
say() { # FIELDS, then s_client's arguments
    f=$1; shift
    printf 'POST /told HTTP/1.1\r\nHost: x\r\nX-M2M-Origin: /cse1\r\nX-M2M-RI: '$ri'\r\nX-M2M-RVI: 3\r\nContent-Type: application/json\r\n%bConnection: close\r\n\r\n{"m2m:sgn":{}}' "$f" |
        timeout 20 openssl s_client -connect "127.0.0.1:$reach" -servername "${sni-cdev.cse1.sp.example.com}" -tls1_2 -ign_eof "$@" >"$dir/answer" 2>&1
}
len='Content-Length: 14\r\n'
listen Cdev "$dir/psk.out" 2 --framework psk --psk-id dev@sp.example.com --psk-file "$dir/kpsa"
sleep 20 | openssl s_client -connect "127.0.0.1:$reach" -tls1_2 >/dev/null 2>&1 & pids="$pids $!" # one that says nothing more
for c in PSK-AES128-CBC-SHA256 ECDHE-PSK-AES128-CBC-SHA256; do
    [ $c = PSK-AES128-CBC-SHA256 ] || { say "$len" -psk_identity dev@sp.example.com -psk ${kpsa%1f}20 -cipher $c
        check "OpenSSL with a wrong key: no handshake" hasnt 'X-M2M-RSC'
        say "$len" -psk_identity other@sp.example.com -psk $kpsa -cipher $c
        check "OpenSSL with another identity: no handshake" hasnt 'X-M2M-RSC'
        say "Content-Length: 14\r\nContent-Length: 3\r\n" -psk_identity dev@sp.example.com -psk $kpsa -cipher $c
        check "two lengths: 400" has 'HTTP/1.1 400'
        say "Content-Length: 99999999\r\n" -psk_identity dev@sp.example.com -psk $kpsa -cipher $c
        check "a body too long: 413" has 'HTTP/1.1 413'
        ri='\377'; say "$len" -psk_identity dev@sp.example.com -psk $kpsa -cipher $c; ri=o1
        check "what cannot be printed as JSON is not taken" has 'X-M2M-RSC: 4000'
        say "$len" -cert "$dir/server.pem" -key "$dir/server.key"
        check "a certificate where the association has a key: no handshake" hasnt 'X-M2M-RSC'; }
    sni=cse1.sp.example.com; say "$len" -psk_identity dev@sp.example.com -psk $kpsa -cipher $c; unset sni
    check "the handshake with the registrar, sent back" hasnt 'X-M2M-RSC'
    say "$len" -psk_identity dev@sp.example.com -psk $kpsa -cipher $c
    check "OpenSSL as registrar, $c" has 'X-M2M-RSC: 2000'
done
wait $ear
check "both were printed" [ "$(grep -c '"from":"/cse1"' "$dir/psk.out")" -eq 2 ]
cp "$dir/psk.out.err" "$dir/answer"
check "who was refused is told" has 'refused 127.0.0.1: no key for other@sp.example.com'
check "and who asked for the registrar" has 'refused 127.0.0.1: the client asks for another server: cse1.sp.example.com'
listen Ccert "$dir/cert.out" 1 --framework cert --cert "$dir/ae.pem" --key "$dir/ae.key" --ca "$dir/ca.pem"
for c in other foreign; do
    say "$len" -cert "$dir/$c.pem" -key "$dir/$c.key" -cipher ECDHE-ECDSA-AES128-SHA256
    check "a certificate of $c: no handshake" hasnt 'X-M2M-RSC'
done
say "$len" -cipher ECDHE-ECDSA-AES128-SHA256
check "no certificate: no handshake" hasnt 'X-M2M-RSC'
say "$len" -cert "$dir/server.pem" -key "$dir/server.key" -CAfile "$dir/ca.pem" -cipher ECDHE-ECDSA-AES128-SHA256
check "OpenSSL as registrar, C023" has 'X-M2M-RSC: 2000'
wait $ear
cp "$dir/cert.out.err" "$dir/answer"
check "the other name is told" has "refused 127.0.0.1: the client's certificate is not for cse1.sp.example.com"

# ---- ends ----
listen Cdev "$dir/term.out" 9 --framework psk --psk-id dev@sp.example.com --psk-file "$dir/kpsa"
kill -TERM $ear; wait $ear
check "SIGTERM ends it well" [ $? -eq 0 ]
connect Cdev --framework psk --psk-id dev@sp.example.com --psk-file "$dir/kpsa" --listen nowhere >"$dir/answer" 2>&1
check "a wrong place is told" has '\--listen: nowhere is not'
echo "$n checks, $bad failed"
[ $bad -eq 0 ]
