#pragma once

#include <cstdint>

#include "transport/tcp/sending.h"
#include "transport/tcp/tcb.h"
#include "transport/tcp/tcp.h"

/// For the files of this room only: a segment that is longer than the path is known to take (RFC
/// 4821 s.7.4 to 7.6), built of text that would be sent anyway. What to try, and when, is the
/// owner's to say.
namespace pollux::tcp {

/// Whether one of so much text may leave once cwnd has room for it (s.7.4): nothing is being
/// mended, and behind it enough goes out for its loss to be told, and told from other losses,
/// within a round trip.
bool may_probe_path(const Tcb& tcb, const Sending& sending, std::uint32_t size) noexcept;

/// [left, right) leaves: the probe itself, something else for the first time, or `again`.
void path_probe_sent(PathProbe& probe, SeqNum left, SeqNum right, bool is_probe,
                     bool again) noexcept;

/// The scoreboard has just been told something: what that means for the probe that is out.
void judge_path_probe(Tcb& tcb, Sending& sending, Verdict& verdict) noexcept;

/// Whether what is lost is no sign of congestion: the probe alone (s.7.6.2).
bool only_path_probe_lost(const Sending& sending) noexcept;

}  // namespace pollux::tcp
