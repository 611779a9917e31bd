// The block functions of liblz4; a batch is one block, so the frame format is not needed.
#include <lz4.h>
