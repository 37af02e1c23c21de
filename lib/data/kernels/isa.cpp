// isa.cpp: which table of kernels this processor runs: the quickest, or what was chosen.
// It knows instruction sets; not what the kernels do.
#include "data/kernels/isa.hpp"

#include <atomic>

#include "base/error.hpp"
#include "data/kernels/kernels.hpp"

namespace akv {

extern const Kernels avx2_kernels, avx512_kernels, neon_kernels;

namespace {

std::atomic<std::uint32_t> chosen_isa{0};  // 0: nobody has asked yet

bool processor_has([[maybe_unused]] std::uint32_t isa) noexcept {
#if defined(__x86_64__)
  if (isa == AKV_ISA_AVX2)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  if (isa == AKV_ISA_AVX512)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
           __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bf16") && processor_has(AKV_ISA_AVX2);
#endif
  return true;
}

const Kernels *compiled(std::uint32_t isa) noexcept {
  switch (isa) {
    case AKV_ISA_PLAIN: return &plain_kernels;
#if defined(__x86_64__)
    case AKV_ISA_AVX2: return &avx2_kernels;
    case AKV_ISA_AVX512: return &avx512_kernels;
#elif defined(__aarch64__)
    case AKV_ISA_NEON: return &neon_kernels;
#endif
    default: return nullptr;
  }
}

std::uint32_t best_isa() noexcept {
  for (std::uint32_t isa : {AKV_ISA_AVX512, AKV_ISA_AVX2, AKV_ISA_NEON})
    if (kernels_for(isa) != nullptr) return isa;
  return AKV_ISA_PLAIN;
}

}  // namespace

const Kernels *kernels_for(std::uint32_t isa) noexcept {
  const Kernels *kernels = compiled(isa);
  return kernels != nullptr && processor_has(isa) ? kernels : nullptr;
}

std::uint32_t isa_in_use() noexcept {
  std::uint32_t isa = chosen_isa.load(std::memory_order_relaxed);
  if (isa != 0) return isa;
  std::uint32_t nobody = 0;
  isa = best_isa();
  return chosen_isa.compare_exchange_strong(nobody, isa, std::memory_order_relaxed) ? isa : nobody;
}

const Kernels &kernels() noexcept { return *compiled(isa_in_use()); }

Status choose_isa(std::uint32_t isa) noexcept {
  if (isa == 0) isa = best_isa();
  if (isa > AKV_ISA_NEON)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "the instruction set is %llu, must be 0 to %llu", isa, AKV_ISA_NEON);
  if (kernels_for(isa) == nullptr)
    return fail_named(AKV_ERROR_UNSUPPORTED,
                      compiled(isa) == nullptr ? "kernels for %s are not in this build (number %llu)"
                                               : "this processor does not run %s (number %llu)",
                      isa_name(isa), isa);
  chosen_isa.store(isa, std::memory_order_relaxed);
  return AKV_OK;
}

const char *isa_name(std::uint32_t isa) noexcept {
  switch (isa) {
    case AKV_ISA_PLAIN: return "plain";
    case AKV_ISA_AVX2: return "AVX2";
    case AKV_ISA_AVX512: return "AVX-512";
    case AKV_ISA_NEON: return "NEON";
    default: return "unknown";
  }
}

}  // namespace akv
