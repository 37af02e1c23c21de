// page_threads.cpp: many threads on one page pool: raw pages and arenas come and go, tickets are open meanwhile, and
// everybody marks the bytes that are his. It knows the public API only.
//
//   page_threads [--operations N] [--threads N] [--seed N]
//
// Promises: A2 A3 A13 A22 (no page is there twice or lost; drops in flight; nothing is handed out before its tickets
// have ended; the counts balance at the end).
#include "arenakv.h"

#include <atomic>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

constexpr std::uint32_t kPages = 96, kPageBytes = 1024, kThreads = 8;

struct Options {
  std::uint64_t operations = 1000000, seed = 1;
  std::uint32_t threads = kThreads;
};

[[noreturn]] void broken(const char *what, long long a = 0, long long b = 0) {
  char text[300];
  akv_last_error(text, sizeof text);
  std::fprintf(stderr, "page_threads: %s (%lld, %lld); last error: %s\n", what, a, b, text);
  std::_Exit(1);
}
void ok(akv_status status, const char *what) {
  if (status != AKV_OK) broken(what, status);
}

akv_page_pool *pool = nullptr;
// Who may write to a page: its holder and, after he gave it back, the work under tickets that were open then.
std::atomic<std::uint32_t> users[kPages + 1];
std::atomic<std::uint64_t> refused{0}, dropped{0}, waited{0}, counted{0};

struct Random {
  std::uint64_t state;
  std::uint32_t operator()(std::uint32_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::uint32_t>((state >> 33) % below);
  }
};

void use(std::uint32_t page) {
  if (users[page].fetch_add(1, std::memory_order_relaxed) != 0) broken("a page has two users", page);
}
void leave(std::uint32_t page) { users[page].fetch_sub(1, std::memory_order_relaxed); }

class Worker {
 public:
  Worker(std::uint32_t number, std::uint64_t seed, bool tickets)
      : mark_(static_cast<unsigned char>(number + 1)), random_{seed}, tickets_(tickets) {}

  void run(std::uint64_t operations) {
    for (done_ = 0; done_ < operations;) {
      switch (random_(8)) {
        case 0: arena(); break;
        case 1: batch(); break;
        default: pair(); break;
      }
    }
    counted.fetch_add(done_, std::memory_order_relaxed);
  }

 private:
  // The hot path: one page, out and in.
  void pair() {
    for (int i = 0; i < 16; ++i, ++done_) {
      akv_page page = AKV_NONE;
      if (akv_page_acquire(pool, mark_, &page, nullptr, 1) != AKV_OK) return none_left();
      touch(page);
      give_back(&page, 1);
    }
  }
  void batch() {
    akv_page pages[12];
    const std::uint32_t count = 1 + random_(12);
    if (akv_page_acquire(pool, mark_, pages, nullptr, count) != AKV_OK) return none_left();
    done_ += count;
    for (std::uint32_t i = 0; i < count; ++i) touch(pages[i]);
    give_back(pages, count);
  }
  // Everything waits for somebody's ticket: let him go on.
  void none_left() {
    refused.fetch_add(1, std::memory_order_relaxed);
    std::this_thread::yield();
  }
  void touch(akv_page page) {
    akv_memory_view view = AKV_MEMORY_VIEW_INIT;
    ok(akv_page_read_view(pool, page, &view), "read a page");
    use(view.page);
    write(view.data, kPageBytes);
    leave(view.page);
  }
  void write(void *data, std::size_t bytes) {
    auto *at = static_cast<unsigned char *>(data);
    std::memset(at, mark_, bytes < 64 ? bytes : 64);
    for (std::size_t i = 0; i < (bytes < 64 ? bytes : 64); ++i)
      if (at[i] != mark_) broken("another one's byte", at[i], mark_);
  }
  void give_back(const akv_page *pages, std::uint32_t count) {
    ok(akv_page_release(pool, pages, count), "release");
    if (random_(64) == 0 && akv_page_release(pool, pages, count) != AKV_ERROR_BAD_HANDLE) broken("a second release");
  }

