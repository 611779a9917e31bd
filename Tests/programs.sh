#!/usr/bin/env bash
# Holds raftlog and walinspect to their contract: statuses, words, streams, and what is left behind.
#
# RAFTLOG_BIN names the folder with the programs. Ends with a line `N passed, N failed`.
set -u
. "$(dirname "$0")/limited.sh"

bin=${RAFTLOG_BIN:?set RAFTLOG_BIN to the folder that holds raftlog and walinspect}
bin=$(cd "$bin" && pwd) || exit 1
here=$(cd "$(dirname "$0")" && pwd) || exit 1
scratch=$(mktemp -d) || exit 1
writer=
# Other programs that are at work.
beside=()
# Only this shell cleans up: a child that ends early would run the trap, too.
cleanup() {
  [ "$BASHPID" = "$$" ] || return
  local pid
  for pid in $writer ${beside[@]+"${beside[@]}"}; do kill -9 "$pid" 2>/dev/null; done
  rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$scratch" || exit 1
exec </dev/null
unset NO_COLOR COLUMNS LC_ALL LC_CTYPE
export LANG=C.UTF-8

passed=0
failed=0
pass() { passed=$((passed + 1)); }
# Names the line of this script that was not kept, whatever function found it out.
fail() { failed=$((failed + 1)); echo "line ${BASH_LINENO[${#BASH_LINENO[@]} - 2]}: $*"; }

# A moment, while polling; not a wait for anything by itself.
mkfifo .never
breathe() { read -rt 0.01 <>.never || true; }
raftlog() { limited "$bin/raftlog" "$@"; }
walinspect() { limited "$bin/walinspect" "$@"; }

# expect STATUS WORDS COMMAND...: it ends with STATUS, and what it says on standard error matches
# WORDS; `-` for nothing at all, and nothing for anything.
expect() {
  local expected=$1 words=$2 status
  shift 2
  "$@" >out 2>err
  status=$?
  if [ $status -ne "$expected" ]; then
    fail "$*: status $status, not $expected: $(head -n 2 err)"
  elif [ "$words" = - ] && [ -s err ]; then
    fail "$*: says '$(head -n 2 err)'"
  elif [ "$words" != - ] && [ -n "$words" ] && ! grep -qE -e "$words" err; then
    fail "$*: says '$(head -n 2 err)', and not '$words'"
  else
    pass
  fi
}

# The last command printed this, a line an argument, and nothing else.
printed() {
  if [ $# -eq 0 ]; then : >wanted; else printf '%s\n' "$@" >wanted; fi
  if cmp -s wanted out; then pass; else fail "printed '$(head -n 3 out)', and not '$*'"; fi
}

# The last command printed what this file holds.
printed_file() { if cmp -s "$1" out; then pass; else fail "printed '$(head -n 3 out)'"; fi; }

# has FILE PATTERN: the file has a line that matches.
has() { if grep -qE -e "$2" "$1"; then pass; else fail "no '$2' in '$(tail -n 3 "$1")'"; fi; }

# The last command printed a line that matches.
shows() { has out "$1"; }

# The last line that the last command printed matches.
ends_with() { if tail -n 1 out | grep -qE -e "$1"; then pass; else fail "ends '$(tail -n 1 out)'"; fi; }

# A condition of test(1).
holds() { if [ "$@" ]; then pass; else fail "not so: $*"; fi; }

# append DIR LINE...: a log with these lines more.
append() { local data=$1; shift; printf '%s\n' "$@" | raftlog append --data "$data" 2>/dev/null; }

# Everything that can be seen of a directory's files.
picture() { (cd "$1" && find . -type f -exec cksum {} + | sort -k 3); }

# start DIR OPTION...: a writer that lives. Lines go to descriptor 8, acknowledgements come from 7.
start() {
  rm -f in acks
  mkfifo in acks
  "$bin/raftlog" append --data "$@" --acks <in >acks 2>live.err &
  writer=$!
  exec 8>in 7<acks
}
# send LINE...: sends lines, and waits until the last of them is acknowledged.
send() {
  local ack line
  for line in "$@"; do
    # The writer may be gone; a handler is not handed down to programs.
    trap : PIPE
    echo "$line" >&8 2>/dev/null
    trap - PIPE
    # It ends with the writer; the limit is for one that hangs.
    read -r -t "$hang_s" ack <&7 || { fail "no acknowledgement of '$line'"; return; }
    case $ack in '' | *[!0-9]*) fail "'$ack' acknowledges '$line'" ;; esac
  done
}
# await_end PID: waits until a program has ended, and keeps its status. One that goes on for ever
# fails.
await_end() {
  local end=$((SECONDS + hang_s))
  while kill -0 "$1" 2>/dev/null; do
    if [ $SECONDS -ge $end ]; then
      fail "process $1 hangs"
      kill -9 "$1"
      break
    fi
    breathe
  done
  wait "$1" 2>/dev/null
  ended=$?
}
# Waits until the writer has ended.
finish() {
  await_end "$writer"
  writer=
  exec 8>&- 7<&-
}
stop_here() { kill -9 "$writer"; finish; }

# CRC32C of what a header's checksum covers, and its place: bytes 12 to 512, at byte 8.
crc32c() {
  local crc=$((0xFFFFFFFF)) byte i
  for byte in $(od -An -v -tu1 -j 12 -N 500 "$1"); do
    crc=$((crc ^ byte))
    for i in 1 2 3 4 5 6 7 8; do crc=$(((crc >> 1) ^ (0x82F63B78 & -(crc & 1)))); done
  done
  echo $((crc ^ 0xFFFFFFFF))
}
stored_crc() { od -An -tu1 -j 8 -N 4 "$1" | awk '{ printf "%.0f\n", $1 + 256 * ($2 + 256 * ($3 + 256 * $4)) }'; }
# shellcheck disable=SC2059 # bytes, written as escapes
poke() { printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }
# Says that the file was written by a program of version 2, checksum and all.
make_newer() {
  local crc
  poke "$1" 12 '\2\0'
  crc=$(crc32c "$1")
  poke "$1" 8 "$(printf '\\x%02x\\x%02x\\x%02x\\x%02x' $((crc & 255)) $((crc >> 8 & 255)) \
    $((crc >> 16 & 255)) $((crc >> 24 & 255)))"
}

echo "== usage"
expect 0 - raftlog --version
holds "$(cat out)" = "$("$bin/walinspect" --version)"
expect 64 bogus raftlog bogus
expect 64 --data raftlog append
expect 64 --data raftlog append --data
expect 64 empty raftlog append --data ''
expect 64 extra raftlog append --data new extra
expect 64 'auto.*none.*lz4' raftlog append --data new --codec zip
expect 64 'always.*interval.*never' raftlog append --data new --sync often
expect 64 --segment-bytes raftlog append --data new --segment-bytes x
expect 64 '--segment-bytes takes 16384 to' raftlog append --data new --segment-bytes 16383
expect 64 '--max-entry-bytes takes 1 to' raftlog append --data new --max-entry-bytes 0
expect 64 '--max-entry-bytes takes 1 to' raftlog append --data new --max-entry-bytes 67108865
expect 64 'start at 1' raftlog read --data new --from 0
expect 64 'start at 1' raftlog read --data new --to 0
expect 64 '--to 2 is below --from 5' raftlog read --data new --from 5 --to 2
expect 64 --from raftlog read --data new --from 18446744073709551616
expect 64 --through raftlog compact --data new
expect 64 --after raftlog truncate --data new --after x
expect 64 bogus walinspect bogus
expect 64 bogus walinspect ls --bogus new
for command in ls stat terms dump verify explain follow repair; do
  expect 64 path walinspect "$command"
  expect 64 empty walinspect "$command" ''
done
expect 64 to walinspect salvage new
expect 64 '--to is empty' walinspect salvage new --to ''
expect 64 '<b>' walinspect diff new
expect 64 'start at 1' walinspect follow new --from 0
expect 64 'below' walinspect dump new --from 5 --to 2
expect 64 accept-loss walinspect repair new --accept-loss 5-2
expect 64 'exclude' "$bin/raftlog-sim" storage --seed 1 --seeds 1-2
expect 64 'sequences takes 1 or more' "$bin/raftlog-sim" storage --sequences 0
for seeds in 0 2-1 x 1-2-3; do
  expect 64 FIRST-LAST "$bin/raftlog-sim" storage --seeds $seeds
done
# A number of seeds is that many from 1 on; one seed has an option of its own.
expect 0 - "$bin/raftlog-sim" sectors --seeds 2
holds "$(grep -c '^seed 1,' out)" -gt 0
holds "$(grep -c '^seed 2,' out)" -gt 0
expect 0 - "$bin/raftlog-sim" sectors --seed 2
holds "$(grep -c '^seed 1,' out)" -eq 0
holds "$(grep -c '^seed 2,' out)" -gt 0
# No script passes without a round.
export RAFTLOG_BIN=$bin
for script in round-trip.sh Crash/kill-restart.sh Crash/pause.sh Crash/images.sh; do
  for count in 0 00 x; do expect 64 usage "$here/$script" $count; done
done
# A name that is no text would become another one, and so another directory.
strange=$'not\xfftext'
expect 64 'argument 3, not\\xfftext, is not valid UTF-8' raftlog append --data "$strange"
expect 64 'argument 2, not\\xfftext, is not valid UTF-8' walinspect ls "$strange"
holds "$(ls)" = "$(printf 'err\nout')"
holds ! -e new

echo "== no log there"
mkdir empty foreign
echo work >foreign/thesis.txt
echo text >file
mkfifo pipe
ln -s loop loop
for path in nowhere empty foreign file file/below pipe; do
  expect 66 "$path" raftlog read --data "$path"
  expect 66 "$path" raftlog compact --data "$path" --through 1
  expect 66 "$path" raftlog truncate --data "$path" --after 1
  for command in ls stat terms dump explain follow 'salvage --to -' repair 'repair --apply'; do
    # shellcheck disable=SC2086
    expect 66 "no log at.*name the directory" walinspect $command "$path"
  done
  expect 66 'no log' walinspect verify "$path"
  ends_with '^verdict: no log$'
  expect 66 'no log' walinspect verify --json "$path"
  ends_with '^\{"format":"walinspect.verify/1","type":"verdict".*"status":66'
  expect 66 'no log' walinspect diff "$path" empty
done
expect 66 'there is no such directory; name the directory of a log with --data' \
  raftlog read --data nowhere
holds ! -e nowhere
holds -z "$(ls empty)"
expect 64 'thesis.txt.*another' raftlog append --data foreign
holds "$(ls foreign)" = thesis.txt
expect 64 'directory' raftlog append --data file
expect 64 'directory' raftlog append --data file/below
expect 5 'loop.*see that the path is right' raftlog append --data loop
expect 5 'loop.*see that the path is right' raftlog read --data loop
expect 5 'loop.*see that the path is right' walinspect verify loop
ends_with '^verdict: I/O error$'

echo "== append and read"
expect 0 '^0 entries, 0 bytes, [0-9.]+ seconds, [0-9]+ syncs?$' raftlog append --data made/on/the/way
expect 0 - raftlog read --data made/on/the/way
printed
printf 'a\n\nb\r\nc\0d\nlast' >input
expect 0 '^5 entries, 10 bytes,' raftlog append --data log --acks <input
printed 1 2 3 4 5
has err ' [0-9]+ syncs?$'
expect 0 - raftlog read --data log
printf 'a\n\nb\r\nc\0d\nlast\n' >input.lines
printed_file input.lines
expect 0 - raftlog read --data log --json --to 3
printed '{"format":"raftlog.entry/1","index":1,"term":0,"kind":"data","crc":"c1d04330","payload":"YQ=="}' \
  '{"format":"raftlog.entry/1","index":2,"term":0,"kind":"data","crc":"00000000","payload":""}' \
  '{"format":"raftlog.entry/1","index":3,"term":0,"kind":"data","crc":"e9902ee9","payload":"Yg0="}'
expect 0 - raftlog read --data log --from 5 --to 99
printed last
expect 0 - raftlog read --data log --from 6
printed
expect 0 - raftlog read --data log --from 18446744073709551615 --json
printed
expect 0 - raftlog read --data log --follow --from 5 --to 5
printed last
expect 65 'line 2 is longer than 10 bytes' \
  raftlog append --data long --acks --max-entry-bytes 10 < <(printf '0123456789\n01234567890\nshort\n')
printed 1
has err '^1 entry, 10 bytes,'
expect 65 'line 2 is longer than 10 bytes' \
  raftlog append --data long --max-entry-bytes 10 < <(printf 'x\n01234567890')
expect 0 - raftlog read --data long
printed 0123456789 x
expect 5 'standard input.*directory' raftlog append --data long <.
seq 1 300 >lines
for mode in always interval never; do
  for codec in auto none lz4; do
    expect 0 '^300 entries' raftlog append --data "$mode-$codec" --sync $mode --codec $codec --acks <lines
    printed_file lines
    expect 0 - raftlog read --data "$mode-$codec"
    printed_file lines
  done
done

echo "== both ends"
append ends one two three four
expect 0 'ends at entry 3' raftlog truncate --data ends --after 3
expect 0 'begins at entry 3' raftlog compact --data ends --through 2
expect 0 - raftlog read --data ends
printed three
expect 66 'entry 2 was compacted away.*begins at 3' raftlog read --data ends --from 2
expect 66 'begins at 3' raftlog read --data ends --to 2
expect 66 'begins at 3' raftlog read --data ends --from 1 --follow
expect 66 'begins at 3' walinspect follow ends --from 1
expect 66 'holds entry 3$' raftlog compact --data ends --through 4
expect 66 'holds entry 3$' raftlog truncate --data ends --after 4
expect 66 'holds entry 3$' raftlog truncate --data ends --after 1
expect 66 'holds' raftlog compact --data ends --through 18446744073709551615
expect 0 '' raftlog compact --data ends --through 1
expect 0 'ends at entry 2' raftlog truncate --data ends --after 2
expect 0 - raftlog read --data ends
printed
append ends again
expect 0 - raftlog read --data ends --from 3
printed again
expect 0 - walinspect verify ends
ends_with '^verdict: clean$'

echo "== streams that end early"
seq 1 200000 >many
raftlog append --data many.log <many 2>/dev/null
raftlog read --data many.log 2>err | head -n 1 >out
status=${PIPESTATUS[0]}
printed 1
# The reader may have gone before the last write, or not.
case $status in 0 | 141) pass ;; *) fail "status $status" ;; esac
holds ! -s err
walinspect dump many.log 2>err | head -n 1 >out
status=${PIPESTATUS[0]}
case $status in 0 | 141) pass ;; *) fail "status $status" ;; esac
holds ! -s err
if [ -c /dev/full ]; then
  full() { "$@" >/dev/full; }
  expect 5 'standard output.*incomplete' full raftlog read --data many.log
  expect 5 'standard output.*incomplete' full walinspect dump many.log
  expect 5 'acknowledgements' full raftlog append --data log --acks < <(echo more)
  expect 0 - raftlog read --data log --from 6
  printed more
