// CRC32C on 64-bit Arm: with the CRC32 extension, and PMULL where there is that too.
//
// What must always hold: nothing compiled for an extension runs before the system has said that
// the processor has it. No compiler flag is needed, as each function names its extensions itself;
// elsewhere than on little-endian 64-bit Arm this is just unavailable.

#include "crc32c_internal.h"

#if defined(__aarch64__) && defined(__GNUC__) && !defined(__AARCH64EB__) &&                        \
    (defined(__APPLE__) || defined(__linux__))

#include <arm_acle.h>
#include <arm_neon.h>

#if defined(__linux__)
#include <sys/auxv.h>
#endif

// The compilers spell these differently, and gcc has no name for PMULL alone.
#if defined(__clang__)
#define TARGET_CRC __attribute__((target("crc")))
#define TARGET __attribute__((target("crc,aes")))
#else
#define TARGET_CRC __attribute__((target("+crc")))
#define TARGET __attribute__((target("+crc+crypto")))
#endif

TARGET_CRC RAFTLOG_CRC32C_INLINE uint32_t crc_word(uint32_t state, uint64_t word) {
    return __crc32cd(state, word);
}

TARGET RAFTLOG_CRC32C_INLINE uint64_t carryless_product(uint32_t a, uint32_t b) {
    return vgetq_lane_u64(vreinterpretq_u64_p128(vmull_p64((poly64_t)a, (poly64_t)b)), 0);
}

// Not measured: chosen as on x86-64, where the instructions take about as long.
#define STREAMS_MIN_WORDS 11
#include "crc32c_streams.h"

TARGET static uint32_t extend_crc_and_pmull(uint32_t state, const uint8_t *bytes, size_t count) {
    if (count < 8) {
        return extend_short(state, bytes, count);
    }
    // The odd bytes first, where a whole word can be loaded, so that whole words are left.
    state = extend_part(state, load_word(bytes), count & 7);
    return extend_words(state, bytes + (count & 7), count >> 3);
}

RAFTLOG_CRC32C_DEFINE_COMBINE(combine_with_pmull, TARGET, multiply)

static const struct raftlog_crc32c_kernel with_pmull = {
    raftlog_crc32c_implementation_arm64,
    extend_crc_and_pmull,
    combine_with_pmull,
};

#if defined(__APPLE__)

// Every 64-bit Apple processor has both extensions.
const struct raftlog_crc32c_kernel *raftlog_crc32c_internal_arm64(void) {
    return &with_pmull;
}

#else

// For the few processors with the CRC instruction alone (the Cortex-A72 of the Raspberry Pi 4).
TARGET_CRC static uint32_t extend_crc(uint32_t state, const uint8_t *bytes, size_t count) {
    for (; count >= 8; count -= 8, bytes += 8) {
        state = crc_word(state, load_word(bytes));
    }
    for (; count > 0; count--, bytes++) {
        state = __crc32cb(state, *bytes);
    }
    return state;
}

static uint32_t combine_without_pmull(uint32_t crc_a, uint32_t crc_b, uint64_t count_b) {
    return raftlog_crc32c_internal_portable.combine(crc_a, crc_b, count_b);
}

static const struct raftlog_crc32c_kernel without_pmull = {
    raftlog_crc32c_implementation_arm64,
    extend_crc,
    combine_without_pmull,
};

const struct raftlog_crc32c_kernel *raftlog_crc32c_internal_arm64(void) {
    const unsigned long pmull = 1ul << 4, crc32 = 1ul << 7;
    unsigned long features = getauxval(AT_HWCAP);
    if ((features & crc32) == 0) {
        return NULL;
    }
    return (features & pmull) != 0 ? &with_pmull : &without_pmull;
}

#endif

#else

const struct raftlog_crc32c_kernel *raftlog_crc32c_internal_arm64(void) {
    return NULL;
}

#endif
