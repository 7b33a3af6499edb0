#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "application/application.h"
#include "base/result.h"
#include "base/time.h"
#include "pipeline/config.h"
#include "wire/address.h"

/// The values that options take, each read by one total function. An Error from here has `why`, and
/// `remedy` where there is a better one than the option's own example; the caller adds `what`.
namespace pollux::cli {

/// Decimal digits only, from `least` to `most`.
Result<std::uint64_t> parse_number(std::string_view text, std::uint64_t least, std::uint64_t most);

/// "2.5": a number without sign or exponent from `least` to `most`.
std::optional<double> parse_real(std::string_view text, double least, double most);

/// A power of two from `least` to `most`.
Result<std::uint64_t> parse_power_of_two(std::string_view text, std::uint64_t least,
                                         std::uint64_t most);

/// "10G", "2.5M", "64000": bits a second.
Result<double> parse_bits(std::string_view text);

/// Seconds as a plain decimal ("10", "0.5"), from `least` to `most`.
Result<Duration> parse_seconds(std::string_view text, double least, double most);

/// A port that a service can have: 1 to 65535.
Result<std::uint16_t> parse_port(std::string_view text);

/// An address that a host can have and use on a link: not 0/8, loopback, multicast or 240/4.
Result<wire::Ipv4Address> parse_host(std::string_view text);

/// `A/P` or `A-B/P`: consecutive host addresses of one network, neither its own address nor its
/// broadcast address among them (except in a /31 or /32, RFC 3021).
Result<pipeline::AddressRange> parse_address_range(std::string_view text);

/// `PREFIX=A`, without host bits in the prefix.
Result<pipeline::Route> parse_route(std::string_view text);

/// A station's own address: not zero, not a group's.
Result<wire::MacAddress> parse_mac(std::string_view text);

/// `A:P`.
Result<application::Endpoint> parse_endpoint(std::string_view text);

/// `0`, `0,2`, `1-3`: core numbers in the order given, each once, each below 1024.
Result<std::vector<std::uint16_t>> parse_cores(std::string_view text);

/// The words between spaces; none when there is nothing else.
std::vector<std::string> split_words(std::string_view text);

/// All of a file that can be read, at most `most` bytes.
Result<std::string> read_file(const std::string& path, std::uint64_t most);

/// Whether a file of this name could be written (or made) now.
Status check_writable(const std::string& path);

/// The one of `known` that `word` was most likely meant to be; empty when none is near.
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& known);

}  // namespace pollux::cli
