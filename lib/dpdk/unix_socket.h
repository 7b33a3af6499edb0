#pragma once

#include <cstdint>
#include <string>

namespace pollux::dpdk {

/// Who is behind the file of a socket: nobody has made it, somebody has and is no more, or somebody
/// listens.
enum class SocketState : std::uint8_t { absent, stale, alive, not_a_socket };

/// Asks who listens on a socket without disturbing him.
SocketState look_at_socket(const std::string& path);

}  // namespace pollux::dpdk
