#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# gba-bsfd as a process when its surroundings fail: the disk is full (a small file system of its own), the store is
# damaged, of a newer version or another program's, the wall clock steps back; and what it tells systemd.
set -u
build=$(cd "${top_builddir:-.}" && pwd)
src=$(cd "${top_srcdir:-.}" && pwd)
self=$(cd "$(dirname "$0")" && pwd)/$(basename "$0")
# A mount namespace for the small file system; where none can be made, that part is left out.
if [ -z "${FAULTS_NS:-}" ]; then
    own=-m
    [ "$(id -u)" -eq 0 ] || own=-Urm
    if unshare $own mount -t tmpfs none /mnt 2>/dev/null; then FAULTS_NS=yes exec unshare $own "$self"; fi
    FAULTS_NS=no
fi
demo=$(mktemp -d) || exit 1
# shellcheck source=tests/demo.sh
. "$src/tests/demo.sh"
passed=0 failed=0
is() { # is NAME WANT GOT
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "e2e_faults: FAILED: $1: want $2, got $3" >&2
    fi
}
cleanup() {
    demo_stop quiet
    if [ -n "${LISTENER:-}" ]; then kill "$LISTENER" 2>/dev/null; fi
    if [ $FAULTS_NS = yes ]; then umount "$demo/disk" 2>/dev/null; fi
    rm -rf "$demo"
}
trap cleanup EXIT
logged() { grep -qE "$1" "$demo/gba-bsfd.log"; }
boot() { demo_gba bootstrap --json >"$demo/session.json" 2>"$demo/boot.err"; }
btid() { sed -n 's/.*"btid": *"\([^"]*\)".*/\1/p' "$demo/session.json"; }
has() { bsfctl session show "$1" --json >/dev/null 2>&1; }
ready() { demo_http "$BSF_ADMIN_URL/readyz"; }
end() { # SIGNAL
    kill "-$1" "$BSF_PID" && while kill -0 "$BSF_PID" 2>/dev/null; do sleep 0.1; done
}
# The exit code of a start that should fail, its words in $demo/start; "runs" when it does not end.
start_fails() {
    timeout -s KILL 30 "$build/bsf/gba-bsfd" --config "$BSF_CONFIG" >"$demo/start" 2>&1
    local rc=$?
    [ $rc -eq 137 ] && echo runs || echo $rc
}

demo_prepare
sed -i 's/^  impi_challenges: .*/  impi_challenges: 1000000/' "$BSF_CONFIG"
if [ $FAULTS_NS = yes ]; then
    mkdir "$demo/disk" && mount -t tmpfs -o size=6m,mode=0700 none "$demo/disk" || demo_fail "no small file system"
    sed -i 's|sqlite:bsf.db|sqlite:disk/bsf.db|' "$BSF_CONFIG"
    db=$demo/disk/bsf.db
else
    db=$demo/bsf.db
fi
demo_start_bsf
demo_provision
boot
is "a bootstrap" 0 $?

# ---- the disk is full ----
if [ $FAULTS_NS = yes ]; then
    last=$(btid)
    dd if=/dev/zero of="$demo/disk/fill" bs=4096 2>/dev/null
    refused=no
    for _ in $(seq 400); do # what the journal has room for still goes in, and is as safe as before
        if boot; then last=$(btid); else
            refused=yes
            break
        fi
    done
    is "a full disk refuses in the end" yes $refused
    is "the UE is told to come again" 1 "$(grep -c 503 "$demo/boot.err")"
    is "an event names it" 0 "$(until_ok 5 logged 'ub.unavailable' && echo 0)"
    is "/readyz is 503 and says the disk" 1 "$(until_ok 5 sh -c "curl -s '$BSF_ADMIN_URL/readyz' | grep -q 'disk is full'" && echo 1)"
    is "but it lives" 0 "$(demo_http "$BSF_ADMIN_URL/healthz" && echo 0)"
    is "a metric counts it" 1 "$(curl -s "$BSF_ADMIN_URL/metrics" | grep -c 'gba_ub_total{result="unavailable"} [1-9]')"
    is "the last acknowledged session stands" 0 "$(has "$last" && echo 0)"
    end KILL
    rm "$demo/disk/fill"
    demo_start_bsf
    is "nor does kill -9 lose it" 0 "$(has "$last" && echo 0)"
    dd if=/dev/zero of="$demo/disk/fill" bs=4096 2>/dev/null
    for _ in $(seq 400); do boot && last=$(btid) || break; done
    is "full again, it refuses again" 1 "$(grep -c 503 "$demo/boot.err")"
    rm "$demo/disk/fill"
    is "with room again it serves by itself" 0 "$(until_ok 20 boot && echo 0)"
    is "and is ready" 0 "$(until_ok 10 ready && echo 0)"
    last=$(btid)
    is "the new session stands" 0 "$(has "$last" && echo 0)"
else
    echo "e2e_faults: no mount namespace can be made here: the disk is not filled" >&2
fi

