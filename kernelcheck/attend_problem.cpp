// attend_problem.cpp: attention problems: pools of every layout and format, filled where somebody looks and poisoned
// where nobody does. It knows the arguments of the attention kernels and what formats mean; no kernel.
#include "attend_problem.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <sstream>
#include <tuple>

namespace kernelcheck {
namespace {

using akv::PoolElements, akv::PoolRows, akv::RowFormat;

enum : std::uint32_t { F32 = 1, F16, BF16, E4M3, I8, I4 };
enum : std::uint32_t { NONE = 0, HEAD, TOKEN_HEAD, TOKEN_GROUP, CHANNEL };
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::uint32_t bits_of(std::uint32_t dtype) { return dtype == F32 ? 32 : dtype <= BF16 ? 16 : dtype == I4 ? 4 : 8; }

double gauss(Random &random) {
  double sum = 0;
  for (int i = 0; i < 6; ++i) sum += static_cast<double>(random.real()) - 0.5;
  return sum * std::sqrt(2.0);
}

double of_small_float(unsigned bits, int exponent_bits, int mantissa_bits, int bias) {
  const unsigned exponent = bits >> mantissa_bits & ((1u << exponent_bits) - 1);
  const unsigned mantissa = bits & ((1u << mantissa_bits) - 1), sign = bits >> (exponent_bits + mantissa_bits);
  const double size =
      exponent == 0 ? std::ldexp(mantissa, 1 - bias - mantissa_bits)
                    : std::ldexp(mantissa + (1u << mantissa_bits), static_cast<int>(exponent) - bias - mantissa_bits);
  return sign != 0 ? -size : size;
}

// Rows of memory that end with the last row; the first may start anywhere.
PoolRows lay_out(Random &random, std::vector<unsigned char> &memory, std::uint64_t row_bytes, std::uint32_t align,
                 std::uint32_t tokens, std::uint32_t heads, std::uint32_t blocks) {
  const auto padded = [&](std::uint64_t bytes) { return bytes + (random.one_in(3) ? align * random.below(5) : 0); };
  std::uint64_t steps[3] = {}, counts[3] = {blocks, tokens, heads};
  const int orders[4][3] = {{2, 1, 0}, {1, 2, 0}, {2, 0, 1}, {0, 2, 1}};  // NHD, HND, and blocks inside
  const int *order = orders[random.below(4)];
  std::uint64_t step = padded(row_bytes), end = row_bytes;
  for (int i = 0; i < 3; ++i) {
    steps[order[i]] = step;
    end += step * (counts[order[i]] - 1);
    step = padded(step * counts[order[i]]);
  }
  const std::size_t skip = align * random.below(4);
  memory.assign(end + skip, 0xff);
  return {memory.data() + skip, static_cast<std::int64_t>(steps[0]), static_cast<std::int64_t>(steps[1]),
          static_cast<std::int64_t>(steps[2])};
}

unsigned char *row_of(const PoolRows &pool, std::int64_t block, std::uint32_t token, std::uint32_t head) {
  return pool.data + block * pool.block_stride + token * pool.token_stride + head * pool.head_stride;
}

struct PlaneShape {
  RowFormat format;
  std::uint32_t dim, blocks, tokens, heads;
  double spread;  // of its elements
};

std::uint32_t channel_tokens(const PlaneShape &shape) { return std::min(32u, shape.tokens); }

void make_plane(AttendPlane &plane, Random &random, const PlaneShape &shape) {
  plane.elements.format = shape.format;
  plane.dim = shape.dim;
  plane.block_tokens = shape.tokens;
  plane.num_heads = shape.heads;
  const std::uint32_t bits = bits_of(shape.format.dtype);
  plane.elements.rows = lay_out(random, plane.rows, shape.dim * bits / 8, std::max(1u, bits / 8), shape.tokens,
                                shape.heads, shape.blocks);
  plane.numbers.assign(std::size_t{shape.blocks} * shape.tokens * shape.heads * shape.dim, kNan);
  const std::uint32_t scaling = shape.format.scaling;
  if (scaling == HEAD && random.one_in(2)) {
    for (std::uint32_t h = 0; h < shape.heads; ++h) plane.head_scales.push_back((0.5f + random.real()) / 70);
    plane.elements.head_scales = plane.head_scales.data();
  }
  if (scaling < TOKEN_HEAD) return;
  const std::uint32_t bytes = scaling == TOKEN_HEAD    ? 4
                              : scaling == TOKEN_GROUP ? (shape.dim + 31) / 32 * 4
                                                       : shape.dim * 4 / channel_tokens(shape);
  if (scaling == CHANNEL) {  // the heads' shares of a token lie together
    plane.elements.scales = lay_out(random, plane.scales, bytes * shape.heads, 2, shape.tokens, 1, shape.blocks);
    plane.elements.scales.head_stride = bytes;
    return;
  }
  plane.elements.scales = lay_out(random, plane.scales, bytes, 4, shape.tokens, shape.heads, shape.blocks);
}

// {scale, lowest} in bfloat16, so that numbers are about `spread` around zero.
std::uint32_t random_pair(Random &random, double spread, double &scale, double &lowest) {
  unsigned char both[4];
  put_number(BF16, both, 0, spread * (0.1 + 0.2 * random.real()));
  scale = number_of(BF16, both, 0);
  put_number(BF16, both, 1, -scale * (5 + 5 * random.real()));
  lowest = number_of(BF16, both, 1);
  std::uint32_t pair;
  std::memcpy(&pair, both, 4);
  return pair;
}

// A number of the plane's format, and what it is.
double put_random(AttendPlane &plane, Random &random, double spread, unsigned char *row, std::uint32_t element) {
  const std::uint32_t dtype = plane.elements.format.dtype;
  const bool small = plane.elements.format.scaling == HEAD && plane.head_scales.empty();  // codes are numbers
  if (dtype <= BF16) {
    put_number(dtype, row, element, spread * gauss(random));
    return number_of(dtype, row, element);
  }
  if (dtype == I8) {
    const auto code = static_cast<signed char>(small ? static_cast<int>(random.below(5)) - 2
                                                     : static_cast<int>(random.below(255)) - 127);
    row[element] = static_cast<unsigned char>(code);
    return code;
  }
  if (dtype == E4M3) {
    unsigned code = random.below(256) & (small ? 0xbfu : 0xffu);
    if ((code & 0x7fu) == 0x7fu) code ^= 1;
    row[element] = static_cast<unsigned char>(code);
    return of_small_float(code, 4, 3, 7);
  }
  const std::uint32_t code = random.below(16);
  unsigned char &byte = row[element / 2];
  byte = static_cast<unsigned char>(element % 2 == 0 ? (byte & 0xf0u) | code : (byte & 0x0fu) | code << 4);
  return code;
}

// Every byte of the scales of a CHANNEL group; what they are, by element.
std::vector<std::pair<double, double>> put_channel(AttendPlane &plane, Random &random, double spread,
                                                   std::int64_t block, std::uint32_t first, std::uint32_t tokens,
                                                   std::uint32_t head) {
  std::vector<std::pair<double, double>> scales;
  std::vector<unsigned char> bytes;
  for (std::uint32_t e = 0; e < plane.dim; ++e) {
    double scale, lowest;
    const std::uint32_t pair = random_pair(random, spread, scale, lowest);
    for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<unsigned char>(pair >> 8 * i));
    scales.emplace_back(scale, lowest);
  }
  const std::size_t share = bytes.size() / tokens;
  for (std::uint32_t t = 0; t < tokens; ++t)
    std::memcpy(row_of(plane.elements.scales, block, first + t, head), bytes.data() + t * share, share);
  return scales;
}

void fill_row(AttendPlane &plane, Random &random, double spread, std::int64_t block, std::uint32_t token,
              std::uint32_t head, const std::vector<std::pair<double, double>> &channels) {
  unsigned char *row = row_of(plane.elements.rows, block, token, head);
  double *numbers = plane.numbers.data() + plane.place(block, token, head) * plane.dim;
  const std::uint32_t scaling = plane.elements.format.scaling;
  double scale = 1, lowest = 0;
  if (scaling == HEAD && !plane.head_scales.empty()) scale = static_cast<double>(plane.head_scales[head]);
  if (scaling == TOKEN_HEAD) {
    const auto size = static_cast<float>(spread * (0.5 + static_cast<double>(random.real())) /
                                         (plane.elements.format.dtype == I8 ? 70 : 80));
    std::memcpy(row_of(plane.elements.scales, block, token, head), &size, 4);
    scale = static_cast<double>(size);
  }
  for (std::uint32_t e = 0; e < plane.dim; ++e) {
    if (scaling == TOKEN_GROUP && e % 32 == 0) {
      const std::uint32_t pair = random_pair(random, spread, scale, lowest);
      std::memcpy(row_of(plane.elements.scales, block, token, head) + e / 32 * 4, &pair, 4);
    }
    if (scaling == CHANNEL) std::tie(scale, lowest) = channels[e];
    numbers[e] = lowest + scale * put_random(plane, random, spread, row, e);
  }
}

// `seen(block, token)`: somebody looks there.
template <class Seen>
void fill_plane(AttendPlane &plane, Random &random, const PlaneShape &shape, Seen seen) {
  const std::uint32_t together = shape.format.scaling == CHANNEL ? channel_tokens(shape) : shape.tokens;
  std::vector<std::pair<double, double>> channels;
  for (std::uint32_t block = 0; block < shape.blocks; ++block)
    for (std::uint32_t head = 0; head < shape.heads; ++head)
      for (std::uint32_t token = 0; token < shape.tokens; ++token) {
        if (shape.format.scaling == CHANNEL && token % together == 0)
          channels = put_channel(plane, random, shape.spread, block, token, together, head);
        if (seen(block, token)) fill_row(plane, random, shape.spread, block, token, head, channels);
      }
}

template <class List>
auto one_of(Random &random, const List &list) {
  return list[random.below(static_cast<std::uint32_t>(std::size(list)))];
}

std::uint32_t or_one_of(Random &random, std::uint32_t wish, std::initializer_list<std::uint32_t> others) {
  return wish != 0 ? wish : others.begin()[random.below(static_cast<std::uint32_t>(others.size()))];
}

RowFormat format_for(Random &random, const std::vector<RowFormat> &wished, const std::vector<RowFormat> &all,
                     std::uint32_t dim, std::uint32_t block_tokens) {
  for (;;) {
    const RowFormat format = one_of(random, wished.empty() ? all : wished);
    const std::uint32_t tokens = std::min(32u, block_tokens);
    if (format.dtype == I4 && dim % 2 != 0) continue;
    if (format.scaling == CHANNEL && (block_tokens % tokens != 0 || dim * 4 % tokens != 0)) continue;
    return format;
  }
}

void make_part(AttendProblem &problem, Random &random, const AttendWishes &wishes, std::uint32_t index) {
  akv::AttendArguments &a = problem.arguments;
  AttendPartMemory &memory = problem.memory[index];
  akv::AttendPart &part = problem.parts[index];
  part.block_tokens = or_one_of(random, wishes.block_tokens, {1, 3, 8, 16, 16, 32, 64});
  const std::uint32_t most = wishes.max_tokens != 0 ? wishes.max_tokens : or_one_of(random, 0, {1, 20, 70, 200, 300});
  const std::uint32_t row = (most + part.block_tokens - 1) / part.block_tokens;
  const bool shared = a.num_sequences > 1 && random.one_in(4);
  const std::uint32_t tables = shared ? 1 : a.num_sequences, blocks = row * tables + random.below(3);
  std::vector<std::int32_t> ids(blocks);
  std::iota(ids.begin(), ids.end(), 0);
  for (std::uint32_t i = blocks; i > 1; --i) std::swap(ids[i - 1], ids[random.below(i)]);
  memory.table.assign(ids.begin(), ids.begin() + row * tables);
  for (std::uint32_t s = 0; s < a.num_sequences; ++s) {
    memory.num_tokens.push_back(wishes.full ? most : random.one_in(8) ? 0 : 1 + random.below(most));
    std::uint32_t first = index == 0 ? random.below(2) * random.below(9) : 0;
    if (index > 0) first = problem.memory[index - 1].first_positions[s] + problem.memory[index - 1].num_tokens[s];
    memory.first_positions.push_back(first);
  }
  part.block_table = memory.table.data();
  part.table_stride = shared ? 0 : row;
  part.num_tokens = memory.num_tokens.data();
  const bool all_zero = std::all_of(memory.first_positions.begin(), memory.first_positions.end(),
                                    [](std::uint32_t first) { return first == 0; });
  part.first_positions = all_zero && random.one_in(2) ? nullptr : memory.first_positions.data();
}

void fill_part(AttendProblem &problem, Random &random, const AttendWishes &wishes, std::uint32_t index) {
  const akv::AttendArguments &a = problem.arguments;
  AttendPartMemory &memory = problem.memory[index];
  akv::AttendPart &part = problem.parts[index];
  const auto blocks = static_cast<std::uint32_t>(memory.table.size());
  const auto most =
      static_cast<std::uint32_t>(blocks == 0 ? 0 : *std::max_element(memory.table.begin(), memory.table.end()) + 1);
  std::vector<bool> seen(std::size_t{most} * part.block_tokens);
  for (std::uint32_t s = 0; s < a.num_sequences; ++s)
    for (std::uint32_t t = 0; t < memory.num_tokens[s]; ++t)
      if (problem.sees(index, s, t))
        seen[static_cast<std::size_t>(part.block_table[s * part.table_stride + t / part.block_tokens]) *
                 part.block_tokens +
             t % part.block_tokens] = true;
  const auto fill = [&](AttendPlane &plane, const std::vector<RowFormat> &wished, const std::vector<RowFormat> &all,
                        std::uint32_t dim, double spread) {
    const PlaneShape shape = {
        format_for(random, wished, all, dim, part.block_tokens), dim, most, part.block_tokens, a.num_heads, spread};
    make_plane(plane, random, shape);
    fill_plane(plane, random, shape,
               [&](std::uint32_t block, std::uint32_t token) { return seen[block * part.block_tokens + token]; });
  };
  // Values that are the first elements of the keys' rows: MLA.
  const bool one_plane = a.key_dim != a.value_dim && a.key_dim > a.value_dim && wishes.value_formats.empty();
  fill(memory.keys, wishes.key_formats, all_key_formats(), a.key_dim, 1.0);
  if (!one_plane) fill(memory.values, wishes.value_formats, all_value_formats(), a.value_dim, 1.0);
  part.keys = memory.keys.elements;
  part.values = one_plane ? memory.keys.elements : memory.values.elements;
}

// [sequence][query][head] rows of `bytes`, packed or padded, heads or queries outside.
void lay_out_rows(Random &random, std::int64_t (&strides)[3], const akv::AttendArguments &a, std::uint64_t bytes,
                  std::uint32_t align, std::size_t &size) {
  const std::uint64_t counts[3] = {a.num_sequences, a.num_queries, std::uint64_t{a.num_heads} * a.group};
  const int orders[2][3] = {{2, 1, 0}, {1, 2, 0}};
  const int *order = orders[random.below(2)];
  std::uint64_t step = bytes + align * random.below(3);
  size = bytes;
  for (int i = 0; i < 3; ++i) {
    strides[order[i]] = static_cast<std::int64_t>(step);
    size += step * (counts[order[i]] - 1);
    step = step * counts[order[i]] + align * random.below(2);
  }
}

template <class What>
void for_each_row(const akv::AttendArguments &a, What what) {
  std::size_t row = 0;
  for (std::uint32_t s = 0; s < a.num_sequences; ++s)
    for (std::uint32_t q = 0; q < a.num_queries; ++q)
      for (std::uint32_t h = 0; h < a.num_heads * a.group; ++h) what(row++, s, q, h);
}

void make_queries(AttendProblem &problem, Random &random, double spread) {
  akv::AttendArguments &a = problem.arguments;
  std::size_t size = 0;
  const std::uint32_t bits = bits_of(a.query_dtype);
  lay_out_rows(random, a.query_strides, a, a.key_dim * bits / 8, bits / 8, size);
  problem.query.assign(size, 0xff);
  a.query = problem.query.data();
  for_each_row(a, [&](std::size_t, std::uint32_t s, std::uint32_t q, std::uint32_t h) {
    unsigned char *row =
        problem.query.data() + s * a.query_strides[0] + q * a.query_strides[1] + h * a.query_strides[2];
    for (std::uint32_t e = 0; e < a.key_dim; ++e) {
      put_number(a.query_dtype, row, e, spread * gauss(random));
      problem.query_numbers.push_back(number_of(a.query_dtype, row, e));
    }
  });
  const std::uint32_t out_bits = bits_of(a.out_dtype);
  lay_out_rows(random, a.out_strides, a, a.value_dim * out_bits / 8, out_bits / 8, size);
  problem.out.assign(size, 0xff);
  a.out = problem.out.data();
}

void choose_softmax(AttendProblem &problem, Random &random, const AttendWishes &wishes) {
  akv::AttendArguments &a = problem.arguments;
  a.scale = wishes.spread / std::sqrt(static_cast<float>(a.key_dim));
  if (wishes.plain_softmax) return;
  if (random.one_in(4)) a.soft_cap = 1.0f + 30.0f * random.real();
  if (random.one_in(4)) {
    for (std::uint32_t h = 0; h < a.num_heads * a.group; ++h)
      problem.sink_logits.push_back(random.one_in(6) ? -INFINITY : static_cast<float>(3 * gauss(random)));
    a.sink_logits = problem.sink_logits.data();
  }
  if (!wishes.window && random.one_in(2)) return;
  for (std::uint32_t s = 0; s < a.num_sequences; ++s) {
    const AttendPartMemory &last = problem.memory.back();
    problem.positions.push_back(last.first_positions[s] + last.num_tokens[s] + random.below(20));
  }
  a.positions = problem.positions.data();
  a.window = random.one_in(5) ? 0 : 1 + random.below(random.one_in(2) ? 30 : 200);
  a.sink_tokens = random.one_in(2) ? 0 : random.below(9);
}

}  // namespace

