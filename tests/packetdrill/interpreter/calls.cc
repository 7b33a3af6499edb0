#include "calls.h"

#include <netinet/in.h>

#include <array>
#include <cstring>
#include <memory>
#include <utility>

#include "names.h"

namespace pollux::interpreter {
namespace {

std::int64_t number_of(const Expression& expression) {
  const auto* const value = std::get_if<std::int64_t>(&expression.value);
  if (value == nullptr) throw std::string{"an argument that should be a number"};
  return *value;
}
int int_of(const Expression& expression) { return static_cast<int>(number_of(expression)); }

void need_ellipsis(const Expression& expression) {
  if (!std::holds_alternative<Ellipsis>(expression.value)) {
    throw std::string{"addresses and buffers are written '...'"};
  }
}

/// The number in [n].
std::int64_t bracketed(const Expression& expression) {
  const auto* const list = std::get_if<List>(&expression.value);
  if (list == nullptr || list->size() != 1) throw std::string{"a value is written [value]"};
  return number_of(list->front());
}

std::int64_t field(const Expression& expression, const std::string& name) {
  const auto* const fields = std::get_if<Fields>(&expression.value);
  if (fields == nullptr) throw std::string{"an argument that should be a structure"};
  for (const auto& [each, value] : *fields) {
    if (each == name) return number_of(value);
  }
  throw joined("a structure without the field '", name, "'");
}

bool is_linger(const Expression& expression) {
  return std::holds_alternative<Fields>(expression.value);
}

linger linger_of(const Expression& expression) {
  return {static_cast<int>(field(expression, "onoff")),
          static_cast<int>(field(expression, "linger"))};
}

std::string differs(const std::string& name, std::int64_t is, std::int64_t should) {
  return joined(name, " is ", is, ", not ", should);
}

sockaddr_in address(wire::Ipv4Address host) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(Connection::served_port);
  out.sin_addr.s_addr = htonl(host.value());
  return out;
}

}  // namespace

Calls::Descriptor& Calls::descriptor(const Expression& number) {
  const auto at = descriptors_.find(number_of(number));
  if (at == descriptors_.end()) {
    throw joined("no descriptor ", number_of(number), " is open");
  }
  return at->second;
}

void Calls::opened(std::int64_t number, long live) {
  descriptors_.insert_or_assign(number, Descriptor{.live = static_cast<int>(live)});
}

Prepared Calls::prepare(const Call& call) {
  const List& a = call.arguments;
  packetdrill_interface& s = stack_;
  if (call.name == "socket") return socket(call);
  if (call.name == "bind") return with_address(call, false);
  if (call.name == "connect") return with_address(call, true);
  if (call.name == "accept") return accept(call);
  if (call.name == "read" || call.name == "recv") return receive(call);
  if (call.name == "write" || call.name == "send" || call.name == "sendto") return send(call);
  if (call.name == "fcntl" || call.name == "ioctl") return control(call);
  if (call.name == "getsockopt") return get_option(call);
  if (call.name == "setsockopt") return set_option(call);
  if (call.name == "poll") return poll(call);
  const int fd = live(a[0]);
  if (call.name == "listen") {
    connection_.listening();
    return {.invoke = [&s, fd, n = int_of(a[1])] { return s.listen(s.userdata, fd, n); }};
  }
  if (call.name == "shutdown") {
    return {.invoke = [&s, fd, how = int_of(a[1])] { return s.shutdown(s.userdata, fd, how); }};
  }
  descriptors_.erase(number_of(a[0]));  // the parser knows no other call than close
  return {.invoke = [&s, fd] { return s.close(s.userdata, fd); }};
}

std::string Calls::conclude(const Call& call, const Prepared& prepared, long result,
                            int error) const {
  const auto text = [](long value, int why) {
    return value < 0 && why != 0 ? joined(value, " ", error_name(why)) : std::to_string(value);
  };
  // A descriptor has the script's number there, and the stack's here.
  const bool opens = call.name == "socket" || call.name == "accept";
  const bool right = opens && call.result >= 0 ? result >= 0 : result == call.result;
  if (!right || (call.error && *call.error != error)) {
    return joined("the result is ", text(result, error), ", not ",
                  text(static_cast<long>(call.result), call.error.value_or(0)));
  }
  return result < 0 ? std::string{} : prepared.check(result);
}

