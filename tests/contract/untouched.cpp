// untouched.cpp: the byte boundary: META calls touch no K/V byte, and COPY calls do. The whole program is run a second
// time with stores over PROT_NONE memory beside every cache (untouchable.hpp); here is that such a run can fail.
#include "child.hpp"
#include "swap.hpp"

using namespace akv::test;

namespace {

// How a child of fork() ends that makes a cache with untouchable stores and calls something.
template <class Call>
int ending_of(Call call) {
  std::fflush(stdout);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    for (const int number : {SIGABRT, SIGSEGV, SIGBUS}) std::signal(number, SIG_DFL);
    alarm(60);
    try {
      const SwapCache cache;
      const UntouchableStores stores(cache);
      call(cache, stores);
    } catch (...) {  // a failed REQUIRE
      _exit(9);
    }
    _exit(0);
  }
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child);
  return status;
}

bool died(int status) { return WIFSIGNALED(status) && (WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS); }
bool lived(int status) { return WIFEXITED(status) && WEXITSTATUS(status) == 0; }

constexpr std::int32_t kBlock = 1;

}  // namespace

TEST_CASE(
    "untouched: S1 A4 every COPY call on a store of PROT_NONE memory dies, so META calls that live touch no byte") {
  using Call = void (*)(const SwapCache &, const UntouchableStores &);
  std::vector<std::pair<const char *, Call>> calls = {
      {"zero", [](const SwapCache &, const UntouchableStores &s) { OK(akv_copy_zero(s[0], &kBlock, 1, nullptr)); }},
      {"blocks", [](const SwapCache &,
                    const UntouchableStores &s) { OK(akv_copy_blocks(s[0], &kBlock, s[2], &kBlock, 1, 0, nullptr)); }},
      {"write_tokens",
       [](const SwapCache &, const UntouchableStores &s) {
         static unsigned char row[1 << 16];
         const std::int64_t slot = 4;
         const akv_token_data data = {row, 0, 0, nullptr, 0, 0, 0};
         OK(akv_copy_write_tokens(s[0], 0, &slot, 1, &data, 1, sizeof data, nullptr));
       }},
      {"read_tokens",
       [](const SwapCache &, const UntouchableStores &s) {
         static unsigned char row[1 << 16];
         const std::int64_t slot = 4;
         const akv_token_data data = {row, 0, 0, nullptr, 0, 0, 0};
         OK(akv_copy_read_tokens(s[0], 0, &slot, 1, &data, 1, sizeof data, nullptr));
       }},
      {"gather",
       [](const SwapCache &, const UntouchableStores &s) {
         static unsigned char all[1 << 20];
         const akv_span span = {&kBlock, 1, 0, 1, 0, 1, 0, all, sizeof all, nullptr};
         OK(akv_copy_gather(s[0], &span, 1, sizeof span, nullptr));
       }},
      {"scatter",
       [](const SwapCache &, const UntouchableStores &s) {
         static unsigned char all[1 << 20];
         const akv_span span = {&kBlock, 1, 0, 1, 0, 1, 0, all, sizeof all, nullptr};
         OK(akv_copy_scatter(s[0], &span, 1, sizeof span, nullptr));
       }},
      {"run",
       [](const SwapCache &cache, const UntouchableStores &s) {
         const akv_plan plan = cache.plan_out(cache.committed(count_up(1, 7)));
         akv_store *all[] = {s[0], s[1], s[2]};
         OK(akv_copy_run(cache, plan, all, 3, AKV_RUN_FINISH, nullptr));
       }},
      {"records",
       [](const SwapCache &cache, const UntouchableStores &s) {
         const auto records = cache.records(cache.plan_out(cache.committed(count_up(1, 7))));
         akv_store *all[] = {s[0], s[1], s[2]};
         OK(akv_copy_records(records.data(), static_cast<std::uint32_t>(records.size()), all, 3, 0, nullptr));
       }},
      {"the caller",
       [](const SwapCache &, const UntouchableStores &s) {
         akv_region region = {};
         OK(akv_store_read_region(s[0], 0, 0, &region, sizeof region));
         *static_cast<volatile unsigned char *>(region.data) = 1;
       }},
  };
  for (const auto &[name, call] : calls) {
    INFO(name);
    CHECK(died(ending_of(call)));
  }
}

TEST_CASE("untouched: S1 A4 plans of every kind are made and ended over PROT_NONE stores, and nobody dies") {
  CHECK(lived(ending_of([](const SwapCache &cache, const UntouchableStores &) {
    const akv_sequence parent = cache.committed(count_up(1, 7));
    const akv_sequence child = cache.fork(parent);
    cache.finish(cache.planned(child, {100}));  // copy-on-write
    cache.commit(child, 8);
    cache.swap_out(child);
    cache.swap_in(child);
    cache.finish(cache.create(count_up(1, 6), AKV_SEQUENCE_PARTIAL).plan);
    cache.roll_back(cache.plan_out(parent));
    cache.free(cache.create(count_up(100000, 100), AKV_SEQUENCE_NO_PUBLISH).sequence);  // evicts what is cached
    static_cast<void>(cache.create(count_up(1, 7), 0, 9));  // another domain: blocks to be zeroed
    static_cast<void>(cache.state());
  })));
}
