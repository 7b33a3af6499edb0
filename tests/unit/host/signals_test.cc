#include "host/signals.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>

namespace pollux::host {
namespace {

// Each test dies in a process of its own, so that no handler outlives it.

TEST(SignalsDeathTest, TheFirstAsksForAnOrderlyEnd) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    EXPECT_EXIT(
        {
          ::signal(number, SIG_DFL);
          install_signal_handlers();
          if (stop_requested()) std::_Exit(9);
          ::raise(number);
          std::_Exit(stop_requested() ? 0 : 8);
        },
        testing::ExitedWithCode(0), "");
  }
}

TEST(SignalsDeathTest, TheSecondEndsAtOnce) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        install_signal_handlers();
        ::raise(SIGINT);
        ::raise(SIGTERM);
        std::_Exit(0);
      },
      testing::KilledBySignal(SIGTERM), "");
}

TEST(SignalsDeathTest, AWishFromInsideIsNoFirstSignal) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        install_signal_handlers();
        request_stop();
        if (!stop_requested()) std::_Exit(9);
        ::raise(SIGINT);
        std::_Exit(0);
      },
      testing::ExitedWithCode(0), "");
}

TEST(SignalsDeathTest, AnIgnoredHangUpStaysIgnored) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        ::signal(SIGHUP, SIG_IGN);
        install_signal_handlers();
        ::raise(SIGHUP);
        std::_Exit(stop_requested() ? 8 : 0);
      },
      testing::ExitedWithCode(0), "");
}

TEST(SignalsDeathTest, ABrokenPipeIsAnErrorOfTheWrite) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        install_signal_handlers();
        int ends[2];
        if (::pipe(ends) != 0) std::_Exit(9);
        ::close(ends[0]);
        std::_Exit(::write(ends[1], "x", 1) == -1 ? 0 : 8);
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace pollux::host
