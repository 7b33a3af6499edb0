#include "internet/reassembly.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "datagrams.h"

namespace pollux::internet {
namespace {

namespace protocol = wire::protocol;

struct Piece {
  std::uint32_t offset = 0;
  Bytes text;
  bool more = false;
  std::uint16_t identification = 1;
  std::uint8_t protocol = protocol::udp;
  std::uint8_t ecn = 0;
  Bytes options = {};
};

Bytes fragment(const Piece& piece) {
  wire::Ipv4Fields fields = from_peer(piece.protocol);
  fields.identification = piece.identification;
  fields.fragment_offset_bytes = static_cast<std::uint16_t>(piece.offset);
  fields.more_fragments = piece.more;
  fields.tos = piece.ecn;
  return datagram(fields, piece.text, piece.options);
}

/// A piece of a payload, in bytes from..to.
Piece cut(const Bytes& payload, std::size_t from, std::size_t to,
          std::uint16_t identification = 1) {
  Piece piece;
  piece.offset = static_cast<std::uint32_t>(from);
  piece.text.assign(payload.begin() + static_cast<std::ptrdiff_t>(from),
                    payload.begin() + static_cast<std::ptrdiff_t>(to));
  piece.more = to < payload.size();
  piece.identification = identification;
  return piece;
}

/// Feeds a Reassembler and keeps the books: received = delivered + dropped + held.
struct Fed {
  explicit Fed(Reassembler::Config config = {}) : it(std::move(*Reassembler::make(config))) {}

  Reassembled add(const Piece& piece) {
    const Bytes bytes = fragment(piece);
    return add(bytes);
  }
  Reassembled add(const Bytes& bytes) {
    const Reassembled result = it.add(view(bytes), now);
    ++received;
    (result.drop == Drop::none ? delivered : dropped) += result.concluded;
    dropped += result.evicted;
    EXPECT_EQ(result.datagram.empty(), result.drop != Drop::none || result.concluded == 0);
    if (result.drop != Drop::none) {
      EXPECT_GT(result.concluded, 0u);
    }
    EXPECT_EQ(received, delivered + dropped + it.frames_held());
    return result;
  }
  std::vector<std::pair<std::uint32_t, Bytes>> expire_at(Instant when) {
    now = when;
    std::vector<std::pair<std::uint32_t, Bytes>> out;
    it.expire(now, [&](const Reassembler::Expired& gone) {
      out.emplace_back(gone.frames, Bytes(gone.first.begin(), gone.first.end()));
      dropped += gone.frames;
    });
    EXPECT_EQ(received, delivered + dropped + it.frames_held());
    return out;
  }

