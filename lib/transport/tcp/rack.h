#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/time.h"
#include "transport/tcp/scoreboard.h"

namespace pollux::tcp {

/// RACK (RFC 8985 s.5, s.6): what was sent long enough before something that has arrived since is
/// lost. "Long enough" grows when the path is seen to reorder.
class Rack {
 public:
  /// What an ACK brings along.
  struct Ack {
    Micros32 now;
    /// How long ago what it answers was sent, by the timestamp that it echoes.
    std::optional<std::chrono::milliseconds> echo_age;
    /// highest() before it.
    SeqNum highest;
  };

  /// A new use: nothing is delivered yet, and `una` is the highest that is.
  void begin(SeqNum una) noexcept {
    *this = Rack{};
    highest_ = una;
  }

  /// Steps 1 to 3: the range has arrived, as an ACK or one of its SACK blocks says.
  void delivered(const Scoreboard::Range& range, const Ack& ack) noexcept;

  /// Step 4: a duplicate was reported (D-SACK), in a round that ends at `snd_nxt`.
  void duplicated(SeqNum una, SeqNum snd_nxt) noexcept;
  /// A recovery is over: after 16 without a duplicate the window is small again.
  void recovered() noexcept;

  /// What step 4 wants to know.
  struct Context {
    std::uint32_t mss;
    std::uint32_t srtt_us;
    bool recovering;
  };
  /// Step 5: marks what is lost by now. Returns how long the rest has yet to be waited for, or 0
  /// when nothing is waited for.
  std::chrono::microseconds detect(Scoreboard& board, const Context& context,
                                   Micros32 now) noexcept;
  /// s.6.3: the retransmission timer has expired. The first in flight is lost, and what is as old.
  void lose_on_timeout(Scoreboard& board, const Context& context, Micros32 now) const noexcept;

  /// Behind the highest number that has arrived (RACK.fack).
  SeqNum highest() const noexcept { return highest_; }
  /// What the last delivery has taken (RACK.rtt), in us; 0: none was measured.
  std::uint32_t round_trip_us() const noexcept { return round_trip_us_; }

 private:
  void forget_long_ago(Micros32 now) noexcept;
  std::chrono::microseconds reordering_window(const Scoreboard& board,
                                              const Context& context) const noexcept;

  Micros32 sent_at_;  // RACK.xmit_ts
  SeqNum end_;        // RACK.end_seq
  SeqNum highest_;    // RACK.fack
  SeqNum round_end_;  // RACK.dsack_round
  std::uint32_t round_trip_us_ = 0;
  std::uint32_t least_round_trip_us_ = 0;  // 0: none was measured
  std::uint8_t multiplier_ = 1;
  std::uint8_t persist_ = 0;
  bool any_ = false;  // something was delivered
  bool reordering_ = false;
  bool in_round_ = false;
};

}  // namespace pollux::tcp
