#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# test_m2m_gate.sh - m2m-gate and m2m-gatectl as processes, before the small CSE, with OpenSSL as foreign Entity A
# (SAEF 1, 2, 3), foreign MAF, and foreign AE that is told something (SA2).
set -u
bin=${top_builddir:-.}
gate=$bin/onem2m-binding/m2m-gate ctl=$bin/onem2m-binding/m2m-gatectl cse=$bin/examples/cse_small
dir=$(mktemp -d) pids=''
trap 'for p in $pids; do kill $p 2>/dev/null; done; wait 2>/dev/null; rm -rf "$dir"' EXIT
. "${top_srcdir:-.}/tests/m2m_kit.sh"
free_port() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'; }

# ---- certificates ----
root ca; root otherca
root limited 'nameConstraints=permitted;DNS:.other.example.com'
cat "$dir/ca.pem" "$dir/limited.pem" >"$dir/cas.pem"
cert server ca DNS:cse1.sp.example.com 2
cert ae ca URI://sp.example.com/cse1/CcertAE 2
cert mn ca DNS:mn1.sp.example.com 2
cert device ca 'otherName:1.3.6.1.4.1.99999.1;UTF8:maker.7.42' 2
cert node ca URI:urn:onem2m:node:node-7 2
cert mixed ca 'URI://sp.example.com/cse1/CcertAE,DNS:mn1.sp.example.com' 2
cert foreign otherca URI://sp.example.com/cse1/CcertAE 2
cert old ca URI://sp.example.com/cse1/CcertAE 2; past old ca
cert unborn ca URI://sp.example.com/cse1/CcertAE 2; early unborn ca
cert revoked ca URI://sp.example.com/cse1/CcertAE 2
cert outside limited DNS:mn1.sp.example.com 2
mkdir "$dir/db"; : >"$dir/db/index"; echo 01 >"$dir/db/crlnumber"
printf '[ca]\ndefault_ca=d\n[d]\ndatabase=%s/db/index\ncrlnumber=%s/db/crlnumber\ndefault_md=sha256\ndefault_crl_days=2\n' "$dir" "$dir" >"$dir/db/conf"
openssl ca -config "$dir/db/conf" -cert "$dir/ca.pem" -keyfile "$dir/ca.key" -revoke "$dir/revoked.pem" 2>/dev/null
openssl ca -config "$dir/db/conf" -cert "$dir/ca.pem" -keyfile "$dir/ca.key" -gencrl -out "$dir/crl.pem" 2>/dev/null
openssl ca -config "$dir/db/conf" -cert "$dir/limited.pem" -keyfile "$dir/limited.key" -gencrl -out "$dir/crl2.pem" 2>/dev/null
cat "$dir/crl2.pem" >>"$dir/crl.pem"

# ---- the CSE, the gate ----
"$cse" --port 0 --cse-id //sp.example.com/cse1 >"$dir/cse.log" 2>&1 & pids="$pids $!"
until_line listening "$dir/cse.log" || { echo "the CSE does not start"; cat "$dir/cse.log"; exit 1; }
upstream=$(port_of listening "$dir/cse.log")
maf=$(free_port) mute=$(free_port) aeport=$(free_port)
kpsa=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
kc=f0f1f2f3f4f5f6f7f8f9fafbfcfdfefff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff
km=202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f
printf '%s\n' $kpsa >"$dir/kpsa"; printf '%s\n' $km >"$dir/km"
cat >"$dir/gate.yaml" <<END
listen: 127.0.0.1:0
egress: 127.0.0.1:0
cse_id: //sp.example.com/cse1
cert: server.pem
key: server.key
ca: cas.pem
crl: crl.pem
upstream: http://127.0.0.1:$upstream
maf:
  - {fqdn: maf.example.com, url: "https://127.0.0.1:$maf", psk_id: gate@maf.example.com, psk_file: km, identities: ["//sp.example.com/**"]}
  - {fqdn: mute.example.com, url: "https://127.0.0.1:$mute", psk_id: gate@mute.example.com, psk_file: km, identities: "//sp.example.com/cse1/C*"}
