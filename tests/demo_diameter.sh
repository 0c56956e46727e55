# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# demo_diameter.sh - the Diameter chain in a network namespace: UE -> BSF -(Zh)-> HSS, NAF -(Zn)-> BSF,
# and a NAF of a visited network through a Zn-Proxy. A bridge in the namespace joins the parties, each
# of which has a network stack and an address of its own, so that nothing outside reaches them. Sourced
# behind demo.sh by ./quickstart and the end-to-end test.

HSS_ADDRESS=10.99.0.1 BSF_ADDRESS=10.99.0.2 NAF_ADDRESS=10.99.0.3 ZNPROXY_ADDRESS=10.99.0.4 NAFB_ADDRESS=10.99.0.5
HSSB_ADDRESS=10.99.0.6 DIAMETER_HUB=10.99.0.254 DIAMETER_REALM=home.test DIAMETER_TESTER=tester.home.test
BSF_DOMAIN=bsf.home.test NAF_FQDN=naf.home.test NAFB_FQDN=naf.visited.test
HSS_CONFIG=$demo/hss.yaml BSF_CONFIG=$demo/bsf.yaml NAF_CONFIG=$demo/naf.yaml NAFB_CONFIG=$demo/nafb.yaml
ZNPROXY_CONFIG=$demo/znproxy.yaml HSSB_CONFIG=$demo/hssb.yaml
dia_tls=no # yes: TLS between all peers

# dia_possible: can a namespace with a bridge and its links be made here? If not, dia_why says what to do.
dia_possible() {
    local own=-n
    [ "$(id -u)" -eq 0 ] || own=-Urn
    command -v ip >/dev/null && command -v unshare >/dev/null && command -v nsenter >/dev/null || {
        dia_why="the Diameter chain needs ip, unshare and nsenter: apt-get install iproute2 util-linux"
        return 1
    }
    unshare $own sh -c 'ip link add dia0 type bridge && ip link add dia1 type veth peer name dia2 && unshare -n true' 2>/dev/null && return
    dia_why="no network namespace with a bridge can be made here, which keeps the Diameter chain from everyone else: "
    if [ "$(id -u)" -eq 0 ]; then
        dia_why+="this root may not (a container without CAP_SYS_ADMIN and CAP_NET_ADMIN?), or the kernel lacks bridge or veth"
    else
        dia_why+="run it as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces)"
    fi
    return 1
}

# dia_enter COMMAND...: runs it inside a fresh namespace; $DIAMETER_NETNS says which.
dia_enter() {
    local rc ns=opengba-demo-$$
    if [ "$(id -u)" -ne 0 ]; then
        DIAMETER_NETNS=user unshare -Urn "$@"
        return
    fi
    if ip netns add "$ns" 2>/dev/null; then
        DIAMETER_NETNS=$ns ip netns exec "$ns" "$@"
        rc=$?
        grep -qs "^DIAMETER_NETNS=$ns" "$demo/env" || ip netns del "$ns" 2>/dev/null
        return $rc
    fi
    DIAMETER_NETNS=user unshare -n "$@"
}

# A process that does nothing keeps a namespace; its program stands in $demo, so that demo_stop knows it.
dia_hold() { # [unshare]
    [ -x "$demo/netns-hold" ] || cp "$(command -v sleep)" "$demo/netns-hold" || demo_fail "cannot write $demo"
    setsid "$@" "$demo/netns-hold" infinity </dev/null >/dev/null 2>&1 &
    dia_pid=$!
}

dia_net() {
    ip link set lo up && ip link add dia0 type bridge && ip addr add "$DIAMETER_HUB/24" dev dia0 && ip link set dia0 up ||
        demo_fail "no bridge can be made here"
    [ "$DIAMETER_NETNS" != user ] || {
        dia_hold
        HUB_PID=$dia_pid DIAMETER_NETNS=/proc/$dia_pid/ns/net
    }
}

# dia_party NUMBER: a network stack with address 10.99.0.NUMBER, held by the process in dia_pid.
dia_party() {
    local i own
    own=$(readlink /proc/self/ns/net)
    dia_hold unshare -n
    for i in $(seq 300); do
        [ "$(readlink "/proc/$dia_pid/ns/net")" != "$own" ] && [ "$(readlink "/proc/$dia_pid/exe")" = "$demo/netns-hold" ] && break
        sleep 0.05
    done
    ip link add "dia$1" type veth peer name dia0 netns "$dia_pid" && ip link set "dia$1" master dia0 up &&
        nsenter -t "$dia_pid" -n sh -c "ip link set lo up; ip addr add 10.99.0.$1/24 dev dia0; ip link set dia0 up" ||
        demo_fail "no network for party $1"
}

