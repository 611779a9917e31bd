// CRC32C with a CRC instruction and a carry-less multiplication, in terms of both: included once
// by each file that has them, after it has defined
//
//   TARGET                     the function attribute that makes the instructions available,
//   crc_word(state, word)      the state after one word (its first byte in memory the lowest),
//   carryless_product(a, b)    the 63-bit product of two 32-bit values, as a uint64_t,
//   STREAMS_MIN_WORDS          from how many words on three streams beat one; at least 4.
//
// What must always hold: the machine is little-endian and tolerates loads at any alignment, and
// nothing outside [bytes, bytes + count) is read.
//
// Why three streams: a CRC instruction takes about three cycles to answer, yet the processor can
// start one every cycle. So the message is cut in three, the three parts are done in step, and
// their states joined with multiplications by powers of x.

RAFTLOG_CRC32C_INLINE uint64_t load_word(const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

// a b x^33 mod P.
TARGET RAFTLOG_CRC32C_INLINE uint32_t multiply(uint32_t a, uint32_t b) {
    return crc_word(0, carryless_product(a, b));
}

// The value whose carry-less product with a state, mixed into a word of the message, has the
// effect of that state `words` words earlier in it, the word mixed into being the last of those.
// `words` is below 4096.
TARGET RAFTLOG_CRC32C_INLINE uint32_t mover(size_t words) {
    const struct raftlog_crc32c_powers *powers = &raftlog_crc32c_internal_powers;
    if (words < 64) {
        return powers->words[0][words];
    }
    return multiply(powers->words[0][words & 63], powers->words[1][words >> 6]);
}

// The state after the first `count` bytes of `word`, 0 to 8 but in fact below 8. In one CRC step
// and without a branch: bytes shifted in ahead of the message are zeros, and zeros leave the zero
// state alone. Whatever of the state those bytes do not reach is shifted out as it is. (The shift
// is made in two because shifting by 64, for no bytes, is not defined.)
TARGET RAFTLOG_CRC32C_INLINE uint32_t extend_part(uint32_t state, uint64_t word, size_t count) {
    uint64_t mixed = (state ^ word) << (56 - 8 * count) << 8;
    return crc_word(0, mixed) ^ (uint32_t)((uint64_t)state >> (8 * count));
}

// Fewer than 8 bytes. Loads overlap rather than reach outside.
TARGET RAFTLOG_CRC32C_INLINE uint32_t extend_short(uint32_t state, const uint8_t *bytes,
                                                   size_t count) {
    uint64_t word;
    if (count >= 4) {
        uint32_t first, last;
        memcpy(&first, bytes, sizeof first);
        memcpy(&last, bytes + count - 4, sizeof last);
        word = first | (uint64_t)last << (8 * count - 32);
    } else if (count > 0) {
        size_t middle = count >> 1;
        word = bytes[0] | (uint64_t)bytes[middle] << (8 * middle) |
               (uint64_t)bytes[count - 1] << (8 * count - 8);
    } else {
        return state;
    }
    return extend_part(state, word, count);
}

// The end of what is done in three streams. On entry streams a and b have `common` words each to
// go from their pointers, c has `common` plus 1, 2 or 3. `moved` is the carry-less product for
// whatever came before stream a, to be mixed into the last word of c.
//
// The joins go into the last word of the last stream, because the step over that word then does
// the reduction modulo P for all of them.
TARGET RAFTLOG_CRC32C_INLINE uint32_t finish_streams(uint32_t a_state, const uint8_t *a,
                                                     uint32_t b_state, const uint8_t *b,
                                                     uint32_t c_state, const uint8_t *c,
                                                     size_t common, size_t c_more,
                                                     uint32_t a_mover, uint32_t b_mover,
                                                     uint64_t moved) {
    for (; common > 0; common--, a += 8, b += 8, c += 8) {
        a_state = crc_word(a_state, load_word(a));
        b_state = crc_word(b_state, load_word(b));
        c_state = crc_word(c_state, load_word(c));
    }
    for (; c_more > 1; c_more--, c += 8) {
        c_state = crc_word(c_state, load_word(c));
    }
    moved ^= carryless_product(a_state, a_mover) ^ carryless_product(b_state, b_mover);
    return crc_word(c_state, load_word(c) ^ moved);
}

// `words` words, at least 4 and at most STREAMS_MAX_WORDS.
TARGET RAFTLOG_CRC32C_INLINE uint32_t extend_streams(uint32_t state, const uint8_t *bytes,
                                                     size_t words) {
    size_t each = (words - 1) / 3;
    return finish_streams(state, bytes, 0, bytes + 8 * each, 0, bytes + 16 * each, each,
                          words - 3 * each, mover(words - each), mover(words - 2 * each), 0);
}

// The longest distance a state is moved is two thirds of this and must stay below 4096 words.
#define STREAMS_MAX_WORDS ((size_t)6000)

// Whole words, any number.
TARGET RAFTLOG_CRC32C_INLINE uint32_t extend_words(uint32_t state, const uint8_t *bytes,
                                                   size_t words) {
    while (words >= STREAMS_MIN_WORDS) {
        size_t now = words < STREAMS_MAX_WORDS ? words : STREAMS_MAX_WORDS;
        state = extend_streams(state, bytes, now);
        bytes += 8 * now;
        words -= now;
    }
    for (; words > 0; words--, bytes += 8) {
        state = crc_word(state, load_word(bytes));
    }
    return state;
}
