#include "cli/about.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/environment.h"

namespace pollux::cli {
namespace {

/// Text as roff prints it: no hyphen turns typographic, no line is a request.
std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) out += "\\&";
    if (c == '-' || c == '\\') out += '\\';
    out += c == '\\' ? "e" : std::string(1, c);
  }
  return out;
}

/// The words that a value is one of ("on|off"), with spaces between; empty where it is no such
/// value.
std::string words_of(std::string_view value) {
  const bool words = value.find('|') != value.npos &&
                     std::none_of(value.begin(), value.end(),
                                  [](char c) { return c == '@' || (c >= 'A' && c <= 'Z'); });
  std::string out{words ? value : ""};
  std::replace(out.begin(), out.end(), '|', ' ');
  return out;
}

}  // namespace

std::vector<OptionText> texts(std::optional<Program> program) {
  std::vector<OptionText> out;
  for (const OptionRow& row : option_table()) {
    if (!program || row.belongs_to(*program)) out.push_back(row.text);
  }
  return out;
}

std::string help_of(const About& about) {
  return help_text(about.name, about.description, texts(about.program), about.examples);
}

std::string manual(const About& about) {
  // The description begins with the program's name, and ends with a full stop.
  std::string_view purpose = about.description;
  purpose.remove_prefix(about.name.size() + 1);
  purpose.remove_suffix(1);
  std::string title{about.name};
  std::transform(title.begin(), title.end(), title.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  std::string out = fmt::format(
      ".TH {} 1 \"\" \"Pollux {}\" \"User Commands\"\n.SH NAME\n{} \\- {}\n"
      ".SH SYNOPSIS\n.B {}\n.RI [ OPTION ]...\n.SH DESCRIPTION\n{}\n.SH OPTIONS\n",
      roff(title), version(), roff(about.name), roff(purpose), roff(about.name),
      roff(about.description));
  std::string_view group;
  for (const OptionText& option : texts(about.program)) {
    if (option.group != group) out += fmt::format(".SS {}\n", roff(option.group));
    group = option.group;
    out += option.value.empty()
               ? fmt::format(".TP\n.B {}\n", roff(option.name))
               : fmt::format(".TP\n.BI {} \" {}\"\n", roff(option.name), roff(option.value));
    out += roff(option.help) + '\n';
  }
  out +=
      ".SS Others\n.TP\n.BR \\-h \", \" \\-\\-help\nthe options, and examples\n"
      ".TP\n.B \\-\\-version\nthe version, and nothing else\n";
  out += fmt::format(".SH EXAMPLES\n.nf\n{}\n.fi\n", roff(about.examples));
  out +=
      ".SH EXIT STATUS\n.TP\n0\nsuccess\n"
      ".TP\n1\nthe run failed, or fell short of what was asked of it\n"
      ".TP\n2\nwrong usage\n.TP\n3\nthe machine lacks something\n.SH SEE ALSO\n";
  std::string others;
  for (const About* other : abouts) {
    if (other->program == about.program) continue;
    others += fmt::format("{}.BR {} (1)", others.empty() ? "" : " ,\n", roff(other->name));
  }
  return out + others + '\n';
}

std::string bash_completion(const About& about) {
  std::string options;
  std::string files;
  std::string others;
  std::string out;
  for (const OptionText& option : texts(about.program)) {
    options += fmt::format(" {}", option.name);
    if (option.value.empty()) continue;
    const std::string words = words_of(option.value);
    if (!words.empty()) {
      out += fmt::format(
          "    {})\n      mapfile -t COMPREPLY < <(compgen -W \"{}\" -- \"$current\")\n"
          "      return ;;\n",
          option.name, words);
    } else if (option.value == "FILE") {
      files += fmt::format("{}{}", files.empty() ? "" : " | ", option.name);
    } else {
      others += fmt::format("{}{}", others.empty() ? "" : " | ", option.name);
    }
  }
  std::string function{about.name};
  std::replace(function.begin(), function.end(), '-', '_');
  return fmt::format(
      "# bash completion for {0}, made of its table of options\n"
      "_{1}() {{\n"
      "  local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}}\n"
      "  COMPREPLY=()\n"
      "  case $before in\n{2}"
      "    {3})\n      mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
      "      return ;;\n"
      "    {4})\n      return ;;  # a value that nobody can guess\n"
      "  esac\n"
      "  mapfile -t COMPREPLY < <(compgen -W \"--help --version{5}\" -- \"$current\")\n"
      "}}\n"
      "complete -F _{1} {0}\n",
      about.name, function, out, files, others, options);
}

}  // namespace pollux::cli
