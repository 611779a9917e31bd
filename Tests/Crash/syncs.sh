#!/usr/bin/env bash
# Shows that the calls really happen, in their order: what the simulator takes for granted of the
# POSIX side. The real raftlog runs under strace, and the trace is held against these rules:
#
#   - when an index is acknowledged, the write of the batch that holds it has been synced, and so
#     has every write of a batch before it;
#   - and so has the directory that got the name of a segment that holds it, or of a vote file, and
#     the one in which the log's directory, or one above it, or quarantine/ was made; and before the
#     first one the names of the manifests;
#   - when a file gets its name, everything that was written to it has been synced;
#   - when a manifest changes, every segment that it may name has a name that has been synced, and
#     where segments were removed, so has that;
#   - of two copies (manifests, votes) one has been synced when the other is written.
#
# A sync counts for what was done when it began, and from when it has ended.
#
#   RAFTLOG_BIN=FOLDER Tests/Crash/syncs.sh
#
# Ends with `N passed, N failed`. Needs strace, and to be allowed to trace; in CI (`CI` is set) it
# fails without, elsewhere it says so.
set -uo pipefail
export SWIFT_BACKTRACE=enable=no
. "$(dirname "$0")/../limited.sh"

bin=${RAFTLOG_BIN:?set RAFTLOG_BIN to the folder that holds raftlog}
scratch=$(mktemp -d) || exit 1
# strace shows what the kernel calls a file.
scratch=$(cd "$scratch" && pwd -P)
tracer=
# Only this shell cleans up: a child that is killed before it has begun would run the trap, too.
cleanup() {
  [ "$BASHPID" = "$$" ] || return
  [ -n "$tracer" ] && end_traced
  rm -rf "$scratch"
}
# strace takes no signals while it writes to a file; it ends with what it traces, which is the first
# process of the trace.
end_traced() { kill -9 "$(awk '{ print $1; exit }' "$scratch/trace")" 2>/dev/null; }
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
passed=0
failed=0
: >"$scratch/trace"

unable() { # unable WHY: nothing can be tested here
  echo "$1: nothing was tested" >&2
  if [ -n "${CI:-}" ]; then echo "0 passed, 1 failed"; exit 1; fi
  echo "0 passed, 0 failed"
  exit 0
}
command -v strace >/dev/null || unable "there is no strace here"
strace -f -o "$scratch/trace" true 2>"$scratch/errors" \
  || unable "strace may not trace here ($(tail -n 1 "$scratch/errors"))"

# Reads a trace; prints what breaks a rule, and how much it saw. Variables: root, below which all of
# it happens; next_index, the first that may be acknowledged; alone, 1 where no other thread changes
# the manifest; need, counts that there must be at least.
cat >"$scratch/rules.awk" <<'AWK'
BEGIN { hex = "0123456789abcdef" }

function broken(what) { print "line " NR ": " what; bad++ }

