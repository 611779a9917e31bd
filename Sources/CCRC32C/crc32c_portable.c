// CRC32C in plain C, eight bytes at a time ("slicing by 8"), for machines without the instructions
// the other files use, and as what those files are tested against.
//
// What must always hold: it gives the right answer on any machine, whatever its byte order or
// alignment rules, and its tables are constant data.

#include "crc32c_internal.h"

// A table entry is linear in its index: the exclusive or of one constant for each bit set. So the
// 2048 entries follow from the 64 constants below, and the compiler does the work.
#define ENTRIES_2(v, a) (v), (v) ^ (a)
#define ENTRIES_4(v, a, b) ENTRIES_2(v, a), ENTRIES_2((v) ^ (b), a)
#define ENTRIES_8(v, a, b, c) ENTRIES_4(v, a, b), ENTRIES_4((v) ^ (c), a, b)
#define ENTRIES_16(v, a, b, c, d) ENTRIES_8(v, a, b, c), ENTRIES_8((v) ^ (d), a, b, c)
#define ENTRIES_32(v, a, b, c, d, e) ENTRIES_16(v, a, b, c, d), ENTRIES_16((v) ^ (e), a, b, c, d)
#define ENTRIES_64(v, a, b, c, d, e, f)                                                           \
    ENTRIES_32(v, a, b, c, d, e), ENTRIES_32((v) ^ (f), a, b, c, d, e)
#define ENTRIES_128(v, a, b, c, d, e, f, g)                                                       \
    ENTRIES_64(v, a, b, c, d, e, f), ENTRIES_64((v) ^ (g), a, b, c, d, e, f)
#define ENTRIES_256(v, a, b, c, d, e, f, g, h)                                                    \
    ENTRIES_128(v, a, b, c, d, e, f, g), ENTRIES_128((v) ^ (h), a, b, c, d, e, f, g)

// tables[k][i] is what a state whose low byte is i, and the rest 0, becomes after 1 + k bytes of
// zeros. The constants, read backwards within each row, are x^32, x^33, ... x^95 modulo P.
static const uint32_t tables[8][256] = {
    {ENTRIES_256(0u, 0xf26b8303, 0xe13b70f7, 0xc79a971f, 0x8ad958cf,
                 0x105ec76f, 0x20bd8ede, 0x417b1dbc, 0x82f63b78)},
    {ENTRIES_256(0u, 0x13a29877, 0x274530ee, 0x4e8a61dc, 0x9d14c3b8,
                 0x3fc5f181, 0x7f8be302, 0xff17c604, 0xfbc3faf9)},
    {ENTRIES_256(0u, 0xa541927e, 0x4f6f520d, 0x9edea41a, 0x38513ec5,
                 0x70a27d8a, 0xe144fb14, 0xc76580d9, 0x8b277743)},
    {ENTRIES_256(0u, 0xdd45aab8, 0xbf672381, 0x7b2231f3, 0xf64463e6,
                 0xe964b13d, 0xd725148b, 0xaba65fe7, 0x52a0c93f)},
    {ENTRIES_256(0u, 0x38116fac, 0x7022df58, 0xe045beb0, 0xc5670b91,
                 0x8f2261d3, 0x1ba8b557, 0x37516aae, 0x6ea2d55c)},
    {ENTRIES_256(0u, 0xef306b19, 0xdb8ca0c3, 0xb2f53777, 0x6006181f,
                 0xc00c303e, 0x85f4168d, 0x0e045beb, 0x1c08b7d6)},
    {ENTRIES_256(0u, 0x68032cc8, 0xd0065990, 0xa5e0c5d1, 0x4e2dfd53,
                 0x9c5bfaa6, 0x3d5b83bd, 0x7ab7077a, 0xf56e0ef4)},
    {ENTRIES_256(0u, 0x493c7d27, 0x9278fa4e, 0x211d826d, 0x423b04da,
                 0x847609b4, 0x0d006599, 0x1a00cb32, 0x34019664)},
};

// The state after one word, given the exclusive or of the state and the word, whose first byte in
// memory is the lowest. Also: `mixed` as a reflected polynomial times x^32, modulo P.
RAFTLOG_CRC32C_INLINE uint32_t step(uint64_t mixed) {
    return tables[7][mixed & 0xff] ^ tables[6][mixed >> 8 & 0xff] ^
           tables[5][mixed >> 16 & 0xff] ^ tables[4][mixed >> 24 & 0xff] ^
           tables[3][mixed >> 32 & 0xff] ^ tables[2][mixed >> 40 & 0xff] ^
           tables[1][mixed >> 48 & 0xff] ^ tables[0][mixed >> 56];
}

// Written byte by byte for the sake of big-endian machines; compilers make one load of it.
RAFTLOG_CRC32C_INLINE uint64_t load_word(const uint8_t *bytes) {
    return (uint64_t)bytes[0] | (uint64_t)bytes[1] << 8 | (uint64_t)bytes[2] << 16 |
           (uint64_t)bytes[3] << 24 | (uint64_t)bytes[4] << 32 | (uint64_t)bytes[5] << 40 |
           (uint64_t)bytes[6] << 48 | (uint64_t)bytes[7] << 56;
}

static uint32_t extend(uint32_t state, const uint8_t *bytes, size_t count) {
    for (; count >= 8; count -= 8, bytes += 8) {
        state = step(state ^ load_word(bytes));
    }
    for (; count > 0; count--, bytes++) {
        state = state >> 8 ^ tables[0][(state ^ *bytes) & 0xff];
    }
    return state;
}

// The carry-less product. Ordinary multiplication does it if each factor has only every fourth bit
// set: at most 8 ones then meet in a column, which cannot carry as far as the next column of
// interest, and the column's lowest bit is their exclusive or.
RAFTLOG_CRC32C_INLINE uint64_t carryless_product(uint32_t a, uint32_t b) {
    const uint64_t every_fourth = 0x1111111111111111u;
    uint64_t a0 = a & every_fourth, a1 = a & every_fourth << 1;
    uint64_t a2 = a & every_fourth << 2, a3 = a & every_fourth << 3;
    uint64_t b0 = b & every_fourth, b1 = b & every_fourth << 1;
    uint64_t b2 = b & every_fourth << 2, b3 = b & every_fourth << 3;
    uint64_t p0 = (a0 * b0) ^ (a1 * b3) ^ (a2 * b2) ^ (a3 * b1);
    uint64_t p1 = (a0 * b1) ^ (a1 * b0) ^ (a2 * b3) ^ (a3 * b2);
    uint64_t p2 = (a0 * b2) ^ (a1 * b1) ^ (a2 * b0) ^ (a3 * b3);
    uint64_t p3 = (a0 * b3) ^ (a1 * b2) ^ (a2 * b1) ^ (a3 * b0);
    return (p0 & every_fourth) | (p1 & every_fourth << 1) | (p2 & every_fourth << 2) |
           (p3 & every_fourth << 3);
}

static uint32_t multiply(uint32_t a, uint32_t b) {
    return step(carryless_product(a, b));
}

RAFTLOG_CRC32C_DEFINE_COMBINE(combine, , multiply)

const struct raftlog_crc32c_kernel raftlog_crc32c_internal_portable = {
    raftlog_crc32c_implementation_portable,
    extend,
    combine,
};
