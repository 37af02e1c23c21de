// abuse_handles.cpp: handles that are NULL, stale, random, of another kind or of another cache, given to every exported
// function that takes one: a status, and nothing written, freed or changed.
// It knows the public API only, and of handles no more than that they are 64 bits; handles of another copy of the
// library are tests/abi/two_copies.c's.
#include "abuse_calls.hpp"

#include <functional>
#include <random>

using namespace akv::test;

namespace {

akv_cache *as_cache(std::uint64_t value) { return reinterpret_cast<akv_cache *>(static_cast<std::uintptr_t>(value)); }
std::uint64_t number_of(const akv_cache *cache) { return reinterpret_cast<std::uintptr_t>(cache); }

// Every place of a call that holds a handle of one kind.
struct Place {
  std::uint64_t takes;
  std::uint64_t &(*of)(Scene &);
};
const std::vector<Place> &places() {
  static const std::vector<Place> all = {
      {kSequence, [](Scene &s) -> std::uint64_t & { return s.call.sequence; }},
      {kSequences | kBatch, [](Scene &s) -> std::uint64_t & { return s.sequence; }},  // the array's one element
      {kPlan, [](Scene &s) -> std::uint64_t & { return s.call.plan; }},
      {kPin, [](Scene &s) -> std::uint64_t & { return s.call.pin; }},
      {kLease, [](Scene &s) -> std::uint64_t & { return s.call.lease; }},
      {kTicket | kTicketOrNone, [](Scene &s) -> std::uint64_t & { return s.call.ticket; }},
  };
  return all;
}

// Put `value` into every handle of every function, one at a time.
void sweep_handles(std::uint64_t takes, akv_status status, const std::function<std::uint64_t(Scene &)> &value) {
  std::size_t swept = 0;
  for (const Function &function : every_function())
    for (const Place &place : places()) {
      if (!function.has(place.takes & takes)) continue;
      Scene scene(function);
      place.of(scene) = value(scene);
      scene.refused(status);
      ++swept;
    }
  CHECK(swept != 0);
}

constexpr std::uint64_t kTickets = kTicket | kTicketOrNone, kAnySequence = kSequence | kSequences | kBatch;
constexpr std::uint64_t kObjects = kAnySequence | kPlan | kPin | kLease;

// A call that must be refused because of its cache: nothing is written.
void refused_for_its_cache(Scene &scene, akv_cache *cache, akv_status status) {
  INFO(scene.function.name);
  scene.call.cache = cache;
  const Outputs before = scene.outputs;
  CHECK(scene.run() == status);
  CHECK(scene.outputs == before);
}

}  // namespace

TEST_CASE("abuse: a NULL cache is INVALID_ARGUMENT, and destroying it is fine") {
  for (const Function &function : every_function()) {
    if (!function.has(kCache)) continue;
    Scene scene(function);
    const bool destroy = function.name == std::string("akv_cache_destroy");
    refused_for_its_cache(scene, nullptr, destroy ? AKV_OK : AKV_ERROR_INVALID_ARGUMENT);
  }
}

TEST_CASE("abuse: a destroyed cache is BAD_HANDLE for every function, also when another one has its place") {
  for (const Function &function : every_function()) {
    if (!function.has(kCache)) continue;
    Scene scene(function);
    akv_cache *const old = scene.cache;
    OK(akv_cache_destroy(old));
    refused_for_its_cache(scene, old, AKV_ERROR_BAD_HANDLE);
    OK(akv_cache_create(nullptr, &scene.cache.handle));
    CHECK(scene.cache.handle != old);
    refused_for_its_cache(scene, old, AKV_ERROR_BAD_HANDLE);
    CHECK(scene.cache.state().sequences == 0);
  }
}

