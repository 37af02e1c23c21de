// hold_interleavings.cpp: two and three threads on the holds of pages and on tensors, every interleaving of their
// atomic operations with every value that the memory orders let them read; and bugs that the checker must find. It
// knows mem/ and the checker; free pages are page_interleavings.cpp's.
#include "mem/page_record.hpp"
#include "mem/tensor_entry.hpp"
#include "unit/scenarios.hpp"

#include <memory>

using namespace akv;
using namespace akv::test;

namespace {

using Record = PageRecord<CheckedAtomics>;
using Entry = TensorEntry<CheckedAtomics>;
using Life = ArenaLife<CheckedAtomics>;

// -- pages that somebody holds --

constexpr std::uint32_t kPages = 2;

// Pages of owner 70, held as generation 10 + their number.
struct WithHolds {
  Record records[kPages + 1];
  CheckedData bytes[kPages + 1];
  std::uint32_t back[kPages + 1] = {};  // how often it came back
  std::uint32_t refused = 0, served = 0;

  WithHolds() {
    for (std::uint32_t page = 1; page <= kPages; ++page) hold(page, generation_of(page), 70);
  }
  static std::uint32_t generation_of(std::uint32_t page) { return 10 + page; }
  void hold(std::uint32_t page, std::uint32_t generation, std::uint64_t owner) {
    records[page].hold(generation, PageHold::raw, 0, owner, Content::zero);
  }
  // Whoever ends a hold has the page for himself.
  void came_back(std::uint32_t page) {
    bytes[page].write(page);
    ++back[page];
  }
  bool let_go(std::uint32_t page) {
    if (!records[page].let_go(generation_of(page))) return false;
    came_back(page);
    return true;
  }
  // Page 0 is one that nobody holds.
  void let_go_all(const std::vector<std::uint32_t> &pages) {
    const auto count = static_cast<std::uint32_t>(pages.size());
    const std::uint32_t good = let_go_of_all([this](std::uint32_t page) -> Record & { return records[page]; }, count,
                                             [&](std::uint32_t i) { return NamedPage{pages[i], 10 + pages[i]}; },
                                             [this](std::uint32_t page) { came_back(page); });
    if (good == count)
      for (const std::uint32_t page : pages) came_back(page);
    ++(good == count ? served : refused);
  }
  void drop(std::uint64_t owner, bool everybody = false) {
    for (std::uint32_t page = 1; page <= kPages; ++page)
      if (records[page].drop(owner, everybody)) came_back(page);
  }
  bool held(std::uint32_t page) const {
    return records[page].held().is_raw(generation_of(page)) && records[page].held().kind == PageHold::raw;
  }
  // Each page is held, or has come back once.
  std::uint32_t all_back() const {
    std::uint32_t count = 0;
    for (std::uint32_t page = 1; page <= kPages; ++page) {
      require(back[page] == (held(page) ? 0 : 1), "a page came back twice, or not at all");
      count += back[page];
    }
    return count;
  }
};

using HoldBody = std::function<void(WithHolds &)>;
std::function<Scenario()> on_holds(std::vector<HoldBody> bodies, std::function<void(const WithHolds &)> finish) {
  return [=] {
    auto shared = std::make_shared<WithHolds>();
    Scenario scenario;
    for (const HoldBody &body : bodies) scenario.threads.push_back([s = shared.get(), &body] { body(*s); });
    scenario.finish = [shared, finish] { finish(*shared); };
    return scenario;
  };
}

// The rows of a batch live here: a run may be given up in the middle.
const std::vector<std::uint32_t> kBoth = {1, 2}, kTurned = {2, 1}, kWithNone = {1, 2, 0}, kTwice = {1, 2, 1};

std::vector<Named> hold_scenarios() {
  const HoldBody one = [](WithHolds &s) { s.let_go(1); }, both = [](WithHolds &s) { s.let_go_all(kBoth); },
                 turned = [](WithHolds &s) { s.let_go_all(kTurned); },
                 with_none = [](WithHolds &s) { s.let_go_all(kWithNone); },
                 twice = [](WithHolds &s) { s.let_go_all(kTwice); }, drop = [](WithHolds &s) { s.drop(70); },
                 drop_other = [](WithHolds &s) { s.drop(80); }, drop_all = [](WithHolds &s) { s.drop(0, true); };
  const auto any = [](const WithHolds &s) { s.all_back(); };
  const auto none_left = [](const WithHolds &s) { require(s.all_back() == kPages, "a drop has left a page behind"); };
  const auto first_back = [](const WithHolds &s) { require(s.all_back() >= 1 && s.back[1] == 1, "it never left"); };
  const auto none_back = [](const WithHolds &s) {
    require(s.all_back() == 0 && s.refused == 1, "a batch that was refused has ended a hold");
  };
  const auto together = [](const WithHolds &s) {
    require(s.all_back() == (s.served == 0 ? 0 : kPages), "a part of a batch was given back");
  };
  return {
      {"one page by two threads", on_holds({one, one}, first_back)},
      {"one page by three threads", on_holds({one, one, one}, first_back)},
      {"one page, and a batch with it", on_holds({one, both}, any)},
      {"two batches of the same", on_holds({both, turned}, together)},
      {"a batch against a drop", on_holds({both, drop}, none_left)},
      {"a batch that is refused against a drop", on_holds({with_none, drop}, none_left)},
      {"a batch that has a page twice against a drop of all", on_holds({twice, drop_all}, none_left)},
      {"a batch that is refused against another's drop", on_holds({with_none, drop_other}, none_back)},
      {"a batch that is refused, one page and a drop", on_holds({with_none, one, drop}, none_left)},
      {"a batch that is refused, and two drops", on_holds({with_none, drop, drop_all}, none_left)},
  };
}

// The page goes to another owner while the old handle is read.
Scenario release_and_hold_against_read() {
  auto shared = std::make_shared<WithHolds>();
  Scenario scenario;
  scenario.threads = {[s = shared.get()] {
                        if (s->let_go(1)) s->hold(1, 99, 80);
                      },
                      [s = shared.get()] {
                        std::uint64_t owner = 0;
                        Content content = Content::own;
                        if (s->records[1].read(11, owner, content))
                          require(owner == 70 && content == Content::zero, "the next owner is told of an old handle");
                        if (s->records[1].read(99, owner, content))
                          require(owner == 80 && content == Content::foreign, "the last owner is told of a new handle");
                      },
                      [s = shared.get()] { s->drop(70); }};
  scenario.finish = [shared] {
    std::uint64_t owner = 0;
    Content content = Content::own;
    require(shared->back[1] == 1 && !shared->records[1].read(11, owner, content), "the old hold is still there");
  };
  return scenario;
}

// The drop of one owner never takes what another has acquired meanwhile.
Scenario reuse_against_drop() {
  auto shared = std::make_shared<WithHolds>();
  Scenario scenario;
  scenario.threads = {[s = shared.get()] {
                        if (s->let_go(1)) s->hold(1, 99, 80);
                      },
                      [s = shared.get()] { s->drop(70); }};
  scenario.finish = [shared] {
    const PageHold hold = shared->records[1].held();
    require(shared->back[1] == 1, "a page came back twice, or not at all");
    require(hold.generation == 11 ? hold.kind == PageHold::none : hold.is_raw(99), "another owner's page is dropped");
  };
  return scenario;
}

// A batch that is refused changes nothing: its pages can be read all the time.
Scenario refused_against_read() {
  auto shared = std::make_shared<WithHolds>();
  Scenario scenario;
  scenario.threads = {[s = shared.get()] { s->let_go_all(kWithNone); },
                      [s = shared.get()] {
                        std::uint64_t owner = 0;
                        Content content = Content::own;
                        require(s->records[1].read(11, owner, content) && owner == 70, "a page that is held is gone");
                      }};
  scenario.finish = [shared] { require(shared->all_back() == 0, "a batch that was refused has ended a hold"); };
  return scenario;
}

std::vector<Named> read_scenarios() {
  return {
      {"release and hold against read", release_and_hold_against_read},
      {"release and hold against drop", reuse_against_drop},
      {"a batch that is refused against read", refused_against_read},
  };
}

// -- tensors --

struct WithTensor {
  Life arena;
  Entry entry;
  CheckedData bytes[4];  // a page of 1024 in quarters
  std::uint32_t granted = 0;

