// interleavings.cpp: the search, the memory, and the fibers that stand for threads.
// It knows memory orders; no algorithm of the library.
#include "unit/interleavings.hpp"

#include <ucontext.h>

#include <algorithm>
#include <memory>
#include <unordered_set>

namespace akv::test {
namespace {

using View = std::vector<std::uint16_t>;  // by location: the oldest entry of its history that may still be read

struct Message {
  std::uint64_t value;
  View view;  // what its writer publishes with it
};

struct Fiber {
  ucontext_t context;
  std::unique_ptr<char[]> stack{new char[kStack]};
  std::function<void()> body;
  View view;
  std::uint64_t seen = 0;  // hash of all that its operations have answered: where it is, and with which locals
  bool ended = false;
  static constexpr std::size_t kStack = 256 * 1024;
};

struct Step {
  int thread, location;
  const char *what;
  std::uint64_t value;
};

struct Choice {
  std::uint32_t taken, options;
};

constexpr std::uint32_t kMostSteps = 400;  // of a run: more is a loop without end

bool acquires(std::memory_order order) {
  return order == std::memory_order_acquire || order == std::memory_order_acq_rel || order == std::memory_order_seq_cst;
}
bool releases(std::memory_order order) {
  return order == std::memory_order_release || order == std::memory_order_acq_rel || order == std::memory_order_seq_cst;
}
void join(View &view, const View &other) {
  if (view.size() < other.size()) view.resize(other.size());
  for (std::size_t i = 0; i < other.size(); ++i) view[i] = std::max(view[i], other[i]);
}
std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
  return hash ^ hash >> 29;
}

class Machine {
 public:
  explicit Machine(const ExploreOptions &wanted) : options(wanted) {}

  Exploration search(const std::function<Scenario()> &make);
  void require(bool condition, const std::string &what);

  // Before an operation of a thread: let the search decide who goes on.
  void stop() {
    if (current != nullptr) swapcontext(&current->context, &scheduler);
  }
  std::uint32_t choose(std::uint32_t options_here);
  void did(const char *what, int location, std::uint64_t value) {
    steps.push_back({running, location, what, value});
    if (current != nullptr) current->seen = mix(mix(current->seen, static_cast<std::uint64_t>(location)), value);
  }
  View &view() { return current != nullptr ? current->view : main_view; }
  std::uint16_t &seen_of(int location) {
    View &mine = view();
    if (mine.size() < memory.size()) mine.resize(memory.size());
    return mine[static_cast<std::size_t>(location)];
  }
  std::vector<Message> &history(int location) { return memory[static_cast<std::size_t>(location)]; }
  // Read entry `at`.
  std::uint64_t read(int location, std::size_t at, std::memory_order order) {
    seen_of(location) = static_cast<std::uint16_t>(at);
    if (acquires(order) && !options.plants.no_acquire) join(view(), history(location)[at].view);
    return history(location)[at].value;
  }
  // Append a value; `before`: the view of the entry that an exchange continues (C++20's release sequence).
  void append(int location, std::uint64_t value, std::memory_order order, const View *before) {
    seen_of(location) = static_cast<std::uint16_t>(history(location).size());
    View published;
    if (releases(order) && !options.plants.no_release) published = view();
    if (before != nullptr) join(published, *before);
    history(location).push_back({value, std::move(published)});
  }

  const ExploreOptions options;
  std::vector<std::vector<Message>> memory;
  Fiber *current = nullptr;

 private:
  void run(const std::function<Scenario()> &make);
  void run_threads(Scenario &scenario);
  bool known_state();
  std::string story() const;
  static void enter();

