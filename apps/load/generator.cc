#include "load/generator.h"

#include <span>
#include <utility>

namespace pollux::load {
namespace {

/// Host as RFC 9110 s.7.2 has it.
std::string host_of(const application::Endpoint& target) {
  std::string host = target.address.to_string();
  if (target.port != 80) host.append(":").append(std::to_string(target.port));
  return host;
}

/// One request for each host, in the order of the targets.
Status prepare(GeneratorOptions& out, const cli::ClientOptions& options) {
  application::HttpClientRequest::Parts parts;
  parts.method = options.method;
  parts.target = options.path;
  parts.fields = options.headers;
  if (options.data) {
    const auto bytes = std::as_bytes(std::span{*options.data});
    parts.body.assign(bytes.begin(), bytes.end());
  }
  const bool own_host = application::HttpClientRequest::has_host(parts);
  std::vector<std::string> hosts;
  for (const application::Endpoint& target : options.targets) {
    if (!own_host || hosts.empty()) parts.host = host_of(target);
    if (!application::HttpClientRequest::usable(parts)) {
      return Error{Error::Kind::usage, "--method, --path or --header",
                   "they would make another request than they say (a blank, a control character, "
                   "or a header without a name)",
                   "--path /index.html --header 'Accept: text/html'"};
    }
    const auto same = std::find(hosts.begin(), hosts.end(), parts.host);
    out.targets.push_back({target, static_cast<std::uint32_t>(same - hosts.begin())});
    if (same != hosts.end()) continue;
    hosts.push_back(parts.host);
    out.prepared.emplace_back(parts);
  }
  return std::monostate{};
}

}  // namespace

Result<GeneratorOptions> generator_options(const cli::ClientOptions& options, std::size_t shares,
                                           std::size_t share) {
  GeneratorOptions out;
  if (Status fine = prepare(out, options); !fine) return fine.error();
  // The first shares take what cannot be divided.
  out.concurrency = static_cast<std::uint32_t>((options.concurrency + shares - 1 - share) / shares);
  out.limited = options.limited && (options.cps || options.search || options.profile);
  // Where there is a bound, whoever may have more open opens more.
  out.part = out.limited || options.hold
                 ? static_cast<double>(out.concurrency) / options.concurrency
                 : 1.0 / static_cast<double>(shares);
  if (options.cps) out.rate = static_cast<double>(*options.cps) * out.part;
  out.requests = options.requests;
  out.pipeline = options.pipeline;
  out.close = options.close;
  out.hold = options.hold;
  out.hold_interval = options.hold_interval;
  out.ramp = options.ramp;
  out.syn_only = options.syn_only;
  out.beside = static_cast<double>(options.beside) / static_cast<double>(shares);
  out.held = static_cast<std::uint32_t>((options.held + shares - 1 - share) / shares);
  out.profile = options.profile.has_value();
  if (out.profile && !out.rate) out.rate = 1;  // each iteration brings its own
  return out;
}

Result<std::unique_ptr<Generator>> Generator::make(GeneratorOptions options) {
  auto talks = Slab<Talk>::make(options.streams);
  if (!talks) return talks.error();
  HoldQueue held;
  if (options.hold) {
    auto made = HoldQueue::make(options.streams);
    if (!made) return made.error();
    held = std::move(*made);
  }
  SendTimes sent_at;
  if (options.pipeline > 1) {
    auto made = SendTimes::make(options.streams, options.pipeline);
    if (!made) return made.error();
    sent_at = std::move(*made);
  }
  BodyMeter body;
  if (options.profile) {
    auto made = BodyMeter::make(options.streams);
    if (!made) return made.error();
    body = std::move(*made);
  }
  return std::unique_ptr<Generator>{new Generator(
      std::move(options), std::move(*talks), std::move(held), std::move(sent_at), std::move(body))};
}

/// As many replies may be half read as there are connections.
Generator::Generator(GeneratorOptions options, Talks talks, HoldQueue held, SendTimes sent_at,
                     BodyMeter body)
    : options_(std::move(options)),
      pace_(options_.rate, options_.ramp),
      beside_(options_.beside, Duration{0}),
      parser_(options_.prepared.front().method_is_head(), options_.streams),
      talks_(std::move(talks)),
      held_(std::move(held)),
      sent_at_(std::move(sent_at)),
      body_(std::move(body)),
      rests_until_(options_.targets.size()),
      syns_(options_.targets.size()),
      opens_held_(options_.held != 0) {}

}  // namespace pollux::load
