#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# test_m2m_certs.sh - certificates at m2m-gate to the letter of TS-0003 8.1.2: raw public keys (RFC 7250), URI name
# constraints, purpose, and certificate status by stapled OCSP answers, with OpenSSL and gnutls-cli on the other side.
set -u
bin=${top_builddir:-.}
gate=$bin/onem2m-binding/m2m-gate ctl=$bin/onem2m-binding/m2m-gatectl cse=$bin/examples/cse_small client=$bin/tests/m2m_client
dir=$(mktemp -d) pids='' p=''
trap 'for p in $pids; do kill $p 2>/dev/null; done; wait 2>/dev/null; rm -rf "$dir"' EXIT
. "${top_srcdir:-.}/tests/m2m_kit.sh"

root ca
root uris 'nameConstraints=critical,permitted;URI:sp.example.com,permitted;URI:.sp.example.com'
root never 'nameConstraints=critical,excluded;URI:sp.example.com'
root devices 'nameConstraints=critical,permitted;otherName:1.3.6.1.4.1.99999.1;UTF8:maker'
cat "$dir/ca.pem" "$dir/uris.pem" "$dir/never.pem" "$dir/devices.pem" >"$dir/cas.pem"
ca_ext='basicConstraints=critical,CA:TRUE
keyUsage=keyCertSign'
cert server ca DNS:cse1.sp.example.com 2
cert inside uris URI://sp.example.com/cse1/CcertAE 2
cert below uris URI://in.sp.example.com/cse1/CcertAE 2
cert outside uris URI://sp.example.org/cse1/CcertAE 2
cert hostless uris URI:urn:onem2m:node:node-7 2
cert excluded never URI://sp.example.com/cse1/CcertAE 2
cert odd devices 'otherName:1.3.6.1.4.1.99999.1;UTF8:maker.7.42' 2
cert serveronly ca URI://sp.example.com/cse1/CcertAE 2 extendedKeyUsage=serverAuth
cert sub ca '' 2 "$ca_ext
nameConstraints=critical,permitted;URI:.dev.example.com"
cert subin sub URI://a.dev.example.com/Sone 2
cert subout sub URI://sp.example.com/cse1/CcertAE 2
for c in subin subout; do cat "$dir/sub.pem" >>"$dir/$c.pem"; done
key raw; key stranger
openssl ec -in "$dir/raw.key" -pubout -out "$dir/raw.pub" 2>/dev/null
openssl ec -in "$dir/stranger.key" -pubout -out "$dir/stranger.pub" 2>/dev/null
id_of() { openssl ec -in "$dir/$1.key" -pubout -outform DER 2>/dev/null | sha256sum | cut -d' ' -f1; }

# ---- OCSP answers: an index of what stands and what is revoked ----
cert stapled ca DNS:maf.example.com 2
cert must ca DNS:maf.example.com 2 tlsfeature=status_request
index() { printf '%s\t401231235959Z\t%s\t%s\tunknown\t/CN=%s\n' "$1" "$2" "$(openssl x509 -in "$dir/$3.pem" -noout -serial | cut -d= -f2)" "$3"; }
status() { # OUT CERT LINE [SIGNER]
    printf '%s\n' "$3" >"$dir/index"
    openssl ocsp -index "$dir/index" -CA "$dir/ca.pem" -rsigner "$dir/${4-ca}.pem" -rkey "$dir/${4-ca}.key" -issuer "$dir/ca.pem" -cert "$dir/$2.pem" \
        -ndays ${days:-2} -respout "$dir/$1.der" >/dev/null 2>&1
}
status server.good server "$(index V '' server)"
status good stapled "$(index V '' stapled)"
status must.good must "$(index V '' must)"
status revoked stapled "$(index R "$(date -u -d yesterday +%y%m%d%H%M%SZ)" stapled)"
status forged stapled "$(index V '' stapled)" uris

