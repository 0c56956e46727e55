# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# demo_onem2m.sh - the oneM2M world on loopback: MAF, MEF, a CSE behind m2m-gate, and one AE that holds a
# credential for each of the seven frameworks. Sourced behind demo.sh by ./quickstart and the end-to-end test.

SP=sp.example.test CSE_ID=//sp.example.test/cse1 GATE_SNI=cse1.sp.example.test MAF_FQDN=maf.example.test MEF_FQDN=mef.example.test
AE_ID=Cdevice1 AE_ID_OTHER=Cdevice2 m2m_gsid=1000000
m2m_bin=$build/onem2m-binding

# m2m_cert NAME SAN: an oneM2M certificate (TS-0003 10.1.1) under the CA of the M2M service provider.
m2m_cert() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$demo/$1.key" \
        -out "$demo/$1.csr" 2>/dev/null &&
        printf 'subjectAltName=%s\nkeyUsage=critical,digitalSignature\n' "$2" >"$demo/$1.ext" &&
        openssl x509 -req -in "$demo/$1.csr" -CA "$demo/m2m-ca.pem" -CAkey "$demo/m2m-ca.key" -CAcreateserial -days 30 \
            -extfile "$demo/$1.ext" -out "$demo/$1.pem" 2>/dev/null || demo_fail "openssl could not make the certificate $1"
    rm -f "$demo/$1.csr" "$demo/$1.ext"
}

m2m_seal() { # FILE: a key file that seals a store
    (umask 077 && printf 'k1 %s%s\n' "$(demo_hex)" "$(demo_hex)" >"$demo/$1")
}
m2m_key() { # FILE: 32 random octets in hexadecimal, also in $m2m_secret
    m2m_secret=$(demo_hex)$(demo_hex)
    (umask 077 && printf '%s\n' "$m2m_secret" >"$demo/$1")
}

# m2m_kms_config KIND FQDN PORT ADMIN-PORT: what MAF and MEF have in common.
m2m_kms_config() {
    cat <<CONF
$1:
  fqdn: $2
  listen: 127.0.0.1:$3
  cert: $1.pem
  key: $1.key
  client_ca: m2m-ca.pem
store:
  url: sqlite:$1.db
seal:
  key_file: $1.seal
admin:
  listen: 127.0.0.1:$4
limits: {exempt: [127.0.0.0/8, "::1/128"]}
CONF
}

# m2m_prepare: behind demo_prepare.
m2m_prepare() {
    local p
    demo_ca m2m
    m2m_cert gate "DNS:$GATE_SNI"
    m2m_cert maf "DNS:$MAF_FQDN"
    m2m_cert mef "DNS:$MEF_FQDN"
    m2m_cert ae "URI:$CSE_ID/$AE_ID"
    demo_cert zn zn-cse "$GATE_SNI"
    demo_cert zn zn-maf "$MAF_FQDN"
    M2M_CA=$demo/m2m-ca.pem A_CERT=$demo/ae.pem A_KEY=$demo/ae.key
    for p in gate egress gateadm maf mafadm mef mefadm cse ae; do
        demo_free_port && printf -v "p_$p" %s "$demo_port"
    done
    GATE_URL=https://127.0.0.1:$p_gate MAF_URL=https://127.0.0.1:$p_maf MEF_URL=https://127.0.0.1:$p_mef
    CSE_UPSTREAM=http://127.0.0.1:$p_cse EGRESS_URL=http://127.0.0.1:$p_egress
    GATE_ADMIN_URL=http://127.0.0.1:$p_gateadm MAF_ADMIN_URL=http://127.0.0.1:$p_mafadm MEF_ADMIN_URL=http://127.0.0.1:$p_mefadm
    GATE_CONFIG=$demo/gate.yaml MAF_CONFIG=$demo/maf.yaml MEF_CONFIG=$demo/mef.yaml
    m2m_key kpsa.key && KPSA=$m2m_secret KPSA_ID=device1@$SP
    m2m_key km.key && KM=$m2m_secret KM_ID=device1@$MAF_FQDN
    m2m_key kpm.key && KPM=$m2m_secret KPM_ID=device1@$MEF_FQDN
    m2m_key maf-kpm.key && maf_kpm_id=maf@$MEF_FQDN
    m2m_seal maf.seal && m2m_seal mef.seal
    m2m_kms_config mef "$MEF_FQDN" "$p_mef" "$p_mefadm" >"$MEF_CONFIG"
    {
        m2m_kms_config maf "$MAF_FQDN" "$p_maf" "$p_mafadm"
        printf 'bsfs:\n  - domain: %s\n    url: %s\nzn:\n  cert: zn-maf.pem\n  key: zn-maf.key\n  ca: zn-ca.pem\n  services: [%s]\n' \
            "$BSF_DOMAIN" "$BSF_ZN_URL" "$m2m_gsid"
        printf 'mefs:\n  - fqdn: %s\n    address: 127.0.0.1:%s\n    psk_id: %s\n    psk_file: maf-kpm.key\n' "$MEF_FQDN" "$p_mef" \
            "$maf_kpm_id"
    } >"$MAF_CONFIG"
    cat >"$GATE_CONFIG" <<CONF
listen: 127.0.0.1:$p_gate
egress: 127.0.0.1:$p_egress
cse_id: $CSE_ID
cert: gate.pem
key: gate.key
ca: m2m-ca.pem
upstream: $CSE_UPSTREAM
bsf:
  - domain: $BSF_DOMAIN
    zn_url: $BSF_ZN_URL
maf:
  - fqdn: $MAF_FQDN
    url: $MAF_URL
mef:
  - fqdn: $MEF_FQDN
    url: $MEF_URL
zn:
  cert: zn-cse.pem
  key: zn-cse.key
  ca: zn-ca.pem
  services: [$m2m_gsid]
store:
  url: sqlite:gate.db
seal:
  key_file: gate.seal
admin:
  listen: 127.0.0.1:$p_gateadm
limits: {exempt: [127.0.0.0/8, "::1/128"]}
${m2m_gate_more:-}
CONF
    m2m_gatectl seal create-key >/dev/null || demo_fail "could not create the gate's seal key"
}

