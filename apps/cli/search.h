#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/fail_if.h"

namespace pollux::cli {

struct Summary;

/// How --search goes about it.
struct SearchOptions {
  std::uint64_t from = 1'000;                        // connections a second, of the first step
  std::optional<std::uint64_t> most = std::nullopt;  // no step goes beyond it
  double resolution = 0.01;  // the end: what failed is no further above what passed, of itself
  bool leaps = false;        // the second step is at `most`, which must be there
};

/// What a search has come to.
struct Search {
  struct Step {
    std::uint64_t rate = 0;  // connections a second that were to be opened
    double cps = 0;          // that were completed
    std::uint64_t failed = 0;
    double p99_us = 0;  // of the set-up
    double busy = 0;    // the generator's core, 0 to 1
    std::string why;    // it failed; empty: it passed
    bool passed() const { return why.empty(); }
  };
  enum class End : std::uint8_t {
    failure,  // a rate above is known to fail
    bound,    // no failure up to the highest rate that was allowed
    stopped   // by a signal
  };
  std::uint64_t rate = 0;  // the highest at which a step passed; 0: none did
  End end = End::stopped;
  double resolution = 0;
  std::vector<Step> steps{};

  /// The step that failed at the lowest rate above `rate`, if any did.
  const Step* lowest_failed() const;
};

/// The rates of a search in their order, whole connections a second: doubled until one fails or the
/// bound is reached (or, where it leaps, the bound at once), then the middle between the highest
/// that passed and the lowest that failed, until these are close.
class RateSearch {
 public:
  explicit RateSearch(const SearchOptions& options) : options_(options) {}

  /// The next step's; nothing when the search is over.
  std::optional<std::uint64_t> next() const;
  /// What became of the step at that rate.
  void record(std::uint64_t rate, bool passed);
  /// 0: none yet.
  std::uint64_t passed() const { return passed_; }
  std::optional<std::uint64_t> failed() const { return failed_; }

 private:
  SearchOptions options_;
  std::uint64_t passed_ = 0;
  std::optional<std::uint64_t> failed_;
};

/// Why a step at that rate failed, in a few words; empty: it passed. It fails where a condition
/// holds, or, when there is none, where anything failed or was not over a second after the end;
/// and in any case where fewer were completed than 99 % of the rate, or where the generator could
/// not open them.
std::string why_failed(const Summary& client, std::uint64_t rate,
                       const std::vector<FailIf>& conditions);

/// What the search's lines and JSON say of a step.
Search::Step step_of(const Summary& client, std::uint64_t rate,
                     const std::vector<FailIf>& conditions);

/// The error line of a search in which no step passed.
std::optional<std::string> nothing_found(const Search& search);

/// "failure", "bound", "stopped".
std::string_view name(Search::End end) noexcept;

}  // namespace pollux::cli
