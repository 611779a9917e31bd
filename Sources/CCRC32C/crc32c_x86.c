// CRC32C on x86-64: with SSE4.2 and PCLMULQDQ, and with AVX2 and VPCLMULQDQ besides.
//
// What must always hold: nothing compiled for an extension runs before the processor, and for
// AVX2 the operating system too, has said that it supports it. No compiler flag is needed, as
// each function names its extensions itself; elsewhere than on x86-64 both are just unavailable.

#include "crc32c_internal.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <cpuid.h>
#include <immintrin.h>

#define TARGET __attribute__((target("sse4.2,pclmul")))

TARGET RAFTLOG_CRC32C_INLINE uint32_t crc_word(uint32_t state, uint64_t word) {
    return (uint32_t)_mm_crc32_u64(state, word);
}

TARGET RAFTLOG_CRC32C_INLINE uint64_t carryless_product(uint32_t a, uint32_t b) {
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi32_si128((int)a), _mm_cvtsi32_si128((int)b), 0);
    return (uint64_t)_mm_cvtsi128_si64(product);
}

#define STREAMS_MIN_WORDS 11
#include "crc32c_streams.h"

TARGET static uint32_t extend_sse42(uint32_t state, const uint8_t *bytes, size_t count) {
    if (count < 8) {
        return extend_short(state, bytes, count);
    }
    // The odd bytes first, where a whole word can be loaded, so that whole words are left.
    state = extend_part(state, load_word(bytes), count & 7);
    return extend_words(state, bytes + (count & 7), count >> 3);
}

RAFTLOG_CRC32C_DEFINE_COMBINE(combine, TARGET, multiply)

// Folding: the vectors hold a remainder of the message so far that is congruent to it modulo P.
// Both qwords of each 16-byte lane are multiplied by the power of x for the distance to where they
// are to be added. The table's powers are short by the same x^33 here: the product is 127 bits in
// a 128-bit lane (x^1), and the power sits in the low half of a qword (x^32).
#define TARGET_AVX2 __attribute__((target("avx2,vpclmulqdq,sse4.2,pclmul")))

TARGET_AVX2 RAFTLOG_CRC32C_INLINE __m128i fold_powers(size_t words) {
    const uint32_t *power = raftlog_crc32c_internal_powers.words[0] + words;
    return _mm_set_epi64x((int64_t)power[0], (int64_t)power[1]);
}

TARGET_AVX2 RAFTLOG_CRC32C_INLINE __m256i fold(__m256i folded, __m256i powers, __m256i onto) {
    __m256i low = _mm256_clmulepi64_epi128(folded, powers, 0x00);
    __m256i high = _mm256_clmulepi64_epi128(folded, powers, 0x11);
    return _mm256_xor_si256(_mm256_xor_si256(low, onto), high);
}

TARGET_AVX2 RAFTLOG_CRC32C_INLINE __m256i load_vector(const uint8_t *bytes) {
    return _mm256_loadu_si256((const __m256i *)(const void *)bytes);
}

// Each round folds two vectors (8 words) and takes four steps in each of three streams (12 words).
// The two kinds of work go to different execution units, so one comes nearly free with the other.
// This mix was the fastest of those tried on an AMD Zen 3; below the minimum, streams alone win.
#define ROUND_WORDS ((size_t)20)
#define HYBRID_MIN_WORDS ((size_t)64)
// The longest distance a state is moved is three fifths of this, and must stay below 4096 words.
#define HYBRID_MAX_WORDS ((size_t)6000)

