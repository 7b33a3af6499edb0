#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>

#include "application/application.h"

namespace pollux::application {

/// Queues a copy of `bytes`, in packet memory, as far as there is room; returns how many it took.
/// Where not all were taken on_writable() follows.
std::size_t write(Stream auto& stream, std::span<const std::byte> bytes) noexcept {
  std::size_t done = 0;
  while (done != bytes.size()) {
    const std::span<std::byte> room = stream.reserve(bytes.size() - done);
    if (room.empty()) break;
    const std::size_t n = std::min(room.size(), bytes.size() - done);
    std::memcpy(room.data(), bytes.data() + done, n);
    stream.commit(n);
    done += n;
  }
  return done;
}

/// The same of a text.
std::size_t write(Stream auto& stream, std::string_view text) noexcept {
  return write(stream, std::as_bytes(std::span{text}));
}

/// Consumes received bytes into `to` until it is full or none are left; returns how many.
std::size_t read(Stream auto& stream, std::span<std::byte> to) noexcept {
  std::size_t done = 0;
  while (done != to.size()) {
    const std::span<const std::byte> bytes = stream.readable();
    if (bytes.empty()) break;
    const std::size_t n = std::min(bytes.size(), to.size() - done);
    std::memcpy(to.data() + done, bytes.data(), n);
    stream.consume(n);
    done += n;
  }
  return done;
}

}  // namespace pollux::application
