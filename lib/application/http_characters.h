#pragma once

#include <array>
#include <cstdint>
#include <string_view>

/// Character classes of HTTP's and URIs' grammar (RFC 9110 s.5.6; RFC 3986 s.2, 3).
namespace pollux::application::characters {

enum Class : std::uint8_t {
  token = 1,      // tchar
  in_path = 2,    // pchar without "%", and "/"
  in_host = 4,    // reg-name, IP-literal and port, without "%"
  in_scheme = 8,  // letters, digits, "+", "-", "."
  letter = 16,
  digit = 32,
  hex = 64,
  text = 128  // qdtext and what may be escaped: all but controls, and the tab
};

inline constexpr std::array<std::uint8_t, 256> classes = [] {
  std::array<std::uint8_t, 256> table{};
  const auto mark = [&table](std::string_view chars, int bits) {
    for (const char c : chars) {
      std::uint8_t& entry = table[static_cast<unsigned char>(c)];
      entry = static_cast<std::uint8_t>(entry | bits);
    }
  };
  mark("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
       token | in_path | in_host | in_scheme | letter);
  mark("0123456789", token | in_path | in_host | in_scheme | digit | hex);
  mark("abcdefABCDEF", hex);
  mark("!#$%&'*+-.^_`|~", token);
  mark("-._~!$&'()*+,;=:@/", in_path);
  mark("-._~!$&'()*+,;=:[]", in_host);
  mark("+-.", in_scheme);
  for (unsigned c = 0; c < 256; ++c) {
    if (c == '\t' || (c >= ' ' && c != 0x7f)) {
      table[c] = static_cast<std::uint8_t>(table[c] | text);
    }
  }
  return table;
}();

constexpr bool is(char c, Class what) noexcept {
  return (classes[static_cast<unsigned char>(c)] & what) != 0;
}
constexpr bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }
constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

}  // namespace pollux::application::characters
