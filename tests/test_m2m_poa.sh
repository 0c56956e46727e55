#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2086
# test_m2m_poa.sh - points of access before CSEs that speak plain HTTP: m2m-gate in front of a stand-in that behaves as
# tinyIoT, Mobius4 and ACME do, devices that listen with `m2m connect --listen`, an MN-CSE and its registrar.
set -u
bin=${top_builddir:-.}
gate=$bin/onem2m-binding/m2m-gate ctl=$bin/onem2m-binding/m2m-gatectl m2m=$bin/onem2m-binding/m2m cse=$bin/tests/fake_cse small=$bin/examples/cse_small
command -v openssl >/dev/null && command -v curl >/dev/null || exit 77
dir=$(mktemp -d) pids=''
trap 'for p in $pids; do kill $p 2>/dev/null; done; wait 2>/dev/null; rm -rf "$dir"' EXIT
. "${top_srcdir:-.}/tests/m2m_kit.sh"
unset M2M_STATE M2M_KEY_FILE M2M_CA GBA_USIM GBA_BSF GBA_BSF_DOMAIN
export HOME="$dir" XDG_STATE_HOME=
free_port() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'; }
kpsa=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
echo $kpsa >"$dir/kpsa"
root ca
cert tinymn ca DNS:tinymn.sp.example.com 2

