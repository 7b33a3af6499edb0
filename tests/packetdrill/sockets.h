#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "application/application.h"
#include "base/time.h"
#include "host.h"

namespace pollux::packetdrill {

/// BSD sockets over one Host, for packetdrill: one call at a time in the thread that runs the
/// script, and at most one that blocks, in another. Results are those of Linux's system calls, an
/// error as -errno.
class Sockets final : public SocketEvents {
 public:
  explicit Sockets(const tcp::Config& config) : config_(config), host_(config, *this) {}

  int socket(int domain, int type, int protocol);
  int bind(int fd, const sockaddr* address, socklen_t size);
  int listen(int fd, int backlog);
  int accept(int fd, sockaddr* address, socklen_t* size);
  int connect(int fd, const sockaddr* address, socklen_t size);
  ssize_t receive(int fd, std::span<std::byte> to, int flags, sockaddr* from, socklen_t* size);
  ssize_t send(int fd, std::span<const std::byte> bytes, int flags, const sockaddr* to,
               socklen_t size);
  int fcntl(int fd, int command, long argument);
  int ioctl(int fd, unsigned long request, void* argument);
  int close(int fd);
  int shutdown(int fd, int how);
  int getsockopt(int fd, int level, int name, void* value, socklen_t* size);
  int setsockopt(int fd, int level, int name, const void* value, socklen_t size);
  int poll(std::span<pollfd> fds, int timeout_ms);

  int netdev_send(std::span<const std::byte> datagram);
  int netdev_receive(std::span<std::byte> to, std::size_t& n, long long& usecs);
  int usleep(std::uint32_t usecs);
  /// Microseconds; each call moves the clock by one.
  std::int64_t gettimeofday();

  void accepted(application::StreamId id, std::uint16_t port, Session& session) override;
  void connected(std::uint64_t socket) override;
  void ended(std::uint64_t socket, Cause cause) override;
  void peer_closed(std::uint64_t socket) override;
  void datagram(const application::Datagram& datagram) override;
  void datagram_failed(application::Endpoint local, application::Endpoint remote,
                       Cause cause) override;

 private:
  enum class State : std::uint8_t { fresh, listening, connecting, connected, over };
  struct Message {
    application::Endpoint from;
    std::vector<std::byte> bytes;
  };
  struct Socket {
    bool stream = true;  // else datagrams
    State state = State::fresh;
    bool nonblocking = false;
    bool open = true;  // a descriptor leads to it
    bool connect_told = true;
    bool peer_closed = false;
    bool receive_shut = false;
    bool send_shut = false;
    int error = 0;  // SO_ERROR
    std::optional<application::StreamId> id{};
    application::Endpoint local{};
    application::Endpoint remote{};
    std::deque<std::uint64_t> accepted{};  // sockets that accept() has not taken
    std::deque<Message> messages{};
    std::map<std::pair<int, int>, std::vector<std::byte>> options{};  // as they were set
    linger lingering{};
    application::Limits limits{};
    application::StreamOptions stream_options{};
  };
  using Handle = std::shared_ptr<Socket>;  // a call that blocks outlives its socket's close
  using Stream = Host::Stack::Stream;
  using Lock = std::unique_lock<std::mutex>;

  std::uint64_t add(Socket socket);
  int add_descriptor(std::uint64_t number);
  Handle find(int fd);
  std::optional<Stream> stream(const Socket& socket);
  void stop_listening(Socket& socket);
  void forget_if_over(std::uint64_t number);
  bool taken(std::uint16_t port, bool stream) const;
  std::uint16_t free_port(bool stream);
  int settle_at(Socket& socket, application::Endpoint local);
  static bool nagle(const Socket& socket);
  short events(int fd);
  void take_options(Socket& socket);
  static int take_socket_option(Socket& socket, int name, int number);
  static int take_tcp_option(Socket& socket, int name, int number);
  std::optional<int> tcp_option(const Socket& socket, int name);
  static std::uint8_t state_of(const Socket& socket, bool all_acknowledged);
  void tcp_info(const Socket& socket, std::span<std::byte> to);
  ssize_t receive_text(Socket& socket, std::span<std::byte> to, int flags);
  ssize_t receive_message(Socket& socket, std::span<std::byte> to, int flags, sockaddr* from,
                          socklen_t* size);
  void push(Socket& socket);
  int start_connect(int fd, Socket& socket, application::Endpoint remote);
  ssize_t connect_with_text(int fd, Socket& socket, std::span<const std::byte> bytes,
                            const sockaddr* to, socklen_t size);
  ssize_t send_text(Lock& lock, const Handle& socket, std::span<const std::byte> bytes, int flags);
  ssize_t send_message(Socket& socket, std::span<const std::byte> bytes, const sockaddr* to,
                       socklen_t size);

  Lock enter();
  /// Waits, in virtual time, until `ready` or `limit`; false at the limit, and where nothing can
  /// happen any more.
  bool block(Lock& lock, const std::function<bool()>& ready,
             std::optional<Instant> limit = std::nullopt);
  void wake_blocked(Lock& lock);
  void run_until(Lock& lock, Instant when);

  const tcp::Config config_;
  std::mutex mutex_;
  std::condition_variable changed_;
  struct Blocked {
    std::function<bool()> ready;
    std::optional<Instant> limit;
    bool over(Instant now) const { return ready() || (limit && now >= *limit); }
  };
  Blocked* blocked_ = nullptr;
  std::optional<std::thread::id> just_left_;  // has been woken, and not looked at the clock yet
  std::uint64_t waits_over_ = 0;
  std::uint64_t entries_ = 0;
  int silences_ = 0;  // of netdev_receive, in a row

  std::map<std::uint64_t, Handle> sockets_;
  std::map<int, std::uint64_t> descriptors_;
  std::uint64_t last_number_ = 0;
  Host host_;  // last: what it tells goes to the others
};

}  // namespace pollux::packetdrill
