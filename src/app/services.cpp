#include "app/services.h"

#include "services/content/module.h"
#include "services/flood/module.h"
#include "services/speech/module.h"

namespace tidegate::app {

std::vector<std::shared_ptr<service::Module>> make_services() {
    std::vector<std::shared_ptr<service::Module>> services;
    services.push_back(flood::make_module());
    services.push_back(content::make_module());
    services.push_back(speech::make_module());
    return services;
}

}  // namespace tidegate::app
