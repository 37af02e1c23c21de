// inference_session.cpp: a session that owns its KV cache and hands keys and values, as plain pointers, to an attention
// function. The model is made up; the attention is the usual one, and knows nothing of arenakv.
// Against an installed library: c++ -std=c++17 inference_session.cpp $(pkg-config --cflags --libs arenakv)
#include <arenakv.hpp>
#include <arenakv_kv_cache.hpp>

#include <cmath>
#include <cstdio>
#include <vector>

namespace {

// Of one query head over so many tokens: keys and values are [token][head][dim].
void attention(const float *query, const float *keys, const float *values, std::size_t tokens, std::size_t heads,
               std::size_t dim, std::size_t head, float *out) {
  float sum = 0;
  for (std::size_t i = 0; i < dim; ++i) out[i] = 0;
  for (std::size_t token = 0; token < tokens; ++token) {
    const std::size_t row = (token * heads + head) * dim;
    float score = 0;
    for (std::size_t i = 0; i < dim; ++i) score += query[i] * keys[row + i];
    const float weight = std::exp(score / std::sqrt(static_cast<float>(dim)));
    for (std::size_t i = 0; i < dim; ++i) out[i] += weight * values[row + i];
    sum += weight;
  }
  for (std::size_t i = 0; i < dim; ++i) out[i] /= sum;
}

// [core: begin]
// Everything that a request needs. The cache is memory of its own, freed with the session, recorded in the tracker.
class InferenceSession {
 public:
  explicit InferenceSession(const arenakv::KVCacheConfig &config) : cache_(config) {}

  // One token through all layers; what came out.
  std::vector<float> step(float token) {
    const auto &config = cache_.config();
    std::vector<float> stream(std::size_t{config.kv_heads} * config.head_dim, token), attended(stream.size());
    for (std::uint32_t layer = 0; layer < config.num_layers; ++layer) {
      auto *keys = static_cast<float *>(cache_.keys(layer));
      auto *values = static_cast<float *>(cache_.values(layer));
      for (std::size_t i = 0; i < stream.size(); ++i) {  // this token's K/V, in place
        keys[length_ * stream.size() + i] = std::sin(stream[i] + static_cast<float>(i));
        values[length_ * stream.size() + i] = std::cos(stream[i] * static_cast<float>(layer + 1));
      }
      for (std::uint32_t head = 0; head < config.kv_heads; ++head)
        attention(&stream[std::size_t{head} * config.head_dim], keys, values, length_ + 1, config.kv_heads, config.head_dim,
                  head, &attended[std::size_t{head} * config.head_dim]);
      for (std::size_t i = 0; i < stream.size(); ++i) stream[i] += attended[i];
    }
    ++length_;
    return stream;
  }
  const arenakv::KVCache &cache() const { return cache_; }

 private:
  arenakv::KVCache cache_;
  std::size_t length_ = 0;
};
// [core: end]

}  // namespace

int main() {
  auto tracker = arenakv::Tracker::make();
  const auto used = [&] { return tracker.totals(AKV_DEVICE_HOST, AKV_PURPOSE_KV_CACHE).bytes; };
  arenakv::KVCacheConfig config;
  config.num_layers = 4;
  config.kv_heads = 2;
  config.head_dim = 16;
  config.context = 64;
  config.dtype = AKV_DTYPE_F32;
  config.tracker = tracker.get();
  {
    InferenceSession session(config);
    std::printf("K/V: %llu bytes for %u tokens\n", static_cast<unsigned long long>(session.cache().size_bytes()), config.context);
    std::printf("recorded: %s\n", used() >= session.cache().size_bytes() ? "yes" : "no");
    float last = 0;
    for (int token = 0; token < 8; ++token) last = session.step(0.1f * static_cast<float>(token)).front();
    InferenceSession moved = std::move(session);  // the memory stays where it is
    std::printf("behind 8 tokens: %.4f, behind 9: %.4f\n", static_cast<double>(last), static_cast<double>(moved.step(0.8f).front()));
  }
  std::printf("recorded when the session has gone: %llu bytes\n", static_cast<unsigned long long>(used()));
  config.context = 1u << 30;
  config.num_layers = 60000;
  tracker.set_limit(AKV_DEVICE_HOST, std::uint64_t{1} << 30);
  try {
    InferenceSession too_large(config);
  } catch (const arenakv::Error &error) {
    std::printf("%s\n", error.what());
  }
}
