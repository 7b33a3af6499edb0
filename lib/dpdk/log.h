#pragma once

#include <cstddef>
#include <cstdio>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace pollux::dpdk {

/// How much of what DPDK says is shown: what is at least as grave as this.
enum class LogLevel { error, warning, info, debug };

/// Where DPDK's own messages go: the last of them are kept for error reports, and only where the
/// user asked for more than errors do they also go to standard error.
class LogSink {
 public:
  /// Takes DPDK's log over for good: threads of DPDK's own write to it until the process ends.
  /// There is one a process, as there is one log; a second call only sets the level.
  static LogSink& install(LogLevel level);
  LogSink(const LogSink&) = delete;
  LogSink& operator=(const LogSink&) = delete;

  LogLevel level() const noexcept { return level_; }
  /// Whether DPDK's messages are shown as they come.
  bool verbose() const noexcept { return level_ != LogLevel::error; }

  /// Forgets what was kept, so that the next complaint() is about what happens from here on.
  void forget();
  /// The latest errors that DPDK reported, in one line without its prefixes; empty if none.
  std::string complaint() const;

 private:
  LogSink() = default;
  static ssize_t write(void* self, const char* text, std::size_t size);
  void take(const char* text, std::size_t size);

  static constexpr std::size_t kept_most = 3;

  LogLevel level_ = LogLevel::error;
  FILE* stream_ = nullptr;
  mutable std::mutex mutex_;
  std::deque<std::string> errors_;
};

/// While it lives, what anything in this process prints goes to a hidden file instead of standard
/// output and error: some of DPDK prints without asking its log. Set-up only, on one thread.
class HushedOutput {
 public:
  /// With `hush` false, does nothing.
  explicit HushedOutput(bool hush);
  ~HushedOutput();
  HushedOutput(const HushedOutput&) = delete;
  HushedOutput& operator=(const HushedOutput&) = delete;

  /// The rest of the first line printed that begins so; empty if there is none.
  std::string line_after(std::string_view start) const;

 private:
  int hidden_ = -1;
  int output_ = -1;
  int error_ = -1;
};

}  // namespace pollux::dpdk
