#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# gba-nafd as a process: curl --digest as a foreign UE on plain HTTP and TLS, an upstream behind it,
# a BSF that refuses, is silent or is gone.
# shellcheck source=tests/nafd_kit.sh disable=SC2154
. "${top_srcdir:-.}/tests/nafd_kit.sh"
kit_stage
demo_free_port && tls=$demo_port
config() { # config EXTRA-UA-LINES...
    cat >"$demo/naf.yaml" <<CONF
naf:
  fqdns: [localhost, naf2.localhost]
  bsfs:
    - domain: bsf.test
      zn_url: https://localhost:$bsf_port
    - domain: gone.test
      zn_url: https://localhost:$nobody
    - domain: well.test
      zn_url: https://localhost:$bsf_port
zn:
  cert: zn-naf.pem
  key: zn-naf.key
  ca: zn-ca.pem
  timeout_ms: 3000
  workers: 4
  waiting: 60
ua:
  listen: 127.0.0.1:$plain
  tls_listen: 127.0.0.1:$tls
  cert: naf.pem
  key: naf.key
$(printf '  %s\n' "$@")
upstreams:
  - path: /app/
    url: http://127.0.0.1:$up_port
  - path: /nowhere/
    url: http://127.0.0.1:$nobody
admin:
  listen: 127.0.0.1:$admin
log:
  level: debug
CONF
}
P=http://localhost:$plain T=https://localhost:$tls

config "idle: 10s" "body_max: 1000000"
start_nafd

# ---- challenges and refusals ----
is "no credentials" 401 "$(fetch "$P/")"
is "each challenge in a field of its own" 2 "$(grep -ci '^www-authenticate: digest' "$demo/head")"
ok "the realm" head_has 'realm="3GPP-bootstrapping@localhost"'
is "a foreign host" 421 "$(fetch -H 'Host: other.test' "$P/")"
is "another of its names" 401 "$(fetch -H 'Host: naf2.localhost' "$P/")"
ok "has its realm" head_has 'realm="3GPP-bootstrapping@naf2.localhost"'
for bad in 'Digest' 'Digest username="x' 'Digest username="a", username="b"' 'Digest =,=' \
    'Digest username="a", realm="b", nonce="c", uri="/"' \
    'Digest username="a", realm="b", nonce="c", uri="/", response="d", qop=auth, nc=0, cnonce="e"'; do
    is "malformed: $bad" 400 "$(fetch -H "Authorization: $bad" "$P/")"
done
ok "says what is malformed" grep -q ' ua.malformed .*reason="uri or response is missing"' "$demo/nafd.log"
ok "and of what cannot be read" grep -q ' ua.malformed .*reason="Authorization is no well-formed Digest answer"' "$demo/nafd.log"
is "two Authorization fields" 400 "$(fetch -H 'Authorization: Digest a=b' -H 'authorization: Digest a=b' "$P/")"
ok "says so" grep -q ' ua.malformed .*reason="Authorization stands there twice"' "$demo/nafd.log"
is "another scheme" 401 "$(fetch -H 'Authorization: Basic eDp5' "$P/")"
is "an endless header" 400 "$(fetch -H "Authorization: Digest username=\"$(printf 'a%.0s' $(seq 6000))\"" "$P/")"

