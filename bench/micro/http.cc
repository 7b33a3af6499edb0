// Heads of HTTP: read and written, by both ends.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "application/http_client.h"
#include "application/http_reply.h"
#include "application/http_request.h"
#include "opaque.h"

namespace pollux::application {
namespace {

using bench::opaque;

/// As pollux-load asks, and as a browser does.
HttpClientRequest::Parts small_request() { return {.host = "10.0.0.1"}; }
HttpClientRequest::Parts large_request() {
  return {.target = "/a/path/of/some/length.html?with=a&query=too",
          .host = "www.example.org",
          .fields = {"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101",
                     "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                     "Accept-Language: en-US,en;q=0.5", "Accept-Encoding: gzip, deflate",
                     "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark",
                     "Upgrade-Insecure-Requests: 1", "Cache-Control: max-age=0"}};
}

/// The whole head in one piece, by a fresh parser.
void request_read(benchmark::State& state, const HttpClientRequest::Parts& parts) {
  const HttpClientRequest request{parts};
  const std::span<const std::byte> bytes = request.bytes(true);
  for (auto _ : state) {
    HttpRequestParser parser;
    const auto head = parser.feed_head({opaque(bytes.data()), bytes.size()});
    if (!head.complete || parser.request().status != 200) std::abort();
    benchmark::DoNotOptimize(parser);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * bytes.size()));
}
BENCHMARK_CAPTURE(request_read, small, small_request());
BENCHMARK_CAPTURE(request_read, large, large_request());

/// A client reads a whole reply; equal heads are recognised by their bytes, unless that is off.
void reply_read(benchmark::State& state, bool short_cut) {
  const HttpReplies replies{default_body(128)};
  const StaticSpan reply = replies.piece(HttpReplies::Kind::body_close, 0);
  ReplyParser parser{false, 64};
  parser.use_short_cut(short_cut);
  for (auto _ : state) {
    ReplyState reading;
    const auto fed = parser.feed(reading, {opaque(reply.data), reply.size});
    if (fed.outcome != ReplyOutcome::complete) std::abort();
    benchmark::DoNotOptimize(reading);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * reply.size);
}
BENCHMARK_CAPTURE(reply_read, equal_to_the_last, true);
BENCHMARK_CAPTURE(reply_read, parsed, false);

/// Of a reply that was made once, at start: which it is, and where it lies.
void prepared_reply_found(benchmark::State& state) {
  const HttpReplies replies{default_body(128)};
  for (auto _ : state) {
    const auto kind = HttpReplies::body(opaque(HttpPersistence::close));
    benchmark::DoNotOptimize(replies.size(kind, false));
    benchmark::DoNotOptimize(replies.piece(kind, 0));
  }
}
void head_written(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        HttpHead::with_length(opaque(std::uint64_t{123'456}), HttpPersistence::keep_1_1));
  }
}
BENCHMARK(prepared_reply_found);
BENCHMARK(head_written);

}  // namespace
}  // namespace pollux::application
