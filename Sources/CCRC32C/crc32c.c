// The public functions: choosing an implementation and the inversions CRC32C begins and ends with.
//
// What must always hold: the choice depends on the processor alone, so it never changes and any
// number of threads may make it at once.

#include "crc32c_internal.h"

#include <stdatomic.h>

// What this machine runs fastest; NULL until first asked. Relaxed order is enough: threads that
// find NULL at the same time all store the same pointer, and what it points to is constant data
// that was there before any thread.
static const struct raftlog_crc32c_kernel *_Atomic selected_kernel;

// What runs each implementation, by its number: itself where this machine can, otherwise portable.
// NULL until first asked. Asking the processor is slow in a virtual machine (the instruction traps
// to the host, which takes microseconds), so it is done once for each.
static const struct raftlog_crc32c_kernel *_Atomic known_kernels[4];

static const struct raftlog_crc32c_kernel *
find_kernel(raftlog_crc32c_implementation implementation) {
    const struct raftlog_crc32c_kernel *kernel = NULL;
    switch (implementation) {
    case raftlog_crc32c_implementation_portable:
        break;
    case raftlog_crc32c_implementation_sse42:
        kernel = raftlog_crc32c_internal_sse42();
        break;
    case raftlog_crc32c_implementation_vpclmulqdq:
        kernel = raftlog_crc32c_internal_vpclmulqdq();
        break;
    case raftlog_crc32c_implementation_arm64:
        kernel = raftlog_crc32c_internal_arm64();
        break;
    }
    return kernel != NULL ? kernel : &raftlog_crc32c_internal_portable;
}

static const struct raftlog_crc32c_kernel *kernel_of(raftlog_crc32c_implementation implementation) {
    size_t index = (size_t)implementation;
    if (index >= sizeof known_kernels / sizeof *known_kernels) {
        return &raftlog_crc32c_internal_portable;
    }
    const struct raftlog_crc32c_kernel *kernel =
        atomic_load_explicit(&known_kernels[index], memory_order_relaxed);
    if (kernel == NULL) {
        kernel = find_kernel(implementation);
        atomic_store_explicit(&known_kernels[index], kernel, memory_order_relaxed);
    }
    return kernel;
}

static const struct raftlog_crc32c_kernel *select_kernel(void) {
    static const raftlog_crc32c_implementation fastest_first[] = {
        raftlog_crc32c_implementation_vpclmulqdq,
        raftlog_crc32c_implementation_sse42,
        raftlog_crc32c_implementation_arm64,
        raftlog_crc32c_implementation_portable,
    };
    size_t i = 0;
    while (!raftlog_crc32c_available(fastest_first[i])) {
        i++;
    }
    const struct raftlog_crc32c_kernel *kernel = kernel_of(fastest_first[i]);
    atomic_store_explicit(&selected_kernel, kernel, memory_order_relaxed);
    return kernel;
}

RAFTLOG_CRC32C_INLINE const struct raftlog_crc32c_kernel *the_kernel(void) {
    const struct raftlog_crc32c_kernel *kernel =
        atomic_load_explicit(&selected_kernel, memory_order_relaxed);
    return kernel != NULL ? kernel : select_kernel();
}

uint32_t raftlog_crc32c_extend(uint32_t crc, const void *bytes, size_t count) {
    return ~the_kernel()->extend(~crc, bytes, count);
}

uint32_t raftlog_crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t count_b) {
    return the_kernel()->combine(crc_a, crc_b, count_b);
}

bool raftlog_crc32c_available(raftlog_crc32c_implementation implementation) {
    return kernel_of(implementation)->implementation == implementation;
}

raftlog_crc32c_implementation raftlog_crc32c_selected(void) {
    return the_kernel()->implementation;
}

uint32_t raftlog_crc32c_extend_with(raftlog_crc32c_implementation implementation, uint32_t crc,
                                    const void *bytes, size_t count) {
    return ~kernel_of(implementation)->extend(~crc, bytes, count);
}
