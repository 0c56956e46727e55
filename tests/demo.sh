# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# demo.sh - a BSF and a NAF on loopback with everything they need. Sourced by ./quickstart and the
# end-to-end tests, which set: build (the build folder), demo (the folder to use).

# A TCP port that nothing uses: below the range from which the kernel takes the local ports of outgoing
# connections (a port seen free there may be taken a moment later), and from a part of it that this process
# has for itself, so that tests side by side do not meet.
demo_free_port() {
    local p
    while :; do
        p=$((10000 + ($$ * 20 + ${demo_ports:=0}) % 22000))
        demo_ports=$((demo_ports + 1))
        grep -qi "^ *[0-9]*: [0-9A-F]*:$(printf '%04X' $p) " /proc/net/tcp /proc/net/tcp6 2>/dev/null && continue
        demo_port=$p
        return
    done
}

demo_say() { printf '%s\n' "$*" >&2; }
demo_fail() {
    demo_say "${0##*/}: $*"
    exit 1
}

# demo_ca NAME: a certificate authority; demo_cert CA NAME SAN...: a certificate under it.
demo_ca() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=OpenGBA demo $1 CA" \
        -keyout "$demo/$1-ca.key" -out "$demo/$1-ca.pem" -addext basicConstraints=critical,CA:TRUE \
        -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null || demo_fail "openssl could not make the $1 CA"
}
demo_cert() {
    local ca=$1 name=$2 san
    shift 2
    san=$(printf ',DNS:%s' "$@")
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$demo/$name.key" \
        -out "$demo/$name.csr" 2>/dev/null &&
        printf 'subjectAltName=%s,IP:127.0.0.1\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n' \
            "${san#,}" >"$demo/$name.ext" &&
        openssl x509 -req -in "$demo/$name.csr" -CA "$demo/$ca-ca.pem" -CAkey "$demo/$ca-ca.key" -CAcreateserial \
            -days 30 -extfile "$demo/$name.ext" -out "$demo/$name.pem" 2>/dev/null ||
        demo_fail "openssl could not make the certificate $name"
    rm -f "$demo/$name.csr" "$demo/$name.ext"
}

demo_hex() { od -An -v -tx1 -N16 /dev/urandom | tr -d ' \n'; }

demo_prepare() {
    rm -rf "$demo"
    (umask 077 && mkdir -p "$demo") || demo_fail "cannot create $demo"
    demo_ca ub && demo_ca zn && demo_ca naf
    demo_cert ub ub localhost bsf.example.test
    demo_cert zn zn-server localhost bsf.example.test
    demo_cert zn zn-naf naf.operator.test
    demo_cert zn zn-other other.operator.test
    demo_cert naf naf localhost
    BSF_DOMAIN=bsf.example.test NAF_FQDN=localhost
    demo_free_port && p_ub=$demo_port
    demo_free_port && p_ubtls=$demo_port
    demo_free_port && p_zn=$demo_port
    demo_free_port && p_bsfadm=$demo_port
    demo_free_port && p_naf=$demo_port
    demo_free_port && p_naftls=$demo_port
    demo_free_port && p_nafadm=$demo_port
    BSF_UB_URL=http://localhost:$p_ub/ BSF_UB_TLS_URL=https://localhost:$p_ubtls/ BSF_CA=$demo/ub-ca.pem
    BSF_ZN_URL=https://localhost:$p_zn BSF_ADMIN_URL=http://127.0.0.1:$p_bsfadm BSF_CONFIG=$demo/bsf.yaml
    NAF_URL=https://localhost:$p_naftls/ NAF_PLAIN_URL=http://localhost:$p_naf/ NAF_CA=$demo/naf-ca.pem
    NAF_ADMIN_URL=http://127.0.0.1:$p_nafadm NAF_CONFIG=$demo/naf.yaml
    ZN_CA=$demo/zn-ca.pem ZN_CERT=$demo/zn-naf.pem ZN_KEY=$demo/zn-naf.key ZN_CERT_NAME=naf.operator.test
    ZN_CERT2=$demo/zn-other.pem ZN_KEY2=$demo/zn-other.key
    IMPI=001010000000001@ims.mnc001.mcc001.3gppnetwork.org
    K=$(demo_hex) OPC=$(demo_hex) USIM=$demo/usim
    cat >"$BSF_CONFIG" <<CONF
bsf:
  domain: $BSF_DOMAIN
  lifetime: 24h
ub:
  listen: 127.0.0.1:$p_ub
  tls_listen: 127.0.0.1:$p_ubtls
  cert: ub.pem
  key: ub.key
zn:
  listen: 127.0.0.1:$p_zn
  cert: zn-server.pem
  key: zn-server.key
  client_ca: zn-ca.pem
store:
  url: sqlite:bsf.db
seal:
  key_file: bsf.seal
admin:
  listen: 127.0.0.1:$p_bsfadm
limits:
  exempt: [127.0.0.0/8, "::1/128"]
  impi_challenges: 50
CONF
    cat >"$NAF_CONFIG" <<CONF
naf:
  fqdns: [$NAF_FQDN]
  bsfs:
    - domain: $BSF_DOMAIN
      zn_url: $BSF_ZN_URL
zn:
  cert: zn-naf.pem
  key: zn-naf.key
  ca: zn-ca.pem
ua:
  listen: 127.0.0.1:$p_naf
  tls_listen: 127.0.0.1:$p_naftls
  cert: naf.pem
  key: naf.key
limits:
  exempt: [127.0.0.0/8, "::1/128"]
admin:
  listen: 127.0.0.1:$p_nafadm
CONF
    bsfctl seal create-key >/dev/null || demo_fail "could not create the seal key"
}

