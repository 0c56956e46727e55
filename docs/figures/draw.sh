#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# draw.sh [--check]: draws NAME.svg from each NAME.dot (graphviz) and NAME.msc (mscgen) beside it. Each SVG tells
# the SHA-256 of its source, so that --check, which needs neither tool, finds one that was not drawn again.
set -eu -o pipefail
cd "$(dirname "$0")"
rc=0
for source in *.dot *.msc; do
    svg=${source%.*}.svg
    stamp="<!-- $source $(sha256sum <"$source" | cut -c 1-64) -->"
    if [ "${1:-}" = --check ]; then
        grep -qsxF -- "$stamp" "$svg" || {
            echo "docs/figures/$svg is older than $source: run docs/figures/draw.sh (apt-get install graphviz mscgen)"
            rc=1
        }
        continue
    fi
    case $source in
    *.dot) dot -Tsvg "$source" -o "$svg.new" ;;
    *.msc) # its fonts are wider here and there than Helvetica, and its text has line breaks inside
        mscgen -T svg -i "$source" -o - | sed -e '/^<text/{N;s/\n//};/^<text/{/>$/N;s/>\n/>/};/^<text/{N;s/\n//}' \
            -e 's/font-size="12"/font-size="11"/; s/"Helvetica"/"Helvetica, Arial, sans-serif"/' |
            awk '/^<text/ && !/text-anchor/ { split($0, p, "\""); sub("y=\"" p[4], "y=\"" p[4] - 2) } { print }' >"$svg.new"
        ;;
    esac
    printf '%s\n' "$stamp" >>"$svg.new"
    mv "$svg.new" "$svg"
done
exit $rc
