#include "app/server.h"

#include <arpa/inet.h>

#include <algorithm>
#include <iterator>
#include <thread>

#include "app/alert_views.h"
#include "app/audit_database.h"
#include "app/dashboard_routes.h"
#include "app/key_routes.h"
#include "app/keys.h"
#include "app/operations.h"
#include "app/settings_routes.h"
#include "base/file.h"
#include "http/trusted_proxies.h"
#include "services/provenance/provenance.h"

namespace tidegate::app {
namespace {

unsigned one_a_core(std::uint32_t asked) {
    return asked > 0 ? asked : std::max(1U, std::thread::hardware_concurrency());
}

bool is_loopback(const std::string& address) {
    in_addr v4{};
    if (::inet_pton(AF_INET, address.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24U) == 127;
    in6_addr v6{};
    return ::inet_pton(AF_INET6, address.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

Result<void> check_listener(const AppSettings& settings) {
    const http::ServerSettings& server = settings.server;
    if (server.tls_certificate.empty() != server.tls_key.empty()) {
        return fail(ErrorCode::kInvalidArgument, "TLS needs both server.tls_certificate and server.tls_key");
    }
    TG_CHECK(http::TrustedProxies::parse(server.trusted_proxies));
    const bool loopback = is_loopback(server.address);
    if (loopback || server.open_network || pipeline::keys_required(settings.identity, loopback)) return {};
    return fail(ErrorCode::kInvalidArgument,
                "server.address " + server.address +
                    " can be reached from other machines and identity.required asks nobody for a key; listen on "
                    "127.0.0.1, require keys, or set server.open_network to true behind a gateway you trust");
}

/// What may hold a thread for as long as its reader likes, or for a whole log, has threads beside those of everybody else: both
/// kinds of exports, reports, and the one verification at a time.
std::uint32_t long_read_threads(const AppSettings& settings) {
    return settings.compliance.exports_max + settings.provenance.exports_max + settings.reports.reports_max + 1;
}

/// Paths that meet, and more limits than one request can be counted by.
Result<void> check_routes(const std::vector<pipeline::Route>& routes, const limits::RateLimiter& limiter) {
    http::Router router;
    for (const pipeline::Route& route : routes) {
        TG_CHECK(route.any_method ? router.add_any(route.path, 0) : router.add(route.method, route.path, 0));
        TG_CHECK(limiter.rules().of_route(route.family, route.operation));
    }
    return {};
}

/// Settings that are sound one by one and not together.
Result<void> check_together(const AppSettings& settings) {
    const std::uint32_t records = settings.audit.queue_records_max;
    const std::uint32_t items = settings.provenance.batch_items_max;
    if (settings.pipeline.access_log_format != "json" && settings.pipeline.access_log_path.empty()) {
        return fail(
            ErrorCode::kInvalidArgument,
            "pipeline.access_log_format " + settings.pipeline.access_log_format +
                " needs pipeline.access_log_path: the log itself is JSON, and no reader takes both in one file");
    }
    if (records >= items) return {};
    return fail(ErrorCode::kInvalidArgument, "audit.queue_records_max (" + std::to_string(records) +
                                                 ") is less than provenance.batch_items_max (" + std::to_string(items) +
                                                 "): a full batch could never be recorded");
}

}  // namespace

std::string_view version() noexcept {
    return TIDEGATE_VERSION;
}

std::string database_path(const std::string& data_dir) {
    return data_dir + "/tidegate.db";
}

Result<std::unique_ptr<TidegateServer>> TidegateServer::create(const AppSettings& settings,
                                                               std::string described_settings) {
    TG_CHECK(check_listener(settings));
    TG_CHECK(check_together(settings));
    std::unique_ptr<TidegateServer> server(new TidegateServer(settings));
    server->described_settings_ = std::move(described_settings);
    TG_TRY(const observe::Level level, observe::parse_level(settings.process.log_level));
    TG_TRY(server->log_, observe::Logger::open({.level = level, .path = settings.process.log_path}, server->clock_));
    if (!settings.pipeline.access_log_path.empty()) {
        TG_TRY(server->access_log_, observe::Logger::open({.path = settings.pipeline.access_log_path}, server->clock_));
    }
    TG_TRY(server->text_detector_, provenance::text::TextDetector::embedded());
    TG_CHECK(server->open_storage());
    TG_TRY(
        server->jobs_,
        JobAssembly::open(
            {.settings = server->settings_, .clock = server->clock_, .random = server->random_, .log = *server->log_}));
    server->make_pools();
    TG_TRY(server->models_,
           ModelAssembly::open({.settings = server->settings_, .clock = server->clock_, .log = *server->log_}));
    TG_CHECK(server->make_gate());
    TG_TRY(server->tracing_, Tracing::create(server->settings_.tracing, version(), server->clock_, server->random_));
    TG_CHECK(server->make_dispatcher());
    TG_CHECK(server->open_listener());
    TG_CHECK(make_first_key(server->gate_->identity()));
    server->declare_metrics();
    TG_CHECK(server->jobs_->watch(server->metrics_, {.proxy = *server->proxy_,
                                                     .compliance = *server->compliance_,
                                                     .levels = server->measures_->levels(),
                                                     .clock = server->clock_}));
    return server;
}

TidegateServer::~TidegateServer() {
    if (jobs_) jobs_->stop_watch();
    if (measures_) measures_->stop();
    if (http_) http_->stop();
    if (gate_) gate_->stop();
    if (cpu_) cpu_->stop();
    if (blocking_) blocking_->stop();
    if (jobs_) jobs_->stop();
    // Before the models, which they may ask from threads of their own.
    for (const RunningService& one : services_) one.service->stop();
    if (models_) models_->stop();
    if (compliance_) compliance_->stop();
    if (audit_) audit_->stop();
    services_.clear();  // What the log still had to tell is told.
    if (compliance_) compliance_->save();
}

Result<void> TidegateServer::open_storage() {
    database_path_ = database_path(settings_.process.data_dir);
    TG_CHECK(disk_.make_directories(settings_.process.data_dir));
    const bool loopback = is_loopback(settings_.server.address);
    TG_TRY(compliance_,
           ComplianceAssembly::open(
               {.settings = settings_,
                .clock = clock_,
                .random = random_,
                .log = *log_,
                .loopback_without_keys = loopback && !pipeline::keys_required(settings_.identity, loopback)}));
    TG_TRY(audit_, AuditAssembly::open(
                       {.settings = settings_,
                        .database_path = database_path_,
                        .clock = clock_,
                        .random = random_,
                        .disk = disk_,
                        .log = *log_},
                       [this](audit::StoredLog& log, bool is_short) { return compliance_->followers(log, is_short); }));
    return compliance_->start(*audit_);
}

void TidegateServer::make_pools() {
    const ProcessSettings& process = settings_.process;
    cpu_ = std::make_unique<runtime::WorkerPool>("cpu", one_a_core(process.cpu_threads), process.cpu_queue_max);
    blocking_ = std::make_unique<runtime::WorkerPool>(
        "blocking", process.blocking_threads + long_read_threads(settings_), process.blocking_queue_max);
}

Result<void> TidegateServer::make_gate() {
    TG_TRY(gate_, GateAssembly::create({.settings = settings_,
                                        .database_path = database_path_,
                                        .loopback_only = is_loopback(settings_.server.address),
                                        .clock = clock_,
                                        .random = random_,
                                        .disk = disk_,
                                        .log = *log_,
                                        .blocking = *blocking_,
                                        .decisions = audit_->reader()}));
    cache_ = std::make_unique<CacheAssembly>(
        CacheNeeds{.settings = settings_, .clock = clock_, .random = random_, .cpu = *cpu_});
    TG_TRY(measures_, PerformanceAssembly::open({.settings = settings_,
                                                 .clock = clock_,
                                                 .log = *log_,
                                                 .cpu = *cpu_,
                                                 .blocking = *blocking_,
                                                 .cache = *cache_,
                                                 .loop_lag = performance_.loop_lag(),
                                                 .database_path = database_path_,
                                                 .long_read_threads = long_read_threads(settings_)}));
    TG_TRY(proxy_, proxy::Proxy::create(settings_.upstreams, settings_.routes,
                                        {.clock = clock_,
                                         .random = random_,
                                         .log = *log_,
                                         .store = cache_->store(),
                                         .flights = cache_->flights(),
                                         .invalidator = cache_->invalidator(),
                                         .hot_keys = cache_->hot_keys(),
                                         .lease_max = settings_.cache.l2_lease,
                                         .warmup_interval = settings_.cache.warmup_interval,
                                         .warmup_keys = settings_.cache.warmup_keys}));
    return {};
}

Result<void> TidegateServer::open_services() {
    const service::House house{.clock = clock_,
                               .random = random_,
                               .disk = disk_,
                               .log = *log_,
                               .jobs = jobs_->jobs(),
                               .blocking = *blocking_,
                               .text_models = models_->texts(),
                               .data_dir = settings_.process.data_dir,
                               .database_path = database_path_,
                               .database = database_place(settings_),
                               .drop_answers =
                                   [this](std::string_view tag) {
                                       return cache_->invalidator().erase_tag(cache::tag_hash(tag), clock_.unix_ms());
                                   },
                               .is_recorded = [this](const Uuid& id) -> Result<bool> {
                                   TG_TRY(const auto record, audit_->reader().find_id(id));
                                   return record.has_value();
                               }};
    for (const auto& module : settings_.services) {
        TG_TRY(auto one, module->open(house));
        services_.push_back({.name = std::string(module->name()), .service = std::move(one)});
    }
    return {};
}

Result<void> TidegateServer::make_dispatcher() {
    std::vector<pipeline::Route> routes;
    provenance::register_provenance(routes, {.clock = clock_,
                                             .text_detector = *text_detector_,
                                             .history = &audit_->history(),
                                             .statistics = &audit_->statistics(),
                                             .settings = settings_.provenance});
    TG_CHECK(open_services());
    for (const RunningService& one : services_) one.service->register_routes(routes);
    register_operations(routes, {.clock = clock_,
                                 .metrics = metrics_,
                                 .audit = *audit_,
                                 .compliance = *compliance_,
                                 .cpu = *cpu_,
                                 .blocking = *blocking_,
                                 .stopping = stopping_,
                                 .gate = *gate_,
                                 .proxy = *proxy_,
                                 .cache = *cache_,
                                 .models = *models_,
                                 .jobs = jobs_->jobs(),
                                 .services = services_,
                                 .text_model_version = text_detector_->model_version(),
                                 .metrics_enabled = settings_.process.metrics_enabled});
    compliance_->register_routes(routes, *audit_);
    register_key_routes(routes, {.keys = gate_->identity().keys(), .clock = clock_});
    std::vector<pipeline::Route> elsewhere;
    proxy_->register_routes(elsewhere);
    models_->register_routes(routes, elsewhere, *cpu_, [this] { return is_ready(*audit_, stopping_); }, version());
    std::ranges::move(elsewhere, std::back_inserter(routes));
    const bool loopback = is_loopback(settings_.server.address);
    jobs_->register_routes(routes, loopback && !pipeline::keys_required(settings_.identity, loopback));
    performance_.register_routes(routes);
    measures_->register_routes(routes);
    register_settings(routes, std::move(described_settings_));
    profiles_.register_routes(routes);
    register_dashboard(routes);
    openapi_ = register_openapi(routes);
    TG_CHECK(check_routes(routes, gate_->limiter()));
    const pipeline::Parts parts{.clock = clock_,
                                .random = random_,
                                .metrics = metrics_,
                                .log = *log_,
                                .decisions = audit_->log(),
                                .cpu = *cpu_,
                                .blocking = *blocking_,
                                .answer_after = settings_.audit.answer_after == "accepted"
                                                    ? pipeline::AnswerAfter::kAccepted
                                                    : pipeline::AnswerAfter::kDurable,
                                .access = access_log_.get()};
    TG_CHECK(pipeline::check_answers(settings_.pipeline.answers, routes));
    pipeline::Gate gate = gate_->gate();
    gate.store = &cache_->store();
    gate.flights = &cache_->flights();
    gate.build = version();
    gate.privacy = compliance_->privacy();
    for (pipeline::LoopListener* listener : compliance_->loop_listeners()) gate.listeners.push_back(listener);
    gate.listeners.push_back(&profiles_);
    if (tracing_.sender) gate.listeners.push_back(tracing_.sender.get());
    gate.spans = tracing_.exporter.get();
    gate.listeners.push_back(performance_.loop_listener());
    gate.listeners.push_back(&heartbeat_);
    gate.listeners.push_back(&models_->listener());
    gate.listeners.push_back(proxy_.get());
    gate.listeners.push_back(cache_.get());  // Last: what uses the second level of a loop ends before it.
    for (const pipeline::Route& route : routes) route_families_[route.path] = route.family;
    dispatcher_ = std::make_unique<pipeline::Dispatcher>(parts, settings_.pipeline, std::move(routes), std::move(gate));
    return {};
}

Result<void> TidegateServer::open_listener() {
    const http::ServerSettings& server = settings_.server;
    http::ServerOptions options;
    options.address = server.address;
    options.port = server.port;
    options.loops = server.loops;
    options.limits = server.limits;
    options.trusted_proxies = server.trusted_proxies;
    if (!server.tls_certificate.empty()) {
        options.tls = std::make_unique<http::TlsFiles>(http::TlsFiles{server.tls_certificate, server.tls_key});
    }
    auto listener = http::Server::create(std::move(options), *dispatcher_, clock_);
    if (!listener) {
        const std::string place = server.address + " port " + std::to_string(server.port);
        return fail(listener.error().code, place + ": " + listener.error().message);
    }
    http_ = *std::move(listener);
    dispatcher_->prepare_loops(http_->loops());
    proxy_->prepare_loops(http_->loops());
    models_->prepare_loops(http_->loops());
    return {};
}

void TidegateServer::start() {
    log_->line(observe::Level::kInfo, "listening")
        .field("address", settings_.server.address)
        .field("port", port())
        .field("tls", !settings_.server.tls_certificate.empty())
        .field("version", version())
        .field("text_model", text_detector_->model_version());
    gate_->start();
    profiles_.start(*log_);
    if (tracing_.exporter) tracing_.exporter->start();
    http_->start();
    jobs_->start();
    performance_.start({.http = dispatcher_->http_metrics(),
                        .families = route_families_,
                        .cache = [this] { return cache_->store().stats(); },
                        .spend_milli = [this] { return gate_->book().counters().charged_milli.value(); },
                        .loop_lag = {}});
    measures_->start(*dispatcher_, audit_->log(), [this] { return gate_->book().counters().charged_milli.value(); });
}

void TidegateServer::shutdown(Duration wait_max) {
    stopping_.store(true, std::memory_order_relaxed);
    log_->line(observe::Level::kInfo, "draining");
    compliance_->close_streams();
    performance_.stop();
    profiles_.stop();
    jobs_->stop_watch();
    const bool drained = http_->drain(wait_max);
    // The wait is over: cut those that are left, so that what waits for a thread is not done for nobody.
    if (!drained) http_->stop();
    if (tracing_.exporter) tracing_.exporter->stop();
    cpu_->stop();
    blocking_->stop();
    jobs_->stop();
    for (const RunningService& one : services_) one.service->stop();
    models_->stop();
    measures_->stop();
    compliance_->stop();
    audit_->stop();
    compliance_->save();
    http_->stop();
    gate_->stop();
    log_->line(observe::Level::kInfo, "stopped")
        .field("drained", drained)
        .field("recorded", audit_->log().health().appended);
    log_->flush();
}

}  // namespace tidegate::app
