#include "transport/tcp/fast_open.h"

#include <algorithm>

#include "base/assert.h"

namespace pollux::tcp {

namespace {

std::uint64_t addresses(const wire::FourTuple& tuple) noexcept {
  return std::uint64_t{tuple.local.value()} << 32 | tuple.remote.value();
}

std::int64_t period_of(Instant now) noexcept {
  return now.time_since_epoch() / FastOpenCookies::period;
}

}  // namespace

wire::FastOpenCookie FastOpenCookies::made_in(const wire::FourTuple& tuple,
                                              std::int64_t in_period) const noexcept {
  const std::uint64_t hash =
      siphash24_words(key_, addresses(tuple), static_cast<std::uint64_t>(in_period));
  wire::FastOpenCookie cookie{.size = sizeof hash};
  for (std::size_t i = 0; i < sizeof hash; ++i) cookie.bytes[i] = std::byte(hash >> (56 - 8 * i));
  return cookie;
}

wire::FastOpenCookie FastOpenCookies::make(const wire::FourTuple& tuple,
                                           Instant now) const noexcept {
  return made_in(tuple, period_of(now));
}

bool FastOpenCookies::good(const wire::FourTuple& tuple, const wire::FastOpenCookie& cookie,
                           Instant now) const noexcept {
  const std::int64_t in_period = period_of(now);
  return cookie == made_in(tuple, in_period) || cookie == made_in(tuple, in_period - 1);
}

bool FastOpenBacklog::has_room(Instant now) noexcept {
  while (count_ != 0 && now - resets_[first_] >= remembered) {
    if (++first_ == resets_.size()) first_ = 0;
    --count_;
  }
  return pending_ + count_ < resets_.size();
}

void FastOpenBacklog::end_by_reset(Instant now) noexcept {
  end();
  POLLUX_ASSERT(count_ < resets_.size());
  resets_[(first_ + count_) % resets_.size()] = now;
  ++count_;
}

FastOpenCache::Entry* FastOpenCache::set_of(const wire::FourTuple& tuple) noexcept {
  const std::uint64_t hash =
      siphash24_words(key_, addresses(tuple), std::uint64_t{tuple.remote_port});
  return &entries_[hash % (capacity / ways) * ways];
}

FastOpenCache::Entry* FastOpenCache::find(const wire::FourTuple& tuple) noexcept {
  Entry* const set = set_of(tuple);
  Entry* const found = std::find_if(set, set + ways, [&](const Entry& each) {
    return each.local == tuple.local && each.remote == tuple.remote &&
           each.remote_port == tuple.remote_port;
  });
  return found == set + ways ? nullptr : found;
}

FastOpenCache::Entry& FastOpenCache::find_or_make(const wire::FourTuple& tuple,
                                                  Instant now) noexcept {
  Entry* entry = find(tuple);
  if (entry == nullptr) {
    Entry* const set = set_of(tuple);
    entry = std::min_element(set, set + ways,
                             [](const Entry& a, const Entry& b) { return a.used < b.used; });
    *entry = {.local = tuple.local, .remote = tuple.remote, .remote_port = tuple.remote_port};
  }
  entry->used = now;
  return *entry;
}

std::optional<FastOpenOffer> FastOpenCache::offer(const wire::FourTuple& tuple,
                                                  Instant now) noexcept {
  Entry* const entry = find(tuple);
  if (entry == nullptr) return FastOpenOffer{};
  entry->used = now;
  if (now < entry->rests_until) return std::nullopt;
  return entry->offer;
}

void FastOpenCache::learn(const wire::FourTuple& tuple, const FastOpenOffer& offer,
                          Instant now) noexcept {
  find_or_make(tuple, now).offer = offer;
}

void FastOpenCache::worked(const wire::FourTuple& tuple) noexcept {
  if (Entry* const entry = find(tuple)) entry->failures = 0;
}

void FastOpenCache::failed(const wire::FourTuple& tuple, Instant now) noexcept {
  Entry& entry = find_or_make(tuple, now);
  entry.offer = {};  // whatever was wrong with it, the next is asked for anew
  entry.rests_until = now + first_rest * (1 << entry.failures);
  if (entry.failures < most_doublings) ++entry.failures;
}

bool begin_fast_open(Tcb& tcb, FlightPool& flights, const FastOpenOffer& offer) noexcept {
  POLLUX_ASSERT(tcb.state == State::syn_sent && tcb.flight == no_flight);
  tcb.flight = flights.acquire();
  if (tcb.flight == no_flight) return false;
  flights[tcb.flight].cookie = offer.cookie;
  // Until the peer says what its window is, it is one segment, or nothing.
  if (offer.cookie.size != 0) tcb.snd_wnd = tcb.max_snd_wnd = offer.peer_mss;
  return true;
}

}  // namespace pollux::tcp