m2m_gatectl() { "$m2m_bin/m2m-gatectl" --config "$GATE_CONFIG" "$@"; }
m2m_mafctl() { "$m2m_bin/m2m-mafctl" --config "$MAF_CONFIG" "$@"; }
m2m_mefctl() { "$m2m_bin/m2m-mefctl" --config "$MEF_CONFIG" "$@"; }

m2m_guss() {
    printf '<guss id="%s" xmlns="urn:3gpp:gba:GBAGUSSSchema-R9:2010-02"><ussList><uss id="%s" type="0"><uids><uid>%s</uid></uids></uss></ussList></guss>\n' \
        "$IMPI" "$m2m_gsid" "$CSE_ID/$AE_ID"
}

# m2m_provision: the AE's credentials with each party, behind demo_provision; before the servers start or later.
m2m_provision() {
    m2m_gatectl credential add --kpsa-id "$KPSA_ID" --key-file "$demo/kpsa.key" --ae-id "$CSE_ID/$AE_ID" >/dev/null &&
        m2m_mafctl credential add --km-id "$KM_ID" --key-file "$demo/km.key" --ae-id "$CSE_ID/$AE_ID" >/dev/null &&
        m2m_mefctl credential add --fqdn "$MAF_FQDN" --kpm-id "$maf_kpm_id" --key-file "$demo/maf-kpm.key" >/dev/null &&
        m2m_mefctl credential add --ae-id "$CSE_ID/$AE_ID" --kpm-id "$KPM_ID" --key-file "$demo/kpm.key" \
            --enrol "$MAF_FQDN,21" --enrol "$CSE_ID,22" >/dev/null &&
        m2m_mefctl credential add --ae-id "$CSE_ID/$AE_ID" --cert-uri "$CSE_ID/$AE_ID" \
            --enrol "$MAF_FQDN,21" --enrol "$CSE_ID,22" >/dev/null || demo_fail "could not provision MAF, MEF or gate"
    m2m_guss | bsfctl guss set "$IMPI" --file - >/dev/null &&
        bsfctl naf allow "$GATE_SNI" --fqdn "$GATE_SNI" --ua 010001 --service $m2m_gsid >/dev/null &&
        bsfctl naf allow "$MAF_FQDN" --fqdn "$MAF_FQDN" --ua 010001 --service $m2m_gsid >/dev/null ||
        demo_fail "could not provision the BSF"
}

