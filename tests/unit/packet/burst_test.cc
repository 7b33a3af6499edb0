#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "packet/packet.h"

namespace pollux::packet {
namespace {

/// Counts which buffers are out and how often each came back.
struct ToyPool {
  std::vector<int> returned;
};

/// The least that is a Packet: a number for a buffer, and a small array for its bytes.
class ToyPacket {
 public:
  ToyPacket() noexcept = default;
  ToyPacket(ToyPool& pool, int id) noexcept : pool_(&pool), id_(id) {}
  ToyPacket(ToyPacket&& other) noexcept
      : pool_(std::exchange(other.pool_, nullptr)),
        id_(other.id_),
        storage_(other.storage_),
        begin_(other.begin_),
        end_(other.end_) {}
  ToyPacket& operator=(ToyPacket&& other) noexcept {
    if (this == &other) return *this;
    give_back();
    pool_ = std::exchange(other.pool_, nullptr);
    id_ = other.id_;
    storage_ = other.storage_;
    begin_ = other.begin_;
    end_ = other.end_;
    return *this;
  }
  ~ToyPacket() { give_back(); }

  explicit operator bool() const noexcept { return pool_ != nullptr; }
  int id() const noexcept { return id_; }
  std::span<const std::byte> bytes() const noexcept { return {&storage_[begin_], end_ - begin_}; }
  std::span<std::byte> mutable_bytes() noexcept { return {&storage_[begin_], end_ - begin_}; }
  std::size_t headroom() const noexcept { return begin_; }
  std::size_t tailroom() const noexcept { return storage_.size() - end_; }
  std::span<std::byte> prepend(std::size_t n) noexcept {
    begin_ -= n;
    return {&storage_[begin_], n};
  }
  std::span<std::byte> append(std::size_t n) noexcept {
    end_ += n;
    return {&storage_[end_ - n], n};
  }
  std::span<std::byte> lay_out(std::size_t front, std::size_t behind) noexcept {
    append(behind);
    prepend(front);
    return mutable_bytes();
  }
  void drop_front(std::size_t n) noexcept { begin_ += n; }
  void keep_front(std::size_t n) noexcept { end_ = begin_ + n; }
  /// Its device cuts nothing, so that nobody chains.
  void attach(ToyPacket) noexcept { POLLUX_ASSERT(false); }
  std::size_t length() const noexcept { return end_ - begin_; }
  Verified ip_verified() const noexcept { return Verified::unknown; }
  Verified l4_verified() const noexcept { return Verified::unknown; }
  std::optional<std::uint32_t> rss_hash() const noexcept { return std::nullopt; }
  void request(const ChecksumRequest&) noexcept {}

 private:
  void give_back() noexcept {
    if (pool_ != nullptr) pool_->returned.push_back(id_);
    pool_ = nullptr;
  }
  ToyPool* pool_ = nullptr;
  int id_ = -1;
  std::array<std::byte, 256> storage_{};
  std::size_t begin_ = 128;
  std::size_t end_ = 128;
};

static_assert(Packet<ToyPacket>);
static_assert(!Packet<int>);

struct Copyable : ToyPacket {
  Copyable() = default;
  Copyable(const Copyable&) noexcept : ToyPacket() {}
  Copyable& operator=(const Copyable&) noexcept { return *this; }
};
static_assert(!Packet<Copyable>, "two owners of one buffer");

using Ids = std::vector<int>;

template <std::size_t Capacity>
Ids ids(Burst<ToyPacket, Capacity>& burst) {
  Ids out;
  for (const ToyPacket& p : burst) out.push_back(p.id());
  return out;
}

TEST(Burst, KeepsOrder) {
  ToyPool pool;
  Burst<ToyPacket, 4> burst;
  EXPECT_TRUE(burst.empty());
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(burst.room(), 4u - static_cast<std::size_t>(i));
    burst.push(ToyPacket{pool, i});
  }
  EXPECT_TRUE(burst.full());
  EXPECT_EQ(ids(burst), (Ids{0, 1, 2, 3}));
  EXPECT_EQ(burst[2].id(), 2);
  EXPECT_TRUE(pool.returned.empty());
}

TEST(Burst, ClearReturnsEachBufferOnce) {
  ToyPool pool;
  Burst<ToyPacket, 4> burst;
  for (int i = 0; i < 4; ++i) burst.push(ToyPacket{pool, i});
  const ToyPacket taken = std::move(burst[1]);
  burst.clear();
  EXPECT_TRUE(burst.empty());
  EXPECT_EQ(pool.returned, (Ids{0, 2, 3}));
  burst.clear();
  EXPECT_EQ(pool.returned.size(), 3u);
  EXPECT_TRUE(taken);
}

TEST(Burst, ItsEndReturnsEachBufferOnce) {
  ToyPool pool;
  {
    Burst<ToyPacket, 4> burst;
    for (int i = 0; i < 3; ++i) burst.push(ToyPacket{pool, i});
  }
  std::sort(pool.returned.begin(), pool.returned.end());
  EXPECT_EQ(pool.returned, (Ids{0, 1, 2}));
}

TEST(Burst, ForgetsTheFrontThatWasMovedOut) {
  for (std::size_t n = 0; n <= 4; ++n) {
    ToyPool pool;
    Burst<ToyPacket, 4> burst;
    for (int i = 0; i < 4; ++i) burst.push(ToyPacket{pool, i});
    for (std::size_t i = 0; i < n; ++i) ToyPacket{std::move(burst[i])};
    EXPECT_EQ(pool.returned.size(), n);
    burst.remove_front(n);
    EXPECT_EQ(burst.size(), 4 - n);
    for (std::size_t i = 0; i < burst.size(); ++i) {
      EXPECT_EQ(burst[i].id(), static_cast<int>(n + i));
    }
    EXPECT_EQ(pool.returned.size(), n);
    burst.clear();
    std::sort(pool.returned.begin(), pool.returned.end());
    EXPECT_EQ(pool.returned, (Ids{0, 1, 2, 3}));
  }
}

TEST(Burst, IsFilledAndDrainedInPlace) {
  ToyPool pool;
  Burst<ToyPacket, 4> burst;
  burst.data()[0] = ToyPacket{pool, 7};
  burst.data()[1] = ToyPacket{pool, 8};
  burst.resize_after_fill(2);
  EXPECT_EQ(ids(burst), (Ids{7, 8}));
  burst.clear();
  EXPECT_EQ(pool.returned, (Ids{7, 8}));
}

TEST(ToyPacket, GrowsAndShrinksAtBothEnds) {
  ToyPool pool;
  ToyPacket p{pool, 1};
  EXPECT_TRUE(p.bytes().empty());
  EXPECT_EQ(p.append(10).size(), 10u);
  const std::span<std::byte> front = p.prepend(4);
  EXPECT_EQ(front.size(), 4u);
  EXPECT_EQ(front.data(), p.bytes().data());
  EXPECT_EQ(p.bytes().size(), 14u);
  p.drop_front(4);
  p.keep_front(3);
  EXPECT_EQ(p.bytes().size(), 3u);
  EXPECT_EQ(p.headroom() + p.bytes().size() + p.tailroom(), 256u);
}

}  // namespace
}  // namespace pollux::packet
