#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# test_bsfctl.sh - gba-bsfctl from outside: every command, JSON, faults, secrets, the import.
set -u
ctl=${top_builddir:?}/bsf/gba-bsfctl
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
conf=$work/bsf.yaml
impi=001010000000001@ims.mnc001.mcc001.3gppnetwork.org
k=0f1e2d3c4b5a69788796a5b4c3d2e1f0
opc=a1b2c3d4e5f60718293a4b5c6d7e8f90
op=cdc202d5123e20f62b6d676ac72cb318

# run WANTED-EXIT-CODE ARGUMENTS...: standard output in $out, standard error in $err
run() {
    local want=$1 got
    shift
    "$ctl" --config "$conf" "$@" >"$work/out" 2>"$work/err"
    got=$?
    out=$(cat "$work/out") err=$(cat "$work/err")
    cat "$work/out" "$work/err" >>"$work/everything"
    check "exit code $want of: $*" [ $got -eq "$want" ]
    [ "$want" -eq 0 ] || check "a message for: $*" [ -n "$err" ]
}
check() {
    local what=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED: %s\n  out: %.300s\n  err: %.300s\n' "$what" "${out-}" "${err-}"
    fi
}
has() { # TEXT PART
    case $1 in *"$2"*) true ;; *) false ;; esac
}
hasnt() { ! has "$@"; }
json() { [ -s "$work/out" ] && jq -e "$1" "$work/out" >/dev/null 2>&1; }
# settles ARGUMENTS...: "done" is said when every daemon on the store has seen it (architecture.md), never sooner.
settles() {
    local began
    began=$(date +%s%N)
    run 0 "$@"
    check "it waits: $*" [ $(($(date +%s%N) - began)) -ge 25000000 ]
}
if ! command -v jq >/dev/null; then # without jq: the form alone, by a cruder eye
    json() { head -c 1 "$work/out" | grep -q '[[{]' && tail -c 2 "$work/out" | grep -q '[]}]'; }
fi

cat >"$conf" <<EOF
bsf:
  domain: bsf.example.com
store:
  url: sqlite:bsf.db
  sync: normal
seal:
  key_file: seal.key
EOF

# ---- usage ----
run 2
run 2 nonsense
run 2 subscriber
run 2 subscriber nonsense
run 2 subscriber show
run 2 subscriber show a@b c@d
run 2 subscriber list --nonsense
check "the option is named" has "$err" --nonsense
run 2 subscriber list --limit
run 2 --limit 3 subscriber list
run 0 --help
check "help lists commands" has "$out" "session revoke BTID"
run 0 subscriber add --help
check "help warns of a shared K" has "$out" "IND of its own"
run 0 naf --help
"$ctl" --version >"$work/out" 2>&1
check "version" grep -q OpenGBA "$work/out"

# ---- configuration and store ----
conf=$work/none.yaml run 78 subscriber list
check "the file is named" has "$err" none.yaml
printf 'bsf:\n  domain: bsf.example.com\n  nonsense: 1\n' >"$work/bad.yaml"
conf=$work/bad.yaml run 78 subscriber list
check "the line is named" has "$err" bad.yaml:3
printf 'bsf:\n  domain: bsf.example.com\nstore:\n  url: sqlite:bsf.db\n' >"$work/nokey.yaml"
conf=$work/nokey.yaml run 78 subscriber list
check "the setting is named" has "$err" seal.key_file
run 1 subscriber list
run 0 seal create-key
check "mode of the key file" [ "$(stat -c %a "$work/seal.key")" = 600 ]
run 1 seal create-key
check "never overwritten" has "$err" "$work/seal.key"
run 1 subscriber list # there is no store yet
mkdir "$work/dir"
run 1 subscriber import "$work/dir"
run 1 subscriber import "$work/missing.csv"
check "the missing file is named" has "$err" missing.csv

