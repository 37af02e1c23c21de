// page_interleavings.cpp: two and three threads on free pages, every interleaving of their atomic operations with every
// value that the memory orders let them read; and bugs that the checker must find.
// It knows mem/ and the checker; who holds a page, and tensors, are hold_interleavings.cpp's.
#include "catch.hpp"
#include "mem/free_pages.hpp"
#include "unit/scenarios.hpp"

#include <memory>

using namespace akv;
using namespace akv::test;

namespace {

using Stack = PageStack<CheckedAtomics>;
using Free = FreePages<CheckedAtomics, 2>;

constexpr std::uint32_t kMost = 6;

// Pages with bytes that only their holder may touch; who holds a page writes to it.
struct Pages {
  CheckedAtomic<std::uint32_t> links[kMost + 1];
  CheckedData bytes[kMost + 1];
  bool held[kMost + 1] = {};

  void got(const std::uint32_t *pages, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) {
      require(pages[i] >= 1 && pages[i] <= kMost && !held[pages[i]], "a page was handed out twice");
      held[pages[i]] = true;
      bytes[pages[i]].write(pages[i]);
    }
  }
  void let_go(std::uint32_t page) {
    bytes[page].read();
    held[page] = false;
  }
  std::uint32_t num_held() const {
    std::uint32_t count = 0;
    for (const bool one : held) count += one;
    return count;
  }
};

// A stack of `count` pages, all used before, the lowest on top.
struct WithStack : Pages {
  explicit WithStack(std::uint32_t count, std::uint32_t fresh = 0) : stack(links) {
    std::uint32_t pages[kMost];
    stack.add(count + fresh);
    require(stack.take_fresh(count, pages), "take_fresh");
    for (std::uint32_t page = count; page >= 1; --page) stack.push(page, page);
    num_pages = count;
  }
  std::uint32_t pop(std::uint32_t count, std::uint32_t *out) {
    const std::uint32_t found = stack.pop(count, out);
    got(out, found);
    return found;
  }
  void push(std::uint32_t page) {
    let_go(page);
    stack.push(page, page);
  }
  void push_chain(const std::uint32_t *pages, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) let_go(pages[i]);
    for (std::uint32_t i = 0; i + 1 < count; ++i) stack.set_next(pages[i], pages[i + 1]);
    stack.push(pages[0], pages[count - 1]);
  }
  // Every page is held by somebody or on the stack, once.
  void check() {
    std::uint32_t seen = num_held();
    for (std::uint32_t page = stack.top(); page != 0; page = stack.next(page)) {
      require(seen++ < num_pages && !held[page], "a page is on the stack and held, or there twice");
    }
    require(seen == num_pages, "a page is lost");
  }
  Stack stack;
  std::uint32_t num_pages;
};

using Body = void (*)(WithStack &);
std::function<Scenario()> on_stack(std::uint32_t pages, std::vector<Body> bodies) {
  return [pages, bodies] {
    auto shared = std::make_shared<WithStack>(pages);
    Scenario scenario;
    for (const Body body : bodies) scenario.threads.push_back([s = shared.get(), body] { body(*s); });
    scenario.finish = [shared] { shared->check(); };
    return scenario;
  };
}

void pop_one(WithStack &s) {
  std::uint32_t page;
  s.pop(1, &page);
}
void pop_two(WithStack &s) {
  std::uint32_t pages[2];
  s.pop(2, pages);
}
void pop_push(WithStack &s) {
  std::uint32_t page;
  if (s.pop(1, &page) == 1) s.push(page);
}
void pop_pop_push(WithStack &s) {  // the same page is on top again, and the one below it is gone
  std::uint32_t first, second;
  if (s.pop(1, &first) == 1 && s.pop(1, &second) == 1) s.push(first);
}
void pop_three_push_chain(WithStack &s) {
  std::uint32_t pages[3];
  if (s.pop(3, pages) == 3) s.push_chain(pages, 3);
}

