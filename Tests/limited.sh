# For the scripts beside and below: a bound on programs that hang.
#
# What waits for ever fails; this is far more than a busy machine needs, where a sync takes 20 times
# as long as on an idle one.
hang_s=300
limited() {
  if command -v timeout >/dev/null; then timeout --foreground -k 10 "$hang_s" "$@"; else "$@"; fi
}