fi
closed() { "$@" >&-; }
expect 5 'standard output' closed raftlog read --data log
expect 5 'acknowledgements' closed raftlog append --data closed --acks < <(echo more)
"$bin/raftlog" append --data closed --acks <&- >&- 2>&-
holds $? -eq 5
holds ! -s closed/LOCK
expect 0 - raftlog read --data closed
printed more
expect 0 - walinspect verify closed
# The reader of the acknowledgements goes away, and the input does not end.
start abandoned
exec 7<&-
echo one >&8
finish
holds $ended -eq 5
has live.err 'cannot print acknowledgements'
expect 0 - raftlog read --data abandoned
printed one
expect 0 - walinspect verify abandoned

echo "== a live writer"
start live
send one two
for command in append 'compact --through 1' 'truncate --after 1'; do
  # shellcheck disable=SC2086
  expect 6 'live is locked: another process' raftlog $command --data live
done
expect 6 'another process' walinspect repair live --apply
expect 0 - raftlog read --data live
printed one two
expect 0 - walinspect verify live
ends_with '^verdict: clean \(live\)$'
expect 0 - walinspect verify --json live
ends_with '"isLive":true'
expect 0 - walinspect stat live
shows 'at work'
for command in ls terms dump explain 'salvage --to -'; do
  # shellcheck disable=SC2086
  expect 0 '' walinspect $command live
