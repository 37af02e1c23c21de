// random_run.hpp: one seed's worth of random calls on the library and on the reference model, compared at every step.
// It knows the public API and the model; not how either works.
//
//   random_choices.cpp   what is asked next, and with what arguments
//   random_calls.cpp     the calls on one sequence
//   random_steps.cpp     batches and their tables
//   random_holds.cpp     tickets, plans, pins and leases
//   random_swap.cpp      swap blocks, and the way there and back
//   random_looks.cpp     comparing all there is to see
#pragma once

#include "reference_model.hpp"
#include "untouchable.hpp"

#include <cinttypes>
#include <cstdio>
#include <deque>
#include <iterator>
#include <memory>
#include <string>

namespace model_test {

using reference::Hold;
using reference::Model;
using reference::Plan;
using reference::Sequence;
using reference::Tokens;

struct Random {
  std::uint64_t state;
  std::uint64_t next() {
    std::uint64_t x = state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
  }
  std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(next() % limit); }
  bool one_in(std::uint32_t n) { return below(n) == 0; }
  template <class Container>
  auto &pick(Container &from) {
    return *std::next(from.begin(), below(static_cast<std::uint32_t>(from.size())));
  }
};

class Run {
 public:
  Run(std::uint64_t seed, bool print_all);
  ~Run();
  Run(const Run &) = delete;
  Run &operator=(const Run &) = delete;
  void run(std::uint32_t operations);

 private:
  // -- what is asked --

  reference::Config make_config();
  Tokens some_tokens(std::uint32_t count);
  // Something new, or a beginning of something that is there, so that prompts meet.
  Tokens some_prompt();
  Sequence *some_sequence() { return model_.sequences.empty() ? nullptr : &random_.pick(model_.sequences); }
  akv_prompt prompt_of(const Tokens &tokens, std::uint64_t domain);
  std::uint64_t some_domain() { return random_.below(domains_) * 0x100000001u; }
  akv_sequence_options some_options(bool for_fork);
  // 0, an open ticket, sometimes one that has ended.
  akv_ticket some_ticket();
  akv_ticket ticket(std::uint64_t number) const { return number == 0 ? 0 : ticket_base_ | number; }
  static std::uint64_t number(akv_ticket ticket) { return ticket & ((std::uint64_t{1} << 48) - 1); }

  // -- one call on both --

  void one_operation();
  void create();
  void append();
  void append_batch();
  void read_tables();
  void commit();
  void set_tokens();
  void fork();
  void truncate();
  void set_length();
  void reserve();
  void free();
  void drop_owner();
  void pin_or_unpin();
  void lease_or_release();
  void open_or_end_ticket();
  void end_plan();
  void end(Plan &plan);
  // Sometimes the copies are done before anything else happens.
  void end_soon(akv_plan plan);
  void swap_out();
  void swap_in();
  void ask_for_extent();
  void acquire_or_release_swap();
  void look();
  void clear();
  // Give everything back: nothing may be left over.
  void wind_down();

  // -- comparing --

  struct Outputs;  // the arrays of one step, and what must be in them

  std::size_t row_width() const { return model_.config.max_tokens / model_.config.block_tokens + 4; }

  std::vector<std::int32_t> read_table(akv_sequence sequence);
  std::vector<akv_plan_record> read_records(akv_plan plan);
  void check_plan(akv_plan handle);
  // What a plan names may not be handed out again.
  void check_named_blocks(const Plan &plan, const std::vector<std::uint8_t> &map);
  void compare_lines();
  void compare_sequence(const Sequence &s);
  void compare(bool everything);
  template <class A, class B>
  void same(A got, B want, const char *what) {
    if (got == static_cast<A>(want)) return;
    std::printf("%s: the library says %lld, the model %lld\n", what, static_cast<long long>(got),
                static_cast<long long>(want));
    fail(what);
  }
  void expect(akv_status got, akv_status want, const char *what);

  [[gnu::format(printf, 2, 3)]] void note(const char *format, ...);
  [[noreturn]] void fail(const char *what);

  const std::uint64_t seed_;
  const bool print_all_;
  Random random_;
  bool single_appends_ = true, tickets_ = true;
  std::uint32_t look_often_ = 1;
  std::uint32_t letters_ = 2, domains_ = 1;
  Model model_;
  akv_cache *cache_ = nullptr;
  std::unique_ptr<akv::test::UntouchableStores> stores_;  // where they are asked for: no call may touch a K/V byte
  std::deque<Tokens> history_;
  std::vector<akv_row_state> rows_;
  std::vector<std::int32_t> row_table_;
  std::uint64_t ticket_base_ = 0;
  std::uint64_t calls_ = 0;
  std::deque<std::string> calls_log_;
};

}  // namespace model_test
