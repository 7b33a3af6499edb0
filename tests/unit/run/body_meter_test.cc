// How long a reply's body is, however its bytes are cut.

#include "load/body_meter.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace pollux::load {
namespace {

class Bodies : public testing::Test {
 protected:
  void feed(std::uint32_t stream, std::string_view text) {
    meter_.feed(stream, std::as_bytes(std::span{text}));
  }
  BodyMeter meter_ = std::move(*BodyMeter::make(100));
};

const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";

TEST_F(Bodies, IsWhatFollowsTheHeadWhereverItIsCut) {
  const std::string reply = head + "12345";
  for (std::size_t cut = 0; cut <= reply.size(); ++cut) {
    feed(7, reply.substr(0, cut));
    feed(7, reply.substr(cut));
    EXPECT_EQ(meter_.take(7), 5u) << cut;
  }
  for (const char c : reply) feed(7, std::string_view{&c, 1});
  EXPECT_EQ(meter_.take(7), 5u);
}

TEST_F(Bodies, AnEmptyLineOfTheBodyIsItsOwn) {
  feed(7, head + "\r\n\r\n\r");
  EXPECT_EQ(meter_.take(7), 5u);
}

TEST_F(Bodies, ALineEndThatBeginsAnewIsSeen) {
  feed(7, "HTTP/1.1 200 OK\r\n\r\r\n\r\nabc");
  EXPECT_EQ(meter_.take(7), 3u);
}

TEST_F(Bodies, WithoutABodyIsNothing) {
  feed(7, "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(meter_.take(7), 0u);
  EXPECT_EQ(meter_.take(7), 0u);
}

TEST_F(Bodies, EachStreamHasItsOwn) {
  feed(1, head + "12");
  feed(99, head);
  feed(1, "345");
  feed(99, "1");
  EXPECT_EQ(meter_.take(1), 5u);
  EXPECT_EQ(meter_.take(99), 1u);
  feed(1, head + "x");
  EXPECT_EQ(meter_.take(1), 1u) << "begun anew";
}

}  // namespace
}  // namespace pollux::load
