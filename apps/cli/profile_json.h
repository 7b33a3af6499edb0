#pragma once

#include <nlohmann/json.hpp>

#include "cli/criteria.h"

namespace pollux::cli {

using Json = nlohmann::ordered_json;

/// "profile" of the summary.
Json json_of(const ProfileReport& report);

}  // namespace pollux::cli
