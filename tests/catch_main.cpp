// catch_main.cpp: the main function of the Catch2 programs where Catch2 2.13 does not bring one.
// It knows no test.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
