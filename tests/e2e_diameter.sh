#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The Diameter chain as processes in a network namespace: UE, BSF, two HSSs, NAF, Zn-Proxy and visited
# NAF; what travels is read by tshark. E2E_KEEP=yes leaves the folder.
set -u
. "${top_srcdir:-.}/tests/diameter_kit.sh" e2e-diameter
boot() { dia_gba bootstrap --json >"$demo/session.json" 2>"$demo/boot.err"; }
btid() { sed -n 's/.*"btid": *"\([^"]*\)".*/\1/p' "$demo/session.json"; }
# within MS COMMAND...: it ends in that time.
within() {
    local ms=$1 began end
    shift
    began=$(date +%s%3N)
    "$@"
    local rc=$?
    end=$(date +%s%3N)
    [ $((end - began)) -le "$ms" ] || say "     took $((end - began)) ms"
    [ $rc -eq 0 ] && [ $((end - began)) -le "$ms" ]
}
# The status and Retry-After of a first Ub request.
ub_status() {
    exec 7<>"/dev/tcp/$BSF_ADDRESS/8080"
    printf 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Digest username="%s", realm="%s", nonce="", uri="/", response=""\r\n\r\n' \
        "${1:-$IMPI}" "$BSF_DOMAIN" >&7
    cat <&7 | tr -d '\r' >"$demo/ub.answer"
    exec 7>&-
    sed -n '1s/^HTTP[^ ]* \([0-9]*\).*/\1/p' "$demo/ub.answer"
}
ub_is() { [ "$(ub_status "${2:-$IMPI}")" = "$1" ] || { say "     $(head -1 "$demo/ub.answer")" && false; }; }
retry_after() { grep -qi '^retry-after: *[0-9]' "$demo/ub.answer"; }
ask() { "$tool" $DIAMETER_TESTER home.test $DIAMETER_HUB bsf.home.test $BSF_ADDRESS bir home.test "$@" >"$demo/ask" 2>>"$demo/tool.log"; }
ask_hss() { "$tool" $DIAMETER_TESTER home.test $DIAMETER_HUB hss.home.test $HSS_ADDRESS mar home.test "$@" >"$demo/ask" 2>>"$demo/tool.log"; }
says() { grep -q "$1" "$demo/ask" || { say "     $(cat "$demo/ask")" && false; }; }
# shellcheck disable=SC2120
ready() { demo_http "http://${1:-$BSF_ADDRESS}:8081/readyz"; }
lives() { demo_http "http://${1:-$BSF_ADDRESS}:8081/healthz"; }
not_ready() { # ADDRESS REASON
    exec 7<>"/dev/tcp/$1/8081" || return 1
    printf 'GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >&7
    cat <&7 | tr -d '\r' >"$demo/ready.answer"
    exec 7>&-
    head -1 "$demo/ready.answer" | grep -q ' 503 ' && sed '1,/^$/d' "$demo/ready.answer" | grep -q "$2"
}

cleanup() {
    dia_capture_end
    dia_env
    demo_stop quiet
}
set_up() {
    (umask 077 && mkdir -p "$demo")
    trap cleanup EXIT
    dia_net_parties
    dia_party 6 && HSSB_HOLD_PID=$dia_pid
    dia_timeout=1000
    dia_prepare "hss.home.test, hssb.home.test"
    "$build/bsf/gba-bsfctl" --config "$HSSB_CONFIG" seal create-key >/dev/null
    dia_capture "$demo/diameter.pcap"
    dia_start_hss
    dia_provision
    "$build/bsf/gba-bsfctl" --config "$HSSB_CONFIG" subscriber add "$IMPI" --k "$K" --opc "$OPC" >/dev/null
    dia_start_bsf
    dia_start_nafs
    dia_wait_peers
}
start_hssb() { dia_daemon gba-hssd-b "$HSSB_HOLD_PID" bsf/gba-hssd "$HSSB_CONFIG" $HSSB_ADDRESS 8081 && HSSB_PID=$demo_pid; }
gone() { while kill -0 "$1" 2>/dev/null; do sleep 0.05; done; }