# world NAME CSE-ID SNI MORE...: a gate in front of what listens on $upstream; its egress on $egress
world() {
    w=$1 id=$2 sni=$3; shift 3
    [ -s "$dir/$sni.pem" ] || cert $sni ca DNS:$sni 2
    { printf 'listen: 127.0.0.1:0\negress: 127.0.0.1:%s\ncse_id: //sp.example.com%s\ncert: %s.pem\nkey: %s.key\nca: ca.pem\n' $egress $id $sni $sni
      printf 'upstream: http://127.0.0.1:%s\nstore: {url: "sqlite:%s.db"}\nseal: {key_file: seal.key}\nadmin: {listen: "127.0.0.1:0"}\n' $upstream $w
      for l in "$@"; do echo "$l"; done; } >"$dir/$w.yaml"
    [ -s "$dir/seal.key" ] || "$ctl" --config "$dir/$w.yaml" seal create-key >/dev/null
    start_gate
}
start_gate() { # again, too
    : >"$dir/gate.log"
    "$gate" --config "$dir/$w.yaml" >"$dir/gate.out" 2>>"$dir/gate.log" & gatepid=$!; pids="$pids $gatepid"
    until_line egress.listening "$dir/gate.log" || { echo "the gate does not start"; cat "$dir/gate.log"; exit 1; }
    port=$(port_of gate.listening "$dir/gate.log")
}
stop_gate() { kill $gatepid; wait $gatepid 2>/dev/null; cat "$dir/gate.log" >>"$dir/$w.log"; }
add() { "$ctl" --config "$dir/$w.yaml" credential add --key-file "$dir/kpsa" "$@" >/dev/null; }
ask() { # KPSA-ID METHOD TARGET FROM FIELDS BODY [OUT]
    out=${7:-$dir/answer}
    { printf '%s %s HTTP/1.1\r\nHost: x\r\nX-M2M-RI: r1\r\nX-M2M-RVI: 3\r\nConnection: close\r\nX-M2M-Origin: %s\r\n' "$2" "$3" "$4"
      printf "$5"; [ -z "$6" ] || printf 'Content-Length: %d\r\n' ${#6}; printf '\r\n%s' "$6"; } |
        timeout 40 openssl s_client -quiet -connect 127.0.0.1:$port -servername $sni -tls1_2 -ign_eof -psk_identity $1 -psk $kpsa -cipher PSK-AES128-CBC-SHA256 >"$out" 2>/dev/null
}
json='Content-Type: application/json' ; plain="$json\r\n"
ty() { printf '%s;ty=%s\\r\\n' "$json" $1; }
body_of() { sed '1,/^.$/d' "$1"; }
top_of() { case $1 in /tinyiot) echo /TinyIoT ;; /Mobius4) echo /Mobius ;; /id-in) echo /cse-in ;; *) echo "$1" ;; esac; }
listen() { # AE KPSA-ID OUT COUNT: a device; its port in $reach
    rm -f "$3" "$3.err"
    timeout 120 "$m2m" connect "https://127.0.0.1:$port" --sni $sni --ae-id "//sp.example.com$id/$1" --framework psk --psk-id $2 --psk-file "$dir/kpsa" --json --timeout 10 \
        retrieve "$(top_of $id)" --listen 127.0.0.1:0 --count $4 >"$3" 2>"$3.err" & ear=$!; pids="$pids $ear"
    until_line 'listening on port' "$3.err" || cat "$3.err"
    reach=$(sed -n 's/.*listening on port \([0-9]*\).*/\1/p' "$3.err" | head -1)
}
tokens() { grep -o "http://127.0.0.1:$egress/_p/[A-Za-z0-9_-]\{22\}" "$1" | sort -u; }
egress() { curl -s -i --max-time 10 -X POST -H 'X-M2M-Origin: /x' -H 'X-M2M-RI: n1' -H "$json" -d '{"m2m:sgn":{}}' "$@" >"$dir/answer" 2>&1; }
proxied() { # URL: as a CSE asks its proxy
    timeout 20 python3 -c "
import socket, sys
b = b'{\"m2m:sgn\":{\"sur\":\"x\"}}'
s = socket.create_connection(('127.0.0.1', $egress))
s.sendall(b'POST %s HTTP/1.1\r\nHost: x\r\nX-M2M-Origin: /cse1\r\nX-M2M-RI: n1\r\nX-M2M-RVI: 3\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s' % (b'$1', len(b), b))
while True:
    r = s.recv(4096)
    if not r: break
    sys.stdout.buffer.write(r)" >"$dir/answer"
}
at_cse() { curl -s -H 'X-M2M-Origin: Cdev' -H 'X-M2M-RI: r1' -H 'X-M2M-RVI: 3' "http://127.0.0.1:$upstream$1"; }
ours() { at_cse $1 | grep -o "http://127.0.0.1:$egress/_p/[A-Za-z0-9_-]*"; } # TARGET: its address as the CSE has it
# the CSE's own words, by its plain port, with theirs in place of ours
as_read() { # TARGET OURS THEIRS
    at_cse $1 | sed "s|$2|$3|g" >"$dir/want"
    ask dev@sp.example.com GET "$1" Cdev '' '' "$dir/got"
    body_of "$dir/got" >"$dir/got.body"
    cmp -s "$dir/want" "$dir/got.body"
}

