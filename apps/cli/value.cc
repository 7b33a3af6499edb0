#include "cli/value.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>

#include "cli/error.h"

namespace pollux::cli {
namespace {

Error refuse(std::string why, std::string remedy = {}) {
  return Error{Error::Kind::usage, {}, std::move(why), std::move(remedy)};
}

/// Why no host can have this address; empty when one can.
std::string_view not_a_host(wire::Ipv4Address address) {
  if (address.is_any()) return "0.0.0.0 is no host's address";
  if (address.is_this_network()) return "0.0.0.0/8 holds no host's address";
  if (address.is_loopback()) return "a loopback address never stands on a link";
  if (address.is_multicast()) return "a multicast address is no host's address";
  if (address.is_limited_broadcast()) return "the broadcast address is no host's address";
  if (address.is_reserved()) return "240.0.0.0/4 is reserved";
  return {};
}

/// The same inside a network, where its first and last address mean the network and everybody.
std::string not_a_host(wire::Ipv4Prefix in, wire::Ipv4Address address) {
  if (const std::string_view why = not_a_host(address); !why.empty()) return std::string{why};
  if (in.length < 31 && address == in.network()) {
    return fmt::format("{} is the network's own address", address.to_string());
  }
  if (in.broadcast() == address) {
    return fmt::format("{} is the network's broadcast address", address.to_string());
  }
  return {};
}

bool all_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

Result<std::uint64_t> parse_number(std::string_view text, std::uint64_t least, std::uint64_t most) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (!all_digits(text) || error != std::errc{} || stop != end || value < least || value > most) {
    return refuse(fmt::format("not a whole number from {} to {}", least, most));
  }
  return value;
}

std::optional<double> parse_real(std::string_view text, double least, double most) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const bool plain = !text.empty() && text.find_first_not_of("0123456789.") == text.npos;
  const auto [stop, error] = std::from_chars(text.data(), end, value, std::chars_format::fixed);
  if (!plain || error != std::errc{} || stop != end || !(value >= least && value <= most)) {
    return std::nullopt;
  }
  return value;
}

Result<std::uint64_t> parse_power_of_two(std::string_view text, std::uint64_t least,
                                         std::uint64_t most) {
  const Result<std::uint64_t> number = parse_number(text, least, most);
  if (number && !std::has_single_bit(*number)) return refuse("not a power of two");
  return number;
}

Result<double> parse_bits(std::string_view text) {
  double unit = 1;
  constexpr std::string_view units = "kMG";
  if (const auto at = text.empty() ? units.npos : units.find(text.back()); at != units.npos) {
    for (std::size_t i = 0; i <= at; ++i) unit *= 1'000;
    text.remove_suffix(1);
  }
  const auto parsed = parse_real(text, 0.001, 1e15);
  if (!parsed) return refuse("not a number of bits a second, with k, M or G behind it or without");
  return *parsed * unit;
}

Result<Duration> parse_seconds(std::string_view text, double least, double most) {
  const auto value = parse_real(text, least, most);
  if (!value) return refuse(fmt::format("not a number of seconds from {} to {}", least, most));
  return std::chrono::round<Duration>(std::chrono::duration<double>(*value));
}

Result<std::uint16_t> parse_port(std::string_view text) {
  const Result<std::uint64_t> number = parse_number(text, 1, 65535);
  if (!number) return refuse("not a port from 1 to 65535");
  return static_cast<std::uint16_t>(*number);
}

Result<wire::Ipv4Address> parse_host(std::string_view text) {
  const std::optional<wire::Ipv4Address> address = wire::Ipv4Address::parse(text);
  if (!address) return refuse("not an IPv4 address of four numbers from 0 to 255");
  if (const std::string_view why = not_a_host(*address); !why.empty()) {
    return refuse(std::string{why});
  }
  return *address;
}

Result<pipeline::AddressRange> parse_address_range(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == text.npos) return refuse("has no prefix length");
  const std::size_t dash = text.substr(0, slash).find('-');
  const std::string_view first_text = text.substr(0, dash == text.npos ? slash : dash);
  const std::string_view last_text =
      dash == text.npos ? first_text : text.substr(dash + 1, slash - dash - 1);
  const std::optional<wire::Ipv4Prefix> first =
      wire::Ipv4Prefix::parse(fmt::format("{}{}", first_text, text.substr(slash)));
  const std::optional<wire::Ipv4Address> last = wire::Ipv4Address::parse(last_text);
  if (!first || !last) return refuse("not an IPv4 address, or range of two, and a prefix length");
  for (const wire::Ipv4Address end : {first->address, *last}) {
    if (std::string why = not_a_host(*first, end); !why.empty()) return refuse(std::move(why));
  }
  if (*last < first->address) return refuse("the range ends before it begins");
  if (!first->contains(*last)) return refuse("the range leaves its network");
  return pipeline::AddressRange{*first, last->value() - first->address.value() + 1};
}

