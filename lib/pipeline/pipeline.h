#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "application/application.h"
#include "base/counters.h"
#include "base/delay_line.h"
#include "base/inline.h"
#include "base/prng.h"
#include "base/result.h"
#include "base/ring.h"
#include "base/siphash.h"
#include "base/slab.h"
#include "base/time.h"
#include "base/timer_wheel.h"
#include "base/token_bucket.h"
#include "internet/icmp.h"
#include "internet/ipv4_in.h"
#include "internet/path_mtu.h"
#include "internet/reassembly.h"
#include "internet/route.h"
#include "link/arp.h"
#include "link/device.h"
#include "pipeline/buffer_marks.h"
#include "pipeline/config.h"
#include "pipeline/connection.h"
#include "pipeline/foreseen_opens.h"
#include "pipeline/hearsay.h"
#include "pipeline/profiles.h"
#include "pipeline/source_addresses.h"
#include "pipeline/stream.h"
#include "pipeline/transmit.h"
#include "transport/tcp/connection_table.h"
#include "transport/tcp/fast_open.h"
#include "transport/tcp/invariants.h"
#include "transport/tcp/isn.h"
#include "transport/tcp/listener.h"
#include "transport/tcp/rtt.h"
#include "transport/tcp/syn_cookies.h"
#include "transport/tcp/tcp.h"
#include "transport/tcp/time_wait.h"
#include "transport/udp.h"
#include "wire/address_set.h"
#include "wire/ipv4.h"
#include "wire/plain_segment.h"
#include "wire/segment_headers.h"

namespace pollux::pipeline {

/// Whether an application takes messages from other threads.
template <class A>
concept HasMessages = requires {
  typename A::Message;
};

/// One core's whole stack: a device's queue below, an application above, and every table between
/// them, owned by the thread that polls. Run to completion: poll() takes a burst of frames all the
/// way to the application and its answers all the way to the device. Nothing is allocated after
/// make(). Applications know it as their stack.
template <link::Device D, application::Application A>
class Pipeline {
 public:
  using Packet = typename D::Packet;
  using Session = typename A::Session;
  using Stream = pipeline::Stream<Pipeline>;
  using Connection = pipeline::Connection<Packet, Session>;

  /// Reserves every table for the bounds in `config`. `device` and `application` outlive it.
  static Result<std::unique_ptr<Pipeline>> make(const Config& config, D& device, A& application,
                                                Instant now);
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  /// Several pipelines serve one port with the same addresses, each a queue of it: what comes to
  /// any of them reaches the one that it is for. That is what the others hear by ARP, and ICMP
  /// errors about connections that they do not have. Before start(), and on each of the two.
  void tell_neighbors_to(Pipeline& sibling) { siblings_.push_back(&sibling.heard_); }

  /// Announces the own addresses and lets the application begin; before the first poll().
  void start(Instant now) noexcept;

  /// The data path: one burst, from the device through every layer and back.
  void poll(Instant now) noexcept {
    now_ = now;
    device_.receive(frames_);  // rx burst
    buffers_.look(device_);
    const bool more = more_waits();
    ethernet_in();        // link:        -> ARP, datagrams_, plain TCP
    ipv4_in();            // internet:    -> ICMP, UDP, arrivals_
    tcp_demux();          // transport:   four-tuple -> entry   (buckets prefetched)
    tcp_in();             //              state machine -> ready connections
    if (!more) expire();  // timers of every layer -> ready connections
    application_in();     // application: callbacks on ready connections
    tcp_out();            // transport:   next_segment until nothing -> link
    transmit_.flush();    // tx burst
  }

  /// When poll() has something to do although nothing arrives; nothing when only a frame can wake
  /// it. Never later than the truth.
  std::optional<Instant> next_event() const noexcept;

  /// Resets every connection, as at the end of a run; on_closed(aborted) is called for each. What
  /// waits for a neighbour or for the device, and what was held for reassembly, is counted as
  /// dropped: no frame is left, and connect() begins nothing any more.
  void stop(Instant now) noexcept;

