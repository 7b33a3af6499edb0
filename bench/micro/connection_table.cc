// The table of a core's connections, small, large and larger than any cache.

#include "transport/tcp/connection_table.h"

#include <benchmark/benchmark.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "opaque.h"

namespace pollux::tcp {
namespace {

using wire::FourTuple;
using Kind = EntryId::Kind;

constexpr TupleKey key = TupleKey::derived({0x0706'0504'0302'0100, 0x0f0e'0d0c'0b0a'0908});
constexpr std::size_t burst = 32;  // what a pipeline looks up at a time
constexpr std::uint32_t batch = 1024;

/// The tuple of entry i: clients of one server, each with many ports.
FourTuple tuple_of(std::uint32_t i) {
  return {.local = wire::Ipv4Address{10, 0, 0, 1},
          .remote = wire::Ipv4Address{0x0b00'0000 + i / 50'000},
          .local_port = 80,
          .remote_port = static_cast<std::uint16_t>(10'000 + i % 50'000)};
}

/// A table with n entries, and room for a batch more. Entries are numbered in the order in which
/// the benchmarks visit them. Their tuples lie beside the table as they do beside a Tcb, in another
/// order, that leaps over pages: so nothing but a prefetch of one's own brings either near. The
/// hashes, which come with a packet, stand in that of the visits. Benchmarks leave all as it was.
class Filled {
 public:
  static Filled& with(std::int64_t n) {
    static std::map<std::int64_t, std::unique_ptr<Filled>> all;
    auto& one = all[n];
    if (!one) one = std::make_unique<Filled>(static_cast<std::uint32_t>(n));
    return *one;
  }

  explicit Filled(std::uint32_t n) : n_(n), table_(*ConnectionTable::make(n + batch)) {
    hashes_.reserve(n + batch);
    tuples_.resize(n + batch);
    for (std::uint32_t i = 0; i < n + batch; ++i) {
      tuples_[id(i).index()] = tuple_of(i);
      hashes_.push_back(hash(tuple_of(i), key));
    }
    for (std::uint32_t i = 0; i < n; ++i) {
      if (!table_.insert(hashes_[i], id(i))) std::abort();
    }
  }

  std::uint32_t size() const { return n_; }
  ConnectionTable& table() { return table_; }
  std::uint64_t hash_at(std::uint32_t i) const { return hashes_[i]; }
  EntryId id(std::uint32_t i, Kind kind = Kind::connection) const {
    // A prime that divides no n here, so that every place has one entry.
    const auto leaped = static_cast<std::uint32_t>(std::uint64_t{i} * 7919 % n_);
    return {kind, i < n_ ? leaped : i};
  }
  EntryId find(std::uint32_t i) const {
    return table_.find(hashes_[i],
                       [&](EntryId found) { return tuples_[found.index()] == tuple_of(i); });
  }
  EntryId find_no(std::uint64_t hash) const {
    return table_.find(hash, [&](EntryId found) { return tuples_[found.index()] == FourTuple{}; });
  }

 private:
  std::uint32_t n_;
  ConnectionTable table_;
  std::vector<FourTuple> tuples_;
  std::vector<std::uint64_t> hashes_;
};

/// One entry after the other, round and round.
class Visits {
 public:
  explicit Visits(std::uint32_t n) : n_(n) {}
  std::uint32_t next() {
    at_ = at_ + 1 == n_ ? 0 : at_ + 1;
    return at_;
  }

 private:
  std::uint32_t n_;
  std::uint32_t at_ = 0;
};

void hash_of_a_tuple(benchmark::State& state) {
  FourTuple tuple = tuple_of(5);
  for (auto _ : state) {
    benchmark::DoNotOptimize(tuple);
    benchmark::DoNotOptimize(hash(tuple, key));
  }
}
BENCHMARK(hash_of_a_tuple);

void hit(benchmark::State& state) {
  auto& filled = Filled::with(state.range(0));
  Visits visits{filled.size()};
  for (auto _ : state) benchmark::DoNotOptimize(filled.find(visits.next()));
}
/// As tcp_demux() does it: all buckets of a burst are asked for before the first is looked at.
void hit_in_bursts(benchmark::State& state) {
  auto& filled = Filled::with(state.range(0));
  Visits visits{filled.size()};
  std::array<std::uint32_t, burst> entries{};
  while (state.KeepRunningBatch(burst)) {
    for (std::uint32_t& entry : entries) {
      entry = visits.next();
      filled.table().prefetch(filled.hash_at(entry));
    }
    for (const std::uint32_t entry : entries) benchmark::DoNotOptimize(filled.find(entry));
  }
}
void miss(benchmark::State& state) {
  auto& filled = Filled::with(state.range(0));
  Visits visits{filled.size()};
  // The same buckets as for hits, with tags that nobody has.
  for (auto _ : state) {
    benchmark::DoNotOptimize(filled.find_no(filled.hash_at(visits.next()) ^ 0x5555'5555));
  }
}
void insert(benchmark::State& state) {
  auto& filled = Filled::with(state.range(0));
  const std::uint32_t n = filled.size();
  while (state.KeepRunningBatch(batch)) {
    for (std::uint32_t i = n; i < n + batch; ++i) {
      benchmark::DoNotOptimize(filled.table().insert(filled.hash_at(i), filled.id(i)));
    }
    state.PauseTiming();
    for (std::uint32_t i = n; i < n + batch; ++i) {
      filled.table().erase(filled.hash_at(i), filled.id(i));
    }
    state.ResumeTiming();
  }
}
void erase(benchmark::State& state) {
  auto& filled = Filled::with(state.range(0));
  Visits visits{filled.size()};
  std::vector<std::uint32_t> gone(batch);
  while (state.KeepRunningBatch(batch)) {
    for (std::uint32_t& i : gone) {
      i = visits.next();
      filled.table().erase(filled.hash_at(i), filled.id(i));
    }
    state.PauseTiming();
    for (const std::uint32_t i : gone) {
      if (!filled.table().insert(filled.hash_at(i), filled.id(i))) std::abort();
    }
    state.ResumeTiming();
  }
}
/// As when a connection is over: its entry stays and changes its kind. Two of them an iteration.
void replace_and_back(benchmark::State& state) {
  auto& filled = Filled::with(state.range(0));
  Visits visits{filled.size()};
  for (auto _ : state) {
    const std::uint32_t i = visits.next();
    const EntryId connection = filled.id(i);
    const EntryId time_wait = filled.id(i, Kind::time_wait);
    filled.table().replace(filled.hash_at(i), connection, time_wait);
    filled.table().replace(filled.hash_at(i), time_wait, connection);
  }
}

// A batch must fit into the smallest without an entry coming twice.
void sizes(benchmark::internal::Benchmark* bench) {
  for (const std::int64_t n : {1'024, 1'000'000, 10'000'000}) bench->Arg(n);
}
BENCHMARK(hit)->Apply(sizes);
BENCHMARK(hit_in_bursts)->Apply(sizes);
BENCHMARK(miss)->Apply(sizes);
BENCHMARK(insert)->Apply(sizes);
BENCHMARK(erase)->Apply(sizes);
BENCHMARK(replace_and_back)->Apply(sizes);

}  // namespace
}  // namespace pollux::tcp
