#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154
# test_m2m_case.sh - a CSE-ID with a capital, //sp.example.com/Mobius4: as a gate's own with a MAF, as a registree's, and in
# `m2m`; where the CA folded its name, the command that the refusal names makes it good.
set -u
bin=${top_builddir:-.}/onem2m-binding
gate=$bin/m2m-gate ctl=$bin/m2m-gatectl cse=${top_builddir:-.}/examples/cse_small m2m=$bin/m2m
dir=$(mktemp -d) pids=''
trap 'for p in $pids; do kill $p 2>/dev/null; done; wait 2>/dev/null; rm -rf "$dir"' EXIT
. "${top_srcdir:-.}/tests/m2m_kit.sh"
unset M2M_STATE M2M_KEY_FILE M2M_CA
export HOME="$dir" XDG_STATE_HOME=

sp=//sp.example.com
root ca
cert maf ca DNS:maf.example.com 2
cert spelled ca DNS:Mobius4.SP.example.com 2
cert folded ca DNS:mobius4.sp.example.com 2
cert cse1 ca DNS:cse1.sp.example.com 2
cert ae ca URI:$sp/Mobius4/Cae 2
key=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
echo $key >"$dir/km"; printf 'k1 %s\n' $key >"$dir/maf.seal"; echo $key >"$dir/own.seal"; chmod 600 "$dir/maf.seal" "$dir/own.seal"
cat >"$dir/maf.yaml" <<END
maf: {fqdn: maf.example.com, listen: "127.0.0.1:0", cert: maf.pem, key: maf.key, client_ca: ca.pem}
store: {url: "sqlite:maf.db"}
seal: {key_file: maf.seal}
admin: {listen: "127.0.0.1:0"}
END
"$bin/m2m-mafctl" --config "$dir/maf.yaml" credential add --ae-id $sp/Mobius4/Cae --km-id ae@maf.example.com --key-file "$dir/km" >/dev/null
"$bin/m2m-mafd" --config "$dir/maf.yaml" 2>"$dir/maf.log" & pids="$pids $!"
until_line 'listening.*on=maf' "$dir/maf.log" || { echo "the MAF does not start"; cat "$dir/maf.log"; exit 1; }
maf=$(port_of 'listening.*on=maf' "$dir/maf.log")
start_gate() { # CSE-ID CERTIFICATE: a new gate and CSE of that ID
    "$cse" --port 0 --cse-id "$sp/$1" >"$dir/cse.log" 2>&1 & pids="$pids $!"
    until_line listening "$dir/cse.log"
    rm -f "$dir"/gate.*
    cat >"$dir/gate.yaml" <<END
listen: 127.0.0.1:0
cse_id: $sp/$1
cert: $2.pem
key: $2.key
ca: ca.pem
upstream: http://127.0.0.1:$(port_of listening "$dir/cse.log")
maf: [{fqdn: maf.example.com, url: "https://127.0.0.1:$maf"}]
store: {url: "sqlite:gate.db"}
seal: {key_file: gate.seal}
keys: {unknown_ttl: 1}
admin: {listen: "127.0.0.1:0"}
END
    "$ctl" --config "$dir/gate.yaml" seal create-key >/dev/null
    "$gate" --config "$dir/gate.yaml" 2>"$dir/gate.log" & gatepid=$!; pids="$pids $!"
    until_line gate.listening "$dir/gate.log" || { echo "the gate does not start"; cat "$dir/gate.log"; exit 1; }
    port=$(port_of gate.listening "$dir/gate.log")
}
connect() { "$m2m" connect "https://127.0.0.1:$port" --sni mobius4.sp.example.com --ae-id $sp/Mobius4/Cae --json --timeout 10 "$@" >"$dir/answer" 2>&1; }
by_maf() { connect --framework maf --maf "https://127.0.0.1:$maf" --maf-fqdn maf.example.com --psk-id ae@maf.example.com --psk-file "$dir/km" --key-file "$dir/own.seal"; }
hinted() { sed -n "s/.*hint=\"*if it is that CSE: $1\([^\"]*\).*/\1/p" "$2" | tail -1; }

