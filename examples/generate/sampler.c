/* sampler.c: see sampler.h. */
#include "sampler.h"

#include "fail.h"

#include <math.h>

/* splitmix64 (Steele et al. 2014): the top 53 bits are a number below 1. */
static double draw(uint64_t *random) {
  uint64_t bits = *random += UINT64_C(0x9e3779b97f4a7c15);
  bits = (bits ^ (bits >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  bits = (bits ^ (bits >> 27)) * UINT64_C(0x94d049bb133111eb);
  return (double)((bits ^ (bits >> 31)) >> 11) / 9007199254740992.0;
}

static uint32_t most_likely(const float *logits, uint32_t count) {
  uint32_t best = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (!isfinite(logits[i])) fail("the model's logits are no numbers: its weights are damaged");
    if (logits[i] > logits[best]) best = i;
  }
  return best;
}

int32_t sample_token(const float *logits, uint32_t count, float temperature, uint64_t *random) {
  const uint32_t best = most_likely(logits, count);
  if (temperature == 0.0f) return (int32_t)best;
  double sum = 0.0;
  for (uint32_t i = 0; i < count; i++) sum += exp((double)(logits[i] - logits[best]) / temperature);
  double left = draw(random) * sum;
  for (uint32_t i = 0; i < count; i++) {
    left -= exp((double)(logits[i] - logits[best]) / temperature);
    if (left < 0.0) return (int32_t)i;
  }
  return (int32_t)best; /* what rounding left over */
}