"$cse" --port 0 --cse-id //sp.example.com/cse1 >"$dir/cse.log" 2>&1 & pids="$pids $!"
until_line listening "$dir/cse.log" || { echo "the CSE does not start"; cat "$dir/cse.log"; exit 1; }
cat >"$dir/gate.yaml" <<END
listen: 127.0.0.1:0
cse_id: //sp.example.com/cse1
cert: server.pem
key: server.key
ca: cas.pem
ocsp: server.good.der
upstream: http://127.0.0.1:$(port_of listening "$dir/cse.log")
store: {url: "sqlite:gate.db"}
seal: {key_file: seal.key}
admin: {listen: "127.0.0.1:0"}
END
"$ctl" --config "$dir/gate.yaml" seal create-key >/dev/null
"$ctl" --config "$dir/gate.yaml" credential add --public-key "$dir/raw.pub" --ae-id //sp.example.com/cse1/Craw >"$dir/answer" 2>&1
check "add a raw public key" has "30-sha-256_$(id_of raw)"
"$ctl" --config "$dir/gate.yaml" credential add --public-key "$dir/gate.yaml" --ae-id //sp.example.com/cse1/Craw >"$dir/answer" 2>&1
check "a file without a key is told" has 'holds no PEM key'
run_gate() {
    "$gate" --config "$dir/gate.yaml" >"$dir/gate.out" 2>"$dir/gate.log" & gatepid=$!; pids="$pids $gatepid"
    until_line gate.listening "$dir/gate.log" || { echo "the gate does not start"; cat "$dir/gate.log"; exit 1; }
    until_line 'admin=' "$dir/gate.log"
    port=$(port_of gate.listening "$dir/gate.log") admin=$(sed -n 's/.*admin="*127.0.0.1:\([0-9]*\).*/\1/p' "$dir/gate.log" | head -1)
}
run_gate
crt() { # CERTIFICATE ORIGIN
    printf 'GET /cse1 HTTP/1.1\r\nHost: x\r\nX-M2M-Origin: %s\r\nX-M2M-RI: r1\r\nX-M2M-RVI: 3\r\nConnection: close\r\n\r\n' "$2" |
        timeout 20 openssl s_client -connect 127.0.0.1:$port -servername cse1.sp.example.com -tls1_2 -ign_eof -cert "$dir/$1.pem" \
            -cert_chain "$dir/$1.pem" -key "$dir/$1.key" -CAfile "$dir/ca.pem" >"$dir/answer" 2>&1
}

# ---- name constraints ----
crt inside CcertAE
check "an AE-ID that its CA may name" has 'X-M2M-RSC: 2000'
crt below CcertAE
check "a host below it passes the handshake" has 'X-M2M-RSC: 4106'
crt subin /Sone
check "under a constrained CA in between" has 'X-M2M-RSC:'
for c in outside,name_constraints hostless,name_constraints excluded,name_constraints odd,name_constraints subout,name_constraints serveronly,purpose; do
    crt ${c%,*} CcertAE
    check "${c%,*}: no handshake" hasnt 'X-M2M-RSC'
    check "${c%,*}: audit line" logged gate.handshake_refused "SAEF 2.*why=${c#*,}"
done
curl -s "http://127.0.0.1:$admin/metrics" >"$dir/answer"
check "all six in the metric" has 'm2m_gate_keys_total{framework="SAEF 2",result="refused"} 6'

# ---- raw public keys ----
raw() { # CA|SHA256 KEY ORIGIN
    "$client" "$port" cse1.sp.example.com raw "$1" "$dir/$2.key" EXPORTER-oneM2M-Connection "$3" GET /cse1 - - >"$dir/answer" 2>&1
}
raw "$dir/ca.pem" raw Craw
check "raw public key: its AE-ID" has '^200 2000 '
check "raw public key: Credential-ID" logged gate.allowed "SAEF 2.*credential=30-sha-256_$(id_of raw)"
raw "$dir/ca.pem" raw Cother
check "raw public key: From of another" has '^403 4106 '
raw "$(id_of server)" raw Craw
check "raw public keys on both sides" has '^200 2000 '
raw "$(id_of raw)" raw Craw
check "the gate with another raw key" has '^refused auth'
raw "$dir/ca.pem" stranger Craw
check "raw public key of a stranger: no handshake" has '^refused'
check "its audit line" logged gate.handshake_refused "identity=$(id_of stranger).*why=unknown_key"
foreign() { # KEY VERSION
    { printf 'GET /cse1 HTTP/1.1\r\nHost: x\r\nX-M2M-Origin: Craw\r\nX-M2M-RI: r1\r\nX-M2M-RVI: 3\r\nConnection: close\r\n\r\n'; sleep 3; } |
        timeout 20 gnutls-cli --no-ca-verification --rawpkkeyfile "$dir/$1.key" --rawpkfile "$dir/$1.pub" --sni-hostname cse1.sp.example.com \
            --priority "NORMAL:-VERS-ALL:+VERS-$2:-CTYPE-ALL:+CTYPE-CLI-RAWPK:+CTYPE-SRV-X509" -p "$port" 127.0.0.1 >"$dir/answer" 2>&1
}
if command -v gnutls-cli >/dev/null; then
    foreign raw TLS1.2
    check "gnutls-cli with a raw key, TLS 1.2" has 'X-M2M-RSC: 2000'
    foreign stranger TLS1.2
    check "gnutls-cli, a stranger's" hasnt 'X-M2M-RSC'
