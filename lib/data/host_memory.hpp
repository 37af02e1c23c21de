// host_memory.hpp: memory of the host for bytes of K/V: one mapping, in huge pages where the kernel has them, zero at
// first and committed as it is touched; and how to touch any memory ahead of need.
// It knows bytes, not what they hold.
#pragma once

#include "base/error.hpp"

#include <cstdint>

namespace akv {

class HostMemory {
 public:
  static constexpr std::uint64_t kHugePage = std::uint64_t{2} << 20;

  HostMemory() noexcept = default;
  ~HostMemory();
  HostMemory(const HostMemory &) = delete;
  HostMemory &operator=(const HostMemory &) = delete;

  [[nodiscard]] Status map(std::uint64_t bytes, bool small_pages) noexcept;

  unsigned char *data() const noexcept { return data_; }
  std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  unsigned char *data_ = nullptr;
  std::uint64_t bytes_ = 0;
};

// Commit the pages of [data, data + bytes), which is writable, without changing what is there, also while others write.
[[nodiscard]] Status commit_pages(unsigned char *data, std::uint64_t bytes) noexcept;

// The same on kernels that can't be asked for it (before Linux 5.14): touch every page.
void touch_pages(unsigned char *data, std::uint64_t bytes) noexcept;

}  // namespace akv
