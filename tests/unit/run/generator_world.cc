#include "generator_world.h"

template class pollux::pipeline::Pipeline<pollux::sim::Device, pollux::load::Responder>;
template class pollux::pipeline::Pipeline<pollux::sim::Device, pollux::load::Generator>;
