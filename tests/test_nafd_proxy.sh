#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# gba-nafd as a proxy: large bodies both ways in little memory, auth-int, upstreams by host and path, and
# upstreams in trouble.
# shellcheck source=tests/nafd_kit.sh disable=SC2154
. "${top_srcdir:-.}/tests/nafd_kit.sh"
kit_stage
config <<CONF
ua:
  listen: 127.0.0.1:$plain
  body_max: 100000
  idle: 10s
upstreams:
  - path: /app/
    url: http://127.0.0.1:$up_port
  - path: /two/
    url: http://127.0.0.1:$nobody
  - path: /two/
    url: http://127.0.0.1:$up_port
  - host: naf2.localhost
    path: /
    url: http://127.0.0.1:$up_port/second
  - path: /mute/
    url: http://127.0.0.1:$bsf_port
proxy:
  timeout: 2s
  idle: 2s
  body_max: 400M
  answer_max: 200000
  requests: 4
  down_max: 4s
CONF
start_nafd
P=http://localhost:$plain
peak() { awk '/^VmHWM/ {print $2}' "/proc/$nafd_pid/status"; }
challenge() { fetch "$P/app/" >/dev/null; }
is "warm" 200 "$(get $B 0100000002 "$P/app/x")"

# ---- header fields ----
is "128 fields of an answer" 200 "$(get $B 0100000002 "$P/app/fields/128")"
is "pass" 127 "$(grep -ci '^x-field-' "$demo/head")"
ok "with ours behind them" head_has '^authentication-info: .*rspauth='
is "129 do not" 502 "$(get $B 0100000002 "$P/app/fields/129")"

# ---- large bodies pass as they come ----
before=$(peak)
is "128 MiB down, with length" 200 "$(get $B 0100000002 "$P/app/length/2048")"
is "come whole" 134217728 "$(stat -c %s "$demo/out")"
ok "the length is told" head_has '^content-length: 134217728'
is "128 MiB down, chunked" 200 "$(get $B 0100000002 "$P/app/chunks/2048")"
is "come whole" 134217728 "$(stat -c %s "$demo/out")"
head -c 134217728 /dev/zero >"$demo/body"
is "128 MiB up, with length" 200 "$(get $B 0100000002 -T "$demo/body" "$P/app/sink")"
ok "come whole" out_has '^length 134217728$'
is "128 MiB up, chunked" 200 "$(get $B 0100000002 -T - "$P/app/sink" <"$demo/body")"
ok "as chunks" out_has '^chunked 1342[0-9]*$'
ok "in little memory ($before kB, then $(peak) kB)" test $(($(peak) - before)) -lt 16384
rm "$demo/body"
: >"$demo/out"
is "HEAD" 200 "$(get $B 0100000002 -I "$P/app/length/10")"
ok "keeps Content-Length" head_has '^content-length: 655360'
truncate -s 400M "$demo/body"
truncate -s +1 "$demo/body"
is "above proxy.body_max" 413 "$(get $B 0100000002 -H 'Expect: 100-continue' -T "$demo/body" "$P/app/sink")"
rm "$demo/body"

# ---- auth-int ----
challenge
a=$(sign $B 0100000002 GET /app/length/2 auth-int)
is "an answer that is hashed" 200 "$(fetch -H "Authorization: $a" "$P/app/length/2")"
ok "proves itself under auth-int" rspauth_is "$a" $B 0100000002 auth-int
challenge
a=$(sign $B 0100000002 GET /app/chunks/2 auth-int)
is "a chunked one" 200 "$(fetch -H "Authorization: $a" "$P/app/chunks/2")"
ok "likewise" rspauth_is "$a" $B 0100000002 auth-int
for t in length chunks; do
    challenge
    a=$(sign $B 0100000002 GET /app/$t/200 auth-int)
    is "one above proxy.answer_max ($t)" 200 "$(fetch -H "Authorization: $a" "$P/app/$t/200")"
    is "is whole" 13107200 "$(stat -c %s "$demo/out")"
    ok "proves itself under auth" rspauth_is "$a" $B 0100000002 auth
done
challenge
a=$(sign $B 0100000002 HEAD /app/length/10 auth-int)
is "HEAD" 200 "$(fetch -I -H "Authorization: $a" "$P/app/length/10")"
: >"$demo/out"
ok "proves that it has no body" rspauth_is "$a" $B 0100000002 auth-int
ok "and tells the length of the GET" head_has '^content-length: 655360'
head -c 90000 /dev/urandom >"$demo/body"
challenge
a=$(sign $B 0100000002 POST /app/x auth-int "$demo/body")
is "a signed body" 200 "$(fetch -H "Authorization: $a" --data-binary "@$demo/body" "$P/app/x")"
tail -c 90000 "$demo/out" | cmp -s - "$demo/body"
is "passes" 0 $?
ok "the answer proves itself" rspauth_is "$a" $B 0100000002 auth-int
challenge
a=$(sign $B 0100000002 POST /app/x auth-int "$demo/body")
is "a signed body, chunked" 200 "$(fetch -H "Authorization: $a" -H 'Transfer-Encoding: chunked' --data-binary "@$demo/body" "$P/app/x")"
challenge
a=$(sign $B 0100000002 POST /app/x auth-int "$demo/body")
echo >>"$demo/body"
is "a body that was changed" 401 "$(fetch -H "Authorization: $a" --data-binary "@$demo/body" "$P/app/x")"
ok "and the upstream saw nothing" no out_has '^POST'
head -c 100001 /dev/zero >"$demo/body"
for chunked in Content-Language Transfer-Encoding; do
    challenge
    a=$(sign $B 0100000002 POST /app/x auth-int "$demo/body")
    is "a signed body above ua.body_max ($chunked)" 413 "$(fetch -H "Authorization: $a" -H "$chunked: chunked" --data-binary "@$demo/body" "$P/app/x")"
