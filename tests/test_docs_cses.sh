#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2034
# test_docs_cses.sh - "In front of ACME, Mobius4 or tinyIoT" of docs/onem2m-frameworks.md, done: each block behind
# "<!-- run: a CSE -->" in one shell of a reader's, those that go on as processes, before a stand-in of each of the three.
set -u
build=$(cd "${top_builddir:-.}" && pwd) # before the next line: both may be relative
cd "${top_srcdir:-.}" || exit 99
top=$PWD
command -v openssl >/dev/null || exit 77
openssl version | grep -q '^OpenSSL [3-9]' || exit 77 # -copy_extensions
work=$(mktemp -d) || exit 99
others=()
trap 'for p in "${others[@]}"; do kill "$p" 2>/dev/null; done; wait 2>/dev/null; rm -rf "$work"' EXIT
. "$top/tests/kit.sh"
unset M2M_STATE M2M_KEY_FILE M2M_CA GBA_USIM GBA_BSF GBA_BSF_DOMAIN
export HOME=$work XDG_STATE_HOME='' PATH=$build/onem2m-binding:$PATH
until_line() { # PATTERN FILE
    local i
    for i in $(seq 200); do
        grep -qE -- "$1" "$2" 2>/dev/null && return 0
        sleep 0.1
    done
    return 1
}
free_port() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'; }
command -v python3 >/dev/null || exit 77
awk -v to="$work/block" '/^### /{ on = /In front of ACME/ } !on { next }
    /^<!-- run: a CSE/ { n = sprintf("%02d", ++i); run = 1; if (/goes on/) print "" >(to n ".goes"); next }
    run && /^    / { sub(/^    /, ""); print >(to n); inside = 1; next }
    run && inside && !/^$/ { run = inside = 0 }
    run && inside { print "" >(to n) }' docs/onem2m-frameworks.md
blocks=("$work"/block[0-9][0-9])
is "blocks of the page" 9 ${#blocks[@]}

# through KIND CSE BASE: the page, for this CSE
through() {
    local dir=$work/$1 f out p
    mkdir "$dir" && cd "$dir" || exit 99
    "$build/tests/fake_cse" --like "$1" >cse.log 2>&1 &
    others+=($!)
    until_line 'listening on port' cse.log || exit 99
    local here=("s/127.0.0.1:3000/127.0.0.1:$(sed -n 's/listening on port //p' cse.log)/" 's/0\.0\.0\.0/127.0.0.1/' "s/^CSE=tinyiot BASE=TinyIoT/CSE=$2 BASE=$3/")
    for p in 8443 8090 8086 18443 8444 8091 8087 3001; do # what is free here
        here+=("s/:$p\\b/:$(free_port)/g")
    done
    : >so-far
    for f in "${blocks[@]}"; do
        printf '%s\n' "${here[@]}" >here.sed
        sed -f here.sed "$f" >"${f##*/}"
        if [ -e "$f.goes" ]; then
            out=${f##*/}.out
            bash -c ". ./so-far >/dev/null 2>&1; $(cat "${f##*/}")" >"$out" 2>&1 </dev/null &
            others+=($!)
            kit_show=$out
            ok "$1: $(tail -n 1 "$f" | cut -c 1-40) goes on" until_line 'egress.listening|"?aei"?' "$out"
            continue
        fi
        kit_show=answer
        ok "$1: $(head -n 1 "$f" | cut -c 1-60)" eval 'timeout 60 bash -e -c ". ./so-far; . ./${f##*/}" >answer 2>&1 </dev/null'
        # what later blocks go on with: names and functions alone
        grep -qE '^[A-Z]+=|\(\) \{' "${f##*/}" && sed -nE '/^[A-Z]+=/p; /^[a-z0-9_]+\(\) \{/,/^\}/p' "${f##*/}" >>so-far
    done
    kit_show=block06.out
    ok "$1: the notification is printed" until_line '21\.5' block06.out
    kit_show=block05.out
    ok "$1: as SA2" until_line "gate.sent.*peer=\"?//sp.example.com/$2/Cdevice1" block05.out
    p=$(sed -n 's/^egress: .*://p' mn.yaml)
    "$build/tests/fake_cse" --like tinyiot --cse-id /tinymn --name TinyMN --port "$(sed -n 's/^upstream: .*://p' mn.yaml)" \
        --registrar "127.0.0.1:$p/$3" >mn-cse.log 2>&1 &
    others+=($!)
    kit_show=mn-cse.log
    ok "$1: the MN-CSE asks its registrar" until_line "registrar: GET /$3/tinymn: .*rsc=4004" mn-cse.log
    ok "$1: and registers" until_line "registrar: POST /$3: .*rsc=2001" mn-cse.log
    ok "$1: as what its certificate says" until_line 'gate.allowed.*SAEF 2.*credential=32-tinymn.sp.example.com.*origin=/tinymn' block05.out
    for p in "${others[@]}"; do kill "$p" 2>/dev/null; done
    wait 2>/dev/null
    others=()
}
through tinyiot tinyiot TinyIoT
through mobius4 Mobius4 Mobius
through acme id-in cse-in
kit_end