  // An arena whose pages are still used, under a ticket, after it was dropped.
  void arena() {
    akv_arena made = AKV_NONE;
    if (akv_arena_create(pool, mark_, &made) != AKV_OK) return;
    std::vector<akv_memory_view> views;
    std::vector<std::uint32_t> pages;
    const std::uint32_t tensors = 1 + random_(10);
    for (std::uint32_t i = 0; i < tensors; ++i, ++done_) {
      akv_tensor tensor = AKV_NONE;
      if (akv_tensor_create(pool, made, 1 + random_(kPageBytes), &tensor, nullptr) != AKV_OK) {
        none_left();
        break;
      }
      akv_memory_view view = AKV_MEMORY_VIEW_INIT;
      ok(akv_tensor_read_view(pool, tensor, &view), "read a tensor");
      if (pages.empty() || pages.back() != view.page) {
        use(view.page);
        pages.push_back(view.page);
      }
      std::uint64_t offset = 99;
      ok(akv_tensor_extend(pool, tensor, view.capacity_bytes, &offset), "extend");
      if (offset != 0 || akv_tensor_extend(pool, tensor, 1, nullptr) != AKV_ERROR_NO_CAPACITY) broken("extended twice");
      write(view.data, view.capacity_bytes);
      views.push_back(view);
    }
    akv_ticket ticket = AKV_NONE;
    const bool in_flight = tickets_ && random_(2) == 0 && akv_page_pool_ticket_open(pool, &ticket) == AKV_OK;
    if (!in_flight)
      for (const std::uint32_t page : pages) leave(page);
    ok(akv_arena_drop(pool, made), "drop");
    dropped.fetch_add(1, std::memory_order_relaxed);
    if (!in_flight) return;
    if (random_(4) == 0) std::this_thread::yield();
    for (const akv_memory_view &view : views) write(view.data, view.capacity_bytes);
    for (const std::uint32_t page : pages) leave(page);
    ok(akv_page_pool_ticket_retire(pool, ticket), "retire");
    waited.fetch_add(1, std::memory_order_relaxed);
  }

  const unsigned char mark_;
  Random random_;
  const bool tickets_;
  std::uint64_t done_ = 0;
};

void check_the_end() {
  akv_page_pool_state s = AKV_PAGE_POOL_STATE_INIT;
  ok(akv_page_pool_read_state(pool, &s), "read_state");
  if (s.free_pages != kPages || s.live_pages != 0 || s.quarantined_pages != 0 || s.arenas != 0 || s.tensors != 0)
    broken("pages are lost", s.free_pages, s.live_pages);
  std::vector<akv_page> all(kPages);
  ok(akv_page_acquire(pool, 1, all.data(), nullptr, kPages), "all pages at once");
  for (const akv_page page : all) {
    akv_memory_view view = AKV_MEMORY_VIEW_INIT;
    ok(akv_page_read_view(pool, page, &view), "read a page");
    use(view.page);
  }
  if (s.hit_ratio < 0.9 && s.handed_out > 100 * kPages) broken("pages are not recycled");
}

}  // namespace

int main(int argc, char **argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    const char *value = i + 1 < argc ? argv[i + 1] : "";
    if (std::strcmp(argv[i], "--operations") == 0) options.operations = std::strtoull(value, nullptr, 10);
    else if (std::strcmp(argv[i], "--seed") == 0) options.seed = std::strtoull(value, nullptr, 10);
    else if (std::strcmp(argv[i], "--threads") == 0)
      options.threads = static_cast<std::uint32_t>(std::strtoul(value, nullptr, 10));
    else options.threads = 0;
  }
  if (options.threads == 0 || options.threads > 64 || options.operations == 0) {
    std::fprintf(stderr, "usage: page_threads [--operations N] [--threads 1..64] [--seed N]\n");
    return 2;
  }
  akv_page_pool_config config = AKV_PAGE_POOL_CONFIG_INIT;
  config.page_bytes = kPageBytes;
  config.num_pages = kPages / 2;
  config.max_pages = kPages;
  ok(akv_page_pool_create(&config, &pool), "create");
  // An open ticket holds up all that is given back, so most of the run is without: there pages go round quickly.
  for (const bool tickets : {false, true}) {
    const std::uint64_t each = options.operations / 8 * (tickets ? 1 : 7) / options.threads;
    std::vector<std::thread> threads;
    for (std::uint32_t i = 0; i < options.threads; ++i)
      threads.emplace_back([=, &options] { Worker(i, options.seed * 1000 + i, tickets).run(each); });
    ok(akv_page_pool_reserve(pool, kPages), "reserve");  // while they run
    for (std::thread &thread : threads) thread.join();
  }
  check_the_end();
  std::printf("%" PRIu64 " pages and tensors handed out: %" PRIu64 " arenas dropped, %" PRIu64
              " of them in flight, %" PRIu64 " times refused\n",
              counted.load(), dropped.load(), waited.load(), refused.load());
  return 0;
}
