#!/usr/bin/env bash
# Plants one bug after the other, and shows that the simulation or a test finds each.
#
#   Tests/Mutations/run.sh [NAME...]           all by default; takes the better part of an hour
#   Tests/Mutations/run.sh --check [NAME...]   only whether they apply; takes a second
#
# NAME.patch begins with a few lines for people and one or more that this script reads, each of
# which has to find the bug:
#
#   Caught-by: sim ARGUMENTS       raftlog-sim with these arguments
#   Caught-by: test FILTER         swift test --filter FILTER
#
# What is in the working tree is copied to a scratch folder and built there; every command has to
# succeed on that copy before a bug is planted in it. Then a patch is applied, what its commands
# need is built, they are run, and the patch is taken back. A command finds the bug if it fails with
# a finding or dies of a trap. A patch that does not apply or build, a command that succeeds, that
# fails without saying what it found, or that does not end within LIMIT seconds (default 1800): all
# of these make the script fail.
#
# SCRATCH names a folder that keeps copy, builds and output from one call to the next; without it
# they are in a temporary folder, which goes away. Ends with a table; exits with 1 unless every bug
# was found, with 64 on wrong use.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd -P)
root=$(cd "$here/../.." && pwd -P)
limit=${LIMIT:-1800}
# A bug that makes the simulation ask for memory without end must not take the machine along (KiB).
memory_max=$((8 << 20))
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
# A trap ends a program at once, and sorting is the same everywhere.
export SWIFT_BACKTRACE=enable=no LC_ALL=C

usage() {
  echo "usage: $0 [--check] [NAME...]" >&2
  echo "names: $(cd "$here" && echo *.patch | sed 's/\.patch//g')" >&2
  exit 64
}

say() { echo "$*" >&2; }

# git apply, in a folder that need not be a repository and may lie in somebody else's.
apply() { # apply FOLDER NAME [OPTION...]
  (cd "$1" && GIT_CEILING_DIRECTORIES=$(dirname "$1") git apply "${@:3}" "$here/$2.patch")
}

commands() { sed -n 's/^Caught-by: //p' "$here/$1.patch"; }

# MARK: Which

check=no
if [ "${1:-}" = --check ]; then
  check=yes
  shift
fi
case $limit in '' | *[!0-9]* | 0) usage ;; esac
names=("$@")
if [ $# -eq 0 ]; then
  for patch in "$here"/*.patch; do names+=("$(basename "$patch" .patch)"); done
fi
for name in "${names[@]}"; do
  [ -f "$here/$name.patch" ] || usage
  if [ -z "$(commands "$name")" ] || commands "$name" | grep -Ev '^(sim|test) [^ ]' >&2; then
    say "$name.patch: no command that would find it, or one that this script does not know"
    exit 1
  fi
done

if [ $check = yes ]; then
  failed=0
  for name in "${names[@]}"; do
    apply "$root" "$name" --check || { say "$name.patch does not apply"; failed=$((failed + 1)); }
  done
  echo "$((${#names[@]} - failed)) of ${#names[@]} mutations apply"
  [ $failed -eq 0 ]
  exit
fi

# MARK: The copy

scratch=${SCRATCH:-}
if [ -z "$scratch" ]; then
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
fi
mkdir -p "$scratch/copy" "$scratch/logs"
scratch=$(cd "$scratch" && pwd -P)
copy=$scratch/copy
logs=$scratch/logs

# Every file that git knows or would take, and the versions of the dependencies. A file that is the
# same already is left alone, so that what was built of it still counts; this also takes back a
# patch that an earlier call left behind.
sync_copy() {
  (
    cd "$root"
    git -c core.quotePath=off ls-files --cached --others --exclude-standard
    echo Package.resolved
  ) | sort -u | while IFS= read -r file; do
    if [ -f "$root/$file" ]; then echo "$file"; fi
  done >"$scratch/files"
  while IFS= read -r file; do
    cmp -s "$root/$file" "$copy/$file" && continue
    mkdir -p "$copy/$(dirname "$file")"
    cp -p "$root/$file" "$copy/$file"
  done <"$scratch/files"
  (cd "$copy" && find . -type f | sed 's|^\./||' | sort) | comm -13 "$scratch/files" - |
    while IFS= read -r file; do rm -f "$copy/$file"; done
}

# MARK: Building and running

package() { # package VERB KIND ARGUMENT...: the simulator and the tests have a build folder each
  swift "$1" --package-path "$copy" --scratch-path "$scratch/build-$2" -c release "${@:3}"
}

build() { # build KIND LOG
  case $1 in
    sim) package build sim --product raftlog-sim ;;
    test) package build test --build-tests ;;
  esac >"$2" 2>&1
}

# What the commands of some mutations need, a kind a line.
kinds() { for name in "$@"; do commands "$name"; done | cut -d ' ' -f 1 | sort -u; }

limited() {
  if command -v timeout >/dev/null; then exec timeout "$limit" "$@"; else exec "$@"; fi
}

run() { # run COMMAND LOG: standard output in LOG.out, standard error in LOG.err
  local kind=${1%% *} status=0
  # The shell's own word on a child that died of a signal is no finding.
  {
    (
      cd "$scratch"
      if [ "$kind" = sim ]; then
        ulimit -v "$memory_max"
        # shellcheck disable=SC2086 # the arguments are words
        limited "$sim" ${1#sim } >"$2.out" 2>"$2.err"
      else
        limited swift test --package-path "$copy" --scratch-path "$scratch/build-test" -c release \
          --skip-build --filter "${1#test }" >"$2.out" 2>"$2.err"
      fi
    ) </dev/null || status=$?
  } 2>/dev/null
  return $status
}

# The first line that matches, without what stands in front of its first word.
first() { # first PATTERN FILE...
  sed -n "/$1/{s/^[^A-Za-z]*//;s/^FOUND //;s/^[Ee]rror: //;p;q;}" "${@:2}"
}

