// What the device does when nothing stands between it and the program: the ceiling that the log is
// measured against. Plain system calls and a clock, nothing else, so that nobody can say that the
// probe was slow.
#ifndef RAFTLOG_CPROBE_H
#define RAFTLOG_CPROBE_H

#include <stddef.h>
#include <stdint.h>

/// What a probe did.
struct cprobe_result {
  /// Writes that were synced, or reads.
  uint64_t operations;
  uint64_t bytes;
  uint64_t nanoseconds;
};

/// Makes a file as the log makes its segments: reserved, filled with zeros, synced, and out of the
/// page cache. 0, or -1 with errno.
int cprobe_prepare(const char *path, uint64_t bytes);

/// One appender: writes of `size` bytes, each followed by a sync, until `nanoseconds_max` have passed
/// or `operations_max` are done. `size` is a multiple of 4096.
///
/// `direct` writes around the page cache (errno EINVAL or ENOTSUP where that is not possible).
/// `*offset` is where to begin and becomes where it ended; at the end of the file it begins again.
/// The first `latencies_max` latencies, in nanoseconds, go to `latencies`. 0, or -1 with errno.
int cprobe_append(const char *path, size_t size, int direct, uint64_t operations_max,
                  uint64_t nanoseconds_max, uint64_t *offset, uint32_t *latencies,
                  size_t latencies_max, struct cprobe_result *result);

/// One reader: the first `length` bytes of the file, or what there is of them, `size` bytes a read.
/// Reads whole pages, so `length` is rounded up to them. 0, or -1 with errno.
int cprobe_read(const char *path, uint64_t length, size_t size, int direct,
                struct cprobe_result *result);

/// Writes the file's dirty pages and drops all of them from the page cache. 0, or -1 with errno.
int cprobe_forget(const char *path);

/// Bytes of the file that are in the page cache; -1 with errno.
int64_t cprobe_cached_bytes(const char *path);

#endif
