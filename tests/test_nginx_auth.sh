#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The decision endpoint: by hand as Envoy asks, and behind a real nginx with examples/nginx-auth-request.conf,
# curl --digest as the UE.
# shellcheck source=tests/nafd_kit.sh disable=SC2154
. "${top_srcdir:-.}/tests/nafd_kit.sh"
PATH=$PATH:/usr/sbin
nginx -V 2>&1 | grep -q http_auth_request_module || {
    echo "test_nginx_auth: no nginx with auth_request here: apt-get install nginx-light" >&2
    exit 77
}
kit_stage
demo_free_port && web=$demo_port
demo_free_port && webtls=$demo_port
settings() {
    config <<CONF
ua:
  listen: 127.0.0.1:$plain
decision:
  listen: 127.0.0.1:$decision
$*
CONF
}
settings
start_nafd
sed -e "s/127.0.0.1:8083/127.0.0.1:$decision/; s/127.0.0.1:8080/127.0.0.1:$web/; s/127.0.0.1:8443/127.0.0.1:$webtls/
    s/127.0.0.1:8090/127.0.0.1:$up_port/; s/naf.example.com/localhost/; s|/etc/nginx/|$demo/|" \
    "$src/examples/nginx-auth-request.conf" >"$demo/gba.conf"
mkdir "$demo/nginx"
cat >"$demo/nginx.conf" <<CONF
daemon off;
worker_processes 1;
pid $demo/nginx/pid;
error_log $demo/nginx/error.log warn;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path $demo/nginx/b; proxy_temp_path $demo/nginx/p; fastcgi_temp_path $demo/nginx/f;
  uwsgi_temp_path $demo/nginx/u; scgi_temp_path $demo/nginx/s;
  include $demo/gba.conf;
}
CONF
[ "$(id -u)" -ne 0 ] || sed -i "1i user root;" "$demo/nginx.conf"
nginx -c "$demo/nginx.conf" -p "$demo/nginx" >"$demo/nginx/log" 2>&1 7>&- 8>&- &
other_pid=$!
for _ in $(seq 300); do (exec 9<>"/dev/tcp/127.0.0.1/$web") 2>/dev/null && break || sleep 0.1; done
P=http://localhost:$web T=https://localhost:$webtls

# ---- through nginx ----
is "no credentials" 401 "$(fetch "$P/app/x")"
is "both challenges come through nginx" 2 "$(grep -ci '^www-authenticate: digest' "$demo/head")"
is "one of them SHA-256" 1 "$(grep -ci '^www-authenticate: .*algorithm=SHA-256' "$demo/head")"
ok "auth alone is offered" no head_has 'auth-int'
is "plain HTTP" 200 "$(get $B 0100000002 "$P/app/x?y=%20z")"
ok "the application got the request" out_has '^GET /app/x?y=%20z HTTP'
ok "and who it is" out_has "^x-3gpp-asserted-identity: \"$B\""
ok "but no credentials" no out_has '^authorization'
ok "Authentication-Info comes back" head_has '^authentication-info: .*rspauth='
is "an identity of the user's" 200 "$(get uss1@bsf.test 0100000002 -H 'X-3GPP-Intended-Identity: "sip:user@home1.net"' "$P/app/")"
ok "asserted" out_has '^x-3gpp-asserted-identity: "sip:user@home1.net"'
is "another's identity" 403 "$(get uss1@bsf.test 0100000002 -H 'X-3GPP-Intended-Identity: "sip:boss@home1.net"' "$P/app/")"
is "a POST with its body" 200 "$(get $B 0100000002 --data 'some body' "$P/app/")"
ok "comes whole" out_has '^some body'
is "TLS 1.3" 200 "$(get $B 0100011302 --tlsv1.3 --tls13-ciphers TLS_AES_256_GCM_SHA384 "$T/app/")"
is "TLS 1.2" 200 "$(get $B 010001c02b --tls-max 1.2 --ciphers ECDHE-ECDSA-AES128-GCM-SHA256 "$T/app/")"
is "TLS 1.2, ChaCha20" 200 "$(get $B 010001cca9 --tls-max 1.2 --ciphers ECDHE-ECDSA-CHACHA20-POLY1305 "$T/app/")"
is "the key of another transport" 401 "$(get $B 0100000002 "$T/app/")"
is "a wrong password" 401 "$(fetch --digest -u "$B:wrong" "$P/app/")"
is "a NAF_Id that is not ours" 403 "$(get forbidden1@bsf.test 0100000002 "$P/app/")"
is "an unknown B-TID" 401 "$(get unknown1@bsf.test 0100000002 "$P/app/")"
is "a foreign host" 403 "$(fetch -H 'Host: other.test' "$P/app/")"
is "a BSF that is not there" 503 "$(get x@gone.test 0100000002 "$P/app/")"
ok "Retry-After" head_has '^retry-after: 5'
fetch "$P/app/a" >/dev/null
a=$(sign $B 0100000002 GET /app/a auth)
is "signed by hand" 200 "$(fetch -H "Authorization: $a" "$P/app/a")"
ok "the answer proves itself" rspauth_is "$a" $B 0100000002 auth
is "a replay" 401 "$(fetch -H "Authorization: $a" "$P/app/a")"
ok "is stale" head_has 'stale=true'
fetch "$P/app/a" >/dev/null
a=$(sign $B 0100000002 GET /app/a auth)
is "its signature on another path, with forged fields" 403 "$(fetch -H "Authorization: $a" -H 'X-Original-URI: /app/a' "$P/app/b")"
is "on another method" 401 "$(fetch -X PUT -H "Authorization: $a" -H 'X-Original-Method: GET' "$P/app/a")"
is "the endpoint cannot be reached from outside" 404 "$(fetch "$P/gba-decide")"

