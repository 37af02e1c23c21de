// chat.cpp: see chat.hpp.
#include "workload/chat.hpp"

#include <algorithm>
#include <cmath>

namespace replay {
namespace {

// Every text has 2^24 token places of its own, far from those of traces.
constexpr std::uint64_t kFirstText = std::uint64_t{1} << 54;
constexpr unsigned kTextBits = 24;

}  // namespace

double Random::uniform() {
  state_ += 0x9e3779b97f4a7c15u;
  return (static_cast<double>(splitmix64(state_) >> 11) + 0.5) * 0x1p-53;
}

double Random::exponential(double mean) { return -mean * std::log(uniform()); }

// A normal number by Box and Muller (1958), one of the two.
std::uint32_t Random::lognormal(const Lognormal &shape) {
  const double radius = std::sqrt(-2 * std::log(uniform()));
  const double normal = radius * std::cos(6.283185307179586 * uniform());
  const double value = shape.median * std::exp(shape.sigma * normal);
  return static_cast<std::uint32_t>(std::clamp<double>(value, shape.least, shape.most));
}

std::uint32_t Random::geometric(double mean) {
  if (mean <= 1) return 1;
  return 1 + static_cast<std::uint32_t>(std::log(uniform()) / std::log1p(-1 / mean));
}

Chat::Chat(const ChatModel &model) : model_(model), random_(model.seed) {
  for (std::uint32_t i = 0; i < model_.system_prompts; ++i)
    system_prompts_.push_back(new_text(random_.lognormal(model_.system)));
  next_start_ = random_.exponential(1 / model_.starts_per_second);
}

std::uint32_t Chat::longest_request() const {
  return model_.max_context + model_.message.most + std::max(model_.answer.most, model_.system.most);
}

std::string Chat::name() const { return "built-in chat, seed " + std::to_string(model_.seed); }

Segment Chat::new_text(std::uint32_t length) { return {kFirstText + (texts_++ << kTextBits), length}; }

void Chat::say(Conversation &conversation, const Segment &segment) {
  conversation.said.push_back(segment);
  conversation.tokens += segment.length;
}

Chat::Conversation Chat::begin_conversation() {
  Conversation conversation;
  conversation.time = next_start_;
  conversation.number = conversations_++;
  conversation.turns_left = random_.geometric(model_.turns);
  if (random_.uniform() < model_.system_share) {
    const auto which = static_cast<std::size_t>(random_.uniform() * static_cast<double>(system_prompts_.size()));
    say(conversation, system_prompts_[which]);
  }
  next_start_ += random_.exponential(1 / model_.starts_per_second);
  return conversation;
}

bool Chat::next(Request &request) {
  if (given_ == model_.requests) return false;
  while (waiting_.empty() || next_start_ < waiting_.top().time) waiting_.push(begin_conversation());
  Conversation conversation = waiting_.top();
  waiting_.pop();

  say(conversation, new_text(random_.lognormal(model_.message)));
  const Segment answer = new_text(random_.lognormal(model_.answer));
  request.number = given_++;
  request.prompt = conversation.said;
  request.input_tokens = conversation.tokens;
  request.output_base = answer.base;
  request.output_tokens = answer.length;

  say(conversation, answer);
  conversation.turns_left -= 1;
  if (conversation.turns_left != 0 && conversation.tokens < model_.max_context) {
    conversation.time += random_.exponential(model_.think_seconds);
    waiting_.push(std::move(conversation));
  }
  return true;
}

}  // namespace replay
