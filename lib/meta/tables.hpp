// tables.hpp: writing the arrays that kernels read.
// It knows sequences' tables and positions; it changes no sequence and takes no lock.
#pragma once

#include "arenakv/step.h"
#include "base/error.hpp"
#include "meta/sequence_table.hpp"
#include "mem/reservation.hpp"
#include "model/block_math.hpp"

namespace akv {

// Query tokens of a row; a decode step has one each, and no array of them.
inline std::uint32_t count_of(const akv_batch &batch, std::uint32_t row) noexcept {
  return batch.num_tokens != nullptr ? batch.num_tokens[row] : 1;
}

class TableWriter {
 public:
  // The gates of all sequences that are named are shut.
  TableWriter(const SequenceTable &sequences, const Array<SequenceRest> &rest, BlockMath math) noexcept
      : sequences_(sequences), rest_(rest), math_(math), block_tokens_(math.block_tokens()) {}

  // Do the arrays have room for so many query tokens and block indices, and for a row of `widest` blocks?
  Status check_room(const akv_tables &tables, std::uint32_t num_sequences, std::uint64_t query_tokens,
                    std::uint64_t indices, std::uint32_t widest) const noexcept;

  // `appended`: just now; all of it is the sequences' own to write to, and what is shared is not looked at.
  void write(const akv_batch &batch, const akv_tables &tables, std::uint64_t query_tokens, std::uint64_t indices,
             bool appended) const noexcept;

 private:
  void write_decode_query(const akv_batch &batch, const akv_tables &tables) const noexcept;
  void write_query(const akv_batch &batch, const akv_tables &tables, bool appended) const noexcept;
  template <class Contexts>
  void write_rows(const akv_batch &batch, const akv_tables &tables, Contexts contexts) const noexcept;
  template <class Contexts>
  void write_csr(const akv_batch &batch, const akv_tables &tables, Contexts contexts) const noexcept;
  void write_slots(std::uint32_t slot, std::uint32_t first, std::uint32_t count, bool appended,
                   std::int64_t *out) const noexcept;
  void pad(std::uint32_t num_sequences, std::uint64_t query, std::uint64_t index,
           const akv_tables &tables) const noexcept;

  const SequenceTable &sequences_;
  const Array<SequenceRest> &rest_;
  const BlockMath math_;
  const std::uint32_t block_tokens_;
};

}  // namespace akv
