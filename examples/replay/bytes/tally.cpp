// tally.cpp: see tally.hpp.
#include "bytes/tally.hpp"

#include "cache.hpp"
#include "error.hpp"

#include <numeric>

namespace replay {
namespace {

constexpr std::array<std::string_view, kMovedKinds> kNames{"",        "write",  "read",          "gather",  "scatter",
                                                           "zero",    "blocks", "copy_on_write", "partial", "swap_out",
                                                           "swap_in", "save",   "load"};

std::uint32_t moved_kind(const akv_plan_record &record) {
  switch (record.kind) {
    case AKV_PLAN_COPY_ON_WRITE: return AKV_MOVED_COPY_ON_WRITE;
    case AKV_PLAN_PARTIAL: return AKV_MOVED_PARTIAL;
    case AKV_PLAN_ZERO: return AKV_MOVED_ZERO;
    case AKV_PLAN_SWAP_OUT: return AKV_MOVED_OUT;
    case AKV_PLAN_SWAP_IN: return AKV_MOVED_IN;
    default: throw Refused("store: a plan has a record of kind " + std::to_string(record.kind));
  }
}

}  // namespace

std::string_view moved_name(std::uint32_t kind) { return kNames.at(kind); }

std::vector<akv_plan_record> Tally::add_plan(akv_cache *cache, akv_plan plan) {
  akv_plan_info info = AKV_PLAN_INFO_INIT;
  check(akv_plan_read_info(cache, plan, &info), "akv_plan_read_info");
  std::vector<akv_plan_record> records(info.num_records);
  std::uint32_t count = 0;
  check(akv_plan_read_records(cache, plan, 0, records.data(), info.num_records, &count), "akv_plan_read_records");
  std::uint64_t copied_tokens = 0, zeroed_blocks = 0;
  for (const akv_plan_record &record : records) {
    const bool zeroes = record.kind == AKV_PLAN_ZERO;
    (zeroes ? zeroed_blocks : copied_tokens) += zeroes ? 1 : record.num_tokens;
    add_tokens(moved_kind(record), zeroes ? block_tokens_ : record.num_tokens);
  }
  if (copied_tokens != info.copied_tokens || zeroed_blocks != info.zeroed_blocks)
    throw Refused("store: a plan's price is " + std::to_string(info.copied_tokens) + " tokens and " +
                  std::to_string(info.zeroed_blocks) + " zeroed blocks, its records have " +
                  std::to_string(copied_tokens) + " and " + std::to_string(zeroed_blocks));
  return records;
}

std::uint64_t Tally::planned_bytes() const {
  return std::accumulate(planned_.begin(), planned_.end(), std::uint64_t{0});
}

std::vector<Moved> Tally::compare_with(const std::vector<akv_store *> &stores) const {
  std::array<Moved, kMovedKinds> counted{};
  for (akv_store *store : stores) {
    std::array<akv_copy_stats, std::size_t{4} * kMovedKinds> lines{};
    std::uint32_t count = 0;
    check(akv_store_read_stats(store, lines.data(), sizeof lines[0], lines.size(), &count), "akv_store_read_stats");
    for (std::uint32_t i = 0; i < count; ++i) {
      Moved &moved = counted.at(lines[i].kind);
      moved.calls += lines[i].calls;
      moved.items += lines[i].items;
      moved.bytes += lines[i].bytes;
    }
  }
  std::vector<Moved> lines;
  for (std::uint32_t kind = 0; kind < kMovedKinds; ++kind) {
    counted[kind].kind = kind;
    if (counted[kind].bytes != planned_[kind])
      throw Refused("store: " + std::to_string(counted[kind].bytes) + " bytes were moved by " +
                    std::string(kNames[kind]) + ", " + std::to_string(planned_[kind]) + " were planned");
    if (counted[kind].calls != 0) lines.push_back(counted[kind]);
  }
  return lines;
}

}  // namespace replay
