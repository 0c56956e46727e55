#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Part of make bench: Zn lookups and Zh-backed bootstraps beside a bare freeDiameter echo, in turn, per second
# of the server's own CPU time; medians of several rounds.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-$top/build}" && pwd)
self=$top/tests/bench/run_diameter.sh
demo=$build/bench-diameter
rounds=${BENCH_ROUNDS:-5} seconds=${BENCH_SECONDS:-3} window=${BENCH_WINDOW:-64}
say() { printf '%s\n' "$*"; }
. "$top/tests/demo.sh"
. "$top/tests/demo_diameter.sh"
tool=$build/tests/dia_tool
if [ -z "${DIAMETER_NETNS:-}" ]; then
    [ -x "$tool" ] || exit 0 # built without Diameter
    dia_possible || {
        say "Diameter: no network namespace can be made here, nothing is measured"
        exit 0
    }
    rm -rf "$demo" && mkdir -p "$demo"
    dia_enter "$self" "$build"
    exit
fi

cleanup() {
    [ -z "${echo_pid:-}" ] || kill "$echo_pid" 2>/dev/null
    dia_env
    demo_stop quiet
}
trap cleanup EXIT
cpu() { awk -v hz="$(getconf CLK_TCK)" '{sub(/.*\) /, ""); print ($12 + $13) / hz}' "/proc/$1/stat"; }
median() { sort -n | awk '{v[NR] = $1} END {print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }
# zn PEER ADDRESS PID FQDN: operations per second of PID's CPU
zn() {
    local before line
    before=$(cpu "$3")
    line=$("$tool" $DIAMETER_TESTER home.test $DIAMETER_HUB "$1" "$2" load home.test "$btid" naf.home.test 0100000002 "$window" \
        "$seconds" 2>>"$demo/tool.log")
    [[ $line == *'failed=0' ]] || say "  $1: $line" >&2
    echo "$(cpu "$3") $before ${line#ops=}" | awk '{sub(/ .*/, "", $3); print int($3 / ($1 - $2))}'
}

dia_net_parties
dia_party 6 && HSSB_HOLD_PID=$dia_pid
dia_prepare
sed -i 's/listen: 10.99.0.2:8080/listen: 0.0.0.0:8080/; s/exempt: \[/exempt: [127.0.0.0\/8, /' "$BSF_CONFIG"
dia_start_hss
dia_provision
awk -v k="$K" -v o="$OPC" 'BEGIN {print "impi,k,opc"; for (i = 500000000; i < 500005000; i++)
    printf "00101%010d@ims.mnc001.mcc001.3gppnetwork.org,%s,%s\n", i, k, o}' | hssctl subscriber import - --quiet ||
    demo_fail "import failed"
dia_start_bsf
dia_wait_peer gba-bsfd hss.home.test
dia_gba bootstrap --json >"$demo/session.json" || demo_fail "bootstrap failed"
btid=$(sed -n 's/.*"btid": *"\([^"]*\)".*/\1/p' "$demo/session.json")
nsenter -t "$HSSB_HOLD_PID" -n "$tool" echo.home.test home.test 10.99.0.6 $DIAMETER_TESTER - echo >"$demo/echo.log" 2>&1 &
echo_pid=$!

ours=() theirs=() boots=()
for ((i = 0; i < rounds; i++)); do
    ours+=("$(zn bsf.home.test $BSF_ADDRESS "$BSF_PID")")
    theirs+=("$(zn echo.home.test 10.99.0.6 "$echo_pid")")
    boots+=("$(nsenter -t "$BSF_HOLD_PID" -n "$build/tests/bench/load" ub --port 8080 --pids "$BSF_PID" --first 500000000 --count 5000 \
        --k "$K" --opc "$OPC" --realm "$BSF_DOMAIN" --threads 16 --seconds "$seconds" | sed -n 's/.* ops_per_cpu_s=\([0-9]*\).*/\1/p')")
done
a=$(printf '%s\n' "${ours[@]}" | median) b=$(printf '%s\n' "${theirs[@]}" | median) c=$(printf '%s\n' "${boots[@]}" | median)
printf '%-46s %9s %9s   %5s\n' "per second of server CPU" ours "fd echo" ratio
printf '%-46s %9.0f %9.0f   %5.2f  (goal 0.7)   rounds %s | %s\n' "Zn lookups over Diameter, $window under way" "$a" "$b" \
    "$(echo "$a $b" | awk '{print $2 ? $1 / $2 : 0}')" "${ours[*]}" "${theirs[*]}"
printf '%-46s %9.0f                 rounds %s\n' "Ub bootstraps with vectors over Zh" "$c" "${boots[*]}"