std::vector<Named> stack_scenarios() {
  return {
      {"pop against pop", on_stack(2, {pop_one, pop_one})},
      {"pop against pop, one page", on_stack(1, {pop_one, pop_one})},
      {"pop and push against pop and push", on_stack(2, {pop_push, pop_push})},
      {"pop, pop, push against pop: ABA", on_stack(3, {pop_one, pop_pop_push})},
      {"pop, pop, push against pop and push", on_stack(3, {pop_push, pop_pop_push})},
      {"a batch against pop and push", on_stack(3, {pop_two, pop_push})},
      {"a batch against ABA", on_stack(4, {pop_two, pop_pop_push})},
      {"a chain given back against a batch", on_stack(4, {pop_two, pop_three_push_chain})},
      {"three pops", on_stack(2, {pop_one, pop_one, pop_one})},
      {"two pops and a pop with push", on_stack(2, {pop_one, pop_one, pop_push})},
      {"two pops and ABA", on_stack(3, {pop_one, pop_one, pop_pop_push})},
  };
}

// Fresh pages while the pool grows: nobody touches memory that is not there yet.
Scenario reserve_against_pop() {
  struct Growing : WithStack {
    Growing() : WithStack(1, 1) {}
    CheckedData memory[kMost + 1];
  };
  auto shared = std::make_shared<Growing>();
  const auto take = [s = shared.get()] {
    std::uint32_t page;
    for (int i = 0; i < 2; ++i)
      if (s->stack.take_fresh(1, &page)) {
        if (page > 2) require(s->memory[page].read() == 1, "the memory of a page is not there");
        s->got(&page, 1);
      }
  };
  Scenario scenario;
  scenario.threads = {[s = shared.get()] {
                        s->memory[3].write(1);
                        s->stack.add(1);
                      },
                      take, take};
  scenario.finish = [shared] {
    std::uint32_t page;
    while (shared->stack.take_fresh(1, &page)) shared->got(&page, 1);
    require(shared->num_held() == 2, "a fresh page is lost, or there twice");
  };
  return scenario;
}

// -- with slots and counts --

struct WithSlots : Pages {
  // `used` pages that came back, from one thread or each from one of its own; the rest fresh.
  WithSlots(std::uint32_t pages, std::uint32_t used, bool spread) : free(links), num_pages(pages) {
    std::uint32_t out[kMost];
    free.grow(pages);
    if (used != 0) require(free.pop(0, used, out), "pop");
    for (std::uint32_t i = 0; i < used; ++i) free.push(spread ? i : 0, out[i]);
    popped = used;
  }
  bool pop(std::uint32_t thread, std::uint32_t count, std::uint32_t *out) {
    if (!free.pop(thread, count, out)) return false;
    got(out, count);
    popped += count;
    return true;
  }
  void push(std::uint32_t thread, std::uint32_t page) {
    let_go(page);
    free.push(thread, page);
  }
  void check() {
    require(free.in_use() == num_held(), "the count of pages in use is wrong");
    require(free.handed_out() == popped, "the count of pages that were handed out is wrong");
    std::uint32_t seen = num_held();
    free.for_each([&](std::uint32_t page) { require(seen++ < num_pages && !held[page], "a page is there twice"); });
    require(seen == num_pages, "a page is lost");
  }
  Free free;
  std::uint32_t num_pages, popped = 0;
};

using SlotBody = void (*)(WithSlots &, std::uint32_t thread);
// `step` 1: each has a slot of its own; 2: they share one.
std::function<Scenario()> on_slots(std::uint32_t pages, std::uint32_t used, std::vector<SlotBody> bodies,
                                   std::uint32_t step = 1, bool spread = false) {
  return [=] {
    auto shared = std::make_shared<WithSlots>(pages, used, spread);
    Scenario scenario;
    for (std::uint32_t i = 0; i < bodies.size(); ++i)
      scenario.threads.push_back([s = shared.get(), body = bodies[i], thread = i * step] { body(*s, thread); });
    scenario.finish = [shared] { shared->check(); };
    return scenario;
  };
}

