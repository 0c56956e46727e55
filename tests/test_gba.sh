#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The gba command against a BSF and NAF over sockets (fake_ub.c), with and without TLS; the Ua
# identifier over each suite; curl --digest as another client with the keys gba prints.
set -u
build=${top_builddir:-.}
gba=$build/ue/gba fake=$build/tests/fake_ub
dir=$(mktemp -d)
pids=()
cleanup() {
    local p
    for p in "${pids[@]}"; do kill "$p" 2>/dev/null; done
    wait
    rm -rf "$dir"
}
trap cleanup EXIT
# shellcheck source=tests/kit.sh
. "${top_srcdir:-.}/tests/kit.sh"
kit_show=$dir/err
# run CODE NAME COMMAND...: the exit code; output in $dir/out, $dir/err.
run() {
    local want=$1 name=$2 got
    shift 2
    "$@" >"$dir/out" 2>"$dir/err" </dev/null
    got=$?
    ok "$name (exit $got, want $want)" [ "$got" -eq "$want" ]
    [ "$got" -eq 0 ] || ok "$name: says why" grep -q '^gba: ' "$dir/err"
}
out() { grep -qF -- "$1" "$dir/out"; }
err() { grep -qF -- "$1" "$dir/err"; }
# serve OPTION...: a fresh peer; its port in $port.
serve() {
    rm -f "$dir/port"
    "$fake" "$dir/port" "$@" &
    pids+=($!)
    for _ in $(seq 300); do
        [ -s "$dir/port" ] && break
        sleep 0.05
    done
    port=$(cat "$dir/port")
}
# json NAME: a string or number of the one object in $dir/out
json() { sed -nE "s/.*\"$1\": \"?([^\",}]*).*/\1/p" "$dir/out"; }

impi=001010000000001@ims.mnc001.mcc001.3gppnetwork.org
k=465b5ce8b199b49faa5f0a2ee238a6bc opc=cd63cb71954a9f4e48a5994e37a02baf op=cdc202d5123e20f62b6d676ac72cb318
unset GBA_BSF GBA_BSF_DOMAIN GBA_USIM GBA_STATE GBA_KEY_FILE GBA_CA GBA_BSF_CA
export HOME=$dir/home XDG_STATE_HOME=
mkdir "$HOME"

# ---- usim ----
run 0 create "$gba" usim create "$dir/usim" --impi $impi --k $k --opc $opc --exportable
ok "create: mode" [ "$(stat -c %a "$dir/usim")$(stat -c %a "$dir/usim.key")" = 600600 ]
run 1 "create again" "$gba" usim create "$dir/usim" --impi $impi --k $k --opc $opc
ok "create again: the way out" err --force
run 0 "create --force" "$gba" usim create "$dir/usim" --impi $impi --k $k --opc $opc --exportable --force
run 0 "create by OP" "$gba" usim create "$dir/usim-op" --impi $impi --k $k --op $op --json
ok "create --json" [ "$(json impi)" = $impi ]
run 0 "create TUAK" "$gba" usim create "$dir/usim-tuak" --impi $impi --k $k$k --op $op$op --algorithm tuak
run 0 "create TUAK with a RES of 16 octets" "$gba" usim create "$dir/usim-res" --impi $impi --k $k$k --op $op$op --algorithm tuak \
    --res-len 16 --ck-len 32 --ik-len 16 --keccak-iterations 2 --json
ok "it has them" [ "$(json res_octets)" = 16 ]
run 2 "a RES that AKA has no room for" "$gba" usim create "$dir/x" --impi $impi --k $k$k --op $op$op --algorithm tuak --res-len 32
ok "names what there is" err 'RES 4, 8 or 16'
run 2 "a length of nothing" "$gba" usim create "$dir/x" --impi $impi --k $k$k --op $op$op --algorithm tuak --res-len many
run 2 "Milenage has one length" "$gba" usim create "$dir/x" --impi $impi --k $k --opc $opc --res-len 16
printf '%s\n%s\n' $k $opc >"$dir/secrets"
"$gba" usim create "$dir/usim-stdin" --impi $impi --k-file - --opc-file - <"$dir/secrets" 2>"$dir/err"
ok "create from standard input" [ $? -eq 0 ]
run 0 show "$gba" usim show "$dir/usim" --json
ok "show: no secret" no grep -qiE "$k|$opc" "$dir/out"
ok "show: fields" [ "$(json algorithm) $(json exportable)" = "milenage true" ]
run 0 "show in words" "$gba" usim show "$dir/usim"
run 2 "no IMPI" "$gba" usim create "$dir/x" --k $k --opc $opc
run 2 "bad IMPI" "$gba" usim create "$dir/x" --impi nobody --k $k --opc $opc
run 2 "bad K" "$gba" usim create "$dir/x" --impi $impi --k xyz --opc $opc
run 2 "short K" "$gba" usim create "$dir/x" --impi $impi --k 00 --opc $opc
run 2 "OP and OPc" "$gba" usim create "$dir/x" --impi $impi --k $k --opc $opc --op $op
run 2 "bad algorithm" "$gba" usim create "$dir/x" --impi $impi --k $k --opc $opc --algorithm des
run 1 "no such USIM" "$gba" usim show "$dir/none"
echo garbage >"$dir/garbage"
cp "$dir/usim.key" "$dir/garbage.key"
run 1 "no USIM at all" "$gba" usim show "$dir/garbage"
ok "no USIM at all: named" err garbage

