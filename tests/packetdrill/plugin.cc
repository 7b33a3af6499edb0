// The plug-in by which packetdrill drives the stack: its functions, in C, over Sockets.
#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "interface.h"
#include "sockets.h"

namespace pollux::packetdrill {
namespace {

[[noreturn]] void bad_flag(std::string_view flag, const char* why) {
  std::fprintf(stderr, "error: --so_flags %.*s: %s; try: %s\n", static_cast<int>(flag.size()),
               flag.data(), why,
               "iw, quickack, delack_ms, ts, sack, wscale, rcvbuf, cc, ecn, pacing, path_probing, "
               "fastopen, fastopen_pending, cookies, msl_ms or min_rto_ms");
  std::exit(2);
}

/// The number behind the sign of equality, from `least` to `most`.
std::uint32_t number(std::string_view flag, std::string_view text, std::uint32_t least,
                     std::uint32_t most) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) bad_flag(flag, "no number");
  if (value < least || value > most) bad_flag(flag, "out of range");
  return value;
}

void take_flag(tcp::Config& config, std::string_view flag) {
  const std::size_t sign = flag.find('=');
  if (sign == std::string_view::npos) bad_flag(flag, "it has no value");
  const std::string_view name = flag.substr(0, sign);
  const std::string_view text = flag.substr(sign + 1);
  const auto value = [&](std::uint32_t least, std::uint32_t most) {
    return number(flag, text, least, most);
  };
  if (name == "iw") {
    config.initial_window = static_cast<std::uint8_t>(value(1, 64));
  } else if (name == "quickack") {
    if (value(0, 1) != 0) config.delayed_ack = Duration{0};
  } else if (name == "delack_ms") {
    config.delayed_ack = std::chrono::milliseconds(value(0, 500));
  } else if (name == "wscale") {
    config.window_scale = static_cast<std::uint8_t>(value(0, 14));
  } else if (name == "rcvbuf") {
    config.receive_buffer = value(1'024, 1u << 30);
  } else if (name == "msl_ms") {
    config.msl = std::chrono::milliseconds(value(0, 600'000));
  } else if (name == "min_rto_ms") {
    config.min_rto = std::chrono::milliseconds(value(1, 60'000));
  } else if (name == "ts") {
    config.timestamps = value(0, 1) != 0;
  } else if (name == "sack") {
    config.sack = value(0, 1) != 0;
  } else if (name == "ecn") {
    constexpr std::array by_number{tcp::Ecn::off, tcp::Ecn::on, tcp::Ecn::accept};  // as Linux
    config.ecn = by_number[value(0, 2)];
  } else if (name == "pacing") {
    config.pacing = value(0, 1) != 0 ? tcp::Pacing::automatic : tcp::Pacing::off;
  } else if (name == "path_probing") {
    config.path_probing = value(0, 1) != 0;
  } else if (name == "cookies") {
    config.syn_cookies =
        value(0, 1) != 0 ? tcp::SynCookieUse::always : tcp::SynCookieUse::automatic;
  } else if (name == "fastopen") {
    config.fast_open = value(0, 1) != 0;
  } else if (name == "fastopen_pending") {
    config.fast_opens_pending = static_cast<std::uint16_t>(value(0, 65'535));
  } else if (name == "cc") {
    if (text != "reno" && text != "cubic") bad_flag(flag, "neither reno nor cubic");
    config.congestion = text == "cubic" ? tcp::Congestion::cubic : tcp::Congestion::reno;
  } else {
    bad_flag(flag, "no such flag");
  }
}

tcp::Config config_of(std::string_view flags) {
  tcp::Config config;
  config.pacing = tcp::Pacing::off;  // scripts, public ones too, have bursts in mind
  while (!flags.empty()) {
    const std::size_t comma = std::min(flags.find(','), flags.size());
    if (comma != 0) take_flag(config, flags.substr(0, comma));
    flags.remove_prefix(std::min(comma + 1, flags.size()));
  }
  return config;
}

template <class T>
T answer(T result) {
  if (result >= 0) return result;
  errno = static_cast<int>(-result);
  return -1;
}

Sockets& at(void* self) { return *static_cast<Sockets*>(self); }
std::span<std::byte> room(void* to, std::size_t n) { return {static_cast<std::byte*>(to), n}; }
std::span<const std::byte> bytes(const void* from, std::size_t n) {
  return {static_cast<const std::byte*>(from), n};
}

/// None of the pieces is missing.
bool all_there(const iovec* pieces, std::size_t count) {
  return std::none_of(pieces, pieces + count, [](const iovec& each) {
    return each.iov_base == nullptr && each.iov_len != 0;
  });
}

ssize_t gather(void* self, int fd, const iovec* from, std::size_t pieces, int flags,
               const sockaddr* to, socklen_t size) {
  if (!all_there(from, pieces)) return answer(ssize_t{-EFAULT});
  std::vector<std::byte> all;
  for (std::size_t i = 0; i < pieces; ++i) {
    const auto piece = bytes(from[i].iov_base, from[i].iov_len);
    all.insert(all.end(), piece.begin(), piece.end());
  }
  return answer(at(self).send(fd, all, flags, to, size));
}

ssize_t scatter(void* self, int fd, const iovec* to, std::size_t pieces, int flags, sockaddr* from,
                socklen_t* size) {
  if (!all_there(to, pieces)) return answer(ssize_t{-EFAULT});
  std::size_t wanted = 0;
  for (std::size_t i = 0; i < pieces; ++i) wanted += to[i].iov_len;
  std::vector<std::byte> all(wanted);
  const ssize_t got = at(self).receive(fd, all, flags, from, size);
  std::size_t done = 0;
  for (std::size_t i = 0; i < pieces && got > 0 && done < static_cast<std::size_t>(got); ++i) {
    const std::size_t n = std::min(to[i].iov_len, static_cast<std::size_t>(got) - done);
    std::memcpy(to[i].iov_base, all.data() + done, n);
    done += n;
  }
  return answer(got);
}

template <class T>
T not_there() {
  errno = ENOSYS;
  return -1;
}

int fcntl_of(void* self, int fd, int command, ...) {
  va_list rest;
  va_start(rest, command);
  const long argument = command == F_SETFL || command == F_SETFD ? va_arg(rest, int) : 0;
  va_end(rest);
  return answer(at(self).fcntl(fd, command, argument));
}

int ioctl_of(void* self, int fd, unsigned long request, ...) {
  va_list rest;
  va_start(rest, request);
  void* const argument = va_arg(rest, void*);
  va_end(rest);
  return answer(at(self).ioctl(fd, request, argument));
}

void fill(packetdrill_interface& out) {
  out.free = [](void* self) { delete static_cast<Sockets*>(self); };
  out.socket = [](void* self, int domain, int type, int protocol) {
    return answer(at(self).socket(domain, type, protocol));
  };
  out.bind = [](void* self, int fd, const sockaddr* address, socklen_t size) {
    return answer(at(self).bind(fd, address, size));
  };
  out.listen = [](void* self, int fd, int backlog) { return answer(at(self).listen(fd, backlog)); };
  out.accept = [](void* self, int fd, sockaddr* address, socklen_t* size) {
    return answer(at(self).accept(fd, address, size));
  };
  out.connect = [](void* self, int fd, const sockaddr* address, socklen_t size) {
    return answer(at(self).connect(fd, address, size));
  };
  out.read = [](void* self, int fd, void* to, std::size_t n) {
    return answer(at(self).receive(fd, room(to, n), 0, nullptr, nullptr));
  };
  out.readv = [](void* self, int fd, const iovec* to, int pieces) {
    return scatter(self, fd, to, static_cast<std::size_t>(pieces), 0, nullptr, nullptr);
  };
  out.recv = [](void* self, int fd, void* to, std::size_t n, int flags) {
    return answer(at(self).receive(fd, room(to, n), flags, nullptr, nullptr));
  };
  out.recvfrom = [](void* self, int fd, void* to, std::size_t n, int flags, sockaddr* from,
                    socklen_t* size) {
    return answer(at(self).receive(fd, room(to, n), flags, from, size));
  };
  out.recvmsg = [](void* self, int fd, msghdr* message, int flags) {
    return scatter(self, fd, message->msg_iov, message->msg_iovlen, flags,
                   static_cast<sockaddr*>(message->msg_name), &message->msg_namelen);
  };
  out.write = [](void* self, int fd, const void* from, std::size_t n) {
    return answer(at(self).send(fd, bytes(from, n), 0, nullptr, 0));
  };
  out.writev = [](void* self, int fd, const iovec* from, int pieces) {
    return gather(self, fd, from, static_cast<std::size_t>(pieces), 0, nullptr, 0);
  };
  out.send = [](void* self, int fd, const void* from, std::size_t n, int flags) {
    return answer(at(self).send(fd, bytes(from, n), flags, nullptr, 0));
  };
  out.sendto = [](void* self, int fd, const void* from, std::size_t n, int flags,
                  const sockaddr* to, socklen_t size) {
    return answer(at(self).send(fd, bytes(from, n), flags, to, size));
  };
  out.sendmsg = [](void* self, int fd, const msghdr* message, int flags) {
    return gather(self, fd, message->msg_iov, message->msg_iovlen, flags,
                  static_cast<const sockaddr*>(message->msg_name), message->msg_namelen);
  };
  out.fcntl = fcntl_of;
  out.ioctl = ioctl_of;
  out.close = [](void* self, int fd) { return answer(at(self).close(fd)); };
  out.shutdown = [](void* self, int fd, int how) { return answer(at(self).shutdown(fd, how)); };
  out.getsockopt = [](void* self, int fd, int level, int name, void* value, socklen_t* size) {
    return answer(at(self).getsockopt(fd, level, name, value, size));
  };
  out.setsockopt = [](void* self, int fd, int level, int name, const void* value, socklen_t size) {
    return answer(at(self).setsockopt(fd, level, name, value, size));
  };
  out.poll = [](void* self, pollfd* fds, nfds_t count, int timeout_ms) {
    return answer(at(self).poll({fds, count}, timeout_ms));
  };
  out.netdev_send = [](void* self, const void* datagram, std::size_t n) {
    return answer(at(self).netdev_send(bytes(datagram, n)));
  };
  out.netdev_receive = [](void* self, void* buffer, std::size_t* n, long long* usecs) {
    return answer(at(self).netdev_receive(room(buffer, *n), *n, *usecs));
  };
  out.usleep = [](void* self, useconds_t usecs) { return answer(at(self).usleep(usecs)); };
  out.gettimeofday = [](void* self, timeval* time, struct timezone*) {
    const std::int64_t usecs = at(self).gettimeofday();
    if (time != nullptr) *time = {usecs / 1'000'000, usecs % 1'000'000};
    return 0;
  };
  out.epoll_create = [](void*, int) { return not_there<int>(); };
  out.epoll_ctl = [](void*, int, int, int, epoll_event*) { return not_there<int>(); };
  out.epoll_wait = [](void*, int, epoll_event*, int, int) { return not_there<int>(); };
  out.pipe = [](void*, int*) { return not_there<int>(); };
  out.splice = [](void*, int, off64_t*, int, off64_t*, std::size_t, unsigned) {
    return not_there<ssize_t>();
  };
}

}  // namespace
}  // namespace pollux::packetdrill

extern "C" [[gnu::visibility("default")]] void packetdrill_interface_init(
    const char* flags, packetdrill_interface* interface) {
  *interface = {};
  interface->userdata = new pollux::packetdrill::Sockets(
      pollux::packetdrill::config_of(flags == nullptr ? "" : flags));
  pollux::packetdrill::fill(*interface);
}
