// attend_problem.hpp: random attention problems, and what they must come to, in double precision.
// It knows the arguments of the attention kernels and what formats mean; no kernel.
#pragma once

#include "check.hpp"

#include <cstring>

namespace kernelcheck {

// One plane of a part: its memory, and as numbers what was written there: NaN where nobody looks.
struct AttendPlane {
  akv::PoolElements elements = {};
  std::vector<unsigned char> rows, scales;
  std::vector<float> head_scales;
  std::vector<double> numbers;  // [block][token][head][element]
  std::uint32_t dim = 0;
  double at(std::int64_t block, std::uint32_t token, std::uint32_t head, std::uint32_t element) const {
    return numbers[place(block, token, head) * dim + element];
  }
  std::size_t place(std::int64_t block, std::uint32_t token, std::uint32_t head) const {
    return (static_cast<std::size_t>(block) * block_tokens + token) * num_heads + head;
  }
  std::uint32_t block_tokens = 0, num_heads = 0;
};

struct AttendPartMemory {
  AttendPlane keys, values;
  std::vector<std::int32_t> table;
  std::vector<std::uint32_t> num_tokens, first_positions;
};

// What a problem is to be like. Zero, or an empty list: anything.
struct AttendWishes {
  std::uint32_t key_dim = 0, value_dim = 0, group = 0, num_queries = 0, num_heads = 0, num_sequences = 0,
                max_tokens = 0;
  std::uint32_t query_dtype = 0, out_dtype = 0, block_tokens = 0, num_parts = 0, num_splits = 0;
  std::vector<akv::RowFormat> key_formats, value_formats;  // one of them for each part
  bool plain_softmax = false;                              // no window, no cap, no sinks
  bool window = false;
  bool full = false;    // every sequence has max_tokens
  float spread = 1.0f;  // of scores, about
};

struct AttendProblem {
  akv::AttendArguments arguments = {};
  std::vector<AttendPartMemory> memory;
  std::vector<akv::AttendPart> parts;
  std::vector<unsigned char> query;
  std::vector<double> query_numbers;  // [sequence][query][head][element]
  std::vector<float> sink_logits, partials;
  std::vector<std::uint32_t> positions;
  std::vector<unsigned char> out;  // poisoned
  std::vector<float> log_sums;

  std::uint64_t num_rows() const {
    return std::uint64_t{arguments.num_sequences} * arguments.num_queries * arguments.num_heads * arguments.group;
  }
  bool sees(std::uint32_t part, std::uint32_t sequence, std::uint32_t token) const;
  void set_splits(std::uint32_t splits);
  // Out and log-sums, over whatever lay there; the units in this order or backwards.
  void run(const akv::Kernels &kernels, bool backwards = false);
  std::vector<double> result() const;  // [row][element], as it lies in `out`
  std::string describe() const;
};

void make_attend_problem(AttendProblem &problem, Random &random, const AttendWishes &wishes);

// Keys and values of every format, for wishes.
std::vector<akv::RowFormat> all_key_formats();
std::vector<akv::RowFormat> all_value_formats();

struct AttendAnswer {
  std::vector<double> out;       // [row][element]
  std::vector<double> sizes;     // [row]: of the sum of the values' sizes, weighed: what rounding is relative to
  std::vector<double> log_sums;  // [row]
};

AttendAnswer answer_of(const AttendProblem &problem);

// How far a result is off.
struct AttendErrors {
  double out = 0;      // the worst row's |got - wanted| / sizes; infinity where one is no number
  double norm = 0;     // |got - wanted| / |wanted| over all rows
  double log_sum = 0;  // the worst
};

AttendErrors errors_of(const AttendProblem &problem, const AttendAnswer &answer);

double number_of(std::uint32_t dtype, const unsigned char *row, std::size_t element);
void put_number(std::uint32_t dtype, unsigned char *row, std::size_t element, double x);

}  // namespace kernelcheck