done
if command -v timeout >/dev/null; then
  expect 124 - timeout 0.5 "$bin/raftlog" read --data live --follow --from 9
  printed
  expect 124 - timeout 0.5 "$bin/walinspect" follow live --from 9
  printed
fi
# A reader waits for what is not there yet; what comes before is none of its business.
# Programs are started by themselves: a function in the background is a shell, and a signal would end
# that in the place of the program.
"$bin/raftlog" read --data live --follow --from 4 --to 5 >follow.out 2>follow.err &
follower=$!
"$bin/raftlog" read --data live --follow --to 5 >all.out 2>all.err &
reader=$!
beside=("$follower" "$reader")
send three four five
await_end "$follower"
holds $ended -eq 0
holds "$(cat follow.out follow.err)" = $'four\nfive'
await_end "$reader"
beside=()
holds $ended -eq 0
holds "$(cat all.out all.err)" = $'one\ntwo\nthree\nfour\nfive'

echo "== asked to end"
# A shell's background jobs are told to ignore this one.
kill -INT "$writer"
send six
printf 'unfinished' >&8
kill -TERM "$writer"
finish
holds $ended -eq 143
has live.err '^6 entries'
expect 0 - raftlog read --data live --from 6
printed six
expect 0 - walinspect verify live
ends_with '^verdict: clean$'

