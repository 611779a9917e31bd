#!/usr/bin/env bash
# Lets the system calls of the real programs fail, one after the other: the Nth write, the Nth sync,
# and so on, for every N of a small workload, until there is no Nth one any more. The calls are made
# to fail by a library that is compiled here and preloaded (failing-calls.c).
#
# What must hold of every append under a fault:
#
#   - its status is the contract's: 5 for an I/O error and for a sync that failed, 7 for a full
#     disk, 0 where the fault is none of the caller's business (a call that was interrupted, or did
#     less than it was asked for, or space that was wanted ahead of need) - and then everything was
#     acknowledged;
#   - every acknowledged line is there afterwards, byte for byte, and nothing that was not sent;
#     what was refused for want of space is not there either;
#   - `walinspect verify` says clean (0) or mended on opening (1);
#   - without the fault appending goes on, and then the directory is clean.
#
# And of reading what the device does not give back: no wrong line, and no status 0 with a line
# missing. A fault that never came to pass is a failure of this test.
#
# RAFTLOG_BIN names the folder with the programs. Ends with a line `N passed, N failed`. Linux only,
# and a C compiler is needed; without them it fails in CI (`CI` is set), elsewhere it says so.
set -u
export SWIFT_BACKTRACE=enable=no
. "$(dirname "$0")/../limited.sh"

here=$(cd "$(dirname "$0")" && pwd -P)
bin=${RAFTLOG_BIN:?set RAFTLOG_BIN to the folder that holds raftlog and walinspect}
bin=$(cd "$bin" && pwd) || exit 1
scratch=$(mktemp -d) || exit 1
# The library compares with what the kernel calls a file.
scratch=$(cd "$scratch" && pwd -P)
writer=
# Only this shell cleans up: a child that is killed before it has begun would run the trap, too.
cleanup() {
  [ "$BASHPID" = "$$" ] || return
  [ -n "$writer" ] && kill -9 "$writer" 2>/dev/null
  rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
passed=0
failed=0

unable() { # unable WHY: nothing can be tested here
  echo "$1: nothing was tested" >&2
  if [ -n "${CI:-}" ]; then echo "0 passed, 1 failed"; exit 1; fi
  echo "0 passed, 0 failed"
  exit 0
}
compile() {
  local compiler
  for compiler in ${CC:+"$CC"} cc clang gcc; do
    command -v "$compiler" >/dev/null || continue
    "$compiler" -std=gnu11 -Wall -Wextra -Werror -O1 -shared -fPIC -o "$scratch/failing-calls.so" \
      "$here/failing-calls.c" -ldl && return
  done
  return 1
}
[ "$(uname)" = Linux ] || unable "this is not Linux"
compile || unable "failing-calls.c cannot be compiled"

# The loader takes a space in the library's path for its end, so it is called by a short one.
cd "$scratch" || exit 1

# MARK: One run

data=$scratch/log

# plan CALL KIND NTH STEP COUNT: the fault of the next run, for env(1)
plan() {
  fault=(FAULT_CALL="$1" FAULT_KIND="$2" FAULT_FILES='*' FAULT_NTH="$3" FAULT_STEP="$4"
    FAULT_COUNT="$5" FAULT_UNDER="$data" FAULT_LOG="$scratch/faults"
    LD_PRELOAD=./failing-calls.so)
}

# The first complaint of a run says which run it was.
complain() {
  if [ "$ok" -eq 1 ]; then echo "$what, call $nth (${hit:-no call failed}):"; fi
  echo "  $*"
  ok=0
}

# The line of entry I: a batch of one takes a page, and three of them a segment.
line() { printf 'line %d %0999d' "$1" 0; }
lines() { local i; for ((i = $1; i <= $2; i++)); do line "$i"; echo; done; }

# start_on BASE: the log of a run, a copy of $scratch/BASE
start_on() {
  rm -rf "$data" "$scratch/faults"
  cp -R "$scratch/$1" "$data"
}

# Sends lines to a writer under the fault, each when the one before was acknowledged.
append_lines() { # append_lines LAST
  local last=$1 i ack
  acked=$((first - 1))
  env "${fault[@]}" "$bin/raftlog" append --data "$data" --acks --segment-bytes 16384 \
    --codec none <"$scratch/in" >"$scratch/acks" 2>"$scratch/errors" &
  writer=$!
  exec 8>"$scratch/in" 7<"$scratch/acks"
  # The writer may be gone when a line is sent to it; a handler is not handed down to programs.
  trap : PIPE
  for ((i = first; i <= last; i++)); do
    { line "$i" && echo; } >&8 2>/dev/null
    read -r -t "$hang_s" ack <&7 || break
    [ "$ack" = "$i" ] || complain "acknowledged $ack, not $i"
    acked=$i
  done
  trap - PIPE
  exec 8>&-
  # Its end closes the acknowledgements; there is nothing more to be read before that.
  read -r -t "$hang_s" ack <&7
  case $? in
    0) complain "acknowledged $ack, too" ;;
    1) ;;
    *) complain "the writer hangs"; kill -9 "$writer" ;;
  esac
  wait "$writer" 2>/dev/null
  status=$?
  writer=
  exec 7<&-
}

