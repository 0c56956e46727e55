#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# make bench, the part of TLS-PSK: a handshake and one GET each, gba-nafd with GBA keys beside nginx with an
# ECDSA P-256 certificate, in one run. Figures and ratios as in run.sh; no tickets on either side.
#   BENCH_ROUNDS=5 BENCH_SECONDS=3 tests/bench/run_psk.sh BUILD
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:-$top/build}
build=$(cd "$build" && pwd)
demo=$build/bench-psk
rounds=${BENCH_ROUNDS:-5} seconds=${BENCH_SECONDS:-3} threads=${BENCH_THREADS:-16}
load=$build/tests/bench/load
. "$top/tests/demo.sh"
command -v nginx >/dev/null || PATH=$PATH:/usr/sbin
command -v nginx >/dev/null || demo_fail "nginx is the yardstick: apt-get install nginx-light"
x25519='-GROUP-ALL:+GROUP-X25519'
tls12="NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:$x25519:-CIPHER-ALL"

rate() { sed -n 's/.* ops_per_cpu_s=\([0-9]*\).*/\1/p'; }
median() { sort -n | awk '{v[NR] = $1} END {print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }
# one SIDE OPTION...: the rate of a round, or a complaint
one() {
    local side=$1 line
    shift
    line=$("$load" raw --request "$demo/request" --new-connections --threads "$threads" --seconds "$seconds" "$@") ||
        demo_say "  $side reported failures: $line"
    rate <<<"$line"
}
# versus NAME GOAL NAF-PRIORITY KEY NGINX-PRIORITY
versus() {
    local i a=() b=() ma mb
    for ((i = 0; i < rounds; i++)); do
        a+=("$(one "our side" --port "$p_naftls" --pids "$NAF_PID" --psk-identity "3GPP-bootstrapping;$btid" --psk-key "$4" --priority "$3")")
        b+=("$(one "nginx's side" --port "$p_ngx" --pids "$ngx_pids" --tls "$NAF_CA" --priority "$5")")
    done
    ma=$(printf '%s\n' "${a[@]}" | median) mb=$(printf '%s\n' "${b[@]}" | median)
    printf '%-46s %9.0f %9.0f   %5.2f  (goal %s)   rounds %s | %s\n' "$1" "$ma" "$mb" \
        "$(echo "$ma $mb" | awk '{print $2 ? $1 / $2 : 0}')" "$2" "${a[*]}" "${b[*]}"
}
cleanup() {
    [ -n "${ngx:-}" ] && kill "$ngx" 2>/dev/null
    demo_stop quiet
}
trap cleanup EXIT
demo_stop quiet
demo_prepare
demo_free_port && p_ngx=$demo_port
sed -i 's/^ua:/ua:\n  psk_priority: "+PSK"/' "$NAF_CONFIG"
demo_start
demo_provision
mkdir -p "$demo/nginx"
cat >"$demo/nginx.conf" <<CONF
worker_processes $(nproc);
daemon off;
pid $demo/nginx/pid;
error_log $demo/nginx/error.log crit;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path $demo/nginx/b; proxy_temp_path $demo/nginx/p; fastcgi_temp_path $demo/nginx/f;
  uwsgi_temp_path $demo/nginx/u; scgi_temp_path $demo/nginx/s;
  ssl_certificate $demo/naf.pem; ssl_certificate_key $demo/naf.key;
  ssl_protocols TLSv1.2 TLSv1.3; ssl_ecdh_curve X25519; ssl_session_tickets off; ssl_session_cache off;
  ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256; ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256;
  server {
    listen 127.0.0.1:$p_ngx ssl;
    location / { default_type text/plain; return 200 "hello, this is a page of the size that the NAF itself serves to its clients\n"; }
  }
}
CONF
nginx -c "$demo/nginx.conf" -p "$demo/nginx" >"$demo/nginx/log" 2>&1 &
ngx=$!
for _ in $(seq 50); do (exec 9<>"/dev/tcp/127.0.0.1/$p_ngx") 2>/dev/null && break || sleep 0.1; done
ngx_pids=$(pgrep -P $ngx | paste -sd,)
[ -n "$ngx_pids" ] || demo_fail "nginx did not start: see $demo/nginx"
printf 'GET / HTTP/1.1\r\nHost: %s\r\nUser-Agent: load; Release-17 3gpp-gba\r\n\r\n' "$NAF_FQDN" >"$demo/request"

key() { demo_gba key "$NAF_FQDN" --ua "$1" --json >"$demo/key.json" && sed -n 's/.*"ks_naf": *"\([^"]*\)".*/\1/p' "$demo/key.json"; }
demo_gba bootstrap >/dev/null || demo_fail "bootstrap failed"
k13=$(key 0100000007) kplain=$(key 01000100ae) kcbc=$(key 010001c037)
btid=$(sed -n 's/.*"btid": *"\([^"]*\)".*/\1/p' "$demo/key.json" | head -1)
printf '%s, %s processors; %s rounds of %s s, %s connections at once, a handshake and a GET each\n\n' \
    "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)" "$(nproc)" "$rounds" "$seconds" "$threads"
printf '%-46s %9s %9s   %5s\n' "per second of server CPU" ours nginx ratio
ngx12="$tls12:+GROUP-SECP256R1:+AES-128-GCM:+ECDHE-ECDSA:+AEAD" ngx13="NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:$x25519"
versus "TLS 1.2 PSK, AES-128-CBC-SHA256" "-" "$tls12:+AES-128-CBC:+PSK:+SHA256" "$kplain" "$ngx12"
versus "TLS 1.2 ECDHE-PSK, X25519, AES-128-CBC-SHA256" 1.3 "$tls12:+AES-128-CBC:+ECDHE-PSK:+SHA256" "$kcbc" "$ngx12"
versus "TLS 1.3 PSK with ECDHE, X25519" 1.3 "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:$x25519:-KX-ALL:+ECDHE-PSK" "$k13" "$ngx13"