double number_of(std::uint32_t dtype, const unsigned char *row, std::size_t element) {
  if (dtype == F32) {
    float x;
    std::memcpy(&x, row + element * 4, 4);
    return static_cast<double>(x);
  }
  std::uint16_t bits;
  std::memcpy(&bits, row + element * 2, 2);
  if (dtype == F16 && (bits & 0x7c00u) == 0x7c00u) return kNan;
  if (dtype == BF16 && (bits & 0x7f80u) == 0x7f80u) return kNan;
  return dtype == F16 ? of_small_float(bits, 5, 10, 15) : of_small_float(bits, 8, 7, 127);
}

// Towards zero where it must be rounded.
void put_number(std::uint32_t dtype, unsigned char *row, std::size_t element, double x) {
  const auto single = static_cast<float>(x);
  if (dtype == F32) {
    std::memcpy(row + element * 4, &single, 4);
    return;
  }
  std::uint32_t bits;
  std::memcpy(&bits, &single, 4);
  std::uint16_t half = static_cast<std::uint16_t>(bits >> 16);
  if (dtype == F16) {
    const std::uint32_t size = bits & 0x7fffffffu;
    half = static_cast<std::uint16_t>((bits >> 16 & 0x8000u) | (size < 0x38800000u ? 0 : (size - 0x38000000u) >> 13));
  }
  std::memcpy(row + element * 2, &half, 2);
}

