// attend.cpp: attention against double precision, on every instruction set of this processor: each promise by itself.
// Random shapes of everything together are in tests/kernel. It knows data/kernels only.
#include <algorithm>
#include <cmath>
#include <limits>

#include "arenakv/host.h"
#include "catch.hpp"
#include "data/kernels/isa.hpp"
#include "kernelcheck/attend_problem.hpp"

using namespace akv;
using kernelcheck::AttendAnswer, kernelcheck::AttendErrors, kernelcheck::AttendProblem, kernelcheck::AttendWishes;

namespace {

enum : std::uint32_t { F32 = 1, F16, BF16 };
constexpr float kNone = -std::numeric_limits<float>::infinity();

std::vector<std::uint32_t> sets() {
  std::vector<std::uint32_t> found;
  for (const std::uint32_t isa : {AKV_ISA_PLAIN, AKV_ISA_AVX2, AKV_ISA_AVX512, AKV_ISA_NEON})
    if (kernels_for(isa) != nullptr) found.push_back(isa);
  return found;
}

AttendErrors run(AttendProblem &problem, std::uint32_t isa, const AttendAnswer &answer) {
  std::fill(problem.out.begin(), problem.out.end(), 0xff);
  std::fill(problem.log_sums.begin(), problem.log_sums.end(), NAN);
  problem.run(*kernels_for(isa));
  return kernelcheck::errors_of(problem, answer);
}

// A few problems like this one, on every instruction set.
void check(const AttendWishes &wishes, std::uint64_t problems, double out_off, double log_sum_off) {
  for (std::uint64_t seed = 1; seed <= problems; ++seed) {
    kernelcheck::Random random(seed);
    AttendProblem problem;
    kernelcheck::make_attend_problem(problem, random, wishes);
    const AttendAnswer answer = kernelcheck::answer_of(problem);
    for (const std::uint32_t isa : sets()) {
      const AttendErrors errors = run(problem, isa, answer);
      INFO(isa_name(isa) << ", seed " << seed << ": " << problem.describe());
      REQUIRE(errors.out <= out_off);
      REQUIRE(errors.log_sum <= log_sum_off);
    }
  }
}

AttendWishes exact() {
  AttendWishes wishes;
  wishes.query_dtype = wishes.out_dtype = F32;
  return wishes;
}

}  // namespace

TEST_CASE("attend: E8 every format of keys and of values is attended as the numbers it stands for") {
  for (const RowFormat &keys : kernelcheck::all_key_formats())
    for (const RowFormat &values : kernelcheck::all_value_formats()) {
      AttendWishes wishes;
      wishes.key_formats = {keys};
      wishes.value_formats = {values};
      wishes.key_dim = 128;
      wishes.block_tokens = 16;
      wishes.num_parts = 1;
      wishes.max_tokens = 150;
      check(wishes, 2, 4e-3, 1e-5);
      wishes.out_dtype = F32;
      check(wishes, 1, 1e-5, 1e-5);
    }
}

TEST_CASE("attend: E8 heads of any size and groups of any number") {
  for (const std::uint32_t dim : {1u, 2u, 7u, 15u, 33u, 64u, 80u, 96u, 100u, 128u, 192u, 256u, 257u, 1024u}) {
    AttendWishes wishes = exact();
    wishes.key_dim = dim;
    wishes.max_tokens = 90;
    check(wishes, dim > 256 ? 1 : 4, 1e-5, 1e-5);
  }
  for (std::uint32_t group = 1; group <= 17; ++group) {
    AttendWishes wishes = exact();
    wishes.group = group;
    wishes.key_dim = 64;
    wishes.max_tokens = 70;
    check(wishes, 2, 1e-5, 1e-5);
  }
}

TEST_CASE("attend: E8 MLA: 128 query heads on one row of keys, whose beginning is the value") {
  AttendWishes wishes;
  wishes.key_dim = 576;
  wishes.value_dim = 512;
  wishes.group = 128;
  wishes.num_heads = wishes.num_queries = wishes.num_parts = wishes.num_sequences = 1;
  wishes.max_tokens = 130;
  check(wishes, 4, 4e-3, 1e-5);
}

TEST_CASE("attend: E8 a window and its sink tokens; what lies outside is never looked at, poison or not") {
  AttendWishes wishes = exact();
  wishes.window = true;
  wishes.num_heads = 1;
  check(wishes, 60, 1e-5, 1e-5);
}

TEST_CASE("attend: E8 a prefix that many queries share is attended once, for all of them") {
  AttendWishes wishes = exact();
  wishes.num_queries = 23;
  wishes.group = 4;
  wishes.max_tokens = 300;
  wishes.num_sequences = 1;
  check(wishes, 4, 1e-5, 1e-5);
}