Prepared Calls::socket(const Call& call) {
  const List& a = call.arguments;
  connection_.renewed();
  const int domain = std::holds_alternative<Ellipsis>(a[0].value) ? AF_INET : int_of(a[0]);
  return {
      .invoke = [&s = stack_, domain, type = int_of(a[1]),
                 protocol = int_of(a[2])] { return s.socket(s.userdata, domain, type, protocol); },
      .check =
          [this, number = call.result](long result) {
            opened(number, result);
            return std::string{};
          }};
}

Prepared Calls::accept(const Call& call) {
  const List& a = call.arguments;
  need_ellipsis(a[1]);
  need_ellipsis(a[2]);
  const auto from = std::make_shared<sockaddr_in>();
  return {.invoke =
              [&s = stack_, fd = live(a[0]), from] {
                socklen_t size = sizeof *from;
                return s.accept(s.userdata, fd, reinterpret_cast<sockaddr*>(from.get()), &size);
              },
          .check =
              [this, number = call.result, from](long result) {
                opened(number, result);
                const bool right = from->sin_addr.s_addr == htonl(Connection::remote.value());
                return std::string{right ? "" : "the peer's address is not the peer's"};
              }};
}

Prepared Calls::with_address(const Call& call, bool connects) {
  const List& a = call.arguments;
  need_ellipsis(a[1]);
  need_ellipsis(a[2]);
  const auto at = address(connects ? Connection::remote : Connection::local);
  if (connects) connection_.connecting();
  return {.invoke = [&s = stack_, fd = live(a[0]), at, connects] {
    const auto* const to = reinterpret_cast<const sockaddr*>(&at);
    return connects ? s.connect(s.userdata, fd, to, sizeof at)
                    : s.bind(s.userdata, fd, to, sizeof at);
  }};
}

Prepared Calls::receive(const Call& call) {
  const List& a = call.arguments;
  need_ellipsis(a[1]);
  Descriptor& from = descriptor(a[0]);
  const bool plain = call.name == "read";
  const int flags = plain ? 0 : int_of(a[3]);
  const auto buffer = std::make_shared<std::vector<std::byte>>(number_of(a[2]));
  return {.invoke = [&s = stack_, fd = from.live, buffer, plain, flags]() -> long {
            if (plain) return s.read(s.userdata, fd, buffer->data(), buffer->size());
            return s.recv(s.userdata, fd, buffer->data(), buffer->size(), flags);
          },
          .check =
              [this, number = number_of(a[0]), buffer, flags](long result) {
                const auto at = descriptors_.find(number);
                if (at == descriptors_.end()) return std::string{};  // closed since
                const std::uint64_t first = at->second.read;
                if ((flags & MSG_PEEK) == 0) at->second.read += static_cast<std::uint64_t>(result);
                for (std::size_t i = 0; i < static_cast<std::size_t>(result); ++i) {
                  if ((*buffer)[i] != pattern(first + i)) {
                    return joined("byte ", i, " is not what the peer has sent there");
                  }
                }
                return std::string{};
              }};
}

Prepared Calls::send(const Call& call) {
  const List& a = call.arguments;
  need_ellipsis(a[1]);
  Descriptor& to = descriptor(a[0]);
  const bool plain = call.name == "write";
  const auto buffer = std::make_shared<std::vector<std::byte>>(number_of(a[2]));
  for (std::size_t i = 0; i < buffer->size(); ++i) (*buffer)[i] = pattern(to.written + i);
  const bool addressed = call.name == "sendto";
  const int flags = plain ? 0 : int_of(a[3]);
  if (addressed && (flags & MSG_FASTOPEN) != 0) connection_.connecting();
  return {.invoke = [&s = stack_, fd = to.live, buffer, plain, addressed, flags]() -> long {
            if (addressed) {
              const auto at = address(Connection::remote);
              return s.sendto(s.userdata, fd, buffer->data(), buffer->size(), flags,
                              reinterpret_cast<const sockaddr*>(&at), sizeof at);
            }
            if (plain) return s.write(s.userdata, fd, buffer->data(), buffer->size());
            return s.send(s.userdata, fd, buffer->data(), buffer->size(), flags);
          },
          .check =
              [this, number = number_of(a[0])](long result) {
                const auto at = descriptors_.find(number);
                if (at != descriptors_.end()) {
                  at->second.written += static_cast<std::uint64_t>(result);
                }
                return std::string{};
              }};
}

