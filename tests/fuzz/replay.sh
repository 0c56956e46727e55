#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Replays the seed corpus of every fuzz target (FUZZ_TARGETS, set by make check).
corpus=$top_srcdir/tests/fuzz/corpus
failed=0
[ -n "$FUZZ_TARGETS" ] || { echo "replay.sh: FUZZ_TARGETS is empty: run me by make check" >&2; exit 1; }
for target in $FUZZ_TARGETS; do
    name=${target##*/fuzz_}
    if [ "$FUZZING" = yes ]; then # libFuzzer's own main()
        "$top_builddir/$target" -runs=0 -verbosity=0 "$corpus/$name" && echo "fuzz_$name: corpus replayed"
    else
        "$top_builddir/$target" "$corpus/$name"
    fi || { echo "replay.sh: $target failed on $corpus/$name" >&2; failed=1; }
done
exit $failed
