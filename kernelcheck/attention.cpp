// attention.cpp: attention against double precision for random shapes, formats and layouts, and timed beside a loop
// that reads the same bytes. It knows the attention kernels and their arguments.
#include "attend_problem.hpp"
#include "bench.hpp"
#include "subjects.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

namespace kernelcheck {
namespace {

using akv::AttendArguments, akv::AttendPart, akv::PoolRows, akv::RowFormat;

enum : std::uint32_t { F32 = 1, F16, BF16, E4M3, I8, I4 };
enum : std::uint32_t { NONE = 0, HEAD, TOKEN_HEAD, TOKEN_GROUP, CHANNEL };

void check_problem(Checker &checker, AttendProblem &problem, bool backwards) {
  const AttendAnswer answer = answer_of(problem);
  checker.describe("attention", "any", "%s", problem.describe().c_str());
  const bool exact = problem.arguments.out_dtype == F32;
  for (const Variant &variant : checker.variants()) {
    std::fill(problem.out.begin(), problem.out.end(), 0xff);
    std::fill(problem.log_sums.begin(), problem.log_sums.end(), NAN);
    problem.run(*variant.kernels, backwards);
    const AttendErrors errors = errors_of(problem, answer);
    char text[120];
    std::snprintf(text, sizeof text, "off by %.3g of the result, %.3g in the log of the sum", errors.out,
                  errors.log_sum);
    if (!checker.holds(variant, errors.out <= (exact ? 1e-5 : 4e-3) && errors.log_sum <= 1e-5, text)) break;
  }
}

void check_random(Checker &checker, Random &random, const AttendWishes &wishes) {
  AttendProblem problem;
  make_attend_problem(problem, random, wishes);
  check_problem(checker, problem, random.one_in(2));
}

// Two finished results of the same rows, in every dtype, against double precision.
void check_merge(Checker &checker, Random &random) {
  const std::uint32_t dtype = 1 + random.below(3), dim = 1 + random.below(300), bytes = dtype == F32 ? 4 : 2;
  const std::uint32_t rows = 1 + random.below(9);
  std::vector<unsigned char> a(std::size_t{rows} * dim * bytes, 0xff), b = a;
  std::vector<float> a_sums, b_sums, sums(rows);
  std::vector<double> wanted, log_sums;
  const float none = -INFINITY;
  for (std::uint32_t r = 0; r < rows; ++r) {
    a_sums.push_back(random.one_in(5) ? none : 40 * random.real() - 20);
    b_sums.push_back(random.one_in(5) ? none : 40 * random.real() - 20);
    const auto x = static_cast<double>(a_sums[r]), y = static_cast<double>(b_sums[r]);
    const double most = std::max(x, y);
    const bool any = most > -INFINITY;
    const double p = any ? std::exp(x - most) : 0, q = any ? std::exp(y - most) : 0;
    log_sums.push_back(any ? most + std::log(p + q) : -INFINITY);
    for (std::uint32_t e = 0; e < dim; ++e) {  // where a side has no tokens, its bytes stay poisoned
      const std::size_t at = std::size_t{r} * dim + e;
      if (p > 0) put_number(dtype, a.data(), at, static_cast<double>(random.real()) - 0.5);
      if (q > 0) put_number(dtype, b.data(), at, static_cast<double>(random.real()) - 0.5);
      const double sum =
          (p > 0 ? p * number_of(dtype, a.data(), at) : 0) + (q > 0 ? q * number_of(dtype, b.data(), at) : 0);
      wanted.push_back(any ? sum / (p + q) : 0);
    }
  }
  checker.describe("merge", "packed", "dtype %u, %u rows of %u", dtype, rows, dim);
  for (const Variant &variant : checker.variants()) {
    const std::uint32_t place = random.below(3);  // of the first, of the second, or its own
    std::vector<unsigned char> out = place == 0 ? a : b;
    const akv::MergeArguments merge = {place == 0 ? out.data() : a.data(),
                                       place == 1 ? out.data() : b.data(),
                                       a_sums.data(),
                                       b_sums.data(),
                                       out.data(),
                                       sums.data(),
                                       rows,
                                       dim,
                                       dtype};
    variant.kernels->attend.merge(merge, 0, rows / 2);
    variant.kernels->attend.merge(merge, rows / 2, rows);
    double worst = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const double off = std::fabs(number_of(dtype, out.data(), i) - wanted[i]);
      worst = off <= 1 ? std::max(worst, off) : INFINITY;
    }
    for (std::uint32_t r = 0; r < rows; ++r) {
      const auto got = static_cast<double>(sums[r]);
      if (!(got == log_sums[r] || std::fabs(got - log_sums[r]) <= 5e-6)) worst = INFINITY;
    }
    checker.holds(variant, worst <= (dtype == F32 ? 2e-7 : dtype == F16 ? 3e-4 : 2e-3), "the merged rows are off");
  }
}

void check(Checker &checker) {
  checker.shapes("attend", 400, [&](Random &random) { check_random(checker, random, {}); });
  checker.shapes("attend, MLA", 10, [&](Random &random) {
    AttendWishes wishes;
    wishes.key_dim = 576, wishes.value_dim = 512, wishes.group = random.one_in(2) ? 128 : 16, wishes.num_heads = 1;
    wishes.max_tokens = 150, wishes.num_parts = 1, wishes.num_queries = 1;
    check_random(checker, random, wishes);
  });
  checker.shapes("attend, long rows", 10, [&](Random &random) {
    AttendWishes wishes;
    wishes.key_dim = wishes.value_dim = random.one_in(2) ? akv::kMostAttendDim : 300 + random.below(700);
    wishes.max_tokens = 70;
    check_random(checker, random, wishes);
  });
  checker.shapes("merge", 500, [&](Random &random) { check_merge(checker, random); });
}

// -- timed --

struct Case {
  const char *what;
  RowFormat keys, values;
  std::uint32_t heads, group, key_dim, value_dim;
  bool heads_outside;
  Targets targets = {};
  std::uint32_t block_tokens = 32;
};

std::uint32_t row_bytes(const RowFormat &format, std::uint32_t dim) {
  return dim * (format.dtype == F32 ? 32 : format.dtype <= BF16 ? 16 : format.dtype == I4 ? 4 : 8) / 8;
}
std::uint32_t scale_bytes(const RowFormat &format, std::uint32_t dim) {
  return format.scaling == TOKEN_HEAD    ? 4
         : format.scaling == TOKEN_GROUP ? dim / 8
         : format.scaling == CHANNEL     ? dim / 8
                                         : 0;
}

// Blocks of keys, values and their scales in each, in a random order; 8 sequences.
struct TimedProblem {
  AttendPart part = {};
  AttendArguments arguments = {};
  std::vector<std::int32_t> order;
  std::vector<std::uint32_t> num_tokens;
  std::vector<unsigned char> query, out;
  std::uint64_t bytes = 0;