Prepared Calls::control(const Call& call) {
  const List& a = call.arguments;
  const int fd = live(a[0]);
  const int command = int_of(a[1]);
  if (call.name == "fcntl") {
    return {.invoke = [&s = stack_, fd, command, value = a.size() == 3 ? int_of(a[2]) : 0] {
      return s.fcntl(s.userdata, fd, command, value);
    }};
  }
  const auto value = std::make_shared<int>(static_cast<int>(bracketed(a[2])));
  return {.invoke =
              [&s = stack_, fd, command, value] {
                return s.ioctl(s.userdata, fd, static_cast<unsigned long>(command), value.get());
              },
          .check =
              [value, should = *value](long) {
                return *value == should ? std::string{} : differs("the value", *value, should);
              }};
}

Prepared Calls::get_option(const Call& call) {
  const List& a = call.arguments;
  const auto should_size = static_cast<socklen_t>(bracketed(a[4]));
  struct Given {
    std::array<std::byte, sizeof(int)> value{};
    socklen_t size = 0;
  };
  const auto given = std::make_shared<Given>();
  if (should_size > given->value.size()) throw std::string{"an option that is no number"};
  given->size = should_size;
  return {.invoke =
              [&s = stack_, fd = live(a[0]), level = int_of(a[1]), name = int_of(a[2]), given] {
                return s.getsockopt(s.userdata, fd, level, name, given->value.data(), &given->size);
              },
          .check =
              [given, should_size, should = bracketed(a[3])](long) {
                if (given->size != should_size)
                  return differs("the size", given->size, should_size);
                int is = 0;
                std::memcpy(&is, given->value.data(), sizeof is);
                return is == should ? std::string{} : differs("the value", is, should);
              }};
}

Prepared Calls::set_option(const Call& call) {
  const List& a = call.arguments;
  const Expression& value = a[3];
  std::vector<std::byte> bytes(sizeof(linger));
  if (is_linger(value)) {
    const linger to = linger_of(value);
    std::memcpy(bytes.data(), &to, sizeof to);
  } else {
    const int to = static_cast<int>(bracketed(value));
    std::memcpy(bytes.data(), &to, sizeof to);
  }
  const auto size = static_cast<socklen_t>(number_of(a[4]));
  if (size > bytes.size()) throw std::string{"an option of more than 8 bytes"};
  return {
      .invoke = [&s = stack_, fd = live(a[0]), level = int_of(a[1]), name = int_of(a[2]), bytes,
                 size] { return s.setsockopt(s.userdata, fd, level, name, bytes.data(), size); }};
}

Prepared Calls::poll(const Call& call) {
  const List& a = call.arguments;
  const auto* const list = std::get_if<List>(&a[0].value);
  if (list == nullptr) throw std::string{"poll() takes a list of structures"};
  if (number_of(a[1]) != static_cast<std::int64_t>(list->size())) {
    throw std::string{"poll() with another count than its list has"};
  }
  const auto fds = std::make_shared<std::vector<pollfd>>();
  std::vector<std::int64_t> should;
  for (const Expression& each : *list) {
    const int fd = live({field(each, "fd")});
    fds->push_back({fd, static_cast<short>(field(each, "events")), 0});
    should.push_back(field(each, "revents"));
  }
  return {.invoke =
              [&s = stack_, fds, timeout = int_of(a[2])] {
                return s.poll(s.userdata, fds->data(), fds->size(), timeout);
              },
          .check =
              [fds, should](long) {
                for (std::size_t i = 0; i < fds->size(); ++i) {
                  const int is = (*fds)[i].revents;
                  if (is != should[i]) return differs("revents", is, should[i]);
                }
                return std::string{};
              }};
}

}  // namespace pollux::interpreter