void slot_pop(WithSlots &s, std::uint32_t thread) {
  std::uint32_t page;
  s.pop(thread, 1, &page);
}
void slot_pop_push(WithSlots &s, std::uint32_t thread) {
  std::uint32_t page;
  if (s.pop(thread, 1, &page)) s.push(thread, page);
}
void slot_pop_two(WithSlots &s, std::uint32_t thread) {
  std::uint32_t pages[2];
  s.pop(thread, 2, pages);
}
void slot_pop_two_push_two(WithSlots &s, std::uint32_t thread) {
  std::uint32_t pages[2];
  if (!s.pop(thread, 2, pages)) return;
  s.push(thread, pages[0]);
  s.push(thread, pages[1]);
}
void slot_around(WithSlots &s, std::uint32_t) {  // one page at a time, now from this slot, now from that
  for (const std::uint32_t thread : {1, 0, 1, 0, 1}) slot_pop_push(s, thread);
}
template <std::uint32_t kCount>
void slot_must_pop(WithSlots &s, std::uint32_t thread) {
  std::uint32_t pages[kCount];
  require(s.pop(thread, kCount, pages), "refused, and enough pages are free");
}

std::vector<Named> slot_scenarios() {
  return {
      {"slots: pop against pop", on_slots(2, 1, {slot_pop, slot_pop})},
      {"slots: pop and push, twice", on_slots(2, 2, {slot_pop_push, slot_pop_push})},
      {"slots: a batch against pop and push", on_slots(2, 1, {slot_pop_two, slot_pop_push})},
      {"slots: batch against batch", on_slots(3, 2, {slot_pop_two, slot_pop_two})},
      {"slots: two threads on one slot", on_slots(2, 2, {slot_pop_push, slot_pop_push}, 2)},
      {"slots: ABA on one slot", on_slots(2, 2, {slot_pop, slot_pop_push}, 2)},
      {"slots: two batches that come back", on_slots(4, 4, {slot_pop_two_push_two, slot_pop_two_push_two}, 2)},
      {"slots: three threads", on_slots(2, 2, {slot_pop_push, slot_pop_push, slot_pop})},
  };
}

}  // namespace

#ifdef WITHOUT_FIBERS

TEST_CASE("checker: left out: ThreadSanitizer does not follow its fibers, and it has one thread only") {
  WARN("skipped under ThreadSanitizer");
}

#else

TEST_CASE("checker: A2 no interleaving of two or three threads on the stack loses a page or hands it out twice") {
  all_hold(stack_scenarios());
}

TEST_CASE("checker: A2 a page is taken while the pool grows only when its memory is there") {
  all_hold({{"reserve against pop", reserve_against_pop}});
}

TEST_CASE("checker: A2 slots and counts hold in every interleaving") { all_hold(slot_scenarios()); }

TEST_CASE("checker: A13 a batch is refused only if there were too few pages at a moment, however they move about") {
  ExploreOptions options;
  options.stale_reads = false;
  for (const bool spread : {true, false}) {
    const Exploration found = explore(on_slots(3, 3, {slot_around, slot_must_pop<2>}, 1, spread), options);
    INFO(found.runs << " runs, " << found.states << " states");
    CHECK(found.problem == "");
    CHECK(found.runs > 50);
  }
  const Exploration fresh = explore(on_slots(3, 1, {slot_around, slot_must_pop<2>}), options);
  CHECK(fresh.problem == "");
  const Exploration too_few = explore(on_slots(2, 2, {slot_pop_push, slot_must_pop<2>}), options);
  CHECK(tells(too_few.problem, "refused, and enough pages are free"));
}

