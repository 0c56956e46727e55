#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Hostile heads (tests/heads.py) at every listener of the programs, plain and TLS, and behind the two proxies. Those of the
# Diameter programs: e2e_diameter.sh.
set -u
command -v python3 >/dev/null && command -v openssl >/dev/null || exit 77
build=$(cd "${top_builddir:-.}" && pwd)
src=$(cd "${top_srcdir:-.}" && pwd)
demo=$(mktemp -d) || exit 1
# shellcheck source=tests/demo.sh
. "$src/tests/demo.sh"
# shellcheck source=tests/demo_onem2m.sh
. "$src/tests/demo_onem2m.sh"
# shellcheck source=tests/kit.sh
. "$src/tests/kit.sh"
extra=()
trap 'for p in "${extra[@]}"; do kill "$p" 2>/dev/null; wait "$p" 2>/dev/null; done; demo_stop quiet; rm -rf "$demo"' EXIT

demo_prepare
m2m_prepare
m2m_cert registrar "DNS:$GATE_SNI"
demo_free_port && p_judge=$demo_port
demo_free_port && p_up=$demo_port
cat >>"$NAF_CONFIG" <<CONF
upstreams:
  - path: /app/
    url: http://127.0.0.1:$p_up
decision:
  listen: 127.0.0.1:$p_judge
  prefix: /judge/
  proxies: [127.0.0.1/32]
CONF
declare -A health
for c in bsf naf gate maf mef; do
    demo_free_port && health[$c]=$demo_port
    printf 'health:\n  listen: 127.0.0.1:%s\n' "$demo_port" >>"$demo/$c.yaml"
done
demo_start
demo_provision
m2m_provision
m2m_start_mef
m2m_start_maf
# whoever answers in the CSE's place has to be there first
python3 "$src/tests/heads.py" behind "$p_cse" &
extra+=($!)
for _ in $(seq 100); do (: >"/dev/tcp/127.0.0.1/$p_cse") 2>/dev/null && break || sleep 0.05; done
m2m_start_gate
m2m_env

# ---- SA2: a device that listens, by a certificate ----
"$m2m_bin/m2m" connect "$GATE_URL" --sni "$GATE_SNI" --ae-id "$CSE_ID/$AE_ID" --framework cert --cert "$A_CERT" --key "$A_KEY" \
    --ca "$M2M_CA" --state "$demo/sa2" --json --listen 127.0.0.1:0 --count 100000 --timeout 60 >"$demo/sa2.out" 2>"$demo/sa2.err" &
extra+=($!)
for _ in $(seq 100); do grep -q 'listening on port' "$demo/sa2.err" && break || sleep 0.1; done
p_sa2=$(sed -n 's/.*listening on port \([0-9]*\).*/\1/p' "$demo/sa2.err" | head -1)
ok "a device listens" test -n "$p_sa2"
kill "${extra[0]}"
wait "${extra[0]}" 2>/dev/null

# ---- the keys of the NAF ----
demo_gba bootstrap --json >"$demo/session" || exit 1
btid=$(sed -n 's/.*"btid": *"\([^"]*\)".*/\1/p' "$demo/session")
password() { demo_gba key "$NAF_FQDN" --ua "$1" --json | sed -n 's/.*"password": *"\([^"]*\)".*/\1/p'; }
P=$(password 0100000002)
tls_passwords=(password_TLS_AES_128_GCM_SHA256="$(password 0100011301)" password_TLS_AES_256_GCM_SHA384="$(password 0100011302)"
    password_TLS_CHACHA20_POLY1305_SHA256="$(password 0100011303)")

heads() { ok "$1" python3 "$src/tests/heads.py" "${@:2}" "name=$1"; }
a=127.0.0.1
bsf=admin=$a:$p_bsfadm naf=admin=$a:$p_nafadm gate=admin=$a:$p_gateadm
own=(ca="$M2M_CA" cert="$A_CERT" key="$A_KEY" tls=1.2)
heads "gba-bsfd Ub" ub=$a:$p_ub $bsf listener=ub
heads "gba-bsfd Ub, TLS" ub=$a:$p_ubtls ca="$BSF_CA" $bsf listener=ub-tls
heads "gba-bsfd Zn" zn=$a:$p_zn ca="$ZN_CA" cert="$ZN_CERT" key="$ZN_KEY" $bsf listener=zn
heads "gba-bsfd admin" admin=$a:$p_bsfadm admin=$a:$p_bsfadm listener=admin
heads "gba-bsfd health" admin=$a:${health[bsf]} admin=$a:$p_bsfadm listener=health
heads "gba-nafd Ua" ua=$a:$p_naf host=localhost:$p_naf btid="$btid" password="$P" $naf listener=ua
heads "gba-nafd Ua, TLS" ua=$a:$p_naftls host=localhost:$p_naftls ca="$NAF_CA" btid="$btid" "${tls_passwords[@]}" $naf listener=ua
heads "gba-nafd proxy" proxy=$a:$p_naf host=localhost:$p_naf btid="$btid" password="$P" behind=$p_up upstream=$a:$p_up \
    asserted="$btid" $naf listener=ua
heads "gba-nafd proxy, TLS" proxy=$a:$p_naftls host=localhost:$p_naftls ca="$NAF_CA" btid="$btid" "${tls_passwords[@]}" behind=$p_up \
    upstream=$a:$p_up asserted="$btid" $naf listener=ua
heads "gba-nafd decision" judge=$a:$p_judge host=localhost btid="$btid" password="$P" $naf listener=decision
heads "gba-nafd admin" admin=$a:$p_nafadm admin=$a:$p_nafadm listener=admin
heads "gba-nafd health" admin=$a:${health[naf]} admin=$a:$p_nafadm listener=health
heads "m2m-gate" gate=$a:$p_gate sni="$GATE_SNI" "${own[@]}" behind="$p_cse" upstream=$a:$p_cse \
    credential="33-Cdevice1.$GATE_SNI" $gate listener=gate
heads "m2m-gate egress" egress=$a:$p_egress $gate listener=egress
heads "m2m-gate admin" admin=$a:$p_gateadm admin=$a:$p_gateadm listener=admin
heads "m2m-gate health" admin=$a:${health[gate]} admin=$a:$p_gateadm listener=health
heads "m2m-mafd" kms=$a:$p_maf sni="$MAF_FQDN" "${own[@]}" admin=$a:$p_mafadm listener=maf
heads "m2m-mafd admin" admin=$a:$p_mafadm admin=$a:$p_mafadm listener=admin
heads "m2m-mafd health" admin=$a:${health[maf]} admin=$a:$p_mafadm listener=health
heads "m2m-mefd" kms=$a:$p_mef sni="$MEF_FQDN" "${own[@]}" admin=$a:$p_mefadm listener=mef
heads "m2m-mefd admin" admin=$a:$p_mefadm admin=$a:$p_mefadm listener=admin
heads "m2m-mefd health" admin=$a:${health[mef]} admin=$a:$p_mefadm listener=health
heads "the device's listener" sa2=$a:$p_sa2 sni=device.example ca="$M2M_CA" cert="$demo/registrar.pem" key="$demo/registrar.key" tls=1.2
ok "which says what it refused" grep -q 'refused 127.0.0.1: malformed' "$demo/sa2.err"
ok "each refusal is told" grep -q ' http.rejected listener=gate reason=field_name from=127.0.0.1' "$demo/m2m-gate.log"
kit_end
