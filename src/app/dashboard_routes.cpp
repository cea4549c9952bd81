#include "app/dashboard_routes.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>

#include "base/embedded.h"
#include "base/json.h"
#include "pipeline/context.h"

TG_EMBEDDED(dashboard_pack)

namespace tidegate::app {
namespace {

using pipeline::ContextPtr;
using pipeline::Route;
using pipeline::Schema;

/// A file as it is sent, held once for all requests.
struct Served {
    std::string type;
    std::shared_ptr<const std::string> body;
};
using ServedFiles = std::map<std::string, Served, std::less<>>;

void send_file(const ContextPtr& context, const Served& file) {
    http::Response response;
    response.headers.add("Content-Type", file.type);
    response.headers.add(
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
        "media-src blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'");
    response.headers.add("X-Content-Type-Options", "nosniff");
    response.headers.add("Referrer-Policy", "no-referrer");
    response.shared_body = file.body;
    context->reply(std::move(response));
}

void reply_page(const ContextPtr& context, const ServedFiles& files, std::string_view path) {
    if (files.empty()) {
        return context->fail(
            {ErrorCode::kUnavailable,
             "this binary was built without the dashboard (npm was not there); /docs and /metrics are"});
    }
    const auto found = files.find(path);
    if (found == files.end()) return context->fail({ErrorCode::kNotFound, "the dashboard has no such file"});
    send_file(context, found->second);
}

/// One entry of the index and its bytes, taken from the front of `bytes`.
bool take_file(const json::Value& entry, std::string_view& bytes, std::vector<DashboardFile>& files) {
    if (entry.kind() != json::Kind::kObject) return false;
    const auto path = entry.find("path");
    const auto type = entry.find("type");
    const auto size = entry.find("bytes");
    const bool named = path && path->kind() == json::Kind::kString && type && type->kind() == json::Kind::kString;
    if (!named || !size || size->kind() != json::Kind::kInteger || size->as_int() < 0) return false;
    const auto length = static_cast<std::uint64_t>(size->as_int());
    if (length > bytes.size()) return false;
    files.push_back({std::string(path->as_string()), std::string(type->as_string()), bytes.substr(0, length)});
    bytes.remove_prefix(length);
    return true;
}

Route page_route(std::string path, std::string name, std::string summary) {
    Route route;
    route.path = std::move(path);
    route.operation = std::move(name);
    route.family = "operations";
    route.summary = std::move(summary);
    route.work = pipeline::Work::kCpu;  // Compressing is not for a loop.
    route.cache = pipeline::CachePolicy::kRevalidate;
    route.access = pipeline::Access::kOpen;
    route.response_type = "text/html; charset=utf-8";
    return route;
}

}  // namespace

Result<std::vector<DashboardFile>> unpack_dashboard(std::string_view pack) {
    std::vector<DashboardFile> files;
    if (pack.empty()) return files;
    const auto refuse = [] { return fail(ErrorCode::kInvalidArgument, "the packed dashboard cannot be read"); };
    const std::size_t line = pack.find('\n');
    if (line == std::string_view::npos) return refuse();
    TG_TRY(const json::Document index, json::parse(std::string(pack.substr(0, line))));
    std::string_view bytes = pack.substr(line + 1);
    if (index.root().kind() != json::Kind::kObject) return refuse();
    const auto list = index.root().find("files");
    if (!list || list->kind() != json::Kind::kArray) return refuse();
    bool whole = true;
    list->each([&](const json::Value& entry) { whole = whole && take_file(entry, bytes, files); });
    if (!whole || !bytes.empty()) return refuse();
    return files;
}

void register_dashboard(std::vector<Route>& routes) {
    auto files = std::make_shared<ServedFiles>();
    // A pack that cannot be read was damaged in the build: the page says that it is not there.
    for (const DashboardFile& file : unpack_dashboard(dashboard_pack()).value_or(std::vector<DashboardFile>{})) {
        files->insert({file.path, {file.type, std::make_shared<const std::string>(file.body)}});
    }
    Route page = page_route("/dashboard", "dashboard", "The web application.");
    page.handler = [files](const ContextPtr& context) { reply_page(context, *files, "index.html"); };
    routes.push_back(std::move(page));

    Route file = page_route("/dashboard/{path...}", "dashboard_file", "What the web application loads.");
    file.path_parameters = {{"path", Schema::string().size(1, 200), true}};
    file.handler = [files](const ContextPtr& context) { reply_page(context, *files, context->path_parameter("path")); };
    routes.push_back(std::move(file));

    const bool taken = std::ranges::any_of(
        routes, [](const Route& route) { return route.path == "/" || route.path.starts_with("/{"); });
    if (taken) return;
    Route front = page_route("/", "front", "Leads to the web application.");
    front.answer_status = 302;
    front.cache = pipeline::CachePolicy::kNoStore;
    front.work = pipeline::Work::kInline;
    front.handler = [](const ContextPtr& context) {
        http::Response response;
        response.status = 302;
        response.headers.add("Location", "/dashboard");
        context->reply(std::move(response));
    };
    routes.push_back(std::move(front));
}

}  // namespace tidegate::app
