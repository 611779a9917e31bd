#!/usr/bin/env bash
# Shows that the calls really happen, in their order: what the simulator takes for granted of the
# POSIX side. The real raftlog runs under strace, and the trace is held against three rules:
#
#   - when a file gets its name, everything that was written to it has been synced;
#   - when an index is acknowledged, every write to a segment before it has been synced;
#   - when an index is acknowledged, every directory that got or lost a name has been synced.
#
# The last two are checked where lines come one at a time: in a stream the next batch is being
# written while the last one is acknowledged.
#
#   RAFTLOG_BIN=FOLDER Tests/Crash/syncs.sh
#
# Ends with `N passed, N failed`. Needs strace; in CI (`CI` is set) it fails without, elsewhere it
# says so.
set -uo pipefail

bin=${RAFTLOG_BIN:?the folder with the programs}
if ! command -v strace >/dev/null; then
  echo "there is no strace here: nothing was tested" >&2
  [ -z "${CI:-}" ]
  exit
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export SWIFT_BACKTRACE=enable=no
passed=0
failed=0

# Reads a trace; prints what breaks a rule, and how many acknowledgements it saw.
cat >"$scratch/rules.awk" <<'AWK'
# The file of a call, as strace -y shows it: call(3</path/of/file>, ...
function file(text) { return match(text, /<\/[^>]*>/) ? substr(text, RSTART + 1, RLENGTH - 2) : "" }
function folder(path) { sub(/\/[^\/]*$/, "", path); return path }
function quoted(text, which,   parts) { split(text, parts, "\""); return parts[2 * which] }
function full(name) { return name ~ /^\// ? name : data "/" name }
# Bytes that a pwrite is given.
function size(text,   parts) {
  if (!match(text, /, [0-9]+, [0-9]+(\)| <unf)/)) return 0
  split(substr(text, RSTART + 2), parts, ",")
  return parts[1] + 0
}
function broken(what) { print "line " NR ": " what; bad++ }
function acknowledged(   f) {
  acks++
  if (streams) return
  for (f in large) broken("acknowledged with " f " unsynced")
  for (f in moved) broken("acknowledged with the directory " f " unsynced")
}
function named(from, to) {
  if (full(from) in dirty) broken(from " was written, and not synced before it became " to)
  moved[folder(full(to))] = 1
  moved[folder(full(from))] = 1
  renames++
}
function done(call, text) {
  if (text !~ /= 0( |$)/ && call ~ /sync/) { broken("a sync that failed"); return }
  if (call ~ /sync/) { delete dirty[file(text)]; delete large[file(text)]; delete moved[file(text)]; syncs++ }
}
{
  pid = $1
  text = substr($0, length($1) + 1)
  sub(/^ +/, "", text)
  resumed = text ~ /^<\.\.\. /
  if (resumed) { call = begun[pid]; text = kept[pid] text } else { call = text; sub(/\(.*/, "", call) }
  unfinished = text ~ /<unfinished \.\.\.>$/
  if (!resumed) {
    if (call ~ /^pwrite/) {
      dirty[file(text)] = 1
      # A batch of these lines takes two pages. One page is a marker, which may come at any time.
      if (file(text) ~ /\.wal$/ && size(text) > 4096) large[file(text)] = 1
      writes++
    }
    if (call ~ /^rename/) named(quoted(text, 1), quoted(text, 2))
    if (call == "write" && text ~ /^write\(1</) acknowledged()
  }
  if (unfinished) { begun[pid] = call; kept[pid] = text; next }
  if (call ~ /sync/) done(call, text)
}
END {
  printf "%d acknowledged, %d writes, %d syncs, %d renames\n", acks, writes, syncs, renames
  exit bad > 0 || acks < least || writes < least || syncs < least || renames < 2
}
AWK

# check NAME STREAMS LEAST ARGUMENT...: appends standard input and holds the trace against the rules;
# LEAST is how many acknowledgements, writes and syncs there must be at least
check() {
  local name=$1 streams=$2 least=$3
  shift 3
  strace -f -y -qq -o "$scratch/trace" \
    -e trace=pwrite64,pwritev,fdatasync,fsync,rename,renameat,renameat2,write \
    "$bin/raftlog" append --data "$scratch/d" --acks "$@" >"$scratch/acks" 2>"$scratch/errors"
  local status=$?
  local words
  words=$(awk -v data="$scratch/d" -v streams="$streams" -v least="$least" \
    -f "$scratch/rules.awk" "$scratch/trace")
  if [ $? -eq 0 ] && [ $status -eq 0 ]; then
    passed=$((passed + 1))
    echo "ok      $name: $(tail -n 1 <<<"$words")"
  else
    failed=$((failed + 1))
    echo "FAILED  $name (status $status): $(tail -n 5 <<<"$words"; tail -n 2 "$scratch/errors")"
  fi
}

slowly() { # a line at a time, each sent when the one before was acknowledged
  local i pad
  pad=$(head -c 5000 /dev/zero | tr '\0' x)
  for i in $(seq "$1"); do
    echo "line $i $pad"
    until [ "$(wc -l <"$scratch/acks")" -ge "$i" ]; do read -rt 0.01 <> <(:); done
  done
}

: >"$scratch/acks"
check "a new log, a line at a time" 0 5 --codec none < <(slowly 5)
: >"$scratch/acks"
check "opened again" 0 5 --codec none < <(slowly 5)
check "segments that roll" 1 1 --segment-bytes 65536 --codec none < <(seq 1 200000)
check "large batches" 1 2 --codec none \
  < <(yes "$(head -c 3000 /dev/zero | tr '\0' x)" | head -n 2000)

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
