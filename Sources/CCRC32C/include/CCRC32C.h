// CRC32C (the Castagnoli polynomial, as in RFC 3720 and iSCSI) for the records of the log.
//
// What must always hold: every implementation gives the same answer for the same bytes on every
// machine, because the answers are stored in files that other machines read. Nothing here
// allocates, locks, fails or keeps state a caller can see; every function may be called from any
// thread at any time.

#ifndef RAFTLOG_CCRC32C_H
#define RAFTLOG_CCRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// The ways this library can compute a CRC32C. They differ in speed only.
typedef enum raftlog_crc32c_implementation {
    /// Table look-ups (slicing by 8) in plain C. Available everywhere.
    raftlog_crc32c_implementation_portable = 0,
    /// x86-64 with SSE4.2 and PCLMULQDQ: the crc32 instruction on three streams at once.
    raftlog_crc32c_implementation_sse42 = 1,
    /// x86-64 with AVX2 and VPCLMULQDQ: three crc32 streams and carry-less folding side by side.
    raftlog_crc32c_implementation_vpclmulqdq = 2,
    /// 64-bit Arm with the CRC32 extension; three streams at once where PMULL is present as well.
    raftlog_crc32c_implementation_arm64 = 3
} raftlog_crc32c_implementation;

/// The CRC32C of some bytes followed by `count` more, with the fastest implementation this
/// machine has.
///
/// - `crc`: the CRC32C of the bytes that come before; 0 when none do. The inversions before and
///   after are done inside, so results are plain CRC32C values and can be passed back in.
/// - `bytes`: the bytes to add, at any alignment. May be NULL when `count` is 0.
/// - `count`: how many bytes to add. Exactly these are read, and none beyond them.
/// - Returns the CRC32C of everything so far; `crc` itself when `count` is 0.
uint32_t raftlog_crc32c_extend(uint32_t crc, const void *bytes, size_t count);

/// The CRC32C of A followed by B, from the CRC32Cs of A and of B, without reading either.
///
/// - `crc_a`: the CRC32C of A.
/// - `crc_b`: the CRC32C of B alone, that is, started from 0.
/// - `count_b`: the length of B in bytes. Any value is allowed; the cost does not grow with it
///   beyond one step at 32 KiB.
uint32_t raftlog_crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t count_b);

/// Whether this machine can run `implementation`. True for `portable` always, and false for a
/// value that names none.
bool raftlog_crc32c_available(raftlog_crc32c_implementation implementation);

/// The implementation that `raftlog_crc32c_extend` uses on this machine. Constant for the life of
/// the process.
raftlog_crc32c_implementation raftlog_crc32c_selected(void);

/// As `raftlog_crc32c_extend`, with a chosen implementation. For tests and benchmarks.
///
/// One that is not available is replaced by `portable`, so the answer is right all the same; ask
/// `raftlog_crc32c_available` first to know what is being tested or measured.
uint32_t raftlog_crc32c_extend_with(raftlog_crc32c_implementation implementation, uint32_t crc,
                                    const void *bytes, size_t count);

#ifdef __cplusplus
}
#endif

#endif
