#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <vector>

#include "base/prng.h"
#include "pipeline/connection.h"
#include "pipeline/receive_queue.h"
#include "pipeline/send_queue.h"
#include "sim/frame.h"

namespace pollux::pipeline {
namespace {

using sim::Frame;

std::byte byte_at(std::uint32_t i) { return static_cast<std::byte>(i * 7 + (i >> 8)); }

// What each of millions of open connections takes.
struct SixteenBytes {
  std::uint64_t words[2];
};
static_assert(sizeof(Connection<Frame, SixteenBytes>) == 192);
static_assert(sizeof(SendPiece<Frame>) == 48 && sizeof(ReceivePiece<Frame>) == 32);

class Queues : public testing::Test {
 protected:
  Frame packet_of(std::uint32_t first, std::size_t n, std::size_t in_front = 0) {
    Frame frame = frames_.allocate();
    const auto to = frame.append(in_front + n);
    for (std::size_t i = 0; i < n; ++i) {
      to[in_front + i] = byte_at(first + static_cast<std::uint32_t>(i));
    }
    return frame;
  }

  sim::FramePool frames_{4096, 2048};
};

class SendQueueTest : public Queues {
 protected:
  SendQueue<Frame>::Pieces pieces_ = *SendQueue<Frame>::Pieces::make(1024);
  SendQueue<Frame> queue_;
};

TEST_F(SendQueueTest, CutsAnyRangeOutOfPiecesOfAnySizeWithTheRightSum) {
  const SeqNum base{0xFFFF'FF00};
  std::vector<std::byte> all(5000);
  for (std::uint32_t i = 0; i < all.size(); ++i) all[i] = byte_at(i);
  Prng prng{1};
  std::uint32_t queued = 0;
  while (queued < all.size()) {
    const auto n = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(1 + prng.below(300), all.size() - queued));
    ASSERT_TRUE(queue_.push(pieces_, base + queued, {all.data() + queued, n}));
    queued += n;
  }
  std::uint32_t una = 0;
  for (int round = 0; round < 2000; ++round) {
    if (prng.chance(0.05)) {
      una += static_cast<std::uint32_t>(prng.below(std::min<std::uint64_t>(200, 5000 - una) + 1));
      queue_.release(pieces_, base + una);
    }
    if (una == 5000) break;
    const auto from = una + static_cast<std::uint32_t>(prng.below(5000 - una));
    const auto n = static_cast<std::uint32_t>(prng.below(5000 - from) + 1);
    std::vector<std::byte> out(n);
    const wire::Sum sum = queue_.copy(pieces_, base + from, out);
    ASSERT_TRUE(std::equal(out.begin(), out.end(), all.begin() + from));
    ASSERT_EQ(wire::fold(sum), wire::fold(wire::Sum{out}));
  }
  queue_.release(pieces_, base + 5000);
  EXPECT_TRUE(queue_.empty());
  EXPECT_EQ(pieces_.size(), 0u);
}

TEST_F(SendQueueTest, TakesASumThatIsKnownForTheWholePieceAlone) {
  for (const std::uint32_t size : {1u, 99u, 100u}) {
    std::vector<std::byte> bytes(size);
    for (std::uint32_t i = 0; i < size; ++i) bytes[i] = byte_at(i + 7);
    auto known = application::StaticSpan{bytes.data(), size}.with_sum();
    ASSERT_TRUE(queue_.push(pieces_, SeqNum{10}, known));
    std::vector<std::byte> whole(size);
    const std::byte more{0x5A};  // behind an odd number of bytes it has another place in the sum
    EXPECT_EQ(wire::fold(queue_.copy(pieces_, SeqNum{10}, whole).add({&more, 1})),
              wire::fold(wire::Sum{bytes}.add({&more, 1})));
    EXPECT_EQ(whole, bytes);
    for (std::uint32_t from = 0; from < size; from += 49) {
      std::vector<std::byte> part(size - from - (from == 0 && size > 1 ? 1 : 0));
      EXPECT_EQ(wire::fold(queue_.copy(pieces_, SeqNum{10} + from, part)),
                wire::fold(wire::Sum{std::span{bytes}.subspan(from, part.size())}));
    }
    queue_.clear(pieces_);
    // The sum is believed, which shows that it is taken at all.
    known.sum = static_cast<std::uint16_t>(known.sum + 1);
    ASSERT_TRUE(queue_.push(pieces_, SeqNum{10}, known));
    EXPECT_NE(wire::fold(queue_.copy(pieces_, SeqNum{10}, whole)), wire::fold(wire::Sum{bytes}));
    queue_.clear(pieces_);
  }
}

TEST_F(SendQueueTest, GrowsTheTailInItsPacketAndReturnsPacketsOnceAcknowledged) {
  Frame frame = packet_of(0, 100);
  const auto bytes = frame.bytes();
  ASSERT_TRUE(queue_.push(pieces_, SeqNum{10}, std::move(frame), bytes.data(), 100));
  Frame* tail = queue_.tail_owner(pieces_);
  ASSERT_NE(tail, nullptr);
  const auto more = tail->append(50);
  for (std::uint32_t i = 0; i < 50; ++i) more[i] = byte_at(100 + i);
  queue_.grow_tail(pieces_, 50);
  std::vector<std::byte> out(150);
  queue_.copy(pieces_, SeqNum{10}, out);
  for (std::uint32_t i = 0; i < 150; ++i) ASSERT_EQ(out[i], byte_at(i));
  queue_.release(pieces_, SeqNum{159});
  EXPECT_EQ(frames_.live(), 1u);
  queue_.release(pieces_, SeqNum{160});
  EXPECT_EQ(frames_.live(), 0u);
}

TEST_F(SendQueueTest, AFullSlabRefusesAndKeepsWhatIsThere) {
  auto pieces = *SendQueue<Frame>::Pieces::make(1);
  const std::byte byte{1};
  EXPECT_TRUE(queue_.push(pieces, SeqNum{0}, {&byte, 1}));
  EXPECT_FALSE(queue_.push(pieces, SeqNum{1}, {&byte, 1}));
  queue_.release(pieces, SeqNum{1});
  EXPECT_TRUE(queue_.push(pieces, SeqNum{1}, {&byte, 1}));
  queue_.clear(pieces);
  EXPECT_TRUE(queue_.empty());
}

TEST_F(SendQueueTest, SaysHowManyPacketsItOwnsWhateverPiecesLieBetweenThem) {
  const std::byte byte{1};
  std::uint32_t queued = 0;
  for (int i = 0; i < 5; ++i) {
    Frame frame = packet_of(0, 10);
    const auto bytes = frame.bytes();
    ASSERT_TRUE(queue_.push(pieces_, SeqNum{queued}, {&byte, 1}));
    ASSERT_TRUE(queue_.push(pieces_, SeqNum{queued + 1}, std::move(frame), bytes.data(), 10));
    queued += 11;
  }
  EXPECT_EQ(queue_.owned(pieces_), 5);
  EXPECT_EQ(queue_.release(pieces_, SeqNum{1}), 0u);
  EXPECT_EQ(queue_.owned(pieces_), 5);
  EXPECT_EQ(queue_.release(pieces_, SeqNum{11}), 1u);
  EXPECT_EQ(queue_.owned(pieces_), 4);
  EXPECT_EQ(queue_.release(pieces_, SeqNum{34}), 2u);
  EXPECT_EQ(queue_.owned(pieces_), 2);
  EXPECT_EQ(queue_.clear(pieces_), 2u);
  EXPECT_EQ(queue_.owned(pieces_), 0);
  EXPECT_EQ(frames_.live(), 0u);
}

class ReceiveQueueTest : public Queues {
 protected:
  /// Text [first, first + n) of the stream, behind 40 bytes of headers.
  void insert(std::uint32_t first, std::uint16_t n) {
    const bool in_order = first <= rcv_nxt_ && rcv_nxt_ < first + n;
    ASSERT_TRUE(queue_.insert(pieces_, packet_of(first, n, 40), start_ + first, 40, n, in_order));
    there_.resize(std::max<std::size_t>(there_.size(), first + n + 1));
    std::fill_n(there_.begin() + first, n, true);
    while (there_[rcv_nxt_]) ++rcv_nxt_;
  }
  std::string read_all(std::uint32_t up_to) {
    std::string out;
    for (;;) {
      const auto bytes = queue_.readable(pieces_, start_ + up_to);
      if (bytes.empty()) return out;
      for (const std::byte b : bytes) out.push_back(static_cast<char>(b));
      queue_.consume(pieces_, static_cast<std::uint32_t>(bytes.size()));
    }
  }
  static std::string expected(std::uint32_t from, std::uint32_t to) {
    std::string out;
    for (std::uint32_t i = from; i < to; ++i) out.push_back(static_cast<char>(byte_at(i)));
    return out;
  }

