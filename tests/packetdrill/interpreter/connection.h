#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "script.h"
#include "wire/address.h"

namespace pollux::interpreter {

/// A segment that has come from the stack, its numbers those of the wire.
struct Arrival {
  wire::Ipv4Address destination{};
  Ports ports{};
  std::uint8_t ecn = 0;
  Tcp tcp;
  std::vector<std::byte> text;
};

/// A TCP segment with right checksums; otherwise a sentence that says what it is.
std::variant<Arrival, std::string> read_datagram(std::span<const std::byte> datagram);

/// The byte at a place in a stream, counted from 0: text that is repeated, moved or cut short is
/// told from the right one.
constexpr std::byte pattern(std::uint64_t place) { return static_cast<std::byte>(place % 251); }

/// The one connection that a script is about, between the addresses that packetdrill uses. It
/// turns the script's numbers into those of the wire and back: a script does not know the stack's
/// initial sequence number and timestamps, nor the ports.
class Connection {
 public:
  static constexpr wire::Ipv4Address local{192, 168, 0, 1};
  static constexpr wire::Ipv4Address remote{192, 0, 2, 1};
  static constexpr std::uint16_t served_port = 8080;  // of bind() and of connect()

  // What the script calls.
  void listening() { phase_ = Phase::listening; }
  void connecting();  // a later connect() asks for the result of the first
  void renewed() { *this = Connection{}; }

  /// The datagram that the script's packet stands for. Throws a std::string that says what is
  /// wrong with the script.
  std::vector<std::byte> build(const Packet& packet);

  /// Notes what a packet that is waited for says of the connection.
  void expect(const Tcp& expected);
  /// Whether it belongs to the connection.
  bool owns(const Arrival& arrival);
  /// In the script's numbers; `expected` is where the script says how timestamps are called.
  Tcp translated(const Arrival& arrival, const Tcp& expected);
  /// Empty, or what is wrong with the text.
  std::string check_text(const Arrival& arrival) const;

 private:
  enum class Phase : std::uint8_t {
    none,
    listening,
    syn_received,  // a first segment has come in, the answer has not been seen
    connecting,    // connect() has been called, no SYN has been seen
    syn_sent,      // the script waits for the SYN
    synchronized,
  };
  std::uint32_t local_offset(bool syn) const { return syn ? isn_ - script_isn_ : isn_; }
  std::uint32_t remote_offset(bool syn) const { return syn ? 0 : remote_isn_; }
  void note(const Packet& packet);
  std::vector<std::byte> build_tcp(const Tcp& tcp, const Packet& packet) const;
  std::vector<std::byte> build_icmp(const Icmp& icmp, std::uint8_t ecn) const;
  std::vector<Option> live_options(const Tcp& tcp) const;

  Phase phase_ = Phase::none;
  bool isn_known_ = false;
  Ports ports_{};  // source: the peer's
  std::uint32_t isn_ = 0;
  std::uint32_t script_isn_ = 0;
  std::uint32_t remote_isn_ = 0;
  struct Clock {
    std::uint32_t script = 0;
    std::uint32_t live = 0;
  };
  std::optional<Clock> clock_{};                       // the first timestamps
  std::map<std::uint32_t, std::uint32_t> timestamps_;  // the script's -> the stack's
};

/// Empty, or which field is not as the script says.
std::string difference(const Tcp& expected, const Tcp& came);

}  // namespace pollux::interpreter