# ---- subscribers ----
run 0 subscriber add "$impi" --k $k --opc $opc
run 1 subscriber add "$impi" --k $k --opc $opc
check "the way out is named" has "$err" --replace
run 0 subscriber add "$impi" --k $k --opc $opc --replace --json
check "JSON of replace" json '.result == "replaced"'
run 0 --json subscriber add --opc $opc user2@example.com --k=$k --sqn 0x1000 --amf 8000
check "JSON of add" json '.impi == "user2@example.com" and .result == "added"'
check "separation bit warns" has "$err" "separation bit"
run 0 subscriber add op@example.com --k 465b5ce8b199b49faa5f0a2ee238a6bc --op $op
run 0 subscriber add tuak@example.com --algorithm tuak --k $k --opc $opc$opc --res-len 8
printf '%s\n%s\n' $k $opc >"$work/keys"
printf '%s\n' $k >"$work/k"
printf '%s\n' $opc >"$work/opc"
run 0 subscriber add file@example.com --k-file "$work/k" --opc-file "$work/opc"
run 0 subscriber add stdin@example.com --k - --opc - <"$work/keys"
run 0 subscriber add stdin2@example.com --k-file - --opc-file - <"$work/keys"
run 1 subscriber add x@example.com --k-file "$work/missing" --opc $opc
run 1 subscriber add x@example.com --k - --opc - </dev/null
run 2 subscriber add x@example.com --k $k
run 2 subscriber add x@example.com --opc $opc
run 2 subscriber add x@example.com --k $k --opc $opc --op $op
run 2 subscriber add x@example.com --k ${k}0 --opc $opc
run 2 subscriber add x@example.com --k ${k%?}g --opc $opc
run 2 subscriber add x@example.com --k $k --opc $opc$opc
run 2 subscriber add x@example.com --k $k --opc $opc --amf 00
run 2 subscriber add x@example.com --k $k --opc $opc --sqn 281474976710656
run 2 subscriber add x@example.com --k $k --opc $opc --sqn -1
run 2 subscriber add x@example.com --k $k --opc $opc --algorithm comp128
run 2 subscriber add x@example.com --k $k --k $k --opc $opc
run 2 subscriber add x@example.com --k $k --k-file "$work/k" --opc $opc
run 2 subscriber add not-an-impi --k $k --opc $opc
run 2 subscriber add $'a\x1b[2Jb@example.com' --k $k --opc $opc
check "no control characters on the terminal" hasnt "$err" $'\x1b'
run 2 subscriber add abc@tmpi.bsf.3gppnetwork.org --k $k --opc $opc
run 0 subscriber list
check "a table" has "$out" "IMPI "
check "rows" [ "$(wc -l <"$work/out")" -eq 8 ]
run 0 subscriber list --json
check "JSON of list" json 'length == 7 and (map(.impi) | index("user2@example.com")) != null'
run 0 subscriber list --json --limit 2 --after file@example.com
check "JSON of a part" json 'length == 2'
run 0 subscriber show user2@example.com --json
check "JSON of show" json '.amf == "8000" and .sqn == 4096 and .algorithm == "milenage" and (.btid == null)'
run 0 subscriber show tuak@example.com
check "show" has "$out" tuak
run 1 subscriber show nobody@example.com
check "the way out" has "$err" "subscriber list"
settles subscriber block user2@example.com
run 0 subscriber show user2@example.com --json
check "blocked" json '.blocked == true'
settles subscriber unblock user2@example.com
cat >"$work/guss.xml" <<EOF
<guss id="user2@example.com" xmlns="urn:3gpp:gba:GBAGUSSSchema-R9:2010-02"><bsfInfo><lifeTime>7200</lifeTime></bsfInfo>
<ussList><uss id="1" type="1"><uids><uid>sip:alice@example.com</uid></uids></uss></ussList></guss>
EOF
settles guss set user2@example.com --file "$work/guss.xml" --json
check "JSON of guss set" json '.lifetime == 7200 and .services == [1]'
settles guss remove user2@example.com
run 1 guss remove user2@example.com
run 0 guss set user2@example.com --file "$work/guss.xml"
settles subscriber remove user2@example.com --json
check "JSON of remove" json '.result == "removed"'
run 1 subscriber remove user2@example.com
run 1 guss show user2@example.com # it went with its subscriber

# The same K never gets an SQN twice: its offset stays when it is replaced.
run 0 subscriber add seq@example.com --k $k --opc $opc --sqn 3200000
run 0 subscriber show seq@example.com --json
before=$(grep seq_offset "$work/out")
settles subscriber add seq@example.com --k $k --opc $opc --replace
run 0 subscriber show seq@example.com --json
check "sequence numbers go on" [ "$before" = "$(grep seq_offset "$work/out")" ]
run 0 subscriber add seq@example.com --k $opc --opc $k --replace
run 0 subscriber show seq@example.com --json
check "another K begins anew" [ "$before" != "$(grep seq_offset "$work/out")" ]

