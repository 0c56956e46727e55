#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make coverage, in the build folder: "begin" forgets earlier counts, "end MIN" says how many
# of libgba's lines ran, file by file, and fails below MIN percent.
command -v lcov >/dev/null || { echo "coverage: lcov is missing: apt-get install lcov" >&2; exit 1; }
case $1 in
begin)
    [ "$GBA_COVERAGE" = yes ] || { echo "coverage: configure with --enable-coverage (gcc)" >&2; exit 1; }
    find . -name '*.gcda' -exec rm -f {} +
    ;;
end)
    lcov --quiet --capture --directory libgba --output-file coverage.info || exit 1
    lcov --quiet --extract coverage.info '*/libgba/*.c' --output-file coverage.info || exit 1
    awk -F: -v min="$2" '
        /^SF:/ { file = $2; sub(/.*\//, "", file) }
        /^LF:/ { lines[file] += $2; all += $2 }
        /^LH:/ { hit[file] += $2; ran += $2 }
        END {
            if (!all) { print "coverage: nothing was measured"; exit 1 }
            for (f in lines) printf "  %-16s %5d of %5d lines  %5.1f %%\n", f, hit[f], lines[f], 100 * hit[f] / lines[f]
            rate = 100 * ran / all
            printf "coverage of libgba: %d of %d lines, %.1f %% (at least %s %% wanted)\n", ran, all, rate, min
            exit rate < min
        }' coverage.info
    ;;
esac
