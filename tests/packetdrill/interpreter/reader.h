#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "lexer.h"
#include "script.h"

namespace pollux::interpreter {

/// A script's tokens, taken one by one. What is not as it should be throws a SyntaxError of the
/// line at hand.
class Reader {
 protected:
  using Kind = Token::Kind;

  explicit Reader(std::string_view source) : tokens_(tokens_of(source)) {}

  /// The token that comes next, `end` at the end.
  const Token& now() const { return tokens_[at_]; }
  const Token& ahead(std::size_t n) const { return tokens_[std::min(at_ + n, tokens_.size() - 1)]; }
  /// That which was taken last.
  const Token& before() const { return tokens_[at_ - 1]; }
  [[noreturn]] void fail(const std::string& what) const { throw SyntaxError{now().line, what}; }
  [[noreturn]] void fail_expecting(std::string_view what) const {
    const bool end = now().kind == Kind::end;
    fail(joined("expected ", what, ", found ", end ? "the end" : joined("'", now().text, "'")));
  }
  std::string_view take() { return tokens_[at_++].text; }
  bool is(std::string_view text) const { return now().kind != Kind::end && now().text == text; }
  bool take_if(std::string_view text) {
    if (!is(text)) return false;
    take();
    return true;
  }
  void need(std::string_view text) {
    if (!take_if(text)) fail_expecting(joined("'", text, "'"));
  }
  std::int64_t integer(std::int64_t least, std::int64_t most, std::string_view what) {
    if (now().kind != Kind::integer) fail_expecting(what);
    std::string_view text = now().text;
    const bool hex = text.starts_with("0x");
    if (hex) text.remove_prefix(2);
    std::int64_t value = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), value, hex ? 16 : 10);
    if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most) {
      fail(joined(what, " out of range: ", now().text));
    }
    take();
    return value;
  }
  std::uint32_t number(std::string_view what) {
    return static_cast<std::uint32_t>(integer(0, std::numeric_limits<std::uint32_t>::max(), what));
  }
  std::uint16_t short_number(std::string_view what) {
    return static_cast<std::uint16_t>(integer(0, 0xFFFF, what));
  }

 private:
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
};

}  // namespace pollux::interpreter
