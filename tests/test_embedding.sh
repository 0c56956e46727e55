#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A stranger's build: every example compiled out of tree against the installed files, with pkg-config alone,
# by the line that stands in it; and the hosts among them run with the real gba-bsfd, with gba, curl and
# openssl as UEs.
set -u
build=$(cd "${top_builddir:-.}" && pwd)
src=$(cd "${top_srcdir:-.}" && pwd)
demo=$(mktemp -d)/demo || exit 1
# shellcheck source=tests/demo.sh
. "$src/tests/demo.sh"
# shellcheck source=tests/kit.sh
. "$src/tests/kit.sh"
host_pid='' kit_show=$demo/out
cleanup() {
    exec 7>&- 2>/dev/null
    [ -z "$host_pid" ] || kill "$host_pid" 2>/dev/null
    demo_stop quiet
    rm -rf "${demo%/demo}"
}
trap cleanup EXIT
has() { grep -q "$1" "$demo/out"; }
demo_prepare

# ---- installed: libraries, headers and pkg-config files alone ----
root=$demo/root
make -C "$build" DESTDIR="$root" install-libLTLIBRARIES install-gbaincludeHEADERS install-pkgconfigDATA >"$demo/out" 2>&1 ||
    demo_fail "make install failed: $(tail -3 "$demo/out")"
pc=$(dirname "$(find "$root" -name gbanaf.pc)")
lib=$(dirname "$(find "$root" -name libgbanaf.so)")
export PKG_CONFIG_PATH=$pc PKG_CONFIG_SYSROOT_DIR=$root LD_LIBRARY_PATH=$lib
mkdir "$demo/bin"
for c in "$src"/examples/*.c; do
    name=$(basename "$c" .c)
    line=$(sed -n 's/^ \*   cc \([a-z0-9_]*\.c .*pkg-config.*\)$/\1/p' "$c" | head -1)
    [ -n "$line" ] || continue # no host of the library: built and tested elsewhere
    hosts="${hosts:-} $name"
    # shellcheck disable=SC2046,SC2086
    packages=$(sed -n 's/.*pkg-config --cflags --libs \([^)]*\)).*/\1/p' <<<"$line")
    flags=$(sed 's/^[^ ]* *//; s/\$(.*//' <<<"$line")
    for p in $packages; do
        pkg-config --exists "$p" 2>/dev/null || {
            echo "test_embedding: $name is left out: no $p here" >&2
            continue 2
        }
    done
    # shellcheck disable=SC2046,SC2086
    (cd "$demo/bin" && "${CC_STRANGER:-gcc}" -D_GNU_SOURCE -Wall -Wextra -Werror -o "$name" "$c" $flags \
        $(pkg-config --cflags --libs $packages)) >"$demo/out" 2>&1
    ok "$name builds with pkg-config alone" test $? -eq 0
    ok "$name uses the installed library" no has 'not found'
done
ok "the examples say how they are built:${hosts:-}" test "$(wc -w <<<"${hosts:-}")" -ge 4
ldd "$demo/bin/naf_blocking_http" >"$demo/out"
ok "it is linked to the installed library" grep -q "libgbanaf.so.* => $root" "$demo/out"
# A buffer that is too small for an operator's message is found at compile time (gcc 11 and later).
cat >"$demo/text.c" <<'C'
#include <gba/ue.h>
int try(const gba_ue_config *c, gba_ue **out, char *why);
int try(const gba_ue_config *c, gba_ue **out, char *why)
{
    char text[ROOM];
    return gba_ue_new(c, out, text) || gba_ue_new(c, out, NULL) || (why[0] = text[0]);
}
C
for room in 512 100; do
    # shellcheck disable=SC2046
    "${CC_STRANGER:-gcc}" -Wall -Wextra -Werror -DROOM=$room -c -o /dev/null "$demo/text.c" $(pkg-config --cflags gbaue) >"$demo/out" 2>&1
    ok "a text of $room octets" test $? -eq $((room < 512))
