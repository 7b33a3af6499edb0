#include "sockets.h"

#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace pollux::packetdrill {
namespace {

using application::Endpoint;
using application::StackError;

int error_of(StackError error) {
  switch (error) {
    case StackError::in_use:
      return EADDRINUSE;
    case StackError::no_ports:
      return EADDRNOTAVAIL;
    case StackError::no_memory:
      return ENOBUFS;
    case StackError::no_route:
      return ENETUNREACH;
    case StackError::no_neighbor:
      return EHOSTUNREACH;
    case StackError::too_big:
      return EMSGSIZE;
    case StackError::stopped:
      return ENETDOWN;
    case StackError::invalid:
      return EINVAL;
  }
  return EINVAL;
}

int error_of(Cause cause) {
  switch (cause) {
    case Cause::reset:
    case Cause::reset_at_end:
      return ECONNRESET;
    case Cause::refused:
      return ECONNREFUSED;
    case Cause::timed_out:
      return ETIMEDOUT;
    case Cause::unreachable:
    case Cause::no_neighbor:
      return EHOSTUNREACH;
    case Cause::no_memory:
      return ENOMEM;
    default:
      return 0;
  }
}

/// An IPv4 address and port of the caller's; an error where it is none.
int read_address(const sockaddr* address, socklen_t size, Endpoint& to) {
  sockaddr_in in{};
  if (address == nullptr || size < sizeof in) return -EINVAL;
  std::memcpy(&in, address, sizeof in);
  if (in.sin_family != AF_INET) return -EAFNOSUPPORT;
  to = {wire::Ipv4Address{ntohl(in.sin_addr.s_addr)}, ntohs(in.sin_port)};
  return 0;
}

void write_address(const Endpoint& from, sockaddr* address, socklen_t* size) {
  if (address == nullptr || size == nullptr) return;
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(from.port);
  in.sin_addr.s_addr = htonl(from.address.value());
  std::memcpy(address, &in, std::min<std::size_t>(*size, sizeof in));
  *size = sizeof in;
}

}  // namespace

bool Sockets::nagle(const Socket& socket) { return socket.stream_options.nagle.value_or(true); }

std::uint64_t Sockets::add(Socket socket) {
  sockets_.emplace(++last_number_, std::make_shared<Socket>(std::move(socket)));
  return last_number_;
}

/// A descriptor of the process's own, too: what a script leaves open, packetdrill closes by the
/// kernel's call.
int Sockets::add_descriptor(std::uint64_t number) {
  const int fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (fd < 0) return -errno;
  descriptors_.insert_or_assign(fd, number);
  return fd;
}

Sockets::Handle Sockets::find(int fd) {
  const auto at = descriptors_.find(fd);
  return at == descriptors_.end() ? nullptr : sockets_.at(at->second);
}

std::optional<Sockets::Stream> Sockets::stream(const Socket& socket) {
  return socket.id ? host_.stack().stream(*socket.id) : std::nullopt;
}

bool Sockets::taken(std::uint16_t port, bool stream) const {
  return std::any_of(sockets_.begin(), sockets_.end(), [&](const auto& each) {
    const Socket& other = *each.second;
    return other.open && other.stream == stream && other.local.port == port &&
           !other.options.contains({SOL_SOCKET, SO_REUSEADDR});
  });
}

std::uint16_t Sockets::free_port(bool stream) {
  std::uint16_t port = 32'768;
  while (taken(port, stream)) ++port;
  return port;
}

int Sockets::socket(int domain, int type, int protocol) {
  const Lock lock = enter();
  if (domain != AF_INET) return -EAFNOSUPPORT;
  const int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (kind != SOCK_STREAM && kind != SOCK_DGRAM) return -EPROTONOSUPPORT;
  if (protocol != 0 && protocol != (kind == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP)) {
    return -EPROTONOSUPPORT;
  }
  return add_descriptor(
      add({.stream = kind == SOCK_STREAM, .nonblocking = (type & SOCK_NONBLOCK) != 0}));
}

int Sockets::bind(int fd, const sockaddr* address, socklen_t size) {
  const Lock lock = enter();
  const Handle socket = find(fd);
  if (socket == nullptr) return -EBADF;
  Endpoint local;
  if (const int error = read_address(address, size, local); error != 0) return error;
  if (socket->local.port != 0 || socket->state != State::fresh) return -EINVAL;
  if (local.address != wire::Ipv4Address{} && local.address != Host::own_address) {
    return -EADDRNOTAVAIL;
  }
  if (local.port != 0 && !socket->options.contains({SOL_SOCKET, SO_REUSEADDR}) &&
      taken(local.port, socket->stream)) {
    return -EADDRINUSE;
  }
  return settle_at(*socket, local);
}

