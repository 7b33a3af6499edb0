#include "sim/pcap.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "sim/world.h"
#include "toy_host.h"

namespace pollux::sim {
namespace {

std::string temporary(const char* name) {
  return testing::TempDir() + "pollux-" + std::to_string(getpid()) + "-" + name;
}

std::vector<std::byte> contents(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  std::ostringstream text;
  text << in.rdbuf();
  const std::string string = text.str();
  std::vector<std::byte> out(string.size());
  std::memcpy(out.data(), string.data(), string.size());
  return out;
}
std::uint32_t host_u32(const std::vector<std::byte>& bytes, std::size_t at) {
  std::uint32_t out;
  std::memcpy(&out, bytes.data() + at, sizeof out);
  return out;
}

TEST(Pcap, BlocksAreWellFormed) {
  const std::string path = temporary("blocks.pcapng");
  {
    Result<PcapWriter> writer = PcapWriter::create(path);
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE(writer->add_interface("left").ok());
    ASSERT_EQ(*writer->add_interface("right"), 1u);
    for (std::size_t size = 0; size < 9; ++size) {
      const std::vector<std::byte> frame(size, std::byte{0x77});
      ASSERT_TRUE(writer->write(1, at(5s + 7ns), frame, Direction::inbound).ok());
    }
    EXPECT_EQ(writer->frames(), 9u);
  }
  const std::vector<std::byte> bytes = contents(path);
  std::vector<std::uint32_t> types;
  for (std::size_t i = 0; i < bytes.size();) {
    const std::uint32_t length = host_u32(bytes, i + 4);
    ASSERT_EQ(length % 4, 0u);
    ASSERT_LE(i + length, bytes.size());
    ASSERT_EQ(host_u32(bytes, i + length - 4), length);
    types.push_back(host_u32(bytes, i));
    if (types.back() == 6) {
      EXPECT_EQ(host_u32(bytes, i + 8), 1u);
      const std::uint64_t time = std::uint64_t{host_u32(bytes, i + 12)} << 32;
      EXPECT_EQ(time | host_u32(bytes, i + 16), 5'000'000'007u);
      EXPECT_EQ(host_u32(bytes, i + 20), types.size() - 4);
    }
    i += length;
  }
  ASSERT_EQ(types.size(), 12u);
  EXPECT_EQ(types[0], 0x0A0D0D0Au);
  EXPECT_EQ(types[1], 1u);
  EXPECT_EQ(types[3], 6u);
  std::filesystem::remove(path);
}

TEST(Pcap, AnImpossiblePathIsAnErrorWithAReason) {
  const Result<PcapWriter> writer = PcapWriter::create("/no/such/folder/x.pcapng");
  ASSERT_FALSE(writer.ok());
  EXPECT_EQ(writer.error().kind, Error::Kind::machine);
  EXPECT_NE(writer.error().what.find("/no/such/folder/x.pcapng"), std::string::npos);
  EXPECT_FALSE(writer.error().why.empty());
}

TEST(Pcap, AFullDiskIsAnErrorThatStays) {
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full here";
  Result<PcapWriter> writer = PcapWriter::create("/dev/full");
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE(writer->add_interface("x").ok());
  const std::vector<std::byte> frame(1514);
  bool failed = false;
  for (int i = 0; i < 1000 && !failed; ++i) failed = !writer->write(0, at(0s), frame).ok();
  EXPECT_TRUE(failed);
  EXPECT_FALSE(writer->write(0, at(0s), frame).ok());
  EXPECT_FALSE(writer->flush().ok());
}

TEST(Pcap, AWorldWhoseCaptureFailsSaysSo) {
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full here";
  World world{1};
  Device& a = world.add_device({.name = "a", .mac = toy_mac(1)});
  Device& b = world.add_device({.name = "b", .mac = toy_mac(2)});
  world.connect(a, b, LinkOptions{});
  ToySender sender{a, toy_mac(2), 1000, 10, 1ms, 1000};
  ToyEcho echo{b};
  world.add_host(sender, {&a});
  world.add_host(echo, {&b});
  Result<PcapWriter> writer = PcapWriter::create("/dev/full");
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE(world.capture(&*writer).ok());
  const Status status = world.run_until(at(10s));
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().what.find("/dev/full"), std::string::npos);
}

std::string output_of(const std::string& command) {
  std::string out;
  std::FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return out;
  std::array<char, 4096> buffer;
  for (std::size_t n; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) != 0;) {
    out.append(buffer.data(), n);
  }
  pclose(pipe);
  return out;
}

TEST(Pcap, TsharkReadsWhatAWorldWrites) {
  if (output_of("command -v tshark").empty()) GTEST_SKIP() << "tshark is not installed";
  const std::string path = temporary("world.pcapng");
  {
    World world{1};
    Device& a = world.add_device({.name = "a", .mac = toy_mac(1)});
    Device& b = world.add_device({.name = "b", .mac = toy_mac(2)});
    world.connect(a, b, {.delay = 3ms + 5ns});
    ToySender sender{a, toy_mac(2), 1, 1, 1ms, 101};
    ToyEcho echo{b};
    world.add_host(sender, {&a});
    world.add_host(echo, {&b});
    Result<PcapWriter> writer = PcapWriter::create(path);
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE(world.capture(&*writer).ok());
    ASSERT_TRUE(world.run_until(at(1s)).ok());
    ASSERT_TRUE(writer->flush().ok());
  }
  EXPECT_EQ(output_of("tshark -r '" + path +
                      "' -T fields -E separator=' ' -e frame.interface_name -e frame.time_epoch"
                      " -e frame.len -e frame.packet_flags_direction -e eth.src 2>/dev/null"),
            "a 0.000000000 101 0x00000002 02:00:00:00:00:01\n"
            "b 0.003000005 101 0x00000001 02:00:00:00:00:01\n"
            "b 0.003000005 101 0x00000002 02:00:00:00:00:02\n"
            "a 0.006000010 101 0x00000001 02:00:00:00:00:02\n");
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace pollux::sim