# ---- NAFs ----
run 0 naf list
check "none yet" has "$out" "no NAF"
run 0 naf list --json
check "JSON of none" json 'length == 0'
run 0 naf allow NAF1.example.com --fqdn naf.example.com --ua 0100000002 --ua 010001 --service 1 --service 2
run 0 naf allow naf1.example.com --ua 0100000007 --ua 0100000002 --fqdn '*.apps.example.com' --impi --json
check "JSON of allow" json '.name == "naf1.example.com" and (.grants | length) == 2'
run 0 naf list --json
check "JSON of naf list" json '.[0].grants[0].ua == ["0100000002","010001"] and .[0].grants[0].services == [1,2]
    and .[0].grants[0].impi == false and .[0].grants[1].impi == true'
settles naf allow naf1.example.com --fqdn naf.example.com --ua 01
run 0 naf list naf1.example.com
check "grants add up" has "$out" "0100000002,010001,01"
run 2 naf allow naf1.example.com --ua 01
run 2 naf allow naf1.example.com --fqdn naf.example.com
run 2 naf allow 'bad name' --fqdn naf.example.com --ua 01
run 2 naf allow '*.example.com' --fqdn naf.example.com --ua 01
run 2 naf allow naf1.example.com --fqdn 'a..b' --ua 01
run 2 naf allow naf1.example.com --fqdn 'a.*.b' --ua 01
run 2 naf allow naf1.example.com --fqdn naf.example.com --ua 010
run 2 naf allow naf1.example.com --fqdn naf.example.com --ua 010000000201
run 2 naf allow naf1.example.com --fqdn naf.example.com --ua ''
run 2 naf allow naf1.example.com --fqdn naf.example.com --ua 01 --service x
run 1 naf deny naf1.example.com --fqdn other.example.com
settles naf deny naf1.example.com --fqdn naf.example.com
run 0 naf list
check "the other grant stays" has "$out" "*.apps.example.com"
run 0 naf deny naf1.example.com
run 1 naf deny naf1.example.com
run 1 naf list naf1.example.com

# ---- sessions (tests/test_ctl_session.c has live ones) ----
run 0 session list
check "no sessions" has "$out" "no live sessions"
run 0 session list --json
check "JSON of no sessions" json 'length == 0'
run 1 session show none@bsf.example.com
run 1 session revoke none@bsf.example.com
run 2 session revoke nonsense

# ---- seal, backup ----
run 0 seal rotate
run 0 seal rotate --json
check "JSON of rotate" json '.result == "rotated"'
run 0 seal rewrap
run 0 subscriber show "$impi"
run 0 backup "$work/copy.db"
check "a copy" [ -s "$work/copy.db" ]
run 1 backup "$work/copy.db"
# the steps that were done are told, on a terminal and elsewhere
if command -v script >/dev/null; then
    { echo k,opc,impi; for i in $(seq 20000); do echo "$k,$opc,many$i@example.com"; done; } >"$work/many.csv"
    sed 's/bsf.db/many.db/' "$conf" >"$work/many.yaml"
    conf=$work/many.yaml run 0 subscriber import "$work/many.csv"
    script -qec "'$ctl' --config '$work/many.yaml' seal rotate" /dev/null </dev/null >"$work/tty" 2>&1
    told=$(tr '\r' '\n' <"$work/tty" | sed -n 's/.*sealing anew: \([0-9]*\) in .*/\1/p')
    check "rotate tells how many were sealed anew (${told:-too quick to tell})" [ "${told:-20000}" -ge 20000 ]
fi
sed 's/bsf.db/copy.db/' "$conf" >"$work/copy.yaml"
conf=$work/copy.yaml run 0 subscriber show "$impi"
mv "$work/seal.key" "$work/kept.key"
run 0 seal create-key "$work/seal.key"
run 1 subscriber list # another key
mv "$work/kept.key" "$work/seal.key"
run 0 subscriber list

# ---- import ----
cat >"$work/good.csv" <<EOF
k, OPC ,impi,sqn,amf,algorithm
$k,$opc,csv1@example.com,,,
"$k","$opc","csv2@example.com",5,0000,milenage

$k,$opc$opc,csv3@example.com,0x20,0000,tuak
EOF
run 0 subscriber import "$work/good.csv" --json
check "JSON of import" json '.imported == 3 and .replaced == 0 and .skipped == 0'
run 0 subscriber show csv3@example.com --json
check "an imported row" json '.algorithm == "tuak" and .sqn == 32'
run 1 subscriber import "$work/good.csv"
check "existing rows are told" has "$err" "good.csv:2: csv1@example.com exists already"
settles subscriber import --replace "$work/good.csv" --json
check "replaced" json '.replaced == 3'
cat >"$work/bad.csv" <<EOF
impi,k,op,amf
b1@example.com,$k,$op,0000
b2@example.com,${k%?},$op,0000
b3,$k,$op,0000
b1@example.com,$k,$op,0000
b5@example.com,$k,$op,00
b6@example.com,$k,$op,0000,more
"b7@example.com,$k,$op,0000
b8@example.com,$k,$op,0000
EOF
run 1 subscriber import "$work/bad.csv"
for line in 3 4 5 6 7 8; do
    check "line $line is told" has "$err" "bad.csv:$line: "
