#!/usr/bin/env bash
# Installs what is needed beside a Swift toolchain: liblz4 and pkg-config for the build, and on
# Linux for the tests strace, time, mkfs.ext4, mount and a C compiler. Does nothing where they are
# there already; needs root, or sudo, where they are not.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
is_there() { type -P "$1" >/dev/null; }
has_tools() {
  [ "$(uname)" = Linux ] || return 0
  is_there strace && is_there time && is_there mkfs.ext4 && is_there mount || return 1
  is_there cc || is_there clang || is_there gcc
}
if pkg-config --exists liblz4 2>/dev/null && has_tools; then exit 0; fi
as_root=$([ "$(id -u)" -eq 0 ] || echo sudo)
if is_there apt-get; then
  packages=(liblz4-dev pkg-config strace time e2fsprogs mount)
  is_there cc || is_there clang || is_there gcc || packages+=(gcc libc6-dev)
  $as_root apt-get update -qq
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${packages[@]}" >/dev/null
elif is_there brew; then
  brew install lz4 pkg-config
else
  echo "install liblz4 (with its header) and pkg-config, then try again; the tests also need" >&2
  echo "strace, time, mkfs.ext4, mount and a C compiler" >&2
  exit 1
fi