# ---- the gate's own, as a MAF sees it; m2m asks by the --ae-id's spelling ----
start_gate Mobius4 spelled
connect --framework cert --cert "$dir/ae.pem" --key "$dir/ae.key" --ca "$dir/ca.pem"
check "m2m asks for /~/Mobius4" has '"to":"/Mobius4".*"rsc":2000'
by_maf
check "SAEF 3: the CA's spelling is the CSE-ID's" has '"rsc":2000'
kill $gatepid; wait $gatepid 2>/dev/null
start_gate Mobius4 folded
by_maf
check "SAEF 3: a folded name is not" hasnt '"rsc":2000'
cp "$dir/maf.log" "$dir/answer"
check "the MAF names the command" has 'other_originator.*hint=.*m2m-mafctl credential add --cert-dns mobius4.sp.example.com --cse-id //sp.example.com/Mobius4'
# shellcheck disable=SC2046 # words of a command
"$bin/m2m-mafctl" --config "$dir/maf.yaml" $(hinted m2m-mafctl "$dir/maf.log") >"$dir/answer" 2>&1
check "which works" has 'added dns:mobius4.sp.example.com for //sp.example.com/Mobius4'
sleep 1.1 # what the gate remembers of the refusal
by_maf
check "SAEF 3: by what the MAF was told" has '"rsc":2000'
kill $gatepid; wait $gatepid 2>/dev/null

# ---- a registree ----
start_gate cse1 cse1
csr() { # CERTIFICATE CSE
    b="{\"m2m:csr\":{\"rn\":\"$1\",\"cb\":\"$sp/$2/in\",\"csi\":\"/$2\",\"rr\":false,\"srv\":[\"3\"]}}"
    printf 'POST /cse1 HTTP/1.1\r\nHost: x\r\nX-M2M-Origin: /%s\r\nX-M2M-RI: 1\r\nX-M2M-RVI: 3\r\nContent-Type: application/json;ty=16\r\nContent-Length: %s\r\nConnection: close\r\n\r\n%s' "$2" ${#b} "$b" |
        timeout 20 openssl s_client -connect 127.0.0.1:$port -servername cse1.sp.example.com -tls1_2 -ign_eof -cert "$dir/$1.pem" -key "$dir/$1.key" -CAfile "$dir/ca.pem" >"$dir/answer" 2>&1
}
csr spelled mobius4
check "SAEF 2: another spelling than the CA's" has 'X-M2M-RSC: 4106'
csr folded Mobius4
check "SAEF 2: a folded name is not /Mobius4" has 'X-M2M-RSC: 4106'
check "the gate names the command" logged 'registers_other.*hint=' 'm2m-gatectl credential add --credential-id 32-mobius4.sp.example.com --cse-id //sp.example.com/Mobius4'
# shellcheck disable=SC2046
"$ctl" --config "$dir/gate.yaml" $(hinted m2m-gatectl "$dir/gate.log") >"$dir/answer" 2>&1
check "which works" has 'added 32-mobius4.sp.example.com'
csr folded mobius4
check "SAEF 2: it is /mobius4 no more" has 'X-M2M-RSC: 4106'
csr folded Mobius4
check "SAEF 2: it registers as what it was granted" has 'X-M2M-RSC: 2001'
"$ctl" --config "$dir/gate.yaml" credential list >"$dir/answer"
check "as the list says" has '^32-mobius4.sp.example.com .*//sp.example.com/Mobius4'
csr spelled Mobius4
check "SAEF 2: the CA's spelling is the CSE-ID's" has 'X-M2M-RSC:'
check "under a Credential-ID of its own" logged gate.allowed 'credential=32-Mobius4.sp.example.com.*origin=/Mobius4'
echo "$n checks, $bad failed"
[ $bad -eq 0 ]
