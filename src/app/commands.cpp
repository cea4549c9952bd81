#include "app/commands.h"

#include "app/audit_database.h"
#include "app/server.h"

namespace tidegate::app {

int wrong_use(const std::string& message) {
    return service::wrong_use(message);
}

service::CommandInput command_input(const AppSettings& settings, const std::vector<std::string>& words) {
    return {.words = words,
            .data_dir = settings.process.data_dir,
            .database_path = database_path(settings.process.data_dir),
            .database = database_place(settings)};
}

}  // namespace tidegate::app