TEST_CASE("abuse: what is no cache is BAD_HANDLE and is never dereferenced") {
  std::mt19937_64 random(1);
  for (const Function &function : every_function()) {
    if (!function.has(kCache)) continue;
    Scene scene(function);
    const std::string before = scene.everything();
    const std::uint64_t own = number_of(scene.cache);
    std::vector<std::uint64_t> values = {1,
                                         8,
                                         4096,
                                         ~0ull,
                                         number_of(as_cache(reinterpret_cast<std::uintptr_t>(&scene))),
                                         scene.sequence,
                                         scene.plan,
                                         scene.pin,
                                         scene.lease,
                                         scene.ticket};
    for (int bit = 0; bit < 64; ++bit) values.push_back(own ^ 1ull << bit);
    for (int i = 0; i < 100; ++i) values.push_back(random());
    for (const std::uint64_t value : values) refused_for_its_cache(scene, as_cache(value), AKV_ERROR_BAD_HANDLE);
    CHECK(scene.everything() == before);
  }
}

TEST_CASE("abuse: a stream that is NULL, stale, random or of another kind is refused, and destroying NULL is fine") {
  std::mt19937_64 random(3);
  const auto as_stream = [](std::uint64_t value) {
    return reinterpret_cast<akv_stream *>(static_cast<std::uintptr_t>(value));
  };
  for (const Function &function : every_function()) {
    if (!function.has(kStream)) continue;
    INFO(function.name);
    const bool destroy = function.name == std::string("akv_stream_destroy");
    for (const bool other : {false, true}) {
      if (other && function.name != std::string("akv_stream_follow")) continue;
      Scene scene(function);
      const std::string before = scene.everything();
      const Outputs outputs = scene.outputs;
      akv_stream *&place = other ? scene.call.other_stream : scene.call.stream;
      const auto own = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(place));
      place = nullptr;
      CHECK(scene.run() == (destroy ? AKV_OK : AKV_ERROR_INVALID_ARGUMENT));
      place = as_stream(number_of(scene.cache));
      CHECK(scene.run() == AKV_ERROR_WRONG_TYPE);
      akv_stream *gone = nullptr, *next = nullptr;
      OK(akv_stream_create(nullptr, &gone));
      OK(akv_stream_destroy(gone));
      place = gone;
      CHECK(scene.run() == AKV_ERROR_BAD_HANDLE);
      OK(akv_stream_create(nullptr, &next));  // in its place
      CHECK(scene.run() == AKV_ERROR_BAD_HANDLE);
      OK(akv_stream_destroy(next));
      std::vector<std::uint64_t> values = {1, 4096, ~0ull, scene.sequence, scene.plan, scene.ticket};
      for (int bit = 0; bit < 64; ++bit) values.push_back(own ^ 1ull << bit);
      for (int i = 0; i < 100; ++i) values.push_back(random());
      for (const std::uint64_t value : values) {
        if (as_stream(value) == scene.stream || as_stream(value) == scene.other_stream) continue;
        place = as_stream(value);
        const akv_status status = scene.run();
        CHECK((status == AKV_ERROR_BAD_HANDLE || status == AKV_ERROR_WRONG_TYPE));
      }
      CHECK(scene.outputs == outputs);
      CHECK(scene.everything() == before);
    }
  }
}