  Reassembler it;
  Instant now{};
  std::uint64_t received = 0;
  std::uint64_t delivered = 0;
  std::uint64_t dropped = 0;
};

/// That the result is one whole, readable datagram with this payload.
void expect_whole(const Reassembled& result, const Bytes& payload) {
  ASSERT_FALSE(result.datagram.empty());
  wire::Ipv4View whole;
  ASSERT_EQ(wire::Ipv4View::parse(result.datagram, whole), Drop::none);
  EXPECT_TRUE(whole.checksum_ok());
  EXPECT_FALSE(whole.is_fragment());
  EXPECT_EQ(whole.total_length(), result.datagram.size());
  EXPECT_EQ(whole.source(), peer);
  EXPECT_EQ(whole.destination(), us);
  ASSERT_EQ(whole.payload().size(), payload.size());
  EXPECT_TRUE(std::equal(payload.begin(), payload.end(), whole.payload().begin()));
}

TEST(Reassembly, TwoPiecesInEitherOrder) {
  const Bytes payload = pattern(2000);
  for (const bool reversed : {false, true}) {
    Fed fed;
    const Piece a = cut(payload, 0, 1480);
    const Piece b = cut(payload, 1480, 2000);
    const Reassembled first = fed.add(reversed ? b : a);
    EXPECT_EQ(first.concluded, 0u);
    EXPECT_EQ(fed.it.frames_held(), 1u);
    const Reassembled second = fed.add(reversed ? a : b);
    EXPECT_EQ(second.concluded, 2u);
    expect_whole(second, payload);
    EXPECT_EQ(fed.it.frames_held(), 0u);
    EXPECT_FALSE(fed.it.next_deadline());
  }
}

TEST(Reassembly, TheLargestDatagramFitsAndOneByteMoreDoesNot) {
  const Bytes payload = pattern(65515);
  Fed fed;
  for (std::size_t at = 0; at < payload.size(); at += 1480) {
    const Reassembled result =
        fed.add(cut(payload, at, std::min<std::size_t>(payload.size(), at + 1480)));
    ASSERT_EQ(result.drop, Drop::none);
    if (result.concluded > 0) expect_whole(result, payload);
  }
  EXPECT_EQ(fed.delivered, 45u);
  Piece over;
  over.offset = 65512;
  over.text = pattern(4);
  EXPECT_EQ(fed.add(over).drop, Drop::fragment_malformed);
  over.text = pattern(3);
  EXPECT_EQ(fed.add(over).drop, Drop::none);
  over.offset = 65528;
  over.text = pattern(1);
  EXPECT_EQ(fed.add(over).drop, Drop::fragment_malformed);
}

TEST(Reassembly, OptionsOfTheFirstFragmentCountTowardsTheLength) {
  Fed fed;
  const Bytes payload = pattern(65515);
  EXPECT_EQ(fed.add(cut(payload, 40000, 65515)).drop, Drop::none);
  Piece first = cut(payload, 0, 40000);
  first.options = bytes_of({1, 1, 1, 1});
  const Reassembled result = fed.add(first);
  EXPECT_EQ(result.drop, Drop::fragment_malformed);
  EXPECT_EQ(result.concluded, 2u);

  const Bytes small = pattern(48);
  Piece a = cut(small, 0, 24);
  a.options = bytes_of({148, 4, 0, 0});
  EXPECT_EQ(fed.add(cut(small, 24, 48)).drop, Drop::none);
  const Reassembled whole = fed.add(a);
  expect_whole(whole, small);
  EXPECT_EQ(view(Bytes(whole.datagram.begin(), whole.datagram.end())).header_length(), 24u);
}

TEST(Reassembly, KeysKeepDatagramsApart) {
  const Bytes one = pattern(64, 1);
  const Bytes two = pattern(64, 2);
  Fed fed;
  EXPECT_EQ(fed.add(cut(one, 0, 32, 1)).concluded, 0u);
  EXPECT_EQ(fed.add(cut(two, 32, 64, 2)).concluded, 0u);
  Piece other_protocol = cut(two, 32, 64, 1);
  other_protocol.protocol = protocol::icmp;
  EXPECT_EQ(fed.add(other_protocol).concluded, 0u);
  expect_whole(fed.add(cut(one, 32, 64, 1)), one);
  expect_whole(fed.add(cut(two, 0, 32, 2)), two);
  EXPECT_EQ(fed.it.frames_held(), 1u);
}

TEST(Reassembly, MalformedFragmentsAreRefusedAlone) {
  Fed fed;
  Piece piece;
  piece.more = true;
  EXPECT_EQ(fed.add(piece).drop, Drop::fragment_malformed) << "empty";
  piece.text = pattern(12);
  EXPECT_EQ(fed.add(piece).drop, Drop::fragment_malformed) << "no multiple of eight";
  piece.more = false;
  piece.offset = 8;
  piece.text.clear();
  EXPECT_EQ(fed.add(piece).drop, Drop::fragment_malformed) << "an empty end";
  EXPECT_EQ(fed.it.frames_held(), 0u);
  EXPECT_FALSE(fed.it.next_deadline());
}

TEST(Reassembly, TcpHeadersMayNotBeHidden) {
  Fed fed;
  Piece piece;
  piece.protocol = protocol::tcp;
  piece.more = true;
  piece.text = pattern(8);
  EXPECT_EQ(fed.add(piece).drop, Drop::fragment_tiny) << "flags beyond the first fragment";
  piece.offset = 8;
  EXPECT_EQ(fed.add(piece).drop, Drop::fragment_tiny) << "flags overwritten";
  piece.offset = 0;
  piece.text = pattern(16);
  EXPECT_EQ(fed.add(piece).drop, Drop::none);
  piece.offset = 16;
  EXPECT_EQ(fed.add(piece).drop, Drop::none);
}

TEST(Reassembly, ADuplicateIsDroppedAlone) {
  const Bytes payload = pattern(96);
  Fed fed;
  EXPECT_EQ(fed.add(cut(payload, 32, 64)).concluded, 0u);
  const Reassembled again = fed.add(cut(payload, 32, 64));
  EXPECT_EQ(again.drop, Drop::fragment_duplicate);
  EXPECT_EQ(again.concluded, 1u);
  EXPECT_EQ(fed.add(cut(payload, 40, 48)).drop, Drop::fragment_duplicate) << "a part of it";
  EXPECT_EQ(fed.add(cut(payload, 64, 96)).concluded, 0u);
  EXPECT_EQ(fed.add(cut(payload, 64, 96)).drop, Drop::fragment_duplicate);
  EXPECT_EQ(fed.add(cut(payload, 32, 96)).drop, Drop::fragment_duplicate) << "two of them";
  expect_whole(fed.add(cut(payload, 0, 32)), payload);
}

TEST(Reassembly, AnOverlapCondemnsTheDatagramAndWhatStillComesOfIt) {
  const Bytes payload = pattern(96);
  Fed fed;
  EXPECT_EQ(fed.add(cut(payload, 0, 32)).concluded, 0u);
  const Reassembled overlap = fed.add(cut(payload, 24, 64));
  EXPECT_EQ(overlap.drop, Drop::fragment_overlap);
  EXPECT_EQ(overlap.concluded, 2u);
  EXPECT_EQ(fed.it.frames_held(), 0u);
  for (const auto& [from, to] : {std::pair{0, 32}, {32, 64}, {64, 96}}) {
    const Reassembled later =
        fed.add(cut(payload, static_cast<std::size_t>(from), static_cast<std::size_t>(to)));
    EXPECT_EQ(later.drop, Drop::fragment_overlap);
    EXPECT_EQ(later.concluded, 1u);
  }
  // It says nothing when it expires, and then the identification is free again.
  const auto gone = fed.expire_at(Instant{30s});
  ASSERT_EQ(gone.size(), 1u);
  EXPECT_EQ(gone[0].first, 0u);
  EXPECT_TRUE(gone[0].second.empty());
  EXPECT_EQ(fed.add(cut(payload, 0, 48)).concluded, 0u);
  expect_whole(fed.add(cut(payload, 48, 96)), payload);
}

TEST(Reassembly, ContradictionsCondemn) {
  const Bytes payload = pattern(96);
  const auto drop_of = [&](std::initializer_list<Piece> pieces) {
    Fed fed;
    Drop last = Drop::none;
    for (const Piece& piece : pieces) last = fed.add(piece).drop;
    EXPECT_EQ(fed.it.frames_held(), 0u);
    return last;
  };
  Piece other_text = cut(payload, 32, 64);
  other_text.text[5] ^= std::byte{1};
  EXPECT_EQ(drop_of({cut(payload, 32, 64), other_text}), Drop::fragment_overlap);
  Piece covers_more = cut(payload, 24, 72);
  EXPECT_EQ(drop_of({cut(payload, 32, 64), covers_more}), Drop::fragment_overlap);
  Piece end_at_64 = cut(payload, 32, 64);
  end_at_64.more = false;
  EXPECT_EQ(drop_of({cut(payload, 64, 96), end_at_64}), Drop::fragment_overlap) << "two ends";
  EXPECT_EQ(drop_of({end_at_64, cut(payload, 64, 96)}), Drop::fragment_overlap) << "two ends";
  EXPECT_EQ(drop_of({end_at_64, cut(payload, 32, 64)}), Drop::fragment_overlap)
      << "an end that goes on";
  EXPECT_EQ(drop_of({cut(payload, 32, 64), end_at_64}), Drop::fragment_overlap)
      << "more that is the end";
  EXPECT_EQ(drop_of({end_at_64, cut(payload, 72, 80)}), Drop::fragment_overlap)
      << "text past the end";
  EXPECT_EQ(drop_of({cut(payload, 72, 80), end_at_64}), Drop::fragment_overlap)
      << "an end before the text";
}

TEST(Reassembly, TimeoutReportsTheFirstFragment) {
  const Bytes payload = pattern(3000);
  Fed fed;
  fed.now = Instant{5s};
  EXPECT_EQ(fed.add(cut(payload, 0, 1480)).concluded, 0u);
  fed.now = Instant{20s};
  EXPECT_EQ(fed.add(cut(payload, 1480, 2960)).concluded, 0u);
  EXPECT_EQ(fed.it.next_deadline(), Instant{35s});
  EXPECT_TRUE(fed.expire_at(Instant{35s - 1ns}).empty());
  const auto gone = fed.expire_at(Instant{35s});
  ASSERT_EQ(gone.size(), 1u);
  EXPECT_EQ(gone[0].first, 2u);
  EXPECT_EQ(gone[0].second, fragment(cut(payload, 0, 1480)));
  EXPECT_EQ(fed.it.frames_held(), 0u);
  EXPECT_FALSE(fed.it.next_deadline());
}

TEST(Reassembly, TimeoutWithoutTheFirstFragmentSaysNothing) {
  const Bytes payload = pattern(3000);
  Fed fed;
  EXPECT_EQ(fed.add(cut(payload, 1480, 2960)).concluded, 0u);
  const auto gone = fed.expire_at(Instant{30s});
  ASSERT_EQ(gone.size(), 1u);
  EXPECT_EQ(gone[0].first, 1u);
  EXPECT_TRUE(gone[0].second.empty());
}

TEST(Reassembly, TheOldestMakesRoom) {
  Reassembler::Config config;
  config.datagrams = 3;
  const Bytes payload = pattern(96);
  Fed fed{config};
  for (std::uint16_t id = 1; id <= 3; ++id) {
    fed.now += 1s;
    EXPECT_EQ(fed.add(cut(payload, 0, 32, id)).concluded, 0u);
    EXPECT_EQ(fed.add(cut(payload, 32, 64, id)).concluded, 0u);
  }
  const Reassembled fourth = fed.add(cut(payload, 0, 32, 4));
  EXPECT_EQ(fourth.evicted, 2u);
  EXPECT_EQ(fourth.concluded, 0u);
  EXPECT_EQ(fed.it.next_deadline(), Instant{32s});
  expect_whole(fed.add(cut(payload, 64, 96, 2)), payload);
  // The one that went is begun anew by its last piece, and never whole.
  EXPECT_EQ(fed.add(cut(payload, 64, 96, 1)).concluded, 0u);
}

TEST(Reassembly, FragmentsOfOneDatagramAreBounded) {
  Reassembler::Config config;
  config.fragments = 4;
  const Bytes payload = pattern(800);
  Fed fed{config};
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(fed.add(cut(payload, i * 16, i * 16 + 8)).concluded, 0u);
  }
  const Reassembled fifth = fed.add(cut(payload, 64, 72));
  EXPECT_EQ(fifth.drop, Drop::fragment_no_room);
  EXPECT_EQ(fifth.concluded, 5u);
  EXPECT_EQ(fed.add(cut(payload, 80, 88)).drop, Drop::fragment_no_room);
}

TEST(Reassembly, FlushGivesUpAll) {
  const Bytes payload = pattern(96);
  Fed fed;
  for (std::uint16_t id = 1; id <= 5; ++id) {
    EXPECT_EQ(fed.add(cut(payload, 0, 32, id)).concluded, 0u);
  }
  EXPECT_EQ(fed.it.flush(), 5u);
  EXPECT_EQ(fed.it.frames_held(), 0u);
  EXPECT_FALSE(fed.it.next_deadline());
  EXPECT_EQ(fed.it.flush(), 0u);
}

TEST(Reassembly, CongestionMarksAreJoined) {
  const Bytes payload = pattern(96);
  const auto whole = [&](std::uint8_t a, std::uint8_t b) {
    Fed fed;
    Piece first = cut(payload, 0, 32);
    first.ecn = a;
    Piece second = cut(payload, 32, 96);
    second.ecn = b;
    EXPECT_EQ(fed.add(first).concluded, 0u);
    const Reassembled result = fed.add(second);
    if (result.drop != Drop::none) return std::optional<int>{};
    wire::Ipv4View out;
    EXPECT_EQ(wire::Ipv4View::parse(result.datagram, out), Drop::none);
    EXPECT_TRUE(out.checksum_ok());
    return std::optional<int>{out.ecn()};
  };
  EXPECT_EQ(whole(0, 0), 0);
  EXPECT_EQ(whole(2, 2), 2);
  EXPECT_EQ(whole(2, 3), 3);
  EXPECT_EQ(whole(3, 2), 3);
  EXPECT_EQ(whole(1, 3), 3);
  EXPECT_FALSE(whole(0, 3));
  EXPECT_FALSE(whole(3, 0));
}

/// What a reassembler is, said byte by byte.
class Naive {
 public:
  enum class Fate { held, duplicate, condemned, whole };

