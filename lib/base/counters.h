#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pollux {

/// Why a received frame went nowhere. A stage hands a frame on or counts one of these, so that
/// received = delivered + sum of these + frames still held for reassembly, always.
enum class Drop : std::uint8_t {
  none,  // not a drop; keeps the zero value honest
  // link
  ethernet_truncated,
  ethernet_not_for_us,
  ethernet_unknown_type,
  vlan_other,
  arp_malformed,
  arp_not_for_us,
  // internet
  ipv4_truncated,
  ipv4_bad_version,
  ipv4_bad_header_length,
  ipv4_bad_total_length,
  ipv4_bad_checksum,
  ipv4_bad_options,
  ipv4_martian_source,
  ipv4_martian_destination,
  ipv4_not_for_us,
  ipv4_unknown_protocol,
  fragment_malformed,
  fragment_tiny,
  fragment_overlap,
  fragment_duplicate,
  fragment_no_room,
  fragment_timeout,
  fragment_shutdown,
  icmp_truncated,
  icmp_bad_checksum,
  icmp_unknown_type,
  icmp_not_ours,
  icmp_bad_sequence,
  icmp_ignored,
  // transport
  udp_truncated,
  udp_bad_length,
  udp_bad_checksum,
  udp_no_listener,
  tcp_truncated,
  tcp_bad_data_offset,
  tcp_bad_checksum,
  tcp_bad_ports,
  tcp_not_unicast,
  tcp_no_connection,
  tcp_bad_sequence,
  tcp_bad_ack,
  tcp_bad_reset,
  tcp_no_ack,
  tcp_unexpected_syn,
  tcp_after_close,
  tcp_paws,
  tcp_half_open_full,
  tcp_connections_full,
  tcp_syn_shed,  // packet buffers are few: who is here already comes first
  tcp_no_buffer,
  tcp_wrong_core,  // in fragments, of a flow that may be another core's, and cannot go there
  // the machine
  no_buffer,
  hand_over_full,
  count_
};

/// Why something that Pollux wanted to send did not leave. Kept apart from Drop: nothing was
/// received.
enum class SendDrop : std::uint8_t {
  none,
  no_buffer,
  device_full,
  no_route,
  no_neighbor,
  neighbor_queue_full,
  neighbor_table_full,
  too_big,
  rate_limited,
  shutdown,
  count_
};

/// Events that are neither frames received nor frames lost.
enum class Event : std::uint8_t {
  frames_received,
  frames_delivered,
  frames_sent,
  bytes_received,
  bytes_sent,
  arp_requests_sent,
  arp_replies_sent,
  arp_address_conflicts,
  icmp_errors_sent,
  icmp_errors_received,
  icmp_echoes_answered,
  datagrams_reassembled,
  datagrams_fragmented,
  udp_delivered,
  udp_sent,
  tcp_segments_received,
  tcp_segments_sent,
  tcp_merged_received,  // packets of several segments: LRO, or a peer on the same machine
  tcp_uncut_sent,       // packets of several segments, for the device to cut
  tcp_active_opens,
  tcp_passive_opens,
  tcp_established,
  tcp_closed,
  tcp_aborted,
  tcp_reset_received,
  tcp_resets_sent,
  tcp_timed_out,
  tcp_retransmitted,
  tcp_fast_retransmits,
  tcp_recoveries_undone,
  tcp_black_holes,
  tcp_path_probes,
  tcp_path_probes_lost,
  tcp_out_of_order,
  tcp_duplicate,
  tcp_challenge_acks,
  tcp_zero_window_probes,
  tcp_keepalives_sent,
  tcp_syn_cookies_sent,
  tcp_syn_cookies_accepted,
  tcp_syn_cookies_refused,
  tcp_fast_opens_tried,
  tcp_fast_opens_taken,
  tcp_time_wait,
  tcp_time_wait_reused,
  tcp_time_wait_evicted,
  tcp_flights_exhausted,
  tcp_orphans_reset,
  handed_over,
  checksum_offload_lies,
  count_
};

inline constexpr std::size_t drop_count = static_cast<std::size_t>(Drop::count_);
inline constexpr std::size_t send_drop_count = static_cast<std::size_t>(SendDrop::count_);
inline constexpr std::size_t event_count = static_cast<std::size_t>(Event::count_);

/// The names that people and JSON read, each equal to its enumerator.
std::string_view name(Drop drop) noexcept;
std::string_view name(SendDrop drop) noexcept;
std::string_view name(Event event) noexcept;

/// One core's counts. Its owner alone writes; any thread may read at any time, each value whole.
class Counters {
 public:
  void count(Drop drop, std::uint64_t n = 1) noexcept { add(drops_[index(drop)], n); }
  void count(SendDrop drop, std::uint64_t n = 1) noexcept { add(send_drops_[index(drop)], n); }
  void count(Event event, std::uint64_t n = 1) noexcept { add(events_[index(event)], n); }

  std::uint64_t operator[](Drop drop) const noexcept { return read(drops_[index(drop)]); }
  std::uint64_t operator[](SendDrop drop) const noexcept { return read(send_drops_[index(drop)]); }
  std::uint64_t operator[](Event event) const noexcept { return read(events_[index(event)]); }

  /// The sum over every Drop.
  std::uint64_t dropped() const noexcept;
  /// Adds another core's counts to this one, which must have no other writer.
  void add(const Counters& other) noexcept;
  /// What was counted after `earlier`, a copy of these counts as they were then.
  Counters since(const Counters& earlier) const noexcept;

 private:
  template <class E>
  static constexpr std::size_t index(E e) noexcept {
    return static_cast<std::size_t>(e);
  }
  static void add(std::uint64_t& value, std::uint64_t n) noexcept {
    std::atomic_ref<std::uint64_t>(value).store(value + n, std::memory_order_relaxed);
  }
  static std::uint64_t read(const std::uint64_t& value) noexcept {
    return std::atomic_ref<std::uint64_t>(const_cast<std::uint64_t&>(value))
        .load(std::memory_order_relaxed);
  }

  std::array<std::uint64_t, drop_count> drops_{};
  std::array<std::uint64_t, send_drop_count> send_drops_{};
  std::array<std::uint64_t, event_count> events_{};
};

}  // namespace pollux
