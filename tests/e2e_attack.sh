#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Strangers without a key at every listener at once (tests/nuisance.c): afterwards a SIM bootstraps and a page is had,
# nothing has grown, nothing spins; and no key stands in a log, a store or what the tools print.
set -u
build=$(cd "${top_builddir:-.}" && pwd)
src=$(cd "${top_srcdir:-.}" && pwd)
demo=$(mktemp -d) || exit 1
# shellcheck source=tests/demo.sh
. "$src/tests/demo.sh"
passed=0 failed=0
is() { # is NAME WANT GOT
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "e2e_attack: FAILED: $1: want $2, got $3" >&2
    fi
}
MEF_PID=
cleanup() {
    if [ -n "$MEF_PID" ]; then kill "$MEF_PID" 2>/dev/null; fi
    demo_stop quiet
    rm -rf "$demo"
}
trap cleanup EXIT

demo_prepare
demo_start
demo_provision
sh "$src/tests/m2m_certs.sh" "$demo" || exit 99
printf 'k1 %s\n' "$(openssl rand -hex 32)" >"$demo/mef.seal"
chmod 600 "$demo/mef.seal"
demo_free_port && p_mef=$demo_port
demo_free_port && p_mefadm=$demo_port
cat >"$demo/mef.yaml" <<Y
mef: {fqdn: mef.example.com, listen: "127.0.0.1:$p_mef", cert: mef.pem, key: mef.key, client_ca: m2m-ca.pem, crl: m2m.crl}
store: {url: "sqlite:mef.db"}
seal: {key_file: mef.seal}
admin: {listen: "127.0.0.1:$p_mefadm"}
Y
demo_daemon mef "$build/onem2m-binding/m2m-mefd" "$demo/mef.yaml" "http://127.0.0.1:$p_mefadm"
MEF_PID=$demo_pid
ports="$p_ub $p_ubtls $p_zn $p_bsfadm $p_naf $p_naftls $p_nafadm $p_mef $p_mefadm"

page() { demo_gba get --ca "$NAF_CA" "$NAF_URL" >"$demo/page" 2>"$demo/page.err"; }
until_ok() { # SECONDS COMMAND...
    local n=$(($1 * 2))
    shift
    for _ in $(seq "$n"); do
        "$@" && return 0
        sleep 0.5
    done
    return 1
}
rss() { awk '/^VmRSS/ {print $2}' "/proc/$1/status"; }
ticks() { awk '{print $14 + $15}' "/proc/$1/stat"; }
attack() {
    # shellcheck disable=SC2086 # a list of ports
    "$build/tests/nuisance" "$1" $ports >"$demo/nuisance.out"
}
# The strangers' connections are over when all but a few are closed.
quiet() {
    local p open=0
    for p in $ports; do open=$((open + $(grep -ciE "^ *[0-9]+: [0-9A-F]+:$(printf '%04X' "$p") [0-9A-F:]+ 0[1-9] " /proc/net/tcp))); done
    [ $open -le 20 ]
}

until_ok 20 page
is "a page before the strangers come" 0 "$(grep -q "$BSF_DOMAIN" "$demo/page" && echo 0)"
attack 4
is "each listener took connections" 0 $?
is "it is quiet again" 0 "$(until_ok 90 quiet && echo 0)"
for name in BSF NAF MEF; do
    pid=${name}_PID
    printf -v "${name}_before" '%s' "$(rss "${!pid}")"
done
attack 8 &
attacker=$!
sleep 2
rm -rf "$demo/state"
is "a SIM bootstraps and has its page while they are there" 0 "$(until_ok 60 page && echo 0)"
wait $attacker
is "it is quiet once more" 0 "$(until_ok 90 quiet && echo 0)"
rm -rf "$demo/state"
is "and when they are gone" 0 "$(until_ok 10 page && echo 0)"
is "the BSF is ready" 0 "$(demo_http "$BSF_ADMIN_URL/readyz" && echo 0)"
is "the MEF is ready" 0 "$(demo_http "http://127.0.0.1:$p_mefadm/readyz" && echo 0)"
case "$(ldd "$build/bsf/gba-bsfd")" in
*libasan* | *libtsan*) sanitized=yes ;; # their shadow grows
*) sanitized=no ;;
esac
for name in BSF NAF MEF; do
    pid=${name}_PID before=${name}_before
    is "$name is the same process" 1 "$([ -n "$(rss "${!pid}")" ] && echo 1)"
    grown=$(($(rss "${!pid}") - ${!before}))
    [ $sanitized = yes ] || is "$name has not grown ($grown kB)" 1 "$([ $grown -le 16384 ] && echo 1)"
    began=$(ticks "${!pid}")
    sleep 2
    is "$name does not spin" 1 "$([ $(($(ticks "${!pid}") - began)) -lt 150 ] && echo 1)"
done

# ---- no key where none may be ----
demo_gba bootstrap --export-ks --json >"$demo/session.out" 2>/dev/null
KS=$(sed -n 's/.*"ks": *"\([^"]*\)".*/\1/p' "$demo/session.out")
KS_NAF=$(demo_gba key "$NAF_FQDN" --ua 0100000002 --json 2>/dev/null | sed -n 's/.*"ks_naf": *"\([^"]*\)".*/\1/p')
rm "$demo/session.out"
is "Ks is known to this test" 64 ${#KS}
is "Ks_NAF is known to this test" 64 ${#KS_NAF}
page # the NAF fetches its key from the new session
btid=$(demo_gba session show --json 2>/dev/null | sed -n 's/.*"btid": *"\([^"]*\)".*/\1/p')
mkdir "$demo/printed"
bsfctl subscriber list --json >"$demo/printed/list" 2>&1
bsfctl subscriber show "$IMPI" >"$demo/printed/show" 2>&1
bsfctl session list --json >"$demo/printed/sessions" 2>&1
bsfctl session show "$btid" >"$demo/printed/session" 2>&1
bsfctl naf list --json >"$demo/printed/nafs" 2>&1
curl -s "$BSF_ADMIN_URL/metrics" >"$demo/printed/metrics"
kill -HUP "$BSF_PID" "$NAF_PID"
sleep 1
# found FILE...: which of the keys stand there, as octets, hex or base64.
found() {
    perl -MMIME::Base64 -e 'my %k = (K => shift, OPc => shift, Ks => shift, Ks_NAF => shift);
        for my $file (@ARGV) { open my $f, "<:raw", $file or next; local $/; my $all = <$f>;
            for (sort keys %k) { my $o = pack "H*", $k{$_}; my $b = encode_base64($o, ""); $b =~ s/.{1,3}$//;
                print "$_ in $file\n" if index($all, $o) >= 0 || $all =~ /\Q$k{$_}\E/i || index($all, $b) >= 0 } }' \
        "$K" "$OPC" "$KS" "$KS_NAF" "$@"
}
printf '%s' "$KS" >"$demo/proof"
is "the search finds what is there" "Ks in $demo/proof" "$(found "$demo/proof")"
rm "$demo/proof"
is "no key in a log, a store, or what the tools print" "" \
    "$(found "$demo"/*.log "$demo"/bsf.db* "$demo"/printed/* "$demo"/*.yaml "$demo/page")"
if [ "${ATTACK_CORE:-no}" = yes ] && command -v gcore >/dev/null; then # for a look by hand: cores of live processes
    gcore -o "$demo/core-bsf" "$BSF_PID" >/dev/null 2>&1
    gcore -o "$demo/core-naf" "$NAF_PID" >/dev/null 2>&1
    found "$demo"/core-*
fi
echo "e2e_attack: $passed passed, $failed failed"
[ $failed -eq 0 ]