done
check "good lines are not" hasnt "$err" "bad.csv:2: "
run 1 subscriber show b1@example.com # nothing was imported
run 0 subscriber import --skip-bad "$work/bad.csv" --json
check "the good ones" json '.imported == 2 and .skipped == 6'
run 0 subscriber show b8@example.com
printf 'impi,secret\na@b,c\n' >"$work/columns.csv"
run 1 subscriber import "$work/columns.csv"
check "an unknown column" has "$err" "columns.csv:1: column 2"
printf 'nohead@example.com,%s,%s\n' $k $opc >"$work/nohead.csv"
run 0 subscriber import "$work/nohead.csv"
printf '[{"impi":"j1@example.com","k":"%s","opc":"%s"},\n {"impi":"j2@example.com","k":"%s","op":"%s","sqn":64,"amf":null}]\n' \
    $k $opc $k $op >"$work/array.json"
run 0 subscriber import "$work/array.json"
run 0 subscriber show j2@example.com --json
check "a JSON row" json '.sqn == 64'
printf '{"impi":"j3@example.com","k":"%s","opc":"%s"}\n{"impi":"j4@example.com","k":"%s","opc":"%s"}\n' $k $opc $k $opc \
    >"$work/lines.json"
run 0 subscriber import - <"$work/lines.json"
run 0 subscriber show j4@example.com
printf '{"impi":"j5@example.com","k":"%s","opc":"%s"}\n{"impi":"j6@example.com","k":7.5,"opc":"%s"}\n{"impi":"j7@example.com","key":"%s"}\n{"impi":\n' \
    $k $opc $opc $k >"$work/bad.json"
run 1 subscriber import "$work/bad.json"
for line in 2 3 4; do
    check "JSON line $line is told" has "$err" "bad.json:$line: "
done
for fault in '[' '[{}' '[,]' '[{},]' '[{}]x' '7' '{}x' '[{} {}]' '[[]]'; do
    printf '%s' "$fault" >"$work/fault.json"
    run 1 subscriber import --format json "$work/fault.json"
done
: >"$work/empty.csv"
run 0 subscriber import "$work/empty.csv" --json
check "an empty file" json '.imported == 0'
run 2 subscriber import --format xml "$work/good.csv"

# ---- speed: 20,000 lines; the goal of a million in two minutes allows 2.4 s ----
awk -v n=20000 'BEGIN { srand(1); print "impi,k,opc,amf,sqn,algorithm"
    for (i = 0; i < n; i++) { h = ""; for (j = 0; j < 8; j++) h = h sprintf("%04x%04x", rand() * 65536, rand() * 65536)
        printf "0010102%08d@ims.mnc001.mcc001.3gppnetwork.org,%s,%s,0000,0,milenage\n", i, substr(h, 1, 32), substr(h, 33) } }' \
    >"$work/many.csv"
begin=$(date +%s%N)
run 0 subscriber import "$work/many.csv" --json --quiet
took=$((($(date +%s%N) - begin) / 1000000))
check "20,000 imported" json '.imported == 20000'
check "nothing said" [ -z "$err" ]
limit=30000 # ms; a loaded machine and sanitizers are slower, a quadratic import is far worse
check "20,000 lines within $limit ms: $took" [ $took -lt $limit ]
run 0 subscriber list --json
check "a long list" json 'length > 20000'

# ---- no secret was ever shown ----
for secret in $k $opc $op 465b5ce8b199b49faa5f0a2ee238a6bc; do
    check "a secret appears" [ "$(grep -ci "$secret" "$work/everything")" = 0 ]
    check "a secret is in the store unsealed" [ "$(cat "$work"/bsf.db* | grep -aci "$secret")" = 0 ]
done
check "a key of the import appears" [ "$(sed -n 2,50p "$work/many.csv" | cut -d, -f2 | grep -cFf - "$work/everything")" = 0 ]
check "mode of the store" [ "$(stat -c %a "$work/bsf.db")" = 600 ]

echo "import of 20,000 lines: $took ms"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
