// catch.hpp: Catch2 2.13 (Debian 12's) or 3, whichever is there.
// It knows no test.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
