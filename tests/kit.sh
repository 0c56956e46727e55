# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# kit.sh - checks for process tests. Sourced; kit_show: a file of which a check that fails shows the end.
me=${0##*/} me=${me%.sh}
passed=0 failed=0 kit_show=''
ok() { # ok NAME COMMAND...: the command succeeds
    local name=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "$me: FAILED: $name" >&2
        [ ! -s "$kit_show" ] || tail -c 1500 "$kit_show" | tr -c '[:print:]\n' '?' | sed 's/^/    | /' >&2
    fi
}
is() { ok "$1 (want $2, got $3)" test "$2" = "$3"; } # is NAME WANT GOT
no() { ! "$@"; }
kit_end() { # the last line of a test
    echo "$me: $passed passed, $failed failed"
    [ $failed -eq 0 ]
}