  const Counters& counters() const noexcept { return counters_; }
  /// The next conflict about one of our addresses that nobody has taken yet, for a warning: of more
  /// than a few at a time only the first are kept. One thread may call it, and any one may.
  std::optional<link::Conflict> take_conflict() noexcept { return conflicts_.pop(); }
  /// Connections with a Tcb, in any state (the owner's thread only).
  std::uint32_t connections_in_use() const noexcept { return connections_.size(); }
  std::uint32_t half_open_in_use() const noexcept { return half_open_.size(); }
  std::uint32_t time_wait_in_use() const noexcept { return time_wait_.size(); }
  /// Frames held in reassembly: received, neither delivered nor dropped yet.
  std::uint32_t frames_held() const noexcept { return reassembly_.frames_held(); }
  /// Of all other tables that connections and applications fill: four-tuples, flights, pieces and
  /// timers. 0 once there is no connection, half-open or TIME-WAIT entry, and no timer is set.
  std::uint64_t entries_in_use() const noexcept {
    return std::uint64_t{table_.size()} + flights_.size() + send_pieces_.size() +
           receive_pieces_.size() + wheel_.size() + half_open_wheel_.size() + app_timers_.size();
  }
  /// Memory per connection in bytes, by the sizes of its parts.
  static constexpr std::size_t bytes_per_connection() noexcept {
    return sizeof(Connection) + tcp::ConnectionTable::bytes_per_entry + TimerWheel::bytes_per_entry;
  }

  // What applications ask of their stack (application/application.h).

  Instant now() const noexcept { return now_; }
  Result<std::monostate, application::StackError> listen(
      std::uint16_t port, const application::ListenOptions& options = {}) noexcept;
  /// What connections that come from now on start with.
  Result<std::monostate, application::StackError> change_listener(
      std::uint16_t port, const application::ListenOptions& options) noexcept;
  /// Ends it (RFC 9293 s.3.10.4, LISTEN): who has not completed a handshake is reset. Connections
  /// that the application knows of go on.
  void unlisten(std::uint16_t port) noexcept;
  Result<application::StreamId, application::StackError> connect(
      application::Endpoint remote, const application::ConnectOptions& options = {}) noexcept;
  /// Sends a SYN that belongs to no connection, and keeps nothing of it: on_syn_answer() says what
  /// comes of it, and a SYN,ACK is reset. `turn` chooses where it leaves from, each own address in
  /// turn and then the next port: turns that follow one another meet every pair of them once. In
  /// use: a listener has that port, or a connection that four-tuple; no memory: the device takes
  /// no more for now.
  Result<std::monostate, application::StackError> send_syn(application::Endpoint remote,
                                                           std::uint64_t turn) noexcept;
  /// The stream of an id that still lives.
  std::optional<Stream> stream(application::StreamId id) noexcept;
  /// To walk past all streams: one past the last place that may have one, and the stream at a place
  /// below that, if there is one.
  std::uint32_t stream_places() const noexcept { return connections_.high_water(); }
  std::optional<Stream> stream_at(std::uint32_t place) noexcept;
  /// on_timer(token) once, `delay` from now (whole milliseconds, rounded up); false when
  /// config.app_timers are set already.
  bool after(Duration delay, std::uint64_t token) noexcept;
  /// Receives datagrams on a port, for on_datagram().
  Result<std::monostate, application::StackError> bind(std::uint16_t port) noexcept;
  /// Sends one UDP datagram of up to 65,507 bytes, in fragments where the path asks for them.
  Result<std::monostate, application::StackError> send_datagram(
      application::Endpoint local, application::Endpoint remote,
      std::span<const std::byte> bytes) noexcept;
  /// The only call that another thread may make: on_message(message) in the next poll. False when
  /// the queue is full.
  template <class M>
  bool post(M&& message) noexcept requires HasMessages<A> {
    return messages_.push(std::forward<M>(message));
  }

