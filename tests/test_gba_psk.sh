#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# gba over TLS-PSK, with openssl s_server as a foreign NAF and fake_ub as the BSF.
set -u
build=${top_builddir:-.}
gba=$build/ue/gba
command -v openssl >/dev/null || exit 77
dir=$(mktemp -d)
pids=()
cleanup() {
    local p
    for p in "${pids[@]}"; do kill "$p" 2>/dev/null; done
    wait
    rm -rf "$dir"
}
trap cleanup EXIT
unset GBA_BSF GBA_BSF_DOMAIN GBA_USIM GBA_STATE GBA_KEY_FILE GBA_CA GBA_BSF_CA
export HOME=$dir XDG_STATE_HOME=
# shellcheck source=tests/kit.sh
. "${top_srcdir:-.}/tests/kit.sh"
kit_show=$dir/err
run() { # CODE NAME COMMAND...
    local want=$1 name=$2 got
    shift 2
    timeout 60 "$@" >"$dir/out" 2>"$dir/err" </dev/null
    got=$?
    ok "$name (exit $got, want $want)" [ "$got" -eq "$want" ]
}
err() { grep -qF -- "$1" "$dir/err"; }
count() { [ "$(grep -c 'bootstrapped: B-TID' "$dir/err")" -eq "$1" ]; }

"$build/tests/fake_ub" "$dir/port" &
pids+=($!)
for _ in $(seq 300); do
    [ -s "$dir/port" ] && break
    sleep 0.05
done
"$gba" usim create "$dir/usim" --impi 001010000000001@ims.mnc001.mcc001.3gppnetwork.org \
    --k 465b5ce8b199b49faa5f0a2ee238a6bc --opc cd63cb71954a9f4e48a5994e37a02baf 2>"$dir/err"
dev=(--usim "$dir/usim" --state "$dir/s" --bsf "http://127.0.0.1:$(cat "$dir/port")/" --bsf-domain bsf.example.test)
run 0 bootstrap "$gba" bootstrap "${dev[@]}" --json
btid=$(sed -nE 's/.*"btid": "([^"]*).*/\1/p' "$dir/out")
key() { "$gba" key naf.example.test --ua "$1" "${dev[@]}"; }

# naf OPTION...: an openssl server; its URL in $naf.
naf() {
    local port=
    openssl s_server -accept 127.0.0.1:0 -www "$@" >"$dir/server" 2>&1 </dev/null &
    pids+=($!)
    for _ in $(seq 200); do
        port=$(sed -nE 's/^ACCEPT .*:([0-9]+)$/\1/p' "$dir/server")
        [ -n "$port" ] && break
        sleep 0.05
    done
    naf=https://naf.example.test:$port/ place=naf.example.test:$port
    at=(--resolve "naf.example.test:$port:127.0.0.1")
}
psk() { # UA OPTION...: with the key of that Ua identifier
    local k
    k=$(key "$1")
    shift
    naf -nocert -psk "$k" -psk_identity "3GPP-bootstrapping;$btid" "$@"
}
hint=(-psk_hint 3GPP-bootstrapping)

tls12() { # UA CIPHER
    psk "$1" -tls1_2 "${hint[@]}" -cipher "$2"
    run 0 "TLS 1.2 $2" "$gba" get --psk "$naf" "${at[@]}" "${dev[@]}" --json
    ok "TLS 1.2 $2: Ua id" grep -qF "\"ua\": \"$1\"" "$dir/out"
    ok "TLS 1.2 $2: no new bootstrap" count 0
}
tls12 010001ccac ECDHE-PSK-CHACHA20-POLY1305
tls12 010001c037 ECDHE-PSK-AES128-CBC-SHA256
tls12 01000100a8 PSK-AES128-GCM-SHA256
tls12 010001008c PSK-AES128-CBC-SHA
run 0 "--tls 1.2" "$gba" get --psk --tls 1.2 "$naf" "${at[@]}" "${dev[@]}"
run 4 "--tls 1.3 against a server of 1.2" "$gba" get --psk --tls 1.3 "$naf" "${at[@]}" "${dev[@]}" --state "$dir/other"
ok "--tls 1.3: the key played no part, so no bootstrap for its sake" count 1