store: {url: "sqlite:gate.db"}
seal: {key_file: seal.key}
keys: {wait_ms: 1500, unknown_ttl: 1}
admin: {listen: "127.0.0.1:0"}
END
# E7: a check, and a start, refuse what could not serve
refused() { # CONFIG PATTERN: by the check and by the start, with this text
    "$gate" --config "$dir/$1" --check >"$dir/answer" 2>&1
    [ $? -eq 78 ] && grep -q -- "$2" "$dir/answer" && { timeout 10 "$gate" --config "$dir/$1" >"$dir/answer" 2>&1; [ $? -eq 78 ]; } &&
        grep -q -- "$2" "$dir/answer"
}
check "no seal file: refused" refused gate.yaml 'seal.key: is not there: restore it, or, for a new store, make it: m2m-gatectl'
check "create-key" "$ctl" --config "$dir/gate.yaml" seal create-key
check "--check" "$gate" --config "$dir/gate.yaml" --check
sed '/mute/s/, identities.*}/}/' "$dir/gate.yaml" >"$dir/unlisted.yaml"
"$gate" --config "$dir/unlisted.yaml" --check >"$dir/answer" 2>&1
check "two MAFs, and one says not whom it may name: exit 78" [ $? -eq 78 ]
check "with a text that says so" has 'maf\[1\].identities.*is missing.*mute.example.com'
sed '/mute/s/identities.*}/identities: "\/cse1"}/' "$dir/gate.yaml" >"$dir/unlisted.yaml"
"$gate" --config "$dir/unlisted.yaml" --check >"$dir/answer" 2>&1
check "a pattern that is none is told" has "maf\[1\].identities.*'/cse1' is no pattern"
sed 's/^cert: server/cert: mn/; s/^key: server/key: mn/' "$dir/gate.yaml" >"$dir/other.yaml"
check "the certificate of another CSE: refused" refused other.yaml 'mn.pem: is the certificate of mn1.sp.example.com, not of cse1.sp.example.com'
sed 's/^cert: server/cert: ae/; s/^key: server/key: ae/' "$dir/gate.yaml" >"$dir/other.yaml"
check "that of an AE: refused" refused other.yaml 'ae.pem: is the certificate of //sp.example.com/cse1/CcertAE, not of'
sed 's/^cert: server/cert: gone/' "$dir/gate.yaml" >"$dir/other.yaml"
check "a certificate that is not there: refused" refused other.yaml 'gone.pem: cannot be read'
chmod 644 "$dir/seal.key"
check "a seal file that others may read: refused" refused gate.yaml 'seal.key: mode 0644'
chmod 600 "$dir/seal.key"
add() { "$ctl" --config "$dir/gate.yaml" credential add "$@" >"$dir/answer" 2>&1; }
check "add a KpsaID" add --kpsa-id dev1@sp.example.com --key-file "$dir/kpsa" --ae-id //sp.example.com/cse1/Cdev1
check "add one without AE-ID" add --kpsa-id new1@sp.example.com --key-file "$dir/kpsa"
check "add a CSE" add --kpsa-id mn@sp.example.com --key-file "$dir/kpsa" --cse-id //sp.example.com/mn2
check "a device certificate" add --credential-id 31-1.3.6.1.4.1.99999.1.maker.7.42 --ae-id //sp.example.com/cse1/Cd1 --ae-id //sp.example.com/cse1/Cd2
twice() { ! add --kpsa-id dev1@sp.example.com --key-file "$dir/kpsa"; }
check "not twice" twice
check "a wrong AE-ID is told" eval '! add --kpsa-id x@sp.example.com --key-file "$dir/kpsa" --ae-id Dshort'
"$ctl" --config "$dir/gate.yaml" credential list --json >"$dir/answer" 2>&1
check "list" has '"//sp.example.com/cse1/Cdev1"'
check "list shows no key" hasnt 00010203

"$gate" --config "$dir/gate.yaml" >"$dir/gate.out" 2>"$dir/gate.log" & gatepid=$!; pids="$pids $gatepid"
until_line egress.listening "$dir/gate.log" || { echo "the gate does not start"; cat "$dir/gate.log"; exit 1; }
port=$(port_of gate.listening "$dir/gate.log") egress=$(port_of egress.listening "$dir/gate.log")
until_line 'admin=' "$dir/gate.log"; admin=$(sed -n 's/.*admin="*127.0.0.1:\([0-9]*\).*/\1/p' "$dir/gate.log" | head -1)

