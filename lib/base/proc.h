#pragma once

#include <cstddef>
#include <string_view>

namespace pollux {

/// What a file of /proc says behind `label` ("MemAvailable:") in kB, in bytes; 0 where it does not.
std::size_t proc_bytes(const char* file, std::string_view label);

}  // namespace pollux