/// The socket's own end from now on; port 0: a free one.
int Sockets::settle_at(Socket& socket, Endpoint local) {
  if (local.port == 0) local.port = free_port(socket.stream);
  if (!socket.stream) {
    if (const auto bound = host_.stack().bind(local.port); !bound) {
      return -error_of(bound.error());
    }
  }
  socket.local = local;
  return 0;
}

int Sockets::listen(int fd, int /*backlog*/) {
  const Lock lock = enter();
  const Handle socket = find(fd);
  if (socket == nullptr) return -EBADF;
  if (!socket->stream) return -EOPNOTSUPP;
  if (socket->state == State::listening) return 0;
  if (socket->state != State::fresh) return -EINVAL;
  if (socket->local.port == 0) socket->local.port = free_port(true);
  if (const auto done = host_.stack().listen(socket->local.port,
                                             {.nagle = nagle(*socket), .limits = socket->limits});
      !done) {
    return -error_of(done.error());
  }
  socket->state = State::listening;
  return 0;
}

int Sockets::accept(int fd, sockaddr* address, socklen_t* size) {
  Lock lock = enter();
  const Handle socket = find(fd);
  if (socket == nullptr) return -EBADF;
  if (!socket->stream) return -EOPNOTSUPP;
  if (socket->state != State::listening) return -EINVAL;
  if (socket->accepted.empty()) {
    if (socket->nonblocking) return -EAGAIN;
    if (!block(lock, [&] { return !socket->accepted.empty(); })) return -EINTR;
  }
  const std::uint64_t number = socket->accepted.front();
  socket->accepted.pop_front();
  Socket& fresh = *sockets_.at(number);
  fresh.open = true;
  write_address(fresh.remote, address, size);
  return add_descriptor(number);
}

/// The SYN is yet to leave.
int Sockets::start_connect(int fd, Socket& socket, Endpoint remote) {
  const auto opened = host_.stack().connect(remote, {.local_address = socket.local.address,
                                                     .local_port = socket.local.port,
                                                     .nagle = nagle(socket),
                                                     .limits = socket.limits});
  if (!opened) return -error_of(opened.error());
  socket.state = State::connecting;
  socket.connect_told = false;
  socket.id = *opened;
  socket.remote = remote;
  auto stream = host_.stack().stream(*opened);
  stream->session().socket = descriptors_.at(fd);
  socket.local = stream->local();
  take_options(socket);
  return 0;
}

/// MSG_FASTOPEN: the text is queued before the SYN leaves, and goes with it where there is a
/// cookie.
ssize_t Sockets::connect_with_text(int fd, Socket& socket, std::span<const std::byte> bytes,
                                   const sockaddr* to, socklen_t size) {
  Endpoint remote;
  if (const int error = read_address(to, size, remote); error != 0) return error;
  socket.limits.fast_open = true;
  if (const int error = start_connect(fd, socket, remote); error != 0) return error;
  std::size_t sent = 0;
  auto s = stream(socket);
  for (auto room = s->reserve(bytes.size()); !room.empty();
       room = s->reserve(bytes.size() - sent)) {
    std::memcpy(room.data(), bytes.data() + sent, room.size());
    s->commit(room.size());
    sent += room.size();
  }
  host_.settle();
  if (sent == 0 && socket.nonblocking && socket.state == State::connecting) return -EINPROGRESS;
  return static_cast<ssize_t>(sent);
}

int Sockets::connect(int fd, const sockaddr* address, socklen_t size) {
  Lock lock = enter();
  const Handle socket = find(fd);
  if (socket == nullptr) return -EBADF;
  Endpoint remote;
  if (const int error = read_address(address, size, remote); error != 0) return error;
  if (!socket->stream) {
    if (socket->local.port == 0) {
      if (const int error = settle_at(*socket, {}); error != 0) return error;
    }
    socket->remote = remote;
    socket->state = State::connected;
    return 0;
  }
  switch (socket->state) {
    case State::listening:
    case State::over:
      return socket->error != 0 ? -std::exchange(socket->error, 0) : -EISCONN;
    case State::connecting:
      return -EALREADY;
    case State::connected:
      if (socket->connect_told) return -EISCONN;
      socket->connect_told = true;
      return 0;
    case State::fresh:
      break;
  }
  if (const int error = start_connect(fd, *socket, remote); error != 0) return error;
  host_.settle();
  if (socket->state == State::connecting && socket->nonblocking) return -EINPROGRESS;
  if (!block(lock, [&] { return socket->state != State::connecting; })) return -EINTR;
  socket->connect_told = true;
  return socket->state == State::connected ? 0 : -std::exchange(socket->error, 0);
}

