// sibling_trie.hpp: the runs that continue one run, found by the tokens of their first block.
// It knows keys and numbers of runs; not what a run is.
//
// A crit-bit tree (Morrison's PATRICIA, 1968; Bernstein's crit-bit trees): inner nodes name the first bit in which
// their two sides differ, so a look-up reads one bit per level and compares one key, exactly, at the end. Against a
// hash table of children it buys three things: no collision to handle or to be attacked with (the depth is bounded
// by the key's bits, whatever is stored), no hash to compute, and the leaf it ends at shares the longest possible
// beginning with the key, which is what a partial hit wants to know.
#pragma once

#include "mem/slab.hpp"

#include <bit>
#include <cstdint>

namespace akv {

// A key: the domain (two words, in the trie below the root only), then token ids. Bits count from the highest of
// word 0. A key to look for may be shorter than a stored one.
struct TrieKey {
  const std::int32_t *tokens = nullptr;
  std::uint32_t num_tokens = 0;
  std::uint32_t domain_words = 0;  // 2 below the root, else 0
  std::uint64_t domain = 0;

  std::uint32_t words() const noexcept { return domain_words + num_tokens; }
  std::uint32_t word(std::uint32_t index) const noexcept {
    if (index < domain_words) return static_cast<std::uint32_t>(index == 0 ? domain >> 32 : domain);
    return static_cast<std::uint32_t>(tokens[index - domain_words]);
  }
  std::uint32_t bit(std::uint32_t index) const noexcept {
    return index / 32 < words() ? word(index / 32) >> (31 - index % 32) & 1 : 0;
  }
};

struct TrieNode {
  std::uint32_t side[2];  // references
  std::uint32_t bit;
};

// One trie: a reference to its top, 0 when empty. References are (number << 1 | is_inner).
class SiblingTrie {
 public:
  explicit SiblingTrie(Slab<TrieNode> &nodes) noexcept : nodes_(nodes) {}

  // The run whose key shares the longest beginning with `key`, 0 when the trie is empty. Not yet compared.
  std::uint32_t nearest(std::uint32_t top, const TrieKey &key) const noexcept {
    if (top == 0) return 0;
    std::uint32_t reference = top;
    while ((reference & 1) != 0) {
      const TrieNode &node = nodes_[reference >> 1];
      reference = node.side[key.bit(node.bit)];
    }
    return reference >> 1;
  }

  // Add `run`, whose key is not in the trie; `key_of(run)` gives the key of a run in it.
  template <class KeyOf>
  void insert(std::uint32_t &top, std::uint32_t run, const TrieKey &key, KeyOf key_of) noexcept {
    if (top == 0) {
      top = run << 1;
      return;
    }
    const std::uint32_t bit = first_difference(key, key_of(nearest(top, key)));
    std::uint32_t *link = &top;
    while ((*link & 1) != 0 && nodes_[*link >> 1].bit < bit)
      link = &nodes_[*link >> 1].side[key.bit(nodes_[*link >> 1].bit)];
    const std::uint32_t index = nodes_.take();
    TrieNode &node = nodes_[index];
    node.bit = bit;
    node.side[key.bit(bit)] = run << 1;
    node.side[key.bit(bit) ^ 1] = *link;
    *link = index << 1 | 1;
  }

  // Remove `run`, which is in the trie under `key`.
  void remove(std::uint32_t &top, std::uint32_t run, const TrieKey &key) noexcept {
    std::uint32_t *link = &top;
    std::uint32_t *above = nullptr;  // link to the inner node that `link` is a side of
    while ((*link & 1) != 0) {
      above = link;
      link = &nodes_[*link >> 1].side[key.bit(nodes_[*link >> 1].bit)];
    }
    if (*link >> 1 != run) return;
    if (above == nullptr) {
      top = 0;
      return;
    }
    const std::uint32_t index = *above >> 1;
    *above = nodes_[index].side[&nodes_[index].side[0] == link];
    nodes_.give_back(index);
  }

  // Put `other` where `run` is: both have the same key.
  void replace(std::uint32_t &top, std::uint32_t run, std::uint32_t other, const TrieKey &key) noexcept {
    std::uint32_t *link = &top;
    while ((*link & 1) != 0) link = &nodes_[*link >> 1].side[key.bit(nodes_[*link >> 1].bit)];
    if (*link >> 1 == run) *link = other << 1;
  }

 private:
  static std::uint32_t first_difference(const TrieKey &a, const TrieKey &b) noexcept {
    std::uint32_t index = 0;
    while (a.word(index) == b.word(index)) ++index;
    return index * 32 + static_cast<std::uint32_t>(std::countl_zero(a.word(index) ^ b.word(index)));
  }

  Slab<TrieNode> &nodes_;
};

}  // namespace akv
