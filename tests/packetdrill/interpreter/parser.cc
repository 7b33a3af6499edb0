#include "parser.h"

#include <array>
#include <charconv>
#include <limits>
#include <string>
#include <utility>

#include "names.h"
#include "reader.h"
#include "wire/icmp.h"
#include "wire/tcp.h"

namespace pollux::interpreter {
namespace {

namespace control = wire::control;

/// What the script's head asks of the stack: a line `// flags: a=b,c=d`.
std::string flags_of(std::string_view source) {
  constexpr std::string_view mark = "// flags:";
  std::size_t at = source.starts_with(mark) ? 0 : source.find("\n// flags:");
  if (at == std::string_view::npos) return {};
  at = source.find(mark, at) + mark.size();
  std::string_view line = source.substr(at, std::min(source.find('\n', at), source.size()) - at);
  while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
  while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) line.remove_suffix(1);
  return std::string{line};
}

/// By recursive descent: a function for each rule of the grammar.
class Parser : Reader {
 public:
  explicit Parser(std::string_view source) : Reader(source), source_(source) {}

  Script script() {
    Script out{.flags = flags_of(source_), .events = {}};
    while (now().kind != Kind::end) out.events.push_back(event());
    if (out.events.empty()) fail("there is no event");
    const Time& first = out.events.front().time;
    if (first.kind == Time::Kind::any || first.from != 0) {
      throw SyntaxError{out.events.front().line, "the first event is at time 0"};
    }
    return out;
  }

 private:
  // --- Events ---

  Event event() {
    Event out{.line = now().line, .text = {}, .time = time(), .what = Packet{}};
    std::optional<Usecs> end;
    if (take_if("...")) end = seconds();
    const char* const begin = now().text.data();
    if (is("<") || is(">")) {
      if (end) fail("a packet has no end; a range of times is written A~B");
      out.what = packet();
    } else {
      out.what = call(end);
    }
    const Token& last = before();
    out.text.assign(begin, last.text.data() + last.text.size());
    const auto* const each = std::get_if<Packet>(&out.what);
    const bool waits = each != nullptr && !each->inbound;
    if (!waits && (out.time.kind == Time::Kind::any || out.time.from != out.time.until)) {
      throw SyntaxError{out.line, "only a packet that is waited for has a range of times"};
    }
    return out;
  }

  Time time() {
    if (take_if("*")) return {.kind = Time::Kind::any};
    Time out;
    if (take_if("+")) out.kind = Time::Kind::relative;
    out.from = out.until = seconds();
    if (take_if("~")) {
      if (out.kind == Time::Kind::relative) need("+");
      out.until = seconds();
      if (out.until < out.from) fail("a range of times that runs backwards");
    }
    return out;
  }

  Usecs seconds() {
    constexpr Usecs second = 1'000'000;
    if (now().kind == Kind::integer) return second * integer(0, 1'000'000, "a time in seconds");
    if (now().kind != Kind::decimal) fail_expecting("a time in seconds");
    const std::string_view text = take();
    const std::size_t point = text.find('.');
    Usecs whole = 0;
    std::from_chars(text.data(), text.data() + point, whole);
    Usecs part = 0;
    Usecs unit = second / 10;
    for (const char digit : text.substr(point + 1)) {
      part += unit * (digit - '0');
      unit /= 10;
    }
    return whole * second + part;
  }

  // --- Packets ---

  Packet packet() {
    Packet out;
    out.inbound = take() == "<";
    if (is("[") || is("(")) out.ecn = ecn(out.inbound);
    if (take_if("icmp")) {
      if (!out.inbound) fail("ICMP is understood inbound alone");
      out.what = icmp();
      return out;
    }
    if (now().kind == Kind::integer && ahead(1).text == ">") {
      Ports ports;
      ports.source = short_number("a port");
      need(">");
      ports.destination = short_number("a port");
      out.ports = ports;
      if (!out.inbound) fail("ports are given inbound alone");
    }
    out.what = tcp(out.inbound);
    return out;
  }

  std::uint8_t ecn(bool inbound) {
    const std::string_view closing = take() == "[" ? "]" : ")";
    constexpr std::array<std::string_view, 5> names{"noecn", "ect1", "ect0", "ce", "ect01"};
    for (std::uint8_t bits = 0; bits < names.size(); ++bits) {
      if (!take_if(names[bits])) continue;
      if (bits == Packet::either_ect && inbound) fail("ect01 is for packets that are waited for");
      need(closing);
      return bits;
    }
    fail_expecting("noecn, ect0, ect1, ce or ect01");
  }