bsfctl() { "$build/bsf/gba-bsfctl" --config "$BSF_CONFIG" "$@"; }

# demo_daemon NAME PROGRAM CONFIG ADMIN_URL: starts it, waits for /readyz, sets demo_pid.
demo_daemon() {
    local i
    setsid "$2" --config "$3" >>"$demo/$1.log" 2>&1 </dev/null &
    demo_pid=$!
    for i in $(seq 300); do
        kill -0 $demo_pid 2>/dev/null || break
        if demo_http "$4/readyz" >/dev/null; then return 0; fi
        sleep 0.1
    done
    tail -n 5 "$demo/$1.log" >&2
    demo_fail "$1 did not become ready: see $demo/$1.log"
}

until_ok() { # SECONDS COMMAND...
    local n=$(($1 * 5))
    shift
    for _ in $(seq "$n"); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.2
    done
    return 1
}

# The status line of a GET is 200; no curl needed.
demo_http() {
    local hp=${1#http://} status
    hp=${hp%%/*}
    exec 9<>"/dev/tcp/${hp%:*}/${hp#*:}" || return 1
    printf 'GET /%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "${1#http://*/}" "$hp" >&9
    read -r -t 5 status <&9
    exec 9>&-
    [[ $status == *' 200 '* ]]
} 2>/dev/null

demo_start_bsf() {
    demo_daemon gba-bsfd "$build/bsf/gba-bsfd" "$BSF_CONFIG" "$BSF_ADMIN_URL"
    BSF_PID=$demo_pid
    demo_env
}

demo_start() {
    demo_start_bsf
    demo_daemon gba-nafd "$build/naf/gba-nafd" "$NAF_CONFIG" "$NAF_ADMIN_URL"
    NAF_PID=$demo_pid
    demo_env
}

demo_env() {
    local v
    for v in BSF_UB_URL BSF_UB_TLS_URL BSF_CA BSF_DOMAIN BSF_ZN_URL BSF_ADMIN_URL BSF_CONFIG BSF_PID NAF_URL \
        NAF_PLAIN_URL NAF_FQDN NAF_CA NAF_ADMIN_URL NAF_CONFIG NAF_PID ZN_CA ZN_CERT ZN_KEY ZN_CERT_NAME ZN_CERT2 \
        ZN_KEY2 IMPI K OPC USIM; do
        printf '%s=%q\n' "$v" "${!v:-}"
    done >"$demo/env"
}

demo_provision() {
    bsfctl subscriber add "$IMPI" --k "$K" --opc "$OPC" >/dev/null || demo_fail "could not add the subscriber"
    bsfctl naf allow "$ZN_CERT_NAME" --fqdn "$NAF_FQDN" --ua 0100000002 --ua 010001 --ua 0100000007 >/dev/null ||
        demo_fail "could not allow the NAF"
    "$build/ue/gba" usim create "$USIM" --impi "$IMPI" --k "$K" --opc "$OPC" --exportable >/dev/null ||
        demo_fail "could not create the USIM"
}

# gba with this demo's BSF, USIM and state.
demo_gba() {
    local verb=$1
    shift
    "$build/ue/gba" "$verb" --bsf "$BSF_UB_URL" --bsf-domain "$BSF_DOMAIN" --usim "$USIM" --state "$demo/state" "$@"
}

demo_get() {
    demo_gba get --ca "$NAF_CA" "$NAF_URL" >"$demo/page" || demo_fail "the NAF's resource could not be fetched"
    sed 's/^/      | /' "$demo/page"
}

# demo_get_psk 1.2|1.3: the same over TLS with the GBA key instead of a certificate; no CA is needed.
demo_get_psk() {
    demo_gba get --psk --tls "$1" "$NAF_URL" >"$demo/page" ||
        demo_fail "the NAF's resource could not be fetched over TLS $1 with the GBA key"
    sed 's/^/      | /' "$demo/page"
}

demo_stop() {
    local pid quiet=${1:-}
    [ -f "$demo/env" ] || {
        [ -n "$quiet" ] || demo_say "Nothing is running."
        return 0
    }
    while read -r pid; do
        # only ours: the process's executable stands in the build folder
        case "$(readlink "/proc/$pid/exe" 2>/dev/null)" in "$build"/*) kill "$pid" 2>/dev/null ;; *) continue ;; esac
        for _ in $(seq 100); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        kill -9 "$pid" 2>/dev/null
    done < <(sed -n 's/^[A-Z_]*PID=//p' "$demo/env")
    # the namespace of --diameter, when it has a name
    pid=$(sed -n 's/^DIAMETER_NETNS=\([^/]*\)$/\1/p' "$demo/env")
    [ -z "$pid" ] || ip netns del "$pid" 2>/dev/null
    rm -f "$demo/env"
    return 0
}