 private:
  friend Stream;
  static constexpr std::uint32_t none = 0xFFFF'FFFF;
  static constexpr std::size_t max_listeners = 64;
  static constexpr std::size_t max_messages = 1024;
  static constexpr std::uint16_t max_pieces_past_gap = 512;
  static constexpr std::uint32_t most_owned = 32'768;  // packets in one send queue
  static constexpr Duration longest_cork = 200ms;
  static constexpr Duration longest_syn_wait = 4s;  // for an answer to a SYN that nobody keeps
  static constexpr std::size_t burst = link::burst_size;
  /// 64 KiB in buffers of 1,500 bytes.
  static constexpr std::size_t most_chained = 44;

  using Connections = Slab<Connection, true>;
  using HalfOpens = Slab<tcp::HalfOpen, true>;
  using SendPieces = typename SendQueue<Packet>::Pieces;
  using ReceivePieces = typename ReceiveQueue<Packet>::Pieces;
  enum class TimerUse : std::uint8_t { application, cork, linger };
  /// Of after(): its token. Else: the connection that it is for.
  struct AppTimer {
    std::uint64_t token = 0;
    application::StreamId stream{};
    TimerUse use = TimerUse::application;
  };
  struct Listener {
    std::uint16_t port = 0;  // 0: free
    std::uint8_t profile = Profiles::common;
    bool nagle = true;
  };
  /// One received segment on its way from demultiplexing to the state machine.
  struct Arrival {
    wire::FourTuple tuple;
    std::uint64_t hash = 0;
    tcp::EntryId entry;
    std::uint32_t frames = 1;   // received frames that it stands for
    std::uint16_t text_at = 0;  // of the packet's first byte
    tcp::Segment segment;
    Packet packet;
  };
  struct Reservation {
    const Connection* connection = nullptr;
    std::size_t size = 0;
    Packet fresh;
  };
  struct Nothing {
    explicit Nothing(std::size_t) noexcept {}
  };
  template <class B>
  struct MessagesOf {
    using type = Nothing;
  };
  template <HasMessages B>
  struct MessagesOf<B> {
    using type = MessageQueue<typename B::Message>;
  };

  /// Everything that is reserved at start and may fail to be.
  struct Tables {
    static Result<Tables> make(const Config& config, Instant now);
    tcp::ConnectionTable table;
    Connections connections;
    HalfOpens half_open;
    tcp::TimeWaitQueue time_wait;
    tcp::FlightPool flights;
    SendPieces send_pieces;
    ReceivePieces receive_pieces;
    TimerWheel wheel;
    TimerWheel half_open_wheel;
    Slab<AppTimer> app_timers;
    TimerWheel app_timers_wheel;
  };

  Pipeline(const Config& config, D& device, A& application, Instant now, wire::AddressSet own,
           internet::RouteTable routes, link::NeighborTable neighbors,
           internet::Reassembler reassembly, Tables tables);

