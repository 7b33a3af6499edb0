#include "internet/fragment.h"

#include <algorithm>

#include "base/assert.h"

namespace pollux::internet {
namespace {

constexpr std::uint16_t min_mtu = 68;

}  // namespace

Fragmenter::Fragmenter(std::size_t payload, std::uint16_t mtu) noexcept
    : payload_(static_cast<std::uint32_t>(std::min(payload, max_payload))), step_(payload_) {
  if (payload > max_payload || mtu < min_mtu) return;
  const std::uint32_t room = std::uint32_t{mtu} - wire::Ipv4Fields::size;
  count_ = 1;
  if (payload_ <= room) return;
  step_ = room & ~7u;
  count_ = (payload_ + step_ - 1) / step_;
}

std::optional<Fragment> Fragmenter::next() noexcept {
  if (given_ == count_) return std::nullopt;
  ++given_;
  const bool more = given_ < count_;
  const std::uint32_t length = more ? step_ : payload_ - at_;
  const Fragment piece{static_cast<std::uint16_t>(at_), static_cast<std::uint16_t>(length), more};
  at_ += length;
  return piece;
}

wire::Ipv4Fields fragment_header(wire::Ipv4Fields whole, const Fragment& piece) noexcept {
  POLLUX_ASSERT(!whole.dont_fragment || (piece.offset == 0 && !piece.more));
  whole.total_length = static_cast<std::uint16_t>(wire::Ipv4Fields::size + piece.length);
  whole.fragment_offset_bytes = piece.offset;
  whole.more_fragments = piece.more;
  return whole;
}

}  // namespace pollux::internet