  Fate add(const Piece& piece) {
    if (condemned_) return Fate::condemned;
    const std::uint32_t end = piece.offset + static_cast<std::uint32_t>(piece.text.size());
    bool any = false;
    bool all = true;
    bool same = true;
    for (std::uint32_t at = piece.offset; at < end; ++at) {
      const auto known = bytes_.find(at);
      any |= known != bytes_.end();
      all &= known != bytes_.end();
      same &= known == bytes_.end() || known->second == piece.text[at - piece.offset];
    }
    const bool past_end = end_ && (end > *end_ || (piece.more && end == *end_));
    const bool moved_end =
        !piece.more && (end_ ? *end_ != end : !bytes_.empty() && bytes_.rbegin()->first + 1 >= end);
    if (past_end || moved_end || (any && !all) || !same) {
      condemned_ = true;
      return Fate::condemned;
    }
    if (all) return Fate::duplicate;
    for (std::uint32_t at = piece.offset; at < end; ++at) {
      bytes_[at] = piece.text[at - piece.offset];
    }
    if (!piece.more) end_ = end;
    return end_ && bytes_.size() == *end_ ? Fate::whole : Fate::held;
  }
  Bytes payload() const {
    Bytes out;
    for (const auto& [at, value] : bytes_) out.push_back(value);
    return out;
  }

