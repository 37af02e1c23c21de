// report.cpp: the promises of report.h: the dump and the block map as text.
// It knows the public API only; the numbers in them are state.cpp's and measures.cpp's.
#include "fixture.hpp"

#include <cstdio>
#include <functional>
#include <sstream>

using namespace akv::test;

namespace {

using Report = std::function<akv_status(char *, std::uint64_t, std::uint64_t *)>;

std::string text_of(const Report &report) {
  std::vector<char> text(16384, '\x7f');
  std::uint64_t length = 0;
  OK(report(text.data(), text.size(), &length));
  REQUIRE(length < text.size());
  CHECK(text[length] == '\0');
  CHECK(text[length + 1] == '\x7f');
  const std::string whole(text.data());
  CHECK(whole.size() == length);
  return whole;
}

Report dump_of(const Cache &cache) {
  return [&cache](char *buffer, std::uint64_t capacity, std::uint64_t *length) {
    return akv_report_dump(cache, buffer, capacity, length);
  };
}
Report map_of(const Cache &cache, std::uint32_t columns) {
  return [&cache, columns](char *buffer, std::uint64_t capacity, std::uint64_t *length) {
    return akv_report_block_map(cache, columns, buffer, capacity, length);
  };
}

std::vector<std::string> lines_of(const std::string &text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

const char *const kLegend = "blocks: . free  , dirty  r reserved  # live  P pinned  c cached  q quarantined  0 null\n";

// One block of each kind, in an order that is known: blocks go out in the order of their ids at first.
struct OneOfEach {
  OneOfEach() {
    akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
    options.reserve_tokens = 8;
    akv_created created = AKV_CREATED_INIT;
    const Tokens tokens = count_up(0, 3);
    const akv_prompt prompt = cache.prompt(tokens);
    OK(akv_sequence_create(cache, &prompt, &options, &created));  // blocks 1 live and 2 reserved
    cache.cache_prefix(count_up(100, 4));                         // 3 pinned
    const Tokens pinned = count_up(100, 4);
    const akv_prompt to_pin = cache.prompt(pinned);
    akv_pin pin = 0;
    OK(akv_prefix_pin(cache, &to_pin, 0, &pin, nullptr));
    cache.cache_prefix(count_up(200, 4));                         // 4 cached
    const akv_sequence dirty = cache.create({1}).sequence;        // 5 dirty
    const akv_sequence quarantined = cache.create({2}).sequence;  // 6 quarantined
    cache.free(dirty);
    cache.open_ticket();
    cache.free(quarantined);
  }
  Cache cache{[](akv_cache_config &c) { c.num_blocks = 9; }};
};

}  // namespace

TEST_CASE("report: B8 the block map has a character for each block, and a legend") {
  const OneOfEach each;
  CHECK(text_of(map_of(each.cache, 0)) == std::string(kLegend) + "       0 0#rPc,q...\n");
  CHECK(text_of(map_of(each.cache, 4)) ==
        std::string(kLegend) + "       0 0#rP\n" + "       4 c,q.\n" + "       8 ..\n");
  CHECK(text_of(map_of(each.cache, 5)) == std::string(kLegend) + "       0 0#rPc\n" + "       5 ,q...\n");
  CHECK(lines_of(text_of(map_of(each.cache, 1))).size() == 11);
  CHECK(text_of(map_of(each.cache, UINT32_MAX)) == text_of(map_of(each.cache, 0)));
}

TEST_CASE("report: B8 a line of the block map is 64 blocks unless asked otherwise") {
  const Cache cache([](akv_cache_config &c) { c.num_blocks = 129; });
  const auto lines = lines_of(text_of(map_of(cache, 0)));
  REQUIRE(lines.size() == 4);
  CHECK(lines[1] == "       0 0" + std::string(63, '.'));
  CHECK(lines[2] == "      64 " + std::string(64, '.'));
  CHECK(lines[3] == "     128 ..");
}

TEST_CASE("report: B8 the dump tells configuration, state, and a line for each sequence") {
  Cache cache;
  CHECK(text_of(dump_of(cache)).find("request id") == std::string::npos);  // no sequence, no table of them
  akv_created a = AKV_CREATED_INIT, b = AKV_CREATED_INIT;
  OK(cache.try_create(count_up(0, 10), AKV_SEQUENCE_COMMITTED, a, 0, 77, 9));
  OK(cache.try_create({1, 2}, 0, b, 0, 78, 9));
  const std::string text = text_of(dump_of(cache));
  INFO(text);
  const auto has = [&text](const std::string &part) { return text.find(part) != std::string::npos; };
  CHECK(has("arenakv " + std::string(akv_version_string()) + "\n"));
  CHECK(has("32 blocks of 4 tokens, 8 sequences of at most 1000 tokens"));
  CHECK(has("stack allocator, magazines of 1, scrub by domain, pins up to 32 blocks"));
  CHECK(has("32 layers of 2 planes"));
  CHECK(has("32 = 28 free + 0 dirty + 0 reserved + 4 live + 0 pinned + 0 cached + 0 quarantined"));
  CHECK(has("12 live (12 if nothing were shared), 0 cached; 25.0 % of the taken room is empty"));
  CHECK(has("0.000 outside blocks (largest free run 28), advice: none"));
  CHECK(has("2 sequences (0 lost content), 1 runs, 0 pins, 0 leases, 0 plans, 0 open tickets"));
  CHECK(has("2 sequences created, 0 freed; 12 prompt tokens, 0 hit (0.0 %), 0 partial"));
  CHECK(has("2 blocks published, 0 evicted, 0 copied on write, 0 refusals for want of blocks"));
  const auto lines = lines_of(text);
  char line[200];
  std::snprintf(line, sizeof line, "%016llx %13d %9d %9d %9d %9d %9d %9d", static_cast<unsigned long long>(a.sequence),
                77, 9, 10, 10, 10, 3, 0);
  CHECK(lines[lines.size() - 2] == line);
  std::snprintf(line, sizeof line, "%016llx %13d %9d %9d %9d %9d %9d %9d", static_cast<unsigned long long>(b.sequence),
                78, 9, 2, 2, 0, 1, 0);
  CHECK(lines[lines.size() - 1] == line);
}

TEST_CASE("report: the dump marks sequences with an open plan, and those that lost content") {
  Cache cache;
  const akv_sequence parent = cache.committed(count_up(0, 6));
  akv_sequence child = 0;
  akv_plan plan = AKV_NONE;
  OK(akv_sequence_fork(cache, parent, AKV_UNSET, nullptr, &child));
  OK(cache.append(child, {1}, &plan));
  const akv_ticket ticket = cache.open_ticket();
  const akv_sequence lost = cache.create(count_up(600, 8)).sequence;
  OK(akv_sequence_commit(cache, lost, 8, ticket));
  OK(akv_ticket_abandon(cache, ticket, nullptr));
  const auto lines = lines_of(text_of(dump_of(cache)));
  REQUIRE(lines.size() > 3);
  const auto ends_with = [](const std::string &line, const std::string &end) {
    return line.size() > end.size() && line.compare(line.size() - end.size(), end.size(), end) == 0;
  };
  int plans = 0, losses = 0;
  for (const std::string &line : lines) {
    plans += ends_with(line, " plan");
    losses += ends_with(line, " lost");
  }
  CHECK((plans == 1 && losses == 1));
}

TEST_CASE("report: a text that does not fit is cut at the end of the buffer, and its whole length is told") {
  const OneOfEach each;
  for (const Report &report : {dump_of(each.cache), map_of(each.cache, 4)}) {
    const std::string whole = text_of(report);
    for (const std::size_t capacity :
         {std::size_t{0}, std::size_t{1}, std::size_t{2}, whole.size() / 2, whole.size()}) {
      INFO("capacity " << capacity);
      std::vector<char> part(whole.size() + 10, '\x7f');
      std::uint64_t length = 0;
      CHECK(report(part.data(), capacity, &length) == AKV_ERROR_BUFFER_TOO_SMALL);
      CHECK(length == whole.size());
      akv_error_detail detail = AKV_ERROR_DETAIL_INIT;
      OK(akv_last_error_detail(&detail));
      CHECK((detail.needed == whole.size() + 1 && detail.available == capacity));
      if (capacity != 0) CHECK(std::string(part.data()) == whole.substr(0, capacity - 1));
      for (std::size_t i = capacity; i < part.size(); ++i) REQUIRE(part[i] == '\x7f');
    }
    std::vector<char> exact(whole.size() + 1);
    OK(report(exact.data(), exact.size(), nullptr));
    CHECK(std::string(exact.data()) == whole);
    std::uint64_t length = 0;
    CHECK(report(nullptr, 0, &length) == AKV_ERROR_BUFFER_TOO_SMALL);
    CHECK(length == whole.size());
    CHECK(report(nullptr, 10, &length) == AKV_ERROR_INVALID_ARGUMENT);
    CHECK(report(nullptr, 0, nullptr) == AKV_ERROR_BUFFER_TOO_SMALL);
  }
}
