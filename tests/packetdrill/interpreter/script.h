#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

/// A small interpreter of packetdrill's language: what the project's own scripts need of it.
namespace pollux::interpreter {

using Usecs = std::int64_t;

/// How far from its moment something may happen. The stack's clock is virtual, but moves by a
/// microsecond each time it is asked, and timers fire on the ticks of a wheel.
inline constexpr Usecs tolerance = 2'000;

/// When an event is to happen, in microseconds; a moment is a range of no length.
struct Time {
  enum class Kind : std::uint8_t { absolute, relative, any };
  Kind kind = Kind::absolute;
  Usecs from = 0;
  Usecs until = 0;
};

namespace option_kind {
inline constexpr std::uint8_t eol = 0;
inline constexpr std::uint8_t nop = 1;
inline constexpr std::uint8_t mss = 2;
inline constexpr std::uint8_t wscale = 3;
inline constexpr std::uint8_t sack_ok = 4;
inline constexpr std::uint8_t sack = 5;
inline constexpr std::uint8_t timestamps = 8;
inline constexpr std::uint8_t fast_open = 34;
}  // namespace option_kind

/// One TCP option; `values` are the edges of SACK's ranges, val and ecr, a cookie's bytes, or the
/// one number.
struct Option {
  std::uint8_t kind = 0;
  std::vector<std::uint32_t> values{};
  friend bool operator==(const Option&, const Option&) = default;
};

/// The letters of the control bits, from the lowest on.
inline constexpr std::string_view flag_letters = "FSRP.UEW";

/// A segment in the script's numbers: those of a SYN as they are, all others from the SYN's on.
struct Tcp {
  std::uint8_t control = 0;
  std::uint32_t seq = 0;
  std::uint32_t length = 0;
  std::uint32_t ack = 0;                         // with control::ack
  std::optional<std::uint16_t> window{};         // none: any will do
  std::optional<std::vector<Option>> options{};  // none: any will do
};

/// An ICMP error that quotes one of the stack's segments.
struct Icmp {
  std::uint8_t type = 0;
  std::uint8_t code = 0;
  std::uint16_t mtu = 0;
  std::uint32_t seq = 0;
  std::uint32_t length = 0;
};

struct Ports {
  std::uint16_t source = 0;
  std::uint16_t destination = 0;
};

struct Packet {
  static constexpr std::uint8_t either_ect = 4;  // [ect01]
  bool inbound = false;
  std::optional<std::uint8_t> ecn{};  // the two bits, or either_ect
  std::optional<Ports> ports{};       // of another connection than the script's
  std::variant<Tcp, Icmp> what;
};

struct Ellipsis {};
struct Expression;
struct Field;
using List = std::vector<Expression>;  // [a, b]
using Fields = std::vector<Field>;     // {a=b, c=d}
struct Expression {
  std::variant<Ellipsis, std::int64_t, List, Fields> value;
};
struct Field {
  std::string name;
  Expression value;
};

struct Call {
  std::string name;
  List arguments;
  std::int64_t result = 0;
  std::optional<int> error{};  // errno
  std::optional<Usecs> end{};  // it blocks until then
};

struct Event {
  int line = 0;
  std::string text;  // as it stands in the script
  Time time;
  std::variant<Packet, Call> what;
};

struct Script {
  std::string flags;  // of its line `// flags: a=b,c=d`, for the stack
  std::vector<Event> events;
};

/// Thrown by the parser.
struct SyntaxError {
  int line = 0;
  std::string what;
};

/// The parts one after the other, numbers in decimal.
template <class... Parts>
std::string joined(const Parts&... parts) {
  std::string out;
  const auto append = [&out](const auto& part) {
    if constexpr (std::is_integral_v<std::remove_cvref_t<decltype(part)>>) {
      out += std::to_string(part);
    } else {
      out += part;
    }
  };
  (append(parts), ...);
  return out;
}

/// A segment as a script would write it.
std::string to_text(const Tcp& tcp);

}  // namespace pollux::interpreter
