#include "load/generator.h"

#include <span>
#include <utility>

namespace pollux::load {

Result<GeneratorOptions> generator_options(const cli::ClientOptions& options, std::size_t shares,
                                           std::size_t share) {
  application::HttpClientRequest::Parts parts;
  parts.method = options.method;
  parts.target = options.path;
  parts.fields = options.headers;
  if (options.targets.size() == 1) {
    const auto& target = options.targets.front();
    parts.host = target.address.to_string();
    if (target.port != 80) parts.host.append(":").append(std::to_string(target.port));
  }
  if (options.data) {
    const auto bytes = std::as_bytes(std::span{*options.data});
    parts.body.assign(bytes.begin(), bytes.end());
  }
  if (!application::HttpClientRequest::usable(parts)) {
    return Error{Error::Kind::usage, "--method, --path or --header",
                 "they would make another request than they say (a blank, a control character, or "
                 "a header without a name)",
                 "--path /index.html --header 'Accept: text/html'"};
  }
  GeneratorOptions out;
  out.targets = options.targets;
  if (options.cps) out.rate = static_cast<double>(*options.cps) / static_cast<double>(shares);
  // The first shares take what cannot be divided.
  out.concurrency = static_cast<std::uint32_t>((options.concurrency + shares - 1 - share) / shares);
  out.requests = options.requests;
  out.pipeline = options.pipeline;
  out.close = options.close;
  out.hold = options.hold;
  out.hold_interval = options.hold_interval;
  out.ramp = options.ramp;
  out.request = application::HttpClientRequest{parts};
  return out;
}

}  // namespace pollux::load
