#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2034
# What the README and docs/onem2m-frameworks.md tell a reader to do, done: the README's smallest configuration of
# m2m-gate stands before the demo's CSE, and each block of the page behind "<!-- run -->" goes into a shell that has
# nothing but build/demo/env, as it stands.
set -u
build=$(cd "${top_builddir:-.}" && pwd) # before the next line: both may be relative
cd "${top_srcdir:-.}" || exit 99
top=$PWD
command -v openssl >/dev/null && command -v curl >/dev/null || exit 77
work=$(mktemp -d) || exit 99
# the reader's folder: what the page names by build/, with a demo of its own
mkdir "$work/build" && ln -s "$build/onem2m-binding" "$build/ue" "$build/bsf" "$work/build/" || exit 99
demo=$work/build/demo
. "$top/tests/demo.sh"
. "$top/tests/demo_onem2m.sh"
. "$top/tests/kit.sh"
unset M2M_STATE M2M_KEY_FILE M2M_CA GBA_USIM GBA_BSF GBA_BSF_DOMAIN GBA_STATE GBA_KEY_FILE
export HOME=$work XDG_STATE_HOME=
page=docs/onem2m-frameworks.md others=()
trap 'for p in "${others[@]}"; do kill "$p" 2>/dev/null; done; demo_stop quiet; rm -rf "$work"' EXIT
kit_show=$work/answer
has() { grep -qE -- "$1" "$work/answer"; }
logged() { # FILE PATTERN: within some seconds
    local i
    for i in $(seq 100); do
        grep -qE -- "$2" "$1" 2>/dev/null && return 0
        sleep 0.1
    done
    return 1
}

demo_prepare
m2m_prepare
# The README's gate has one certificate and one CA for everybody, so the BSF takes its CA, too.
cat "$demo/m2m-ca.pem" "$demo/zn-ca.pem" >"$demo/all-ca.pem" && cp "$demo/all-ca.pem" "$demo/zn-ca.pem"
demo_start_bsf
demo_provision
m2m_provision
m2m_start

# ---- the README's configuration ----
yaml=$(sed -n '/^## oneM2M$/,/^## Build/p' README.md | sed -n '/^    listen:/,/^$/s/^    //p')
put() { # WRITTEN HERE: an address, name or file of the README, as it is in this demo
    ok "the README's configuration has $1" [ "$yaml" != "${yaml//"$1"/}" ]
    yaml=${yaml//"$1"/"$2"}
}
demo_free_port && p_readme=$demo_port
demo_free_port && p_readme_egress=$demo_port
put 0.0.0.0:8443 "127.0.0.1:$p_readme"
put 127.0.0.1:8090 "127.0.0.1:$p_readme_egress"
put //sp.example.com/cse1 "$CSE_ID"
put cse1.pem gate.pem
put cse1.key gate.key
put ' m2m-ca.pem' ' all-ca.pem'
put http://127.0.0.1:8080 "$CSE_UPSTREAM"
for party in 'bsf 192.0.2.6:8443 BSF_DOMAIN BSF_ZN_URL' 'maf 192.0.2.7:8444 MAF_FQDN MAF_URL' 'mef 192.0.2.8:8445 MEF_FQDN MEF_URL'; do
    read -r name at fqdn url <<<"$party"
    put "$name.example.com" "${!fqdn}"
    put "https://$at" "${!url}"
done
put 'services: [1000000]' "services: [$m2m_gsid]"
put ' gate.seal' ' readme.seal'
demo_free_port
# the reader's folder; the defaults of these two, /var/lib/opengba and a fixed port, are not a test's
front=$work/front
mkdir "$front" && cp "$demo"/*.pem "$demo"/*.key "$front" && ln -s "$build/examples" "$front/examples" || exit 99
printf '%s\nstore: {url: "sqlite:readme.db"}\nadmin: {listen: "127.0.0.1:%d"}\n' "$yaml" "$demo_port" >"$front/gate.yaml"
readme() { "$m2m_bin/m2m-gate$1" --config "$front/gate.yaml" "${@:2}" >"$work/answer" 2>&1; }
section() { awk -v of="## $1" '/^## /{ on = $0 == of } on' "$page"; }
# The commands within the steps, each as it stands; the operator's gba-bsfctl would find its configuration in /etc.
printf '#!/bin/sh\nexec "%s" --config "%s" "$@"\n' "$build/bsf/gba-bsfctl" "$BSF_CONFIG" >"$work/gba-bsfctl" && chmod +x "$work/gba-bsfctl"
commands=0
while read -r command; do
    commands=$((commands + 1))
    ok "In front of your CSE: $command" eval '(cd "$front" && PATH=$work:$m2m_bin:$PATH bash -ec "$command") >"$work/answer" 2>&1'
done < <(section 'In front of your CSE' | grep -oE '`(openssl|m2m-gate|m2m-gatectl|gba-bsfctl) [^`]*`' | tr -d '`')
is "commands of these steps" 4 $commands
ok "the BSF has the CSE as a NAF" eval 'bsfctl naf list >"$work/answer" 2>&1 && has "cse1\.sp\.example\.com"'
ok "README: m2m-gatectl credential add" readme ctl credential add --kpsa-id "$KPSA_ID" --key-file "$demo/kpsa.key" --ae-id "$CSE_ID/$AE_ID"
"$m2m_bin/m2m-gate" --config "$front/gate.yaml" >"$demo/readme.log" 2>&1 </dev/null &
others+=($!)
kit_show=$demo/readme.log
ok "README: the gate serves" logged "$demo/readme.log" 'listening'
kit_show=$demo/m2m.err
GATE_URL_KEPT=$GATE_URL GATE_URL=https://127.0.0.1:$p_readme
through() { # N FRAMEWORK MORE...
    local n=$1
    shift
    ok "README: SAEF $n: m2m connect" m2m_connect "readme$n" "$@"
    ok "README: SAEF $n: the CSE answers 2000" m2m_ok
    ok "README: SAEF $n: its audit line" logged "$demo/readme.log" "gate.allowed.*SAEF $n"
}
through 1 psk --psk-id "$KPSA_ID" --psk-file "$demo/kpsa.key"
through 2 cert --cert "$A_CERT" --key "$A_KEY" --ca "$M2M_CA"
through 3 maf --maf "$MAF_URL" --maf-fqdn "$MAF_FQDN" --psk-id "$KM_ID" --psk-file "$demo/km.key"
through 4 gba --usim "$USIM" --bsf "$BSF_UB_URL" --bsf-domain "$BSF_DOMAIN"
through 1 psk --psk-id device1@sp.example.com --psk-file "$front/device1.key" # of the steps
GATE_URL=$GATE_URL_KEPT

# ---- the CSE with the guard inside ----
kit_show=$work/answer
command=$(section 'Inside your CSE' | sed -n '/^    examples\/cse_small/,/^$/s/^    //p')
demo_free_port
ok "Inside your CSE: the command's port" [ "$command" != "${command/--port 8443/--port $demo_port}" ]
(cd "$front" && exec bash -c "exec ${command/--port 8443/--port $demo_port}") >"$work/inside" 2>"$work/answer" </dev/null &
others+=($!)
ok "Inside your CSE: it listens" logged "$work/inside" "listening on port $demo_port"
ok "Inside your CSE: m2m connect" eval '"$m2m_bin/m2m" connect "https://127.0.0.1:$demo_port" --sni cse1.sp.example.com --state "$work/inside.state" \
    --ae-id //sp.example.com/cse1/Cdevice1 --framework psk --psk-id device1@sp.example.com --psk-file "$front/device1.key" >"$work/answer" 2>&1'
ok "Inside your CSE: it is the CSEBase" has 'm2m:cb'

# ---- the page's commands ----
# Each block to a file of its own: NN, its section's name in NN.of
mkdir "$work/blocks"
awk -v to="$work/blocks/" '/^##/ { of = $0; sub(/^#+ */, "", of) }
    /^<!-- run -->$/ { n = sprintf("%02d", ++i); print of >(to n ".of"); run = 1; next }
    run && /^    / { sub(/^    /, ""); print >(to n); inside = 1; next }
    run && inside && !/^$/ { run = inside = 0 }
    run && inside { print "" >(to n) }' "$page"
