#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# make bench, the part of oneM2M: a handshake and the retrieval of the CSEBase each, SAEF 1 to 4 at m2m-gate with warm
# keys, beside nginx with an ECDSA P-256 certificate that proxies to the same CSE, in one run. TLS 1.2 on both sides
# (TS-0003 has no other), no tickets, a log line a request at once. Figures: operations per second of the gate's
# (nginx's) CPU, the median of the rounds; milliseconds as a client sees them while BENCH_THREADS of them press.
#   BENCH_ROUNDS=5 BENCH_SECONDS=3 tests/bench/run_onem2m.sh BUILD
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:-$top/build}
build=$(cd "$build" && pwd)
bin=$build/onem2m-binding
rounds=${BENCH_ROUNDS:-5} seconds=${BENCH_SECONDS:-3} threads=${BENCH_THREADS:-16}
load=$build/tests/bench/load client=$build/tests/m2m_client
. "$top/tests/demo.sh"
command -v nginx >/dev/null || PATH=$PATH:/usr/sbin
command -v nginx >/dev/null || demo_fail "nginx is the yardstick: apt-get install nginx-light"
work=$(mktemp -d) && cd "$work" || exit 99
dir=$work pids=()
. "$top/tests/m2m_kit.sh"
trap 'for p in "${pids[@]}"; do kill "$p" 2>/dev/null; wait "$p" 2>/dev/null; done; rm -rf "$work"' EXIT

# ---- the parties ----
root ca
cert server ca DNS:cse1.sp.example.com 2
cert maf ca DNS:maf.example.com 2
cert bsf ca DNS:localhost,IP:127.0.0.1 2
cert ae ca URI://sp.example.com/cse1/Cae 2
KEY=$(openssl rand -hex 32) KM_A=$(openssl rand -hex 32) KM_B=$(openssl rand -hex 32)
echo "$KEY" >kpsa && echo "$KM_B" >km
printf 'k1 %s\n' "$(openssl rand -hex 32)" >maf.seal && chmod 600 maf.seal
"$build/examples/cse_small" --port 0 --cse-id //sp.example.com/cse1 >cse.log 2>&1 & pids+=($!)
until_line listening cse.log || demo_fail "the CSE does not start"
upstream=$(port_of listening cse.log)
mkfifo bsf.in
"$build/tests/fake_bsf" 0 bsf.pem bsf.key ca.pem <bsf.in >bsf.out 2>&1 & pids+=($!)
exec 7>bsf.in
until_line '[0-9]' bsf.out
cat >maf.yaml <<Y
maf: {fqdn: maf.example.com, listen: "127.0.0.1:0", cert: maf.pem, key: maf.key}
store: {url: "sqlite:maf.db"}
seal: {key_file: maf.seal}
admin: {listen: "127.0.0.1:0"}
limits: {exempt: [127.0.0.0/8]}
Y
"$bin/m2m-mafctl" --config maf.yaml credential add --ae-id //sp.example.com/cse1/Cmaf --km-id a@maf.example.com --key-file - <<<"$KM_A" >/dev/null
"$bin/m2m-mafctl" --config maf.yaml credential add --cse-id //sp.example.com/cse1 --km-id b@maf.example.com --key-file km >/dev/null
"$bin/m2m-mafd" --config maf.yaml 2>maf.log & pids+=($!)
until_line 'listening on=maf' maf.log || demo_fail "the MAF does not start"
MAF=$(port_of 'listening on=maf' maf.log)
cat >gate.yaml <<Y
listen: 127.0.0.1:0
cse_id: //sp.example.com/cse1
cert: server.pem
key: server.key
ca: ca.pem
upstream: http://127.0.0.1:$upstream
bsf: [{domain: bsf.example.com, zn_url: "https://localhost:$(head -n 1 bsf.out)"}]
maf: [{fqdn: maf.example.com, url: "https://127.0.0.1:$MAF", psk_id: b@maf.example.com, psk_file: km}]
store: {url: "sqlite:gate.db"}
seal: {key_file: gate.seal}
admin: {listen: "127.0.0.1:0"}
limits: {exempt: [127.0.0.0/8]}
Y
"$bin/m2m-gatectl" --config gate.yaml seal create-key >/dev/null
"$bin/m2m-gatectl" --config gate.yaml credential add --kpsa-id a@sp.example.com --key-file kpsa --ae-id //sp.example.com/cse1/Cpsk >/dev/null
btid=ussGATE@bsf.example.com
"$bin/m2m-gatectl" --config gate.yaml credential add --credential-id "12-$btid" --ae-id //sp.example.com/cse1/Cgba >/dev/null
"$bin/m2m-gate" --config gate.yaml 2>gate.log & gate=$!
pids+=($gate)
until_line gate.listening gate.log || demo_fail "the gate does not start: $(cat gate.log)"
port=$(port_of gate.listening gate.log)