  const SeqNum start_{0xFFFF'FFF0};
  ReceiveQueue<Frame>::Pieces pieces_ = *ReceiveQueue<Frame>::Pieces::make(1024);
  ReceiveQueue<Frame> queue_;
  std::vector<bool> there_;
  std::uint32_t rcv_nxt_ = 0;
};

TEST_F(ReceiveQueueTest, TextPastAGapWaitsUntilTheGapIsFilled) {
  queue_.start_at(start_);
  insert(500, 500);
  EXPECT_EQ(read_all(0), "");
  insert(0, 500);
  EXPECT_EQ(read_all(1000), expected(0, 1000));
  EXPECT_TRUE(queue_.empty());
  EXPECT_EQ(frames_.live(), 0u);
}

TEST_F(ReceiveQueueTest, OverlapsAreReadOnce) {
  queue_.start_at(start_);
  insert(1000, 600);
  insert(1400, 600);
  insert(1100, 300);
  insert(0, 1001);
  EXPECT_EQ(read_all(2000), expected(0, 2000));
  EXPECT_EQ(frames_.live(), 0u);
}

TEST_F(ReceiveQueueTest, ManySmallPiecesShareAPacket) {
  queue_.start_at(start_);
  for (std::uint32_t i = 0; i < 1000; ++i) insert(i, 1);
  EXPECT_LE(frames_.live(), 2u);
  EXPECT_EQ(read_all(1000), expected(0, 1000));
}

TEST_F(ReceiveQueueTest, ManySmallPiecesShareAPacketBeforeAGap) {
  queue_.start_at(start_);
  insert(1'500, 1);
  for (std::uint32_t i = 0; i < 1'000; ++i) insert(i, 1);
  EXPECT_LE(queue_.count(pieces_), 3);
  EXPECT_EQ(read_all(1000), expected(0, 1000));
  for (std::uint32_t i = 1'000; i < 1'500; ++i) insert(i, 1);
  EXPECT_EQ(read_all(1501), expected(1'000, 1'501));
  EXPECT_EQ(frames_.live(), 0u);
}

TEST_F(ReceiveQueueTest, APartlyReadPieceGoesOnWhereItStopped) {
  queue_.start_at(start_);
  insert(0, 900);
  auto bytes = queue_.readable(pieces_, start_ + 900);
  ASSERT_EQ(bytes.size(), 900u);
  queue_.consume(pieces_, 13);
  insert(900, 50);
  EXPECT_EQ(read_all(950), expected(13, 950));
}

TEST_F(ReceiveQueueTest, APeekShowsWhatReadingWillGiveUpToTheGap) {
  queue_.start_at(start_);
  insert(0, 600);
  insert(600, 500);
  insert(900, 400);
  insert(2'000, 300);
  queue_.consume(pieces_, 7);
  std::array<std::byte, 4'000> to{};
  ASSERT_EQ(queue_.peek(pieces_, start_ + 1'300, to), 1'293u);
  std::string seen;
  for (std::size_t i = 0; i < 1'293; ++i) seen.push_back(static_cast<char>(to[i]));
  EXPECT_EQ(seen, expected(7, 1'300));
  EXPECT_EQ(queue_.peek(pieces_, start_ + 1'300, std::span{to}.first(100)), 100u);
  EXPECT_EQ(read_all(1'300), expected(7, 1'300)) << "nothing was taken";
}

TEST_F(ReceiveQueueTest, RandomPiecesInRandomOrderGiveTheStream) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Prng prng{seed};
    queue_ = {};
    queue_.start_at(start_);
    there_.clear();
    rcv_nxt_ = 0;
    const std::uint32_t size = 4000;
    std::string got;
    while (rcv_nxt_ < size) {
      const auto first = static_cast<std::uint32_t>(rcv_nxt_ + prng.below(size - rcv_nxt_));
      const auto n =
          static_cast<std::uint16_t>(std::min<std::uint64_t>(1 + prng.below(700), size - first));
      const std::uint32_t from = prng.chance(0.3) ? rcv_nxt_ : first;
      const auto length = static_cast<std::uint16_t>(std::min<std::uint32_t>(n, size - from));
      if (pieces_.available() < 10) break;
      insert(from, length);
      if (prng.chance(0.5)) got += read_all(rcv_nxt_);
    }
    got += read_all(rcv_nxt_);
    ASSERT_EQ(got, expected(0, rcv_nxt_)) << "seed " << seed;
    queue_.clear(pieces_);
    ASSERT_EQ(frames_.live(), 0u);
  }
}

}  // namespace
}  // namespace pollux::pipeline
