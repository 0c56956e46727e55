#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Who is believed to be a Diameter peer: a stranger who takes the HSS's identity, from another address or with
# another certificate, is asked nothing and gets nothing; a subscriber whose record at the HSS is damaged is alone
# with it; and nothing that freeDiameter writes holds a key.
# The parties run in a network namespace. E2E_KEEP=yes leaves the folder.
set -u
. "${top_srcdir:-.}/tests/diameter_kit.sh" diameter-peers
ub_is() { # STATUS [IMPI]: of a first Ub request
    exec 7<>"/dev/tcp/$BSF_ADDRESS/8080"
    printf 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Digest username="%s", realm="%s", nonce="", uri="/", response=""\r\n\r\n' \
        "${2:-$IMPI}" "$BSF_DOMAIN" >&7
    local got
    got=$(tr -d '\r' <&7 | sed -n '1s/^HTTP[^ ]* \([0-9]*\).*/\1/p')
    exec 7>&-
    [ "$got" = "$1" ] || { say "     Ub says $got" && false; }
}
peers_are() { [ "$(dia_metric $BSF_ADDRESS gba_diameter_peers | tail -n 1)" = "$1" ]; }
btid() { sed -n 's/.*"btid": *"\([^"]*\)".*/\1/p' "$demo/session.json"; }
boot() { dia_gba bootstrap --json >"$demo/session.json" 2>"$demo/boot.err"; }
# asks FIRST... PEER_ADDRESS COMMAND: what the tester at the hub asks of the BSF, or says
asks() { "$tool" "$@" >"$demo/ask" 2>>"$demo/tool.log"; }
says() { grep -q "$1" "$demo/ask" || { say "     $(cat "$demo/ask")" && false; }; }
gone() { while kill -0 "$1" 2>/dev/null; do sleep 0.05; done; }
heard() { grep -qE "$1" "$demo/gba-bsfd.log"; }
stranger_ends() {
    kill $stranger_pid && wait $stranger_pid 2>/dev/null
    say "     stranger: $(grep -c asked "$demo/stranger") questions"
}

cleanup() {
    dia_env
    demo_stop quiet
}
start() { # dia_tls is set
    (umask 077 && mkdir -p "$demo")
    trap cleanup EXIT
    dia_net_parties
    dia_timeout=1000 dia_prepare
    # with TLS the BSF connects to the tester, too
    [ $dia_tls = no ] || sed -i "/identity: $DIAMETER_TESTER/,/connect:/s/connect: false/connect: true/" "$BSF_CONFIG"
    dia_start_hss
    dia_provision
    dia_start_bsf
    dia_wait_peer gba-bsfd hss.home.test; [ -z "${DIA_STOP:-}" ] || exit 1
}

# ---- plain TCP: the address decides ----
dia_tls=no
start
ok "the HSS is asked" ub_is 401
ok "and counts as connected" peers_are 1

# ---- a damaged record is its subscriber's fault alone ----
hurt=001010000000002@ims.mnc001.mcc001.3gppnetwork.org
hssctl subscriber add "$hurt" --k "$K" --opc "$OPC" >/dev/null
ok "another subscriber" ub_is 401 "$hurt"
sqlite3 "$demo/hss.db" "UPDATE rec SET value = zeroblob(length(value)) WHERE kind = 1 AND key = CAST('$hurt' AS BLOB)"
sleep 0.1 # the cache looks at the store every 10 ms
for _ in 1 2 3; do
    ok "its record is damaged: 503 for it" ub_is 503 "$hurt"
    ok "and a challenge for the other" ub_is 401
done
ok "the HSS answered 5012" dia_is $HSS_ADDRESS 'gba_hss_total{result="DIAMETER_UNABLE_TO_COMPLY"}' 6
ok "and names it" grep -q "av.subscriber_damaged.*impi=$hurt" "$demo/gba-hssd.log"
ok "in its metric, too" test "$(dia_metric $HSS_ADDRESS gba_av_damaged_total | tail -n 1)" -eq 6

# ---- plain TCP, continued: one who takes the HSS's identity ----
kill "$HSS_PID" && gone "$HSS_PID"
until_ok 10 peers_are 0
# From the hub's address; freeDiameter believes who says that he is the HSS.
"$tool" hss.home.test home.test $DIAMETER_HUB bsf.home.test $BSF_ADDRESS vector >"$demo/stranger" 2>>"$demo/tool.log" &
stranger_pid=$!
ok "plain TCP: one who takes its identity from another address is named" \
    until_ok 20 heard "diameter.stack.*hss.home.test at $DIAMETER_HUB .*another address"
