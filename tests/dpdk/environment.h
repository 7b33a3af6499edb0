#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "base/result.h"
#include "dpdk/eal.h"

namespace pollux::test {

/// As a program prints it.
inline std::string text_of(const Error& error) {
  return "error: " + error.what + ": " + error.why + "; try: " + error.remedy;
}

/// DPDK's environment for all tests of this process, started with the first that asks, without huge
/// pages and without a privilege.
inline dpdk::Eal& eal() {
  static dpdk::Eal started = [] {
    Result<dpdk::Eal> result =
        dpdk::Eal::start({.no_huge = true, .memory_bytes = std::size_t{512} << 20});
    if (!result) {
      ADD_FAILURE() << text_of(result.error());
      std::exit(1);
    }
    return *std::move(result);
  }();
  return started;
}

/// The value, or a test that fails with what a user would read.
template <class T>
T must(Result<T> result) {
  if (!result) {
    ADD_FAILURE() << text_of(result.error());
    std::exit(1);
  }
  return *std::move(result);
}

}  // namespace pollux::test