# ---- who it is ----
is "SHA-256 on plain HTTP" 200 "$(get $B 0100000002 "$P/")"
ok "the resource names the B-TID" out_has "b-tid: $B"
ok "Authentication-Info" head_has '^authentication-info: .*rspauth='
is "again, from the cache" 200 "$(get $B 0100000002 "$P/x?y=%20z")"
is "POST" 200 "$(get $B 0100000002 --data 'some body' "$P/")"
is "HEAD" 200 "$(get $B 0100000002 -I "$P/")"
is "TLS 1.3" 200 "$(get $B 0100011302 --tlsv1.3 --tls13-ciphers TLS_AES_256_GCM_SHA384 "$T/")"
is "TLS 1.3, another suite" 200 "$(get $B 0100011303 --tlsv1.3 --tls13-ciphers TLS_CHACHA20_POLY1305_SHA256 "$T/")"
is "TLS 1.2" 200 "$(get $B 010001c02b --tls-max 1.2 --ciphers ECDHE-ECDSA-AES128-GCM-SHA256 "$T/")"
is "the key of another transport" 401 "$(get $B 0100000002 --tlsv1.3 "$T/")"
is "a wrong password" 401 "$(fetch --digest -u "$B:wrong" "$P/")"
ok "is not called stale" no head_has 'stale'
is "an unknown B-TID" 401 "$(get unknown1@bsf.test 0100000002 "$P/")"
is "a B-TID of another BSF" 401 "$(get x@bsf.evil.test 0100000002 "$P/")"
is "no B-TID at all" 401 "$(get someone 0100000002 "$P/")"
is "a NAF_Id that is not ours" 403 "$(get forbidden1@bsf.test 0100000002 "$P/")"
is "a service of the UICC's key alone" 403 "$(get uicc1@bsf.test 0100000002 "$P/")"
is "and again, without asking the BSF" 403 "$(get uicc1@bsf.test 0100000002 "$P/")"
ok "named" grep -q ' ua.key_choice .*uicc1@bsf.test.*guss show' "$demo/nafd.log"
is "intended identity" 200 "$(get uss1@bsf.test 0100000002 -H 'X-3GPP-Intended-Identity: "sip:user@home1.net"' "$P/")"
ok "asserted identity" out_has 'identity: sip:user@home1.net'
is "another's identity" 403 "$(get uss1@bsf.test 0100000002 -H 'X-3GPP-Intended-Identity: "sip:boss@home1.net"' "$P/")"
# other spellings, which what is behind may read alike
boss='"sip:boss@home1.net"' user='"sip:user@home1.net"'
for name in X_3GPP_Intended_Identity x-3gpp_intended-identity; do
    is "another's identity as $name" 403 "$(get uss1@bsf.test 0100000002 -H "$name: $boss" "$P/")"
    is "beside one's own" 403 "$(get uss1@bsf.test 0100000002 -H "X-3GPP-Intended-Identity: $user" -H "$name: $boss" "$P/app/")"
    is "one's own as $name" 200 "$(get uss1@bsf.test 0100000002 -H "$name: $user" "$P/app/")"
    ok "does not reach the upstream" no out_has '^x.3gpp.intended.identity'
    ok "which is told who it is" out_has "^x-3gpp-asserted-identity: $user"
done
is "an identity of the user's to the upstream" 200 "$(get uss1@bsf.test 0100000002 -H "X-3GPP-Intended-Identity: uss1@bsf.test" "$P/app/")"
ok "is the one that is asserted" out_has '^x-3gpp-asserted-identity: "uss1@bsf.test"'
ok "and stands there once" no out_has '^x.3gpp.intended.identity'
# a replay of curl's own header
a=$(curl -sv --noproxy '*' --digest -u "$B:$(pw $B)" "$P/replay" 2>&1 >/dev/null | sed -n 's/^> authorization: //Ip' | tr -d '\r' | tail -n 1)
is "a replay" 401 "$(fetch -H "Authorization: $a" "$P/replay")"
ok "is called stale" head_has 'stale=true'

# ---- the upstream ----
is "through the proxy" 200 "$(get uss1@bsf.test 0100000002 -H 'X-3GPP-Asserted-Identity: "evil"' -H 'x_3gpp_asserted_identity: evil' \
    -H 'X-Forwarded-For: 6.6.6.6' -H 'Connection: X-Mine' -H 'X-Mine: 1' -H 'X-Kept: 2' "$P/app/a?b=%20c")"