// `words` words, from ROUND_WORDS to HYBRID_MAX_WORDS. The first two fifths, about, go to the
// vectors and the rest to three streams.
TARGET_AVX2 RAFTLOG_CRC32C_INLINE uint32_t extend_hybrid(uint32_t state, const uint8_t *bytes,
                                                         size_t words) {
    size_t rounds = words / ROUND_WORDS;
    const uint8_t *v = bytes;
    __m256i v0 = _mm256_xor_si256(load_vector(v),
                                  _mm256_zextsi128_si256(_mm_cvtsi32_si128((int)state)));
    __m256i v1 = load_vector(v + 32);
    __m256i far = _mm256_broadcastsi128_si256(fold_powers(8));

    size_t streamed = words - 8 * rounds;
    size_t each = (streamed - 1) / 3;
    const uint8_t *a = bytes + 64 * rounds, *b = a + 8 * each, *c = b + 8 * each;
    uint32_t v_mover = mover(streamed);
    uint32_t a_mover = mover(streamed - each), b_mover = mover(streamed - 2 * each);
    uint32_t a_state = 0, b_state = 0, c_state = 0;

    // The first round's vectors are loaded already, and its steps are left for the end, where they
    // overlap with bringing the vectors together.
    for (size_t round = 1; round < rounds; round++) {
        v += 64;
        v0 = fold(v0, far, load_vector(v));
        v1 = fold(v1, far, load_vector(v + 32));
        // Written out because gcc keeps a loop of four a loop, which costs a fifth of the speed.
        a_state = crc_word(a_state, load_word(a));
        b_state = crc_word(b_state, load_word(b));
        c_state = crc_word(c_state, load_word(c));
        a_state = crc_word(a_state, load_word(a + 8));
        b_state = crc_word(b_state, load_word(b + 8));
        c_state = crc_word(c_state, load_word(c + 8));
        a_state = crc_word(a_state, load_word(a + 16));
        b_state = crc_word(b_state, load_word(b + 16));
        c_state = crc_word(c_state, load_word(c + 16));
        a_state = crc_word(a_state, load_word(a + 24));
        b_state = crc_word(b_state, load_word(b + 24));
        c_state = crc_word(c_state, load_word(c + 24));
        a += 32;
        b += 32;
        c += 32;
    }

    __m256i both = fold(v0, _mm256_broadcastsi128_si256(fold_powers(4)), v1);
    __m128i near = fold_powers(2);
    __m128i first = _mm256_castsi256_si128(both);
    __m128i last = _mm256_extracti128_si256(both, 1);
    last = _mm_xor_si128(last, _mm_clmulepi64_si128(first, near, 0x00));
    last = _mm_xor_si128(last, _mm_clmulepi64_si128(first, near, 0x11));
    uint32_t v_state = crc_word(0, (uint64_t)_mm_cvtsi128_si64(last));
    v_state = crc_word(v_state, (uint64_t)_mm_extract_epi64(last, 1));

    return finish_streams(a_state, a, b_state, b, c_state, c, each - 4 * (rounds - 1),
                          streamed - 3 * each, a_mover, b_mover,
                          carryless_product(v_state, v_mover));
}

TARGET_AVX2 static uint32_t extend_vpclmulqdq(uint32_t state, const uint8_t *bytes, size_t count) {
    if (count < 8) {
        return extend_short(state, bytes, count);
    }
    state = extend_part(state, load_word(bytes), count & 7);
    bytes += count & 7;
    size_t words = count >> 3;
    while (words >= HYBRID_MIN_WORDS) {
        size_t now = words < HYBRID_MAX_WORDS ? words : HYBRID_MAX_WORDS;
        state = extend_hybrid(state, bytes, now);
        bytes += 8 * now;
        words -= now;
    }
    return extend_words(state, bytes, words);
}

static bool has_sse42(void) {
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_SSE4_2) != 0 && (c & bit_PCLMUL) != 0;
}

static bool has_vpclmulqdq(void) {
    unsigned a, b, c, d;
    if (!has_sse42() || __get_cpuid(1, &a, &b, &c, &d) == 0 || (c & bit_OSXSAVE) == 0) {
        return false;
    }
    // Whether the operating system keeps the 256-bit registers across context switches. XGETBV has
    // no intrinsic that works without a compiler flag.
    unsigned enabled, enabled_high;
    __asm__ volatile("xgetbv" : "=a"(enabled), "=d"(enabled_high) : "c"(0));
    if ((enabled & 6) != 6) {
        return false;
    }
    const unsigned avx2_in_b = 1u << 5, vpclmulqdq_in_c = 1u << 10;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & avx2_in_b) != 0 &&
           (c & vpclmulqdq_in_c) != 0;
}

static const struct raftlog_crc32c_kernel sse42 = {
    raftlog_crc32c_implementation_sse42,
    extend_sse42,
    combine,
};

static const struct raftlog_crc32c_kernel vpclmulqdq = {
    raftlog_crc32c_implementation_vpclmulqdq,
    extend_vpclmulqdq,
    combine,
};

const struct raftlog_crc32c_kernel *raftlog_crc32c_internal_sse42(void) {
    return has_sse42() ? &sse42 : NULL;
}

const struct raftlog_crc32c_kernel *raftlog_crc32c_internal_vpclmulqdq(void) {
    return has_vpclmulqdq() ? &vpclmulqdq : NULL;
}

#else

const struct raftlog_crc32c_kernel *raftlog_crc32c_internal_sse42(void) {
    return NULL;
}

const struct raftlog_crc32c_kernel *raftlog_crc32c_internal_vpclmulqdq(void) {
    return NULL;
}

#endif
