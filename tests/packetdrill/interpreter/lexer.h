#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace pollux::interpreter {

struct Token {
  enum class Kind : std::uint8_t { end, word, integer, decimal, ellipsis, mark };
  Kind kind = Kind::end;
  std::string_view text;
  int line = 0;
};

/// The words, numbers and marks of a script, an `end` last; they point into `source`. Comments are
/// left out. Throws SyntaxError.
std::vector<Token> tokens_of(std::string_view source);

}  // namespace pollux::interpreter
