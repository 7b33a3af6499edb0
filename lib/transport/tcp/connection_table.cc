#include "transport/tcp/connection_table.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

namespace pollux::tcp {
namespace {

/// The table is shared by one writer and readers of other threads. Release stores and acquire loads
/// order everything that the sequence lock needs: a reader that sees any word of a write also sees
/// that the version was odd before it. On x86 all of them are plain moves.
void publish(std::uint32_t& word, std::uint32_t value) noexcept {
  std::atomic_ref<std::uint32_t>(word).store(value, std::memory_order_release);
}

}  // namespace

Result<ConnectionTable> ConnectionTable::make(std::uint32_t capacity, bool huge) {
  const double slots_needed = static_cast<double>(std::max(capacity, 1u)) / load_limit;
  constexpr std::uint64_t page = 1 << page_bits;
  const auto pages =
      static_cast<std::uint64_t>(std::ceil(slots_needed / static_cast<double>(slots * page)));
  const std::uint32_t near = pages * page > 2 * near_buckets ? near_buckets : 0;
  auto storage = Reservation::make((near + pages * page) * sizeof(Bucket), huge);
  if (!storage) return storage.error();
  return ConnectionTable{std::move(*storage), near, static_cast<std::uint32_t>(pages), capacity};
}

bool ConnectionTable::insert(std::uint64_t hash, EntryId id, bool stays) noexcept {
  POLLUX_ASSERT(!id.is_none());
  if (size() >= capacity_) return false;
  if (!stays && near_count_ != 0) {
    Bucket& near = buckets()[near_index(hash)];
    if (const std::uint32_t free = matches(near.ids, 0); free != 0) [[likely]] {
      write(near, static_cast<std::size_t>(std::countr_zero(free)), tag_of(hash), id);
      ++near_size_;
      size_.store(size() + 1, std::memory_order_relaxed);
      return true;
    }
  }
  // Below capacity some bucket has room, so this ends.
  for (Bucket* bucket = &home(hash);; bucket = after(bucket)) {
    if (const std::uint32_t free = matches(bucket->ids, 0); free != 0) [[likely]] {
      write(*bucket, static_cast<std::size_t>(std::countr_zero(free)), tag_of(hash), id);
      size_.store(size() + 1, std::memory_order_relaxed);
      return true;
    }
    ++bucket->passed;
  }
}

void ConnectionTable::replace(std::uint64_t hash, EntryId old, EntryId now) noexcept {
  POLLUX_ASSERT(!now.is_none());
  const Place place = locate(hash, old);
  POLLUX_ASSERT(place.bucket != nullptr);
  if (place.bucket == nullptr) return;
  write(*place.bucket, place.slot, place.bucket->tags[place.slot], now);
}

void ConnectionTable::erase(std::uint64_t hash, EntryId id) noexcept {
  const Place place = locate(hash, id);
  POLLUX_ASSERT(place.bucket != nullptr);
  if (place.bucket == nullptr) return;
  if (is_near(*place.bucket)) {
    --near_size_;
  } else {
    for (Bucket* bucket = &home(hash); bucket != place.bucket; bucket = after(bucket)) {
      --bucket->passed;
    }
  }
  write(*place.bucket, place.slot, 0, EntryId{});
  size_.store(size() - 1, std::memory_order_relaxed);
}

ConnectionTable::Place ConnectionTable::locate(std::uint64_t hash, EntryId id) noexcept {
  if (near_size_ != 0) {
    Bucket& near = buckets()[near_index(hash)];
    if (const std::uint32_t place = matches(near.ids, id.raw()); place != 0) [[likely]] {
      return {&near, static_cast<std::size_t>(std::countr_zero(place))};
    }
  }
  Bucket* const first = &home(hash);
  Bucket* bucket = first;
  do {
    if (const std::uint32_t place = matches(bucket->ids, id.raw()); place != 0) [[likely]] {
      return {bucket, static_cast<std::size_t>(std::countr_zero(place))};
    }
    if (bucket->passed == 0) break;
    bucket = after(bucket);
  } while (bucket != first);
  return {};
}

void ConnectionTable::write(Bucket& bucket, std::size_t slot, std::uint32_t tag,
                            EntryId id) noexcept {
  const std::uint32_t version = bucket.version;
  publish(bucket.version, version + 1);
  publish(bucket.tags[slot], tag);
  publish(bucket.ids[slot], id.raw());
  publish(bucket.version, version + 2);
}

}  // namespace pollux::tcp
