// What speech is to the house.
#pragma once

#include <memory>

#include "services/module/module.h"

namespace tidegate::speech {

std::unique_ptr<service::Module> make_module();

}  // namespace tidegate::speech