  TimedProblem(const Case &c, unsigned char *data, std::uint64_t size) {
    const bool mla = c.key_dim != c.value_dim;
    constexpr std::uint32_t kSequences = 8;
    const std::uint32_t tokens = c.block_tokens;
    std::int64_t at = 0;
    const auto rows = [&](std::uint32_t bytes_each) {
      const std::int64_t row = bytes_each;
      const PoolRows pool = {data + at, 0, c.heads_outside ? row : row * c.heads, c.heads_outside ? row * tokens : row};
      at += row * c.heads * tokens;
      return pool;
    };
    part.keys.format = c.keys;
    part.values.format = c.values;
    part.keys.rows = rows(row_bytes(c.keys, c.key_dim));
    part.values.rows = mla ? part.keys.rows : rows(row_bytes(c.values, c.value_dim));
    if (c.keys.scaling != NONE) part.keys.scales = rows(scale_bytes(c.keys, c.key_dim));
    if (c.values.scaling != NONE)
      part.values.scales = mla ? part.keys.scales : rows(scale_bytes(c.values, c.value_dim));
    for (PoolRows *pool : {&part.keys.rows, &part.values.rows, &part.keys.scales, &part.values.scales})
      pool->block_stride = at;
    const std::uint64_t each = size / static_cast<std::uint64_t>(at) / kSequences;
    order.resize(each * kSequences);
    std::iota(order.begin(), order.end(), 0);
    Random random(7);
    for (std::size_t i = order.size(); i > 1; --i)
      std::swap(order[i - 1], order[random.below(static_cast<std::uint32_t>(i))]);
    bytes = order.size() * static_cast<std::uint64_t>(at);
    num_tokens.assign(kSequences, static_cast<std::uint32_t>(each) * tokens);
    part.block_table = order.data();
    part.table_stride = static_cast<std::int64_t>(each);
    part.num_tokens = num_tokens.data();
    part.block_tokens = tokens;
    set_rows(c, kSequences, random);
  }

