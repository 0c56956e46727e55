#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# TLS-PSK on gba-nafd's port with a real BSF: openssl s_client as a foreign UE with the key that
# `gba key` derives, curl with the certificate beside it, and what each misuse says to whom.
set -u
build=$(cd "${top_builddir:-.}" && pwd)
src=$(cd "${top_srcdir:-.}" && pwd)
command -v openssl >/dev/null || exit 77
demo=$(mktemp -d)/demo || exit 1
# shellcheck source=tests/demo.sh
. "$src/tests/demo.sh"
# shellcheck source=tests/kit.sh
. "$src/tests/kit.sh"
kit_show=$demo/out
cleanup() {
    [ -z "${shark:-}" ] || kill "$shark" 2>/dev/null
    demo_stop quiet 2>/dev/null
    rm -rf "${demo%/demo}"
}
trap cleanup EXIT
out_has() { grep -q -- "$1" "$demo/out"; }
log_has() { # the log is written behind the answer
    for _ in $(seq 300); do
        tail -n "+$((mark + 1))" "$demo/gba-nafd.log" | grep -q -- "$1" && return
        sleep 0.1
    done
    return 1
}
marked() { mark=$(wc -l <"$demo/gba-nafd.log"); }

demo_prepare
sed -i "s/fqdns: \[localhost\]/fqdns: [localhost, naf2.localhost]/" "$NAF_CONFIG"
cat >>"$NAF_CONFIG" <<CONF
log:
  level: debug
CONF
demo_start
demo_provision >/dev/null
demo_gba bootstrap >/dev/null 2>"$demo/err" || demo_fail "no bootstrap"
key() { demo_gba key "$1" --ua "$2" 2>>"$demo/err"; } # key FQDN UA
btid=$(demo_gba key localhost --ua 0100000007 --json | sed -nE 's/.*"btid": "([^"]*)".*/\1/p')
# psk IDENTITY KEY SNI HOST OPTION...: openssl's words and the answer in $demo/out
psk() {
    local id=$1 key=$2 sni=$3 host=$4
    shift 4
    (
        printf 'GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$host"
        sleep 2
    ) | timeout 20 openssl s_client -connect "127.0.0.1:$p_naftls" -servername "$sni" -psk_identity "$id" \
        -psk "$key" -quiet "$@" >"$demo/out" 2>&1
    return 0
}
id="3GPP-bootstrapping;$btid"
k13=$(key localhost 0100000007) kcc=$(key localhost 010001ccac) kc0=$(key localhost 010001c037)
wrong=$(printf '00%.0s' {1..32})

psk "$id" "$k13" localhost localhost -tls1_3
ok "TLS 1.3" out_has "localhost knows you"
ok "whose" out_has "b-tid: $btid"
ok "neither challenge nor Authentication-Info" no out_has -i "auth.*:.*"
psk "$id" "$kcc" localhost "localhost:$p_naftls" -tls1_2 -cipher ECDHE-PSK-CHACHA20-POLY1305
ok "TLS 1.2, ChaCha20" out_has "localhost knows you"
psk "$id" "$kc0" localhost localhost -tls1_2 -cipher ECDHE-PSK-AES128-CBC-SHA256
ok "TLS 1.2, AES-CBC" out_has "localhost knows you"
psk "$id" "$k13" localhost naf2.localhost -tls1_3
ok "another Host than the server name: 421" out_has "HTTP/1.1 421"
openssl s_client -connect "127.0.0.1:$p_naftls" -tls1_2 -psk_identity x -psk 00 -cipher PSK >"$demo/out" 2>&1 </dev/null
ok "plain PSK only by configuration" no out_has "Cipher.*PSK-AES"
if command -v curl >/dev/null; then
    ok "the certificate, on the same port" [ "$(curl -s -m 20 --noproxy '*' --cacert "$NAF_CA" -o /dev/null -w '%{http_code}' "$NAF_URL")" = 401 ]
fi

# ---- misuse: silent to the peer, named to the operator ----
marked
psk "$id" "$wrong" localhost localhost -tls1_3
ok "wrong key: no answer" no out_has "HTTP/1.1"
ok "wrong key: named" log_has 'ua.psk_refused.*wrong_key.*Ua security protocol identifier'
marked
psk "$id" "$k13" localhost localhost -tls1_2 -cipher ECDHE-PSK-CHACHA20-POLY1305
ok "the key of another Ua identifier: no answer" no out_has "HTTP/1.1"
ok "the key of another Ua identifier: named" log_has 'ua.psk_refused.*wrong_key'
marked
psk "$id" "$k13" other.test localhost -tls1_3
ok "wrong FQDN: named" log_has 'ua.psk_refused.*wrong_host.*naf.fqdns'
marked
psk "3GPP-bootstrapping;AAAAAAAAAAAAAAAAAAAAAA==@bsf.elsewhere.test" "$k13" localhost localhost -tls1_3
ok "a B-TID of another BSF: named" log_has 'ua.psk_refused.*foreign_bsf.*naf.bsfs'
marked
psk "3GPP-bootstrapping;AAAAAAAAAAAAAAAAAAAAAA==@$BSF_DOMAIN" "$k13" localhost localhost -tls1_3
ok "an unknown B-TID: named" log_has 'ua.psk_refused.*unknown_btid'
marked
psk "$id" "$(key naf2.localhost 0100000007)" naf2.localhost naf2.localhost -tls1_3
ok "an FQDN that the BSF does not give us: named" log_has 'ua.psk_refused.*forbidden.*gba-bsfctl naf allow'

