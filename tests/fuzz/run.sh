#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make fuzz-run: run.sh RUNS TARGET... - feeds RUNS inputs to each target, starting from its
# corpus, and prints a line for each. What libFuzzer found new is not kept.
runs=$1
shift
if [ "$FUZZING" != yes ]; then
    echo "fuzz-run: this build has no fuzzer: configure with --enable-fuzzing CC=clang" >&2
    exit 1
fi
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
failed=0
for target in "$@"; do
    name=${target##*/fuzz_}
    mkdir -p "$tmp/$name"
    begin=$(date +%s)
    if "$top_builddir/$target" -runs="$runs" -max_len=8192 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="$tmp/$name-" "$tmp/$name" "$top_srcdir/tests/fuzz/corpus/$name" >"$tmp/$name.log" 2>&1; then
        did=$(sed -n 's/^stat::number_of_executed_units: *//p' "$tmp/$name.log")
        cov=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$tmp/$name.log" | tail -1)
        echo "fuzz_$name: $did inputs, no finding, coverage $cov, $(($(date +%s) - begin)) s"
    else
        failed=1
        tail -40 "$tmp/$name.log"
        cp "$tmp/$name"-* . 2>/dev/null
        echo "fuzz_$name: FAILED; the input is in $(pwd)"
    fi
done
exit $failed
