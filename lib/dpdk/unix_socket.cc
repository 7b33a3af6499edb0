#include "dpdk/unix_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace pollux::dpdk {

/// A connection of another type than his is refused with another error than one to a socket file
/// that nobody listens on any more.
SocketState look_at_socket(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return SocketState::absent;
  if (!S_ISSOCK(status.st_mode)) return SocketState::not_a_socket;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return SocketState::alive;
  const int file = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (file < 0) return SocketState::alive;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int answer =
      connect(file, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ? 0 : errno;
  close(file);
  return answer == ECONNREFUSED ? SocketState::stale : SocketState::alive;
}

}  // namespace pollux::dpdk