# ---- what a stranger sees: the same records, the same alert, whether the B-TID is unknown or the key wrong ----
seen() { # seen IDENTITY KEY OPTION...: the server's records, in order
    local id=$1 key=$2
    shift 2
    timeout 20 openssl s_client -connect "127.0.0.1:$p_naftls" -servername localhost -psk_identity "$id" -psk "$key" \
        -msg "$@" >"$demo/out" 2>&1 </dev/null
    grep '^<<<' "$demo/out"
}
unknown="3GPP-bootstrapping;AAAAAAAAAAAAAAAAAAAAAA==@$BSF_DOMAIN"
for v in "-tls1_3" "-tls1_2 -cipher ECDHE-PSK-CHACHA20-POLY1305" "-tls1_2 -cipher ECDHE-PSK-AES128-CBC-SHA256"; do
    # shellcheck disable=SC2086
    a=$(seen "$id" "$wrong" $v) b=$(seen "$unknown" "$wrong" $v) c=$(seen "3GPP-bootstrapping;x@bsf.elsewhere.test" "$wrong" $v)
    ok "$v: a wrong key gets an alert" grep -q 'Alert.*fatal decrypt_error' <<<"$a"
    ok "$v: an unknown B-TID gets the same" test "$a" = "$b"
    ok "$v: and one of another BSF" test "$a" = "$c"
done

# ---- on the wire ----
if command -v tshark >/dev/null && tshark -D 2>/dev/null | grep -qw lo; then
    tshark -q -i lo -f "tcp port $p_naftls" -w "$demo/wire.pcapng" 2>"$demo/err" &
    shark=$!
    for _ in $(seq 200); do # it is up when it has seen something
        : 2>/dev/null <"/dev/tcp/127.0.0.1/$p_naftls"
        [ "$(stat -c %s "$demo/wire.pcapng" 2>/dev/null || echo 0)" -gt 600 ] && break
        sleep 0.1
    done
    psk "$id" "$kcc" localhost localhost -tls1_2 -cipher ECDHE-PSK-CHACHA20-POLY1305
    psk "$id" "$k13" localhost localhost -tls1_3
    sleep 2
    kill "$shark" && wait "$shark" 2>/dev/null
    shark=
    tshark -r "$demo/wire.pcapng" -d "tcp.port==$p_naftls,tls" -V >"$demo/wire" 2>/dev/null
    if [ -s "$demo/wire" ]; then
        hex=$(od -An -v -tx1 "$demo/wire.pcapng" | tr -d ' \n')
        # tshark does not take ServerKeyExchange apart with ECDHE-PSK: 0c, length, 0012, the hint
        ok "on the wire: the hint" grep -q '0c[0-9a-f]\{6\}0012334750502d626f6f747374726170' <<<"$hex"
        ok "tshark: the TLS 1.2 suite" grep -q 'Cipher Suite: .*(0xccac)' "$demo/wire"
        ok "tshark: the TLS 1.3 suite" grep -q 'Cipher Suite: TLS_AES_128_GCM_SHA256' "$demo/wire"
        ok "no key on the wire" no grep -q "$kcc\|$k13" <<<"$hex"
    fi
fi

# ---- a ticket and a revoked session ----
# The NAF keeps a key that it has until that ends (docs/threat-model.md), and with it the tickets; where it must ask
# again, which a restart brings about, the ticket is refused, and the full handshake finds the B-TID unknown.
tick() { # tick OPTION...: one request; openssl's words and the answer in $demo/out
    (
        printf 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'
        sleep 2
    ) | timeout 20 openssl s_client -connect "127.0.0.1:$p_naftls" -servername localhost -ign_eof "$@" >"$demo/out" 2>&1
}
with12="-tls1_2 -cipher ECDHE-PSK-CHACHA20-POLY1305 -psk $kcc -psk_identity $id"
# shellcheck disable=SC2086
tick $with12 -sess_out "$demo/sess12"
ok "TLS 1.2: a session" out_has '^New'
tick -tls1_3 -psk "$k13" -psk_identity "$id" -sess_out "$demo/sess13"
ok "TLS 1.3: a session" out_has "localhost knows you"
ok "gba-bsfctl revokes it" bsfctl session revoke "$btid"
# shellcheck disable=SC2086
tick $with12 -sess_in "$demo/sess12"
ok "TLS 1.2: the ticket is good as long as the NAF has the key" out_has '^Reused'
ok "and carries the identity" out_has "b-tid: $btid"
tick -tls1_3 -sess_in "$demo/sess13"
ok "TLS 1.3: likewise" out_has '^Reused'
ok "and carries the identity, TLS 1.3" out_has "b-tid: $btid"
kill "$NAF_PID"
wait "$NAF_PID"
demo_daemon gba-nafd "$build/naf/gba-nafd" "$NAF_CONFIG" "$NAF_ADMIN_URL"
NAF_PID=$demo_pid
demo_env
marked
# shellcheck disable=SC2086
tick $with12 -sess_in "$demo/sess12"
ok "TLS 1.2: the ticket is refused afterwards, and so is the key" out_has 'alert decrypt error'
ok "neither resumed nor answered" no out_has '^Reused\|HTTP/1.1'
ok "as unknown" log_has "ua.psk_refused.*unknown_btid.*btid=\"*$btid"
tick -tls1_3 -sess_in "$demo/sess13"
ok "TLS 1.3: a full handshake, by certificate" out_has '^New'
ok "which knows nobody" out_has 'HTTP/1.1 401'
psk "$id" "$k13" localhost localhost -tls1_3
ok "TLS 1.3: the key is refused" out_has 'alert decrypt error'
kit_end