  // link_stage.h
  void ethernet_in() noexcept;
  bool plain_frame_arrives(Packet& frame) noexcept;
  Drop frame_arrives(Packet& frame) noexcept;
  Drop arp_in(wire::MacAddress source, std::span<const std::byte> bytes) noexcept;
  void link_expire() noexcept;
  void siblings_in() noexcept;
  void link_returns() noexcept;
  void undeliverable(std::span<const std::byte> datagram) noexcept;
  // internet_stage.h
  void ipv4_in() noexcept;
  void deliver(const wire::Ipv4View& ip, Packet& packet, bool broadcast) noexcept;
  void count_received(Drop drop, std::uint32_t frames = 1) noexcept;
  void fragment_in(const wire::Ipv4View& fragment, bool broadcast) noexcept;
  void reassembled_tcp_in(const wire::Ipv4View& ip, std::uint32_t frames) noexcept;
  Drop icmp_in(const wire::Ipv4View& ip, bool broadcast) noexcept;
  void send_echo_reply(const wire::Ipv4View& request) noexcept;
  Drop icmp_error_in(const internet::IcmpError& error) noexcept;
  Drop datagram_error_in(const internet::IcmpError& error) noexcept;
  Drop hand_over(const internet::IcmpError& error) noexcept;
  Drop hand_over(const wire::FourTuple& flow, const wire::Ipv4View& ip) noexcept;
  void send_icmp_error(const wire::Ipv4View& about, const wire::IcmpFields& error,
                       bool link_group) noexcept;
  bool believed(packet::Verified said, std::uint64_t& seen) noexcept;
  void disbelieve(packet::Verified said) noexcept;
  void udp_arrives(const wire::Ipv4View& ip, packet::Verified said, bool broadcast) noexcept;
  Drop udp_in(const wire::Ipv4View& ip, bool verified, bool broadcast) noexcept;
  void expire() noexcept;
  /// Whether more has come in than this burst. Then no timer expires yet: when nobody has polled
  /// for a while, what waits to be read may be what the timers wait for. It goes on until as much
  /// was read as a large ring holds.
  bool more_waits() noexcept {
    constexpr std::uint32_t most = 4096 / burst;
    full_bursts_ = frames_.full() && full_bursts_ < most ? full_bursts_ + 1 : 0;
    return full_bursts_ != 0;
  }
  // tcp_stage.h
  Drop read_segment(const wire::Ipv4View& ip, bool verified, Arrival& arrival,
                    std::span<const std::byte>& text) noexcept;
  Arrival& next_arrival() noexcept;
  void tcp_arrives(const wire::Ipv4View& ip, Packet& packet) noexcept;
  void keep_arrival(Arrival& arrival, Packet& packet, std::size_t text_at,
                    packet::Verified said) noexcept;
  void tcp_demux() noexcept;
  void tcp_in() noexcept;
  static void read_echo(Arrival& arrival, std::uint32_t offset) noexcept;
  /// What the table has under this hash has changed: an entry that tcp_demux() has found there may
  /// be stale.
  void note_change(std::uint64_t hash) noexcept {
    changed_[hash / 64 % changed_.size()] |= std::uint64_t{1} << hash % 64;
  }
  bool may_have_changed(std::uint64_t hash) const noexcept {
    return (changed_[hash / 64 % changed_.size()] >> hash % 64 & 1) != 0;
  }
  tcp::EntryId find(const wire::FourTuple& tuple, std::uint64_t hash) noexcept;
  POLLUX_INLINE bool is_of(tcp::EntryId id, const wire::FourTuple& tuple) const noexcept;
  std::size_t join_followers(Arrival& head, std::span<const Arrival> behind) const noexcept;
  [[gnu::noinline]] std::size_t run_arrives(std::span<Arrival> left) noexcept;
  template <bool run>
  POLLUX_INLINE Drop connection_arrives(Connection& c, Arrival& arrival,
                                        std::span<Arrival> followers) noexcept;
  bool has_room_for_text(const Connection& c, const tcp::Segment& segment) const noexcept;
  [[gnu::noinline]] void apply(Connection& c, const tcp::Verdict& verdict) noexcept;
  void apply_here(Connection& c, const tcp::Verdict& verdict) noexcept;
  void count_verdict(const tcp::Verdict& verdict) noexcept;
  void arm(Connection& c) noexcept;
  void watch(Connection& c) noexcept;
  void watch_half_open(std::uint32_t index) noexcept;
  void look_at_deadline(Connection& c) noexcept;
  void tcp_expire() noexcept;
  // listen_stage.h
  Drop unconnected_arrives(Arrival& arrival, Connection*& made) noexcept;
  bool answers_with_cookie() const noexcept;
  std::optional<tcp::HalfOpen> take_cookie(Arrival& arrival, std::uint8_t listener) noexcept;
  Drop answer_with_cookie(const Arrival& arrival) noexcept;
  Drop open_half(const Arrival& arrival, tcp::SeqNum iss, std::uint32_t ts_offset) noexcept;
  Drop half_open_arrives(Arrival& arrival, Connection*& made) noexcept;
  Drop accept(const tcp::HalfOpen& half, Arrival& arrival, Connection*& made) noexcept;
  void drop_half_open(const Arrival& arrival) noexcept;
  void release_half_open(std::uint32_t index) noexcept;
  void release_time_wait(std::uint64_t hash, tcp::EntryId id) noexcept;
  Drop time_wait_arrives(Arrival& arrival) noexcept;
  POLLUX_INLINE Connection* acquire_for(const tcp::HalfOpen& half, std::uint64_t hash,
                                        bool new_entry) noexcept;
  POLLUX_INLINE void start_accepted(Connection& c, const tcp::HalfOpen& half) noexcept;
  void send_syn_ack(const tcp::HalfOpen& half, const tcp::Segment& segment) noexcept;
  // fast_open_stage.h
  Drop open_passive(Arrival& arrival, tcp::SeqNum iss, std::uint32_t ts_offset) noexcept;
  bool open_fast(Arrival& arrival, tcp::SeqNum iss, std::uint32_t ts_offset) noexcept;
  void fast_open_established(Connection& c, const tcp::Segment& segment) noexcept;
  void fast_open_over(Connection& c) noexcept;
  // tcp_out_stage.h
  void make_ready(Connection& c, std::uint8_t news) noexcept;
  void tcp_out() noexcept;
  POLLUX_INLINE bool send_all(Connection& c) noexcept;
  POLLUX_INLINE bool send_plain(Connection& c) noexcept;
  [[gnu::noinline]] void tell_unreachable(Connection& c) noexcept;
  void withhold_push(const Connection& c, tcp::Segment& segment) noexcept;
  void send_more_acks(Connection& c, tcp::Segment& last, tcp::SeqNum snd_nxt) noexcept;
  POLLUX_INLINE void release(Connection& c) noexcept;
  POLLUX_INLINE void leave_table(Connection& c) noexcept;
  void fit_path(Connection& c) noexcept;
  void ask_path(Connection& c) noexcept;
  void take_path_news(const Connection& c, const tcp::Verdict& verdict) noexcept;
  void send_reset(Connection& c) noexcept;
  void reset(const wire::FourTuple& tuple, const tcp::Segment& segment) noexcept;
  [[gnu::noinline]] bool append_text(Packet& packet, tcp::SeqNum seq, std::uint32_t length,
                                     SendQueue<Packet>& queue) noexcept;
  [[gnu::noinline]] bool send_segment(const tcp::Config& config, const wire::FourTuple& tuple,
                                      std::uint32_t ts_offset, const tcp::Segment& segment,
                                      SendQueue<Packet>* queue) noexcept;
  [[gnu::noinline]] bool send_uncut(const tcp::Config& config, const wire::FourTuple& tuple,
                                    std::uint32_t ts_offset, const tcp::Segment& segment,
                                    SendQueue<Packet>& queue) noexcept;
  template <class Segment>
  POLLUX_INLINE bool finish_segment(Packet& packet, std::span<std::byte> headers,
                                    bool timestamps_alone, const tcp::Config& config,
                                    const wire::FourTuple& tuple, std::uint32_t ts_offset,
                                    const Segment& segment, std::uint16_t text) noexcept;
  // application_stage.h
  void application_in() noexcept;
  bool set_timer(Duration delay, const AppTimer& timer) noexcept;
  void timer_expired(const AppTimer& timer) noexcept;
  void dispatch(Connection& c) noexcept;
  bool awaits_reader(Connection& c) noexcept;
  void finish(Connection& c) noexcept;
  std::span<const std::byte> readable(Connection& c) noexcept;
  std::size_t peek(const Connection& c, std::span<std::byte> to) noexcept;
  void consume(Connection& c, std::size_t n) noexcept;
  bool at_end(Connection& c) noexcept;
  std::size_t room_in_send_queue(const Connection& c) const noexcept;
  std::size_t writable(Connection& c) noexcept;
  std::size_t unacknowledged(const Connection& c) const noexcept;
  bool send(Connection& c, application::StaticSpan bytes) noexcept;
  std::span<std::byte> reserve(Connection& c, std::size_t n) noexcept;
  void commit(Connection& c, std::size_t n) noexcept;
  POLLUX_INLINE void queued(Connection& c, std::uint32_t n) noexcept;
  void hand_over(Connection& c) noexcept;
  void hand_over_all(Connection& c) noexcept;
  void uncork(Connection& c) noexcept;
  void time_cork(Connection& c) noexcept;
  void release_held(Connection& c) noexcept;
  void starve(Connection& c) noexcept;
  void shutdown_send(Connection& c) noexcept;
  void close(Connection& c) noexcept;
  bool close_within(Connection& c, Duration limit) noexcept;
  void refuse_orphan(Connection& c) noexcept;
  void abort(Connection& c) noexcept;
  bool set_options(Connection& c, const application::StreamOptions& options) noexcept;
  application::StreamStatus status(const Connection& c) const noexcept;
  bool change_profile(Connection& c, const tcp::Config& wanted) noexcept;
  std::optional<std::uint8_t> join_profile(const application::Limits& limits) noexcept;
  // open_stage.h
  /// connect() of which the connection comes back, or null and why not.
  [[gnu::noinline]] Connection* begin(application::Endpoint remote,
                                      const application::ConnectOptions& options,
                                      application::StackError& why_not) noexcept;
  Connection* open(const wire::FourTuple& tuple, std::uint64_t hash,
                   const application::ConnectOptions& options) noexcept;
  static bool may_open(application::Endpoint remote) noexcept {
    return remote.port != 0 && !remote.address.is_any() && !remote.address.is_multicast() &&
           !remote.address.is_reserved();
  }
  bool claim(const wire::FourTuple& tuple, std::uint64_t& hash) noexcept;
  void foresee(application::Endpoint remote, const SourceAddresses::Turn& sources) noexcept;
  bool pick_source(wire::FourTuple& tuple, std::uint64_t& hash,
                   SourceAddresses::Turn* sources) noexcept;