# ---- each of the three ----
for k in ${M2M_LIKE:-tinyiot,/tinyiot,TinyIoT mobius4,/Mobius4,Mobius acme,/id-in,cse-in}; do
    name=${k%%,*} base=${k##*,} id=${k#*,}; id=${id%,*}
    egress=$(free_port)
    rm -f "$dir/raw"
    rm -f "$dir/cse.log"
    "$cse" --like $name --proxy 127.0.0.1:$egress --raw "$dir/raw" >"$dir/cse.log" 2>&1 & csepid=$!; pids="$pids $csepid"
    until_line listening "$dir/cse.log"; upstream=$(port_of listening "$dir/cse.log")
    world $name $id "$(echo ${id#/} | tr A-Z a-z).sp.example.com" 'limits: {upstream_ms: 8000, idle: 2}'
    add --kpsa-id dev@sp.example.com --ae-id //sp.example.com$id/Cdev
    add --kpsa-id adm@sp.example.com --ae-id //sp.example.com$id/Cadm
    add --kpsa-id fresh@sp.example.com
    listen Cdev dev@sp.example.com "$dir/dev.out" 9
    ask dev@sp.example.com POST /$base Cdev "$(ty 2)" '{"m2m:ae":{"rn":"dev","api":"Nx","rr":true,"srv":["3"],"poa":["mqtt://m:1883","https://127.0.0.1:'$reach'/in"]}}'
    check "$name: an AE registers" has 'X-M2M-RSC: 2001'
    check "$name: and reads its own address" has "https://127.0.0.1:$reach/in\""
    check "$name: not ours" hasnt '/_p/'
    check "$name: the CSE has ours" [ "$(tokens "$dir/raw" | wc -l)" -eq 1 ]
    check "$name: not its own" eval '! grep -q "https:" "$dir/raw"'
    check "$name: what is not http stays" grep -q '"mqtt://m:1883"' "$dir/raw"
    poa=$(tokens "$dir/raw")
    check "$name: read back, no other octet changes" as_read /$base/dev "$poa" "https://127.0.0.1:$reach/in"
    ask dev@sp.example.com POST /$base/dev Cdev "$(ty 3)" '{"m2m:cnt":{"rn":"data"}}'
    # by its resource, by its address, and by another of its addresses
    for s in a,Cdev b,https://127.0.0.1:$reach/told c,https:\\\\/\\\\/127.0.0.1:$reach\\\\/es\\\\u0063aped?ct=json; do
        rn=${s%%,*} nu=$(printf "${s#*,}")
        [ $name = mobius4 ] || [ $rn != a ] || nu=$base/dev
        ask dev@sp.example.com POST /$base/dev/data Cdev "$(ty 23)" '{"m2m:sub":{"rn":"sub'$rn'","nu":["'$nu'"],"nct":1}}'
        check "$name: a subscription $rn" has 'X-M2M-RSC: 2001'
        ask adm@sp.example.com POST /$base/dev/data Cadm "$(ty 4)" '{"m2m:cin":{"con":"hello '$rn'"}}'
        check "$name: $rn: an instance" has 'X-M2M-RSC: 2001'
        case $rn in a) at=/in ;; b) at=/told ;; c) at='/escaped?ct=json' ;; esac
        until_line "\"to\":\"$at\".*m2m:sgn.*hello $rn" "$dir/dev.out"
        check "$name: $rn: the notification arrives at $at" grep -q "\"to\":\"$at\".*m2m:sgn.*hello $rn" "$dir/dev.out"
        [ $rn != a ] || ask adm@sp.example.com DELETE /$base/dev/data/suba Cadm '' ''
        [ $rn != b ] || ask adm@sp.example.com DELETE /$base/dev/data/subb Cadm '' ''
    done
    check "$name: it was SA2" logged gate.sent "peer=//sp.example.com$id/Cdev.*rsc=2000"
    check "$name: no CONNECT" eval '! grep -q CONNECT "$dir/cse.log"'
    kill $ear 2>/dev/null; wait $ear 2>/dev/null
    # below /_p/
    egress "http://127.0.0.1:$egress/_p/AAAAAAAAAAAAAAAAAAAAAA"
    check "$name: an unknown address: 404" has 'HTTP/1.1 404'
    check "$name: 4004" has 'X-M2M-RSC: 4004'
    egress "$poa"
    check "$name: the device is gone: 5103" has 'X-M2M-RSC: 5103'
    for t in http https; do
        proxied $t://127.0.0.1:1
        check "$name: $t:// without a path, of nobody: 5103" has 'X-M2M-RSC: 5103'
    done
    # what is no JSON passes
    for c in xml cbor; do
        ask dev@sp.example.com POST /$base Cdev "Content-Type: application/$c;ty=3\r\n" "<x>https://127.0.0.1:$reach/$c {\"m2m:ae\":{\"poa\":[\"https://h\"]}}"
        check "$name: $c passes as it is" grep -q "https://127.0.0.1:$reach/$c {\"m2m:ae\":{\"poa\":\[\"https://h\"\]}}" "$dir/raw"
    done
    # whose it is, is known only when the CSE has said so
    ask fresh@sp.example.com POST /$base C "$(ty 2)" '{"m2m:ae":{"rn":"fresh","api":"Nx","rr":true,"srv":["3"],"poa":["https://127.0.0.1:1/fresh"]}}'
    check "$name: a new AE" has 'X-M2M-RSC: 2001'
    check "$name: reads its own, too" has 'https://127.0.0.1:1/fresh'
    # a change of address; a restart; the end
    ask dev@sp.example.com PUT /$base/dev Cdev "$plain" '{"m2m:ae":{"poa":["https://127.0.0.1:1/new"]}}'
    check "$name: another point of access" has 'X-M2M-RSC: 2004'
    check "$name: read back" has 'https://127.0.0.1:1/new'
    egress "$poa"
    check "$name: the former one is none any more" has 'X-M2M-RSC: 4004'
    stop_gate; start_gate
    check "$name: after a restart of the gate" as_read /$base/dev "$(ours /$base/dev)" https://127.0.0.1:1/new
    poa=$(ours /$base/dev)
    egress "$poa"
    check "$name: is still its address" has 'X-M2M-RSC: 5103'
    ask dev@sp.example.com DELETE /$base/dev Cdev '' ''
    check "$name: it ends its registration" has 'X-M2M-RSC: 2002'
    egress "$poa"
    check "$name: and its address" has 'X-M2M-RSC: 4004'
    ask dev@sp.example.com POST /$base Cdev "$(ty 2)" '{"m2m:ae":{"rn":"dev","api":"Nx","rr":true,"srv":["3"],"poa":["https://127.0.0.1:1/again"]}}'
    poa=$(ours /$base/dev)
    egress "$poa"
    check "$name: registered again" has 'X-M2M-RSC: 5103'
    "$ctl" --config "$dir/$w.yaml" credential remove --kpsa-id dev@sp.example.com >/dev/null
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do egress "$poa"; has 'X-M2M-RSC: 4004' && break; sleep 0.2; done
    check "$name: a removed credential ends it, too" has 'X-M2M-RSC: 4004'
    if [ $name = acme ]; then # a long poll, longer than upstream_ms and limits.idle
        ask adm@sp.example.com POST /$base Cadm "$(ty 2)" '{"m2m:ae":{"rn":"adm","api":"Nx","rr":true,"srv":["3"]}}'
        ask adm@sp.example.com POST /$base/adm Cadm "$(ty 15)" '{"m2m:pch":{"rn":"pch"}}'
        ask adm@sp.example.com POST /$base/adm Cadm "$(ty 3)" '{"m2m:cnt":{"rn":"box"}}'
        t0=$(date +%s)
        ask adm@sp.example.com GET /$base/adm/pch/pcu Cadm 'X-M2M-RET: 20000\r\n' '' "$dir/poll" & poll=$!
        ask adm@sp.example.com GET /$base/adm/pch/pcu Cadm 'X-M2M-RET: 3000\r\n' '' "$dir/short" & short=$!
        wait $short
        check "a long poll of 3000 ms ends then ($(($(date +%s) - t0)) s)" [ $(($(date +%s) - t0)) -ge 3 -a $(($(date +%s) - t0)) -lt 7 ]
        check "by the CSE's own word" eval 'grep -q "X-M2M-RSC: 4008" "$dir/short" && grep -q "got GET.*pcu.*rsc=4008" "$dir/cse.log"'
        sleep $((12 - $(date +%s) + t0))
        ask adm@sp.example.com POST /$base/adm/box Cadm "$(ty 23)" '{"m2m:sub":{"rn":"s","nu":["'$base'/adm"],"nct":1}}'
        wait $poll
        check "a long poll of 20000 ms is not cut at upstream_ms ($(($(date +%s) - t0)) s)" [ $(($(date +%s) - t0)) -ge 12 ]
        check "and brings what came meanwhile" grep -q 'm2m:rqp.*m2m:sgn' "$dir/poll"
        ask adm@sp.example.com GET /$base Cadm 'X-M2M-RET: 20200101T000000\r\n' ''
        check "what has expired: 4008" has 'X-M2M-RSC: 4008'
        ask adm@sp.example.com GET /$base Cadm 'X-M2M-RET: 20400101T000000\r\n' ''
        check "what has not" has 'X-M2M-RSC: 2000'
    fi
    stop_gate
    kill $csepid