std::vector<RowFormat> all_key_formats() {
  return {{F32, NONE}, {F16, NONE},      {BF16, NONE},  {E4M3, HEAD},     {E4M3, TOKEN_HEAD},
          {I8, HEAD},  {I8, TOKEN_HEAD}, {I4, CHANNEL}, {I4, TOKEN_GROUP}};
}

std::vector<RowFormat> all_value_formats() { return all_key_formats(); }

bool AttendProblem::sees(std::uint32_t part, std::uint32_t sequence, std::uint32_t token) const {
  if (arguments.positions == nullptr || arguments.window == 0) return true;
  const std::int64_t first =
      parts[part].first_positions == nullptr ? 0 : std::int64_t{memory[part].first_positions[sequence]};
  const std::int64_t position = first + token;
  return position > std::int64_t{positions[sequence]} - arguments.window || position < arguments.sink_tokens;
}

void AttendProblem::set_splits(std::uint32_t splits) {
  arguments.num_splits = splits;
  partials.assign(splits * num_rows() * (2 + arguments.value_dim), NAN);
  arguments.partials = splits > 1 ? partials.data() : nullptr;
}

void AttendProblem::run(const akv::Kernels &kernels, bool backwards) {
  const std::uint64_t pairs = std::uint64_t{arguments.num_sequences} * arguments.num_heads;
  const std::uint64_t units = pairs * arguments.num_splits, half = units / 2;
  if (backwards) kernels.attend.attend(arguments, half, units);
  kernels.attend.attend(arguments, 0, half);
  if (!backwards) kernels.attend.attend(arguments, half, units);
  if (arguments.num_splits == 1) return;
  kernels.attend.merge_splits(arguments, 0, pairs / 2);
  kernels.attend.merge_splits(arguments, pairs / 2, pairs);
}