  View main_view;
  std::vector<std::unique_ptr<Fiber>> fibers;
  ucontext_t scheduler{};
  std::vector<Choice> choices;
  std::size_t next_choice = 0;
  std::vector<Step> steps;
  int running = -1;
  std::unordered_set<std::uint64_t> known;
  std::string problem;
};

Machine *machine = nullptr;

void Machine::require(bool condition, const std::string &what) {
  if (condition) return;
  if (problem.empty()) problem = what + story();
  // Nothing that happens after it counts: a fiber never goes on.
  while (current != nullptr) swapcontext(&current->context, &scheduler);
}

std::uint32_t Machine::choose(std::uint32_t options_here) {
  if (options_here == 1) return 0;
  if (next_choice == choices.size()) choices.push_back({0, options_here});
  return choices[next_choice++].taken;
}

bool Machine::known_state() {
  if (next_choice < choices.size()) return false;  // on the way to where the last run has turned off
  std::uint64_t hash = 1;
  const auto add_view = [&hash](const View &view) {
    std::size_t size = view.size();
    while (size != 0 && view[size - 1] == 0) --size;
    hash = mix(hash, size);
    for (std::size_t i = 0; i < size; ++i) hash = mix(hash, view[i]);
  };
  for (const auto &fiber : fibers) {
    hash = mix(hash, fiber->seen * 2 + fiber->ended);
    add_view(fiber->view);
  }
  for (const auto &entries : memory) {
    hash = mix(hash, entries.size());
    for (const Message &message : entries) {
      hash = mix(hash, message.value);
      add_view(message.view);
    }
  }
  return !known.insert(hash).second;
}

void Machine::enter() {
  Fiber &self = *machine->current;
  self.body();
  self.ended = true;
  swapcontext(&self.context, &machine->scheduler);
}

void Machine::run_threads(Scenario &scenario) {
  for (std::size_t i = 0; i < scenario.threads.size(); ++i) {
    if (i == fibers.size()) fibers.push_back(std::make_unique<Fiber>());
    Fiber &fiber = *fibers[i];
    fiber.body = scenario.threads[i];
    fiber.view = main_view;
    fiber.seen = i + 1;
    fiber.ended = false;
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = Fiber::kStack;
    makecontext(&fiber.context, &Machine::enter, 0);
  }
  fibers.resize(scenario.threads.size());
  const auto go = [this](std::size_t which) {
    current = fibers[which].get();
    running = static_cast<int>(which);
    swapcontext(&scheduler, &current->context);
    current = nullptr;
    running = -1;
  };
  for (std::size_t i = 0; i < fibers.size() && problem.empty(); ++i) go(i);  // up to its first operation
  while (problem.empty()) {
    std::vector<std::size_t> ready;
    for (std::size_t i = 0; i < fibers.size(); ++i)
      if (!fibers[i]->ended) ready.push_back(i);
    if (ready.empty()) {
      for (const auto &fiber : fibers) join(main_view, fiber->view);  // as joining the threads would
      scenario.finish();
      return;
    }
    if (known_state()) return;
    go(ready[choose(static_cast<std::uint32_t>(ready.size()))]);
    require(steps.size() < kMostSteps, "a run does not end");
  }
}

void Machine::run(const std::function<Scenario()> &make) {
  memory.clear();
  main_view.clear();
  steps.clear();
  next_choice = 0;
  Scenario scenario = make();
  run_threads(scenario);
}

Exploration Machine::search(const std::function<Scenario()> &make) {
  Exploration result;
  for (;;) {
    run(make);
    ++result.runs;
    if (!problem.empty()) break;
    choices.resize(next_choice);
    while (!choices.empty() && choices.back().taken + 1 == choices.back().options) choices.pop_back();
    if (choices.empty()) break;
    ++choices.back().taken;
  }
  result.states = known.size();
  result.problem = problem;
  return result;
}

std::string Machine::story() const {
  std::string text;
  for (const Step &step : steps) {
    if (step.thread < 0) continue;
    text += "\n  thread " + std::to_string(step.thread) + " " + step.what + " location " +
            std::to_string(step.location) + ": " + std::to_string(step.value);
  }
  return text;
}

}  // namespace

namespace checker {

const Plants &plants() { return machine->options.plants; }

int new_location(std::uint64_t value) {
  machine->memory.push_back({Message{value, {}}});
  return static_cast<int>(machine->memory.size()) - 1;
}

std::uint64_t load(int location, std::memory_order order) {
  machine->stop();
  const std::size_t size = machine->history(location).size(), oldest = machine->seen_of(location);
  const bool stale = machine->options.stale_reads && machine->current != nullptr;
  const std::size_t back = stale ? machine->choose(static_cast<std::uint32_t>(size - oldest)) : 0;
  const std::uint64_t value = machine->read(location, size - 1 - back, order);
  machine->did("reads", location, value);
  return value;
}

void store(int location, std::uint64_t value, std::memory_order order) {
  machine->stop();
  machine->append(location, value, order, nullptr);
  machine->did("writes", location, value);
}

std::uint64_t read_modify_write(int location, const std::function<std::uint64_t(std::uint64_t)> &change,
                                std::memory_order order) {
  machine->stop();
  const std::size_t last = machine->history(location).size() - 1;
  const std::uint64_t before = machine->read(location, last, order);
  const View view = machine->history(location)[last].view;
  machine->append(location, change(before), order, &view);
  machine->did("exchanges", location, before);
  return before;
}

// It succeeds on the newest value only; it may fail on any that is not the expected one.
bool compare_exchange(int location, std::uint64_t &expected, std::uint64_t desired, std::memory_order success,
                      std::memory_order failure, bool wide) {
  machine->stop();
  const std::uint64_t mask = wide ? plants().compare : ~0ull;
  const std::size_t last = machine->history(location).size() - 1;
  std::vector<std::size_t> possible;
  for (std::size_t at = last + 1; at-- > machine->seen_of(location);) {
    const bool equal = ((machine->history(location)[at].value ^ expected) & mask) == 0;
    if (equal ? at == last : at == last || machine->options.stale_reads) possible.push_back(at);
  }
  const std::size_t at = possible[machine->choose(static_cast<std::uint32_t>(possible.size()))];
  if (((machine->history(location)[at].value ^ expected) & mask) != 0) {
    expected = machine->read(location, at, failure);
    machine->did("fails to exchange", location, expected);
    return false;
  }
  const std::uint64_t before = machine->read(location, at, success);
  const View view = machine->history(location)[at].view;
  machine->append(location, desired, success, &view);
  machine->did("exchanges", location, before);
  return true;
}

std::uint64_t touch(int location, bool write, std::uint64_t value) {
  machine->require(machine->seen_of(location) == machine->history(location).size() - 1, "a race on plain data");
  if (write) machine->append(location, value, std::memory_order_relaxed, nullptr);
  value = machine->history(location).back().value;
  machine->did(write ? "sets" : "gets", location, value);
  return value;
}

}  // namespace checker

void require(bool condition, const char *what) { machine->require(condition, what); }

Exploration explore(const std::function<Scenario()> &make, const ExploreOptions &options) {
  Machine one(options);
  machine = &one;
  const Exploration result = one.search(make);
  machine = nullptr;
  return result;
}

}  // namespace akv::test
