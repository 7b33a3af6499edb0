// Replies as a client reads them: what is understood does not depend on the pieces that they come
// in, nor on the parser's short cut.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "application/http_client.h"
#include "input.h"

namespace pollux::fuzz {
namespace {

using application::ReplyOutcome;
using application::ReplyParser;
using application::ReplyState;

struct Seen {
  std::vector<std::uint32_t> replies;  // status, and whether the connection stays
  bool bad = false;
  bool completed_by_end = false;
  friend bool operator==(const Seen&, const Seen&) = default;
};

Seen read(std::span<const std::byte> bytes, std::span<const std::byte> pieces, bool to_head,
          bool short_cut) {
  ReplyParser parser{to_head, 2};
  parser.use_short_cut(short_cut);
  ReplyState state;
  Seen seen;
  Input in{bytes};
  for (std::size_t turn = 0; !in.empty() && !seen.bad; ++turn) {
    const std::size_t n =
        pieces.empty() ? in.size() : 1 + wire::load_u8(&pieces[turn % pieces.size()]);
    for (auto piece = in.take(n); !piece.empty() && !seen.bad;) {
      const ReplyParser::Fed fed = parser.feed(state, piece);
      POLLUX_REQUIRE(fed.consumed <= piece.size());
      switch (fed.outcome) {
        case ReplyOutcome::incomplete:
          POLLUX_REQUIRE(fed.consumed == piece.size());
          break;
        case ReplyOutcome::complete:
          POLLUX_REQUIRE(fed.consumed != 0 && state.at_start());
          seen.replies.push_back(state.status() * 2u + (state.keep_alive() ? 1 : 0));
          break;
        case ReplyOutcome::bad:
          seen.bad = true;
          break;
      }
      piece = piece.subspan(fed.consumed);
    }
  }
  if (!seen.bad) seen.completed_by_end = parser.finish(state);
  parser.release(state);
  POLLUX_REQUIRE(parser.parsers_in_use() == 0);
  return seen;
}

}  // namespace
}  // namespace pollux::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pollux::fuzz;
  Input in{data, size};
  const bool to_head = in.flag();
  const auto pieces = in.take(4);
  const auto bytes = in.rest();
  const Seen whole = read(bytes, {}, to_head, false);
  POLLUX_REQUIRE(read(bytes, {}, to_head, true) == whole);
  POLLUX_REQUIRE(read(bytes, pieces, to_head, false) == whole);
  POLLUX_REQUIRE(read(bytes, pieces, to_head, true) == whole);
  return 0;
}