  // syn_stage.h
  bool takes_syn_answer(const Arrival& arrival) noexcept;

  tcp::EntryId entry_id(const Connection& c) const noexcept {
    return {tcp::EntryId::Kind::connection, connections_.index_of(c)};
  }
  const tcp::Config& tcp_config(const Connection& c) const noexcept { return profiles_[c.profile]; }
  const tcp::Config& tcp_config(const tcp::HalfOpen& half) const noexcept {
    return profiles_[half.profile];
  }
  application::StreamId stream_id(const Connection& c) const noexcept {
    const Handle handle = connections_.handle(connections_.index_of(c));
    return {handle.index, handle.generation};
  }
  /// How many of `all` that connections share one of them may hold: no bound while half is free,
  /// then 1/64, and ever less, so that those who give nothing back leave something for the others.
  static constexpr std::uint32_t share_of(std::uint32_t free, std::uint32_t all) noexcept {
    if (free > all / 2) return all;
    return static_cast<std::uint32_t>(std::uint64_t{free} * free / (std::uint64_t{16} * all));
  }
  static constexpr bool orderly(Cause cause) noexcept {
    return cause == Cause::by_us || cause == Cause::by_peer;
  }
  /// Whether what a connection that is over has received is all that there was. After both FINs,
  /// nothing that ends it takes the peer's text away.
  static constexpr bool keeps_text(const Connection& c) noexcept {
    return orderly(c.cause) || (c.at_peer_end && c.send_closed);
  }
  /// Whether the answers of a flow come to this stack, and not to another of the same addresses.
  bool comes_home(const wire::FourTuple& tuple) const noexcept {
    if constexpr (link::Steered<D>) return device_.comes_home(tuple);
    return true;
  }
  bool knows_homes() const noexcept {
    if constexpr (link::Steered<D>) return device_.knows_homes();
    return false;
  }
  /// The first moment at which Millis32{moment} reaches `when`, which is less than 24 days away.
  Instant instant_of(Millis32 when) const noexcept {
    return std::chrono::floor<std::chrono::milliseconds>(now_) + (when - Millis32{now_});
  }

