#include "application/copy.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "fake_stack.h"

namespace pollux::application {
namespace {

struct Session {};

TEST(Write, TakesWhatThereIsRoomForInWhateverPieces) {
  FakeStack<Session> stack;
  auto stream = stack.open();
  auto& c = stack.connections[0];
  c.window = 8;
  c.most_reserved = 3;
  EXPECT_EQ(write(stream, "hello world"), 8u);
  EXPECT_EQ(c.output, "hello wo");
  EXPECT_TRUE(c.wants_room);
  EXPECT_EQ(write(stream, "rld"), 0u);
  c.taken = 8;
  EXPECT_EQ(write(stream, "rld"), 3u);
  EXPECT_EQ(c.output, "hello world");
  EXPECT_EQ(write(stream, ""), 0u);
}

TEST(Read, FillsWhatItIsGivenAcrossPiecesAndNoMore) {
  FakeStack<Session> stack;
  auto stream = stack.open();
  stack.connections[0].input = {"he", "llo ", "world"};
  std::array<char, 7> got{};
  EXPECT_EQ(read(stream, std::as_writable_bytes(std::span{got})), 7u);
  EXPECT_EQ(std::string(got.data(), 7), "hello w");
  EXPECT_EQ(read(stream, std::as_writable_bytes(std::span{got})), 4u);
  EXPECT_EQ(std::string(got.data(), 4), "orld");
  EXPECT_EQ(read(stream, std::as_writable_bytes(std::span{got})), 0u);
}

}  // namespace
}  // namespace pollux::application
