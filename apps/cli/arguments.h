#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

/// The words of a command line, or the keys of a TOML file, as named values in the order in which
/// they stand. What they mean is decided in options.cc; nothing here knows a single option.
namespace pollux::cli {

/// One option as people see it. `value` is the word for its value in the help text, empty for a
/// switch that takes none.
struct OptionText {
  std::string_view name;  // "--device"
  std::string_view value;
  std::string_view help;
  std::string_view group;
};

/// One option as it was given. `file` is the TOML file that it came from, or empty.
struct Argument {
  std::string name;
  std::string value;
  std::string file;
};

struct CommandLine {
  std::vector<Argument> arguments;
  std::vector<std::string> words;  // those that belong to no option
  bool help = false;
  bool version = false;
};

/// Reads a command line. Errors: an option that is not in `options` (with the nearest of the
/// program's `own`), more than `most_words` words that belong to no option, a missing value, a
/// value for a switch. With --help or --version among the words nothing else is looked at.
Result<CommandLine> read_command_line(const std::vector<std::string>& words,
                                      std::string_view program,
                                      const std::vector<OptionText>& options,
                                      const std::vector<OptionText>& own,
                                      std::size_t most_words = 0);

/// What to try in place of an option that does not exist: the nearest that does, or `fallback`.
std::string suggestion(std::string_view name, const std::vector<OptionText>& options,
                       std::string_view fallback);

/// Reads a TOML file: `key = value` for the option --key, an array for one that is given several
/// times, true or false for a switch; `[[device]]` for each of several devices, with a key `spec`
/// for --device itself. Keys keep their order, but that a device comes before its settings.
Result<std::vector<Argument>> read_config(const std::string& path,
                                          const std::vector<OptionText>& options);

/// The text of --help: what the program does, its options by group, examples.
std::string help_text(std::string_view program, std::string_view description,
                      const std::vector<OptionText>& options, std::string_view examples);

}  // namespace pollux::cli
