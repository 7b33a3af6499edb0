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
  Stream(Pipeline& pipeline, std::uint32_t index) noexcept : pipeline_(pipeline), index_(index) {}

  application::StreamId id() const noexcept { return pipeline_.stream_id(index_); }
  application::Endpoint local() const noexcept {
    const auto& tuple = pipeline_.connection(index_).tuple;
    return {tuple.local, tuple.local_port};
  }
  application::Endpoint remote() const noexcept {
    const auto& tuple = pipeline_.connection(index_).tuple;
    return {tuple.remote, tuple.remote_port};
  }
  auto& session() noexcept { return pipeline_.connection(index_).session; }
  const auto& session() const noexcept { return pipeline_.connection(index_).session; }

  std::span<const std::byte> readable() const noexcept { return pipeline_.readable(index_); }
  std::size_t peek(std::span<std::byte> to) const noexcept { return pipeline_.peek(index_, to); }
  void consume(std::size_t n) noexcept { pipeline_.consume(index_, n); }
  std::size_t unread() const noexcept { return pipeline_.connection(index_).tcb.unread; }
  bool at_end() const noexcept { return pipeline_.at_end(index_); }

  std::size_t writable() const noexcept { return pipeline_.writable(index_); }
  std::size_t unacknowledged() const noexcept { return pipeline_.unacknowledged(index_); }
  bool send(application::StaticSpan bytes) noexcept { return pipeline_.send(index_, bytes); }
  std::span<std::byte> reserve(std::size_t n) noexcept { return pipeline_.reserve(index_, n); }
  void commit(std::size_t n) noexcept { pipeline_.commit(index_, n); }

  void shutdown_send() noexcept { pipeline_.shutdown_send(index_); }
  void close() noexcept { pipeline_.close(index_); }
  bool close_within(Duration limit) noexcept { return pipeline_.close_within(index_, limit); }
  void abort() noexcept { pipeline_.abort(index_); }
  bool options(const application::StreamOptions& options) noexcept {
    return pipeline_.set_options(index_, options);
  }
  application::StreamStatus status() const noexcept { return pipeline_.status(index_); }
  Pipeline& stack() noexcept { return pipeline_; }

 private:
  Pipeline& pipeline_;
  std::uint32_t index_;
};

}  // namespace pollux::pipeline