# ---- as Envoy asks: the target behind the prefix, Host its own ----
D=http://127.0.0.1:$decision
is "challenge" 401 "$(fetch -X POST -H 'Host: localhost' "$D/decide/app/e?x=1")"
is "two challenges" 2 "$(grep -ci '^www-authenticate: digest' "$demo/head")"
a=$(sign $B 0100011301 POST '/app/e?x=1' auth)
is "answered" 200 "$(fetch -X POST -H 'Host: localhost' -H "Authorization: $a" -H 'X-TLS-Version: TLSv1.3' -H 'X-TLS-Suite: TLS_AES_128_GCM_SHA256' "$D/decide/app/e?x=1")"
ok "identity" head_has "^x-3gpp-asserted-identity: \"$B\""
ok "Authentication-Info" head_has '^authentication-info: '
is "no body" 0 "$(stat -c %s "$demo/out")"
fetch -H 'Host: localhost' "$D/decide" >/dev/null
a=$(sign $B 010001c02f GET / auth)
is "a suite by number" 200 "$(fetch -H 'Host: localhost' -H "Authorization: $a" -H 'X-TLS-Version: TLSv1.2' -H 'X-TLS-Suite: 0xC02F' "$D/decide")"
fetch -H 'Host: localhost' "$D/decide" >/dev/null
a=$(sign $B 0100000002 GET / auth-int)
is "auth-int is refused" 401 "$(fetch -H 'Host: localhost' -H "Authorization: $a" "$D/decide")"
is "an unknown suite" 403 "$(fetch -H 'Host: localhost' -H 'X-TLS-Version: TLSv1.2' -H 'X-TLS-Suite: ROT13' "$D/decide/")"
is "https, but which" 403 "$(fetch -H 'Host: localhost' -H 'X-Forwarded-Proto: https' "$D/decide/")"
is "an old TLS" 403 "$(fetch -H 'Host: localhost' -H 'X-TLS-Version: TLSv1.1' -H 'X-TLS-Suite: AES128-SHA' "$D/decide/")"
is "a field twice" 403 "$(fetch -H 'Host: localhost' -H 'X-Original-URI: /a' -H 'X-Original-URI: /b' "$D/decide/")"
is "one that the proxy sets in another spelling" 403 "$(fetch -H 'Host: localhost' -H 'X_Original_URI: /a' "$D/decide/")"
ok "is no word of the proxy" grep -q " decision.refused .*came twice" "$demo/nafd.log"
is "another path" 403 "$(fetch -H 'Host: localhost' "$D/decided/")"
ok "each with its cause" test "$(grep -c ' decision.refused .*hint=' "$demo/nafd.log")" -ge 3
# every suite that OpenSSL may negotiate with a certificate
openssl ciphers -V 'ALL:!PSK:!SRP:!aNULL:!eNULL:!CAMELLIA:!ARIA:!SEED:!IDEA:!3DES:!DSS:!kDH:!kECDH' |
    awk '$4 == "TLSv1.2" || $4 == "TLSv1.3" {gsub(/0x|,/, "", $1); print $1, $3, $4}' >"$demo/suites"
ok "OpenSSL lists suites" test "$(wc -l <"$demo/suites")" -ge 15
while read -r number name version; do
    case $name in DHE-RSA-AES*CCM* | AES*CCM*) continue ;; esac # need no name: by number
    fetch -H 'Host: localhost' "$D/decide" >/dev/null
    a=$(sign $B "010001${number,,}" GET / auth)
    is "suite $name" 200 "$(fetch -H 'Host: localhost' -H "Authorization: $a" -H "X-TLS-Version: $version" -H "X-TLS-Suite: $name" "$D/decide")"
done <"$demo/suites"
stop_nafd
is "nginx without its judge" 503 "$(fetch "$P/app/")"

settings "  proxies: [192.0.2.0/24]"
start_nafd
is "a stranger asks" 403 "$(fetch -H 'Host: localhost' "$D/decide/")"
ok "no challenge for it" no head_has '^www-authenticate'
stop_nafd
kit_end
