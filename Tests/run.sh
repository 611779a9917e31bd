#!/usr/bin/env bash
# Runs all tests: installs what they need, builds once (optimized: the simulator explores ten times
# as much), then unit and simulation tests, then real processes that are killed, and a full disk.
#
# ROUNDS sets the rounds of kill-restart (default 30).
set -euo pipefail
cd "$(dirname "$0")/.."
Tests/setup.sh
swift build -c release --build-tests
swift test -c release --skip-build
RAFTLOG_BIN=$(swift build -c release --show-bin-path)
export RAFTLOG_BIN SWIFT_BACKTRACE=enable=no
Tests/programs.sh
Tests/Crash/kill-restart.sh "${ROUNDS:-30}"
Tests/Crash/full-disk.sh
Tests/Crash/syncs.sh
Tests/Crash/images.sh 100
