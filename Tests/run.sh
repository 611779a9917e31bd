#!/usr/bin/env bash
# Runs all tests: installs what they need, builds once (optimized: the simulator explores ten times
# as much), then unit and simulation tests, a million crash states, and then real processes: their
# contract, their memory, kills, pauses, system calls that fail, and a full disk.
#
# ROUNDS sets the rounds of kill-restart (default 30), SEED the first seed of the crash states
# (default 1). What is in TMPDIR goes away again.
set -euo pipefail
cd "$(dirname "$0")/.."
Tests/setup.sh
swift build -c release --build-tests
swift test -c release --skip-build
RAFTLOG_BIN=$(swift build -c release --show-bin-path)
export RAFTLOG_BIN SWIFT_BACKTRACE=enable=no
seed=${SEED:-1}

step() { echo "=== $* (at $((SECONDS / 60)):$(printf %02d $((SECONDS % 60))))"; }
step "crash states, from seed $seed"
"$RAFTLOG_BIN/raftlog-sim" storage --seeds "$seed-$((seed + 8999999))" --sequences 6 \
  --states 1000000 --at-least 1000000
step "the contract of the programs"
Tests/programs.sh
step "many lines, little memory"
Tests/round-trip.sh
step "kill -9"
Tests/Crash/kill-restart.sh "${ROUNDS:-30}"
step "stopped, and going on"
Tests/Crash/pause.sh
step "system calls that fail"
Tests/Crash/faults.sh
step "a full disk"
Tests/Crash/full-disk.sh
step "the order of system calls"
Tests/Crash/syncs.sh
step "crash images, and the real programs"
Tests/Crash/images.sh 100
