#pragma once

#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "application/copy.h"
#include "base/cause.h"
#include "folder.h"

namespace ftpd {

using pollux::application::Endpoint;
using pollux::application::Stream;
using pollux::application::StreamId;

inline constexpr std::uint16_t control_port = 21;
inline constexpr std::uint16_t data_port = 20;  // ours, of active opens (RFC 959 s.8)

/// RFC 959's server, read only and for everybody. A user's control connection has a data connection
/// beside it, which the user opens (PASV) or we do (PORT); a transfer goes through it, and ends
/// with it.
class Server {
 public:
  /// Of a control connection, and of a data connection.
  struct Session {
    bool is_data = false;
    bool logged_in = false;
    bool connected = false;          // data: the handshake is over
    std::uint16_t passive_port = 0;  // control: what we listen on for it
    StreamId other{};                // each other's
    Endpoint active{};               // control: where the user wants the data
    File file{};                     // control: waits for its data connection; data: under way
    std::uint64_t offset = 0;        // of the next byte
    std::array<char, 256> folder{};  // control: where the user is, zero-terminated
  };

  explicit Server(const Folder& folder) noexcept : folder_(folder) {}

  void on_start(auto& stack) noexcept { listening_ = bool{stack.listen(control_port)}; }
  bool done() const noexcept { return !listening_; }

  void on_accepted(Stream auto& stream) noexcept {
    if (stream.local().port != control_port) return accept_data(stream);
    stream.options({.keepalive = true});  // a user who has vanished frees what is theirs
    reply(stream, "220 Pollux reads files to you.");
  }
  void on_connected(Stream auto& stream) noexcept { data_connected(stream); }
  void on_readable(Stream auto& stream) noexcept {
    stream.session().is_data ? discard(stream) : serve(stream);
  }
  void on_writable(Stream auto& stream) noexcept {
    if (stream.session().is_data) pump(stream);
  }
  void on_peer_closed(Stream auto& stream) noexcept {
    if (!stream.session().is_data) leave(stream);
  }
  void on_closed(auto& stack, StreamId, Session& session, pollux::Cause cause) noexcept {
    session.file.close();
    if (!session.is_data) return drop_data(stack, session);
    auto control = stack.stream(session.other);
    if (!control) return;
    control->session().other = {};
    const bool waited = bool{control->session().file};
    control->session().file.close();
    control->session().offset = 0;
    if (!waited && session.offset == idle) return;  // no transfer was under way
    reply(*control, std::string{waited ? "425 No data connection: " : "426 Broken off: "}.append(
                        name(cause)));
    serve(*control);
  }

 private:
  static constexpr std::uint64_t idle = ~std::uint64_t{0};
  static constexpr std::uint16_t first_passive = 50'000;
  static constexpr std::size_t most_passive = 60;  // a stack listens on 64 ports

  // --- the control connection

  /// Reads and answers commands, one after the other, as long as no transfer is under way.
  void serve(Stream auto& control) noexcept {
    std::array<char, 512> line{};
    while (!busy(control)) {
      const std::size_t n = control.peek(std::as_writable_bytes(std::span{line}));
      const std::string_view text{line.data(), n};
      const std::size_t end = text.find('\n');
      if (end == text.npos) {
        if (n == line.size() && reply(control, "500 A line of more than 512 bytes."))
          leave(control);
        return;
      }
      pollux::application::read(control, std::as_writable_bytes(std::span{line}).first(end + 1));
      std::string_view command = text.substr(0, end);
      if (command.ends_with('\r')) command.remove_suffix(1);
      const std::size_t space = std::min(command.find(' '), command.size());
      std::string verb{command.substr(0, space)};
      for (char& c : verb) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
      command.remove_prefix(std::min(space + 1, command.size()));
      if (!obey(control, verb, command)) return;
    }
  }

  /// A transfer that has been asked for is not over.
  bool busy(Stream auto& control) noexcept {
    if (control.session().file) return true;
    auto data = control.stack().stream(control.session().other);
    return data && data->session().file;
  }

