// plan_report.cpp: see plan_report.hpp.
#include "plan/plan_report.hpp"

#include "cache.hpp"
#include "command/text.hpp"
#include "dtypes.hpp"

namespace replay {
namespace {

// A number under its name, and what it is.
void line(std::FILE *file, const char *name, std::uint64_t number, const std::string &words) {
  std::fprintf(file, "  %-26s%20s   %s\n", name, grouped(number).c_str(), words.c_str());
}

std::string bytes_and(std::uint64_t bytes) { return bytes < 1024 ? "bytes" : "bytes, " + readable_bytes(bytes); }

std::string heads_of(const akv_model &model) {
  if (model.attention == AKV_ATTENTION_MLA)
    return std::to_string(model.query_heads) + " query heads, one latent vector of " +
           std::to_string(model.latent_dim) + " and " + std::to_string(model.rope_dim) + " (MLA)";
  std::string dims = std::to_string(model.key_head_dim);
  if (model.value_head_dim != model.key_head_dim) dims += " and " + std::to_string(model.value_head_dim);
  return std::to_string(model.query_heads) + " query heads, " + std::to_string(model.kv_heads) + " KV heads of " +
         dims + " (" + akv_attention_name(model.attention) + ")";
}

void print_sequence(const Answers &answers, std::FILE *file) {
  const akv_model_sizes &sizes = answers.sizes;
  line(file, "context", sizes.num_tokens, "tokens");
  line(file, "K/V of a token", sizes.bytes_per_token, "bytes, " + grouped(sizes.bytes_per_token_layer) + " a layer");
  line(file, "K/V of a sequence", sizes.bytes, bytes_and(sizes.bytes));
  if (sizes.saved_bytes != 0) {
    char saved[64];
    std::snprintf(saved, sizeof saved, ": %s saves %.1f %%", akv_attention_name(sizes.attention),
                  100 * static_cast<double>(sizes.saved_bytes) / static_cast<double>(sizes.query_head_bytes));
    line(file, "  a KV head a query head", sizes.query_head_bytes, bytes_and(sizes.query_head_bytes) + saved);
  }
  const akv_page_size &page = answers.page;
  line(file, "  pages, one a tensor", page.tensors_per_sequence,
       "of " + grouped(page.page_bytes) + " bytes, " + grouped(page.full_waste_bytes) + " of all unused");
}

void print_need(const akv_planner_result &need, std::FILE *file) {
  std::fprintf(file, "\nin blocks of %u tokens\n", need.block_tokens);
  line(file, "a block", need.bytes_per_block, bytes_and(need.bytes_per_block));
  line(file, "a sequence", need.blocks_per_sequence,
       "blocks, " + grouped(need.rounding_bytes) + " bytes unused in the last");
  line(file, need.num_sequences == 1 ? "store for 1 sequence" : "store for all", need.store_bytes,
       bytes_and(need.store_bytes) + ": " + grouped(need.num_sequences) + " x " + grouped(need.blocks_per_sequence) +
           " blocks, the null block, " + grouped(need.padding_bytes) + " bytes of padding");
}

void print_fit(const Answers &answers, std::FILE *file) {
  const akv_planner_result &fit = *answers.fit;
  std::fprintf(file, "\ninto %s bytes, %s\n", grouped(fit.budget_bytes).c_str(),
               readable_bytes(fit.budget_bytes).c_str());
  line(file, "blocks", fit.num_blocks, "and the null block: " + grouped(fit.num_tokens) + " tokens");
  line(file, "sequences", fit.num_sequences,
       "of " + grouped(fit.context_tokens) + " tokens at once, " + grouped(fit.spare_blocks) + " blocks to spare");
  line(file, "left over", fit.slack_bytes, bytes_and(fit.slack_bytes));
  if (answers.need.num_sequences > 1)
    std::fprintf(file, "  %s sequences %s\n", grouped(answers.need.num_sequences).c_str(),
                 answers.fits() ? "fit" : "do not fit");
}

}  // namespace

void print_answers(const Answers &answers, std::FILE *file) {
  const akv_model &model = answers.model;
  std::fprintf(file, "%s: %u layers, %s\n\n", answers.name.c_str(), model.num_layers, heads_of(model).c_str());
  const std::string_view kind = answers.format == 0 ? dtype_name(answers.sizes.dtype) : format_name(answers.format);
  std::fprintf(file, "one sequence, in %s%s", std::string(kind).c_str(),
               answers.format == 0 ? "" : ", scales included");
  if (answers.sizes.num_layers != model.num_layers) std::fprintf(file, ", %u layers cached", answers.sizes.num_layers);
  std::fputc('\n', file);
  print_sequence(answers, file);
  print_need(answers.need, file);
  if (answers.fit) print_fit(answers, file);
  if (answers.window_layers() != 0)
    std::fprintf(file, "\n%u of %u layers have a sliding window of %s tokens; all are sized as full attention\n",
                 answers.window_layers(), model.num_layers, grouped(model.sliding_window).c_str());
  if (model.max_context != 0 && answers.sizes.num_tokens > model.max_context)
    std::fprintf(file, "\nthe model itself goes to %s tokens\n", grouped(model.max_context).c_str());
}

void print_presets(std::FILE *file) {
  std::fprintf(file, "%-18s%8s%8s%8s%8s  %s%12s%16s\n", "model", "layers", "query", "KV", "dim", "kind", "context",
               "bytes a token");
  for (std::uint32_t preset = 1; const char *name = akv_model_name(preset); ++preset) {
    akv_model model = AKV_MODEL_INIT;
    akv_model_sizes sizes = AKV_MODEL_SIZES_INIT;
    check(akv_model_find(name, &model), "akv_model_find");
    check(akv_model_read_sizes(&model, 0, 0, 1, &sizes), "akv_model_read_sizes");
    const std::uint32_t dim = model.latent_dim != 0 ? model.latent_dim + model.rope_dim : model.key_head_dim;
    std::fprintf(file, "%-18s%8u%8u%8u%8u  %s%13s%16s\n", name, model.num_layers, model.query_heads, model.kv_heads,
                 dim, akv_attention_name(model.attention), grouped(model.max_context).c_str(),
                 grouped(sizes.bytes_per_token).c_str());
  }
}

}  // namespace replay
