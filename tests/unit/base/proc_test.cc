#include "base/proc.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

namespace pollux {
namespace {

TEST(ProcBytes, AreThoseBehindTheLabel) {
  const std::string path = testing::TempDir() + "proc_bytes." + std::to_string(getpid());
  std::ofstream(path) << "MemFree:   7 kB\nMemAvailable:  3 kB\nHuge: none\n";
  EXPECT_EQ(proc_bytes(path.c_str(), "MemAvailable:"), 3u << 10);
  EXPECT_EQ(proc_bytes(path.c_str(), "Huge:"), 0u);
  EXPECT_EQ(proc_bytes(path.c_str(), "Absent:"), 0u);
  std::remove(path.c_str());
  EXPECT_EQ(proc_bytes(path.c_str(), "MemFree:"), 0u);
}

}  // namespace
}  // namespace pollux