# ---- usage ----
run 0 help "$gba" --help
run 0 version "$gba" --version
run 2 "no command" "$gba"
run 2 "no such command" "$gba" frobnicate
run 2 "half a command" "$gba" usim
run 2 "a word too many" "$gba" get a b
"$gba" --frobnicate >"$dir/out" 2>"$dir/err"
ok "no such option" [ $? -eq 2 ]
run 2 "no USIM given" "$gba" bootstrap --state "$dir/s"
run 2 "get without URL" "$gba" get
run 2 "key without --ua" "$gba" key naf.example.test
run 2 "key for no name" "$gba" key 'a b' --ua 0100000002
"$gba" --help >/dev/full 2>/dev/null
ok "a full disk is noticed" [ $? -ne 0 ]

# ---- Ub ----
serve tmpi
dev=(--usim "$dir/usim" --state "$dir/s" --bsf "http://127.0.0.1:$port/" --bsf-domain bsf.example.test)
run 0 bootstrap "$gba" bootstrap "${dev[@]}" --json
ok "bootstrap: JSON" [ "$(json impi)" = $impi ]
btid=$(json btid)
ok "bootstrap: B-TID" [ "${btid#*@}" = bsf.example.test ]
ok "bootstrap: lifetime" [ "$(date -d "$(json lifetime)" +%s)" -gt "$(date +%s)" ]
ok "bootstrap: no Ks unasked" no out '"ks"'
ok "state: modes" [ "$(stat -c %a "$dir/s")$(stat -c %a "$dir"/s/session-*.gba)" = 700600 ]
run 0 "bootstrap --export-ks" "$gba" bootstrap "${dev[@]}" --json --export-ks
ks=$(json ks)
ok "export: Ks of 32 octets" [ ${#ks} -eq 64 ]
ok "bootstrap: a new one each time" [ "$(json btid)" != "$btid" ]
run 0 "bootstrap --if-needed" "$gba" bootstrap "${dev[@]}" --json --export-ks --if-needed
ok "--if-needed: the same" [ "$(json ks)" = "$ks" ]
run 4 "export refused" "$gba" bootstrap "${dev[@]}" --usim "$dir/usim-op" --json --export-ks
ok "export refused: nothing on standard output" [ ! -s "$dir/out" ]
run 0 "bootstrap --verbose" "$gba" bootstrap "${dev[@]}" --verbose
ok "verbose: the exchange" err '> Authorization: Digest'
ok "verbose: no response" no grep -qE 'response="[0-9a-f]|rspauth="[0-9a-f]|auts="[A-Za-z0-9]' "$dir/err"
run 0 "resynchronised" "$gba" bootstrap "${dev[@]}" --usim "$dir/usim-stdin" --state "$dir/s2"
run 4 "wrong domain" "$gba" bootstrap "${dev[@]}" --bsf-domain bsf.other.test --json
ok "wrong domain: said" err 'bsf.other.test'
run 2 "bad URL" "$gba" bootstrap "${dev[@]}" --bsf nonsense
run 2 "bad domain" "$gba" bootstrap "${dev[@]}" --bsf-domain 'a b'
run 3 "nobody there" "$gba" bootstrap "${dev[@]}" --bsf http://127.0.0.1:1/ --json
"$gba" usim create "$dir/stranger" --impi nobody@example.test --k $k --opc $opc 2>/dev/null
run 4 "unknown IMPI" "$gba" bootstrap "${dev[@]}" --usim "$dir/stranger" --json
"$gba" usim create "$dir/wrong-k" --impi $impi --k 00112233445566778899aabbccddeeff --opc $opc 2>/dev/null
run 4 "wrong K" "$gba" bootstrap "${dev[@]}" --usim "$dir/wrong-k" --state "$dir/s3" --json
GBA_USIM=$dir/usim GBA_STATE=$dir/s GBA_BSF=http://127.0.0.1:$port/ GBA_BSF_DOMAIN=bsf.example.test \
    run 0 "by environment" "$gba" bootstrap --quiet
ok "quiet" [ ! -s "$dir/err" ]
run 0 "named host" "$gba" bootstrap --usim "$dir/usim" --bsf "http://bsf.example.test:$port/" --connect 127.0.0.1
ok "default state folder" [ -s "$HOME/.local/state/gba/state.key" ]
# side by side: a lock on the card, whole sessions
for i in 1 2 3 4 5 6; do
    "$gba" bootstrap "${dev[@]}" --state "$dir/p$((i % 2))" --quiet >/dev/null 2>"$dir/err$i" &
    jobs[i]=$!
done
side=0
for i in 1 2 3 4 5 6; do wait "${jobs[i]}" || side=1; done
ok "six at once" [ $side -eq 0 ]

# ---- sessions ----
run 0 "session show" "$gba" session show --state "$dir/s" --json
ok "session show: one" [ "$(grep -o '"btid"' "$dir/out" | wc -l)" -eq 1 ]
run 0 "session show in words" "$gba" session show --state "$dir/s"
run 0 "session forget" "$gba" session forget --state "$dir/s" --json
ok "session forget: one" [ "$(json forgotten)" = 1 ]
run 0 "session show: none" "$gba" session show --state "$dir/nowhere" --json

# ---- key files ----
head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$dir/key"
chmod 600 "$dir/key"
run 0 "create --key-file" "$gba" usim create "$dir/usim-k" --impi $impi --k $k --opc $opc --key-file "$dir/key"
ok "key file: none beside" [ ! -e "$dir/usim-k.key" ]
run 0 "bootstrap --key-file" "$gba" bootstrap "${dev[@]}" --usim "$dir/usim-k" --state "$dir/sk" --key-file "$dir/key"
ok "key file: none in the state folder" [ ! -e "$dir/sk/state.key" ]
run 1 "wrong key file" "$gba" usim show "$dir/usim-k" --key-file "$dir/usim.key"
run 1 "missing key file" "$gba" usim show "$dir/usim-k" --key-file "$dir/nokey"
chmod 644 "$dir/key"
run 1 "open key file" "$gba" usim show "$dir/usim-k" --key-file "$dir/key"

# ---- Ua over plain HTTP ----
dev+=(--resolve "naf.example.test:$port:127.0.0.1")
naf=http://naf.example.test:$port
run 0 get "$gba" get "$naf/" "${dev[@]}"
ok "get: body" [ "$(cat "$dir/out")" = hello ]
ok "get: progress" err 'bootstrapped: B-TID'
run 0 "get again" "$gba" get "$naf/a/../b?x=%20y" "${dev[@]}"
ok "get again: the session serves" no err 'bootstrapped'
run 0 post "$gba" post "$naf/" --data 'some=data' --header 'X-Test: 1' "${dev[@]}"
run 0 "post a file" "$gba" post "$naf/" --data "@$dir/usim" "${dev[@]}" --output "$dir/body"
ok "output" [ "$(cat "$dir/body")" = hello ]
echo data | "$gba" post "$naf/" --data - "${dev[@]}" >"$dir/out" 2>"$dir/err"
ok "post from standard input" [ "$(cat "$dir/out")" = hello ]
run 0 "post nothing" "$gba" post "$naf/" "${dev[@]}"
run 0 "get --json" "$gba" get "$naf/" "${dev[@]}" --json
ok "get --json: fields" [ "$(json status) $(json ua) $(json body_base64)" = "200 0100000002 aGVsbG8K" ]
run 2 "bad header" "$gba" get "$naf/" --header nonsense "${dev[@]}"
run 2 "no such data file" "$gba" post "$naf/" --data "@$dir/none" "${dev[@]}"
run 0 key "$gba" key naf.example.test --ua 0100000002 "${dev[@]}" --json
user=$(json btid) password=$(json password) ks_naf=$(json ks_naf)
run 0 "key in hex" "$gba" key NAF.example.test --ua 0100000002 "${dev[@]}"
ok "key: the same" [ "$(cat "$dir/out")" = "$ks_naf" ]
if command -v curl >/dev/null; then
    body=$(curl -s --noproxy '*' --digest -u "$user:$password" -A 'curl 3gpp-gba' --resolve "naf.example.test:$port:127.0.0.1" "$naf/")
    ok "curl --digest with the key gba prints" [ "$body" = hello ]
fi

# ---- where to connect ----
for carrier in curl gnutls; do
    for to in ::1:2:3:4:5:6:7:8:9:x '[::1' '[::1]x' 'a:b' '[::1]:' ''; do
        run 2 "$carrier: --connect '$to'" "$gba" get "$naf/" "${dev[@]}" --connect "$to" --carrier $carrier
    done
done

# ---- a NAF's moods ----
mood() {
    serve "$@"
    dev=(--usim "$dir/usim" --state "$dir/m$port" --bsf "http://127.0.0.1:$port/" --bsf-domain bsf.example.test
        --connect "127.0.0.1:$port")
    naf=http://naf.example.test:$port
}
mood refuse 1
run 0 "NAF wants a new bootstrap" "$gba" get "$naf/" "${dev[@]}"
ok "renewed once" [ "$(grep -c 'bootstrapped: B-TID' "$dir/err")" -eq 2 ]
mood refuse 9
run 4 "NAF never content" "$gba" get "$naf/" "${dev[@]}"
ok "renewed at most once" [ "$(grep -c 'bootstrapped: B-TID' "$dir/err")" -eq 2 ]
mood stale 1
run 0 "stale nonce" "$gba" get "$naf/" "${dev[@]}"
ok "stale: no new bootstrap" [ "$(grep -c 'bootstrapped: B-TID' "$dir/err")" -eq 1 ]
mood naf-wrong-rspauth
run 4 "NAF without the key" "$gba" get "$naf/" "${dev[@]}"
ok "NAF without the key: no body" [ ! -s "$dir/out" ]
run 4 "another host" "$gba" get "http://naf.other.test:$port/" "${dev[@]}"
mood naf-status 404
run 1 "HTTP 404" "$gba" get "$naf/" "${dev[@]}"
ok "HTTP 404: the body all the same" out hello
mood naf-status 302
run 1 "redirect not followed" "$gba" get "$naf/" "${dev[@]}"
mood status 302
run 4 "Ub redirect not followed" "$gba" bootstrap "${dev[@]}"
mood wrong-rspauth
run 4 "BSF without the key" "$gba" bootstrap "${dev[@]}" --json

# ---- TLS: the suite enters the Ua identifier ----
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=naf.example.test \
    -addext subjectAltName=DNS:naf.example.test,DNS:bsf.example.test -keyout "$dir/tls.key" -out "$dir/tls.crt" 2>/dev/null
tls() { # NAME PRIORITY VERSION SUITE UA
    mood tls "$dir/tls.crt" "$dir/tls.key" "$2" "$3" "$4"
    dev+=(--bsf "https://bsf.example.test:$port/" --ca "$dir/tls.crt")
    run 0 "$1" "$gba" get "https://naf.example.test:$port/" "${dev[@]}" --json
    ok "$1: Ua id" [ "$(json ua)" = "$5" ]
}
v12=NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL v13=NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL
tls "TLS 1.2 ECDHE-ECDSA AES-128-GCM" $v12:+AES-128-GCM 12 c02b 010001c02b
tls "TLS 1.2 ECDHE-ECDSA AES-256-GCM" $v12:+AES-256-GCM 12 c02c 010001c02c
tls "TLS 1.2 ECDHE-ECDSA CHACHA20" $v12:+CHACHA20-POLY1305 12 cca9 010001cca9
tls "TLS 1.2 ECDHE-ECDSA AES-128-CCM" $v12:+AES-128-CCM 12 c0ac 010001c0ac
tls "TLS 1.3 AES-128-GCM" $v13:+AES-128-GCM 13 1301 0100011301
tls "TLS 1.3 AES-256-GCM" $v13:+AES-256-GCM 13 1302 0100011302
tls "TLS 1.3 CHACHA20" $v13:+CHACHA20-POLY1305 13 1303 0100011303
run 3 "untrusted certificate" "$gba" get "https://naf.example.test:$port/" --usim "$dir/usim" --state "$dir/u" \
    --bsf "https://bsf.example.test:$port/" --bsf-domain bsf.example.test --connect "127.0.0.1:$port"
run 3 "another name's certificate" "$gba" get "https://other.example.test:$port/" "${dev[@]}"
run 0 "a CA of the BSF's own" "$gba" bootstrap "${dev[@]}" --ca /dev/null --bsf-ca "$dir/tls.crt"

kit_end
