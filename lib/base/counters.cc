#include "base/counters.h"

namespace pollux {
namespace {

constexpr std::array<std::string_view, drop_count> drop_names = {
    "none",
    "ethernet_truncated",
    "ethernet_not_for_us",
    "ethernet_unknown_type",
    "vlan_other",
    "arp_malformed",
    "arp_not_for_us",
    "ipv4_truncated",
    "ipv4_bad_version",
    "ipv4_bad_header_length",
    "ipv4_bad_total_length",
    "ipv4_bad_checksum",
    "ipv4_bad_options",
    "ipv4_martian_source",
    "ipv4_martian_destination",
    "ipv4_not_for_us",
    "ipv4_unknown_protocol",
    "fragment_malformed",
    "fragment_tiny",
    "fragment_overlap",
    "fragment_duplicate",
    "fragment_no_room",
    "fragment_timeout",
    "fragment_shutdown",
    "icmp_truncated",
    "icmp_bad_checksum",
    "icmp_unknown_type",
    "icmp_not_ours",
    "icmp_bad_sequence",
    "icmp_ignored",
    "udp_truncated",
    "udp_bad_length",
    "udp_bad_checksum",
    "udp_no_listener",
    "tcp_truncated",
    "tcp_bad_data_offset",
    "tcp_bad_checksum",
    "tcp_bad_ports",
    "tcp_not_unicast",
    "tcp_no_connection",
    "tcp_bad_sequence",
    "tcp_bad_ack",
    "tcp_bad_reset",
    "tcp_no_ack",
    "tcp_unexpected_syn",
    "tcp_after_close",
    "tcp_paws",
    "tcp_half_open_full",
    "tcp_connections_full",
    "tcp_syn_shed",
    "tcp_no_buffer",
    "tcp_wrong_core",
    "no_buffer",
    "hand_over_full",
};

constexpr std::array<std::string_view, send_drop_count> send_drop_names = {
    "none",
    "no_buffer",
    "device_full",
    "no_route",
    "no_neighbor",
    "neighbor_queue_full",
    "neighbor_table_full",
    "too_big",
    "rate_limited",
    "shutdown",
};

constexpr std::array<std::string_view, event_count> event_names = {
    "frames_received",
    "frames_delivered",
    "frames_sent",
    "bytes_received",
    "bytes_sent",
    "arp_requests_sent",
    "arp_replies_sent",
    "arp_address_conflicts",
    "icmp_errors_sent",
    "icmp_errors_received",
    "icmp_echoes_answered",
    "datagrams_reassembled",
    "datagrams_fragmented",
    "udp_delivered",
    "udp_sent",
    "tcp_segments_received",
    "tcp_segments_sent",
    "tcp_merged_received",
    "tcp_uncut_sent",
    "tcp_active_opens",
    "tcp_passive_opens",
    "tcp_established",
    "tcp_closed",
    "tcp_aborted",
    "tcp_reset_received",
    "tcp_resets_sent",
    "tcp_timed_out",
    "tcp_retransmitted",
    "tcp_fast_retransmits",
    "tcp_recoveries_undone",
    "tcp_black_holes",
    "tcp_path_probes",
    "tcp_path_probes_lost",
    "tcp_out_of_order",
    "tcp_duplicate",
    "tcp_challenge_acks",
    "tcp_zero_window_probes",
    "tcp_keepalives_sent",
    "tcp_syn_cookies_sent",
    "tcp_syn_cookies_accepted",
    "tcp_syn_cookies_refused",
    "tcp_fast_opens_tried",
    "tcp_fast_opens_taken",
    "tcp_time_wait",
    "tcp_time_wait_reused",
    "tcp_time_wait_evicted",
    "tcp_flights_exhausted",
    "tcp_orphans_reset",
    "handed_over",
    "checksum_offload_lies",
};

}  // namespace

std::string_view name(Drop drop) noexcept { return drop_names[static_cast<std::size_t>(drop)]; }
std::string_view name(SendDrop drop) noexcept {
  return send_drop_names[static_cast<std::size_t>(drop)];
}
std::string_view name(Event event) noexcept { return event_names[static_cast<std::size_t>(event)]; }

std::uint64_t Counters::dropped() const noexcept {
  std::uint64_t sum = 0;
  for (const std::uint64_t& value : drops_) sum += read(value);
  return sum;
}

void Counters::add(const Counters& other) noexcept {
  for (std::size_t i = 0; i < drop_count; ++i) add(drops_[i], read(other.drops_[i]));
  for (std::size_t i = 0; i < send_drop_count; ++i) {
    add(send_drops_[i], read(other.send_drops_[i]));
  }
  for (std::size_t i = 0; i < event_count; ++i) add(events_[i], read(other.events_[i]));
}

Counters Counters::since(const Counters& earlier) const noexcept {
  Counters out;
  for (std::size_t i = 0; i < drop_count; ++i) {
    out.drops_[i] = read(drops_[i]) - read(earlier.drops_[i]);
  }
  for (std::size_t i = 0; i < send_drop_count; ++i) {
    out.send_drops_[i] = read(send_drops_[i]) - read(earlier.send_drops_[i]);
  }
  for (std::size_t i = 0; i < event_count; ++i) {
    out.events_[i] = read(events_[i]) - read(earlier.events_[i]);
  }
  return out;
}

}  // namespace pollux
