// What a custom mutator may call. libFuzzer, which every fuzzer here is linked with, defines it.

#ifndef RAFTLOG_CLIBFUZZER_H
#define RAFTLOG_CLIBFUZZER_H

#include <stddef.h>
#include <stdint.h>

/// Mutates `size` bytes in place with libFuzzer's own mutations; `data` has room for `max_size`.
/// Returns the new size.
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

#endif