  /// False: the connection is closed.
  bool obey(Stream auto& control, std::string_view verb, std::string_view argument) noexcept {
    Session& session = control.session();
    const std::string path = resolve(session.folder.data(), argument);
    if (verb == "QUIT") {
      if (reply(control, "221 Goodbye.")) leave(control);
      return false;
    }
    if (verb == "NOOP") return reply(control, "200 Here.");
    if (verb == "USER") return reply(control, "331 Any password will do.");
    if (verb == "PASS") {
      session.logged_in = true;
      return reply(control, "230 Welcome.");
    }
    if (verb == "FEAT")
      return reply(control, "211-Beyond RFC 959:\r\n SIZE\r\n REST STREAM\r\n211 .");
    if (!session.logged_in) return reply(control, "530 USER and PASS first.");
    if (verb == "PASV") return passive(control);
    if (verb == "PORT") return active(control, argument);
    if (verb == "RETR") return transfer(control, folder_.open(path), session.offset);
    if (verb == "LIST" || verb == "NLST") {
      // Options that everybody's `ls` has, and no RFC.
      while (argument.starts_with('-')) {
        argument.remove_prefix(std::min(argument.find(' '), argument.size()));
        argument.remove_prefix(std::min(argument.find_first_not_of(' '), argument.size()));
      }
      return transfer(control,
                      folder_.list(resolve(session.folder.data(), argument), verb == "NLST"), 0);
    }
    if (verb == "REST") {  // RFC 3659 s.5
      const auto [end, error] = std::from_chars(argument.begin(), argument.end(), session.offset);
      if (error != std::errc{} || end != argument.end() || session.offset == idle) {
        session.offset = 0;
        return reply(control, "501 REST and a number of bytes.");
      }
      return reply(control, "350 From there.");
    }
    if (verb == "SIZE") {
      File file = folder_.open(path);
      if (!file) return refuse_file(control, file.error);
      const std::string size = std::to_string(file.size());
      file.close();
      return reply(control, "213 " + size);
    }
    if (verb == "CWD" || verb == "CDUP") {
      const std::string to = verb == "CWD" ? path : resolve(session.folder.data(), "..");
      if (to.size() >= session.folder.size()) return refuse_file(control, ENAMETOOLONG);
      if (!folder_.is_folder(to)) return refuse_file(control, ENOTDIR);
      std::memcpy(session.folder.data(), to.c_str(), to.size() + 1);
      return reply(control, "250 You are there.");
    }
    if (verb == "PWD") return reply(control, "257 " + quoted(session.folder.data()));
    if (verb == "TYPE") {  // text goes as it is, too
      const bool known = argument == "I" || argument == "A" || argument == "A N" ||
                         argument == "L 8" || argument == "i" || argument == "a";
      return reply(control, known ? "200 Bytes as they are." : "504 Types are I and A.");
    }
    if (verb == "MODE") return reply(control, argument == "S" ? "200 A stream." : "504 S alone.");
    if (verb == "STRU") return reply(control, argument == "F" ? "200 A file." : "504 F alone.");
    return reply(control, "502 Not a command of this server.");
  }

  static std::string quoted(std::string_view folder) {
    std::string out{"\"/"};
    for (const char c : folder) out.append(c == '"' ? 2 : 1, c);
    return out += '"';
  }

  /// False where even this does not fit: who reads no replies is not served.
  bool reply(Stream auto& control, std::string text) noexcept {
    text += "\r\n";
    if (pollux::application::write(control, text) == text.size()) return true;
    control.abort();
    return false;
  }
  bool refuse_file(Stream auto& control, int error) noexcept {
    return reply(control, std::string{"550 "}.append(std::strerror(error)) + ".");
  }
  void leave(Stream auto& control) noexcept {
    control.session().file.close();
    drop_data(control.stack(), control.session());
    discard(control);
    control.close();
  }
  /// Nothing is wanted from there; what is left unread would end the connection by a reset, which
  /// may overtake our last words.
  static void discard(Stream auto& stream) noexcept {
    while (!stream.readable().empty()) stream.consume(stream.readable().size());
  }

  // --- the data connection

  /// Forgets what a control connection had of one, and what was to become one.
  void drop_data(auto& stack, Session& session) noexcept {
    if (session.passive_port != 0) {
      stack.unlisten(session.passive_port);
      waiting_[session.passive_port - first_passive] = {};
      session.passive_port = 0;
    }
    session.active = {};
    auto data = stack.stream(session.other);
    session.other = {};
    if (!data) return;
    data->session().other = {};
    data->abort();
  }

  bool passive(Stream auto& control) noexcept {
    drop_data(control.stack(), control.session());
    for (std::size_t i = 0; i < most_passive; ++i) {
      const auto port = static_cast<std::uint16_t>(first_passive + i);
      if (waiting_[i] || !control.stack().listen(port)) continue;
      waiting_[i] = control.id();
      control.session().passive_port = port;
      std::string host = control.local().address.to_string();
      std::replace(host.begin(), host.end(), '.', ',');
      return reply(control, "227 Entering Passive Mode (" + host + ',' + std::to_string(port >> 8) +
                                ',' + std::to_string(port & 0xFF) + ").");
    }
    return reply(control, "425 All passive ports are taken.");
  }