TEST_CASE("attend: A11 any number of splits says the same") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    kernelcheck::Random random(seed);
    AttendProblem problem;
    AttendWishes wishes = exact();
    wishes.query_dtype = seed % 2 == 0 ? BF16 : F32;
    wishes.max_tokens = 1000;
    kernelcheck::make_attend_problem(problem, random, wishes);
    const AttendAnswer answer = kernelcheck::answer_of(problem);
    for (const std::uint32_t isa : sets()) {
      std::vector<double> first;
      for (const std::uint32_t splits : {1u, 2u, 3u, 16u, 61u}) {
        problem.set_splits(splits);
        REQUIRE(run(problem, isa, answer).out <= 1e-5);
        const std::vector<double> now = problem.result();
        if (first.empty()) first = now;
        double off = 0;
        for (std::size_t i = 0; i < now.size(); ++i)
          off = std::max(off, std::fabs(now[i] - first[i]) / answer.sizes[i / problem.arguments.value_dim]);
        REQUIRE(off <= 1e-5);
      }
    }
  }
}

TEST_CASE("attend: E8 128k tokens lose no digits, in floats and in bfloat16") {
  for (const std::uint32_t dtype : {F32, BF16}) {
    kernelcheck::Random random(dtype);
    AttendProblem problem;
    AttendWishes wishes;
    wishes.query_dtype = wishes.out_dtype = dtype;
    wishes.key_formats = wishes.value_formats = {{dtype, 0}};
    wishes.key_dim = 32;
    wishes.group = 2;
    wishes.num_heads = wishes.num_queries = wishes.num_sequences = wishes.num_parts = wishes.num_splits = 1;
    wishes.block_tokens = 16;
    wishes.max_tokens = 131072;
    wishes.full = wishes.plain_softmax = true;
    kernelcheck::make_attend_problem(problem, random, wishes);
    const AttendAnswer answer = kernelcheck::answer_of(problem);
    for (const std::uint32_t isa : sets()) {
      const AttendErrors errors = run(problem, isa, answer);
      INFO(isa_name(isa));
      CHECK(errors.norm <= (dtype == F32 ? 1e-5 : 4e-3));
      CHECK(errors.log_sum <= (dtype == F32 ? 1e-5 : 2e-3));
    }
  }
}

TEST_CASE("attend: E8 nothing seen is zero and minus infinity; a sink's logit alone is all of the sum") {
  kernelcheck::Random random(3);
  AttendProblem problem;
  AttendWishes wishes = exact();
  wishes.plain_softmax = true;
  wishes.num_splits = 3;
  kernelcheck::make_attend_problem(problem, random, wishes);
  for (auto &part : problem.memory) std::fill(part.num_tokens.begin(), part.num_tokens.end(), 0);
  const std::vector<float> sinks(problem.arguments.num_heads * problem.arguments.group, 2.5f);
  for (const std::uint32_t isa : sets())
    for (const bool sink : {false, true}) {
      problem.arguments.sink_logits = sink ? sinks.data() : nullptr;
      std::fill(problem.out.begin(), problem.out.end(), 0xff);
      problem.run(*kernels_for(isa));
      for (const double x : problem.result()) REQUIRE(x == 0);
      for (const float x : problem.log_sums) REQUIRE(std::fabs(x - 2.5f) <= (sink ? 1e-6f : kNone * -1));
      if (!sink) REQUIRE(problem.log_sums[0] == kNone);
    }
}

TEST_CASE("attend: A11 what is not a number stays that, in keys and in values") {
  for (const bool in_keys : {false, true}) {
    kernelcheck::Random random(5);
    AttendProblem problem;
    AttendWishes wishes;
    wishes.plain_softmax = wishes.full = true;
    wishes.num_heads = wishes.num_sequences = wishes.num_parts = 1;
    wishes.max_tokens = 77;
    wishes.key_formats = wishes.value_formats = {{BF16, 0}};
    wishes.key_dim = 64;
    kernelcheck::make_attend_problem(problem, random, wishes);
    AttendPart &part = problem.parts[0];
    const PoolRows &rows = in_keys ? part.keys.rows : part.values.rows;
    const std::uint32_t token = 70, block = token / part.block_tokens, at = token % part.block_tokens;
    kernelcheck::put_number(BF16, rows.data + part.block_table[block] * rows.block_stride + at * rows.token_stride, 5,
                            std::numeric_limits<double>::quiet_NaN());
    for (const std::uint32_t isa : sets()) {
      problem.run(*kernels_for(isa));
      const std::vector<double> got = problem.result();
      for (std::size_t i = 0; i < got.size(); ++i)
        REQUIRE(std::isnan(got[i]) == (in_keys || i % problem.arguments.value_dim == 5));
    }
  }
}

TEST_CASE("attend: E8 scores as large as floats are, and as small") {
  AttendWishes wishes = exact();
  wishes.key_dim = 64;
  wishes.plain_softmax = true;
  wishes.key_formats = wishes.value_formats = {{F32, 0}};
  for (const float spread : {1e-30f, 1e3f, 1e6f}) {
    wishes.spread = spread;
    wishes.max_tokens = 100;
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      kernelcheck::Random random(seed);
      AttendProblem problem;
      kernelcheck::make_attend_problem(problem, random, wishes);
      for (const std::uint32_t isa : sets()) {
        std::fill(problem.out.begin(), problem.out.end(), 0xff);
        problem.run(*kernels_for(isa));
        for (const double x : problem.result()) REQUIRE(std::isfinite(x));
      }
    }
  }
}
