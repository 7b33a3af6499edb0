#pragma once

#include <string_view>

#include "script.h"

namespace pollux::interpreter {

/// A whole script. Throws SyntaxError, with the line of what is wrong.
Script parse(std::string_view source);

}  // namespace pollux::interpreter
