#pragma once

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "base/assert.h"
#include "base/inline.h"
#include "base/memory.h"
#include "base/result.h"
#include "base/siphash.h"
#include "wire/address.h"

namespace pollux::tcp {

/// Where the entry of a four-tuple lies: its kind, and its index in that kind's own pool. A default
/// one is none and equals no other.
class EntryId {
 public:
  /// The three lives of a four-tuple. Zero is none of them: untouched memory holds nothing.
  enum class Kind : std::uint8_t { none = 0, half_open = 1, connection = 2, time_wait = 3 };

  /// Indices stay below this.
  static constexpr std::uint32_t index_limit = std::uint32_t{1} << 30;

  constexpr EntryId() noexcept = default;
  constexpr EntryId(Kind kind, std::uint32_t index) noexcept
      : raw_(static_cast<std::uint32_t>(kind) << 30 | index) {
    POLLUX_ASSERT(kind != Kind::none && index < index_limit);
  }
  static constexpr EntryId from_raw(std::uint32_t raw) noexcept {
    EntryId id;
    id.raw_ = raw;
    return id;
  }

  constexpr Kind kind() const noexcept { return static_cast<Kind>(raw_ >> 30); }
  constexpr std::uint32_t index() const noexcept { return raw_ & (index_limit - 1); }
  constexpr std::uint32_t raw() const noexcept { return raw_; }
  constexpr bool is_none() const noexcept { return raw_ == 0; }
  friend constexpr bool operator==(EntryId, EntryId) noexcept = default;

 private:
  std::uint32_t raw_ = 0;
};

/// The random numbers that make hash() one of a strongly universal family, unlike any other's.
struct TupleKey {
  std::array<std::uint64_t, 8> words{};

