#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The installed libraries export what their public headers declare, and nothing else.
set -u
build=${top_builddir:-.} src=${top_srcdir:-.}
fail=0
# exported LIBRARY HEADER...: nm's list against the declarations marked GBA_API.
exported() {
    local lib=$build/$1 have want h extra lacking
    shift
    [ -f "$lib" ] || return 0
    have=$(nm -D --defined-only "$lib" | awk '$2 ~ /[TDBR]/ {sub(/@.*/, "", $3); print $3}' | grep '^gba_' | sort -u)
    want=$(for h in "$@"; do
        [ -f "$src/include/gba/$h" ] && perl -0777 -ne 's{/\*.*?\*/}{}gs; while (/GBA_API\s+([^;{]*);/g) {
            my $d = $1; $d =~ s/__attribute__\s*\(\(.*?\)\)//gs; $d =~ s/GBA_MUST_USE//g;
            print "$1\n" if $d =~ /(\w+)\s*\(/ or $d =~ /(\w+)\s*(?:\[[^\]]*\])?\s*$/ }' "$src/include/gba/$h"
    done | sort -u)
    extra=$(comm -23 <(printf '%s\n' "$have") <(printf '%s\n' "$want"))
    lacking=$(comm -13 <(printf '%s\n' "$have") <(printf '%s\n' "$want"))
    [ -z "$extra" ] || printf 'symbols: %s exports what no header declares:\n%s\n' "$lib" "$extra"
    [ -z "$lacking" ] || printf 'symbols: %s lacks what its headers declare:\n%s\n' "$lib" "$lacking"
    [ -z "$extra$lacking" ] || fail=1
    # The promise to programs that are built already: a name that was once installed stays.
    local list gone fresh
    list=$src/tests/abi/$(basename "$lib" .so).symbols
    gone=$(comm -13 <(printf '%s\n' "$have") <(grep '^gba_' "$list" | sort -u))
    fresh=$(comm -23 <(printf '%s\n' "$have") <(grep '^gba_' "$list" | sort -u))
    [ -z "$gone" ] || printf 'symbols: %s has lost (tests/abi; a new soname would be due):\n%s\n' "$lib" "$gone"
    [ -z "$fresh" ] || printf 'symbols: %s has new names: add them to %s:\n%s\n' "$lib" "$list" "$fresh"
    [ -z "$gone$fresh" ] || fail=1
}
exported libgba/.libs/libgba.so gba.h aka.h kdf.h digest.h seal.h guss.h diameter.h
exported naf/.libs/libgbanaf.so naf.h
exported naf/.libs/libgbanaf-zn-http.so naf_zn_http.h
exported naf/.libs/libgbanaf-zn-diameter.so naf_zn_diameter.h
exported naf/.libs/libgbanaf-gnutls.so naf_gnutls.h
exported naf/.libs/libgbanaf-mhd.so naf_mhd.h
exported ue/.libs/libgbaue.so ue.h ue_connect.h uicc.h
exported onem2m-binding/.libs/libgbaonem2m.so onem2m.h onem2m_a.h
# libmicrohttpd finds service/tls_hooks.c's functions only where the program exports them.
for program in bsf/gba-bsfd naf/gba-nafd onem2m-binding/m2m-gate onem2m-binding/m2m-mafd onem2m-binding/m2m-mefd; do
    [ -x "$build/$program" ] || continue
    for name in gnutls_init gnutls_handshake gnutls_record_recv gnutls_deinit; do
        nm -D --defined-only "$build/$program" | grep -q " T $name\$" && continue
        printf 'symbols: %s does not export its %s: libmicrohttpd would run its handshakes without us\n' "$program" "$name"
        fail=1
    done
done
[ $fail -eq 0 ] && echo "symbols: the libraries export their headers, no more and no less"
exit $fail