ok "its target" out_has '^GET /app/a?b=%20c HTTP/1.1'
ok "its Host" out_has "^host: localhost:$plain"
ok "asserted identity upstream" out_has '^x-3gpp-asserted-identity: "sip:user@home1.net"'
is "and only that one" 1 "$(grep -ci '^x.3gpp.asserted.identity' "$demo/out")"
ok "no credentials upstream" no out_has '^authorization'
ok "no hop-by-hop field upstream" no out_has '^x-mine'
ok "other fields pass" out_has '^x-kept: 2'
ok "the true X-Forwarded-For" out_has '^x-forwarded-for: 127.0.0.1'
ok "an answer's field passes" head_has '^x-up: kept'
ok "its hop-by-hop field does not" no head_has '^x-hop'
is "one Authentication-Info" 1 "$(grep -ci '^authentication-info' "$demo/head")"
ok "and it is ours" no head_has 'forged'
is "without an identity the B-TID is asserted" 200 "$(get $B 0100000002 "$P/app/")"
ok "in quotes" out_has "^x-3gpp-asserted-identity: \"$B\""
is "its status passes" 418 "$(get $B 0100000002 "$P/app/teapot")"
head -c 1000000 /dev/urandom >"$demo/body"
is "a body of 1,000,000 octets" 200 "$(get $B 0100000002 -H 'Expect:' --data-binary "@$demo/body" "$P/app/big")"
tail -c 1000000 "$demo/out" | cmp -s - "$demo/body"
is "comes back whole" 0 $?
head -c 1000001 /dev/zero >"$demo/body"
is "one above ua.body_max" 413 "$(get $B 0100000002 -H 'Expect:' --data-binary "@$demo/body" "$P/own")"
is "path tricks" 400 "$(get $B 0100000002 --path-as-is "$P/app/../x")"
is "encoded path tricks" 400 "$(get $B 0100000002 --path-as-is "$P/app/%2e%2e/x")"
is "a dead upstream" 502 "$(get $B 0100000002 "$P/nowhere/")"
is "not without credentials" 401 "$(fetch "$P/app/a")"
ok "nor a word of the upstream" no out_has 'HTTP/1.1'

# ---- the BSF in trouble ----
is "a BSF that is not there" 503 "$(get x@gone.test 0100000002 "$P/")"
ok "Retry-After" head_has '^retry-after: 5'
is "a BSF that talks nonsense" 503 "$(get broken1@bsf.test 0100000002 "$P/")"
is "a key that is over" 401 "$(get late1@bsf.test 0100000002 "$P/")"
warm_pw=$(pw $B)
mkdir "$demo/mute"
while [ -d "$demo/mute" ]; do # how many wait
    curl -s "http://127.0.0.1:$admin/metrics" | sed -n 's/^gba_naf_waiting //p' >>"$demo/waiting"
    sleep 0.02
done &
sampler=$!
for i in $(seq 60); do
    curl -s -m 20 --noproxy '*' -o /dev/null -w '%{http_code}\n' --digest -u "mute$i@bsf.test:x" "$P/" >"$demo/mute/$i" &
    waiting[i]=$!
done
warm=$(for _ in 1 2 3 4 5; do
    fetch -w '%{http_code} %{time_total}\n' --digest -u "$B:$warm_pw" "$P/"
done | awk '$1 == 200 && $2 < 1 { n++ } END { print n + 0 }')
is "warm requests do not" 5 "$warm"
is "nor new ones of another BSF" 200 "$(get new5@well.test 0100000002 "$P/")"
wait "${waiting[@]}"
most=$(sort -n "$demo/waiting" | tail -n 1)
ok "requests wait ($most), up to this BSF's share of zn.waiting" test "$most" -ge 10 -a "$most" -le 22 # one of the other
is "those that waited get 503" 60 "$(cat "$demo"/mute/* | grep -c 503)"
rm -r "$demo/mute"
wait $sampler
stop_bsf
is "a known key without the BSF" 200 "$(get $B 0100000002 "$P/")"
is "a new one" 503 "$(get new1@bsf.test 0100000002 "$P/")"
start_bsf "$bsf_port"
is "and once it is back" 200 "$(get new1@bsf.test 0100000002 "$P/")"

