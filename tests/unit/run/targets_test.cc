// Which device asks which target, and where answers come to.

#include "load/targets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "run/steering.h"

namespace pollux::load {
namespace {

using application::Endpoint;
using testing::ElementsAre;

constexpr Endpoint near_a{{10, 0, 0, 1}, 80};
constexpr Endpoint near_b{{10, 1, 0, 1}, 80};
constexpr Endpoint far{{192, 0, 2, 1}, 80};

cli::DeviceOptions device(wire::Ipv4Address own) {
  cli::DeviceOptions out;
  out.interface.addresses = {{{own, 24}, 1}};
  return out;
}

std::vector<cli::DeviceOptions> two_devices() {
  return {device({10, 0, 0, 2}), device({10, 1, 0, 2})};
}

TEST(Targets, EachDeviceAsksThoseOfItsNetwork) {
  EXPECT_THAT(targets_of(two_devices(), 0, {near_a, near_b}), ElementsAre(near_a));
  EXPECT_THAT(targets_of(two_devices(), 1, {near_a, near_b}), ElementsAre(near_b));
}

TEST(Targets, ARouteLeadsThereToo) {
  auto devices = two_devices();
  devices[1].interface.routes = {{{{0, 0, 0, 0}, 0}, {10, 1, 0, 254}}};
  EXPECT_THAT(targets_of(devices, 0, {near_a, far}), ElementsAre(near_a));
  EXPECT_THAT(targets_of(devices, 1, {near_a, far}), ElementsAre(near_a, far));
}

TEST(Targets, WhatNobodyReachesIsAskedByAll) {
  EXPECT_THAT(targets_of(two_devices(), 0, {near_a, far}), ElementsAre(near_a, far));
  EXPECT_THAT(targets_of(two_devices(), 1, {near_a, far}), ElementsAre(far));
}

TEST(Targets, ADeviceThatReachesNoneAsksAll) {
  EXPECT_THAT(targets_of(two_devices(), 1, {near_a}), ElementsAre(near_a));
}

TEST(Steering, IsChosenByDeviceAndQueues) {
  using Kind = dpdk::DeviceSpec::Kind;
  using run::choose_steering;
  using run::SteeringWay;
  constexpr auto automatic = cli::Steering::automatic;
  constexpr auto software = cli::Steering::software;
  for (const Kind kind : {Kind::tap, Kind::pci, Kind::memif}) {
    EXPECT_EQ(choose_steering(automatic, kind, 1, 1, false), SteeringWay::none);
    EXPECT_EQ(choose_steering(software, kind, 1, 1, false), SteeringWay::none);
    EXPECT_EQ(choose_steering(automatic, kind, 2, 2, true), SteeringWay::rss);
    EXPECT_EQ(choose_steering(software, kind, 2, 2, true), SteeringWay::software);
    EXPECT_EQ(choose_steering(automatic, kind, 3, 2, true), SteeringWay::software)
        << "a core has no queue";
  }
  EXPECT_EQ(choose_steering(automatic, Kind::tap, 2, 2, false), SteeringWay::software);
  EXPECT_EQ(choose_steering(automatic, Kind::vdev, 2, 2, false), SteeringWay::software);
  EXPECT_EQ(choose_steering(automatic, Kind::memif, 2, 2, false), SteeringWay::peer);
  EXPECT_EQ(choose_steering(software, Kind::memif, 2, 2, false), SteeringWay::software);
}

}  // namespace
}  // namespace pollux::load
