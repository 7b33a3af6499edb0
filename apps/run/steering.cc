#include "run/steering.h"

#include <fmt/core.h>

#include <utility>

namespace pollux::run {
namespace {

/// The way and why it was chosen.
std::string text_of(SteeringWay way, cli::Steering asked, const dpdk::Port& port,
                    std::size_t cores) {
  const std::string driver = port.driver();
  std::string why;
  switch (way) {
    case SteeringWay::none:
      return "none (one queue)";
    case SteeringWay::peer:
      return fmt::format(
          "the peer's (flows stay on the queue that they come in by; {} spreads none)", driver);
    case SteeringWay::rss:
      return fmt::format("rss ({} spreads flows; believed once its queues were right)", driver);
    case SteeringWay::software:
      why = fmt::format("{} brings a flow to any queue", driver);
      if (asked == cli::Steering::software) why = "as asked for";
      if (port.queues() < cores) {
        why = fmt::format("{} cores, and {} has {} queue{}", cores, driver, port.queues(),
                          port.queues() == 1 ? "" : "s");
      }
      break;
  }
  return fmt::format("software ({}: Toeplitz sum, rings between cores)", why);
}

}  // namespace

Result<PortSteering> PortSteering::create(cli::Steering asked, const dpdk::Port& port,
                                          std::size_t cores) {
  PortSteering out;
  const auto way =
      choose_steering(asked, port.spec().kind, cores, port.queues(), port.spreads_flows());
  out.text = text_of(way, asked, port, cores);
  if (way == SteeringWay::none || way == SteeringWay::peer) return out;
  dpdk::SteeringOptions options{.cores = static_cast<std::uint16_t>(cores),
                                .queues = port.queues()};
  if (way == SteeringWay::rss) {
    options.key = port.spreading_key();
    options.homes = port.spreading_table();
    options.device_spreads = true;
  }
  auto steering = dpdk::Steering::create(std::move(options));
  if (!steering) return steering.error();
  out.steering = std::move(*steering);
  return out;
}

dpdk::SteeredQueue PortSteering::queue(const dpdk::Port& port, std::uint16_t core) const {
  auto queue = port.queue(static_cast<std::uint16_t>(core % port.queues()));
  if (steering == nullptr) return dpdk::SteeredQueue{std::move(queue)};
  return {std::move(queue), *steering, core};
}

}  // namespace pollux::run
