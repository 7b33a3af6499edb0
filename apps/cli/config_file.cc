// Options from a TOML file. The library that reads it is included here alone.

#include <fmt/format.h>

#include <algorithm>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "cli/arguments.h"
#include "cli/error.h"
#include "cli/value.h"

namespace pollux::cli {
namespace {

constexpr std::string_view device_table = "device";
constexpr std::string_view device_group = "Device";

/// Turns the keys of one file into arguments.
class Reader {
 public:
  Reader(const std::string& path, const std::vector<OptionText>& options)
      : path_(path), options_(options) {}

  Status take(const toml::table& table) {
    for (const auto& [key, node] : in_order(table)) {
      const toml::array* const list = node->as_array();
      const bool devices =
          key == device_table && list != nullptr && !list->empty() && list->is_array_of_tables();
      Status taken = devices ? take_devices(*list) : take_key(key, *node, key);
      if (!taken) return taken;
    }
    return std::monostate{};
  }
  std::vector<Argument> arguments() && { return std::move(arguments_); }

 private:
  using Entry = std::pair<std::string, const toml::node*>;

  /// The library sorts keys by name; they count in the order in which they stand.
  static std::vector<Entry> in_order(const toml::table& table) {
    std::vector<Entry> out;
    for (const auto& [key, node] : table) out.emplace_back(std::string{key.str()}, &node);
    std::stable_sort(out.begin(), out.end(), [](const Entry& a, const Entry& b) {
      const toml::source_position& x = a.second->source().begin;
      const toml::source_position& y = b.second->source().begin;
      return std::pair{x.line, x.column} < std::pair{y.line, y.column};
    });
    return out;
  }

  Error refuse(std::string_view what, std::string why, std::string remedy) const {
    return Error{Error::Kind::usage, fmt::format("'{}' in {}", what, in_quotes(path_)),
                 std::move(why), std::move(remedy)};
  }
  Error unknown(const std::string& key, std::string_view shown) const {
    const std::string near = suggestion("--" + key, options_, "--");
    return refuse(shown, "not an option that a file can set",
                  near == "--" || key == "config" ? "an option of --help, without its dashes"
                                                  : near.substr(2));
  }
  const OptionText* find(const std::string& key) const {
    const auto found = std::find_if(options_.begin(), options_.end(), [&](const OptionText& o) {
      return o.name.substr(2) == key && key != "config";
    });
    return found == options_.end() ? nullptr : &*found;
  }

  Status take_devices(const toml::array& devices) {
    for (const toml::node& node : devices) {
      const toml::table& table = *node.as_table();
      const toml::node* const spec = table.get("spec");
      if (spec == nullptr) {
        return refuse("[[device]]", "has no spec", "spec = \"tap:pollux0\"");
      }
      if (Status taken = take_key("device", *spec, "device.spec"); !taken) return taken;
      for (const auto& [key, setting] : in_order(table)) {
        if (key == "spec") continue;
        const std::string shown = "device." + key;
        const OptionText* const option = find(key);
        if (option == nullptr) return unknown(key, shown);
        if (option->group != device_group || key == device_table) {
          return refuse(shown, "no setting of a device", "it above the first [[device]]");
        }
        if (Status taken = take_key(key, *setting, shown); !taken) return taken;
      }
    }
    return std::monostate{};
  }

  Status take_key(const std::string& key, const toml::node& node, const std::string& shown) {
    if (const toml::table* const table = node.as_table()) {
      const auto inner = in_order(*table);
      if (inner.empty()) return unknown(key, shown);
      return unknown(inner.front().first, shown + "." + inner.front().first);
    }
    const OptionText* const option = find(key);
    if (option == nullptr) return unknown(key, shown);
    const toml::array* const list = node.as_array();
    if (list == nullptr) return take_value(*option, node, shown);
    for (const toml::node& element : *list) {
      if (Status taken = take_value(*option, element, shown); !taken) return taken;
    }
    return std::monostate{};
  }

  Status take_value(const OptionText& option, const toml::node& node, const std::string& shown) {
    std::string value;
    if (const auto* const text = node.as_string()) {
      value = text->get();
    } else if (const auto* const integer = node.as_integer()) {
      value = std::to_string(integer->get());
    } else if (const auto* const real = node.as_floating_point()) {
      value = fmt::format("{}", real->get());
    } else if (const auto* const truth = node.as_boolean()) {
      value = truth->get() ? "true" : "false";
    } else {
      return refuse(shown, "neither text, a number, true nor false, nor a list of these",
                    fmt::format("{} = \"...\"", shown));
    }
    if (option.value.empty()) {
      if (!node.is_boolean()) {
        return refuse(fmt::format("{} = {}", shown, value), "neither true nor false",
                      fmt::format("{} = true", shown));
      }
      if (value == "false") return std::monostate{};
    }
    arguments_.push_back({std::string{option.name}, std::move(value), path_});
    return std::monostate{};
  }

  const std::string& path_;
  const std::vector<OptionText>& options_;
  std::vector<Argument> arguments_;
};

}  // namespace

Result<std::vector<Argument>> read_config(const std::string& path,
                                          const std::vector<OptionText>& options) {
  const auto refuse = [&](std::string why, std::string remedy) {
    return Error{Error::Kind::usage, fmt::format("--config {}", in_quotes(path)), std::move(why),
                 std::move(remedy)};
  };
  const Result<std::string> content = read_file(path, 1 << 20);
  if (!content) return refuse(content.error().why, "the path of a TOML file");
  const toml::parse_result parsed = toml::parse(std::string_view{*content});
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    return refuse(fmt::format("line {}: {}", error.source().begin.line, error.description()),
                  "a TOML file of lines 'option = value'");
  }
  Reader reader{path, options};
  if (Status taken = reader.take(parsed.table()); !taken) return taken.error();
  return std::move(reader).arguments();
}

}  // namespace pollux::cli