done

# ---- an MN-CSE and its registrar ----
egress=$(free_port) mnegress=$(free_port)
"$cse" --like tinyiot --cse-id /in --raw "$dir/in.raw" >"$dir/in.log" 2>&1 & pids="$pids $!"
until_line listening "$dir/in.log"; upstream=$(port_of listening "$dir/in.log")
world in /in in.sp.example.com
port_in=$port
egress=$mnegress upstream=$(free_port)
world mn /tinymn tinymn.sp.example.com 'peers:' '  - {id: //sp.example.com/in, url: "https://127.0.0.1:'$port_in'"}'
rm -f "$dir/mn.log"
for turn in 1 2; do
    "$cse" --like tinyiot --cse-id /tinymn --name TinyMN --port $upstream --registrar 127.0.0.1:$mnegress/TinyIoT >"$dir/mn.log" 2>&1 & mnpid=$!; pids="$pids $mnpid"
    until_line 'registrar: ' "$dir/mn.log"; sleep 0.3
    cp "$dir/mn.log" "$dir/answer"
    [ $turn -eq 2 ] || { check "an MN-CSE asks its registrar by a CSE-relative address" has 'registrar: GET /TinyIoT/tinymn: .*rsc=4004'
        check "and registers" has 'registrar: POST /TinyIoT: .*rsc=2001'; kill $mnpid; wait $mnpid 2>/dev/null; rm "$dir/mn.log"; }
