#!/usr/bin/env bash
# The main job on real input: a stream of lines goes into a log, survives a kill -9, and is read back
# and inspected.
#
#   Tests/demo.sh [FILE]       default: this repository's sources
set -euo pipefail
source=${1:-}
# What follows runs elsewhere.
case $source in '' | /*) ;; *) source=$PWD/$source ;; esac
if [ -n "$source" ] && [ ! -r "$source" ]; then echo "cannot read $source" >&2; exit 66; fi
cd "$(dirname "$0")/.."
Tests/setup.sh
swift build -c release --product raftlog
swift build -c release --product walinspect
bin=$(swift build -c release --show-bin-path)
scratch=$(mktemp -d)
writer=
feeder=
# Only this shell cleans up: a child that is killed before it has begun would run the trap, too.
cleanup() {
  [ "$BASHPID" = "$$" ] || return
  local pid
  for pid in $writer $feeder; do kill -9 "$pid" 2>/dev/null || true; done
  rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Twice the input, so that the kill falls in the middle of it; awk ends a last line that has no LF.
input=$scratch/input
for _ in 1 2; do
  if [ -n "$source" ]; then awk 1 "$source"; else find Sources -name '*.swift' -exec cat {} +; fi
done >"$input"
count=$(awk 'END { print NR }' "$input")

echo "== $count lines go in, and the writer is killed on the way"
mkfifo "$scratch/pipe" "$scratch/never"
cat "$input" >"$scratch/pipe" 2>/dev/null &
feeder=$!
"$bin/raftlog" append --data "$scratch/log" --acks <"$scratch/pipe" >"$scratch/acks" &
writer=$!
# The kill falls when the first entry has been acknowledged, wherever the writer is by then.
until [ -s "$scratch/acks" ] || ! kill -0 "$writer" 2>/dev/null; do
  read -rt 0.001 <>"$scratch/never" || true
done
kill -9 "$writer" 2>/dev/null || true
wait 2>/dev/null || true
writer=
feeder=
acked=$(awk 'END { print $1 + 0 }' "$scratch/acks")

echo "== $acked were acknowledged; all of them are there, byte for byte"
"$bin/raftlog" read --data "$scratch/log" >"$scratch/read"
there=$(awk 'END { print NR }' "$scratch/read")
[ "$there" -ge "$acked" ] || { echo "only $there are there" >&2; exit 1; }
head -n "$there" "$input" | cmp - "$scratch/read"

echo "== the rest goes in, and the directory explains itself"
tail -n +$((there + 1)) "$input" | "$bin/raftlog" append --data "$scratch/log"
cmp "$input" <("$bin/raftlog" read --data "$scratch/log")
"$bin/walinspect" ls "$scratch/log"
"$bin/walinspect" verify "$scratch/log"
echo "== done: $count lines in, $count lines back"
