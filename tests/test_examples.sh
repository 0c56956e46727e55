#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# test_examples.sh - the examples are valid and complete, and they work: the two configurations by
# --check, the embedded NAF and the minimal UE against a real BSF, curl as a foreign UE.
set -u
build=$(cd "${top_builddir:-.}" && pwd)
src=$(cd "${top_srcdir:-.}" && pwd)
demo=$(mktemp -d) || exit 1
# shellcheck source=tests/demo.sh
. "$src/tests/demo.sh"
# shellcheck source=tests/kit.sh
. "$src/tests/kit.sh"
naf_pid='' kit_show=$demo/err
cleanup() {
    exec 7>&- 2>/dev/null
    [ -z "$naf_pid" ] || kill "$naf_pid" 2>/dev/null
    demo_stop quiet
    rm -rf "$demo"
}
trap cleanup EXIT
demo_prepare

# ---- the configurations: every setting stands there, and they are valid once their paths exist ----
settings() { awk -f "$src/docs/man/settings.awk" | cut -f 1 | sort; }
# on FILE: every setting that is off turned on: "#name:" in place, and blocks of "#name:", "#  name: value" lines
on() {
    awk '/^#[a-z_]+:$/ { block = 1 } !/^#/ { block = 0 } block { sub(/^#/, "") } { print }' "$1" |
        sed 's/^\( *\)#\([a-z_.]*:\)/\1\2/'
}
configuration() { # configuration EXAMPLE PROGRAM
    "$2" --print-defaults | settings >"$demo/all"
    on "$src/examples/$1" | settings >"$demo/told"
    comm -3 "$demo/all" "$demo/told" >"$demo/err"
    ok "examples/$1 tells every setting and no other" test ! -s "$demo/err"
    sed "s|/etc/opengba|$demo|; s|/var/lib/opengba|$demo|" "$src/examples/$1" >"$demo/example.yaml"
    "$2" --config "$demo/example.yaml" --check >"$demo/out" 2>"$demo/err"
    ok "examples/$1 is valid" test $? -eq 0
    on "$demo/example.yaml" | sed '/^ *zn_url:/d' >"$demo/example-on.yaml" # zn_diameter stands instead of it
    "$2" --config "$demo/example-on.yaml" --check >"$demo/out" 2>"$demo/err"
    status=$?
    if [ -x "$build/bsf/gba-hssd" ]; then
        ok "examples/$1 is valid with everything on" test $status -eq 0
    else
        ok "examples/$1: Diameter is named as what lacks" grep -q 'built without Diameter' "$demo/err"
    fi
}
configuration bsf.yaml "$build/bsf/gba-bsfd"
configuration naf.yaml "$build/naf/gba-nafd"
: >"$demo/err"

# ---- a BSF, the host that embeds libgbanaf, the device ----
demo_start_bsf
demo_provision
mkfifo "$demo/in"
"$build/examples/embed_naf_mhd" 0 "$NAF_FQDN" "$demo/naf.pem" "$demo/naf.key" "$BSF_DOMAIN" "$BSF_ZN_URL" "$ZN_CA" \
    "$ZN_CERT" "$ZN_KEY" <"$demo/in" >"$demo/port" 2>"$demo/err" &
naf_pid=$!
exec 7>"$demo/in"
for _ in $(seq 300); do [ -s "$demo/port" ] && break || sleep 0.1; done
url=https://localhost:$(cat "$demo/port")
demo_gba get --ca "$NAF_CA" "$url/page?x=%20y" >"$demo/page" 2>"$demo/err"
ok "gba get of the embedded NAF" grep -q '^Hello .*, this is /page?x=%20y\.' "$demo/page"
demo_gba post --ca "$NAF_CA" --data hello "$url/" >"$demo/page" 2>"$demo/err"
ok "gba post to it" grep -q '^Hello' "$demo/page"
demo_gba get --ca "$NAF_CA" --header 'X_3GPP_Intended_Identity: "sip:boss@home1.net"' "$url/" >"$demo/page" 2>"$demo/err"
ok "another's identity in another spelling: 403" grep -q 403 "$demo/err"

