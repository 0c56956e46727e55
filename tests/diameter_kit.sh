# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# diameter_kit.sh NAME - sourced by tests of Diameter as processes: goes into a network namespace of its own, with the
# test's folder, build/NAME.PID, in $demo; checks. E2E_KEEP=yes leaves the folder.
top=$(cd "${top_srcdir:-.}" && pwd)
build=$(cd "${top_builddir:-build}" && pwd)
self=$(cd "$(dirname "$0")" && pwd)/$(basename "$0")
demo=${E2E_DEMO:-$build/$1.$$}
say() { printf '%s\n' "$*"; }
. "$top/tests/demo.sh"
. "$top/tests/demo_diameter.sh"
tool=$build/tests/dia_tool

if [ -z "${DIAMETER_NETNS:-}" ]; then
    dia_possible || {
        say "SKIPPED: $dia_why"
        exit 77
    }
    mkdir -p "$demo"
    export E2E_DEMO=$demo
    dia_enter "$self"
    rc=$?
    if [ $rc -eq 0 ] && [ "${E2E_KEEP:-no}" != yes ]; then rm -rf "$demo"; fi
    exit $rc
fi

export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0" # freeDiameter leaves memory behind at its end
passed=0 failed=0
ok() { # NAME COMMAND...
    local name=$1
    shift
    if "$@"; then
        passed=$((passed + 1)) && say "ok   $name"
    else
        failed=$((failed + 1)) && say "FAIL $name"
    fi
}
not() { ! "$@"; }
