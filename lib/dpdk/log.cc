#include "dpdk/log.h"

#include <rte_log.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace pollux::dpdk {
namespace {

/// "EAL: FATAL: Cannot init memory\n" says nothing more than "Cannot init memory", and the name of
/// the function before "(): " tells a user nothing.
std::string_view trimmed(std::string_view line) {
  while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.remove_suffix(1);
  for (const std::string_view prefix : {"EAL: ", "FATAL: ", "Error - "}) {
    if (line.starts_with(prefix)) line.remove_prefix(prefix.size());
  }
  const std::size_t call = line.find("(): ");
  if (call < line.find(' ')) line.remove_prefix(call + 4);
  return line;
}

/// What EAL adds to every driver's own complaint.
bool says_nothing(std::string_view line) {
  return line.empty() || line.starts_with("Driver cannot attach the device") ||
         line.starts_with("Failed to attach device");
}

unsigned to_dpdk(LogLevel level) {
  switch (level) {
    case LogLevel::error:
      return RTE_LOG_ERR;
    case LogLevel::warning:
      return RTE_LOG_WARNING;
    case LogLevel::info:
      return RTE_LOG_INFO;
    case LogLevel::debug:
      return RTE_LOG_DEBUG;
  }
  return RTE_LOG_ERR;
}

}  // namespace

LogSink& LogSink::install(LogLevel level) {
  static LogSink* const sink = new LogSink;
  sink->level_ = level;
  rte_log_set_global_level(to_dpdk(level));
  if (sink->stream_ != nullptr) return *sink;
  cookie_io_functions_t functions{};
  functions.write = &LogSink::write;
  sink->stream_ = fopencookie(sink, "w", functions);
  if (sink->stream_ == nullptr) return *sink;
  setvbuf(sink->stream_, nullptr, _IOLBF, 4096);
  rte_openlog_stream(sink->stream_);
  return *sink;
}

void LogSink::forget() {
  const std::lock_guard lock(mutex_);
  errors_.clear();
}

std::string LogSink::complaint() const {
  const std::lock_guard lock(mutex_);
  std::string text;
  for (const std::string& line : errors_) {
    if (!text.empty()) text += "; ";
    text += line;
  }
  return text;
}

ssize_t LogSink::write(void* self, const char* text, std::size_t size) {
  static_cast<LogSink*>(self)->take(text, size);
  return static_cast<ssize_t>(size);
}

void LogSink::take(const char* text, std::size_t size) {
  const std::lock_guard lock(mutex_);
  const int level = rte_log_cur_msg_loglevel();
  // The level is unknown (-1) before a thread's first message, and such early ones are errors.
  if (level <= static_cast<int>(RTE_LOG_ERR)) {
    const std::string_view line = trimmed({text, size});
    const bool known = std::find(errors_.begin(), errors_.end(), line) != errors_.end();
    if (!says_nothing(line) && !known) errors_.emplace_back(line);
    if (errors_.size() > kept_most) errors_.pop_front();
  }
  if (verbose()) std::fwrite(text, 1, size, stderr);
}

HushedOutput::HushedOutput(bool hush) {
  if (!hush) return;
  hidden_ = memfd_create("pollux-hushed-output", MFD_CLOEXEC);
  if (hidden_ < 0) return;
  std::fflush(stdout);
  std::fflush(stderr);
  output_ = dup(STDOUT_FILENO);
  error_ = dup(STDERR_FILENO);
  dup2(hidden_, STDOUT_FILENO);
  dup2(hidden_, STDERR_FILENO);
}

HushedOutput::~HushedOutput() {
  if (hidden_ < 0) return;
  std::fflush(stdout);
  std::fflush(stderr);
  if (output_ >= 0) dup2(output_, STDOUT_FILENO);
  if (error_ >= 0) dup2(error_, STDERR_FILENO);
  for (const int file : {hidden_, output_, error_}) {
    if (file >= 0) close(file);
  }
}

std::string HushedOutput::line_after(std::string_view start) const {
  if (hidden_ < 0) return {};
  std::fflush(stdout);
  std::fflush(stderr);
  std::array<char, 16'384> text;
  const ssize_t size = pread(hidden_, text.data(), text.size(), 0);
  std::string_view rest(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    if (line.starts_with(start)) return std::string(line.substr(start.size()));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
  }
  return {};
}

}  // namespace pollux::dpdk