# What failed first: a call and a file. Nothing if nothing failed.
first_fault() { awk '$1 != "loaded" { print; exit }' "$scratch/faults" 2>/dev/null; }

# Holds what is left against the contract. LAST is the last line that was sent.
check_log() { # check_log LAST
  local last=$1 count read_status verify_status
  limited "$bin/raftlog" read --data "$data" >"$scratch/read" 2>"$scratch/words"
  read_status=$?
  if [ $read_status -eq 66 ] && [ "$acked" -eq 0 ]; then
    count=0 # it failed before there was a log
  elif [ $read_status -ne 0 ]; then
    complain "read exits with $read_status: $(tail -n 1 "$scratch/words")"
  fi
  count=$(wc -l <"$scratch/read")
  [ "$count" -ge "$acked" ] || complain "$acked acknowledged, $count there"
  [ "$count" -le "$last" ] || complain "$count there, $last sent"
  if [ "$status" -eq 7 ] && [ "$count" -ne "$acked" ]; then
    complain "$acked acknowledged, the next refused for want of space, and $count there"
  fi
  lines 1 "$count" | cmp -s - "$scratch/read" || complain "entries differ"
  limited "$bin/walinspect" verify "$data" >"$scratch/words" 2>&1
  verify_status=$?
  if [ $verify_status -gt 1 ] && [ "$verify_status/$read_status" != 66/66 ]; then
    complain "verify exits with $verify_status: $(tail -n 1 "$scratch/words")"
  fi
  line $((count + 1)) | limited "$bin/raftlog" append --data "$data" 2>"$scratch/words" \
    || complain "append without the fault: status $?: $(tail -n 1 "$scratch/words")"
  limited "$bin/raftlog" read --data "$data" >"$scratch/read" 2>"$scratch/words" \
    || complain "read after that: status $?: $(tail -n 1 "$scratch/words")"
  lines 1 $((count + 1)) | cmp -s - "$scratch/read" || complain "entries differ after an append"
  limited "$bin/walinspect" verify "$data" >"$scratch/words" 2>&1 \
    || complain "verify after that: status $?: $(tail -n 1 "$scratch/words")"
}

score() {
  if [ "$ok" -eq 1 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
  if [ -t 2 ]; then printf '\r\033[K%s, call %d, %d failed' "$what" "$nth" "$failed" >&2; fi
}
# Failures beside any single run.
expected() { # expected WHAT CONDITION...
  local words=$1
  shift
  if [ "$@" ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "$words"; fi
}

# MARK: Appending

# The statuses that the contract allows when this was the first call to fail.
allowed() { # allowed CALL KIND COUNT
  local file=${hit#* }
  case "$2 $1 $file" in
    EIO\ *) echo 5 ;;
    # A sync that fails is final, whatever the reason; no log was open yet before the first line.
    ENOSPC\ f*sync\ *) if [ "$acked" -lt "$first" ]; then echo 5 7; else echo 5; fi ;;
    # Made ahead of need: tried again when there is room.
    ENOSPC\ *\ reserve) if [ "$3" -eq 1 ]; then echo 0; else echo 0 5 7; fi ;;
    # They are written over in place, so this is no full disk but a disk that cannot be trusted. Two
    # threads write: where a spare has no room either, that may be told first.
    ENOSPC\ pwrite\ MANIFEST-[01]) if [ "$3" -eq 1 ]; then echo 5; else echo 5 7; fi ;;
    # A footer or a marker is left out, or what failed cannot be taken back because that fails, too.
    ENOSPC\ *) if [ "$3" -eq 1 ]; then echo 0 7; else echo 0 5 7; fi ;;
  esac
}