ssize_t Sockets::receive(int fd, std::span<std::byte> to, int flags, sockaddr* from,
                         socklen_t* size) {
  Lock lock = enter();
  const Handle socket = find(fd);
  if (socket == nullptr) return -EBADF;
  if (to.data() == nullptr && !to.empty()) return -EFAULT;
  const auto attempt = [&] {
    return socket->stream ? receive_text(*socket, to, flags)
                          : receive_message(*socket, to, flags, from, size);
  };
  const ssize_t result = attempt();
  if (result != -EAGAIN || socket->nonblocking || (flags & MSG_DONTWAIT) != 0) return result;
  const bool ready = block(lock, [&] { return (events(fd) & (POLLIN | POLLERR | POLLHUP)) != 0; });
  return ready ? attempt() : -EINTR;
}

ssize_t Sockets::receive_text(Socket& socket, std::span<std::byte> to, int flags) {
  if (socket.state == State::fresh || socket.state == State::listening) return -ENOTCONN;
  if (to.empty()) return 0;
  std::size_t got = 0;
  if (auto s = stream(socket)) {
    if ((flags & MSG_PEEK) != 0) {
      got = s->peek(to);
    } else {
      while (got < to.size()) {
        const auto piece = s->readable();
        const std::size_t n = std::min(piece.size(), to.size() - got);
        if (n == 0) break;
        std::memcpy(to.data() + got, piece.data(), n);
        s->consume(n);
        got += n;
      }
      host_.settle();
    }
  }
  if (got != 0) return static_cast<ssize_t>(got);
  if (socket.error != 0) return -std::exchange(socket.error, 0);
  if (socket.peer_closed || socket.receive_shut || socket.state == State::over) return 0;
  return -EAGAIN;
}

ssize_t Sockets::receive_message(Socket& socket, std::span<std::byte> to, int flags, sockaddr* from,
                                 socklen_t* size) {
  if (socket.error != 0) return -std::exchange(socket.error, 0);
  if (socket.messages.empty()) return socket.receive_shut ? 0 : -EAGAIN;
  const Message& message = socket.messages.front();
  const std::size_t n = std::min(to.size(), message.bytes.size());
  if (n != 0) std::memcpy(to.data(), message.bytes.data(), n);
  write_address(message.from, from, size);
  if ((flags & MSG_PEEK) == 0) socket.messages.pop_front();
  return static_cast<ssize_t>(n);
}

ssize_t Sockets::send(int fd, std::span<const std::byte> bytes, int flags, const sockaddr* to,
                      socklen_t size) {
  Lock lock = enter();
  const Handle socket = find(fd);
  if (socket == nullptr) return -EBADF;
  if (bytes.data() == nullptr && !bytes.empty()) return -EFAULT;
  if ((flags & MSG_FASTOPEN) != 0 && socket->stream && socket->state == State::fresh) {
    return connect_with_text(fd, *socket, bytes, to, size);
  }
  return socket->stream ? send_text(lock, socket, bytes, flags)
                        : send_message(*socket, bytes, to, size);
}

/// What a cork holds back leaves; the cork stays.
void Sockets::push(Socket& socket) {
  auto s = stream(socket);
  if (!s) return;
  s->options({.cork = false});
  s->options({.cork = socket.stream_options.cork.value_or(false)});
}

