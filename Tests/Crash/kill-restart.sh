#!/usr/bin/env bash
# Kills a writer at random moments and looks at what it left.
#
#   kill-restart.sh [ROUNDS]        default 200
#
# What must hold after each kill -9: every acknowledged entry is there, in order, byte for byte;
# nothing is there that was not sent; `walinspect verify` says clean (0) or mended on opening (1).
# Kills fall while appending, and (a third of the rounds) in the first milliseconds, while the log
# recovers from the kill before. Codecs, sync modes and line lengths take turns; every 20 rounds begin
# a new directory, so that the cost does not grow with the square of the rounds.
#
# RAFTLOG_BIN names the folder with the programs. Ends with a line `N passed, N failed`.
set -u
. "$(dirname "$0")/../limited.sh"

rounds=${1:-200}
case $rounds in '' | *[!0-9]*) rounds=0 ;; esac
if [ "$rounds" -lt 1 ]; then echo "usage: $0 [ROUNDS]" >&2; exit 64; fi
rounds=$((10#$rounds))
bin=${RAFTLOG_BIN:?set RAFTLOG_BIN to the folder that holds raftlog and walinspect}
scratch=$(mktemp -d) || exit 1
writer=
feeder=
# Only this shell cleans up: a child that is killed before it has begun would run the trap, too.
cleanup() {
  [ "$BASHPID" = "$$" ] || return
  local pid
  for pid in $writer $feeder; do kill -9 "$pid" 2>/dev/null; done
  rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

passed=0
failed=0

# Lines FIRST and up, for ever: entry i is line i, so what was sent is known without keeping it.
lines() { awk -v first="$1" -v pad="$2" 'BEGIN { for (i = first; ; i++) print i " " pad }'; }

# A pause of 1 to 500 ms, or of 0 to 9 ms: the moment of the kill, not a wait for anything.
moment() {
  if [ $((RANDOM % 3)) -eq 0 ]; then sleep "0.00$((RANDOM % 10))"
  else sleep "0.$(printf %03d $((RANDOM % 500 + 1)))"; fi
}

complain() { echo "round $round ($codec, $mode): $*"; ok=0; }

check() {
  local acked count status
  acked=$(tail -c 65536 "$scratch/acks" | awk '/^[0-9]+$/ { last = $0 } END { print last + 0 }')
  limited "$bin/raftlog" read --data "$data" >"$scratch/read" 2>"$scratch/read.err"
  status=$?
  # Killed before the log was born: nothing can have been acknowledged.
  if [ $status -eq 66 ] && [ "$acked" -eq 0 ] && [ "$held" -eq 0 ]; then count=0; return; fi
  [ $status -eq 0 ] || complain "read exits with $status: $(head -n 1 "$scratch/read.err")"
  count=$(wc -l <"$scratch/read")
  [ "$count" -ge "$acked" ] || complain "$acked acknowledged, $count there"
  [ "$count" -ge "$held" ] || complain "$held were there before, $count now"
  lines 1 "$pad" | head -n "$count" | cmp -s - "$scratch/read" || complain "entries differ"
  limited "$bin/walinspect" verify "$data" >"$scratch/verify" 2>&1
  status=$?
  [ $status -le 1 ] || complain "verify exits with $status: $(tail -n 1 "$scratch/verify")"
  held=$count
}

grown=0
for ((round = 1; round <= rounds; round++)); do
  if [ $((round % 20)) -eq 1 ]; then
    data=$scratch/$round
    held=0
    pad=$(head -c $((RANDOM % 300)) /dev/zero | tr '\0' x)
  fi
  codec=$([ $((round % 2)) -eq 0 ] && echo lz4 || echo none)
  mode=$([ $((round % 5)) -eq 0 ] && echo interval || echo always)
  ok=1
  : >"$scratch/acks"
  mkfifo "$scratch/input"
  lines $((held + 1)) "$pad" >"$scratch/input" 2>/dev/null &
  feeder=$!
  "$bin/raftlog" append --data "$data" --acks --codec "$codec" --sync "$mode" \
    --segment-bytes 1048576 <"$scratch/input" >"$scratch/acks" 2>"$scratch/append.err" &
  writer=$!
  moment
  kill -9 "$writer" 2>/dev/null
  wait "$writer" 2>/dev/null
  ended=$?
  writer=
  kill -9 "$feeder" 2>/dev/null
  wait "$feeder" 2>/dev/null
  feeder=
  rm "$scratch/input"
  # It has no end of input: it was still at work, or something is wrong.
  [ $ended -eq 137 ] || complain "append ended with $ended: $(tail -n 1 "$scratch/append.err")"
  before=$held
  check
  [ "$held" -gt "$before" ] && grown=$((grown + 1))
  if [ $ok -eq 1 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
  if [ -t 2 ]; then printf '\r%d of %d rounds, %d failed' "$round" "$rounds" "$failed" >&2; fi
done
[ -t 2 ] && printf '\r\033[K' >&2
# Of a few rounds all may fall into the first milliseconds.
if [ "$rounds" -ge 20 ] && [ $((grown * 4)) -lt "$rounds" ]; then
  echo "only $grown of $rounds rounds appended anything before they were killed"
  failed=$((failed + 1))
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