 private:
  std::map<std::uint32_t, std::byte> bytes_;
  std::optional<std::uint32_t> end_;
  bool condemned_ = false;
};

/// Cuts payloads at random, then repeats, shifts and damages pieces and shuffles all.
std::vector<Piece> random_pieces(Prng& random, std::uint16_t id, double trouble) {
  const Bytes payload = pattern(16 + random.below(random.chance(0.1) ? 4000 : 300), id);
  std::vector<Piece> pieces;
  for (std::size_t at = 0; at < payload.size();) {
    const std::size_t to = std::min<std::size_t>(payload.size(), at + 8 * (1 + random.below(8)));
    if (at == 0 && to == payload.size()) break;  // no fragment
    pieces.push_back(cut(payload, at, to, id));
    at = to;
  }
  const std::size_t proper = pieces.size();
  for (std::size_t i = 0; i < proper; ++i) {
    if (random.chance(trouble)) pieces.push_back(pieces[i]);
    if (random.chance(trouble / 4)) {
      const std::size_t from = random.below(payload.size()) & ~std::size_t{7};
      const std::size_t to =
          std::min<std::size_t>(payload.size(), from + 8 * (1 + random.below(12)));
      if (from > 0 || to < payload.size()) pieces.push_back(cut(payload, from, to, id));
    }
    if (random.chance(trouble / 8)) {
      Piece damaged = pieces[i];
      damaged.text[random.below(damaged.text.size())] ^= std::byte{4};
      pieces.push_back(damaged);
    }
    if (random.chance(trouble / 16) && pieces[i].text.size() % 8 == 0) {
      Piece flipped = pieces[i];
      flipped.more = !flipped.more;
      if (flipped.offset > 0 || flipped.more) pieces.push_back(flipped);
    }
  }
  return pieces;
}

TEST(Reassembly, AgreesWithANaiveModel) {
  std::size_t wholes = 0;
  std::size_t condemnations = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE(seed);
    Prng random{seed};
    const double trouble = seed % 2 == 0 ? 0.0 : 0.3;
    std::vector<Piece> pieces;
    for (std::uint16_t id = 1; id <= 10; ++id) {
      for (Piece& piece : random_pieces(random, id, trouble)) pieces.push_back(std::move(piece));
    }
    for (std::size_t i = pieces.size(); i > 1; --i) {
      std::swap(pieces[i - 1], pieces[random.below(i)]);
    }
    Reassembler::Config config;
    config.fragments = 10'000;
    Fed fed{config};
    std::map<std::uint16_t, Naive> model;
    for (const Piece& piece : pieces) {
      const Naive::Fate fate = model[piece.identification].add(piece);
      const Reassembled result = fed.add(piece);
      switch (fate) {
        case Naive::Fate::held:
          ASSERT_EQ(result.concluded, 0u);
          break;
        case Naive::Fate::duplicate:
          ASSERT_EQ(result.drop, Drop::fragment_duplicate);
          break;
        case Naive::Fate::condemned:
          ASSERT_EQ(result.drop, Drop::fragment_overlap);
          ++condemnations;
          break;
        case Naive::Fate::whole:
          ASSERT_EQ(result.drop, Drop::none);
          expect_whole(result, model[piece.identification].payload());
          model.erase(piece.identification);
          ++wholes;
          break;
      }
      ASSERT_FALSE(testing::Test::HasFailure());
    }
    if (trouble == 0.0) {
      EXPECT_EQ(fed.it.frames_held(), 0u);
    }
  }
  EXPECT_GT(wholes, 1000u);
  EXPECT_GT(condemnations, 100u);
}

