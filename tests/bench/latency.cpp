// latency.cpp: how long every hot call takes over a whole trace: p50, p99, p99.9 and the longest.
//
//   bench_latency [TRACE.jsonl]          without a trace: the built-in chat of `arenakv replay`
//
// Twice over the trace, on a cache of 2,000,000 tokens that is full of cached blocks most of the time:
// first request by request, as the replay does it; then as a server does it, up to 64 sequences in a batch that grow by
// one token a step and leave when their output is complete. Each figure includes two readings of the clock, whose own
// time is the first row. A shared machine adds interruptions of its own: the last column tells how many calls took
// longer than thirty times the median.
#include "bench.hpp"

#include "workload/chat.hpp"
#include "workload/trace.hpp"

#include <deque>
#include <exception>
#include <map>
#include <memory>

namespace {

constexpr std::uint32_t kPoolTokens = 2'000'000, kBlockTokens = 16, kMaxLive = 64;

// The times of each call, by name.
class Latencies {
 public:
  template <class Call>
  auto time(const char *name, Call call) {
    const double begin = bench::now_ns();
    const auto result = call();
    add(name, bench::now_ns() - begin);
    return result;
  }
  void add(const char *name, double ns) { times_[name].push_back(ns); }
  void print() {
    std::printf("%-44s %10s %9s %9s %9s %9s %11s %9s\n", "nanoseconds", "calls", "p50", "p99", "p99.9", "max",
                "p99.9/p50", "over 30x");
    for (auto &[name, times] : times_) {
      std::sort(times.begin(), times.end());
      const double median = bench::percentile(times, 0.5), tail = bench::percentile(times, 0.999);
      const auto over = times.end() - std::upper_bound(times.begin(), times.end(), 30 * median);
      std::printf("%-44s %10zu %9.0f %9.0f %9.0f %9.0f %11.1f %9td\n", name.c_str(), times.size(), median,
                  bench::percentile(times, 0.99), tail, times.back(), tail / median, over);
    }
  }

 private:
  std::map<std::string, std::vector<double>> times_;
};

struct Text {
  std::vector<std::int32_t> prompt, output;
};

Text text_of(const replay::Request &request) {
  Text text;
  for (const replay::Segment &segment : request.prompt) replay::append_tokens(segment, text.prompt);
  replay::append_tokens({request.output_base, request.output_tokens}, text.output);
  return text;
}

class Server {
 public:
  Server(std::uint32_t longest, Latencies &latencies) : latencies_(latencies), width_(longest / kBlockTokens + 1) {
    akv_cache_config config = AKV_CACHE_CONFIG_INIT;
    config.num_blocks = kPoolTokens / kBlockTokens;
    config.block_tokens = kBlockTokens;
    config.max_sequences = kMaxLive + 2;
    config.max_tokens_per_sequence = longest + 16;
    config.flags = AKV_CACHE_PREFAULT;
    BENCH_CHECK(akv_cache_create(&config, &cache_));
    table_.resize(std::size_t{kMaxLive} * width_);
    rows_.resize(kMaxLive);
    indices_.resize(config.num_blocks * 2);
  }
  ~Server() {
    while (!live_.empty()) end(0, "free");
    if (akv_cache_audit_all(cache_) != AKV_OK || akv_cache_destroy(cache_) != AKV_OK) std::abort();
  }
  Server(const Server &) = delete;
  Server &operator=(const Server &) = delete;

  bool full() const { return live_.size() == kMaxLive; }
  bool empty() const { return live_.empty(); }
  void end_oldest() { end(0, "free"); }

  void admit(Text text) {
    akv_prompt prompt = AKV_PROMPT_INIT;
    prompt.tokens = text.prompt.data();
    prompt.num_tokens = static_cast<std::uint32_t>(text.prompt.size());
    akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
    options.flags = AKV_SEQUENCE_COMMITTED;
    akv_match match = AKV_MATCH_INIT;
    const double begin = bench::now_ns();
    BENCH_CHECK(akv_prefix_match(cache_, &prompt, &match));
    const double ns = bench::now_ns() - begin;
    const bool few = match.cached_tokens <= 1024;  // every token of what is cached is compared: two rows
    latencies_.add(few ? "prefix_match, up to 1,024 tokens cached" : "prefix_match, more", ns);
    akv_room room = AKV_ROOM_INIT;
    BENCH_CHECK(latencies_.time(few ? "can_allocate, up to 1,024 tokens cached" : "can_allocate, more",
                                [&] { return akv_cache_can_allocate(cache_, &prompt, &options, &room); }));
    akv_created created = AKV_CREATED_INIT;
    for (;;) {
      const akv_status status =
          latencies_.time("sequence_create", [&] { return akv_sequence_create(cache_, &prompt, &options, &created); });
      if (status == AKV_OK) break;
      if (status != AKV_ERROR_NO_BLOCKS || live_.empty()) BENCH_CHECK(status);
      end_oldest();
    }
    live_.push_back({created.sequence, std::move(text.output), 0});
  }

  // The newest one's whole output, token by token.
  void append_output() {
    One &one = live_.back();
    for (const std::int32_t &token : one.output)
      while (latencies_.time("sequence_append, one token", [&] {
        return akv_sequence_append(cache_, one.sequence, &token, 1, AKV_APPEND_COMMITTED, nullptr);
      }) != AKV_OK)
        end_oldest();
  }

