#include "names.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "script.h"

namespace pollux::interpreter {
namespace {

struct Named {
  std::string_view name;
  std::int64_t value;
};
#define NAMED(name) \
  Named { #name, name }

constexpr std::array errors{
    NAMED(EAGAIN),       NAMED(EWOULDBLOCK), NAMED(EBADF),        NAMED(EINVAL),
    NAMED(EPIPE),        NAMED(ENOTCONN),    NAMED(EISCONN),      NAMED(EALREADY),
    NAMED(EINPROGRESS),  NAMED(ECONNRESET),  NAMED(ECONNREFUSED), NAMED(ECONNABORTED),
    NAMED(ETIMEDOUT),    NAMED(EADDRINUSE),  NAMED(EHOSTUNREACH), NAMED(ENETUNREACH),
    NAMED(ENOPROTOOPT),  NAMED(EOPNOTSUPP),  NAMED(ENOTTY),       NAMED(ENOBUFS),
    NAMED(EMSGSIZE),     NAMED(ENOMEM),      NAMED(EAFNOSUPPORT), NAMED(EPROTONOSUPPORT),
    NAMED(EDESTADDRREQ), NAMED(EINTR),
};

constexpr std::array constants{
    NAMED(AF_INET),
    NAMED(PF_INET),
    NAMED(SOCK_STREAM),
    NAMED(SOCK_DGRAM),
    NAMED(SOCK_NONBLOCK),
    NAMED(IPPROTO_IP),
    NAMED(IPPROTO_TCP),
    NAMED(IPPROTO_UDP),
    NAMED(SOL_SOCKET),
    NAMED(SOL_TCP),
    NAMED(SO_REUSEADDR),
    NAMED(SO_ERROR),
    NAMED(SO_SNDBUF),
    NAMED(SO_RCVBUF),
    NAMED(SO_LINGER),
    NAMED(SO_KEEPALIVE),
    NAMED(SO_TYPE),
    NAMED(SO_ACCEPTCONN),
    NAMED(TCP_NODELAY),
    NAMED(TCP_MAXSEG),
    NAMED(TCP_CORK),
    NAMED(TCP_KEEPIDLE),
    NAMED(TCP_KEEPINTVL),
    NAMED(TCP_KEEPCNT),
    NAMED(TCP_QUICKACK),
    NAMED(TCP_SYNCNT),
    NAMED(TCP_LINGER2),
    NAMED(TCP_FASTOPEN),
    NAMED(MSG_FASTOPEN),
    NAMED(TCP_USER_TIMEOUT),
    NAMED(MSG_PEEK),
    NAMED(MSG_DONTWAIT),
    NAMED(MSG_NOSIGNAL),
    NAMED(MSG_WAITALL),
    NAMED(MSG_MORE),
    NAMED(F_GETFL),
    NAMED(F_SETFL),
    NAMED(F_GETFD),
    NAMED(F_SETFD),
    NAMED(O_RDONLY),
    NAMED(O_WRONLY),
    NAMED(O_RDWR),
    NAMED(O_NONBLOCK),
    NAMED(SIOCINQ),
    NAMED(SIOCOUTQ),
    NAMED(FIONREAD),
    NAMED(FIONBIO),
    NAMED(SHUT_RD),
    NAMED(SHUT_WR),
    NAMED(SHUT_RDWR),
    NAMED(POLLIN),
    NAMED(POLLOUT),
    NAMED(POLLERR),
    NAMED(POLLHUP),
    NAMED(POLLNVAL),
    NAMED(POLLRDNORM),
    NAMED(POLLWRNORM),
    NAMED(POLLPRI),
    Named{"POLLRDHUP", 0x2000},
};
#undef NAMED

struct Known {
  std::string_view name;
  Arity arity;
};
constexpr std::array calls{
    Known{"socket", {3, 3}},   Known{"bind", {3, 3}},       Known{"listen", {2, 2}},
    Known{"accept", {3, 3}},   Known{"connect", {3, 3}},    Known{"read", {3, 3}},
    Known{"recv", {4, 4}},     Known{"write", {3, 3}},      Known{"send", {4, 4}},
    Known{"fcntl", {2, 3}},    Known{"ioctl", {3, 3}},      Known{"close", {1, 1}},
    Known{"shutdown", {2, 2}}, Known{"getsockopt", {5, 5}}, Known{"setsockopt", {5, 5}},
    Known{"poll", {3, 3}},     Known{"sendto", {6, 6}},
};

}  // namespace

std::optional<std::int64_t> constant(std::string_view name) {
  const auto same = [&](const Named& each) { return each.name == name; };
  if (const auto at = std::find_if(constants.begin(), constants.end(), same);
      at != constants.end()) {
    return at->value;
  }
  const auto at = std::find_if(errors.begin(), errors.end(), same);
  return at == errors.end() ? std::nullopt : std::optional{at->value};
}

std::string error_name(int error) {
  const auto at = std::find_if(errors.begin(), errors.end(),
                               [&](const Named& each) { return each.value == error; });
  return at == errors.end() ? joined("errno ", error) : std::string{at->name};
}

std::optional<Arity> arity_of(std::string_view call) {
  const auto at = std::find_if(calls.begin(), calls.end(),
                               [&](const Known& each) { return each.name == call; });
  return at == calls.end() ? std::nullopt : std::optional{at->arity};
}

}  // namespace pollux::interpreter