TEST(Reassembly, TheBooksBalanceWhateverComes) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    Prng random{seed};
    Reassembler::Config config;
    config.datagrams = static_cast<std::uint32_t>(1 + random.below(6));
    config.fragments = static_cast<std::uint32_t>(2 + random.below(20));
    Fed fed{config};
    for (int i = 0; i < 1500; ++i) {
      Piece piece;
      piece.identification = static_cast<std::uint16_t>(random.below(8));
      piece.protocol = random.chance(0.2) ? protocol::tcp : protocol::udp;
      piece.offset = static_cast<std::uint32_t>(8 * random.below(random.chance(0.1) ? 8192 : 40));
      piece.text = pattern(8 * random.below(12) + (random.chance(0.2) ? 3 : 0), 1);
      piece.more = random.chance(0.8) || piece.offset == 0;
      piece.ecn = static_cast<std::uint8_t>(random.below(4));
      fed.add(piece);
      if (random.chance(0.05)) {
        fed.expire_at(fed.now + Duration{random.below(20'000'000'000)});
      }
      if (random.chance(0.002)) fed.dropped += fed.it.flush();
    }
    fed.expire_at(fed.now + 30s);
    EXPECT_EQ(fed.it.frames_held(), 0u);
    EXPECT_EQ(fed.received, fed.delivered + fed.dropped);
  }
}

}  // namespace
}  // namespace pollux::internet
