// request.hpp: one request, as a description from which its tokens can be made at any time.
// It knows where tokens come from, not who asked for them nor what a cache is.
//
// A prompt of 100,000 tokens is a handful of segments; the tokens themselves exist only while their request is
// replayed. So a trace of an hour fits in a few megabytes, and a conversation's history is a list of what was said in
// it.
#pragma once

#include <cstdint>
#include <vector>

namespace replay {

// The three-step finaliser of splitmix64 (Steele, Lea, Flood 2014) behind its increment.
inline std::uint64_t splitmix64(std::uint64_t x) noexcept {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

constexpr std::uint64_t kVocabularyMask = 0x1FFFF;  // 131,072 token ids, about what today's models have

// Tokens splitmix64(base), splitmix64(base + 1) ...: equal segments are equal text, and no two others are.
struct Segment {
  std::uint64_t base;
  std::uint32_t length;
};

struct Request {
  std::uint64_t number;        // its place in the workload, from 0
  std::uint32_t input_tokens;  // the prompt's segments added up
  std::uint32_t output_tokens;
  std::vector<Segment> prompt;
  std::uint64_t output_base;
};

// Where the output of request `number` begins: far from all that prompts are made of.
constexpr std::uint64_t kMaxOutputTokens = 65'536;
inline std::uint64_t output_base_of(std::uint64_t number) noexcept {
  return (std::uint64_t{1} << 50) + number * kMaxOutputTokens;
}

inline void append_tokens(const Segment &segment, std::vector<std::int32_t> &tokens) {
  const std::size_t first = tokens.size();
  tokens.resize(first + segment.length);
  for (std::uint32_t i = 0; i < segment.length; ++i)
    tokens[first + i] = static_cast<std::int32_t>(splitmix64(segment.base + i) & kVocabularyMask);
}

}  // namespace replay