Result<pipeline::Route> parse_route(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == text.npos) return refuse("not PREFIX=ADDRESS");
  const std::optional<wire::Ipv4Prefix> prefix = wire::Ipv4Prefix::parse(text.substr(0, equals));
  if (!prefix) return refuse("its left side is not an IPv4 prefix");
  if (prefix->network() != prefix->address) {
    return refuse("its left side has bits set behind the prefix",
                  fmt::format("{}/{}={}", prefix->network().to_string(), prefix->length,
                              text.substr(equals + 1)));
  }
  const Result<wire::Ipv4Address> next_hop = parse_host(text.substr(equals + 1));
  if (!next_hop) return refuse(fmt::format("its next hop: {}", next_hop.error().why));
  return pipeline::Route{*prefix, *next_hop};
}

Result<wire::MacAddress> parse_mac(std::string_view text) {
  const std::optional<wire::MacAddress> mac = wire::MacAddress::parse(text);
  if (!mac) return refuse("not six pairs of hexadecimal digits with colons between");
  if (mac->is_zero()) return refuse("all zeros is no station's address");
  if (mac->is_group()) return refuse("a group address (odd first octet) is no station's address");
  return *mac;
}

Result<application::Endpoint> parse_endpoint(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos) return refuse("has no port");
  const Result<wire::Ipv4Address> address = parse_host(text.substr(0, colon));
  if (!address) return address.error();
  const Result<std::uint16_t> port = parse_port(text.substr(colon + 1));
  if (!port) return port.error();
  return application::Endpoint{*address, *port};
}

Result<std::vector<std::uint16_t>> parse_cores(std::string_view text) {
  constexpr std::uint64_t most = 1023;
  std::vector<std::uint16_t> cores;
  for (;;) {
    const std::size_t comma = text.find(',');
    const std::string_view part = text.substr(0, comma);
    const std::size_t dash = part.find('-');
    const Result<std::uint64_t> first = parse_number(part.substr(0, dash), 0, most);
    const Result<std::uint64_t> last =
        dash == part.npos ? first : parse_number(part.substr(dash + 1), 0, most);
    if (!first || !last) {
      return refuse(fmt::format("not a list of core numbers from 0 to {}", most));
    }
    if (*last < *first) return refuse("a range of cores ends before it begins");
    for (std::uint64_t core = *first; core <= *last; ++core) {
      const auto id = static_cast<std::uint16_t>(core);
      if (std::find(cores.begin(), cores.end(), id) != cores.end()) {
        return refuse(fmt::format("core {} stands in it twice", id));
      }
      cores.push_back(id);
    }
    if (comma == text.npos) return cores;
    text.remove_prefix(comma + 1);
  }
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  while (true) {
    const std::size_t begin = text.find_first_not_of(' ');
    if (begin == text.npos) return words;
    text.remove_prefix(begin);
    const std::size_t length = std::min(text.find(' '), text.size());
    words.emplace_back(text.substr(0, length));
    text.remove_prefix(length);
  }
}

Result<std::string> read_file(const std::string& path, std::uint64_t most) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             std::fclose);
  const std::string remedy = "a file that can be read";
  if (!file) return refuse(fmt::format("cannot read it: {}", std::strerror(errno)), remedy);
  std::string content;
  char chunk[16384];
  while (const std::size_t n = std::fread(chunk, 1, sizeof chunk, file.get())) {
    content.append(chunk, n);
    if (content.size() > most) return refuse(fmt::format("holds more than {} bytes", most), remedy);
  }
  if (std::ferror(file.get()) != 0) {
    return refuse(fmt::format("cannot read it: {}", std::strerror(errno)), remedy);
  }
  return content;
}

Status check_writable(const std::string& path) {
  const std::string remedy = "a file in a folder that exists and may be written";
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode)) return refuse("it is a folder", remedy);
    if (::access(path.c_str(), W_OK) != 0) {
      return refuse(fmt::format("cannot write it: {}", std::strerror(errno)), remedy);
    }
    return std::monostate{};
  }
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == path.npos ? "." : (slash == 0 ? "/" : path.substr(0, slash));
  if (::access(folder.c_str(), W_OK | X_OK) != 0) {
    return refuse(fmt::format("cannot write in folder '{}': {}", folder, std::strerror(errno)),
                  remedy);
  }
  if (slash != path.npos && slash + 1 == path.size()) return refuse("it is a folder", remedy);
  return std::monostate{};
}

std::string_view nearest(std::string_view word, const std::vector<std::string_view>& known) {
  std::string_view best;
  std::size_t best_distance = word.size() / 3 + 1;  // further than that is not a slip of the hand
  for (const std::string_view candidate : known) {
    // Levenshtein's distance, one row of its table at a time.
    std::vector<std::size_t> row(candidate.size() + 1);
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (std::size_t i = 0; i < word.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i + 1;
      for (std::size_t j = 0; j < candidate.size(); ++j) {
        const std::size_t change = diagonal + (word[i] == candidate[j] ? 0 : 1);
        diagonal = row[j + 1];
        row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, change});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

}  // namespace pollux::cli
