// pollux-doctor: is this machine ready for Pollux?

#include <fmt/format.h>
#include <sys/stat.h>

#include <cstdio>
#include <string>

#include "cli/error.h"
#include "cli/summary.h"
#include "doctor/checks.h"
#include "doctor/device.h"
#include "doctor/mending.h"
#include "doctor/options.h"
#include "doctor/report.h"
#include "dpdk/drivers.h"
#include "dpdk/eal.h"
#include "dpdk/huge_pages.h"

namespace pollux::doctor {
namespace {

/// Where the kernel keeps huge pages back from this process alone (a limit of its control group),
/// no file says so: one is tried.
void try_huge_pages(const Machine& machine, Findings& findings) {
  for (const Node& node : machine.nodes) {
    for (const Pages& pages : node.pages) {
      if (pages.free == 0) continue;
      constexpr dpdk::WantedPages one[]{{.bytes = 1}};
      const auto tried = dpdk::HugePages::find(one, dpdk::Topology::find());
      if (tried.usable) return;
      findings.insert(findings.begin(),
                      {.level = Level::fail,
                       .name = "huge pages",
                       .text = tried.reason,
                       .advice = "hugetlb limits of this control group (hugetlb.*.max)"});
      return;
    }
  }
}

int print_report(const Options& options) {
  const Machine machine = Machine::look(Root{options.root}, options.self);
  const dpdk::Drivers drivers = dpdk::Drivers::find();
  const std::string version = dpdk::Eal::version();
  Findings findings = examine(machine, drivers, version);
  if (options.root.empty()) try_huge_pages(machine, findings);
  std::string text;
  for (const Finding& finding : findings) text += line_of(finding, machine.user.id == 0);
  text += verdict(findings);
  std::FILE* const out = options.human();
  if (std::fputs(text.c_str(), out) < 0 || std::fflush(out) != 0) {
    return cli::print_error({Error::Kind::machine, "the report", "it cannot be written",
                             "another place for standard output"});
  }
  if (!options.json.empty()) {
    const Status written =
        cli::write_json(options.json, to_json(machine, drivers, version, findings));
    if (!written) return cli::print_error(written.error());
  }
  return ready(findings) ? 0 : 1;
}

int print_line(const Result<std::string>& done) {
  if (!done) return cli::print_error(done.error());
  fmt::print("{}\n", *done);
  return 0;
}

int run(const Options& options) {
  struct stat status {};
  if (!options.root.empty() &&
      (stat(options.root.c_str(), &status) != 0 || !S_ISDIR(status.st_mode))) {
    return cli::print_error({Error::Kind::usage, "--root " + cli::in_quotes(options.root),
                             "is no folder", "one with sys and proc in it"});
  }
  const Root root{options.root};
  switch (options.task) {
    case Task::report:
      return print_report(options);
    case Task::reserve:
      return print_line(reserve_pages(root, {options.node, options.page_bytes, options.count}));
    case Task::release:
      return print_line(release_pages(root, {options.node, options.page_bytes, options.count}));
    case Task::bind:
      return print_line(bind_card(root, {options.address, options.driver, options.force}));
    case Task::unbind:
      return print_line(unbind_card(root, {options.address, options.driver, options.force}));
    case Task::device:
      return examine_device(options);
  }
  return 2;
}

}  // namespace
}  // namespace pollux::doctor

int main(int argc, char** argv) {
  using namespace pollux;
  const auto parsed = doctor::parse(argc, argv);
  if (!parsed.options) return parsed.finish();
  return doctor::run(*parsed.options);
}
