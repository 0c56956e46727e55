#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# test_m2m_cses.sh - m2m-gate before CSEs that behave as tinyIoT, Mobius4 and ACME do (tests/fake_cse.c): AE-IDs that they
# assign, what they send, what passes to them.
set -u
export LC_ALL=C.UTF-8 # for the AE-ID that is no ASCII
command -v openssl >/dev/null && command -v curl >/dev/null || exit 77
bin=${top_builddir:-.}
gate=$bin/onem2m-binding/m2m-gate ctl=$bin/onem2m-binding/m2m-gatectl
dir=$(mktemp -d) pids='' csepid='' gatepid=''
trap 'for p in $pids $csepid $gatepid; do kill $p 2>/dev/null; done; wait 2>/dev/null; rm -rf "$dir"' EXIT
. "${top_srcdir:-.}/tests/m2m_kit.sh"
kpsa=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
printf '%s\n' $kpsa >"$dir/kpsa"
root ca
cse=tinyiot name=tinyiot.sp.example.com

# before KIND OPTION...: a CSE of that kind, and the gate with a new store before it
before() {
    for p in $gatepid $csepid; do kill "$p" 2>/dev/null; wait "$p" 2>/dev/null; done
    case $1 in
    tinyiot) cse=tinyiot ;;
    mobius4) cse=Mobius4 ;;
    acme) cse="id-in" ;;
    esac
    name=$cse.sp.example.com
    "$bin/tests/fake_cse" --like "$@" >"$dir/cse.log" 2>&1 & csepid=$!
    until_line listening "$dir/cse.log" || { echo "the CSE does not start"; exit 1; }
    [ -f "$dir/$cse.pem" ] || cert "$cse" ca "DNS:$name" 2
    rm -f "$dir"/gate.db*
    cat >"$dir/gate.yaml" <<YAML
listen: 127.0.0.1:0
egress: 127.0.0.1:0
cse_id: //sp.example.com/$cse
public_name: $name
cert: $cse.pem
key: $cse.key
ca: ca.pem
upstream: http://127.0.0.1:$(port_of listening "$dir/cse.log")
store: {url: "sqlite:gate.db"}
seal: {key_file: seal.key}
admin: {listen: "127.0.0.1:0"}
${more-}
YAML
    [ -f "$dir/seal.key" ] || "$ctl" --config "$dir/gate.yaml" seal create-key >/dev/null
    start_gate
}
start_gate() {
    "$gate" --config "$dir/gate.yaml" >"$dir/gate.out" 2>"$dir/gate.log" & gatepid=$!
    until_line egress.listening "$dir/gate.log" || { echo "the gate does not start"; cat "$dir/gate.log"; exit 1; }
    port=$(port_of gate.listening "$dir/gate.log") egress=$(port_of egress.listening "$dir/gate.log")
}
add() { "$ctl" --config "$dir/gate.yaml" credential add --kpsa-id "$1@sp.example.com" --key-file "$dir/kpsa" ${2:+--ae-id "$2"} >"$dir/answer" 2>&1; }
# ask WHO FROM METHOD TARGET [TYPE BODY]: "STATUS RSC LOCATION BODY" in answer
ask() {
    timeout 20 "$bin/tests/m2m_client" "$port" "$name" psk "$1@sp.example.com" $kpsa EXPORTER-oneM2M-Connection "$2" "$3" "$4" "${5--}" "${6--}" 2>&1 |
        sed 1d >"$dir/answer"
}
json='application/json;ty=' ae='{"m2m:ae":{"api":"Nexample","rr":true,"srv":["3"]}}'
aei() { sed -n 's/.*"aei": *"\([^"]*\)".*/\1/p' "$dir/answer"; }
created() { grep -c "^got POST .*rsc=2001" "$dir/cse.log"; }

# ---- E5: an AE-ID with a comma ----
before tinyiot
add new1
ask new1 C POST /TinyIoT ${json}2 "$ae"
check "tinyIoT: an AE registers" has '^201 2001 '
id=$(aei)
check "its AE-ID has a comma" eval 'case $id in CAE*,*) true ;; *) false ;; esac'
check "it is learned as it is" logged gate.learned "12-new1@sp.example.com.*//sp.example.com/tinyiot/$id"
ask new1 "$id" GET /TinyIoT
check "and is this credential's From, octet for octet" has '^200 2000 '
check "with which the CSE is asked" grep -q "^got GET /TinyIoT from=$id " "$dir/cse.log"
ask new1 "${id}x" GET /TinyIoT
check "and no other" has '^403 4106 '
ask new1 "/tinyiot/$id" GET /TinyIoT
check "nor another form" has '^400 4000 '
had=$(created)
ask new1 C POST /TinyIoT ${json}2 "$ae"
check "one credential does not register AE after AE" test "$(created)" = "$had"
add new2
ask new2 "$id" GET /TinyIoT
check "another credential has it not" has '^403 4106 '
ask new2 C POST /TinyIoT ${json}2 "$ae"
check "and gets its own" eval 'has "^201 2001 " && test "$(aei)" != "$id"'
kill $gatepid; wait $gatepid 2>/dev/null; start_gate
ask new1 "$id" GET /TinyIoT
check "after a restart of the gate it is bound still" has '^200 2000 '
ask new1 "$id" DELETE "/TinyIoT/$id"
check "it deletes its AE" has '^200 2002 '
"$ctl" --config "$dir/gate.yaml" credential list >"$dir/answer"
check "the list shows it" has "//sp.example.com/tinyiot/$id"
check "it can be given by hand, too" add by-hand "$id"
ask by-hand "$id" GET /TinyIoT
check "and is then that credential's" has '^200 2000 '