  /// The words follow from the secret, and not the other way round.
  static constexpr TupleKey derived(SipKey secret) noexcept {
    TupleKey out;
    for (std::uint64_t i = 0; i < out.words.size(); ++i) out.words[i] = siphash24_words(secret, i);
    return out;
  }
};

/// The hash of a four-tuple: two multilinear hashes of its three words of 32 bits (Lemire and
/// Kaser, "Strongly universal string hashing is fast", 2014, section 3), stirred. For any two
/// tuples that were chosen without the key, every part of the value is as by chance, so nobody can
/// aim connections at one bucket; but it must not be told to anybody, for a few of them give the
/// key away (docs/decisions/0035).
///
/// The upper half is that of a group: tuples that differ in the last two bits of the remote port
/// alone have it in common (docs/decisions/0043).
POLLUX_INLINE constexpr std::uint64_t hash(const wire::FourTuple& tuple,
                                           const TupleKey& key) noexcept {
  const std::uint64_t local = tuple.local.value();
  const std::uint64_t remote = tuple.remote.value();
  const std::uint64_t ports = std::uint64_t{tuple.local_port} << 16 | tuple.remote_port;
  const auto& k = key.words;
  const std::uint64_t all = k[0] + k[1] * local + k[2] * remote + k[3] * ports;
  const std::uint64_t group = k[4] + k[5] * local + k[6] * remote + k[7] * (ports & 0xFFFF'FFFC);
  // Tuples that count up would lie in as regular a pattern, for unlucky keys a narrow one. What
  // stirs them carries nothing down into the half that is the group's.
  const std::uint64_t both = (all & 0xFFFF'FFFF'0000'0000) | group >> 32;
  return std::rotl((both ^ (both >> 16 & 0xFFFF'0000'FFFF)) * 0x9E37'79B9'7F4A'7C15, 32);
}

/// One core's table from four-tuples to entries of all three kinds, so that a connection's life is
/// one insert, two replacements and one erase.
///
/// A bucket is a cache line of seven {tag, id} pairs; the tuples themselves lie beside the entries,
/// and the caller compares them when a tag agrees (a false agreement comes once in some 10 million
/// look-ups). An entry that finds its bucket full goes to the next one that is not, and every full
/// bucket that it passed counts it: a look-up stops at the first bucket that nobody passed, and
/// erasing needs no tombstones. No duplicates are looked for.
///
/// A hash's upper half says which page of 64 buckets is an entry's, and the lower one which of
/// these. Whoever opens many connections takes one port after the other: four of them are one group
/// (hash()), and lie in one page, whose address a processor has to look up once.
///
/// A large table has a small one in front of it, which a cache holds and a few pages map: entries
/// that do not stay lie there, where their bucket has room, so that few of them touch few lines,
/// however many there could be.
///
/// One thread writes and looks up. Any other thread may call for_each_snapshot() at the same time:
/// each bucket carries a sequence lock, which costs the writer two stores to a line it owns anyway.
class ConnectionTable {
 public:
  /// The share of slots in use when the table is full: higher means longer probes.
  static constexpr double load_limit = 0.85;
  /// An entry's share of the address space.
  static constexpr std::size_t bytes_per_entry = 11;

  /// A table for `capacity` entries: about 11 bytes each of address space, and 128 KiB for a large
  /// one, of which untouched pages cost nothing. `huge` as in Reservation::make.
  static Result<ConnectionTable> make(std::uint32_t capacity, bool huge = false);

  /// Asks the processor for the buckets of `hash` that a look-up would see now.
  void prefetch(std::uint64_t hash) const noexcept {
    if (near_size_ != 0) __builtin_prefetch(&buckets()[near_index(hash)]);
    if (far_size() != 0) __builtin_prefetch(&home(hash));
  }

  /// The entry with this hash for which same(EntryId) says that the tuple is the one sought, or
  /// none. same() is called for entries whose tag agrees, which is rarely more than once.
  template <class Same>
  EntryId find(std::uint64_t hash, Same&& same) const noexcept {
    const std::uint32_t tag = tag_of(hash);
    const auto in = [&](const Bucket& bucket) noexcept {
      for (std::uint32_t match = matches(bucket.tags, tag); match != 0; match &= match - 1) {
        const EntryId id = EntryId::from_raw(bucket.ids[std::countr_zero(match)]);
        if (same(id)) [[likely]]
          return id;
      }
      return EntryId{};
    };
    if (near_size_ != 0) {
      if (const EntryId id = in(buckets()[near_index(hash)]); !id.is_none()) return id;
    }
    if (far_size() == 0) return {};
    const Bucket* const first = &home(hash);
    const Bucket* bucket = first;
    do {
      if (const EntryId id = in(*bucket); !id.is_none()) return id;
      if (bucket->passed == 0) [[likely]]
        return {};
      bucket = after(bucket);
    } while (bucket != first);  // in a small table every bucket may have been passed
    return {};
  }

  /// False when the table holds capacity() entries already. `stays`: the entry is not to take the
  /// place of others that come and go sooner.
  [[nodiscard]] bool insert(std::uint64_t hash, EntryId id, bool stays = false) noexcept;
  /// Puts `now` in the place of `old`, which is in the table under this hash.
  void replace(std::uint64_t hash, EntryId old, EntryId now) noexcept;
  /// Takes out an entry that is in the table under this hash.
  void erase(std::uint64_t hash, EntryId id) noexcept;

  std::uint32_t size() const noexcept { return size_.load(std::memory_order_relaxed); }
  /// How many entries are not in the small table.
  std::uint32_t far_size() const noexcept { return size() - near_size_; }
  std::uint32_t capacity() const noexcept { return capacity_; }
  /// What the table takes when every page of it is in use.
  std::size_t bytes() const noexcept { return storage_.size(); }

  /// Calls visit(value) with value = read(EntryId) for each entry, from any thread, while the owner
  /// goes on. What read() returned is visited only if the entry was in the table, and not replaced,
  /// all the while: so an entry that lives through the whole walk is visited exactly once, and its
  /// index was not given to another. read() may run more than once, on an entry that is just being
  /// overwritten, and reads it by atomic loads with acquire order. Touches every page of the table.
  template <class Read, class Visit>
  void for_each_snapshot(Read&& read, Visit&& visit) const {
    for (std::uint32_t b = 0; b < near_count_ + bucket_count(); ++b) {
      snapshot(buckets()[b], read, visit);
    }
  }

  /// How many full buckets all entries together lie behind: for tests. Walks through the table.
  std::uint64_t passes() const noexcept {
    std::uint64_t all = 0;
    for (std::uint32_t b = 0; b < bucket_count(); ++b) all += far()[b].passed;
    return all;
  }
  /// Whether every entry is reachable from its home and every count of passers is right: for tests.
  /// `hash_of(EntryId)` is the hash under which an entry was inserted.
  template <class HashOf>
  bool consistent(HashOf&& hash_of) const;

  ConnectionTable(ConnectionTable&& other) noexcept
      : storage_(std::move(other.storage_)),
        near_count_(other.near_count_),
        page_count_(other.page_count_),
        capacity_(other.capacity_),
        near_size_(other.near_size_),
        size_(other.size()) {}
  ConnectionTable& operator=(ConnectionTable&&) = delete;

 private:
  static constexpr std::size_t slots = 7;
  static constexpr unsigned page_bits = 6;
  /// Of the small table: 128 KiB.
  static constexpr std::uint32_t near_buckets = 2048;

  struct alignas(64) Bucket {
    std::uint32_t version;  // odd while the owner writes
    std::uint32_t passed;   // entries that live further on because this bucket was full
    std::uint32_t tags[slots];
    std::uint32_t ids[slots];  // EntryId::raw; 0: the slot is free, and so is its tag
  };
  static_assert(sizeof(Bucket) == 64 && sizeof(Bucket) << page_bits == 4096);
  static_assert(sizeof(Bucket) < bytes_per_entry * slots * load_limit);

  ConnectionTable(Reservation storage, std::uint32_t near, std::uint32_t pages,
                  std::uint32_t capacity) noexcept
      : storage_(std::move(storage)), near_count_(near), page_count_(pages), capacity_(capacity) {}

  /// The low half of the hash, but never 0, which is the tag of a free slot.
  static std::uint32_t tag_of(std::uint64_t hash) noexcept {
    const auto low = static_cast<std::uint32_t>(hash);
    return low == 0 ? 1 : low;
  }
  /// One bit for each slot whose word, of a bucket's tags or ids, is this one. Without a branch a
  /// slot: which of them it is cannot be foretold.
  static std::uint32_t matches(const std::uint32_t (&words)[slots], std::uint32_t word) noexcept {
#ifdef __SSE2__
    const __m128i wanted = _mm_set1_epi32(static_cast<int>(word));
    const auto four_from = [&](std::size_t first) {
      const auto* const at = reinterpret_cast<const __m128i*>(&words[first]);
      const __m128i same = _mm_cmpeq_epi32(_mm_loadu_si128(at), wanted);
      return static_cast<std::uint32_t>(_mm_movemask_ps(_mm_castsi128_ps(same)));
    };
    static_assert(slots == 7);
    return four_from(0) | four_from(3) << 3;
#else
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < slots; ++i) {
      bits |= static_cast<std::uint32_t>(words[i] == word) << i;
    }
    return bits;
#endif
  }
  /// The upper half of the hash, scaled to the number of pages, and behind it the first bits of the
  /// lower one, as many as tell a page's buckets apart.
  std::uint32_t home_index(std::uint64_t hash) const noexcept {
    const std::uint64_t page = (hash >> 32) * page_count_ & 0xFFFF'FFFF'0000'0000;
    return static_cast<std::uint32_t>((page | (hash & 0xFFFF'FFFF)) >> (32 - page_bits));
  }
  /// Where the small table, where there is one, has it: by the first bits of both halves, of which
  /// the upper one's last are too regular where ports count up.
  static std::uint32_t near_index(std::uint64_t hash) noexcept {
    return static_cast<std::uint32_t>(hash >> 53 ^ hash >> (32 - page_bits)) % near_buckets;
  }
  /// The small table's, then the others.
  const Bucket* buckets() const noexcept {
    return reinterpret_cast<const Bucket*>(storage_.data());
  }
  Bucket* buckets() noexcept { return reinterpret_cast<Bucket*>(storage_.data()); }
  std::uint32_t bucket_count() const noexcept { return page_count_ << page_bits; }
  const Bucket* far() const noexcept { return buckets() + near_count_; }
  Bucket* far() noexcept { return buckets() + near_count_; }
  bool is_near(const Bucket& bucket) const noexcept { return &bucket < far(); }
  const Bucket& home(std::uint64_t hash) const noexcept { return far()[home_index(hash)]; }
  Bucket& home(std::uint64_t hash) noexcept { return far()[home_index(hash)]; }
  const Bucket* after(const Bucket* bucket) const noexcept {
    ++bucket;
    return bucket == far() + bucket_count() ? far() : bucket;
  }
  Bucket* after(Bucket* bucket) noexcept {
    ++bucket;
    return bucket == far() + bucket_count() ? far() : bucket;
  }

  struct Place {
    Bucket* bucket = nullptr;  // null: not found
    std::size_t slot = 0;
  };
  /// The slot that holds exactly this id.
  Place locate(std::uint64_t hash, EntryId id) noexcept;
  static void write(Bucket& bucket, std::size_t slot, std::uint32_t tag, EntryId id) noexcept;
  template <class Read, class Visit>
  static void snapshot(const Bucket& bucket, Read& read, Visit& visit);
  static std::uint32_t observe(const std::uint32_t& word) noexcept {
    return std::atomic_ref<std::uint32_t>(const_cast<std::uint32_t&>(word))
        .load(std::memory_order_acquire);
  }

  Reservation storage_;
  std::uint32_t near_count_;  // buckets of the small table: near_buckets, or 0
  std::uint32_t page_count_;  // of the large one, of 64 buckets each
  std::uint32_t capacity_;
  std::uint32_t near_size_ = 0;          // entries in the small table
  std::atomic<std::uint32_t> size_ = 0;  // written by the owner alone
};

template <class Read, class Visit>
void ConnectionTable::snapshot(const Bucket& bucket, Read& read, Visit& visit) {
  for (;;) {
    const std::uint32_t before = observe(bucket.version);
    if (before % 2 != 0) continue;
    std::array<std::invoke_result_t<Read&, EntryId>, slots> values{};
    std::size_t count = 0;
    for (const std::uint32_t& raw : bucket.ids) {
      const EntryId id = EntryId::from_raw(observe(raw));
      if (!id.is_none()) values[count++] = read(id);
    }
    if (observe(bucket.version) != before) continue;
    for (std::size_t i = 0; i < count; ++i) visit(values[i]);
    return;
  }
}

template <class HashOf>
bool ConnectionTable::consistent(HashOf&& hash_of) const {
  std::uint64_t entries = 0;
  std::uint64_t passes = 0;
  std::uint64_t counted = 0;
  std::uint64_t near = 0;
  for (std::uint32_t b = 0; b < near_count_ + bucket_count(); ++b) {
    const Bucket& bucket = buckets()[b];
    counted += bucket.passed;
    for (std::size_t i = 0; i < slots; ++i) {
      const EntryId id = EntryId::from_raw(bucket.ids[i]);
      if (id.is_none() != (bucket.tags[i] == 0)) return false;
      if (id.is_none()) continue;
      const std::uint64_t hash = hash_of(id);
      if (find(hash, [&](EntryId other) { return other == id; }) != id) return false;
      ++entries;
      if (is_near(bucket)) {
        if (b != near_index(hash)) return false;
        ++near;
        continue;
      }
      const std::uint32_t at = b - near_count_;
      const std::uint32_t from = home_index(hash);
      passes += at >= from ? at - from : at + bucket_count() - from;
    }
  }
  return entries == size() && near == near_size_ && passes == counted;
}

}  // namespace pollux::tcp
