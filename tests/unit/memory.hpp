// memory.hpp: a reservation for a unit test, planned and taken in one go.
// It knows what is under test only by its two functions plan() and take_memory().
#pragma once

#include "catch.hpp"
#include "mem/reservation.hpp"

namespace akv::test {

template <class T, class... Sizes>
struct WithMemory {
  explicit WithMemory(Sizes... sizes) {
    T::plan(memory, static_cast<std::uint32_t>(sizes)...);
    REQUIRE(memory.commit(nullptr, false) == AKV_OK);
    thing.take_memory(memory, static_cast<std::uint32_t>(sizes)...);
  }
  Reservation memory;
  T thing;
};

}  // namespace akv::test
