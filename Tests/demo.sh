#!/usr/bin/env bash
# The main job on real input: a stream of lines goes into a log, survives a kill -9, and is read back
# and inspected.
#
#   Tests/demo.sh [FILE]       default: this repository's sources
set -euo pipefail
cd "$(dirname "$0")/.."
Tests/setup.sh
swift build -c release --product raftlog
swift build -c release --product walinspect
bin=$(swift build -c release --show-bin-path)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Twice the input, so that the kill falls in the middle of it.
source=${1:-}
input=$scratch/input
for _ in 1 2; do
  if [ -n "$source" ]; then cat "$source"; else find Sources -name '*.swift' -exec cat {} +; fi
done >"$input"
count=$(awk 'END { print NR }' "$input")

echo "== $count lines go in, and the writer is killed on the way"
mkfifo "$scratch/pipe"
cat "$input" >"$scratch/pipe" 2>/dev/null &
"$bin/raftlog" append --data "$scratch/log" --acks <"$scratch/pipe" >"$scratch/acks" &
writer=$!
# The kill falls when the first entry has been acknowledged, wherever the writer is by then.
until [ -s "$scratch/acks" ] || ! kill -0 "$writer" 2>/dev/null; do :; done
kill -9 "$writer" 2>/dev/null || true
wait 2>/dev/null || true
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
