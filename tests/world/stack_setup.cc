#include "stack_setup.h"

template class pollux::pipeline::Pipeline<pollux::sim::Device, pollux::world::ProbeApp>;
