#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# gba-bsfd as a process: Ub over TLS, certificates reloaded, proxies, malformed requests on a socket,
# a source refused and the owner served, a locked store, and memory that unanswered challenges leave alone.
set -u
build=$(cd "${top_builddir:-.}" && pwd)
src=$(cd "${top_srcdir:-.}" && pwd)
demo=$(mktemp -d) || exit 1
# shellcheck source=tests/demo.sh
. "$src/tests/demo.sh"
passed=0 failed=0
trap 'demo_stop quiet; rm -rf "$demo"' EXIT
is() { # is NAME WANT GOT
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "test_bsfd: FAILED: $1: want $2, got $3" >&2
    fi
}
logged() { grep -c "$1" "$demo/gba-bsfd.log"; }
# raw TEXT: the status of the answer to these octets, sent at once (bash would write line by line, and its next
# line may find the connection answered and closed); read until the connection ends. "none": it just ended.
raw() {
    printf '%b' "$1" | perl -MSocket -e '$/ = undef; my $in = <STDIN>; $SIG{PIPE} = "IGNORE"; alarm 20;
        socket(S, AF_INET, SOCK_STREAM, 0) && connect(S, sockaddr_in($ARGV[0], inet_aton("127.0.0.1"))) or die;
        syswrite(S, $in); my $all = ""; while (sysread(S, my $part, 4096)) { $all .= $part; last if $all =~ /\r\n\r\n/ }
        print $all =~ m{^HTTP/1\.\d (\d+)} ? $1 : "none"' "$p_ub"
}
# ub IMPI [CURL-ARGUMENT...]: the status of a request for a challenge.
ub() {
    local impi=$1
    shift
    curl -s -o /dev/null -w '%{http_code}' -H "Authorization: Digest username=\"$impi\", realm=\"$BSF_DOMAIN\", nonce=\"\", uri=\"/\", response=\"\"" \
        "$@" "$BSF_UB_URL"
}

demo_prepare
sed -i 's/^  exempt: .*/  exempt: []\n  source_requests: 1\n  source_burst: 5\n  trusted_proxies: [127.0.0.1\/32]/; s/impi_challenges: .*/impi_challenges: 1000000/' "$BSF_CONFIG"
demo_start_bsf
demo_provision

# ---- proxies: each client behind a trusted one has a limit of its own ----
for _ in $(seq 60); do # faster than one a second, however slow the machine
    got=$(ub "$IMPI" -H "X-Forwarded-For: 192.0.2.1")
    [ "$got" = 401 ] || break
done
is "a source over its limit" 429 "$got"
is "another source behind the same proxy" 401 "$(ub "$IMPI" -H "X-Forwarded-For: 192.0.2.2")"
sed -i 's/trusted_proxies: .*/trusted_proxies: []/; s/source_requests: 1$/source_requests: 0/' "$BSF_CONFIG"
kill -HUP "$BSF_PID"
for _ in $(seq 300); do [ "$(logged daemon.reloaded)" -ge 1 ] && break || sleep 0.1; done
is "reloaded" 1 "$(logged daemon.reloaded)"
ub nobody@example.test -H "X-Forwarded-For: 192.0.2.77" >/dev/null
sleep 0.5
is "no proxy is trusted: the header is not believed" 0 "$(logged 'nobody.*source=192.0.2.77')"
is "the peer is the source" 1 "$(logged 'nobody.*source=127.0.0.1')"

# ---- TLS, and its certificate renewed by SIGHUP ----
tls() { "$build/ue/gba" bootstrap --bsf "$BSF_UB_TLS_URL" --bsf-domain "$BSF_DOMAIN" --usim "$USIM" --state "$demo/state" --ca "$1" --json; }
tls "$BSF_CA" >"$demo/out" 2>&1
is "Ub over TLS" 0 $?
serial() { openssl s_client -connect "127.0.0.1:$p_ubtls" -servername localhost </dev/null 2>/dev/null | openssl x509 -noout -serial; }
before=$(serial)
demo_cert ub ub localhost bsf.example.test
kill -HUP "$BSF_PID"
for _ in $(seq 300); do [ "$(logged daemon.reloaded)" -ge 2 ] && break || sleep 0.1; done
is "another certificate after SIGHUP" 1 "$([ -n "$before" ] && [ "$(serial)" != "$before" ] && echo 1)"
is "and it is the new one" "$(openssl x509 -noout -serial -in "$demo/ub.pem")" "$(serial)"
mv "$demo/ub.key" "$demo/ub.key.good"
echo broken >"$demo/ub.key"
kill -HUP "$BSF_PID"
sleep 1
is "a broken key keeps the certificate" "$(openssl x509 -noout -serial -in "$demo/ub.pem")" "$(serial)"
mv "$demo/ub.key.good" "$demo/ub.key"

