#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# test_docs.sh - what the documentation says is so: the manual is well-formed and lists every setting as
# the programs do, operations.md has every event and metric, spec-map.md names what exists, links resolve.
set -u
build=$(cd "${top_builddir:-.}" && pwd)
cd "${top_srcdir:-.}" || exit 1
passed=0 failed=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
ok() { # ok NAME FAULTS: passes when there are none
    if [ -z "$2" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'test_docs: FAILED: %s\n%s\n' "$1" "$2" | sed '2,$s/^/    /'
    fi
}
sources() { find bsf naf service onem2m-binding -name '*.[ch]' 2>/dev/null; }

# ---- the manual ----
if command -v mandoc >/dev/null; then
    for page in docs/man/*.[1-8]; do
        ok "$page" "$(mandoc -T lint -W warning "$page" 2>&1)"
    done
fi
common="service/daemon.h service/fd_settings.c service/fd_settings.h"
settings() { # settings PROGRAM PAGE SOURCE...
    local program=$build/$1 page=$2
    [ -x "$program" ] || return 0
    shift 2
    docs/man/settings.sh "$program" "$page" "$@" >"$work/page" 2>"$work/err" || cat "$work/err"
    diff "$page" "$work/page" >"$work/diff" ||
        { echo "make it anew: docs/man/settings.sh ${program#"$build/"} $page $*" && head -n 12 "$work/diff"; }
}
# shellcheck disable=SC2086 # a list of files
ok "opengba-bsf.yaml(5) has every setting" \
    "$(settings bsf/gba-bsfd docs/man/opengba-bsf.yaml.5 bsf/settings.c $common)"
# shellcheck disable=SC2086
ok "opengba-naf.yaml(5) has every setting" \
    "$(settings naf/gba-nafd docs/man/opengba-naf.yaml.5 naf/nafd_settings.c $common)"
# shellcheck disable=SC2086
ok "opengba-hss.yaml(5) has every setting" \
    "$(settings bsf/gba-hssd docs/man/opengba-hss.yaml.5 bsf/hss_settings.c $common)"
# shellcheck disable=SC2086
ok "opengba-znproxy.yaml(5) has every setting" \
    "$(settings bsf/gba-znproxyd docs/man/opengba-znproxy.yaml.5 $common)"
# shellcheck disable=SC2086
ok "opengba-gate.yaml(5) has every setting" \
    "$(settings onem2m-binding/m2m-gate docs/man/opengba-gate.yaml.5 onem2m-binding/gate_settings.c $common)"
for kind in maf mef; do
    # shellcheck disable=SC2086
    ok "opengba-$kind.yaml(5) has every setting" \
        "$(settings onem2m-binding/m2m-${kind}d docs/man/opengba-$kind.yaml.5 onem2m-binding/kms_settings.c $common)"
done
# every option of a program's --help stands in its page; mdoc writes --x as "Fl -x" or ", -x"
options() { # options PAGE HELP
    sed 's/\\e//g' "$1" | grep -oE '(^|[ (])-[a-z][a-z-]+' | tr -d ' (' | sort -u >"$work/told"
    grep -oE -- '--[a-z][a-z-]+' <<<"$2" | sed 's/^-//' | sort -u | comm -23 - "$work/told"
}
if [ -x "$build/ue/gba" ]; then
    ok "gba(1) has every option" "$(options docs/man/gba.1 "$("$build/ue/gba" --help)")"
fi
if [ -x "$build/onem2m-binding/m2m" ]; then
    ok "m2m(1) has every option" "$(options docs/man/m2m.1 "$("$build/onem2m-binding/m2m" --help)")"
fi
if [ -x "$build/bsf/gba-bsfctl" ]; then
    ctl=$build/bsf/gba-bsfctl
    all=$("$ctl" --help | grep -E '^  [a-z]' | cut -c 3-38 | sed 's/ [A-Z[].*//; s/ *$//')
    help=$(while IFS= read -r c; do
        # shellcheck disable=SC2086
        "$ctl" $c --help
    done <<<"$all")
    ok "gba-bsfctl(8) has every option" "$(options docs/man/gba-bsfctl.8 "$help")"
    ok "gba-bsfctl(8) has every command" "$(while IFS= read -r c; do
        grep -qF "Ic $c" docs/man/gba-bsfctl.8 || echo "$c"
    done <<<"$all")"
    ok "gba-bsfd(8) has every option" "$(options docs/man/gba-bsfd.8 "$("$build/bsf/gba-bsfd" --help)")"
fi
for program in m2m-gatectl m2m-mafctl m2m-mefctl; do
    [ -x "$build/onem2m-binding/$program" ] || continue
    ok "$program(8) has every option" "$(options docs/man/$program.8 "$("$build/onem2m-binding/$program" --help)")"
done
ok "the figures are drawn of their sources" "$(docs/figures/draw.sh --check)"
# the code in the library pages is the examples'
for page in gba_naf.3:embed_naf_mhd.c gba_ue.3:ue_minimal.c; do
    sed -n '/^\.\\" FROM examples/,/^\.Ed/p' "docs/man/${page%:*}" | grep -v '^\.' | sed 's/\\e/\\/g' >"$work/code"
    ok "the example in ${page%:*} is of examples/${page#*:}" "$([ -s "$work/code" ] || echo "it has none"
        while IFS= read -r line; do
            grep -qxF -- "$line" "examples/${page#*:}" || printf '%s\n' "$line"
        done <"$work/code")"