TEST_CASE("abuse: a store that is NULL, stale, random or of another kind is refused, and destroying NULL is fine") {
  std::mt19937_64 random(4);
  const auto as_store = [](std::uint64_t value) {
    return reinterpret_cast<akv_store *>(static_cast<std::uintptr_t>(value));
  };
  for (const Function &function : every_function()) {
    if (!function.has(kStore)) continue;
    INFO(function.name);
    const bool destroy = function.name == std::string("akv_store_destroy");
    Scene scene(function);
    const std::string before = scene.everything();
    const Outputs outputs = scene.outputs;
    akv_store *&place = scene.call.store;
    const auto own = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(place));
    place = nullptr;
    CHECK(scene.run() == (destroy ? AKV_OK : AKV_ERROR_INVALID_ARGUMENT));
    place = as_store(number_of(scene.cache));
    CHECK(scene.run() == AKV_ERROR_WRONG_TYPE);
    akv_store *gone = nullptr, *next = nullptr;
    OK(akv_store_create(scene.cache, nullptr, &gone));
    OK(akv_store_destroy(gone));
    place = gone;
    CHECK(scene.run() == AKV_ERROR_BAD_HANDLE);
    OK(akv_store_create(scene.cache, nullptr, &next));  // in its place
    CHECK(scene.run() == AKV_ERROR_BAD_HANDLE);
    OK(akv_store_destroy(next));
    std::vector<std::uint64_t> values = {1, 4096, ~0ull, scene.sequence, scene.plan, scene.ticket};
    for (int bit = 0; bit < 64; ++bit) values.push_back(own ^ 1ull << bit);
    for (int i = 0; i < 100; ++i) values.push_back(random());
    for (const std::uint64_t value : values) {
      place = as_store(value);
      const akv_status status = scene.run();
      CHECK((status == AKV_ERROR_BAD_HANDLE || status == AKV_ERROR_WRONG_TYPE));
    }
    CHECK(scene.outputs == outputs);
    CHECK(scene.everything() == before);
  }
}

TEST_CASE("abuse: handle 0 is INVALID_ARGUMENT where a handle is needed") {
  sweep_handles(kObjects | kTicket, AKV_ERROR_INVALID_ARGUMENT, [](Scene &) { return AKV_NONE; });
}

TEST_CASE("abuse: a handle of another kind is WRONG_TYPE") {
  sweep_handles(kAnySequence, AKV_ERROR_WRONG_TYPE, [](Scene &s) { return s.plan; });
  sweep_handles(kAnySequence, AKV_ERROR_WRONG_TYPE, [](Scene &s) { return s.pin; });
  sweep_handles(kAnySequence, AKV_ERROR_WRONG_TYPE, [](Scene &s) { return s.lease; });
  sweep_handles(kPlan | kPin | kLease, AKV_ERROR_WRONG_TYPE, [](Scene &s) { return s.sequence; });
  sweep_handles(kPin | kLease, AKV_ERROR_WRONG_TYPE, [](Scene &s) { return s.plan; });
  sweep_handles(kPlan | kLease, AKV_ERROR_WRONG_TYPE, [](Scene &s) { return s.pin; });
  sweep_handles(kPlan | kPin, AKV_ERROR_WRONG_TYPE, [](Scene &s) { return s.lease; });
}

TEST_CASE("abuse: what is no ticket is BAD_HANDLE, and so is one that was not opened yet") {
  sweep_handles(kTickets, AKV_ERROR_BAD_HANDLE, [](Scene &s) { return s.sequence; });
  sweep_handles(kTickets, AKV_ERROR_BAD_HANDLE, [](Scene &s) { return s.ticket + 1; });
  sweep_handles(kTickets, AKV_ERROR_BAD_HANDLE, [](Scene &s) { return s.ticket - 1; });
  sweep_handles(kTickets, AKV_ERROR_BAD_HANDLE, [](Scene &) { return 1; });
}

TEST_CASE("abuse: a handle of another cache is BAD_HANDLE") {
  Scene other(function_named("akv_cache_audit"));
  sweep_handles(kAnySequence, AKV_ERROR_BAD_HANDLE, [&other](Scene &) { return other.sequence; });
  sweep_handles(kPlan, AKV_ERROR_BAD_HANDLE, [&other](Scene &) { return other.plan; });
  sweep_handles(kPin, AKV_ERROR_BAD_HANDLE, [&other](Scene &) { return other.pin; });
  sweep_handles(kLease, AKV_ERROR_BAD_HANDLE, [&other](Scene &) { return other.lease; });
  sweep_handles(kTickets, AKV_ERROR_BAD_HANDLE, [&other](Scene &) { return other.ticket; });
}

