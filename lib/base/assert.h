#pragma once

#include <cassert>

/// A programmer's error: a promise broken inside Pollux. Checked in debug, sanitizer and fuzzing
/// builds; operating errors (input, exhaustion) are never asserted, they are returned and counted.
#define POLLUX_ASSERT(condition) assert(condition)
