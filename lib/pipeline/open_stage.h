#pragma once

// Active opens of Pipeline: which own address and port a connection leaves from, and its beginning.
// Included by pipeline.h alone.

#include <bit>

#include "pipeline/pipeline.h"

namespace pollux::pipeline {

/// The connection lies in memory: its id is not to be put together there, too, and copied.
template <link::Device D, application::Application A>
inline Result<application::StreamId, application::StackError> Pipeline<D, A>::connect(
    application::Endpoint remote, const application::ConnectOptions& options) noexcept {
  application::StackError why_not{};
  const Connection* const c = begin(remote, options, why_not);
  if (c == nullptr) return why_not;
  return stream_id(*c);
}

template <link::Device D, application::Application A>
auto Pipeline<D, A>::begin(application::Endpoint remote, const application::ConnectOptions& options,
                           application::StackError& why_not) noexcept -> Connection* {
  using application::StackError;
  const auto fail = [&](StackError error) noexcept {
    why_not = error;
    return nullptr;
  };
  if (stopped_) return fail(StackError::stopped);
  if (!may_open(remote)) return fail(StackError::invalid);
  wire::FourTuple tuple{options.local_address, remote.address, options.local_port, remote.port};
  const bool any_address = tuple.local.is_any();
  if (!any_address && !addresses_.contains(tuple.local)) return fail(StackError::invalid);
  const wire::Ipv4Address next_hop = transmit_.next_hop(remote.address);
  if (next_hop.is_any()) return fail(StackError::no_route);
  // Before claim(), which may give a TIME-WAIT entry up.
  if (connections_.available() == 0) return fail(StackError::no_memory);
  SourceAddresses::Turn* const sources = any_address ? &sources_.towards(next_hop) : nullptr;
  if (sources != nullptr) tuple.local = sources->next();
  std::uint64_t hash = 0;
  if (tuple.local_port == 0) {
    if (!pick_source(tuple, hash, sources)) return fail(StackError::no_ports);
    if (sources != nullptr && table_.far_size() != 0) foresee(remote, *sources);
  } else if (!comes_home(tuple) || !claim(tuple, hash)) {
    return fail(StackError::in_use);
  }
  Connection* const c = open(tuple, hash, options);
  return c != nullptr ? c : fail(StackError::no_memory);
}

/// Null where there is no memory.
template <link::Device D, application::Application A>
auto Pipeline<D, A>::open(const wire::FourTuple& tuple, std::uint64_t hash,
                          const application::ConnectOptions& options) noexcept -> Connection* {
  const std::optional<tcp::TimeWait> before = std::exchange(replaced_, std::nullopt);
  const auto profile = options.limits == application::Limits{} ? std::optional{Profiles::common}
                                                               : join_profile(options.limits);
  if (!profile) return nullptr;
  const std::uint32_t index = connections_.acquire();
  if (index == Connections::none || !table_.insert(hash, {tcp::EntryId::Kind::connection, index})) {
    if (index != Connections::none) connections_.release(index);
    profiles_.leave(*profile);
    return nullptr;
  }
  note_change(hash);
  connections_.prefetch_next();
  Connection& c = connections_[index];
  c.tuple = tuple;
  c.active = true;
  c.profile = *profile;
  const auto secret = tcp::tuple_secret(tuple, isn_key_);
  c.ts_offset = secret.timestamps;
  tcp::SeqNum iss = tcp::initial_sequence_number(secret, now_);
  if (before) iss = max(iss, before->snd_nxt + 1);
  ::new (&c.tcb) tcp::Tcb(  // in its place, not a copy
      tcp::open_active(tcp_config(c), iss, now_,
                       before ? std::optional{before->rcv_nxt} : std::nullopt));
  fit_path(c);
  if (tcp_config(c).fast_open) {
    const auto offer = fast_open_cache_.offer(tuple, now_);
    c.fast_open = offer && tcp::begin_fast_open(c.tcb, flights_, *offer);
  }
  if (!options.nagle) tcp::begin_without_nagle(c.tcb);
  counters_.count(Event::tcp_active_opens);
  watch(c);
  make_ready(c, pending::send);
  return &c;
}

/// Whether the four-tuple, whose hash it computes, may be opened now; a TIME-WAIT entry of our own
/// older than a second gives way, and the new connection's numbers of both sides lie above the old
/// one's (decision 0021).
template <link::Device D, application::Application A>
bool Pipeline<D, A>::claim(const wire::FourTuple& tuple, std::uint64_t& hash) noexcept {
  hash = foreseen_.hash(tuple, table_key_);
  const tcp::EntryId id = find(tuple, hash);
  if (id.kind() == tcp::EntryId::Kind::none) return true;
  if (id.kind() != tcp::EntryId::Kind::time_wait) return false;
  const tcp::TimeWait& entry = time_wait_[id.index()];
  if (2 * config_.tcp.msl - tcp::time_left(entry, now_) < 1s) return false;
  replaced_ = entry;
  release_time_wait(hash, id);
  counters_.count(Event::tcp_time_wait_reused);
  return true;
}

/// Who opens one connection soon opens others: where the last of the next few will lie in the
/// table. It takes longer to fetch that than to open one, but for the small table in front.
template <link::Device D, application::Application A>
void Pipeline<D, A>::foresee(application::Endpoint remote,
                             const SourceAddresses::Turn& sources) noexcept {
  constexpr std::uint32_t ahead = ForeseenOpens::count - 1;
  const wire::Ipv4Address local = sources.peek(ahead);
  // The opens of this address among them.
  const std::size_t size = sources.size();
  const std::uint32_t of_it =
      size == 1 ? ahead : (size > ahead ? 0 : static_cast<std::uint32_t>(ahead / size));
  const std::uint16_t port = ports_.peek(local, remote.address, remote.port, of_it);
  const wire::FourTuple tuple{local, remote.address, port, remote.port};
  const std::uint64_t hash = tcp::hash(tuple, table_key_);
  foreseen_.push(tuple, hash);
  table_.prefetch(hash);
}

/// Fills in the source port, the hash, and another of `sources` where the address is free too and
/// has none left: false when no port is.
template <link::Device D, application::Application A>
bool Pipeline<D, A>::pick_source(wire::FourTuple& tuple, std::uint64_t& hash,
                                 SourceAddresses::Turn* sources) noexcept {
  const std::size_t addresses = sources != nullptr ? sources->size() : 1;
  // The ports, shared out among so many addresses rounded up to a power of two.
  const std::uint32_t tries =
      std::max(std::uint32_t{1024}, tcp::EphemeralPorts::count >> std::bit_width(addresses - 1));
  for (std::size_t i = 0; i < std::min<std::size_t>(addresses, 64); ++i) {
    if (i != 0) tuple.local = sources->next();
    const auto port = ports_.pick(
        tuple.local, tuple.remote, tuple.remote_port,
        [&](std::uint16_t candidate) noexcept {
          tuple.local_port = candidate;
          return listener_at_[candidate] != 0 || !comes_home(tuple) || !claim(tuple, hash);
        },
        tries);
    if (port) return true;
  }
  return false;
}

}  // namespace pollux::pipeline
