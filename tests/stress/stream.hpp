// stream.hpp: the device work of one worker: writes, copies and reads of K/V that run late and in order, each batch of
// them under a ticket. So a block that is given to somebody else too early is written or read by two.
// It knows slots and tickets; not sequences.
#pragma once

#include "world.hpp"

#include <deque>
#include <unordered_set>
#include <vector>

namespace akv::stress {

struct Item {
  enum Kind : std::uint32_t { write, copy, zero, expect, clean } kind;
  std::int64_t slot;
  std::uint64_t value;  // write, expect: the print; copy: the slot it comes from; clean: the domain
};

// What one step asks of the device. Ticket 0: it runs at once, before anybody is told that its K/V exist.
struct Step {
  akv_ticket ticket = AKV_NONE;
  std::vector<Item> items;
};

class Stream {
 public:
  explicit Stream(World &world) : world_(world) {}

  // Late work opens a ticket; else, or when there is no room for one, all earlier work runs first.
  Step begin(bool late);
  // Queue it, or run it now.
  void end(Step &step);
  // Its ticket ends before anything was queued under it.
  void call_off(Step &step);

  bool empty() const { return steps_.empty(); }
  akv_ticket newest() const { return steps_.empty() ? AKV_NONE : steps_.back().ticket; }
  void run_oldest();
  void run_all();

  // The slots that queued work would write.
  std::unordered_set<std::int64_t> written_slots() const;
  // Give all of it up: nothing of it runs.
  void abandon_all(Random &random);

 private:
  void run(const std::vector<Item> &items);
  void check_clean(const Item &item) const;

  World &world_;
  std::deque<Step> steps_;
};

}  // namespace akv::stress
