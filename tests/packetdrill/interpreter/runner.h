#pragma once

#include <memory>
#include <optional>
#include <string>

#include "../interface.h"
#include "script.h"

namespace pollux::interpreter {

/// What differed from the script, in which line.
struct Failure {
  int line = 0;
  std::string what;
};

/// A stack is freed with the last who holds it, so that a call that never returns keeps it.
using Stack = std::shared_ptr<packetdrill_interface>;

/// A fresh stack of the plug-in at `path`; nullptr, and `error` says why, when it cannot be loaded.
/// The plug-in stays loaded.
Stack load(const std::string& path, const std::string& flags, std::string& error);

/// Runs a script against a stack that is fresh. Nothing is returned when all went as it says, and
/// nothing more was sent than it says.
std::optional<Failure> run(const Script& script, const Stack& stack);

}  // namespace pollux::interpreter
