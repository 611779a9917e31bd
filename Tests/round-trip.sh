#!/usr/bin/env bash
# Many lines go into a log and come back the same, and neither program needs much memory for it.
#
#   round-trip.sh [LINES]        default 5000000
#
# What must hold: `raftlog append` takes all lines of `seq`, `raftlog read` prints the same bytes,
# and the resident set of either stays below 100 MB at its peak (100,000,000 bytes, as the kernel
# counts them when the process has ended).
#
# RAFTLOG_BIN names the folder with the programs; TMPDIR has to have room for 20 bytes a line. Needs
# time(1), not the shell's own. Ends with a line `N passed, N failed`.
set -u
export SWIFT_BACKTRACE=enable=no
. "$(dirname "$0")/limited.sh"

count=${1:-5000000}
case $count in '' | *[!0-9]*) count=0 ;; esac
if [ "$count" -lt 1 ]; then echo "usage: $0 [LINES]" >&2; exit 64; fi
bin=${RAFTLOG_BIN:?set RAFTLOG_BIN to the folder that holds raftlog}
time=$(type -P time) || { echo "time(1) is not installed"; echo "0 passed, 1 failed"; exit 1; }
bytes_max=100000000
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
passed=0
failed=0

expect() { # expect WHAT CONDITION...
  local what=$1
  shift
  if [ "$@" ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "$what"; fi
}
say() { if [ -t 2 ]; then printf '\r\033[K%s' "$*" >&2; fi; }

# It has to end the program itself, and not what measures it.
ending=()
if command -v timeout >/dev/null; then ending=(timeout --foreground -k 10 "$hang_s"); fi
# measured NAME COMMAND...: the peak goes to NAME.peak, the rest is the command's
measured() {
  if [ "$(uname)" = Darwin ]; then "$time" -l -o "$scratch/$1.peak" "${@:2}"
  else "$time" -f 'peak %M' -o "$scratch/$1.peak" "${ending[@]}" "${@:2}"; fi
}
peak_bytes() { # peak_bytes NAME: 0 if it was not measured
  awk '/^peak [0-9]/ { bytes = $2 * 1024 } /maximum resident set size/ { bytes = $1 }
    END { printf "%.0f\n", bytes }' "$scratch/$1.peak" 2>/dev/null || echo 0
}
check_peak() { # check_peak NAME
  local bytes
  bytes=$(peak_bytes "$1")
  echo "$1: $bytes bytes resident at the peak"
  # No program runs in less than half a megabyte: that would be a measurement that went wrong.
  expect "$1: the peak was not measured" "$bytes" -gt 500000
  expect "$1: the peak is over $bytes_max bytes" "$bytes" -lt $bytes_max
}

say "appending $count lines"
seq 1 "$count" | measured append "$bin/raftlog" append --data "$scratch/log" 2>"$scratch/errors"
status=("${PIPESTATUS[@]}")
expect "append: status ${status[1]}: $(tail -n 1 "$scratch/errors")" "${status[*]}" = "0 0"
expect "append: $(tail -n 1 "$scratch/errors")" \
  "$(awk 'END { print $1 }' "$scratch/errors")" = "$count"
say "reading $count lines"
measured read "$bin/raftlog" read --data "$scratch/log" 2>"$scratch/errors" |
  cmp - <(seq 1 "$count")
status=("${PIPESTATUS[@]}")
expect "read: status ${status[0]}: $(tail -n 1 "$scratch/errors")" "${status[0]}" -eq 0
expect "read: other lines than were appended" "${status[1]}" -eq 0
say ""
check_peak append
check_peak read

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