  static Config checked(Config config, const D& device) noexcept;
  static SipKey fast_open_key(std::uint64_t seed) noexcept;

  const Config config_;
  Profiles profiles_{config_.tcp};
  D& device_;
  A& application_;
  Now now_;
  Counters counters_;
  Prng random_;
  const tcp::TupleKey table_key_;
  const SipKey isn_key_;
  const std::uint32_t first_syn_port_;  // of send_syn(), in its range

  packet::Burst<Packet, burst> frames_;
  std::uint32_t full_bursts_ = 0;  // in a row
  BufferMarks buffers_{config_.few_buffers};
  packet::Burst<Packet, burst> datagrams_;
  std::array<bool, burst> group_{};  // of datagrams_: came to a group MAC address
  std::array<Arrival, burst> arrivals_{};
  std::size_t arrivals_count_ = 0;
  std::array<std::uint64_t, 8> changed_{};  // note_change(): a bit for each part of the hashes
  bool stopped_ = false;                    // stop() was called

  const std::uint64_t own_mac_;
  wire::AddressSet addresses_;
  internet::PlainAddresses plain_addresses_;
  Transmitter<D> transmit_;
  link::ArpDefence arp_defence_;
  SpscRing<link::Conflict> conflicts_{4};
  Hearsay heard_;
  std::vector<Hearsay*> siblings_;
  link::ArpAnnouncer announcer_;
  std::uint32_t links_ = 0;  // of the device, when last looked at
  internet::Reassembler reassembly_;
  internet::PathMtuCache path_mtu_;
  // Of which the device has said that their sum is good; and whether it was wrong once.
  std::uint64_t verified_headers_ = 0;
  std::uint64_t verified_packets_ = 0;
  bool distrusted_ = false;
  TokenBucket icmp_errors_allowed_{1000, 50};

