#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CPOSIX.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#if defined(__linux__)
#include <linux/futex.h>
#include <limits.h>
#include <sys/syscall.h>
#elif defined(__APPLE__)
#include <os/os_sync_wait_on_address.h>
#else
#error "raftlog runs on Linux and on Darwin"
#endif

int raftlog_o_direct(void) {
#ifdef O_DIRECT
  return O_DIRECT;
#else
  return 0;
#endif
}

int raftlog_fallocate(int fd, off_t offset, off_t length) {
#ifdef __linux__
  return fallocate(fd, 0, offset, length);
#else
  (void)fd;
  (void)offset;
  (void)length;
  errno = ENOTSUP;
  return -1;
#endif
}

#ifdef F_OFD_SETLK
// Linux: locks of open file descriptions. Like flock(2) they end with the file, however the process
// ends; unlike it they can be asked for without being taken, so that a reader who wants to know
// whether a writer lives never stands in the way of one that starts.
int raftlog_try_lock(int fd) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  return fcntl(fd, F_OFD_SETLK, &lock);
}

int raftlog_is_locked(int fd) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  if (fcntl(fd, F_OFD_GETLK, &lock) != 0) return -1;
  return lock.l_type != F_UNLCK;
}
#else
int raftlog_try_lock(int fd) { return flock(fd, LOCK_EX | LOCK_NB); }

int raftlog_is_locked(int fd) {
  if (flock(fd, LOCK_SH | LOCK_NB) != 0) return errno == EWOULDBLOCK ? 1 : -1;
  flock(fd, LOCK_UN);
  return 0;
}
#endif

#ifdef __linux__
void raftlog_wait_while(uint32_t *word, uint32_t expected) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

void raftlog_wake_all(uint32_t *word) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}
#else
void raftlog_wait_while(uint32_t *word, uint32_t expected) {
  os_sync_wait_on_address(word, expected, sizeof *word, OS_SYNC_WAIT_ON_ADDRESS_NONE);
}

void raftlog_wake_all(uint32_t *word) {
  os_sync_wake_by_address_all(word, sizeof *word, OS_SYNC_WAKE_BY_ADDRESS_NONE);
}
#endif

int raftlog_mutex_init(pthread_mutex_t *mutex) {
#ifdef __GLIBC__
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ADAPTIVE_NP);
  int reason = pthread_mutex_init(mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
  return reason;
#else
  return pthread_mutex_init(mutex, NULL);
#endif
}

uint64_t raftlog_free_bytes(const char *path) {
  struct statvfs s;
  if (statvfs(path, &s) != 0) return UINT64_MAX;
  return (uint64_t)s.f_bavail * (uint64_t)s.f_frsize;
}

uint64_t raftlog_peak_resident_bytes(void) {
  struct rusage usage;
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
#ifdef __APPLE__
  return (uint64_t)usage.ru_maxrss;
#else
  return (uint64_t)usage.ru_maxrss * 1024;
#endif
}

static _Thread_local volatile uint64_t current_seed;
static struct sigaction previous[2];

static void tell_seed(int number) {
  char words[] = "trapped while seed                      was run\n";
  // Only what is allowed in a handler: no library call but write(2) and sigaction(2).
  char digits[20];
  int count = 0;
  uint64_t rest = current_seed;
  do {
    digits[count++] = (char)('0' + rest % 10);
    rest /= 10;
  } while (rest > 0);
  for (int i = 0; i < count; i++) words[19 + i] = digits[count - 1 - i];
  (void)!write(STDERR_FILENO, words, sizeof words - 1);
  // The instruction is carried out again, and traps as it would have.
  sigaction(number, &previous[number == SIGILL ? 0 : 1], NULL);
}

void raftlog_tell_seed_on_trap(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = tell_seed;
  sigemptyset(&action.sa_mask);
  sigaction(SIGILL, &action, &previous[0]);
  sigaction(SIGTRAP, &action, &previous[1]);
}

void raftlog_note_seed(uint64_t seed) { current_seed = seed; }
