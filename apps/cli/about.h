#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/option_table.h"

namespace pollux::cli {

/// What --help says of a program beside its options.
struct About {
  Program program;
  std::string_view name;
  std::string_view description;
  std::string_view examples;
};

inline constexpr About about_httpd{
    Program::httpd, "pollux-httpd",
    "pollux-httpd answers HTTP requests from a TCP stack of its own.",
    "  pollux-httpd --device tap:pollux0 --address 10.0.0.1/24\n"
    "  pollux-httpd --device pci:0000:00:04.0 --address 10.0.0.1/24 --gateway 10.0.0.254 "
    "--cores 0-3\n"
    "  pollux-httpd --device memif:/run/pollux.sock,role=server --address 10.0.0.1/24 --body 1024"};
inline constexpr About about_load{
    Program::load, "pollux-load", "pollux-load opens HTTP connections and measures them.",
    "  pollux-load --device memif:/run/pollux.sock,role=client --address 10.0.0.2-10.0.0.9/24 "
    "--target 10.0.0.1:80\n"
    "  pollux-load --device tap:pollux1 --address 10.0.0.2/24 --target 10.0.0.1:80 --cps 10000 "
    "--fail-if 'p99>5ms'\n"
    "  pollux-load --device tap:pollux1 --address 10.0.0.2/24 --target 10.0.0.1:80 --hold "
    "--concurrency 1000 --json -\n"
    "  pollux-load --device memif:/run/pollux.sock,role=client --address 10.0.0.2-10.0.0.9/24 "
    "--target 10.0.0.1:80 --profile rfc9411-cps --object 1024 --json cps.json"};
inline constexpr About about_bench{
    Program::bench, "pollux-bench",
    "pollux-bench runs server and client in one process, joined by a link, and measures both.",
    "  pollux-bench --scenario cps --duration 10\n"
    "  pollux-bench --scenario requests --requests 1000 --pipeline 8 --cores 0,1\n"
    "  pollux-bench --link memif --scenario bulk --body 1048576 --json summary.json"};
inline constexpr std::array abouts{&about_httpd, &about_load, &about_bench};

/// The options' texts, all or those of one program.
std::vector<OptionText> texts(std::optional<Program> program);

/// The text of --help.
std::string help_of(const About& about);

/// The program's page for `man`, in the macros of man(7): its options by group, examples, exit
/// codes.
std::string manual(const About& about);

/// A function for bash that completes the program's options, and those of their values that are
/// words or files.
std::string bash_completion(const About& about);

}  // namespace pollux::cli
