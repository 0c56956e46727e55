#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# make bench: OpenGBA's servers beside nginx on the same machine in the same run. Every figure is
# operations per second of the server's own CPU time; ratios are of medians of several rounds.
#   BENCH_ROUNDS=5 BENCH_SECONDS=3 BENCH_SUBSCRIBERS=1000000 make bench
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:-$top/build}
build=$(cd "$build" && pwd)
demo=$build/bench
rounds=${BENCH_ROUNDS:-5} seconds=${BENCH_SECONDS:-3} many=${BENCH_SUBSCRIBERS:-1000000} threads=${BENCH_THREADS:-64}
load=$build/tests/bench/load
. "$top/tests/demo.sh"
command -v nginx >/dev/null || PATH=$PATH:/usr/sbin
command -v nginx >/dev/null || demo_fail "nginx is the yardstick: apt-get install nginx-light"
prio13='NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:-GROUP-ALL:+GROUP-X25519'

nginx_start() {
    demo_free_port && p_ngx=$demo_port
    demo_free_port && p_ngxtls=$demo_port
    demo_free_port && p_ngxmtls=$demo_port
    local nonce=I1U8vpY3qJ0hiuZNrke/NVXzKLQ1d7m5Sp/6w1Tfr7MAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
    mkdir -p "$demo/nginx"
    cat >"$demo/nginx.conf" <<CONF
worker_processes $(nproc);
daemon off;
pid $demo/nginx/pid;
error_log $demo/nginx/error.log crit;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path $demo/nginx/b; proxy_temp_path $demo/nginx/p; fastcgi_temp_path $demo/nginx/f;
  uwsgi_temp_path $demo/nginx/u; scgi_temp_path $demo/nginx/s;
  ssl_certificate $demo/ub.pem; ssl_certificate_key $demo/ub.key;
  ssl_protocols TLSv1.2 TLSv1.3; ssl_ecdh_curve X25519; ssl_session_tickets off; ssl_session_cache off;
  ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
  server {
    listen 127.0.0.1:$p_ngx; listen 127.0.0.1:$p_ngxtls ssl;
    location = /challenge {
      add_header WWW-Authenticate 'Digest realm="bsf.example.test", nonce="$nonce", opaque="130c243e3290e34a190a91507d70bad8", algorithm=AKAv1-MD5, qop="auth-int"' always;
      return 401 " "; # "" would be a page of nginx's own
    }
    location = /ok {
      add_header Authentication-Info 'qop=auth-int, rspauth="64b158eb40205f3761a6f568c88d394a", cnonce="008f1eb6809e6d0d6072e8e49ca0008c", nc=00000001';
      add_header Cache-Control no-store;
      add_header Expires "Thu, 24 Dec 2026 12:00:00 GMT";
      access_log $demo/nginx/ok.log combined buffer=32k flush=5ms; # as the BSF's line of each bootstrap
      default_type application/vnd.3gpp.bsf+xml;
      return 200 '<?xml version="1.0" encoding="UTF-8"?><BootstrappingInfo xmlns="uri:3gpp-gba"><btid>I1U8vpY3qJ0hiuZNrke/NQ==@bsf.example.test</btid><lifetime>2026-12-24T12:00:00Z</lifetime><Extension><currenttime>2026-12-23T12:00:00Z</currenttime></Extension></BootstrappingInfo>';
    }
    location = / { default_type text/plain; return 200 "hello, this is a page of the size that the NAF itself serves to its clients\n"; }
  }
  server {
    listen 127.0.0.1:$p_ngxmtls ssl;
    ssl_certificate $demo/zn-server.pem; ssl_certificate_key $demo/zn-server.key;
    ssl_client_certificate $demo/zn-ca.pem; ssl_verify_client on;
    access_log $demo/nginx/zn.log combined; # at once, as the BSF's audit line
    location / { default_type application/json; return 200 '{"meKeyMaterial":"62949fd8507b5d801f6c2f432d9aacceb0a6367d2e5e41cf4b1a6280aa12d0cb","keyExpiryTime":"2026-12-24T12:00:00Z","bootstrappingInfoCreationTime":"2026-12-23T12:00:00Z","gbaType":"3G_GBA"}'; }
  }
}
CONF
    nginx -c "$demo/nginx.conf" -p "$demo/nginx" >"$demo/nginx/log" 2>&1 &
    ngx=$!
    for _ in $(seq 50); do
        demo_http "http://127.0.0.1:$p_ngx/" && break
        sleep 0.1
    done
    ngx_pids=$(pgrep -P $ngx | paste -sd,)
    [ -n "$ngx_pids" ] || demo_fail "nginx did not start: see $demo/nginx"
}