ssize_t Sockets::send_text(Lock& lock, const Handle& socket, std::span<const std::byte> bytes,
                           int flags) {
  const bool waits = !socket->nonblocking && (flags & MSG_DONTWAIT) == 0;
  if (socket->state == State::connecting) {
    if (!waits) return -EAGAIN;
    if (!block(lock, [&] { return socket->state != State::connecting; })) return -EINTR;
  }
  const bool more = (flags & MSG_MORE) != 0;
  std::size_t sent = 0;
  while (true) {
    auto s = stream(*socket);
    if (socket->state != State::connected || socket->send_shut || !s) {
      if (sent != 0) break;
      return socket->error != 0 ? -std::exchange(socket->error, 0) : -EPIPE;
    }
    s->options(more ? application::StreamOptions{.push = false, .cork = true}
                    : application::StreamOptions{.push = true});
    while (sent < bytes.size()) {
      const auto room = s->reserve(bytes.size() - sent);
      if (room.empty()) break;
      std::memcpy(room.data(), bytes.data() + sent, room.size());
      s->commit(room.size());
      sent += room.size();
    }
    if (!more && socket->stream_options.cork != true) push(*socket);
    host_.settle();
    if (sent == bytes.size() || !waits) break;
    const bool ready = block(lock, [&] {
      auto now = stream(*socket);
      return socket->state != State::connected || !now || now->writable() != 0;
    });
    if (!ready) return sent != 0 ? static_cast<ssize_t>(sent) : -EINTR;
  }
  return sent == 0 && !bytes.empty() ? -EAGAIN : static_cast<ssize_t>(sent);
}

ssize_t Sockets::send_message(Socket& socket, std::span<const std::byte> bytes, const sockaddr* to,
                              socklen_t size) {
  Endpoint remote = socket.remote;
  if (to != nullptr) {
    if (const int error = read_address(to, size, remote); error != 0) return error;
  } else if (socket.state != State::connected) {
    return -EDESTADDRREQ;
  }
  if (socket.error != 0) return -std::exchange(socket.error, 0);
  if (socket.local.port == 0) {
    if (const int error = settle_at(socket, {}); error != 0) return error;
  }
  const Endpoint from{Host::own_address, socket.local.port};
  if (const auto done = host_.stack().send_datagram(from, remote, bytes); !done) {
    return -error_of(done.error());
  }
  host_.settle();
  return static_cast<ssize_t>(bytes.size());
}

int Sockets::close(int fd) {
  Lock lock = enter();
  const Handle socket = find(fd);
  if (socket == nullptr) return -EBADF;
  const std::uint64_t number = descriptors_.at(fd);
  descriptors_.erase(fd);
  ::close(fd);
  socket->open = false;
  if (socket->state == State::listening) stop_listening(*socket);
  const bool hard = socket->lingering.l_onoff != 0 && socket->lingering.l_linger == 0;
  if (auto s = stream(*socket)) {
    if (hard) {
      s->abort();
    } else {
      s->close();
    }
  }
  host_.settle();
  // Linux waits whether the descriptor blocks or not, and returns 0 either way: what is left goes
  // on by itself.
  if (socket->lingering.l_onoff != 0 && !hard) {
    block(
        lock,
        [&] {
          auto s = stream(*socket);
          return !s || s->unacknowledged() == 0;
        },
        host_.now() + std::chrono::seconds(socket->lingering.l_linger));
  }
  forget_if_over(number);
  return 0;
}

/// What nobody has accepted is reset.
void Sockets::stop_listening(Socket& socket) {
  host_.stack().unlisten(socket.local.port);
  socket.state = State::over;
  for (const std::uint64_t waiting : std::exchange(socket.accepted, {})) {
    if (auto s = stream(*sockets_.at(waiting))) {
      s->abort();
    } else {
      sockets_.erase(waiting);
    }
  }
}

/// What accept() has yet to take stays.
void Sockets::forget_if_over(std::uint64_t number) {
  const auto at = sockets_.find(number);
  if (at == sockets_.end()) return;
  const Socket& socket = *at->second;
  if (socket.open || stream(socket)) return;
  const bool waiting = std::any_of(sockets_.begin(), sockets_.end(), [&](const auto& each) {
    const auto& queue = each.second->accepted;
    return std::find(queue.begin(), queue.end(), number) != queue.end();
  });
  if (!waiting) sockets_.erase(at);
}

int Sockets::shutdown(int fd, int how) {
  const Lock lock = enter();
  const Handle socket = find(fd);
  if (socket == nullptr) return -EBADF;
  if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) return -EINVAL;
  if (socket->state != State::connected && socket->state != State::connecting) return -ENOTCONN;
  auto s = stream(*socket);
  if (socket->stream && !s) return -ENOTCONN;
  if (how != SHUT_WR) socket->receive_shut = true;
  if (how != SHUT_RD) {
    socket->send_shut = true;
    if (s && socket->state == State::connecting) {
      s->abort();  // as Linux ends an open that is not complete
    } else if (s) {
      s->shutdown_send();
    }
  }
  host_.settle();
  return 0;
}