fi
"$ctl" --config "$dir/gate.yaml" credential remove --public-key "$dir/raw.pub" >/dev/null
i=0; while raw "$dir/ca.pem" raw Craw; do i=$((i + 1)); [ $i -gt 50 ] && break; sleep 0.2; done
check "a removed raw key: no handshake" has '^refused'

# ---- certificate status: the gate's own is stapled ----
staple() { timeout 20 openssl s_client -connect 127.0.0.1:$port -servername cse1.sp.example.com -tls1_2 -status -CAfile "$dir/ca.pem" </dev/null >"$dir/answer" 2>&1; }
staple
check "the gate staples its OCSP answer" has 'OCSP Response Status: successful'
check "which is about its certificate" has 'Cert Status: good'
# a client of ours before a server that staples; its input never ends, or it would
mkfifo "$dir/open"; exec 8<>"$dir/open"
peer() { # CERTIFICATE STATUS|-
    out=$dir/peer.$1.$2 crt=$dir/$1
    if [ "$2" = - ]; then set --; else set -- -status_file "$dir/$2.der"; fi
    timeout 20 openssl s_server -accept 127.0.0.1:0 -tls1_2 -naccept 1 -cert "$crt.pem" -key "$crt.key" "$@" >"$out" 2>&1 <&8 &
    pids="$pids $!"
    until_line ACCEPT "$out"
    "$client" "$(sed -n 's/^ACCEPT .*:\([0-9]*\)$/\1/p' "$out" | head -1)" maf.example.com cert "$dir/ca.pem" - EXPORTER-oneM2M-Connection - >"$dir/answer" 2>&1
}
peer stapled -
check "a server without an OCSP answer" has '^TLS'
peer stapled good
check "with a good one" has '^TLS'
peer stapled revoked
check "with one that says revoked" has '^refused auth.*revoked'
peer stapled forged
check "with one that another has signed" has '^refused auth'
peer must -
check "a must-staple certificate without" has '^refused auth.*\(status\|OCSP\)'
peer must must.good
check "a must-staple certificate with its answer" has '^TLS'

# ---- reload: the answer of today; one about another certificate is not taken ----
cp "$dir/good.der" "$dir/server.good.der"
kill -HUP $gatepid
check "an OCSP answer about another certificate: told, the old one stays" logged 'gate.reloaded\|reload' 'kept\|OCSP'
staple
check "and is stapled still" has 'Cert Status: good'
days=9 status server.good server "$(index V '' server)"
next=$(date -u -d '+9 days' '+Next Update: %b %e')
kill -HUP $gatepid
i=0; while staple && hasnt "$next" && [ $i -lt 50 ]; do i=$((i + 1)); sleep 0.1; done
check "after SIGHUP the new answer is stapled" has "$next"
status server.good server "$(index R "$(date -u -d yesterday +%y%m%d%H%M%SZ)" server)"
kill -HUP $gatepid
check "an answer that does not say good: an alarm" logged tls.ocsp_not_stapled server.good.der
staple
check "and none is stapled" has 'OCSP response: no response'
kill $gatepid; wait $gatepid

# ---- TLS 1.3, where an operator wants it ----
if command -v gnutls-cli >/dev/null; then
    echo 'tls_priority: "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:+ECDHE-PSK:+PSK"' >>"$dir/gate.yaml"
    "$ctl" --config "$dir/gate.yaml" credential add --public-key "$dir/raw.pub" --ae-id //sp.example.com/cse1/Craw >/dev/null
    run_gate
    foreign raw TLS1.3
    check "gnutls-cli with a raw key, TLS 1.3" has 'X-M2M-RSC: 2000'
    foreign stranger TLS1.3
    check "a stranger's, TLS 1.3" hasnt 'X-M2M-RSC'
    check "its audit line" logged gate.handshake_refused 'why=unknown_key'
fi
echo "$n checks, $bad failed"
[ -z "${KEEP_LOG:-}" ] || cp "$dir/gate.log" "$KEEP_LOG"
[ $bad -eq 0 ]
