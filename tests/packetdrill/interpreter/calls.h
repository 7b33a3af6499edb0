#pragma once

#include <functional>
#include <map>
#include <string>

#include "../interface.h"
#include "connection.h"
#include "script.h"

namespace pollux::interpreter {

/// A system call ready to be made: `invoke` may block, and may run in any thread; `check` looks at
/// what it left behind, when its result is as the script says, and returns what is wrong or "".
struct Prepared {
  std::function<long()> invoke;
  std::function<std::string(long)> check = [](long) { return std::string{}; };
};

/// The script's descriptors, and its calls by name. What is written is the pattern of the stream,
/// and what is read must be it.
class Calls {
 public:
  Calls(packetdrill_interface& stack, Connection& connection)
      : stack_(stack), connection_(connection) {}

  /// Throws a std::string that says what is wrong with the script.
  Prepared prepare(const Call& call);
  /// Empty, or how the outcome differs from the script; `error` is errno.
  std::string conclude(const Call& call, const Prepared& prepared, long result, int error) const;

 private:
  struct Descriptor {
    int live = -1;
    std::uint64_t read = 0;  // places in the two streams
    std::uint64_t written = 0;
  };
  Descriptor& descriptor(const Expression& number);
  int live(const Expression& number) { return descriptor(number).live; }
  void opened(std::int64_t number, long live);

  Prepared socket(const Call& call);
  Prepared accept(const Call& call);
  Prepared with_address(const Call& call, bool connects);
  Prepared receive(const Call& call);
  Prepared send(const Call& call);
  Prepared control(const Call& call);
  Prepared get_option(const Call& call);
  Prepared set_option(const Call& call);
  Prepared poll(const Call& call);

  packetdrill_interface& stack_;
  Connection& connection_;
  std::map<std::int64_t, Descriptor> descriptors_;  // by the script's number
};

}  // namespace pollux::interpreter