psk 0100000007 -tls1_3
run 0 "TLS 1.3" "$gba" get --psk "$naf" "${at[@]}" "${dev[@]}" --json
ok "TLS 1.3: Ua id" grep -qF '"ua": "0100000007"' "$dir/out"
ok "TLS 1.3: a PSK handshake" grep -q 'Reused, TLSv1.3' <(base64 -d <<<"$(sed -nE 's/.*"body_base64": "([^"]*).*/\1/p' "$dir/out")")
run 0 "--tls 1.3" "$gba" get --psk --tls 1.3 "$naf" "${at[@]}" "${dev[@]}"
printf 'GET / HTTP/1.0\r\n\r\n' | timeout 60 "$gba" connect "$place" --psk "${at[@]}" "${dev[@]}" >"$dir/out" 2>"$dir/err"
ok "connect" grep -q '^HTTP/1.0 200' "$dir/out"
run 0 "the BSF over this carrier too" "$gba" bootstrap "${dev[@]}" --state "$dir/g" --carrier gnutls

# the server's key is now another session's: stale, once anew, then said
run 4 "wrong key, TLS 1.3" "$gba" get --psk "$naf" "${at[@]}" "${dev[@]}" --state "$dir/g"
ok "wrong key: one new bootstrap" count 1
ok "wrong key: said" err 'fresh bootstrap'
ok "wrong key: nothing on standard output" [ ! -s "$dir/out" ]
psk 010001ccac -tls1_2 "${hint[@]}"
run 4 "wrong key, TLS 1.2" "$gba" get --psk "$naf" "${at[@]}" "${dev[@]}" --state "$dir/g"
ok "wrong key, TLS 1.2: one new bootstrap" count 1

psk 010001ccac -tls1_2
run 4 "no hint" "$gba" get --psk "$naf" "${at[@]}" "${dev[@]}"
ok "no hint: said, and no bootstrap" err 'hint does not name'
ok "no hint: no bootstrap" count 0
psk 010001ccac -tls1_2 -psk_hint 3GPP-AKMA
run 4 "foreign hint" "$gba" get --psk "$naf" "${at[@]}" "${dev[@]}"
psk 010001ccac -tls1_2 -psk_hint '3GPP-bootstrapping-uicc;3GPP-bootstrapping'
run 0 "a list of hints" "$gba" get --psk "$naf" "${at[@]}" "${dev[@]}"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=naf.example.test \
    -addext subjectAltName=DNS:naf.example.test -keyout "$dir/key" -out "$dir/crt" 2>/dev/null
naf -cert "$dir/crt" -key "$dir/key"
run 4 "a server with a certificate alone" "$gba" get --psk "$naf" "${at[@]}" "${dev[@]}" --state "$dir/c" --ca "$dir/crt"
run 4 "the same, TLS 1.2" "$gba" get --psk --tls 1.2 "$naf" "${at[@]}" "${dev[@]}" --ca "$dir/crt"
ok "the same, TLS 1.2: no bootstrap" count 0
run 0 "certificate by the GnuTLS carrier" "$gba" get "$naf" "${at[@]}" "${dev[@]}" --ca "$dir/crt" --carrier gnutls
run 3 "certificate refused" "$gba" get "$naf" "${at[@]}" "${dev[@]}" --ca /dev/null --carrier gnutls
run 3 "another name's certificate" "$gba" get "${naf/naf./other.}" --resolve "${place/naf./other.}:127.0.0.1" "${dev[@]}" \
    --ca "$dir/crt" --carrier gnutls
ok "another name's certificate: said" err 'certificate refused'

run 2 "connect without --psk" "$gba" connect "$place" "${dev[@]}"
run 2 "connect without a port" "$gba" connect naf --psk "${dev[@]}"
run 2 "--tls without --psk" "$gba" get "$naf" --tls 1.2 "${dev[@]}"
run 2 "--tls 1.1" "$gba" get --psk "$naf" --tls 1.1 "${dev[@]}"
run 2 "no such carrier" "$gba" get "$naf" --carrier pigeon "${dev[@]}"
run 1 "PSK without TLS" "$gba" get --psk http://naf.example.test/ "${dev[@]}"

kit_end
