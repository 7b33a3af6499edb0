#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <string_view>

#include "doctor/checks.h"

namespace pollux::doctor {
namespace {

constexpr std::string_view cpus = "/sys/devices/system/cpu";

/// The words behind "flags" of the first processor; on other architectures than x86 there are none.
std::vector<std::string> processor_flags(const Root& root) {
  std::istringstream lines(root.text("/proc/cpuinfo").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    const std::size_t colon = line.find(':');
    if (line.starts_with("flags") && colon != line.npos) {
      return words_of(std::string_view(line).substr(colon + 1));
    }
  }
  return {};
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

/// Those of `wanted` that are not there.
std::vector<std::string> lacking(const std::vector<std::string>& flags,
                                 const std::vector<std::string>& wanted) {
  std::vector<std::string> out;
  for (const std::string& flag : wanted) {
    if (std::find(flags.begin(), flags.end(), flag) == flags.end()) out.push_back(flag);
  }
  return out;
}

Finding check_isolation(const Machine& machine) {
  const std::vector<unsigned> online =
      numbers_of(machine.root.text(fmt::format("{}/online", cpus)).value_or(""));
  const std::string isolated = machine.root.text(fmt::format("{}/isolated", cpus)).value_or("");
  Finding finding{.name = "isolated cores", .text = {}};
  if (!numbers_of(isolated).empty()) {
    finding.text =
        fmt::format("{} of {} processors: --cores {}", isolated, online.size(), isolated);
    return finding;
  }
  finding.level = Level::warn;
  finding.text =
      fmt::format("none of {} processors: other work takes a pipeline's core away", online.size());
  if (online.size() < 2) {
    finding.advice = "a machine with more than one processor";
    return finding;
  }
  const std::string most = online.size() == 2 ? fmt::format("{}", online[1])
                                              : fmt::format("{}-{}", online[1], online.back());
  finding.advice = fmt::format(
      "isolcpus={0} nohz_full={0} rcu_nocbs={0} on the kernel's command line, and a restart", most);
  return finding;
}

Finding check_governor(const Machine& machine) {
  std::vector<std::string> governors;
  for (const std::string& name : machine.root.list(cpus)) {
    if (!name.starts_with("cpu") || name.size() < 4 || name[3] < '0' || name[3] > '9') continue;
    const auto governor =
        machine.root.text(fmt::format("{}/{}/cpufreq/scaling_governor", cpus, name));
    if (!governor) continue;
    if (std::find(governors.begin(), governors.end(), *governor) == governors.end()) {
      governors.push_back(*governor);
    }
  }
  Finding finding{.name = "governor", .text = joined(governors)};
  if (governors.empty()) {
    finding.text = "the kernel does not set the frequency here";
  } else if (governors != std::vector<std::string>{"performance"}) {
    finding.level = Level::warn;
    finding.text += ": a rate depends on the frequency of the moment";
    finding.command = fmt::format("echo performance | tee {}/cpu*/cpufreq/scaling_governor",
                                  machine.root.path(cpus));
  }
  return finding;
}

}  // namespace

Findings check_flags(const Machine& machine) {
  const std::vector<std::string> flags = processor_flags(machine.root);
  Finding finding{.name = "processor", .text = {}};
  if (flags.empty()) {
    finding.text = "tells no flags";
    return {finding};
  }
  const auto needed = lacking(flags, {"ssse3", "sse4_1", "sse4_2", "popcnt"});
  const auto clock = lacking(flags, {"constant_tsc", "nonstop_tsc"});
  const auto wide = lacking(flags, {"avx2"});
  if (!needed.empty()) {
    finding.level = Level::fail;
    finding.text = joined(needed) + " missing, for which DPDK is built";
    finding.advice = "another processor; of a virtual machine, all that its host has (-cpu host)";
  } else if (!clock.empty()) {
    finding.level = Level::warn;
    finding.text = joined(clock) + " missing: the clock may not go evenly";
    finding.advice = "of a virtual machine, all that its host has (-cpu host)";
  } else if (!wide.empty()) {
    finding.level = Level::warn;
    finding.text = joined(wide) + " missing: drivers take slower paths";
    finding.advice = "of a virtual machine, all that its host has (-cpu host)";
  } else {
    finding.text = "sse4_2, avx2";
    if (lacking(flags, {"avx512f"}).empty()) finding.text += ", avx512f";
    finding.text += ", a constant clock";
    if (lacking(flags, {"pdpe1gb"}).empty()) finding.text += ", pages of 1G";
  }
  return {finding};
}

Findings check_cores(const Machine& machine) {
  return {check_isolation(machine), check_governor(machine)};
}

}  // namespace pollux::doctor
