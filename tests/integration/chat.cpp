// chat.cpp: tests of the built-in workload: seeded, and of the shape that --help promises. There is no cache.
#include "workload/chat.hpp"

#include "catch.hpp"

#include <cmath>
#include <map>

namespace {

using namespace replay;

std::vector<Request> all_requests(const ChatModel &model) {
  Chat chat(model);
  std::vector<Request> requests;
  for (Request request; chat.next(request);) requests.push_back(request);
  return requests;
}

bool same(const Request &a, const Request &b) {
  return a.input_tokens == b.input_tokens && a.output_base == b.output_base && a.prompt.size() == b.prompt.size();
}

ChatModel model_of(std::uint64_t requests) {
  ChatModel model;
  model.requests = requests;
  return model;
}

}  // namespace

TEST_CASE("chat: the same seed gives the same requests, another one others") {
  const auto first = all_requests(model_of(300)), second = all_requests(model_of(300));
  CHECK(std::ranges::equal(first, second, same));
  ChatModel other = model_of(300);
  other.seed = 2;
  CHECK_FALSE(std::ranges::equal(first, all_requests(other), same));
}

TEST_CASE("chat: requests are numbered, as many as asked for, and no longer than told") {
  const auto requests = all_requests(model_of(5'000));
  Chat chat(model_of(5'000));
  CHECK(chat.size() == 5'000);
  REQUIRE(requests.size() == 5'000);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    REQUIRE(requests[i].number == i);
    std::uint64_t length = 0;
    for (const Segment &segment : requests[i].prompt) length += segment.length;
    REQUIRE(requests[i].input_tokens == length);
    REQUIRE(length + requests[i].output_tokens <= chat.longest_request());
    REQUIRE(requests[i].output_tokens >= 1);
  }
}

TEST_CASE("chat: a next turn begins with all that was said, the answer included") {
  std::map<std::uint64_t, Request> by_answer;
  std::size_t next_turns = 0;
  for (const Request &request : all_requests(model_of(3'000))) {
    const std::size_t said = request.prompt.size();
    if (said >= 3) {
      const auto before = by_answer.find(request.prompt[said - 2].base);
      REQUIRE(before != by_answer.end());
      REQUIRE(before->second.prompt.size() == said - 2);
      for (std::size_t i = 0; i + 2 < said; ++i) REQUIRE(before->second.prompt[i].base == request.prompt[i].base);
      REQUIRE(request.prompt[said - 2].length == before->second.output_tokens);
      next_turns += 1;
    }
    by_answer[request.output_base] = request;
  }
  CHECK(next_turns > 1'000);
}

TEST_CASE("chat: turns, shared system prompts and lengths are about what was asked for") {
  ChatModel model = model_of(20'000);
  model.think_seconds = 1;  // so that few conversations are cut off by the end
  model.max_context = 1u << 24;
  std::map<std::uint64_t, std::size_t> openings;
  double log_answers = 0;
  for (const Request &request : all_requests(model)) {
    if (request.prompt.size() <= 2) openings[request.prompt.front().base] += 1;
    log_answers += std::log(request.output_tokens);
  }
  std::size_t conversations = 0, with_system = 0, system_prompts = 0;
  for (const auto &[base, count] : openings) {
    conversations += count;
    if (count == 1) continue;
    with_system += count;
    system_prompts += 1;
  }
  const auto of = [](std::size_t part, std::size_t whole) {
    return static_cast<double>(part) / static_cast<double>(whole);
  };
  CHECK(of(20'000, conversations) == Approx(model.turns).epsilon(0.03));
  CHECK(of(with_system, conversations) == Approx(model.system_share).epsilon(0.03));
  CHECK(system_prompts == model.system_prompts);
  CHECK(std::exp(log_answers / 20'000) == Approx(model.answer.median).epsilon(0.03));
}

TEST_CASE("chat: tokens are made from their description, equal for equal text") {
  std::vector<std::int32_t> tokens;
  append_tokens({7 * 512, 3}, tokens);
  append_tokens({7 * 512 + 1, 2}, tokens);
  REQUIRE(tokens.size() == 5);
  CHECK(tokens[1] == tokens[3]);
  CHECK(tokens[2] == tokens[4]);
  CHECK(tokens[0] == static_cast<std::int32_t>(splitmix64(7 * 512) & 0x1FFFF));
  CHECK(splitmix64(0) == 0xe220a8397b1dcdaf);  // the generator's published first value of seed 0
}
