#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CProbe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, FILL = 1 << 20 };

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int sync_data(int fd) {
#ifdef __APPLE__
  return fcntl(fd, F_FULLFSYNC);
#else
  return fdatasync(fd);
#endif
}

static int drop_pages(int fd) {
#ifdef __APPLE__
  (void)fd;
  return 0;
#else
  int reason = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  if (reason == 0) return 0;
  errno = reason;
  return -1;
#endif
}

/// open(2), with O_DIRECT where that is asked for and there is such a thing.
static int open_file(const char *path, int flags, int direct) {
#ifdef O_DIRECT
  if (direct) flags |= O_DIRECT;
#else
  if (direct) {
    errno = ENOTSUP;
    return -1;
  }
#endif
  return open(path, flags | O_CLOEXEC, 0644);
}

/// Closes `fd` and keeps the reason of a failure. Returns `status`.
static int closing(int fd, int status) {
  int reason = errno;
  close(fd);
  errno = reason;
  return status;
}

static int write_all(int fd, const char *bytes, size_t count, uint64_t offset) {
  while (count > 0) {
    ssize_t put = pwrite(fd, bytes, count, (off_t)offset);
    if (put < 0) {
      if (errno == EINTR) continue;
      return -1;
    }
    bytes += put;
    offset += (uint64_t)put;
    count -= (size_t)put;
  }
  return 0;
}

/// Memory that O_DIRECT takes, filled with what no device can compress.
static char *noise(size_t count) {
  void *memory = NULL;
  int reason = posix_memalign(&memory, PAGE, count);
  if (reason != 0) {
    errno = reason;
    return NULL;
  }
  uint64_t state = 0x9E3779B97F4A7C15u;
  for (size_t i = 0; i + 8 <= count; i += 8) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    memcpy((char *)memory + i, &state, 8);
  }
  return memory;
}

static int fill_with_zeros(int fd, uint64_t bytes) {
  char *zeros = calloc(1, FILL);
  if (zeros == NULL) return -1;
  int status = 0;
  for (uint64_t offset = 0; offset < bytes && status == 0; offset += FILL) {
    uint64_t left = bytes - offset;
    status = write_all(fd, zeros, left < FILL ? (size_t)left : FILL, offset);
  }
  free(zeros);
  return status;
}

int cprobe_prepare(const char *path, uint64_t bytes) {
  int fd = open_file(path, O_RDWR | O_CREAT | O_TRUNC, 0);
  if (fd < 0) return -1;
#ifdef __linux__
  if (fallocate(fd, 0, 0, (off_t)bytes) != 0 && errno != ENOTSUP && errno != EOPNOTSUPP) {
    return closing(fd, -1);
  }
#endif
  if (fill_with_zeros(fd, bytes) != 0) return closing(fd, -1);
  if (fsync(fd) != 0) return closing(fd, -1);
  return closing(fd, drop_pages(fd));
}

int cprobe_append(const char *path, size_t size, int direct, uint64_t operations_max,
                  uint64_t nanoseconds_max, uint64_t *offset, uint32_t *latencies,
                  size_t latencies_max, struct cprobe_result *result) {
  memset(result, 0, sizeof *result);
  int fd = open_file(path, O_RDWR, direct);
  if (fd < 0) return -1;
  struct stat status;
  if (fstat(fd, &status) != 0) return closing(fd, -1);
  uint64_t end = (uint64_t)status.st_size;
  if (size == 0 || size % PAGE != 0 || size > end) {
    errno = EINVAL;
    return closing(fd, -1);
  }
  // A segment is not in the page cache when the log comes to it.
  if (drop_pages(fd) != 0) return closing(fd, -1);
  char *bytes = noise(size);
  if (bytes == NULL) return closing(fd, -1);

  int outcome = 0;
  uint64_t at = *offset, count = 0;
  uint64_t start = now(), before = start, after = start;
  while (count < operations_max && after - start < nanoseconds_max) {
    if (at + size > end) at = 0;
    // No two writes are the same, so that nothing below can leave one out.
    memcpy(bytes, &before, sizeof before);
    if (write_all(fd, bytes, size, at) != 0 || sync_data(fd) != 0) {
      outcome = -1;
      break;
    }
    at += size;
    after = now();
    uint64_t took = after - before;
    if (count < latencies_max) latencies[count] = took > UINT32_MAX ? UINT32_MAX : (uint32_t)took;
    count++;
    before = after;
  }
  *offset = at;
  result->operations = count;
  result->bytes = count * size;
  result->nanoseconds = after - start;
  int reason = errno;
  free(bytes);
  errno = reason;
  return closing(fd, outcome);
}

int cprobe_read(const char *path, uint64_t length, size_t size, int direct,
                struct cprobe_result *result) {
  memset(result, 0, sizeof *result);
  int fd = open_file(path, O_RDONLY, direct);
  if (fd < 0) return -1;
  void *memory = NULL;
  int reason = posix_memalign(&memory, PAGE, size);
  if (reason != 0) {
    errno = reason;
    return closing(fd, -1);
  }
  int outcome = 0;
  uint64_t end = (length + PAGE - 1) / PAGE * PAGE;
  uint64_t start = now();
  while (result->bytes < end) {
    uint64_t left = end - result->bytes;
    size_t count = left < size ? (size_t)left : size;
    ssize_t got = pread(fd, memory, count, (off_t)result->bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) outcome = -1;
    if (got <= 0) break;
    result->operations++;
    result->bytes += (uint64_t)got;
    // After a short read comes the end; going on from there would not be aligned.
    if ((size_t)got < count) break;
  }
  result->nanoseconds = now() - start;
  reason = errno;
  free(memory);
  errno = reason;
  return closing(fd, outcome);
}

int cprobe_forget(const char *path) {
  int fd = open_file(path, O_RDONLY, 0);
  if (fd < 0) return -1;
  if (fsync(fd) != 0) return closing(fd, -1);
  return closing(fd, drop_pages(fd));
}

int64_t cprobe_cached_bytes(const char *path) {
  int fd = open_file(path, O_RDONLY, 0);
  if (fd < 0) return -1;
  struct stat status;
  if (fstat(fd, &status) != 0) return closing(fd, -1);
  size_t size = (size_t)status.st_size;
  if (size == 0) return closing(fd, 0);
  void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
  closing(fd, 0);
  if (map == MAP_FAILED) return -1;
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  size_t pages = (size + page - 1) / page;
  unsigned char *present = malloc(pages);
  int64_t cached = -1;
  if (present != NULL && mincore(map, size, (void *)present) == 0) {
    cached = 0;
    for (size_t i = 0; i < pages; i++) cached += (present[i] & 1) * (int64_t)page;
  }
  int reason = errno;
  free(present);
  munmap(map, size);
  errno = reason;
  return cached;
}