echo "== killed"
start killed
send one two
stop_here
expect 0 '' raftlog read --data killed
printed one two
walinspect verify killed >out 2>err
holds $? -le 1
ends_with '^verdict: (clean|mended)'
# Opening has something to say, and nobody listens: it is no reason to do nothing.
head -c 8192 /dev/zero | tr '\0' x >killed/0000000077-00000000000000000001.wal
cp -r killed killed.2
if [ -c /dev/full ]; then
  echo three | "$bin/raftlog" append --data killed 2>/dev/full
  holds $? -eq 0
  expect 0 - raftlog read --data killed
  printed one two three
fi
echo three | "$bin/raftlog" append --data killed.2 2>&-
holds $? -eq 0
expect 0 - raftlog read --data killed.2
printed one two three

echo "== damage"
for i in 1 2 3 4 5 6 7 8; do
  seq $(((i - 1) * 100 + 1)) $((i * 100)) |
    raftlog append --data whole --segment-bytes 20480 --codec none 2>/dev/null
done
expect 0 - walinspect verify whole
ends_with '^verdict: clean$'
# field NAME: its values in the lines of JSON that come in.
field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^\",]*\)[\",].*/\1/p"; }
expect 0 - walinspect ls whole --json
segment=$(grep '"state":"sealed"' out | field file | head -n 1)
active=$(grep '"state":"active"' out | field file)
sealed=$(grep -c '"state":"sealed"' out)
holds -f "whole/$segment"
holds -f "whole/$active"
expect 0 - walinspect dump whole --json
grep "\"type\":\"frame\",\"file\":\"$active\".*\"kind\":\"batch\"" out | tail -n 1 >frame
offset=$(field offset <frame)
first=$(field firstIndex <frame)
holds "$offset" -ge 4096
holds "$first" -gt 1
seq 1 $((first - 1)) >before.damage
cp -r whole flipped
poke "flipped/$active" $((offset + 130)) 'DAMAGED!'
expect 2 'corrupt.*repaired.*walinspect explain flipped' raftlog append --data flipped
holds "$(wc -l <err)" -eq 1
expect 2 'flipped: corrupt.*walinspect explain flipped' raftlog read --data flipped
printed_file before.damage
holds "$(grep -c '^raftlog: flipped: .*`walinspect explain flipped` says more$' err)" -eq 2
expect 2 '' raftlog read --data flipped --to 1
printed 1
expect 2 - walinspect verify flipped
ends_with '^verdict: damaged: 1 finding$'
expect 0 - walinspect explain flipped
for words in '^@F corrupt' "file +$active, byte $offset" "concerns +entries $first-" 'evidence  '; do
  shows "$words"
