#include "wire/field.h"

#include <gtest/gtest.h>

#include "bytes.h"

namespace pollux::wire {
namespace {

using testing::bytes;
using testing::Bytes;

TEST(Field, IsMostSignificantByteFirst) {
  Bytes b = bytes({0x12, 0x34, 0x56, 0x78, 0x9A});
  EXPECT_EQ(load_u8(b.data()), 0x12);
  EXPECT_EQ(load_u16(b.data()), 0x1234);
  EXPECT_EQ(load_u32(b.data()), 0x1234'5678u);
  store_u8(b.data(), 0xFF);
  store_u16(b.data() + 1, 0xABCD);
  EXPECT_EQ(b, bytes({0xFF, 0xAB, 0xCD, 0x78, 0x9A}));
  store_u32(b.data() + 1, 0x0102'0304);
  EXPECT_EQ(b, bytes({0xFF, 1, 2, 3, 4}));
}

TEST(Field, MayLieAtAnyOffset) {
  Prng prng{2};
  for (std::size_t offset = 0; offset < 8; ++offset) {
    Bytes b(offset + 4);
    for (int i = 0; i < 100; ++i) {
      const std::uint32_t number = prng.next32();
      store_u32(b.data() + offset, number);
      EXPECT_EQ(load_u32(b.data() + offset), number);
      EXPECT_EQ(load_u16(b.data() + offset), number >> 16);
      EXPECT_EQ(load_u16(b.data() + offset + 2), number & 0xFFFF);
      EXPECT_EQ(load_u8(b.data() + offset + 3), number & 0xFF);
    }
  }
}

TEST(Field, SwapIsItsOwnInverse) {
  EXPECT_EQ(swapped_to_wire(swapped_to_wire(std::uint16_t{0x1234})), 0x1234);
  EXPECT_EQ(swapped_to_wire(swapped_to_wire(std::uint32_t{0x1234'5678})), 0x1234'5678u);
}

}  // namespace
}  // namespace pollux::wire
