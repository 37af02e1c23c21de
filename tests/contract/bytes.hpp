// bytes.hpp: what would be in the blocks' memory: for each token of each block, whose K/V it holds.
// It knows the public API only. It does what an engine does: runs plans, writes K/V where a sequence's table says.
//
// With tickets, work is queued: it happens when the ticket is retired, and never when it is abandoned.
#pragma once

#include "fixture.hpp"

#include <functional>

namespace akv::test {

class Bytes {
 public:
  static constexpr std::int64_t kZero = 0;

  explicit Bytes(const Cache &cache, std::uint32_t num_blocks = 32, std::uint32_t block_tokens = 4)
      : cache_(cache), block_tokens_(block_tokens), marks_((num_blocks + 1) * std::size_t{block_tokens}, kZero) {}

  // A mark is the domain plus one: domain 0 writes something too.
  static std::int64_t mark_of(std::uint64_t domain) { return static_cast<std::int64_t>(domain) + 1; }

  // Kernels write the K/V of positions first .. end - 1.
  void write(akv_sequence sequence, std::uint32_t first, std::uint32_t end) {
    const auto blocks = cache_.blocks(sequence);
    const std::int64_t mark = mark_of(cache_.info(sequence).domain);
    for (std::uint32_t at = first; at < end; ++at) set(blocks[at / block_tokens_], at % block_tokens_, mark);
  }
  // An engine runs the records in their order.
  void run(akv_plan plan) {
    for (const akv_plan_record &r : cache_.records(plan)) {
      later([this, r] {
        for (std::uint32_t i = 0; i < r.num_tokens; ++i)
          at(r.target_block, r.first_token + i) =
              r.kind == AKV_PLAN_ZERO ? kZero : at(r.source_block, r.first_token + i);
      });
    }
  }

  // From now on work is queued; then it happens, or it does not.
  void queue() { queued_ = true; }
  void settle(bool happens) {
    if (happens)
      for (const auto &work : work_) work();
    work_.clear();
    queued_ = false;
  }

  // How many tokens of room in the sequence's blocks hold what is neither zero nor its own domain's.
  std::uint32_t foreign(akv_sequence sequence) const {
    const std::int64_t own = mark_of(cache_.info(sequence).domain);
    std::uint32_t count = 0;
    for (const std::int32_t block : cache_.blocks(sequence))
      for (std::uint32_t i = 0; i < block_tokens_; ++i) count += at(block, i) != kZero && at(block, i) != own;
    return count;
  }
  // How many of its first tokens hold no K/V of its own domain.
  std::uint32_t missing(akv_sequence sequence, std::uint32_t end) const {
    const std::int64_t own = mark_of(cache_.info(sequence).domain);
    const auto blocks = cache_.blocks(sequence);
    std::uint32_t count = 0;
    for (std::uint32_t i = 0; i < end; ++i) count += at(blocks[i / block_tokens_], i % block_tokens_) != own;
    return count;
  }

 private:
  void later(std::function<void()> work) {
    if (queued_) work_.push_back(std::move(work));
    else work();
  }
  void set(std::int32_t block, std::uint32_t token, std::int64_t mark) {
    later([this, block, token, mark] { at(block, token) = mark; });
  }
  std::int64_t &at(std::int32_t block, std::uint32_t token) {
    return marks_.at(static_cast<std::size_t>(block) * block_tokens_ + token);
  }
  std::int64_t at(std::int32_t block, std::uint32_t token) const {
    return marks_.at(static_cast<std::size_t>(block) * block_tokens_ + token);
  }

  const Cache &cache_;
  std::uint32_t block_tokens_;
  std::vector<std::int64_t> marks_;
  bool queued_ = false;
  std::vector<std::function<void()>> work_;
};

}  // namespace akv::test