dia_net_parties() {
    dia_net
    dia_party 1 && HSS_HOLD_PID=$dia_pid
    dia_party 2 && BSF_HOLD_PID=$dia_pid
    dia_party 3 && NAF_HOLD_PID=$dia_pid
    dia_party 4 && ZNPROXY_HOLD_PID=$dia_pid
    dia_party 5 && NAFB_HOLD_PID=$dia_pid
}

# dia_daemon NAME HOLDER PROGRAM CONFIG ADDRESS PORT: starts it there, waits for /readyz, sets demo_pid.
dia_daemon() {
    local i
    setsid nsenter -t "$2" -n "$build/$3" --config "$4" >>"$demo/$1.log" 2>&1 </dev/null &
    demo_pid=$!
    for i in $(seq 200); do
        kill -0 $demo_pid 2>/dev/null || break
        if demo_http "http://$5:$6/readyz" >/dev/null; then return 0; fi
        sleep 0.1
    done
    tail -n 5 "$demo/$1.log" >&2
    demo_fail "$1 did not become ready: see $demo/$1.log"
}

# dia_section IDENTITY REALM NUMBER: the diameter section, peers follow by dia_peer.
dia_section() {
    printf 'diameter:\n  identity: %s\n  realm: %s\n  listen: 10.99.0.%s\n  sctp: no\n' "$1" "$2" "$3"
    if [ $dia_tls = yes ]; then
        demo_cert dia "dia-$1" "$1"
        printf '  cert: dia-%s.pem\n  key: dia-%s.key\n  ca: dia-ca.pem\n' "$1" "$1"
    else
        printf '  insecure_plaintext: true\n'
    fi
    printf '  peers:\n'
}
dia_peer() { # IDENTITY NUMBER [more: lines]
    printf '    - identity: %s\n      address: 10.99.0.%s\n      tls: %s\n' "$1" "$2" \
        "$([ $dia_tls = yes ] && echo true || echo false)"
    shift 2
    [ $# -eq 0 ] || printf '      %s\n' "$@"
}

dia_hss_config() { # NAME IDENTITY NUMBER IND
    {
        printf 'hss:\n  bsfs: [bsf.home.test, %s]\n' "$DIAMETER_TESTER"
        dia_section "$2" home.test "$3"
        dia_peer bsf.home.test 2 'connect: false'
        dia_peer $DIAMETER_TESTER 254 'connect: false'
        printf 'store:\n  url: sqlite:%s.db\nseal:\n  key_file: %s.seal\nreplica:\n  ind: %s\nadmin:\n  listen: 10.99.0.%s:8081\n' \
            "$1" "$1" "$4" "$3"
    } >"$demo/$1.yaml"
}

dia_naf_config() { # NAME FQDN REALM NUMBER PEER PEER_NUMBER [MORE]
    {
        printf 'naf:\n  fqdns: [%s]\n  bsfs:\n    - domain: %s\n      zn_diameter:\n        realm: home.test\n' "$2" "$BSF_DOMAIN"
        printf 'zn:\n  services: [1, 4]\nua:\n  listen: 10.99.0.%s:8080\nadmin:\n  listen: 10.99.0.%s:8081\n' "$4" "$4"
        dia_section "$2" "$3" "$4"
        dia_peer "$5" "$6" "${7:-relay: false}"
    } >"$demo/$1.yaml"
}

# dia_prepare [HSS, HSS]: keys and configurations; the HSSs that the BSF asks.
# shellcheck disable=SC2120
dia_prepare() {
    local hss=${1:-hss.home.test}
    demo_ca dia
    K=$(demo_hex) OPC=$(demo_hex) USIM=$demo/usim IMPI=001010000000001@ims.mnc001.mcc001.3gppnetwork.org
    BSF_UB_URL=http://$BSF_ADDRESS:8080/ NAF_URL=http://$NAF_FQDN:8080/ NAFB_URL=http://$NAFB_FQDN:8080/
    dia_hss_config hss hss.home.test 1 1
    [ "$hss" = hss.home.test ] || dia_hss_config hssb hssb.home.test 6 2
    {
        printf 'bsf:\n  domain: %s\nub:\n  listen: %s:8080\nlimits:\n  exempt: [10.99.0.0/24]\n  impi_challenges: 1000000\n' \
            "$BSF_DOMAIN" "$BSF_ADDRESS"
        printf 'store:\n  url: sqlite:bsf.db\nseal:\n  key_file: bsf.seal\nadmin:\n  listen: %s:8081\n' "$BSF_ADDRESS"
        printf 'av:\n  - realm: "*.3gppnetwork.org"\n    source: zh\n    hss_realm: home.test\n    hss: [%s]\n    timeout_ms: %s\n' \
            "$hss" "${dia_timeout:-2000}"
        dia_section bsf.home.test home.test 2
        dia_peer hss.home.test 1
        [ "$hss" = hss.home.test ] || dia_peer hssb.home.test 6
        dia_peer naf.home.test 3 'connect: false'
        dia_peer znproxy.visited.test 4 'connect: false' 'agent_for: ["*.visited.test"]'
        dia_peer $DIAMETER_TESTER 254 'connect: false'
    } >"$BSF_CONFIG"
    dia_naf_config naf naf.home.test home.test 3 bsf.home.test 2
    dia_naf_config nafb naf.visited.test visited.test 5 znproxy.visited.test 4 "relay: true"
    {
        dia_section znproxy.visited.test visited.test 4
        dia_peer naf.visited.test 5 'connect: false' 'nafs: [naf.visited.test]'
        dia_peer bsf.home.test 2
        printf 'admin:\n  listen: %s:8081\n' "$ZNPROXY_ADDRESS"
    } >"$ZNPROXY_CONFIG"
    hssctl seal create-key >/dev/null && bsfctl seal create-key >/dev/null || demo_fail "could not create the seal keys"
}

hssctl() { "$build/bsf/gba-bsfctl" --config "$HSS_CONFIG" "$@"; }

# The subscriber and its settings in the HSS, the NAFs' grants in the BSF.
dia_guss() {
    cat <<XML
<guss id="$IMPI" xmlns="urn:3gpp:gba:GBAGUSSSchema-R9:2010-02"><bsfInfo><lifeTime>7200</lifeTime></bsfInfo><ussList>
<uss id="1" type="1" nafGroup="home"><uids><uid>sip:alice@home.test</uid></uids><flags><flag>1</flag></flags></uss>
<uss id="1" type="1" nafGroup="other"><uids><uid>sip:nobody@home.test</uid></uids></uss>
<uss id="4" type="4"><uids><uid>tel:+441632960000</uid></uids></uss></ussList></guss>
XML
}
dia_provision() {
    hssctl subscriber add "$IMPI" --k "$K" --opc "$OPC" >/dev/null && dia_guss | hssctl guss set "$IMPI" --file - >/dev/null ||
        demo_fail "could not provision the HSS"
    bsfctl naf allow naf.home.test --fqdn naf.home.test --ua 0100000002 --ua 010001 --service 1 --naf-group home --impi >/dev/null &&
        bsfctl naf allow naf.visited.test --fqdn naf.visited.test --ua 0100000002 --ua 010001 >/dev/null &&
        bsfctl naf allow $DIAMETER_TESTER --fqdn naf.home.test --ua 0100000002 >/dev/null ||
        demo_fail "could not allow the NAFs"
    "$build/ue/gba" usim create "$USIM" --impi "$IMPI" --k "$K" --opc "$OPC" --exportable >/dev/null ||
        demo_fail "could not create the USIM"
}

dia_start_hss() { dia_daemon gba-hssd "$HSS_HOLD_PID" bsf/gba-hssd "$HSS_CONFIG" $HSS_ADDRESS 8081 && HSS_PID=$demo_pid; }
dia_start_bsf() { dia_daemon gba-bsfd "$BSF_HOLD_PID" bsf/gba-bsfd "$BSF_CONFIG" $BSF_ADDRESS 8081 && BSF_PID=$demo_pid; }
# dia_start: all parties but the HSS and the BSF.
dia_start_nafs() {
    dia_daemon gba-znproxyd "$ZNPROXY_HOLD_PID" bsf/gba-znproxyd "$ZNPROXY_CONFIG" $ZNPROXY_ADDRESS 8081 && ZNPROXY_PID=$demo_pid
    dia_daemon gba-nafd "$NAF_HOLD_PID" naf/gba-nafd "$NAF_CONFIG" $NAF_ADDRESS 8081 && NAF_PID=$demo_pid
    dia_daemon gba-nafd-visited "$NAFB_HOLD_PID" naf/gba-nafd "$NAFB_CONFIG" $NAFB_ADDRESS 8081 && NAFB_PID=$demo_pid
}
# dia_wait_peer LOG PEER: until that connection is up.
dia_wait_peer() {
    local i
    for i in $(seq 200); do
        grep -q "diameter.peer_up.*peer=\"\?$2" "$demo/$1.log" && return 0
        sleep 0.1
    done
    demo_fail "$1: no connection with $2: see $demo/$1.log"
}
dia_wait_peers() {
    dia_wait_peer gba-bsfd hss.home.test && dia_wait_peer gba-nafd bsf.home.test &&
        dia_wait_peer gba-nafd-visited znproxy.visited.test && dia_wait_peer gba-znproxyd bsf.home.test
}

# The capture ends with a datagram of its own: when that stands in the file, all before it does.
dia_capture() { # FILE
    local i
    dia_capture_pid='' dia_capture_file=$1
    if command -v tcpdump >/dev/null; then
        tcpdump -Z root --immediate-mode -U -i dia0 -w "$1" 'tcp port 3868 or udp port 9' >"$demo/capture.log" 2>&1 &
    elif command -v dumpcap >/dev/null; then
        dumpcap -P -i dia0 -f 'tcp port 3868 or udp port 9' -w "$1" >"$demo/capture.log" 2>&1 &
    else
        return 0
    fi
    dia_capture_pid=$!
    for i in $(seq 100); do
        [ -s "$1" ] || grep -qs 'listening on\|^File:' "$demo/capture.log" && return 0
        kill -0 "$dia_capture_pid" 2>/dev/null || break
        sleep 0.1
    done
    dia_capture_pid=
    say "      no capture: $(tail -n 1 "$demo/capture.log")"
}
dia_capture_end() {
    local i
    [ -n "${dia_capture_pid:-}" ] || return 0
    for i in $(seq 100); do
        printf 'end of capture' >"/dev/udp/$HSS_ADDRESS/9"
        grep -qsa 'end of capture' "$dia_capture_file" && break
        sleep 0.1
    done 2>/dev/null
    kill -INT "$dia_capture_pid" 2>/dev/null
    wait "$dia_capture_pid" 2>/dev/null
    dia_capture_pid=
}

dia_env() {
    local v
    for v in HSS_ADDRESS BSF_ADDRESS NAF_ADDRESS ZNPROXY_ADDRESS NAFB_ADDRESS DIAMETER_REALM DIAMETER_NETNS DIAMETER_TESTER \
        HSS_CONFIG BSF_CONFIG NAF_CONFIG NAFB_CONFIG ZNPROXY_CONFIG BSF_UB_URL BSF_DOMAIN NAF_URL NAFB_URL NAF_FQDN NAFB_FQDN \
        IMPI K OPC USIM HUB_PID HSS_HOLD_PID BSF_HOLD_PID NAF_HOLD_PID ZNPROXY_HOLD_PID NAFB_HOLD_PID HSSB_HOLD_PID \
        HSS_PID HSSB_PID BSF_PID NAF_PID NAFB_PID ZNPROXY_PID; do
        [ -z "${!v:-}" ] || printf '%s=%q\n' "$v" "${!v}"
    done >"$demo/env"
}

dia_gba() { # VERB ARGUMENT...
    demo_gba "$@" --resolve "$NAF_FQDN:8080:$NAF_ADDRESS" --resolve "$NAFB_FQDN:8080:$NAFB_ADDRESS"
}
dia_metric() { # ADDRESS SERIES: its value
    exec 8<>"/dev/tcp/$1/8081" || return 1
    printf 'GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >&8
    grep -aF "$2 " <&8 | awk '{print $NF + 0}'
    exec 8>&-
}

# ---- ./quickstart --diameter ----
dia_failed=0
dia_step() { # TEXT COMMAND...: prints what held
    local text=$1
    shift
    if "$@"; then say "      ok    $text"; else
        say "      FAIL  $text"
        dia_failed=1
    fi
}
dia_page() { # URL WORD...: the page holds each word
    local url=$1 w
    shift
    dia_gba get "$url" >"$demo/page" 2>"$demo/page.err" || {
        sed 's/^/      | /' "$demo/page.err" >&2
        return 1
    }
    for w in "$@"; do grep -q "$w" "$demo/page" || return 1; done
}
dia_is() { [ "$(dia_metric "$1" "$2")" = "$3" ]; }
dia_decodes() {
    [ -s "$demo/diameter.pcap" ] && [ "$(tshark -r "$demo/diameter.pcap" -Y '_ws.malformed' 2>/dev/null | wc -l)" -eq 0 ] &&
        [ "$(tshark -r "$demo/diameter.pcap" -Y 'diameter.cmd.code == 303 || diameter.cmd.code == 310' 2>/dev/null | wc -l)" -ge 6 ]
}

dia_main() { # KEEP
    local keep=$1
    (umask 077 && rm -rf "$demo" && mkdir -p "$demo") || demo_fail "cannot create $demo"
    [ "$keep" = yes ] || trap 'dia_capture_end; demo_stop quiet' EXIT
    say "[3/6] a network namespace with an address for each party ($DIAMETER_NETNS)"
    dia_net_parties
    dia_env
    dia_prepare
    dia_capture "$demo/diameter.pcap"
    say "[4/6] HSS $HSS_ADDRESS, BSF $BSF_ADDRESS, NAF $NAF_ADDRESS, Zn-Proxy $ZNPROXY_ADDRESS, visited NAF $NAFB_ADDRESS"
    dia_start_hss
    dia_provision
    dia_start_bsf
    dia_start_nafs
    dia_env
    dia_wait_peers
    say "[5/6] $IMPI"
    dia_step "the SIM bootstraps with a vector of the HSS (Zh: MAR, MAA)" dia_bootstrap
    dia_step "the BSF got it over Zh" dia_is $BSF_ADDRESS 'gba_zh_total{result="ok"}' 1
    dia_step "the NAF trusts the SIM (Zn: BIR, BIA) and got its settings" dia_page "$NAF_URL" sip:alice@home.test
    dia_step "the visited NAF trusts it through the Zn-Proxy" dia_page "$NAFB_URL" bsf.home.test
    dia_step "the BSF released both keys over Diameter" \
        dia_is $BSF_ADDRESS 'gba_zn_diameter_total{result="DIAMETER_SUCCESS"}' 2
    dia_step "the Zn-Proxy vouched for one" dia_is $ZNPROXY_ADDRESS 'gba_znproxy_total{result="forwarded"}' 1
    "$build/ue/gba" usim create "$demo/stranger" --impi "001019999999999@ims.mnc001.mcc001.3gppnetwork.org" --k "$K" \
        --opc "$OPC" --exportable >/dev/null
    dia_step "the HSS does not know a stranger (5401), the BSF answers 403" dia_stranger
    dia_capture_end
    say "[6/6] what travelled"
    if [ -s "$demo/diameter.pcap" ] && command -v tshark >/dev/null; then
        dia_step "tshark reads every message of build/demo/diameter.pcap" dia_decodes
        tshark -r "$demo/diameter.pcap" -Y 'diameter.cmd.code == 303 || diameter.cmd.code == 310' -T fields -e ip.src -e ip.dst \
            -e diameter.cmd.code -e diameter.flags.request -e diameter.Result-Code -e diameter.Experimental-Result-Code \
            -E separator=' ' 2>/dev/null | sed 's/^/      | /'
    elif [ -s "$demo/diameter.pcap" ]; then
        say "      build/demo/diameter.pcap (tshark is not installed, which would show it)"
    fi
    [ $dia_failed -eq 0 ] || {
        say "Logs: build/demo/*.log"
        return 1
    }
    [ "$keep" != yes ] || say "Running. Addresses: build/demo/env   End: ./quickstart --stop"
    say "OK: vectors came from the HSS, keys went to the NAFs, all over Diameter."
}
dia_bootstrap() { dia_gba bootstrap --json >"$demo/session.json"; }
dia_stranger() {
    ! demo_gba bootstrap --usim "$demo/stranger" --state "$demo/state2" >/dev/null 2>&1 &&
        dia_is $BSF_ADDRESS 'gba_zh_total{result="unknown"}' 1 &&
        dia_is $BSF_ADDRESS 'gba_ub_total{result="unknown_impi"}' 1
}