"$build/examples/ue_minimal" "$USIM" "$BSF_UB_URL" "$BSF_DOMAIN" "$demo/state" "$NAF_FQDN" 0100011302 \
    "$demo/key" >"$demo/btid" 2>"$demo/err"
ok "ue_minimal" test $? -eq 0
btid=$(cat "$demo/btid")
ok "it prints the B-TID" test "${btid#*@}" = "$BSF_DOMAIN"
demo_gba key "$NAF_FQDN" --ua 0100011302 2>"$demo/err" >"$demo/key2"
ok "its key is the one gba derives" cmp -s "$demo/key" "$demo/key2"
ok "nobody else may read the key" test "$(stat -c %a "$demo/key")" = 600
if command -v curl >/dev/null && command -v xxd >/dev/null; then
    status=$(curl -s -m 20 --noproxy '*' --cacert "$NAF_CA" --tlsv1.3 --tls13-ciphers TLS_AES_256_GCM_SHA384 --digest \
        -u "$btid:$(xxd -r -p "$demo/key" | base64)" -o "$demo/page" -w '%{http_code}' "$url/")
    ok "curl with that key (HTTP $status)" test "$status" = 200
    status=$(curl -s -m 20 --noproxy '*' --cacert "$NAF_CA" --digest -u "$btid:wrong" -o "$demo/page" -w '%{http_code}' "$url/")
    ok "not with another (HTTP $status)" test "$status" = 401
fi
# TLS with the GBA key on the same port
for v in 1.2 1.3; do
    demo_gba get --psk --tls $v "$url/psk?v=$v" >"$demo/page" 2>"$demo/err"
    ok "gba get --psk, TLS $v" grep -q "^Hello .*, this is /psk?v=$v\." "$demo/page"
done
btid=$(demo_gba key "$NAF_FQDN" --ua 0100000007 --json | sed -nE 's/.*"btid": "([^"]*)".*/\1/p')
s_client() { # s_client KEY IDENTITY HOST OPTION...: openssl's words and the answer in $demo/err
    local key=$1 id=$2 host=$3
    shift 3
    (
        printf 'GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$host"
        sleep 1
    ) | timeout 20 openssl s_client -connect "127.0.0.1:${url##*:}" -servername localhost -psk "$key" -psk_identity "$id" \
        -ign_eof "$@" >"$demo/err" 2>&1
}
err_has() { grep -q "$1" "$demo/err"; }
k13=$(demo_gba key "$NAF_FQDN" --ua 0100000007) kcc=$(demo_gba key "$NAF_FQDN" --ua 010001ccac)
s_client "$k13" "3GPP-bootstrapping;$btid" localhost -tls1_3
ok "openssl, TLS 1.3" err_has '^Hello'
ok "no Authentication-Info over PSK" no err_has '^Authentication-Info'
s_client "$kcc" "3GPP-bootstrapping;$btid" localhost -tls1_2 -cipher ECDHE-PSK-CHACHA20-POLY1305
ok "openssl, TLS 1.2" err_has '^Hello'
ok "the hint" err_has 'PSK identity hint: 3GPP-bootstrapping'
s_client "$k13" "3GPP-bootstrapping;$btid" other.test -tls1_3
ok "another Host: 421" err_has '^HTTP/1.1 421'
for v in "-tls1_3" "-tls1_2 -cipher ECDHE-PSK-CHACHA20-POLY1305"; do
    for id in "3GPP-bootstrapping;$btid" "3GPP-bootstrapping;AAAA@$BSF_DOMAIN" "3GPP-bootstrapping;x@elsewhere.test"; do
        # shellcheck disable=SC2086
        s_client "00$(printf 'ff%.0s' {1..31})" "$id" localhost $v
        ok "$v: no answer to a wrong key of ${id%@*}" no err_has '^HTTP/1.1'
    done
done
s_client "$k13" somebody localhost -tls1_3
ok "TLS 1.3: an identity that is none of GBA's gets the certificate, and a challenge" err_has '^HTTP/1.1 401'
demo_gba get --ca "$NAF_CA" "$url/last" >"$demo/page" 2>"$demo/err"
ok "gba get with the certificate, still" grep -q '^Hello' "$demo/page"
exec 7>&-
wait "$naf_pid"
ok "the host ends cleanly" test $? -eq 0
naf_pid=
kit_end