# ---- foreign Entity A ----
ask() { # METHOD TARGET FIELDS BODY, then s_client's arguments
    m=$1 t=$2 f=$3 b=$4; shift 4
    { printf '%s %s HTTP/1.1\r\nHost: cse1.sp.example.com\r\nX-M2M-RI: r1\r\nX-M2M-RVI: 3\r\nConnection: close\r\n' "$m" "$t"
      printf "$f"; [ -z "$b" ] || printf 'Content-Length: %d\r\n' ${#b}; printf '\r\n%s' "$b"; } >"$dir/request"
    timeout 20 openssl s_client -connect 127.0.0.1:$port -servername ${sni-cse1.sp.example.com} -tls1_2 -ign_eof "$@" <"$dir/request" >"$dir/answer" 2>&1
}
psk() { id=$1; shift; ask "$@" -psk_identity "$id" -psk ${k-$kpsa} -cipher ${suite-PSK-AES128-CBC-SHA256}; }
crt() { id=$1; shift; ask "$@" -cert "$dir/$id.pem" -key "$dir/$id.key" -CAfile "$dir/ca.pem" -cipher ECDHE-ECDSA-AES128-SHA256; }
o='X-M2M-Origin: '

psk dev1@sp.example.com GET /cse1 "${o}Cdev1\r\n" ''
check "SAEF 1, 00AE: CSEBase" has 'X-M2M-RSC: 2000'
check "SAEF 1: the suite" has 'PSK-AES128-CBC-SHA256'
check "SAEF 1: audit" logged gate.allowed 'framework="*SAEF 1.*credential=12-dev1@sp.example.com'
suite=ECDHE-PSK-AES128-CBC-SHA256 psk dev1@sp.example.com GET /cse1 "${o}Cdev1\r\n" ''
check "SAEF 1, ECDHE-PSK" has 'X-M2M-RSC: 2000'
psk dev1@sp.example.com GET /cse1 "${o}Cother\r\n" ''
check "From of another: 4106" has 'X-M2M-RSC: 4106'
check "its HTTP status" has 'HTTP/1.1 403'
check "its X-M2M-RI" has 'X-M2M-RI: r1'
check "its audit line" logged gate.refused 'why=other_ae'
psk dev1@sp.example.com GET /cse1 "${o}Cdev1\r\n${o}Cother\r\n" ''
check "two From: 4000" has 'X-M2M-RSC: 4000'
psk dev1@sp.example.com GET /cse1/../x "${o}Cdev1\r\n" ''
check "dot segments: 4000" has 'X-M2M-RSC: 4000'
psk dev1@sp.example.com PATCH /cse1 "${o}Cdev1\r\n" ''
check "another method: 4005" has 'X-M2M-RSC: 4005'
psk dev1@sp.example.com POST /cse1 "${o}Cdev1\r\nContent-Type: application/vnd.onem2m-preq+json\r\n" '{"op":2,"fr":"Cother","to":"cse1"}'
check "a primitive inside: 4015" has 'X-M2M-RSC: 4015'
psk dev1@sp.example.com GET /~/othercse/x "${o}Cother\r\n" ''
check "retargeted, From of another: 4106" has 'X-M2M-RSC: 4106'
k=ff psk dev1@sp.example.com GET /cse1 "${o}Cdev1\r\n" ''
check "wrong key: no handshake" hasnt 'X-M2M-RSC'
check "its audit line" logged gate.handshake_refused 'SAEF 1.*identity=dev1@sp.example.com.*why=key_not_proved'
check "a clear alert" has 'alert decrypt error'
psk nobody@sp.example.com GET /cse1 "${o}Cdev1\r\n" ''
check "unknown KpsaID: no handshake" hasnt 'X-M2M-RSC'
check "the same alert" has 'alert decrypt error'
check "its audit line" logged gate.handshake_refused 'identity=nobody@sp.example.com.*why=unknown_identity'
sni=other.example.com psk dev1@sp.example.com GET /cse1 "${o}Cdev1\r\n" ''
check "another SNI: no handshake" logged gate.handshake_refused 'why=other_sni'
check "no answer either" hasnt 'X-M2M-RSC'

ae='{"m2m:ae":{"api":"Nx","rr":true,"srv":["3"],"poa":["https://127.0.0.1:'$aeport'"]}}'
ty='Content-Type: application/json;ty=2\r\n'
psk new1@sp.example.com GET /cse1 "${o}Cdev1\r\n" ''
check "new: nothing but registration" has 'X-M2M-RSC: 4106'
psk new1@sp.example.com POST /cse1 "${o}Cdev1\r\n$ty" "$ae"
check "new: not with another's AE-ID" has 'X-M2M-RSC: 4106'
psk new1@sp.example.com POST /cse1 "${o}C\r\n$ty" "$ae"
check "new: registers" has 'X-M2M-RSC: 2001'
aei=$(sed -n 's/.*"aei": *"\([^"]*\)".*/\1/p' "$dir/answer")
check "the AE-ID is learned" logged gate.learned "12-new1@sp.example.com.*//sp.example.com/cse1/$aei"
psk new1@sp.example.com GET /cse1 "$o$aei\r\n" ''
check "and is its From" has 'X-M2M-RSC: 2000'
psk new1@sp.example.com GET /cse1 "${o}Cdev1\r\n" ''
check "and no other" has 'X-M2M-RSC: 4106'
# an answer without AE-ID: the name of the resource, which the client may choose, is none
for i in 0 1 2; do
    named='{"m2m:ae":{"rn":"Cother'$i'","api":"Nx","rr":true,"srv":["3"]}}' nm='' bare=$ae
    case $i in
    1) named=$bare nm='X-M2M-NM: Cother1\r\n' ;;
    2) named='{"m2m:ae":{"resourceName":"Cother2","api":"Nx","rr":true,"srv":["3"]}}' ;;
    esac
    add --kpsa-id sly$i@sp.example.com --key-file "$dir/kpsa"
    psk sly$i@sp.example.com POST '/cse1?rcn=0' "${o}C\r\n$nm$ty" "$named"
    check "registers under a name like an AE-ID, and is refused, $i" has 'X-M2M-RSC: 5207'
    check "and its AE is gone from the CSE, $i" logged gate.registration_undone "12-sly$i@sp.example.com.*rsc=2002"
    psk sly$i@sp.example.com GET /cse1 "${o}Cother$i\r\n" ''
    check "and is not that AE, $i" has 'X-M2M-RSC: 4106'
    [ $i -eq 0 ] || continue
    check "the AE-ID is not learned" logged gate.learning_failed '12-sly0@sp.example.com.*why=no_ae_id'