done
check "after a restart it is registered" has 'registrar: GET /TinyIoT/tinymn: .*rsc=2000'
cp "$dir/gate.log" "$dir/answer"
check "over SA2 to the peer" has 'gate.sent.*peer=//sp.example.com/in .*target=/TinyIoT'
egress "http://127.0.0.1:$mnegress/_/sp.example.com/other/x"
check "what is addressed to others, too" grep -q 'POST /_/sp.example.com/other/x' "$dir/in.log"
egress "http://127.0.0.1:$mnegress/_/sp.example.com/tinymn/Cnobody"
check "what is our own CSE's, nobody gets: 5103" has 'X-M2M-RSC: 5103'
egress -x "http://127.0.0.1:$mnegress" "http://elsewhere.example.com/TinyIoT"
check "nor what is elsewhere: 5103" has 'X-M2M-RSC: 5103'
check "the registrar has not seen it" eval '! grep -q "POST /TinyIoT from=/x" "$dir/in.log"'
kill $mnpid
stop_gate

# ---- an answer in chunks of 7 octets, longer than any buffer ----
egress=$(free_port) upstream=$(free_port)
cat >"$dir/chunks.py" <<'END'
import re, socket, sys
port, want = int(sys.argv[1]), sys.argv[2]
l = socket.socket(); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); l.bind(('127.0.0.1', port)); l.listen(9)
print('listening', flush=True)
ours = b''
while True:
    c, r = l.accept()[0], b''
    while b'\r\n\r\n' not in r: r += c.recv(65536)
    head, body = r.split(b'\r\n\r\n', 1)
    n = re.search(rb'Content-Length: (\d+)', head)
    while n and len(body) < int(n.group(1)): body += c.recv(65536)
    if head.startswith(b'POST'):
        ours = re.search(rb'http://[^"]*', body).group(0)
        answer, status = body.replace(b'"api"', b'"aei":"Cdev","ri":"Cdev","api"'), b'201 Created\r\nX-M2M-RSC: 2001'
    else:
        answer = b'{"m2m:ae":{"x":"' + 150000 * b'"}]\\u00e4' .replace(b'"', b'\\"') + b'","poa":[' + b','.join(1500 * [b'"' + ours + b'"']) + b',"' + ours[:-1] + b'"]}}'
        open(want, 'wb').write(answer.replace(b'"' + ours + b'"', b'"https://192.0.2.1:8443/a"'))
        status = b'200 OK\r\nX-M2M-RSC: 2000\r\nContent-MD5: Q2hlY2sgSW50ZWdyaXR5IQ=='
    text = b''.join(b'%x\r\n%s\r\n' % (len(answer[i:i + 7]), answer[i:i + 7]) for i in range(0, len(answer), 7)) + b'0\r\n\r\n'
    try:
        c.sendall(b'HTTP/1.1 ' + status + b'\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n' + text)
    except OSError: pass
    c.close()