std::vector<double> AttendProblem::result() const {
  std::vector<double> all;
  for_each_row(arguments, [&](std::size_t, std::uint32_t s, std::uint32_t q, std::uint32_t h) {
    const unsigned char *row =
        out.data() + s * arguments.out_strides[0] + q * arguments.out_strides[1] + h * arguments.out_strides[2];
    for (std::uint32_t e = 0; e < arguments.value_dim; ++e) all.push_back(number_of(arguments.out_dtype, row, e));
  });
  return all;
}

std::string AttendProblem::describe() const {
  const akv::AttendArguments &a = arguments;
  std::ostringstream text;
  text << a.num_sequences << " sequences, " << a.num_queries << " queries, " << a.num_heads << " x " << a.group
       << " heads of " << a.key_dim << "/" << a.value_dim << ", query " << a.query_dtype << ", out " << a.out_dtype
       << ", splits " << a.num_splits << ", cap " << a.soft_cap << (a.sink_logits != nullptr ? ", sink logits" : "");
  if (a.positions != nullptr) text << ", window " << a.window << " sinks " << a.sink_tokens;
  for (const akv::AttendPart &part : parts) {
    text << "; blocks of " << part.block_tokens << ", keys " << part.keys.format.dtype << "/"
         << part.keys.format.scaling << ", values " << part.values.format.dtype << "/" << part.values.format.scaling
         << ", tokens";
    for (std::uint32_t s = 0; s < a.num_sequences; ++s) text << " " << part.num_tokens[s];
  }
  return text.str();
}

