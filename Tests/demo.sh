#!/usr/bin/env bash
# The main job on real input: a stream of lines goes into a log, survives a kill -9, and is read back
# and inspected.
#
#   Tests/demo.sh [FILE]       default: this repository's own commit log, or its sources
set -euo pipefail
cd "$(dirname "$0")/.."
Tests/setup.sh
swift build -c release --product raftlog
swift build -c release --product walinspect
bin=$(swift build -c release --show-bin-path)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

input=${1:-$scratch/input}
[ $# -gt 0 ] || cat Sources/*/*.swift >"$input"
count=$(awk 'END { print NR }' "$input")

echo "== $count lines go in, and the writer is killed on the way"
mkfifo "$scratch/pipe"
cat "$input" "$input" >"$scratch/pipe" 2>/dev/null &
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
cat "$input" "$input" | head -n "$there" | cmp - "$scratch/read"

echo "== the rest goes in, and the directory explains itself"
cat "$input" "$input" | tail -n +$((there + 1)) | "$bin/raftlog" append --data "$scratch/log"
cat "$input" "$input" | cmp - <("$bin/raftlog" read --data "$scratch/log")
"$bin/walinspect" ls "$scratch/log"
"$bin/walinspect" verify "$scratch/log"
echo "== done: $((2 * count)) lines in, $((2 * count)) lines back"
