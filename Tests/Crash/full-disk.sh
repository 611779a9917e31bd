#!/usr/bin/env bash
# Fills a real 64 MiB ext4 file system, and frees it again.
#
# What must hold: append fails with its own status and message; what was acknowledged is intact and
# readable; appending goes on when space is freed. Needs root for the loop mount; where mounting is
# not possible it fails in CI, and says so elsewhere.
set -u
. "$(dirname "$0")/../limited.sh"

bin=${RAFTLOG_BIN:?set RAFTLOG_BIN to the folder that holds raftlog and walinspect}
scratch=$(mktemp -d) || exit 1
# Where mkfs and mount are, they are not always on everybody's path.
PATH=$PATH:/usr/sbin:/sbin
writer=
is_mounted=0
# Only this shell cleans up: a child that is killed before it has begun would run the trap, too.
cleanup() {
  [ "$BASHPID" = "$$" ] || return
  if [ -n "$writer" ]; then
    kill -9 "$writer"
    wait "$writer"
  fi 2>/dev/null
  if [ $is_mounted -eq 1 ] && ! umount "$scratch/disk"; then
    echo "$scratch/disk is still mounted, and stays" >&2
    return
  fi
  rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
failed=0
passed=0

expect() { # expect WHAT STATUS EXPECTED
  if [ "$2" -eq "$3" ]; then passed=$((passed + 1)); else
    failed=$((failed + 1)); echo "$1: status $2, not $3"
  fi
}

mkdir "$scratch/disk"
head -c $((64 << 20)) /dev/zero >"$scratch/image"
if ! mkfs.ext4 -q -F "$scratch/image" || ! mount -o loop "$scratch/image" "$scratch/disk"; then
  echo "cannot mount an ext4 image here"
  if [ -n "${CI:-}" ]; then echo "0 passed, 1 failed"; exit 1; fi
  echo "0 passed, 0 failed"; exit 0
fi
is_mounted=1
data=$scratch/disk/log
mkfifo "$scratch/never"
# A moment, while polling.
breathe() { read -rt 0.01 <>"$scratch/never" || true; }

# Lines that do not compress, more of them than fit.
lines() { awk -v first="$1" -v last="$2" 'BEGIN { srand(7); for (i = 1; i <= last; i++) {
  line = i; for (k = 0; k < 40; k++) line = line sprintf(" %08x", int(rand() * 4294967295))
  if (i >= first) print line } }'; }

echo "== ballast leaves little room"
head -c $((20 << 20)) /dev/zero >"$scratch/disk/ballast"
lines 1 400000 | limited "$bin/raftlog" append --data "$data" --acks >"$scratch/acks" 2>"$scratch/errors"
expect "append on a full disk" $? 7
grep -q "free space and append again" "$scratch/errors"
expect "append says what now" $? 0
acked=$(awk '/^[0-9]+$/ { last = $0 } END { print last + 0 }' "$scratch/acks")
[ "$acked" -gt 1000 ]
expect "$acked entries were acknowledged before" $? 0

echo "== everything that was acknowledged is there"
limited "$bin/raftlog" read --data "$data" >"$scratch/read"
expect "read on a full disk" $? 0
there=$(awk 'END { print NR }' "$scratch/read")
[ "$there" -ge "$acked" ]
expect "$there of $acked acknowledged entries" $? 0
lines 1 "$there" | cmp -s - "$scratch/read"
expect "byte for byte" $? 0
limited "$bin/walinspect" verify "$data" >/dev/null 2>&1
[ $? -le 1 ]
expect "verify" $? 0

echo "== appending goes on when there is room"
rm "$scratch/disk/ballast"
lines $((there + 1)) $((there + 5000)) | limited "$bin/raftlog" append --data "$data" 2>/dev/null
expect "append after space was freed" $? 0
lines 1 $((there + 5000)) | cmp -s - <(limited "$bin/raftlog" read --data "$data")
expect "all of it reads back" $? 0

echo "== a kill on a full disk"
lines $((there + 5001)) 900000 | limited "$bin/raftlog" append --data "$data" >/dev/null 2>&1
expect "full again" $? 7
head -c $((64 << 20)) /dev/zero >"$scratch/disk/ballast" 2>/dev/null
yes filler | "$bin/raftlog" append --data "$data" --acks >"$scratch/acks" 2>/dev/null &
writer=$!
# The kill falls wherever it is two seconds later; or it has met the full disk before, and ended.
for ((i = 0; i < 200; i++)); do kill -0 $writer 2>/dev/null || break; breathe; done
kill -9 $writer 2>/dev/null
wait $writer 2>/dev/null
writer=
limited "$bin/walinspect" verify "$data" >/dev/null 2>&1
[ $? -le 1 ]
expect "verify after the kill" $? 0
limited "$bin/raftlog" read --data "$data" >"$scratch/all"
expect "read after the kill" $? 0
[ "$(wc -l <"$scratch/all")" -ge "$(tail -n 1 "$scratch/acks" | grep . || echo 0)" ]
expect "what was acknowledged is there after the kill" $? 0
lines 1 $((there + 5000)) | cmp -s - <(head -n $((there + 5000)) "$scratch/all")
expect "what was there before is the same" $? 0
limited "$bin/raftlog" compact --data "$data" --through "$there" 2>"$scratch/errors"
status=$? # a substitution in the next line would have its own
expect "compaction on a full disk: $(tail -n 1 "$scratch/errors")" $status 0
tail -n +$((there + 1)) "$scratch/all" | cmp -s - <(limited "$bin/raftlog" read --data "$data")
expect "what was not compacted is the same" $? 0
echo more | limited "$bin/raftlog" append --data "$data" 2>"$scratch/errors"
status=$?
expect "append after compaction: $(tail -n 1 "$scratch/errors")" $status 0

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
