#include "internet/fragment.h"

#include <gtest/gtest.h>

#include <array>

namespace pollux::internet {
namespace {

TEST(Fragmenter, WhatFitsIsOnePiece) {
  Fragmenter pieces{1480, 1500};
  EXPECT_EQ(pieces.count(), 1u);
  const auto only = pieces.next();
  ASSERT_TRUE(only);
  EXPECT_EQ(only->offset, 0);
  EXPECT_EQ(only->length, 1480);
  EXPECT_FALSE(only->more);
  EXPECT_FALSE(pieces.next());
}

TEST(Fragmenter, OneByteMoreIsTwoPieces) {
  Fragmenter pieces{1481, 1500};
  EXPECT_EQ(pieces.count(), 2u);
  const auto first = pieces.next();
  EXPECT_EQ(first->length, 1480);
  EXPECT_TRUE(first->more);
  const auto second = pieces.next();
  EXPECT_EQ(second->offset, 1480);
  EXPECT_EQ(second->length, 1);
  EXPECT_FALSE(second->more);
  EXPECT_FALSE(pieces.next());
}

TEST(Fragmenter, EmptyPayloadIsOneEmptyPiece) {
  Fragmenter pieces{0, 1500};
  const auto only = pieces.next();
  ASSERT_TRUE(only);
  EXPECT_EQ(only->length, 0);
  EXPECT_FALSE(only->more);
  EXPECT_FALSE(pieces.next());
}

TEST(Fragmenter, RefusesWhatNoDatagramHolds) {
  EXPECT_EQ(Fragmenter(max_payload + 1, 1500).count(), 0u);
  EXPECT_FALSE(Fragmenter(max_payload + 1, 1500).next());
  EXPECT_FALSE(Fragmenter(100, 67).next());
  EXPECT_EQ(Fragmenter(max_payload, 1500).count(), 45u);
}

TEST(Fragmenter, PiecesCoverThePayloadInOrderAndFit) {
  for (const std::uint16_t mtu : {68, 69, 75, 76, 296, 576, 1500, 9000, 65535}) {
    for (std::size_t payload = 0; payload <= max_payload; payload += 1 + payload / 9) {
      Fragmenter pieces{payload, mtu};
      std::size_t at = 0;
      std::size_t count = 0;
      bool more = true;
      while (const auto piece = pieces.next()) {
        ++count;
        ASSERT_TRUE(more);
        ASSERT_EQ(piece->offset, at);
        ASSERT_LE(20u + piece->length, mtu);
        if (piece->more) {
          ASSERT_EQ(piece->length % 8, 0);
          ASSERT_GT(20u + piece->length + 8u, mtu) << "no smaller than need be";
        }
        at += piece->length;
        more = piece->more;
      }
      ASSERT_EQ(at, payload);
      ASSERT_FALSE(more);
      ASSERT_EQ(count, pieces.count());
    }
  }
}

TEST(Fragmenter, HeaderOfAPieceIsThatOfTheWholeButForItsPlace) {
  wire::Ipv4Fields whole;
  whole.identification = 77;
  whole.protocol = wire::protocol::udp;
  whole.tos = 4;
  const wire::Ipv4Fields piece = fragment_header(whole, {1480, 520, true});
  EXPECT_EQ(piece.total_length, 540);
  EXPECT_EQ(piece.fragment_offset_bytes, 1480);
  EXPECT_TRUE(piece.more_fragments);
  EXPECT_EQ(piece.identification, 77);
  EXPECT_EQ(piece.tos, 4);
}

}  // namespace
}  // namespace pollux::internet
