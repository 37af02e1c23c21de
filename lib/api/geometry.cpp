// geometry.cpp: thunks of geometry.h.
#include "model/geometry.hpp"

extern "C" {

uint64_t akv_blocks_for(uint64_t num_tokens, uint32_t block_tokens) noexcept {
  return akv::blocks_for(num_tokens, block_tokens);
}

}  // extern "C"
