#!/usr/bin/env bash
# Holds the real programs against the storage simulator: what simulated crashes left is written to
# real directories, and the programs must make of it what the simulator made of it.
#
#   images.sh [COUNT]        default 200
#
# What must hold of each image: `walinspect verify` and `raftlog read` end with the status that the
# simulator says, and `read` gives the entries that its recovery gave; `explain`, `ls` and `stat` end
# with 0 (66 where no log was started yet); none of them writes. Then `raftlog append` opens it and
# appends a line, `read` gives the same entries and that one, and `verify` says 0: what opening
# mends is mended, and what it put into quarantine/ is no finding any more.
#
# RAFTLOG_BIN names the folder with the programs, SEEDS the seeds (default 1-25). Ends with a line
# `N passed, N failed`; if anything failed, the images are kept.
set -u
export SWIFT_BACKTRACE=enable=no
. "$(dirname "$0")/../limited.sh"

count=${1:-200}
case $count in '' | *[!0-9]*) count=0 ;; esac
if [ "$count" -lt 1 ]; then echo "usage: $0 [COUNT]" >&2; exit 64; fi
count=$((10#$count))
bin=${RAFTLOG_BIN:?set RAFTLOG_BIN to the folder that holds raftlog, raftlog-sim and walinspect}
seeds=${SEEDS:-1-25}
scratch=$(mktemp -d) || exit 1
keeps=0
trap '[ "$keeps" -eq 1 ] || rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

passed=0
failed=0
images=$scratch/images
copy=$scratch/copy
printf 'x\n' >"$scratch/line"

# Prints what went wrong; the first complaint about an image also says where the image comes from.
complain() {
  if [ $ok -eq 1 ]; then echo "image $name, $origin"; fi
  echo "  $*"
  ok=0
}

run() { # run STATUS PROGRAM ARGUMENT...: expects that status; what was printed is in $scratch/out
  local expected=$1 program=$2 status
  shift 2
  limited "$bin/$program" "$@" <"$scratch/line" >"$scratch/out" 2>"$scratch/err"
  status=$?
  [ $status -eq "$expected" ] \
    || complain "$program $1: status $status, not $expected: $(tail -n 1 "$scratch/err")"
}

same() { # same WHAT: what was printed is what was expected
  cmp -s "$scratch/entries" "$scratch/out" || complain "$1: other entries than expected"
}

check() { # check DIRECTORY: everything about one image
  local directory=$1 verify=0 read=0 next=0 term=0 shows=0 _
  {
    read -r _ verify
    read -r _ read
    read -r _ next term
    read -r _ origin
    cat >"$scratch/entries"
  } <"$directory.expected"
  [ "$verify" -eq 66 ] && shows=66
  cp -R "$directory" "$copy"
  run "$verify" walinspect verify "$directory"
  run $shows walinspect explain "$directory"
  run $shows walinspect ls "$directory"
  run $shows walinspect stat "$directory"
  run "$read" raftlog read --json --data "$directory"
  same "read"
  diff -r "$directory" "$copy" >"$scratch/diff" \
    || complain "a reader wrote: $(head -n 1 "$scratch/diff")"
  run 0 raftlog append --data "$copy"
  printf '{"format":"raftlog.entry/1","index":%s,"term":%s,"kind":"data",%s}\n' \
    "$next" "$term" '"crc":"a93c5f93","payload":"eA=="' >>"$scratch/entries"
  run 0 raftlog read --json --data "$copy"
  same "read after an append"
  run 0 walinspect verify "$copy"
  rm -rf "$copy"
}

if ! "$bin/raftlog-sim" images --to "$images" --seeds "$seeds" --count "$count" \
  >"$scratch/sim" 2>&1; then
  cat "$scratch/sim"
  echo "0 passed, 1 failed"
  exit 1
fi
cat "$scratch/sim"

for expected in "$images"/*.expected; do
  name=$(basename "$expected" .expected)
  origin=
  ok=1
  check "$images/$name"
  if [ $ok -eq 1 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
  if [ -t 2 ]; then printf '\r%d images, %d failed' $((passed + failed)) $failed >&2; fi
done
[ -t 2 ] && printf '\r\033[K' >&2
if [ $failed -gt 0 ]; then
  keeps=1
  echo "the images are in $images"
fi
if [ $((passed + failed)) -ne "$count" ]; then
  echo "there were $((passed + failed)) images, not $count"
  failed=$((failed + 1))
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
