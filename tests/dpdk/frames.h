#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "base/prng.h"
#include "link/device.h"

namespace pollux::test {

/// An EtherType for local experiments (IEEE 802), which no kernel answers.
inline constexpr std::uint16_t experimental_type = 0x88B5;

/// Frame `number` of stream `stream`: broadcast, of a length and a content that follow from the two
/// numbers alone. From 60 bytes, Ethernet's least, to 1,514.
inline std::vector<std::byte> test_frame(std::uint64_t stream, std::uint64_t number) {
  Prng random(stream << 32 | number);
  std::vector<std::byte> frame(60 + random.next() % 1'455);
  for (std::byte& byte : frame) byte = static_cast<std::byte>(random.next());
  for (std::size_t i = 0; i < 6; ++i) frame[i] = std::byte{0xFF};
  frame[6] = std::byte{0x02};
  frame[12] = static_cast<std::byte>(experimental_type >> 8);
  frame[13] = static_cast<std::byte>(experimental_type & 0xFF);
  return frame;
}

inline bool is_experimental(std::span<const std::byte> frame) {
  return frame.size() >= 14 && frame[12] == static_cast<std::byte>(experimental_type >> 8) &&
         frame[13] == static_cast<std::byte>(experimental_type & 0xFF);
}

/// True until ten seconds after it was made.
class Patience {
 public:
  explicit operator bool() const {
    return std::chrono::steady_clock::now() - begin_ < std::chrono::seconds(10);
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

/// One end of an exchange: sends its stream and checks that the other end's comes whole, in order
/// and unchanged.
template <link::Device D>
class End {
 public:
  End(D& device, std::uint64_t sends, std::uint64_t expects, std::uint64_t count)
      : device_(device), sends_(sends), expects_(expects), count_(count) {}

  bool done() const { return sent_ == count_ && received_ == count_ && out_.empty(); }
  std::uint64_t received() const { return received_; }

  void turn() {
    for (int i = 0; i < 16 && !out_.full() && sent_ < count_; ++i) {
      auto packet = device_.allocate();
      if (!packet) break;
      const std::vector<std::byte> frame = test_frame(sends_, sent_++);
      // Half of it grows to the front, as headers do.
      const std::size_t half = frame.size() < 200 ? 20 : 0;
      std::memcpy(packet.append(frame.size() - half).data(), frame.data() + half,
                  frame.size() - half);
      if (half != 0) std::memcpy(packet.prepend(half).data(), frame.data(), half);
      out_.push(std::move(packet));
    }
    device_.transmit(out_);
    device_.receive(in_);
    for (auto& packet : in_) {
      if (!is_experimental(packet.bytes())) continue;
      const std::vector<std::byte> expected = test_frame(expects_, received_++);
      const auto got = packet.bytes();
      ASSERT_EQ(std::vector<std::byte>(got.begin(), got.end()), expected)
          << "frame " << received_ - 1;
    }
    in_.clear();
  }

 private:
  D& device_;
  std::uint64_t sends_;
  std::uint64_t expects_;
  std::uint64_t count_;
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
  mutable packet::Burst<typename D::Packet, link::burst_size> out_;
  mutable packet::Burst<typename D::Packet, link::burst_size> in_;
};

/// Sends `count` frames each way between two devices, both polled by this thread in turn.
template <link::Device A, link::Device B>
void exchange(A& near, B& far, std::uint64_t count) {
  End<A> a(near, 1, 2, count);
  End<B> b(far, 2, 1, count);
  const Patience patience;
  while (!(a.done() && b.done()) && patience) {
    ASSERT_NO_FATAL_FAILURE(a.turn());
    ASSERT_NO_FATAL_FAILURE(b.turn());
  }
  EXPECT_EQ(a.received(), count);
  EXPECT_EQ(b.received(), count);
}

}  // namespace pollux::test