  void set_rows(const Case &c, std::uint32_t sequences, Random &random) {
    const std::uint64_t heads = std::uint64_t{c.heads} * c.group;
    query = random.bytes(sequences * heads * c.key_dim * 2);
    for (std::size_t i = 1; i < query.size(); i += 2) query[i] = static_cast<unsigned char>((query[i] & 0x81u) | 0x3c);
    out.resize(sequences * heads * c.value_dim * 2);
    arguments.query = query.data();
    arguments.out = out.data();
    arguments.query_dtype = arguments.out_dtype = BF16;
    arguments.query_strides[2] = c.key_dim * 2;
    arguments.query_strides[0] = arguments.query_strides[1] = static_cast<std::int64_t>(heads * c.key_dim * 2);
    arguments.out_strides[2] = c.value_dim * 2;
    arguments.out_strides[0] = arguments.out_strides[1] = static_cast<std::int64_t>(heads * c.value_dim * 2);
    arguments.num_sequences = sequences;
    arguments.num_queries = 1;
    arguments.num_heads = c.heads;
    arguments.group = c.group;
    arguments.key_dim = c.key_dim;
    arguments.value_dim = c.value_dim;
    arguments.scale = 0.1f;
    arguments.num_parts = 1;
    arguments.num_splits = 1;
    arguments.parts = &part;
  }
};

void bench(Bench &bench) {
  unsigned char *data = bench.from();
  for (std::uint64_t i = 1; i < bench.size(); i += 2)  // numbers that are neither large nor small, in every format
    data[i] = static_cast<unsigned char>((data[i] & 0x81u) | 0x3c);
  constexpr RowFormat bf16 = {BF16, NONE}, i8 = {I8, TOKEN_HEAD}, f8 = {E4M3, TOKEN_HEAD};
  constexpr RowFormat i4_keys = {I4, CHANNEL}, i4_values = {I4, TOKEN_GROUP};
  constexpr Targets kOne = {0.70, 0.85, 0.85}, kEight = {0.50, 0.85, 0.80};
  const Case cases[] = {
      {"bf16, G=1", bf16, bf16, 8, 1, 128, 128, false, kOne},
      {"bf16, G=1, HND", bf16, bf16, 8, 1, 128, 128, true, kOne},
      {"bf16, G=4", bf16, bf16, 8, 4, 128, 128, false},
      {"bf16, G=8", bf16, bf16, 8, 8, 128, 128, false, kEight},
      {"bf16, G=8, HND", bf16, bf16, 8, 8, 128, 128, true, kEight},
      {"bf16, G=8, D=64", bf16, bf16, 8, 8, 64, 64, false},
      {"bf16, MLA, 16 heads", bf16, bf16, 1, 16, 576, 512, false},
      {"bf16, G=4, 8 tokens a block", bf16, bf16, 8, 4, 128, 128, false, {}, 8},
      {"bf16, G=4, 16 tokens a block", bf16, bf16, 8, 4, 128, 128, false, {}, 16},
      {"bf16, G=4, 64 tokens a block", bf16, bf16, 8, 4, 128, 128, false, {}, 64},
      {"bf16, G=4, 128 tokens a block", bf16, bf16, 8, 4, 128, 128, false, {}, 128},
      {"int8, G=1", i8, i8, 8, 1, 128, 128, false},
      {"int8, G=4", i8, i8, 8, 4, 128, 128, false},
      {"int8, G=8", i8, i8, 8, 8, 128, 128, false},
      {"e4m3, G=1", f8, f8, 8, 1, 128, 128, false},
      {"e4m3, G=4", f8, f8, 8, 4, 128, 128, false},
      {"e4m3, G=8", f8, f8, 8, 8, 128, 128, false},
      {"k8v4, G=4", f8, i4_values, 8, 4, 128, 128, false},
      {"int4, G=1", i4_keys, i4_values, 8, 1, 128, 128, false},
      {"int4, G=4", i4_keys, i4_values, 8, 4, 128, 128, false},
      {"int4, G=8", i4_keys, i4_values, 8, 8, 128, 128, false},
  };
  for (const Case &c : cases) {
    const TimedProblem problem(c, bench.from(), bench.size());
    bench.time({c.what, Yardstick::read, problem.bytes, 0,
                std::uint64_t{problem.arguments.num_sequences} * problem.arguments.num_heads,
                [&](const akv::Kernels &kernels, std::uint64_t first, std::uint64_t end) {
                  kernels.attend.attend(problem.arguments, first, end);
                },
                c.targets});
  }
}

}  // namespace

const Subject attention = {"attention", &check, &bench};

}  // namespace kernelcheck
