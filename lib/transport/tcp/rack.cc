#include "transport/tcp/rack.h"

#include <algorithm>

#include "transport/tcp/recovery.h"

namespace pollux::tcp {

namespace {

using std::chrono::microseconds;

constexpr std::uint32_t duplicate_threshold = 3;  // of RFC 5681, in segments
constexpr std::uint8_t recoveries_to_persist = 16;
/// Of a timestamp, which counts whole milliseconds.
constexpr microseconds rounding{1000};

/// RACK_sent_after().
bool sent_after(Micros32 a, SeqNum a_end, Micros32 b, SeqNum b_end) noexcept {
  return b < a || (a == b && b_end < a_end);
}

}  // namespace

/// What was sent so long ago has nothing in flight before it, and could not be compared for much
/// longer.
void Rack::forget_long_ago(Micros32 now) noexcept {
  const microseconds age = now - sent_at_;
  if (age < 0us || age > 10min) any_ = false;
}

void Rack::delivered(const Scoreboard::Range& range, const Ack& ack) noexcept {
  // Step 3: what arrives below the highest, and was sent once, was overtaken.
  if (range.right < ack.highest && !range.again) reordering_ = true;
  highest_ = max(highest_, range.right);
  const auto since =
      static_cast<std::uint32_t>(std::max<std::int64_t>((ack.now - range.first_at).count(), 0));
  if (range.again) {
    // It may be the earlier copy that has arrived (step 2).
    if (ack.echo_age && *ack.echo_age > microseconds{since} + rounding) return;
    if (since < least_round_trip_us_) return;
  } else if (least_round_trip_us_ == 0 || since < least_round_trip_us_) {
    least_round_trip_us_ = std::max(since, 1u);  // step 1
  }
  forget_long_ago(ack.now);
  if (any_ && !sent_after(range.first_at, range.right, sent_at_, end_)) return;
  any_ = true;
  sent_at_ = range.first_at;
  end_ = range.right;
  round_trip_us_ = since;
}

void Rack::duplicated(SeqNum una, SeqNum snd_nxt) noexcept {
  if (in_round_ && una < round_end_) return;
  in_round_ = true;
  round_end_ = snd_nxt;
  multiplier_ = static_cast<std::uint8_t>(std::min(multiplier_ + 1, 255));
  persist_ = recoveries_to_persist;
}

void Rack::recovered() noexcept {
  if (persist_ == 0) return;
  if (--persist_ == 0) multiplier_ = 1;
}

/// Step 4. While no reordering was seen, three segments that have arrived past a gap are a loss, as
/// they have been since RFC 5681.
microseconds Rack::reordering_window(const Scoreboard& board,
                                     const Context& context) const noexcept {
  if (!reordering_) {
    const bool three = board.sacked() > (duplicate_threshold - 1) * context.mss ||
                       board.islands() >= duplicate_threshold;
    if (context.recovering || three) return microseconds{0};
  }
  const std::uint64_t window = std::uint64_t{multiplier_} * least_round_trip_us_ / 4;
  return microseconds{std::min<std::uint64_t>(window, context.srtt_us)};
}

microseconds Rack::detect(Scoreboard& board, const Context& context, Micros32 now) noexcept {
  forget_long_ago(now);
  if (!any_) return microseconds{0};
  const microseconds patience = microseconds{round_trip_us_} + reordering_window(board, context);
  microseconds wait{0};
  board.lose([&](const Scoreboard::Range& range) noexcept {
    // Of what was sent once, within a grain of what has arrived, the numbers tell the order: the
    // board knows one time for all of a grain.
    const bool earlier = sent_after(sent_at_, end_, range.sent_at, range.right) ||
                         (!range.again && range.right <= highest_ &&
                          range.sent_at - sent_at_ <= scoreboard_grain(context.srtt_us));
    if (!earlier) return false;
    const microseconds left = patience - (now - range.sent_at);
    if (left <= microseconds{0}) return true;
    wait = std::max(wait, left);
    return false;
  });
  return wait;
}

void Rack::lose_on_timeout(Scoreboard& board, const Context& context, Micros32 now) const noexcept {
  const microseconds patience = microseconds{round_trip_us_} + reordering_window(board, context);
  board.lose([&](const Scoreboard::Range& range) noexcept {
    return range.left == board.front() || now - range.sent_at >= patience;
  });
}

}  // namespace pollux::tcp