  /// "h1,h2,h3,h4,p1,p2". Nobody may have us connect to somebody else, or to a service (RFC 2577).
  bool active(Stream auto& control, std::string_view argument) noexcept {
    drop_data(control.stack(), control.session());
    std::array<std::uint8_t, 6> numbers{};
    const char* at = argument.begin();
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      if (i != 0 && (at == argument.end() || *at++ != ',')) at = argument.end();
      const auto [end, error] = std::from_chars(at, argument.end(), numbers[i]);
      if (error != std::errc{}) return reply(control, "501 PORT h1,h2,h3,h4,p1,p2.");
      at = end;
    }
    const Endpoint to{{numbers[0], numbers[1], numbers[2], numbers[3]},
                      static_cast<std::uint16_t>(numbers[4] << 8 | numbers[5])};
    if (at != argument.end()) return reply(control, "501 PORT h1,h2,h3,h4,p1,p2.");
    if (to.address != control.remote().address || to.port < 1024) {
      return reply(control, "504 To your own address, and no port below 1024.");
    }
    control.session().active = to;
    return reply(control, "200 There it will go.");
  }

  /// What was asked for waits in the control connection until there is a data connection.
  bool transfer(Stream auto& control, File file, std::uint64_t offset) noexcept {
    Session& session = control.session();
    session.offset = 0;
    if (!file) return refuse_file(control, file.error);
    auto data = control.stack().stream(session.other);
    std::optional<std::string_view> refusal;
    if (offset > file.size()) {
      refusal = "554 The file ends before that.";
    } else if (session.active.port != 0) {
      refusal = open_data(control);
    } else if (!data && session.passive_port == 0) {
      refusal = "425 PASV or PORT first.";
    }
    if (refusal) {
      file.close();
      return reply(control, std::string{*refusal});
    }
    session.file = file;
    session.offset = offset;
    if (data && data->session().connected) begin(control, *data);
    return true;
  }

  void accept_data(Stream auto& data) noexcept {
    data.session().is_data = true;
    data.session().offset = idle;
    const StreamId whose = waiting_[data.local().port - first_passive].value_or(StreamId{});
    auto control = data.stack().stream(whose);
    if (!control || control->remote().address != data.remote().address) return data.abort();
    control->session().passive_port = 0;
    waiting_[data.local().port - first_passive] = {};
    data.stack().unlisten(data.local().port);
    control->session().other = data.id();
    data.session().other = control->id();
    data_connected(data);
  }

  /// Nothing, or the reply that says why there is none.
  std::optional<std::string_view> open_data(Stream auto& control) noexcept {
    auto& stack = control.stack();
    const Endpoint to = std::exchange(control.session().active, {});
    auto opened =
        stack.connect(to, {.local_address = control.local().address, .local_port = data_port});
    // Where the last connection to that port is not forgotten yet.
    if (!opened) opened = stack.connect(to, {.local_address = control.local().address});
    if (!opened) return "425 No data connection can be opened.";
    control.session().other = *opened;
    auto data = stack.stream(*opened);
    data->session().is_data = true;
    data->session().offset = idle;
    data->session().other = control.id();
    return std::nullopt;
  }

  void data_connected(Stream auto& data) noexcept {
    data.session().connected = true;
    auto control = data.stack().stream(data.session().other);
    if (control && control->session().file) begin(*control, data);
  }

  void begin(Stream auto& control, Stream auto& data) noexcept {
    data.session().file = std::exchange(control.session().file, {});
    data.session().offset = std::exchange(control.session().offset, 0);
    if (reply(control, "150 Here it comes.")) pump(data);
  }

  /// Reads the file into packet memory as long as the send queue takes it; on_writable() goes on.
  void pump(Stream auto& data) noexcept {
    Session& session = data.session();
    while (session.file) {
      const std::span<std::byte> room = data.reserve(64 * 1024);
      if (room.empty()) return;
      const ssize_t n = ::pread(session.file.descriptor, room.data(), room.size(),
                                static_cast<off_t>(session.offset));
      data.commit(n > 0 ? static_cast<std::size_t>(n) : 0);
      session.offset += n > 0 ? static_cast<std::uint64_t>(n) : 0;
      if (n <= 0) finish(data, n < 0 ? errno : 0);
    }
  }

  /// The transfer is over: its end is the data connection's.
  void finish(Stream auto& data, int error) noexcept {
    data.session().file.close();
    auto control = data.stack().stream(std::exchange(data.session().other, {}));
    error == 0 ? data.close() : data.abort();
    if (!control) return;
    control->session().other = {};
    if (error == 0) {
      reply(*control, "226 That is all of it.");
    } else {
      reply(*control, std::string{"451 "}.append(std::strerror(error)) + ".");
    }
    serve(*control);
  }

  const Folder& folder_;
  std::array<std::optional<StreamId>, most_passive> waiting_{};  // whose is a passive port
  bool listening_ = false;
};

}  // namespace ftpd
