#include "doctor/trials.h"

#include <gtest/gtest.h>

#include <array>

#include "sim/device.h"

namespace pollux::doctor {
namespace {

using sim::Offload;

/// Two simulated cards and a wire between them.
class Pair {
 public:
  explicit Pair(sim::DeviceOptions ours) : ours_{make(std::move(ours), 1)}, theirs_{make({}, 2)} {}

  Trials<sim::Device, sim::Device> trials() {
    return {ours_, theirs_, [this](unsigned n) {
              carry(ours_[0], theirs_[0]);
              carry(theirs_[0], ours_[0]);
              return n < 3;
            }};
  }
  bool cut = false;  // the wire

 private:
  sim::Device make(sim::DeviceOptions options, std::uint8_t number) {
    options.mac = {{0x02, 0, 0, 0, 0, number}};
    return sim::Device{pool_, options, number};
  }
  void carry(sim::Device& from, sim::Device& to) {
    for (sim::Frame& frame : from.sent()) {
      frame.charge(nullptr);
      if (!cut) to.deliver(std::move(frame));
    }
    from.sent().clear();
  }

  sim::FramePool pool_{256, 9'000};
  std::array<sim::Device, 1> ours_;
  std::array<sim::Device, 1> theirs_;
};

/// "transmit TCP checksum lies", for each.
std::vector<std::string> outcomes(const std::vector<Trial>& trials) {
  std::vector<std::string> out;
  for (const Trial& trial : trials) {
    out.push_back(trial.offload + " " + std::string(name(trial.outcome)));
  }
  return out;
}

using Lines = std::vector<std::string>;

TEST(Trials, AnHonestCardWorks) {
  Pair pair{{.offload = Offload::honest, .cuts_up_to = 60'000, .merges_up_to = 8'000}};
  auto trials = pair.trials();
  EXPECT_TRUE(trials.sends());
  EXPECT_TRUE(trials.receives());
  EXPECT_EQ(outcomes(trials.transmit()),
            (Lines{"transmit IPv4 checksum works", "transmit TCP checksum works",
                   "transmit UDP checksum works", "TCP segmentation works"}));
  EXPECT_EQ(outcomes(trials.receive(true)),
            (Lines{"receive IPv4 checksum works", "receive TCP checksum works",
                   "receive UDP checksum works", "packets of several TCP segments works"}));
}

TEST(Trials, ACardThatOffersNothingHasNothingTried) {
  Pair pair{{}};
  auto trials = pair.trials();
  EXPECT_TRUE(trials.sends());
  EXPECT_TRUE(trials.transmit().empty());
  EXPECT_TRUE(trials.receive(false).empty());
}

TEST(Trials, ACardThatSendsWhatItWasGivenLies) {
  Pair pair{{.offload = Offload::lies_on_send}};
  auto trials = pair.trials();
  EXPECT_TRUE(trials.sends());
  const std::vector<Trial> sent = trials.transmit();
  EXPECT_EQ(outcomes(sent), (Lines{"transmit IPv4 checksum lies", "transmit TCP checksum lies",
                                   "transmit UDP checksum lies"}));
  EXPECT_NE(sent[1].detail.find("with a wrong sum"), std::string::npos) << sent[1].detail;
}

TEST(Trials, ACardThatPraisesEverySumLies) {
  Pair pair{{.offload = Offload::lies_always_good}};
  auto trials = pair.trials();
  const std::vector<Trial> received = trials.receive(false);
  EXPECT_EQ(outcomes(received), (Lines{"receive IPv4 checksum lies", "receive TCP checksum lies",
                                       "receive UDP checksum lies"}));
  EXPECT_NE(received[0].detail.find("good of 8 that were bad"), std::string::npos)
      << received[0].detail;
}

TEST(Trials, OneQueueSpreadsNothing) {
  Pair pair{{}};
  auto trials = pair.trials();
  const Trial trial = trials.spreading([](const wire::FourTuple&) { return 0u; });
  EXPECT_EQ(trial.outcome, Outcome::lies);
  EXPECT_EQ(trial.detail, "64 flows on 1 of 1 queues");
}

TEST(Trials, NothingComesThroughAWireThatIsCut) {
  Pair pair{{.offload = Offload::honest}};
  pair.cut = true;
  auto trials = pair.trials();
  EXPECT_FALSE(trials.sends());
  EXPECT_FALSE(trials.receives());
  const std::vector<Trial> sent = trials.transmit();
  EXPECT_EQ(sent.front().outcome, Outcome::lies);
  EXPECT_NE(sent.front().detail.find("8 lost"), std::string::npos) << sent.front().detail;
}

TEST(Probe, ArrivesAsItWasMade) {
  for (const bool udp : {false, true}) {
    for (const std::uint32_t text : {0u, 1u, 33u, 1'400u}) {
      const Probe probe{.serial = 7, .udp = udp, .text = text};
      std::vector<std::byte> frame(probe.header_bytes() + text);
      probe.write_headers(frame, {});
      probe.write_text(std::span{frame}.subspan(probe.header_bytes()), 0);
      const auto arrival = Arrival::parse(frame);
      ASSERT_TRUE(arrival);
      EXPECT_EQ(arrival->serial, 7);
      EXPECT_EQ(arrival->text, text);
      EXPECT_TRUE(arrival->text_ok && arrival->ipv4_sum_ok && arrival->sum_ok && arrival->last);
      frame[frame.size() - 1] ^= std::byte{1};
      EXPECT_FALSE(Arrival::parse(frame)->sum_ok);
    }
  }
}

}  // namespace
}  // namespace pollux::doctor
