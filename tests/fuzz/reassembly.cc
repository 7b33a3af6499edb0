// Fragments in any order, against a reassembler that is slow and plain: a list of the pieces.

#include "internet/reassembly.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <optional>
#include <vector>

#include "input.h"
#include "wire/ipv4.h"

namespace pollux::fuzz {
namespace {

using internet::Reassembled;
using internet::Reassembler;

constexpr Reassembler::Config config{.datagrams = 3, .fragments = 8, .timeout = 30s};

struct Piece {
  std::vector<std::byte> text;
  bool more = false;
  std::uint8_t ecn = 0;
};

/// What is known of one datagram, by its identification, which is all that keys differ in here.
struct Plain {
  std::map<std::size_t, Piece> pieces;  // by offset; they never overlap
  Drop condemned = Drop::none;
  Instant deadline;

  std::size_t reached() const {
    if (pieces.empty()) return 0;
    return pieces.rbegin()->first + pieces.rbegin()->second.text.size();
  }
  std::optional<std::size_t> end() const {
    if (pieces.empty() || pieces.rbegin()->second.more) return std::nullopt;
    return reached();
  }
  /// How many bytes of [at, at + n) are here, and whether they are these.
  std::size_t present(std::size_t at, std::span<const std::byte> text, bool& same) const {
    std::size_t count = 0;
    for (const auto& [offset, piece] : pieces) {
      const std::size_t from = std::max(at, offset);
      const std::size_t to = std::min(at + text.size(), offset + piece.text.size());
      if (from >= to) continue;
      count += to - from;
      same = same && std::equal(&text[from - at], &text[from - at] + (to - from),
                                &piece.text[from - offset]);
    }
    return count;
  }
  bool whole() const {
    std::size_t at = 0;
    for (const auto& [offset, piece] : pieces) {
      if (offset != at) return false;
      at += piece.text.size();
    }
    return end().has_value();
  }
};

class Model {
 public:
  struct Expected {
    Drop drop = Drop::none;
    std::uint32_t concluded = 0;
    std::uint32_t evicted = 0;
    std::vector<std::byte> payload;  // of a datagram that is complete
  };

  Expected add(const wire::Ipv4View& fragment, Instant now) {
    const std::size_t at = fragment.fragment_offset_bytes();
    const auto text = fragment.payload();
    const bool more = fragment.more_fragments();
    Expected out;
    if (text.empty() || (more && text.size() % 8 != 0) ||
        fragment.header_length() + at + text.size() > 65'535) {
      return {Drop::fragment_malformed, 1, 0, {}};
    }
    if (fragment.protocol() == wire::protocol::tcp && (at == 8 || (at == 0 && text.size() < 16))) {
      return {Drop::fragment_tiny, 1, 0, {}};
    }
    Plain& plain = entry(fragment.identification(), now, out.evicted);
    if (plain.condemned != Drop::none) {
      out.drop = plain.condemned;
      out.concluded = 1;
      return out;
    }
    if (plain.pieces.size() == config.fragments) return condemn(plain, Drop::fragment_no_room, out);
    const auto end = plain.end();
    const std::size_t to = at + text.size();
    const bool fits = more ? !end || to < *end : (end ? to == *end : to > plain.reached());
    if (!fits) return condemn(plain, Drop::fragment_overlap, out);
    bool same = true;
    const std::size_t present = plain.present(at, text, same);
    if (present == text.size() && same) {
      out.drop = Drop::fragment_duplicate;
      out.concluded = 1;
      return out;
    }
    if (present != 0) return condemn(plain, Drop::fragment_overlap, out);
    plain.pieces[at] = {{text.begin(), text.end()}, more, fragment.ecn()};
    if (plain.whole()) complete(fragment, out);
    return out;
  }

  std::uint32_t expire(Instant now) {
    std::uint32_t frames = 0;
    std::erase_if(entries_, [&](const auto& entry) {
      if (now < entry.second.deadline) return false;
      frames += static_cast<std::uint32_t>(entry.second.pieces.size());
      return true;
    });
    return frames;
  }
  std::uint32_t held() const {
    std::size_t frames = 0;
    for (const auto& entry : entries_) frames += entry.second.pieces.size();
    return static_cast<std::uint32_t>(frames);
  }
  std::optional<Instant> deadline() const {
    std::optional<Instant> out;
    for (const auto& entry : entries_) {
      if (!out || entry.second.deadline < *out) out = entry.second.deadline;
    }
    return out;
  }

