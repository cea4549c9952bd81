// What content is to the house.
#pragma once

#include <memory>

#include "services/module/module.h"

namespace tidegate::content {

std::unique_ptr<service::Module> make_module();

}  // namespace tidegate::content
