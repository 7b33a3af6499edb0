#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace pollux::cli {

using pollux::format_error;
using pollux::print_error;

/// A value as error lines show it: in quotes, cut after 60 characters.
std::string in_quotes(std::string_view value);

}  // namespace pollux::cli
