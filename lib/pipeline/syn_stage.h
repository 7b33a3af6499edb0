#pragma once

// SYNs of Pipeline that belong to no connection, and their answers. Included by pipeline.h alone.

#include "pipeline/pipeline.h"

namespace pollux::pipeline {

/// The SYN is the one that connect() would send. It knows who it is by its number alone, which is
/// made of the four-tuple and the time.
template <link::Device D, application::Application A>
Result<std::monostate, application::StackError> Pipeline<D, A>::send_syn(
    application::Endpoint remote, std::uint64_t turn) noexcept {
  using application::StackError;
  if (stopped_) return StackError::stopped;
  if (!may_open(remote)) return StackError::invalid;
  const auto next_hop = transmit_.routes().next_hop(remote.address);
  if (!next_hop) return StackError::no_route;
  const SourceAddresses::Turn& sources = sources_.towards(*next_hop);
  // Each stack begins at a port of its own.
  const std::uint64_t port = first_syn_port_ + turn / sources.size();
  const wire::FourTuple tuple{
      sources.at(turn % sources.size()), remote.address,
      static_cast<std::uint16_t>(tcp::EphemeralPorts::first + port % tcp::EphemeralPorts::count),
      remote.port};
  if (listener_at_[tuple.local_port] != 0 || !comes_home(tuple)) return StackError::in_use;
  const std::uint64_t hash = tcp::hash(tuple, table_key_);
  if (table_.size() != 0 && find(tuple, hash).kind() != tcp::EntryId::Kind::none) {
    return StackError::in_use;
  }
  if (!transmit_.has_room()) return StackError::no_memory;
  const auto secret = tcp::tuple_secret(tuple, isn_key_);
  tcp::Tcb tcb = tcp::open_active(config_.tcp, tcp::initial_sequence_number(secret, now_), now_);
  tcp::Segment syn;
  static_cast<void>(tcp::next_segment(tcb, config_.tcp, flights_, now_, syn));
  tcp::release(tcb, flights_);
  return send_segment(config_.tcp, tuple, secret.timestamps, syn, nullptr)
             ? Result<std::monostate, StackError>{std::monostate{}}
             : StackError::no_neighbor;
}

/// Tells the application of a segment that belongs to nothing, where it answers one of its SYNs.
template <link::Device D, application::Application A>
bool Pipeline<D, A>::takes_syn_answer(const Arrival& arrival) noexcept {
  if constexpr (requires(const application::SynAnswer& a) {
                  application_.on_syn_answer(*this, a);
                }) {
    const tcp::Segment& segment = arrival.segment;
    const bool accepted = segment.has(tcp::control::syn);
    const bool refused = segment.has(tcp::control::rst);
    if (accepted == refused || !segment.has(tcp::control::ack)) return false;
    const wire::FourTuple& tuple = arrival.tuple;
    const auto sent = tcp::opened_at(segment.ack - 1, tuple, isn_key_, now_, longest_syn_wait);
    if (!sent) return false;
    application_.on_syn_answer(
        *this,
        application::SynAnswer{
            {tuple.local, tuple.local_port}, {tuple.remote, tuple.remote_port}, *sent, accepted});
    return true;
  }
  return false;
}

}  // namespace pollux::pipeline
