// A connection's requests, whatever they are: the responder's answer depends neither on the pieces
// that they come in, nor on how slowly the answer is taken, nor on its short cut.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "application/http.h"
#include "input.h"
#include "unit/application/fake_stack.h"

namespace pollux::fuzz {
namespace {

using application::HttpResponder;
using Stack = application::FakeStack<HttpResponder::Session>;

struct Manner {
  std::span<const std::byte> pieces;  // sizes, in turn; none: all in one piece
  std::size_t window = std::size_t{1} << 30;
  std::size_t most_reserved = std::size_t{1} << 30;
  bool short_cut = false;
};

struct Answer {
  std::string text;
  bool over = false;
  std::uint64_t answered = 0;
};

HttpResponder responder(bool short_cut) {
  application::HttpOptions options;
  options.body = std::vector<std::byte>(5, std::byte{'x'});
  options.parsers = 2;
  options.waiting = 2;
  options.short_cut = short_cut;
  auto made = HttpResponder::make(std::move(options));
  POLLUX_REQUIRE(made.ok());
  return std::move(*made);
}

/// Takes what is sent until nothing moves any more. An answer of up to 2^63 bytes may be asked for:
/// 20,000 are enough.
void settle(HttpResponder& http, Stack& stack, Stack::Stream& stream) {
  auto& c = stack.connections[0];
  http.on_poll(stack);
  while (c.taken != c.output.size() && c.output.size() < 20'000) {
    c.taken = c.output.size();
    if (c.wants_room && !c.closed) {
      c.wants_room = false;
      http.on_writable(stream);
    }
    http.on_poll(stack);
  }
}

Answer run(std::string_view input, const Manner& manner) {
  HttpResponder http = responder(manner.short_cut);
  Stack stack;
  auto stream = stack.open();
  auto& c = stack.connections[0];
  c.window = manner.window;
  c.most_reserved = manner.most_reserved;
  for (std::size_t turn = 0; !input.empty() && !c.closed; ++turn) {
    const std::size_t n = manner.pieces.empty()
                              ? input.size()
                              : 1 + wire::load_u8(&manner.pieces[turn % manner.pieces.size()]);
    c.input.emplace_back(input.substr(0, n));
    input.remove_prefix(std::min(n, input.size()));
    http.on_readable(stream);
    settle(http, stack, stream);
  }
  if (!c.closed) {
    c.peer_closed = true;
    http.on_peer_closed(stream);
    settle(http, stack, stream);
  }
  POLLUX_REQUIRE(!c.shut || c.fin_at == c.output.size());
  http.on_closed(stack, stream.id(), c.session, Cause::by_peer);
  POLLUX_REQUIRE(http.parsers_in_use() == 0);
  return {c.output, c.shut, http.counters().answered()};
}

void same(std::string_view input, const Answer& whole, const Manner& manner) {
  const Answer other = run(input, manner);
  const std::size_t common = std::min({whole.text.size(), other.text.size(), std::size_t{20'000}});
  POLLUX_REQUIRE(other.text.compare(0, common, whole.text, 0, common) == 0);
  if (whole.text.size() >= 20'000 || other.text.size() >= 20'000) return;
  POLLUX_REQUIRE(other.text.size() == whole.text.size() && other.over == whole.over);
  POLLUX_REQUIRE(other.answered == whole.answered);
}

}  // namespace
}  // namespace pollux::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pollux::fuzz;
  Input in{data, size};
  const std::size_t window = 512 + in.u8();
  const std::size_t most_reserved = 1 + std::size_t{in.u8()};
  const auto pieces = in.take(4);
  const auto rest = in.rest();
  const std::string_view input{reinterpret_cast<const char*>(rest.data()), rest.size()};
  const Answer whole = run(input, Manner{});
  same(input, whole, {.pieces = {}, .short_cut = true});
  same(input, whole, {pieces, window, most_reserved, true});
  return 0;
}