# ---- octets on the socket ----
host='Host: localhost\r\n'
long=$(printf '%020000d' 0)
is "no Authorization" 400 "$(raw "GET / HTTP/1.1\r\n$host\r\n")"
is "two Authorization fields" 400 "$(raw "GET / HTTP/1.1\r\n${host}Authorization: Digest username=\"a@b\"\r\nAuthorization: Digest username=\"a@b\"\r\n\r\n")"
is "an oversize header" 431 "$(raw "GET / HTTP/1.1\r\n${host}X: $long\r\n\r\n")"
is "another method" 405 "$(raw "PUT / HTTP/1.1\r\n${host}Content-Length: 0\r\n\r\n")"
is "another path" 404 "$(raw "GET /x HTTP/1.1\r\n$host\r\n")"
is "two lengths" 400 "$(raw "GET / HTTP/1.1\r\n${host}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx")"
is "length and chunks" 400 "$(raw "GET / HTTP/1.1\r\n${host}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")"
is "an IMPI that is not UTF-8" 400 "$(raw "GET / HTTP/1.1\r\n${host}Authorization: Digest username=\"\\xff@b\", realm=\"x\", nonce=\"\", uri=\"/\", response=\"\"\r\n\r\n")"
is "it still serves" 401 "$(ub "$IMPI")"

# ---- the store locked by another process: 503, and it recovers ----
exec 8> >(exec sqlite3 "$demo/bsf.db" >/dev/null 2>&1)
printf 'PRAGMA busy_timeout=5000;\nBEGIN IMMEDIATE;\n' >&8
sleep 1
demo_gba bootstrap --json >"$demo/out" 2>&1
is "no session while the store is locked" 1 "$([ $? -ne 0 ] && echo 1)"
printf 'ROLLBACK;\n.quit\n' >&8
exec 8>&-
sleep 1
demo_gba bootstrap --json >"$demo/out" 2>&1
is "a session when it is free" 0 $?

# ---- memory: 30,000 unanswered challenges of 30,000 IMPIs grow it no more than 3,000 did ----
awk -v k="$K" -v o="$OPC" 'BEGIN { print "impi,k,opc"
    for (i = 100000000; i < 100030000; i++)
        printf "00101%010d@ims.mnc001.mcc001.3gppnetwork.org,%s,%s\n", i, k, o }' >"$demo/many.csv"
bsfctl subscriber import "$demo/many.csv" --quiet >/dev/null
kill "$BSF_PID" && while kill -0 "$BSF_PID" 2>/dev/null; do sleep 0.1; done
demo_start_bsf
rss() { awk '/^VmRSS/ {print $2}' "/proc/$BSF_PID/status"; }
memory() {
    "$build/tests/bench/load" challenge --port "$p_ub" --pids "$BSF_PID" --first 100000000 --count "$1" --ops "$1" \
        --threads 8 --realm "$BSF_DOMAIN" >"$demo/out"
    grep -c 'bad=0 ' "$demo/out"
}
is "3,000 challenges" 1 "$(memory 3000)"
small=$(rss)
is "30,000 challenges" 1 "$(memory 30000)"
large=$(rss)
case "${UNDER_VALGRIND:-}$(ldd "$build/bsf/gba-bsfd" 2>/dev/null)" in
yes* | *libasan* | *libtsan*) ;; # their shadow grows
*) is "RSS grew from $small to $large kB, at most by 1024" 1 "$([ $((large - small)) -le 1024 ] && echo 1)" ;;
esac

echo "test_bsfd: $passed passed, $failed failed"
[ $failed -eq 0 ]
