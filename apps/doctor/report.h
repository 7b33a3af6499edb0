#pragma once

#include <string>

#include "doctor/checks.h"
#include "doctor/finding.h"
#include "dpdk/drivers.h"

namespace pollux::doctor {

/// All that is looked at, in the order of the report.
Findings examine(const Machine& machine, const dpdk::Drivers& drivers, std::string_view version);

/// "fail  hugetlbfs: not mounted; try: mount ...", with a line end. Where a command wants root and
/// the user is not, it says so.
std::string line_of(const Finding& finding, bool as_root);
/// What it comes to, with a line end: "ready: 12 ok, 2 warn, 0 fail".
std::string verdict(const Findings& findings);
/// Whether nothing fails.
bool ready(const Findings& findings);

/// The schema pollux.doctor.1.
std::string to_json(const Machine& machine, const dpdk::Drivers& drivers, std::string_view version,
                    const Findings& findings);

}  // namespace pollux::doctor