TEST_CASE("abuse: random handles, and good ones with one bit turned, are BAD_HANDLE or WRONG_TYPE and change nothing") {
  std::mt19937_64 random(2);
  for (const Function &function : every_function())
    for (const Place &place : places()) {
      if (!function.has(place.takes)) continue;
      INFO(function.name);
      Scene scene(function);
      const std::string before = scene.everything();
      const Outputs outputs = scene.outputs;
      const std::uint64_t good = place.of(scene);
      std::vector<std::uint64_t> values;
      // Below bit 20 it may become a good handle of another thing of this cache.
      for (int bit = (place.takes & kTickets) != 0 ? 48 : 20; bit < 64; ++bit) values.push_back(good ^ 1ull << bit);
      for (int i = 0; i < 200; ++i) values.push_back(random());
      for (const std::uint64_t value : values) {
        place.of(scene) = value;
        const akv_status status = scene.run();
        CHECK((status == AKV_ERROR_BAD_HANDLE || (status == AKV_ERROR_WRONG_TYPE && (place.takes & kTickets) == 0)));
      }
      place.of(scene) = good;
      CHECK(scene.outputs == outputs);
      CHECK(scene.everything() == before);
    }
}

TEST_CASE("abuse: D6 a stale handle is BAD_HANDLE for every function, and never reaches what has its place now") {
  const auto stale = [](std::uint64_t takes, const char *ends, const std::function<std::uint64_t(Scene &)> &again) {
    for (const Function &function : every_function())
      for (const Place &place : places()) {
        if (!function.has(place.takes & takes)) continue;
        Scene scene(function);
        const std::uint64_t old = place.of(scene);
        OK(function_named(ends).run(scene.call));
        scene.refused(AKV_ERROR_BAD_HANDLE);
        const std::uint64_t fresh = again(scene);
        CHECK((fresh != old && std::uint32_t(fresh) == std::uint32_t(old)));  // the same place
        place.of(scene) = old;
        scene.refused(AKV_ERROR_BAD_HANDLE);
      }
  };
  stale(kAnySequence, "akv_sequence_free", [](Scene &s) { return s.cache.create(s.tokens).sequence; });
  const auto pinned = [](Scene &s) {
    akv_pin pin = 0;
    OK(akv_prefix_pin(s.cache, &s.prompt, 5, &pin, nullptr));
    return pin;
  };
  stale(kPin, "akv_prefix_unpin", pinned);
  stale(kLease, "akv_lease_release", [](Scene &s) {
    akv_lease lease = 0;
    OK(akv_lease_acquire(s.cache, s.sequence, 4, 0, &lease, nullptr));
    return lease;
  });
  const auto planned = [](Scene &s) {
    akv_sequence child = 0;
    akv_plan plan = 0;
    OK(akv_sequence_fork(s.cache, s.sequence, AKV_UNSET, nullptr, &child));
    OK(s.cache.append(child, {77}, &plan));
    return plan;
  };
  stale(kPlan, "akv_plan_finish", planned);
  stale(kPlan, "akv_plan_abandon", planned);
}

TEST_CASE("abuse: an ended ticket can't be ended again, and can still be read") {
  for (const char *ends : {"akv_ticket_retire", "akv_ticket_abandon"})
    for (const char *again : {"akv_ticket_retire", "akv_ticket_abandon"}) {
      Scene scene(function_named(again));
      OK(function_named(ends).run(scene.call));
      scene.refused(AKV_ERROR_BAD_HANDLE);
      std::uint32_t state = 0;
      OK(akv_ticket_read(scene.cache, scene.ticket, &state));
      const bool retired = ends == std::string("akv_ticket_retire");
      CHECK(state == (retired ? AKV_TICKET_PASSED : AKV_TICKET_ABANDONED));
    }
}