 private:
  Plain& entry(std::uint16_t identification, Instant now, std::uint32_t& evicted) {
    const auto found = entries_.find(identification);
    if (found != entries_.end()) return found->second;
    if (entries_.size() == config.datagrams) {
      const auto oldest = std::min_element(
          entries_.begin(), entries_.end(),
          [](const auto& a, const auto& b) { return a.second.deadline < b.second.deadline; });
      evicted = static_cast<std::uint32_t>(oldest->second.pieces.size());
      entries_.erase(oldest);
    }
    Plain& made = entries_[identification];
    made.deadline = now + config.timeout;
    return made;
  }
  static Expected condemn(Plain& plain, Drop why, Expected out) {
    out.drop = plain.condemned = why;
    out.concluded = static_cast<std::uint32_t>(plain.pieces.size() + 1);
    plain.pieces.clear();
    return out;
  }
  void complete(const wire::Ipv4View& last, Expected& out) {
    const Plain& plain = entries_[last.identification()];
    bool marked = false;
    bool not_ect = false;
    for (const auto& [offset, piece] : plain.pieces) {
      marked = marked || piece.ecn == 3;
      not_ect = not_ect || piece.ecn == 0;
      out.payload.insert(out.payload.end(), piece.text.begin(), piece.text.end());
    }
    out.concluded = static_cast<std::uint32_t>(plain.pieces.size());
    if (marked && not_ect) out.drop = Drop::fragment_malformed;
    entries_.erase(last.identification());
  }

  std::map<std::uint16_t, Plain> entries_;
};

/// The bytes of one fragment, as the program says. Texts are of two kinds, so that overlaps agree
/// and disagree.
std::vector<std::byte> fragment_of(Input& in) {
  const std::uint8_t kind = in.u8();
  const std::size_t units = in.u8() & 15;
  const std::size_t odd = (kind & 1) != 0 ? in.u8() % 8 : 0;
  // Some lie at the far end, where lengths run over.
  const std::size_t offset =
      (kind & 2) != 0 ? 65'528 - 8 * std::size_t{in.u8()} : 8 * std::size_t{in.u8() & 31u};
  std::vector<std::byte> out(wire::Ipv4Fields::size + units * 8 + odd);
  const unsigned salt = (kind & 4) != 0 && in.below(4) == 0 ? 1 : 0;
  for (std::size_t i = wire::Ipv4Fields::size; i < out.size(); ++i) {
    const std::size_t at = offset + i - wire::Ipv4Fields::size;
    out[i] = static_cast<std::byte>((at >> 3) * 7 + at + salt);
  }
  wire::Ipv4Fields fields;
  fields.tos = (kind & 8) != 0 ? in.u8() : 0;
  fields.total_length = static_cast<std::uint16_t>(out.size());
  fields.identification = (kind >> 4) & 3;
  fields.more_fragments = (kind & 64) == 0;
  fields.fragment_offset_bytes = static_cast<std::uint16_t>(offset);
  fields.protocol = (kind & 128) != 0 ? wire::protocol::tcp : wire::protocol::udp;
  fields.source = wire::Ipv4Address{10, 0, 0, 1};
  fields.destination = wire::Ipv4Address{10, 0, 0, 2};
  // A protocol is part of the key: here the identification alone is.
  if (fields.protocol == wire::protocol::tcp) fields.identification |= 4;
  fields.write(out);
  return out;
}

void add(Reassembler& reassembler, Model& model, std::span<const std::byte> bytes, Instant now) {
  wire::Ipv4View view;
  POLLUX_REQUIRE(wire::Ipv4View::parse(bytes, view) == Drop::none);
  if (!view.is_fragment()) return;
  const Model::Expected expected = model.add(view, now);
  const Reassembled result = reassembler.add(view, now);
  POLLUX_REQUIRE(result.drop == expected.drop && result.concluded == expected.concluded);
  POLLUX_REQUIRE(result.evicted == expected.evicted);
  const bool whole = result.concluded != 0 && result.drop == Drop::none;
  POLLUX_REQUIRE(result.datagram.empty() != whole);
  if (!whole) return;
  wire::Ipv4View datagram;
  POLLUX_REQUIRE(wire::Ipv4View::parse(result.datagram, datagram) == Drop::none);
  POLLUX_REQUIRE(datagram.checksum_ok() && !datagram.is_fragment());
  const auto payload = datagram.payload();
  POLLUX_REQUIRE(
      std::equal(payload.begin(), payload.end(), expected.payload.begin(), expected.payload.end()));
}

void run(Input in) {
  auto made = Reassembler::make(config);
  POLLUX_REQUIRE(made.ok());
  Reassembler& reassembler = *made;
  Model model;
  Instant now{};
  while (!in.empty()) {
    // No two datagrams begin at one time, so that one of them is the oldest.
    now += 1ms + (in.below(8) == 0 ? in.u8() * 200ms : 0ms);
    std::uint32_t expired = 0;
    reassembler.expire(now, [&](const Reassembler::Expired& gone) { expired += gone.frames; });
    POLLUX_REQUIRE(expired == model.expire(now));
    add(reassembler, model, fragment_of(in), now);
    POLLUX_REQUIRE(reassembler.frames_held() == model.held());
    POLLUX_REQUIRE(reassembler.next_deadline() == model.deadline());
  }
  POLLUX_REQUIRE(reassembler.flush() == model.held() && reassembler.frames_held() == 0);
}

}  // namespace
}  // namespace pollux::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  pollux::fuzz::run({data, size});
  return 0;
}