  // One token for each. Those whose output is complete leave.
  void step(std::uint32_t number) {
    sequences_.clear();
    tokens_.clear();
    for (const One &one : live_) {
      sequences_.push_back(one.sequence);
      tokens_.push_back(one.output[one.done]);
    }
    slots_.resize(kMaxLive);
    indptr_.resize(kMaxLive + 1);
    last_page_.resize(kMaxLive);
    akv_batch batch = AKV_BATCH_INIT;
    batch.sequences = sequences_.data();
    batch.num_sequences = batch.tokens_count = static_cast<std::uint32_t>(sequences_.size());
    batch.tokens = tokens_.data();
    const akv_tables tables = arrays();
    if (latencies_.time("append_batch of up to 64, with all tables",
                        [&] { return akv_sequence_append_batch(cache_, &batch, &tables, nullptr); }) != AKV_OK) {
      end_oldest();
      return;
    }
    BENCH_CHECK(latencies_.time("commit_batch of up to 64", [&] {
      return akv_sequence_commit_batch(cache_, sequences_.data(), nullptr, batch.num_sequences, AKV_NONE);
    }));
    if (number % 64 == 0) branch(live_[number / 64 % live_.size()].sequence);
    for (std::size_t i = live_.size(); i-- != 0;)
      if (++live_[i].done == live_[i].output.size()) end(i, "free");
  }

 private:
  struct One {
    akv_sequence sequence;
    std::vector<std::int32_t> output;
    std::size_t done;
  };

  akv_tables arrays() {
    akv_tables tables = AKV_TABLES_INIT;
    tables.slot_mapping = slots_.data();
    tables.slot_capacity = slots_.size();
    tables.block_table = table_.data();
    tables.row_states = rows_.data();
    tables.row_stride = tables.row_width = width_;
    tables.num_rows = kMaxLive;
    tables.sequence_capacity = kMaxLive;
    tables.kv_indptr = indptr_.data();
    tables.kv_indices = indices_.data();
    tables.kv_indices_capacity = indices_.size();
    tables.kv_last_page_len = last_page_.data();
    return tables;
  }

  // A second sample of it, with drafts that are rejected.
  void branch(akv_sequence parent) {
    akv_sequence child = AKV_NONE;
    BENCH_CHECK(latencies_.time("sequence_fork",
                                [&] { return akv_sequence_fork(cache_, parent, AKV_UNSET, nullptr, &child); }));
    const std::int32_t draft[4] = {1, 2, 3, 4};
    akv_plan plan = AKV_NONE;
    if (latencies_.time("sequence_append, copy-on-write",
                        [&] { return akv_sequence_append(cache_, child, draft, 4, 0, &plan); }) == AKV_OK) {
      if (plan != AKV_NONE)
        BENCH_CHECK(latencies_.time("plan_finish", [&] { return akv_plan_finish(cache_, plan, AKV_NONE); }));
      akv_sequence_info info = AKV_SEQUENCE_INFO_INIT;
      BENCH_CHECK(latencies_.time("sequence_read_info", [&] { return akv_sequence_read_info(cache_, child, &info); }));
      BENCH_CHECK(latencies_.time("sequence_truncate",
                                  [&] { return akv_sequence_truncate(cache_, child, info.length - 3, 0); }));
    }
    BENCH_CHECK(latencies_.time("free, of a fork", [&] { return akv_sequence_free(cache_, child); }));
  }

  void end(std::size_t index, const char *name) {
    BENCH_CHECK(latencies_.time(name, [&] { return akv_sequence_free(cache_, live_[index].sequence); }));
    live_.erase(live_.begin() + static_cast<std::ptrdiff_t>(index));
  }

  Latencies &latencies_;
  akv_cache *cache_ = nullptr;
  std::deque<One> live_;  // oldest first
  std::vector<akv_sequence> sequences_;
  std::vector<akv_row_state> rows_;
  std::vector<std::int64_t> slots_;
  std::vector<std::int32_t> tokens_, table_, indptr_, indices_, last_page_;
  std::uint32_t width_;
};

std::unique_ptr<replay::Workload> open(int argc, char **argv) {
  if (argc > 1) return std::make_unique<replay::Trace>(argv[1], replay::TraceFormat::Auto, 0);
  return std::make_unique<replay::Chat>(replay::ChatModel{});
}

void request_by_request(replay::Workload &work, Latencies &latencies) {
  Server server(work.longest_request(), latencies);
  for (replay::Request request; work.next(request);) {
    if (server.full()) server.end_oldest();
    server.admit(text_of(request));
    server.append_output();
  }
}

void batch_by_batch(replay::Workload &work, Latencies &latencies) {
  Server server(work.longest_request(), latencies);
  replay::Request request;
  bool more = work.next(request);
  for (std::uint32_t number = 0; more || !server.empty(); ++number) {
    for (; more && !server.full(); more = work.next(request))
      if (request.output_tokens != 0) server.admit(text_of(request));
    if (!server.empty()) server.step(number);
  }
}

}  // namespace

int main(int argc, char **argv) {
  try {
    Latencies by_request, by_batch;
    for (int i = 0; i < 1'000'000; ++i) by_request.time("(the clock alone)", [] { return 0; });
    request_by_request(*open(argc, argv), by_request);
    std::printf("request by request\n");
    by_request.print();
    batch_by_batch(*open(argc, argv), by_batch);
    std::printf("\nbatch by batch\n");
    by_batch.print();
  } catch (const std::exception &wrong) {
    std::fprintf(stderr, "bench_latency: %s\n", wrong.what());
    return 1;
  }
  return 0;
}