done
add --kpsa-id mute1@sp.example.com --key-file "$dir/kpsa"
psk mute1@sp.example.com POST '/cse1?rcn=0' "${o}C\r\n$ty" "$ae"
check "registers, and leaves the name to the CSE" has 'X-M2M-RSC: 2001'
named=$(sed -n 's|^Content-Location: cse1/\([^ ]*\)\r$|\1|p' "$dir/answer")
psk mute1@sp.example.com GET /cse1 "$o$named\r\n" ''
check "a CSE that names an AE by its AE-ID: learned" has 'X-M2M-RSC: 2000'
psk mn@sp.example.com GET /cse1 "${o}/mn2\r\n" ''
check "a CSE" has 'X-M2M-RSC: 2000'
psk mn@sp.example.com GET /cse1 "${o}/mn2/Cfar\r\n" ''
check "a CSE forwards" has 'X-M2M-RSC: 2000'
psk mn@sp.example.com GET /cse1 "${o}Cdev1\r\n" ''
check "a CSE with a bare AE-ID: 4106" has 'X-M2M-RSC: 4106'

# ---- SAEF 2 ----
crt ae GET /cse1 "${o}CcertAE\r\n" ''
check "SAEF 2, C023: AE-ID certificate" has 'X-M2M-RSC: 2000'
check "SAEF 2: suite" has 'ECDHE-ECDSA-AES128-SHA256'
check "SAEF 2: audit" logged gate.allowed 'SAEF 2'
crt ae GET /cse1 "${o}Cdev1\r\n" ''
check "AE-ID certificate, From of another" has 'X-M2M-RSC: 4106'
crt mn GET /cse1 "${o}/mn1\r\n" ''
check "CSE-ID certificate" has 'X-M2M-RSC: 2000'
crt mn GET /cse1 "${o}/mn2\r\n" ''
check "CSE-ID certificate, another registree" has 'X-M2M-RSC: 4106'
csr='{"m2m:csr":{"rn":"mn1","cb":"//sp.example.com/mn1/in","csi":"/mn1","rr":false,"srv":["3"]}}'
psk mn@sp.example.com GET /cse1 "${o}/mn1\r\n" ''
check "a CSE that is no registree: forwarded" has 'X-M2M-RSC: 2000'
crt mn POST '/cse1?rcn=0' "${o}/mn1\r\nContent-Type: application/json;ty=16\r\n" "$csr"
check "it registers by its certificate" has 'X-M2M-RSC: 2001'
psk mn@sp.example.com GET /cse1 "${o}/mn1\r\n" ''
check "and is another's From no more: 4106" has 'X-M2M-RSC: 4106'
crt mn DELETE /cse1/mn1 "${o}/mn1\r\n" ''
check "it ends its registration" has 'X-M2M-RSC: 2002'
for _ in 1 2 3 4 5 6 7 8 9 10; do psk mn@sp.example.com GET /cse1 "${o}/mn1\r\n" ''; has 'X-M2M-RSC: 2000' && break; sleep 0.2; done
check "and is forwarded again" has 'X-M2M-RSC: 2000'
crt mn POST /cse1 "${o}/mn1\r\nContent-Type: application/json;ty=16\r\n" "$csr"
crt device GET /cse1 "${o}Cd2\r\n" ''
check "device certificate, one of its list" has 'X-M2M-RSC: 2000'
crt device GET /cse1 "${o}Cd3\r\n" ''
check "device certificate, not of its list" has 'X-M2M-RSC: 4106'
crt node GET /cse1 "${o}Cd1\r\n" ''
check "Node-ID certificate that is new" has 'X-M2M-RSC: 4106'
check "Node-ID certificate: its Credential-ID" logged gate.refused 'credential=34-node-7'
crt mixed GET /cse1 "${o}CcertAE\r\n" ''
check "two flavours in one: 4106" logged gate.refused 'why=mixed_flavours'
sni=other.example.com crt ae GET /cse1 "${o}CcertAE\r\n" ''
check "SAEF 2 with another SNI: 4107" has 'X-M2M-RSC: 4107'
check "its audit line" logged gate.refused 'why=other_sni'
for c in foreign,issuer old,expired unborn,not_yet_valid revoked,revoked outside,name_constraints; do
    crt ${c%,*} GET /cse1 "${o}CcertAE\r\n" ''
    check "${c%,*} certificate: no handshake" hasnt 'X-M2M-RSC'
    check "its audit line" logged gate.handshake_refused "SAEF 2.*identity=.*why=${c#*,}"