  tcp::ConnectionTable table_;
  Connections connections_;
  HalfOpens half_open_;
  tcp::TimeWaitQueue time_wait_;
  tcp::FlightPool flights_;
  SendPieces send_pieces_;
  ReceivePieces receive_pieces_;
  std::uint32_t owned_packets_ = 0;  // of send_pieces_
  std::uint32_t orphans_ = 0;        // connections that are `closing`
  TimerWheel wheel_;
  TimerWheel half_open_wheel_;
  DelayLine young_{16'384, 2ms};  // EntryIds of the newest, most of which are gone before any timer
  std::uint32_t ready_head_ = none;
  std::uint32_t ready_tail_ = none;
  Reservation reserved_;

  tcp::EphemeralPorts ports_;
  SourceAddresses sources_;
  ForeseenOpens foreseen_;
  std::optional<tcp::TimeWait> replaced_;  // by claim(), and not yet by a connection
  tcp::SynCookies cookies_;
  tcp::FastOpenCookies fast_open_cookies_;
  tcp::FastOpenCache fast_open_cache_;
  tcp::FastOpenBacklog fast_open_backlog_;

  std::array<std::uint8_t, 65'536> listener_at_{};  // port -> index into listeners_ + 1
  std::array<Listener, max_listeners> listeners_{};
  udp::Ports datagram_ports_;
  Slab<AppTimer> app_timers_;
  TimerWheel app_timers_wheel_;
  [[no_unique_address]] typename MessagesOf<A>::type messages_{max_messages};
};

}  // namespace pollux::pipeline

#include "pipeline/application_stage.h"
#include "pipeline/fast_open_stage.h"
#include "pipeline/internet_stage.h"
#include "pipeline/link_stage.h"
#include "pipeline/listen_stage.h"
#include "pipeline/open_stage.h"
#include "pipeline/setup.h"
#include "pipeline/syn_stage.h"
#include "pipeline/tcp_out_stage.h"
#include "pipeline/tcp_stage.h"