steps=() start='' listen=''
for f in "$work"/blocks/*.of; do
    of=$(cat "$f") block=${f%.of}
    ok "a block under $of" [ -s "$block" ]
    case $of in
    'Framework by framework') start=$block ;;
    'A device that listens') listen=$block ;;
    *) steps+=("$of") ;;
    esac
done
is "a block of each framework" "SAEF 1 SAEF 2 SAEF 3 SAEF 4 SBF 1 SBF 2 SBF 3" "${steps[*]}"
ok "the block with which a reader begins" [ -n "$start" ]
kit_show=$work/answer
reader() { # BLOCK: a shell of the reader's, in the folder where build/ is
    (cd "$work" && env -i HOME="$HOME" PATH="$PATH" timeout 60 bash -e -c "$(cat "$start" "$1")") >"$work/answer" 2>&1 </dev/null
}
for f in "$work"/blocks/*.of; do
    of=$(cat "$f") block=${f%.of}
    case $of in SAEF* | SBF*) ;; *) continue ;; esac
    ok "$of: its commands end with 0" reader "$block"
    case $of in
    'SAEF 1') is "$of: the CSE answers OpenSSL and m2m" 2 "$(grep -cE '^X-M2M-RSC: 2000|^m2m: SAEF 1 .*: 2000 OK$' "$work/answer")" ;;
    SAEF*) ok "$of: the CSE answers" has "^m2m: $of .*: 2000 OK\$" ;;
    *) ok "$of: the key is there" has '^K(m|psa) .*@' ;;
    esac
    case $of in SAEF*) ok "$of: the gate's audit line" logged "$demo/m2m-gate.log" "gate.allowed.*$of" ;; esac
    [ "$of" != 'SBF 1' ] || ok "$of: and connects with a Kc of the new Km" has '^m2m: SAEF 3 .*: 2000 OK$'
    [ "$of" != 'SBF 1' ] || ok "$of: which is registered anew" has 'MAF Key Registration .*: 2001 CREATED$'
done

# ---- the device that listens; only its port is one that is free here ----
ok "the block of a device that listens" grep -q 18443 "$listen"
sed -i "s/18443/$p_ae/g" "$listen"
(cd "$work" && exec env -i HOME="$HOME" PATH="$PATH" timeout 60 bash -e -c "$(cat "$start")
exec $(cat "$listen")") >"$work/heard" 2>"$work/answer" </dev/null &
others+=($!)
ok "it registers and listens" logged "$work/heard" "$AE_ID"
curl -s -i --max-time 20 -X POST -H 'X-M2M-Origin: /cse1' -H 'X-M2M-RI: v1' -H 'X-M2M-RVI: 3' -H 'Content-Type: application/json' \
    -d '{"m2m:sgn":{"vrq":true,"sur":"cse1/data/sub"}}' "$EGRESS_URL/_/$SP/cse1/$AE_ID" >>"$work/answer"
ok "a verification through the gate's egress: 2000" has '^X-M2M-RSC: 2000'
cat "$work/heard" >>"$work/answer"
ok "and it is printed" logged "$work/heard" 'erification|vrq'
kit_end