# each_call BASE LAST LEAST SEVENS CALL KIND COUNT: lines up to LAST go into a copy of BASE, once
# for each call that can fail; they are LEAST at least, and at least SEVENS times the disk is full.
each_call() {
  local base=$1 last=$2 least=$3 sevens=$4 call=$5 kind=$6 count=$7 full=0
  what="$kind of $call ($base log$([ "$count" -eq 1 ] || echo ", from then on"))"
  for ((nth = 1; nth <= 1000; nth++)); do
    ok=1
    hit=
    start_on "$base"
    plan "$call" "$kind" "$nth" 1 "$count"
    append_lines "$last"
    hit=$(first_fault)
    grep -q '^loaded' "$scratch/faults" 2>/dev/null || complain "the library was not loaded"
    if [ -z "$hit" ]; then
      hit="not reached"
      [ "$status" -eq 0 ] || complain "status $status: $(tail -n 1 "$scratch/errors")"
    else
      [[ " $(allowed "$call" "$kind" "$count") " == *" $status "* ]] \
        || complain "status $status: $(tail -n 1 "$scratch/errors")"
    fi
    if [ "$status" -eq 0 ]; then
      [ "$acked" -eq "$last" ] || complain "status 0, and only $acked of $last acknowledged"
    else
      grep -qF "$data" "$scratch/errors" || complain "it does not say which log"
    fi
    [ "$status" -eq 7 ] && full=$((full + 1))
    check_log "$last"
    score
    [ "$hit" != "not reached" ] || break
  done
  expected "$what: only $((nth - 1)) calls failed, not $least" $((nth - 1)) -ge "$least"
  expected "$what: the disk was full only $full times, not $sevens" "$full" -ge "$sevens"
}

# no_matter BASE LAST LEAST CALL KIND NTH STEP: nobody notices that calls fail
no_matter() {
  local base=$1 last=$2 least=$3 call=$4 kind=$5 step=$7 hits
  nth=$6
  what="$kind of $call ($base log, every$([ "$step" -eq 1 ] || echo " other") call)"
  ok=1
  hit=
  start_on "$base"
  plan "$call" "$kind" "$nth" "$step" 0
  append_lines "$last"
  hit=$(first_fault)
  hits=$(grep -vc '^loaded' "$scratch/faults" 2>/dev/null)
  [ "${hits:-0}" -ge "$least" ] || complain "only ${hits:-0} calls failed, not $least"
  [ "$status" -eq 0 ] || complain "status $status: $(tail -n 1 "$scratch/errors")"
  [ "$acked" -eq "$last" ] || complain "only $acked of $last acknowledged"
  check_log "$last"
  score
}

# A log that is not there yet, and one whose writer was killed: three lines in two segments.
mkfifo "$scratch/in" "$scratch/acks"
mkdir "$scratch/new"
make_killed() {
  local ack i
  "$bin/raftlog" append --data "$scratch/killed" --acks --segment-bytes 16384 --codec none \
    <"$scratch/in" >"$scratch/acks" 2>/dev/null &
  writer=$!
  exec 8>"$scratch/in" 7<"$scratch/acks"
  for i in 1 2 3; do
    { line "$i" && echo; } >&8
    read -r -t "$hang_s" ack <&7 || return 1
  done
  kill -9 "$writer"
  wait "$writer" 2>/dev/null
  writer=
  exec 8>&- 7<&-
  [ "$ack" -eq 3 ]
}
make_killed || { echo "no log to begin with"; echo "0 passed, 1 failed"; exit 1; }

echo "== a new log: each call fails"
first=1
each_call new 3 20 0 fdatasync EIO 1
each_call new 3 20 0 pwrite EIO 1
each_call new 3 20 5 pwrite ENOSPC 1
each_call new 3 20 5 pwrite ENOSPC 0
each_call new 3 20 0 fdatasync ENOSPC 1
each_call new 3 5 0 fsync EIO 1
each_call new 3 3 2 fallocate ENOSPC 1
each_call new 3 5 3 openat ENOSPC 1
each_call new 3 3 0 renameat EIO 1
each_call new 3 3 0 unlinkat EIO 1
each_call new 3 1 0 ftruncate EIO 1