last_line() { grep -v '^[[:space:]]*$' "$1" | tail -n 1 || true; }

# The first thing that a failed command says it found, on one line; nothing if it says nothing.
finding() { # finding COMMAND STATUS LOG
  local text=
  case $1 in
    sim\ *)
      text=$(first '^FOUND ' "$3.out")
      if [ -z "$text" ] && [ "$2" -gt 128 ]; then
        text=$(last_line "$3.err")
        text="trap: ${text:-signal $(($2 - 128)), without a word}"
      fi
      # A failure before the exploration proper.
      if [ -z "$text" ] && [ "$2" -eq 1 ]; then text=$(first '^Error: ' "$3.err"); fi
      ;;
    test\ *)
      text=$(first ' recorded an issue' "$3.out" "$3.err")
      if [ -z "$text" ]; then
        text=$(first 'unexpected signal' "$3.out" "$3.err")
        text=${text:+trap: $text}
      fi
      ;;
  esac
  printf '%s' "$text"
}

complain() { # complain LOG...: the end of what a command printed
  tail -q -n 20 "$@" | sed 's/^/    /' >&2
}

# MARK: Without a bug

"$root/Tests/setup.sh"
say "copying the working tree to $copy"
sync_copy
for kind in $(kinds "${names[@]}"); do
  say "without a bug: building ($kind)"
  build "$kind" "$logs/pristine.build" || {
    complain "$logs/pristine.build"
    say "it does not build without a bug either"
    exit 1
  }
  if [ "$kind" = sim ]; then sim=$(package build sim --show-bin-path)/raftlog-sim; fi
done
while IFS= read -r command <&3; do
  say "without a bug: $command"
  log=$logs/pristine
  status=0
  run "$command" "$log" || status=$?
  if [ $status -ne 0 ]; then
    complain "$log.out" "$log.err"
    say "without a bug it fails too (status $status): $command"
    exit 1
  fi
  # A filter that selects nothing succeeds, whatever is broken.
  if [ "${command%% *}" = test ] &&
    ! grep -Eqs 'Test run with [1-9][0-9]* test' "$log.out" "$log.err"; then
    say "no test has a name like this: $command"
    exit 1
  fi
done 3< <(for name in "${names[@]}"; do commands "$name"; done | sort -u)

# MARK: With each bug

rows=()
missed=0
row() { # row NAME COMMAND SECONDS FINDING
  rows+=("$(printf '%-26s %-50s %7s  %s' "$1" "$2" "$3" "$4" | cut -c 1-240)")
}
miss() { # miss NAME COMMAND SECONDS WHY LOG...
  missed=$((missed + 1))
  complain "${@:5}"
  say "$1: $4"
  row "$1" "$2" "$3" "NOT CAUGHT: $4"
}

# Runs what is to find the bug; the patch is applied and built.
expect_findings() { # expect_findings NAME
  local name=$1 command text status start seconds log=$logs/$1
  while IFS= read -r command <&3; do
    say "$name: $command"
    start=$SECONDS
    status=0
    run "$command" "$log" || status=$?
    seconds=$((SECONDS - start))
    text=$(finding "$command" $status "$log")
    if [ $status -eq 0 ]; then
      miss "$name" "$command" $seconds "it succeeds" "$log.out"
    elif [ $status -eq 124 ]; then
      miss "$name" "$command" $seconds "it does not end within $limit seconds" "$log.out" "$log.err"
    elif [ -z "$text" ]; then
      miss "$name" "$command" $seconds "status $status, and no finding" "$log.out" "$log.err"
    else
      row "$name" "$command" $seconds "$text"
    fi
  done 3< <(commands "$name")
}

plant() { # plant NAME
  local name=$1 kind
  for kind in $(kinds "$name"); do
    say "$name: building ($kind)"
    build "$kind" "$logs/$name.build" || {
      miss "$name" "(build)" - "it does not build" "$logs/$name.build"
      return
    }
  done
  expect_findings "$name"
}

for name in "${names[@]}"; do
  if ! apply "$copy" "$name"; then
    miss "$name" "(apply)" - "the patch does not apply" /dev/null
    continue
  fi
  plant "$name"
  apply "$copy" "$name" -R
done

printf '%-26s %-50s %7s  %s\n' mutation "caught by" seconds "first finding"
printf '%s\n' "${rows[@]}"
if [ $missed -gt 0 ]; then
  say "$missed of ${#rows[@]} were not caught"
  exit 1
fi
say "all of ${#names[@]} mutations were caught"
