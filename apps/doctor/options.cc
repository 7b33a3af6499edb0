#include "doctor/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cli/arguments.h"
#include "cli/environment.h"
#include "cli/error.h"
#include "cli/value.h"
#include "dpdk/device_spec.h"

namespace pollux::doctor {
namespace {

constexpr std::string_view program = "pollux-doctor";
constexpr std::string_view description =
    "pollux-doctor tells whether this machine is ready for Pollux, and what mends it.\n\n"
    "  pollux-doctor                             looks at all that Pollux needs\n"
    "  pollux-doctor hugepages reserve|release   takes huge pages, or gives them back\n"
    "  pollux-doctor bind|unbind BDF             hands a card to DPDK, or back to the kernel\n"
    "  pollux-doctor device SPEC                 opens a device and tries what it says it can "
    "do\n\n"
    "Exit code 0: ready. 1: something fails. 2: wrong usage. 3: the machine lacks something.\n";
constexpr std::string_view examples =
    "  pollux-doctor\n"
    "  pollux-doctor --json doctor.json\n"
    "  pollux-doctor hugepages reserve --node 0 --size 2M --count 512\n"
    "  pollux-doctor hugepages release --node 0 --size 2M\n"
    "  pollux-doctor bind 0000:00:04.0\n"
    "  pollux-doctor unbind 0000:00:04.0\n"
    "  pollux-doctor device pci:0000:00:04.0 --peer pci:0000:00:05.0\n"
    "  pollux-doctor device vhost:/run/v.sock --peer virtio-user:/run/v.sock";

constexpr unsigned bit(Task task) { return 1u << static_cast<unsigned>(task); }
constexpr unsigned pages = bit(Task::reserve) | bit(Task::release);
constexpr unsigned binding = bit(Task::bind) | bit(Task::unbind);
constexpr unsigned device = bit(Task::device);
constexpr unsigned looking = bit(Task::report) | device;
constexpr unsigned rooted = bit(Task::report) | pages | binding;

struct Row {
  cli::OptionText text;
  unsigned tasks;
  std::string_view example;
};
constexpr std::array<Row, 12> rows{{
    {{"--json", "FILE", "what was found as JSON; -: standard output, and nothing else there",
      "Report"},
     looking,
     "doctor.json"},
    {{"--root", "DIR", "look at /sys, /proc, /dev, /run and /tmp below DIR, and write there",
      "Report"},
     rooted,
     "/tmp/tree"},
    {{"--node", "N", "whose memory the pages are of (0)", "hugepages"}, pages, "0"},
    {{"--size", "2M|1G", "of one page (2M)", "hugepages"}, pages, "2M"},
    {{"--count", "K", "how many more, or fewer; release without it: all that are free",
      "hugepages"},
     pages,
     "512"},
    {{"--driver", "NAME", "whom the card goes to (bind: vfio-pci; unbind: the kernel's choice)",
      "bind, unbind"},
     binding,
     "vfio-pci"},
    {{"--force", "", "even if its IOMMU group has others; twice: even the default route's",
      "bind, unbind"},
     binding,
     ""},
    {{"--peer", "SPEC", "the device at its other end, to see what it sends and to send to it",
      "device"},
     device,
     "virtio-user:/run/v.sock"},
    {{"--wait", "S", "how long a peer is waited for (10)", "device"}, device, "10"},
    {{"--no-huge", "", "do without huge pages", "device"}, device, ""},
    {{"--log-level", "L", "what DPDK says: error, warning, info, debug", "device"},
     device,
     "debug"},
    {{"--eal", "ARGS", "handed to DPDK as it is; repeatable", "device"},
     device,
     "\"-d driver.so\""},
}};

std::vector<cli::OptionText> texts() {
  std::vector<cli::OptionText> out;
  for (const Row& row : rows) out.push_back(row.text);
  return out;
}

Error usage(std::string what, std::string why, std::string remedy) {
  return Error{Error::Kind::usage, std::move(what), std::move(why), std::move(remedy)};
}

std::string_view words_of_task(Task task) {
  switch (task) {
    case Task::report:
      return "the report";
    case Task::reserve:
      return "hugepages reserve";
    case Task::release:
      return "hugepages release";
    case Task::bind:
      return "bind";
    case Task::unbind:
      return "unbind";
    case Task::device:
      return "device";
  }
  return {};
}

Status take_words(const std::vector<std::string>& words, Options& out) {
  if (words.empty()) return std::monostate{};
  const std::string& first = words[0];
  const std::string second = words.size() > 1 ? words[1] : "";
  if (first == "hugepages") {
    if (second != "reserve" && second != "release") {
      return usage("hugepages " + cli::in_quotes(second), "wants to know what to do",
                   "hugepages reserve, or hugepages release");
    }
    out.task = second == "reserve" ? Task::reserve : Task::release;
  } else if (first == "bind" || first == "unbind") {
    out.task = first == "bind" ? Task::bind : Task::unbind;
    const auto spec = dpdk::DeviceSpec::parse("pci:" + second);
    if (!spec) {
      return usage(first + " " + cli::in_quotes(second), "is no PCI address",
                   first + " 0000:00:04.0");
    }
    out.address = spec->target;
  } else if (first == "device") {
    out.task = Task::device;
    const auto spec = dpdk::DeviceSpec::parse(second);
    if (!spec) {
      return usage("device " + cli::in_quotes(second), spec.error().why, spec.error().remedy);
    }
    out.device = second;
  } else {
    const std::string_view near = cli::nearest(first, {"hugepages", "bind", "unbind", "device"});
    return usage(cli::in_quotes(first), "is nothing that pollux-doctor does",
                 near.empty() ? "pollux-doctor --help" : std::string{near});
  }
  return std::monostate{};
}

Status take_number(const std::string& value, std::uint64_t least, std::uint64_t& to) {
  const auto number = cli::parse_number(value, least, std::uint64_t{1} << 32);
  if (!number) return number.error();
  to = *number;
  return std::monostate{};
}

Status refuse(std::string why) { return usage({}, std::move(why), {}); }

Status take(Options& out, const std::string& name, const std::string& value) {
  if (name == "--json") {
    out.json = value;
    if (value.empty()) return refuse("names no file");
    return value == "-" ? Status{std::monostate{}} : cli::check_writable(value);
  }
  if (name == "--root") {
    out.root = value;
    return value.empty() ? refuse("names no folder") : std::monostate{};
  }
  if (name == "--node") {
    const auto number = cli::parse_number(value, 0, 1'023);
    if (!number) return number.error();
    out.node = static_cast<unsigned>(*number);
  } else if (name == "--size") {
    if (value != "2M" && value != "1G") return refuse("is no size of a huge page");
    out.page_bytes = value == "2M" ? std::uint64_t{2} << 20 : std::uint64_t{1} << 30;
  } else if (name == "--count") {
    std::uint64_t count = 0;
    if (Status fine = take_number(value, 1, count); !fine) return fine;
    out.count = count;
  } else if (name == "--driver") {
    // It becomes the name of a folder.
    if (value.empty() || value.find('/') != value.npos || value.starts_with('.')) {
      return refuse("is no name of a driver");
    }
    out.driver = value;
  } else if (name == "--force") {
    ++out.force;
  } else if (name == "--peer") {
    if (auto spec = dpdk::DeviceSpec::parse(value); !spec) {
      return usage({}, spec.error().why, spec.error().remedy);
    }
    out.peer = value;
  } else if (name == "--wait") {
    const auto wait = cli::parse_seconds(value, 0, 86'400);
    if (!wait) return wait.error();
    out.wait = *wait;
  } else if (name == "--no-huge") {
    out.no_huge = true;
  } else if (name == "--log-level") {
    constexpr std::array<std::string_view, 4> levels{"error", "warning", "info", "debug"};
    const auto* const found = std::find(levels.begin(), levels.end(), value);
    if (found == levels.end()) return refuse("is no level");
    out.log_level = static_cast<cli::LogLevel>(found - levels.begin());
  } else if (name == "--eal") {
    for (std::string& word : cli::split_words(value)) out.eal.push_back(std::move(word));
  }
  return std::monostate{};
}

Status take_all(const std::vector<cli::Argument>& arguments, Options& out) {
  for (const cli::Argument& argument : arguments) {
    const auto* const row = std::find_if(
        rows.begin(), rows.end(), [&](const Row& each) { return each.text.name == argument.name; });
    if ((row->tasks & bit(out.task)) == 0) {
      return usage(argument.name, fmt::format("not an option of {}", words_of_task(out.task)),
                   "pollux-doctor --help");
    }
    const Status taken = take(out, argument.name, argument.value);
    if (taken) continue;
    const Error& error = taken.error();
    return usage(
        fmt::format("{} {}", argument.name, cli::in_quotes(argument.value)), error.why,
        error.remedy.empty() ? fmt::format("{} {}", row->text.name, row->example) : error.remedy);
  }
  if (out.task == Task::reserve && !out.count) {
    return usage("hugepages reserve", "wants to know how many", "--count 512 with it");
  }
  if (!out.peer.empty() && out.peer == out.device) {
    return usage("--peer " + cli::in_quotes(out.peer), "is the device itself", "its other end");
  }
  return std::monostate{};
}

}  // namespace

cli::Parsed<Options> parse(int argc, const char* const* argv) {
  const auto refused = [](const Error& error) {
    return cli::Parsed<Options>{std::nullopt, static_cast<int>(error.kind),
                                cli::format_error(error)};
  };
  const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  Options out;
  out.self = argc > 0 ? argv[0] : std::string{program};
  const auto line = cli::read_command_line(words, program, texts(), texts(), 2);
  if (!line) return refused(line.error());
  if (line->help) {
    return {std::nullopt, 0, cli::help_text(program, description, texts(), examples)};
  }
  if (line->version) return {std::nullopt, 0, fmt::format("{} {}", program, cli::version())};
  if (Status fine = take_words(line->words, out); !fine) return refused(fine.error());
  if (Status fine = take_all(line->arguments, out); !fine) return refused(fine.error());
  return {std::move(out), 0, {}};
}

}  // namespace pollux::doctor