  struct Range {
    std::uint32_t seq = 0;
    std::uint32_t length = 0;
  };
  /// first:end(length)
  Range range() {
    Range out;
    out.seq = number("a sequence number");
    need(":");
    const std::uint32_t end = number("a sequence number");
    need("(");
    out.length = number("a length");
    if (end - out.seq != out.length)
      fail("the length is not that from the first number to the last");
    need(")");
    return out;
  }

  Tcp tcp(bool inbound) {
    Tcp out;
    out.control = flags();
    const Range text = range();
    out.seq = text.seq;
    out.length = text.length;
    if (out.length > 65'000) fail("more text than a datagram holds");
    if (take_if("ack")) {
      out.ack = number("an acknowledgment number");
      if ((out.control & control::ack) == 0) fail("an acknowledgment number without the flag '.'");
    } else if ((out.control & control::ack) != 0) {
      fail_expecting("'ack' and a number, since the flag '.' is there,");
    }
    if (take_if("win")) {
      out.window = short_number("a window");
    } else if (inbound) {
      fail_expecting("'win', which an inbound segment has,");
    }
    out.options = options(inbound);
    return out;
  }

  std::uint8_t flags() {
    if (take_if("-")) return 0;
    std::uint8_t out = 0;
    bool some = false;
    if (now().kind == Kind::word) {
      some = true;
      for (const char letter : now().text) {
        const std::size_t bit = flag_letters.find(letter);
        if (bit == std::string_view::npos || letter == 'U') fail_expecting("flags of FSRP.EW");
        out = static_cast<std::uint8_t>(out | 1u << bit);
      }
      take();
    }
    if (take_if(".")) {
      some = true;
      out |= control::ack;
    }
    if (!some) fail_expecting("flags");
    return out;
  }

  std::optional<std::vector<Option>> options(bool inbound) {
    std::vector<Option> out;
    // What follows on the next line may be an event's "<"; an event begins with its time.
    if (!take_if("<")) return out;
    if (take_if("...")) {
      if (inbound) fail("an inbound segment's options are its own");
      need(">");
      return std::nullopt;
    }
    std::size_t bytes = 0;
    do {
      out.push_back(option());
      bytes += size_of(out.back());
    } while (take_if(","));
    need(">");
    if (bytes % 4 != 0 || bytes > 40) fail("options fill up to 40 bytes, and whole words: use nop");
    return out;
  }

  static std::size_t size_of(const Option& option) {
    switch (option.kind) {
      case option_kind::eol:
      case option_kind::nop:
        return 1;
      case option_kind::mss:
        return 4;
      case option_kind::wscale:
        return 3;
      case option_kind::fast_open:
        return 2 + option.values.size();
      default:
        return 2 + 4 * option.values.size();
    }
  }

  Option option() {
    if (take_if("eol")) return {option_kind::eol};
    if (take_if("nop")) return {option_kind::nop};
    if (take_if("sackOK")) return {option_kind::sack_ok};
    if (take_if("mss")) return {option_kind::mss, {short_number("a segment size")}};
    if (take_if("wscale")) {
      return {option_kind::wscale, {static_cast<std::uint32_t>(integer(0, 255, "a shift"))}};
    }
    if (take_if("TS")) {
      Option out{option_kind::timestamps};
      need("val");
      out.values.push_back(number("a timestamp"));
      need("ecr");
      out.values.push_back(number("a timestamp"));
      return out;
    }
    if (take_if("sack")) {
      Option out{option_kind::sack};
      while (now().kind == Kind::integer) {
        out.values.push_back(number("a sequence number"));
        need(":");
        out.values.push_back(number("a sequence number"));
      }
      return out;
    }
    if (take_if("FO")) return {option_kind::fast_open, cookie()};
    fail_expecting("mss, wscale, sackOK, sack, TS, FO, nop or eol");
  }

  /// Two hexadecimal digits a byte; none where the option asks for a cookie.
  std::vector<std::uint32_t> cookie() {
    std::vector<std::uint32_t> out;
    if (now().kind != Kind::integer && now().kind != Kind::word) return out;
    const std::string_view digits = take();
    for (std::size_t i = 0; i < digits.size(); i += 2) {
      std::uint32_t byte = 0;
      const char* const end = digits.data() + std::min(i + 2, digits.size());
      const auto read = std::from_chars(digits.data() + i, end, byte, 16);
      if (read.ptr != digits.data() + i + 2) fail("a cookie is pairs of hexadecimal digits");
      out.push_back(byte);
    }
    return out;
  }

  Icmp icmp() {
    struct Named {
      std::string_view name;
      std::uint8_t value;
    };
    namespace unreachable = wire::icmp_unreachable;
    constexpr std::array codes{
        Named{"net_unreachable", unreachable::net},
        Named{"host_unreachable", unreachable::host},
        Named{"protocol_unreachable", unreachable::protocol},
        Named{"port_unreachable", unreachable::port},
        Named{"frag_needed", unreachable::fragmentation_needed},
        Named{"source_route_failed", unreachable::source_route_failed},
        Named{"packet_filtered", unreachable::communication_prohibited},
    };
    Icmp out;
    if (take_if("unreachable")) {
      out.type = wire::icmp_type::destination_unreachable;
      bool found = false;
      for (const Named& each : codes) {
        if (!take_if(each.name)) continue;
        found = true;
        out.code = each.value;
        break;
      }
      if (!found) fail_expecting("a code of 'unreachable'");
    } else if (take_if("source_quench")) {
      out.type = wire::icmp_type::source_quench;
    } else if (take_if("time_exceeded")) {
      out.type = wire::icmp_type::time_exceeded;
    } else {
      fail_expecting("unreachable, source_quench or time_exceeded");
    }
    if (take_if("mtu")) out.mtu = short_number("an MTU");
    need("[");
    const Range quoted = range();
    need("]");
    out.seq = quoted.seq;
    out.length = quoted.length;
    return out;
  }

  // --- System calls ---

  Call call(std::optional<Usecs> end) {
    if (now().kind != Kind::word) fail_expecting("'<', '>' or a system call");
    Call out{.name = std::string{now().text}, .arguments = {}, .end = end};
    const auto arity = arity_of(out.name);
    if (!arity) fail(joined("no such system call: ", out.name));
    take();
    need("(");
    if (!is(")")) out.arguments = expressions();
    if (out.arguments.size() < arity->least || out.arguments.size() > arity->most) {
      fail(joined(out.name, " with ", out.arguments.size(), " arguments"));
    }
    need(")");
    need("=");
    out.result = integer(std::numeric_limits<std::int32_t>::min(),
                         std::numeric_limits<std::int32_t>::max(), "a result");
    if (now().kind == Kind::word) {
      out.error = static_cast<int>(value());
      if (out.result != -1) fail("an error goes with the result -1");
      if (!is("(")) fail_expecting("the error in words, in parentheses,");
    }
    if (take_if("(")) {  // for the reader
      while (now().kind == Kind::word) take();
      need(")");
    }
    return out;
  }

  List expressions() {
    List out;
    do {
      out.push_back(expression());
    } while (take_if(","));
    return out;
  }

  Expression expression() {
    if (take_if("...")) return {Ellipsis{}};
    if (take_if("[")) {
      List out;
      if (!is("]")) out = expressions();
      need("]");
      return {std::move(out)};
    }
    if (take_if("{")) {
      Fields out;
      do {
        if (now().kind != Kind::word) fail_expecting("a field's name");
        std::string name{take()};
        need("=");
        out.push_back({std::move(name), expression()});
      } while (take_if(","));
      need("}");
      return {std::move(out)};
    }
    return {value()};
  }

  /// A number, a constant's name, or some of them joined by '|'.
  std::int64_t value() {
    std::int64_t out = 0;
    do {
      if (now().kind == Kind::integer) {
        out |= integer(std::numeric_limits<std::int32_t>::min(),
                       std::numeric_limits<std::uint32_t>::max(), "a number");
      } else if (now().kind == Kind::word) {
        const auto named = constant(now().text);
        if (!named) fail(joined("no such constant: ", now().text));
        take();
        out |= *named;
      } else {
        fail_expecting("a number or a constant");
      }
    } while (take_if("|"));
    return out;
  }

  std::string_view source_;
};

}  // namespace

Script parse(std::string_view source) { return Parser{source}.script(); }

}  // namespace pollux::interpreter