done
curl -s "http://127.0.0.1:$admin/metrics" >"$dir/answer"
check "all five in the metric" has 'm2m_gate_keys_total{framework="SAEF 2",result="refused"} 5'
ask GET /cse1 "${o}Cdev1\r\n" '' -cipher ECDHE-ECDSA-AES128-SHA256
check "no certificate: 4107" has 'X-M2M-RSC: 4107'

# ---- SAEF 3, with OpenSSL as the MAF ----
answer() { printf 'HTTP/1.1 200 OK\r\nX-M2M-RSC: 2000\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s' ${#1} "$1"; }
skr() { printf '{"sec:skr":{"et":"20400101T000000","cr":"%s","suid":%s,"kv":"%s"}}' "$1" "$2" "$(printf $kc | xxd -r -p | base64 -w0)"; }
serve() { # PORT BODY FILE ARGS: one connection
    p=$1 b=$2 out=$3; shift 3
    { answer "$b"; sleep 8; } | timeout 9 openssl s_server -accept 127.0.0.1:$p -tls1_2 -quiet -naccept 1 "$@" >"$out" 2>"$out.err" & pids="$pids $!"
    sleep 0.7
}
as_maf() { serve $maf "$1" "$dir/maf.out" -nocert -psk_identity gate@maf.example.com -psk $km -cipher PSK-AES128-CBC-SHA256; }
kcid=00112233445566778899AABBCCDDEEFF
as_maf "$(skr //sp.example.com/cse1/Cmaf 32)"
k=$kc psk $kcid@maf.example.com GET /cse1 "${o}Cmaf\r\n" ''
check "SAEF 3: the key from the MAF" has 'X-M2M-RSC: 2000'
check "SAEF 3: the MAF is asked as it should be" grep -q "GET /MAFBase/$kcid " "$dir/maf.out"
check "SAEF 3: by the CSE-ID" grep -q 'X-M2M-Origin: //sp.example.com/cse1' "$dir/maf.out"
k=$kc psk $kcid@maf.example.com GET /cse1 "${o}Cdev1\r\n" ''
check "SAEF 3: warm, From of another: 4106" has 'X-M2M-RSC: 4106'
for who in //sp.example.com/cse1 //other.example.com/cse/Cx dev1@sp.example.com; do
    as_maf "$(skr $who 32)"
    id=$(printf %s $who | sha256sum | cut -c1-32)
    k=$kc psk $id@maf.example.com GET /cse1 "${o}Cdev1\r\n" ''
    check "SAEF 3: it may not name $who" hasnt 'X-M2M-RSC'
    check "SAEF 3: why" logged gate.handshake_refused "$(echo $id | tr a-f A-F).*why=identity_not_allowed\|$id.*why=identity_not_allowed"
done
as_maf "$(skr //sp.example.com/cse1/Cmaf 33)"
k=$kc psk 11112233445566778899AABBCCDDEEFF@maf.example.com GET /cse1 "${o}Cmaf\r\n" ''
check "SAEF 3: a key of another use" logged gate.handshake_refused 'why=other_suid'
k=$kc psk $kcid@elsewhere.example.com GET /cse1 "${o}Cmaf\r\n" ''
check "SAEF 3: a MAF of nobody's: no connection" logged gate.handshake_refused 'elsewhere.example.com.*why=\(unknown_identity\|foreign_domain\)'
k=$kc psk 22112233445566778899AABBCCDDEEFF@maf.example.com GET /cse1 "${o}Cmaf\r\n" ''
check "SAEF 3: the MAF is down" logged gate.handshake_refused 'why=server_unreachable'
python3 -c "
import socket,time
s=socket.socket(); s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1); s.bind(('127.0.0.1',$mute)); s.listen(99); print('ready', flush=True); time.sleep(60)" >"$dir/mute.out" & pids="$pids $!"
until_line ready "$dir/mute.out"
for i in 1 2 3 4 5 6 7 8; do
    timeout 20 openssl s_client -connect 127.0.0.1:$port -servername cse1.sp.example.com -tls1_2 -psk $kc -psk_identity ${i}3112233445566778899AABBCCDDEEFF@mute.example.com -cipher PSK-AES128-CBC-SHA256 </dev/null >"$dir/waited$i" 2>&1 & waiting="${waiting-} $!"
done
sleep 0.3; t0=$(date +%s%N)
psk dev1@sp.example.com GET /cse1 "${o}Cdev1\r\n" ''
t1=$(date +%s%N)
check "a mute MAF holds up nobody else ($(((t1 - t0) / 1000000)) ms)" has 'X-M2M-RSC: 2000'
wait $waiting
check "and its own for no longer than the deadline" logged gate.handshake_refused 'mute.example.com.*why=server_timeout'
check "with a clear alert for each, and not that of a refused key" [ "$(grep -l 'alert internal error' "$dir"/waited? | wc -l)" -eq 8 ]

# ---- the egress: a notification goes out ----
sub='{"m2m:sub":{"rn":"sub1","nu":["http://127.0.0.1:'$egress'/_/sp.example.com/cse1/'$aei'/notify"]}}'
psk dev1@sp.example.com POST /cse1 "${o}Cdev1\r\nContent-Type: application/json;ty=3\r\n" '{"m2m:cnt":{"rn":"data"}}'
check "a container" has 'X-M2M-RSC: 2001'
psk new1@sp.example.com POST /cse1/data "$o$aei\r\nContent-Type: application/json;ty=23\r\n" "$sub"
check "a subscription" has 'X-M2M-RSC: 2001'
serve $aeport '{}' "$dir/ae.out" -nocert -psk_identity new1@sp.example.com -psk $kpsa -cipher PSK-AES128-CBC-SHA256
psk dev1@sp.example.com POST /cse1/data "${o}Cdev1\r\nContent-Type: application/json;ty=4\r\n" '{"m2m:cin":{"con":"21.5"}}'
check "a content instance" has 'X-M2M-RSC: 2001'
until_line 21.5 "$dir/ae.out"
check "SA2: the notification arrives over TLS-PSK" grep -q 'm2m:sgn.*21.5' "$dir/ae.out"
check "SA2: at the AE's own path" until_line '^POST /notify ' "$dir/ae.out"
check "SA2: audit" logged gate.sent "peer=//sp.example.com/cse1/$aei"
curl -s -i --max-time 10 -X POST -H 'Content-Type: application/json' -d '{}' "http://127.0.0.1:$egress/_/sp.example.com/cse1/Cnobody" >"$dir/answer"
check "an entity without point of access: 5103" has '5103'

# ---- while it runs ----
check "remove" "$ctl" --config "$dir/gate.yaml" credential remove --kpsa-id dev1@sp.example.com
psk dev1@sp.example.com GET /cse1 "${o}Cdev1\r\n" ''
check "a removed credential: no handshake" hasnt 'X-M2M-RSC'
late='' stale='' other=''
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    add --kpsa-id at$i@sp.example.com --key-file "$dir/kpsa" --ae-id //sp.example.com/cse1/Cat$i
    psk at$i@sp.example.com GET /cse1 "${o}Cat$i\r\n" ''
    has 'X-M2M-RSC: 2000' || late="$late $i"
    psk at$i@sp.example.com GET /cse1 "${o}Cd1\r\n" ''
    has 'X-M2M-RSC: 4106' || other="$other $i"
    "$ctl" --config "$dir/gate.yaml" credential remove --kpsa-id at$i@sp.example.com >/dev/null
    psk at$i@sp.example.com GET /cse1 "${o}Cat$i\r\n" ''
    has 'X-M2M-RSC' && stale="$stale $i"
done
check "added and used at once, 20 times:${late:- never refused}" [ -z "$late" ]
check "as itself alone${other:+, but:$other}" [ -z "$other" ]
check "removed and used at once, 20 times:${stale:- always refused}" [ -z "$stale" ]
stale=''
for i in 1 2 3 4 5; do
    crt device GET /cse1 "${o}Cd2\r\n" ''
    has 'X-M2M-RSC: 2000' || late="$late $i"
    "$ctl" --config "$dir/gate.yaml" credential remove --credential-id 31-1.3.6.1.4.1.99999.1.maker.7.42 >/dev/null
    crt device GET /cse1 "${o}Cd2\r\n" ''
    has 'X-M2M-RSC: 4106' || stale="$stale $i"
    add --credential-id 31-1.3.6.1.4.1.99999.1.maker.7.42 --ae-id //sp.example.com/cse1/Cd1 --ae-id //sp.example.com/cse1/Cd2
done
dev=31-1.3.6.1.4.1.99999.1.maker.7.42
new() { crt device POST /cse1 "${o}C\r\nContent-Type: application/json;ty=2\r\n" '{"m2m:ae":{"api":"Nx","rr":false,"srv":["3"]}}'; }
"$ctl" --config "$dir/gate.yaml" credential remove --credential-id $dev >/dev/null
new
check "a certificate that is removed is not a new device" has 'X-M2M-RSC: 4106'
check "its audit line" logged gate.refused "credential=$dev.*why=revoked"
"$ctl" --config "$dir/gate.yaml" credential list >"$dir/answer"
check "it is listed" has "^$dev  *ended"
add --credential-id $dev --expires "$(date -u -d '+3 seconds' +%Y%m%dT%H%M%S)" --ae-id //sp.example.com/cse1/Cd1
crt device GET /cse1 "${o}Cd1\r\n" ''
check "added again" has 'X-M2M-RSC: 2000'
add --credential-id 33-CcertAE.cse1.sp.example.com
crt ae GET /cse1 "${o}CcertAE\r\n" ''
check "a certificate whose name says who it is" has 'X-M2M-RSC: 2000'
"$ctl" --config "$dir/gate.yaml" credential remove --credential-id 33-CcertAE.cse1.sp.example.com >/dev/null
crt ae GET /cse1 "${o}CcertAE\r\n" ''
check "once removed it is nobody's" has 'X-M2M-RSC: 4106'
add --credential-id 33-CcertAE.cse1.sp.example.com
crt ae GET /cse1 "${o}CcertAE\r\n" ''
check "until it is added again" has 'X-M2M-RSC: 2000'
sleep 4
new
check "one that has expired is not a new device, either" has 'X-M2M-RSC: 4106'
add --credential-id $dev --replace --ae-id //sp.example.com/cse1/Cd1 --ae-id //sp.example.com/cse1/Cd2
check "the binding of a certificate, too${late:+, late:$late}${stale:+, stale:$stale}" [ -z "$late$stale" ]
"$ctl" --config "$dir/gate.yaml" credential remove --kpsa-id new1@sp.example.com >/dev/null
curl -s -i --max-time 10 -X POST -H 'Content-Type: application/json' -d '{}' "http://127.0.0.1:$egress/_/sp.example.com/cse1/$aei" >"$dir/answer"
check "nothing goes out with a removed key: 5103" has '5103'
check "its audit line" logged gate.not_sent 'why=revoked'

# ---- the egress after a change of credential ----
tell() { curl -s -i --max-time 10 -X POST -H 'Content-Type: application/json' -d '{}' "http://127.0.0.1:$egress/_/sp.example.com/cse1/$1" >"$dir/answer"; }
rep() { add --kpsa-id rep1@sp.example.com --key-file "$dir/kpsa" --ae-id //sp.example.com/cse1/Crep1 --expires "$@"; }
add --kpsa-id gone1@sp.example.com --key-file "$dir/kpsa" --ae-id //sp.example.com/cse1/Cgone1 --expires "$(date -u -d '+2 seconds' +%Y%m%dT%H%M%S)"
over() { python3 -c "
import sqlite3, time
print(sqlite3.connect('$dir/gate.db').execute('SELECT count(*) FROM rec WHERE expiry > 0 AND expiry <= ?', (int(time.time()),)).fetchone()[0])"; }
check "a credential with a short life" rep "$(date -u -d '+4 seconds' +%Y%m%dT%H%M%S)"
psk rep1@sp.example.com POST /cse1 "${o}Crep1\r\n$ty" "$ae"
check "its AE registers" has 'X-M2M-RSC: 2001'
check "replaced by one with a longer life" rep 20400101T000000 --replace
add --kpsa-id mov1@sp.example.com --key-file "$dir/kpsa" --ae-id //sp.example.com/cse1/CcertAE
psk mov1@sp.example.com POST /cse1 "${o}CcertAE\r\n$ty" "$ae"
check "an AE registers by key" has 'X-M2M-RSC: 2001'
crt ae GET /cse1 "${o}CcertAE\r\n" ''
check "and comes by certificate" has 'X-M2M-RSC: 2000'
serve $aeport '{}' "$dir/now.out" -cert "$dir/ae.pem" -key "$dir/ae.key"
tell CcertAE/now
check "SA2 by certificate, as it came last" until_line '^POST /now ' "$dir/now.out"
psk mov1@sp.example.com GET /cse1 "${o}CcertAE\r\n" ''
serve $aeport '{}' "$dir/back.out" -nocert -psk_identity mov1@sp.example.com -psk $kpsa -cipher PSK-AES128-CBC-SHA256
tell CcertAE/back
check "by its key again, when it comes by key" until_line '^POST /back ' "$dir/back.out"
crt ae GET /cse1 "${o}CcertAE\r\n" ''
"$ctl" --config "$dir/gate.yaml" credential remove --kpsa-id mov1@sp.example.com >/dev/null
serve $aeport '{}' "$dir/mov.out" -cert "$dir/ae.pem" -key "$dir/ae.key"
tell CcertAE/moved
check "SA2 by certificate once the key is removed" until_line '^POST /moved ' "$dir/mov.out"
sleep 4
serve $aeport '{}' "$dir/rep.out" -nocert -psk_identity rep1@sp.example.com -psk $kpsa -cipher PSK-AES128-CBC-SHA256
tell Crep1/replaced
check "SA2 by the replaced credential after the old expiry" until_line '^POST /replaced ' "$dir/rep.out"
i=0; while [ "$(over)" != 0 ] && [ $i -lt 60 ]; do i=$((i + 1)); sleep 0.2; done
check "what is over leaves the store" [ "$(over)" = 0 ]
echo "onem2m_only: false" >>"$dir/gate.yaml"
kill -HUP $gatepid
check "SIGHUP reads certificates again" logged gate.reloaded 'read again'
check "and names what takes a restart" logged config.restart_needed setting=onem2m_only
kill $gatepid; wait $gatepid
check "SIGTERM ends it" [ $? -eq 0 ]
check "no key in the log" eval '! grep -qi "00010203\|f0f1f2f3\|20212223" "$dir/gate.log" "$dir/gate.out"'

# ---- the CSE with the guard inside ----
"$cse" --port 0 --cse-id //sp.example.com/cse1 --tls --psk-id dev1@sp.example.com --psk-file "$dir/kpsa" --ae-id //sp.example.com/cse1/Cdev1 >"$dir/tls.log" 2>&1 & pids="$pids $!"
until_line listening "$dir/tls.log"; port=$(port_of listening "$dir/tls.log")
psk dev1@sp.example.com GET /cse1 "${o}Cdev1\r\n" ''
check "guard inside: its own" has 'X-M2M-RSC: 2000'
psk dev1@sp.example.com GET /cse1 "${o}Cother\r\n" ''
check "guard inside: another's, 4106" has 'X-M2M-RSC: 4106'
psk dev1@sp.example.com POST /cse1 "${o}Cdev1\r\nContent-Type: application/vnd.onem2m-preq+json\r\n" '{"op":2,"fr":"Cother","to":"cse1"}'
check "guard inside: a primitive inside, 4015" has 'X-M2M-RSC: 4015'
sni=other.example.com
psk dev1@sp.example.com GET /cse1 "${o}Cdev1\r\n" ''
check "guard inside: another SNI, 4107" has 'X-M2M-RSC: 4107'
unset sni

echo "$n checks, $bad failed"
[ -z "${KEEP_LOG:-}" ] || cp "$dir/gate.log" "$KEEP_LOG"
[ $bad -eq 0 ]
