#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Who is not authenticated holds no large body in gba-nafd: the header is judged before a body is read, and what is held
# before the digest over it proves itself is bounded. And nobody holds all connections.
# shellcheck source=tests/nafd_kit.sh disable=SC2154
. "${top_srcdir:-.}/tests/nafd_kit.sh"
kit_stage
trap "" PIPE # connections are closed on us
conf() { # MORE-OF-UA
    config <<CONF
ua:
  listen: 127.0.0.1:$plain
  idle: 20s
$1
upstreams:
  - path: /app/
    url: http://127.0.0.1:$up_port
CONF
}
conf ''
start_nafd
P=http://localhost:$plain
rss() { awk '/^VmRSS/ {print $2}' "/proc/$nafd_pid/status"; }
metric() { curl -s --noproxy '*' "http://127.0.0.1:$admin/metrics" | sed -n "s/^$1 //p"; }
# head_of TARGET LENGTH AUTHORIZATION [FIELD]: sends it on a new connection, $fd
head_of() {
    exec {fd}<>"/dev/tcp/127.0.0.1/$plain"
    printf 'POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %s\r\n%s%s\r\n' "$1" "$2" "${3:+Authorization: $3$'\r\n'}" \
        "${4:+$4$'\r\n'}" >&$fd
}
status_of() { timeout 5 head -c 12 <&"$1" | cut -c10-12; }
shut() { for f in "$@"; do exec {f}>&-; done; }
head -c 1000000 /dev/urandom >"$demo/body"
is "warm" 200 "$(get $B 0100000002 "$P/app/x")"

# ---- the header is judged first: who waits for a word hears it before an octet of the body ----
fetch "$P/" >/dev/null
good=$(sign $B 0100000002 POST / auth-int "$demo/body")
forged=${good/nonce=\"????????/nonce=\"AAAAAAAA}
for target in / /app/sink; do
    for what in none forged unknown; do
        case $what in
        none) a='' ;;
        forged) a=${forged/uri=\"\/\"/uri=\"$target\"} ;;
        unknown) a=${good/$B/nobody@else.test} a=${a/uri=\"\/\"/uri=\"$target\"} ;;
        esac
        head_of "$target" 1000000 "$a" 'Expect: 100-continue'
        is "$target, $what: 401 before the body" 401 "$(status_of $fd)"
        shut $fd
    done
done

# ---- strangers' bodies take no memory ----
before=$(rss) fds=()
for i in $(seq 60); do
    target=/ && [ $((i % 2)) = 0 ] || target=/app/sink
    head_of $target 1048576 "${forged/uri=\"\/\"/uri=\"$target\"}"
    (timeout 5 head -c 1000000 /dev/zero >&$fd) 2>/dev/null &
    fds+=("$fd")
done
sleep 2
after=$(rss)
ok "60 MB of strangers' bodies in little memory ($before kB, then $after kB)" test $((after - before)) -lt 24000
is "none is held" 0 "$(metric gba_ua_unproven_octets)"
shut "${fds[@]}"

# ---- who proves it is served: the resource, an upstream; with length, chunked; and a changed body is not ----
for target in / /app/sink; do
    for how in length chunked changed; do
        fetch "$P$target" >/dev/null
        a=$(sign $B 0100000002 POST $target auth-int "$demo/body")
        case $how in
        length) got=$(fetch -H "Authorization: $a" -H 'Expect:' --data-binary @"$demo/body" "$P$target") ;;
        chunked) got=$(fetch -X POST -H "Authorization: $a" -H 'Expect:' -T - "$P$target" <"$demo/body") ;;
        changed) got=$(fetch -H "Authorization: $a" -H 'Expect:' --data-binary @<(tr a b <"$demo/body") "$P$target") ;;
        esac
        is "$target, auth-int, $how" "$([ $how = changed ] && echo 401 || echo 200)" "$got"
        [ "$target-$how" != /app/sink-length ] || ok "the upstream got it whole" cmp -s <(tail -c 1000000 "$demo/out") "$demo/body"
        [ $how = changed ] || ok "$target, $how: its answer proves itself" rspauth_is "$a" $B 0100000002 auth-int
        [ $how = changed ] || is "$target, $how: not twice" 401 "$(fetch -H "Authorization: $a" -H 'Expect:' --data-binary @"$demo/body" "$P$target")"
    done
