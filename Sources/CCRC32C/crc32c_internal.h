// What the files of this target share: the shape of an implementation, the table of powers, and
// the arithmetic that is the same for all of them.
//
// What must always hold: a "state" is the bare shift register, already inverted; only the public
// functions in crc32c.c invert. Every table is constant data, so there is nothing to initialise
// and nothing for two threads to race on.
//
// Notation. Polynomials over GF(2) are held bit-reversed, as CRC32C defines them: in a 32-bit
// value bit 31 is the coefficient of x^0 and bit 0 that of x^31. P is the Castagnoli polynomial
// and ^ in formulas is a power. "Word" means 8 bytes of the message.

#ifndef RAFTLOG_CRC32C_INTERNAL_H
#define RAFTLOG_CRC32C_INTERNAL_H

#include "CCRC32C.h"

#include <string.h>

// The symbols must be visible between the files of this target but not to its clients.
#if defined(__GNUC__) && !defined(_WIN32)
#define RAFTLOG_CRC32C_HIDDEN __attribute__((visibility("hidden")))
#else
#define RAFTLOG_CRC32C_HIDDEN
#endif

#if defined(__GNUC__)
#define RAFTLOG_CRC32C_INLINE static inline __attribute__((always_inline))
#else
#define RAFTLOG_CRC32C_INLINE static inline
#endif

// One implementation, as constant data, so that a single pointer selects all of it.
struct raftlog_crc32c_kernel {
    raftlog_crc32c_implementation implementation;
    // The state after `count` more bytes.
    uint32_t (*extend)(uint32_t state, const uint8_t *bytes, size_t count);
    // As raftlog_crc32c_combine. It works on finished values: the inversions cancel out.
    uint32_t (*combine)(uint32_t crc_a, uint32_t crc_b, uint64_t count_b);
};

// Each gives NULL when this machine, or the machine compiled for, cannot run the implementation.
// They ask the processor anew every time, so callers keep the answer.
RAFTLOG_CRC32C_HIDDEN extern const struct raftlog_crc32c_kernel raftlog_crc32c_internal_portable;
RAFTLOG_CRC32C_HIDDEN const struct raftlog_crc32c_kernel *raftlog_crc32c_internal_sse42(void);
RAFTLOG_CRC32C_HIDDEN const struct raftlog_crc32c_kernel *raftlog_crc32c_internal_vpclmulqdq(void);
RAFTLOG_CRC32C_HIDDEN const struct raftlog_crc32c_kernel *raftlog_crc32c_internal_arm64(void);

// Powers of x modulo P, each short by x^33. The carry-less product of two reflected 32-bit values
// lacks a factor x (63 bits in a 64-bit field), and taking it modulo P with a CRC step over one
// word adds a factor x^32, so one multiplication by a value from this table makes up for both:
// multiplying by the entry for e bytes moves a CRC over exactly e bytes of zeros.
struct raftlog_crc32c_powers {
    // [r] = x^(8 r - 33): r bytes, less than a word.
    uint32_t bytes[8];
    // [k][d] = x^(64 d 64^k - 33): d words times 64^k. The last row stops at 15.
    uint32_t words[5][64];
};
RAFTLOG_CRC32C_HIDDEN extern const struct raftlog_crc32c_powers raftlog_crc32c_internal_powers;

// Defines `name`, a combine function, from `multiply(a, b)`, which must give a b x^33 mod P: a
// macro because each implementation's multiplication must be compiled, and inlined, for its own
// instruction set.
//
// The length is written in base 64 and the powers for its digits are multiplied as a tree, so
// lengths below 32 KiB take two multiplications in sequence and all others at most four. x has
// order 2^31 - 1 modulo P, which is why a length may first be reduced to 31 bits.
#define RAFTLOG_CRC32C_DEFINE_COMBINE(name, attributes, multiply)                                 \
    attributes static uint32_t name(uint32_t crc_a, uint32_t crc_b, uint64_t count_b) {           \
        const struct raftlog_crc32c_powers *powers = &raftlog_crc32c_internal_powers;             \
        if (count_b >> 31 != 0) {                                                                 \
            count_b %= 0x7fffffffu;                                                               \
        }                                                                                         \
        uint32_t words = (uint32_t)(count_b >> 3);                                                \
        uint32_t moved = multiply(crc_a, powers->bytes[count_b & 7]);                             \
        uint32_t power = multiply(powers->words[0][words & 63],                                   \
                                  powers->words[1][words >> 6 & 63]);                             \
        if (words >> 12 != 0) {                                                                   \
            uint32_t high = multiply(powers->words[2][words >> 12 & 63],                          \
                                     powers->words[3][words >> 18 & 63]);                         \
            high = multiply(high, powers->words[4][words >> 24]);                                 \
            power = multiply(power, high);                                                        \
        }                                                                                         \
        return multiply(moved, power) ^ crc_b;                                                    \
    }

#endif
