// subjects.hpp: what kernelcheck checks and times: a file for each, which main.cpp lists.
// It knows names.
#pragma once

namespace kernelcheck {

class Checker;
class Bench;

struct Subject {
  const char *name;
  void (*check)(Checker &);
  void (*bench)(Bench &);
};

extern const Subject attention, copies, formats;

}  // namespace kernelcheck
