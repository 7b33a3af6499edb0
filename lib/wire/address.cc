#include "wire/address.h"

#include <cstddef>

namespace pollux::wire {
namespace {

/// Takes a decimal number of 0 to `most` off the front of the text. A leading zero is refused: some
/// readers take "010" for eight.
std::optional<std::uint8_t> take_decimal(std::string_view& text, unsigned most) {
  unsigned value = 0;
  std::size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
    value = value * 10 + static_cast<unsigned>(text[digits] - '0');
    ++digits;
    if (value > most) return std::nullopt;
  }
  if (digits == 0 || (digits > 1 && text.front() == '0')) return std::nullopt;
  text.remove_prefix(digits);
  return static_cast<std::uint8_t>(value);
}

bool take(std::string_view& text, char expected) {
  if (text.empty() || text.front() != expected) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<std::uint32_t> take_dotted(std::string_view& text) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    if (i > 0 && !take(text, '.')) return std::nullopt;
    const std::optional<std::uint8_t> octet = take_decimal(text, 255);
    if (!octet) return std::nullopt;
    value = value << 8 | *octet;
  }
  return value;
}

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A') + 10;
  return std::nullopt;
}

}  // namespace

std::optional<Ipv4Address> Ipv4Address::parse(std::string_view text) {
  const std::optional<std::uint32_t> value = take_dotted(text);
  if (!value || !text.empty()) return std::nullopt;
  return Ipv4Address{*value};
}

std::string Ipv4Address::to_string() const {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) {
    if (shift != 24) out += '.';
    out += std::to_string(value_ >> shift & 0xFF);
  }
  return out;
}

std::optional<Ipv4Prefix> Ipv4Prefix::parse(std::string_view text) {
  const std::optional<std::uint32_t> value = take_dotted(text);
  if (!value || !take(text, '/')) return std::nullopt;
  const std::optional<std::uint8_t> bits = take_decimal(text, 32);
  if (!bits || !text.empty()) return std::nullopt;
  return Ipv4Prefix{Ipv4Address{*value}, *bits};
}

std::string Ipv4Prefix::to_string() const {
  return address.to_string() + '/' + std::to_string(length);
}

std::optional<MacAddress> MacAddress::parse(std::string_view text) {
  MacAddress out;
  for (std::size_t i = 0; i < out.octets.size(); ++i) {
    if (i > 0 && !take(text, ':')) return std::nullopt;
    if (text.size() < 2) return std::nullopt;
    const std::optional<unsigned> high = hex_digit(text[0]);
    const std::optional<unsigned> low = hex_digit(text[1]);
    if (!high || !low) return std::nullopt;
    out.octets[i] = static_cast<std::uint8_t>(*high << 4 | *low);
    text.remove_prefix(2);
  }
  if (!text.empty()) return std::nullopt;
  return out;
}

std::string MacAddress::to_string() const {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (const std::uint8_t octet : octets) {
    if (!out.empty()) out += ':';
    out += digits[octet >> 4];
    out += digits[octet & 0xF];
  }
  return out;
}

}  // namespace pollux::wire