short Sockets::events(int fd) {
  const Handle socket = find(fd);
  if (socket == nullptr) return POLLNVAL;
  int found = socket->error != 0 ? POLLERR : 0;
  if (!socket->stream) {
    if (!socket->messages.empty()) found |= POLLIN | POLLRDNORM;
    return static_cast<short>(found | POLLOUT | POLLWRNORM);
  }
  switch (socket->state) {
    case State::fresh:
      return POLLOUT | POLLHUP;
    case State::listening:
      if (!socket->accepted.empty()) found |= POLLIN | POLLRDNORM;
      return static_cast<short>(found);
    case State::connecting:
      return static_cast<short>(found);
    case State::connected:
    case State::over:
      break;
  }
  auto s = stream(*socket);
  const bool ended = socket->state == State::over || socket->peer_closed || socket->receive_shut;
  if (ended || (s && !s->readable().empty())) found |= POLLIN | POLLRDNORM;
  if (ended) found |= POLLRDHUP;
  if (socket->state == State::over || (ended && socket->send_shut)) found |= POLLHUP;
  if (socket->state == State::over || socket->send_shut || (s && s->writable() != 0)) {
    found |= POLLOUT | POLLWRNORM;
  }
  return static_cast<short>(found);
}

int Sockets::poll(std::span<pollfd> fds, int timeout_ms) {
  Lock lock = enter();
  const auto look = [&] {
    int ready = 0;
    for (pollfd& each : fds) {
      each.revents = 0;
      if (each.fd < 0) continue;
      each.revents =
          static_cast<short>(events(each.fd) & (each.events | POLLERR | POLLHUP | POLLNVAL));
      ready += each.revents != 0 ? 1 : 0;
    }
    return ready;
  };
  const int ready = look();
  if (ready != 0 || timeout_ms == 0) return ready;
  std::optional<Instant> limit;
  if (timeout_ms > 0) limit = host_.now() + std::chrono::milliseconds(timeout_ms);
  block(
      lock, [&] { return look() != 0; }, limit);
  return look();
}

void Sockets::accepted(application::StreamId id, std::uint16_t port, Session& session) {
  auto s = host_.stack().stream(id);
  const auto listener = std::find_if(sockets_.begin(), sockets_.end(), [&](const auto& each) {
    return each.second->state == State::listening && each.second->local.port == port;
  });
  if (listener == sockets_.end()) return s->abort();  // closed a moment ago
  Socket& from = *listener->second;
  session.socket = add({.state = State::connected,
                        .open = false,
                        .id = id,
                        .local = s->local(),
                        .remote = s->remote(),
                        .options = from.options,
                        .lingering = from.lingering,
                        .limits = from.limits,
                        .stream_options = from.stream_options});
  take_options(*sockets_.at(session.socket));
  from.accepted.push_back(session.socket);
}

void Sockets::connected(std::uint64_t socket) { sockets_.at(socket)->state = State::connected; }

void Sockets::ended(std::uint64_t number, Cause cause) {
  const auto at = sockets_.find(number);
  if (at == sockets_.end()) return;
  Socket& socket = *at->second;
  if (const int error = error_of(cause); error != 0) {
    // The peer had closed, and resets what we still have to say: for Linux a broken pipe.
    const bool broken = error == ECONNRESET && socket.peer_closed && !socket.send_shut;
    socket.error = broken ? EPIPE : error;
  } else if (cause == Cause::aborted && socket.state == State::connecting) {
    socket.error = ECONNABORTED;
  }
  socket.state = State::over;
  socket.id.reset();
  forget_if_over(number);
}

void Sockets::peer_closed(std::uint64_t socket) {
  if (socket != 0) sockets_.at(socket)->peer_closed = true;
}

void Sockets::datagram(const application::Datagram& datagram) {
  for (auto& [number, each] : sockets_) {
    if (each->stream || each->local.port != datagram.local.port) continue;
    if (each->state == State::connected && each->remote != datagram.remote) continue;
    each->messages.push_back({datagram.remote, {datagram.bytes.begin(), datagram.bytes.end()}});
    return;
  }
}

void Sockets::datagram_failed(Endpoint local, Endpoint remote, Cause cause) {
  for (auto& [number, each] : sockets_) {
    if (!each->stream && each->state == State::connected && each->local.port == local.port &&
        each->remote == remote) {
      each->error = error_of(cause);
    }
  }
}

}  // namespace pollux::packetdrill