# ---- what the operator sees ----
curl -s "http://127.0.0.1:$admin/metrics" >"$demo/out"
for r in ok challenge wrong_digest replay unknown_btid foreign_bsf forbidden bsf_unreachable malformed wrong_host; do
    ok "metric $r" grep -q "^gba_ua_total{result=\"$r\"} [1-9]" "$demo/out"
done
ok "metric of Zn" grep -q '^gba_naf_zn_total{result="failed"} [1-9]' "$demo/out"
for e in ua.ok ua.challenge ua.wrong_digest ua.replay ua.unknown_btid ua.foreign_bsf ua.forbidden ua.bsf_unreachable zn.failed proxy.failed; do
    ok "event $e" grep -q " $e " "$demo/nafd.log"
done
ok "no key in the log" no grep -qF "$(pw $B)" "$demo/nafd.log"
kill -HUP "$nafd_pid"
sleep 0.3
is "after SIGHUP" 200 "$(get $B 0100011302 --tlsv1.3 --tls13-ciphers TLS_AES_256_GCM_SHA384 "$T/")"
ok "it says what it did" grep -q ' nafd.reloaded ' "$demo/nafd.log"
stop_nafd

# ---- other settings ----
config "algorithms: [MD5]" "qop: [auth]" "nonce_lifetime: 5s"
start_nafd
is "MD5" 200 "$(get $B 0100000002 "$P/")"
is "one challenge" 1 "$(curl -s --noproxy '*' -D - -o /dev/null "$P/" | grep -ci '^www-authenticate: .*algorithm=MD5')"
is "MD5 under TLS" 200 "$(get $B 0100011301 --tlsv1.3 --tls13-ciphers TLS_AES_128_GCM_SHA256 "$T/")"
a=$(curl -sv --noproxy '*' --digest -u "$B:$(pw $B)" "$P/old" 2>&1 >/dev/null | sed -n 's/^> authorization: //Ip' | tr -d '\r' | tail -n 1)
sleep 7
is "an old nonce" 401 "$(fetch -H "Authorization: $a" "$P/old")"
ok "is stale" head_has 'stale=true'
stop_nafd

# ---- SIGTERM while a BSF is silent, and while a header comes slowly ----
config "idle: 10s"
sed -i 's/timeout_ms: .*/timeout_ms: 30000/; $a drain: 1s' "$demo/naf.yaml"
start_nafd
fetch "$P/" >/dev/null
a=$(sign new6@bsf.test 0100000002 POST / auth)
exec 9<>"/dev/tcp/127.0.0.1/$plain"
printf 'POST / HTTP/1.1\r\nHost: localhost\r\n' >&9
get mute@bsf.test 0100000002 "$P/" >"$demo/late" &
late=$!
sleep 1
began=$SECONDS
kill "$nafd_pid"
sleep 1.5 # the drain is over, and the BSF asked no more
printf 'Authorization: %s\r\nContent-Length: 2\r\n\r\nxy' "$a" >&9
is "who comes now gets 503" 503 "$(timeout 5 head -c 12 <&9 | cut -c10-12)"
exec 9>&-
wait "$late"
is "who waited gets 503" 503 "$(cat "$demo/late")"
wait "$nafd_pid"
is "SIGTERM ends it cleanly" 0 $?
ok "and soon" test $((SECONDS - began)) -lt 10
nafd_pid=

config "algorithms: [MD4]"
"$build/naf/gba-nafd" --config "$demo/naf.yaml" --check >"$demo/out" 2>&1
ok "a bad setting is refused" test $? -ne 0
ok "with its line" out_has 'naf.yaml:[0-9]*: ua.algorithms'

kit_end