# ---- the chain ----
chain() {
    ok "the examples and configurations pass --check" checks
    ok "a bootstrap with the HSS's vector" boot
    ok "the session lives as long as the GUSS says" lifetime_is 7200
    ok "NAF over Zn, its NAF group's setting alone" dia_page "$NAF_URL" sip:alice@home.test
    ok "and none of another group" not grep -q nobody "$demo/page"
    ok "visited NAF through the Zn-Proxy" dia_page "$NAFB_URL" "$BSF_DOMAIN"
    ok "which does not learn the IMPI" not grep -q "$IMPI" "$demo/page"
    B=$(btid)
    ask "$B" naf.home.test 0100000002 1 4
    ok "a granted NAF_Id" says 'code=2001 vendor=0 key=32 impi=- uss=0'
    ask "$B" naf.visited.test 0100000002
    ok "a NAF_Id of somebody else: 5402" says 'code=5402 vendor=10415 key=0'
    ask "$B" naf.home.test 0100010001
    ok "a Ua protocol that is not granted: 5402" says code=5402
    ask unknown@bsf.home.test naf.home.test 0100000002
    ok "an unknown B-TID: 5403" says 'code=5403 vendor=10415'
    ask - naf.home.test 0100000002
    ok "no Transaction-Identifier: 5005" says 'code=5005 vendor=0'
    ask_hss "$IMPI"
    ok "the HSS gives a vector and the GUSS" says 'code=2001 vendor=0 vector=yes xres=8 guss=[1-9]'
    ask_hss 001019999999999@ims.mnc001.mcc001.3gppnetwork.org
    ok "an unknown IMPI: 5401" says 'code=5401 vendor=10415 vector=no'
    ask_hss "$IMPI" 00000000000000000000000000000000 0000000000000000000000000000
    ok "a wrong AUTS: 5012" says 'code=5012 vendor=0'
    ok "unknown to the HSS is 403 on Ub" ub_is 403 001019999999999@ims.mnc001.mcc001.3gppnetwork.org
    ok "the BSF asked with the GUSS's timestamp and kept its copy" boot
    "$tool" naf.home.test home.test $DIAMETER_HUB bsf.home.test $BSF_ADDRESS bir home.test "$B" naf.home.test 0100000002 \
        >"$demo/ask" 2>>"$demo/tool.log" &
    wait $!
    ok "a NAF's name from another address gets nothing" not grep -q key=32 "$demo/ask"
    for at in $HSS_ADDRESS $BSF_ADDRESS $NAF_ADDRESS $ZNPROXY_ADDRESS; do
        ok "hostile heads at the admin listener of $at" python3 "$top/tests/heads.py" admin=$at:8081 admin=$at:8081 listener=admin
    done
}
lifetime_is() {
    local end
    end=$(date -d "$(sed -n 's/.*"lifetime": *"\([^"]*\)".*/\1/p' "$demo/session.json")" +%s) || return 1
    [ $((end - $(date +%s))) -le "$1" ] && [ $((end - $(date +%s))) -ge $(($1 - 120)) ]
}
checks() {
    local f
    for f in "bsf/gba-bsfd $BSF_CONFIG" "bsf/gba-hssd $HSS_CONFIG" "bsf/gba-znproxyd $ZNPROXY_CONFIG" "naf/gba-nafd $NAF_CONFIG" \
        "bsf/gba-bsfd $top/examples/bsf-diameter.yaml" "bsf/gba-hssd $top/examples/hss.yaml" \
        "bsf/gba-znproxyd $top/examples/znproxy.yaml"; do
        "$build/${f%% *}" --check --config "${f#* }" 2>"$demo/check.err" || {
            cat "$demo/check.err"
            return 1
        }
    done
}

# ---- a reload names what it cannot take over ----
reload() {
    cp "$BSF_CONFIG" "$demo/bsf.before"
    sed -i 's/^  sctp: no$/  sctp: no\n  threads: 5/; s/^    timeout_ms: .*/    timeout_ms: 999/; /identity: naf.home.test/,/connect/s/connect: false/connect: true/' "$BSF_CONFIG"
    kill -HUP "$BSF_PID"
    ok "a reload names what needs a restart" until_ok 10 named diameter.threads
    ok "each of it" all_named 'diameter.peers\[[0-9]\].connect' 'av\[0\].timeout_ms'
    ok "and nothing else" test "$(grep -c config.restart_needed "$demo/gba-bsfd.log")" -eq 3
    cp "$demo/bsf.before" "$BSF_CONFIG"
    sed -i 's/^  sctp: no$/  sctp: no\n  threads: 5/' "$HSS_CONFIG"
    kill -HUP "$HSS_PID"
    ok "so does the HSS" until_ok 10 grep -q 'config.restart_needed.*diameter.threads' "$demo/gba-hssd.log"
    sed -i '/^  threads: 5$/d' "$HSS_CONFIG"
}
named() { grep -q "config.restart_needed.*setting=\"\?$1" "$demo/gba-bsfd.log"; }
all_named() { for w in "$@"; do named "$w" || return 1; done; }

# ---- SCTP: used where the kernel has it, refused in words where it lacks and is demanded ----
sctp() {
    sed 's/^  sctp: no$/  sctp: yes/; s/8081/8085/; s/:8080/:8086/; s/sqlite:bsf.db/sqlite:sctp.db/' "$BSF_CONFIG" >"$demo/sctp.yaml"
    if nsenter -t "$BSF_HOLD_PID" -n perl -MSocket -e 'socket(S, AF_INET, SOCK_STREAM, 132) or exit 1'; then
        kill "$BSF_PID" "$HSS_PID" && gone "$BSF_PID" && gone "$HSS_PID"
        sed -i 's/^  sctp: no$/  sctp: yes/' "$BSF_CONFIG" "$HSS_CONFIG"
        sed -i 's/^    - identity: hss.home.test$/&\n      sctp: true/' "$BSF_CONFIG"
        dia_start_hss && dia_start_bsf
        ok "SCTP: a bootstrap" until_ok 20 boot
        ok "SCTP: an association with the HSS" \
            nsenter -t "$BSF_HOLD_PID" -m -n sh -c 'mount -t proc proc /proc 2>/dev/null; grep -q "10.99.0.1\b" /proc/net/sctp/assocs'
        kill "$BSF_PID" "$HSS_PID" && gone "$BSF_PID" && gone "$HSS_PID"
        sed -i 's/^  sctp: yes$/  sctp: no/; /^      sctp: true$/d' "$BSF_CONFIG" "$HSS_CONFIG"
        dia_start_hss && dia_start_bsf && dia_wait_peers && until_ok 20 boot
        return
    fi
    nsenter -t "$BSF_HOLD_PID" -n "$build/bsf/gba-bsfd" --config "$demo/sctp.yaml" >"$demo/sctp.log" 2>&1
    ok "SCTP demanded of a kernel without it: no start" test $? -eq 1
    ok "and the way out is said" grep -q 'has no SCTP.*modprobe sctp' "$demo/sctp.log"
}

# ---- resynchronisation: the HSS restored an old backup, the card is ahead ----
resync() {
    hssctl subscriber remove "$IMPI" >/dev/null
    hssctl subscriber add "$IMPI" --k "$K" --opc "$OPC" --sqn 0xf00000000000 >/dev/null
    ok "the card goes ahead" boot
    hssctl subscriber remove "$IMPI" >/dev/null
    hssctl subscriber add "$IMPI" --k "$K" --opc "$OPC" >/dev/null
    before=$(dia_metric $BSF_ADDRESS 'gba_ub_total{result="resync"}')
    ok "AUTS goes to the HSS with the RAND that was refused" boot
    ok "and was a resynchronisation" test "$(dia_metric $BSF_ADDRESS 'gba_ub_total{result="resync"}')" -eq $((before + 1))
}

# ---- an HSS that dies, hangs, comes back ----
loss() {
    kill -9 "$HSS_PID" && gone "$HSS_PID"
    ok "without an HSS: 503 within the deadline" within 5000 ub_is 503
    ok "with Retry-After" retry_after
    ok "and /readyz says so, and which realm" until_ok 5 not_ready "$BSF_ADDRESS" '^realm \*.3gppnetwork.org: no HSS is connected'
    ok "the process lives" lives
    ok "a metric tells it" until_ok 5 av_up 0
    ok "an event tells it" until_ok 5 grep -q 'error av.down realm="\?\*.3gppnetwork.org' "$demo/gba-bsfd.log"
    dia_start_hss
    ok "it comes back by itself" until_ok 30 boot
    ok "ready, told by metric and event" until_ok 10 came_back
    kill -STOP "$HSS_PID"
    ok "an HSS that hangs: 503 within the deadline" within 5000 ub_is 503
    for _ in 1 2 3 4 5 6 7 8; do ub_status >/dev/null & done
    ok "for everyone who asks" within 6000 ub_is 503
    kill -CONT "$HSS_PID"
    ok "and bootstraps again" until_ok 30 boot
}
av_up() { [ "$(dia_metric $BSF_ADDRESS 'gba_av_up{realm="*.3gppnetwork.org"}')" = "$1" ]; }
came_back() {
    ready && av_up 1 &&
        grep -q 'info av.up realm="\?\*.3gppnetwork.org' "$demo/gba-bsfd.log"
}

# ---- a NAF whose only BSF is away, and comes: nobody is told to come before it can serve ----
readiness() {
    kill "$NAF_PID" "$BSF_PID" && gone "$NAF_PID" && gone "$BSF_PID"
    setsid nsenter -t "$NAF_HOLD_PID" -n "$build/naf/gba-nafd" --config "$NAF_CONFIG" >>"$demo/gba-nafd.log" 2>&1 </dev/null &
    NAF_PID=$!
    ok "a NAF without its BSF lives" until_ok 10 lives "$NAF_ADDRESS"
    ok "but is not ready, and says why" until_ok 5 not_ready "$NAF_ADDRESS" "^BSF $BSF_DOMAIN: no Diameter peer is connected"
    dia_start_bsf
    ok "with its BSF it is" until_ok 40 ready "$NAF_ADDRESS"
    ok "a bootstrap" until_ok 10 boot
    ok "and its first user is served" dia_page "$NAF_URL" sip:alice@home.test
}
# An HSS that answers nonsense, late or not at all: 503 in time, for each way; and gba-bsfd lives.
odd_hss() {
    local mode ups
    kill -9 "$HSS_PID" "$HSSB_PID" && gone "$HSS_PID" && gone "$HSSB_PID"
    for mode in noise mute cut avp short other none late flood; do
        ups=$(grep -c 'peer_up.*hss.home.test' "$demo/gba-bsfd.log")
        nsenter -t "$HSS_HOLD_PID" -n "$build/tests/raw_hss" $mode $HSS_ADDRESS hss.home.test home.test >"$demo/raw.log" 2>&1 &
        RAW_PID=$!
        [ $mode = noise ] || until_ok 30 came_up "$ups" || say "     $mode: the BSF did not connect"
        ok "an HSS of the kind $mode: 503 within the deadline" within 5000 ub_is 503
        ok "with Retry-After" retry_after
        [ $mode = noise ] || ok "and it was asked" grep -q asked "$demo/raw.log"
        kill $RAW_PID && wait $RAW_PID 2>/dev/null
    done
    ok "the BSF is still the same process" kill -0 "$BSF_PID"
    dia_start_hss
    ok "and bootstraps with the true one" until_ok 30 boot
}
came_up() { [ "$(grep -c 'peer_up.*hss.home.test' "$demo/gba-bsfd.log")" -gt "$1" ]; }
load() { # kill -9 and restart while bootstraps go on
    local i n=0 bad=0 st
    (sleep 1 && kill -9 "$HSS_PID") &
    for i in $(seq 60); do
        st=$(ub_status)
        case $st in 401) n=$((n + 1)) ;; 503) ;; *) bad=$((bad + 1)) ;; esac
        [ "$i" -ne 40 ] || { gone "$HSS_PID" && dia_start_hss; }
        sleep 0.05
    done
    say "     $n challenges while the HSS was killed and restarted, $bad other answers"
    [ $bad -eq 0 ] && until_ok 30 boot
}
failover() {
    start_hssb
    dia_wait_peer gba-bsfd hssb.home.test
    kill -STOP "$HSS_PID"
    ok "two HSSs, one hangs: the other answers" until_ok 10 within 4000 ub_is 401
    before=$(dia_metric $BSF_ADDRESS 'gba_zh_total{result="timeout"}')
    for _ in 1 2 3 4 5 6; do ub_is 401 || break; done
    ok "each time" test $? -eq 0
    kill -9 "$HSS_PID" && kill -CONT "$HSS_PID" 2>/dev/null
    gone "$HSS_PID"
    ok "one is gone: the other answers" until_ok 5 ub_is 401
    ok "a bootstrap with it" boot
    dia_start_hss
}

