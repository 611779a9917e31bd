#!/usr/bin/env bash
# Stops a writer in the middle of its work (SIGSTOP) and lets it go on (SIGCONT), as a machine does
# that is suspended; and a reader that follows it.
#
#   pause.sh [ROUNDS]        default 20
#
# What must hold while the writer stands still: it keeps its lock, so a second writer is refused
# (6); readers get everything that was acknowledged, in order, byte for byte; `walinspect verify`
# calls the log clean and live. When it goes on, nothing was lost and nothing came twice, for it,
# for a reader that followed it all the time, and for one that was stopped itself; and what a writer
# leaves that is killed while it stands still is mended when it is opened.
#
# RAFTLOG_BIN names the folder with the programs. Ends with a line `N passed, N failed`.
set -u
export SWIFT_BACKTRACE=enable=no
. "$(dirname "$0")/../limited.sh"

rounds=${1:-20}
case $rounds in '' | *[!0-9]*) rounds=0 ;; esac
if [ "$rounds" -lt 1 ]; then echo "usage: $0 [ROUNDS]" >&2; exit 64; fi
rounds=$((10#$rounds))
bin=${RAFTLOG_BIN:?set RAFTLOG_BIN to the folder that holds raftlog and walinspect}
bin=$(cd "$bin" && pwd) || exit 1
scratch=$(mktemp -d) || exit 1
data=$scratch/log
writer=
follower=
# Only this shell cleans up: a child that is killed before it has begun would run the trap, too.
cleanup() {
  local pid
  [ "$BASHPID" = "$$" ] || return
  for pid in $writer $follower; do kill -9 "$pid" 2>/dev/null; done
  rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
passed=0
failed=0

complain() { echo "round $round: $*"; ok=0; }
score() {
  if [ "$ok" -eq 1 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
  if [ -t 2 ]; then printf '\r%d of %d rounds, %d failed' "$round" "$rounds" "$failed" >&2; fi
}
# A moment, while polling; not a wait for anything by itself.
breathe() { read -rt 0.01 <>"$scratch/never" || true; }
mkfifo "$scratch/never" "$scratch/input"

# await CONDITION...: until the command succeeds; fails if it never does
await() {
  local end=$((SECONDS + hang_s))
  until "$@"; do
    [ $SECONDS -lt $end ] || return 1
    breathe
  done
}
acked() { awk '/^[0-9]+$/ { last = $0 } END { print last + 0 }' "$scratch/acks"; }
has_acked() { [ "$(acked)" -ge "$1" ]; }
# Linux says so in /proc, where there may be no ps; elsewhere ps does.
state() { sed -n 's/^State:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null || ps -o state= -p "$1"; }
is_stopped() { case $(state "$1") in T*) return 0 ;; *) return 1 ;; esac; }
has_ended() { ! kill -0 "$1" 2>/dev/null; }

# The lines that are sent: some are large, so that batches and segments end in many places. What is
# sent in a round before the writer goes on fits into a pipe.
lines() { # lines FIRST LAST
  awk -v first="$1" -v last="$2" 'BEGIN {
    pad = sprintf("%0500d", 0)
    for (i = first; i <= last; i++) print i " " substr(pad, 1, i % 7 * 70) }'
}

# A writer; lines go to descriptor 8.
start() {
  : >"$scratch/acks"
  "$bin/raftlog" append --data "$data" --acks --segment-bytes 65536 --sync "$mode" \
    <"$scratch/input" >"$scratch/acks" 2>"$scratch/errors" &
  writer=$!
  exec 8>"$scratch/input"
}
send() {
  # The writer may be gone; a handler is not handed down to programs.
  trap : PIPE
  lines $((sent + 1)) "$1" >&8 2>/dev/null
  trap - PIPE
  sent=$1
}

# Looks at a log whose writer stands still.
look() {
  local there status known
  known=$(acked)
  limited "$bin/raftlog" read --data "$data" >"$scratch/read" 2>"$scratch/words"
  status=$?
  [ $status -eq 0 ] || complain "read exits with $status: $(tail -n 1 "$scratch/words")"
  there=$(wc -l <"$scratch/read")
  [ "$there" -ge "$known" ] || complain "$known acknowledged, $there there"
  [ "$there" -le "$sent" ] || complain "$there there, $sent sent"
  lines 1 "$there" | cmp -s - "$scratch/read" || complain "entries differ"
  echo x | limited "$bin/raftlog" append --data "$data" 2>/dev/null
  status=$?
  [ $status -eq 6 ] || complain "a second writer ends with $status, not 6"
  limited "$bin/walinspect" verify "$data" >"$scratch/words" 2>&1
  status=$?
  tail -n 1 "$scratch/words" | grep -q 'live' || status="$status, and not live"
  [ "$status" = 0 ] || complain "verify: $status: $(tail -n 1 "$scratch/words")"
}

sent=0
for ((round = 1; round <= rounds; round++)); do
  mode=$([ $((round % 3)) -eq 0 ] && echo interval || echo always)
  ok=1
  before=$sent
  follow_to=$((before + 300))
  start
  send $((before + 100))
  await has_acked $((before + 1)) || complain "no acknowledgement"
  "$bin/raftlog" read --data "$data" --follow --from $((before + 1)) --to "$follow_to" \
    >"$scratch/followed" 2>"$scratch/follow.errors" 8>&- &
  follower=$!
  # Lines are on their way when it stops; where it is by then is left to chance.
  send $((before + 200))
  kill -STOP "$writer"
  await is_stopped "$writer" || complain "it does not stop"
  # In a pipe, and not yet read.
  send $((before + 210))
  look
  has_ended "$follower" && complain "the reader that follows has ended"
  if [ $((round % 2)) -eq 0 ]; then
    # The same for the reader: what it missed, it reads when it goes on.
    kill -STOP "$follower"
    await is_stopped "$follower" || complain "the reader does not stop"
  fi
  kill -CONT "$writer"
  send "$follow_to"
  if [ $((round % 4)) -eq 3 ]; then
    # Killed while it stands still.
    kill -STOP "$writer"
    await is_stopped "$writer" || complain "it does not stop again"
    kill -9 "$writer"
    exec 8>&-
    wait "$writer" 2>/dev/null
    writer=
    known=$(acked)
    limited "$bin/raftlog" read --data "$data" >"$scratch/read" 2>/dev/null \
      || complain "read after a kill: status $?"
    sent=$(wc -l <"$scratch/read")
    [ "$sent" -ge "$known" ] || complain "$known acknowledged, $sent there after a kill"
    lines 1 "$sent" | cmp -s - "$scratch/read" || complain "entries differ after a kill"
    limited "$bin/walinspect" verify "$data" >"$scratch/words" 2>&1
    [ $? -le 1 ] || complain "verify after a kill: $(tail -n 1 "$scratch/words")"
    # Another writer goes on, for the reader that still follows.
    start
    [ "$sent" -ge "$follow_to" ] || send "$follow_to"
  fi
  exec 8>&-
  await has_ended "$writer" || { complain "it hangs"; kill -9 "$writer"; }
  wait "$writer" 2>/dev/null
  status=$?
  writer=
  [ $status -eq 0 ] || complain "append ends with $status: $(tail -n 1 "$scratch/errors")"
  kill -CONT "$follower" 2>/dev/null
  await has_ended "$follower" || { complain "the reader hangs"; kill -9 "$follower"; }
  wait "$follower" 2>/dev/null
  status=$?
  follower=
  [ $status -eq 0 ] \
    || complain "the reader ends with $status: $(tail -n 1 "$scratch/follow.errors")"
  lines $((before + 1)) "$follow_to" | cmp -s - "$scratch/followed" \
    || complain "the reader that followed got other lines"
  limited "$bin/raftlog" read --data "$data" >"$scratch/read" 2>"$scratch/words" \
    || complain "read: status $?: $(tail -n 1 "$scratch/words")"
  lines 1 "$sent" | cmp -s - "$scratch/read" || complain "entries differ at the end"
  limited "$bin/walinspect" verify "$data" >"$scratch/words" 2>&1 \
    || complain "verify: status $?: $(tail -n 1 "$scratch/words")"
  score
done
[ -t 2 ] && printf '\r\033[K' >&2
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
