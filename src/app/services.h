// The services of the program: the one place that names them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "services/module/module.h"

namespace tidegate::app {

/// One at work, with its module's name.
struct RunningService {
    std::string name;
    std::unique_ptr<service::Service> service;
};

/// In the order of the settings' reference.
std::vector<std::shared_ptr<service::Module>> make_services();

}  // namespace tidegate::app