m2m_start_cse() {
    local i
    setsid "$build/examples/cse_small" --port "$p_cse" --cse-id "$CSE_ID" >>"$demo/cse_small.log" 2>&1 </dev/null &
    CSE_PID=$!
    for i in $(seq 100); do
        grep -qs listening "$demo/cse_small.log" && return 0
        kill -0 $CSE_PID 2>/dev/null || break
        sleep 0.1
    done
    demo_fail "cse_small did not start: see $demo/cse_small.log"
}
m2m_start_mef() { demo_daemon m2m-mefd "$m2m_bin/m2m-mefd" "$MEF_CONFIG" "$MEF_ADMIN_URL" && MEF_PID=$demo_pid; }
m2m_start_maf() { demo_daemon m2m-mafd "$m2m_bin/m2m-mafd" "$MAF_CONFIG" "$MAF_ADMIN_URL" && MAF_PID=$demo_pid; }
m2m_start_gate() { demo_daemon m2m-gate "$m2m_bin/m2m-gate" "$GATE_CONFIG" "$GATE_ADMIN_URL" && GATE_PID=$demo_pid; }

m2m_start() {
    m2m_start_cse
    m2m_start_mef
    m2m_env
    m2m_start_maf
    m2m_env
    m2m_start_gate
    m2m_env
}

m2m_env() {
    local v
    demo_env
    for v in GATE_URL GATE_SNI GATE_CONFIG GATE_PID GATE_ADMIN_URL EGRESS_URL MAF_URL MAF_FQDN MAF_CONFIG MAF_PID MAF_ADMIN_URL \
        MEF_URL MEF_FQDN MEF_CONFIG MEF_PID MEF_ADMIN_URL CSE_UPSTREAM CSE_ID CSE_PID M2M_CA KPSA_ID KPSA KM_ID KM KPM_ID KPM \
        A_CERT A_KEY AE_ID AE_ID_OTHER; do
        printf '%s=%q\n' "$v" "${!v:-}"
    done >>"$demo/env"
}

# ---- Entity A ----
# m2m_a STATE VERB...: the m2m command with this demo's servers; its JSON in $m2m_json, false when it failed.
m2m_a() {
    local state=$1
    shift
    m2m_json=$("$m2m_bin/m2m" "$@" --state "$demo/$state" --ae-id "$CSE_ID/$AE_ID" --json --explain 2>"$demo/m2m.err" </dev/null)
}
m2m_connect() { # STATE FRAMEWORK MORE...
    local state=$1 framework=$2
    shift 2
    m2m_a "$state" connect "$GATE_URL" --sni "$GATE_SNI" --target "$CSE_ID" --framework "$framework" "$@"
}
m2m_enrol() { # STATE FRAMEWORK TARGET MORE...
    local state=$1 framework=$2 target=$3
    shift 3
    m2m_a "$state" enrol --framework "$framework" --target "$target" --maf "$MAF_URL" --maf-fqdn "$MAF_FQDN" "$@"
}
m2m_value() { # NAME: its first place in the last answer, whose steps come last; of "suite": the first handshake's
    grep -oE "\"$1\":(\"[^\"]*\"|[0-9]+)" <<<"$m2m_json" | head -n 1 | cut -d : -f 2- | tr -d '"'
}
m2m_ok() { [[ $m2m_json == *'"rsc":2000'* && $m2m_json == *"\"csi\":\"/${CSE_ID##*/}\""* ]]; }
m2m_at() { m2m_then=${EPOCHREALTIME/[.,]/}; }
m2m_row() { # NAME PARTIES IDENTIFIER SUITE KEY ANSWER
    local took=$(((${EPOCHREALTIME/[.,]/} - m2m_then) / 1000))
    printf '%-6s  %-22s  %-44s  %-45s  %-10s  %s  %d ms\n' "$1" "$2" "$3" "$4" "$5" "$6" $took
}
m2m_failed() { # NAME
    m2m_bad=1
    printf '%-6s  FAILED\n' "$1"
    sed 's/^/        | /' "$demo/m2m.err"
    [ -z "$m2m_json" ] || printf '        | %s\n' "$m2m_json"
}

m2m_saef() { # N PARTIES FRAMEWORK MORE...
    local n=$1 parties=$2 identifier key
    shift 2
    m2m_at
    if m2m_connect "a$n" "$@" && m2m_ok; then
        identifier="$(m2m_value identifier_name) $(m2m_value identifier)" key=$(m2m_value key)
        [ "$1" != cert ] || identifier="AE-ID $CSE_ID/$AE_ID" # the name in the certificate
        m2m_row "SAEF $n" "$parties" "$identifier" "$(m2m_value suite)" "${key:--}" "2000 $(m2m_value rsc_name)"
    else
        m2m_failed "SAEF $n"
    fi
}