rate() { sed -n 's/.* ops_per_cpu_s=\([0-9]*\).*/\1/p'; }
median() { sort -n | awk '{v[NR] = $1} END {print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }

# versus NAME GOAL 'OURS' 'THEIRS': in turn, round by round.
versus() {
    local i a=() b=() line ma mb
    for ((i = 0; i < rounds; i++)); do
        # shellcheck disable=SC2086
        line=$($load $3 --threads "$threads" --seconds "$seconds") || demo_say "  our side reported failures: $line"
        a+=("$(rate <<<"$line")")
        # shellcheck disable=SC2086
        line=$($load $4 --threads "$threads" --seconds "$seconds") || demo_say "  nginx's side reported failures: $line"
        b+=("$(rate <<<"$line")")
    done
    ma=$(printf '%s\n' "${a[@]}" | median) mb=$(printf '%s\n' "${b[@]}" | median)
    printf '%-46s %9.0f %9.0f   %5.2f  (goal %s)   rounds %s | %s\n' "$1" "$ma" "$mb" \
        "$(echo "$ma $mb" | awk '{print $2 ? $1 / $2 : 0}')" "$2" "${a[*]}" "${b[*]}"
}
rss() { awk '/^VmRSS/ {print $2}' "/proc/$BSF_PID/status"; }
csv() { # FIRST COUNT
    echo impi,k,opc
    awk -v f="$1" -v n="$2" -v k="$K" -v o="$OPC" \
        'BEGIN {for (i = f; i < f + n; i++) printf "00101%010d@ims.mnc001.mcc001.3gppnetwork.org,%s,%s\n", i, k, o}'
}

cleanup() {
    [ -n "${ngx:-}" ] && kill "$ngx" 2>/dev/null
    demo_stop quiet
}
trap cleanup EXIT
demo_stop quiet
demo_prepare
sed -i 's/impi_challenges: .*/impi_challenges: 1000000/' "$BSF_CONFIG"
demo_start
demo_provision
nginx_start
printf '%s, %s processors; %s rounds of %s s, %s connections\n' "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)" \
    "$(nproc)" "$rounds" "$seconds" "$threads"
printf 'BSF: SQLite, synchronous=FULL, group commit; each bootstrap writes the session and the IMPI record, and\n'
printf 'a tombstone of the session before. nginx: the same exchanges answered from memory. Both write the same number of\n'
printf 'log lines: one a bootstrap, gathered for up to 5 ms; one a Zn lookup, at once; none of Ua.\n\n'
printf '%-46s %9s %9s   %5s\n' "per second of server CPU" ours nginx ratio

csv 100000000 20000 | bsfctl subscriber import - --quiet || demo_fail "import failed"
ub="--first 100000000 --count 20000 --k $K --opc $OPC --realm $BSF_DOMAIN --pids $BSF_PID"
versus "Ub bootstraps, kept-alive" 0.35 "ub --port $p_ub $ub" "pair --port $p_ngx --pids $ngx_pids"
versus "Ub bootstraps, a TLS 1.3 handshake each" 1.2 \
    "ub --port $p_ubtls $ub --new-connections --tls $BSF_CA --priority $prio13" \
    "pair --port $p_ngxtls --pids $ngx_pids --new-connections --tls $BSF_CA --priority $prio13"

# Zn: a session of the demo's USIM, asked for again and again.
demo_gba bootstrap --json >"$demo/session.json" || demo_fail "bootstrap failed"
btid=$(sed -n 's/.*"btid": *"\([^"]*\)".*/\1/p' "$demo/session.json" | head -1)
body="{\"btId\":\"$btid\",\"nafId\":{\"nafFqdn\":\"$NAF_FQDN\",\"uaSecProtId\":\"0100000002\"}}"
zn_request() {
    printf 'POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' "$1" \
        ${#body} "$body"
}
zn_request /nbsp-gba/v1/bootstrapping-info-retrieval >"$demo/zn.request"
zn_request / >"$demo/ngx.request"
printf 'GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: load; Release-17 3gpp-gba\r\nAuthorization: Digest %0300d\r\n\r\n' 0 \
    >"$demo/ua.request"
zn="--tls $ZN_CA --cert $ZN_CERT --key $ZN_KEY --priority $prio13"
versus "Zn lookups, kept-alive, mutual TLS" 0.6 "raw --port $p_zn --pids $BSF_PID --request $demo/zn.request $zn" \
    "raw --port $p_ngxmtls --pids $ngx_pids --request $demo/ngx.request $zn"

password=$(demo_gba key "$NAF_FQDN" --ua 0100000002 --json | sed -n 's/.*"password": *"\([^"]*\)".*/\1/p')
versus "Ua Digest requests, kept-alive" 0.5 \
    "ua --port $p_naf --pids $NAF_PID --host $NAF_FQDN --btid $btid --password $password" \
    "raw --port $p_ngx --pids $ngx_pids --request $demo/ua.request"

if [ "$many" -gt 0 ]; then
    began=$(date +%s.%N)
    csv 200000000 "$many" | bsfctl subscriber import - --quiet || demo_fail "import failed"
    printf '\n%s subscribers imported in %.0f s\n' "$many" "$(echo "$(date +%s.%N) $began" | awk '{print $1 - $2}')"
    "$load" ub --port "$p_ub" --pids "$BSF_PID" --first 200000000 --count "$many" --ops "$many" --k "$K" --opc "$OPC" \
        --realm "$BSF_DOMAIN" --threads "$threads" | sed 's/^/a session for each: /'
    versus "Ub bootstraps, $many subscribers and sessions" 0.25 \
        "ub --port $p_ub --first 200000000 --count $many --k $K --opc $OPC --realm $BSF_DOMAIN --pids $BSF_PID" \
        "pair --port $p_ngx --pids $ngx_pids"
fi

# Memory: unanswered challenges leave nothing behind. A fresh process, so that warm-up does not count.
kill "$BSF_PID" && while kill -0 "$BSF_PID" 2>/dev/null; do sleep 0.1; done
demo_start_bsf
n=$([ "$many" -ge 200000 ] && echo 100000 || echo 20000)
first=$([ "$many" -ge 200000 ] && echo 200000000 || echo 100000000)
memory() {
    "$load" challenge --port "$p_ub" --pids "$BSF_PID" --first "$first" --count "$1" --ops "$1" --threads "$threads" >/dev/null
}
memory 10000
small=$(rss)
memory "$n"
printf '\nBSF RSS: %s kB after 10000 unanswered challenges, %s kB after %s more: %+d kB (goal: at most +1024)\n' "$small" \
    "$(rss)" "$n" $(($(rss) - small))