TEST_CASE("abuse: B6 D6 a slot that is used again thousands of times never answers to one of its old handles") {
  Cache cache([](akv_cache_config &c) { c.max_sequences = 1; });
  std::vector<akv_sequence> old;
  for (int i = 0; i < 5000; ++i) {
    old.push_back(cache.create({i}).sequence);
    cache.free(old.back());
  }
  const akv_sequence live = cache.create({1, 2, 3}).sequence;
  for (const akv_sequence handle : old) {
    REQUIRE(handle != live);
    REQUIRE(akv_sequence_free(cache, handle) == AKV_ERROR_BAD_HANDLE);
    REQUIRE(akv_sequence_commit(cache, handle, 1, AKV_NONE) == AKV_ERROR_BAD_HANDLE);
  }
  std::uint32_t freed = 0, stale = 0;
  OK(akv_sequence_free_batch(cache, old.data(), static_cast<std::uint32_t>(old.size()), &freed, &stale, nullptr));
  CHECK((freed == 0 && stale == 5000));
  CHECK(cache.tokens(live) == Tokens({1, 2, 3}));
}

TEST_CASE("abuse: a cache place that is used again never answers to old handles, not even of things inside") {
  Cache first;
  std::vector<akv_cache *> caches;
  std::vector<akv_sequence> sequences;
  for (int i = 0; i < 300; ++i) {
    Cache next;
    caches.push_back(next);
    sequences.push_back(next.create({i}).sequence);
  }
  Cache now;
  const akv_sequence live = now.create({7, 8}).sequence;
  for (std::size_t i = 0; i < caches.size(); ++i) {
    CHECK(akv_cache_destroy(caches[i]) == AKV_ERROR_BAD_HANDLE);
    CHECK(akv_sequence_free(now, sequences[i]) == AKV_ERROR_BAD_HANDLE);
    CHECK(akv_sequence_free(first, sequences[i]) == AKV_ERROR_BAD_HANDLE);
  }
  CHECK(now.tokens(live) == Tokens({7, 8}));
}

TEST_CASE("abuse: D6 a ticket of a destroyed cache is never one of its next 200 successors") {
  std::vector<akv_ticket> old;
  for (int i = 0; i < 200; ++i) {
    Cache cache;
    const akv_ticket mine = cache.open_ticket();
    for (const akv_ticket ticket : old) {
      std::uint32_t state = 0;
      REQUIRE(akv_ticket_read(cache, ticket, &state) == AKV_ERROR_BAD_HANDLE);
      REQUIRE(akv_ticket_retire(cache, ticket) == AKV_ERROR_BAD_HANDLE);
    }
    cache.retire(mine);
    old.push_back(mine);
  }
}

TEST_CASE("abuse: destroying twice is BAD_HANDLE, destroying NULL is fine") {
  akv_cache *cache = nullptr;
  OK(akv_cache_create(nullptr, &cache));
  OK(akv_cache_destroy(cache));
  CHECK(akv_cache_destroy(cache) == AKV_ERROR_BAD_HANDLE);
  OK(akv_cache_destroy(nullptr));
}

TEST_CASE("abuse: free_batch tells of each bad handle what a free would, and frees the good one") {
  Scene scene(function_named("akv_sequence_free_batch")), other(function_named("akv_cache_audit"));
  const akv_sequence batch[] = {0, scene.plan, other.sequence, scene.ticket, scene.sequence, scene.sequence, ~0ull};
  akv_status fates[7];
  std::uint32_t freed = 0, stale = 0;
  OK(akv_sequence_free_batch(scene.cache, batch, 7, &freed, &stale, fates));
  const akv_status wanted[] = {
      AKV_ERROR_INVALID_ARGUMENT, AKV_ERROR_WRONG_TYPE, AKV_ERROR_BAD_HANDLE, AKV_ERROR_BAD_HANDLE, AKV_OK,
      AKV_ERROR_BAD_HANDLE,       AKV_ERROR_BAD_HANDLE};
  for (int i = 0; i < 7; ++i) CHECK(fates[i] == wanted[i]);
  for (int i = 0; i < 7; ++i)
    if (i != 4) CHECK(akv_sequence_free(scene.cache, batch[i]) == wanted[i]);
  CHECK((freed == 1 && stale == 4 && scene.cache.state().sequences == 2));
  CHECK(other.cache.state().sequences == 3);
}
