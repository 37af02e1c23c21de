// check.hpp: what a subject wants to compare kernels: the instruction sets that run here, random shapes that a seed
// repeats, and how a difference is told. It knows tables of kernels; no subject, and no loop by itself.
#pragma once

#include "data/kernels/kernels.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace kernelcheck {

// An instruction set whose kernels are in this build, and run on this processor.
struct Variant {
  std::uint32_t isa;
  const char *name;
  const akv::Kernels *kernels;
};

// splitmix64 (Steele, Lea and Flood 2014): all of a shape follows from its seed.
class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_(seed) {}
  std::uint64_t next() noexcept {
    std::uint64_t x = state_ += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
  }
  std::uint32_t below(std::uint32_t limit) noexcept { return static_cast<std::uint32_t>(next() % limit); }
  bool one_in(std::uint32_t chances) noexcept { return below(chances) == 0; }
  float real() noexcept { return static_cast<float>(next() >> 40) * 0x1p-24f; }  // 0 <= x < 1
  void fill(void *to, std::size_t bytes) noexcept;
  std::vector<unsigned char> bytes(std::size_t size) {
    std::vector<unsigned char> all(size);
    fill(all.data(), size);
    return all;
  }

 private:
  std::uint64_t state_;
};

class Checker {
 public:
  // Compare these variants; `seed` is that of the first shape of each loop. `repeat`: that shape alone.
  Checker(std::vector<Variant> variants, std::uint64_t seed, bool repeat) noexcept
      : variants_(std::move(variants)), seed_(seed), repeat_(repeat) {}

  // Those to check, plain among them unless somebody asked for one alone. What they are compared with is a loop of the
  // subject's own, or akv::plain_kernels.
  const std::vector<Variant> &variants() const noexcept { return variants_; }

  // `check(random)` for `count` shapes; the first difference ends it.
  template <class Check>
  void shapes(const char *kernel, std::uint32_t count, Check check) {
    const std::uint64_t failed = differences_;
    for (std::uint32_t i = 0; i < (repeat_ ? 1 : count) && differences_ == failed; ++i) {
      begin(kernel, seed_ + i);
      Random random(seed_ + i);
      check(random);
    }
  }

  // The shape at hand in words, for the line that tells a difference.
  void describe(const char *dtype, const char *layout, const char *format, ...) __attribute__((format(printf, 4, 5)));

  // Every byte is as it must be.
  bool same(const Variant &variant, const void *wanted, const void *got, std::size_t bytes);
  // Anything else.
  bool holds(const Variant &variant, bool truth, const char *what);

  std::uint64_t comparisons() const noexcept { return comparisons_; }
  std::uint64_t differences() const noexcept { return differences_; }
  void set_subject(const char *name) noexcept { subject_ = name; }
  void next_seeds() noexcept { seed_ += std::uint64_t{1} << 32; }

 private:
  void begin(const char *kernel, std::uint64_t seed) noexcept;
  bool differs(const Variant &variant, const std::string &where);

  std::vector<Variant> variants_;
  std::uint64_t seed_;
  bool repeat_;
  const char *subject_ = "";
  const char *kernel_ = "";
  std::uint64_t shape_seed_ = 0;
  std::string shape_;
  std::uint64_t comparisons_ = 0;
  std::uint64_t differences_ = 0;
};

}  // namespace kernelcheck