# ---- E5: what cannot be a From ----
for odd in 'Cwith blank' 'C/slash' "C$(printf '\303\244')" C; do
    before mobius4 --assign "$odd"
    add new1
    ask new1 C POST /Mobius ${json}2 "$ae"
    check "an AE-ID '$odd' is refused: 5207" has '^406 5207 '
    check "said plainly" logged gate.learning_failed 'credential=12-new1@sp.example.com.*why=ae_id_unusable'
    check "as a refusal" logged gate.refused 'rsc=5207.*why=ae_id_unusable'
    check "the registration is undone" logged gate.registration_undone 'rsc=2002'
    check "at the CSE" grep -q '^got DELETE .*rsc=2002' "$dir/cse.log"
done

# ---- A5: an AE-ID that another has ----
before mobius4 --assign Cdev1
add dev1 Cdev1
ask dev1 C POST /Mobius ${json}2 '{"m2m:ae":{"rn":"dev1","api":"Nexample","rr":true,"srv":["3"]}}'
check "an AE of a provisioned AE-ID registers" has '^201 2001 '
add new1
ask new1 C POST /Mobius ${json}2 "$ae"
check "a CSE that echoes an AE-ID: 5207" has '^406 5207 '
check "why" logged gate.learning_failed 'credential=12-new1@sp.example.com.*why=ae_id_taken'
check "the other's AE stays" no_line '^got DELETE' "$dir/cse.log"
ask new1 Cdev1 GET /Mobius
check "the other's From it has not" has '^403 4106 '
add dev1b Cdev1
ask dev1b Cdev1 GET /Mobius
check "a second credential that was given that AE-ID has it" has '^200 2000 '

# ---- A5: two registrations of one credential at once ----
before mobius4 --slow 700
add new1
for i in 1 2 3; do
    timeout 20 "$bin/tests/m2m_client" "$port" "$name" psk new1@sp.example.com $kpsa EXPORTER-oneM2M-Connection C POST /Mobius ${json}2 "$ae" \
        >"$dir/at$i" 2>&1 & waiting="${waiting-} $!"
done
wait $waiting
check "of three registrations at once one makes an AE" test "$(created)" = 1
check "one is told so" test "$(cat "$dir"/at? | grep -c '^201 2001')" = 1
check "it is learned once" test "$(grep -c gate.learned "$dir/gate.log")" = 1

# ---- E8: what is not oneM2M ----
before mobius4
add dev1 Cdev1
ask dev1 Cdev1 GET /Mobius
check "Mobius4 answers" has '^200 2000 '
ask dev1 Cdev1 GET /health
check "what its HTTP server says beside oneM2M does not pass: 4004" has '^404 4004 - -$'
check "why" logged gate.refused 'to=health.*rsc=4004.*why=not_onem2m'
{ printf 'GET /Mobius HTTP/1.1\r\nHost: x\r\nX-M2M-Origin: Cdev1\r\nX-M2M-RVI: 3\r\nConnection: close\r\n\r\n'; } |
    timeout 20 openssl s_client -connect "127.0.0.1:$port" -servername "$name" -tls1_2 -ign_eof -psk_identity dev1@sp.example.com -psk $kpsa \
        -cipher PSK-AES128-CBC-SHA256 >"$dir/answer" 2>&1
check "a request without X-M2M-RI is none: 4000" has 'X-M2M-RSC: 4000'
ask dev1 Cdev1 GET /nowhere
check "an answer of the CSE passes, a refusal too" has '^404 4004 '
before acme
add dev1 Cdev1
ask dev1 Cdev1 GET /webui/index.html
check "ACME's web pages do not pass" has '^404 4004 - -$'
more='onem2m_only: false' before mobius4
add dev1 Cdev1
ask dev1 Cdev1 GET /health
check "onem2m_only: false lets them pass" has '^200 - - {"status":"ok"}'

# ---- E8: refusals say what they are ----
more='limits: {body: 1k}' before mobius4
add dev1 Cdev1
ask dev1 Cdev1 POST /Mobius ${json}4 "{\"m2m:cin\":{\"con\":\"$(printf '%02000d' 0)\"}}"
check "413 has a response status code" has '^413 4000 '
curl -s -i --max-time 10 -X POST -H 'X-M2M-RI: n1' -H 'Content-Type: application/json' -d '{}' "http://127.0.0.1:$egress/_/sp.example.com/$cse/Cnobody?x=1" >"$dir/answer"
check "to nobody: 5103" has 'X-M2M-RSC: 5103'
check "whom, and what it asked" logged gate.not_sent "peer=none .*target=\"*/_/sp.example.com/$cse/Cnobody?x=1\"*.*why=no_point_of_access"

echo "$n checks, $bad failed"
[ $bad -eq 0 ]
