#pragma once

#include <memory>

#include "application/http.h"
#include "base/result.h"
#include "cli/options.h"
#include "cli/summary.h"
#include "run/counted.h"

namespace pollux::run {

using Responder = Counted<application::HttpResponder>;
static_assert(sizeof(Responder::Session) == 16, "a connection has room for no more in three lines");

/// The responder that the options describe.
Result<std::unique_ptr<Responder>> make_responder(const cli::ServerOptions& options);

/// Whether the stack took every port that the options name.
Status all_ports_served(const Responder& responder);

/// Adds what one responder answered to its end's summary.
void add_replies(cli::Summary& summary, const application::HttpCounters& counters);

}  // namespace pollux::run