# What strace -y says of a descriptor: call(3</path/of/file>, ...
function described(text) {
  return match(text, /<[^>]*>/) ? substr(text, RSTART + 1, RLENGTH - 2) : ""
}
function folder(path) { sub(/\/[^\/]*$/, "", path); return path }
function base(path) { sub(/.*\//, "", path); return path }
# The path that the call's nth quoted name means, beside the descriptor in front of it, if any.
function target(text, nth,   parts, place) {
  split(text, parts, "\"")
  if (parts[2 * nth] ~ /^\//) return parts[2 * nth]
  place = parts[2 * nth - 1]
  return (match(place, /<[^>]*>/) ? substr(place, RSTART + 1, RLENGTH - 2) : "?") "/" parts[2 * nth]
}
function below(path) { return index(path, root "/") == 1 }
# The result of a call that has returned: -1 if it failed.
function result(text) { sub(/.*\) += +/, "", text); return text + 0 }
# The last argument of a call, whether it has returned or not.
function last_argument(text) {
  sub(/\) += .*$/, "", text)
  sub(/ *<unfinished \.\.\.>$/, "", text)
  sub(/.*, /, "", text)
  return text + 0
}
# A little-endian number of four bytes in the first quoted string, which strace -x shows as \x..
function number(text, at,   start, i, digits, sum) {
  start = index(text, "\"") + 1
  for (i = 3; i >= 0; i--) {
    digits = substr(text, start + 4 * (at + i) + 2, 2)
    sum = sum * 256 + 16 * index(hex, substr(digits, 1, 1)) + index(hex, substr(digits, 2, 1)) - 17
  }
  return sum
}
function is_batch(text) {
  return text ~ /"\\x52\\x4c\\x46\\x31/ && number(text, 8) % 256 == 1
}
# The first index of a segment, which is in its name.
function first_of(segment) {
  sub(/.*-/, "", segment)
  sub(/\.wal$/, "", segment)
  return segment + 0
}

# Writes that no sync has covered: file, first index of the batch (0 for anything else), its last
# index, and the line at which the write ended, 0 while it goes on.
function is_unsynced(f,   id) { for (id in file) if (file[id] == f) return 1; return 0 }
function other_copy(f) {
  if (f ~ /[01]$/) return substr(f, 1, length(f) - 1) (f ~ /0$/ ? 1 : 0)
  return ""
}
# Names that no sync of their directory has covered: kind, path, and the line of the change.
function changed(kind, path) {
  id_max++
  kinds[id_max] = kind; names[id_max] = path; since[id_max] = NR
}
function kind_of(path) {
  if (path ~ /\.wal$/) return "segment"
  if (base(path) ~ /^(vote|MANIFEST)-[01]$/) return "state"
  return ""
}
function manifest_changes(   id) {
  for (id in kinds) {
    if (kinds[id] == "segment") broken("a manifest changes, and the name " names[id] " is unsynced")
    if (kinds[id] == "gone" && alone)
      broken("a manifest changes, and the end of " names[id] " is unsynced")
  }
}

function acknowledged(bytes,   id) {
  for (total += bytes; printed < total; next_index++) {
    printed += length(next_index "") + 1
    indices++
  }
  acks++
  for (id in file) {
    if (first[id] > 0 && first[id] < next_index)
      broken(next_index - 1 " is acknowledged, and entries from " first[id] " on are unsynced")
  }
  if (synced < next_index - 1)
    broken(next_index - 1 " is acknowledged, and batches are synced up to " synced)
  for (id in kinds) {
    if (kinds[id] == "segment" ? first_of(names[id]) < next_index : kinds[id] == "directory" ||
        (kinds[id] == "state" && (acks == 1 || names[id] ~ /vote/)))
      broken(next_index - 1 " is acknowledged, and the name " names[id] " is unsynced")
  }
}

function begins(pid, call, text,   f, id) {
  if (call == "write") {
    if (text ~ /^write\(1</) acknowledged(last_argument(text))
  } else if (call ~ /^pwrite|^ftruncate|^fallocate/) {
    f = described(text)
    if (!below(f)) return
    id = going[pid] = ++id_max
    file[id] = f; ended[id] = 0; first[id] = 0
    if (call ~ /^pwrite/ && is_batch(text)) {
      first[id] = number(text, 88)
      last[id] = first[id] + number(text, 104) - 1
      batches++
    }
    if (base(f) ~ /^(vote|MANIFEST)-[01]$/ && is_unsynced(other_copy(f)))
      broken(f " is written, and the other copy is unsynced")
    if (base(f) ~ /^MANIFEST-[01]$/) manifest_changes()
    writes++
  } else if (call ~ /sync/) {
    began[pid] = NR
  } else if (call ~ /^rename/) {
    if (is_unsynced(target(text, 1)))
      broken(target(text, 1) " was written, and is unsynced when it becomes " target(text, 2))
    if (base(target(text, 2)) ~ /^MANIFEST-[01]$/) manifest_changes()
  }
}

function ends(pid, call, text,   f, id) {
  if (call ~ /^pwrite|^ftruncate|^fallocate/) {
    if (pid in going) ended[going[pid]] = NR
    delete going[pid]
  } else if (call ~ /sync/) {
    f = described(text)
    if (result(text) != 0) { broken("a sync that failed"); return }
    for (id in file) if (file[id] == f && ended[id] > 0 && ended[id] < began[pid]) {
      if (first[id] > 0 && last[id] > synced) synced = last[id]
      delete file[id]; delete first[id]; delete last[id]; delete ended[id]
    }
    for (id in kinds) if (folder(names[id]) == f && since[id] < began[pid]) {
      delete kinds[id]; delete names[id]; delete since[id]
    }
    syncs++
  } else if (result(text) < 0) {
    return
  } else if (call ~ /^rename/) {
    f = target(text, 2)
    if (!below(f)) return
    if (kind_of(f) != "") changed(kind_of(f), f)
    if (folder(target(text, 1)) != folder(f)) changed("directory", target(text, 1))
    renames++
  } else if (call ~ /^mkdir/) {
    f = target(text, 1)
    sub(/\/+$/, "", f)
    if (below(f)) { changed("directory", f); directories++ }
  } else if (call ~ /^unlink/) {
    f = target(text, 1)
    if (!below(f)) return
    if (f ~ /\.wal$/) { changed("gone", f); removals++ }
  } else if (call == "creat" || text ~ /O_CREAT/) {
    f = target(text, 1)
    if (!below(f)) return
    if (kind_of(f) != "") changed(kind_of(f), f)
    creations++
  }
}

{
  pid = $1
  text = substr($0, length($1) + 1)
  sub(/^ +/, "", text)
  if (text ~ /^<\.\.\. /) {
    sub(/^<\.\.\. [a-z0-9_]+ resumed>/, "", text)
    ends(pid, call_of[pid], kept[pid] text)
    next
  }
  if (text !~ /^[a-z0-9_]+\(/) next
  call = text
  sub(/\(.*/, "", call)
  begins(pid, call, text)
  if (text ~ /<unfinished \.\.\.>$/) {
    call_of[pid] = call
    kept[pid] = text
    sub(/ *<unfinished \.\.\.>$/, "", kept[pid])
  } else {
    ends(pid, call, text)
  }
}

END {
  printf "%d indices in %d acknowledgements, ", indices, acks
  printf "%d batches, %d writes, %d syncs, %d renames, ", batches, writes, syncs, renames
  printf "%d files and %d directories made, %d segments removed\n", creations, directories, removals
  seen["indices"] = indices; seen["batches"] = batches; seen["syncs"] = syncs
  seen["renames"] = renames; seen["creations"] = creations; seen["directories"] = directories
  seen["removals"] = removals
  count = split(need, wanted, " ")
  for (i = 1; i <= count; i++) {
    split(wanted[i], pair, "=")
    if (!(pair[1] in seen) || seen[pair[1]] < pair[2] + 0)
      broken("there should be " wanted[i] " at least")
  }
  exit bad > 0
}
AWK

# MARK: One case

data=$scratch/d
# Whatever makes, removes, names, writes or syncs a file. A ? for what not every machine has.
calls="pwrite64,?pwritev,?pwritev2,ftruncate,fallocate,write,fdatasync,fsync"
calls+=",?rename,?renameat,renameat2,?open,openat,?creat,?mkdir,mkdirat,?unlink,unlinkat"

traced() { # traced COMMAND...: replaces this shell
  exec strace -f -y -qq -x -s 112 -e "trace=$calls" -e signal=none -o "$scratch/trace" "$@"
}

judge() { # judge NAME ALONE NEED STATUS
  local words status
  words=$(awk -v root="$scratch" -v next_index="$next" -v alone="$2" -v need="$3" \
    -f "$scratch/rules.awk" "$scratch/trace")
  status=$?
  if [ $status -eq 0 ] && [ "$4" -eq 0 ]; then
    passed=$((passed + 1))
    echo "ok      $1: $(tail -n 1 <<<"$words")"
  else
    failed=$((failed + 1))
    echo "FAILED  $1 (status $4): $(head -n 5 <<<"$words"; tail -n 1 <<<"$words"
      tail -n 2 "$scratch/errors")"
  fi
}

# The index that the next line gets.
find_next() { next=$(($("$bin/raftlog" read --data "$data" 2>/dev/null | wc -l) + gone + 1)); }
gone=0

# by_line NAME COUNT NEED ARGUMENT...: a line at a time, each sent when the one before was
# acknowledged
by_line() {
  local name=$1 count=$2 need=$3 ack i status pad
  shift 3
  pad=$(head -c 1000 /dev/zero | tr '\0' x)
  find_next
  (traced "$bin/raftlog" append --data "$data" --acks "$@") \
    <"$scratch/in" >"$scratch/acks" 2>"$scratch/errors" &
  tracer=$!
  exec 8>"$scratch/in" 7<"$scratch/acks"
  # The writer may be gone when a line is sent to it; a handler is not handed down to programs.
  trap : PIPE
  for ((i = next; i < next + count; i++)); do
    echo "line $i $pad" >&8 2>/dev/null
    read -r -t "$hang_s" ack <&7 || break
    [ "$ack" = "$i" ] || break
  done
  trap - PIPE
  exec 8>&-
  # Its end closes the acknowledgements; there is nothing more to be read before that.
  read -r -t "$hang_s" ack <&7
  [ $? -le 128 ] || { end_traced; echo "it hangs" >>"$scratch/errors"; }
  wait "$tracer"
  status=$?
  tracer=
  exec 7<&-
  judge "$name" 0 "$need indices=$count" $status
}

# A killed writer leaves a tail that opening copies, in a segment of its own.
kill_a_writer() {
  local ack writer
  "$bin/raftlog" append --data "$data" --acks <"$scratch/in" >"$scratch/acks" 2>/dev/null &
  writer=$!
  exec 8>"$scratch/in" 7<"$scratch/acks"
  echo "one more" >&8
  read -r -t "$hang_s" ack <&7 || echo "no acknowledgement of what is killed then, but '$ack'" >&2
  { kill -9 "$writer"; wait "$writer"; } 2>/dev/null
  exec 8>&- 7<&-
}

# stream NAME NEED ARGUMENT...: standard input, as fast as it goes
stream() {
  local name=$1 need=$2
  shift 2
  find_next
  (traced "$bin/raftlog" append --data "$data" --acks "$@") >"$scratch/out" 2>"$scratch/errors"
  judge "$name" 0 "$need" $?
}

mkfifo "$scratch/in" "$scratch/acks"
by_line "a new log, a line at a time" 5 "batches=5 syncs=10 creations=6 renames=2 directories=1"
by_line "opened again" 5 "batches=5 syncs=8 renames=2"

kill_a_writer
by_line "opened after a kill" 3 "batches=3 syncs=8 renames=2"

data=$scratch/on/the/way
by_line "segments that roll, a line at a time, in a directory made on the way" 40 \
  "batches=40 syncs=160 renames=15 directories=3" --segment-bytes 16384 --codec none
find_next
gone=$((next - 5))
(traced "$bin/raftlog" compact --data "$data" --through "$gone") >"$scratch/out" 2>"$scratch/errors"
judge "compaction" 1 "removals=10 syncs=4" $?
by_line "lines after compaction" 10 "batches=10 renames=3" --segment-bytes 16384 --codec none
gone=0

for mode in always interval never; do
  data=$scratch/$mode
  stream "a stream, segments that roll ($mode)" "indices=1500000 batches=5 renames=6" \
    --segment-bytes 65536 --codec none --sync $mode < <(seq 1 1500000)
done
data=$scratch/large
stream "large batches" "indices=2000 batches=2" \
  < <(yes "$(head -c 3000 /dev/zero | tr '\0' x)" | head -n 2000)
data=$scratch/slow
by_line "a line at a time, synced now and then" 5 "batches=5" --sync interval

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