  WithTensor() { begin(7, 2, 0); }
  // Owners are ten times their generation.
  void begin(std::uint32_t generation, std::uint32_t units, std::uint32_t offset) {
    arena.begin(generation, 10 * generation);
    entry.begin(generation, offset, units);
  }
  // Drop it, and let another arena have the entry.
  void drop(std::uint32_t next, std::uint32_t units) {
    arena.end();
    begin(next, units, 1);
  }
};

void extend(WithTensor &s, std::uint32_t generation) {
  std::uint64_t before = 0, capacity = 0;
  const Extended answer = s.entry.extend(s.arena, generation, 256, before, capacity);
  if (answer != Extended::done) return;
  require(before < 512 && capacity == 512, "grown beyond its capacity");
  s.bytes[before / 256].write(1);  // a race if two have got the same
  ++s.granted;
}

std::function<Scenario()> extends(std::uint32_t threads) {
  return [threads] {
    auto shared = std::make_shared<WithTensor>();
    Scenario scenario;
    for (std::uint32_t i = 0; i < threads; ++i) scenario.threads.push_back([s = shared.get()] { extend(*s, 7); });
    scenario.finish = [shared, threads] {
      Entry::View view{};
      require(shared->entry.read(shared->arena, 7, view), "it is not there");
      require(view.length == 256 * shared->granted, "its length is not what was granted");
      require(shared->granted == (threads < 2 ? threads : 2), "refused with room left");
    };
    return scenario;
  };
}

// The entry becomes another arena's, larger or smaller, while the old handle is used.
std::function<Scenario()> drop_against_extend(std::uint32_t units) {
  return [units] {
    auto shared = std::make_shared<WithTensor>();
    Scenario scenario;
    scenario.threads = {[s = shared.get(), units] { s->drop(8, units); },
                        [s = shared.get()] {
                          extend(*s, 7);
                          extend(*s, 7);
                        }};
    scenario.finish = [shared] {
      Entry::View view{};
      require(shared->entry.read(shared->arena, 8, view), "the new one is not there");
      require(view.length == 0, "an old handle has grown the new one");
      require(!shared->entry.read(shared->arena, 7, view), "the old one is still there");
    };
    return scenario;
  };
}

// Whoever reads it meanwhile is told all of it, or that it is gone.
std::function<Scenario()> drop_against_read(std::uint32_t units) {
  return [units] {
    auto shared = std::make_shared<WithTensor>();
    Scenario scenario;
    scenario.threads = {[s = shared.get(), units] { s->drop(8, units); },
                        [s = shared.get()] {
                          Entry::View view{};
                          if (!s->entry.read(s->arena, 7, view)) return;
                          require(view.owner == 70, "a tensor with the owner of the next arena");
                          require(view.offset == 0 && view.capacity == 512, "a tensor at the place of the next one");
                          require(view.length == 0, "a tensor as long as the next one");
                        },
                        [s = shared.get()] { extend(*s, 8); }};
    scenario.finish = [shared] {};
    return scenario;
  };
}

std::vector<Named> tensor_scenarios() {
  return {
      {"extend against extend", extends(2)},
      {"three extends, room for two", extends(3)},
      {"drop and reuse, larger, against extend", drop_against_extend(4)},
      {"drop and reuse, smaller, against extend", drop_against_extend(1)},
      {"drop and reuse against read", drop_against_read(2)},
  };
}

}  // namespace

