// Sockets, continued: what a descriptor, or a connection, can be told and asked.
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "sockets.h"

namespace pollux::packetdrill {

int Sockets::fcntl(int fd, int command, long argument) {
  const Lock lock = enter();
  const Handle socket = find(fd);
  if (socket == nullptr) return -EBADF;
  switch (command) {
    case F_GETFL:
      return O_RDWR | (socket->nonblocking ? O_NONBLOCK : 0);
    case F_SETFL:
      socket->nonblocking = (argument & O_NONBLOCK) != 0;
      return 0;
    case F_GETFD:
    case F_SETFD:
      return 0;
    default:
      return -EINVAL;
  }
}

int Sockets::ioctl(int fd, unsigned long request, void* argument) {
  const Lock lock = enter();
  const Handle socket = find(fd);
  if (socket == nullptr) return -EBADF;
  if (request == FIONBIO) {
    int on = 0;
    std::memcpy(&on, argument, sizeof on);
    socket->nonblocking = on != 0;
    return 0;
  }
  if (request != SIOCINQ && request != SIOCOUTQ) return -ENOTTY;
  if (socket->state == State::listening) return -EINVAL;
  std::size_t bytes = 0;
  if (auto s = stream(*socket)) {
    bytes = request == SIOCINQ ? s->unread() : s->unacknowledged();
  } else if (request == SIOCINQ && !socket->messages.empty()) {
    bytes = socket->messages.front().bytes.size();
  }
  const int count = static_cast<int>(bytes);
  std::memcpy(argument, &count, sizeof count);
  return 0;
}

int Sockets::getsockopt(int fd, int level, int name, void* value, socklen_t* size) {
  const Lock lock = enter();
  const Handle socket = find(fd);
  if (socket == nullptr) return -EBADF;
  const auto give = [&](const void* from, std::size_t n) {
    *size = static_cast<socklen_t>(std::min<std::size_t>(*size, n));
    std::memcpy(value, from, *size);
    return 0;
  };
  const auto give_int = [&](int number) { return give(&number, sizeof number); };
  // Linux shows twice what was asked for: it counts what it needs beside the bytes.
  if (level == SOL_SOCKET && (name == SO_RCVBUF || name == SO_SNDBUF)) {
    const auto set = socket->options.find({level, name});
    if (set == socket->options.end()) {
      return give_int(
          static_cast<int>(name == SO_RCVBUF ? config_.receive_buffer : config_.send_buffer));
    }
    int asked = 0;
    std::memcpy(&asked, set->second.data(), sizeof asked);
    return give_int(2 * asked);
  }
  if (level == SOL_SOCKET && name == SO_ERROR) return give_int(std::exchange(socket->error, 0));
  if (level == SOL_SOCKET && name == SO_TYPE) {
    return give_int(socket->stream ? SOCK_STREAM : SOCK_DGRAM);
  }
  if (level == SOL_SOCKET && name == SO_ACCEPTCONN) {
    return give_int(socket->state == State::listening ? 1 : 0);
  }
  if (const auto set = socket->options.find({level, name}); set != socket->options.end()) {
    return give(set->second.data(), set->second.size());
  }
  if (level == SOL_SOCKET && name == SO_LINGER) return give(&socket->lingering, sizeof(linger));
  if (level == SOL_SOCKET) return give_int(0);
  if (level == IPPROTO_TCP && name == TCP_NODELAY) return give_int(0);
  if (level == IPPROTO_TCP && name == TCP_MAXSEG) return give_int(config_.mss);
  return -ENOPROTOOPT;
}

int Sockets::setsockopt(int fd, int level, int name, const void* value, socklen_t size) {
  const Lock lock = enter();
  const Handle socket = find(fd);
  if (socket == nullptr) return -EBADF;
  if (level == SOL_SOCKET && name == SO_LINGER) {
    if (size < sizeof(linger)) return -EINVAL;
    std::memcpy(&socket->lingering, value, sizeof(linger));
    return 0;
  }
  if (size < sizeof(int)) return -EINVAL;
  int number = 0;
  std::memcpy(&number, value, sizeof number);
  if (level == SOL_SOCKET) {
    switch (name) {
      case SO_KEEPALIVE:
        socket->stream_options.keepalive = number != 0;
        break;
      case SO_REUSEADDR:
        if (number != 0) break;
        socket->options.erase({level, name});
        return 0;
      case SO_SNDBUF:
      case SO_RCVBUF:
        break;
      default:
        return -ENOPROTOOPT;
    }
  } else if (level == IPPROTO_TCP && socket->stream) {
    switch (name) {
      case TCP_NODELAY:
        socket->stream_options.nagle = number == 0;
        break;
      case TCP_USER_TIMEOUT:
        if (number < 0) return -EINVAL;
        socket->stream_options.user_timeout = std::chrono::milliseconds(number);
        break;
      case TCP_MAXSEG:
      case TCP_KEEPIDLE:
      case TCP_KEEPINTVL:
      case TCP_KEEPCNT:
        break;
      default:
        return -ENOPROTOOPT;
    }
  } else {
    return -ENOPROTOOPT;
  }
  const auto* const bytes = static_cast<const std::byte*>(value);
  socket->options[{level, name}].assign(bytes, bytes + size);
  take_options(*socket);
  host_.settle();
  return 0;
}

void Sockets::take_options(Socket& socket) {
  if (auto s = stream(socket)) s->options(socket.stream_options);
}

}  // namespace pollux::packetdrill