END
python3 "$dir/chunks.py" $upstream "$dir/want" >"$dir/chunks.log" & pids="$pids $!"
until_line listening "$dir/chunks.log"
world chunks /cse1 cse1.sp.example.com 'limits: {body: 8M}'
add --kpsa-id dev@sp.example.com --ae-id //sp.example.com/cse1/Cdev
ask dev@sp.example.com POST /cse1 Cdev "$(ty 2)" '{"m2m:ae":{"api":"Nx","rr":true,"srv":["3"],"poa":["https://192.0.2.1:8443/a"]}}'
check "in chunks: registered" has '"poa":\["https://192.0.2.1:8443/a"\]'
ask dev@sp.example.com GET /cse1/big Cdev '' '' "$dir/got"
body_of "$dir/got" >"$dir/got.body"
check "in chunks: theirs, wherever a chunk ends, and no other octet" cmp "$dir/want" "$dir/got.body"
check "in chunks: its length" grep -q "^Content-Length: $(wc -c <"$dir/want")" "$dir/got"
check "in chunks: no digest of other octets" eval '! grep -q "^Content-MD5" "$dir/got"'
stop_gate

# ---- poa: keep, and who claims which address ----
egress=$(free_port)
"$small" --port 0 --cse-id //sp.example.com/cse1 >"$dir/small.log" 2>&1 & pids="$pids $!"
until_line listening "$dir/small.log"; upstream=$(port_of listening "$dir/small.log")
world keep /cse1 cse1.sp.example.com 'poa: keep'
for a in dev sly adm; do add --kpsa-id $a@sp.example.com --ae-id //sp.example.com/cse1/C$a; done
listen Cdev dev@sp.example.com "$dir/keep.out" 3
ae() { printf '{"m2m:ae":{"rn":"%s","api":"Nx","rr":true,"srv":["3"],"poa":["%s"]}}' $1 "$2"; }
ask dev@sp.example.com POST /cse1 Cdev "$(ty 2)" "$(ae dev https://127.0.0.1:$reach)"
ask sly@sp.example.com POST /cse1 Csly "$(ty 2)" "$(ae sly https://127.0.0.1:$reach/told)"
check "keep: addresses stay" has "https://127.0.0.1:$reach/told"
at_cse /cse1/dev >"$dir/answer"
check "keep: at the CSE" has "https://127.0.0.1:$reach"
proxied https://127.0.0.1:$reach
check "A6: a URL without a path" has 'X-M2M-RSC: 2000'
proxied https://127.0.0.1:$reach/told
check "A6: below another's address one may say to be: who is there gets it" has 'X-M2M-RSC: 2000'
check "A6: who proved nothing is told" logged gate.claim_unproved 'peer=//sp.example.com/cse1/Csly'
check "A6: and got nothing" logged gate.sent 'peer=//sp.example.com/cse1/Cdev.*target=/told'
ask adm@sp.example.com POST /cse1 Cadm "$(ty 2)" "$(ae adm https://127.0.0.1:1/adm)"
ask adm@sp.example.com PUT '/cse1/dev?rcn=0' Cadm "$plain" '{"m2m:ae":{"poa":["https://127.0.0.1:1/dev2"]}}'
check "A6: another's AE is updated without an answer" has 'X-M2M-RSC: 2004'
egress "http://127.0.0.1:$egress/_/sp.example.com/cse1/Cadm"
check "A6: the updater is reached where it was" logged gate.not_sent 'peer=//sp.example.com/cse1/Cadm.*target=/adm'
ask adm@sp.example.com POST /cse1/adm Cadm "$(ty 3)" '{"m2m:cnt":{"rn":"adm"}}'
check "A6: a child named like its AE" has 'X-M2M-RSC: 2001'
ask adm@sp.example.com DELETE /cse1/adm/adm Cadm '' ''
check "A6: is deleted" has 'X-M2M-RSC: 2002'
: >"$dir/gate.log"
egress "http://127.0.0.1:$egress/_/sp.example.com/cse1/Cadm"
check "A6: its AE is registered still" logged gate.not_sent 'why=peer_unreachable'
ask adm@sp.example.com DELETE /cse1/adm Cadm '' ''
egress "http://127.0.0.1:$egress/_/sp.example.com/cse1/Cadm"
check "A6: until it is deleted itself" logged gate.not_sent 'why=no_point_of_access'
stop_gate

