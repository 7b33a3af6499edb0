#pragma once

#include "base/ring.h"
#include "internet/icmp.h"
#include "wire/address.h"

namespace pollux::pipeline {

/// What a pipeline's siblings, which serve the same port, have heard and it has not. A full queue
/// loses news that comes again, or was a hint only.
struct Hearsay {
  /// This address is at that MAC.
  struct Neighbor {
    wire::Ipv4Address address;
    wire::MacAddress mac;
  };
  MessageQueue<Neighbor> neighbors{256};
  MessageQueue<internet::IcmpError> errors{64};
};

}  // namespace pollux::pipeline
