#pragma once

#include <string>

#include "base/result.h"

namespace pollux {

/// The one line that a person reads: `error: WHAT: WHY; try: WHAT TO DO`, without a line end.
/// Control characters in it are written as \xNN, so that it stays one line whatever was typed.
std::string format_error(const Error& error);

/// Writes that line to standard error; returns the exit code that goes with it, 2 or 3.
int print_error(const Error& error);

}  // namespace pollux
