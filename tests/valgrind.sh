#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# make check-valgrind: each test program under valgrind, and the programs that shell tests start as well: these
# get a build folder in which bsf/gba-bsfd and its like are scripts that run the real one under valgrind.
# valgrind.sh TEST, with top_srcdir and top_builddir as in make check.
set -u
: "${top_builddir:?as in make check}" "${top_srcdir:?}"
export UNDER_VALGRIND=yes
command -v valgrind >/dev/null || { echo "valgrind is missing: apt-get install valgrind"; exit 77; }
build=$(cd "$top_builddir" && pwd) src=$(cd "$top_srcdir" && pwd)
options=(-q --error-exitcode=99 --leak-check=full "--errors-for-leak-kinds=definite,indirect" --num-callers=25 --max-threads=3000
    "--suppressions=$src/tests/valgrind.supp")
test=$1
case $test in
*.sh) ;;
*) exec valgrind "${options[@]}" "$test" ;;
esac

# Symbolic links to everything, and scripts in the place of the programs.
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir "$stage/logs"
ln -s "$build"/* "$stage/"
for d in bsf naf ue onem2m-binding; do
    rm "$stage/$d"
    mkdir "$stage/$d"
    ln -s "$build/$d"/* "$build/$d"/.libs "$stage/$d/"
done
for f in bsf/gba-bsfd bsf/gba-bsfctl bsf/gba-hssd bsf/gba-znproxyd naf/gba-nafd ue/gba onem2m-binding/m2m{,-gate,-gatectl,-mafd,-mafctl,-mefd,-mefctl}; do
    [ -x "$build/$f" ] || continue
    rm "$stage/$f"
    printf '#!/bin/sh\nexec valgrind %s --log-file=%s "%s" "$@"\n' "${options[*]}" "$stage/logs/${f##*/}.%p" "$build/$f" \
        >"$stage/$f"
    chmod +x "$stage/$f"
done
top_builddir=$stage bash "$test"
status=$?
found=$(find "$stage/logs" -type f -size +0 | wc -l)
if [ "$found" -ne 0 ]; then
    echo "valgrind found something in $found processes:"
    find "$stage/logs" -type f -size +0 -exec tail -n +1 {} + | head -200
    exit 99
fi
exit $status
