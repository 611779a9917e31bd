// A library for LD_PRELOAD that lets system calls fail in a program that knows nothing of it.
//
// Calls on the files of one directory fail, or do less than they were asked for; a call that fails
// does nothing. What the environment says:
//
//   FAULT_CALL    pread, pwrite, fdatasync, fsync, ftruncate, fallocate, openat (where it makes a
//                 file), renameat, unlinkat; or a pattern that matches several
//   FAULT_KIND    EIO, ENOSPC, EINTR, or SHORT (a third of what was asked for; pread and pwrite)
//   FAULT_NTH     the first such call that fails, from 1
//   FAULT_STEP    1: each call from there on, 2: every other one, and so on
//   FAULT_COUNT   how many fail; 0 for no end
//   FAULT_UNDER   the directory, as the kernel names it: no symbolic link on its way
//   FAULT_FILES   a pattern for the names of the files in it; * for all. Its own name is .
//   FAULT_LOG     where to write `loaded`, and a line for each call that failed: call and file
//
// Linux and glibc. Compiled by the script that needs it.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static const char *fault_call, *fault_under, *fault_files, *fault_log;
static long fault_first, fault_step, fault_count, calls;
static int fault_errno, fault_short;

static void say(const char *what, const char *path) {
  char line[PATH_MAX + 64];
  int length = snprintf(line, sizeof line, "%s %s\n", what, path);
  int log = (int)syscall(SYS_openat, AT_FDCWD, fault_log, O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (log < 0) return;
  syscall(SYS_write, log, line, (size_t)length);
  syscall(SYS_close, log);
}

static const char *needed(const char *name) {
  const char *value = getenv(name);
  if (value) return value;
  fprintf(stderr, "failing-calls: %s is not set\n", name);
  _exit(99);
}

__attribute__((constructor)) static void begin(void) {
  fault_call = needed("FAULT_CALL");
  fault_under = needed("FAULT_UNDER");
  fault_files = needed("FAULT_FILES");
  fault_log = needed("FAULT_LOG");
  fault_first = atol(needed("FAULT_NTH"));
  fault_step = atol(needed("FAULT_STEP"));
  fault_count = atol(needed("FAULT_COUNT"));
  if (fault_first < 1 || fault_step < 1) {
    fprintf(stderr, "failing-calls: FAULT_NTH and FAULT_STEP count from 1\n");
    _exit(99);
  }
  const char *kind = needed("FAULT_KIND");
  if (!strcmp(kind, "EIO")) fault_errno = EIO;
  else if (!strcmp(kind, "ENOSPC")) fault_errno = ENOSPC;
  else if (!strcmp(kind, "EINTR")) fault_errno = EINTR;
  else if (!strcmp(kind, "SHORT")) fault_short = 1;
  else { fprintf(stderr, "failing-calls: no kind %s\n", kind); _exit(99); }
  say("loaded", "");
}

// The name of a file in the directory, or of what lies below it; NULL for anything else.
static const char *below(const char *path) {
  size_t length = strlen(fault_under);
  if (strncmp(path, fault_under, length)) return NULL;
  if (path[length] == 0) return ".";
  return path[length] == '/' ? path + length + 1 : NULL;
}

// True if this call is one that has to fail. `name` is relative to the directory of `fd`; NULL for
// the file of `fd` itself.
static int fails(const char *call, int fd, const char *name) {
  if (fnmatch(fault_call, call, 0)) return 0;
  char path[2 * PATH_MAX] = "", link[64];
  if (!name || name[0] != '/') {
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
  }
  if (name) {
    size_t length = strlen(path);
    snprintf(path + length, sizeof path - length, "%s%s", name[0] == '/' ? "" : "/", name);
  }
  const char *file = below(path);
  if (!file || fnmatch(fault_files, file, 0)) return 0;
  long number = __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST);
  if (number < fault_first || (number - fault_first) % fault_step) return 0;
  if (fault_count > 0 && (number - fault_first) / fault_step >= fault_count) return 0;
  say(call, file);
  return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

// -1 with the reason, from a function that returns what a call returned.
#define FAIL_IF(condition) \
  if (condition) { errno = fault_errno; return -1; }

static size_t part(size_t count) { return count < 3 ? count : count / 3; }

ssize_t pread(int fd, void *buffer, size_t count, off_t offset) {
  if (fails("pread", fd, NULL)) {
    FAIL_IF(!fault_short)
    count = part(count);
  }
  return REAL(pread)(fd, buffer, count, offset);
}

ssize_t pwrite(int fd, const void *buffer, size_t count, off_t offset) {
  if (fails("pwrite", fd, NULL)) {
    FAIL_IF(!fault_short)
    // Around the page cache only whole sectors are written, as the kernel would.
    size_t less = part(count);
    if (fcntl(fd, F_GETFL) & O_DIRECT) less = less < 512 ? count : less / 512 * 512;
    count = less;
  }
  return REAL(pwrite)(fd, buffer, count, offset);
}

int fdatasync(int fd) {
  FAIL_IF(fails("fdatasync", fd, NULL))
  return REAL(fdatasync)(fd);
}

int fsync(int fd) {
  FAIL_IF(fails("fsync", fd, NULL))
  return REAL(fsync)(fd);
}

int ftruncate(int fd, off_t length) {
  FAIL_IF(fails("ftruncate", fd, NULL))
  return REAL(ftruncate)(fd, length);
}

int fallocate(int fd, int mode, off_t offset, off_t length) {
  FAIL_IF(fails("fallocate", fd, NULL))
  return REAL(fallocate)(fd, mode, offset, length);
}

int openat(int fd, const char *name, int flags, ...) {
  mode_t mode = 0;
  if (flags & O_CREAT) {
    va_list rest;
    va_start(rest, flags);
    mode = (mode_t)va_arg(rest, int);
    va_end(rest);
    FAIL_IF(fails("openat", fd, name))
  }
  return REAL(openat)(fd, name, flags, mode);
}

int renameat(int fd, const char *from, int to_fd, const char *to) {
  FAIL_IF(fails("renameat", fd, from))
  return REAL(renameat)(fd, from, to_fd, to);
}

int unlinkat(int fd, const char *name, int flags) {
  FAIL_IF(fails("unlinkat", fd, name))
  return REAL(unlinkat)(fd, name, flags);
}
