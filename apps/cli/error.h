#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace pollux::cli {

/// The one line that a person reads: `error: WHAT: WHY; try: WHAT TO DO`, without a line end.
/// Control characters in it are written as \xNN, so that it stays one line whatever was typed.
std::string format_error(const Error& error);

/// Writes that line to standard error; returns the exit code that goes with it, 2 or 3.
int print_error(const Error& error);

/// A value as error lines show it: in quotes, cut after 60 characters.
std::string in_quotes(std::string_view value);

}  // namespace pollux::cli
