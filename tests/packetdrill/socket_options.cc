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
  const bool agreed =
      level == IPPROTO_TCP && name == TCP_MAXSEG && socket->state == State::connected;
  if (const auto set = socket->options.find({level, name});
      set != socket->options.end() && !agreed) {
    return give(set->second.data(), set->second.size());
  }
  if (level == SOL_SOCKET && name == SO_LINGER) return give(&socket->lingering, sizeof(linger));
  if (level == SOL_SOCKET) return give_int(0);
  if (level == IPPROTO_TCP && name == TCP_INFO && socket->stream) {
    tcp_info(*socket, {static_cast<std::byte*>(value), *size});
    return 0;
  }
  if (level == IPPROTO_TCP && socket->stream) {
    if (const auto number = tcp_option(*socket, name)) return give_int(*number);
  }
  return -ENOPROTOOPT;
}

/// What holds where nothing was set.
std::optional<int> Sockets::tcp_option(const Socket& socket, int name) {
  const auto in_seconds = [](Duration time) { return static_cast<int>(time / 1s); };
  switch (name) {
    case TCP_NODELAY:
    case TCP_CORK:
    case TCP_USER_TIMEOUT:
    case TCP_FASTOPEN:
      return 0;
    case TCP_MAXSEG: {
      const auto s = stream(socket);
      return s && socket.state == State::connected ? s->status().max_segment : config_.mss;
    }
    case TCP_KEEPIDLE:
      return in_seconds(config_.keepalive_idle);
    case TCP_KEEPINTVL:
      return in_seconds(config_.keepalive_interval);
    case TCP_KEEPCNT:
      return config_.keepalive_count;
    default:
      return std::nullopt;
  }
}

std::uint8_t Sockets::state_of(const Socket& socket, bool all_acknowledged) {
  if (socket.send_shut) {
    if (socket.peer_closed) return TCP_LAST_ACK;
    return all_acknowledged ? TCP_FIN_WAIT2 : TCP_FIN_WAIT1;
  }
  return socket.peer_closed ? TCP_CLOSE_WAIT : TCP_ESTABLISHED;
}

/// As far as the stack knows; the rest is zero. Linux counts in segments.
void Sockets::tcp_info(const Socket& socket, std::span<std::byte> to) {
  struct tcp_info info {};
  info.tcpi_state = TCP_CLOSE;
  info.tcpi_advmss = socket.limits.max_segment != 0 ? socket.limits.max_segment : config_.mss;
  info.tcpi_reordering = 3;
  if (socket.state == State::listening) info.tcpi_state = TCP_LISTEN;
  if (socket.state == State::connecting) info.tcpi_state = TCP_SYN_SENT;
  if (const auto s = stream(socket); s && socket.state == State::connected) {
    const application::StreamStatus status = s->status();
    const auto in_segments = [&](std::uint32_t bytes) { return bytes / status.max_segment; };
    const auto usecs = [](Duration time) { return static_cast<std::uint32_t>(time / 1us); };
    info.tcpi_state = state_of(socket, s->unacknowledged() == 0);
    info.tcpi_ca_state = status.recovering ? TCP_CA_Recovery : TCP_CA_Open;
    if (status.retries != 0) info.tcpi_ca_state = TCP_CA_Loss;
    info.tcpi_retransmits = status.retries;
    info.tcpi_rto = usecs(status.retransmission_timeout);
    info.tcpi_rtt = usecs(status.round_trip);
    info.tcpi_rttvar = usecs(status.round_trip_variation);
    info.tcpi_snd_mss = status.max_segment;
    info.tcpi_unacked = in_segments(status.in_flight + status.max_segment - 1u);
    info.tcpi_snd_cwnd = in_segments(status.congestion_window);
    info.tcpi_snd_ssthresh = in_segments(status.slow_start_threshold);
  }
  std::fill(to.begin(), to.end(), std::byte{0});
  std::memcpy(to.data(), &info, std::min(to.size(), sizeof info));
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
  int error = -ENOPROTOOPT;
  if (level == SOL_SOCKET) error = take_socket_option(*socket, name, number);
  if (level == IPPROTO_TCP && socket->stream) error = take_tcp_option(*socket, name, number);
  if (error != 0) return error;
  if (level == SOL_SOCKET && name == SO_REUSEADDR && number == 0) {
    socket->options.erase({level, name});
    return 0;
  }
  const auto* const bytes = static_cast<const std::byte*>(value);
  socket->options[{level, name}].assign(bytes, bytes + size);
  take_options(*socket);
  if (level == IPPROTO_TCP && name == TCP_NODELAY && number != 0) push(*socket);
  host_.settle();
  return 0;
}

int Sockets::take_socket_option(Socket& socket, int name, int number) {
  const auto bytes = static_cast<std::uint32_t>(std::max(number, 1));
  switch (name) {
    case SO_REUSEADDR:
      return 0;
    case SO_KEEPALIVE:
      socket.stream_options.keepalive = number != 0;
      return 0;
    case SO_RCVBUF:
      socket.limits.receive_buffer = bytes;
      socket.stream_options.receive_buffer = bytes;
      return 0;
    case SO_SNDBUF: {
      // Linux doubles the number, and spends about a third of that on what it keeps beside the
      // bytes.
      const std::uint32_t text = bytes + bytes / 3;
      socket.limits.send_buffer = text;
      socket.stream_options.send_buffer = text;
      return 0;
    }
    default:
      return -ENOPROTOOPT;
  }
}

int Sockets::take_tcp_option(Socket& socket, int name, int number) {
  constexpr int most_seconds = 32'767;
  const auto within = [&](int least, int most) { return least <= number && number <= most; };
  application::StreamOptions& options = socket.stream_options;
  switch (name) {
    case TCP_NODELAY:
      options.nagle = number == 0;
      return 0;
    case TCP_CORK:
      options.cork = number != 0;
      return 0;
    case TCP_USER_TIMEOUT:
      if (number < 0) return -EINVAL;
      options.user_timeout = std::chrono::milliseconds(number);
      return 0;
    case TCP_FASTOPEN:
      socket.limits.fast_open = number > 0;
      return 0;
    case TCP_MAXSEG:
      if (!within(88, 65'535)) return -EINVAL;
      socket.limits.max_segment = static_cast<std::uint16_t>(number);
      return 0;
    case TCP_KEEPIDLE:
      if (!within(1, most_seconds)) return -EINVAL;
      options.keepalive_idle = std::chrono::seconds(number);
      return 0;
    case TCP_KEEPINTVL:
      if (!within(1, most_seconds)) return -EINVAL;
      options.keepalive_interval = std::chrono::seconds(number);
      return 0;
    case TCP_KEEPCNT:
      if (!within(1, 127)) return -EINVAL;
      options.keepalive_count = static_cast<std::uint8_t>(number);
      return 0;
    default:
      return -ENOPROTOOPT;
  }
}

/// What the socket, or those that it will accept, are to know of its options.
void Sockets::take_options(Socket& socket) {
  if (socket.state == State::listening) {
    const bool changed = static_cast<bool>(host_.stack().change_listener(
        socket.local.port, {.nagle = nagle(socket), .limits = socket.limits}));
    POLLUX_ASSERT(changed);
    static_cast<void>(changed);
  }
  if (auto s = stream(socket)) s->options(socket.stream_options);
}

}  // namespace pollux::packetdrill