# ---- nginx ----
demo_free_port && p_ngx=$demo_port
mkdir nginx
cat >nginx.conf <<CONF
worker_processes $(nproc);
daemon off;
pid $work/nginx/pid;
error_log $work/nginx/error.log crit;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path $work/nginx/b; proxy_temp_path $work/nginx/p; fastcgi_temp_path $work/nginx/f;
  uwsgi_temp_path $work/nginx/u; scgi_temp_path $work/nginx/s;
  ssl_certificate server.pem; ssl_certificate_key server.key;
  ssl_protocols TLSv1.2; ssl_ecdh_curve X25519; ssl_session_tickets off; ssl_session_cache off;
  ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256;
  upstream cse { server 127.0.0.1:$upstream; keepalive 64; }
  server {
    listen 127.0.0.1:$p_ngx ssl;
    access_log $work/nginx/cse.log combined; # at once, as the gate's audit line of each request
    location / { proxy_pass http://cse; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
CONF
nginx -c "$work/nginx.conf" -p "$work/nginx" >nginx/log 2>&1 & pids+=($!)
ngx=$!
for _ in $(seq 50); do (exec 9<>"/dev/tcp/127.0.0.1/$p_ngx") 2>/dev/null && break || sleep 0.1; done
ngx_pids=$(pgrep -P $ngx | paste -sd,)
[ -n "$ngx_pids" ] || demo_fail "nginx did not start: $(cat nginx/log nginx/error.log)"

# ---- keys of SAEF 3 and 4 ----
far=$(date -u -d '+10 days' +%Y%m%dT%H%M%S)
out=$("$client" "$MAF" maf.example.com psk a@maf.example.com "$KM_A" EXPORTER-oneM2M-Connection //sp.example.com/cse1/Cmaf \
    POST /MAFBase 'application/json;ty=60003' "{\"sec:macr\":{\"et\":\"$far\",\"adfq\":\"adm.example.com\"}}" \
    POST /MAFBase 'application/json;ty=60005' \
    "{\"sec:skr\":{\"et\":\"$far\",\"adfq\":\"adm.example.com\",\"suid\":32,\"tgis\":[\"//sp.example.com/cse1\"]}}")
exported=$(sed -n '1s/.* //p' <<<"$out")
kcid=${exported:0:32}@maf.example.com kc=${exported:32}
[ ${#kc} -eq 64 ] || demo_fail "no Kc: $out"
gba_key() { "$build/tests/fake_bsf" password "$btid" cse1.sp.example.com "$1" | base64 -d | od -An -v -tx1 | tr -d ' \n'; }

# ---- measure ----
field() { sed -n "s/.* $1=\([0-9.]*\).*/\1/p"; }
median() { sort -n | awk '{v[NR] = $1} END {print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }
round() { # PORT PIDS OPTION...
    local p=$1 of=$2
    shift 2
    "$load" raw --host cse1.sp.example.com --port "$p" --pids "$of" --request request --new-connections --threads "$threads" \
        --seconds "$seconds" "$@" || demo_say "  failures reported"
}
versus() { # NAME GOAL FROM OPTION...
    local name=$1 goal=$2 from=$3 i ours=() theirs=() a b
    shift 3
    printf 'GET /cse1 HTTP/1.1\r\nHost: cse1.sp.example.com\r\nX-M2M-Origin: %s\r\nX-M2M-RI: r1\r\nX-M2M-RVI: 3\r\n\r\n' "$from" >request
    for ((i = 0; i < rounds; i++)); do
        ours+=("$(round "$port" $gate "$@")")
        theirs+=("$(round "$p_ngx" "$ngx_pids" --tls ca.pem --priority "$tls12:+AES-128-GCM:+ECDHE-ECDSA:+AEAD")")
    done
    a=$(printf '%s\n' "${ours[@]}" | field ops_per_cpu_s | median) b=$(printf '%s\n' "${theirs[@]}" | field ops_per_cpu_s | median)
    printf '%-40s %8.0f %8.0f  %5.2f  (goal %s)  p50 %s | %s ms, p99 %s | %s ms   rounds %s | %s\n' "$name" "$a" "$b" \
        "$(echo "$a $b" | awk '{print $2 ? $1 / $2 : 0}')" "$goal" \
        "$(printf '%s\n' "${ours[@]}" | field p50_ms | median)" "$(printf '%s\n' "${theirs[@]}" | field p50_ms | median)" \
        "$(printf '%s\n' "${ours[@]}" | field p99_ms | median)" "$(printf '%s\n' "${theirs[@]}" | field p99_ms | median)" \
        "$(printf '%s\n' "${ours[@]}" | field ops_per_cpu_s | paste -sd' ')" "$(printf '%s\n' "${theirs[@]}" | field ops_per_cpu_s | paste -sd' ')"
}
tls12="NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:-CIPHER-ALL"
ecdhe="$tls12:+AES-128-CBC:+ECDHE-PSK:+SHA256" plain="$tls12:+AES-128-CBC:+PSK:+SHA256"
printf 'oneM2M: %s, %s processors; %s rounds of %s s, %s connections at once; a handshake and a CSEBase each, TLS 1.2\n\n' \
    "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)" "$(nproc)" "$rounds" "$seconds" "$threads"
printf '%-40s %8s %8s  %5s\n' "per second of server CPU" gate nginx ratio
versus "SAEF 1, ECDHE-PSK-AES128-CBC-SHA256" 1.3 Cpsk --psk-identity a@sp.example.com --psk-key "$KEY" --priority "$ecdhe"
versus "SAEF 1, PSK-AES128-CBC-SHA256 (00AE)" - Cpsk --psk-identity a@sp.example.com --psk-key "$KEY" --priority "$plain"
versus "SAEF 2, client certificates on our side" - Cae --tls ca.pem --cert ae.pem --key ae.key --priority "$tls12:+AES-128-GCM:+ECDHE-ECDSA:+AEAD"
versus "SAEF 3, ECDHE-PSK-AES128-CBC-SHA256" 1.3 Cmaf --psk-identity "$kcid" --psk-key "$kc" --priority "$ecdhe"
versus "SAEF 4, ECDHE-PSK-AES128-CBC-SHA256" 1.3 Cgba --psk-identity "3GPP-bootstrapping;$btid" --psk-key "$(gba_key 010001C037)" --priority "$ecdhe"
