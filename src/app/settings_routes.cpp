#include "app/settings_routes.h"

#include <memory>
#include <utility>

#include "pipeline/context.h"

namespace tidegate::app {
namespace {

using pipeline::ContextPtr;
using pipeline::optional;
using pipeline::required;
using pipeline::Schema;

Schema settings_schema() {
    const Schema text = Schema::string();
    const Schema group = Schema::object({required("name", text), required("title", text)});
    const Schema setting = Schema::object({
        required("name", text),
        required("group", text),
        required("value", Schema::any().doc("A secret: `set` or `not set`.")),
        required("source", Schema::string().doc("`default`, `tidegate.yaml:12`, `environment NAME`, `flag --NAME`.")),
        optional("default", Schema::string().doc("As it would be written; absent in a member of a list of groups.")),
        optional("type", text),
        optional("unit", text),
        optional("range", text),
        optional("doc", text),
    });
    return Schema::object({required("groups", Schema::array(group)), required("settings", Schema::array(setting))});
}

}  // namespace

void register_settings(std::vector<pipeline::Route>& routes, std::string described) {
    pipeline::Route route;
    route.path = "/api/v1/settings";
    route.operation = "settings";
    route.family = "operations";
    route.summary = "Every setting, its value and where the value came from; never a secret.";
    route.work = pipeline::Work::kCpu;  // Compressing 100 KB is not for a loop.
    route.scopes = {"admin"};
    route.access = pipeline::Access::kAdmin;
    route.response = settings_schema();
    route.handler = [described = std::make_shared<const std::string>(std::move(described))](const ContextPtr& context) {
        if (described->empty()) return context->fail({ErrorCode::kUnavailable, "this server was started without them"});
        context->reply_json(*described);
    };
    routes.push_back(std::move(route));
}

}  // namespace tidegate::app
