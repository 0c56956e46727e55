#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The house's laws that a grep can prove: who may include what, which calls are forbidden
# (docs/architecture.md).
set -u
cd "${top_srcdir:-.}" || exit 1
fail=0
rooms=()
for r in libgba service naf ue bsf onem2m-binding; do [ -d "$r" ] && rooms+=("$r"); done
bad() {
    printf 'floors: %s\n' "$*"
    fail=1
}

# owner HEADER-PATTERN FILE...: only these files include it.
owner() {
    local pattern=$1 f
    shift
    while IFS= read -r f; do
        case " $* " in *" $f "*) ;; *) bad "$f includes <$pattern>, which belongs to: $*" ;; esac
    done < <(grep -lE "^ *# *include *<($pattern)" -r "${rooms[@]}" --include='*.[ch]')
}
owner 'nettle/' libgba/crypt.c
owner 'expat' libgba/xml.c
owner 'uni(norm|str|case)' libgba/ids.c
owner 'microhttpd' service/http_internal.h naf/glue_mhd.c
owner 'gnutls' service/cert.c service/tls.c service/tls_psk.c service/tls_internal.h service/fd_peers.c naf/glue_gnutls.c ue/link.c ue/tls_suite.c onem2m-binding/tls.c onem2m-binding/tls_accept.c
owner 'curl/' service/fetch.c ue/carrier_curl.c naf/zn_http.c onem2m-binding/http.c
owner 'sqlite3' service/store_sqlite.c service/store_sqlite.h service/store_sqlite_file.c service/store_sqlite_vfs.c
owner 'libpq' service/store_pg.c
owner 'yaml' service/conf.c
owner 'freeDiameter' service/fd_internal.h
owner 'winscard' ue/uicc_pcsc.c

# below ROOM PATTERN: files of a room must not include a room above or beside it.
below() {
    local room=$1 pattern=$2
    grep -nE "^ *# *include *\"($pattern)" -r "$room" --include='*.[ch]' | while IFS= read -r line; do
        printf 'floors: %s reaches up\n' "$line"
    done
}
up=$(
    below libgba '(service|naf|ue|bsf|onem2m-binding)/'
    below service '(naf|ue|bsf|onem2m-binding)/'
    below ue '(service|naf|bsf|onem2m-binding)/'
    grep -lE '^' naf/*.[ch] 2>/dev/null | grep -v 'naf/nafd' | while IFS= read -r f; do
        grep -nHE '^ *# *include *"(service|ue|bsf|onem2m-binding)/' "$f" | grep -v '^naf/zn_diameter.c:.*"service/fd_stack.h"' | sed 's/^/floors: /;s/$/ reaches up/'
    done
    below bsf '(naf|ue|onem2m-binding)/'
)
[ -z "$up" ] || {
    printf '%s\n' "$up"
    fail=1
}

# Pure: no clock, no randomness, no I/O, no lock, no log in libgba.
grep -nE '\b(time|clock_gettime|gettimeofday|getrandom|rand|random|fopen|open|printf|fprintf|pthread_[a-z_]+|getenv)\(' \
    -r libgba --include='*.c' | grep -vE 'snprintf|vsnprintf|/\*|^\S+\s+\*' && bad "libgba is pure: the calls above are not"

# Calls that have no place here.
grep -nE '\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|alloca)\(' -r "${rooms[@]}" \
    --include='*.[ch]' && bad "forbidden calls above"
# Secrets are compared in constant time.
grep -nE '\b(memcmp|strcmp|strncmp)\([^();]*(secret|ks_naf|\bks\b|opc|\bres\b|xres|->k\b|password|passwd|mac\b|response|psk)' \
    -r "${rooms[@]}" --include='*.c' && bad "secrets compared with memcmp or strcmp above"

# Size: a file that grew past its room.
while IFS= read -r f; do
    n=$(wc -l <"$f")
    [ "$n" -le 800 ] || bad "$f has $n lines (at most 800)"
done < <(find "${rooms[@]}" -name '*.[ch]')

# Every source names its licence; nothing unfinished is left.
while IFS= read -r f; do
    head -n 1 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' || bad "$f lacks its SPDX line"
done < <(find include "${rooms[@]}" tests -name '*.[ch]')
grep -nE '\b(TODO|FIXME|XXX|HACK)\b' -r include "${rooms[@]}" --include='*.[ch]' &&
    bad "unfinished work above"
[ $fail -eq 0 ] && echo "floors: every file stands where it may"
exit $fail
