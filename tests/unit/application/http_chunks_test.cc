#include "application/http_chunks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/prng.h"

namespace pollux::application {
namespace {

using Event = HttpChunks::Event;

struct Decoded {
  std::string data;
  std::string rest;  // behind the last chunk's line
  friend bool operator==(const Decoded&, const Decoded&) = default;
};

/// The data of a body that comes in pieces of `piece` bytes, or nothing when it is bad or not over.
std::optional<Decoded> decode(std::string_view body, std::size_t piece = std::string::npos) {
  HttpChunks chunks;
  Decoded out;
  while (!body.empty()) {
    const std::string_view now = body.substr(0, piece);
    const std::uint64_t left = chunks.left();
    const auto step = chunks.feed(std::as_bytes(std::span{now.data(), now.size()}));
    EXPECT_LE(step.used, now.size());
    if (left != 0) {
      EXPECT_EQ(step.used, std::min<std::uint64_t>(left, now.size()));
      out.data += now.substr(0, step.used);
    }
    body.remove_prefix(step.used);
    if (step.event == Event::bad) return std::nullopt;
    EXPECT_EQ(step.event == Event::chunk, chunks.left() != 0 && left == 0);
    if (step.event == Event::trailers) {
      out.rest = body;
      return out;
    }
  }
  return std::nullopt;
}

/// One chunk and the last one, each with the extension.
std::string with_extension(std::string_view extension) {
  std::string body{"1"};
  body.append(extension).append("\r\nx\r\n0").append(extension).append("\r\n");
  return body;
}

TEST(HttpChunks, DataIsWhatLiesBetweenTheLines) {
  EXPECT_EQ(decode("0\r\n"), (Decoded{"", ""}));
  EXPECT_EQ(decode("5\r\nhello\r\n0\r\n\r\n"), (Decoded{"hello", "\r\n"}));
  EXPECT_EQ(decode("1\r\n\r\r\nA\r\n0123456789\r\n000\r\nX: y"), (Decoded{"\r0123456789", "X: y"}));
  EXPECT_EQ(decode("fFfFfFfFfFfFfFfF\r\nabc"), std::nullopt);  // merely not over
  EXPECT_EQ(decode("00000000000000000000000000001\r\na\r\n0\r\n"), (Decoded{"a", ""}));
}

TEST(HttpChunks, ExtensionsAreCheckedAndForgotten) {
  for (const char* extension :
       {";a", ";a=b", ";a=b;c=d", ";a;b", ";a=\"q\"", ";a=\"q r;\xff\t\"", ";a=\"\";b=c",
        ";a=\"q\\\"x\\\\\"", " ; a = b ;\tc", "\t;a =\tb", ";a ;b=\"\" ;c", ";!#$%=*+-.^_`|~9"}) {
    EXPECT_EQ(decode(with_extension(extension)), (Decoded{"x", ""})) << extension;
  }
  for (const char* extension : {";",      " ",    ";a=",     ";=b",         ";a;",
                                ";a=b ",  ";a ",  ";a=\"",   ";a=\"\r\n\"", ";a=\"x\"y",
                                ";a=b=c", ";a b", ";a=\"\\", ";a=\"\x7f\"", ";a=\"\\\x01\"",
                                ";a,b",   ";(a)", "a;b",     " 1",          ";a=b c"}) {
    EXPECT_EQ(decode(with_extension(extension)), std::nullopt) << extension;
    EXPECT_EQ(decode(with_extension(extension).substr(6 + std::string_view{extension}.size())),
              std::nullopt)
        << extension;
  }
}

TEST(HttpChunks, LinesByTheLetterOrNotAtAll) {
  for (const char* body :
       {"\r\n", "g\r\n", "0x1\r\na\r\n0\r\n", "-1\r\n", "+1\r\n", " 1\r\na\r\n0\r\n",
        "1\na\r\n0\r\n", "1\r\na\n0\r\n", "1\r\na\r0\r\n", "1\r\nab\r\n0\r\n", "2\r\na\r\n0\r\n",
        "1\r\r\na\r\n0\r\n", "10000000000000000\r\n", "0\n", "1\r\na\r\n\r\n0\r\n"}) {
    EXPECT_EQ(decode(body), std::nullopt) << body;
    EXPECT_EQ(decode(body, 1), std::nullopt) << body;
  }
}

TEST(HttpChunks, ALineHasABound) {
  const auto line = [](std::size_t size) {
    return std::string{"0;"}.append(size - 4, 'x').append("\r\n");
  };
  EXPECT_TRUE(decode(line(HttpChunks::max_line)).has_value());
  EXPECT_FALSE(decode(line(HttpChunks::max_line + 1)).has_value());
  EXPECT_FALSE(decode(std::string(20'000, '0')).has_value());
  // The bound is each line's own.
  std::string many;
  for (int i = 0; i < 10'000; ++i) many += "1\r\na\r\n";
  EXPECT_EQ(decode(many + "0\r\n")->data.size(), 10'000u);
}

TEST(HttpChunks, PiecesOfAnySizeGiveTheSame) {
  Prng prng{8};
  for (int round = 0; round < 300; ++round) {
    Decoded expected;
    std::string body;
    for (std::uint64_t n = prng.below(6); n-- > 0;) {
      std::string data(1 + prng.below(300), '\0');
      for (char& c : data) c = static_cast<char>(prng.next());
      char size[40];
      std::snprintf(size, sizeof size, prng.chance(0.5) ? "%zx" : "%06zX", data.size());
      body += size;
      if (prng.chance(0.3)) body += ";x=\"\\y\"";
      body += "\r\n" + data + "\r\n";
      expected.data += data;
    }
    body += "0\r\n";
    for (const std::size_t piece : {1, 2, 3, 7, 64, 100'000}) {
      ASSERT_EQ(decode(body, piece), expected) << "round " << round << " piece " << piece;
    }
  }
}

}  // namespace
}  // namespace pollux::application