TEST_CASE("checker: A2 who is refused has found no free page at any moment") {
  ExploreOptions options;
  options.stale_reads = false;  // in which order things happened is asked, not what was seen of it
  // Of two pages one is always there, but not always where somebody looks: it moves behind his back.
  for (const bool spread : {true, false}) {
    const Exploration found = explore(on_slots(2, 2, {slot_around, slot_must_pop<1>}, 1, spread), options);
    CHECK(found.problem == "");
    CHECK(found.runs > 50);
  }
  const Exploration too_few = explore(on_slots(1, 1, {slot_pop_push, slot_must_pop<1>}), options);
  CHECK(tells(too_few.problem, "refused, and enough pages are free"));  // one page: the other thread has it
}

// -- the checker can say no --

TEST_CASE("checker: it finds ABA when the head has no tag") {
  ExploreOptions options;
  options.plants.compare = (1u << Stack::kIndexBits) - 1;
  options.stale_reads = false;  // it wants no weak memory for that
  const std::string problem = first_problem(stack_scenarios(), options);
  CHECK((tells(problem, "twice") || tells(problem, "lost")));
}

TEST_CASE("checker: it finds a relaxed exchange where a release or an acquire is needed") {
  ExploreOptions no_release, no_acquire;
  no_release.plants.no_release = true;
  no_acquire.plants.no_acquire = true;
  for (const ExploreOptions &options : {no_release, no_acquire}) {
    CHECK(first_problem(stack_scenarios(), options) != "");
    CHECK(first_problem({{"reserve against pop", reserve_against_pop}}, options) != "");
    CHECK(first_problem(slot_scenarios(), options) != "");
  }
}

TEST_CASE("checker: it finds a lost update of a count that threads share") {
  ExploreOptions options;
  options.plants.lost_update = true;
  options.stale_reads = false;
  CHECK(tells(first_problem(slot_scenarios(), options), "count of pages in use"));
}

TEST_CASE("checker: it reads every value that the orders allow, and no other (message passing, store buffers)") {
  // Message passing: 1 is read and the data behind it not, only without release or acquire.
  for (const bool ordered : {true, false}) {
    bool stale = false;
    const auto make = [&stale, ordered] {
      struct Shared {
        CheckedAtomic<std::uint32_t> data, flag;
      };
      auto s = std::make_shared<Shared>();
      Scenario scenario;
      const auto release = ordered ? std::memory_order_release : std::memory_order_relaxed;
      const auto acquire = ordered ? std::memory_order_acquire : std::memory_order_relaxed;
      scenario.threads = {[s = s.get(), release] {
                            s->data.store(1, std::memory_order_relaxed);
                            s->flag.store(1, release);
                          },
                          [s = s.get(), acquire, &stale] {
                            if (s->flag.load(acquire) == 1 && s->data.load(std::memory_order_relaxed) == 0)
                              stale = true;
                          }};
      scenario.finish = [s] {};
      return scenario;
    };
    CHECK(explore(make).problem == "");
    CHECK(stale == !ordered);
  }
  // Store buffers: both may read 0, in every order weaker than sequential consistency.
  for (const bool weak : {true, false}) {
    bool both = false;
    const auto make = [&both] {
      struct Shared {
        CheckedAtomic<std::uint32_t> x, y;
        std::uint32_t a = 9, b = 9;
      };
      auto s = std::make_shared<Shared>();
      Scenario scenario;
      scenario.threads = {[s = s.get()] {
                            s->x.store(1, std::memory_order_release);
                            s->a = s->y.load(std::memory_order_acquire);
                          },
                          [s = s.get()] {
                            s->y.store(1, std::memory_order_release);
                            s->b = s->x.load(std::memory_order_acquire);
                          }};
      scenario.finish = [s, &both] { both = both || (s->a == 0 && s->b == 0); };
      return scenario;
    };
    ExploreOptions options;
    options.stale_reads = weak;
    CHECK(explore(make, options).problem == "");
    CHECK(both == weak);
  }
}

#endif
