#include "lexer.h"

#include <algorithm>
#include <string>

#include "script.h"

namespace pollux::interpreter {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : left_(source) {}

  std::vector<Token> run() {
    std::vector<Token> out;
    while (skip(), !left_.empty()) out.push_back(next());
    out.push_back({Token::Kind::end, left_, line_});
    return out;
  }

 private:
  /// White space and comments.
  void skip() {
    while (!left_.empty()) {
      if (left_.front() == '\n') {
        ++line_;
        left_.remove_prefix(1);
      } else if (left_.front() == ' ' || left_.front() == '\t' || left_.front() == '\r') {
        left_.remove_prefix(1);
      } else if (left_.starts_with("//")) {
        left_.remove_prefix(std::min(left_.find('\n'), left_.size()));
      } else if (left_.starts_with("/*")) {
        const std::size_t end = left_.find("*/", 2);
        if (end == std::string_view::npos) throw SyntaxError{line_, "a comment that does not end"};
        const std::string_view comment = left_.substr(0, end + 2);
        line_ += static_cast<int>(std::count(comment.begin(), comment.end(), '\n'));
        left_.remove_prefix(comment.size());
      } else {
        return;
      }
    }
  }

  /// How many characters from `at` on are of the kind.
  std::size_t run_of(std::size_t at, bool (*kind)(char)) const {
    std::size_t n = 0;
    while (at + n < left_.size() && kind(left_[at + n])) ++n;
    return n;
  }

  Token next() {
    if (left_.starts_with("...")) return take(Token::Kind::ellipsis, 3);
    if (const std::size_t n = decimal(); n != 0) return take(Token::Kind::decimal, n);
    const std::size_t sign = left_.front() == '-' ? 1 : 0;
    const std::size_t word = run_of(sign, is_word);
    if (word != 0 && (sign == 0 || is_digit(left_[1]))) {
      const std::string_view text = left_.substr(sign, word);
      const bool number = std::all_of(text.begin(), text.end(), is_digit) ||
                          (text.starts_with("0x") && word > 2 && sign == 0);
      return take(number ? Token::Kind::integer : Token::Kind::word, sign + word);
    }
    if (std::string_view{"+-*~<>()[]{}:,.=|"}.find(left_.front()) != std::string_view::npos) {
      return take(Token::Kind::mark, 1);
    }
    throw SyntaxError{line_, joined("'", left_.substr(0, 1), "' begins nothing known here")};
  }

  /// The length of "1.5" or ".5", or 0. "1..." is no decimal.
  std::size_t decimal() const {
    const std::size_t whole = run_of(0, is_digit);
    if (whole >= left_.size() || left_[whole] != '.') return 0;
    const std::size_t part = run_of(whole + 1, is_digit);
    return part == 0 ? 0 : whole + 1 + part;
  }

  Token take(Token::Kind kind, std::size_t n) {
    const Token out{kind, left_.substr(0, n), line_};
    left_.remove_prefix(n);
    return out;
  }

  std::string_view left_;
  int line_ = 1;
};

}  // namespace

std::vector<Token> tokens_of(std::string_view source) { return Lexer{source}.run(); }

}  // namespace pollux::interpreter
