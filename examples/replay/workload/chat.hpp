// chat.hpp: a built-in workload: people who chat, seeded. It knows conversations and time, no cache.
//
// Conversations begin at random (a Poisson process). A conversation has a number of turns (geometric). In each turn the
// prompt is everything said so far and a new message (lognormal length), and the answer (lognormal length) becomes part
// of what was said; then the user thinks (exponential time) before the next turn. A share of the conversations opens
// with one of a few common system prompts. Time only decides the order in which requests arrive: with more people at
// once, or more thinking, a conversation is more likely to be evicted before its next turn.
//
// The defaults give a hit ratio of 0.36 in the default pool of 2,000,000 tokens, about that of the published Mooncake
// conversation trace in a pool of 20,000,000, with evictions on the way. examples/README.md has more of them.
#pragma once

#include "workload/workload.hpp"

#include <cstdint>
#include <queue>
#include <string>
#include <vector>

namespace replay {

struct Lognormal {
  double median;
  double sigma;
  std::uint32_t least;
  std::uint32_t most;
};

struct ChatModel {
  std::uint64_t seed = 1;
  std::uint64_t requests = 20'000;
  double turns = 2.5;                  // of a conversation, on average
  double think_seconds = 60;           // between an answer and the next message, on average
  double starts_per_second = 3;        // conversations that begin
  double system_share = 0.5;           // of the conversations that open with a common system prompt
  std::uint32_t system_prompts = 8;    // how many of them there are
  std::uint32_t max_context = 32'768;  // a conversation that has grown beyond ends
  Lognormal system{800, 0.4, 64, 4'096};
  Lognormal message{1'600, 1.1, 8, 16'384};
  Lognormal answer{250, 0.8, 1, 2'000};
};

// Random numbers that are the same with every C++ library, unlike those of <random>'s distributions.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(splitmix64(seed)) {}

  double uniform();  // in (0, 1)
  double exponential(double mean);
  std::uint32_t lognormal(const Lognormal &shape);
  std::uint32_t geometric(double mean);  // at least 1

 private:
  std::uint64_t state_;
};

class Chat final : public Workload {
 public:
  explicit Chat(const ChatModel &model);

  std::uint64_t size() const override { return model_.requests; }
  std::uint32_t longest_request() const override;
  std::string name() const override;
  bool next(Request &request) override;

 private:
  struct Conversation {
    double time = 0;  // of its next turn
    std::uint64_t number = 0;
    std::uint32_t turns_left = 0;
    std::uint32_t tokens = 0;
    std::vector<Segment> said;
  };
  struct Later {
    bool operator()(const Conversation &a, const Conversation &b) const {
      return a.time != b.time ? a.time > b.time : a.number > b.number;
    }
  };

  Segment new_text(std::uint32_t length);
  Conversation begin_conversation();
  void say(Conversation &conversation, const Segment &segment);

  ChatModel model_;
  Random random_;
  std::vector<Segment> system_prompts_;
  std::priority_queue<Conversation, std::vector<Conversation>, Later> waiting_;
  double next_start_ = 0;
  std::uint64_t conversations_ = 0;
  std::uint64_t texts_ = 0;
  std::uint64_t given_ = 0;
};

}  // namespace replay