echo "== a log whose writer was killed: each call fails while it is opened and after"
first=4
each_call killed 4 10 0 fdatasync EIO 1
each_call killed 4 10 0 pwrite EIO 1
each_call killed 4 10 1 pwrite ENOSPC 0
each_call killed 4 3 0 fsync EIO 1
each_call killed 4 3 0 openat EIO 1

echo "== calls that are interrupted, or do less than they were asked for"
first=1
for nth_first in 1 2; do
  no_matter new 5 20 '*' EINTR "$nth_first" 2
  no_matter new 5 10 pwrite SHORT "$nth_first" 2
done
# Every write is cut short, and what is left of it, too.
no_matter new 5 20 pwrite SHORT 1 1
first=4
for nth_first in 1 2; do
  no_matter killed 6 20 '*' EINTR "$nth_first" 2
  no_matter killed 6 10 'p*' SHORT "$nth_first" 2
done
no_matter killed 6 20 'p*' SHORT 1 1

# MARK: Reading

# unreadable LEAST PROGRAM ARGUMENT...: of a log of five lines, every read from the Nth on fails
unreadable() {
  local least=$1 program=$2 count status refused=0
  shift 2
  what="EIO of pread ($program $1)"
  for ((nth = 1; nth <= 1000; nth++)); do
    ok=1
    hit="not reached"
    start_on five
    plan pread EIO "$nth" 1 0
    limited env "${fault[@]}" "$bin/$program" "$@" "$data" </dev/null \
      >"$scratch/out" 2>"$scratch/errors"
    status=$?
    hit=$(first_fault)
    : "${hit:=not reached}"
    grep -q '^loaded' "$scratch/faults" 2>/dev/null || complain "the library was not loaded"
    case $status in
      # What cannot be read is never taken for damaged, or for not there.
      5) refused=$((refused + 1)) ;;
      0) ;;
      *) complain "status $status: $(tail -n 1 "$scratch/errors")" ;;
    esac
    [ "$hit" != "not reached" ] || [ $status -eq 0 ] || complain "status $status without a fault"
    if [ "$1" = read ]; then
      count=$(wc -l <"$scratch/out")
      lines 1 "$count" | cmp -s - "$scratch/out" || complain "other lines than were appended"
      [ $status -ne 0 ] || [ "$count" -eq 5 ] || complain "status 0, and $count of 5 lines"
    elif [ "$1" = verify ] && [ $status -eq 0 ]; then
      [ "$hit" = "not reached" ] || complain "clean, and not all of it could be read"
    fi
    # Whoever could not read has taken nothing away.
    limited "$bin/raftlog" read --data "$data" >"$scratch/read" 2>"$scratch/words" \
      || complain "read without the fault: status $?: $(tail -n 1 "$scratch/words")"
    lines 1 5 | cmp -s - "$scratch/read" || complain "what was there is not there any more"
    score
    [ "$hit" != "not reached" ] || break
  done
  expected "$what: only $((nth - 1)) calls failed, not $least" $((nth - 1)) -ge "$least"
  expected "$what: refused only $refused times" "$refused" -ge "$least"
}

# short_reads PROGRAM ARGUMENT...: reads that are interrupted or give less change nothing
short_reads() {
  local program=$1 kind status
  shift
  nth=1
  start_on five
  "$bin/$program" "$@" "$data" >"$scratch/wanted" 2>/dev/null
  for kind in EINTR SHORT; do
    what="$kind of pread ($program $1)"
    ok=1
    start_on five
    plan pread $kind 1 2 0
    limited env "${fault[@]}" "$bin/$program" "$@" "$data" >"$scratch/out" 2>"$scratch/errors"
    status=$?
    hit=$(first_fault)
    [ -n "$hit" ] || complain "no call failed"
    [ $status -eq 0 ] || complain "status $status: $(tail -n 1 "$scratch/errors")"
    cmp -s "$scratch/wanted" "$scratch/out" || complain "it printed something else"
    score
  done
}

echo "== reads that fail"
for i in 1 2 3 4 5; do
  line "$i" | "$bin/raftlog" append --data "$scratch/five" --segment-bytes 16384 --codec none \
    2>/dev/null
done
unreadable 10 raftlog read --data
unreadable 10 walinspect verify
unreadable 5 raftlog append --data
short_reads raftlog read --data
short_reads walinspect verify

[ -t 2 ] && printf '\r\033[K' >&2
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
