#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "application/application.h"

namespace pollux::pipeline {

/// One connection of a pipeline as its application sees it, lent for one callback: the model of
/// application::Stream. It holds no state of its own.
template <class Pipeline>
class Stream {
 public:
  Stream(Pipeline& pipeline, typename Pipeline::Connection& connection) noexcept
      : pipeline_(pipeline), connection_(connection) {}

  application::StreamId id() const noexcept { return pipeline_.stream_id(connection_); }
  application::Endpoint local() const noexcept {
    const auto& tuple = connection_.tuple;
    return {tuple.local, tuple.local_port};
  }
  application::Endpoint remote() const noexcept {
    const auto& tuple = connection_.tuple;
    return {tuple.remote, tuple.remote_port};
  }
  auto& session() noexcept { return connection_.session; }
  const auto& session() const noexcept { return connection_.session; }

  std::span<const std::byte> readable() const noexcept { return pipeline_.readable(connection_); }
  std::size_t peek(std::span<std::byte> to) const noexcept {
    return pipeline_.peek(connection_, to);
  }
  void consume(std::size_t n) noexcept { pipeline_.consume(connection_, n); }
  std::size_t unread() const noexcept { return connection_.tcb.unread; }
  bool at_end() const noexcept { return pipeline_.at_end(connection_); }

  std::size_t writable() const noexcept { return pipeline_.writable(connection_); }
  std::size_t unacknowledged() const noexcept { return pipeline_.unacknowledged(connection_); }
  bool send(application::StaticSpan bytes) noexcept { return pipeline_.send(connection_, bytes); }
  std::span<std::byte> reserve(std::size_t n) noexcept { return pipeline_.reserve(connection_, n); }
  void commit(std::size_t n) noexcept { pipeline_.commit(connection_, n); }

  void shutdown_send() noexcept { pipeline_.shutdown_send(connection_); }
  void close() noexcept { pipeline_.close(connection_); }
  bool close_within(Duration limit) noexcept { return pipeline_.close_within(connection_, limit); }
  void abort() noexcept { pipeline_.abort(connection_); }
  bool options(const application::StreamOptions& options) noexcept {
    return pipeline_.set_options(connection_, options);
  }
  application::StreamStatus status() const noexcept { return pipeline_.status(connection_); }
  Pipeline& stack() noexcept { return pipeline_; }

 private:
  Pipeline& pipeline_;
  typename Pipeline::Connection& connection_;
};

}  // namespace pollux::pipeline
