// instantiate.cpp: every method of every class is compiled, with either choice of errors; no test runs here.
#include <arenakv.hpp>
#include <arenakv_kv_cache.hpp>

namespace arenakv {

#define EVERY_CLASS(Errors)                                                                               \
  template class BasicArena<Errors>;                                                                      \
  template class BasicCache<Errors>;                                                                      \
  template struct BasicCreated<Errors>;                                                                   \
  template class BasicKVCache<Errors>;                                                                    \
  template class BasicLease<Errors>;                                                                      \
  template class BasicMemoryRecord<Errors>;                                                               \
  template class BasicPagePool<Errors>;                                                                   \
  template class BasicPager<Errors>;                                                                      \
  template class BasicPin<Errors>;                                                                        \
  template class BasicPlan<Errors>;                                                                       \
  template class BasicSequence<Errors>;                                                                   \
  template class BasicStore<Errors>;                                                                      \
  template class BasicStream<Errors>;                                                                     \
  template class BasicTail<Errors>;                                                                       \
  template class BasicTailRow<Errors>;                                                                    \
  template class BasicTensor<Errors>;                                                                     \
  template class BasicTracker<Errors>;                                                                    \
  template class BasicView<Errors>;                                                                       \
  template Errors::Result<void> isa_choose<Errors>(std::uint32_t);                                        \
  template Errors::Result<void> set_log<Errors>(akv_log_function, void *, std::uint32_t);                 \
  template Errors::Result<Model> model_find<Errors>(const std::string &);                                 \
  template Errors::Result<Model> model_from_fields<Errors>(const ModelFields &);                          \
  template Errors::Result<LayerGroup> model_group<Errors>(const Model &, Plane (&)[2], std::uint32_t);    \
  template Errors::Result<PlannerResult> planner_fit<Errors>(const Model &, const PlannerRequest &);      \
  template Errors::Result<PlannerResult> planner_need<Errors>(const Model &, const PlannerRequest &);     \
  template Errors::Result<PageSize> planner_page_size<Errors>(const Model &, const PlannerRequest &);     \
  template Errors::Result<ImageInfo> image_check<Errors>(Span<const std::uint8_t>);                       \
  template Errors::Result<std::vector<std::uint8_t>> image_read_file<Errors>(const std::string &);        \
  template Errors::Result<void> attention_decode<Errors>(const Attention &, akv_stream *)

#if ARENAKV_EXCEPTIONS
EVERY_CLASS(Throw);
#endif
EVERY_CLASS(Expect);

}  // namespace arenakv
