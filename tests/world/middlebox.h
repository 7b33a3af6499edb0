#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "ack_thinner.h"
#include "base/time.h"
#include "sim/device.h"
#include "wire/address.h"

namespace pollux::world {

/// How a Nat behaves.
struct NatOptions {
  /// Its own address on the right side, which all of the left side share there.
  wire::Ipv4Address outside{};
  std::uint16_t first_port = 20'000;
  /// After forget() ports are given out from the first again, so that they meet the connections of
  /// those who had them before.
  bool same_ports_again = false;
  /// forget() also gives it the next outside address.
  bool moves = false;
  /// Only a SYN makes an entry: others from the left without one are dropped.
  bool syn_only = false;
};

/// What a box on the way does to what passes it; by default nothing.
struct MiddleboxOptions {
  static constexpr std::uint32_t all_kinds = 0xFFFF'FFFF;
  /// Bit n: NOPs stand where TCP options of kind n stood. all_kinds: the header is 20 bytes long.
  std::uint32_t strip = 0;
  bool strip_syns_only = false;
  bool strip_to_the_right_only = false;
  /// Added to the sequence numbers that the left (right) side sends, and taken from the
  /// acknowledgments of them. SACK blocks stay what they are, as with a firewall that makes initial
  /// sequence numbers random and has never heard of RFC 2018.
  std::uint32_t shift_left = 0;
  std::uint32_t shift_right = 0;
  std::optional<NatOptions> nat{};
  /// Joins ACKs, towards either side.
  std::optional<ThinOptions> thin{};
};

/// Where IPv4 and TCP lie in a frame that a middlebox may change.
struct PassingSegment {
  std::span<std::byte> ip;   // header
  std::span<std::byte> tcp;  // header and text

  /// Nothing for what is no TCP segment, not whole, or not right: a box has no business with it.
  static std::optional<PassingSegment> find(sim::Frame& frame);
  std::size_t header_length() const;
  /// Puts the sums right.
  void mend();
};

/// Network address translation with ports (RFC 3022 s.2.2) and a table that can be lost.
class Nat {
 public:
  explicit Nat(const NatOptions& options) : options_(options), next_port_(options.first_port) {}

  /// From the left: writes the outer source. False when it may not pass.
  bool outwards(PassingSegment& segment);
  /// From the right: writes the inner destination, which it returns; nothing without an entry.
  std::optional<wire::Ipv4Address> inwards(PassingSegment& segment);
  void forget();

  wire::Ipv4Address outside() const { return options_.outside; }
  std::uint64_t translated() const { return translated_; }
  std::uint64_t refused() const { return refused_; }

 private:
  using Inner = std::pair<wire::Ipv4Address, std::uint16_t>;
  NatOptions options_;
  std::uint16_t next_port_;
  std::map<std::pair<std::uint32_t, std::uint16_t>, std::uint16_t> outer_;
  std::map<std::uint16_t, Inner> inner_;
  std::uint64_t translated_ = 0;
  std::uint64_t refused_ = 0;
};

/// A box with a network on its left and one on its right. Without a Nat it is no station of its
/// own: frames pass as they are, or changed. With one it answers ARP for the other side, to which
/// it takes TCP alone.
class Middlebox {
 public:
  struct Station {
    wire::Ipv4Address address;
    wire::MacAddress mac;
  };

  Middlebox(sim::Device& left, sim::Device& right, const MiddleboxOptions& options)
      : left_{left, {}, {}}, right_{right, {}, {}}, options_(options) {
    if (options.nat) nat_.emplace(*options.nat);
    if (options.thin) {
      left_.thinner.emplace(*options.thin);
      right_.thinner.emplace(*options.thin);
    }
  }

  /// Who is where; only a Nat wants to know.
  void add_left(const Station& station) { left_.stations.push_back(station); }
  void add_right(const Station& station) { right_.stations.push_back(station); }

  void poll(Instant now) {
    carry(left_, right_, now);
    carry(right_, left_, now);
  }
  std::optional<Instant> next_event() const;

  /// The Nat's table is lost.
  void forget() {
    if (nat_) nat_->forget();
  }

  std::uint64_t passed() const { return passed_; }
  /// Segments that lost an option, or whose numbers were moved.
  std::uint64_t changed() const { return changed_; }
  const std::optional<Nat>& nat() const { return nat_; }
  /// ACKs that others stood in for.
  std::uint64_t acks_dropped() const {
    return left_.thinner ? left_.thinner->dropped() + right_.thinner->dropped() : 0;
  }

 private:
  struct Side {
    sim::Device& device;
    std::vector<Station> stations;
    std::optional<AckThinner> thinner;  // of what is sent to it
  };
  bool is_left(const Side& side) const { return &side == &left_; }
  void carry(Side& from, Side& to, Instant now);
  void pass(Side& to, sim::Frame frame, Instant now);
  void change(sim::Frame& frame, bool from_left);
  bool translate(sim::Frame& frame, const Side& from, const Side& to);
  void answer_arp(Side& side, const Side& other, std::span<const std::byte> payload);
  static void send(Side& to, sim::Frame frame);
  static void send_all(Side& to, std::vector<sim::Frame>& frames);

  Side left_;
  Side right_;
  MiddleboxOptions options_;
  std::optional<Nat> nat_;
  std::uint64_t passed_ = 0;
  std::uint64_t changed_ = 0;
};

}  // namespace pollux::world