# ---- a store that is none, or damaged ----
bsfctl backup "$demo/backup.db" >/dev/null
is "a backup while it runs" 0 $?
last=$(btid)
k_octets() { sqlite3 "$db" "$1" >/dev/null; }
k_octets "UPDATE rec SET value = zeroblob(length(value)) WHERE kind = 1"
sleep 0.1 # the subscribers' cache looks at the store every 10 ms
boot
is "a record that is not what was sealed: no bootstrap" 1 "$([ $? -ne 0 ] && echo 1)"
is "503, not a refusal of the subscriber" 1 "$(grep -c 503 "$demo/boot.err")"
is "an event names it" 0 "$(until_ok 5 logged 'av.subscriber_damaged impi=.*error=corrupt' && echo 0)"
end TERM
rm -f "$db" "$db-wal" "$db-shm"
head -c 65536 /dev/urandom >"$db"
is "random octets as a store: no start" 1 "$(start_fails)"
is "and the way out" 1 "$(grep -c "$db: damaged .*restore a backup" "$demo/start")"
cp "$demo/backup.db" "$db"
dd if=/dev/urandom of="$db" bs=1 seek=4096 count=60000 conv=notrunc 2>/dev/null
is "a store with a damaged middle: no start" 1 "$(start_fails)"
is "which says so" 1 "$(grep -cE 'damaged|restore a backup' "$demo/start")"
rm -f "$db"*
sqlite3 "$db" 'CREATE TABLE mine(x); PRAGMA user_version = 1'
is "another program's database: no start" 1 "$(start_fails)"
is "which says so" 1 "$(grep -c 'another program' "$demo/start")"
rm -f "$db"*
cp "$demo/backup.db" "$db"
sqlite3 "$db" 'PRAGMA user_version = 999' >/dev/null
before=$(sha256sum <"$db")
is "a store of a newer version: no start" 1 "$(start_fails)"
is "which says so" 1 "$(grep -ciE 'newer' "$demo/start")"
is "and leaves it as it was" "$before" "$(sha256sum <"$db")"
rm -f "$db"*
cp "$demo/backup.db" "$db"
demo_start_bsf
is "the backup serves" 0 "$(has "$last" && echo 0)"
boot
is "and bootstraps" 0 $?
end TERM

# ---- the wall clock steps back, while it runs and over a restart ----
shim=$build/tests/.libs/step_clock.so
case "$(ldd "$build/bsf/gba-bsfd")" in
*libasan* | *libtsan*) shim='' ;; # they want to be loaded first
esac
if [ -n "$shim" ]; then
    echo 0 >"$demo/step"
    start_stepped() { LD_PRELOAD=$shim STEP_CLOCK=$demo/step demo_start_bsf; }
    start_stepped
    boot
    is "a bootstrap before the step" 0 $?
    last=$(btid)
    echo -7200 >"$demo/step"
    is "two hours back: an event within seconds" 0 "$(until_ok 10 logged 'clock.back.*by_ms=[67][0-9]{6}' && echo 0)"
    boot
    is "the card accepts the next SQN" 0 $?
    is "its session takes the place of the old one" 1 "$(has "$last" || echo 1)"
    cpu() { awk '{print $14 + $15}' "/proc/$BSF_PID/stat"; }
    began=$(cpu)
    sleep 2
    is "nothing spins ($(($(cpu) - began)) ticks in two seconds)" 1 "$([ $(($(cpu) - began)) -lt 150 ] && echo 1)"
    end KILL
    echo -86400 >"$demo/step"
    start_stepped
    is "a day back at the start: an event" 0 "$(until_ok 5 logged 'sqn.clock_back.*ahead_s=8[0-9]{4}' && echo 0)"
    boot
    is "and the card accepts the next SQN" 0 $?
    end TERM
fi

# ---- systemd ----
if grep -q '^#define HAVE_SYSTEMD 1' "$build/config.h"; then
    perl -MSocket -e 'socket(S, AF_UNIX, SOCK_DGRAM, 0) && bind(S, sockaddr_un($ARGV[0])) or die; $| = 1; print "up\n";
        while (defined recv(S, my $m, 4096, 0)) { print map {"$_\n"} split /\n/, $m }' "$demo/notify" >"$demo/notified" &
    LISTENER=$!
    until_ok 10 grep -q up "$demo/notified"
    NOTIFY_SOCKET=$demo/notify demo_start_bsf
    is "READY=1" 0 "$(until_ok 5 grep -qx READY=1 "$demo/notified" && echo 0)"
    is "once" 1 "$(grep -cx READY=1 "$demo/notified")"
    kill -HUP "$BSF_PID"
    is "RELOADING=1" 0 "$(until_ok 5 grep -qx RELOADING=1 "$demo/notified" && echo 0)"
    is "with its time" 0 "$(until_ok 5 grep -qE '^MONOTONIC_USEC=[0-9]+$' "$demo/notified" && echo 0)"
    is "READY=1 again" 0 "$(until_ok 5 sh -c "[ \$(grep -cx READY=1 '$demo/notified') -eq 2 ]" && echo 0)"
    end TERM
    is "STOPPING=1" 0 "$(until_ok 5 grep -qx STOPPING=1 "$demo/notified" && echo 0)"
fi

echo "e2e_faults: $passed passed, $failed failed"
[ $failed -eq 0 ]