# ---- whom the egress contacts ----
world allow /cse1 cse1.sp.example.com 'egress_allow: [192.0.2.0/24]'
for a in dev sly; do add --kpsa-id $a@sp.example.com --ae-id //sp.example.com/cse1/C$a; done
for u in 127.0.0.1:$reach,address_not_allowed 169.254.169.254,address_not_allowed '[::ffff:169.254.169.254]',address_not_allowed 0.0.0.0:$reach,address_not_allowed; do
    ask dev@sp.example.com PUT /cse1/dev Cdev "$plain" '{"m2m:ae":{"poa":["https://'${u%,*}'/x"]}}'
    : >"$dir/gate.log"
    egress "$(ours /cse1/dev)"
    check "egress_allow: ${u%,*} is not contacted" logged gate.not_sent "peer=//sp.example.com/cse1/Cdev.*why=${u#*,}"
done
ask dev@sp.example.com PUT /cse1/dev Cdev "$plain" '{"m2m:ae":{"poa":["http://127.0.0.1:'$upstream'/x"]}}'
check "a plain http address is taken" has 'X-M2M-RSC: 2004'
egress "$(ours /cse1/dev)"
check "and never asked: nobody proves there who it is" logged gate.not_sent 'why=plain_http'
ask dev@sp.example.com PUT /cse1/dev Cdev "$plain" '{"m2m:ae":{"poa":["https://u@h/x"]}}'
check "an address that is none: 4000" has 'X-M2M-RSC: 4000'
check "its audit line" logged gate.refused 'why=address_malformed'
stop_gate
for c in 'registrar: //sp.example.com/in' 'egress_url: "https://127.0.0.1:1"' 'egress_url: "http://127.0.0.1:1/x"' 'egress_allow: [here]' 'poa: perhaps'; do
    sed '/^egress_allow/d' "$dir/allow.yaml" >"$dir/bad.yaml"; echo "$c" >>"$dir/bad.yaml"
    "$gate" --config "$dir/bad.yaml" --check >"$dir/answer" 2>&1
    check "--check tells '$c'" has "bad.yaml:[0-9]*: ${c%%:*}"
done

echo "$n checks, $bad failed"
[ -z "${KEEP_LOG:-}" ] || cat "$dir"/*.log >"$KEEP_LOG"
[ $bad -eq 0 ]