done
# Opening does not read what was sealed; who reads it finds out.
cp -r whole rotten
poke "rotten/$segment" 4396 'DAMAGED!'
expect 2 'rotten: .*cannot be read.*walinspect explain rotten' raftlog read --data rotten
expect 2 - walinspect verify rotten
# Who did not read it says so.
expect 0 - walinspect stat rotten
shows "^checked .*$sealed segments by header and footer only"
shows '^verdict +clean, as far as it was checked$'
expect 0 - walinspect stat --json rotten
shows "\"checked\":\"footers\",\"segmentsNotRead\":$sealed,\"verdict\":\"clean\""
expect 0 - walinspect stat --json --deep rotten
shows '"checked":"everything","segmentsNotRead":0,"verdict":"damaged"'
expect 0 - walinspect ls rotten
ends_with "^$sealed segments by header and footer only; --deep reads every byte\$"
expect 0 - walinspect ls --json rotten
holds "$(grep -c '"isRead":false' out)" -eq "$sealed"
expect 0 - walinspect ls --deep rotten
holds "$(grep -c 'deep reads' out)" -eq 0
# What cannot be verified is equal to nothing, not even to itself; what lies beside it is.
expect 1 - walinspect diff whole rotten
shows '^entr(y|ies) [0-9-]+: damaged or not there in B$'
ends_with ': ([0-9]|[0-9][0-9]) entr(y differs|ies differ)$'
expect 1 - walinspect diff rotten rotten
shows '^entr(y|ies) [0-9-]+: damaged or not there in A and B$'
expect 1 - walinspect diff --json whole rotten
shows '"type":"unreadable".*"in":\["B"\]'
cp -r rotten rotten.headless
rm rotten.headless/MANIFEST-?
expect 1 'manifest is gone' walinspect diff whole rotten.headless
shows ' in B$'
# Neither is the last batch of a log.
expect 1 - walinspect diff flipped whole
shows "^entries $first-800: damaged or not there in A$"
head -c 100000 /dev/zero | tr '\0' x | fold -w 100 | raftlog append --data squeezed --codec lz4 2>/dev/null
cp -r squeezed squeezed.rotten
poke "squeezed.rotten/$(cd squeezed && ls ./*.wal)" 4230 DAMAGED!
expect 1 - walinspect diff squeezed squeezed.rotten
ends_with ' entr(y differs|ies differ)$'
before=$(picture flipped)
expect 0 '' walinspect repair flipped
shows 'accept'
expect 2 'accept-loss' walinspect repair flipped --apply
holds "$before" = "$(picture flipped)"
expect 0 '' walinspect repair flipped --apply --accept-loss 1-800
walinspect verify flipped >out 2>err
holds $? -le 1
holds -n "$(ls flipped/quarantine)"
expect 0 '' walinspect salvage whole --to salvaged
seq 1 800 >all
cp salvaged out
printed_file all
expect 64 'exists' walinspect salvage whole --to salvaged
expect 0 - walinspect diff whole whole
ends_with 'equal$'
expect 0 - walinspect diff whole "whole/$segment"
append other something else
expect 1 - walinspect diff whole other
shows 'differ'
cp -r whole lost
rm "lost/$segment"
expect 3 'lost.*opens?|lost.*back' raftlog append --data lost
expect 3 'lost' raftlog read --data lost
expect 3 '' walinspect verify lost
ends_with '^verdict: lost'
cp -r whole headless
rm headless/MANIFEST-?
expect 3 'manifest' raftlog append --data headless
expect 3 'salvage' raftlog read --data headless
expect 3 '' walinspect verify headless
expect 0 'no gap in what is there' walinspect salvage headless --to -
printed_file all
has err 'manifest is gone'
has err '^walinspect: note: no manifest says'
# What a repair would give up is missing, though no reader comes across it: the last segment is gone,
# or something else has its name.
begin=$((10#${active:11:20}))
for instead in nothing directory link; do
  cp -r headless shortened
  rm "shortened/$active"
  [ $instead = directory ] && mkdir "shortened/$active"
  [ $instead = link ] && ln -s nowhere "shortened/$active"
  expect 2 "missing: entries from $begin on" walinspect salvage shortened --to -
  holds "$(wc -l <out)" -eq $((begin - 1))
  holds "$(grep -c 'nothing is missing' err)" -eq 0
  walinspect verify shortened >out 2>err
  # Lost, or, where something is there that does not open, an I/O error.
  holds $? -ge 3
  shows "^note: MANIFEST-0 .*entries from $begin on"
  expect 0 - walinspect explain --json shortened
  shows "\"type\":\"note\".*entries from $begin on"
  rm -r shortened
done
# A segment that cannot be opened, with a manifest and without.
cp -r whole barred
rm "barred/$segment"
mkdir "barred/$segment"
expect 2 '^walinspect: missing: entr' walinspect salvage barred --to -
rm barred/MANIFEST-?
expect 2 '^walinspect: missing: entr' walinspect salvage barred --to -
# The name of an emptied one says where it began.
cp -r "$here/LogStorageTests/Golden/version-1/killed" emptied
rm emptied/MANIFEST-?
: >emptied/0000000001-00000000000000000001.wal
expect 2 'missing: entries 1-3$' walinspect salvage emptied --to -
has err 'reading 1 segment by its header$'
# The segments speak for themselves: they are shown, and what is wrong with them is told.
expect 0 'manifest is gone' walinspect ls headless --json
holds "$(grep -c '"type":"segment".*"state":"sealed"' out)" -eq "$sealed"
holds "$(grep -c '"type":"unknown"' out)" -eq 0
expect 0 'manifest is gone' walinspect stat headless
shows '^entries +1-800 \(800 entries\), by the'
shows '^ [█·]+$'
expect 3 - walinspect verify rotten.headless
shows '^manifest lost \[P\]'
shows "^corrupt \[F\] $segment at byte 4096"
ends_with '^verdict: lost: 2 findings$'
expect 0 - walinspect explain rotten.headless
shows '^@P '
shows '^@F '
expect 0 'manifest is gone' walinspect ls --deep rotten.headless
shows "^$segment .* damaged "
# One whose header is gone as well is a file like any other.
cp -r headless beheaded
poke "beheaded/$segment" 20 HARM
expect 3 - walinspect verify beheaded
shows "^orphan \[T\] $segment"
expect 0 'reading [0-9]+ segments in the order' walinspect ls beheaded
# What is not as it should be, and harms nobody, is said: it is no finding.
append padded one
poke "padded/$(cd padded && ls ./*.wal)" 8191 X
expect 0 - walinspect verify padded
shows '^note: .*byte 4096.*padding'
expect 0 - walinspect explain padded
shows '^note: .*byte 4096'
ends_with '^nothing was found$'
expect 0 - walinspect explain padded --json
shows '"type":"note".*"offset":4096'
expect 0 - walinspect explain whole
ends_with '^nothing was found: every byte is what it should be$'
# Every finding has its place.
for copy in MANIFEST-0 MANIFEST-1; do
  cp -r whole edited
  poke "edited/$copy" 600 HARM
  expect 1 - walinspect verify edited
  expect 0 - walinspect explain edited
  shows "^  file +$copy, byte 51[26]$"
  shows '^  concerns  no entry$'
  rm -r edited
done
cp -r whole unvoted
poke unvoted/vote-0 100 HARM
poke unvoted/vote-1 100 HARM
expect 0 - walinspect explain unvoted
shows '^  file +vote-0, byte 8$'
# A lost vote is damage, and no entry is concerned.
expect 2 - walinspect verify unvoted
expect 0 'unvoted: vote lost.*walinspect explain unvoted' raftlog read --data unvoted
printed_file all
cp -r headless worse
poke "worse/$segment" 4106 DAMAGE
poke "worse/$segment" $(($(wc -c <"worse/$segment") - 8)) DAMAGE
expect 2 'entries 1-100' walinspect salvage worse --to -
sed -n '101,$p' all >all.but
printed_file all.but
expect 0 '' walinspect repair headless --apply
expect 0 '' raftlog read --data headless
printed_file all

echo "== what is given up, by name"
# Of a damaged batch the entries that are whole are salvaged, each by its own checksum.
cp -r whole spotted
poke "spotted/$active" $((offset + 130)) 'DAMAGED!'
expect 2 "^walinspect: missing: entries $first-$((first + 3))$" walinspect salvage spotted --to -
sed "$first,$((first + 3))d" all >all.but
printed_file all.but
expect 0 - walinspect repair spotted
shows "^gives up entries $first-800$"
shows "a side to choose|--accept-loss $first-800$"
# A broken frame whose body is whole: the body says what it held.
cp -r whole frameless
poke "frameless/$active" $((offset + 40)) 'HARM'
expect 0 - walinspect repair frameless
shows "^gives up entries $first-800$"
# Both are broken: nobody knows where the loss ends, and it is accepted as such or not at all.
poke "frameless/$active" $((offset + 88)) 'HARM'
expect 0 - walinspect repair frameless
shows "^gives up entries from $first on$"
expect 0 - walinspect repair frameless --json
shows "\"losses\":\[\{\"firstIndex\":$first,\"lastIndex\":null\}\]"
before=$(picture frameless)
for range in "$first" "$first-800" "$first-999999" "$((first + 1))-"; do
  expect 2 "accept-loss $first- accepts" \
    walinspect repair frameless --apply --accept-loss "$range"
done
holds "$before" = "$(picture frameless)"
expect 0 '' walinspect repair frameless --apply --accept-loss "$first-"
expect 0 '' raftlog read --data frameless
printed_file before.damage
expect 64 accept-loss walinspect repair frameless --accept-loss -5
expect 64 accept-loss walinspect repair frameless --accept-loss 0-
# Losses that lie apart are accepted apart, and neither takes what lies between with it.
cp -r whole apart
rm "apart/$segment"
poke "apart/$active" $((offset + 40)) 'HARM'
poke "apart/$active" $((offset + 88)) 'HARM'
expect 0 - walinspect repair apart
lost=$(sed -n 's/^gives up entries 1-\([0-9]*\)$/\1/p' out)
holds -n "$lost"
expect 2 "accept-loss 1-$lost --accept-loss $first- accepts" \
  walinspect repair apart --apply --accept-loss "1-$lost"
expect 0 '' walinspect repair apart --apply --accept-loss "1-$lost" --accept-loss "$first-"
expect 0 '' raftlog read --data apart
sed -n "$((lost + 1)),$((first - 1))p" all >between
printed_file between
# Without a manifest, what a file that is gone held is not shown as if it were there.
cp -r whole sparse
second=$(ls sparse | grep '\.wal$' | sed -n 2p)
rm sparse/MANIFEST-0 sparse/MANIFEST-1 "sparse/$second"
expect 0 'the manifest is gone' walinspect ls sparse --json
holds -z "$(grep "\"file\":\"$segment\"" out | grep -v '"lastIndex":'"$(walinspect ls whole --json |
  grep "\"file\":\"$segment\"" | field lastIndex)")"
expect 0 'damage hides the term of entries' walinspect terms sparse
# Another segment has the name of one that is gone: that is a loss, for who reads as well.
cp -r whole another
cp "another/$active" "another/$segment"
expect 3 - walinspect verify another
expect 3 'lost \[R\]' raftlog read --data another
expect 3 'lost \[R\]' raftlog append --data another
# Opening does not read what is sealed, and explain does not say that it refuses.
cp -r whole unread
poke "unread/$segment" 4400 'DAMAGED!'
expect 2 - walinspect verify unread
expect 0 - walinspect explain unread
shows 'the log opens all the same'
shows 'opening does not read this'
expect 0 - walinspect explain unread --json
shows '"type":"summary".*"opens":true'
shows '"row":"F".*"refusesOpening":false'
echo more >line
expect 0 '' raftlog append --data unread <line
# The segment that was being written is gone: so is what it held, whatever that was.
cp -r whole lastless
rm "lastless/$active"
expect 0 - walinspect repair lastless
shows '^gives up entries from [0-9]+ on$'
expect 2 'missing: entries from [0-9]+ on' walinspect salvage lastless --to -
# There is a side to choose, and the plan says what each costs.
cp -r whole sides
poke "sides/$segment" $((8192 + 130)) 'DAMAGED!'
expect 0 - walinspect repair sides
shows '^there is a side to choose: --keep before gives up entr.*; --keep after gives up entr'
# A lost vote is no entry; the plan says what to do about it.
cp -r whole voteless
poke voteless/vote-0 30 XX
poke voteless/vote-1 30 XX
expect 0 - walinspect repair voteless
shows '^note: .*vote-0 or vote-1'
expect 0 - walinspect repair voteless --apply
shows 'the log goes on in term [0-9]+, without one'
expect 0 - walinspect repair voteless
printed 'nothing to repair'

echo "== another group, another version"
cp -r whole mixed
cp "other/$(cd other && ls ./*.wal | head -n 1)" mixed/0000000099-00000000000000000001.wal
before=$(picture mixed)
holds "$(crc32c whole/MANIFEST-0)" = "$(stored_crc whole/MANIFEST-0)"
cp -r whole newer
make_newer newer/MANIFEST-0
make_newer newer/MANIFEST-1
rm newer/LOCK mixed/LOCK
for log in mixed newer; do
  words=$([ $log = mixed ] && echo 'foreign.*another group' || echo 'unsupported.*program that wrote it')
  before=$(picture $log)
  expect 4 "$words" raftlog append --data $log
  expect 4 "$words" raftlog read --data $log
  expect 4 "$words" raftlog compact --data $log --through 1
  expect 4 '' walinspect verify $log
  ends_with '^verdict: refused'
  expect 4 "$words" walinspect repair $log --apply
  holds "$before" = "$(picture $log)"
done

echo "== one segment by itself"
cp "whole/$segment" loose.wal
for command in ls stat terms dump verify explain 'salvage --to -'; do
  # shellcheck disable=SC2086
  expect 0 '' walinspect $command loose.wal
  # shellcheck disable=SC2086
  expect 0 '' walinspect $command --json loose.wal
done
expect 0 - walinspect verify loose.wal
ends_with '^verdict: clean$'
expect 64 'one file' walinspect repair loose.wal
cp "rotten/$segment" rotten.wal
expect 0 - walinspect explain rotten.wal
ends_with 'walinspect salvage rotten.wal --to FILE'
if tail -n 1 out | grep -q repair; then fail "repair takes no file"; else pass; fi
ln -s loose.wal link.wal
expect 0 - walinspect verify link.wal
# A writer leaves room for the footer: a file that ends before that was cut off, wherever it was, and
# nobody knows how much is gone.
size=$(($(wc -c <loose.wal)))
for cut in 4096 6000 8000 8192 8704 12288; do
  [ $cut -lt "$size" ] || continue
  head -c $cut loose.wal >cut.wal
  expect 0 - walinspect verify loose.wal
  expect 2 - walinspect verify cut.wal
  ends_with '^verdict: '
  expect 2 'missing: entries from [0-9]+ on' walinspect salvage cut.wal --to -
done

echo "== a line of JSON, a line of text"
cp -r whole json
for command in ls stat terms dump verify explain 'repair' 'diff whole' 'salvage --to -'; do
  # shellcheck disable=SC2086
  expect 0 '' walinspect $command --json json
  name=${command%% *}
  if [ -s out ] && ! grep -qvE "^\{\"format\":\"walinspect\.$name/1\",.*\}$" out; then pass; else
    fail "$command --json: $(grep -vE "^\{\"format\":\"walinspect\.$name/1\",.*\}$" out | head -n 1)"
  fi
  # shellcheck disable=SC2086
  expect 0 '' walinspect $command json
  if LC_ALL=C grep -q $'\x1b' out err; then fail "$command: colours in a file"; else pass; fi
done
"$bin/walinspect" follow json --from 799 --json >out 2>err &
follower=$!
beside=("$follower")
append json 801
# It prints what is there, and goes on until it is ended.
end=$((SECONDS + hang_s))
until [ "$(wc -l <out)" -ge 3 ] || ! kill -0 $follower 2>/dev/null || [ $SECONDS -ge $end ]; do
  breathe
done
kill "$follower"
await_end "$follower"
beside=()
holds $ended -eq 143
holds "$(grep -cE '^\{"format":"walinspect.follow/1","index":[0-9]+,.*\}$' out)" -eq 3
if command -v script >/dev/null && script -qec true /dev/null >/dev/null 2>&1; then
  script -qec "'$bin/walinspect' stat whole" /dev/null >out
  if LC_ALL=C grep -q $'\x1b\[' out; then pass; else fail "no colours on a terminal"; fi
  NO_COLOR=1 script -qec "'$bin/walinspect' stat whole" /dev/null >out
  if LC_ALL=C grep -q $'\x1b\[' out; then fail "colours in spite of NO_COLOR"; else pass; fi
fi

echo "== in the width of the terminal"
# A segment that holds nothing was not compacted.
raftlog append --data hollow --segment-bytes 16384 2>/dev/null
head -c 80000 /dev/zero | tr '\0' x | raftlog append --data hollow --segment-bytes 16384 --codec none 2>/dev/null
expect 0 - walinspect ls hollow --json
shows '"state":"sealed","firstIndex":1,"lastIndex":0'
holds "$(grep -c compacted out)" -eq 0
# within WIDTH: no line of what the last command printed has more characters (awk may count bytes),
# but for a name that stands alone: one that is broken could not be copied.
within() {
  local line
  while IFS= read -r line; do
    if [ ${#line} -gt "$1" ] && [[ $line == *' '* ]]; then fail "wider than $1: '$line'"; return; fi
  done <out
  pass
}
for log in whole hollow flipped rotten lost headless beheaded unvoted padded rotten.headless loose.wal
do
  for command in ls stat explain; do
    expect 0 '' walinspect $command $log
    within 80
    for width in 60 100 200; do
      COLUMNS=$width expect 0 '' walinspect $command $log
      within $width
    done
  done
done

echo "== no permission"
# Root may do everything, so it becomes somebody else first; where it cannot, this is left out.
if [ "$(id -u)" -eq 0 ]; then
  somebody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
else
  chmod 000 whole
  somebody() { "$@"; }
fi
if somebody "$bin/raftlog" --version >/dev/null 2>&1; then
  expect 5 'ermission denied.*user that owns the log' somebody "$bin/raftlog" read --data "$scratch/whole"
  expect 5 'ermission denied.*user that owns the log' somebody "$bin/raftlog" append --data "$scratch/whole"
  expect 5 'ermission denied.*user that owns the log' somebody "$bin/walinspect" verify "$scratch/whole"
fi
chmod 755 whole
# A segment of somebody else's, without a manifest to miss it: it is missing all the same.
cp -r whole unreadable
rm unreadable/MANIFEST-?
chmod -R a+rX unreadable
chmod 755 "$scratch"
chmod 000 "unreadable/$active"
if somebody "$bin/walinspect" --version >/dev/null 2>&1; then
  expect 2 "missing: entries from $begin on" \
    somebody "$bin/walinspect" salvage "$scratch/unreadable" --to -
fi
chmod 700 "$scratch"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
