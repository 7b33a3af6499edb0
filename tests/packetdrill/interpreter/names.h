#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pollux::interpreter {

/// The value of a constant of the system's headers, errors included, by its name.
std::optional<std::int64_t> constant(std::string_view name);

/// "EAGAIN", or the number where the table has no name.
std::string error_name(int error);

/// How many arguments a system call takes; none: it is not known here.
struct Arity {
  std::size_t least = 0;
  std::size_t most = 0;
};
std::optional<Arity> arity_of(std::string_view call);

}  // namespace pollux::interpreter