#ifdef WITHOUT_FIBERS

TEST_CASE("checker: holds are left out: ThreadSanitizer does not follow its fibers, and it has one thread only") {
  WARN("skipped under ThreadSanitizer");
}

#else

TEST_CASE("checker: A13 a hold ends once, a batch all or none, and a drop leaves no page behind") {
  all_hold(hold_scenarios());
}

TEST_CASE("checker: A13 a page is read with the owner who holds it, and dropped with no other") {
  all_hold(read_scenarios());
}

TEST_CASE("checker: A3 tensors grow one after the other, to their capacity, and never one that has the entry now") {
  all_hold(tensor_scenarios());
}

// -- the checker can say no --

TEST_CASE("checker: it finds a relaxed order where holds and tensors need another") {
  ExploreOptions no_release, no_acquire;
  no_release.plants.no_release = true;
  no_acquire.plants.no_acquire = true;
  for (const ExploreOptions &options : {no_release, no_acquire}) {
    CHECK(first_problem({{"read", release_and_hold_against_read}}, options) != "");
    CHECK(first_problem(tensor_scenarios(), options) != "");
    CHECK(first_problem({{"read", drop_against_read(2)}}, options) != "");
  }
}

TEST_CASE("checker: it finds an old handle that grows another arena's tensor") {
  ExploreOptions options;
  options.plants.compare = Entry::kMaxBytes - 1;  // the length alone, without the generation beside it
  CHECK(tells(first_problem(tensor_scenarios(), options), "new one"));
}

TEST_CASE("checker: it finds a hold that two have ended") {
  ExploreOptions options;
  options.plants.compare = (std::uint64_t{1} << 27) - 1;  // without the kind of hold
  const std::string problem = first_problem(hold_scenarios(), options);
  CHECK((tells(problem, "a page came back twice") || tells(problem, "a race on plain data")));  // both write to it
}

#endif