done

# ---- events and metrics ----
# The literals in log_event's second argument, ub_outcome.c's table, and ua.* with libgbanaf's reasons.
events=$({
    sources | xargs perl -0777 -ne 's{/\*.*?\*/}{}gs;
        while (/\blog_event\(\s*[^,"]+,\s*(.*?),\s*(?:"|NULL)/gs) { my $e = $1; print "$1\n" while $e =~ /"([^"%]+)"/g }'
    sed -n 's/.*{"[a-z_]*", "\(ub\.[a-z_]*\)", LOG_LEVEL.*/\1/p' bsf/ub_outcome.c
    sed -n 's/^ *\[GBA_NAF_WHY_[A-Z_0-9]*\] = "\([a-z_]*\)".*/ua.\1/p' naf/naf.c
} | grep -E '^[a-z0-9_.]+$' | sort -u)
ok "events are found in the sources" "$([ "$(wc -l <<<"$events")" -gt 50 ] || echo "only: $events")"
ok "operations.md has every event" "$(while IFS= read -r e; do
    grep -qF "\`$e\`" docs/operations.md || echo "$e"
done <<<"$events")"
metrics=$(sources | xargs grep -lE 'metric_(counter|gauge|gauge_fn|histogram)\(' | xargs grep -ohE '"(gba|http|daemon|process|m2m)_[a-z_]+"' |
    tr -d '"' | sort -u)
ok "metrics are found in the sources" "$([ "$(wc -l <<<"$metrics")" -gt 12 ] || echo "only: $metrics")"
ok "operations.md has every metric" "$(while IFS= read -r m; do
    grep -qF "\`$m\`" docs/operations.md || echo "$m"
done <<<"$metrics")"

# ---- spec-map.md ----
find libgba service naf ue bsf onem2m-binding -name '*.[ch]' -exec cat {} + 2>/dev/null >"$work/all"
ok "spec-map.md names functions that exist" "$(grep -oE '`[a-z_0-9]+\(\)`' docs/spec-map.md | tr -d '`()' | sort -u |
    while IFS= read -r f; do
        grep -qE "^[a-z_].*\b$f\(" "$work/all" || echo "$f()"
    done)"
ok "spec-map.md names tests that exist" "$(grep -oE '`[a-z_0-9]+\.(c(:[a-z_0-9]+)?|sh|json)`' docs/spec-map.md | tr -d '`' | sort -u |
    while IFS= read -r t; do
        case $t in
        *.json) [ -f "tests/vectors/$t" ] || echo "$t" ;;
        *:*) grep -qE "^static void ${t#*:}\(" "tests/${t%:*}" 2>/dev/null || echo "$t" ;;
        *) [ -f "tests/$t" ] || echo "$t" ;;
        esac
    done)"

# ---- links and files ----
ok "links resolve" "$(for page in README.md CONTRIBUTING.md SECURITY.md docs/*.md; do
    grep -oE '\]\([^)]+\)' "$page" | sed 's/^](//; s/)$//' | while IFS= read -r link; do
        file=${link%%#*}
        case $link in
        http://* | https://*) continue ;;
        '#'*) target=$page ;;
        *) target=$(dirname "$page")/$file ;;
        esac
        [ -e "$target" ] || { echo "$page: $link" && continue; }
        case $link in *'#'*) ;; *) continue ;; esac
        grep -E '^#+ ' "$target" | sed 's/^#* //' | tr 'A-Z ' 'a-z-' | tr -dc 'a-z0-9_\n-' | grep -qxF -- "${link#*#}" ||
            echo "$page: $link: no such heading"
    done
done)"
ok "files that the pages name exist" "$(grep -ohE '`(tests|docs|examples|systemd|include)/[a-zA-Z0-9_./-]+`' README.md docs/*.md | tr -d '`' | sort -u |
    while IFS= read -r f; do
        [ -e "$f" ] || echo "$f"
    done)"
if command -v codespell >/dev/null; then
    ok "codespell" "$(codespell -q 3 --ignore-words-list 'mak,te,ue,ues,ans,inout,nd,naf,ser,crypted' docs/*.md docs/man/*.[1-8] \
        README.md NEWS examples/* systemd/*)"
fi
if command -v systemd-analyze >/dev/null && [ -x "$build/bsf/gba-bsfd" ]; then
    for unit in gba-bsfd:bsf gba-nafd:naf gba-hssd:bsf gba-znproxyd:bsf m2m-gate:onem2m-binding m2m-mafd:onem2m-binding m2m-mefd:onem2m-binding; do
        [ -x "$build/${unit#*:}/${unit%:*}" ] || continue
        sed "s|/usr/sbin/|$build/${unit#*:}/|" "systemd/${unit%:*}.service" >"$work/${unit%:*}.service"
        ok "systemd/${unit%:*}.service" "$(systemd-analyze verify --man=no "$work/${unit%:*}.service" 2>&1 | grep "${unit%:*}")"
    done
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
