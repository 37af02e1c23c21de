// attend_answer.cpp: attention in double precision, by its definition, and how far a result is off.
// It knows the arguments of the attention kernels; no kernel.
#include "attend_problem.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace kernelcheck {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// A token of one row's query, in any part.
struct Token {
  const double *keys, *values;
  double score = 0;
};

void find_tokens(const AttendProblem &problem, std::uint32_t sequence, std::uint32_t head, std::vector<Token> &tokens) {
  tokens.clear();
  for (std::uint32_t p = 0; p < problem.arguments.num_parts; ++p) {
    const akv::AttendPart &part = problem.parts[p];
    const AttendPlane &keys = problem.memory[p].keys;
    const AttendPlane &values = problem.memory[p].values.numbers.empty() ? keys : problem.memory[p].values;
    for (std::uint32_t t = 0; t < part.num_tokens[sequence]; ++t) {
      if (!problem.sees(p, sequence, t)) continue;
      const std::int64_t block = part.block_table[sequence * part.table_stride + t / part.block_tokens];
      const std::uint32_t at = t % part.block_tokens;
      tokens.push_back({keys.numbers.data() + keys.place(block, at, head) * keys.dim,
                        values.numbers.data() + values.place(block, at, head) * values.dim});
    }
  }
}

double score_of(const akv::AttendArguments &a, const double *query, const Token &token) {
  double sum = 0;
  for (std::uint32_t e = 0; e < a.key_dim; ++e) sum += query[e] * token.keys[e];
  sum *= static_cast<double>(a.scale);
  const auto cap = static_cast<double>(a.soft_cap);
  return cap == 0 ? sum : cap * std::tanh(sum / cap);
}

void answer_row(const akv::AttendArguments &a, std::vector<Token> &tokens, const double *query, double sink,
                AttendAnswer &answer) {
  double largest = sink;
  for (Token &token : tokens) {
    token.score = score_of(a, query, token);
    largest = std::max(largest, token.score);
  }
  double sum = sink == -kInfinity ? 0 : std::exp(sink - largest);
  std::vector<double> out(a.value_dim), sizes(a.value_dim);
  for (const Token &token : tokens) {
    const double weight = std::exp(token.score - largest);
    sum += weight;
    for (std::uint32_t e = 0; e < a.value_dim; ++e) {
      out[e] += weight * token.values[e];
      sizes[e] += weight * std::fabs(token.values[e]);
    }
  }
  double size = 0;
  for (std::uint32_t e = 0; e < a.value_dim; ++e) {
    answer.out.push_back(sum == 0 ? 0 : out[e] / sum);
    size += sum == 0 ? 0 : sizes[e] / sum * (sizes[e] / sum);
  }
  answer.sizes.push_back(std::sqrt(size));
  answer.log_sums.push_back(sum == 0 ? -kInfinity : largest + std::log(sum));
}

}  // namespace

AttendAnswer answer_of(const AttendProblem &problem) {
  const akv::AttendArguments &a = problem.arguments;
  AttendAnswer answer;
  std::vector<Token> tokens;
  const double *query = problem.query_numbers.data();
  for (std::uint32_t s = 0; s < a.num_sequences; ++s)
    for (std::uint32_t q = 0; q < a.num_queries; ++q)
      for (std::uint32_t h = 0; h < a.num_heads * a.group; ++h, query += a.key_dim) {
        if (h % a.group == 0) find_tokens(problem, s, h / a.group, tokens);
        const double sink = a.sink_logits == nullptr ? -kInfinity : static_cast<double>(a.sink_logits[h]);
        answer_row(a, tokens, query, sink, answer);
      }
  return answer;
}

AttendErrors errors_of(const AttendProblem &problem, const AttendAnswer &answer) {
  const akv::AttendArguments &a = problem.arguments;
  const std::vector<double> got = problem.result();
  AttendErrors errors;
  double all_wrong = 0, all = 0;
  for (std::size_t row = 0; row < answer.sizes.size(); ++row) {
    double wrong = 0;
    for (std::size_t i = row * a.value_dim; i < (row + 1) * a.value_dim; ++i) {
      const double difference = got[i] - answer.out[i];
      wrong += difference * difference;
      all += answer.out[i] * answer.out[i];
    }
    all_wrong += wrong;
    if (!std::isfinite(wrong)) errors.out = errors.norm = kInfinity;
    else if (wrong > 0) errors.out = std::max(errors.out, std::sqrt(wrong) / std::max(answer.sizes[row], 1e-3));
    const double log_sum = static_cast<double>(problem.log_sums[row]), wanted = answer.log_sums[row];
    if (log_sum == wanted) continue;
    const double off = std::fabs(log_sum - wanted);
    errors.log_sum = std::isfinite(off) ? std::max(errors.log_sum, off) : kInfinity;
  }
  if (std::isfinite(errors.norm) && all > 0) errors.norm = std::sqrt(all_wrong / all);
  return errors;
}

}  // namespace kernelcheck
