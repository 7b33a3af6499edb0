#include "cli/arguments.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/error.h"
#include "cli/value.h"

namespace pollux::cli {
namespace {

Error usage(std::string what, std::string why, std::string remedy) {
  return Error{Error::Kind::usage, std::move(what), std::move(why), std::move(remedy)};
}

const OptionText* find(const std::vector<OptionText>& options, std::string_view name) {
  const auto found = std::find_if(options.begin(), options.end(),
                                  [&](const OptionText& option) { return option.name == name; });
  return found == options.end() ? nullptr : &*found;
}

}  // namespace

std::string suggestion(std::string_view name, const std::vector<OptionText>& options,
                       std::string_view fallback) {
  std::vector<std::string_view> known{"--help", "--version"};
  for (const OptionText& option : options) known.push_back(option.name);
  const std::string_view near = nearest(name, known);
  return std::string{near.empty() ? fallback : near};
}

namespace {

/// Builds the library's view of the options. Each occurrence calls `take` in the order of the
/// command line.
template <class Take>
void describe(CLI::App& app, const std::vector<OptionText>& options, const Take& take) {
  app.set_help_flag("-h,--help", "this text");
  app.set_version_flag("--version", std::string{}, "the version, and nothing else");
  for (const OptionText& option : options) {
    const std::string name{option.name};
    CLI::Option* added = nullptr;
    if (option.value.empty()) {
      added = app.add_flag_callback(
          name, [name, take] { take(name, std::string{"true"}); }, std::string{option.help});
      added->disable_flag_override();
    } else {
      added = app.add_option_function<std::string>(
          name, [name, take](const std::string& value) { take(name, value); },
          std::string{option.help});
      added->option_text(std::string{option.value});
    }
    added->trigger_on_parse()->group(std::string{option.group});
  }
}

/// What the library would take for something else: `--option=` eats the next word, and a value for
/// a switch has no exception of its own.
Status check_assignments(const std::vector<std::string>& words,
                         const std::vector<OptionText>& options) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--") return std::monostate{};
    const std::size_t equals = word.find('=');
    const OptionText* option = find(options, word.substr(0, equals));
    if (option == nullptr) continue;
    const std::string name{option->name};
    if (option->value.empty()) {
      if (equals == word.npos) continue;
      return usage(fmt::format("{} {}", name, in_quotes(word.substr(equals + 1))), "takes no value",
                   name);
    }
    if (equals == word.npos ? ++i == words.size() : equals + 1 == word.size()) {
      return usage(name, "its value is missing", fmt::format("{} {}", name, option->value));
    }
  }
  return std::monostate{};
}

}  // namespace

Result<CommandLine> read_command_line(const std::vector<std::string>& words,
                                      std::string_view program,
                                      const std::vector<OptionText>& options,
                                      const std::vector<OptionText>& own, std::size_t most_words) {
  CommandLine out;
  for (const std::string& word : words) {
    if (word == "-h" || word == "--help") out.help = true;
    if (word == "--version") out.version = true;
  }
  if (out.help || out.version) return out;
  if (Status fine = check_assignments(words, options); !fine) return fine.error();

  const std::string help = fmt::format("{} --help", program);
  CLI::App app;
  app.allow_extras();
  describe(app, options, [&out](const std::string& name, const std::string& value) {
    out.arguments.push_back({name, value, {}});
  });
  try {
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::Error& error) {
    return usage("command line", error.what(), help);
  }
  for (const std::string& extra : app.remaining()) {
    if (extra == "--") continue;
    const std::string name = extra.substr(0, extra.find('='));
    if (name.starts_with('-') && name.size() > 1) {
      return usage(name, fmt::format("not an option of {}", program), suggestion(name, own, help));
    }
    if (out.words.size() == most_words) {
      return usage(in_quotes(extra), "belongs to no option", help);
    }
    out.words.push_back(extra);
  }
  return out;
}

std::string help_text(std::string_view program, std::string_view description,
                      const std::vector<OptionText>& options, std::string_view examples) {
  CLI::App app{std::string{description}, std::string{program}};
  describe(app, options, [](const std::string&, const std::string&) {});
  app.get_formatter()->column_width(34);
  app.footer(fmt::format("Examples:\n{}", examples));
  return app.help();
}

}  // namespace pollux::cli
