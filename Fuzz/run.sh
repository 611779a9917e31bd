#!/usr/bin/env bash
# Builds the fuzzers and runs each for a while.
#
#   Fuzz/run.sh SECONDS [FUZZER...]      all of them by default, SECONDS each
#
# Each fuzzer first runs what is in Regressions/FUZZER. Seeds are written by the fuzzers themselves,
# from real encodings. FUZZ_CORPUS names a folder in which the corpora live on and crashes are kept;
# without it both are in a temporary folder, which goes away unless something was found. Ends with a
# table of executions; exits with 1 if a fuzzer found something, with 64 on wrong use.
#
# To repeat a crash (the path of its input is printed, and the seed of the run that found it):
#
#   SWIFT_BACKTRACE=enable=no Fuzz/.build/release/FUZZER PATH
#
# to make the input smaller first:
#
#   SWIFT_BACKTRACE=enable=no Fuzz/.build/release/FUZZER -minimize_crash=1 -runs=100000 PATH
#
# and to repeat the run, with the corpus as it was then, add -seed=SEED to its options.
#
# Standard error says FOUND and what, where a check failed, or the runtime's own words where the
# code trapped. What is mended leaves its input, made smaller, in Regressions/FUZZER.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
all=(FuzzBatch FuzzSegment FuzzManifest FuzzVote FuzzDirectory FuzzInspect FuzzLog FuzzStep FuzzMessage)

usage() {
  echo "usage: $0 SECONDS [FUZZER...]   fuzzers: ${all[*]}" >&2
  exit 64
}

[ $# -ge 1 ] || usage
case $1 in '' | *[!0-9]*) usage ;; esac
seconds=$((10#$1))
[ "$seconds" -gt 0 ] || usage
shift
fuzzers=("$@")
[ $# -gt 0 ] || fuzzers=("${all[@]}")
for fuzzer in "${fuzzers[@]}"; do
  [[ " ${all[*]} " == *" $fuzzer "* ]] || usage
done

# Longer inputs cost speed and show nothing new.
longest_input() {
  case $1 in
    FuzzBatch) echo 16384 ;;
    FuzzSegment) echo 65537 ;;
    FuzzManifest) echo 32768 ;;
    FuzzVote) echo 1100 ;;
    FuzzDirectory | FuzzInspect) echo 130 ;;
    FuzzLog) echo 402 ;;
    FuzzStep) echo 3602 ;;
    FuzzMessage) echo 4096 ;;
  esac
}

keep=${FUZZ_CORPUS:-}
folder=$keep
[ -n "$folder" ] || folder=$(mktemp -d)
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
resolved=$here/Package.resolved
had_resolved=no
[ -e "$resolved" ] && had_resolved=yes
clean_up() {
  [ "$had_resolved" = yes ] || rm -f "$resolved"
  [ -n "$keep" ] || rm -rf "$folder"
}
trap clean_up EXIT

swift build --package-path "$here" -c release --sanitize fuzzer
bin=$(swift build --package-path "$here" -c release --sanitize fuzzer --show-bin-path)

# With the backtracer a crash hangs behind it, and no input is kept.
export SWIFT_BACKTRACE=enable=no

# The value of one of libFuzzer's final statistics, 0 if it did not get that far.
statistic() {
  awk -v name="stat::$1:" '$1 == name { value = $2 } END { print value + 0 }' "$2"
}

# A line of the table: fuzzer, executions, corpus, result.
row() {
  printf '%-14s %12d %12d %8d  %s' "$1" "$2" $(($2 / seconds)) "$(find "$3" -type f | wc -l)" "$4"
}

# What a run left that found something: what was said of it, and where; not libFuzzer's statistics.
report() {
  grep -vE '^(#[0-9]|stat::|INFO: |\s*NEW_FUNC)' "$1" >"$1.words" || true
  grep -E 'FOUND|Fatal error|ERROR: ' "$1.words" | head -n 5 >&2 || true
  tail -n 30 "$1.words" >&2
}

# True if no input that a fuzzer once failed on makes it fail again.
regressions_pass() {
  local inputs log=$folder/logs/$1-regressions
  inputs=("$here/Regressions/$1"/*)
  [ -e "${inputs[0]}" ] || return 0
  (cd "$folder" && "$bin/$1" -timeout=10 -rss_limit_mb=2048 "${inputs[@]}") >"$log" 2>&1 && return 0
  echo "--- $1: fails on an input that it must pass" >&2
  report "$log"
  echo "the input: $(sed -n 's/^Running: //p' "$log" | tail -n 1)" >&2
  return 1
}

failed=()
rows=()
mkdir -p "$folder/crashes" "$folder/logs"
for fuzzer in "${fuzzers[@]}"; do
  corpus=$folder/$fuzzer
  log=$folder/logs/$fuzzer
  mkdir -p "$corpus"
  FUZZ_SEEDS=$corpus "$bin/$fuzzer" >"$log" 2>&1 || {
    echo "$fuzzer could not write its seeds:" >&2
    tail -n 20 "$log" >&2
    exit 1
  }
  known=$here/Regressions/$fuzzer
  if ! regressions_pass "$fuzzer"; then
    failed+=("$fuzzer")
    keep=$folder
    rows+=("$(row "$fuzzer" 0 "$corpus" REGRESSION)")
    continue
  fi
  state=ok
  seeds=$(find "$corpus" "$known" -type f | wc -l)
  echo "$fuzzer: $seconds seconds from $seeds inputs" >&2
  # libFuzzer changes nothing but the corpus; it stays out of the checkout.
  (cd "$folder" && "$bin/$fuzzer" "$corpus" "$known" -max_total_time="$seconds" \
    -max_len="$(longest_input "$fuzzer")" -rss_limit_mb=2048 -timeout=10 -use_value_profile=1 \
    -print_final_stats=1 -artifact_prefix="$folder/crashes/$fuzzer-") >"$log" 2>&1 || state=FOUND
  runs=$(statistic number_of_executed_units "$log")
  if [ $state = ok ] && [ "$runs" -eq 0 ]; then state="NEVER RAN"; fi
  if [ "$state" != ok ]; then
    failed+=("$fuzzer")
    echo "--- $fuzzer: $state, seed $(sed -n 's/^INFO: Seed: //p' "$log")" >&2
    report "$log"
    input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
    if [ -n "$input" ]; then
      echo "repeat it: SWIFT_BACKTRACE=enable=no $bin/$fuzzer $input" >&2
    fi
    # What was found stays.
    keep=$folder
  fi
  rows+=("$(row "$fuzzer" "$runs" "$corpus" "$state")")
done

printf '%-14s %12s %12s %8s  %s\n' fuzzer executions "a second" inputs result
printf '%s\n' "${rows[@]}"
if [ ${#failed[@]} -gt 0 ]; then
  echo "found something: ${failed[*]}; inputs in $folder/crashes, logs in $folder/logs" >&2
  exit 1
fi