void make_attend_problem(AttendProblem &problem, Random &random, const AttendWishes &wishes) {
  akv::AttendArguments &a = problem.arguments;
  a.num_sequences = or_one_of(random, wishes.num_sequences, {1, 2, 3});
  a.num_queries = or_one_of(random, wishes.num_queries, {1, 1, 1, 2, 5});
  a.num_heads = or_one_of(random, wishes.num_heads, {1, 2, 3});
  a.group = or_one_of(random, wishes.group, {1, 2, 3, 4, 5, 6, 7, 8, 16, 17});
  a.key_dim =
      or_one_of(random, wishes.key_dim, {64, 80, 96, 128, 128, 192, 256, 1 + random.below(200), 1 + random.below(40)});
  a.value_dim = wishes.value_dim != 0 ? wishes.value_dim : a.key_dim;
  if (wishes.value_dim == 0 && random.one_in(8)) a.value_dim = 1 + random.below(a.key_dim);
  a.query_dtype = or_one_of(random, wishes.query_dtype, {F32, F16, BF16});
  a.out_dtype = or_one_of(random, wishes.out_dtype, {F32, F16, BF16});
  a.num_parts = or_one_of(random, wishes.num_parts, {1, 1, 2, 3});
  problem.memory.resize(a.num_parts);
  problem.parts.resize(a.num_parts);
  for (std::uint32_t p = 0; p < a.num_parts; ++p) make_part(problem, random, wishes, p);
  choose_softmax(problem, random, wishes);
  for (std::uint32_t p = 0; p < a.num_parts; ++p) fill_part(problem, random, wishes, p);
  make_queries(problem, random, 1.0);
  a.parts = problem.parts.data();
  problem.log_sums.assign(problem.num_rows(), NAN);
  a.log_sums = problem.log_sums.data();
  problem.set_splits(or_one_of(random, wishes.num_splits, {1, 1, 2, 3, 9}));
}

}  // namespace kernelcheck