done
is "qop=auth with a body" 200 "$(get $B 0100000002 --data-binary hello "$P/")"
ok "the resource of our own" out_has "b-tid: $B"
is "a body above ua.body_max" 413 "$(head -c 1048577 /dev/zero | fetch -X POST -H "Authorization: $a" --data-binary @- "$P/")"
fetch "$P/" >/dev/null
# A hash that no body has, signed by who has the key: the body does not count as proved.
nonce=$(sed -n 's/.*nonce="\([^"]*\)".*SHA-256.*/\1/p' "$demo/head" | head -1)
ha1=$(sha "$B:3GPP-bootstrapping@localhost:$(pw $B 0100000002)")
none=$(printf '%64s' '' | tr ' ' -)
response=$(sha "$ha1:$nonce:00000001:abc:auth-int:$(sha "POST:/:$none")")
a="Digest username=\"$B\", realm=\"3GPP-bootstrapping@localhost\", nonce=\"$nonce\", uri=\"/\", algorithm=SHA-256, qop=auth-int, nc=00000001, cnonce=\"abc\", response=\"$response\""
is "signed over no body's hash" 401 "$(fetch -H "Authorization: $a" --data-binary hello "$P/")"

# ---- a challenge and a B-TID of its own is all that one has: bounded ----
stop_nafd
conf '  bodies_max: 200000'
start_nafd
fetch "$P/app/sink" >/dev/null
a=$(sign $B 0100000002 POST /app/sink auth-int "$demo/body")
head_of /app/sink 1000000 "$a"
head -c 100000 "$demo/body" >&$fd
first=$fd
sleep 1
ok "what is held is told" test "$(metric gba_ua_unproven_octets)" -ge 100000
head_of /app/sink 1000000 "$a" 'Connection: close'
cat "$demo/body" >&$fd
timeout 10 cat <&$fd | tr -d '\r' >"$demo/out"
is "more is not held" 503 "$(cut -c10-12 "$demo/out" | head -1)"
ok "come again" out_has '^retry-after: *1$'
ok "told" grep -q 'ua.bodies_full hint=ua.bodies_max' "$demo/nafd.log"
shut $fd $first
sleep 1
is "nothing is held any more" 0 "$(metric gba_ua_unproven_octets)"
head -c 50000 "$demo/body" >"$demo/small"
fetch "$P/app/sink" >/dev/null
a=$(sign $B 0100000002 POST /app/sink auth-int "$demo/small")
is "and one who proves it is served" 200 "$(fetch -H "Authorization: $a" -H 'Expect:' --data-binary @"$demo/small" "$P/app/sink")"
stop_nafd

# ---- connections of one source ----
config <<CONF
ua:
  listen: 127.0.0.1:$plain
  per_source: 2
CONF
start_nafd
head_of / 5 '' && a=$fd
head_of / 5 '' && b=$fd
head_of / 5 '' 2>/dev/null
is "a third connection is closed" '' "$(status_of $fd 2>/dev/null)"
ok "told, and whose" grep -q 'http.rejected listener=ua reason=per_source from=127.0.0.1' "$demo/nafd.log"
shut $fd $a $b
stop_nafd
for more in exempt trusted_proxies; do
    config <<CONF
ua:
  listen: 127.0.0.1:$plain
  per_source: 2
limits:
  $more: [127.0.0.0/8]
CONF
    start_nafd
    head_of / 5 '' && a=$fd
    head_of / 5 '' && b=$fd
    head_of / 5 '' 'Expect: 100-continue'
    is "unless limits.$more has it" 401 "$(status_of $fd)"
    shut $fd $a $b
    stop_nafd
done
for program in bsf/gba-bsfd naf/gba-nafd onem2m-binding/m2m-gate onem2m-binding/m2m-mafd onem2m-binding/m2m-mefd; do
    [ -x "$build/$program" ] || continue
    ok "$program: 256 by default" grep -q '^  per_source: 256$' <("$build/$program" --print-defaults)
    ok "$program: limits.exempt" grep -qE '^  #?exempt:' <("$build/$program" --print-defaults)
done
kit_end