# m2m_sbf N PARTIES IDENTIFIER FRAMEWORK MORE...: enrols with the MAF, then SAEF 3 with that Km; with the CSE,
# then SAEF 1 with that Kpsa. Nothing but the target is told to connect: the device holds the rest.
m2m_sbf() {
    local n=$1 parties=$2 identifier=$3 framework=$4 suite answer first='' key
    shift 4
    m2m_at
    if m2m_enrol "b$n" "$framework" "$MAF_FQDN" "$@"; then
        suite=$(m2m_value suite) key=$(m2m_value key)
        first="        then SAEF 3 with $key, $(m2m_value identifier_name) $(m2m_value identifier)"
        if m2m_connect "b$n" maf --fresh && m2m_ok; then
            answer="2000 $(m2m_value rsc_name)"
            first="$first: $answer"
            if m2m_enrol "b$n" "$framework" "$CSE_ID" "$@"; then
                key="$key, $(m2m_value key)"
                first="$first
        then SAEF 1 with $(m2m_value key), $(m2m_value identifier_name) $(m2m_value identifier)"
                if m2m_connect "b$n" psk && m2m_ok; then
                    m2m_row "SBF $n" "$parties" "$identifier" "${suite:-HTTP Digest AKAv1-MD5 (Ub)}" "$key" "$answer, 2000 $(m2m_value rsc_name)"
                    printf '%s: 2000 %s\n' "$first" "$(m2m_value rsc_name)"
                    return
                fi
            fi
        fi
    fi
    m2m_failed "SBF $n"
    [ -z "$first" ] || printf '%s\n' "$first"
}

m2m_rows() {
    local usim=(--usim "$USIM" --bsf "$BSF_UB_URL" --bsf-domain "$BSF_DOMAIN")
    m2m_bad=0
    m2m_saef 1 "A, CSE" psk --psk-id "$KPSA_ID" --psk-file "$demo/kpsa.key"
    m2m_saef 2 "A, CSE" cert --cert "$A_CERT" --key "$A_KEY" --ca "$M2M_CA"
    m2m_saef 3 "A, MAF, CSE" maf --maf "$MAF_URL" --maf-fqdn "$MAF_FQDN" --psk-id "$KM_ID" --psk-file "$demo/km.key"
    m2m_saef 4 "A, BSF, CSE" gba "${usim[@]}"
    m2m_sbf 1 "A, MEF, MAF and CSE" "KpmID $KPM_ID" psk --mef "$MEF_URL" --mef-fqdn "$MEF_FQDN" --psk-id "$KPM_ID" --psk-file "$demo/kpm.key"
    m2m_sbf 2 "A, MEF, MAF and CSE" "AE-ID $CSE_ID/$AE_ID" cert --mef "$MEF_URL" --mef-fqdn "$MEF_FQDN" --cert "$A_CERT" --key "$A_KEY" --ca "$M2M_CA"
    m2m_sbf 3 "A, BSF, MAF and CSE" "IMPI $IMPI" gba "${usim[@]}"
    return $m2m_bad
}

# ---- ./quickstart --onem2m ----
m2m_main() { # KEEP
    say "[3/6] fresh stores, keys and certificates in build/demo"
    demo_prepare
    m2m_prepare
    [ "$1" = yes ] || trap 'demo_stop quiet' EXIT
    say "[4/6] BSF, MAF, MEF, a small CSE and the gate before it start on loopback"
    demo_start
    m2m_start
    say "      CSE  $CSE_ID behind $GATE_URL (SNI $GATE_SNI)"
    say "      MAF  $MAF_FQDN at $MAF_URL   MEF  $MEF_FQDN at $MEF_URL   BSF  $BSF_DOMAIN at $BSF_UB_URL"
    say "[5/6] one AE, $CSE_ID/$AE_ID: Kpsa, certificate, Km, Kpm, USIM"
    demo_provision
    m2m_provision
    say "[6/6] seven frameworks: framework, parties, identifier, suite, key, answer of the CSE, time"
    m2m_rows || {
        say "Logs: build/demo/*.log"
        return 1
    }
    [ "$1" != yes ] || say "Running. Addresses: build/demo/env   End: ./quickstart --stop"
    say "OK: seven frameworks, and the CSE knew each time who spoke."
}
