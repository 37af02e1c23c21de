// page_memory.hpp: the bytes of a page pool: one stretch of addresses for all pages it may ever have, of which the
// first ones have memory. It knows sizes; not who has a page. It never moves and never shrinks.
#pragma once

#include "base/error.hpp"

#include <cstdint>

namespace akv {

class PageMemory {
 public:
  PageMemory() noexcept = default;
  PageMemory(const PageMemory &) = delete;
  PageMemory &operator=(const PageMemory &) = delete;
  ~PageMemory();

  // Reserve addresses for `max_pages`, aligned to huge pages where a page is that large.
  [[nodiscard]] Status reserve(std::uint64_t page_bytes, std::uint32_t max_pages) noexcept;
  // Use the caller's memory, which is there.
  void take(void *memory, std::uint64_t page_bytes) noexcept {
    base_ = static_cast<unsigned char *>(memory);
    page_bytes_ = page_bytes;
  }

  // Pages up to `to` shall have memory; those up to `from` have it. With `prefault` all of it is there afterwards.
  [[nodiscard]] Status commit(std::uint32_t from, std::uint32_t to, bool prefault) noexcept;

  // Pages are numbered from 1.
  unsigned char *page(std::uint32_t number) const noexcept { return base_ + (number - 1) * page_bytes_; }
  std::uint64_t page_bytes() const noexcept { return page_bytes_; }

 private:
  unsigned char *base_ = nullptr;
  std::uint64_t page_bytes_ = 0;
  void *mapping_ = nullptr;
  std::uint64_t mapped_ = 0;
};

}  // namespace akv
