#include "base/memory.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

namespace pollux {
namespace {

constexpr std::size_t mebibyte = std::size_t{1} << 20;

TEST(Reservation, IsZeroedWritableAndAtLeastAsLargeAsAsked) {
  auto made = Reservation::make(10'000, false);
  ASSERT_TRUE(made.ok());
  ASSERT_GE(made->size(), 10'000u);
  EXPECT_EQ(made->data()[0], std::byte{0});
  EXPECT_EQ(made->data()[9'999], std::byte{0});
  made->data()[9'999] = std::byte{7};
  EXPECT_EQ(made->data()[9'999], std::byte{7});
}

TEST(Reservation, OfNothingIsEmpty) {
  auto made = Reservation::make(0, true);
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->data(), nullptr);
  EXPECT_EQ(made->size(), 0u);
  EXPECT_EQ(made->resident(), 0u);
}

TEST(Reservation, FarMoreThanTheMachineHasIsOnlyAddressSpace) {
  auto made = Reservation::make(std::size_t{1} << 38, false);
  ASSERT_TRUE(made.ok()) << made.error().why;
  made->data()[0] = std::byte{1};
  made->data()[made->size() - 1] = std::byte{1};
}

TEST(Reservation, MemoryFollowsUse) {
  auto made = Reservation::make(64 * mebibyte, false);
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->resident(), 0u);
  made->data()[0] = std::byte{1};
  EXPECT_GT(made->resident(), 0u);
  EXPECT_LE(made->resident(), 2 * mebibyte) << "one page, or one huge page";
}

TEST(Reservation, HugeIsAlignedToHugePages) {
  for (const std::size_t size : {std::size_t{1}, 2 * mebibyte, 5 * mebibyte}) {
    auto made = Reservation::make(size, true);
    ASSERT_TRUE(made.ok());
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(made->data()) % (2 * mebibyte), 0u);
    EXPECT_GE(made->size(), size);
    made->data()[0] = std::byte{1};
    made->data()[made->size() - 1] = std::byte{1};
  }
}

TEST(Reservation, HugeIsTakenAtOnce) {
  auto made = Reservation::make(8 * mebibyte, true);
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->resident(), made->size());
}

TEST(Reservation, HugeThatTheMachineHasNotIsOnlyAddressSpace) {
  auto made = Reservation::make(std::size_t{1} << 44, true);
  ASSERT_TRUE(made.ok()) << made.error().why;
  made->data()[0] = std::byte{1};
}

TEST(Reservation, ImpossibleSizesFailWithAReason) {
  for (const std::size_t size :
       {std::numeric_limits<std::size_t>::max(), std::numeric_limits<std::size_t>::max() / 2}) {
    auto made = Reservation::make(size, true);
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.error().kind, Error::Kind::machine);
    EXPECT_FALSE(made.error().why.empty());
    EXPECT_FALSE(made.error().remedy.empty());
  }
}

TEST(Reservation, MovesItsOwnership) {
  auto made = Reservation::make(mebibyte, false);
  ASSERT_TRUE(made.ok());
  Reservation a = std::move(*made);
  std::byte* const where = a.data();
  where[5] = std::byte{5};
  Reservation b;
  b = std::move(a);
  EXPECT_EQ(b.data(), where);
  EXPECT_EQ(b.data()[5], std::byte{5});
  EXPECT_EQ(a.data(), nullptr);  // NOLINT(bugprone-use-after-move): empty is the promise
  EXPECT_EQ(a.size(), 0u);
}

}  // namespace
}  // namespace pollux
