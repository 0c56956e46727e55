#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# gba-nafd's TLS-PSK sessions as processes: the proxy behind them, what resumes and what does not, a key that
# ends under an open connection, and the cap on handshakes that wait for a key.
# shellcheck source=tests/nafd_kit.sh disable=SC2154
. "${top_srcdir:-.}/tests/nafd_kit.sh"
command -v openssl >/dev/null || exit 77
kit_stage
demo_free_port && tls=$demo_port
config <<CONF
ua:
  listen: 127.0.0.1:$plain
  tls_listen: 127.0.0.1:$tls
  cert: naf.pem
  key: naf.key
  psk_waiting: 2
upstreams:
  - path: /app/
    url: http://127.0.0.1:$up_port
CONF
start_nafd
hex() { pw "$1" "$2" | base64 -d | od -An -v -tx1 | tr -d ' \n'; } # Ks_NAF of BTID for UA
# s_client WANT BTID VERSION OPTION...: feeds standard input to openssl; ends when WANT answers have come, or it
# has given up. Its words and the answers are in $demo/out. BTID -: without a key.
s_client() {
    local want=$1 btid=$2 version=$3 key cipher=''
    shift 3
    if [ "$btid" = - ]; then key=; elif [ "$version" = 1_3 ]; then key=$(hex "$btid" 0100000007); else
        key=$(hex "$btid" 010001ccac) cipher='-cipher ECDHE-PSK-CHACHA20-POLY1305'
    fi
    : >"$demo/out"
    # shellcheck disable=SC2086
    { cat
      for _ in $(seq 300); do
          [ "$(statuses | wc -w)" -ge "$want" ] && break
          grep -q '^Alert\|errno=\|error:\|closed' "$demo/out" && break
          sleep 0.1
      done
      sleep 0.3; } | timeout 60 openssl s_client -connect "127.0.0.1:$tls" -servername localhost -ign_eof \
        "-tls$version" $cipher ${key:+-psk $key -psk_identity "3GPP-bootstrapping;$btid"} "$@" >"$demo/out" 2>&1
}
ask() { printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nX-3GPP-Asserted-Identity: "liar"\r\n%s\r\n' "$1" "${2:-}"; }
statuses() { grep -ao 'HTTP/1\.1 [0-9][0-9]*' "${1:-$demo/out}" | cut -d' ' -f2 | paste -sd' '; } # openssl's words are between
closing=$'Connection: close\r\n'

# ---- the proxy ----
for v in 1_2 1_3; do
    ask /app/x "$closing" | s_client 1 "resume$v@bsf.test" $v -sess_out "$demo/sess$v"
    is "TLS $v: the upstream's page" 200 "$(statuses)"
    ok "TLS $v: with the identity of the TLS peer" out_has "^x-3gpp-asserted-identity:.*resume$v@bsf.test"
    ok "TLS $v: and not the one that the UE sent" no out_has '^x-3gpp-asserted-identity:.*liar'
done

# ---- tickets ----
for v in 1_2 1_3; do # in TLS 1.3 openssl says Reused also of a key, so there the ticket is all that it has
    ask /app/x "$closing" | s_client 1 "$([ $v = 1_3 ] && echo - || echo resume1_2@bsf.test)" $v -sess_in "$demo/sess$v"
    is "TLS $v: a ticket" 200 "$(statuses)"
    ok "TLS $v: resumes" out_has '^Reused'
    ok "TLS $v: and carries the identity" out_has "^x-3gpp-asserted-identity:.*resume$v@bsf.test"
done

# ---- a key that ends ----
(
    out=$demo/out.live
    mkfifo "$demo/live"
    timeout 90 openssl s_client -connect "127.0.0.1:$tls" -servername localhost -quiet -tls1_3 \
        -psk "$(hex brief@bsf.test 0100000007)" -psk_identity '3GPP-bootstrapping;brief@bsf.test' \
        <"$demo/live" >"$out" 2>/dev/null &
    exec 5>"$demo/live"
    ask / >&5
    for _ in $(seq 300); do grep -q '^HTTP/1.1' "$out" && break || sleep 0.1; done
    : >"$demo/live.ready"
    sleep 16
    ask / "$closing" >&5
    wait
) &
live=$!
for _ in $(seq 300); do [ -e "$demo/live.ready" ] && break || sleep 0.1; done
ask / "$closing" | s_client 1 brief@bsf.test 1_3 -sess_out "$demo/sess-brief"
is "a short-lived key" 200 "$(statuses)"
wait $live
is "a key that ends under an open connection" "200 421" \
    "$(statuses "$demo/out.live")"
ask / "$closing" | s_client 1 - 1_3 -sess_in "$demo/sess-brief"
ok "the ticket dies with its key: a full handshake" out_has '^New'
is "by certificate, so Digest is asked for" 401 "$(statuses)"

# ---- the cap: two may wait for a BSF that is silent; who comes while they do is turned away ----
busy() { grep -c 'ua.psk_refused.*reason=too_many_waiting' "$demo/nafd.log"; }
for round in $(seq 10); do # a machine may be too slow to have three at once
    waiters=
    for i in 1 2 3 4 5 6; do
        timeout 60 openssl s_client -connect "127.0.0.1:$tls" -servername localhost -tls1_3 -psk 00 \
            -psk_identity "3GPP-bootstrapping;mute$round$i@bsf.test" </dev/null >"$demo/waiter$i" 2>&1 &
        waiters="$waiters $!"
    done
    ask / "$closing" | s_client 1 resume1_3@bsf.test 1_3
    warm=$(statuses)
    # shellcheck disable=SC2086
    wait $waiters
    [ "$(busy)" -gt 0 ] && break
done
ok "more waiting handshakes than ua.psk_waiting are refused" test "$(busy)" -gt 0
is "a warm one is not" 200 "$warm"
# not the alert of a refused key: each of these UEs would bootstrap anew
is "and each gets a clear alert, at the deadline at the latest" 6 "$(grep -l 'alert internal error' "$demo"/waiter? | wc -l)"
for v in -tls1_3 "-tls1_2 -cipher ECDHE-PSK-CHACHA20-POLY1305"; do
    # shellcheck disable=SC2086
    timeout 60 openssl s_client -connect "127.0.0.1:$tls" -servername localhost $v -psk 00 \
        -psk_identity "3GPP-bootstrapping;any@gone.test" </dev/null >"$demo/out" 2>&1
    ok "${v%% *}: nor is a BSF that is down its key's fault" out_has 'alert internal error'
    # shellcheck disable=SC2086
    timeout 60 openssl s_client -connect "127.0.0.1:$tls" -servername localhost $v -psk 00 \
        -psk_identity "3GPP-bootstrapping;unknown1@bsf.test" </dev/null >"$demo/out" 2>&1
    ok "${v%% *}: an unknown B-TID is" out_has 'alert decrypt error'
done

# ---- a restart ----
stop_nafd
start_nafd
for v in 1_2 1_3; do
    ask /app/x "$closing" | s_client 1 "resume$v@bsf.test" $v -sess_in "$demo/sess$v"
    is "TLS $v: after a restart a page all the same" 200 "$(statuses)"
    ok "TLS $v: of the same" out_has "^x-3gpp-asserted-identity:.*resume$v@bsf.test"
    [ $v = 1_3 ] && ask /app/x "$closing" | s_client 1 - $v -sess_in "$demo/sess$v"
    ok "TLS $v: by a full handshake" out_has '^New'
done
stop_nafd
kit_end