done
if command -v g++ >/dev/null; then
    # shellcheck disable=SC2046
    for h in "$root"/*/*/include/gba/*.h "$root"/*/include/gba/*.h; do [ -f "$h" ] && echo "#include <gba/$(basename "$h")>"; done |
        g++ -Wall -Werror -fsyntax-only -x c++ $(pkg-config --cflags gbanaf) - >"$demo/out" 2>&1
    ok "the headers are C++ too" test $? -eq 0
fi

# ---- each host with the real BSF ----
demo_start_bsf
demo_provision
mkfifo "$demo/in"
host() { # host NAME: starts it, sets port
    rm -f "$demo/port"
    "$demo/bin/$1" 0 "$NAF_FQDN" "$BSF_DOMAIN" "$BSF_ZN_URL" "$ZN_CA" "$ZN_CERT" "$ZN_KEY" <"$demo/in" >"$demo/port" 2>"$demo/host.log" &
    host_pid=$!
    exec 7>"$demo/in"
    for _ in $(seq 300); do [ -s "$demo/port" ] && break || sleep 0.1; done
    port=$(cat "$demo/port")
}
host_end() {
    exec 7>&-
    wait "$host_pid"
    ok "$1 ends cleanly" test $? -eq 0
    host_pid=
}
key() { demo_gba key "$NAF_FQDN" --ua "$1" --json; }
value() { sed -n 's/.*"'"$1"'": *"\([^"]*\)".*/\1/p' | head -1; }

host naf_blocking_http
demo_gba get "http://localhost:$port/x" >"$demo/out" 2>&1
ok "blocking host: gba get" has '^you are '
key 0100000002 >"$demo/key"
btid=$(value btid <"$demo/key") pw=$(value password <"$demo/key")
curl -s --noproxy '*' -D "$demo/head" --digest -u "$btid:$pw" "http://localhost:$port/y" >"$demo/out"
ok "blocking host: curl --digest" has "^b-tid: $btid"
ok "blocking host: Authentication-Info" grep -qi '^authentication-info: .*rspauth' "$demo/head"
curl -s --noproxy '*' -o /dev/null -w '%{http_code}\n' --digest -u "$btid:wrong" "http://localhost:$port/" >"$demo/out"
ok "blocking host: a wrong password" has 401
printf 'nonsense\r\n\r\n' | timeout 5 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port; cat >&3; cat <&3" >"$demo/out"
ok "blocking host: nonsense" has '^HTTP/1.1 400'
host_end naf_blocking_http

if [ -x "$demo/bin/naf_openssl_host" ]; then
    host naf_openssl_host
    demo_gba get --psk "https://localhost:$port/" >"$demo/out" 2>&1
    ok "OpenSSL host: gba get --psk" has '^you are '
    s_client() { # s_client KEY OPTION...
        local k=$1
        shift
        printf 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n' |
            timeout 10 openssl s_client -connect "127.0.0.1:$port" -servername localhost -quiet -psk "$k" \
                -psk_identity "3GPP-bootstrapping;$btid" "$@" >"$demo/out" 2>&1
    }
    s_client "$(key 0100000007 | value ks_naf)" -tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256
    ok "OpenSSL host: TLS 1.3 PSK" has "^b-tid: $btid"
    s_client "$(key 010001ccac | value ks_naf)" -tls1_2 -cipher ECDHE-PSK-CHACHA20-POLY1305
    ok "OpenSSL host: TLS 1.2 ECDHE-PSK" has "^b-tid: $btid"
    s_client "$(key 010001c037 | value ks_naf)" -tls1_2 -cipher ECDHE-PSK-AES128-CBC-SHA256
    ok "OpenSSL host: the other suite, with its own key" has "^b-tid: $btid"
    s_client "$(key 010001ccac | value ks_naf)" -tls1_2 -cipher ECDHE-PSK-AES128-CBC-SHA256
    ok "OpenSSL host: not with that of the first" no has '^b-tid'
    wrong=$(grep -o 'alert [a-z ]*' "$demo/out" | head -1)
    btid=unknown@$BSF_DOMAIN s_client 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff -tls1_2 -cipher ECDHE-PSK-AES128-CBC-SHA256
    ok "OpenSSL host: an unknown B-TID gets the same alert ($wrong)" has "$wrong"
    host_end naf_openssl_host
fi

"$demo/bin/embed_naf_mhd" 0 "$NAF_FQDN" "$demo/naf.pem" "$demo/naf.key" "$BSF_DOMAIN" "$BSF_ZN_URL" "$ZN_CA" "$ZN_CERT" \
    "$ZN_KEY" <"$demo/in" >"$demo/port2" 2>"$demo/host.log" &
host_pid=$!
exec 7>"$demo/in"
for _ in $(seq 300); do [ -s "$demo/port2" ] && break || sleep 0.1; done
url=https://localhost:$(cat "$demo/port2")/
demo_gba get --ca "$NAF_CA" "$url" >"$demo/out" 2>&1
ok "libmicrohttpd host: gba get" has '^Hello'
demo_gba get --psk "$url" >"$demo/out" 2>&1
ok "libmicrohttpd host: gba get --psk" has '^Hello'
host_end embed_naf_mhd
kit_end
