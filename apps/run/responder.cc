#include "run/responder.h"

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace pollux::run {

Result<std::unique_ptr<Responder>> make_responder(const cli::ServerOptions& options) {
  application::HttpOptions http;
  http.ports = options.listen;
  http.keep_alive = options.keep_alive;
  http.head_timeout = options.head_timeout;
  http.idle_timeout = options.idle_timeout;
  if (options.body_file) {
    const auto bytes = std::as_bytes(std::span{*options.body_file});
    http.body.assign(bytes.begin(), bytes.end());
  } else {
    http.body = application::default_body(options.body_bytes);
  }
  auto responder = application::HttpResponder::make(std::move(http));
  if (!responder) return responder.error();
  return std::make_unique<Responder>(std::move(*responder));
}

Status all_ports_served(const Responder& responder) {
  const auto& refused = responder.inner().refused_ports();
  if (refused.empty()) return std::monostate{};
  return Error{Error::Kind::machine, "--listen " + std::to_string(refused.front()),
               "the stack refused it, and nobody was served there", "fewer ports"};
}

void add_replies(cli::Summary& summary, const application::HttpCounters& counters) {
  using Reply = application::HttpCounters::Count;
  const auto add = [&](unsigned status, Reply reply) {
    if (counters[reply] != 0) summary.requests.status[status] += counters[reply];
  };
  add(200, Reply::ok);
  add(400, Reply::bad_request);
  add(408, Reply::request_timeout);
  add(431, Reply::head_too_large);
  add(501, Reply::not_implemented);
  add(503, Reply::unavailable);
  summary.requests.answered += counters.answered();
  summary.requests.bad += counters.bad();
}

}  // namespace pollux::run
