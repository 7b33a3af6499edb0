#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "doctor/root.h"

/// What the doctor changes, all of it by writing below a root. A result is a line for people.
namespace pollux::doctor {

struct PagesRequest {
  unsigned node = 0;
  std::uint64_t page_bytes = std::uint64_t{2} << 20;
  std::optional<std::uint64_t> count;  // release without it: all that are free
};

/// Takes so many more, all or none.
Result<std::string> reserve_pages(const Root& root, const PagesRequest& request);
/// Gives back so many that nobody uses.
Result<std::string> release_pages(const Root& root, const PagesRequest& request);

struct BindRequest {
  std::string address;  // in full
  std::string driver;   // to bind to: vfio-pci; to unbind to: the kernel's choice
  unsigned force = 0;   // once: others of its IOMMU group do not matter; twice: nor does its route
};

/// Hands a card to a driver by which DPDK drives it. Where that fails, it goes back to whose it
/// was.
Result<std::string> bind_card(const Root& root, const BindRequest& request);
/// Gives it back to the kernel's own driver.
Result<std::string> unbind_card(const Root& root, const BindRequest& request);

}  // namespace pollux::doctor
