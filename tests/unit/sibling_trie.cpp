// sibling_trie.cpp: runs found by the tokens of their first block, against a plain search.
// It knows meta/prefix/sibling_trie.hpp only.
#include "meta/prefix/sibling_trie.hpp"

#include <map>
#include <random>
#include <vector>

#include "unit/memory.hpp"

using namespace akv;

namespace {

struct Keys {
  std::map<std::uint32_t, std::vector<std::int32_t>> tokens;
  std::map<std::uint32_t, std::uint64_t> domains;
  TrieKey of(std::uint32_t run) const {
    const auto &t = tokens.at(run);
    return {t.data(), static_cast<std::uint32_t>(t.size()), 2, domains.at(run)};
  }
};

std::size_t common(const TrieKey &a, const TrieKey &b) {
  std::size_t words = 0;
  while (words < a.words() && words < b.words() && a.word(static_cast<std::uint32_t>(words)) == b.word(static_cast<std::uint32_t>(words)))
    ++words;
  return words;
}

}  // namespace

TEST_CASE("sibling_trie: the nearest run shares the longest beginning with the key, whatever was added and removed") {
  test::WithMemory<Slab<TrieNode>, int> with(5000);
  SiblingTrie trie(with.thing);
  std::uint32_t top = 0, next_run = 1;
  Keys keys;
  std::mt19937 random(11);
  const auto some_key = [&](std::size_t size) {
    std::vector<std::int32_t> t(size);
    for (auto &token : t) token = static_cast<std::int32_t>(random() % 3) - 1;  // negative ids too
    return t;
  };
  for (int step = 0; step < 20000; ++step) {
    if (random() % 3 != 0 || keys.tokens.empty()) {
      keys.tokens[next_run] = some_key(6);
      keys.domains[next_run] = random() % 3 == 0 ? 0 : random() % 2 * 0x100000000u + 5;
      bool there = false;
      for (const auto &[run, tokens] : keys.tokens)
        there |= run != next_run && tokens == keys.tokens[next_run] && keys.domains[run] == keys.domains[next_run];
      if (there) {
        keys.tokens.erase(next_run);
        keys.domains.erase(next_run);
      } else {
        trie.insert(top, next_run, keys.of(next_run), [&](std::uint32_t run) { return keys.of(run); });
        ++next_run;
      }
    } else {
      auto at = std::next(keys.tokens.begin(), static_cast<std::ptrdiff_t>(random() % keys.tokens.size()));
      const std::uint32_t run = at->first;
      trie.remove(top, run, keys.of(run));
      keys.tokens.erase(at);
      keys.domains.erase(run);
    }
    REQUIRE(with.thing.taken() == (keys.tokens.empty() ? 0 : keys.tokens.size() - 1));
    const std::vector<std::int32_t> wanted = some_key(1 + random() % 6);
    const TrieKey key{wanted.data(), static_cast<std::uint32_t>(wanted.size()), 2, random() % 2 * 0x100000000u + 5};
    const std::uint32_t found = trie.nearest(top, key);
    if (keys.tokens.empty()) {
      REQUIRE(found == 0);
      continue;
    }
    std::size_t best = 0;
    for (const auto &[run, tokens] : keys.tokens) best = std::max(best, common(keys.of(run), key));
    REQUIRE(common(keys.of(found), key) == best);
  }
}

TEST_CASE("sibling_trie: keys made to collide cost no more than their bits") {
  // Prompts that differ in one bit each, at every place: the deepest trie that there can be.
  constexpr std::uint32_t kTokens = 16;
  test::WithMemory<Slab<TrieNode>, int> with(1000);
  SiblingTrie trie(with.thing);
  Keys keys;
  std::uint32_t top = 0;
  for (std::uint32_t bit = 0; bit < kTokens * 32; ++bit) {
    std::vector<std::int32_t> tokens(kTokens, 0);
    tokens[bit / 32] = static_cast<std::int32_t>(1u << (31 - bit % 32));
    keys.tokens[bit + 1] = tokens;
    keys.domains[bit + 1] = 0;
    trie.insert(top, bit + 1, keys.of(bit + 1), [&](std::uint32_t run) { return keys.of(run); });
  }
  for (const auto &[run, tokens] : keys.tokens) REQUIRE(trie.nearest(top, keys.of(run)) == run);
  std::uint32_t depth = 0;
  for (std::uint32_t reference = top; (reference & 1) != 0; ++depth) reference = with.thing[reference >> 1].side[0];
  CHECK(depth <= kTokens * 32);
}
