#!/usr/bin/env bash
# Installs what is needed beside a Swift toolchain: liblz4 and pkg-config for the build, and on Linux
# strace for a test. Does nothing where they are there already; needs root, or sudo, where they are not.
set -euo pipefail
has_strace() { [ "$(uname)" != Linux ] || command -v strace >/dev/null; }
if pkg-config --exists liblz4 2>/dev/null && has_strace; then exit 0; fi
as_root=$([ "$(id -u)" -eq 0 ] || echo sudo)
if command -v apt-get >/dev/null; then
  $as_root apt-get update -qq
  $as_root apt-get install -y -qq liblz4-dev pkg-config strace >/dev/null
elif command -v brew >/dev/null; then
  brew install lz4 pkg-config
else
  echo "install liblz4 (with its header) and pkg-config, then try again" >&2
  exit 1
fi
