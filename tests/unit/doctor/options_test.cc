#include "doctor/options.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace pollux::doctor {
namespace {

cli::Parsed<Options> parsed(std::vector<const char*> words) {
  words.insert(words.begin(), "pollux-doctor");
  return parse(static_cast<int>(words.size()), words.data());
}

TEST(DoctorOptions, EveryTaskIsUnderstood) {
  EXPECT_EQ(parsed({}).options->task, Task::report);
  const auto reserve =
      parsed({"hugepages", "reserve", "--node", "1", "--size", "1G", "--count", "4"}).options;
  ASSERT_TRUE(reserve);
  EXPECT_EQ(reserve->task, Task::reserve);
  EXPECT_EQ(reserve->node, 1u);
  EXPECT_EQ(reserve->page_bytes, 1u << 30);
  EXPECT_EQ(reserve->count, 4u);
  EXPECT_EQ(parsed({"hugepages", "release"}).options->task, Task::release);
  const auto bind = parsed({"bind", "3B:00.0", "--force", "--force"}).options;
  ASSERT_TRUE(bind);
  EXPECT_EQ(bind->address, "0000:3b:00.0");
  EXPECT_EQ(bind->force, 2u);
  EXPECT_EQ(parsed({"unbind", "0000:3b:00.0", "--driver", "i40e"}).options->driver, "i40e");
  const auto device = parsed({"--wait", "1", "device", "tap:a", "--peer", "af_packet:a"}).options;
  ASSERT_TRUE(device);
  EXPECT_EQ(device->device, "tap:a");
  EXPECT_EQ(device->peer, "af_packet:a");
  EXPECT_EQ(device->wait, 1s);
}

TEST(DoctorOptions, WhatIsWrongIsNamed) {
  const struct {
    std::vector<const char*> words;
    std::string part;
  } rows[] = {
      {{"frobnicate"}, "'frobnicate'"},
      {{"hugepages"}, "hugepages ''"},
      {{"hugepages", "eat"}, "hugepages 'eat'"},
      {{"hugepages", "reserve"}, "how many"},
      {{"hugepages", "reserve", "--count", "0"}, "--count '0'"},
      {{"hugepages", "reserve", "--count", "1", "--size", "4K"}, "--size '4K'"},
      {{"hugepages", "reserve", "--count", "1", "--node", "-1"}, "--node '-1'"},
      {{"bind"}, "bind ''"},
      {{"bind", "eth0"}, "bind 'eth0'"},
      {{"bind", "0000:00:04.0", "--driver", "../x"}, "--driver '../x'"},
      {{"bind", "0000:00:04.0", "--count", "1"}, "not an option of bind"},
      {{"bind", "0000:00:04.0", "and"}, "'and'"},
      {{"device"}, "device ''"},
      {{"device", "floppy:a"}, "device 'floppy:a'"},
      {{"device", "tap:a", "--peer", "b"}, "--peer 'b'"},
      {{"device", "tap:a", "--peer", "tap:a"}, "is the device itself"},
      {{"device", "tap:a", "--root", "/tmp"}, "--root"},
      {{"--nosuch"}, "--nosuch"},
      {{"--count", "1"}, "not an option of the report"},
      {{"--json", "/none/at/all.json"}, "--json '/none/at/all.json'"},
  };
  for (const auto& row : rows) {
    const auto out = parsed(row.words);
    EXPECT_EQ(out.exit_code, 2) << row.part;
    EXPECT_TRUE(out.text.starts_with("error: ")) << out.text;
    EXPECT_NE(out.text.find("; try: "), std::string::npos) << out.text;
    EXPECT_NE(out.text.find(row.part), std::string::npos) << out.text;
  }
}

TEST(DoctorOptions, HelpHasExamplesOfAllTasks) {
  const auto help = parsed({"hugepages", "--help"});
  EXPECT_EQ(help.exit_code, 0);
  for (const char* const word : {"  pollux-doctor hugepages reserve --node", "  pollux-doctor bind",
                                 "  pollux-doctor device", "--json", "--peer"}) {
    EXPECT_NE(help.text.find(word), std::string::npos) << word;
  }
  EXPECT_TRUE(parsed({"--version"}).text.starts_with("pollux-doctor "));
}

}  // namespace
}  // namespace pollux::doctor
