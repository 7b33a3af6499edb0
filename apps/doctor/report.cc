#include "doctor/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/environment.h"

namespace pollux::doctor {
namespace {

using Json = nlohmann::ordered_json;

std::size_t count(const Findings& findings, Level level) {
  return static_cast<std::size_t>(
      std::count_if(findings.begin(), findings.end(),
                    [&](const Finding& finding) { return finding.level == level; }));
}

/// Text of the machine's may be anything, and JSON is UTF-8.
std::string dumped(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json json_of(const Finding& finding) {
  return {{"name", finding.name},
          {"status", name(finding.level)},
          {"text", finding.text},
          {"command", finding.command},
          {"as_root", !finding.command.empty() && !finding.anybody},
          {"advice", finding.advice}};
}

Json json_of(const Node& node) {
  Json pages = Json::array();
  for (const Pages& each : node.pages) {
    pages.push_back({{"bytes", each.page_bytes}, {"reserved", each.reserved}, {"free", each.free}});
  }
  return {{"node", node.number}, {"huge_pages", std::move(pages)}};
}

Json json_of(const Card& card) {
  return {{"address", card.address},         {"ids", card.ids},
          {"driver", card.driver},           {"node", card.node},
          {"interface", card.interface},     {"link", card.link},
          {"iommu_group", card.group},       {"default_route", card.default_route},
          {"in_hands_of_dpdk", card.given()}};
}

}  // namespace

std::string_view name(Level level) noexcept {
  switch (level) {
    case Level::ok:
      return "ok";
    case Level::warn:
      return "warn";
    case Level::fail:
      return "fail";
  }
  return {};
}

Findings examine(const Machine& machine, const dpdk::Drivers& drivers, std::string_view version) {
  Findings out;
  const auto add = [&](Findings more) {
    for (Finding& finding : more) out.push_back(std::move(finding));
  };
  add(check_huge_pages(machine));
  add(check_mount(machine));
  add(check_rights(machine));
  add(check_flags(machine));
  add(check_cores(machine));
  add(check_vfio(machine));
  add(check_cards(machine));
  add(check_drivers(drivers, version));
  add(check_leftovers(machine));
  return out;
}

std::string line_of(const Finding& finding, bool as_root) {
  std::string line =
      fmt::format("{:<5} {}: {}", finding.level == Level::ok ? "OK" : name(finding.level),
                  finding.name, finding.text);
  if (!finding.advice.empty()) line += "; see to: " + finding.advice;
  if (!finding.command.empty()) {
    line += as_root || finding.anybody ? "; try: " : "; try as root: ";
    line += finding.command;
  }
  return line + "\n";
}

bool ready(const Findings& findings) { return count(findings, Level::fail) == 0; }

std::string verdict(const Findings& findings) {
  return fmt::format("{}: {} OK, {} warn, {} fail\n", ready(findings) ? "ready" : "not ready",
                     count(findings, Level::ok), count(findings, Level::warn),
                     count(findings, Level::fail));
}

std::string to_json(const Machine& machine, const dpdk::Drivers& drivers, std::string_view version,
                    const Findings& findings) {
  Json out;
  out["schema"] = "pollux.doctor.1";
  out["program"] = "pollux-doctor";
  out["ready"] = ready(findings);
  out["counts"] = {{"ok", count(findings, Level::ok)},
                   {"warn", count(findings, Level::warn)},
                   {"fail", count(findings, Level::fail)}};
  out["checks"] = Json::array();
  for (const Finding& finding : findings) out["checks"].push_back(json_of(finding));
  out["nodes"] = Json::array();
  for (const Node& node : machine.nodes) out["nodes"].push_back(json_of(node));
  out["cards"] = Json::array();
  for (const Card& card : machine.cards) out["cards"].push_back(json_of(card));
  out["drivers"] = drivers.names;
  out["environment"] = {{"cpu", cli::cpu_model()}, {"dpdk", version}, {"pollux", cli::version()}};
  return dumped(out);
}

}  // namespace pollux::doctor