done
is "a body without credentials" 401 "$(fetch --data-binary "@$demo/body" "$P/app/x")"
is "no such path" 200 "$(get $B 0100000002 "$P/own")"
ok "is the own resource" out_has '^localhost knows you'

# ---- upstreams ----
btid=two1@bsf.test
p2=$(pw $btid 0100000002 naf2.localhost)
is "by host" 200 "$(fetch --digest -u "$btid:$p2" -H "Host: naf2.localhost:$plain" "$P/own")"
ok "under its own path" out_has '^GET /second/own HTTP'
# It rests for a second, then for two, then four, and whoever comes first afterwards tries it. Three in a row are
# refused by it however slow this machine is; then its twin answers all who come within the rest.
s=$(for _ in 1 2 3; do get $B 0100000002 "$P/two/x"; echo; done | paste -sd' ')
is "a dead upstream fails" "502 502 502" "$s"
for _ in $(seq 20); do
    s=$(get $B 0100000002 "$P/two/x")
    [ "$s" = 200 ] && break
done
is "and is left for its twin" 200 "$s"
ok "an event" grep -q ' proxy.upstream_down .*url=http://127.0.0.1:'"$nobody" "$demo/nafd.log"
curl -s "http://127.0.0.1:$admin/metrics" >"$demo/out"
ok "a metric" grep -q "^gba_proxy_upstream_up{upstream=\"http://127.0.0.1:$nobody\"} 0" "$demo/out"
ok "of the living too" grep -q "^gba_proxy_upstream_up{upstream=\"http://127.0.0.1:$up_port\"} 1" "$demo/out"
is "an upstream that is none" 502 "$(get $B 0100000002 "$P/mute/")"
began=$(date +%s%N)
is "one that is too slow" 504 "$(get $B 0100000002 "$P/app/slow")"
ms=$((($(date +%s%N) - began) / 1000000))
ok "after proxy.timeout, $ms ms" test $ms -ge 1900 -a $ms -lt 9000
is "and is asked again" 200 "$(get $B 0100000002 "$P/app/x")"
get $B 0100000002 "$P/app/stall" >/dev/null
ok "one that stalls is cut off" test "$(stat -c %s "$demo/out")" -le 10
get $B 0100000002 "$P/app/cut" >/dev/null
ok "so is one that breaks off" test "$(stat -c %s "$demo/out")" -le 10
is "an answer in between" 200 "$(get $B 0100000002 "$P/app/x")"
fetch "$P/app/" >/dev/null
for i in 1 2 3 4 5 6; do
    curl -s -m 20 --noproxy '*' -o /dev/null -w '%{http_code}\n' --digest -u "$B:$(pw $B)" "$P/app/slow?$i" >"$demo/busy$i" &
    busy[i]=$!
done
wait "${busy[@]}"
ok "above proxy.requests 503" grep -q 503 "$demo"/busy*
ok "the others wait" grep -q 504 "$demo"/busy*
# three failures in a row are enough; if its rest is over before this one comes, it fails and makes it longer
for _ in $(seq 20); do
    s=$(get $B 0100000002 "$P/app/slow")
    [ "$s" = 504 ] || break
done
is "the upstream rests" 502 "$s"
ok "Retry-After" head_has '^retry-after: [1-4]'
for _ in $(seq 60); do
    [ "$(get $B 0100000002 "$P/app/x")" = 200 ] && break
    sleep 0.2
done
is "and comes back" 200 "$(get $B 0100000002 "$P/app/x")"
ok "an event" grep -q ' proxy.upstream_up ' "$demo/nafd.log"

# ---- cold keys ----
for i in $(seq 12); do
    curl -s -m 20 --noproxy '*' -o /dev/null -w '%{http_code}\n' --digest -u "mute$i@bsf.test:x" "$P/app/x" >"$demo/mute$i" &
    busy[i]=$!
done
sleep 0.5
is "a warm request while twelve wait for keys" 200 "$(get $B 0100000002 "$P/app/x")"
wait "${busy[@]}"
is "those got 503" 12 "$(cat "$demo"/mute* | grep -c 503)"
ok "the access log" grep -q ' ua.access .*status=200 octets=134217728 .*upstream=http://127.0.0.1:' "$demo/nafd.log"
curl -s "http://127.0.0.1:$admin/metrics" >"$demo/out"
for r in ok failed timeout busy down; do
    ok "metric $r" grep -q "^gba_proxy_total{result=\"$r\"} [1-9]" "$demo/out"
done

# ---- stop in the middle ----
get $B 0100000002 "$P/app/x" >/dev/null
curl -s -m 20 --noproxy '*' -o /dev/null --limit-rate 100k --digest -u "$B:$(pw $B)" "$P/app/length/2048" &
slow=$!
sleep 1
kill "$nafd_pid"
wait "$nafd_pid"
is "SIGTERM ends it, also with a slow reader" 0 $?
nafd_pid=
kill $slow 2>/dev/null
wait $slow 2>/dev/null
kit_end
