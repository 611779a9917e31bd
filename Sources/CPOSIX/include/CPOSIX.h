// System calls and constants that Swift's C library overlay does not show. Nothing here decides
// anything: one inline function a call, so that the Swift side reads as if it had called it.
#ifndef RAFTLOG_CPOSIX_H
#define RAFTLOG_CPOSIX_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// open(2)'s O_DIRECT, or 0 where the platform has none (the caller then never asks for it).
int raftlog_o_direct(void);

/// fallocate(2) without flags: reserves `length` bytes and grows the file to them. 0, or -1 with
/// errno; ENOTSUP where the platform has no such call (zeros are written anyway).
int raftlog_fallocate(int fd, off_t offset, off_t length);

/// Takes an exclusive lock that belongs to the open file `fd` and ends with it; never waits. 0, or -1
/// with errno EAGAIN when somebody else holds it.
int raftlog_try_lock(int fd);

/// 1 when another open file holds the lock, 0 when none does, -1 with errno; takes nothing itself.
int raftlog_is_locked(int fd);

/// Sleeps while `*word` is `expected`, until `raftlog_wake_all` is called for it; may also return for
/// no reason.
void raftlog_wait_while(uint32_t *word, uint32_t expected);

/// Wakes every thread that sleeps on `word`, with one call.
void raftlog_wake_all(uint32_t *word);

/// Initializes a mutex that spins for a moment before it sleeps, where there is such a thing.
int raftlog_mutex_init(pthread_mutex_t *mutex);

/// Bytes that are free to this process on the file system of `path`; UINT64_MAX if unknown.
uint64_t raftlog_free_bytes(const char *path);

/// Bytes of the resident set at its peak, as getrusage(2) counts them.
uint64_t raftlog_peak_resident_bytes(void);

/// Says on standard error which seed a thread was running when the program traps there, and lets the
/// trap go on: an assertion that fails names what brings it about again.
void raftlog_tell_seed_on_trap(void);

/// The seed that this thread is running.
void raftlog_note_seed(uint64_t seed);

#endif
