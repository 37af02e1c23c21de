// pattern.hpp: which bytes the K/V of a token are, so that whoever reads them can tell whose they are.
// It knows keys and places; no block, no request, no store.
//
// A key is a number for "this token, and everything before it, in this domain" (verify/token_chain.hpp): what real K/V
// depend on, and their position with it. So a shared prefix holds the right bytes whoever wrote it, and bytes of
// another token, another beginning, another layer, plane or head are never the same.
#pragma once

#include "bytes/geometry.hpp"
#include "verify/token_chain.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace replay {

using Keys = std::span<const std::uint64_t>;

// Put the keys of `tokens` behind those of the tokens before.
inline void append_keys(std::uint64_t domain, std::span<const std::int32_t> tokens, std::vector<std::uint64_t> &keys) {
  std::uint64_t key = keys.empty() ? splitmix64(kChainStart ^ domain) : keys.back();
  for (const std::int32_t token : tokens) keys.push_back(key = chain(key, token));
}

class Pattern {
 public:
  explicit Pattern(const Geometry &geometry) : geometry_(geometry) {}

  // One token after the other, packed: what one plane of one layer holds for these keys.
  void fill(Keys keys, std::uint32_t layer, std::uint32_t plane, unsigned char *rows) const;

  struct Difference {
    std::size_t token;  // of the keys
    std::uint64_t byte;
    unsigned holds;
    unsigned must;
  };
  std::optional<Difference> compare(Keys keys, std::uint32_t layer, std::uint32_t plane,
                                    const unsigned char *rows) const;

 private:
  template <class Row>
  static void make_row(std::uint64_t seed, std::uint64_t row_bytes, Row row);

  Geometry geometry_;
};

}  // namespace replay
