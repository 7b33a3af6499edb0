#pragma once

#include "base/result.h"
#include "cli/option_table.h"

namespace pollux::cli {

/// Whether --profile and the options of its runs say one thing. A run of RFC 9411 has its own way
/// to open, time and end connections.
Status check_profile(const Draft& draft);

/// The phases and the target of such a run, where all options have been taken.
void fill_in_profile(Draft& draft);

}  // namespace pollux::cli