# ---- what travelled, as tshark reads it ----
shark() { tshark -r "$demo/diameter.pcap" "$@" 2>/dev/null; }
# Each Diameter message of the capture as an object: name without "diameter." -> list of its values.
messages() {
    shark -Y "$gba" -T json --no-duplicate-keys | jq '[.[]._source.layers | .frame."frame.number" as $frame |
        .diameter | if type == "array" then .[] else . end | reduce (.. | objects | to_entries[] | select(.key | startswith("diameter.")) |
            select(.value | type == "string" or (type == "array" and all(.[]; type == "string")))) as $e
            ({frame: $frame}; .[$e.key[9:]] += ([$e.value] | flatten))]' >"$demo/messages.json"
}
# all NAME SELECTION CONDITION: jq; the condition holds for every message selected, four at least.
all() {
    ok "$1" test "$(jq "def octets: map((length + 1) / 3); [.[] | select($2)] | length >= 4 and all(.[]; $3)" "$demo/messages.json")" = true
}
wire() {
    dia_capture_end
    if [ ! -s "$demo/diameter.pcap" ] || ! command -v tshark >/dev/null || ! command -v jq >/dev/null; then
        say "     no capture, tshark or jq: the wire is not looked at"
        return
    fi
    gba='(diameter.cmd.code == 303 || diameter.cmd.code == 310)'
    messages
    ok "no malformed message or AVP" test -z "$(shark -Y "_ws.malformed || ($gba && _ws.expert.severity == 8388608)" | head -3)"
    # tshark 4.0's dictionary lacks none of ours
    ok "no AVP that tshark does not know" test -z "$(shark -Y "$gba && diameter.avp.unknown" -T fields -e diameter.avp.code | sort -u)"
    all "every request is R,P, of 3GPP's application Zh or Zn" '."flags.request" == ["1"]' \
        '."flags.proxyable" == ["1"] and ."flags.error" == ["0"] and ."Vendor-Id" == ["10415"] and ."Auth-Application-Id" == .applicationId'
    all "every answer is P, of the same application" '."flags.request" == ["0"] and ."Result-Code" != ["3002"]' \
        '."flags.proxyable" == ["1"] and ."Auth-Application-Id" == .applicationId and ."Auth-Session-State" == ["1"]'
    all "a MAR: no state, the IMPI, the scheme" '."cmd.code" == ["303"] and ."flags.request" == ["1"]' \
        '."Auth-Session-State" == ["1"] and (."User-Name" | length == 1) and ."3GPP-SIP-Authentication-Scheme" == ["Digest-AKAv1-MD5"]'
    all "a vector: RAND||AUTN of 32 octets, RES of 8, CK and IK of 16" '."cmd.code" == ["303"] and ."Result-Code" == ["2001"]' \
        '(."3GPP-SIP-Authenticate" | octets == [32]) and (."3GPP-SIP-Authorization" | octets == [8]) and
         (."Confidentiality-Key" | octets == [16]) and (."Integrity-Key" | octets == [16]) and ."Confidentiality-Key" != ."Integrity-Key" and
         ."3GPP-SIP-Authentication-Scheme" == ["Digest-AKAv1-MD5"]'
    ok "and none is given twice" test -z "$(jq -r '.[]."3GPP-SIP-Authenticate"? // [] | .[]' "$demo/messages.json" | sort | uniq -d)"
    all "a BIR: a B-TID and a NAF_Id" '."cmd.code" == ["310"] and ."flags.request" == ["1"] and has("Transaction-Identifier")' \
        '(."Transaction-Identifier" | length == 1) and (."NAF-Hostname" | octets[0] > 6)'
    all "a key: 32 octets, of 3G GBA, its times" '."cmd.code" == ["310"] and ."Result-Code" == ["2001"]' \
        '(."ME-Key-Material" | octets == [32]) and ."GBA-Type" == ["0"] and (has("UICC-Key-Material") | not) and
         (."Key-ExpiryTime" | length == 1) and (."BootstrapInfoCreationTime" | length == 1)'
    ok "each key lives as long as the GUSS says" keys
    ok "each answer has its request's Session-Id, and a vector its User-Name" pairs
    ok "303 is Zh, 310 is Zn" test -z "$(shark -Y "(diameter.cmd.code == 303 && diameter.applicationId != 16777221) || (diameter.cmd.code == 310 && diameter.applicationId != 16777220)")"
    ok "3GPP AVPs carry V, and M but for GUSS-Timestamp" flags
    ok "an answer has exactly one of Result-Code and Experimental-Result" \
        test -z "$(shark -Y "$gba && diameter.flags.request == 0 && ((diameter.Result-Code && diameter.Experimental-Result) || (!diameter.Result-Code && !diameter.Experimental-Result))")"
    ok "5401, 5402, 5403 are Experimental-Results of vendor 10415" \
        test "$(shark -Y "$gba && diameter.Experimental-Result-Code" -T fields -e diameter.Experimental-Result-Code | tr , '\n' | sort -u | tr '\n' ' ')" = "5401 5402 5403 "
    ok "5005 names the AVP that was missing" \
        test -n "$(shark -Y 'diameter.Result-Code == 5005 && diameter.Failed-AVP && diameter.Transaction-Identifier')"
    ok "the Zn-Proxy leaves the NAF's Origin-Host and adds Route-Record" \
        test -n "$(shark -Y 'ip.src == 10.99.0.4 && ip.dst == 10.99.0.2 && diameter.cmd.code == 310 && diameter.flags.request == 1 && diameter.Origin-Host == "naf.visited.test" && diameter.Route-Record == "naf.visited.test"')"
    ok "NAF_Id: the FQDN and five octets" test -n "$(shark -Y 'diameter.NAF-Hostname' -T fields -e diameter.NAF-Hostname | tr -d : | grep -i 6e61662e686f6d652e746573740100000002)"
    ok "a resynchronisation sends 30 octets, the RAND first that an MAA before it gave" auts
}
keys() {
    local expires created n=0
    while IFS=$'\t' read -r expires created; do
        [ $(($(date -d "$expires" +%s) - $(date -d "$created" +%s))) -eq 7200 ] || {
            say "     $expires $created"
            return 1
        }
        n=$((n + 1))
    done < <(jq -r '.[] | select(has("ME-Key-Material")) | [."Key-ExpiryTime"[0], ."BootstrapInfoCreationTime"[0]] | @tsv' "$demo/messages.json" |
        sed 's/\.[0-9]* / /g')
    [ $n -ge 3 ]
}
pairs() { # tshark says which frame an answer answers
    test "$(jq '(map(select(."flags.request" == ["1"]) | {key: "\(.frame) \(.hopbyhopid[0])", value: .}) | from_entries) as $asked |
        [.[] | select(."flags.request" == ["0"])] | length > 8 and all(.[]; $asked["\(.answer_to[0]) \(.hopbyhopid[0])"] as $q |
            ."Session-Id" == $q."Session-Id" and ."cmd.code" == $q."cmd.code" and
            (."cmd.code" != ["303"] or ."Result-Code" != ["2001"] or ."User-Name" == $q."User-Name"))' "$demo/messages.json")" = true
}
auts() {
    local sent given
    sent=$(shark -Y 'diameter.cmd.code == 303 && diameter.flags.request == 1 && diameter.3GPP-SIP-Authorization' -T fields \
        -e diameter.3GPP-SIP-Authorization | tr -d : | grep -v '^0*$')
    given=$(shark -Y 'diameter.cmd.code == 303 && diameter.flags.request == 0' -T fields -e diameter.3GPP-SIP-Authenticate | tr -d :)
    [ -n "$sent" ] || return 1
    for sent in $sent; do
        [ ${#sent} -eq 60 ] && grep -q "^${sent:0:32}" <<<"$given" || return 1
    done
}
# Code, flags and vendor of each AVP of ours: V of 10415; M set, but not in 409.
flags() {
    shark -Y "$gba" -T json --no-duplicate-keys |
        jq -r '[.. | objects | select(has("diameter.avp.code")) | {c: ."diameter.avp.code", f: ."diameter.avp.flags", v: ."diameter.avp.vendorId"}] | .[] | [.c, .f, .v] | map(if type == "array" then join("/") else . end) | @tsv' |
        tr -d '"' | sort -u >"$demo/flags"
    awk '$1 >= 400 && $1 <= 626 && $1 !~ /\// {n++; want = $1 == 409 ? "0x80" : "0xc0"; if ($2 != want || $3 != 10415) {print "     AVP", $0; bad = 1}}
        $1 == 409 {t = 1} END {exit bad || n < 12 || !t}' "$demo/flags"
}

set_up
chain
reload
sctp
resync
loss
ok "bootstraps under load while the HSS is killed and restarted" load
failover
wire
odd_hss
readiness
cleanup
trap - EXIT

# ---- the same over TLS ----
rm -rf "$demo/state" "$demo"/*.db* "$demo"/*.seal "$demo/usim"*
dia_tls=yes
ip link del dia0 2>/dev/null
(umask 077 && mkdir -p "$demo")
mkdir -p "$demo/plain" && mv "$demo"/*.log "$demo/plain/"
# shellcheck disable=SC2034
HSS_PID='' HSSB_PID='' BSF_PID='' # dia_env writes what is set
trap cleanup EXIT
dia_net_parties
dia_prepare
dia_start_hss
dia_provision
dia_start_bsf
dia_start_nafs
dia_wait_peers
ok "TLS: a bootstrap over Zh" boot
ok "TLS: NAF over Zn" dia_page "$NAF_URL" sip:alice@home.test
ok "TLS: visited NAF through the Zn-Proxy" dia_page "$NAFB_URL" "$BSF_DOMAIN"
demo_cert dia dia-$DIAMETER_TESTER $DIAMETER_TESTER
"$tool" --tls "$demo" $DIAMETER_TESTER home.test $DIAMETER_HUB bsf.home.test $BSF_ADDRESS bir home.test "$(btid)" naf.home.test \
    0100000002 >"$demo/ask" 2>>"$demo/tool.log"
ok "TLS: a peer whose certificate says its identity" says code=2001
demo_cert dia dia-$DIAMETER_TESTER other.home.test
"$tool" --tls "$demo" $DIAMETER_TESTER home.test $DIAMETER_HUB bsf.home.test $BSF_ADDRESS bir home.test "$(btid)" naf.home.test \
    0100000002 >"$demo/ask" 2>>"$demo/tool.log"
ok "TLS: one whose certificate does not" not says code=2001
ok "TLS: another bootstrap" boot
kill "$BSF_PID" && gone "$BSF_PID" && BSF_PID=''
dia_gba get "$NAF_URL" >"$demo/down.out" 2>&1
ok "a NAF without its BSF says where to look" grep -q 'zn.failed.*diameter.peer_down' "$demo/gba-nafd.log"
ok "and speaks of no zn_url" not grep -q 'zn.failed.*zn_url' "$demo/gba-nafd.log"
ok "no key in any log" not grep -riE "$K|$OPC|val=<" "$demo" --include='*.log'
say "$passed passed, $failed failed"
[ $failed -eq 0 ]
