#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# settings.sh PROGRAM PAGE SOURCE...: prints PAGE with its list of settings made anew from
# `PROGRAM --print-defaults` and from the tables in SOURCE, which tell the types. After a change of the
# settings do what tests/test_docs.sh says: docs/man/settings.sh ... >new && mv new PAGE.
set -eu -o pipefail
program=$1 page=$2
shift 2
here=$(dirname "$0")
types=$(cat "$@" | tr '\n\\' '  ' | sed 's/{ *\.path/\n{.path/g' |
    sed -n 's/^{\.path = \(P \)\{0,1\}"\([a-z0-9_.]*\)", *\.type = CONF_\([A-Z]*\),.*/\2 \3/p')
list=$("$program" --print-defaults | awk -f "$here/settings.awk" | awk -F '\t' -v types="$types" '
    function kind(path,   name) {
        name = path
        sub(/^.*\[\]\./, "", name)
        if (!(name in type))
            sub(/^[a-z_]*/, "", name) # the tables of MAF and MEF write P ".name"
        return word[type[name]]
    }
    BEGIN {
        split("STRING text PATH path INT number BOOL true|false DURATION duration SIZE size ENUM word LISTEN address:port " \
              "FQDN host|name STRINGS list ITEMS list|of|mappings", w, " ")
        for (i = 1; i in w; i += 2) { gsub(/\|/, i == 7 ? " or " : " ", w[i + 1]); word[w[i]] = w[i + 1] }
        n = split(types, lines, "\n")
        for (i = 1; i <= n; i++) { split(lines[i], f, " "); type[f[1]] = f[2] }
        print ".Bl -tag -width indent"
    }
    {
        help = $3
        required = sub(/ \(required\)$/, "", help)
        gsub(/\\/, "\\e", help)
        gsub(/\. /, ".\n", help)
        sub(/^[.\x27]/, "\\\\\\&&", help)
        what = kind($1)
        if (what == "") { print "settings.sh: no type of " $1 > "/dev/stderr"; bad = 1 }
        if (required) tail = "required"
        else if ($2 != "") tail = "default: " $2
        else tail = "no default"
        print ".It Ic " $1
        print ".Pq " what "; " tail
        print toupper(substr(help, 1, 1)) substr(help, 2) "."
    }
    END { print ".El"; exit bad }')
awk -v list="$list" '
    /^\.\\" BEGIN settings/ { print; print list; skip = 1 }
    /^\.\\" END settings/ { skip = 0 }
    !skip { print }' <(sed 's/$//' "$page") | awk '!(/^\.\\" BEGIN settings/ && seen++)'
