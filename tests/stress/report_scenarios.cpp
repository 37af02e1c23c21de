// report_scenarios.cpp: text for people while memory fails: the only calls that allocate while a cache lives.
// It knows states of a cache; how a trial works is in scenario.cpp.
#include "scenario.hpp"

#include <cstring>
#include <iterator>
#include <string>
#include <vector>

namespace akv::stress {
namespace {

constexpr std::uint64_t kRoom = 1 << 22;

struct Cache {
  explicit Cache(std::uint32_t num_blocks = 600, std::uint32_t max_sequences = 300) {
    akv_cache_config config = AKV_CACHE_CONFIG_INIT;
    config.num_blocks = num_blocks;
    config.block_tokens = 4;
    config.max_sequences = max_sequences;
    Trial::ok(akv_cache_create(&config, &handle), "create");
  }
  ~Cache() { Trial::ok(akv_cache_destroy(handle), "destroy"); }
  Cache(const Cache &) = delete;
  Cache &operator=(const Cache &) = delete;

  akv_created create(std::int32_t first, std::uint32_t count, std::uint32_t flags = AKV_SEQUENCE_COMMITTED) const {
    std::vector<std::int32_t> tokens(count);
    for (std::uint32_t i = 0; i < count; ++i) tokens[i] = first + static_cast<std::int32_t>(i);
    akv_prompt prompt = AKV_PROMPT_INIT;
    prompt.tokens = tokens.data();
    prompt.num_tokens = count;
    akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
    options.flags = flags;
    akv_created created = AKV_CREATED_INIT;
    Trial::ok(akv_sequence_create(handle, &prompt, &options, &created), "create a sequence");
    return created;
  }
  akv_cache *handle = nullptr;
};

// The text is as long as it says, whether memory has failed before or not.
void check_text(const std::vector<char> &text, std::uint64_t length, const char *word) {
  if (std::strlen(text.data()) != length || std::strstr(text.data(), word) == nullptr)
    Trial::fail("a text of %llu bytes has %zu", static_cast<unsigned long long>(length), std::strlen(text.data()));
}

void dump(Trial &trial, const Cache &cache) {
  trial.watch(cache.handle);
  std::vector<char> text(kRoom);
  std::uint64_t length = 0;
  trial.try_call([&] { return akv_report_dump(cache.handle, text.data(), kRoom, &length); });
  check_text(text, length, "config");
  trial.watch(nullptr);
}

void block_map(Trial &trial, const Cache &cache, std::uint32_t columns) {
  trial.watch(cache.handle);
  std::vector<char> text(kRoom);
  std::uint64_t length = 0;
  trial.try_call([&] { return akv_report_block_map(cache.handle, columns, text.data(), kRoom, &length); });
  check_text(text, length, "blocks:");
  trial.watch(nullptr);
}

void dump_empty(Trial &trial) {
  const Cache cache;
  dump(trial, cache);
}

void dump_with_sequences(Trial &trial) {
  const Cache cache;
  for (int i = 0; i < 250; ++i) cache.create(i * 100, 5);
  dump(trial, cache);
}

void dump_of_a_full_pool(Trial &trial) {
  const Cache cache(64, 8);
  for (int i = 0; i < 20; ++i) Trial::ok(akv_sequence_free(cache.handle, cache.create(i * 1000, 40).sequence), "free");
  cache.create(7, 200);
  dump(trial, cache);
}

void dump_with_all_things(Trial &trial) {
  const Cache cache;
  const akv_created a = cache.create(1, 41);
  akv_ticket ticket = AKV_NONE;
  akv_lease lease = AKV_NONE;
  akv_pin pin = AKV_NONE;
  Trial::ok(akv_ticket_open(cache.handle, &ticket), "open a ticket");
  Trial::ok(akv_lease_acquire(cache.handle, a.sequence, 20, 1, &lease, nullptr), "lease");
  const std::int32_t tokens[] = {1, 2, 3, 4};
  akv_prompt prompt = AKV_PROMPT_INIT;
  prompt.tokens = tokens;
  prompt.num_tokens = 4;
  Trial::ok(akv_prefix_pin(cache.handle, &prompt, 1, &pin, nullptr), "pin");
  const akv_created b = cache.create(1, 7, AKV_SEQUENCE_PARTIAL);
  if (b.plan == AKV_NONE) Trial::fail("no plan");
  dump(trial, cache);
}

void dump_too_small(Trial &trial) {
  const Cache cache;
  cache.create(1, 9);
  char text[100];
  std::uint64_t length = 0;
  trial.watch(cache.handle);
  trial.try_call([&] { return akv_report_dump(cache.handle, text, sizeof text, &length); }, AKV_ERROR_BUFFER_TOO_SMALL);
  if (std::strlen(text) != sizeof text - 1 || length < sizeof text) Trial::fail("as much as fits is not there");
  trial.watch(nullptr);
}

void dump_length_alone(Trial &trial) {
  const Cache cache;
  std::uint64_t length = 0;
  trial.watch(cache.handle);
  trial.try_call([&] { return akv_report_dump(cache.handle, nullptr, 0, &length); }, AKV_ERROR_BUFFER_TOO_SMALL);
  if (length == 0) Trial::fail("the length is 0");
  trial.watch(nullptr);
}

void map_of_one_line(Trial &trial) {
  const Cache cache(20, 4);
  cache.create(1, 9);
  block_map(trial, cache, 0);
}

void map_of_many_blocks(Trial &trial) {
  const Cache cache(50000, 8);
  cache.create(1, 4000);
  block_map(trial, cache, 0);
}

void map_of_one_column(Trial &trial) {
  const Cache cache(3000, 4);
  block_map(trial, cache, 1);
}

void map_wider_than_the_pool(Trial &trial) {
  const Cache cache(100, 4);
  block_map(trial, cache, 1000000);
}

void map_too_small(Trial &trial) {
  const Cache cache;
  char text[30];
  trial.watch(cache.handle);
  trial.try_call([&] { return akv_report_block_map(cache.handle, 0, text, sizeof text, nullptr); },
                 AKV_ERROR_BUFFER_TOO_SMALL);
  trial.watch(nullptr);
}

// A text that could not be made leaves the buffer as it was.
void dump_writes_all_or_nothing(Trial &trial) {
  const Cache cache;
  cache.create(1, 9);
  std::vector<char> text(kRoom, 'x');
  std::uint64_t length = 77;
  trial.try_call([&] {
    const akv_status status = akv_report_dump(cache.handle, text.data(), kRoom, &length);
    if (status != AKV_OK && (text[0] != 'x' || length != 77)) Trial::fail("a dump that failed has written");
    return status;
  });
}

}  // namespace

const Scenario kReportScenarios[] = {
    {"report: dump of an empty cache", dump_empty, true},
    {"report: dump with sequences", dump_with_sequences, true},
    {"report: dump of a full pool", dump_of_a_full_pool, true},
    {"report: dump with a pin, a lease, a plan and a ticket", dump_with_all_things, true},
    {"report: dump into a buffer that is too small", dump_too_small, true},
    {"report: dump for its length alone", dump_length_alone, true},
    {"report: dump writes all or nothing", dump_writes_all_or_nothing, true},
    {"report: block map of one line", map_of_one_line, true},
    {"report: block map of many blocks", map_of_many_blocks, true},
    {"report: block map of one column", map_of_one_column, true},
    {"report: block map wider than the pool", map_wider_than_the_pool, true},
    {"report: block map into a buffer that is too small", map_too_small, true},
};
const std::size_t kNumReportScenarios = std::size(kReportScenarios);

}  // namespace akv::stress