ok "he is asked nothing" ub_is 503
ok "and is no connected peer" peers_are 0
stranger_ends
ok "no question reached him" not grep -q asked "$demo/stranger"
dia_start_hss
ok "the HSS itself is believed again" until_ok 90 ub_is 401
boot
asks $DIAMETER_TESTER home.test $DIAMETER_HUB bsf.home.test $BSF_ADDRESS bir home.test "$(btid)" naf.home.test 0100000002
ok "a NAF that connects from its address is told" says code=2001
# ---- a peer that we wait for: a stranger gets nothing, and keeps it out no moment ----
kill "$HSS_PID" && gone "$HSS_PID"
for way in "$HSS_HOLD_PID $HSS_ADDRESS" "$BSF_HOLD_PID 127.0.0.1"; do
    nsenter -t "${way% *}" -n timeout 10 "$build/tests/raw_hss" taker $DIAMETER_HUB $DIAMETER_TESTER home.test \
        tcp "${way#* }" $BSF_ADDRESS >"$demo/stranger" 2>&1
    ok "plain TCP: from ${way#* } under a NAF's identity one is shut out" grep -q closed "$demo/stranger"
    asks $DIAMETER_TESTER home.test $DIAMETER_HUB bsf.home.test $BSF_ADDRESS bir home.test "$(btid)" naf.home.test 0100000002
    ok "and the NAF itself is told at once" says code=2001
done
ok "each was named" test "$(grep -c "diameter.stack.*$DIAMETER_TESTER.*not believed" "$demo/gba-bsfd.log")" -eq 2

dia_start_hss
ok "the BSF believes who stands at the HSS's own address, whoever else was there" until_ok 90 ub_is 401

# ---- whoever sends while the stack stops has its end told: a peer that never answers ----
nsenter -t "$NAF_HOLD_PID" -n "$build/tests/raw_hss" mute $NAF_ADDRESS mute.home.test home.test >"$demo/mute" 2>&1 &
mute_pid=$!
asks $DIAMETER_TESTER home.test $DIAMETER_HUB mute.home.test $NAF_ADDRESS stop home.test "$IMPI"
ok "a question that is sent while the stack stops has one end, none is sent behind" says 'sent=1 told=1 late=0'
kill $mute_pid
cleanup
trap - EXIT

# ---- TLS: the certificate decides ----
rm -rf "$demo/state" "$demo"/*.db* "$demo"/*.seal "$demo/usim"*
ip link del dia0 2>/dev/null
mkdir -p "$demo/plain" && mv "$demo"/*.log "$demo/plain/"
HSS_PID='' BSF_PID=''
dia_tls=yes
start
ok "TLS: the HSS is asked" ub_is 401
kill "$HSS_PID" && gone "$HSS_PID"
until_ok 10 peers_are 0
demo_cert dia dia-other other.home.test
"$build/tests/raw_hss" taker $DIAMETER_HUB hss.home.test home.test openssl s_client -quiet -connect "$BSF_ADDRESS:5658" \
    -cert "$demo/dia-other.pem" -key "$demo/dia-other.key" >"$demo/stranger" 2>>"$demo/tool.log" &
stranger_pid=$!
ok "TLS: one with another's certificate of the same CA is named" \
    until_ok 20 heard "diameter.stack.*hss.home.test.*certificate"
ok "TLS: he is asked nothing" ub_is 503
stranger_ends
ok "TLS: no question reached him" not grep -q asked "$demo/stranger"
dia_start_hss
ok "TLS: the HSS itself is believed again" until_ok 90 ub_is 401
boot
demo_cert dia dia-$DIAMETER_TESTER $DIAMETER_TESTER
asks --tls "$demo" $DIAMETER_TESTER home.test $DIAMETER_HUB bsf.home.test - bir home.test "$(btid)" naf.home.test 0100000002
ok "TLS: a NAF that the BSF connects to is told" says code=2001
kill "$BSF_PID" "$HSS_PID" && gone "$BSF_PID" && gone "$HSS_PID"
ok "no key in any log" not grep -riE "$K|$OPC|val=<|0x[0-9a-f]{32}" "$demo" --include='*.log'
cleanup
trap - EXIT
say "$passed passed, $failed failed"
[ $failed -eq 0 ]
