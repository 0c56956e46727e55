#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC3057
# Random AKA inputs through our code and through osmo-auc-gen (Debian libosmocore-utils): the
# vector, its 2G triplet, and AUTS made by our card and read by osmo-auc-gen.
# usage: check_osmo.sh [ROUNDS]
rounds=${1:-12}
ours=${top_builddir:-.}/tests/show_av
command -v osmo-auc-gen >/dev/null || { echo "check_osmo: osmo-auc-gen is missing (apt-get install libosmocore-utils)"; exit 77; }

failed=0
compared=0
same() { # WHAT OURS THEIRS
    compared=$((compared + 1))
    [ -n "$2" ] && [ "$2" = "$3" ] && return
    printf 'check_osmo: %s: %s differs\nours\n%s\ntheirs\n%s\n' "$inputs" "$1" "$2" "$3"
    failed=$((failed + 1))
}

vector_lines='/^\(AUTN\|IK\|CK\|RES\|SRES\|Kc\):/p'

one_round() { # ALGORITHM OPTION K OP RAND NUMBER NUMBER
    # below 2^46, so that no resynchronisation runs over the end of SQN
    sqn=$(($6 & 0x3fffffffffff)) sqn_ms=$(($7 & 0x3fffffffffff)) amf=$(printf %04x $(($6 >> 48 & 0xffff)))
    inputs="$1 k=$3 $2=$4 rand=$5 amf=$amf sqn=$sqn sqn_ms=$sqn_ms"
    flag=-o
    [ "$2" = op ] && flag=-O
    mine=$("$ours" "$1" "$3" "$2" "$4" "$5" "$amf" "$sqn" "$sqn_ms")
    auts=${mine##*AUTS:	}
    theirs=$(osmo-auc-gen -3 -a "$1" -k "$3" $flag "$4" -f "$amf" -s "$sqn" -r "$5" | sed -n "$vector_lines")
    same vector "${mine%
AUTS:*}" "$theirs"
    # osmo-auc-gen 1.11 reads an AUTS of TUAK as if K always had 32 octets
    [ "$1" = TUAK ] && [ ${#3} -ne 64 ] && return
    # our AUTS: they read our SQN_MS, and the vector they make next is the one we would make
    theirs=$(osmo-auc-gen -3 -a "$1" -k "$3" $flag "$4" -f "$amf" -r "$5" -A "$auts")
    same SQN_MS "$sqn_ms" "${theirs##*SQN.MS:	}"
    next=${theirs##*SQN:	}
    next=${next%%[!0-9]*}
    mine=$("$ours" "$1" "$3" "$2" "$4" "$5" "$amf" "${next:-0}" "$sqn_ms")
    same "vector after AUTS" "${mine%
AUTS:*}" "$(echo "$theirs" | sed -n "$vector_lines")"
}

random_words() { # five of 16 octets
    od -An -v -tx1 -w16 -N80 /dev/urandom | tr -d ' '
}

random_numbers() {
    od -An -td8 -N16 /dev/urandom
}

i=0
while [ $i -lt "$rounds" ]; do
    # shellcheck disable=SC2046
    set -- $(random_words) $(random_numbers)
    one_round MILENAGE op "$1" "$2" "$3" "$6" "$7"
    one_round MILENAGE opc "$2" "$4" "$5" "$7" "$6"
    i=$((i + 1))
done
if osmo-auc-gen -a NONE 2>&1 | grep -qw TUAK; then
    i=0
    while [ $i -lt "$rounds" ]; do
        # shellcheck disable=SC2046
        set -- $(random_words) $(random_numbers)
        one_round TUAK op "$1" "$2$3" "$4" "$6" "$7"
        one_round TUAK opc "$1$2" "$3$4" "$5" "$7" "$6"
        i=$((i + 1))
    done
else
    echo "check_osmo: this osmo-auc-gen speaks no TUAK: Milenage alone"
fi
echo "check_osmo: $compared answers compared, $failed differ"
[ $failed -eq 0 ] && [ $compared -gt 0 ]
